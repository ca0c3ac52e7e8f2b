// Compiles the interfaces of the native modules and of the contracts on other chains with solc and writes what TypeScript knows of them:
// `abi.ts` beside each module's, `I….abi.ts` beside a contract's. Run by `npm run gen`; with --check it compares and fails where a file is old.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import solc from 'solc'
import { bytesToHex, type Hex } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { assert } from '../chain/base/errors.ts'
import type { Abi, AbiParam, AbiType } from '../chain/native/kit/abi.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** solc's own ABI entries, as far as we read them. */
interface SolcParam {
  readonly name: string
  readonly type: string
  readonly indexed?: boolean
  readonly components?: readonly SolcParam[]
}
interface SolcEntry {
  readonly type: 'function' | 'event' | 'error' | 'constructor' | 'receive' | 'fallback'
  readonly name: string
  readonly inputs: readonly SolcParam[]
  readonly outputs?: readonly SolcParam[]
  readonly stateMutability?: 'view' | 'pure' | 'nonpayable' | 'payable'
}

export interface Compiled {
  readonly abi: readonly SolcEntry[]
  /** Without 0x; empty for an interface. */
  readonly bytecode: string
  readonly storage: readonly Placed[]
  /** Members of each struct that is stored, by its name. */
  readonly structs: Readonly<Record<string, readonly Placed[]>>
}
/** Where solc puts a variable: slot, and bytes from its right end. */
interface Placed {
  readonly label: string
  readonly slot: string
  readonly offset: number
}

/** What a source imports, out of the packages it names. */
const imported = (path: string): { contents: string } | { error: string } =>
  path.startsWith('@')
    ? { contents: readFileSync(`${root}/node_modules/${path}`, 'utf8') }
    : { error: 'only packages are imported' }

/** Contracts of one source by name. A warning is an error too, where it is not about what is imported. */
export function compile(path: string, source: string): Readonly<Record<string, Compiled>> {
  const selection = ['abi', 'evm.bytecode.object', 'storageLayout']
  const input = {
    language: 'Solidity',
    sources: { [path]: { content: source } },
    settings: { evmVersion: 'osaka', optimizer: { enabled: true }, outputSelection: { '*': { '*': selection } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }))
  type Fault = { formattedMessage: string; severity: string; sourceLocation?: { file: string } }
  const faults = (output.errors ?? [])
    .filter(({ severity, sourceLocation }: Fault) => severity === 'error' || sourceLocation?.file === path)
    .map(({ formattedMessage }: Fault) => formattedMessage)
  assert(faults.length === 0, `${path} compiles:\n${faults.join('\n')}`)
  return Object.fromEntries(
    Object.entries(output.contracts[path]).map(([name, made]) => {
      const { abi, evm, storageLayout } = made as {
        abi: SolcEntry[]
        evm: { bytecode: { object: string } }
        storageLayout?: { storage: Placed[]; types: Record<string, { label: string; members?: Placed[] }> | null }
      }
      const structs = Object.values(storageLayout?.types ?? {}).flatMap(({ label, members }) =>
        members === undefined ? [] : [[label.replace(/^struct .*\./, ''), members]],
      )
      const [bytecode, storage] = [evm.bytecode.object, storageLayout?.storage ?? []]
      return [name, { abi, bytecode, storage, structs: Object.fromEntries(structs) }]
    }),
  )
}

const canonical = ({ type, components }: SolcParam): string =>
  type.startsWith('tuple') ? `(${(components ?? []).map(canonical).join(',')})${type.slice(5)}` : type
const typeOf = (param: SolcParam): AbiType => {
  const listed = /^(.*)\[\]$/.exec(param.type)
  if (listed?.[1] !== undefined) return { list: typeOf({ ...param, type: listed[1] }) }
  assert(!param.type.includes('['), `no arrays of a fixed size in interfaces: ${param.name}`)
  return param.type === 'tuple' ? { tuple: (param.components ?? []).map(paramOf) } : param.type
}
const paramOf = (param: SolcParam): AbiParam => [param.name, typeOf(param)]
const signatureOf = (entry: SolcEntry): string => `${entry.name}(${entry.inputs.map(canonical).join(',')})`
const keccakHex = (text: string): Hex => bytesToHex(keccak(new TextEncoder().encode(text)))
const humanParams = (params: readonly SolcParam[]): string =>
  params
    .map((param) => [canonical(param), ...(param.indexed ? ['indexed'] : []), param.name].filter(Boolean).join(' '))
    .join(', ')
const sourceOf = (entry: SolcEntry): string => {
  const mutability = entry.stateMutability ?? 'nonpayable'
  const outputs = entry.outputs ?? []
  return [
    `${entry.type} ${entry.name}(${humanParams(entry.inputs)})`,
    ...(mutability === 'nonpayable' ? [] : [mutability]),
    ...(outputs.length === 0 ? [] : [`returns (${humanParams(outputs)})`]),
  ].join(' ')
}

/** What the kit needs of an interface. Refuses overloads and whatever the kit's codec does not know. */
export function abiOf(entries: readonly SolcEntry[]): Abi {
  const out = { functions: {}, events: {}, errors: {} } as {
    -readonly [K in keyof Abi]: { -readonly [N in keyof Abi[K]]: Abi[K][N] }
  }
  for (const entry of entries) {
    const source = sourceOf(entry)
    const digest = keccakHex(signatureOf(entry))
    const selector = digest.slice(0, 10) as Hex // 0x and four bytes
    const inputs = entry.inputs.map(paramOf)
    const isTaken = [out.functions, out.events, out.errors].some((group) => entry.name in group)
    assert(!isTaken, `one meaning for each name: ${entry.name}`)
    if (entry.type === 'function')
      out.functions[entry.name] = {
        selector,
        source,
        mutability: entry.stateMutability ?? 'nonpayable',
        inputs,
        outputs: (entry.outputs ?? []).map(paramOf),
      }
    else if (entry.type === 'error') out.errors[entry.name] = { selector, source, inputs }
    else if (entry.type === 'event') {
      const [indexed, plain] = [true, false].map((flag) => entry.inputs.filter((p) => p.indexed === flag).map(paramOf))
      assert(indexed?.every(([, type]) => typeof type === 'string' && !/^(bytes|string)$/.test(type)) === true, source)
      out.events[entry.name] = { topic: digest, source, indexed: indexed ?? [], plain: plain ?? [] }
    }
  }
  return out
}

const render = (path: string, abi: Abi, kit: string): string => {
  const text = JSON.stringify(abi, null, 2).replace(/\[\s+"(\w+)",\s+"([\w]+)"\s+\]/g, '["$1", "$2"]')
  return [
    `// Generated from ${path.split('/').at(-1)} by \`npm run gen\`. Do not edit.`,
    `import type { Abi } from '${kit}/abi.ts'`,
    '',
    `export const abi = ${text} as const satisfies Abi`,
    '',
  ].join('\n')
}

const [MODULES, CONTRACTS] = ['chain/native/*/I*.sol', 'contracts/{settlement,bridge}/I*.sol'] as const
/** What is generated, by its path. */
function* generated(): Generator<readonly [path: string, text: string]> {
  for (const pattern of [MODULES, CONTRACTS])
    for (const path of globSync(pattern, { cwd: root }).sort()) {
      const [contract] = Object.values(compile(path, readFileSync(`${root}/${path}`, 'utf8')))
      assert(contract !== undefined, `${path} holds an interface`)
      const abi = abiOf(contract.abi)
      yield pattern === MODULES
        ? [`${path.slice(0, path.lastIndexOf('/'))}/abi.ts`, render(path, abi, '../kit')]
        : [path.replace(/sol$/, 'abi.ts'), render(path, abi, '../../chain/native/kit')]
    }
}

if (import.meta.main)
  for (const [path, text] of generated()) {
    if (!process.argv.includes('--check')) writeFileSync(`${root}/${path}`, text)
    else if (!existsSync(`${root}/${path}`) || readFileSync(`${root}/${path}`, 'utf8') !== text) {
      console.error(`${path} is old: run npm run gen`)
      process.exitCode = 1
    }
  }
