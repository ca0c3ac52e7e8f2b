// Proofs made by the circuit: true statements, and every false one forced past our own checks into the circuit, which must find no witness.
// The first run compiles the circuit and deals a key, some 40 s of one core; they stay under contracts/circuits/build.
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { artifacts, ensureDevelopmentKey } from '../../../contracts/circuits/setup.ts'
import { openDid } from '../../../test/kit/did.ts'
import { codeOf } from '../../../test/kit/identities.ts'
import { deployVerifier } from '../../../test/kit/verifier.ts'
import { holding, QUESTION, SECRET } from '../../../test/kit/zk.ts'
import { verifyZk, zkArguments, zkInput, zkSignals } from './zk.ts'
import { statusTree } from './zk-credential.ts'
import { proveInThread } from './zk-prover.ts'

beforeAll(ensureDevelopmentKey, 1_200_000)
const key = () => JSON.parse(readFileSync(artifacts.verifyingKey, 'utf8'))
const prove = (input: object) => proveInThread({ ...input }, artifacts)

test('a fresh proof is made on a thread, tells how far it is, and verifies in JavaScript, Solidity and the did module', async () => {
  const heard: number[] = []
  const progress = (done: number): void => void heard.push(done)
  const made = await proveInThread(zkInput(QUESTION, holding()), artifacts, { progress })
  expect(heard.length).toBeGreaterThan(10)
  expect(heard).toEqual([...heard].sort((a, b) => a - b))
  expect(heard.at(-1)).toBe(1)
  expect(await verifyZk(key(), QUESTION, made, { network: 'development' })).toBe(true)
  const verifier = await deployVerifier()
  expect((await verifier.verify(made.proof, zkSignals(QUESTION, made.nullifier))).answer).toBe(true)
  await verifier.close()
  const did = openDid({ credentialKey: key() }, { development: true })
  expect(await did.read('verifyProof', ...zkArguments(QUESTION, made))).toEqual([true])
  expect(await did.read('verifyProof', ...zkArguments({ ...QUESTION, threshold: 72n }, made))).toEqual([false])
  const again = await prove(zkInput({ ...QUESTION, now: QUESTION.now + 5, threshold: 0n }, holding()))
  const elsewhere = await prove(zkInput({ ...QUESTION, context: 43n }, holding()))
  expect(again.nullifier).toBe(made.nullifier)
  expect(elsewhere.nullifier).not.toBe(made.nullifier)
}, 600_000)

test('the circuit finds no witness for what is not true', async () => {
  const good = zkInput(QUESTION, holding())
  const bits = new Uint8Array(16_384)
  const { statusIndex, validUntil, signature } = holding().credential
  bits[statusIndex >> 3] = 0x80 >> (statusIndex & 7)
  const revoked = statusTree(bits)
  const word = { statusWord: revoked.leaf(statusIndex >> 7), statusSiblings: revoked.path(statusIndex >> 7) }
  const { r8, s } = signature
  const lies: Readonly<Record<string, object>> = {
    'below the threshold': { threshold: 72n },
    'a threshold of more than 64 bits': { threshold: 2n ** 64n },
    'another claim': { claimIndex: 0 },
    'a ninth claim': { claimIndex: 8 },
    expired: { now: validUntil },
    'another end': { validUntil: validUntil + 1 },
    'another schema': { schema: 2n },
    'another secret': { secret: SECRET + 1n },
    'another claim’s value': { claims: [1n, 2n, 72n, 0n, 0n, 0n, 0n, 2n ** 64n - 1n] },
    'an issuer that is not accepted': { issuerIndex: 0 },
    'another root of issuers': { issuersRoot: QUESTION.issuersRoot + 1n },
    'another key': { issuerKey: [r8.x, r8.y] },
    'another signature': { signature: [r8.x, r8.y, s + 1n] },
    'a point off the curve': { signature: [r8.x, r8.x, s] },
    revoked: { ...word, statusRoot: revoked.root },
    'a word of another list': word,
    'another index of the list': { statusIndex: statusIndex + 1 },
  }
  for (const [what, lie] of Object.entries(lies))
    expect([what, await codeOf(prove({ ...good, ...lie }))]).toEqual([what, 'ZK_PROOF'])
}, 600_000)

test('whoever gives up is not kept waiting', async () => {
  const stop = new AbortController()
  const proving = proveInThread(zkInput(QUESTION, holding()), artifacts, {
    signal: stop.signal,
    progress: () => stop.abort(),
  })
  await expect(proving).rejects.toThrow(/abort/i)
})
