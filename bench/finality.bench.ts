// From submission to final, by the clock: four validators as processes of their own at 3 s blocks, a transfer now and then to each in turn,
// until its receipt is there; then the same four under load, with the rounds that heights took. Nothing else should run beside it: the table says
// how much did.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { concat } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { startLoad } from './load.ts'
import { cpuSeconds, machine, machineCpuSeconds, percentile } from './machine.ts'
import { createReport } from './report.ts'
import { CHAIN_ID, type Client, createClient, freePort, genesisWith } from './rig.ts'
import { addressesOf, addressOf, signPayment, signTransfers } from './signing.ts'

const { values: given } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    rate: { type: 'string', default: '3000' },
    accounts: { type: 'string' },
  },
})
const VALIDATORS = 4
const seconds = Number(given.seconds ?? (given.smoke ? 9 : 60))
const rate = Number(given.rate)
const accounts = Number(given.accounts ?? (given.smoke ? 500 : 5_000))
const FEES = { maxFeeWei: 100_000_000_000n, tipWei: 1_000_000_000n }
/** Between two transfers of the light part: no multiple of the block time, so that they meet every moment of it. */
const EVERY_MS = 437
const POLL_MS = 10

const main = fileURLToPath(new URL('../node/main.ts', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const addresses = await addressesOf(accounts)
/** Who sends now and then. */
const secret = keccak(Uint8Array.of(2))
const files = await signTransfers({
  ...{ chainId: CHAIN_ID, accounts, senders: accounts, count: rate * (seconds + 15), ...FEES },
  ...{ firstNonces: null, recipients: 'turns' },
})
writeFileSync(join(dir, 'genesis.json'), genesisWith(concat(addresses, addressOf(secret)), VALIDATORS))
const ports = ['--rpc-port', String(await freePort()), '--p2p-port', String(await freePort())]
const devnet = spawn(
  process.execPath,
  [main, 'devnet', '--json', '--dir', join(dir, 'net'), '--genesis', join(dir, 'genesis.json'), ...ports].concat([
    ...['--validators', String(VALIDATORS), '--log-level', 'error'],
  ]),
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
const [line] = await once(createInterface({ input: devnet.stdout }), 'line')
const net: { rpc: string[]; metrics: string[]; pids: number[] } = JSON.parse(String(line))
const clients = net.rpc.map((url) => createClient(url))
const first = clients[0] as Client
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`
const headOf = async (client: Client): Promise<number> => Number(await client.ask('eth_blockNumber', []))

/** Rounds above 0 that heights took at the first validator, since it began. */
const roundsLost = async (): Promise<number> => {
  const text = await (await fetch(net.metrics[0] ?? '')).text()
  return Number(/^\w*consensus_rounds_lost_total (\S+)/m.exec(text)?.[1] ?? 0)
}

let nonce = 0
const finalMs = async (client: Client): Promise<number> => {
  const to = addresses.subarray(0, 20)
  const payment = { ...FEES, chainId: CHAIN_ID, nonce: nonce++, gas: 21_000, to, value: 1n, data: new Uint8Array(0) }
  const raw = signPayment(secret, payment)
  const started = performance.now()
  const hash = await client.ask('eth_sendRawTransaction', [hex(raw)])
  while ((await client.ask('eth_getTransactionReceipt', [hash])) === null) await delay(POLL_MS)
  return performance.now() - started
}

const usage = () => ({
  nodes: net.pids.map(cpuSeconds),
  all: machineCpuSeconds(),
  own: cpuSeconds(process.pid),
})
type Usage = ReturnType<typeof usage>
const nodesUsed = (from: Usage, to: Usage): number =>
  to.nodes.reduce((sum, value, i) => sum + value - (from.nodes[i] ?? 0), 0)

const light = async () => {
  while ((await headOf(first)) < 3) await delay(100)
  const [before, lost] = [usage(), await roundsLost()]
  const until = performance.now() + seconds * 1_000
  const waiting: Promise<number>[] = []
  for (let i = 0; performance.now() < until; i++) {
    waiting.push(finalMs(clients[i % VALIDATORS] as Client))
    await delay(EVERY_MS)
  }
  const took = await Promise.all(waiting)
  const after = usage()
  return {
    ...{ transfers: took.length, meanMs: took.reduce((sum, ms) => sum + ms, 0) / took.length },
    ...{ p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99), maxMs: percentile(took, 1) },
    ...{ roundsLost: (await roundsLost()) - lost, nodesCpuSeconds: nodesUsed(before, after) },
    othersCpuSeconds: after.all - before.all - nodesUsed(before, after) - (after.own - before.own),
  }
}

const loaded = async () => {
  const load = await startLoad({ url: net.rpc[0] ?? '', files, batch: 500, connections: 2, window: 100_000, rate })
  const generator = load.child.pid ?? null
  load.begin()
  let height = await headOf(first)
  const from = height + 2
  while ((await headOf(first)) < from) await delay(20)
  const [started, before, lost, generated] = [performance.now(), usage(), await roundsLost(), cpuSeconds(generator)]
  const spentMs = (): number => performance.now() - started
  while (spentMs() < seconds * 1_000) {
    height = await headOf(first)
    await delay(20)
  }
  // The span ends with a block, or where none comes.
  while ((await headOf(first)) <= height && spentMs() < 3 * seconds * 1_000) await delay(20)
  height = await headOf(first)
  const [span, after] = [spentMs() / 1_000, usage()]
  const own = cpuSeconds(generator) - generated
  const lostNow = await roundsLost()
  load.stop()
  const { refusals } = await load.done
  let included = 0
  for (let number = from + 1; number <= height; number++)
    included += Number(await first.ask('eth_getBlockTransactionCountByNumber', [`0x${number.toString(16)}`]))
  const used = nodesUsed(before, after)
  return {
    ...{
      includedPerSecond: included / span,
      blocks: height - from,
      seconds: span,
      roundsLost: lostNow - lost,
      refusals,
    },
    ...{ nodesCpuSeconds: used, nodesCpuMicrosEach: (used * 1e6) / included, generatorCpuSeconds: own },
    othersCpuSeconds: after.all - before.all - used - own - (after.own - before.own),
  }
}

try {
  const at = machine()
  console.log(`${at.cores} x ${at.processor}, ${at.memoryGb} GB, ${at.system}, Node ${at.node}, commit ${at.commit}`)
  console.log(`${VALIDATORS} validators, 3 s blocks, ${accounts} accounts`)
  const show = (title: string, facts: Readonly<Record<string, number>>): void => {
    console.log(title)
    for (const [name, value] of Object.entries(facts))
      console.log(`  ${name.padEnd(28)} ${Number.isInteger(value) ? value : value.toFixed(1)}`)
  }
  const quiet = await light()
  show(`a transfer every ${EVERY_MS} ms`, quiet)
  const busy = await loaded()
  show(`${rate} transfers a second offered`, busy)
  if (given.json) console.log(JSON.stringify({ bench: 'finality', machine: at, accounts, light: quiet, loaded: busy }))
  const report = createReport('finality')
  report.add('submission to final, mean', quiet.meanMs, 'ms', 'less')
  report.add('submission to final, p99', quiet.p99Ms, 'ms', 'less')
  report.cpu('four nodes at light load, for each second', (quiet.nodesCpuSeconds * 1_000) / seconds, 'ms')
  report.cpu('four nodes under load, for each transfer', busy.nodesCpuMicrosEach, 'us')
  report.add('under load, included a second', busy.includedPerSecond, 'a second', 'more')
  report.add('under load, rounds lost', busy.roundsLost, 'rounds', 'less')
  await report.end()
} finally {
  for (const client of clients) client.close()
  const ended = once(devnet, 'exit')
  devnet.kill('SIGTERM')
  await ended
  rmSync(dir, { recursive: true, force: true })
}
process.exit()
