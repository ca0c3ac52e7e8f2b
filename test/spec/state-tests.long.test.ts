// Every official state test of Prague and Osaka, and the Cancun pack where it states those forks, file by file.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { conformanceDir, hasConformance, readCases, runCase } from '../kit/state-tests.ts'

const dir = join(conformanceDir, 'state-tests')
const files = hasConformance ? readdirSync(dir).filter((name) => name.endsWith('.jsonl.gz')) : []

// See state-tests.test.ts: creation onto storage without nonce and code.
const UNREACHABLE = /eip7610_create_collision/

describe.skipIf(!hasConformance)('official state tests (skipped where ../shared/conformance is not there)', () => {
  test.each(files)('%s', async (file) => {
    installCurves(nativeCurves)
    const failures: string[] = []
    for (const one of readCases(join(dir, file))) {
      if (UNREACHABLE.test(one.id)) continue
      const verdict = await runCase(one)
      if (verdict.is === 'failed') failures.push(`${one.id}: ${verdict.why}`)
    }
    expect(failures).toEqual([])
  })
})
