// What `resources` stores where. What it holds of a token is that token's to know.
import type { Call, Ctx } from '../kit/module.ts'
import { address, defineLayout, list, map, slot, struct, uint } from '../kit/slots.ts'
import type { abi } from './abi.ts'

const stake = struct({
  token: address,
  /** Seconds. */
  start: uint(64),
  duration: uint(32),
  amount: uint(256),
  /** Set aside for it: what it earns by its end, 0 once that is paid. */
  reward: uint(256),
})

export const layout = defineLayout({
  /** By token. */
  pools: slot(0, map('address', struct({ staked: uint(256), reserved: uint(256) }))),
  /** By owner; never removed, so that a stake keeps its number. */
  stakes: slot(1, map('address', list(stake))),
})

export type ResourcesCtx = Ctx<typeof abi, typeof layout>
export type ResourcesCall = Call<typeof abi, typeof layout>
