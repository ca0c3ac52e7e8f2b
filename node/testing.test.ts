import { JsonRpcProvider, parseEther, Wallet } from 'ethers'
import { afterEach, expect, test } from 'vitest'
import { startTestNetwork, type TestNetwork } from './testing.ts'

let net: TestNetwork
afterEach(() => net.close())

test('four validators, and a payment that all of them show', async () => {
  net = await startTestNetwork()
  const providers = net.rpc.map(
    (url) => new JsonRpcProvider(url ?? '', net.chainId, { staticNetwork: true, cacheTimeout: -1 }),
  )
  const [alice, bob] = net.accounts.map(({ privateKey }) => new Wallet(privateKey, providers[2])) as [Wallet, Wallet]
  const receipt = await (await alice.sendTransaction({ to: bob.address, value: parseEther('1') })).wait()
  await net.reached(receipt?.blockNumber ?? 0)
  for (const provider of providers) expect(await provider.getBalance(bob.address)).toBe(parseEther('1000001'))
  expect(await providers[0]?.send('nova_genesisHash', [])).toBe(net.genesisHash)
  for (const provider of providers) provider.destroy()
})

test('one of four is stopped and the others go on; it comes back with what it had, and goes on with them', async () => {
  net = await startTestNetwork({ validators: 4, blockTimeMs: 100 })
  await net.reached(2)
  await net.stop(3)
  expect(net.rpc[3]).toBeNull()
  await net.reached(5)
  await net.start(3)
  await net.reached(8)
  expect(net.rpc.every((url) => url !== null)).toBe(true)
  await expect(net.start(4)).rejects.toMatchObject({ code: 'TESTING_INDEX' })
})

test('cut in two halves and healed, it goes on', async () => {
  net = await startTestNetwork({ blockTimeMs: 100 })
  net.partition([0, 1], [2, 3])
  net.heal()
  await net.reached(4)
})
