// What `slashing` stores where. A seat is what one validator's missed blocks are counted at, as long as it is in the set without a
// break; its number is free again when the window has passed it.
import { address, bool, bytes, defineLayout, list, map, slot, struct, uint } from '../kit/slots.ts'

export const layout = defineLayout({
  /** The first two are fixed at genesis; the others change with an epoch. Heights from `since` on count. */
  rules: slot(
    0,
    struct({ intervalMs: uint(32), epochBlocks: uint(32), window: uint(64), since: uint(64), missedMax: uint(64) }),
  ),
  /** `seat` is counted from 1, 0 for who is not counted; `since` is 0 with it. */
  operators: slot(1, map('address', struct({ seat: uint(32), since: uint(64), jailedUntil: uint(64) }))),
  /** By seat: missed blocks of the window. */
  missed: slot(2, list(uint(16))),
  /** By seat: who has it, or had it last. */
  holders: slot(3, list(address)),
  /** Seats of the members of the running epoch by place in the set, counted from 1, 0 for who is not counted. */
  places: slot(4, list(uint(16))),
  /** By height modulo the window: who missed it, by seat, least significant bit first, no longer than it must be. */
  absent: slot(5, map('uint', bytes)),
  /** Seats that were left, in order, and from which height they are free; those before `nextFree` are taken again. */
  retired: slot(6, list(struct({ seat: uint(32), from: uint(64) }))),
  nextFree: slot(7, uint(64)),
  /** By operator, then height * 2^32 + round: two TIMEOUTs that were punished. */
  timeouts: slot(8, map('address', map('uint', bool))),
})
