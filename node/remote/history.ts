// The signing history of keys as a file, to move a validator: EIP-3076 in shape. Where Ethereum lists what was signed, one entry says it
// all here, because what a key signs is in one order: its record, whole. Owns the format; an import raises records and lowers none.
import { join } from 'node:path'
import { bytesToHex, equalBytes, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import { signedPart } from '../../chain/types/message.ts'
import type { Domain } from '../../chain/types/vote.ts'
import { lockKey } from '../lock.ts'
import { type Kept, openRecordFile, parseRecord, readRecord, renderRecord } from '../record.ts'
import { raised } from '../signer.ts'
import { recordPath, recordsIn } from '../signers.ts'

export const HistoryErrors = defineErrors('HISTORY', {
  FORM: {
    text: (d: { file: string; reason: string }) =>
      `${d.file} is no signing history that this version reads: ${d.reason}`,
  },
  NETWORK: {
    text: (d: { file: string; have: string; want: string }) =>
      `${d.file} is of the network ${d.have}, and the folder of ${d.want}: nothing was imported`,
  },
  CONFLICT: {
    text: (d: { file: string; key: string; at: string }) =>
      `${d.file}: the key ${d.key} signed two things at ${d.at}, one here and one there: it ran in two places. Nothing was imported; do not start it`,
  },
})

const FORMAT = { interchange_format: 'novachain', interchange_format_version: '1' }
export const HISTORY_MAX_BYTES = 16 * 1024 * 1024
const KEYS_MAX = 64

/** Where a key stands, for people. */
export interface Standing {
  readonly key: Hex
  readonly height: number
  readonly round: number
  readonly step: number
}
const standingOf = (key: Uint8Array, { record: { height, round, step } }: Kept): Standing => ({
  ...{ key: bytesToHex(key), height, round, step },
})

/**
 * The records of a folder, of a node or a signer. Throws LOCK_HELD where a process signs with one of them: it would be old at once; and
 * SIGNER_RECORD.
 */
export async function exportHistory(
  dir: string,
  domain: Domain,
  log: Log,
): Promise<{ readonly text: string; readonly keys: readonly Standing[] }> {
  const data: object[] = []
  const keys: Standing[] = []
  for (const name of recordsIn(dir)) {
    const path = join(dir, name)
    await locked(path, log, async () => {
      const text = (await openRecordFile(path).read()) ?? ''
      const owner = { publicKey: keyNamed(text), domain }
      const kept = parseRecord(text, path, owner)
      const { genesisHash: _, publicKey: pubkey, ...last_signed } = JSON.parse(text)
      data.push({ pubkey, last_signed })
      keys.push(standingOf(owner.publicKey, kept))
    })
  }
  const metadata = { ...FORMAT, chain_id: String(domain.chainId), genesis_hash: bytesToHex(domain.genesisHash) }
  return { text: `${JSON.stringify({ metadata, data }, null, 2)}\n`, keys }
}
/** A file that is none is refused where it is parsed. */
const keyNamed = (text: string): Uint8Array => {
  try {
    return keyIn(JSON.parse(text).publicKey) ?? new Uint8Array(48)
  } catch {
    return new Uint8Array(48)
  }
}
const keyIn = (value: unknown): Uint8Array | null =>
  typeof value === 'string' && /^0x[0-9a-f]{96}$/.test(value) ? hexToBytes(value) : null

const locked = async <T>(path: string, log: Log, work: () => Promise<T>): Promise<T> => {
  const giveBack = await lockKey(path, log)
  try {
    return await work()
  } finally {
    await giveBack()
  }
}

/** Nothing is written unless all of it may be. Throws HISTORY_*, SIGNER_RECORD and LOCK_HELD; answers where each key stands now. */
export async function importHistory(
  dir: string,
  domain: Domain,
  { text, file }: { readonly text: string; readonly file: string },
  log: Log,
): Promise<readonly (Standing & { readonly changed: boolean })[]> {
  const entries = parseHistory(text, file, domain)
  const done: (Standing & { readonly changed: boolean })[] = []
  const write = async (rest: readonly Entry[], writes: readonly (() => Promise<void>)[]): Promise<void> => {
    const [entry, ...others] = rest
    if (entry === undefined) {
      for (const each of writes) await each()
      return
    }
    const { publicKey, kept } = entry
    const path = recordPath(dir, publicKey)
    await locked(path, log, async () => {
      const record = openRecordFile(path)
      const owner = { publicKey, domain }
      const here = await readRecord(record, owner)
      if (here !== null) refuseConflict(here, entry, file)
      const next = raised(here, kept)
      const changed = here === null || renderRecord(here, owner) !== renderRecord(next, owner)
      done.push({ ...standingOf(publicKey, next), changed })
      await write(others, changed ? [...writes, () => record.replace(renderRecord(next, owner))] : writes)
    })
  }
  await write(entries, [])
  return done
}

interface Entry {
  readonly publicKey: Uint8Array
  readonly kept: Kept
}

const refuseConflict = (here: Kept, { publicKey, kept }: Entry, file: string): void => {
  const [a, b] = [here.record, kept.record]
  if (a.height !== b.height || a.round !== b.round || a.step !== b.step) return
  if (equalBytes(signedPart(a.message).payload, signedPart(b.message).payload)) return
  const at = `height ${a.height} round ${a.round} step ${a.step}`
  throw new NodeError(HistoryErrors.CONFLICT, { file, key: bytesToHex(publicKey), at })
}

const parseHistory = (text: string, file: string, domain: Domain): readonly Entry[] => {
  const refuse = (reason: string) => new NodeError(HistoryErrors.FORM, { file, reason })
  const top = objectIn(parsed(text))
  if (top === null) throw refuse('it is no JSON object')
  const metadata = objectIn(top.metadata)
  if (metadata === null) throw refuse('metadata: expected an object')
  for (const [field, want] of Object.entries(FORMAT))
    if (metadata[field] !== want) throw refuse(`metadata.${field}: ${shown(metadata[field])}, expected "${want}"`)
  const want = `${domain.chainId} ${bytesToHex(domain.genesisHash)}`
  const have = `${String(metadata.chain_id)} ${String(metadata.genesis_hash)}`
  if (have !== want) throw new NodeError(HistoryErrors.NETWORK, { file, have, want })
  const { data } = top
  if (!Array.isArray(data) || data.length > KEYS_MAX) throw refuse(`data: expected a list of at most ${KEYS_MAX} keys`)
  const seen = new Set<string>()
  return data.map((item: unknown, i) => {
    const entry = objectIn(item)
    const publicKey = keyIn(entry?.pubkey)
    const last = objectIn(entry?.last_signed)
    if (publicKey === null || last === null)
      throw refuse(`data[${i}]: expected pubkey (0x and 96 hex digits) and last_signed`)
    const name = bytesToHex(publicKey)
    if (seen.has(name)) throw refuse(`data[${i}]: ${name} is there twice`)
    seen.add(name)
    const fields = { ...last, genesisHash: bytesToHex(domain.genesisHash), publicKey: name }
    try {
      return { publicKey, kept: parseRecord(JSON.stringify(fields), file, { publicKey, domain }) }
    } catch (error) {
      if (error instanceof NodeError) throw refuse(`data[${i}].last_signed: ${error.message.split('. ')[0]}`)
      throw error
    }
  })
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
const objectIn = (value: unknown): Record<string, unknown> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80)
