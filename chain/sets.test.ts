// A chain whose validators change at every epoch, by a stand-in for the elections.
import { expect, test } from 'vitest'
import { buildNext, certify, openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { type Seat, setsBy } from '../test/kit/sets.ts'
import { bytesToHex } from './base/bytes.ts'
import type { Kv } from './base/ports.ts'
import type { Chain } from './chain.ts'
import { createMemoryKv } from './store/kv.ts'
import { type Block, headerHash, sectionHash } from './types/block.ts'
import { type EpochSetOf, epochOf, validatorsHash } from './types/validators.ts'

const E = 4
const genesis = sealedGenesis({ validators: 3, epochBlocks: E })
/** One leaves and one comes; all are new, with unequal power; the first one comes back, with another key. */
const rolls: readonly (readonly Seat[])[] = [
  [0, 1, 2],
  [0, 1, 3],
  [4, 5, { operator: 6, power: 2_000_000n }, 7],
  [4, 5, { operator: 0, key: 9 }],
]
const setsOf = setsBy(genesis, rolls)
const open = (epochSetOf: EpochSetOf = setsOf, kv: Kv = createMemoryKv()): Promise<Chain> =>
  openSealedChain(genesis, kv, { epochSetOf })
const heights = (to: number): number[] => Array.from({ length: to }, (_, i) => i + 1)
const setAt = (height: number) => setsOf(null, epochOf(height, E))?.set ?? genesis.validators
const hashAt = (height: number): string => bytesToHex(validatorsHash(setAt(height)))
const blockAt = (chain: Chain, height: number): Block => {
  const block = chain.block(height)
  if (block === null) throw new Error(`no block ${height}`)
  return block
}

test('every block names the set of its epoch, the last of an epoch the next one too, and another chain finds it valid', async () => {
  const [chain, judge] = [await open(), await open()]
  await seal(chain, 15)
  for (const height of heights(15)) {
    const block = blockAt(chain, height)
    expect(bytesToHex(block.section?.validatorsHash ?? new Uint8Array(0))).toBe(hashAt(height))
    const next = block.section?.nextValidatorsHash ?? null
    expect(next === null ? null : bytesToHex(next)).toBe(height % E === 0 ? hashAt(height + 1) : null)
    await judge.verify(block)
    await judge.commit(block, certify(judge, block))
  }
  expect(bytesToHex(judge.head().hash)).toBe(bytesToHex(chain.head().hash))
})

test('the next set is known from the last block but one of an epoch on, and at least that of two heights above the head', async () => {
  const chain = await open()
  const known = (): number => {
    let height = chain.head().header.number
    while (chain.setOf(height + 1) !== null) height++
    return height
  }
  expect(chain.setOf(0)).toBeNull()
  for (const height of heights(10)) {
    expect(known()).toBe(height % E === 0 ? height + E : height - (height % E) + E)
    expect(chain.validators()).toBe(chain.setOf(height))
    expect(chain.validators().members).toEqual(setAt(height).members)
    expect(chain.setOf(height + 1)?.members[chain.proposer(height + 1)]).toBeDefined()
    await seal(chain, 1)
  }
  expect(chain.evidenceContext().epochAt(4)?.at(0)).toEqual(setAt(4).members[0])
})

test('an epoch is read out of state once, and a chain that is opened again goes on with the same sets', async () => {
  const reads: number[] = []
  const noted: EpochSetOf = (reader, epoch) => {
    reads.push(epoch)
    return setsOf(reader, epoch)
  }
  const kv = createMemoryKv()
  const chain = await open(noted, kv)
  await seal(chain, 10)
  expect(reads).toEqual([0, 1, 2])
  const again = await open(noted, kv)
  for (const height of heights(12)) expect(again.setOf(height)?.members).toEqual(setAt(height).members)
  expect(reads).toEqual([0, 1, 2, 0, 1, 2])
  await seal(again, 4)
  expect(bytesToHex(validatorsHash(again.validators()))).toBe(hashAt(15))
})

test('a set that the state has forgotten is unknown', async () => {
  let isLate = false
  const ring: EpochSetOf = (reader, epoch) => (epoch === 0 && isLate ? null : setsOf(reader, epoch))
  const kv = createMemoryKv()
  await seal(await open(ring, kv), 9)
  isLate = true
  const chain = await open(ring, kv)
  expect(chain.setOf(E)).toBeNull()
  expect(chain.setOf(E + 1)).not.toBeNull()
  expect(chain.evidenceContext().epochAt(2)).toBeNull()
})

test('the certificate of a block is by the set of its height, also in the section of the next epoch’s first block', async () => {
  const chain = await open()
  await seal(chain, 2 * E - 1)
  const last = await buildNext(chain)
  await expect(chain.commit(last, certify(chain, last, setAt(2 * E + 1)))).rejects.toMatchObject({
    code: 'VOTE_CERTIFICATE',
  })
  await chain.commit(last, certify(chain, last))
  const first = await buildNext(chain)
  expect(first.section?.lastCommit?.bitmap).toEqual(Uint8Array.of(0b111)) // of three, and the new set has four
  await expect(chain.commit(first, certify(chain, first, setAt(2 * E)))).rejects.toMatchObject({
    code: 'VOTE_CERTIFICATE',
  })
  const own = certify(chain, last, setAt(2 * E + 1))
  const forged = withSection(first, { lastCommit: own })
  const judge = await open()
  for (const height of heights(2 * E))
    await judge.commit(blockAt(chain, height), certify(judge, blockAt(chain, height)))
  await expect(judge.verify(forged)).rejects.toMatchObject({ code: 'VOTE_CERTIFICATE' })
  await judge.verify(first)
})

const withSection = (block: Block, change: Partial<NonNullable<Block['section']>>): Block => {
  if (block.section === null) throw new Error('genesis')
  const section = { ...block.section, ...change }
  const header = { ...block.header, parentBeaconBlockRoot: sectionHash(section) }
  return { ...block, section, header, hash: headerHash(header) }
}

test('a block that names other validators, or the wrong next ones, is invalid', async () => {
  const [chain, judge] = [await open(), await open()]
  await seal(chain, E)
  for (const height of heights(E - 1))
    await judge.commit(blockAt(chain, height), certify(judge, blockAt(chain, height)))
  const last = blockAt(chain, E)
  for (const change of [
    { nextValidatorsHash: validatorsHash(setAt(1)) },
    { nextValidatorsHash: null },
    { validatorsHash: validatorsHash(setAt(E + 1)) },
  ])
    await expect(judge.verify(withSection(last, change))).rejects.toThrow('validator hashes')
  await judge.verify(last)
})

test('runs of final blocks follow the sets from epoch to epoch, and one over a boundary is refused', async () => {
  const [chain, follower] = [await open(), await open()]
  await seal(chain, 14)
  const runOf = (from: number, to: number) => {
    const commit = chain.commitOf(to)
    if (commit === null) throw new Error(`no certificate of ${to}`)
    return {
      blocks: heights(to)
        .slice(from - 1)
        .map((height) => blockAt(chain, height)),
      commit,
    }
  }
  await expect(follower.append(runOf(1, E + 1))).rejects.toMatchObject({ code: 'RUN_FALSE' })
  for (let from = 1; from <= 14; from += E) await follower.append(runOf(from, Math.min(from + E - 1, 14)))
  expect(bytesToHex(follower.head().hash)).toBe(bytesToHex(chain.head().hash))
})
