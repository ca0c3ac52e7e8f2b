// What is held of each token and what is passed over, by a reader that reads a made-up chain as watchers and relayers do.
import { expect, test } from 'vitest'
import { bigintToFixed } from '../../chain/base/bytes.ts'
import { messageId } from '../../chain/native/bridge/message.ts'
import { createDice } from '../../test/kit/dice.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { Backlog, type Held } from './backlog.ts'
import type { Place } from './place.ts'

const PER_BLOCK = 10
const placeAt = (height: number): Place => ({ height, hash: null, sequence: BigInt(height * PER_BLOCK) })
/** Ten messages a block, each of the token that it is told. */
const createChain = (tokenOf: (sequence: number) => number) => {
  const between = (before: Place, to: number): readonly Held[] =>
    Array.from({ length: (to - before.height) * PER_BLOCK }, (_, i) => {
      const sequence = before.height * PER_BLOCK + i + 1
      const message = messageFrom(sequence, { token: bigintToFixed(BigInt(tokenOf(sequence)), 32) })
      return { message, id: messageId(message), before }
    })
  return { between }
}
const numbersOf = (held: Iterable<Held>): readonly number[] => [...held].map(({ message }) => Number(message.sequence))
const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i + 1)

test('one token alone fills what there is, and each other has its own room beyond it', () => {
  const backlog = new Backlog({ most: 20, leastOfLine: 5 })
  const { between } = createChain((sequence) => (sequence <= 100 ? 1 : 2 + (sequence % 2)))
  for (let height = 0; height < 20; height++) for (const each of between(placeAt(height), height + 1)) backlog.add(each)
  const held = numbersOf(backlog.values())
  expect(held.filter((each) => each <= 100)).toEqual(upTo(20))
  expect(held.filter((each) => each > 100)).toEqual(upTo(10).map((each) => each + 100))
  // A restart begins before the first of them.
  expect(backlog.lowest(placeAt(20))).toEqual(placeAt(0))
  expect(backlog.due).toBe(null)
  for (let sequence = 101n; sequence <= 108n; sequence++) backlog.delete(sequence)
  // Both are half empty: the one that was passed over first comes first, and they go on in the middle of a block.
  expect(backlog.due?.place).toEqual(placeAt(11))
  const { name, place } = backlog.due ?? expect.fail()
  expect(numbersOf(backlog.refill(name, between(place, 20), placeAt(20), true))).toEqual([111, 113, 115, 117])
})

test('any number of tokens takes room for no more than 65', () => {
  const backlog = new Backlog({ most: 20, leastOfLine: 5 })
  const { between } = createChain((sequence) => sequence % 1_000)
  for (const each of between(placeAt(0), 1_000)) backlog.add(each)
  expect(backlog.size).toBeLessThanOrEqual(20 + 65 * 5)
})

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
test(`every message is held once, in the order of its token, however it is read and done with, SEED=${seed}`, () => {
  const dice = createDice(seed)
  for (let round = 0; round < 30; round++) {
    const [most, leastOfLine] = [1 + dice.below(60), 1 + dice.below(30)]
    const backlog = new Backlog({ most, leastOfLine })
    const tokens = 1 + dice.below(90)
    const drawn = Array.from({ length: 40 * PER_BLOCK + 1 }, () => dice.below(dice.pick([1, 2, tokens])))
    const { between } = createChain((sequence) => drawn[sequence] ?? 0)
    const held: Held[] = []
    let last = placeAt(0)
    for (let i = 0; last.height < 40 || backlog.size > 0 || backlog.due !== null; i++) {
      if (i > 100_000) expect.fail('it never ends')
      if (last.height < 40 && dice.chance(0.3)) {
        const to = Math.min(40, last.height + 1 + dice.below(8))
        for (const each of between(last, to)) if (backlog.add(each)) held.push(each)
        last = placeAt(to)
      }
      for (const { message } of [...backlog.values()]) if (dice.chance(0.3)) backlog.delete(message.sequence)
      const { due } = backlog
      if (due === null || due.place.height >= last.height) continue
      const to = Math.min(last.height, due.place.height + 1 + dice.below(8))
      held.push(...backlog.refill(due.name, between(due.place, to), placeAt(to), to === last.height))
      expect(backlog.size).toBeLessThanOrEqual(most + 65 * leastOfLine)
      expect(numbersOf(backlog.values()).every((each) => each > (backlog.lowest(last).sequence ?? 0n))).toBe(true)
    }
    expect(numbersOf(held).toSorted((a, b) => a - b)).toEqual(upTo(40 * PER_BLOCK))
    for (let token = 0; token < tokens; token++) {
      const own = numbersOf(held).filter((each) => drawn[each] === token)
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
    expect(backlog.lowest(last)).toEqual(last)
  }
})
