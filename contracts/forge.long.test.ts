// Foundry's invariants on the vault: forge calls it in random orders, with npm's solc in the place of a native compiler. `npm run test:forge`.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const ARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
const forge = createRequire(import.meta.url).resolve(
  `@foundry-rs/forge-${process.platform}-${ARCH[process.arch] ?? process.arch}/bin/forge`,
)
const dir = mkdtempSync(join(tmpdir(), 'novachain-forge-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('no order of calls loses, doubles or unbacks anything', async () => {
  const compiler = join(dir, 'solc-0.8.37')
  writeFileSync(compiler, `#!/bin/sh\nexec '${process.execPath}' '${root}test/kit/solc.ts' "$@"\n`, { mode: 0o755 })
  const { FUZZ_SEED, FUZZ_RUNS } = process.env
  const args = [
    'test',
    '--root',
    root,
    '--use',
    compiler,
    ...(FUZZ_SEED === undefined ? [] : ['--fuzz-seed', FUZZ_SEED]),
  ]
  const env = {
    ...process.env,
    FOUNDRY_DISABLE_NIGHTLY_WARNING: '1',
    ...(FUZZ_RUNS && { FOUNDRY_INVARIANT_RUNS: FUZZ_RUNS }),
  }
  const { stdout } = await promisify(execFile)(forge, args, { env, maxBuffer: 64 * 1024 * 1024 }).catch(
    (error) => error,
  )
  expect(stdout).toMatch(/2 tests passed, 0 failed/)
})
