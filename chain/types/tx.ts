// Transactions: the envelope (legacy, EIP-2930, 1559, 7702), its hashes and sender, intrinsic gas and every check that needs
// no state. Owns no state. Type 3 is refused: this chain carries no blobs.
import { type Address, asAddress, asHash, concat, type Hash } from '../base/bytes.ts'
import { keccak, publicKeyToAddress, recoverAddress } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { hashRoom, keccakHere } from '../base/keccak.ts'
import type { RecoverMany, SignedDigest } from '../base/lanes.ts'
import { minBigint } from '../base/math.ts'
import { asBigint, asBytes, asList, decodeRlp, encodeRlp, joinRlp, type Rlp, rlpInt, rlpSpan } from '../base/rlp.ts'
import type { EthereumFork } from './forks.ts'
import { hasSignature, Scan, SECP256K1_N } from './scan.ts'

export const TxErrors = defineErrors('TX', {
  EMPTY: { text: () => 'the transaction is empty' },
  TOO_LARGE: {
    text: (d: { size: number; max: number }) => `oversized data: transaction size ${d.size}, limit ${d.max}`,
  },
  MALFORMED: { text: (d: { reason: string }) => `the transaction does not decode: ${d.reason}` },
  TYPE: {
    text: (d: { type: number }) => `transaction type not supported: ${d.type}; this chain takes types 0, 1, 2 and 4`,
  },
  WRONG_CHAIN: {
    text: (d: { have: bigint; want: bigint }) => `invalid chain id for signer: have ${d.have}, want ${d.want}`,
  },
  SIGNATURE: { text: (d: { reason: string }) => `invalid sender: ${d.reason}` },
  TIP_ABOVE_FEE: {
    text: (d: { tip: bigint; fee: bigint }) =>
      `max priority fee per gas higher than max fee per gas: tip ${d.tip}, fee ${d.fee}`,
  },
  NONCE_MAX: { text: () => 'nonce has max value' },
  GAS_TOO_LOW: { text: (d: { have: bigint; want: bigint }) => `intrinsic gas too low: have ${d.have}, want ${d.want}` },
  FLOOR_GAS: {
    text: (d: { have: bigint; want: bigint }) =>
      `insufficient gas for floor data gas cost: have ${d.have}, want ${d.want}`,
  },
  GAS_TOO_HIGH: {
    text: (d: { have: bigint; max: bigint }) =>
      `transaction gas limit too high: have ${d.have}, max ${d.max} (EIP-7825)`,
  },
  INITCODE: { text: (d: { size: number; max: number }) => `max initcode size exceeded: ${d.size}, limit ${d.max}` },
  AUTHORIZATIONS: { text: (d: { reason: string }) => `set code transaction: ${d.reason}` },
})

export interface AccessEntry {
  readonly address: Address
  readonly keys: readonly Hash[]
}

/** EIP-7702. `authority` is null where the signature fits no key: such an entry is skipped, not refused. */
export interface Authorization {
  readonly chainId: bigint
  readonly address: Address
  readonly nonce: bigint
  readonly yParity: bigint
  readonly r: bigint
  readonly s: bigint
  readonly authority: Address | null
}

/** Its fields may be read out of its bytes: a spread, a clone and JSON take what lies there alone (`plainTx`). */
export interface Tx {
  readonly type: 0 | 1 | 2 | 4
  /** null for a legacy transaction without EIP-155: valid on every chain (keyless deployments need it). */
  readonly chainId: bigint | null
  readonly nonce: bigint
  readonly gasLimit: bigint
  /** The gas price in types 0 and 1. */
  readonly maxFeeWei: bigint
  readonly maxTipWei: bigint
  /** null creates a contract. */
  readonly to: Address | null
  readonly value: bigint
  readonly data: Uint8Array
  readonly accessList: readonly AccessEntry[]
  readonly authorizations: readonly Authorization[]
  readonly v: bigint
  readonly r: bigint
  readonly s: bigint
  readonly from: Address
  readonly hash: Hash
  /** The signed bytes as they came, which are also what the transactions trie holds. */
  readonly raw: Uint8Array
}

export const TX_SIZE_MAX_BYTES = 131_072 // geth's pool bound: four slots of 32 KB
export const TX_GAS_MAX = 16_777_216n // EIP-7825
export const INITCODE_MAX_BYTES = 49_152 // EIP-3860
const NONCE_MAX = 2n ** 64n - 1n

/** What is found out once about a transaction, in a worker: all that costs. `from` null: the signature fits no key. */
export interface Identity {
  readonly hash: Hash
  readonly from: Address | null
}
/** Identities in this order; null where the bytes are no transaction. A block's, which consensus waits for, go before what users send. */
export type IdentifyTxs = (raws: readonly Uint8Array[], of?: 'block') => Promise<readonly (Identity | null)[]>

type Fields = Omit<Tx, 'from' | 'hash' | 'raw'> & { readonly yParity: bigint }

/**
 * Decodes and checks one signed transaction; sender and hash are computed where they are not known. Throws TX_* for whatever is wrong without
 * looking at state, but for gas rules. It keeps views of `raw`.
 */
export function decodeTx(raw: Uint8Array, chainId: bigint, senderOf?: () => Address | null, hash?: Hash): Tx {
  if (senderOf !== undefined) {
    const usual = usualTx(raw, chainId, senderOf, hash)
    if (usual !== null) return usual
  }
  const fields = checkedFields(raw)
  if (fields.chainId !== null && fields.chainId !== chainId)
    throw new NodeError(TxErrors.WRONG_CHAIN, { have: fields.chainId, want: chainId })
  if (fields.nonce >= NONCE_MAX) throw new NodeError(TxErrors.NONCE_MAX, undefined)
  if (fields.maxTipWei > fields.maxFeeWei)
    throw new NodeError(TxErrors.TIP_ABOVE_FEE, { tip: fields.maxTipWei, fee: fields.maxFeeWei })
  checkSignature(fields)
  const from = senderOf === undefined ? recoverSender(raw, fields) : senderOf()
  if (from === null) throw unsigned('the signature fits no key')
  const usual = usualTx(raw, chainId, () => from, hash)
  if (usual !== null) return usual
  const whole = { raw, from, hash: hash ?? keccak(raw) }
  return {
    type: fields.type,
    chainId: fields.chainId,
    nonce: fields.nonce,
    gasLimit: fields.gasLimit,
    maxFeeWei: fields.maxFeeWei,
    maxTipWei: fields.maxTipWei,
    to: fields.to,
    value: fields.value,
    data: fields.data,
    accessList: fields.accessList,
    authorizations: fields.authorizations,
    v: fields.v,
    r: fields.r,
    s: fields.s,
    ...whole,
  }
}

/** Hash and sender of a transaction on a shelf, which lie behind its signed bytes in the same buffer. */
export const SHELVED_BYTES = 32 + 20

/** Of `raw` with SHELVED_BYTES behind it, which are no objects of their own while nearly all wait. Throws as `decodeTx` does. */
export const shelvedTx = (raw: Uint8Array, chainId: bigint): Tx => {
  const fields = readUsual(raw, chainId)
  return fields === null ? decodeTx(raw, chainId, () => senderBehind(raw), hashBehind(raw)) : new ShelvedTx(fields)
}

/** The same of nearly all; null where somebody looks at it with care, and says what is wrong if something is. */
const usualTx = (raw: Uint8Array, chainId: bigint, senderOf: () => Address | null, hash?: Hash): Tx | null => {
  const fields = readUsual(raw, chainId)
  const from = fields === null ? null : senderOf()
  return fields === null || from === null ? null : new LooseTx(fields, from, hash ?? keccak(raw))
}

type UsualFields = Pick<Tx, 'raw' | 'nonce' | 'gasLimit' | 'maxFeeWei' | 'maxTipWei' | 'value'> & {
  readonly chainId: bigint
  /** Receiver and data lie in `raw` from there on. */
  readonly toAt: number
  readonly dataAt: number
  readonly dataEnd: number
}

const readUsual = (raw: Uint8Array, chainId: bigint): UsualFields | null => {
  const scan = Scan.of(raw)
  if (scan === null || scan.int(32) !== chainId) return null
  const nonce = scan.int(8)
  const maxTipWei = scan.int(32)
  const maxFeeWei = scan.int(32)
  const gasLimit = scan.int(8)
  scan.string()
  const toAt = scan.start
  const isTo = scan.end - toAt === 20
  const value = scan.int(32)
  scan.string()
  const [dataAt, dataEnd] = [scan.start, scan.end]
  scan.emptyList()
  if (!isTo || nonce >= NONCE_MAX || maxTipWei > maxFeeWei || !hasSignature(scan)) return null
  return { raw, chainId, nonce, gasLimit, maxFeeWei, maxTipWei, value, toAt, dataAt, dataEnd }
}

/**
 * As nearly all wait, by the hundred thousand: the collector of garbage has few objects to copy and not seventeen. Receiver, data and
 * signature are read out of the bytes when somebody asks.
 */
abstract class UsualTx implements Tx {
  readonly chainId: bigint
  readonly nonce: bigint
  readonly gasLimit: bigint
  readonly maxFeeWei: bigint
  readonly maxTipWei: bigint
  readonly value: bigint
  readonly raw: Uint8Array
  abstract readonly from: Address
  abstract readonly hash: Hash
  /** Of receiver and data, and how much these are, in one number: all are below USUAL_BYTES. */
  readonly #places: number

  constructor(fields: UsualFields) {
    this.chainId = fields.chainId
    this.nonce = fields.nonce
    this.gasLimit = recent.gasLimit.of(fields.gasLimit)
    this.maxFeeWei = recent.fee.of(fields.maxFeeWei)
    this.maxTipWei = recent.tip.of(fields.maxTipWei)
    this.value = fields.value
    this.raw = fields.raw
    this.#places = (fields.toAt << 20) | (fields.dataAt << 10) | (fields.dataEnd - fields.dataAt)
  }
  get type(): 2 {
    return 2
  }
  get to(): Address {
    const at = this.#places >> 20
    return this.raw.subarray(at, at + 20) as Address // 20 bytes
  }
  get data(): Uint8Array {
    const sizeBytes = this.#places & 1_023
    const at = (this.#places >> 10) & 1_023
    return sizeBytes === 0 ? NO_DATA : this.raw.subarray(at, at + sizeBytes)
  }
  get accessList(): readonly never[] {
    return NONE
  }
  get authorizations(): readonly never[] {
    return NONE
  }
  get v(): bigint {
    return this.#signature().v
  }
  get r(): bigint {
    return this.#signature().r
  }
  get s(): bigint {
    return this.#signature().s
  }
  #signature(): Pick<Tx, 'v' | 'r' | 's'> {
    return checkedFields(this.raw)
  }
}

class LooseTx extends UsualTx {
  readonly from: Address
  readonly hash: Hash
  constructor(fields: UsualFields, from: Address, hash: Hash) {
    super(fields)
    this.from = from
    this.hash = hash
  }
}

class ShelvedTx extends UsualTx {
  get hash(): Hash {
    return hashBehind(this.raw)
  }
  get from(): Address {
    return senderBehind(this.raw)
  }
}
const hashBehind = ({ buffer, byteOffset, length }: Uint8Array): Hash =>
  new Uint8Array(buffer, byteOffset + length, 32) as Hash // so many bytes
const senderBehind = ({ buffer, byteOffset, length }: Uint8Array): Address =>
  new Uint8Array(buffer, byteOffset + length + 32, 20) as Address // likewise

/** With every field in its place, to be cloned into another thread or changed. */
export const plainTx = (tx: Tx): Tx => {
  const { type, chainId, nonce, gasLimit, maxFeeWei, maxTipWei, to, value, data, accessList, authorizations } = tx
  const own = { v: tx.v, r: tx.r, s: tx.s, from: tx.from, hash: tx.hash, raw: tx.raw }
  return {
    ...{ type, chainId, nonce, gasLimit, maxFeeWei, maxTipWei, to, value, data, accessList, authorizations },
    ...own,
  }
}

/** Many say the same number one after another: they share it. */
class Recent {
  #last = 0n
  of(value: bigint): bigint {
    if (value !== this.#last) this.#last = value
    return this.#last
  }
}
const recent = { gasLimit: new Recent(), fee: new Recent(), tip: new Recent() }

/** null where `decodeTx` refuses before it looks for the sender. */
export function identifyTx(raw: Uint8Array): Identity | null {
  try {
    const fields = checkedFields(raw)
    checkSignature(fields)
    return { hash: keccak(raw), from: recoverSender(raw, fields) }
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}

/** Below so many one after the other is as fast. */
const MANY = 16

/** The same of many; `recoverMany`, which need not answer each, does what costs. */
export function identifyTxs(raws: readonly Uint8Array[], recoverMany: RecoverMany | null): (Identity | null)[] {
  if (recoverMany === null || raws.length < MANY) return raws.map(identifyTx)
  const places: number[] = []
  const signed: SignedDigest[] = []
  for (const [i, raw] of raws.entries()) {
    const one = signedDigest(raw)
    if (one === null) continue
    places.push(i)
    signed.push(one)
  }
  const identities = raws.map((): Identity | null => null)
  for (const [n, key] of recoverMany(signed).entries()) {
    const i = places[n] as number
    const raw = raws[i] as Uint8Array
    identities[i] = key === null ? identifyTx(raw) : { hash: keccak(raw), from: publicKeyToAddress(key) }
  }
  return identities
}

const signedDigest = (raw: Uint8Array): SignedDigest | null => {
  const usual = usualDigest(raw)
  if (usual !== null) return usual
  try {
    const fields = checkedFields(raw)
    checkSignature(fields)
    const { r, s, yParity } = fields
    return { digest: digestOf(raw, fields), r: word(r), s: word(s), yParity: yParity === 1n ? 1 : 0 }
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
  }
}

/** The same of nearly all, without their fields; null where somebody looks at it with care. */
const usualDigest = (raw: Uint8Array): SignedDigest | null => {
  const scan = Scan.of(raw)
  if (scan === null) return null
  const from = scan.at
  for (const bytesMax of FIELDS_MAX_BYTES) scan.number(bytesMax)
  scan.string()
  if (scan.end - scan.start !== 20) return null
  scan.number(32)
  scan.string()
  scan.emptyList()
  const end = scan.at
  if (!hasSignature(scan)) return null
  const digest = new Uint8Array(32)
  const size = end - from
  let at = 0
  hashRoom[at++] = 2
  if (size < 56) hashRoom[at++] = 0xc0 + size
  else if (size < 256) {
    hashRoom[at++] = 0xf8
    hashRoom[at++] = size
  } else {
    hashRoom[at++] = 0xf9
    hashRoom[at++] = size >> 8
    hashRoom[at++] = size
  }
  for (let i = from; i < end; i++) hashRoom[at++] = raw[i] as number
  keccakHere(0, at, digest, 0)
  const { yParity, rAt, rEnd, sAt, sEnd } = scan
  return { digest, r: raw.subarray(rAt, rEnd), s: raw.subarray(sAt, sEnd), yParity }
}
/** Of chain id, nonce, tip, fee and gas limit. */
const FIELDS_MAX_BYTES = [32, 8, 32, 32, 8]

const checkedFields = (raw: Uint8Array): Fields => {
  if (raw.length === 0) throw new NodeError(TxErrors.EMPTY, undefined)
  if (raw.length > TX_SIZE_MAX_BYTES)
    throw new NodeError(TxErrors.TOO_LARGE, { size: raw.length, max: TX_SIZE_MAX_BYTES })
  return usualFields(raw) ?? decodeFields(raw)
}

const unsigned = (reason: string): NodeError => new NodeError(TxErrors.SIGNATURE, { reason })
const checkSignature = ({ r, s, yParity }: Fields): void => {
  if (r === 0n && s === 0n)
    throw unsigned(
      'nobody signed it (r and s are 0); the system transaction of a block is the chain’s, and is not sent',
    )
  if (yParity !== 0n && yParity !== 1n) throw unsigned(`recovery value ${yParity} is neither 0 nor 1`)
  if (r === 0n || s === 0n || r >= SECP256K1_N) throw unsigned('r or s out of range')
  if (s > SECP256K1_N / 2n) throw unsigned('s is in the upper half of the curve order (EIP-2)')
}

const recoverSender = (raw: Uint8Array, fields: Fields): Address | null =>
  recoverAddress(digestOf(raw, fields), word(fields.r), word(fields.s), fields.yParity === 1n ? 1 : 0)

/** Fields in front of the signature, by type. */
const UNSIGNED = { 0: 6, 1: 8, 2: 9, 4: 10 } as const

/** What was signed: the fields in front of the signature as they lie there, and for EIP-155 the chain id behind them. */
const digestOf = (raw: Uint8Array, { type, chainId }: Fields): Hash => {
  const { start } = rlpSpan(raw, type === 0 ? 0 : 1)
  let at = start
  for (let i = 0; i < UNSIGNED[type]; i++) at = rlpSpan(raw, at).end
  const body = raw.subarray(start, at)
  if (type !== 0) return keccak(concat(Uint8Array.of(type), joinRlp([body])))
  if (chainId === null) return keccak(joinRlp([body]))
  return keccak(joinRlp([body, encodeRlp(rlpInt(chainId)), Uint8Array.of(0x80, 0x80)]))
}

const word = (value: bigint): Uint8Array => {
  const out = new Uint8Array(32)
  const short = rlpInt(value)
  out.set(short, 32 - short.length)
  return out
}

/** Nearly all transactions: EIP-1559 of less than 1 KB without an access list, in one pass. null: to be read with care. */
export const usualFields = (raw: Uint8Array): Fields | null => {
  const scan = Scan.of(raw)
  if (scan === null) return null
  const string = (): Uint8Array => {
    scan.string()
    return raw.subarray(scan.start, scan.end)
  }
  const chainId = scan.int(32)
  const nonce = scan.int(8)
  const maxTipWei = scan.int(32)
  const maxFeeWei = scan.int(32)
  const gasLimit = scan.int(8)
  const to = string()
  const value = scan.int(32)
  const data = string()
  scan.emptyList()
  const v = scan.int(32)
  const r = scan.int(32)
  const s = scan.int(32)
  if (!scan.isUsual || scan.at !== raw.length || to.length !== 20) return null
  return {
    type: 2,
    chainId,
    nonce,
    gasLimit,
    maxFeeWei,
    maxTipWei,
    to: to as Address, // 20 bytes
    value,
    data,
    accessList: NONE,
    authorizations: NONE,
    v,
    r,
    s,
    yParity: v,
  }
}
const NONE: readonly never[] = []
const NO_DATA: Uint8Array = new Uint8Array(0)

/** The same with care, and every other kind. Throws TX_MALFORMED and TX_TYPE. */
export const decodeFields = (raw: Uint8Array): Fields => {
  const first = raw[0] as number
  try {
    if (first >= 0xc0) return legacy(asList(decodeRlp(raw), 9))
    const item = (count: number): readonly Rlp[] => asList(decodeRlp(raw.subarray(1)), count)
    if (first === 1) return typed(1, item(11))
    if (first === 2) return typed(2, item(12))
    if (first === 4) return typed(4, item(13))
  } catch (cause) {
    if (cause instanceof NodeError && !cause.code.startsWith('TX_'))
      throw new NodeError(TxErrors.MALFORMED, { reason: cause.message }, { cause })
    throw cause
  }
  throw new NodeError(TxErrors.TYPE, { type: first })
}

const toOf = (item: Rlp | undefined): Address | null => {
  const bytes = asBytes(item)
  return bytes.length === 0 ? null : asAddress(bytes)
}

const legacy = (f: readonly Rlp[]): Fields => {
  const v = asBigint(f[6])
  const gasPrice = asBigint(f[1])
  const old = v === 27n || v === 28n
  if (!old && v < 35n) throw new NodeError(TxErrors.SIGNATURE, { reason: `v is ${v}, expected 27, 28 or EIP-155` })
  const chainId = old ? null : (v - 35n) / 2n
  return {
    type: 0,
    chainId,
    nonce: asBigint(f[0], 64),
    gasLimit: asBigint(f[2], 64),
    maxFeeWei: gasPrice,
    maxTipWei: gasPrice,
    to: toOf(f[3]),
    value: asBigint(f[4]),
    data: asBytes(f[5]),
    accessList: [],
    authorizations: [],
    v,
    r: asBigint(f[7]),
    s: asBigint(f[8]),
    yParity: old ? v - 27n : (v - 35n) % 2n,
  }
}

const typed = (type: 1 | 2 | 4, f: readonly Rlp[]): Fields => {
  const fees = type === 1 ? 1 : 2 // one gas price, or tip and fee
  const at = 2 + fees
  const lists = type === 4 ? 2 : 1
  const sig = at + 4 + lists
  const to = toOf(f[at + 1])
  const authorizations = type === 4 ? decodeAuthorizations(f[at + 5], to) : []
  return {
    type,
    chainId: asBigint(f[0], 256),
    nonce: asBigint(f[1], 64),
    maxTipWei: asBigint(f[2]),
    maxFeeWei: asBigint(f[1 + fees]),
    gasLimit: asBigint(f[at], 64),
    to,
    value: asBigint(f[at + 2]),
    data: asBytes(f[at + 3]),
    accessList: decodeAccessList(f[at + 4]),
    authorizations,
    v: asBigint(f[sig]),
    r: asBigint(f[sig + 1]),
    s: asBigint(f[sig + 2]),
    yParity: asBigint(f[sig]),
  }
}

const decodeAccessList = (item: Rlp | undefined): AccessEntry[] =>
  asList(item).map((entry) => {
    const [address, keys] = asList(entry, 2)
    return {
      address: asAddress(asBytes(address, 20)),
      keys: asList(keys).map((key) => asHash(asBytes(key, 32))),
    }
  })

const AUTHORIZATION_MAGIC = 5
const decodeAuthorizations = (item: Rlp | undefined, to: Address | null): Authorization[] => {
  if (to === null) throw new NodeError(TxErrors.AUTHORIZATIONS, { reason: 'it must not create a contract' })
  const entries = asList(item)
  if (entries.length === 0) throw new NodeError(TxErrors.AUTHORIZATIONS, { reason: 'it has no authorizations' })
  return entries.map((entry) => {
    const f = asList(entry, 6)
    const tuple = {
      chainId: asBigint(f[0]),
      address: asAddress(asBytes(f[1], 20)),
      nonce: asBigint(f[2], 64),
      yParity: asBigint(f[3], 8),
      r: asBigint(f[4]),
      s: asBigint(f[5]),
    }
    let authority: Address | null | undefined
    return {
      ...tuple,
      // Found out when it is asked for: whoever runs the transaction is paid for it, and a pool would not be.
      get authority() {
        if (authority === undefined) authority = authorityOf(tuple, f.slice(0, 3))
        return authority
      },
    }
  })
}

const authorityOf = (t: { yParity: bigint; r: bigint; s: bigint }, unsigned: readonly Rlp[]): Address | null => {
  if (t.yParity > 1n || t.r === 0n || t.s === 0n || t.r >= SECP256K1_N || t.s > SECP256K1_N / 2n) return null
  const digest = keccak(concat(Uint8Array.of(AUTHORIZATION_MAGIC), encodeRlp(unsigned)))
  return recoverAddress(digest, word(t.r), word(t.s), t.yParity === 1n ? 1 : 0)
}

/** Without a view of the receiver where there always is one. */
const createsContract = (tx: Pick<Tx, 'to'>): boolean => !(tx instanceof UsualTx) && tx.to === null

export interface IntrinsicGas {
  readonly gas: bigint
  readonly floor: bigint
}
const PLAIN_GAS: IntrinsicGas = { gas: 21_000n, floor: 21_000n }
/** Gas a transaction pays before it runs, and the floor of EIP-7623 it pays at least. */
export function intrinsicGas(tx: Pick<Tx, 'to' | 'data' | 'accessList' | 'authorizations'>): IntrinsicGas {
  const { data, accessList, authorizations } = tx
  const isCreation = createsContract(tx)
  if (!isCreation && data.length === 0 && accessList.length === 0 && authorizations.length === 0) return PLAIN_GAS
  let zeros = 0
  for (let i = 0; i < data.length; i++) if (data[i] === 0) zeros++
  const tokens = BigInt(zeros + 4 * (data.length - zeros))
  let gas = 21_000n + 4n * tokens
  if (isCreation) gas += 32_000n + 2n * BigInt(Math.ceil(data.length / 32))
  for (const entry of accessList) gas += 2_400n + 1_900n * BigInt(entry.keys.length)
  gas += 25_000n * BigInt(authorizations.length)
  return { gas, floor: 21_000n + 10n * tokens }
}

/**
 * Gas and size rules that need no state. Returns the intrinsic gas. Pools and builders take what every fork allows; only a block of Prague may
 * hold more gas than EIP-7825 does. Throws TX_*.
 */
export function checkTxGas(
  tx: Pick<Tx, 'to' | 'data' | 'accessList' | 'authorizations' | 'gasLimit'>,
  ethereum: EthereumFork = 'osaka',
): IntrinsicGas {
  const intrinsic = intrinsicGas(tx)
  const { gas, floor } = intrinsic
  if (tx.gasLimit > TX_GAS_MAX && ethereum !== 'prague')
    throw new NodeError(TxErrors.GAS_TOO_HIGH, { have: tx.gasLimit, max: TX_GAS_MAX })
  if (tx.data.length > INITCODE_MAX_BYTES && createsContract(tx))
    throw new NodeError(TxErrors.INITCODE, { size: tx.data.length, max: INITCODE_MAX_BYTES })
  if (tx.gasLimit < gas) throw new NodeError(TxErrors.GAS_TOO_LOW, { have: tx.gasLimit, want: gas })
  if (tx.gasLimit < floor) throw new NodeError(TxErrors.FLOOR_GAS, { have: tx.gasLimit, want: floor })
  return intrinsic
}

/** What the sender pays per gas at this base fee; negative room is the caller's check. */
export const effectiveGasPrice = (tx: Pick<Tx, 'maxFeeWei' | 'maxTipWei'>, baseFeeWei: bigint): bigint =>
  minBigint(baseFeeWei + tx.maxTipWei, tx.maxFeeWei)
