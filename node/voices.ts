// The keys of this node: which of them speaks at a height, and what it may sign. A validator that changes its key holds two for a while;
// one that is still to come, or has left, holds none that is in the set, and follows. Owns a guard and a queue of signatures for each
// key; the set of the height decides between them.
import { bytesToHex, equalBytes } from '../chain/base/bytes.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import type { Evidence } from '../chain/consensus/io.ts'
import type { Wal } from '../chain/store/wal.ts'
import { type Message, type Signed, type SignRecord, stepOf } from '../chain/types/message.ts'
import type { ValidatorSet } from '../chain/types/validators.ts'
import type { Network, PeerId } from '../p2p/network.ts'
import { Guard, type GuardDeps, type SigningChoice } from './guard.ts'
import { isSignedBy } from './record.ts'
import type { SignAnswer, Signer, SignOrder } from './signer.ts'
import { Signing } from './signing.ts'

export interface VoicesDeps {
  readonly chain: Chain
  /** None for a follower. Where a set has several of them, the first one speaks. */
  readonly signers: readonly Signer[]
  readonly wal: Wal
  readonly network: () => Network | null
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
  /** Why no key may sign, whatever its record says; null while nothing is wrong. */
  readonly doubt?: () => string | null
  /** The simulator's liars have one that looks away. */
  readonly createGuard?: (deps: GuardDeps) => Guard
  readonly onAnswer: (answer: SignAnswer) => void
  readonly fail: (error: unknown) => void
}

interface Voice {
  readonly signer: Signer
  readonly indexAt: (height: number) => number | null
  readonly guard: Guard
  readonly signing: Signing
  record: SignRecord | null
}

export class Voices {
  readonly #deps: VoicesDeps
  readonly #voices: readonly Voice[]
  readonly #isSigning: ReturnType<Meter['gauge']>
  #height = 0
  /** Who spoke last; undefined before the first height. */
  #speaker: Voice | null | undefined

  constructor(deps: VoicesDeps) {
    this.#deps = deps
    this.#isSigning = deps.meter.gauge('consensus_signing', '1 while this validator may sign, 0 while it only watches')
    this.#voices = deps.signers.map((signer) => this.#create(signer))
  }

  #create(signer: Signer): Voice {
    const { createGuard = (deps) => new Guard(deps), ...deps } = this.#deps
    const indexAt = indexIn(deps.chain, signer.publicKey)
    const guard = createGuard({ ...deps, key: bytesToHex(signer.publicKey), indexAt, onOpen: () => signing.go() })
    const signing = new Signing({ ...deps, signer, guard })
    return { signer, indexAt, guard, signing, record: null }
  }

  /** `logged`: signatures of the write-ahead log. `choice` is about the first key. Throws GUARD_NO_RECORD and what a signer throws. */
  async open(logged: readonly Signed[], choice: SigningChoice): Promise<void> {
    const { genesis, genesisHash } = this.#deps.chain
    const domain = { chainId: genesis.chainId, genesisHash }
    for (const [i, voice] of this.#voices.entries()) {
      voice.record = await voice.signer.record()
      const own = logged.filter((message) => isSignedBy(message, voice.signer.publicKey, domain))
      voice.guard.open(voice.record, own, i === 0 ? choice : {})
    }
  }

  /** Returns when no record is being written any more. */
  async close(): Promise<void> {
    for (const { guard } of this.#voices) guard.close()
    await Promise.all(this.#voices.map(({ signing }) => signing.stop()))
  }

  /** Index in the set of a height; null for who only follows there. */
  indexAt(height: number): number | null {
    return this.#at(height)?.indexAt(height) ?? null
  }
  /** The same, and null also where the guard lets it sign nothing. */
  speakerAt(height: number): number | null {
    const voice = this.#at(height)
    return voice === null || voice.guard.at(height) === 'no' ? null : voice.indexAt(height)
  }
  /** What the key of a height had signed when the process began. */
  recordAt(height: number): SignRecord | null {
    return this.#at(height)?.record ?? null
  }
  #at(height: number): Voice | null {
    return this.#voices.find(({ indexAt }) => indexAt(height) !== null) ?? null
  }

  ask(order: SignOrder): void {
    this.#at(stepOf(order.message).height)?.signing.ask(order)
  }
  /** null where the signer does not answer. */
  async reveal(height: number): Promise<Uint8Array | null> {
    return (await this.#at(height)?.signing.reveal(height)) ?? null
  }

  /** A message that verified, whoever brought it. */
  heard(message: Message): void {
    for (const { guard } of this.#voices) guard.heard(message)
  }
  met(peer: PeerId): void {
    for (const { guard } of this.#voices) guard.met(peer)
  }
  offended(evidence: Evidence): void {
    for (const { guard } of this.#voices) guard.offended(evidence)
  }

  /** Why nothing is signed at a height, as a clause about this validator; null where nothing stands in its way, and without a key. */
  silence(height: number): string | null {
    if (this.#voices.length === 0) return null
    const voice = this.#at(height)
    if (voice !== null) return voice.guard.silence(height) ?? voice.signing.silence()
    return `its key ${this.#names} is not in the validator set of height ${height}; \`novachain validators join\` brings it in`
  }
  get #names(): string {
    return this.#voices.map(({ signer }) => bytesToHex(signer.publicKey)).join(' or ')
  }

  /** Another height begins. */
  entered(height: number): void {
    this.#height = height
    for (const { signing } of this.#voices) signing.forget(height)
    const speaker = this.#at(height)
    if (speaker !== this.#speaker && this.#voices.length > 0) this.#tell(height, speaker)
    this.#speaker = speaker
    this.#measure()
  }

  #tell(height: number, speaker: Voice | null): void {
    const { log } = this.#deps
    if (speaker !== null) {
      const key = bytesToHex(speaker.signer.publicKey)
      if (this.#speaker !== undefined) log.info({ height, key }, 'this key is in the validator set from this height on')
    } else if (this.#speaker === undefined)
      log.warn({ height }, `this node follows and signs nothing: ${this.silence(height)}`)
    else log.info({ height }, 'the key has left the validator set: this node follows and goes on serving')
  }

  /** Once a second. */
  tick(): void {
    for (const { guard } of this.#voices) guard.tick()
    this.#measure()
  }

  #measure(): void {
    this.#isSigning.set(this.#at(this.#height)?.guard.at(this.#height) === 'yes' ? 1 : 0)
  }
}

/** Where a key stands in the set of a height; null where it is not in it, and where that set is not known. */
const indexIn = (chain: Chain, key: Uint8Array): ((height: number) => number | null) => {
  const known = new WeakMap<ValidatorSet, number>()
  return (height) => {
    const set = chain.setOf(height)
    if (set === null) return null
    const index = known.get(set) ?? set.members.findIndex(({ blsKey }) => equalBytes(blsKey, key))
    known.set(set, index)
    return index < 0 ? null : index
  }
}
