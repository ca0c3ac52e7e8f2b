// Block hooks for tests: they write a word and a balance, and log as often as they are told; modules are those of every node.
import { asAddress, bigintToFixed, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import type { BlockNatives } from '../../chain/exec/block.ts'
import { nativesAt } from '../../chain/native/index.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { State } from '../../chain/types/state.ts'

/** Whose words they write and in whose name they log: a module's, so that its account exists. */
export const HOOKED = asAddress(hexToBytes('0x0000000000000000000000000000000000000803'))
export const BEGUN = keccak(new TextEncoder().encode('Begun(uint256)'))
export const ENDED = keccak(new TextEncoder().encode('Ended(uint256)'))
export const PAID = asAddress(new Uint8Array(20).fill(0xbe))

/** How often each hook logs at a height. What it logs and writes depends on what the block knows of its parent. */
export const hooksThatLog =
  (count: { begin(height: number): number; end(height: number): number }) =>
  (height: number): BlockNatives => {
    const hook =
      (topic: typeof BEGUN, logs: number, slot: bigint) =>
      (state: State, block: BlockContext): void => {
        const [account, paid] = [state.load(HOOKED), state.load(PAID)]
        const word = BigInt(block.number + (block.lastCommit?.height ?? 0))
        state.setSlot(state.loadSlot(account, slot), word)
        state.setBalance(paid, paid.balance + 1n)
        for (let i = 0; i < logs; i++) state.log({ address: HOOKED, topics: [topic], data: bigintToFixed(word, 32) })
      }
    return {
      table: nativesAt(height).table,
      begin: hook(BEGUN, count.begin(height), 2n ** 200n),
      end: hook(ENDED, count.end(height), 2n ** 200n + 1n),
    }
  }
