// Runs the model of consensus (consensus.qnt) in Quint's own simulator: its stories, random networks in which the invariants must hold,
// and models with a rule left out, in which they must not. SEED=<hex> repeats a run; SAMPLES scales it.
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../../node_modules/@informalsystems/quint/dist/src/cli.js', import.meta.url))
const spec = fileURLToPath(new URL('consensus.qnt', import.meta.url))
const seed = process.env.SEED ?? `0x${randomInt(2 ** 40).toString(16)}`
const scale = Number(process.env.SAMPLES ?? 1)
const INVARIANTS = ['agreement', 'onePreparedPerRound', 'noFraming', 'recordKnows', 'highNotAbove']

const quint = (...args: string[]): { readonly isOk: boolean; readonly said: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' })
  return { isOk: status === 0, said: stdout + stderr }
}
let passed = 0
let failed = 0
const report = (what: string, isRight: boolean, detail: string): void => {
  if (isRight) passed++
  else failed++
  console.log(`${isRight ? 'ok    ' : 'FAILED'} ${what}`)
  if (!isRight) console.log(detail)
}

const story = (main: string, match: string): void => {
  const { isOk, said } = quint('test', spec, `--main=${main}`, `--match=${match}`, '--backend=typescript')
  report(`${main}: stories ${match}`, isOk && /[1-9]\d* passing/.test(said), said)
}
const explore = (main: string, samples: number, steps: number) => {
  const count = Math.ceil(samples * scale)
  const size = [`--max-samples=${count}`, `--max-steps=${steps}`, `--seed=${seed}`]
  const witnesses = ['--witnesses', 'decides', 'decidesLate', 'repeatsPrepared']
  return {
    count,
    ...quint(
      'run',
      spec,
      `--main=${main}`,
      '--backend=typescript',
      ...size,
      '--invariants',
      ...INVARIANTS,
      ...witnesses,
    ),
  }
}
/** The invariants hold, and the networks were not idle: one in ten decides of four, one in thirty of seven. */
const holds = (main: string, samples: number, steps: number, decidedMin: number): void => {
  const { isOk, said, count } = explore(main, samples, steps)
  const decided = Number(/decides was witnessed in (\d+)/.exec(said)?.[1] ?? 0)
  report(`${main}: ${count} networks, ${decided} of them decide`, isOk && decided >= decidedMin, said)
}
const breaks = (main: string, samples: number, steps: number): void => {
  const { isOk, said } = explore(main, samples, steps)
  report(`${main}: found at fault`, !isOk && said.includes('Invariant violated'), said)
}

console.log(`SEED=${seed}`)
story('equal', 'Test$')
story('brokenMaximum', 'Broken$')
holds('equal', 600, 40, 1)
holds('weighted', 300, 40, 1)
holds('seven', 60, 60, 0)
breaks('brokenSteps', 2_000, 30)
breaks('brokenTimeout', 2_000, 30)
breaks('brokenRecord', 2_000, 30)
breaks('tooManyFaulty', 2_000, 30)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
