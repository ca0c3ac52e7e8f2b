// THE TABLE of JSON-RPC methods. Dispatch, documents and tests come from it.
import type { Json } from '../chain/types/call.ts'
import { defineMethod, type Method, openRpcOf } from './method.ts'
import { bridgeMethods } from './methods/bridge.ts'
import { contentMethods } from './methods/content.ts'
import { didMethods } from './methods/did.ts'
import { ethBlock } from './methods/eth-block.ts'
import { ethFilter } from './methods/eth-filter.ts'
import { ethNetwork } from './methods/eth-network.ts'
import { ethState } from './methods/eth-state.ts'
import { evidenceMethods } from './methods/evidence.ts'
import { lightMethods } from './methods/light.ts'
import { nodeMethods } from './methods/node.ts'
import { rollupMethods } from './methods/rollup.ts'
import { simulateMethods } from './methods/simulate.ts'
import { traces } from './methods/trace.ts'
import { upgradeMethods } from './methods/upgrades.ts'

const rows: readonly Method[] = [
  ...[...ethBlock, ...ethState, ...ethFilter, ...ethNetwork],
  ...[
    ...simulateMethods,
    ...traces,
    ...nodeMethods,
    ...lightMethods,
    ...evidenceMethods,
    ...didMethods,
    ...contentMethods,
    ...rollupMethods,
    ...bridgeMethods,
    ...upgradeMethods,
  ],
]
const areas = [...new Set(rows.map(({ name }) => name.split('_')[0] ?? ''))]

const modules = defineMethod('rpc_modules', {
  summary: 'The method families this node answers.',
  params: [],
  run: () => Object.fromEntries([...areas, 'rpc'].map((area) => [area, '1.0'])),
})

const discover = defineMethod('rpc_discover', {
  summary: 'Every method of this node as an OpenRPC document.',
  params: [],
  run: () => openRpcOf([...methods.values()]) as unknown as Json, // schemas are plain JSON
})

export const methods: ReadonlyMap<string, Method> = new Map([...rows, modules, discover].map((row) => [row.name, row]))
