// What the deterministic machine needs from the world, as interfaces and nothing else.

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
}

/** Wakes its caller once, so many milliseconds from now, however `Clock` jumps meanwhile; the answer cancels. */
export interface Timers {
  after(ms: number, run: () => void): () => void
}

/** From 0 up to 1, for choices that no other node sees. */
export type Random = () => number

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Counter {
  add(count?: number, labels?: Readonly<Record<string, string>>): void
}
export interface Gauge {
  set(value: number, labels?: Readonly<Record<string, string>>): void
}
export interface Histogram {
  observe(value: number, labels?: Readonly<Record<string, string>>): void
}
/** Base units, unit in the name: `engine_commit_seconds`. */
export interface Meter {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  gauge(name: string, help: string, labels?: readonly string[]): Gauge
  histogram(name: string, help: string, labels?: readonly string[], buckets?: readonly number[]): Histogram
}

/** Lets timers and sockets run between slices of long work: `setImmediate` in the node, nothing in tests. */
export type Pause = () => Promise<void>

/** One write of a batch; `value` null deletes. */
export interface KvWrite {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

/** An ordered store of bytes. Reads never wait; writes are atomic, and durable before they return. */
export interface Kv {
  get(key: Uint8Array): Uint8Array | undefined
  /** Applies all writes or none, and returns when they are on disk; their bytes are the caller's again then. */
  write(batch: Iterable<KvWrite>): Promise<void>
  /** Entries with from <= key < to, ascending. */
  entries(from: Uint8Array, to: Uint8Array): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  close(): Promise<void>
}
