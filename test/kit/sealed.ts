// A chain whose blocks are made by hand, with every validator's signature: for tests and benches that need many blocks and no clock.
import { asAddress } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { assert } from '../../chain/base/errors.ts'
import type { Kv, KvWrite, Pause } from '../../chain/base/ports.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { type Block, headerTimeMs } from '../../chain/types/block.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import type { Checkpoint } from '../../chain/types/run.ts'
import type { IdentifyTxs } from '../../chain/types/tx.ts'
import type { EpochSetOf, ValidatorSet } from '../../chain/types/validators.ts'
import { formQc, type Qc, randaoPayload, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { developmentGenesis } from '../../node/development.ts'
import { noMeter, silent } from '../../node/telemetry.ts'
import { secretOf } from './sets.ts'

interface Choice {
  readonly validators?: number
  readonly epochBlocks?: number
  readonly chainId?: number
}

/** Of development validators; the same choice is the same network. */
export const sealedGenesis = (choice: Choice = {}): Genesis => parseGenesis(sealedGenesisText(choice))

/** As its genesis.json. */
export function sealedGenesisText(choice: Choice = {}): string {
  const { validators = 1, epochBlocks = 1_200, chainId = null } = choice
  const json = JSON.parse(developmentGenesis(bundledGenesis(), { validators, blockTimeMs: 1_000, chainId }))
  json.novachain.epochBlocks = epochBlocks
  return JSON.stringify(json)
}

export const openSealedChain = (
  genesis: Genesis,
  kv: Kv,
  options: {
    readonly checkpoint?: Checkpoint
    readonly pause?: Pause
    readonly epochSetOf?: EpochSetOf
    readonly identify?: IdentifyTxs
  } = {},
): Promise<Chain> =>
  openChain(
    {
      kv,
      engine: createChainEngine(genesis),
      clock: { nowMs: () => Date.now() },
      pause: options.pause ?? (() => new Promise((resolve) => setImmediate(resolve))),
      log: silent,
      meter: noMeter,
      ...(options.epochSetOf && { epochSetOf: options.epochSetOf }),
      ...(options.identify && { identify: options.identify }),
    },
    genesis,
    {
      ...{ historyBlocks: 10_000, proofBlocks: 256, cacheBytes: 64 * 1024 * 1024 },
      pool: { txBytesMax: 128 * 1024 },
      checkpoint: options.checkpoint ?? null,
    },
  )

/** All that is in a store, in memory. */
export async function copyOf(kv: Kv): Promise<Kv> {
  const copy = createMemoryKv()
  const writes: KvWrite[] = []
  for await (const [key, value] of kv.entries(new Uint8Array(0), new Uint8Array(64).fill(255)))
    writes.push({ key, value })
  await copy.write(writes)
  return copy
}

/** The next block, from the pool; `coinbase` makes branches differ. */
export async function buildNext(
  chain: Chain,
  { coinbase = 0xcc, intervalMs = 1_000 }: { readonly coinbase?: number; readonly intervalMs?: number } = {},
): Promise<Block> {
  const parent = chain.head()
  const height = parent.header.number + 1
  const proposerIndex = chain.proposer(height)
  const proposer = chain.validators().members[proposerIndex]
  assert(proposer !== undefined, 'the proposer is a member')
  return chain.build({
    ...{ height, proposerIndex, round: 0, budgetMs: 60_000 },
    timeMs: headerTimeMs(parent.header) + intervalMs,
    coinbase: asAddress(new Uint8Array(20).fill(coinbase)),
    lastCommit: chain.commitOf(height - 1),
    reveal: sign(chain, secretOf(proposer), SignType.randao, randaoPayload(height)),
  })
}

/** Every validator's COMMIT; of the set of its height, or of another. */
export function certify(chain: Chain, { header, hash }: Block, by?: ValidatorSet): Qc {
  const set = by ?? chain.setOf(header.number)
  assert(set !== null, 'the set of the next height is known')
  const payload = votePayload(header.number, 0, hash)
  const shares = new Map(
    set.members.map((member, i) => [i, sign(chain, secretOf(member), SignType.commit, payload)] as const),
  )
  return formQc({ type: 'commit', height: header.number, round: 0, blockHash: hash }, shares, set)
}

/** Builds and commits so many blocks; before each, `fill` may submit transactions. */
export async function seal(
  chain: Chain,
  count: number,
  options: { readonly coinbase?: number; readonly fill?: (chain: Chain) => Promise<void> } = {},
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await options.fill?.(chain)
    const block = await buildNext(chain, options)
    await chain.commit(block, certify(chain, block))
  }
}

const sign = (chain: Chain, secret: Uint8Array, type: SignType, payload: Uint8Array): Uint8Array =>
  curves().blsSign(secret, signBytes({ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }, type, payload))
