// Operators' signatures in place of the CommitQC: four validators, the contract on anvil with the verifier that reads such, and a poster at one of
// them. What it gathers the contract takes, over an epoch's end too; too few, a stranger's, one twice and another block's it names and refuses.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { checkpointDigest, encodeEcdsaCertificate, type OperatorSignature } from '../../chain/types/checkpoint.ts'
import { validatorsHash } from '../../chain/types/validators.ts'
import { ANVIL_CHAIN, ANVIL_SECRETS, type Anvil, startAnvil } from '../../test/kit/anvil.ts'
import { type Cluster, createCluster, type Member } from '../../test/kit/cluster.ts'
import { Disk } from '../../test/kit/disk.ts'
import { developmentAccounts } from '../development.ts'
import { accountOf } from '../reporter.ts'
import { Kernel } from '../sim/kernel.ts'
import { noMeter, silent } from '../telemetry.ts'
import { createBatchBuilder } from '../workers/batches.ts'
import { deploy, planDeployment } from './deploy.ts'
import { createL1 } from './l1.ts'
import { Poster } from './poster.ts'
import { openRecord } from './record.ts'
import { blsCertificates } from './service.ts'
import { createSettlement } from './settlement.ts'
import { ChainSource } from './source.ts'

installCurves(nativeCurves)
const GWEI = 10n ** 9n
const EPOCH_BLOCKS = 10
const ALL = [0, 1, 2, 3]
const OPTIONS = {
  ...{ chainId: ANVIL_CHAIN, batchBytes: 100_000, maxAgeMs: 0, holdMs: 3_600_000, turnMs: 0 },
  ...{ holdFeeWei: 500n * GWEI, maxFeeWei: 5_000n * GWEI, tipWei: 30n * GWEI, lowBalanceWei: 0n },
}
const kernel = new Kernel()
const builder = createBatchBuilder()
let anvil: Anvil
let cluster: Cluster
const members: Member[] = []
let l1: ReturnType<typeof createL1>
let settlement: ReturnType<typeof createSettlement>
const [owner, poster] = ANVIL_SECRETS.map((secret) => accountOf(hexToBytes(secret))) as [
  ReturnType<typeof accountOf>,
  ReturnType<typeof accountOf>,
] // as many as there are secrets
const first = (): Member => members[0] ?? expect.fail('it runs')

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.mine(5)
  const epochs = { blocks: EPOCH_BLOCKS, rolls: [ALL] }
  cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, kernel, epochs })
  for (const index of ALL) members.push(await cluster.start(index))
  await reach(EPOCH_BLOCKS + 2)
  l1 = createL1({ url: anvil.url, chainId: ANVIL_CHAIN })
  const { chain } = first()
  const genesisBlock = chain.block(0) ?? expect.fail('it is kept')
  const plan = planDeployment({
    ...{ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash, epochBlocks: EPOCH_BLOCKS },
    genesisStateRoot: genesisBlock.header.stateRoot,
    genesisValidatorsHash: validatorsHash(chain.setOf(1) ?? expect.fail('it is known')),
    ...{ verifier: 'ecdsa', owner: owner.address, delaySeconds: 60, posters: [poster.address], guardian: null },
  })
  const deps = { l1, account: owner, clock: { nowMs: () => 0 }, pause: () => anvil.mine(), done: () => {} }
  await deploy(deps, plan, { chainId: ANVIL_CHAIN, maxFeeWei: 500n * GWEI, tipWei: GWEI })
  settlement = createSettlement(plan.at(-1)?.address ?? expect.fail('four contracts'))
})
afterAll(async () => {
  await builder.close()
  await cluster?.close()
  await anvil?.close()
})

const reach = async (height: number): Promise<void> => {
  const isThere = (): boolean => members.every(({ chain }) => chain.head().header.number >= height)
  expect(await kernel.run(kernel.nowMs + 600_000, isThere)).toBe(true)
}
const positionNow = async () => {
  const { hash } = await l1.block('latest')
  return settlement.position(await l1.call(settlement.address, settlement.question, hash))
}
const open = async (certificates: ConstructorParameters<typeof ChainSource>[0]['certificates']) => {
  const { chain } = first()
  const source = new ChainSource({ chain, builder, certificates }, { encoding: 'full', keys: [] })
  const sender = { chainId: ANVIL_CHAIN, settlement: settlement.address, account: poster.address }
  const recorder = await openRecord(new Disk().open().log, sender, silent)
  const ports = { clock: { nowMs: () => 1_900_000_000_000 + kernel.nowMs }, log: silent, meter: noMeter }
  return { source, poster: new Poster({ l1, settlement, source, account: poster, recorder, ...ports }, OPTIONS) }
}

test('what the words of three operators vouch for is posted, over the end of an epoch', async () => {
  const { operators } = first()
  const own = await open({ ecdsa: (height) => operators.certify(height) })
  for (let turn = 0; (own.poster.status.final?.seq ?? 0) < 2 && turn < 100; turn++) {
    await own.poster.turn()
    await kernel.run(kernel.nowMs + 2_000, () => false)
    await anvil.mine()
  }
  const position = await positionNow()
  expect(position.height).toBeGreaterThan(EPOCH_BLOCKS)
  expect(bytesToHex(position.blockHash)).toBe(bytesToHex(first().chain.outline(position.height)?.hash ?? NONE))
})

test('a node without an operator’s key posts nothing there, and says why', async () => {
  const own = await open({ bls: blsCertificates(first().chain) })
  await expect(own.poster.turn()).rejects.toMatchObject({ code: 'SETTLEMENT_VERIFIER' })
})

const NONE = new Uint8Array(0)
const secretAt = (index: number): Uint8Array =>
  hexToBytes(developmentAccounts(index + 1)[index]?.privateKey ?? expect.fail('there are as many'))

test.each([
  ['three of four', [0, 1, 2], (signed: OperatorSignature[]) => signed, null],
  ['two of four', [0, 1], (signed: OperatorSignature[]) => signed, 'TooLittlePower'],
  ['one twice', [0, 1, 2], ([a, b]: OperatorSignature[]) => [a, b, b], 'BadSignature'],
  [
    'a stranger',
    [0, 1, 2],
    ([a, b]: OperatorSignature[], strange: OperatorSignature) => [a, b, strange],
    'BadSignature',
  ],
  ['one too many', [0, 1, 2], (signed: OperatorSignature[]) => signed, 'BadCertificate'],
] as const)('%s', async (name, places, choose, refusal) => {
  const { chain } = first()
  await reach(chain.head().header.number + 1)
  const before = await positionNow()
  const { source } = await open({})
  const batch = (await source.next(before, 100_000)) ?? expect.fail('there are blocks')
  const height = batch.facts.lastHeight
  const set = chain.setOf(height) ?? expect.fail('it is known')
  const blockHash = chain.outline(height)?.hash ?? expect.fail('it is there')
  const digest = checkpointDigest(
    { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash },
    { height, blockHash },
  )
  const secretOf = (place: number): Uint8Array => {
    const address = bytesToHex(set.members[place]?.address ?? NONE)
    return (
      ALL.map(secretAt).find((each) => bytesToHex(accountOf(each).address) === address) ?? expect.fail('one of four')
    )
  }
  const signed = places.map((place) => curves().sign(digest, secretOf(place)))
  const words = choose([...signed], curves().sign(digest, secretAt(8)))
  const chosen = new Map(places.map((place, i) => [place, words[i] ?? expect.fail('a word each')] as const))
  const encoded = encodeEcdsaCertificate(height, set, chosen)
  const certificate = name === 'one too many' ? Uint8Array.from([...encoded, ...encoded.slice(-64)]) : encoded
  const { payload: data } = settlement.post(before, { ...batch, certificate })
  const said = await l1.estimate({ from: poster.address, to: settlement.address, data }).then(
    () => null,
    (error) => settlement.explain(hexToBytes(error.data.output)),
  )
  if (refusal === null) expect(said).toBeNull()
  else expect(said).toMatch(refusal)
})
