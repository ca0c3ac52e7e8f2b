// A network that settles on anvil and has a bridge to it, all as real processes: poster, relayers and validators die by kill -9 at random while
// messages go both ways and the L1 reorganises, forgets, halts and grows dear, and a hostile relayer brings rubbish. Then nothing is lost, doubled or
// stuck: what is locked on one side is out on the other, batches follow each other, and the chain out of them is the chain. ROUNDS of some ten
// seconds; SEED repeats what is drawn, not when it happens.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Interface, type Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NodeError } from '../../chain/base/errors.ts'
import { NovaSettlement } from '../../contracts/settlement/NovaSettlement.artifact.ts'
import { devnet } from '../../node/commands/devnet.ts'
import { ClientErrors, request } from '../../rpc/client/http.ts'
import { ANVIL_CHAIN } from '../kit/anvil.ts'
import {
  accountAt,
  BRIDGE,
  type Bridged,
  COIN,
  FACES,
  type RelayProcess,
  startBridged,
  startRelay,
  WRAPPED_POL,
} from '../kit/bridged.ts'
import { novachain, run } from '../kit/commands.ts'
import { createDice } from '../kit/dice.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 15)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const dice = createDice(seed)
const GWEI = 10n ** 9n
const WAD = 10n ** 18n
const VALIDATORS = 4
const FINAL_BLOCKS = 4
const RELAYERS = [5, 6]
const [L1_USER, NOVA_USER, HOSTILE] = [accountAt(7), accountAt(8), accountAt(9)]
/** After the last kill: without any of it done for so long it is stuck. */
const QUIET_MS = 600_000

let world: Bridged
const dir = mkdtempSync(join(tmpdir(), 'storm-'))
const stop = new AbortController()
const running: Promise<unknown>[] = []
const relayers: (RelayProcess | null)[] = RELAYERS.map(() => null)
/** What is done to the L1 next, between two of its blocks. */
const weather: (() => Promise<unknown>)[] = []
let isCalm = false

beforeAll(async () => {
  const verifier = dice.pick(['bls', 'ecdsa'] as const)
  console.log(`ROUNDS=${ROUNDS} SEED=${seed}, ${verifier}`)
  world = await startBridged({
    ...{ validators: VALIDATORS, blockTimeMs: 2_000, epochBlocks: 20, verifier },
    ...{ lifetimeS: 90, finalBlocks: FINAL_BLOCKS },
    config: {
      rollup: 'maxAgeMs = 4000\nturnMs = 15000\ndeadlineMs = 20000\nholdFee = "500gwei"\nmaxFee = "5000gwei"',
      bridge: 'pollMs = 1000',
    },
  })
  running.push(blocks(), ...RELAYERS.map((_, i) => relaying(i)))
})
afterAll(async () => {
  stop.abort()
  for (const each of relayers) each?.process.kill('SIGKILL')
  await Promise.all(running)
  await world?.close()
  rmSync(dir, { recursive: true, force: true })
})

// What goes on by itself

/** A block of the L1 each second, and what the weather does. */
async function blocks(): Promise<void> {
  while (!stop.signal.aborted) {
    await weather.shift()?.()
    await world.anvil.mine()
    await delay(1_000)
  }
}
/** Started again when it ends, as a supervisor would, before another validator. */
async function relaying(i: number): Promise<void> {
  while (!stop.signal.aborted) {
    const relay = startRelay(world, { rpc: anyNode(), account: RELAYERS[i] ?? 0, dir: join(dir, `relayer-${i}`) })
    relayers[i] = relay
    await relay.ended
    await delay(500)
  }
}
const anyNode = (): string => dice.pick(world.net.rpc)

/** What is kept waiting for longer than a client or a server waits is asked for again; a node that is dead refuses at once. */
async function ask(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  for (let left = 5; ; left--)
    try {
      return await request(url, method, params)
    } catch (error) {
      if (left === 0 || !isLate(error)) throw error
    }
}
const isLate = (error: unknown): boolean =>
  error instanceof NodeError &&
  ((error.cause instanceof Error && error.cause.name === 'TimeoutError') ||
    error.message.endsWith('HTTP 400, and no JSON-RPC answer'))

async function traffic(): Promise<void> {
  for (let isOut = true; !isCalm && !stop.signal.aborted; isOut = !isOut) {
    // A node that is dead, or a transaction that is in the way: users try again.
    await (isOut ? sendOut() : sendIn()).catch(() => {})
    // A relayer brings one message a block.
    const head = await headOf().catch(() => 0)
    while (!isCalm && !stop.signal.aborted && (await headOf().catch(() => 0)) <= head) await delay(500)
  }
}
const headOf = async (): Promise<number> => Number(await ask(anyNode(), 'eth_blockNumber'))
type Side = 'nova' | 'l1'
const urlOf = (side: Side): string => (side === 'nova' ? anyNode() : world.anvil.url)
const contractOf = (side: Side): string => (side === 'nova' ? BRIDGE : world.at.vault)
const chainOf = (side: Side): number => (side === 'nova' ? world.net.chainId : Number(ANVIL_CHAIN))
const other = (side: Side): Side => (side === 'nova' ? 'l1' : 'nova')

async function submit(
  side: Side,
  wallet: Wallet,
  tx: { data: string; value?: bigint; gasLimit?: number },
): Promise<void> {
  const url = urlOf(side)
  const nonce = Number(await ask(url, 'eth_getTransactionCount', [wallet.address, 'latest']))
  const fees = { maxFeePerGas: 3_000n * GWEI, maxPriorityFeePerGas: 30n * GWEI }
  const fields = { type: 2, chainId: chainOf(side), to: contractOf(side), nonce, gasLimit: 600_000, ...fees }
  await request(url, 'eth_sendRawTransaction', [await wallet.signTransaction({ ...fields, ...tx })])
}
const send = (side: Side, to: string, what: { token: string; amount: bigint; data: string }) => {
  const { token, amount, data } = what
  const values = [chainOf(other(side)), to, token, amount, data]
  const value = token === COIN ? amount : 0n
  return submit(side, side === 'nova' ? NOVA_USER : L1_USER, {
    data: FACES[side].encodeFunctionData('send', values),
    value,
  })
}
const balanceOf = async (side: Side, token: string, of: string): Promise<bigint> => {
  const url = urlOf(side)
  if (token === COIN) return BigInt(String(await ask(url, 'eth_getBalance', [of, 'latest'])))
  const data = FACES.token.encodeFunctionData('balanceOf', [of])
  return BigInt(String(await ask(url, 'eth_call', [{ to: token, data }, 'latest'])))
}
/** The coin, what came of the other one, or words alone. */
async function sendFrom(side: Side, wrapped: string, to: string, from: string): Promise<void> {
  const amount = 1n + BigInt(dice.below(1_000_000)) * GWEI
  const kind = dice.below(5)
  if (kind === 0) return send(side, to, { token: COIN, amount: 0n, data: '0x1234' })
  const held = kind < 3 ? 0n : await balanceOf(side, wrapped, from)
  if (held === 0n) return send(side, to, { token: COIN, amount, data: '0x' })
  return send(side, to, { token: wrapped, amount: held < amount ? held : amount, data: '0x' })
}
const sendOut = () => sendFrom('nova', WRAPPED_POL, L1_USER.address, NOVA_USER.address)
const sendIn = () => sendFrom('l1', world.at.wrapped, NOVA_USER.address, L1_USER.address)

// What is done to it

const order = async (verb: 'kill' | 'restart', validator: number): Promise<void> => {
  const { text, code } = await run(devnet, [verb, `${validator}`, '--dir', world.net.dir])
  expect([code, text]).toEqual([0, text])
}
async function killed(validators: readonly number[]): Promise<void> {
  await Promise.all(validators.map((each) => order('kill', each)))
  await delay(dice.below(5_000))
  await Promise.all(validators.map((each) => order('restart', each)))
}
const posting = async (): Promise<number> => {
  const asked = await Promise.all(
    world.net.rpc.map((url) => ask(url, 'nova_rollup').catch(() => null) as Promise<{ underway: unknown } | null>),
  )
  const at = asked.findIndex((each) => each !== null && each.underway !== null)
  return at < 0 ? dice.below(VALIDATORS) : at
}
const { anvil_reorg, rise, drop, halt } = {
  anvil_reorg: () => world.anvil.rpc('anvil_reorg', [1 + dice.below(FINAL_BLOCKS - 1), []]),
  rise: () =>
    world.anvil.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(BigInt(100 + dice.below(2_000)) * GWEI).toString(16)}`]),
  /** Everything that waits. */
  async drop() {
    const content = (await world.anvil.rpc('txpool_content')) as {
      pending: Record<string, Record<string, { hash: string }>>
    }
    for (const { hash } of Object.values(content.pending).flatMap((each) => Object.values(each)))
      await world.anvil.rpc('anvil_dropTransaction', [hash]).catch(() => {}) // it may just have gone
  },
  halt: () => delay(3_000 + dice.below(6_000)),
}

/** Messages that were sent, with what is not so, and certificates and proofs of nothing. */
async function rubbish(): Promise<void> {
  const side = dice.pick<Side>(['nova', 'l1'])
  const [sent] = (await logsOf(side, 'MessageSent')).slice(-1 - dice.below(3))
  if (sent === undefined) return
  const message = [...sent.args.message]
  if (dice.chance(0.5)) message[7] = BigInt(message[7]) + WAD
  const proof =
    side === 'l1' ? dice.bytes(dice.below(300)) : [1, COIN.padEnd(66, '0'), [dice.bytes(90)], [dice.bytes(60)]]
  const data = FACES[other(side)].encodeFunctionData('deliver', [message, proof])
  await submit(other(side), HOSTILE, { data })
}

async function round(): Promise<void> {
  weather.push(...[dice.pick([anvil_reorg, anvil_reorg, rise, drop, halt, async () => {}])])
  const [kind, first, second] = [dice.below(10), dice.below(VALIDATORS), dice.below(VALIDATORS)]
  const hostile = rubbish().catch(() => {}) // a node may be dead
  if (kind < 2) relayers[dice.below(RELAYERS.length)]?.process.kill('SIGKILL')
  else if (kind < 5) await killed([await posting()])
  else if (kind < 8) await killed([first])
  else await killed([...new Set([first, second])])
  await hostile
  await delay(2_000 + dice.below(5_000))
}

// What is there in the end

interface Found {
  readonly name: string
  // biome-ignore lint/suspicious/noExplicitAny: ethers' results
  readonly args: any
}
const hex = (value: number): string => `0x${value.toString(16)}`
async function logsIn(
  url: string,
  face: Interface,
  filter: { address: string; topics: readonly string[] },
): Promise<Found[]> {
  const head = Number(await ask(url, 'eth_blockNumber'))
  const found: Found[] = []
  for (let from = 0; from <= head; from += 500) {
    const range = { fromBlock: hex(from), toBlock: hex(Math.min(head, from + 499)) }
    const logs = (await ask(url, 'eth_getLogs', [{ ...filter, ...range }])) as { topics: string[]; data: string }[]
    for (const log of logs) {
      const parsed = face.parseLog(log)
      if (parsed !== null) found.push({ name: parsed.name, args: parsed.args })
    }
  }
  return found
}
const logsOf = (side: Side, name: string): Promise<Found[]> =>
  logsIn(urlOf(side), FACES[side], { address: contractOf(side), topics: [FACES[side].getEvent(name)?.topicHash ?? ''] })

const STATUS = ['none', 'sent', 'refunded', 'delivered', 'refused', 'noticed']
const statusAt = async (side: Side, id: string): Promise<string> => {
  const data = FACES[side].encodeFunctionData('transfer', [id])
  const answer = String(await ask(urlOf(side), 'eth_call', [{ to: contractOf(side), data }, 'latest']))
  return STATUS[Number(answer.slice(0, 66))] ?? answer
}
/** What is not done: `<source> <sequence>: <status there>`. */
async function open(): Promise<string[]> {
  const found: string[] = []
  for (const side of ['nova', 'l1'] as const)
    for (const { args } of await logsOf(side, 'MessageSent')) {
      const there = await statusAt(other(side), args.id)
      const here = there === 'refused' ? await statusAt(side, args.id) : ''
      if (!['delivered', 'noticed'].includes(there) && here !== 'refunded')
        found.push(`${side} ${args.sequence}: ${there} ${here}`)
    }
  return found
}
/** A machine with much to do may keep an answer waiting for longer than is waited for it. */
const calmly = (what: () => Promise<readonly string[]>): Promise<readonly string[]> =>
  what().catch((error: unknown) => {
    const isGone = error instanceof NodeError && error.code === ClientErrors.UNREACHABLE.code
    if (error instanceof Error && (isGone || isLate(error))) return [error.message]
    throw error
  })
async function until(what: () => Promise<readonly string[]>): Promise<void> {
  let [end, said] = [0, '']
  for (;;) {
    const left = await calmly(what)
    if (left.length === 0) return
    if (left.join() !== said) [end, said] = [Date.now() + QUIET_MS, left.join()]
    if (Date.now() > end) {
      console.log(world.net.said(), ...relayers.map((each) => each?.said()))
      expect(left).toEqual([])
    }
    await delay(2_000)
  }
}
const settlementFace = new Interface(NovaSettlement.abi)
const settled = async (): Promise<Found[]> =>
  logsIn(world.anvil.url, settlementFace, {
    ...{ address: world.at.settlement, topics: [settlementFace.getEvent('BatchPosted')?.topicHash ?? ''] },
  })
const blockAt = async (url: string, height: number): Promise<{ hash: string; stateRoot: string }> =>
  (await ask(url, 'eth_getBlockByNumber', [hex(height), false])) as { hash: string; stateRoot: string }

/** A coin each way before anything is done to it: more than ever goes back, so that there is something to be lost. */
const begin = (): Promise<void> =>
  until(async () => {
    const missing: Side[] = []
    for (const side of ['nova', 'l1'] as const) if ((await logsOf(side, 'MessageSent')).length === 0) missing.push(side)
    for (const side of missing)
      await send(side, side === 'nova' ? L1_USER.address : NOVA_USER.address, {
        ...{ token: COIN, amount: WAD, data: '0x' },
      }).catch(() => {}) // it is there already, and not in a block yet
    return missing.length > 0 ? missing : open()
  })

test('after the storm every message is done with, once', async () => {
  await begin()
  running.push(traffic())
  for (let i = 0; i < ROUNDS; i++) await round()
  isCalm = true
  let calmFrom: number | null = null
  await until(async () => {
    const head = await headOf()
    calmFrom ??= head
    // What was sent last is in a block by then.
    return head > calmFrom + 1 ? open() : [`block ${head}`]
  })
  const [out, back] = [await logsOf('nova', 'MessageSent'), await logsOf('l1', 'MessageSent')]
  console.log(`${out.length} messages of NovaChain, ${back.length} of the L1`)
  for (const side of ['nova', 'l1'] as const) {
    const ended = [...(await logsOf(side, 'MessageDelivered')), ...(await logsOf(side, 'MessageRefused'))]
    const ids = ended.map(({ args }) => String(args.id))
    expect(new Set(ids).size).toBe(ids.length)
    const sent = (side === 'nova' ? back : out).filter(({ args }) => BigInt(args.message[8]) === 0n)
    expect(ids.sort()).toEqual(sent.map(({ args }) => String(args.id)).sort())
    const paidBack = (await logsOf(side, 'MessageRefunded')).map(({ args }) => String(args.id))
    const refusedThere = (await logsOf(other(side), 'MessageRefused')).map(({ args }) => String(args.id))
    expect(paidBack.sort()).toEqual(refusedThere.sort())
    console.log(`${side}: ${ids.length} came, ${paidBack.length} paid back`)
  }
  // The storm was one.
  expect(Math.min(out.length, back.length)).toBeGreaterThan(ROUNDS / 2)
})

test('what is locked on one side is out on the other', async () => {
  const supplyOf = async (side: Side, token: string): Promise<bigint> =>
    BigInt(
      String(
        await ask(urlOf(side), 'eth_call', [
          { to: token, data: FACES.token.encodeFunctionData('totalSupply') },
          'latest',
        ]),
      ),
    )
  const locked = { pol: await balanceOf('l1', COIN, world.at.vault), nova: await balanceOf('nova', COIN, BRIDGE) }
  const out = { pol: await supplyOf('nova', WRAPPED_POL), nova: await supplyOf('l1', world.at.wrapped) }
  console.log(locked)
  expect(out).toEqual(locked)
  expect(locked.pol > 0n && locked.nova > 0n).toBe(true)
})

test('batches follow each other, and the chain out of them is the one that the validators have', async () => {
  const height = Number(await ask(world.net.rpc[0] ?? '', 'eth_blockNumber'))
  await until(async () => {
    const at = Number((await settled()).at(-1)?.args.height ?? 0)
    return at >= height ? [] : [`${at} of ${height}`]
  })
  const posted = await settled()
  expect(posted.map(({ args }) => Number(args.seq))).toEqual(posted.map((_, i) => i + 1))
  const heights = posted.map(({ args }) => Number(args.height))
  expect([...new Set(heights)].sort((a, b) => a - b)).toEqual(heights)
  const copy = join(dir, 'copy')
  const made = await novachain(['init', copy, '--genesis', join(world.net.dir, 'node-0', 'genesis.json')])
  expect([made.code, made.text]).toEqual([0, made.text])
  const synced = await novachain([
    'sync',
    '--from-l1',
    world.anvil.url,
    '--settlement',
    world.at.settlement,
    '--dir',
    copy,
  ])
  expect([synced.code, synced.text]).toEqual([0, synced.text])
  expect(synced.json.height).toBeGreaterThanOrEqual(height)
  for (const url of world.net.rpc)
    expect(await blockAt(url, synced.json.height)).toMatchObject({
      hash: synced.json.hash,
      stateRoot: synced.json.stateRoot,
    })
  console.log(`${posted.length} batches, ${synced.json.height} blocks made again in ${synced.json.seconds} s`)
})
