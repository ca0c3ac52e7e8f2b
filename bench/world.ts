// A world for benches of execution: one engine, one sender with money, messages without fees or blocks.
import { type Address, asAddress, asHash, bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { assert } from '../chain/base/errors.ts'
import type { Engine, Outcome } from '../chain/exec/engine.ts'
import { createState } from '../chain/exec/state.ts'
import type { BlockContext } from '../chain/types/frame.ts'
import { createMemoryState } from '../test/kit/memory-state.ts'

export const account = (n: number): Address => asAddress(hexToBytes(`0x${n.toString(16).padStart(40, '0')}`))
const zero = asHash(new Uint8Array(32))
const block: BlockContext = {
  chainId: 1n,
  number: 1,
  time: 1_800_000_000,
  coinbase: account(0xfee),
  gasLimit: 1_000_000_000n,
  baseFeeWei: 7n,
  prevRandao: zero,
  parentBeaconBlockRoot: zero,
  domain: { chainId: 1n, genesisHash: zero },
  ethereum: 'osaka',
  lastCommit: null,
  blockHash: () => zero,
}

export interface World {
  send(to: Address | null, input: Uint8Array, options?: { value?: bigint; gas?: bigint }): Promise<Outcome>
  put(at: Address, code: Uint8Array): void
}
export const ALICE = account(0xa11ce)
export const openWorld = (engine: Engine): World => {
  const state = createState(createMemoryState())
  const natives = new Map()
  state.begin()
  const sender = state.load(ALICE)
  state.setBalance(sender, 10n ** 30n)
  state.end()
  return {
    put(at, code) {
      state.begin()
      state.setCode(state.load(at), code)
      state.end()
    },
    async send(to, input, { value = 0n, gas = 16_000_000n } = {}) {
      state.begin()
      state.setNonce(sender, sender.nonce + 1n)
      state.warmAccount(sender)
      if (to !== null) state.warmAccount(state.load(to))
      const message = { origin: ALICE, caller: ALICE, gasPriceWei: 7n, to, value, input, gas, forbidsCreation: false }
      const outcome = engine.execute(message, state, block, natives)
      const done = outcome instanceof Promise ? await outcome : outcome
      state.end()
      return done
    },
  }
}
export const must = (outcome: Outcome): Outcome => {
  assert(outcome.status === 'success', `it runs: ${outcome.fault ?? bytesToHex(outcome.output)}`)
  return outcome
}

/** Of processor time. */
export const cpuUs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return user + system
}
