// The watch over the disk: too little to begin, too little later, little and warned of, a file system that does not say.
import { expect, test } from 'vitest'
import { DISK_LEAST_BYTES, watchDisk } from './disk.ts'

const setup = (first: number | null) => {
  let have = first
  const waiting: (() => void)[] = []
  const warned: string[] = []
  const gauges: number[] = []
  const deps = {
    free: async () => have,
    timers: {
      after(_: number, run: () => void) {
        waiting.push(run)
        return () => void waiting.splice(waiting.indexOf(run), 1)
      },
    },
    log: { debug() {}, info() {}, error() {}, warn: (_: object, text: string) => warned.push(text) },
    meter: {
      counter: () => ({ add() {} }),
      gauge: () => ({ set: (value: number) => gauges.push(value) }),
      histogram: () => ({ observe() {} }),
    },
  }
  const look = async (bytes: number | null): Promise<void> => {
    have = bytes
    waiting.shift()?.()
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }
  return { deps, look, warned, gauges, waiting }
}

test('too little to begin with is refused, with how much there is and what to type', async () => {
  const { deps } = setup(DISK_LEAST_BYTES - 1)
  await expect(watchDisk(deps, '/data')).rejects.toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringMatching(
      /^255 MB are free on the disk of \/data, and a node needs 256 MB.*novachain start --dir \/data/,
    ),
  })
})

test('little is warned of once in a while, too little ends the watch, and nothing is asked after that', async () => {
  const { deps, look, warned, gauges, waiting } = setup(100 * DISK_LEAST_BYTES)
  const watch = await watchDisk(deps, '/data')
  let ended: unknown = null
  watch.full.catch((error: unknown) => {
    ended = error
  })
  await look(2 * DISK_LEAST_BYTES)
  await look(2 * DISK_LEAST_BYTES)
  expect([warned.length, ended]).toEqual([1, null])
  await look(DISK_LEAST_BYTES - 1)
  expect([ended, waiting.length]).toEqual([expect.objectContaining({ code: 'DISK_FULL' }), 0])
  expect(gauges).toEqual([100, 2, 2].map((times) => times * DISK_LEAST_BYTES).concat(DISK_LEAST_BYTES - 1))
  await watch.close()
})

test('what the file system does not say is no reason to stop, and a closed watch looks no more', async () => {
  const { deps, look, waiting } = setup(null)
  const watch = await watchDisk(deps, '/data')
  await look(null)
  expect(waiting.length).toBe(1)
  await watch.close()
  expect(waiting.length).toBe(0)
})
