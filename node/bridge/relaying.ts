// The relayer as a process runs it: its chains and their endpoints, its files, its pace. Owns what is said of a chain that is not told more about.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, asAddress, bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../../chain/base/ports.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { isNobody } from '../../chain/native/bridge/message.ts'
import { BRIDGE } from '../../chain/native/index.ts'
import { decodeNamed, encodeCall } from '../../chain/native/kit/abi.ts'
import { openLogFile } from '../../chain/store/kv.ts'
import type { ReporterAccount } from '../reporter.ts'
import { createAsker, createL1, type L1 } from '../rollup/l1.ts'
import { Carrier } from './carrier.ts'
import { createEndpoint, type Endpoint } from './endpoint.ts'
import { Lane } from './lane.ts'
import { Relayer, type RelayWaits, type ShoreStatus } from './relayer.ts'
import { placeFile } from './service.ts'
import { moduleSide, type Side, vaultSide } from './sides.ts'

export const RelayingErrors = defineErrors('RELAY', {
  UNCONNECTED: { text: (d: { chain: bigint }) => `NovaChain has no bridge to chain ${d.chain}` },
})

/** One chain beside NovaChain. */
export interface Route {
  readonly chain: bigint
  readonly url: string
  readonly settlement: Address
  /** Block to begin at; 0 or 1: with its first message. */
  readonly from: number
  /** In place of what is usual on that chain. */
  readonly fees?: Partial<Fees>
  /** Transactions under way there at once. */
  readonly inFlight?: number
}
export interface Fees {
  /** For a unit of gas, tip included. */
  readonly maxFeeWei: bigint
  readonly tipWei: bigint
  readonly lowBalanceWei: bigint
}
export interface RelayingOptions {
  readonly nova: { readonly chain: bigint; readonly url: string }
  readonly routes: readonly Route[]
  /** In place of what `feesOf` says of a chain beside NovaChain. */
  readonly fees: Partial<Fees>
}
export interface RelayingDeps {
  readonly account: ReporterAccount
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
  /** What it cannot go on after: a disk that does not take its records. */
  readonly onFault: (error: unknown) => void
}
export interface Relaying {
  status(): readonly ShoreStatus[]
  /** Returns when nothing is written any more. */
  close(): Promise<void>
}

const GWEI = 10n ** 9n
const COIN = 10n ** 18n
/** By chain id: Polygon and its test network, Ethereum and its own, the C-Chain of Avalanche and its own. */
const PROFILES: ReadonlyMap<bigint, Fees> = new Map([
  ...[137n, 80_002n].map(
    (id) => [id, { maxFeeWei: 5_000n * GWEI, tipWei: 30n * GWEI, lowBalanceWei: 5n * COIN }] as const,
  ),
  ...[1n, 11_155_111n].map(
    (id) => [id, { maxFeeWei: 200n * GWEI, tipWei: GWEI / 10n, lowBalanceWei: COIN / 50n }] as const,
  ),
  ...[43_114n, 43_113n].map((id) => [id, { maxFeeWei: 200n * GWEI, tipWei: GWEI, lowBalanceWei: COIN / 5n }] as const),
])
const OTHERS: Fees = { maxFeeWei: 500n * GWEI, tipWei: GWEI, lowBalanceWei: COIN / 10n }
/** Transactions under way on a chain at once: a message a block is little for a busy bridge, and pools hold back many of one account. */
const IN_FLIGHT = 8
/** What is usual on a chain. */
export const feesOf = (chain: bigint): Fees => PROFILES.get(chain) ?? OTHERS

/** The vault that NovaChain takes messages of. Throws L1_*, RELAY_UNCONNECTED. */
export async function vaultOf(nova: L1, chain: bigint): Promise<Address> {
  const { hash } = await nova.block('latest')
  const answer = await nova.call(BRIDGE, encodeCall(abi.functions.chainOf, [chain]), hash)
  const vault = asAddress(decodeNamed(abi.functions.chainOf.outputs, answer).found.vault)
  if (isNobody(vault)) throw new NodeError(RelayingErrors.UNCONNECTED, { chain })
  return vault
}

/** One end of a route: its chain, its contract, and what that sent to the other. */
export interface End {
  readonly l1: L1
  readonly side: Side
  readonly sent: Endpoint
}
/** The ends of a route, as they are asked and called; `signal` ends what is being asked. Throws L1_*, RELAY_UNCONNECTED. */
export async function sidesOf(
  of: { readonly nova: RelayingOptions['nova']; readonly route: Pick<Route, 'chain' | 'url' | 'settlement'> },
  signal?: AbortSignal,
): Promise<{ readonly here: End; readonly there: End }> {
  const ending = signal && { signal }
  const novaAt = { url: of.nova.url, chainId: of.nova.chain, ...ending }
  const thereAt = { url: of.route.url, chainId: of.route.chain, ...ending }
  const [nova, l1] = [createL1(novaAt), createL1(thereAt)]
  const asker = createAsker(novaAt)
  const vault = await vaultOf(nova, of.route.chain)
  return {
    here: { l1: nova, side: moduleSide(nova, asker), sent: createEndpoint(novaAt, of.route.chain) },
    there: {
      l1,
      side: vaultSide({ l1, nova: asker }, { vault, settlement: of.route.settlement }),
      sent: createEndpoint(thereAt, of.nova.chain),
    },
  }
}

/** NovaChain has to answer when it starts; the others may come later. Throws L1_*, WAL_*, RELAY_UNCONNECTED. */
export async function startRelaying(deps: RelayingDeps, dir: string, options: RelayingOptions): Promise<Relaying> {
  const { account, clock, timers, log, meter, onFault } = deps
  const { nova, routes } = options
  mkdirSync(dir, { recursive: true })
  const stop = new AbortController()
  const files: { close(): Promise<void> }[] = []
  const carrierOf = async (
    chain: bigint,
    { l1, side }: End,
    how: Fees & { readonly inFlightMax: number },
  ): Promise<Carrier> => {
    const file = await openLogFile(join(dir, `carrier-${chain}.rlp`))
    files.push(file)
    return Carrier.open({ l1, account, file, clock, log }, { chain, contract: side.contract, ...how })
  }
  const laneOf = (end: End, of: { readonly source: bigint; readonly target: bigint; readonly from: number }) => {
    const place = placeFile(join(dir, `lane-${of.source}-${of.target}.json`))
    return Lane.open({ endpoint: end.sent, contract: end.side.contract, place, log }, of)
  }
  const ends = await Promise.all(routes.map((route) => sidesOf({ nova, route }, stop.signal)))
  const shores = []
  const out: Lane[] = []
  for (const [i, { here, there }] of ends.entries()) {
    const { chain, from, fees, inFlight } = routes[i] as Route // as many as there are ends
    out.push(await laneOf(here, { source: nova.chain, target: chain, from: 1 }))
    const lane = await laneOf(there, { source: chain, target: nova.chain, from })
    const paid = { ...feesOf(chain), ...fees, ...options.fees }
    const carrier = await carrierOf(chain, there, { ...paid, inFlightMax: inFlight ?? IN_FLIGHT })
    shores.push({ chain, side: there.side, carrier, lanes: [lane] })
  }
  const [first] = ends
  if (first !== undefined) {
    const carrier = await carrierOf(nova.chain, first.here, { ...OTHERS, inFlightMax: IN_FLIGHT })
    shores.push({ chain: nova.chain, side: first.here.side, carrier, lanes: out })
  }
  const relayer = new Relayer({ shores, clock, log })
  const measure = measuring(meter)
  const halt = startTurns({ relayer, timers, onFault, measure })
  log.info(
    { account: bytesToHex(account.address), chains: shores.map(({ chain }) => `${chain}`) },
    'messages are relayed',
  )
  return {
    status: () => relayer.status,
    async close() {
      stop.abort()
      await halt()
      for (const file of files) await file.close()
    },
  }
}

/** What is told of a chain after each of its turns. */
export const measuring = (m: Meter): ((status: ShoreStatus) => void) => {
  const [chainOf, laneOf] = [['chain'], ['source', 'target']] as const
  const balance = m.gauge('relayer_balance_native', 'Whole coins on the relayer’s account', chainOf)
  const failures = m.counter('relayer_failures_total', 'Turns that failed at an endpoint', ['chain', 'code'])
  const height = m.gauge('relayer_height', 'Block up to which a chain was read', laneOf)
  const pending = m.gauge('relayer_messages_pending', 'Messages that are not done with', laneOf)
  const oldest = m.gauge('relayer_oldest_message_seconds', 'For how long this process knows the oldest of them', laneOf)
  const paused = m.gauge('relayer_route_paused', '1 while one of its chains is not what it was', laneOf)
  return ({ chain, balanceWei, faultCode, lanes }) => {
    if (balanceWei !== null) balance.set(Number(balanceWei / 10n ** 9n) / 1e9, { chain: `${chain}` })
    if (faultCode !== null) failures.add(1, { chain: `${chain}`, code: faultCode })
    for (const lane of lanes) {
      const labels = { source: `${chain}`, target: `${lane.target}` }
      height.set(lane.height, labels)
      pending.set(lane.messages, labels)
      oldest.set(lane.oldestMs / 1_000, labels)
      paused.set(lane.isPaused ? 1 : 0, labels)
    }
  }
}

/** How often a chain is looked at, while a transaction is on its way there, and after a turn that failed. */
const POLL_MS = 2_000
const SENT_MS = 1_000
const FAILED_MS = 10_000

/** Each chain at its own pace. What ends them returns when none is under way any more. */
function startTurns(of: {
  readonly relayer: Relayer
  readonly timers: Timers
  readonly onFault: (error: unknown) => void
  readonly measure: (status: ShoreStatus) => void
}): () => Promise<void> {
  const { relayer, timers, onFault, measure } = of
  let isClosed = false
  const running = new Map<bigint, { unset: () => void; turning: Promise<void> }>()
  const turn = async (chain: bigint): Promise<void> => {
    await relayer.turn(chain)
    const own = relayer.status.filter((each) => each.chain === chain)
    own.forEach(measure)
    const is = (what: RelayWaits): boolean => own.some(({ waits }) => waits === what)
    again(chain, is('endpoint') ? FAILED_MS : is('inclusion') ? SENT_MS : POLL_MS)
  }
  const again = (chain: bigint, ms: number): void => {
    if (isClosed) return
    const turning = running.get(chain)?.turning ?? Promise.resolve()
    const unset = timers.after(ms, () => {
      running.set(chain, { unset: () => {}, turning: turn(chain).catch(onFault) })
    })
    running.set(chain, { unset, turning })
  }
  for (const { chain } of relayer.status) again(chain, 0)
  return async () => {
    isClosed = true
    for (const { unset } of running.values()) unset()
    await Promise.all([...running.values()].map(({ turning }) => turning))
  }
}
