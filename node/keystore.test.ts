// Keystores against the vectors of EIP-2335 and of the Web3 Secret Storage page, and what must be refused.
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import {
  decryptKeystore,
  encryptKeystore,
  nameOf,
  newSecret,
  parseKeystore,
  readKeyFile,
  writeKeyFile,
} from './keystore.ts'

const blsPassword = '𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑'
const blsSecret = '0x000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f'
const salt = 'd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3'
const v4 = (kdf: object, checksum: string, cipher: string) => ({
  crypto: {
    kdf: { ...kdf, message: '' },
    checksum: { function: 'sha256', params: {}, message: checksum },
    cipher: { function: 'aes-128-ctr', params: { iv: '264daa3f303d7259501c93d997d84fe6' }, message: cipher },
  },
  pubkey: '9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07',
  path: 'm/12381/60/0/0',
  uuid: '64625def-3331-4eea-ab6f-782f3ed16a83',
  version: 4,
})
const v4Scrypt = v4(
  { function: 'scrypt', params: { dklen: 32, n: 262144, p: 1, r: 8, salt } },
  'd2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484',
  '06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f',
)
const v4Pbkdf2 = v4(
  { function: 'pbkdf2', params: { dklen: 32, c: 262144, prf: 'hmac-sha256', salt } },
  '8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1',
  'cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad',
)

const v3Secret = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const v3 = (crypto: object) => ({
  crypto: { cipher: 'aes-128-ctr', ...crypto },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
})
const v3Pbkdf2 = v3({
  cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
  ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
  kdf: 'pbkdf2',
  kdfparams: {
    c: 262144,
    dklen: 32,
    prf: 'hmac-sha256',
    salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
  },
  mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
})
const v3Scrypt = v3({
  cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
  ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
  kdf: 'scrypt',
  kdfparams: {
    dklen: 32,
    n: 262144,
    p: 8,
    r: 1,
    salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
  },
  mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
})

const parse = (json: object) => parseKeystore(JSON.stringify(json), 'key.json')
const open = async (json: object, password: string) => bytesToHex(await decryptKeystore(parse(json), password))

test('the two vectors of EIP-2335 decrypt, whichever form of the letters is typed', async () => {
  expect(await open(v4Scrypt, blsPassword)).toBe(blsSecret)
  expect(await open(v4Pbkdf2, blsPassword)).toBe(blsSecret)
  expect(await open(v4Pbkdf2, 'test\u0007pass\u007fword\u0085🔑\n')).toBe(blsSecret)
})

test('the two vectors of Web3 Secret Storage decrypt', async () => {
  expect(await open(v3Scrypt, 'testpassword')).toBe(v3Secret)
  expect(await open(v3Pbkdf2, 'testpassword')).toBe(v3Secret)
})

test('what is encrypted here decrypts here, and an account in ethers too', async () => {
  for (const type of ['validator', 'account'] as const) {
    const secret = newSecret(type)
    const text = await encryptKeystore(secret, 'pässword', { type })
    const store = parseKeystore(text, 'x')
    expect(store.type).toBe(type)
    expect(store.name).toEqual(nameOf(type, secret))
    expect(await decryptKeystore(store, 'pässword')).toEqual(secret)
    if (type === 'account')
      expect((await Wallet.fromEncryptedJson(text, 'pässword')).privateKey).toBe(bytesToHex(secret))
  }
})

test('a wrong password, and a file that names another key, are refused', async () => {
  await expect(open(v4Pbkdf2, 'no')).rejects.toMatchObject({ code: 'KEYSTORE_PASSWORD' })
  await expect(open(v3Pbkdf2, 'no')).rejects.toMatchObject({ code: 'KEYSTORE_PASSWORD' })
  const other = { ...v4Pbkdf2, pubkey: 'aa'.repeat(48) }
  await expect(open(other, blsPassword)).rejects.toMatchObject({ code: 'KEYSTORE_OTHER_KEY' })
})

test('costs are bounded before anything is computed', () => {
  const scrypt = (params: object) => () =>
    parse(v3({ ...v3Scrypt.crypto, kdfparams: { dklen: 32, n: 262144, p: 1, r: 8, salt, ...params } }))
  const cost = expect.objectContaining({ code: 'KEYSTORE_COST' })
  const malformed = expect.objectContaining({ code: 'KEYSTORE_MALFORMED' })
  expect(scrypt({ n: 2 ** 19 })).not.toThrow()
  expect(scrypt({ n: 2 ** 20 })).toThrow(cost)
  expect(scrypt({ n: 2, r: 1, p: 2 ** 23 })).not.toThrow()
  expect(scrypt({ n: 2, r: 1, p: 2 ** 23 + 1 })).toThrow(cost)
  expect(scrypt({ r: 2 ** 50 })).toThrow(cost)
  expect(scrypt({ n: 262143 })).toThrow(malformed)
  expect(scrypt({ n: 1 })).toThrow(malformed)
  expect(scrypt({ r: 0 })).toThrow(malformed)
  expect(scrypt({ p: 1.5 })).toThrow(malformed)
  expect(scrypt({ n: '262144' })).toThrow(malformed)
  expect(scrypt({ dklen: 64 })).toThrow(malformed)
  expect(scrypt({ salt: '00'.repeat(1_025) })).toThrow(malformed)
  const rounds = (c: number) => () =>
    parse(
      v4({ function: 'pbkdf2', params: { dklen: 32, c, prf: 'hmac-sha256', salt } }, '00'.repeat(32), '00'.repeat(32)),
    )
  expect(rounds(10_000_000)).not.toThrow()
  expect(rounds(10_000_001)).toThrow(cost)
})

test('a malformed file says which field', () => {
  const field = (text: string) => {
    try {
      parseKeystore(text, 'k')
      return null
    } catch (error) {
      return (error as { data: { field: string } }).data.field
    }
  }
  const broken = (edit: (json: typeof v4Scrypt) => object) => field(JSON.stringify(edit(structuredClone(v4Scrypt))))
  expect(field('nonsense')).toBe('the file')
  expect(field('[]')).toBe('the file')
  expect(field('null')).toBe('the file')
  expect(broken((json) => ({ ...json, version: 1 }))).toBe('version')
  expect(broken((json) => ({ ...json, crypto: null }))).toBe('crypto')
  expect(broken((json) => ({ ...json, pubkey: '12' }))).toBe('pubkey')
  expect(broken((json) => ({ ...json, crypto: { ...json.crypto, cipher: { function: 'aes-256' } } }))).toBe(
    'crypto.cipher.function',
  )
  expect(
    broken((json) => ({ ...json, crypto: { ...json.crypto, checksum: { function: 'sha256', message: '0' } } })),
  ).toBe('crypto.checksum.message')
})

test('a secret outside the curve is refused', async () => {
  const order = hexToBytes('0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001')
  for (const secret of [order, new Uint8Array(32), new Uint8Array(31).fill(1)])
    await expect(encryptKeystore(secret, 'x', { type: 'validator' })).rejects.toMatchObject({ code: 'KEYSTORE_SECRET' })
})

test('files are for their owner alone, whole, and never overwritten', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nova-keys-'))
  const file = join(dir, 'key.json')
  await writeKeyFile(file, 'one')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  await expect(writeKeyFile(file, 'two')).rejects.toMatchObject({ code: 'KEYSTORE_EXISTS' })
  expect(readFileSync(file, 'utf8')).toBe('one')
  expect(readdirSync(dir)).toEqual(['key.json'])
  await expect(writeKeyFile(join(dir, 'no', 'key'), 'x')).rejects.toMatchObject({ code: 'KEYSTORE_FILE' })
  expect(await readKeyFile(file)).toBe('one')
  await expect(readKeyFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'KEYSTORE_FILE' })
  await expect(readKeyFile(dir)).rejects.toMatchObject({ code: 'KEYSTORE_FILE' })
  writeFileSync(join(dir, 'open'), 'x', { mode: 0o644 })
  await expect(readKeyFile(join(dir, 'open'))).rejects.toMatchObject({ code: 'KEYSTORE_FILE' })
})
