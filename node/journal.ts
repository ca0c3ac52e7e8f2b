// The journal of local transactions: what users sent to this node waits on disk too, and enters the pool again after a restart.
// Not synced: a transaction is final when its block is.
import { NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import { asBytes, asList, decodeRlp, encodeRlp } from '../chain/base/rlp.ts'
import type { Chain } from '../chain/chain.ts'
import type { LogFile } from '../chain/store/wal.ts'
import { openWal } from '../chain/store/wal.ts'

/** Types of records: one signed transaction, and those of one request. */
const TX = 1
const TXS = 2
/** Beyond this nothing more is kept; a restart begins the file anew with what still waits. */
const BYTES_MAX = 64 * 1024 * 1024

const RESTORED_AT_ONCE = 500

export interface Journal {
  /** How many came back into the pool. */
  readonly restored: number
  close(): Promise<void>
}

/** Sends again what waited, and follows what users send from now on. */
export async function openJournal(file: LogFile, chain: Chain, log: Log): Promise<Journal> {
  const wal = await openWal(file, { rotateBytes: 0 })
  const waiting = wal.records.flatMap(({ type, payload }) =>
    type === TX
      ? [payload.slice()]
      : type === TXS
        ? asList(decodeRlp(payload.slice())).map((item) => asBytes(item))
        : [],
  )
  await wal.endHeight(chain.head().header.number) // begins the file anew: what is admitted below is written again
  let bytes = 0
  let last: Promise<void> = Promise.resolve()
  // What is admitted together is one record: a write each would cost more than the rest of an admission.
  let fresh: Uint8Array[] = []
  const write = (): void => {
    const raws = fresh
    fresh = []
    const [first] = raws
    if (first === undefined) return
    const written =
      raws.length === 1 ? wal.append(TX, first, { sync: false }) : wal.append(TXS, encodeRlp(raws), { sync: false })
    last = written.catch((error: unknown) => {
      log.warn({ error: String(error) }, 'local transactions are not in the journal')
    })
  }
  const unwatch = chain.watch('local', ({ raw }) => {
    bytes += raw.length
    if (bytes > BYTES_MAX) return
    if (fresh.length === 0) queueMicrotask(write)
    fresh.push(raw)
  })
  let restored = 0
  // Some were mined meanwhile, some are too poor by now.
  for (let from = 0; from < waiting.length; from += RESTORED_AT_ONCE)
    for (const answer of await chain.submitAll(waiting.slice(from, from + RESTORED_AT_ONCE), 'local'))
      if (!(answer instanceof NodeError)) restored++
  return {
    restored,
    async close() {
      unwatch()
      write()
      await last
      await wal.close()
    },
  }
}
