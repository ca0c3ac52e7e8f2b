// What the load of `tps` is made of: plain transfers, the native CPU token, OpenZeppelin's ERC-20, swaps through Uniswap v2. Owns what must
// stand before the clock starts, as transactions of one account, the founder: any Ethereum endpoint gets it through JSON-RPC, the same everywhere.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { AbiCoder, getCreateAddress, Interface } from 'ethers'
import { bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { assert } from '../chain/base/errors.ts'
import { compile } from '../contracts/build.ts'
import type { Client } from './rig.ts'
import { type Deed, signPayment } from './signing.ts'

export const WORKLOADS = ['plain', 'token', 'erc20', 'swap'] as const
export type WorkloadName = (typeof WORKLOADS)[number]
export const FEES = { maxFeeWei: 100_000_000_000n, tipWei: 1_000_000_000n }

export interface Workload {
  readonly deed: Deed
  /** What every sender does once before, one round for each token. */
  readonly approval: Extract<Deed, { readonly kind: 'approve' }> | null
  /** The founder's transactions, in this order. */
  readonly setup: readonly Step[]
  /** Answers a word of its storage. */
  readonly reader: Hex
}
export interface Step {
  /** null: makes a contract. */
  readonly to: Hex | null
  readonly data: Hex
  readonly gas: number
}

/** Stores a word when it is made, and answers it: PUSH1 42, SSTORE; then SLOAD, MSTORE, RETURN as code. */
const READER = '0x602a600055600b6011600039600b6000f360005460005260206000f3'
const CPU_TOKEN = '0x0000000000000000000000000000000000000821'
/** Holds the supply of each token, and gives it to many at a time. */
const SPREAD = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
interface Token { function transfer(address to, uint256 amount) external returns (bool); }
contract Spread {
  function spread(Token token, uint256 each, address[] calldata to) external {
    for (uint256 i = 0; i < to.length; i++) require(token.transfer(to[i], each));
  }
}`
const spreadAbi = new Interface(['function spread(address, uint256, address[])'])
const erc20Abi = new Interface(['function approve(address, uint256)'])
const routerAbi = new Interface([
  'function addLiquidity(address, address, uint256, uint256, uint256, uint256, address, uint256)',
])
/** So many are given tokens in one transaction, at some 26,000 gas each: much longer ones are refused by a builder that is short of time. */
const AT_ONCE = 100
const [SUPPLY, POOL, EACH] = [10n ** 32n, 10n ** 27n, 10n ** 21n]
const NEVER = 2n ** 40n
const artifacts = createRequire(import.meta.url)

/** `founder`: who makes the contracts, from its transaction `nonce` on; `holders`: who needs tokens, 20 bytes each. */
export function workloadOf(name: WorkloadName, founder: Hex, nonce: number, holders: Uint8Array): Workload {
  const setup: Step[] = []
  const create = (code: string, types: readonly string[] = [], args: readonly unknown[] = []): Hex => {
    const data = `0x${code.replace('0x', '')}${AbiCoder.defaultAbiCoder().encode(types, args).slice(2)}` as Hex
    setup.push({ to: null, data, gas: 6_000_000 })
    return getCreateAddress({ from: founder, nonce: nonce + setup.length - 1 }) as Hex
  }
  const call = (to: Hex, abi: Interface, method: string, args: readonly unknown[], gas: number): void => {
    setup.push({ to, data: abi.encodeFunctionData(method, args) as Hex, gas })
  }
  const reader = create(READER)
  if (name === 'plain') return { deed: { kind: 'pay' }, approval: null, setup, reader }
  if (name === 'token') return { deed: { kind: 'transfer', token: CPU_TOKEN }, approval: null, setup, reader }

  const made = (path: string, types: readonly string[] = [], args: readonly unknown[] = []): Hex =>
    create(JSON.parse(readFileSync(artifacts.resolve(path), 'utf8')).bytecode ?? '', types, args)
  const spread = create(compile('Spread.sol', SPREAD).Spread?.bytecode ?? '')
  const token = (symbol: string): Hex =>
    made(
      '@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json',
      ['string', 'string', 'uint256', 'address'],
      [symbol, symbol, SUPPLY, spread],
    )
  const give = (of: Hex): void => {
    for (let from = 0; from < holders.length; from += 20 * AT_ONCE) {
      const part = holders.subarray(from, from + 20 * AT_ONCE)
      const to = Array.from({ length: part.length / 20 }, (_, i) => bytesToHex(part.subarray(20 * i, 20 * i + 20)))
      call(spread, spreadAbi, 'spread', [of, EACH, to], 150_000 + 32_000 * to.length)
    }
  }
  if (name === 'erc20') {
    const one = token('ONE')
    give(one)
    return { deed: { kind: 'transfer', token: one }, approval: null, setup, reader }
  }
  const tokens = [token('ONE'), token('TWO')] as const
  const weth = made('@uniswap/v2-periphery/build/WETH9.json')
  const factory = made('@uniswap/v2-core/build/UniswapV2Factory.json', ['address'], [founder])
  const router = made('@uniswap/v2-periphery/build/UniswapV2Router02.json', ['address', 'address'], [factory, weth])
  for (const of of tokens) {
    call(spread, spreadAbi, 'spread', [of, POOL, [founder]], 200_000)
    call(of, erc20Abi, 'approve', [router, POOL], 100_000)
  }
  call(router, routerAbi, 'addLiquidity', [...tokens, POOL, POOL, 0, 0, founder, NEVER], 6_000_000)
  for (const of of tokens) give(of)
  return {
    deed: { kind: 'swap', tokens, router },
    approval: { kind: 'approve', tokens, spender: router },
    setup,
    reader,
  }
}

/** What the founder must have. */
export const setupCostWei = ({ setup }: Workload): bigint =>
  setup.reduce((sum, { gas }) => sum + BigInt(gas) * FEES.maxFeeWei, 0n)

/** Of one account so many wait at a time. */
const STEPS = 200
const REQUEST = 500
const POLL_MS = 50
const AGAIN_MS = 5_000
const PATIENCE_MS = 120_000

/** Sends the founder's transactions and, when these are done, the approvals; returns when each is in a block. Throws where one failed. */
export async function setUp(
  client: Client,
  { setup }: Workload,
  founder: { readonly secret: Uint8Array; readonly nonce: number; readonly chainId: number },
  approvals: Iterable<Uint8Array>,
): Promise<void> {
  const { secret, chainId } = founder
  const raws = setup.map(({ to, data, gas }, i) =>
    signPayment(secret, {
      ...{ ...FEES, chainId, nonce: founder.nonce + i, gas, value: 0n },
      ...{ to: to === null ? new Uint8Array(0) : hexToBytes(to), data: hexToBytes(data) },
    }),
  )
  for (let from = 0; from < raws.length; from += STEPS) await include(client, raws.slice(from, from + STEPS))
  await include(client, [...approvals])
}

/** Returns when all of these are in blocks and did what they should. What a node dropped is sent again. */
const include = async (client: Client, raws: readonly Uint8Array[]): Promise<void> => {
  const inParts = <T>(all: readonly T[]): T[][] =>
    Array.from({ length: Math.ceil(all.length / REQUEST) }, (_, i) => all.slice(i * REQUEST, (i + 1) * REQUEST))
  const send = (raw: Uint8Array) => ({ method: 'eth_sendRawTransaction', params: [bytesToHex(raw)] })
  for (const part of inParts(raws)) await client.askAll(part.map(send))
  const began = performance.now()
  let sentAt = began
  let missing = raws
  while (missing.length > 0) {
    await delay(POLL_MS)
    if (performance.now() - sentAt > AGAIN_MS) {
      for (const raw of missing) await client.ask(send(raw).method, send(raw).params).catch(() => {}) // most are known
      sentAt = performance.now()
    }
    assert(
      performance.now() - began < PATIENCE_MS,
      `what the load needs is made: ${missing.length} are in no block yet`,
    )
    // The first tells when there is a block to look at.
    if ((await receiptsOf(client, missing.slice(0, 1)))[0] === null) continue
    const still: Uint8Array[] = []
    for (const part of inParts(missing)) {
      const receipts = await receiptsOf(client, part)
      for (const [i, receipt] of receipts.entries()) {
        const raw = part[i] as Uint8Array
        assert(receipt?.status !== '0x0', `what the load needs is made: ${bytesToHex(keccak(raw))} failed`)
        if (receipt === null) still.push(raw)
      }
    }
    missing = still
  }
}
const receiptsOf = async (client: Client, raws: readonly Uint8Array[]) =>
  (await client.askAll(
    raws.map((raw) => ({ method: 'eth_getTransactionReceipt', params: [bytesToHex(keccak(raw))] })),
  )) as ({ readonly status: string } | null)[]
