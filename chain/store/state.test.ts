import { verifyMerkleProof } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMemoryState, type MemoryState } from '../../test/kit/memory-state.ts'
import { type Address, asAddress, bytesToHex } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv } from '../base/ports.ts'
import { codeFrom } from '../exec/state.ts'
import { provenAccount, provenSlot } from '../types/proof.ts'
import type { AccountChange, Changes } from '../types/state.ts'
import { createMemoryKv } from './kv.ts'
import { createStateStore, openReader, type StateOptions, type StateStore } from './state.ts'

const KEEP_ALL: StateOptions = { historyBlocks: null, proofBlocks: null, cacheBytes: 10_000 }
const pause = async (): Promise<void> => {}
const addresses = Array.from({ length: 6 }, (_, i) => asAddress(new Uint8Array(20).fill(i + 1)))
const keys = [0n, 1n, 2n, 2n ** 64n, 2n ** 255n]
const code = codeFrom(Uint8Array.of(0x5b, 0x60, 0x5b, 0x00))

const arbAccount: fc.Arbitrary<Omit<AccountChange, 'address'>> = fc.record({
  account: fc.option(
    fc.record({
      nonce: fc.bigInt(1n, 5n),
      balance: fc.bigInt(0n, 2n ** 100n),
      codeHash: fc.constantFrom(code.hash, keccak(new Uint8Array(0))),
    }),
    { freq: 6 },
  ),
  storageCleared: fc.boolean(),
  slots: fc.uniqueArray(fc.record({ key: fc.constantFrom(...keys), value: fc.bigInt(0n, 300n) }), {
    selector: ({ key }) => key,
  }),
})
const arbChanges: fc.Arbitrary<Changes> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...addresses), arbAccount), {
    selector: ([address]) => bytesToHex(address),
    maxLength: 5,
  })
  .map((entries) => ({
    codes: [code],
    accounts: entries.map(([address, change]) =>
      change.account === null
        ? { address, account: null, storageCleared: true, slots: [] }
        : { address, ...change, storageCleared: change.storageCleared },
    ),
  }))

const put = async (kv: Kv, store: StateStore, changes: Changes): Promise<void> => {
  const prepared = await store.prepare(store.height + 1, changes)
  await kv.write(prepared.writes)
  await store.applied(prepared)
}
const replay = async (blocks: readonly Changes[]): Promise<MemoryState> => {
  const memory = createMemoryState()
  for (const changes of blocks) memory.apply(changes)
  return memory
}
const seen = (reader: Pick<MemoryState, 'account' | 'slot'>) =>
  addresses.map((address) => {
    const account = reader.account(address)
    return [
      account && [account.nonce, account.balance, bytesToHex(account.codeHash)],
      account && keys.map((key) => reader.slot(address, key)),
    ]
  })

test('roots, and every value at every height, are those of a plain replay', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbChanges, { minLength: 1, maxLength: 12 }), async (blocks) => {
      const kv = createMemoryKv()
      const store = createStateStore({ kv, pause }, KEEP_ALL)
      for (const changes of blocks) await put(kv, store, changes)
      for (let height = 0; height < blocks.length; height++) {
        const memory = await replay(blocks.slice(0, height + 1))
        expect(seen(store.at(height))).toEqual(seen(memory))
        expect(seen(openReader(kv, height))).toEqual(seen(memory))
        if (height === store.height) expect(bytesToHex(store.root)).toBe(bytesToHex(await memory.root()))
      }
      const reopened = createStateStore({ kv, pause }, KEEP_ALL)
      expect([reopened.height, bytesToHex(reopened.root)]).toEqual([store.height, bytesToHex(store.root)])
      await reopened.check()
    }),
    { numRuns: 60 },
  )
})

test('blocks that change and remove more leaves than one slice of the trie takes, beside each other', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, KEEP_ALL)
  const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
  const owner = addresses[0] as Address
  const accountOf = (n: number): Address => asAddress(keccak(Uint8Array.of(n >> 8, n)).slice(12))
  const block = (made: readonly number[], removed: readonly number[]): Changes => {
    const rich = { nonce: 1n, balance: 1n, codeHash: keccak(new Uint8Array(0)) }
    const slots = [
      ...made.map((n) => ({ key: BigInt(n), value: BigInt(n) })),
      ...removed.map((n) => ({ key: BigInt(n), value: 0n })),
    ]
    const changed = (n: number, account: typeof rich | null) => ({
      ...{ address: accountOf(n), account, storageCleared: account === null, slots: [] },
    })
    return {
      codes: [],
      accounts: [
        { address: owner, account: rich, storageCleared: false, slots },
        ...made.map((n) => changed(n, rich)),
        ...removed.map((n) => changed(n, null)),
      ],
    }
  }
  const blocks = [block(numbers(1, 2_000), []), block(numbers(2_000, 4_000), numbers(500, 1_500))]
  for (const changes of blocks) await put(kv, store, changes)
  expect(await store.check()).toMatchObject({ slots: 2_999, accounts: 3_000 }) // makes the root anew from all there is
})

test('a long history of one key is read at every height', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, KEEP_ALL)
  const [address] = addresses as [(typeof addresses)[0]]
  const block = (balance: number): Changes => ({
    codes: [],
    accounts: [
      {
        address,
        account: { nonce: 1n, balance: BigInt(balance), codeHash: keccak(new Uint8Array(0)) },
        storageCleared: false,
        slots: [],
      },
    ],
  })
  for (let height = 0; height < 200; height++) await put(kv, store, block(height + 1))
  for (let height = 0; height < 200; height++)
    expect(store.at(height).account(address)?.balance).toBe(BigInt(height + 1))
})

test('proofs hold at every height, for what is there and what is not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbChanges, { minLength: 1, maxLength: 6 }), async (blocks) => {
      const kv = createMemoryKv()
      const store = createStateStore({ kv, pause }, KEEP_ALL)
      for (const changes of blocks) await put(kv, store, changes)
      for (let height = 0; height < blocks.length; height++) {
        const root = await (await replay(blocks.slice(0, height + 1))).root()
        for (const address of addresses) {
          const proof = await store.proof(height, address, keys)
          const proven = provenAccount(root, address, proof.accountProof)
          expect([proven?.nonce ?? 0n, proven?.balance ?? 0n]).toEqual([proof.nonce, proof.balance])
          for (const { key, proof: nodes } of proof.slots)
            expect(provenSlot(proven?.storageRoot ?? EMPTY_ROOT, key, nodes)).toBe(store.at(height).slot(address, key))
          expect(bytesToHex(keccak(proof.accountProof[0] ?? Uint8Array.of(0x80)))).toBe(bytesToHex(root))
          if (proof.accountProof.length === 0) continue // an empty trie has no nodes
          const theirs = await verifyMerkleProof(keccak(address), [...proof.accountProof])
          expect(theirs === null).toBe(proof.nonce === 0n)
          for (const slot of proof.slots)
            if (slot.proof[0] !== undefined)
              expect(bytesToHex(keccak(slot.proof[0]))).toBe(bytesToHex(proof.storageHash))
        }
      }
    }),
    { numRuns: 20 },
  )
})

test('a full node forgets what lies below its history, says so, and keeps the rest whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbChanges, { minLength: 8, maxLength: 16 }), async (blocks) => {
      const kv = createMemoryKv()
      const store = createStateStore({ kv, pause }, { ...KEEP_ALL, historyBlocks: 3, proofBlocks: 2 })
      for (const changes of blocks) await put(kv, store, changes)
      const { state, proofs } = store.lowest()
      expect([state, proofs]).toEqual([blocks.length - 4, blocks.length - 3])
      for (let height = state; height < blocks.length; height++)
        expect(seen(store.at(height))).toEqual(seen(await replay(blocks.slice(0, height + 1))))
      expect(() => store.at(state - 1)).toThrow(NodeError)
      await expect(store.proof(proofs - 1, addresses[0] as never, [])).rejects.toMatchObject({ code: 'STATE_PRUNED' })
      await store.check()
    }),
    { numRuns: 30 },
  )
})

test('the same changes in another order are the same writes', async () => {
  await fc.assert(
    fc.asyncProperty(arbChanges, async (changes) => {
      const bytes = async (each: Changes): Promise<string[]> => {
        const kv = createMemoryKv()
        const { writes } = await createStateStore({ kv, pause }, KEEP_ALL).prepare(0, each)
        return [...writes].map(({ key, value }) => `${bytesToHex(key)} ${value === null ? '-' : bytesToHex(value)}`)
      }
      const reversed = [...changes.accounts]
        .reverse()
        .map((change) => ({ ...change, slots: [...change.slots].reverse() }))
      expect(await bytes({ ...changes, accounts: reversed })).toEqual(await bytes(changes))
    }),
  )
})

test('a flipped bit in any value is found by the check', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, KEEP_ALL)
  const accounts = addresses.map(
    (address, i): AccountChange => ({
      address,
      account: { nonce: 1n, balance: BigInt(i), codeHash: code.hash },
      storageCleared: false,
      slots: keys.map((key) => ({ key, value: key + 1n })),
    }),
  )
  await put(kv, store, { accounts, codes: [code] })
  await store.check()
  for await (const [key, value] of kv.entries(Uint8Array.of(0), Uint8Array.of(255))) {
    if (key[0] === 0x75) continue // lists for pruning are read when they are due
    const bad = value.slice()
    const at = bytesToHex(key).length % bad.length
    bad[at] = (bad[at] as number) ^ 4
    await kv.write([{ key, value: bad }])
    const opened = (async () => createStateStore({ kv, pause }, KEEP_ALL).check())()
    await expect(opened, bytesToHex(key)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await kv.write([{ key, value }])
  }
})

const balanceBlock = (n: number, balance: bigint): Changes => ({
  codes: [],
  accounts: [
    {
      address: addresses[n] as (typeof addresses)[0],
      account: balance === 0n ? null : { nonce: 1n, balance, codeHash: keccak(new Uint8Array(0)) },
      storageCleared: balance === 0n,
      slots: [],
    },
  ],
})

test('a reader of the head is not moved by the next block, written and not yet applied', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, KEEP_ALL)
  await put(kv, store, balanceBlock(0, 7n))
  const reopened = createStateStore({ kv, pause }, KEEP_ALL) // nothing cached
  const reader = reopened.at(0)
  const next = await store.prepare(1, balanceBlock(0, 9n))
  await kv.write(next.writes)
  expect(reader.account(addresses[0] as never)?.balance).toBe(7n)
  await reopened.applied(next)
  expect(reader.account(addresses[0] as never)?.balance).toBe(7n)
  expect(reopened.at(1).account(addresses[0] as never)?.balance).toBe(9n)
})

test('a reader whose height is pruned meanwhile says so instead of answering', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, { ...KEEP_ALL, historyBlocks: 2, proofBlocks: 2 })
  await put(kv, store, balanceBlock(0, 7n))
  await put(kv, store, balanceBlock(1, 8n))
  const readers = [openReader(kv, 1), store.at(1)]
  await put(kv, store, balanceBlock(0, 0n)) // gone
  await put(kv, store, balanceBlock(1, 9n)) // changed
  for (let i = 0; i < 4; i++) await put(kv, store, balanceBlock(2, 100n + BigInt(i)))
  for (const reader of readers)
    for (const address of addresses.slice(0, 2))
      expect(() => reader.account(address)).toThrow(expect.objectContaining({ code: 'STATE_PRUNED' }))
})

test('what somebody still needs is not forgotten, and caught up with once he does not', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, { ...KEEP_ALL, historyBlocks: 2, proofBlocks: 2 })
  for (let i = 0; i < 3; i++) await put(kv, store, balanceBlock(0, 7n + BigInt(i)))
  store.keepFrom(2)
  for (let i = 0; i < 10; i++) await put(kv, store, balanceBlock(1, 100n + BigInt(i)))
  expect(store.lowest()).toEqual({ state: 2, proofs: 2 })
  expect((await store.proof(2, addresses[0] as never, [])).balance).toBe(9n)
  store.keepFrom(11)
  for (let i = 0; i < 10; i++) await put(kv, store, balanceBlock(2, 100n + BigInt(i)))
  expect(store.lowest()).toEqual({ state: 11, proofs: 11 })
})

test('a reader looks at what an address says, not at which array says it', async () => {
  const [kv, [first, second]] = [createMemoryKv(), addresses as [Address, Address]]
  const store = createStateStore({ kv, pause }, KEEP_ALL)
  const account = { nonce: 1n, balance: 1n, codeHash: keccak(new Uint8Array(0)) }
  const change = (address: Address, value: bigint): AccountChange => {
    return { address, account, storageCleared: false, slots: [{ key: 1n, value }] }
  }
  await put(kv, store, { codes: [], accounts: [change(first, 11n), change(second, 22n)] })
  const [reader, again] = [store.at(0), first.slice() as Address]
  expect(reader.slot(again, 1n)).toBe(11n)
  again.set(second)
  expect(reader.slot(again, 1n)).toBe(22n)
})
