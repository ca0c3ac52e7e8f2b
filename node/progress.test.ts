// What a node says of consensus when blocks come late: the share of power, who is missing and since when, and what else is in the way.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asHash, bytesToHex, type Hash } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Meter } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { createState, handle, type State } from '../chain/consensus/core.ts'
import type { Input, Seen } from '../chain/consensus/io.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import type { Message } from '../chain/types/message.ts'
import { bitmapOf } from '../chain/types/vote.ts'
import { createMemoryHub } from '../p2p/memory.ts'
import type { Handlers, Network } from '../p2p/network.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { developmentGenesis } from './development.ts'
import { Progress } from './progress.ts'

installCurves(nativeCurves)
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const signature = new Uint8Array(96) // the machine believes what it is given; checks come before it
const block = asHash(new Uint8Array(32).fill(7))
const seen: Seen = { originRound: 0, isTimely: true, lastCommit: null }

let chain: Chain
let network: Network | null
let state: State
let progress: Progress
let now: number
let said: string[]
let silence: string | null
beforeEach(() => {
  now = 1_800_000_000_000
  state = createState()
  network = null
  said = []
  silence = null
})
afterEach(() => chain.close())

/** Validator 0 of a network with these powers, at height 1; its block is due. */
const enter = async (...powers: number[]): Promise<void> => {
  const json = JSON.parse(
    developmentGenesis(bundledGenesis(), { validators: powers.length, blockTimeMs: 3_000, chainId: null }),
  )
  json.novachain.validators.sort((a: { address: string }, b: { address: string }) => (a.address < b.address ? -1 : 1))
  json.novachain.modules.params.values = { 'staking.minSelfBond': `1${'0'.repeat(18)}` }
  for (const [i, power] of powers.entries()) json.novachain.validators[i].stake = `${power}${'0'.repeat(18)}`
  const genesis = parseGenesis(JSON.stringify(json))
  const clock = { nowMs: () => now }
  const say = (_: object, text: string): void => void said.push(text)
  const log = { debug() {}, info: say, warn: say, error: say }
  const engine = createChainEngine(genesis)
  chain = await openChain({ kv: createMemoryKv(), engine, clock, pause: async () => {}, log, meter }, genesis, {
    ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  })
  progress = new Progress({
    chain,
    network: () => network,
    clock,
    log,
    meter,
    indexAt: () => 0,
    blockOf: () => null,
    silence: () => silence,
  })
  progress.entered(1)
  const head = chain.head().header
  const start = { set: chain.validators(), self: 0, proposer: 1, nextProposer: 2, parent: null }
  take({ kind: 'start', height: 1, ...start, parentRandao: head.prevRandao })
  take({ kind: 'due', height: 1 })
}
const take = (input: Input): void => {
  handle(state, input)
  progress.took(input, state)
}
const hear = (message: Message): void =>
  take({ kind: 'message', message, from: 'x', seen: message.kind === 'proposal' ? seen : null })
const propose = (blockHash: Hash): void =>
  hear({
    kind: 'proposal',
    proposal: { height: 1, round: 0, blockHash, justify: null, tc: null, validator: 1, signature },
  })
const vote = (type: 'prepare' | 'commit', validator: number): void =>
  hear({ kind: 'vote', vote: { type, height: 1, round: 0, blockHash: block, validator, signature } })
const timeout = (validator: number): void =>
  hear({ kind: 'timeout', timeout: { height: 1, round: 0, hqcRound: null, qc: null, validator, signature } })
const addressOf = (i: number): string => bytesToHex(chain.validators().members[i]?.address ?? new Uint8Array(0))
const tick = (seconds: number): void => {
  for (let i = 0; i < seconds; i++) {
    now += 1_000
    take({ kind: 'tick' })
  }
}

test('the step of a round, the power behind it and who is waited for', async () => {
  await enter(40, 30, 20, 10)
  expect(progress.status(state)).toMatchObject({
    step: 'propose',
    waitsFor: `the proposal of ${addressOf(1)} (not heard since the start)`,
  })
  propose(block)
  vote('prepare', 1)
  now += 2_000
  expect(progress.status(state)).toMatchObject({
    ...{ step: 'prepare', halt: null, power: { prepare: 30n, commit: 0n, timeout: 0n } },
    missing: [{ power: 40n, heardMs: null }, { power: 20n }, { power: 10n }],
  })
  take({ kind: 'timer', height: 1, round: 0 })
  timeout(0)
  timeout(3)
  expect(progress.status(state)).toMatchObject({
    ...{ step: 'timeout', power: { timeout: 50n }, missing: [{ heardMs: 2_000 }, { heardMs: null }] },
  })
})

test('a halt is explained after ten seconds and then every ten: the share rounded down, who is missing and since when', async () => {
  await enter(408, 204, 199, 189)
  vote('prepare', 2)
  take({ kind: 'timer', height: 1, round: 0 })
  timeout(0)
  timeout(1)
  tick(9)
  expect([progress.status(state).halt, said]).toEqual([null, []])
  tick(1)
  const text =
    'height 1 round 0: have 61.2 % of voting power, need more than 66.67 %: ' +
    `missing ${addressOf(2)} (last heard 10 s ago), ${addressOf(3)} (not heard since the start)`
  expect([progress.status(state).halt, said]).toEqual([text, [text]])
  tick(9)
  expect(said).toHaveLength(1)
  tick(1)
  expect(said).toHaveLength(2)
})

test('two thirds are no quorum and do not read like one', async () => {
  await enter(2, 1)
  take({ kind: 'timer', height: 1, round: 0 })
  timeout(0)
  tick(10)
  expect(progress.status(state).halt).toContain('have 66.6 % of voting power, need more than 66.67 %')
})

test('proposals that the own clock refuses are a reason, with how far off it is; of several validators it is this machine', async () => {
  await enter(1, 1, 1, 1)
  progress.judged(1, -2_345, false)
  tick(10)
  expect(progress.status(state).halt).toMatch(
    /refused 1 proposals as not timely, the last 2345 ms ahead of the own clock/,
  )
  progress.judged(2, 9_000, false)
  expect(progress.status(state).halt).toMatch(/the last 9000 ms behind the own clock: check the clock of this machine/)
})

test('a validator that may not sign says so, before a halt and in it', async () => {
  await enter(1, 1, 1, 1)
  silence = 'its signer does not answer'
  expect(progress.status(state)).toMatchObject({ silence, halt: null })
  tick(10)
  expect(progress.status(state).halt).toContain('; this validator signs nothing: its signer does not answer')
})

test('a block that a quorum prepared and nobody gives is a reason, and so is having no peer', async () => {
  await enter(1, 1, 1, 1)
  const handlers: Handlers = { onPublished: () => 'ignore', onRequest: async () => block, onPeer() {}, onPeerGone() {} }
  network = createMemoryHub().join('alone', handlers)
  hear({
    kind: 'qc',
    qc: { type: 'prepare', height: 1, round: 0, blockHash: block, bitmap: bitmapOf([1, 2, 3], 4), signature },
  })
  tick(10)
  expect(progress.status(state).halt).toMatch(
    /no peer is connected; block 0x0707\w+ is nowhere to be had \(asked \d+ times\)/,
  )
  take({ kind: 'body', height: 1, blockHash: block, verdict: 'invalid' })
  expect(progress.status(state).halt).toMatch(/a quorum stands behind block 0x0707\w+, which is invalid here/)
})
