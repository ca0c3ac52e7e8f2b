// What validators say that vaults on other chains have sent, gathered until it is a certificate that the bridge takes. Owns memory and
// traffic, which are bounded whatever peers send; what this node itself has seen `watcher.ts` knows, and a relayer carries the rest.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
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
import { type Attested, attestDigest, type Signer } from '../signer.ts'
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
  /** Votes of all keys together, and the most of one key: as many as the inbox has places. */
  votes: 200_000,
  perKey: 1_024,
  leastPerKey: 64,
  /** Of one key, verified between two blocks. */
  spent: 256,
  /** Own votes said again at a time. */
  again: 4 * ATTESTED_MAX,
} as const
/** Peers that came later, and those whose mesh lost one, hear each again. */
const AGAIN_MS = 10_000

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

  constructor(deps: VotesDeps) {
    const { chain, meter } = deps
    this.#deps = deps
    this.#domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
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

  /** Messages that this node's own endpoints agree on. Votes for them with those of its keys that are in the set. */
  see(messages: readonly Message[]): void {
    this.#working = this.#working
      .then(() => this.#vote(messages))
      .catch((error: unknown) =>
        this.#deps.log.warn({ error: String(error) }, 'messages of a bridge could not be attested'),
      )
  }
  async #vote(messages: readonly Message[]): Promise<void> {
    const reads = bridgeReadsOf(this.#state())
    const voted: Event[] = []
    for (const message of messages) {
      const id = messageId(message)
      const { sourceChain: chain } = message
      const vault = reads.vaultOf(chain)
      if (vault === null || reads.isSettled(id)) continue
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
    const news: { readonly event: Attested; readonly signature: Uint8Array }[] = []
    let isOld = true
    for (const { chain, id, signature } of said.votes) {
      const vault = reads.vaultOf(chain)
      if (vault === null || reads.isSettled(id)) continue
      isOld = false
      const event = { chain, vault, id }
      if (this.#events.get(nameOf(event))?.votes.has(key) !== true) news.push({ event, signature })
    }
    if (isOld) return 'stale'
    const spent = (this.#spent.get(key) ?? 0) + news.length
    if (news.length === 0 || spent > BOUNDS.spent) return 'ignore'
    this.#spent.set(key, spent)
    const verdicts = await this.#deps.verifier.verify(
      news.map(({ event, signature }) => [{ keys: [said.key], message: attestDigest(this.#domain, event), signature }]),
    )
    if (!verdicts.every((holds) => holds)) return 'forged'
    for (const { event, signature } of news) this.#add(this.#eventOf(event), key, signature)
    this.#measure()
    return 'accept'
  }

  /** null where nobody has said anything of it, or it is settled. */
  certificate(chain: bigint, id: Hash): Certificate | null {
    const vault = bridgeReadsOf(this.#state()).vaultOf(chain)
    const event = vault === null ? undefined : this.#events.get(nameOf({ chain, vault, id }))
    return event === undefined ? null : this.#certify(event)
  }
  #certify(event: Event): Certificate {
    const height = this.#deps.chain.head().header.number + 1
    const epoch = epochOf(height, this.#deps.chain.genesis.epochBlocks)
    const set = this.#deps.chain.validators()
    const places = [...set.members.keys()].filter((i) => event.votes.has(bytesToHex(set.members[i]?.blsKey ?? NONE)))
    const signed = places.reduce((sum, i) => sum + (set.members[i]?.power ?? 0n), 0n)
    const { id, chain, message } = event
    const facts = { id, chain, message, epoch, signed, total: set.powerTotal }
    // That of an epoch before counts as long as its members can be slashed.
    if (!isQuorum(signed, set)) return { ...facts, ...(event.made ?? { proof: null }) }
    event.made = event.made?.epoch === epoch ? event.made : { epoch, proof: this.#aggregate(event, set, places, epoch) }
    return { ...facts, proof: event.made.proof }
  }
  #aggregate({ votes }: Event, set: ValidatorSet, places: readonly number[], epoch: number): Uint8Array {
    const signatures = places.map((i) => votes.get(bytesToHex(set.members[i]?.blsKey ?? NONE)) ?? NONE)
    const signers = bitmapOf(places, set.members.length)
    return encodeProof([BigInt(epoch), signers, curves().blsAggregate(signatures)])
  }

  /** Returns when no signature is under way any more. */
  async close(): Promise<void> {
    this.#unset?.()
    this.#unwatch()
    await this.#working
  }

  #state() {
    const { chain } = this.#deps
    return chain.at(chain.head().header.number)
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
  /** Of a key that has as many as it may the oldest goes: others of its validator then wait until it is said again. */
  #add(event: Event, key: Hex, signature: Uint8Array): void {
    const members = this.#deps.chain.validators().members.length
    const most = Math.min(BOUNDS.perKey, Math.max(BOUNDS.leastPerKey, Math.floor(BOUNDS.votes / members)))
    const own = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, own)
    for (const oldest of own) {
      if (own.size < most) break
      own.delete(oldest)
      this.#withdraw(oldest, key)
    }
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
    if (event?.votes.size === 0 && event.message === null) this.#events.delete(name)
  }
  /** What is settled is of no more use; nor is what a key said that left the set. */
  #forget(): void {
    this.#spent.clear()
    if (this.#events.size === 0) return
    const reads = bridgeReadsOf(this.#state())
    const keys = new Set(this.#deps.chain.validators().members.map(({ blsKey }) => bytesToHex(blsKey)))
    for (const [key, ids] of this.#byKey) {
      if (keys.has(key)) continue
      for (const name of ids) this.#withdraw(name, key)
      this.#byKey.delete(key)
    }
    for (const [name, { id, votes }] of this.#events) {
      if (!reads.isSettled(id)) continue
      for (const key of votes.keys()) this.#byKey.get(key)?.delete(name)
      this.#events.delete(name)
    }
    this.#measure()
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
    const from = this.#said % own.length
    this.#said = from + BOUNDS.again
    this.#salt++
    this.#say([...own.slice(from), ...own.slice(0, from)].slice(0, BOUNDS.again))
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
