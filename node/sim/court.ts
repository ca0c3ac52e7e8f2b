// What slashing would make of what honest nodes hold: every two statements of one validator, judged as the chain judges evidence. Owns
// who is tombstoned for what, which must be liars, each once. That a tombstoned validator is elected no more is for whole nodes to
// show: the powers of these networks are drawn beforehand.
import { bytesToHex } from '../../chain/base/bytes.ts'
import type { Evidence as Report } from '../../chain/consensus/io.ts'
import {
  checkEvidence,
  createLedger,
  decodeEvidence,
  type Evidence,
  type EvidenceContext,
  type EvidenceVerdict,
  encodeEvidence,
  evidenceOf,
  type Ledger,
  rollOfEpoch,
  type Testimony,
  testimoniesOf,
} from '../../chain/types/evidence.ts'
import { heightOf, type Message } from '../../chain/types/message.ts'
import { bitmapMembers, bitmapOf } from '../../chain/types/vote.ts'
import { contentOf, DOMAIN } from './parcel.ts'
import type { World } from './world.ts'

/** Longer than any run. */
const WINDOW_S = 1_000_000

export class Court {
  readonly #world: World
  readonly #fail: (what: string) => never
  readonly #ledgers = new Map<number, Ledger>()
  readonly #heard = new WeakSet<object>()
  /** Who is tombstoned; of who gave up a round twice, that one. */
  readonly #punished = new Set<string>()
  readonly #reported = new Set<string>()

  constructor(world: World, fail: (what: string) => never) {
    this.#world = world
    this.#fail = fail
  }

  /** A message that an honest node has checked. */
  onHeard(message: Message): void {
    const content = contentOf(message)
    if (this.#world.scenario.byzantine.length === 0 || message.kind === 'status' || this.#heard.has(content)) return
    this.#heard.add(content)
    const height = heightOf(message)
    const count = this.#world.setOf(height).members.length
    const ledger = this.#ledgers.get(height) ?? createLedger(count)
    this.#ledgers.set(height, ledger)
    for (const testimony of testimoniesOf(message, count))
      for (const { evidence } of ledger.add(testimony).found) this.#judge(evidence, height)
  }

  /** What the machine of an honest node has seen. */
  onReport({ offence, validator, first, second }: Report, height: number): void {
    const key = `${offence} ${validator} ${height}`
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    const count = this.#world.setOf(height).members.length
    const [a] = testimoniesOf(first, count)
    const [b] = testimoniesOf(second, count)
    if (a === undefined || b === undefined) this.#fail(`a report of ${offence} names nobody`)
    this.#judge(evidenceOf(a, b), height)
  }

  #judge(evidence: Evidence, height: number): void {
    const verdict = this.#verdictOf(evidence, height)
    if (verdict.kind !== 'proven') this.#fail(`evidence that honest nodes hold is ${verdict.kind}: ${verdict.fault}`)
    const { offence, round } = verdict
    const punished = this.#guiltyIn(verdict).filter((id) => {
      const key = offence === 'E5' ? `${id} ${height}/${round}` : String(id)
      const isFirst = !this.#punished.has(key)
      this.#punished.add(key)
      return isFirst
    })
    if (punished.length === 0) return
    this.#world.count(offence === 'E5' ? 'jailed by evidence' : `tombstoned for ${offence}`)
    if (evidence.kind === 'conflict')
      for (const forged of forgeriesOf(evidence)) this.#guiltyIn(this.#verdictOf(forged, height))
  }

  /** Nodes; nobody honest may be among them. */
  #guiltyIn(verdict: EvidenceVerdict): number[] {
    if (verdict.kind !== 'proven') return []
    const { members } = this.#world.setOf(verdict.height)
    return verdict.guilty.map(({ address }) => {
      const name = bytesToHex(address)
      const id = this.#world.nodeOf(
        verdict.height,
        members.findIndex((member) => bytesToHex(member.address) === name),
      )
      if (this.#world.isHonest(id))
        this.#fail(`honest node ${id} is convicted of ${verdict.offence} at height ${verdict.height}`)
      return id
    })
  }

  /** As a block does that reads nothing but its bytes. */
  #verdictOf(evidence: Evidence, head: number): EvidenceVerdict {
    const world = this.#world
    const context: EvidenceContext = {
      ...{ domain: DOMAIN, head, nowS: world.nowMs / 1_000, windowS: WINDOW_S, intervalMs: 1_000 },
      epochBlocks: world.scenario.epochBlocks,
      epochAt(height) {
        const epoch = world.epochAt(height)
        return epoch === null ? null : rollOfEpoch(epoch)
      },
      hashOf: (height) => world.checks.decided.get(height)?.body.hash ?? null,
    }
    return checkEvidence(decodeEvidence(encodeEvidence(evidence)), context)
  }
}

/** The same two statements with one more signer, with a signature of the other one, and of the next height. */
const forgeriesOf = ({ first, second }: Extract<Evidence, { readonly kind: 'conflict' }>): Evidence[] => {
  const count = 8 * first.bitmap.length
  const signers = bitmapMembers(first.bitmap, count) ?? []
  const stranger = Array.from({ length: count }, (_, i) => i).find((i) => !signers.includes(i))
  const later = (t: Testimony): Testimony => ({ ...t, statement: { ...t.statement, height: t.statement.height + 1 } })
  const both = (bitmap: Uint8Array): Evidence => evidenceOf({ ...first, bitmap }, { ...second, bitmap })
  return [
    ...(stranger === undefined ? [] : [both(bitmapOf([...signers, stranger], count))]),
    ...[both(bitmapOf([0], count)), both(bitmapOf([0, 1], count))],
    evidenceOf(first, { ...second, signature: first.signature }),
    evidenceOf(later(first), later(second)),
  ]
}
