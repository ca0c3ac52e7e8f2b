// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The registry of the resource tokens: who mints, how much there may be, what they cost, and staking of them. Address
/// 0x0000000000000000000000000000000000000820.
/// @notice The tokens themselves are ERC-20 contracts (IResourceToken). Staking needs no allowance: the owner's own call moves its tokens
/// here and back. What a stake will earn is set aside when it begins, out of what this address holds beyond stakes: so what is promised is
/// there, and no more than is there is promised. Rewards are rounded down, prices up.
interface IResources {
  struct Token {
    address token;
    string symbol;
    /// @notice What one whole token stands for.
    string unit;
    uint256 totalSupply;
    uint256 cap;
    /// @notice List price of one whole token, in dollars / 10^18, and in wei.
    uint256 dollars;
    uint256 price;
  }

  struct Pool {
    /// @notice For the rewards of new stakes.
    uint256 available;
    /// @notice Set aside for the rewards of stakes.
    uint256 reserved;
    uint256 staked;
  }

  struct Stake {
    /// @notice Zero where the stake was taken back.
    address token;
    uint256 amount;
    /// @notice What it earns by its end, less what was claimed; and what of that it has earned by now.
    uint256 reward;
    uint256 earned;
    /// @notice Seconds. From `end` on it earns no more.
    uint64 start;
    uint64 end;
  }

  event MinterGranted(address indexed token, address indexed account);
  event MinterRevoked(address indexed token, address indexed account);
  event CapChanged(address indexed token, uint256 oldCap, uint256 newCap);
  event PoolFunded(address indexed token, address indexed from, uint256 amount);
  event Staked(address indexed owner, address indexed token, uint256 id, uint256 amount, uint256 reward, uint64 end);
  event RewardClaimed(address indexed owner, address indexed token, uint256 id, uint256 reward);
  /// @notice `forfeited` goes back to the pool.
  event Unstaked(address indexed owner, address indexed token, uint256 id, uint256 amount, uint256 forfeited);

  error UnknownToken(address token);
  error NotGovernance(address caller);
  error CapBelowSupply(uint256 given, uint256 supply);
  error ZeroAmount();
  /// @notice A stake of no time, or of more than `maximum` seconds.
  error BadDuration(uint256 given, uint256 maximum);
  /// @notice The pool cannot promise what the stake would earn.
  error PoolTooSmall(address token, uint256 needed, uint256 available);
  error NoSuchStake(address owner, uint256 id);
  /// @notice The reward is paid from second `end` on.
  error StillRunning(uint256 id, uint64 end);
  error NothingToClaim(uint256 id);
  error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);

  /// @notice All resource tokens with their numbers.
  function tokens() external view returns (Token[] memory all);

  /// @notice The list price of so much of a token, in wei, rounded up.
  function quote(address token, uint256 amount) external view returns (uint256 price);

  function isMinter(address token, address account) external view returns (bool);

  /// @notice Lets an account mint. Governance alone; nothing happens where it may already.
  function grantMinter(address token, address account) external;

  function revokeMinter(address token, address account) external;

  /// @notice The most there may be of a token, no less than there is. Governance alone.
  function setCap(address token, uint256 cap) external;

  /// @notice Basis points a year that new stakes earn, and for how many seconds a stake may run.
  function parameters() external view returns (uint256 rewardRate, uint256 maxDuration);

  /// @notice What a stake would earn: rate x amount x duration / a year of 365 days, rounded down.
  function rewardOf(uint256 amount, uint256 duration) external view returns (uint256 reward);

  function poolOf(address token) external view returns (Pool memory pool);

  /// @notice Gives tokens for rewards. What is simply sent to this address counts as well; nothing comes back.
  function fund(address token, uint256 amount) external;

  /// @notice Stakes for `duration` seconds. `id` counts the owner's stakes from 0.
  function stake(address token, uint256 amount, uint256 duration) external returns (uint256 id);

  /// @notice Pays the reward of a stake that has run to its end; the stake stays. Cannot be paused.
  function claim(uint256 id) external returns (uint256 reward);

  /// @notice Gives a stake back: after its end with what it earned, before without. Cannot be paused.
  function unstake(uint256 id) external returns (uint256 amount, uint256 reward);

  function stakeOf(address owner, uint256 id) external view returns (Stake memory found);

  function stakeCount(address owner) external view returns (uint256 count);

  /// @notice From the `from`th on, at most 256 at a time.
  function stakes(address owner, uint256 from, uint256 count) external view returns (Stake[] memory page);
}
