// The package as npm hands it out: built, without sources, among its dependencies. Its command runs, and what it exports can be imported.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'novachain-package-'))
const modules = join(dir, 'node_modules')

beforeAll(async () => {
  mkdirSync(modules)
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: root, maxBuffer: 2 ** 26 })
  const name = /"filename": "([^"]+\.tgz)"/.exec(stdout)?.[1] ?? ''
  await run('tar', ['-xzf', join(dir, name), '-C', modules])
  await run('mv', [join(modules, 'package'), join(modules, 'novachain')])
  const installed = join(root, 'node_modules')
  for (const entry of readdirSync(installed)) symlinkSync(join(installed, entry), join(modules, entry))
})
afterAll(() => rmSync(dir, { recursive: true }))

test('the command answers', async () => {
  const { stdout } = await run(process.execPath, [join(modules, 'novachain/dist/node/main.js'), 'version', '--json'])
  expect(JSON.parse(stdout)).toHaveProperty('version')
})

test('novachain/testing gives a network of four, novachain/light a light client, novachain/credentials its parts', async () => {
  const script = join(dir, 'script.mjs')
  writeFileSync(
    script,
    `import { startTestNetwork } from 'novachain/testing'
     import * as light from 'novachain/light'
     import { getResolver } from 'novachain/did'
     import { createCredentials } from 'novachain/credentials'
     import { signingKey } from 'novachain/credentials/keys'
     const net = await startTestNetwork({ validators: 4, blockTimeMs: 100 })
     await net.reached(2)
     const parts = [typeof createCredentials, typeof signingKey]
     const name = 'did:novacron:polygon:0x' + 'ab'.repeat(20)
     const { didDocument } = await getResolver(net.rpc[0]).novacron(name, {}, null, {})
     console.log(JSON.stringify({ validators: net.rpc.length, light: Object.keys(light).length > 0, credentials: parts, did: didDocument.id === name }))
     await net.close()`,
  )
  const { stdout } = await run(process.execPath, [script])
  expect(JSON.parse(stdout)).toEqual({ validators: 4, light: true, credentials: ['function', 'function'], did: true })
})
