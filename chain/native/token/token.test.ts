// What a resource token has beside what OpenZeppelin's has (reference.test.ts): minters, pauses, its price in gas, its first state, its storage.
import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { account } from '../../../test/kit/native.ts'
import {
  CPU,
  createTokenWorld,
  eventsOf,
  GOVERNANCE,
  GUARDIAN,
  keyHolder,
  MEM,
  MINTER,
  NET,
  paramsOf,
  refusalOf,
  registryOf,
  STO,
  signPermit,
  tokenOf,
} from '../../../test/kit/tokens.ts'
import { asAddress, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { intrinsicGas } from '../../types/tx.ts'
import { encodeCall } from '../kit/abi.ts'
import { freeWords } from '../kit/module.ts'
import { openStore } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { layout } from './layout.ts'

const hex = (n: number): Hex => bytesToHex(account(n))
const [ONE, TWO, THREE] = [account(1), account(2), account(3)]
const WORD_MAX = 2n ** 256n - 1n
const open = (section: object = {}, values: object = {}) => {
  const minters = [hex(MINTER)]
  const world = createTokenWorld({ cpu: { minters, balances: { [hex(1)]: '1000' }, ...section } }, values)
  return { ...world, ...tokenOf(world), world }
}

test.each([
  [CPU, 'NovaChain CPU', 'CPU'],
  [MEM, 'NovaChain Memory', 'MEM'],
  [STO, 'NovaChain Storage', 'STO'],
  [NET, 'NovaChain Network', 'NET'],
])('%s is %s', async (at, name, symbol) => {
  const { read } = tokenOf(createTokenWorld(), at)
  expect([await read('name'), await read('symbol'), await read('decimals'), await read('version')]).toEqual([
    ...[name, symbol, 18n, '1'],
  ])
  expect(await read('eip712Domain')).toEqual([
    ...[Uint8Array.of(15), name, '1', 1n, asAddress(hexToBytes(at)), new Uint8Array(32), []],
  ])
  expect([await read('totalSupply'), await read('cap'), await read('isMinter', account(MINTER))]).toEqual([
    ...[0n, 10n ** 30n, at === CPU],
  ])
})

test('what one token does the others do not see', async () => {
  const { world, call } = open()
  await call(1, 'transfer', TWO, 5n)
  expect(await tokenOf(world, MEM).read('balanceOf', TWO)).toBe(0n)
  expect(refusalOf(await tokenOf(world, MEM).call(MINTER, 'mint', TWO, 5n))).toEqual(['NotMinter', hex(MINTER)])
})

test('minters come and go with governance, and mint up to the cap', async () => {
  const { world, call, read } = open({ cap: '1500' })
  const registry = registryOf(world)
  const cpu = asAddress(hexToBytes(CPU))
  expect(refusalOf(await call(1, 'mint', ONE, 1n))).toEqual(['NotMinter', hex(1)])
  expect(eventsOf(await registry.call(GOVERNANCE, 'grantMinter', cpu, ONE))).toEqual([
    ['820 MinterGranted', CPU, hex(1)],
  ])
  expect(eventsOf(await registry.call(GOVERNANCE, 'grantMinter', cpu, ONE))).toEqual([]) // nothing changed
  expect(eventsOf(await call(1, 'mint', TWO, 500n))).toEqual([['821 Transfer', hex(0), hex(2), 500n]])
  expect(refusalOf(await call(1, 'mint', TWO, 1n))).toEqual(['ERC20ExceededCap', 1_501n, 1_500n])
  await call(2, 'burn', 10n)
  expect((await call(1, 'mint', TWO, 10n)).status).toBe('success') // what is burnt may be minted again
  expect([await read('totalSupply'), await read('balanceOf', TWO)]).toEqual([1_500n, 500n])
  await registry.call(GOVERNANCE, 'revokeMinter', cpu, ONE)
  expect(refusalOf(await call(1, 'mint', ONE, 0n))).toEqual(['NotMinter', hex(1)])
})

test('at the last number there is, more is an overflow and not a small supply', async () => {
  const { call, read } = open({ cap: WORD_MAX.toString(), balances: { [hex(1)]: (WORD_MAX - 1n).toString() } })
  expect((await call(MINTER, 'mint', TWO, 1n)).status).toBe('success')
  const panic = `0x4e487b71${'11'.padStart(64, '0')}`
  expect(bytesToHex((await call(MINTER, 'mint', TWO, 1n)).output)).toBe(panic)
  expect(bytesToHex((await call(MINTER, 'mint', ONE, WORD_MAX)).output)).toBe(panic)
  expect((await call(1, 'transfer', TWO, WORD_MAX - 1n)).status).toBe('success')
  expect([await read('balanceOf', TWO), await read('totalSupply')]).toEqual([WORD_MAX, WORD_MAX])
})

test('a permit serves once, before its deadline, on its own chain and token', async () => {
  const { call, read } = open()
  const owner = keyHolder(1)
  const terms = { owner: owner.address, spender: TWO, value: 70n, nonce: 0n, deadline: 1_000_000n }
  const send = (signature: ReturnType<typeof signPermit>, over: Partial<typeof terms> = {}) => {
    const { spender, value, deadline } = { ...terms, ...over }
    return call(3, 'permit', owner.address, spender, value, deadline, signature.v, signature.r, signature.s)
  }
  const wrongSigner = (answer: Awaited<ReturnType<typeof send>>) => {
    const refusal = refusalOf(answer)
    expect([refusal[0], refusal[2]]).toEqual(['ERC2612InvalidSigner', bytesToHex(owner.address)])
  }
  const signature = signPermit(owner, terms)
  wrongSigner(await send(signPermit(owner, terms, { chainId: 2n })))
  wrongSigner(await send(signPermit(owner, terms, { token: MEM })))
  wrongSigner(await send(signature, { value: 71n }))
  wrongSigner(await send(signPermit(owner, { ...terms, nonce: 1n })))
  expect(refusalOf(await send(signPermit(owner, { ...terms, deadline: 999_999n }), { deadline: 999_999n }))).toEqual([
    ...['ERC2612ExpiredSignature', 999_999n],
  ])
  expect(eventsOf(await send(signature))).toEqual([['821 Approval', bytesToHex(owner.address), hex(2), 70n]])
  expect([await read('nonces', owner.address), await read('allowance', owner.address, TWO)]).toEqual([1n, 70n])
  wrongSigner(await send(signature))
})

test('paused: whoever writes is refused in words, reading goes on; unpaused it goes on', async () => {
  const { world, call, read } = open()
  await paramsOf(world).call(GUARDIAN, 'pause', 'tokens', 60n, 'odd transfers')
  const owner = keyHolder(1).address
  const word = new Uint8Array(32)
  const answers = [
    await call(1, 'transfer', TWO, 1n),
    await call(2, 'transferFrom', ONE, TWO, 1n),
    await call(1, 'approve', TWO, 1n),
    await call(1, 'permit', owner, TWO, 1n, WORD_MAX, 27n, word, word),
    await call(MINTER, 'mint', TWO, 1n),
    await call(1, 'burn', 1n),
    await call(2, 'burnFrom', ONE, 1n),
    await tokenOf(world, NET).call(1, 'transfer', TWO, 0n),
  ]
  for (const answer of answers) expect(refusalOf(answer)).toEqual(['Error', 'tokens is paused until 1000060'])
  expect(await read('balanceOf', ONE)).toBe(1_000n)
  await paramsOf(world).call(GOVERNANCE, 'unpause', 'tokens')
  expect((await call(1, 'transfer', TWO, 1n)).status).toBe('success')
})

test('a transfer to whom the token knows costs 35,000 gas at most, whatever its bytes; each slot at the price of SSTORE', async () => {
  const far = asAddress(new Uint8Array(20).fill(0xff))
  const balances = { [hex(1)]: (WORD_MAX - 1n).toString(), [bytesToHex(far)]: '1' }
  const { call } = open({ cap: WORD_MAX.toString(), balances })
  const value = WORD_MAX / 3n
  const { gas, floor } = intrinsicGas({
    ...{ to: far, data: encodeCall(abi.functions.transfer, [far, value]), accessList: [], authorizations: [] },
  })
  const { gasUsed } = await call(1, 'transfer', far, value)
  expect(gas + gasUsed).toBeLessThanOrEqual(35_000n)
  expect(floor).toBeLessThan(35_000n)
  // Two slots read and written, three topics and a word of log, the pause, three words in, one out, and its own price.
  expect(gasUsed).toBe(2n * 5_000n + 4n * 375n + 8n * 32n + 100n + 3n * 4n + 200n)
  expect((await call(1, 'transfer', TWO, 1n)).gasUsed).toBe(gasUsed + 17_100n)
  expect((await call(1, 'transfer', far, 0n)).gasUsed).toBe(gasUsed - 2n * 2_800n)
})

test.each<readonly [string, object, RegExp]>([
  ['a cap that is no number', { cap: '1.5' }, /modules\.cpu\.cap: expected a 0x quantity or a decimal string/],
  ['a cap beyond a word', { cap: (WORD_MAX + 1n).toString() }, /cpu\.cap: above 2\^256 - 1/],
  ['a minter that is none', { minters: ['0x12'] }, /cpu\.minters\.0: expected 0x and 40 hex digits/],
  ['nobody mints', { minters: [hex(0)] }, /cpu\.minters\.0: nobody holds the key/],
  ['a minter twice', { minters: [hex(1), hex(1)] }, /cpu\.minters\.1: .*there twice/],
  ['too many minters', { minters: Array(1_025).fill(hex(1)) }, /cpu\.minters/],
  ['nobody’s balance', { balances: { [hex(0)]: '1' } }, /cpu\.balances\.0x0+: nobody holds the key/],
  ['a balance of no account', { balances: { bob: '1' } }, /cpu\.balances/],
  ['a negative balance', { balances: { [hex(1)]: '-1' } }, /cpu\.balances\.0x.*1: expected/],
  [
    'an address in two spellings',
    { balances: { [`0x${'ab'.repeat(20)}`]: '1', [`0x${'AB'.repeat(20)}`]: '1' } },
    /cpu\.balances\.0xAB.*: the address appears twice/,
  ],
  [
    'more than the cap',
    { cap: '10', balances: { [hex(1)]: '6', [hex(2)]: '5' } },
    /cpu\.balances\.0x0+2: with it there are 11, above the cap of 10/,
  ],
  ['a strange key', { owner: hex(1) }, /cpu: .*owner/],
])('genesis: %s', (_, section, reason) => {
  expect(() => createTokenWorld({ cpu: section })).toThrow(reason)
})

test.each([
  ['minters.0', { minters: ['0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'] }],
  ['balances', { balances: { '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266': '1' } }],
])('genesis: a development account in %s counts in development networks alone', (path, section) => {
  expect(() => createTokenWorld({ cpu: section })).not.toThrow()
  expect(() => createTokenWorld({ cpu: section }, {}, { development: false })).toThrow(
    new RegExp(`cpu\\.${path}.*anybody holds the key of this development account`),
  )
})

test('genesis: balances, supply, cap and minters are there from the start', async () => {
  const { read } = open({ cap: '0xffff', balances: { [hex(1)]: '0x10', [hex(2)]: '5' } })
  expect([await read('balanceOf', ONE), await read('balanceOf', TWO), await read('balanceOf', THREE)]).toEqual([
    ...[16n, 5n, 0n],
  ])
  expect([await read('totalSupply'), await read('cap')]).toEqual([21n, 65_535n])
})

test('solc lays out the same variables, and a viewer that knows its slots reads them', async () => {
  const text = readFileSync(new URL('../../../contracts/test/TokenStorage.sol', import.meta.url), 'utf8')
  const made = compile('TokenStorage.sol', text).TokenStorage
  expect(made?.storage.map(({ label, slot, offset }) => [label, Number(slot), offset])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot, 0]),
  )
  const { world, call } = open()
  await call(1, 'approve', TWO, 77n)
  const at = asAddress(hexToBytes(CPU))
  const { state } = world
  const { created } = await world.send(1, null, hexToBytes(`0x${made?.bytecode}`))
  const contract = created ?? expect.fail('it deploys')
  state.begin()
  const [ours, theirs] = [at, contract].map((address) => freeWords(state, address))
  const touched = openStore(layout, {
    get(key) {
      theirs?.set(key, ours?.get(key) ?? 0n)
      return ours?.get(key) ?? 0n
    },
    set: () => {},
  })
  const wanted = [
    touched.balances.at(ONE).get(),
    touched.allowances.at(ONE).at(TWO).get(),
    touched.totalSupply.get(),
    touched.cap.get(),
    touched.minters.at(account(MINTER)).get() ? 1n : 0n,
  ]
  state.end()
  const ask = async (signature: string, ...args: readonly Uint8Array[]) => {
    const data = new Interface([`function ${signature} view returns (uint256)`]).encodeFunctionData(
      signature.split('(')[0] ?? '',
      args.map(bytesToHex),
    )
    return BigInt(bytesToHex((await world.send(1, bytesToHex(contract), hexToBytes(data))).output))
  }
  expect(wanted).toEqual([
    await ask('balances(address)', ONE),
    await ask('allowances(address,address)', ONE, TWO),
    await ask('totalSupply()'),
    await ask('cap()'),
    await ask('minters(address)', account(MINTER)),
  ])
  expect(wanted).toEqual([1_000n, 77n, 1_000n, 10n ** 30n, 1n])
})
