// Evidence in a node: what validators signed at the last heights, what in it excludes each other, and the proofs of it, kept on disk and
// passed on. Owns memory and traffic, which are bounded whatever peers send; what a proof is, `chain/types/evidence.ts` says.
import { type Address, bytesToHex, equalBytes, type Hash, type Hex } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Clock, Log, Meter, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Evidence as Report } from '../chain/consensus/io.ts'
import type { Block } from '../chain/types/block.ts'
import {
  accusationOf,
  checkEvidence,
  createLedger,
  decodeEvidence,
  type Evidence,
  EvidenceErrors,
  type EvidenceVerdict,
  encodeEvidence,
  evidenceFrom,
  evidenceId,
  evidenceOf,
  heightOfEvidence,
  isSigned,
  type Ledger,
  type OffenceKind,
  rollOf,
  type SignedAt,
  type Testimony,
  testimoniesOf,
} from '../chain/types/evidence.ts'
import { heightOf, isSignedMessage, type Message } from '../chain/types/message.ts'
import type { KeptEvidence } from '../chain/types/query.ts'
import { epochOf, type Validator, type ValidatorSet } from '../chain/types/validators.ts'
import type { Domain, Qc } from '../chain/types/vote.ts'
import type { Judgement, Network, PeerId } from '../p2p/network.ts'
import { decodeProof, encodeProof, PROOF_MAX_BYTES } from '../p2p/wire.ts'

export interface EvidenceDeps {
  readonly chain: Chain
  readonly network: () => Network | null
  /** The keys whose double life would be the operator's own trouble. */
  readonly signers: readonly { readonly publicKey: Uint8Array }[]
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

const BOUNDS = {
  /** Proofs of one validator and offence: one punishes him, and the others outlive it should it expire. */
  perOffender: 8,
  bytes: 16 * 1024 * 1024,
  /** Decided heights below the current one whose votes are looked at, one by one. */
  recentHeights: 2,
  /** Messages of older heights that are looked up in a second: nodes that catch up send some. */
  looksPerSecond: 32,
  /** Epochs before the last two whose messages are looked at: one in so many ms, for its set is read out of state. */
  oldEpochMs: 10_000,
  /** Late votes that are verified in a second for what they might prove later. Those that prove something now do not count. */
  newsPerSecond: 64,
  /** Proofs that no head here can judge yet, and refused ones remembered until the next head. */
  waiting: 64,
  refused: 1_024,
  /** Proofs said again at a time. */
  again: 16,
} as const
/** Peers that came later, and those whose mesh lost one, hear each again. */
const AGAIN_MS = 10_000
/** Peers that come together are told together. */
const WELCOME_MS = 1_000

const WORDS: Readonly<Record<OffenceKind, string>> = {
  E1: 'two PREPAREs of one round',
  E2: 'two COMMITs of one round',
  E3: 'two proposals of one round',
  E4: 'a COMMIT, and a TIMEOUT that forgot it',
  E5: 'two TIMEOUTs of one round',
  E6: 'a COMMIT of a block that nobody can have found valid',
}

const meters = (m: Meter) => ({
  evidence: m.counter('consensus_evidence_total', 'Offences proven, one for each validator', ['offence']),
  byzantine: m.gauge('consensus_byzantine_validators', 'Validators of the set that evidence of the window names'),
  power: m.gauge('consensus_byzantine_validators_power', 'Their voting power'),
})

interface At {
  readonly set: ValidatorSet
  readonly heard: Ledger
  /** Those that moved the machine: the archive of the height. */
  readonly certificates: Ledger
}
type Proven = Extract<EvidenceVerdict, { readonly kind: 'proven' }>
type Refusal = Exclude<EvidenceVerdict, Proven>

/** With the evidence of the store, checked again. */
export async function openEvidence(deps: EvidenceDeps): Promise<EvidencePool> {
  const { evidence } = deps.chain
  const context = deps.chain.evidenceContext()
  await evidence.prune({ head: context.head, from: evidenceFrom(context) })
  return new EvidencePool(deps, await evidence.evidence())
}

export class EvidencePool {
  readonly #deps: EvidenceDeps
  readonly #meters: ReturnType<typeof meters>
  readonly #domain: Domain
  readonly #kept = new Map<Hex, KeptEvidence>()
  /** (validator, height, offence), each proven once; and how often (validator, offence). */
  readonly #proven = new Set<string>()
  readonly #counts = new Map<string, number>()
  #sizeBytes = 0
  /** The lowest height whose offences are punished, and the epoch of the head that it was asked for. */
  #window: { readonly from: number; readonly epoch: number }
  readonly #at = new Map<number, At>()
  #waiting: Evidence[] = []
  readonly #refused = new Set<Hex>()
  #spent = { second: 0, looks: 0, news: 0 }
  #old = { epoch: -1, sinceMs: Number.NEGATIVE_INFINITY }
  #writing: Promise<void> = Promise.resolve()
  #said = 0
  #isWelcoming = false
  readonly #closers: (() => void)[] = []

  constructor(deps: EvidenceDeps, stored: readonly Evidence[]) {
    this.#deps = deps
    this.#meters = meters(deps.meter)
    const context = deps.chain.evidenceContext()
    this.#domain = context.domain
    this.#window = { from: evidenceFrom(context), epoch: epochOf(context.head, context.epochBlocks) }
    const lost: Evidence[] = []
    for (const evidence of stored) {
      const verdict = checkEvidence(evidence, context)
      if (verdict.kind === 'proven') this.#admit(evidence, verdict)
      else lost.push(evidence)
    }
    this.#change([], lost)
    this.#measure()
    this.#closers.push(deps.chain.watch('head', ({ block }) => this.#onHead(block.header.number)))
    this.#sayAgain()
  }

  /** A message whose signatures hold, of the heights that the machine looks at; the own ones too. */
  onChecked(message: Message): void {
    const at = this.#open(heightOf(message))
    if (at === null) return
    for (const testimony of testimoniesOf(message, at.set.members.length)) this.#hear(at, testimony)
  }

  /** A message that moved the machine: its certificates are archived with the height. */
  onLogged(message: Message): void {
    const at = this.#open(heightOf(message))
    if (at === null) return
    const [first, ...rest] = testimoniesOf(message, at.set.members.length)
    for (const testimony of isSignedMessage(message) || first === undefined ? rest : [first, ...rest]) {
      this.#hear(at, testimony)
      at.certificates.add(testimony)
    }
  }

  /**
   * A message that the machine has no use for, unchecked: a late vote, a certificate of a decided height. It is checked where it adds to
   * what is known of the last heights, and further back where it would prove an offence.
   */
  onDropped(message: Message): Judgement {
    const { chain } = this.#deps
    const height = heightOf(message)
    const head = chain.head().header.number
    if (message.kind === 'status' || height < this.#window.from || height > head + 1) return 'ignore'
    const isRecent = height > head - BOUNDS.recentHeights
    if (!isRecent && !(this.#isAtHand(height) && this.#may('looks', BOUNDS.looksPerSecond))) return 'ignore'
    const at = isRecent ? this.#open(height) : this.#load(height)
    if (at === null) return 'ignore'
    for (const testimony of testimoniesOf(message, at.set.members.length)) {
      const isNews = isRecent && !at.heard.covers(testimony) && this.#may('news', BOUNDS.newsPerSecond)
      if (!isNews && !at.heard.isSuspect(testimony)) continue
      if (!isSigned(testimony, rollOf(at.set), this.#domain)) return 'forged'
      this.#hear(at, testimony)
    }
    return 'ignore'
  }

  /** An offence that the machine itself saw. */
  onReport({ first, second }: Report): void {
    const length = this.#deps.chain.setOf(heightOf(first))?.members.length ?? 0
    const [a] = testimoniesOf(first, length)
    const [b] = testimoniesOf(second, length)
    if (a !== undefined && b !== undefined) this.#find(evidenceOf(a, b))
  }

  /** A quorum committed a block that is invalid here. */
  onAlarm({ header, section }: Block, qc: Qc): void {
    if (section !== null) this.#find(this.#withParent({ kind: 'header', header, section, qc, parent: null }))
  }

  /** For the batch that commits this height: what was signed at it and the one before. */
  signedUpTo(height: number, qc: Qc | null): readonly SignedAt[] {
    return [height - 1, height].flatMap((each) => {
      const at = this.#at.get(each)
      const decided = each === height ? qc : this.#deps.chain.commitOf(each)
      if (at === undefined) return []
      // The block store has the CommitQC, and the next block's section a wider one.
      const isElsewhere = ({ statement }: Testimony): boolean =>
        statement.kind === 'commit' && decided !== null && equalBytes(statement.blockHash, decided.blockHash)
      const certificates = at.certificates.all().filter((testimony) => !isElsewhere(testimony))
      return [{ height: each, certificates, votes: at.heard.all().filter((said) => !at.certificates.covers(said)) }]
    })
  }

  /** Before blocks come that others decided: the batch that commits them knows nothing of what was signed here. */
  async archive(): Promise<void> {
    const { chain } = this.#deps
    await chain.evidence.keep(this.signedUpTo(chain.head().header.number + 1, null))
  }

  /** Newest first. */
  list(): readonly KeptEvidence[] {
    return [...this.#kept.values()].sort((a, b) => b.height - a.height || b.round - a.round)
  }

  onPublished(bytes: Uint8Array, from: PeerId): Judgement {
    if (bytes.length > PROOF_MAX_BYTES) return this.#refuse(from, 'it is too large')
    const evidence = readProof(bytes)
    if (typeof evidence === 'string') return this.#refuse(from, evidence)
    const found = this.#consider(evidence)
    if (found === 'new') return 'accept'
    if (found === 'known') return 'ignore'
    if (found.kind === 'malformed') return this.#refuse(from, found.fault)
    return found.kind === 'forged' ? 'forged' : 'ignore'
  }

  /** A proof that a user brings, a light client that was lied to for one. Throws EVIDENCE_MALFORMED and EVIDENCE_REFUSED. */
  submit(bytes: Uint8Array): Hash {
    const evidence = this.#withParent(decodeEvidence(bytes))
    const found = this.#consider(evidence)
    if (found === 'new') this.#publish(evidence, 0)
    else if (found !== 'known') throw new NodeError(EvidenceErrors.REFUSED, found)
    return evidenceId(evidence)
  }

  onPeer(): void {
    if (this.#kept.size === 0 || this.#isWelcoming) return
    this.#isWelcoming = true
    this.#later(WELCOME_MS, () => {
      this.#isWelcoming = false
      this.#publishSome()
    })
  }

  /** Returns when the last write is done. */
  async close(): Promise<void> {
    for (const closer of this.#closers) closer()
    await this.#writing
  }

  // Finding.

  /** Who brings a header need not know its parent; what state judges is then only a part. */
  #withParent(evidence: Evidence): Evidence {
    if (evidence.kind !== 'header' || evidence.parent !== null) return evidence
    const { height } = evidence.qc
    const parent = height < 1 ? null : this.#deps.chain.outline(height - 1)
    const isParent = parent !== null && equalBytes(parent.hash, evidence.header.parentHash)
    return isParent ? { ...evidence, parent: parent.header } : evidence
  }
  /** null where the set is not known: not elected yet, or forgotten. */
  #open(height: number): At | null {
    const known = this.#at.get(height)
    if (known !== undefined) return known
    const at = this.#load(height)
    if (at !== null && height > this.#deps.chain.head().header.number - BOUNDS.recentHeights) this.#at.set(height, at)
    return at
  }
  /** With what the store has of it. */
  #load(height: number): At | null {
    const set = this.#deps.chain.setOf(height)
    if (set === null) return null
    const count = set.members.length
    const at = { set, heard: createLedger(count), certificates: createLedger(count) }
    if (height > this.#deps.chain.head().header.number) return at
    const { certificates, votes } = this.#deps.chain.signedAt(height)
    for (const testimony of certificates) at.certificates.add(testimony)
    for (const testimony of [...certificates, ...votes]) this.#hear(at, testimony)
    return at
  }
  /** Of the last two epochs, or of the old one that is looked at. */
  #isAtHand(height: number): boolean {
    const { chain, clock } = this.#deps
    const { epochBlocks } = chain.genesis
    const epoch = epochOf(height, epochBlocks)
    if (epoch >= epochOf(chain.head().header.number, epochBlocks) - 1 || epoch === this.#old.epoch) return true
    const now = clock.nowMs()
    if (now < this.#old.sinceMs + BOUNDS.oldEpochMs) return false
    this.#old = { epoch, sinceMs: now }
    return true
  }
  #may(what: 'looks' | 'news', perSecond: number): boolean {
    const second = Math.floor(this.#deps.clock.nowMs() / 1_000)
    if (this.#spent.second !== second) this.#spent = { second, looks: 0, news: 0 }
    this.#spent[what]++
    return this.#spent[what] <= perSecond
  }

  #hear(at: At, testimony: Testimony): void {
    for (const { evidence } of at.heard.add(testimony).found) this.#find(evidence)
  }

  #find(evidence: Evidence): void {
    const { chain, log } = this.#deps
    const height = heightOfEvidence(evidence)
    const set = chain.setOf(height)
    if (set === null || this.#worthOf(evidence, set) !== 'new') return
    const verdict = checkEvidence(evidence, chain.evidenceContext())
    if (verdict.kind === 'proven') {
      if (this.#keep(evidence, verdict)) this.#publish(evidence, 0)
    } else if (height > chain.head().header.number + 1) {
      if (this.#waiting.length < BOUNDS.waiting) this.#waiting.push(evidence)
    } else log.debug({ fault: verdict.fault }, 'what looked like an offence is none')
  }

  /** Somebody else's proof: kept where it is new. */
  #consider(evidence: Evidence): 'new' | 'known' | Refusal {
    const id = bytesToHex(evidenceId(evidence))
    if (this.#kept.has(id)) return 'known'
    const context = this.#deps.chain.evidenceContext()
    const height = heightOfEvidence(evidence)
    const set = height > context.head + 1 ? null : this.#deps.chain.setOf(height)
    if (set === null || this.#refused.has(id))
      return { kind: 'unknown', fault: `height ${height} cannot be judged here` }
    const worth = this.#worthOf(evidence, set)
    if (worth !== 'new') return worth === 'known' ? 'known' : { kind: 'malformed', fault: worth.fault }
    const verdict = checkEvidence(evidence, context)
    if (verdict.kind === 'proven') return this.#keep(evidence, verdict) ? 'new' : 'known'
    if (verdict.kind === 'unknown' && this.#refused.size < BOUNDS.refused) this.#refused.add(id)
    return verdict
  }

  // Keeping.

  /** Before any signature is checked: whether it accuses somebody of what is not proven yet. */
  #worthOf(evidence: Evidence, set: ValidatorSet): 'new' | 'known' | { readonly fault: string } {
    const accused = accusationOf(evidence, set.members.length)
    if (typeof accused === 'string') return { fault: accused }
    const { members, offence, height } = accused
    const guilty = members.flatMap((member) => set.members[member] ?? [])
    return guilty.some((validator) => this.#isNew(validator, offence, height)) ? 'new' : 'known'
  }
  #isNew(validator: Validator, offence: OffenceKind, height: number): boolean {
    const address = bytesToHex(validator.address)
    return (
      !this.#proven.has(`${address}:${height}:${offence}`) &&
      (this.#counts.get(`${address}:${offence}`) ?? 0) < BOUNDS.perOffender
    )
  }

  /** False where it says nothing new, or there is no room. */
  #keep(evidence: Evidence, verdict: Proven): boolean {
    const named = verdict.guilty.filter((validator) => this.#isNew(validator, verdict.offence, verdict.height))
    if (named.length === 0) return false
    if (this.#sizeBytes + encodeEvidence(evidence).length > BOUNDS.bytes) {
      this.#deps.log.warn({ offence: verdict.offence, height: verdict.height }, 'no room for more evidence')
      return false
    }
    this.#admit(evidence, verdict)
    this.#change([evidence], [])
    this.#measure()
    this.#meters.evidence.add(named.length, { offence: verdict.offence })
    for (const validator of named) this.#tell(validator, verdict)
    return true
  }
  #admit(evidence: Evidence, verdict: Proven): void {
    const { offence, height, round, guilty } = verdict
    const bytes = encodeEvidence(evidence)
    for (const validator of guilty) {
      const address = bytesToHex(validator.address)
      this.#proven.add(`${address}:${height}:${offence}`)
      this.#counts.set(`${address}:${offence}`, (this.#counts.get(`${address}:${offence}`) ?? 0) + 1)
    }
    this.#sizeBytes += bytes.length
    const id = evidenceId(evidence)
    this.#kept.set(bytesToHex(id), { id, evidence, bytes, offence, height, round, guilty })
  }

  /** In the order asked. What the disk refuses here it refuses the engine too, which then stops. */
  #change(keep: readonly Evidence[], drop: readonly Evidence[]): void {
    this.#write(() => this.#deps.chain.evidence.change({ keep, drop }))
  }
  #write(run: () => Promise<void>): void {
    this.#writing = this.#writing
      .then(run)
      .catch((error: unknown) => this.#deps.log.error({ error: String(error) }, 'evidence could not be written'))
  }

  #tell({ address, blsKey, power }: Validator, { offence, height, round }: Proven): void {
    const { chain, log, signers } = this.#deps
    const { windowS } = chain.evidenceContext()
    const time = windowS < 2 * 86_400 ? `${windowS} s` : `${Math.floor(windowS / 86_400)} days`
    const facts = { validator: bytesToHex(address), offence, height, round, power: String(power) }
    log.error(
      facts,
      `validator ${facts.validator} signed ${WORDS[offence]} at height ${height}: the proof is kept for ${time}, ` +
        'goes to all peers and is in nova_evidence; consensus bears it while less than a third of the power does so. Ask its operator ' +
        'whether the key runs in two places',
    )
    if (signers.some(({ publicKey }) => equalBytes(publicKey, blsKey)))
      log.error(facts, 'THIS IS THE OWN KEY: it signs in another place too. Stop one of the two before more is proven')
  }

  #measure(): void {
    const guilty = new Set([...this.#kept.values()].flatMap((kept) => kept.guilty.map(({ address }) => hexOf(address))))
    const members = this.#deps.chain.validators().members.filter(({ address }) => guilty.has(hexOf(address)))
    this.#meters.byzantine.set(members.length)
    this.#meters.power.set(Number(members.reduce((sum, { power }) => sum + power, 0n)))
  }

  #onHead(head: number): void {
    for (const height of this.#at.keys()) if (height <= head - BOUNDS.recentHeights) this.#at.delete(height)
    this.#refused.clear()
    const waiting = this.#waiting
    this.#waiting = []
    for (const evidence of waiting) this.#find(evidence)
    this.#moveWindow()
  }
  /** Once an epoch, for it opens and ends with epochs. */
  #moveWindow(): void {
    const { chain } = this.#deps
    const context = chain.evidenceContext()
    const epoch = epochOf(context.head, context.epochBlocks)
    if (epoch === this.#window.epoch) return
    const from = evidenceFrom(context)
    this.#window = { from, epoch }
    this.#write(() => chain.evidence.prune({ head: context.head, from }))
    const old = [...this.#kept].filter(([, { height }]) => height < from)
    if (old.length === 0) return
    for (const [id, { bytes, guilty, height, offence }] of old) {
      this.#kept.delete(id)
      this.#sizeBytes -= bytes.length
      for (const { address } of guilty) {
        const counted = `${hexOf(address)}:${offence}`
        this.#counts.set(counted, (this.#counts.get(counted) ?? 1) - 1)
        this.#proven.delete(`${hexOf(address)}:${height}:${offence}`)
      }
    }
    this.#change(
      [],
      old.map(([, { evidence }]) => evidence),
    )
    this.#measure()
  }

  // Passing on.

  #refuse(peer: PeerId, fault: string): Judgement {
    this.#deps.log.debug({ peer, fault }, 'evidence of a peer is refused')
    return 'reject'
  }

  #publish(evidence: Evidence, salt: number): void {
    this.#deps.network()?.publish('evidence', encodeProof(encodeEvidence(evidence), salt))
  }
  /** The next few in turn. All nodes say the same bytes within one interval, so that the mesh carries them once. */
  #publishSome(): void {
    const all = [...this.#kept.values()]
    const count = Math.min(BOUNDS.again, all.length)
    const salt = Math.floor(this.#deps.clock.nowMs() / WELCOME_MS)
    for (let i = 0; i < count; i++) {
      const kept = all[(this.#said + i) % all.length]
      if (kept !== undefined) this.#publish(kept.evidence, salt)
    }
    this.#said = all.length === 0 ? 0 : (this.#said + count) % all.length
  }
  #sayAgain(): void {
    this.#later(AGAIN_MS, () => {
      this.#publishSome()
      this.#sayAgain()
    })
  }
  #later(ms: number, run: () => void): void {
    const unset = this.#deps.timers.after(ms, () => {
      this.#closers.splice(this.#closers.indexOf(unset), 1)
      run()
    })
    this.#closers.push(unset)
  }
}

const hexOf = (address: Address): Hex => bytesToHex(address)

/** The evidence, or what is wrong with its bytes. */
const readProof = (bytes: Uint8Array): Evidence | string => {
  try {
    return decodeProof(bytes)
  } catch (error) {
    if (error instanceof NodeError && /^(EVIDENCE|RLP)_/.test(error.code)) return error.message
    throw error
  }
}
