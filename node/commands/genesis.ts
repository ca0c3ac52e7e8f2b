// genesis: the file that a network starts from. Begin one, fund accounts, name validators, let founders sign for theirs and collect
// what they signed, check it, and print the hash that names its network.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { parseDraft } from '../../chain/types/genesis.ts'
import { isPeerId } from '../../p2p/identity.ts'
import { nova, parseAmount, parsePercent } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { addFounders, dropFounder, finalGenesis, fundsOf, type Offer, render } from '../ceremony.ts'
import { isMoniker } from '../gentx.ts'
import { lintGenesis } from '../lint.ts'
import { readGenesis, writeWhole } from '../source.ts'
import { packageRoot } from '../version.ts'
import { collect, gentx } from './gentx.ts'
import { checkedAddress } from './send.ts'

export const GenesisCommandErrors = defineErrors('GENESIS', {
  EXISTS: {
    text: (d: { file: string; differs: string }) =>
      `${d.file} exists and says otherwise (${d.differs}): --yes overwrites it, accounts and all`,
  },
  ACCOUNT: {
    text: (d: { file: string; address: string; have: bigint; want: bigint }) =>
      `${d.file} gives ${d.address} ${d.have} wei already, not ${d.want}: --yes sets it`,
  },
  VALIDATOR: {
    text: (d: { file: string; address: string }) =>
      `${d.address} is another validator in ${d.file} already: --yes replaces it`,
  },
  BONDED: {
    text: (d: { file: string; address: string; want: bigint; bonded: bigint }) =>
      `${d.address} bonds ${d.bonded} wei in ${d.file}, so ${d.want} wei are too little`,
  },
})

interface Verb {
  readonly args: string
  readonly argsMax: number
  readonly run: (context: CommandContext, file: string) => Promise<ExitCode>
}
const VERBS: Readonly<Record<string, Verb>> = {
  new: { args: '<file> --chain-id <number> --governance <address>', argsMax: 2, run: (c, file) => create(c, file) },
  'add-account': { args: '<file> <address> <amount>', argsMax: 4, run: (c, file) => fund(c, file) },
  'add-validator': {
    args: '<file> --address <address> --bls-key <key> --proof-of-possession <signature> --stake <amount>',
    argsMax: 2,
    run: (c, file) => addValidator(c, file),
  },
  gentx: { args: '--genesis <file|url> --dir <dir> --stake <amount>', argsMax: 1, run: (c) => gentx(c) },
  collect: { args: '<file> <gentx files or folders>', argsMax: 4_096, run: (c, file) => collect(c, file) },
  validate: { args: '<file>', argsMax: 2, run: (c, file) => show(c, 'validate', file) },
  hash: { args: '<file>', argsMax: 2, run: (c, file) => show(c, 'hash', file) },
}
const usage = `genesis ${Object.keys(VERBS).join('|')} <file>`

export const genesis: Command = {
  usage,
  summary: 'Write the file a network starts from, with founders who do not know each other; check it; print its hash.',
  verbs: Object.entries(VERBS).map(([name, { args }]) => `genesis ${name} ${args}`),
  argsMax: 4_096,
  options: {
    'chain-id': 'new: the number that wallets know the network by; one that no other network has',
    time: 'new: seconds since 1970, or a date such as 2030-01-31T12:00:00Z, before which no block comes; default now',
    'block-time': 'new: milliseconds between blocks, default 3000',
    'epoch-blocks': 'new: blocks after which the validators are elected again, default 1200',
    governance: 'new: address that may change the governable numbers',
    guardian: 'new: address that may pause a module in an emergency; default nobody',
    genesis: 'gentx: the draft, file or URL',
    dir: 'gentx: the founder’s folder, with the keys that novachain keys new made',
    from: 'gentx: keystore of the account that bonds, default keys/operator.json of the folder',
    stake: 'gentx, add-validator: what it bonds of its own, such as 1000000nova, out of its balance in the file',
    commission: 'gentx, add-validator: what it keeps of its delegators’ rewards, such as 5%; default 0%',
    moniker: 'gentx, add-validator: its name, at most 64 bytes',
    'p2p-address': 'gentx: where other nodes reach this one, such as /dns4/node.example/tcp/30333',
    out: 'gentx: file to write, default gentx-<moniker or address>.json in the folder',
    'password-file': 'gentx: file or pipe with the keystores’ password; else NOVACHAIN_PASSWORD, else a prompt',
    'operator-password-file': 'gentx: the same for the account’s keystore, where it has another',
    address: 'add-validator: its operator’s account',
    'bls-key': 'add-validator: as novachain keys show prints it',
    'proof-of-possession': 'add-validator: as novachain keys show --proof prints it',
    'peer-id': 'add-validator: of its node, as novachain keys show p2p prints it',
  },
  switches: { yes: 'overwrite a file, a balance or a validator that is another' },
  async run(context) {
    const [name = '', file] = context.args
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${name}`, usage })
    const refuse = (reason: string) =>
      new NodeError(UsageErrors.ARGUMENT, { reason, usage: `genesis ${name} ${verb.args}` })
    const extra = context.args[verb.argsMax]
    if (extra !== undefined) throw refuse(`${extra} is one argument too many`)
    if (file === undefined && verb.argsMax > 1) throw refuse('expected a file')
    return verb.run(context, file ?? '')
  },
}

const usageOf = (name: string, reason: string) =>
  new NodeError(UsageErrors.ARGUMENT, { reason, usage: `genesis ${name} ${VERBS[name]?.args ?? ''}` })

/** The development network that ships with this package. */
export const bundledGenesis = (): string => readFileSync(join(packageRoot, 'genesis.json'), 'utf8')

const show = async ({ out }: CommandContext, verb: 'validate' | 'hash', file: string): Promise<ExitCode> => {
  const { genesis: parsed, hash } = await finalGenesis(await readGenesis(file), file)
  if (verb === 'hash') {
    out({ hash }, hash)
    return exitCode.ok
  }
  const { chainId, accounts, founders } = parsed
  const warnings = lintGenesis(parsed, Date.now())
  const counts = { chainId: Number(chainId), accounts: accounts.length, validators: founders.length }
  out(
    { valid: true, hash, ...counts, time: parsed.time, warnings },
    [
      `valid: chain ${chainId}, accounts ${accounts.length}, validators ${founders.length}, hash ${hash}`,
      ...warnings.map(({ code, text }) => `warning: ${text} (${code})`),
    ].join('\n'),
  )
  return exitCode.ok
}

type Json = {
  config: { chainId: number }
  timestamp: number
  alloc: Record<string, { balance: string | number }>
  novachain: {
    blockTimeMs: number
    epochBlocks: number
    validators: unknown[]
    development?: boolean
    modules: { params: { governance: string; guardian: string }; did?: object } & Record<
      (typeof TOKENS)[number],
      { cap: string }
    >
  }
}
const NOBODY = `0x${'0'.repeat(40)}`
/** Sections of resource tokens: in the bundled file their minters and owners are development accounts. */
const TOKENS = ['cpu', 'mem', 'sto', 'net'] as const

/** What a flag of `new` writes. */
const WISHES: Readonly<Record<string, (json: Json, value: string) => void>> = {
  'chain-id': (json, value) => {
    json.config.chainId = whole('chain-id', value)
  },
  time: (json, value) => {
    json.timestamp = secondsOf('time', value)
  },
  'block-time': (json, value) => {
    json.novachain.blockTimeMs = whole('block-time', value)
  },
  'epoch-blocks': (json, value) => {
    json.novachain.epochBlocks = whole('epoch-blocks', value)
  },
  governance: (json, value) => {
    json.novachain.modules.params.governance = checkedAddress(value, 'governance').toLowerCase()
  },
  guardian: (json, value) => {
    json.novachain.modules.params.guardian = checkedAddress(value, 'guardian').toLowerCase()
  },
}
const wishesIn = (flags: CommandContext['flags']) =>
  Object.entries(WISHES).flatMap(([flag, wish]) => {
    const value = flags[flag]
    return value === undefined ? [] : [{ flag, grant: (json: Json): void => wish(json, value) }]
  })

const whole = (flag: string, value: string): number => {
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw usageOf('new', `--${flag} ${value}: expected a whole number`)
}
/** A moment on the command line. */
export const secondsOf = (flag: string, value: string): number => {
  if (/^\d{1,12}$/.test(value)) return Number(value)
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms))
    throw usageOf('new', `--${flag} ${value}: expected seconds, or a date such as 2030-01-31T12:00:00Z`)
  return ms / 1_000
}

const create = async (context: CommandContext, file: string): Promise<ExitCode> => {
  const { flags, switches, out } = context
  const wishes = wishesIn(flags)
  if (existsSync(file) && !switches.has('yes')) return keep(context, file, wishes)
  if (flags['chain-id'] === undefined)
    throw usageOf('new', 'expected --chain-id, a number that no other network has (chainlist.org lists many)')
  const json: Json = JSON.parse(bundledGenesis())
  json.timestamp = Math.floor(Date.now() / 1_000)
  json.alloc = {}
  const { development: _, ...rules } = json.novachain
  const params = { ...json.novachain.modules.params, governance: NOBODY, guardian: NOBODY }
  const tokens = TOKENS.map((key) => [key, { cap: json.novachain.modules[key].cap, minters: [], balances: {} }])
  // The key of statements in zero knowledge is the development one: a network brings its own, or has none.
  const { did: __, ...others } = json.novachain.modules
  const modules = { ...others, ...Object.fromEntries(tokens), params }
  json.novachain = { ...rules, validators: [], modules, development: false }
  for (const { grant } of wishes) grant(json)
  const text = render(json)
  const draft = bytesToHex(parseDraft(text).draftHash)
  writeWhole(file, text)
  const next = [
    ...(params.governance === NOBODY
      ? [`first: name who may change the network's numbers under novachain.modules.params.governance in ${file}`]
      : []),
    `next: novachain genesis add-account ${file} <address> <amount>, for each founder and whoever else begins with funds`,
    'then: give the file to every founder; nobody changes it any more',
    `then: each founder runs novachain genesis gentx --genesis ${file} --dir <dir> --stake <amount>`,
    `then: novachain genesis collect ${file} <their files>`,
  ]
  out(
    { file, draft, changed: true, next },
    [`wrote ${file}, chain ${json.config.chainId}, draft ${draft}`, ...next].join('\n'),
  )
  return exitCode.ok
}

/** A second `new` finds its file, with accounts and founders in it by now. */
const keep = async ({ out }: CommandContext, file: string, wishes: ReturnType<typeof wishesIn>): Promise<ExitCode> => {
  const text = await readGenesis(file)
  const draft = bytesToHex(parseDraft(text).draftHash)
  const unmet = wishes.filter(({ grant }) => {
    const json: Json = JSON.parse(text)
    grant(json)
    return render(json) !== render(JSON.parse(text))
  })
  if (unmet.length > 0) {
    const differs = unmet.map(({ flag }) => `--${flag}`).join(', ')
    throw new NodeError(GenesisCommandErrors.EXISTS, { file, differs })
  }
  out({ file, draft, changed: false }, `${file} is there already and stays as it is, draft ${draft}`)
  return exitCode.ok
}

const fund = async ({ out, args, switches }: CommandContext, file: string): Promise<ExitCode> => {
  const [, , given, amount] = args
  if (given === undefined || amount === undefined) throw usageOf('add-account', 'expected an address and an amount')
  const address = checkedAddress(given, 'address').toLowerCase() as Hex // just checked
  const want = parseAmount(amount)
  const before = await readGenesis(file)
  const draft = parseDraft(before)
  const have = fundsOf(draft, address)
  const said = { file, address, balance: want.toString() }
  if (have === want) {
    out(
      { ...said, draft: bytesToHex(draft.draftHash), changed: false },
      `${address} has ${nova(want)} in ${file} already`,
    )
    return exitCode.ok
  }
  if (have !== null && !switches.has('yes'))
    throw new NodeError(GenesisCommandErrors.ACCOUNT, { file, address, have, want })
  const bonded = draft.founders.find(({ operator }) => bytesToHex(operator) === address)?.stakeWei ?? 0n
  if (want < bonded) throw new NodeError(GenesisCommandErrors.BONDED, { file, address, want, bonded })
  const json: Json = JSON.parse(before)
  const key = Object.keys(json.alloc).find((each) => each.toLowerCase() === address) ?? address
  json.alloc[key] = { ...json.alloc[key], balance: (want - bonded).toString() }
  const text = render(json)
  const hash = bytesToHex(parseDraft(text).draftHash)
  writeWhole(file, text)
  out({ ...said, draft: hash, changed: true }, `${address} has ${nova(want)} in ${file}, draft ${hash}`)
  return exitCode.ok
}

const addValidator = async ({ out, flags, switches }: CommandContext, file: string): Promise<ExitCode> => {
  const {
    'bls-key': blsKey,
    'proof-of-possession': proofOfPossession,
    stake,
    moniker = '',
    'peer-id': peerId = null,
  } = flags
  if (flags.address === undefined || blsKey === undefined || proofOfPossession === undefined || stake === undefined)
    throw usageOf('add-validator', 'expected --address, --bls-key, --proof-of-possession and --stake')
  if (!isMoniker(moniker)) throw usageOf('add-validator', '--moniker: expected at most 64 bytes of visible letters')
  if (peerId !== null && !isPeerId(peerId))
    throw usageOf('add-validator', `--peer-id ${peerId}: expected a libp2p peer id`)
  const operator = checkedAddress(flags.address, 'address').toLowerCase() as Hex // just checked
  const entry: Offer['entry'] = {
    operator,
    blsKey: blsKey.toLowerCase() as Hex, // the file is parsed before it is written
    proofOfPossession: proofOfPossession.toLowerCase() as Hex,
    stakeWei: parseAmount(stake),
    commissionBps: parsePercent(flags.commission ?? '0%'),
    ...{ moniker, peerId },
  }
  const before = await readGenesis(file)
  const without = dropFounder(before, entry)
  if (without !== before && !switches.has('yes'))
    throw new NodeError(GenesisCommandErrors.VALIDATOR, { file, address: operator })
  const text = addFounders(without, file, [{ entry, file: 'what the flags say' }])
  const draft = bytesToHex(parseDraft(text).draftHash)
  if (text !== before) writeWhole(file, text)
  const did = text === before ? 'is already' : 'is now'
  out(
    { file, address: operator, stake: entry.stakeWei.toString(), draft, changed: text !== before },
    `${operator} ${did} a validator in ${file}, with ${nova(entry.stakeWei)} out of its balance`,
  )
  return exitCode.ok
}
