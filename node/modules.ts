// The modules `staking`, `slashing`, `did` and `params` as a client of JSON-RPC sees them: calls and views, typed by their interfaces, and what a revert
// or a log of theirs says. Owns no key: who signs a call is `commands/send.ts`.
import { type Address, asHash, bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { abi as didAbi } from '../chain/native/did/abi.ts'
import { DID, PARAMS, SLASHING, STAKING } from '../chain/native/index.ts'
import {
  type Abi,
  type AbiEvent,
  decodeEvent,
  decodeNamed,
  encodeCall,
  type Named,
  type Positional,
  selectorOf,
} from '../chain/native/kit/abi.ts'
import { abi as paramsAbi } from '../chain/native/params/abi.ts'
import { abi as slashingAbi } from '../chain/native/slashing/abi.ts'
import { abi as stakingAbi } from '../chain/native/staking/abi.ts'
import { ClientErrors, request, requestAll } from '../rpc/client/http.ts'
import { type Refusals, refusals } from './refusals.ts'
import { type Shown, shown } from './screen.ts'

interface Module<A extends Abi> {
  readonly name: string
  readonly at: Address
  readonly abi: A
}
export const staking: Module<typeof stakingAbi> = { name: 'staking', at: STAKING, abi: stakingAbi }
export const slashing: Module<typeof slashingAbi> = { name: 'slashing', at: SLASHING, abi: slashingAbi }
export const params: Module<typeof paramsAbi> = { name: 'params', at: PARAMS, abi: paramsAbi }
export const did: Module<typeof didAbi> = { name: 'did', at: DID, abi: didAbi }

/**
 * What blocks change between the estimate and the transaction. Most in an epoch's last one, where whoever comes or goes is looked for
 * in two sets: a hundred thousand gas among a thousand validators.
 */
export const MODULE_SLACK_GAS = 300_000n

const ModuleErrors = defineErrors('MODULE', {
  /** `name` is the custom error's. */
  REFUSED: { text: (d: { name: string; text: string }) => d.text },
  /** What would stop the network: no second try makes it right. */
  UNSAFE: { text: (d: { name: string; text: string }) => d.text },
})

type FunctionOf<A extends Abi> = string & keyof A['functions']
type ArgsOf<A extends Abi, F extends FunctionOf<A>> = Positional<NonNullable<A['functions'][F]>['inputs']>
type ResultOf<A extends Abi, F extends FunctionOf<A>> = Named<NonNullable<A['functions'][F]>['outputs']>

/** What a transaction or an `eth_call` carries. */
export interface ModuleCall {
  readonly to: Address
  readonly input: Uint8Array
}
/** With what its answer means. */
interface Asked<T> extends ModuleCall {
  readonly decode: (output: Uint8Array) => T
}

/** A function of a module with its arguments: to be asked, or sent. */
export function callOf<A extends Abi, F extends FunctionOf<A>>(
  { at, abi }: Module<A>,
  name: F,
  args: ArgsOf<A, F>,
): Asked<ResultOf<A, F>> {
  const fn = abi.functions[name] as NonNullable<A['functions'][F]> // the type of `name` says that it is there
  return { to: at, input: encodeCall(fn, args as never), decode: (output) => decodeNamed(fn.outputs, output) as never }
}

const asRpc = ({ to, input }: ModuleCall) => ({ to: bytesToHex(to), input: bytesToHex(input) })
const tagOf = (height: number): string => `0x${height.toString(16)}`

/** The answer after block `height`. Throws CLIENT_*, MODULE_REFUSED, and ABI_DECODE where no module is there. */
export async function ask<T>(url: string, asked: Asked<T>, height: number): Promise<T> {
  const answer = await request(url, 'eth_call', [asRpc(asked), tagOf(height)]).catch(explain)
  return asked.decode(hexToBytes(String(answer)))
}
/** As many as one batch takes; all must answer. */
const BATCH_MAX = 500
export async function askAll<T>(url: string, asked: readonly Asked<T>[], height: number): Promise<T[]> {
  const found: T[] = []
  for (let from = 0; from < asked.length; from += BATCH_MAX) {
    const part = asked.slice(from, from + BATCH_MAX)
    const calls = part.map((each) => ({ method: 'eth_call', params: [asRpc(each), tagOf(height)] }))
    const answers = await requestAll(url, calls).catch(explain)
    for (const [i, each] of part.entries()) found.push(each.decode(hexToBytes(String(answers[i]))))
  }
  return found
}

const errorsBySelector = new Map(
  [stakingAbi, slashingAbi, didAbi, paramsAbi].flatMap(({ errors }) =>
    Object.entries(errors).map(([name, error]) => [error.selector as Hex, { name, error }] as const),
  ),
)
/** A custom error of a module, in words; null for any other output. */
function refusalOf(output: Uint8Array): { readonly name: string; readonly text: string } | null {
  const found = errorsBySelector.get(selectorOf(output) ?? '0x')
  if (found === undefined) return null
  const { name, error } = found
  const words = refusals[name as keyof Refusals] as (values: unknown) => string // decoded by the same entry
  return { name, text: words(decodeNamed(error.inputs, output.subarray(4))) }
}

/** Throws what was caught: a module's refusal in its own words, anything else as it is. */
export function explain(error: unknown): never {
  const output = outputOf(error)
  const refusal = output === null ? null : refusalOf(output)
  if (refusal === null) throw error
  throw new NodeError(refusal.name === 'LastQuorum' ? ModuleErrors.UNSAFE : ModuleErrors.REFUSED, refusal, {
    cause: error,
  })
}
const outputOf = (error: unknown): Uint8Array | null => {
  if (!(error instanceof NodeError) || error.code !== ClientErrors.ANSWER.code) return null
  const { output } = error.data as { readonly output?: Hex } // ANSWER's own data
  return output === undefined ? null : hexToBytes(output)
}

/** null where a module refuses so. */
export const unlessRefused = async <T>(name: keyof Refusals, answer: Promise<T>): Promise<T | null> =>
  answer.catch((error: unknown) => {
    if (error instanceof NodeError && error.code === ModuleErrors.REFUSED.code && nameOf(error) === name) return null
    throw error
  })
const nameOf = ({ data }: NodeError): string => (data as { readonly name: string }).name // REFUSED's own data

/** As JSON-RPC has it. */
interface RpcLog {
  readonly address: string
  readonly topics: readonly string[]
  readonly data: string
}
interface ModuleEvent {
  readonly event: string
  readonly [name: string]: Shown
}
/** What the modules logged, in order; others' logs are left out. */
export const eventsOf = (logs: readonly RpcLog[]): ModuleEvent[] =>
  logs.flatMap((log) => {
    const module = [staking, slashing, did, params].find(({ at }) => bytesToHex(at) === log.address.toLowerCase())
    if (module === undefined) return []
    const entries: readonly (readonly [string, AbiEvent])[] = Object.entries(module.abi.events)
    const found = entries.find(([, { topic }]) => topic === log.topics[0])
    if (found === undefined) return []
    const topics = log.topics.map((topic) => asHash(hexToBytes(topic)))
    const values = decodeEvent(found[1], { topics, data: hexToBytes(log.data) })
    return [{ event: found[0], ...Object.fromEntries(Object.entries(values).map(([name, v]) => [name, shown(v)])) }]
  })
