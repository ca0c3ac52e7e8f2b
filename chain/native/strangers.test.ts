// Identities, tokens, stakes and audit trails together, called by anybody with anything, in any order and at any time: a call ends, no node
// does, and no token comes from nowhere. What block hooks touch is `extremes.test.ts`.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { zkArguments } from '../../rpc/client/credentials/zk.ts'
import { account, createWorld } from '../../test/kit/native.ts'
import { developmentKey, QUESTION, storedProof } from '../../test/kit/zk.ts'
import { asAddress, bytesToHex, type Hex, hexToBytes } from '../base/bytes.ts'
import { natives } from './index.ts'
import { type AbiType, encodeCall } from './kit/abi.ts'
import { freeWords } from './kit/module.ts'
import { openStore } from './kit/slots.ts'
import { layout as resourcesLayout } from './resources/layout.ts'
import { layout as tokenLayout } from './token/layout.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const TOKENS = ['cpu', 'mem', 'sto', 'net']
const drawn = natives.filter(({ module: { name } }) => ['did', 'resources', 'audit', ...TOKENS].includes(name))
const rows = natives.filter((row) => row.module.name === 'params' || drawn.includes(row))
const WHO = [0, 1, 2, 3, 4, 0x810, 0x820, 0x821, 0x822]

/** Of each type its ends, what is almost something, and what makes later calls come further than the door. */
const EXTREMES: Readonly<Record<string, readonly unknown[]>> = {
  address: WHO.map((n) => account(n)),
  bytes32: [0, 1, 255].map((byte) => new Uint8Array(32).fill(byte)),
  string: ['', 'key-1', 'https://example.com/', 'LinkedDomains', 'controller', '\u0000', 'x'.repeat(257), '__proto__'],
  bytes: [0, 1, 32, 33, 65, 96, 1_025].map((size) => new Uint8Array(size).fill(2, 0, 1)),
}
const extremeOf = (type: AbiType): fc.Arbitrary<unknown> => {
  if (typeof type !== 'string')
    return 'list' in type
      ? fc.array(extremeOf(type.list), { maxLength: 3 })
      : fc.record(Object.fromEntries(type.tuple.map(([name, inner]) => [name, extremeOf(inner)])))
  if (type === 'bool') return fc.boolean()
  if (!type.startsWith('uint')) return fc.constantFrom(...(EXTREMES[type] ?? []))
  const most = 2n ** BigInt(type.slice(4)) - 1n
  const some = [0n, 1n, 2n, 3n, most - 1n, most, 131_072n, 10n ** 18n, 2n ** 32n - 1n, 2n ** 64n]
  return fc.constantFrom(...some.filter((value) => value <= most))
}
const anyCall = fc
  .constantFrom(
    ...drawn.flatMap(({ at, module: { abi, name } }) => Object.values(abi.functions).map((fn) => ({ at, fn, name }))),
  )
  .chain(({ at, fn, name }) =>
    fc.record({
      ...{ at: fc.constant(at), fn: fc.constant(fn), name: fc.constant(name), from: fc.constantFrom(1, 1, 2, 3, 8) },
      // Now and then a statement with its proof, as it was made.
      args: fn.source.startsWith('function verifyProof')
        ? fc.constant(zkArguments(QUESTION, storedProof()))
        : fc.tuple(...fn.inputs.map(([, type]) => extremeOf(type))),
      gas: fc.constantFrom(10_000_000n, 10_000_000n, 200_000n, 5_000n),
      seconds: fc.constantFrom(0, 0, 1, 86_400, 2 ** 31),
    }),
  )

const hex = (n: number): Hex => bytesToHex(account(n))
const token = {
  ...{ cap: `${2n ** 256n - 1n}`, minters: [hex(1)] },
  balances: Object.fromEntries([1, 2, 0x820].map((n) => [hex(n), `${2n ** 252n}`])),
}
const sections = {
  params: { governance: hex(8), guardian: hex(8) },
  did: {
    issuers: [{ address: hex(1), roles: ['credentials', 'persons'], name: 'One' }],
    credentialKey: developmentKey(),
  },
  ...Object.fromEntries(TOKENS.map((name) => [name, token])),
}

test(`whatever comes, in whatever order: a call ends, supplies are what is held, and stakes are there (SEED=${SEED})`, async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(anyCall, { minLength: 60, maxLength: 150, size: 'max' }), async (calls) => {
      const world = createWorld(rows, sections, { development: true })
      for (const { at, fn, name, from, args, gas, seconds } of calls) {
        world.go({ time: world.block.time + seconds, number: world.block.number + 1 })
        const { status, gasUsed } = await world.send(from, at, encodeCall(fn, args as never), { gas })
        expect(gasUsed).toBeLessThanOrEqual(gas)
        seen.add(`${status} ${name} ${fn.source}`)
      }
      const registry = openStore(resourcesLayout, freeWords(world.state, account(0x820)))
      for (const { at, module } of drawn.filter(({ module: { name } }) => TOKENS.includes(name))) {
        const address = asAddress(hexToBytes(at))
        const { balances, totalSupply } = openStore(tokenLayout, freeWords(world.state, address))
        const held = new Map([...WHO, 8].map((n) => [hex(n), balances.at(account(n)).get()]))
        expect([module.name, [...held.values()].reduce((sum, each) => sum + each, 0n)]).toEqual([
          module.name,
          totalSupply.get(),
        ])
        const { staked, reserved } = registry.pools.at(address)
        expect(staked.get() + reserved.get()).toBeLessThanOrEqual(held.get(hex(0x820)) ?? 0n)
      }
    }),
    { numRuns: 12, seed: SEED, endOnFailure: true },
  )
  const names = (status: string) => [...seen].filter((each) => each.startsWith(status)).length
  expect([names('success') > 60, names('revert') > 40, names('fault') > 10]).toEqual([true, true, true])
})
