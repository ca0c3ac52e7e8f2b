// validators: who validates and who would, one of them whole, and what an operator does about its own: join, edit, leave, come back,
// change its key.
import { bytesToHex, equalBytes, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { duration, nova, parsePercent, percent, time } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { isMoniker } from '../gentx.ts'
import { ask, callOf, staking } from '../modules.ts'
import { addressIn, type Candidate, headOf, parametersOf, type Roll, readRoll, validatorOf } from '../roll.ts'
import { printable, shown, table } from '../screen.ts'
import { join, rotateKey, unjail } from './enter.ts'
import { openFolder } from './folder.ts'
import { checkedAddress, perform, senderOf, sending, urlOf } from './send.ts'

const ValidatorsErrors = defineErrors('VALIDATORS', {
  UNKNOWN: {
    text: (d: { what: string }) => `${d.what} is no validator: \`novachain validators list\` shows those there are`,
  },
  UNCONFIRMED: {
    text: (d: { operator: string; bond: bigint; wait: string }) =>
      `refused: ${d.operator} would never be a validator again, and its ${nova(d.bond)} come back after ${d.wait}; add --yes if you mean it`,
  },
})

const usage = 'validators list|show|join|leave|unjail|edit|rotate-key … [--dir <dir>] [--rpc <url>]'

export const validators: Command = {
  usage,
  summary: 'Who validates, and joining, leaving, coming back and changing keys on a running network.',
  verbs: [
    'validators list',
    'validators show <operator or BLS key> | --dir <dir>',
    'validators join --dir <dir> [--stake <amount>] [--commission 5%] [--moniker <name>] [--wait]',
    'validators unjail --dir <dir> [--wait]',
    'validators rotate-key --dir <dir> [--wait]',
    'validators edit [--commission 6%] [--moniker <name>] [--dir <dir>]',
    'validators leave --yes',
  ],
  argsMax: 2,
  options: {
    ...sending.options,
    rpc: 'URL of the network’s JSON-RPC; with --dir that of the folder’s node',
    from: 'keystore of the operator’s account; with --dir keys/operator.json there',
    dir: 'folder of the validator’s node, which runs',
    stake: 'join: what to bond of its own, as 1000000nova; default the least',
    commission: 'join, edit: share of delegators’ rewards that the operator keeps, as 5%; join: default 0%',
    moniker: 'join, edit: its name, at most 64 bytes',
    'peer-id': 'edit: peer id of its node, where it is not that of --dir',
  },
  switches: {
    ...sending.switches,
    wait: 'join, unjail, rotate-key: wait for the node, the jail and the election, until it has proposed a block',
    yes: 'leave: I know that this is for ever',
  },
  async run(context) {
    const [verb = '', what] = context.args
    const verbs: Readonly<Record<string, () => Promise<ExitCode>>> = {
      list: () => list(context),
      show: () => show(context, what),
      join: () => join(context, usage),
      unjail: () => unjail(context, usage),
      'rotate-key': () => rotateKey(context, usage),
      edit: () => edit(context),
      leave: () => leave(context),
    }
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (run === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, {
        reason: 'expected list, show, join, leave, unjail, edit or rotate-key',
        usage,
      })
    if (what !== undefined && verb !== 'show')
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `${what} is one argument too many`, usage })
    const { moniker = '' } = context.flags
    if (!isMoniker(moniker))
      throw new NodeError(UsageErrors.ARGUMENT, {
        reason: '--moniker: expected at most 64 bytes of visible letters',
        usage,
      })
    return run()
  },
}

// Looking.

/** In basis points of the set's power, rounded down. */
const shareOf = ({ power }: Candidate, { powerTotal }: Roll): number =>
  powerTotal === 0n ? 0 : Number((power * 10_000n) / powerTotal)

const rowOf = (candidate: Candidate, roll: Roll) => {
  const { info, signing, standing, power, isNext } = candidate
  return {
    operator: bytesToHex(info.operator),
    moniker: info.moniker,
    standing,
    stake: info.stake.toString(),
    power: power.toString(),
    shareBps: shareOf(candidate, roll),
    commissionBps: Number(info.commissionBps),
    missed: Number(signing.missed),
    next: isNext,
  }
}

const list = async (context: CommandContext): Promise<ExitCode> => {
  const roll = await readRoll(urlOf(context))
  const { height, epoch, epochBlocks, isElected, powerTotal, window } = roll
  // Those of the set by power, then who could be in it by stake.
  const weight = ({ power, info }: Candidate): readonly [bigint, bigint] => [power, info.stake]
  const sorted = [...roll.candidates].sort((a, b) => {
    const [[p, s], [q, t]] = [weight(a), weight(b)]
    if (p !== q) return p > q ? -1 : 1
    return s === t ? 0 : s > t ? -1 : 1
  })
  const found = sorted.map((candidate) => rowOf(candidate, roll))
  const nextFrom = (epoch + 1) * epochBlocks + 1
  const rows = found.map((row) => [
    row.operator,
    printable(row.moniker) || '-',
    nova(BigInt(row.stake)),
    percent(row.shareBps),
    percent(row.commissionBps),
    row.standing,
    `${row.missed}/${window.blocks}`,
    row.next ? 'in' : '-',
  ])
  const head = ['operator', 'moniker', 'stake', 'share', 'commission', 'standing', 'missed', 'next']
  const says = `epoch ${epoch}, height ${height}; next: epoch ${epoch + 1}, from height ${nextFrom} on, ${isElected ? 'elected' : 'as stakes stand'}`
  context.out(
    {
      ...{ height, epoch, nextFrom, nextElected: isElected, powerTotal: powerTotal.toString() },
      ...{ window: Number(window.blocks), validators: found },
    },
    `${says}\n${table([head, ...rows], [2, 3, 4, 6])}`,
  )
  return exitCode.ok
}

/** By operator, BLS key, or the key of --dir's node. */
const operatorIn = async (context: CommandContext, what: string | undefined, height: number): Promise<string> => {
  const url = urlOf(context)
  const byKey = async (blsKey: Uint8Array): Promise<string> =>
    bytesToHex((await ask(url, callOf(staking, 'operatorOfKey', [blsKey]), height)).operator)
  if (what !== undefined)
    return /^0x[0-9a-fA-F]{96}$/.test(what) ? byKey(hexToBytes(what)) : checkedAddress(what, 'operator')
  if (context.flags.dir === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected an operator, a BLS key, or --dir', usage })
  const { peerId } = await openFolder(context)
  const digest = keccak(new TextEncoder().encode(peerId))
  return bytesToHex((await ask(url, callOf(staking, 'operatorOfPeer', [digest]), height)).operator)
}

const show = async (context: CommandContext, what: string | undefined): Promise<ExitCode> => {
  const url = urlOf(context)
  const roll = await readRoll(url)
  const operator = addressIn(await operatorIn(context, what, roll.height))
  const candidate = roll.candidates.find(({ info }) => equalBytes(info.operator, operator))
  if (candidate === undefined)
    throw new NodeError(ValidatorsErrors.UNKNOWN, { what: what ?? context.flags.dir ?? bytesToHex(operator) })
  const { info, signing } = candidate
  const found = { ...fieldsOf(shown(info)), ...rowOf(candidate, roll), ...jailOf(signing) }
  const pending = await pendingOf(url, operator, roll.height)
  const { window, parameters } = roll
  const lines: readonly (readonly [string, string])[] = [
    ['operator', bytesToHex(operator)],
    ['moniker', printable(info.moniker) || '-'],
    ['standing', `${candidate.standing}${candidate.isNext ? ', in the next set' : ', not in the next set'}`],
    ['power', `${candidate.power} of ${roll.powerTotal}, ${percent(found.shareBps)}`],
    ['stake', `${nova(info.stake)}, its own ${nova(info.selfBond)} (the least is ${nova(parameters.minSelfBond)})`],
    ['commission', `${percent(info.commissionBps)}, unclaimed ${nova(info.commission)}`],
    ['rewards', `${nova(pending)} for its own to claim, commission included`],
    ['key', bytesToHex(info.blsKey)],
    ['next key', info.nextBlsKey.length === 0 ? '-' : bytesToHex(info.nextBlsKey)],
    ['peer', `${bytesToHex(info.peerIdDigest)} (digest of its peer id)`],
    ['missed', `${signing.missed} of ${window.blocks} blocks, jailed from ${window.missedMax} on`],
    ['jailed', signing.jailed ? `until ${time(signing.jailedUntil)}` : signing.tombstoned ? 'for ever' : 'no'],
  ]
  context.out(
    { ...found, rewards: pending.toString() },
    lines.map(([name, text]) => `${name.padEnd(10)}  ${text}`).join('\n'),
  )
  return exitCode.ok
}
const jailOf = ({ since, jailedUntil }: Candidate['signing']) => ({
  countedFrom: Number(since),
  jailedUntil: Number(jailedUntil),
})
const fieldsOf = (value: ReturnType<typeof shown>): object => (typeof value === 'object' ? value : {})
const pendingOf = async (url: string, operator: ReturnType<typeof addressIn>, height: number): Promise<bigint> =>
  (await ask(url, callOf(staking, 'pendingRewards', [operator, operator]), height)).amount

// What an operator says of itself.

/** The sender with its validator. Throws VALIDATORS_UNKNOWN. */
const own = async (context: CommandContext) => {
  const sender = await senderOf(context, usage)
  const url = urlOf(context)
  const head = await headOf(url)
  const parameters = await parametersOf(url, head.height)
  const info = await validatorOf(url, addressIn(sender.address), head.height)
  if (info === null) throw new NodeError(ValidatorsErrors.UNKNOWN, { what: sender.address })
  return { url, sender, head, info, parameters }
}

const edit = async (context: CommandContext): Promise<ExitCode> => {
  const { commission, moniker, 'peer-id': peerText, dir } = context.flags
  if (commission === undefined && moniker === undefined && peerText === undefined && dir === undefined)
    throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --commission, --moniker, --peer-id or --dir', usage })
  const commissionBps = commission === undefined ? null : parsePercent(commission)
  const peerId = peerText ?? (dir === undefined ? null : (await openFolder(context)).peerId)
  const { sender, info } = await own(context)
  const digest = peerId === null ? info.peerIdDigest : keccak(new TextEncoder().encode(peerId))
  const args = [BigInt(commissionBps ?? info.commissionBps), digest, moniker ?? info.moniker] as const
  const receipt = await perform(context, sender, callOf(staking, 'editValidator', args))
  if (receipt === null) return exitCode.ok
  const text = `${sender.address}: ${printable(args[2]) || 'no name'}, commission ${percent(args[0])}, in block ${receipt.height}`
  context.out({ operator: sender.address, ...receipt }, text)
  return exitCode.ok
}

const leave = async (context: CommandContext): Promise<ExitCode> => {
  const { url, sender, info, parameters } = await own(context)
  const wait = duration(Number(parameters.unbondingTime))
  if (!context.switches.has('yes') && !context.switches.has('unsigned'))
    throw new NodeError(ValidatorsErrors.UNCONFIRMED, { operator: sender.address, bond: info.selfBond, wait })
  const receipt = await perform(context, sender, callOf(staking, 'exit', []))
  if (receipt === null) return exitCode.ok
  const roll = await readRoll(url)
  const candidate = roll.candidates.find((each) => equalBytes(each.info.operator, info.operator))
  // Elected already, it signs to the end of the next epoch; else to the end of this one.
  const epochs =
    roll.isElected && candidate?.isNext === true ? 2 : candidate !== undefined && candidate.power > 0n ? 1 : 0
  const lastHeight = epochs === 0 ? null : (roll.epoch + epochs) * roll.epochBlocks
  const matures = receipt.events.find(({ event }) => event === 'Undelegated')?.matures ?? null
  const until =
    lastHeight === null ? 'it signs no more' : `keep the node running up to height ${lastHeight}: it signs until then`
  const back =
    typeof matures === 'string'
      ? `; its ${nova(info.selfBond)} can be withdrawn from ${time(BigInt(matures))} on (novachain stake withdraw)`
      : ''
  context.out(
    { operator: sender.address, lastHeight, matures, ...receipt },
    `${sender.address} leaves, in block ${receipt.height}: ${until}${back}`,
  )
  return exitCode.ok
}
