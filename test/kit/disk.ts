// A disk in memory under one node: store, log and signer's record, with what is synced told from what is not. Owns the moment of death:
// after so many writes nothing works any more, and what was not synced is lost.
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv, KvWrite } from '../../chain/base/ports.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import type { LogFile } from '../../chain/store/wal.ts'
import type { RecordFile } from '../../node/record.ts'

/** Thrown by every write after the moment of death. */
export const death = new NodeError({ code: 'TEST_DEATH', rpc: 0, text: () => 'dead' }, undefined)

export type Write = 'append' | 'sync' | 'truncate' | 'replace' | 'record' | 'store'

export interface Files {
  readonly kv: Kv
  readonly log: LogFile
  readonly record: RecordFile
  /** Of the key that is to take the place of the first. */
  readonly nextRecord: RecordFile
}

export class Disk {
  #kv = createMemoryKv()
  /** What was written, and how much of it is synced. */
  log = new Uint8Array(0)
  syncedBytes = 0
  record: string | null = null
  nextRecord: string | null = null
  /** Each record that was ever written, with what the log held synced at that moment. */
  readonly records: { readonly text: string; readonly log: Uint8Array }[] = []
  /** Every write, in order. */
  readonly writes: Write[] = []
  #left = Number.POSITIVE_INFINITY
  #life = 0
  /** Throws to refuse a write. */
  onWrite: (write: Write) => void = () => {}

  /** Power fails right after so many more writes. */
  dieAfter(writes: number): void {
    this.#left = writes
  }

  /** Power is back: what was not synced is gone but for so many bytes, and whoever had the files open has them no more. */
  crash(keptBytes = 0): void {
    this.#life++
    this.#left = Number.POSITIVE_INFINITY
    this.log = this.log.slice(0, this.syncedBytes + keptBytes)
    this.syncedBytes = this.log.length
  }

  lose(...what: readonly ('log' | 'record' | 'store')[]): void {
    if (what.includes('log')) this.log = new Uint8Array(0)
    if (what.includes('log')) this.syncedBytes = 0
    if (what.includes('record')) this.record = null
    if (what.includes('record')) this.nextRecord = null
    if (what.includes('store')) this.#kv = createMemoryKv()
  }

  /** A copy of this disk, as of now. */
  async copyTo(other: Disk): Promise<void> {
    const writes: KvWrite[] = []
    for await (const [key, value] of this.#kv.entries(new Uint8Array(0), new Uint8Array(64).fill(255)))
      writes.push({ key, value })
    await other.#kv.write(writes)
    other.log = this.log.slice()
    other.syncedBytes = this.syncedBytes
    other.record = this.record
    other.nextRecord = this.nextRecord
  }

  open(): Files {
    const life = this.#life
    const kv = this.#kv
    /** Does what is asked, and dies after the last write that is left. */
    const write = (kind: Write, work: () => void): void => {
      if (life !== this.#life || this.#left <= 0) throw death
      this.onWrite(kind)
      this.writes.push(kind)
      work()
      if (--this.#left <= 0) throw death
    }
    const sync = (): void => {
      this.syncedBytes = this.log.length
    }
    return {
      kv: {
        get: (key) => kv.get(key),
        async write(batch) {
          let done: Promise<void> = Promise.resolve()
          write('store', () => {
            done = kv.write(batch)
          })
          await done
        },
        entries: (from, to) => kv.entries(from, to),
        async close() {},
      },
      log: {
        name: 'consensus.wal',
        read: async () => this.log.slice(),
        append: async (bytes) => write('append', () => this.#append(bytes)),
        sync: async () => write('sync', sync),
        truncate: async (sizeBytes) =>
          write('truncate', () => {
            this.log = this.log.slice(0, sizeBytes)
          }),
        replace: async (bytes) =>
          write('replace', () => {
            this.log = bytes.slice()
            sync()
          }),
        async close() {},
      },
      record: {
        name: 'signer.json',
        read: async () => this.record,
        replace: async (text) =>
          write('record', () => {
            this.record = text
            this.records.push({ text, log: this.log.slice(0, this.syncedBytes) })
          }),
      },
      nextRecord: {
        name: 'signer-next.json',
        read: async () => this.nextRecord,
        replace: async (text) =>
          write('record', () => {
            this.nextRecord = text
          }),
      },
    }
  }

  #append(bytes: Uint8Array): void {
    const grown = new Uint8Array(this.log.length + bytes.length)
    grown.set(this.log)
    grown.set(bytes, this.log.length)
    this.log = grown
  }
}
