// Encrypted keystores that open in a millisecond: the same files as `keys new` writes, with a key derivation of one round. For tests with many.
import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { bytesToHex, concat } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { type KeyType, nameOf, newSecret, writeKeyFile } from '../../node/keystore.ts'

const bare = (bytes: Uint8Array): string => bytesToHex(new Uint8Array(bytes)).slice(2)

/** This key in this file, or a new one. */
export async function writeLightKeystore(
  file: string,
  type: KeyType,
  password: string,
  secret = newSecret(type),
): Promise<void> {
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const derived = new Uint8Array(pbkdf2Sync(password, salt, 1, 32, 'sha256'))
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const text = new Uint8Array(Buffer.concat([cipher.update(secret), cipher.final()]))
  const checked = concat(derived.subarray(16), text)
  const params = { dklen: 32, c: 1, prf: 'hmac-sha256', salt: bare(salt) }
  const checksum = createHash('sha256').update(checked).digest('hex')
  const json =
    type === 'validator'
      ? {
          crypto: {
            kdf: { function: 'pbkdf2', params, message: '' },
            checksum: { function: 'sha256', params: {}, message: checksum },
            cipher: { function: 'aes-128-ctr', params: { iv: bare(iv) }, message: bare(text) },
          },
          ...{ description: '', pubkey: bare(nameOf(type, secret)), path: '', uuid: '', version: 4 },
        }
      : {
          address: bare(nameOf(type, secret)),
          crypto: {
            ...{ cipher: 'aes-128-ctr', cipherparams: { iv: bare(iv) }, ciphertext: bare(text) },
            ...{ kdf: 'pbkdf2', kdfparams: params, mac: bare(keccak(checked)) },
          },
          ...{ id: '', version: 3 },
        }
  await writeKeyFile(file, JSON.stringify(json))
}
