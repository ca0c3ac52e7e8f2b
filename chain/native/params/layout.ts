// What `params` stores where.
import { address, bool, bytes, bytes32, defineLayout, list, map, slot, struct, uint } from '../kit/slots.ts'

export const layout = defineLayout({
  epochBlocks: slot(0, uint(64)),
  governance: slot(1, address),
  proposedGovernance: slot(2, address),
  guardian: slot(3, address),
  /** By name. `next` replaces `current` from `fromEpoch` on; 0 where nothing waits. */
  values: slot(4, map('string', struct({ current: uint(256), next: uint(256), fromEpoch: uint(64) }))),
  /** By scope, in seconds. */
  pauses: slot(5, map('string', struct({ since: uint(64), until: uint(64) }))),
  /**
   * One word that each block reads, 0 on a network that began with the newest rules and has changed none. `isPrague`: Osaka is a fork like
   * any other here; else it holds from genesis. The others: 0 is off, 1 an allow list, 2 a block list.
   */
  rules: slot(
    6,
    struct({
      ...{ forkCount: uint(8), isPrague: bool },
      ...{ senders: uint(8), deployers: uint(8), validators: uint(8), peers: uint(8) },
    }),
  ),
  /** By place, 0 to `forkCount` - 1, in no order. Texts are ASCII, left-aligned. */
  forks: slot(7, map('uint', struct({ epoch: uint(64), name: bytes32, version: bytes32 }))),
  /** By list: addresses of 20 bytes, or peer ids as text, in no order. */
  members: slot(8, map('string', list(bytes))),
  /** By list and keccak of the member: its place among `members` + 1, or 0. */
  places: slot(9, map('string', map('bytes32', uint(64)))),
})
