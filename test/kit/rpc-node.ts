// A JSON-RPC server over a real chain of one validator in memory, on a free port. Blocks come when a test asks for them.
import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { createChainEngine, openCalls } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { createFilters } from '../../rpc/filters.ts'
import { type Ctx, LIMITS } from '../../rpc/method.ts'
import { type Route, startRpc } from '../../rpc/server.ts'
import { beforeStart, evidenceOn } from './memory-chain.ts'
import { buildNext, certify } from './sealed.ts'
import { type Seat, setsBy } from './sets.ts'

const bundled = readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8')
const genesisWith = (rules: { readonly epochBlocks?: number }) => {
  const json = JSON.parse(bundled)
  return parseGenesis(JSON.stringify({ ...json, novachain: { ...json.novachain, ...rules } }))
}
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

/** `rolls`: who is in the set of each epoch; one validator where they are not given. `routes`: endpoints beside JSON-RPC. */
export async function startRpcNode(
  choice: {
    readonly epochBlocks?: number
    readonly rolls?: readonly (readonly Seat[])[]
    readonly routes?: ReadonlyMap<string, Route>
  } = {},
): Promise<RpcNode> {
  const { rolls, routes, ...rules } = choice
  const genesis = genesisWith(rules)
  const kv = createMemoryKv()
  const chain = await openChain(
    {
      ...{ kv, engine: createChainEngine(genesis), clock, pause: async () => {}, log: silent, meter },
      ...(rolls && { epochSetOf: setsBy(genesis, rolls) }),
    },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
  const mine = async (): Promise<void> => {
    const block = await buildNext(chain, { intervalMs: 3_000 })
    await chain.commit(block, certify(chain, block))
  }
  const ctx: Ctx = {
    chain,
    calls: openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: LIMITS.callGas }),
    net: { peers: () => 3 },
    self: { peerId: null, addresses: [], validatorKeys: [], signer: () => null },
    consensus: beforeStart(chain),
    evidence: await evidenceOn(chain),
    bridge: { certificate: () => null },
    content: null,
    rollup: null,
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
    routes,
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
