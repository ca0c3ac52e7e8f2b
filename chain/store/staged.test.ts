import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Kv, KvWrite } from '../base/ports.ts'
import { createMemoryKv } from './kv.ts'
import { createStagedKv } from './staged.ts'

const all = async (kv: Kv, from = 0, to = 255): Promise<(readonly [number[], number[]])[]> => {
  const found: (readonly [number[], number[]])[] = []
  for await (const [key, value] of kv.entries(Uint8Array.of(from), Uint8Array.of(to)))
    found.push([[...key], [...value]])
  return found
}
const write = fc.record({ key: fc.integer({ min: 0, max: 9 }), value: fc.option(fc.integer({ min: 0, max: 255 })) })
const toWrites = (batch: readonly { key: number; value: number | null }[]): KvWrite[] =>
  batch.map(({ key, value }) => ({
    key: Uint8Array.of(key),
    value: value === null ? null : Uint8Array.of(value),
  }))

test('what is held reads as if it were written, is on the disk after one batch, and not a byte before; the next is held meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(write), fc.array(fc.array(write)), fc.array(write), async (before, held, after) => {
      const [disk, plain] = [createMemoryKv(), createMemoryKv()]
      let batches = 0
      const staged = createStagedKv({ ...disk, write: (batch) => disk.write(batch).finally(() => batches++) })
      for (const kv of [staged, plain]) await kv.write(toWrites(before))
      const stored = await all(disk)
      staged.hold()
      for (const batch of held) for (const kv of [staged, plain]) await kv.write(toWrites(batch))
      expect(await all(staged)).toEqual(await all(plain))
      expect(await all(staged, 2, 7)).toEqual(await all(plain, 2, 7))
      for (let key = 0; key < 10; key++) expect(staged.get(Uint8Array.of(key))).toEqual(plain.get(Uint8Array.of(key)))
      expect(await all(disk)).toEqual(stored)
      batches = 0
      // More may be held while a batch is on its way.
      const flushed = staged.flush()
      for (const kv of [staged, plain]) await kv.write(toWrites(after))
      expect(await all(staged)).toEqual(await all(plain))
      await flushed
      expect(batches).toBe(1)
      expect(await all(staged)).toEqual(await all(plain))
      await staged.flush()
      staged.release()
      expect([await all(disk), batches]).toEqual([await all(plain), 2])
    }),
  )
})
