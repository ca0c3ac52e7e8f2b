// Statements in zero knowledge without making one: what is signed, the trees, what cannot be stated; and a proof that was made once, in
// JavaScript and in the EVM, with everything about it changed. `npm run test:zk` makes proofs.
import { readFileSync } from 'node:fs'
import { buildBabyjub, buildEddsa, buildPoseidon } from 'circomlibjs'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { expect, test } from 'vitest'
import { NodeError } from '../../../chain/base/errors.ts'
import { deployVerifier } from '../../../test/kit/verifier.ts'
import { holding, QUESTION, SECRET } from '../../../test/kit/zk.ts'
import { verifyZk, type ZkProof, zkArguments, zkInput, zkSignals } from './zk.ts'
import { issuersTree, signZkCredential, statusTree, ZK_FIELD, zkPublicKey } from './zk-credential.ts'

const DEVELOPMENT = { network: 'development' } as const
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const key = JSON.parse(read('../../../contracts/circuits/verifying-key.development-unsafe.json'))
const stored = JSON.parse(read('../../../test/fixtures/zk-proof.json'))
const proof: ZkProof = { proof: stored.proof, nullifier: BigInt(stored.nullifier) }
const codeIn = (run: () => unknown): string | null => {
  try {
    run()
    return null
  } catch (error) {
    return error instanceof NodeError ? error.message : String(error)
  }
}

test('what an issuer signs is what circomlib verifies, with its key and its hash', async () => {
  const [eddsa, poseidon, babyjub] = [await buildEddsa(), await buildPoseidon(), await buildBabyjub()]
  const { credential } = holding()
  const { issuer, signature, subject, schema, claims, validUntil, statusIndex } = credential
  const F = babyjub.F
  expect(F.toObject(poseidon([1n, 2n]))).toBe(poseidon2([1n, 2n]))
  const message = poseidon([subject, schema, poseidon(claims), validUntil, statusIndex])
  const point = ({ x, y }: { x: bigint; y: bigint }) => [F.e(x), F.e(y)]
  const given = { R8: point(signature.r8), S: signature.s }
  expect(eddsa.verifyPoseidon(message, given, point(issuer))).toBe(true)
  expect(eddsa.verifyPoseidon(F.e(5n), given, point(issuer))).toBe(false)
})

test('the trees have Poseidon’s roots, with zeros where nothing is', () => {
  const tree = statusTree(new Uint8Array(16_384).fill(1, 16, 32))
  const word = BigInt(`0x${'01'.repeat(16)}`)
  expect([tree.leaf(0), tree.leaf(1), tree.leaf(5_000)]).toEqual([0n, word, 0n])
  let node = word
  for (const [level, sibling] of tree.path(1).entries())
    node = (1 >> level) & 1 ? poseidon2([sibling, node]) : poseidon2([node, sibling])
  expect(node).toBe(tree.root)
  expect(tree.path(1)).toHaveLength(13)
  expect(statusTree(new Uint8Array(16_384)).root).toBe(statusTree(new Uint8Array(131_072)).root)
  expect(codeIn(() => statusTree(new Uint8Array(131_073)))).toContain('leaves')
  expect(codeIn(() => issuersTree(Array.from({ length: 1_025 }, () => ({ x: 1n, y: 1n }))))).toContain('leaves')
})

test('what is not true cannot be stated', () => {
  const held = holding()
  const fails = (question: object, more: object = {}): string | null =>
    codeIn(() => zkInput({ ...QUESTION, ...question }, { ...held, ...more }))
  expect(fails({})).toBe(null)
  expect(fails({ threshold: 72n })).toContain('below the threshold')
  expect(fails({ claimIndex: 8 })).toContain('below the threshold')
  expect(fails({ now: held.credential.validUntil })).toContain('expired')
  expect(fails({ schema: 2n })).toContain('another schema')
  expect(fails({ issuersRoot: 5n })).toContain('not accepted')
  expect(fails({ statusRoot: 5n })).toContain('another status list')
  expect(fails({}, { secret: SECRET + 1n })).toContain('about another')
  const bits = new Uint8Array(16_384)
  bits[held.credential.statusIndex >> 3] = 0x80 >> (held.credential.statusIndex & 7)
  const statuses = statusTree(bits)
  expect(fails({ statusRoot: statuses.root }, { statuses })).toContain('revoked')
  const sign = (more: object) => codeIn(() => signZkCredential({ ...held.credential, ...more }, new Uint8Array(32)))
  expect(sign({ claims: [1n] })).toContain('eight claims')
  expect(sign({ claims: new Array(8).fill(1n << 64n) })).toContain('eight claims')
  expect(sign({ statusIndex: 1_048_576 })).toContain('status index')
  expect(sign({ validUntil: -1 })).toContain('validUntil')
  expect(zkPublicKey(new Uint8Array(32))).not.toEqual(zkPublicKey(new Uint8Array(32).fill(1)))
})

/** The same number of the field that coordinates are in. */
const raised = ([x = '', ...rest]: readonly string[]): readonly string[] => [
  String(BigInt(x) + 21888242871839275222246405745257275088696311157297823662689037894645226208583n),
  ...rest,
]
const wrong: readonly (readonly [string, object, Partial<ZkProof>])[] = [
  ['another issuer', { issuersRoot: QUESTION.issuersRoot + 1n }, {}],
  ['another status list', { statusRoot: QUESTION.statusRoot + 1n }, {}],
  ['another schema', { schema: QUESTION.schema + 1n }, {}],
  ['another claim', { claimIndex: QUESTION.claimIndex + 1 }, {}],
  ['a higher threshold', { threshold: QUESTION.threshold + 1n }, {}],
  ['a lower threshold', { threshold: QUESTION.threshold - 1n }, {}],
  ['another time', { now: QUESTION.now + 1 }, {}],
  ['another context', { context: QUESTION.context + 1n }, {}],
  ['another nullifier', {}, { nullifier: proof.nullifier + 1n }],
  ['the nullifier written otherwise', {}, { nullifier: proof.nullifier + ZK_FIELD }],
  ['another proof', {}, { proof: { ...proof.proof, pi_a: proof.proof.pi_c } }],
  ['a coordinate written otherwise', {}, { proof: { ...proof.proof, pi_a: raised(proof.proof.pi_a) } }],
  ['a point off the curve', {}, { proof: { ...proof.proof, pi_a: ['1', '1', '1'] } }],
]

test('a proof verifies for its question and no other, and under no other key', async () => {
  expect(await verifyZk(key, QUESTION, proof, DEVELOPMENT)).toBe(true)
  for (const [what, question, more] of wrong)
    expect([what, await verifyZk(key, { ...QUESTION, ...question }, { ...proof, ...more }, DEVELOPMENT)]).toEqual([
      what,
      false,
    ])
  const other = { ...key, IC: [...key.IC.slice(0, 1), key.IC[2], key.IC[1], ...key.IC.slice(3)] }
  expect(await verifyZk(other, QUESTION, proof, DEVELOPMENT)).toBe(false)
  await expect(verifyZk(key, QUESTION, proof)).rejects.toMatchObject({ code: 'ZK_UNSAFE_KEY' })
})

test('what the chain takes is made of numbers', () => {
  const [statement, { b }] = zkArguments(QUESTION, proof)
  expect(statement).toMatchObject({ nullifier: proof.nullifier, time: 1_800_000_000n, claimIndex: 2n })
  expect(String(b.xImaginary)).toBe(proof.proof.pi_b[0]?.[1])
  for (const bad of [{ pi_a: ['0x1', '1'] }, { pi_c: ['1'] }, { pi_b: [] }, { pi_a: ['1'.repeat(100_000), '1'] }])
    expect(codeIn(() => zkArguments(QUESTION, { ...proof, proof: { ...proof.proof, ...bad } }))).toContain('no number')
})

test('the exported Solidity verifier agrees, for less than 300,000 gas', async () => {
  await using stack = new AsyncDisposableStack()
  const verifier = await deployVerifier()
  stack.defer(() => verifier.close())
  const ask = (question: object, more: Partial<ZkProof>) => {
    const { proof: points, nullifier } = { ...proof, ...more }
    return verifier.verify(points, zkSignals({ ...QUESTION, ...question }, nullifier))
  }
  const { answer, gas } = await ask({}, {})
  expect(answer).toBe(true)
  expect(gas).toBeLessThan(300_000)
  expect(gas).toBeGreaterThan(200_000)
  for (const [what, question, more] of wrong) expect([what, (await ask(question, more)).answer]).toEqual([what, false])
})
