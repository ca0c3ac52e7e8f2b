// devnet: a development network on this machine, one process a validator, and the socket by which another shell speaks to it.
// Owns the children: none is restarted by itself, none that dies ends it, all are gone when it ends.
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { computeGenesisHash } from '../../chain/chain.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { renderOver } from '../config.ts'
import { developmentAccounts, developmentGenesis } from '../development.ts'
import { createScreen, type Screen, wrap } from '../screen.ts'
import { aborted } from '../service.ts'
import { readGenesis } from '../source.ts'
import { type Child, ChildErrors, createChild } from './child.ts'
import { bundledGenesis } from './genesis.ts'
import { consensusOf } from './status.ts'

const DevnetErrors = defineErrors('DEVNET', {
  OTHER: {
    text: (d: { dir: string; have: string; want: string }) =>
      `${d.dir} holds another network (genesis ${d.have}, asked for ${d.want}): choose another --dir, or --reset to begin anew`,
  },
  INDEX: {
    text: (d: { index: number; count: number }) =>
      `there is no validator ${d.index}: this devnet has ${d.count}, from 0 on`,
  },
  GROUPS: {
    text: (d: { groups: string; reason: string }) =>
      `cannot part the validators into ${d.groups}: ${d.reason}; write groups of indices, as in \`partition 0,1/2,3\``,
  },
  SOCKET: {
    text: (d: { path: string; max: number }) =>
      `${d.path} is too long a name for a control socket, at most ${d.max} bytes: choose a shorter --dir`,
  },
  REFUSED: { text: (d: { reason: string }) => d.reason },
  NOT_RUNNING: {
    text: (d: { dir: string }) => `no devnet runs in ${d.dir}: start it with \`novachain devnet --dir ${d.dir}\``,
  },
  GONE: { text: (d: { dir: string }) => `the devnet in ${d.dir} ended before it answered` },
  RUNNING: {
    text: (d: { dir: string }) =>
      `a devnet runs in ${d.dir} already: stop it with \`novachain devnet stop --dir ${d.dir}\``,
  },
})

const usage = 'devnet [up|status|kill <n>|restart <n>|partition <n,…/n,…>|heal|stop] [--dir <dir>]'
const DEFAULT_DIR = '.novachain/devnet'

export const devnet: Command = {
  usage,
  summary: 'Run a development network: blocks every 3 s, ten funded accounts, JSON-RPC on 8545.',
  argsMax: 2,
  options: {
    dir: `folder, default ${DEFAULT_DIR}; it resumes what it finds there`,
    validators: 'number of validators, default 4',
    'block-time': 'milliseconds between blocks, default 3000',
    'rpc-port': 'JSON-RPC port of validator 0, default 8545',
    'metrics-port': 'metrics port of validator 0, default 9545',
    'p2p-port': 'port validator 0 hears peers on, default 30333; each takes the next free one',
    'chain-id': 'chain id, default 662607',
    genesis: 'genesis.json whose rules and accounts it takes, with the development validators; default the package’s',
    sealing: 'interval, or instant: a block as soon as a transaction is there',
    engine: 'what runs contracts: reference or fast',
    'empty-blocks': 'milliseconds between blocks without transactions; default the block time',
    'log-level': 'debug, info, warn or error; default warn on a terminal, info else',
  },
  switches: { reset: 'begin anew: deletes the folder’s chain' },
  async run(context) {
    const [verb, object] = context.args
    if (verb === undefined || verb === 'up') return up(context)
    const answer = await ask(dirOf(context), orderOf(verb, object))
    const isTable = verb === 'status' && !context.switches.has('json')
    context.out(answer, isTable ? await tableOf(answer as Status) : JSON.stringify(answer))
    return exitCode.ok
  },
}

const orderOf = (verb: string, object: string | undefined): Order => {
  const refuse = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
  switch (verb) {
    case 'status':
    case 'heal':
    case 'stop':
      if (object !== undefined) throw refuse(`${object} is one argument too many`)
      return { verb }
    case 'kill':
    case 'restart':
      if (!/^\d{1,4}$/.test(object ?? '')) throw refuse(`expected the index of a validator after ${verb}`)
      return { verb, index: Number(object) }
    case 'partition':
      if (!/^\d{1,4}([,/]\d{1,4})*$/.test(object ?? ''))
        throw refuse('expected groups of validators after partition, as in 0,1/2,3')
      return { verb, groups: (object ?? '').split('/').map((group) => group.split(',').map(Number)) }
    default:
      throw refuse(`there is no verb ${verb}`)
  }
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
  const isLive = process.stdout.isTTY && !switches.has('json')
  const screen = isLive ? createScreen(process.stdout) : null
  const say = (chunk: Buffer): void => {
    if (screen === null) process.stderr.write(chunk)
    else screen.print(chunk.toString())
  }
  const children = addresses.map((address, i) => {
    const peers = addresses.filter((other) => other !== address).join(',')
    const ports = ['--rpc-port', String(rpcPort + i), '--metrics-port', String(metricsPort + i)]
    const p2p = ['--p2p-listen', address, '--p2p-persistent', peers]
    return createChild(i, ['--dir', nodeDirOf(dir, i), ...ports, ...p2p, '--log-level', level], say)
  })
  const supervisor = createSupervisor(children)
  const { chainId } = parseGenesis(genesisText)
  let control: Awaited<ReturnType<typeof listen>> | null = null
  const describe = () => ({ chainId: Number(chainId), dir, ...listOf(children), accounts: developmentAccounts(10) })
  try {
    await Promise.all(children.map((child) => child.start()))
    const first = children[0]?.ports()?.rpc
    // Without a transaction an instantly sealing chain stays at its genesis block.
    if (flags.sealing !== 'instant' && first !== undefined) await firstBlock(first, signal)
    control = await listen(dir, async (order) =>
      order.verb === 'status' ? { ...describe(), ...(await supervisor.status()) } : supervisor.obey(order),
    )
    const over = AbortSignal.any([signal, supervisor.stopped])
    if (!over.aborted) {
      if (screen === null) context.out(describe(), banner(describe()))
      else screen.print(`${banner(describe())}\n`)
    }
    const watch = screen === null ? null : live(children, screen, over)
    await aborted(over)
    await watch
  } catch (error) {
    if (!signal.aborted) throw error // Ctrl-C ends those that were starting
  } finally {
    screen?.close()
    await supervisor.end()
    await control?.close()
  }
  return exitCode.ok
}

interface Supervisor {
  /** Aborts when the order to stop came. */
  readonly stopped: AbortSignal
  status(): Promise<object>
  obey(order: Exclude<Order, { readonly verb: 'status' }>): Promise<object>
  /** Returns when every child is gone; none is started any more. */
  end(): Promise<void>
}

/** What touches a validator is performed in the order it came, so that orders that overlap leave what they say; only the end waits for none. */
const createSupervisor = (children: readonly Child[]): Supervisor => {
  const stop = new AbortController()
  const turns: Promise<unknown>[] = children.map(() => Promise.resolve())
  let groups: readonly (readonly number[])[] | null = null
  const childAt = (index: number): Child => {
    const child = children[index]
    if (child === undefined) throw new NodeError(DevnetErrors.INDEX, { index, count: children.length })
    return child
  }
  const end = async (): Promise<void> => {
    stop.abort()
    await Promise.all(children.map((child) => child.end()))
  }
  const part = async (wanted: typeof groups): Promise<void> => {
    groups = wanted
    const peerIds = children.map((child) => child.ports()?.p2p[0]?.split('/p2p/')[1])
    const asked = children.map((child, i) => {
      const own = wanted?.find((group) => group.includes(i))
      const others = wanted === null ? [] : peerIds.filter((_, other) => own?.includes(other) !== true)
      return child.block(others.flatMap((id) => id ?? []))
    })
    for (const answer of await Promise.allSettled(asked)) if (answer.status === 'rejected') throw answer.reason
  }
  const perform = async (order: Exclude<Order, { readonly verb: 'status' | 'stop' }>): Promise<object> => {
    if (stop.signal.aborted) throw new NodeError(ChildErrors.ENDING, undefined)
    switch (order.verb) {
      case 'kill':
        await childAt(order.index).kill()
        return { killed: order.index }
      case 'restart': {
        const child = childAt(order.index)
        await child.end()
        if (stop.signal.aborted) throw new NodeError(ChildErrors.ENDING, undefined)
        await child.start()
        return { restarted: order.index, pid: child.pid() }
      }
      case 'partition': {
        const parted = groupsOf(order.groups, children.length)
        await part(parted)
        return { partition: parted }
      }
      case 'heal':
        await part(null)
        return { healed: true }
    }
  }
  return {
    stopped: stop.signal,
    end,
    async status() {
      return { heights: await Promise.all(children.map(heightIn)), partition: groups }
    },
    async obey(order) {
      if (order.verb === 'stop') {
        await end()
        return { stopped: true }
      }
      const touched = 'index' in order ? [order.index] : [...children.keys()]
      const done = Promise.all(touched.map((i) => turns[i])).then(() => perform(order))
      for (const i of touched) if (i < turns.length) turns[i] = done.catch(() => {})
      return done
    },
  }
}

/** Each validator in one group; who is not named is in the last. */
const groupsOf = (named: readonly (readonly number[])[], count: number): number[][] => {
  const all = named.flat()
  const refuse = (reason: string) =>
    new NodeError(DevnetErrors.GROUPS, { groups: named.map((group) => group.join(',')).join('/'), reason })
  const stranger = all.find((index) => index >= count)
  if (stranger !== undefined) throw new NodeError(DevnetErrors.INDEX, { index: stranger, count })
  const twice = all.find((index, i) => all.indexOf(index) !== i)
  if (twice !== undefined) throw refuse(`validator ${twice} is in it twice`)
  const rest = Array.from({ length: count }, (_, i) => i).filter((i) => !all.includes(i))
  const groups = [...named.map((group) => [...group]), ...(rest.length > 0 ? [rest] : [])]
  if (groups.length < 2) throw refuse('that leaves all of them together')
  return groups
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
  const base = flags.genesis === undefined ? bundledGenesis() : await readGenesis(flags.genesis)
  const text = developmentGenesis(base, {
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
    for (const folder of ['keys', 'wal']) mkdirSync(join(node, folder), { recursive: true, mode: 0o700 })
    writeFileSync(file, text)
    const reporter = developmentAccounts(FUNDED)[index]
    if (reporter !== undefined) writeFileSync(join(node, REPORTER_FILE), `${reporter.privateKey}\n`, { mode: 0o600 })
    const config = join(node, 'config.toml') // what `config set` changed in it stays
    const rendered = renderOver(config, {
      'rpc.origins': ['*'],
      'validator.developmentIndex': index,
      'evidence.reporterKeyFile': reporter === undefined ? '' : REPORTER_FILE,
      'rollup.operatorKeyFile': reporter === undefined ? '' : REPORTER_FILE,
      'engine.sealing': flags.sealing ?? 'interval',
      'engine.evm': flags.engine,
      'engine.emptyBlocksMs': emptyBlocksMs,
      'state.historyBlocks': -1,
      'state.proofBlocks': 10_000,
    })
    writeFileSync(config, rendered)
  }
  return text
}
/** Each operator that has funds brings evidence. */
const FUNDED = 10
const REPORTER_FILE = 'keys/reporter.hex'
const hashOf = async (text: string): Promise<string> => bytesToHex(await computeGenesisHash(parseGenesis(text)))

/** null where it is not running, or does not answer soon. */
const heightIn = async (child: Child): Promise<number | null> => {
  const rpc = child.ports()?.rpc
  if (child.pid() === null || rpc === undefined) return null
  return Promise.race([heightOf(rpc), delay(ANSWER_MS, null, { ref: false })])
}
const ANSWER_MS = 2_000

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

/** Where each validator is, and what it waits for, on a terminal. */
const live = async (children: readonly Child[], screen: Screen, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const found = await Promise.all(children.map((child) => lookAt(child.pid(), child.ports()?.rpc)))
    const lines = [...found.map(({ line }, i) => `validator ${i}  ${line}`), ...haltsOf(found, columns() - 2)]
    screen.draw(lines.map((line) => (line === '' ? '' : `  ${line}`)))
    await delay(LIVE_MS, undefined, { signal }).catch(() => {})
  }
}
const LIVE_MS = 500
const columns = (): number => process.stdout.columns || 80

/** What `status` answers, as far as the table needs it. */
interface Status {
  readonly rpc: readonly string[]
  readonly pids: readonly (number | null)[]
  readonly partition: readonly (readonly number[])[] | null
}

const tableOf = async ({ rpc, pids, partition }: Status): Promise<string> => {
  const found = await Promise.all(pids.map((pid, i) => lookAt(pid, rpc[i])))
  const rows = found.map(({ line }, i) => {
    const pid = pids[i]
    return `validator ${i}  ${line}${typeof pid === 'number' ? `  ${rpc[i]}  pid ${pid}` : ''}`
  })
  const parted = partition === null ? [] : [`parted into ${partition.map((group) => group.join(',')).join('/')}`]
  return [...rows, ...parted, ...haltsOf(found, columns())].join('\n')
}

interface Look {
  readonly line: string
  readonly halt: string | null
}

const haltsOf = (found: readonly Look[], width: number): string[] => {
  const halts = found.flatMap(({ halt }, i) => (halt === null ? [] : wrap(`validator ${i}: ${halt}`, width, '  ')))
  return halts.length > 0 ? ['', ...halts] : []
}

const lookAt = async (pid: number | null, rpc: string | undefined): Promise<Look> => {
  if (pid === null || rpc === undefined) return { line: 'not running', halt: null }
  const answers = Promise.all([consensusOf(rpc), request(rpc, 'net_peerCount')]).catch(() => null)
  const found = await Promise.race([answers, delay(ANSWER_MS, null, { ref: false })])
  if (found === null) return { line: 'does not answer', halt: null }
  const [{ height, round, waitsFor, halt, behind, signing }, peers] = found
  const where = `block ${height - 1}, final  round ${round}  ${Number(peers)} peers`
  const does = behind ? 'catching up' : halt === null ? `waits for ${waitsFor}` : 'halted'
  return { line: `${where}  ${does}${(signing?.silence ?? null) === null ? '' : ', signs nothing'}`, halt }
}

type Order =
  | { readonly verb: 'status' }
  | { readonly verb: 'heal' }
  | { readonly verb: 'stop' }
  | { readonly verb: 'kill' | 'restart'; readonly index: number }
  | { readonly verb: 'partition'; readonly groups: readonly (readonly number[])[] }

/** Serves orders, one JSON line each way. `close` returns when those it got are answered. */
const listen = async (dir: string, handle: (order: Order) => Promise<object>): Promise<{ close(): Promise<void> }> => {
  const path = socketOf(dir)
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const orders = new Set<Promise<void>>()
  const answer = async (socket: Socket, line: string): Promise<void> => {
    const text = await Promise.resolve()
      .then(() => handle(JSON.parse(line)))
      .catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }))
    await new Promise<void>((sent) => socket.end(`${JSON.stringify(text)}\n`, sent))
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    createInterface({ input: socket }).once('line', (line) => {
      const done = answer(socket, line)
      orders.add(done)
      void done.finally(() => orders.delete(done))
    })
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    async close() {
      server.close()
      await Promise.all(orders)
      for (const socket of sockets) socket.destroy()
    },
  }
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
  const line = await Promise.race([
    once(createInterface({ input: socket }), 'line').then(([text]) => String(text)),
    once(socket, 'close').then(() => null),
  ])
  if (line === null) throw new NodeError(DevnetErrors.GONE, { dir })
  const answer: { error?: string } = JSON.parse(line)
  if (answer.error !== undefined) throw new NodeError(DevnetErrors.REFUSED, { reason: answer.error })
  return answer
}
