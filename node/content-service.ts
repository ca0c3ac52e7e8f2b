// Content as a part of a node: the store, what the chain needs of it, and the hour at which what nobody needs is dropped. Loaded only where
// content.enabled is on.
import { join } from 'node:path'
import type { Clock, Log, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { AUDIT } from '../chain/native/index.ts'
import type { Content } from '../rpc/method.ts'
import { openReferences, type References } from './content-references.ts'
import { type Ipfs, type IpfsOptions, openIpfs, refOf } from './ipfs.ts'

export interface ContentOptions extends Omit<IpfsOptions, 'dir'> {
  /** So many blocks after the chain needed it last, content is dropped. */
  readonly retentionBlocks: number
}
export interface ContentService extends Content {
  readonly addresses: readonly string[]
  close(): Promise<void>
}

/** What was put and is on no chain yet may still come to be: its transaction waits, or its sender does. */
const GRACE_MS = 24 * 3_600_000
const COLLECT_MS = 3_600_000

/** Whether content is kept: what the chain needs within retention always, what it has never named for a day. */
export const isKept = (
  need: ReturnType<References['need']>,
  { pinnedAtMs, nowMs }: { readonly pinnedAtMs: number; readonly nowMs: number },
): boolean => need === 'newest' || need === 'kept' || (need === 'never' && nowMs - pinnedAtMs < GRACE_MS)

export async function openContent(
  deps: { readonly chain: Chain; readonly clock: Clock; readonly timers: Timers; readonly log: Log },
  dir: string,
  { retentionBlocks, ...options }: ContentOptions,
): Promise<ContentService> {
  const { chain, clock, timers, log } = deps
  const references = await openReferences(chain, AUDIT, dir)
  const ipfs = await openIpfs({ clock, log }, { ...options, dir: join(dir, 'ipfs') }).catch(async (error: unknown) => {
    await references.close()
    throw error
  })
  let [stop, round, isOpen] = [() => {}, Promise.resolve(), true]
  const tidy = async (): Promise<void> => {
    await references.update()
    const dropped = await ipfs.collect(({ digest }, pinnedAtMs) =>
      isKept(references.need(digest, retentionBlocks), { pinnedAtMs, nowMs: clock.nowMs() }),
    )
    const lacking = await ipfs.repair()
    if (dropped > 0 || lacking > 0) log.info({ dropped, lacking }, 'content that the chain no longer needs is dropped')
  }
  const next = (): void => {
    if (!isOpen) return
    stop = timers.after(COLLECT_MS, () => {
      round = tidy()
        .catch((error: unknown) => log.error({ reason: String(error) }, 'content could not be tidied'))
        .then(next)
    })
  }
  next()
  log.info({ peerId: ipfs.peerId, addresses: ipfs.addresses() }, 'this node holds content')
  return {
    ...doorOf(ipfs),
    addresses: ipfs.addresses(),
    close: async () => {
      isOpen = false
      stop()
      await round
      await ipfs.close()
      await references.close()
    },
  }
}

const doorOf = (ipfs: Ipfs): Content => ({
  put: (content, key) => ipfs.put(content, key),
  get: (cid, key) => ipfs.get(refOf(cid), key),
  refOf,
})
