// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC20} from "@openzeppelin/contracts-v57/token/ERC20/ERC20.sol";
import {INovaVault} from "../../bridge/INovaVault.sol";
import {NovaVault} from "../../bridge/NovaVault.sol";
import {WrappedTokenFactory} from "../../bridge/WrappedTokenFactory.sol";
import {NovaProxy} from "../../governed/NovaProxy.sol";

interface Vm {
  function warp(uint256 second) external;
}

contract Token is ERC20("Token", "T") {
  constructor() {
    _mint(msg.sender, 1e30);
  }
}

/// Has the state root that is set: which roots are settled is the settlement contract's, and proven with it elsewhere.
contract Roots {
  bytes32 public root;

  function setRoot(bytes32 next) external {
    root = next;
  }

  function stateRootOf(uint64) external view returns (bytes32) {
    return root;
  }
}

/// NovaChain's outbox in tries of one leaf each, users and relayers of every kind, and the books of what was paid. For tests.
contract World {
  Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
  uint64 public constant NOVA = 662607;
  address private constant BRIDGE = 0x0000000000000000000000000000000000000830;
  bytes32 private constant REMOTE = bytes32(uint256(0xbeef));
  address private constant BOB = address(0xb0b0b0);
  uint256 private constant LIMIT = 1e24;

  NovaVault public immutable vault;
  Roots public immutable roots;
  Token public immutable token;
  address public immutable wrapped;

  INovaVault.Message[] private _incoming;
  bytes32[] private _previous;
  INovaVault.Message[] private _outgoing;
  bytes32 private _link;
  /// By token: what came to the vault, and what it paid; of the wrapped one, what was burnt and minted.
  mapping(address => uint256) public taken;
  mapping(address => uint256) public paid;
  mapping(bytes32 => uint256) public payments;
  uint256 public mostPayments;
  uint256 private _now = 1_800_000_000;

  constructor() payable {
    (roots, token) = (new Roots(), new Token());
    bytes memory start = abi.encodeCall(
      NovaVault.initialize,
      (address(this), address(this), address(roots), address(new WrappedTokenFactory()), NovaVault.Terms(NOVA, 3600, 86400))
    );
    vault = NovaVault(address(new NovaProxy(address(new NovaVault()), start)));
    wrapped = vault.createWrapped(bytes32(uint256(0xcafe)), "W", "W", 18);
    vault.setRoute(address(token), REMOTE, uint128(LIMIT), uint128(LIMIT), true);
    vault.setRoute(address(0), bytes32(0), uint128(LIMIT), uint128(LIMIT), true);
    vault.setRoute(wrapped, bytes32(uint256(0xcafe)), uint128(LIMIT), uint128(LIMIT), true);
    token.approve(address(vault), type(uint256).max);
    VM.warp(_now);
  }

  receive() external payable {}

  function tokenAt(uint256 which) public view returns (address) {
    return which % 3 == 0 ? address(token) : which % 3 == 1 ? wrapped : address(0);
  }

  function send(uint256 which, uint256 amount) external {
    address what = tokenAt(which);
    amount = 1 + amount % 1e21;
    try vault.send{value: what == address(0) ? amount : 0}(NOVA, abi.encodePacked(BOB), what, amount, "") returns (bytes32) {
      INovaVault.Message memory message = INovaVault.Message({
        sourceChain: uint64(block.chainid),
        targetChain: NOVA,
        sequence: vault.sent(),
        deadline: uint64(_now + 86400),
        sender: bytes32(uint256(uint160(address(this)))),
        recipient: abi.encodePacked(BOB),
        token: bytes32(uint256(uint160(what))),
        amount: amount,
        refundOf: 0,
        data: ""
      });
      _outgoing.push(message);
      taken[what] += amount;
    } catch {}
  }

  function come(uint256 which, uint256 amount) external {
    bytes32 remote = which % 3 == 0 ? REMOTE : which % 3 == 1 ? bytes32(uint256(0xcafe)) : bytes32(0);
    _append(remote, 1 + amount % 1e21, 0);
  }

  function deliver(uint256 which) external {
    if (_incoming.length == 0) return;
    uint256 place = which % _incoming.length;
    INovaVault.Message memory message = _incoming[place];
    try vault.deliver(message, _prove(place)) {
      _paid(message.token == REMOTE ? address(token) : message.token == 0 ? address(0) : wrapped, message.amount, vault.messageId(message));
    } catch {}
  }

  function refuse(uint256 which) external {
    if (_incoming.length == 0) return;
    uint256 place = which % _incoming.length;
    bytes32 id = vault.messageId(_incoming[place]);
    try vault.refuse(_incoming[place], _prove(place)) {
      // Settled for good: as good as a payment elsewhere.
      _count(id);
    } catch {}
  }

  /// NovaChain says that one was refused, as often as it likes.
  function refund(uint256 which) external {
    if (_outgoing.length == 0) return;
    INovaVault.Message memory original = _outgoing[which % _outgoing.length];
    bytes32 id = vault.messageId(original);
    _append(0, 0, id);
    bool isOwed = vault.transfer(id).status == INovaVault.Status.Sent;
    try vault.refund(original, _incoming[_incoming.length - 1], _prove(_incoming.length - 1)) {
      if (isOwed) _paid(address(uint160(uint256(original.token))), original.amount, id);
    } catch {}
  }

  function wait(uint32 time) external {
    _now += time % 100_000;
    VM.warp(_now);
  }

  function _paid(address what, uint256 amount, bytes32 id) private {
    paid[what] += amount;
    _count(id);
  }

  function _count(bytes32 id) private {
    payments[id]++;
    if (payments[id] > mostPayments) mostPayments = payments[id];
  }

  function _append(bytes32 remote, uint256 amount, bytes32 refundOf) private {
    INovaVault.Message memory message;
    message.sourceChain = NOVA;
    message.targetChain = uint64(block.chainid);
    message.sequence = uint64(_incoming.length + 1);
    message.refundOf = refundOf;
    if (refundOf == 0) {
      message.deadline = uint64(_now + 86400);
      message.sender = bytes32(uint256(uint160(BOB)));
      message.recipient = abi.encodePacked(address(this));
      (message.token, message.amount) = (remote, amount);
    }
    _incoming.push(message);
    _previous.push(_link);
    _link = keccak256(abi.encode(_link, vault.messageId(message)));
  }

  function _prove(uint256 place) private returns (INovaVault.StateProof memory proof) {
    INovaVault.Message memory message = _incoming[place];
    bytes32 slot = keccak256(abi.encode(message.sequence, keccak256(abi.encode(message.targetChain, uint256(0)))));
    bytes32 link = keccak256(abi.encode(_previous[place], vault.messageId(message)));
    bytes memory leaf =
      abi.encodePacked(hex"f844a120", keccak256(abi.encode(slot)), hex"a1a0", link);
    bytes memory account = abi.encodePacked(hex"f8440180a0", keccak256(leaf), hex"a0", bytes32(uint256(1)));
    bytes memory top = abi.encodePacked(hex"f86aa120", keccak256(abi.encodePacked(BRIDGE)), hex"b846", account);
    roots.setRoot(keccak256(top));
    proof.previousLink = _previous[place];
    (proof.account, proof.slot) = (new bytes[](1), new bytes[](1));
    (proof.account[0], proof.slot[0]) = (top, leaf);
  }
}

contract VaultTest {
  World private _world;

  constructor() payable {}

  function setUp() public {
    _world = new World{value: 1e28}();
  }

  function targetContracts() external view returns (address[] memory targets) {
    targets = new address[](1);
    targets[0] = address(_world);
  }

  /// What is locked is there, to the unit; what is minted is what came.
  function invariant_books() external view {
    NovaVault vault = _world.vault();
    for (uint256 i = 0; i < 3; i++) {
      address what = _world.tokenAt(i);
      uint256 outstanding = vault.routeOf(what).outstanding;
      (uint256 taken, uint256 paid) = (_world.taken(what), _world.paid(what));
      if (what == _world.wrapped()) {
        require(outstanding == paid - taken, "minted");
        require(ERC20(what).totalSupply() == outstanding, "supply");
      } else {
        require(outstanding == taken - paid, "locked");
        uint256 held = what == address(0) ? address(vault).balance : ERC20(what).balanceOf(address(vault));
        require(held == outstanding, "held");
      }
    }
  }

  function invariant_once() external view {
    require(_world.mostPayments() <= 1, "a message was settled twice");
  }
}
