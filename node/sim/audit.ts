// What must hold of stakes after every block of a simulated network of whole nodes. Owns a plain second account of it: where all wei
// are, whom the candidates elect, who missed what, and who may be punished for what.
import { type Address, asAddress, bytesToHex, compareBytes, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { checkStore } from '../../chain/calls.ts'
import type { Chain } from '../../chain/chain.ts'
import { splitBaseFee } from '../../chain/exec/fees.ts'
import { natives } from '../../chain/native/index.ts'
import type { Block } from '../../chain/types/block.ts'
import { checkEvidence } from '../../chain/types/evidence.ts'
import type { KeptEvidence, StoredReceipt } from '../../chain/types/query.ts'
import { epochOf, POWER_WEI, type Validator, type ValidatorSet, validatorsHash } from '../../chain/types/validators.ts'
import { bitmapMembers } from '../../chain/types/vote.ts'
import { type Ask, booksAt, COURT, eventsIn, type ModuleEvent, STAKES } from './books.ts'
import type { Stage } from './stage.ts'

export interface AuditDeps {
  readonly stage: Stage
  fail(what: string): void
  count(what: string): void
  isHonest(key: number): boolean
  /** Liars have a third of an epoch's power: nothing is promised any more. */
  onMajor(): void
  /** Whether the node of this operator ever signed what an honest one does not. */
  hasOffended(key: number): boolean
}

export class Audit {
  readonly #deps: AuditDeps
  readonly #keys: ReadonlyMap<Hex, number>
  /** Everybody who can have coins. */
  readonly #accounts: readonly Address[]
  #supply: { readonly wei: bigint; readonly minted: bigint; readonly burnt: bigint }
  readonly #hashes = new Map<number, Hex>()
  /** By operator: the heights that it was in the set of and not seen in. */
  readonly #missed = new Map<Hex, number[]>()
  readonly #jailed = new Set<Hex>()
  readonly #unready = new Set<Hex>()
  /** By operator: the epoch for which it was punished for signing twice, the earliest of several. */
  readonly #punished = new Map<Hex, number>()

  constructor(deps: AuditDeps) {
    const { genesis, operators, users, reporters, governor, vandal } = deps.stage
    this.#deps = deps
    this.#keys = new Map(operators.map(({ key, account }) => [bytesToHex(account.address), key]))
    const people = [...operators.map(({ account }) => account), ...users, ...reporters, governor, vandal]
    this.#accounts = [...people.map(({ address }) => address), ...MODULES, ...OTHERS]
    const sum = (list: readonly bigint[]): bigint => list.reduce((a, b) => a + b, 0n)
    const wei =
      sum(genesis.accounts.map(({ balance }) => balance)) + sum(genesis.founders.map(({ stakeWei }) => stakeWei))
    this.#supply = { wei, minted: 0n, burnt: 0n }
  }

  /** Every node sees the same sets. */
  onHead(who: string, chain: Chain): void {
    const { epochBlocks } = this.#deps.stage.genesis
    const head = chain.head().header.number
    for (const height of [head + 1, head + 2]) {
      const set = chain.setOf(height)
      if (set === null) continue
      const epoch = epochOf(height, epochBlocks)
      const hash = bytesToHex(validatorsHash(set))
      const before = this.#hashes.get(epoch) ?? hash
      if (before !== hash) this.#deps.fail(`process ${who} has another set of epoch ${epoch} than the others`)
      this.#hashes.set(epoch, hash)
    }
  }

  /** A block that nobody had before; in order of height, each once. */
  onBlock(chain: Chain, block: Block, receipts: readonly StoredReceipt[]): void {
    const { number: height } = block.header
    const ask = booksAt(chain, height)
    const events = receipts.flatMap(({ logs }) => eventsIn(logs))
    for (const { name, values } of events) {
      this.#deps.count(name)
      if (name === 'Withdrawn' && values.slashed > 0n) this.#deps.count('slashed while unbonding')
    }
    this.#checkSupply(ask, chain, block, receipts)
    this.#noteMissed(chain, block)
    this.#checkPunished(ask, events, height)
    const validators = allOf(ask)
    this.#noteReady(events)
    this.#checkMissed(ask, validators, height)
    this.#checkLeavers(chain.setOf(height), validators, events, height)
    if ((height + 1) % this.#deps.stage.genesis.epochBlocks !== 0) return
    this.#checkElection(ask, validators, chain, height)
    this.#checkSums(ask, validators, height)
  }

  // Money.

  /** What there was, and was minted, and is not burnt, is on some account. */
  #checkSupply(ask: Ask, chain: Chain, { header }: Block, receipts: readonly StoredReceipt[]): void {
    const totals = ask(STAKES, 'totals', [])
    const feesBurnt = receipts.reduce(
      (sum, { gasUsed }) => sum + splitBaseFee(gasUsed * header.baseFeeWei, chain.genesis.fees).burntWei,
      0n,
    )
    const { minted = 0n, burnt = 0n } = totals ?? {}
    const before = this.#supply
    const wei = before.wei + minted - before.minted - (burnt - before.burnt) - feesBurnt
    this.#supply = { wei, minted, burnt }
    const held = this.#heldAt(chain, header.number)
    if (held !== wei) this.#deps.fail(`after block ${header.number} accounts hold ${held} wei, expected ${wei}`)
  }
  #heldAt(chain: Chain, height: number): bigint {
    const reader = chain.at(height)
    return this.#accounts.reduce((sum, address) => sum + (reader.account(address)?.balance ?? 0n), 0n)
  }

  /** Whatever staking owes to somebody it has, and what it says in sum is the sum. */
  #checkSums(ask: Ask, validators: readonly Candidate[], height: number): void {
    const totals = ask(STAKES, 'totals', [])
    const { operators, users } = this.#deps.stage
    const delegators = [...operators.map(({ account }) => account.address), ...users.map(({ address }) => address)]
    const sums = { bonded: 0n, unbonding: 0n, rewards: 0n, delegated: 0n }
    for (const { operator, stake, commission } of validators) {
      sums.bonded += stake
      sums.rewards += commission
      for (const delegator of delegators) {
        sums.delegated += ask(STAKES, 'delegation', [delegator, operator])?.amount ?? 0n
        const pending = ask(STAKES, 'pendingRewards', [delegator, operator])?.amount ?? 0n
        sums.rewards += compareBytes(delegator, operator) === 0 ? pending - commission : pending
      }
    }
    for (const delegator of delegators)
      for (const { amount } of ask(STAKES, 'unbondings', [delegator])?.entries ?? []) sums.unbonding += amount
    const { bonded = 0n, unbonding = 0n, rewards = 0n } = totals ?? {}
    if (sums.bonded !== bonded || sums.unbonding !== unbonding)
      this.#deps.fail(
        `after block ${height} bonded are ${sums.bonded} of ${bonded}, unbonding ${sums.unbonding} of ${unbonding}`,
      )
    if (sums.delegated > bonded)
      this.#deps.fail(`after block ${height} delegations are worth ${sums.delegated} of ${bonded}`)
    if (sums.rewards > rewards)
      this.#deps.fail(`after block ${height} rewards of ${sums.rewards} are owed, ${rewards} there`)
  }

  // Sets.

  /** Who came, or was jailed, and has not shown since then that its node is in step. */
  #noteReady(events: readonly ModuleEvent[]): void {
    for (const { name, values } of events) {
      if (name === 'ValidatorCreated' || name === 'ValidatorJailed') this.#unready.add(bytesToHex(values.operator))
      if (name === 'ValidatorReady') this.#unready.delete(bytesToHex(values.operator))
    }
  }

  /** The state after the block elects whom its candidates elect by the plainest rule. */
  #checkElection(ask: Ask, validators: readonly Candidate[], chain: Chain, height: number): void {
    const parameters = ask(STAKES, 'parameters', [])?.values
    const elected = chain.setOf(height + 2)
    const present = chain.setOf(height)
    if (parameters === undefined || elected === null || present === null) {
      this.#deps.fail(`block ${height} elected nobody`)
      return
    }
    const able = validators
      .filter((each) => isElectable(each, parameters.minSelfBond))
      .map(({ operator, blsKey, stake }) => ({ address: operator, blsKey, power: stake / POWER_WEI }))
      .sort((a, b) => (a.power === b.power ? compareBytes(a.address, b.address) : a.power > b.power ? -1 : 1))
      .slice(0, Number(parameters.maxValidators))
      .sort((a, b) => compareBytes(a.address, b.address))
    const expected = able.length === 0 ? present.members : able
    if (namesOf(elected.members) !== namesOf(expected))
      this.#deps.fail(`block ${height} elected ${namesOf(elected.members)}, expected ${namesOf(expected)}`)
    const left = present.members.filter(
      ({ address }) => !elected.members.some((m) => compareBytes(m.address, address) === 0),
    )
    const joined = elected.members.length - (present.members.length - left.length)
    this.#checkLiars(elected)
    const isRekeyed = ({ address, blsKey }: Validator): boolean =>
      present.members.some((m) => compareBytes(m.address, address) === 0 && compareBytes(m.blsKey, blsKey) !== 0)
    if (elected.members.some(isRekeyed)) this.#deps.count('the set has another key')
    if (left.length > 0) this.#deps.count('left the set')
    if (joined > 0) this.#deps.count('joined the set')
    if (able.length === 0) this.#deps.count('the set stays, for nobody can be elected')
    for (const { address } of able) {
      const name = bytesToHex(address)
      if (this.#punished.has(name))
        this.#deps.fail(`block ${height} elected ${this.#nameOf(address)}, who signed twice`)
      if (this.#jailed.has(name)) this.#deps.fail(`block ${height} elected ${this.#nameOf(address)}, who is jailed`)
      if (this.#unready.has(name)) this.#deps.fail(`block ${height} elected ${this.#nameOf(address)}, who is not ready`)
    }
  }

  #checkLiars({ members, powerTotal }: ValidatorSet): void {
    let power = 0n
    for (const member of members)
      if (!this.#deps.isHonest(this.#keys.get(bytesToHex(member.address)) ?? -1)) power += member.power
    if (3n * power >= powerTotal) this.#deps.onMajor()
  }

  /** Whoever leaves by will leaves a quorum behind of those that sign now. */
  #checkLeavers(
    set: ValidatorSet | null,
    validators: readonly Candidate[],
    events: readonly ModuleEvent[],
    height: number,
  ): void {
    if (set === null || !events.some(({ name }) => name === 'ValidatorExited')) return
    const gone = new Set(
      events.flatMap((event) =>
        event.name === 'ValidatorJailed' || event.name === 'ValidatorTombstoned'
          ? [bytesToHex(event.values.operator)]
          : [],
      ),
    )
    const byName = new Map(validators.map((each) => [bytesToHex(each.operator), each]))
    let power = 0n
    for (const member of set.members) {
      const candidate = byName.get(bytesToHex(member.address))
      if (candidate !== undefined && (candidate.power > 0n || gone.has(bytesToHex(member.address))))
        power += member.power
    }
    if (3n * power <= 2n * set.powerTotal)
      this.#deps.fail(`block ${height} lets ${set.powerTotal - power} of ${set.powerTotal} leave`)
  }

  // Guilt.

  #noteMissed(chain: Chain, { header: { number: height }, section }: Block): void {
    const set = chain.setOf(height - 1)
    const last = section?.lastCommit
    if (set === null || last === undefined || last === null) return
    const seen = new Set(bitmapMembers(last.bitmap, set.members.length))
    for (const [i, { address }] of set.members.entries()) {
      const name = bytesToHex(address)
      if (seen.has(i)) {
        if (this.#jailed.has(name)) this.#deps.count('votes while jailed')
      } else this.#missed.set(name, [...(this.#missed.get(name) ?? []), height - 1])
    }
  }

  #checkPunished(ask: Ask, events: readonly ModuleEvent[], height: number): void {
    for (const event of events) {
      if (event.name === 'Punished') this.#onPunished(event.values, height)
      if (event.name === 'Slept') this.#onSlept(ask, event.values, height)
    }
    const guilty = new Set(
      events.flatMap(({ name, values }) =>
        name === 'Slept' || (name === 'Punished' && values.offence === 'E5') ? [bytesToHex(values.operator)] : [],
      ),
    )
    for (const { name, values } of events) {
      if (name === 'Unjailed') this.#jailed.delete(bytesToHex(values.operator))
      if (name !== 'Jailed') continue
      const operator = bytesToHex(values.operator)
      if (!guilty.has(operator)) this.#deps.fail(`block ${height} jails ${this.#nameOf(values.operator)} for nothing`)
      this.#jailed.add(operator)
    }
  }

  /** Only who signed what nobody may. What costs stake costs it once; an offence of an earlier epoch reaches further back. */
  #onPunished(
    { operator, offence, slashed, height: at }: Extract<ModuleEvent, { readonly name: 'Punished' }>['values'],
    height: number,
  ): void {
    const { fail, count, hasOffended } = this.#deps
    const name = bytesToHex(operator)
    count(`punished: ${offence}`)
    if (!hasOffended(this.#keys.get(name) ?? -1))
      fail(`block ${height} punishes honest ${this.#nameOf(operator)} for ${offence}`)
    if (offence === 'E5') return
    const [before, epoch] = [this.#punished.get(name), this.#epochOf(Number(at))]
    if (before !== undefined && (slashed > 0n || epoch >= before))
      fail(`block ${height} punishes ${this.#nameOf(operator)} a second time`)
    if (before !== undefined) count('punished for an earlier epoch too')
    this.#punished.set(name, epoch)
  }

  /** Only who was not seen in so many blocks of the window. */
  #onSlept(
    ask: Ask,
    { operator, missed, window }: Extract<ModuleEvent, { readonly name: 'Slept' }>['values'],
    height: number,
  ): void {
    const recent = this.#missedBy(operator, height - 1 - Number(window))
    const most = ask(COURT, 'window', [])?.missedMax ?? 0n
    if (missed <= most || recent < missed)
      this.#deps.fail(
        `block ${height} jails ${this.#nameOf(operator)} for ${missed} of ${window} missed blocks: it missed ${recent}, and may ${most}`,
      )
  }
  #missedBy(operator: Address, after: number): bigint {
    return BigInt((this.#missed.get(bytesToHex(operator)) ?? []).filter((height) => height > after).length)
  }

  /** Slashing counts what is seen here, and whoever is over the limit is jailed. */
  #checkMissed(ask: Ask, validators: readonly Candidate[], height: number): void {
    const { blocks = 0n, missedMax = 0n } = ask(COURT, 'window', []) ?? {}
    for (const { operator, jailed } of validators) {
      const info = ask(COURT, 'signingInfo', [operator])?.info
      if (info === undefined || info.since === 0n || jailed) continue
      const recent = this.#missedBy(operator, Math.max(height - 1 - Number(blocks), Number(info.since) - 1))
      if (recent !== info.missed || recent > missedMax)
        this.#deps.fail(
          `after block ${height} ${this.#nameOf(operator)} has missed ${recent} since ${info.since}, and slashing counts ${info.missed} of ${missedMax}`,
        )
    }
  }

  #epochOf(height: number): number {
    return epochOf(height, this.#deps.stage.genesis.epochBlocks)
  }
  #nameOf(operator: Address): string {
    return `validator ${this.#keys.get(bytesToHex(operator)) ?? bytesToHex(operator)}`
  }

  // The end.

  /** Whom nobody has punished for what honest nodes hold against them since `height` or before. */
  owed(chain: Chain, kept: readonly KeptEvidence[], height: number): string[] {
    const context = chain.evidenceContext()
    return kept
      .filter((each) => each.offence !== 'E5' && each.height <= height)
      .flatMap(({ evidence, guilty, offence, height: at }) => {
        const epoch = this.#epochOf(at)
        const unpunished = guilty.filter(
          ({ address }) => (this.#punished.get(bytesToHex(address)) ?? Number.POSITIVE_INFINITY) > epoch,
        )
        if (unpunished.length === 0 || checkEvidence(evidence, context).kind !== 'proven') return []
        return unpunished.map(({ address }) => `${this.#nameOf(address)} for ${offence} at height ${at}`)
      })
  }

  async finish(chain: Chain, kv: Kv, kept: readonly KeptEvidence[], height: number): Promise<void> {
    const head = chain.head().header.number
    const [owed] = this.owed(chain, kept, height)
    if (owed !== undefined) this.#deps.fail(`nobody has punished ${owed}`)
    const { accounts } = await checkStore(kv, chain.genesisHash)
    const known = this.#accounts.filter((address) => chain.at(head).account(address) !== undefined).length
    if (accounts !== known) this.#deps.fail(`there are ${accounts} accounts in the state, and ${known} are known`)
  }
}

const MODULES = natives.map(({ at }) => asAddress(hexToBytes(at)))
/** The system's own contracts, and where plain payments go. */
const OTHERS = [
  ...['0x000f3df6d732807ef1319fb7b8bb8522d0beac02', '0x0000f90827f1c53a10cb7a02335b175320002935'],
  `0x${'07'.repeat(20)}`,
].map((hex) => asAddress(hexToBytes(hex)))

type Candidate = NonNullable<ReturnType<typeof allOf>[number]>
const allOf = (ask: Ask) => ask(STAKES, 'validators', [0n, 256n])?.page ?? []

const isElectable = (each: Candidate, minSelfBond: bigint): boolean =>
  !each.jailed &&
  !each.tombstoned &&
  !each.exited &&
  each.ready &&
  each.selfBond >= minSelfBond &&
  each.stake >= POWER_WEI

const namesOf = (members: readonly Validator[]): string =>
  members
    .map(({ address, blsKey, power }) => `${bytesToHex(address)} ${bytesToHex(blsKey).slice(0, 12)} ${power}`)
    .join(', ')
