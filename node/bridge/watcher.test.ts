// The watcher before endpoints that tell the truth, lie, hang, answer HTML, lag, go backwards and leave things out: it believes what all of them say.
import { expect, test } from 'vitest'
import { asHash, type Hash } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Timers } from '../../chain/base/ports.ts'
import { INBOX_WINDOW, type Message } from '../../chain/native/bridge/message.ts'
import { THERE, VAULT } from '../../test/kit/bridge.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { L1Errors } from '../rollup/l1.ts'
import type { Endpoint, Sent } from './endpoint.ts'
import { type Fault, Watcher, type WatchMeters } from './watcher.ts'

/** A chain that several endpoints serve, each as it likes. */
const createL1 = () => {
  let finalized = 100
  let fork = 0
  const messages: Sent[] = []
  const hashOf = (height: number): Hash => asHash(keccak(new TextEncoder().encode(`${fork} ${height}`)))
  const truth: Endpoint = {
    name: 'truth',
    finalized: async () => ({ number: finalized, hash: hashOf(finalized) }),
    hashOf: async (height) => (height <= finalized ? hashOf(height) : null),
    sent: async (_, from, to) => messages.filter(({ height }) => height >= from && height <= to),
  }
  return {
    truth,
    endpoint: (name: string, over: Partial<Endpoint> = {}): Endpoint => ({ ...truth, name, ...over }),
    mine: (blocks: number) => {
      finalized += blocks
    },
    reorganise: () => {
      fork++
    },
    send: (height: number) => messages.push({ height, message: messageFrom(messages.length + 1) }),
    messages,
  }
}

const open = async (
  endpoints: readonly Endpoint[],
  choice: { readonly from?: number; readonly kept?: { text: string | null } } = {},
) => {
  const seen: Message[] = []
  const said: string[] = []
  const faults: string[] = []
  let alarm = 0
  const kept = choice.kept ?? { text: null }
  const route = { vault: VAULT, settledUpTo: 0n }
  const note = (_: object, text: string): void => void said.push(text)
  const log: Log = { debug() {}, info: note, warn: note, error: note }
  const meters: WatchMeters = {
    alarms: {
      set(value) {
        alarm = value
      },
    },
    faults: { add: (_, labels) => void faults.push(String(labels?.reason)) },
    messages: { add() {} },
  }
  const timers: Timers = { after: () => () => {} }
  const place = {
    read: async () => kept.text,
    async replace(text: string) {
      kept.text = text
    },
  }
  const watcher = await Watcher.open(
    { endpoints, route: () => route, see: (messages) => void seen.push(...messages), place, timers, log, meters },
    { chain: THERE, from: choice.from ?? 90, pollMs: 1 },
  )
  const sequences = () => seen.map(({ sequence }) => Number(sequence))
  const turn = async (): Promise<Fault | null> => {
    await watcher.turn()
    return watcher.fault
  }
  return { watcher, turn, sequences, said, faults, kept, route, alarm: () => alarm }
}

test('what all endpoints have in finalized blocks is seen, once and in order', async () => {
  const l1 = createL1()
  l1.send(95)
  l1.send(100)
  l1.send(101)
  const { turn, sequences } = await open([l1.endpoint('a'), l1.endpoint('b')])
  expect([await turn(), sequences()]).toEqual([null, [1, 2]])
  expect([await turn(), sequences()]).toEqual([null, [1, 2]])
  l1.mine(1)
  expect([await turn(), sequences()]).toEqual([null, [1, 2, 3]])
})

test('the lower of two finalized heights is as far as it looks', async () => {
  const l1 = createL1()
  l1.send(95)
  l1.send(99)
  const slow = l1.endpoint('slow', {
    finalized: async () => ({ number: 97, hash: (await l1.truth.hashOf(97)) as Hash }),
  })
  const { turn, sequences } = await open([l1.endpoint('a'), slow])
  expect([await turn(), sequences()]).toEqual([null, [1]])
})

const other = asHash(new Uint8Array(32).fill(9))
const refused = (reason: string) => async (): Promise<never> => {
  throw new NodeError(L1Errors.ANSWER, { host: 'liar', method: 'eth_getLogs', reason })
}
type L1 = ReturnType<typeof createL1>
const liars: readonly (readonly [string, Fault, (l1: L1) => Partial<Endpoint>])[] = [
  ['has another block', 'disagree', () => ({ hashOf: async () => other })],
  ['has no such block', 'disagree', () => ({ hashOf: async () => null })],
  [
    'makes a message up',
    'disagree',
    ({ messages }) => ({ sent: async () => [...messages, { height: 99, message: messageFrom(2) }] }),
  ],
  [
    'changes one',
    'disagree',
    () => ({ sent: async () => [{ height: 95, message: { ...messageFrom(1), amount: 10n ** 30n } }] }),
  ],
  ['moves one', 'disagree', () => ({ sent: async () => [{ height: 96, message: messageFrom(1) }] })],
  ['leaves one out', 'disagree', () => ({ sent: async () => [] })],
  ['answers HTML', 'unreachable', () => ({ finalized: refused('HTTP 200, "<html>"') })],
  [
    'does not answer',
    'unreachable',
    () => ({
      sent: async () => {
        throw new NodeError(L1Errors.UNREACHABLE, { host: 'liar', method: 'eth_getLogs', reason: 'timeout' })
      },
    }),
  ],
]
test.each(liars)('an endpoint that %s stops the vote, and alarms until it agrees again', async (_, fault, over) => {
  const l1 = createL1()
  l1.send(95)
  let isLying = true
  const liar = l1.endpoint('liar')
  const lie = { ...liar, ...over(l1) }
  const both: Endpoint = {
    name: 'liar',
    finalized: () => (isLying ? lie : liar).finalized(),
    hashOf: (height) => (isLying ? lie : liar).hashOf(height),
    sent: (...range) => (isLying ? lie : liar).sent(...range),
  }
  const { turn, sequences, said, faults, alarm, kept } = await open([l1.endpoint('a'), both])
  expect([await turn(), await turn(), sequences(), alarm(), kept.text]).toEqual([fault, fault, [], 1, null])
  expect(faults).toEqual([fault, fault])
  expect(said.filter((text) => /^NOTHING OF CHAIN 80002 IS ATTESTED/.test(text))).toHaveLength(1)
  isLying = false
  expect([await turn(), sequences(), alarm()]).toEqual([null, [1], 0])
})

test('a finalized block that goes backwards stops it, with one endpoint as with two', async () => {
  const l1 = createL1()
  const { turn, sequences, said } = await open([l1.endpoint('a')])
  expect(await turn()).toBe(null)
  l1.mine(-1)
  l1.send(99)
  expect([await turn(), sequences()]).toEqual(['backwards', []])
  expect(said.at(-1)).toMatch(/went backwards/)
  l1.mine(1)
  expect(await turn()).toBe(null)
})

test('a final block that is another one now stops it for good', async () => {
  const l1 = createL1()
  const kept = { text: null }
  const { turn } = await open([l1.endpoint('a'), l1.endpoint('b')], { kept })
  await turn()
  l1.reorganise()
  l1.mine(5)
  l1.send(103)
  expect([await turn(), await turn()]).toEqual(['reorganised', 'reorganised'])
  const again = await open([l1.endpoint('a'), l1.endpoint('b')], { kept })
  expect([await again.turn(), again.sequences()]).toEqual(['reorganised', []])
})

test('what every endpoint leaves out is missed when the next message comes', async () => {
  const l1 = createL1()
  l1.send(95)
  const forgetful = {
    sent: async (_: unknown, from: number, to: number) =>
      (await l1.truth.sent(VAULT, from, to, null)).filter(({ message }) => message.sequence !== 2n),
  }
  const { turn, sequences } = await open([l1.endpoint('a', forgetful), l1.endpoint('b', forgetful)])
  await turn()
  l1.send(101)
  l1.mine(1)
  expect(await turn()).toBe(null)
  l1.send(102)
  l1.mine(1)
  expect([await turn(), sequences()]).toEqual(['gap', [1]])
})

test('after a restart it goes on before the first message that is not settled', async () => {
  const l1 = createL1()
  const kept = { text: null }
  for (const height of [101, 102, 103]) l1.send(height)
  const first = await open([l1.endpoint('a')], { kept })
  for (let i = 0; i < 4; i++) {
    await first.turn()
    l1.mine(1)
  }
  expect(first.sequences()).toEqual([1, 2, 3])
  first.route.settledUpTo = 2n
  await first.turn()
  const second = await open([l1.endpoint('a')], { kept })
  expect([await second.turn(), second.sequences()]).toEqual([null, [3]])
  // A place that is spoiled costs a look back.
  kept.text = '{"height":-1}' as never
  const third = await open([l1.endpoint('a')], { kept })
  await third.turn()
  expect([third.sequences(), third.said]).toEqual([[1, 2, 3], [expect.stringMatching(/unreadable/)]])
})

test('where an endpoint refuses so many blocks it asks for fewer', async () => {
  const l1 = createL1()
  l1.mine(5_000)
  l1.send(3_000)
  const asked: number[] = []
  const strict = l1.endpoint('strict', {
    async sent(vault, from, to) {
      asked.push(to - from + 1)
      if (to - from >= 300)
        throw new NodeError(L1Errors.REFUSED, { host: 'strict', method: 'eth_getLogs', message: 'range', output: null })
      return l1.truth.sent(vault, from, to, null)
    },
  })
  const { turn, sequences } = await open([strict])
  for (let i = 0; i < 40; i++) await turn()
  expect(sequences()).toEqual([1])
  expect(asked.slice(0, 3)).toEqual([1_000, 500, 250])
})

test('it waits where the inbox has no more room', async () => {
  const l1 = createL1()
  for (let i = 0; i < Number(INBOX_WINDOW); i++) l1.send(95)
  l1.send(101)
  const { turn, sequences, route } = await open([l1.endpoint('a')])
  await turn()
  l1.mine(1)
  await turn()
  expect(sequences().at(-1)).toBe(Number(INBOX_WINDOW))
  route.settledUpTo = 1n
  await turn()
  expect(sequences().at(-1)).toBe(Number(INBOX_WINDOW) + 1)
})

test('a burst in one look is shown as far as the inbox has room, and the rest as it moves on', async () => {
  const l1 = createL1()
  const window = Number(INBOX_WINDOW)
  for (let i = 0; i < 3 * window; i++) l1.send(95)
  const kept = { text: null }
  const { turn, sequences, route } = await open([l1.endpoint('a')], { kept })
  await turn()
  expect(sequences()).toHaveLength(window)
  await turn()
  expect(sequences()).toHaveLength(window)
  route.settledUpTo = 5n
  await turn()
  expect(sequences()).toHaveLength(window + 5)
  // The same burst again after a restart.
  const again = await open([l1.endpoint('a')], { kept })
  again.route.settledUpTo = 5n
  await again.turn()
  expect(again.sequences()).toHaveLength(window + 5)
})
