import { readFileSync } from 'node:fs'
import { AbiCoder, Interface } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account, createWorld } from '../../../test/kit/native.ts'
import { asAddress, bytesToHex, hexToBytes } from '../../base/bytes.ts'
import { keccak } from '../../base/crypto.ts'
import { freeWords } from './module.ts'
import {
  address,
  bool,
  bytes,
  defineLayout,
  list,
  map,
  openStore,
  readPacked,
  slot,
  string,
  struct,
  uint,
  writePacked,
} from './slots.ts'

const packed = struct({ since: uint(64), open: bool, who: address, big: uint(128), text: string, last: uint(256) })
const layout = defineLayout({
  plain: slot(0, uint(256)),
  nested: slot(1, map('address', map('uint', uint(256)))),
  byName: slot(2, map('string', packed)),
  list: slot(3, list(address)),
  blob: slot(4, bytes),
  one: slot(5, packed),
  many: slot(9, list(packed)),
  lists: slot(10, map('bytes32', list(uint(256)))),
  powers: slot(11, list(uint(64))),
  places: slot(12, list(uint(32))),
})

const source = readFileSync(new URL('../../../contracts/test/Layout.sol', import.meta.url), 'utf8')
const made = compile('Layout.sol', source).Layout
const deployed = async () => {
  if (made === undefined) throw new TypeError('Layout.sol has a contract Layout')
  const world = createWorld([], {})
  const { created } = await world.send(1, null, hexToBytes(`0x${made.bytecode}`))
  if (created === null) throw new TypeError('it deploys')
  const at = bytesToHex(created)
  const abi = new Interface(JSON.parse(JSON.stringify(made.abi)))
  const ask = async (name: string, args: readonly unknown[]) => {
    const { output, status } = await world.send(1, at, hexToBytes(abi.encodeFunctionData(name, args)))
    expect(status).toBe('success')
    return abi.decodeFunctionResult(name, output)
  }
  return { world, at, ask, store: openStore(layout, freeWords(world.state, asAddress(created))) }
}

test('solc gives each variable the slot the layout names', () => {
  expect(made?.storage.map(({ label, slot: at }) => [label, Number(at)])).toEqual(
    Object.entries(layout).map(([name, variable]) => [name, variable.slot]),
  )
})

test.each([0, 1, 31, 32, 33, 100])('reads what Solidity wrote, text of %i bytes', async (size) => {
  const { store, ask, at } = await deployed()
  const [who, data, name] = [account(0xabc), new Uint8Array(size).fill(7), 'n'.repeat(size)]
  await ask('fill', [name, data, bytesToHex(who)])
  expect(store.plain.get()).toBe(7n)
  expect(store.nested.at(who).at(9n).get()).toBe(11n)
  const entry = store.byName.at(name)
  expect([entry.since.get(), entry.open.get(), entry.who.get(), entry.big.get(), entry.last.get()]).toEqual([
    1n,
    true,
    who,
    2n,
    3n,
  ])
  expect(entry.text.get()).toBe(name)
  expect([store.list.length(), bytesToHex(store.list.at(1).get())]).toEqual([2, at])
  expect(store.blob.get()).toEqual(data)
  expect([store.one.since.get(), store.one.open.get(), store.one.last.get()]).toEqual([4n, false, 6n])
  expect([store.many.length(), store.many.at(1).big.get(), store.many.at(0).text.get()]).toEqual([2, 12n, name])
  expect(store.lists.at(keccak(data)).at(1).get()).toBe(15n)
  const nine = Array.from({ length: 9 }, (_, i) => i)
  expect(nine.map((i) => [store.powers.at(i).get(), store.places.item(i).get()])).toEqual(
    nine.map((i) => [BigInt(100 + i), BigInt(200 + i)]),
  )
})

test('Solidity reads what the kit wrote, and a shorter text clears the longer one', async () => {
  const { store, ask, world, at } = await deployed()
  const who = account(0xdef)
  world.state.begin()
  store.plain.set(1n)
  store.nested
    .at(who)
    .at(5n)
    .update((n) => n + 3n)
  const place = store.many.push()
  place.since.set(9n)
  place.who.set(who)
  place.open.set(true)
  place.big.set(2n ** 128n - 1n)
  place.text.set('a'.repeat(80))
  place.text.set('b'.repeat(40))
  store.blob.set(new Uint8Array(65).fill(1))
  store.blob.set(new Uint8Array(3).fill(2))
  store.list.push().set(who)
  store.list.push().set(who)
  store.list.resize(1)
  for (let i = 0; i < 10; i++) store.powers.push().set(BigInt(i))
  store.powers.at(5).set(50n)
  world.state.end()
  expect((await ask('plain', []))[0]).toBe(1n)
  expect((await ask('nested', [bytesToHex(who), 5]))[0]).toBe(3n)
  const [since, open, whoRead, big, text] = await ask('many', [0])
  expect([since, open, whoRead.toLowerCase(), big, text]).toEqual([
    9n,
    true,
    bytesToHex(who),
    2n ** 128n - 1n,
    'b'.repeat(40),
  ])
  expect((await ask('blob', []))[0]).toBe('0x020202')
  expect([(await ask('powers', [4]))[0], (await ask('powers', [5]))[0], (await ask('powers', [9]))[0]]).toEqual([
    4n,
    50n,
    9n,
  ])
  const left = BigInt(bytesToHex(keccak(hexToBytes(AbiCoder.defaultAbiCoder().encode(['uint256'], [4])))))
  const words = freeWords(world.state, asAddress(hexToBytes(at)))
  expect([words.get(left), words.get(left + 2n)]).toEqual([0n, 0n])
  expect(store.list.length()).toBe(1)
})

test('neighbours in one slot do not touch each other', () => {
  const words = new Map<bigint, bigint>()
  const store = openStore(layout, { get: (k) => words.get(k) ?? 0n, set: (k, v) => void words.set(k, v) })
  fc.assert(
    fc.property(
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.boolean(),
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      (n, flag, who) => {
        store.one.since.set(n)
        store.one.open.set(flag)
        store.one.who.set(asAddress(who))
        store.one.since.set(n / 2n)
        expect([store.one.since.get(), store.one.open.get(), store.one.who.get()]).toEqual([n / 2n, flag, who])
      },
    ),
  )
})

test('two variables cannot share a slot', () => {
  expect(() => defineLayout({ a: slot(5, packed), b: slot(8, uint(8)) })).toThrow(/slot 8 of b/)
})

test.each([16, 32, 64] as const)(
  'a list of %i bits is the same item by item and slot by slot, longer and shorter',
  (bits) => {
    const words = new Map<bigint, bigint>()
    const over = { get: (k: bigint) => words.get(k) ?? 0n, set: (k: bigint, v: bigint) => void words.set(k, v) }
    const store = openStore({ some: slot(3, list(uint(bits))) }, over)
    const values = fc.array(fc.bigInt(0n, 2n ** BigInt(bits) - 1n), { maxLength: 40 })
    fc.assert(
      fc.property(values, fc.nat({ max: 39 }), (given, at) => {
        writePacked(over, store.some, bits, given)
        expect(readPacked(over, store.some, bits)).toEqual(given)
        if (given.length === 0) return
        store.some.at(at % given.length).set(1n)
        expect(given.map((_, i) => store.some.item(i).get())).toEqual(given.with(at % given.length, 1n))
        expect(readPacked(over, store.some, bits)).toEqual(given.with(at % given.length, 1n))
      }),
    )
  },
)
