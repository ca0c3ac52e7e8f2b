// Hosts as OPERATING.md speaks of them: folders on one machine with ports of their own. Owns how a line of the document is carried out: our
// own commands in this process, systemd by its unit file, everything else by a shell.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Command } from '../../node/args.ts'
import { backup, restore } from '../../node/commands/backup.ts'
import { config } from '../../node/commands/config.ts'
import { doctor } from '../../node/commands/doctor.ts'
import { genesis } from '../../node/commands/genesis.ts'
import { init } from '../../node/commands/init.ts'
import { keys } from '../../node/commands/keys.ts'
import { query } from '../../node/commands/query.ts'
import { status } from '../../node/commands/status.ts'
import { validators } from '../../node/commands/validators.ts'
import { main, run, type Said } from './commands.ts'
import { writeLightKeystore } from './keystores.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const COMMANDS: Readonly<Record<string, Command>> = {
  ...{ backup, restore, config, doctor, genesis, init, keys, query, status, validators },
}

/** The unit's keys, each as often as it is there, in order. */
export function readUnit(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) found.set(key, [...(found.get(key) ?? []), value ?? ''])
  }
  return found
}
export const unit = readUnit(readFileSync(join(root, 'node/deploy/novachain.service'), 'utf8'))

export interface Block {
  readonly section: string
  readonly hosts: readonly string[]
  readonly isRoot: boolean
  readonly isOnce: boolean
  readonly lines: readonly string[]
}
/** Every block of commands of the document, in order. */
export function readBlocks(file: string): readonly Block[] {
  const text = readFileSync(join(root, file), 'utf8')
  return text.split(/^## /m).flatMap((part) => {
    const section = part.split('\n')[0] ?? ''
    return [...part.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code = '']): Block => {
      const [head = '', ...lines] = code.trimEnd().split('\n')
      const who = head.replace(/^# (root on )?/, '')
      const isRoot = head.startsWith('# root')
      return { section, isRoot, isOnce: head.startsWith('# root, once'), hosts: who.split(', '), lines }
    })
  })
}

export interface Host {
  readonly name: string
  /** Its folder, which is also its user's home. */
  readonly dir: string
  readonly p2p: string
  readonly rpc: string
  node: ChildProcess | null
  /** What its node wrote since the first start. */
  readonly log: string
  /** Put before each program: enters the disk of its own, where it has one. */
  prefix: readonly string[]
  /** How long the last stop took. */
  stopMs: number
}

export interface World {
  readonly home: string
  readonly hosts: ReadonlyMap<string, Host>
  readonly password: string
  /** What the reader of the document puts in: hashes, addresses, heights. */
  readonly words: Map<string, string>
  /** What this test's network has beside the document's flags. */
  readonly extra: Readonly<Record<string, readonly string[]>>
}

const PASSWORD = 'a password for tests'
/** Minutes pass before these are used: a range of their own, below those that the system gives to outgoing connections. */
const FIRST_PORT = 31_000

export function createWorld(home: string, names: readonly string[], extra: World['extra']): World {
  const hosts = new Map<string, Host>()
  const password = join(home, 'password')
  writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 })
  for (const [i, name] of names.entries()) {
    const port = FIRST_PORT + (process.pid % 80) * 20 + 4 * i
    const dir = join(home, name)
    mkdirSync(join(dir, 'safe'), { recursive: true, mode: 0o700 })
    const log = join(home, `${name}.log`)
    writeFileSync(log, '')
    hosts.set(name, {
      ...{ name, dir, log, node: null, prefix: [], stopMs: 0 },
      p2p: `/ip4/127.0.0.1/tcp/${port}`,
      rpc: `http://127.0.0.1:${port + 1}`,
    })
  }
  return { home, hosts, password, words: new Map(), extra }
}

export const hostIn = (world: World, name: string): Host => {
  const host = world.hosts.get(name)
  if (host === undefined) throw new TypeError(`the document speaks of ${name}`)
  return host
}

const envOf = (world: World, host: Host): Record<string, string> => ({
  NOVACHAIN_DIR: host.dir,
  NOVACHAIN_PASSWORD_FILE: world.password,
  NOVACHAIN_RPC: host.rpc,
  NOVACHAIN_RPC_PORT: new URL(host.rpc).port,
  NOVACHAIN_METRICS_PORT: `${Number(new URL(host.rpc).port) + 1}`,
  NOVACHAIN_P2P_LISTEN: host.p2p,
})

/** Without its comment, with the words of the reader, and with this machine's addresses and paths. */
const localized = (world: World, host: Host, line: string): string =>
  line
    .replace(/\s+#.*$/, '')
    .replace(/\$([A-Z]{3,})/g, (_, name: string) => world.words.get(name) ?? `$${name}`)
    .replace(/\/dns4\/(\w+)\.example\/tcp\/30333/g, (_, name: string) => hostIn(world, name).p2p)
    .replaceAll('/var/lib/novachain', host.dir)
    .replaceAll('/etc/novachain/password', world.password)

export interface Typed {
  readonly line: string
  readonly code: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what commands print
  readonly json: any
}

/** One line on one host. `|| true` and `; test $? = n` say which exit code the document expects; any other is thrown. */
export async function type(world: World, host: Host, written: string): Promise<Typed> {
  const line = localized(world, host, written)
  const [, body = '', tail = ''] = /^(.*?)( \|\| true|; test \$\? = \d+)?$/.exec(line) ?? []
  const said = await carryOut(world, host, body)
  const wanted = tail === '' ? [0] : tail === ' || true' ? null : [Number(tail.at(-1))]
  if (wanted !== null && !wanted.includes(said.code))
    throw new TypeError(
      `${host.name}: ${line}\nended with ${said.code}: ${said.text}\n${readFileSync(host.log, 'utf8').slice(-3_000)}`,
    )
  return { ...said, line }
}

const carryOut = async (world: World, host: Host, body: string): Promise<Omit<Typed, 'line'>> => {
  const words = body.split(' ').map((word) => (word === "''" ? '' : word))
  const [program = '', ...args] = words
  switch (program) {
    case 'novachain':
      return host.prefix.length > 0 ? inShell(world, host, body) : novachain(world, host, args)
    case 'systemctl':
      return done(await systemctl(world, host, args[0] ?? ''))
    case 'journalctl':
      return done(
        readFileSync(host.log, 'utf8')
          .split('\n')
          .slice(-Number(args.at(-1)))
          .join('\n'),
      )
    case 'scp': {
      const to = hostIn(world, (args.at(-1) ?? '').replace(/\.example:$/, ''))
      for (const file of args.slice(0, -1)) copyFileSync(join(host.dir, file), join(to.dir, file))
      return done('')
    }
    default:
      return inShell(world, host, body)
  }
}
const done = (text: string) => ({ code: 0, text, json: {} })

/** The present folder is the host's, also for our own commands, which take paths from there. */
const novachain = async (world: World, host: Host, [name = '', ...args]: readonly string[]): Promise<Said> => {
  const command = COMMANDS[name]
  if (command === undefined) throw new TypeError(`the document types novachain ${name}`)
  // The first host's keys are made by the command; the others', which cost a second each time they open, come cheaper.
  const isOther = world.hosts.values().next().value !== host
  if (name === 'keys' && args[0] === 'new' && args[2] !== 'p2p' && isOther) {
    const kind = args[2] === 'account' ? 'account' : 'validator'
    mkdirSync(join(host.dir, 'keys'), { recursive: true, mode: 0o700 })
    const file = join(host.dir, 'keys', kind === 'account' ? 'operator.json' : 'validator.json')
    await writeLightKeystore(file, kind, PASSWORD)
    return { code: 0, text: '', json: {}, refusal: null }
  }
  const before = process.cwd()
  process.chdir(host.dir)
  try {
    return await run(command, [...args, ...(world.extra[`${name} ${args[0]}`] ?? [])], envOf(world, host))
  } finally {
    process.chdir(before)
  }
}

const inShell = async (world: World, host: Host, body: string): Promise<Omit<Typed, 'line'>> => {
  const own = `novachain() { '${process.execPath}' '${main}' "$@"; }\ncd '${host.dir}'\n${body}`
  const [program = 'sh', ...args] = [...host.prefix, 'sh', '-c', own]
  const env = { ...process.env, ...envOf(world, host) }
  return promisify(execFile)(program, args, { cwd: host.dir, env }).then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr, json: {} }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      text: `${stdout}${stderr}`,
      json: {},
    }),
  )
}

/** What systemd does with our unit: what it starts, with which variables, by which signal it ends it and how long it waits. */
const systemctl = async (world: World, host: Host, verb: string): Promise<string> => {
  if (verb === 'stop' || verb === 'restart') await stop(host)
  if (verb === 'start' || verb === 'restart') await start(world, host)
  return ''
}

const start = async (world: World, host: Host): Promise<void> => {
  if (host.node !== null && host.node.exitCode === null) return
  const [command = ''] = unit.get('ExecStart') ?? []
  const [program = '', ...args] = localized(world, host, command).split(' ')
  if (program !== '/usr/local/bin/novachain') throw new TypeError(`the unit starts ${program}`)
  const variables = (unit.get('Environment') ?? []).map(
    (each) => localized(world, host, each).split('=') as [string, string],
  ) // NAME=value
  const [first = '', ...rest] = [...host.prefix, process.execPath, main, ...args]
  const env = { ...process.env, ...envOf(world, host), ...Object.fromEntries(variables) }
  const child = spawn(first, rest, { env, cwd: host.dir, stdio: ['ignore', 'pipe', 'pipe'] })
  host.node = child
  let isUp = false
  const up = new Promise<void>((resolve) => {
    child.stdout?.on('data', () => {
      isUp = true
      resolve()
    })
  })
  child.stderr?.on('data', (chunk: Buffer) => appendFileSync(host.log, chunk))
  await Promise.race([up, once(child, 'exit')])
  if (!isUp)
    throw new TypeError(
      `${host.name}: the node ended with ${child.exitCode}\n${readFileSync(host.log, 'utf8').slice(-3_000)}`,
    )
}

/** Throws where it does not end within the time that the unit gives it. */
export async function stop(host: Host): Promise<void> {
  const { node } = host
  host.node = null
  if (node === null || node.exitCode !== null || node.signalCode !== null) return
  const ended = once(node, 'exit')
  const from = performance.now()
  node.kill((unit.get('KillSignal')?.[0] ?? '') as NodeJS.Signals)
  const limitMs = Number(unit.get('TimeoutStopSec')?.[0]) * 1_000
  const isLate = await Promise.race([ended.then(() => false), delay(limitMs, true, { ref: false })])
  if (isLate) node.kill('SIGKILL')
  await ended
  host.stopMs = performance.now() - from
  if (isLate || node.exitCode !== 0)
    throw new TypeError(`${host.name}: a stop took ${host.stopMs} ms and ended with ${node.exitCode}`)
}

/** Power fails. */
export async function crash(host: Host): Promise<void> {
  const { node } = host
  host.node = null
  if (node === null || node.exitCode !== null || node.signalCode !== null) return
  const ended = once(node, 'exit')
  node.kill('SIGKILL')
  await ended
}
