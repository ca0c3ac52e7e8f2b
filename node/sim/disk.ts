// The disk of a simulated process: what is written survives a crash as far as it was synced, each operation takes its time, and the
// process may die before or after any of them. Owns the files' content; a life is one run of the process over it.
import { concat } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import type { LogFile } from '../../chain/store/wal.ts'
import type { RecordFile } from '../record.ts'
import type { Random } from './random.ts'

export const DiskErrors = defineErrors('DISK', {
  FULL: { text: (d: { what: string }) => `no space left on the simulated disk: ${d.what}` },
})

/** Where a process can die: before the operation, or after it and before it hears of it. */
export const CRASH_POINTS = ['log append', 'log sync', 'record', 'store', 'publish', 'request'] as const
export type CrashPoint = (typeof CRASH_POINTS)[number]

/** One run of the process. Nothing of it happens once it is dead: promises stay open, as if the power were gone. */
export interface Life {
  readonly isDead: boolean
  /** Counts an operation, and dies here if that is ordered. */
  step(point: CrashPoint): void
  after(ms: number, run: () => void): () => void
}

/** A new one each time: a promise keeps all who wait for it. */
const never = (): Promise<never> => new Promise(() => {})
const NOTHING = new Uint8Array(0)

export class Disk {
  readonly #random: Random
  #kv: Kv = createMemoryKv()
  /** By key of the node: the record as it is, and as it was first. */
  readonly #records: { now: string | null; first: string | null }[] = []
  #log: { readonly bytes: Uint8Array; readonly synced: number } = { bytes: NOTHING, synced: 0 }
  /** Milliseconds a sync takes at most. */
  syncMs = 2
  isFull = false

  constructor(random: Random) {
    this.#random = random
  }

  /** Power is gone: of what was not synced some prefix is there, torn anywhere. */
  crash(): void {
    const { bytes, synced } = this.#log
    const kept = synced + this.#random.below(bytes.length - synced + 1)
    this.#log = { bytes: bytes.slice(0, kept), synced: kept }
  }
  tamper(record: 'lost' | 'first'): void {
    for (const each of this.#records) each.now = record === 'lost' ? null : each.first
  }
  loseStore(): void {
    this.#kv = createMemoryKv()
  }
  loseLog(): void {
    this.#log = { bytes: NOTHING, synced: 0 }
  }

  /** An operation that may find the disk full, and may be the last of its process. */
  async #operate(life: Life, point: CrashPoint, change: () => void, isSlow: boolean): Promise<void> {
    if (life.isDead) return never()
    life.step(point)
    if (life.isDead) return never()
    if (this.isFull) throw new NodeError(DiskErrors.FULL, { what: point })
    if (isSlow) await new Promise<void>((resolve) => life.after(1 + this.#random.below(this.syncMs), resolve))
    change()
    life.step(point)
    return life.isDead ? never() : undefined
  }

  store(life: Life): Kv {
    return {
      get: (key) => this.#kv.get(key),
      entries: (from, to) => this.#kv.entries(from, to),
      write: (batch) => this.#operate(life, 'store', () => void this.#kv.write(batch), true),
      close: async () => {},
    }
  }

  /** `key`: which of the node's keys. */
  record(life: Life, key = 0): RecordFile {
    this.#records[key] ??= { now: null, first: null }
    const record = this.#records[key]
    return {
      name: `signer-${key}.json`,
      read: async () => record.now,
      replace: (text) =>
        this.#operate(
          life,
          'record',
          () => {
            record.now = text
            record.first ??= text
          },
          true,
        ),
    }
  }

  log(life: Life): LogFile {
    const set = (bytes: Uint8Array, synced: number): void => {
      this.#log = { bytes, synced }
    }
    return {
      name: 'consensus.wal',
      read: async () => this.#log.bytes,
      append: (bytes) =>
        this.#operate(life, 'log append', () => set(concat(this.#log.bytes, bytes), this.#log.synced), false),
      sync: () => this.#operate(life, 'log sync', () => set(this.#log.bytes, this.#log.bytes.length), true),
      truncate: (sizeBytes) =>
        this.#operate(life, 'log append', () => set(this.#log.bytes.slice(0, sizeBytes), sizeBytes), false),
      replace: (bytes) => this.#operate(life, 'log sync', () => set(bytes, bytes.length), true),
      close: async () => {},
    }
  }
}
