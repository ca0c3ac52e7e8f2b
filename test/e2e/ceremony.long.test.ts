// Seven strangers found a network: each makes its own keys in its own folder and signs alone, one collects, all compare the hash, each
// starts its node as a process. Everything is typed twice, and the second time changes nothing. The first founder's commands are processes,
// the others' run here: a process adds its start to them and nothing else.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import type { Command } from '../../node/args.ts'
import { genesis } from '../../node/commands/genesis.ts'
import { init } from '../../node/commands/init.ts'
import { keys } from '../../node/commands/keys.ts'
import { installFastCurves } from '../../node/curves.ts'
import { type KeyType, nameOf, newSecret } from '../../node/keystore.ts'
import { request } from '../../rpc/client/http.ts'
import { main, novachain, run, type Said } from '../kit/commands.ts'
import { freePort } from '../kit/devnet.ts'

const COUNT = 7
/** So many have encrypted keystores, each of which takes a second to open; the others keep their keys in the clear. */
const ENCRYPTED = 1
const NAMES = ['Ada', 'Barbara', 'Charles', 'Donald', 'Edsger', 'Frances', 'Grace']
const home = mkdtempSync(join(tmpdir(), 'novachain-ceremony-'))
const at = (...parts: string[]): string => join(home, ...parts)
const draft = at('draft.json')
const env = { NOVACHAIN_PASSWORD: 'correct horse battery', NOVACHAIN_LOG_LEVEL: 'warn' }

interface Person {
  readonly dir: string
  readonly moniker: string
  readonly port: number
  /** Of the operator's account. */
  address: string
  /** The genesis as it reached this person. */
  readonly genesis: string
  node: ChildProcess | null
  rpc: string
}
const people: Person[] = []
const person = (i: number): Person => people[i] as Person
/** Where the collectors find what was sent to them, and the hash that all agree on. */
const sent = at('sent')
let hash = ''

const commands: Readonly<Record<string, Command>> = { genesis, init, keys }
const type = (who: Person, name: string, ...argv: string[]): Promise<Said> =>
  who === people[0] ? novachain([name, ...argv], env) : run(commands[name] as Command, argv, env)
/** Once and once more: the second time finds everything as it is. */
const twice = async (who: Person, name: string, ...argv: string[]): Promise<Said> => {
  const first = await type(who, name, ...argv)
  expect(first).toMatchObject({ code: 0 })
  const before = snapshot(home)
  const second = await type(who, name, ...argv)
  expect([second.code, second.json.changed]).toEqual([0, false])
  expect(snapshot(home)).toEqual(before)
  return second
}
const snapshot = (dir: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
  )

beforeAll(async () => {
  await installFastCurves(() => {})
  for (const moniker of NAMES) {
    const dir = at(moniker.toLowerCase())
    const genesisFile = at(`received-by-${moniker.toLowerCase()}.json`)
    people.push({ dir, moniker, port: await freePort(), address: '', genesis: genesisFile, node: null, rpc: '' })
  }
})
afterAll(async () => {
  await Promise.all(people.map(stop))
  rmSync(home, { recursive: true, force: true })
})

const start = async (who: Person): Promise<void> => {
  const ports = ['--rpc-port', '0', '--metrics-port', '0', '--p2p-listen', `/ip4/127.0.0.1/tcp/${who.port}`]
  const child = spawn(process.execPath, [main, 'start', '--dir', who.dir, ...ports, '--json'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-5_000)
  })
  who.node = child
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`${who.moniker}'s node ended with ${code}:\n${said}`)),
    ),
  ])
  who.rpc = JSON.parse(line).rpc
}
const stop = async (who: Person): Promise<number | null> => {
  const { node } = who
  who.node = null
  if (node === null || node.exitCode !== null) return node?.exitCode ?? null
  node.kill('SIGTERM')
  return (await once(node, 'exit'))[0]
}
const blockOf = async ({ rpc }: Person, height: number) => {
  const block = await request(rpc, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])
  return block as { readonly hash: string; readonly miner: string } | null
}
const reached = async (who: Person, height: number): Promise<void> => {
  while ((await blockOf(who, height)) === null) await delay(50)
}

test('each makes three keys; a second time none is overwritten', async () => {
  for (const [i, person] of people.entries()) {
    const { dir } = person
    if (i < ENCRYPTED) {
      expect(await type(person, 'keys', 'new', '--dir', dir)).toMatchObject({ code: 0 })
      person.address = (await type(person, 'keys', 'new', '--type', 'account', '--dir', dir)).json.address
    } else {
      mkdirSync(join(dir, 'keys'), { recursive: true, mode: 0o700 })
      const clear = (name: string, kind: KeyType): string => {
        const secret = newSecret(kind)
        writeFileSync(join(dir, 'keys', name), `${bytesToHex(secret)}\n`, { mode: 0o600 })
        return bytesToHex(nameOf(kind, secret))
      }
      clear('validator.json', 'validator')
      person.address = clear('operator.json', 'account')
    }
    expect(await type(person, 'keys', 'new', '--type', 'p2p', '--dir', dir)).toMatchObject({ code: 0 })
    const before = snapshot(dir)
    for (const kind of ['validator', 'account', 'p2p'])
      expect(await type(person, 'keys', 'new', '--type', kind, '--dir', dir)).toMatchObject({ code: 3 })
    expect(snapshot(dir)).toEqual(before)
  }
  expect(new Set(people.map(({ address }) => address)).size).toBe(COUNT)
})

test('one of them writes the draft, with funds for all, and gives it to all', async () => {
  const [ada, barbara] = [person(0), person(1)]
  const rules = [
    '--chain-id',
    '424242',
    '--block-time',
    '1000',
    '--governance',
    ada.address,
    '--guardian',
    barbara.address,
  ]
  await twice(ada, 'genesis', 'new', draft, ...rules)
  for (const { address } of people) await twice(barbara, 'genesis', 'add-account', draft, address, '5000000nova')
  for (const each of people) copyFileSync(draft, each.genesis)
})

test('each signs alone for its own part of it', async () => {
  mkdirSync(sent)
  for (const [i, each] of people.entries()) {
    const said = ['--stake', '1000000nova', '--commission', `${i}.5%`, '--moniker', each.moniker]
    const where = ['--genesis', each.genesis, '--dir', each.dir, '--p2p-address', `/ip4/127.0.0.1/tcp/${each.port}`]
    const { json } = await twice(each, 'genesis', 'gentx', ...said, ...where)
    expect(json).toMatchObject({ operator: each.address, stake: (10n ** 24n).toString(), commissionBps: i * 100 + 50 })
    copyFileSync(json.file, join(sent, `gentx-${each.moniker}.json`))
  }
})

test('whoever collects what they signed, in whatever order, gets the same genesis, without a warning', async () => {
  const files = people.map(({ moniker }) => join(sent, `gentx-${moniker}.json`))
  const collected = [
    await twice(person(0), 'genesis', 'collect', person(0).genesis, sent),
    await twice(person(1), 'genesis', 'collect', person(1).genesis, ...files.toReversed()),
  ]
  for (const { json } of collected)
    expect(json).toMatchObject({ validators: COUNT, warnings: [], peers: expect.anything() })
  expect(collected[0]?.json).toEqual({ ...collected[1]?.json, file: person(0).genesis })
  expect(readFileSync(person(0).genesis, 'utf8')).toBe(readFileSync(person(1).genesis, 'utf8'))
  for (const each of people.slice(2)) copyFileSync(person(0).genesis, each.genesis)
  for (const each of people) {
    const { json } = await type(each, 'genesis', 'validate', each.genesis)
    expect(json).toMatchObject({ valid: true, hash: collected[0]?.json.hash, accounts: COUNT, warnings: [] })
  }
  hash = collected[0]?.json.hash
  const { founders, accounts } = parseGenesis(readFileSync(person(0).genesis, 'utf8'))
  expect(founders.map(({ moniker }) => moniker).sort()).toEqual(NAMES)
  expect(accounts.map(({ balance }) => balance)).toEqual(Array(COUNT).fill(4n * 10n ** 24n))
})

test('each makes its node’s folder, of this network and no other', async () => {
  const peers = join(home, 'peers.txt')
  const text = readFileSync(person(0).genesis)
  const server = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/genesis.json`
  const profile = ['--profile', 'validator', '--peers', peers]
  const wrong = ['--genesis', draft, '--genesis-hash', hash]
  expect(await type(person(6), 'init', person(6).dir, ...profile, ...wrong)).toMatchObject({ code: 1 })
  const altered = at('altered.json')
  writeFileSync(altered, text.toString().replace('"1000000000000000000000000"', '"1000001000000000000000000"'))
  expect(
    await type(person(6), 'init', person(6).dir, ...profile, '--genesis', altered, '--genesis-hash', hash),
  ).toMatchObject({ code: 3, text: expect.stringContaining(hash) })
  for (const [i, each] of people.entries()) {
    const source = ['--genesis', i % 2 === 0 ? url : each.genesis, '--genesis-hash', hash]
    await twice(each, 'init', each.dir, ...profile, ...source)
  }
  server.close()
})

test('seven nodes start, and each of the seven makes blocks that are final on all', async () => {
  await Promise.all(people.map(start))
  const set = await request(person(3).rpc, 'nova_validators')
  const operators = people.map(({ address }) => address).sort()
  expect(set).toMatchObject({ validators: operators.map((address) => expect.objectContaining({ address })) })
  const proposers = new Set<string>()
  let height = 0
  while (proposers.size < COUNT) {
    height++
    await Promise.all(people.map((each) => reached(each, height)))
    const blocks = await Promise.all(people.map((each) => blockOf(each, height)))
    expect(new Set(blocks.map((block) => block?.hash)).size).toBe(1)
    proposers.add(blocks[0]?.miner ?? '')
  }
  expect([...proposers].sort()).toEqual(operators)
})

test('a node that is stopped and started again goes on', async () => {
  const [first, second] = [person(0), person(1)]
  expect(await stop(first)).toBe(0)
  const head = Number(await request(second.rpc, 'eth_blockNumber'))
  await reached(second, head + 2)
  await start(first)
  await reached(first, head + 4)
  expect((await blockOf(first, head + 4))?.hash).toBe((await blockOf(second, head + 4))?.hash)
})
