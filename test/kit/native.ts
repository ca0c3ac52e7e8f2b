// A world of one state and one engine for tests of native modules: calls as accounts make them, without blocks around them.
import { asAddress, asHash, bigintToFixed, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import type { Outcome } from '../../chain/exec/engine.ts'
import { createState } from '../../chain/exec/state.ts'
import { type NativeRow, openNatives, seedNatives } from '../../chain/native/index.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import type { Log } from '../../chain/types/receipt.ts'
import type { State } from '../../chain/types/state.ts'
import { createTestEngine } from './engine.ts'
import { createMemoryState } from './memory-state.ts'

export const account = (n: number) => asAddress(hexToBytes(`0x${n.toString(16).padStart(40, '0')}`))

export interface Answer extends Outcome {
  readonly logs: readonly Log[]
  readonly gasUsed: bigint
}
export interface World {
  readonly state: State
  readonly block: BlockContext
  /** Moves to another block; what hooks do at the end of this one and at the beginning of that one does not happen. */
  go(block: Partial<BlockContext>): void
  /** Ends this block with its hooks and begins the next, some seconds later. Answers the logs of both. */
  next(seconds?: number, block?: Partial<BlockContext>): readonly Log[]
  send(
    from: number,
    to: Hex | null,
    data: Uint8Array,
    options?: { readonly value?: bigint; readonly gas?: bigint },
  ): Promise<Answer>
}

/** Of every block in such worlds. */
export const blockHashOf = (height: number) => asHash(keccak(bigintToFixed(BigInt(height), 8)))

/** Modules of `rows` seeded from the sections; accounts 1 to 9 are rich. */
export function createWorld(
  rows: readonly NativeRow[],
  modules: Readonly<Record<string, unknown>>,
  genesis: Partial<Genesis> = {},
): World {
  const state = createState(createMemoryState())
  const natives = openNatives(rows)
  const engine = createTestEngine({ chainId: 1n })
  let block: BlockContext = {
    chainId: 1n,
    number: 1,
    time: 1_000_000,
    coinbase: account(0xfee),
    gasLimit: 30_000_000n,
    baseFeeWei: 0n,
    prevRandao: asHash(new Uint8Array(32)),
    parentBeaconBlockRoot: asHash(new Uint8Array(32)),
    domain: { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) },
    ethereum: 'osaka',
    lastCommit: null,
    blockHash: (height) => (height < block.number ? blockHashOf(height) : asHash(new Uint8Array(32))),
  }
  const seeds = {
    ...{ epochBlocks: 10, blockTimeMs: 1_000, time: block.time - 1, mixHash: block.prevRandao, founders: [] },
    validators: { members: [], powerTotal: 0n },
    ...genesis,
    modules,
  }
  state.begin()
  seedNatives(state, seeds as Partial<Genesis> as Genesis, rows) // seeding reads no more of it
  for (let n = 1; n < 10; n++) state.setBalance(state.load(account(n)), 10n ** 24n)
  state.end()
  return {
    state,
    get block() {
      return block
    },
    go(to) {
      block = { ...block, ...to }
    },
    next(seconds = 3, to = {}) {
      state.begin()
      natives(block.number).end(state, block)
      const ended = [...state.end()]
      block = { ...block, number: block.number + 1, time: block.time + seconds, ...to }
      state.begin()
      natives(block.number).begin(state, block)
      return [...ended, ...state.end()]
    },
    async send(from, to, data, { value = 0n, gas = 10_000_000n } = {}) {
      state.begin()
      const caller = account(from)
      const sender = state.load(caller)
      state.setNonce(sender, sender.nonce + 1n)
      const mark = state.checkpoint()
      const message = {
        ...{ origin: caller, caller, gasPriceWei: 0n, value, gas, forbidsCreation: false },
        ...{ to: to === null ? null : asAddress(hexToBytes(to)), input: data },
      }
      const outcome = await engine.execute(message, state, block, natives(block.number).table)
      if (outcome.status !== 'success') state.revert(mark)
      return { ...outcome, gasUsed: gas - outcome.gasLeft, logs: state.end() }
    },
  }
}
