// A network moves, as its operators would do it: four validators stop, each makes the genesis of the next network from its own folder, all compare
// the hash, four new folders begin with the same keys, and blocks go on with the balances and the contract that there were.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Wallet } from 'ethers'
import { afterAll, expect, test } from 'vitest'
import { setInFile } from '../../node/config.ts'
import { request } from '../../rpc/client/http.ts'
import { main, novachain } from '../kit/commands.ts'
import { freePort, startDevnet } from '../kit/devnet.ts'

const VALIDATORS = 4
const CHAIN_ID = 7_007
const home = mkdtempSync(join(tmpdir(), 'novachain-carry-'))
const nodes: ChildProcess[] = []
afterAll(async () => {
  await Promise.all(nodes.map(stop))
  rmSync(home, { recursive: true, force: true })
})

const stop = async (node: ChildProcess): Promise<void> => {
  if (node.exitCode !== null) return
  node.kill('SIGTERM')
  await once(node, 'exit')
}
const start = async (dir: string, port: number, peers: readonly number[]): Promise<string> => {
  const addressOf = (of: number): string => `/ip4/127.0.0.1/tcp/${of}`
  const ports = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', addressOf(port)]
  const others = ['--p2p-persistent', peers.map(addressOf).join(',')]
  const node = spawn(
    process.execPath,
    [main, 'start', '--dir', dir, ...ports, ...others, '--log-level', 'warn', '--json'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  nodes.push(node)
  let said = ''
  node.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-5_000)
  })
  const line = await Promise.race([
    once(createInterface({ input: node.stdout as never }), 'line').then(([text]) => String(text)),
    once(node, 'exit').then(([code]) => Promise.reject(new Error(`${dir} ended with ${code}:\n${said}`))),
  ])
  return JSON.parse(line).rpc
}

/** Stores 42 in its slot 0 when it is made, and answers it when it is called. */
const INIT = `0x602a600055${'600b6011600039600b6000f3'}${'60005460005260206000f3'}`
const send = async (
  rpc: string,
  wallet: Wallet,
  chainId: number,
  tx: { to?: string; data?: string; value?: bigint },
) => {
  const nonce = Number(await request(rpc, 'eth_getTransactionCount', [wallet.address, 'pending']))
  const fees = { type: 2, maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 1n, gasLimit: 300_000n }
  const hash = await request(rpc, 'eth_sendRawTransaction', [
    await wallet.signTransaction({ chainId, nonce, ...fees, ...tx }),
  ])
  for (;;) {
    const receipt = (await request(rpc, 'eth_getTransactionReceipt', [hash])) as {
      readonly status: string
      readonly contractAddress: string | null
    } | null
    if (receipt !== null) return receipt
    await delay(50)
  }
}
const heightOf = async (rpc: string): Promise<number> => Number(await request(rpc, 'eth_blockNumber', []))

test('four validators stop, make the genesis of the next network, and go on there with the same keys', async () => {
  const devnet = await startDevnet(
    ['--validators', String(VALIDATORS), '--block-time', '1000', '--log-level', 'error'],
    {
      dir: join(home, 'old'),
    },
  )
  const [rpc = ''] = devnet.rpc
  const wallet = new Wallet(devnet.accounts[5]?.privateKey ?? '')
  const { contractAddress: contract } = await send(rpc, wallet, devnet.chainId, { data: INIT })
  expect(await request(rpc, 'eth_call', [{ to: contract }, 'latest'])).toBe(`0x${42n.toString(16).padStart(64, '0')}`)
  expect((await send(rpc, wallet, devnet.chainId, { to: `0x${'77'.repeat(20)}`, value: 12_345n })).status).toBe('0x1')
  const balance = await request(rpc, 'eth_getBalance', [wallet.address, 'latest'])
  const height = await heightOf(rpc)
  while ((await Promise.all(devnet.rpc.map(heightOf))).some((at) => at < height)) await delay(50)
  expect(await devnet.stop({ keep: true })).toBe(0)

  const wish = [
    '--chain-id',
    String(CHAIN_ID),
    '--genesis-time',
    String(Math.floor(Date.now() / 1_000) + 1),
    '--height',
    String(height),
  ]
  const made = await Promise.all(
    Array.from({ length: VALIDATORS }, (_, i) =>
      novachain([
        'export',
        'genesis',
        '--out',
        join(home, `next-${i}.json`),
        ...wish,
        '--dir',
        join(devnet.dir, `node-${i}`),
      ]),
    ),
  )
  expect(made.map(({ code }) => code)).toEqual([0, 0, 0, 0])
  const hashes = new Set(made.map(({ json }) => json.genesisHash))
  expect(hashes.size).toBe(1)
  const [hash] = [...hashes]

  const ports = await Promise.all(Array.from({ length: VALIDATORS }, freePort))
  const rpcs = await Promise.all(
    ports.map(async (port, i) => {
      const dir = join(home, `new-${i}`)
      const init = ['init', dir, '--genesis', join(home, `next-${i}.json`), '--genesis-hash', hash]
      expect(await novachain(init)).toMatchObject({ code: 0 })
      setInFile(join(dir, 'config.toml'), 'validator.developmentIndex', String(i))
      return start(
        dir,
        port,
        ports.filter((other) => other !== port),
      )
    }),
  )
  while ((await Promise.all(rpcs.map(heightOf))).some((at) => at < 5)) await delay(50)
  const [next = ''] = rpcs
  expect(Number(await request(next, 'eth_chainId', []))).toBe(CHAIN_ID)
  expect(await request(next, 'eth_getBalance', [wallet.address, 'latest'])).toBe(balance)
  expect(await request(next, 'eth_call', [{ to: contract }, 'latest'])).toBe(`0x${42n.toString(16).padStart(64, '0')}`)
  expect((await send(next, wallet, CHAIN_ID, { to: `0x${'77'.repeat(20)}`, value: 1n })).status).toBe('0x1')
  expect(Number(await request(next, 'eth_getBalance', [`0x${'77'.repeat(20)}`, 'latest']))).toBe(12_346)
  // A transaction of the network that ended is none here.
  const old = await wallet.signTransaction({
    chainId: devnet.chainId,
    nonce: 3,
    type: 2,
    gasLimit: 21_000n,
    maxFeePerGas: 10n ** 11n,
    to: wallet.address,
  })
  await expect(request(next, 'eth_sendRawTransaction', [old])).rejects.toMatchObject({ code: expect.any(String) })
  expect(JSON.parse(readFileSync(join(home, 'next-0.json'), 'utf8')).novachain.carried.height).toBe(height)
})
