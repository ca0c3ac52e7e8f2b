// A lane before endpoints that lag, leave out and refuse: nothing that was passed over is forgotten, and what is contradicted is read again.
import { expect, test } from 'vitest'
import { asAddress, asHash, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Message } from '../../chain/native/bridge/message.ts'
import { HERE, THERE, VAULT } from '../../test/kit/bridge.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { L1Errors } from '../rollup/l1.ts'
import type { Endpoint, Sent } from './endpoint.ts'
import { Lane } from './lane.ts'

const MOST = 16_384
const OTHER_TOKEN = new Uint8Array(32).fill(0xb)
const hashAt = (height: number): Hash => asHash(keccak(new TextEncoder().encode(`${height}`)))
const refused = new NodeError(L1Errors.REFUSED, { host: 'sim', method: 'any', message: 'too many', output: null })

const open = async (from = 1) => {
  const messages: Sent[] = []
  const chain = {
    final: 100,
    forge: (sent: readonly Sent[]) => sent,
    isLimited: false,
    kept: null as string | null,
    asked: [] as string[],
  }
  const endpoint: Endpoint = {
    name: 'sim',
    finalized: async () => ({ number: chain.final, hash: hashAt(chain.final) }),
    hashOf: async (height) => (height <= chain.final ? hashAt(height) : null),
    sent: async (_, low, high) => {
      chain.asked.push(`${low}-${high}`)
      return chain.forge(messages.filter(({ height }) => height >= low && height <= high))
    },
    hasSent: async (_, sequence, height) => {
      if (chain.isLimited) throw refused
      return messages.some((each) => each.message.sequence === sequence && each.height <= height)
    },
  }
  const place = {
    read: async () => chain.kept,
    async replace(text: string) {
      chain.kept = text
    },
  }
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const start = (contract = VAULT) =>
    Lane.open({ endpoint, contract, place, log }, { source: THERE, target: HERE, from })
  const send = (height: number, over: Partial<Message> = {}): void => {
    messages.push({ height, message: messageFrom(messages.length + 1, over) })
  }
  return { chain, send, start }
}
const look = (lane: Lane): Promise<string | null> =>
  lane.scan().then(
    () => null,
    (error: unknown) => (error instanceof NodeError ? error.code : String(error)),
  )
const numbers = (lane: Lane): readonly number[] =>
  [...lane.pending.values()].map(({ message }) => Number(message.sequence)).toSorted((a, b) => a - b)
const finish = (lane: Lane, count: number): void => {
  for (const each of [...lane.pending.values()].slice(0, count)) lane.done(each)
}
const between = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

test('what had no room is not forgotten where an endpoint lags when it is read again', async () => {
  const { chain, send, start } = await open()
  for (let i = 0; i < MOST + 16; i++) send(50)
  const lane = await start()
  expect([await look(lane), lane.pending.size]).toEqual([null, MOST])
  finish(lane, MOST)
  chain.forge = () => []
  expect([await look(lane), lane.pending.size]).toEqual(['RELAY_GAP', 0])
  // Nor across a restart.
  const again = await start()
  chain.forge = (sent) => sent
  expect([await look(lane), numbers(lane)]).toEqual([null, between(MOST + 1, MOST + 16)])
  expect([await look(again), numbers(again)[0]]).toEqual([null, 1])
})

test('a part that an endpoint left out when it was read again is read once more, and the chain is not', async () => {
  const { chain, send, start } = await open()
  chain.final = 25_000
  send(1)
  for (let i = 0; i < MOST + 16; i++) send(12_000)
  send(24_000, { token: OTHER_TOKEN })
  const lane = await start()
  for (let i = 0; i < 3; i++) expect(await look(lane)).toBe(null)
  expect([lane.height, lane.pending.size]).toEqual([25_000, MOST + 1])
  finish(lane, MOST)
  chain.forge = () => []
  chain.asked.length = 0
  expect(await look(lane)).toBe(null)
  chain.forge = (sent) => sent
  expect(await look(lane)).toBe('RELAY_GAP')
  expect([await look(lane), await look(lane)]).toEqual([null, null])
  expect(numbers(lane)).toEqual(between(MOST + 1, MOST + 18))
  expect(chain.asked[0]).toBe(chain.asked[2])
  expect(chain.asked.some((range) => range.startsWith('1-'))).toBe(false)
})

test('where the first look was wrong, what it found is read again with all the rest', async () => {
  const { chain, send, start } = await open()
  send(50)
  send(60)
  const lane = await start()
  chain.forge = (sent) => sent.filter(({ message }) => message.sequence !== 2n)
  expect([await look(lane), numbers(lane)]).toEqual([null, [1]])
  chain.final++
  send(101)
  expect([await look(lane), numbers(lane)]).toEqual(['RELAY_GAP', []])
  chain.forge = (sent) => sent
  expect([await look(lane), numbers(lane)]).toEqual([null, [1, 2, 3]])
})

test('how many were sent before is asked until it is known, and no place is kept without it', async () => {
  const { chain, send, start } = await open(20)
  for (let i = 0; i < 3; i++) send(10)
  chain.isLimited = true
  const lane = await start()
  expect([await look(lane), lane.height, chain.kept]).toEqual([null, 100, null])
  send(101)
  chain.final = 101
  expect([await look(lane), numbers(lane)]).toEqual(['RELAY_BEGINNING', []])
  chain.isLimited = false
  expect([await look(lane), numbers(lane)]).toEqual([null, [4]])
})

test('the place of another contract is none', async () => {
  const { send, start } = await open()
  send(50)
  const lane = await start()
  expect(await look(lane)).toBe(null)
  finish(lane, 1)
  expect([await look(lane), (await start()).height]).toEqual([null, 100])
  expect((await start(asAddress(new Uint8Array(20).fill(0x2d)))).height).toBe(0)
})
