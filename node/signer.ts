// The validator's key and what it last signed. Owns the rule that nothing is signed twice: a record on disk, replaced atomically
// and synced before a signature leaves (consensus, section 5). Whoever serves `Signer` from another machine holds the record there.
import { type Address, equalBytes, type Hash } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import {
  type Entry,
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
  peerPayload,
  type Qc,
  randaoPayload,
  SignType,
  signBytes,
} from '../chain/types/vote.ts'
import { type Kept, type Owner, type RecordFile, readRecord, renderRecord } from './record.ts'

export const SignerErrors = defineErrors('SIGNER', {
  LOCK: {
    text: (d: { height: number; round: number; named: number | null; lock: number }) =>
      `refused to sign TIMEOUT of height ${d.height} round ${d.round} naming ${d.named ?? 'no certificate'}: this key signed ` +
      `COMMIT in round ${d.lock}, and the two together would be slashed; its record does not hold the certificate to go on with: report this`,
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
 * The rules of signing over a key: loads the record in this file, or begins one. Where the key keeps a record of its own, this is a second
 * copy: the higher one counts, and an answer does not wait for it, only the next one does. Throws SIGNER_RECORD where it is damaged or of another
 * network or key.
 */
export async function keepRecord(
  file: RecordFile,
  key: Signer,
  domain: Domain,
  is: 'record' | 'copy' = 'record',
): Promise<Signer> {
  const owner: Owner = { publicKey: key.publicKey, domain }
  let kept = higher(await readRecord(file, owner), await key.record())
  let queue: Promise<unknown> = Promise.resolve()
  let copied: Promise<void> = Promise.resolve()

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
    await copied
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
    const writing = file.replace(renderRecord(next, owner))
    if (is === 'record') await writing
    else {
      writing.catch(() => {}) // the next order throws it
      copied = writing
    }
    kept = next
    return answer
  }
}

const higher = (kept: Kept | null, other: SignRecord | null): Kept | null =>
  other === null ? kept : raised(kept, { record: other, lockRound: lockOf(other) })

/** Of two records of one key the higher one, with the higher lock of its height: nothing that either forbids is allowed. */
export function raised(kept: Kept | null, other: Kept): Kept {
  if (kept === null) return other
  const [high, low] = orderOf(other.record, kept.record) > 0 ? [other, kept] : [kept, other]
  const lowLock = low.record.height === high.record.height ? low.lockRound : null
  const lockRound = Math.max(high.lockRound ?? -1, lowLock ?? -1)
  return { record: high.record, lockRound: lockRound < 0 ? null : lockRound }
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
