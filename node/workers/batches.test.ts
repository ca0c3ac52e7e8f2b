import { expect, test } from 'vitest'
import { asAddress } from '../../chain/base/bytes.ts'
import { encodeBlock } from '../../chain/types/block.ts'
import { blocksOf, drawTransfers, drawTx } from '../../test/kit/batches.ts'
import { createDice } from '../../test/kit/dice.ts'
import { type BatchInput, encodeBatch } from '../rollup/batch.ts'
import type { Encoding } from '../rollup/tx-columns.ts'
import { createBatchBuilder } from './batches.ts'

const jobOf = ({ blocks, ...rest }: BatchInput, encoding: Encoding) => ({
  ...rest,
  encoding,
  blocks: blocks.map(encodeBlock),
})

test('a thread makes the batches that this one would, and after it failed another does', async () => {
  const dice = createDice(5)
  const transfers = blocksOf(dice, [drawTransfers(dice, { txs: 30, users: 4 }), [], []])
  const people = [asAddress(dice.bytes(20))]
  const others = blocksOf(dice, [Array.from({ length: 9 }, () => drawTx(dice, people))], { first: 1, system: 1 })
  const builder = createBatchBuilder()
  const [full, attested] = await Promise.all([
    builder.build(jobOf(transfers, 'full')),
    builder.build(jobOf(others, 'attested')),
  ])
  expect(full).toEqual(encodeBatch(transfers, 'full'))
  expect(attested).toEqual(encodeBatch(others, 'attested'))
  const broken = { ...jobOf(transfers, 'full'), blocks: [Uint8Array.of(1, 2, 3)] }
  await expect(builder.build(broken)).rejects.toMatchObject({ code: 'BATCH_THREAD_FAILED' })
  expect(await builder.build(jobOf(transfers, 'attested'))).toEqual(encodeBatch(transfers, 'attested'))
  const late = builder.build(jobOf(others, 'full'))
  await builder.close()
  await expect(late).rejects.toMatchObject({ code: expect.stringContaining('BATCH_THREAD_') })
  await expect(builder.build(jobOf(others, 'full'))).rejects.toMatchObject({ code: 'BATCH_THREAD_STOPPED' })
})
