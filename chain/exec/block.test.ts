// What one block may cost a node, whatever its transactions ask for, and what it leaves in the store.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { CHAIN_ID, txOf } from '../../test/kit/engine-cases.ts'
import { caseBlock, caseFees } from '../../test/kit/engine-runs.ts'
import { genesis, openMemoryChain } from '../../test/kit/memory-chain.ts'
import { createMemoryState } from '../../test/kit/memory-state.ts'
import { type Address, asAddress, bytesToHex, hexToBytes } from '../base/bytes.ts'
import type { Kv } from '../base/ports.ts'
import { createMemoryKv } from '../store/kv.ts'
import { createStateStore } from '../store/state.ts'
import type { State } from '../types/state.ts'
import { addressOfCreate2 } from './frames.ts'
import { createFastEngine } from './interpreter.ts'
import { createState } from './state.ts'
import { runTx } from './tx.ts'

const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
/** Asks for the hash of block 1 until its gas is used up. */
const ASKING = '0x5b6001405f55600056'
const HEADERS = 0x48

test('a contract that asks for the hash of a block again and again makes nobody read its header as often', async () => {
  let reads = 0
  const stored = createMemoryKv()
  const kv: Kv = {
    ...stored,
    get(key) {
      if (key[0] === HEADERS) reads++
      return stored.get(key)
    },
  }
  const { chain, seal, ctx } = await openMemoryChain({ kv, evm: 'fast' })
  await seal()
  await seal()
  const fields = { chainId: genesis.chainId, type: 2, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n }
  await chain.submit(
    hexToBytes(await alice.signTransaction({ ...fields, nonce: 0, gasLimit: 1_000_000n, data: ASKING })),
    'local',
  )
  const before = reads
  await seal()
  expect(chain.receipts(3)?.[0]).toMatchObject({ status: 0, gasUsed: 1_000_000n })
  expect(reads - before).toBeLessThan(50)

  const nothing = {
    ...{ from: null, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n },
    ...{ nonce: null, accessList: null, authorizations: null },
  }
  const request = { ...nothing, gas: 1_000_000n, to: null, input: hexToBytes(ASKING) }
  const called = reads
  const call = ctx.calls.run({ kind: 'call', height: 3, pending: false, request, state: [], block: null })
  await expect(call).rejects.toThrow('out of gas')
  expect(reads - called).toBeLessThan(50)
})

/** Counts in slot 0 how often it was made and called, and destroys itself for whoever calls it. */
const PHOENIX = '5f54600101805f5560015d685f546001015f5533ff5f5260096017f3'
/** Makes one with CREATE2, and calls it where there is call data. */
const MAKER = hexToBytes(`0x7b${PHOENIX}5f525f601c60045ff536156033575f5f5f5f5f855af15b00`)

test('where a contract was made and destroyed, one of the same block begins anew, though the place had funds before', async () => {
  const [sender, maker] = [0xf0, 0xc0].map((first) => asAddress(Uint8Array.of(first, ...new Uint8Array(19)))) as [
    Address,
    Address,
  ]
  const place = addressOfCreate2(maker, 0n, hexToBytes(`0x${PHOENIX}`))
  const kv = createMemoryKv()
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 0 }
  const store = createStateStore({ kv, pause: async () => {} }, options)
  const memory = createMemoryState()
  const commit = async (state: State): Promise<void> => {
    const prepared = await store.prepare(store.height + 1, state.changes())
    await kv.write(prepared.writes)
    await store.applied(prepared)
    memory.apply(prepared.changes)
    expect(bytesToHex(store.root)).toBe(bytesToHex(await memory.root()))
  }
  const founded = createState(memory)
  founded.begin()
  founded.setBalance(founded.load(sender), 10n ** 20n)
  founded.setBalance(founded.load(place), 5n)
  founded.setCode(founded.load(maker), MAKER)
  founded.setNonce(founded.load(maker), 1n)
  founded.end()
  await commit(founded)

  const state = createState(store.at(0))
  const call = {
    ...{ type: 2 as const, from: sender, to: maker, value: 0n, gas: 500_000n, maxFeeWei: 20n },
    maxTipWei: 0n,
  } as const
  const counts = [Uint8Array.of(1), Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(1)].map((data, nonce) => {
    const tx = txOf({ ...call, data, accessList: [], authorizations: [] }, BigInt(nonce))
    const deps = { engine: createFastEngine({ chainId: CHAIN_ID }), natives: new Map(), fees: caseFees }
    expect(runTx(deps, tx, state, caseBlock, caseBlock.gasLimit)).toMatchObject({ status: 1 })
    return state.slot(place, 0n)
  })
  expect(counts).toEqual([0n, 0n, 1n, 1n]) // the last one found its place taken
  await commit(state)
  const reader = store.at(1)
  expect(reader.account(place)).toMatchObject({ nonce: 1n, balance: 0n })
  expect(reader.slot(place, 0n)).toBe(1n)
  await store.check()
})
