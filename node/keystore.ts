// Encrypted keys on disk: EIP-2335 (version 4) for a validator's BLS key, Web3 Secret Storage (version 3) for an account's. Owns both
// formats and the files they lie in: mode 0600, whole or not at all, never overwritten. Files from elsewhere cost at most what is
// bounded here, however much work they ask for.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  pbkdf2,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { link, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { scrypt as lenientScrypt } from '@noble/hashes/scrypt.js'
import { bytesToBigint, bytesToHex, concat, equalBytes, hexToBytes } from '../chain/base/bytes.ts'
import { curves, keccak, publicKeyToAddress } from '../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'

export const KeystoreErrors = defineErrors('KEYSTORE', {
  FILE: { text: (d: { file: string; reason: string }) => `${d.file}: ${d.reason}` },
  EXISTS: {
    text: (d: { file: string }) =>
      `${d.file} exists, and a key is never overwritten: choose another name or move it away`,
  },
  MALFORMED: {
    text: (d: { file: string; field: string; reason: string }) =>
      `${d.file} is no keystore this version reads: ${d.field}: ${d.reason}; restore it from a backup`,
  },
  COST: {
    text: (d: { file: string; what: string; have: number; max: number }) =>
      `${d.file} asks for ${d.what} of ${d.have}, at most ${d.max}: encrypt the key again with the usual parameters`,
  },
  PASSWORD: {
    text: (d: { file: string }) => `${d.file}: wrong password (the checksum differs); try again, or restore the file`,
  },
  TYPE: {
    text: (d: { file: string; have: KeyType; want: KeyType }) =>
      `${d.file} holds the key of ${d.have === 'account' ? 'an account' : 'a validator'}, not of ${d.want === 'account' ? 'an account' : 'a validator'}: name the right file (\`novachain keys list\` shows which is which)`,
  },
  OTHER_KEY: {
    text: (d: { file: string; says: string; holds: string }) =>
      `${d.file} says it is the key ${d.says} and holds ${d.holds}: restore it from a backup`,
  },
  SECRET: {
    text: (d: { type: KeyType; reason: string }) =>
      `this is no ${d.type === 'validator' ? 'BLS12-381' : 'secp256k1'} secret: ${d.reason}`,
  },
})

export type KeyType = 'validator' | 'account'

/** A keystore whose fields were checked; still encrypted. */
export interface Keystore {
  readonly file: string
  readonly type: KeyType
  /** The BLS public key or the address it says it is of; null where it does not say. */
  readonly name: Uint8Array | null
  readonly description: string
  readonly kdf: Kdf
  readonly iv: Uint8Array
  readonly cipherText: Uint8Array
  readonly checksum: Uint8Array
}

type Kdf =
  | {
      readonly function: 'scrypt'
      readonly salt: Uint8Array
      readonly n: number
      readonly r: number
      readonly p: number
    }
  | { readonly function: 'pbkdf2'; readonly salt: Uint8Array; readonly c: number }

/** Memory is 128 n r bytes; the usual 2^18 with r 8 takes 256 MiB, and here twice that is allowed. */
const SCRYPT_MEMORY_MAX_BYTES = 512 * 1024 * 1024
/** n r p; the usual 2^21 takes about a second. */
const SCRYPT_WORK_MAX = 2 ** 24
/** 2^18 is usual, and takes 0.1 s. */
const PBKDF2_ROUNDS_MAX = 10_000_000
const SALT_MAX_BYTES = 1_024
const KEYSTORE_MAX_BYTES = 64 * 1024
/** Both formats use 16 bytes for the cipher and 16 for the checksum. */
const DERIVED_BYTES = 32
const ORDER: Readonly<Record<KeyType, bigint>> = {
  validator: 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n,
  account: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
}
const runScrypt = promisify<
  string | Uint8Array,
  Uint8Array,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scrypt)
const runPbkdf2 = promisify(pbkdf2)

/** 32 bytes of the system's randomness that are a key: the few values above the order are drawn again. */
export function newSecret(type: KeyType): Uint8Array {
  for (;;) {
    const secret = new Uint8Array(randomBytes(32))
    const value = bytesToBigint(secret)
    if (value > 0n && value < ORDER[type]) return secret
  }
}

/** Throws KEYSTORE_SECRET for what is no key of the type. */
function checkSecret(type: KeyType, secret: Uint8Array): void {
  const refuse = (reason: string) => new NodeError(KeystoreErrors.SECRET, { type, reason })
  if (secret.length !== 32) throw refuse(`${secret.length} bytes, expected 32`)
  const value = bytesToBigint(secret)
  if (value === 0n || value >= ORDER[type]) throw refuse('it is zero, or not below the order of the curve')
}

/** What others know a key by: the BLS public key of a validator, the address of an account. */
export const nameOf = (type: KeyType, secret: Uint8Array): Uint8Array =>
  type === 'validator' ? curves().blsPublicKey(secret) : publicKeyToAddress(curves().publicKey(secret))

/** The keystore's text, under scrypt with a fresh salt. */
export async function encryptKeystore(
  secret: Uint8Array,
  password: string,
  about: { readonly type: KeyType; readonly description?: string },
): Promise<string> {
  checkSecret(about.type, secret)
  const kdf = { function: 'scrypt', salt: new Uint8Array(randomBytes(32)), n: 2 ** 18, r: 8, p: 1 } as const
  const derived = await derive(kdf, passwordBytes(about.type, password))
  const iv = new Uint8Array(randomBytes(16))
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const cipherText = concat(cipher.update(secret), cipher.final())
  const checksum = checksumOf(about.type, derived, cipherText)
  const kdfparams = { dklen: DERIVED_BYTES, n: kdf.n, r: kdf.r, p: kdf.p, salt: bare(kdf.salt) }
  const json =
    about.type === 'validator'
      ? {
          crypto: {
            kdf: { function: 'scrypt', params: kdfparams, message: '' },
            checksum: { function: 'sha256', params: {}, message: bare(checksum) },
            cipher: { function: 'aes-128-ctr', params: { iv: bare(iv) }, message: bare(cipherText) },
          },
          description: about.description ?? '',
          pubkey: bare(nameOf('validator', secret)),
          path: '', // made of randomness, not of a mnemonic
          uuid: randomUUID(),
          version: 4,
        }
      : {
          address: bare(nameOf('account', secret)),
          crypto: {
            cipher: 'aes-128-ctr',
            cipherparams: { iv: bare(iv) },
            ciphertext: bare(cipherText),
            kdf: 'scrypt',
            kdfparams,
            mac: bare(checksum),
          },
          id: randomUUID(),
          version: 3,
        }
  return `${JSON.stringify(json, null, 2)}\n`
}

/** The secret. Throws KEYSTORE_PASSWORD, and KEYSTORE_OTHER_KEY where the file lies about whose key it holds. */
export async function decryptKeystore(store: Keystore, password: string): Promise<Uint8Array> {
  const { file, type } = store
  const derived = await derive(store.kdf, passwordBytes(type, password))
  if (!timingSafeEqual(checksumOf(type, derived, store.cipherText), store.checksum))
    throw new NodeError(KeystoreErrors.PASSWORD, { file })
  const cipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), store.iv)
  const secret = concat(cipher.update(store.cipherText), cipher.final())
  checkSecret(type, secret)
  const holds = nameOf(type, secret)
  if (store.name !== null && !equalBytes(store.name, holds))
    throw new NodeError(KeystoreErrors.OTHER_KEY, { file, says: bytesToHex(store.name), holds: bytesToHex(holds) })
  return secret
}

/** Whether a text is meant to be a keystore: the other form of a key file is one line of hex. */
const looksLikeKeystore = (text: string): boolean => text.trimStart().startsWith('{')

/** Checks every field and every cost before anything is computed. Throws KEYSTORE_MALFORMED and KEYSTORE_COST. */
export function parseKeystore(text: string, file: string): Keystore {
  const refuse: Refuse = (field, reason) => new NodeError(KeystoreErrors.MALFORMED, { file, field, reason })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw refuse('the file', 'it is not JSON')
  }
  const top = fieldsOf(json, '', refuse)
  const version = top.value('version')
  if (version === 4) return parseV4(top, file, refuse)
  if (version === 3) return parseV3(top, file, refuse)
  throw refuse('version', `${JSON.stringify(version)}, expected 3 or 4`)
}

type Refuse = (field: string, reason: string) => NodeError
interface Fields {
  value(key: string): unknown
  inner(key: string): Fields
  one<T extends string>(key: string, allowed: readonly T[]): T
  count(key: string): number
  hex(key: string, sizeBytes: { readonly min: number; readonly max: number }): Uint8Array
}

const parseV4 = (top: Fields, file: string, refuse: Refuse): Keystore => {
  const crypto = top.inner('crypto')
  const [kdf, checksum, cipher] = [crypto.inner('kdf'), crypto.inner('checksum'), crypto.inner('cipher')]
  checksum.one('function', ['sha256'])
  cipher.one('function', ['aes-128-ctr'])
  const name = top.value('pubkey')
  return {
    file,
    type: 'validator',
    name: name === undefined || name === '' ? null : top.hex('pubkey', { min: 48, max: 48 }),
    description: String(top.value('description') ?? ''),
    kdf: parseKdf(kdf.one('function', ['scrypt', 'pbkdf2']), kdf.inner('params'), file, refuse),
    iv: cipher.inner('params').hex('iv', { min: 16, max: 16 }),
    cipherText: cipher.hex('message', { min: 32, max: 32 }),
    checksum: checksum.hex('message', { min: 32, max: 32 }),
  }
}

const parseV3 = (top: Fields, file: string, refuse: Refuse): Keystore => {
  // Old wallets wrote "Crypto".
  const crypto = top.inner(top.value('crypto') === undefined ? 'Crypto' : 'crypto')
  crypto.one('cipher', ['aes-128-ctr'])
  const name = top.value('address')
  return {
    file,
    type: 'account',
    name: name === undefined || name === '' ? null : top.hex('address', { min: 20, max: 20 }),
    description: '',
    kdf: parseKdf(crypto.one('kdf', ['scrypt', 'pbkdf2']), crypto.inner('kdfparams'), file, refuse),
    iv: crypto.inner('cipherparams').hex('iv', { min: 16, max: 16 }),
    cipherText: crypto.hex('ciphertext', { min: 32, max: 32 }),
    checksum: crypto.hex('mac', { min: 32, max: 32 }),
  }
}

const parseKdf = (name: 'scrypt' | 'pbkdf2', params: Fields, file: string, refuse: Refuse): Kdf => {
  const bound = (what: string, have: number, max: number): void => {
    if (have > max) throw new NodeError(KeystoreErrors.COST, { file, what, have, max })
  }
  const salt = params.hex('salt', { min: 1, max: SALT_MAX_BYTES })
  const dklen = params.count('dklen')
  if (dklen !== DERIVED_BYTES) throw refuse('dklen', `${dklen}, expected ${DERIVED_BYTES}`)
  if (name === 'pbkdf2') {
    params.one('prf', ['hmac-sha256'])
    const c = params.count('c')
    bound('pbkdf2 rounds', c, PBKDF2_ROUNDS_MAX)
    return { function: 'pbkdf2', salt, c }
  }
  const [n, r, p] = [params.count('n'), params.count('r'), params.count('p')]
  if (n < 2 || !Number.isInteger(Math.log2(n))) throw refuse('n', `${n}, expected a power of two`)
  bound('scrypt memory in bytes', 128 * n * r, SCRYPT_MEMORY_MAX_BYTES)
  bound('scrypt work (n r p)', n * r * p, SCRYPT_WORK_MAX)
  return { function: 'scrypt', salt, n, r, p }
}

/** Looks at one object of the file, and says the whole path of what is wrong in it. */
const fieldsOf = (json: unknown, path: string, refuse: Refuse): Fields => {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw refuse(path === '' ? 'the file' : path, 'expected an object')
  const record: Readonly<Record<string, unknown>> = { ...json }
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`)
  const shown = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80))
  return {
    value: (key: string): unknown => record[key],
    inner: (key: string): Fields => fieldsOf(record[key], at(key), refuse),
    one<T extends string>(key: string, allowed: readonly T[]): T {
      const found = allowed.find((each) => each === record[key])
      if (found === undefined) throw refuse(at(key), `${shown(record[key])}, expected ${allowed.join(' or ')}`)
      return found
    },
    count(key: string): number {
      const value = record[key]
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
      throw refuse(at(key), `${shown(value)}, expected a whole number from 1 on`)
    },
    hex(key: string, sizeBytes: { readonly min: number; readonly max: number }): Uint8Array {
      const value = record[key]
      const digits = typeof value === 'string' ? value.replace(/^0x/, '') : ''
      const size = digits.length / 2
      if (/^([0-9a-fA-F]{2})+$/.test(digits) && size >= sizeBytes.min && size <= sizeBytes.max)
        return hexToBytes(`0x${digits}`)
      const want = sizeBytes.min === sizeBytes.max ? `${sizeBytes.max}` : `${sizeBytes.min} to ${sizeBytes.max}`
      throw refuse(at(key), `${shown(value)}, expected ${want} bytes of hex`)
    },
  }
}

/**
 * EIP-2335 wants compatibility decomposition and no control codes, so that one password is the same bytes on every keyboard. The older
 * format says nothing, and its tools take the bytes as they are.
 */
const passwordBytes = (type: KeyType, password: string): Uint8Array => {
  const isControl = (code: number): boolean => code < 0x20 || (code >= 0x7f && code <= 0x9f)
  const text =
    type === 'account'
      ? password
      : [...password.normalize('NFKD')].filter((letter) => !isControl(letter.codePointAt(0) ?? 0)).join('')
  return new TextEncoder().encode(text)
}

/**
 * Off the main thread, by node:crypto: 0.4 s for the usual scrypt. It refuses n from 2^(16 r) on, as RFC 7914 says; early wallets wrote
 * such files (n 2^18, r 1), so those go the slow way.
 */
const derive = async (kdf: Kdf, password: Uint8Array): Promise<Uint8Array> => {
  if (kdf.function === 'pbkdf2') return runPbkdf2(password, kdf.salt, kdf.c, DERIVED_BYTES, 'sha256')
  const { salt, n, r, p } = kdf
  if (Math.log2(n) >= 16 * r)
    return lenientScrypt(password, salt, { N: n, r, p, dkLen: DERIVED_BYTES, maxmem: 2 * SCRYPT_MEMORY_MAX_BYTES })
  // The cost is checked already; the library counts its scratch space too.
  return runScrypt(password, salt, DERIVED_BYTES, { N: n, r, p, maxmem: 2 * SCRYPT_MEMORY_MAX_BYTES })
}

const checksumOf = (type: KeyType, derived: Uint8Array, cipherText: Uint8Array): Uint8Array => {
  const bytes = concat(derived.subarray(16, 32), cipherText)
  return type === 'validator' ? new Uint8Array(createHash('sha256').update(bytes).digest()) : keccak(bytes)
}

const bare = (bytes: Uint8Array): string => bytesToHex(bytes).slice(2)

/**
 * The secret in a key file: a keystore, whose password is asked for only then, or one line of hex. Throws KEYSTORE_*; a keystore of the
 * other type is KEYSTORE_TYPE.
 */
export async function openKeyFile(
  file: string,
  type: KeyType,
  password: (store: Keystore) => Promise<string>,
): Promise<Uint8Array> {
  const text = await readKeyFile(file)
  if (looksLikeKeystore(text)) {
    const store = parseKeystore(text, file)
    if (store.type !== type) throw new NodeError(KeystoreErrors.TYPE, { file, have: store.type, want: type })
    return decryptKeystore(store, await password(store))
  }
  const digits = text.trim().replace(/^0x/, '')
  if (!/^[0-9a-fA-F]{64}$/.test(digits))
    throw new NodeError(KeystoreErrors.FILE, { file, reason: 'it is neither a keystore nor 64 hex digits' })
  const secret = hexToBytes(`0x${digits}`)
  checkSecret(type, secret)
  return secret
}

/** Whose key a file says it holds, without its password; null where it does not say. Throws KEYSTORE_*. */
export async function keystoreName(file: string, type: KeyType): Promise<Uint8Array | null> {
  const text = await readKeyFile(file)
  if (!looksLikeKeystore(text)) return null
  const store = parseKeystore(text, file)
  if (store.type !== type) throw new NodeError(KeystoreErrors.TYPE, { file, have: store.type, want: type })
  return store.name
}

/** The text of a file that holds a secret, or of a pipe. Throws KEYSTORE_FILE where it is missing, too large, or readable by others. */
export async function readKeyFile(file: string): Promise<string> {
  const refuse = (reason: string, cause?: unknown) => new NodeError(KeystoreErrors.FILE, { file, reason }, { cause })
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, cause)
  })
  if (!found.isFile() && !found.isFIFO()) throw refuse('it is no file')
  if (found.size > KEYSTORE_MAX_BYTES) throw refuse(`it has ${found.size} bytes, at most ${KEYSTORE_MAX_BYTES}`)
  if (found.isFile() && (found.mode & 0o077) !== 0) throw refuse(`others can read it; run chmod 600 ${file}`)
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw refuse(cause.message, cause)
  })
}

/** Whole and on disk under its name, for its owner alone, or not at all. Throws KEYSTORE_EXISTS rather than overwrite. */
export async function writeKeyFile(file: string, text: string): Promise<void> {
  const fresh = `${file}.${randomUUID()}.new`
  try {
    const handle = await open(fresh, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // A link refuses a name that is taken, where a rename would replace it.
    await link(fresh, file)
    const folder = await open(dirname(file), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException // the file system throws nothing else
    if (code === 'EEXIST') throw new NodeError(KeystoreErrors.EXISTS, { file }, { cause })
    throw new NodeError(KeystoreErrors.FILE, { file, reason: `cannot be written (${message})` }, { cause })
  } finally {
    await rm(fresh, { force: true })
  }
}
