// The fast engine beside the reference in one process: real contracts by the transaction, loops by their gas.
// Execution alone: no signatures, fees or blocks. CPU time.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { AbiCoder, Interface } from 'ethers'
import { type Address, bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { assert } from '../chain/base/errors.ts'
import type { Outcome } from '../chain/exec/engine.ts'
import { createFastEngine } from '../chain/exec/interpreter.ts'
import { createReferenceEngine } from '../chain/exec/reference.ts'
import { compile } from '../contracts/build.ts'
import { createReport } from './report.ts'
import { ALICE, account, cpuUs, must, openWorld, type World } from './world.ts'

installCurves(nativeCurves)
const isSmoke = process.argv.includes('--smoke')
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some((each) => name.includes(each))
const report = createReport('evm')
const require = createRequire(import.meta.url)
const artifact = (path: string) => JSON.parse(readFileSync(require.resolve(path), 'utf8'))
const engines = [createFastEngine({ chainId: 1n }), createReferenceEngine({ chainId: 1n })] as const
const deploy = async (world: World, path: string, types: string[] = [], values: unknown[] = []): Promise<Address> => {
  const { bytecode } = artifact(path)
  const args = AbiCoder.defaultAbiCoder().encode(types, values).slice(2)
  const code = hexToBytes(`${bytecode.startsWith('0x') ? bytecode : `0x${bytecode}`}${args}`)
  const { created } = must(await world.send(null, code))
  assert(created !== null, 'a contract was made')
  return created
}
/** Microseconds for one, after a warm-up twice as long: compilers are done then. */
const timed = async (count: number, run: (i: number) => Promise<Outcome>): Promise<number> => {
  for (let i = 0; i < 2 * count; i++) must(await run(i))
  const since = process.cpuUsage()
  for (let i = 0; i < count; i++) must(await run(i))
  return cpuUs(since) / count
}
const beside = async (name: string, run: (world: World, count: number) => Promise<number>): Promise<void> => {
  if (!isWanted(name)) return
  const [fast, reference] = [
    await run(openWorld(engines[0]), isSmoke ? 50 : 15_000),
    await run(openWorld(engines[1]), isSmoke ? 10 : 1_500),
  ]
  report.cpu(name, fast, 'us')
  report.add(`${name}, reference / fast`, reference / fast, 'x', 'more')
}

await beside('ERC-20 transfer', async (world, count) => {
  const path = '@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json'
  const abi = new Interface(artifact(path).abi)
  const token = await deploy(
    world,
    path,
    ['string', 'string', 'uint256', 'address'],
    ['T', 'T', 10n ** 24n, bytesToHex(ALICE)],
  )
  const inputs = Array.from({ length: 200 }, (_, i) =>
    hexToBytes(abi.encodeFunctionData('transfer', [bytesToHex(account(0x1000 + i)), 1n])),
  )
  return timed(count, (i) => world.send(token, inputs[i % inputs.length] as Uint8Array))
})

await beside('Uniswap v2 swap through the router', async (world, count) => {
  const tokenPath = '@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json'
  const weth = await deploy(world, '@uniswap/v2-periphery/build/WETH9.json')
  const factory = await deploy(world, '@uniswap/v2-core/build/UniswapV2Factory.json', ['address'], [bytesToHex(ALICE)])
  const routerPath = '@uniswap/v2-periphery/build/UniswapV2Router02.json'
  const router = await deploy(world, routerPath, ['address', 'address'], [bytesToHex(factory), bytesToHex(weth)])
  const token = await deploy(
    world,
    tokenPath,
    ['string', 'string', 'uint256', 'address'],
    ['T', 'T', 10n ** 30n, bytesToHex(ALICE)],
  )
  const erc20 = new Interface(artifact(tokenPath).abi)
  const abi = new Interface(artifact(routerPath).abi)
  const call = (of: Interface, name: string, args: unknown[]): Uint8Array =>
    hexToBytes(of.encodeFunctionData(name, args))
  must(await world.send(token, call(erc20, 'approve', [bytesToHex(router), 2n ** 256n - 1n])))
  const add = [bytesToHex(token), 10n ** 27n, 0, 0, bytesToHex(ALICE), 2n ** 40n]
  must(await world.send(router, call(abi, 'addLiquidityETH', add), { value: 10n ** 25n }))
  const swap = [0, [bytesToHex(weth), bytesToHex(token)], bytesToHex(ALICE), 2n ** 40n]
  const input = call(abi, 'swapExactETHForTokens', swap)
  return timed(Math.ceil(count / 6), (i) => world.send(router, input, { value: 10n ** 15n + BigInt(i) }))
})

const LOOPS = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
contract Loops {
  mapping(uint256 => uint256) private map;
  function arithmetic(uint256 n) external pure returns (uint256 x) {
    x = 7;
    for (uint256 i = 0; i < n; i++) { unchecked { x = x * 31 + (i ^ (x >> 3)); } }
  }
  function small(uint256 n) external pure returns (uint256 x) {
    for (uint256 i = 0; i < n; i++) { x += (i & 7) * 3; if (x > 1e6) x -= 1e6; }
  }
  function mapping_(uint256 n) external returns (uint256 x) {
    for (uint256 i = 0; i < n; i++) { map[i & 15] += i; x += map[(i + 1) & 15]; }
  }
  function memory_(uint256 n) external pure returns (uint256 x) {
    uint256[] memory a = new uint256[](64);
    for (uint256 i = 0; i < n; i++) { a[i & 63] += i; x ^= a[(i * 7) & 63]; }
  }
  function keccak_(uint256 n) external pure returns (bytes32 x) {
    for (uint256 i = 0; i < n; i++) { x = keccak256(abi.encode(x, i)); }
  }
}`
const mgas = async (world: World, to: Address, input: Uint8Array, seconds: number): Promise<number> => {
  const budget = 1_000_000_000n
  const run = async (): Promise<number> => Number(budget - must(await world.send(to, input, { gas: budget })).gasLeft)
  await run()
  let gas = 0
  const since = process.cpuUsage()
  while (gas === 0 || cpuUs(since) < seconds * 1e6) gas += await run()
  return gas / cpuUs(since)
}
if (isWanted('loop')) {
  const loops = new Interface(
    ['arithmetic', 'small', 'mapping_', 'memory_', 'keccak_'].map((f) => `function ${f}(uint256)`),
  )
  const code = hexToBytes(`0x${compile('Loops.sol', LOOPS).Loops?.bytecode ?? ''}`)
  for (const name of ['arithmetic', 'small', 'mapping_', 'memory_', 'keccak_']) {
    const rates: number[] = []
    for (const [i, engine] of engines.entries()) {
      const world = openWorld(engine)
      const { created } = must(await world.send(null, code))
      const rounds = (i === 0 ? 20_000 : 2_000) / (isSmoke ? 20 : 1)
      rates.push(
        await mgas(world, created as Address, hexToBytes(loops.encodeFunctionData(name, [rounds])), isSmoke ? 0 : 1),
      )
    }
    const [fast, reference] = rates as [number, number]
    report.add(`loop: ${name.replace('_', '')}`, fast, 'Mgas/s', 'more')
    report.cpu(`loop: ${name.replace('_', '')}, for each million gas`, 1e6 / fast, 'us')
    report.add(`loop: ${name.replace('_', '')}, fast / reference`, fast / reference, 'x', 'more')
  }
}

await report.end()
