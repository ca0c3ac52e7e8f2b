// bridge send, status, claim, relay: messages between NovaChain and the chains that it has bridges to. Owns what is said of them; what is proven and how is
// `node/bridge/`'s. Whoever relays or claims needs no right to: an account that pays for gas.
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  equalBytes,
  type Hash,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { abi as moduleAbi } from '../../chain/native/bridge/abi.ts'
import { isNoWord, type Message, messageId, Status } from '../../chain/native/bridge/message.ts'
import { BRIDGE } from '../../chain/native/index.ts'
import { decodeEvent, encodeCall } from '../../chain/native/kit/abi.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { parseAmount, time } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { blocksOf } from '../bridge/finding.ts'
import { explained } from '../bridge/refusals.ts'
import {
  type End,
  type Fees,
  feesOf,
  type Relaying,
  type Route,
  sidesOf,
  startRelaying,
  vaultOf,
} from '../bridge/relaying.ts'
import { readSettings, type Settings } from '../bridge/settings.ts'
import type { Deed } from '../bridge/sides.ts'
import { MODULE_SLACK_GAS } from '../modules.ts'
import { accountOf } from '../reporter.ts'
import { createL1 } from '../rollup/l1.ts'
import { systemClock, systemTimers } from '../system.ts'
import { createLog, createTelemetry, serveTelemetry } from '../telemetry.ts'
import { sendBidding } from './bidding.ts'
import { routeOptions, routeSwitches, setRoute } from './bridge-routes.ts'
import { checkedAddress, fieldOf, rows, senderOf, sending, urlOf } from './send.ts'

const usage = 'bridge send|status|claim|relay|open|close … [--rpc <url>] [--from <keystore>]'

const BridgeCommandErrors = defineErrors('BRIDGECMD', {
  NOT_THERE: {
    text: (d: { id: string; chain: bigint; from: number; to: number }) =>
      `the endpoint of chain ${d.chain} has no log of message ${d.id} in blocks ${d.from} to ${d.to}, where its contract sent it: ask another one`,
  },
  NOT_YET: { text: (d: { id: string }) => `message ${d.id} is not proven to its target yet: try again later` },
  SETTLED: { text: (d: { id: string; status: string }) => `message ${d.id} is ${d.status} already` },
  UNKNOWN: { text: (d: { id: string }) => `neither chain has sent a message ${d.id}` },
})

const {
  rpc,
  from,
  'dev-account': devAccount,
  sender,
  'password-file': passwordFile,
  tip,
  nonce,
  timeout,
} = sending.options
export const bridge: Command = {
  usage,
  summary:
    'Send to another chain and back, see what became of a message, bring one or relay all; open and close routes.',
  verbs: [
    'bridge send <target chain> <recipient> <amount> [--token <address>] [--data <hex>] [--l1 <url>]',
    'bridge status <id> [--l1 <url>]',
    'bridge claim <id> --l1 <url> --settlement <address>',
    'bridge relay --chains <id>=<url>,… --settlements <id>=<address>,… [--from-blocks <id>=<height>,…] --dir <folder>',
    'bridge relay --config <relayer.toml>',
    'bridge open <chain> coin|<token> --l1 <url> --cap <amount> --limit <amount> [--theirs] [--vault <address>] [--there]',
    'bridge close <chain> coin|<token> --l1 <url> [--theirs] [--there]',
  ],
  argsMax: 4,
  options: {
    ...{ rpc, from, 'dev-account': devAccount, 'password-file': passwordFile, timeout },
    ...routeOptions,
    sender,
    nonce,
    'max-fee': 'most to pay for a unit of gas, also when it grows dear while it waits; default by the chain',
    tip: `${tip}; relay: by the chain`,
    l1: 'JSON-RPC of the other chain; with send: that one sends, to NovaChain',
    'l1-chain-id': 'its chain id; default 137, Polygon',
    token: 'send: what is sent, on the sending chain; default its coin. A vault takes a token by allowance',
    data: 'send: bytes for the recipient, as 0x and hex',
    settlement: 'claim: the settlement contract on the other chain',
    chains: 'relay: each chain’s endpoint, as 137=https://…, comma between',
    settlements: 'relay: each chain’s settlement contract, as 137=0x…',
    'from-blocks': 'relay: the block to begin at, as 137=6000000; default the first',
    dir: 'relay: folder of its places and records',
    config: 'relay: a TOML file that says all of it; flags and variables go before it',
    'metrics-port': 'relay: port of /metrics and /health on this machine; default none',
    'low-balance': 'relay: less than this on an account is told; default by the chain',
  },
  switches: { ...routeSwitches, unsigned: `open, close: ${sending.switches.unsigned}` },
  async run(context) {
    const [name = '', ...rest] = context.args
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected send, status, claim, relay, open or close', usage })
    if (rest.length !== verb.takes)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `bridge ${name} takes ${verb.takes} arguments`, usage })
    return verb.run(context, rest)
  },
}

interface Verb {
  readonly takes: number
  readonly run: (context: CommandContext, args: readonly string[]) => Promise<ExitCode>
}

const refuse = (reason: string): NodeError => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
const chainIn = (text: string | undefined, what: string): bigint => {
  if (text === undefined || !/^[1-9]\d{0,18}$/.test(text))
    throw refuse(`expected ${what} as a chain id, have ${text ?? 'none'}`)
  return BigInt(text)
}
const idIn = (text: string | undefined): Hash => {
  if (text === undefined || !/^0x[0-9a-fA-F]{64}$/.test(text))
    throw refuse('expected a message’s id, 0x and 64 hex digits')
  return asHash(hexToBytes(text))
}
const addressIn = (text: string, flag: string): Address =>
  asAddress(hexToBytes(checkedAddress(text, flag).toLowerCase()))
const l1ChainOf = (context: CommandContext): bigint => chainIn(context.flags['l1-chain-id'] ?? '137', '--l1-chain-id')
const novaOf = async (context: CommandContext) => {
  const url = urlOf(context)
  return { url, chain: BigInt(String(await request(url, 'eth_chainId'))) }
}
/** The same command before another node. */
const at = (context: CommandContext, url: string): CommandContext => ({
  ...context,
  flags: { ...context.flags, rpc: url },
})

interface Order {
  readonly call: string
  readonly to: Address
  readonly data: Uint8Array
  readonly value: bigint
}
/** Tried first, which changes nothing and tells a refusal; then sent and waited for. */
const performed = async (context: CommandContext, { call, to, data, value }: Order) => {
  const sender = await senderOf(context, usage)
  const order = { to: bytesToHex(to), value, data: bytesToHex(data) }
  const tried = { from: sender.address, to: order.to, value: `0x${value.toString(16)}`, data: order.data }
  await request(urlOf(context), 'eth_call', [tried, 'latest']).catch(explained(call))
  const chain = BigInt(String(await request(urlOf(context), 'eth_chainId')))
  const bids = { slackGas: MODULE_SLACK_GAS, mostWei: feesOf(chain).maxFeeWei }
  return sendBidding(context, sender, order, bids).catch(explained(call))
}

const send = async (context: CommandContext, [chain, to, amountText]: readonly string[]): Promise<ExitCode> => {
  const { flags } = context
  const target = chainIn(chain, 'the target')
  const recipient = addressIn(to ?? '', 'recipient')
  const amount = parseAmount(amountText ?? '')
  const data = hexToBytes(fieldOf(context, 'data', /^0x([0-9a-fA-F]{2})*$/, '0x and whole bytes of hex') ?? '0x')
  const token = addressIn(flags.token ?? `0x${'00'.repeat(20)}`, 'token')
  const isInward = flags.l1 !== undefined
  const nova = await novaOf(context)
  const contract = isInward
    ? await vaultOf(createL1({ url: nova.url, chainId: nova.chain }), l1ChainOf(context))
    : BRIDGE
  const source = flags.l1 === undefined ? context : at(context, flags.l1)
  const value = flags.token === undefined ? amount : 0n
  const input = encodeCall(moduleAbi.functions.send, [target, recipient, token, amount, data])
  const { hash, height } = await performed(source, { call: 'send', to: contract, data: input, value })
  const message = await sentBy(urlOf(source), hash, contract)
  const shown = {
    ...(message && { id: bytesToHex(messageId(message)), ...plainOf(message) }),
    transaction: hash,
    block: height,
  }
  context.out(shown, `${rows(shown)}\nnovachain bridge status ${shown.id ?? '<id>'} shows what becomes of it`)
  return exitCode.ok
}
interface RpcLog {
  readonly address: string
  readonly topics: readonly string[]
  readonly data: string
}
/** What a contract sent in a transaction that is there; null where the node does not say: it is sent all the same. */
const sentBy = async (url: string, hash: string, contract: Address): Promise<Message | null> => {
  const receipt = await request(url, 'eth_getTransactionReceipt', [hash]).catch((error: unknown) => {
    if (error instanceof NodeError && error.code.startsWith('CLIENT_')) return null
    throw error
  })
  const { logs } = (receipt ?? { logs: [] }) as { readonly logs: readonly RpcLog[] } // it was just there
  const { MessageSent } = moduleAbi.events
  const log = logs.find(
    ({ address, topics }) => address.toLowerCase() === bytesToHex(contract) && topics[0] === MessageSent.topic,
  )
  if (log === undefined) return null
  return decodeEvent(MessageSent, {
    topics: log.topics.map((each) => asHash(hexToBytes(each))),
    data: hexToBytes(log.data),
  }).message
}
const plainOf = ({ sourceChain, targetChain, sequence, deadline, amount }: Message) => ({
  ...{ source: `${sourceChain}`, target: `${targetChain}`, sequence: `${sequence}`, amount: `${amount}` },
  deadline: deadline === 0n ? 'none' : time(deadline),
})

const NAMES = Object.fromEntries(Object.entries(Status).map(([name, value]) => [`${value}`, name]))
/** As the contract keeps it; `changedAt` in seconds, of the block that last changed the status. */
const transferAt = async (url: string, contract: Address, id: Hash) => {
  const data = bytesToHex(encodeCall(moduleAbi.functions.transfer, [id]))
  const answer = String(
    await request(url, 'eth_call', [{ to: bytesToHex(contract), data }, 'latest']).catch(explained('transfer')),
  )
  const [status = 0n, chain = 0n, sequence = 0n, changedAt = 0n] = (answer.slice(2).match(/.{64}/g) ?? []).map((word) =>
    BigInt(`0x${word}`),
  )
  return { status, chain, sequence, changedAt }
}
const shownOf = ({ status, chain, sequence, changedAt }: Awaited<ReturnType<typeof transferAt>>) => ({
  status: NAMES[`${status}`] ?? `${status}`,
  ...{ chain: `${chain}`, sequence: `${sequence}`, changedAt: changedAt === 0n ? 'never' : time(changedAt) },
})

const status = async (context: CommandContext, [text]: readonly string[]): Promise<ExitCode> => {
  const id = idIn(text)
  const nova = await novaOf(context)
  const here = shownOf(await transferAt(nova.url, BRIDGE, id))
  const { l1 } = context.flags
  const vault =
    l1 === undefined ? null : await vaultOf(createL1({ url: nova.url, chainId: nova.chain }), l1ChainOf(context))
  const there = l1 === undefined || vault === null ? null : shownOf(await transferAt(l1, vault, id))
  const said = ({ status: name, chain, sequence, changedAt }: ReturnType<typeof shownOf>): string =>
    name === 'none' ? 'not known there' : `${name}, number ${sequence}, other chain ${chain}, since ${changedAt}`
  context.out(
    { id: bytesToHex(id), novachain: here, other: there },
    rows({ novachain: said(here), other: there === null ? 'not asked: --l1' : said(there) }),
  )
  return here.status === 'none' && (there === null || there.status === 'none') ? exitCode.failed : exitCode.ok
}

const claim = async (context: CommandContext, [text]: readonly string[]): Promise<ExitCode> => {
  const id = idIn(text)
  const { l1: url, settlement } = context.flags
  if (url === undefined || settlement === undefined) throw refuse('expected --l1 <url> and --settlement <address>')
  const nova = await novaOf(context)
  const route = { chain: l1ChainOf(context), url, settlement: addressIn(settlement, 'settlement') }
  const ends = await sidesOf({ nova, route })
  const here = { ...ends.here, url: nova.url, chain: nova.chain }
  const there = { ...ends.there, url, chain: route.chain }
  const statusOf = async (of: typeof here) => of.side.status(id, (await of.l1.block('latest')).hash)
  const [statusHere, statusThere] = [await statusOf(here), await statusOf(there)]
  const isOut = statusHere === Status.sent || statusHere === Status.refunded
  if (!isOut && statusThere !== Status.sent && statusThere !== Status.refunded)
    throw new NodeError(BridgeCommandErrors.UNKNOWN, { id: bytesToHex(id) })
  const [source, target] = isOut ? [here, there] : [there, here]
  const ended = isOut ? statusThere : statusHere
  if (ended !== Status.none)
    throw new NodeError(BridgeCommandErrors.SETTLED, { id: bytesToHex(id), status: NAMES[`${ended}`] ?? '' })
  const found = await messageOf(source, id)
  const deed = await deedOf(found, target)
  const data = await target.side.call(found, deed, await target.l1.block('finalized'))
  if (data === null) throw new NodeError(BridgeCommandErrors.NOT_YET, { id: bytesToHex(id) })
  const order = { call: deed.kind, to: target.side.contract, data, value: 0n }
  const { hash, height } = await performed(isOut ? at(context, url) : context, order)
  const notice = deed.kind === 'refuse' ? await sentBy(target.url, hash, target.side.contract) : null
  const shown = {
    ...{ id: bytesToHex(id), deed: deed.kind, ...plainOf(found), transaction: hash, block: height },
    ...(notice && { notice: bytesToHex(messageId(notice)) }),
  }
  const next =
    notice === null ? '' : `\nit came too late: novachain bridge claim ${shown.notice} pays it back where it came from`
  context.out(shown, `${rows(shown)}${next}`)
  return exitCode.ok
}
interface At extends End {
  readonly url: string
  readonly chain: bigint
}
/** A message that its source still owes: what that keeps of it says when it was sent, and so in which block. */
const messageOf = async ({ side, sent, l1, url, chain }: At, id: Hash): Promise<Message> => {
  const { changedAt, sequence } = await transferAt(url, side.contract, id)
  const { number: head } = await l1.block('latest')
  const second = Number(changedAt)
  const { from, to } = await blocksOf((height) => secondAt(url, height), { chain, second, head })
  const found = await sent.sent(side.contract, from, to, sequence - 1n)
  const one = found.find(({ message }) => equalBytes(messageId(message), id))
  if (one !== undefined) return one.message
  throw new NodeError(BridgeCommandErrors.NOT_THERE, { id: bytesToHex(id), chain, from, to })
}
/** null where the node has the block no more. */
const secondAt = async (url: string, height: number): Promise<number | null> => {
  const block = await request(url, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false]).catch(
    (error: unknown) => {
      if (error instanceof NodeError && error.code === ClientErrors.ANSWER.code) return null
      throw error
    },
  )
  const second = Number((block as { readonly timestamp?: string } | null)?.timestamp)
  return Number.isSafeInteger(second) ? second : null
}
const deedOf = async (message: Message, target: At): Promise<Deed> => {
  if (!isNoWord(message.refundOf))
    return { kind: 'refund', original: await messageOf(target, asHash(message.refundOf)) }
  const { timeMs } = await target.l1.block('latest')
  return { kind: BigInt(Math.floor(timeMs / 1_000)) > message.deadline ? 'refuse' : 'deliver' }
}

/** `137=what,1=what` by chain. */
const listIn = (context: CommandContext, flag: string): ReadonlyMap<bigint, string> =>
  new Map(
    (context.flags[flag] ?? '')
      .split(',')
      .filter(Boolean)
      .map((entry) => {
        const [, chain, what] = /^(\d{1,19})=(.+)$/.exec(entry) ?? []
        if (chain === undefined || what === undefined) throw refuse(`--${flag} takes <chain id>=<what>, comma between`) // may hold a secret
        return [BigInt(chain), what]
      }),
  )
const routesOf = (context: CommandContext): readonly Route[] => {
  const [urls, settlements, blocks] = [
    listIn(context, 'chains'),
    listIn(context, 'settlements'),
    listIn(context, 'from-blocks'),
  ]
  if (urls.size === 0) throw refuse('expected --chains <id>=<url>')
  return [...urls].map(([chain, url]) => {
    if (!URL.canParse(url) || !/^https?:/.test(url)) throw refuse(`--chains: chain ${chain} has no http URL`)
    const settlement = settlements.get(chain)
    if (settlement === undefined) throw refuse(`--settlements names no contract on chain ${chain}`)
    const block = blocks.get(chain) ?? '0'
    if (!/^\d{1,15}$/.test(block)) throw refuse(`--from-blocks: chain ${chain} has no height`)
    return { chain, url, settlement: addressIn(settlement, 'settlements'), from: Number(block) }
  })
}

const feesIn = ({ maxFee, tip: tipText, lowBalance }: Settings['chains'][string]): Partial<Fees> => ({
  ...(maxFee !== undefined && { maxFeeWei: parseAmount(maxFee) }),
  ...(tipText !== undefined && { tipWei: parseAmount(tipText) }),
  ...(lowBalance !== undefined && { lowBalanceWei: parseAmount(lowBalance) }),
})
/** The same command as if what a file says had been given by flags; and the chains it names. */
const withSettings = (context: CommandContext) => {
  const { flags } = context
  if (flags.config === undefined) return { context, routes: null }
  const { chains, metricsPort, passwordFile, ...rest } = readSettings(flags.config)
  const given = { ...rest, 'password-file': passwordFile, 'metrics-port': metricsPort?.toString() }
  const set = Object.entries({ ...given, ...flags }).filter(([, value]) => value !== undefined)
  const routes = Object.entries(chains).map(([chain, of]) => {
    const { url, settlement, fromBlock: from, inFlight } = of
    const at = { chain: BigInt(chain), url, settlement: addressIn(settlement, 'settlement'), from }
    return { ...at, fees: feesIn(of), ...(inFlight !== undefined && { inFlight }) }
  })
  return { context: { ...context, flags: Object.fromEntries(set) }, routes }
}

const relay = async (given: CommandContext): Promise<ExitCode> => {
  const { context, routes: named } = withSettings(given)
  const { flags, signal } = context
  if (flags.dir === undefined) throw refuse('expected --dir <folder>')
  const routes = named === null || flags.chains !== undefined ? routesOf(context) : named
  if (routes.length === 0) throw refuse(`expected [chains.<id>] in ${flags.config}`)
  const port = fieldOf(context, 'metrics-port', /^\d{1,5}$/, 'a port')
  const amountOf = (flag: string): bigint | null => (flags[flag] === undefined ? null : parseAmount(flags[flag] ?? ''))
  const [maxFeeWei, tipWei, lowBalanceWei] = [amountOf('max-fee'), amountOf('tip'), amountOf('low-balance')]
  const { wallet } = await senderOf(context, usage)
  if (wallet === null) throw refuse('relay signs: --from <keystore>')
  const nova = await novaOf(context)
  const [ended, end] = [new AbortController(), { fault: null as unknown }]
  const { meter, registry } = createTelemetry()
  const deps = {
    ...{
      account: accountOf(hexToBytes(wallet.privateKey)),
      clock: systemClock,
      timers: systemTimers,
      log: createLog('info'),
      meter,
    },
    onFault: (error: unknown): void => {
      end.fault = error
      ended.abort()
    },
  }
  const fees = {
    ...(maxFeeWei !== null && { maxFeeWei }),
    ...(tipWei !== null && { tipWei }),
    ...(lowBalanceWei !== null && { lowBalanceWei }),
  }
  const relaying = await startRelaying(deps, flags.dir, { nova, routes, fees })
  const health = {
    notReady: (): string | null => relaying.status().find(({ fault }) => fault !== null)?.fault ?? null,
    warning: () => null,
  }
  const metrics =
    port === null ? null : await serveTelemetry(registry, { host: '127.0.0.1', port: Number(port) }, health)
  if (metrics !== null) deps.log.info({ port: metrics.port }, 'metrics are at this port')
  await aborted(AbortSignal.any([signal, ended.signal]))
  await metrics?.close()
  await relaying.close()
  if (end.fault !== null) throw end.fault
  tell(context, relaying)
  return exitCode.ok
}
const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((done) => signal.addEventListener('abort', () => done(), { once: true }))
const tell = (context: CommandContext, relaying: Relaying): void => {
  const chains = relaying.status().map(({ chain, balanceWei, lanes, waits, fault }) => ({
    ...{ chain: `${chain}`, waits, fault, balanceWei: balanceWei === null ? null : `${balanceWei}` },
    lanes: lanes.map(({ target, height, messages, isPaused }) => ({ target: `${target}`, height, messages, isPaused })),
  }))
  const line = ({ waits, lanes }: (typeof chains)[number]): string =>
    `${waits}; ${lanes.map(({ target, height, messages }) => `to ${target}: read to block ${height}, ${messages} messages under way`).join('; ')}`
  context.out({ chains }, rows(Object.fromEntries(chains.map((each) => [each.chain, line(each)]))))
}

const VERBS: Readonly<Record<string, Verb>> = {
  send: { takes: 3, run: send },
  status: { takes: 1, run: status },
  claim: { takes: 1, run: claim },
  relay: { takes: 0, run: relay },
  open: { takes: 2, run: setRoute(true) },
  close: { takes: 2, run: setRoute(false) },
}
