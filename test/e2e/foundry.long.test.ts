// cast and forge as their users type them: sending, reading, deploying, and tests on a fork of the network.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../kit/devnet.ts'
import { compilerIn, foundry } from '../kit/foundry.ts'

const PROJECT = {
  'foundry.toml': '[profile.default]\nsrc = "src"\ntest = "test"\noffline = true\nevm_version = "osaka"\n',
  'src/Counter.sol':
    '// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\ncontract Counter { uint256 public number; event Set(uint256 n); function set(uint256 n) external { number = n; emit Set(n); } }\n',
  'test/Fork.t.sol': `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
interface IParams { function governance() external view returns (address); }
contract ForkTest {
  function testChain() external view { require(block.chainid == 662607, "chain id"); require(block.number > 0, "height"); }
  function testModuleHasCode() external view { require(address(0x803).code.length == 5, "stub"); }
}
`,
}
const dir = mkdtempSync(join(tmpdir(), 'novachain-forge-'))
let devnet: Devnet
beforeAll(async () => {
  devnet = await startDevnet(['--sealing', 'instant', '--log-level', 'error'])
  for (const [path, text] of Object.entries(PROJECT)) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
})
afterAll(async () => {
  await devnet?.stop()
  rmSync(dir, { recursive: true, force: true })
})
const run = async (program: 'cast' | 'forge', ...args: string[]): Promise<string> =>
  (
    await promisify(execFile)(foundry(program), args, {
      cwd: dir,
      env: { ...process.env, FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' },
    })
  ).stdout
const cast = (...args: string[]): Promise<string> =>
  run('cast', ...args, '--rpc-url', devnet.rpc[0] ?? '').then((text) => text.trim())
const key = (): string => devnet.accounts[0]?.privateKey ?? ''
const DEAD = '0x000000000000000000000000000000000000dEaD'
const PARAMS = '0x0000000000000000000000000000000000000803'

test('cast: send, balance, receipt, module, proof', async () => {
  expect(await cast('chain-id')).toBe('662607')
  const sent = JSON.parse(await cast('send', DEAD, '--value', '1ether', '--private-key', key(), '--json'))
  expect(sent.status).toBe('0x1')
  expect(await cast('balance', DEAD)).toBe('1000000000000000000')
  expect(await cast('nonce', devnet.accounts[0]?.address ?? '')).toBe('1')
  expect(await cast('call', PARAMS, 'get(string)(uint256)', 'slashing.jailTime')).toMatch(/^600/)
  const set = ['send', PARAMS, 'set(string,uint256)', 'slashing.jailTime', '700', '--private-key', key(), '--json']
  expect(JSON.parse(await cast(...set)).logs).toHaveLength(1)
  expect(await cast('call', PARAMS, 'scheduled(string)(uint256,uint256)', 'slashing.jailTime')).toMatch(
    /^700\b.*\n.*1$/,
  )
  const proof = JSON.parse(await cast('proof', PARAMS, '0x1'))
  expect(BigInt(proof.storageProof[0].value)).toBe(BigInt(devnet.accounts[0]?.address ?? '0'))
  expect(await cast('block', 'finalized', '--field', 'number')).toMatch(/^[0-9]+$/)
  await expect(cast('call', PARAMS, 'get(string)', 'nothing')).rejects.toThrow(/revert/)
}, 60_000)

test('forge: create, and tests on a fork', async () => {
  const rpc = devnet.rpc[0] ?? ''
  const made = await run(
    'forge',
    ...[
      'create',
      'src/Counter.sol:Counter',
      '--use',
      compilerIn(dir),
      '--rpc-url',
      rpc,
      '--private-key',
      key(),
      '--broadcast',
      '--json',
    ],
  )
  const { deployedTo } = JSON.parse(made)
  await cast('send', deployedTo, 'set(uint256)', '42', '--private-key', key())
  expect(await cast('call', deployedTo, 'number()(uint256)')).toBe('42')
  expect(await run('forge', 'test', '--use', compilerIn(dir), '--fork-url', rpc)).toContain('2 passed')
}, 120_000)
