// did issue, verify, present, revoke as a shell runs them, against a node with a chain.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { abi } from '../../chain/native/did/abi.ts'
import { encodeCall } from '../../chain/native/kit/abi.ts'
import { STATUS_BITS_MIN } from '../../rpc/client/credentials/bitstring.ts'
import { PLATFORM_CONTEXT } from '../../rpc/client/credentials/contexts.ts'
import { multikeyOf, publicKeyOf } from '../../rpc/client/credentials/keys.ts'
import { statusEntry } from '../../rpc/client/credentials/status.ts'
import { DID_MODULE } from '../../rpc/client/did.ts'
import { run, type Said } from '../../test/kit/commands.ts'
import { type RpcNode, startRpcNode } from '../../test/kit/rpc-node.ts'
import { developmentAccounts } from '../development.ts'
import { did } from './did.ts'

const account = developmentAccounts(1)[0] ?? expect.fail('an account')
const wallet = new Wallet(account.privateKey)
const DID = `did:novacron:polygon:${wallet.address.toLowerCase()}`
const secret = new Uint8Array(32).fill(7)
const dir = mkdtempSync(join(tmpdir(), 'novachain-did-'))
const path = (name: string): string => join(dir, name)
const key = ['--key-file', path('key'), '--key-id', `${DID}#k1`]

let node: RpcNode
let nonce = 0
/** A call of the module by the account; then a block. */
const send = async (name: keyof typeof abi.functions, args: readonly unknown[]): Promise<void> => {
  const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 1_500_000 }
  const data = bytesToHex(encodeCall(abi.functions[name], args as never)) // the test's own calls
  const order = { ...fees, chainId: node.chain.genesis.chainId, nonce: nonce++, to: DID_MODULE, data }
  expect((await node.call('eth_sendRawTransaction', await wallet.signTransaction(order))).error).toBe(undefined)
  await node.mine()
}
const novachain = (...argv: string[]): Promise<Said> => run(did, [...argv, '--rpc', node.url])

beforeAll(async () => {
  node = await startRpcNode()
  await node.mine()
  const publicKey = publicKeyOf(multikeyOf(`${DID}#k1`, 'EdDSA', secret))?.bytes
  const identity = asAddress(hexToBytes(wallet.address.toLowerCase()))
  await send('setKey', [identity, 'k1', 2n, publicKey, 3n, 0n])
  await send('createStatusList', [identity, 1n, BigInt(STATUS_BITS_MIN)])
  writeFileSync(path('key'), Buffer.from(secret).toString('hex'), { mode: 0o600 })
  const list = BigInt(
    String(
      (await node.call('eth_call', { to: DID_MODULE, data: abi.functions.statusListCount.selector }, 'latest')).result,
    ),
  )
  const found = await node.call('eth_getLogs', {
    fromBlock: '0x1',
    address: DID_MODULE,
    topics: [abi.events.StatusListCreated.topic],
  })
  const id = BigInt((found.result as { topics: string[] }[])[0]?.topics[1] ?? '0x0')
  expect(list).toBe(1n)
  const credential = {
    '@context': ['https://www.w3.org/ns/credentials/v2', PLATFORM_CONTEXT],
    type: ['VerifiableCredential', 'OperatorCredential'],
    credentialSubject: { id: DID, role: 'operator', region: 'eu' },
    credentialStatus: statusEntry({ issuer: DID, list: id, index: 42, purpose: 'revocation' }),
  }
  writeFileSync(path('credential.json'), JSON.stringify(credential))
})
afterAll(async () => {
  await node.close()
  rmSync(dir, { recursive: true })
})

test('a credential is issued to a file, verified, presented and verified again', async () => {
  const issued = await novachain('issue', path('credential.json'), ...key, '--out', path('vc.json'))
  expect(issued).toMatchObject({ code: 0, json: { file: path('vc.json'), verifiableCredential: { issuer: DID } } })
  expect(JSON.parse(readFileSync(path('vc.json'), 'utf8'))).toEqual(issued.json.verifiableCredential)
  const verified = await novachain('verify', path('vc.json'))
  expect(verified).toMatchObject({ code: 0, json: { verified: true, issuer: DID, claims: { role: 'operator' } } })
  expect(verified.text).toContain('OperatorCredential')
  const presented = await novachain(
    'present',
    path('vc.json'),
    ...key,
    '--challenge',
    'c',
    '--domain',
    'd',
    '--out',
    path('vp.json'),
  )
  expect(presented.code).toBe(0)
  const asked = ['--challenge', 'c', '--domain', 'd']
  expect(await novachain('verify', path('vp.json'), ...asked)).toMatchObject({ code: 0, json: { holder: DID } })
  expect(await novachain('verify', path('vp.json'), '--challenge', 'x')).toMatchObject({
    code: 1,
    refusal: 'CREDENTIAL_CHALLENGE',
  })
})

test('an SD-JWT shows what its holder chooses', async () => {
  await novachain(
    'issue',
    path('credential.json'),
    ...key,
    '--form',
    'sd-jwt',
    '--disclose',
    'region,role',
    '--out',
    path('vc.sd'),
  )
  const { json } = await novachain(
    'present',
    path('vc.sd'),
    ...key,
    '--challenge',
    'c',
    '--domain',
    'd',
    '--disclose',
    'role',
  )
  writeFileSync(path('shown.sd'), json.verifiablePresentation)
  const shown = await novachain('verify', path('shown.sd'), '--challenge', 'c', '--domain', 'd')
  expect(shown.json.credentials[0].claims).toEqual({ role: 'operator' })
})

test('what is wrong with files, flags and keys is said', async () => {
  expect((await novachain('verify', path('nothing'))).refusal).toBe('DIDCMD_FILE')
  expect((await novachain('issue', path('credential.json'), ...key, '--out', path('vc.json'))).refusal).toBe(
    'DIDCMD_FILE',
  )
  expect((await novachain('issue', path('credential.json'))).refusal).toBe('USAGE_ARGUMENT')
  expect((await novachain('issue', path('credential.json'), ...key, '--form', 'pdf')).refusal).toBe('USAGE_ARGUMENT')
  expect((await novachain('verify', path('vc.json'), '--at', 'yesterday')).refusal).toBe('USAGE_ARGUMENT')
  expect((await novachain('verify')).refusal).toBe('USAGE_ARGUMENT')
  expect((await novachain('frobnicate', 'x')).refusal).toBe('USAGE_ARGUMENT')
  const other = ['--key-file', path('key'), '--key-id', `did:novacron:polygon:0x${'11'.repeat(20)}#k1`]
  expect((await novachain('issue', path('credential.json'), ...other)).refusal).toMatch(/STATUS_MALFORMED|WRONG_ISSUER/)
})

test('revoked, it verifies no more; unsigned, the transaction is only shown', async () => {
  const shown = await novachain('revoke', path('vc.json'), '--unsigned', '--sender', wallet.address)
  expect(shown).toMatchObject({ code: 0, json: { from: wallet.address, unsigned: expect.stringMatching(/^0x02/) } })
  expect((await novachain('verify', path('vc.json'))).code).toBe(0)
  expect((await novachain('revoke', path('vc.json'), '--undo', '--dev-account', '0')).refusal).toBe('DIDCMD_NO_STATUS')
  const stop = node.chain.watch('admitted', () => void node.mine())
  const revoked = await novachain('revoke', path('vc.json'), '--dev-account', '0')
  expect(revoked).toMatchObject({ code: 0, json: { index: 42, purpose: 'revocation', value: true } })
  stop()
  expect(await novachain('verify', path('vc.json'))).toMatchObject({ code: 1, refusal: 'CREDENTIAL_REVOKED' })
})
