// stake: an account's delegations: made, moved, ended, paid out, and what they have earned.
import { type Address, bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { nova, parseAmount, time } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { ask, askAll, callOf, staking } from '../modules.ts'
import { addressIn, headOf, readRoll } from '../roll.ts'
import { table } from '../screen.ts'
import type { Receipt } from './receipt.ts'
import { checkedAddress, perform, type Sender, senderOf, sending, urlOf } from './send.ts'

const usage = 'stake delegate|undelegate|redelegate|withdraw|rewards … [--from <keystore>] [--rpc <url>]'

export const stake: Command = {
  usage,
  summary: 'Delegate to validators, move and end delegations, and what they earn.',
  verbs: [
    'stake delegate <validator> <amount>',
    'stake undelegate <validator> <amount|all>',
    'stake redelegate <from> <to> <amount|all>',
    'stake withdraw',
    'stake rewards [<validator>] [--claim]',
  ],
  argsMax: 4,
  options: {
    ...sending.options,
    from: 'keystore of the delegator’s account; with --dir keys/operator.json there',
    sender: 'rewards and --unsigned: the delegator’s address, so that no key is read',
    dir: 'folder whose keys/operator.json delegates',
  },
  switches: { ...sending.switches, claim: 'rewards: pay them out' },
  async run(context) {
    const [verb = '', ...rest] = context.args
    const found = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined
    if (found === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, {
        reason: 'expected delegate, undelegate, redelegate, withdraw or rewards',
        usage,
      })
    if (rest.length < found.min || rest.length > found.max)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected stake ${verb} ${found.takes}`.trimEnd(), usage })
    return found.run(context, rest)
  },
}

interface Verb {
  readonly min: number
  readonly max: number
  readonly takes: string
  readonly run: (context: CommandContext, args: readonly string[]) => Promise<ExitCode>
}

const who = (context: CommandContext): Promise<Sender> => senderOf(context, usage)
const validatorIn = (text: string | undefined): Address => addressIn(checkedAddress(text ?? '', 'validator'))

/** What is left of a delegation is shown beside what was done. */
const amountOf = async (context: CommandContext, sender: Sender, validator: Address): Promise<bigint> => {
  const url = urlOf(context)
  const asked = callOf(staking, 'delegation', [addressIn(sender.address), validator])
  return (await ask(url, asked, (await headOf(url)).height)).amount
}
const amountIn = async (
  context: CommandContext,
  sender: Sender,
  text: string | undefined,
  validator: Address,
): Promise<bigint> => (text === 'all' ? amountOf(context, sender, validator) : parseAmount(text ?? ''))

const tell = async (
  context: CommandContext,
  sender: Sender,
  receipt: Receipt | null,
  validators: readonly Address[],
  say: (receipt: Receipt) => string,
): Promise<ExitCode> => {
  if (receipt === null) return exitCode.ok
  const delegations = await Promise.all(
    validators.map(async (validator) => ({
      validator: bytesToHex(validator),
      amount: (await amountOf(context, sender, validator)).toString(),
    })),
  )
  const left = delegations.map(({ validator, amount }) => `  ${validator}  ${nova(BigInt(amount))}`)
  context.out(
    { delegator: sender.address, ...receipt, delegations },
    [`${say(receipt)}, in block ${receipt.height}`, ...(left.length === 0 ? [] : ['bonded now:', ...left])].join('\n'),
  )
  return exitCode.ok
}

/** A value of the first event with this name. */
const eventValue = ({ events }: Receipt, event: string, name: string): bigint => {
  const value = events.find((each) => each.event === event)?.[name]
  return typeof value === 'string' ? BigInt(value) : 0n
}
const maturing = (receipt: Receipt, event: string): string => time(eventValue(receipt, event, 'matures'))

const VERBS: Readonly<Record<string, Verb>> = {
  delegate: {
    ...{ min: 2, max: 2, takes: '<validator> <amount>' },
    async run(context, [first, second]) {
      const validator = validatorIn(first)
      const amount = parseAmount(second ?? '')
      const sender = await who(context)
      const receipt = await perform(context, sender, callOf(staking, 'delegate', [validator]), amount)
      return tell(context, sender, receipt, [validator], () => `delegated ${nova(amount)} to ${bytesToHex(validator)}`)
    },
  },
  undelegate: {
    ...{ min: 2, max: 2, takes: '<validator> <amount|all>' },
    async run(context, [first, second]) {
      const validator = validatorIn(first)
      const sender = await who(context)
      const amount = await amountIn(context, sender, second, validator)
      const receipt = await perform(context, sender, callOf(staking, 'undelegate', [validator, amount]))
      const say = (done: Receipt): string =>
        `${nova(eventValue(done, 'Undelegated', 'amount'))} unbond from ${bytesToHex(validator)} and can be withdrawn from ${maturing(done, 'Undelegated')} on`
      return tell(context, sender, receipt, [validator], say)
    },
  },
  redelegate: {
    ...{ min: 3, max: 3, takes: '<from> <to> <amount|all>' },
    async run(context, [first, second, third]) {
      const [from, to] = [validatorIn(first), validatorIn(second)]
      const sender = await who(context)
      const amount = await amountIn(context, sender, third, from)
      const receipt = await perform(context, sender, callOf(staking, 'redelegate', [from, to, amount]))
      const say = (done: Receipt): string =>
        `moved ${nova(eventValue(done, 'Redelegated', 'amount'))} to ${bytesToHex(to)}, liable for ${bytesToHex(from)} until ${maturing(done, 'Redelegated')}`
      return tell(context, sender, receipt, [from, to], say)
    },
  },
  withdraw: {
    ...{ min: 0, max: 0, takes: '' },
    async run(context) {
      const sender = await who(context)
      const receipt = await perform(context, sender, callOf(staking, 'withdrawUnbonded', []))
      const sum = (done: Receipt, name: string): bigint =>
        done.events.reduce(
          (total, event) => total + (event.event === 'Withdrawn' ? BigInt(String(event[name])) : 0n),
          0n,
        )
      const say = (done: Receipt): string => {
        const slashed = sum(done, 'slashed')
        return `withdrew ${nova(sum(done, 'amount'))}${slashed === 0n ? '' : `, ${nova(slashed)} were slashed`}`
      }
      return tell(context, sender, receipt, [], say)
    },
  },
  rewards: {
    ...{ min: 0, max: 1, takes: '[<validator>]' },
    run: (context, [only]) => rewards(context, only === undefined ? null : validatorIn(only)),
  },
}

const rewards = async (context: CommandContext, only: Address | null): Promise<ExitCode> => {
  const isLook = !context.switches.has('claim')
  const sender = isLook ? await senderOf(context, usage, 'address') : await who(context)
  const found = await holdingsOf(urlOf(context), addressIn(sender.address), only)
  if (isLook) {
    context.out({ delegator: sender.address, ...found }, pageOf(found))
    return exitCode.ok
  }
  const due = found.delegations.filter((each) => each.rewards !== '0')
  const claimed: Receipt[] = []
  // Where nothing is due the module says so.
  for (const { validator } of due.length === 0 ? found.delegations.slice(0, 1) : due) {
    const receipt = await perform(context, sender, callOf(staking, 'claimRewards', [addressIn(validator)]))
    if (receipt === null) return exitCode.ok
    claimed.push(receipt)
  }
  const amount = claimed.reduce((sum, receipt) => sum + eventValue(receipt, 'RewardsClaimed', 'amount'), 0n)
  context.out(
    { delegator: sender.address, amount: amount.toString(), transactions: claimed },
    `claimed ${nova(amount)} of ${claimed.length} ${claimed.length === 1 ? 'validator' : 'validators'}`,
  )
  return exitCode.ok
}

/** What an account has with each validator, or with one, and what is unbonding; of one block. */
const holdingsOf = async (url: string, delegator: Address, only: Address | null) => {
  const { height, candidates } = await readRoll(url)
  const validators = only === null ? candidates.map(({ info }) => info.operator) : [only]
  const [amounts, pending, { entries }] = await Promise.all([
    askAll(
      url,
      validators.map((each) => callOf(staking, 'delegation', [delegator, each])),
      height,
    ),
    askAll(
      url,
      validators.map((each) => callOf(staking, 'pendingRewards', [delegator, each])),
      height,
    ),
    ask(url, callOf(staking, 'unbondings', [delegator]), height),
  ])
  const delegations = validators.flatMap((validator, i) => {
    const [amount, due] = [amounts[i]?.amount ?? 0n, pending[i]?.amount ?? 0n]
    if (amount === 0n && due === 0n && only === null) return []
    return [{ validator: bytesToHex(validator), amount: amount.toString(), rewards: due.toString() }]
  })
  const unbondings = entries.map(({ validator, amount, penalty, matures }) => ({
    ...{ validator: bytesToHex(validator), amount: amount.toString(), penalty: penalty.toString() },
    matures: Number(matures),
  }))
  return { height, delegations, unbondings }
}

const pageOf = ({ delegations, unbondings }: Awaited<ReturnType<typeof holdingsOf>>): string => {
  const due = delegations.reduce((sum, { rewards }) => sum + BigInt(rewards), 0n)
  const rows = delegations.map(({ validator, amount, rewards }) => [
    validator,
    nova(BigInt(amount)),
    nova(BigInt(rewards)),
  ])
  const leaving = unbondings.map(({ validator, amount, penalty, matures }) => [
    validator,
    nova(BigInt(amount) - BigInt(penalty)),
    time(BigInt(matures)),
  ])
  if (rows.length + leaving.length === 0) return 'nothing is delegated: novachain stake delegate <validator> <amount>'
  return [
    ...(rows.length === 0 ? [] : [table([['validator', 'bonded', 'rewards'], ...rows], [1, 2])]),
    ...(leaving.length === 0 ? [] : [table([['unbonding from', 'amount', 'withdrawable from'], ...leaving], [1])]),
    ...(due === 0n ? [] : [`${nova(due)} to claim: add --claim`]),
  ].join('\n\n')
}
