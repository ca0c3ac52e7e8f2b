// How the numbers, forks and lists of one network become those of the next: what waits for an epoch waits for as many as it had to go.
import type { Genesis } from '../../types/genesis.ts'
import type { Left } from '../kit/carry.ts'
import type { Ctx } from '../kit/module.ts'
import type { abi } from './abi.ts'
import type { layout } from './layout.ts'
import { values } from './values.ts'

type ParamsCtx = Ctx<typeof abi, typeof layout>

export function leave({ store }: Pick<ParamsCtx, 'store'>, { epoch }: Left): readonly string[] {
  const now = BigInt(epoch)
  let waiting = 0
  for (const name of Object.keys(values)) {
    const { current, next, fromEpoch } = store.values.at(name)
    const from = fromEpoch.get()
    if (from === 0n) continue
    if (from > now) {
      fromEpoch.set(from - now)
      waiting++
      continue
    }
    current.set(next.get())
    next.set(0n)
    fromEpoch.set(0n)
  }
  let ahead = 0
  for (let i = 0n, count = store.rules.forkCount.get(); i < count; i++) {
    const at = store.forks.at(i).epoch
    if (at.get() > now) ahead++
    at.update((from) => (from > now ? from - now : 0n))
  }
  return [`params: ${waiting} numbers and ${ahead} forks that wait come after as many epochs as they had to go`]
}

export function check(
  { store }: Pick<ParamsCtx, 'store'>,
  { epochBlocks }: Pick<Genesis, 'epochBlocks'>,
  refuse: (path: string, reason: string) => never,
): void {
  const had = store.epochBlocks.get()
  if (had !== BigInt(epochBlocks))
    refuse('novachain.epochBlocks', `${epochBlocks}, and the state of params was made for ${had}`)
  if (store.governance.get().every((byte) => byte === 0)) refuse('', 'nobody governs in the state of params')
}
