// Transactions: the envelope (legacy, EIP-2930, 1559, 7702), its hashes and sender, intrinsic gas and every check that needs
// no state. Owns no state. Type 3 is refused: this chain carries no blobs.
import { type Address, asAddress, asHash, concat, type Hash } from '../base/bytes.ts'
import { keccak, recoverAddress } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { minBigint } from '../base/math.ts'
import { asBigint, asBytes, asList, decodeRlp, encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'

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
const SECP256K1_N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const NONCE_MAX = 2n ** 64n - 1n

/** Who signed; the node hands in a worker's answer, everything else recovers on the spot. */
export type RecoverSender = (digest: Hash, r: Uint8Array, s: Uint8Array, yParity: 0 | 1) => Address | null

type Fields = Omit<Tx, 'from' | 'hash' | 'raw'> & { readonly digest: Hash; readonly yParity: bigint }

/** Decodes and checks one signed transaction. Throws TX_* for whatever is wrong without looking at state, but for gas rules. */
export function decodeTx(raw: Uint8Array, chainId: bigint, recover: RecoverSender = recoverAddress): Tx {
  if (raw.length === 0) throw new NodeError(TxErrors.EMPTY, undefined)
  if (raw.length > TX_SIZE_MAX_BYTES)
    throw new NodeError(TxErrors.TOO_LARGE, { size: raw.length, max: TX_SIZE_MAX_BYTES })
  const { digest, yParity, ...fields } = decodeFields(raw)
  if (fields.chainId !== null && fields.chainId !== chainId)
    throw new NodeError(TxErrors.WRONG_CHAIN, { have: fields.chainId, want: chainId })
  if (fields.nonce >= NONCE_MAX) throw new NodeError(TxErrors.NONCE_MAX, undefined)
  if (fields.maxTipWei > fields.maxFeeWei)
    throw new NodeError(TxErrors.TIP_ABOVE_FEE, { tip: fields.maxTipWei, fee: fields.maxFeeWei })
  const from = senderOf(digest, fields, yParity, recover)
  return { ...fields, from, hash: keccak(raw), raw }
}

const senderOf = (digest: Hash, f: { r: bigint; s: bigint }, yParity: bigint, recover: RecoverSender): Address => {
  const refuse = (reason: string): never => {
    throw new NodeError(TxErrors.SIGNATURE, { reason })
  }
  if (yParity !== 0n && yParity !== 1n) return refuse(`recovery value ${yParity} is neither 0 nor 1`)
  if (f.r === 0n || f.s === 0n || f.r >= SECP256K1_N) return refuse('r or s out of range')
  if (f.s > SECP256K1_N / 2n) return refuse('s is in the upper half of the curve order (EIP-2)')
  return recover(digest, word(f.r), word(f.s), yParity === 1n ? 1 : 0) ?? refuse('the signature fits no key')
}

const word = (value: bigint): Uint8Array => {
  const out = new Uint8Array(32)
  const short = rlpInt(value)
  out.set(short, 32 - short.length)
  return out
}

const decodeFields = (raw: Uint8Array): Fields => {
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
  const unsigned = f.slice(0, 6)
  const digest = keccak(
    encodeRlp(chainId === null ? unsigned : [...unsigned, rlpInt(chainId), new Uint8Array(0), new Uint8Array(0)]),
  )
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
    digest,
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
    digest: keccak(concat(Uint8Array.of(type), encodeRlp(f.slice(0, sig)))),
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
    return { ...tuple, authority: authorityOf(tuple, f.slice(0, 3)) }
  })
}

const authorityOf = (t: { yParity: bigint; r: bigint; s: bigint }, unsigned: readonly Rlp[]): Address | null => {
  if (t.yParity > 1n || t.r === 0n || t.s === 0n || t.r >= SECP256K1_N || t.s > SECP256K1_N / 2n) return null
  const digest = keccak(concat(Uint8Array.of(AUTHORIZATION_MAGIC), encodeRlp(unsigned)))
  return recoverAddress(digest, word(t.r), word(t.s), t.yParity === 1n ? 1 : 0)
}

/** Gas a transaction pays before it runs, and the floor of EIP-7623 it pays at least. */
export function intrinsicGas(tx: Pick<Tx, 'to' | 'data' | 'accessList' | 'authorizations'>): {
  readonly gas: bigint
  readonly floor: bigint
} {
  let zeros = 0
  for (const byte of tx.data) if (byte === 0) zeros++
  const tokens = BigInt(zeros + 4 * (tx.data.length - zeros))
  let gas = 21_000n + 4n * tokens
  if (tx.to === null) gas += 32_000n + 2n * BigInt(Math.ceil(tx.data.length / 32))
  for (const entry of tx.accessList) gas += 2_400n + 1_900n * BigInt(entry.keys.length)
  gas += 25_000n * BigInt(tx.authorizations.length)
  return { gas, floor: 21_000n + 10n * tokens }
}

/** Gas and size rules that need no state. Throws TX_*. */
export function checkTxGas(tx: Pick<Tx, 'to' | 'data' | 'accessList' | 'authorizations' | 'gasLimit'>): void {
  const { gas, floor } = intrinsicGas(tx)
  if (tx.gasLimit > TX_GAS_MAX) throw new NodeError(TxErrors.GAS_TOO_HIGH, { have: tx.gasLimit, max: TX_GAS_MAX })
  if (tx.to === null && tx.data.length > INITCODE_MAX_BYTES)
    throw new NodeError(TxErrors.INITCODE, { size: tx.data.length, max: INITCODE_MAX_BYTES })
  if (tx.gasLimit < gas) throw new NodeError(TxErrors.GAS_TOO_LOW, { have: tx.gasLimit, want: gas })
  if (tx.gasLimit < floor) throw new NodeError(TxErrors.FLOOR_GAS, { have: tx.gasLimit, want: floor })
}

/** What the sender pays per gas at this base fee; negative room is the caller's check. */
export const effectiveGasPrice = (tx: Pick<Tx, 'maxFeeWei' | 'maxTipWei'>, baseFeeWei: bigint): bigint =>
  minBigint(baseFeeWei + tx.maxTipWei, tx.maxFeeWei)
