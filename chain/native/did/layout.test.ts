// solc lays out the same variables: eth_getStorageAt, proofs and storage viewers read DIDs as they read a contract.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account } from '../../../test/kit/native.ts'
import { openStore, type Words } from '../kit/slots.ts'
import { type DidStore, layout } from './layout.ts'

const source = readFileSync(new URL('../../../contracts/test/DidStorage.sol', import.meta.url), 'utf8')
const made = compile('DidStorage.sol', source).DidStorage

test('each variable has the slot that solc gives it', () => {
  expect(made?.storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot]),
  )
})

interface Field {
  get(): unknown
  set(value: unknown): void
}
/** Something whose lowest bit is set. */
const sampleOf = (was: unknown): unknown => {
  if (was instanceof Uint8Array) return new Uint8Array(was.length).fill(1)
  return typeof was === 'string' ? '' : 1n
}
const placeOf = (
  reach: (store: DidStore) => object,
  name: string,
): { readonly slot: bigint; readonly byte: number } => {
  let last = { slot: 0n, word: 0n }
  const words: Words = {
    get(slot) {
      last = { slot, word: 0n }
      return 0n
    },
    set(slot, word) {
      last = { slot, word }
    },
  }
  const field = (reach(openStore(layout, words)) as Readonly<Record<string, Field>>)[name]
  field?.set(sampleOf(field.get()))
  let byte = 0
  while (last.word !== 0n && (last.word >> BigInt(8 * byte)) % 2n === 0n) byte++
  return { slot: last.slot, byte }
}
const who = account(1)
const structs: readonly (readonly [name: string, reach: (store: DidStore) => object])[] = [
  ['Record', ({ records }) => records.at(who)],
  ['Version', ({ versions }) => versions.at(who).at(3n)],
  ['Key', ({ keys }) => keys.at(who).at(3n)],
  ['Service', ({ services }) => services.at(who).at(3n)],
  ['Issuer', ({ issuers }) => issuers.at(who)],
  ['Binding', ({ bindings }) => bindings.at(who)],
  ['StatusList', ({ statusLists }) => statusLists.item(2)],
  ['Anchor', ({ anchors }) => anchors.at(3n).at(1n)],
  ['ProofRoots', (store) => store.proofRoots.at(3n)],
  ['Presentation', ({ presentations }) => presentations.at(3n).at(1n)],
]
test.each(structs)('%s: each field has the bytes that solc gives it', (name, reach) => {
  const members = made?.structs[name] ?? []
  const fields = members.map(({ label }) => placeOf(reach, label))
  const base = fields[0]?.slot ?? 0n
  expect(members.length).toBeGreaterThan(1)
  expect(members.map(({ label }, i) => [label, Number((fields[i]?.slot ?? 0n) - base), fields[i]?.byte])).toEqual(
    members.map(({ label, slot, offset }) => [label, Number(slot), offset]),
  )
})
