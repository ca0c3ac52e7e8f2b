// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Decentralised identifiers, issuers, persons and credential status. Address 0x0000000000000000000000000000000000000810.
/// @notice Every address has a DID, did:novacron:<network>:0x<address in lower case>, without asking anybody: until it is changed its
/// only key is the address itself, and the address controls it. The controller, one address, changes it; each change makes a version, and
/// every version stays readable for ever. Times are seconds, keys and services are found by the fragments of their DID URLs. The
/// document is made of these reads by the method specification, contracts/did-method.md.
/// @dev The functions that end in Signed do the same for whoever brings the controller's EIP-712 signature (r, s, v; 65 bytes, low s) over
/// a struct of the function's name without Signed, in capitals: its arguments in their order, then `uint32 nonce` and `uint64 deadline`.
/// The nonce is the version that the change replaces, so that a signature counts once, and only for the document that was signed for. The
/// domain is what eip712Domain answers. A controller that is a contract calls by itself.
interface IDid {
  /// @notice Encodings: Secp256k1 and P256 33 bytes compressed (SEC 1), Ed25519 32 bytes (RFC 8032), BLS12-381 48 and 96 bytes
  /// compressed, BabyJubJub x and y of ERC-2494 in 32 bytes each, big-endian. Each must be a point of its prime-order group, and not zero.
  enum KeyType { None, Secp256k1, Ed25519, P256, Bls12381G1, Bls12381G2, BabyJubJub }

  /// @notice What a list says of a credential. A revocation is for ever, a suspension is not.
  enum StatusPurpose { None, Revocation, Suspension }

  struct Key {
    string id;
    KeyType keyType;
    /// @notice 1 authentication, 2 assertionMethod, 4 keyAgreement, 8 capabilityInvocation, 16 capabilityDelegation, added up.
    uint8 purposes;
    /// @notice First second in which it counts no more; 0 where it has no end.
    uint64 validUntil;
    bytes publicKey;
  }

  struct Service {
    string id;
    string serviceType;
    string endpoint;
  }

  struct Document {
    /// @notice Whom it belonged to in this version; zero where it was deactivated.
    address controller;
    /// @notice This version and the newest; both 0 for a DID that was never changed.
    uint32 version;
    uint32 latest;
    /// @notice Block and time of the change that made this version, and time of the first change; 0 in version 0.
    uint32 blockNumber;
    uint64 updated;
    uint64 created;
    /// @notice Time of the change that ended this version; 0 where it is the newest.
    uint64 nextUpdate;
    /// @notice It is deactivated now, whichever version this is.
    bool deactivated;
    Key[] keys;
    Service[] services;
  }

  struct Issuer {
    address account;
    /// @notice 1 credentials, 2 persons, added up; 0 where it is none, or no more.
    uint8 roles;
    uint64 since;
    string name;
  }

  struct StatusList {
    address issuer;
    StatusPurpose purpose;
    /// @notice How many indices it has.
    uint32 size;
  }

  struct Anchor {
    /// @notice SHA-256 of the segment's 16,384 bytes, or of those that the list's size leaves it; index 0 of it is the highest bit of the
    /// first byte. Zero where nothing is anchored.
    bytes32 digest;
    /// @notice First index of the segment, and how many it has.
    uint32 from;
    uint32 count;
    /// @notice How often the segment was anchored, and when it was last.
    uint32 version;
    uint64 updated;
    /// @notice Where the list is published.
    string uri;
  }

  /// @notice What contracts/circuits/credential.circom states of a credential that nobody sees. Its public signals, in its order.
  struct Statement {
    /// @notice Poseidon(secret, context): one for each holder in each context.
    uint256 nullifier;
    /// @notice Of the tree of keys that may have signed, and of the status list that the credential is not set in.
    uint256 issuersRoot;
    uint256 statusRoot;
    uint256 schema;
    /// @notice Which of eight claims is at least how much.
    uint256 claimIndex;
    uint256 threshold;
    /// @notice Second in which the credential has not expired: `now` in the circuit.
    uint256 time;
    uint256 context;
  }

  struct PointG1 { uint256 x; uint256 y; }
  struct PointG2 { uint256 xImaginary; uint256 xReal; uint256 yImaginary; uint256 yReal; }
  /// @notice Groth16 on BN254, encoded as EIP-197 has it.
  struct Proof {
    PointG1 a;
    PointG2 b;
    PointG1 c;
  }

  event ControllerChanged(address indexed identity, address indexed controller, uint32 version);
  event KeySet(
    address indexed identity,
    string id,
    KeyType keyType,
    bytes publicKey,
    uint8 purposes,
    uint64 validUntil,
    uint32 version
  );
  event KeyRevoked(address indexed identity, string id, uint32 version);
  event ServiceSet(address indexed identity, string id, string serviceType, string endpoint, uint32 version);
  event ServiceRevoked(address indexed identity, string id, uint32 version);
  event Deactivated(address indexed identity, uint32 version);
  event PersonBound(address indexed identity, bytes32 indexed person, address indexed issuer, uint64 validUntil);
  event PersonUnbound(address indexed identity, bytes32 indexed person, address indexed by);
  /// @notice Roles 0: it is no issuer any more.
  event IssuerSet(address indexed issuer, uint8 roles, string name);
  event StatusListCreated(uint256 indexed listId, address indexed issuer, StatusPurpose purpose, uint32 size);
  event StatusSet(uint256 indexed listId, uint32 indexed index, bool value);
  event StatusListAnchored(uint256 indexed listId, uint32 indexed from, uint32 count, bytes32 digest, uint32 version, string uri);

  event ProofRootsAnchored(uint256 indexed listId, uint256 issuersRoot, uint256 statusRoot);
  event ProofPresented(
    uint256 indexed context,
    uint256 indexed nullifier,
    address indexed by,
    uint256 listId,
    uint256 schema,
    uint256 claimIndex,
    uint256 threshold,
    uint256 time
  );

  error NotController(address identity, address given, address controller);
  /// @notice It was deactivated, which is final.
  error DidDeactivated(address identity);
  error VersionUnknown(address identity, uint32 version, uint32 latest);
  error ZeroAddress();
  /// @notice An id is 1 to 31 of A-Z a-z 0-9 . _ - and unique in its document; `controller` is taken.
  error BadId(string id);
  error BadPublicKey(KeyType keyType, string reason);
  /// @notice Not a sum of purposes that a key of this type can serve.
  error BadPurposes(KeyType keyType, uint8 purposes);
  /// @notice A time that has passed already, or is after the year 9999.
  error BadValidUntil(uint64 given, uint64 time);
  error BadService(string reason);
  error KeyUnknown(address identity, string id);
  error ServiceUnknown(address identity, string id);
  /// @notice So many keys, or services, a document may have at a time.
  error TooMany(uint256 maximum);
  /// @notice So many keys, or services, a DID may ever have.
  error HistoryFull(uint256 maximum);
  error BadSignature();
  error SignatureExpired(uint64 deadline, uint64 time);
  error NotGovernance(address caller);
  error NotIssuer(address account, uint8 role);
  error BadIssuer(string reason);
  /// @notice The person is bound to another identity, or the identity to another person.
  error PersonTaken(bytes32 person, address identity);
  error NotBound(address identity);
  error BadPerson(bytes32 person);
  error ListUnknown(uint256 listId);
  error BadList(string reason);
  error IndexOutside(uint256 listId, uint32 index, uint32 size);
  /// @notice A revocation is for ever.
  error RevocationIsFinal(uint256 listId, uint32 index);
  /// @notice This network's genesis pins no verifying key.
  error NoVerifyingKey();
  /// @notice The statement is not about the roots that count now; zeros where none were anchored.
  error OtherRoots(uint256 listId, uint256 issuersRoot, uint256 statusRoot);
  /// @notice Its time is more than 600 seconds ago.
  error StatementTooOld(uint256 given, uint256 time);
  error NullifierUsed(uint256 context, uint256 nullifier);
  error ProofInvalid();

  /// @notice Gives `identity` to another controller, which alone changes it from now on. Only by the controller, as all that follows.
  function setController(address identity, address controller) external;

  /// @notice Adds a key, or replaces the one of this id. At most 16 at a time.
  function setKey(
    address identity,
    string calldata id,
    KeyType keyType,
    bytes calldata publicKey,
    uint8 purposes,
    uint64 validUntil
  ) external;

  /// @notice Takes a key out of the document. Earlier versions keep it.
  function revokeKey(address identity, string calldata id) external;

  /// @notice Adds a service, or replaces the one of this id. At most 16 at a time.
  /// @param serviceType 1 to 64 printable ASCII characters
  /// @param endpoint a URI (RFC 3986) of at most 256 bytes
  function setService(address identity, string calldata id, string calldata serviceType, string calldata endpoint) external;

  function revokeService(address identity, string calldata id) external;

  /// @notice For ever: no key, no service, no controller. Earlier versions stay readable.
  function deactivate(address identity) external;

  function setControllerSigned(address identity, address controller, uint64 deadline, bytes calldata signature) external;

  function setKeySigned(
    address identity,
    string calldata id,
    KeyType keyType,
    bytes calldata publicKey,
    uint8 purposes,
    uint64 validUntil,
    uint64 deadline,
    bytes calldata signature
  ) external;

  function revokeKeySigned(address identity, string calldata id, uint64 deadline, bytes calldata signature) external;

  function setServiceSigned(
    address identity,
    string calldata id,
    string calldata serviceType,
    string calldata endpoint,
    uint64 deadline,
    bytes calldata signature
  ) external;

  function revokeServiceSigned(address identity, string calldata id, uint64 deadline, bytes calldata signature) external;

  function deactivateSigned(address identity, uint64 deadline, bytes calldata signature) external;

  /// @notice The network's name in its DIDs.
  function network() external view returns (string memory name);

  /// @notice The DID of an address, as text.
  function didOf(address identity) external view returns (string memory did);

  /// @notice Zero where the DID is deactivated.
  function controllerOf(address identity) external view returns (address controller);

  /// @notice The newest version, the block and time of it, and the nonce of the next signature; zeros for a DID that was never changed.
  function versionOf(address identity)
    external
    view
    returns (uint32 version, uint32 blockNumber, uint64 updated, bool deactivated);

  /// @notice The version that was in force at the end of second `time`; 0 before the first change.
  function versionAt(address identity, uint64 time) external view returns (uint32 version);

  /// @notice What the document of a version is made of; type(uint32).max stands for the newest.
  function documentOf(address identity, uint32 version) external view returns (Document memory document);

  /// @notice EIP-5267.
  function eip712Domain()
    external
    view
    returns (
      bytes1 fields,
      string memory name,
      string memory version,
      uint256 chainId,
      address verifyingContract,
      bytes32 salt,
      uint256[] memory extensions
    );

  /// @notice Enters an issuer, changes its roles, or with roles 0 removes it. By governance.
  /// @param name at most 64 bytes
  function setIssuer(address issuer, uint8 roles, string calldata name) external;

  function issuerOf(address account) external view returns (Issuer memory issuer);

  /// @notice Issuers in the order in which they were entered, those that were removed included; at most 256 at a time.
  function issuers(uint256 from, uint256 count) external view returns (Issuer[] memory page);

  /// @notice Binds a DID to a person, by its controller and as an issuer of persons attests: one person has one DID, one DID one person.
  /// Whoever counts votes counts `person`, so that who moves to another DID does not vote twice. Again before it ends, it is prolonged.
  /// @param person a pseudonym that the issuer makes from what identifies the person and a secret of its own, the same each time
  /// @param signature the EIP-712 signature of the issuer's controller over Person(address identity,bytes32 person,uint64 validUntil,uint32
  /// nonce,uint64 deadline); the nonce is personNonce of the identity
  function bindPerson(
    address identity,
    bytes32 person,
    uint64 validUntil,
    address issuer,
    uint64 deadline,
    bytes calldata signature
  ) external;

  /// @notice Ends the binding. By the DID's controller, or that of the issuer that attested it. So does another controller of the DID:
  /// who gives it away does not give a vote away.
  function unbindPerson(address identity) external;

  /// @notice Who is behind a DID now: zeros where nobody is bound, the binding has ended, the DID is deactivated, or the issuer no longer is one.
  function personOf(address identity)
    external
    view
    returns (bytes32 person, address issuer, uint64 since, uint64 validUntil);

  /// @notice The DID a person is bound to now; zero where to none.
  function identityOf(bytes32 person) external view returns (address identity);

  function personNonce(address identity) external view returns (uint32 nonce);

  /// @notice A list of `size` status bits, all unset, that the controller of the DID `issuer` sets. It names the list in its credentials.
  /// @param size from 131,072, so that an index says little, to 1,048,576; a multiple of 8
  function createStatusList(address issuer, StatusPurpose purpose, uint32 size) external returns (uint256 listId);

  /// @notice Sets a status in state, where contracts read it and proofs reach it. Unset again only where the list is of suspensions.
  function setStatus(uint256 listId, uint32 index, bool value) external;

  /// @notice Publishes a segment of the list that is kept elsewhere, by its digest. Whoever fetches it can tell that it is the newest.
  /// @param segment of 131,072 indices each, counted from 0
  /// @param uri at most 256 bytes, may be empty
  function anchorStatusList(uint256 listId, uint32 segment, bytes32 digest, string calldata uri) external;

  /// @notice Whether the bit is set in state. An anchored segment may have set it too: see anchorOf.
  function statusOf(uint256 listId, uint32 index) external view returns (bool value);

  /// @notice Bits of the list in state, 256 in a word, index 0 of a word its highest bit; at most 512 words at a time.
  function statusWords(uint256 listId, uint32 fromWord, uint32 count) external view returns (bytes32[] memory words);

  function statusList(uint256 listId) external view returns (StatusList memory list);

  /// @notice What is anchored for the segment that an index is in.
  function anchorOf(uint256 listId, uint32 index) external view returns (Anchor memory anchor);

  function statusListCount() external view returns (uint256 count);

  /// @notice Says which statements in zero knowledge count that are about credentials of this list: who may have signed them, and the list
  /// as it is now. By the controller of the list's issuer, anew with each revocation: the chain cannot compute the roots from a list.
  /// @param issuersRoot Poseidon root of 2^10 leaves Poseidon(x, y), the issuer's BabyJubJub key alone or among others
  /// @param statusRoot Poseidon root of 2^13 words of 128 status bits
  function anchorProofRoots(uint256 listId, uint256 issuersRoot, uint256 statusRoot) external;

  /// @notice Zeros where none were anchored.
  function proofRoots(uint256 listId) external view returns (uint256 issuersRoot, uint256 statusRoot);

  /// @notice Whether the proof holds under the network's key, and nothing else: whose roots these are, what time it is and which nullifiers
  /// were seen is for the caller to judge. False for whatever is malformed, as the exported Solidity verifier answers.
  function verifyProof(Statement calldata statement, Proof calldata proof) external view returns (bool holds);

  /// @notice Keeps the statement's nullifier for its context, once. The list's issuer must be one of credentials, the roots those it
  /// anchored last, the time at most 600 seconds ago. The statement names no account: who sees the proof first can bring it first, so
  /// a contract that gives something for it keeps nullifiers of its own (verifyProof) in a context of its own.
  function presentProof(uint256 listId, Statement calldata statement, Proof calldata proof) external;

  /// @notice Who presented it and when; zeros where nobody did.
  function presentationOf(uint256 context, uint256 nullifier) external view returns (address by, uint64 time);

  /// @notice keccak256 of the key that the genesis pins, as 28 words: alpha, beta, delta, and a point for 1 and each signal, as EIP-197
  /// encodes them. Zero where there is none.
  function verifyingKeyHash() external view returns (bytes32 hash);
}
