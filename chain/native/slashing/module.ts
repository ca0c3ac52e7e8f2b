// The module `slashing`: its functions, what it does in blocks, and its first state.
import { z } from 'zod'
import { leastIntervalMs } from '../../types/block.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { staking } from '../staking/module.ts'
import { release, statusOf } from '../staking/penalties.ts'
import { abi } from './abi.ts'
import { check, leave } from './carry.ts'
import { onBlock } from './downtime.ts'
import { epochIn, hasPaid, submit, timeoutsAt } from './evidence.ts'
import { layout } from './layout.ts'

const handlers: Handlers<typeof abi, typeof layout> = {
  submitEvidence: { gas: 5_000, run: (call, [evidence]) => submit(call, evidence) },
  unjail: {
    gas: 1_000,
    run(call) {
      const operator = call.caller
      const held = call.within(staking)
      const status = statusOf(held, operator) ?? call.revert('NotValidator', { operator })
      if (status.tombstoned) call.revert('Tombstoned', { operator })
      if (!status.jailed) call.revert('NotJailed', { operator })
      const { jailedUntil } = call.store.operators.at(operator)
      const until = jailedUntil.get()
      if (until > BigInt(call.block.time)) call.revert('StillJailed', { operator, until })
      jailedUntil.set(0n)
      release(held, operator)
      call.emit('Unjailed', { operator })
    },
  },
  signingInfo: {
    gas: 500,
    run(call, [operator]) {
      const { store } = call
      const { seat, since, jailedUntil } = store.operators.at(operator)
      const status = statusOf(call.within(staking), operator)
      const place = Number(seat.get())
      const from = since.get()
      const start = store.rules.since.get()
      return {
        missed: place === 0 ? 0n : store.missed.item(place - 1).get(),
        since: place === 0 || from > start ? from : start,
        jailedUntil: status?.jailed === true ? jailedUntil.get() : 0n,
        jailed: status?.jailed === true,
        tombstoned: status?.tombstoned === true,
      }
    },
  },
  isPunished: {
    gas: 500,
    run(call, [operator, height, round]) {
      const status = statusOf(call.within(staking), operator)
      if (status !== null && hasPaid(status, epochIn(call, Number(height)))) return true
      return round < 2n ** 32n && timeoutsAt(call, operator, height, round).get()
    },
  },
  window: {
    gas: 200,
    run({ store: { rules } }) {
      return { blocks: rules.window.get(), since: rules.since.get(), missedMax: rules.missedMax.get() }
    },
  },
}

export const slashing = defineModule({
  name: 'slashing',
  abi,
  layout,
  handlers,
  hooks: { begin: onBlock },
  genesis: {
    schema: z.strictObject({}).default({}),
    seed({ store }, _, genesis) {
      store.rules.intervalMs.set(BigInt(leastIntervalMs(genesis.blockTimeMs)))
      store.rules.epochBlocks.set(BigInt(genesis.epochBlocks))
    },
  },
  carry: { isFresh: true, leave, check },
})
