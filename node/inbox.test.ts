// The door of consensus before the real machine of a chain with a hundred validators: what it lets in, in which order, and at what cost.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { asAddress, type Hash } from '../chain/base/bytes.ts'
import { type BlsJob, curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { createState, handle, type State } from '../chain/consensus/core.ts'
import type { Input, Start } from '../chain/consensus/io.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { headerHash, type Section } from '../chain/types/block.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { type Message, signedPart, type Unsigned, withSignature } from '../chain/types/message.ts'
import { bitmapOf, type Domain, formQc, formTc, type Qc, signBytes, type Tc } from '../chain/types/vote.ts'
import type { Judgement, PeerId } from '../p2p/network.ts'
import { encodeEnvelope, type Sketch, sketchOf } from '../p2p/wire.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { developmentGenesis, developmentSecret } from './development.ts'
import { createInbox, INBOX_BOUNDS, type Inbox } from './inbox.ts'
import { createVerifier, type Verifier } from './verifier.ts'

installCurves(nativeCurves)
const COUNT = 100
const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
let dropped = 0
const meter: Meter = {
  counter: () => ({ add: () => dropped++ }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}
const NOW_MS = 1_800_000_000_000
const BLOCK = keccak(Uint8Array.of(1))

let chain: Chain
let domain: Domain
/** By index in the set. */
let secrets: readonly Uint8Array[]
beforeAll(async () => {
  const genesis = parseGenesis(
    developmentGenesis(bundledGenesis(), { validators: COUNT, blockTimeMs: 3_000, chainId: null }),
  )
  chain = await openChain(
    {
      ...{ kv: createMemoryKv(), engine: createChainEngine(genesis), clock: { nowMs: () => NOW_MS } },
      ...{ pause: async () => {}, log, meter },
    },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
  const byKey = new Map(
    Array.from({ length: COUNT }, (_, i) => {
      const secret = developmentSecret(i)
      return [curves().blsPublicKey(secret).join(), secret] as const
    }),
  )
  secrets = chain.validators().members.map(({ blsKey }) => byKey.get(blsKey.join()) as Uint8Array)
})

// One inbox with its machine.

let state: State
let pushed: Input[]
let ahead: number[]
/** Groups of each call to the verifier, and the open gate that lets it answer. */
let asked: (readonly (readonly BlsJob[])[])[]
let gate: Promise<void>
let inbox: Inbox
/** Heights above it have a set that nobody knows yet. */
let known: number
const startOf = (height: number, parent: Qc | null): Start => ({
  ...{ kind: 'start', height, set: chain.validators(), self: null, proposer: 0, nextProposer: null },
  parentRandao: keccak(Uint8Array.of(height)),
  parent: parent === null ? null : { qc: parent, set: chain.validators() },
})
beforeEach(() => {
  state = createState()
  pushed = []
  ahead = []
  dropped = 0
  asked = []
  gate = Promise.resolve()
  const real = createVerifier(() => nextTurn())
  const verifier: Verifier = {
    gather: () => real.gather(),
    async verify(groups) {
      asked.push(groups)
      await gate
      return real.verify(groups)
    },
  }
  known = Number.POSITIVE_INFINITY
  const setOf: Chain['setOf'] = (height) => (height > known ? null : chain.setOf(height))
  const { genesis, genesisHash } = chain
  handle(state, startOf(1, null))
  inbox = createInbox({
    ...{ verifier, log, meter, state: () => state, nowMs: () => NOW_MS },
    chain: { genesis, genesisHash, head: () => chain.head(), setOf },
    push(input) {
      pushed.push(input)
      handle(state, input)
    },
    hold() {},
    judged() {},
    onChecked() {},
    onDropped: () => 'ignore',
    onAhead: (height) => ahead.push(height),
    fail(error) {
      throw error
    },
  })
})

const jobsAsked = (): number => asked.flat(2).length
/** What the machine was told, as `validator` or kind. */
const heard = (): (number | string)[] =>
  pushed.map((input) => {
    if (input.kind !== 'message') return input.kind
    const { message } = input
    return message.kind === 'vote' ? message.vote.validator : message.kind
  })

const signed = (message: Unsigned, signer: number): Message => {
  const { type, payload } = signedPart(message)
  return withSignature(message, curves().blsSign(secrets[signer] as Uint8Array, signBytes(domain, type, payload)))
}
interface Ballot {
  readonly type?: Qc['type']
  readonly height?: number
  readonly round?: number
  readonly blockHash?: Hash
  /** Who really signs. */
  readonly signer?: number
}
const vote = (validator: number, { type = 'prepare', height = 1, round = 0, blockHash = BLOCK, signer }: Ballot = {}) =>
  signed({ kind: 'vote', vote: { type, height, round, blockHash, validator } }, signer ?? validator % COUNT)
const qc = (type: Qc['type'], round: number, members = 67): Qc => {
  const shares = new Map<number, Uint8Array>()
  for (let i = 0; i < members; i++) {
    const { kind, ...rest } = vote(i, { type, round })
    if ('vote' in rest) shares.set(i, rest.vote.signature)
    expect(kind).toBe('vote')
  }
  return formQc({ type, height: 1, round, blockHash: BLOCK }, shares, chain.validators())
}
const timeout = (validator: number, round: number, attached: Qc | null, height = 1): Message =>
  signed(
    {
      kind: 'timeout',
      timeout: { height, round, hqcRound: attached === null ? null : attached.round, qc: attached, validator },
    },
    validator,
  )
const tc = (round: number): Tc => {
  const timeouts = Array.from({ length: 67 }, (_, i) => timeout(i, round, null))
  return formTc(
    round,
    timeouts.flatMap((message) => (message.kind === 'timeout' ? [message.timeout] : [])),
    chain.validators(),
  )
}
const hear = (message: Message, from: PeerId, salt = 0): Promise<Judgement> =>
  Promise.resolve(inbox.onMessage(encodeEnvelope({ message, sketch: null }, salt), from))

test('a forged share among a hundred honest ones is found in one batch: its sender is blamed, all others count', async () => {
  const verdicts = await Promise.all(
    Array.from({ length: COUNT }, (_, i) => hear(vote(i, i === 42 ? { signer: 43 } : {}), `peer ${i % 8}`)),
  )
  expect(asked).toHaveLength(1)
  expect(jobsAsked()).toBe(COUNT)
  expect(verdicts.flatMap((verdict, i) => (verdict === 'accept' ? [] : [[i, verdict]]))).toEqual([[42, 'forged']])
  expect(state.height?.book.rounds.get(0)?.prepare.votes.size).toBe(COUNT - 1)
  expect(state.height?.highQc?.round).toBe(0)
})

test('one vote on its own is verified at once and alone', async () => {
  expect(await hear(vote(5), 'a')).toBe('accept')
  expect(asked.map((groups) => groups.length)).toEqual([1])
  expect(heard()).toEqual([5])
})

test('the same vote from two peers counts once, and only the first is passed on', async () => {
  const verdicts = await Promise.all([hear(vote(5), 'a'), hear(vote(5), 'b', 7), hear(vote(6), 'b')])
  expect(verdicts).toEqual(['accept', 'ignore', 'accept'])
  expect(heard()).toEqual([5, 'heard', 6])
  expect(await hear(vote(5), 'c', 8)).toBe('ignore')
  expect(asked).toHaveLength(1)
})

test('who is no member costs no verification', async () => {
  expect(await hear(vote(COUNT), 'a')).toBe('ignore') // of this height: the machine may answer him
  expect(await hear(vote(COUNT, { height: 2 }), 'a')).toBe('reject')
  expect(asked).toEqual([])
})

test('certificates of a wrong shape are refused unverified, those with a wrong signature after', async () => {
  const good = qc('prepare', 0)
  const late = tc(0)
  const [group] = late.groups
  if (group === undefined) throw new TypeError('a certificate has a group')
  const shapes: Message[] = [
    { kind: 'qc', qc: { ...good, bitmap: good.bitmap.subarray(1) } },
    { kind: 'qc', qc: { ...good, bitmap: Uint8Array.of(...good.bitmap, 0) } },
    { kind: 'qc', qc: { ...good, bitmap: new Uint8Array(13).fill(0xff) } }, // spare bits
    { kind: 'qc', qc: { ...good, bitmap: bitmapOf([1, 2, 3], COUNT) } },
    { kind: 'tc', tc: { ...late, groups: [] } },
    { kind: 'tc', tc: { ...late, groups: [group, { ...group, hqcRound: 0 }] } }, // the same signers again
    { kind: 'tc', tc: { ...late, groups: [{ ...group, bitmap: new Uint8Array(13) }] } },
    { kind: 'tc', tc: { ...late, qc: good } },
    timeout(0, 0, qc('commit', 0)),
  ]
  for (const message of shapes) expect(await hear(message, 'a')).toBe('reject')
  expect(asked).toEqual([])
  const forged: Message[] = [
    { kind: 'qc', qc: { ...good, bitmap: bitmapOf([...Array(68).keys()], COUNT) } },
    { kind: 'qc', qc: { ...good, type: 'commit' } },
    { kind: 'tc', tc: { ...late, round: 1 } },
    {
      kind: 'timeout',
      timeout: { height: 1, round: 3, hqcRound: null, qc: null, validator: 9, signature: good.signature },
    },
  ]
  for (const [i, message] of forged.entries()) expect(await hear(message, `liar ${i}`)).toBe('forged')
  expect(await hear({ kind: 'qc', qc: good }, 'a')).toBe('accept')
  expect(await hear({ kind: 'tc', tc: late }, 'a')).toBe('accept')
})

test('votes for the far future cost no verification and no memory; they say that there is more', async () => {
  const flood = await Promise.all(
    Array.from({ length: 500 }, (_, i) => hear(vote(0, { height: 3 + 100 * (i + 1) }), 'a')),
  )
  expect(new Set(flood)).toEqual(new Set(['ignore']))
  expect(await hear(vote(0, { height: 2, round: 65 }), 'a')).toBe('ignore')
  expect(asked).toEqual([])
  expect(ahead).toHaveLength(501)
  expect(state.future.checked.size).toBe(0)
})

test('a height that ends while its votes are verified takes none of them, but for COMMITs of the block that was decided', async () => {
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  const messages = [vote(70), vote(71, { type: 'commit' }), vote(72, { type: 'commit', round: 1 })]
  const verdicts = messages.map((message) => hear(message, 'a'))
  await nextTurn()
  await nextTurn()
  expect(asked).toHaveLength(1)
  handle(state, startOf(2, qc('commit', 0)))
  open()
  expect(await Promise.all(verdicts)).toEqual(['ignore', 'accept', 'ignore'])
  expect(heard()).toEqual(['heard', 71, 'heard'])
  expect([...(state.height?.late.keys() ?? [])]).toEqual([71])
})

test('what a peer sends reaches the machine in its order, whatever is verified with it', async () => {
  const order = [...Array(90).keys()]
  await Promise.all(order.flatMap((i) => [hear(vote(i), 'a'), hear(vote(i, { round: 1 + (i % 7) }), `b${i % 3}`)]))
  const from = (peer: PeerId): unknown[] =>
    pushed.flatMap((input) =>
      input.kind === 'message' && input.from === peer && input.message.kind === 'vote'
        ? [input.message.vote.validator]
        : [],
    )
  expect(from('a')).toEqual(order)
  for (const k of [0, 1, 2]) expect(from(`b${k}`)).toEqual(order.filter((i) => i % 3 === k))
  expect(asked.length).toBeGreaterThan(1)
})

test('a flood of junk from one peer delays nobody by more than a batch, and is not looked at to its end', async () => {
  const forged = vote(0, { signer: 1 })
  const flood = Array.from({ length: INBOX_BOUNDS.peerMessages + 100 }, (_, i) => hear(forged, 'liar', i + 1))
  const honest = Array.from({ length: 60 }, (_, i) => hear(vote(i + 10), `peer ${i % 6}`))
  expect(new Set(await Promise.all(honest))).toEqual(new Set(['accept']))
  expect(asked).toHaveLength(1)
  const verdicts = await Promise.all(flood)
  const times = (judgement: Judgement): number => verdicts.filter((verdict) => verdict === judgement).length
  expect(times('forged')).toBe(INBOX_BOUNDS.batchPeerMessages)
  expect(times('ignore')).toBe(flood.length - INBOX_BOUNDS.batchPeerMessages)
  expect(jobsAsked()).toBe(60 + INBOX_BOUNDS.batchPeerMessages)
  expect(await hear(vote(1), 'liar')).toBe('accept') // whether he is let in at all is not asked here
})

test('who has forged once is served last, and what he tells truly still counts', async () => {
  const truths = Array.from({ length: 40 }, (_, i) => (i === 0 ? vote(99, { signer: 98 }) : vote(i)))
  const first = truths.map((message) => hear(message, 'careless'))
  await nextTurn()
  const later = Array.from({ length: 30 }, (_, i) => hear(vote(i + 50), 'b'))
  expect(new Set(await Promise.all(later))).toEqual(new Set(['accept']))
  expect((await Promise.all(first)).filter((verdict) => verdict !== 'accept')).toEqual(['forged'])
  expect(heard().slice(0, 31)).toEqual([...Array(31).keys()].map((i) => i + 1))
  expect(heard().slice(31, 61)).toEqual([...Array(30).keys()].map((i) => i + 50))
})

test('who has forged once is served also where all others turn out to have no news', async () => {
  const truths = Array.from({ length: 40 }, (_, i) => (i === 0 ? vote(99, { signer: 98 }) : vote(i)))
  const first = truths.map((message) => hear(message, 'careless'))
  await nextTurn()
  const stale = hear(vote(1), 'b', 1)
  expect((await Promise.all(first)).filter((verdict) => verdict !== 'accept')).toEqual(['forged'])
  expect(await stale).toBe('ignore')
})

test('a certificate that rides on many messages is verified once', async () => {
  const highest = qc('prepare', 0)
  const verdicts = await Promise.all(
    Array.from({ length: 20 }, (_, i) => hear(timeout(i, 0, highest), `peer ${i % 4}`)),
  )
  expect(new Set(verdicts)).toEqual(new Set(['accept']))
  expect(jobsAsked()).toBe(21)
  await hear(timeout(30, 1, highest), 'a')
  expect(jobsAsked()).toBe(22)
  // Other signers under the same signature are another certificate.
  const claimed = { ...highest, bitmap: bitmapOf([...Array(68).keys()], COUNT) }
  expect(await hear(timeout(31, 1, claimed), 'b')).toBe('forged')
})

test('a forged certificate that rides along spoils its message and no other', async () => {
  const highest = qc('prepare', 2)
  const bad = { ...highest, signature: qc('prepare', 1).signature }
  const verdicts = await Promise.all([
    hear(timeout(0, 2, null), 'a'),
    hear(timeout(1, 2, bad), 'b'),
    hear(timeout(2, 2, highest), 'c'),
  ])
  expect(verdicts).toEqual(['accept', 'forged', 'accept'])
  expect(state.height?.highQc?.signature).toEqual(highest.signature)
})

test('a message of a height whose set is not known yet waits unchecked, and is checked when the set is known', async () => {
  known = 2
  expect(await hear(vote(4, { height: 3 }), 'a')).toBe('ignore')
  expect(await hear(vote(4, { height: 3, signer: 5 }), 'b')).toBe('ignore')
  expect([pushed.map(({ kind }) => kind), jobsAsked()]).toEqual([['unchecked', 'unchecked'], 0])
  known = 3
  const kept = handle(state, startOf(3, null)).flatMap((effect) => (effect.kind === 'check' ? [effect] : []))
  const again = kept.map(({ message, from, seen }) => inbox.onDecoded({ message, sketch: null }, from, seen))
  expect(await Promise.all(again)).toEqual(['accept', 'forged'])
})

test('a proposal that waited unchecked is refused for a certificate of its parent that is none, and nothing is thrown', async () => {
  known = 2
  const block = await chain.build({
    ...{ height: 1, timeMs: NOW_MS, round: 0, proposerIndex: 0, lastCommit: null, budgetMs: 1_000 },
    ...{ coinbase: asAddress(new Uint8Array(20)), reveal: new Uint8Array(96) },
  })
  const propose = (from: PeerId, lastCommit: Qc): Promise<Judgement> => {
    const header = { ...block.header, number: 3, parentHash: lastCommit.blockHash }
    const section = { ...(block.section as Section), lastCommit }
    const blockHash = headerHash(header)
    const place = { height: 3, round: 0, blockHash, justify: null, tc: null, validator: 0 }
    const message = signed({ kind: 'proposal', proposal: place }, 0)
    const sketch = { ...(sketchOf(block) as Sketch), header, section, hash: blockHash }
    return Promise.resolve(inbox.onMessage(encodeEnvelope({ message, sketch }, 0), from))
  }
  const good = { ...qc('commit', 0), height: 2 }
  expect(await propose('a', { ...good, bitmap: new Uint8Array(2) })).toBe('ignore')
  expect(await propose('b', good)).toBe('ignore') // signed for another height
  known = 3
  const kept = handle(state, startOf(3, null)).flatMap((effect) => (effect.kind === 'check' ? [effect] : []))
  const again = kept.map(({ message, from, seen }) => inbox.onDecoded({ message, sketch: null }, from, seen))
  expect(await Promise.all(again)).toEqual(['reject', 'forged'])
})

/** A proposal with a block of 1.5 MB, as published by different peers. */
const fatProposal = async (): Promise<(from: PeerId, salt: number) => Promise<Judgement>> => {
  const validator = 0
  const block = await chain.build({
    ...{ height: 1, timeMs: NOW_MS, round: 0, proposerIndex: validator, lastCommit: null, budgetMs: 1_000 },
    coinbase: asAddress(new Uint8Array(20)),
    reveal: curves().blsSign(secrets[validator] as Uint8Array, keccak(Uint8Array.of(1))),
  })
  const sketch = sketchOf(block)
  const place = { height: 1, round: 0, blockHash: block.hash, justify: null, tc: null, validator }
  const message = signed({ kind: 'proposal', proposal: place }, validator)
  const fat = sketch && { ...sketch, txs: [new Uint8Array(FAT_BYTES)] }
  return (from, salt) => Promise.resolve(inbox.onMessage(encodeEnvelope({ message, sketch: fat }, salt), from))
}
const FAT_BYTES = 1.5 * 1024 * 1024

/** As many different blocks, each proposed for round 0. */
const proposals = async (validator: number, count: number): Promise<Judgement[]> => {
  const block = await chain.build({
    ...{ height: 1, timeMs: NOW_MS, round: 0, proposerIndex: validator, lastCommit: null, budgetMs: 1_000 },
    coinbase: asAddress(new Uint8Array(20)),
    reveal: new Uint8Array(96),
  })
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const header = { ...block.header, coinbase: asAddress(new Uint8Array(20).fill(i)) }
      const place = { height: 1, round: 0, blockHash: headerHash(header), justify: null, tc: null, validator }
      const message = signed({ kind: 'proposal', proposal: place }, validator)
      const sketch = { ...(sketchOf(block) as Sketch), header, hash: place.blockHash }
      return inbox.onMessage(encodeEnvelope({ message, sketch }, 0), 'a')
    }),
  )
}

test('of what one validator signs without end little is passed on: others would be blamed for the flood', async () => {
  const accepted = (verdicts: readonly Judgement[]): number => verdicts.filter((each) => each === 'accept').length
  const hearAll = (messages: readonly Message[]) => Promise.all(messages.map((message) => hear(message, 'a')))
  const places = [...Array(20).keys()]
  // The first counts, the second is evidence.
  for (const type of ['prepare', 'commit'] as const)
    expect(accepted(await hearAll(places.map((i) => vote(5, { type, blockHash: keccak(Uint8Array.of(7, i)) }))))).toBe(
      2,
    )
  expect(accepted(await proposals(0, 20))).toBe(2)
  expect(accepted(await proposals(1, 20))).toBe(0) // it is not its turn
  expect(accepted(await hearAll(places.map((i) => timeout(6, 100 + 10 * i, null))))).toBe(2) // 100 and 200
  expect(accepted(await hearAll(places.map((i) => timeout(6, 100 + 10 * i, null, 2))))).toBe(3) // 100, 130 and 260
  expect(pushed.filter(({ kind }) => kind === 'message')).toHaveLength(11)
})

test('a peer may keep only so many bytes waiting', async () => {
  const send = await fatProposal()
  const verdicts = await Promise.all([send('a', 1), send('a', 2), send('a', 3), send('b', 4), hear(vote(3), 'a')])
  expect(verdicts).toEqual(['accept', 'ignore', 'ignore', 'ignore', 'accept'])
  expect(dropped).toBe(1)
  expect(jobsAsked()).toBe(4)
})

test('all peers together may keep only so many bytes waiting, and then each still has room for votes', async () => {
  const send = await fatProposal()
  const many = Array.from({ length: 12 }, (_, i) => [send(`peer ${i}`, i), send(`peer ${i}`, 100 + i)]).flat()
  const small = hear(vote(3), 'z')
  expect(many.length - dropped).toBe(Math.floor(INBOX_BOUNDS.totalBytes / FAT_BYTES))
  expect(await small).toBe('accept')
  expect((await Promise.all(many)).filter((verdict) => verdict === 'accept')).toHaveLength(1)
})

test('the same valid vote over and over takes its place in one queue, and is verified in one batch only', async () => {
  const again = Array.from({ length: INBOX_BOUNDS.peerMessages + 100 }, (_, i) => hear(vote(1), 'a', i + 1))
  const verdicts = await Promise.all([...again, hear(vote(2), 'b')])
  expect(verdicts.flatMap((verdict, i) => (verdict === 'ignore' ? [] : [i]))).toEqual([0, again.length])
  expect(dropped).toBe(100)
  expect(jobsAsked()).toBe(INBOX_BOUNDS.batchPeerMessages + 1)
})

test('what waits when the door closes is ignored', async () => {
  const verdicts = [hear(vote(1), 'a'), hear(vote(2), 'b')]
  inbox.close()
  expect(await Promise.all(verdicts)).toEqual(['ignore', 'ignore'])
  expect(await hear(vote(3), 'a')).toBe('ignore')
  expect(pushed).toEqual([])
})

test('bytes that are no message are refused, and nothing is thrown', async () => {
  for (const bytes of [
    new Uint8Array(0),
    Uint8Array.of(0xc0),
    new Uint8Array(300).fill(0xff),
    encodeEnvelope({ message: vote(1), sketch: null }, 0).subarray(1),
  ])
    expect(await inbox.onMessage(bytes, 'a')).toBe('reject')
})
