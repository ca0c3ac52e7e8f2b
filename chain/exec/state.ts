// One block's journal over a Reader. Owns current values, one undo log (a checkpoint is its length), and what expires with a
// transaction: warm sets, originals, transient storage, created and destroyed marks, all by epoch stamps in O(1).
// Knows nothing of gas or opcodes.
import { ByteMap } from '../base/bytemap.ts'
import { type Address, bytesToHex, equalBytes, type Hash, type Hex, type Word } from '../base/bytes.ts'
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

const NO_SLOTS: readonly SlotChange[] = []
const NO_CODE: Code = { hash: KECCAK_EMPTY, bytes: new Uint8Array(0), jumps: new Uint8Array(0) }

/** One bit per byte: JUMPDEST bytes that are instructions and not push data. */
export function jumpsOf(bytes: Uint8Array): Uint8Array {
  const jumps = new Uint8Array((bytes.length + 7) >> 3)
  for (let at = 0; at < bytes.length; at++) {
    const op = bytes[at] as number
    if (op === 0x5b) jumps[at >> 3] = (jumps[at >> 3] as number) | (1 << (at & 7))
    else if (op >= 0x60 && op <= 0x7f) at += op - 0x5f
  }
  return jumps
}

/** Code with its hash and jump destinations. */
export function codeFrom(bytes: Uint8Array): Code {
  return bytes.length === 0 ? NO_CODE : { hash: keccak(bytes), bytes, jumps: jumpsOf(bytes) }
}

/** Of most accounts it is the change that the block made in them, too: there are two for each transaction. */
class AccountHandle implements Account, AccountChange {
  readonly address: Address
  readonly base: AccountRecord | undefined
  nonce: bigint
  balance: bigint
  codeHash: Hash
  /** Of `codeHash`, once somebody asked. */
  code: Code | null
  /** Written in this block: it may differ from `base`. */
  dirty = false
  /** Storage before this block is gone. */
  cleared = false
  warmEpoch = 0
  touchedEpoch = 0
  createdEpoch = 0
  destroyedEpoch = 0
  #hex: Hex | null = null
  /** By hexadecimal key: a Map hashes a bigint by its last 64 bits and no secret, so anybody could make all keys collide. */
  storage: Map<string, SlotHandle> | null = null
  transients: Map<string, Word> | null = null
  transientEpoch = 0

  constructor(address: Address, base: AccountRecord | undefined) {
    this.address = address
    this.base = base
    this.nonce = base?.nonce ?? 0n
    this.balance = base?.balance ?? 0n
    this.codeHash = base?.codeHash ?? KECCAK_EMPTY
    this.code = this.codeHash === KECCAK_EMPTY ? NO_CODE : null
  }
  /** As a change it has no slots and nothing cleared; others are objects of their own. */
  get account(): AccountRecord | null {
    return this.isEmpty ? null : this
  }
  get storageCleared(): boolean {
    return this.isEmpty
  }
  get slots(): readonly SlotChange[] {
    return NO_SLOTS
  }
  get hex(): Hex {
    this.#hex ??= bytesToHex(this.address)
    return this.#hex
  }
  get isEmpty(): boolean {
    return this.nonce === 0n && this.balance === 0n && isNoCode(this.codeHash)
  }
  /** An empty account the store holds stays until somebody touches it. */
  get exists(): boolean {
    return !this.isEmpty || (this.base !== undefined && !this.dirty)
  }
}

const isNoCode = (hash: Hash): boolean => hash === KECCAK_EMPTY || equalBytes(hash, KECCAK_EMPTY)

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

/** What a revert puts back into its target: an old value, or that it was not so. */
const Undo = {
  nonce: 0,
  balance: 1,
  code: 2,
  touched: 3,
  created: 4,
  destroyed: 5,
  warmAccount: 6,
  warmSlot: 7,
  slot: 8,
  transient: 9,
  refund: 10,
  logs: 11,
} as const
type UndoKind = (typeof Undo)[keyof typeof Undo]

const NO_LOGS: readonly Log[] = []

class Journal implements State {
  readonly #reader: Reader
  readonly #accounts = new ByteMap<AccountHandle>(20)
  readonly #codes = new Map<Hex, Code>()
  /** The undo log: parallel arrays that only grow, and how much of them counts. Nothing is noted before the first checkpoint. */
  readonly #kinds: UndoKind[] = []
  readonly #targets: (AccountHandle | SlotHandle | null)[] = []
  readonly #olds: unknown[] = []
  #undoCount = 0
  #isMarked = false
  #epoch = 0
  #logs: Log[] = []
  #refund = 0n
  readonly #touched: AccountHandle[] = []
  #touchedCount = 0
  #destroyed: AccountHandle[] = []

  constructor(reader: Reader) {
    this.#reader = reader
  }

  load(address: Address): AccountHandle {
    return this.#accounts.get(address) ?? this.#open(address.slice() as Address)
  }
  adopt(address: Address): AccountHandle {
    return this.#accounts.get(address) ?? this.#open(address)
  }
  #open(address: Address): AccountHandle {
    const made = new AccountHandle(address, this.#reader.account(address))
    this.#accounts.set(address, made)
    return made
  }

  isLoaded(address: Address): boolean {
    return this.#accounts.get(address) !== undefined
  }
  isSlotLoaded(account: Account, key: Word): boolean {
    return own(account).storage?.has(key.toString(16)) === true
  }

  loadSlot(account: Account, key: Word): SlotHandle {
    const owner = own(account)
    owner.storage ??= new Map()
    const name = key.toString(16)
    let slot = owner.storage.get(name)
    if (slot === undefined) {
      const base = owner.cleared || owner.base === undefined ? 0n : this.#reader.slot(owner.address, key)
      slot = new SlotHandle(owner, key, base, this.#epoch)
      owner.storage.set(name, slot)
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
    const target = own(account)
    target.code ??= this.code(target.codeHash)
    return target.code
  }

  #note(kind: UndoKind, target: AccountHandle | SlotHandle | null, old: unknown): void {
    if (!this.#isMarked) return
    const at = this.#undoCount++
    this.#kinds[at] = kind
    this.#targets[at] = target
    this.#olds[at] = old
  }
  #touch(target: AccountHandle): void {
    if (target.touchedEpoch === this.#epoch) return
    this.#note(Undo.touched, target, target.dirty)
    target.touchedEpoch = this.#epoch
    target.dirty = true
    this.#touched[this.#touchedCount++] = target
  }
  setBalance(account: Account, wei: bigint): void {
    assert(wei >= 0n, 'a balance is not negative')
    const target = own(account)
    this.#note(Undo.balance, target, target.balance)
    target.balance = wei
    this.#touch(target)
  }
  setNonce(account: Account, nonce: bigint): void {
    const target = own(account)
    this.#note(Undo.nonce, target, target.nonce)
    target.nonce = nonce
    this.#touch(target)
  }
  setCode(account: Account, bytes: Uint8Array): void {
    const target = own(account)
    const code = codeFrom(bytes)
    if (bytes.length > 0) this.#codes.set(bytesToHex(code.hash), code)
    this.#note(Undo.code, target, this.codeOf(target))
    target.codeHash = code.hash
    target.code = code
    this.#touch(target)
  }
  setSlot(slot: Slot, value: Word): void {
    const target = ownSlot(slot)
    if (target.value === value) return
    this.#note(Undo.slot, target, target.value)
    target.value = value
  }

  transient(address: Address, key: Word): Word {
    const account = this.load(address)
    if (account.transientEpoch !== this.#epoch) return 0n
    return account.transients?.get(key.toString(16)) ?? 0n
  }
  setTransient(address: Address, key: Word, value: Word): void {
    const account = this.load(address)
    if (account.transientEpoch !== this.#epoch) {
      account.transients = new Map()
      account.transientEpoch = this.#epoch
    }
    const name = key.toString(16)
    this.#note(Undo.transient, account, { name, value: account.transients?.get(name) })
    account.transients?.set(name, value)
  }

  warmAccount(account: Account): boolean {
    const target = own(account)
    if (target.warmEpoch === this.#epoch) return false
    target.warmEpoch = this.#epoch
    this.#note(Undo.warmAccount, target, null)
    return true
  }
  warmSlot(slot: Slot): boolean {
    const target = ownSlot(slot)
    if (target.warmEpoch === this.#epoch) return false
    target.warmEpoch = this.#epoch
    this.#note(Undo.warmSlot, target, null)
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
    if (target.createdEpoch === this.#epoch) return
    target.createdEpoch = this.#epoch
    this.#note(Undo.created, target, null)
  }
  wasCreated(account: Account): boolean {
    return own(account).createdEpoch === this.#epoch
  }
  destroy(account: Account): void {
    const target = own(account)
    if (target.destroyedEpoch === this.#epoch) return
    target.destroyedEpoch = this.#epoch
    this.#note(Undo.destroyed, target, null)
    this.#destroyed.push(target)
  }

  log(entry: Log): void {
    this.#note(Undo.logs, null, this.#logs.length)
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
    this.#note(Undo.refund, null, this.#refund)
    this.#refund = gas
  }

  checkpoint(): Mark {
    this.#isMarked = true
    return this.#undoCount
  }
  revert(to: Mark): void {
    assert(to <= this.#undoCount, 'a mark is reverted at most once')
    while (this.#undoCount > to) {
      const at = --this.#undoCount
      const [kind, target, old] = [this.#kinds[at] as UndoKind, this.#targets[at] ?? null, this.#olds[at]]
      if (kind === Undo.refund) this.#refund = old as bigint
      else if (kind === Undo.logs) {
        // Logs may have been taken since: never grow.
        if (this.#logs.length > (old as number)) this.#logs.length = old as number
      } else if (target instanceof SlotHandle) takeBackSlot(kind, target, old)
      else if (target !== null) takeBackAccount(kind, target, old)
    }
  }

  begin(): void {
    this.#epoch++
    this.#undoCount = 0
    this.#isMarked = false
    this.#refund = 0n
    this.#touchedCount = 0
    if (this.#logs.length > 0) this.#logs = []
    if (this.#destroyed.length > 0) this.#destroyed = []
  }

  end(): readonly Log[] {
    for (const account of this.#destroyed) if (account.destroyedEpoch === this.#epoch) wipe(account)
    for (let i = 0; i < this.#touchedCount; i++) {
      const account = this.#touched[i] as AccountHandle
      if (account.touchedEpoch === this.#epoch && account.base !== undefined && account.isEmpty) wipe(account)
    }
    this.#undoCount = 0
    this.#isMarked = false
    this.#epoch++ // what is warm or created now is not so between transactions
    return this.#logs.length === 0 ? NO_LOGS : this.#logs
  }

  changes(): Changes {
    return this.#changes(false)
  }
  finish(): Changes {
    return this.#changes(true)
  }
  #changes(isLast: boolean): Changes {
    const accounts: AccountChange[] = []
    const codes = new Map<Hex, Code>()
    this.#accounts.each((handle) => {
      const change = changeOf(handle, isLast)
      if (change === null) return
      accounts.push(change)
      // Code that the account had before is stored.
      if (change.account === null || handle.codeHash === (handle.base?.codeHash ?? KECCAK_EMPTY)) return
      const hex = bytesToHex(handle.codeHash)
      const code = this.#codes.get(hex)
      if (code !== undefined && !hasCode(handle.base, code.hash)) codes.set(hex, code)
    })
    return { accounts, codes: [...codes.values()] }
  }
}

/** What was noted with each kind is what is taken back here: the casts say no more. */
const takeBackAccount = (kind: UndoKind, target: AccountHandle, old: unknown): void => {
  switch (kind) {
    case Undo.nonce:
      target.nonce = old as bigint
      return
    case Undo.balance:
      target.balance = old as bigint
      return
    case Undo.code:
      target.code = old as Code
      target.codeHash = target.code.hash
      return
    case Undo.touched:
      target.touchedEpoch = 0
      target.dirty = old as boolean
      return
    case Undo.warmAccount:
      target.warmEpoch = 0
      return
    case Undo.created:
      target.createdEpoch = 0
      return
    case Undo.destroyed:
      target.destroyedEpoch = 0
      return
    case Undo.transient: {
      const { name, value } = old as { readonly name: string; readonly value: Word | undefined }
      if (value === undefined) target.transients?.delete(name)
      else target.transients?.set(name, value)
    }
  }
}
const takeBackSlot = (kind: UndoKind, target: SlotHandle, old: unknown): void => {
  if (kind === Undo.slot) target.value = old as Word
  else target.warmEpoch = 0
}

const wipe = (account: AccountHandle): void => {
  account.nonce = 0n
  account.balance = 0n
  account.codeHash = KECCAK_EMPTY
  account.code = NO_CODE
  account.dirty = true
  account.cleared = account.cleared || account.base !== undefined
  for (const slot of account.storage?.values() ?? []) slot.value = 0n
}

const slotsOf = ({ storage, cleared }: AccountHandle): readonly SlotChange[] => {
  if (storage === null) return NO_SLOTS
  const out: SlotChange[] = []
  for (const { key, value, base } of storage.values()) if (value !== (cleared ? 0n : base)) out.push({ key, value })
  return out
}

const hasCode = (record: AccountRecord | undefined, hash: Hash): boolean =>
  record !== undefined && (record.codeHash === hash || equalBytes(record.codeHash, hash))

const changeOf = (handle: AccountHandle, isLast: boolean): AccountChange | null => {
  const { address, base, cleared } = handle
  const slots = slotsOf(handle)
  if (handle.isEmpty && handle.dirty) {
    assert(slots.length === 0, 'an account that is gone holds no storage')
    if (base === undefined) return null
    return isLast ? handle : { address, account: null, storageCleared: true, slots }
  }
  const same =
    base !== undefined &&
    base.nonce === handle.nonce &&
    base.balance === handle.balance &&
    hasCode(base, handle.codeHash)
  if ((same || !handle.dirty) && slots.length === 0 && !cleared) return null
  if (isLast && slots.length === 0 && !cleared) return handle
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
