// The poster as a running node has it: its endpoint, its record, its thread and its pace. Owns how often it looks and what ends it.
import { join } from 'node:path'
import { type Address, bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import { openLogFile } from '../../chain/store/kv.ts'
import { accountOf } from '../reporter.ts'
import { createBatchBuilder } from '../workers/batches.ts'
import { createL1 } from './l1.ts'
import { Poster, type PosterOptions, type PosterStatus } from './poster.ts'
import { openRecord } from './record.ts'
import { createSettlement } from './settlement.ts'
import { ChainSource, type ChainSourceDeps } from './source.ts'
import type { Encoding } from './tx-columns.ts'

export interface RollupOptions extends PosterOptions {
  readonly l1Url: string
  readonly settlement: Address
  /** secp256k1, of the account on the L1 that pays. */
  readonly secret: Uint8Array
  readonly encoding: Encoding
  /** The validator whose poster this is; null: of nobody. */
  readonly operator: Address | null
}

export interface RollupService {
  /** `account`: who pays. `stopped`: why it posts no more; null while it does. */
  status(): PosterStatus & { readonly account: Address; readonly settlement: Address; readonly stopped: string | null }
  /** What waits is posted now. */
  hurry(): void
  /** Returns when nothing is written any more. */
  close(): Promise<void>
}

export interface RollupDeps {
  readonly chain: Chain
  readonly certify: ChainSourceDeps['certify']
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** Polygon has a block every two seconds. */
const POLL_MS = 2_000
/** After a turn that failed at the endpoint, so that one that is down is not asked all the time. */
const FAILED_MS = 10_000

/** Throws WAL_*. An endpoint that does not answer is no reason not to start. */
export async function startPoster(deps: RollupDeps, dir: string, options: RollupOptions): Promise<RollupService> {
  const { chain, certify, clock, timers, log, meter } = deps
  const { chainId, encoding, operator } = options
  const account = accountOf(options.secret)
  const settlement = createSettlement(options.settlement)
  const file = await openLogFile(join(dir, RECORD_FILE))
  const sender = { chainId, settlement: options.settlement, account: account.address }
  const recorder = await openRecord(file, sender, log).catch(async (error: unknown) => {
    await file.close()
    throw error
  })
  const builder = createBatchBuilder()
  const source = new ChainSource({ chain, builder, certify }, { encoding, self: operator })
  const l1 = createL1({ url: options.l1Url, chainId })
  const poster = new Poster({ l1, settlement, source, account, recorder, clock, log, meter }, options)
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
    } catch (error) {
      if (isClosed) return // the thread was stopped under it
      stopped = error instanceof NodeError ? error.message : String(error)
      log.error({ reason: stopped }, 'the poster has stopped: the node goes on, batches wait for its next start')
    }
    again(poster.status.waits === 'l1' ? FAILED_MS : POLL_MS)
  }
  again(0)
  log.info({ account: bytesToHex(account.address), encoding }, 'this node posts batches to its settlement contract')
  return {
    status: () => ({ ...poster.status, account: account.address, settlement: options.settlement, stopped }),
    hurry: () => poster.hurry(),
    async close() {
      isClosed = true
      unset()
      await builder.close()
      await turning
      await recorder.close()
    },
  }
}

/** From the node's folder on. */
export const RECORD_FILE = join('rollup', 'poster.wal')
