// permissions: who may send, deploy, validate and be a peer, on networks whose governance keeps lists of it: shown, turned on and off, and changed.
import { bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { LISTS, type ListName, MODES } from '../../chain/native/params/permissions.ts'
import { isPeerId } from '../../p2p/identity.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { ask, askAll, callOf, params } from '../modules.ts'
import { headOf } from '../roll.ts'
import { printable, table } from '../screen.ts'
import { checkedAddress, perform, senderOf, sending, urlOf } from './send.ts'

const usage = 'permissions show|mode|add|remove … [--from <keystore>] [--rpc <url>]'

/** As many as the module shows at once. */
const PAGE = 1_000
/** In one transaction: a hundred slots of peers cost some 7,000,000 gas. */
const MEMBERS_AT_ONCE_MAX = 100

export const permissions: Command = {
  usage,
  summary: 'Lists of who may send, deploy, validate and be a peer: shown, turned on and off, and changed.',
  verbs: [
    'permissions show [senders|deployers|validators|peers]',
    'permissions mode <list> off|allow|block [--from <keystore> | --unsigned --sender <address>]',
    'permissions add <list> <address or peer id>… [--from <keystore> | --unsigned --sender <address>]',
    'permissions remove <list> <address or peer id>… [--from <keystore> | --unsigned --sender <address>]',
  ],
  argsMax: 2 + MEMBERS_AT_ONCE_MAX,
  options: { ...sending.options, from: 'keystore of the account that governs' },
  switches: sending.switches,
  async run(context) {
    const [verb = '', name, ...rest] = context.args
    const verbs: Readonly<Record<string, () => Promise<ExitCode>>> = {
      show: () => (name === undefined ? overview(context) : show(context, listOf(name))),
      mode: () => setMode(context, listOf(name), rest),
      add: () => change(context, listOf(name), 'addToList', rest),
      remove: () => change(context, listOf(name), 'removeFromList', rest),
    }
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (run === undefined) throw refused('expected show, mode, add or remove')
    return run()
  },
}

const refused = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
const listOf = (name = ''): ListName => {
  const found = LISTS.find((each) => each === name)
  if (found !== undefined) return found
  throw refused(`expected a list, ${LISTS.join(', ')}, have ${JSON.stringify(name)}`)
}
const modeIn = (mode: bigint): string => MODES[Number(mode)] ?? String(mode)
const MEANING: Readonly<Record<string, string>> = {
  off: 'everybody may',
  allow: 'only those on it may',
  block: 'all but those on it may',
}

const overview = async (context: CommandContext): Promise<ExitCode> => {
  const url = urlOf(context)
  const { height } = await headOf(url)
  const asked = LISTS.map((name) => callOf(params, 'listMode', [name]))
  const found = await askAll(url, asked, height)
  const lists = LISTS.map((name, i) => ({
    ...{ list: name, mode: modeIn(found[i]?.mode ?? 0n), members: Number(found[i]?.count ?? 0n) },
  }))
  const rows = lists.map(({ list, mode, members }) => [list, mode, String(members), MEANING[mode] ?? ''])
  context.out({ height, lists }, table([['list', 'mode', 'members', 'meaning'], ...rows], [2]))
  return exitCode.ok
}

const show = async (context: CommandContext, list: ListName): Promise<ExitCode> => {
  const url = urlOf(context)
  const { height } = await headOf(url)
  const { mode, count } = await ask(url, callOf(params, 'listMode', [list]), height)
  const members: string[] = []
  for (let from = 0n; from < count; from += BigInt(PAGE)) {
    const page = await ask(url, callOf(params, 'listMembers', [list, from, BigInt(PAGE)]), height)
    members.push(...page.members.map((member) => textOf(list, member)))
  }
  members.sort()
  const named = modeIn(mode)
  const head = `${list}: ${named}, ${MEANING[named] ?? ''}; ${members.length} on the list`
  context.out({ height, list, mode: named, members }, [head, ...members.map((each) => `  ${each}`)].join('\n'))
  return exitCode.ok
}

const textOf = (list: ListName, member: Uint8Array): string =>
  list === 'peers' ? printable(new TextDecoder().decode(member)) : bytesToHex(member)
const memberOf = (list: ListName, text: string): Uint8Array => {
  if (list !== 'peers') return hexToBytes(checkedAddress(text, list).toLowerCase())
  if (!isPeerId(text)) throw refused(`expected a libp2p peer id, have ${JSON.stringify(text.slice(0, 200))}`)
  return new TextEncoder().encode(text)
}

const setMode = async (context: CommandContext, list: ListName, rest: readonly string[]): Promise<ExitCode> => {
  const [given] = rest
  if (given === undefined || rest.length > 1) throw refused('expected off, allow or block')
  const mode = (MODES as readonly string[]).indexOf(given)
  if (mode < 0) throw refused(`expected off, allow or block, have ${JSON.stringify(given)}`)
  const sender = await senderOf(context, usage)
  const receipt = await perform(context, sender, callOf(params, 'setListMode', [list, BigInt(mode)]))
  if (receipt === null) return exitCode.ok
  context.out({ list, mode: given, ...receipt }, `${list}: ${given}, ${MEANING[given]}, as of block ${receipt.height}`)
  return exitCode.ok
}

const change = async (
  context: CommandContext,
  list: ListName,
  call: 'addToList' | 'removeFromList',
  texts: readonly string[],
): Promise<ExitCode> => {
  if (texts.length === 0) throw refused(list === 'peers' ? 'expected a peer id' : 'expected an address')
  const members = texts.map((text) => memberOf(list, text))
  const sender = await senderOf(context, usage)
  const receipt = await perform(context, sender, callOf(params, call, [list, members]))
  if (receipt === null) return exitCode.ok
  const event = call === 'addToList' ? 'MemberListed' : 'MemberUnlisted'
  const changed = receipt.events.filter((each) => each.event === event).length
  const done = call === 'addToList' ? 'put on' : 'taken off'
  context.out(
    { list, changed, ...receipt },
    `${changed} of ${members.length} ${done} the list ${list}, in block ${receipt.height}`,
  )
  return exitCode.ok
}
