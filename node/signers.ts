// The signers of a node: keys that lie with it, each with its lock and its record, or keys of a signer elsewhere, of whose records it keeps
// copies. Owns where records lie: beside each other under the names of their keys, so that a record goes on with its key.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import type { Chain } from '../chain/chain.ts'
import { lockKey } from './lock.ts'
import { openRecordFile } from './record.ts'
import { connectSigner, type RemoteOptions, type RemoteSigner } from './remote/client.ts'
import { keepRecord, openSigner, type Signer } from './signer.ts'
import { monotonicClock, systemTimers } from './system.ts'

export interface ValidatorKey {
  readonly secret: Uint8Array
  /** Where the secret comes from, for its lock; null: a development key, which everybody has. */
  readonly file: string | null
}

/** BLS secrets, the second one for a key that is to take the place of the first; none follows the chain without signing. */
export type KeyChoice =
  | { readonly kind: 'here'; readonly keys: readonly ValidatorKey[] }
  | { readonly kind: 'elsewhere'; readonly at: RemoteOptions }

export interface Signers {
  readonly signers: readonly Signer[]
  /** null where the keys are here. */
  readonly remote: RemoteSigner | null
}

export const recordPath = (dir: string, publicKey: Uint8Array): string =>
  join(dir, `signer-${bytesToHex(publicKey).slice(2, 18)}.json`)

/** Names of the records in a folder, sorted. */
export const recordsIn = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => /^signer-[0-9a-f]{16}\.json$/.test(name))
    .sort()

/** `closers` end what it opens, in the reverse order. Throws what locks, records and the way to a signer elsewhere throw. */
export async function openSigners(
  choice: KeyChoice,
  dir: string,
  { genesis, genesisHash }: Pick<Chain, 'genesis' | 'genesisHash'>,
  { log, meter }: { readonly log: Log; readonly meter: Meter },
  closers: (() => Promise<void>)[],
): Promise<Signers> {
  const domain = { chainId: genesis.chainId, genesisHash }
  const signers: Signer[] = []
  const recordOf = async (publicKey: Uint8Array) => {
    const path = recordPath(dir, publicKey)
    closers.push(await lockKey(path, log)) // nobody may raise it by hand meanwhile
    return openRecordFile(path)
  }
  if (choice.kind === 'here') {
    for (const { secret, file } of choice.keys) {
      if (file !== null) closers.push(await lockKey(file, log))
      signers.push(await openSigner(await recordOf(curves().blsPublicKey(secret)), secret, domain))
    }
    return { signers, remote: null }
  }
  const remote = await connectSigner(choice.at, { domain, clock: monotonicClock, timers: systemTimers, log, meter })
  closers.push(() => remote.close())
  for (const key of remote.signers) {
    const file = await recordOf(key.publicKey)
    let writing: Promise<void> = Promise.resolve()
    const replace = (text: string): Promise<void> => {
      writing = file.replace(text)
      return writing
    }
    closers.push(() => writing.catch(() => {})) // its lock is given back after the last copy is whole
    signers.push(await keepRecord({ ...file, replace }, key, domain, 'copy'))
  }
  log.info(
    { signer: choice.at.url, keys: signers.map(({ publicKey }) => bytesToHex(publicKey)) },
    'the signer elsewhere serves this node',
  )
  return { signers, remote }
}
