import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type BlsJob, installCurves, jobsByMessage, keccak, portableCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { createVerifier, inlineVerifier } from './verifier.ts'

afterEach(() => installCurves(portableCurves))

const SIGNERS = 128
const secrets = Array.from({ length: SIGNERS }, (_, i) => Uint8Array.of(0, ...keccak(Uint8Array.of(i)).subarray(1)))
const keys = secrets.map((secret) => nativeCurves.blsPublicKey(secret))
const texts = Array.from({ length: 5 }, (_, i) => keccak(Uint8Array.of(9, i)))
const message = texts[0] as Uint8Array
const signatures = secrets.map((secret) => nativeCurves.blsSign(secret, message))
/** `by` another signer it is forged. */
const vote = (signer: number, by = signer): BlsJob => ({
  keys: [keys[signer] as Uint8Array],
  message,
  signature: signatures[by] as Uint8Array,
})
const said = (signer: number, text: number, isGood: boolean): BlsJob => {
  const over = texts[text] as Uint8Array
  return {
    keys: [keys[signer] as Uint8Array],
    message: over,
    signature: nativeCurves.blsSign(secrets[isGood ? signer : signer + 1] as Uint8Array, over),
  }
}

/** Pairings are what a batch costs: one for each message in it, and one more. */
const countPairings = (): { pairings: number } => {
  const count = { pairings: 0 }
  const add = (jobs: readonly BlsJob[]): void => {
    count.pairings += jobsByMessage(jobs).length + 1
  }
  installCurves({
    ...nativeCurves,
    blsVerifyAll(jobs) {
      add(jobs)
      return nativeCurves.blsVerifyAll(jobs)
    },
    blsVerifyAllAsync(jobs) {
      add(jobs)
      return nativeCurves.blsVerifyAllAsync(jobs)
    },
  })
  return count
}

test('verdicts come in the order asked, whatever is verified together; a group falls with any of its jobs', async () => {
  installCurves(nativeCurves)
  const arbJob = fc.tuple(fc.nat(9), fc.nat(4), fc.boolean())
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(arbJob, { maxLength: 3 }), { maxLength: 8 }), async (groups) => {
      const jobs = groups.map((group) => group.map(([signer, text, isGood]) => said(signer, text, isGood)))
      const expected = groups.map((group) => group.every(([, , isGood]) => isGood))
      expect(await createVerifier(async () => {}).verify(jobs)).toEqual(expected)
      expect(await inlineVerifier.verify(jobs)).toEqual(expected)
    }),
    { numRuns: 20 },
  )
})

test('128 votes over one block cost two pairings, and k forged ones among them O(k log n)', async () => {
  const verifier = createVerifier(async () => {})
  for (const bad of [[], [77], [0, 127], [3, 50, 51, 90]]) {
    const count = countPairings()
    const verdicts = await verifier.verify(
      Array.from({ length: SIGNERS }, (_, i) => [vote(i, bad.includes(i) ? (i + 1) % SIGNERS : i)]),
    )
    expect(verdicts.flatMap((verdict, i) => (verdict ? [] : [i]))).toEqual(bad)
    expect(count.pairings).toBeLessThanOrEqual(2 * (1 + 2 * bad.length * Math.log2(SIGNERS)))
    expect(count.pairings).toBeGreaterThanOrEqual(2)
  }
})
