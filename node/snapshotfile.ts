// A state as a file: what one node writes and another begins with. Owns its form, and the refusal of whatever is cut, changed, spare or larger than
// it may be, before memory is spent on it. Nothing in it is believed: a light client leads from the reader's own trust to the block, whose state root
// proves each piece by itself. Pieces come in the order of `StateWalk`, so a file holds no more than the state and ends where the state ends.
//
// Head, 174 bytes: "NOVASNAP" ‖ version u16 ‖ genesis hash ‖ chain id u64 ‖ height u48 ‖ block hash ‖ its time in ms u48 ‖ lowest height to begin to
// trust at u48 ‖ counts of blocks u32, pieces u48, accounts u48, slots u48, codes u48 ‖ bytes after the head u48 ‖ their SHA-256 ‖ check. Then parts, each with its
// length u32 before it: blocks without transactions in ascending order, the last of each epoch and then every one up to the snapshot's, as
// peers send them, the first with the validators that signed it; pieces; code.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { asHash, bytesToHex, concat, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Chain } from '../chain/chain.ts'
import { createLightClient, type LightClient, LightErrors, type VerifiedBlock } from '../chain/light.ts'
import {
  type Checked,
  checkChunk,
  type FirstBlock,
  type Outlined,
  type Outlines,
  parentOf,
  type SnapshotSource,
  StateWalk,
  TAIL_BLOCKS,
} from '../chain/snapshot.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import type { Rules } from '../chain/types/genesis.ts'
import type { Checkpoint } from '../chain/types/run.ts'
import { epochOf, isEpochEnd, type Validator } from '../chain/types/validators.ts'
import { decodeLit, encodeLit, joinLit, type Lit } from '../p2p/wire.ts'
import type { ByteStream } from './bytes.ts'
import { litAt } from './snapshots.ts'
import { trustingPeriodMs } from './trust.ts'

export const SnapshotFileErrors = defineErrors('SNAPFILE', {
  OTHER: {
    text: (d: { name: string; begins: string }) =>
      `${d.name} is no snapshot, it begins with ${d.begins}: \`novachain snapshot create\` makes one`,
  },
  VERSION: {
    text: (d: { name: string; have: number; want: number }) =>
      `${d.name} has format ${d.have}, and this release reads ${d.want}: use the release that made it, or another snapshot`,
  },
  NETWORK: {
    text: (d: { name: string; have: string; want: string }) =>
      `${d.name} is a snapshot of the network ${d.have}, and this is ${d.want}: choose another snapshot, or correct genesis.json`,
  },
  DAMAGED: {
    text: (d: { name: string; at: number; reason: string }) =>
      `${d.name} is damaged at byte ${d.at}: ${d.reason}. Get it again, or another one`,
  },
  UNKNOWN: {
    text: (d: { name: string; height: number; lowest: number; tail: number; top: number; epochBlocks: number }) =>
      `${d.name} does not hold block ${d.height}, which is trusted here: give --trust-height and --trust-hash of a block from ${d.tail} to ${d.top}, ` +
      `or of the last one of an epoch (a multiple of ${d.epochBlocks}) from ${d.lowest} on`,
  },
  AHEAD: {
    text: (d: { name: string; height: number; top: number }) =>
      `block ${d.height}, which is trusted here, comes after block ${d.top}, whose state ${d.name} holds: give --trust-height and --trust-hash of a block ` +
      'up to that one, or choose a newer snapshot',
  },
  FORGOTTEN: {
    text: (d: { height: number }) =>
      `the state after block ${d.height} is not whole in this folder: let the node run for a while, stop it, and try again`,
  },
})

const MAGIC = new TextEncoder().encode('NOVASNAP')
const VERSION = 1
/** What `list` reads of each. */
export const SNAPSHOT_HEAD_BYTES = 174
const CHECK_BYTES = 8
/** Validators of a set of 2,048, twice, are 330 KB, a piece half a megabyte; code has no bound but what a genesis may hold. */
const PART_BYTES_MAX = 1024 * 1024
/** Written at once. */
const SLAB_BYTES = 1024 * 1024
/** Epochs that are handed over: hourly ones of more than a year. */
const HANDOVERS_MAX = 10_000

export interface SnapshotHead {
  readonly genesisHash: Hash
  readonly chainId: bigint
  readonly height: number
  readonly hash: Hash
  readonly timeMs: number
  /** The first block that a reader's trust may begin at, beside the genesis where it is in epoch 0. */
  readonly lowest: number
  readonly blocks: number
  readonly pieces: number
  readonly accounts: number
  readonly slots: number
  readonly codes: number
  /** After the head. */
  readonly sizeBytes: number
  /** SHA-256 of what comes after the head. */
  readonly digest: Uint8Array
}

const uint = (value: number, sizeBytes: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  for (let i = sizeBytes - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest & 255
  return out
}
const numberOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum * 256 + byte, 0)
const checkOf = (bytes: Uint8Array): Uint8Array => keccak(bytes).slice(0, CHECK_BYTES)
const u64 = (value: bigint): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, value)
  return out
}

export function encodeSnapshotHead(h: SnapshotHead): Uint8Array {
  const fields = concat(
    ...[MAGIC, uint(VERSION, 2), h.genesisHash, u64(h.chainId), uint(h.height, 6), h.hash, uint(h.timeMs, 6)],
    ...[uint(h.lowest, 6), uint(h.blocks, 4), uint(h.pieces, 6), uint(h.accounts, 6), uint(h.slots, 6)],
    ...[uint(h.codes, 6), uint(h.sizeBytes, 6), h.digest],
  )
  return concat(fields, checkOf(fields))
}

/** Throws SNAPFILE_OTHER, SNAPFILE_VERSION, SNAPFILE_DAMAGED and SOURCE_*. */
export async function readSnapshotHead(stream: ByteStream): Promise<SnapshotHead> {
  const { name } = stream
  const bytes = await stream.read(SNAPSHOT_HEAD_BYTES)
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC))
    throw new NodeError(SnapshotFileErrors.OTHER, { name, begins: beginningOf(bytes) })
  const refuse = (reason: string) => new NodeError(SnapshotFileErrors.DAMAGED, { name, at: 0, reason })
  if (bytes.length < SNAPSHOT_HEAD_BYTES) throw refuse('it ends within its head')
  let at = MAGIC.length
  const take = (sizeBytes: number): Uint8Array => {
    at += sizeBytes
    return bytes.slice(at - sizeBytes, at)
  }
  const version = numberOf(take(2))
  if (version !== VERSION) throw new NodeError(SnapshotFileErrors.VERSION, { name, have: version, want: VERSION })
  if (!equalBytes(checkOf(bytes.subarray(0, -CHECK_BYTES)), bytes.subarray(-CHECK_BYTES)))
    throw refuse('its head does not have its checksum')
  const [genesisHash, chain] = [asHash(take(32)), take(8)]
  const [height, hash, timeMs, lowest] = [numberOf(take(6)), asHash(take(32)), numberOf(take(6)), numberOf(take(6))]
  const [blocks, pieces, accounts, slots] = [numberOf(take(4)), ...[0, 0, 0].map(() => numberOf(take(6)))] as [
    ...[number, number, number, number],
  ]
  const [codes, sizeBytes, digest] = [numberOf(take(6)), numberOf(take(6)), take(32)]
  if (blocks === 0 || blocks > HANDOVERS_MAX + TAIL_BLOCKS) throw refuse(`it is said to hold ${blocks} blocks`)
  const chainId = new DataView(chain.buffer).getBigUint64(0)
  return {
    genesisHash,
    chainId,
    height,
    hash,
    timeMs,
    lowest,
    blocks,
    pieces,
    accounts,
    slots,
    codes,
    sizeBytes,
    digest,
  }
}

const beginningOf = (bytes: Uint8Array): string =>
  bytes.length === 0
    ? 'nothing'
    : JSON.stringify(new TextDecoder('latin1').decode(bytes.subarray(0, 24)).replace(/[^ -~]/g, '.'))

// Writing one.

/** Of the head's state. `onPiece` hears how many accounts are written. Throws SNAPFILE_FORGOTTEN, STORE_*. */
export async function writeSnapshot(
  file: FileHandle,
  { chain, source }: { readonly chain: Chain; readonly source: SnapshotSource },
  onPiece: (accounts: number) => void,
): Promise<SnapshotHead> {
  const { header, hash } = chain.head()
  const { number: height, stateRoot } = header
  const forgotten = () => new NodeError(SnapshotFileErrors.FORGOTTEN, { height })
  const lits = litsOf(chain)
  const [first] = lits
  if (first === undefined) throw forgotten()
  const out = new PartWriter(file)
  for (const lit of lits) await out.add(encodeLit(lit))
  const walk = new StateWalk()
  for (let place = walk.place(); place !== null; place = walk.place()) {
    const bytes = await source.piece(height, place)
    if (bytes === null) throw forgotten()
    walk.take(checkChunk(stateRoot, bytes)) // so a damaged database makes no snapshot
    await out.add(bytes)
    onPiece(walk.counts.accounts)
  }
  for (let want = walk.code(); want !== null; want = walk.code()) {
    const [bytes] = source.codes([want])
    if (bytes === undefined || !walk.takeCode(bytes)) throw forgotten()
    await out.add(bytes)
  }
  const head: SnapshotHead = {
    ...{ genesisHash: chain.genesisHash, chainId: chain.genesis.chainId, height, hash },
    ...{ timeMs: headerTimeMs(header), lowest: first.header.number, blocks: lits.length, ...walk.counts },
    ...(await out.end()),
  }
  // Last: what is cut off before has none.
  await file.write(encodeSnapshotHead(head), 0, SNAPSHOT_HEAD_BYTES, 0)
  return head
}

/** The last block of each epoch that a reader may still trust one of, and those that a store begins with, ascending; empty where they are not here. */
const litsOf = (chain: Chain): Lit[] => {
  const { epochBlocks } = chain.genesis
  const { header } = chain.head()
  const top = header.number
  const tail = Math.max(1, top - TAIL_BLOCKS + 1)
  const downward: Lit[] = []
  for (let height = top; height >= tail; height--) {
    const lit = litAt(chain, height, 'alone')
    if (lit === null) return []
    downward.push(lit)
  }
  const oldestMs = headerTimeMs(header) - trustingPeriodMs(chain.genesis)
  for (let below = Math.floor((tail - 1) / epochBlocks) * epochBlocks; below > 0; below -= epochBlocks) {
    const lit = litAt(chain, below, 'with its validators')
    if (lit === null || lit.validators === null || !isLed(lit)) break
    if (headerTimeMs(lit.header) < oldestMs || downward.length === HANDOVERS_MAX) break
    downward.push({ ...lit, validators: null })
  }
  const lowest = downward.pop()
  const first = lowest === undefined ? null : litAt(chain, lowest.header.number, 'with its validators')
  return first === null || first.validators === null ? [] : [first, ...downward.reverse()]
}
/** Whether the next validators are there where they change. */
const isLed = ({ section: { validatorsHash, nextValidatorsHash: next }, nextValidators }: Lit): boolean =>
  nextValidators !== null || next === null || equalBytes(next, validatorsHash)

class PartWriter {
  readonly #file: FileHandle
  readonly #hash = createHash('sha256')
  #slab: Uint8Array[] = []
  #slabBytes = 0
  #sizeBytes = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  async add(part: Uint8Array): Promise<void> {
    for (const bytes of [uint(part.length, 4), part]) {
      this.#hash.update(bytes)
      this.#slab.push(bytes)
      this.#slabBytes += bytes.length
    }
    if (this.#slabBytes >= SLAB_BYTES) await this.#flush()
  }
  async #flush(): Promise<void> {
    const bytes = concat(...this.#slab)
    for (let done = 0; done < bytes.length; ) {
      const at = SNAPSHOT_HEAD_BYTES + this.#sizeBytes + done
      done += (await this.#file.write(bytes, done, bytes.length - done, at)).bytesWritten
    }
    this.#sizeBytes += bytes.length
    ;[this.#slab, this.#slabBytes] = [[], 0]
  }
  async end(): Promise<Pick<SnapshotHead, 'sizeBytes' | 'digest'>> {
    await this.#flush()
    return { sizeBytes: this.#sizeBytes, digest: this.#hash.digest() }
  }
}

// Reading one.

/** What a reader goes by: the network, and a block of it that is known to be right, or its first one. */
export interface SnapshotTrust {
  readonly rules: Rules
  readonly first: FirstBlock
  readonly checkpoint: Checkpoint | null
  readonly nowMs: number
}

export interface OpenSnapshot {
  readonly head: SnapshotHead
  /** Whose state it is: a quorum of validators that the reader's trust leads to signed it. */
  readonly target: VerifiedBlock
  readonly begin: Outlines
  /** The rest of the file, whole and proven once this returns. Throws SNAPFILE_DAMAGED, SOURCE_*, and what a sink throws. */
  state(sink: SnapshotSink): Promise<void>
}
export interface SnapshotSink {
  piece(piece: Checked): Promise<void>
  code(bytes: Uint8Array, hash: Hash): Promise<void>
}

/** Reads up to the state. Throws SNAPFILE_*, SOURCE_*, and LIGHT_CHECKPOINT, LIGHT_TOO_OLD or LIGHT_FUTURE where that trust does not do. */
export async function openSnapshot(stream: ByteStream, trust: SnapshotTrust): Promise<OpenSnapshot> {
  const head = await readSnapshotHead(stream)
  refuseOther(stream.name, head, trust)
  const parts = new PartReader(stream, head)
  const { client, lits } = await readLits(parts, trust)
  const last = lits.at(-1) as Lit // there is one at least
  if (last.header.number !== head.height)
    throw parts.damaged(`its head says block ${head.height}, and it ends with block ${last.header.number}`)
  const target = parts.judged(() => client.verify(last, trust.nowMs))
  if (!equalBytes(target.hash, head.hash)) throw parts.damaged(`its head names another block ${head.height}`)
  const whole = tailOf(target, lits, parts)
  const lowest = whole[0]?.header.number ?? 0
  const sparse = client.heights().flatMap((height) => (height < lowest ? (client.block(height) ?? []) : []))
  return { head, target, begin: { sparse, whole }, state: (sink) => readState(parts, target, sink) }
}

const refuseOther = (name: string, head: SnapshotHead, { rules, first, checkpoint }: SnapshotTrust): void => {
  if (!equalBytes(head.genesisHash, first.hash))
    throw new NodeError(SnapshotFileErrors.NETWORK, {
      name,
      ...{ have: bytesToHex(head.genesisHash), want: bytesToHex(first.hash) },
    })
  const { epochBlocks } = rules
  if (checkpoint !== null && checkpoint.height > head.height)
    throw new NodeError(SnapshotFileErrors.AHEAD, { name, height: checkpoint.height, top: head.height })
  if (checkpoint === null ? epochOf(head.lowest, epochBlocks) > 0 : checkpoint.height < head.lowest)
    throw unknownIn(name, head, epochBlocks, checkpoint?.height ?? 0)
}
const unknownIn = (name: string, head: SnapshotHead, epochBlocks: number, height: number): NodeError => {
  const tail = Math.max(1, head.height - TAIL_BLOCKS + 1)
  return new NodeError(SnapshotFileErrors.UNKNOWN, {
    ...{ name, height, epochBlocks, lowest: head.lowest, tail, top: head.height },
  })
}

/** Follows the hand-overs from where the trust begins. Of the blocks as many as a store begins with. */
const readLits = async (
  parts: PartReader,
  { rules, first, checkpoint, nowMs }: SnapshotTrust,
): Promise<{ readonly client: LightClient; readonly lits: readonly Lit[] }> => {
  const { head } = parts
  const { chainId, epochBlocks, validators } = rules
  const network = { chainId, genesisHash: first.hash, epochBlocks }
  const options = { trustingPeriodMs: trustingPeriodMs(rules) }
  let client: LightClient | null = null
  if (checkpoint === null) {
    const anchor = { kind: 'genesis' as const, timeMs: first.timeMs, validators }
    client = createLightClient(network, anchor, options, nowMs)
  }
  /** Of the epoch, as the file says. */
  let members: readonly Validator[] | null = null
  const lits: Lit[] = []
  for (let i = 0; i < head.blocks; i++) {
    const lit = await parts.lit()
    const { number } = lit.header
    const before = lits.at(-1)?.header.number ?? head.lowest - 1
    if (number <= before || (i === 0 && number !== head.lowest)) throw parts.damaged(`block ${number} is out of order`)
    members = i === 0 ? lit.validators : members
    if (members === null) throw parts.damaged('its first block does not say who signed it')
    const signers: readonly Validator[] = members
    if (number === checkpoint?.height)
      client = parts.judged(() =>
        createLightClient(network, { kind: 'block', ...checkpoint, ...lit, validators: signers }, options, nowMs),
      )
    const known = client
    if (known !== null && number === known.nextHandOver()) parts.judged(() => known.advance(lit, nowMs))
    if (isEpochEnd(number, epochBlocks)) members = lit.nextValidators ?? members
    lits.push(lit)
    if (lits.length > TAIL_BLOCKS) lits.shift()
  }
  if (client === null) throw unknownIn(parts.name, head, epochBlocks, checkpoint?.height ?? 0)
  return { client, lits }
}

const tailOf = (target: VerifiedBlock, lits: readonly Lit[], parts: PartReader): Outlined[] => {
  const out: Outlined[] = [target]
  let next: Outlined = target
  for (const lit of lits.slice(0, -1).reverse()) {
    if (next.header.number <= Math.max(1, target.header.number - TAIL_BLOCKS + 1)) break
    const parent = parentOf(next, lit)
    if (parent === null)
      throw parts.damaged(`block ${lit.header.number} is not the parent of block ${next.header.number}`)
    next = parent
    out.push(next)
  }
  return out.reverse()
}

const readState = async (parts: PartReader, { header }: VerifiedBlock, sink: SnapshotSink): Promise<void> => {
  const walk = new StateWalk()
  for (let place = walk.place(); place !== null; place = walk.place()) {
    const bytes = await parts.next()
    const piece = parts.judged(() => checkChunk(header.stateRoot, bytes))
    const isHere = equalBytes(piece.path, place.path) && equalBytes(piece.owner ?? NOBODY, place.owner ?? NOBODY)
    if (!isHere) throw parts.damaged('a piece of another place than comes next')
    await sink.piece(piece)
    walk.take(piece)
  }
  for (let want = walk.code(); want !== null; want = walk.code()) {
    const bytes = await parts.next()
    if (!walk.takeCode(bytes)) throw parts.damaged(`it should be the code ${bytesToHex(want)}`)
    await sink.code(bytes, want)
  }
  await parts.end()
  const { head } = parts
  for (const what of ['pieces', 'accounts', 'slots', 'codes'] as const)
    if (head[what] !== walk.counts[what])
      throw parts.damaged(`its head says ${head[what]} ${what}, and it holds ${walk.counts[what]}`)
}
const NOBODY = new Uint8Array(0)

class PartReader {
  readonly head: SnapshotHead
  readonly #stream: ByteStream
  readonly #hash = createHash('sha256')
  /** Where the part begins that was read last. */
  #at = SNAPSHOT_HEAD_BYTES

  constructor(stream: ByteStream, head: SnapshotHead) {
    this.#stream = stream
    this.head = head
  }

  get name(): string {
    return this.#stream.name
  }
  damaged(reason: string): NodeError {
    return new NodeError(SnapshotFileErrors.DAMAGED, { name: this.name, at: this.#at, reason })
  }
  /** What a part shows to be no honest one's is damage here; what is wrong with the reader's trust or clock is not. */
  judged<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      const isPart =
        cause instanceof NodeError &&
        (/^(CHUNK|PROOF|RLP|WIRE|BLOCK|VOTE)_/.test(cause.code) || FALSE_LIGHT.includes(cause.code))
      throw isPart ? this.damaged(cause.message) : cause
    }
  }

  async #bytes(sizeBytes: number): Promise<Uint8Array> {
    const bytes = await this.#stream.read(sizeBytes)
    if (bytes.length < sizeBytes) throw this.damaged('it ends too early')
    this.#hash.update(bytes)
    return bytes
  }
  async next(): Promise<Uint8Array> {
    this.#at = this.#stream.at
    const length = numberOf(await this.#bytes(4))
    const left = SNAPSHOT_HEAD_BYTES + this.head.sizeBytes - this.#stream.at
    if (length > Math.min(PART_BYTES_MAX, left))
      throw this.damaged(`a part of ${length} bytes, at most ${Math.min(PART_BYTES_MAX, left)}`)
    return this.#bytes(length)
  }
  async lit(): Promise<Lit> {
    const bytes = await this.next()
    const [lit] = this.judged(() => decodeLit(joinLit([bytes])))
    if (lit === undefined) throw this.damaged('a block is missing')
    return lit
  }
  /** Nothing follows, and all that came is what was written. */
  async end(): Promise<void> {
    this.#at = this.#stream.at
    if (this.#at !== SNAPSHOT_HEAD_BYTES + this.head.sizeBytes || (await this.#stream.read(1)).length > 0)
      throw this.damaged(`the state ends here, and its head says ${this.head.sizeBytes} bytes, or more follow`)
    if (!equalBytes(this.#hash.digest(), this.head.digest)) throw this.damaged('it does not have its digest')
  }
}
const FALSE_LIGHT: readonly string[] = [
  ...[LightErrors.BLOCK.code, LightErrors.CERTIFICATE.code, LightErrors.VALIDATORS.code],
  ...[LightErrors.ORDER.code, LightErrors.EPOCH.code],
]
