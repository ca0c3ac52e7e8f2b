// How a draft becomes a genesis: each founder's stake goes from its account into its validator's entry. Owns that change of the file and
// the checks of founders against the draft and each other; what comes out depends on who is in it, never on the order they came.
import { bytesToHex, type Hex } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { computeGenesisHash } from '../chain/chain.ts'
import { paramsOf } from '../chain/native/params/module.ts'
import { type Draft, type Genesis, parseDraft, parseGenesis } from '../chain/types/genesis.ts'
import type { Gentx } from './gentx.ts'

export const CeremonyErrors = defineErrors('CEREMONY', {
  DRAFT: {
    text: (d: { file: string; draft: string }) =>
      `${d.file} has no validators yet, it is the draft ${d.draft}: each founder runs \`novachain genesis gentx --genesis ${d.file}\`, then \`novachain genesis collect ${d.file} <their files>\``,
  },
  OTHER_CHAIN: {
    text: (d: { file: string; have: number; genesis: string; want: number }) =>
      `${d.file} is signed for chain id ${d.have}, and ${d.genesis} is of ${d.want}: its founder runs genesis gentx again with this draft`,
  },
  OTHER_DRAFT: {
    text: (d: { file: string; have: string; genesis: string; want: string }) =>
      `${d.file} is signed for the draft ${d.have}, and ${d.genesis} is ${d.want}: somebody has another copy, or it was changed since; ` +
      'agree on one file, then its founder runs genesis gentx again with it',
  },
  CONFLICT: {
    text: (d: { operator: string; files: readonly [string, string] }) =>
      `${d.files[0]} and ${d.files[1]} are of one founder, ${d.operator}, and differ: ask which one counts, and leave the other out`,
  },
  DUPLICATE: {
    text: (d: { what: string; value: string; files: readonly [string, string] }) =>
      `${d.files[0]} and ${d.files[1]} have the same ${d.what}, ${d.value}: each founder makes its own with novachain keys new`,
  },
  FUNDS: {
    text: (d: { file: string; operator: string; have: bigint; need: bigint }) =>
      `${d.file}: ${d.operator} bonds ${d.need} wei and has ${d.have} in the draft: bond less, or have genesis add-account give it more`,
  },
  CARRIED: {
    text: (d: { file: string; height: number }) =>
      `${d.file} carries on block ${d.height} of another network, and nobody founds it: who wants to validate joins it when it runs (validators join)`,
  },
  BOUND: {
    text: (d: { file: string; what: string; have: bigint; bound: string }) =>
      `${d.file}: ${d.what} is ${d.have}, and this network takes ${d.bound}`,
  },
})

/** A validator as the genesis names it. */
export interface Entry {
  readonly operator: Hex
  readonly blsKey: Hex
  readonly stakeWei: bigint
  readonly commissionBps: number
  readonly moniker: string
  readonly peerId: string | null
  /** Not in the genesis, so that who moves needs no other; undefined where it comes from there. */
  readonly p2pAddress?: string | null
}
/** With where it came from, for sentences about it. */
interface Known {
  readonly entry: Entry
  readonly file: string
}
export interface Offer extends Known {
  readonly entry: Entry & { readonly proofOfPossession: Hex }
}

/** A genesis that a node can start from, and its hash. Throws CEREMONY_DRAFT where founders are awaited, GENESIS_* where it is wrong. */
export async function finalGenesis(
  text: string,
  file: string,
): Promise<{ readonly genesis: Genesis; readonly hash: Hex }> {
  const genesis = parseFinal(text, file)
  return { genesis, hash: bytesToHex(await computeGenesisHash(genesis)) }
}

/** Read twice only where something is wrong: it may have a million accounts. */
const parseFinal = (text: string, file: string): Genesis => {
  try {
    return parseGenesis(text)
  } catch (fault) {
    const { founders, draftHash } = parseDraft(text)
    if (founders.length > 0) throw fault
    throw new NodeError(CeremonyErrors.DRAFT, { file, draft: bytesToHex(draftHash) })
  }
}

/** What is changed here of a file that was checked. */
interface Json {
  readonly alloc: Record<string, { balance: string | number }>
  readonly novachain: { validators: { address: string; stake: string | number }[] }
}

/** Throws CEREMONY_OTHER_CHAIN and CEREMONY_OTHER_DRAFT where a founder signed for something else than this file. */
export function checkDraft(draft: Draft, genesis: string, { chainId, draftHash }: Gentx, file: string): void {
  const [wantId, want] = [Number(draft.chainId), bytesToHex(draft.draftHash)]
  if (chainId !== wantId)
    throw new NodeError(CeremonyErrors.OTHER_CHAIN, { file, have: chainId, genesis, want: wantId })
  if (draftHash !== want) throw new NodeError(CeremonyErrors.OTHER_DRAFT, { file, have: draftHash, genesis, want })
}

/**
 * The file with these founders in it, sorted by address, their stakes taken from their balances. With nobody new it is the same text.
 * Throws CEREMONY_* for who cannot be in it, and GENESIS_* for a file that is none, or would be none then.
 */
export function addFounders(text: string, file: string, offers: readonly Offer[]): string {
  const draft = parseDraft(text)
  if (draft.carried !== undefined) throw new NodeError(CeremonyErrors.CARRIED, { file, height: draft.carried.height })
  const known = knownOf(draft, file)
  const sorted = [...offers].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  const added: Offer[] = []
  for (const offer of sorted) if (!isKnown([...known, ...added], offer)) added.push(offer)
  const all = [...known, ...added]
  refuseTwice(all, 'BLS key', ({ entry }) => entry.blsKey)
  refuseTwice(all, 'peer id', ({ entry }) => entry.peerId)
  for (const offer of added) checkMeans(draft, offer)
  if (added.length === 0) return text
  const next = changed(text, added)
  parseDraft(next)
  return next
}

/** The file without another entry of this validator, its stake back in its balance. */
export function dropFounder(text: string, entry: Entry): string {
  const other = knownOf(parseDraft(text), '').find((each) => each.entry.operator === entry.operator)
  if (other === undefined || isSame(other.entry, entry)) return text
  const json: Json = JSON.parse(text)
  credit(json, entry.operator, other.entry.stakeWei)
  const { validators } = json.novachain
  json.novachain.validators = validators.filter(({ address }) => address.toLowerCase() !== entry.operator)
  return render(json)
}

/** What an account has in the draft, its bond included; null where it is not in it. */
export function fundsOf({ accounts, founders }: Draft, address: Hex): bigint | null {
  const account = accounts.find((each) => bytesToHex(each.address) === address)
  const bonded = founders.find(({ operator }) => bytesToHex(operator) === address)?.stakeWei
  if (account === undefined && bonded === undefined) return null
  return (account?.balance ?? 0n) + (bonded ?? 0n)
}

export const render = (json: unknown): string => `${JSON.stringify(json, null, 2)}\n`

const orderOf = ({ entry, file }: Known): string => `${entry.operator} ${file}`

const knownOf = (draft: Draft, file: string): Known[] =>
  draft.founders.map(({ operator, blsKey, ...rest }) => ({
    entry: { ...rest, operator: bytesToHex(operator), blsKey: bytesToHex(blsKey) },
    file,
  }))

const FIELDS = ['operator', 'blsKey', 'stakeWei', 'commissionBps', 'moniker', 'peerId'] as const
const isSame = (a: Entry, b: Entry): boolean =>
  FIELDS.every((field) => a[field] === b[field]) &&
  (a.p2pAddress === undefined || b.p2pAddress === undefined || a.p2pAddress === b.p2pAddress)

/** Whether it is there already, word for word. Throws CEREMONY_CONFLICT for another word of the same founder. */
const isKnown = (all: readonly Known[], { entry, file }: Offer): boolean => {
  const same = all.find((each) => each.entry.operator === entry.operator)
  if (same === undefined) return false
  if (isSame(same.entry, entry)) return true
  throw new NodeError(CeremonyErrors.CONFLICT, { operator: entry.operator, files: [same.file, file] })
}

const refuseTwice = (all: readonly Known[], what: string, pick: (known: Known) => string | null): void => {
  const seen = new Map<string, string>()
  for (const each of all) {
    const value = pick(each)
    if (value === null) continue
    const other = seen.get(value)
    if (other !== undefined) throw new NodeError(CeremonyErrors.DUPLICATE, { what, value, files: [other, each.file] })
    seen.set(value, each.file)
  }
}

const checkMeans = (draft: Draft, { entry, file }: Offer): void => {
  const { numbers } = paramsOf(draft)
  const refuse = (what: string, have: bigint, bound: string) =>
    new NodeError(CeremonyErrors.BOUND, { file, what, have, bound })
  const [least, most] = [numbers.get('staking.minSelfBond') ?? 0n, numbers.get('staking.maxCommission') ?? 10_000n]
  const { operator, stakeWei, commissionBps } = entry
  if (stakeWei < least) throw refuse('the stake in wei', stakeWei, `${least} or more (staking.minSelfBond)`)
  if (BigInt(commissionBps) > most)
    throw refuse('the commission in basis points', BigInt(commissionBps), `${most} at most (staking.maxCommission)`)
  const have = fundsOf(draft, operator) ?? 0n
  if (have < stakeWei) throw new NodeError(CeremonyErrors.FUNDS, { file, operator, have, need: stakeWei })
}

const changed = (text: string, added: readonly Offer[]): string => {
  const json: Json = JSON.parse(text)
  const { validators } = json.novachain
  for (const { entry } of added) {
    const { operator: address, blsKey, proofOfPossession, stakeWei, commissionBps, moniker, peerId } = entry
    credit(json, address, -stakeWei)
    const stake = stakeWei.toString()
    const optional = peerId === null ? {} : { peerId }
    validators.push({ ...{ address, blsKey, proofOfPossession, stake, commissionBps, moniker }, ...optional })
  }
  validators.sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
  return render(json)
}

/** An entry that comes to 0 stays: it was in the draft. */
const credit = ({ alloc }: Json, address: Hex, wei: bigint): void => {
  const key = Object.keys(alloc).find((each) => each.toLowerCase() === address) ?? address
  const entry = alloc[key] ?? { balance: '0' }
  entry.balance = (BigInt(entry.balance) + wei).toString()
  alloc[key] = entry
}
