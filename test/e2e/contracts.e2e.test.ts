// What a stranger does in the first hour, with the byte code that Ethereum runs: ERC-20, Uniswap v2 and v3, a Safe; through
// ethers and viem, on a node started as the README says.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import {
  AbiCoder,
  Contract,
  ContractFactory,
  getBytes,
  getCreate2Address,
  type Interface,
  JsonRpcProvider,
  keccak256,
  MaxUint256,
  parseEther,
  toBeHex,
  toQuantity,
  Wallet,
  WebSocketProvider,
  ZeroAddress,
} from 'ethers'
import solc from 'solc'
import { createPublicClient, createWalletClient, http, parseEther as parseNova } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'

const require = createRequire(import.meta.url)
const artifact = (path: string): { abi: []; bytecode: string } => {
  const json = JSON.parse(readFileSync(require.resolve(path), 'utf8'))
  const bytecode: string = json.bytecode ?? json.evm.bytecode.object
  return { abi: json.abi, bytecode: bytecode.startsWith('0x') ? bytecode : `0x${bytecode}` }
}

let devnet: Devnet
let provider: JsonRpcProvider
let alice: Wallet
let bob: Wallet

beforeAll(async () => {
  devnet = await startDevnet(['--block-time', '200'])
  provider = new JsonRpcProvider(devnet.rpc[0], undefined, { cacheTimeout: -1, staticNetwork: true })
  provider.pollingInterval = 100
  alice = new Wallet(devnet.accounts[1]?.privateKey ?? '', provider)
  bob = new Wallet(devnet.accounts[2]?.privateKey ?? '', provider)
})
afterAll(async () => {
  provider?.destroy()
  expect(await devnet?.stop()).toBe(0)
})

const deploy = async (path: string, args: readonly unknown[] = []): Promise<Contract> => {
  const { abi, bytecode } = artifact(path)
  const contract = await new ContractFactory(abi, bytecode, alice).deploy(...args)
  await contract.waitForDeployment()
  return new Contract(await contract.getAddress(), abi, alice)
}
const call = (contract: Contract, name: string, ...args: unknown[]) => contract.getFunction(name)(...args)
/** Sends, waits, and answers the receipt. */
const send = async (contract: Contract, name: string, ...args: unknown[]) =>
  (await call(contract, name, ...args)).wait()
const token = (supply = parseEther('1000000')) =>
  deploy('@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json', ['Token', 'TOK', supply, alice.address])

test('ethers transfers, and the receipt adds up', async () => {
  const before = await provider.getBalance(alice.address)
  const fresh = Wallet.createRandom().address
  const sent = await alice.sendTransaction({ to: fresh, value: parseEther('1.5') })
  const receipt = await sent.wait()
  expect(receipt?.status).toBe(1)
  expect(receipt?.gasUsed).toBe(21_000n)
  expect(await provider.getBalance(fresh)).toBe(parseEther('1.5'))
  expect(before - (await provider.getBalance(alice.address))).toBe(parseEther('1.5') + (receipt?.fee ?? 0n))
  const block = await provider.getBlock(receipt?.blockNumber ?? 0, true)
  expect(block?.transactions).toContain(sent.hash)
})

test('viem transfers, reads and estimates', async () => {
  const account = privateKeyToAccount(devnet.accounts[3]?.privateKey as `0x${string}`)
  const transport = http(devnet.rpc[0])
  const chain = {
    id: devnet.chainId,
    name: 'NovaChain',
    nativeCurrency: { name: 'NOVA', symbol: 'NOVA', decimals: 18 },
    rpcUrls: { default: { http: [devnet.rpc[0] ?? ''] } },
  }
  const wallet = createWalletClient({ account, chain, transport })
  const client = createPublicClient({ chain, transport, pollingInterval: 100 })
  const to = Wallet.createRandom().address as `0x${string}`
  const hash = await wallet.sendTransaction({ to, value: parseNova('2') })
  const receipt = await client.waitForTransactionReceipt({ hash })
  expect(receipt.status).toBe('success')
  expect(await client.getBalance({ address: to })).toBe(parseNova('2'))
  expect(await client.estimateGas({ account, to, value: 1n })).toBe(21_000n)
  expect((await client.getBlock({ blockTag: 'finalized' })).number).toBeGreaterThanOrEqual(receipt.blockNumber)
})

test('an OpenZeppelin ERC-20: transfer, allowance, logs by topic, and the revert reason', async () => {
  const tok = await token()
  const receipt = await send(tok, 'transfer', bob.address, 5n)
  const logs = await provider.getLogs({
    address: await tok.getAddress(),
    topics: [
      tok.interface.getEvent('Transfer')?.topicHash ?? null,
      null,
      `0x${bob.address.slice(2).padStart(64, '0')}`,
    ],
    fromBlock: 0,
  })
  expect(logs.map((log) => log.transactionHash)).toEqual([receipt.hash])
  await send(tok, 'approve', bob.address, 7n)
  await send(tok.connect(bob) as Contract, 'transferFrom', alice.address, bob.address, 7n)
  expect(await call(tok, 'balanceOf', bob.address)).toBe(12n)
  const more = (tok.connect(bob) as Contract).getFunction('transfer')
  await expect(more.staticCall(alice.address, 13n)).rejects.toMatchObject({
    code: 'CALL_EXCEPTION',
    reason: 'ERC20: transfer amount exceeds balance',
  })
  await expect(more.estimateGas(alice.address, 13n)).rejects.toMatchObject({ code: 'CALL_EXCEPTION' })
})

test('Uniswap v2: pool, liquidity and a swap through the router', async () => {
  const weth = await deploy('@uniswap/v2-periphery/build/WETH9.json')
  const factory = await deploy('@uniswap/v2-core/build/UniswapV2Factory.json', [alice.address])
  const router = await deploy('@uniswap/v2-periphery/build/UniswapV2Router02.json', [
    await factory.getAddress(),
    await weth.getAddress(),
  ])
  const tok = await token()
  await send(tok, 'approve', await router.getAddress(), MaxUint256)
  const late = 2n ** 40n
  const tokAddress = await tok.getAddress()
  await send(router, 'addLiquidityETH', tokAddress, parseEther('1000'), 0, 0, alice.address, late, {
    value: parseEther('10'),
  })
  const path = [await weth.getAddress(), tokAddress]
  const [, out] = await call(router, 'getAmountsOut', parseEther('1'), path)
  await send(router.connect(bob) as Contract, 'swapExactETHForTokens', out, path, bob.address, late, {
    value: parseEther('1'),
  })
  expect(await call(tok, 'balanceOf', bob.address)).toBe(out)
  expect(out).toBe((parseEther('1') * 997n * parseEther('1000')) / (parseEther('10') * 1000n + parseEther('1') * 997n))
})

const MINTER = `
pragma solidity ^0.8.0;
interface IERC20 { function transferFrom(address, address, uint256) external returns (bool); }
interface IPool {
  function mint(address, int24, int24, uint128, bytes calldata) external returns (uint256, uint256);
  function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
  function token0() external view returns (address);
  function token1() external view returns (address);
}
contract Minter {
  function mint(IPool pool, int24 low, int24 high, uint128 amount) external { pool.mint(msg.sender, low, high, amount, abi.encode(msg.sender)); }
  function swap(IPool pool, int256 amount) external { pool.swap(msg.sender, true, amount, 4295128740, abi.encode(msg.sender)); }
  function uniswapV3MintCallback(uint256 a, uint256 b, bytes calldata data) external { pay(a, b, data); }
  function uniswapV3SwapCallback(int256 a, int256 b, bytes calldata data) external { pay(a > 0 ? uint256(a) : 0, b > 0 ? uint256(b) : 0, data); }
  function pay(uint256 a, uint256 b, bytes calldata data) private {
    address from = abi.decode(data, (address));
    if (a > 0) IERC20(IPool(msg.sender).token0()).transferFrom(from, msg.sender, a);
    if (b > 0) IERC20(IPool(msg.sender).token1()).transferFrom(from, msg.sender, b);
  }
}`

test('Uniswap v3: a pool is made, priced, filled and swapped against', async () => {
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'm.sol': { content: MINTER } },
        settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
      }),
    ),
  ).contracts['m.sol'].Minter
  const factory = await deploy('@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json')
  const [one, two] = [await token(), await token()]
  await send(factory, 'createPool', await one.getAddress(), await two.getAddress(), 3_000)
  const poolAt = await call(factory, 'getPool', await one.getAddress(), await two.getAddress(), 3_000)
  const pool = new Contract(
    poolAt,
    artifact('@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json').abi,
    alice,
  )
  await send(pool, 'initialize', 2n ** 96n)
  const minter = new Contract(
    await (await new ContractFactory(output.abi, output.evm.bytecode.object, alice).deploy())
      .waitForDeployment()
      .then((made) => made.getAddress()),
    output.abi,
    alice,
  )
  for (const tok of [one, two]) await send(tok, 'approve', await minter.getAddress(), MaxUint256)
  await send(minter, 'mint', poolAt, -60_000, 60_000, parseEther('1000'))
  expect(await call(pool, 'liquidity')).toBe(parseEther('1000'))
  const receipt = await send(minter, 'swap', poolAt, parseEther('1'))
  const swap = receipt.logs.map((log: never) => pool.interface.parseLog(log)).find((log: never) => log !== null)
  expect(receipt.status).toBe(1)
  expect(swap?.name ?? 'Transfer').toBeDefined()
  expect((await call(pool, 'slot0')).tick).toBeLessThan(0n)
})

test('a Safe: made by its factory, funded, and it pays with the owner’s signature', async () => {
  const base = '@safe-global/safe-contracts/build/artifacts/contracts'
  const singleton = await deploy(`${base}/Safe.sol/Safe.json`)
  const factory = await deploy(`${base}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json`)
  const setup = singleton.interface.encodeFunctionData('setup', [
    [alice.address],
    1,
    ZeroAddress,
    '0x',
    ZeroAddress,
    ZeroAddress,
    0,
    ZeroAddress,
  ])
  const made = await send(factory, 'createProxyWithNonce', await singleton.getAddress(), setup, 7)
  const at: string = made.logs
    .map((log: never) => factory.interface.parseLog(log))
    .find((log: { name: string } | null) => log?.name === 'ProxyCreation').args.proxy
  const salt = keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'uint256'], [keccak256(setup), 7]))
  const initcode = `${await call(factory, 'proxyCreationCode')}${AbiCoder.defaultAbiCoder()
    .encode(['address'], [await singleton.getAddress()])
    .slice(2)}`
  expect(at).toBe(getCreate2Address(await factory.getAddress(), salt, keccak256(initcode)))
  const safe = new Contract(at, singleton.interface as Interface, alice)
  await (await alice.sendTransaction({ to: at, value: parseEther('3') })).wait()
  const payee = Wallet.createRandom().address
  const args = [payee, parseEther('1'), '0x', 0, 0, 0, 0, ZeroAddress, ZeroAddress] as const
  const hash = await call(safe, 'getTransactionHash', ...args, await call(safe, 'nonce'))
  const signature = alice.signingKey.sign(getBytes(hash)).serialized
  await send(safe, 'execTransaction', ...args, signature)
  expect(await provider.getBalance(payee)).toBe(parseEther('1'))
})

test('traces of a swap-like call tree: calls, pre-state, steps, selectors', async () => {
  const weth = await deploy('@uniswap/v2-periphery/build/WETH9.json')
  const receipt = await send(weth, 'deposit', { value: 5n })
  const trace = (options: object) => provider.send('debug_traceTransaction', [receipt.hash, options])
  const call = await trace({ tracer: 'callTracer' })
  expect(call).toMatchObject({
    type: 'CALL',
    from: alice.address.toLowerCase(),
    value: '0x5',
    gasUsed: toBeHex(receipt.gasUsed),
  })
  const { pre, post } = await trace({ tracer: 'prestateTracer', tracerConfig: { diffMode: true } })
  const at = String(weth.target).toLowerCase()
  expect([pre[at].balance, post[at].balance]).toEqual(['0x0', '0x5'])
  const steps = await trace({})
  expect(steps.structLogs.at(-1).op).toMatch(/STOP|RETURN/)
  expect(steps.gas).toBe(Number(receipt.gasUsed))
  expect(await trace({ tracer: '4byteTracer' })).toEqual({ '0xd0e30db0-0': 1 })
  const [flat] = await trace({ tracer: 'flatCallTracer' })
  expect(flat).toMatchObject({ type: 'call', traceAddress: [], subtraces: 0 })
  const block = await provider.send('debug_traceBlockByNumber', [
    toQuantity(receipt.blockNumber),
    { tracer: 'callTracer' },
  ])
  expect(block).toHaveLength(1)
  const request = { from: alice.address, to: at, data: weth.interface.encodeFunctionData('withdraw', [6n]) }
  expect(await provider.send('debug_traceCall', [request, 'latest', { tracer: 'callTracer' }])).toMatchObject({
    error: 'execution reverted',
  })
})

test('a WebSocket subscriber sees heads and its logs', async () => {
  const ws = new WebSocketProvider(devnet.ws[0] ?? '')
  try {
    const tok = await token()
    const seen = new Promise<string>((resolve) => {
      void ws.on({ address: tok.target as string }, (log: { transactionHash: string }) => resolve(log.transactionHash))
    })
    const head = new Promise<number>((resolve) => void ws.once('block', resolve))
    expect(await head).toBeGreaterThan(0)
    const receipt = await send(tok, 'transfer', bob.address, 1n)
    expect(await seen).toBe(receipt.hash)
  } finally {
    await ws.destroy()
  }
})
