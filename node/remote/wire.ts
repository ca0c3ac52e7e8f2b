// What a validator and its signer say to each other: frames of length u32 ‖ RLP, a question with a number and the answer that has the
// same. Owns the encoding and its bounds, and believes nothing that it decodes.
import { type Address, asAddress, asHash, type Hash } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import {
  asBigint,
  asBytes,
  asList,
  asNumber,
  asText,
  decodeSparseRlp,
  encodeRlp,
  type Rlp,
  rlpInt,
} from '../../chain/base/rlp.ts'
import {
  decodeMessage,
  type Entry,
  encodeMessage,
  isSignedMessage,
  type SignRecord,
  stepOf,
  withSignature,
} from '../../chain/types/message.ts'
import { type Domain, decodeQc, encodeQc, type Qc } from '../../chain/types/vote.ts'
import type { Attested, SignOrder } from '../signer.ts'

export const WireErrors = defineErrors('WIRE', {
  MALFORMED: {
    text: (d: { reason: string }) => `what came from the other side is no frame of this protocol: ${d.reason}`,
  },
})

const WIRE_VERSION = 1
/** A PROPOSE with the largest timeout certificates of 2,048 validators; the usual one has 1 KB. */
export const FRAME_MAX_BYTES = 3 * 1024 * 1024
const TEXT_MAX_BYTES = 1_024
const INSTANCE_BYTES = 16
/** The key that signs and the one that takes its place. */
export const KEYS_MAX = 2

/** `visit` asks for no vote: a command about a validator beside its node. */
export type Claim = 'visit' | 'hold' | 'takeOver'
const CLAIMS: readonly Claim[] = ['visit', 'hold', 'takeOver']

export type Question =
  | {
      readonly kind: 'hello'
      readonly domain: Domain
      /** 16 bytes by which the signer knows a process again; nobody else has them. */
      readonly instance: Uint8Array
      readonly claim: Claim
    }
  /** The lease goes on. */
  | { readonly kind: 'ping' }
  /** The lease ends: this process asks for no more signatures. */
  | { readonly kind: 'release' }
  | { readonly kind: 'record'; readonly key: Uint8Array }
  | { readonly kind: 'sign'; readonly key: Uint8Array; readonly order: SignOrder }
  | { readonly kind: 'reveal'; readonly key: Uint8Array; readonly height: number }
  | { readonly kind: 'announce'; readonly key: Uint8Array; readonly peerId: string }
  | { readonly kind: 'attest'; readonly key: Uint8Array; readonly event: Attested }
  | { readonly kind: 'own'; readonly key: Uint8Array; readonly operator: Address }
  | {
      readonly kind: 'ready'
      readonly key: Uint8Array
      readonly height: number
      readonly blockHash: Hash
      readonly operator: Address
    }
type QuestionKind = Question['kind']

export type Answer =
  | { readonly kind: 'done' }
  | { readonly kind: 'keys'; readonly keys: readonly Uint8Array[] }
  | { readonly kind: 'signature'; readonly signature: Uint8Array }
  /** To `record`, and to a `sign` that the record does not allow. */
  | { readonly kind: 'record'; readonly record: SignRecord | null }
  | { readonly kind: 'refused'; readonly fault: Fault; readonly text: string }
export type Fault = (typeof FAULTS)[number]
/** `lease`: another process has it. `record`: it cannot be written. `network`: another one, or another version. `lock`, `question`: not to be asked for. */
const FAULTS = ['lease', 'record', 'network', 'lock', 'question'] as const

const QUESTIONS: readonly QuestionKind[] = [
  ...(['hello', 'ping', 'release', 'record', 'sign', 'reveal', 'announce', 'attest', 'own', 'ready'] as const),
]
const ANSWERS: readonly Answer['kind'][] = ['done', 'keys', 'signature', 'record', 'refused']
const NONE = new Uint8Array(0)
const UNSIGNED = new Uint8Array(96)
const malformed = (reason: string) => new NodeError(WireErrors.MALFORMED, { reason })

const framed = (items: readonly Rlp[]): Uint8Array => {
  const body = encodeRlp(items)
  const frame = new Uint8Array(4 + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, 4)
  return frame
}

export const encodeQuestion = (id: number, question: Question): Uint8Array =>
  framed([rlpInt(id), rlpInt(QUESTIONS.indexOf(question.kind)), ...partsOf(question)])

const partsOf = (question: Question): Rlp[] => {
  switch (question.kind) {
    case 'hello': {
      const { domain, instance, claim } = question
      const network = [rlpInt(domain.chainId), domain.genesisHash]
      return [rlpInt(WIRE_VERSION), ...network, instance, rlpInt(CLAIMS.indexOf(claim))]
    }
    case 'ping':
    case 'release':
      return []
    case 'record':
      return [question.key]
    case 'sign': {
      const { message, highQc, entry } = question.order
      return [question.key, encodeMessage(withSignature(message, UNSIGNED)), qcPart(highQc), entryPart(entry)]
    }
    case 'reveal':
      return [question.key, rlpInt(question.height)]
    case 'announce':
      return [question.key, new TextEncoder().encode(question.peerId)]
    case 'attest':
      return [question.key, rlpInt(question.event.chain), question.event.vault, question.event.id]
    case 'own':
      return [question.key, question.operator]
    case 'ready':
      return [question.key, rlpInt(question.height), question.blockHash, question.operator]
  }
}

/** The number comes first, so that what is wrong with the rest can be answered. Throws WIRE_MALFORMED and what the parts throw. */
export function decodeQuestion(body: Uint8Array): { readonly id: number; readonly question: Question } {
  const [id, kind, ...parts] = asList(decodeSparseRlp(body))
  return { id: asNumber(id), question: questionOf(QUESTIONS[asNumber(kind)], parts) }
}

const questionOf = (kind: QuestionKind | undefined, parts: readonly Rlp[]): Question => {
  const key = (): Uint8Array => asBytes(parts[0], 48)
  switch (kind) {
    case 'hello': {
      // Another version may say more: its number is looked at first.
      if (asNumber(parts[0]) !== WIRE_VERSION)
        throw malformed(`version ${asNumber(parts[0])}, expected ${WIRE_VERSION}`)
      const [, chainId, hash, instance, claim] = asList(parts, 5)
      const domain = { chainId: asBigint(chainId, 64), genesisHash: asHash(asBytes(hash, 32)) }
      return { kind, domain, instance: asBytes(instance, INSTANCE_BYTES), claim: known(CLAIMS, claim, 'claim') }
    }
    case 'ping':
    case 'release':
      asList(parts, 0)
      return { kind }
    case 'record':
      asList(parts, 1)
      return { kind, key: key() }
    case 'sign': {
      const [, bytes, highQc, entry] = asList(parts, 4)
      const message = decodeMessage(asBytes(bytes))
      if (!isSignedMessage(message)) throw malformed(`a ${message.kind} is not to be signed`)
      return { kind, key: key(), order: { message, highQc: asQc(highQc), entry: asEntry(entry) } }
    }
    case 'reveal':
      return { kind, key: key(), height: asNumber(asList(parts, 2)[1]) }
    case 'announce': {
      const peerId = asText(asList(parts, 2)[1])
      if (peerId.length > TEXT_MAX_BYTES) throw malformed('the peer id is too long')
      return { kind, key: key(), peerId }
    }
    case 'attest': {
      const [, chain, vault, id] = asList(parts, 4)
      const event = { chain: asBigint(chain, 64), vault: asAddress(asBytes(vault, 20)), id: asHash(asBytes(id, 32)) }
      return { kind, key: key(), event }
    }
    case 'own':
      return { kind, key: key(), operator: asAddress(asBytes(asList(parts, 2)[1], 20)) }
    case 'ready': {
      const [, height, blockHash, operator] = asList(parts, 4)
      const block = { height: asNumber(height), blockHash: asHash(asBytes(blockHash, 32)) }
      return { kind, key: key(), ...block, operator: asAddress(asBytes(operator, 20)) }
    }
    case undefined:
      throw malformed('an unknown question')
  }
}
const known = <T>(names: readonly T[], item: Rlp | undefined, what: string): T => {
  const name = names[asNumber(item)]
  if (name === undefined) throw malformed(`an unknown ${what}`)
  return name
}

export const encodeAnswer = (id: number, answer: Answer): Uint8Array =>
  framed([rlpInt(id), rlpInt(ANSWERS.indexOf(answer.kind)), ...answerParts(answer)])

const answerParts = (answer: Answer): Rlp[] => {
  switch (answer.kind) {
    case 'done':
      return []
    case 'keys':
      return [answer.keys]
    case 'signature':
      return [answer.signature]
    case 'record': {
      if (answer.record === null) return []
      const { message, highQc, entry } = answer.record
      return [encodeMessage(message), qcPart(highQc), entryPart(entry)]
    }
    case 'refused':
      return [rlpInt(FAULTS.indexOf(answer.fault)), new TextEncoder().encode(answer.text).subarray(0, TEXT_MAX_BYTES)]
  }
}

/** Throws as `decodeQuestion`. */
export function decodeAnswer(body: Uint8Array): { readonly id: number; readonly answer: Answer } {
  const [id, kind, ...parts] = asList(decodeSparseRlp(body))
  return { id: asNumber(id), answer: answerOf(ANSWERS[asNumber(kind)], parts) }
}

const answerOf = (kind: Answer['kind'] | undefined, parts: readonly Rlp[]): Answer => {
  switch (kind) {
    case 'done':
      asList(parts, 0)
      return { kind }
    case 'keys': {
      const keys = asList(asList(parts, 1)[0]).map((item) => asBytes(item, 48))
      if (keys.length === 0 || keys.length > KEYS_MAX) throw malformed(`${keys.length} keys, expected 1 to ${KEYS_MAX}`)
      return { kind, keys }
    }
    case 'signature':
      return { kind, signature: asBytes(asList(parts, 1)[0], 96) }
    case 'record':
      return { kind, record: parts.length === 0 ? null : recordOf(asList(parts, 3)) }
    case 'refused': {
      const [fault, text] = asList(parts, 2)
      // Cut within a letter it is still to be read.
      return { kind, fault: known(FAULTS, fault, 'fault'), text: new TextDecoder().decode(asBytes(text)) }
    }
    case undefined:
      throw malformed('an unknown answer')
  }
}

const recordOf = ([bytes, highQc, entry]: readonly Rlp[]): SignRecord => {
  const message = decodeMessage(asBytes(bytes))
  if (!isSignedMessage(message)) throw malformed('a record without a signed message')
  return { ...stepOf(message), message, highQc: asQc(highQc), entry: asEntry(entry) }
}
const qcPart = (qc: Qc | null): Uint8Array => (qc === null ? NONE : encodeQc(qc))
const entryPart = (entry: Entry | null): Uint8Array => (entry === null ? NONE : encodeMessage(entry))
const asQc = (item: Rlp | undefined): Qc | null => {
  const bytes = asBytes(item)
  return bytes.length === 0 ? null : decodeQc(bytes)
}
const asEntry = (item: Rlp | undefined): Entry | null => {
  const bytes = asBytes(item)
  if (bytes.length === 0) return null
  const message = decodeMessage(bytes)
  if (message.kind !== 'tc' && message.kind !== 'qc') throw malformed(`a ${message.kind} opens no round`)
  return message
}

/** Puts frames together out of what a stream gives; holds one at most. */
export class Frames {
  #held: Uint8Array[] = []
  #heldBytes = 0

  /** The bodies that are whole now. Throws WIRE_MALFORMED for a length above the bound, before anything of it is held. */
  add(chunk: Uint8Array): Uint8Array[] {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    const bodies: Uint8Array[] = []
    for (let size = this.#size(); size !== null && this.#heldBytes >= 4 + size; size = this.#size()) {
      const all = this.#joined()
      bodies.push(new Uint8Array(all.subarray(4, 4 + size))) // a copy: what a stream gives are views of its own memory
      this.#held = [all.subarray(4 + size)]
      this.#heldBytes -= 4 + size
    }
    return bodies
  }

  /** Nothing of a frame has come yet. */
  get isEmpty(): boolean {
    return this.#heldBytes === 0
  }

  #size(): number | null {
    if (this.#heldBytes < 4) return null
    const first = this.#held[0] !== undefined && this.#held[0].length >= 4 ? this.#held[0] : this.#joined()
    const size = new DataView(first.buffer, first.byteOffset).getUint32(0)
    if (size > FRAME_MAX_BYTES) throw malformed(`a frame of ${size} bytes, at most ${FRAME_MAX_BYTES}`)
    return size
  }
  #joined(): Uint8Array {
    const [only] = this.#held
    if (only !== undefined && this.#held.length === 1) return only
    const all = new Uint8Array(this.#heldBytes)
    let at = 0
    for (const part of this.#held) {
      all.set(part, at)
      at += part.length
    }
    this.#held = [all]
    return all
  }
}
