// One block's journal over a Reader. Owns current values, one undo log (a checkpoint is its length), and what expires with a
// transaction: warm sets, originals, transient storage, created and destroyed marks, all by epoch stamps in O(1).
// Knows nothing of gas or opcodes.
import { type Address, bytesToHex, type Hash, type Hex, type Word } from '../base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import type { Log } from '../types/receipt.ts'
import type {
  Account,
  AccountChange,
  AccountRecord,
  Changes,
  Code,
  Mark,
  Reader,
  Slot,
  SlotChange,
  State,
} from '../types/state.ts'

const NO_CODE: Code = { hash: KECCAK_EMPTY, bytes: new Uint8Array(0), jumps: new Uint8Array(0) }
const EMPTY_HEX = bytesToHex(KECCAK_EMPTY)

/** Code with its hash and jump destinations: JUMPDEST bytes that are instructions and not push data. */
export function codeFrom(bytes: Uint8Array): Code {
  if (bytes.length === 0) return NO_CODE
  const jumps = new Uint8Array((bytes.length + 7) >> 3)
  for (let at = 0; at < bytes.length; at++) {
    const op = bytes[at] as number
    if (op === 0x5b) jumps[at >> 3] = (jumps[at >> 3] as number) | (1 << (at & 7))
    else if (op >= 0x60 && op <= 0x7f) at += op - 0x5f
  }
  return { hash: keccak(bytes), bytes, jumps }
}

class AccountHandle implements Account {
  readonly address: Address
  readonly hex: Hex
  readonly base: AccountRecord | undefined
  nonce: bigint
  balance: bigint
  codeHash: Hash
  /** Written in this block: it may differ from `base`. */
  dirty = false
  /** Storage before this block is gone. */
  cleared = false
  warmEpoch = 0
  touchedEpoch = 0
  createdEpoch = 0
  destroyedEpoch = 0
  readonly slots = new Map<string, SlotHandle>()

  constructor(address: Address, base: AccountRecord | undefined) {
    this.address = address
    this.hex = bytesToHex(address)
    this.base = base
    this.nonce = base?.nonce ?? 0n
    this.balance = base?.balance ?? 0n
    this.codeHash = base?.codeHash ?? KECCAK_EMPTY
  }
  get isEmpty(): boolean {
    return this.nonce === 0n && this.balance === 0n && isNoCode(this.codeHash)
  }
  /** An empty account the store holds stays until somebody touches it. */
  get exists(): boolean {
    return !this.isEmpty || (this.base !== undefined && !this.dirty)
  }
}

const isNoCode = (hash: Hash): boolean => hash === KECCAK_EMPTY || bytesToHex(hash) === EMPTY_HEX

class SlotHandle implements Slot {
  readonly account: AccountHandle
  readonly key: Word
  readonly base: Word
  value: Word
  original: Word
  epoch: number
  warmEpoch = 0
  constructor(account: AccountHandle, key: Word, base: Word, epoch: number) {
    this.account = account
    this.key = key
    this.base = base
    this.value = base
    this.original = base
    this.epoch = epoch
  }
}

/** What a revert puts back: `target[field] = old`, or a log or transient value. */
type Undo =
  | {
      readonly kind: 'account'
      readonly target: AccountHandle
      readonly nonce: bigint
      readonly balance: bigint
      readonly codeHash: Hash
      readonly dirty: boolean
    }
  | { readonly kind: 'slot'; readonly target: SlotHandle; readonly value: Word }
  | { readonly kind: 'warm'; readonly target: AccountHandle | SlotHandle }
  | { readonly kind: 'touched' | 'created' | 'destroyed'; readonly target: AccountHandle }
  | { readonly kind: 'transient'; readonly key: string; readonly value: Word | undefined }
  | { readonly kind: 'refund'; readonly value: bigint }
  | { readonly kind: 'logs'; readonly count: number }

class Journal implements State {
  readonly #reader: Reader
  readonly #accounts = new Map<Hex, AccountHandle>()
  readonly #codes = new Map<Hex, Code>()
  #undo: Undo[] = []
  #epoch = 0
  #logs: Log[] = []
  #refund = 0n
  #touched: AccountHandle[] = []
  #destroyed: AccountHandle[] = []
  readonly #transient = new Map<string, Word>()

  constructor(reader: Reader) {
    this.#reader = reader
  }

  load(address: Address): AccountHandle {
    const hex = bytesToHex(address)
    const known = this.#accounts.get(hex)
    if (known !== undefined) return known
    const made = new AccountHandle(address.slice() as Address, this.#reader.account(address))
    this.#accounts.set(hex, made)
    return made
  }

  loadSlot(account: Account, key: Word): SlotHandle {
    const owner = own(account)
    const name = key.toString(16)
    let slot = owner.slots.get(name)
    if (slot === undefined) {
      const base = owner.cleared || owner.base === undefined ? 0n : this.#reader.slot(owner.address, key)
      slot = new SlotHandle(owner, key, base, this.#epoch)
      owner.slots.set(name, slot)
    } else if (slot.epoch !== this.#epoch) {
      slot.epoch = this.#epoch
      slot.original = slot.value
    }
    return slot
  }

  account(address: Address): AccountRecord | undefined {
    const handle = this.load(address)
    return handle.exists ? handle : undefined
  }
  slot(address: Address, key: Word): Word {
    return this.loadSlot(this.load(address), key).value
  }
  code(hash: Hash): Code {
    if (isNoCode(hash)) return NO_CODE
    return this.#codes.get(bytesToHex(hash)) ?? this.#reader.code(hash)
  }
  codeOf(account: Account): Code {
    return this.code(account.codeHash)
  }

  #write(account: Account): AccountHandle {
    const target = own(account)
    const { nonce, balance, codeHash, dirty } = target
    this.#undo.push({ kind: 'account', target, nonce, balance, codeHash, dirty })
    target.dirty = true
    if (target.touchedEpoch !== this.#epoch) {
      this.#undo.push({ kind: 'touched', target })
      target.touchedEpoch = this.#epoch
      this.#touched.push(target)
    }
    return target
  }
  setBalance(account: Account, wei: bigint): void {
    assert(wei >= 0n, 'a balance is not negative')
    this.#write(account).balance = wei
  }
  setNonce(account: Account, nonce: bigint): void {
    this.#write(account).nonce = nonce
  }
  setCode(account: Account, bytes: Uint8Array): void {
    const code = codeFrom(bytes)
    if (bytes.length > 0) this.#codes.set(bytesToHex(code.hash), code)
    this.#write(account).codeHash = code.hash
  }
  setSlot(slot: Slot, value: Word): void {
    const target = ownSlot(slot)
    if (target.value === value) return
    this.#undo.push({ kind: 'slot', target, value: target.value })
    target.value = value
  }

  transient(address: Address, key: Word): Word {
    return this.#transient.get(`${bytesToHex(address)}${key.toString(16)}`) ?? 0n
  }
  setTransient(address: Address, key: Word, value: Word): void {
    const name = `${bytesToHex(address)}${key.toString(16)}`
    this.#undo.push({ kind: 'transient', key: name, value: this.#transient.get(name) })
    this.#transient.set(name, value)
  }

  warmAccount(account: Account): boolean {
    return this.#warm(own(account))
  }
  warmSlot(slot: Slot): boolean {
    return this.#warm(ownSlot(slot))
  }
  #warm(target: AccountHandle | SlotHandle): boolean {
    if (target.warmEpoch === this.#epoch) return false
    target.warmEpoch = this.#epoch
    this.#undo.push({ kind: 'warm', target })
    return true
  }
  isWarmAccount(account: Account): boolean {
    return own(account).warmEpoch === this.#epoch
  }
  isWarmSlot(slot: Slot): boolean {
    return ownSlot(slot).warmEpoch === this.#epoch
  }

  markCreated(account: Account): void {
    const target = own(account)
    target.createdEpoch = this.#epoch
    this.#undo.push({ kind: 'created', target })
  }
  wasCreated(account: Account): boolean {
    return own(account).createdEpoch === this.#epoch
  }
  destroy(account: Account): void {
    const target = own(account)
    if (target.destroyedEpoch === this.#epoch) return
    target.destroyedEpoch = this.#epoch
    this.#undo.push({ kind: 'destroyed', target })
    this.#destroyed.push(target)
  }

  log(entry: Log): void {
    this.#undo.push({ kind: 'logs', count: this.#logs.length })
    this.#logs.push(entry)
  }
  logCount(): number {
    return this.#logs.length
  }
  takeLogs(from: number): readonly Log[] {
    return this.#logs.splice(from)
  }
  refund(): bigint {
    return this.#refund
  }
  setRefund(gas: bigint): void {
    this.#undo.push({ kind: 'refund', value: this.#refund })
    this.#refund = gas
  }

  checkpoint(): Mark {
    return this.#undo.length
  }
  revert(to: Mark): void {
    assert(to <= this.#undo.length, 'a mark is reverted at most once')
    while (this.#undo.length > to) {
      const entry = this.#undo.pop()
      if (entry !== undefined) this.#takeBack(entry)
    }
  }
  #takeBack(entry: Undo): void {
    switch (entry.kind) {
      case 'account':
        entry.target.nonce = entry.nonce
        entry.target.balance = entry.balance
        entry.target.codeHash = entry.codeHash
        entry.target.dirty = entry.dirty
        return
      case 'slot':
        entry.target.value = entry.value
        return
      case 'warm':
        entry.target.warmEpoch = 0
        return
      case 'touched':
        entry.target.touchedEpoch = 0
        return
      case 'created':
        entry.target.createdEpoch = 0
        return
      case 'destroyed':
        entry.target.destroyedEpoch = 0
        return
      case 'transient':
        if (entry.value === undefined) this.#transient.delete(entry.key)
        else this.#transient.set(entry.key, entry.value)
        return
      case 'refund':
        this.#refund = entry.value
        return
      case 'logs':
        // Logs may have been taken since: never grow.
        if (this.#logs.length > entry.count) this.#logs.length = entry.count
    }
  }

  begin(): void {
    this.#epoch++
    this.#undo = []
    this.#logs = []
    this.#refund = 0n
    this.#touched = []
    this.#destroyed = []
    this.#transient.clear()
  }

  end(): readonly Log[] {
    for (const account of this.#destroyed) if (account.destroyedEpoch === this.#epoch) wipe(account)
    for (const account of this.#touched)
      if (account.touchedEpoch === this.#epoch && account.isEmpty && account.base !== undefined) wipe(account)
    this.#undo = []
    this.#epoch++ // what is warm or created now is not so between transactions
    return this.#logs
  }

  changes(): Changes {
    const accounts: AccountChange[] = []
    const codes = new Map<Hex, Code>()
    for (const handle of this.#accounts.values()) {
      const change = changeOf(handle)
      if (change === null) continue
      accounts.push(change)
      const hex = bytesToHex(handle.codeHash)
      const code = this.#codes.get(hex)
      if (code !== undefined && change.account !== null) codes.set(hex, code)
    }
    return { accounts, codes: [...codes.values()] }
  }
}

const wipe = (account: AccountHandle): void => {
  account.nonce = 0n
  account.balance = 0n
  account.codeHash = KECCAK_EMPTY
  account.dirty = true
  account.cleared = account.cleared || account.base !== undefined
  for (const slot of account.slots.values()) slot.value = 0n
}

const changeOf = (handle: AccountHandle): AccountChange | null => {
  const { address, base, cleared } = handle
  const slots: SlotChange[] = []
  for (const { key, value, base: before } of handle.slots.values())
    if (value !== (cleared ? 0n : before)) slots.push({ key, value })
  if (handle.isEmpty && handle.dirty) {
    assert(slots.length === 0, 'an account that is gone holds no storage')
    return base === undefined ? null : { address, account: null, storageCleared: true, slots }
  }
  const same =
    base !== undefined &&
    base.nonce === handle.nonce &&
    base.balance === handle.balance &&
    (base.codeHash === handle.codeHash || bytesToHex(base.codeHash) === bytesToHex(handle.codeHash))
  if ((same || !handle.dirty) && slots.length === 0 && !cleared) return null
  const { nonce, balance, codeHash } = handle
  return { address, account: { nonce, balance, codeHash }, storageCleared: cleared, slots }
}

const own = (account: Account): AccountHandle => {
  assert(account instanceof AccountHandle, 'a handle comes from this journal')
  return account
}
const ownSlot = (slot: Slot): SlotHandle => {
  assert(slot instanceof SlotHandle, 'a handle comes from this journal')
  return slot
}

/** Opens a journal over `reader`; nothing is written to it. */
export const createState = (reader: Reader): State => new Journal(reader)
