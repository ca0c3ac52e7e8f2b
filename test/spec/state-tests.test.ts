// A seeded sample of the official state tests through our own rules, engine and journal; all of them: npm run test:vectors.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { conformanceDir, hasConformance, readCases, runCase } from '../kit/state-tests.ts'

const SAMPLE = 300
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const SLOW = /Call50000|Return50000|ContractCreationSpam|LoopCallsThenRevert/i

// The journal's Reader cannot say whether an account has storage at all: an account with storage and neither nonce nor code
// comes only from a genesis that makes one, so creation onto it (EIP-7610) is out of reach of transactions.
const UNREACHABLE = /eip7610_create_collision/

// Skipped where the conformance folder is not beside the checkout.
test.skipIf(!hasConformance)(
  `official state tests, ${SAMPLE} of them, SEED=${seed} (skipped where ../shared/conformance is not there)`,
  async () => {
    installCurves(nativeCurves)
    const dir = join(conformanceDir, 'state-tests')
    const files = readdirSync(dir).filter((name) => name.includes('osaka') || name.includes('prague'))
    const file = files[seed % files.length] ?? ''
    const cases = [...readCases(join(dir, file))].filter(({ id }) => !SLOW.test(id) && !UNREACHABLE.test(id))
    const stride = Math.max(1, Math.floor(cases.length / SAMPLE))
    const failures: string[] = []
    for (let i = seed % stride; i < cases.length; i += stride) {
      const chosen = cases[i]
      if (chosen === undefined) continue
      const verdict = await runCase(chosen)
      if (verdict.is === 'failed') failures.push(`${chosen.id}: ${verdict.why}`)
    }
    expect(failures).toEqual([])
  },
)
