// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of `chain/native/resources/layout.ts`, for solc to say what lies where. For tests.
contract ResourcesStorage {
  struct Pool { uint256 staked; uint256 reserved; }
  struct Stake { address token; uint64 start; uint32 duration; uint256 amount; uint256 reward; }

  mapping(address => Pool) public pools;
  mapping(address => Stake[]) internal stakes;
}
