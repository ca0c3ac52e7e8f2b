// What `bridge` stores where. `links` is at slot 0 for good: vaults on other chains prove it.
import type { Call, Ctx } from '../kit/module.ts'
import { address, bool, bytes32, defineLayout, list, map, type Struct, slot, struct, uint } from '../kit/slots.ts'
import type { abi } from './abi.ts'

const routeFields = {
  /** The token there. */
  remote: bytes32,
  outstanding: uint(256),
  cap: uint(128),
  limit: uint(128),
  /** Of the limit, used up by second `levelAt`; it is free again, evenly, over a window. */
  level: uint(128),
  levelAt: uint(40),
  known: bool,
  open: bool,
  /** Which token of ours: 0 the coin, then in the order of `BOOKS` (routes.ts). */
  book: uint(8),
} as const

export const layout = defineLayout({
  /** By target and sequence, from 1. */
  links: slot(0, map('uint', map('uint', bytes32))),
  /** By id: `Status`, the other chain, and when it was last changed. */
  transfers: slot(
    1,
    map('bytes32', struct({ status: uint(8), chain: uint(64), sequence: uint(64), changedAt: uint(40) })),
  ),
  /** `settled` is how many that came in are; `era`, how often the numbers began anew with another network. */
  chains: slot(2, map('uint', struct({ vault: address, sent: uint(40), settled: uint(40), era: uint(16) }))),
  /** By source, then era * 2^64 + sequence / 256: a bit for each that is settled, least significant first. */
  settled: slot(3, map('uint', map('uint', uint(256)))),
  /** By chain, then the token here. */
  routes: slot(4, map('uint', map('address', struct(routeFields)))),
  /** By chain, then the token there. */
  locals: slot(5, map('uint', map('bytes32', struct({ token: address, known: bool })))),
  chainIds: slot(6, list(uint(64))),
  /** Places of wrapped tokens that are taken. */
  wrappedTaken: slot(7, uint(8)),
})

export type RoutePlace = Struct<typeof routeFields>
export type BridgeCtx = Ctx<typeof abi, typeof layout>
export type BridgeCall = Call<typeof abi, typeof layout>
