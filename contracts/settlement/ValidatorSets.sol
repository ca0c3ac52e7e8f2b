// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title What NovaChain's `validatorsHash` commits to, as `chain/types/validators.ts` makes it. Owns hashes, no storage.
library ValidatorSets {
  /// @notice keccak256(0x00 ‖ keccak256(RLP [address, key, power])).
  /// @param keyHigh first 16 bytes of the compressed key, in the low half of the word
  /// @param keyLow the other 32
  /// @param power not 0, of 64 bits
  function leafOf(address member, uint256 keyHigh, uint256 keyLow, uint256 power) internal pure returns (bytes32 leaf) {
    (uint256 item, uint256 length) = _rlpInteger(power);
    assembly ("memory-safe") {
      // [f8 length] [94 address] [b0 key] power, from the right: each word ends where its field does and covers what is left of it, which is written next.
      let list := add(mload(0x40), 32)
      mstore(add(list, 72), item)
      mstore(add(list, 40), keyLow)
      mstore(add(list, 8), or(shl(128, 0xb0), keyHigh))
      mstore(sub(list, 9), or(shl(160, or(0xf80094, shl(8, add(70, length)))), member))
      mstore(0, 0)
      mstore(1, keccak256(list, add(72, length)))
      leaf := keccak256(0, 33)
    }
  }

  /// @notice keccak256(0x01 ‖ left ‖ right).
  function nodeOf(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
    assembly ("memory-safe") {
      let free := mload(0x40)
      mstore8(free, 1)
      mstore(add(free, 1), left)
      mstore(add(free, 33), right)
      node := keccak256(free, 65)
    }
  }

  /// @notice keccak256(RLP [root, aggregate key, total power]); that power is not 0, of 128 bits.
  function hashOf(bytes32 root, uint256 keyHigh, uint256 keyLow, uint256 totalPower)
    internal
    pure
    returns (bytes32 hash)
  {
    (uint256 item, uint256 length) = _rlpInteger(totalPower);
    assembly ("memory-safe") {
      // [f8 length] [a0 root] [b0 key] power, from the right.
      let list := add(mload(0x40), 32)
      mstore(add(list, 84), item)
      mstore(add(list, 52), keyLow)
      mstore(add(list, 20), or(shl(128, 0xb0), keyHigh))
      mstore(add(list, 3), root)
      mstore(sub(list, 29), or(0xf800a0, shl(8, add(82, length))))
      hash := keccak256(list, add(84, length))
    }
  }

  /// @dev Of at most 30 bytes, at the left of the word, and how long it is.
  function _rlpInteger(uint256 value) private pure returns (uint256 encoded, uint256 length) {
    if (value < 0x80) return (value << 248, 1);
    unchecked {
      while (value >> (8 * length) != 0) length++;
      return (((0x80 + length) << 248) | (value << (248 - 8 * length)), length + 1);
    }
  }
}
