// sim: simulated networks with crashes, partitions and liars, one for each seed, replayable to the byte.
import { readFile } from 'node:fs/promises'
import { NodeError } from '../../chain/base/errors.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { replay, replayWhole, runBatch, runWholeBatch, runWideBatch, WIDE_ABOVE } from '../sim/batch.ts'
import { flagsOf } from '../sim/run.ts'
import { parseScenario, type Scenario, scenarioOf, type Wishes } from '../sim/scenario.ts'

const usage = 'sim [whole] [--seed <first>] [--runs <count>] | sim replay <seed> | sim replay --scenario <json or file>'
const RUNS = 200
const FAULTS = ['none', 'network', 'crash', 'all'] as const

export const sim: Command = {
  usage,
  summary:
    'Run simulated networks with every fault: disagreement or a stall exits 1 with the command that shows it again. ' +
    'With --byzantine at a third of the validators or more, disagreement must name the guilty instead. ' +
    '`sim whole` runs whole nodes in virtual time, with their real engines, signers, logs, chains and sync; in one of eight ' +
    'networks validators join, leave, sleep, change keys and lie, and stakes, penalties and sets must add up.',
  argsMax: 2,
  options: {
    seed: 'first seed, default 1',
    runs: `how many seeds, default ${RUNS}`,
    validators: `how many in each network, default 4 to 7 by seed; above ${WIDE_ABOVE} honest ones over a wide area, which lose 1 %`,
    heights: 'to be decided after the disturbance, default 2 to 4 by seed',
    byzantine: 'how many of the validators lie, default by seed and below a third',
    faults: 'none|network|crash|all, default all: what happens besides; liars by default only with all',
    scenario: 'for replay: a scenario as JSON, or a file that holds one',
  },
  async run(context): Promise<ExitCode> {
    const { args, flags, signal, out } = context
    const wishes = wishesOf(flags)
    const [verb, text] = args
    if (verb === 'replay') return tell(await scenarioFrom(text, wishes, flags), context)
    if (verb !== undefined && verb !== 'whole') throw refusal(`there is no verb ${verb}`)
    const [seed, runs] = [whole(flags.seed ?? '1', SEED_MAX), whole(flags.runs ?? String(RUNS), RUNS_MAX)]
    if (runs === 0) throw refusal('no run shows nothing: --runs is at least 1')
    if (verb === 'whole') return wholeNodes(context, seed, runs)
    const { validators = 4, heights = 20, byzantine } = wishes
    const isWide = validators > WIDE_ABOVE
    if (isWide && (byzantine ?? 0) > 0) throw refusal(`liars are simulated among up to ${WIDE_ABOVE} validators`)
    const batch = isWide
      ? await runWideBatch(seed, runs, { validators, heights }, signal)
      : await runBatch(seed, runs, wishes, signal)
    const faults = [...batch.violations, ...batch.stalled]
    const share = (100 * batch.firstRoundShare).toFixed(1)
    const round = isWide ? 'round 0' : 'the first honest round'
    const line = `${batch.runs} networks, ${batch.heights} heights, ${faults.length} at fault; ${share} % of heights in ${round}`
    out(batch, [...faults, line].join('\n'))
    return faults.length === 0 ? exitCode.ok : exitCode.failed
  },
}

const SEED_MAX = 0xffff_ffff
const RUNS_MAX = 10_000_000
/** More than this is `npm run sim:1247`. */
const VALIDATORS_MAX = 500
const HEIGHTS_MAX = 1_000

/** Of one seed, what its processes logged. */
const wholeNodes = async ({ flags, out, signal }: CommandContext, seed: number, runs: number): Promise<ExitCode> => {
  const other = Object.keys(flags).find((name) => flags[name] !== undefined && name !== 'seed' && name !== 'runs')
  if (other !== undefined) throw refusal(`whole nodes are simulated by seed alone, without --${other}`)
  if (runs === 1) {
    const { story, fault } = await replayWhole(seed)
    out({ fault, story }, [...story, fault ?? 'nothing is wrong'].join('\n'))
    return fault === null ? exitCode.ok : exitCode.failed
  }
  const batch = await runWholeBatch(seed, runs, signal)
  const faults = [...batch.violations, ...batch.stalled]
  const line = `${batch.runs} networks of whole nodes, ${batch.heights} heights, ${faults.length} at fault`
  out(batch, [...faults, line].join('\n'))
  return faults.length === 0 ? exitCode.ok : exitCode.failed
}

const tell = (scenario: Scenario, { out }: CommandContext): ExitCode => {
  const { story, outcome } = replay(scenario)
  const { fault, heights, events, trace } = outcome
  const end = `${fault ?? 'nothing is wrong'}; ${heights} heights, ${events} events, trace ${(trace >>> 0).toString(16)}`
  out({ fault, heights, events, trace: trace >>> 0, story }, [...story, end].join('\n'))
  return fault === null ? exitCode.ok : exitCode.failed
}

const scenarioFrom = async (
  seed: string | undefined,
  wishes: Wishes,
  flags: CommandContext['flags'],
): Promise<Scenario> => {
  const { scenario } = flags
  if (scenario === undefined) return scenarioOf(whole(seed ?? '', SEED_MAX, 'the seed to replay'), wishes)
  if (seed !== undefined || flagsOf(wishes).length > 0)
    throw refusal('a scenario is given whole, without a seed or other flags')
  const isJson = scenario.trimStart().startsWith('{')
  const text = isJson
    ? scenario
    : await readFile(scenario, 'utf8').catch(() => {
        throw refusal(`${scenario} is neither JSON nor a file that can be read`)
      })
  const parsed = parseScenario(text)
  if (typeof parsed === 'string') throw refusal(`the scenario ${parsed}`)
  return parsed
}

const wishesOf = (flags: CommandContext['flags']): Wishes => {
  const faults = FAULTS.find((name) => name === (flags.faults ?? 'all'))
  if (faults === undefined) throw refusal(`faults are ${FAULTS.join(', ')}, not ${flags.faults}`)
  const numbers = (['validators', 'heights', 'byzantine'] as const).flatMap((name) => {
    const text = flags[name]
    return text === undefined ? [] : [[name, whole(text, name === 'heights' ? HEIGHTS_MAX : VALIDATORS_MAX)] as const]
  })
  const wishes: Wishes = { faults, ...Object.fromEntries(numbers) }
  const { validators, byzantine } = wishes
  if (validators === 0 || wishes.heights === 0) throw refusal('a network has validators, and heights to decide')
  if (byzantine !== undefined && byzantine >= (validators ?? 4))
    throw refusal(`of ${validators ?? 4} validators not all may lie`)
  return wishes
}

const refusal = (reason: string) => new NodeError(UsageErrors.ARGUMENT, { reason, usage })
/** `what` is named where it is not there. */
const whole = (text: string, max: number, what = 'a number'): number => {
  if (text === '') throw refusal(`${what} is missing`)
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max) throw refusal(`${text} is no whole number up to ${max}`)
  return value
}
