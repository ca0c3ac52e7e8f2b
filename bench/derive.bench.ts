// A chain made again from a settlement contract's data alone (`sync --from-l1`) beside block sync from a peer: the same blocks into empty folders, over
// real doors: JSON-RPC of anvil with the compiled contracts, and libp2p over loopback. Both are timed from the opening of an empty folder to the last
// block on disk: stores, threads, the L1's log and the greeting of the peer included. Wall time, and CPU time of the process that catches up.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { asAddress, bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { assert } from '../chain/base/errors.ts'
import { rlpInt } from '../chain/base/rlp.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, computeGenesisHash } from '../chain/chain.ts'
import { openDeriver } from '../chain/derive.ts'
import { openKv } from '../chain/store/kv.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import { validatorsHash } from '../chain/types/validators.ts'
import { developmentAccounts } from '../node/development.ts'
import { accountOf } from '../node/reporter.ts'
import { deploy, planDeployment } from '../node/rollup/deploy.ts'
import { deriveAll } from '../node/rollup/derive.ts'
import { createL1, createL1History } from '../node/rollup/l1.ts'
import { Poster } from '../node/rollup/poster.ts'
import { createPostings } from '../node/rollup/postings.ts'
import { openRecord } from '../node/rollup/record.ts'
import { blsCertificates } from '../node/rollup/service.ts'
import { createSettlement } from '../node/rollup/settlement.ts'
import { ChainSource } from '../node/rollup/source.ts'
import { noMeter, silent } from '../node/telemetry.ts'
import { createBatchBuilder } from '../node/workers/batches.ts'
import { createSenderPool } from '../node/workers/senders.ts'
import { ANVIL_CHAIN, ANVIL_SECRETS, type Anvil, startAnvil } from '../test/kit/anvil.ts'
import { Disk } from '../test/kit/disk.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { atHeight, openPeer, startServer } from './peer.ts'
import { createReport } from './report.ts'

installCurves(nativeCurves)
const isSmoke = process.argv.includes('--smoke')
const TRANSFERS = 160
const KINDS = [
  { name: 'empty', blocks: isSmoke ? 200 : 5_000, transfers: 0 },
  { name: `${TRANSFERS} transfers`, blocks: isSmoke ? 70 : 400, transfers: TRANSFERS },
] as const
const RUNS = isSmoke ? 1 : 3
const GWEI = 10n ** 9n
const CHOICE = { validators: 4, epochBlocks: 10_000 }
/** As a node keeps by default (`test/kit/sealed.ts` has the same). */
const KEPT = { historyBlocks: 10_000, proofBlocks: 256, cacheBytes: 64 * 1024 * 1024 }
const senders = developmentAccounts(10).map(({ privateKey }) => accountOf(hexToBytes(privateKey)))

const filled = async (dir: string, blocks: number, transfers: number): Promise<Chain> => {
  const genesis = sealedGenesis(CHOICE)
  const chain = await openSealedChain(genesis, await openKv(join(dir, 'db')), { pause: async () => {} })
  const fees = { chainId: genesis.chainId, gasLimit: 21_000n, maxFeeWei: 10n ** 11n, maxTipWei: GWEI }
  const data = new Uint8Array(0)
  for (let i = 0, nonce = 0; i < blocks && transfers > 0; i++) {
    for (let k = 0; k < transfers / senders.length; k++, nonce++)
      for (const sender of senders) {
        const to = asAddress(keccak(concat(sender.address, rlpInt(nonce))).subarray(12))
        await chain.submit(await sender.sign({ ...fees, nonce: BigInt(nonce), to, data }), 'local')
      }
    await seal(chain, 1)
  }
  if (transfers === 0) await seal(chain, blocks)
  return chain
}

/** All of it, in batches of the size that a poster makes by default; where the contract is. */
async function post(anvil: Anvil, chain: Chain): Promise<string> {
  const [owner, account] = ANVIL_SECRETS.map((secret) => accountOf(hexToBytes(secret)))
  const [first, set] = [chain.block(0), chain.setOf(1)]
  assert(owner !== undefined && account !== undefined && first !== null && set !== null, 'the chain begins')
  const l1 = createL1({ url: anvil.url, chainId: ANVIL_CHAIN })
  const clock = { nowMs: () => headerTimeMs(chain.head().header) }
  const plan = planDeployment({
    ...{ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash, genesisStateRoot: first.header.stateRoot },
    ...{ genesisValidatorsHash: validatorsHash(set), epochBlocks: CHOICE.epochBlocks, verifier: 'bls' },
    ...{ owner: owner.address, delaySeconds: 60, posters: [account.address], guardian: null },
  })
  const fees = { chainId: ANVIL_CHAIN, maxFeeWei: 500n * GWEI, tipWei: GWEI }
  await deploy({ l1, account: owner, clock, pause: () => anvil.mine(), done: () => {} }, plan, fees)
  const address = plan.at(-1)?.address
  assert(address !== undefined, 'the last is the proxy')
  const [builder, settlement] = [createBatchBuilder(), createSettlement(address)]
  const deps = { chain, builder, certificates: { bls: blsCertificates(chain) } }
  const source = new ChainSource(deps, { encoding: 'full', keys: [] })
  const sender = { chainId: ANVIL_CHAIN, settlement: address, account: account.address }
  const recorder = await openRecord(new Disk().open().log, sender, silent)
  const poster = new Poster(
    { l1, settlement, source, account, recorder, clock, log: silent, meter: noMeter },
    {
      ...{ chainId: ANVIL_CHAIN, batchBytes: 100_000, maxAgeMs: 0, holdMs: 3_600_000, turnMs: 0 },
      ...{ holdFeeWei: 500n * GWEI, maxFeeWei: 5_000n * GWEI, tipWei: 30n * GWEI, lowBalanceWei: 0n },
    },
  )
  while (poster.status.final?.height !== chain.head().header.number) {
    await poster.turn()
    await anvil.mine()
  }
  await builder.close()
  return bytesToHex(address)
}

interface Took {
  readonly seconds: number
  /** Until the first blocks were there. */
  readonly firstSeconds: number
  readonly cpuMs: number
}
/** `what` says when it has its first blocks; what it answers is closed off the clock. */
const timed = async (what: (first: () => void) => Promise<() => Promise<void>>): Promise<Took> => {
  const [wall, cpu] = [performance.now(), process.cpuUsage()]
  const since = (): number => (performance.now() - wall) / 1_000
  let firstSeconds = Number.NaN
  const close = await what(() => {
    if (Number.isNaN(firstSeconds)) firstSeconds = since()
  })
  const seconds = since()
  const { user, system } = process.cpuUsage(cpu)
  await close()
  return { seconds, firstSeconds, cpuMs: (user + system) / 1_000 }
}
const middle = (all: readonly Took[], of: (took: Took) => number): number =>
  all.map(of).sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN

/** As the command `sync --from-l1` does it. */
const derived = (dir: string, url: string, settlement: string, height: number): Promise<Took> =>
  timed(async (first) => {
    const genesis = sealedGenesis(CHOICE)
    const threads = createSenderPool(silent)
    const kv = await openKv(join(dir, 'db'), { pause: nextTurn })
    const deps = { kv, engine: createChainEngine(genesis), pause: nextTurn, identify: threads.identify }
    const genesisHash = await computeGenesisHash(genesis)
    const deriver = await openDeriver(deps, genesis, { keep: 'node', genesisHash, ...KEPT })
    const from = { settlement: asAddress(hexToBytes(settlement)), fromBlock: 0 }
    const source = createPostings({ l1: createL1History(url), pause: null }, from)
    const all = { source, deriver, chainId: genesis.chainId, onBatch: first }
    await deriveAll(all, new AbortController().signal)
    assert(deriver.head().header.number === height, 'it makes the chain again')
    return async () => {
      await deriver.close()
      await threads.close()
    }
  })
const synced = (dir: string, address: string, height: number): Promise<Took> =>
  timed(async (first) => {
    const { chain, close } = await openPeer(CHOICE, dir, 2, [address])
    await atHeight(chain, 1)
    first()
    await atHeight(chain, height)
    return close
  })

const root = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const report = createReport('derive')
for (const { name, blocks, transfers } of KINDS) {
  const from = join(root, `from ${transfers}`)
  mkdirSync(from)
  const chain = await filled(from, blocks, transfers)
  const anvil = await startAnvil()
  const settlement = await post(anvil, chain)
  await chain.close()
  const server = await startServer(CHOICE, from)
  const all = { derived: [] as Took[], synced: [] as Took[] }
  for (let i = 0; i < RUNS; i++) {
    all.derived.push(await derived(join(root, `derived ${transfers} ${i}`), anvil.url, settlement, blocks))
    all.synced.push(await synced(join(root, `synced ${transfers} ${i}`), server.address, blocks))
  }
  await server.close()
  await anvil.close()
  const words = { derived: 'from the L1 alone', synced: 'by block sync from a peer' }
  for (const how of ['derived', 'synced'] as const) {
    const rate = middle(all[how], ({ seconds }) => blocks / seconds)
    report.add(`${name}, ${words[how]}`, rate, 'blocks a second', 'more')
    const firstSeconds = middle(all[how], (took) => took.firstSeconds)
    report.add(`${name}, ${words[how]}, until the first are there`, firstSeconds, 's', 'less')
    report.cpu(
      `${name}, ${words[how]}, a block`,
      middle(all[how], ({ cpuMs }) => cpuMs / blocks),
      'ms CPU',
    )
  }
}
await report.end()
rmSync(root, { recursive: true, force: true })
