// What a node tells its peers of its release, and what it makes of theirs: versions, the forks they know, and who runs other rules under the same
// name. Owns the bytes in a greeting, and the warnings before a fork that this release does not know.
import type { Log, Meter } from '../chain/base/ports.ts'
import { asList, asNumber, asText, decodeSparseRlp, encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import type { Chain } from '../chain/chain.ts'
import { type Fork, forkWarning, isForkName, isForkVersion } from '../chain/types/forks.ts'
import { isEpochEnd } from '../chain/types/validators.ts'
import type { PeerInfo } from '../p2p/network.ts'
import { SOFTWARE_MAX_BYTES } from '../p2p/wire.ts'

export interface Software {
  readonly version: string
  readonly forks: readonly { readonly name: string; readonly revision: number }[]
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** The newest forks, where all of them are too many bytes: peers part over those alone. */
export function encodeSoftware({ version, forks }: Software): Uint8Array {
  const bytes = encodeRlp([text(version), forks.map(({ name, revision }) => [text(name), rlpInt(revision)])])
  return bytes.length <= SOFTWARE_MAX_BYTES ? bytes : encodeSoftware({ version, forks: forks.slice(1) })
}
/** null where it is not said, or not in a way that this release understands: no reason to part. */
export function decodeSoftware(bytes: Uint8Array): Software | null {
  if (bytes.length === 0) return null
  try {
    const [version, forks] = asList(decodeSparseRlp(bytes))
    const listed = asList(forks).map((item) => {
      const [name, revision] = asList(item)
      return { name: asText(name), revision: asNumber(revision) }
    })
    const said = { version: asText(version), forks: listed }
    return isForkVersion(said.version) && listed.every(({ name }) => isForkName(name)) ? said : null
  } catch {
    return null
  }
}

export const softwareOf = (version: string, known: readonly Fork[]): Software => ({
  version,
  forks: known.map(({ name, revision }) => ({ name, revision })),
})

/** What `Ctx.net.software` answers. */
export const softwareOfPeers = (peers: readonly PeerInfo[]) =>
  peers.map(({ id, software }) => {
    const said = decodeSoftware(software)
    return { id, version: said?.version ?? null, forks: said?.forks.map(({ name }) => name) ?? null }
  })

/**
 * Why a peer's release does not fit this chain, as the end of "it is …"; null where it does. The schedule itself is the chain's, so nodes can
 * differ only in what they take its names for: in one that they do not know though it holds, or know in another revision.
 */
export function disagreement(chain: Chain, bytes: Uint8Array): string | null {
  const theirs = decodeSoftware(bytes)
  if (theirs === null) return null
  const unsaid = olderThanSaid(chain.forks.known, theirs)
  for (const { name, epoch, version, isActive } of chain.forks.outlook()) {
    const mine = chain.forks.known.find((fork) => fork.name === name)
    const found = theirs.forks.find((fork) => fork.name === name)
    if (isActive && epoch > 0 && found === undefined && !unsaid.has(name))
      return (
        `of version ${theirs.version}, which does not know the fork ${name} that holds here since epoch ${epoch}; ` +
        `${version === '' ? 'a newer one' : `version ${version}`} does`
      )
    if (mine !== undefined && found !== undefined && mine.revision !== found.revision)
      return (
        `of version ${theirs.version}, whose fork ${name} is revision ${found.revision}, where revision ${mine.revision} ` +
        `${isActive ? 'holds' : 'will hold'} here from epoch ${epoch} on: the older of both has to be replaced`
      )
  }
  return null
}

/** Those before the oldest that a peer lists: it may have left them out for want of room. Releases add forks at the end, and take none away. */
const olderThanSaid = (known: readonly Fork[], { forks: [oldest] }: Software): ReadonlySet<string> => {
  const at = known.findIndex(({ name }) => name === oldest?.name)
  const count = oldest === undefined ? 0 : at < 0 ? known.length : at
  return new Set(known.slice(0, count).map(({ name }) => name))
}

/**
 * Says what is scheduled when that changes, and warns of what this release does not know: at the start, and with each epoch. Throws FORK_UNKNOWN
 * where the next block is under such rules.
 */
export function watchForks(
  chain: Chain,
  { log, meter }: { readonly log: Log; readonly meter: Meter },
): { warning(): string | null } {
  const left = meter.gauge(
    'chain_unknown_fork_seconds',
    'Seconds until a fork that this release does not know, by the block time; -1 where there is none',
  )
  chain.forks.checkNext()
  let said = ''
  const look = (isNewEpoch: boolean): void => {
    const forks = chain.forks.outlook()
    const unknown = forks.find(({ isKnown }) => !isKnown)
    left.set(unknown?.secondsLeft ?? -1)
    const coming = forks.filter(({ isActive }) => !isActive)
    const now = JSON.stringify(coming.map(({ name, epoch, version }) => [name, epoch, version]))
    const isNews = now !== said
    said = now
    if (isNews)
      for (const { name, epoch, height, version, isKnown } of coming)
        log.info({ fork: name, epoch, height, version, known: isKnown }, 'a fork is scheduled')
    const warning = forkWarning(forks)
    if (warning !== null && (isNews || isNewEpoch)) log.warn({ fork: unknown?.name, height: unknown?.height }, warning)
  }
  look(true)
  chain.watch('head', ({ block }) => look(isEpochEnd(block.header.number, chain.genesis.epochBlocks)))
  return { warning: () => forkWarning(chain.forks.outlook()) }
}
