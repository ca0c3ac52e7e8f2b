// A seeded sample of the official state tests, on both engines; `npm run test:vectors` runs them all.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { conformanceDir, hasConformance, readCases, runCase } from '../kit/state-tests.ts'

installCurves(nativeCurves)
const committed = fileURLToPath(new URL('../fixtures/state-tests-sample.jsonl.gz', import.meta.url))
const SAMPLE = 80

const run = async (file: string, pick: (i: number) => boolean): Promise<{ passed: number; failures: string[] }> => {
  const failures: string[] = []
  let passed = 0
  let i = 0
  for (const each of readCases(file)) {
    if (!pick(i++)) continue
    for (const engine of ['reference', 'fast', 'decoded'] as const) {
      const verdict = await runCase(engine, each)
      if (verdict.is === 'failed') failures.push(`${each.id} on the ${engine} engine: ${verdict.why}`)
      if (verdict.is === 'passed') passed++
    }
  }
  return { passed, failures }
}

// Source: ethereum/execution-spec-tests v5.4.0, every 250th case of its Osaka state tests.
test('the committed sample of official state tests', async () => {
  const { passed, failures } = await run(committed, () => true)
  expect(failures).toEqual([])
  expect(passed).toBeGreaterThan(60)
})

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance).for(['osaka-static', 'osaka-new', 'prague-static', 'prague-new'])(
  `a sample of %s, SEED=${seed}`,
  async (name) => {
    const stride = Math.floor(2_600 / SAMPLE)
    const file = join(conformanceDir, 'state-tests', `eest-v5.4.0-${name}.jsonl.gz`)
    const { passed, failures } = await run(file, (i) => i % stride === seed % stride && i < stride * SAMPLE)
    expect(failures).toEqual([])
    expect(passed).toBeGreaterThan(SAMPLE)
  },
)
