// Credentials over the did module of a real chain, asked by JSON-RPC: keys and statuses as they are, and as they were.
import { JsonRpcProvider } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, hexToBytes } from '../../../chain/base/bytes.ts'
import { abi } from '../../../chain/native/did/abi.ts'
import { encodeCall } from '../../../chain/native/kit/abi.ts'
import { codeOf } from '../../../test/kit/identities.ts'
import { alice, type RpcNode, startRpcNode } from '../../../test/kit/rpc-node.ts'
import { DID_MODULE } from '../did.ts'
import { encodeBitstring, STATUS_BITS_MIN, withBit } from './bitstring.ts'
import { createChainSources } from './chain.ts'
import { PLATFORM_CONTEXT } from './contexts.ts'
import { createCredentials, type Secured } from './credentials.ts'
import { digest, multikeyOf, publicKeyOf, signingKey } from './keys.ts'
import { anchorProofRoots } from './proof-roots.ts'
import { statusEntry } from './status.ts'
import { statusTree, zkPublicKey } from './zk-credential.ts'

let node: RpcNode
let nonce = 0
beforeAll(async () => {
  node = await startRpcNode()
  await node.mine()
})
afterAll(() => node.close())

const identity = asAddress(hexToBytes(alice.address.toLowerCase()))
const DID = `did:novacron:polygon:${alice.address.toLowerCase()}`
const keyOf = (name: string) => signingKey(`${DID}#${name}`, 'EdDSA', new Uint8Array(32).fill(name.charCodeAt(0)))
const publicKey = (name: string): Uint8Array =>
  publicKeyOf(multikeyOf(`${DID}#${name}`, 'EdDSA', new Uint8Array(32).fill(name.charCodeAt(0))))?.bytes ??
  expect.fail('a key')

/** Sends to the module and mines; the block's time, ms. */
const send = async (name: keyof typeof abi.functions, args: readonly unknown[]): Promise<number> => {
  const data = encodeCall(abi.functions[name], args as never) // the test's own calls
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 1_500_000 }
  const order = {
    ...fees,
    chainId: node.chain.genesis.chainId,
    nonce: nonce++,
    to: DID_MODULE,
    data: Buffer.from(data).toString('hex'),
  }
  const { result: hash, error } = await node.call(
    'eth_sendRawTransaction',
    await alice.signTransaction({ ...order, data: `0x${order.data}` }),
  )
  expect(error).toBe(undefined)
  await node.mine()
  const { result } = await node.call('eth_getTransactionReceipt', hash)
  expect(result).toMatchObject({ status: '0x1' })
  return headMs()
}
const headMs = (): number => node.chain.head().header.time * 1_000
const published = new Map<string, string>()
const library = () => {
  const fetchList = async (uri: string): Promise<string> => published.get(uri) ?? Promise.reject(new DOMException(uri))
  return createCredentials({ ...createChainSources(node.url), clock: { nowMs: headMs }, fetchList })
}
const issue = (name: string, status?: object): Promise<Secured> =>
  library().issue(
    {
      '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
      type: ['VerifiableCredential', 'VmCredential'],
      credentialSubject: { id: DID, vmId: 'vm-1', cpuCount: 4 },
      ...(status && { credentialStatus: status }),
    },
    { key: keyOf(name), form: 'data-integrity' },
  )
const check = (secured: Secured, atMs?: number) => codeOf(library().verify(secured, atMs === undefined ? {} : { atMs }))

test('a key counts from its block to the one that revokes it, and the chain can be asked for the time between', async () => {
  const early = await issue('a')
  expect(await check(early)).toBe('CREDENTIAL_KEY_UNKNOWN')
  const setMs = await send('setKey', [identity, 'a', 2n, publicKey('a'), 3n, 0n])
  const secured = await issue('a')
  expect(await check(secured)).toBe(null)
  const revokedMs = await send('revokeKey', [identity, 'a'])
  expect(await check(secured)).toBe('CREDENTIAL_KEY_REVOKED')
  expect(await check(secured, setMs)).toBe(null)
  expect(await check(secured, revokedMs - 1_000)).toBe(null)
  expect(await check(secured, setMs - 1_000)).toBe('CREDENTIAL_KEY_UNKNOWN')
})

test('the key of the account itself signs JWTs without any transaction', async () => {
  const key = signingKey(`${DID}#controller`, 'ES256K-R', hexToBytes(alice.privateKey))
  const credential = {
    '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
    type: ['VerifiableCredential', 'VmCredential'],
    credentialSubject: { vmId: 'vm-1' },
  }
  const jwt = await library().issue(credential, { key, form: 'jwt' })
  expect(await library().verify(jwt)).toMatchObject({ issuer: DID, keyId: `${DID}#controller` })
})

test('a bit in state revokes; before that it did not; an anchored segment that is published revokes as well', async () => {
  await send('setKey', [identity, 'b', 2n, publicKey('b'), 2n, 0n])
  await send('createStatusList', [identity, 1n, BigInt(STATUS_BITS_MIN)])
  const list = BigInt(
    String(
      (await node.call('eth_call', { to: DID_MODULE, data: abi.functions.statusListCount.selector }, 'latest')).result,
    ),
  )
  const ids = [list - 1n, list]
  const known = await Promise.all(ids.map((id) => createChainSources(node.url).status.status(id, 7, null)))
  const at = known[0] === null ? 1 : 0
  const id = ids[at] ?? 0n
  expect(known[at]).toEqual({
    issuer: DID,
    purpose: 'revocation',
    sizeBits: STATUS_BITS_MIN,
    isSet: false,
    anchor: null,
  })
  const entry = (index: number) => statusEntry({ issuer: DID, list: id, index, purpose: 'revocation' })
  const [first, second] = [await issue('b', entry(7)), await issue('b', entry(70_000))]
  expect([await check(first), await check(second)]).toEqual([null, null])
  const goodMs = headMs()
  await send('setStatus', [id, 7n, true])
  expect([await check(first), await check(second)]).toEqual(['CREDENTIAL_REVOKED', null])
  expect(await check(first, goodMs)).toBe(null)

  const bits = withBit(new Uint8Array(STATUS_BITS_MIN / 8), 70_000, true)
  const uri = 'https://lists.example/1'
  await send('anchorStatusList', [id, 0n, digest(bits), uri])
  expect(await check(second)).toBe('CREDENTIAL_STATUS_UNAVAILABLE')
  published.set(uri, await encodeBitstring(bits))
  expect(await check(second)).toBe('CREDENTIAL_REVOKED')
  expect(await check(second, goodMs)).toBe(null)
  expect(await check(await issue('b', entry(STATUS_BITS_MIN)))).toBe('CREDENTIAL_STATUS_MALFORMED')
  const unknown = statusEntry({ issuer: DID, list: 9_999n, index: 1, purpose: 'revocation' })
  expect(await check(await issue('b', unknown))).toBe('CREDENTIAL_STATUS_MALFORMED')
})

test('the roots for statements in zero knowledge are those of all bits, in state and published, and are anchored', async () => {
  await send('createStatusList', [identity, 1n, BigInt(2 * STATUS_BITS_MIN)])
  const count = await node.call('eth_call', { to: DID_MODULE, data: abi.functions.statusListCount.selector }, 'latest')
  const list = BigInt(String(count.result))
  await send('setStatus', [list, 300n, true])
  const segment = withBit(new Uint8Array(STATUS_BITS_MIN / 8), 5, true)
  await send('anchorStatusList', [list, 1n, digest(segment), 'https://lists.example/2'])
  const provider = new JsonRpcProvider(node.url, undefined, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 10,
  })
  const signer = alice.connect(provider)
  const issuers = [zkPublicKey(new Uint8Array(32).fill(1))]
  const missing = await codeOf(anchorProofRoots(signer, { list, issuers }))
  expect(missing).toBe('CREDENTIAL_STATUS_UNAVAILABLE') // it has to be told how lists are fetched
  expect(await codeOf(anchorProofRoots(signer, { list: 9_999n, issuers }))).toBe('CONTRACT_REVERTED')
  let isDone = false
  const anchored = anchorProofRoots(signer, { list, issuers, fetchList: () => encodeBitstring(segment) }).finally(
    () => {
      isDone = true
    },
  )
  while (!isDone) {
    if (node.chain.pool.status().pending > 0) await node.mine()
    await new Promise((resolve) => setImmediate(resolve))
  }
  nonce++
  const { statuses, receipt } = await anchored
  const all = new Uint8Array((2 * STATUS_BITS_MIN) / 8)
  for (const index of [300, STATUS_BITS_MIN + 5]) all.set(withBit(all, index, true))
  expect(statuses.root).toBe(statusTree(all).root)
  const [log] = receipt.logs
  expect(log?.topics[0]).toBe(abi.events.ProofRootsAnchored.topic)
  expect(log?.data).toContain(statuses.root.toString(16).padStart(64, '0'))
  provider.destroy()
})

test('a node that is away is not a verdict', async () => {
  const away = createCredentials({ ...createChainSources('http://127.0.0.1:1'), clock: { nowMs: headMs } })
  expect(await codeOf(away.verify(await issue('b')))).toBe('CREDENTIAL_CHAIN_UNAVAILABLE')
})

test('a deactivated DID takes everything with it; what held before can still be asked', async () => {
  const secured = await issue('b')
  const beforeMs = headMs()
  expect(await check(secured)).toBe(null)
  await send('deactivate', [identity])
  expect(await check(secured)).toBe('CREDENTIAL_DID_DEACTIVATED')
  expect(await check(secured, beforeMs)).toBe(null)
})
