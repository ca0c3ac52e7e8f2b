// Wrapped tokens: places for the tokens of other chains, each a resource token's book that governance names when it takes it (`bridge`). Nobody
// mints here but the bridge; until it is taken a place has no name and no supply.
import { z } from 'zod'
import { type Ctx, defineModule, type Module } from '../kit/module.ts'
import { openStore } from '../kit/slots.ts'
import { abi } from './abi.ts'
import { openDirect } from './direct.ts'
import { labels, layout, type TokenCtx } from './layout.ts'
import { WORD_MAX } from './ledger.ts'
import { handlersOf } from './module.ts'

/** Chosen once, with their addresses. */
export const WRAPPED_MAX = 15

export type WrappedModule = Module<typeof abi, typeof layout>
export const wrapped: readonly WrappedModule[] = Array.from({ length: WRAPPED_MAX }, (_, i) =>
  defineModule({
    ...{ name: `wrapped${i + 1}`, scope: 'tokens', abi, layout, direct: openDirect },
    handlers: handlersOf({
      name: ({ words }) => openStore(labels, words).name.get(),
      symbol: ({ words }) => openStore(labels, words).symbol.get(),
      decimals: ({ words }) => openStore(labels, words).decimals.get(),
    }),
    genesis: { schema: z.strictObject({}).prefault({}), seed: () => {} },
  }),
)

/** Takes a place. */
export const nameToken = (
  { store, words }: TokenCtx & Pick<Ctx<typeof abi, typeof layout>, 'words'>,
  label: { readonly name: string; readonly symbol: string; readonly decimals: bigint },
): void => {
  const { name, symbol, decimals } = openStore(labels, words)
  name.set(label.name)
  symbol.set(label.symbol)
  decimals.set(label.decimals)
  store.cap.set(WORD_MAX)
}
