import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import {
  type Checkpoint,
  createLightClient,
  decodeLightBlock,
  type LightClient,
  type LightNetwork,
} from '../../chain/light.ts'
import { encodeHeader, encodeSection, headerHash, headerTimeMs } from '../../chain/types/block.ts'
import { epochOf } from '../../chain/types/validators.ts'
import { encodeQc } from '../../chain/types/vote.ts'
import { createCluster, reached } from '../../test/kit/cluster.ts'
import { devValidatorSecret } from '../../test/kit/keys.ts'
import { certify, createLightChain, type LightChain, START_SECONDS, signersFrom } from '../../test/kit/light-chain.ts'
import { alice, type RpcNode, startRpcNode } from '../../test/kit/rpc-node.ts'
import { validatorToJson } from '../format.ts'
import type { Call } from './http.ts'
import { type Ask, askCheckpoint, askOver, askState, crossCheckLight, reportConflict, syncLight } from './light.ts'

installCurves(nativeCurves)
const options = { trustingPeriodMs: 14 * 86_400_000 }
const refusal = async (run: () => unknown): Promise<string> => {
  try {
    await run()
  } catch (error) {
    if (error instanceof NodeError) return error.code
    throw error
  }
  return 'accepted'
}

/** Leaves 42 in slot 7, and no code. */
const STORING_INIT_CODE = '0x602a60075500'

let node: RpcNode
beforeAll(async () => {
  node = await startRpcNode({ epochBlocks: 4 })
  await node.chain.submit(hexToBytes(await node.signed('transfer', 0)), 'local')
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
  const create = { ...fees, chainId: node.chain.genesis.chainId, nonce: 1, data: STORING_INIT_CODE, gasLimit: 200_000 }
  await node.chain.submit(hexToBytes(await alice.signTransaction(create)), 'local')
  for (let i = 0; i < 70; i++) await node.mine()
})
afterAll(() => node.close())

const networkOf = ({ chain }: RpcNode): LightNetwork => ({
  chainId: chain.genesis.chainId,
  genesisHash: chain.genesisHash,
  epochBlocks: chain.genesis.epochBlocks,
})
const genesisOf = ({ chain }: RpcNode): Checkpoint => ({
  kind: 'genesis',
  timeMs: chain.genesis.time * 1_000,
  validators: chain.genesis.validators,
})
const nowMs = (): number => headerTimeMs(node.chain.head().header)
const clientOf = (of: RpcNode): LightClient => createLightClient(networkOf(of), genesisOf(of), options, nowMs())

test('from genesis to the head over JSON-RPC, and on when blocks come', async () => {
  const client = clientOf(node)
  const source = askOver(node.url)
  const head = await syncLight(client, source, nowMs)
  expect([head.header.number, bytesToHex(head.hash)]).toEqual([70, bytesToHex(node.chain.head().hash)])
  expect(client.epoch()).toBe(17)
  expect((await syncLight(client, source, nowMs)).hash).toEqual(head.hash)
  for (let i = 0; i < 3; i++) await node.mine()
  expect((await syncLight(client, source, nowMs)).header.number).toBe(73)
  expect(client.epoch()).toBe(18)
})

test('through epochs whose validators change, and nova_validators names them', async () => {
  const rolls = [[0], [0, 1, 2], [3, 4, 5, 6], [3, 4, 5, 6], [{ operator: 0, key: 9 }, 6]] as const
  const changing = await startRpcNode({ epochBlocks: 4, rolls })
  try {
    for (let i = 0; i < 22; i++) await changing.mine()
    const now = (): number => headerTimeMs(changing.chain.head().header)
    const client = createLightClient(networkOf(changing), genesisOf(changing), options, now())
    const head = await syncLight(client, askOver(changing.url), now)
    expect([head.header.number, bytesToHex(head.hash)]).toEqual([22, bytesToHex(changing.chain.head().hash)])
    const validators = async (...params: unknown[]) => (await changing.call('nova_validators', ...params)).result
    for (const [epoch, height] of [1, 5, 9, 13, 17, 21].entries()) {
      const members = client.validators(epoch)?.members.map(validatorToJson)
      expect(members).toHaveLength(rolls[Math.min(epoch, 4)]?.length ?? 0)
      const named = { epoch: `0x${epoch.toString(16)}`, validators: members }
      expect(await validators({ epoch: named.epoch })).toMatchObject(named)
      expect(await validators(`0x${height.toString(16)}`)).toMatchObject(named)
    }
    expect(await validators()).toEqual(await validators({ epoch: '0x5' }))
    expect([await validators('earliest'), await validators({ epoch: '0x6' })]).toEqual([null, null])
    await changing.mine()
    expect(await validators({ epoch: '0x6' })).toMatchObject({ epoch: '0x6' })
  } finally {
    await changing.close()
  }
})

test('balances, nonces and storage of the running chain are proven, present and absent', async () => {
  const block = await syncLight(clientOf(node), askOver(node.url), nowMs)
  const source = askOver(node.url)
  const paid = asAddress(new Uint8Array(20).fill(0xab))
  expect((await askState(source, block, paid)).account).toMatchObject({ nonce: 0n, balance: 5n })
  const sender = asAddress(hexToBytes(alice.address))
  expect((await askState(source, block, sender)).account?.nonce).toBe(2n)
  const contract = node.chain.receipts(1)?.[1]?.created
  if (contract === undefined || contract === null) throw new Error('block 1 creates a contract')
  expect((await askState(source, block, contract, [7n, 8n])).slots).toEqual([42n, 0n])
  const early = clientOf(node).verify(await blockOf(source, 1), nowMs())
  expect((await askState(source, early, contract, [7n])).slots).toEqual([42n])
  const nobody = asAddress(new Uint8Array(20).fill(0xee))
  expect(await askState(source, block, nobody, [1n, 2n])).toEqual({ account: null, slots: [0n, 0n] })
})

const blockOf = async (source: Ask, height: number) => {
  const [answer] = await source([{ method: 'nova_getLightClientUpdate', params: [`0x${height.toString(16)}`] }])
  const { header, section, certificate } = answer as Record<string, string>
  const bytes = { header, section, certificate }
  return decodeLightBlock({
    header: hexToBytes(bytes.header ?? ''),
    section: hexToBytes(bytes.section ?? ''),
    certificate: hexToBytes(bytes.certificate ?? ''),
  })
}

test('what four validators agree on verifies, certificate by certificate', async () => {
  const cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, speed: 5 })
  try {
    const [first] = await Promise.all([cluster.start(0), ...[1, 2, 3].map((index) => cluster.start(index))])
    await reached(first, 4)
    const { chain } = first
    const { chainId, epochBlocks, validators, time } = chain.genesis
    const start: Checkpoint = { kind: 'genesis', timeMs: time * 1_000, validators }
    const of = { chainId, genesisHash: chain.genesisHash, epochBlocks }
    const clock = (): number => headerTimeMs(chain.head().header)
    const client = createLightClient(of, start, { trustingPeriodMs: Number.MAX_SAFE_INTEGER }, clock())
    for (const height of [1, 2, 3, 4]) {
      const [block, certificate] = [chain.block(height), chain.commitOf(height)]
      if (block?.section == null || certificate === null) throw new Error('it was committed')
      client.verify({ header: block.header, section: block.section, certificate }, clock())
    }
    expect(client.heights()).toEqual([1, 2, 3, 4])
  } finally {
    await cluster.close()
  }
})

test('a checkpoint of height and hash is a start; one of another hash is none', async () => {
  const source = askOver(node.url)
  const trusted = { height: 42, hash: node.chain.block(42)?.hash ?? asHash(new Uint8Array(32)) }
  const client = createLightClient(networkOf(node), await askCheckpoint(source, trusted), options, nowMs())
  expect(client.epoch()).toBe(10)
  expect((await syncLight(client, source, nowMs)).header.number).toBe(node.chain.head().header.number)
  const other = await askCheckpoint(source, { ...trusted, hash: keccak(trusted.hash) })
  expect(await refusal(() => createLightClient(networkOf(node), other, options, nowMs()))).toBe('LIGHT_CHECKPOINT')
})

test('the method answers blocks and epochs, and members when they are asked for', async () => {
  const ask = async (...params: unknown[]) => (await node.call('nova_getLightClientUpdate', ...params)).result
  const members = node.chain.genesis.validators.members.map(validatorToJson)
  expect(await ask({ epoch: '0x1' })).toEqual(await ask('0x8'))
  expect(await ask('0x8')).toMatchObject({ validators: null, nextValidators: null })
  expect(await ask('0x8', true)).toMatchObject({ validators: members, nextValidators: members })
  expect(await ask('0x7', true)).toMatchObject({ validators: members, nextValidators: null })
  expect(await ask('earliest')).toBeNull()
  for (const bad of [{ epoch: '0x20000' }, '0x20000'])
    expect((await node.call('nova_getLightClientUpdate', bad)).error?.message).toBe('header not found')
  expect((await node.call('nova_getLightClientUpdate', { epoch: 1 })).error?.code).toBe(-32602)
})

test('a node of another network, and one that shows another account’s proof, is refused', async () => {
  const other = await startRpcNode({ epochBlocks: 5 })
  try {
    for (let i = 0; i < 6; i++) await other.mine()
    expect(await refusal(() => syncLight(clientOf(node), askOver(other.url), nowMs))).toMatch(/^LIGHT_(BLOCK|ORDER)$/)
    const block = await syncLight(clientOf(node), askOver(node.url), nowMs)
    const [mine, yours] = [asAddress(new Uint8Array(20).fill(0xab)), asAddress(hexToBytes(alice.address))]
    const swapping: Ask = ([call]) => {
      const [, ...rest] = call?.params ?? []
      return askOver(node.url)([{ method: 'eth_getProof', params: [bytesToHex(mine), ...rest] }])
    }
    expect(await refusal(() => askState(swapping, block, yours))).toMatch(/^PROOF_/)
  } finally {
    await other.close()
  }
})

test('a validator that certified two blocks of one height is reported to its node, and listed there', async () => {
  const client = clientOf(node)
  await syncLight(client, askOver(node.url), nowMs)
  const height = client.heights().at(-2) ?? 0
  const { header, section } = await blockOf(askOver(node.url), height)
  const set = node.chain.validators()
  const forged = { ...header, stateRoot: keccak(header.stateRoot) }
  const signers = { set, hash: section.validatorsHash, secrets: [devValidatorSecret(0)] }
  const certificate = certify(networkOf(node), { height, blockHash: headerHash(forged) }, signers)
  const conflict = client.crossCheck({ header: forged, section, certificate }, nowMs())
  if (conflict === null) throw new Error('the blocks differ')
  const ids = await reportConflict(askOver(node.url), conflict)
  expect(ids).toHaveLength(1)
  const { result } = await node.call('nova_evidence')
  const validators = set.members.map(({ address }) => bytesToHex(address))
  expect(result).toMatchObject([{ id: ids[0], offence: 'E2', height: `0x${height.toString(16)}`, validators }])
})

test.each<[string, unknown]>([
  ['null', null],
  ['a string', 'yes'],
  ['a list', []],
  ['parts that are missing', { header: '0x' }],
  ['half a byte', { header: '0x0', section: '0x', certificate: '0x' }],
  ['2,049 members', { header: '0x', section: '0x', certificate: '0x', nextValidators: new Array(2_049).fill({}) }],
])('an answer that is %s is refused as one that is not', async (_, answer) => {
  expect(await refusal(() => syncLight(clientOf(node), async () => [answer], nowMs))).toBe('CLIENT_ANSWER')
  const block = await syncLight(clientOf(node), askOver(node.url), nowMs)
  const address = asAddress(new Uint8Array(20))
  expect(await refusal(() => askState(async () => [answer], block, address))).toBe('CLIENT_ANSWER')
})

test('an answer that never ends is cut off, and one that is not JSON is called so', async () => {
  const megabyte = new Uint8Array(1024 * 1024).fill(0x20)
  let sent = 0
  const server = createServer((request, response) => {
    if (request.url === '/noise') return response.end('<html>')
    const pump = (): void => {
      while (!response.destroyed && response.write(megabyte)) sent++
      response.once('drain', pump)
    }
    pump()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const source = askOver(`http://127.0.0.1:${port}/endless`)
    expect(await refusal(() => syncLight(clientOf(node), source, nowMs))).toBe('CLIENT_ANSWER')
    expect(sent).toBeLessThan(60)
    const noise = askOver(`http://127.0.0.1:${port}/noise`)
    expect(await refusal(() => syncLight(clientOf(node), noise, nowMs))).toBe('CLIENT_ANSWER')
  } finally {
    server.closeAllConnections()
    server.close()
  }
  expect(await refusal(() => syncLight(clientOf(node), askOver('http://127.0.0.1:1'), nowMs))).toBe(
    'CLIENT_UNREACHABLE',
  )
})

// Sets that change, which no node has before there is staking: a chain that is made, behind the same method.

const network: LightNetwork = { chainId: 5n, genesisHash: asHash(new Uint8Array(32).fill(7)), epochBlocks: 2 }
const madeNowMs = (): number => (START_SECONDS + 1_000) * 1_000
const seeds = (epoch: number): number[] => [epoch, epoch + 1, epoch + 2, epoch + 3]
const made = createLightChain(network, (epoch) => signersFrom(seeds(epoch)))
const startMade = (): LightClient => {
  const validators = made.signers(0).set
  const start: Checkpoint = { kind: 'genesis', timeMs: START_SECONDS * 1_000, validators }
  return createLightClient(network, start, options, madeNowMs())
}
/** What a node with this chain up to `head` answers. */
const sourceOf =
  (chain: LightChain, head: number, calls: Call[] = []): Ask =>
  async (asked) => {
    calls.push(...asked)
    return asked.map(({ params: [ref] }) => {
      const isEpoch = typeof ref === 'object' && ref !== null && 'epoch' in ref
      const height = ref === 'latest' ? head : isEpoch ? 2 * (Number(ref.epoch) + 1) : Number(ref)
      const { header, section, certificate, nextValidators } = chain.block(height)
      const parts = [encodeHeader(header), encodeSection(section), encodeQc(certificate)].map(bytesToHex)
      return {
        ...{ header: parts[0], section: parts[1], certificate: parts[2] },
        nextValidators: nextValidators?.map(validatorToJson) ?? null,
      }
    })
  }

test('sets that change every epoch are followed over more epochs than one request asks for', async () => {
  const client = startMade()
  const head = await syncLight(client, sourceOf(made, 81), madeNowMs)
  expect([head.header.number, client.epoch()]).toEqual([81, 40])
  expect(client.validators(40)).toEqual(made.signers(40).set)
})

test('a witness on the same chain agrees, also from behind; one that has nothing to compare is told so', async () => {
  const client = startMade()
  await syncLight(client, sourceOf(made, 41), madeNowMs)
  const calls: Call[] = []
  const agreed = await crossCheckLight(client, sourceOf(made, 44, calls), madeNowMs)
  expect([agreed, calls.length]).toEqual([{ height: 41, conflict: null }, 2])
  expect(await crossCheckLight(client, sourceOf(made, 37), madeNowMs)).toEqual({ height: 36, conflict: null })
  expect(await refusal(() => crossCheckLight(client, sourceOf(made, 1), madeNowMs))).toBe('LIGHT_UNKNOWN')
})

test.each([1, 2, 3, 20, 21, 40, 41])(
  'a witness behind a fork at height %i leads to the first block kept that both have certified',
  async (height) => {
    const client = startMade()
    await syncLight(client, sourceOf(made, 41), madeNowMs)
    // From there another history, whose later sets nobody of ours knows.
    const epoch = epochOf(height, 2)
    const forked = createLightChain(
      network,
      (at) => signersFrom(seeds(at > epoch ? at + 1_000 : at)),
      (at) => (at === height ? { header: { gasUsed: 1n } } : {}),
    )
    const { conflict } = await crossCheckLight(client, sourceOf(forked, 41), madeNowMs)
    const first = Math.min(41, 2 * (epoch + 1))
    expect(conflict?.height).toBe(first)
    expect(conflict?.signers).toEqual(made.signers(epoch).set.members.map(({ address }) => address))
    expect(conflict?.witness.header).toEqual(forked.block(first).header)
    expect(await refusal(() => syncLight(client, sourceOf(made, 43), madeNowMs))).toBe('LIGHT_CONFLICT')
  },
)

test('a witness that only makes blocks up is refused and does no harm', async () => {
  const client = startMade()
  await syncLight(client, sourceOf(made, 41), madeNowMs)
  const liar = createLightChain(
    network,
    (epoch) => signersFrom(seeds(epoch + 500)),
    () => ({}),
  )
  expect(await refusal(() => crossCheckLight(client, sourceOf(liar, 41), madeNowMs))).toBe('LIGHT_CERTIFICATE')
  expect((await syncLight(client, sourceOf(made, 43), madeNowMs)).header.number).toBe(43)
})
