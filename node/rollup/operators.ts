// What validators' operators say of final blocks, gathered until it is a certificate for a contract that reads such signatures. Nobody speaks
// unasked: whoever needs a block certified says his own word for it, and the others join. So strangers make nobody sign, and a word is of a member
// of the set of that block or is forged. Owns memory and traffic, which are bounded whatever peers send.
import { bytesToHex, equalBytes, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import type { Clock, Log, Timers } from '../../chain/base/ports.ts'
import type { Chain } from '../../chain/chain.ts'
import {
  checkpointDigest,
  ECDSA_MEMBERS_MAX,
  encodeEcdsaCertificate,
  type OperatorSignature,
} from '../../chain/types/checkpoint.ts'
import { isQuorum, type Validator, type ValidatorSet } from '../../chain/types/validators.ts'
import type { Judgement, Network } from '../../p2p/network.ts'
import { decodeOperatorWord, encodeOperatorWord, isMalformed, type OperatorWord } from '../../p2p/wire.ts'

export interface OperatorsDeps {
  readonly chain: Pick<Chain, 'genesis' | 'genesisHash' | 'head' | 'outline' | 'setOf' | 'watch'>
  readonly network: () => Network | null
  /** secp256k1, of the account that a validator of this node was bonded by; null: it signs nothing. */
  readonly secret: Uint8Array | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
}

const BOUNDS = {
  /** Blocks that one member's words are kept of; the oldest go. */
  perMember: 64,
  /** Blocks that this node wants certified: their words are kept. */
  wanted: 8,
  /** Of one member between two blocks: new words, and such as were known. */
  spent: 64,
  repeated: 16,
} as const
/** What is wanted and not there is asked for again; peers may have come later, or not have had the block. */
const AGAIN_MS = 5_000

interface Gathered {
  readonly height: number
  readonly blockHash: Hash
  readonly digest: Hash
  readonly set: ValidatorSet
  /** By place in the set. */
  readonly words: Map<number, OperatorSignature>
}

export class Operators {
  readonly #deps: OperatorsDeps
  readonly #address: Uint8Array | null
  readonly #blocks = new Map<number, Gathered>()
  /** Heights that a member spoke of, the first ones first. */
  readonly #byMember = new Map<Hex, Set<number>>()
  /** Oldest first. */
  readonly #wanted = new Set<number>()
  /** Of each member in this block's time. */
  readonly #spent = new Map<Hex, { fresh: number; repeated: number }>()
  /** Heights that this node said its word for and does not again before the next tick. */
  readonly #said = new Set<number>()
  #unset: (() => void) | null = null
  readonly #unwatch: () => void

  constructor(deps: OperatorsDeps) {
    this.#deps = deps
    this.#address = deps.secret === null ? null : keccak(curves().publicKey(deps.secret)).subarray(12)
    this.#unwatch = deps.chain.watch('head', () => this.#spent.clear())
  }

  /** Whether this node may ask: an operator's word is what asks. */
  get isAble(): boolean {
    return this.#address !== null
  }

  /**
   * For `EcdsaCheckpointVerifier`, with as few signatures as are more than two thirds of the power; null: they are not there yet, and asked for.
   * Throws CHECKPOINT_CERTIFICATE for a set that the verifier does not take.
   */
  async certify(height: number): Promise<Uint8Array | null> {
    const block = this.#open(height)
    if (block === null) return null
    const { set, words } = block
    if (set.members.length > ECDSA_MEMBERS_MAX) return encodeEcdsaCertificate(height, set, new Map())
    this.#want(height)
    this.#join(block)
    const powerOf = (place: number): bigint => set.members[place]?.power ?? 0n
    const chosen = new Map<number, OperatorSignature>()
    let signed = 0n
    for (const [place, word] of [...words].sort(([a], [b]) => Number(powerOf(b) - powerOf(a)) || a - b)) {
      if (isQuorum(signed, set)) break
      chosen.set(place, word)
      signed += powerOf(place)
    }
    if (!isQuorum(signed, set)) return null
    this.#wanted.delete(height)
    return encodeEcdsaCertificate(height, set, chosen)
  }

  onPublished(bytes: Uint8Array): Judgement {
    const said = read(bytes)
    if (said === null) return 'reject'
    if (said.height > this.#deps.chain.head().header.number) return 'ignore' // not decided here yet
    const block = this.#open(said.height)
    if (block === null || block.set.members.length > ECDSA_MEMBERS_MAX) return 'ignore'
    if (!equalBytes(said.blockHash, block.blockHash)) return 'reject'
    const place = placeOf(block, said)
    const member = block.set.members[place]
    if (member === undefined) return 'forged'
    const spent = this.#spentOf(member)
    if (block.words.has(place)) {
      if (++spent.repeated > BOUNDS.repeated) return 'ignore'
      this.#join(block)
      return 'accept'
    }
    if (++spent.fresh > BOUNDS.spent) return 'ignore'
    this.#add(block, place, said)
    this.#join(block)
    return 'accept'
  }

  close(): void {
    this.#unset?.()
    this.#unwatch()
  }

  /** null: the block, or its set, is not known here. */
  #open(height: number): Gathered | null {
    const known = this.#blocks.get(height)
    if (known !== undefined) return known
    const { chain } = this.#deps
    const [blockHash, set] = [chain.outline(height)?.hash, chain.setOf(height)]
    if (height < 1 || blockHash === undefined || set === null) return null
    const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
    return { height, blockHash, digest: checkpointDigest(domain, { height, blockHash }), set, words: new Map() }
  }

  #spentOf({ address }: Validator): { fresh: number; repeated: number } {
    const key = bytesToHex(address)
    const spent = this.#spent.get(key) ?? { fresh: 0, repeated: 0 }
    this.#spent.set(key, spent)
    return spent
  }

  #want(height: number): void {
    this.#wanted.delete(height)
    this.#wanted.add(height)
    for (const oldest of this.#wanted) {
      if (this.#wanted.size <= BOUNDS.wanted) break
      this.#wanted.delete(oldest)
    }
  }

  #add(block: Gathered, place: number, word: OperatorSignature): void {
    const key = bytesToHex((block.set.members[place] as Validator).address) // whose place it is was found out before
    const own = this.#byMember.get(key) ?? new Set()
    this.#byMember.set(key, own)
    for (const oldest of own) {
      if (own.size < BOUNDS.perMember + this.#wanted.size) break
      if (this.#wanted.has(oldest)) continue
      own.delete(oldest)
      this.#withdraw(oldest, key)
    }
    own.add(block.height)
    block.words.set(place, { signature: word.signature, recovery: word.recovery })
    this.#blocks.set(block.height, block)
  }
  #withdraw(height: number, key: Hex): void {
    const block = this.#blocks.get(height)
    if (block === undefined) return
    for (const place of block.words.keys())
      if (bytesToHex(block.set.members[place]?.address ?? NONE) === key) block.words.delete(place)
    if (block.words.size === 0) this.#blocks.delete(height)
  }

  /** Somebody wants this block certified: with the own word it may be. */
  #join(block: Gathered): void {
    if (!this.#said.has(block.height)) this.#speak(block)
  }

  /** Says the own word, once until the next tick. */
  #speak(block: Gathered): void {
    const { secret, network, clock } = this.#deps
    const place = block.set.members.findIndex(({ address }) => equalBytes(address, this.#address ?? NONE))
    if (secret === null || place < 0) return
    const word = block.words.get(place) ?? curves().sign(block.digest, secret)
    if (!block.words.has(place)) this.#add(block, place, word)
    const { height, blockHash } = block
    network()?.publish('operators', encodeOperatorWord({ height, blockHash, ...word }, clock.nowMs()))
    this.#said.add(height)
    this.#unset ??= this.#deps.timers.after(AGAIN_MS, () => this.#tick())
  }

  #tick(): void {
    this.#unset = null
    this.#said.clear()
    for (const height of this.#wanted) {
      const block = this.#blocks.get(height)
      if (block !== undefined) this.#speak(block)
    }
  }
}
const NONE = new Uint8Array(0)

/** -1: of nobody in the set. */
const placeOf = ({ digest, set }: Gathered, { signature, recovery }: OperatorSignature): number => {
  const key = curves().recover(digest, signature.subarray(0, 32), signature.subarray(32), recovery)
  if (key === null) return -1
  const signer = keccak(key).subarray(12)
  return set.members.findIndex(({ address }) => equalBytes(address, signer))
}

const read = (bytes: Uint8Array): OperatorWord | null => {
  try {
    return decodeOperatorWord(bytes)
  } catch (error) {
    if (!isMalformed(error)) throw error
    return null
  }
}
