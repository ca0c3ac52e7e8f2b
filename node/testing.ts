// `novachain/testing`: a network of real validators in the caller's process, for tests of what runs on the chain. Real engine,
// signatures, blocks and JSON-RPC on free ports; peers and disks are in memory, so that it is there at once and leaves nothing behind.
import { asAddress, bytesToHex } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { assert, defineErrors, NodeError } from '../chain/base/errors.ts'
import { createChainEngine, openCalls } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { openWal } from '../chain/store/wal.ts'
import { type Genesis, parseGenesis } from '../chain/types/genesis.ts'
import { createMemoryHub, type MemoryHub } from '../p2p/memory.ts'
import { createFilters } from '../rpc/filters.ts'
import { LIMITS } from '../rpc/method.ts'
import { startRpc } from '../rpc/server.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { type Consensus, startConsensus } from './consensus.ts'
import { type DevelopmentAccount, developmentAccounts, developmentGenesis, developmentSecret } from './development.ts'
import { openSigner } from './signer.ts'
import { Disk, type Life } from './sim/disk.ts'
import { createRandom } from './sim/random.ts'
import { systemClock, systemRandom, systemTimers } from './system.ts'
import { noMeter, silent } from './telemetry.ts'
import { createVerifier } from './verifier.ts'
import { version } from './version.ts'

export const TestingErrors = defineErrors('TESTING', {
  INDEX: {
    text: (d: { index: number; count: number }) => `there is no validator ${d.index}: this network has ${d.count}`,
  },
  ENDED: {
    text: (d: { index: number; reason: string }) =>
      `validator ${d.index} ended while a block was waited for: ${d.reason}`,
  },
})

export interface TestNetworkOptions {
  /** 1 to 64, default 4; less than a third of them may be stopped. */
  readonly validators?: number
  /** Default 200. Times of blocks rise by whole seconds, so shorter ones lead the clock. */
  readonly blockTimeMs?: number
  readonly chainId?: number
}

export interface TestNetwork {
  readonly chainId: number
  readonly genesisHash: string
  /** JSON-RPC over HTTP and, at the same port, WebSocket: one for each validator, null while it is stopped. */
  readonly rpc: readonly (string | null)[]
  /** With 1,000,000 coins each. Anybody knows these keys. */
  readonly accounts: readonly DevelopmentAccount[]
  /** Settles when every running validator has a final block of this height. */
  reached(height: number): Promise<void>
  /** Ends a validator; `start` lets it go on where its disk ended, at another port. */
  stop(index: number): Promise<void>
  start(index: number): Promise<void>
  /** Nothing passes between the two groups until `heal`. */
  partition(groupA: readonly number[], groupB: readonly number[]): void
  heal(): void
  close(): Promise<void>
}

/** Returns when the first block is final everywhere. */
export async function startTestNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  installCurves(nativeCurves)
  const choice = { validators: options.validators ?? 4, blockTimeMs: options.blockTimeMs ?? 200 }
  const genesis = parseGenesis(developmentGenesis(bundledGenesis(), { ...choice, chainId: options.chainId ?? null }))
  const hub = createMemoryHub()
  const disks = Array.from({ length: choice.validators }, (_, i) => new Disk(createRandom(i, 'disk')))
  const up = new Map<number, Running>()
  const start = async (index: number): Promise<void> => {
    const disk = disks[index]
    if (disk === undefined) throw new NodeError(TestingErrors.INDEX, { index, count: disks.length })
    if (!up.has(index)) up.set(index, await run({ index, genesis, hub, disk }))
  }
  const stop = async (index: number): Promise<void> => {
    const running = up.get(index)
    up.delete(index)
    await running?.stop()
  }
  const reached = async (height: number): Promise<void> => {
    await Promise.all([...up].map(([index, { chain, ended }]) => waitFor(chain, height, ended, index)))
  }
  await Promise.all(disks.map((_, i) => start(i)))
  await reached(1)
  const [first] = up.values()
  assert(first !== undefined, 'a network has a validator')
  const ids = (group: readonly number[]): string[] => group.map(String)
  return {
    chainId: Number(genesis.chainId),
    genesisHash: bytesToHex(first.chain.genesisHash),
    get rpc() {
      return disks.map((_, i) => up.get(i)?.url ?? null)
    },
    accounts: developmentAccounts(10),
    ...{ reached, stop, start },
    partition: (groupA, groupB) => hub.cut(ids(groupA), ids(groupB)),
    heal: () => hub.heal(),
    async close() {
      await Promise.all([...up.keys()].map(stop))
    },
  }
}

interface Running {
  readonly chain: Chain
  readonly url: string
  /** Aborts when it stops. */
  readonly ended: AbortSignal
  stop(): Promise<void>
}

const [log, meter] = [silent, noMeter]
const pause = () => new Promise<void>((resolve) => setImmediate(resolve))
const IMMORTAL: Life = { isDead: false, step() {}, after: systemTimers.after }

const run = async (of: {
  readonly index: number
  readonly genesis: Genesis
  readonly hub: MemoryHub
  readonly disk: Disk
}): Promise<Running> => {
  const { index, genesis, hub, disk } = of
  const kv = disk.store(IMMORTAL)
  const ports = { clock: systemClock, pause, log, meter }
  const chain = await openChain({ kv, engine: createChainEngine(genesis), ...ports }, genesis, {
    ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 16_000_000, pool: {} },
  })
  const { genesisHash } = chain
  const domain = { chainId: genesis.chainId, genesisHash }
  const signer = await openSigner(disk.record(IMMORTAL), developmentSecret(index), domain)
  const wal = await openWal(disk.log(IMMORTAL))
  const consensus = await startConsensus(
    {
      ...{
        chain,
        signers: [signer],
        wal,
        ...ports,
        timers: systemTimers,
        random: systemRandom,
        verifier: createVerifier(pause),
      },
      join: async (handlers, announcement) => hub.join(String(index), handlers, await announcement(String(index))),
    },
    { coinbase: asAddress(new Uint8Array(20)), sealing: 'interval', emptyBlocksMs: null },
  )
  const rpc = await startRpc(
    ctxOf(chain, consensus, kv, signer.publicKey),
    { host: '127.0.0.1', port: 0, hosts: [], origins: ['*'] },
    log,
  )
  const end = new AbortController()
  consensus.done.catch((error: unknown) => end.abort(error))
  return {
    ...{ chain, url: `http://127.0.0.1:${rpc.port}`, ended: end.signal },
    async stop() {
      end.abort()
      await rpc.close()
      await consensus.stop()
      await wal.close()
      await chain.close()
    },
  }
}

const ctxOf = (chain: Chain, consensus: Consensus, kv: Parameters<typeof openCalls>[0], key: Uint8Array) => {
  const { genesis, genesisHash } = chain
  return {
    chain,
    calls: openCalls(kv, genesis, { genesisHash, gasCap: LIMITS.callGas }),
    net: { peers: () => consensus.network?.peers().length ?? 0 },
    self: { peerId: consensus.network?.self ?? null, addresses: [], validatorKeys: [key], signer: () => null },
    consensus: { status: () => consensus.engine.status(), isBehind: () => consensus.sync.isSyncing },
    evidence: consensus.evidence,
    bridge: consensus.votes,
    content: null,
    rollup: null,
    dev: genesis.validators.members.length === 1 ? consensus.engine.control : null,
    version: `NovaChain/v${version}/testing`,
    clock: systemClock,
    limits: LIMITS,
    filters: createFilters(chain, systemClock, LIMITS),
  }
}

const waitFor = (chain: Chain, height: number, ended: AbortSignal, index: number): Promise<void> =>
  new Promise((resolve, reject) => {
    if (chain.head().header.number >= height) return resolve()
    const unwatch = chain.watch('head', ({ block }) => {
      if (block.header.number < height) return
      unwatch()
      resolve()
    })
    const fail = (): void => {
      unwatch()
      const { reason } = ended
      reject(new NodeError(TestingErrors.ENDED, { index, reason: String(reason) }, { cause: reason }))
    }
    if (ended.aborted) fail()
    else ended.addEventListener('abort', fail, { once: true })
  })
