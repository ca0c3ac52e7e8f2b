// nova_rollup and nova_postBatch: the node's poster, shown and hurried. What it does is the node's own.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type Ctx, defineMethod } from '../method.ts'

const RollupRpcErrors = defineErrors('ROLLUP', {
  OFF: { text: () => 'this node posts no batches: set rollup.mode, rollup.settlement and rollup.posterKeyFile' },
})

const rollupOf = ({ rollup }: Ctx): NonNullable<Ctx['rollup']> => {
  if (rollup === null) throw new NodeError(RollupRpcErrors.OFF, undefined)
  return rollup
}

export const rollupMethods = [
  defineMethod('nova_rollup', {
    summary:
      'The node’s poster: what it waits for, what the settlement contract holds at latest and finalized, the batch under way, and the last one that it brought through.',
    access: 'local',
    params: [],
    run: (ctx) => rollupOf(ctx).status(),
  }),
  defineMethod('nova_postBatch', {
    summary: 'Has the poster post what waits now, without waiting for size, age or its turn.',
    access: 'local',
    params: [],
    run(ctx) {
      rollupOf(ctx).hurry()
      return true
    },
  }),
] as const
