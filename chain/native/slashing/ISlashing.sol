// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Evidence of double signing, downtime, jail. Address 0x0000000000000000000000000000000000000802.
/// @notice Whoever holds a proof that a validator signed two statements of which an honest one signs only one may submit it, gets
/// the fee back and a share of the penalty. Validators that sign too little of a window are jailed by the chain itself.
interface ISlashing {
  struct SigningInfo {
    /// @notice Blocks of the window that the validator had a vote in and was not seen in.
    uint64 missed;
    /// @notice Height from which they are counted; 0 while they are not: outside the set, and from a jail to the next epoch in the set.
    uint64 since;
    /// @notice Second from which `unjail` works; 0 while not jailed.
    uint64 jailedUntil;
    bool jailed;
    bool tombstoned;
  }

  /// @notice `offence` is "E1" to "E6": two PREPAREs, two COMMITs, two PROPOSEs, amnesia, two TIMEOUTs, a COMMIT of what cannot be valid.
  event Punished(
    address indexed operator, string offence, uint64 height, uint64 round, uint256 slashed, address indexed reporter
  );
  event Rewarded(address indexed reporter, uint256 reward, uint256 feeRefund);
  event Slept(address indexed operator, uint64 missed, uint64 window, uint256 slashed, uint64 jailedUntil);
  event Jailed(address indexed operator, uint64 until);
  event Unjailed(address indexed operator);

  error EvidenceMalformed(string reason);
  error EvidenceForged(string reason);
  /// @notice The offence lies in an epoch that began more than the unbonding time ago.
  error EvidenceTooOld(uint64 height, uint64 electedAt, uint64 oldest);
  /// @notice What it is judged by is not known: a height to come, a set or a block no longer kept.
  error EvidenceUnknown(string reason);
  error AlreadyPunished();
  error NotValidator(address operator);
  error NotJailed(address operator);
  error StillJailed(address operator, uint64 until);
  error Tombstoned(address operator);

  /// @notice Punishes whoever the evidence convicts and was not punished yet, at most 64 at a time; the caller earns once. Double
  /// signing costs a share of the stake and tombstones, two TIMEOUTs jail. Double signing in an earlier epoch than it was tombstoned for
  /// costs no more of the stake, but its share of what left in between. Two TIMEOUTs of who is in jail are punished with it. The fee at
  /// the base fee is paid back out of the stake of the punished; to a contract that of the call.
  /// @param evidence as `nova_evidence` gives it, at most 8 KiB
  function submitEvidence(bytes calldata evidence) external returns (uint256 punished, uint256 reward);

  /// @notice Ends the jail of the caller's validator once its time is over. It is elected again after staking's `attestReady`.
  function unjail() external;

  function signingInfo(address operator) external view returns (SigningInfo memory info);

  /// @notice Whether evidence against it would find it punished already: after double signing for all of that epoch and later ones,
  /// after two TIMEOUTs for their height and round. Two TIMEOUTs of who is tombstoned or in jail are punished no more, of whatever height.
  function isPunished(address operator, uint64 height, uint64 round) external view returns (bool punished);

  /// @notice The window in blocks, the height it is counted from, and how many blocks of it may be missed.
  function window() external view returns (uint64 blocks, uint64 since, uint64 missedMax);
}
