// Worlds of random contracts and a few transactions over them, made by a seed: what two engines are compared on. Owns what a case is and how
// it gets smaller; running is engine-runs.ts.
import { readFileSync } from 'node:fs'
import { Interface } from 'ethers'
import {
  type Address,
  asAddress,
  asHash,
  bytesToHex,
  concat,
  type Hash,
  type Hex,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { maxBigint } from '../../chain/base/math.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { genesisChanges } from '../../chain/exec/genesis.ts'
import { abi as paramsAbi } from '../../chain/native/params/abi.ts'
import { abi as slashingAbi } from '../../chain/native/slashing/abi.ts'
import { abi as stakingAbi } from '../../chain/native/staking/abi.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { type AccessEntry, type Authorization, intrinsicGas, type Tx } from '../../chain/types/tx.ts'
import { createDice, type Dice } from './dice.ts'
import { assemble, type Places, type Program, smaller, writeInitcode, writeProgram } from './programs.ts'

export interface CaseAccount {
  readonly address: Address
  readonly nonce: bigint
  readonly balance: bigint
  /** Bytes are a delegation, or what a failure was cut down to. */
  readonly code: Program | Uint8Array
  readonly slots: readonly (readonly [bigint, bigint])[]
}
export interface CaseTx
  extends Pick<Tx, 'type' | 'from' | 'to' | 'value' | 'accessList' | 'authorizations' | 'maxFeeWei' | 'maxTipWei'> {
  readonly data: Program | Uint8Array
  /** Beyond intrinsic gas and floor. */
  readonly gas: bigint
}
export interface EngineCase {
  readonly accounts: readonly CaseAccount[]
  /** Of one block, in this order. */
  readonly txs: readonly CaseTx[]
}

export const CHAIN_ID = 662_607n
export const genesis = parseGenesis(readFileSync(new URL('../../genesis.json', import.meta.url), 'utf8'))
export const genesisState = genesisChanges(genesis)
const account = (first: number, n: number): Address => asAddress(Uint8Array.of(first, ...new Uint8Array(18), n))
const native = (n: number): Address => asAddress(Uint8Array.of(...new Uint8Array(18), 8, n))

const SENDERS = [account(0xf0, 1), account(0xf0, 2), account(0xf0, 3)]
const CONTRACTS = [1, 2, 3, 4, 5].map((n) => account(0xc0, n))
/** Accounts with a delegation (EIP-7702): to a contract, to each other, to a precompile, to a module, to nothing. */
const DELEGATED = [1, 2, 3, 4, 5].map((n) => account(0xd0, n))
const NATIVES = [native(1), native(2), native(3)]
const NOBODY = account(0x0b, 1)
/** Stored though it is empty: whoever touches it deletes it (EIP-161). */
const HUSK = account(0x0b, 2)
export const COINBASE = account(0xcb, 1)
const delegationTo = (address: Address): Uint8Array => concat(Uint8Array.of(0xef, 0x01, 0x00), address)
const precompile = (n: number): Address => asAddress(Uint8Array.of(...new Uint8Array(18), n >> 8, n & 255))

const MODULES = [stakingAbi, slashingAbi, paramsAbi].map(
  (abi) => new Interface(Object.values(abi.functions).map((f) => f.source)),
)
const valueFor = (dice: Dice, type: string): unknown => {
  if (type.endsWith('[]')) return Array.from({ length: dice.below(4) }, () => valueFor(dice, type.slice(0, -2)))
  if (type === 'address')
    return bytesToHex(dice.pick([...SENDERS, ...CONTRACTS, genesis.accounts[0]?.address ?? NOBODY]))
  if (type === 'string')
    return dice.pick([
      'staking.unbondingTime',
      'osaka',
      'slashing.downtimeBps',
      'staking',
      'senders',
      '',
      'x'.repeat(60),
    ])
  if (type === 'bytes') return bytesToHex(dice.bytes(dice.pick([0, 48, 96, 130])))
  if (type === 'bytes32') return bytesToHex(dice.bytes(32))
  if (type === 'bool') return dice.chance(0.5)
  if (type === 'uint8') return dice.below(4)
  return BigInt(dice.pick([0, 1, 2, 100, 10_000, 65_535]))
}
const nativeCall: Places['nativeCall'] = (dice) => {
  const i = dice.below(3)
  const module = MODULES[i] as Interface // as many as NATIVES
  const to = NATIVES[i] as Address
  const names: string[] = []
  module.forEachFunction((each) => names.push(each.name))
  const called = module.getFunction(dice.pick(names))
  if (called === null || dice.chance(0.05)) return { to, input: dice.bytes(dice.below(40)) }
  const data = module.encodeFunctionData(
    called,
    called.inputs.map(({ type }) => valueFor(dice, type)),
  )
  return { to, input: hexToBytes(data) }
}
const OTHERS = [
  ...[
    ...SENDERS,
    ...NATIVES,
    NOBODY,
    HUSK,
    HUSK,
    COINBASE,
    precompile(1),
    precompile(2),
    precompile(4),
    precompile(0x12),
  ],
  ...[precompile(0x100), asAddress(new Uint8Array(20))],
  asAddress(hexToBytes('0x0000f90827f1c53a10cb7a02335b175320002935')),
]
/** What contract `from` calls: mostly later ones, for circles burn all gas in the same few instructions. */
const placesOf = (from: number): Places => {
  const later = CONTRACTS.slice(from)
  const targets = [...later, ...later, ...later, ...later, ...CONTRACTS.slice(0, from), ...DELEGATED, ...OTHERS]
  return { nativeCall, targets }
}
const PLACES = placesOf(0)

/** Where a contract makes its next one with CREATE. */
const createdBy = (address: Address, nonce: bigint): Address =>
  asAddress(keccak(encodeRlp([address, rlpInt(nonce)])).subarray(12))

const drawAccounts = (dice: Dice): CaseAccount[] => {
  const accounts: CaseAccount[] = SENDERS.map((address) => ({
    ...{ address, nonce: BigInt(dice.below(3)), balance: 10n ** 24n, code: new Uint8Array(0), slots: [] },
  }))
  for (const [i, address] of CONTRACTS.entries()) {
    const slots = [0n, 1n, 2n, 3n]
      .filter(() => dice.chance(0.5))
      .map((key) => [key, BigInt(1 + dice.below(3))] as const)
    const balance = dice.pick([0n, 1n, 1_000n, 10n ** 18n])
    // The last nonce makes nothing any more (EIP-2681).
    const nonce = dice.chance(0.03) ? 2n ** 64n - BigInt(1 + dice.below(2)) : 1n
    accounts.push({ address, nonce, balance, code: writeProgram(dice, placesOf(i + 1)), slots })
  }
  for (const address of DELEGATED) {
    const to = dice.pick([...CONTRACTS, ...DELEGATED, NATIVES[0] as Address, precompile(4), NOBODY])
    accounts.push({ address, nonce: BigInt(dice.below(2)), balance: 1_000n, code: delegationTo(to), slots: [[1n, 7n]] })
  }
  accounts.push({ address: HUSK, nonce: 0n, balance: 0n, code: new Uint8Array(0), slots: [] })
  if (dice.chance(0.15)) {
    const taken = { address: createdBy(dice.pick(CONTRACTS), 1n), slots: [] }
    const how = dice.pick([
      { nonce: 1n, balance: 0n },
      { nonce: 0n, balance: 5n },
    ])
    accounts.push({ ...taken, ...how, code: dice.chance(0.5) ? Uint8Array.of(0) : new Uint8Array(0) })
  }
  return accounts
}

const drawAuthorizations = (dice: Dice): Authorization[] =>
  Array.from({ length: 1 + dice.below(3) }, () => ({
    chainId: dice.pick([0n, CHAIN_ID, CHAIN_ID, 5n]),
    address: dice.pick([...CONTRACTS, ...DELEGATED, ...NATIVES, precompile(2), asAddress(new Uint8Array(20))]),
    nonce: BigInt(dice.below(4)),
    ...{ yParity: 0n, r: 1n, s: 1n },
    authority: dice.chance(0.1) ? null : dice.pick([...SENDERS, ...DELEGATED, NOBODY, ...CONTRACTS.slice(0, 1)]),
  }))

/** Some name an account or a slot twice, which is paid for and warms nothing more. */
const drawAccessList = (dice: Dice, keys: readonly Hash[]): AccessEntry[] =>
  Array.from({ length: 1 + dice.below(3) }, () => ({
    address: dice.pick([...PLACES.targets, CONTRACTS[0] as Address, CONTRACTS[0] as Address]),
    keys: dice.chance(0.3) ? [...keys, ...keys] : keys,
  }))

const drawTx = (dice: Dice): CaseTx => {
  const type = dice.pick([0, 1, 2, 2, 4] as const)
  const isCreation = type !== 4 && dice.chance(0.15)
  const plain = {
    value: dice.pick([0n, 0n, 1n, 1_000n, dice.chance(0.1) ? 10n ** 30n : 0n]),
    to: dice.pick(PLACES.targets),
  }
  const data = dice.bytes(dice.pick([0, 0, 4, 36, 68, 300])).map((byte) => (dice.chance(0.5) ? 0 : byte))
  const call = dice.chance(0.1) ? nativeCall(dice) : null
  const keys = [0n, 1n, 2n]
    .filter(() => dice.chance(0.5))
    .map((key) => asHash(hexToBytes(`0x${key.toString(16).padStart(64, '0')}`)))
  const tip = type === 2 || type === 4 ? BigInt(dice.below(3)) : 13n
  return {
    ...{ type, from: dice.pick(SENDERS), value: plain.value },
    ...{ to: isCreation ? null : (call?.to ?? plain.to) },
    data: isCreation ? writeInitcode(dice, PLACES, 1) : (call?.input ?? data),
    accessList: type === 0 || dice.chance(0.6) ? [] : drawAccessList(dice, keys),
    authorizations: type === 4 ? drawAuthorizations(dice) : [],
    ...{ maxFeeWei: 20n, maxTipWei: tip },
    gas: BigInt(dice.pick([dice.below(60_000), 150_000, 300_000, 600_000, 1_500_000])),
  }
}

/** Initcode alone. */
export const drawProgram = (seed: number): Program => writeInitcode(createDice(seed), PLACES, 1)

export function drawCase(seed: number): EngineCase {
  const dice = createDice(seed)
  return { accounts: drawAccounts(dice), txs: Array.from({ length: 1 + dice.below(4) }, () => drawTx(dice)) }
}

/** What the rules take it for; nonces are those that fit. */
export function txOf(draft: CaseTx, nonce: bigint): Tx {
  const { gas, ...rest } = draft
  const data = assemble(draft.data)
  const least = intrinsicGas({ ...draft, data })
  const gasLimit = maxBigint(least.gas, least.floor) + gas
  return {
    ...rest,
    ...{ data, gasLimit, nonce, chainId: CHAIN_ID, v: 0n, r: 0n, s: 0n },
    ...{ hash: asHash(keccak(data)), raw: new Uint8Array(0) },
  }
}

/** Every way to take one thing away, the largest first. */
export function* smallerCases(of: EngineCase): Generator<EngineCase> {
  const { accounts, txs } = of
  for (let i = 0; i < txs.length && txs.length > 1; i++) yield { accounts, txs: txs.toSpliced(i, 1) }
  for (let i = 0; i < accounts.length; i++) yield { txs, accounts: accounts.toSpliced(i, 1) }
  for (const [i, tx] of txs.entries()) {
    const replaced = (by: Partial<CaseTx>): EngineCase => ({ accounts, txs: txs.with(i, { ...tx, ...by }) })
    if (tx.accessList.length > 0) yield replaced({ accessList: [] })
    for (let at = 0; at < tx.authorizations.length; at++)
      if (tx.authorizations.length > 1) yield replaced({ authorizations: tx.authorizations.toSpliced(at, 1) })
    if (tx.type !== 2 && tx.authorizations.length === 0) yield replaced({ type: 2, maxTipWei: 0n })
    if (tx.value > 0n) yield replaced({ value: 0n })
    if (!(tx.data instanceof Uint8Array)) for (const data of smaller(tx.data)) yield replaced({ data })
    else if (tx.data.length > 0) yield replaced({ data: tx.data.subarray(0, tx.data.length >> 1) })
  }
  for (const [i, each] of accounts.entries()) {
    const replaced = (by: Partial<CaseAccount>): EngineCase => ({ txs, accounts: accounts.with(i, { ...each, ...by }) })
    for (let at = 0; at < each.slots.length; at++) yield replaced({ slots: each.slots.toSpliced(at, 1) })
    if (!(each.code instanceof Uint8Array)) for (const code of smaller(each.code)) yield replaced({ code })
  }
}

/** For a person, and for a test that keeps it. */
export function showCase({ accounts, txs }: EngineCase): string {
  const hex = (bytes: Uint8Array | null): Hex | null => (bytes === null ? null : bytesToHex(bytes))
  const rows = [
    ...accounts.map((each) => ({ ...each, address: hex(each.address), code: hex(assemble(each.code)) })),
    ...txs.map((tx) => ({ ...tx, from: hex(tx.from), to: hex(tx.to), data: hex(assemble(tx.data)) })),
  ]
  return rows
    .map((row) =>
      JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? hex(v) : v)),
    )
    .join('\n')
}
