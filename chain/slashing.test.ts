// Evidence in transactions of a whole chain: what a node proves by its blocks, slashing proves by the state, and the set loses the guilty.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { developmentAccounts } from '../node/development.ts'
import { buildNext, certify, openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { secretOf } from '../test/kit/sets.ts'
import { asHash, bytesToHex, type Hash, hexToBytes } from './base/bytes.ts'
import { curves } from './base/crypto.ts'
import type { Chain } from './chain.ts'
import { SLASHING } from './native/index.ts'
import { decodeEvent, encodeCall } from './native/kit/abi.ts'
import { abi } from './native/slashing/abi.ts'
import { createMemoryKv } from './store/kv.ts'
import { type Block, type Header, headerHash, sectionHash } from './types/block.ts'
import {
  checkEvidence,
  digestOf,
  type Evidence,
  encodeEvidence,
  evidenceOf,
  type Statement,
  type Testimony,
} from './types/evidence.ts'
import type { Validator } from './types/validators.ts'
import { bitmapOf, type Domain } from './types/vote.ts'

const E = 6
const genesis = sealedGenesis({ validators: 4, epochBlocks: E })
const reporter = new Wallet(developmentAccounts(7)[6]?.privateKey ?? '')
const hashOf = (byte: number): Hash => asHash(new Uint8Array(32).fill(byte))

const signed = (chain: Chain, statement: Statement, places: readonly number[]): Testimony => {
  const members = chain.setOf(statement.height)?.members ?? []
  const domain: Domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
  const shares = places.map((place) =>
    curves().blsSign(secretOf(members[place] as Validator), digestOf(statement, domain)),
  )
  return { statement, bitmap: bitmapOf(places, members.length), signature: curves().blsAggregate(shares) }
}
const doubleSign = (chain: Chain, height: number, place: number): Evidence => {
  const [a, b] = [1, 2].map((byte) =>
    signed(chain, { kind: 'prepare', height, round: 0, blockHash: hashOf(byte) }, [place]),
  ) as [Testimony, Testimony]
  return evidenceOf(a, b)
}
/** As the reporter of a node does; answers which nonce it has. */
const report = async (chain: Chain, evidence: Evidence): Promise<Hash> => {
  const nonce = Number(chain.pool.nextNonce(hexToBytes(reporter.address) as never))
  const fees = { maxFeePerGas: 2n * chain.nextBaseFee() + 1n, maxPriorityFeePerGas: 1n, gasLimit: 3_000_000n }
  const data = bytesToHex(encodeCall(abi.functions.submitEvidence, [encodeEvidence(evidence)]))
  const fields = { type: 2, chainId: genesis.chainId, nonce, to: bytesToHex(SLASHING), data, ...fees }
  return chain.submit(hexToBytes(await reporter.signTransaction(fields)), 'local')
}
/** Whom slashing punished in a block, and for what. */
const punishedIn = (chain: Chain, height: number): string[] =>
  (chain.receipts(height) ?? []).flatMap(({ logs }) =>
    logs.flatMap((log) => {
      if (bytesToHex(log.topics[0] as Hash) !== abi.events.Punished.topic) return []
      const { operator, offence } = decodeEvent(abi.events.Punished, log)
      return [`${offence} ${bytesToHex(operator)}`]
    }),
  )
const addressAt = (chain: Chain, height: number, place: number): string =>
  bytesToHex(chain.setOf(height)?.members[place]?.address ?? new Uint8Array(0))

test('who signed twice is tombstoned in the block that brings the proof, on every node, and is not elected again', async () => {
  const [chain, judge] = [
    await openSealedChain(genesis, createMemoryKv()),
    await openSealedChain(genesis, createMemoryKv()),
  ]
  const both = async (blocks: number): Promise<void> => {
    for (let i = 0; i < blocks; i++) {
      const block = await buildNext(chain)
      const qc = certify(chain, block)
      await chain.commit(block, qc)
      await judge.verify(block)
      await judge.commit(block, qc)
    }
  }
  await both(2)
  const evidence = doubleSign(chain, 2, 1)
  const guilty = addressAt(chain, 2, 1)
  expect(checkEvidence(evidence, chain.evidenceContext()).kind).toBe('proven')
  await report(chain, evidence)
  await both(1)
  expect(chain.receipts(3)?.map(({ status }) => status)).toEqual([1])
  expect(punishedIn(judge, 3)).toEqual([`E1 ${guilty}`])
  await report(chain, evidence) // the second time costs a fee
  await both(1)
  expect(chain.receipts(4)?.map(({ status }) => status)).toEqual([0])
  await both(2 * E)
  expect(chain.validators().members.map(({ address }) => bytesToHex(address))).not.toContain(guilty)
  expect(chain.validators().members).toHaveLength(3)
  // The set of then still judges what was signed then.
  await report(chain, doubleSign(chain, 5, 3))
  const other = addressAt(chain, 5, 3)
  await both(1)
  expect(punishedIn(judge, chain.head().header.number)).toEqual([`E1 ${other}`])
})

test('a committed header that its parent forbids is judged by the hashes in the state', async () => {
  const chain = await openSealedChain(genesis, createMemoryKv())
  await seal(chain, 5)
  const blockAt = (height: number): Block => chain.block(height) ?? expect.fail(`block ${height}`)
  const { header, section } = blockAt(4)
  if (section === null) expect.fail('a section')
  const attack = (of: Partial<Header>): Evidence => {
    const forged = { ...header, parentBeaconBlockRoot: sectionHash(section), ...of }
    const statement: Statement = { kind: 'commit', height: 4, round: 0, blockHash: headerHash(forged) }
    const { bitmap, signature } = signed(chain, statement, [0, 1, 2])
    const qc = { type: 'commit', height: 4, round: 0, blockHash: statement.blockHash, bitmap, signature } as const
    return { kind: 'header', header: forged, section, qc, parent: blockAt(3).header }
  }
  const [bad, fork, own] = [attack({ prevRandao: hashOf(9) }), attack({ stateRoot: hashOf(9) }), attack({})]
  const verdicts = [bad, fork, own].map((each) => checkEvidence(each, chain.evidenceContext()).kind)
  expect(verdicts).toEqual(['proven', 'unknown', 'malformed'])
  for (const each of [fork, own, bad]) await report(chain, each)
  await seal(chain, 1)
  expect(
    chain
      .receipts(6)
      ?.map(({ status }) => status)
      .slice(0, 3),
  ).toEqual([0, 0, 1]) // and the system's, of an epoch's end
  expect(punishedIn(chain, 6)).toEqual([0, 1, 2].map((place) => `E6 ${addressAt(chain, 4, place)}`))
})

test('a node and the state count the window alike: from block 1, then from the block that elects', async () => {
  const chain = await openSealedChain(genesis, createMemoryKv())
  await seal(chain, 2 * E)
  const context = chain.evidenceContext()
  expect(context.windowS).toBe(21 * 86_400)
  const startOf = (height: number): number => context.epochAt(height)?.startTime ?? 0
  expect(startOf(1)).toBe(chain.block(1)?.header.time)
  expect(startOf(E + 1)).toBe(chain.block(E - 1)?.header.time)
  const again = await openSealedChain(genesis, createMemoryKv())
  await seal(again, 1)
  const fresh = again.evidenceContext().epochAt(1)?.startTime
  expect(fresh).toBe(again.block(1)?.header.time)
  expect(context.epochAt(3 * E + 1)).toBeNull()
})

test('the shortest epochs, of two blocks: whoever signs twice is out two epochs later, and who follows in runs has the same sets', async () => {
  const short = sealedGenesis({ validators: 4, epochBlocks: 2 })
  const open = () => openSealedChain(short, createMemoryKv())
  const [chain, follower] = [await open(), await open()]
  await seal(chain, 2)
  const guilty = addressAt(chain, 2, 1)
  await report(chain, doubleSign(chain, 2, 1))
  await seal(chain, 9)
  expect(punishedIn(chain, 3)).toEqual([`E1 ${guilty}`])
  const sizes = Array.from({ length: 11 }, (_, i) => chain.setOf(i + 1)?.members.length)
  expect(sizes).toEqual([4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3])
  for (let from = 1; from <= 11; from += 2) {
    const to = Math.min(from + 1, 11)
    const blocks = Array.from({ length: to - from + 1 }, (_, i) => chain.block(from + i) ?? expect.fail('a block'))
    await follower.append({ blocks, commit: chain.commitOf(to) ?? expect.fail('a certificate') })
  }
  expect(bytesToHex(follower.head().hash)).toBe(bytesToHex(chain.head().hash))
})
