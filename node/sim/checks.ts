// What must hold in every simulated network after every event. Knows everything that honest validators signed, also before their crashes.
import { bytesToHex, equalBytes, type Hash } from '../../chain/base/bytes.ts'
import { BOUNDS } from '../../chain/consensus/bounds.ts'
import type { Evidence } from '../../chain/consensus/io.ts'
import type { Message, Signed } from '../../chain/types/message.ts'
import { checkQc, type Qc } from '../../chain/types/vote.ts'
import type { SimNode } from './node.ts'
import { type Body, DOMAIN } from './parcel.ts'
import { Signatures } from './signatures.ts'
import type { World } from './world.ts'

export class Violation extends Error {}

export class Checks {
  readonly #world: World
  readonly decided = new Map<number, { readonly body: Body; readonly qc: Qc }>()
  readonly #prepared = new Map<string, Hash>()
  readonly #signatures = new Signatures()
  /** By height: the round above which the calm is measured. */
  readonly roughRounds = new Map<number, number>()
  /** The last height that somebody had decided by then. */
  #roughHeight = 0
  /** Heights of which a body was lost by all who held it: they go on only when a liar shows it again. */
  readonly #lostAt = new Set<number>()
  /** Honest-led rounds that a decision took after the calm, by how many. */
  readonly honestRounds = new Map<number, number>()

  constructor(world: World) {
    this.#world = world
  }

  fail(what: string): never {
    throw new Violation(`at ${this.#world.nowMs} ms: ${what}`)
  }

  onSign(node: number, message: Signed): void {
    const fault = this.#world.isHonest(node) ? this.#signatures.add(node, message) : null
    if (fault !== null) this.fail(`node ${fault}`)
  }

  onDecide(node: SimNode, body: Body, qc: Qc): void {
    const world = this.#world
    if (!world.isHonest(node.id)) return
    const { height } = body
    const parent = node.store.at(-1)?.body
    if (parent === undefined || height !== parent.height + 1 || !world.isValid(body, parent))
      this.fail(`node ${node.id} decided an invalid block at height ${height}`)
    if (!equalBytes(qc.blockHash, body.hash) || qc.height !== height || qc.type !== 'commit')
      this.fail(`node ${node.id} decided without its certificate at height ${height}`)
    checkQc(qc, world.setOf(height), DOMAIN)
    const before = this.decided.get(height)
    if (before === undefined) this.decided.set(height, { body, qc })
    else if (!equalBytes(before.body.hash, body.hash))
      this.fail(
        `disagreement at height ${height}: ${bytesToHex(before.body.hash)} and ${bytesToHex(body.hash)} of node ${node.id}`,
      )
    if (world.isCalm && height > this.#roughHeight && !this.#lostAt.has(height)) this.#checkRound(node, height, parent)
  }

  /** After the calm: decided in the first honest-led round above the highest honest one, or in the one after it. */
  #checkRound(node: SimNode, height: number, parent: Body): void {
    const world = this.#world
    const cur = node.state?.height?.cur ?? 0
    const members = world.idsOf(height).filter((id) => world.isHonest(id))
    if (members.some((id) => (world.nodes[id]?.height ?? 0) < height)) return // one is still catching up, and may be its leader
    const from = (this.roughRounds.get(height) ?? -1) + 1
    let led = 0
    for (let round = from; round < cur; round++)
      if (world.isHonest(world.nodeOf(height, world.proposerOf(height, round, parent.hash)))) led++
    this.honestRounds.set(led, (this.honestRounds.get(led) ?? 0) + 1)
    if (led > 1)
      this.fail(
        `node ${node.id} decided height ${height} in round ${cur}, after ${led} honest leaders from round ${from}`,
      )
  }

  onCalm(): void {
    this.#roughHeight = Math.max(0, ...this.decided.keys())
    for (const node of this.#world.nodes) this.onEnter(node)
  }

  /** In the calm rounds are measured from the highest one that an honest node was in when the last honest member came to the height. */
  onEnter(node: SimNode): void {
    if (!this.#world.isCalm || !this.#world.isHonest(node.id) || !this.#world.idsOf(node.height).includes(node.id))
      return
    const { height } = node
    const present = this.#world.nodes.filter((other) => this.#world.isHonest(other.id) && other.height === height)
    const rounds = present.map((other) =>
      Math.max(other.state?.height?.cur ?? 0, other.record?.height === height ? other.record.round : 0),
    )
    if (
      rounds.some((round) => round > 0) ||
      this.roughRounds.has(height) ||
      this.#world.nowMs === this.#world.scenario.calmMs
    )
      this.roughRounds.set(height, Math.max(...rounds))
  }

  onBodyLost(height: number): void {
    this.#world.count('body lost by all')
    this.#lostAt.add(height)
  }

  onReport({ offence, validator }: Evidence, height: number): void {
    const node = this.#world.nodeOf(height, validator)
    if (this.#world.isHonest(node)) this.fail(`honest node ${node} is accused of ${offence} at height ${height}`)
  }

  onAlarm(node: SimNode, hash: Hash): void {
    if (this.#world.isHonest(node.id))
      this.fail(`a quorum stands behind ${bytesToHex(hash)}, invalid to node ${node.id}`)
  }

  onFault(from: number, message: Message, fault: string): void {
    this.#world.count('faulty message dropped')
    if (this.#world.isHonest(from)) this.fail(`honest node ${from} sent a faulty ${message.kind}: ${fault}`)
  }

  afterInput(node: SimNode): void {
    const h = node.state?.height
    if (h === undefined || h === null || !this.#world.isHonest(node.id)) return
    const qc = h.highQc
    if (qc !== null) {
      if (qc.round > h.cur) this.fail(`node ${node.id} holds PrepareQC(${qc.round}) in round ${h.cur}`)
      const key = `${qc.height}:${qc.round}`
      const before = this.#prepared.get(key)
      if (before === undefined) this.#prepared.set(key, qc.blockHash)
      else if (!equalBytes(before, qc.blockHash)) this.fail(`two blocks prepared at height and round ${key}`)
    }
    if (this.#world.events % 64 === 0) this.#checkBounds(node)
  }

  #checkBounds(node: SimNode): void {
    const state = node.state
    const h = state?.height
    if (!state || !h) return
    const members = h.start.set.members.length
    const rounds = 2 * BOUNDS.rounds + 1
    const sizes: readonly (readonly [string, number, number])[] = [
      ['rounds', h.book.rounds.size, rounds],
      ['proposals', h.proposals.size, rounds],
      ['highest', h.book.highest.size, members],
      ['wanted', h.wanted.size, rounds],
      ['verdicts', h.verdicts.size, rounds],
      ['late', h.late.size, this.#world.nodes.length],
      ['future heights', state.future.checked.size, BOUNDS.futureHeights],
      ['unchecked', state.future.unchecked.size, BOUNDS.uncheckedPeers],
      ['answered', state.answered.size, BOUNDS.answered],
      ['effects', state.effects.length, 0],
    ]
    for (const [what, size, max] of sizes)
      if (size > max) this.fail(`node ${node.id} keeps ${size} ${what}, bound ${max}`)
  }
}
