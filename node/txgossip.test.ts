// What pools tell each other: local transactions, again to peers that come.
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { hexToBytes } from '../chain/base/bytes.ts'
import { createMemoryHub } from '../p2p/memory.ts'
import type { Handlers } from '../p2p/network.ts'
import { decodeTxs } from '../p2p/wire.ts'
import { genesis, openMemoryChain } from '../test/kit/memory-chain.ts'
import { developmentAccounts } from './development.ts'
import { createTxGossip } from './txgossip.ts'

const NOBODY: Handlers = {
  onPublished: () => 'ignore',
  onRequest: async () => new Uint8Array(0),
  onPeer() {},
  onPeerGone() {},
}
const signed = async (account: number, dataBytes: number, gasPrice: bigint): Promise<Uint8Array> => {
  const wallet = new Wallet(developmentAccounts(2)[account]?.privateKey ?? '')
  const fields = { chainId: genesis.chainId, nonce: 0, to: wallet.address, gasLimit: 1_200_000, gasPrice, type: 0 }
  return hexToBytes(await wallet.signTransaction({ ...fields, data: `0x${'00'.repeat(dataBytes)}` }))
}

test('what was replaced in the pool takes no room from what a peer that comes is told', async () => {
  const { chain } = await openMemoryChain()
  const heard: Uint8Array[] = []
  const hub = createMemoryHub((_, to, __, bytes) => void (to === 'late' && heard.push(...decodeTxs(bytes))))
  const network = hub.join('own', NOBODY)
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const due: (() => void)[] = []
  const after = (_: number, run: () => void) => {
    due.push(run)
    return () => {}
  }
  const ports = { timers: { after }, pause: async () => {}, log }
  const gossip = createTxGossip({ chain, network: () => network, ...ports })
  let last: Uint8Array = new Uint8Array(0)
  for (let i = 0; i < 6; i++) {
    last = await signed(0, 100_000, 3_000_000_000n * 2n ** BigInt(i))
    await chain.submit(last, 'local')
  }
  const waiting = await signed(1, 0, 3_000_000_000n)
  await chain.submit(waiting, 'local')
  expect(due, 'nobody is there to hear it').toEqual([])
  hub.join('late', NOBODY)
  gossip.onPeer()
  for (const run of due) run()
  const deadline = Date.now() + 5_000
  while (heard.length < 2 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
  expect(heard).toEqual([last, waiting])
  gossip.close()
})
