// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The bridge between an EVM chain and NovaChain, on the EVM chain's side.
/// @notice The other end is the native module `bridge` of NovaChain, whose interface (`chain/native/bridge/IBridge.sol`) defines what a message
/// is, its id, and the hash chain of what is sent; this contract has the same message, the same id, and the same `links`, a mapping(uint64 chain =>
/// mapping(uint64 sequence => bytes32)). What comes in is proven by a state root in the settlement contract, and NovaChain's proof of the account of
/// the module and of the slot of one link. What goes out NovaChain's validators attest, who watch `MessageSent` at the finalized blocks.
///
/// A message is delivered at most once, and no later than its deadline by this chain's clock. Where it cannot be (its recipient refuses, its
/// token is stopped, its route closed), nothing changes and it can be tried again; after the deadline anybody can have it refused, which sends a
/// notice back, on which its source pays back what it took.
interface INovaVault {
  /// @notice As in `IBridge`.
  struct Message {
    uint64 sourceChain;
    uint64 targetChain;
    uint64 sequence;
    uint64 deadline;
    bytes32 sender;
    bytes recipient;
    bytes32 token;
    uint256 amount;
    bytes32 refundOf;
    bytes data;
  }
  /// @notice That NovaChain's outbox has a message: nodes of `eth_getProof` of the module and of slot link(sequence), at the height of a checkpoint.
  struct StateProof {
    /// @notice Of the checkpoint.
    uint64 seq;
    /// @notice link(sequence - 1).
    bytes32 previousLink;
    bytes[] account;
    bytes[] slot;
  }
  /// @notice As in `IBridge`.
  enum Status {
    None,
    Sent,
    Refunded,
    Delivered,
    Refused,
    Noticed
  }
  struct Transfer {
    Status status;
    uint64 chain;
    uint64 sequence;
    uint40 changedAt;
  }
  struct Route {
    /// @notice The same token on NovaChain; zero is its coin.
    bytes32 remote;
    bool known;
    /// @notice Whether anything may be sent and delivered now. Refunds always may.
    bool open;
    /// @notice Whether the token is the wrapped form of what is NovaChain's: minted when it comes in, burnt when it leaves. Any other is locked here.
    bool wrapped;
    /// @notice The most that may be outstanding.
    uint128 cap;
    /// @notice The most that comes in at once; it is free again, evenly, over the window.
    uint128 limit;
    /// @notice What may come in now.
    uint128 available;
    /// @notice Locked here, or minted here.
    uint256 outstanding;
  }

  event MessageSent(bytes32 indexed id, uint64 indexed chain, uint64 indexed sequence, Message message);
  /// @notice `token` is the one that was paid.
  event MessageDelivered(
    bytes32 indexed id,
    uint64 indexed chain,
    address indexed recipient,
    uint64 sequence,
    address token,
    uint256 amount,
    bytes data
  );
  event MessageRefused(bytes32 indexed id, uint64 indexed chain, uint64 indexed sequence);
  event MessageRefunded(bytes32 indexed id, uint64 indexed chain, address indexed sender, address token, uint256 amount);
  /// @notice A notice of a message that was not sent from here, or is paid back already.
  event NoticeVoid(bytes32 indexed id, uint64 indexed chain, bytes32 indexed refundOf);
  event RouteSet(address indexed token, bytes32 indexed remote, uint128 cap, uint128 limit, bool open);
  event WrappedCreated(bytes32 indexed remote, address indexed token, string name, string symbol, uint8 decimals);
  event PausedUntil(uint64 second, string reason);
  event GuardianSet(address guardian);

  error NotGuardian(address caller);
  /// @notice Not NovaChain's id, or not this chain's.
  error WrongChain(uint64 given, uint64 expected);
  error UnknownRoute(bytes32 token);
  error RouteClosed(address token);
  error TooLong(string what, uint256 given, uint256 maximum);
  /// @notice Not 20 bytes, or below 0x1001, or this contract, or the token itself.
  error BadRecipient(bytes recipient);
  error WrongValue(uint256 given, uint256 expected);
  error CapExceeded(address token, uint256 outstanding, uint256 cap);
  /// @notice More has to wait.
  error LimitExceeded(address token, uint256 amount, uint256 available);
  /// @notice NovaChain gives back no more than was sent to it.
  error NotBacked(address token, uint256 amount, uint256 outstanding);
  /// @notice Nothing to send: neither amount nor data; or a token of which nothing arrived.
  error NothingToSend();
  error AlreadySettled(uint64 sequence);
  error PastDeadline(bytes32 id, uint64 deadline);
  error BeforeDeadline(bytes32 id, uint64 deadline);
  /// @notice A notice goes to `refund`, and nothing else does.
  error WrongKind(bytes32 id);
  /// @notice The original is not what the notice is of.
  error WrongOriginal(bytes32 id, bytes32 refundOf);
  /// @notice The proof does not lead from the state root of the checkpoint to this message.
  error NotProven(bytes32 id);
  /// @notice It did not take the coin: with 100,000 gas, for whoever delivers does not pay for what it does.
  error TransferFailed(address to);
  /// @notice A token whose transfer took another amount from here than it was asked to.
  error WrongPayout(address token, uint256 paid, uint256 expected);
  error IsPaused(uint64 untilSecond);
  /// @notice A pause lasts at most 72 hours, and another begins no sooner than a day after the last.
  error PauseRefused();
  error RemoteFixed(address token, bytes32 remote);
  error BadToken(address token);
  /// @notice Of initialisation: a window or lifetime of no length, or an address without code.
  error BadTerms();

  /// @notice Sends a message, and takes what it carries from the caller: the coin with the call, a token by allowance. What is sent is what arrives
  /// here: less than `amount` where the token keeps a fee.
  /// @param chain NovaChain's id
  /// @param recipient there: 20 bytes
  /// @param token here; zero is the coin of this chain
  /// @param data for the recipient; at most 4,096 bytes
  function send(uint64 chain, bytes calldata recipient, address token, uint256 amount, bytes calldata data)
    external
    payable
    returns (bytes32 id);

  /// @notice Pays a message that came in, once. By anybody. Its data is told by the log.
  function deliver(Message calldata message, StateProof calldata proof) external;

  /// @notice Settles a message whose deadline has passed, and sends its notice back. By anybody.
  function refuse(Message calldata message, StateProof calldata proof) external returns (bytes32 notice);

  /// @notice Pays back a message that was refused on NovaChain, to its sender. By anybody.
  function refund(Message calldata original, Message calldata notice, StateProof calldata proof) external;

  /// @notice Stops `send` and `deliver` for a time; refusals and refunds go on. By the guardian.
  /// @param duration in seconds, at most 72 hours
  function pause(uint64 duration, string calldata reason) external;

  /// @notice By the guardian or the owner.
  function unpause() external;

  /// @notice Makes a route for a token of this chain, or changes one. By the owner.
  function setRoute(address token, bytes32 remote, uint128 cap, uint128 limit, bool open) external;

  /// @notice Makes a token here for one of NovaChain, with a route that is closed. By the owner.
  function createWrapped(bytes32 remote, string calldata name, string calldata symbol, uint8 decimals)
    external
    returns (address token);

  /// @notice By the owner.
  function setGuardian(address guardian) external;

  function transfer(bytes32 id) external view returns (Transfer memory found);

  function routeOf(address token) external view returns (Route memory found);

  /// @notice The token here for one of NovaChain; whether there is a route.
  function tokenOf(bytes32 remote) external view returns (address token, bool known);

  /// @notice link(sequence) of what was sent; zero where there is none.
  function link(uint64 chain, uint64 sequence) external view returns (bytes32 value);

  /// @notice Messages sent.
  function sent() external view returns (uint64 count);

  /// @notice Whether what came under a sequence was delivered, refused or noticed.
  function isSettled(uint64 sequence) external view returns (bool settled);

  function messageId(Message calldata message) external pure returns (bytes32 id);

  /// @notice 0 where it is not paused.
  function pausedUntil() external view returns (uint64 second);
}
