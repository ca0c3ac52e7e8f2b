// Small networks of the machine alone, in virtual time, with signatures that nobody checks: random delays, loss until a moment, one
// validator that is silent. Agreement after every decision; every height decided by all who live; no honest validator accused.
import { expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex } from '../base/bytes.ts'
import { curves, installCurves, keccak } from '../base/crypto.ts'
import { type Message, type SignRecord, STEPS } from '../types/message.ts'
import { createRotation, createValidatorSet } from '../types/validators.ts'
import type { Qc } from '../types/vote.ts'
import { createState, handle, relevance, type State } from './core.ts'
import type { Effect, Input, Logged, Seen } from './io.ts'

installCurves({ ...curves(), blsAggregate: () => new Uint8Array(96) })

interface Options {
  readonly powers: readonly bigint[]
  readonly seed: number
  readonly heights: number
  readonly silent: readonly number[]
  /** Until then messages get lost, so many of a hundred. */
  readonly calmAtMs: number
  readonly lossPercent: number
  /** How often each validator crashes before the calm: its memory is gone, and what the log had not synced. */
  readonly crashes?: number
}

interface Node {
  state: State
  height: number
  timer: number
  readonly qcs: Map<number, Qc>
  /** Events of an earlier life reach nobody. */
  lives: number
  isDown: boolean
  parent: Qc | null
  log: Logged[]
  synced: number
  record: SignRecord | null
}

/** Mulberry32. */
const randomOf = (seed: number) => {
  let s = seed
  return (below: number): number => {
    s = (s + 0x6d2b79f5) | 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const run = (o: Options) => {
  const random = randomOf(o.seed)
  const set = createValidatorSet(
    o.powers.map((power, i) => ({
      address: asAddress(new Uint8Array(20).fill(i + 1)),
      blsKey: new Uint8Array(48).fill(i + 1),
      power,
    })),
  )
  const randao = asHash(new Uint8Array(32).fill(9))
  const rotation = createRotation(set, randao)
  const blocks = new Map<string, Seen>()
  const decided = new Map<number, string>()
  const nodes = o.powers.map(
    (): Node => ({
      ...{ state: createState(), height: 0, timer: 0, qcs: new Map(), lives: 1, isDown: false },
      ...{ parent: null, log: [], synced: 0, record: null },
    }),
  )
  const agenda: { readonly at: number; readonly order: number; readonly run: () => void }[] = []
  let [now, order] = [0, 0]
  const inputs: string[] = []
  const later = (ms: number, work: () => void): void => {
    agenda.push({ at: now + ms, order: order++, run: work })
  }
  /** Something a validator waits for: its next life does not. */
  const own = (i: number, ms: number, work: () => void): void => {
    const life = nodes[i]?.lives
    later(ms, () => {
      if (nodes[i]?.lives === life) work()
    })
  }
  const feed = (i: number, input: Input): void => {
    const node = nodes[i]
    if (node === undefined || o.silent.includes(i) || node.isDown) return
    inputs.push(`${now} ${i} ${input.kind}`)
    for (const effect of handle(node.state, input)) perform(i, effect)
  }
  const deliver = (from: number, to: number, message: Message): void => {
    if (from === to || (now < o.calmAtMs && random(100) < o.lossPercent)) return
    later(5 + random(200), () => {
      const node = nodes[to]
      if (node === undefined || node.height === 0) return
      const worth = relevance(node.state, message)
      const height = message.kind === 'status' ? message.height : heightOf(message)
      if (worth === 'heard') feed(to, { kind: 'heard', height, from: String(from) })
      if (worth !== 'check') return
      const seen = message.kind === 'proposal' ? (blocks.get(bytesToHex(message.proposal.blockHash)) ?? null) : null
      feed(to, { kind: 'message', message, from: String(from), seen })
    })
  }
  const start = (i: number, height: number, parent: Qc | null): void => {
    const node = nodes[i]
    if (node === undefined) return
    node.height = height
    node.parent = parent
    node.log = []
    node.synced = 0
    const proposer = rotation.proposer(height - 1)
    const nextProposer = rotation.proposer(height)
    feed(i, {
      ...{ kind: 'start', height, set, self: i, proposer, parentRandao: randao, nextProposer },
      parent: parent === null ? null : { qc: parent, set },
    })
    own(i, 3_000, () => feed(i, { kind: 'due', height }))
  }
  const perform = (i: number, effect: Effect): void => {
    const node = nodes[i]
    if (node === undefined) return
    switch (effect.kind) {
      case 'sign': {
        const { message } = effect
        const signature = new Uint8Array(96)
        const signed =
          message.kind === 'vote'
            ? ({ kind: 'vote', vote: { ...message.vote, signature } } as const)
            : message.kind === 'timeout'
              ? ({ kind: 'timeout', timeout: { ...message.timeout, signature } } as const)
              : ({ kind: 'proposal', proposal: { ...message.proposal, signature } } as const)
        const { highQc, entry } = effect
        const { height, round } =
          signed.kind === 'vote' ? signed.vote : signed.kind === 'timeout' ? signed.timeout : signed.proposal
        const step = signed.kind === 'vote' ? STEPS[signed.vote.type] : STEPS[signed.kind]
        const last = node.record
        const isHigher =
          last === null ||
          height > last.height ||
          (height === last.height && (round > last.round || (round === last.round && step > last.step)))
        expect(isHigher, `seed ${o.seed}: ${i} signs ${height}/${round}/${step} after its record`).toBe(true)
        node.record = { height, round, step, message: signed, highQc, entry }
        node.synced = node.log.length
        own(i, 1 + random(20), () => feed(i, { kind: 'signed', message: signed }))
        return
      }
      case 'send': {
        const to = effect.to === 'all' ? nodes.keys() : effect.to
        for (const at of to) deliver(i, at, effect.message)
        return
      }
      case 'reply':
        deliver(i, Number(effect.to), effect.message)
        return
      case 'serve': {
        const qc = node.qcs.get(effect.height)
        if (qc !== undefined) deliver(i, Number(effect.to), { kind: 'qc', qc })
        return
      }
      case 'arm': {
        const id = ++node.timer
        const { height, round, afterMs, from } = effect
        own(i, afterMs + (from === 'due' ? 3_000 : 0), () => {
          if (node.timer === id) feed(i, { kind: 'timer', height, round })
        })
        return
      }
      case 'build': {
        const { height, round, lastCommit } = effect
        const blockHash = keccak(new TextEncoder().encode(`${height} ${round} ${i} ${random(1e9)}`))
        blocks.set(bytesToHex(blockHash), { originRound: round, isTimely: true, lastCommit })
        own(i, 20, () => feed(i, { kind: 'built', height, round, blockHash }))
        return
      }
      case 'fetch': {
        const { height, blockHash } = effect
        own(i, 10 + random(100), () => feed(i, { kind: 'body', height, blockHash, verdict: 'valid' }))
        return
      }
      case 'commit': {
        const name = bytesToHex(effect.blockHash)
        expect(decided.get(effect.height) ?? name, `seed ${o.seed}: two blocks at height ${effect.height}`).toBe(name)
        decided.set(effect.height, name)
        node.qcs.set(effect.height, effect.qc)
        own(i, 5, () => start(i, effect.height + 1, effect.qc))
        return
      }
      case 'check':
        own(i, 1, () => feed(i, { kind: 'message', message: effect.message, from: effect.from, seen: effect.seen }))
        return
      case 'report':
      case 'alarm':
        expect.fail(`seed ${o.seed}: ${effect.kind} in an honest network`)
        return
      case 'log':
        node.log.push(effect.input)
        return
    }
  }
  const crash = (i: number): void => {
    const node = nodes[i]
    if (node === undefined || node.height === 0 || node.isDown) return
    node.isDown = true
    node.lives++
    node.log = node.log.slice(0, node.synced + random(node.log.length - node.synced + 1))
    later(100 + random(10_000), () => restart(i, node))
  }
  /** The store may be ahead: a decision that was stored is not forgotten, and its height not begun again. */
  const restart = (i: number, node: Node): void => {
    const { log } = node
    const stored = node.qcs.get(node.height)
    node.isDown = false
    node.state = createState()
    if (stored !== undefined) {
      start(i, node.height + 1, stored)
      feed(i, { kind: 'resume', record: node.record })
      return
    }
    start(i, node.height, node.parent) // its effects are performed again, which is harmless before the replay
    for (const input of log) handle(node.state, input)
    node.log = [...log]
    node.synced = log.length
    feed(i, { kind: 'resume', record: node.record })
  }
  const isDone = (): boolean => nodes.every((node, i) => o.silent.includes(i) || node.height > o.heights)
  for (const i of nodes.keys()) {
    later(random(500), () => start(i, 1, null))
    const tick = (): void => {
      feed(i, { kind: 'tick' })
      later(1_000, tick)
    }
    later(1_000 + random(1_000), tick)
    for (let k = 0; k < (o.crashes ?? 0); k++) later(random(o.calmAtMs), () => crash(i))
  }
  const endMs = o.calmAtMs + o.heights * 60_000
  while (!isDone() && now < endMs) {
    let first = 0
    for (let k = 1; k < agenda.length; k++) {
      const [a, b] = [agenda[k], agenda[first]]
      if (a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order))) first = k
    }
    const [event] = agenda.splice(first, 1)
    if (event === undefined) break
    now = event.at
    event.run()
  }
  expect(
    isDone(),
    `seed ${o.seed}: stalled at heights ${nodes.map(({ height }) => height).join(' ')} after ${now} ms`,
  ).toBe(true)
  return { decided, inputs, ms: now, nodes }
}

const heightOf = (message: Exclude<Message, { kind: 'status' }>): number => {
  if (message.kind === 'proposal') return message.proposal.height
  if (message.kind === 'vote') return message.vote.height
  if (message.kind === 'timeout') return message.timeout.height
  return message.kind === 'qc' ? message.qc.height : message.tc.height
}
const calm = { heights: 5, silent: [], calmAtMs: 0, lossPercent: 0 }

test('four validators, no faults: every height in round 0, at the pace of the interval', () => {
  const { nodes, ms } = run({ ...calm, powers: [1n, 1n, 1n, 1n], seed: 1 })
  expect(ms).toBeLessThan(6 * 4_500)
  for (const { state } of nodes) expect(state.taken.get('TIMEOUT')).toBeUndefined()
})

test('one validator alone decides', () => {
  expect(run({ ...calm, powers: [7n], seed: 2 }).decided.size).toBeGreaterThanOrEqual(5)
})

test.each(Array.from({ length: 20 }, (_, seed) => seed))('one of four is silent, seed %i', (seed) => {
  run({ ...calm, powers: [1n, 1n, 1n, 1n], seed, silent: [seed % 4] })
})

test.each(Array.from({ length: 30 }, (_, seed) => seed))(
  'a third to two thirds of all messages are lost for a minute, seed %i',
  (seed) => {
    const powers = seed % 2 === 0 ? [1n, 1n, 1n, 1n] : [3n, 3n, 2n, 2n, 1n]
    run({ ...calm, heights: 3, powers, seed, calmAtMs: 60_000, lossPercent: 30 + (seed % 35) })
  },
)

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'everybody crashes five times in a lossy minute, seed %i',
  (seed) => {
    const powers = seed % 2 === 0 ? [1n, 1n, 1n, 1n] : [3n, 3n, 2n, 2n, 1n]
    run({ ...calm, heights: 3, powers, seed, calmAtMs: 60_000, lossPercent: seed, crashes: 5 })
  },
)

test('the same seed takes the same inputs in the same order', () => {
  const options: Options = { ...calm, powers: [1n, 1n, 1n, 1n], seed: 77, calmAtMs: 30_000, lossPercent: 50 }
  const [a, b] = [run(options), run(options)]
  expect(a.inputs).toEqual(b.inputs)
  expect([...a.decided]).toEqual([...b.decided])
})

test('less than a quorum decides nothing', () => {
  expect(() => run({ ...calm, heights: 1, powers: [1n, 1n, 1n, 1n], seed: 5, silent: [0, 1] })).toThrow(/stalled/)
  // Two thirds are no quorum: it must be more.
  expect(() => run({ ...calm, heights: 1, powers: [1n, 1n, 1n], seed: 5, silent: [2] })).toThrow(/stalled/)
})
