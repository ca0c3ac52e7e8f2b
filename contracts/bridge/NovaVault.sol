// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20, SafeERC20} from "@openzeppelin/contracts-v57/token/ERC20/utils/SafeERC20.sol";
import {RateLimiter} from "@openzeppelin/contracts-v57/utils/RateLimiter.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts-v57/utils/ReentrancyGuardTransient.sol";
import {BitMaps} from "@openzeppelin/contracts-v57/utils/structs/BitMaps.sol";
import {Governed} from "../governed/Governed.sol";
import {INovaSettlement} from "../settlement/INovaSettlement.sol";
import {INovaVault} from "./INovaVault.sol";
import {Messages} from "./Messages.sol";
import {WrappedToken} from "./WrappedToken.sol";
import {WrappedTokenFactory} from "./WrappedTokenFactory.sol";

/// @title The vault: `INovaVault` says what it does.
/// @notice What is locked or minted is counted for each token, and NovaChain never gets out more than went to it; nothing is inferred from balances,
/// which tokens may change as they like. A token whose transfers do not take exactly what they are asked to take is paid out only while they do.
contract NovaVault is Governed, ReentrancyGuardTransient, INovaVault {
  using BitMaps for BitMaps.BitMap;
  using RateLimiter for RateLimiter.RefillingBucket;
  using SafeERC20 for IERC20;

  /// @param window seconds over which a used limit is free again
  /// @param lifetime seconds from sending to the deadline
  struct Terms {
    uint64 novaChainId;
    uint48 window;
    uint64 lifetime;
  }
  /// @dev The terms and the end of a pause: what every call reads is in one slot.
  struct Standing {
    uint64 novaChainId;
    uint48 window;
    uint64 lifetime;
    uint64 pausedUntil;
  }
  struct StoredRoute {
    bytes32 remote;
    uint256 outstanding;
    uint128 cap;
    bool known;
    bool open;
    bool wrapped;
    RateLimiter.RefillingBucket limit;
  }
  struct Local {
    address token;
    bool known;
  }

  address private constant COIN = address(0);
  /// @dev Precompiles and NovaChain's modules live below.
  uint160 private constant FIRST_PAYABLE = 0x1001;
  uint256 private constant DATA_MAX = 4096;
  uint256 private constant PAY_GAS = 100_000;
  uint64 private constant PAUSE_MAX = 72 hours;
  uint64 private constant PAUSE_REST = 1 days;
  /// @dev Each route has a bucket of its own, so there is one key in it.
  bytes32 private constant BUCKET = 0;

  /// @dev By target and sequence, from 1.
  mapping(uint64 chain => mapping(uint64 sequence => bytes32)) private _links;
  mapping(bytes32 id => Transfer) private _transfers;
  BitMaps.BitMap private _settled;
  mapping(address token => StoredRoute) private _routes;
  mapping(bytes32 remote => Local) private _locals;
  Standing private _standing;
  uint64 private _sent;
  INovaSettlement private _settlement;
  WrappedTokenFactory private _factory;
  address private _guardian;

  function initialize(address owner_, address guardian_, address settlement_, address factory_, Terms calldata terms)
    external
    initializer
  {
    _setOwner(owner_);
    if (terms.novaChainId == 0 || terms.novaChainId == block.chainid) revert WrongChain(terms.novaChainId, 0);
    if (terms.window == 0 || terms.lifetime == 0) revert BadTerms();
    if (settlement_.code.length == 0 || factory_.code.length == 0) revert BadTerms();
    _standing = Standing(terms.novaChainId, terms.window, terms.lifetime, 0);
    _settlement = INovaSettlement(settlement_);
    _factory = WrappedTokenFactory(factory_);
    _guardian = guardian_;
    emit GuardianSet(guardian_);
  }

  modifier whileRunning() {
    if (block.timestamp < _standing.pausedUntil) revert IsPaused(_standing.pausedUntil);
    _;
  }

  // Out

  function send(uint64 chain, bytes calldata recipient, address token, uint256 amount, bytes calldata data)
    external
    payable
    nonReentrant
    whileRunning
    returns (bytes32 id)
  {
    if (chain != _standing.novaChainId) revert WrongChain(chain, _standing.novaChainId);
    if (recipient.length != 20 || uint160(bytes20(recipient)) < FIRST_PAYABLE) revert BadRecipient(recipient);
    if (data.length > DATA_MAX) revert TooLong("data", data.length, DATA_MAX);
    uint256 arrived = 0;
    if (amount > 0) arrived = _take(token, amount);
    else if (msg.value > 0) revert WrongValue(msg.value, 0);
    else if (token != COIN || data.length == 0) revert NothingToSend();
    return _append(
      Message({
        sourceChain: 0,
        targetChain: chain,
        sequence: 0,
        deadline: uint64(block.timestamp) + _standing.lifetime,
        sender: _padded(msg.sender),
        recipient: recipient,
        token: _padded(token),
        amount: arrived,
        refundOf: 0,
        data: data
      })
    );
  }

  /// @dev Numbers it and appends it to the outbox.
  function _append(Message memory message) private returns (bytes32 id) {
    uint64 chain = message.targetChain;
    uint64 sequence = ++_sent;
    message.sourceChain = uint64(block.chainid);
    message.sequence = sequence;
    id = Messages.idOf(message);
    _links[chain][sequence] = Messages.linkAfter(_links[chain][sequence - 1], id);
    _record(id, Status.Sent, sequence);
    emit MessageSent(id, chain, sequence, message);
  }

  function _take(address token, uint256 amount) private returns (uint256 arrived) {
    StoredRoute storage route = _openRoute(token);
    uint256 expected = token == COIN ? amount : 0;
    if (msg.value != expected) revert WrongValue(msg.value, expected);
    if (route.wrapped) {
      if (amount > route.outstanding) revert NotBacked(token, amount, route.outstanding);
      route.outstanding -= amount;
      WrappedToken(token).burn(msg.sender, amount);
      return amount;
    }
    arrived = amount;
    if (token != COIN) {
      uint256 before = IERC20(token).balanceOf(address(this));
      IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
      uint256 later = IERC20(token).balanceOf(address(this));
      if (later <= before) revert NothingToSend();
      if (later - before < amount) arrived = later - before;
    }
    if (arrived > route.cap || route.outstanding > route.cap - arrived) {
      revert CapExceeded(token, route.outstanding, route.cap);
    }
    route.outstanding += arrived;
  }

  // In

  function deliver(Message calldata message, StateProof calldata proof) external nonReentrant whileRunning {
    bytes32 id = _mustBeNew(message, false);
    if (block.timestamp > message.deadline) revert PastDeadline(id, message.deadline);
    (address token, bool carries) = _tokenOf(message);
    address recipient = _recipientOf(message.recipient, token);
    if (carries) _makeRoom(token, message.amount);
    _mustBeProven(message, id, proof);
    _settle(id, Status.Delivered, message.sequence);
    emit MessageDelivered(
      id, message.sourceChain, recipient, message.sequence, token, message.amount, message.data
    );
    if (carries) _give(token, recipient, message.amount);
  }

  function refuse(Message calldata message, StateProof calldata proof) external nonReentrant returns (bytes32 notice) {
    bytes32 id = _mustBeNew(message, false);
    if (block.timestamp <= message.deadline) revert BeforeDeadline(id, message.deadline);
    _mustBeProven(message, id, proof);
    _settle(id, Status.Refused, message.sequence);
    emit MessageRefused(id, message.sourceChain, message.sequence);
    Message memory back;
    back.targetChain = message.sourceChain;
    back.refundOf = id;
    return _append(back);
  }

  function refund(Message calldata original, Message calldata notice, StateProof calldata proof) external nonReentrant {
    bytes32 noticeId = _mustBeNew(notice, true);
    bytes32 id = notice.refundOf;
    bool owed = _transfers[id].status == Status.Sent;
    if (owed && Messages.idOf(original) != id) revert WrongOriginal(Messages.idOf(original), id);
    _mustBeProven(notice, noticeId, proof);
    _settle(noticeId, Status.Noticed, notice.sequence);
    if (!owed) {
      emit NoticeVoid(noticeId, notice.sourceChain, id);
      return;
    }
    _record(id, Status.Refunded, original.sequence);
    address token = _addressIn(original.token);
    address sender = _addressIn(original.sender);
    emit MessageRefunded(id, original.targetChain, sender, token, original.amount);
    if (original.amount > 0) _give(token, sender, original.amount);
  }

  /// @dev From NovaChain to here, of the kind that is asked for, and not settled before.
  function _mustBeNew(Message calldata message, bool isNotice) private view returns (bytes32 id) {
    uint64 nova = _standing.novaChainId;
    if (message.sourceChain != nova) revert WrongChain(message.sourceChain, nova);
    if (message.targetChain != block.chainid) revert WrongChain(message.targetChain, uint64(block.chainid));
    if (_settled.get(message.sequence)) revert AlreadySettled(message.sequence);
    id = Messages.idOf(message);
    if ((message.refundOf != 0) != isNotice) revert WrongKind(id);
  }

  function _mustBeProven(Message calldata message, bytes32 id, StateProof calldata proof) private view {
    bytes32 root = _settlement.stateRootOf(proof.seq);
    bytes32 expected = Messages.linkAfter(proof.previousLink, id);
    if (!Messages.isLink(root, message.targetChain, message.sequence, expected, proof)) revert NotProven(id);
  }

  function _settle(bytes32 id, Status status, uint64 sequence) private {
    _settled.set(sequence);
    _record(id, status, sequence);
  }

  function _record(bytes32 id, Status status, uint64 sequence) private {
    _transfers[id] =
      Transfer({status: status, chain: _standing.novaChainId, sequence: sequence, changedAt: uint40(block.timestamp)});
  }

  /// @dev This contract and the token would keep what they get for good.
  function _recipientOf(bytes calldata recipient, address token) private view returns (address to) {
    to = recipient.length == 20 ? address(bytes20(recipient)) : address(0);
    if (uint160(to) < FIRST_PAYABLE || to == address(this) || to == token) revert BadRecipient(recipient);
  }

  /// @dev The token here of what a message carries; whether it carries anything but data.
  function _tokenOf(Message calldata message) private view returns (address token, bool carries) {
    if (message.amount == 0 && message.token == 0) return (COIN, false);
    Local storage local = _locals[message.token];
    if (!local.known) revert UnknownRoute(message.token);
    return (local.token, true);
  }

  /// @dev What comes in has to be backed or capped, and within the limit, which it uses up.
  function _makeRoom(address token, uint256 amount) private {
    StoredRoute storage route = _openRoute(token);
    if (route.wrapped) {
      if (amount > route.cap || route.outstanding > route.cap - amount) {
        revert CapExceeded(token, route.outstanding, route.cap);
      }
    } else if (amount > route.outstanding) {
      revert NotBacked(token, amount, route.outstanding);
    }
    if (!route.limit.tryConsume(BUCKET, amount)) revert LimitExceeded(token, amount, route.limit.available(BUCKET));
  }

  /// @dev Pays out of what is outstanding, or mints. What may be is checked before.
  function _give(address token, address to, uint256 amount) private {
    StoredRoute storage route = _routes[token];
    if (route.wrapped) {
      route.outstanding += amount;
      WrappedToken(token).mint(to, amount);
      return;
    }
    if (amount > route.outstanding) revert NotBacked(token, amount, route.outstanding);
    route.outstanding -= amount;
    if (token == COIN) return _pay(to, amount);
    uint256 before = IERC20(token).balanceOf(address(this));
    IERC20(token).safeTransfer(to, amount);
    uint256 later = IERC20(token).balanceOf(address(this));
    uint256 paid = later < before ? before - later : 0;
    if (paid != amount) revert WrongPayout(token, paid, amount);
  }

  /// @dev With a bound on what the recipient may burn, and none of what it answers is copied.
  function _pay(address to, uint256 amount) private {
    bool success;
    assembly ("memory-safe") {
      success := call(PAY_GAS, to, amount, 0, 0, 0, 0)
    }
    if (!success) revert TransferFailed(to);
  }

  // Routes

  function _openRoute(address token) private view returns (StoredRoute storage route) {
    route = _routes[token];
    if (!route.known) revert UnknownRoute(_padded(token));
    if (!route.open) revert RouteClosed(token);
  }

  function setRoute(address token, bytes32 remote, uint128 cap, uint128 limit, bool open) external onlyOwner {
    if (token != COIN && token.code.length == 0) revert BadToken(token);
    _connect(token, remote);
    StoredRoute storage route = _routes[token];
    // What was used up is measured by the limit it was used under.
    route.limit.sync(BUCKET);
    route.limit.updateSettings(_standing.window, limit);
    (route.cap, route.open) = (cap, open);
    emit RouteSet(token, remote, cap, limit, open);
  }

  function createWrapped(bytes32 remote, string calldata name, string calldata symbol, uint8 decimals)
    external
    onlyOwner
    returns (address token)
  {
    if (_locals[remote].known) revert RemoteFixed(_locals[remote].token, remote);
    token = address(_factory.create(remote, name, symbol, decimals));
    _connect(token, remote);
    _routes[token].wrapped = true;
    emit WrappedCreated(remote, token, name, symbol, decimals);
  }

  /// @dev Points the token there at the token here. A wrapped token keeps its remote, and any other while something of it is outstanding.
  function _connect(address token, bytes32 remote) private {
    StoredRoute storage route = _routes[token];
    if (route.known) {
      if (route.remote == remote) return;
      if (route.wrapped || route.outstanding > 0) revert RemoteFixed(token, route.remote);
      delete _locals[route.remote];
    }
    if (_locals[remote].known) revert RemoteFixed(_locals[remote].token, remote);
    _locals[remote] = Local(token, true);
    (route.remote, route.known) = (remote, true);
  }

  // Pause

  function pause(uint64 duration, string calldata reason) external {
    if (msg.sender != _guardian) revert NotGuardian(msg.sender);
    if (duration == 0 || duration > PAUSE_MAX || block.timestamp < _standing.pausedUntil + PAUSE_REST) revert PauseRefused();
    _standing.pausedUntil = uint64(block.timestamp) + duration;
    emit PausedUntil(_standing.pausedUntil, reason);
  }

  function unpause() external {
    if (msg.sender != _guardian && msg.sender != owner) revert NotGuardian(msg.sender);
    if (block.timestamp >= _standing.pausedUntil) return;
    _standing.pausedUntil = uint64(block.timestamp);
    emit PausedUntil(_standing.pausedUntil, "");
  }

  function setGuardian(address guardian) external onlyOwner {
    _guardian = guardian;
    emit GuardianSet(guardian);
  }

  // Views

  function transfer(bytes32 id) external view returns (Transfer memory found) {
    return _transfers[id];
  }

  function routeOf(address token) external view returns (Route memory found) {
    StoredRoute storage route = _routes[token];
    return Route({
      remote: route.remote,
      known: route.known,
      open: route.open,
      wrapped: route.wrapped,
      cap: route.cap,
      limit: uint128(route.limit._capacity),
      available: uint128(route.limit.available(BUCKET)),
      outstanding: route.outstanding
    });
  }

  function tokenOf(bytes32 remote) external view returns (address token, bool known) {
    return (_locals[remote].token, _locals[remote].known);
  }

  function link(uint64 chain, uint64 sequence) external view returns (bytes32 value) {
    return _links[chain][sequence];
  }

  function sent() external view returns (uint64 count) {
    return _sent;
  }

  function isSettled(uint64 sequence) external view returns (bool settled) {
    return _settled.get(sequence);
  }

  function messageId(Message calldata message) external pure returns (bytes32 id) {
    return Messages.idOf(message);
  }

  function pausedUntil() external view returns (uint64 second) {
    return block.timestamp < _standing.pausedUntil ? _standing.pausedUntil : 0;
  }

  function _padded(address account) private pure returns (bytes32 word) {
    return bytes32(uint256(uint160(account)));
  }

  function _addressIn(bytes32 word) private pure returns (address account) {
    return address(uint160(uint256(word)));
  }
}
