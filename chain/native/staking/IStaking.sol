// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Bonding, election and rewards of validators. Address 0x0000000000000000000000000000000000000801.
/// @notice An operator is an account; it bonds NOVA of its own, brings a BLS key with which its node signs, and others may
/// delegate to it. The candidates with most stake are the validators of an epoch. What leaves stays slashable for the
/// unbonding time. Amounts are in wei. Payments are plain credits: they run no code of who receives them. Whatever changes a
/// delegation pays first what it earned, and takes first what it owes for a redelegation.
interface IStaking {
  struct Validator {
    address operator;
    /// @notice The key that signs, 48 bytes compressed G1; and the one that replaces it once attested, or empty.
    bytes blsKey;
    bytes nextBlsKey;
    /// @notice keccak256 of the text of the node's libp2p peer id.
    bytes32 peerIdDigest;
    string moniker;
    uint16 commissionBps;
    /// @notice All that is bonded to it, the operator's own part of that, and the shares it is divided into.
    uint256 stake;
    uint256 selfBond;
    uint256 shares;
    /// @notice Commission that the operator has not claimed yet.
    uint256 commission;
    /// @notice Whole NOVA that it would be elected with; 0 while it cannot be elected.
    uint64 power;
    /// @notice It has shown with its present key that its node is in step.
    bool ready;
    bool jailed;
    bool tombstoned;
    bool exited;
  }

  struct Unbonding {
    address validator;
    uint256 amount;
    /// @notice What of it would burn if it was withdrawn now.
    uint256 penalty;
    /// @notice Last epoch in which it votes, and answers for offences; and the second from which it can be withdrawn.
    uint64 epoch;
    uint64 matures;
  }

  struct Parameters {
    uint256 maxValidators;
    uint256 minSelfBond;
    uint256 minDelegation;
    uint256 unbondingTime;
    uint256 rewardRate;
    uint256 maxCommission;
    uint256 commissionStep;
    uint256 epochBlocks;
  }

  event ValidatorCreated(address indexed operator, bytes blsKey, bytes32 peerIdDigest, uint16 commissionBps, string moniker);
  event ValidatorEdited(address indexed operator, bytes32 peerIdDigest, uint16 commissionBps, string moniker);
  /// @notice `blsKey` signs from the first epoch that is elected after this block on.
  event ValidatorReady(address indexed operator, bytes blsKey);
  event KeyRotationBegun(address indexed operator, bytes nextBlsKey);
  event ValidatorExited(address indexed operator);
  event ValidatorJailed(address indexed operator);
  event ValidatorReleased(address indexed operator);
  /// @notice What voted in `offenceEpoch` answers. Comes again with an earlier epoch where an earlier offence shows later.
  event ValidatorTombstoned(address indexed operator, uint64 offenceEpoch);
  event Delegated(address indexed delegator, address indexed validator, uint256 amount, uint256 shares);
  event Undelegated(address indexed delegator, address indexed validator, uint256 amount, uint64 matures);
  /// @notice Until second `matures` it answers for `from`, and cannot move on; 0 where `from` has paid for all already.
  event Redelegated(address indexed delegator, address indexed from, address indexed to, uint256 amount, uint64 matures);
  event Withdrawn(address indexed delegator, address indexed validator, uint256 amount, uint256 slashed);
  /// @notice Of a delegation, and to an operator its commission; by whatever call touched it.
  event RewardsClaimed(address indexed delegator, address indexed validator, uint256 amount);
  /// @notice `amount` of the bonded stake is gone: a part to who reported it, the rest burnt.
  event StakeSlashed(address indexed validator, uint256 amount);
  /// @notice A penalty on what had been redelegated away from `from` before its offence was known.
  event RedelegationSlashed(address indexed delegator, address indexed from, address indexed validator, uint256 amount);
  /// @notice At the last block but one of an epoch: the validators of the next. Who joined and who left are in the logs beside it.
  event SetElected(uint64 indexed epoch, uint256 validators, uint256 power);
  event ValidatorJoined(uint64 indexed epoch, address indexed operator, uint64 power);
  event ValidatorLeft(uint64 indexed epoch, address indexed operator);
  /// @notice At the last block of an epoch: what it paid out, and what stays for the next.
  event RewardsShared(uint64 indexed epoch, uint256 amount, uint256 carried);

  error NotValidator(address operator);
  /// @notice Governance's list of validators does not let it in.
  error NotPermitted(address operator);
  error AlreadyValidator(address operator);
  error KeyUsed(bytes blsKey);
  error PeerUsed(bytes32 peerIdDigest);
  error BadKey(string reason);
  error BadProofOfPossession();
  error BelowMinimum(uint256 given, uint256 minimum);
  error CommissionTooHigh(uint256 given, uint256 maximum);
  /// @notice At most one change an epoch, of at most `step`.
  error CommissionStep(uint256 given, uint256 present, uint256 step);
  error CommissionChangedAlready(uint64 epoch);
  error MonikerTooLong(uint256 given, uint256 maximum);
  error AttestationTooOld(uint64 height, uint64 oldest);
  error AttestationWrongBlock(uint64 height, bytes32 given);
  error AttestationBadSignature();
  error AlreadyReady(address operator);
  error Jailed(address operator);
  error Tombstoned(address operator);
  error Exited(address operator);
  /// @notice Those of the present set that would still be electable hold no quorum of it; wait for the next epoch.
  error LastQuorum(uint256 remaining, uint256 total);
  error InsufficientBond(uint256 given, uint256 bonded);
  error ZeroAmount();
  /// @notice All its stake was slashed while shares remain; nothing can be priced.
  error NothingLeft(address validator);
  error TooManyUnbondings(address validator, uint256 maximum);
  /// @notice The caller unbonds from as many validators as it can at once.
  error TooManyValidators(uint256 maximum);
  /// @notice No validator may hold as much.
  error StakeTooHigh(address validator, uint256 maximum);
  error NothingMatured(uint64 next);
  error SameValidator(address validator);
  /// @notice What came by redelegation moves on only from second `matures`.
  error RedelegationHop(address validator, uint64 matures);
  error RedelegationPending(address validator, uint64 matures);
  error NothingToClaim();
  error NoPenalty(address delegator, address validator);
  error EpochUnknown(uint64 epoch);

  /// @notice Makes the caller the operator of a new validator and bonds the value sent, at least minSelfBond. The caller, the
  /// key and the peer are used for the first time, and for ever. It can be elected once `attestReady` has shown its node in step.
  /// @param proofOfPossession the key's BLS signature over itself and the caller, on this network, 96 bytes: nobody can offer a key that
  /// he has seen in another's call
  function createValidator(
    bytes calldata blsKey,
    bytes calldata proofOfPossession,
    bytes32 peerIdDigest,
    uint16 commissionBps,
    string calldata moniker
  ) external payable;

  /// @notice Changes what is said of the caller's validator; a peer of zeros is none. Commission counts from the next payout on.
  function editValidator(uint16 commissionBps, bytes32 peerIdDigest, string calldata moniker) external;

  /// @notice Shows that the node of the caller's validator has block `height`, one of the last 100, and holds the key: the key
  /// that waits, if one does, else the present one. Nobody is elected before.
  function attestReady(uint64 height, bytes32 blockHash, bytes calldata blsSignature) external;

  /// @notice A key that replaces the present one from the first election after `attestReady` signed by it. Replaces one that waits.
  /// @param proofOfPossession as of createValidator
  function rotateBlsKey(bytes calldata blsKey, bytes calldata proofOfPossession) external;

  /// @notice The caller's validator is elected no more, ever, and its own bond begins to unbond, whatever else unbonds. It signs to
  /// the end of the epochs it is elected for.
  function exit() external;

  /// @notice Bonds the value sent, at least minDelegation. Where the validator lost stake, a share costs less than a wei, and what it is
  /// worth is rounded down.
  function delegate(address validator) external payable;

  /// @notice At most 7 entries of one validator unbond at a time, from at most 64 validators. The epoch's rewards are left to who stays.
  function undelegate(address validator, uint256 amount) external;

  /// @notice Moves stake at once; it stays liable for offences of `from` for the unbonding time, and cannot move on so long.
  function redelegate(address from, address to, uint256 amount) external;

  /// @notice Pays out everything of the caller that has matured.
  function withdrawUnbonded() external returns (uint256 amount);

  /// @notice Pays what the caller's delegation earned, and to an operator its commission.
  function claimRewards(address validator) external returns (uint256 amount);

  /// @notice Burns what a delegation owes for an offence of the validator that it was redelegated from. By anybody.
  function applyPenalty(address delegator, address validator) external returns (uint256 amount);

  function validator(address operator) external view returns (Validator memory info);

  /// @notice Validators in the order of their creation, those that left included; at most 256 at a time.
  function validators(uint256 from, uint256 count) external view returns (Validator[] memory page);

  function validatorCount() external view returns (uint256 count);

  /// @notice Whose key this is or was; zero where nobody's.
  function operatorOfKey(bytes calldata blsKey) external view returns (address operator);

  function operatorOfPeer(bytes32 peerIdDigest) external view returns (address operator);

  /// @notice The validators of an epoch in set order, of the next one once it is elected, of past ones as long as evidence counts.
  function setOf(uint64 epoch) external view returns (address[] memory operators, uint64[] memory powers);

  /// @notice The epoch that the next block after this one's parent belongs to, its first height, the second its set was elected in.
  function epoch() external view returns (uint64 current, uint64 firstHeight, uint64 electedAt);

  function delegation(address delegator, address validator) external view returns (uint256 amount, uint256 shares);

  /// @notice Stake of a delegation that came by redelegation and is liable for offences of `from` up to `epoch`; zeros where none is.
  function redelegation(address delegator, address validator)
    external
    view
    returns (address from, uint256 amount, uint64 epoch, uint64 matures);

  function unbondings(address delegator) external view returns (Unbonding[] memory entries);

  /// @notice What claimRewards would pay now. Rewards come at the end of an epoch.
  function pendingRewards(address delegator, address validator) external view returns (uint256 amount);

  function parameters() external view returns (Parameters memory values);

  /// @notice What the module's account holds: bonded + unbonding + rewards, the pot of the running epoch included; and what was
  /// minted and burnt since genesis.
  function totals()
    external
    view
    returns (uint256 bonded, uint256 unbonding, uint256 rewards, uint256 minted, uint256 burnt);
}
