// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of `chain/native/audit/layout.ts`, for solc to say what lies where, and the hash of its chain. For tests.
contract AuditStorage {
  struct Subject {
    address owner; uint32 sequence; uint40 recordedAt; uint24 codec; uint64 entries; uint32 codecChanges; bytes32 head;
  }
  struct Change { uint32 until; uint24 codec; }
  struct Entry { bytes32 kind; bytes32 contentDigest; address author; uint40 recordedAt; }

  mapping(bytes32 => Subject) public subjects;
  mapping(bytes32 => mapping(uint256 => bytes32)) public digests;
  mapping(bytes32 => mapping(uint256 => Change)) public codecs;
  mapping(bytes32 => mapping(uint256 => Entry)) public entries;
  mapping(bytes32 => mapping(address => mapping(address => bool))) public writers;
  mapping(address => mapping(address => bool)) public writersForAll;

  function headAfter(
    bytes32 head, bytes32 subject, uint64 index, bytes32 kind, bytes32 contentDigest, address author, uint40 recordedAt
  ) external pure returns (bytes32) {
    return keccak256(abi.encode(head, subject, index, kind, contentDigest, author, recordedAt));
  }
}
