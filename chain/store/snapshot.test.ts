import { expect, test } from 'vitest'
import { createDice } from '../../test/kit/dice.ts'
import { type Address, asAddress, bytesToHex } from '../base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv } from '../base/ports.ts'
import { decodeRlp, encodeRlp, type Rlp } from '../base/rlp.ts'
import { codeFrom } from '../exec/state.ts'
import type { AccountChange, Changes } from '../types/state.ts'
import { checkChunk, makeChunk, type Place } from './chunks.ts'
import { createMemoryKv } from './kv.ts'
import { readCode } from './layout.ts'
import { openRestoring, type Restoring, type Target } from './snapshot.ts'
import { createStateStore, openReader, type StateStore } from './state.ts'

const pause = async (): Promise<void> => {}
const genesisHash = keccak(Uint8Array.of(1))
const SMALL = { chunkBytes: 300, inlineBytes: 150 }
const ROOT: Place = { owner: null, path: new Uint8Array(0) }
const codes = [1, 2, 3].map((n) => codeFrom(Uint8Array.of(0x5b, 0x60, n)))
const addressOf = (n: number): Address => asAddress(keccak(Uint8Array.of(n >> 8, n)).slice(12))

interface Chain {
  readonly kv: Kv
  readonly store: StateStore
  readonly targets: Target[]
  put(changes: Changes): Promise<void>
}
const createChain = (): Chain => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, { historyBlocks: null, proofBlocks: null, cacheBytes: 10_000 })
  const targets: Target[] = []
  return {
    ...{ kv, store, targets },
    async put(changes) {
      const prepared = await store.prepare(store.height + 1, changes)
      await kv.write(prepared.writes)
      await store.applied(prepared)
      targets.push({ height: prepared.height, root: prepared.root })
    },
  }
}

type Dice = ReturnType<typeof createDice>
/** Many accounts come at first; later some change, go, grow and shrink. */
const changesOf = (dice: Dice, count: number): Changes => {
  const accounts = new Map<number, AccountChange>()
  for (let i = 0; i < count; i++) {
    const n = dice.below(60)
    const address = addressOf(n)
    if (dice.chance(0.2)) accounts.set(n, { address, account: null, storageCleared: true, slots: [] })
    else {
      const codeHash = dice.chance(0.3) ? dice.pick(codes).hash : KECCAK_EMPTY
      const slots = new Map<bigint, bigint>()
      const most = dice.chance(0.1) ? 40 : dice.chance(0.4) ? 4 : 0
      for (let s = 0; s < most; s++) slots.set(BigInt(dice.below(50)), dice.chance(0.3) ? 0n : BigInt(dice.below(300)))
      accounts.set(n, {
        ...{ address, account: { nonce: BigInt(dice.below(3)), balance: BigInt(1 + dice.below(1e9)), codeHash } },
        storageCleared: dice.chance(0.05),
        slots: [...slots].map(([key, value]) => ({ key, value })),
      })
    }
  }
  return { codes, accounts: [...accounts.values()] }
}

/** One step; false where nothing is wanted any more. */
const step = async (from: Chain, restoring: Restoring, target: Target, sizes = SMALL): Promise<boolean> => {
  const wanted = restoring.next()
  if (wanted === null) return false
  if (wanted.kind === 'codes') {
    await restoring.takeCodes(wanted.hashes.map((hash) => readCode(from.kv, hash).bytes))
    return true
  }
  const bytes = await makeChunk({ kv: from.kv, pause }, target.height, wanted.place, sizes)
  expect(bytes).not.toBeNull()
  await restoring.take(checkChunk(target.root, bytes as Uint8Array))
  return true
}

const whole = async (kv: Kv): Promise<string[]> => {
  const rows: string[] = []
  for await (const [key, value] of kv.entries(Uint8Array.of(0), new Uint8Array(40).fill(255)))
    rows.push(`${bytesToHex(key)} ${bytesToHex(value)}`)
  return rows
}

test.each(Array.from({ length: 10 }, (_, i) => 1_000 + i))(
  'a state restored while it changes, from the disk again at any moment, is the state, and goes on as the other does (seed %i)',
  async (seed) => {
    const dice = createDice(seed)
    const chain = createChain()
    await chain.put(changesOf(dice, 80))
    const disk = createMemoryKv()
    let restoring = await openRestoring(disk, genesisHash, codeFrom)
    let target = chain.targets.at(-1) as Target
    restoring.aim(target)
    for (let steps = 0; !restoring.isComplete() || steps < 40; steps++) {
      if (steps < 120 && dice.chance(0.1)) {
        // A block, a later state to aim at, sometimes after the power went.
        await chain.put(changesOf(dice, dice.pick([1, 5, 40])))
        if (dice.chance(0.5)) restoring = await openRestoring(disk, genesisHash, codeFrom)
        target = chain.targets.at(-1) as Target
        restoring.aim(target)
      }
      await step(chain, restoring, target)
    }
    await restoring.finish([])
    const store = createStateStore({ kv: disk, pause }, { historyBlocks: null, proofBlocks: null, cacheBytes: 10_000 })
    expect([store.height, bytesToHex(store.root)]).toEqual([target.height, bytesToHex(target.root)])
    const found = await store.check()
    expect(found).toMatchObject(await chain.store.check().then(({ accounts, slots }) => ({ accounts, slots })))
    expect(store.lowest()).toEqual({ state: target.height, proofs: target.height })
    expect((await whole(disk)).filter((row) => row.startsWith('0x70'))).toEqual([])
    // Both go on alike.
    const changes = changesOf(dice, 30)
    await chain.put(changes)
    const prepared = await store.prepare(target.height + 1, changes)
    expect(bytesToHex(prepared.root)).toBe(bytesToHex((chain.targets.at(-1) as Target).root))
    await disk.write(prepared.writes)
    await store.applied(prepared)
    await store.check()
    for (let n = 0; n < 60; n++)
      for (const height of [target.height, target.height + 1]) {
        const [ours, theirs] = [openReader(disk, height), openReader(chain.kv, height)]
        expect(ours.account(addressOf(n))).toEqual(theirs.account(addressOf(n)))
        for (let key = 0n; key < 50n; key++) expect(ours.slot(addressOf(n), key)).toBe(theirs.slot(addressOf(n), key))
      }
  },
)

test('a piece with any bit flipped, of another height, or with an account more is refused', async () => {
  const dice = createDice(7)
  const chain = createChain()
  await chain.put(changesOf(dice, 80))
  await chain.put(changesOf(dice, 10))
  const [old, target] = chain.targets as [Target, Target]
  const sizes = { chunkBytes: 1_500, inlineBytes: 150 }
  const restoring = await openRestoring(createMemoryKv(), genesisHash, codeFrom)
  restoring.aim(target)
  const seen = new Set<string>()
  for (let wanted = restoring.next(); wanted !== null; wanted = restoring.next()) {
    if (wanted.kind === 'codes') {
      const other = [Uint8Array.of(9)]
      await expect(restoring.takeCodes(other)).rejects.toMatchObject({ code: 'SNAPSHOT_CODE' })
      break
    }
    const good = (await makeChunk({ kv: chain.kv, pause }, target.height, wanted.place, sizes)) as Uint8Array
    const checked = checkChunk(target.root, good)
    if (!seen.has(checked.kind)) {
      seen.add(checked.kind)
      for (let bit = 0; bit < 8 * good.length; bit += 7) {
        const bad = good.slice()
        bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(
          codeOf(() => checkChunk(target.root, bad)),
          `bit ${bit} of a piece of ${checked.kind}`,
        ).toMatch(/^(CHUNK_FALSE|PROOF_[A-Z]+|RLP_MALFORMED)$/)
      }
      expect(codeOf(() => checkChunk(old.root, good))).toMatch(/^(CHUNK_FALSE|PROOF_[A-Z]+)$/)
      const f = decodeRlp(good) as Rlp[]
      const items = f[5] as Rlp[]
      const altered = [
        [...items, items.at(-1) as Rlp],
        items.slice(1),
        [...items].reverse(),
        [...items, Uint8Array.of(1)],
      ]
      for (const others of checked.kind === 'split' ? [[Uint8Array.of(1)]] : altered)
        if (others.length !== items.length || items.length > 1)
          expect(codeOf(() => checkChunk(target.root, encodeRlp([...f.slice(0, 5), others])))).toBe('CHUNK_FALSE')
    }
    await restoring.take(checked)
  }
  expect([...seen].sort()).toEqual(['accounts', 'slots', 'split'])
})

test('an over-long range is refused before it is decoded, and so is a place that is none', async () => {
  const chain = createChain()
  await chain.put(changesOf(createDice(3), 80))
  const { root, height } = chain.targets[0] as Target
  expect(codeOf(() => checkChunk(root, new Uint8Array(600_000)))).toBe('CHUNK_FALSE')
  // All accounts as one piece, where the small sizes divide them: true, but more than what hangs at the place that it names.
  const all = decodeRlp((await makeChunk({ kv: chain.kv, pause }, height, ROOT)) as Uint8Array) as Rlp[]
  const split = checkChunk(root, (await makeChunk({ kv: chain.kv, pause }, height, ROOT, SMALL)) as Uint8Array)
  expect(split.kind).toBe('split')
  const nibble = split.kind === 'split' ? split.refs.findIndex((ref) => ref !== null) : 0
  const below = { owner: null, path: Uint8Array.of(nibble) }
  const one = decodeRlp((await makeChunk({ kv: chain.kv, pause }, height, below)) as Uint8Array) as Rlp[]
  const long = encodeRlp([...one.slice(0, 5), all[5] as Rlp])
  expect(codeOf(() => checkChunk(root, long))).toBe('CHUNK_FALSE')
  expect(codeOf(() => checkChunk(root, encodeRlp([one[0] as Rlp, Uint8Array.of(16), ...one.slice(2)])))).toBe(
    'CHUNK_FALSE',
  )
  expect(await makeChunk({ kv: chain.kv, pause }, height, { owner: addressOf(999), path: Uint8Array.of(1) })).toBeNull()
})

test('a height that is above the head, or forgotten, is not answered, also when it is forgotten meanwhile', async () => {
  const kv = createMemoryKv()
  const store = createStateStore({ kv, pause }, { historyBlocks: 2, proofBlocks: 1, cacheBytes: 10_000 })
  const dice = createDice(5)
  const put = async (): Promise<void> => {
    const prepared = await store.prepare(store.height + 1, changesOf(dice, 60))
    await kv.write(prepared.writes)
    await store.applied(prepared)
  }
  for (let i = 0; i < 6; i++) await put()
  expect(await makeChunk({ kv, pause }, 6, ROOT)).toBeNull()
  expect(await makeChunk({ kv, pause }, 3, ROOT)).toBeNull()
  expect(await makeChunk({ kv, pause }, 4, ROOT)).not.toBeNull()
  let calls = 0
  const sealing = {
    ...kv,
    entries: (from: Uint8Array, to: Uint8Array) => (calls++ === 0 ? late(from, to) : kv.entries(from, to)),
  }
  async function* late(from: Uint8Array, to: Uint8Array) {
    await put()
    await put()
    yield* kv.entries(from, to)
  }
  expect(await makeChunk({ kv: sealing, pause }, 4, ROOT)).toBeNull()
})

test('what is fetched of one network is not gone on with for another', async () => {
  const kv = createMemoryKv()
  await openRestoring(kv, genesisHash, codeFrom)
  await expect(openRestoring(kv, keccak(Uint8Array.of(2)), codeFrom)).rejects.toMatchObject({
    code: 'SNAPSHOT_NETWORK',
  })
})

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'nothing'
  } catch (error) {
    if (error instanceof NodeError) return error.code
    throw error
  }
}
