// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Governed} from "../governed/Governed.sol";
import {Blocks} from "./Blocks.sol";
import {ICheckpointVerifier} from "./ICheckpointVerifier.sol";
import {INovaSettlement} from "./INovaSettlement.sol";

/// @title NovaChain's batches and checkpoints: `INovaSettlement` says what they are.
contract NovaSettlement is Governed, INovaSettlement {
  /// @notice Where the chain begins. `validatorsHash` is of the set of epoch 0.
  struct Genesis {
    bytes32 blockHash;
    bytes32 stateRoot;
    bytes32 validatorsHash;
    uint64 epochBlocks;
  }

  uint64 private constant ROOTS_KEPT = 64;

  /// @dev Read and written together by every post: one slot.
  struct Position {
    uint64 seq;
    uint64 height;
    uint64 epoch;
    uint64 epochBlocks;
  }

  Position private _position;
  bytes32 private _accumulator;
  bytes32 private _blockHash;
  bytes32 private _validatorsHash;
  bytes32 private _genesisHash;
  ICheckpointVerifier private _verifier;
  mapping(address => bool) private _posters;
  /// @dev That of batch n at n % ROOTS_KEPT.
  bytes32[ROOTS_KEPT] private _stateRoots;

  function initialize(address owner_, Genesis calldata genesis, address verifier_, address[] calldata posters)
    external
    initializer
  {
    _setOwner(owner_);
    _setVerifier(verifier_);
    for (uint256 i = 0; i < posters.length; i++) _setPoster(posters[i], true);
    if (genesis.epochBlocks == 0 || genesis.blockHash == 0 || genesis.validatorsHash == 0) revert BadHeader();
    _position.epochBlocks = genesis.epochBlocks;
    _genesisHash = _blockHash = genesis.blockHash;
    _validatorsHash = genesis.validatorsHash;
    // Every slot, so that no post pays for a new one.
    for (uint256 i = 0; i < ROOTS_KEPT; i++) _stateRoots[i] = genesis.stateRoot;
  }

  function post(
    uint64 seq,
    bytes32 previousAccumulator,
    bytes calldata batch,
    Checkpoint calldata checkpoint,
    bytes calldata certificate
  ) external {
    if (!_posters[msg.sender]) revert NotPoster(msg.sender);
    _requireDirect();
    Position memory position = _position;
    if (seq != position.seq + 1) revert WrongSequence(seq, position.seq + 1);
    if (previousAccumulator != _accumulator) revert WrongAccumulator(previousAccumulator, _accumulator);
    if (batch.length == 0) revert EmptyBatch();

    bytes32 blockHash = keccak256(checkpoint.header);
    bytes32 stateRoot = _settle(position, blockHash, checkpoint, certificate);
    position.seq = seq;
    _position = position;

    bytes32 dataHash = keccak256(batch);
    bytes32 accumulator = keccak256(abi.encode(previousAccumulator, seq, dataHash, blockHash));
    _accumulator = accumulator;
    _stateRoots[seq % ROOTS_KEPT] = stateRoot;
    emit BatchPosted(seq, position.height, blockHash, dataHash, accumulator, stateRoot);
  }

  function supply(uint64 seq, bytes calldata batch) external {
    _requireDirect();
    if (seq == 0 || seq > _position.seq) revert NoSuchCheckpoint(seq);
    if (batch.length == 0) revert EmptyBatch();
    emit BatchSupplied(seq, keccak256(batch));
  }

  /// @dev An account without code that speaks for itself sent a transaction to this contract, and no other kind of call can have come of it.
  function _requireDirect() private view {
    if (msg.sender != tx.origin || msg.sender.code.length > 0) revert NotDirect();
  }

  /// @dev Checks a block against what was settled, moves `position` to it and hands the validators over where it ends an epoch.
  function _settle(
    Position memory position,
    bytes32 blockHash,
    Checkpoint calldata checkpoint,
    bytes calldata certificate
  ) private returns (bytes32 stateRoot) {
    Blocks.Head memory head = Blocks.readHeader(checkpoint.header);
    if (head.height <= position.height) revert HeightNotAfter(head.height, position.height);
    uint64 epoch = (head.height - 1) / position.epochBlocks;
    if (epoch != position.epoch) revert WrongEpoch(epoch, position.epoch);
    if (head.height == position.height + 1 && head.parentHash != _blockHash) revert WrongParent(head.parentHash, _blockHash);
    bool isLast = head.height % position.epochBlocks == 0;
    if (isLast != (checkpoint.section.length > 0)) revert BadSection();

    bytes32 signers = _validatorsHash;
    // What it calls is chosen by the owner and cannot write.
    _verifier.verify(signers, head.height, blockHash, certificate);
    position.height = head.height;
    _blockHash = blockHash;
    if (isLast) _handOver(position, head.sectionHash, checkpoint.section, signers);
    return head.stateRoot;
  }

  /// @dev The section of an epoch's last block names the validators of the next.
  function _handOver(Position memory position, bytes32 sectionHash, bytes calldata section, bytes32 signers) private {
    if (keccak256(section) != sectionHash) revert BadSection();
    (uint64 epoch, bytes32 own, bytes32 next) = Blocks.readSection(section);
    if (epoch != position.epoch || own != signers) revert BadSection();
    position.epoch++;
    if (next != signers) _validatorsHash = next;
    emit ValidatorsHandedOver(position.epoch, next);
  }

  function latest() external view returns (Settled memory settled) {
    Position memory position = _position;
    return Settled({
      seq: position.seq,
      height: position.height,
      epoch: position.epoch,
      accumulator: _accumulator,
      blockHash: _blockHash,
      stateRoot: _stateRoots[position.seq % ROOTS_KEPT],
      validatorsHash: _validatorsHash
    });
  }

  function stateRootOf(uint64 seq) external view returns (bytes32 stateRoot) {
    uint64 newest = _position.seq;
    if (seq > newest || newest - seq >= ROOTS_KEPT) revert NoSuchCheckpoint(seq);
    return _stateRoots[seq % ROOTS_KEPT];
  }

  function isPoster(address account) external view returns (bool allowed) {
    return _posters[account];
  }

  function verifier() external view returns (address current) {
    return address(_verifier);
  }

  function genesisHash() external view returns (bytes32 blockHash) {
    return _genesisHash;
  }

  function epochBlocks() external view returns (uint64 count) {
    return _position.epochBlocks;
  }

  function setPoster(address poster, bool allowed) external onlyOwner {
    _setPoster(poster, allowed);
  }

  function setVerifier(address next) external onlyOwner {
    _setVerifier(next);
  }

  function _setPoster(address poster, bool allowed) private {
    _posters[poster] = allowed;
    emit PosterSet(poster, allowed);
  }

  function _setVerifier(address next) private {
    if (next.code.length == 0) revert NoVerifier();
    _verifier = ICheckpointVerifier(next);
    emit VerifierSet(next);
  }
}
