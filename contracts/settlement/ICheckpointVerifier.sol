// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Says whether more than two thirds of a validator set signed a block of NovaChain.
/// @notice The set is named by its `validatorsHash`, as the chain's consensus section has it:
///   keccak256(RLP [root, aggregate key (48 bytes, compressed G1), total power]), where `root` is that of a binary tree over the members
///   in order of address: leaf keccak256(0x00 ‖ keccak256(RLP [address, key (48 bytes), power])), node keccak256(0x01 ‖ left ‖ right), an odd
///   node moves up as it is. Nothing else of the set is kept on this chain: a certificate brings what it needs of it.
///   The encoding of a certificate is its verifier's own, in `chain/types/checkpoint.ts` beside what makes it.
interface ICheckpointVerifier {
  /// @notice The certificate brings another set than that of the checkpoint's epoch.
  error WrongValidators(bytes32 given, bytes32 expected);
  /// @notice Not strictly more than two thirds.
  error TooLittlePower(uint256 signedPower, uint256 totalPower);
  /// @notice Of a length or a form that no certificate has; a bitmap that does not fit its set is one.
  error BadCertificate();
  /// @notice Members are named in ascending order of address, so none is named twice.
  error NotAscending(address member, address previous);
  /// @notice Not a member with this key and power under the root of the set.
  error NotMember(address member);
  /// @notice The signature does not verify. `member` is zero where it is that of all.
  error BadSignature(address member);

  /// @notice Returns where the certificate holds and reverts where it does not: an answer `false` would lead gas estimation astray.
  function verify(bytes32 validatorsHash, uint64 height, bytes32 blockHash, bytes calldata certificate) external view;
}
