// A store that can hold its writes: what is held is read at once and written later, in durable batches of many blocks, each while the
// next is being made. Owns the overlay; a crash leaves all of a batch or nothing of it.
import { compareBytes } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'

export interface StagedKv extends Kv {
  /** From here on `write` only remembers, and keeps the bytes it is given, until `release`. */
  hold(): void
  /** One batch with everything held so far; returns when it is on disk. What is written meanwhile is held for the next. One at a time. */
  flush(): Promise<void>
  /** Everything is flushed. */
  release(): void
}

export function createStagedKv(kv: Kv): StagedKv {
  // By Latin-1 strings of the keys; the last write of a key stands.
  let held = new Map<string, KvWrite>()
  /** On its way to the disk; after a failure it stays, for then nothing may follow. */
  let flushing = new Map<string, KvWrite>()
  let isHolding = false
  return {
    get(key) {
      if (held.size === 0 && flushing.size === 0) return kv.get(key)
      const name = nameOf(key)
      const found = held.get(name) ?? flushing.get(name)
      return found === undefined ? kv.get(key) : (found.value ?? undefined)
    },
    async write(batch) {
      if (!isHolding) return kv.write(batch)
      for (const write of batch) held.set(nameOf(write.key), write)
    },
    entries(from, to) {
      if (held.size === 0 && flushing.size === 0) return kv.entries(from, to)
      const inside = [...new Map([...flushing, ...held]).values()].filter(
        ({ key }) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0,
      )
      inside.sort((a, b) => compareBytes(a.key, b.key))
      return merged(kv.entries(from, to), inside)
    },
    hold() {
      assert(!isHolding, 'writes are held once at a time')
      isHolding = true
    },
    async flush() {
      assert(flushing.size === 0, 'batches are flushed one at a time')
      flushing = held
      held = new Map()
      await kv.write([...flushing.values()])
      flushing = new Map()
    },
    release() {
      assert(held.size === 0 && flushing.size === 0, 'what is held is flushed first')
      isHolding = false
    },
    close: () => kv.close(),
  }
}

/** `apply` takes any array-like, and is several times as fast as adding up; its type does not say so. */
const nameOf = (key: Uint8Array): string => String.fromCharCode.apply(null, key as unknown as number[])

async function* merged(stored: AsyncIterable<readonly [Uint8Array, Uint8Array]>, held: readonly KvWrite[]) {
  let at = 0
  /** Compared with a stored key: below 0, 0, or above it; above where nothing is left. */
  const orderTo = (key: Uint8Array): number => (at < held.length ? compareBytes((held[at] as KvWrite).key, key) : 1)
  const next = (): (readonly [Uint8Array, Uint8Array])[] => {
    const { key, value } = held[at++] as KvWrite
    return value === null ? [] : [[key, value]]
  }
  for await (const entry of stored) {
    while (orderTo(entry[0]) < 0) yield* next()
    if (orderTo(entry[0]) === 0) yield* next()
    else yield entry
  }
  while (at < held.length) yield* next()
}
