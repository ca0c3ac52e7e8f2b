// eth_simulateV1 against the public recordings of Ethereum's execution API, as far as they bring their own accounts. The recordings
// begin at block 54 of their own chain; so does the world here, with nothing in its state.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { asAddress, asHash } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { nextBaseFee } from '../../chain/exec/fees.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { simulateBlocks } from '../../chain/exec/simulate.ts'
import { openNatives } from '../../chain/native/index.ts'
import type { Header } from '../../chain/types/block.ts'
import type { CallJob } from '../../chain/types/call.ts'
import type { Ctx } from '../../rpc/method.ts'
import { methods } from '../../rpc/table.ts'
import { createMemoryState } from '../kit/memory-state.ts'
import { conformanceDir } from '../kit/state-tests.ts'

const zero = asHash(new Uint8Array(32))
const header: Header = {
  ...{ parentHash: zero, coinbase: asAddress(new Uint8Array(20)), stateRoot: zero, transactionsRoot: zero },
  ...{ receiptsRoot: zero, bloom: new Uint8Array(256), number: 54, gasLimit: 200_000_000n, gasUsed: 0n, time: 540 },
  ...{ extraData: new Uint8Array(0), prevRandao: zero, baseFeeWei: 27_412_364n, parentBeaconBlockRoot: zero },
}
const deps = {
  engine: createFastEngine({ chainId: 3_503_995_874_084_926n }),
  reference: createReferenceEngine({ chainId: 3_503_995_874_084_926n }),
  ...{ domain: { chainId: 3_503_995_874_084_926n, genesisHash: asHash(new Uint8Array(32)) } },
  ...{ gasCap: 50_000_000n, blockSeconds: 12 },
  natives: openNatives([]),
  ethereum: () => 'osaka' as const,
  fees: { burnBps: 10_000, recipientBps: 0, stakersBps: 0, treasuryBps: 0, treasury: asAddress(new Uint8Array(20)) },
  reader: () => createMemoryState(),
  header: (height: number) => (height === 54 ? { header, hash: zero, section: null } : null),
  txs: () => null,
  nextBaseFee: (parent: Header) => nextBaseFee(parent, { baseFeeDenominator: 8, elasticity: 2 }),
}
// The fields of the context that this method touches.
const ctx = {
  chain: { head: () => ({ header }) },
  calls: {
    run: async (job: Extract<CallJob, { kind: 'simulate' }>) => ({
      kind: 'simulate',
      blocks: await simulateBlocks(deps, job),
    }),
  },
} as unknown as Ctx

export const simulate = async (params: readonly unknown[]): Promise<unknown> => {
  const method = methods.get('eth_simulateV1')
  const values = method?.params.map(([, codec], i) => {
    const decoded = codec.decode(params[i])
    if (!decoded.ok) throw new NodeError({ code: 'RPC_PARAMS', rpc: -32602, text: () => decoded.why }, undefined)
    return decoded.value
  })
  return method?.run(ctx, values ?? [])
}

/** Why a recording says something that this node, or this world, does not. */
const NOT_HERE: Readonly<Record<string, string>> = {
  'move-ecrecover-and-call': 'precompiles cannot be moved',
  'move-ecrecover-and-call-old-and-new': 'precompiles cannot be moved',
  'move-ecrecover-twice-and-call': 'precompiles cannot be moved',
  'move-two-accounts-to-same-38023': 'precompiles cannot be moved',
  'move-two-non-precompiles-accounts-to-same': 'precompiles cannot be moved',
  'override-ecrecover': 'precompiles cannot be moved',
  'override-identity': 'precompiles cannot be moved',
  'override-sha256': 'precompiles cannot be moved',
  'use-as-many-features-as-possible': 'precompiles cannot be moved',
  blobs: 'there are no blobs',
  'blockhash-complex': 'shows hashes of its own chain',
  'blockhash-simple': 'shows hashes of its own chain',
  'blockhash-start-before-head': 'shows hashes of its own chain',
  'get-block-properties': 'shows hashes of its own chain',
  'contract-calls-itself': 'shows hashes of its own chain',
  'add-more-non-defined-BlockStateCalls-than-fit-but-now-with-fit': 'shows hashes of its own chain',
  'overwrite-existing-contract': 'needs a contract of its own chain',
  'self-destructive-contract-produces-logs': 'pays an account of its own chain',
  'empty-with-block-num-set-firstblock': 'starts at another height of its chain',
  'empty-with-block-num-set-minusone': 'starts at another height of its chain',
}

const archive = join(conformanceDir, 'execution-apis', 'tests.tar.xz')
const dir = existsSync(archive) ? mkdtempSync(join(tmpdir(), 'novachain-io-')) : null
if (dir !== null) execFileSync('tar', ['xJf', archive, '-C', dir])
afterAll(() => {
  if (dir !== null) rmSync(dir, { recursive: true, force: true })
})
const names =
  dir === null
    ? []
    : readdirSync(join(dir, 'eth_simulateV1'))
        .map((file) => file.replace(/^ethSimulate-|\.io$/g, ''))
        .filter((name) => !(name in NOT_HERE))

interface Call {
  readonly logs: readonly { address: string; topics: unknown; data: string }[]
  readonly error?: { code: number }
}
interface Shown {
  readonly calls: readonly Call[]
}
/** What does not depend on the chain below: no hashes. */
const essence = (blocks: unknown): unknown =>
  (blocks as readonly (Shown & Record<string, unknown>)[]).map(
    ({ number, timestamp, gasUsed, gasLimit, baseFeePerGas, miner, logsBloom, transactions, calls }) => ({
      ...{ number, timestamp, gasUsed, gasLimit, baseFeePerGas, miner, logsBloom },
      transactions: (transactions as unknown[]).length,
      calls: calls.map(({ logs, ...call }) => ({
        ...call,
        logs: logs.map(({ address, topics, data }) => ({ address, topics, data })),
      })),
    }),
  )

test.runIf(dir !== null).each(names)('%s', async (name) => {
  const lines = readFileSync(join(dir ?? '', 'eth_simulateV1', `ethSimulate-${name}.io`), 'utf8').split('\n')
  const request = JSON.parse(lines.find((line) => line.startsWith('>> '))?.slice(3) ?? '')
  const answer = JSON.parse(lines.find((line) => line.startsWith('<< '))?.slice(3) ?? '')
  const given = await simulate(request.params).then(
    (result) => ({ result }),
    (error: NodeError) => ({ error }),
  )
  if ('error' in given)
    expect({ error: given.error.rpc, says: given.error.message }).toMatchObject({ error: answer.error?.code })
  else expect(essence(given.result)).toEqual(essence(answer.result))
})
