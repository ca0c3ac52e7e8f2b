// Votes and certificates: payload bytes, sign bytes, quorum and timeout certificates, how they are made and checked. Owns no
// state. Payloads are fixed width and never RLP, where "none" and "round 0" would be the same bytes.
import { type Address, asHash, bytesToHex, concat, type Hash, type Hex } from '../base/bytes.ts'
import { type BlsJob, curves, keccak } from '../base/crypto.ts'
import { assert, defineErrors, NodeError } from '../base/errors.ts'
import { asBytes, asList, asNumber, decodeSparseRlp, encodeRlp, rlpInt } from '../base/rlp.ts'
import { isQuorum, type Validator, type ValidatorSet } from './validators.ts'

export const VoteErrors = defineErrors('VOTE', {
  CERTIFICATE: { text: (d: { height: number; reason: string }) => `certificate of height ${d.height}: ${d.reason}` },
})

export const SignType = {
  propose: 1,
  prepare: 2,
  commit: 3,
  timeout: 4,
  randao: 5,
  pop: 6,
  peer: 7,
  ready: 8,
  gentx: 9,
  attest: 10,
} as const
export type SignType = (typeof SignType)[keyof typeof SignType]

/** What names the network in every signature. No fork version inside, so that a fork opens no equivocation gap. */
export interface Domain {
  readonly chainId: bigint
  readonly genesisHash: Hash
}
const PREFIX = new TextEncoder().encode('novachain/consensus/1')
const NO_HASH = new Uint8Array(32)

/** The 32 bytes a BLS key signs: keccak(prefix ‖ chainId u64 ‖ genesisHash ‖ type ‖ payload). */
export const signBytes = (domain: Domain, type: SignType, payload: Uint8Array): Hash =>
  keccak(concat(PREFIX, u64(domain.chainId), domain.genesisHash, Uint8Array.of(type), payload))

const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
const u64 = (value: number | bigint): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}
/** Round + 1 fits 32 bits. */
export const ROUND_MAX = 0xfffffffe
/** The other way round; what does not fit 32 bits would sign like another. Throws VOTE_CERTIFICATE. */
export function roundFrom(above: number, height: number): number | null {
  if (above > ROUND_MAX + 1) throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `round ${above - 1}` })
  return above === 0 ? null : above - 1
}
/** Round + 1, 0 for none. */
const optionalRound = (round: number | null): Uint8Array => u32(round === null ? 0 : round + 1)

export const proposePayload = (p: {
  readonly height: number
  readonly round: number
  readonly blockHash: Hash
  readonly justifyRound: number | null
  readonly tcHash: Hash | null
}): Uint8Array => concat(u64(p.height), u32(p.round), p.blockHash, optionalRound(p.justifyRound), p.tcHash ?? NO_HASH)
/** PREPARE and COMMIT: identical bytes for all signers, so they aggregate. */
export const votePayload = (height: number, round: number, blockHash: Hash): Uint8Array =>
  concat(u64(height), u32(round), blockHash)
export const timeoutPayload = (height: number, round: number, hqcRound: number | null): Uint8Array =>
  concat(u64(height), u32(round), optionalRound(hqcRound))
export const randaoPayload = (height: number): Uint8Array => u64(height)
/** "This validator speaks through this peer": the transport's name of it, which nobody else can take. */
export const peerPayload = (peerId: string): Uint8Array => new TextEncoder().encode(peerId)

/** "My node follows the chain and holds this key": a block of the last 100, and for which operator the key shall sign. */
export const readyPayload = (height: number | bigint, blockHash: Hash, operator: Address): Uint8Array =>
  concat(u64(height), blockHash, operator)

/** "The vault of that chain sent this message, and the block is final there". */
export const attestPayload = (chain: bigint, vault: Address, messageId: Hash): Uint8Array =>
  concat(u64(chain), vault, messageId)

/** "This key is for the validator of this account", on a running network: nobody can offer the key of another whose call he has seen. */
export const ownerPayload = (blsKey: Uint8Array, operator: Address): Uint8Array => concat(blsKey, operator)

/** In a genesis a proof of possession names the key alone and no network: the genesis hash depends on it. */
export const possessionBytes = (blsKey: Uint8Array): Hash => keccak(concat(PREFIX, Uint8Array.of(SignType.pop), blsKey))

/** A quorum's votes on one block in one round, as one signature. */
export interface Qc {
  readonly type: 'prepare' | 'commit'
  readonly height: number
  readonly round: number
  readonly blockHash: Hash
  /** In set order, least significant bit first, exactly ceil(n/8) bytes, spare bits zero. */
  readonly bitmap: Uint8Array
  /** 96 bytes. */
  readonly signature: Uint8Array
}

export const encodeQc = (qc: Qc): Uint8Array =>
  encodeRlp([
    rlpInt(qc.type === 'prepare' ? SignType.prepare : SignType.commit),
    rlpInt(qc.height),
    rlpInt(qc.round),
    qc.blockHash,
    qc.bitmap,
    qc.signature,
  ])

/** Shape only; `checkQc` says whether it holds. Throws VOTE_CERTIFICATE or RLP_MALFORMED. */
export function decodeQc(bytes: Uint8Array): Qc {
  const f = asList(decodeSparseRlp(bytes), 6)
  const type = asNumber(f[0])
  const height = asNumber(f[1])
  const round = asNumber(f[2])
  const bitmap = asBytes(f[4])
  if (type !== SignType.prepare && type !== SignType.commit)
    throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `type ${type} is neither PREPARE nor COMMIT` })
  if (round > ROUND_MAX) throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `round ${round}` })
  return {
    type: type === SignType.prepare ? 'prepare' : 'commit',
    height,
    round,
    blockHash: asHash(asBytes(f[3], 32)),
    bitmap,
    signature: asBytes(f[5], 96),
  }
}

/** Set indices of the members, ascending; null where the bitmap does not fit the set. */
export function bitmapMembers(bitmap: Uint8Array, size: number): readonly number[] | null {
  if (bitmap.length !== Math.ceil(size / 8)) return null
  const members: number[] = []
  for (let i = 0; i < bitmap.length * 8; i++) {
    if ((((bitmap[i >> 3] as number) >> (i & 7)) & 1) === 0) continue
    if (i >= size) return null
    members.push(i)
  }
  return members
}

export function bitmapOf(members: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(size / 8))
  for (const i of members) out[i >> 3] = (out[i >> 3] as number) | (1 << (i & 7))
  return out
}

/** Signatures of a message that stand or fall as one, to be verified before anything in it is believed. */
export interface Claim {
  /** The same for the same certificate, which many messages carry; null for a share, which only one does. */
  readonly id: Hex | null
  readonly jobs: readonly BlsJob[]
}
/** One by one, at once. */
export const areVerified = ({ jobs }: Claim): boolean =>
  jobs.every(({ keys, message, signature }) => curves().blsVerify(keys, message, signature))
/** The height is in the signed bytes, so that these name the set that the bitmaps are of. */
const certificateOf = (parts: readonly { readonly job: BlsJob; readonly bitmap: Uint8Array }[]): Claim => ({
  id: bytesToHex(keccak(concat(...parts.flatMap(({ job, bitmap }) => [job.message, bitmap, job.signature])))),
  jobs: parts.map(({ job }) => job),
})

/** What must verify for a quorum of `set` to have signed exactly this: one aggregate. Throws VOTE_CERTIFICATE for its shape. */
export function qcClaim(qc: Qc, set: ValidatorSet, domain: Domain): Claim {
  const fault = (reason: string) => new NodeError(VoteErrors.CERTIFICATE, { height: qc.height, reason })
  const members = bitmapMembers(qc.bitmap, set.members.length)
  if (members === null) throw fault(`the bitmap does not fit ${set.members.length} validators`)
  const power = powerOf(members, set)
  if (!isQuorum(power, set)) throw fault(`power ${power} of ${set.powerTotal} is no quorum`)
  const message = signBytes(domain, SignType[qc.type], votePayload(qc.height, qc.round, qc.blockHash))
  const job = { keys: keysOf(members, set), message, signature: qc.signature }
  return certificateOf([{ job, bitmap: qc.bitmap }])
}

/** Throws VOTE_CERTIFICATE unless a quorum of `set` signed exactly this. */
export function checkQc(qc: Qc, set: ValidatorSet, domain: Domain): void {
  if (!areVerified(qcClaim(qc, set, domain)))
    throw new NodeError(VoteErrors.CERTIFICATE, { height: qc.height, reason: 'the signature does not verify' })
}

export const powerOf = (members: Iterable<number>, set: ValidatorSet): bigint => {
  let power = 0n
  for (const i of members) power += (set.members[i] as Validator).power
  return power
}
const keysOf = (members: readonly number[], set: ValidatorSet): Uint8Array[] =>
  members.map((i) => (set.members[i] as Validator).blsKey)

/** Valid signatures over one message, by index in the set. */
export type Shares = ReadonlyMap<number, Uint8Array>

const aggregateOf = (
  shares: Shares,
  set: ValidatorSet,
): { readonly bitmap: Uint8Array; readonly signature: Uint8Array } => {
  const members = [...shares.keys()].sort((a, b) => a - b)
  const signatures = members.map((i) => shares.get(i) as Uint8Array)
  return { bitmap: bitmapOf(members, set.members.length), signature: curves().blsAggregate(signatures) }
}

export const formQc = (
  vote: Pick<Qc, 'type' | 'height' | 'round' | 'blockHash'>,
  shares: Shares,
  set: ValidatorSet,
): Qc => ({
  type: vote.type,
  height: vote.height,
  round: vote.round,
  blockHash: vote.blockHash,
  ...aggregateOf(shares, set),
})

/** The same certificate with the signatures of those who are not in it yet. */
export function widenQc(qc: Qc, shares: Shares, set: ValidatorSet): Qc {
  const held = bitmapMembers(qc.bitmap, set.members.length)
  assert(held !== null, 'a certificate held was checked')
  const fresh = [...shares.keys()].filter((i) => !held.includes(i)).sort((a, b) => a - b)
  if (fresh.length === 0) return qc
  const signatures = fresh.map((i) => shares.get(i) as Uint8Array)
  return {
    ...qc,
    bitmap: bitmapOf([...held, ...fresh], set.members.length),
    signature: curves().blsAggregate([qc.signature, ...signatures]),
  }
}

/** A vote of one validator, PREPARE or COMMIT; `validator` is its index in the set of the height. */
export interface Vote {
  readonly type: Qc['type']
  readonly height: number
  readonly round: number
  readonly blockHash: Hash
  readonly validator: number
  readonly signature: Uint8Array
}

/** A validator gives up a round and names the round of its highest PrepareQC, which rides along unsigned. */
export interface Timeout {
  readonly height: number
  readonly round: number
  readonly hqcRound: number | null
  /** Of exactly `hqcRound`; null where that is. */
  readonly qc: Qc | null
  readonly validator: number
  readonly signature: Uint8Array
}

/** Timeout certificate: a quorum gave up the round. One group for each distinct hqcRound, ascending, none first. */
export interface Tc {
  readonly height: number
  readonly round: number
  readonly groups: readonly TcGroup[]
  /** The PrepareQC of the last group's hqcRound; null where that is none. */
  readonly qc: Qc | null
}
export interface TcGroup {
  readonly hqcRound: number | null
  readonly bitmap: Uint8Array
  readonly signature: Uint8Array
}

/** What the proposer of a round signs about a block. The body travels beside it. */
export interface Proposal {
  readonly height: number
  readonly round: number
  readonly blockHash: Hash
  readonly justify: Qc | null
  readonly tc: Tc | null
  readonly validator: number
  readonly signature: Uint8Array
}

export function formTc(round: number, timeouts: readonly Timeout[], set: ValidatorSet): Tc {
  assert(timeouts[0] !== undefined, 'a certificate has signers')
  const rank = (timeout: Timeout): number => timeout.hqcRound ?? -1
  const groups = [...Map.groupBy(timeouts, rank)].sort(([a], [b]) => a - b)
  const highest = timeouts.reduce((best, timeout) => (rank(timeout) > rank(best) ? timeout : best))
  return {
    height: highest.height,
    round,
    groups: groups.map(([, group]) => ({
      hqcRound: group[0]?.hqcRound ?? null,
      ...aggregateOf(new Map(group.map((timeout) => [timeout.validator, timeout.signature])), set),
    })),
    qc: highest.qc,
  }
}

/** The highest PrepareQC round that any of its signers named: what the next proposer must build on. */
export const tcMaxRound = (tc: Tc): number | null => tc.groups.at(-1)?.hqcRound ?? null

export const encodeTc = (tc: Tc): Uint8Array =>
  encodeRlp([
    rlpInt(tc.height),
    rlpInt(tc.round),
    tc.groups.map((g) => [rlpInt(g.hqcRound === null ? 0 : g.hqcRound + 1), g.bitmap, g.signature]),
    tc.qc === null ? new Uint8Array(0) : encodeQc(tc.qc),
  ])

/** Shape only; `tcClaims` says whether it holds. Throws VOTE_CERTIFICATE or RLP_MALFORMED. */
export function decodeTc(bytes: Uint8Array): Tc {
  const f = asList(decodeSparseRlp(bytes), 4)
  const height = asNumber(f[0])
  const round = asNumber(f[1])
  if (round > ROUND_MAX) throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `round ${round}` })
  const groups = asList(f[2]).map((item) => {
    const g = asList(item, 3)
    return { hqcRound: roundFrom(asNumber(g[0]), height), bitmap: asBytes(g[1]), signature: asBytes(g[2], 96) }
  })
  const qc = asBytes(f[3])
  return { height, round, groups, qc: qc.length === 0 ? null : decodeQc(qc) }
}

export const tcHash = (tc: Tc): Hash => keccak(encodeTc(tc))

/**
 * What must verify for a quorum to have given up this round: the groups, and the attached PrepareQC. Throws VOTE_CERTIFICATE unless
 * the groups are disjoint, together a quorum, and that certificate is the highest they name.
 */
export function tcClaims(tc: Tc, set: ValidatorSet, domain: Domain): readonly Claim[] {
  const fault = (reason: string) => new NodeError(VoteErrors.CERTIFICATE, { height: tc.height, reason })
  const seen = new Set<number>()
  let below = -2
  const parts = tc.groups.map(({ hqcRound, bitmap, signature }) => {
    const at = hqcRound ?? -1
    if (at <= below) throw fault('the groups do not ascend')
    if (at > tc.round) throw fault('a group names a certificate above the round')
    below = at
    const members = bitmapMembers(bitmap, set.members.length)
    if (members === null || members.length === 0) throw fault('a bitmap does not fit the set, or is empty')
    for (const i of members) {
      if (seen.has(i)) throw fault('the groups overlap')
      seen.add(i)
    }
    const message = signBytes(domain, SignType.timeout, timeoutPayload(tc.height, tc.round, hqcRound))
    return { job: { keys: keysOf(members, set), message, signature }, bitmap }
  })
  if (!isQuorum(powerOf(seen, set), set)) throw fault('the groups together are no quorum')
  const max = tcMaxRound(tc)
  if ((tc.qc?.round ?? null) !== max) throw fault('the attached certificate is not of the highest round named')
  return [certificateOf(parts), ...(tc.qc === null ? [] : [prepareQcClaim(tc.qc, tc.height, set, domain)])]
}

/** A PrepareQC that rides along must be one, and of the same height. */
export function prepareQcClaim(qc: Qc, height: number, set: ValidatorSet, domain: Domain): Claim {
  if (qc.type !== 'prepare' || qc.height !== height)
    throw new NodeError(VoteErrors.CERTIFICATE, {
      height,
      reason: 'the attached certificate is no PrepareQC of this height',
    })
  return qcClaim(qc, set, domain)
}
