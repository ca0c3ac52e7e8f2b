// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {TrieProofs} from "contracts/bridge/TrieProofs.sol";

/// What the library answers. For tests.
contract Proofs {
  function valueAt(bytes32 root, bytes32 key, bytes[] calldata nodes) external pure returns (bytes memory value) {
    return TrieProofs.valueAt(root, key, nodes);
  }
}
