// Who a node is among peers: the libp2p name of its ed25519 key, and the form of addresses that name one.
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { addressOf, isDialable, peerIn } from './dialing.ts'
import type { PeerId } from './network.ts'

export const IdentityErrors = defineErrors('P2P', {
  PEER_ADDRESS: {
    text: (d: { address: string; reason: string }) =>
      `${JSON.stringify(d.address.slice(0, 200))} is no address of a peer: ${d.reason}; write /ip4/<address>/tcp/<port>/p2p/<peer id>, or /dns4/<name>/…`,
  },
})

/** The text of the peer id. `keySecret`: 32 bytes, as `p2p.keyFile` holds them. */
export const peerIdOf = async (keySecret: Uint8Array): Promise<PeerId> =>
  peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', keySecret)).toString()

/** In the one spelling that nodes use; there are others of the same peer. */
export function isPeerId(text: string): boolean {
  try {
    return peerIdFromString(text).toString() === text
  } catch {
    return false
  }
}

export interface PeerAddress {
  /** With /p2p/<peer id> at its end. */
  readonly text: string
  readonly peer: PeerId
}

/** Others can dial it, and know who must answer. `self` is put behind an address that names nobody. Throws P2P_ADDRESS and P2P_PEER_ADDRESS. */
export function peerAddress(text: string, self: PeerId | null): PeerAddress {
  const refuse = (reason: string) => new NodeError(IdentityErrors.PEER_ADDRESS, { address: text, reason })
  // Lists of them are parted by commas and lines.
  if (!/^[!-+\--~]{1,200}$/.test(text)) throw refuse('expected at most 200 letters without spaces and commas')
  const address = addressOf(text)
  if (!isDialable(address)) throw refuse('expected a host and a TCP port')
  const named = peerIn(address)
  const peer = named ?? self
  if (peer === null) throw refuse('it names no peer')
  if (self !== null && peer !== self) throw refuse(`it names the peer ${peer}, expected ${self}`)
  return { text: named === null ? `${address}/p2p/${peer}` : address.toString(), peer }
}
