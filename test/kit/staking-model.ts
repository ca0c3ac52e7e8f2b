// Staking as plainly as it can be said: lists and maps, everything looked at in every epoch, rewards divided among all delegators at
// once and kept as fractions. It shares no code with the module; the one thing it is told is how many wei of rewards were really
// paid, which it holds against what was due.

export interface ModelRules {
  readonly minSelfBond: bigint
  readonly minDelegation: bigint
  readonly unbondingTime: number
  readonly rewardRate: bigint
  readonly maxValidators: number
  readonly maxCommission: bigint
  readonly commissionStep: bigint
  readonly epochBlocks: number
}
export interface ModelValidator {
  readonly operator: number
  stake: bigint
  shares: bigint
  commissionBps: bigint
  commissionEpoch: number | null
  ready: boolean
  keyWaits: boolean
  jailed: boolean
  exited: boolean
  tombstone: { readonly epoch: number; readonly bps: bigint } | null
  commission: Due
}
interface Delegation {
  shares: bigint
  due: Due
}
/** Rewards not paid yet, times 2^200, and how many divisions may have rounded since. */
interface Due {
  scaled: bigint
  roundings: number
}
interface Redelegation {
  readonly from: number
  readonly epoch: number
  readonly matures: number
  amount: bigint
}
export interface ModelUnbonding {
  readonly validator: number
  readonly amount: bigint
  readonly epoch: number
  readonly matures: number
  readonly isSettled: boolean
  readonly liable: { readonly from: number; readonly epoch: number; readonly amount: bigint } | null
}
interface Seat {
  readonly operator: number
  readonly power: bigint
}
/** What was really paid as rewards, by delegator and validator; null where the call was refused, so that nothing was. */
export type Paid = ((delegator: number, validator: number) => bigint) | null

/** The name of a custom error: the call changes nothing. */
class Refusal {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
const refuse = (name: string): never => {
  throw new Refusal(name)
}

const UNIT = 10n ** 18n
const FINE = 2n ** 200n
const SCALE = 2n ** 128n
const YEAR = 31_536_000n
const up = (a: bigint, b: bigint): bigint => (a + b - 1n) / b
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const nothing = (): Due => ({ scaled: 0n, roundings: 0 })

export class StakingModel {
  readonly rules: ModelRules
  readonly validators: ModelValidator[] = []
  readonly delegations = new Map<string, Delegation>()
  readonly redelegations = new Map<string, Redelegation>()
  readonly unbondings = new Map<number, ModelUnbonding[]>()
  readonly sets: Seat[][] = []
  /** Wei that a delegator gained or gave since the beginning. */
  readonly gains = new Map<number, bigint>()
  payouts = 0
  pot = 0n
  minting = 0n
  owed = 0n
  minted = 0n
  /** Came since the last payout. */
  fees = 0n
  burnt = 0n
  height = 1
  time: number
  #until: number

  constructor(
    rules: ModelRules,
    genesisTime: number,
    time: number,
    founders: readonly { operator: number; stake: bigint }[],
  ) {
    this.rules = rules
    this.#until = genesisTime
    this.time = time
    for (const { operator, stake } of founders) {
      const validator = this.#enrol(operator, 0n)
      validator.ready = true
      this.#bond(operator, validator, stake)
    }
    this.sets.push(this.#elected())
  }

  get epoch(): number {
    return Math.floor((this.height - 1) / this.rules.epochBlocks)
  }
  /** Up to which epoch stake votes that leaves now: its last block comes after the election of the next. */
  get lastVote(): number {
    return this.height % this.rules.epochBlocks === 0 ? this.epoch + 1 : this.epoch
  }
  get bonded(): bigint {
    return this.validators.reduce((sum, { stake }) => sum + stake, 0n)
  }
  get unbonding(): bigint {
    return [...this.unbondings.values()].flat().reduce((sum, { amount }) => sum + amount, 0n)
  }
  /** All that the account holds. */
  get held(): bigint {
    return this.bonded + this.unbonding + this.owed + this.pot + this.minting + this.fees
  }
  find(operator: number): ModelValidator | undefined {
    return this.validators.find((each) => each.operator === operator)
  }
  delegation(delegator: number, operator: number): Delegation {
    const key = `${delegator}/${operator}`
    const known = this.delegations.get(key) ?? { shares: 0n, due: nothing() }
    this.delegations.set(key, known)
    return known
  }
  worth(delegator: number, validator: ModelValidator): bigint {
    const { shares } = this.delegation(delegator, validator.operator)
    return shares === 0n ? 0n : (shares * validator.stake) / validator.shares
  }
  power(validator: ModelValidator): bigint {
    const { ready, jailed, exited, tombstone, operator } = validator
    if (!ready || jailed || exited || tombstone !== null) return 0n
    return this.worth(operator, validator) < this.rules.minSelfBond ? 0n : validator.stake / UNIT
  }

  /** Runs a call; answers the name of its error, or null. What a refused call did is undone. */
  attempt(work: () => void): string | null {
    const before = structuredClone({ ...this, rules: null })
    try {
      work()
      return null
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#restore(before)
      return error.name
    }
  }
  #restore(before: object): void {
    const own = this as unknown as Record<string, unknown>
    for (const [name, value] of Object.entries(before)) {
      const present = own[name]
      if (Array.isArray(present)) present.splice(0, present.length, ...(value as unknown[]))
      else if (present instanceof Map) {
        present.clear()
        for (const [key, each] of value as Map<unknown, unknown>) present.set(key, each)
      } else if (name !== 'rules') own[name] = value
    }
  }

  create(operator: number, wei: bigint, commissionBps: bigint): void {
    if (this.find(operator) !== undefined) refuse('AlreadyValidator')
    if (wei < this.rules.minSelfBond) refuse('BelowMinimum')
    if (commissionBps > this.rules.maxCommission) refuse('CommissionTooHigh')
    this.#bond(operator, this.#enrol(operator, commissionBps), wei)
    this.#gain(operator, -wei)
  }
  attest(operator: number): void {
    const validator = this.#acting(operator)
    if (validator.jailed) refuse('Jailed')
    if (!validator.keyWaits && validator.ready) refuse('AlreadyReady')
    validator.keyWaits = false
    validator.ready = true
  }
  rotate(operator: number): void {
    this.#acting(operator).keyWaits = true
  }
  edit(operator: number, bps: bigint): void {
    const validator = this.#acting(operator)
    const present = validator.commissionBps
    if (bps === present) return
    if (bps > this.rules.maxCommission && bps > present) refuse('CommissionTooHigh')
    if (bps > present + this.rules.commissionStep || bps < present - this.rules.commissionStep) refuse('CommissionStep')
    if (validator.commissionEpoch === this.epoch) refuse('CommissionChangedAlready')
    validator.commissionBps = bps
    validator.commissionEpoch = this.epoch
  }
  exit(operator: number, paid: Paid): void {
    const validator = this.#must(operator)
    if (validator.exited) refuse('Exited')
    this.#settle(operator, validator, paid)
    this.#willingly(validator, () => {
      validator.exited = true
      const wei = this.worth(operator, validator)
      if (wei === 0n) return
      this.#unbond(operator, validator, wei)
      this.#enqueue(operator, validator, wei, 8)
    })
  }
  delegate(delegator: number, operator: number, wei: bigint, paid: Paid): void {
    const validator = this.#must(operator)
    if (wei < this.rules.minDelegation) refuse('BelowMinimum')
    this.#settle(delegator, validator, paid)
    this.#checkBond(validator)
    this.#bond(delegator, validator, wei)
    this.#gain(delegator, -wei)
  }
  undelegate(delegator: number, operator: number, wei: bigint, paid: Paid): void {
    const validator = this.#must(operator)
    this.#settle(delegator, validator, paid)
    this.#willingly(validator, () => {
      this.#unbond(delegator, validator, wei)
      this.#enqueue(delegator, validator, wei, 7)
    })
  }
  redelegate(delegator: number, from: number, to: number, wei: bigint, paid: Paid): void {
    const [left, reached] = [this.#must(from), this.#must(to)]
    if (left === reached) refuse('SameValidator')
    this.#settle(delegator, left, paid)
    this.#settle(delegator, reached, paid)
    if (this.redelegations.has(`${delegator}/${from}`)) refuse('RedelegationHop')
    if (this.redelegations.has(`${delegator}/${to}`)) refuse('RedelegationPending')
    this.#willingly(left, () => this.#unbond(delegator, left, wei))
    this.#checkBond(reached)
    this.#bond(delegator, reached, wei)
    if (left.tombstone !== null) return
    const matures = this.time + this.rules.unbondingTime
    this.redelegations.set(`${delegator}/${to}`, { from, epoch: this.lastVote, matures, amount: wei })
  }
  withdraw(delegator: number): void {
    const entries = this.unbondings.get(delegator) ?? []
    const matured = entries.filter(({ matures }) => matures <= this.time)
    if (matured.length === 0) refuse('NothingMatured')
    for (const entry of matured) {
      const penalty = this.penalty(entry)
      this.burnt += penalty
      this.#gain(delegator, entry.amount - penalty)
    }
    this.unbondings.set(
      delegator,
      entries.filter(({ matures }) => matures > this.time),
    )
  }
  claim(delegator: number, operator: number, paid: Paid): void {
    const validator = this.#must(operator)
    const { exact, roundings } = this.#due(delegator, validator)
    this.#settle(delegator, validator, paid)
    if (paid === null && exact <= roundings * FINE) refuse('NothingToClaim')
  }
  applyPenalty(delegator: number, operator: number, paid: Paid): void {
    if (!this.#settle(delegator, this.#must(operator), paid)) refuse('NoPenalty')
  }

  slash(operator: number, bps: bigint, tombstoneEpoch: number | null): void {
    const validator = this.#must(operator)
    if (tombstoneEpoch !== null) validator.tombstone = { epoch: tombstoneEpoch, bps }
    const wei = up(validator.stake * bps, 10_000n)
    validator.stake -= wei
    this.burnt += wei
  }
  jail(operator: number): void {
    const validator = this.#must(operator)
    if (validator.jailed) return
    validator.jailed = true
    validator.ready = false
  }
  release(operator: number): void {
    this.#must(operator).jailed = false
  }
  earnFees(wei: bigint): void {
    this.fees += wei
  }

  /** The end of a block, and the beginning of the next. */
  next(seconds: number): void {
    const { epochBlocks, rewardRate } = this.rules
    const set = this.sets[this.payouts] as Seat[]
    const total = set.reduce((sum, { power }) => sum + power, 0n)
    const elapsed = BigInt(Math.min(this.time - this.#until, 60))
    this.#until = this.time
    this.minting += (total * UNIT * elapsed * rewardRate) / (10_000n * YEAR)
    if (this.height % epochBlocks === 0) this.#payOut(set, total)
    else if ((this.height + 1) % epochBlocks === 0) {
      const elected = this.#elected()
      this.sets.push(elected.length === 0 ? set : elected)
    }
    this.height++
    this.time += seconds
  }

  penalty({ validator, amount, epoch, isSettled, liable }: ModelUnbonding): bigint {
    const owes = (operator: number, since: number, wei: bigint): bigint => {
      const tombstone = this.find(operator)?.tombstone ?? null
      return tombstone === null || tombstone.epoch > since ? 0n : up(wei * tombstone.bps, 10_000n)
    }
    const own = isSettled ? 0n : owes(validator, epoch, amount)
    const both = own + (liable === null ? 0n : owes(liable.from, liable.epoch, liable.amount))
    return least(both, amount)
  }

  #enrol(operator: number, commissionBps: bigint): ModelValidator {
    const validator: ModelValidator = {
      ...{ operator, commissionBps, stake: 0n, shares: 0n, commissionEpoch: null, commission: nothing() },
      ...{ ready: false, keyWaits: false, jailed: false, exited: false, tombstone: null },
    }
    this.validators.push(validator)
    return validator
  }
  #must(operator: number): ModelValidator {
    return this.find(operator) ?? refuse('NotValidator')
  }
  #acting(operator: number): ModelValidator {
    const validator = this.#must(operator)
    if (validator.exited) refuse('Exited')
    if (validator.tombstone !== null) refuse('Tombstoned')
    return validator
  }
  #gain(who: number, wei: bigint): void {
    this.gains.set(who, (this.gains.get(who) ?? 0n) + wei)
  }
  #elected(): Seat[] {
    const candidates = this.validators.map((each) => ({ operator: each.operator, power: this.power(each) }))
    const electable = candidates.filter(({ power }) => power > 0n)
    electable.sort((a, b) => (a.power === b.power ? a.operator - b.operator : a.power > b.power ? -1 : 1))
    return electable.slice(0, this.rules.maxValidators).sort((a, b) => a.operator - b.operator)
  }

  #checkBond({ exited, tombstone, stake, shares }: ModelValidator): void {
    if (exited) refuse('Exited')
    if (tombstone !== null) refuse('Tombstoned')
    if (stake === 0n && shares > 0n) refuse('NothingLeft')
  }
  #bond(delegator: number, validator: ModelValidator, wei: bigint): void {
    const fresh = validator.shares === 0n ? wei : (wei * validator.shares) / validator.stake
    this.delegation(delegator, validator.operator).shares += fresh
    validator.shares += fresh
    validator.stake += wei
  }
  #unbond(delegator: number, validator: ModelValidator, wei: bigint): void {
    if (wei === 0n) refuse('ZeroAmount')
    if (wei > this.worth(delegator, validator)) refuse('InsufficientBond')
    this.#take(delegator, validator, wei)
  }
  #take(delegator: number, validator: ModelValidator, wei: bigint): void {
    const delegation = this.delegation(delegator, validator.operator)
    const all = wei === this.worth(delegator, validator)
    const gone = all ? delegation.shares : up(wei * validator.shares, validator.stake)
    delegation.shares -= gone
    validator.shares -= gone
    validator.stake -= wei
  }
  #enqueue(delegator: number, validator: ModelValidator, amount: bigint, room: number): void {
    const entries = this.unbondings.get(delegator) ?? []
    if (entries.filter((each) => each.validator === validator.operator).length >= room) refuse('TooManyUnbondings')
    const key = `${delegator}/${validator.operator}`
    const came = this.redelegations.get(key)
    let liable: ModelUnbonding['liable'] = null
    if (came !== undefined) {
      liable = { from: came.from, epoch: came.epoch, amount: least(amount, came.amount) }
      came.amount -= liable.amount
      if (came.amount === 0n) this.redelegations.delete(key)
    }
    const rest = {
      epoch: this.lastVote,
      matures: this.time + this.rules.unbondingTime,
      isSettled: validator.tombstone !== null,
    }
    this.unbondings.set(delegator, [...entries, { validator: validator.operator, amount, liable, ...rest }])
  }
  /** Who would stay of each set it signs for must hold a quorum, where it could be elected and now cannot. */
  #willingly(validator: ModelValidator, work: () => void): void {
    const before = this.power(validator)
    work()
    if (before === 0n || this.power(validator) > 0n) return
    for (const set of this.sets.slice(this.payouts)) {
      if (!set.some(({ operator }) => operator === validator.operator)) continue
      const sum = (seats: readonly Seat[]): bigint => seats.reduce((total, { power }) => total + power, 0n)
      const staying = set.filter(({ operator }) => this.power(this.#must(operator)) > 0n)
      if (3n * sum(staying) <= 2n * sum(set)) refuse('LastQuorum')
    }
  }

  #due(delegator: number, { operator, commission }: ModelValidator) {
    const dues = [this.delegation(delegator, operator).due, ...(delegator === operator ? [commission] : [])]
    const exact = dues.reduce((sum, { scaled }) => sum + scaled, 0n)
    return { dues, exact, roundings: BigInt(dues.reduce((sum, due) => sum + due.roundings, 2)) }
  }
  /** Answers whether a penalty of a redelegation was due. */
  #settle(delegator: number, validator: ModelValidator, paid: Paid): boolean {
    const { operator } = validator
    const { dues, exact, roundings } = this.#due(delegator, validator)
    const wei = paid?.(delegator, operator) ?? exact / FINE
    const off = wei * FINE - exact
    if (off > roundings * FINE || off < -roundings * FINE)
      throw new TypeError(`${delegator} was paid ${wei} by ${operator}, due were ${exact / FINE} within ${roundings}`)
    for (const due of dues) Object.assign(due, nothing())
    this.owed -= wei
    this.#gain(delegator, wei)

    const key = `${delegator}/${operator}`
    const came = this.redelegations.get(key)
    if (came === undefined) return false
    const tombstone = this.find(came.from)?.tombstone ?? null
    if (tombstone === null || tombstone.epoch > came.epoch) {
      if (came.matures <= this.time) this.redelegations.delete(key)
      return false
    }
    this.redelegations.delete(key)
    const penalty = least(up(came.amount * tombstone.bps, 10_000n), this.worth(delegator, validator))
    if (penalty > 0n) this.#take(delegator, validator, penalty)
    this.burnt += penalty
    return true
  }

  #payOut(set: readonly Seat[], total: bigint): void {
    const whole = this.pot + this.minting + this.fees
    const perPower = (whole * SCALE) / total
    const paying = set.filter(({ operator }) => {
      const { jailed, tombstone, shares } = this.#must(operator)
      return !jailed && tombstone === null && shares > 0n
    })
    const power = paying.reduce((sum, seat) => sum + seat.power, 0n)
    for (const seat of paying) this.#reward(this.#must(seat.operator), (whole * FINE * seat.power) / total)
    const paid = up(perPower * power, SCALE)
    this.owed += paid
    this.pot = whole - paid
    this.minted += this.minting
    this.minting = 0n
    this.fees = 0n
    this.payouts++
  }
  #reward(validator: ModelValidator, scaled: bigint): void {
    const cut = (scaled * validator.commissionBps) / 10_000n
    const add = (due: Due, wei: bigint): void => {
      due.scaled += wei
      due.roundings += 3
    }
    add(validator.commission, cut)
    for (const [key, { shares, due }] of this.delegations)
      if (key.endsWith(`/${validator.operator}`)) add(due, ((scaled - cut) * shares) / validator.shares)
  }
}
