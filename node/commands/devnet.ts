// devnet: a development network on this machine, one process a validator, and the socket by which another shell speaks to it.
// Owns the children: none is restarted by itself, none that dies ends it, all are gone when it ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { renderConfig } from '../config.ts'
import { developmentAccounts, developmentGenesis } from '../development.ts'
import { aborted } from '../service.ts'
import { bundledGenesis } from './genesis.ts'

const DevnetErrors = defineErrors('DEVNET', {
  OTHER: {
    text: (d: { dir: string; have: string; want: string }) =>
      `${d.dir} holds another network (genesis ${d.have}, asked for ${d.want}): choose another --dir, or --reset to begin anew`,
  },
  CHILD: { text: (d: { index: number; reason: string }) => `validator ${d.index} did not start: ${d.reason}` },
  INDEX: {
    text: (d: { index: number; count: number }) =>
      `there is no validator ${d.index}: this devnet has ${d.count}, from 0 on`,
  },
  SOCKET: {
    text: (d: { path: string; max: number }) =>
      `${d.path} is too long a name for a control socket, at most ${d.max} bytes: choose a shorter --dir`,
  },
  REFUSED: { text: (d: { reason: string }) => d.reason },
  NOT_RUNNING: {
    text: (d: { dir: string }) => `no devnet runs in ${d.dir}: start it with \`novachain devnet --dir ${d.dir}\``,
  },
  RUNNING: {
    text: (d: { dir: string }) =>
      `a devnet runs in ${d.dir} already: stop it with \`novachain devnet stop --dir ${d.dir}\``,
  },
})

const usage = 'devnet [up|status|kill <n>|restart <n>|stop] [--dir <dir>]'
const DEFAULT_DIR = '.novachain/devnet'

export const devnet: Command = {
  usage,
  summary: 'Run a development network: blocks every 3 s, ten funded accounts, JSON-RPC on 8545.',
  options: {
    dir: `folder, default ${DEFAULT_DIR}; it resumes what it finds there`,
    validators: 'number of validators, default 4',
    'block-time': 'milliseconds between blocks, default 3000',
    'rpc-port': 'JSON-RPC port of validator 0, default 8545',
    'metrics-port': 'metrics port of validator 0, default 9545',
    'p2p-port': 'port validator 0 hears peers on, default 30333; each takes the next free one',
    'chain-id': 'chain id, default 662607',
    sealing: 'interval, or instant: a block as soon as a transaction is there',
    'empty-blocks': 'milliseconds between blocks without transactions; default the block time',
    'log-level': 'debug, info, warn or error; default warn on a terminal, info else',
  },
  switches: { reset: 'begin anew: deletes the folder’s chain' },
  async run(context) {
    const [verb, index] = context.args
    if (verb === undefined || verb === 'up') return up(context)
    if (!['status', 'kill', 'restart', 'stop'].includes(verb))
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${verb}`, usage })
    if ((verb === 'kill' || verb === 'restart') && !/^\d+$/.test(index ?? ''))
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected the index of a validator after ${verb}`, usage })
    const answer = await ask(dirOf(context), { verb, index: Number(index ?? 0) })
    context.out(answer, JSON.stringify(answer, null, 2))
    return exitCode.ok
  },
}

const dirOf = ({ flags, env }: CommandContext): string => resolve(flags.dir ?? env.NOVACHAIN_DIR ?? DEFAULT_DIR)
const socketOf = (dir: string): string => join(dir, 'devnet.sock')

const whole = (
  flag: string,
  text: string | undefined,
  range: { readonly min: number; readonly max: number },
): number | null => {
  if (text === undefined) return null
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < range.min || value > range.max)
    throw new NodeError(UsageErrors.ARGUMENT, {
      reason: `--${flag} ${text}: expected ${range.min} to ${range.max}`,
      usage,
    })
  return value
}

const up = async (context: CommandContext): Promise<ExitCode> => {
  const { flags, switches, env, signal } = context
  const dir = dirOf(context)
  const validators = whole('validators', flags.validators, { min: 1, max: 100 }) ?? 4
  const rpcPort = whole('rpc-port', flags['rpc-port'], { min: 1, max: 65_535 }) ?? 8545
  const metricsPort = whole('metrics-port', flags['metrics-port'], { min: 1, max: 65_535 }) ?? rpcPort + 1_000
  const p2pPort = whole('p2p-port', flags['p2p-port'], { min: 1, max: 65_535 }) ?? 30_333
  if (Buffer.byteLength(socketOf(dir)) > SOCKET_PATH_MAX)
    throw new NodeError(DevnetErrors.SOCKET, { path: socketOf(dir), max: SOCKET_PATH_MAX })
  if (await isRunning(dir)) throw new NodeError(DevnetErrors.RUNNING, { dir })
  const genesisText = await prepare(dir, context, validators)
  const level = flags['log-level'] ?? env.NOVACHAIN_LOG_LEVEL ?? (process.stdout.isTTY ? 'warn' : 'info')
  const p2pPorts = await freePorts(p2pPort, validators)
  const addresses = p2pPorts.map((port) => `/ip4/127.0.0.1/tcp/${port}`)
  const children = addresses.map((address, i) =>
    createChild(i, nodeDirOf(dir, i), [
      ...['--rpc-port', String(rpcPort + i), '--metrics-port', String(metricsPort + i), '--log-level', level],
      ...['--p2p-listen', address, '--p2p-persistent', addresses.filter((other) => other !== address).join(',')],
    ]),
  )
  const endAll = () => Promise.all(children.map((child) => child.end()))
  try {
    await Promise.all(children.map((child) => child.start()))
    const first = children[0]?.ports()?.rpc
    // Without a transaction an instantly sealing chain stays at its genesis block.
    if (flags.sealing !== 'instant' && first !== undefined) await firstBlock(first, signal)
  } catch (error) {
    await endAll()
    throw error
  }
  const { chainId } = parseGenesis(genesisText)
  const describe = () => ({ chainId: Number(chainId), dir, ...listOf(children), accounts: developmentAccounts(10) })
  const stop = new AbortController()
  const handle = async ({ verb, index }: Order): Promise<object> => {
    if (verb === 'status') return { ...describe(), heights: await Promise.all(children.map((child) => child.height())) }
    if (verb === 'stop') {
      await endAll()
      stop.abort()
      return { stopped: true }
    }
    const child = children[index]
    if (child === undefined) throw new NodeError(DevnetErrors.INDEX, { index, count: validators })
    if (verb === 'kill') {
      await child.kill()
      return { killed: index }
    }
    await child.end()
    await child.start()
    return { restarted: index, pid: child.pid() }
  }
  try {
    const control = await listen(dir, handle)
    if (!signal.aborted) context.out(describe(), banner(describe()))
    const watch = process.stdout.isTTY && !switches.has('json') ? live(children, stop.signal) : null
    await Promise.race([aborted(signal), aborted(stop.signal)])
    stop.abort()
    await watch
    control.close()
  } finally {
    await endAll()
  }
  return exitCode.ok
}

/** Where each validator is reached, as long as it was ever up. */
const listOf = (children: readonly Child[]) => {
  const ports = children.map((child) => child.ports())
  return {
    rpc: ports.map((at) => at?.rpc ?? ''),
    ws: ports.map((at) => at?.ws ?? ''),
    pids: children.map((child) => child.pid()),
    metrics: ports.map((at) => at?.metrics ?? ''),
    p2p: ports.map((at) => at?.p2p[0] ?? ''),
  }
}

/** So many ports from this one on that nobody listens on. */
const freePorts = async (from: number, count: number): Promise<number[]> => {
  const found: number[] = []
  for (let port = from; found.length < count && port <= 65_535; port++) {
    const server = createServer()
    const isFree = once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.listen(port, '127.0.0.1')
    if (await isFree) found.push(port)
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return found
}
/** Linux keeps 108 bytes for the name with its final zero, others 104. */
const SOCKET_PATH_MAX = 103

const nodeDirOf = (dir: string, index: number): string => join(dir, `node-${index}`)

/** The validators' folders: made, resumed, or refused. Answers their genesis. */
const prepare = async (dir: string, context: CommandContext, validators: number): Promise<string> => {
  const { flags, switches } = context
  const text = developmentGenesis(bundledGenesis(), {
    validators,
    blockTimeMs: whole('block-time', flags['block-time'], { min: 100, max: 600_000 }),
    chainId: whole('chain-id', flags['chain-id'], { min: 1, max: Number.MAX_SAFE_INTEGER }),
  })
  const emptyBlocksMs = whole('empty-blocks', flags['empty-blocks'], { min: 0, max: 86_400_000 }) ?? 0
  if (switches.has('reset') && existsSync(dir))
    for (const name of readdirSync(dir))
      if (/^node-\d+$/.test(name)) rmSync(join(dir, name), { recursive: true, force: true })
  for (let index = 0; index < validators; index++) {
    const node = nodeDirOf(dir, index)
    const file = join(node, 'genesis.json')
    if (existsSync(file)) {
      const [have, want] = await Promise.all([readFileSync(file, 'utf8'), text].map(hashOf))
      if (have !== want) throw new NodeError(DevnetErrors.OTHER, { dir, have: have ?? '', want: want ?? '' })
    }
    mkdirSync(join(node, 'wal'), { recursive: true, mode: 0o700 })
    writeFileSync(file, text)
    const config = renderConfig({
      'rpc.origins': ['*'],
      'validator.developmentIndex': index,
      'engine.sealing': flags.sealing ?? 'interval',
      'engine.emptyBlocksMs': emptyBlocksMs,
      'state.historyBlocks': -1,
      'state.proofBlocks': 10_000,
    })
    writeFileSync(join(node, 'config.toml'), config)
  }
  return text
}
const hashOf = async (text: string): Promise<string> => bytesToHex(await computeGenesisHash(parseGenesis(text)))

interface Ports {
  readonly rpc: string
  readonly ws: string
  readonly metrics: string
  readonly p2p: readonly string[]
}

const main = fileURLToPath(new URL(`../main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

type Child = ReturnType<typeof createChild>

/** One validator's process. */
const createChild = (index: number, dir: string, args: readonly string[]) => {
  let running: ChildProcess | null = null
  let ports: Ports | null = null
  return {
    ports: (): Ports | null => ports,
    height: async (): Promise<number | null> => (running === null || ports === null ? null : heightOf(ports.rpc)),
    pid: (): number | null => running?.pid ?? null,
    async kill(): Promise<void> {
      const child = running
      if (child === null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    async start(): Promise<void> {
      const child = spawn(process.execPath, [...process.execArgv, main, 'start', '--json', '--dir', dir, ...args], {
        // The child stops when its standard input closes: it must not outlive us, however we end.
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, NOVACHAIN_SUPERVISED: '1' },
      })
      running = child
      let said = ''
      child.stderr.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000)
        process.stderr.write(chunk)
      })
      child.once('exit', () => {
        if (running === child) running = null
      })
      const line = await Promise.race([
        once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
        once(child, 'exit').then(() => null),
      ])
      if (line !== null) {
        ports = JSON.parse(line)
        return
      }
      const reason =
        said
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^error: /, '') ?? ''
      throw new NodeError(DevnetErrors.CHILD, { index, reason })
    },
    async end(): Promise<void> {
      const child = running
      if (child === null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(timer)
    },
  }
}
const STOP_MS = 30_000

const heightOf = async (rpc: string): Promise<number | null> => request(rpc, 'eth_blockNumber').then(Number, () => null)

const firstBlock = async (rpc: string, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted && ((await heightOf(rpc)) ?? 0) < 1) await delay(POLL_MS)
}
const POLL_MS = 50

const banner = (net: {
  rpc: string[]
  ws: string[]
  metrics: string[]
  chainId: number
  dir: string
  accounts: readonly { address: string; privateKey: string }[]
}): string =>
  [
    `NovaChain devnet, chain id ${net.chainId}, in ${net.dir}`,
    '',
    ...net.rpc.map((rpc, i) => `  validator ${i}  ${rpc}  ${net.ws[i] ?? ''}  ${net.metrics[i] ?? ''}`),
    '',
    '  accounts, 1,000,000 NOVA each (anybody knows these keys):',
    ...net.accounts.map(({ address, privateKey }, i) => `  ${i}  ${address}  ${privateKey}`),
    '',
    '  Ctrl-C stops it; the chain stays and resumes.',
  ].join('\n')

/** A line a validator that follow their heads, on a terminal. */
const live = async (children: readonly Child[], signal: AbortSignal): Promise<void> => {
  const draw = async (isFirst: boolean): Promise<void> => {
    const heights = await Promise.all(children.map((child) => child.height()))
    const lines = heights.map(
      (height, i) => `\x1b[K  validator ${i}  ${height === null ? 'not running' : `block ${height}, final`}`,
    )
    process.stdout.write(`${isFirst ? '' : `\x1b[${lines.length}A`}${lines.join('\n')}\n`)
  }
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    await draw(isFirst)
    await delay(LIVE_MS, undefined, { signal }).catch(() => {})
  }
}
const LIVE_MS = 500

type Order = { readonly verb: string; readonly index: number }

/** Serves orders, one JSON line each way. */
const listen = async (dir: string, handle: (order: Order) => Promise<object>): Promise<{ close(): void }> => {
  const path = socketOf(dir)
  rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    void once(createInterface({ input: socket }), 'line')
      .then(async ([line]) => handle(JSON.parse(String(line))))
      .then((answer) => socket.end(`${JSON.stringify(answer)}\n`))
      .catch((error: unknown) =>
        socket.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`),
      )
  })
  server.listen(path)
  await once(server, 'listening')
  return { close: () => server.close() }
}

const dial = async (dir: string): Promise<Socket | null> => {
  const socket = connect(socketOf(dir))
  return once(socket, 'connect').then(
    () => socket,
    () => null,
  )
}
const isRunning = async (dir: string): Promise<boolean> => {
  const socket = await dial(dir)
  socket?.destroy()
  return socket !== null
}

const ask = async (dir: string, order: Order): Promise<object> => {
  const socket = await dial(dir)
  if (socket === null) throw new NodeError(DevnetErrors.NOT_RUNNING, { dir })
  socket.write(`${JSON.stringify(order)}\n`)
  const [line] = await once(createInterface({ input: socket }), 'line')
  const answer: { error?: string } = JSON.parse(String(line))
  if (answer.error !== undefined) throw new NodeError(DevnetErrors.REFUSED, { reason: answer.error })
  return answer
}
