// The poster as a running node has it: its endpoint, its record, its thread and its pace. Owns how often it looks and what ends it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { mulDivUp } from '../../chain/base/math.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import { openLogFile } from '../../chain/store/kv.ts'
import type { Json } from '../../chain/types/call.ts'
import { encodeBlsCertificate } from '../../chain/types/checkpoint.ts'
import { accountOf } from '../reporter.ts'
import { createBatchBuilder } from '../workers/batches.ts'
import type { Prices } from './costs.ts'
import { createL1 } from './l1.ts'
import type { Operators } from './operators.ts'
import { Poster, type PosterOptions, type PosterStatus } from './poster.ts'
import { type BatchFacts, openRecord, type Paid, postedHeight } from './record.ts'
import { createSettlement, type Position } from './settlement.ts'
import { ChainSource, type ChainSourceDeps, type ChainSourceOptions } from './source.ts'

export interface RollupOptions extends PosterOptions, ChainSourceOptions, Pick<Prices, 'coinDollars' | 'profile'> {
  readonly l1Url: string
  readonly settlement: Address
  /** secp256k1, of the account on the L1 that pays. */
  readonly secret: Uint8Array
}

export interface RollupService {
  /** As JSON-RPC shows it. `stopped`: why it posts no more; null while it does. */
  status(): Json
  /** What waits is posted now. */
  hurry(): void
  /** Returns when nothing is written any more. */
  close(): Promise<void>
}

export interface RollupDeps {
  readonly chain: Chain
  /** null: nobody's words are gathered. */
  readonly operators: Pick<Operators, 'isAble' | 'certify'> | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** Polygon has a block every two seconds. What is on its way is looked at more often: bridges wait for it. */
const POLL_MS = 2_000
const SENT_MS = 1_000
/** After a turn that failed at the endpoint, so that one that is down is not asked all the time. */
const FAILED_MS = 10_000

/** Throws WAL_*. An endpoint that does not answer is no reason not to start. */
export async function startPoster(deps: RollupDeps, dir: string, options: RollupOptions): Promise<RollupService> {
  const { chain, clock, timers, log, meter } = deps
  const { chainId, encoding } = options
  const account = accountOf(options.secret)
  const settlement = createSettlement(options.settlement)
  const file = await openLogFile(join(dir, RECORD_FILE))
  const sender = { chainId, settlement: options.settlement, account: account.address }
  const recorder = await openRecord(file, sender, log).catch(async (error: unknown) => {
    await file.close()
    throw error
  })
  const builder = createBatchBuilder()
  const source = new ChainSource({ chain, builder, certificates: certificatesOf(deps) }, options)
  const stop = new AbortController()
  const l1 = createL1({ url: options.l1Url, chainId, signal: stop.signal })
  const poster = new Poster({ l1, settlement, source, account, recorder, clock, log, meter }, options)
  // Messages are proven under the checkpoint that is final: its state stays until the next one is. Until that is known, all of it.
  chain.keepFrom(0)
  let [isClosed, stopped, unset] = [false, null as string | null, (): void => {}]
  let turning: Promise<void> = Promise.resolve()
  const again = (ms: number): void => {
    if (isClosed || stopped !== null) return
    unset = timers.after(ms, () => {
      turning = turn()
    })
  }
  const turn = async (): Promise<void> => {
    try {
      await poster.turn()
      chain.keepFrom(poster.status.final?.height ?? 0)
    } catch (error) {
      if (isClosed) return // the thread was stopped under it
      stopped = error instanceof NodeError ? error.message : String(error)
      log.error({ reason: stopped }, 'the poster has stopped: the node goes on, batches wait for its next start')
    }
    const { waits } = poster.status
    again(waits === 'l1' ? FAILED_MS : waits === 'inclusion' || waits === 'finality' ? SENT_MS : POLL_MS)
  }
  again(0)
  log.info({ account: bytesToHex(account.address), encoding }, 'this node posts batches to its settlement contract')
  return {
    status: () => ({
      ...{ account: bytesToHex(account.address), settlement: bytesToHex(settlement.address), stopped },
      ...{ chainId: quantity(chainId), tip: quantity(options.tipWei) },
      ...{ coinDollars: options.coinDollars, gasProfile: options.profile },
      ...statusToJson(poster.status),
    }),
    hurry: () => poster.hurry(),
    async close() {
      isClosed = true
      unset()
      stop.abort()
      await builder.close()
      await turning
      await recorder.close()
    },
  }
}

const quantity = (value: bigint | number): string => `0x${value.toString(16)}`
const orNull = <T>(value: T | null, show: (value: T) => Json): Json => (value === null ? null : show(value))

const statusToJson = (status: PosterStatus) => ({
  waitsFor: status.waits,
  latest: orNull(status.latest, positionToJson),
  finalized: orNull(status.final, positionToJson),
  balance: orNull(status.balanceWei, quantity),
  lacking: quantity(status.gaps),
  baseFee: orNull(status.baseFeeWei, quantity),
  underway: orNull(status.underway, ({ seq, part, others, state, nonce, facts, attempts }) => ({
    ...{ seq: quantity(seq), part: quantity(part + 1), parts: quantity(others.length + 1) },
    ...{ state, nonce: quantity(nonce), ...factsToJson(facts) },
    attempts: attempts.map(({ hash, maxFeeWei, maxTipWei }) => ({
      ...{ transactionHash: bytesToHex(hash), maxFeePerGas: quantity(maxFeeWei) },
      maxPriorityFeePerGas: quantity(maxTipWei),
    })),
  })),
  posted: orNull(status.posted, ({ seq, facts, parts, paid }) => ({
    ...{ seq: quantity(seq), parts: quantity(parts), ...factsToJson(facts) },
    ...{ transactionHashes: paid.map(({ tx }) => bytesToHex(tx)), ...paidToJson(paid) },
  })),
})
/** Of all transactions that brought a batch; what a unit of gas cost is their mean, rounded up. */
const paidToJson = (paid: readonly Paid[]) => {
  const gasUsed = paid.reduce((sum, each) => sum + each.gasUsed, 0n)
  const paidWei = paid.reduce((sum, each) => sum + each.gasUsed * each.gasPriceWei, 0n)
  const callBytes = paid.reduce((sum, each) => sum + each.callBytes, 0)
  return {
    ...{ callBytes: quantity(callBytes), gasUsed: quantity(gasUsed), paid: quantity(paidWei) },
    gasPrice: quantity(mulDivUp(paidWei, 1n, gasUsed)),
  }
}
const positionToJson = ({ seq, height, blockHash }: Position): Json => ({
  ...{ seq: quantity(seq), height: quantity(height), blockHash: bytesToHex(blockHash) },
})
const factsToJson = (facts: BatchFacts) => ({
  ...{ firstHeight: quantity(facts.firstHeight), lastHeight: quantity(facts.lastHeight) },
  ...{ transactions: quantity(facts.transactions), emptyBlocks: quantity(facts.emptyBlocks) },
  ...{ bytes: quantity(facts.sizeBytes), blockBytes: quantity(facts.blockBytes), oldestMs: quantity(facts.oldestMs) },
})

const certificatesOf = ({ chain, operators }: RollupDeps): ChainSourceDeps['certificates'] => ({
  bls: blsCertificates(chain),
  ...(operators?.isAble === true && { ecdsa: (height: number) => operators.certify(height) }),
})
/** The commit that made a block final says all that the verifier of consensus keys asks. */
export const blsCertificates =
  (chain: Pick<Chain, 'commitOf' | 'setOf'>): ((height: number) => Promise<Uint8Array | null>) =>
  async (height) => {
    const [commit, set] = [chain.commitOf(height), chain.setOf(height)]
    return commit === null || set === null ? null : encodeBlsCertificate(commit, set)
  }

/** From the node's folder on. */
const RECORD_FILE = join('rollup', 'poster.wal')

/** The last height that a stopped node's poster saw final on the L1; 0 where it posted nothing, or its record says no more. */
export async function settledByPoster(dir: string): Promise<number> {
  const path = join(dir, RECORD_FILE)
  return existsSync(path) ? postedHeight(await openLogFile(path)) : 0
}
