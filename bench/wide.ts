// 1,247 validators over a wide area in simulation, with real BLS: `npm run sim:1247`, or with `-- <validators> <heights>`. Measures what each
// kind of signature work costs on this machine's processor, charges that to the one core of each simulated node, and prints what came of it.
import { curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { type Costs, runWide } from '../node/sim/wide.ts'

const [validators = 1_247, heights = 20] = process.argv.slice(2).map(Number)
const LIMITS = { finalMs: 3_000, certificateBytes: 400 }

installCurves(nativeCurves)
const secrets = Array.from({ length: 1_024 }, (_, i) => {
  const secret = new Uint8Array(32)
  new DataView(secret.buffer).setUint32(0, i + 1)
  return secret
})
const message = keccak(Uint8Array.of(1))
const keys = secrets.map((secret) => curves().blsPublicKey(secret))
const signatures = secrets.map((secret) => curves().blsSign(secret, message))
const jobs = keys.map((key, i) => ({ keys: [key], message, signature: signatures[i] as Uint8Array }))

/** Of this process's processor, not of the clock: others may be at work here. */
const cpuMs = (work: () => unknown): number => {
  work()
  const before = process.cpuUsage()
  let times = 0
  let usedMs = 0
  while (usedMs < 300) {
    work()
    times++
    const { user, system } = process.cpuUsage(before)
    usedMs = (user + system) / 1_000
  }
  return usedMs / times
}
const certificate = (signers: number): number => {
  const signature = curves().blsAggregate(signatures.slice(0, signers))
  return cpuMs(() => curves().blsVerify(keys.slice(0, signers), message, signature))
}
/** What grows with the number, and what does not, from two measurements. */
const line = (of: (n: number) => number, from: number, to: number): { eachMs: number; onceMs: number } => {
  const [low, high] = [of(from), of(to)]
  const eachMs = Math.max(0, (high - low) / (to - from))
  return { eachMs, onceMs: Math.max(0, low - from * eachMs) }
}
const batch = line((n) => cpuMs(() => curves().blsVerifyAll(jobs.slice(0, n))), 16, 256)
const single = line(certificate, 64, 1_024)
const costs: Costs = {
  verifyMs: certificate(1),
  ...{ batchMs: batch.onceMs, shareMs: batch.eachMs, certificateMs: single.onceMs, signerMs: single.eachMs },
  addMs: line((n) => cpuMs(() => curves().blsAggregate(signatures.slice(0, n))), 64, 1_024).eachMs,
}

const begunMs = process.cpuUsage().user / 1_000
const outcome = runWide({ seed: 1, validators, heights, costs })
const cpuSeconds = Math.round((process.cpuUsage().user / 1_000 - begunMs) / 1_000)
const { firstRoundShare, finalMs, certificateBytes, traffic, fault } = outcome
const isGood = fault === null && finalMs.max < LIMITS.finalMs && certificateBytes < LIMITS.certificateBytes

console.log(`one core of this machine, ms: a share ${costs.verifyMs.toFixed(2)}, in a batch ${costs.shareMs.toFixed(3)} each; a certificate of
${validators} ${(costs.certificateMs + validators * costs.signerMs).toFixed(2)}; adding a share up ${costs.addMs.toFixed(3)}`)
console.log(`links of 30 to 100 ms that lose 1 %, blocks every 3 s, ${cpuSeconds} s of processor`)
for (const [what, value] of [
  ['validators, heights', `${validators}, ${outcome.heights}`],
  ['decided in round 0', `${(100 * firstRoundShare).toFixed(1)} %`],
  [
    'final after it was due, ms',
    `p50 ${finalMs.p50}, p99 ${finalMs.p99}, max ${finalMs.max} (limit ${LIMITS.finalMs})`,
  ],
  ['certificate, bytes', `${certificateBytes} (limit ${LIMITS.certificateBytes})`],
  ['sent per validator and height', `${traffic.messages} messages, ${traffic.bytes} bytes`],
  ['by the busiest validator', `${traffic.mostMessages} messages, ${traffic.mostBytes} bytes`],
] as const)
  console.log(`${what.padEnd(30)}  ${value}`)
console.log(JSON.stringify({ ...outcome, costs, cpuSeconds }))
if (fault !== null) console.error(fault)
process.exitCode = isGood ? 0 : 1
