// What the chain needs of content: an index over the logs of `audit`, kept beside the content. Owns which digest is some VM's newest state,
// and at which height each was needed last. Logs are final, so what was read once is never read again.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Address,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  concat,
  equalBytes,
  type Hex,
  hexToBytes,
} from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Kv, KvWrite } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { abi } from '../chain/native/audit/abi.ts'
import { decodeEvent } from '../chain/native/kit/abi.ts'
import { openKv } from '../chain/store/kv.ts'
import type { FoundLog } from '../chain/types/query.ts'

/** Heights of which logs are read at a time, and how many logs of them; half as many heights where there are more. */
const HEIGHTS = 1_000
const LOGS_MAX = 20_000
const HEIGHT_KEY = Uint8Array.of(0x68)
/** Newest digest of a VM, by its id. */
const vmKey = (id: Uint8Array): Uint8Array => concat(Uint8Array.of(0x76), id)
/** Of a digest: how many VMs have it as their newest, and the height at which it was last needed. */
const digestKey = (digest: Uint8Array): Uint8Array => concat(Uint8Array.of(0x64), digest)

interface Need {
  readonly newestOf: bigint
  readonly last: bigint
}
const encodeNeed = ({ newestOf, last }: Need): Uint8Array => concat(bigintToFixed(newestOf, 8), bigintToFixed(last, 8))
const decodeNeed = (bytes: Uint8Array): Need => ({
  newestOf: bytesToBigint(bytes.subarray(0, 8)),
  last: bytesToBigint(bytes.subarray(8)),
})

export interface References {
  /** Reads on to the head. */
  update(): Promise<void>
  /** `newest`: some VM is in this state. `kept`: it was, or an audit entry names it, within the last `retentionBlocks`. */
  need(digest: Uint8Array, retentionBlocks: number): 'newest' | 'kept' | 'past' | 'never'
  close(): Promise<void>
}

/** Digests that are some VM's newest state, as far as a stopped node read its chain; null where it read none. */
export async function newestDigests(
  dir: string,
): Promise<{ readonly height: number; readonly digests: readonly Uint8Array[] } | null> {
  if (!existsSync(join(dir, 'references'))) return null
  const kv = await openKv(join(dir, 'references'), { pause: nextTurn })
  try {
    const height = kv.get(HEIGHT_KEY)
    if (height === undefined) return null
    const digests: Uint8Array[] = []
    const [from, to] = [digestKey(new Uint8Array(0)), Uint8Array.of(0x65)]
    for await (const [key, need] of kv.entries(from, to)) if (decodeNeed(need).newestOf > 0n) digests.push(key.slice(1))
    return { height: Number(bytesToBigint(height)), digests }
  } finally {
    await kv.close()
  }
}

export async function openReferences(chain: Chain, audit: Address, dir: string): Promise<References> {
  return createReferences(chain, audit, await openKv(join(dir, 'references'), { pause: nextTurn }))
}

export function createReferences(chain: Chain, audit: Address, kv: Kv): References {
  const height = (): number => {
    const found = kv.get(HEIGHT_KEY)
    return found === undefined ? 0 : Number(bytesToBigint(found))
  }
  const read = async (from: number, to: number): Promise<readonly FoundLog[] | null> =>
    chain.logs({ from, to, addresses: [audit], topics: [], resultsMax: LOGS_MAX }).catch((error: unknown) => {
      if (to > from && error instanceof NodeError && error.code === 'CHAIN_TOO_MANY_LOGS') return null
      throw error
    })
  return {
    async update() {
      const head = chain.head().header.number
      for (let from = height() + 1; from <= head; ) {
        let to = Math.min(head, from + HEIGHTS - 1)
        let logs = await read(from, to)
        while (logs === null) {
          to = from + Math.floor((to - from) / 2)
          logs = await read(from, to)
        }
        await kv.write([...folded(kv, logs), { key: HEIGHT_KEY, value: bigintToFixed(BigInt(to), 8) }])
        from = to + 1
      }
    },
    need(digest, retentionBlocks) {
      const found = kv.get(digestKey(digest))
      if (found === undefined) return 'never'
      const { newestOf, last } = decodeNeed(found)
      if (newestOf > 0n) return 'newest'
      return Number(last) + retentionBlocks >= chain.head().header.number ? 'kept' : 'past'
    },
    close: () => kv.close(),
  }
}

/** The writes that some logs, in their order, make of the index. */
const folded = (kv: Kv, logs: readonly FoundLog[]): readonly KvWrite[] => {
  const changed = new Map<Hex, Uint8Array>()
  const get = (key: Uint8Array): Uint8Array | undefined => changed.get(bytesToHex(key)) ?? kv.get(key)
  const touch = (digest: Uint8Array, height: number, more: bigint): void => {
    const key = digestKey(digest)
    const before = get(key)
    const { newestOf } = before === undefined ? { newestOf: 0n } : decodeNeed(before)
    changed.set(bytesToHex(key), encodeNeed({ newestOf: newestOf + more, last: BigInt(height) }))
  }
  for (const log of logs) {
    const [topic] = log.topics
    if (topic === undefined) continue
    if (bytesToHex(topic) === abi.events.Audited.topic)
      touch(decodeEvent(abi.events.Audited, log).contentDigest, log.height, 0n)
    else if (bytesToHex(topic) === abi.events.VmStateRecorded.topic) {
      const { vmId, contentDigest } = decodeEvent(abi.events.VmStateRecorded, log)
      const before = get(vmKey(vmId))
      if (before !== undefined && equalBytes(before, contentDigest)) continue
      if (before !== undefined) touch(before, log.height, -1n)
      touch(contentDigest, log.height, 1n)
      changed.set(bytesToHex(vmKey(vmId)), contentDigest)
    }
  }
  return [...changed].map(([key, value]) => ({ key: hexToBytes(key), value }))
}
