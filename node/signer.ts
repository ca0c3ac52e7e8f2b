// The validator's key and what it last signed. Owns the rule that nothing is signed twice: a record on disk, replaced atomically
// and synced before a signature leaves (consensus, section 5). Whoever serves `Signer` from another machine holds the record there.
import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Address, bytesToHex, equalBytes, type Hash, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  decodeMessage,
  type Entry,
  encodeMessage,
  type Message,
  type Signed,
  type SignRecord,
  signedPart,
  stepOf,
  type Unsigned,
  withSignature,
} from '../chain/types/message.ts'
import {
  attestPayload,
  type Domain,
  decodeQc,
  encodeQc,
  peerPayload,
  type Qc,
  randaoPayload,
  SignType,
  signBytes,
} from '../chain/types/vote.ts'

export const SignerErrors = defineErrors('SIGNER', {
  LOCK: {
    text: (d: { height: number; round: number; named: number | null; lock: number }) =>
      `refused to sign TIMEOUT of height ${d.height} round ${d.round} naming ${d.named ?? 'no certificate'}: this key signed ` +
      `COMMIT in round ${d.lock}, and the two together would be slashed; its record does not hold the certificate to go on with: report this`,
  },
  RECORD: {
    text: (d: { file: string; reason: string }) =>
      `the signer record ${d.file} ${d.reason}. Fix what hinders it, or put the latest copy back. If it is gone for good, move it away and ` +
      'start: the node follows the chain without signing and says how to go on',
  },
  UNREACHABLE: { text: (d: { reason: string }) => `the signer cannot be reached: ${d.reason}` },
})

/** What the engine wants signed, and what must be on record with it. */
export interface SignOrder {
  readonly message: Unsigned
  /** The highest PrepareQC known. */
  readonly highQc: Qc | null
  /** What opened the round. */
  readonly entry: Entry | null
}
export type SignAnswer =
  | { readonly kind: 'signed'; readonly message: Signed }
  /** It would go back, or conflict: the record says from where to go on. */
  | { readonly kind: 'refused'; readonly record: SignRecord }

/**
 * Whoever has a key and its record: this process, or another machine behind an adapter. What a validator may rely on, so that one
 * behind a network keeps to it too:
 * - Its record is synced before `sign` answers, and it applies the rules of `keepRecord` itself: it serves one key, whoever asks.
 * - Asked again for the same it answers the same. So a lost or late answer is asked for again, and two answers never differ.
 * - It answers in the order it is asked. An answer may take its time; the engine waits, and after a while asks again.
 * - Out of reach it throws SIGNER_UNREACHABLE: the validator is silent until it is back. Anything else that it throws stops the node.
 * - The adapter checks the signature it is handed. It can serve one process at a time: two would sign in turn, and both be refused.
 */
export interface Signer {
  /** 48 bytes. */
  readonly publicKey: Uint8Array
  /** Throws SIGNER_LOCK, SIGNER_UNREACHABLE and, where the disk fails, SIGNER_RECORD. */
  sign(order: SignOrder): Promise<SignAnswer>
  /** The RANDAO reveal of a height is unique, so it needs no record. Throws SIGNER_UNREACHABLE. */
  reveal(height: number): Promise<Uint8Array>
  /** Signs that this validator speaks through a peer. No vote has its type byte, so it needs no record either. */
  announce(peerId: string): Promise<Uint8Array>
  /** Signs that a vault on another chain sent a message. Never two things that exclude each other, so it needs no record. Throws SIGNER_UNREACHABLE. */
  attest(event: Attested): Promise<Uint8Array>
  /** The last signature and what came with it; null for a key that never signed here. Throws SIGNER_UNREACHABLE. */
  record(): Promise<SignRecord | null>
}

/** A message that left a vault in a block that is final on its chain. */
export interface Attested {
  readonly chain: bigint
  readonly vault: Address
  readonly id: Hash
}
export const attestDigest = (domain: Domain, { chain, vault, id }: Attested): Hash =>
  signBytes(domain, SignType.attest, attestPayload(chain, vault, id))

/** Where the record is kept. */
export interface RecordFile {
  readonly name: string
  /** null where there is none. */
  read(): Promise<string | null>
  /** Whole and on disk when this returns, or the old one still. */
  replace(text: string): Promise<void>
}

/** A key of this process with its record. Throws as `keepRecord`. */
export const openSigner = (file: RecordFile, secret: Uint8Array, domain: Domain): Promise<Signer> =>
  keepRecord(file, bareKey(secret, domain), domain)

/** Signs whatever it is asked: never without `keepRecord`. */
const bareKey = (secret: Uint8Array, domain: Domain): Signer => {
  const signAs = (type: SignType, payload: Uint8Array): Uint8Array =>
    curves().blsSign(secret, signBytes(domain, type, payload))
  return {
    publicKey: curves().blsPublicKey(secret),
    async sign({ message }) {
      const { type, payload } = signedPart(message)
      return { kind: 'signed', message: withSignature(message, signAs(type, payload)) }
    },
    reveal: async (height) => signAs(SignType.randao, randaoPayload(height)),
    announce: async (peerId) => signAs(SignType.peer, peerPayload(peerId)),
    attest: async (event) => curves().blsSign(secret, attestDigest(domain, event)),
    record: async () => null,
  }
}

/**
 * The rules of signing over a key: loads the record in this file, or begins one. Where the key keeps a record of its own, this is a
 * second copy and the higher one counts. Throws SIGNER_RECORD where it is damaged or of another network or key.
 */
export async function keepRecord(file: RecordFile, key: Signer, domain: Domain): Promise<Signer> {
  const owner: Owner = { genesisHash: bytesToHex(domain.genesisHash), publicKey: bytesToHex(key.publicKey) }
  let kept = higher(await readRecord(file, owner, domain), await key.record())
  let queue: Promise<unknown> = Promise.resolve()

  return {
    publicKey: key.publicKey,
    record: async () => kept?.record ?? null,
    reveal: (height) => key.reveal(height),
    announce: (peerId) => key.announce(peerId),
    attest: (event) => key.attest(event),
    // One after another: two askers at once must not both pass the check before either is on disk.
    sign(order) {
      const turn = queue.then(() => signNext(order))
      queue = turn.catch(() => {})
      return turn
    },
  }

  async function signNext(asked: SignOrder): Promise<SignAnswer> {
    const { message, highQc, entry } = asked
    const { payload } = signedPart(message)
    const at = stepOf(message)
    if (kept !== null) {
      const { record } = kept
      const order = orderOf(at, record)
      if (order === 0 && equalBytes(payload, signedPart(record.message).payload))
        return { kind: 'signed', message: record.message }
      if (order <= 0) return { kind: 'refused', record }
    }
    const lockBefore = kept?.record.height === at.height ? kept.lockRound : null
    if (message.kind === 'timeout' && !isAboveLock(message.timeout, lockBefore)) {
      // Whoever asks does not know the record, which holds the certificate that it must name.
      const isBelow = (message.timeout.hqcRound ?? -1) <= at.round
      if (isBelow && kept !== null && (kept.record.highQc?.round ?? -1) >= (lockBefore ?? 0))
        return { kind: 'refused', record: kept.record }
      const { height, round, hqcRound: named } = message.timeout
      throw new NodeError(SignerErrors.LOCK, { height, round, named, lock: lockBefore ?? -1 })
    }
    const answer = await key.sign(asked)
    if (answer.kind === 'refused') {
      kept = higher(kept, answer.record)
      return answer
    }
    const record = { ...at, message: answer.message, highQc, entry }
    const next = { record, lockRound: lockOf(record) ?? lockBefore }
    await writeRecord(file, owner, next)
    kept = next
    return answer
  }
}

const higher = (kept: Kept | null, other: SignRecord | null): Kept | null => {
  if (other === null || (kept !== null && orderOf(other, kept.record) <= 0)) return kept
  const lockBefore = kept?.record.height === other.height ? kept.lockRound : null
  return { record: other, lockRound: lockOf(other) ?? lockBefore }
}
const orderOf = (a: Step, b: Step): number => a.height - b.height || a.round - b.round || a.step - b.step
type Step = Pick<SignRecord, 'height' | 'round' | 'step'>
/** The round that a COMMIT locks. */
const lockOf = ({ message, round }: SignRecord): number | null =>
  message.kind === 'vote' && message.vote.type === 'commit' ? round : null

/** With this and the order of steps no offence of consensus, section 4, can be signed, whatever the engine asks. */
const isAboveLock = (
  { round, hqcRound }: { readonly round: number; readonly hqcRound: number | null },
  lock: number | null,
): boolean => (lock === null || (hqcRound ?? -1) >= lock) && (hqcRound ?? -1) <= round

interface Owner {
  readonly genesisHash: string
  readonly publicKey: string
}
interface Kept {
  readonly record: SignRecord
  /** Round of the last COMMIT at this height. */
  readonly lockRound: number | null
}

const readRecord = async (file: RecordFile, owner: Owner, domain: Domain): Promise<Kept | null> => {
  const refuse = (reason: string) => new NodeError(SignerErrors.RECORD, { file: file.name, reason })
  const text = await file.read()
  if (text === null) return null
  const json = parseObject(text)
  if (json === null) throw refuse('is no JSON object')
  for (const [field, what] of [['genesisHash', 'network'] as const, ['publicKey', 'key'] as const])
    if (json[field] !== owner[field])
      throw refuse(`is of the ${what} ${String(json[field] ?? '?')}, not ${owner[field]}`)
  const message = decoded(json.message, decodeMessage)
  if (message === null || message.kind === 'qc' || message.kind === 'tc' || message.kind === 'status')
    throw refuse('has no signed message')
  const at = stepOf(message)
  if (at.height !== json.h || at.round !== json.r || at.step !== json.step)
    throw refuse('names another height, round or step than its message')
  if (!isSignedBy(message, hexToBytes(owner.publicKey), domain)) throw refuse('holds a signature that does not verify')
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

const writeRecord = async (file: RecordFile, owner: Owner, { record, lockRound }: Kept): Promise<void> => {
  const { height, round, step, message, highQc, entry } = record
  const text = JSON.stringify({
    ...owner,
    h: height,
    r: round,
    step,
    message: bytesToHex(encodeMessage(message)),
    lockRound,
    highQC: highQc === null ? null : bytesToHex(encodeQc(highQc)),
    entry: entry === null ? null : bytesToHex(encodeMessage(entry)),
  })
  await file.replace(`${text}\n`)
}

/** On disk: a new file, synced, takes the old one's name, and the folder is synced too. Throws SIGNER_RECORD. */
export function openRecordFile(path: string): RecordFile {
  const refuse = (what: string, cause: unknown) => {
    const reason = `cannot be ${what} (${cause instanceof Error ? cause.message : String(cause)})`
    return new NodeError(SignerErrors.RECORD, { file: path, reason }, { cause })
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
