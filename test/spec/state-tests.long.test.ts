// Every official state test of Prague and Osaka, on both engines, and on the fast one as it runs decoded code.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { conformanceDir, hasConformance, readCases, runCase } from '../kit/state-tests.ts'

installCurves(nativeCurves)

const FILES = ['osaka-static', 'osaka-new', 'prague-static', 'prague-new'] as const
const each = (['reference', 'fast', 'decoded'] as const).flatMap((engine) =>
  FILES.map((name) => [name, engine] as const),
)
// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance).for(each)('all of %s on the %s engine', async ([name, engine]) => {
  const failures: string[] = []
  const skipped: Record<string, number> = {}
  let passed = 0
  for (const one of readCases(join(conformanceDir, 'state-tests', `eest-v5.4.0-${name}.jsonl.gz`))) {
    const verdict = await runCase(engine, one)
    if (verdict.is === 'passed') passed++
    else if (verdict.is === 'skipped') skipped[verdict.why] = (skipped[verdict.why] ?? 0) + 1
    else failures.push(`${one.id}: ${verdict.why}`)
  }
  console.info(name, engine, { passed, failed: failures.length, skipped })
  expect(failures).toEqual([])
  expect(passed).toBeGreaterThan(1_000)
})
