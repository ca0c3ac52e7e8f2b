// The validator's key and what it last signed. Owns the rule that nothing is signed twice: a record on disk, replaced atomically
// and synced before a signature leaves (consensus, section 5).
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asHash, bytesToHex, equalBytes, type Hash, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  type Domain,
  encodeQc,
  proposePayload,
  type Qc,
  randaoPayload,
  SignType,
  signBytes,
  votePayload,
} from '../chain/types/vote.ts'

export const SignerErrors = defineErrors('SIGNER', {
  REFUSED: {
    text: (d: { asked: string; last: string }) =>
      `refused to sign ${d.asked}: this key already signed ${d.last}; two signatures there would be slashed`,
  },
  RECORD: {
    text: (d: { file: string; reason: string }) =>
      `the signer record ${d.file} ${d.reason}. Restore it from the machine that signed last; a new one is safe only for a key that never signed`,
  },
})

/** In a round a validator signs in this order, each at most once. */
export const Step = { propose: 1, prepare: 2, commit: 3, timeout: 4 } as const
export type Step = (typeof Step)[keyof typeof Step]

export interface SignRequest {
  readonly step: typeof Step.propose | typeof Step.prepare | typeof Step.commit
  readonly height: number
  readonly round: number
  readonly blockHash: Hash
  /** The highest PREPARE certificate known; kept in the record. */
  readonly highQc?: Qc
}

interface Signed {
  readonly height: number
  readonly round: number
  readonly step: number
  readonly blockHash: Hash
  readonly signature: Uint8Array
}

export interface Signer {
  /** 48 bytes. */
  readonly publicKey: Uint8Array
  /** Signs once; asked again for the same it answers the same. Throws SIGNER_REFUSED for anything that would conflict. */
  sign(request: SignRequest): Promise<Uint8Array>
  /** The RANDAO reveal of a height is unique, so it needs no record. */
  reveal(height: number): Uint8Array
  last(): Signed | null
}

/** Loads the record beside the key, or begins one. Throws SIGNER_RECORD where it is damaged or of another network or key. */
export async function openSigner(file: string, secret: Uint8Array, domain: Domain): Promise<Signer> {
  const publicKey = curves().blsPublicKey(secret)
  const owner = { genesisHash: bytesToHex(domain.genesisHash), publicKey: bytesToHex(publicKey) }
  let { last, lockRound, highQc } = await readRecord(file, owner)
  const signAs = (type: SignType, payload: Uint8Array): Uint8Array =>
    curves().blsSign(secret, signBytes(domain, type, payload))

  let queue: Promise<unknown> = Promise.resolve()

  return {
    publicKey,
    last: () => last,
    reveal: (height) => signAs(SignType.randao, randaoPayload(height)),
    // One after another: two askers at once must not both pass the check before either is on disk.
    sign(request) {
      const turn = queue.then(() => signNext(request))
      queue = turn.catch(() => {})
      return turn
    },
  }

  async function signNext(request: SignRequest): Promise<Uint8Array> {
    const { step, height, round, blockHash } = request
    if (last !== null) {
      const order = compare([height, round, step], [last.height, last.round, last.step])
      if (order === 0 && equalBytes(blockHash, last.blockHash)) return last.signature
      if (order <= 0) {
        const asked = `step ${step} of height ${height} round ${round}`
        throw new NodeError(SignerErrors.REFUSED, {
          asked,
          last: `step ${last.step} of height ${last.height} round ${last.round}`,
        })
      }
    }
    const signature =
      step === Step.propose
        ? signAs(SignType.propose, proposePayload({ height, round, blockHash, justifyRound: null, tcHash: null }))
        : signAs(step === Step.prepare ? SignType.prepare : SignType.commit, votePayload(height, round, blockHash))
    if (last?.height !== height) lockRound = null
    if (step === Step.commit) lockRound = round
    if (request.highQc !== undefined) highQc = bytesToHex(encodeQc(request.highQc))
    const next: Signed = { height, round, step, blockHash, signature }
    await writeRecord(file, {
      ...owner,
      h: height,
      r: round,
      step,
      message: bytesToHex(blockHash),
      signature: bytesToHex(signature),
      lockRound,
      highQC: highQc,
      entry: null,
    })
    last = next
    return signature
  }
}

const compare = (a: readonly number[], b: readonly number[]): number => {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0
    if (x !== y) return x - y
  }
  return 0
}

interface SignerRecord {
  readonly genesisHash: string
  readonly publicKey: string
  readonly h: number
  readonly r: number
  readonly step: number
  /** The block that was signed. */
  readonly message: string
  readonly signature: string
  readonly lockRound: number | null
  readonly highQC: string | null
  /** What opened the round; null in round 0. */
  readonly entry: string | null
}

const parseRecord = (text: string): Partial<SignerRecord> | null => {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' ? json : null
  } catch {
    return null
  }
}

type Loaded = { last: Signed | null; lockRound: number | null; highQc: string | null }

const readRecord = async (
  file: string,
  owner: { readonly genesisHash: string; readonly publicKey: string },
): Promise<Loaded> => {
  const refuse = (reason: string) => new NodeError(SignerErrors.RECORD, { file, reason })
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw refuse(`cannot be read (${error.code ?? error.message})`)
  })
  if (text === null) return { last: null, lockRound: null, highQc: null }
  const record = parseRecord(text)
  if (record === null) throw refuse('is no JSON object')
  const { h, r, step, message, signature } = record
  if (record.genesisHash !== owner.genesisHash)
    throw refuse(`is of the network ${record.genesisHash ?? '?'}, not ${owner.genesisHash}`)
  if (record.publicKey !== owner.publicKey)
    throw refuse(`is of the key ${record.publicKey ?? '?'}, not ${owner.publicKey}`)
  const isCount = (value: unknown): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  const isHex = (value: unknown, sizeBytes: number): value is string =>
    typeof value === 'string' && new RegExp(`^0x[0-9a-f]{${2 * sizeBytes}}$`).test(value)
  if (!isCount(h) || !isCount(r) || !isCount(step)) throw refuse('has no height, round and step')
  if (!isHex(message, 32) || !isHex(signature, 96)) throw refuse('has no block and signature')
  return {
    last: { height: h, round: r, step, blockHash: asHash(hexToBytes(message)), signature: hexToBytes(signature) },
    lockRound: record.lockRound ?? null,
    highQc: record.highQC ?? null,
  }
}

/** Whole and on disk, or not at all: a new file, synced, takes the old one's name, and the folder is synced too. */
const writeRecord = async (file: string, record: SignerRecord): Promise<void> => {
  const fresh = `${file}.new`
  try {
    const handle = await open(fresh, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(record)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, file)
    const folder = await open(dirname(file), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (cause) {
    const reason = `cannot be written (${cause instanceof Error ? cause.message : String(cause)})`
    throw new NodeError(SignerErrors.RECORD, { file, reason }, { cause })
  }
}
