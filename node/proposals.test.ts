// What three honest validators make of a proposal that its proposer signed well and that is not to be voted for: its block is wrong, untimely, or
// never comes. Nobody votes, the round is given up, and the next one decides another block.
import { expect, test } from 'vitest'
import { asAddress, bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import { curves, keccak } from '../chain/base/crypto.ts'
import { type Block, headerHash } from '../chain/types/block.ts'
import { signedPart, withSignature } from '../chain/types/message.ts'
import { randaoPayload, SignType, signBytes } from '../chain/types/vote.ts'
import { encodeBodyAnswer, encodeEnvelope, encodeRun, encodeTxs, type Sketch, sketchOf } from '../p2p/wire.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { developmentSecret } from './development.ts'

interface Case {
  readonly timeMs?: () => number
  readonly damage?: (block: Block) => Block
  /** What the proposal brings of its block, and what its proposer gives to who asks. */
  readonly shown?: (block: Block) => Block | null
}

const keyOf = (member: Member, place: number): number => {
  const key = [0, 1, 2, 3].find((index) =>
    equalBytes(
      member.chain.validators().members[place]?.blsKey ?? new Uint8Array(0),
      curves().blsPublicKey(developmentSecret(index)),
    ),
  )
  if (key === undefined) throw new Error(`no development key is at place ${place}`)
  return key
}

/** Starts three honest validators and lets the fourth, who leads round 0 of block 1, propose. Answers who is honest, and the block. */
const propose = async (cluster: Cluster, { timeMs, damage, shown }: Case) => {
  const { genesis, hub } = cluster
  const builder = await cluster.start(4)
  const domain = { chainId: genesis.chainId, genesisHash: builder.chain.genesisHash }
  const place = builder.chain.proposer(1)
  const key = keyOf(builder, place)
  const secret = developmentSecret(key)
  const built = await builder.chain.build({
    ...{ height: 1, round: 0, proposerIndex: place, lastCommit: null, budgetMs: 1_000 },
    timeMs: timeMs?.() ?? Date.now(),
    coinbase: asAddress(new Uint8Array(20).fill(9)),
    reveal: curves().blsSign(secret, signBytes(domain, SignType.randao, randaoPayload(1))),
  })
  const honest = await Promise.all([0, 1, 2, 3].filter((index) => index !== key).map((index) => cluster.start(index)))
  const block = damage?.(built) ?? built
  const given = shown === undefined ? block : shown(block)
  const proposal = { height: 1, round: 0, blockHash: block.hash, justify: null, tc: null, validator: place }
  const unsigned = { kind: 'proposal', proposal } as const
  const { type, payload } = signedPart(unsigned)
  const message = withSignature(unsigned, curves().blsSign(secret, signBytes(domain, type, payload)))
  const liar = hub.join('liar', {
    onPublished: () => 'ignore',
    onRequest: async (protocol) => {
      if (protocol === 'body') return encodeBodyAnswer(given)
      return protocol === 'txs' ? encodeTxs(given?.txs ?? []) : encodeRun({ blocks: [], commit: null, earliest: 0 })
    },
    onPeer() {},
    onPeerGone() {},
  })
  const sketch: Sketch | null = given === null ? null : sketchOf(given)
  liar.publish('consensus', encodeEnvelope({ message, sketch }, 0))
  await Promise.all(honest.map((member) => reached(member, 1)))
  return { honest, block }
}

const decidedBy = ({ chain }: Member) => ({
  block: bytesToHex(chain.block(1)?.hash ?? new Uint8Array(0)),
  round: chain.commitOf(1)?.round ?? -1,
})

const withHeader =
  (change: (block: Block) => Partial<Block['header']>) =>
  (block: Block): Block => {
    const header = { ...block.header, ...change(block) }
    return { ...block, header, hash: headerHash(header) }
  }

test.concurrent.each<[string, Case]>([
  ['a wrong state root', { damage: withHeader(() => ({ stateRoot: keccak(Uint8Array.of(1)) })) }],
  ['another parent', { damage: withHeader(() => ({ parentHash: keccak(Uint8Array.of(2)) })) }],
  ['a body that is another’s', { shown: (block) => ({ ...block, txs: [Uint8Array.of(1, 2, 3)] }) }],
  ['a body that never comes', { shown: () => null }],
  // Far enough that a slow machine does not start three validators meanwhile.
  ['a timestamp ten minutes ahead', { timeMs: () => Date.now() + 600_000 }],
  ['a timestamp ten seconds ago', { timeMs: () => Date.now() - 10_000 }],
])('nobody votes for a block with %s, and the next round decides another', async (_, what) => {
  const cluster = await createCluster({ validators: 4, blockTimeMs: 200 })
  try {
    const { honest, block } = await propose(cluster, what)
    const votes = cluster.said.flatMap((said) => (said.kind === 'vote' ? [said.vote] : []))
    expect(votes.length).toBeGreaterThan(0)
    expect(votes.filter(({ blockHash }) => equalBytes(blockHash, block.hash))).toEqual([])
    const decided = honest.map(decidedBy)
    expect(new Set(decided.map(({ block }) => block)).size).toBe(1)
    expect(decided[0]?.round).toBeGreaterThan(0)
  } finally {
    await cluster.close()
  }
})

test('the same proposal with nothing wrong about it is decided in its round', async () => {
  const cluster = await createCluster({ validators: 4, blockTimeMs: 200 })
  try {
    const { honest, block } = await propose(cluster, {})
    expect(honest.map(decidedBy)).toEqual(honest.map(() => ({ block: bytesToHex(block.hash), round: 0 })))
  } finally {
    await cluster.close()
  }
})
