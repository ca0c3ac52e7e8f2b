// What `validators` and `stake` refuse before they ask anybody, and that what the README has people type is what they take.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { jailFor, uncount } from '../../chain/native/slashing/downtime.ts'
import { createBonded, endOf } from '../../test/kit/bonded.ts'
import { run } from '../../test/kit/commands.ts'
import { account } from '../../test/kit/native.ts'
import { type Command, parseFlags } from '../args.ts'
import { MODULE_SLACK_GAS } from '../modules.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { stake } from './stake.ts'
import { start } from './start.ts'
import { validators } from './validators.ts'

const NOBODY = ['--rpc', 'http://127.0.0.1:1']
const someone = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'

test.each<readonly [Command, readonly string[], number, string]>([
  [validators, [], 2, 'USAGE_ARGUMENT'],
  [validators, ['toString'], 2, 'USAGE_ARGUMENT'],
  [validators, ['list', 'all'], 2, 'USAGE_ARGUMENT'],
  [validators, ['list', ...NOBODY], 1, 'CLIENT_UNREACHABLE'],
  [validators, ['join', '--dir', '/nowhere'], 1, 'START_NO_DIR'],
  [validators, ['join', '--dir', '/nowhere', '--commission', '5'], 1, 'AMOUNT_PERCENT'],
  [validators, ['join', '--dir', '/nowhere', '--stake', 'much'], 1, 'AMOUNT_WRONG'],
  [validators, ['edit', '--dev-account', '0'], 2, 'USAGE_ARGUMENT'],
  [validators, ['edit', '--dev-account', '0', '--moniker', 'a\u001b[2Jb', ...NOBODY], 2, 'USAGE_ARGUMENT'],
  [validators, ['join', '--dir', '/nowhere', '--moniker', '\u202eecilA'], 2, 'USAGE_ARGUMENT'],
  [validators, ['leave'], 2, 'USAGE_ARGUMENT'],
  [stake, [], 2, 'USAGE_ARGUMENT'],
  [stake, ['constructor'], 2, 'USAGE_ARGUMENT'],
  [stake, ['delegate', someone], 2, 'USAGE_ARGUMENT'],
  [stake, ['delegate', someone, '1nova', 'more'], 2, 'USAGE_ARGUMENT'],
  [stake, ['delegate', '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267', '1nova', '--dev-account', '0'], 1, 'TXCMD_FIELD'],
  [stake, ['delegate', someone, 'one', '--dev-account', '0'], 1, 'AMOUNT_WRONG'],
  [stake, ['withdraw'], 2, 'USAGE_ARGUMENT'],
  [stake, ['withdraw', '--from', '/nowhere'], 1, 'KEYSTORE_FILE'],
  [stake, ['rewards', '--sender', someone, ...NOBODY], 1, 'CLIENT_UNREACHABLE'],
])('%o %j', async (command, argv, code, refusal) => {
  expect(await run(command, argv)).toMatchObject({ code, refusal })
})

test('in an epoch’s last block, where two sets are changed, calls cost less more than commands and reporters leave room for', async () => {
  const used = async (height: number): Promise<bigint[]> => {
    const bonded = createBonded({
      validators: 1_247,
      values: { 'staking.maxValidators': 2_048n, 'slashing.jailTime': 1n },
    })
    const { world, send, seal } = bonded
    seal()
    world.state.begin()
    uncount(bonded.slashing(), account(850))
    jailFor(bonded.slashing(), account(850))
    world.state.end()
    while (world.block.number < height) seal()
    const whole = 1_000_000n * 10n ** 18n
    const answers = [
      await send(850, 'slashing', 'unjail'),
      await send(3, 'staking', 'exit'),
      await send(1, 'staking', 'undelegate', account(1), whole),
      await send(4, 'staking', 'redelegate', account(4), account(7), whole),
    ]
    expect(answers.map(endOf)).toEqual(answers.map(() => 'success'))
    return answers.map(({ gasUsed }) => gasUsed)
  }
  const [before, last] = [await used(9), await used(10)]
  for (const [i, gas] of last.entries()) {
    expect(gas).toBeGreaterThan((before[i] ?? 0n) + 60_000n)
    expect(gas).toBeLessThan((before[i] ?? 0n) + MODULE_SLACK_GAS / 2n)
  }
})

test('what the README has operators and delegators type is what the commands take', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replaceAll('\\\n', ' ')
  const known: Readonly<Record<string, Command>> = { init, keys, start, validators, stake }
  const verbs = new Set<string>()
  for (const title of ['Join a network', 'Delegate']) {
    const section = readme.slice(readme.indexOf(`## ${title}\n`)).split(/\n## /)[0] ?? ''
    for (const [, name = '', rest = ''] of section.matchAll(/^npm run -s novachain -- (\S+) ([^#\n]*)/gm)) {
      const typed = (rest.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''))
      const { args } = parseFlags(known[name] as Command, name, typed)
      verbs.add(`${name} ${args[0]}`)
    }
  }
  const all = ['list', 'show', 'join', 'leave', 'unjail', 'edit', 'rotate-key'].map((verb) => `validators ${verb}`)
  const stakes = ['delegate', 'undelegate', 'redelegate', 'withdraw', 'rewards'].map((verb) => `stake ${verb}`)
  expect([...verbs]).toEqual(expect.arrayContaining([...all, ...stakes]))
})
