// A node that was down for ten thousand blocks, over eight epochs, with a liar and a mute among its peers.
import { expect, test } from 'vitest'
import { bytesToHex } from '../chain/base/bytes.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { encodeBlock } from '../chain/types/block.ts'
import { createMemoryHub } from '../p2p/memory.ts'
import { decodeRun, joinRun } from '../p2p/wire.ts'
import { answering, atHeight, joinPeer, startFollower } from '../test/kit/follower.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'

const BLOCKS = Number(process.env.BLOCKS ?? 10_000)

test('a node that was down for ten thousand blocks reaches the head without help', async () => {
  const genesis = sealedGenesis()
  const source = await openSealedChain(genesis, createMemoryKv())
  await seal(source, 100)
  const kv = createMemoryKv()
  const hub = createMemoryHub()
  const honest = answering(source)
  joinPeer(hub, 'a', honest)
  const first = await startFollower(hub, genesis, kv)
  await atHeight(first, 100)
  await first.stop()
  await seal(source, BLOCKS)
  joinPeer(hub, 'liar', async (request) => {
    const { blocks, commit } = decodeRun(await honest(request))
    return joinRun(blocks.map(encodeBlock), commit && { ...commit, round: commit.round + 1 })
  })
  joinPeer(hub, 'mute', () => new Promise(() => {}))
  joinPeer(hub, 'b', honest)
  const node = await startFollower(hub, genesis, kv)
  await atHeight(node, BLOCKS + 100)
  expect(bytesToHex(node.chain.head().hash)).toBe(bytesToHex(source.head().hash))
  expect(hub.blamed).toContainEqual({ peer: 'liar', offence: 'false answer' })
  expect(hub.blamed.map(({ peer }) => peer)).not.toContain('b')
  await node.stop()
})
