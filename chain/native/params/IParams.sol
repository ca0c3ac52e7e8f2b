// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The governable numbers of the network, and the emergency pause. Address 0x0000000000000000000000000000000000000803.
/// @notice Names look like "staking.maxValidators". A new value is checked against its bounds when it is set and counts from
/// the first block of the next epoch. Governance is one address: a multisig, a timelock or a DAO's executor.
interface IParams {
  /// @notice New rules of the network, from the first block of an epoch on. `version` is the first release that knows them.
  struct Fork {
    string name;
    uint256 epoch;
    string version;
  }

  /// @notice A value will change at the first block of `fromEpoch`.
  event ValueScheduled(string name, uint256 oldValue, uint256 newValue, uint256 fromEpoch);
  /// @notice Every writing function of the scope is refused until second `until`, but exits and withdrawals.
  event Paused(string scope, address indexed by, uint256 until, string reason);
  event Unpaused(string scope, address indexed by);
  /// @notice `proposed` becomes governance by calling acceptGovernance.
  event GovernanceProposed(address indexed current, address indexed proposed);
  event GovernanceChanged(address indexed previous, address indexed current);
  event GuardianChanged(address indexed previous, address indexed current);
  /// @notice The rules of fork `name` hold from the first block of `epoch` on: nodes older than `version` stop before it.
  event ForkScheduled(string name, uint256 epoch, string version);
  event ForkCancelled(string name, uint256 epoch);
  /// @notice `mode` of a list is now 0 off, 1 allow or 2 block.
  event ListModeSet(string list, uint8 mode);
  event MemberListed(string list, bytes member);
  event MemberUnlisted(string list, bytes member);

  error UnknownName(string name);
  error OutOfBounds(string name, uint256 given, uint256 minimum, uint256 maximum);
  error NotGovernance(address caller);
  error NotProposed(address caller);
  /// @notice Neither guardian nor governance.
  error NotGuardian(address caller);
  error UnknownScope(string scope);
  error NotPaused(string scope);
  /// @notice A pause of no seconds, or of more than 72 hours.
  error BadDuration(uint256 given, uint256 maximum);
  /// @notice The guardian may pause this scope again from second `from`.
  error CoolingDown(string scope, uint256 from);
  error ReasonTooLong(uint256 given, uint256 maximum);
  /// @notice A name is 1 to 31 letters of lower case, digits, hyphens and points, and begins with a letter.
  error BadForkName(string name);
  /// @notice The epoch is past, the present or the next one, or beyond what is counted.
  error BadForkEpoch(string name, uint256 given, uint256 minimum, uint256 maximum);
  /// @notice A version is 1 to 31 visible letters.
  error BadVersion(string version);
  /// @notice It holds, or will hold, from `epoch` on already.
  error ForkExists(string name, uint256 epoch);
  /// @notice It is not scheduled.
  error NoSuchFork(string name);
  /// @notice It holds already, and cannot be taken back.
  error ForkHolds(string name, uint256 epoch);
  error TooManyForks(uint256 maximum);
  /// @notice Lists are senders, deployers, validators and peers.
  error UnknownList(string list);
  error BadMode(uint8 given);
  /// @notice Members are addresses of 20 bytes, and peers the text of their ids.
  error BadMember(string list, bytes member);
  /// @notice An allow list without members would let nobody in.
  error EmptyList(string list);
  error ListFull(string list, uint256 maximum);
  error LengthMismatch(uint256 names, uint256 values);

  /// @notice The value that counts in this block.
  function get(string calldata name) external view returns (uint256 value);

  /// @notice What was set and does not count yet; `fromEpoch` is 0 where nothing is waiting.
  function scheduled(string calldata name) external view returns (uint256 value, uint256 fromEpoch);

  /// @notice What a value means, in which unit, and between which bounds.
  function describe(string calldata name)
    external
    view
    returns (string memory unit, uint256 minimum, uint256 maximum, string memory meaning);

  /// @notice Every name there is.
  function names() external view returns (string[] memory all);

  /// @notice Sets a value from the next epoch on; replaces what was waiting. Governance alone.
  function set(string calldata name, uint256 value) external;

  /// @notice Sets several values for the same epoch, or none of them. Governance alone. From the fork params-2 on.
  function setAll(string[] calldata names, uint256[] calldata newValues) external;

  /// @notice The rules of a fork hold from the first block of `epoch` on, which must not be the present epoch or the next one.
  /// Nodes that do not know its name stop before that block. Governance alone.
  function scheduleFork(string calldata name, uint256 epoch, string calldata version) external;

  /// @notice Takes back a fork before its epoch. Governance alone.
  function cancelFork(string calldata name) external;

  /// @notice Forks that hold and those that will, by epoch. `osaka` at epoch 0 stands for all that came before.
  function forks() external view returns (Fork[] memory all);

  /// @notice Whether a list is off (0), says who may (1), or who may not (2), and how many are on it.
  function listMode(string calldata list) external view returns (uint8 mode, uint256 count);

  /// @notice Members of a list from a place on, at most 1,000, in no order.
  function listMembers(string calldata list, uint256 from, uint256 count) external view returns (bytes[] memory members);

  /// @notice Whether one may, as the list is now. Governance may always send and deploy.
  function isPermitted(string calldata list, bytes calldata member) external view returns (bool permitted);

  /// @notice Turns a list off, or on as an allow list (1) or a block list (2); counts from the next block. Governance alone.
  function setListMode(string calldata list, uint8 mode) external;

  /// @notice Puts members on a list; those on it stay. Counts at once. Governance alone.
  function addToList(string calldata list, bytes[] calldata members) external;

  /// @notice Takes members off a list; who is not on it is passed over. Governance alone.
  function removeFromList(string calldata list, bytes[] calldata members) external;

  function governance() external view returns (address account);

  function guardian() external view returns (address account);

  /// @notice First of two steps, so that a mistyped address cannot take the network. Zero withdraws the proposal. Governance alone.
  function proposeGovernance(address account) external;

  /// @notice Second step, by the proposed account.
  function acceptGovernance() external;

  /// @notice Zero leaves pausing to governance. Governance alone.
  function setGuardian(address account) external;

  /// @notice Pauses a scope, a module by its name, for at most 72 hours. The guardian must then leave it running for as long
  /// as it was paused, and at least 24 hours; governance need not wait.
  function pause(string calldata scope, uint256 duration, string calldata reason) external;

  /// @notice Ends a pause now. Guardian or governance.
  function unpause(string calldata scope) external;

  /// @notice The second until which a scope is paused; 0 where it is not.
  function pausedUntil(string calldata scope) external view returns (uint256 until);

  /// @notice The epoch this block belongs to, and the blocks of one.
  function epoch() external view returns (uint256 current, uint256 blocks);
}
