// Write-ahead log of consensus: framed, checksummed records, appended and synced. Owns the framing, the cut of a torn end and the
// refusal of damage anywhere else; what records mean is the engine's, but for the one that ends a height.
//
// Frame: payload length u32 ‖ type u8 ‖ CRC32C of these five u32 ‖ CRC32C of the payload, going on from the first, u32 ‖ payload.
// The header has its own checksum so that a length can be believed: a record that reaches past the end was being written.
import { defineErrors, NodeError } from '../base/errors.ts'
import { crc32c } from './crc32c.ts'

export const WalErrors = defineErrors('WAL', {
  CORRUPT: {
    text: (d: { name: string; at: number; next: number }) =>
      `the write-ahead log ${d.name} is damaged at byte ${d.at} and goes on at byte ${d.next}: a vote may be lost, so the ` +
      'node stops. Check the disk; to go on from committed blocks, move the file away: the signer record still guards against signing twice',
  },
  TOO_LARGE: {
    text: (d: { size: number; max: number }) => `a record of ${d.size} bytes is above the log's bound of ${d.max}`,
  },
  WRITE: {
    text: (d: { name: string; reason: string }) =>
      `cannot write the log ${d.name}: ${d.reason}; free space or fix permissions, then start again`,
  },
})

/** A file that only grows, but for cuts at its end. Opened by `openLogFile` of kv.ts on disk. */
export interface LogFile {
  readonly name: string
  read(): Promise<Uint8Array>
  append(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  /** Atomic and durable: afterwards the file holds these bytes, or still the old ones. */
  replace(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

export interface WalRecord {
  /** 0 to 254, the engine's choice. */
  readonly type: number
  readonly payload: Uint8Array
}

export interface Wal {
  /** The last height that ended, or null. */
  readonly height: number | null
  /** What was recorded after it, when the log was opened. */
  readonly records: readonly WalRecord[]
  /** Bytes of a record that was being written when the process died, cut off when the log was opened. */
  readonly cutBytes: number
  /** In call order. With `sync` it is on disk, and all before it, when this returns. */
  append(type: number, payload: Uint8Array, options: { readonly sync: boolean }): Promise<void>
  /** Returns when everything appended so far is on disk; free where it is already. */
  sync(): Promise<void>
  /** Records, synced, that a height is committed: nothing before it is ever replayed, so a grown file starts anew. */
  endHeight(height: number): Promise<void>
  close(): Promise<void>
}

export interface WalOptions {
  readonly recordMaxBytes?: number
  /** A height that ends beyond this size starts the file anew. */
  readonly rotateBytes?: number
}

/** Holds the largest block with room; a length above it was never written. */
const RECORD_MAX_BYTES = 64 * 1024 * 1024
const ROTATE_BYTES = 16 * 1024 * 1024
const HEADER_BYTES = 13
const END_HEIGHT = 255

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const encodeFrame = (type: number, payload: Uint8Array): Uint8Array => {
  const out = new Uint8Array(HEADER_BYTES + payload.length)
  const view = viewOf(out)
  view.setUint32(0, payload.length)
  out[4] = type
  const headerCrc = crc32c(out, 0, 5)
  view.setUint32(5, headerCrc)
  view.setUint32(9, crc32c(payload, 0, payload.length, headerCrc))
  out.set(payload, HEADER_BYTES)
  return out
}

type Frame = { readonly record: WalRecord; readonly end: number }

/** A whole record, one that the end of the file cuts, or damage. */
const frameAt = (bytes: Uint8Array, view: DataView, at: number): Frame | 'cut' | 'damaged' => {
  if (at + HEADER_BYTES > bytes.length) return 'cut'
  const headerCrc = view.getUint32(at + 5)
  if (crc32c(bytes, at, at + 5) !== headerCrc) return 'damaged'
  const end = at + HEADER_BYTES + view.getUint32(at)
  if (end > bytes.length) return 'cut'
  if (crc32c(bytes, at + HEADER_BYTES, end, headerCrc) !== view.getUint32(at + 9)) return 'damaged'
  return { record: { type: bytes[at + 4] as number, payload: bytes.slice(at + HEADER_BYTES, end) }, end }
}

/** Whole records from the start and where they end. Throws WAL_CORRUPT where a good record follows a bad one. */
const readFrames = (name: string, bytes: Uint8Array): { records: WalRecord[]; end: number } => {
  const view = viewOf(bytes)
  const records: WalRecord[] = []
  let at = 0
  while (at < bytes.length) {
    const frame = frameAt(bytes, view, at)
    if (frame === 'cut') break
    if (frame === 'damaged') {
      refuseDamage(name, bytes, view, at)
      break
    }
    records.push(frame.record)
    at = frame.end
  }
  return { records, end: at }
}

/** At the end of the file, damage is a write that lost power half-way; before a good record it is a broken disk. */
const refuseDamage = (name: string, bytes: Uint8Array, view: DataView, at: number): void => {
  for (let next = at + 1; next + HEADER_BYTES <= bytes.length; next++)
    if (typeof frameAt(bytes, view, next) !== 'string') throw new NodeError(WalErrors.CORRUPT, { name, at, next })
}

const heightBytes = (height: number): Uint8Array => {
  const out = new Uint8Array(8)
  viewOf(out).setBigUint64(0, BigInt(height))
  return out
}

/** Reads the log, cuts a torn end, and appends from there. Throws WAL_CORRUPT. */
export async function openWal(file: LogFile, options: WalOptions = {}): Promise<Wal> {
  const recordMaxBytes = options.recordMaxBytes ?? RECORD_MAX_BYTES
  const rotateBytes = options.rotateBytes ?? ROTATE_BYTES
  const bytes = await file.read()
  const { records, end } = readFrames(file.name, bytes)
  if (end < bytes.length) {
    await file.truncate(end)
    await file.sync()
  }
  const last = records.findLastIndex(({ type }) => type === END_HEIGHT)
  const ended = records[last]
  let sizeBytes = end
  let isDirty = false
  // One write at a time; after a failed one the file's end is unknown, so nothing may follow it.
  let queue: Promise<void> = Promise.resolve()
  const enqueue = (work: () => Promise<void>): Promise<void> => {
    const done = queue.then(work)
    queue = done
    // Whoever awaits `done` hears of the failure; the queue keeps it for those who come after.
    queue.catch(() => {})
    return done
  }
  const write = async (frame: Uint8Array, sync: boolean): Promise<void> => {
    await file.append(frame)
    sizeBytes += frame.length
    isDirty = true
    if (sync) await flush()
  }
  const flush = async (): Promise<void> => {
    if (isDirty) await file.sync()
    isDirty = false
  }
  return {
    height: ended === undefined ? null : Number(viewOf(ended.payload).getBigUint64(0)),
    records: records.slice(last + 1),
    cutBytes: bytes.length - end,
    async append(type, payload, { sync }) {
      if (payload.length > recordMaxBytes)
        throw new NodeError(WalErrors.TOO_LARGE, { size: payload.length, max: recordMaxBytes })
      if (!Number.isInteger(type) || type < 0 || type >= END_HEIGHT)
        throw new NodeError(WalErrors.WRITE, { name: file.name, reason: `${type} is no record type` })
      const frame = encodeFrame(type, payload)
      await enqueue(() => write(frame, sync))
    },
    sync: () => enqueue(flush),
    async endHeight(height) {
      const frame = encodeFrame(END_HEIGHT, heightBytes(height))
      await enqueue(async () => {
        if (sizeBytes + frame.length <= rotateBytes) return write(frame, true)
        await file.replace(frame)
        sizeBytes = frame.length
        isDirty = false
      })
    },
    async close() {
      await queue.catch(() => {})
      await file.close()
    },
  }
}
