// Rules of stakes, sets and penalties switched off one at a time, in the source: a network of whole nodes must show each.
import type { Story } from '../../node/sim/story.ts'
import type { Edit } from './mutants.ts'
import { change, exodus, sleeper, theft } from './stories.ts'

export interface StakesMutant {
  readonly name: string
  readonly story: () => Story
  readonly edits: readonly Edit[]
}

const VALIDATORS = 'chain/native/staking/validators.ts'
const PENALTIES = 'chain/native/staking/penalties.ts'
const EVIDENCE = 'chain/native/slashing/evidence.ts'
const DOWNTIME = 'chain/native/slashing/downtime.ts'
const UNABLE = 'if (!at.ready.get() || at.exited.get() || isSilent(at)) return 0n'

const edit = (file: string, from: string, to: string): Edit => ({ file, from, to })

export const STAKES: readonly StakesMutant[] = [
  {
    name: 'the jailed are elected',
    story: sleeper,
    edits: [edit(VALIDATORS, UNABLE, 'if (at.exited.get() || at.tombstoned.get()) return 0n')],
  },
  {
    name: 'the tombstoned are elected',
    story: theft,
    edits: [edit(VALIDATORS, UNABLE, 'if (!at.ready.get() || at.exited.get()) return 0n')],
  },
  {
    name: 'one offender is slashed twice',
    story: theft,
    edits: [
      edit(
        EVIDENCE,
        "if (offence !== 'E5') return hasPaid(status, epochIn(ctx, height))",
        "if (offence !== 'E5') return false",
      ),
      edit(EVIDENCE, 'if (statusOf(held, operator)?.tombstoned === true) {', 'if (offenceEpoch < 0) {'),
      edit(PENALTIES, "assert(!at.tombstoned.get(), 'a validator is tombstoned once')", ''),
    ],
  },
  {
    name: 'the last quorum may leave',
    story: exodus,
    edits: [edit(VALIDATORS, 'if (!isQuorum(remaining, { powerTotal: total }))', 'if (remaining < 0n)')],
  },
  {
    name: "the parent's certificate is judged by the new set",
    story: change,
    edits: [edit('chain/chain.ts', 'checkQc(qc, this.#sets.of(qc.height)', 'checkQc(qc, this.#sets.of(qc.height + 1)')],
  },
  {
    name: 'a set has one more than it may',
    story: change,
    edits: [
      edit(
        'chain/native/staking/election.ts',
        "Number(param(ctx, 'staking.maxValidators'))",
        "1 + Number(param(ctx, 'staking.maxValidators'))",
      ),
    ],
  },
  {
    name: 'who comes back from jail need not be in step',
    story: sleeper,
    edits: [edit(PENALTIES, 'validator.at.ready.set(false)', '')],
  },
  {
    name: 'the last block of an epoch elects the next set',
    story: change,
    edits: [
      edit(
        'chain/native/staking/module.ts',
        'if (isEpochEnd(ctx.block.number, epochBlocks)) payOut(ctx)\n      else if (isEpochEnd(ctx.block.number + 1, epochBlocks)) elect(ctx)',
        'if (isEpochEnd(ctx.block.number, epochBlocks)) {\n        elect(ctx)\n        payOut(ctx)\n      }',
      ),
    ],
  },
  {
    name: 'what is slashed is not burnt',
    story: sleeper,
    edits: [edit('chain/native/staking/book.ts', '  ctx.burn(wei)\n', '')],
  },
  {
    name: 'rewards are minted and not accounted for',
    story: change,
    edits: [edit('chain/native/staking/rewards.ts', 'amount.update((sum) => sum + wei)', '')],
  },
  {
    name: 'whoever is awake is jailed',
    story: change,
    edits: [
      edit(DOWNTIME, 'const absent = ~pairAt(signed, first / 8) &', 'const absent = pairAt(signed, first / 8) &'),
    ],
  },
  {
    name: 'nobody is jailed who sleeps',
    story: sleeper,
    edits: [edit(DOWNTIME, 'if (over.length > 0) punish(ctx, over)', '')],
  },
  {
    name: 'nobody reports',
    story: theft,
    edits: [edit('node/reporter.ts', 'if (this.#done.has(id) ||', 'if (!this.#done.has(id) ||')],
  },
]
