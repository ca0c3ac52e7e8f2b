// The first start of a node that takes the state of peers in place of the blocks that made it. Owns the folder it is fetched into, which is
// the database only once it is whole: a node that is killed before goes on there, and nothing else begins beside it.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../chain/base/ports.ts'
import { type FirstBlock, openRestore, type Restore } from '../chain/snapshot.ts'
import { openKv } from '../chain/store/kv.ts'
import { type Genesis, rulesOf } from '../chain/types/genesis.ts'
import type { Checkpoint } from '../chain/types/run.ts'
import type { Handlers, Network } from '../p2p/network.ts'
import { StateSync } from './statesync.ts'
import { systemClock, systemTimers } from './system.ts'
import { trustingPeriodMs } from './trust.ts'

export const BeginErrors = defineErrors('BEGIN', {
  ALONE: {
    text: () => 'sync.mode is state, and this node has no peers to ask: set p2p.listen, or sync.mode to blocks',
  },
  NOTHING: { text: () => 'this node has nothing to give yet' },
  NONE: { text: (d: { dir: string }) => `${d.dir} has no database yet: \`novachain start --dir ${d.dir}\` makes one` },
  PART: {
    text: (d: { dir: string }) =>
      `${d.dir} has no database yet, and db.part holds what came of a state before it was cut off: \`novachain start --dir ${d.dir} --sync state\` or ` +
      `\`novachain snapshot restore <file> --dir ${d.dir}\` goes on with it; remove db.part to begin with all blocks`,
  },
  EXISTS: {
    text: (d: { dir: string }) => `${d.dir} has a database already: a snapshot is restored into a folder without one`,
  },
})

/** Beside the database, on the same disk. */
const folderIn = (dir: string): string => join(dir, 'db.part')
export const hasDatabase = (dir: string): boolean => existsSync(join(dir, 'db', 'CURRENT'))
/** Whether a state was begun here, and is not whole. */
export const hasPart = (dir: string): boolean => !hasDatabase(dir) && existsSync(join(folderIn(dir), 'CURRENT'))

/** The same folder. For whoever reads a database: opening one that is not there would make it. Throws BEGIN_NONE and BEGIN_PART. */
export function requireDatabase(dir: string): string {
  if (hasPart(dir)) throw new NodeError(BeginErrors.PART, { dir })
  if (!hasDatabase(dir)) throw new NodeError(BeginErrors.NONE, { dir })
  return dir
}

/**
 * For whoever would make a database out of blocks: what came of a state is not left behind to be forgotten. Where there is a database already, it
 * is of no use to anybody, and goes. Throws BEGIN_PART, and STORE_LOCKED while another process fetches into it.
 */
export async function refusePart(dir: string): Promise<void> {
  if (hasPart(dir)) throw new NodeError(BeginErrors.PART, { dir })
  if (!existsSync(folderIn(dir))) return
  const kv = await openKv(folderIn(dir))
  await kv.close()
  rmSync(folderIn(dir), { recursive: true })
}

/**
 * Opens what was fetched of a state so far, and makes it the node's database once `fetch` is done with it; where it was done before
 * and only that is missing, `fetch` is not called. Throws BEGIN_EXISTS.
 */
export async function intoDatabase(
  dir: string,
  genesis: Genesis,
  fetch: (restore: Restore) => Promise<void>,
  first: FirstBlock | null = null,
): Promise<void> {
  if (hasDatabase(dir)) throw new NodeError(BeginErrors.EXISTS, { dir })
  const kv = await openKv(folderIn(dir), { pause: nextTurn })
  try {
    const restore = await openRestore(kv, genesis, first)
    if (restore !== null) await fetch(restore)
  } finally {
    await kv.close()
  }
  renameSync(folderIn(dir), join(dir, 'db'))
  const handle = openSync(dir, 'r') // a rename is durable when its directory is
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Where a state comes from. */
export interface FetchDeps {
  readonly checkpoint: Checkpoint | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
  /** null for a node that stays alone. */
  readonly join: (genesisHash: Restore['genesisHash'], handlers: Handlers) => Promise<Network | null>
  /** Where one may ask what it is about. */
  readonly onStatus: (status: () => string) => void
}

/** Fetches the state of peers into a node's folder, and makes it the database. Throws BEGIN_ALONE, and as `StateSync.run` does. */
export async function beginWithState(
  deps: Omit<FetchDeps, 'clock' | 'timers'> & { readonly dir: string },
  genesis: Genesis,
  signal: AbortSignal,
): Promise<void> {
  const ports = { ...deps, clock: systemClock, timers: systemTimers }
  await intoDatabase(deps.dir, genesis, (restore) => fetchState(ports, genesis, restore, signal))
}

/** Joins the network to ask, and leaves it. Throws as `beginWithState`. */
export async function fetchState(
  { checkpoint, join, onStatus, ...ports }: FetchDeps,
  genesis: Genesis,
  restore: Restore,
  signal: AbortSignal,
): Promise<void> {
  const late: { network: Network | null } = { network: null }
  const rules = rulesOf(genesis)
  const sync = new StateSync(
    { restore, rules, ...ports, network: () => late.network },
    { checkpoint, trustingPeriodMs: trustingPeriodMs(rules) },
  )
  onStatus(() => sync.status)
  late.network = await join(restore.genesisHash, {
    onPublished: () => 'ignore',
    onRequest: () => Promise.reject(new NodeError(BeginErrors.NOTHING, undefined)),
    onPeer: (peer) => sync.onPeer(peer),
    onPeerGone: (peer) => sync.onPeerGone(peer),
  })
  if (late.network === null) throw new NodeError(BeginErrors.ALONE, undefined)
  try {
    await sync.run(signal)
  } finally {
    await late.network.close()
  }
}
