// The official state tests (ethereum/execution-spec-tests) through our own rules and engine: reads cases, runs one, says what
// differs.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { asAddress, asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { encodeRlp } from '../../chain/base/rlp.ts'
import type { Engine } from '../../chain/exec/engine.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createReferenceEngine, type ReferenceOptions } from '../../chain/exec/reference.ts'
import { createState } from '../../chain/exec/state.ts'
import { runTx } from '../../chain/exec/tx.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import { type Log, logsToRlp } from '../../chain/types/receipt.ts'
import { checkTxGas, decodeTx, plainTx, TX_GAS_MAX } from '../../chain/types/tx.ts'
import { createMemoryState } from './memory-state.ts'

interface Account {
  readonly nonce: string
  readonly balance: string
  readonly code: string
  readonly storage: Readonly<Record<string, string>>
}
interface Fixture {
  readonly env: Readonly<Record<string, string>>
  readonly pre: Readonly<Record<string, Account>>
  readonly post: Readonly<
    Record<string, readonly { hash: string; logs: string; txbytes: string; expectException?: string }[]>
  >
  readonly config: { readonly chainid: string }
}
export interface StateCase {
  readonly id: string
  readonly fixture: Fixture
}
export type Verdict = { readonly is: 'passed' } | { readonly is: 'skipped' | 'failed'; readonly why: string }

/** Beside the checkout, or where NOVACHAIN_CONFORMANCE says. */
export const conformanceDir =
  process.env.NOVACHAIN_CONFORMANCE ?? fileURLToPath(new URL('../../../shared/conformance', import.meta.url))
export const hasConformance = existsSync(conformanceDir)

export function* readCases(file: string): Generator<StateCase> {
  const text = gunzipSync(readFileSync(file))
  let from = 0
  while (from < text.length) {
    const end = text.indexOf(10, from)
    const line = text.subarray(from, end < 0 ? text.length : end).toString()
    from = end < 0 ? text.length : end + 1
    if (line === '') continue
    for (const [id, fixture] of Object.entries(JSON.parse(line))) yield { id, fixture: fixture as Fixture }
  }
}

const FORKS = { Prague: 'prague', Osaka: 'osaka' } as const
const ENGINES = {
  reference: createReferenceEngine,
  fast: createFastEngine,
  /** The fast one that decodes all code at once. */
  decoded: (options: ReferenceOptions) => createFastEngine({ ...options, decoding: 'at once' }),
}
export type EngineName = keyof typeof ENGINES
const engines = new Map<string, Engine>()
const engineFor = (which: EngineName, fork: keyof typeof FORKS, chainId: bigint): Engine => {
  const name = `${which} ${fork} ${chainId}`
  const engine = engines.get(name) ?? ENGINES[which]({ chainId, hardfork: FORKS[fork] })
  engines.set(name, engine)
  return engine
}

const EVERYTHING_BURNT = {
  burnBps: 10_000,
  recipientBps: 0,
  stakersBps: 0,
  treasuryBps: 0,
  treasury: asAddress(new Uint8Array(20)),
}
const bytesOf = (hex: string, size: number): Uint8Array =>
  hexToBytes(
    `0x${BigInt(hex)
      .toString(16)
      .padStart(2 * size, '0')}`,
  )

const contextOf = (env: Fixture['env'], chainId: bigint): BlockContext => ({
  chainId,
  number: Number(env.currentNumber),
  time: Number(env.currentTimestamp),
  coinbase: asAddress(hexToBytes(env.currentCoinbase ?? '')),
  gasLimit: BigInt(env.currentGasLimit ?? 0),
  baseFeeWei: BigInt(env.currentBaseFee ?? 0),
  prevRandao: asHash(bytesOf(env.currentRandom ?? '0x0', 32)),
  parentBeaconBlockRoot: asHash(new Uint8Array(32)),
  domain: { chainId, genesisHash: asHash(new Uint8Array(32)) },
  ethereum: 'osaka',
  lastCommit: null,
  blockHash: (number) => keccak(new TextEncoder().encode(String(number))),
})

/** Runs every outcome of a case that is of a fork we have. */
export async function runCase(engine: EngineName, { fixture }: StateCase): Promise<Verdict> {
  const forks = (Object.keys(FORKS) as (keyof typeof FORKS)[]).filter((fork) => fixture.post[fork] !== undefined)
  if (forks.length === 0) return { is: 'skipped', why: 'of another fork' }
  for (const fork of forks)
    for (const expected of fixture.post[fork] ?? []) {
      const verdict = await runOne(engine, fixture, fork, expected)
      if (verdict.is === 'failed' && isUnreachable(fixture)) return { is: 'skipped', why: UNREACHABLE }
      if (verdict.is !== 'passed') return verdict
    }
  return { is: 'passed' }
}

const UNREACHABLE = 'EIP-7610: creation over an account with storage and no code or nonce'
/** Genesis refuses such an account, and no transaction makes one. Most cases that hold one do not create over it and pass. */
const isUnreachable = ({ pre }: Fixture): boolean =>
  Object.values(pre).some(
    ({ code, nonce, storage }) => code === '0x' && BigInt(nonce) === 0n && Object.keys(storage).length > 0,
  )

const runOne = async (
  engine: EngineName,
  fixture: Fixture,
  fork: keyof typeof FORKS,
  expected: Fixture['post'][string][number],
): Promise<Verdict> => {
  const memory = createMemoryState()
  for (const [hex, { nonce, balance, code, storage }] of Object.entries(fixture.pre))
    memory.put(hex, {
      nonce: BigInt(nonce),
      balance: BigInt(balance),
      code: hexToBytes(code),
      slots: Object.entries(storage).map(([key, value]) => [BigInt(key), BigInt(value)] as const),
    })
  const raw = hexToBytes(expected.txbytes)
  if (raw[0] === 3) return { is: 'skipped', why: 'type 3: this chain carries no blobs' }
  const chainId = BigInt(fixture.config.chainid)
  const state = createState(memory)
  let logs: readonly Log[] = []
  try {
    const tx = decodeTx(raw, chainId)
    if (engine === 'fast' && tx.gasLimit >= 2n ** 53n)
      return { is: 'skipped', why: 'more gas than any block here can have' }
    if (fork === 'Osaka' || tx.gasLimit <= TX_GAS_MAX) checkTxGas(tx)
    else checkTxGas({ ...plainTx(tx), gasLimit: TX_GAS_MAX }) // EIP-7825 is Osaka's
    const context = contextOf(fixture.env, chainId)
    const deps = { engine: engineFor(engine, fork, chainId), natives: new Map(), fees: EVERYTHING_BURNT }
    const result = await runTx(deps, tx, state, context, context.gasLimit)
    logs = result.logs
    memory.apply(state.changes())
    if (expected.expectException !== undefined)
      return { is: 'failed', why: `it ran, and ${expected.expectException} was expected` }
  } catch (error) {
    if (!(error instanceof NodeError) || !error.code.startsWith('TX_')) throw error
    if (expected.expectException === undefined)
      return { is: 'failed', why: `refused with ${error.code}: ${error.message}` }
  }
  const logsHash = bytesToHex(keccak(encodeRlp(logsToRlp(logs))))
  if (logsHash !== expected.logs) return { is: 'failed', why: `logs ${logsHash}, expected ${expected.logs}` }
  const root = bytesToHex(await memory.root())
  return root === expected.hash ? { is: 'passed' } : { is: 'failed', why: `root ${root}, expected ${expected.hash}` }
}
