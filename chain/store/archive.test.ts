import { expect, test } from 'vitest'
import { asHash } from '../base/bytes.ts'
import { type Evidence, evidenceOf, type SignedAt, type Testimony } from '../types/evidence.ts'
import { openArchive } from './archive.ts'
import { createMemoryKv } from './kv.ts'

const testimony = (height: number, bits: number, byte = 0xaa): Testimony => ({
  statement: { kind: 'prepare', height, round: 0, blockHash: asHash(new Uint8Array(32).fill(byte)) },
  bitmap: Uint8Array.of(bits),
  signature: new Uint8Array(96).fill(bits),
})
const signedAt = (height: number): SignedAt => ({
  height,
  certificates: [testimony(height, 7)],
  votes: [testimony(height, 8)],
})
const evidence = (height: number): Evidence => evidenceOf(testimony(height, 1), testimony(height, 1, 0xbb))

test('certificates stay until they are pruned and votes for the last two heights, over a restart', async () => {
  const kv = createMemoryKv()
  const archive = openArchive(kv)
  const commit = (height: number): Promise<void> => kv.write(archive.writes(height, [signedAt(height)]))
  for (const height of [1, 2, 3]) await commit(height)
  const again = openArchive(kv)
  expect(again.at(3)).toEqual(signedAt(3))
  expect(again.at(2)).toEqual(signedAt(2))
  expect(again.at(1)).toEqual({ ...signedAt(1), votes: [] })
  await again.prune({ head: 3, from: 2 })
  expect(again.at(1)).toEqual({ height: 1, certificates: [], votes: [] })
  expect(again.at(2).certificates.length).toBe(1)
})

test('what blocks that others decided left behind is pruned', async () => {
  const kv = createMemoryKv()
  const archive = openArchive(kv)
  await archive.keep([1, 2, 3, 4].map(signedAt))
  await archive.prune({ head: 100, from: 2 })
  expect([1, 2].map((height) => archive.at(height).certificates.length)).toEqual([0, 1])
  expect([1, 2, 3, 4].map((height) => archive.at(height).votes.length)).toEqual([0, 0, 0, 0])
  await archive.keep([signedAt(4)])
  await archive.prune({ head: 5, from: 2 })
  expect(archive.at(4)).toEqual(signedAt(4))
})

test('more than one batch of old records goes in batches', async () => {
  const kv = createMemoryKv()
  const archive = openArchive(kv)
  for (let height = 1; height <= 2_500; height++) await archive.keep([{ ...signedAt(height), votes: [] }])
  const sizes: number[] = []
  const counting = openArchive({
    ...kv,
    write(writes) {
      sizes.push([...writes].length)
      return kv.write(writes)
    },
  })
  await counting.prune({ head: 2_500, from: 2_499 })
  expect(sizes).toEqual([1_000, 1_000, 498])
  expect([2_498, 2_499].map((height) => archive.at(height).certificates.length)).toEqual([0, 1])
})

test('evidence is kept and dropped by itself, ascending by height', async () => {
  const kv = createMemoryKv()
  const archive = openArchive(kv)
  await archive.change({ keep: [evidence(300), evidence(2)], drop: [] })
  expect(await openArchive(kv).evidence()).toEqual([evidence(2), evidence(300)])
  await archive.change({ keep: [], drop: [evidence(2)] })
  expect(await archive.evidence()).toEqual([evidence(300)])
})

test('a damaged record is named and not served', async () => {
  const kv = createMemoryKv()
  const archive = openArchive(kv)
  const [write] = archive.writes(5, [signedAt(5)])
  if (write?.value == null) expect.fail('a write')
  const value = write.value.slice()
  value[3] = (value[3] ?? 0) ^ 1
  await kv.write([{ key: write.key, value }])
  expect(() => archive.at(5)).toThrowError(expect.objectContaining({ code: 'STORE_CORRUPT' }))
})
