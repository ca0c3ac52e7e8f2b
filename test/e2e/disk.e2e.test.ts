// A disk that takes no more: the validator says so and stops, and with room again it goes on from its last final block. The bound on a
// file's size (ulimit -f) stands for a full disk, which a test cannot make without being root.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { freePort, startDevnet } from '../kit/devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const BLOCKS_OF_512_BYTES = 600

// skipped where there is no ulimit
test.skipIf(process.platform === 'win32')('a full disk', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-full-'))
  const ports = ['--rpc-port', `${await freePort()}`]
  const args = ['devnet', '--json', '--dir', dir, ...ports, '--validators', '1', '--block-time', '100']
  const limited = `ulimit -f ${BLOCKS_OF_512_BYTES}; exec "$0" "$@"`
  const child = spawn('sh', ['-c', limited, process.execPath, main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let height = 0
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith('{') && line.includes('block committed')) height = JSON.parse(line).height
    if (!line.includes('cannot write to the database')) continue
    expect(line).toMatch(/free space or fix permissions, then start again/)
    break
  }
  expect(height).toBeGreaterThan(3)
  child.kill('SIGTERM')
  await once(child, 'exit')
  const devnet = await startDevnet(['--block-time', '100', '--log-level', 'error'], { dir })
  const answer = await fetch(devnet.rpc[0] ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}',
  })
  const { result } = (await answer.json()) as { readonly result: string }
  expect(Number(result)).toBeGreaterThanOrEqual(height)
  await devnet.stop()
  rmSync(dir, { recursive: true, force: true })
})
