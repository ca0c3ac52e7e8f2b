// Signatures for the simulator: sums of cheap keyed hashes, so that they aggregate as BLS does and nobody signs without the key. A
// thousand times faster than pairings; not for anything that has an adversary outside this process.
import { type Curves, portableCurves } from '../../chain/base/crypto.ts'

const LANES = 3

const wordAt = (bytes: Uint8Array, i: number): number =>
  (((bytes[4 * i] as number) << 24) |
    ((bytes[4 * i + 1] as number) << 16) |
    ((bytes[4 * i + 2] as number) << 8) |
    (bytes[4 * i + 3] as number)) >>>
  0
const setWord = (bytes: Uint8Array, i: number, word: number): void => {
  bytes[4 * i] = word >>> 24
  bytes[4 * i + 1] = word >>> 16
  bytes[4 * i + 2] = word >>> 8
  bytes[4 * i + 3] = word
}
const share = (key: number, message: Uint8Array, lane: number): number => {
  let x = Math.imul(key ^ (lane * 0x9e3779b9), 0x85ebca6b) >>> 0
  for (let i = 0; i < 8; i++) {
    x = Math.imul(x ^ wordAt(message, i), 0xc2b2ae35)
    x = (x ^ (x >>> 15)) >>> 0
  }
  return x
}
const MASK = 0x5eed

export const fakeCurves: Curves = {
  ...portableCurves,
  blsPublicKey(secret) {
    const out = new Uint8Array(48)
    setWord(out, 0, wordAt(secret, 0) ^ MASK)
    return out
  },
  blsSign(secret, message) {
    const out = new Uint8Array(96)
    for (let lane = 0; lane < LANES; lane++) setWord(out, lane, share(wordAt(secret, 0), message, lane))
    return out
  },
  blsVerify(publicKeys, message, signature) {
    if (publicKeys.length === 0 || signature.length !== 96) return false
    for (let lane = 0; lane < LANES; lane++) {
      let sum = 0
      for (const key of publicKeys) sum = (sum + share((wordAt(key, 0) ^ MASK) >>> 0, message, lane)) >>> 0
      if (wordAt(signature, lane) !== sum) return false
    }
    for (let i = 4 * LANES; i < 96; i++) if (signature[i] !== 0) return false
    return true
  },
  blsVerifyAll: (jobs) => jobs.every(({ keys, message, signature }) => fakeCurves.blsVerify(keys, message, signature)),
  blsVerifyAllAsync: async (jobs) => fakeCurves.blsVerifyAll(jobs),
  blsAggregate(signatures) {
    const out = new Uint8Array(96)
    for (const signature of signatures)
      for (let lane = 0; lane < LANES; lane++) setWord(out, lane, wordAt(out, lane) + wordAt(signature, lane))
    return out
  },
  blsAggregateKeys: (publicKeys) => publicKeys[0] ?? new Uint8Array(48),
}

/** 32 bytes that name a validator. */
export const fakeSecret = (id: number): Uint8Array => {
  const out = new Uint8Array(32)
  setWord(out, 0, id + 1)
  return out
}
