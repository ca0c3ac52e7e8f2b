// What validators say that vaults on other chains have sent, gathered until it is a certificate that the bridge takes. Owns memory and
// traffic, which are bounded whatever peers send; what this node itself has seen `watcher.ts` knows, and a relayer carries the rest.
import { type Address, bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter, Timers } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import { encodeProof } from '../../chain/native/bridge/certificate.ts'
import { type Message, messageId } from '../../chain/native/bridge/message.ts'
import { bridgeReadsOf } from '../../chain/native/index.ts'
import { epochOf, isQuorum, type ValidatorSet } from '../../chain/types/validators.ts'
import { bitmapOf, type Domain } from '../../chain/types/vote.ts'
import type { Judgement, Network } from '../../p2p/network.ts'
import {
  ATTESTATIONS_MAX_BYTES,
  ATTESTED_MAX,
  decodeAttestations,
  encodeAttestations,
  isMalformed,
} from '../../p2p/wire.ts'
import { type Attested, attestDigest, type Signer, SignerErrors } from '../signer.ts'
import type { Verifier } from '../verifier.ts'

export interface VotesDeps {
  readonly chain: Pick<Chain, 'genesis' | 'genesisHash' | 'head' | 'at' | 'setOf' | 'validators' | 'watch'>
  readonly network: () => Network | null
  readonly signers: readonly Pick<Signer, 'publicKey' | 'attest'>[]
  readonly verifier: Pick<Verifier, 'verify'>
  readonly timers: Timers
  readonly log: Log
  readonly meter: Meter
}

/** What the bridge is shown, where enough have signed; and how far it is. */
export interface Certificate {
  readonly id: Hash
  readonly chain: bigint
  /** null where this node did not see it itself. */
  readonly message: Message | null
  readonly epoch: number
  readonly signed: bigint
  readonly total: bigint
  /** The argument of `deliver`; null: no more than two thirds of the power yet. */
  readonly proof: Uint8Array | null
}

const BOUNDS = {
  /** Votes of all keys together, and of one key of another node where there are few keys, or many. */
  votes: 200_000,
  perKey: 1_024,
  leastPerKey: 64,
  /** Of one key, verified between two blocks. */
  spent: 256,
  /** Own votes said again at a time; half of them the first of what is not certified, so that all say the same. */
  again: 4 * ATTESTED_MAX,
} as const
/** Peers that came later, and those whose mesh lost one, hear each again. */
const AGAIN_MS = 10_000
/** After so long a signer that was away is asked again. */
const AWAY_MS = 5_000

/** A message and the vault that must have sent it: together they are what is signed. */
interface Event extends Attested {
  message: Message | null
  /** By key. */
  readonly votes: Map<Hex, Uint8Array>
  /** The last certificate, and of which epoch. */
  made: { readonly epoch: number; readonly proof: Uint8Array } | null
}

export class Votes {
  readonly #deps: VotesDeps
  readonly #domain: Domain
  readonly #events = new Map<string, Event>()
  /** Events that a key voted for, the first ones first. */
  readonly #byKey = new Map<Hex, Set<string>>()
  /** Of the next block. */
  #epoch: number
  /** Votes of each key that were verified in this block's time. */
  readonly #spent = new Map<Hex, number>()
  readonly #meters: { readonly votes: ReturnType<Meter['gauge']>; readonly certificates: ReturnType<Meter['counter']> }
  /** Signatures under way. */
  #working: Promise<void> = Promise.resolve()
  #said = 0
  #salt = 0
  /** Of the repetition, while there is something to repeat. */
  #unset: (() => void) | null = null
  readonly #unwatch: () => void
  /** Messages that wait for a signer. */
  readonly #away = new Set<() => void>()

  constructor(deps: VotesDeps) {
    const { chain, meter } = deps
    this.#deps = deps
    this.#domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
    this.#epoch = this.#epochNow()
    this.#meters = {
      votes: meter.gauge(
        'bridge_messages_waiting',
        'Messages of other chains with votes of validators, not settled yet',
      ),
      certificates: meter.counter(
        'bridge_certificates_total',
        'Messages of other chains that more than two thirds attested',
      ),
    }
    this.#unwatch = chain.watch('head', () => this.#forget())
  }

  /** Messages of a vault that this node's own endpoints agree on. Votes for them with those of its keys that are in the set, while it is connected. */
  see(vault: Address, messages: readonly Message[]): void {
    this.#working = this.#working
      .then(() => this.#vote(vault, messages))
      .catch((error: unknown) => {
        this.#deps.log.warn({ error: String(error) }, 'messages of a bridge could not be attested')
        // Nobody else remembers that this node saw them.
        if (error instanceof NodeError && error.code === SignerErrors.UNREACHABLE.code) this.#seeLater(vault, messages)
      })
  }
  #seeLater(vault: Address, messages: readonly Message[]): void {
    const unset = this.#deps.timers.after(AWAY_MS, () => {
      this.#away.delete(unset)
      this.see(vault, messages)
    })
    this.#away.add(unset)
  }
  async #vote(vault: Address, messages: readonly Message[]): Promise<void> {
    const reads = bridgeReadsOf(this.#state())
    const voted: Event[] = []
    for (const message of messages) {
      const id = messageId(message)
      const { sourceChain: chain } = message
      const connected = reads.vaultOf(chain)
      if (connected === null || !equalBytes(connected, vault) || reads.isSettled(id)) continue
      const event = this.#eventOf({ chain, vault, id })
      event.message = message
      voted.push(event)
      for (const signer of this.#deps.signers) {
        const key = bytesToHex(signer.publicKey)
        if (!event.votes.has(key) && this.#placeOf(signer.publicKey) !== null)
          this.#add(event, key, await signer.attest(event))
      }
    }
    this.#say(voted)
    this.#measure()
  }

  async onPublished(bytes: Uint8Array): Promise<Judgement> {
    const said = read(bytes)
    if (said === null) return 'reject'
    if (this.#placeOf(said.key) === null) return 'ignore'
    const key = bytesToHex(said.key)
    const reads = bridgeReadsOf(this.#state())
    const unproven: { readonly event: Attested; readonly signature: Uint8Array; readonly isSettled: boolean }[] = []
    let [held, unknown] = [0, 0]
    for (const { chain, id, signature } of said.votes) {
      const vault = reads.vaultOf(chain)
      const event = vault === null ? null : { chain, vault, id }
      const known = event === null ? undefined : this.#events.get(nameOf(event))?.votes.get(key)
      if (event === null) unknown++
      else if (known === undefined) unproven.push({ event, signature, isSettled: reads.isSettled(id) })
      // There is one signature of it; and whoever hears this from here has perhaps not heard the right one.
      else if (equalBytes(known, signature)) held++
      else return 'forged'
    }
    const fresh = unproven.filter(({ isSettled }) => !isSettled)
    if (fresh.length + held === 0) return 'stale'
    const wanted = fresh.filter(({ event }) => this.#hasRoom(key, event))
    const spent = (this.#spent.get(key) ?? 0) + unproven.length
    if (wanted.length === 0 || spent > BOUNDS.spent) return 'ignore'
    this.#spent.set(key, spent)
    // All of it, settled ones too: what is passed on is vouched for.
    const verdicts = await this.#deps.verifier.verify(
      unproven.map(({ event, signature }) => [
        { keys: [said.key], message: attestDigest(this.#domain, event), signature },
      ]),
    )
    if (!verdicts.every((holds) => holds)) return 'forged'
    for (const { event, signature } of wanted) this.#take(event, key, signature)
    this.#measure()
    return unknown > 0 ? 'ignore' : 'accept'
  }

  /** null where nobody has said anything of it, or it is settled. */
  certificate(chain: bigint, id: Hash): Certificate | null {
    const vault = bridgeReadsOf(this.#state()).vaultOf(chain)
    const event = vault === null ? undefined : this.#events.get(nameOf({ chain, vault, id }))
    return event === undefined ? null : this.#certify(event)
  }
  #certify(event: Event): Certificate {
    const epoch = this.#epochNow()
    const set = this.#deps.chain.validators()
    const keys = keysOf(set)
    const places = keys.flatMap((key, i) => (event.votes.has(key) ? [i] : []))
    const signed = places.reduce((sum, i) => sum + (set.members[i]?.power ?? 0n), 0n)
    const { id, chain, message } = event
    const facts = { id, chain, message, epoch, signed, total: set.powerTotal }
    // That of an epoch before counts as long as its members can be slashed.
    if (!isQuorum(signed, set)) return { ...facts, ...(event.made ?? { proof: null }) }
    event.made = event.made?.epoch === epoch ? event.made : { epoch, proof: this.#aggregate(event, set, places, epoch) }
    return { ...facts, proof: event.made.proof }
  }
  #aggregate({ votes }: Event, set: ValidatorSet, places: readonly number[], epoch: number): Uint8Array {
    const signatures = places.map((i) => votes.get(keysOf(set)[i] ?? '0x') ?? NONE)
    const signers = bitmapOf(places, set.members.length)
    return encodeProof([BigInt(epoch), signers, curves().blsAggregate(signatures)])
  }

  /** Returns when no signature is under way any more. */
  async close(): Promise<void> {
    this.#unset?.()
    this.#unwatch()
    await this.#working
    for (const unset of this.#away) unset()
  }

  #state() {
    const { chain } = this.#deps
    return chain.at(chain.head().header.number)
  }
  #epochNow(): number {
    const { chain } = this.#deps
    return epochOf(chain.head().header.number + 1, chain.genesis.epochBlocks)
  }
  #placeOf(key: Uint8Array): number | null {
    const place = this.#deps.chain.validators().members.findIndex(({ blsKey }) => equalBytes(blsKey, key))
    return place < 0 ? null : place
  }

  #eventOf(of: Attested): Event {
    const found = this.#events.get(nameOf(of)) ?? { ...of, message: null, votes: new Map(), made: null }
    this.#events.set(nameOf(of), found)
    return found
  }
  get #most(): number {
    const members = this.#deps.chain.validators().members.length
    return Math.min(BOUNDS.perKey, Math.max(BOUNDS.leastPerKey, Math.floor(BOUNDS.votes / members)))
  }
  /**
   * Of a key that has as many as it may those go that are certified, for what is not; else it has no more. The first ones stay: all say the first
   * ones first, so these come to be certified everywhere.
   */
  #hasRoom(key: Hex, of: Attested): boolean {
    const own = this.#byKey.get(key) ?? new Set()
    if (own.size < this.#most) return true
    return this.#events.get(nameOf(of))?.made == null && this.#certifiedOf(own) !== null
  }
  #certifiedOf(own: ReadonlySet<string>): string | null {
    for (const name of own) if (this.#events.get(name)?.made != null) return name
    return null
  }
  /** Of another node's key, where it has room. */
  #take(of: Attested, key: Hex, signature: Uint8Array): void {
    if (!this.#hasRoom(key, of)) return
    const own = this.#byKey.get(key)
    const gone = own === undefined || own.size < this.#most ? null : this.#certifiedOf(own)
    if (gone !== null) {
      own?.delete(gone)
      this.#withdraw(gone, key)
    }
    this.#add(this.#eventOf(of), key, signature)
  }
  #add(event: Event, key: Hex, signature: Uint8Array): void {
    const own = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, own)
    own.add(nameOf(event))
    event.votes.set(key, signature)
    this.#events.set(nameOf(event), event)
    if (event.made !== null || this.#certify(event).proof === null) return
    this.#meters.certificates.add(1)
    this.#deps.log.info(
      { chain: String(event.chain), id: bytesToHex(event.id) },
      'a message of another chain is attested',
    )
  }
  #withdraw(name: string, key: Hex): void {
    const event = this.#events.get(name)
    event?.votes.delete(key)
    if (event?.votes.size === 0 && event.message === null && event.made === null) this.#events.delete(name)
  }
  /** What is settled is of no more use, nor is what another vault sent before this one was connected; nor is what a key said that left the set. */
  #forget(): void {
    this.#spent.clear()
    const epoch = this.#epochNow()
    if (epoch !== this.#epoch) this.#beginAnew()
    this.#epoch = epoch
    if (this.#events.size === 0) return
    const reads = bridgeReadsOf(this.#state())
    const keys = new Set(keysOf(this.#deps.chain.validators()))
    for (const [key, ids] of this.#byKey) {
      if (keys.has(key)) continue
      for (const name of ids) this.#withdraw(name, key)
      this.#byKey.delete(key)
    }
    const vaults = new Map<bigint, Address | null>()
    for (const [name, { id, chain, vault, votes }] of this.#events) {
      if (!vaults.has(chain)) vaults.set(chain, reads.vaultOf(chain))
      const connected = vaults.get(chain) ?? null
      // Said again, a vote for another vault's would be read as a forged one for this one's.
      const isPast = connected !== null && !equalBytes(connected, vault)
      if (!isPast && !reads.isSettled(id)) continue
      for (const key of votes.keys()) this.#byKey.get(key)?.delete(name)
      this.#events.delete(name)
    }
    this.#measure()
  }
  /** Who is new in the set says what it saw before; and a key without room for more has some again, for what it says may never have been. */
  #beginAnew(): void {
    const own = new Set(this.#deps.signers.map(({ publicKey }) => bytesToHex(publicKey)))
    for (const [key, names] of this.#byKey) {
      if (own.has(key) || names.size < this.#most) continue
      for (const name of names) {
        if (this.#events.get(name)?.made != null) continue
        names.delete(name)
        this.#withdraw(name, key)
      }
    }
    const keys = keysOf(this.#deps.chain.validators()).filter((key) => own.has(key))
    const unsaid = new Map<Hex, { readonly vault: Address; readonly messages: Message[] }>()
    for (const { vault, message, votes } of this.#events.values()) {
      if (message === null || keys.every((key) => votes.has(key))) continue
      const of = unsaid.get(bytesToHex(vault)) ?? { vault, messages: [] }
      of.messages.push(message)
      unsaid.set(bytesToHex(vault), of)
    }
    for (const { vault, messages } of unsaid.values()) this.see(vault, messages)
  }
  #measure(): void {
    this.#meters.votes.set(this.#events.size)
  }

  /** Some of the own votes, all of them in their turn. */
  #sayAgain(): void {
    this.#unset = null
    const own = [...this.#events.values()].filter(({ votes }) =>
      this.#deps.signers.some(({ publicKey }) => votes.has(bytesToHex(publicKey))),
    )
    if (own.length === 0) return
    const open = own.filter(({ made }) => made === null).slice(0, BOUNDS.again / 2)
    const others = own.filter((event) => !open.includes(event))
    const from = others.length === 0 ? 0 : this.#said % others.length
    this.#said = from + BOUNDS.again - open.length
    this.#salt++
    this.#say([...open, ...others.slice(from), ...others.slice(0, from)].slice(0, BOUNDS.again))
  }
  #say(events: readonly Event[]): void {
    if (this.#deps.signers.length > 0 && events.length > 0)
      this.#unset ??= this.#deps.timers.after(AGAIN_MS, () => this.#sayAgain())
    for (const { publicKey } of this.#deps.signers) {
      const key = bytesToHex(publicKey)
      const votes = events.flatMap(({ chain, id, votes: of }) => {
        const signature = of.get(key)
        return signature === undefined ? [] : [{ chain, id, signature }]
      })
      for (let at = 0; at < votes.length; at += ATTESTED_MAX) {
        const bytes = encodeAttestations({ key: publicKey, votes: votes.slice(at, at + ATTESTED_MAX) }, this.#salt)
        this.#deps.network()?.publish('attest', bytes)
      }
    }
  }
}
const NONE = new Uint8Array(0)
/** By place. A set is made once for each epoch. */
const keysOf = (set: ValidatorSet): readonly Hex[] => {
  const found = hexKeys.get(set) ?? set.members.map(({ blsKey }) => bytesToHex(blsKey))
  hexKeys.set(set, found)
  return found
}
const hexKeys = new WeakMap<ValidatorSet, readonly Hex[]>()
const nameOf = ({ chain, vault, id }: Attested): string => `${chain} ${bytesToHex(vault)} ${bytesToHex(id)}`

const read = (bytes: Uint8Array) => {
  if (bytes.length > ATTESTATIONS_MAX_BYTES) return null
  try {
    const said = decodeAttestations(bytes)
    const ids = new Set(said.votes.map(({ chain, id }) => `${chain} ${bytesToHex(id)}`))
    return ids.size === said.votes.length ? said : null
  } catch (error) {
    if (!isMalformed(error)) throw error
    return null
  }
}
