// Who validates, who would, and who will in the next epoch: the modules' views put together, all of one block. Owns what a candidate's
// standing is called, and the forecast where the next election has not been held.
import { type Address, asAddress, bytesToHex, compareBytes, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Named } from '../chain/native/kit/abi.ts'
import type { abi as slashingAbi } from '../chain/native/slashing/abi.ts'
import type { abi as stakingAbi } from '../chain/native/staking/abi.ts'
import { epochOf } from '../chain/types/validators.ts'
import { request } from '../rpc/client/http.ts'
import { ask, askAll, callOf, slashing, staking, unlessRefused } from './modules.ts'

export const RollErrors = defineErrors('ROLL', {
  NO_MODULE: {
    text: (d: { url: string }) => `the network at ${d.url} has no staking: its validators are those of its genesis`,
  },
})

export type ValidatorInfo = Named<typeof stakingAbi.functions.validator.outputs>['info']
type SigningInfo = Named<typeof slashingAbi.functions.signingInfo.outputs>['info']
type Parameters = Named<typeof stakingAbi.functions.parameters.outputs>['values']

/** `validates`: in the set of the next block. `ready`: electable, and not in it. The others say what keeps it out. */
export type Standing = 'validates' | 'ready' | 'not ready' | 'below the least' | 'jailed' | 'tombstoned' | 'left'

export interface Candidate {
  readonly info: ValidatorInfo
  readonly signing: SigningInfo
  readonly standing: Standing
  /** Power in the set of the next block; 0 where it is not in it. */
  readonly power: bigint
  /** Whether it is in the set of the next epoch, or would be, were it elected now. */
  readonly isNext: boolean
}

/** Heights and epochs as of the block after `height`. */
export interface Roll {
  readonly height: number
  /** Seconds, of the block at `height`. */
  readonly time: number
  readonly epoch: number
  readonly epochBlocks: number
  /** The next set stands already; else `isNext` is a forecast. */
  readonly isElected: boolean
  readonly powerTotal: bigint
  readonly parameters: Parameters
  /** Blocks in which signatures are counted, and how many missed ones jail. */
  readonly window: { readonly blocks: bigint; readonly missedMax: bigint }
  /** In the order in which they joined. */
  readonly candidates: readonly Candidate[]
}

/** The head, as the node at `url` has it. */
export async function headOf(
  url: string,
): Promise<{ readonly height: number; readonly hash: Hex; readonly time: number }> {
  const block = await request(url, 'eth_getBlockByNumber', ['latest', false])
  const { number, hash, timestamp } = block as { number: string; hash: Hex; timestamp: string } // our own method
  return { height: Number(number), hash, time: Number(timestamp) }
}

/** null for an address that never was a validator. */
export const validatorOf = async (url: string, operator: Address, height: number): Promise<ValidatorInfo | null> =>
  (await unlessRefused('NotValidator', ask(url, callOf(staking, 'validator', [operator]), height)))?.info ?? null

/** Throws ROLL_NO_MODULE where the network has no staking. */
export async function parametersOf(url: string, height: number): Promise<Parameters> {
  return (
    await ask(url, callOf(staking, 'parameters', []), height).catch((error: unknown) => {
      // An account without code answers nothing.
      const isEmpty = error instanceof NodeError && error.code === 'ABI_DECODE'
      throw isEmpty ? new NodeError(RollErrors.NO_MODULE, { url }, { cause: error }) : error
    })
  ).values
}

const PAGE = 256n

/** Throws ROLL_NO_MODULE, CLIENT_*. */
export async function readRoll(url: string): Promise<Roll> {
  const { height, time } = await headOf(url)
  const parameters = await parametersOf(url, height)
  const epochBlocks = Number(parameters.epochBlocks)
  const epoch = epochOf(height + 1, epochBlocks)
  const [{ count }, window, now, next] = await Promise.all([
    ask(url, callOf(staking, 'validatorCount', []), height),
    ask(url, callOf(slashing, 'window', []), height),
    setOf(url, epoch, height),
    setOf(url, epoch + 1, height),
  ])
  const pages = Array.from({ length: Math.ceil(Number(count) / Number(PAGE)) }, (_, i) =>
    callOf(staking, 'validators', [BigInt(i) * PAGE, PAGE]),
  )
  const infos = (await askAll(url, pages, height)).flatMap(({ page }) => page)
  const signings = await askAll(
    url,
    infos.map(({ operator }) => callOf(slashing, 'signingInfo', [operator])),
    height,
  )
  const forecast = next ?? electedOf(infos, Number(parameters.maxValidators))
  const candidates = infos.map((info, i): Candidate => {
    const key = bytesToHex(info.operator)
    const power = now?.get(key) ?? 0n
    const signing = signings[i]?.info as SigningInfo // one answer for each
    return { info, signing, power, standing: standingOf(info, power, parameters), isNext: forecast.has(key) }
  })
  const powerTotal = candidates.reduce((sum, { power }) => sum + power, 0n)
  return {
    ...{ height, time, epoch, epochBlocks, isElected: next !== null, powerTotal, parameters, candidates },
    window: { blocks: window.blocks, missedMax: window.missedMax },
  }
}

/** Powers by operator; null for an epoch that is not elected yet. */
const setOf = async (url: string, epoch: number, height: number): Promise<ReadonlyMap<Hex, bigint> | null> => {
  const found = await unlessRefused('EpochUnknown', ask(url, callOf(staking, 'setOf', [BigInt(epoch)]), height))
  return found && new Map(found.operators.map((operator, i) => [bytesToHex(operator), found.powers[i] ?? 0n]))
}

/** As the election will choose them: most power first, of equal ones the lower address. */
const electedOf = (infos: readonly ValidatorInfo[], count: number): ReadonlyMap<Hex, bigint> => {
  const order = (a: ValidatorInfo, b: ValidatorInfo): number =>
    a.power === b.power ? compareBytes(a.operator, b.operator) : a.power > b.power ? -1 : 1
  const elected = infos.filter(({ power }) => power > 0n).sort(order)
  return new Map(elected.slice(0, count).map(({ operator, power }) => [bytesToHex(operator), power]))
}

const standingOf = (info: ValidatorInfo, power: bigint, { minSelfBond }: Parameters): Standing => {
  if (info.tombstoned) return 'tombstoned'
  if (info.exited) return 'left'
  if (info.jailed) return 'jailed'
  if (power > 0n) return 'validates'
  if (info.selfBond < minSelfBond) return 'below the least'
  return info.ready ? 'ready' : 'not ready'
}

/** The first epoch whose set a change at `height` can be in, and its first height. */
export function entersAt(
  height: number,
  epochBlocks: number,
): { readonly epoch: number; readonly firstHeight: number } {
  // The block before the last of an epoch elects the next, its own changes included.
  const epoch = epochOf(height + 1, epochBlocks) + 1
  return { epoch, firstHeight: epoch * epochBlocks + 1 }
}

export const addressIn = (text: string): Address => asAddress(hexToBytes(text.toLowerCase()))
