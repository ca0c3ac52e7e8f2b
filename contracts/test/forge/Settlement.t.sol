// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {INovaSettlement} from "../../settlement/INovaSettlement.sol";
import {ICheckpointVerifier} from "../../settlement/ICheckpointVerifier.sol";
import {NovaSettlement} from "../../settlement/NovaSettlement.sol";
import {NovaProxy} from "../../governed/NovaProxy.sol";

interface Cheats {
  function prank(address sender, address origin) external;
}

/// A certificate says whose it is and of which block, in the clear: that signatures verify is proven elsewhere.
contract Signed is ICheckpointVerifier {
  function verify(bytes32 validatorsHash, uint64 height, bytes32 blockHash, bytes calldata certificate) external pure {
    if (keccak256(certificate) != keccak256(abi.encode(validatorsHash, height, blockHash))) revert BadCertificate();
  }
}

/// Posters, honest and not, and what the inbox should hold by what they did. For tests.
contract Posters {
  Cheats private constant CHEATS = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
  address private constant POSTER = address(0x9057);
  address private constant STRANGER = address(0x5712);
  uint64 public constant EPOCH_BLOCKS = 7;

  NovaSettlement public immutable inbox;
  uint64 public seq;
  uint64 public height;
  uint64 public epoch;
  bytes32 public accumulator;
  bytes32 public blockHash;
  bytes32 public validators;
  mapping(uint64 => bytes32) public roots;
  /// What went otherwise than it should.
  string public fault;

  /// What may be wrong with a posting; `None` comes as often as all others together.
  enum Flaw {
    Sequence,
    Accumulator,
    Sender,
    Set,
    Behind,
    NextEpoch,
    Section,
    Empty,
    Indirect,
    Parent,
    None
  }

  constructor() {
    (blockHash, validators, roots[0]) = (keccak256("genesis"), keccak256("validators"), keccak256("state"));
    address[] memory posters = new address[](1);
    posters[0] = POSTER;
    bytes memory start = abi.encodeCall(
      NovaSettlement.initialize,
      (address(this), NovaSettlement.Genesis(blockHash, roots[0], validators, EPOCH_BLOCKS), address(new Signed()), posters)
    );
    inbox = NovaSettlement(address(new NovaProxy(address(new NovaSettlement()), start)));
  }

  struct Draft {
    uint64 seq;
    bytes32 accumulator;
    bytes batch;
    INovaSettlement.Checkpoint checkpoint;
    bytes certificate;
  }

  function post(uint8 flawed, uint8 steps, bytes32 entropy) external {
    Flaw flaw = flawed % 2 == 0 ? Flaw.None : Flaw((flawed >> 1) % uint8(Flaw.None));
    uint64 last = (epoch + 1) * EPOCH_BLOCKS;
    uint64 next = height + 1 + steps % 4;
    if (next > last) next = last;
    bool changes = uint8(entropy[0]) % 3 == 0;
    bytes32 successors = changes ? keccak256(abi.encode("set", entropy)) : validators;
    bytes32 root = keccak256(abi.encode("root", entropy));

    Draft memory draft;
    (draft.seq, draft.accumulator) = (seq + 1, accumulator);
    draft.batch = flaw == Flaw.Empty ? bytes("") : abi.encode(entropy);
    if (flaw == Flaw.Sequence) draft.seq = uint64(uint256(entropy)) == seq + 1 ? seq : uint64(uint256(entropy));
    if (flaw == Flaw.Accumulator) draft.accumulator = keccak256(abi.encode(accumulator));
    if (flaw == Flaw.Behind) next = height;
    if (flaw == Flaw.NextEpoch) next = last + 1;
    if (flaw == Flaw.Parent) next = height + 1;
    bool isLast = next == last;
    if (isLast) draft.checkpoint.section = _section(epoch, validators, successors);
    bytes32 sectionHash = keccak256(draft.checkpoint.section);
    bytes32 parent = next == height + 1 && flaw != Flaw.Parent ? blockHash : keccak256(abi.encode("parent", entropy));
    draft.checkpoint.header = _header(parent, root, next, sectionHash);
    // Left out where it has to be, of another set where one ends an epoch, and there where none is.
    if (flaw == Flaw.Section)
      draft.checkpoint.section = isLast && changes ? bytes("") : _section(epoch + 1, validators, successors);
    bytes32 hash = keccak256(draft.checkpoint.header);
    draft.certificate = abi.encode(flaw == Flaw.Set ? keccak256(abi.encode(validators)) : validators, next, hash);

    bool accepted = _post(draft, flaw);
    if (accepted != (flaw == Flaw.None)) fault = accepted ? "a flawed posting was taken" : "a good posting was refused";
    if (!accepted) return;
    accumulator = keccak256(abi.encode(accumulator, draft.seq, keccak256(draft.batch), hash));
    (seq, height, blockHash) = (draft.seq, next, hash);
    roots[seq] = root;
    if (isLast) (epoch, validators) = (epoch + 1, successors);
  }

  function _post(Draft memory draft, Flaw flaw) private returns (bool accepted) {
    if (flaw != Flaw.Indirect) {
      address sender = flaw == Flaw.Sender ? STRANGER : POSTER;
      CHEATS.prank(sender, sender);
    } else {
      CHEATS.prank(POSTER, STRANGER);
    }
    try inbox.post(draft.seq, draft.accumulator, draft.batch, draft.checkpoint, draft.certificate) {
      return true;
    } catch {
      return false;
    }
  }

  /// Anybody, to a batch that is there, from an account of his own; it changes nothing.
  function supply(uint64 to, bool isEmpty, bool isDirect) external {
    to = to % (seq + 3);
    CHEATS.prank(STRANGER, isDirect ? STRANGER : POSTER);
    bool isGood = to > 0 && to <= seq && !isEmpty && isDirect;
    try inbox.supply(to, isEmpty ? bytes("") : bytes("part")) {
      if (!isGood) fault = "what may not be supplied was";
    } catch {
      if (isGood) fault = "what may be supplied was refused";
    }
  }

  /// The fields that are read, at their places, and nothing between them.
  function _header(bytes32 parent, bytes32 root, uint64 number, bytes32 sectionHash) private pure returns (bytes memory) {
    bytes memory head = abi.encodePacked(hex"f9022da0", parent, hex"a0", bytes32(0), hex"94", bytes20(0), hex"a0", root);
    bytes memory middle = abi.encodePacked(hex"a0", bytes32(0), hex"a0", bytes32(0), hex"b90100", new bytes(256), hex"80");
    return abi.encodePacked(head, middle, hex"88", number, new bytes(36), hex"a0", sectionHash, hex"a0", bytes32(0));
  }

  function _section(uint64 of_, bytes32 own, bytes32 next) private pure returns (bytes memory) {
    return abi.encodePacked(hex"f8a80188", of_, hex"00a0", own, hex"a0", next, new bytes(91));
  }
}

contract SettlementTest {
  Posters private _posters;

  function setUp() public {
    _posters = new Posters();
  }

  function targetContracts() external view returns (address[] memory targets) {
    targets = new address[](1);
    targets[0] = address(_posters);
  }

  /// It holds what was posted, in order, and hands the set over as the epochs end.
  function invariant_position() external view {
    INovaSettlement.Settled memory settled = _posters.inbox().latest();
    require(settled.seq == _posters.seq(), "seq");
    require(settled.height == _posters.height() && settled.height >= settled.seq, "height");
    require(settled.epoch == _posters.epoch() && settled.epoch == settled.height / _posters.EPOCH_BLOCKS(), "epoch");
    require(settled.accumulator == _posters.accumulator(), "accumulator");
    require(settled.blockHash == _posters.blockHash(), "block");
    require(settled.stateRoot == _posters.roots(settled.seq), "root");
    require(settled.validatorsHash == _posters.validators(), "validators");
  }

  /// The newest roots, and no older ones under their numbers.
  function invariant_roots() external view {
    NovaSettlement inbox = _posters.inbox();
    uint64 newest = _posters.seq();
    for (uint64 back = 0; back <= 64 && back <= newest; back++) {
      try inbox.stateRootOf(newest - back) returns (bytes32 root) {
        require(back < 64 && root == _posters.roots(newest - back), "another root");
      } catch {
        require(back == 64, "a root is missing");
      }
    }
    try inbox.stateRootOf(newest + 1) returns (bytes32) {
      revert("a root of what is not posted");
    } catch {}
  }

  function invariant_door() external view {
    require(bytes(_posters.fault()).length == 0, _posters.fault());
  }
}
