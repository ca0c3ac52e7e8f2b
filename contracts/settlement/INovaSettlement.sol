// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title NovaChain's batches and checkpoints on another chain.
/// @notice A batch is the blocks from the one after the last checkpoint to the checkpoint that comes with it. Its bytes are in the
///   transaction that posts it and nowhere else; this contract knows their hash. A certificate vouches for the block, not for these
///   bytes, so posters are named by the owner; and where the bytes are no batch all the same, anybody may supply others that make the
///   certified block. How to rebuild the chain: logs `BatchPosted` in order of `seq`; the input of each one's transaction, which is a
///   call of `post` and nothing else; where its batch does not make `blockHash`, the `BatchSupplied` of that `seq` in order, and the
///   first that does.
interface INovaSettlement {
  /// @notice The last block of a batch. Both parts are committed to by the block hash that the certificate is for.
  /// @param header RLP of the header
  /// @param section RLP of the consensus section where the block is the last of an epoch, which names the next validators; else empty
  struct Checkpoint {
    bytes header;
    bytes section;
  }
  /// @notice The newest checkpoint.
  /// @param seq of its batch; batches count from 1, and 0 is genesis
  /// @param validatorsHash of the set that signs the next checkpoint
  /// @param epoch of that set
  struct Settled {
    uint64 seq;
    uint64 height;
    uint64 epoch;
    bytes32 accumulator;
    bytes32 blockHash;
    bytes32 stateRoot;
    bytes32 validatorsHash;
  }

  /// @param dataHash keccak256 of the batch
  /// @param accumulator keccak256(abi.encode(previous accumulator, seq, dataHash, blockHash)); that of genesis is 0
  event BatchPosted(
    uint64 indexed seq,
    uint64 indexed height,
    bytes32 indexed blockHash,
    bytes32 dataHash,
    bytes32 accumulator,
    bytes32 stateRoot
  );
  event BatchSupplied(uint64 indexed seq, bytes32 dataHash);
  /// @notice The last block of an epoch was settled. `epoch` is the one that begins.
  event ValidatorsHandedOver(uint64 indexed epoch, bytes32 validatorsHash);
  event PosterSet(address indexed poster, bool allowed);
  event VerifierSet(address verifier);

  error NotPoster(address caller);
  /// @notice Batches are posted and supplied by a transaction of an account without code to this contract: its input is where they are found.
  error NotDirect();
  error WrongSequence(uint64 given, uint64 expected);
  error WrongAccumulator(bytes32 given, bytes32 expected);
  error EmptyBatch();
  /// @notice Not the header of a block of NovaChain.
  error BadHeader();
  /// @notice Not the section that the header commits to, one that names no next validators, or one that is not asked for.
  error BadSection();
  /// @notice At or below the newest checkpoint: it repeats or forks a height.
  error HeightNotAfter(uint64 given, uint64 current);
  /// @notice Beyond the last block of the epoch whose validators are known: it skips a hand-over.
  error WrongEpoch(uint64 given, uint64 expected);
  /// @notice The next block, but of another parent than the newest checkpoint: a fork.
  error WrongParent(bytes32 given, bytes32 expected);
  /// @notice Not posted yet, or of a batch so old that its root is forgotten.
  error NoSuchCheckpoint(uint64 seq);
  error NoVerifier();

  /// @notice Posts a batch and its checkpoint. Either all of it happens, or it reverts: a call that is sent again can never post twice.
  /// @param seq one above that of the newest checkpoint
  /// @param previousAccumulator that of the newest checkpoint
  /// @param certificate as the verifier reads it
  function post(
    uint64 seq,
    bytes32 previousAccumulator,
    bytes calldata batch,
    Checkpoint calldata checkpoint,
    bytes calldata certificate
  ) external;

  /// @notice Publishes bytes again for a batch that was posted, where those posted with it make other blocks or none. By anybody: which
  /// bytes are right is decided by the block hash that they make.
  function supply(uint64 seq, bytes calldata batch) external;

  function latest() external view returns (Settled memory settled);

  /// @notice State root of a checkpoint, of the newest 64; 0 is genesis.
  function stateRootOf(uint64 seq) external view returns (bytes32 stateRoot);

  function isPoster(address account) external view returns (bool allowed);

  function verifier() external view returns (address current);

  function genesisHash() external view returns (bytes32 blockHash);

  /// @notice Blocks of an epoch: epoch e has the heights e * epochBlocks + 1 to (e + 1) * epochBlocks.
  function epochBlocks() external view returns (uint64 count);

  /// @notice By the owner.
  function setPoster(address poster, bool allowed) external;

  /// @notice By the owner.
  function setVerifier(address next) external;
}
