// The poster against a real EVM and the real contracts: deployed by their compiled sources, batches of a real chain over some epochs, while
// the L1 drops, reorganises and grows dear. What the contract holds is the chain, and from its transactions alone a fresh folder becomes it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, concat, equalBytes, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Timers } from '../../chain/base/ports.ts'
import { rlpInt } from '../../chain/base/rlp.ts'
import type { Chain } from '../../chain/chain.ts'
import { decodeNamed } from '../../chain/native/kit/abi.ts'
import { headerTimeMs } from '../../chain/types/block.ts'
import { validatorsHash } from '../../chain/types/validators.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import { ANVIL_CHAIN, ANVIL_SECRETS, type Anvil, startAnvil } from '../../test/kit/anvil.ts'
import { run } from '../../test/kit/commands.ts'
import { Disk } from '../../test/kit/disk.ts'
import { seal } from '../../test/kit/sealed.ts'
import { EPOCH_BLOCKS, mixedChain, settledGenesisText } from '../../test/kit/settled.ts'
import { sync } from '../commands/sync.ts'
import { developmentAccounts } from '../development.ts'
import { accountOf } from '../reporter.ts'
import { noMeter, silent } from '../telemetry.ts'
import { createBatchBuilder } from '../workers/batches.ts'
import { decodeBatch } from './batch.ts'
import { deploy, implementationOf, planDeployment, type Step, survey } from './deploy.ts'
import { LIMITS } from './fitting.ts'
import { createL1 } from './l1.ts'
import { Poster, type PosterOptions } from './poster.ts'
import { openRecord } from './record.ts'
import { blsCertificates, startPoster } from './service.ts'
import { createSettlement, schemeOf } from './settlement.ts'
import { ChainSource } from './source.ts'

installCurves(nativeCurves)
const GWEI = 10n ** 9n
const BLOCKS = 20
/** Of one block, from accounts that its other transactions leave alone, to addresses that are new: three parts of 100 kB. */
const TRANSFERS = 2_500
const SENDERS = developmentAccounts(4).map(({ privateKey }) => privateKey)
const PARTS = 3
const OPTIONS: PosterOptions = {
  ...{ chainId: ANVIL_CHAIN, batchBytes: 100_000, maxAgeMs: 0, holdMs: 3_600_000, turnMs: 0 },
  ...{ holdFeeWei: 500n * GWEI, maxFeeWei: 5_000n * GWEI, tipWei: 30n * GWEI, lowBalanceWei: 0n },
}
let anvil: Anvil
let chain: Chain
let l1: ReturnType<typeof createL1>
let plan: readonly Step[]
const [poor, owner] = ANVIL_SECRETS.map((secret) => accountOf(hexToBytes(secret))) as [
  ReturnType<typeof accountOf>,
  ReturnType<typeof accountOf>,
] // as many as there are secrets
const builder = createBatchBuilder()

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.mine(5)
  chain = await mixedChain(BLOCKS)
  l1 = createL1({ url: anvil.url, chainId: ANVIL_CHAIN })
  const { chainId } = chain.genesis
  const genesisBlock = chain.block(0) ?? expect.fail('it is kept')
  const set = chain.setOf(1) ?? expect.fail('it is known')
  plan = planDeployment({
    ...{ chainId, genesisHash: chain.genesisHash, genesisStateRoot: genesisBlock.header.stateRoot },
    ...{ genesisValidatorsHash: validatorsHash(set), epochBlocks: EPOCH_BLOCKS, verifier: 'bls' },
    ...{ owner: poor.address, delaySeconds: 60, posters: [owner.address], guardian: null },
  })
})
afterAll(async () => {
  await builder.close()
  await chain.close()
  await anvil.close()
})

const world = async (disk: Disk, account = owner) => {
  const address = addressOf()
  const clock = { nowMs: () => nowMs }
  let nowMs = headerTimeMs(chain.head().header)
  const settlement = createSettlement(address)
  const source = new ChainSource(
    { chain, builder, certificates: { bls: blsCertificates(chain) } },
    { encoding: 'full', keys: [] },
  )
  const sender = { chainId: ANVIL_CHAIN, settlement: address, account: account.address }
  const recorder = await openRecord(disk.open().log, sender, silent)
  const poster = new Poster({ l1, settlement, source, account, recorder, clock, log: silent, meter: noMeter }, OPTIONS)
  return {
    poster,
    settlement,
    turn: async (ms = 2_000): Promise<void> => {
      nowMs += ms
      await poster.turn()
    },
  }
}

test('the contracts are deployed once, at addresses that their sources say', async () => {
  const before = await survey(l1, poor.address, plan)
  expect(before.map(({ isThere }) => isThere)).toEqual([false, false, false, false])
  const stood: string[] = []
  const deps = {
    l1,
    account: poor,
    clock: { nowMs: () => 0 },
    pause: () => anvil.mine(),
    done: ({ name }: Step) => void stood.push(name),
  }
  const fees = { chainId: ANVIL_CHAIN, maxFeeWei: 500n * GWEI, tipWei: GWEI }
  await deploy(deps, plan, fees)
  expect(stood).toEqual(['BlsCheckpointVerifier', 'NovaTimelock', 'NovaSettlement', 'NovaProxy'])
  await deploy(deps, plan, fees)
  expect(stood).toHaveLength(4)
  const after = await survey(l1, poor.address, plan)
  expect(after.every(({ isThere, gas }) => isThere && gas === 0n)).toBe(true)
  const { hash } = await l1.block('latest')
  const [, , code, proxy] = plan
  if (code === undefined || proxy === undefined) expect.fail('four contracts')
  expect(equalBytes(await implementationOf(l1, proxy.address, hash), code.address)).toBe(true)
})

test('a dropped transaction, a reorganisation and a dear hour later the contract holds the chain, and its transactions the blocks', async () => {
  await anvil.mine(3)
  const { poster, settlement, turn } = await world(new Disk())
  await turn()
  expect(poster.status).toMatchObject({ waits: 'inclusion', underway: { state: 'sent', seq: 1 } })
  const [first] = poster.status.underway?.attempts ?? []
  if (first === undefined) expect.fail('it was sent')
  // Forgotten by the pool: sent again after 15 s, dearer.
  await anvil.rpc('anvil_dropTransaction', [bytesToHex(first.hash)])
  await turn(20_000)
  expect(poster.status.underway?.attempts).toHaveLength(2)
  // A base fee above the bid, and the hold: nothing is mined, nothing dearer is sent.
  await anvil.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(600n * GWEI).toString(16)}`])
  await anvil.mine()
  await turn(20_000)
  expect(poster.status).toMatchObject({ waits: 'inclusion', latest: { seq: 0 } })
  expect(poster.status.underway?.attempts.every(({ maxFeeWei }) => maxFeeWei <= OPTIONS.holdFeeWei)).toBe(true)
  // This L1 forgets what a block could not take.
  await anvil.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${GWEI.toString(16)}`])
  await anvil.mine()
  await turn(20_000)
  await anvil.mine()
  await turn()
  expect(poster.status).toMatchObject({
    waits: 'finality',
    underway: { state: 'included' },
    latest: { seq: 1, height: EPOCH_BLOCKS },
  })
  // Taken out of the chain, and not put back.
  await anvil.rpc('anvil_reorg', [1, []])
  await turn()
  expect(poster.status.underway?.state).toBe('sent')
  for (let i = 0; poster.status.final?.height !== BLOCKS && i < 100; i++) {
    await anvil.mine()
    await turn()
  }
  const { position } = await positionOf(settlement.address)
  const head = chain.block(BLOCKS) ?? expect.fail('it is kept')
  expect(position).toMatchObject({ seq: 4, height: BLOCKS, epoch: 3 })
  expect(bytesToHex(position.blockHash)).toBe(bytesToHex(head.hash))
  expect(bytesToHex(position.stateRoot)).toBe(bytesToHex(head.header.stateRoot))
  await expectBlocks(settlement.address)
})

test('a poster that knows nothing of it begins where the contract is', async () => {
  await seal(chain, 3)
  const { poster, turn } = await world(new Disk())
  for (let i = 0; poster.status.final?.height !== BLOCKS + 3 && i < 100; i++) {
    await turn()
    await anvil.mine()
  }
  await turn()
  expect(poster.status).toMatchObject({
    posted: { seq: 5, facts: { firstHeight: 21, lastHeight: 23, emptyBlocks: 3 } },
  })
})

test('the poster of a node posts turn by turn, is hurried, and goes on after a restart', async () => {
  await seal(chain, 2)
  const dir = mkdtempSync(join(tmpdir(), 'novachain-poster-'))
  const [settlement, secret] = [addressOf(), hexToBytes(ANVIL_SECRETS[1])]
  const options = {
    ...OPTIONS,
    maxAgeMs: 2_592_000_000,
    coinDollars: '0.09',
    profile: 'polygon',
    encoding: 'full',
  } as const
  const live = async (height: number): Promise<void> => {
    let run = (): void => {}
    let armed = (): void => {}
    const timers: Timers = {
      after(_, next) {
        run = next
        armed()
        return () => {}
      },
    }
    const clock = { nowMs: () => headerTimeMs(chain.head().header) + 1_000 }
    const deps = { chain, operators: null, clock, timers, log: silent, meter: noMeter }
    const service = await startPoster(deps, dir, { ...options, l1Url: anvil.url, settlement, secret, keys: [] })
    service.hurry()
    const final = (): unknown =>
      (service.status() as { readonly finalized: { readonly height: string } | null }).finalized?.height
    for (let i = 0; Number(final()) !== height && i < 100; i++) {
      const turned = new Promise<void>((resolve) => {
        armed = resolve
      })
      run()
      await turned
      await anvil.mine()
      if (i % 10 === 9) service.hurry()
    }
    expect(service.status()).toMatchObject({ stopped: null, finalized: { height: `0x${height.toString(16)}` } })
    await service.close()
  }
  await live(24)
  await live(25)
  rmSync(dir, { recursive: true })
})

test('a block of 2,500 transfers, which no transaction holds, goes in parts; killed after each, the poster goes on', async () => {
  const number = await sealLarge(0)
  const disk = new Disk()
  let [poster, turn] = [null as Poster | null, async (): Promise<void> => {}]
  const parts = new Set<number>()
  for (let i = 0; poster?.status.posted?.facts.lastHeight !== number && i < 100; i++) {
    const part = poster?.status.underway?.part ?? 0
    if (poster === null || !parts.has(part)) {
      parts.add(part)
      disk.crash()
      ;({ poster, turn } = await world(disk))
    }
    await turn()
    await anvil.mine()
  }
  const { posted } = poster?.status ?? expect.fail('one that runs')
  expect(posted).toMatchObject({ parts: PARTS, facts: { firstHeight: number, transactions: TRANSFERS } })
  expect([posted?.paid.length, parts.size]).toEqual([PARTS, PARTS])
  expect(posted?.facts.sizeBytes).toBeGreaterThan(LIMITS.transactionBytes)
  const sizes = await Promise.all((posted?.paid ?? []).map(({ tx }) => sizeOf(tx)))
  expect(Math.max(...sizes)).toBeLessThan(LIMITS.transactionBytes)
}, 180_000)

test('its record is lost with the first part posted: from the contract’s log another account supplies the rest, and no more', async () => {
  const number = await sealLarge(TRANSFERS / SENDERS.length)
  const { poster, turn } = await world(new Disk())
  for (let i = 0; poster.status.latest?.height !== number && i < 100; i++) {
    await turn()
    await anvil.mine()
  }
  expect(poster.status.underway).toMatchObject({ part: 0, others: { length: PARTS - 1 } })
  // This account may not post: supplying is everybody's.
  const other = await world(new Disk(), poor)
  const supplied = (): Promise<number> => countOf(abi.events.BatchSupplied.topic)
  const before = await supplied()
  for (let i = 0; (await supplied()) < before + PARTS - 1 && i < 100; i++) {
    await other.turn()
    await anvil.mine()
  }
  for (let i = 0; i < 10; i++) {
    await other.turn()
    await anvil.mine()
  }
  expect(other.poster.status).toMatchObject({ waits: 'blocks', underway: null, gaps: 0, latest: { height: number } })
  expect(await supplied()).toBe(before + PARTS - 1)
}, 180_000)

test('a folder with the genesis file alone becomes the chain, from what the contract’s transactions hold', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-derived-'))
  writeFileSync(join(dir, 'genesis.json'), settledGenesisText())
  const said = await run(sync, ['--dir', dir, '--from-l1', anvil.url, '--settlement', bytesToHex(addressOf())])
  const { number, stateRoot } = chain.head().header
  expect(said).toMatchObject({ code: 0, json: { height: number, blocks: number, stateRoot: bytesToHex(stateRoot) } })
  expect(said.json.hash).toBe(bytesToHex(chain.head().hash))
  rmSync(dir, { recursive: true })
})

test('whose signatures a contract asks for is asked of its verifier', async () => {
  const { chainId } = chain.genesis
  const genesisBlock = chain.block(0) ?? expect.fail('it is kept')
  const other = planDeployment({
    ...{ chainId, genesisHash: chain.genesisHash, genesisStateRoot: genesisBlock.header.stateRoot },
    ...{
      genesisValidatorsHash: validatorsHash(chain.setOf(1) ?? expect.fail('it is known')),
      epochBlocks: EPOCH_BLOCKS,
    },
    ...{ verifier: 'ecdsa', owner: poor.address, delaySeconds: 60, posters: [owner.address], guardian: null },
  })
  const deps = { l1, account: poor, clock: { nowMs: () => 0 }, pause: () => anvil.mine(), done: () => {} }
  await deploy(deps, other, { chainId: ANVIL_CHAIN, maxFeeWei: 500n * GWEI, tipWei: GWEI })
  const { hash } = await l1.block('latest')
  const contract = other.at(-1)?.address ?? expect.fail('four contracts')
  expect([await schemeOf(l1, contract, hash), await schemeOf(l1, addressOf(), hash)]).toEqual(['ecdsa', 'bls'])
})

test('an account that may not post is refused by name, and spends nothing', async () => {
  await seal(chain, 1)
  const { hash } = await l1.block('latest')
  const settlement = createSettlement(plan.at(-1)?.address ?? expect.fail('four contracts'))
  const position = settlement.position(await l1.call(settlement.address, settlement.question, hash))
  const nothing = {
    data: Uint8Array.of(1),
    checkpoint: { header: new Uint8Array(1), section: new Uint8Array(0) },
    certificate: new Uint8Array(0),
  }
  const { payload: data } = settlement.post(position, nothing)
  const refused = await l1
    .estimate({ from: poor.address, to: settlement.address, data })
    .catch((error: unknown) => error)
  const { output } = (refused as { readonly data: { readonly output: string } }).data // L1_REFUSED has it
  expect(settlement.explain(hexToBytes(output))).toBe(`NotPoster(caller ${bytesToHex(poor.address)})`)
})

/** A block of transfers that no transaction of the L1 holds; its height. `nonce`: how many each sender has sent so far. */
const sealLarge = async (nonce: number): Promise<number> => {
  const { chainId } = chain.genesis
  const fees = { chainId, gasLimit: 21_000n, maxFeeWei: 10n ** 11n, maxTipWei: 10n ** 9n, data: new Uint8Array(0) }
  for (const secret of SENDERS) {
    const sender = accountOf(hexToBytes(secret))
    for (let i = nonce; i < nonce + TRANSFERS / SENDERS.length; i++) {
      const to = asAddress(keccak(concat(sender.address, rlpInt(i))).subarray(12))
      await chain.submit(await sender.sign({ ...fees, nonce: BigInt(i), to }), 'local')
    }
  }
  await seal(chain, 1)
  const { number } = chain.head().header
  expect(chain.txs(number)).toHaveLength(TRANSFERS)
  return number
}
/** Logs of the contract with a first topic. */
const countOf = async (topic: string): Promise<number> => {
  const filter = { address: bytesToHex(addressOf()), topics: [topic], fromBlock: '0x0', toBlock: 'latest' }
  return ((await anvil.rpc('eth_getLogs', [filter])) as readonly unknown[]).length
}
/** Of the input of a transaction in a block. */
const sizeOf = async (tx: Uint8Array): Promise<number> => {
  const { input } = (await anvil.rpc('eth_getTransactionByHash', [bytesToHex(tx)])) as { readonly input: string }
  return hexToBytes(input).length
}
const addressOf = () => plan.at(-1)?.address ?? expect.fail('the last is the proxy')

const positionOf = async (address: Parameters<typeof createSettlement>[0]) => {
  const settlement = createSettlement(address)
  const { hash } = await l1.block('latest')
  return { position: settlement.position(await l1.call(address, settlement.question, hash)) }
}

/** The contract's log names each batch's transaction, whose input decodes to the blocks of this chain. */
const expectBlocks = async (address: Uint8Array): Promise<void> => {
  const filter = {
    address: bytesToHex(address),
    topics: [abi.events.BatchPosted.topic],
    fromBlock: '0x0',
    toBlock: 'latest',
  }
  const logs = (await anvil.rpc('eth_getLogs', [filter])) as { readonly transactionHash: string }[]
  const heights: number[] = []
  let accumulator = asHash(new Uint8Array(32))
  for (const { transactionHash } of logs) {
    const { input } = (await anvil.rpc('eth_getTransactionByHash', [transactionHash])) as { readonly input: string }
    const call = decodeNamed(abi.functions.post.inputs, hexToBytes(input).subarray(4))
    expect(bytesToHex(call.previousAccumulator)).toBe(bytesToHex(accumulator))
    const before = { ...(await positionOf(asAddressOf(address))).position, seq: Number(call.seq) - 1, accumulator }
    const posting = { data: call.batch, checkpoint: call.checkpoint, certificate: call.certificate }
    accumulator = createSettlement(asAddressOf(address)).post(before, posting).accumulator
    const { outlines } = decodeBatch(call.batch, { chainId: chain.genesis.chainId })
    heights.push(...outlines.map(({ height }) => height))
    expect(bytesToHex(keccak(call.checkpoint.header))).toBe(
      bytesToHex(chain.block(heights.at(-1) ?? 0)?.hash ?? new Uint8Array(0)),
    )
  }
  expect(heights).toEqual(Array.from({ length: BLOCKS }, (_, i) => i + 1))
  expect(bytesToHex((await positionOf(asAddressOf(address))).position.accumulator)).toBe(bytesToHex(accumulator))
}
const asAddressOf = (bytes: Uint8Array) => bytes as Parameters<typeof createSettlement>[0]
