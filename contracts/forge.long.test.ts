// Foundry’s invariants on the vault and the batch inbox: forge calls them in random orders, with npm's solc in the place of a native compiler. `npm run test:foundry`.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { compilerIn, foundry } from '../test/kit/foundry.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'novachain-forge-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('no order of calls loses, doubles or unbacks anything', async () => {
  const { FUZZ_SEED, FUZZ_RUNS } = process.env
  const args = [
    'test',
    '--root',
    root,
    '--use',
    compilerIn(dir),
    ...(FUZZ_SEED === undefined ? [] : ['--fuzz-seed', FUZZ_SEED]),
  ]
  const env = {
    ...process.env,
    FOUNDRY_DISABLE_NIGHTLY_WARNING: '1',
    ...(FUZZ_RUNS && { FOUNDRY_INVARIANT_RUNS: FUZZ_RUNS }),
  }
  const { stdout } = await promisify(execFile)(foundry('forge'), args, { env, maxBuffer: 64 * 1024 * 1024 }).catch(
    (error) => error,
  )
  expect(stdout).toMatch(/5 tests passed, 0 failed/)
})
