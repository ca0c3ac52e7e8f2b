// Signatures for the simulator: sums of cheap keyed hashes, so that they aggregate as BLS does and nobody signs without the key. A
// thousand times faster than pairings; not for anything that has an adversary outside this process.
import { type Curves, portableCurves } from '../../chain/base/crypto.ts'

const LANES = 3

const wordsOf = (bytes: Uint8Array, count: number): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i))
}
const bytesOf = (words: readonly number[], sizeBytes: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  const view = new DataView(out.buffer)
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word)
  return out
}
const share = (key: number, message: readonly number[]): number[] =>
  Array.from({ length: LANES }, (_, lane) => {
    let x = Math.imul(key ^ (lane * 0x9e3779b9), 0x85ebca6b) >>> 0
    for (const word of message) {
      x = Math.imul(x ^ word, 0xc2b2ae35)
      x = (x ^ (x >>> 15)) >>> 0
    }
    return x
  })
const add = (a: number[], b: readonly number[]): void => {
  for (let i = 0; i < LANES; i++) a[i] = ((a[i] as number) + (b[i] as number)) >>> 0
}
const secretOf = (publicKey: Uint8Array): number =>
  (new DataView(publicKey.buffer, publicKey.byteOffset).getUint32(0) ^ 0x5eed) >>> 0

export const fakeCurves: Curves = {
  ...portableCurves,
  blsPublicKey: (secret) => bytesOf([(new DataView(secret.buffer, secret.byteOffset).getUint32(0) ^ 0x5eed) >>> 0], 48),
  blsSign: (secret, message) =>
    bytesOf(share(new DataView(secret.buffer, secret.byteOffset).getUint32(0), wordsOf(message, 8)), 96),
  blsVerify(publicKeys, message, signature) {
    if (publicKeys.length === 0 || signature.length !== 96) return false
    const words = wordsOf(message, 8)
    const sum = [0, 0, 0]
    for (const key of publicKeys) add(sum, share(secretOf(key), words))
    return wordsOf(signature, 24).every((word, i) => word === (sum[i] ?? 0))
  },
  blsVerifyAll: (jobs) => jobs.every(({ keys, message, signature }) => fakeCurves.blsVerify(keys, message, signature)),
  blsVerifyAllAsync: async (jobs) => fakeCurves.blsVerifyAll(jobs),
  blsAggregate(signatures) {
    const sum = [0, 0, 0]
    for (const signature of signatures) add(sum, wordsOf(signature, LANES))
    return bytesOf(sum, 96)
  },
  blsAggregateKeys: (publicKeys) => publicKeys[0] ?? new Uint8Array(48),
}

/** 32 bytes that name a validator. */
export const fakeSecret = (id: number): Uint8Array => bytesOf([id + 1], 32)
