// A run of final blocks under one certificate, and the check that makes it final: each block commits to its parent and to the
// certificate it brings, and a quorum vouches for the last. Owns no state; whether the blocks hold is found by running them.
import { bytesToHex, equalBytes, type Hash } from '../base/bytes.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { type Block, sectionHash } from './block.ts'
import { epochOf, type ValidatorSet } from './validators.ts'
import { checkQc, type Domain, type Qc } from './vote.ts'

export const RunErrors = defineErrors('RUN', {
  FALSE: {
    text: (d: { height: number; reason: string }) => `block ${d.height} is no final block of this chain: ${d.reason}`,
  },
})

/** Consecutive blocks of one epoch. */
export interface FinalRun {
  readonly blocks: readonly Block[]
  readonly commit: Qc
}

/** A block that the operator knows to be of this chain; one with another hash at its height is refused. */
export interface Checkpoint {
  /** Above 0. */
  readonly height: number
  readonly hash: Hash
}

export const isCommitOf = (qc: Qc, { header, hash }: Block): boolean =>
  qc.type === 'commit' && header.number > 0 && qc.height === header.number && equalBytes(qc.blockHash, hash)

export const fitsCheckpoint = ({ header, hash }: Block, checkpoint: Checkpoint | null): boolean =>
  checkpoint === null || checkpoint.height !== header.number || equalBytes(checkpoint.hash, hash)

/** Throws RUN_FALSE or VOTE_CERTIFICATE. `set` is that of the height after `parent`. */
export function checkRun(
  { blocks, commit }: FinalRun,
  parent: Block,
  rules: {
    readonly set: ValidatorSet
    readonly domain: Domain
    readonly epochBlocks: number
    readonly checkpoint: Checkpoint | null
  },
): void {
  const epoch = epochOf(parent.header.number + 1, rules.epochBlocks)
  let last = parent
  for (const block of blocks) {
    const { header, section } = block
    const refuse = (reason: string) => new NodeError(RunErrors.FALSE, { height: header.number, reason })
    if (header.number !== last.header.number + 1 || !equalBytes(header.parentHash, last.hash))
      throw refuse(`it does not follow block ${last.header.number}, ${bytesToHex(last.hash)}`)
    if (epochOf(header.number, rules.epochBlocks) !== epoch) throw refuse('it is of the next epoch')
    if (section === null || !equalBytes(header.parentBeaconBlockRoot, sectionHash(section)))
      throw refuse('its consensus section is another')
    if (!fitsCheckpoint(block, rules.checkpoint))
      throw refuse(`it is ${bytesToHex(block.hash)}, the checkpoint has another hash`)
    const { lastCommit } = section
    if (lastCommit === null ? header.number > 1 : !isCommitOf(lastCommit, last))
      throw refuse('it brings no certificate of its parent')
    last = block
  }
  if (!isCommitOf(commit, last))
    throw new NodeError(RunErrors.FALSE, { height: last.header.number, reason: 'the certificate is of another' })
  checkQc(commit, rules.set, rules.domain)
}
