// genesis: validate a file, print the hash that names its network, fund an account, begin a new one.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { packageRoot } from '../version.ts'

export const GenesisFileErrors = defineErrors('GENESIS', {
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
})

const usage = 'genesis validate|hash|new|add-account <file> [<address> <wei>]'

/** The development network that ships with this package. */
export const bundledGenesis = (): string => readFileSync(join(packageRoot, 'genesis.json'), 'utf8')

export const readGenesis = (file: string): string => {
  if (!existsSync(file)) throw new NodeError(GenesisFileErrors.FILE, { file, reason: 'there is no such file' })
  if (!statSync(file).isFile()) throw new NodeError(GenesisFileErrors.FILE, { file, reason: 'it is no file' })
  return readFileSync(file, 'utf8')
}

export const genesis: Command = {
  usage,
  summary: 'Check a genesis.json, print its hash, or write one.',
  argsMax: 4,
  options: { 'chain-id': 'chain id of a new genesis' },
  switches: { force: 'overwrite a file that exists' },
  async run(context) {
    const [verb, file] = context.args
    if (verb === undefined || file === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected a verb and a file', usage })
    switch (verb) {
      case 'validate':
      case 'hash':
        return show(context, verb, file)
      case 'new':
        return create(context, file)
      case 'add-account':
        return fund(context, file)
      default:
        throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${verb}`, usage })
    }
  },
}

const show = async ({ out }: CommandContext, verb: 'validate' | 'hash', file: string): Promise<ExitCode> => {
  const parsed = parseGenesis(readGenesis(file))
  const hash = bytesToHex(await computeGenesisHash(parsed))
  const count = parsed.validators.members.length
  const warnings = parsed.validators.members
    .filter((member) => 3n * member.power >= parsed.validators.powerTotal)
    .map(
      (member) =>
        `validator ${bytesToHex(member.address)} holds a third of the power or more: alone it can stop the chain`,
    )
  if (verb === 'hash') out({ hash }, hash)
  else
    out(
      {
        valid: true,
        hash,
        chainId: Number(parsed.chainId),
        accounts: parsed.accounts.length,
        validators: count,
        warnings,
      },
      [
        `valid: chain ${parsed.chainId}, ${parsed.accounts.length} accounts, ${count} validators, hash ${hash}`,
        ...warnings.map((text) => `warning: ${text}`),
      ].join('\n'),
    )
  return exitCode.ok
}

const create = async ({ out, flags, switches }: CommandContext, file: string): Promise<ExitCode> => {
  if (existsSync(file) && !switches.has('force'))
    throw new NodeError(GenesisFileErrors.FILE, { file, reason: 'it exists; --force overwrites it' })
  const json = JSON.parse(bundledGenesis())
  if (flags['chain-id'] !== undefined) json.config.chainId = Number(flags['chain-id'])
  json.timestamp = Math.floor(Date.now() / 1_000)
  const text = `${JSON.stringify(json, null, 2)}\n`
  parseGenesis(text)
  writeFileSync(file, text)
  out({ file }, `wrote ${file}, a copy of the development network; put your own accounts and validators into it`)
  return exitCode.ok
}

const fund = async ({ out, args }: CommandContext, file: string): Promise<ExitCode> => {
  const [, , address, wei] = args
  if (address === undefined || wei === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected an address and an amount of wei', usage })
  const before = readGenesis(file)
  parseGenesis(before)
  const json = JSON.parse(before)
  const known =
    Object.keys(json.alloc).find((key) => key.toLowerCase() === address.toLowerCase()) ?? address.toLowerCase()
  json.alloc[known] = { ...json.alloc[known], balance: wei }
  const text = `${JSON.stringify(json, null, 2)}\n`
  parseGenesis(text)
  writeFileSync(file, text)
  out({ file, address, balance: wei }, `${address} has ${wei} wei in ${file}`)
  return exitCode.ok
}
