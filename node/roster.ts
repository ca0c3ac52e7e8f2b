// Which peer is which validator. Owns what peers announce of themselves and believes it once their signature is checked: when a
// message is for that validator, and not before, so that junk costs nothing.
import { concat, equalBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Validator } from '../chain/types/validators.ts'
import { type Domain, peerPayload, SignType, signBytes } from '../chain/types/vote.ts'
import type { PeerId } from '../p2p/network.ts'
import type { Signer } from './signer.ts'

const KEY_BYTES = 48
const SIGNATURE_BYTES = 96
const CLAIM_BYTES = KEY_BYTES + SIGNATURE_BYTES
/** A validator that changes its key speaks for two. */
const CLAIMS_MAX = 2

/** For each key: BLS key ‖ its signature over this network and the peer id. */
export const announcementOf = async (signers: readonly Signer[], self: PeerId): Promise<Uint8Array> =>
  concat(...(await Promise.all(signers.map(async (each) => concat(each.publicKey, await each.announce(self))))))

interface Claim {
  readonly key: Uint8Array
  readonly signature: Uint8Array
  /** null until somebody asked. */
  isTrue: boolean | null
}

export class Roster {
  readonly #domain: Domain
  readonly #claims = new Map<PeerId, readonly Claim[]>()

  constructor(domain: Domain) {
    this.#domain = domain
  }

  /** A peer came. What is no announcement is the same as none: later versions may say other things. */
  add(peer: PeerId, announcement: Uint8Array): void {
    this.remove(peer)
    const count = announcement.length / CLAIM_BYTES
    if (!Number.isInteger(count) || count < 1 || count > CLAIMS_MAX) return
    const claims = Array.from({ length: count }, (_, i): Claim => {
      const claim = announcement.slice(i * CLAIM_BYTES, (i + 1) * CLAIM_BYTES)
      return { key: claim.slice(0, KEY_BYTES), signature: claim.slice(KEY_BYTES), isTrue: null }
    })
    this.#claims.set(peer, claims)
  }
  remove(peer: PeerId): void {
    this.#claims.delete(peer)
  }

  /** Peers that speak for this validator. */
  peersOf({ blsKey }: Validator): readonly PeerId[] {
    return [...this.#claims].flatMap(([peer, claims]) => {
      const claim = claims.find(({ key }) => equalBytes(key, blsKey))
      if (claim === undefined) return []
      claim.isTrue ??= this.#holds(peer, claim)
      return claim.isTrue ? [peer] : []
    })
  }

  #holds(peer: PeerId, { key, signature }: Claim): boolean {
    return curves().blsVerify([key], signBytes(this.#domain, SignType.peer, peerPayload(peer)), signature)
  }
}
