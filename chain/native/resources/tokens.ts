// The resource tokens as the registry knows them: which there are, what one of each stands for, and what it costs.
import { type Address, equalBytes } from '../../base/bytes.ts'
import { mulDivUp } from '../../base/math.ts'
import { params } from '../params/module.ts'
import type { TokenCtx } from '../token/layout.ts'
import { WORD_MAX } from '../token/ledger.ts'
import { cpu, mem, net, sto } from '../token/module.ts'
import { capOf, supplyOf } from '../token/office.ts'
import type { ResourcesCall } from './layout.ts'

const TOKENS = [
  { module: cpu, unit: 'vCPU-hour', price: 'resources.cpuPrice' },
  { module: mem, unit: 'GB-hour', price: 'resources.memPrice' },
  { module: sto, unit: 'TB-hour', price: 'resources.stoPrice' },
  { module: net, unit: 'GB transferred', price: 'resources.netPrice' },
] as const

const ONE = 10n ** 18n

/** A number of governance. */
export const param = (call: ResourcesCall, name: string): bigint => call.read(params, 'get', [name])

const rowOf = (call: ResourcesCall, token: Address) =>
  TOKENS.find(({ module }) => equalBytes(call.within(module).at, token)) ?? call.revert('UnknownToken', { token })

/** The token's own book. */
export const tokenAt = (call: ResourcesCall, token: Address): TokenCtx => call.within(rowOf(call, token).module)

/** Wei for so much of a token at `dollars` / 10^18 for one whole: rounded up. */
const weiOf = (call: ResourcesCall, dollars: bigint, amount: bigint): bigint => {
  const wei = mulDivUp(amount * dollars, param(call, 'resources.novaPerDollar'), ONE * ONE)
  return wei > WORD_MAX ? call.overflow() : wei
}
export const quote = (call: ResourcesCall, token: Address, amount: bigint): bigint =>
  weiOf(call, param(call, rowOf(call, token).price), amount)

export const tokensOf = (call: ResourcesCall) =>
  TOKENS.map(({ module, unit, price }) => {
    const ctx = call.within(module)
    const dollars = param(call, price)
    return {
      ...{ token: ctx.at, symbol: call.read(module, 'symbol', []), unit },
      ...{ totalSupply: supplyOf(ctx), cap: capOf(ctx), dollars, price: weiOf(call, dollars, ONE) },
    }
  })
