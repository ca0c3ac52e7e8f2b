// What of slashing goes on in the next network: until when who is jailed stays so. Blocks that were missed, and TIMEOUTs that were punished, are
// of heights that are no more, and no signature of the network before counts in the next.
import { leastIntervalMs } from '../../types/block.ts'
import type { Genesis } from '../../types/genesis.ts'
import type { Left } from '../kit/carry.ts'
import { openStore } from '../kit/slots.ts'
import { staking } from '../staking/module.ts'
import { validatorAt } from '../staking/validators.ts'
import type { SlashingCtx } from './downtime.ts'
import { layout } from './layout.ts'

export function leave(ctx: SlashingCtx, { words, epochBlocks, intervalMs }: Left): readonly string[] {
  const { store } = ctx
  const before = openStore(layout, words(ctx.at))
  const bonded = ctx.within(staking).store
  let jailed = 0
  for (let index = 0, count = bonded.validators.length(); index < count; index++) {
    const { operator } = validatorAt(bonded, index)
    const until = before.operators.at(operator).jailedUntil.get()
    if (until === 0n) continue
    store.operators.at(operator).jailedUntil.set(until)
    jailed++
  }
  store.rules.intervalMs.set(BigInt(intervalMs))
  store.rules.epochBlocks.set(BigInt(epochBlocks))
  return [
    `slashing: ${jailed} validators may come back at the same seconds as before; missed blocks are counted anew, and evidence of this network is worth nothing in the next`,
  ]
}

export function check(
  { store: { rules } }: Pick<SlashingCtx, 'store'>,
  { epochBlocks, blockTimeMs }: Pick<Genesis, 'epochBlocks' | 'blockTimeMs'>,
  refuse: (path: string, reason: string) => never,
): void {
  if (rules.epochBlocks.get() !== BigInt(epochBlocks))
    refuse('novachain.epochBlocks', `${epochBlocks}, and the state of slashing was made for ${rules.epochBlocks.get()}`)
  if (rules.intervalMs.get() !== BigInt(leastIntervalMs(blockTimeMs)))
    refuse('novachain.blockTimeMs', `${blockTimeMs}, and the state of slashing was made for another`)
}
