// A node that stops or refuses has said all that its operator needs: what is wrong, with which value, and what to type. Owns the list of the
// errors that end a node or refuse a start; exit code 3 must not be among them without a sentence that leads on.
import { expect, test } from 'vitest'
import type { ErrorDef } from '../chain/base/errors.ts'
import { ChainErrors } from '../chain/chain.ts'
import { BlockStoreErrors } from '../chain/store/blocks.ts'
import { StoreErrors } from '../chain/store/kv.ts'
import { WalErrors } from '../chain/store/wal.ts'
import { P2pErrors } from '../p2p/host.ts'
import { ServerErrors } from '../rpc/server.ts'
import { exitCodeOf } from './args.ts'
import { BackupErrors } from './commands/backup.ts'
import { GenesisCommandErrors } from './commands/genesis.ts'
import { InitErrors } from './commands/init.ts'
import { KeysErrors } from './commands/keys.ts'
import { StartErrors } from './commands/start.ts'
import { ConfigErrors } from './config.ts'
import { DiskErrors } from './disk.ts'
import { GuardErrors } from './guard.ts'
import { IdentityErrors } from './identity.ts'
import { KeystoreErrors } from './keystore.ts'
import { LockErrors } from './lock.ts'
import { LoggedErrors } from './logged.ts'
import { PasswordErrors } from './password.ts'
import { RecordErrors } from './record.ts'
import { ReplayErrors } from './replays.ts'
import { SignerErrors } from './signer.ts'
import { SyncErrors } from './sync.ts'
import { TrustErrors } from './trust.ts'

/** What a start may end with, and a node that runs. */
const STOPS: readonly ErrorDef<never>[] = [
  ...[StoreErrors.LOCKED, StoreErrors.CORRUPT, StoreErrors.WRITE, StoreErrors.READ, StoreErrors.MISSING],
  ...Object.values(BlockStoreErrors),
  ...[WalErrors.CORRUPT, WalErrors.WRITE, LoggedErrors.UNKNOWN],
  ...[ChainErrors.CHECKPOINT, SyncErrors.OTHER_CHAIN],
  ...[GuardErrors.DOPPELGANGER, GuardErrors.NO_RECORD, SignerErrors.LOCK, ...Object.values(RecordErrors)],
  ...Object.values(LockErrors),
  ...Object.values(TrustErrors),
  ...Object.values(ReplayErrors),
  ...Object.values(DiskErrors),
  ...Object.values(StartErrors),
  ...Object.values(IdentityErrors),
  ...[ConfigErrors.UNKNOWN, ConfigErrors.LAYOUT],
  ...[P2pErrors.LISTEN, ServerErrors.PORT, PasswordErrors.NONE],
  ...[
    KeystoreErrors.PASSWORD,
    KeystoreErrors.TYPE,
    KeystoreErrors.OTHER_KEY,
    KeystoreErrors.MALFORMED,
    KeystoreErrors.COST,
  ],
]
/** Commands that are refused. */
const REFUSED: readonly ErrorDef<never>[] = [
  ...[BackupErrors.EXISTS, BackupErrors.OCCUPIED, BackupErrors.PLAIN, KeystoreErrors.EXISTS, KeysErrors.UNCONFIRMED],
  ...[GenesisCommandErrors.EXISTS, GenesisCommandErrors.ACCOUNT, GenesisCommandErrors.VALIDATOR],
  ...Object.values(InitErrors),
]

const GIVEN: Readonly<Record<string, string | number>> = {
  ...{ flags: 'start with --sign-from 7', way: 'stop that process' },
  ...{ free: 200 * 1_048_576, least: 256 * 1_048_576, need: 1e9 },
}
/** Each other value shows where it stands in the sentence. */
const data = (): never => new Proxy({}, { get: (_, name) => GIVEN[String(name)] ?? `<${String(name)}>` }) as never // sentences print what they are given

/** A command, a flag, or a verb to follow. */
const LEADS_ON = [
  /`novachain [^`]+`|--[a-z-]+|free space|use the|sync again|try again/i,
  /\b(start|set|put|move|stop|choose|correct|delete|restore|report|give|ask|name|write|encrypt|leave)\b/i,
]

test.each([...STOPS, ...REFUSED].map((def) => [def.code, def] as const))('%s leads on', (_, def) => {
  const text = def.text(data())
  expect([text, LEADS_ON.some((words) => words.test(text))]).toEqual([text, true])
  expect(text).not.toMatch(/undefined|NaN|\[object/)
})

test('whatever a start refuses as unsafe is among them', () => {
  const known = [...STOPS, ...REFUSED].map(({ code }) => code)
  const unsafe = [
    'SIGNER_LOCK',
    'SIGNER_RECORD',
    'GUARD_NO_RECORD',
    'GUARD_DOPPELGANGER',
    'LOCK_HELD',
    'START_DEVELOPMENT',
  ]
  for (const code of [...unsafe, 'TRUST_STALE', 'CHAIN_CHECKPOINT', 'SYNC_OTHER_CHAIN', 'REPLAY_UNRESOLVED'])
    expect([exitCodeOf(code), known.includes(code)]).toEqual([3, true])
})
