// Who may be a peer by the network's own list, which governance keeps in `params`. Owns looking at it with each new head, having peers judged
// again, and saying so where this node itself is not let in.
import type { Log } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { permitsIn } from '../chain/native/index.ts'
import type { Network, PeerId } from '../p2p/network.ts'

export interface PeerList {
  /** As of the head. */
  readonly permits: (peer: PeerId) => boolean
  /** From now on, with each head. */
  enforce(network: Pick<Network, 'self' | 'review'>): void
}

const bytes = (peer: PeerId): Uint8Array => new TextEncoder().encode(peer)

export function openPeerList(chain: Pick<Chain, 'at' | 'head' | 'watch'>, log: Log): PeerList {
  const look = () => permitsIn(chain.at(chain.head().header.number), 'peers')
  let list = look()
  const permits = (peer: PeerId): boolean => list?.(bytes(peer)) ?? true
  return {
    permits,
    enforce(network) {
      let wasLetIn = true
      const judge = (): void => {
        list = look()
        const isLetIn = permits(network.self)
        const peer = network.self
        if (wasLetIn && !isLetIn)
          log.warn(
            { peer },
            'this node is not let in by the list of peers that governance keeps for this network: others drop it, but for those that name it in p2p.persistent',
          )
        if (!wasLetIn && isLetIn) log.info({ peer }, 'this node is let in by the list of peers again')
        wasLetIn = isLetIn
        if (list !== null) network.review()
      }
      judge()
      chain.watch('head', judge)
    },
  }
}
