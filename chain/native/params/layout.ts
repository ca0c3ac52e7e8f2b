// What `params` stores where.
import { address, defineLayout, map, slot, struct, uint } from '../kit/slots.ts'

export const layout = defineLayout({
  epochBlocks: slot(0, uint(64)),
  governance: slot(1, address),
  proposedGovernance: slot(2, address),
  guardian: slot(3, address),
  /** By name. `next` replaces `current` from `fromEpoch` on; 0 where nothing waits. */
  values: slot(4, map('string', struct({ current: uint(256), next: uint(256), fromEpoch: uint(64) }))),
  /** By scope, in seconds. */
  pauses: slot(5, map('string', struct({ since: uint(64), until: uint(64) }))),
})
