// A chain made again from a real EVM and the real contracts, by the command as a process: batches whole, in parts, and supplied in place of
// junk; a process that is killed between any two of them; and batches that decode well and are lies.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, asAddress, asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { checkStore, createChainEngine } from '../../chain/calls.ts'
import type { Chain } from '../../chain/chain.ts'
import { type Deriver, openDeriver } from '../../chain/derive.ts'
import { encodeCall } from '../../chain/native/kit/abi.ts'
import { createMemoryKv, openKv } from '../../chain/store/kv.ts'
import { encodeHeader } from '../../chain/types/block.ts'
import { encodeBlsCertificate } from '../../chain/types/checkpoint.ts'
import type { Outline } from '../../chain/types/outline.ts'
import { SYSTEM_SENDER, SYSTEM_TARGET } from '../../chain/types/system-tx.ts'
import { validatorsHash } from '../../chain/types/validators.ts'
import { ROUND_MAX } from '../../chain/types/vote.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import { ANVIL_CHAIN, ANVIL_SECRETS, type Anvil, startAnvil } from '../../test/kit/anvil.ts'
import { main, novachain } from '../../test/kit/commands.ts'
import { createDice, type Dice } from '../../test/kit/dice.ts'
import {
  batchOf,
  cutsOf,
  EPOCH_BLOCKS,
  mixedChain,
  type Posted,
  postedOf,
  settledGenesis,
  settledGenesisText,
} from '../../test/kit/settled.ts'
import { SETTLEMENT, serveSettled } from '../../test/kit/settled-l1.ts'
import { accountOf } from '../reporter.ts'
import { decodeBatch, splitBatch } from './batch.ts'
import { deploy, planDeployment } from './deploy.ts'
import { createL1, type L1 } from './l1.ts'
import { createSettlement } from './settlement.ts'
import type { Encoding } from './tx-columns.ts'

installCurves(nativeCurves)
const GWEI = 10n ** 9n
const account = accountOf(hexToBytes(ANVIL_SECRETS[0]))
let anvil: Anvil
let l1: L1
let chain: Chain
const dirs: string[] = []

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.mine(5)
  l1 = createL1({ url: anvil.url, chainId: ANVIL_CHAIN })
  chain = await mixedChain()
})
afterAll(async () => {
  await anvil.close()
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-derive-'))
  dirs.push(dir)
  writeFileSync(join(dir, 'genesis.json'), settledGenesisText())
  return dir
}

const deployed = async (): Promise<Address> => {
  const plan = planDeployment({
    ...{ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash, epochBlocks: EPOCH_BLOCKS, verifier: 'bls' },
    genesisStateRoot: chain.block(0)?.header.stateRoot ?? expect.fail('it is kept'),
    genesisValidatorsHash: validatorsHash(chain.setOf(1) ?? expect.fail('it is known')),
    ...{ owner: account.address, delaySeconds: 60, posters: [account.address], guardian: null },
  })
  const deps = { l1, account, clock: { nowMs: () => 0 }, pause: () => anvil.mine(), done: () => {} }
  await deploy(deps, plan, { chainId: ANVIL_CHAIN, maxFeeWei: 500n * GWEI, tipWei: GWEI })
  return plan.at(-1)?.address ?? expect.fail('the last is the proxy')
}

const send = async (to: Address, data: Uint8Array): Promise<void> => {
  const { hash, baseFeeWei } = await l1.block('latest')
  const nonce = await l1.nonce(account.address, hash)
  const gasLimit = (await l1.estimate({ from: account.address, to, data })) * 2n
  const fees = { maxFeeWei: 2n * baseFeeWei + GWEI, maxTipWei: GWEI }
  const raw = await account.sign({ chainId: ANVIL_CHAIN, nonce, to, data, gasLimit, ...fees })
  await l1.send(raw)
  await anvil.mine()
  expect((await l1.receipt(keccak(raw)))?.isSuccess).toBe(true)
}

test('a fresh folder with the genesis becomes the chain out of the contract’s data', async () => {
  const address = await deployed()
  const settlement = createSettlement(address)
  for (const { seq, height, bytes, section } of postedOf(chain, cutsOf(chain, 4), () => 'full')) {
    const { hash } = await l1.block('latest')
    const position = settlement.position(await l1.call(address, settlement.question, hash))
    const [block, qc, set] = [chain.block(height), chain.commitOf(height), chain.setOf(height)]
    if (block === null || qc === null || set === null) expect.fail('they are kept')
    const [first, ...others] = seq === 3 ? splitBatch(bytes, 600) : [bytes]
    const data = seq === 2 ? Uint8Array.of(1, 2, 3) : (first ?? bytes)
    const checkpoint = { header: encodeHeader(block.header), section }
    await send(
      address,
      settlement.post(position, { data, checkpoint, certificate: encodeBlsCertificate(qc, set) }).payload,
    )
    for (const part of seq === 2 ? [Uint8Array.of(7), bytes] : others)
      await send(address, encodeCall(abi.functions.supply, [BigInt(seq), part]))
  }
  const dir = folder()
  const argv = ['sync', '--dir', dir, '--from-l1', anvil.url, '--settlement', bytesToHex(address)]
  const { code, json, text } = await novachain(argv)
  expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining('"done":true') })
  const { hash, header } = chain.head()
  expect(json).toMatchObject({ height: 20, hash: bytesToHex(hash), stateRoot: bytesToHex(header.stateRoot) })
  expect((await novachain(argv)).json).toMatchObject({ height: 20, batches: 0 })
  const kv = await openKv(join(dir, 'db'))
  expect(await checkStore(kv, chain.genesisHash)).toMatchObject({ height: 20 })
  await kv.close()
})

/** Runs the command and kills it when it asks for the input of this many batches, some of which it asks for ahead; answers how many are done. */
const killedAt = async (dir: string, posted: readonly Posted[], asks: number): Promise<number> => {
  let left = asks
  const server = await serveSettled(posted, (method) => {
    if (method === 'eth_getTransactionByHash' && --left === 0) child.kill('SIGKILL')
    return undefined
  })
  const argv = ['sync', '--dir', dir, '--from-l1', server.url, '--settlement', bytesToHex(SETTLEMENT)]
  const child = spawn(process.execPath, [main, ...argv, '--keep', 'state'], { stdio: 'ignore' })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
  server.close()
  const deriver = await open(await openKv(join(dir, 'attested')))
  const { header, hash } = deriver.head()
  await deriver.close()
  expect([0, ...posted.map(({ height }) => height)]).toContain(header.number)
  expect(bytesToHex(hash)).toBe(bytesToHex(hashOf(header.number)))
  return posted.filter(({ height }) => height <= header.number).length
}
const hashOf = (height: number) => chain.block(height)?.hash ?? chain.genesisHash
const open = (kv: Kv): Promise<Deriver> => {
  const genesis = settledGenesis()
  const options = { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, keep: 'state' } as const
  const deps = { kv, engine: createChainEngine(genesis), pause: async () => {} }
  return openDeriver(deps, genesis, { ...options, genesisHash: chain.genesisHash })
}

test('killed at any batch, the same command goes on', async () => {
  const posted = postedOf(chain, cutsOf(chain, 2), (seq) => (seq % 2 === 0 ? 'full' : 'attested'))
  const dir = folder()
  const kills: number[] = []
  // From the sixth on, one is asked for when another is done.
  for (const asks of [1, 6, 7, 6, 2]) {
    const done = kills.at(-1) ?? 0
    kills.push(await killedAt(dir, posted, Math.min(asks, posted.length - done)))
    expect(kills.at(-1)).toBeGreaterThanOrEqual(done)
  }
  expect(kills[1]).toBeGreaterThanOrEqual(1)
  const server = await serveSettled(posted)
  const argv = ['sync', '--dir', dir, '--from-l1', server.url, '--settlement', bytesToHex(SETTLEMENT)]
  const { json } = await novachain([...argv, '--keep', 'state'])
  server.close()
  const batches = posted.length - (kills.at(-1) ?? 0)
  expect(json).toMatchObject({ height: 20, batches, hash: bytesToHex(chain.head().hash) })
})

type Lie = (outline: Outline, dice: Dice) => Partial<Outline>
const whoIn = (dice: Dice): Address =>
  dice.pick([
    asAddress(dice.bytes(20)),
    asAddress(new Uint8Array(20)),
    SYSTEM_SENDER,
    SYSTEM_TARGET,
    chain.block(3)?.header.coinbase ?? SETTLEMENT,
  ])
const LIES: readonly Lie[] = [
  ({ timeMs }, dice) => ({ timeMs: timeMs + dice.pick([-100_000, -1, 1, 1_000, 1e9, 1e12]) }),
  (_, dice) => ({ coinbase: whoIn(dice) }),
  ({ lastCommit }, dice) => {
    const bitmap = dice.pick([
      Uint8Array.of(0),
      Uint8Array.of(1),
      Uint8Array.of(255),
      new Uint8Array(0),
      new Uint8Array(256),
    ])
    return { lastCommit: lastCommit === null ? null : { ...lastCommit, bitmap } }
  },
  (_, dice) => ({ round: dice.pick([1, 2, 1_000, ROUND_MAX]) }),
  ({ senders }, dice) => ({ senders: senders?.map((sender) => (dice.chance(0.5) ? whoIn(dice) : sender)) ?? null }),
  ({ hasSystemTx }) => ({ hasSystemTx: !hasSystemTx }),
  ({ senders }) => ({ txs: [], senders: senders === null ? null : [] }),
  ({ txs }, dice) => ({
    txs: txs.map((raw) => {
      const bad = raw.slice()
      bad[dice.below(bad.length)] = dice.below(256)
      return bad
    }),
  }),
  ({ txs, senders }) => ({ txs: [...txs, ...txs], senders: senders === null ? null : [...senders, ...senders] }),
  ({ proof }, dice) => ({
    proof:
      proof.kind === 'full'
        ? { ...proof, reveal: dice.bytes(96) }
        : { ...proof, prevRandao: asHash(new Uint8Array(32)) },
  }),
]

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
test(`blocks that are lies run into nothing but a refusal, and the head stays, SEED=${seed}`, async () => {
  const dice = createDice(seed)
  const deriver = await open(createMemoryKv())
  const { chainId } = chain.genesis
  const read = (from: number, to: number, encoding: Encoding) =>
    decodeBatch(batchOf(chain, from, to, encoding), { chainId })
  await deriver.derive(read(1, 6, 'full'), { height: 6, hash: hashOf(6), section: null })
  for (let i = 0; i < Number(process.env.RUNS ?? 300); i++) {
    const { outlines, commit } = read(7, 12, dice.pick(['full', 'attested'] as const))
    const at = dice.below(outlines.length)
    const lied = outlines.map((outline, k) => (k === at ? { ...outline, ...dice.pick(LIES)(outline, dice) } : outline))
    // Under a name that no block has, so that a lie about nothing is refused too.
    const derived = deriver.derive({ outlines: lied, commit }, { height: 12, hash: chain.genesisHash, section: null })
    await expect(derived).rejects.toMatchObject({ code: 'DERIVE_FALSE' })
    expect(deriver.head().header.number).toBe(6)
  }
  await deriver.derive(read(7, 12, 'attested'), { height: 12, hash: hashOf(12), section: null })
})
