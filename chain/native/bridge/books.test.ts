// Whatever is sent, delivered, refused and refunded in whatever order, by a vault that keeps the rules and by one that does not: what is locked
// here is what the other chain may still ask for, and what is minted is what lies there.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endOf } from '../../../test/kit/bonded.ts'
import {
  type Bridge,
  COIN,
  CPU,
  CPU_THERE,
  certify,
  createBridge,
  inbound,
  NOVA_THERE,
  notice,
  OTHER,
  POL,
  sentIn,
  THERE,
  USDC,
  USDC_THERE,
} from '../../../test/kit/bridge.ts'
import { type Answer, account } from '../../../test/kit/native.ts'
import { type Address, addressKey, bytesToHex } from '../../base/bytes.ts'
import { cpu } from '../token/module.ts'
import { balanceOf, supplyOf } from '../token/office.ts'
import { wrapped } from '../token/wrapped.ts'
import { linkAfter, type Message, messageId, NO_WORD } from './message.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
const RUNS = Number(process.env.RUNS ?? 10)
const NOTHING = new Uint8Array(0)
const TOKENS = [
  { token: COIN, remote: NOVA_THERE, isWrapped: false },
  { token: CPU, remote: CPU_THERE, isWrapped: false },
  { token: USDC, remote: USDC_THERE, isWrapped: true },
  { token: POL, remote: NO_WORD, isWrapped: true },
] as const
const PEOPLE = [1, 2, 0x2001, 0x2002]

/** What moved, by token: the vault's own book of an honest chain. */
interface Moved {
  out: bigint
  home: bigint
}
const step = fc.record({
  kind: fc.constantFrom(
    ...([
      'send',
      'send',
      'send',
      'deliver',
      'deliver',
      'deliver',
      'refuse',
      'refund',
      'refund',
      'burn',
      'wait',
    ] as const),
    ...(['again', 'liar'] as const),
  ),
  token: fc.nat({ max: TOKENS.length - 1 }),
  who: fc.nat({ max: PEOPLE.length - 1 }),
  amount: fc.oneof(fc.bigInt(1n, 400n), fc.constantFrom(1n, 1_000n, 10_001n, 2n ** 128n, 2n ** 256n - 1n)),
  skip: fc.constantFrom(0, 0, 0, 1, 5, 300, 5_000, 2 ** 33),
  /** Whether it is one that was left out before. */
  fills: fc.boolean(),
  chain: fc.constantFrom(THERE, THERE, THERE, OTHER),
  drawn: fc.nat({ max: 1_000 }),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const createGame = (bridge: Bridge) => {
  const sent: Message[] = []
  const links = new Map<bigint, Uint8Array>()
  const moved = new Map<string, Moved>()
  const seen: { readonly name: 'deliver' | 'refuse' | 'refund'; readonly args: readonly unknown[] }[] = []
  const refunded = new Set<string>()
  let sequence = 1
  const book = (chain: bigint, token: Address): Moved => {
    const key = `${chain} ${addressKey(token)}`
    const found = moved.get(key) ?? { out: 0n, home: 0n }
    moved.set(key, found)
    return found
  }
  /** The hash chain of each lane, as whoever reads the logs computes it. */
  const follow = (answer: Pick<Answer, 'logs'>): void => {
    for (const message of sentIn(answer)) {
      const before = links.get(message.targetChain) ?? NO_WORD
      links.set(message.targetChain, linkAfter(before, messageId(message)))
    }
  }
  const left: number[] = []
  const next = ({ skip, fills }: Pick<Step, 'skip' | 'fills'>): number => {
    const earlier = fills ? left.shift() : undefined
    if (earlier !== undefined) return earlier
    if (skip > 0) left.push(sequence + 1, sequence + skip)
    sequence += 1 + skip
    return sequence
  }
  /** What was settled, by chain and number. */
  const settled = new Set<string>()
  const came = async (from: number, name: 'deliver' | 'refuse' | 'refund', args: readonly unknown[]) => {
    const answer = await bridge.send(from, 'bridge', name, ...(args as never))
    const [message] = args.slice(-2) as [Message]
    const key = `${message.sourceChain} ${message.sequence}`
    if (answer.status === 'success') {
      expect(settled.has(key)).toBe(false)
      settled.add(key)
    }
    return answer
  }
  const call = (name: 'deliver' | 'refuse' | 'refund', args: readonly unknown[]) => {
    seen.push({ name, args })
    return came(8, name, args)
  }
  const acts: { readonly [K in Step['kind']]: (each: Step) => Promise<string> } = {
    async send({ token: place, who, amount, chain }) {
      const { token, isWrapped } = TOKENS[place] ?? TOKENS[0]
      const value = token === COIN ? (amount > 10n ** 24n ? 7n : amount) : 0n
      const from = PEOPLE[who] ?? 1
      const answer = await bridge.pay(value, from, 'bridge', 'send', chain, account(0x7001), token, amount, NOTHING)
      follow(answer)
      for (const message of sentIn(answer)) {
        sent.push(message)
        book(chain, token)[isWrapped ? 'home' : 'out'] += amount
      }
      return endOf(answer)
    },
    async deliver({ token: place, who, amount, skip, fills, chain }) {
      const { token, remote, isWrapped } = TOKENS[place] ?? TOKENS[0]
      const recipient = account(PEOPLE[who] ?? 1)
      const message = inbound(bridge, next({ skip, fills }), { sourceChain: chain, token: remote, amount, recipient })
      const answer = await call('deliver', [message, certify(bridge, message)])
      if (answer.status === 'success') book(chain, token)[isWrapped ? 'out' : 'home'] += amount
      return endOf(answer)
    },
    async refuse({ token: place, amount, skip, fills, chain }) {
      const { remote } = TOKENS[place] ?? TOKENS[0]
      const message = inbound(bridge, next({ skip, fills }), {
        sourceChain: chain,
        token: remote,
        amount,
        deadline: 5n,
      })
      const answer = await call('refuse', [message, certify(bridge, message)])
      follow(answer)
      return endOf(answer)
    },
    async refund({ drawn, skip, fills }) {
      const original = sent[drawn % Math.max(1, sent.length)]
      if (original === undefined) return 'none'
      const id = messageId(original)
      const { targetChain: chain, amount, token: word } = original
      const back = notice(bridge, next({ skip, fills }), id, { sourceChain: chain })
      const answer = await call('refund', [original, back, certify(bridge, back)])
      if (answer.status !== 'success') return endOf(answer)
      if (refunded.has(bytesToHex(id))) return 'void'
      refunded.add(bytesToHex(id))
      const place = TOKENS.find(({ token }) => bytesToHex(token) === bytesToHex(word.slice(12))) ?? TOKENS[0]
      book(chain, place.token)[place.isWrapped ? 'home' : 'out'] -= amount
      return 'refunded'
    },
    burn: ({ amount, who }) => bridge.send(PEOPLE[who] ?? 1, 'wrapped', 'burn', amount).then(endOf),
    async wait({ drawn }) {
      bridge.world.go({ time: bridge.world.block.time + drawn * 100 })
      return 'waited'
    },
    async again({ drawn }) {
      const again = seen[drawn % Math.max(1, seen.length)]
      if (again === undefined) return 'none'
      const before = JSON.stringify(await totals(bridge), (_, value) => `${value}`)
      const answer = await came(3, again.name, again.args)
      const isFresh = answer.status === 'success'
      if (!isFresh) expect(JSON.stringify(await totals(bridge), (_, value) => `${value}`)).toBe(before)
      if (isFresh) late(answer, again)
      return isFresh ? 'late success' : 'again refused'
    },
    async liar({ amount, drawn, skip, fills }) {
      // A notice of something else than was sent, with a certificate all the same.
      const original = sent[drawn % Math.max(1, sent.length)]
      if (original === undefined) return 'none'
      const lie = { ...original, amount: original.amount + (amount % 400n) + 1n }
      const back = notice(bridge, next({ skip, fills }), messageId(lie), { sourceChain: original.targetChain })
      const answer = await call('refund', [lie, back, certify(bridge, back)])
      return `liar ${answer.status}`
    },
  }
  /** What was refused before for want of room, and is accepted now. */
  const late = (answer: Pick<Answer, 'logs'>, { name, args }: (typeof seen)[number]): void => {
    const [message] = args as readonly [Message]
    follow(answer)
    const place = (word: Uint8Array) =>
      TOKENS.find(({ remote }) => bytesToHex(remote) === bytesToHex(word)) ?? TOKENS[0]
    if (name === 'deliver') {
      const { token, isWrapped } = place(message.token)
      book(message.sourceChain, token)[isWrapped ? 'out' : 'home'] += message.amount
      return
    }
    if (name !== 'refund' || refunded.has(bytesToHex(messageId(message)))) return
    if (!sent.some((each) => bytesToHex(messageId(each)) === bytesToHex(messageId(message)))) return
    refunded.add(bytesToHex(messageId(message)))
    const home = TOKENS.find(({ token }) => bytesToHex(token) === bytesToHex(message.token.slice(12))) ?? TOKENS[0]
    book(message.targetChain, home.token)[home.isWrapped ? 'home' : 'out'] -= message.amount
  }
  return { acts, moved, book, links, settled }
}

const totals = async (bridge: Bridge) => {
  const ctx = bridge.bridge()
  const places = [THERE, OTHER].flatMap((chain) => TOKENS.map((each) => ({ chain, ...each })))
  const outstanding = places.map(({ chain, token }) => ctx.store.routes.at(chain).at(token).outstanding.get())
  const supplies = wrapped.slice(0, 2).map((module) => supplyOf(ctx.within(module)))
  return { outstanding, supplies, coin: ctx.balance(), cpu: balanceOf(ctx.within(cpu), ctx.at) }
}

test(`locked and minted add up, SEED=${SEED}`, async () => {
  const ends = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
      const bridge = createBridge({ values: { 'bridge.window': 60n } })
      bridge.world.state.begin()
      for (const who of PEOPLE) bridge.world.state.setBalance(bridge.world.state.load(account(who)), 10n ** 24n)
      bridge.world.state.end()
      const { acts, book, links, settled } = createGame(bridge)
      let burnt = 0n
      for (const each of steps) {
        const end = await acts[each.kind](each)
        if (each.kind === 'burn' && end === 'success') burnt += each.amount
        const name = `${each.kind} ${end.split(' ')[0]}`
        ends.set(name, (ends.get(name) ?? 0) + 1)
      }
      const { outstanding, supplies, coin, cpu: held } = await totals(bridge)
      const expected = [THERE, OTHER].flatMap((chain) =>
        TOKENS.map(({ token }) => book(chain, token).out - book(chain, token).home),
      )
      expect(outstanding).toEqual(expected)
      const [nova = 0n, processors = 0n, usdc = 0n, pol = 0n, elsewhere = 0n] = outstanding
      expect([coin, held]).toEqual([nova + elsewhere, processors])
      expect(supplies).toEqual([usdc - burnt, pol])
      for (const chain of [THERE, OTHER]) {
        const [{ sent, settled: count }] = await bridge.read('bridge', 'chainOf', chain)
        const own = [...settled]
          .filter((key) => key.startsWith(`${chain} `))
          .map((key) => BigInt(key.split(' ')[1] ?? ''))
        expect(count).toBe(BigInt(own.length))
        for (const each of own) {
          expect(await bridge.read('bridge', 'isSettled', chain, each)).toEqual([true])
          expect(await bridge.read('bridge', 'isSettled', chain, each + 1n)).toEqual([own.includes(each + 1n)])
        }
        expect(await bridge.read('bridge', 'link', chain, sent)).toEqual([links.get(chain) ?? NO_WORD])
      }
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  )
  const wanted = ['send success', 'deliver success', 'refuse success', 'refund refunded', 'refund void', 'again again']
  expect(wanted.filter((name) => !ends.has(name))).toEqual([])
})
