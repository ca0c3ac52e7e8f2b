// Runs mutants of the rules of consensus and of stakes in this process, each in its own copy of the modules, and prints one JSON line for each:
// which seed caught it and by what. Arguments: how many seeds at most for each, then names (or all).
import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Outcome } from '../../node/sim/run.ts'
import type { Scenario } from '../../node/sim/scenario.ts'
import { BROKEN, CONTROLS, LEFT_OUT, type Mutant, SLOWER } from './mutants.ts'
import { STAKES, type StakesMutant } from './stakes-mutants.ts'

const root = new URL('../../', import.meta.url).href
const [budgetText, ...names] = process.argv.slice(2)
const budget = Number(budgetText ?? 300)
const all: readonly (Mutant | StakesMutant)[] = [...BROKEN, ...LEFT_OUT, ...SLOWER, ...CONTROLS, ...STAKES]
/** All of them, or one that the others leave behind. */
const STANDS_STILL = /^stalled|after another decided it/
const used = new Map<string, Set<string>>()

const isOurs = (url: string): boolean => url.startsWith(root) && !url.includes('/node_modules/')
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const mark = /\?mutant=\d+$/.exec(context.parentURL ?? '')?.[0]
    return mark === undefined || !isOurs(found.url) ? found : { ...found, url: `${found.url}${mark}` }
  },
  load(url, context, next) {
    const [plain, index] = url.split('?mutant=')
    const found = next(url, context)
    const mutant = index === undefined ? undefined : all[Number(index)]
    if (mutant === undefined || plain === undefined) return found
    const file = plain.slice(root.length)
    let source = readFileSync(fileURLToPath(plain), 'utf8')
    for (const { file: edited, from, to } of mutant.edits) {
      if (edited !== file) continue
      const count = source.split(from).length - 1
      if (count !== 1) throw new TypeError(`${mutant.name}: ${file} holds ${count} times: ${from}`)
      source = source.replace(from, () => to)
      used.set(mutant.name, (used.get(mutant.name) ?? new Set()).add(from))
    }
    return { ...found, source }
  },
})

const checkUsed = ({ name, edits }: Mutant | StakesMutant): void => {
  if ((used.get(name)?.size ?? 0) !== edits.length) throw new TypeError(`${name}: a file is not loaded`)
}
const loader = (mutant: Mutant | StakesMutant) => (path: string) =>
  import(`${pathToFileURL(fileURLToPath(root)).href}${path}?mutant=${all.indexOf(mutant)}`)

const trialOfStakes = async (mutant: StakesMutant): Promise<object> => {
  const { runWhole } = await loader(mutant)('node/sim/whole.ts')
  checkUsed(mutant)
  const { fault } = await runWhole(mutant.story())
  return { name: mutant.name, seed: 0, by: fault }
}

const trial = async (mutant: Mutant): Promise<object> => {
  const load = loader(mutant)
  const { replay } = await load('node/sim/batch.ts')
  const { scenarioOf } = await load('node/sim/scenario.ts')
  checkUsed(mutant)
  const rounds = { first: 0, all: 0 }
  const max = mutant.must === 'slow' ? Math.min(budget, 40) : budget
  for (let seed = mutant.seed; seed < mutant.seed + max; seed++) {
    const scenario: Scenario = scenarioOf(seed, mutant.wishes)
    try {
      const { fault, honestRounds }: Outcome = replay(mutant.focus?.(scenario) ?? scenario).outcome
      for (const [round, times] of honestRounds) {
        rounds.all += times
        if (round === 0) rounds.first += times
      }
      if (fault !== null && (mutant.must !== 'stall' || STANDS_STILL.test(fault)))
        return { name: mutant.name, seed, by: fault }
    } catch (error) {
      return { name: mutant.name, seed, by: `thrown: ${String(error)}` }
    }
  }
  const share = (100 * rounds.first) / rounds.all
  const by =
    mutant.must === 'slow' && share < 97 ? `only ${share.toFixed(1)} % of heights in the first honest round` : null
  return { name: mutant.name, seed: null, by }
}

if (!existsSync(fileURLToPath(`${root}chain/consensus/core.ts`))) throw new TypeError(`no sources under ${root}`)
const isExact = (name: string): boolean => all.some((mutant) => mutant.name === name)
const isWanted = ({ name }: Mutant | StakesMutant): boolean =>
  names.length === 0 || names.some((wanted) => (isExact(wanted) ? name === wanted : name.includes(wanted)))
for (const mutant of all) {
  if (!isWanted(mutant)) continue
  const found = 'story' in mutant ? await trialOfStakes(mutant) : await trial(mutant)
  process.stdout.write(`${JSON.stringify(found)}\n`)
}
