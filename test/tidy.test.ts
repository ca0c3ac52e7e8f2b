// The rules of STYLE.md that a program can see. Reads the repository's own files; `faults` are sentences with file and line.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const ROOMS = ['chain', 'p2p', 'rpc', 'node', 'contracts', 'bench', 'test']

const walk = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return walk(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
interface Source {
  readonly path: string
  readonly text: string
}
const load = (): Source[] =>
  readdirSync(root)
    .filter((name) => ROOMS.includes(name))
    .flatMap((name) => walk(join(root, name)))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }))
const sources = load()
const isTest = (path: string): boolean =>
  /\.test\.ts$/.test(path) || path.startsWith('test/') || path.startsWith('bench/')
const product = sources.filter(({ path }) => !isTest(path))

/** The longest entry that is a prefix of the path wins. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  'chain/base': ['chain/base'],
  'chain/types': ['chain/base', 'chain/types'],
  'chain/consensus': ['chain/base', 'chain/types', 'chain/consensus'],
  'chain/store': ['chain/base', 'chain/types', 'chain/store'],
  'chain/native': ['chain/base', 'chain/types', 'chain/native'],
  'chain/mempool': ['chain/base', 'chain/types', 'chain/mempool'],
  'chain/exec': ['chain/base', 'chain/types', 'chain/store', 'chain/native', 'chain/exec'],
  'chain/sets.ts': ['chain/base', 'chain/types'],
  'chain/chain.ts': [
    ...['chain/base', 'chain/types', 'chain/store', 'chain/native', 'chain/mempool', 'chain/exec', 'chain/sets.ts'],
  ],
  'chain/light.ts': ['chain/base', 'chain/types'],
  'chain/derive.ts': [...['chain/base', 'chain/types', 'chain/store', 'chain/native', 'chain/exec', 'chain/sets.ts']],
  'chain/snapshot.ts': ['chain/base', 'chain/types', 'chain/store', 'chain/exec'],
  'chain/calls.ts': ['chain/base', 'chain/types', 'chain/store', 'chain/native', 'chain/exec', 'chain/chain.ts'],
  ...Object.fromEntries(
    ['prune', 'rollback', 'export'].map((name) => [`chain/${name}.ts`, ['chain/base', 'chain/types', 'chain/store']]),
  ),
  'chain/carry.ts': [...['chain/base', 'chain/types', 'chain/store', 'chain/native', 'chain/exec', 'chain/export.ts']],
  p2p: ['chain/base', 'chain/types', 'p2p'],
  'rpc/client': [
    ...['chain/base', 'chain/types', 'chain/light.ts', 'chain/native/did', 'chain/native/kit/abi.ts', 'rpc/client'],
    ...['chain/native/audit/abi.ts', 'chain/native/resources/abi.ts', 'chain/native/token/abi.ts'],
    'chain/native/bridge/abi.ts',
  ],
  rpc: [
    ...['chain/base', 'chain/types', 'chain/chain.ts', 'chain/native/index.ts', 'chain/native/kit/abi.ts'],
    ...['chain/native/slashing/abi.ts', 'chain/native/audit/abi.ts', 'chain/native/did', 'rpc'],
  ],
  node: [
    ...['chain/base', 'chain/types', 'chain/consensus', 'chain/chain.ts', 'chain/calls.ts', 'chain/native/index.ts'],
    ...[
      'chain/derive.ts',
      'chain/prune.ts',
      'chain/rollback.ts',
      'chain/export.ts',
      'chain/carry.ts',
      'chain/snapshot.ts',
      'chain/light.ts',
    ],
    ...['chain/exec/frames.ts', 'chain/exec/opcodes.ts', 'chain/exec/words.ts'],
    ...['chain/native/kit/abi.ts', 'chain/native/staking/abi.ts', 'chain/native/slashing/abi.ts', 'chain/native/did'],
    'chain/native/audit/abi.ts',
    ...[
      'chain/native/params/abi.ts',
      'chain/native/params/module.ts',
      'chain/native/params/permissions.ts',
      'chain/native/bridge/certificate.ts',
      'chain/native/bridge/message.ts',
    ],
    'chain/native/bridge/abi.ts',
    ...['contracts/settlement/INovaSettlement.abi.ts', 'contracts/bridge/INovaVault.abi.ts'],
    'contracts/settlement/ICheckpointVerifier.abi.ts',
    ...['NovaSettlement', 'BlsCheckpointVerifier', 'EcdsaCheckpointVerifier'].map(
      (name) => `contracts/settlement/${name}.artifact.ts`,
    ),
    ...['contracts/bridge/NovaVault.artifact.ts', 'contracts/bridge/WrappedTokenFactory.artifact.ts'],
    ...['contracts/governed/NovaProxy.artifact.ts', 'contracts/governed/NovaTimelock.artifact.ts'],
    ...['chain/store/wal.ts', 'chain/store/kv.ts', 'p2p', 'rpc', 'node'],
  ],
  'node/sim': ['chain', 'p2p', 'node'],
  contracts: ['contracts', 'chain/base', 'chain/native'],
}
/** One home for each dependency. */
const LANDLORD: Readonly<Record<string, readonly string[]>> = {
  '@ethereumjs/': ['chain/exec'],
  '@noble/hashes': ['node/keystore.ts', 'rpc/client/credentials'],
  '@noble/curves': ['chain/base/crypto.ts', 'chain/base/public-keys.ts', 'rpc/client/credentials'],
  '@noble/': ['chain/base/crypto.ts', 'chain/base/public-keys.ts'],
  secp256k1: ['chain/base/crypto-native.ts'],
  '@chainsafe/blst': ['chain/base/crypto-native.ts'],
  'mcl-wasm': ['chain/base/curves.ts'],
  'classic-level': ['chain/store/kv.ts'],
  ethers: [
    'node/development.ts',
    'node/gentx.ts',
    'node/commands/tx.ts',
    'node/commands/send.ts',
    'node/commands/bridge-routes.ts',
    'node/reporter.ts',
    'node/issuer.ts',
    'node/l1.ts',
    'node/keystore.ts',
    'rpc/client',
  ],
  zod: ['chain/types/genesis.ts', 'chain/native', 'node/bridge/settings.ts', 'node/config.ts', 'node/gentx.ts', 'rpc'],
  pino: ['node/telemetry.ts'],
  'prom-client': ['node/telemetry.ts'],
  ws: ['rpc/server.ts'],
  'smol-toml': ['node/config.ts'],
  tar: ['node/commands/backup.ts'],
  libp2p: ['p2p', 'node/ipfs.ts'],
  '@libp2p/': ['p2p', 'node/ipfs.ts'],
  '@multiformats/': ['p2p', 'node/ipfs.ts'],
  '@helia/': ['node/ipfs.ts'],
  '@ipld/': ['node/ipfs.ts'],
  'ipfs-unixfs': ['node/ipfs.ts'],
  multiformats: ['node/ipfs.ts'],
  'blockstore-level': ['node/ipfs.ts'],
  'datastore-level': ['node/ipfs.ts'],
  'interface-datastore': ['node/ipfs.ts'],
  solc: ['contracts/build.ts'],
  '@digitalbazaar/': ['rpc/client/credentials'],
  'jsonld-signatures': ['rpc/client/credentials'],
  snarkjs: ['rpc/client/credentials', 'contracts/circuits'],
  'poseidon-lite': ['rpc/client/credentials'],
  'did-jwt-vc': ['rpc/client/credentials'],
  'did-resolver': ['rpc/client'],
  '@sd-jwt/': ['rpc/client/credentials'],
}

const importsOf = ({ text }: Source): string[] =>
  [...text.matchAll(/^(?:import|export)\b[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm)].map(
    ([, a, b]) => a ?? b ?? '',
  )
const under = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`)
const targetOf = (path: string, specifier: string): string => normalize(join(dirname(path), specifier))

const arrowFaults = (files: readonly Source[]): string[] =>
  files.flatMap((file) => {
    const room = Object.keys(MAY)
      .filter((place) => under(file.path, place))
      .sort((a, b) => b.length - a.length)[0]
    if (room === undefined) return [`${file.path} is in no room`]
    return importsOf(file).flatMap((specifier) => {
      if (!specifier.startsWith('.')) return []
      const target = targetOf(file.path, specifier)
      return MAY[room]?.some((place) => under(target, place)) ? [] : [`${file.path} may not import ${target}`]
    })
  })

const landlordFaults = (files: readonly Source[]): string[] =>
  files.flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) return []
      const owner = Object.keys(LANDLORD).find(
        (name) => specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`),
      )
      if (owner === undefined) return [`${file.path}: ${specifier} has no home`]
      return LANDLORD[owner]?.some((place) => under(file.path, place))
        ? []
        : [`${file.path} is not the home of ${specifier}`]
    }),
  )

const cycles = (files: readonly Source[]): string[] => {
  const edges = new Map(
    files.map((file) => [
      file.path,
      importsOf({ ...file, text: file.text.replace(/^import type [^'"]*?from\s+'[^']+'/gm, '') })
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => targetOf(file.path, specifier)),
    ]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    else if (!done.has(path)) {
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}

const LINES_MAX = 700
const EXPORTS_MAX = 12
/** The formatter keeps code within 120; words in comments and strings may run on a little. */
const COLUMNS_MAX = 160
/** Modules that are vocabularies: many small names that belong together. */
const VOCABULARIES = [
  ...['chain/base', 'chain/types', 'chain/exec/engine.ts', 'chain/store/trie.ts', 'chain/store/layout.ts'],
  ...['chain/exec/frames.ts', 'chain/exec/opcodes.ts', 'chain/exec/words.ts'],
  ...['chain/native/index.ts', 'chain/native/kit/abi.ts', 'chain/native/kit/slots.ts', 'p2p/wire.ts'],
]
const sizeFaults = (files: readonly Source[]): string[] =>
  files.flatMap(({ path, text }) => {
    if (text.startsWith('// Generated from ')) return [] // its source has the budget
    const lines = text.split('\n')
    const exports = lines.filter((line) => /^export (?!type \{)/.test(line)).length
    const isVocabulary = VOCABULARIES.some((place) => under(path, place))
    return [
      ...(lines.length > LINES_MAX ? [`${path} has ${lines.length} lines`] : []),
      ...(exports > EXPORTS_MAX && !isVocabulary ? [`${path} has ${exports} exports`] : []),
      ...lines.flatMap((line, i) =>
        line.length > COLUMNS_MAX &&
        !/'0x[0-9a-f]{80,}|^\s*(\/\/|\*|'[^']{90,}|`|.*text: )|code: '0x|reason|says: /.test(line)
          ? [`${path}:${i + 1} is ${line.length} columns wide`]
          : [],
      ),
    ]
  })

const BANNED: readonly { readonly place: string; readonly word: RegExp; readonly why: string }[] = [
  {
    place: 'chain',
    word: /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\bperformance\./,
    why: 'no clock or chance: use the block or a port',
  },
  { place: 'chain', word: /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/, why: 'no timers' },
  { place: 'chain', word: /\bconsole\.|\bprocess\./, why: 'no console or environment' },
  { place: '', word: /\bnew Error\(|\bthrow new (Type|Range)Error\(/, why: 'errors come from a catalogue' },
]
const wordFaults = (files: readonly Source[]): string[] =>
  files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, i) => {
      if (/^\s*(\/\/|\*|\/\*)/.test(line)) return []
      return BANNED.filter(({ place, word }) => (place === '' || under(path, place)) && word.test(line)).map(
        ({ why }) => `${path}:${i + 1}: ${why}`,
      )
    }),
  )
const nodeFaults = (files: readonly Source[]): string[] =>
  files.flatMap((file) =>
    importsOf(file)
      .filter(
        (specifier) =>
          specifier.startsWith('node:') &&
          under(file.path, 'chain') &&
          file.path !== 'chain/store/kv.ts' &&
          file.path !== 'chain/store/kv-files.ts',
      )
      .map((specifier) => `${file.path} imports ${specifier}`),
  )

/** What these reach runs in a browser: our own files without Node's modules, and packages that say so. */
const BROWSER = ['chain/light.ts', 'rpc/client/light.ts', 'rpc/client/did.ts', 'rpc/client/client.ts']
const PORTABLE = ['@noble/', 'ethers']
const browserFaults = (files: readonly Source[], entries: readonly string[]): string[] => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const faults: string[] = []
  const reached = new Set(entries)
  for (const path of reached) {
    const text = (byPath.get(path)?.text ?? '').replace(
      /^import type [^'"]*?from\s+'[^']+'|^\s*(\/\/|\*|\/\*).*$/gm,
      '',
    )
    if (text === '') faults.push(`${path} is not there`)
    if (/\b(Buffer|process)\.|\b(setImmediate|require)\(/.test(text)) faults.push(`${path} names a global of Node`)
    for (const specifier of importsOf({ path, text })) {
      if (specifier.startsWith('.')) reached.add(targetOf(path, specifier))
      else if (!PORTABLE.some((name) => specifier.startsWith(name))) faults.push(`${path} needs ${specifier}`)
    }
  }
  return faults
}

test('no import without an arrow', () => expect(arrowFaults(product)).toEqual([]))
test('one landlord for each dependency', () => expect(landlordFaults(product)).toEqual([]))
test('no import cycles', () => expect(cycles(product)).toEqual([]))
test('files fit their budget', () => expect(sizeFaults(sources)).toEqual([]))
test('no banned word', () => expect([...wordFaults(product), ...nodeFaults(product)]).toEqual([]))
test('the light client and the resolver reach nothing that a browser lacks', () =>
  expect(browserFaults(product, BROWSER)).toEqual([]))
test('every file says what it owns', () => {
  expect(product.filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text)).map(({ path }) => path)).toEqual([])
})
test('a TODO names its issue, a skipped test its reason', () => {
  const found = sources
    .filter(({ path }) => path !== 'test/tidy.test.ts')
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i, lines) => {
        const isTodo = /\bTODO\b/.test(line) && !/TODO\(#\d+\)/.test(line)
        const isSkip =
          /\b(test|it|describe)\.(skip|skipIf|todo)\b/.test(line) &&
          !/\/\/|skipped where/.test(`${lines[i - 1] ?? ''}${line}`)
        return isTodo || isSkip ? [`${path}:${i + 1}`] : []
      }),
    )
  expect(found).toEqual([])
})

test('the checks see what they are for', () => {
  const bad = (path: string, text: string): Source => ({ path, text })
  expect(arrowFaults([bad('chain/base/x.ts', "import { a } from '../types/y.ts'")])).toHaveLength(1)
  expect(arrowFaults([bad('rpc/x.ts', "import { a } from '../node/y.ts'")])).toHaveLength(1)
  expect(landlordFaults([bad('rpc/x.ts', "import { EVM } from '@ethereumjs/evm'")])).toHaveLength(1)
  expect(landlordFaults([bad('rpc/x.ts', "import a from 'left-pad'")])).toHaveLength(1)
  expect(cycles([bad('a.ts', "import { b } from './b.ts'"), bad('b.ts', "import { a } from './a.ts'")])).toHaveLength(1)
  const far = [bad('a.ts', "import { b } from './b.ts'"), bad('b.ts', "import fs from 'node:fs'\nBuffer.alloc(1)")]
  expect(browserFaults(far, ['a.ts'])).toEqual(['b.ts names a global of Node', 'b.ts needs node:fs'])
  expect(sizeFaults([bad('rpc/x.ts', 'x\n'.repeat(800))])).toHaveLength(1)
  expect(wordFaults([bad('chain/x.ts', 'const t = Date.now()')])).toHaveLength(1)
  expect(wordFaults([bad('rpc/x.ts', "throw new Error('no')")])).toHaveLength(1)
})
