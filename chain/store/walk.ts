// All pieces that make up one state, in the one order in which whoever has nothing yet can know of each that it is needed: the accounts from the
// root down, then large storages, then code. Owns that order, which a file of a state has, so that what is missing, spare or twice in one shows.
import { type Address, asAddress, bytesToHex, concat, type Hash, type Hex, hexToBytes } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import type { Checked, Place } from './chunks.ts'

export interface WalkCounts {
  readonly pieces: number
  readonly accounts: number
  readonly slots: number
  readonly codes: number
}

export class StateWalk {
  /** Depth first, so few places wait. */
  readonly #places: Place[] = [{ owner: null, path: new Uint8Array(0) }]
  /** Owners of storage that did not come with its account, last first. */
  #owners: Address[] = []
  readonly #codes = new Set<Hex>()
  #counts = { pieces: 0, accounts: 0, slots: 0, codes: 0 }

  get counts(): WalkCounts {
    return this.#counts
  }

  /** null where all are there. The same again until it is taken. */
  place(): Place | null {
    return this.#places.at(-1) ?? null
  }
  /** After the last piece: code that is to come next, of its hash; null where all of it is there. */
  code(): Hash | null {
    const [first] = this.#codes
    return first === undefined ? null : (hexToBytes(first) as Hash) // put there from one
  }

  /** The piece at `place()`. */
  take(piece: Checked): void {
    this.#places.pop()
    this.#counts.pieces++
    if (piece.kind === 'split') {
      const below = concat(piece.path, piece.extension)
      for (const [nibble, ref] of piece.refs.entries())
        if (ref !== null) this.#places.push({ owner: piece.owner, path: concat(below, Uint8Array.of(nibble)) })
    } else if (piece.kind === 'slots') this.#counts.slots += piece.slots.length
    else this.#takeAccounts(piece.accounts)
    const owner = this.#places.length === 0 ? this.#owners.pop() : undefined
    if (owner !== undefined) this.#places.push({ owner, path: new Uint8Array(0) })
  }

  #takeAccounts(accounts: readonly (Checked & { readonly kind: 'accounts' })['accounts'][number][]): void {
    this.#counts.accounts += accounts.length
    for (const { stored, storage, codeHash } of accounts) {
      if (codeHash !== null) this.#codes.add(bytesToHex(codeHash))
      if (storage.kind === 'whole') this.#counts.slots += storage.slots.length
      if (storage.kind === 'apart') this.#owners.push(asAddress(stored.slice(0, 20)))
    }
  }

  /** False where it is other code than `code()` names. */
  takeCode(bytes: Uint8Array): boolean {
    const [first] = this.#codes
    if (first === undefined || bytesToHex(keccak(bytes)) !== first) return false
    this.#codes.delete(first)
    this.#counts.codes++
    return true
  }
}
