// What a resource token stores where. Balances, allowances and supply lie where OpenZeppelin's ERC20 has them, so that whoever guesses
// (`deal` of forge, a verifier elsewhere) guesses right.
import type { Call, Ctx } from '../kit/module.ts'
import { bool, defineLayout, map, slot, string, uint } from '../kit/slots.ts'
import type { abi } from './abi.ts'

export const layout = defineLayout({
  balances: slot(0, map('address', uint(256))),
  /** By owner, then spender. */
  allowances: slot(1, map('address', map('address', uint(256)))),
  totalSupply: slot(2, uint(256)),
  cap: slot(3, uint(256)),
  /** Of the owner's next permit. */
  nonces: slot(4, map('address', uint(256))),
  minters: slot(5, map('address', bool)),
})

/** Beside them, of a wrapped token: what governance called it. */
export const labels = defineLayout({ name: slot(6, string), symbol: slot(7, string), decimals: slot(8, uint(8)) })

export type TokenCtx = Ctx<typeof abi, typeof layout>
export type TokenCall = Call<typeof abi, typeof layout>
