// What lies around a node: its ports, its peers, and the node itself where it runs. Owns how each is tried: by the door that others use.
// Peers are dialed under an identity of the moment, so that the node's own connections stay what they are, and say in their first words
// which network and version they speak.
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { connect, createServer, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { NodeError } from '../../chain/base/errors.ts'
import { createHost } from '../../p2p/host.ts'
import type { Handlers } from '../../p2p/network.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { consensusOf } from '../commands/status.ts'
import type { Config } from '../config.ts'
import { PROTOCOL_VERSION } from '../node.ts'
import { systemClock } from '../system.ts'
import { noMeter } from '../telemetry.ts'
import { type Check, fail, forkCheck, ok, warn } from './check.ts'
import { clockOf } from './machine.ts'

// The node that runs.

export interface Running {
  readonly pid: number | null
  /** What its JSON-RPC says; null where that does not answer. */
  readonly info: {
    readonly url: string
    readonly name: string
    readonly addresses: readonly string[]
  } | null
}

/** The process that holds LevelDB's lock of the folder, as Linux lists it; null where none does, or the system does not tell. */
export function holderOfDatabase(dir: string): number | null {
  const path = join(dir, 'db', 'LOCK')
  try {
    const { ino } = statSync(path)
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, pid, inode] = /^\d+: POSIX +\S+ +\S+ +(\d+) \S+:(\d+) /.exec(line) ?? []
      if (pid !== undefined && Number(inode) === ino && hasOpen(pid, resolve(path))) return Number(pid)
    }
  } catch {
    // not Linux, or no database
  }
  return null
}
/** Inodes are unique within a disk only. */
const hasOpen = (pid: string, path: string): boolean => {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(join(folder, fd)) === path
      } catch {
        return false
      }
    })
  } catch {
    return true // another user's process: it cannot be looked into
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof NodeError && [ClientErrors.UNREACHABLE.code, ClientErrors.ANSWER.code].includes(error.code)

/** `peerId` is of the folder: another node that answers there is none of its own. */
export async function findRunning(dir: string, url: string, peerId: string | null): Promise<Running> {
  const pid = holderOfDatabase(dir)
  const found = await request(url, 'admin_nodeInfo').catch((error: unknown) => {
    if (isAway(error)) return null
    throw error
  })
  const info = found as { id: string | null; name: string; addresses: string[] } | null // our own method
  const isOurs = info !== null && (peerId === null || info.id === null || info.id === peerId)
  return {
    pid,
    info: isOurs ? { url, name: info.name, addresses: info.addresses } : null,
  }
}

/** What the node says of itself: whether blocks come, and whether it signs. */
export async function checkRunning(url: string): Promise<Check[]> {
  const { height, halt, behind, signing, waitsFor } = await consensusOf(url)
  const { warning } = (await request(url, 'nova_upgrades')) as { readonly warning: string | null } // our own method
  const checks: Check[] = [forkCheck(warning)]
  if (halt !== null)
    checks.push(
      fail(
        'blocks',
        halt,
        'runbook “halted chain” in OPERATING.md: bring back who is missing; nothing is lost meanwhile',
      ),
    )
  else if (behind)
    checks.push(
      warn('blocks', `catching up, at height ${height - 1}`, '`novachain status --watch` shows how it goes on'),
    )
  else checks.push(ok('blocks', `height ${height} is under way, waits for ${waitsFor}`))
  if (signing === null) checks.push(ok('guard', 'this node has no validator key: it follows and signs nothing'))
  else if (signing.silence === null)
    checks.push(
      ok(
        'guard',
        `it signs; last ${signing.last === null ? 'nothing yet' : `${signing.last.step} of height ${signing.last.height} round ${signing.last.round}`}`,
      ),
    )
  else {
    const isRefused = signing.silence.includes('the signer record does not show it')
    const next = isRefused
      ? 'do what the sentence says; OPERATING.md has it step by step'
      : 'wait, or do what the sentence says'
    const check = isRefused ? fail('guard', signing.silence, next) : warn('guard', signing.silence, next)
    checks.push(isRefused ? { ...check, isRefused: true } : check)
  }
  return checks
}

/** A new block is seen within so long, or there is nobody to compare with. */
const HEAD_WAIT_MS = 15_000
const POLL_MS = 50

/** A block's time is its proposer's clock, a moment before it is final here: what of it lies ahead is our own clock's fault, or his. */
export async function checkClockByHead(url: string, blockTimeMs: number): Promise<Check> {
  const headOf = async (): Promise<{
    readonly number: string
    readonly timestamp: string
    readonly extraData: string
  }> =>
    (await request(url, 'eth_getBlockByNumber', ['latest', false])) as {
      number: string
      timestamp: string
      extraData: string
    } // our own method
  const until = Date.now() + Math.min(HEAD_WAIT_MS, 3 * blockTimeMs + 1_000)
  const first = (await headOf()).number
  while (Date.now() < until) {
    const head = await headOf()
    if (head.number !== first) {
      const ageMs = Date.now() - Number(head.timestamp) * 1_000
      // Seconds are rounded down, so a fresh block is up to a second older than it says.
      if (ageMs < 0)
        return clockOf(-ageMs, `block ${Number(head.number)} is ${-ageMs} ms ahead of this machine’s clock`)
      if (ageMs > 1_000 + 2 * blockTimeMs)
        return clockOf(
          ageMs - 1_000,
          `block ${Number(head.number)}, new this moment, is ${ageMs} ms old by this machine’s clock`,
        )
      return ok(
        'clock',
        `block ${Number(head.number)}, new this moment, is ${ageMs} ms old by this machine’s clock, as it should be; --ntp <host> measures closer`,
      )
    }
    await delay(POLL_MS)
  }
  return ok('clock', 'no new block to compare with; give --ntp <host> to compare it with a time server')
}

// Ports.

const CONNECT_MS = 2_000

const canListen = (host: string, port: number): Promise<string | null> =>
  new Promise((done) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => done(null)))
  })
const canConnect = (host: string, port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ host, port, timeout: CONNECT_MS })
    const end = (answer: boolean) => (): void => {
      socket.destroy()
      done(answer)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })
/** The first host and TCP port of a multiaddr; null where it has none. */
const hostPort = (address: string): { readonly host: string; readonly port: number } | null => {
  const [, host, port] = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
  return host === undefined ? null : { host, port: Number(port) }
}
const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

export async function checkPorts(config: Config, { pid, info }: Running): Promise<Check> {
  const wanted = [
    { key: 'rpc.port', host: config['rpc.host'], port: config['rpc.port'] },
    ...config['p2p.listen'].flatMap((address) => {
      const at = hostPort(address)
      return at === null ? [] : [{ key: 'p2p.listen', ...at }]
    }),
  ].filter(({ port }) => port !== 0)
  const taken: string[] = []
  for (const { key, host, port } of wanted) {
    const code = await canListen(host, port)
    if (code !== null) taken.push(`${key} ${host}:${port} (${code === 'EADDRINUSE' ? 'in use' : code})`)
  }
  const all = wanted.map(({ key, host, port }) => `${key} ${host}:${port}`).join(', ') || 'any free ones'
  if (pid !== null || info !== null)
    return info === null
      ? fail(
          'ports',
          `process ${pid} has the database, and at ${config['rpc.host']}:${config['rpc.port']} no node of this folder answers`,
          'give --rpc <url> where it listens elsewhere; look into its log',
        )
      : ok('ports', `the node of this folder answers at ${info.url}; ${all}`)
  if (taken.length > 0)
    return fail(
      'ports',
      `taken: ${taken.join(', ')}`,
      '`ss -ltnp` shows by whom; stop it, or choose others with `novachain config set`',
    )
  return ok('ports', `free: ${all}`)
}

/** Whether strangers reach more of JSON-RPC than they should. */
export async function checkRpcOpen(config: Config, { info }: Running): Promise<Check> {
  const host = config['rpc.host']
  if (isLoopback(host)) return ok('rpc', `JSON-RPC is for this machine only (${host})`)
  const port = info === null ? config['rpc.port'] : Number(new URL(info.url).port)
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')
  if (info !== null && own !== undefined) {
    const isOpen = await request(`http://${own.address}:${port}`, 'admin_nodeInfo').then(
      () => true,
      () => false,
    )
    if (isOpen)
      return fail(
        'rpc',
        `admin_ methods answer at ${own.address}:${port}, not from this machine alone`,
        'set rpc.host to 127.0.0.1 and put a proxy that sets X-Forwarded-For before it',
      )
  }
  return warn(
    'rpc',
    `JSON-RPC listens on ${host}:${port}, for whoever reaches it: eth_ and the like, at a bounded pace; admin_ and debug_ only for programs of this machine`,
    'a validator needs no public RPC: `novachain config set rpc.host 127.0.0.1`, and let full nodes serve the public',
  )
}

const isPrivate = (host: string): boolean =>
  isLoopback(host) ||
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe80)/i.test(
    host,
  )

/** As far as it can be told from here: that the port is open on this machine, and that others are told an address that they can dial. */
export async function checkReachable(config: Config, { info }: Running): Promise<Check> {
  if (config['p2p.listen'].length === 0) return ok('reachable', 'p2p.listen is empty: this node stays alone')
  if (config['p2p.inboundMax'] === 0) return ok('reachable', 'p2p.inboundMax is 0: it dials, and nobody dials it')
  const told = config['p2p.announce'].length > 0 ? config['p2p.announce'] : (info?.addresses ?? config['p2p.listen'])
  const ends = told.flatMap((address) => hostPort(address) ?? [])
  if (info !== null) {
    const [first] = info.addresses.flatMap((address) => hostPort(address) ?? [])
    if (first !== undefined && !(await canConnect(first.host, first.port)))
      return fail(
        'reachable',
        `nobody answers at ${first.host}:${first.port}, where this node should hear peers`,
        'look into its log, and for a firewall on this machine',
      )
  }
  const isPublic = ends.some(
    ({ host }) => host !== '0.0.0.0' && host !== '::' && !(isIP(host) !== 0 && isPrivate(host)),
  )
  if (isPublic)
    return ok(
      'reachable',
      `others are told ${told.join(', ')}; whether a firewall on the way lets them is to be tried from there: nc -vz <host> <port>`,
    )
  return warn(
    'reachable',
    `others are told ${told.join(', ')}, which only this machine or its own network reaches`,
    'if peers are elsewhere: `novachain config set p2p.announce /dns4/<host>/tcp/<port>`, and open that port; behind sentries this is right',
  )
}

// Peers.

const DIAL_MS = 15_000

/** Dials each peer that the configuration names. `count`: peers that the running node has. */
export async function checkPeers(config: Config, hash: `0x${string}`, count: number | null): Promise<Check[]> {
  if (config['p2p.listen'].length === 0) return [ok('peers', 'p2p.listen is empty: this node stays alone')]
  const named = [...new Set([...config['p2p.persistent'], ...config['p2p.bootstrap']])]
  const all = countOf(count, named.length)
  return [...all, ...(named.length === 0 ? [] : await dial(named, hash))]
}

const countOf = (count: number | null, named: number): Check[] => {
  if (count !== null && count > 0) return [ok('peers', `the node has ${count} peers`)]
  if (count === 0) {
    const next = 'see what is said of each peer below; name some with `novachain config set p2p.persistent …`'
    return [fail('peers', 'the node has no peer', next)]
  }
  if (named > 0) return []
  const next = '`novachain config set p2p.bootstrap /dns4/<host>/tcp/<port>/p2p/<peer id>`'
  return [warn('peers', 'neither p2p.persistent nor p2p.bootstrap names a peer', next)]
}

interface Said {
  readonly message: string
  readonly reason: string
  readonly peer: unknown
  readonly address: string
}

const dial = async (named: readonly string[], hash: `0x${string}`): Promise<Check[]> => {
  const said: Said[] = []
  const hear = (fields: object, message: string): void => {
    const { reason, peer, address }: Readonly<Record<string, unknown>> = { ...fields }
    if (reason !== undefined) said.push({ message, reason: String(reason), peer, address: String(address ?? '') })
  }
  const met = new Set<string>()
  const handlers: Handlers = {
    onPublished: () => 'ignore',
    onRequest: () => Promise.resolve(new Uint8Array(0)),
    onPeer: (peer) => met.add(peer),
    onPeerGone() {},
  }
  const host = await createHost(
    {
      ...{ keySecret: new Uint8Array(randomBytes(32)), networkId: hash, version: PROTOCOL_VERSION },
      ...{ announcement: async () => new Uint8Array(0), handlers, clock: systemClock, meter: noMeter },
      log: { debug: hear, info: hear, warn: hear, error: hear },
    },
    {
      ...{ listen: [], announce: [], bootstrap: [], persistent: named, allow: null, privatePeers: [] },
      ...{ inboundMax: 0, outboundMax: 0, mdns: false },
    },
  )
  const until = Date.now() + DIAL_MS
  /** What became of one; null while nothing is known. */
  const verdictOf = (address: string): Check | null => {
    const peer = /\/p2p\/([^/]+)$/.exec(address)?.[1]
    const isMet = peer === undefined ? host.peers().some((each) => each.address.startsWith(address)) : met.has(peer)
    if (isMet) return ok('peer', `${address} answers, of this network and version`)
    const about = said.filter((each) => (peer !== undefined && each.peer === peer) || each.address.startsWith(address))
    const clear = about.find(
      ({ message }) => ANSWERS.includes(message) || message === 'a peer is not reached; it is tried again',
    )
    if (clear !== undefined) return verdictBy(address, clear)
    // Cut off in the first words: it is dialed again, and may say more then.
    const [cut] = about
    return cut === undefined || Date.now() < until
      ? null
      : fail('peer', `${address} answers and ends the connection in its first words (${cut.reason})`, OTHERS)
  }
  const late = (address: string): Check =>
    fail('peer', `${address} did not answer within ${DIAL_MS / 1_000} s`, UNREACHED)
  try {
    while (Date.now() < until && named.some((address) => verdictOf(address) === null)) await delay(POLL_MS)
    return named.map((address) => verdictOf(address) ?? late(address))
  } finally {
    await host.close()
  }
}

const OTHERS = 'compare genesis hash and version with its operator: one of the two is on another network or release'
/** What the host logs of who answered and does not fit. */
const ANSWERS = ['a peer is told why, and dropped', 'a peer does not want this node']
const UNREACHED = 'correct the address, or ask its operator whether the node runs and its port is open'

const verdictBy = (address: string, { message, reason }: Said): Check => {
  if (!ANSWERS.includes(message)) return fail('peer', `${address} is not reached: ${reason}`, UNREACHED)
  const found = `${address} answers: ${reason}`
  if (/network|version/.test(reason)) return fail('peer', found, OTHERS)
  // A list of peers, or no place, is no fault of the address: the node's own identity may be on that list.
  return warn(
    'peer',
    found,
    'nothing, where that node knows this one’s peer id; else ask its operator to add it to p2p.allow',
  )
}
