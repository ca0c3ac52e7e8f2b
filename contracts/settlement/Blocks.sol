// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INovaSettlement} from "./INovaSettlement.sol";

/// @title Reads NovaChain's headers and consensus sections. Owns where their fields are, no storage.
/// @notice What is read here counts only once more than two thirds have signed its hash; so of the form it asks just what makes the places right.
library Blocks {
  struct Head {
    uint64 height;
    bytes32 parentHash;
    bytes32 stateRoot;
    bytes32 sectionHash;
  }

  /// @dev The fields up to the bloom have fixed lengths, and so do the last two; each place is that of the prefix.
  uint256 private constant STATE_ROOT = 90;
  uint256 private constant BLOOM = 189;
  uint256 private constant NUMBER = 449;

  function readHeader(bytes calldata header) internal pure returns (Head memory head) {
    uint256 length = header.length;
    // The shortest header has 557 bytes; two bytes hold the length of any.
    if (length < 557 || length > 1024) revert INovaSettlement.BadHeader();
    uint256 sectionAt = length - 66;
    if (
      uint24(bytes3(header[:3])) != 0xf90000 + length - 3 || header[3] != 0xa0 || header[STATE_ROOT] != 0xa0
        || uint32(bytes4(header[BLOOM:BLOOM + 4])) >> 8 != 0xb90100 || header[NUMBER - 1] != 0x80
        || header[sectionAt] != 0xa0 || header[length - 33] != 0xa0
    ) revert INovaSettlement.BadHeader();
    (uint256 height,) = readInteger(header, NUMBER);
    head.height = uint64(height);
    head.parentHash = bytes32(header[4:36]);
    head.stateRoot = bytes32(header[STATE_ROOT + 1:STATE_ROOT + 33]);
    head.sectionHash = bytes32(header[sectionAt + 1:sectionAt + 33]);
  }

  /// @notice RLP [version, epoch, proposer index, validatorsHash, nextValidatorsHash, …], the last block of an epoch's.
  function readSection(bytes calldata section)
    internal
    pure
    returns (uint64 epoch, bytes32 validatorsHash, bytes32 nextValidatorsHash)
  {
    if (section.length < 170 || section.length > 1024) revert INovaSettlement.BadSection();
    uint256 place = section[0] == 0xf9 ? 3 : 2;
    uint256 number;
    (number, place) = readInteger(section, place);
    if (number != 1) revert INovaSettlement.BadSection();
    (number, place) = readInteger(section, place);
    epoch = uint64(number);
    (, place) = readInteger(section, place);
    // An empty string, 0x80, where the block is not the last of its epoch.
    if (section[place] != 0xa0 || section[place + 33] != 0xa0) revert INovaSettlement.BadSection();
    validatorsHash = bytes32(section[place + 1:place + 33]);
    nextValidatorsHash = bytes32(section[place + 34:place + 66]);
  }

  /// @dev At most 64 bits.
  function readInteger(bytes calldata list, uint256 place) private pure returns (uint256 value, uint256 next) {
    uint256 first = uint8(list[place]);
    if (first < 0x80) return (first, place + 1);
    if (first > 0x88) revert INovaSettlement.BadHeader();
    next = place + first - 0x7f;
    value = uint64(bytes8(list[place + 1:place + 9])) >> (8 * (0x88 - first));
  }
}
