// Every official state test of Prague and Osaka.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { conformanceDir, hasConformance, readCases, runCase } from '../kit/state-tests.ts'

installCurves(nativeCurves)

// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance).for(['osaka-static', 'osaka-new', 'prague-static', 'prague-new'])(
  'all of %s',
  async (name) => {
    const failures: string[] = []
    const skipped: Record<string, number> = {}
    let passed = 0
    for (const each of readCases(join(conformanceDir, 'state-tests', `eest-v5.4.0-${name}.jsonl.gz`))) {
      const verdict = await runCase(each)
      if (verdict.is === 'passed') passed++
      else if (verdict.is === 'skipped') skipped[verdict.why] = (skipped[verdict.why] ?? 0) + 1
      else failures.push(`${each.id}: ${verdict.why}`)
    }
    console.info(name, { passed, failed: failures.length, skipped })
    expect(failures).toEqual([])
    expect(passed).toBeGreaterThan(1_000)
  },
)
