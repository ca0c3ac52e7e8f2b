// What peers say to each other, as bytes: one codec per message. Shape only; a bound on size stands before each of them.
import { type Address, asAddress, asHash, type Hash } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  asBigint,
  asBytes,
  asList,
  asNumber,
  asText,
  decodeSparseRlp,
  encodeRlp,
  type Rlp,
  rlpInt,
} from '../chain/base/rlp.ts'
import {
  type Block,
  decodeBlock,
  decodeHeader,
  decodeSection,
  encodeBlock,
  encodeHeader,
  encodeSection,
  type Header,
  headerHash,
  type Section,
} from '../chain/types/block.ts'
import type { OperatorSignature } from '../chain/types/checkpoint.ts'
import { decodeEvidence, EVIDENCE_MAX_BYTES, type Evidence } from '../chain/types/evidence.ts'
import { decodeMessage, encodeMessage, type Message } from '../chain/types/message.ts'
import type { Validator } from '../chain/types/validators.ts'
import { decodeQc, encodeQc, type Qc } from '../chain/types/vote.ts'

export const WireErrors = defineErrors('WIRE', {
  MALFORMED: { text: (d: { what: string; reason: string }) => `${d.what} from a peer: ${d.reason}` },
})
const malformed = (what: string, reason: string) => new NodeError(WireErrors.MALFORMED, { what, reason })
const NONE = new Uint8Array(0)

/** A block as a proposal brings it: a transaction is there itself, or only its hash where the pools have it anyway. */
export interface Sketch {
  readonly header: Header
  readonly hash: Hash
  readonly section: Section
  /** In block order; 32 bytes are a hash. No transaction is that short. */
  readonly txs: readonly Uint8Array[]
}
export const HASH_BYTES = 32
/** Up to here a block travels whole in its proposal. */
const WHOLE_BYTES = 48 * 1024

export function sketchOf(block: Block): Sketch | null {
  const { header, hash, section, txs } = block
  if (section === null) return null
  const sizeBytes = txs.reduce((sum, tx) => sum + tx.length, 0)
  return { header, hash, section, txs: sizeBytes <= WHOLE_BYTES ? txs : txs.map((tx) => keccak(tx)) }
}

export interface Envelope {
  readonly message: Message
  /** With a proposal. */
  readonly sketch: Sketch | null
}

/** `salt` makes a repetition another message, for the mesh carries the same bytes once. */
export const encodeEnvelope = ({ message, sketch }: Envelope, salt: number): Uint8Array =>
  encodeRlp([
    rlpInt(salt),
    encodeMessage(message),
    sketch === null ? NONE : [encodeHeader(sketch.header), encodeSection(sketch.section), sketch.txs],
  ])

/** Throws WIRE_MALFORMED, MESSAGE_MALFORMED, BLOCK_MALFORMED, VOTE_CERTIFICATE or RLP_MALFORMED. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const [salt, inner, block] = asList(decodeSparseRlp(bytes), 3)
  asNumber(salt)
  const message = decodeMessage(asBytes(inner))
  const sketch = block instanceof Uint8Array && block.length === 0 ? null : sketchFrom(block)
  if ((sketch !== null) !== (message.kind === 'proposal'))
    throw malformed('a consensus message', 'a proposal comes with its block, and nothing else does')
  return { message, sketch }
}

const sketchFrom = (item: Rlp | undefined): Sketch => {
  const [head, section, txs] = asList(item, 3)
  const header = decodeHeader(asBytes(head))
  return {
    header,
    hash: headerHash(header),
    section: decodeSection(asBytes(section)),
    txs: asList(txs).map((tx) => asBytes(tx)),
  }
}

/** Raw transactions: what a node admitted, or what a proposal names. */
export const encodeTxs = (txs: readonly Uint8Array[]): Uint8Array => encodeRlp(txs)
export const decodeTxs = (bytes: Uint8Array): Uint8Array[] => asList(decodeSparseRlp(bytes)).map((tx) => asBytes(tx))

/** Request `body`: the hash of a block. The answer is the block, or nothing. */
export const encodeBodyAnswer = (block: Block | null): Uint8Array => (block === null ? NONE : encodeBlock(block))
export const decodeBodyAnswer = (bytes: Uint8Array): Block | null => (bytes.length === 0 ? null : decodeBlock(bytes))
export const decodeBodyRequest = (bytes: Uint8Array): Hash => {
  if (bytes.length !== HASH_BYTES) throw malformed('a request for a block', `${bytes.length} bytes are no hash`)
  return asHash(bytes)
}

/** Request `txs`: the block, and places in it, ascending. The answer is those transactions, or nothing. */
export function encodeTxsRequest(blockHash: Hash, places: readonly number[]): Uint8Array {
  const out = new Uint8Array(HASH_BYTES + 4 * places.length)
  out.set(blockHash)
  const view = new DataView(out.buffer)
  for (const [i, place] of places.entries()) view.setUint32(HASH_BYTES + 4 * i, place)
  return out
}
export function decodeTxsRequest(bytes: Uint8Array): { readonly blockHash: Hash; readonly places: readonly number[] } {
  const count = (bytes.length - HASH_BYTES) / 4
  if (!Number.isInteger(count) || count < 1) throw malformed('a request for transactions', 'no hash with places')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const places = Array.from({ length: count }, (_, i) => view.getUint32(HASH_BYTES + 4 * i))
  if (places.some((place, i) => i > 0 && place <= (places[i - 1] ?? 0)))
    throw malformed('a request for transactions', 'the places do not ascend')
  return { blockHash: asHash(bytes.subarray(0, HASH_BYTES)), places }
}

/** Request `blocks`: so many from this height on. */
export interface Range {
  readonly from: number
  readonly count: number
}
export const encodeRange = ({ from, count }: Range): Uint8Array => encodeRlp([rlpInt(from), rlpInt(count)])
export function decodeRange(bytes: Uint8Array): Range {
  const [from, count] = asList(decodeSparseRlp(bytes), 2)
  return { from: asNumber(from), count: asNumber(count) }
}

/** Consecutive blocks and the CommitQC of the last; each block brings its parent's. Empty: there are none, and `earliest` is the lowest there is. */
export interface Run {
  readonly blocks: readonly Block[]
  readonly commit: Qc | null
  readonly earliest: number
}
export const encodeRun = ({ blocks, commit, earliest }: Run): Uint8Array =>
  joinRun(blocks.map(encodeBlock), commit, earliest)
/** The same of blocks that are encoded already. */
export const joinRun = (blocks: readonly Uint8Array[], commit: Qc | null, earliest = 0): Uint8Array =>
  encodeRlp([blocks, commit === null ? NONE : encodeQc(commit), rlpInt(earliest)])
export function decodeRun(bytes: Uint8Array): Run {
  const [blocks, commit, earliest] = asList(decodeSparseRlp(bytes), 3)
  const qc = asBytes(commit)
  const run = {
    blocks: asList(blocks).map((block) => decodeBlock(asBytes(block))),
    commit: qc.length === 0 ? null : decodeQc(qc),
    earliest: asNumber(earliest),
  }
  if ((run.commit === null) !== (run.blocks.length === 0))
    throw malformed('a run of blocks', 'blocks come with a certificate, and nothing else does')
  return run
}

/** Request `light`: the head; the last blocks of so many epochs; or so many blocks from a height on, with their validators. */
export type LightAsk =
  | { readonly kind: 'head' }
  | { readonly kind: 'epochs' | 'heights' | 'checkpoint'; readonly from: number; readonly count: number }
const LIGHT_KINDS = ['head', 'epochs', 'heights', 'checkpoint'] as const
export const encodeLightAsk = (ask: LightAsk): Uint8Array =>
  encodeRlp([LIGHT_KINDS.indexOf(ask.kind), ...(ask.kind === 'head' ? [0, 0] : [ask.from, ask.count])].map(rlpInt))
export function decodeLightAsk(bytes: Uint8Array): LightAsk {
  const [code, from, count] = asList(decodeSparseRlp(bytes), 3)
  const kind = LIGHT_KINDS[asNumber(code)]
  if (kind === undefined) throw malformed('a request of a light client', 'its kind is none')
  const range = { from: asNumber(from), count: asNumber(count) }
  if (kind !== 'head') return { kind, ...range }
  if (range.from + range.count > 0) throw malformed('a request of a light client', 'the head has no range')
  return { kind }
}

/** A block without its transactions. Validators are there where they were asked for; the next ones where they change. */
export interface Lit {
  readonly header: Header
  readonly section: Section
  readonly certificate: Qc
  readonly validators: readonly Validator[] | null
  readonly nextValidators: readonly Validator[] | null
}
export const encodeLit = (lit: Lit): Uint8Array =>
  encodeRlp([
    ...[encodeHeader(lit.header), encodeSection(lit.section), encodeQc(lit.certificate)],
    ...[membersToRlp(lit.validators), membersToRlp(lit.nextValidators)],
  ])
export const joinLit = (encoded: readonly Uint8Array[]): Uint8Array => encodeRlp(encoded)
/** Nothing of it is checked. */
export const decodeLit = (bytes: Uint8Array): Lit[] =>
  asList(decodeSparseRlp(bytes)).map((item) => {
    const [header, section, certificate, validators, next] = asList(decodeSparseRlp(asBytes(item)), 5)
    return {
      header: decodeHeader(asBytes(header)),
      section: decodeSection(asBytes(section)),
      certificate: decodeQc(asBytes(certificate)),
      ...{ validators: membersFrom(validators), nextValidators: membersFrom(next) },
    }
  })
const membersToRlp = (members: readonly Validator[] | null): Rlp =>
  members === null ? NONE : members.map(({ address, blsKey, power }) => [address, blsKey, rlpInt(power)])
const membersFrom = (item: Rlp | undefined): Validator[] | null => {
  if (item instanceof Uint8Array && item.length === 0) return null
  return asList(item).map((member) => {
    const [address, blsKey, power] = asList(member, 3)
    return { address: asAddress(asBytes(address, 20)), blsKey: asBytes(blsKey, 48), power: asBigint(power, 64) }
  })
}

/** Request `state`: a piece of the state after a block, which is answered with it or with nothing; or code by its hash. */
export type StateAsk =
  | { readonly kind: 'piece'; readonly height: number; readonly owner: Address | null; readonly path: Uint8Array }
  | { readonly kind: 'codes'; readonly hashes: readonly Hash[] }
export const STATE_CODES_MAX = 16
export const encodeStateAsk = (ask: StateAsk): Uint8Array =>
  encodeRlp(ask.kind === 'codes' ? [ask.hashes] : [rlpInt(ask.height), ask.owner ?? NONE, ask.path])
export function decodeStateAsk(bytes: Uint8Array): StateAsk {
  const parts = asList(decodeSparseRlp(bytes))
  if (parts.length === 1) {
    const hashes = asList(parts[0]).map((hash) => asHash(asBytes(hash, HASH_BYTES)))
    if (hashes.length > STATE_CODES_MAX) throw malformed('a request for code', `${hashes.length} hashes`)
    return { kind: 'codes', hashes }
  }
  const [height, ownerItem, pathItem] = asList(parts, 3)
  const [owner, path] = [asBytes(ownerItem), asBytes(pathItem)]
  const isPath = path.length <= STATE_PATH_MAX && path.every((nibble) => nibble < 16)
  if (!isPath || (owner.length !== 0 && owner.length !== 20)) throw malformed('a request for state', 'no place')
  return { kind: 'piece', height: asNumber(height), owner: owner.length === 0 ? null : asAddress(owner), path }
}
/** Nibbles: of a hashed key, so many as a place that is worth dividing may have. */
const STATE_PATH_MAX = 64
export const encodeCodes = (codes: readonly Uint8Array[]): Uint8Array => encodeRlp(codes)
export const decodeCodes = (bytes: Uint8Array): Uint8Array[] =>
  asList(decodeSparseRlp(bytes)).map((code) => asBytes(code))

/** Proof of an offence, in the bytes that are kept of it. `salt` makes a repetition another message. */
export const encodeProof = (evidence: Uint8Array, salt: number): Uint8Array => encodeRlp([rlpInt(salt), evidence])
/** What is longer is refused before it is decoded. */
export const PROOF_MAX_BYTES = EVIDENCE_MAX_BYTES + 16
/** Throws EVIDENCE_MALFORMED or RLP_MALFORMED. */
export function decodeProof(bytes: Uint8Array): Evidence {
  const [salt, evidence] = asList(decodeSparseRlp(bytes), 2)
  asNumber(salt)
  return decodeEvidence(asBytes(evidence))
}

/** What one validator says that vaults on other chains have sent. */
export interface Attestations {
  /** 48 bytes: who signed. */
  readonly key: Uint8Array
  /** One to `ATTESTED_MAX`. */
  readonly votes: readonly { readonly chain: bigint; readonly id: Hash; readonly signature: Uint8Array }[]
}
export const ATTESTED_MAX = 64
/** What is longer is refused before it is decoded. */
export const ATTESTATIONS_MAX_BYTES = 16 * 1024
/** `salt` makes a repetition another message. */
export const encodeAttestations = ({ key, votes }: Attestations, salt: number): Uint8Array =>
  encodeRlp([...[rlpInt(salt), key], votes.map(({ chain, id, signature }) => [rlpInt(chain), id, signature])])
/** Throws WIRE_MALFORMED or RLP_MALFORMED. */
export function decodeAttestations(bytes: Uint8Array): Attestations {
  const [salt, key, listed] = asList(decodeSparseRlp(bytes), 3)
  asNumber(salt)
  const items = asList(listed)
  if (items.length === 0 || items.length > ATTESTED_MAX) throw malformed('attestations', `${items.length} of them`)
  const votes = items.map((item) => {
    const [chain, id, signature] = asList(item, 3)
    return { chain: asBigint(chain, 64), id: asHash(asBytes(id, 32)), signature: asBytes(signature, 96) }
  })
  return { key: asBytes(key, 48), votes }
}

/** An operator's word that a block is final, as `checkpointDigest` says it. */
export interface OperatorWord extends OperatorSignature {
  readonly height: number
  readonly blockHash: Hash
}
/** `salt` makes a repetition another message. */
export const encodeOperatorWord = (
  { height, blockHash, signature, recovery }: OperatorWord,
  salt: number,
): Uint8Array => encodeRlp([rlpInt(salt), rlpInt(height), blockHash, signature, rlpInt(recovery)])
/** Throws WIRE_MALFORMED or RLP_MALFORMED. */
export function decodeOperatorWord(bytes: Uint8Array): OperatorWord {
  const [salt, height, blockHash, signature, recovery] = asList(decodeSparseRlp(bytes), 5)
  asNumber(salt)
  const bit = asNumber(recovery)
  if (bit !== 0 && bit !== 1) throw malformed('an operator’s word', 'its recovery bit is neither 0 nor 1')
  return {
    ...{ height: asNumber(height), blockHash: asHash(asBytes(blockHash, 32)) },
    ...{ signature: asBytes(signature, 64), recovery: bit },
  }
}

/** Bytes of a peer's that do not decode are its fault; anything else is ours. */
export const isMalformed = (error: unknown): boolean =>
  error instanceof NodeError && /^(WIRE|MESSAGE|BLOCK|RLP|VOTE)_/.test(error.code)

/** What two nodes tell each other first, whatever their network and version. */
export interface Hello {
  /** The genesis hash. */
  readonly networkId: Uint8Array
  readonly version: number
  /** Who this node says it is; empty: nobody. The node above reads it. */
  readonly announcement: Uint8Array
  /** What it runs, for the node above to read; empty: it does not say. */
  readonly software: Uint8Array
}
/** Two keys and their signatures are 288, and later versions may say more. */
const ANNOUNCEMENT_MAX_BYTES = 512
export const SOFTWARE_MAX_BYTES = 384
export const encodeHello = ({ networkId, version, announcement, software }: Hello): Uint8Array =>
  encodeRlp([networkId, rlpInt(version), announcement, software])
/** Later versions may say more. Throws WIRE_MALFORMED or RLP_MALFORMED. */
export function decodeHello(bytes: Uint8Array): Hello {
  const [networkId, version, ...said] = asList(decodeSparseRlp(bytes))
  const [announcement = NONE, software = NONE] = said.slice(0, 2).map((item) => asBytes(item))
  if (announcement.length > ANNOUNCEMENT_MAX_BYTES) throw malformed('a greeting', 'its announcement is too long')
  if (software.length > SOFTWARE_MAX_BYTES) throw malformed('a greeting', 'what it says of its software is too long')
  return { networkId: asBytes(networkId, HASH_BYTES), version: asNumber(version), announcement, software }
}

/** Multiaddrs of peers, with their peer ids. */
export const encodeAddresses = (addresses: readonly string[]): Uint8Array =>
  encodeRlp(addresses.map((address) => new TextEncoder().encode(address)))
export const decodeAddresses = (bytes: Uint8Array): string[] =>
  asList(decodeSparseRlp(bytes)).map((address) => asText(address))
