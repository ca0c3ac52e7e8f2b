// The pool's table against a Map.
import { expect, test } from 'vitest'
import { bigintToFixed, bytesToHex } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { Table } from './table.ts'

interface Item {
  readonly name: Uint8Array
  readonly tag: number
}
const nameOf = ({ name }: Item): Uint8Array => name
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const randomFrom = (start: number) => {
  let state = start | 1
  return (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** `tagOf` as the table has it, or one under which names meet. */
const story = (tagOf: (table: Table<Item>, name: Uint8Array) => number, names: number, steps: number): void => {
  const random = randomFrom(seed)
  const table = new Table(nameOf, seed)
  const model = new Map<string, Item>()
  for (let step = 0; step < steps; step++) {
    // Fills up and empties in turns, so that it grows and runs go round its end.
    const isFilling = Math.floor(step / names) % 2 === 0
    const name = keccak(bigintToFixed(BigInt(random(names)), 32)).slice(0, 20)
    const key = bytesToHex(name)
    const tag = tagOf(table, name)
    const had = model.get(key)
    expect(table.find(name, tag), `SEED=${seed} step ${step}`).toBe(had ?? null)
    if (had === undefined && (isFilling || random(8) === 0)) {
      const item = { name, tag }
      table.add(item)
      model.set(key, item)
    } else if (had !== undefined && (!isFilling || random(8) === 0)) {
      table.delete(had)
      model.delete(key)
    }
    expect(table.size).toBe(model.size)
  }
  const all = new Set<Item>()
  table.each((item) => all.add(item))
  expect(all, `SEED=${seed}`).toEqual(new Set(model.values()))
  for (const item of model.values()) expect(table.find(item.name, item.tag)).toBe(item)
}

test('it finds what was put in and not what was taken out, through growth and both ways', () => {
  story((table, name) => table.tagOf(name), 500, 10_000)
})

test('names whose tags meet are told apart', () => {
  story((_, name) => 61 + ((name[0] as number) % 5), 60, 5_000)
})

test('another seed gives other tags, and names that differ in one word only have tags of their own', () => {
  const [a, b] = [new Table(nameOf, 1), new Table(nameOf, 2)]
  const names = Array.from({ length: 1_000 }, (_, n) => bigintToFixed(BigInt(n), 20))
  expect(names.filter((name) => a.tagOf(name) === b.tagOf(name)).length).toBeLessThan(5)
  for (const table of [a, b]) {
    expect(new Set(names.map((name) => table.tagOf(name))).size).toBeGreaterThan(995)
    const places = new Set(names.map((name) => table.tagOf(name) & 1_023))
    expect(places.size).toBeGreaterThan(550) // 638 by chance
  }
})
