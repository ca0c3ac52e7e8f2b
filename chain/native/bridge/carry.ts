// What becomes of the bridge in the next network: the contracts on the other chains know this one by its chain id and its validators, and will
// take nothing of the next. So positions begin at 0 and routes are closed; what is outstanding stays counted, for whoever moves what vaults hold.

import type { Address } from '../../base/bytes.ts'
import type { Ctx } from '../kit/module.ts'
import type { abi } from './abi.ts'
import type { layout } from './layout.ts'
import { homesOf } from './routes.ts'

type BridgeCtx = Ctx<typeof abi, typeof layout>
const COIN = new Uint8Array(20) as Address

export function leave(ctx: BridgeCtx): readonly string[] {
  const { store } = ctx
  const chains = Array.from({ length: store.chainIds.length() }, (_, i) => store.chainIds.item(i).get())
  return chains.map((chain) => {
    const place = store.chains.at(chain)
    const [sent, settled] = [place.sent.get(), place.settled.get()]
    for (let sequence = 1n; sequence <= sent; sequence++) store.links.at(chain).at(sequence).set(new Uint8Array(32))
    // A vault that lied may have numbered what it sent as it liked: what is settled is not looked for, but left behind.
    place.era.update((era) => era + 1n)
    place.sent.set(0n)
    place.settled.set(0n)
    const routes = [COIN, ...homesOf(ctx)]
      .map((token) => store.routes.at(chain).at(token))
      .filter((each) => each.known.get())
    const open = routes.filter((each) => each.open.get())
    for (const route of open) route.open.set(false)
    const outstanding = routes.reduce((sum, route) => sum + route.outstanding.get(), 0n)
    const done = `${sent} messages sent and ${settled} settled are forgotten, ${open.length} of ${routes.length} routes are closed`
    return `bridge: chain ${chain}: ${done}, ${outstanding} of their tokens stay outstanding`
  })
}
