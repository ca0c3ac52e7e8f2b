// Certified blocks without transactions, for the light client's tests and bench: headers, sections and certificates by real BLS
// keys, with sets that change as the caller says. No node makes these: its sets are static until there is staking.
import { asAddress, asHash, bigintToFixed, bytesToBigint, concat, type Hash } from '../../chain/base/bytes.ts'
import { curves, EMPTY_ROOT, keccak } from '../../chain/base/crypto.ts'
import type { HandOver, LightNetwork } from '../../chain/light.ts'
import { encodeExtra, type Header, headerHash, nextRandao, type Section, sectionHash } from '../../chain/types/block.ts'
import {
  createValidatorSet,
  epochOf,
  isEpochEnd,
  type ValidatorSet,
  validatorsHash,
} from '../../chain/types/validators.ts'
import { bitmapOf, type Qc, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'

export interface Signers {
  readonly set: ValidatorSet
  readonly hash: Hash
  /** In set order. */
  readonly secrets: readonly Uint8Array[]
}

/** One validator of power 10 for each seed. */
export function signersFrom(seeds: readonly number[]): Signers {
  const members = seeds.map((seed) => {
    const secret = concat(Uint8Array.of(1), keccak(bigintToFixed(BigInt(seed), 32)).subarray(1)) // below the group's order
    const address = asAddress(keccak(secret).subarray(12))
    return { secret, validator: { address, blsKey: curves().blsPublicKey(secret), power: 10n } }
  })
  const set = createValidatorSet(members.map(({ validator }) => validator))
  const secrets = set.members.map(({ address }) => {
    return members.find(({ validator }) => validator.address === address)?.secret as Uint8Array
  })
  return { set, hash: validatorsHash(set), secrets }
}

const GROUP_ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n
/** The sum of the signatures of these members is the signature by the sum of their secrets: one signing for any number. */
const sumOf = (secrets: readonly Uint8Array[]): Uint8Array =>
  bigintToFixed(
    secrets.reduce((sum, secret) => (sum + bytesToBigint(secret)) % GROUP_ORDER, 0n),
    32,
  )

export const certify = (
  network: LightNetwork,
  vote: Pick<Qc, 'height' | 'blockHash'> & Partial<Pick<Qc, 'type' | 'round'>>,
  { set, secrets }: Signers,
  by: readonly number[] = [...set.members.keys()],
): Qc => {
  const { type = 'commit', round = 0, height, blockHash } = vote
  const message = signBytes(network, SignType[type], votePayload(height, round, blockHash))
  const signature = curves().blsSign(sumOf(by.map((i) => secrets[i] as Uint8Array)), message)
  return { type, height, round, blockHash, bitmap: bitmapOf(by, set.members.length), signature }
}

const NO_REVEAL = new Uint8Array(96)

export interface Draft {
  readonly height: number
  readonly parentHash: Hash
  readonly signers: Signers
  readonly next: Signers
  readonly header?: Partial<Header>
  readonly section?: Partial<Section>
  readonly by?: readonly number[]
  readonly round?: number
}

/** 3 s for each height. `next` counts at the last block of an epoch. */
export function certifiedBlock(network: LightNetwork, draft: Draft): HandOver {
  const { height, parentHash, signers, next } = draft
  const isLast = isEpochEnd(height, network.epochBlocks)
  const lastCommit: Qc = {
    ...{ type: 'commit', height: height - 1, round: 0, blockHash: parentHash },
    ...{ bitmap: bitmapOf([...signers.set.members.keys()], signers.set.members.length), signature: new Uint8Array(96) },
  }
  const section: Section = {
    version: 1,
    epoch: epochOf(height, network.epochBlocks),
    proposerIndex: 0,
    validatorsHash: signers.hash,
    nextValidatorsHash: isLast ? next.hash : null,
    reveal: NO_REVEAL,
    lastCommit: height === 1 ? null : lastCommit,
    ...draft.section,
  }
  const header: Header = {
    parentHash,
    coinbase: asAddress(new Uint8Array(20)),
    stateRoot: EMPTY_ROOT,
    transactionsRoot: EMPTY_ROOT,
    receiptsRoot: EMPTY_ROOT,
    bloom: new Uint8Array(256),
    number: height,
    gasLimit: 30_000_000n,
    gasUsed: 0n,
    time: START_SECONDS + 3 * height,
    extraData: encodeExtra({ originRound: 0, ms: 0 }),
    prevRandao: asHash(new Uint8Array(32)),
    baseFeeWei: 7n,
    parentBeaconBlockRoot: sectionHash(section),
    ...draft.header,
  }
  const vote = { height, blockHash: headerHash(header), round: draft.round ?? 0 }
  const certificate = certify(network, vote, signers, draft.by)
  return { header, section, certificate, nextValidators: isLast ? next.set.members : null }
}

export const START_SECONDS = 1_800_000_000

export interface LightChain {
  readonly network: LightNetwork
  signers(epoch: number): Signers
  /** Every block but genesis, each on the one before. */
  block(height: number): HandOver
  /** The block of that height, but for what is given. */
  fork(height: number, over: Partial<Draft>): HandOver
}

/** `change` alters blocks, and so all that follow. */
export function createLightChain(
  network: LightNetwork,
  signersOf: (epoch: number) => Signers,
  change: (height: number) => Pick<Draft, 'header'> = () => ({}),
): LightChain {
  const sets = new Map<number, Signers>()
  const blocks: HandOver[] = []
  const signers = (epoch: number): Signers => {
    const known = sets.get(epoch) ?? signersOf(epoch)
    sets.set(epoch, known)
    return known
  }
  const draftOf = (height: number): Draft => {
    const parent = height === 1 ? null : block(height - 1)
    const epoch = epochOf(height, network.epochBlocks)
    const sets = { signers: signers(epoch), next: signers(epoch + 1) }
    if (parent === null) return { height, parentHash: network.genesisHash, ...sets, ...change(height) }
    const header = { prevRandao: nextRandao(parent.header, NO_REVEAL), ...change(height).header }
    const section = { lastCommit: parent.certificate }
    return { height, parentHash: headerHash(parent.header), ...sets, header, section }
  }
  const block = (height: number): HandOver => {
    for (let at = blocks.length + 1; at <= height; at++) blocks.push(certifiedBlock(network, draftOf(at)))
    return blocks[height - 1] as HandOver // made above
  }
  return {
    ...{ network, signers, block },
    fork(height, over) {
      const draft = draftOf(height)
      const parts = { header: { ...draft.header, ...over.header }, section: { ...draft.section, ...over.section } }
      return certifiedBlock(network, { ...draft, ...over, ...parts })
    },
  }
}
