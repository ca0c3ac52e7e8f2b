// Makes final blocks again from what a settlement layer keeps of them: runs outlines on the head, so that headers and sections come out, and
// believes them where a quorum signed the hash that the last one gets. Owns the order of that, and what is written: a node's own store, or
// of attested blocks, whose transactions lack their signatures, state and headers. Whatever is wrong with a run, nothing of it stays.
import { type Address, asHash, bytesToHex, equalBytes, type Hash } from './base/bytes.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Kv, KvWrite, Pause } from './base/ports.ts'
import { createExecutor, type Executor, earlierHashes } from './exec/block.ts'
import type { Engine } from './exec/engine.ts'
import { nextBaseFee } from './exec/fees.ts'
import { genesisBlock, genesisChanges } from './exec/genesis.ts'
import { createState } from './exec/state.ts'
import { epochSetOf, nativesAt } from './native/index.ts'
import { Sets } from './sets.ts'
import { inTurn } from './store/batch.ts'
import { openBlockStore } from './store/blocks.ts'
import { orderedRoot } from './store/ordered.ts'
import { openOutlineStore } from './store/outlines.ts'
import { createStagedKv, type StagedKv } from './store/staged.ts'
import { createStateStore, type StateOptions, type StateStore } from './store/state.ts'
import {
  type Block,
  encodeExtra,
  type Header,
  headerHash,
  nextRandao,
  SECTION_VERSION,
  type Section,
  sectionHash,
} from './types/block.ts'
import { SendersAhead } from './types/block-txs.ts'
import type { Genesis } from './types/genesis.ts'
import type { Outline, OutlineCommit, OutlineRun } from './types/outline.ts'
import type { StoredReceipt } from './types/query.ts'
import { encodeReceipt } from './types/receipt.ts'
import { systemTx } from './types/system-tx.ts'
import { decodeTx, type IdentifyTxs, type Tx } from './types/tx.ts'
import { type EpochSetOf, epochOf, isEpochEnd, type ValidatorSet, validatorsHash } from './types/validators.ts'
import { bitmapMembers, checkQc, type Domain, type Qc } from './types/vote.ts'

export const DeriveErrors = defineErrors('DERIVE', {
  FALSE: {
    text: (d: { height: number; reason: string }) => `no block ${d.height} of this chain comes out of it: ${d.reason}`,
  },
  ATTESTED: {
    text: (d: { height: number }) =>
      `block ${d.height} is attested: its transactions are there without their signatures, so no node's database can be made of it`,
  },
})

export interface DeriveDeps {
  readonly kv: Kv
  readonly engine: Engine
  readonly pause: Pause
  /** Senders and hashes, off the thread; where it is not given they are found on the spot. */
  readonly identify?: IdentifyTxs
  readonly onBlock?: (height: number, txs: number) => void
  /** Where tests change sets without a vote. */
  readonly epochSetOf?: EpochSetOf
}

export interface DeriveOptions extends StateOptions {
  /** `node`: all that a node keeps, of full blocks alone. `state`: state and headers, of full and attested ones. */
  readonly keep: 'node' | 'state'
  readonly genesisHash: Hash
}

/** The last block of a run as the settlement layer has it. */
export interface Settled {
  readonly height: number
  readonly hash: Hash
  /** Where it is the last of its epoch and is given: it names the next validators. */
  readonly section: Section | null
}

export interface Deriver {
  /** The last block that is on disk. */
  head(): Made
  /** null above the head. */
  hashAt(height: number): Hash | null
  /** It will be derived once those before it are: who sent its transactions is found out meanwhile. */
  expect(run: OutlineRun): void
  /**
   * Runs what of it lies above the head, and writes all of it in one durable batch. Throws DERIVE_FALSE where it does not end in this block, or
   * no quorum of the epoch's set signed that; DERIVE_ATTESTED.
   */
  derive(run: OutlineRun, settled: Settled): Promise<void>
  close(): Promise<void>
}

interface Made {
  readonly header: Header
  readonly hash: Hash
}
/** A block that was run and is to be kept. */
interface Run extends Made {
  /** null where it is attested. */
  readonly block: Block | null
  readonly txs: readonly Tx[]
  readonly receipts: readonly StoredReceipt[]
}

/** What is kept of blocks beside the state. */
interface Keeper {
  head(): Made | null
  at(height: number): Made | null
  writes(run: Run, certificate: Qc | null): Promise<Iterable<KvWrite>>
}

/** Makes the genesis block in an empty store; refuses another network's. */
export async function openDeriver(deps: DeriveDeps, genesis: Genesis, options: DeriveOptions): Promise<Deriver> {
  const machine = new Machine(deps, genesis, options)
  await machine.begin()
  return machine
}

const NO_SIGNATURE = new Uint8Array(96)
const NO_HASH = asHash(new Uint8Array(32))

class Machine implements Deriver {
  readonly #deps: DeriveDeps
  readonly #genesis: Genesis
  readonly #options: DeriveOptions
  readonly #domain: Domain
  readonly #executor: Executor
  #kv: StagedKv
  #states: StateStore
  #sets: Sets
  #keeper: Keeper
  #expected: { readonly run: OutlineRun; readonly senders: SendersAhead } | null = null

  constructor(deps: DeriveDeps, genesis: Genesis, options: DeriveOptions) {
    this.#deps = deps
    this.#genesis = genesis
    this.#options = options
    this.#domain = { chainId: genesis.chainId, genesisHash: options.genesisHash }
    this.#executor = createExecutor({ engine: deps.engine, pause: deps.pause, natives: nativesAt }, genesis)
    const opened = this.#opened()
    this.#kv = opened.kv
    this.#states = opened.states
    this.#sets = opened.sets
    this.#keeper = opened.keeper
  }

  /** On what is on disk; what an earlier view held is forgotten with it. */
  #opened() {
    const { kv: base, pause } = this.#deps
    const { genesisHash } = this.#options
    const kv = createStagedKv(base)
    const states = createStateStore({ kv, pause }, this.#options)
    const { epochBlocks } = this.#genesis
    const sets = new Sets({ states, epochSetOf: this.#deps.epochSetOf ?? epochSetOf, epochBlocks })
    const keeper =
      this.#options.keep === 'node' ? nodeKeeper(kv, genesisHash, pause) : openOutlineStore(kv, genesisHash)
    return { kv, states, sets, keeper }
  }

  async begin(): Promise<void> {
    if (this.#keeper.head() === null) {
      const prepared = await this.#states.prepare(0, genesisChanges(this.#genesis))
      const block = genesisBlock(this.#genesis, prepared.root)
      const run = { header: block.header, hash: block.hash, block, txs: [], receipts: [] }
      await this.#kv.write(inTurn(prepared.writes, await this.#keeper.writes(run, null)))
      await this.#states.applied(prepared)
    }
    const { header } = this.head()
    assert(
      this.#states.height === header.number && equalBytes(this.#states.root, header.stateRoot),
      `state of height ${this.#states.height} does not belong to block ${header.number}; run novachain db check`,
    )
  }

  head(): Made {
    const head = this.#keeper.head()
    assert(head !== null, 'an opened store has a head')
    return head
  }
  hashAt(height: number): Hash | null {
    return height > this.head().header.number ? null : (this.#keeper.at(height)?.hash ?? null)
  }
  close(): Promise<void> {
    return this.#deps.kv.close()
  }

  expect(run: OutlineRun): void {
    this.#expected = { run, senders: this.#sendersOf(run) }
  }
  #sendersOf({ outlines }: OutlineRun): SendersAhead {
    const { identify, pause } = this.#deps
    const { chainId } = this.#genesis
    const head = this.head().header.number
    const full = outlines.filter(({ height, senders }) => height > head && senders === null)
    const blocks = full.map(({ height, txs, hasSystemTx }) => ({
      header: { number: height },
      txs: hasSystemTx ? [...txs, systemTx(chainId, height).raw] : txs,
    }))
    return new SendersAhead(blocks, { chainId, known: () => null, identify, pause })
  }

  async derive(run: OutlineRun, settled: Settled): Promise<void> {
    const head = this.head()
    const set = this.#checkFrame(run, head, settled)
    const wanted = run.outlines.filter(({ height }) => height > head.header.number)
    const senders = this.#expected?.run === run ? this.#expected.senders : this.#sendersOf(run)
    this.#expected = null // the next one is expected while this one runs
    this.#kv.hold()
    try {
      const last = await this.#runAll(wanted, head, { commit: run.commit, senders })
      this.#checkLast(last, run.commit, { set, settled })
      await this.#kv.flush()
      this.#kv.release()
    } catch (cause) {
      const { kv, states, sets, keeper } = this.#opened()
      this.#kv = kv
      this.#states = states
      this.#sets = sets
      this.#keeper = keeper
      throw asFalse(cause, settled.height)
    }
  }

  /**
   * Within one epoch: its set stands in the state of blocks that are believed already, whereas the next one's would be elected by the very
   * blocks that are on trial.
   */
  #checkFrame({ outlines }: OutlineRun, { header: { number: head } }: Made, { height }: Settled): ValidatorSet {
    const [first, last] = [outlines[0]?.height ?? 0, outlines.at(-1)?.height ?? 0]
    const refuse = (reason: string) => new NodeError(DeriveErrors.FALSE, { height, reason })
    if (last !== height) throw refuse(`it ends with block ${last}`)
    if (first > head + 1) throw refuse(`it begins with block ${first}, and the head is ${head}`)
    if (last <= head) throw refuse(`the head is ${head} already`)
    const { epochBlocks } = this.#genesis
    if (epochOf(head + 1, epochBlocks) !== epochOf(last, epochBlocks))
      throw refuse('it goes beyond the end of an epoch')
    const attested = outlines.find(({ proof }) => proof.kind === 'attested')
    if (attested !== undefined && this.#options.keep === 'node')
      throw new NodeError(DeriveErrors.ATTESTED, { height: attested.height })
    return this.#sets.of(head + 1)
  }

  async #runAll(
    outlines: readonly Outline[],
    head: Made,
    { commit, senders }: { readonly commit: OutlineCommit; readonly senders: SendersAhead },
  ): Promise<Made> {
    let parent = head
    for (const [i, outline] of outlines.entries()) {
      const run = await this.#run(outline, parent, senders)
      const certificate = qcOf(outlines[i + 1]?.lastCommit ?? commit, run)
      await this.#kv.write(await this.#keeper.writes(run, certificate))
      this.#deps.onBlock?.(outline.height, outline.txs.length)
      parent = run
      await this.#deps.pause()
    }
    return parent
  }

  #checkLast(
    last: Made,
    commit: OutlineCommit,
    { set, settled }: { readonly set: ValidatorSet; readonly settled: Settled },
  ): void {
    const { height } = settled
    const refuse = (reason: string) => new NodeError(DeriveErrors.FALSE, { height, reason })
    if (!equalBytes(last.hash, settled.hash))
      throw refuse(`its hash is ${bytesToHex(last.hash)}, and ${bytesToHex(settled.hash)} is settled`)
    checkQc(qcOf(commit, last), set, this.#domain)
    const { section } = settled
    if (section === null) return
    if (!equalBytes(sectionHash(section), last.header.parentBeaconBlockRoot)) throw refuse('its section is another')
    const { nextValidatorsHash } = section
    const isLast = isEpochEnd(height, this.#genesis.epochBlocks)
    const elected = isLast ? validatorsHash(this.#sets.of(height + 1)) : null
    const isSame =
      elected === null || nextValidatorsHash === null
        ? elected === nextValidatorsHash
        : equalBytes(elected, nextValidatorsHash)
    if (!isSame) throw refuse('it hands over to other validators than its state elected')
  }

  /** The block that the outline is of, with its state prepared and applied over what is held. */
  async #run(outline: Outline, parent: Made, senders: SendersAhead): Promise<Run> {
    const { height, coinbase, timeMs, round } = outline
    if (timeMs < 1_000 * (parent.header.time + 1))
      // modules count on it
      throw new NodeError(DeriveErrors.FALSE, {
        height,
        reason: `its time does not rise above ${parent.header.time} s`,
      })
    const known = this.#known(outline, parent)
    const draft = {
      ...{ parentHash: parent.hash, coinbase, number: height, gasLimit: this.#genesis.gasLimit },
      ...{ time: Math.floor(timeMs / 1_000), extraData: encodeExtra({ originRound: round, ms: timeMs % 1_000 }) },
      ...{ prevRandao: known.prevRandao, parentBeaconBlockRoot: known.parentBeaconBlockRoot },
      baseFeeWei: nextBaseFee(parent.header, this.#genesis.fees),
    }
    const context = {
      ...{ ...draft, chainId: this.#genesis.chainId, domain: this.#domain, lastCommit: known.lastCommit },
      blockHash: earlierHashes(height, (number) => this.#keeper.at(number)?.hash),
    }
    const txs = await (outline.senders === null ? senders.txs(height) : this.#attestedTxs(outline, outline.senders))
    const state = createState(this.#states.at(height - 1))
    const result = await this.#executor.run(state, context, parent.hash, { mode: 'verify', txs })
    const prepared = await this.#states.prepare(height, result.changes)
    const { receipts, bloom, gasUsed } = result
    const raws = txs.map(({ raw }) => raw)
    const header: Header = {
      ...{ ...draft, bloom, gasUsed, stateRoot: prepared.root },
      transactionsRoot: known.transactionsRoot ?? (await this.#rootOf(raws.length, (i) => raws[i] as Uint8Array)),
      receiptsRoot: await this.#rootOf(receipts.length, (i) => encodeReceipt(receipts[i] as StoredReceipt)),
    }
    const hash = headerHash(header)
    await this.#kv.write(prepared.writes)
    await this.#states.applied(prepared)
    const block = known.section === null ? null : { header, hash, txs: raws, section: known.section }
    return { header, hash, block, txs, receipts }
  }

  /** What a header and its hooks need of the section, and the section where all of it is there. */
  #known(outline: Outline, parent: Made) {
    const { height, round, proof } = outline
    const lastCommit = outline.lastCommit === null ? null : qcOf(outline.lastCommit, parent)
    const signers = height === 1 ? null : this.#sets.at(height - 1)?.set.members.length
    if (lastCommit !== null && (signers == null || bitmapMembers(lastCommit.bitmap, signers) === null))
      throw new NodeError(DeriveErrors.FALSE, { height, reason: 'a bitmap does not fit its set' })
    if (proof.kind === 'attested') return { ...proof, lastCommit, section: null }
    const section: Section = {
      ...{ version: SECTION_VERSION, epoch: epochOf(height, this.#genesis.epochBlocks) },
      proposerIndex: this.#sets.leader(height, round, parent.header.prevRandao),
      ...this.#sets.hashes(height),
      ...{ reveal: proof.reveal, lastCommit },
    }
    return {
      ...{ lastCommit, section, transactionsRoot: null, parentBeaconBlockRoot: sectionHash(section) },
      prevRandao: nextRandao(parent.header, proof.reveal),
    }
  }

  #attestedTxs({ height, txs, hasSystemTx }: Outline, senders: readonly Address[]): readonly Tx[] {
    const { chainId } = this.#genesis
    const sent = txs.map((raw, i) => decodeTx(raw, chainId, () => senders[i] as Address, NO_HASH))
    return hasSystemTx ? [...sent, systemTx(chainId, height)] : sent
  }

  async #rootOf(count: number, item: (index: number) => Uint8Array): Promise<Hash> {
    const steps = orderedRoot(count, item)
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      await this.#deps.pause()
    }
  }
}

const qcOf = ({ round, bitmap, signature }: OutlineCommit, { header, hash }: Made): Qc => ({
  ...{ type: 'commit', height: header.number, round, blockHash: hash, bitmap },
  signature: signature ?? NO_SIGNATURE,
})

/** What a hostile run can bring about; a store that fails and a broken invariant are something else. */
const FAULTS = ['BLOCK_', 'TX_', 'VOTE_', 'RLP_', 'BYTES_', 'EXEC_']
const asFalse = (cause: unknown, height: number): unknown =>
  cause instanceof NodeError && FAULTS.some((area) => cause.code.startsWith(area))
    ? new NodeError(DeriveErrors.FALSE, { height, reason: cause.message }, { cause })
    : cause

/** As a node keeps its blocks. */
const nodeKeeper = (kv: StagedKv, genesisHash: Hash, pause: Pause): Keeper => {
  const blocks = openBlockStore(kv, genesisHash, { pause })
  return {
    head() {
      const height = blocks.headHeight()
      return height === null ? null : blocks.record(height)
    },
    at: (height) => blocks.record(height),
    writes({ block, txs, receipts }, certificate) {
      assert(block !== null, 'an attested block is refused before it is run')
      return blocks.blockWrites({ block, txs, receipts, certificate })
    },
  }
}
