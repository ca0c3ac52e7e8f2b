// A proposer who fills his block with more work than a round has time for: it costs the network one round.
import { Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { equalBytes, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { developmentAccounts, developmentSecret } from './development.ts'

let cluster: Cluster
afterEach(() => cluster.close())

/** Runs in a circle until its gas is gone. */
const CIRCLE = '0x5b5f56'
const GAS = 4_000_000
const EACH = 60

test('a block that nobody can run in time costs one round', async () => {
  // Half of it is for running: 2.5 s, of the 3 s of a round. All four share a thread, so the others have no time left to run it three times.
  const blockTimeMs = 1_000
  cluster = await createCluster({ validators: 4, blockTimeMs })
  const greedy = await cluster.start(0, { budgetMs: 5_000 })
  const { chain } = greedy
  const place = chain
    .validators()
    .members.findIndex(({ blsKey }) => equalBytes(blsKey, curves().blsPublicKey(developmentSecret(0))))
  for (const { privateKey } of developmentAccounts(8)) {
    const wallet = new Wallet(privateKey)
    const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n, gasLimit: GAS }
    for (let nonce = 0; nonce < EACH; nonce++) {
      const tx = { type: 2, chainId: cluster.genesis.chainId, to: null, data: CIRCLE, nonce, ...fees }
      await chain.submit(hexToBytes(await wallet.signTransaction(tx)), 'peer') // nobody is told
    }
  }
  // Alone it decides nothing, so all of it waits when the network begins.
  const honest = (await Promise.all([1, 2, 3].map((i) => cluster.start(i)))) as [Member, Member, Member]
  const [first] = honest
  // The first height has no time to begin together.
  let height = 1
  do await reached(first, height++)
  while (first.chain.proposer(height) !== place)
  await Promise.all([...honest, greedy].map((member) => reached(member, height)))
  expect(first.chain.commitOf(height)?.round).toBe(1)
  expect(first.chain.block(height)?.txs).toHaveLength(0)
  expect(cluster.hub.blamed).toEqual([])
})
