// validators join, unjail and rotate-key: what ends with a node that shows it is in step, so that its key counts from the next election
// on. Each looks at what is done already and goes on from there, so that a second run finishes the first.
import { setTimeout as delay } from 'node:timers/promises'
import { type Address, asHash, bytesToHex, equalBytes, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { duration, nova, parseAmount, parsePercent, percent, time } from '../amounts.ts'
import { type CommandContext, type ExitCode, exitCode } from '../args.ts'
import { ask, callOf, type ModuleCall, slashing, staking } from '../modules.ts'
import {
  addressIn,
  type Candidate,
  entersAt,
  headOf,
  parametersOf,
  type Roll,
  readRoll,
  type ValidatorInfo,
  validatorOf,
} from '../roll.ts'
import { printable } from '../screen.ts'
import { createSteps, type Steps } from '../steps.ts'
import {
  ensureKey,
  type Folder,
  type FolderKey,
  findKey,
  inStep,
  loaded,
  openFolder,
  type Place,
  patiently,
  placeOf,
} from './folder.ts'
import type { Receipt } from './receipt.ts'
import { perform, type Sender, senderOf } from './send.ts'

const EnterErrors = defineErrors('ENTER', {
  NO_VALIDATOR: {
    text: (d: { operator: string }) =>
      `${d.operator} is no validator: \`novachain validators join\` makes it one, or give --from another account`,
  },
  OTHER_KEY: {
    text: (d: { operator: string; has: string; folder: string }) =>
      `${d.operator} is a validator with the key ${d.has}, and this folder holds ${d.folder}: \`novachain validators rotate-key\` changes it`,
  },
  FUNDS: {
    text: (d: { operator: string; have: bigint; need: bigint; stake: bigint }) =>
      `${d.operator} has ${nova(d.have)} and needs ${nova(d.need)}: ${nova(d.stake)} to bond, the rest for fees; send it ${nova(d.need - d.have)}`,
  },
  GONE: {
    text: (d: { operator: string; why: string }) =>
      `${d.operator} ${d.why}, and an address is a validator only once: join with another account`,
  },
  JAILED: {
    text: (d: { operator: string; until: bigint }) =>
      `${d.operator} is jailed until ${time(d.until)}: then \`novachain validators unjail\` brings it back (with --wait it waits for that)`,
  },
})

/** What all three begin with. */
interface Entry {
  readonly context: CommandContext
  readonly folder: Folder
  readonly place: Place
  readonly sender: Sender
  readonly operator: Address
  readonly steps: Steps
}

/** Nothing is sent, and no password asked for, before the folder, its node and the network fit. */
const enter = async (context: CommandContext, usage: string): Promise<Entry> => {
  const steps = createSteps()
  const folder = await openFolder(context)
  steps.doing('compares the folder with the network')
  const place = await placeOf(folder, context, steps)
  await parametersOf(place.url, (await headOf(place.url)).height)
  steps.done(`network ${folder.genesisHash}, peer ${folder.peerId}`)
  await inStep(folder, place, context, steps)
  steps.done('the node is in step')
  steps.close()
  const sender = await senderOf(context, usage)
  return { context, folder, place, sender, operator: addressIn(sender.address), steps }
}

/** Sends where the network is asked. */
const send = async (entry: Entry, call: ModuleCall, value = 0n): Promise<Receipt | null> => {
  const { context, place, sender } = entry
  return perform({ ...context, flags: { ...context.flags, rpc: place.url } }, sender, call, value)
}

const read = async (entry: Entry): Promise<ValidatorInfo | null> => {
  const { place, operator } = entry
  return validatorOf(place.url, operator, (await headOf(place.url)).height)
}
const mustRead = async (entry: Entry): Promise<ValidatorInfo> => {
  const info = await read(entry)
  if (info === null) throw new NodeError(EnterErrors.NO_VALIDATOR, { operator: bytesToHex(entry.operator) })
  return info
}

/** What was sent, by the function's name; null for what was done before. */
type Sent = Record<string, { readonly hash: string; readonly height: number } | null>
const placeIn = ({ hash, height }: Receipt) => ({ hash, height })

export async function join(context: CommandContext, usage: string): Promise<ExitCode> {
  const commissionBps = BigInt(parsePercent(context.flags.commission ?? '0%'))
  const wanted = context.flags.stake === undefined ? null : parseAmount(context.flags.stake)
  const entry = await enter(context, usage)
  const { folder, place, steps, operator } = entry
  const key = await ensureKey(folder, 'validator.keyFile', 'keys/validator.json', context)
  steps.doing('looks whether the node has the key')
  await loaded(folder, place, key.blsKey, context, steps)
  steps.done(`key ${bytesToHex(key.blsKey)}`)
  const sent: Sent = { createValidator: null, attestReady: null }
  const found = await read(entry)
  if (found === null) {
    const stake = wanted ?? (await parametersOf(place.url, (await headOf(place.url)).height)).minSelfBond
    await funded(entry, stake)
    steps.doing(`bonds ${nova(stake)}`)
    const proof = await key.holder.own(operator)
    const digest = keccak(new TextEncoder().encode(folder.peerId))
    const args = [key.blsKey, proof, digest, commissionBps, context.flags.moniker ?? ''] as const
    const receipt = await send(entry, callOf(staking, 'createValidator', args), stake)
    if (receipt === null) return exitCode.ok
    sent.createValidator = placeIn(receipt)
  } else refuseOthers(found, key.blsKey)
  steps.done(`${bytesToHex(operator)} is a validator`)
  if (!(await attest(entry, sent, key))) return exitCode.ok
  return tell(entry, sent)
}

const refuseOthers = (info: ValidatorInfo, blsKey: Uint8Array): void => {
  const operator = bytesToHex(info.operator)
  if (info.tombstoned) throw new NodeError(EnterErrors.GONE, { operator, why: 'signed twice and never signs again' })
  if (info.exited) throw new NodeError(EnterErrors.GONE, { operator, why: 'has left' })
  if (![info.blsKey, info.nextBlsKey].some((known) => equalBytes(known, blsKey)))
    throw new NodeError(EnterErrors.OTHER_KEY, { operator, has: bytesToHex(info.blsKey), folder: bytesToHex(blsKey) })
}

/** createValidator and attestReady with their slots, and room. */
const FEE_GAS = 1_500_000n
const funded = async ({ place, operator }: Entry, stake: bigint): Promise<void> => {
  const [balance, price] = await Promise.all([
    request(place.url, 'eth_getBalance', [bytesToHex(operator), 'latest']),
    request(place.url, 'eth_gasPrice'),
  ])
  const have = BigInt(String(balance))
  const need = stake + FEE_GAS * BigInt(String(price))
  if (have < need) throw new NodeError(EnterErrors.FUNDS, { operator: bytesToHex(operator), have, need, stake })
}

export async function unjail(context: CommandContext, usage: string): Promise<ExitCode> {
  const entry = await enter(context, usage)
  const { steps } = entry
  const info = await mustRead(entry)
  const sent: Sent = { unjail: null, attestReady: null }
  if (info.jailed) {
    await released(entry)
    steps.doing('ends the jail')
    const receipt = await send(entry, callOf(slashing, 'unjail', []))
    if (receipt === null) return exitCode.ok
    sent.unjail = placeIn(receipt)
    steps.done('the jail has ended')
  }
  if (!(await attest(entry, sent, null))) return exitCode.ok
  return tell(entry, sent)
}

const POLL_MS = 500
const pause = (signal: AbortSignal): Promise<unknown> => delay(POLL_MS, undefined, { signal }).catch(() => {})

/** With --wait it waits for the end of the jail's time, by the chain's clock. Throws ENTER_JAILED. */
const released = async ({ context, place, operator, steps }: Entry): Promise<void> => {
  for (;;) {
    const { head, info } = await patiently(context, steps, async () => {
      const head = await headOf(place.url)
      return { head, ...(await ask(place.url, callOf(slashing, 'signingInfo', [operator]), head.height)) }
    })
    const until = info.jailedUntil
    if (info.tombstoned || BigInt(head.time) >= until) return
    if (!context.switches.has('wait') || context.signal.aborted)
      throw new NodeError(EnterErrors.JAILED, { operator: bytesToHex(operator), until })
    steps.doing(`jailed until ${time(until)}`)
    await pause(context.signal)
  }
}

/** The next key of the folder takes the place of the present one: registered, then shown to be in step. */
export async function rotateKey(context: CommandContext, usage: string): Promise<ExitCode> {
  const entry = await enter(context, usage)
  const { folder, place, steps } = entry
  const info = await mustRead(entry)
  const sent: Sent = { rotateBlsKey: null, attestReady: null }
  const key = await ensureKey(folder, 'validator.nextKeyFile', 'keys/validator-next.json', context)
  if (equalBytes(info.blsKey, key.blsKey)) return tell(entry, sent)
  steps.doing('looks whether the node has the key')
  await loaded(folder, place, key.blsKey, context, steps)
  steps.done(`next key ${bytesToHex(key.blsKey)}`)
  if (!equalBytes(info.nextBlsKey, key.blsKey)) {
    steps.doing('registers the next key')
    const proof = await key.holder.own(entry.operator)
    const receipt = await send(entry, callOf(staking, 'rotateBlsKey', [key.blsKey, proof]))
    if (receipt === null) return exitCode.ok
    sent.rotateBlsKey = placeIn(receipt)
    steps.done('the next key is registered')
  }
  if (!(await attest(entry, sent, key))) return exitCode.ok
  return tell(entry, sent)
}

/** Signs for a recent block with the key that waits, or the present one. False where the transaction was printed to be signed elsewhere. */
const attest = async (entry: Entry, sent: Sent, held: FolderKey | null): Promise<boolean> => {
  const { context, folder, place, operator, steps } = entry
  const info = await mustRead(entry)
  const isWaiting = info.nextBlsKey.length > 0
  if (info.ready && !isWaiting) return true
  const wanted = isWaiting ? info.nextBlsKey : info.blsKey
  steps.close() // a password may be asked for
  const key = held !== null && equalBytes(held.blsKey, wanted) ? held : await findKey(folder, wanted, context)
  await loaded(folder, place, key.blsKey, context, steps)
  await inStep(folder, place, context, steps)
  const [own, network] = await Promise.all([headOf(place.own), headOf(place.url)])
  // The network's node must know the block too, and the block's hash is what the own node has.
  const height = Math.min(own.height, network.height)
  const block = await request(place.own, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])
  const blockHash = asHash(hexToBytes((block as { readonly hash: string }).hash)) // our own method
  const signature = await key.holder.ready(height, blockHash, operator)
  steps.doing(`shows that the node has block ${height}`)
  const receipt = await send(entry, callOf(staking, 'attestReady', [BigInt(height), blockHash, signature]))
  if (receipt === null) return false
  sent.attestReady = placeIn(receipt)
  steps.done(`the node has shown that it is in step, at block ${height}`)
  return true
}

/** From when on it signs, and with --wait what it does then. */
interface Entered {
  /** First epoch that the change can be in, and its first height. */
  readonly epoch: number
  readonly firstHeight: number
  /** Whether it is elected there; a forecast until the election is held. */
  readonly elected: boolean
  /** The first block it proposed from then on; null where nobody waited for one. */
  readonly proposed: number | null
}

const tell = async (entry: Entry, sent: Sent): Promise<ExitCode> => {
  const { context, operator, folder, steps } = entry
  const standing = await standingOf(entry, sent.attestReady?.height ?? null)
  const proposed = context.switches.has('wait') ? await proposedBy(entry, standing) : null
  steps.close()
  const { info } = standing.candidate
  const entered: Entered = { ...firstOf(standing), elected: standing.candidate.isNext, proposed }
  const result = {
    ...{ operator: bytesToHex(operator), blsKey: bytesToHex(info.blsKey), nextBlsKey: hexOrNull(info.nextBlsKey) },
    ...{ peerId: folder.peerId, stake: info.stake.toString(), transactions: sent, ...entered },
  }
  context.out(result, textOf(folder, standing, entered).join('\n'))
  return context.signal.aborted ? exitCode.failed : exitCode.ok
}
const hexOrNull = (bytes: Uint8Array): Hex | null => (bytes.length === 0 ? null : bytesToHex(bytes))

interface Standing {
  readonly roll: Roll
  readonly candidate: Candidate
  /** The block in which it became ready, if that was now. */
  readonly readyAt: number | null
}
const standingOf = async (entry: Entry, readyAt: number | null): Promise<Standing> => {
  const roll = await readRoll(entry.place.url)
  const candidate = roll.candidates.find(({ info }) => equalBytes(info.operator, entry.operator))
  if (candidate === undefined) throw new NodeError(EnterErrors.NO_VALIDATOR, { operator: bytesToHex(entry.operator) })
  return { roll, candidate, readyAt }
}
/** What was ready before counts in the running epoch, if it is in its set. */
const firstOf = ({ roll, candidate, readyAt }: Standing): { readonly epoch: number; readonly firstHeight: number } => {
  const { epoch, epochBlocks, height } = roll
  if (readyAt === null && candidate.power > 0n) return { epoch, firstHeight: epoch * epochBlocks + 1 }
  return entersAt(readyAt ?? height, epochBlocks)
}

/** Waits until it is in the set and then for a block of its own; null where the user ends the wait. */
const proposedBy = async (entry: Entry, { readyAt }: Standing): Promise<number | null> => {
  const { context, folder, place, operator, steps } = entry
  const recipient = folder.config['validator.feeRecipient'].toLowerCase() || bytesToHex(operator)
  let next: number | null = null
  while (!context.signal.aborted) {
    const standing = await patiently(context, steps, () => standingOf(entry, readyAt))
    const { height } = standing.roll
    const { firstHeight } = firstOf(standing)
    if (next === null && height + 1 >= firstHeight && standing.candidate.power > 0n) {
      next = firstHeight
      steps.done(`in the set, from height ${firstHeight} on`)
    }
    for (; next !== null && next <= height; next++) {
      const asked = [`0x${next.toString(16)}`, false]
      const block = await patiently(context, steps, () => request(place.url, 'eth_getBlockByNumber', asked))
      if ((block as { readonly miner: string }).miner === recipient) return next // our own method
    }
    steps.doing(next === null ? forecast(folder, standing) : `waits for its turn, at height ${height}`)
    await pause(context.signal)
  }
  return null
}

const forecast = ({ genesis }: Folder, standing: Standing): string => {
  const { roll, candidate } = standing
  const { epoch, firstHeight } = firstOf(standing)
  const { info } = candidate
  if (!candidate.isNext) {
    if (info.power === 0n) return `cannot be elected: ${whyNot(roll, candidate)}`
    const least = roll.candidates.reduce(
      (low, each) => (each.isNext && (low === null || each.info.power < low) ? each.info.power : low),
      null as bigint | null,
    )
    return `not among the ${roll.parameters.maxValidators} with most stake: it has ${info.power} NOVA and needs more than ${least ?? 0n}`
  }
  const seconds = Math.max(0, firstHeight - roll.height) * (genesis.blockTimeMs / 1_000)
  return `validates from height ${firstHeight} on, the first of epoch ${epoch}, in about ${duration(seconds)}`
}
const whyNot = ({ parameters: { minSelfBond } }: Roll, { info, standing }: Candidate): string => {
  const missing = minSelfBond - info.selfBond
  if (missing <= 0n) return standing
  const operator = bytesToHex(info.operator)
  return `its own bond is ${nova(missing)} below the least: \`novachain stake delegate ${operator} ${missing}\``
}

const textOf = (folder: Folder, standing: Standing, { firstHeight, proposed }: Entered): string[] => {
  const { roll, candidate } = standing
  const { info } = candidate
  const isIn = candidate.power > 0n && roll.height + 1 >= firstHeight
  return [
    `operator  ${bytesToHex(info.operator)}${info.moniker === '' ? '' : `, ${printable(info.moniker)}`}`,
    `key       ${bytesToHex(info.blsKey)}`,
    ...(info.nextBlsKey.length === 0 ? [] : [`next key  ${bytesToHex(info.nextBlsKey)}`]),
    `stake     ${nova(info.stake)}, of which its own ${nova(info.selfBond)}; commission ${percent(info.commissionBps)}`,
    `set       ${isIn ? `validates, since height ${firstHeight}` : forecast(folder, standing)}`,
    ...(proposed === null ? [] : [`proposed  block ${proposed}`]),
  ]
}
