// THE TABLE of governable numbers: unit, bounds, what a network starts with, and one sentence each. The modules that live by a
// number read it from here by its name.

export interface GovernableValue {
  readonly unit: string
  readonly minimum: bigint
  readonly maximum: bigint
  readonly initial: bigint
  readonly meaning: string
  /** The fork that brings it; no word of it is in state before somebody sets it, so 0 is no value of such a number. */
  readonly since?: string
}

const NOVA = 10n ** 18n
const DAY = 86_400n
const DOLLAR = 10n ** 18n
const price = (initial: bigint, what: string): GovernableValue => ({
  ...{ unit: 'dollars / 10^18', minimum: 0n, maximum: 10n ** 6n * DOLLAR, initial },
  meaning: `List price of one ${what}.`,
})

export const values: Readonly<Record<string, GovernableValue>> = {
  'staking.maxValidators': {
    unit: 'validators',
    minimum: 1n,
    maximum: 2_048n,
    initial: 100n,
    meaning: 'How many candidates, by bonded stake, propose and vote in an epoch.',
  },
  'staking.minSelfBond': {
    unit: 'wei',
    minimum: NOVA,
    maximum: 10n ** 9n * NOVA,
    initial: 10n ** 6n * NOVA,
    meaning: 'What an operator bonds of its own before it can be elected.',
  },
  'staking.unbondingTime': {
    unit: 'seconds',
    minimum: 60n,
    maximum: 365n * DAY,
    initial: 21n * DAY,
    meaning: 'How long unbonded stake stays slashable before it can be withdrawn; evidence counts as long.',
  },
  'staking.minDelegation': {
    unit: 'wei',
    minimum: 1n,
    maximum: 10n ** 6n * NOVA,
    initial: NOVA,
    meaning: 'The least that is delegated at once.',
  },
  'staking.rewardRate': {
    unit: 'basis points of bonded stake a year',
    minimum: 0n,
    maximum: 5_000n,
    initial: 500n,
    meaning: 'What is minted for validators and delegators, block by block.',
  },
  'staking.maxCommission': {
    unit: 'basis points of rewards',
    minimum: 0n,
    maximum: 10_000n,
    initial: 5_000n,
    meaning: 'The most an operator may keep of what its delegators earn.',
  },
  'staking.commissionStep': {
    unit: 'basis points of rewards',
    minimum: 1n,
    maximum: 10_000n,
    initial: 100n,
    meaning: 'By how much an operator may change its commission in one epoch.',
  },
  'slashing.doubleSign': {
    unit: 'basis points of stake',
    minimum: 1n,
    maximum: 10_000n,
    initial: 1_000n,
    meaning: 'What a validator loses that signed twice.',
  },
  'slashing.downtime': {
    unit: 'basis points of stake',
    minimum: 0n,
    maximum: 1_000n,
    initial: 1n,
    meaning: 'What a validator loses that slept through too much of a window.',
  },
  'slashing.window': {
    unit: 'blocks',
    minimum: 10n,
    maximum: 65_535n,
    initial: 10_000n,
    meaning: 'Over how many blocks signatures are counted.',
  },
  'slashing.minSigned': {
    unit: 'basis points of the window',
    minimum: 100n,
    maximum: 9_500n,
    initial: 5_000n,
    meaning: 'Who signed less of the window was asleep.',
  },
  'slashing.jailTime': {
    unit: 'seconds',
    minimum: 1n,
    maximum: 30n * DAY,
    initial: 600n,
    meaning: 'How long a validator that slept must wait before it may come back.',
  },
  'slashing.reporterShare': {
    unit: 'basis points of what is slashed',
    minimum: 0n,
    maximum: 1_000n,
    initial: 500n,
    meaning: 'What whoever submits valid evidence earns; the rest burns.',
  },
  'slashing.reporterCap': {
    unit: 'wei',
    minimum: 0n,
    maximum: 10n ** 9n * NOVA,
    initial: 1_000n * NOVA,
    meaning: 'The most that one submission of evidence earns.',
  },
  'resources.rewardRate': {
    unit: 'basis points a year',
    minimum: 0n,
    maximum: 5_000n,
    initial: 1_000n,
    meaning: 'What staked resource tokens earn, out of the pool that was funded for it; running stakes keep theirs.',
  },
  'resources.maxDuration': {
    unit: 'seconds',
    minimum: 1n,
    maximum: 4n * 365n * DAY,
    initial: 365n * DAY,
    meaning: 'For how long resource tokens may be staked at once.',
  },
  'resources.novaPerDollar': {
    unit: 'wei',
    minimum: 1n,
    maximum: 10n ** 36n,
    initial: NOVA,
    meaning: 'What a dollar is in NOVA, for the list prices of resource tokens.',
  },
  'bridge.deadline': {
    unit: 'seconds',
    minimum: 600n,
    maximum: 90n * DAY,
    initial: 7n * DAY,
    meaning: 'How long a message that is sent may be delivered; after that it is refunded.',
  },
  'bridge.window': {
    unit: 'seconds',
    minimum: 60n,
    maximum: 30n * DAY,
    initial: DAY,
    meaning: 'In which time the limit of a route, once used up, is free again.',
  },
  'governance.notice': {
    unit: 'epochs',
    minimum: 1n,
    maximum: 10_000n,
    initial: 1n,
    meaning: 'How many epochs ahead numbers are set: 1 is from the next epoch on.',
    since: 'params-2',
  },
  'resources.cpuPrice': price(DOLLAR / 1_000n, 'CPU, a vCPU-hour'),
  'resources.memPrice': price(DOLLAR / 2_000n, 'MEM, a GB-hour'),
  'resources.stoPrice': price(DOLLAR / 10_000n, 'STO, a TB-hour'),
  'resources.netPrice': price(DOLLAR / 100_000n, 'NET, a GB transferred'),
}

/** What the guardian can pause: modules by name. `params` is none, or nobody could unpause. */
export const SCOPES: readonly string[] = ['staking', 'slashing', 'did', 'resources', 'tokens', 'bridge', 'audit']

/** Seconds. */
export const PAUSE_MAX = 3 * Number(DAY)
/** Seconds a scope runs, at least, between two pauses by the guardian. */
export const PAUSE_GAP = Number(DAY)
/** Bytes. */
export const REASON_MAX = 256
