// A running network of processes with short epochs, as its operators and delegators use it: a stranger joins by command and proposes one
// epoch later; stakes come, move, go and earn; who sleeps is jailed and comes back; a key is changed without leaving; one leaves; and a key
// that runs in two places is slashed and never signs again. Each test goes on where the one before ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Command } from '../../node/args.ts'
import { config } from '../../node/commands/config.ts'
import { devnet as devnetCommand } from '../../node/commands/devnet.ts'
import { genesis } from '../../node/commands/genesis.ts'
import { init } from '../../node/commands/init.ts'
import { stake } from '../../node/commands/stake.ts'
import { validators } from '../../node/commands/validators.ts'
import { developmentAccounts } from '../../node/development.ts'
import { request } from '../../rpc/client/http.ts'
import { main, run, type Said } from '../kit/commands.ts'
import { type Devnet, freePort, startDevnet } from '../kit/devnet.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'novachain-staking-'))
const NOVA = 10n ** 18n
const MILLION = 1_000_000n * NOVA
const EPOCH = 6
const env = { NOVACHAIN_PASSWORD: 'a password for tests' }

/** Short epochs and windows; and whoever joins has what it takes. */
const rules = (): string => {
  const json = JSON.parse(readFileSync(join(root, 'genesis.json'), 'utf8'))
  json.novachain.epochBlocks = EPOCH
  json.novachain.modules.params.values = {
    // Below what they bond: who was asleep loses a ten-thousandth, and would have to add it before it is elected again.
    'staking.minSelfBond': `${(9n * MILLION) / 10n}`,
    // Evidence counts for as long; a slow machine takes most of a minute from an offence to its report.
    'staking.unbondingTime': '120',
    'slashing.window': '40',
    'slashing.minSigned': '2500',
    'slashing.jailTime': '5',
  }
  for (const address of Object.keys(json.alloc)) json.alloc[address].balance = `${3n * MILLION}`
  const file = join(home, 'rules.json')
  writeFileSync(file, JSON.stringify(json))
  return file
}

const accounts = developmentAccounts(10).map(({ address }) => address.toLowerCase())
const operatorOf = (index: number): string => accounts[index] ?? ''
/** The joiner's account. */
const JOINER = 5
const DELEGATOR = '7'
/** Who sleeps, comes back, and leaves later. */
const SLEEPER = '2'

let net: Devnet
beforeAll(async () => {
  net = await startDevnet(['--validators', '3', '--block-time', '1500', '--genesis', rules(), '--log-level', 'warn'])
})
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL')
  await net?.stop()
  rmSync(home, { recursive: true, force: true })
})
const at = (index: number): string => net.rpc[index] ?? ''

// Nodes beside those of the devnet.

const started = new Set<ChildProcess>()
const startNode = async (dir: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [main, 'start', '--json', '--dir', dir, '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  started.add(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000)
  })
  const ended = once(child, 'exit').then(() => expect.fail(`the node ended: ${said}`))
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
  ended.catch(() => {})
  return child
}
const stopNode = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
  started.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
const set = async (dir: string, values: Readonly<Record<string, string>>): Promise<void> => {
  for (const [key, value] of Object.entries(values))
    expect(await run(config, ['set', key, value, '--dir', dir])).toMatchObject({ code: 0 })
}
/** A folder of this network whose node listens where nobody else does; `peers` are dialed for ever. */
const ports = async (dir: string, peers: readonly string[]): Promise<string> => {
  const rpc = await freePort()
  await set(dir, {
    ...{ 'rpc.port': `${rpc}`, 'metrics.port': `${await freePort()}`, 'p2p.persistent': peers.join(',') },
    'p2p.listen': `/ip4/127.0.0.1/tcp/${await freePort()}`,
  })
  return `http://127.0.0.1:${rpc}`
}

// What is asked again and again until it is so; the test's own deadline ends it otherwise.

const heightOf = async (url: string): Promise<number> => Number(await request(url, 'eth_blockNumber'))
const reached = async (url: string, height: number): Promise<void> => {
  while ((await heightOf(url)) < height) await delay(100)
}
const hex = (value: number): string => `0x${value.toString(16)}`
/** The node is where the others are. */
const caughtUp = async (url: string): Promise<void> => reached(url, await heightOf(at(0)))
interface Row {
  readonly operator: string
  readonly standing: string
  readonly stake: string
  readonly power: string
  readonly blsKey: string
  readonly next: boolean
}
const show = async (index: number, what: string): Promise<Row> =>
  (await run(validators, ['show', what, '--rpc', at(index)])).json
const until = async (what: string, holds: (row: Row) => boolean, index = 0): Promise<Row> => {
  for (;;) {
    const row = await show(index, what)
    if (holds(row)) return row
    await delay(200)
  }
}
const order = async (...words: string[]): Promise<void> => {
  expect(await run(devnetCommand, [...words, '--dir', net.dir])).toMatchObject({ refusal: null, code: 0 })
}
const as = (command: Command, argv: readonly string[], account: number | string): Promise<Said> =>
  run(command, [...argv, '--dev-account', `${account}`, '--timeout', '200'], env)

const dir = join(home, 'fourth')
let fourth: ChildProcess
let fourthUrl = ''

test('a join with the wrong network is refused before anything is sent', async () => {
  const [file, other] = [join(home, 'other.json'), join(home, 'other')]
  const nonce = await request(at(0), 'eth_getTransactionCount', [operatorOf(JOINER), 'pending'])
  expect(await run(genesis, ['new', file, '--chain-id', '77'])).toMatchObject({ code: 0 })
  const json = { ...JSON.parse(readFileSync(rules(), 'utf8')), timestamp: 1 }
  writeFileSync(file, JSON.stringify(json)) // the same chain id, another past
  expect(await run(init, [other, '--genesis', file])).toMatchObject({ refusal: null })
  const refused = await as(validators, ['join', '--dir', other, '--rpc', at(0)], JOINER)
  expect(refused).toMatchObject({ code: 3, refusal: 'FOLDER_NETWORK' })
  expect(await request(at(0), 'eth_getTransactionCount', [operatorOf(JOINER), 'pending'])).toBe(nonce)
})

test('a stranger joins by command: its key is made, one epoch later it is in the set of every node, and it proposes', async () => {
  await run(init, [dir, '--genesis', join(net.dir, 'node-0', 'genesis.json')])
  fourthUrl = await ports(dir, net.p2p)
  const asked = ['join', '--dir', dir, '--moniker', 'vier', '--commission', '5%', '--stake', '1000000nova']
  expect(await as(validators, asked, JOINER)).toMatchObject({ code: 4, refusal: 'FOLDER_NO_NODE' })
  fourth = await startNode(dir)
  // The node follows, and the command has made its key; a restart, and it has it.
  expect(await as(validators, [...asked, '--wait'], 99)).toMatchObject({ code: 1, refusal: 'TXCMD_FIELD' })
  await caughtUp(fourthUrl)
  const early = await as(validators, asked, JOINER)
  expect([early.code, early.refusal, early.text]).toEqual([
    4,
    'FOLDER_NOT_LOADED',
    expect.stringContaining('restart it'),
  ])
  await stopNode(fourth)
  fourth = await startNode(dir)
  const unsigned = await run(validators, [...asked, '--wait', '--unsigned', '--sender', operatorOf(JOINER)], env)
  expect(unsigned.json).toMatchObject({
    value: `${MILLION}`,
    to: '0x0000000000000000000000000000000000000801',
    nonce: 0,
  })

  const joined = await as(validators, [...asked, '--wait'], JOINER)
  expect(joined.refusal).toBe(null)
  const { blsKey, epoch, firstHeight, proposed, transactions } = joined.json
  // The first election after the attestation has it.
  const elected = Math.floor(transactions.attestReady.height / EPOCH) + 1
  expect([epoch, firstHeight]).toEqual([elected, elected * EPOCH + 1])
  expect(proposed).toBeGreaterThanOrEqual(firstHeight)
  for (const url of net.rpc) {
    await reached(url, proposed)
    expect(await request(url, 'eth_getBlockByNumber', [hex(proposed), false])).toMatchObject({
      miner: operatorOf(JOINER),
    })
  }
  const seen = await Promise.all([0, 1, 2].map((i) => show(i, operatorOf(JOINER))))
  for (const row of seen)
    expect(row).toMatchObject({
      standing: 'validates',
      stake: `${MILLION}`,
      moniker: 'vier',
      commissionBps: 500,
      blsKey,
    })

  const again = await as(validators, ['join', '--dir', dir], JOINER)
  expect(again.json).toMatchObject({ elected: true, transactions: { createValidator: null, attestReady: null } })
  const listed = await run(validators, ['list', '--rpc', at(1)])
  expect(listed.json.validators).toHaveLength(4)
  expect(listed.text).toMatch(/vier +1,000,000\S* NOVA +(25|24.99) % +5 % +validates/)
})

test('stakes are delegated, moved and ended, earn rewards, and what is refused says why', async () => {
  const [first, second] = [operatorOf(0), operatorOf(JOINER)]
  const told = async (...argv: string[]): Promise<Said> => as(stake, [...argv, '--rpc', at(1)], DELEGATOR)
  // From now on validators 0 and 1 go on without the others.
  expect(await as(stake, ['delegate', first, '1000000nova', '--rpc', at(0)], 8)).toMatchObject({ refusal: null })
  const delegated = await told('delegate', first, '1000nova')
  expect(delegated.json).toMatchObject({
    events: expect.arrayContaining([expect.objectContaining({ event: 'Delegated', amount: `${1_000n * NOVA}` })]),
    delegations: [{ validator: first, amount: `${1_000n * NOVA}` }],
  })
  expect((await told('redelegate', first, second, '300nova')).json.delegations).toEqual([
    { validator: first, amount: `${700n * NOVA}` },
    { validator: second, amount: `${300n * NOVA}` },
  ])
  const left = await told('undelegate', first, '200nova')
  expect(left.text).toMatch(/^200 NOVA unbond from 0x\w+ and can be withdrawn from \d{4}-/)
  const refusals = [
    ['redelegate', second, first, 'all'],
    ['undelegate', first, '501nova'],
    ['delegate', operatorOf(9), '1nova'],
    ['delegate', first, '0.5nova'],
    ['withdraw'],
  ]
  const names = ['RedelegationHop', 'InsufficientBond', 'NotValidator', 'BelowMinimum', 'NothingMatured']
  for (const [i, argv] of refusals.entries()) {
    const refused = await told(...argv)
    expect([names[i], refused.code, refused.refusal, refused.text]).toEqual([
      names[i],
      1,
      'MODULE_REFUSED',
      expect.any(String),
    ])
  }
  expect(await told('delegate', first)).toMatchObject({ code: 2 })
  const bothEarned = async (): Promise<boolean> => {
    const { json } = await run(stake, ['rewards', '--sender', operatorOf(Number(DELEGATOR)), '--rpc', at(2)])
    return json.delegations.every(({ rewards }: { rewards: string }) => BigInt(rewards) > 0n)
  }
  while (!(await bothEarned())) await delay(500) // the end of an epoch pays, of the later stake the next one
  const claimed = await told('rewards', '--claim')
  expect(BigInt(claimed.json.amount)).toBeGreaterThan(0n)
  expect(claimed.json.transactions).toHaveLength(2)
})

test('who sleeps is jailed, and comes back by command: it is elected again and signs', async () => {
  await order('kill', SLEEPER)
  await until(operatorOf(Number(SLEEPER)), ({ standing }) => standing === 'jailed')
  const folder = join(net.dir, `node-${SLEEPER}`)
  await order('restart', SLEEPER)
  const released = await as(validators, ['unjail', '--dir', folder, '--rpc', at(Number(SLEEPER)), '--wait'], SLEEPER)
  expect(released.refusal).toBe(null)
  expect(released.json.transactions).toMatchObject({ unjail: { height: expect.any(Number) }, attestReady: {} })
  expect(released.json.proposed).toBeGreaterThanOrEqual(released.json.firstHeight)
  expect(await until(operatorOf(Number(SLEEPER)), ({ standing }) => standing === 'validates', 1)).toMatchObject({
    next: true,
  })
})

test('a key is changed without leaving: the old one signs to the end of its epoch, the new one goes on', async () => {
  const before = await show(0, operatorOf(JOINER))
  const rotate = ['rotate-key', '--dir', dir]
  await caughtUp(fourthUrl)
  expect(await as(validators, rotate, JOINER)).toMatchObject({ code: 4, refusal: 'FOLDER_NOT_LOADED' })
  await stopNode(fourth)
  fourth = await startNode(dir)
  const rotated = await as(validators, [...rotate, '--wait'], JOINER)
  expect(rotated.refusal).toBe(null)
  expect(rotated.json).toMatchObject({ nextBlsKey: null, transactions: { rotateBlsKey: {}, attestReady: {} } })
  expect(rotated.json.blsKey).not.toBe(before.blsKey)
  expect(rotated.json.proposed).toBeGreaterThanOrEqual(rotated.json.firstHeight)
  const now = await show(1, operatorOf(JOINER))
  expect(now).toMatchObject({ standing: 'validates', blsKey: rotated.json.blsKey })
  const used = await as(validators, ['join', '--dir', dir, '--rpc', fourthUrl], 6)
  expect([used.refusal, used.text]).toEqual(['MODULE_REFUSED', expect.stringContaining('is or was')])
})

test('one leaves for ever, and only when it is meant; what it bonded comes back', async () => {
  const leave = ['leave', '--rpc', at(0)]
  expect(await as(validators, leave, SLEEPER)).toMatchObject({ code: 3, refusal: 'VALIDATORS_UNCONFIRMED' })
  const left = await as(validators, [...leave, '--yes'], SLEEPER)
  expect(left.refusal).toBe(null)
  const { lastHeight } = left.json
  expect(lastHeight % EPOCH).toBe(0)
  await reached(at(0), lastHeight + 1)
  expect(await show(0, operatorOf(Number(SLEEPER)))).toMatchObject({ standing: 'left', power: '0', stake: '0' })
  expect(await request(at(Number(SLEEPER)), 'nova_consensus')).toMatchObject({ validator: null })
  const matured = async (): Promise<boolean> => {
    const { json } = await run(stake, ['rewards', '--sender', operatorOf(Number(SLEEPER)), '--rpc', at(0)])
    const block = await request(at(0), 'eth_getBlockByNumber', ['latest', false])
    return (
      (json.unbondings?.[0]?.matures ?? Number.POSITIVE_INFINITY) <= Number((block as { timestamp: string }).timestamp)
    )
  }
  while (!(await matured())) await delay(500)
  const withdrawn = await as(stake, ['withdraw', '--rpc', at(0)], SLEEPER)
  expect(withdrawn.json.events).toMatchObject([{ event: 'Withdrawn', slashed: '0' }])
  expect(BigInt(withdrawn.json.events[0].amount)).toBeGreaterThan((MILLION * 99n) / 100n)
})

// What a careless operator does: a copy of the folder, with its keys and records, started on another machine.

const consensusAt = async (url: string) => {
  const status = await request(url, 'nova_consensus')
  return status as {
    height: string
    round: string
    step: string
    proposer: string
    lastSigned: { height: string } | null
  }
}
const crash = async (indices: readonly number[]): Promise<void> => {
  const { json } = await run(devnetCommand, ['status', '--dir', net.dir])
  const victims = indices.map((i) => Number(json.pids[i]))
  for (const pid of victims) process.kill(pid, 'SIGKILL')
}
/** Ends with the network standing still at a height that the fourth is to propose, and it died before it did: that height is the answer. */
const stoppedAtItsTurn = async (): Promise<number> => {
  for (;;) {
    const before = await consensusAt(at(0))
    if (before.proposer === operatorOf(JOINER) && before.round === '0x0' && before.step === 'wait') {
      fourth.kill('SIGKILL')
      await crash([1])
      await stopNode(fourth)
      const signed = Math.max(0, ...recordsIn(dir))
      const { height } = await consensusAt(at(0))
      if (height === before.height && signed < Number(height)) return Number(height)
      // Too late: the height was on its way.
      await order('restart', '1')
      fourth = await startNode(dir)
      await reached(fourthUrl, Number(height))
    }
    await delay(50)
  }
}
/** Heights of the last signature of each key. */
const recordsIn = (folder: string): number[] =>
  readdirSync(folder)
    .filter((name) => /^signer-.*\.json$/.test(name))
    .map((name) => Number(JSON.parse(readFileSync(join(folder, name), 'utf8')).h))

test('a key that runs in two places signs twice: slashed a tenth and never elected again, seen on every node', async () => {
  const guilty = operatorOf(JOINER)
  // A slow machine may have had it asleep for too long while it restarted.
  expect(await as(validators, ['unjail', '--dir', dir, '--wait'], JOINER)).toMatchObject({ refusal: null })
  const height = await stoppedAtItsTurn()
  const bonded = BigInt((await show(0, guilty)).stake)
  const copy = join(home, 'another-machine')
  cpSync(dir, copy, { recursive: true })
  rmSync(join(copy, 'p2p.key'))
  const elsewhere = await ports(copy, [])
  await set(copy, { 'validator.feeRecipient': operatorOf(9) })
  await set(dir, { 'p2p.persistent': '' })
  // Neither hears of the other, and it is their turn.
  const both = await Promise.all([startNode(dir), startNode(copy)])
  for (const url of [fourthUrl, elsewhere])
    while (Number((await consensusAt(url)).lastSigned?.height ?? 0) < height) await delay(100)
  await Promise.all(both.map((child) => stopNode(child)))
  for (const each of [dir, copy]) await set(each, { 'p2p.persistent': net.p2p.join(',') })
  await Promise.all([dir, copy].map((each) => startNode(each).catch(() => {}))) // one may notice the other and end
  while (((await request(at(0), 'nova_evidence', [{ validator: guilty }])) as unknown[]).length === 0) await delay(200)
  await order('restart', '1')

  for (const index of [0, 1, 2]) {
    const row = await until(guilty, ({ standing }) => standing === 'tombstoned', index)
    expect(row).toMatchObject({ stake: `${bonded - bonded / 10n}`, next: false })
    const known = await request(at(index), 'nova_evidence', [{ validator: guilty }])
    expect(known).toEqual(expect.arrayContaining([expect.objectContaining({ punished: true, height: hex(height) })]))
  }
  const refused = await as(stake, ['delegate', guilty, '1nova', '--rpc', at(0)], DELEGATOR)
  expect([refused.code, refused.text]).toEqual([1, expect.stringContaining('never signs again')])
  const head = await heightOf(at(0))
  await reached(at(0), (Math.floor(head / EPOCH) + 2) * EPOCH + 1)
  expect(await show(0, guilty)).toMatchObject({ power: '0' })
})
