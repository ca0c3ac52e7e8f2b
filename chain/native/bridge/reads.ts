// What a node asks of the bridge's state without running anything: which vault counts, and what is settled.
import type { Address, Hash } from '../../base/bytes.ts'
import { openStore, type Words } from '../kit/slots.ts'
import { layout } from './layout.ts'
import { isNobody, Status } from './message.ts'

export interface BridgeReads {
  /** By their ids, in the order in which governance connected them. */
  chains(): readonly bigint[]
  /** null where the chain is not connected. */
  vaultOf(chain: bigint): Address | null
  /** Whether a message that came in was delivered, refused or noticed. */
  isSettled(id: Hash): boolean
}

export function bridgeReads(words: Words): BridgeReads {
  const store = openStore(layout, words)
  return {
    chains: () => Array.from({ length: store.chainIds.length() }, (_, i) => store.chainIds.item(i).get()),
    vaultOf(chain) {
      const vault = store.chains.at(chain).vault.get()
      return isNobody(vault) ? null : vault
    },
    isSettled: (id) => store.transfers.at(id).status.get() >= Status.delivered,
  }
}
