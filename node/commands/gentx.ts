// genesis gentx and collect: a founder alone signs for its part of a draft; anybody puts the signed parts together, and everybody gets the same file.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { parseDraft } from '../../chain/types/genesis.ts'
import { peerAddress, peerIdOf } from '../../p2p/identity.ts'
import { nova, parseAmount, parsePercent, percent } from '../amounts.ts'
import { type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { addFounders, checkDraft, finalGenesis } from '../ceremony.ts'
import { loadConfig } from '../config.ts'
import { GENTX_MAX_BYTES, type Gentx, isMoniker, parseGentx, renderGentx, signGentx } from '../gentx.ts'
import { identityFile, p2pKey } from '../identity.ts'
import { type KeyType, openKeyFile } from '../keystore.ts'
import { lintGenesis } from '../lint.ts'
import { askPassword } from '../password.ts'
import { latestOf, readPeers } from '../peers.ts'
import { readGenesis, readText, writeWhole } from '../source.ts'

export const GentxCommandErrors = defineErrors('GENTX', {
  NO_KEY: {
    text: (d: { file: string; type: KeyType | 'p2p'; dir: string }) =>
      `there is no ${d.type} key ${d.file}: run \`novachain keys new --type ${d.type} --dir ${d.dir}\``,
  },
  EXISTS: {
    text: (d: { file: string }) =>
      `${d.file} exists and says something else; --yes replaces it, where nobody has collected it yet`,
  },
  NONE: { text: (d: { place: string }) => `there is no gentx in ${d.place}: expected files whose names end in .json` },
})

const usage = 'genesis gentx --genesis <file|url> --dir <dir> --stake <amount> [--commission 5%] [--moniker <name>]'

/** Signs with the keys of a founder's folder. The same answers give the same file. */
export async function gentx(context: CommandContext): Promise<ExitCode> {
  const { flags, switches, out } = context
  const { genesis: source, dir = '.', stake, moniker = '' } = flags
  const refuse = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
  if (source === undefined || stake === undefined) throw refuse('expected --genesis and --stake')
  if (!isMoniker(moniker)) throw refuse('--moniker: expected at most 64 bytes of visible letters')
  const wishes = { stakeWei: parseAmount(stake), commissionBps: parsePercent(flags.commission ?? '0%'), moniker }
  const text = await readGenesis(source)
  const draft = parseDraft(text)
  const { peerId, p2pAddress } = await peerOf(dir, flags['p2p-address'])
  const made = signGentx(
    {
      chainId: Number(draft.chainId),
      draftHash: bytesToHex(draft.draftHash),
      ...{ ...wishes, peerId, p2pAddress },
    },
    await secretsOf(context, dir),
  )
  const name = moniker.replace(/[^a-zA-Z0-9._-]+/g, '-').replace(/^[.-]+|-+$/g, '') || made.operator
  const file = flags.out ?? join(dir, `gentx-${name}.json`)
  // With this founder alone it must be a genesis: what is wrong with the draft is better known before all have signed it.
  const offer = { entry: made, file }
  await finalGenesis(addFounders(text, source, [offer]), source)
  const rendered = renderGentx(made)
  const isSame = existsSync(file) && readText(file, GENTX_MAX_BYTES) === rendered
  if (existsSync(file) && !isSame && !switches.has('yes')) throw new NodeError(GentxCommandErrors.EXISTS, { file })
  if (!isSame) writeWhole(file, rendered)
  out({ file, changed: !isSame, ...shownOf(made) }, textOf(made, file, isSame))
  return exitCode.ok
}

const shownOf = ({ stakeWei, draftHash, operatorSignature: _, blsSignature: __, ...rest }: Gentx) => ({
  ...rest,
  stake: stakeWei.toString(),
  draft: draftHash,
})

const textOf = (made: Gentx, file: string, isSame: boolean): string =>
  [
    isSame ? `${file} says so already` : `wrote ${file}`,
    `  draft       ${made.draftHash}, the same for every founder`,
    `  operator    ${made.operator}`,
    `  bonds       ${nova(made.stakeWei)}, keeps ${percent(made.commissionBps)} of its delegators’ rewards`,
    `  peer        ${made.p2pAddress ?? `${made.peerId}, at no address that others could dial (--p2p-address)`}`,
    'next: send the file to whoever collects them; nothing in it is secret',
  ].join('\n')

const mustBe = (file: string, type: KeyType | 'p2p', dir: string): string => {
  if (!existsSync(file)) throw new NodeError(GentxCommandErrors.NO_KEY, { file, type, dir })
  return file
}

const peerOf = async (dir: string, address: string | undefined) => {
  const peerId = await peerIdOf(p2pKey(mustBe(identityFile(dir), 'p2p', dir)))
  return { peerId, p2pAddress: address === undefined ? null : peerAddress(address, peerId).text }
}

/** Both files are looked for before a password is asked for. */
const secretsOf = async ({ flags, env }: CommandContext, dir: string) => {
  const config = loadConfig(join(dir, 'config.toml'), {}, {})
  const keyFile = mustBe(resolve(dir, config['validator.keyFile'] || 'keys/validator.json'), 'validator', dir)
  const from = flags.from ?? mustBe(join(dir, 'keys', 'operator.json'), 'account', dir)
  const password = flags['password-file']
  const open = (file: string, type: KeyType, passwordFile: string | undefined): Promise<Uint8Array> =>
    openKeyFile(file, type, () => askPassword({ file: passwordFile, env }, file))
  return {
    validator: await open(keyFile, 'validator', password),
    operator: await open(from, 'account', flags['operator-password-file'] ?? password),
  }
}

/** Puts founders' files into the draft, in place. What is in it already stays; what comes out names the same network whoever collects. */
export async function collect({ args, out }: CommandContext, file: string): Promise<ExitCode> {
  const places = args.slice(2)
  if (places.length === 0)
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: 'expected the founders’ files, or folders with them',
      usage: 'genesis collect <file> <gentx files or folders>',
    })
  const before = await readGenesis(file)
  const draft = parseDraft(before)
  const found = places.flatMap((place) => filesIn(place, file)).map((each) => readGentx(each))
  for (const each of found) checkDraft(draft, file, each.gentx, each.file)
  const text = addFounders(
    before,
    file,
    found.map((each) => ({ entry: each.gentx, file: each.file })),
  )
  const { genesis, hash } = await finalGenesis(text, file)
  const peersFile = join(dirname(file), 'peers.txt')
  const known = existsSync(peersFile) ? readPeers(peersFile) : []
  const addresses = found.flatMap(({ gentx: { p2pAddress } }) => (p2pAddress === null ? [] : [p2pAddress]))
  const members = genesis.founders.map(({ peerId }) => peerId)
  const peers = latestOf([...known, ...addresses], members)
  if (text !== before) writeWhole(file, text)
  if (peers.join() !== known.join()) writeWhole(peersFile, `${peers.join('\n')}\n`)
  const [validators, added] = [genesis.founders.length, genesis.founders.length - draft.founders.length]
  const warnings = lintGenesis(genesis, Date.now())
  const withPeers =
    peers.length > 0 ? { give: ` and ${peersFile}`, flag: ` --peers ${peersFile}` } : { give: '', flag: '' }
  out(
    { file, hash, chainId: Number(genesis.chainId), validators, added, changed: text !== before, peers, warnings },
    [
      `${file}: validators ${validators}, ${added === 0 ? 'all there already' : `of them new ${added}`}`,
      `  hash  ${hash}`,
      ...warnings.map((each) => `warning: ${each.text} (${each.code})`),
      ...(peers.length > 0 ? [] : ['nobody told where its node is reached: init needs --p2p-bootstrap']),
      `next: give ${file}${withPeers.give} to every founder, and have all compare the hash; then each runs`,
      `  novachain init <dir> --profile validator --genesis ${file} --genesis-hash ${hash}${withPeers.flag}`,
      '  novachain start --dir <dir>',
    ].join('\n'),
  )
  return exitCode.ok
}

const readGentx = (file: string): { readonly gentx: Gentx; readonly file: string } => ({
  gentx: parseGentx(readText(file, GENTX_MAX_BYTES), file),
  file,
})

/** Of a folder every .json but the genesis itself: what is no gentx there is an error and not left out in silence. */
const filesIn = (place: string, genesisFile: string): string[] => {
  if (!existsSync(place) || !statSync(place).isDirectory()) return [place]
  const found = readdirSync(place)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(place, name))
    .filter((file) => resolve(file) !== resolve(genesisFile))
  if (found.length === 0) throw new NodeError(GentxCommandErrors.NONE, { place })
  return found
}
