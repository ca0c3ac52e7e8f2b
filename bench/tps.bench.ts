// Transactions a second, end to end: a node as its operator runs it, driven through JSON-RPC by another process with transactions that
// were signed before, its blocks read back through JSON-RPC. `--anvil <path>` (or one on PATH) does the same with anvil in the same run;
// `--rpc <url>` does it with whatever Ethereum endpoint answers there. `--workload` says what they are: `plain` transfers, `token` (the native
// CPU token), `erc20` (OpenZeppelin's), `swap` (Uniswap v2); `npm run bench -- erc20` and `-- swap` are the last two. Rates are by the clock, so
// nothing else should run beside it: the table says how much did. An hour below the maximum, drawn: `--seconds 3600 --rate <a second> --svg <file> --alone`.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HDNodeWallet, Mnemonic } from 'ethers'
import { bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { drawCurve } from './curve.ts'
import { startLoad } from './load.ts'
import {
  cpuSeconds,
  machine,
  machineCpuSeconds,
  ownMb,
  peakMb,
  percentile,
  resetPeak,
  residentMb,
  threadSeconds,
} from './machine.ts'
import { createReport } from './report.ts'
import { CHAIN_ID, type Client, createClient, type Endpoint, startAnvil, startOurs } from './rig.ts'
import { addressesOf, addressOf, GAS, type Plan, signPayment, signTransfers, unpack } from './signing.ts'
import { FEES, setUp, setupCostWei, WORKLOADS, type Workload, type WorkloadName, workloadOf } from './workloads.ts'

const { values: given } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    accounts: { type: 'string' },
    senders: { type: 'string' },
    txs: { type: 'string' },
    rate: { type: 'string' },
    recipients: { type: 'string' },
    svg: { type: 'string' },
    window: { type: 'string', default: '140000' },
    batch: { type: 'string', default: '500' },
    connections: { type: 'string', default: '4' },
    anvil: { type: 'string' },
    alone: { type: 'boolean', default: false },
    rpc: { type: 'string' },
    mnemonic: { type: 'string', default: 'test test test test test test test test test test test junk' },
    keys: { type: 'string' },
    profile: { type: 'string' },
    workload: { type: 'string', default: 'plain' },
  },
})
const workload = WORKLOADS.find((name) => name === given.workload)
if (workload === undefined) throw new Error(`--workload ${given.workload}: one of ${WORKLOADS.join(', ')}`)
/** The CPU token is in our own genesis only. */
const isOursAlone = workload === 'token'
if (isOursAlone && given.rpc !== undefined) throw new Error('--workload token is for our own node')
/** What transactions are called, how many accounts there are and how many of them send, and more than any endpoint includes in a second. */
const OF: Readonly<Record<WorkloadName, { what: string; accounts: number; senders: number; perSecond: number }>> = {
  plain: { what: 'plain transfers', accounts: 200_000, senders: 200_000, perSecond: 14_000 },
  token: { what: 'CPU token transfers', accounts: 200_000, senders: 200_000, perSecond: 14_000 },
  erc20: { what: 'OpenZeppelin ERC-20 transfers', accounts: 20_000, senders: 2_000, perSecond: 12_000 },
  swap: { what: 'Uniswap v2 swaps', accounts: 2_000, senders: 2_000, perSecond: 6_000 },
}
const usual = OF[workload]
// A quick look: blocks every second, and a rate that any machine carries.
const blockTimeMs = given.smoke ? 1_000 : 3_000
const seconds = Number(given.seconds ?? (given.smoke ? 3 : 60))
const accounts = Number(given.accounts ?? (given.smoke ? 200 : usual.accounts))
const senders = Number(given.senders ?? Math.min(accounts, given.rpc === undefined ? usual.senders : 2_000))
const rate = given.rate !== undefined ? Number(given.rate) : given.smoke ? 1_000 : null
const count = Number(given.txs ?? (rate ?? usual.perSecond) * (seconds + (given.smoke ? 6 : 12)))
const recipients: Plan['recipients'] =
  (given.recipients ?? (workload === 'erc20' ? 'random' : 'turns')) === 'random' ? 'random' : 'turns'
/** Blocks before the first that is counted: it begins the span, and is full already. */
const WARM_BLOCKS = 2
/** So many hashes are kept to tell our transactions from others. */
const KNOWN_MAX = 4_000_000
const RESIDENT_MS = 1_000
const PROBE_MS = 40
const POLL_MS = 50
/** Of so many transactions of a block one's receipt is looked at. */
const SAMPLED = 250

interface Result {
  readonly endpoint: string
  readonly flags: string
  readonly includedPerSecond: number
  readonly included: number
  readonly seconds: number
  readonly blocks: number
  readonly gasPerSecond: number
  readonly largestBlock: number
  readonly nodeCpuSeconds: number
  readonly generatorCpuSeconds: number
  readonly othersCpuSeconds: number
  readonly nodeCpuMicrosEach: number
  /** Of it by thread, the busiest ones, in microseconds for each transaction. */
  readonly threadMicrosEach: Readonly<Record<string, number>>
  readonly residentPeakMb: number | null
  /** Looked at each second, without mapped files. */
  readonly ownPeakMb: number | null
  readonly getBalanceMs: Latency
  readonly callMs: Latency
  readonly loopDelayMaxMs: number | null
  readonly refusals: number
  readonly example: string
}
interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}
const latencyOf = (values: readonly number[]): Latency => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  max: percentile(values, 1),
})

/** When it was, in milliseconds, and how long it took or how much there was. */
type At = readonly [atMs: number, value: number]

/** Asks the same again and again, as a user would who waits for the answer. */
const probe = async (endpoint: Endpoint, method: string, params: unknown[], isOver: () => boolean): Promise<At[]> => {
  const client = createClient(endpoint.url)
  const took: At[] = []
  while (!isOver()) {
    const started = performance.now()
    await client.ask(method, params)
    took.push([started, performance.now() - started])
    await delay(PROBE_MS)
  }
  client.close()
  return took
}

const hexOf = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`

/** Longest the event loop was held since the last time it was asked. */
const loopDelayMs = async (endpoint: Endpoint): Promise<number | null> => {
  if (endpoint.metrics === null) return null
  const text = await (await fetch(endpoint.metrics)).text()
  return Number(/^\w*event_loop_delay_max_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN) * 1_000
}

interface Facts {
  readonly hash: string
  readonly gasUsed: string
  readonly transactions: readonly string[]
}
/** What the blocks of the span hold of ours, by their hashes, and a sample of receipts. */
const readBack = async (client: Client, files: readonly string[], from: number, to: number) => {
  const ours = new Set<string>()
  // Of many millions all that is in blocks counts: nobody else sends.
  if (count <= KNOWN_MAX) for (const raw of unpack(files)) ours.add(Buffer.from(keccak(raw)).toString('latin1', 0, 12))
  const isOurs = (hash: string): boolean =>
    count > KNOWN_MAX || ours.has(Buffer.from(hash.slice(2, 26), 'hex').toString('latin1'))
  let [included, gas, largest] = [0, 0, 0]
  const counts: number[] = []
  for (let number = from; number <= to; number++) {
    const block = (await client.ask('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as Facts
    let own = 0
    for (const hash of block.transactions) if (isOurs(hash)) own++
    counts.push(own)
    const sample = block.transactions.filter((_, i) => i % SAMPLED === 0)
    const receipts =
      sample.length === 0
        ? []
        : await client.askAll(sample.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })))
    if (receipts.some((receipt) => (receipt as { status: string }).status !== '0x1'))
      throw new Error(`a transaction in block ${number} failed`)
    included += own
    gas += Number(block.gasUsed)
    largest = Math.max(largest, own)
  }
  return { included, gas, largest, counts }
}

/** Signed before an endpoint is started: what every sender does first, and the load. */
interface Prepared {
  readonly work: Workload
  readonly approvals: readonly string[]
  readonly files: readonly string[]
}
const prepare = async (plan: Plan, nonce: number): Promise<Prepared> => {
  const work = workloadOf(workload, bytesToHex(addressOf(founder)), nonce, addresses)
  const { approval, deed } = work
  const made = approval?.tokens.length ?? 0
  const approvals = approval === null ? [] : await signTransfers({ ...plan, count: made * senders, deed: approval })
  return { work, approvals, files: await signTransfers({ ...plan, made, deed }) }
}

const measure = async (
  endpoint: Endpoint,
  { work, approvals, files }: Prepared,
  chainId: number,
  nonce: number,
): Promise<Result> => {
  const client = createClient(endpoint.url)
  const started = performance.now()
  await setUp(client, work, { secret: founder, nonce, chainId }, unpack(approvals))
  console.log(`${endpoint.name}: set up in ${((performance.now() - started) / 1_000).toFixed(1)} s`)
  const contract = work.reader
  await client.ask('eth_call', [{ to: contract, data: '0x' }, 'latest']) // what starts at the first call has started
  const load = await startLoad({
    ...{ url: endpoint.url, files, rate, batch: Number(given.batch) },
    ...{ connections: Number(given.connections), window: Number(given.window) },
  })
  const head = async (): Promise<number> => Number(await client.ask('eth_blockNumber', []))
  const next = async (after: number): Promise<{ height: number; atMs: number }> => {
    for (;;) {
      const height = await head()
      if (height > after) return { height, atMs: performance.now() }
      await delay(POLL_MS)
    }
  }
  const cpu = () => ({
    node: cpuSeconds(endpoint.pid),
    generator: cpuSeconds(load.child.pid ?? null),
    own: cpuSeconds(process.pid),
    all: machineCpuSeconds(),
  })
  const threads = () => threadSeconds(endpoint.pid)
  let isOver = false
  load.done.then(() => {
    isOver = true
  })
  load.begin()
  const first = await next((await head()) + WARM_BLOCKS)
  const before = cpu()
  const threadsBefore = threads()
  resetPeak(endpoint.pid)
  await loopDelayMs(endpoint)
  const balance = probe(
    endpoint,
    'eth_getBalance',
    [hexOf(keccak(Uint8Array.of(1)).subarray(12)), 'latest'],
    () => isOver,
  )
  const call = probe(endpoint, 'eth_call', [{ to: contract, data: '0x' }, 'latest'], () => isOver)
  let last = first
  /** When each block was seen, from the one on that begins the span. */
  const seen = [first.atMs]
  const resident: At[] = []
  let ownPeakMb: number | null = null
  const watch = setInterval(() => {
    resident.push([performance.now(), residentMb(endpoint.pid) ?? 0])
    const own = ownMb(endpoint.pid)
    if (own !== null) ownPeakMb = Math.max(own, ownPeakMb ?? 0)
  }, RESIDENT_MS)
  while (!isOver && last.atMs - first.atMs < seconds * 1_000) {
    const height = last.height
    last = await next(height)
    for (let i = height; i < last.height; i++) seen.push(last.atMs)
  }
  clearInterval(watch)
  if (isOver) console.log('all transactions were sent before the time was over: give --txs more')
  const after = cpu()
  const threadsAfter = threads()
  isOver = true
  const loopDelayMaxMs = await loopDelayMs(endpoint)
  load.stop()
  const probes = await Promise.all([balance, call])
  const [getBalanceMs, callMs] = probes.map((took) => latencyOf(took.map(([, ms]) => ms))) as [Latency, Latency]
  const { refusals, example } = await load.done
  const residentPeakMb = peakMb(endpoint.pid)
  const { included, gas, largest, counts } = await readBack(client, files, first.height + 1, last.height)
  if (included === 0)
    throw new Error(
      `no transaction is in blocks ${first.height + 1} to ${last.height}; ${refusals} were refused: ${example}`,
    )
  if (given.svg !== undefined) {
    const txs = counts.map((own, i): At => [seen[i + 1] ?? last.atMs, own])
    writeFileSync(given.svg, curveOf(endpoint, first.atMs, { txs, resident, balance: probes[0], call: probes[1] }))
  }
  client.close()
  const span = (last.atMs - first.atMs) / 1_000
  const used = (part: keyof typeof before): number => after[part] - before[part]
  return {
    ...{ endpoint: endpoint.name, flags: endpoint.flags, includedPerSecond: included / span, included, seconds: span },
    ...{ blocks: last.height - first.height, gasPerSecond: gas / span, largestBlock: largest },
    ...{ nodeCpuSeconds: used('node'), generatorCpuSeconds: used('generator') },
    othersCpuSeconds: used('all') - used('node') - used('generator') - used('own'),
    ...{ nodeCpuMicrosEach: (used('node') * 1e6) / included, residentPeakMb, ownPeakMb },
    ...{ getBalanceMs, callMs, loopDelayMaxMs },
    threadMicrosEach: eachOf(threadsBefore, threadsAfter, included),
    ...{ refusals, example },
  }
}

interface Samples {
  /** Transactions of each block. */
  readonly txs: readonly At[]
  readonly resident: readonly At[]
  readonly balance: readonly At[]
  readonly call: readonly At[]
}
const PARTS = 120
const curveOf = (endpoint: Endpoint, beganAtMs: number, { txs, resident, balance, call }: Samples): string => {
  // A part of the picture holds some blocks, or the rate would jump with each.
  const partS = Math.max(15, seconds / PARTS)
  const points = (from: readonly At[], reduce: (values: readonly number[]) => number): [number, number][] => {
    const parts: number[][] = []
    for (const [atMs, value] of from) {
      const part = Math.floor((atMs - beganAtMs) / 1_000 / partS)
      const values = parts[part] ?? []
      parts[part] = values
      values.push(value)
    }
    // The last part is cut short.
    return parts.slice(0, -1).flatMap((values, part): [number, number][] => [[(part + 0.5) * partS, reduce(values)]])
  }
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
  const line = (name: string, of: [number, number][]) => ({ name, points: of })
  const p99 = (from: readonly At[]) => points(from, (values) => percentile(values, 0.99))
  const at = machine()
  return drawCurve(
    [
      `npm run bench -- tps ${process.argv.slice(2).join(' ')}`,
      `${endpoint.name}, ${endpoint.flags}; ${at.cores} x ${at.processor}, Node ${at.node}, commit ${at.commit}`,
    ],
    [
      {
        title: `included ${usual.what} a second`,
        lines: [
          line(
            '',
            points(txs, (values) => sum(values) / partS),
          ),
        ],
      },
      { title: 'p99 latency, ms', lines: [line('eth_getBalance', p99(balance)), line('eth_call', p99(call))] },
      {
        title: 'resident memory, MB',
        lines: [
          line(
            '',
            points(resident, (values) => Math.max(...values)),
          ),
        ],
      },
    ],
  )
}

const eachOf = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, count: number) => {
  const used = [...after].map(([name, seconds]): [string, number] => [
    name,
    Math.round(((seconds - (before.get(name) ?? 0)) * 1e6) / count),
  ])
  return Object.fromEntries(used.filter(([, micros]) => micros > 0).sort(([, a], [, b]) => b - a))
}

/** Gives each sender and the founder what they will spend, from accounts that everybody knows or the operator names. */
const fund = async (client: Client, chainId: number): Promise<void> => {
  const secrets =
    given.keys?.split(',').map(hexToBytes) ??
    Array.from({ length: 10 }, (_, i) =>
      hexToBytes(HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(given.mnemonic), `m/44'/60'/0'/0/${i}`).privateKey),
    )
  const work = workloadOf(workload, bytesToHex(addressOf(founder)), 0, addresses)
  const gas = BigInt(GAS[work.deed.kind] * Math.ceil(count / senders) + 4 * GAS.approve)
  const targets = Array.from({ length: senders }, (_, n) => ({ to: addressAt(n), value: 2n * gas * FEES.maxFeeWei }))
  targets.push({ to: addressOf(founder), value: setupCostWei(work) })
  for (const [i, secret] of secrets.entries()) {
    const own = hexOf(addressOf(secret))
    let nonce = Number(await client.ask('eth_getTransactionCount', [own, 'pending']))
    const mine = targets.filter((_, n) => n % secrets.length === i)
    for (let from = 0; from < mine.length; from += 50) {
      const calls = mine.slice(from, from + 50).map((target) => {
        const payment = { ...FEES, chainId, nonce: nonce++, gas: 21_000, ...target, data: new Uint8Array(0) }
        return { method: 'eth_sendRawTransaction', params: [hexOf(signPayment(secret, payment))] }
      })
      await client.askAll(calls)
    }
  }
  const lasts = targets.slice(-secrets.length)
  for (let isFunded = false; !isFunded; await delay(500)) {
    const balances = await client.askAll(
      lasts.map(({ to }) => ({ method: 'eth_getBalance', params: [hexOf(to), 'latest'] })),
    )
    isFunded = balances.every((balance, i) => BigInt(balance as string) >= (lasts[i]?.value ?? 0n))
  }
}

const noncesOf = async (client: Client): Promise<number[]> => {
  const out: number[] = []
  for (let from = 0; from < senders; from += 500) {
    const calls = Array.from({ length: Math.min(500, senders - from) }, (_, i) => ({
      method: 'eth_getTransactionCount',
      params: [hexOf(addressAt(from + i)), 'latest'],
    }))
    out.push(...(await client.askAll(calls)).map(Number))
  }
  return out
}

const onPath = (): string | null => {
  try {
    return execFileSync('which', ['anvil'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {
    return null
  }
}

const results: Result[] = []
const addresses = await addressesOf(accounts)
const addressAt = (n: number): Uint8Array => addresses.subarray(20 * n, 20 * n + 20)
/** Sends what is not of the load. */
const founder = keccak(Uint8Array.of(2))
const holders = concat(addresses, addressOf(founder))
if (given.rpc !== undefined) {
  const client = createClient(given.rpc)
  const chainId = Number(await client.ask('eth_chainId', []))
  console.log(`funding ${senders} senders at ${given.rpc}, chain ${chainId}`)
  await fund(client, chainId)
  const firstNonces = await noncesOf(client)
  const name = String(await client.ask('web3_clientVersion', []))
  const nonce = Number(await client.ask('eth_getTransactionCount', [hexOf(addressOf(founder)), 'latest']))
  const prepared = await prepare({ chainId, accounts, senders, count, ...FEES, firstNonces, recipients }, nonce)
  const endpoint = { name, url: given.rpc, pid: null, metrics: null, flags: '', close: async () => {} }
  results.push(await measure(endpoint, prepared, chainId, nonce))
} else {
  const chainId = CHAIN_ID
  const prepared = await prepare({ chainId, accounts, senders, count, ...FEES, firstNonces: null, recipients }, 0)
  const anvil = given.alone || isOursAlone ? null : (given.anvil ?? onPath())
  const starts = [() => startOurs(holders, blockTimeMs, given.profile ?? null)]
  if (anvil !== null) starts.push(() => startAnvil(anvil, holders, blockTimeMs))
  for (const open of starts) {
    const endpoint = await open()
    try {
      results.push(await measure(endpoint, prepared, chainId, 0))
    } finally {
      await endpoint.close()
    }
  }
}

const ms = ({ p50, p99, max }: Latency): string => `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(0)}`
const rows: readonly [string, (r: Result) => string][] = [
  ['included a second', (r) => r.includedPerSecond.toFixed(0)],
  ['included, in seconds', (r) => `${r.included} in ${r.seconds.toFixed(1)}`],
  ['blocks, largest', (r) => `${r.blocks}, ${r.largestBlock}`],
  ['gas a second, millions', (r) => (r.gasPerSecond / 1e6).toFixed(1)],
  [
    'CPU of the node, s',
    // Of an endpoint that is not ours nothing is known but what it answers.
    (r) =>
      r.residentPeakMb === null ? '-' : `${r.nodeCpuSeconds.toFixed(1)} (${r.nodeCpuMicrosEach.toFixed(0)} us each)`,
  ],
  [
    'of it by thread, us each',
    (r) =>
      Object.entries(r.threadMicrosEach)
        .slice(0, 6)
        .map(([name, micros]) => `${name.replace(/ .*/, '').slice(0, 4)} ${micros}`)
        .join(' ') || '-',
  ],
  ['CPU of the generator, s', (r) => r.generatorCpuSeconds.toFixed(1)],
  ['CPU of others on the machine, s', (r) => r.othersCpuSeconds.toFixed(1)],
  ['resident memory, peak, MB', (r) => r.residentPeakMb?.toFixed(0) ?? '-'],
  ['of it not mapped files, by the second', (r) => r.ownPeakMb?.toFixed(0) ?? '-'],
  ['eth_getBalance, ms p50 / p99 / max', (r) => ms(r.getBalanceMs)],
  ['eth_call, ms p50 / p99 / max', (r) => ms(r.callMs)],
  ['event loop held at most, ms', (r) => r.loopDelayMaxMs?.toFixed(0) ?? '-'],
  ['refused and sent again', (r) => `${r.refusals} ${r.example}`.trim()],
]
const [ours, theirs] = results
const ratio = ours === undefined || theirs === undefined ? null : ours.includedPerSecond / theirs.includedPerSecond
const at = machine()
console.log(`${at.cores} x ${at.processor}, ${at.memoryGb} GB, ${at.system}, Node ${at.node}, commit ${at.commit}`)
console.log(
  `${usual.what} among ${accounts} accounts, ${senders} senders${recipients === 'turns' ? '' : ', random recipients'}${rate === null ? '' : `, ${rate} a second offered`}, requests of ${given.batch}, ${given.connections} connections`,
)
for (const { endpoint, flags } of results) console.log(`${endpoint}: ${flags}`)
const width = Math.max(...rows.map(([name]) => name.length))
const column = (text: string): string => text.padStart(24)
console.log(' '.repeat(width) + results.map(({ endpoint }) => column(endpoint.slice(0, 22))).join(''))
for (const [name, of] of rows) console.log(name.padEnd(width) + results.map((each) => column(of(each))).join(''))
if (ratio !== null) console.log(`ratio ${ratio.toFixed(2)}`)
if (given.json) console.log(JSON.stringify({ bench: 'tps', workload, machine: at, accounts, senders, results, ratio }))
const report = createReport(workload === 'plain' ? 'tps' : workload)
if (ours !== undefined) {
  // Of an endpoint that is not ours nothing is known but what it answers.
  if (ours.residentPeakMb !== null) report.cpu('the node, for each transaction', ours.nodeCpuMicrosEach, 'us')
  report.add('included a second', ours.includedPerSecond, 'a second', 'more')
  report.add('resident memory, peak', ours.residentPeakMb ?? Number.NaN, 'MB', 'less')
  report.add('eth_getBalance, p99', ours.getBalanceMs.p99, 'ms', 'less')
  report.add('eth_call, p99', ours.callMs.p99, 'ms', 'less')
}
if (ratio !== null) report.add('included, ours / anvil', ratio, 'x', 'more')
await report.end()
process.exit()
