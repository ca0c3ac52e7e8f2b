// Accounts with keys and signed transactions of theirs, made before any clock starts, on every core, and kept under the temporary
// folder for the next run: the same plan is the same bytes. They lie in files of a million; a packed list is u16 length and bytes, again and again.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import {
  type Address,
  asAddress,
  bigintToFixed,
  bytesToBigint,
  bytesToHex,
  concat,
  type Hex,
  hexToBytes,
} from '../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'

/** What each transaction of a plan does. */
export type Deed =
  /** A wei to the recipient. */
  | { readonly kind: 'pay' }
  /** A unit of an ERC-20, of which both have some, to the recipient. */
  | { readonly kind: 'transfer'; readonly token: Hex }
  /** Lets another spend what the sender has: of the first token by each sender’s first one, of the second by its second. */
  | { readonly kind: 'approve'; readonly tokens: readonly Hex[]; readonly spender: Hex }
  /** A little of one token for the other through Uniswap’s router, there and back in turns: the pool stays as it is. */
  | { readonly kind: 'swap'; readonly tokens: readonly [Hex, Hex]; readonly router: Hex }
/** What one may use at most; a swap gets some back of what it needs at first. */
export const GAS: Readonly<Record<Deed['kind'], number>> = {
  ...{ pay: 21_000, transfer: 36_000, approve: 50_000, swap: 180_000 },
}

/** Transaction `i` is of sender `i % senders`; each nonce of all comes before the next of any. */
export interface Plan {
  readonly chainId: number
  /** Who holds money at the start, and receives. */
  readonly accounts: number
  /** The first so many of them send. */
  readonly senders: number
  readonly count: number
  readonly maxFeeWei: bigint
  readonly tipWei: bigint
  readonly recipients: 'turns' | 'random'
  /** Where senders are not new: the nonce of each. */
  readonly firstNonces: readonly number[] | null
  /** Transactions of each sender that come before. */
  readonly made?: number
  /** None: it pays. */
  readonly deed?: Deed
}

export const secretOf = (n: number): Uint8Array => keccak(bigintToFixed(BigInt(n + 1), 32))
export const addressOf = (secret: Uint8Array): Address => asAddress(keccak(curves().publicKey(secret)).slice(12))

interface Share {
  readonly what: 'addresses' | 'transfers'
  readonly from: number
  readonly to: number
  readonly plan: Plan | null
  readonly addresses: Uint8Array | null
}

export async function addressesOf(count: number): Promise<Uint8Array> {
  return kept(`addresses-${count}`, () =>
    spread(count, (from, to) => ({ what: 'addresses', from, to, plan: null, addresses: null })),
  )
}

const FILE_TXS = 1_000_000
const PAY: Deed = { kind: 'pay' }
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Files with the packed lists, in this order. */
export async function signTransfers(plan: Plan): Promise<readonly string[]> {
  const addresses = await addressesOf(plan.accounts)
  const { chainId, accounts, senders, count, maxFeeWei, tipWei, firstNonces, recipients, made = 0, deed = PAY } = plan
  const run = firstNonces === null ? '' : `-${process.pid}`
  // Of contracts at other places other bytes are kept.
  const what =
    deed.kind === 'pay'
      ? 'transfers'
      : `${deed.kind}-${bytesToHex(keccak(utf8(JSON.stringify([deed, GAS[deed.kind], made])))).slice(2, 18)}`
  const files: string[] = []
  for (let first = 0; first < count; first += FILE_TXS) {
    const end = Math.min(count, first + FILE_TXS)
    const name = `${what}-${chainId}-${accounts}-${senders}-${recipients}-${first}-${end}-${maxFeeWei}-${tipWei}${run}`
    await kept(name, () =>
      spread(end - first, (from, to) => ({ what: 'transfers', from: first + from, to: first + to, plan, addresses })),
    )
    files.push(fileOf(name))
  }
  return files
}

export interface Payment {
  readonly chainId: number
  readonly nonce: number
  readonly tipWei: bigint
  readonly maxFeeWei: bigint
  readonly gas: number
  readonly to: Uint8Array
  readonly value: bigint
  readonly data: Uint8Array
}
export function signPayment(secret: Uint8Array, p: Payment): Uint8Array {
  const fields = [
    ...[rlpInt(p.chainId), rlpInt(p.nonce), rlpInt(p.tipWei), rlpInt(p.maxFeeWei), rlpInt(p.gas)],
    ...[p.to, rlpInt(p.value), p.data, []],
  ]
  const digest = keccak(concat(Uint8Array.of(2), encodeRlp(fields)))
  const { signature, recovery } = curves().sign(digest, secret)
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) => rlpInt(bytesToBigint(half)))
  return concat(Uint8Array.of(2), encodeRlp([...fields, rlpInt(recovery), r as Uint8Array, s as Uint8Array]))
}

/** One file after another is read when its turn comes. */
export function* unpack(files: readonly string[]): Generator<Uint8Array> {
  for (const file of files) {
    const bytes = readFileSync(file)
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.readUInt16BE(at)
      yield bytes.subarray(at + 2, at + 2 + size)
      at += 2 + size
    }
  }
}

const fileOf = (name: string): string => join(tmpdir(), 'novachain-bench', `${name}.bin`)
const kept = async (name: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> => {
  const file = fileOf(name)
  if (existsSync(file)) return readFileSync(file)
  mkdirSync(join(tmpdir(), 'novachain-bench'), { recursive: true })
  const bytes = await make()
  writeFileSync(`${file}.new`, bytes)
  renameSync(`${file}.new`, file)
  return bytes
}

/** Parts one after another, made at the same time. */
const spread = async (count: number, shareOf: (from: number, to: number) => Share): Promise<Uint8Array> => {
  const workers = availableParallelism()
  const edges = Array.from({ length: workers + 1 }, (_, i) => Math.floor((count * i) / workers))
  const made = Array.from({ length: workers }, (_, i) => {
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: shareOf(edges[i] as number, edges[i + 1] as number),
    })
    return new Promise<Uint8Array>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  })
  return concat(...(await Promise.all(made)))
}

const SPREAD = 7_919
/** Whom transaction `i` goes to, a number below `accounts`. */
const recipientOf = (i: number, { accounts, recipients }: Plan): number => {
  if (recipients !== 'random') return (i * SPREAD + 13) % accounts
  let mixed = Math.imul(i ^ (i >>> 16), 0x45d9f3b)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b)
  return ((mixed ^ (mixed >>> 16)) >>> 0) % accounts
}

const selector = (hex: Hex) => hexToBytes(hex)
const TRANSFER = selector('0xa9059cbb')
const APPROVE = selector('0x095ea7b3')
/** swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline) */
const SWAP = selector('0x38ed1739')
const word = (value: bigint): Uint8Array => bigintToFixed(value, 32)
const wide = (address: Uint8Array): Uint8Array => concat(new Uint8Array(12), address)
const ALL = 2n ** 256n - 1n
const SWAPPED = 10n ** 15n
const NEVER = 2n ** 40n

type Call = Pick<Payment, 'to' | 'value' | 'data'>
/** What transaction `i` calls. */
const callOf = (i: number, plan: Plan, accountAt: (n: number) => Uint8Array): Call => {
  const { deed = PAY, senders } = plan
  const round = Math.floor(i / senders)
  const call = (to: Hex, ...data: readonly Uint8Array[]): Call => ({
    to: hexToBytes(to),
    value: 0n,
    data: concat(...data),
  })
  switch (deed.kind) {
    case 'pay':
      return { to: accountAt(recipientOf(i, plan)), value: 1n, data: new Uint8Array(0) }
    case 'transfer':
      return call(deed.token, TRANSFER, wide(accountAt(recipientOf(i, plan))), word(1n))
    case 'approve':
      return call(deed.tokens[round] as Hex, APPROVE, wide(hexToBytes(deed.spender)), word(ALL))
    case 'swap': {
      const sender = i % senders
      const [one, two] = deed.tokens.map((token) => wide(hexToBytes(token))) as [Uint8Array, Uint8Array]
      const path = (sender + round) % 2 === 0 ? [one, two] : [two, one]
      const head = [word(SWAPPED), word(0n), word(160n), wide(accountAt(sender)), word(NEVER)]
      return call(deed.router, SWAP, ...head, word(2n), ...path)
    }
  }
}
/** More than the rest of a transaction takes beside its data. */
const ENVELOPE_BYTES = 160
const make = (share: Share): Uint8Array => {
  const { what, from, to, plan, addresses } = share
  if (what === 'addresses') {
    const all = new Uint8Array(20 * (to - from))
    for (let i = from; i < to; i++) all.set(addressOf(secretOf(i)), 20 * (i - from))
    return all
  }
  if (plan === null || addresses === null) throw new Error('a plan and addresses are given')
  const accountAt = (n: number): Uint8Array => addresses.subarray(20 * n, 20 * n + 20)
  const { chainId, tipWei, maxFeeWei, senders, firstNonces, made = 0, deed = PAY } = plan
  const out = new Uint8Array((to - from) * (ENVELOPE_BYTES + callOf(from, plan, accountAt).data.length))
  let at = 0
  for (let i = from; i < to; i++) {
    const sender = i % senders
    const nonce = (firstNonces?.[sender] ?? 0) + made + Math.floor(i / senders)
    const fees = { chainId, nonce, tipWei, maxFeeWei, gas: GAS[deed.kind] }
    const raw = signPayment(secretOf(sender), { ...fees, ...callOf(i, plan, accountAt) })
    new DataView(out.buffer).setUint16(at, raw.length)
    out.set(raw, at + 2)
    at += 2 + raw.length
  }
  return out.slice(0, at)
}

installCurves(nativeCurves)
if (!isMainThread && workerData?.what !== undefined) {
  const bytes = make(workerData as Share)
  parentPort?.postMessage(bytes, [bytes.buffer as ArrayBuffer])
}
