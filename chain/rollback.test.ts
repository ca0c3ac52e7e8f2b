// A store taken back is byte for byte the store that stood there: after random blocks, and after a power cut at every write.
import { Wallet } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyOf, openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { type Address, asAddress, bytesToHex, hexToBytes } from './base/bytes.ts'
import { KECCAK_EMPTY } from './base/crypto.ts'
import { NodeError } from './base/errors.ts'
import type { Kv } from './base/ports.ts'
import { checkStore } from './calls.ts'
import type { Chain } from './chain.ts'
import { openPruner } from './prune.ts'
import { dropHistory, restoreState, rollback } from './rollback.ts'
import { createMemoryKv, StoreErrors } from './store/kv.ts'
import { createStateStore } from './store/state.ts'
import type { Changes } from './types/state.ts'

/** The first of the well-known accounts. */
const DEVELOPMENT_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const pause = async (): Promise<void> => {}
const genesis = sealedGenesis({ epochBlocks: 7 })

const dump = async (kv: Kv): Promise<ReadonlyMap<string, string>> => {
  const out = new Map<string, string>()
  for await (const [key, value] of kv.entries(new Uint8Array(0), new Uint8Array(64).fill(255)))
    out.set(bytesToHex(key), bytesToHex(value))
  return out
}

const wallet = new Wallet(DEVELOPMENT_KEY)
const nonces = new WeakMap<Chain, bigint>()
/** To a few accounts again and again, and to new ones. */
const someTransfers = async (chain: Chain): Promise<void> => {
  const { number } = chain.head().header
  for (let i = 0; i < 3; i++) {
    const nonce = nonces.get(chain) ?? 0n
    nonces.set(chain, nonce + 1n)
    const to = `0x${(i === 0 ? number * 7 + 1_000 : ((number + i) % 4) + 1).toString(16).padStart(40, '9')}`
    const fees = { maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 21_000 }
    const fields = { type: 2, chainId: genesis.chainId, nonce: Number(nonce), to, value: 5n + BigInt(i), ...fees }
    await chain.submit(hexToBytes(await wallet.signTransaction(fields)), 'local')
  }
}

const addresses = Array.from({ length: 6 }, (_, i): Address => asAddress(new Uint8Array(20).fill(i + 1)))
const arbChange = fc.record({
  account: fc.option(
    fc.record({ nonce: fc.bigInt(1n, 5n), balance: fc.bigInt(0n, 2n ** 90n), codeHash: fc.constant(KECCAK_EMPTY) }),
    { freq: 5 },
  ),
  storageCleared: fc.boolean(),
  slots: fc.uniqueArray(fc.record({ key: fc.bigInt(0n, 5n), value: fc.bigInt(0n, 3n) }), {
    selector: ({ key }) => key,
  }),
})
const arbBlock: fc.Arbitrary<Changes> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...addresses), arbChange), {
    selector: ([address]) => bytesToHex(address),
    maxLength: 5,
  })
  .map((entries) => ({
    codes: [],
    accounts: entries.map(([address, change]) =>
      change.account === null ? { address, account: null, storageCleared: true, slots: [] } : { address, ...change },
    ),
  }))

test('a chain taken back is byte for byte what it was, opens, and takes the same blocks again', async () => {
  const kv = createMemoryKv()
  const chain = await openSealedChain(genesis, kv)
  await seal(chain, 12, { fill: someTransfers })
  const [then, root] = [await dump(kv), chain.head().hash]
  await seal(chain, 15, { fill: someTransfers })
  const head = chain.head()
  const { genesisHash } = chain
  expect(await rollback({ kv, genesisHash, pause }, 12)).toEqual({ from: 27, to: 12, isResumed: false })
  expect(await dump(kv)).toEqual(then)
  const again = await openSealedChain(genesis, kv)
  expect(bytesToHex(again.head().hash)).toBe(bytesToHex(root))
  await checkStore(kv, genesisHash)
  const blocks = Array.from({ length: 15 }, (_, i) => chain.block(13 + i))
  expect(blocks).toEqual(Array(15).fill(null)) // the other one reads the same store
  await seal(again, 15)
  expect(again.head().header.number).toBe(head.header.number)
})

test('switched off, or out of disk, at any write: nothing opens it, and the same rollback finishes it', async () => {
  const kv = createMemoryKv()
  const chain = await openSealedChain(genesis, kv)
  await seal(chain, 5, { fill: someTransfers })
  const then = await dump(kv)
  await seal(chain, 4, { fill: someTransfers })
  const { genesisHash } = chain
  let isWhole = false
  for (let writes = 0; !isWhole; writes++) {
    const copy = await copyOf(kv)
    let left = writes
    const cut: Kv = {
      ...copy,
      async write(batch) {
        if (left-- <= 0) throw new NodeError(StoreErrors.WRITE, { dir: 'memory', reason: 'No space left on device' })
        await copy.write(batch)
      },
    }
    const cutOff = await rollback({ kv: cut, genesisHash, pause }, 5).catch((error: NodeError) => error.code)
    isWhole = cutOff !== 'STORE_WRITE'
    if (!isWhole && writes > 0) {
      await expect(openSealedChain(genesis, copy)).rejects.toMatchObject({ code: 'STORE_ROLLBACK' })
      await expect(rollback({ kv: copy, genesisHash, pause }, 4)).rejects.toMatchObject({ code: 'ROLLBACK_OTHER' })
      expect(await rollback({ kv: copy, genesisHash, pause }, 5)).toMatchObject({ isResumed: true })
    } else if (!isWhole) await rollback({ kv: copy, genesisHash, pause }, 5)
    expect(await dump(copy)).toEqual(then)
  }
})

test('what the history does not reach, and what is no earlier block, is refused before anything is written', async () => {
  const kv = createMemoryKv()
  const chain = await openSealedChain(genesis, kv)
  await seal(chain, 8)
  const { genesisHash } = chain
  const pruner = openPruner({ kv, genesisHash, pause })
  while (await pruner.slice({ headers: 0, bodies: 4, receipts: 6, logs: 6 }));
  while (await pruner.forget({ historyBlocks: 5, proofBlocks: 3 }));
  const before = await dump(kv)
  const code = (height: number) =>
    rollback({ kv, genesisHash, pause }, height).catch((error: NodeError) => error.message)
  expect(await code(8)).toMatch(/block 8 is not below the head at 8/)
  expect(await code(9)).toMatch(/not below the head/)
  expect(await code(4)).toMatch(/past tries begin at block 5/)
  expect(await dump(kv)).toEqual(before)
  // Receipts of 6 and above are pruned by the old head's measure: those that come again are kept.
  await rollback({ kv, genesisHash, pause }, 5)
  const again = await openSealedChain(genesis, kv)
  expect(again.kept()).toMatchObject({ bodies: 4, receipts: 6, logs: 6, state: 3 })
  await seal(again, 2)
  expect(again.receipts(6)).not.toBeNull()
  await checkStore(kv, genesisHash)
})

test('random values that come, change and go over random blocks go back to what they were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbBlock, { minLength: 2, maxLength: 8 }), fc.nat(7), async (blocks, at) => {
      const kv = createMemoryKv()
      const store = createStateStore({ kv, pause }, { historyBlocks: null, proofBlocks: null, cacheBytes: 10_000 })
      const height = at % (blocks.length - 1)
      let then: ReadonlyMap<string, string> = new Map()
      for (const [i, changes] of blocks.entries()) {
        const prepared = await store.prepare(i, changes)
        await kv.write(prepared.writes)
        await store.applied(prepared)
        if (i === height) then = await dump(kv)
      }
      await restoreState({ kv, pause }, height)
      await dropHistory({ kv, pause }, height)
      const now = await dump(kv)
      const meta = (entries: ReadonlyMap<string, string>) => [...entries].filter(([key]) => key !== '0x6d')
      expect(meta(now)).toEqual(meta(then))
    }),
    { numRuns: 60 },
  )
})
