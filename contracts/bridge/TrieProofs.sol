// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title What a Merkle-Patricia trie has under a 32-byte key, by the nodes on the way to it (`eth_getProof`). Owns no storage.
/// @notice Nodes stay in calldata and of each only what leads on is looked at: OpenZeppelin's `TrieProof` decodes every item of every node, which at
/// the depth of a big state (10 branches in two tries) costs 370,000 gas more. It proves that something is there, never that nothing is. A node of less than
/// 32 bytes stands inside its parent; no value as long as those that are proven here lies in one, so that is no proof here.
/// A node that hashes to what its parent names is one of the trie; so of its form it is asked just what tells the kinds apart.
library TrieProofs {
  uint256 private constant HASH = 0xa0;

  /// @notice The value, or nothing where the nodes do not lead to one: they have to be all of those on the path and no other.
  function valueAt(bytes32 root, bytes32 key, bytes[] calldata nodes) internal pure returns (bytes calldata value) {
    value = msg.data[:0];
    bytes32 named = root;
    uint256 rest = uint256(key); // what of the key is before us, at the left of the word
    uint256 left = 64; // its nibbles
    for (uint256 i = 0; i < nodes.length; i++) {
      bytes calldata node = nodes[i];
      if (keccak256(node) != named) return value;
      Step memory step = _step(node, rest, left);
      if (step.kind == Kind.Nowhere) return value;
      if (step.kind == Kind.Leaf) return i + 1 == nodes.length ? node[step.content:] : value;
      named = step.next;
      left -= step.count;
      rest <<= 4 * step.count;
    }
  }

  enum Kind {
    Nowhere,
    Down,
    Leaf
  }
  /// @param next hash of the node below
  /// @param count nibbles of the key that lead there
  /// @param content where a leaf's value begins
  struct Step {
    Kind kind;
    bytes32 next;
    uint256 count;
    uint256 content;
  }

  function _step(bytes calldata node, uint256 rest, uint256 left) private pure returns (Step memory step) {
    uint256 start = _payload(node);
    (, uint256 pathEnd) = _string(node, start);
    (uint256 content, uint256 end) = _string(node, pathEnd);
    if (end != node.length) {
      if (left == 0) return step;
      step.next = _child(node, start, rest >> 252);
      step.count = 1;
      if (step.next != 0) step.kind = Kind.Down;
      return step;
    }
    (bool isLeaf, bool matches, uint256 count) = _path(node[start:pathEnd], rest);
    if (!matches || count > left) return step;
    if (isLeaf) {
      if (count == left) step.kind = Kind.Leaf;
      step.content = content;
    } else if (count > 0 && uint8(node[pathEnd]) == HASH) {
      step.kind = Kind.Down;
      step.next = bytes32(node[content:end]);
      step.count = count;
    }
  }

  /// @dev Where a list's items begin.
  function _payload(bytes calldata node) private pure returns (uint256 start) {
    uint256 first = node.length == 0 ? 0 : uint8(node[0]);
    return first > 0xf7 ? first - 0xf6 : 1;
  }

  /// @dev Where a string's content begins and ends. Of anything else, and beyond the end, a place that is no node's end.
  function _string(bytes calldata node, uint256 place) private pure returns (uint256 start, uint256 end) {
    if (place >= node.length) return (place, type(uint256).max);
    uint256 first = uint8(node[place]);
    if (first < 0x80) return (place, place + 1);
    if (first <= 0xb7) return (place + 1, place + first - 0x7f);
    if (first == 0xb8 && place + 1 < node.length) return (place + 2, place + 2 + uint8(node[place + 1]));
    return (place, type(uint256).max);
  }

  /// @dev A branch's child, where it is named by its hash; else 0. What comes before it is walked over: a hash, nothing (0x80), or the node itself, a
  /// list of up to 31 bytes.
  function _child(bytes calldata node, uint256 place, uint256 nibble) private pure returns (bytes32 hash) {
    assembly ("memory-safe") {
      place := add(node.offset, place)
      for {} nibble { nibble := sub(nibble, 1) } {
        let first := byte(0, calldataload(place))
        switch first
        case 0xa0 { place := add(place, 33) }
        case 0x80 { place := add(place, 1) }
        default {
          place := add(place, sub(first, 0xbf))
          // No child of a branch, but the path of an extension that holds its branch itself: beyond every end, where nothing is.
          if lt(first, 0xc0) { place := not(0) }
        }
      }
      if and(eq(byte(0, calldataload(place)), 0xa0), iszero(gt(add(place, 33), add(node.offset, node.length)))) {
        hash := calldataload(add(place, 1))
      }
    }
  }

  /// @dev Hex-prefix decoding: its kind, whether the rest of the key, at the left of the word, begins with it, and its nibbles.
  function _path(bytes calldata item, uint256 rest) private pure returns (bool isLeaf, bool matches, uint256 count) {
    (uint256 start, uint256 end) = _string(item, 0);
    if (end != item.length || start == end || end - start > 33) return (false, false, 0);
    uint256 flag = uint8(item[start]) >> 4;
    count = 2 * (end - start) - 2 + (flag & 1);
    if (flag > 3 || count > 64) return (false, false, 0);
    // Odd, they begin with the low half of the first byte; even, with the next. What is read beyond them is shifted out.
    uint256 nibbles;
    assembly ("memory-safe") {
      nibbles := calldataload(add(add(item.offset, start), 1))
      if and(flag, 1) { nibbles := shl(4, calldataload(add(item.offset, start))) }
    }
    return (flag > 1, (nibbles ^ rest) >> (256 - 4 * count) == 0, count);
  }
}
