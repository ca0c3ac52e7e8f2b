// Blocks that are not final yet: got from peers of whom some never answer.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { hexToBytes } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import type { Chain } from '../chain/chain.ts'
import type { Block } from '../chain/types/block.ts'
import type { Network, PeerInfo } from '../p2p/network.ts'
import { encodeBodyAnswer, type Sketch, sketchOf } from '../p2p/wire.ts'
import { hooksThatLog } from '../test/kit/hooks.ts'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { Bodies } from './bodies.ts'
import { developmentAccounts } from './development.ts'
import { systemTimers } from './system.ts'

const infoOf = (id: string): PeerInfo => ({
  ...{ id, address: '', direction: 'inbound', score: 0, pingMs: null, software: new Uint8Array(0) },
})

/** A block of another node's with one transaction. */
const blockOfOther = async (): Promise<{ readonly block: Block; readonly raw: Uint8Array }> => {
  const other = await openMemoryChain()
  const wallet = new Wallet(developmentAccounts(1)[0]?.privateKey ?? '')
  const fields = { chainId: genesis.chainId, nonce: 0, to: wallet.address, gasLimit: 21_000, gasPrice: 3_000_000_000n }
  const raw = hexToBytes(await wallet.signTransaction({ ...fields, type: 0 }))
  await other.chain.submit(raw, 'local')
  return { block: await other.seal(), raw }
}

const portsOf = (network: Network) => ({
  ...{ network: () => network, random: () => 0, isNeeded: () => true },
  log: { debug() {}, info() {}, warn() {}, error() {} },
})
const sketchByHash = (block: Block): Sketch => ({
  ...(sketchOf(block) as Sketch),
  txs: block.txs.map((tx) => keccak(tx)),
})

test('a peer that brings a proposal and then says nothing more holds its block up for a second', async () => {
  const { block } = await blockOfOther()
  const { chain } = await openMemoryChain()
  const due: (() => void)[] = []
  const asked: string[] = []
  const network = {
    peers: () => ['liar', 'honest'].map(infoOf),
    request: (peer: string, protocol: string) => {
      asked.push(`${peer} ${protocol}`)
      return peer === 'liar' ? new Promise<Uint8Array>(() => {}) : Promise.resolve(encodeBodyAnswer(block))
    },
    blame() {},
  } as unknown as Network
  const bodies = new Bodies({
    ...{ chain, ...portsOf(network) },
    timers: {
      after(_, run) {
        due.push(run)
        return () => {}
      },
    },
  })
  bodies.hold(sketchByHash(block), 'liar')
  const found = bodies.obtain(block.hash)
  for (const run of due.splice(0)) run()
  expect((await found)?.hash).toEqual(block.hash)
  expect(asked).toEqual(['liar txs', 'honest body'])
})

test('the system transaction that a proposal names is made here and asked of nobody', async () => {
  const natives = hooksThatLog({ begin: () => 1, end: () => 0 })
  const [{ build }, { chain }] = [await openMemoryChain({ natives }), await openMemoryChain({ natives })]
  const block = await build()
  const asked: string[] = []
  const network = {
    peers: () => [infoOf('proposer')],
    request(_: string, protocol: string) {
      asked.push(protocol)
      return Promise.reject(new Error('nothing is asked'))
    },
    blame() {},
  } as unknown as Network
  const bodies = new Bodies({ chain, ...portsOf(network), timers: systemTimers })
  bodies.hold(sketchByHash(block), 'proposer')
  expect(await bodies.obtain(block.hash)).toEqual(block)
  expect(asked).toEqual([])
})

test('a proposal that names one transaction of the pool a hundred thousand times is not hashed', async () => {
  const { block, raw } = await blockOfOther()
  const memory = await openMemoryChain()
  await memory.chain.submit(raw, 'local')
  let isHashed = false
  const isWhole = async (): Promise<boolean> => {
    isHashed = true
    return false
  }
  const chain = { genesis, pool: memory.chain.pool, heightOf: () => null, isWhole } as unknown as Chain
  const bodies = new Bodies({ chain, ...portsOf({ peers: () => [] } as unknown as Network), timers: systemTimers })
  const sketch = sketchByHash(block)
  bodies.hold({ ...sketch, txs: Array.from({ length: 100_000 }, () => keccak(raw)) }, 'liar')
  expect(await bodies.obtain(block.hash)).toBeNull()
  expect(isHashed).toBe(false)
})
