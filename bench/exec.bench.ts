// What executing costs apart from storage: codecs of one transaction, the journal's single steps, and a block of plain transfers with
// and without its lane over a state in memory. Nanoseconds or microseconds of CPU each.

import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { createTxFromRLP } from '@ethereumjs/tx'
import {
  type Address,
  asAddress,
  asHash,
  bigintToFixed,
  bytesToHex,
  concat,
  type Hash,
  hexToBytes,
} from '../chain/base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { createExecutor } from '../chain/exec/block.ts'
import { createReferenceEngine } from '../chain/exec/reference.ts'
import { createState } from '../chain/exec/state.ts'
import { nativesAt } from '../chain/native/index.ts'
import { decodeHeader, encodeHeader, type Header } from '../chain/types/block.ts'
import type { BlockContext } from '../chain/types/frame.ts'
import { encodeReceipt } from '../chain/types/receipt.ts'
import type { AccountRecord, Reader } from '../chain/types/state.ts'
import { decodeTx, type Tx } from '../chain/types/tx.ts'

const isSmoke = process.argv.includes('--smoke')
const ACCOUNTS = isSmoke ? 2_000 : Number(process.env.ACCOUNTS ?? 200_000)
const TRANSFERS = isSmoke ? 1_000 : 37_500
const SENDERS = isSmoke ? 100 : 5_000
const LOOPS = isSmoke ? 1_000 : 200_000

const measure = <T>(name: string, times: number, work: () => T): T => {
  globalThis.gc?.()
  const before = process.cpuUsage()
  const value = work()
  const { user, system } = process.cpuUsage(before)
  report(name, times, user + system)
  return value
}
const report = (name: string, times: number, us: number): void => {
  const each = us / times
  console.log(`  ${name.padEnd(44)} ${each < 1 ? `${(each * 1e3).toFixed(0)} ns` : `${each.toFixed(2)} us`}`)
}
/** Twice: the second run, of warm code, counts. */
const repeat = (name: string, work: (i: number) => unknown): void => {
  let sink: unknown
  for (let i = 0; i < LOOPS / 4; i++) sink = work(i)
  measure(name, LOOPS, () => {
    for (let i = 0; i < LOOPS; i++) sink = work(i)
  })
  if (sink === LOOPS + 1) console.log(sink) // so that nobody optimises the work away
}

const accounts = Array.from({ length: ACCOUNTS }, (_, n) => asAddress(keccak(bigintToFixed(BigInt(n), 32)).slice(12)))
const account = (n: number): Address => accounts[n % ACCOUNTS] as Address
const keyOf = (address: Address): string => String.fromCharCode.apply(null, address as unknown as number[])
const records = new Map<string, AccountRecord>(
  accounts.map((address) => [keyOf(address), { nonce: 0n, balance: 10n ** 21n, codeHash: KECCAK_EMPTY }]),
)
const NO_CODE = { hash: KECCAK_EMPTY, bytes: new Uint8Array(0), jumps: new Uint8Array(0) }
const TOKEN = asAddress(bigintToFixed(0x821n, 20))
records.set(keyOf(TOKEN), { nonce: 1n, balance: 0n, codeHash: KECCAK_EMPTY })
/** Everybody has tokens. */
const reader: Reader = {
  account: (address) => records.get(keyOf(address)),
  slot: (address) => (address[19] === 0x21 && address[18] === 8 ? 10n ** 21n : 0n),
  code: () => NO_CODE,
}
const ZERO_HASH = asHash(new Uint8Array(32))

const SELECTOR = hexToBytes('0xa9059cbb')
const rawOf = (n: number, inTokens: boolean): Uint8Array => {
  const fields = [rlpInt(1), rlpInt(Math.floor(n / SENDERS)), rlpInt(1_000_000_000), rlpInt(100_000_000_000)]
  const [to, value] = [account(n * 7_919), 1n + BigInt(n) * 10n ** 12n]
  const call = concat(SELECTOR, new Uint8Array(12), to, bigintToFixed(value, 32))
  const rest = inTokens
    ? [rlpInt(60_000), TOKEN, rlpInt(0), call, []]
    : [rlpInt(21_000), to, rlpInt(value), new Uint8Array(0), []]
  const [r, s] = [keccak(bigintToFixed(BigInt(n), 8)), keccak(bigintToFixed(BigInt(n), 9))]
  s[0] = 0x3f
  r[0] = 0x7f
  return concat(Uint8Array.of(2), encodeRlp([...fields, ...rest, rlpInt(n % 2), r, s]))
}
const raws = Array.from({ length: TRANSFERS }, (_, n) => rawOf(n, false))
const decodeAll = (): Tx[] => raws.map((raw, n) => decodeTx(raw, 1n, () => account(n % SENDERS)))
const rawAt = (i: number): Uint8Array => raws[i % TRANSFERS] as Uint8Array

console.log('codecs')
const nobody = account(0)
repeat('decode a transaction, hashes, no recovery', (i) => decodeTx(rawAt(i), 1n, () => nobody))
repeat('  of which two keccaks', (i) => [keccak(rawAt(i)), keccak(rawAt(i))])
const common = createCustomCommon({ chainId: 1 }, Mainnet, { hardfork: Hardfork.Osaka })
const theirs = Math.min(TRANSFERS, 5_000)
measure('  the library, without hashes', theirs, () => {
  for (let i = 0; i < theirs; i++) createTxFromRLP(rawAt(i), { common })
})
const txs = decodeAll()
const receipt = { type: 2, status: 1, bloom: new Uint8Array(256), logs: [] } as const
repeat('encode a receipt', (i) => encodeReceipt({ ...receipt, cumulativeGas: 21_000n * BigInt(i) }))
const header: Header = {
  ...{ parentHash: ZERO_HASH, coinbase: nobody, stateRoot: ZERO_HASH, transactionsRoot: ZERO_HASH },
  ...{ receiptsRoot: ZERO_HASH, bloom: new Uint8Array(256), number: 5, gasLimit: 10n ** 9n, gasUsed: 21_000n },
  ...{ time: 1_800_000_000, extraData: new Uint8Array(7), prevRandao: ZERO_HASH, baseFeeWei: 7n },
  parentBeaconBlockRoot: ZERO_HASH,
}
const encoded = encodeHeader(header)
repeat('encode a header', () => encodeHeader(header))
repeat('decode a header', () => decodeHeader(encoded))

console.log('journal')
const journal = createState(reader)
measure('load, the first time', Math.min(ACCOUNTS, LOOPS), () => {
  for (let i = 0; i < Math.min(ACCOUNTS, LOOPS); i++) journal.load(account(i))
})
journal.begin()
repeat('load, again, of all', (i) => journal.load(account(i * 7_919)))
repeat('load, again, of 100', (i) => journal.load(account(i % 100)))
const contract = journal.load(account(1))
const words = Array.from({ length: 1_000 }, (_, n) => BigInt(bytesToHex(keccak(bigintToFixed(BigInt(n), 32)))))
const smalls = Array.from({ length: 100 }, (_, n) => BigInt(n))
const word = (i: number): bigint => words[i % 1_000] as bigint
repeat('loadSlot of 1,000 hashed keys', (i) => journal.loadSlot(contract, word(i)))
repeat('loadSlot of 10 hashed keys', (i) => journal.loadSlot(contract, word(i % 10)))
repeat('loadSlot of 100 small keys', (i) => journal.loadSlot(contract, smalls[i % 100] as bigint))
const slot = journal.loadSlot(contract, 3n)
const noted = (i: number): void => {
  if (i % 256 !== 0) return
  journal.begin()
  journal.checkpoint()
}
repeat('setSlot', (i) => {
  noted(i)
  journal.setSlot(slot, word(i))
})
repeat('setBalance', (i) => {
  noted(i)
  journal.setBalance(contract, word(i))
})
repeat('transient, set and get', (i) => {
  noted(i)
  journal.setTransient(contract.address, smalls[i % 100] as bigint, 1n)
  return journal.transient(contract.address, 5n)
})
repeat('checkpoint, two writes, revert', (i) => {
  noted(i)
  const mark = journal.checkpoint()
  journal.setSlot(slot, word(i))
  journal.setBalance(contract, word(i))
  journal.revert(mark)
})
const entry = { address: nobody, topics: [ZERO_HASH], data: new Uint8Array(32) }
repeat('log', (i) => {
  noted(i)
  journal.log(entry)
})
repeat('begin, two warm, end', () => {
  journal.begin()
  journal.warmAccount(contract)
  journal.warmSlot(slot)
  journal.end()
})

console.log(`a block of ${TRANSFERS} plain transfers, ${ACCOUNTS} accounts, ${SENDERS} senders`)
const context: BlockContext = {
  ...{ chainId: 1n, number: 1, time: 1_800_000_000, coinbase: asAddress(new Uint8Array(20).fill(0xcc)) },
  ...{ gasLimit: 10n ** 10n, baseFeeWei: 1_000_000_000n, prevRandao: ZERO_HASH, parentBeaconBlockRoot: ZERO_HASH },
  ...{
    domain: { chainId: 1n, genesisHash: ZERO_HASH },
    lastCommit: null,
    ethereum: 'osaka',
    blockHash: (): Hash => ZERO_HASH,
  },
}
const fees = { burnBps: 2_500, recipientBps: 2_500, stakersBps: 2_500, treasuryBps: 2_500, treasury: account(7) }
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const natives = (height: number) => ({ table: nativesAt(height).table, begin: () => {}, end: () => {} })
const runBlock = async (name: string, some: readonly Tx[], lane?: 'off'): Promise<void> => {
  const executor = createExecutor({ engine: createReferenceEngine({ chainId: 1n }), pause, natives, lane }, { fees })
  globalThis.gc?.()
  const before = process.cpuUsage()
  await executor.run(createState(reader), context, ZERO_HASH, { mode: 'verify', txs: some })
  const { user, system } = process.cpuUsage(before)
  report(name, some.length, user + system)
}
const few = Math.min(TRANSFERS, 5_000)
for (let i = 0; i < 4; i++) await runBlock('in the lane', txs)
await runBlock('without the lane', txs.slice(0, few), 'off')
console.log('the same of a resource token')
const transfers = txs.map((_, n) => decodeTx(rawOf(n, true), 1n, () => account(n % SENDERS)))
for (let i = 0; i < 4; i++) await runBlock('in the lane', transfers)
await runBlock('without the lane', transfers.slice(0, few), 'off')
