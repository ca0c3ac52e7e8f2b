import { expect, test } from 'vitest'
import { bytesToHex } from '../base/bytes.ts'
import { Batch } from './batch.ts'
import { unseal } from './seal.ts'

const pause = async (): Promise<void> => {}
/** Some megabytes of writes, every tenth of them a removal; `salt` makes them others. */
const fill = (batch: Batch, salt: number): void => {
  for (let i = 0; i < 3_000; i++) {
    const key = Uint8Array.of(salt, i >> 8, i)
    if (i % 10 === 0) batch.delete(key)
    else batch.put(key, new Uint8Array(1_000 + (i % 700)).fill(i + salt))
  }
}
const textOf = (batch: Batch): readonly string[] =>
  Array.from(
    batch,
    ({ key, value }) => `${bytesToHex(key)} ${value === null ? 'gone' : bytesToHex(unseal('test', key, value))}`,
  )

test('a batch in memory of one that was released holds what is put into it, and nothing of the other', async () => {
  const [wanted, first] = [new Batch(), new Batch()]
  fill(wanted, 2)
  fill(first, 1)
  first.release()
  expect([...first]).toEqual([])
  const second = new Batch()
  fill(second, 2)
  expect(textOf(second)).toEqual(textOf(wanted))
  const visited: string[] = []
  await second.each(100, pause, (bytes, keyAt, valueAt, end) => {
    const key = bytes.subarray(keyAt, valueAt)
    const content = end === null ? 'gone' : bytesToHex(unseal('test', key, bytes.subarray(valueAt, end)))
    visited.push(`${bytesToHex(key)} ${content}`)
  })
  expect(visited).toEqual(textOf(wanted))
})
