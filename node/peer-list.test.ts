// The network's list of peers, as blocks change it: from a transaction of governance to connections over real sockets.
import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { bytesToHex, type Hex, hexToBytes } from '../chain/base/bytes.ts'
import type { Log } from '../chain/base/ports.ts'
import { PARAMS } from '../chain/native/index.ts'
import { type AbiFunction, encodeCall } from '../chain/native/kit/abi.ts'
import { abi } from '../chain/native/params/abi.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { type Peer, Peers, peerIdOf, until } from '../test/kit/peers.ts'
import { openPeerList } from './peer-list.ts'

const peers = new Peers()
afterEach(() => peers.close())

const governor = new Wallet('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const openGoverned = async () => {
  const json = JSON.parse(readFileSync(new URL('../genesis.json', import.meta.url), 'utf8'))
  json.novachain.modules.params.governance = governor.address
  const { chain, seal } = await openMemoryChain({ genesis: parseGenesis(JSON.stringify(json)) })
  let nonce = 0
  /** Both in the next block. */
  const govern = async (...calls: readonly (readonly [keyof typeof abi.functions, ...unknown[]])[]) => {
    for (const [name, ...args] of calls) {
      const data = bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never))
      const fees = { maxFeePerGas: 2n * 10n ** 9n, maxPriorityFeePerGas: 1n, gasLimit: 900_000n }
      const tx = { chainId: chain.genesis.chainId, type: 2, nonce: nonce++, to: bytesToHex(PARAMS), data, ...fees }
      await chain.submit(hexToBytes((await governor.signTransaction(tx)) as Hex), 'local')
    }
    const { header } = await seal()
    expect(chain.receipts(header.number)?.map(({ status }) => status)).toEqual(calls.map(() => 1))
  }
  return { chain, govern }
}
const bytes = (peer: string) => new TextEncoder().encode(peer)
const knows = (a: Peer, b: Peer): boolean => a.network.peers().some(({ id }) => id === b.id)
const noted = (): { log: Log; said: string[] } => {
  const said: string[] = []
  const note = (_: object, words: string): void => void said.push(words)
  return { said, log: { debug: note, info: note, warn: note, error: note } }
}

test('a peer that is put on the block list is dropped with the block that says so, and both nodes say why', async () => {
  const { chain, govern } = await openGoverned()
  const [one, two] = [noted(), noted()]
  const lists = [openPeerList(chain, one.log), openPeerList(chain, two.log)] as const
  const a = await peers.host({ permits: lists[0].permits })
  const b = await peers.host({ permits: lists[1].permits, persistent: [a.address] })
  lists[0].enforce(a.network)
  lists[1].enforce(b.network)
  await until(() => knows(a, b) && knows(b, a))
  await govern(['addToList', 'peers', [bytes(b.id)]])
  expect([knows(a, b), lists[0].permits(b.id)]).toEqual([true, true]) // the list is off
  await govern(['setListMode', 'peers', 2n])
  await until(() => !knows(a, b) && !knows(b, a))
  expect(a.said.filter((line) => line.startsWith('a peer is dropped: it is not let in by the list'))).toHaveLength(1)
  expect(two.said).toEqual([expect.stringMatching(/^this node is not let in by the list of peers .* p2p\.persistent$/)])
  expect(one.said).toEqual([])
  await govern(['setListMode', 'peers', 0n])
  expect(two.said).toHaveLength(2)
  const timer = setInterval(() => (b.clock.ms += 100), 10)
  await until(() => knows(a, b) && knows(b, a)).finally(() => clearInterval(timer))
})

test('an allow list without them cannot part nodes whose operators name each other', async () => {
  const { chain, govern } = await openGoverned()
  const { log } = noted()
  const ids = [await peerIdOf(941), await peerIdOf(942), await peerIdOf(943)]
  const list = openPeerList(chain, log)
  const a = await peers.host({ seed: 941, permits: list.permits, persistent: [`/ip4/127.0.0.1/tcp/1/p2p/${ids[1]}`] })
  const b = await peers.host({ seed: 942, permits: list.permits, persistent: [a.address] })
  const c = await peers.host({ seed: 943, persistent: [a.address] })
  for (const { network } of [a, b]) list.enforce(network)
  await until(() => knows(a, b) && knows(b, a) && knows(a, c))
  await govern(['addToList', 'peers', [bytes('another')]], ['setListMode', 'peers', 1n])
  expect(ids.map(list.permits)).toEqual([false, false, false])
  await until(() => !knows(a, c))
  expect(knows(a, b) && knows(b, a)).toBe(true)
})
