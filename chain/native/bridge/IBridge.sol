// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The bridge: an outbox and an inbox of messages and tokens. Address 0x0000000000000000000000000000000000000830.
/// @notice Each chain that governance connects has one vault, a contract there with the same rules. What goes out is proven there by one storage proof of
/// `links` below; what comes in is proven here by a certificate of the validators, who watch the vault at the finalized blocks of its chain.
///
/// An id is the EIP-712 struct hash of a message: keccak256(abi.encode(MESSAGE_TYPEHASH, sourceChain, targetChain, sequence, deadline, sender,
/// keccak256(recipient), token, amount, refundOf, keccak256(data))) with MESSAGE_TYPEHASH = keccak256("Message(uint64 sourceChain,uint64 targetChain,
/// uint64 sequence,uint64 deadline,bytes32 sender,bytes recipient,bytes32 token,uint256 amount,bytes32 refundOf,bytes data)"), without the line break.
///
/// The messages to one chain are a hash chain: link(n) = keccak256(abi.encode(link(n - 1), id(n))), link(0) = 0, counted from 1 without gaps. Each link
/// stays in the storage of this address: mapping(uint64 chain => mapping(uint64 sequence => bytes32)) at slot 0, so link(n) to a chain is in slot
/// keccak256(abi.encode(n, keccak256(abi.encode(chain, 0)))). Whoever shows link(n - 1), the message and a proof of that one slot has proven the message.
///
/// A message is delivered at most once, and no later than its deadline by the clock of its target. After it anybody can have it refused there, which
/// sends a notice back (`refundOf` is its id; no sender, recipient, token, amount, data and no deadline), and on that notice its source pays back what
/// it took. So nothing is paid twice, whatever the clocks say, and nothing is stuck that both chains still run.
interface IBridge {
  struct Message {
    uint64 sourceChain;
    uint64 targetChain;
    /// @notice Of the messages from source to target; from 1 without gaps.
    uint64 sequence;
    /// @notice Second of the target's clock up to which it may be delivered; 0 in a notice, which has no end.
    uint64 deadline;
    /// @notice On the source chain; an address fills the last 20 bytes.
    bytes32 sender;
    /// @notice On the target chain, as it writes accounts: 20 bytes of an EVM chain.
    bytes recipient;
    /// @notice On the source chain; an address fills the last 20 bytes, zero is the coin of the chain.
    bytes32 token;
    /// @notice In the token's smallest unit, the same on both chains. Zero, of token zero, in a message that carries only data.
    uint256 amount;
    /// @notice The id of the message that was refused; zero in every other message.
    bytes32 refundOf;
    bytes data;
  }

  /// @notice What became of a message.
  enum Status {
    /// @notice Never seen here.
    None,
    /// @notice Sent from here. Whether it was delivered its target knows.
    Sent,
    /// @notice Sent from here, refused there, and paid back.
    Refunded,
    /// @notice Came in and was paid.
    Delivered,
    /// @notice Came in after its deadline; its source pays back.
    Refused,
    /// @notice A notice that came in.
    Noticed
  }
  struct Transfer {
    Status status;
    /// @notice The other chain.
    uint64 chain;
    uint64 sequence;
    /// @notice Second of the block that last changed the status.
    uint40 changedAt;
  }
  struct Chain {
    /// @notice The contract there whose messages count; zero where the chain is not connected.
    address vault;
    /// @notice Messages sent to it.
    uint64 sent;
    /// @notice How many that came from it are settled: delivered, refused or noticed.
    uint64 settled;
  }
  struct Route {
    /// @notice The same token there; zero is the coin of that chain.
    bytes32 remote;
    bool known;
    /// @notice Whether anything may be sent and delivered now. Refunds always may.
    bool open;
    /// @notice Whether the token is the wrapped form of what lies in the vault: minted when it comes in, burnt when it leaves. Any other is locked here.
    bool wrapped;
    /// @notice The most that may be outstanding.
    uint128 cap;
    /// @notice The most that comes in at once; it is free again, evenly, over the seconds of `bridge.window`.
    uint128 limit;
    /// @notice What may come in now.
    uint128 available;
    /// @notice Locked here for that chain, or minted here against what lies there.
    uint256 outstanding;
  }

  /// @notice The same event as a vault's.
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
  event ChainSet(uint64 indexed chain, address vault);
  event RouteSet(
    uint64 indexed chain, address indexed token, bytes32 indexed remote, uint128 cap, uint128 limit, bool open
  );
  event WrappedCreated(uint64 indexed chain, bytes32 indexed remote, address indexed token, string name, string symbol, uint8 decimals);

  error NotGovernance(address caller);
  error UnknownChain(uint64 chain);
  error UnknownRoute(uint64 chain, bytes32 token);
  error RouteClosed(uint64 chain, address token);
  error TooLong(string what, uint256 given, uint256 maximum);
  /// @notice An EVM chain's account has 20 bytes; nothing is paid to nobody, nor to an address below 0x1001, where modules live.
  error BadRecipient(bytes recipient);
  /// @notice What came with the call is not the amount, of the coin of this chain; or anything, of a token.
  error WrongValue(uint256 given, uint256 expected);
  error CapExceeded(uint64 chain, address token, uint256 outstanding, uint256 cap);
  /// @notice More has to wait.
  error LimitExceeded(uint64 chain, address token, uint256 amount, uint256 available);
  /// @notice A chain gives back no more than was sent to it.
  error NotBacked(uint64 chain, address token, uint256 amount, uint256 outstanding);
  error InsufficientBalance(address token, uint256 balance, uint256 needed);
  /// @notice Nothing to send: neither amount nor data.
  error Empty();
  /// @notice Not a message to this chain.
  error WrongTarget(uint64 targetChain);
  error AlreadySettled(uint64 chain, uint64 sequence);
  error Expired(bytes32 id, uint64 deadline);
  error NotExpired(bytes32 id, uint64 deadline);
  /// @notice A notice goes to `refund`, and nothing else does.
  error WrongKind(bytes32 id);
  /// @notice The original is not what the notice is of.
  error WrongOriginal(bytes32 id, bytes32 refundOf);
  error ProofMalformed(string reason);
  /// @notice The set of that epoch is not elected, or too old to answer for what it signs.
  error EpochOutside(uint64 epoch);
  /// @notice No more than two thirds of the power signed.
  error NoQuorum(uint256 signed, uint256 total);
  error BadSignature();
  /// @notice Messages went between them already: what a vault counted, no other can go on counting.
  error VaultFixed(uint64 chain, address vault);
  /// @notice The other token of one of them is fixed: something is outstanding, or it is another route's.
  error RemoteFixed(uint64 chain, address token, bytes32 remote);
  /// @notice Neither the coin, nor a resource token, nor the wrapped token of this chain.
  error BadToken(address token);
  error NoWrappedLeft(uint256 maximum);

  /// @notice Sends a message, and takes what it carries from the caller: the coin with the call, a token without an allowance.
  /// @param chain the target
  /// @param recipient there: 20 bytes
  /// @param token here; zero is the coin of this chain
  /// @param data for the recipient; at most 4,096 bytes
  /// @return id of the message. Its deadline is this block's second and `bridge.deadline`
  function send(uint64 chain, bytes calldata recipient, address token, uint256 amount, bytes calldata data)
    external
    payable
    returns (bytes32 id);

  /// @notice Pays a message that came in, once, in any order.
  /// @param proof abi.encode(uint64 epoch, bytes signers, bytes signature): validators of an epoch, by their places in its set, least significant bit
  /// first, and the aggregate of their BLS signatures (96 bytes) of keccak256("novachain/consensus/1" ‖ uint64 chain id ‖ genesis hash ‖ 0x0a ‖
  /// uint64 source chain ‖ vault (20 bytes) ‖ id). They hold more than two thirds of the power, and the epoch is one that evidence can still be of
  function deliver(Message calldata message, bytes calldata proof) external;

  /// @notice Settles a message whose deadline has passed, and sends its notice back.
  /// @return notice id of the notice
  function refuse(Message calldata message, bytes calldata proof) external returns (bytes32 notice);

  /// @notice Pays back a message that was refused there, to its sender.
  function refund(Message calldata original, Message calldata notice, bytes calldata proof) external;

  /// @notice Connects a chain. The vault can be changed until the first message. Governance alone.
  function setChain(uint64 chain, address vault) external;

  /// @notice Makes a route for the coin, a resource token or the wrapped token of this chain, or changes one. Governance alone.
  function setRoute(uint64 chain, address token, bytes32 remote, uint128 cap, uint128 limit, bool open) external;

  /// @notice Makes a token here for one of that chain, with a route that is closed. Governance alone.
  function createWrapped(uint64 chain, bytes32 remote, string calldata name, string calldata symbol, uint8 decimals)
    external
    returns (address token);

  function transfer(bytes32 id) external view returns (Transfer memory found);

  function chainOf(uint64 chain) external view returns (Chain memory found);

  function routeOf(uint64 chain, address token) external view returns (Route memory found);

  /// @notice The token here for one there; whether there is a route.
  function tokenOf(uint64 chain, bytes32 remote) external view returns (address token, bool known);

  /// @notice link(sequence) of what was sent to a chain; zero where there is none.
  function link(uint64 chain, uint64 sequence) external view returns (bytes32 value);

  /// @notice Whether what came from a chain under a sequence was delivered, refused or noticed.
  function isSettled(uint64 chain, uint64 sequence) external view returns (bool settled);

  function messageId(Message calldata message) external pure returns (bytes32 id);

  /// @notice Chains in the order in which they were connected.
  function chains() external view returns (uint64[] memory ids);
}
