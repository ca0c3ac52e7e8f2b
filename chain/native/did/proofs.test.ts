// Statements in zero knowledge on chain: a proof that was made once, everything about it changed, in the module, in the exported Solidity
// verifier and in JavaScript; what the chain knows by itself; the key of the genesis. `npm run test:zk` brings fresh proofs.
import { readFileSync } from 'node:fs'
import { Interface, Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { developmentAccounts } from '../../../node/development.ts'
import { verifyZk, zkArguments, zkSignals } from '../../../rpc/client/credentials/zk.ts'
import { DID_AT, type DidWorld, GOVERNANCE, openDid } from '../../../test/kit/did.ts'
import { account, createWorld } from '../../../test/kit/native.ts'
import { alice, startRpcNode } from '../../../test/kit/rpc-node.ts'
import { deployVerifier } from '../../../test/kit/verifier.ts'
import { developmentKey, QUESTION, storedProof } from '../../../test/kit/zk.ts'
import { bytesToHex, type Hex } from '../../base/bytes.ts'
import { natives } from '../index.ts'

const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
const hex = (n: number): Hex => bytesToHex(account(n))
const key = developmentKey()
const stored = storedProof()
const [statement, proof] = zkArguments(QUESTION, stored)
type Statement = typeof statement
type Proof = typeof proof
const { nullifier, context, issuersRoot, statusRoot } = statement
const NOW = BigInt(QUESTION.now)

const open = (credentialKey: object | undefined = key): DidWorld =>
  openDid(credentialKey && { credentialKey }, { development: true })
/** Account 1 is an issuer of credentials with list 1 and its roots; 2 is nobody. */
const ready = async (): Promise<DidWorld> => {
  const w = open()
  w.go({ time: QUESTION.now })
  await w.must(GOVERNANCE, 'setIssuer', account(1), 1n, 'Registry')
  await w.must(1, 'createStatusList', account(1), 1n, 131_072n)
  await w.must(1, 'anchorProofRoots', 1n, issuersRoot, statusRoot)
  return w
}

const on = (change: Partial<Statement>): readonly [Statement, Proof] => [{ ...statement, ...change }, proof]
const by = (change: Partial<Proof>): readonly [Statement, Proof] => [statement, { ...proof, ...change }]
const { a, b, c } = proof
const ZERO = { x: 0n, y: 0n }
const wrong: readonly (readonly [string, readonly [Statement, Proof]])[] = [
  ['another nullifier', on({ nullifier: nullifier + 1n })],
  ['other issuers', on({ issuersRoot: issuersRoot + 1n })],
  ['another status list', on({ statusRoot: statusRoot + 1n })],
  ['another schema', on({ schema: 2n })],
  ['another claim', on({ claimIndex: 3n })],
  ['a lower threshold', on({ threshold: 70n })],
  ['another time', on({ time: NOW + 1n })],
  ['another context', on({ context: context + 1n })],
  ['the nullifier written otherwise', on({ nullifier: nullifier + R })],
  ['the context written otherwise', on({ context: context + R })],
  ['the order itself', on({ schema: R })],
  ['the largest word', on({ threshold: 2n ** 256n - 1n })],
  ['two inputs swapped', on({ schema: statement.claimIndex, claimIndex: statement.schema })],
  ['A negated', by({ a: { x: a.x, y: Q - a.y } })],
  ['A written otherwise', by({ a: { x: a.x + Q, y: a.y } })],
  ['A with y beyond the field', by({ a: { x: a.x, y: a.y + Q } })],
  ['C written otherwise', by({ c: { x: c.x, y: c.y + Q } })],
  ['B written otherwise', by({ b: { ...b, xReal: b.xReal + Q } })],
  ['A and C swapped', by({ a: c, c: a })],
  ['A off the curve', by({ a: { x: 1n, y: 1n } })],
  ['C off the curve', by({ c: { x: c.x, y: c.y + 1n } })],
  ['B off the curve', by({ b: { ...b, xReal: b.xReal + 1n } })],
  [
    'B with its halves swapped',
    by({ b: { xImaginary: b.xReal, xReal: b.xImaginary, yImaginary: b.yReal, yReal: b.yImaginary } }),
  ],
  ['B outside the subgroup', by({ b: outsideSubgroup() })],
  ['A at infinity', by({ a: ZERO })],
  ['B at infinity', by({ b: { xImaginary: 0n, xReal: 0n, yImaginary: 0n, yReal: 0n } })],
  ['C at infinity', by({ c: ZERO })],
  ['nothing but zeros', by({ a: ZERO, b: { xImaginary: 0n, xReal: 0n, yImaginary: 0n, yReal: 0n }, c: ZERO })],
]

/** The first point of the twist y² = x³ + 3/(9 + i) with x = (n, 1); the cofactor is so large that it is in no subgroup that counts. */
function outsideSubgroup(): Proof['b'] {
  const mod = (n: bigint): bigint => ((n % Q) + Q) % Q
  const power = (base: bigint, exponent: bigint): bigint => {
    let out = 1n
    for (let [x, e] = [mod(base), exponent]; e > 0n; e >>= 1n, x = (x * x) % Q) if (e & 1n) out = (out * x) % Q
    return out
  }
  const root = (n: bigint): bigint | null => {
    const found = power(n, (Q + 1n) / 4n)
    return mod(found * found) === mod(n) ? found : null
  }
  const inverse = (n: bigint): bigint => power(n, Q - 2n)
  type Pair = readonly [real: bigint, imaginary: bigint]
  const times = ([r, i]: Pair, [s, j]: Pair): Pair => [mod(r * s - i * j), mod(r * j + i * s)]
  const norm = inverse(82n) // 3/(9 + i) = 3(9 - i)/82
  for (let n = 1n; ; n++) {
    const x: Pair = [n, 1n]
    const [cr, ci] = times(times(x, x), x)
    const [r, i] = [mod(cr + 27n * norm), mod(ci - 3n * norm)]
    const length = root(r * r + i * i)
    if (length === null) continue
    for (const sign of [length, -length]) {
      const real = root((r + sign) * inverse(2n))
      if (real === null || real === 0n) continue
      const imaginary = mod(i * inverse(2n * real))
      return { xImaginary: 1n, xReal: n, yImaginary: imaginary, yReal: real }
    }
  }
}

/** As snarkjs writes it. */
const asJson = ({ a, b, c }: Proof) => ({
  ...stored.proof,
  pi_a: [a.x, a.y, 1n].map(String),
  pi_b: [[b.xReal, b.xImaginary].map(String), [b.yReal, b.yImaginary].map(String), ['1', '0']],
  pi_c: [c.x, c.y, 1n].map(String),
})
const asQuestion = ({ time, claimIndex, nullifier: _, ...rest }: Statement) => ({
  ...{ ...rest, claimIndex, now: time },
})

test('the module, the Solidity verifier and JavaScript agree on a proof and on everything that is wrong with it', async () => {
  await using stack = new AsyncDisposableStack()
  const verifier = await deployVerifier()
  stack.defer(() => verifier.close())
  const w = open()
  for (const [what, [said, points]] of [['nothing wrong', [statement, proof]] as const, ...wrong]) {
    const question = asQuestion(said) as unknown as typeof QUESTION // numbers beyond what is safe, on purpose
    const json = asJson(points)
    const answers = [
      (await w.read('verifyProof', said, points))[0],
      (await verifier.verify(json, zkSignals(question, said.nullifier))).answer,
      await verifyZk(key, question, { proof: json, nullifier: said.nullifier }, { network: 'development' }),
    ]
    const holds = what === 'nothing wrong'
    expect([what, ...answers]).toEqual([what, holds, holds, holds])
  }
})

test('a proof is presented once in its context, by whomever, and the nullifier is kept', async () => {
  const w = await ready()
  expect(await w.read('presentationOf', context, nullifier)).toEqual([`0x${'00'.repeat(20)}`, 0n])
  const { events, gasUsed } = await w.must(2, 'presentProof', 1n, statement, proof)
  const { schema, claimIndex, threshold, time } = statement
  expect(events).toEqual([
    ['ProofPresented', { context, nullifier, by: hex(2), listId: 1n, schema, claimIndex, threshold, time }],
  ])
  // Beside it a transaction pays 21,000 and at most 16 for each byte of the call.
  expect(Number(gasUsed) + 21_000 + 16 * (4 + 17 * 32)).toBeLessThan(300_000)
  expect(await w.read('presentationOf', context, nullifier)).toEqual([hex(2), NOW])
  expect(await w.read('presentationOf', context + 1n, nullifier)).toEqual([`0x${'00'.repeat(20)}`, 0n])
  for (const from of [2, 3])
    expect((await w.call(from, 'presentProof', 1n, statement, proof)).error).toBe(
      `NullifierUsed["${context}","${nullifier}"]`,
    )
  expect(await w.read('verifyProof', statement, proof)).toEqual([true])
})

test('on a development network: issuer, list, roots and proof by transactions of ethers, the last for less than 300,000 gas', async () => {
  const node = await startRpcNode()
  await using stack = new AsyncDisposableStack()
  stack.defer(() => node.close())
  const source = readFileSync(new URL('./IDid.sol', import.meta.url), 'utf8')
  const did = new Interface(JSON.stringify(compile('IDid.sol', source).IDid?.abi))
  const [governance, issuer] = [new Wallet(developmentAccounts(1)[0]?.privateKey ?? ''), alice]
  const nonces = new Map<Wallet, number>()
  const send = async (by: Wallet, name: string, args: readonly unknown[]) => {
    const nonce = nonces.get(by) ?? 0
    nonces.set(by, nonce + 1)
    const fees = { type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 1_000_000 }
    const data = did.encodeFunctionData(name, args)
    const raw = await by.signTransaction({ ...fees, chainId: node.chain.genesis.chainId, nonce, to: DID_AT, data })
    const { result } = await node.call('eth_sendRawTransaction', raw)
    await node.mine()
    return (await node.call('eth_getTransactionReceipt', result)).result as Readonly<Record<string, string>>
  }
  await send(governance, 'setIssuer', [issuer.address, 1, 'Registry'])
  await send(issuer, 'createStatusList', [issuer.address, 1, 131_072])
  await send(issuer, 'anchorProofRoots', [1, issuersRoot, statusRoot])
  const { status, gasUsed } = await send(governance, 'presentProof', [1, statement, proof])
  expect(status).toBe('0x1')
  expect(Number(gasUsed)).toBeLessThan(300_000)
  expect((await send(issuer, 'presentProof', [1, statement, proof])).status).toBe('0x0')
})

test('what does not hold is not presented, and leaves nothing', async () => {
  const w = await ready()
  for (const [what, [said, points]] of wrong) {
    const { status, events } = await w.call(2, 'presentProof', 1n, said, points)
    expect([what, status, events]).toEqual([what, 'revert', []])
  }
  await w.must(2, 'presentProof', 1n, statement, proof)
})

test.each<readonly [string, (w: DidWorld) => unknown, RegExp]>([
  ['under no list', (w) => w.call(2, 'presentProof', 2n, statement, proof), /^ListUnknown\["2"\]/],
  [
    'under an issuer that is none any more',
    async (w) => {
      await w.must(GOVERNANCE, 'setIssuer', account(1), 2n, 'Registry')
      return w.call(2, 'presentProof', 1n, statement, proof)
    },
    /^NotIssuer\[".*01","1"\]/,
  ],
  [
    'under a list without roots',
    async (w) => {
      await w.must(1, 'createStatusList', account(1), 1n, 131_072n)
      return w.call(2, 'presentProof', 2n, { ...statement, issuersRoot: 0n, statusRoot: 0n }, proof)
    },
    /^OtherRoots\["2","0","0"\]/,
  ],
  [
    'after a revocation',
    async (w) => {
      await w.must(1, 'anchorProofRoots', 1n, issuersRoot, statusRoot + 1n)
      return w.call(2, 'presentProof', 1n, statement, proof)
    },
    /^OtherRoots/,
  ],
  [
    'about other issuers',
    (w) => w.call(2, 'presentProof', 1n, { ...statement, issuersRoot: 1n }, proof),
    /^OtherRoots/,
  ],
  [
    'too late',
    (w) => {
      w.go({ time: QUESTION.now + 601 })
      return w.call(2, 'presentProof', 1n, statement, proof)
    },
    /^StatementTooOld\["1800000000","1800000601"\]/,
  ],
  ['for another context', (w) => w.call(2, 'presentProof', 1n, { ...statement, context: 43n }, proof), /^ProofInvalid/],
  [
    'with a nullifier beyond the field',
    (w) => w.call(2, 'presentProof', 1n, { ...statement, nullifier: nullifier + R }, proof),
    /^ProofInvalid/,
  ],
])('refuses a proof %s', async (_, run, error) => {
  const { error: given } = (await run(await ready())) as { readonly error: string }
  expect(given).toMatch(error)
})

test('a time to come, and the last second of an old one, are good enough', async () => {
  for (const time of [QUESTION.now - 1_000_000, QUESTION.now + 600]) {
    const w = await ready()
    w.go({ time })
    await w.must(2, 'presentProof', 1n, statement, proof)
  }
})

test('roots are anchored by who controls the list’s issuer', async () => {
  const w = await ready()
  expect(await w.read('proofRoots', 1n)).toEqual([issuersRoot, statusRoot])
  expect((await w.call(2, 'anchorProofRoots', 1n, 1n, 1n)).error).toMatch(/^NotController/)
  expect((await w.call(2, 'anchorProofRoots', 9n, 1n, 1n)).error).toMatch(/^ListUnknown/)
  for (const [issuers, statuses] of [
    [0n, 1n],
    [1n, 0n],
    [R, 1n],
    [1n, R],
  ] as const)
    expect((await w.call(1, 'anchorProofRoots', 1n, issuers, statuses)).error).toMatch(/^BadList\["roots/)
  expect((await w.must(1, 'anchorProofRoots', 1n, 5n, R - 1n)).events).toEqual([
    ['ProofRootsAnchored', { listId: 1n, issuersRoot: 5n, statusRoot: R - 1n }],
  ])
})

test('without a key nothing is verified, and says so', async () => {
  const w = openDid()
  expect((await w.call(2, 'verifyProof', statement, proof)).error).toMatch(/^NoVerifyingKey/)
  expect((await w.call(2, 'presentProof', 1n, statement, proof)).error).toMatch(/^NoVerifyingKey/)
  expect(await w.read('verifyingKeyHash')).toEqual([`0x${'00'.repeat(32)}`])
})

test('under the key of another circuit nothing holds', async () => {
  const [one, two, three, ...rest] = key.IC
  const w = open({ ...key, IC: [one, three, two, ...rest] })
  expect(await w.read('verifyProof', statement, proof)).toEqual([false])
  expect(await w.read('verifyingKeyHash')).not.toEqual(await open().read('verifyingKeyHash'))
})

const seed = (credentialKey: object, development: boolean): string | null => {
  const who = hex(GOVERNANCE)
  try {
    createWorld(natives, { params: { governance: who, guardian: who }, did: { credentialKey } }, { development })
    return null
  } catch (error) {
    return String(error)
  }
}
const { unsafe: _, ...unmarked } = key
test.each<readonly [string, object, boolean, RegExp]>([
  ['the development key elsewhere', key, false, /credentialKey.*forge/],
  ['the development key without its mark', unmarked, false, /credentialKey.*forge/],
  ['another key that is marked', { ...key, vk_alpha_1: key.IC[0] }, false, /credentialKey.*forge/],
  ['a key of another proof system', { ...key, protocol: 'plonk' }, true, /credentialKey\.protocol/],
  ['a key of another curve', { ...key, curve: 'bls12381' }, true, /credentialKey\.curve/],
  ['a key of a circuit with fewer signals', { ...key, nPublic: 7 }, true, /credentialKey\.nPublic/],
  ['a key with a point missing', { ...key, IC: key.IC.slice(1) }, true, /credentialKey\.IC/],
  ['hex', { ...key, vk_alpha_1: ['0x1', '2', '1'] }, true, /credentialKey\.vk_alpha_1/],
  ['a number without end', { ...key, vk_alpha_1: ['1'.repeat(1_000), '2', '1'] }, true, /credentialKey\.vk_alpha_1/],
  ['a coordinate beyond the field', { ...key, vk_alpha_1: [String(Q + 1n), '2', '1'] }, true, /outside the field/],
  ['a point off the curve', { ...key, vk_alpha_1: ['1', '1', '1'] }, true, /outside the curve/],
  [
    'a signal’s point off the curve',
    { ...key, IC: [...key.IC.slice(0, 8), ['1', '1', '1']] },
    true,
    /outside the curve/,
  ],
  ['infinity', { ...key, IC: [...key.IC.slice(0, 8), ['0', '0', '1']] }, true, /at infinity/],
  ['another gamma', { ...key, vk_gamma_2: key.vk_delta_2 }, true, /vk_gamma_2 is not/],
  [
    'a point outside the subgroup',
    { ...key, vk_delta_2: asJson({ ...proof, b: outsideSubgroup() }).pi_b },
    true,
    /outside the curve or its subgroup/,
  ],
])('the genesis refuses %s', (_, credentialKey, development, error) => {
  expect(seed(credentialKey, development)).toMatch(error)
})

test('a key of nobody’s secrets is pinned where it is no development', () => {
  expect(seed({ ...unmarked, vk_alpha_1: key.IC[0] }, false)).toBe(null)
})
