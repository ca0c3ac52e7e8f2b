// What a worker opens to answer calls: the same store, read at committed heights. The chain's second door, and read only.

import type { Hash } from './base/bytes.ts'
import type { Kv } from './base/ports.ts'
import { runCall } from './exec/call.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { createReferenceEngine } from './exec/reference.ts'
import { nativesAt } from './native/index.ts'
import { openBlockStore } from './store/blocks.ts'
import { openReader } from './store/state.ts'
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
    header: (height: number) => blocks.record(height),
    nextBaseFee: (parent: Parameters<typeof nextBaseFee>[0]) => nextBaseFee(parent, genesis.fees),
  }
  return { run: (job) => runCall(deps, job) }
}

/** The engine that runs blocks. */
export const createChainEngine = (genesis: Genesis): Engine => createReferenceEngine({ chainId: genesis.chainId })
