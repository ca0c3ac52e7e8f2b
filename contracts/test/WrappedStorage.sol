// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of a wrapped token (`chain/native/token/layout.ts`), for solc to say what lies where. For tests.
contract WrappedStorage {
  mapping(address => uint256) public balances;
  mapping(address => mapping(address => uint256)) public allowances;
  uint256 public totalSupply;
  uint256 public cap;
  mapping(address => uint256) public nonces;
  mapping(address => bool) public minters;
  string public name;
  string public symbol;
  uint8 public decimals;
}
