// bridge open, close: a token's route to another chain. Both ends belong to somebody: governance has the module's, the owner of the vault, which is a
// timelock, the other. Owns what of a route is still missing on a side, read from both chains, so that the same command goes on where it ended.
import { Interface, parseUnits } from 'ethers'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { abi as moduleAbi } from '../../chain/native/bridge/abi.ts'
import { BRIDGE, PARAMS } from '../../chain/native/index.ts'
import { abi as paramsAbi } from '../../chain/native/params/abi.ts'
import { NovaVault } from '../../contracts/bridge/NovaVault.artifact.ts'
import { NovaTimelock } from '../../contracts/governed/NovaTimelock.artifact.ts'
import { request } from '../../rpc/client/http.ts'
import { time } from '../amounts.ts'
import { type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { explained, isRefusal } from '../bridge/refusals.ts'
import { MODULE_SLACK_GAS } from '../modules.ts'
import { printable } from '../screen.ts'
import { checkedAddress, dispatch, fieldOf, receiptOf, rows, senderOf, urlOf } from './send.ts'

const usage =
  'bridge open|close <chain> coin|<token> --l1 <url> [--theirs] [--there] [--vault <address>] [--cap <amount> --limit <amount>] [--from <keystore>]'

const RouteErrors = defineErrors('BRIDGEROUTE', {
  CHAIN: {
    text: (d: { url: string; have: string; want: string }) =>
      `${d.url} serves chain ${d.have}, and chain ${d.want} is wanted`,
  },
  VAULT: {
    text: (d: { have: string; want: string }) =>
      `NovaChain is connected to the vault ${d.have} there, not to ${d.want}: leave --vault out`,
  },
  NO_VAULT: {
    text: (d: { address: string; chain: string }) =>
      `there is no vault at ${d.address} on chain ${d.chain}: novachain rollup deploy with --guardian makes one and names its address`,
  },
  UNCONNECTED: {
    text: (d: { chain: string }) =>
      `NovaChain has no bridge to chain ${d.chain} yet: --vault names the contract there, which novachain rollup deploy made`,
  },
  TOKEN: {
    text: (d: { token: string; where: string; reason: string }) =>
      `the token ${d.token} ${d.where} does not say its ${d.reason}: give --name, --symbol and --decimals`,
  },
  OTHER_SIDE: {
    text: (d: { isThere: boolean }) =>
      d.isThere
        ? 'the other side comes first: the same command without --there makes the token that theirs is here'
        : 'the other side comes first: the same command with --there (and --vault) makes the token that ours is there, once its timelock lets it',
  },
  SAYS_OTHER: {
    text: (d: { flag: string; value: string; says: string }) =>
      `--${d.flag} ${d.value}: the token itself says ${d.says}, leave the flag out`,
  },
  OTHER_NETWORK: {
    text: (d: { vault: string; chain: string }) =>
      `the vault ${d.vault} is not of chain ${d.chain}, which NovaChain is: name another`,
  },
  AMOUNT: {
    text: (d: { flag: string; value: string; decimals: number }) =>
      `--${d.flag} ${d.value}: expected whole tokens as 1000000 or 0.5, of at most ${d.decimals} decimals, and no more than 2^128 of their smallest part`,
  },
})

/** What the two verbs take beside the flags of whoever sends. */
export const routeOptions = {
  vault: 'open: the vault there, for the first route to that chain',
  cap: 'open: the most that may be outstanding, in whole tokens',
  limit: 'open: the most that comes in at once, in whole tokens; what was used up is free again over the window',
  name: 'open: of a token that does not say it, and of a coin there',
  symbol: 'open: the same',
  decimals: 'open: the same; a coin has 18',
} as const
export const routeSwitches = {
  theirs: 'open, close: the token is the other chain’s, and wrapped here',
  there: 'open, close: the vault’s side, by its owner on the other chain, in place of this one’s by governance',
} as const

const COIN = `0x${'00'.repeat(20)}`
const WORD_MAX = 1n << 128n
const moduleFace = new Interface(
  [moduleAbi.functions, moduleAbi.errors].flatMap((group) => Object.values(group).map(({ source }) => source)),
)
const paramsFace = new Interface(Object.values(paramsAbi.functions).map(({ source }) => source))
const vaultFace = new Interface(NovaVault.abi)
const timelockFace = new Interface(NovaTimelock.abi)
const tokenFace = new Interface([
  'function name() view returns (string)',
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
])

const refuse = (reason: string): NodeError => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
const padded = (address: string): string => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`

/** One end: its contract and who decides there. */
interface Side {
  readonly url: string
  readonly contract: string
  readonly face: Interface
  readonly owner: string
}
const ask = async (
  { url, contract, face }: Omit<Side, 'owner'>,
  name: string,
  args: readonly unknown[],
  from?: string,
) => {
  const call = { ...(from !== undefined && { from }), to: contract, data: face.encodeFunctionData(name, args) }
  const answer = await request(url, 'eth_call', [call, 'latest']).catch(explained(name))
  return face.decodeFunctionResult(name, String(answer))
}

interface Known {
  readonly name: string
  readonly symbol: string
  readonly decimals: number
}
/** Which token, where its home is, and what may pass. */
interface Wish {
  readonly chain: bigint
  readonly token: string
  readonly isTheirs: boolean
  readonly isOpen: boolean
}

const TEXT_MAX = 64
const OWN_COIN = { name: 'Nova', symbol: 'NOVA' } as const
/** As the token says, where no flag says it. Throws BRIDGEROUTE_TOKEN. */
const knownOf = async (context: CommandContext, url: string, { token, isTheirs }: Wish): Promise<Known> => {
  const where = isTheirs ? 'there' : 'here'
  const saidOf = async (field: 'name' | 'symbol' | 'decimals'): Promise<string | null> => {
    if (token === COIN) return field === 'decimals' ? '18' : isTheirs ? null : OWN_COIN[field]
    const answer = await ask({ url, contract: token, face: tokenFace }, field, []).catch(() => null)
    const said = answer === null ? '' : String(answer[0])
    return said === '' || said.length > TEXT_MAX || printable(said) !== said ? null : said
  }
  const of = async (field: 'name' | 'symbol' | 'decimals'): Promise<string> => {
    const [says, value] = [await saidOf(field), context.flags[field]]
    // The address of what is made of a token follows from all three: both sides must say the same.
    if (says !== null && value !== undefined && value !== says)
      throw new NodeError(RouteErrors.SAYS_OTHER, { flag: field, value, says })
    const known = says ?? value
    if (known !== undefined) return known
    throw new NodeError(RouteErrors.TOKEN, { token: token === COIN ? 'coin' : token, where, reason: field })
  }
  const [name, symbol, decimals] = [await of('name'), await of('symbol'), await of('decimals')]
  if (!/^\d{1,2}$/.test(decimals)) throw refuse(`--decimals: expected 0 to 99, have ${decimals}`)
  return { name, symbol, decimals: Number(decimals) }
}
const amountOf = (context: CommandContext, flag: 'cap' | 'limit', decimals: number): bigint => {
  const value = context.flags[flag]
  if (value === undefined) throw refuse(`expected --${flag} <whole tokens>`)
  const refused = new NodeError(RouteErrors.AMOUNT, { flag, value, decimals })
  const [whole, fraction = ''] = /^\d{1,39}(?:\.(\d{1,77}))?$/.exec(value) ?? []
  if (whole === undefined || fraction.length > decimals) throw refused
  const amount = parseUnits(value, decimals)
  if (amount >= WORD_MAX) throw refused
  return amount
}

const sidesOf = async (context: CommandContext, wish: Wish) => {
  const { l1, vault: given } = context.flags
  if (l1 === undefined) throw refuse('expected --l1 <url> of the other chain')
  const url = urlOf(context)
  const have = BigInt(String(await request(l1, 'eth_chainId')))
  if (have !== wish.chain) throw new NodeError(RouteErrors.CHAIN, { url: l1, have: `${have}`, want: `${wish.chain}` })
  const module = { url, contract: bytesToHex(BRIDGE), face: moduleFace }
  const [[connected]] = await ask(module, 'chainOf', [wish.chain])
  const isConnected = BigInt(connected) !== 0n
  const want = given === undefined ? null : checkedAddress(given, 'vault').toLowerCase()
  if (isConnected && want !== null && want !== connected.toLowerCase())
    throw new NodeError(RouteErrors.VAULT, { have: connected, want })
  const vaultAt = isConnected ? connected.toLowerCase() : want
  if (vaultAt === null) throw new NodeError(RouteErrors.UNCONNECTED, { chain: `${wish.chain}` })
  if ((await request(l1, 'eth_getCode', [vaultAt, 'latest'])) === '0x')
    throw new NodeError(RouteErrors.NO_VAULT, { address: vaultAt, chain: `${wish.chain}` })
  const vault = { url: l1, contract: vaultAt, face: vaultFace }
  const ourChain = BigInt(String(await request(url, 'eth_chainId')))
  // Sending nothing, which the vault of this chain refuses for that, or for a pause.
  const probed = await ask(vault, 'send', [ourChain, vaultAt, COIN, 0n, '0x']).catch((error: unknown) => error)
  if (isRefusal(probed, 'WrongChain'))
    throw new NodeError(RouteErrors.OTHER_NETWORK, { vault: vaultAt, chain: `${ourChain}` })
  const params = { url, contract: bytesToHex(PARAMS), face: paramsFace }
  const [[governance], [owner]] = await Promise.all([ask(params, 'governance', []), ask(vault, 'owner', [])])
  return {
    here: { ...module, owner: String(governance) },
    there: { ...vault, owner: String(owner) },
    isConnected,
  }
}
type Sides = Awaited<ReturnType<typeof sidesOf>>

/** What a token of one side is on the other: null where it is not made yet. */
const wrappedOf = async ({ here, there }: Sides, { chain, token, isTheirs }: Wish): Promise<string | null> => {
  const [found, known] = isTheirs
    ? await ask(here, 'tokenOf', [chain, padded(token)])
    : await ask(there, 'tokenOf', [padded(token)])
  return known ? String(found).toLowerCase() : null
}

interface Call {
  readonly name: string
  readonly args: readonly unknown[]
}
interface Bounds extends Known {
  readonly cap: bigint
  readonly limit: bigint
}
/** The side's own route of its own token, as it should be; nothing where it is so. */
const routeCall = async (
  side: Side,
  isHere: boolean,
  of: { readonly wish: Wish; readonly local: string; readonly remote: string | null; readonly bounds: Bounds | null },
): Promise<readonly Call[]> => {
  const { wish, local, bounds } = of
  const prefix = isHere ? [wish.chain] : []
  const [[heldRemote, isKnown, wasOpen, , heldCap, heldLimit]] = await ask(side, 'routeOf', [...prefix, local])
  if (bounds === null && !isKnown) return []
  const remote = of.remote ?? heldRemote
  const cap = bounds?.cap ?? heldCap
  const limit = bounds?.limit ?? heldLimit
  const isSo = isKnown && heldRemote === remote && wasOpen === wish.isOpen && heldCap === cap && heldLimit === limit
  return isSo ? [] : [{ name: 'setRoute', args: [...prefix, local, remote, cap, limit, wish.isOpen] }]
}

/** In the order in which they go: all that one side can do now. The address of a token that is about to be made is what making it would answer. */
const missingHere = async (sides: Sides, wish: Wish, bounds: Bounds | null): Promise<readonly Call[]> => {
  const { here, there } = sides
  const { chain, token, isTheirs } = wish
  // Opened before, money would leave for a token that is not there, at an address that may not become its own.
  if (!isTheirs && bounds !== null && (await wrappedOf(sides, wish)) === null)
    throw new NodeError(RouteErrors.OTHER_SIDE, { isThere: false })
  if (!sides.isConnected) return bounds === null ? [] : [{ name: 'setChain', args: [chain, there.contract] }]
  const wrapped = await wrappedOf(sides, wish)
  if (isTheirs) {
    if (wrapped !== null) return routeCall(here, true, { wish, local: wrapped, remote: padded(token), bounds })
    if (bounds === null) return []
    return [{ name: 'createWrapped', args: [chain, padded(token), bounds.name, bounds.symbol, bounds.decimals] }]
  }
  return routeCall(here, true, { wish, local: token, remote: wrapped && padded(wrapped), bounds })
}
const missingThere = async (sides: Sides, wish: Wish, bounds: Bounds | null): Promise<readonly Call[]> => {
  const { there } = sides
  const { token, isTheirs } = wish
  const wrapped = await wrappedOf(sides, wish)
  if (isTheirs) {
    if (wrapped === null && bounds === null) return []
    if (wrapped === null) throw new NodeError(RouteErrors.OTHER_SIDE, { isThere: true })
    return routeCall(there, false, { wish, local: token, remote: padded(wrapped), bounds })
  }
  if (wrapped !== null) return routeCall(there, false, { wish, local: wrapped, remote: padded(token), bounds })
  if (bounds === null) return [] // nothing was ever open
  const made = await madeThere(there, token, bounds)
  return [
    { name: 'createWrapped', args: [padded(token), bounds.name, bounds.symbol, bounds.decimals] },
    { name: 'setRoute', args: [made, padded(token), bounds.cap, bounds.limit, wish.isOpen] },
  ]
}
const madeThere = async (there: Side, token: string, { name, symbol, decimals }: Known): Promise<string> => {
  const [made] = await ask(there, 'createWrapped', [padded(token), name, symbol, decimals], there.owner)
  return String(made).toLowerCase()
}

/** One transaction, tried first, which changes nothing and tells a refusal. null where it was printed to be signed elsewhere. */
const perform = async (context: CommandContext, side: Side, to: string, data: string, name: string) => {
  const at = { ...context, flags: { ...context.flags, rpc: side.url } }
  const sender = await senderOf(at, usage)
  const tried = { from: sender.address, to, data }
  await request(side.url, 'eth_call', [tried, 'latest']).catch(explained(name))
  const hash = await dispatch(at, sender, { to, value: 0n, data }, MODULE_SLACK_GAS).catch(explained(name))
  return hash === null ? null : receiptOf(at, hash)
}

type Outcome = { readonly done: readonly string[]; readonly waits: string | null } | null
/** Until nothing is missing; each look may show more, for what was made has an address now. null: printed. */
const direct = async (
  context: CommandContext,
  side: Side,
  missing: () => Promise<readonly Call[]>,
): Promise<Outcome> => {
  const done: string[] = []
  for (let calls = await missing(); calls.length > 0; calls = await missing()) {
    const [next] = calls
    if (next === undefined || done.length > CALLS_MAX) break
    const data = side.face.encodeFunctionData(next.name, next.args)
    const receipt = await perform(context, side, side.contract, data, next.name)
    if (receipt === null) return null
    done.push(`${next.name}: ${receipt.hash}`)
  }
  return { done, waits: null }
}
/** A connection, a token, a route. */
const CALLS_MAX = 3

/** The owner's timelock: all at once, scheduled by who may propose, and once it is due executed by anybody. */
const timelocked = async (
  context: CommandContext,
  side: Side,
  missing: () => Promise<readonly Call[]>,
): Promise<Outcome> => {
  const calls = await missing()
  if (calls.length === 0) return { done: [], waits: null }
  const timelock = { url: side.url, contract: side.owner, face: timelockFace }
  const payloads = calls.map(({ name, args }) => side.face.encodeFunctionData(name, args))
  const batch = [calls.map(() => side.contract), calls.map(() => 0n), payloads, NO_WORD] as const
  for (let salt = 0n; ; salt++) {
    const word = `0x${salt.toString(16).padStart(64, '0')}`
    const [id] = await ask(timelock, 'hashOperationBatch', [...batch, word])
    const [at] = await ask(timelock, 'getTimestamp', [id])
    if (at === DONE) continue // was done once, and has been undone since
    const { timestamp } = (await request(side.url, 'eth_getBlockByNumber', ['latest', false])) as { timestamp: string } // every chain has one
    if (at > BigInt(timestamp)) return { done: [], waits: `due at ${time(at)}: the same command executes it then` }
    const [delay] = await ask(timelock, 'getMinDelay', [])
    const isDue = at !== 0n
    const name = isDue ? 'executeBatch' : 'scheduleBatch'
    const data = timelockFace.encodeFunctionData(name, isDue ? [...batch, word] : [...batch, word, delay])
    const receipt = await perform(context, side, side.owner, data, name)
    if (receipt === null) return null
    const waits = isDue ? null : `due ${delay} s after block ${receipt.height}: the same command executes it then`
    return { done: [`${name}: ${receipt.hash}`], waits }
  }
}
const NO_WORD = `0x${'00'.repeat(32)}`
const DONE = 1n

const isTimelock = async (side: Side): Promise<boolean> =>
  (await request(side.url, 'eth_getCode', [side.owner, 'latest'])) !== '0x' &&
  (await ask({ ...side, contract: side.owner, face: timelockFace }, 'getMinDelay', []).then(
    () => true,
    () => false,
  ))

/** The two verbs: brings one side of a route to what is wished. */
export const setRoute =
  (isOpen: boolean) =>
  async (context: CommandContext, [chainText = '', tokenText = '']: readonly string[]): Promise<ExitCode> => {
    if (!/^[1-9]\d{0,18}$/.test(chainText)) throw refuse(`expected a chain id, have ${chainText}`)
    const token = tokenText === 'coin' ? COIN : checkedAddress(tokenText, 'token').toLowerCase()
    const isThere = context.switches.has('there')
    const wish = { chain: BigInt(chainText), token, isTheirs: context.switches.has('theirs'), isOpen }
    fieldOf(context, 'decimals', /^\d{1,2}$/, '0 to 99')
    const sidesNow = await sidesOf(context, wish)
    const known = isOpen ? await knownOf(context, wish.isTheirs ? sidesNow.there.url : sidesNow.here.url, wish) : null
    const bounds = known && {
      ...known,
      cap: amountOf(context, 'cap', known.decimals),
      limit: amountOf(context, 'limit', known.decimals),
    }
    const side = isThere ? sidesNow.there : sidesNow.here
    const missingAt = async (isAtThere: boolean): Promise<readonly Call[]> => {
      const sides = await sidesOf(context, wish)
      return isAtThere ? missingThere(sides, wish, bounds) : missingHere(sides, wish, bounds)
    }
    const missing = () => missingAt(isThere)
    const isLocked = await isTimelock(side)
    const outcome = await (isLocked ? timelocked : direct)(context, side, missing)
    if (outcome === null) return exitCode.ok
    const sides = await sidesOf(context, wish)
    const wrapped = await wrappedOf(sides, wish)
    const isOtherDone = await missingAt(!isThere).then(
      (calls) => calls.length === 0,
      (error: unknown) => {
        if (error instanceof NodeError && error.code === RouteErrors.OTHER_SIDE.code) return false
        throw error
      },
    )
    const other = isThere
      ? `the same command without --there, from governance, ${sides.here.owner}`
      : `the same command with --there, from the vault’s owner, ${sides.there.owner}`
    const shown = {
      ...{ chain: `${wish.chain}`, token: tokenText, side: isThere ? 'there' : 'here', wrapped },
      ...{ vault: sides.there.contract, transactions: outcome.done, waits: outcome.waits, isOtherDone },
    }
    const state = isOpen ? 'open' : 'closed'
    context.out(
      { ...shown, open: outcome.waits === null ? isOpen : null },
      rows({
        ...Object.fromEntries(outcome.done.map((each) => each.split(': ') as [string, string])),
        vault: shown.vault,
        [wish.isTheirs ? 'token here' : 'token there']: wrapped ?? 'not made yet',
        'this side': outcome.waits ?? state,
        // Anybody executes what is due, and nothing of it lapses.
        ...(isLocked &&
          !isOpen && { note: 'what the timelock has scheduled and not executed can still open it: cancel that' }),
        'other side': isOtherDone ? state : `not yet: ${other}`,
      }),
    )
    return exitCode.ok
  }
