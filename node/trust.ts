// Weak subjectivity: what a node must be told before it may believe its peers. Validators that have left can sign another past for
// free once nothing of theirs can be taken any more; so who was away for long, or is new to an old chain, needs one block that its
// operator knows to be right.
import { asHash, bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Chain } from '../chain/chain.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import type { Rules } from '../chain/types/genesis.ts'
import type { Checkpoint } from '../chain/types/run.ts'

export const TrustErrors = defineErrors('TRUST', {
  HALF: {
    text: () =>
      'a checkpoint is a height and a hash: give both --trust-height and --trust-hash (sync.trustHeight and sync.trustHash), or neither',
  },
  STALE: {
    text: (d: { height: number; hash: string; days: number; max: number }) =>
      `the last block here, ${d.height}, is ${d.days} days old, and after ${d.max} days validators that left could show this node ` +
      'another chain: ask somebody you trust, or a block explorer, for a recent block, and start with ' +
      '--trust-height <height> --trust-hash <hash>' +
      (d.height === 0
        ? '. A network that begins only now needs a genesis with a timestamp of now'
        : `. If the network stood still and block ${d.height} is its last: --trust-height ${d.height} --trust-hash ${d.hash}`),
  },
})

/** Two thirds of the time that stake stays punishable after it left, 21 days: a third is for evidence to arrive and count. */
const TRUST_DAYS = 14
const DAY_MS = 86_400_000

/** How long a block is trusted for what follows it. */
export const trustingPeriodMs = ({ development }: Pick<Rules, 'development'>): number =>
  // Keys of a development network are everybody's: there is nothing to protect.
  development ? Number.POSITIVE_INFINITY : TRUST_DAYS * DAY_MS

/** Height 0 and an empty hash are none. Throws TRUST_HALF. */
export function checkpointOf(height: number, hash: string): Checkpoint | null {
  if ((height === 0) !== (hash === '')) throw new NodeError(TrustErrors.HALF, undefined)
  return height === 0 ? null : { height, hash: asHash(hexToBytes(hash)) }
}

/** Throws TRUST_STALE where the head, or the genesis of a new node, is too old to follow peers from without a checkpoint. */
export function refuseStale(chain: Chain, nowMs: number): void {
  const { genesis, checkpoint } = chain
  const { header, hash } = chain.head()
  const days = Math.floor((nowMs - headerTimeMs(header)) / DAY_MS)
  // Keys of a development network are everybody's: there is nothing to protect.
  if (genesis.development || checkpoint !== null || days < TRUST_DAYS) return
  throw new NodeError(TrustErrors.STALE, { height: header.number, hash: bytesToHex(hash), days, max: TRUST_DAYS })
}
