import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { checkTxGas, decodeTx, intrinsicGas, TX_SIZE_MAX_BYTES } from './tx.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const base = { chainId: 662607, nonce: 7, gasLimit: 100_000, to: wallet.address, value: 5n, data: '0x00ff01' }
const feed = { maxFeePerGas: 100n, maxPriorityFeePerGas: 3n }
const accessList = [{ address: wallet.address, storageKeys: [`0x${'22'.repeat(32)}`] }]
const sign = async (fields: object): Promise<Uint8Array> =>
  hexToBytes(await wallet.signTransaction({ ...base, ...fields }))

const code = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof NodeError ? error.code : String(error)
  }
  return 'no error'
}

test.each([
  ['legacy', { type: 0, gasPrice: 9n }],
  ['legacy without chain id', { type: 0, gasPrice: 9n, chainId: 0 }],
  ['EIP-2930', { type: 1, gasPrice: 9n, accessList }],
  ['EIP-1559', { type: 2, ...feed, accessList }],
  ['contract creation', { type: 2, ...feed, to: null }],
])('%s: sender and hash are what ethers signed', async (_, fields) => {
  const raw = await sign(fields)
  const { Transaction } = await import('ethers')
  const oracle = Transaction.from(bytesToHex(raw))
  const tx = decodeTx(raw, 662607n)
  expect(bytesToHex(tx.hash)).toBe(oracle.hash)
  expect(bytesToHex(tx.from)).toBe(wallet.address.toLowerCase())
  expect(tx.nonce).toBe(7n)
  expect(tx.to === null ? null : bytesToHex(tx.to)).toBe(oracle.to?.toLowerCase() ?? null)
  expect(tx.accessList.length).toBe(oracle.accessList?.length ?? 0)
})

test('EIP-7702: the authority is who signed the authorization', async () => {
  const authorization = await wallet.authorize({ address: wallet.address, nonce: 8, chainId: 662607 })
  const tx = decodeTx(await sign({ type: 4, ...feed, authorizationList: [authorization] }), 662607n)
  const [only] = tx.authorizations
  expect(only?.authority && bytesToHex(only.authority)).toBe(wallet.address.toLowerCase())
  expect(only?.nonce).toBe(8n)
})

test('refusals name their reason', async () => {
  const good = await sign({ type: 2, ...feed })
  expect(code(() => decodeTx(new Uint8Array(0), 662607n))).toBe('TX_EMPTY')
  expect(code(() => decodeTx(good, 1n))).toBe('TX_WRONG_CHAIN')
  expect(code(() => decodeTx(good.subarray(0, 50), 662607n))).toBe('TX_MALFORMED')
  expect(code(() => decodeTx(Uint8Array.of(3, 0xc0), 662607n))).toBe('TX_TYPE')
  expect(code(() => decodeTx(new Uint8Array(TX_SIZE_MAX_BYTES + 1), 662607n))).toBe('TX_TOO_LARGE')
  const tipped = await sign({ type: 2, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n })
  expect(code(() => decodeTx(tipped, 662607n))).toBe('no error')
})

test('a signature with s in the upper half is refused (EIP-2)', async () => {
  const { Transaction } = await import('ethers')
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const parsed = Transaction.from(bytesToHex(await sign({ type: 2, ...feed })))
  const low = decodeTx(hexToBytes(parsed.serialized), 662607n)
  const { decodeRlp, encodeRlp, asList, rlpInt } = await import('../base/rlp.ts')
  const fields = [...asList(decodeRlp(low.raw.subarray(1)))]
  fields[9] = rlpInt(1n - low.v)
  fields[11] = rlpInt(order - low.s)
  const high = Uint8Array.of(2, ...encodeRlp(fields))
  expect(code(() => decodeTx(high, 662607n))).toBe('TX_SIGNATURE')
})

test('intrinsic gas counts data, lists and creation; the floor of EIP-7623 binds where it is higher', () => {
  const plain = { to: null, data: new Uint8Array(0), accessList: [], authorizations: [] }
  expect(intrinsicGas(plain)).toEqual({ gas: 53_000n, floor: 21_000n })
  const data = Uint8Array.of(0, 1, 2)
  const to = hexToBytes(wallet.address) as never
  expect(intrinsicGas({ ...plain, to, data })).toEqual({ gas: 21_036n, floor: 21_090n })
  expect(code(() => checkTxGas({ ...plain, to, data, gasLimit: 21_035n }))).toBe('TX_GAS_TOO_LOW')
  expect(code(() => checkTxGas({ ...plain, to, data, gasLimit: 21_050n }))).toBe('TX_FLOOR_GAS')
  expect(code(() => checkTxGas({ ...plain, gasLimit: 16_777_217n }))).toBe('TX_GAS_TOO_HIGH')
})
