// What was signed at decided heights, and the evidence found in it. Owns three tables and their pruning: certificates for the window in
// which offences are punished, single votes of the last heights, evidence. What they prove is `types/evidence.ts`'s business.
import { concat } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'
import { asBytes, asList, decodeRlp, encodeRlp } from '../base/rlp.ts'
import {
  decodeEvidence,
  decodeTestimony,
  type Evidence,
  encodeEvidence,
  encodeTestimony,
  evidenceId,
  heightOfEvidence,
  type SignedAt,
  type Testimony,
} from '../types/evidence.ts'
import { corrupt, seal, unseal } from './seal.ts'

/** First bytes of keys, apart from those in `blocks.ts`, `logs.ts` and `state.ts`. */
const tables = { archive: 0x41, evidence: 0x45, votes: 0x56 } as const
type Table = keyof typeof tables

/** Heights below the last one whose single votes are kept; later ones are covered by certificates, or too late to matter. */
const VOTE_HEIGHTS = 2
/** Records dropped in one batch. */
const DROPS_MAX = 1_000

export interface Archive {
  at(height: number): SignedAt
  /** For the batch that commits `height`: what was signed there and before, and the votes that leave. */
  writes(height: number, signed: readonly SignedAt[]): KvWrite[]
  /** By itself: before blocks come that others decided. */
  keep(signed: readonly SignedAt[]): Promise<void>
  /** Drops the certificates below a height, and the votes that commits without `writes` left behind. */
  prune(of: { readonly head: number; readonly from: number }): Promise<void>
  /** All that is kept, ascending by height. */
  evidence(): Promise<readonly Evidence[]>
  change(of: { readonly keep: readonly Evidence[]; readonly drop: readonly Evidence[] }): Promise<void>
}

export function openArchive(kv: Kv): Archive {
  const read = (table: 'archive' | 'votes', height: number) => {
    const key = keyOf(table, height)
    const value = kv.get(key)
    if (value === undefined) return []
    const content = unseal(table, key, value)
    return decoded(table, key, () => asList(decodeRlp(content)).map((item) => decodeTestimony(asBytes(item))))
  }
  return {
    at: (height) => ({ height, certificates: read('archive', height), votes: read('votes', height) }),
    writes: (height, signed) => [...putsOf(signed), { key: keyOf('votes', height - VOTE_HEIGHTS), value: null }],
    async keep(signed) {
      const puts = putsOf(signed)
      if (puts.length > 0) await kv.write(puts)
    },
    async prune({ head, from }) {
      let drops: KvWrite[] = []
      const ends = { archive: from, votes: head - VOTE_HEIGHTS + 1 }
      for (const table of ['archive', 'votes'] as const)
        for await (const [key] of kv.entries(keyOf(table, 0), keyOf(table, ends[table]))) {
          drops.push({ key, value: null })
          if (drops.length < DROPS_MAX) continue
          await kv.write(drops)
          drops = []
        }
      if (drops.length > 0) await kv.write(drops)
    },
    async evidence() {
      const found: Evidence[] = []
      const [from, to] = [Uint8Array.of(tables.evidence), Uint8Array.of(tables.evidence + 1)]
      for await (const [key, value] of kv.entries(from, to)) {
        const content = unseal('evidence', key, value)
        found.push(decoded('evidence', key, () => decodeEvidence(content)))
      }
      return found
    },
    async change({ keep, drop }) {
      const puts = keep.map((evidence): KvWrite => {
        const key = evidenceKey(evidence)
        return { key, value: seal(key, encodeEvidence(evidence)) }
      })
      const writes = [...puts, ...drop.map((evidence) => ({ key: evidenceKey(evidence), value: null }))]
      if (writes.length > 0) await kv.write(writes)
    },
  }
}

const putsOf = (signed: readonly SignedAt[]): KvWrite[] =>
  signed.flatMap(({ height, certificates, votes }) => [
    ...putOf(keyOf('archive', height), certificates),
    ...putOf(keyOf('votes', height), votes),
  ])
const putOf = (key: Uint8Array, testimonies: readonly Testimony[]): KvWrite[] =>
  testimonies.length === 0 ? [] : [{ key, value: seal(key, encodeRlp(testimonies.map(encodeTestimony))) }]

const keyOf = (table: Table, height: number): Uint8Array => {
  const key = new Uint8Array(7)
  key[0] = tables[table]
  for (let i = 6, rest = Math.max(0, height); i > 0; i--, rest = Math.floor(rest / 256)) key[i] = rest & 255
  return key
}
const evidenceKey = (evidence: Evidence): Uint8Array =>
  concat(keyOf('evidence', heightOfEvidence(evidence)), evidenceId(evidence))

/** A checksum that fits and content that does not decode: our bug or a forged file; either way not served. */
const decoded = <T>(table: Table, key: Uint8Array, decode: () => T): T => {
  try {
    return decode()
  } catch (cause) {
    if (!(cause instanceof NodeError)) throw cause
    throw corrupt(table, key, cause.message)
  }
}
