// Random mixed blocks with and without the lane, of plain transfers and of tokens: the same changes, receipts, gas, bloom and refusals.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMemoryState, type MemoryState } from '../../test/kit/memory-state.ts'
import { type Address, asAddress, asHash, bigintToFixed, bytesToHex, concat, hexToBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import { openNatives, STAKING, seedNatives, natives as shipped } from '../native/index.ts'
import { type AbiFunction, encodeCall } from '../native/kit/abi.ts'
import { freeWords } from '../native/kit/module.ts'
import { openStore } from '../native/kit/slots.ts'
import { abi as paramsAbi } from '../native/params/abi.ts'
import { abi as tokenAbi } from '../native/token/abi.ts'
import { layout } from '../native/token/layout.ts'
import type { BlockContext, Native } from '../types/frame.ts'
import type { Genesis } from '../types/genesis.ts'
import { encodeReceipt } from '../types/receipt.ts'
import type { Tx } from '../types/tx.ts'
import { type BlockResult, createExecutor, type Source } from './block.ts'
import type { Engine } from './engine.ts'
import { splitBaseFee } from './fees.ts'
import { createReferenceEngine } from './reference.ts'
import { createState } from './state.ts'
import { changesOf } from './witness.ts'

const at = (byte: number): Address => asAddress(new Uint8Array(20).fill(byte))
const NONE = new Uint8Array(0)
const COINBASE = at(0xcc)
const TREASURY = at(0xdd)
const NATIVE = asAddress(bigintToFixed(0x900n, 20))
const SENDERS = [at(1), at(2), at(3), COINBASE, TREASURY]
/** Stores the balance of who gets the fees, at its caller's nonce or so: whatever was paid before shows in its slots. */
const READER = at(0xa1)
/** Sends on what it gets to the treasury, and logs. */
const PAYER = at(0xa2)
/** An account that runs READER's code (EIP-7702). */
const DELEGATED = at(0xa3)
/** An account the store holds though it is empty: whoever touches it deletes it (EIP-161). */
const HUSK = at(0xee)
const TARGETS = [
  ...[...SENDERS, READER, PAYER, DELEGATED, HUSK, NATIVE, STAKING, at(8), at(9)],
  ...[asAddress(bigintToFixed(4n, 20)), asAddress(bigintToFixed(0x12n, 20)), asAddress(bigintToFixed(0x100n, 20))],
]

const READ_COINBASE = '0x41315a55415a3055' // SSTORE(GAS, BALANCE(COINBASE)); then COINBASE where GAS was
const PAY_TREASURY = `0x5f5f5f5f3473${bytesToHex(TREASURY).slice(2)}5af15f5260205fa0`

const readFees: Native = (frame, state, block) => {
  if (frame.gas < 100n) return { gasUsed: frame.gas, status: 'fault', output: NONE }
  const account = state.load(frame.address)
  state.setSlot(state.loadSlot(account, 1n), state.load(block.coinbase).balance)
  state.log({ address: frame.address, topics: [], data: bigintToFixed(state.load(TREASURY).balance, 32) })
  return { gasUsed: 100n, status: frame.input.length > 3 ? 'revert' : 'success', output: NONE }
}
const rows = shipped.filter(({ module: { name } }) => name !== 'staking' && name !== 'slashing')
const table = new Map([...openNatives(rows)(1).table, [bytesToHex(NATIVE), readFees]])
const natives = () => ({ table, begin: () => {}, end: () => {} })

const native = (n: number): Address => asAddress(bigintToFixed(BigInt(n), 20))
const [PARAMS, CPU, MEM] = [native(0x803), native(0x821), native(0x824)]
/** Calls CPU with what it is called with. */
const FORWARDER = at(0xa4)
const FORWARD = `0x365f5f375f5f365f5f73${bytesToHex(CPU).slice(2)}5af100`
const HOLDERS = [...SENDERS, FORWARDER, at(8)]
const ALL = 1_000n

/** Each of the senders has tokens, and may spend some of everybody's. */
const seedTokens = (memory: MemoryState): void => {
  const state = createState(memory)
  state.begin()
  const balances = Object.fromEntries(HOLDERS.map((who) => [bytesToHex(who), ALL.toString()]))
  const one = bytesToHex(at(1))
  const modules = { params: { governance: one, guardian: one }, cpu: { balances }, net: { balances } }
  const genesis = { modules, development: true, epochBlocks: 10, time: 0, mixHash: asHash(new Uint8Array(32)) }
  seedNatives(state, genesis as Partial<Genesis> as Genesis, rows) // it reads no more of it
  for (const [i, owner] of HOLDERS.entries()) {
    const { allowances } = openStore(layout, freeWords(state, CPU))
    for (const spender of SENDERS)
      allowances
        .at(owner)
        .at(spender)
        .set(i % 2 === 0 ? 2n ** 256n - 1n : ALL)
  }
  state.end()
  memory.apply(state.changes())
}

const openWorld = (): MemoryState => {
  const memory = createMemoryState()
  const put = (address: Address, nonce: bigint, balance: bigint, code = '0x'): void =>
    memory.put(bytesToHex(address), { nonce, balance, code: hexToBytes(code), slots: [] })
  put(at(1), 0n, 10n ** 18n)
  put(at(2), 3n, 10n ** 12n)
  put(at(3), 0n, 10n ** 18n, `0xef0100${bytesToHex(READER).slice(2)}`)
  put(COINBASE, 0n, 10n ** 9n)
  put(TREASURY, 1n, 10n ** 9n)
  put(READER, 1n, 0n, READ_COINBASE)
  put(PAYER, 1n, 0n, PAY_TREASURY)
  put(DELEGATED, 1n, 1n, `0xef0100${bytesToHex(READER).slice(2)}`)
  put(NATIVE, 1n, 0n) // without code, that nothing but its place in the table tells it
  put(HUSK, 0n, 0n)
  put(FORWARDER, 1n, 0n, FORWARD)
  seedTokens(memory)
  return memory
}

const encode = (functions: Readonly<Record<string, AbiFunction>>, name: string, args: readonly unknown[]): Uint8Array =>
  encodeCall(functions[name] as AbiFunction, args as never)
/** A call that has to do with tokens: where to, and with what. */
const arbCall = fc
  .record({
    to: fc.constantFrom(CPU, CPU, CPU, CPU, MEM, FORWARDER),
    name: fc.constantFrom(
      ...(['transfer', 'transfer', 'transfer', 'transferFrom', 'transferFrom', 'approve', 'burn'] as const),
      ...(['balanceOf', 'pause', 'unpause'] as const),
    ),
    from: fc.constantFrom(...HOLDERS, at(0)),
    target: fc.constantFrom(...HOLDERS, ...HOLDERS, at(9), at(0x77), at(0), CPU),
    amount: fc.constantFrom(1n, 1n, 100n, 100n, ALL / 2n, ALL, ALL + 1n, 0n, 2n ** 256n - 1n),
    spoil: fc.oneof({ weight: 9, arbitrary: fc.constant('no' as const) }, fc.constantFrom('long', 'short', 'dirty')),
  })
  .map(({ to, name, from, target, amount, spoil }): { readonly to: Address; readonly data: Uint8Array } => {
    if (name === 'pause')
      return { to: PARAMS, data: encode(paramsAbi.functions, name, ['tokens', 1n + (amount % 2n), '']) }
    if (name === 'unpause') return { to: PARAMS, data: encode(paramsAbi.functions, name, ['tokens']) }
    const args = { transferFrom: [from, target, amount], burn: [amount], balanceOf: [target] }
    const data = encode(tokenAbi.functions, name, name in args ? args[name as keyof typeof args] : [target, amount])
    if (spoil === 'long') return { to, data: concat(data, Uint8Array.of(7)) }
    if (spoil === 'dirty') data[4] = 1
    return { to, data: spoil === 'short' ? data.subarray(0, data.length - 1) : data }
  })

const rarely = (usual: bigint, ...others: bigint[]): fc.Arbitrary<bigint> =>
  fc.oneof({ weight: 15, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
const arbDraft = fc.record({
  from: fc.constantFrom(...SENDERS, at(1), at(1), at(1)),
  to: fc.option(fc.constantFrom(...TARGETS), { freq: 12 }),
  /** Added to what the sender's nonce should be. */
  nonce: rarely(0n, 1n, -1n),
  value: fc.oneof({ weight: 30, arbitrary: fc.constantFrom(0n, 1n, 100n) }, fc.constantFrom(10n ** 9n, 10n ** 18n)),
  data: fc.oneof({ weight: 3, arbitrary: fc.constant(NONE) }, fc.uint8Array({ maxLength: 40 })),
  gasLimit: fc.oneof(
    { weight: 7, arbitrary: rarely(90_000n, 21_000n, 30_000n) },
    // About what transfers of tokens need, and what they must have left when they write (EIP-2200).
    fc.bigInt(33_000n, 36_000n),
  ),
  maxFeeWei: rarely(30n, 0n, 5n, 6n, 7n),
  maxTipWei: fc.bigInt(0n, 5n),
  keys: fc.oneof({ weight: 3, arbitrary: fc.constant<number[]>([]) }, fc.array(fc.nat(3), { maxLength: 2 })),
  authority: fc.oneof({ weight: 12, arbitrary: fc.constant(null) }, fc.constantFrom(...SENDERS)),
  token: fc.option(arbCall, { freq: 2 }),
})
type Draft = typeof arbDraft extends fc.Arbitrary<infer T> ? T : never

const txOf = (draft: Draft, nonce: bigint): Tx => {
  const { from, gasLimit, maxFeeWei, maxTipWei, keys, authority, token } = draft
  const { to, data } = token ?? draft
  const value = token === null || draft.value > 10n ** 8n ? draft.value : 0n
  const raw = concat(from, to ?? NONE, data, bigintToFixed(nonce, 8))
  const accessList = keys.length === 0 ? [] : [{ address: READER, keys: keys.map((key) => asHash(keccak(at(key)))) }]
  const signed = { chainId: 0n, address: READER, nonce: 0n, yParity: 0n, r: 1n, s: 1n }
  return {
    ...{ type: authority === null ? 2 : 4, chainId: 1n, nonce, gasLimit, maxFeeWei, maxTipWei, to, value, data },
    ...{ accessList, authorizations: authority === null || to === null ? [] : [{ ...signed, authority }] },
    ...{ v: 0n, r: 1n, s: 1n, from, hash: keccak(raw), raw },
  }
}

const arbBlock = fc.record({
  drafts: fc.array(arbDraft, { minLength: 1, maxLength: 12 }),
  baseFeeWei: fc.constantFrom(0n, 1n, 7n),
  gasLimit: fc.constantFrom(10_000_000n, 10_000_000n, 150_000n),
  mode: fc.constantFrom('build' as const, 'verify' as const),
  cuts: fc.tuple(fc.nat(10_000), fc.nat(10_000), fc.nat(10_000)).map((cuts) => cuts.sort((a, b) => a - b)),
  /** Tips or not, a recipient may earn nothing at all: it is touched all the same. */
  coinbase: fc.constantFrom(COINBASE, COINBASE, COINBASE, HUSK, at(1), at(0xab)),
})
type Plan = typeof arbBlock extends fc.Arbitrary<infer T> ? T : never

const contextOf = ({ baseFeeWei, gasLimit, coinbase }: Plan, number: number): BlockContext => ({
  ...{
    chainId: 1n,
    number,
    time: 1_800_000_000 + number,
    coinbase,
    gasLimit,
    baseFeeWei,
    ethereum: 'osaka',
    lastCommit: null,
  },
  ...{ prevRandao: asHash(new Uint8Array(32)), parentBeaconBlockRoot: asHash(new Uint8Array(32)) },
  ...{ domain: { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) }, blockHash: () => asHash(new Uint8Array(32)) },
})

/** Nonces count up as if everything ran, so that most of it does. */
const txsOf = ({ drafts }: Plan, memory: MemoryState): readonly Tx[] => {
  const used = new Map<string, bigint>()
  return drafts.map((draft) => {
    const hex = bytesToHex(draft.from)
    const next = used.get(hex) ?? memory.account(draft.from)?.nonce ?? 0n
    const nonce = next + draft.nonce < 0n ? 0n : next + draft.nonce
    if (draft.nonce === 0n) used.set(hex, next + 1n)
    return txOf(draft, nonce)
  })
}

/** What waits is offered once, in order; a refusal does not stop the rest. */
const sourceOf = (plan: Plan, txs: readonly Tx[]): Source => {
  if (plan.mode === 'verify') return { mode: 'verify', txs }
  const left = [...txs]
  return {
    mode: 'build',
    candidates: { next: () => left.shift() ?? null, skip: () => {} },
    budget: { limitMs: 1, usedMs: () => 0 },
  }
}

const feesOf = ([low = 0, middle = 0, high = 0]: readonly number[]) => ({
  ...{ burnBps: low, recipientBps: middle - low, stakersBps: high - middle, treasuryBps: 10_000 - high },
  treasury: TREASURY,
})

const told = ({ txs, receipts, gasUsed, bloom, changes, dropped }: BlockResult) => ({
  txs: txs.map((tx) => bytesToHex(tx.hash)),
  receipts: receipts.map((receipt) => ({ ...receipt, encoded: bytesToHex(encodeReceipt(receipt)) })),
  gasUsed,
  bloom: bytesToHex(bloom),
  dropped: dropped.map(bytesToHex),
  changes: changesOf(changes),
})

const counts = { transfers: 0, tokens: 0, calls: 0, refusals: 0 }
const reference = createReferenceEngine({ chainId: 1n })
const runBlock = async (plan: Plan, number: number, memory: MemoryState, lane: 'off' | undefined) => {
  const engine: Engine = {
    ...reference,
    execute(...args) {
      const { to } = args[0]
      const kind = to !== null && [CPU, MEM].includes(to) ? 'tokens' : 'transfers'
      counts[kind] += lane === 'off' ? 1 : -1 // what runs in the engine here and not there went through the lane
      if (lane === undefined) counts.calls++
      return reference.execute(...args)
    },
  }
  const deps = { engine, pause: async () => {}, natives, lane }
  const executor = createExecutor(deps, { fees: feesOf(plan.cuts) })
  const source = sourceOf(plan, txsOf(plan, memory))
  try {
    return await executor.run(createState(memory), contextOf(plan, number), asHash(new Uint8Array(32)), source)
  } catch (error) {
    if (error instanceof NodeError && error.code === 'BLOCK_INVALID') return error
    throw error
  }
}

test('blocks are the same with and without the lane, and no wei appears or vanishes but what burns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbBlock, { minLength: 1, maxLength: 3 }), async (plans) => {
      const memory = openWorld()
      for (const [number, plan] of plans.entries()) {
        const before = memory.total()
        const [on, off] = [
          await runBlock(plan, number + 1, memory, undefined),
          await runBlock(plan, number + 1, memory, 'off'),
        ]
        if (on instanceof NodeError || off instanceof NodeError) {
          expect(on instanceof NodeError && on.message).toEqual(off instanceof NodeError && off.message)
          counts.refusals++
          continue
        }
        expect(told(on)).toEqual(told(off))
        memory.apply(on.changes)
        const burnt = on.receipts.map(
          ({ gasUsed }) => splitBaseFee(gasUsed * plan.baseFeeWei, feesOf(plan.cuts)).burntWei,
        )
        expect(memory.total()).toBe(burnt.reduce((left, wei) => left - wei, before))
      }
    }),
    { numRuns: Number(process.env.LANE_RUNS ?? 150) },
  )
  // The blocks are worth something only while each kind of transaction is among them.
  expect(Math.min(...Object.values(counts)), JSON.stringify(counts)).toBeGreaterThan(20)
})
