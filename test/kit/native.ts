// A world of one state and one engine for tests of native modules: calls as accounts make them, without blocks around them.
import { asAddress, asHash, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import type { Outcome } from '../../chain/exec/engine.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { createState } from '../../chain/exec/state.ts'
import { type NativeRow, openNatives, seedNatives } from '../../chain/native/index.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import type { Log } from '../../chain/types/receipt.ts'
import type { State } from '../../chain/types/state.ts'
import { createMemoryState } from './memory-state.ts'

export const account = (n: number) => asAddress(hexToBytes(`0x${n.toString(16).padStart(40, '0')}`))

export interface Answer extends Outcome {
  readonly logs: readonly Log[]
  readonly gasUsed: bigint
}
export interface World {
  readonly state: State
  /** Moves to another block. */
  go(block: { readonly number?: number; readonly time?: number }): void
  send(
    from: number,
    to: Hex | null,
    data: Uint8Array,
    options?: { readonly value?: bigint; readonly gas?: bigint },
  ): Promise<Answer>
}

/** Modules of `rows` seeded from the sections; accounts 1 to 9 are rich. */
export function createWorld(
  rows: readonly NativeRow[],
  modules: Readonly<Record<string, unknown>>,
  genesis: Partial<Genesis> = {},
): World {
  const state = createState(createMemoryState())
  const natives = openNatives(rows)
  const engine = createReferenceEngine({ chainId: 1n })
  let block: BlockContext = {
    chainId: 1n,
    number: 1,
    time: 1_000_000,
    coinbase: account(0xfee),
    gasLimit: 30_000_000n,
    baseFeeWei: 0n,
    prevRandao: asHash(new Uint8Array(32)),
    parentBeaconBlockRoot: asHash(new Uint8Array(32)),
    blockHash: () => asHash(new Uint8Array(32)),
  }
  state.begin()
  seedNatives(state, { epochBlocks: 10, ...genesis, modules } as Genesis, rows) // seeding reads no more of it
  for (let n = 1; n < 10; n++) state.setBalance(state.load(account(n)), 10n ** 24n)
  state.end()
  return {
    state,
    go(to) {
      block = { ...block, ...to }
    },
    async send(from, to, data, { value = 0n, gas = 10_000_000n } = {}) {
      state.begin()
      const caller = account(from)
      const sender = state.load(caller)
      state.setNonce(sender, sender.nonce + 1n)
      const mark = state.checkpoint()
      const message = {
        ...{ origin: caller, caller, gasPriceWei: 0n, value, gas },
        ...{ to: to === null ? null : asAddress(hexToBytes(to)), input: data },
      }
      const outcome = await engine.execute(message, state, block, natives(block.number).table)
      if (outcome.status !== 'success') state.revert(mark)
      return { ...outcome, gasUsed: gas - outcome.gasLeft, logs: state.end() }
    },
  }
}
