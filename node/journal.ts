// The journal of local transactions: what users sent to this node waits on disk too, and enters the pool again after a restart.
// Not synced: a transaction is final when its block is.
import { NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { LogFile } from '../chain/store/wal.ts'
import { openWal } from '../chain/store/wal.ts'

/** Type of a record: one signed transaction. */
const TX = 1
/** Beyond this nothing more is kept; a restart begins the file anew with what still waits. */
const BYTES_MAX = 64 * 1024 * 1024

export interface Journal {
  /** How many came back into the pool. */
  readonly restored: number
  close(): Promise<void>
}

/** Sends again what waited, and follows what users send from now on. */
export async function openJournal(file: LogFile, chain: Chain, log: Log): Promise<Journal> {
  const wal = await openWal(file, { rotateBytes: 0 })
  const waiting = wal.records.filter(({ type }) => type === TX).map(({ payload }) => payload.slice())
  await wal.endHeight(chain.head().header.number) // begins the file anew: what is admitted below is written again
  let bytes = 0
  let last: Promise<void> = Promise.resolve()
  const unwatch = chain.watch('local', ({ raw }) => {
    bytes += raw.length
    if (bytes > BYTES_MAX) return
    last = wal.append(TX, raw, { sync: false }).catch((error: unknown) => {
      log.warn({ error: String(error) }, 'a local transaction is not in the journal')
    })
  })
  let restored = 0
  for (const raw of waiting) {
    try {
      await chain.submit(raw, 'local')
      restored++
    } catch (error) {
      if (!(error instanceof NodeError) || error.code === 'BASE_INVARIANT') throw error // mined meanwhile, or too poor by now
    }
  }
  return {
    restored,
    async close() {
      unwatch()
      await last
      await wal.close()
    },
  }
}
