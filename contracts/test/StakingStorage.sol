// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of `chain/native/staking/layout.ts`, for solc to say what lies where. For tests.
contract StakingStorage {
  struct Clock { uint64 epochBlocks; uint64 ring; }
  struct Bonds { uint128 bonded; uint128 unbonding; }
  struct Rewards { uint128 owed; uint128 pot; }
  struct Supply { uint128 minted; uint128 burnt; }
  struct Minting { uint128 amount; uint64 until; uint32 payouts; }
  struct Epoch {
    uint64 epoch; uint64 startTime; uint128 power; bytes32 seed; uint128 gone; uint128 silent; uint32[] keyIds; uint64[] powers;
  }
  struct Validator {
    address operator; uint32 keyId; uint32 nextKey; bool ready; bool jailed; bool exited; bool tombstoned;
    uint128 earned; uint64 setPower; uint32 paidTo; uint16 commissionBps;
    uint128 stake; uint32 commissionEpoch; uint32 offenceEpoch; uint16 penaltyBps;
    uint256 shares; uint256 rewardPerShare; uint128 commission; bytes32 peerIdDigest; string moniker;
  }
  struct Key { bytes32 head; uint128 tail; uint32 validator; }
  struct Delegation { uint256 shares; uint256 rewardPerShare; }
  struct Redelegation { address from; uint32 epoch; uint64 matures; uint128 amount; }
  struct Unbonding {
    uint128 amount; uint64 matures; uint32 epoch; bool isSettled; bool isLiable; address from; uint32 liableEpoch; uint128 liable;
  }

  Clock public clock;
  Bonds public bonds;
  Rewards public rewards;
  Supply public supply;
  Minting public minting;
  uint256 public minSelfBond;
  mapping(uint256 => Epoch) internal epochs;
  mapping(uint256 => uint256) public rewardPerPower;
  Validator[] internal validators;
  uint64[] public powers;
  mapping(address => uint32) public placeOf;
  Key[] public keys;
  mapping(bytes32 => address) public keyOwners;
  mapping(bytes32 => address) public peerOwners;
  mapping(address => mapping(address => Delegation)) public delegations;
  mapping(address => mapping(address => Redelegation)) public redelegations;
  mapping(address => mapping(address => Unbonding[])) public unbondings;
  mapping(address => address[]) public unbondingFrom;
}
