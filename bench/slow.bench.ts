// The slowest gas there is: every instruction and every precompile, in the shapes where most time is had for least gas, over and over.
// Prints them all, and at the end what one transaction of the largest gas can take. Processor time of the fast engine alone.

import { bigintToFixed, bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { assert } from '../chain/base/errors.ts'
import { createFastEngine } from '../chain/exec/interpreter.ts'
import { completed, createPrecompiles } from '../chain/exec/precompiles.ts'
import { TX_GAS_MAX } from '../chain/types/tx.ts'
import { createDice } from '../test/kit/dice.ts'
import { GOOD } from '../test/kit/precompiles.ts'
import { createReport } from './report.ts'
import { account, cpuUs, openWorld } from './world.ts'

installCurves(nativeCurves)
const isSmoke = process.argv.includes('--smoke')
const report = createReport('slow')
const rates: { readonly name: string; readonly mgas: number }[] = []
const add = (name: string, mgas: number): void => {
  rates.push({ name, mgas })
  report.add(name, mgas, 'Mgas/s', 'more')
}

// One instruction over and over until the gas is gone: operands before it, what it leaves popped behind it.
const word = (n: number): string => `7f${bytesToHex(keccak(Uint8Array.of(n))).slice(2)}`
const [A, B, C, LONG, HALF] = [word(1), word(2), word(3), `7f${'ff'.repeat(32)}`, `6f${'9a'.repeat(16)}`]
/** The gas that is left: a new word each time. */
const NEW = '5a'
const TINY = account(0x7171)
const tiny = `73${bytesToHex(TINY).slice(2)}`
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  ...{
    ADD: `${A}${B}0150`,
    MUL: `${A}${B}0250`,
    DIV: `${HALF}${A}0450`,
    SDIV: `${HALF}${A}0550`,
    MOD: `${HALF}${A}0650`,
  },
  ...{ SMOD: `${HALF}${A}0750`, ADDMOD: `${C}${A}${B}0850`, MULMOD: `${C}${A}${B}0950`, EXP: `${LONG}${A}0a50` },
  ...{
    'EXP of one byte': `60ff${A}0a50`,
    SIGNEXTEND: `${A}600f0b50`,
    SLT: `${A}${B}1250`,
    EQ: `${A}${A}1450`,
    NOT: `${A}1950`,
  },
  ...{ BYTE: `${A}60101a50`, SHL: `${A}60331b50`, SHR: `${A}60331c50`, SAR: `${A}60331d50`, CLZ: `${A}1e50` },
  ...{ 'KECCAK256 of nothing': '600060002050', 'KECCAK256 of a new word': `${NEW}600052602060002050` },
  ...{ 'KECCAK256 of two new words': `${NEW}600052604060002050`, 'KECCAK256 of 1,024 bytes': '61040060002050' },
  ...{ 'BALANCE, warm': `${tiny}3150`, 'BALANCE, cold': `${NEW}3150`, 'EXTCODEHASH, warm': `${tiny}3f50` },
  ...{ 'EXTCODECOPY, warm': `600160006000${tiny}3c`, CALLDATALOAD: '60003550', CALLDATACOPY: '60206000600037' },
  ...{
    CODECOPY: '60206000600039',
    ORIGIN: '3250',
    CALLER: '3350',
    COINBASE: '4150',
    PREVRANDAO: '4450',
    NUMBER: '4350',
  },
  ...{
    SELFBALANCE: '4750',
    BLOCKHASH: '60004050',
    MLOAD: `${A}60005260005150`,
    MSTORE: `${A}600052`,
    MSTORE8: `${A}600053`,
  },
  ...{ 'SLOAD, warm': '60015450', 'SLOAD, cold': `${NEW}5450`, 'SSTORE, dirty': `${NEW}600155`, TLOAD: '60015c50' },
  ...{ TSTORE: `${NEW}60015d`, 'TSTORE of new keys': `6001${NEW}5d`, PUSH32: `${A}50`, SWAP: '90', MSIZE: '5950' },
  ...{ GAS: '5a50', MCOPY: '6020600060205e', LOG0: '60006000a0', LOG4: `${A}${B}${A}${B}60006000a4` },
  ...{ 'CALL of a tiny contract': `60006000600060006000${tiny}61fffff150` },
  ...{ 'STATICCALL of a tiny contract': `6000600060006000${tiny}61fffffa50` },
  ...{ 'DELEGATECALL of a tiny contract': `6000600060006000${tiny}61fffff450` },
  ...{ 'CALL of nobody, cold': `60006000600060006000${NEW}61fffff150`, 'CREATE of nothing': '600060006000f050' },
  ...{ 'CREATE from 24 KB of JUMPDEST': '61600060006000f050' },
}
const COPIES = 64
for (const [name, body] of Object.entries(INSTRUCTIONS)) {
  const fill = name.includes('JUMPDEST') ? '365f5f37' : ''
  const loop = `60${(fill.length / 2 + 4).toString(16).padStart(2, '0')}56`
  const world = openWorld(createFastEngine({ chainId: 1n }))
  world.put(account(0xc0de), hexToBytes(`0x${fill}600160025b${body.repeat(COPIES)}${loop}`))
  world.put(TINY, hexToBytes('0x00'))
  const input = fill === '' ? new Uint8Array(32) : new Uint8Array(24_576).fill(0x5b)
  const gas = isSmoke ? 100_000n : 16_000_000n
  const run = async (): Promise<void> => {
    const { fault } = await world.send(account(0xc0de), input, { gas })
    assert(fault === 'out of gas', `${name} runs until its gas is gone: ${fault}`)
  }
  await run()
  await run()
  const since = process.cpuUsage()
  await run()
  add(name, Number(gas) / cpuUs(since))
}

const dice = createDice(7)
const inputs = GOOD.map(([number, make]): readonly [number, Uint8Array] => [number, make(dice)])
const inputOf = (wanted: number): Uint8Array => inputs.find(([number]) => number === wanted)?.[1] ?? new Uint8Array(0)
const many = (item: Uint8Array, count: number): Uint8Array => concat(...Array.from({ length: count }, () => item))
/** Another scalar for each point, or all sums would be alike. */
const items = (number: number, pointBytes: number, count: number): Uint8Array =>
  concat(...Array.from({ length: count }, () => concat(inputOf(number).subarray(0, pointBytes), dice.bytes(32))))
const modexp = (base: number, exponent: number, modulus: number): Uint8Array =>
  concat(
    ...[base, exponent, modulus].map((each) => bigintToFixed(BigInt(each), 32)),
    new Uint8Array(base + exponent).fill(0xfe),
    new Uint8Array(modulus).fill(0xfd),
  )
const rounds = (count: number): Uint8Array => concat(bigintToFixed(BigInt(count), 4), dice.bytes(208), Uint8Array.of(1))
const sizes = isSmoke ? [1, 8] : [1, 2, 16, 64, 128, 1_000]
const shapes: readonly (readonly [number, string, Uint8Array])[] = [
  ...inputs.map(([number, input]) => [number, '', input] as const),
  ...[2, 3, 4].flatMap((number) =>
    [0, 32, 1_024, 65_536].map((size) => [number, `${size} bytes`, dice.bytes(size)] as const),
  ),
  ...[1, 8, 31, 32, 33, 40, 64, 65, 128, 256, 512, 1_024].flatMap((size) =>
    [1, 32, 33, 64].map((exponent) => [5, `${size} ^ ${exponent} bytes`, modexp(size, exponent, size)] as const),
  ),
  ...[8, 32, 256, 1_024].map((base) => [5, `${base} ^ 32 of 1 byte`, modexp(base, 32, 1)] as const),
  ...[0, 1, 12, 1_000, 100_000, 1_000_000].map((count) => [9, `${count} rounds`, rounds(count)] as const),
  ...[1, 2, 4, 8, 9, 32].map((count) => [8, `${count} pairs`, many(inputOf(8).subarray(0, 192), count)] as const),
  ...[1, 2, 4, 8, 9, 32].map((count) => [0x0f, `${count} pairs`, many(inputOf(0x0f).subarray(0, 384), count)] as const),
  ...sizes.map((count) => [0x0c, `${count} points`, items(0x0c, 128, count)] as const),
  ...sizes.map((count) => [0x0e, `${count} points`, items(0x0e, 256, count)] as const),
]
/** Of a call of a precompile beside its price: the account is warm, and operands are pushed. */
const CALL_GAS = 118
const precompiles = createPrecompiles({ chainId: 1n })
for (const [number, shape, input] of shapes) {
  const precompile = precompiles.get(`0x${number.toString(16).padStart(40, '0')}`)
  assert(precompile !== undefined, 'it is built in')
  const spend = (): number => {
    let gas = 0
    const since = process.cpuUsage()
    do gas += completed(precompile(input, 1e12)).gasUsed + CALL_GAS
    while (cpuUs(since) < (isSmoke ? 0 : 50_000))
    return gas / cpuUs(since)
  }
  spend()
  add(`precompile 0x${number.toString(16)} ${shape}`.trim(), spend())
}

const [slowest] = rates.sort((a, b) => a.mgas - b.mgas)
for (const { name, mgas } of rates.slice(0, 12)) console.log(`slowest: ${name.padEnd(60)} ${mgas.toFixed(1)} Mgas/s`)
assert(slowest !== undefined, 'something was measured')
report.cpu('a transaction of the largest gas, at the slowest', Number(TX_GAS_MAX) / slowest.mgas / 1_000, 'ms')
await report.end()
