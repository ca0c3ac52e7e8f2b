// The module `resources`: governance says who mints resource tokens and how much there may be, anybody stakes them. Owns who may do which. What its
// rewards are paid from is what this address holds: a genesis funds them by a balance of each token.
import { z } from 'zod'
import { equalBytes } from '../../base/bytes.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { params } from '../params/module.ts'
import { capOf, isMinter, setCap, setMinter, supplyOf } from '../token/office.ts'
import { abi } from './abi.ts'
import { layout, type ResourcesCall } from './layout.ts'
import { claim, fund, poolOf, rewardOf, stake, stakeCount, stakeOf, stakesOf, unstake } from './stakes.ts'
import { param, quote, tokenAt, tokensOf } from './tokens.ts'

const onlyGovernance = (call: ResourcesCall): void => {
  const { caller } = call
  if (!equalBytes(caller, call.read(params, 'governance', []))) call.revert('NotGovernance', { caller })
}

const handlers: Handlers<typeof abi, typeof layout> = {
  tokens: { gas: 2_000, run: tokensOf },
  quote: { gas: 500, run: (call, [token, amount]) => quote(call, token, amount) },
  isMinter: { gas: 300, run: (call, [token, account]) => isMinter(tokenAt(call, token), account) },
  grantMinter: {
    gas: 500,
    run(call, [token, account]) {
      onlyGovernance(call)
      if (setMinter(tokenAt(call, token), account, true)) call.emit('MinterGranted', { token, account })
    },
  },
  revokeMinter: {
    gas: 500,
    run(call, [token, account]) {
      onlyGovernance(call)
      if (setMinter(tokenAt(call, token), account, false)) call.emit('MinterRevoked', { token, account })
    },
  },
  setCap: {
    gas: 500,
    run(call, [token, cap]) {
      onlyGovernance(call)
      const book = tokenAt(call, token)
      const [supply, oldCap] = [supplyOf(book), capOf(book)]
      if (cap < supply) call.revert('CapBelowSupply', { given: cap, supply })
      setCap(book, cap)
      call.emit('CapChanged', { token, oldCap, newCap: cap })
    },
  },
  parameters: {
    gas: 500,
    run: (call) => ({
      rewardRate: param(call, 'resources.rewardRate'),
      maxDuration: param(call, 'resources.maxDuration'),
    }),
  },
  rewardOf: { gas: 300, run: (call, [amount, duration]) => rewardOf(call, amount, duration) },
  poolOf: { gas: 500, run: (call, [token]) => poolOf(call, tokenAt(call, token)) },
  fund: { gas: 500, run: (call, [token, amount]) => fund(call, token, amount) },
  stake: { gas: 2_000, run: (call, [token, amount, duration]) => stake(call, token, amount, duration) },
  claim: { gas: 1_000, unpausable: true, run: (call, [id]) => claim(call, id) },
  unstake: { gas: 1_000, unpausable: true, run: (call, [id]) => unstake(call, id) },
  stakeOf: { gas: 500, run: (call, [owner, id]) => stakeOf(call, owner, id) },
  stakeCount: { gas: 200, run: (call, [owner]) => stakeCount(call, owner) },
  stakes: { gas: 1_000, run: (call, [owner, from, count]) => stakesOf(call, owner, from, count) },
}

export const resources = defineModule({
  ...{ name: 'resources', abi, layout, handlers },
  genesis: { schema: z.strictObject({}).prefault({}), seed: () => {} },
})
