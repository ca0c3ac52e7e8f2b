// Blocks: an Osaka header to the byte, its transactions, and the consensus section that `parentBeaconBlockRoot` commits to.
// Owns encoding, hashing, and the checks of a header against its parent. Owns no state.
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  concat,
  equalBytes,
  type Hash,
  hexToBytes,
} from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY_LIST, keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import {
  asBigint,
  asBytes,
  asList,
  asNumber,
  decodeRlp,
  decodeSparseRlp,
  encodeRlp,
  joinRlp,
  type Rlp,
  rlpInt,
} from '../base/rlp.ts'
import { decodeQc, encodeQc, type Qc } from './vote.ts'

export const BlockErrors = defineErrors('BLOCK', {
  MALFORMED: { text: (d: { reason: string }) => `the block does not decode: ${d.reason}` },
  INVALID: { text: (d: { height: number; reason: string }) => `block ${d.height} is invalid: ${d.reason}` },
})

/** The fields of an Osaka header that vary here. Difficulty, nonce, ommers, withdrawals, blobs and requests are constants. */
export interface Header {
  readonly parentHash: Hash
  readonly coinbase: Address
  readonly stateRoot: Hash
  readonly transactionsRoot: Hash
  readonly receiptsRoot: Hash
  readonly bloom: Uint8Array
  readonly number: number
  readonly gasLimit: bigint
  readonly gasUsed: bigint
  /** Seconds. */
  readonly time: number
  readonly extraData: Uint8Array
  readonly prevRandao: Hash
  readonly baseFeeWei: bigint
  readonly parentBeaconBlockRoot: Hash
}

/** What consensus adds to a block. Nothing here depends on running the block, for EIP-4788 writes its hash first. */
export interface Section {
  readonly version: number
  readonly epoch: number
  readonly proposerIndex: number
  readonly validatorsHash: Hash
  /** At the last block of an epoch; else null. */
  readonly nextValidatorsHash: Hash | null
  /** The proposer's BLS signature over the height, 96 bytes. */
  readonly reveal: Uint8Array
  /** The parent's CommitQC; null in the first block. */
  readonly lastCommit: Qc | null
}

export interface Block {
  readonly header: Header
  readonly hash: Hash
  /** Signed transactions as they came. */
  readonly txs: readonly Uint8Array[]
  /** null in the genesis block. */
  readonly section: Section | null
}

/** EIP-2935: the account whose slot `height % HASHES_KEPT` holds the hash of a block, of those that came last. */
export const BLOCK_HASHES: Address = asAddress(hexToBytes('0x0000f90827f1c53a10cb7a02335b175320002935'))
export const HASHES_KEPT = 8_191

/** No block comes sooner after its parent than its network's block time, or a second (consensus, section 6). */
export const leastIntervalMs = (blockTimeMs: number): number => Math.min(1_000, blockTimeMs)

export const SECTION_VERSION = 1
export const EXTRA_VERSION = 1
const NONCE = new Uint8Array(8)
/** sha256 of nothing, EIP-7685. */
const EMPTY_REQUESTS_HASH = asHash(hexToBytes('0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'))
/** extraData: format version, originRound u32, milliseconds of the timestamp u16; big-endian. */
export function encodeExtra(extra: { readonly originRound: number; readonly ms: number }): Uint8Array {
  const out = new Uint8Array(7)
  const view = new DataView(out.buffer)
  out[0] = EXTRA_VERSION
  view.setUint32(1, extra.originRound)
  view.setUint16(5, extra.ms)
  return out
}

/** Throws BLOCK_MALFORMED for anything `encodeExtra` does not make. */
export function decodeExtra(bytes: Uint8Array): { readonly originRound: number; readonly ms: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length !== 7 || bytes[0] !== EXTRA_VERSION || view.getUint16(5) > 999)
    throw new NodeError(BlockErrors.MALFORMED, { reason: 'extraData is not version, round and milliseconds' })
  return { originRound: view.getUint32(1), ms: view.getUint16(5) }
}

/** Milliseconds since the epoch, from the timestamp and extraData; genesis extraData is free, so it counts whole seconds. */
export const headerTimeMs = (header: Header): number =>
  header.time * 1_000 + (header.number === 0 ? 0 : decodeExtra(header.extraData).ms)

export const encodeHeader = (h: Header): Uint8Array => encodeRlp(headerToRlp(h))

const headerToRlp = (h: Header): Rlp => [
  h.parentHash,
  KECCAK_EMPTY_LIST,
  h.coinbase,
  h.stateRoot,
  h.transactionsRoot,
  h.receiptsRoot,
  h.bloom,
  rlpInt(0),
  rlpInt(h.number),
  rlpInt(h.gasLimit),
  rlpInt(h.gasUsed),
  rlpInt(h.time),
  h.extraData,
  h.prevRandao,
  NONCE,
  rlpInt(h.baseFeeWei),
  EMPTY_ROOT,
  rlpInt(0),
  rlpInt(0),
  h.parentBeaconBlockRoot,
  EMPTY_REQUESTS_HASH,
]

export const headerHash = (header: Header): Hash => keccak(encodeHeader(header))

export const decodeHeader = (bytes: Uint8Array): Header => malformed(() => headerFromRlp(decodeSparseRlp(bytes)))

const headerFromRlp = (item: Rlp): Header => {
  const f = asList(item, 21)
  const constant = (at: number, want: Uint8Array, name: string): void => {
    if (!equalBytes(asBytes(f[at]), want))
      throw new NodeError(BlockErrors.MALFORMED, { reason: `${name} is not constant` })
  }
  constant(1, KECCAK_EMPTY_LIST, 'ommersHash')
  constant(7, rlpInt(0), 'difficulty')
  constant(14, NONCE, 'nonce')
  constant(16, EMPTY_ROOT, 'withdrawalsRoot')
  constant(17, rlpInt(0), 'blobGasUsed')
  constant(18, rlpInt(0), 'excessBlobGas')
  constant(20, EMPTY_REQUESTS_HASH, 'requestsHash')
  const extraData = asBytes(f[12])
  if (extraData.length > 32) throw new NodeError(BlockErrors.MALFORMED, { reason: 'extraData is over 32 bytes' })
  return {
    parentHash: asHash(asBytes(f[0], 32)),
    coinbase: asAddress(asBytes(f[2], 20)),
    stateRoot: asHash(asBytes(f[3], 32)),
    transactionsRoot: asHash(asBytes(f[4], 32)),
    receiptsRoot: asHash(asBytes(f[5], 32)),
    bloom: asBytes(f[6], 256),
    number: asNumber(f[8]),
    gasLimit: asBigint(f[9], 64),
    gasUsed: asBigint(f[10], 64),
    time: asNumber(f[11]),
    extraData,
    prevRandao: asHash(asBytes(f[13], 32)),
    baseFeeWei: asBigint(f[15]),
    parentBeaconBlockRoot: asHash(asBytes(f[19], 32)),
  }
}

export const encodeSection = (s: Section): Uint8Array => encodeRlp(sectionToRlp(s))

const sectionToRlp = (s: Section): Rlp => [
  rlpInt(s.version),
  rlpInt(s.epoch),
  rlpInt(s.proposerIndex),
  s.validatorsHash,
  s.nextValidatorsHash ?? new Uint8Array(0),
  s.reveal,
  s.lastCommit === null ? new Uint8Array(0) : encodeQc(s.lastCommit),
]

const sectionFromRlp = (item: Rlp): Section => {
  const f = asList(item, 7)
  const next = asBytes(f[4])
  const commit = asBytes(f[6])
  return {
    version: asNumber(f[0]),
    epoch: asNumber(f[1]),
    proposerIndex: asNumber(f[2]),
    validatorsHash: asHash(asBytes(f[3], 32)),
    nextValidatorsHash: next.length === 0 ? null : asHash(next),
    reveal: asBytes(f[5], 96),
    lastCommit: commit.length === 0 ? null : decodeQc(commit),
  }
}
export const decodeSection = (bytes: Uint8Array): Section => malformed(() => sectionFromRlp(decodeSparseRlp(bytes)))

export const sectionHash = (section: Section): Hash => keccak(encodeSection(section))

/** prevRandao of a block: keccak(parent's ‖ the proposer's reveal). */
export const nextRandao = (parent: Header, reveal: Uint8Array): Hash => keccak(concat(parent.prevRandao, reveal))

/** The whole block as stored and sent: RLP [header, [tx, …], section]. Not Ethereum's body: typed transactions are plain strings. */
export const encodeBlock = (block: Block): Uint8Array =>
  encodeRlp([
    headerToRlp(block.header),
    block.txs,
    block.section === null ? new Uint8Array(0) : sectionToRlp(block.section),
  ])

/** The same from its parts as they are stored; no section in the genesis block. */
export const joinBlock = (header: Uint8Array, txs: readonly Uint8Array[], section: Uint8Array | null): Uint8Array =>
  joinRlp([header, encodeRlp(txs), section ?? encodeRlp(new Uint8Array(0))])

/** Checks shape only. Throws BLOCK_MALFORMED. */
export function decodeBlock(bytes: Uint8Array): Block {
  return malformed(() => {
    const [head, txs, section] = asList(decodeSparseRlp(bytes), 3)
    const header = headerFromRlp(head as Rlp)
    return {
      header,
      hash: headerHash(header),
      txs: asList(txs).map((tx) => asBytes(tx)),
      section: section instanceof Uint8Array && section.length === 0 ? null : sectionFromRlp(section as Rlp),
    }
  })
}

/** Bytes of a block as Ethereum encodes it (EIP-7934: 10 MiB less 2). It also keeps blocks within what peers send each other. */
export const BLOCK_BYTES_MAX = 8 * 1024 * 1024
/** At most the bytes of a block without transactions, and at most what one adds. */
export const FRAME_BYTES = 2_048
export const txBytesAtMost = (raw: Uint8Array): number => raw.length + 4

/** The block as Ethereum encodes it, for `debug_getRawBlock` and its size: [header, txs, ommers, withdrawals]. */
export function encodeEthereumBlock(block: Block): Uint8Array {
  const txs = block.txs.map((tx): Rlp => ((tx[0] as number) >= 0xc0 ? decodeRlp(tx) : tx))
  return encodeRlp([headerToRlp(block.header), txs, [], []])
}

/** The length of that encoding, without making it. */
export function ethereumBlockBytes({ header, txs }: Block): number {
  const inList = (payload: number): number =>
    payload + (payload < 56 ? 1 : 1 + Math.ceil((32 - Math.clz32(payload)) / 8))
  const txsBytes = txs.reduce((sum, tx) => sum + ((tx[0] as number) >= 0xc0 ? tx.length : inList(tx.length)), 0)
  return inList(encodeHeader(header).length + inList(txsBytes) + 2)
}

/**
 * Header rules that need only the parent: what of Ethereum's rules can differ here. Returns the first fault, or null.
 * `baseFeeWei` is what EIP-1559 asks after the parent.
 */
export function checkHeader(
  header: Header,
  parent: Block,
  rules: { readonly gasLimit: bigint; readonly baseFeeWei: bigint; readonly intervalMs: number },
): string | null {
  const want = parent.header.number + 1
  if (header.number !== want) return `number is ${header.number}, expected ${want}`
  if (!equalBytes(header.parentHash, parent.hash)) return 'parentHash is not the head'
  if (header.gasLimit !== rules.gasLimit) return `gasLimit is ${header.gasLimit}, expected ${rules.gasLimit}`
  if (header.gasUsed > header.gasLimit) return `gasUsed ${header.gasUsed} is above gasLimit ${header.gasLimit}`
  if (header.baseFeeWei !== rules.baseFeeWei)
    return `baseFeePerGas is ${header.baseFeeWei}, expected ${rules.baseFeeWei}`
  if (header.time <= parent.header.time) return `timestamp ${header.time} does not rise above ${parent.header.time}`
  if (headerTimeMs(header) < headerTimeMs(parent.header) + rules.intervalMs)
    return `less than ${rules.intervalMs} ms after the parent`
  return null
}

const malformed = <T>(run: () => T): T => {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code.startsWith('BLOCK_')) throw cause
    throw new NodeError(BlockErrors.MALFORMED, { reason: cause.message }, { cause })
  }
}

export type Roots = Pick<Header, 'stateRoot' | 'transactionsRoot' | 'receiptsRoot' | 'bloom' | 'gasUsed'>

/** The first result of running that the header does not say, or null. */
export function rootsDifference(header: Header, got: Roots): string | null {
  if (header.gasUsed !== got.gasUsed) return `gasUsed is ${header.gasUsed}, running it used ${got.gasUsed}`
  for (const field of ['receiptsRoot', 'transactionsRoot', 'stateRoot', 'bloom'] as const)
    if (!equalBytes(header[field], got[field]))
      return `${field} is ${bytesToHex(header[field]).slice(0, 66)}, running it gives ${bytesToHex(got[field]).slice(0, 66)}`
  return null
}
