// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ICheckpointVerifier} from "./ICheckpointVerifier.sol";
import {ValidatorSets} from "./ValidatorSets.sol";

/// @title Checkpoints whose certificate is the block's own CommitQC: one BLS12-381 signature of all who signed, for any number of validators.
/// @notice Needs EIP-2537. The chain signs keccak256("novachain/consensus/1" ‖ chain id u64 ‖ genesis hash ‖ 0x03 (COMMIT) ‖ height u64 ‖ round u32 ‖
///   block hash), hashed to the curve as BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ (RFC 9380); keys in G1, signatures in G2, every key with its
///   proof of possession. The key of those who signed is the aggregate of all less the absentees, each of whom is shown by his branch.
///   A certificate, without gaps, by `chain/types/checkpoint.ts`: round (4 bytes), root of the members (32), total power (16), aggregate key (128),
///   signature (256); of every absentee in order of address his address (20), power (8), key (128), and the branch: its length n (1), sides (2, bit i
///   set where the i-th neighbour is on the left) and neighbours (32 n) from the leaf up. Points as EIP-2537 has them.
contract BlsCheckpointVerifier is ICheckpointVerifier {
  uint256 private constant HEAD_BYTES = 436;
  uint256 private constant KEY_AT = 52;
  uint256 private constant SIGNATURE_AT = 180;
  /// @dev Without the neighbours.
  uint256 private constant ABSENTEE_BYTES = 159;

  address private constant MODEXP = address(0x05);
  address private constant G1_ADD = address(0x0b);
  address private constant G2_ADD = address(0x0d);
  address private constant PAIRING = address(0x0f);
  address private constant MAP_TO_G2 = address(0x11);

  /// @dev The field's prime in 16 and 32 bytes, and half of it, rounded down.
  uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
  uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
  uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
  uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;
  bytes private constant PRIME =
    hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
  /// @dev G1's generator, negated.
  bytes private constant MINUS_G1 =
    hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    hex"00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca";
  /// @dev With its length at the end.
  bytes private constant DST_PRIME = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_\x2b";

  uint64 public immutable novaChainId;
  bytes32 public immutable genesisHash;

  constructor(uint64 novaChainId_, bytes32 genesisHash_) {
    novaChainId = novaChainId_;
    genesisHash = genesisHash_;
  }

  /// @dev A point of G1: x and y in 16 and 32 bytes each, as EIP-2537 lays them out.
  struct G1 {
    uint256 xHigh;
    uint256 xLow;
    uint256 yHigh;
    uint256 yLow;
  }

  function verify(bytes32 validatorsHash, uint64 height, bytes32 blockHash, bytes calldata certificate) external view {
    if (certificate.length < HEAD_BYTES) revert BadCertificate();
    bytes32 root = bytes32(certificate[4:36]);
    uint256 totalPower = uint128(bytes16(certificate[36:KEY_AT]));
    G1 memory key = _point(certificate[KEY_AT:SIGNATURE_AT]);
    {
      bytes32 given = ValidatorSets.hashOf(root, _compressedHigh(key), key.xLow, totalPower);
      if (given != validatorsHash) revert WrongValidators(given, validatorsHash);
    }
    uint256 absentPower = _removeAbsentees(key, root, certificate[HEAD_BYTES:]);
    uint256 signedPower = totalPower - absentPower;
    if (3 * signedPower <= 2 * totalPower) revert TooLittlePower(signedPower, totalPower);
    bytes32 message = keccak256(
      abi.encodePacked(
        "novachain/consensus/1", novaChainId, genesisHash, hex"03", height, bytes4(certificate[:4]), blockHash
      )
    );
    if (!_isSignature(key, hashToCurve(message), certificate[SIGNATURE_AT:HEAD_BYTES])) revert BadSignature(address(0));
  }

  /// @dev Takes their keys out of `key`. Their sum is negated once, rather than each of them.
  function _removeAbsentees(G1 memory key, bytes32 root, bytes calldata rest) private view returns (uint256 power) {
    if (rest.length == 0) return 0;
    G1 memory sum;
    address previous = address(0);
    while (rest.length > 0) {
      if (rest.length < ABSENTEE_BYTES) revert BadCertificate();
      uint256 length = ABSENTEE_BYTES + 32 * uint256(uint8(rest[156]));
      if (rest.length < length) revert BadCertificate();
      address member = address(bytes20(rest[:20]));
      // The zero address is below every other; no account has it.
      if (member <= previous) revert NotAscending(member, previous);
      G1 memory its = _point(rest[28:156]);
      uint256 itsPower = uint64(bytes8(rest[20:28]));
      bytes32 leaf = ValidatorSets.leafOf(member, _compressedHigh(its), its.xLow, itsPower);
      if (_climb(leaf, rest[156:length]) != root) revert NotMember(member);
      _add(sum, its);
      power += itsPower;
      previous = member;
      rest = rest[length:];
    }
    _negate(sum);
    _add(key, sum);
  }

  function _climb(bytes32 leaf, bytes calldata branch) private pure returns (bytes32 node) {
    uint256 length = uint8(branch[0]);
    uint256 sides = uint16(bytes2(branch[1:3]));
    if (sides >> length != 0) revert BadCertificate();
    node = leaf;
    for (uint256 i = 0; i < length; i++) {
      bytes32 neighbour = bytes32(branch[3 + 32 * i:35 + 32 * i]);
      node = (sides >> i) & 1 == 1 ? ValidatorSets.nodeOf(neighbour, node) : ValidatorSets.nodeOf(node, neighbour);
    }
  }

  function _point(bytes calldata bytes_) private pure returns (G1 memory point) {
    (point.xHigh, point.xLow, point.yHigh, point.yLow) = abi.decode(bytes_, (uint256, uint256, uint256, uint256));
    // Compressed, the upper half of the first word is the flags' place and not part of x.
    if (point.xHigh >> 125 != 0 || point.yHigh >> 125 != 0) revert BadCertificate();
  }

  /// @dev First 16 bytes of the 48: the flag of a compressed point, that of the larger y, and x.
  function _compressedHigh(G1 memory point) private pure returns (uint256) {
    bool isLarger = point.yHigh > HALF_HIGH || (point.yHigh == HALF_HIGH && point.yLow > HALF_LOW);
    return point.xHigh | (1 << 127) | (isLarger ? 1 << 125 : 0);
  }

  /// @dev Of a point on the curve: y becomes p - y. The neutral one, all zeros, stays what it is.
  function _negate(G1 memory point) private pure {
    if (point.yHigh == 0 && point.yLow == 0) return;
    unchecked {
      point.yHigh = P_HIGH - point.yHigh - (point.yLow > P_LOW ? 1 : 0);
      point.yLow = P_LOW - point.yLow;
    }
  }

  /// @dev Refuses what is not on the curve.
  function _add(G1 memory to, G1 memory point) private view {
    (bool success, bytes memory sum) = G1_ADD.staticcall(
      abi.encode(to.xHigh, to.xLow, to.yHigh, to.yLow, point.xHigh, point.xLow, point.yHigh, point.yLow)
    );
    if (!success || sum.length != 128) revert BadCertificate();
    (to.xHigh, to.xLow, to.yHigh, to.yLow) = abi.decode(sum, (uint256, uint256, uint256, uint256));
  }

  /// @dev e(key, hash) = e(G1, signature). The pairing refuses what is outside the subgroups; infinite, a signature would be that of no key.
  function _isSignature(G1 memory key, bytes memory hash, bytes calldata signature) private view returns (bool) {
    if (key.xHigh == 0 && key.xLow == 0 && key.yHigh == 0 && key.yLow == 0) return false;
    (bool success, bytes memory isOne) = PAIRING.staticcall(
      abi.encodePacked(key.xHigh, key.xLow, key.yHigh, key.yLow, hash, MINUS_G1, signature)
    );
    return success && isOne.length == 32 && abi.decode(isOne, (uint256)) == 1;
  }

  /// @notice RFC 9380, BLS12381G2_XMD:SHA-256_SSWU_RO_ with the ciphersuite's DST. 256 bytes, as EIP-2537 has a point.
  function hashToCurve(bytes32 message) public view returns (bytes memory point) {
    // expand_message_xmd to 256 bytes: eight digests, of which each two are one of the four field elements.
    bytes32 seed = sha256(abi.encodePacked(bytes32(0), bytes32(0), message, hex"010000", DST_PRIME));
    bytes32 digest = 0;
    bytes memory elements;
    for (uint8 i = 1; i <= 8; i += 2) {
      bytes32 high = sha256(abi.encodePacked(seed ^ digest, i, DST_PRIME));
      digest = sha256(abi.encodePacked(seed ^ high, i + 1, DST_PRIME));
      elements = abi.encodePacked(elements, _reduced(high, digest));
      if (i == 3 || i == 7) {
        (bool mapped, bytes memory onCurve) = MAP_TO_G2.staticcall(elements);
        if (!mapped || onCurve.length != 256) revert BadCertificate();
        point = abi.encodePacked(point, onCurve);
        elements = "";
      }
    }
    bool added;
    (added, point) = G2_ADD.staticcall(point);
    if (!added || point.length != 256) revert BadCertificate();
  }

  /// @dev 64 bytes modulo the prime, in 64 bytes: by the precompile, to the power of one.
  function _reduced(bytes32 high, bytes32 low) private view returns (bytes memory element) {
    (bool success, bytes memory rest) =
      MODEXP.staticcall(abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, hex"01", PRIME));
    if (!success || rest.length != 48) revert BadCertificate();
    return abi.encodePacked(bytes16(0), rest);
  }
}
