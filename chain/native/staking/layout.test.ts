// solc lays out the same variables: eth_getStorageAt, proofs and storage viewers read staking as they read a contract.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account } from '../../../test/kit/native.ts'
import { openStore, type Words } from '../kit/slots.ts'
import { layout, type StakingStore, VALIDATOR_SLOTS } from './layout.ts'

const source = readFileSync(new URL('../../../contracts/test/StakingStorage.sol', import.meta.url), 'utf8')
const made = compile('StakingStorage.sol', source).StakingStorage

test('each variable has the slot that solc gives it', () => {
  expect(made?.storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot]),
  )
})

interface Field {
  length?(): number
  get?(): unknown
  set?(value: unknown): void
}
/** Something whose lowest bit is set, where the field has bits of its own. */
const sampleOf = (was: unknown): unknown => {
  if (was instanceof Uint8Array) return new Uint8Array(was.length).fill(1)
  return typeof was === 'string' ? '' : typeof was === 'boolean' ? true : 1n
}
/** The slot that a field is written to, of a list the slot of its length, and the byte from its right end. */
const placeOf = (
  reach: (store: StakingStore) => object,
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
  const fields = reach(openStore(layout, words)) as Readonly<Record<string, Field>>
  const { length, get, set } = fields[name] ?? {}
  if (length === undefined) set?.(sampleOf(get?.()))
  else length()
  let byte = 0
  while (last.word !== 0n && (last.word >> BigInt(8 * byte)) % 2n === 0n) byte++
  return { slot: last.slot, byte }
}
const who = account(1)
const structs: readonly (readonly [name: string, reach: (store: StakingStore) => object])[] = [
  ['Clock', ({ clock }) => clock],
  ['Bonds', ({ bonds }) => bonds],
  ['Rewards', ({ rewards }) => rewards],
  ['Supply', ({ supply }) => supply],
  ['Minting', ({ minting }) => minting],
  ['Epoch', ({ epochs }) => epochs.at(3n)],
  ['Validator', ({ validators }) => validators.item(2)],
  ['Key', ({ keys }) => keys.item(2)],
  ['Delegation', ({ delegations }) => delegations.at(who).at(who)],
  ['Redelegation', ({ redelegations }) => redelegations.at(who).at(who)],
  ['Unbonding', ({ unbondings }) => unbondings.at(who).at(who).item(1)],
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

test('a validator takes as many slots as the election steps over', () => {
  expect(VALIDATOR_SLOTS).toBe(1 + Number(made?.structs.Validator?.at(-1)?.slot))
})
