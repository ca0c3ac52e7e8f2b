import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { bytesToHex, concat, hexToBytes } from '../base/bytes.ts'
import { curves, installCurves, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import { createRecoverMany } from '../base/lanes.ts'
import {
  checkTxGas,
  decodeFields,
  decodeTx,
  type Identity,
  identifyTx,
  identifyTxs,
  intrinsicGas,
  plainTx,
  shelvedTx,
  TX_SIZE_MAX_BYTES,
  type Tx,
  usualFields,
} from './tx.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const base = { chainId: 662607, nonce: 7, gasLimit: 100_000, to: wallet.address, value: 5n, data: '0x00ff01' }
const feed = { maxFeePerGas: 100n, maxPriorityFeePerGas: 3n }
const accessList = [{ address: wallet.address, storageKeys: [`0x${'22'.repeat(32)}`] }]
const sign = async (fields: object): Promise<Uint8Array> =>
  hexToBytes(await wallet.signTransaction({ ...base, ...fields }))

const ONE = `0x${'00'.repeat(31)}01`

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

test('whose an authorization is nobody finds out before the transaction runs: nothing is paid until then', async () => {
  const entry = {
    address: wallet.address,
    nonce: 1n,
    chainId: 662607n,
    signature: { r: ONE, s: ONE, yParity: 0 as const },
  }
  const fields = { type: 4, ...feed, chainId: 662607, to: wallet.address, authorizationList: Array(500).fill(entry) }
  const raw = await sign(fields)
  const { recover } = curves()
  let recovered = 0
  installCurves({
    ...curves(),
    recover(...args) {
      recovered++
      return recover(...args)
    },
  })
  expect(identifyTx(raw)?.from).not.toBeNull()
  const tx = decodeTx(raw, 662607n)
  expect(recovered).toBe(2)
  expect(tx.authorizations[499]?.authority).toEqual(tx.authorizations[0]?.authority)
  expect(tx.authorizations[499]?.authority).toHaveLength(20)
  expect(recovered).toBe(4)
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

test('the short way through a transaction reads what the careful one reads, or leaves it to that', async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state % below
  }
  const raws = [
    await sign({ type: 2, ...feed }),
    await sign({ type: 2, ...feed, nonce: 0, data: '0x', value: 10n ** 18n }),
    await sign({ type: 2, ...feed, data: `0x${'ab'.repeat(60)}`, nonce: 2 ** 40 }),
    await sign({ type: 2, ...feed, data: `0x${'00'.repeat(200)}` }),
    await sign({ type: 2, ...feed, data: `0x${'00'.repeat(300)}` }),
    await sign({ type: 2, ...feed, data: `0x${'0a'.repeat(850)}` }),
    await sign({ type: 2, ...feed, data: `0x${'0b'.repeat(950)}` }),
    await sign({ type: 2, ...feed, accessList }),
    await sign({ type: 2, ...feed, to: null }),
    await sign({ type: 0, gasPrice: 9n }),
  ]
  const isUsual = raws.map((raw) => usualFields(raw) !== null)
  expect(isUsual).toEqual([true, true, true, true, true, true, false, false, false, false])
  for (const raw of raws.slice(0, 6)) expect(usualFields(raw)).toEqual(decodeFields(raw))
  for (let i = 0; i < 20_000; i++) {
    const raw = (raws[random(raws.length)] as Uint8Array).slice()
    for (let n = random(3); n >= 0; n--) raw[random(Math.min(raw.length, 60))] = random(256)
    const cut = random(10) === 0 ? raw.slice(0, random(raw.length)) : raw
    const usual = usualFields(cut)
    if (usual !== null) expect(usual, `SEED=${seed} ${bytesToHex(cut)}`).toEqual(decodeFields(cut))
  }
})

test('senders of many at once are those of one after the other, however long their data', async () => {
  // Around each length at which a header of RLP grows: of the data, of what is signed and of the whole.
  const lengths = [
    0, 1, 11, 12, 13, 14, 55, 56, 57, 120, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 255, 256, 600, 900,
    2_000,
  ]
  const raws = await Promise.all(lengths.map((n) => sign({ type: 2, ...feed, data: `0x${'5a'.repeat(n)}` })))
  const own = wallet.address.toLowerCase()
  const recoverMany = createRecoverMany()
  if (recoverMany === null) throw new Error('this machine has no lanes')
  for (const many of [raws, raws.map((raw) => raw.slice()).reverse()]) {
    const found = identifyTxs(many, recoverMany)
    expect(found).toEqual(many.map(identifyTx))
    expect(found.map((each) => each?.from && bytesToHex(each.from))).toEqual(many.map(() => own))
  }
})

test('a transaction that reads its fields out of its bytes has those that the careful way finds', async () => {
  const signed = await Promise.all([
    sign({ type: 2, ...feed, data: '0x' }),
    sign({ type: 2, ...feed, data: `0x${'ab'.repeat(68)}`, nonce: 2 ** 40 }),
    sign({ type: 2, ...feed, data: `0x${'ab'.repeat(120)}`, value: 2n ** 180n }),
    sign({ type: 2, ...feed, data: `0x${'ab'.repeat(300)}` }),
    sign({ type: 2, ...feed, data: `0x${'ab'.repeat(860)}`, value: 2n ** 180n }),
    sign({ type: 2, ...feed, data: `0x${'ab'.repeat(1_000)}` }),
    sign({ type: 2, ...feed, accessList }),
    sign({ type: 2, ...feed, to: null }),
  ])
  for (const own of signed) {
    // Somewhere within a larger buffer, as most are, and on a shelf with sender and hash behind.
    const identity = identifyTx(own) as Identity
    const raw = concat(new Uint8Array(7), own, new Uint8Array(9)).subarray(7, 7 + own.length)
    const shelf = concat(new Uint8Array(5), own, identity.hash, identity.from ?? new Uint8Array(0), new Uint8Array(9))
    const { yParity, ...fields } = decodeFields(raw)
    for (const tx of [decodeTx(raw, 662607n), shelvedTx(shelf.subarray(5, 5 + own.length), 662607n)]) {
      for (const [name, value] of Object.entries(fields)) expect(tx[name as keyof Tx], name).toEqual(value)
      expect(tx.raw).toEqual(own)
      expect(tx.v).toBe(yParity)
      expect(tx.hash).toEqual(keccak(own))
      expect(bytesToHex(tx.from)).toBe(wallet.address.toLowerCase())
      const elsewhere = structuredClone(plainTx(tx))
      for (const name of Object.keys(elsewhere)) expect(elsewhere[name as keyof Tx], name).toEqual(tx[name as keyof Tx])
      expect(Object.keys(elsewhere).sort()).toEqual([...Object.keys(fields), 'from', 'hash', 'raw'].sort())
    }
    expect(code(() => shelvedTx(shelf.subarray(5, 5 + own.length), 1n))).toBe('TX_WRONG_CHAIN')
  }
})

test('sender and hash that somebody found out are what decoding finds out, and nothing is said of what is no transaction', async () => {
  for (const fields of [
    { type: 0, gasPrice: 9n },
    { type: 1, gasPrice: 9n, accessList },
    { type: 2, ...feed },
  ]) {
    const raw = await sign(fields)
    const identity = identifyTx(raw)
    const tx = decodeTx(raw, 662607n)
    expect(identity).toEqual({ hash: tx.hash, from: tx.from })
    expect(decodeTx(raw, 662607n, () => identity?.from ?? null, identity?.hash)).toEqual(tx)
    expect(code(() => decodeTx(raw, 662607n, () => null))).toBe('TX_SIGNATURE')
  }
  expect(identifyTx(Uint8Array.of(2, 0xc0))).toBeNull()
})
