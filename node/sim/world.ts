// A simulated network: virtual time, links that lose, delay, double and cut, validator sets by epoch, and the blocks nodes talk about.
// One thread, one queue ordered by (time, number), no clock and no chance but the seed's.
import { asAddress, bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import { assert } from '../../chain/base/errors.ts'
import type { Start } from '../../chain/consensus/io.ts'
import type { Rule } from '../../chain/consensus/rules.ts'
import {
  createRotation,
  createValidatorSet,
  type EpochSet,
  epochOf,
  proposerByLot,
  type ValidatorSet,
} from '../../chain/types/validators.ts'
import { checkQc, type Qc } from '../../chain/types/vote.ts'
import { Adversary } from './adversary.ts'
import { Checks } from './checks.ts'
import { fakeSecret } from './fake-bls.ts'
import { MESSAGE_DELAY_MS, PRECISION_MS, SimNode } from './node.ts'
import { type Body, DOMAIN, type Parcel } from './parcel.ts'
import { Queue } from './queue.ts'
import { createRandom, type Random } from './random.ts'
import type { Scenario } from './scenario.ts'

/** The validators of an epoch and which nodes they are. */
interface Row {
  readonly set: ValidatorSet
  readonly ids: readonly number[]
}

/** After the calm no message takes longer. */
const CALM_DELAY_MS = 200

export class World {
  readonly scenario: Scenario
  nowMs = 0
  readonly genesis: Body
  readonly nodes: SimNode[]
  readonly checks: Checks
  readonly adversary: Adversary
  readonly taken = new Map<Rule, number>()
  readonly counters = new Map<string, number>()
  events = 0
  trace = 0
  readonly #network: Random
  readonly #queue = new Queue()
  #order = 0
  readonly #sets: readonly Row[]
  readonly #electing = new Map<number, Body>()
  readonly #rotations = new Map<number, ReturnType<typeof createRotation>>()
  readonly #faults = new WeakMap<object, { readonly fault: string | null }>()
  /** Whose key each node signs with: twins share one. */
  readonly #keys: readonly number[]
  /** What happened, one line each, where somebody wants to read it. */
  readonly #story: string[] | null

  constructor(scenario: Scenario, story: string[] | null = null) {
    this.scenario = scenario
    this.#story = story
    this.#network = createRandom(scenario.seed, 'network')
    this.#sets = scenario.powers.map((row) => {
      const ids = row.flatMap((power, id) => (power > 0 ? [id] : []))
      const members = ids.map((id) => ({
        address: asAddress(Uint8Array.of(...new Uint8Array(18), id >> 8, id & 255)),
        blsKey: curves().blsPublicKey(fakeSecret(id)),
        power: BigInt(row[id] ?? 0),
      }))
      return { set: createValidatorSet(members), ids }
    })
    const hash = keccak(Uint8Array.of(7))
    this.genesis = {
      height: 0,
      hash,
      parentHash: hash,
      originRound: 0,
      timeMs: 0,
      madeMs: 0,
      lastCommit: null,
      isBad: false,
    }
    this.checks = new Checks(this)
    const clocks = createRandom(scenario.seed, 'clocks')
    const ids = (scenario.powers[0] ?? []).map((_, id) => id)
    this.#keys = [...ids, ...(scenario.twins && scenario.byzantineRun ? scenario.byzantine : [])]
    this.nodes = this.#keys.map((_, id) => {
      const skewMs = clocks.between(-scenario.skewMs, scenario.skewMs)
      return new SimNode(this, id, createRandom(scenario.seed, `node ${id}`), skewMs)
    })
    this.adversary = new Adversary(this)
  }

  at(atMs: number, run: () => void): void {
    this.#queue.push({ atMs, order: this.#order++, run })
  }

  /** Runs until `isDone`, or the queue is empty. */
  run(isDone: () => boolean): void {
    for (;;) {
      const event = this.#queue.pop()
      if (event === null) return
      this.nowMs = event.atMs
      this.events++
      event.run()
      if (isDone()) return
    }
  }

  count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1)
  }

  /** For the reader of a replay; costs nothing where there is none. */
  note(line: () => string): void {
    this.#story?.push(`${(this.nowMs / 1_000).toFixed(3).padStart(9)}  ${line()}`)
  }

  get isCalm(): boolean {
    return this.nowMs >= this.scenario.calmMs
  }
  isHonest(id: number): boolean {
    return !this.scenario.byzantine.includes(this.keyOf(id))
  }
  /** Honest, and sure of what it signed. */
  isSigning(id: number): boolean {
    return this.isHonest(id) && this.nodes[id]?.isMuted === false
  }
  keyOf(id: number): number {
    return this.#keys[id] as number
  }
  secretOf(id: number): Uint8Array {
    return fakeSecret(this.keyOf(id))
  }
  isFull(id: number): boolean {
    return this.#isOn(id, 'full')
  }
  #isOn(id: number, kind: 'full' | 'slow'): boolean {
    return this.scenario.faults.some(
      (f) => f.kind === kind && f.node === id && !this.isCalm && this.nowMs >= f.atMs && this.nowMs < f.atMs + f.forMs,
    )
  }
  execMs(id: number): number {
    const slow = this.#isOn(id, 'slow') ? this.scenario.faults.find((f) => f.kind === 'slow' && f.node === id) : null
    return slow?.kind === 'slow' ? slow.execMs : this.scenario.execMs
  }

  // Sets and proposers.

  #rowOf(height: number): Row {
    const epoch = epochOf(height, this.scenario.epochBlocks)
    return this.#sets[Math.min(epoch, this.#sets.length - 1)] as Row
  }
  setOf(height: number): ValidatorSet {
    return this.#rowOf(height).set
  }
  idsOf(height: number): readonly number[] {
    return this.#rowOf(height).ids
  }
  nodeOf(height: number, index: number): number {
    return this.idsOf(height)[index] as number
  }
  /** Index in the set of the height; null for who only follows. */
  indexOf(height: number, id: number): number | null {
    const index = this.idsOf(height).indexOf(this.keyOf(id))
    return index < 0 ? null : index
  }
  /** The next height's set is fixed by now; the one after it may be decided by the block in between. */
  knownSet(height: number, current: number): ValidatorSet | null {
    const { epochBlocks } = this.scenario
    const isKnown = height <= current + 1 || epochOf(height, epochBlocks) === epochOf(current + 1, epochBlocks)
    return isKnown ? this.setOf(height) : null
  }
  /** Drawn with the last block but one of the epoch before; null where nobody has decided that one. */
  epochAt(height: number): EpochSet | null {
    const electing = epochOf(height, this.scenario.epochBlocks) * this.scenario.epochBlocks - 1
    const by = electing < 1 ? this.genesis : this.#electing.get(electing)
    return by === undefined
      ? null
      : { set: this.setOf(height), seed: by.hash, startTime: Math.floor(by.timeMs / 1_000) }
  }
  /** Of a block that anybody decided, a liar too. On a fork the first one counts. */
  elect(body: Body): void {
    if (!this.#electing.has(body.height)) this.#electing.set(body.height, body)
  }
  /** Index in the set of the height. */
  proposerOf(height: number, round: number, parentHash: Hash): number {
    const found = this.epochAt(height)
    assert(found !== null, `the block that elects the leaders of height ${height} is decided`)
    const { set, seed } = found
    const epoch = epochOf(height, this.scenario.epochBlocks)
    const rotation = this.#rotations.get(epoch) ?? createRotation(set, seed)
    this.#rotations.set(epoch, rotation)
    const first = rotation.proposer((height - 1) % this.scenario.epochBlocks)
    return round === 0 ? first : proposerByLot(set, { parentRandao: parentHash, height, round, first })
  }
  startOf(height: number, id: number, store: readonly { readonly body: Body; readonly qc: Qc | null }[]): Start {
    const parent = store[height - 1]
    const self = this.nodes[id]?.isMuted ? null : this.indexOf(height, id)
    const next = this.nodeOf(height + 1, this.proposerOf(height + 1, 0, this.genesis.hash))
    const nextProposer = this.idsOf(height).indexOf(next)
    const parentHash = (parent as { readonly body: Body }).body.hash
    const qc = parent?.qc ?? null
    return {
      kind: 'start',
      height,
      set: this.setOf(height),
      self,
      proposer: this.proposerOf(height, 0, parentHash),
      parentRandao: parentHash, // any value that all agree on
      nextProposer: nextProposer < 0 ? null : nextProposer,
      parent: qc === null ? null : { qc, set: this.setOf(height - 1) },
    }
  }

  // Blocks.

  makeBody(from: {
    readonly parent: Body
    readonly round: number
    readonly lastCommit: Qc | null
    readonly timeMs: number
    readonly salt: number
    readonly isBad: boolean
  }): Body {
    const { parent, round, lastCommit, timeMs, salt, isBad } = from
    const height = parent.height + 1
    const commit = lastCommit === null ? '' : `${lastCommit.round} ${bytesToHex(lastCommit.bitmap)}`
    const text = [height, bytesToHex(parent.hash), round, timeMs, salt, isBad, commit].join('|')
    const hash = keccak(new TextEncoder().encode(text))
    return { height, hash, parentHash: parent.hash, originRound: round, timeMs, madeMs: this.nowMs, lastCommit, isBad }
  }

  isValid(body: Body, parent: Body): boolean {
    if (body.isBad || body.height !== parent.height + 1 || !equalBytes(body.parentHash, parent.hash)) return false
    if (body.timeMs < parent.timeMs + 1_000) return false
    if (body.height === 1) return body.lastCommit === null
    const { lastCommit } = body
    return (
      lastCommit !== null &&
      equalBytes(lastCommit.blockHash, parent.hash) &&
      this.faultOfQc(lastCommit, parent.height) === null
    )
  }

  /** A fresh block that an honest validator prepares cannot be older than the rule allows, nor younger than the fastest honest clock. */
  checkTimely(node: SimNode, hash: Hash, round: number): void {
    const body = node.bodyOf(hash)
    if (body === null || body.originRound !== round) return
    // Judged at first receipt, by a clock that may have jumped since.
    const { least, most } = node.skewsMs
    const lateMs = body.madeMs + least - body.timeMs
    if (lateMs > MESSAGE_DELAY_MS * 1.1 ** round + PRECISION_MS || this.nowMs + most - body.timeMs < -PRECISION_MS)
      this.checks.fail(`node ${node.id} prepares a block that is not timely: ${lateMs} ms late when it was made`)
  }
  /** Whether an honest node, up or down, has this body. */
  isHeld(hash: Hash): boolean {
    return this.nodes.some((node) => this.isHonest(node.id) && node.holds(hash))
  }
  /** A prepared block whose body no honest node has any more: nothing else may be decided, so the network must stand still. */
  isBodyLost(): boolean {
    return this.nodes.some((node) => {
      const qc = this.isHonest(node.id) ? node.state?.height?.highQc : null
      return qc !== null && qc !== undefined && !this.isHeld(qc.blockHash)
    })
  }

  faultOnce(about: object, find: () => string | null): string | null {
    let known = this.#faults.get(about)
    if (known === undefined) {
      known = { fault: find() }
      this.#faults.set(about, known)
    }
    return known.fault
  }
  faultOfQc(qc: Qc, height: number): string | null {
    if (qc.type !== 'commit' || qc.height !== height) return 'not the CommitQC of the parent'
    return this.faultOnce(qc, () => {
      try {
        checkQc(qc, this.setOf(height), DOMAIN)
        return null
      } catch (error) {
        return String(error)
      }
    })
  }

  /** A node holds a block final; for who measures. */
  onFinal(_body: Body, _qc: Qc, _parent: Body): void {}

  // Links.

  /** `to`: everybody, or indices in the set of a height. */
  send(from: number, height: number, to: 'all' | readonly number[], parcel: Parcel): void {
    const named = to === 'all' ? null : to.map((i) => this.nodeOf(height, i))
    const ids = this.#keys.flatMap((key, id) => (named === null || named.includes(key) ? [id] : []))
    for (const id of ids) if (id !== from) this.sendTo(from, id, parcel)
  }

  sendTo(from: number, to: number, parcel: Parcel): void {
    if (parcel.kind === 'message') this.adversary.overhear(parcel.message, parcel.body)
    const target = this.nodes[to]
    const { network } = this.scenario
    const random = this.#network
    if (target === undefined) return
    if (!this.isCalm) {
      const loss = Math.max(network.loss, network.lossOf[kindOf(parcel)] ?? 0)
      if (this.#isCut(from, to) || random.chance(loss)) return
    }
    const copies = !this.isCalm && random.chance(network.duplicates) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const drawnMs = Math.round(network.minMs - network.meanMs * Math.log(1 - random.next()))
      const delayMs = this.isCalm ? Math.min(drawnMs, CALM_DELAY_MS) : drawnMs
      this.at(this.nowMs + delayMs, () => {
        this.trace = (Math.imul(this.trace, 31) + this.nowMs * 64 + from * 8 + to) | 0
        target.receive(from, parcel)
      })
    }
  }

  #isCut(from: number, to: number): boolean {
    return this.scenario.faults.some((fault) => {
      if (fault.kind !== 'cut' || this.nowMs < fault.atMs || this.nowMs >= fault.atMs + fault.forMs) return false
      const [a, b] = [fault.group.includes(from), fault.group.includes(to)]
      return fault.isOneWay ? a && !b : a !== b
    })
  }
}

const kindOf = (parcel: Parcel): string => {
  if (parcel.kind !== 'message') return parcel.kind
  return parcel.message.kind === 'vote' ? parcel.message.vote.type : parcel.message.kind
}
