// The verbs of `genesis` as a shell runs them: each twice, with what it refuses, and what it says to type next.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { possessionBytes } from '../../chain/types/vote.ts'
import { run } from '../../test/kit/commands.ts'
import { founder, type TestFounder } from '../../test/kit/founders.ts'
import { type Command, parseFlags } from '../args.ts'
import { installFastCurves } from '../curves.ts'
import { config } from './config.ts'
import { db } from './db.ts'
import { exportCommand } from './export.ts'
import { genesis } from './genesis.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { rollback } from './rollback.ts'
import { start } from './start.ts'
import { tx } from './tx.ts'

await installFastCurves(() => {})
const [alice, bob] = [await founder(0), await founder(1)]
let home: string
let file: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'nova-genesis-'))
  file = join(home, 'genesis.json')
})
const say = (...argv: string[]) => run(genesis, argv)
const text = (): string => readFileSync(file, 'utf8')
const fresh = () => say('new', file, '--chain-id', '4242', '--governance', alice.address)

/** A founder's folder, with its keys in the clear: what encrypts them is tested elsewhere, and takes its time. */
const folderOf = (name: string, { secrets }: TestFounder): string => {
  const dir = join(home, name)
  mkdirSync(join(dir, 'keys'), { recursive: true })
  const key = (path: string, secret: Uint8Array): void =>
    writeFileSync(join(dir, path), `${bytesToHex(secret)}\n`, { mode: 0o600 })
  key('keys/validator.json', secrets.validator)
  key('keys/operator.json', secrets.operator)
  key('p2p.key', secrets.p2p)
  return dir
}
const gentx = (dir: string, ...flags: string[]) =>
  say('gentx', '--genesis', file, '--dir', dir, '--stake', '1000000nova', ...flags)

test('new: nobody in it, no development network; a second time it stays; other wishes are refused', async () => {
  expect(await say('new', file)).toMatchObject({ code: 2, text: expect.stringContaining('--chain-id') })
  const dates = [
    '--time',
    '2030-01-31T12:00:00Z',
    '--block-time',
    '1000',
    '--epoch-blocks',
    '20',
    '--guardian',
    bob.address,
  ]
  const made = await say('new', file, '--chain-id', '4242', '--governance', alice.address, ...dates)
  expect(made).toMatchObject({
    code: 0,
    json: { changed: true },
    text: expect.stringMatching(/next: novachain genesis add-account/),
  })
  const json = JSON.parse(text())
  expect(json).toMatchObject({ config: { chainId: 4242 }, timestamp: 1_896_091_200, alloc: {} })
  expect(json.novachain).toMatchObject({ blockTimeMs: 1_000, epochBlocks: 20, validators: [], development: false })
  expect(json.novachain.modules.did).toBe(undefined) // the bundled file's key of statements is the development one
  expect(json.novachain.modules.params).toMatchObject({ governance: alice.address, guardian: bob.address })

  await say('add-account', file, alice.address, '5nova')
  const before = text()
  expect(await say('new', file, '--chain-id', '4242', ...dates)).toMatchObject({ code: 0, json: { changed: false } })
  expect(await say('new', file, '--chain-id', '4243', '--epoch-blocks', '21')).toMatchObject({
    code: 3,
    refusal: 'GENESIS_EXISTS',
    text: expect.stringMatching(/\(--chain-id, --epoch-blocks\): --yes/),
  })
  expect(text()).toBe(before)
  expect(await say('new', file, '--chain-id', '4243', '--yes')).toMatchObject({
    code: 0,
    text: expect.stringContaining('first: name who may change'),
  })
  expect(JSON.parse(text()).alloc).toEqual({})
})

test.each([
  ['--chain-id', '0', 1],
  ['--chain-id', 'four', 2],
  ['--block-time', '1', 1],
  ['--epoch-blocks', '1.5', 2],
  ['--time', 'tomorrow', 2],
  ['--time', '2030-13-01T00:00:00Z', 2],
  ['--governance', '0x12', 1],
  ['--guardian', '0x70997970C51812dc3A010C7d01b50e0d17dc79c8', 1],
])('new refuses %s %s and writes nothing', async (flag, value, code) => {
  expect(await say('new', file, ...(flag === '--chain-id' ? [] : ['--chain-id', '4242']), flag, value)).toMatchObject({
    code,
  })
  expect(existsSync(file)).toBe(false)
})

test('add-account: wei or NOVA, the same again changes nothing, another balance only with --yes', async () => {
  await fresh()
  const first = await say('add-account', file, alice.address, '5000000nova')
  expect(first).toMatchObject({ code: 0, json: { balance: '5000000000000000000000000', changed: true } })
  const before = text()
  const capitals = alice.address.toUpperCase().replace('0X', '0x')
  const again = await say('add-account', file, capitals, '5000000000000000000000000')
  expect(again).toMatchObject({ code: 0, json: { changed: false, draft: first.json.draft } })
  expect(text()).toBe(before)
  expect(await say('add-account', file, alice.address, '1nova')).toMatchObject({
    code: 3,
    refusal: 'GENESIS_ACCOUNT',
    text: expect.stringMatching(/5000000000000000000000000 wei already, not 1000000000000000000: --yes/),
  })
  expect(await say('add-account', file, alice.address, '1nova', '--yes')).toMatchObject({ json: { changed: true } })
  expect(JSON.parse(text()).alloc).toEqual({ [alice.address]: { balance: '1000000000000000000' } })
})

test.each([
  [['0x12', '1'], 1],
  [['0x70997970C51812dc3A010C7d01b50e0d17dc79c8', '1'], 1],
  [[`0x${'12'.repeat(20)}`, '-1'], 1],
  [[`0x${'12'.repeat(20)}`, '1eth'], 1],
  [[`0x${'12'.repeat(20)}`, '9'.repeat(40)], 1],
  [['0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266', '1nova'], 1],
  [[`0x${'12'.repeat(20)}`], 2],
  [[`0x${'12'.repeat(20)}`, '1', '2'], 2],
])('add-account refuses %j', async (args, code) => {
  await fresh()
  const before = text()
  expect(await say('add-account', file, ...args)).toMatchObject({ code })
  expect(text()).toBe(before)
})

test('add-validator: from flags, out of the balance, twice the same, another with --yes', async () => {
  await fresh()
  const { secrets, address, blsKey, peerId } = alice
  const proof = bytesToHex(
    curves().blsSign(secrets.validator, possessionBytes(curves().blsPublicKey(secrets.validator))),
  )
  const add = (...flags: string[]) =>
    say('add-validator', file, '--address', address, '--bls-key', blsKey, '--peer-id', peerId, ...flags)
  const sound = ['--proof-of-possession', proof, '--stake', '1000000nova', '--commission', '5%', '--moniker', 'Alice']
  expect(await add(...sound)).toMatchObject({ code: 1, refusal: 'CEREMONY_FUNDS' })
  await say('add-account', file, address, '3000000nova')
  expect(await add(...sound.slice(2))).toMatchObject({ code: 2 })
  const stranger = bytesToHex(
    curves().blsSign(bob.secrets.validator, possessionBytes(curves().blsPublicKey(secrets.validator))),
  )
  expect(await add(...sound, '--proof-of-possession', stranger)).toMatchObject({ code: 1, refusal: 'GENESIS_INVALID' })
  expect(await add(...sound, '--commission', '500')).toMatchObject({ code: 1, refusal: 'AMOUNT_PERCENT' })
  expect(await add(...sound)).toMatchObject({ code: 0, json: { changed: true } })
  expect(await add(...sound)).toMatchObject({ code: 0, json: { changed: false } })
  expect(await add(...sound, '--stake', '2000000nova')).toMatchObject({ code: 3, refusal: 'GENESIS_VALIDATOR' })
  expect(await add(...sound, '--stake', '2000000nova', '--yes')).toMatchObject({ code: 0, json: { changed: true } })
  const { alloc, novachain } = JSON.parse(text())
  expect(alloc[address].balance).toBe('1000000000000000000000000')
  expect(novachain.validators).toMatchObject([{ address, blsKey, commissionBps: 500, moniker: 'Alice', peerId }])
  // What an account has counts its bond.
  expect(await say('add-account', file, address, '3000000nova')).toMatchObject({ json: { changed: false } })
  expect(await say('add-account', file, address, '1999999nova', '--yes')).toMatchObject({ refusal: 'GENESIS_BONDED' })
  expect(await say('validate', file)).toMatchObject({ code: 0, json: { valid: true, validators: 1 } })
})

test('gentx: says which key is missing; twice the same file; another word only with --yes', async () => {
  await fresh()
  await say('add-account', file, alice.address, '3000000nova')
  const bare = join(home, 'bare')
  expect(await gentx(bare)).toMatchObject({
    refusal: 'GENTX_NO_KEY',
    text: expect.stringMatching(/keys new --type p2p --dir .*bare/),
  })
  const dir = folderOf('alice', alice)
  const made = await gentx(
    dir,
    '--moniker',
    'Alice & Co',
    '--commission',
    '5%',
    '--p2p-address',
    '/dns4/a.example/tcp/1',
  )
  const wrote = join(dir, 'gentx-Alice-Co.json')
  expect(made).toMatchObject({
    code: 0,
    json: { file: wrote, changed: true, operator: alice.address, commissionBps: 500 },
  })
  expect(made.json.p2pAddress).toBe(`/dns4/a.example/tcp/1/p2p/${alice.peerId}`)
  const again = ['--moniker', 'Alice & Co', '--commission', '5%', '--p2p-address', made.json.p2pAddress]
  expect(await gentx(dir, ...again)).toMatchObject({ code: 0, json: { ...made.json, changed: false } })
  expect(await gentx(dir, ...again, '--commission', '6%')).toMatchObject({ code: 3, refusal: 'GENTX_EXISTS' })
  expect(await gentx(dir, ...again, '--commission', '6%', '--yes')).toMatchObject({ code: 0, json: { changed: true } })
  expect(await gentx(dir, '--out', join(home, 'mine.json'))).toMatchObject({ json: { file: join(home, 'mine.json') } })
  expect((await gentx(dir)).json.file).toBe(join(dir, `gentx-${alice.address}.json`))
})

test('gentx refuses what could never become a genesis', async () => {
  await say('new', file, '--chain-id', '4242')
  await say('add-account', file, alice.address, '3000000nova')
  const dir = folderOf('alice', alice)
  expect(await gentx(dir)).toMatchObject({ code: 1, text: expect.stringMatching(/params\.governance/) })
  await say('new', file, '--chain-id', '4242', '--governance', alice.address, '--yes')
  expect(await gentx(dir)).toMatchObject({
    refusal: 'CEREMONY_FUNDS',
    text: expect.stringMatching(/genesis add-account/),
  })
  await say('add-account', file, alice.address, '3000000nova')
  expect(await gentx(dir, '--stake', '999999nova')).toMatchObject({ refusal: 'CEREMONY_BOUND' })
  expect(await gentx(dir, '--commission', '51%')).toMatchObject({ refusal: 'CEREMONY_BOUND' })
  expect(await gentx(dir, '--p2p-address', bob.p2pAddress)).toMatchObject({ refusal: 'P2P_PEER_ADDRESS' })
  expect(await gentx(dir, '--p2p-address', 'host:30333')).toMatchObject({ refusal: 'P2P_ADDRESS' })
  expect(await gentx(dir, '--moniker', '\u202eecilA')).toMatchObject({ code: 2 })
  expect(await gentx(dir, '--from', join(dir, 'none.json'))).toMatchObject({ refusal: 'KEYSTORE_FILE' })
})

test('collect: in any order, twice, one after the other; each founder’s file is checked by name', async () => {
  await fresh()
  for (const { address } of [alice, bob]) await say('add-account', file, address, '3000000nova')
  const draft = text()
  const offer = async (name: string, who: TestFounder, ...flags: string[]): Promise<string> =>
    (await gentx(folderOf(name, who), '--moniker', name, ...flags)).json.file
  const a = await offer('alice', alice, '--p2p-address', alice.p2pAddress)
  const b = await offer('bob', bob)
  const whole = await say('collect', file, a, b)
  expect(whole).toMatchObject({ code: 0, json: { validators: 2, added: 2, changed: true, peers: [alice.p2pAddress] } })
  expect(readFileSync(join(home, 'peers.txt'), 'utf8')).toBe(`${alice.p2pAddress}\n`)
  const collected = text()
  expect(await say('collect', file, b, a)).toMatchObject({
    code: 0,
    json: { hash: whole.json.hash, added: 0, changed: false },
  })
  expect((await gentx(join(home, 'bob'), '--moniker', 'bob')).json).toMatchObject({ changed: false })
  for (const [first, second] of [
    [b, a],
    [join(home, 'bob'), join(home, 'alice')],
  ] as const) {
    writeFileSync(file, draft)
    expect(await say('collect', file, first)).toMatchObject({ code: 0, json: { validators: 1 } })
    await say('collect', file, second)
    expect(text()).toBe(collected)
  }

  const altered = join(home, 'altered.json')
  writeFileSync(altered, readFileSync(a, 'utf8').replace('"1000000', '"2000000'))
  const refused = async (code: string, says: RegExp, ...places: string[]): Promise<void> => {
    writeFileSync(file, draft)
    expect(await say('collect', file, ...places)).toMatchObject({
      code: 1,
      refusal: code,
      text: expect.stringMatching(says),
    })
    expect(text()).toBe(draft)
  }
  await refused('GENTX_FORGED', /altered\.json: the operator 0x\w+ did not sign this/, altered, b)
  await gentx(join(home, 'alice'), '--moniker', 'other')
  await refused(
    'CEREMONY_CONFLICT',
    /alice\/gentx-alice\.json and .*alice\/gentx-other\.json are of one founder/,
    join(home, 'alice'),
  )
  writeFileSync(altered, '{"gentx":')
  await refused('GENTX_FORM', /altered\.json is no gentx: not JSON/, altered)
  truncateSync(altered, 100 * 1024 * 1024)
  await refused('SOURCE_FILE', /altered\.json: it has 104857600 bytes/, altered)
  await refused('SOURCE_FILE', /none\.json: there is no such file/, join(home, 'none.json'))
  mkdirSync(join(home, 'empty'))
  await refused('GENTX_NONE', /no gentx in .*empty/, join(home, 'empty'))
  const twin = await offer('twin', { ...bob, secrets: { ...bob.secrets, validator: alice.secrets.validator } })
  await refused('CEREMONY_DUPLICATE', /gentx-\w+\.json and .*gentx-\w+\.json have the same BLS key/, a, twin)
  const neighbour = await offer('neighbour', { ...bob, secrets: { ...bob.secrets, p2p: alice.secrets.p2p } })
  await refused('CEREMONY_DUPLICATE', /have the same peer id/, a, neighbour)
  expect(await say('collect', file)).toMatchObject({ code: 2, text: expect.stringMatching(/founders’ files/) })

  await say('add-account', file, alice.address, '4000000nova', '--yes')
  expect(await say('collect', file, a)).toMatchObject({
    refusal: 'CEREMONY_OTHER_DRAFT',
    text: expect.stringMatching(/gentx again/),
  })
  await say('new', file, '--chain-id', '4243', '--governance', alice.address, '--yes')
  expect(await say('collect', file, a)).toMatchObject({
    refusal: 'CEREMONY_OTHER_CHAIN',
    text: expect.stringMatching(/4242.*4243/),
  })
})

test('validate and hash: a draft, a whole one with its warnings, garbage', async () => {
  await fresh()
  for (const verb of ['validate', 'hash'])
    expect(await say(verb, file)).toMatchObject({
      code: 1,
      refusal: 'CEREMONY_DRAFT',
      text: expect.stringMatching(/genesis gentx/),
    })
  await say('add-account', file, alice.address, '3000000nova')
  await say('collect', file, (await gentx(folderOf('alice', alice))).json.file)
  const { json } = await say('validate', file)
  expect(json).toMatchObject({
    valid: true,
    chainId: 4242,
    accounts: 1,
    validators: 1,
    hash: expect.stringMatching(/^0x/),
  })
  expect(json.warnings.map(({ code }: { code: string }) => code)).toEqual([
    'few-validators',
    'third-of-power',
    'guardian',
  ])
  expect((await say('hash', file)).json).toEqual({ hash: json.hash })
  for (const garbage of ['', '[]', 'null', '{"config":{}}']) {
    writeFileSync(file, garbage)
    expect(await say('validate', file)).toMatchObject({ code: 1, refusal: expect.stringMatching(/^GENESIS_/) })
  }
  expect(await say('validate', join(home, 'none'))).toMatchObject({ code: 1, refusal: 'SOURCE_FILE' })
  expect(await say('validate', file, file)).toMatchObject({ code: 2 })
  expect(await say('frobnicate', file)).toMatchObject({ code: 2 })
})

test('what the README has founders type is what the commands take', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replaceAll('\\\n', ' ')
  const section = readme.slice(readme.indexOf('## Start a network of your own')).split(/\n## /)[0] ?? ''
  const typed = [...section.matchAll(/^npm run -s novachain -- (\S+) ([^#\n]*)/gm)]
  expect(typed.length).toBeGreaterThan(10)
  const known: Readonly<Record<string, Command>> = {
    ...{ config, db, export: exportCommand, genesis, init, keys, rollback, start, tx },
  }
  for (const [, name = '', rest = ''] of typed) {
    const { args } = parseFlags(known[name] as Command, name, rest.trim().split(/\s+/))
    expect(args).toEqual(expect.any(Array))
  }
})
