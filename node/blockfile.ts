// A file of final blocks: what one node exports and another imports. Owns its form and the refusal of whatever is cut, changed, or larger than it may
// be, before memory is spent on it. Nothing in it is believed: the chain judges each run by the certificate of its last block.
//
// Head: "NOVABLK1" ‖ genesis hash ‖ first height u48 ‖ last height u48 ‖ check. Then runs as peers send them, each of one epoch, one after the other:
// length of the run u32 ‖ its first height u48 ‖ count of its blocks u16 ‖ check of the run ‖ check of the 20 bytes before ‖ run.
import type { FileHandle } from 'node:fs/promises'
import { asHash, bigintToFixed, bytesToHex, bytesToNumber, concat, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Chain } from '../chain/chain.ts'
import { epochOf } from '../chain/types/validators.ts'
import { decodeRun, joinRun, type Run } from '../p2p/wire.ts'

export const BlockFileErrors = defineErrors('BLOCKFILE', {
  OTHER: { text: (d: { file: string }) => `${d.file} is no file of blocks: \`novachain export blocks\` makes one` },
  NETWORK: {
    text: (d: { file: string; have: string; want: string }) =>
      `${d.file} holds blocks of the network ${d.have}, this folder is of ${d.want}`,
  },
  DAMAGED: {
    text: (d: { file: string; at: number; reason: string }) =>
      `${d.file} is damaged at byte ${d.at}: ${d.reason}. Blocks before it are imported and stay; export the file again, and the same import goes on`,
  },
  GAP: {
    text: (d: { file: string; first: number; head: number }) =>
      `${d.file} goes on at block ${d.first}, and this folder ends at block ${d.head}: import the blocks between first`,
  },
  RANGE: {
    text: (d: { from: number; to: number; lowest: number; head: number }) =>
      `blocks ${d.from} to ${d.to} cannot be exported: this folder has blocks ${d.lowest} to ${d.head}`,
  },
})

const MAGIC = new TextEncoder().encode('NOVABLK1')
const CHECK_BYTES = 8
const HEAD_BYTES = MAGIC.length + 32 + 6 + 6 + CHECK_BYTES
const RUN_HEAD_BYTES = 4 + 6 + 2 + CHECK_BYTES + CHECK_BYTES
/** As peers answer: 2 MB, and one block more. */
const RUN_BYTES_MAX = 12 * 1024 * 1024
const RUN_BYTES = 2 * 1024 * 1024
const RUN_BLOCKS = 64

const uint = (value: number, sizeBytes: number): Uint8Array => bigintToFixed(BigInt(value), sizeBytes)
const numberAt = (bytes: Uint8Array, from: number, sizeBytes: number): number =>
  bytesToNumber(bytes.subarray(from, from + sizeBytes))
const checkOf = (bytes: Uint8Array): Uint8Array => keccak(bytes).slice(0, CHECK_BYTES)

interface Span {
  readonly from: number
  readonly to: number
}

/** Writes them; `onRun` hears the last height of each run. Throws BLOCKFILE_RANGE, STORE_*, and what the file's system says. */
export async function writeBlocks(
  file: FileHandle,
  chain: Chain,
  { from, to }: Span,
  onRun: (height: number) => void,
): Promise<void> {
  const [lowest, head] = [Math.max(1, chain.kept().bodies), chain.head().header.number]
  if (from < lowest || to > head || from > to) throw new NodeError(BlockFileErrors.RANGE, { from, to, lowest, head })
  const start = concat(MAGIC, chain.genesisHash, uint(from, 6), uint(to, 6))
  await file.writeFile(concat(start, checkOf(start)))
  for (let first = from; first <= to; ) {
    const last = Math.min(
      to,
      first + RUN_BLOCKS - 1,
      (epochOf(first, chain.genesis.epochBlocks) + 1) * chain.genesis.epochBlocks,
    )
    const blocks: Uint8Array[] = []
    for (let sizeBytes = 0; first + blocks.length <= last && sizeBytes < RUN_BYTES; ) {
      const block = chain.encoded(first + blocks.length)
      if (block === null) throw new NodeError(BlockFileErrors.RANGE, { from, to, lowest: chain.kept().bodies, head })
      sizeBytes += block.length
      blocks.push(block)
    }
    const run = joinRun(blocks, chain.commitOf(first + blocks.length - 1))
    const runHead = concat(uint(run.length, 4), uint(first, 6), uint(blocks.length, 2), checkOf(run))
    await file.writeFile(concat(runHead, checkOf(runHead), run))
    first += blocks.length
    onRun(first - 1)
  }
}

/** Where the file begins and ends, as its head says. Throws BLOCKFILE_OTHER, BLOCKFILE_NETWORK, BLOCKFILE_DAMAGED. */
export async function readSpan(file: FileHandle, name: string, genesisHash: Hash): Promise<Span> {
  const start = await readAt(file, 0, HEAD_BYTES)
  if (start === null || !equalBytes(start.subarray(0, MAGIC.length), MAGIC))
    throw new NodeError(BlockFileErrors.OTHER, { file: name })
  if (!equalBytes(checkOf(start.subarray(0, -CHECK_BYTES)), start.subarray(-CHECK_BYTES)))
    throw new NodeError(BlockFileErrors.DAMAGED, { file: name, at: 0, reason: 'its head does not have its checksum' })
  const have = asHash(start.slice(MAGIC.length, MAGIC.length + 32))
  if (!equalBytes(have, genesisHash))
    throw new NodeError(BlockFileErrors.NETWORK, { file: name, have: bytesToHex(have), want: bytesToHex(genesisHash) })
  return { from: numberAt(start, MAGIC.length + 32, 6), to: numberAt(start, MAGIC.length + 38, 6) }
}

/**
 * Appends what follows the head, run by run; what the chain has is passed over unread. `isWanted` false ends it between two runs. Throws
 * BLOCKFILE_*, and what the chain says of blocks that are not its own; whatever came before is on disk then.
 */
export async function appendBlocks(
  file: FileHandle,
  name: string,
  chain: Chain,
  options: { readonly onRun: (height: number) => void; readonly isWanted: () => boolean },
): Promise<void> {
  const { to } = await readSpan(file, name, chain.genesisHash)
  const damaged = (at: number, reason: string) => new NodeError(BlockFileErrors.DAMAGED, { file: name, at, reason })
  const headHeight = (): number => chain.head().header.number
  for (let at = HEAD_BYTES, next = 0; options.isWanted() && next <= to; ) {
    const runHead = await readAt(file, at, RUN_HEAD_BYTES)
    if (runHead === null) throw damaged(at, `it ends before block ${to}, which its head promises`)
    if (!equalBytes(checkOf(runHead.subarray(0, -CHECK_BYTES)), runHead.subarray(-CHECK_BYTES)))
      throw damaged(at, 'the head of a run does not have its checksum')
    const [length, first, count] = [numberAt(runHead, 0, 4), numberAt(runHead, 4, 6), numberAt(runHead, 10, 2)]
    if (length > RUN_BYTES_MAX) throw damaged(at, `a run of ${length} bytes, at most ${RUN_BYTES_MAX}`)
    if (count === 0 || count > RUN_BLOCKS) throw damaged(at, `a run of ${count} blocks, from 1 to ${RUN_BLOCKS}`)
    next = first + count
    if (next > headHeight() + 1) {
      if (first > headHeight() + 1) throw new NodeError(BlockFileErrors.GAP, { file: name, first, head: headHeight() })
      const bytes = await readAt(file, at + RUN_HEAD_BYTES, length)
      if (bytes === null) throw damaged(at, 'it ends within a run')
      if (!equalBytes(checkOf(bytes), runHead.subarray(12, 12 + CHECK_BYTES)))
        throw damaged(at, 'a run does not have its checksum')
      const run = runOf(bytes, { first, count }, (reason) => damaged(at, reason))
      const blocks = run.blocks.slice(headHeight() + 1 - first)
      if (run.commit !== null) await chain.append({ blocks, commit: run.commit })
      options.onRun(headHeight())
    }
    at += RUN_HEAD_BYTES + length
  }
}

const runOf = (
  bytes: Uint8Array,
  of: { readonly first: number; readonly count: number },
  damaged: (reason: string) => NodeError,
): Run => {
  const run = ((): Run => {
    try {
      return decodeRun(bytes)
    } catch (cause) {
      throw cause instanceof NodeError ? damaged(cause.message) : cause
    }
  })()
  const isAsSaid = run.blocks.length === of.count && run.blocks.every(({ header }, i) => header.number === of.first + i)
  if (!isAsSaid) throw damaged('a run holds other blocks than its head says')
  return run
}

/** null where the file ends before. */
const readAt = async (file: FileHandle, at: number, sizeBytes: number): Promise<Uint8Array | null> => {
  const bytes = new Uint8Array(sizeBytes)
  for (let done = 0; done < sizeBytes; ) {
    const { bytesRead } = await file.read(bytes, done, sizeBytes - done, at + done)
    if (bytesRead === 0) return null
    done += bytesRead
  }
  return bytes
}
