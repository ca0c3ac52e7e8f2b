// Values that remember: a key holds its newest version, older ones lie beside it, found by key and height in O(log n) single
// gets. Reads never iterate, because they may not wait. Each version knows its predecessor and one far ancestor (a jump pointer,
// as in skew-binary lists). Owns the layout of both tables; what a value means is its user's.
import { concat } from '../base/bytes.ts'
import { assert } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'
import { corrupt, SEAL_BYTES, sealInto, unseal } from './seal.ts'

/** One version. `value` null: nothing was there from this height on. */
export interface Version {
  readonly height: number
  readonly value: Uint8Array | null
  /** How many versions came before it. */
  readonly ordinal: number
  readonly previous: Link | null
  readonly jump: Link | null
  /** The jump's own jump, so that the next version needs no read to choose its own. */
  readonly jumpJump: Link | null
}
interface Link {
  readonly height: number
  readonly ordinal: number
}

const LINK_BYTES = 10
/** height 6, ordinal 4, three links, one flag. */
const HEAD_BYTES = LINK_BYTES * 4 + 1
const NONE = 0xffffffff

/** Byte by byte: a view for each of some hundred thousand versions of a block would cost more than what it writes. */
const writeUint32 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}
const writeHeight = (out: Uint8Array, at: number, height: number): void => {
  const high = Math.floor(height / 2 ** 32)
  out[at] = high >>> 8
  out[at + 1] = high
  writeUint32(out, at + 2, height % 2 ** 32)
}
const writeLink = (out: Uint8Array, at: number, link: Link | null): void => {
  writeUint32(out, at, link === null ? NONE : link.ordinal)
  writeHeight(out, at + 4, link === null ? 0 : link.height)
}
const readLink = (view: DataView, at: number): Link | null => {
  const ordinal = view.getUint32(at)
  return ordinal === NONE ? null : { ordinal, height: view.getUint16(at + 4) * 2 ** 32 + view.getUint32(at + 6) }
}

/**
 * Where the bytes of blocks' writes lie, in a few large buffers: an allocation for each of some hundred thousand keys and values stops
 * the process for a third of a second when they are collected. An empty block fills a tenth of one, and leaves the rest to the next.
 */
export class Slabs {
  #slab = new Uint8Array(0)
  #used = 0
  /** Zeros. Alive as long as any other of its slab, so nothing that is kept may be in here. */
  alloc(sizeBytes: number): Uint8Array {
    if (this.#used + sizeBytes > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(SLAB_BYTES, sizeBytes))
      this.#used = 0
    }
    const from = this.#used
    this.#used += sizeBytes
    return this.#slab.subarray(from, this.#used)
  }
}
const SLAB_BYTES = 65_536

/** Writes of one block. */
export interface WriteBuffer {
  readonly writes: KvWrite[]
  readonly slabs: Slabs
}

/** The version as it is stored under `key`, sealed. */
const encode = (key: Uint8Array, version: Version, buffer: WriteBuffer): Uint8Array => {
  const { value } = version
  const out = buffer.slabs.alloc(HEAD_BYTES + (value?.length ?? 0) + SEAL_BYTES)
  writeLink(out, 0, version)
  writeLink(out, LINK_BYTES, version.previous)
  writeLink(out, LINK_BYTES * 2, version.jump)
  writeLink(out, LINK_BYTES * 3, version.jumpJump)
  out[HEAD_BYTES - 1] = value === null ? 0 : 1
  if (value !== null) out.set(value, HEAD_BYTES)
  return sealInto(key, out)
}

const decode = (table: string, key: Uint8Array, sealed: Uint8Array): Version => {
  const bytes = unseal(table, key, sealed)
  const flag = bytes[HEAD_BYTES - 1]
  if (flag === undefined || flag > 1 || (flag === 0 && bytes.length > HEAD_BYTES))
    throw corrupt(table, key, 'it is no version of a value')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const self = readLink(view, 0)
  if (self === null) throw corrupt(table, key, 'it has no height')
  return {
    ...self,
    value: flag === 0 ? null : bytes.subarray(HEAD_BYTES),
    previous: readLink(view, LINK_BYTES),
    jump: readLink(view, LINK_BYTES * 2),
    jumpJump: readLink(view, LINK_BYTES * 3),
  }
}

/** A link and not the version, which would keep every older value in memory. */
const linkTo = ({ height, ordinal }: Version): Link => ({ height, ordinal })

/** A table of versioned values under one prefix byte; its history lies under another. */
export interface VersionTable {
  /** The newest version, which may say that nothing is there. */
  newest(key: Uint8Array): Version | null
  /** The value after block `height`; null where nothing was. */
  at(key: Uint8Array, height: number): Uint8Array | null
  /** Adds to `out` what makes `value` the version of `height` on top of `before`, the newest one; answers that version. */
  put(key: Uint8Array, height: number, value: Uint8Array | null, before: Version | null, out: WriteBuffer): Version
  /**
   * The writes that forget what `key`, whose newest version is `head`, was before its version of `height`, which followed one of
   * `previous` or none; and the key where that says nothing.
   */
  pruneWrites(key: Uint8Array, height: number, previous: number | null, head: Version | null): KvWrite[]
  /** The stored key of the newest version, for iteration. */
  stored(key: Uint8Array): Uint8Array
  decode(stored: Uint8Array, sealed: Uint8Array): Version
}

export function openVersionTable(
  kv: Kv,
  options: { readonly name: string; readonly prefix: number; readonly historyPrefix: number },
): VersionTable {
  const { name } = options
  const prefix = Uint8Array.of(options.prefix)
  const stored = (key: Uint8Array): Uint8Array => concat(prefix, key)
  const past = (key: Uint8Array, height: number, out: Uint8Array = new Uint8Array(key.length + 7)): Uint8Array => {
    out[0] = options.historyPrefix
    out.set(key, 1)
    writeHeight(out, key.length + 1, height)
    return out
  }

  const newest = (key: Uint8Array): Version | null => {
    const at = stored(key)
    const sealed = kv.get(at)
    return sealed === undefined ? null : decode(name, at, sealed)
  }
  const version = (key: Uint8Array, height: number): Version => {
    const at = past(key, height)
    const sealed = kv.get(at)
    if (sealed === undefined) throw corrupt(name, at, 'the version that a newer one names is missing')
    return decode(name, at, sealed)
  }

  return {
    newest,
    stored,
    decode: (key, sealed) => decode(name, key, sealed),
    at(key, height) {
      let current = newest(key)
      while (current !== null && current.height > height) {
        const link: Link | null =
          current.jump !== null && current.jump.height > height ? current.jump : current.previous
        if (link === null) return null
        assert(link.height < current.height, 'versions go back in height')
        current = version(key, link.height)
      }
      return current?.value ?? null
    },
    put(key, height, value, before, out) {
      const at = out.slabs.alloc(key.length + 1)
      at[0] = options.prefix
      at.set(key, 1)
      assert(before === null || before.height < height, 'one version per height')
      const made: Version =
        before === null
          ? { height, value, ordinal: 0, previous: null, jump: null, jumpJump: null }
          : { height, value, ordinal: before.ordinal + 1, previous: linkTo(before), ...jumpAfter(key, before) }
      out.writes.push({ key: at, value: encode(at, made, out) })
      if (before !== null) {
        const old = past(key, before.height, out.slabs.alloc(key.length + 7))
        out.writes.push({ key: old, value: encode(old, before, out) })
      }
      return made
    },
    pruneWrites(key, height, previous, head) {
      if (head === null) return []
      const writes: KvWrite[] = []
      if (previous !== null) writes.push({ key: past(key, previous), value: null })
      if (head.value === null && head.height === height) writes.push({ key: stored(key), value: null })
      return writes
    },
  }

  /** Skew-binary: where the last two jumps spanned the same, the next spans both and one more. */
  function jumpAfter(key: Uint8Array, before: Version): Pick<Version, 'jump' | 'jumpJump'> {
    const { jump, jumpJump } = before
    if (jump !== null && jumpJump !== null && before.ordinal - jump.ordinal === jump.ordinal - jumpJump.ordinal)
      return { jump: jumpJump, jumpJump: jumpOf(key, jumpJump) }
    return { jump: linkTo(before), jumpJump: jump }
  }

  /** A version below the pruned heights has no jump any more, and nobody will look below it. */
  function jumpOf(key: Uint8Array, link: Link): Link | null {
    const at = past(key, link.height)
    const sealed = kv.get(at)
    return sealed === undefined ? null : decode(name, at, sealed).jump
  }
}
