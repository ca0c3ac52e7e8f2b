// Everything that validators with less than a third of the power may try, with every honest signature that was ever sent at hand: it
// forges each certificate that these permit, and shows it to whom it likes. It holds the Byzantine keys and no others.
import { bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { heightOf, type Message, type Unsigned } from '../../chain/types/message.ts'
import { isQuorum } from '../../chain/types/validators.ts'
import {
  formQc,
  formTc,
  type Proposal,
  powerOf,
  type Qc,
  type Tc,
  type Timeout,
  tcMaxRound,
} from '../../chain/types/vote.ts'
import { garble } from './garbage.ts'
import { type Body, contentOf, signedBy } from './parcel.ts'
import { createRandom, type Random } from './random.ts'
import type { Trick } from './scenario.ts'
import type { World } from './world.ts'

/** What was said at one height. */
interface Heard {
  readonly bodies: Map<string, Body>
  /** Signatures by `type round block`. */
  readonly shares: Map<
    string,
    { readonly vote: Pick<Qc, 'type' | 'height' | 'round' | 'blockHash'>; readonly by: Map<number, Uint8Array> }
  >
  /** By round, then by validator. */
  readonly timeouts: Map<number, Map<number, Timeout>>
  /** PrepareQCs by round. */
  readonly prepared: Map<number, Qc>
  /** Certificates of the parent. */
  lastCommit: Qc | null
}

const HEARD_MAX = 300

export class Adversary {
  readonly #world: World
  readonly #random: Random
  readonly #heights = new Map<number, Heard>()
  readonly #seen = new WeakSet<object>()
  readonly #messages: { readonly message: Message; readonly body: Body | null }[] = []

  constructor(world: World) {
    this.#world = world
    this.#random = createRandom(world.scenario.seed, 'adversary')
  }

  start(): void {
    const { byzantine, tricks, adversaryMs } = this.#world.scenario
    if (byzantine.length === 0 || tricks.length === 0) return
    const act = (): void => {
      const trick = this.#random.pick(tricks)
      if (this.#play(trick)) this.#world.count(trick)
      this.#world.at(this.#world.nowMs + 1 + this.#random.below(2 * adversaryMs), act)
    }
    act()
  }

  overhear(message: Message, body: Body | null): void {
    if (this.#world.scenario.byzantine.length === 0) return
    const content = contentOf(message)
    if (this.#seen.has(content)) return
    this.#seen.add(content)
    if (this.#messages.push({ message, body }) > HEARD_MAX) this.#messages.shift()
    const heard = this.#heardAt(heightOf(message))
    switch (message.kind) {
      case 'proposal':
        if (body !== null) heard.bodies.set(bytesToHex(body.hash), body)
        if (message.proposal.justify !== null)
          heard.prepared.set(message.proposal.justify.round, message.proposal.justify)
        return
      case 'vote': {
        const { vote } = message
        const key = `${vote.type} ${vote.round} ${bytesToHex(vote.blockHash)}`
        const shares = heard.shares.get(key) ?? { vote, by: new Map<number, Uint8Array>() }
        heard.shares.set(key, shares)
        shares.by.set(vote.validator, vote.signature)
        return
      }
      case 'timeout': {
        const { timeout } = message
        const by = heard.timeouts.get(timeout.round) ?? new Map<number, Timeout>()
        heard.timeouts.set(timeout.round, by)
        if (this.#isHonestAt(timeout.height, timeout.validator)) by.set(timeout.validator, timeout)
        if (timeout.qc !== null) heard.prepared.set(timeout.qc.round, timeout.qc)
        return
      }
      case 'qc':
        if (message.qc.type === 'prepare') heard.prepared.set(message.qc.round, message.qc)
        return
      case 'tc':
      case 'status':
        return
    }
  }

  #heardAt(height: number): Heard {
    let heard = this.#heights.get(height)
    if (heard === undefined) {
      heard = { bodies: new Map(), shares: new Map(), timeouts: new Map(), prepared: new Map(), lastCommit: null }
      this.#heights.set(height, heard)
      for (const at of this.#heights.keys()) if (at < height - 4) this.#heights.delete(at)
    }
    return heard
  }
  #isHonestAt(height: number, validator: number): boolean {
    const id = this.#world.idsOf(height)[validator]
    return id !== undefined && this.#world.isHonest(id)
  }
  #liarsAt(height: number): number[] {
    return this.#world.idsOf(height).flatMap((id, index) => (this.#world.isHonest(id) ? [] : [index]))
  }

  /** One move. False where there is nothing to do it with. */
  #play(trick: Trick): boolean {
    const world = this.#world
    const random = this.#random
    const victim = random.pick(world.nodes.filter(({ id, isUp }) => world.isHonest(id) && isUp))
    const h = victim?.state?.height
    if (victim === undefined || h === null || h === undefined) return false
    const { height } = h.start
    const round = Math.max(0, h.cur + random.between(-1, 1))
    switch (trick) {
      case 'prepare both':
        return this.#voteBoth('prepare', height, round)
      case 'commit anything':
        return this.#voteBoth('commit', height, round)
      case 'timeout low':
        return this.#timeOut(height, round, null)
      case 'timeout high':
        return this.#timeOut(height, round, this.#preparedAt(height, round).at(-1) ?? null)
      case 'forge QC':
        return this.#showQc(height)
      case 'forge TC':
        return this.#show(this.#forgeTc(height, round), (tc) => ({ kind: 'tc', tc }))
      case 'propose twice':
      case 'propose stale':
      case 'propose bad':
      case 'withhold body':
      case 'censor':
        return this.#propose(trick, height, round)
      case 'split':
        return this.#split(height, round)
      case 'timeout odd':
        return this.#timeOutOddly(height, round)
      case 'forge overlap':
        return this.#show(this.#overlappingTc(height, round), (tc) => ({ kind: 'tc', tc }))
      case 'push bodies':
        return this.#pushBodies(height)
      case 'garbage':
        return this.#garbage()
      case 'replay': {
        if (this.#messages.length === 0) return false
        const { message, body } = random.pick(this.#messages)
        return this.#sendTo(this.#someHonest(), message, { body, isHollow: false })
      }
      case 'flood rounds':
        return this.#flood(height, h.cur)
      case 'lie about heights':
        return this.#sendTo(this.#someHonest(), {
          kind: 'status',
          height: random.pick([0, height - 1, height, height + 1, 1_000_000]),
        })
    }
  }

  #someHonest(): number[] {
    const honest = this.#world.nodes.map(({ id }) => id).filter((id) => this.#world.isHonest(id))
    return this.#random.chance(0.2)
      ? honest
      : this.#random.shuffle(honest).slice(0, 1 + this.#random.below(honest.length))
  }

  #sendTo(
    to: readonly number[],
    message: Message,
    carried: { body: Body | null; isHollow: boolean } = { body: null, isHollow: false },
  ): boolean {
    const from = this.#random.pick(this.#world.scenario.byzantine)
    for (const id of to) this.#world.sendTo(from, id, { kind: 'message', message, ...carried })
    return true
  }
  #show<T>(found: T | null, wrap: (found: T) => Message): boolean {
    return found !== null && this.#sendTo(this.#someHonest(), wrap(found))
  }
  #signed(height: number, validator: number, message: Unsigned): Message {
    return signedBy(message, this.#world.secretOf(this.#world.nodeOf(height, validator)))
  }

  #voteBoth(type: Qc['type'], height: number, round: number): boolean {
    const bodies = [...this.#heardAt(height).bodies.values()]
    if (bodies.length === 0) return false
    for (const validator of this.#liarsAt(height))
      for (let i = 0; i < 2; i++) {
        const blockHash = this.#random.pick(bodies).hash
        this.#sendTo(
          this.#someHonest(),
          this.#signed(height, validator, { kind: 'vote', vote: { type, height, round, blockHash, validator } }),
        )
      }
    return true
  }

  #timeOut(height: number, round: number, qc: Qc | null): boolean {
    for (const validator of this.#liarsAt(height))
      this.#sendTo(this.#someHonest(), this.#signed(height, validator, this.#timeoutOf(height, round, qc, validator)))
    return true
  }
  #timeoutOf(height: number, round: number, qc: Qc | null, validator: number): Extract<Unsigned, { kind: 'timeout' }> {
    return { kind: 'timeout', timeout: { height, round, hqcRound: qc === null ? null : qc.round, qc, validator } }
  }

  /** PrepareQCs of rounds up to this one, ascending: overheard, or made of overheard votes and the own. */
  #preparedAt(height: number, upTo: number): Qc[] {
    const heard = this.#heardAt(height)
    for (const { vote } of heard.shares.values()) {
      if (vote.type !== 'prepare' || heard.prepared.has(vote.round)) continue
      const qc = this.#forgeQc(vote)
      if (qc !== null) heard.prepared.set(vote.round, qc)
    }
    return [...heard.prepared.values()].filter(({ round }) => round <= upTo).sort((a, b) => a.round - b.round)
  }

  #forgeQc(vote: Pick<Qc, 'type' | 'height' | 'round' | 'blockHash'>): Qc | null {
    const { type, height, round, blockHash } = vote
    const set = this.#world.setOf(height)
    const key = `${type} ${round} ${bytesToHex(blockHash)}`
    const shares = new Map(this.#heardAt(height).shares.get(key)?.by)
    for (const validator of shares.keys()) if (set.members[validator] === undefined) shares.delete(validator)
    const liars = this.#liarsAt(height)
    if (!isQuorum(powerOf(new Set([...shares.keys(), ...liars]), set), set)) return null
    for (const validator of liars) {
      const own = this.#signed(height, validator, { kind: 'vote', vote: { type, height, round, blockHash, validator } })
      if (own.kind === 'vote') shares.set(validator, own.vote.signature)
    }
    return formQc(vote, shares, set)
  }

  #showQc(height: number): boolean {
    const all = [...this.#heardAt(height).shares.values()]
    if (all.length === 0) return false
    const qc = this.#forgeQc(this.#random.pick(all).vote)
    const isPadded = this.#random.chance(0.15)
    return this.#show(qc, (found) => ({
      kind: 'qc',
      qc: isPadded ? { ...found, bitmap: Uint8Array.of(...found.bitmap, 0) } : found,
    }))
  }

  /** Two blocks, two halves of the network, and to each half every vote for its own block. */
  #split(height: number, round: number): boolean {
    const world = this.#world
    const parent = height === 1 ? world.genesis : world.checks.decided.get(height - 1)?.body
    if (parent === undefined) return false
    const validator = world.proposerOf(height, round, parent.hash)
    if (!this.#liarsAt(height).includes(validator)) return false
    const tc = round === 0 ? null : this.#forgeTc(height, round - 1)
    if (round > 0 && tc === null) return false
    const honest = this.#random.shuffle(world.nodes.map(({ id }) => id).filter((id) => world.isHonest(id)))
    const lastCommit = world.checks.decided.get(height - 1)?.qc ?? null
    for (const to of [honest.slice(0, honest.length >> 1), honest.slice(honest.length >> 1)]) {
      const made = this.#madeFor('split', { height, round, tc, parent, lastCommit })
      const proposal = { height, round, tc, validator, ...made.what }
      this.#sendTo(to, this.#signed(height, validator, { kind: 'proposal', proposal }), {
        body: made.body,
        isHollow: false,
      })
      const { blockHash } = made.what
      for (const liar of this.#liarsAt(height))
        for (const type of ['prepare', 'commit'] as const) {
          const vote = { type, height, round, blockHash, validator: liar }
          this.#sendTo(to, this.#signed(height, liar, { kind: 'vote', vote }))
        }
    }
    return true
  }

  /** Properly signed, but the certificate that rides along is not of the round it names: a newer one, or none. */
  #timeOutOddly(height: number, round: number): boolean {
    const known = this.#preparedAt(height, round)
    const newest = known.at(-1)
    if (newest === undefined) return false
    for (const validator of this.#liarsAt(height)) {
      const isNone = this.#random.chance(0.5)
      const hqcRound = isNone ? newest.round : (known.at(-2)?.round ?? null)
      const timeout = { height, round, hqcRound, qc: isNone ? null : newest, validator }
      this.#sendTo(this.#someHonest(), this.#signed(height, validator, { kind: 'timeout', timeout }))
    }
    return true
  }

  /** Liars in two groups, so that they count twice where groups may overlap. */
  #overlappingTc(height: number, round: number): Tc | null {
    const set = this.#world.setOf(height)
    const honest = [...(this.#heardAt(height).timeouts.get(round)?.values() ?? [])]
    const highest = this.#preparedAt(height, round).at(-1) ?? null
    const own = (qc: Qc | null): Timeout[] =>
      this.#liarsAt(height).flatMap((validator) => {
        const signed = this.#signed(height, validator, this.#timeoutOf(height, round, qc, validator))
        return signed.kind === 'timeout' ? [signed.timeout] : []
      })
    const low = [...honest.filter(({ qc }) => qc === null), ...own(null)]
    const high = [...honest.filter(({ hqcRound }) => hqcRound === highest?.round), ...own(highest)]
    if (highest === null || own(null).length === 0) return null
    const [a, b] = [formTc(round, low, set), formTc(round, high, set)]
    return { ...b, groups: [...a.groups, ...b.groups] }
  }

  /** Blocks that nobody asked for, of heights about here. */
  #pushBodies(height: number): boolean {
    const known = [0, 1].flatMap((ahead) => [...this.#heardAt(height + ahead).bodies.values()])
    if (known.length === 0) return false
    const body = this.#random.pick(known)
    for (const id of this.#someHonest())
      this.#world.sendTo(this.#random.pick(this.#world.scenario.byzantine), id, { kind: 'body', body })
    return true
  }

  /** The parent's certificate without one of those in it, whom the proposer would rather not have paid. */
  #censored(lastCommit: Qc): Qc {
    const set = this.#world.setOf(lastCommit.height)
    const key = `commit ${lastCommit.round} ${bytesToHex(lastCommit.blockHash)}`
    const shares = new Map(this.#heardAt(lastCommit.height).shares.get(key)?.by)
    for (const validator of this.#random.shuffle([...shares.keys()])) {
      const rest = [...shares.keys()].filter((other) => other !== validator)
      if (isQuorum(powerOf(rest, set), set)) shares.delete(validator)
    }
    return isQuorum(powerOf(shares.keys(), set), set) ? formQc(lastCommit, shares, set) : lastCommit
  }

  /** The certificate with the lowest maximum, or any. */
  #forgeTc(height: number, round: number): Tc | null {
    const set = this.#world.setOf(height)
    const honest = [...(this.#heardAt(height).timeouts.get(round)?.values() ?? [])].filter(({ validator }) =>
      this.#isHonestAt(height, validator),
    )
    const own = this.#liarsAt(height).flatMap((validator) => {
      const qc = this.#random.chance(0.7) ? null : (this.#preparedAt(height, round).at(0) ?? null)
      const signed = this.#signed(height, validator, this.#timeoutOf(height, round, qc, validator))
      return signed.kind === 'timeout' ? [signed.timeout] : []
    })
    const ordered = this.#random.chance(0.8)
      ? honest.sort((a, b) => (a.hqcRound ?? -1) - (b.hqcRound ?? -1))
      : this.#random.shuffle(honest)
    const chosen = [...own]
    for (const timeout of ordered) {
      if (
        isQuorum(
          powerOf(
            chosen.map(({ validator }) => validator),
            set,
          ),
          set,
        )
      )
        break
      chosen.push(timeout)
    }
    const isEnough = isQuorum(
      powerOf(
        chosen.map(({ validator }) => validator),
        set,
      ),
      set,
    )
    return isEnough ? formTc(round, chosen, set) : null
  }

  /** Two proposals to two halves, out of whatever certificates can be had. */
  #propose(trick: Trick, height: number, near: number): boolean {
    const world = this.#world
    const parent = world.checks.decided.get(height - 1)
    const parentBody = height === 1 ? world.genesis : parent?.body
    if (parentBody === undefined) return false
    const liars = this.#liarsAt(height)
    const rounds = [near, near + 1, 0].filter((round) =>
      liars.includes(world.proposerOf(height, round, parentBody.hash)),
    )
    const isPresumptuous = trick === 'propose bad' && liars.length > 0 && this.#random.chance(0.2)
    if (rounds.length === 0 && !isPresumptuous) return false
    const round = rounds.length === 0 ? near : this.#random.pick(rounds)
    const leader = world.proposerOf(height, round, parentBody.hash)
    const validator = isPresumptuous ? this.#random.pick(liars) : leader
    const honest = this.#random.shuffle(world.nodes.map(({ id }) => id).filter((id) => world.isHonest(id)))
    const cut = this.#random.between(0, honest.length)
    for (const to of [honest.slice(0, cut), honest.slice(cut)]) {
      const tc = round === 0 ? null : this.#forgeTc(height, round - 1)
      if (round > 0 && tc === null) return false
      const made = this.#madeFor(trick, { height, round, tc, parent: parentBody, lastCommit: parent?.qc ?? null })
      const proposal: Omit<Proposal, 'signature'> = { height, round, tc, validator, ...made.what }
      const message = this.#signed(height, validator, { kind: 'proposal', proposal })
      this.#sendTo(to, message, { body: made.body, isHollow: trick === 'withhold body' && this.#random.chance(0.7) })
    }
    return true
  }

  #madeFor(
    trick: Trick,
    at: { height: number; round: number; tc: Tc | null; parent: Body; lastCommit: Qc | null },
  ): { what: { blockHash: Hash; justify: Qc | null }; body: Body | null } {
    const { height, round, tc, parent, lastCommit } = at
    const random = this.#random
    const max = tc === null ? null : tcMaxRound(tc)
    const known = this.#preparedAt(height, round - 1)
    const allowed = known.filter((qc) => max === null || qc.round >= max)
    // What the rule allows, with a choice of certificates; or, in spite of it, the lowest, or a fresh block.
    const list = trick === 'propose stale' ? known : allowed
    const justify = list.length === 0 || (max === null && random.chance(0.5)) ? null : random.pick(list)
    const body = justify === null ? null : this.#heardAt(height).bodies.get(bytesToHex(justify.blockHash))
    if (justify !== null && body !== undefined && !(trick === 'propose stale' && random.chance(0.3)))
      return { what: { blockHash: justify.blockHash, justify }, body }
    const isOdd = trick === 'propose bad'
    const now = this.#world.nowMs
    const fresh = this.#world.makeBody({
      parent,
      round: isOdd && random.chance(0.3) ? random.below(3) : round,
      lastCommit: trick === 'censor' && lastCommit !== null ? this.#censored(lastCommit) : lastCommit,
      timeMs: Math.max(parent.timeMs + 1_000, now + (isOdd ? random.pick([-10_000, -4_500, 500, 600, 60_000, 0]) : 0)),
      salt: random.next(),
      isBad: isOdd && random.chance(0.4),
    })
    const isCheating = trick === 'propose stale' && justify !== null
    return { what: { blockHash: fresh.hash, justify: isCheating ? justify : null }, body: fresh }
  }

  #garbage(): boolean {
    if (this.#messages.length === 0) return false
    const { message, body } = this.#random.pick(this.#messages)
    const odd = garble(message, this.#random)
    this.#seen.add(contentOf(odd)) // not worth remembering
    return this.#sendTo(this.#someHonest(), odd, { body, isHollow: false })
  }

  /** Rounds and heights far ahead, properly signed. */
  #flood(height: number, current: number): boolean {
    const random = this.#random
    for (let i = 0; i < 40; i++) {
      const at = height + (random.chance(0.5) ? 0 : random.below(4))
      const round = current + random.pick([1, 2, random.below(200), random.below(1_000_000)])
      for (const validator of this.#liarsAt(at)) {
        const blockHash = this.#world.genesis.hash
        const vote = { type: random.pick(['prepare', 'commit'] as const), height: at, round, blockHash, validator }
        const what: Unsigned = random.chance(0.5) ? { kind: 'vote', vote } : this.#timeoutOf(at, round, null, validator)
        this.#sendTo([random.pick(this.#someHonest())], this.#signed(at, validator, what))
      }
    }
    return true
  }
}
