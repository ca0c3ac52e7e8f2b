// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ICheckpointVerifier} from "./ICheckpointVerifier.sol";
import {ValidatorSets} from "./ValidatorSets.sol";

/// @title Checkpoints signed by the validators' operator keys, for sets of up to 32 and for chains without EIP-2537.
/// @notice Each signs EIP-712 typed data, which says that a block is final and nothing of where that is told: one signature serves every chain.
///   Domain: name "NovaChain", version "1", chainId NovaChain's, salt the hash of its genesis block.
///   Type: Checkpoint(uint64 height,bytes32 blockHash).
///   A certificate, without gaps, by `chain/types/checkpoint.ts`: count (1 byte), aggregate key (48), of every member in order of address his
///   address (20), key (48) and power (8); a bitmap of ceil(count / 8) bytes, least significant bit first, spare bits zero; of every member
///   in it a signature (64, EIP-2098). The whole set has to be named, since its hash is of all of it.
contract EcdsaCheckpointVerifier is ICheckpointVerifier {
  uint256 private constant MEMBERS_MAX = 32;
  uint256 private constant HEAD_BYTES = 49;
  uint256 private constant MEMBER_BYTES = 76;
  uint256 private constant SIGNATURE_BYTES = 64;
  /// @dev secp256k1's order, halved: of the two signatures of one message just one counts.
  uint256 private constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

  bytes32 public constant CHECKPOINT_TYPEHASH = keccak256("Checkpoint(uint64 height,bytes32 blockHash)");
  bytes32 public immutable domainSeparator;

  /// @param novaChainId the id that its transactions carry
  constructor(uint64 novaChainId, bytes32 genesisHash) {
    domainSeparator = keccak256(
      abi.encode(
        keccak256("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"),
        keccak256("NovaChain"),
        keccak256("1"),
        novaChainId,
        genesisHash
      )
    );
  }

  function verify(bytes32 validatorsHash, uint64 height, bytes32 blockHash, bytes calldata certificate) external view {
    if (certificate.length < HEAD_BYTES) revert BadCertificate();
    uint256 count = uint8(certificate[0]);
    uint256 bitmapAt = HEAD_BYTES + MEMBER_BYTES * count;
    uint256 signaturesAt = bitmapAt + (count + 7) / 8;
    if (count == 0 || count > MEMBERS_MAX || certificate.length < signaturesAt) revert BadCertificate();
    uint256 bitmap = _bitmap(certificate[bitmapAt:signaturesAt]);
    if (bitmap >> count != 0) revert BadCertificate();

    bytes calldata members = certificate[HEAD_BYTES:bitmapAt];
    uint256 totalPower = _checkSet(validatorsHash, certificate[1:HEAD_BYTES], members, count);
    bytes32 digest = keccak256(
      abi.encodePacked(
        hex"1901", domainSeparator, keccak256(abi.encode(CHECKPOINT_TYPEHASH, height, blockHash))
      )
    );
    uint256 signedPower = _checkSignatures(digest, members, bitmap, certificate[signaturesAt:]);
    if (3 * signedPower <= 2 * totalPower) revert TooLittlePower(signedPower, totalPower);
  }

  /// @dev Least significant bit first in each byte, and byte after byte: member i is bit i.
  function _bitmap(bytes calldata bytes_) private pure returns (uint256 bitmap) {
    for (uint256 i = 0; i < bytes_.length; i++) bitmap |= uint256(uint8(bytes_[i])) << (8 * i);
  }

  function _checkSet(bytes32 validatorsHash, bytes calldata aggregate, bytes calldata members, uint256 count)
    private
    pure
    returns (uint256 totalPower)
  {
    bytes32[] memory level = new bytes32[](count);
    for (uint256 i = 0; i < count; i++) {
      bytes calldata member = members[MEMBER_BYTES * i:MEMBER_BYTES * (i + 1)];
      uint256 power = uint64(bytes8(member[68:76]));
      totalPower += power;
      level[i] = ValidatorSets.leafOf(
        address(bytes20(member[:20])), uint128(bytes16(member[20:36])), uint256(bytes32(member[36:68])), power
      );
    }
    for (uint256 size = count; size > 1; size = (size + 1) / 2) {
      for (uint256 i = 0; i + 1 < size; i += 2) level[i / 2] = ValidatorSets.nodeOf(level[i], level[i + 1]);
      if (size % 2 == 1) level[size / 2] = level[size - 1];
    }
    bytes32 given = ValidatorSets.hashOf(
      level[0], uint128(bytes16(aggregate[:16])), uint256(bytes32(aggregate[16:48])), totalPower
    );
    if (given != validatorsHash) revert WrongValidators(given, validatorsHash);
  }

  function _checkSignatures(bytes32 digest, bytes calldata members, uint256 bitmap, bytes calldata signatures)
    private
    pure
    returns (uint256 signedPower)
  {
    uint256 offset = 0;
    for (uint256 i = 0; bitmap >> i != 0; i++) {
      if ((bitmap >> i) & 1 == 0) continue;
      if (signatures.length < offset + SIGNATURE_BYTES) revert BadCertificate();
      bytes calldata member = members[MEMBER_BYTES * i:MEMBER_BYTES * (i + 1)];
      address expected = address(bytes20(member[:20]));
      uint256 vs = uint256(bytes32(signatures[offset + 32:offset + 64]));
      uint256 s = vs & type(uint256).max >> 1;
      address signer = ecrecover(digest, uint8(27 + (vs >> 255)), bytes32(signatures[offset:offset + 32]), bytes32(s));
      if (signer == address(0) || signer != expected || s > S_MAX) revert BadSignature(expected);
      signedPower += uint64(bytes8(member[68:76]));
      offset += SIGNATURE_BYTES;
    }
    if (signatures.length != offset) revert BadCertificate();
  }
}
