// The machine under a node: its clock, disk, memory, descriptors and versions. Owns what a node needs of each, in numbers, and how each is
// measured without leaving anything behind. Nothing here asks anybody else, but for a time server that the operator names.
import { createSocket } from 'node:dgram'
import { constants, existsSync, readFileSync } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { rpcLimits } from '../../chain/base/limits.ts'
import type { Config } from '../config.ts'
import { DISK_LEAST_BYTES, freeBytes } from '../disk.ts'
import { packageRoot, version } from '../version.ts'
import { type Check, fail, graded, ok, warn } from './check.ts'

/** How far clocks may differ (consensus, PRECISION): beyond it proposals are refused as not timely. */
const PRECISION_MS = 500

// Clock.

/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_S = 2_208_988_800
const NTP_TIMEOUT_MS = 3_000
const NTP_ASKED = 4

/** How far the server's clock is ahead of ours, in milliseconds; null where it does not answer. `at`: host, or host:port. */
async function ntpOffset(at: string): Promise<{ readonly offsetMs: number; readonly roundTripMs: number } | null> {
  const [host = '', port = '123'] = at.split(':')
  const socket = createSocket('udp4')
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), NTP_TIMEOUT_MS)
      const done = (found: { offsetMs: number; roundTripMs: number } | null): void => {
        clearTimeout(timer)
        resolve(found)
      }
      const packet = new Uint8Array(48)
      packet[0] = 0b00_100_011 // version 4, client
      const sentMs = Date.now()
      const cookie = crypto.getRandomValues(packet.subarray(40, 48)).slice() // comes back as the originate time
      socket.on('error', () => done(null))
      socket.on('message', (answer) => {
        const isOurs = answer.length >= 48 && answer.subarray(24, 32).equals(cookie)
        const [mode, stratum] = [(answer[0] ?? 0) & 7, answer[1] ?? 0]
        if (!isOurs || mode !== 4 || stratum === 0 || stratum > 15) return
        const receivedMs = Date.now()
        const timeAt = (offset: number): number =>
          (answer.readUInt32BE(offset) - NTP_EPOCH_S) * 1_000 + (answer.readUInt32BE(offset + 4) / 2 ** 32) * 1_000
        const [theirsIn, theirsOut] = [timeAt(32), timeAt(40)]
        done({
          offsetMs: (theirsIn - sentMs + (theirsOut - receivedMs)) / 2,
          roundTripMs: receivedMs - sentMs - (theirsOut - theirsIn),
        })
      })
      socket.send(packet, Number(port), host, (error) => {
        if (error !== null) done(null)
      })
    })
  } finally {
    socket.close()
  }
}

/** The best of a few answers: the one that was on its way for the shortest time. */
export async function checkNtp(server: string): Promise<Check> {
  const answers: { readonly offsetMs: number; readonly roundTripMs: number }[] = []
  for (let i = 0; i < NTP_ASKED; i++) {
    const answer = await ntpOffset(server)
    if (answer === null) break
    answers.push(answer)
  }
  const [best] = answers.sort((a, b) => a.roundTripMs - b.roundTripMs)
  if (best === undefined)
    return warn('clock', `the time server ${server} does not answer`, 'name another one with --ntp <host>')
  const off = Math.round(best.offsetMs)
  const side = off > 0 ? 'behind' : 'ahead of'
  return clockOf(
    Math.abs(off),
    `this machine is ${Math.abs(off)} ms ${side} ${server} (round trip ${Math.round(best.roundTripMs)} ms)`,
  )
}

export const clockOf = (offMs: number, found: string): Check =>
  graded('clock', `${found}; at most ${PRECISION_MS} ms`, {
    isBad: offMs > PRECISION_MS,
    isPoor: offMs > PRECISION_MS / 4,
    next: 'set the clock and keep it set: `timedatectl set-ntp true`, or chrony; a validator’s proposals are refused while it is off',
  })

/** Without anybody to compare with: whether it lies before what is final here. */
export const checkClockAlone = (headTimeMs: number, nowMs: number): Check => {
  const aheadMs = headTimeMs - nowMs
  if (aheadMs > PRECISION_MS)
    return clockOf(aheadMs, `the last block here is ${Math.round(aheadMs)} ms ahead of this machine’s clock`)
  return ok('clock', `not before the last block; give --ntp <host> to compare it with a time server`)
}

// Disk.

/** A month at the pace so far, and 5 GiB, leave time to act. */
const DAYS_LEAST = 30
const POOR_BYTES = 5 * 1024 ** 3
const SYNC_POOR_MS = 50
const SYNC_BAD_MS = 500
const SYNCS = 9

export const sizeOf = (bytes: number): string =>
  bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`

/** Bytes of the files of a folder; of one that changes meanwhile about so many. */
export async function folderBytes(dir: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(dir, { recursive: true }).catch(() => []))
    sum += await stat(join(dir, name)).then(
      (found) => (found.isFile() ? found.size : 0),
      () => 0,
    )
  return sum
}

/** `grown`: in how long the database became what it is; null where it is not known. */
export async function checkSpace(dir: string, grown: { readonly days: number } | null): Promise<Check> {
  const free = await freeBytes(dir)
  if (free === null) return ok('disk', `the file system of ${dir} does not say how much is free`)
  const taken = await folderBytes(join(dir, 'db'))
  const days =
    grown === null || grown.days <= 0 || taken === 0 ? null : ((free - DISK_LEAST_BYTES) * grown.days) / taken
  const outlook =
    days === null || days > 3_650 ? '' : `, room for about ${Math.max(0, Math.floor(days))} days at the pace so far`
  const found = `${sizeOf(free)} free in ${dir}, database ${sizeOf(taken)}${outlook}`
  return graded('disk', found, {
    isBad: free < DISK_LEAST_BYTES,
    isPoor: free < POOR_BYTES || (days !== null && days < DAYS_LEAST),
    next: `free space or move the folder to a larger disk: with less than ${sizeOf(DISK_LEAST_BYTES)} the node stops`,
  })
}

/** A file without a name in the folder: gone when it is closed, or when the process dies. Linux only. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
/** Each step of consensus waits for such a write. */
export async function checkSync(dir: string): Promise<Check> {
  const none = (reason: string) => ok('sync', `not measured: ${reason}`)
  if (process.platform !== 'linux')
    return none('only Linux has files without a name, and nothing is to be left in the folder')
  const file = await open(dir, constants.O_RDWR | O_TMPFILE, 0o600).catch(() => null)
  if (file === null) return none('this file system has no files without a name, or the folder cannot be written')
  try {
    const block = new Uint8Array(4_096)
    const took: number[] = []
    for (let i = 0; i < SYNCS; i++) {
      const from = performance.now()
      await file.write(block, 0, block.length, i * block.length)
      await file.datasync()
      took.push(performance.now() - from)
    }
    const [median = 0, longest = 0] = [took.sort((a, b) => a - b)[SYNCS >> 1], took.at(-1)]
    return graded(
      'sync',
      `a 4 KiB write is on disk after ${median.toFixed(1)} ms (median of ${SYNCS}), ${longest.toFixed(1)} ms at most`,
      {
        isBad: median > SYNC_BAD_MS,
        isPoor: median > SYNC_POOR_MS,
        next: 'put the folder on a local SSD: a validator syncs several times in each block, and nothing else may hold up that disk',
      },
    )
  } finally {
    await file.close()
  }
}

// Descriptors, memory, versions.

/** LevelDB holds so many tables open. */
const TABLES = 1_000
const OTHERS = 256
/** `limitsFile` is that of the running node, else our own. */
export function checkDescriptors(config: Config, limitsFile: string): Check {
  const peers = 2 * (config['p2p.inboundMax'] + config['p2p.outboundMax'] + config['p2p.persistent'].length)
  const needed = TABLES + peers + rpcLimits.connections.value + OTHERS
  if (!existsSync(limitsFile)) return ok('descriptors', `not known on ${process.platform}; needs ${needed}`)
  const words = /^Max open files\s+(\S+)/m.exec(readFileSync(limitsFile, 'utf8'))?.[1] ?? ''
  const have = words === 'unlimited' ? Number.POSITIVE_INFINITY : Number(words)
  return graded(
    'descriptors',
    `${words} open files allowed, ${needed} needed with every peer and client that may come`,
    {
      isBad: have < TABLES + OTHERS,
      isPoor: have < needed,
      next: 'LimitNOFILE=65536 in the systemd unit, or `ulimit -n 65536` in the shell that starts it',
    },
  )
}

const MEMORY_BAD_BYTES = 512 * 1024 ** 2
const MEMORY_POOR_BYTES = 2 * 1024 ** 3
export function checkMemory(): Check {
  // What a container may have is less than what the machine has.
  const bound = process.constrainedMemory()
  const have = bound > 0 && bound < totalmem() ? bound : totalmem()
  return graded('memory', `${sizeOf(have)}; a busy node takes up to 1.4 GB, an idle one 0.2 GB`, {
    isBad: have < MEMORY_BAD_BYTES,
    isPoor: have < MEMORY_POOR_BYTES,
    next: 'give it 2 GB or more: a node that the system kills for memory goes on after a restart, and misses its turns until then',
  })
}

/** `running`: what the node says it is, null where none runs. `isNative`: the native signatures load. */
export function checkVersion(running: string | null, isNative: boolean): Check {
  const engines: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).engines?.node
  const least = String(engines ?? '').replace(/^>=/, '')
  const own = `novachain ${version} on Node ${process.version}`
  if (isOlder(process.version, least))
    return fail('version', `${own}, which needs Node ${least} or newer`, `install Node ${least} or newer`)
  if (!isNative)
    return warn(
      'version',
      `${own}; the native library for signatures does not load here`,
      'reinstall with `npm ci` on this machine; until then signatures take ten times as long',
    )
  const theirs = /^NovaChain\/v([^/]+)\//.exec(running ?? '')?.[1]
  if (theirs !== undefined && theirs !== version)
    return warn(
      'version',
      `the node runs ${theirs}, and ${version} is installed`,
      'restart the node to run what is installed',
    )
  return ok('version', `${own}, native libraries loaded`)
}

const isOlder = (have: string, least: string): boolean => {
  const parts = (text: string): number[] => text.replace(/^v/, '').split('.').map(Number)
  const [a, b] = [parts(have), parts(least)]
  for (const [i, wanted] of b.entries()) if ((a[i] ?? 0) !== wanted) return (a[i] ?? 0) < wanted
  return false
}
