// Consensus signatures: what each operation costs with the native library and with its portable twin; a hundred votes as a batch
// and one by one; certificates of the largest sets. CPU of the process, and
// what of it the loop's own thread spent; while the library's threads share a pairing the loop waits, which no CPU time shows.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type BlsJob, type Curves, installCurves, keccak, portableCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { createVerifier } from '../node/verifier.ts'

const isSmoke = process.env.SMOKE !== undefined
const SET = isSmoke ? 100 : 1_247
const QUORUM = Math.floor((2 * SET) / 3) + 1
const VOTES = 100
const REPEATS = { native: isSmoke ? 2 : 40, portable: isSmoke ? 1 : 5 }

const message = keccak(Uint8Array.of(1))
const secrets = Array.from({ length: SET }, (_, i) =>
  Uint8Array.of(0, ...keccak(Uint8Array.of(i >> 8, i & 255)).subarray(1)),
)
const keys = secrets.map((secret) => nativeCurves.blsPublicKey(secret))
const signatures = secrets.map((secret) => nativeCurves.blsSign(secret, message))
const [secret, key, signature] = [secrets[0], keys[0], signatures[0]] as [Uint8Array, Uint8Array, Uint8Array]
const share = (i: number): BlsJob => ({
  keys: [keys[i] as Uint8Array],
  message,
  signature: signatures[i] as Uint8Array,
})
/** PREPAREs or COMMITs of so many validators. */
const votes = (count: number): BlsJob[] => Array.from({ length: count }, (_, i) => share(i))
/** As many certificates, each over a message of its own. */
const certificates = (count: number, signers: number): BlsJob[] =>
  Array.from({ length: count }, (_, c) => {
    const over = keccak(Uint8Array.of(7, c))
    const parts = secrets.slice(0, signers).map((each) => nativeCurves.blsSign(each, over))
    return { keys: keys.slice(0, signers), message: over, signature: nativeCurves.blsAggregate(parts) }
  })

const cpuMs = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1_000
}
const show = (name: string, text: string): void => console.log(`  ${name.padEnd(52)} ${text}`)
const ms = (value: number): string => `${value.toFixed(2)} ms`

const each = (name: string, repeats: number, run: () => unknown): number => {
  run()
  const before = process.cpuUsage()
  for (let i = 0; i < repeats; i++) run()
  const cost = cpuMs(before) / repeats
  show(name, ms(cost))
  return cost
}

/** CPU of the process, and what of it the thread of the loop spent: the rest ran beside everything else. */
const spread = async (name: string, repeats: number, run: () => Promise<unknown>): Promise<void> => {
  await run()
  const [all, loop] = [process.cpuUsage(), process.threadCpuUsage()]
  for (let i = 0; i < repeats; i++) await run()
  const { user, system } = process.threadCpuUsage(loop)
  show(name, `${ms(cpuMs(all) / repeats)}, of it on the loop ${ms((user + system) / 1_000 / repeats)}`)
}

const quorum = certificates(1, QUORUM)
const [certificate] = quorum as [BlsJob]
const several = certificates(8, QUORUM)
const single = (curves: Curves, { keys: of, message: over, signature: by }: BlsJob): boolean =>
  curves.blsVerify(of, over, by)

const operations = (name: keyof typeof REPEATS, curves: Curves): void => {
  const repeats = REPEATS[name]
  console.log(`${name}:`)
  each('sign', repeats, () => curves.blsSign(secret, message))
  const one = each('verify one share, key cached', repeats, () => curves.blsVerify([key], message, signature))
  each(`${VOTES} votes, one by one`, 1, () => votes(VOTES).every((vote) => single(curves, vote)))
  const batch = each(`${VOTES} votes, one batch on the thread`, Math.ceil(repeats / 4), () =>
    curves.blsVerifyAll(votes(VOTES)),
  )
  show(
    '  a vote in that batch, against one alone',
    `${ms(batch / VOTES)}, ${((one * VOTES) / batch).toFixed(1)} times cheaper`,
  )
  each(`aggregate ${VOTES} signatures`, repeats, () => curves.blsAggregate(signatures.slice(0, VOTES)))
  if (name === 'native' || isSmoke)
    each(`aggregate ${QUORUM} signatures`, repeats, () => curves.blsAggregate(signatures.slice(0, QUORUM)))
  each(`verify a certificate of ${QUORUM} of ${SET}`, repeats, () => single(curves, certificate))
  each(`verify all ${SET} keys in one certificate`, repeats, () => (curves.blsVerify(keys, message, signature) ? 0 : 1))
  each(`8 certificates of ${QUORUM} in one batch`, Math.ceil(repeats / 4), () => curves.blsVerifyAll(several))
}

operations('native', nativeCurves)
console.log('through the inbox’s verifier, native:')
installCurves(nativeCurves)
const verifier = createVerifier(() => nextTurn())
const verify = (jobs: readonly BlsJob[]) => verifier.verify(jobs.map((job) => [job]))
const spoiled = (count: number, bad: number): BlsJob[] =>
  votes(count).map((vote, i) =>
    (i * 37) % count < bad ? { ...vote, signature: signatures[(i + 1) % count] as Uint8Array } : vote,
  )
const times = Math.ceil(REPEATS.native / 4)
for (const count of [1, 2, 3, 10, VOTES]) await spread(`${count} votes`, times, () => verify(votes(count)))
for (const bad of [1, 4, VOTES])
  await spread(`${VOTES} votes, ${bad} of them forged`, times, () => verify(spoiled(VOTES, bad)))
await spread(`8 certificates of ${QUORUM}`, times, () => verify(several))
operations('portable', portableCurves)
