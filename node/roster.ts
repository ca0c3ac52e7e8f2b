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
const NOBODY = new Uint8Array(0)

/** BLS key ‖ its signature over this network and the peer id; empty for who is no validator. */
export const announcementOf = async (signer: Signer | null, self: PeerId): Promise<Uint8Array> =>
  signer === null ? NOBODY : concat(signer.publicKey, await signer.announce(self))

interface Claim {
  readonly key: Uint8Array
  readonly signature: Uint8Array
  /** null until somebody asked. */
  isTrue: boolean | null
}

export class Roster {
  readonly #domain: Domain
  readonly #claims = new Map<PeerId, Claim>()

  constructor(domain: Domain) {
    this.#domain = domain
  }

  /** A peer came. What is no announcement is the same as none: later versions may say other things. */
  add(peer: PeerId, announcement: Uint8Array): void {
    this.remove(peer)
    if (announcement.length !== KEY_BYTES + SIGNATURE_BYTES) return
    const key = announcement.slice(0, KEY_BYTES)
    this.#claims.set(peer, { key, signature: announcement.slice(KEY_BYTES), isTrue: null })
  }
  remove(peer: PeerId): void {
    this.#claims.delete(peer)
  }

  /** Peers that speak for this validator. */
  peersOf({ blsKey }: Validator): readonly PeerId[] {
    return [...this.#claims].flatMap(([peer, claim]) => {
      if (!equalBytes(claim.key, blsKey)) return []
      claim.isTrue ??= this.#holds(peer, claim)
      return claim.isTrue ? [peer] : []
    })
  }

  #holds(peer: PeerId, { key, signature }: Claim): boolean {
    return curves().blsVerify([key], signBytes(this.#domain, SignType.peer, peerPayload(peer)), signature)
  }
}
