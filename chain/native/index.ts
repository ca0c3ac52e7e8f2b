// THE TABLE of native modules. Owns which module answers at which address from which height. No module is in it yet: the kit
// and `params` come first.

import { NodeError } from '../base/errors.ts'
import type { BlockContext, NativeTable } from '../types/frame.ts'
import { type Genesis, GenesisErrors } from '../types/genesis.ts'
import type { State } from '../types/state.ts'

/** What native modules bring to one height. */
export interface HeightNatives {
  readonly table: NativeTable
  begin(state: State, block: BlockContext): void
  end(state: State, block: BlockContext): void
}

const none: HeightNatives = { table: new Map(), begin: () => {}, end: () => {} }

/** The modules that are active at a height. */
export const nativesAt = (_height: number): HeightNatives => none

/** Writes every module's first state. Throws GENESIS_INVALID for a section that no module knows. */
export function seedNatives(_state: State, genesis: Genesis): void {
  for (const name of Object.keys(genesis.modules))
    throw new NodeError(GenesisErrors.INVALID, { path: `novachain.modules.${name}`, reason: 'there is no such module' })
}
