// The settlement contract in our own EVM: batches in order, hand-overs from epoch to epoch, and everything that it refuses.
import { AbiCoder } from 'ethers'
import { expect, test } from 'vitest'
import { asHash, bytesToHex, concat, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { HandOver } from '../../chain/light.ts'
import { headerHash } from '../../chain/types/block.ts'
import { epochOf } from '../../chain/types/validators.ts'
import { createDice } from '../../test/kit/dice.ts'
import {
  account,
  type Contract,
  createEvm,
  deployForwarder,
  type Evm,
  type Options,
  type Sent,
} from '../../test/kit/evm.ts'
import { createLightChain, type LightChain } from '../../test/kit/light-chain.ts'
import {
  certificateOf,
  checkpointOf,
  deploySettlement,
  deployVerifier,
  GENESIS_STATE_ROOT,
  OWNER,
  operatorsFrom,
  type Scheme,
} from '../../test/kit/settlement.ts'

installCurves(nativeCurves)

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

const network = { chainId: 662_607n, genesisHash: asHash(keccak(Uint8Array.of(9))), epochBlocks: 4 }
const rootOf = (height: number): Hash => asHash(keccak(Uint8Array.of(1, height)))
/** Sets of four, one member of which changes with each epoch. */
const chainOf = (epochBlocks = network.epochBlocks): LightChain =>
  createLightChain(
    { ...network, epochBlocks },
    (epoch) => operatorsFrom([1, 2, 3, 4].map((n) => n + epoch)),
    (height) => ({ header: { stateRoot: rootOf(height) } }),
  )

interface Draft {
  readonly seq: number
  readonly previous: string
  readonly batch: Uint8Array
  readonly checkpoint: readonly [Uint8Array, Uint8Array]
  readonly certificate: Uint8Array
}
const BATCH = new Uint8Array(500).fill(7)

class Poster {
  readonly chain: LightChain
  readonly contract: Contract
  readonly evm: Evm
  readonly #scheme: Scheme
  constructor(evm: Evm, contract: Contract, chain: LightChain, scheme: Scheme) {
    this.evm = evm
    this.contract = contract
    this.chain = chain
    this.#scheme = scheme
  }
  /** What is posted next, up to a block. */
  async draft(block: HandOver): Promise<Draft> {
    const { seq, accumulator } = await this.latest()
    const signers = this.chain.signers(epochOf(block.header.number, this.chain.network.epochBlocks))
    return {
      ...{ seq: Number(seq) + 1, previous: accumulator, batch: BATCH },
      checkpoint: checkpointOf(block, this.chain.network),
      certificate: certificateOf(block, signers, this.chain.network, this.#scheme),
    }
  }
  send(draft: Draft, options?: Options): Promise<Sent> {
    const { seq, previous, batch, checkpoint, certificate } = draft
    return this.contract.send('post', [seq, previous, batch, checkpoint, certificate], options)
  }
  async post(height: number, over: Partial<Draft> = {}): Promise<Sent> {
    return this.send({ ...(await this.draft(this.chain.block(height))), ...over })
  }
  async latest() {
    const [seq, height, epoch, accumulator, blockHash, stateRoot, validatorsHash] = (await this.contract.read(
      'latest',
    )) as [bigint, bigint, bigint, string, string, string, string] // as the interface says
    return { seq, height, epoch, accumulator, blockHash, stateRoot, validatorsHash }
  }
}

async function open(scheme: Scheme = 'bls', chain = chainOf()): Promise<Poster> {
  const evm = createEvm()
  const verifier = await deployVerifier(evm, scheme, chain.network)
  return new Poster(evm, await deploySettlement(evm, verifier, chain), chain, scheme)
}
const nameOf = ({ error }: Sent): string | null => error?.replace(/\(.*/s, '') ?? null
const hashAt = ({ chain }: Poster, height: number): string => bytesToHex(headerHash(chain.block(height).header))

for (const scheme of ['bls', 'ecdsa'] as const)
  test(`batches follow each other through epochs whose validators change: ${scheme}`, async () => {
    const poster = await open(scheme)
    expect(await poster.latest()).toEqual({
      ...{ seq: 0n, height: 0n, epoch: 0n, accumulator: `0x${'00'.repeat(32)}` },
      ...{ blockHash: bytesToHex(network.genesisHash), stateRoot: bytesToHex(GENESIS_STATE_ROOT) },
      validatorsHash: bytesToHex(poster.chain.signers(0).hash),
    })
    let accumulator = `0x${'00'.repeat(32)}`
    for (const [i, height] of [1, 3, 4, 8, 9, 12, 13].entries()) {
      const done = await poster.post(height)
      expect(done.error).toBe(null)
      const dataHash = bytesToHex(keccak(BATCH))
      const blockHash = hashAt(poster, height)
      const packed = AbiCoder.defaultAbiCoder().encode(
        ['bytes32', 'uint64', 'bytes32', 'bytes32'],
        [accumulator, i + 1, dataHash, blockHash],
      )
      accumulator = bytesToHex(keccak(hexToBytes(packed)))
      const stateRoot = bytesToHex(rootOf(height))
      const epoch = BigInt(epochOf(height + 1, network.epochBlocks))
      const validatorsHash = bytesToHex(poster.chain.signers(Number(epoch)).hash)
      const posted = { seq: BigInt(i + 1), height: BigInt(height), blockHash, dataHash, accumulator, stateRoot }
      const handedOver = { name: 'ValidatorsHandedOver', args: { epoch, validatorsHash } }
      expect(done.logs).toEqual([
        ...(height % network.epochBlocks === 0 ? [handedOver] : []),
        { name: 'BatchPosted', args: posted },
      ])
      const { dataHash: _, ...settled } = posted
      expect(await poster.latest()).toEqual({ ...settled, epoch, validatorsHash })
    }
  })

test('a batch that is sent again, out of order or by another history posts nothing', async () => {
  const poster = await open()
  const first = await poster.draft(poster.chain.block(1))
  expect((await poster.send(first)).error).toBe(null)
  expect(nameOf(await poster.send(first))).toBe('WrongSequence')
  expect(nameOf(await poster.post(2, { seq: 3 }))).toBe('WrongSequence')
  expect(nameOf(await poster.post(2, { seq: 1 }))).toBe('WrongSequence')
  expect(nameOf(await poster.post(2, { previous: first.previous }))).toBe('WrongAccumulator')
  expect(nameOf(await poster.post(2, { batch: new Uint8Array(0) }))).toBe('EmptyBatch')
  expect(await poster.latest()).toMatchObject({ seq: 1n, height: 1n })
})

test('a checkpoint that repeats, forks or skips a height is refused, though its validators signed it', async () => {
  const poster = await open()
  expect((await poster.post(2)).error).toBe(null)
  for (const height of [1, 2]) expect(nameOf(await poster.post(height))).toBe('HeightNotAfter')
  const { chain } = poster
  const other = { header: { stateRoot: rootOf(99) } }
  expect(nameOf(await poster.send(await poster.draft(chain.fork(2, other))))).toBe('HeightNotAfter')
  const orphan = chain.fork(3, { parentHash: rootOf(98) })
  expect(nameOf(await poster.send(await poster.draft(orphan)))).toBe('WrongParent')
  // Beyond the epoch's last block, by the set that will sign it, and by the one that signs now.
  expect(nameOf(await poster.post(5))).toBe('WrongEpoch')
  expect(nameOf(await poster.post(9))).toBe('WrongEpoch')
  const early = chain.fork(6, { signers: chain.signers(0) })
  expect(nameOf(await poster.send(await poster.draft(early)))).toBe('WrongEpoch')
  expect((await poster.post(3)).error).toBe(null)
})

test('a certificate of another epoch is refused', async () => {
  const poster = await open()
  expect((await poster.post(4)).error).toBe(null)
  const { chain } = poster
  const stale = chain.fork(6, { signers: chain.signers(0) })
  const draft = await poster.draft(stale)
  const certificate = certificateOf(stale, chain.signers(0), chain.network, 'bls')
  expect(nameOf(await poster.send({ ...draft, certificate }))).toBe('WrongValidators')
  expect(nameOf(await poster.post(6, { certificate: (await poster.draft(chain.block(7))).certificate }))).toBe(
    'BadSignature',
  )
  expect((await poster.post(6)).error).toBe(null)
})

test('the last block of an epoch brings its section, and no other does', async () => {
  const poster = await open()
  const { chain } = poster
  const [header, section] = checkpointOf(chain.block(4), chain.network)
  const [, later] = checkpointOf(chain.block(8), chain.network)
  expect(nameOf(await poster.post(4, { checkpoint: [header, new Uint8Array(0)] }))).toBe('BadSection')
  expect(nameOf(await poster.post(4, { checkpoint: [header, later] }))).toBe('BadSection')
  expect(nameOf(await poster.post(4, { checkpoint: [header, concat(section, Uint8Array.of(0))] }))).toBe('BadSection')
  const [third] = checkpointOf(chain.block(3), chain.network)
  expect(nameOf(await poster.post(3, { checkpoint: [third, section] }))).toBe('BadSection')
  // What a quorum signed and no honest member finds valid: no next validators, others than its own, another epoch or version.
  for (const over of [{ nextValidatorsHash: null }, { validatorsHash: rootOf(1) }, { epoch: 1 }, { version: 2 }]) {
    const draft = await poster.draft(chain.fork(4, { section: { lastCommit: chain.block(3).certificate, ...over } }))
    expect(nameOf(await poster.send(draft)), JSON.stringify(Object.keys(over))).toBe('BadSection')
  }
  expect((await poster.post(4)).error).toBe(null)
})

test('what is no header is refused before its certificate is looked at', async () => {
  const poster = await open()
  const { chain } = poster
  const [header, none] = checkpointOf(chain.block(1), chain.network)
  const posted = async (of: Uint8Array) => nameOf(await poster.post(1, { checkpoint: [of, none] }))
  for (const length of [0, 1, 90, 449, header.length - 1])
    expect(await posted(header.subarray(0, length))).toBe('BadHeader')
  expect(await posted(concat(header, Uint8Array.of(0)))).toBe('BadHeader')
  expect(await posted(new Uint8Array(2_000))).toBe('BadHeader')
  for (const place of [0, 1, 2, 3, 90, 189, 190, 191, 448, header.length - 66, header.length - 33])
    expect(await posted(header.map((byte, i) => (i === place ? byte ^ 0x40 : byte))), `byte ${place}`).toBe('BadHeader')
  const dice = createDice(SEED)
  for (let i = 0; i < 20; i++) {
    const place = dice.below(header.length)
    const bad = header.map((byte, j) => (j === place ? byte ^ (1 + dice.below(255)) : byte))
    expect(await posted(bad), `SEED=${SEED}, byte ${place}`).not.toBe(null)
  }
})

test('posting is for posters, by a transaction to the contract itself', async () => {
  const poster = await open()
  const draft = await poster.draft(poster.chain.block(1))
  expect(nameOf(await poster.send(draft, { from: account(2) }))).toBe('NotPoster')
  const { contract, evm } = poster
  const { hex, forward } = await deployForwarder(evm)
  await contract.must('setPoster', [hex, true], { from: OWNER })
  const { seq, previous, batch, checkpoint, certificate } = draft
  expect(nameOf(await forward(contract, 'post', [seq, previous, batch, checkpoint, certificate]))).toBe('NotDirect')
  expect(nameOf(await forward(contract, 'supply', [1, batch]))).toBe('NotDirect')
  await contract.must('setPoster', [bytesToHex(account(2)), true], { from: OWNER })
  expect((await poster.send(draft, { from: account(2) })).error).toBe(null)
})

test('anybody supplies other bytes for a batch that was posted', async () => {
  const poster = await open()
  const { contract } = poster
  expect(nameOf(await contract.send('supply', [1, BATCH]))).toBe('NoSuchCheckpoint')
  expect((await poster.post(1)).error).toBe(null)
  const done = await contract.must('supply', [1, BATCH], { from: account(5) })
  expect(done.logs).toEqual([{ name: 'BatchSupplied', args: { seq: 1n, dataHash: bytesToHex(keccak(BATCH)) } }])
  expect(nameOf(await contract.send('supply', [0, BATCH]))).toBe('NoSuchCheckpoint')
  expect(nameOf(await contract.send('supply', [2, BATCH]))).toBe('NoSuchCheckpoint')
  expect(nameOf(await contract.send('supply', [1, new Uint8Array(0)]))).toBe('EmptyBatch')
})

test('the state roots of the newest 64 checkpoints are kept', async () => {
  const poster = await open('ecdsa', chainOf(1_000))
  const rootAt = (seq: number) => poster.contract.send('stateRootOf', [seq])
  expect((await rootAt(0)).result).toBe(bytesToHex(GENESIS_STATE_ROOT))
  expect(nameOf(await rootAt(1))).toBe('NoSuchCheckpoint')
  for (let height = 1; height <= 65; height++) expect((await poster.post(height)).error).toBe(null)
  for (const seq of [0, 1, 66]) expect(nameOf(await rootAt(seq))).toBe('NoSuchCheckpoint')
  for (const seq of [2, 33, 64, 65]) expect((await rootAt(seq)).result).toBe(bytesToHex(rootOf(seq)))
})

test('verifier and posters are changed by the owner alone', async () => {
  const { contract } = await open()
  for (const [name, args] of [
    ['setPoster', [bytesToHex(account(2)), true]],
    ['setVerifier', [contract.hex]],
    ['upgradeToAndCall', [contract.hex, '0x']],
  ] as const)
    expect(nameOf(await contract.send(name, args))).toBe('NotOwner')
  expect(nameOf(await contract.send('setVerifier', [bytesToHex(account(2))], { from: OWNER }))).toBe('NoVerifier')
  await contract.must('setPoster', [bytesToHex(account(2)), true], { from: OWNER })
  expect(await contract.read('isPoster', bytesToHex(account(2)))).toBe(true)
})

test('posting costs little more than the check', async () => {
  const gas = async (scheme: Scheme): Promise<number[]> => {
    const poster = await open(scheme)
    const made = []
    for (const height of [1, 3, 4]) made.push(await poster.post(height))
    return made.map((each) => Number(each.gas))
  }
  // The first is the only one that writes the accumulator's slot anew; the last hands the validators over.
  for (const [scheme, first, next, last] of [
    ['ecdsa', 146_000, 129_000, 142_000],
    ['bls', 282_000, 265_000, 278_000],
  ] as const)
    for (const [i, used] of (await gas(scheme)).entries()) expect(used).toBeLessThan([first, next, last][i] ?? 0)
})

test('whatever is posted in whatever order, batches are contiguous and heights rise through every epoch', async () => {
  const dice = createDice(SEED)
  const poster = await open('ecdsa')
  const { chain } = poster
  const drafts: Draft[] = []
  const logged: Readonly<Record<string, unknown>>[] = []
  // Chance may refuse many in a row: it goes on until some were posted.
  for (let step = 0; step < 120 || (logged.length <= 5 && step < 5_000); step++) {
    const { height, seq } = await poster.latest()
    // Mostly a block just ahead: of this epoch, its end, or beyond it; or a fork, an old draft, another's certificate. A fork is of what was
    // posted: one ahead, which two thirds sign here as they sign all, would be posted, and the chain's own next block not follow it.
    const ahead = chain.block(Math.max(1, Number(height) + dice.below(8) - 2))
    const isFork = ahead.header.number <= Number(height) && dice.chance(0.5)
    const block = isFork ? chain.fork(ahead.header.number, { header: { stateRoot: rootOf(dice.below(250)) } }) : ahead
    const draft = await poster.draft(block)
    drafts.push(draft)
    const other = dice.pick(drafts)
    const tried = dice.pick<Draft>([
      ...[draft, draft, draft, other, { ...draft, certificate: other.certificate }],
      ...[
        { ...draft, checkpoint: other.checkpoint },
        { ...draft, seq: draft.seq + dice.below(3) - 1 },
      ],
    ])
    const done = await poster.send(tried)
    const why = `SEED=${SEED}, step ${step}: ${done.error}`
    const after = await poster.latest()
    if (done.error !== null) {
      expect([after.seq, after.height], why).toEqual([seq, height])
      continue
    }
    const posted = done.logs.find(({ name }) => name === 'BatchPosted')?.args ?? {}
    logged.push(posted)
    expect(posted.seq, why).toBe(BigInt(logged.length))
    expect(after.seq, why).toBe(seq + 1n)
    expect(after.height > height, why).toBe(true)
    // No epoch's end is passed over.
    expect((after.height - 1n) / 4n, why).toBe(height / 4n)
    expect(after.epoch, why).toBe(after.height / 4n)
  }
  expect(logged.length, `SEED=${SEED}`).toBeGreaterThan(5)
})
