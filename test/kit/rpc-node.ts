// A JSON-RPC server over a real chain of one validator in memory, on a free port. Blocks come when a test asks for them.
import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { asAddress } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { createChainEngine, openCalls } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { headerTimeMs } from '../../chain/types/block.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { bitmapOf, randaoPayload, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'
import { createFilters } from '../../rpc/filters.ts'
import { type Ctx, LIMITS } from '../../rpc/method.ts'
import { startRpc } from '../../rpc/server.ts'
import { devValidatorSecret } from './keys.ts'
import { beforeStart, evidenceOn } from './memory-chain.ts'

const bundled = readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8')
const genesisWith = (rules: { readonly epochBlocks?: number }) => {
  const json = JSON.parse(bundled)
  return parseGenesis(JSON.stringify({ ...json, novachain: { ...json.novachain, ...rules } }))
}
const secret = devValidatorSecret(0)
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}
const clock = { nowMs: () => 1_800_000_000_000 }
export const alice = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')

/** Logs the word 42 under topic 1 while it is created, and leaves no code. */
const LOGGING_INIT_CODE = '0x602a600052600160206000a100'

/** One block of what the pool holds. */
const seal = async (chain: Chain): Promise<void> => {
  const parent = chain.head()
  const height = parent.header.number + 1
  const { genesis } = chain
  const sign = (type: SignType, payload: Uint8Array): Uint8Array =>
    curves().blsSign(secret, signBytes({ chainId: genesis.chainId, genesisHash: chain.genesisHash }, type, payload))
  const block = await chain.build({
    height,
    timeMs: headerTimeMs(parent.header) + 3_000,
    round: 0,
    proposerIndex: 0,
    coinbase: asAddress(new Uint8Array(20).fill(0xcc)),
    lastCommit: chain.commitOf(height - 1),
    reveal: sign(SignType.randao, randaoPayload(height)),
    budgetMs: 1_000,
  })
  await chain.commit(block, {
    type: 'commit',
    height,
    round: 0,
    blockHash: block.hash,
    bitmap: bitmapOf([0], 1),
    signature: sign(SignType.commit, votePayload(height, 0, block.hash)),
  })
}

export interface RpcNode {
  readonly chain: Chain
  readonly url: string
  readonly port: number
  mine(): Promise<void>
  /** Signed by `alice`: a transfer, or the creation of a contract that logs. */
  signed(kind: 'transfer' | 'log', nonce: number): Promise<string>
  /** The body's answer, parsed. */
  post(body: string): Promise<{ readonly status: number; readonly json: unknown }>
  call(method: string, ...params: unknown[]): Promise<RpcReply>
  close(): Promise<void>
}
export interface RpcReply {
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

export async function startRpcNode(rules: { readonly epochBlocks?: number } = {}): Promise<RpcNode> {
  const genesis = genesisWith(rules)
  const kv = createMemoryKv()
  const chain = await openChain(
    { kv, engine: createChainEngine(genesis), clock, pause: async () => {}, log: silent, meter },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  const mine = (): Promise<void> => seal(chain)
  const ctx: Ctx = {
    chain,
    calls: openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: LIMITS.callGas }),
    net: { peers: () => 3 },
    consensus: beforeStart(chain),
    evidence: await evidenceOn(chain),
    dev: {
      async mine(count) {
        for (let i = 0; i < count; i++) await mine()
      },
      increaseTime: (seconds) => seconds,
    },
    version: 'NovaChain/test',
    clock,
    limits: LIMITS,
    filters: createFilters(chain, clock, LIMITS),
  }
  const server = await startRpc(
    ctx,
    { host: '127.0.0.1', port: 0, hosts: [], origins: ['http://good.example'] },
    silent,
  )
  const url = `http://127.0.0.1:${server.port}`
  const post: RpcNode['post'] = async (body) => {
    const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await reply.text()
    return { status: reply.status, json: text === '' ? null : JSON.parse(text) }
  }
  return {
    chain,
    url,
    port: server.port,
    mine,
    post,
    async signed(kind, nonce) {
      const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
      const common = { ...fees, chainId: genesis.chainId, nonce }
      return kind === 'transfer'
        ? alice.signTransaction({ ...common, to: `0x${'ab'.repeat(20)}`, value: 5n, gasLimit: 21_000 })
        : alice.signTransaction({ ...common, data: LOGGING_INIT_CODE, gasLimit: 100_000 })
    },
    async call(method, ...params) {
      const { json } = await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
      return json as RpcReply // the server under test speaks JSON-RPC
    },
    async close() {
      await server.close()
      await chain.close()
    },
  }
}
