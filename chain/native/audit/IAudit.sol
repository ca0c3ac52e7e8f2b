// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title VM states and the audit trail. Address 0x0000000000000000000000000000000000000840.
/// @notice A record is the 32-byte digest of content that lies elsewhere (IPFS) and its multicodec; nothing here edits or deletes one.
/// An id (of a VM, a tenant, whatever is audited) belongs to whoever writes first under it, who may hand it on and let others
/// write. An id that is an address, four bytes 0xff and a number of eight bytes belongs to that address from the beginning: nobody
/// who sees a transaction on its way can take it. Every storage slot is where solc would put it, so that a proof of one shows a record.
interface IAudit {
  struct VmRecord {
    bytes32 vmId;
    bytes32 contentDigest;
    uint24 codec;
    uint32 sequence;
  }
  struct VmState {
    address owner;
    bytes32 contentDigest;
    uint24 codec;
    uint32 sequence;
    /// @notice Second of the block that recorded it.
    uint40 recordedAt;
  }
  struct PastState {
    uint32 sequence;
    bytes32 contentDigest;
    uint24 codec;
  }
  struct Entry {
    bytes32 kind;
    bytes32 contentDigest;
    address author;
    uint40 recordedAt;
  }

  event VmStateRecorded(
    bytes32 indexed vmId, uint32 indexed sequence, address indexed writer, bytes32 contentDigest, uint24 codec
  );
  /// @notice `head` is keccak256(abi.encode(previous head, subject, index, kind, contentDigest, author, recordedAt)); the first has 0 before it.
  event Audited(
    bytes32 indexed subject,
    bytes32 indexed kind,
    address indexed author,
    uint64 index,
    bytes32 contentDigest,
    uint40 recordedAt,
    bytes32 head
  );
  /// @notice `previous` is zero when an id is first written.
  event OwnerChanged(bytes32 indexed id, address indexed previous, address indexed current);
  event WriterSet(bytes32 indexed id, address indexed owner, address indexed writer, bool allowed);
  event WriterForAllSet(address indexed owner, address indexed writer, bool allowed);

  /// @notice Neither the owner of the id nor allowed to write by it.
  error NotWriter(bytes32 id, address caller);
  error NotOwner(bytes32 id, address caller);
  /// @notice The id names the one address that may write first.
  error ReservedId(bytes32 id, address owner);
  error NoSuchVm(bytes32 vmId);
  error NoSuchEntry(bytes32 subject, uint64 index);
  /// @notice States are counted from 1 without gaps: one that was recorded, or one that was left out, is seen at once.
  error WrongSequence(bytes32 vmId, uint32 given, uint32 expected);
  /// @notice A digest of zero bytes is no content's.
  error NoDigest(bytes32 id);
  error BadCount(uint256 given, uint256 maximum);
  error NoAccount();

  /// @notice Records the state of a VM as its next one.
  /// @param contentDigest digest of the content's multihash (sha2-256)
  /// @param codec multicodec of the content: 0x55 raw, 0x70 dag-pb; none is longer than three bytes
  /// @param sequence 1 for the first state, then one more each time
  function recordVmState(bytes32 vmId, bytes32 contentDigest, uint24 codec, uint32 sequence) external;

  /// @notice The same for 1 to 100 records in their order; all or none.
  function recordVmStates(VmRecord[] calldata records) external;

  /// @notice Appends to the hash chain of a subject.
  /// @param kind what happened, as short text or a hash
  /// @return index of the entry, from 0
  /// @return newHead of the chain
  function audit(bytes32 subject, bytes32 kind, bytes32 contentDigest) external returns (uint64 index, bytes32 newHead);

  /// @notice Gives an id to another account; writers whom the caller let in do not go with it. By its owner alone.
  function handOver(bytes32 id, address to) external;

  /// @notice Lets an account write under one id, or no longer. By its owner alone.
  function setWriter(bytes32 id, address writer, bool allowed) external;

  /// @notice Lets an account write under every id that the caller owns and will own, or no longer.
  function setWriterForAll(address writer, bool allowed) external;

  /// @notice The newest state.
  function stateOf(bytes32 vmId) external view returns (VmState memory state);

  /// @notice At most 100 states in their order, from sequence `from` on (0 is 1); fewer where there are no more.
  function history(bytes32 vmId, uint32 from, uint256 n) external view returns (PastState[] memory states);

  /// @notice Whether a digest is that of the newest state.
  function verify(bytes32 vmId, bytes32 contentDigest) external view returns (bool isCurrent);

  /// @notice The newest hash of a subject's chain; 0 where it has no entry.
  function head(bytes32 subject) external view returns (bytes32 newest);

  function count(bytes32 subject) external view returns (uint64 entries);

  function entryAt(bytes32 subject, uint64 index) external view returns (Entry memory entry);

  /// @notice Zero where nobody has written under the id.
  function ownerOf(bytes32 id) external view returns (address owner);

  /// @notice Whether an account could write under an id now.
  function mayWrite(bytes32 id, address account) external view returns (bool allowed);
}
