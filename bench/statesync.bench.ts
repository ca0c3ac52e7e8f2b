// A new full node by state sync beside a validator, every one a process, over loopback: seconds from its start to the head, its memory, and the
// rounds of the validator meanwhile; then three new nodes at once. And the same state as a snapshot file, written beside the validator and restored.
// Wall time, for that is what is promised: say how busy the machine is. `--accounts <n>`; `--chain <dir>` keeps the chain that is made first, or takes it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { asAddress, bigintToFixed, concat, hexToBytes } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Chain } from '../chain/chain.ts'
import { openKv } from '../chain/store/kv.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { developmentAccounts } from '../node/development.ts'
import { p2pKey } from '../node/identity.ts'
import { peerIdOf } from '../p2p/identity.ts'
import { request } from '../rpc/client/http.ts'
import { openSealedChain, seal, sealedGenesisText } from '../test/kit/sealed.ts'
import { cpuSeconds, peakMb } from './machine.ts'
import { createReport } from './report.ts'
import { freePort } from './rig.ts'
import { signPayment } from './signing.ts'

installCurves(nativeCurves)
const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    accounts: { type: 'string' },
    chain: { type: 'string' },
  },
})
const isSmoke = values.smoke || process.env.SMOKE === '1'
const ACCOUNTS = Number(values.accounts ?? (isSmoke ? 5_000 : 1_000_000))
const main = fileURLToPath(new URL('../node/main.ts', import.meta.url))

// The chain: a contract that gives a wei to each of so many addresses in a row makes accounts without a signature for each.

const MAKER = `0x${'5e'.repeat(20)}`
/** n := word 1, a := word 0; do { call(0, a, 1, …); a++; n-- } while (n) */
const CODE = '0x6020356000355b60008080806001856000f1506001019060019003908160065700'
/** At some 36,700 gas each, within what one transaction may use. */
const AT_ONCE = 450
const TX_GAS = 16_777_216
const TXS_A_BLOCK = 80
const SENDERS = 10
const BASE = 0x5555_5555_0000_0000n

const genesisText = (): string => {
  const json = JSON.parse(sealedGenesisText())
  json.alloc[MAKER] = { balance: '0xffffffffffff', code: CODE }
  return JSON.stringify(json)
}

const makeChain = async (dir: string): Promise<void> => {
  mkdirSync(dir, { recursive: true })
  const text = genesisText()
  const genesis = parseGenesis(text)
  const chain = await openSealedChain(genesis, await openKv(join(dir, 'db'), { pause: nextTurn }))
  const senders = developmentAccounts(SENDERS).map(({ privateKey }) => hexToBytes(privateKey))
  const nonces = senders.map(() => 0)
  let made = 0
  const fill = async (on: Chain): Promise<void> => {
    for (let i = 0; i < TXS_A_BLOCK && made < ACCOUNTS; i++) {
      const count = Math.min(AT_ONCE, ACCOUNTS - made)
      const data = concat(bigintToFixed(BASE + BigInt(made), 32), bigintToFixed(BigInt(count), 32))
      const sender = i % SENDERS
      const fees = { tipWei: 1_000_000_000n, maxFeeWei: 5_000_000_000_000n, gas: TX_GAS }
      const to = asAddress(hexToBytes(MAKER))
      const call = { ...fees, chainId: Number(genesis.chainId), nonce: nonces[sender] ?? 0, to, value: 0n, data }
      nonces[sender] = (nonces[sender] ?? 0) + 1
      await on.submit(signPayment(senders[sender] as Uint8Array, call), 'local')
      made += count
    }
  }
  while (made < ACCOUNTS) {
    await seal(chain, 1, { fill })
    process.stderr.write(`\r${made} accounts`)
  }
  await seal(chain, 3)
  const last = chain.at(chain.head().header.number).account(asAddress(bigintToFixed(BASE + BigInt(ACCOUNTS - 1), 20)))
  if (last === null) throw new Error('the accounts were not made')
  await chain.close()
  writeFileSync(join(dir, 'genesis.json'), text)
}

const headOf = async (dir: string): Promise<number> => {
  const chain = await openSealedChain(parseGenesis(genesisText()), await openKv(join(dir, 'db')))
  const { number } = chain.head().header
  await chain.close()
  return number
}

// Nodes.

const root = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
const dirOf = (name: string): string => join(root, name)
interface Place {
  readonly rpc: number
  readonly p2p: number
  readonly metrics: number
}
const places = new Map<string, Place>()
const children = new Set<ChildProcess>()

const prepare = async (name: string, peers: readonly string[]): Promise<void> => {
  const dir = dirOf(name)
  mkdirSync(join(dir, 'wal'), { recursive: true })
  if (!existsSync(join(dir, 'genesis.json'))) writeFileSync(join(dir, 'genesis.json'), genesisText())
  const place = { rpc: await freePort(), p2p: await freePort(), metrics: await freePort() }
  places.set(name, place)
  const addresses = peers.map(async (peer) => {
    const id = await peerIdOf(p2pKey(join(dirOf(peer), 'p2p.key')))
    return `"/ip4/127.0.0.1/tcp/${places.get(peer)?.p2p}/p2p/${id}"`
  })
  const p2p = `[p2p]\nlisten = ["/ip4/127.0.0.1/tcp/${place.p2p}"]\npersistent = [${(await Promise.all(addresses)).join(', ')}]\n`
  writeFileSync(
    join(dir, 'config.toml'),
    `[rpc]\nport = ${place.rpc}\n[metrics]\nport = ${place.metrics}\n[log]\nlevel = "info"\n${p2p}`,
  )
}
interface Committed {
  readonly height: number
  readonly round: number
  readonly atMs: number
}
const start = (name: string, flags: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const committed: Committed[] = []
  const child = spawn(process.execPath, [main, 'start', '--json', '--dir', dirOf(name), ...flags], {
    ...{ stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  })
  children.add(child)
  let said = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    said = `${said}${line}\n`.slice(-5_000)
    if (!line.startsWith('{')) return
    const { msg, height, round, time } = JSON.parse(line)
    if (msg === 'block committed') committed.push({ height, round, atMs: Date.parse(time) })
  })
  const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${name} ended with ${code}: ${said}`)))
  failed.catch(() => {})
  const isUp = Promise.race([once(createInterface({ input: child.stdout }), 'line'), failed])
  return { name, child, committed, isUp, pid: child.pid ?? null }
}
type Node = ReturnType<typeof start>
const stop = async ({ child }: Node): Promise<void> => {
  children.delete(child)
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
const heightOf = async (name: string): Promise<number> =>
  Number(await request(`http://127.0.0.1:${places.get(name)?.rpc}`, 'eth_blockNumber'))

interface Joined {
  readonly seconds: number
  readonly peakMb: number
  readonly cpuSeconds: number
}
/** Until its JSON-RPC answers with the head that the validator has at that moment. */
const joined = async (name: string, flags: readonly string[]): Promise<Joined> => {
  const began = performance.now()
  const node = start(name, flags)
  await node.isUp
  while ((await heightOf(name)) < (await heightOf('validator'))) await delay(50)
  const seconds = (performance.now() - began) / 1_000
  const found = { seconds, peakMb: peakMb(node.pid) ?? 0, cpuSeconds: cpuSeconds(node.pid) }
  await stop(node)
  return found
}

const novachain = async (args: readonly string[]) => {
  const began = performance.now()
  const child = spawn(process.execPath, [main, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let peak = 0
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, peakMb(child.pid ?? null) ?? 0)
    } catch {} // it ended meanwhile
  }, 100)
  const chunks: Buffer[] = await child.stdout.toArray()
  clearInterval(look)
  const json = JSON.parse(Buffer.concat(chunks).toString())
  return { json, seconds: (performance.now() - began) / 1_000, peakMb: peak }
}

const BLOCK_MS = 1_000
const ALONE_MS = isSmoke ? 3_000 : 15_000
/** What the validator did since: heights after round 0, and the longest wait for one. */
const roundsSince = (
  validator: Node,
  from: number,
): { readonly missed: number; readonly count: number; readonly longestMs: number } => {
  const blocks = validator.committed.slice(from)
  const waits = blocks.slice(1).map(({ atMs }, i) => atMs - (blocks[i]?.atMs ?? atMs))
  return {
    count: blocks.length,
    missed: blocks.filter(({ round }) => round > 0).length,
    longestMs: Math.max(0, ...waits),
  }
}

const measure = async (): Promise<void> => {
  const report = createReport('statesync')
  const made = values.chain ?? dirOf('chain')
  if (!existsSync(join(made, 'genesis.json'))) await makeChain(made)
  cpSync(made, dirOf('validator'), { recursive: true })
  await prepare('validator', [])
  // What is made above was signed without a record: the key signs from the next height on.
  const flags = ['--sign-from', String((await headOf(dirOf('validator'))) + 1)]
  const validator = start('validator', flags, { NOVACHAIN_VALIDATOR_DEVELOPMENT_INDEX: '0' })
  await validator.isUp
  const before = await heightOf('validator')
  while ((await heightOf('validator')) < before + 3) await delay(50)

  const say = (what: string, node: Joined): void => {
    report.add(`${what}: to the head`, node.seconds, 's', 'less')
    report.add(`${what}: resident at most`, node.peakMb, 'MB', 'less')
    report.add(`${what}: processor time`, node.cpuSeconds, 's', 'less')
  }
  const tell = (what: string, from: number): void => {
    const { missed, count, longestMs } = roundsSince(validator, from)
    report.add(`${what}: heights of the validator after round 0, of ${count}`, missed, '', 'less')
    report.add(`${what}: longest wait for a block of ${BLOCK_MS / 1_000} s`, longestMs / 1_000, 's', 'less')
  }
  // By itself, to tell what else this machine does.
  let from = validator.committed.length
  await delay(ALONE_MS)
  tell('nobody', from)
  await prepare('one', ['validator'])
  from = validator.committed.length
  say('one new node', await joined('one', ['--sync', 'state']))
  tell('one new node', from)

  const three = ['a', 'b', 'c']
  for (const name of three) await prepare(name, ['validator'])
  from = validator.committed.length
  const all = await Promise.all(three.map((name) => joined(name, ['--sync', 'state'])))
  say(
    'the last of three new nodes',
    all.reduce((last, each) => (each.seconds > last.seconds ? each : last)),
  )
  tell('three new nodes', from)

  from = validator.committed.length
  const file = join(root, 'made.snapshot')
  const created = await novachain(['snapshot', 'create', file, '--dir', dirOf('validator')])
  report.add('snapshot create beside the validator', created.seconds, 's', 'less')
  report.add('snapshot create: resident at most', created.peakMb, 'MB', 'less')
  tell('snapshot create', from)
  report.add('snapshot', statSync(file).size / 1e6, 'MB', 'less')
  await prepare('restored', ['validator'])
  const restored = await novachain(['snapshot', 'restore', file, '--dir', dirOf('restored')])
  report.add('snapshot restore', restored.seconds, 's', 'less')
  report.add('snapshot restore: resident at most', restored.peakMb, 'MB', 'less')
  report.add('a restored node: to the head', (await joined('restored', [])).seconds, 's', 'less')
  report.add('accounts', created.json.accounts, '', 'more')
  report.add('load of the machine, 1 minute', loadavg()[0] ?? 0, '', 'less')
  report.add('validator: resident at most', peakMb(validator.pid) ?? 0, 'MB', 'less')
  await stop(validator)
  await report.end()
}

try {
  await measure()
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
}
