// A validator from nothing: a key, a genesis that names it, a folder, a final block signed by the encrypted key.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { request } from '../../rpc/client/http.ts'
import { type Command, parseFlags } from '../args.ts'
import { developmentGenesis } from '../development.ts'
import { bundledGenesis } from './genesis.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { start } from './start.ts'

const run = async (
  command: Command,
  argv: readonly string[],
  options: {
    readonly env?: Record<string, string>
    readonly stop?: AbortSignal
    readonly out?: (object: object) => void
  } = {},
) => {
  let said: Record<string, unknown> = {}
  const code = await command.run({
    ...parseFlags(command, 'test', argv),
    env: { NOVACHAIN_LOG_LEVEL: 'error', ...options.env },
    signal: options.stop ?? new AbortController().signal,
    out: (object) => {
      said = { ...object }
      options.out?.(object)
    },
  })
  return { code, said }
}

test('init, keys new, genesis, start: the encrypted key signs final blocks', async () => {
  const dir = join(mkdtempSync(join(tmpdir(), 'nova-init-')), 'node')
  const source = join(dir, '..', 'genesis.json')
  writeFileSync(source, developmentGenesis(bundledGenesis(), { validators: 1, blockTimeMs: 1_000, chainId: null }))
  const made = await run(init, [dir, '--genesis', source, '--profile', 'validator'])
  expect(made.said).toMatchObject({
    next: [`next: novachain keys new --dir ${dir}`, expect.anything(), expect.anything()],
  })
  expect(readFileSync(join(dir, 'config.toml'), 'utf8')).toContain('\nkeyFile = "keys/validator.json"\n')

  const go = (stop: AbortSignal, env: Record<string, string>, out?: (object: object) => void) =>
    run(start, ['--dir', dir, '--rpc-port', '0', '--metrics-port', '0'], { stop, env, ...(out && { out }) })
  const never = new AbortController().signal
  await expect(go(never, {})).rejects.toMatchObject({ code: 'START_NO_KEY' })

  const password = { NOVACHAIN_PASSWORD: 'a good password' }
  const { said: key } = await run(keys, ['new', '--dir', dir], { env: password })
  await expect(go(never, password)).rejects.toMatchObject({ code: 'START_NOT_MEMBER' })

  const genesis = JSON.parse(readFileSync(source, 'utf8'))
  const [member] = genesis.novachain.validators
  genesis.novachain.validators = [{ ...member, blsKey: key.blsKey, proofOfPossession: key.proofOfPossession }]
  writeFileSync(join(dir, 'genesis.json'), JSON.stringify(genesis))
  await expect(go(never, { NOVACHAIN_PASSWORD: 'not it' })).rejects.toMatchObject({ code: 'KEYSTORE_PASSWORD' })
  await expect(go(never, {})).rejects.toMatchObject({ code: 'PASSWORD_NONE' })

  const stop = new AbortController()
  writeFileSync(join(dir, 'password'), 'a good password\n', { mode: 0o600 })
  const { code } = await go(stop.signal, { NOVACHAIN_VALIDATOR_PASSWORD_FILE: 'password' }, (object) => {
    const { rpc } = object as { rpc: string }
    const follow = async (): Promise<void> => {
      while (Number(await request(rpc, 'eth_blockNumber')) < 1);
      expect(await request(rpc, 'nova_getCommitCertificate', ['0x1'])).toMatchObject({ height: '0x1' })
    }
    void follow().finally(() => stop.abort())
  })
  expect(code).toBe(0)
})
