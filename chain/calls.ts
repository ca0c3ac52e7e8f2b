// What a worker opens to answer calls: the same store, read at committed heights. The chain's second door, and read only.

import { equalBytes, type Hash } from './base/bytes.ts'
import { assert } from './base/errors.ts'
import type { Kv } from './base/ports.ts'
import { computeGenesisHash } from './chain.ts'
import { runCall } from './exec/call.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { createReferenceEngine } from './exec/reference.ts'
import { nativesAt } from './native/index.ts'
import { openBlockStore } from './store/blocks.ts'
import { createStateStore, openReader } from './store/state.ts'
import { headerHash } from './types/block.ts'
import type { CallAnswer, CallJob } from './types/call.ts'
import type { Genesis } from './types/genesis.ts'

export interface Calls {
  /** Throws CALL_*, TX_* and STORE_*. */
  run(job: CallJob): Promise<CallAnswer>
}

export function openCalls(
  kv: Kv,
  genesis: Genesis,
  options: { readonly genesisHash: Hash; readonly gasCap: bigint },
): Calls {
  const blocks = openBlockStore(kv, options.genesisHash)
  const deps = {
    engine: createReferenceEngine({ chainId: genesis.chainId }),
    chainId: genesis.chainId,
    gasCap: options.gasCap,
    natives: nativesAt,
    reader: (height: number) => openReader(kv, height),
    fees: genesis.fees,
    header: (height: number) => blocks.record(height),
    txs: (height: number) => blocks.txs(height),
    nextBaseFee: (parent: Parameters<typeof nextBaseFee>[0]) => nextBaseFee(parent, genesis.fees),
  }
  return { run: (job) => runCall(deps, job) }
}

/** The engine that runs blocks. */
export const createChainEngine = (genesis: Genesis): Engine => createReferenceEngine({ chainId: genesis.chainId })

/** Reads the whole store: state against its root, blocks by their hashes. Throws STORE_* with the first fault. */
export async function checkStore(
  kv: Kv,
  genesis: Genesis,
): Promise<{
  readonly height: number
  readonly blocks: number
  readonly accounts: number
  readonly slots: number
  readonly codes: number
}> {
  const blocks = openBlockStore(kv, await computeGenesisHash(genesis))
  const states = createStateStore(
    { kv, pause: async () => {} },
    { historyBlocks: null, proofBlocks: null, cacheBytes: 0 },
  )
  const height = blocks.headHeight() ?? 0
  let count = 0
  for (let at = blocks.lowest(); at <= height; at++) {
    const block = blocks.block(at)
    assert(block !== null && blocks.receipts(at) !== null, `block ${at} is stored`)
    assert(equalBytes(headerHash(block.header), block.hash), `block ${at} has its hash`)
    count++
  }
  return { height, blocks: count, ...(await states.check()) }
}
