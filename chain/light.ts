// The light client: from a trusted checkpoint over one header, consensus section and certificate an epoch to the validator set of
// today; then any certified header, and accounts and slots under its state root. Also what a witness shows against a header
// already verified. Owns trust: nothing from outside is kept before it was proven. Runs in a browser; the caller brings the clock.
import { type Address, equalBytes, type Hash, type Word } from './base/bytes.ts'
import { EMPTY_ROOT } from './base/crypto.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import {
  decodeHeader,
  decodeSection,
  type Header,
  headerHash,
  headerTimeMs,
  SECTION_VERSION,
  type Section,
  sectionHash,
} from './types/block.ts'
import { type Evidence, offencesBetween } from './types/evidence.ts'
import { type ProvenAccount, provenAccount, provenSlot } from './types/proof.ts'
import {
  createValidatorSet,
  epochOf,
  isEpochEnd,
  type Validator,
  type ValidatorSet,
  validatorsHash,
} from './types/validators.ts'
import { bitmapMembers, checkQc, type Domain, decodeQc, type Qc } from './types/vote.ts'

export const LightErrors = defineErrors('LIGHT', {
  MALFORMED: { text: (d: { what: string; reason: string }) => `${d.what} does not decode: ${d.reason}` },
  CHECKPOINT: {
    text: (d: { height: number; reason: string }) =>
      `the checkpoint at height ${d.height} does not hold: ${d.reason}; take height and hash from a source you trust`,
  },
  TOO_OLD: {
    text: (d: { height: number; timeMs: number; periodMs: number }) =>
      `block ${d.height} is of Unix time ${Math.floor(d.timeMs / 1_000)}, more than ${d.periodMs / 1_000} s ago: its validators may have left with their stake and sign anything; start from a newer checkpoint of a source you trust`,
  },
  FUTURE: {
    text: (d: { height: number; aheadMs: number }) =>
      `block ${d.height} is ${d.aheadMs} ms in the future: its source lies, or the clock of this machine is slow`,
  },
  EPOCH: {
    text: (d: { height: number; epoch: number; oldest: number; newest: number }) =>
      `block ${d.height} is of epoch ${d.epoch}, and validator sets are known for epochs ${d.oldest} to ${d.newest}`,
  },
  ORDER: {
    text: (d: { height: number; want: number }) =>
      `a hand-over at height ${d.height}, where that of height ${d.want} comes next`,
  },
  BLOCK: { text: (d: { height: number; reason: string }) => `block ${d.height} is refused: ${d.reason}` },
  CERTIFICATE: {
    text: (d: { height: number; reason: string }) => `the certificate of block ${d.height} is refused: ${d.reason}`,
  },
  VALIDATORS: {
    text: (d: { epoch: number; reason: string }) => `the validators of epoch ${d.epoch} are refused: ${d.reason}`,
  },
  UNKNOWN: {
    text: (d: { height: number }) => `no verified header is kept to compare the witness’s block ${d.height} with`,
  },
  CONFLICT: {
    text: (d: { height: number; conflict: LightConflict }) =>
      `height ${d.height} has two certified blocks: more than a third of the power signed both or joined an attack; this client trusts nothing more. Keep the evidence, ask operators you trust, start again from a new checkpoint`,
  },
})

/** What names the network, and how long its epochs are. */
export interface LightNetwork extends Domain {
  readonly epochBlocks: number
}

/** A block without its transactions. */
export interface LightBlock {
  readonly header: Header
  readonly section: Section
  /** COMMIT of a quorum of the epoch's validators. */
  readonly certificate: Qc
}

/** The last block of an epoch and, where they change, the members of the next. */
export interface HandOver extends LightBlock {
  readonly nextValidators: readonly Validator[] | null
}

/** What is trusted at the start. A block is named by height and hash; the rest of it may come from anybody. */
export type Checkpoint =
  | { readonly kind: 'genesis'; readonly timeMs: number; readonly validators: ValidatorSet }
  | {
      readonly kind: 'block'
      readonly height: number
      readonly hash: Hash
      readonly header: Header
      readonly section: Section
      readonly validators: readonly Validator[]
    }

export interface LightOptions {
  /** Of the network: two thirds of its unbonding period, or less. */
  readonly trustingPeriodMs: number
}

/** A header that a quorum of the right set certified. Only a light client makes one. */
export interface VerifiedBlock extends LightBlock {
  readonly hash: Hash
  readonly timeMs: number
  readonly __brand: 'VerifiedBlock'
}

/** Two certified blocks of one height. */
export interface LightConflict {
  readonly height: number
  readonly verified: LightBlock
  readonly witness: LightBlock
  /** Who is in both certificates. */
  readonly signers: readonly Address[]
  /**
   * For any full node to judge: in one round both certificates prove every signer guilty (E2); and each block by itself, of which
   * the node refuses the one that is its own, and condemns the other where nobody honest can have found it valid (E6).
   */
  readonly evidence: readonly Evidence[]
}

export interface LightClient {
  /** The newest epoch whose validators are known. */
  epoch(): number
  /** Height of the hand-over that comes next. */
  nextHandOver(): number
  /** The highest verified block; null before the first. */
  latest(): VerifiedBlock | null
  /** Of the verified blocks that are kept, ascending. */
  heights(): readonly number[]
  /** null where it was not verified, or is forgotten. */
  block(height: number): VerifiedBlock | null
  /** The set of an epoch; null where it is not known, or forgotten. */
  validators(epoch: number): ValidatorSet | null
  /** Verifies the last block of the newest epoch and learns the set of the next. Throws LIGHT_*. */
  advance(handOver: HandOver, nowMs: number): VerifiedBlock
  /** Verifies any block of an epoch whose set is known. Throws LIGHT_*. */
  verify(block: LightBlock, nowMs: number): VerifiedBlock
  /** What a witness shows for a height already verified: null where it agrees. A conflict ends this client. Throws LIGHT_*. */
  crossCheck(witness: LightBlock, nowMs: number): LightConflict | null
}

/** Verified headers kept; the oldest go first. */
const HEADERS_MAX = 1_000
/** Epochs whose set is kept, and members of the distinct sets among them: 30 MB. */
const EPOCHS_MAX = 1_000
const MEMBERS_MAX = 65_536
/** As in genesis.json. */
const SET_MAX = 2_048
/** How far another clock may be ahead. */
const DRIFT_MS = 10_000
/** Encoded: a header has at most 700 bytes, a section and a certificate of 2,048 validators 650 and 420. */
const PART_BYTES_MAX = 1_024

/** Header, section and certificate as RLP. Throws LIGHT_MALFORMED. */
export function decodeLightBlock(parts: { readonly [K in keyof LightBlock]: Uint8Array }): LightBlock {
  return {
    header: decoded('the header', parts.header, decodeHeader),
    section: decoded('the consensus section', parts.section, decodeSection),
    certificate: decoded('the certificate', parts.certificate, decodeQc),
  }
}

const decoded = <T>(what: string, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T => {
  if (bytes.length > PART_BYTES_MAX)
    throw new NodeError(LightErrors.MALFORMED, { what, reason: `${bytes.length} bytes, at most ${PART_BYTES_MAX}` })
  try {
    return decode(bytes)
  } catch (cause) {
    throw new NodeError(LightErrors.MALFORMED, { what, reason: reasonOf(cause) }, { cause })
  }
}
const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Throws LIGHT_CHECKPOINT, LIGHT_VALIDATORS, LIGHT_TOO_OLD or LIGHT_FUTURE. */
export const createLightClient = (
  network: LightNetwork,
  checkpoint: Checkpoint,
  options: LightOptions,
  nowMs: number,
): LightClient => new Client(network, anchorOf(network, checkpoint), options, nowMs)

/** An account and slots of it after a verified block; `account` is null and words are 0 where nothing is. Throws PROOF_*. */
export function provenState(
  { header }: VerifiedBlock,
  address: Address,
  proof: {
    readonly account: readonly Uint8Array[]
    readonly slots: readonly { readonly key: Word; readonly nodes: readonly Uint8Array[] }[]
  },
): { readonly account: ProvenAccount | null; readonly slots: readonly Word[] } {
  const account = provenAccount(header.stateRoot, address, proof.account)
  const root = account?.storageRoot ?? EMPTY_ROOT
  return { account, slots: proof.slots.map(({ key, nodes }) => provenSlot(root, key, nodes)) }
}

interface KnownSet {
  readonly set: ValidatorSet
  readonly hash: Hash
}
/** What is trusted without a certificate. */
interface Anchor {
  readonly height: number
  readonly hash: Hash
  /** null for genesis. */
  readonly parentHash: Hash | null
  readonly timeMs: number
  /** As in the header. */
  readonly time: number
  readonly epoch: number
  readonly known: KnownSet
}

const anchorOf = (network: LightNetwork, checkpoint: Checkpoint): Anchor => {
  if (checkpoint.kind === 'genesis') {
    const { validators: set, timeMs } = checkpoint
    const known = { set, hash: validatorsHash(set) }
    const time = Math.floor(timeMs / 1_000)
    return { height: 0, hash: network.genesisHash, parentHash: null, timeMs, time, epoch: 0, known }
  }
  const { height, hash, header, section, validators } = checkpoint
  const refuse = (reason: string) => new NodeError(LightErrors.CHECKPOINT, { height, reason })
  if (header.number !== height || height === 0) throw refuse(`the header is of height ${header.number}`)
  if (!equalBytes(headerHash(header), hash)) throw refuse('the header has another hash')
  const fault = commitmentFault(header, section) ?? sectionFault(header, section, network)
  if (fault !== null) throw refuse(fault)
  const { epoch, validatorsHash: setHash } = section
  const known = { set: setOf(epoch, validators, setHash), hash: setHash }
  return { height, hash, parentHash: header.parentHash, timeMs: timeOf(header), time: header.time, epoch, known }
}

const timeOf = (header: Header): number => {
  try {
    return headerTimeMs(header)
  } catch (cause) {
    const reason = reasonOf(cause)
    throw new NodeError(LightErrors.BLOCK, { height: header.number, reason }, { cause })
  }
}

const commitmentFault = (header: Header, section: Section): string | null =>
  equalBytes(header.parentBeaconBlockRoot, sectionHash(section))
    ? null
    : 'parentBeaconBlockRoot does not commit to the consensus section'

/** What header and section alone show to be wrong, or null. */
const sectionFault = (header: Header, section: Section, { epochBlocks }: LightNetwork): string | null => {
  const { number } = header
  if (section.version !== SECTION_VERSION) return `version ${section.version} of the section is not known`
  const epoch = epochOf(number, epochBlocks)
  if (section.epoch !== epoch) return `epoch ${section.epoch}, expected ${epoch}`
  if ((section.nextValidatorsHash !== null) !== isEpochEnd(number, epochBlocks))
    return 'the last block of an epoch, and no other, names the next validators'
  const { lastCommit } = section
  if (lastCommit === null) return number === 1 ? null : 'lastCommit is missing'
  const isOfParent =
    lastCommit.type === 'commit' &&
    lastCommit.height === number - 1 &&
    equalBytes(lastCommit.blockHash, header.parentHash)
  return isOfParent && number > 1 ? null : 'lastCommit is not a COMMIT of the parent'
}

/**
 * Whether a block and a trusted one can lie on one chain: the same at one height, parent and child next to each other, and at
 * least a second for each height between them, for timestamps rise.
 */
const placeFault = (
  { header, hash }: { readonly header: Header; readonly hash: Hash },
  trusted: Pick<Anchor, 'height' | 'hash' | 'parentHash' | 'time'>,
): string | null => {
  const above = header.number - trusted.height
  const later = header.time - trusted.time
  if (above === 0) return equalBytes(hash, trusted.hash) ? null : 'the checkpoint names another block of this height'
  if (above > 0 ? later < above : later > above) return `its timestamp does not fit that of block ${trusted.height}`
  if (above === 1 && !equalBytes(header.parentHash, trusted.hash))
    return `its parent is another block ${trusted.height}`
  if (above === -1 && trusted.parentHash !== null && !equalBytes(trusted.parentHash, hash))
    return `it is not the parent of block ${trusted.height}`
  return null
}

const checkFuture = (height: number, timeMs: number, nowMs: number): void => {
  if (timeMs > nowMs + DRIFT_MS) throw new NodeError(LightErrors.FUTURE, { height, aheadMs: timeMs - nowMs })
}

/** The set of these members, if it has this hash. Costs a decompression of each key. */
const setOf = (epoch: number, members: readonly Validator[], hash: Hash): ValidatorSet => {
  const refuse = (reason: string, cause?: unknown) =>
    new NodeError(LightErrors.VALIDATORS, { epoch, reason }, { cause })
  if (members.length === 0 || members.length > SET_MAX) throw refuse(`${members.length} members, from 1 to ${SET_MAX}`)
  const bad = members.findIndex(({ address, blsKey, power }) => {
    return address.length !== 20 || blsKey.length !== 48 || power <= 0n || power >= 2n ** 64n
  })
  if (bad >= 0) throw refuse(`member ${bad} is not an address, a key of 48 bytes and a power from 1 to 2^64 - 1`)
  if (new Set(members.map(({ address }) => String(address))).size < members.length) throw refuse('an address is twice')
  const set = createValidatorSet(members)
  let have: Hash
  try {
    have = validatorsHash(set)
  } catch (cause) {
    throw refuse('a key is no point of the curve', cause)
  }
  if (!equalBytes(have, hash)) throw refuse('they are not those that the certified header names')
  return set
}

/** With the parent of each where it is `below`. */
const evidenceAgainst = (both: readonly LightBlock[], below: VerifiedBlock | null, memberCount: number): Evidence[] => {
  const votes = both.map(({ certificate: qc }) => ({ kind: 'qc', qc }) as const)
  return [
    ...offencesBetween(votes, memberCount).map(({ evidence }) => evidence),
    ...both.map(({ header, section, certificate: qc }): Evidence => {
      const isParent = below !== null && equalBytes(below.hash, header.parentHash)
      return { kind: 'header', header, section, qc, parent: isParent ? below.header : null }
    }),
  ]
}

class Client implements LightClient {
  readonly #network: LightNetwork
  readonly #anchor: Anchor
  readonly #options: LightOptions
  /** By height, in the order they came. */
  readonly #blocks = new Map<number, VerifiedBlock>()
  /** By epoch, ascending. */
  readonly #sets = new Map<number, KnownSet>()
  #newest: number
  /** Of the distinct sets kept. */
  #memberCount: number
  #latest: VerifiedBlock | null = null
  #conflict: LightConflict | null = null

  constructor(network: LightNetwork, anchor: Anchor, options: LightOptions, nowMs: number) {
    this.#network = network
    this.#anchor = anchor
    this.#options = options
    this.#newest = anchor.epoch
    this.#sets.set(anchor.epoch, anchor.known)
    this.#memberCount = anchor.known.set.members.length
    this.#checkAge(anchor, nowMs)
    checkFuture(anchor.height, anchor.timeMs, nowMs)
  }

  epoch(): number {
    return this.#newest
  }
  nextHandOver(): number {
    return (this.#newest + 1) * this.#network.epochBlocks
  }
  latest(): VerifiedBlock | null {
    return this.#latest
  }
  heights(): readonly number[] {
    return [...this.#blocks.keys()].sort((a, b) => a - b)
  }
  block(height: number): VerifiedBlock | null {
    return this.#blocks.get(height) ?? null
  }
  validators(epoch: number): ValidatorSet | null {
    return this.#sets.get(epoch)?.set ?? null
  }

  advance(handOver: HandOver, nowMs: number): VerifiedBlock {
    const { number } = handOver.header
    const want = this.nextHandOver()
    if (number !== want) throw new NodeError(LightErrors.ORDER, { height: number, want })
    const verified = this.verify(handOver, nowMs)
    this.#learn(this.#nextSet(verified.section, handOver.nextValidators))
    return verified
  }

  verify(block: LightBlock, nowMs: number): VerifiedBlock {
    const height = block.header.number
    const kept = this.#blocks.get(height)
    if (kept === undefined) {
      this.#checkTrust(nowMs)
      return this.#keep(this.#verified(block, nowMs))
    }
    const conflict = this.#compare(kept, block, nowMs)
    if (conflict !== null) throw new NodeError(LightErrors.CONFLICT, { height, conflict })
    return kept
  }

  crossCheck(witness: LightBlock, nowMs: number): LightConflict | null {
    const height = witness.header.number
    const kept = this.#blocks.get(height)
    if (kept === undefined) throw new NodeError(LightErrors.UNKNOWN, { height })
    return this.#compare(kept, witness, nowMs)
  }

  /** The same hash is the same block. Another counts where a quorum certified it, whatever else is wrong with it. */
  #compare(kept: VerifiedBlock, other: LightBlock, nowMs: number): LightConflict | null {
    this.#checkTrust(nowMs)
    if (equalBytes(kept.hash, headerHash(other.header))) return null
    const known = this.#setFor(kept.header)
    this.#checkCertified(other, known)
    const size = known.set.members.length
    const inOther = bitmapMembers(other.certificate.bitmap, size) ?? []
    const inBoth = bitmapMembers(kept.certificate.bitmap, size)?.filter((i) => inOther.includes(i)) ?? []
    const { header, section, certificate } = kept
    const verified = { header, section, certificate }
    this.#conflict = {
      height: header.number,
      verified,
      witness: other,
      signers: inBoth.map((i) => (known.set.members[i] as Validator).address),
      evidence: evidenceAgainst([verified, other], this.block(header.number - 1), size),
    }
    return this.#conflict
  }

  /** Everything that can be known of one block, the cheap first, the signatures last. */
  #verified(block: LightBlock, nowMs: number): VerifiedBlock {
    const { header, section } = block
    const height = header.number
    const refuse = (reason: string) => new NodeError(LightErrors.BLOCK, { height, reason })
    const known = this.#setFor(header)
    const timeMs = timeOf(header)
    checkFuture(height, timeMs, nowMs)
    this.#checkAge({ height, timeMs }, nowMs)
    const fault = sectionFault(header, section, this.#network)
    if (fault !== null) throw refuse(fault)
    if (!equalBytes(section.validatorsHash, known.hash)) throw refuse('it names other validators than its epoch has')
    const placed = { header, hash: headerHash(header) }
    for (const trusted of this.#trusted()) {
      const misplaced = placeFault(placed, trusted)
      if (misplaced !== null) throw refuse(misplaced)
    }
    this.#checkCertified(block, known)
    return { ...placed, section, certificate: block.certificate, timeMs } as VerifiedBlock // the brand says that this ran
  }

  /** Section, header and certificate are one, and a quorum of the set signed. */
  #checkCertified({ header, section, certificate }: LightBlock, known: KnownSet): void {
    const height = header.number
    const reason = commitmentFault(header, section)
    if (reason !== null) throw new NodeError(LightErrors.BLOCK, { height, reason })
    const isOfBlock =
      certificate.type === 'commit' &&
      certificate.height === height &&
      equalBytes(certificate.blockHash, headerHash(header))
    if (!isOfBlock) throw new NodeError(LightErrors.CERTIFICATE, { height, reason: 'it is not a COMMIT of this block' })
    try {
      checkQc(certificate, known.set, this.#network)
    } catch (cause) {
      throw new NodeError(LightErrors.CERTIFICATE, { height, reason: reasonOf(cause) }, { cause })
    }
  }

  #setFor({ number: height }: Header): KnownSet {
    const epoch = epochOf(height, this.#network.epochBlocks)
    const known = height > 0 ? this.#sets.get(epoch) : undefined
    if (known !== undefined) return known
    const oldest = this.#sets.keys().next().value ?? this.#newest
    throw new NodeError(LightErrors.EPOCH, { height, epoch, oldest, newest: this.#newest })
  }

  #nextSet({ nextValidatorsHash, epoch }: Section, members: readonly Validator[] | null): KnownSet {
    const current = this.#sets.get(this.#newest) as KnownSet // the newest is never forgotten
    assert(nextValidatorsHash !== null, 'the last block of an epoch names the next validators')
    if (equalBytes(nextValidatorsHash, current.hash)) return current
    if (members === null)
      throw new NodeError(LightErrors.VALIDATORS, { epoch: epoch + 1, reason: 'they change, and are not given' })
    return { hash: nextValidatorsHash, set: setOf(epoch + 1, members, nextValidatorsHash) }
  }

  #learn(next: KnownSet): void {
    if (this.#sets.get(this.#newest) !== next) this.#memberCount += next.set.members.length
    this.#newest++
    this.#sets.set(this.#newest, next)
    for (const [epoch, known] of this.#sets) {
      if (this.#sets.size <= EPOCHS_MAX && this.#memberCount <= MEMBERS_MAX) break
      this.#sets.delete(epoch)
      if (this.#sets.get(epoch + 1) !== known) this.#memberCount -= known.set.members.length
    }
  }

  #keep(block: VerifiedBlock): VerifiedBlock {
    const [oldest] = this.#blocks.keys()
    if (oldest !== undefined && this.#blocks.size >= HEADERS_MAX) this.#blocks.delete(oldest)
    this.#blocks.set(block.header.number, block)
    if (this.#latest === null || block.header.number > this.#latest.header.number) this.#latest = block
    return block
  }

  *#trusted(): Generator<Pick<Anchor, 'height' | 'hash' | 'parentHash' | 'time'>> {
    yield this.#anchor
    for (const { header, hash } of this.#blocks.values())
      yield { height: header.number, hash, parentHash: header.parentHash, time: header.time }
  }

  #checkTrust(nowMs: number): void {
    if (this.#conflict !== null)
      throw new NodeError(LightErrors.CONFLICT, { height: this.#conflict.height, conflict: this.#conflict })
    const latest = this.#latest
    const isNewer = latest !== null && latest.timeMs > this.#anchor.timeMs
    this.#checkAge(isNewer ? { height: latest.header.number, timeMs: latest.timeMs } : this.#anchor, nowMs)
  }

  /** Weak subjectivity: of the newest that is trusted, and of every block, for whoever signed before has nothing left to lose. */
  #checkAge({ height, timeMs }: Pick<Anchor, 'height' | 'timeMs'>, nowMs: number): void {
    const { trustingPeriodMs: periodMs } = this.#options
    if (nowMs - timeMs > periodMs) throw new NodeError(LightErrors.TOO_OLD, { height, timeMs, periodMs })
  }
}
