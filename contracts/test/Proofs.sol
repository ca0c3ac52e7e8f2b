// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {TrieProof} from "@openzeppelin/contracts-v57/utils/cryptography/TrieProof.sol";
import {TrieProofs} from "contracts/bridge/TrieProofs.sol";

/// What the library answers, and OpenZeppelin's. For tests.
contract Proofs {
  function valueAt(bytes32 root, bytes32 key, bytes[] calldata nodes) external pure returns (bytes memory value) {
    return TrieProofs.valueAt(root, key, nodes);
  }

  function byOpenZeppelin(bytes32 root, bytes32 key, bytes[] calldata nodes) external pure returns (bytes memory value) {
    return TrieProof.traverse(root, abi.encodePacked(key), nodes);
  }
}
