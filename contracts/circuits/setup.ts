// `npm run gen:circuits`: compiles the credential circuit and makes a key for it whose secret everybody can compute, for development
// networks. Owns what lies under `build/`, outside git, and the verifying key and Solidity verifier beside it, which follow from the
// circuit. A real network takes the key of a ceremony instead (README.md here).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as snarkjs from 'snarkjs'
import { bytesToBigint } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert } from '../../chain/base/errors.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const build = join(here, 'build')
export const artifacts = {
  r1cs: join(build, 'credential.r1cs'),
  wasm: join(build, 'credential_js', 'credential.wasm'),
  /** Whoever has the source can forge proofs under this key. */
  zkey: join(build, 'credential.development-unsafe.zkey'),
  verifyingKey: join(here, 'verifying-key.development-unsafe.json'),
  verifier: join(here, 'CredentialVerifier.sol'),
} as const

const compile = (): void => {
  mkdirSync(build, { recursive: true })
  const require = createRequire(import.meta.url)
  const library = join(require.resolve('circomlib/package.json'), '..', 'circuits')
  const flags = ['--r1cs', '--wasm', '--O2', '-l', library, '-o', build]
  const { status } = spawnSync(
    process.execPath,
    [require.resolve('circom2/cli.js'), join(here, 'credential.circom'), ...flags],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  assert(status === 0, 'circom compiles the circuit')
}

const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const mod = (value: bigint): bigint => ((value % R) + R) % R
const power = (base: bigint, exponent: bigint): bigint => {
  let result = 1n
  for (let [b, e] = [mod(base), exponent]; e > 0n; e >>= 1n, b = (b * b) % R) if (e & 1n) result = (result * b) % R
  return result
}
const inverse = (value: bigint): bigint => power(value, R - 2n)
/** A generator of the subgroup of order 2^28, as snarkjs has it: 5 generates the field. */
const rootOf = (log: number): bigint => power(5n, (R - 1n) >> BigInt(log))
const secretOf = (name: string): bigint =>
  mod(bytesToBigint(keccak(new TextEncoder().encode(`NovaChain development set-up, known to everybody: ${name}`))))

/** The Lagrange basis of the domain of 2^log at tau: element i is 1 at the i-th root and 0 at the others. */
const lagrangeAt = (tau: bigint, log: number): readonly bigint[] => {
  const size = 2 ** log
  const root = rootOf(log)
  const scale = mod((power(tau, BigInt(size)) - 1n) * inverse(BigInt(size)))
  const roots: bigint[] = [1n]
  for (let i = 1; i < size; i++) roots.push(((roots[i - 1] ?? 0n) * root) % R)
  // One inversion for all differences.
  const differences = roots.map((each) => mod(tau - each))
  const products: bigint[] = [1n]
  for (const each of differences) products.push(((products.at(-1) ?? 0n) * each) % R)
  let all = inverse(products.at(-1) ?? 0n)
  const inverses = new Array<bigint>(size)
  for (let i = size - 1; i >= 0; i--) {
    inverses[i] = (all * (products[i] ?? 0n)) % R
    all = (all * (differences[i] ?? 0n)) % R
  }
  return roots.map((each, i) => (((each * scale) % R) * (inverses[i] ?? 0n)) % R)
}

type Terms = Readonly<Record<string, string>>
interface Constraints {
  readonly nVars: number
  readonly nOutputs: number
  readonly nPubInputs: number
  readonly constraints: readonly (readonly [Terms, Terms, Terms])[]
}

/** The proving key as snarkjs reads it. With its secrets known every point is a multiple of the generator, so no ceremony's powers are needed. */
async function dealKey({ nVars, nOutputs, nPubInputs, constraints }: Constraints): Promise<Uint8Array> {
  const publics = nOutputs + nPubInputs
  const log = Math.floor(Math.log2(constraints.length + publics)) + 1
  const domain = 2 ** log
  const [tau, alpha, beta, delta] = ['tau', 'alpha', 'beta', 'delta'].map(secretOf) as [bigint, bigint, bigint, bigint]
  const lagrange = lagrangeAt(tau, log)
  const sums = [0, 1, 2].map(() => new Array<bigint>(nVars).fill(0n)) as [bigint[], bigint[], bigint[]]
  const coefficients: [matrix: number, row: number, signal: number, value: bigint][] = []
  const add = (matrix: 0 | 1 | 2, row: number, signal: number, value: bigint): void => {
    const list = sums[matrix]
    list[signal] = ((list[signal] ?? 0n) + value * (lagrange[row] ?? 0n)) % R
    if (matrix < 2) coefficients.push([matrix, row, signal, value])
  }
  constraints.forEach((terms, row) => {
    for (const matrix of [0, 1, 2] as const)
      for (const [signal, value] of Object.entries(terms[matrix])) add(matrix, row, Number(signal), BigInt(value))
  })
  // Rows that keep public inputs from being swapped for each other (libsnark).
  for (let signal = 0; signal <= publics; signal++) add(0, constraints.length + signal, signal, 1n)

  const [a, b, c] = sums
  const sum = (signal: number): bigint => (beta * (a[signal] ?? 0n) + alpha * (b[signal] ?? 0n) + (c[signal] ?? 0n)) % R
  const byDelta = inverse(delta)
  const signals = Array.from({ length: nVars }, (_, signal) => signal)
  const odd = lagrangeAt(tau, log + 1).filter((_, i) => i % 2 === 1)
  const curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: true })
  const points = (group: 'G1' | 'G2', scalars: readonly bigint[]): Uint8Array => {
    const g = curve[group]
    const sizeBytes = g.F.n8 * 2
    const out = new Uint8Array(scalars.length * sizeBytes)
    for (const [i, scalar] of scalars.entries()) {
      const point = scalar === 0n ? g.zeroAffine : g.toAffine(g.timesFr(g.g, curve.Fr.e(scalar)))
      g.toRprLEM(out, i * sizeBytes, point)
    }
    return out
  }
  const header = concatAll(
    u32(32),
    little(curve.q, 32),
    u32(32),
    little(R, 32),
    u32(nVars),
    u32(publics),
    u32(domain),
    points('G1', [alpha, beta]),
    points('G2', [beta, 1n]),
    points('G1', [delta]),
    points('G2', [delta]),
  )
  // Montgomery twice over, which is what the prover multiplies by plain witnesses.
  const twice = power(2n, 512n)
  const rows = coefficients.map(([matrix, row, signal, value]) =>
    concatAll(u32(matrix), u32(row), u32(signal), little(mod(value * twice), 32)),
  )
  const sections = [
    u32(1),
    header,
    points('G1', signals.slice(0, publics + 1).map(sum)),
    concatAll(u32(rows.length), ...rows),
    points('G1', a),
    points('G1', b),
    points('G2', b),
    points(
      'G1',
      signals.slice(publics + 1).map((signal) => (sum(signal) * byDelta) % R),
    ),
    points(
      'G1',
      odd.map((each) => (each * byDelta) % R),
    ),
    concatAll(new Uint8Array(64), u32(0)), // no contributions
  ]
  const framed = sections.map((bytes, i) => concatAll(u32(i + 1), u32(bytes.length), u32(0), bytes))
  return concatAll(new TextEncoder().encode('zkey'), u32(1), u32(sections.length), ...framed)
}
const u32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
const little = (value: bigint, sizeBytes: number): Uint8Array =>
  Uint8Array.from({ length: sizeBytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
const concatAll = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Makes what is missing under `build/`; minutes of a busy machine, some 40 s of one core. */
export async function ensureDevelopmentKey(): Promise<void> {
  if (!existsSync(artifacts.wasm) || !existsSync(artifacts.r1cs)) compile()
  if (existsSync(artifacts.zkey)) return
  const constraints: Constraints = await snarkjs.r1cs.exportJson(artifacts.r1cs)
  writeFileSync(artifacts.zkey, await dealKey(constraints))
}

async function main(): Promise<void> {
  await ensureDevelopmentKey()
  const key: VerifyingKey = await snarkjs.zKey.exportVerificationKey(artifacts.zkey)
  writeFileSync(
    artifacts.verifyingKey,
    `${JSON.stringify({ unsafe: 'development: its secret is known to everybody', ...key }, null, 2)}\n`,
  )
  writeFileSync(artifacts.verifier, verifierOf(key))
}

interface VerifyingKey {
  readonly vk_alpha_1: readonly string[]
  readonly vk_beta_2: readonly (readonly string[])[]
  readonly vk_gamma_2: readonly (readonly string[])[]
  readonly vk_delta_2: readonly (readonly string[])[]
  readonly IC: readonly (readonly string[])[]
}
/** Verifies on any chain with Ethereum's precompiles. Of a point of the second group EIP-197 has the imaginary half first. */
const verifierOf = ({ vk_alpha_1, vk_beta_2, vk_gamma_2, vk_delta_2, IC }: VerifyingKey): string => {
  const g1 = (point: readonly string[]): string => `${point[0]}, ${point[1]}`
  const g2 = ([x = [], y = []]: readonly (readonly string[])[]): string => `${x[1]}, ${x[0]}, ${y[1]}, ${y[0]}`
  const points = IC.slice(1).map(
    (point, i) => `    acc = _add(acc, _mul([uint256(${point[0]}), ${point[1]}], signals[${i}]));`,
  )
  const pairing = [
    'a[0], (Q - a[1]) % Q, b[0][0], b[0][1], b[1][0], b[1][1]',
    `${g1(vk_alpha_1)}, ${g2(vk_beta_2)}`,
    `acc[0], acc[1], ${g2(vk_gamma_2)}`,
    `c[0], c[1], ${g2(vk_delta_2)}`,
  ]
  const words = pairing.flatMap((each) => each.split(', ')).map((each, i) => `    p[${i}] = ${each};`)
  return `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Verifier of credential.circom (Groth16 on BN254). Generated by \`npm run gen:circuits\`.
/// @notice UNSAFE: under the development key, whose secret is known to everybody. A real network's verifier has a ceremony's key.
contract CredentialVerifier {
  uint256 private constant R = ${R};
  uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

  /// @param b each coordinate with its imaginary half first, as EIP-197 has it
  /// @param signals nullifier, issuersRoot, statusRoot, schema, claimIndex, threshold, now, context
  /// @return whether the proof holds; false for what is malformed
  function verifyProof(uint256[2] calldata a, uint256[2][2] calldata b, uint256[2] calldata c, uint256[${IC.length - 1}] calldata signals)
    external
    view
    returns (bool)
  {
    // A number and itself plus the order are one to the circuit: only the smaller is a nullifier.
    for (uint256 i = 0; i < signals.length; i++) if (signals[i] >= R) return false;
    if (a[0] >= Q || a[1] >= Q) return false;
    uint256[2] memory acc = [uint256(${IC[0]?.[0]}), ${IC[0]?.[1]}];
${points.join('\n')}
    uint256[24] memory p;
${words.join('\n')}
    uint256[1] memory out;
    bool ok;
    assembly ("memory-safe") {
      ok := staticcall(gas(), 8, p, 768, out, 32)
    }
    return ok && out[0] == 1;
  }

  function _mul(uint256[2] memory point, uint256 scalar) private view returns (uint256[2] memory result) {
    uint256[3] memory input = [point[0], point[1], scalar];
    bool ok;
    assembly ("memory-safe") {
      ok := staticcall(gas(), 7, input, 96, result, 64)
    }
    require(ok);
  }

  function _add(uint256[2] memory left, uint256[2] memory right) private view returns (uint256[2] memory result) {
    uint256[4] memory input = [left[0], left[1], right[0], right[1]];
    bool ok;
    assembly ("memory-safe") {
      ok := staticcall(gas(), 6, input, 128, result, 64)
    }
    require(ok);
  }
}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main()
  process.exit(0) // the library leaves threads behind
}
