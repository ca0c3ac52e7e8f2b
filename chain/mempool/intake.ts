// The way of signed bytes into the pool: whose they are, the checks that need no state, admission. Owns the bound of what waits for its
// sender to be found out, and that each is answered in its place.
import { bytesToHex, type Hash } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { Pause } from '../base/ports.ts'
import type { Reader } from '../types/state.ts'
import {
  checkTxGas,
  decodeTx,
  type IdentifyTxs,
  type Identity,
  SHELVED_BYTES,
  shelvedTx,
  type Tx,
} from '../types/tx.ts'
import { type Pool, PoolErrors } from './pool.ts'

/** Transactions whose senders are found out on the spot between two pauses: about 5 ms. */
const SLICE_TXS = 64
/** Some hundred requests of 500 transfers: two seconds of a thread that finds out senders. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024

export type Origin = 'local' | 'peer'

type Check = (tx: Tx) => void

export interface IntakeDeps {
  readonly pool: Pool
  readonly chainId: bigint
  readonly identify?: IdentifyTxs
  readonly pause: Pause
  /** What throws TX_* where a sender may not, on a state; null where everybody may. */
  readonly check?: (head: Reader) => Check | null
}

export class Intake {
  readonly #deps: IntakeDeps
  readonly #admitted: (tx: Tx, origin: Origin) => void
  readonly #shelf = new Shelf()
  #waitingBytes = 0
  #refuses: Check | null = null

  constructor(deps: IntakeDeps, admitted: (tx: Tx, origin: Origin) => void) {
    this.#deps = deps
    this.#admitted = admitted
  }

  async submit(raws: readonly Uint8Array[], origin: Origin): Promise<readonly (Hash | NodeError)[]> {
    const { identify, pool } = this.#deps
    if (identify === undefined) return this.#submitHere(raws, origin)
    const sizeBytes = raws.reduce((sum, raw) => sum + raw.length, 0)
    if (this.#waitingBytes > 0 && this.#waitingBytes + sizeBytes > WAITING_BYTES_MAX) {
      const busy = new NodeError(PoolErrors.BUSY, { waitingBytes: this.#waitingBytes })
      return raws.map(() => busy)
    }
    this.#waitingBytes += sizeBytes
    try {
      // What peers bring the pool often has: nobody is asked again who signed it.
      const known = raws.map((raw) => (origin === 'peer' ? pool.get(keccak(raw)) : null))
      const identities = await identify(raws.filter((_, i) => known[i] === null))
      const out: (Hash | NodeError)[] = []
      let [next, here] = [0, 0]
      for (const [i, raw] of raws.entries()) {
        const had = known[i] ?? null
        const identity = had === null ? (identities[next++] ?? null) : null
        // What no thread found out is no transaction, or its sender is found out here.
        if (had === null && identity === null && ++here % SLICE_TXS === 0) await this.#deps.pause()
        if (had !== null) out.push(new NodeError(PoolErrors.KNOWN, { hash: bytesToHex(had.hash) }))
        else out.push(this.#admit(raw, origin, identity))
      }
      return out
    } finally {
      this.#waitingBytes -= sizeBytes
    }
  }

  /** Judges by this state from now on, and drops what waits of those who may not send any more. */
  look(head: Reader, isChanged: () => boolean): void {
    const { pool, check } = this.#deps
    const refuses = check?.(head) ?? null
    this.#refuses = refuses
    if (refuses === null || !isChanged()) return
    for (const sender of pool.senders()) {
      const { pending, queued } = pool.of(sender)
      for (const tx of [...queued, ...[...pending].reverse()]) {
        try {
          refuses(tx)
        } catch (error) {
          if (!(error instanceof NodeError)) throw error
          pool.drop(tx.hash)
        }
      }
    }
  }

  async #submitHere(raws: readonly Uint8Array[], origin: Origin): Promise<readonly (Hash | NodeError)[]> {
    const out: (Hash | NodeError)[] = []
    for (const raw of raws) {
      if (out.length % SLICE_TXS === SLICE_TXS - 1) await this.#deps.pause()
      out.push(this.#admit(raw, origin, null))
    }
    return out
  }

  #admit(raw: Uint8Array, origin: Origin, identity: Identity | null): Hash | NodeError {
    const { chainId, pool } = this.#deps
    const kept = this.#shelf.keep(raw, identity)
    let tx: Tx
    try {
      if (identity === null) tx = decodeTx(kept, chainId)
      else tx = identity.from === null ? decodeTx(kept, chainId, () => null) : shelvedTx(kept, chainId)
      checkTxGas(tx)
      this.#refuses?.(tx)
      pool.add(tx, identity ?? tx)
    } catch (error) {
      if (!(error instanceof NodeError) || error.code === 'BASE_INVARIANT') throw error
      this.#shelf.giveBack()
      return error
    }
    this.#admitted(tx, origin)
    return (identity ?? tx).hash
  }
}

/** What one that stays may hold on to of others that have left. */
const SHELF_BYTES = 2_048

/**
 * Bytes of what is admitted, copied one after another: a request's own buffer goes when it is answered, and a buffer for each transaction costs
 * the collector of garbage more than the transaction.
 */
class Shelf {
  #bytes = new Uint8Array(SHELF_BYTES)
  /** Of the last one. */
  #start = 0
  #end = 0
  /** With what is known of it behind it: see `shelvedTx`. */
  keep(raw: Uint8Array, identity: Identity | null): Uint8Array {
    const sizeBytes = raw.length + SHELVED_BYTES
    const isLong = sizeBytes > SHELF_BYTES / 4
    if (!isLong && this.#end + sizeBytes > SHELF_BYTES) {
      this.#bytes = new Uint8Array(SHELF_BYTES)
      this.#end = 0
    }
    const bytes = isLong ? new Uint8Array(sizeBytes) : this.#bytes
    const start = isLong ? 0 : this.#end
    const end = start + raw.length
    this.#start = this.#end
    if (!isLong) this.#end = end + SHELVED_BYTES
    bytes.set(raw, start)
    if (identity !== null && identity.from !== null) {
      bytes.set(identity.hash, end)
      bytes.set(identity.from, end + 32)
    }
    return bytes.subarray(start, end)
  }
  /** Nothing of the last one stayed. */
  giveBack(): void {
    this.#end = this.#start
  }
}
