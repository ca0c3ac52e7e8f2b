// The signer's record: what a key signed last, as a file. Owns its format, its writing, whole and synced or not at all, and what is believed
// of one that is read; which of two counts, and what may be signed over it, is the signer's (`signer.ts`).
import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  decodeMessage,
  type Entry,
  encodeMessage,
  isSignedMessage,
  type Message,
  type Signed,
  type SignRecord,
  signedPart,
  stepOf,
} from '../chain/types/message.ts'
import { type Domain, decodeQc, encodeQc, signBytes } from '../chain/types/vote.ts'

export const RecordErrors = defineErrors('SIGNER', {
  RECORD: {
    text: (d: { file: string; reason: string }) =>
      `the signer record ${d.file} ${d.reason}. Fix what hinders it, or put the latest copy back. If it is gone for good, move it away and ` +
      'start: the node follows the chain without signing and says how to go on',
  },
})

/** Where the record is kept. */
export interface RecordFile {
  readonly name: string
  /** null where there is none. */
  read(): Promise<string | null>
  /** Whole and on disk when this returns, or the old one still. */
  replace(text: string): Promise<void>
}

/** What is on record of a key in a network. */
export interface Kept {
  readonly record: SignRecord
  /** Round of the last COMMIT at this height. */
  readonly lockRound: number | null
}
/** Whose record it is. */
export interface Owner {
  readonly publicKey: Uint8Array
  readonly domain: Domain
}

/** null where there is none. Throws SIGNER_RECORD where it is damaged, or of another network or key. */
export async function readRecord(file: RecordFile, owner: Owner): Promise<Kept | null> {
  const text = await file.read()
  return text === null ? null : parseRecord(text, file.name, owner)
}

/** Throws as `readRecord`. */
export function parseRecord(text: string, name: string, { publicKey, domain }: Owner): Kept {
  const refuse = (reason: string) => new NodeError(RecordErrors.RECORD, { file: name, reason })
  const json = parseObject(text)
  if (json === null) throw refuse('is no JSON object')
  const owner = namesOf({ publicKey, domain })
  for (const [field, what] of [['genesisHash', 'network'] as const, ['publicKey', 'key'] as const])
    if (json[field] !== owner[field])
      throw refuse(`is of the ${what} ${String(json[field] ?? '?')}, not ${owner[field]}`)
  const message = decoded(json.message, decodeMessage)
  if (message === null || !isSignedMessage(message)) throw refuse('has no signed message')
  const at = stepOf(message)
  if (at.height !== json.h || at.round !== json.r || at.step !== json.step)
    throw refuse('names another height, round or step than its message')
  if (!isSignedBy(message, publicKey, domain)) throw refuse('holds a signature that does not verify')
  const { lockRound } = json
  if (lockRound !== null && !isRound(lockRound)) throw refuse('has a bad lockRound')
  const highQc = json.highQC === null ? null : decoded(json.highQC, decodeQc)
  const entry = json.entry === null ? null : entryOf(decoded(json.entry, decodeMessage))
  if ((json.highQC !== null && highQc === null) || (json.entry !== null && entry === null))
    throw refuse('has a certificate that does not decode')
  return { record: { ...at, message, highQc, entry }, lockRound }
}

const isRound = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const parseObject = (text: string): Record<string, unknown> | null => {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? { ...json } : null
  } catch {
    return null
  }
}
const decoded = <T>(hex: unknown, decode: (bytes: Uint8Array) => T): T | null => {
  if (typeof hex !== 'string' || !/^0x([0-9a-f]{2})+$/.test(hex)) return null
  try {
    return decode(hexToBytes(hex))
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}
const entryOf = (message: Message | null): Entry | null =>
  message?.kind === 'tc' || message?.kind === 'qc' ? message : null

/** Whoever made it in whatever set, the key alone says whose it is. */
export const isSignedBy = (message: Signed, publicKey: Uint8Array, domain: Domain): boolean => {
  const { type, payload } = signedPart(message)
  return curves().blsVerify([publicKey], signBytes(domain, type, payload), signatureOf(message))
}

export const signatureOf = (message: Signed): Uint8Array => {
  switch (message.kind) {
    case 'proposal':
      return message.proposal.signature
    case 'vote':
      return message.vote.signature
    case 'timeout':
      return message.timeout.signature
  }
}

const namesOf = ({ publicKey, domain }: Owner) => ({
  genesisHash: bytesToHex(domain.genesisHash),
  publicKey: bytesToHex(publicKey),
})

/** One line of JSON: what `parseRecord` reads. */
export function renderRecord({ record, lockRound }: Kept, owner: Owner): string {
  const { height, round, step, message, highQc, entry } = record
  const text = JSON.stringify({
    ...namesOf(owner),
    h: height,
    r: round,
    step,
    message: bytesToHex(encodeMessage(message)),
    lockRound,
    highQC: highQc === null ? null : bytesToHex(encodeQc(highQc)),
    entry: entry === null ? null : bytesToHex(encodeMessage(entry)),
  })
  return `${text}\n`
}

/** On disk: a new file, synced, takes the old one's name, and the folder is synced too. Throws SIGNER_RECORD. */
export function openRecordFile(path: string): RecordFile {
  const refuse = (what: string, cause: unknown) => {
    const reason = `cannot be ${what} (${cause instanceof Error ? cause.message : String(cause)})`
    return new NodeError(RecordErrors.RECORD, { file: path, reason }, { cause })
  }
  return {
    name: path,
    read: () =>
      readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw refuse('read', error)
      }),
    async replace(text) {
      try {
        await writeSynced(`${path}.new`, text)
        await rename(`${path}.new`, path)
        await withHandle(dirname(path), 'r', (folder) => folder.sync())
      } catch (cause) {
        throw refuse('written', cause)
      }
    },
  }
}

const writeSynced = (path: string, text: string): Promise<void> =>
  withHandle(path, 'w', async (file) => {
    await file.writeFile(text)
    await file.sync()
  })
const withHandle = async (path: string, flags: string, work: (file: FileHandle) => Promise<void>): Promise<void> => {
  const handle = await open(path, flags, 0o600)
  try {
    await work(handle)
  } finally {
    await handle.close()
  }
}
