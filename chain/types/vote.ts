// Votes and certificates: payload bytes, sign bytes, the quorum certificate and its check. Owns no state. Payloads are
// fixed width and never RLP, where "none" and "round 0" would be the same bytes.
import { asHash, concat, type Hash } from '../base/bytes.ts'
import { curves, keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { asBytes, asList, asNumber, decodeRlp, encodeRlp, rlpInt } from '../base/rlp.ts'
import { isQuorum, type ValidatorSet } from './validators.ts'

export const VoteErrors = defineErrors('VOTE', {
  CERTIFICATE: { text: (d: { height: number; reason: string }) => `certificate of height ${d.height}: ${d.reason}` },
})

export const SignType = { propose: 1, prepare: 2, commit: 3, timeout: 4, randao: 5, pop: 6 } as const
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

const u32 = (value: number): Uint8Array => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}
const u64 = (value: number | bigint): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
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

/** A proof of possession names the key alone and no network: the genesis hash depends on it. */
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
  const f = asList(decodeRlp(bytes), 6)
  const type = asNumber(f[0])
  const height = asNumber(f[1])
  const round = asNumber(f[2])
  const bitmap = asBytes(f[4])
  if (type !== SignType.prepare && type !== SignType.commit)
    throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `type ${type} is neither PREPARE nor COMMIT` })
  if (round > 0xfffffffe) throw new NodeError(VoteErrors.CERTIFICATE, { height, reason: `round ${round}` })
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

/** Throws VOTE_CERTIFICATE unless a quorum of `set` signed exactly this. Costs one aggregate verification. */
export function checkQc(qc: Qc, set: ValidatorSet, domain: Domain): void {
  const fault = (reason: string) => new NodeError(VoteErrors.CERTIFICATE, { height: qc.height, reason })
  const members = bitmapMembers(qc.bitmap, set.members.length)
  if (members === null) throw fault(`the bitmap does not fit ${set.members.length} validators`)
  const signers = members.map((i) => set.members[i] as (typeof set.members)[number])
  const power = signers.reduce((sum, member) => sum + member.power, 0n)
  if (!isQuorum(power, set)) throw fault(`power ${power} of ${set.powerTotal} is no quorum`)
  const message = signBytes(domain, SignType[qc.type], votePayload(qc.height, qc.round, qc.blockHash))
  const keys = signers.map((member) => member.blsKey)
  if (!curves().blsVerify(keys, message, qc.signature)) throw fault('the signature does not verify')
}
