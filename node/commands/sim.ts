// sim: simulated networks with crashes, partitions and liars, one for each seed, replayable to the byte.
import { NodeError } from '../../chain/base/errors.ts'
import { type Command, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { runBatch } from '../sim/batch.ts'

const usage = 'sim [--seed <first>] [--runs <count>] | sim replay <seed>'
const RUNS = 200

export const sim: Command = {
  usage,
  summary: 'Run simulated networks with every fault: disagreement or a stall exits 1 with the seed.',
  options: { seed: 'first seed, default 1', runs: `how many seeds, default ${RUNS}` },
  async run({ args, flags, out }): Promise<ExitCode> {
    const [verb, text] = args
    if (verb !== undefined && verb !== 'replay')
      throw new NodeError(UsageErrors.ARGUMENT, { reason: `there is no verb ${verb}`, usage })
    const seed = whole(verb === 'replay' ? (text ?? '') : (flags.seed ?? '1'))
    const batch = runBatch(seed, verb === 'replay' ? 1 : whole(flags.runs ?? String(RUNS)))
    const faults = [...batch.violations, ...batch.stalled]
    const share = (100 * batch.firstRoundShare).toFixed(1)
    const line = `${batch.runs} networks, ${batch.heights} heights, ${faults.length} at fault; ${share} % of heights in the first honest round`
    out(batch, [...faults, line].join('\n'))
    return faults.length === 0 ? exitCode.ok : exitCode.failed
  },
}

const whole = (text: string): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new NodeError(UsageErrors.ARGUMENT, { reason: `${text === '' ? 'nothing' : text} is no whole number`, usage })
  return value
}
