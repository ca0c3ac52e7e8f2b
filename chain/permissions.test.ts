// Lists of who may send and deploy, on a chain: what waits, what a block may hold, what a call answers, and the same on both engines and in the lane.
import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { createDice } from '../test/kit/dice.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { asAddress, bytesToHex, type Hex, hexToBytes } from './base/bytes.ts'
import { openCalls, reexecute, replayOnBoth } from './calls.ts'
import { PARAMS } from './native/index.ts'
import { type AbiFunction, encodeCall } from './native/kit/abi.ts'
import { abi } from './native/params/abi.ts'
import { headerHash } from './types/block.ts'
import type { CallJob } from './types/call.ts'
import { parseGenesis } from './types/genesis.ts'
import type { Sampler, Witness } from './types/witness.ts'

const governor = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const alice = new Wallet('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a')
const bob = new Wallet('0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6')
const BLOCK_MODE = 2n
const ALLOW = 1n
const genesisWith = (permissions?: object) => {
  const json = JSON.parse(readFileSync(new URL('../genesis.json', import.meta.url), 'utf8'))
  json.novachain.modules.params.governance = governor.address
  if (permissions !== undefined) json.novachain.modules.params.permissions = permissions
  return parseGenesis(JSON.stringify(json))
}
/** Whose initcode makes a contract out of three bytes and keeps its address in slot 0: PUSH… CREATE, SSTORE, STOP. */
const FACTORY: Hex = '0x600060006000f0600055600160015500'
/** Deploys that as a contract's code. */
const DEPLOY: Hex = `0x${'6f'}${FACTORY.slice(2)}${'600052'}${'60106010f3'}`

const open = async (choice: { evm?: 'fast' | 'reference'; permissions?: object; sampler?: Sampler } = {}) => {
  const genesis = genesisWith(choice.permissions)
  const { sampler, evm } = choice
  const memory = await openMemoryChain({ genesis, ...(sampler && { sampler }), ...(evm && { evm }) })
  const nonces = new Map<Wallet, number>()
  const sign = async (by: Wallet, tx: { to?: Hex; data?: Hex; value?: bigint }) => {
    const nonce = nonces.get(by) ?? 0
    const base = { chainId: genesis.chainId, type: 2, maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n }
    return hexToBytes(await by.signTransaction({ ...base, nonce, gasLimit: 400_000n, ...tx }))
  }
  const send = async (by: Wallet, tx: { to?: Hex; data?: Hex; value?: bigint }) => {
    const hash = await memory.chain.submit(await sign(by, tx), 'local')
    nonces.set(by, (nonces.get(by) ?? 0) + 1)
    return hash
  }
  const govern = <K extends keyof typeof abi.functions>(name: K, ...args: readonly unknown[]) =>
    send(governor, {
      to: bytesToHex(PARAMS),
      data: bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never)),
    })
  /** Statuses of what the next block holds. */
  const seal = async () => {
    const block = await memory.seal()
    return memory.chain.receipts(block.header.number)?.map(({ status }) => status) ?? []
  }
  /** After what waited may have left the pool. */
  const recount = (by: Wallet): void => {
    const { header } = memory.chain.head()
    nonces.set(by, Number(memory.chain.at(header.number).account(asAddress(addressOf(by)))?.nonce ?? 0n))
  }
  return { ...memory, genesis, sign, send, govern, seal, recount }
}
const addressOf = (wallet: Wallet) => hexToBytes(wallet.address.toLowerCase() as Hex)
const refused = (code: string) => expect.objectContaining({ code })

test('off: everybody may, and not a word of it is in state', async () => {
  const { chain, send, seal } = await open()
  await send(alice, { to: bob.address as Hex, value: 1n })
  expect(await seal()).toEqual([1])
  for (const slot of [6n, 8n, 9n]) expect(chain.at(1).slot(PARAMS, slot)).toBe(0n)
})

test('a sender who is blocked: what waits of him leaves the pool, nothing more comes in, and no block may hold it', async () => {
  const { chain, build, send, govern, seal } = await open()
  await send(alice, { to: bob.address as Hex, value: 1n })
  const block = await build() // with alice’s
  await govern('addToList', 'senders', [addressOf(alice)])
  await govern('setListMode', 'senders', BLOCK_MODE)
  const other = await open()
  for (const [name, ...args] of [
    ['addToList', 'senders', [addressOf(alice)]],
    ['setListMode', 'senders', BLOCK_MODE],
  ] as const)
    await other.govern(name, ...args)
  await other.seal()
  // The same transaction in a block on a chain where she is blocked.
  expect(block.txs).toHaveLength(1)
  await expect(other.send(alice, { to: bob.address as Hex, value: 1n })).rejects.toEqual(
    refused('TX_SENDER_NOT_PERMITTED'),
  )
  await seal() // hers comes first or last: she was on no list when the block began
  expect(chain.pool.senders()).toEqual([])
  await expect(send(alice, { to: bob.address as Hex, value: 2n })).rejects.toMatchObject({
    code: 'TX_SENDER_NOT_PERMITTED',
    message: expect.stringContaining(alice.address.toLowerCase()),
  })
  await send(bob, { to: alice.address as Hex, value: 1n })
  await govern('removeFromList', 'senders', [addressOf(alice)])
  expect(await seal()).toEqual([1, 1])
  await send(alice, { to: bob.address as Hex, value: 3n })
  expect(await seal()).toEqual([1])
})

test('what waits when its sender is blocked leaves the pool with the block that says so', async () => {
  const { chain, send, govern, seal } = await open()
  await govern('setListMode', 'senders', BLOCK_MODE)
  await seal()
  await send(alice, { to: bob.address as Hex, value: 1n })
  await send(alice, { to: bob.address as Hex, value: 2n })
  await govern('addToList', 'senders', [addressOf(alice)])
  const statuses = await seal()
  expect(chain.pool.senders()).toEqual([])
  expect(statuses.length).toBeLessThanOrEqual(3)
  expect(chain.at(2).account(asAddress(addressOf(alice)))?.nonce).toBeLessThanOrEqual(2n)
})

test('a block with a transaction of who may not send is invalid, on either engine and in the lane', async () => {
  const free = await open()
  await free.govern('addToList', 'senders', [addressOf(bob)])
  await free.govern('setListMode', 'senders', ALLOW)
  const first = await free.build()
  for (const evm of ['fast', 'reference'] as const) {
    const { chain, certify, build, sign } = await open({ evm })
    await chain.commit(first, certify(first))
    const empty = await build()
    for (const tx of [
      { to: bob.address as Hex, value: 1n },
      { to: bytesToHex(PARAMS), data: '0x5aa68ac0' as Hex },
    ]) {
      const raw = await sign(alice, tx)
      const header = { ...empty.header, gasUsed: 21_000n }
      await expect(chain.verify({ ...empty, header, hash: headerHash(header), txs: [raw] })).rejects.toMatchObject({
        code: 'BLOCK_INVALID',
        message: expect.stringContaining('sender not permitted'),
      })
    }
  }
})

test.each(['fast', 'reference'] as const)(
  '%s: who may not deploy neither sends a creation nor makes a contract by another’s factory',
  async (evm) => {
    const { chain, kv, genesis, send, govern, seal } = await open({ evm })
    await send(bob, { data: DEPLOY })
    await seal()
    const factory = chain.receipts(1)?.[0]?.created ?? asAddress(new Uint8Array(20))
    expect(chain.at(1).account(factory)).toBeDefined()
    await govern('addToList', 'deployers', [addressOf(bob)])
    await govern('setListMode', 'deployers', ALLOW)
    await seal()
    await expect(send(alice, { data: DEPLOY })).rejects.toEqual(refused('TX_DEPLOYER_NOT_PERMITTED'))
    await send(alice, { to: bytesToHex(factory) })
    expect(await seal()).toEqual([1])
    const made = () => [
      chain.at(chain.head().header.number).slot(factory, 0n),
      chain.at(chain.head().header.number).slot(factory, 1n),
    ]
    expect(made()).toEqual([0n, 1n]) // CREATE answered 0, and the code went on
    expect(chain.at(3).account(factory)?.nonce).toBe(1n)
    await send(bob, { to: bytesToHex(factory) })
    await seal()
    expect(made()[0]).not.toBe(0n)
    await govern('setListMode', 'senders', BLOCK_MODE)
    await send(governor, { data: DEPLOY }) // governance may always
    expect(await seal()).toEqual([1, 1])
    // Calls say the same, on either engine.
    const nothing = {
      ...{ gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n, nonce: null },
      ...{ accessList: null, authorizations: null, to: null, input: hexToBytes(DEPLOY) },
    }
    for (const name of ['fast', 'reference'] as const) {
      const calls = openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: 50_000_000n, evm: name })
      const as = (wallet: Wallet, height: number) => {
        const request = { ...nothing, from: asAddress(addressOf(wallet)) }
        const job: CallJob = { kind: 'call', height, pending: false, request, state: [], block: null }
        return calls.run(job).then(
          () => 'success',
          (error: { code: string }) => error.code,
        )
      }
      expect([await as(alice, 1), await as(alice, 3), await as(bob, 3)]).toEqual([
        ...['success', 'TX_DEPLOYER_NOT_PERMITTED', 'success'],
      ])
    }
    expect(await reexecute(kv, genesis, { from: null, to: null }, () => {})).toMatchObject({ from: 1, to: 5 })
  },
)

test('a genesis whose founders let in nobody else', async () => {
  const { send, seal } = await open({ permissions: { senders: { mode: 'allow', members: [bob.address] } } })
  await expect(send(alice, { to: bob.address as Hex, value: 1n })).rejects.toEqual(refused('TX_SENDER_NOT_PERMITTED'))
  await send(bob, { to: alice.address as Hex, value: 1n })
  expect(await seal()).toEqual([1])
})

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
test(`random blocks under lists that change in them: both engines agree, and so does what ran again alone (SEED=${seed})`, async () => {
  const dice = createDice(seed)
  const witnesses: Witness[] = []
  const sampler = { wants: () => true, take: (witness: Witness) => void witnesses.push(witness) }
  const [made, judge] = [await open({ evm: 'fast', sampler }), await open({ evm: 'reference' })]
  await made.send(governor, { data: DEPLOY })
  const commit = async () => {
    const block = await made.build()
    await made.chain.commit(block, made.certify(block))
    await judge.chain.verify(block)
    await judge.chain.commit(block, judge.certify(block))
    expect(bytesToHex(judge.chain.head().hash)).toBe(bytesToHex(block.hash))
  }
  await commit()
  const factory = made.chain.receipts(1)?.[0]?.created ?? expect.fail('it is there')
  const [all, lists] = [
    [governor, alice, bob],
    ['senders', 'deployers'],
  ]
  let refusals = 0
  /** Nonces are of the head: what left the pool leaves no gap. */
  const one = async (): Promise<void> => {
    const [by, list, members] = [dice.pick(all), dice.pick(lists), [addressOf(dice.pick(all))]]
    const kinds = [
      () => made.send(by, { to: bytesToHex(factory) }),
      () => made.send(by, { data: DEPLOY }),
      () => made.send(by, { to: dice.pick(all).address as Hex, value: 1n }),
      () => made.govern('addToList', list, members),
      () => made.govern('removeFromList', list, members),
      () => made.govern('setListMode', list, BigInt(dice.below(3))),
    ]
    await dice
      .pick(kinds)()
      .catch((error: { code: string }) => {
        expect(['TX_SENDER_NOT_PERMITTED', 'TX_DEPLOYER_NOT_PERMITTED']).toContain(error.code)
        refusals++
      })
  }
  for (let height = 2; height <= 8; height++) {
    for (let i = dice.below(9); i > 0; i--) await one()
    await commit()
    for (const wallet of all) made.recount(wallet)
  }
  for (const witness of witnesses)
    expect(await replayOnBoth(made.genesis, witness)).toEqual({ reference: null, fast: null })
  expect(witnesses.length + refusals).toBeGreaterThan(0)
})
