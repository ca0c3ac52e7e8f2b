// The facade: the only export of `chain/` that doors and services use. Owns the order of things: submit, build, verify, commit; and hands out
// what is committed. Everything below it is deterministic but the pool, which shapes only what one proposer offers.
import { type Address, bytesToHex, equalBytes, type Hash, type Word } from './base/bytes.ts'
import { curves } from './base/crypto.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Clock, Kv, Log, Meter, Pause } from './base/ports.ts'
import { Share } from './base/share.ts'
import {
  type BlockFacts,
  type BlockNatives,
  type BlockResult,
  createExecutor,
  type Executor,
  earlierHashes,
} from './exec/block.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { genesisBlock, genesisChanges } from './exec/genesis.ts'
import { permissionCheck } from './exec/permissions.ts'
import { createState } from './exec/state.ts'
import { Intake } from './mempool/intake.ts'
import { createPool, type Pool, type PoolLimits } from './mempool/pool.ts'
import { changesRules, epochSetOf, evidenceWindowS, type ForkView, nativesAt, viewForks } from './native/index.ts'
import { Sets } from './sets.ts'
import { type Archive, openArchive } from './store/archive.ts'
import { type Batch, inTurn } from './store/batch.ts'
import { type BlockStore, openBlockStore } from './store/blocks.ts'
import { createMemoryKv } from './store/kv.ts'
import { orderedRoot } from './store/ordered.ts'
import { createStagedKv, type StagedKv } from './store/staged.ts'
import { createStateStore, type Prepared, type StateStore } from './store/state.ts'
import {
  BLOCK_BYTES_MAX,
  type Block,
  BlockErrors,
  checkHeader,
  decodeExtra,
  encodeExtra,
  ethereumBlockBytes,
  type Header,
  headerHash,
  leastIntervalMs,
  nextRandao,
  type Roots,
  rootsDifference,
  SECTION_VERSION,
  type Section,
  sectionHash,
} from './types/block.ts'
import { type BlockTxsDeps, decodeBlockTxs, SendersAhead } from './types/block-txs.ts'
import { type EvidenceContext, ofQc, rollOfEpoch, type SignedAt } from './types/evidence.ts'
import { FORKS, type Fork } from './types/forks.ts'
import { type Genesis, type Rules, rulesOf } from './types/genesis.ts'
import type { Earliest } from './types/kept.ts'
import type { AccountProof, FoundLog, LogFilter, PoolView, StoredReceipt, TxPlace } from './types/query.ts'
import { encodeReceipt } from './types/receipt.ts'
import { type Checkpoint, checkRun, type FinalRun, fitsCheckpoint, isCommitOf } from './types/run.ts'
import type { Reader } from './types/state.ts'
import { sentCount } from './types/system-tx.ts'
import type { IdentifyTxs, Tx } from './types/tx.ts'
import { type EpochSetOf, epochOf, type ValidatorSet } from './types/validators.ts'
import { checkQc, type Domain, type Qc, randaoPayload, SignType, signBytes } from './types/vote.ts'
import type { Sampler } from './types/witness.ts'

export interface BuildArgs {
  readonly height: number
  readonly timeMs: number
  readonly round: number
  /** Index in the set. */
  readonly proposerIndex: number
  readonly coinbase: Address
  readonly lastCommit: Qc | null
  readonly reveal: Uint8Array
  /** Milliseconds that building may take; a local choice that no verifier sees. */
  readonly budgetMs: number
}

/** Facts after a commit or an admission; a listener never throws and never waits. */
export interface ChainEvents {
  readonly head: { readonly block: Block; readonly receipts: readonly StoredReceipt[]; readonly txs: readonly Tx[] }
  readonly admitted: Tx
  /** Those of them that users of this node sent. */
  readonly local: Tx
}

export interface Chain {
  readonly genesis: Rules
  readonly genesisHash: Hash
  readonly checkpoint: Checkpoint | null
  /** The last committed block. */
  head(): Block
  /** null above the head and below what is kept. */
  block(height: number): Block | null
  /** The same without its transactions, and without reading them. */
  outline(height: number): ReturnType<BlockStore['record']>
  /** The same as `encodeBlock` makes it, from the bytes that are stored. */
  encoded(height: number): Uint8Array | null
  heightOf(blockHash: Hash): number | null
  /** The block's transactions, decoded, with senders as stored. */
  txs(height: number): readonly Tx[] | null
  receipts(height: number): readonly StoredReceipt[] | null
  /** One of a block's transactions, or its receipt, or what all paid; the others are not decoded. */
  readonly stored: Pick<BlockStore, 'tx' | 'receipt' | 'spent'>
  place(txHash: Hash): TxPlace | null
  /** The CommitQC of a height; null for genesis and above the head. */
  commitOf(height: number): Qc | null
  /** The set that signs a height; null for genesis, where it is not elected yet, and where it is too old. The next two are known. */
  setOf(height: number): ValidatorSet | null
  /** That of the next height. */
  validators(): ValidatorSet
  /** Who proposes in round 0 of a height, the next or the one after: an index in its set. */
  proposer(height: number): number
  /** Whether transactions and section are those the header commits to; whether it holds is `verify`'s. */
  isWhole(block: Block): Promise<boolean>
  logs(filter: LogFilter): Promise<readonly FoundLog[]>
  /** State after a block. Throws CHAIN_PRUNED with the heights it still has. */
  at(height: number): Reader
  proof(height: number, address: Address, keys: readonly Word[]): Promise<AccountProof>
  /** The lowest height that each is kept from. */
  kept(): Earliest & { readonly state: number; readonly proofs: number }
  /** Everything from this height on stays, whatever the options say, until another height is given or the chain is opened again. */
  keepFrom(height: number): void
  readonly keptFrom: number
  /** Base fee of the next block. */
  nextBaseFee(): bigint
  readonly forks: ForkView
  readonly pool: PoolView
  /** Admits to the pool and returns the hash. Throws TX_* and POOL_*. `local` ones are kept in the journal. */
  submit(raw: Uint8Array, origin: 'local' | 'peer'): Promise<Hash>
  /**
   * The same for some of them, each with its hash or its refusal. Those that are under way are bounded: beyond it all are POOL_BUSY at once.
   */
  submitAll(raws: readonly Uint8Array[], origin: 'local' | 'peer'): Promise<readonly (Hash | NodeError)[]>
  build(args: BuildArgs): Promise<Block>
  /** Runs the block on the head. Throws BLOCK_INVALID with the first difference, and EXEC_ABANDONED once it is not wanted any more. */
  verify(block: Block, isWanted?: () => boolean): Promise<void>
  /** One durable batch, with what was signed at this height and those before. */
  commit(block: Block, certificate: Qc, signed?: readonly SignedAt[]): Promise<void>
  /** What was signed at a decided height, as far as it is kept; the certificate and the one that the next block brought among it. */
  signedAt(height: number): SignedAt
  /** What offences are judged by, at the present head. */
  evidenceContext(): EvidenceContext
  readonly evidence: Omit<Archive, 'at' | 'writes'>
  /**
   * Final blocks that follow the head, all of one epoch, as one durable batch. Throws RUN_FALSE or VOTE_CERTIFICATE before anything
   * is run, and BLOCK_INVALID where one fails; those before it are committed then.
   */
  append(run: FinalRun): Promise<void>
  watch<K extends keyof ChainEvents>(kind: K, listener: (event: ChainEvents[K]) => void): () => void
  close(): Promise<void>
}

export const ChainErrors = defineErrors('CHAIN', {
  NOT_NEXT: {
    text: (d: { height: number; head: number }) => `block ${d.height} does not follow the head at ${d.head}`,
  },
  CHECKPOINT: {
    text: (d: { height: number; have: string; want: string }) =>
      `block ${d.height} of this folder is ${d.have}, and the checkpoint says ${d.want}: if the checkpoint is right, what is here is ` +
      'another chain: start again in an empty --dir; if not, correct --trust-height and --trust-hash',
  },
  OVERTAKEN: { text: (d: { height: number }) => `another block of height ${d.height} was committed meanwhile` },
})

export interface ChainDeps {
  readonly kv: Kv
  readonly engine: Engine
  readonly clock: Clock
  readonly pause: Pause
  readonly log: Log
  readonly meter: Meter
  /** Senders and hashes, off the thread in a node; where it is not given they are found on the spot. */
  readonly identify?: IdentifyTxs
  /** Where tests change sets without a vote. */
  readonly epochSetOf?: EpochSetOf
  /** Default: the table of native modules. */
  readonly natives?: (height: number) => BlockNatives
  /** 'off' sends plain transfers through the engine too. */
  readonly lane?: 'off'
  /** Default: the table of forks. */
  readonly forks?: readonly Fork[] | undefined
  /** Picks transactions that another engine is to run again. */
  readonly sampler?: Sampler | undefined
}

export interface ChainOptions {
  /** Heights of state kept behind the head; null keeps all. */
  readonly historyBlocks: number | null
  /** Heights of trie nodes kept for proofs; null keeps all. */
  readonly proofBlocks: number | null
  readonly cacheBytes: number
  readonly pool: Partial<PoolLimits>
  readonly checkpoint?: Checkpoint | null
}

/** A block that was run on the head, with what its commit needs. */
interface Candidate {
  readonly block: Block
  readonly txs: readonly Tx[]
  readonly receipts: readonly StoredReceipt[]
  readonly prepared: Prepared
}

/** Blocks of one height that were run and may be committed; rounds beyond this many forget the oldest. */
const CANDIDATES_MAX = 4

const meters = (m: Meter) => ({
  height: m.gauge('chain_height', 'Height of the head'),
  txsTotal: m.counter('chain_txs_total', 'Transactions committed'),
  gasTotal: m.counter('chain_gas_total', 'Gas used by committed transactions'),
  tooLong: m.counter(
    'chain_txs_too_long_total',
    'Transactions that took longer than a block has for one and left the pool',
  ),
  executeSeconds: m.histogram('chain_execute_seconds', 'Building or verifying one block'),
  commitSeconds: m.histogram('chain_commit_seconds', 'Writing one block durably'),
})

/** Opens the chain in a store: makes the genesis block in an empty one, refuses another network's and another checkpoint's, checks head and state. */
export async function openChain(deps: ChainDeps, genesis: Genesis, options: ChainOptions): Promise<Chain> {
  const { pause } = deps
  const kv = createStagedKv(deps.kv)
  const genesisHash = await computeGenesisHash(genesis)
  const blocks = openBlockStore(kv, genesisHash, { pause })
  const states = createStateStore({ kv, pause }, options)
  if (blocks.head() === null) {
    const prepared = await states.prepare(0, genesisChanges(genesis))
    const block = genesisBlock(genesis, prepared.root)
    const writes = await blocks.blockWrites({ block, receipts: [], txs: [], certificate: null })
    await kv.write(inTurn(prepared.writes, writes))
    await states.applied(prepared)
  }
  const checkpoint = options.checkpoint ?? null
  const stored = checkpoint === null ? null : blocks.record(checkpoint.height)
  if (checkpoint !== null && stored !== null && !equalBytes(stored.hash, checkpoint.hash))
    throw new NodeError(ChainErrors.CHECKPOINT, {
      height: checkpoint.height,
      have: bytesToHex(stored.hash),
      want: bytesToHex(checkpoint.hash),
    })
  const archive = openArchive(deps.kv)
  return new Machine({ ...deps, kv, genesis: rulesOf(genesis), genesisHash, blocks, states, archive }, options)
}

/** The hash of the genesis block, which names the network everywhere. */
export async function computeGenesisHash(genesis: Genesis): Promise<Hash> {
  const states = createStateStore(
    { kv: createMemoryKv(), pause: async () => {} },
    { historyBlocks: 0, proofBlocks: 0, cacheBytes: 0 },
  )
  const { root } = await states.prepare(0, genesisChanges(genesis))
  return genesisBlock(genesis, root).hash
}

type Opened = ChainDeps & {
  readonly kv: StagedKv
  readonly genesis: Rules
  readonly genesisHash: Hash
  readonly blocks: BlockStore
  readonly states: StateStore
  readonly archive: Archive
}

class Machine implements Chain {
  readonly genesis: Rules
  readonly genesisHash: Hash
  readonly checkpoint: Checkpoint | null
  readonly pool: Pool
  readonly evidence: Archive
  readonly stored: BlockStore
  readonly forks: ForkView
  readonly #deps: Opened
  readonly #executor: Executor
  readonly #domain: Domain
  readonly #txsDeps: BlockTxsDeps
  readonly #sets: Sets
  readonly #meters: ReturnType<typeof meters>
  readonly #candidates = new Map<string, Candidate>()
  /** A body is asked whether it is whole, and then run: its root is made once. */
  readonly #transactionsRoots = new WeakMap<Block['txs'], Hash>()
  readonly #listeners: { readonly [K in keyof ChainEvents]: Set<(event: ChainEvents[K]) => void> } = {
    head: new Set(),
    admitted: new Set(),
    local: new Set(),
  }
  readonly #intake: Intake
  /** How much of building a block was running it, lately; the rest is roots and records. */
  readonly #running = new Share({ first: 0.5, least: 0.1, most: 0.95 })
  keptFrom = Number.POSITIVE_INFINITY
  #head: Block

  constructor(opened: Opened, options: ChainOptions) {
    const { genesis, genesisHash, blocks, states } = opened
    this.#deps = opened
    this.genesis = genesis
    this.genesisHash = genesisHash
    this.evidence = opened.archive
    this.stored = blocks
    this.checkpoint = options.checkpoint ?? null
    this.#domain = { chainId: genesis.chainId, genesisHash }
    this.#sets = new Sets({ states, epochSetOf: opened.epochSetOf ?? epochSetOf, epochBlocks: genesis.epochBlocks })
    const head = blocks.head()
    assert(head !== null, 'an opened store has a head')
    assert(
      states.height === head.header.number && equalBytes(states.root, head.header.stateRoot),
      `state of height ${states.height} does not belong to block ${head.header.number}; run novachain db check`,
    )
    this.#head = head
    this.#meters = meters(opened.meter)
    this.#meters.height.set(head.header.number)
    const { engine, pause, identify, natives = nativesAt, lane, sampler, forks = FORKS } = opened
    this.#txsDeps = { chainId: genesis.chainId, known: (hash) => this.pool.get(hash), identify, pause }
    this.forks = viewForks(states, forks, genesis)
    this.#executor = createExecutor({ engine, pause, natives, lane, sampler, forks }, genesis)
    this.pool = createPool(
      { admit: (address) => this.#accountAtHead(address), clock: opened.clock, meter: opened.meter, pause },
      { ...options.pool, gasLimit: genesis.gasLimit },
    )
    this.pool.rebase({ baseFeeWei: this.#baseFeeAfter(head.header) })
    const intakeDeps = { ...opened, pool: this.pool, chainId: genesis.chainId, check: permissionCheck }
    this.#intake = new Intake(intakeDeps, (tx, origin) => {
      for (const listener of this.#listeners.admitted) listener(tx)
      if (origin === 'local') for (const listener of this.#listeners.local) listener(tx)
    })
    this.#intake.look(states.at(states.height), () => false)
  }

  head(): Block {
    return this.#head
  }
  block(height: number): Block | null {
    return this.#deps.blocks.block(height)
  }
  outline(height: number): ReturnType<BlockStore['record']> {
    return this.#deps.blocks.record(height)
  }
  encoded(height: number): Uint8Array | null {
    return this.#deps.blocks.encoded(height)
  }
  readonly heightOf: Chain['heightOf'] = (blockHash) => this.#deps.blocks.heightOf(blockHash)
  readonly txs: Chain['txs'] = (height) => this.#deps.blocks.txs(height)
  readonly receipts: Chain['receipts'] = (height) => this.#deps.blocks.receipts(height)
  readonly place: Chain['place'] = (txHash) => this.#deps.blocks.place(txHash)
  commitOf(height: number): Qc | null {
    return this.#deps.blocks.commitOf(height)
  }
  setOf(height: number): ValidatorSet | null {
    return this.#sets.at(height)?.set ?? null
  }
  validators(): ValidatorSet {
    return this.#sets.of(this.#head.header.number + 1)
  }
  proposer(height: number): number {
    return this.#sets.proposer(height)
  }
  async isWhole({ header, txs, section }: Block): Promise<boolean> {
    if (section === null || !equalBytes(header.parentBeaconBlockRoot, sectionHash(section))) return false
    return equalBytes(header.transactionsRoot, await this.#transactionsRoot(txs))
  }
  async #transactionsRoot(txs: Block['txs']): Promise<Hash> {
    const root = this.#transactionsRoots.get(txs) ?? (await this.#rootOf(txs.length, (i) => txs[i] as Uint8Array))
    this.#transactionsRoots.set(txs, root)
    return root
  }
  async #rootOf(count: number, item: (index: number) => Uint8Array): Promise<Hash> {
    const steps = orderedRoot(count, item)
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      await this.#deps.pause()
    }
  }
  logs(filter: LogFilter): Promise<readonly FoundLog[]> {
    return this.#deps.blocks.logs(filter)
  }
  at(height: number): Reader {
    return this.#deps.states.at(height)
  }
  readonly proof: Chain['proof'] = (height, address, keys) => this.#deps.states.proof(height, address, keys)
  readonly kept: Chain['kept'] = () => ({ ...this.#deps.blocks.earliest(), ...this.#deps.states.lowest() })
  keepFrom(height: number): void {
    this.keptFrom = height
    this.#deps.states.keepFrom(height)
  }
  nextBaseFee(): bigint {
    return this.#baseFeeAfter(this.#head.header)
  }
  async verify(block: Block, isWanted?: () => boolean): Promise<void> {
    await this.#run(block, this.#head, null, isWanted)
  }
  watch<K extends keyof ChainEvents>(kind: K, listener: (event: ChainEvents[K]) => void): () => void {
    const listeners: Set<(event: ChainEvents[K]) => void> = this.#listeners[kind]
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  close(): Promise<void> {
    return this.#deps.kv.close()
  }

  signedAt(height: number): SignedAt {
    const { archive, blocks } = this.#deps
    const { certificates, votes } = archive.at(height)
    const commits = [blocks.commitOf(height), blocks.record(height + 1)?.section?.lastCommit ?? null]
    return { height, votes, certificates: [...certificates, ...commits.flatMap((qc) => (qc === null ? [] : ofQc(qc)))] }
  }
  evidenceContext(): EvidenceContext {
    const { blocks, states } = this.#deps
    const { number: head, time: nowS } = this.#head.header
    const { epochBlocks } = this.genesis
    const windowS = evidenceWindowS(states.at(head), head + 1)
    return {
      ...{ domain: this.#domain, head, nowS, windowS, epochBlocks, intervalMs: this.#intervalMs },
      hashOf: (height) => (height < 0 ? null : (blocks.record(height)?.hash ?? null)),
      epochAt: (height) => {
        const epoch = this.#sets.at(height)
        // Block 1 says when epoch 0 began; a set that was read before it does not know.
        const startTime = height > epochBlocks ? epoch?.startTime : blocks.record(1)?.header.time
        return epoch === null ? null : rollOfEpoch({ ...epoch, startTime: startTime ?? nowS })
      },
    }
  }

  get #intervalMs(): number {
    return leastIntervalMs(this.genesis.blockTimeMs)
  }

  #accountAtHead(address: Address): { readonly nonce: bigint; readonly balance: bigint; readonly code: Uint8Array } {
    const reader = this.#deps.states.at(this.#head.header.number)
    const account = reader.account(address)
    if (account === undefined) return { nonce: 0n, balance: 0n, code: new Uint8Array(0) }
    return { nonce: account.nonce, balance: account.balance, code: reader.code(account.codeHash).bytes }
  }

  #baseFeeAfter(parent: Header): bigint {
    return nextBaseFee(parent, this.genesis.fees)
  }

  async submit(raw: Uint8Array, origin: 'local' | 'peer'): Promise<Hash> {
    const [answer] = await this.submitAll([raw], origin)
    assert(answer !== undefined, 'an answer for each')
    if (answer instanceof NodeError) throw answer
    return answer
  }
  submitAll(raws: readonly Uint8Array[], origin: 'local' | 'peer'): Promise<readonly (Hash | NodeError)[]> {
    return this.#intake.submit(raws, origin)
  }

  #contextOf(
    header: Pick<Header, 'number' | 'time' | 'coinbase' | 'baseFeeWei' | 'prevRandao' | 'parentBeaconBlockRoot'>,
    lastCommit: Qc | null,
  ): BlockFacts {
    return {
      chainId: this.genesis.chainId,
      number: header.number,
      time: header.time,
      coinbase: header.coinbase,
      gasLimit: this.genesis.gasLimit,
      baseFeeWei: header.baseFeeWei,
      prevRandao: header.prevRandao,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      domain: this.#domain,
      lastCommit,
      blockHash: earlierHashes(header.number, (number) => {
        const record = this.#deps.blocks.record(number)
        assert(record !== null, `block ${number} is stored`)
        return record.hash
      }),
    }
  }

  #sectionOf(args: Pick<BuildArgs, 'height' | 'proposerIndex' | 'reveal' | 'lastCommit'>): Section {
    return {
      version: SECTION_VERSION,
      epoch: epochOf(args.height, this.genesis.epochBlocks),
      proposerIndex: args.proposerIndex,
      ...this.#sets.hashes(args.height),
      reveal: args.reveal,
      lastCommit: args.lastCommit,
    }
  }

  /** Everything of a header and a section that is known before the block runs. */
  #draftOf(args: BuildArgs, parent: Block) {
    const section = this.#sectionOf(args)
    const time = Math.max(Math.floor(args.timeMs / 1_000), parent.header.time + 1)
    const ms = time === Math.floor(args.timeMs / 1_000) ? args.timeMs % 1_000 : 0
    return {
      section,
      header: {
        parentHash: parent.hash,
        coinbase: args.coinbase,
        number: args.height,
        gasLimit: this.genesis.gasLimit,
        time,
        extraData: encodeExtra({ originRound: args.round, ms }),
        prevRandao: nextRandao(parent.header, args.reveal),
        baseFeeWei: this.#baseFeeAfter(parent.header),
        parentBeaconBlockRoot: sectionHash(section),
      },
    }
  }

  async build(args: BuildArgs): Promise<Block> {
    const parent = this.#head
    if (args.height !== parent.header.number + 1)
      throw new NodeError(ChainErrors.NOT_NEXT, { height: args.height, head: parent.header.number })
    const startMs = this.#deps.clock.nowMs()
    const limitMs = args.budgetMs * this.#running.value
    const { header: draft, section } = this.#draftOf(args, parent)
    const result = await this.#executor.run(
      createState(this.#deps.states.at(parent.header.number)),
      this.#contextOf(draft, section.lastCommit),
      parent.hash,
      {
        mode: 'build',
        candidates: this.pool.best(draft.baseFeeWei),
        budget: { limitMs, usedMs: () => this.#deps.clock.nowMs() - startMs },
      },
    )
    const ranMs = this.#deps.clock.nowMs() - startMs
    for (const hash of result.dropped) this.pool.drop(hash)
    for (const hash of result.tooLong) {
      this.pool.drop(hash)
      this.#meters.tooLong.add()
      this.#deps.log.warn({ tx: bytesToHex(hash) }, 'a transaction that takes too long leaves the pool')
    }
    const prepared = await this.#deps.states.prepare(args.height, result.changes)
    const txs = result.txs.map((tx) => tx.raw)
    const header: Header = { ...draft, ...(await this.#rootsOf(txs, result)), stateRoot: prepared.root }
    const block: Block = { header, hash: headerHash(header), txs, section }
    this.#remember(parent, { block, txs: result.txs, receipts: result.receipts, prepared })
    const builtMs = this.#deps.clock.nowMs() - startMs
    this.#running.learn(ranMs, builtMs, limitMs)
    this.#meters.executeSeconds.observe((this.#deps.clock.nowMs() - startMs) / 1_000)
    return block
  }

  /** `txs`: the block's, which running it confirmed to be all. */
  async #rootsOf(txs: Block['txs'], result: BlockResult): Promise<Omit<Roots, 'stateRoot'>> {
    const { receipts, bloom, gasUsed } = result
    const receiptsRoot = await this.#rootOf(receipts.length, (i) => encodeReceipt(receipts[i] as StoredReceipt))
    return { transactionsRoot: await this.#transactionsRoot(txs), receiptsRoot, bloom, gasUsed }
  }

  #remember(parent: Block, candidate: Candidate): void {
    if (this.#head !== parent) throw new NodeError(ChainErrors.OVERTAKEN, { height: candidate.block.header.number })
    for (const hash of this.#candidates.keys())
      if (this.#candidates.size >= CANDIDATES_MAX) this.#candidates.delete(hash)
    this.#candidates.set(bytesToHex(candidate.block.hash), candidate)
  }

  /** `proven`: of the run that the block is in, where a quorum vouches for its hash, and so for the signatures within. */
  async #run(block: Block, parent: Block, proven: SendersAhead | null, isWanted?: () => boolean): Promise<Candidate> {
    const known = this.#candidates.get(bytesToHex(block.hash))
    if (known !== undefined) return known
    const startMs = this.#deps.clock.nowMs()
    const { header } = block
    const fault = checkHeader(header, parent, {
      gasLimit: this.genesis.gasLimit,
      baseFeeWei: this.#baseFeeAfter(parent.header),
      intervalMs: this.#intervalMs,
    })
    if (fault !== null) throw invalid(header.number, fault)
    if (!fitsCheckpoint(block, this.checkpoint)) throw invalid(header.number, 'the checkpoint has another hash')
    const sizeBytes = ethereumBlockBytes(block)
    if (sizeBytes > BLOCK_BYTES_MAX)
      throw invalid(header.number, `it has ${sizeBytes} bytes, at most ${BLOCK_BYTES_MAX}`)
    this.#checkSection(block, parent)
    if (proven === null) this.#checkSignatures(block, parent)
    const txs = await (proven?.txs(header.number) ?? decodeBlockTxs(block, this.#txsDeps))
    const result = await this.#executor.run(
      createState(this.#deps.states.at(parent.header.number)),
      this.#contextOf(header, block.section?.lastCommit ?? null),
      parent.hash,
      { mode: 'verify', txs, isWanted },
    )
    const prepared = await this.#deps.states.prepare(header.number, result.changes)
    const roots = { ...(await this.#rootsOf(block.txs, result)), stateRoot: prepared.root }
    const difference = rootsDifference(header, roots)
    if (difference !== null) throw invalid(header.number, difference)
    const candidate: Candidate = { block, txs, receipts: result.receipts, prepared }
    if (proven === null) this.#remember(parent, candidate)
    this.#meters.executeSeconds.observe((this.#deps.clock.nowMs() - startMs) / 1_000)
    return candidate
  }

  /** The consensus section is what the parent determines. */
  #checkSection(block: Block, parent: Block): void {
    const { header, section } = block
    const refuse = (reason: string) => invalid(header.number, reason)
    if (section === null) throw refuse('it has no consensus section')
    if (!equalBytes(header.parentBeaconBlockRoot, sectionHash(section)))
      throw refuse('parentBeaconBlockRoot does not commit to the consensus section')
    const { originRound } = decodeExtra(header.extraData)
    const proposerIndex = this.#sets.leader(header.number, originRound, parent.header.prevRandao)
    const { reveal, lastCommit } = section
    const wanted = this.#sectionOf({ height: header.number, proposerIndex, reveal, lastCommit })
    if (!equalBytes(sectionHash(wanted), header.parentBeaconBlockRoot))
      throw refuse('version, epoch, proposer or validator hashes are not what its parent determines')
    if (!equalBytes(header.prevRandao, nextRandao(parent.header, reveal))) throw refuse('mixHash does not follow')
    if (lastCommit === null && header.number > 1) throw refuse('lastCommit is missing')
    if (lastCommit !== null && !isCommitOf(lastCommit, parent))
      throw invalid(parent.header.number, 'the certificate is not a COMMIT of this block')
  }

  #checkSignatures({ header, section }: Block, parent: Block): void {
    assert(section !== null, 'the section was checked')
    const { proposerIndex, reveal, lastCommit } = section
    const proposer = this.#sets.of(header.number).members[proposerIndex]
    const message = signBytes(this.#domain, SignType.randao, randaoPayload(header.number))
    if (proposer === undefined || !curves().blsVerify([proposer.blsKey], message, reveal))
      throw invalid(header.number, `the RANDAO reveal is not signed by validator ${proposerIndex}`)
    if (lastCommit !== null) this.#checkCertificate(lastCommit, parent)
  }

  #checkCertificate(qc: Qc, block: Block): void {
    if (!isCommitOf(qc, block)) throw invalid(block.header.number, 'the certificate is not a COMMIT of this block')
    checkQc(qc, this.#sets.of(qc.height), this.#domain)
  }

  async commit(block: Block, certificate: Qc, signed: readonly SignedAt[] = []): Promise<void> {
    const parent = this.#head
    if (block.header.number !== parent.header.number + 1)
      throw new NodeError(ChainErrors.NOT_NEXT, { height: block.header.number, head: parent.header.number })
    this.#checkCertificate(certificate, block)
    const candidate = await this.#run(block, parent, null)
    const written = await this.#write(candidate, certificate, signed)
    assert(this.#head === parent, 'one commit at a time')
    written.release()
    candidate.prepared.writes.release()
    await this.#advance(candidate)
  }

  async append(run: FinalRun): Promise<void> {
    const { kv } = this.#deps
    const { checkpoint, genesis } = this
    const rules = { set: this.validators(), domain: this.#domain, epochBlocks: genesis.epochBlocks, checkpoint }
    checkRun(run, this.#head, rules)
    const proven = new SendersAhead(run.blocks, this.#txsDeps)
    let parent = this.#head
    let made: Candidate[] = []
    // One batch is on its way while the next is made.
    let flushed = Promise.resolve()
    const flush = async (): Promise<void> => {
      await flushed
      const batch = made
      made = []
      flushed = kv.flush().then(async () => {
        for (const candidate of batch) await this.#advance(candidate)
      })
      flushed.catch(() => {}) // whoever awaits it hears of it
    }
    kv.hold()
    this.#deps.states.keepFrom(Math.min(this.keptFrom, parent.header.number)) // the head’s, which the store is ahead of
    try {
      for (const [i, block] of run.blocks.entries()) {
        const candidate = await this.#run(block, parent, proven)
        await this.#write(candidate, run.blocks[i + 1]?.section?.lastCommit ?? run.commit, [])
        made.push(candidate)
        parent = block
        if (made.length === BATCH_BLOCKS) await flush()
        await this.#deps.pause()
      }
    } finally {
      this.keepFrom(this.keptFrom)
      await flush().then(() => flushed)
      kv.release()
    }
  }

  /** Answers the block's records, which a store that holds its writes goes on using. */
  async #write(candidate: Candidate, certificate: Qc, signed: readonly SignedAt[]): Promise<Batch> {
    const { block, prepared, receipts, txs } = candidate
    const startMs = this.#deps.clock.nowMs()
    const writes = await this.#deps.blocks.blockWrites({ block, receipts, txs, certificate })
    const archived = this.#deps.archive.writes(block.header.number, signed)
    await this.#deps.kv.write(inTurn(prepared.writes, writes, archived))
    await this.#deps.states.applied(prepared)
    this.#meters.commitSeconds.observe((this.#deps.clock.nowMs() - startMs) / 1_000)
    return writes
  }

  /** What is on disk is the head. */
  async #advance({ block, prepared, receipts, txs }: Candidate): Promise<void> {
    this.#head = block
    this.#candidates.clear()
    this.#intake.look(this.#deps.states.at(block.header.number), () => changesRules(prepared.changes))
    await this.pool.committed({ txs, changes: prepared.changes, baseFeeWei: this.#baseFeeAfter(block.header) })
    this.#meters.height.set(block.header.number)
    this.#meters.txsTotal.add(sentCount(block, this.genesis.chainId))
    this.#meters.gasTotal.add(Number(block.header.gasUsed))
    for (const listener of this.#listeners.head) listener({ block, receipts, txs })
  }
}

const invalid = (height: number, reason: string) => new NodeError(BlockErrors.INVALID, { height, reason })

/** Blocks of a run in one batch: a quarter of the largest run, so that little is left to wait for at its end. */
const BATCH_BLOCKS = 16
