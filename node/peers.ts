// peers.txt: where the founders' nodes are reached, a multiaddr a line. Owns its reading and writing.
import { peerAddress } from '../p2p/identity.ts'
import { readText } from './source.ts'

const PEERS_MAX_BYTES = 1024 * 1024

/** Empty lines and those that begin with # are left out. Throws SOURCE_FILE, P2P_ADDRESS and P2P_PEER_ADDRESS. */
export const readPeers = (file: string): string[] =>
  readText(file, PEERS_MAX_BYTES)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => peerAddress(line, null).text)

/** One address a member, the last one given, in the order of their peer ids; those of others are left out. */
export const latestOf = (addresses: readonly string[], members: readonly (string | null)[]): string[] => {
  const byPeer = new Map(addresses.map((text) => [peerAddress(text, null).peer, text]))
  return [...byPeer]
    .flatMap(([peer, text]) => (members.includes(peer) ? [[peer, text] as const] : []))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
}
