// What the modules refuse, in words: the table of their custom errors, each with its values and what to do about it.
import { type Address, bytesToHex } from '../chain/base/bytes.ts'
import type { abi as did } from '../chain/native/did/abi.ts'
import type { Named } from '../chain/native/kit/abi.ts'
import type { abi as params } from '../chain/native/params/abi.ts'
import type { abi as slashing } from '../chain/native/slashing/abi.ts'
import type { abi as staking } from '../chain/native/staking/abi.ts'
import { nova, percent, time } from './amounts.ts'

/** Where two modules have an error of one name it is the same one. */
type Errors = typeof staking.errors & typeof slashing.errors & typeof did.errors & typeof params.errors
export type Refusals = { readonly [E in keyof Errors]: (values: Named<Errors[E]['inputs']>) => string }

const of = (address: Address): string => bytesToHex(address)

export const refusals: Refusals = {
  NotValidator: ({ operator }) =>
    `${of(operator)} is no validator: \`novachain validators list\` shows those there are; \`validators join\` makes one`,
  AlreadyValidator: ({ operator }) =>
    `${of(operator)} is or was a validator, and an address is one only once: join with another account`,
  KeyUsed: ({ blsKey }) =>
    `the key ${bytesToHex(blsKey)} is or was a validator’s, and a key is used only once: make another with \`novachain keys new\``,
  PeerUsed: ({ peerIdDigest }) =>
    `the node (peer id digest ${bytesToHex(peerIdDigest)}) is or was another validator’s: delete its p2p.key, restart it, and try again with its new peer id`,
  BadKey: ({ reason }) => `the BLS key is refused: ${reason}; make one with \`novachain keys new\``,
  BadProofOfPossession: () =>
    'the proof of possession is not by this BLS key for this account and network: `novachain validators join` and `rotate-key` make the right one',
  BelowMinimum: ({ given, minimum }) => `${nova(given)} is below the least, ${nova(minimum)}`,
  CommissionTooHigh: ({ given, maximum }) =>
    `a commission of ${percent(given)} is above the most, ${percent(maximum)}: choose a lower one`,
  CommissionStep: ({ given, present, step }) =>
    `the commission is ${percent(present)} and moves by at most ${percent(step)} an epoch, so not to ${percent(given)} at once`,
  CommissionChangedAlready: ({ epoch }) =>
    `the commission was changed in epoch ${epoch} already: try again in the next one`,
  MonikerTooLong: ({ given, maximum }) => `the moniker has ${given} bytes, at most ${maximum}: choose a shorter one`,
  AttestationTooOld: ({ height, oldest }) =>
    `the attestation names block ${height}, and only those from ${oldest} on count: try again at once`,
  AttestationWrongBlock: ({ height, given }) =>
    `block ${height} of this chain is not ${bytesToHex(given)}: the node that attested follows another chain; see its log`,
  AttestationBadSignature: () =>
    'the attestation is not signed by the key that waits to sign for this validator: check validator.keyFile and validator.nextKeyFile',
  AlreadyReady: ({ operator }) => `${of(operator)} is ready already; nothing is left to do`,
  Jailed: ({ operator }) =>
    `${of(operator)} is jailed: when its time is over, \`novachain validators unjail\` brings it back`,
  Tombstoned: ({ operator }) =>
    `${of(operator)} signed twice and never signs again; what is still bonded can be undelegated and withdrawn`,
  Exited: ({ operator }) => `${of(operator)} has left for good: choose another validator, or join with another account`,
  LastQuorum: ({ remaining, total }) =>
    `refused: of the present validators’ power ${total} only ${remaining} would go on, which is no quorum; at most a third leaves in one epoch: try again in the next one`,
  InsufficientBond: ({ given, bonded }) => `${nova(given)} is more than what is bonded, ${nova(bonded)}`,
  ZeroAmount: () => 'the amount is zero, or less than one share is worth',
  NothingLeft: ({ validator }) => `all stake of ${of(validator)} was slashed, and nothing can be delegated to it`,
  TooManyUnbondings: ({ validator, maximum }) =>
    `${maximum} amounts are unbonding from ${of(validator)} already, which is the most: withdraw those that matured, or wait`,
  TooManyValidators: ({ maximum }) =>
    `amounts of ${maximum} validators are unbonding already, which is the most: withdraw those that matured, or wait`,
  StakeTooHigh: ({ validator, maximum }) =>
    `${of(validator)} would hold more than ${nova(maximum)}, the most a validator may: delegate less, or to another`,
  NothingMatured: ({ next }) =>
    next === 0n
      ? 'nothing is unbonding'
      : `nothing has matured yet: the next amount can be withdrawn from ${time(next)}`,
  SameValidator: ({ validator }) => `both validators are ${of(validator)}`,
  RedelegationHop: ({ validator, matures }) =>
    `what came to ${of(validator)} by redelegation moves on only from ${time(matures)}; undelegating is possible`,
  RedelegationPending: ({ validator, matures }) =>
    `an earlier redelegation to ${of(validator)} is liable until ${time(matures)}; one at a time`,
  NothingToClaim: () => 'no rewards yet: they come at the end of each epoch',
  NoPenalty: ({ delegator, validator }) => `the delegation of ${of(delegator)} to ${of(validator)} owes no penalty`,
  EpochUnknown: ({ epoch }) => `the validators of epoch ${epoch} are not known: not elected yet, or no longer kept`,
  EvidenceMalformed: ({ reason }) => `this is no evidence: ${reason}`,
  EvidenceForged: ({ reason }) => `this evidence proves nothing: ${reason}`,
  EvidenceTooOld: ({ height, electedAt, oldest }) =>
    `the offence at height ${height} is of an epoch that began at ${time(electedAt)}, and only those from ${time(oldest)} on are punished`,
  EvidenceUnknown: ({ reason }) => `this evidence cannot be judged: ${reason}`,
  AlreadyPunished: () => 'everybody whom this evidence convicts was punished before',
  NotJailed: ({ operator }) => `${of(operator)} is not jailed`,
  NotController: ({ identity, given, controller }) =>
    `${of(given)} does not control the DID of ${of(identity)}: ${of(controller)} does; a signature may also be for another change, version or network`,
  DidDeactivated: ({ identity }) => `the DID of ${of(identity)} is deactivated, which is final: use another account’s`,
  VersionUnknown: ({ identity, version, latest }) =>
    `the DID of ${of(identity)} has no version ${version}: the newest is ${latest}`,
  ZeroAddress: () => 'nobody cannot be the controller; to end a DID, deactivate it',
  BadId: ({ id }) =>
    `the id ${id} is taken, or none: 1 to 31 of letters, digits, dot, underscore and hyphen, unique among keys and services`,
  BadPublicKey: ({ keyType, reason }) => `this is no public key of type ${keyType}: ${reason}`,
  BadPurposes: ({ keyType, purposes }) => `a key of type ${keyType} cannot serve the purposes ${purposes}`,
  BadValidUntil: ({ given, time: now }) =>
    `the end ${given} is not after ${time(now)}, the time of the block, or too far`,
  BadService: ({ reason }) => `the service is refused: ${reason}`,
  KeyUnknown: ({ identity, id }) => `the DID of ${of(identity)} has no key ${id}`,
  ServiceUnknown: ({ identity, id }) => `the DID of ${of(identity)} has no service ${id}`,
  TooMany: ({ maximum }) => `a document has at most ${maximum} of these: revoke one first`,
  HistoryFull: ({ maximum }) =>
    `this DID has had ${maximum} of these, the most it may ever have: use another account’s`,
  BadSignature: () => 'the signature is none: 65 bytes, r, s and v, with s in its lower half',
  SignatureExpired: ({ deadline, time: now }) =>
    `the signature counted until ${time(deadline)}, and the block’s time is ${time(now)}: sign again`,
  NotGovernance: ({ caller }) => `${of(caller)} is not governance, which alone may do this`,
  NotIssuer: ({ account, role }) => `${of(account)} is no issuer with role ${role}`,
  BadIssuer: ({ reason }) => `the issuer is refused: ${reason}`,
  PersonTaken: ({ person, identity }) => `the person ${bytesToHex(person)} is bound to the DID of ${of(identity)}`,
  NotBound: ({ identity }) => `nobody is bound to the DID of ${of(identity)}`,
  BadPerson: ({ person }) => `${bytesToHex(person)} is no person`,
  ListUnknown: ({ listId }) => `there is no status list ${listId}`,
  BadList: ({ reason }) => `the status list is refused: ${reason}`,
  IndexOutside: ({ listId, index, size }) => `status list ${listId} has indices below ${size}, and ${index} is none`,
  RevocationIsFinal: ({ listId, index }) => `index ${index} of list ${listId} is revoked, which is final`,
  NoVerifyingKey: () => 'this network pins no key by which statements in zero knowledge are verified',
  OtherRoots: ({ listId }) => `the statement is not about the roots that the issuer of list ${listId} anchored last`,
  StatementTooOld: ({ given, time: now }) => `the statement is of ${time(given)} and it is ${time(now)}: state it anew`,
  NullifierUsed: ({ context }) => `this holder was here before, in context ${context}`,
  ProofInvalid: () => 'the proof does not hold for what is stated',
  UnknownName: ({ name }) => `there is no number ${name}, or no release of today’s rules knows it`,
  OutOfBounds: ({ name, given, minimum, maximum }) =>
    `${name} cannot be ${given}: it lies between ${minimum} and ${maximum}`,
  NotProposed: ({ caller }) => `${of(caller)} was not proposed as governance: the present one proposes it first`,
  NotGuardian: ({ caller }) => `${of(caller)} is neither the guardian nor governance, which alone may pause`,
  UnknownScope: ({ scope }) => `there is nothing called ${scope} to be paused`,
  NotPaused: ({ scope }) => `${scope} is not paused`,
  BadDuration: ({ given, maximum }) => `a pause lasts from 1 to ${maximum} seconds, not ${given}`,
  CoolingDown: ({ scope, from }) => `${scope} was paused lately: the guardian may pause it again from ${time(from)} on`,
  ReasonTooLong: ({ given, maximum }) => `the reason has ${given} bytes, at most ${maximum}: say it shorter`,
  BadForkName: ({ name }) =>
    `${JSON.stringify(name)} is no fork’s name: 1 to 31 letters of lower case, digits, hyphens and points, a letter first`,
  BadForkEpoch: ({ name, given, minimum, maximum }) =>
    `the fork ${name} cannot begin with epoch ${given}: nodes need one whole epoch to notice, so ${minimum} is the first that can be named (and ${maximum} the last)`,
  BadVersion: ({ version }) => `${JSON.stringify(version)} is no version: 1 to 31 visible letters without blanks`,
  ForkExists: ({ name, epoch }) =>
    `the fork ${name} is there already, from epoch ${epoch} on: to move one that does not hold yet, cancel it first`,
  NoSuchFork: ({ name }) => `no fork ${name} is scheduled: \`novachain upgrade status\` shows those that are`,
  ForkHolds: ({ name, epoch }) => `the fork ${name} has held since epoch ${epoch}: what blocks were made by stays`,
  TooManyForks: ({ maximum }) => `this network has had ${maximum} forks, the most it may have`,
  UnknownList: ({ list }) => `there is no list ${list}: senders, deployers, validators or peers`,
  BadMode: ({ given }) => `${given} is no mode of a list: 0 is off, 1 an allow list, 2 a block list`,
  BadMember: ({ list, member }) =>
    `${bytesToHex(member)} is no member for ${list}: an address has 20 bytes, a peer the text of its id`,
  EmptyList: ({ list }) => `an allow list of ${list} without members would let nobody in: add some, or turn it off`,
  ListFull: ({ list, maximum }) => `the list ${list} has ${maximum} members, the most it may have`,
  NotPermitted: ({ operator }) => `${of(operator)} may not validate on this network: its governance keeps the list`,
  LengthMismatch: ({ names, values }) => `${names} names and ${values} values: a value for each name`,
  StillJailed: ({ operator, until }) => `${of(operator)} is jailed until ${time(until)}: try again then`,
}
