// The same functions as `crypto.ts` over native secp256k1 and blst: 68 us a recovery against 1,576, 0.5 ms a BLS
// signature against 9.8.
import {
  aggregatePublicKeys,
  aggregateSignatures,
  fastAggregateVerify,
  PublicKey,
  SecretKey,
  Signature,
} from '@chainsafe/blst'
import native from 'secp256k1'
import { concat } from './bytes.ts'
import type { Curves } from './crypto.ts'

export const nativeCurves: Curves = {
  recover(digest, r, s, recovery) {
    try {
      return native.ecdsaRecover(concat(r, s), recovery, digest, false).subarray(1)
    } catch {
      return null
    }
  },
  sign(digest, privateKey) {
    const { signature, recid } = native.ecdsaSign(digest, privateKey)
    return { signature, recovery: recid === 1 ? 1 : 0 }
  },
  publicKey: (privateKey) => native.publicKeyCreate(privateKey, false).subarray(1),
  blsPublicKey: (secret) => SecretKey.fromBytes(secret).toPublicKey().toBytes(),
  blsSign: (secret, message) => SecretKey.fromBytes(secret).sign(message).toBytes(),
  blsVerify(publicKeys, message, signature) {
    try {
      const keys = publicKeys.map((bytes) => PublicKey.fromBytes(bytes, true))
      return fastAggregateVerify(message, keys, Signature.fromBytes(signature), true)
    } catch {
      return false
    }
  },
  blsAggregate: (signatures) => aggregateSignatures(signatures.map((bytes) => Signature.fromBytes(bytes))).toBytes(),
  blsAggregateKeys: (publicKeys) =>
    aggregatePublicKeys(publicKeys.map((bytes) => PublicKey.fromBytes(bytes))).toBytes(),
}
