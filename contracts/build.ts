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
  readonly type: string
}

/** What a source imports, out of the packages it names, and from beside it where it is one of ours. */
const imported = (path: string): { contents: string } | { error: string } =>
  /^@|^contracts\//.test(path)
    ? { contents: readFileSync(path.startsWith('@') ? `${root}/node_modules/${path}` : `${root}/${path}`, 'utf8') }
    : { error: 'only packages and contracts are imported' }

interface SolcContract {
  readonly abi: readonly SolcEntry[]
  readonly evm: { readonly bytecode: { readonly object: string } }
  readonly storageLayout?: {
    readonly storage: readonly Placed[]
    readonly types: Readonly<Record<string, { readonly label: string; readonly members?: readonly Placed[] }>> | null
  }
}

/** Contracts of the sources that are given, by path and name. A warning is an error too, where it is not about what is imported. */
function compileAll(sources: Readonly<Record<string, string>>): Readonly<Record<string, Record<string, Compiled>>> {
  const selection = ['abi', 'evm.bytecode.object', 'storageLayout']
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: {
      evmVersion: 'osaka',
      optimizer: { enabled: true },
      // Without the hash of the metadata: a comment does not make another contract.
      metadata: { bytecodeHash: 'none' },
      outputSelection: Object.fromEntries(Object.keys(sources).map((path) => [path, { '*': selection }])),
    },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }))
  type Fault = { formattedMessage: string; severity: string; sourceLocation?: { file: string } }
  const faults = (output.errors ?? [])
    .filter(({ severity, sourceLocation }: Fault) => severity === 'error' || !sourceLocation?.file.startsWith('@'))
    .map(({ formattedMessage }: Fault) => formattedMessage)
  assert(faults.length === 0, `the contracts compile:\n${faults.join('\n')}`)
  const contracts = output.contracts as Record<string, Record<string, SolcContract>> // as the selection asks
  return Object.fromEntries(
    Object.keys(sources).map((path) => [
      path,
      Object.fromEntries(Object.entries(contracts[path] ?? {}).map(([name, made]) => [name, compiledFrom(made)])),
    ]),
  )
}

const compiledFrom = ({ abi, evm, storageLayout }: SolcContract): Compiled => {
  const types = storageLayout?.types ?? {}
  const named = (places: readonly Placed[]): Placed[] =>
    places.map((place) => ({ ...place, type: types[place.type]?.label ?? place.type }))
  const structs = Object.values(types).flatMap(({ label, members }) =>
    members === undefined ? [] : [[label.replace(/^struct .*\./, ''), named(members)]],
  )
  const [bytecode, storage] = [evm.bytecode.object, named(storageLayout?.storage ?? [])]
  return { abi, bytecode, storage, structs: Object.fromEntries(structs) }
}

/** Contracts of one source by name. A warning is an error too, where it is not about what is imported. */
export const compile = (path: string, source: string): Readonly<Record<string, Compiled>> =>
  compileAll({ [path]: source })[path] ?? {}

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
const humanParams = (params: readonly SolcParam[], typed: (param: SolcParam) => string): string =>
  params
    .map((param) => [typed(param), ...(param.indexed ? ['indexed'] : []), param.name].filter(Boolean).join(' '))
    .join(', ')
const sourceOf = (entry: SolcEntry, typed = canonical): string => {
  const mutability = entry.stateMutability ?? 'nonpayable'
  const outputs = entry.outputs ?? []
  return [
    `${entry.type} ${entry.name}(${humanParams(entry.inputs, typed)})`,
    ...(mutability === 'nonpayable' ? [] : [mutability]),
    ...(outputs.length === 0 ? [] : [`returns (${humanParams(outputs, typed)})`]),
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

const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8')
const found = (pattern: string): string[] => globSync(pattern, { cwd: root }).sort()
const sourcesOf = (paths: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(paths.map((path) => [path, read(path)]))
const MODULES = 'chain/native/*/I*.sol'
const INTERFACES = 'contracts/{settlement,bridge}/I*.sol'
/** What stands on other chains. */
const DEPLOYED = [
  'contracts/governed/NovaProxy.sol',
  'contracts/governed/NovaTimelock.sol',
  'contracts/settlement/NovaSettlement.sol',
  'contracts/settlement/EcdsaCheckpointVerifier.sol',
  'contracts/settlement/BlsCheckpointVerifier.sol',
  'contracts/bridge/NovaVault.sol',
  'contracts/bridge/WrappedToken.sol',
  'contracts/bridge/WrappedTokenFactory.sol',
]

/** All that deploys a contract, speaks to it, and shows that an upgrade leaves its storage alone. */
const renderArtifact = (path: string, name: string, { abi, bytecode, storage, structs }: Compiled): string => {
  const artifact = {
    abi: abi.map(lineOf),
    storage: placesOf(storage),
    structs: Object.fromEntries(Object.entries(structs).map(([struct, members]) => [struct, placesOf(members)])),
    bytecode: `0x${bytecode}`,
  }
  return [
    `// Generated from ${path.split('/').at(-1)} by \`npm run gen\`. Do not edit.`,
    `export const ${name} = ${JSON.stringify(artifact, null, 2)} as const`,
    '',
  ].join('\n')
}
const lineOf = (entry: SolcEntry): string => {
  if (entry.type === 'receive' || entry.type === 'fallback') return `${entry.type}() payable`
  return entry.type === 'constructor'
    ? `constructor(${humanParams(entry.inputs, namedType)})`
    : sourceOf(entry, namedType)
}
/** With the names of a struct's members. */
const namedType = ({ type, components }: SolcParam): string =>
  type.startsWith('tuple') ? `(${humanParams(components ?? [], namedType)})${type.slice(5)}` : type
const placesOf = (places: readonly Placed[]): string[] =>
  places.map(({ label, slot, offset, type }) => `slot ${slot} byte ${offset}: ${type} ${label}`)

/** What is generated, by its path. */
function* generated(): Generator<readonly [path: string, text: string]> {
  const [modules, interfaces] = [found(MODULES), found(INTERFACES)]
  const compiled = compileAll(sourcesOf([...modules, ...interfaces, ...DEPLOYED]))
  for (const path of [...modules, ...interfaces]) {
    const [contract] = Object.values(compiled[path] ?? {})
    assert(contract !== undefined, `${path} holds an interface`)
    const abi = abiOf(contract.abi)
    yield modules.includes(path)
      ? [`${path.slice(0, path.lastIndexOf('/'))}/abi.ts`, render(path, abi, '../kit')]
      : [path.replace(/sol$/, 'abi.ts'), render(path, abi, '../../chain/native/kit')]
  }
  for (const path of DEPLOYED) {
    const name = path.slice(path.lastIndexOf('/') + 1, -'.sol'.length)
    const contract = compiled[path]?.[name]
    assert(contract !== undefined, `${path} holds ${name}`)
    yield [path.replace(/sol$/, 'artifact.ts'), renderArtifact(path, name, contract)]
  }
}

if (import.meta.main)
  for (const [path, text] of generated()) {
    if (!process.argv.includes('--check')) writeFileSync(`${root}/${path}`, text)
    else if (!existsSync(`${root}/${path}`) || read(path) !== text) {
      console.error(`${path} is old: run npm run gen`)
      process.exitCode = 1
    }
  }
