// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of `chain/native/did/layout.ts`, for solc to say what lies where. For tests.
contract DidStorage {
  struct Record { uint32 version; uint16 keys; uint16 services; }
  struct Version { uint32 blockNumber; uint64 updated; address controller; uint256 keys; uint256 services; }
  struct Key { uint8 keyType; uint8 purposes; uint64 validUntil; string id; bytes publicKey; }
  struct Service { string id; string serviceType; string endpoint; }
  struct Issuer { uint32 place; uint8 roles; uint64 since; string name; }
  struct Binding { address issuer; uint32 nonce; uint64 since; uint64 validUntil; bytes32 person; }
  struct StatusList { address issuer; uint8 purpose; uint32 size; }
  struct Anchor { bytes32 digest; uint32 version; uint64 updated; string uri; }
  struct ProofRoots { uint256 issuersRoot; uint256 statusRoot; }
  struct Presentation { address by; uint64 time; }

  string public network;
  mapping(address => Record) public records;
  mapping(address => mapping(uint256 => Version)) public versions;
  mapping(address => mapping(uint256 => Key)) public keys;
  mapping(address => mapping(uint256 => Service)) public services;
  mapping(address => Issuer) public issuers;
  address[] public issuerList;
  mapping(address => Binding) public bindings;
  mapping(bytes32 => address) public persons;
  StatusList[] public statusLists;
  mapping(uint256 => mapping(uint256 => uint256)) public statusBits;
  mapping(uint256 => mapping(uint256 => Anchor)) public anchors;
  mapping(uint256 => ProofRoots) public proofRoots;
  mapping(uint256 => mapping(uint256 => Presentation)) public presentations;
  uint256[] public verifyingKey;
  bytes32 public verifyingKeyHash;
}
