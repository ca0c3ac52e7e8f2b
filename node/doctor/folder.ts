// The folder of a node, looked at and never written: its configuration, genesis, keys, locks and database, and what a start would say of
// the signer's record. The database is opened as a copy elsewhere whose tables point here; what a start finds out is found out there by the
// same code that starts.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { bytesToHex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, computeGenesisHash, openChain } from '../../chain/chain.ts'
import { openKv } from '../../chain/store/kv.ts'
import { type LogFile, openWal } from '../../chain/store/wal.ts'
import { headerTimeMs } from '../../chain/types/block.ts'
import { forkWarning } from '../../chain/types/forks.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { hasPart } from '../begin.ts'
import { type Config, loadConfig } from '../config.ts'
import { developmentSecret } from '../development.ts'
import { keystoreName, openKeyFile } from '../keystore.ts'
import { holderOfLock } from '../lock.ts'
import { givenPassword } from '../password.ts'
import { openRecordFile } from '../record.ts'
import { readLog } from '../recovery.ts'
import { refuseDoubted } from '../replays.ts'
import { keepRecord, type Signer } from '../signer.ts'
import { recordPath, recordsIn } from '../signers.ts'
import { copyStore } from '../store-copy.ts'
import { systemClock, systemTimers } from '../system.ts'
import { noMeter, silent } from '../telemetry.ts'
import { checkpointOf, refuseStale } from '../trust.ts'
import { Voices } from '../voices.ts'
import { type Check, fail, forkCheck, ok, refusal, warn } from './check.ts'

const ReadErrors = defineErrors('DOCTOR', {
  WRITE: { text: () => 'the doctor writes and signs nothing' },
})

export type Env = Readonly<Record<string, string | undefined>>

// Configuration and genesis.

/** null where the file cannot be read at all; the check says why. */
export function checkConfig(dir: string, env: Env): { readonly check: Check; readonly config: Config | null } {
  const file = join(dir, 'config.toml')
  try {
    const config = loadConfig(file, env, {})
    const faults = contradictions(config)
    if (faults.length === 0)
      return { config, check: ok('config', `${existsSync(file) ? file : 'the defaults'}: every key is known and fits`) }
    const found = faults.map(({ found }) => found).join('; ')
    return { config, check: warn('config', found, faults.map(({ next }) => next).join('; ')) }
  } catch (error) {
    return {
      config: null,
      check: refusal('config', error, `correct ${file}, then \`novachain config validate --dir ${dir}\``),
    }
  }
}

/** Keys that each fit, and do not fit each other. */
const contradictions = (config: Config): readonly { readonly found: string; readonly next: string }[] => {
  const faults: { found: string; next: string }[] = []
  const when = (is: boolean, found: string, next: string): void => {
    if (is) faults.push({ found, next })
  }
  const [lost, from] = [config['validator.recordLostAt'], config['validator.signFrom']]
  when(
    config['validator.signerUrl'] !== '' && config['validator.keyFile'] + config['validator.nextKeyFile'] !== '',
    `validator.signerUrl is set, and so is ${config['validator.keyFile'] === '' ? 'validator.nextKeyFile' : 'validator.keyFile'}: a start is refused`,
    'a key lies in one place: empty one of them',
  )
  when(
    config['validator.keyFile'] !== '' && config['validator.developmentIndex'] >= 0,
    `validator.developmentIndex = ${config['validator.developmentIndex']} is used, and validator.keyFile is not`,
    'set one of the two',
  )
  when(
    lost >= 0 && from >= 0,
    `both validator.recordLostAt = ${lost} and validator.signFrom = ${from}`,
    'leave one of the two',
  )
  when(
    lost >= 0 !== from >= 0,
    `${lost >= 0 ? `validator.recordLostAt = ${lost}` : `validator.signFrom = ${from}`} is still set`,
    'set it to -1 once the validator signs again',
  )
  const dials = [...config['p2p.persistent'], ...config['p2p.bootstrap']]
  const alone = config['p2p.listen'].length === 0
  when(
    alone && dials.length > 0,
    'p2p.listen is empty, so the node stays alone, and p2p.persistent or p2p.bootstrap name peers',
    'set p2p.listen, or empty the others',
  )
  when(
    !alone && config['p2p.outboundMax'] === 0 && config['p2p.persistent'].length === 0,
    'p2p.outboundMax = 0 and p2p.persistent is empty: this node dials nobody',
    'name its sentries in p2p.persistent',
  )
  const allow = config['p2p.allow']
  const shut = config['p2p.bootstrap'].filter(
    (each) => allow.length > 0 && !allow.some((id) => each.endsWith(`/p2p/${id}`)),
  )
  when(
    shut.length > 0,
    `p2p.bootstrap names ${shut.join(', ')}, which p2p.allow shuts out`,
    'add its peer id to p2p.allow',
  )
  when(
    (config['sync.trustHeight'] === 0) !== (config['sync.trustHash'] === ''),
    'of sync.trustHeight and sync.trustHash one is missing',
    'set both, or neither',
  )
  when(
    config['rpc.port'] === config['metrics.port'] && config['rpc.port'] !== 0,
    `rpc.port and metrics.port are both ${config['rpc.port']}`,
    'set metrics.port to another port',
  )
  when(
    config['rpc.hosts'].includes('*') && config['rpc.origins'].includes('*'),
    'rpc.hosts and rpc.origins are both "*": any page in a browser on this machine may ask this node, its local methods included',
    'name the hosts and origins that may',
  )
  when(
    config['rollup.mode'] !== 'off' &&
      [config['rollup.l1Url'], config['rollup.settlement'], config['rollup.posterKeyFile']].includes(''),
    `rollup.mode is ${config['rollup.mode']}, and rollup.l1Url, rollup.settlement or rollup.posterKeyFile is empty`,
    'set all three, or rollup.mode to off',
  )
  return faults
}

export interface KnownGenesis {
  readonly genesis: Genesis
  readonly hash: `0x${string}`
}
export async function checkGenesis(
  dir: string,
): Promise<{ readonly check: Check; readonly known: KnownGenesis | null }> {
  const file = join(dir, 'genesis.json')
  try {
    const genesis = parseGenesis(readFileSync(file, 'utf8'))
    const hash = bytesToHex(await computeGenesisHash(genesis))
    const kind = genesis.development ? ', a development network' : ''
    return { known: { genesis, hash }, check: ok('genesis', `${hash}, chain ${genesis.chainId}${kind}`) }
  } catch (error) {
    return {
      known: null,
      check: refusal(
        'genesis',
        error,
        `put the network’s genesis.json into ${dir}: its hash must be the one that all others have`,
      ),
    }
  }
}

// Keys.

export interface KnownKey {
  readonly file: string | null
  readonly publicKey: Uint8Array
}

/** The keys that a start would load, without asking for a password. */
export async function checkKeys(
  dir: string,
  config: Config,
  env: Env,
): Promise<{ readonly checks: Check[]; readonly keys: KnownKey[] }> {
  const index = config['validator.developmentIndex']
  const names = [index >= 0 ? '' : config['validator.keyFile'], config['validator.nextKeyFile']]
  const keys: KnownKey[] =
    index >= 0 ? [{ file: null, publicKey: curves().blsPublicKey(developmentSecret(index)) }] : []
  const found: string[] = index >= 0 ? [`development key ${index}`] : []
  const checks: Check[] = [permissionsOf(dir, config)]
  const own = config['validator.passwordFile']
  for (const file of names.filter((name) => name !== '').map((name) => resolve(dir, name)))
    try {
      if (!existsSync(file)) {
        checks.push(
          fail(
            'keystore',
            `${file} is not there`,
            `\`novachain keys new --dir ${dir}\`, or set validator.keyFile to where it is`,
          ),
        )
        continue
      }
      const name = await keystoreName(file, 'validator')
      const password =
        name === null ? '' : await givenPassword({ file: own === '' ? undefined : resolve(dir, own), env })
      if (password === null) {
        if (name !== null) keys.push({ file, publicKey: name })
        const next = 'give NOVACHAIN_PASSWORD or validator.passwordFile, as the node has it, to try whether it opens'
        checks.push(warn('keystore', `${file} is not tried: no password is given here`, next))
        continue
      }
      const secret = await openKeyFile(file, 'validator', async () => password)
      const publicKey = curves().blsPublicKey(secret)
      keys.push({ file, publicKey })
      found.push(`${file} opens and holds ${bytesToHex(publicKey)}`)
    } catch (error) {
      checks.push(refusal('keystore', error, `correct the password, or put a good copy of ${file} back`))
    }
  const signer = config['validator.signerUrl']
  if (signer !== '') checks.push(signerOf(dir, config, signer))
  else if (found.length > 0) checks.push(ok('keystore', found.join('; ')))
  else if (names.every((name) => name === ''))
    checks.push(ok('keystore', 'no validator key: this node follows and signs nothing'))
  return { checks, keys }
}

/** The keys are on another machine, which also says what they signed; here are the certificates by which the two know each other. */
const signerOf = (dir: string, config: Config, url: string): Check => {
  const files = (['validator.signerCert', 'validator.signerKey', 'validator.signerCa'] as const).map((key) =>
    resolve(dir, config[key]),
  )
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length === 0) return ok('keystore', `the keys lie with the signer at ${url}, which is asked at the start`)
  return fail(
    'keystore',
    `the keys lie with the signer at ${url}, and ${missing.join(', ')} is missing`,
    '`novachain signer pair` makes the certificates, see its --help',
  )
}

const permissionsOf = (dir: string, config: Config): Check => {
  if (process.platform === 'win32') return ok('permissions', 'not looked at on Windows')
  const faults: string[] = []
  const fixes: string[] = []
  const owner = statSync(dir).uid
  const look = (path: string, most: number): void => {
    if (!existsSync(path)) return
    const { mode, uid } = statSync(path)
    if ((mode & 0o777 & ~most) !== 0) {
      faults.push(`${path} has mode ${(mode & 0o777).toString(8)}, at most ${most.toString(8)}`)
      fixes.push(`chmod ${most.toString(8)} ${path}`)
    }
    if (uid !== owner) {
      faults.push(`${path} belongs to user ${uid}, the folder to ${owner}`)
      fixes.push(`chown ${owner} ${path}`)
    }
  }
  look(dir, 0o755)
  const folder = join(dir, 'keys')
  look(folder, 0o700)
  const within = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  const named = [
    ...(['validator.keyFile', 'validator.nextKeyFile', 'validator.passwordFile', 'validator.signerKey'] as const),
    ...(['p2p.keyFile'] as const),
    ...(['evidence.reporterKeyFile', 'evidence.passwordFile', 'rollup.posterKeyFile', 'rollup.passwordFile'] as const),
  ]
    .filter((key) => config[key] !== '')
    .map((key) => resolve(dir, config[key]))
  for (const file of new Set([...within, ...named, ...recordsIn(dir).map((name) => join(dir, name))])) look(file, 0o600)
  return faults.length === 0
    ? ok('permissions', `secrets are for their owner alone, user ${owner}`)
    : fail('permissions', faults.join('; '), fixes.join(' && '))
}

/** `pid`: of the process that has the database, null where none has it. */
export function checkLocks(dir: string, keys: readonly KnownKey[], pid: number | null): Check {
  const files = keys.flatMap(({ file, publicKey }) => [...(file === null ? [] : [file]), recordPath(dir, publicKey)])
  for (const file of files) {
    const holder = holderOfLock(file)
    if (holder === null || (pid !== null && holder.pid === pid)) continue
    const found = `${holder.file} names ${holder.name}, which is not this folder’s node`
    const next = 'stop that process; if there is none, delete the file: two processes with one key get it slashed'
    return { ...fail('lock', found, next), isRefused: true }
  }
  return ok('lock', pid === null ? 'nobody has the database or a key' : `process ${pid} has the database and its keys`)
}

// Database and guard, of a node that does not run.

export interface Stopped {
  readonly checks: Check[]
  /** Of the last block; null where the database does not open. */
  readonly head: { readonly height: number; readonly timeMs: number } | null
}

export async function checkStopped(
  dir: string,
  { genesis, hash }: KnownGenesis,
  config: Config,
  keys: readonly KnownKey[],
): Promise<Stopped> {
  if (!existsSync(join(dir, 'db', 'CURRENT'))) {
    if (hasPart(dir)) {
      const [start, restore] = [
        `novachain start --dir ${dir} --sync state`,
        `novachain snapshot restore <file> --dir ${dir}`,
      ]
      const next = `\`${start}\` or \`${restore}\` goes on with it; remove db.part to begin with all blocks`
      return {
        head: null,
        checks: [warn('database', 'there is none, and db.part holds a state that is not whole', next)],
      }
    }
    const isUsed = recordsIn(dir).length > 0
    const next = `\`novachain start --dir ${dir}\` makes it and follows the network from its peers`
    return {
      head: null,
      checks: [
        isUsed
          ? warn('database', 'there is none, and a key of this folder has signed', next)
          : ok('database', 'there is none yet'),
      ],
    }
  }
  const copy = mkdtempSync(join(tmpdir(), 'novachain-doctor-'))
  try {
    return await look(dir, copy, genesis, hash, config, keys)
  } catch (error) {
    const next = `\`novachain db check --dir ${dir}\` looks at every record; if it is damaged, move db away and start: it is made again from peers`
    return { head: null, checks: [refusal('database', error, next)] }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const look = async (
  dir: string,
  copy: string,
  genesis: Genesis,
  hash: string,
  config: Config,
  keys: readonly KnownKey[],
): Promise<Stopped> => {
  refuseDoubted(dir)
  await copyStore(join(dir, 'db'), copy, 'pointers')
  const kv = await openKv(copy)
  const pause = async (): Promise<void> => {}
  const ports = { clock: systemClock, pause, log: silent, meter: noMeter }
  const chain = await openChain({ kv, engine: createChainEngine(genesis), ...ports }, genesis, {
    ...{ historyBlocks: null, proofBlocks: null, cacheBytes: 16 * 1024 * 1024, pool: {} },
    checkpoint: checkpointOf(config['sync.trustHeight'], config['sync.trustHash']),
  }).catch(async (error: unknown) => {
    await kv.close()
    throw error
  })
  try {
    const { header } = chain.head()
    const timeMs = headerTimeMs(header)
    const found = `block ${header.number} of ${new Date(timeMs).toISOString()}, state and head fit`
    const checks = [
      ok('database', `${found}, of the network ${hash.slice(0, 18)}…; \`novachain db check\` looks at every record`),
    ]
    checks.push(staleness(chain, config), forksOf(chain))
    if (keys.length > 0) checks.push(await guardOf(dir, chain, config, keys))
    return { checks, head: { height: header.number, timeMs } }
  } finally {
    await chain.close()
  }
}

const staleness = (chain: Chain, config: Config): Check => {
  try {
    if (config['p2p.listen'].length > 0) refuseStale(chain, Date.now())
    return ok(
      'trust',
      chain.checkpoint === null
        ? 'the last block is young enough to follow peers from'
        : `checkpoint at height ${chain.checkpoint.height}`,
    )
  } catch (error) {
    return refusal('trust', error, 'start with --trust-height <height> --trust-hash <hash> of a recent block')
  }
}

const forksOf = (chain: Chain): Check => {
  try {
    chain.forks.checkNext()
    return forkCheck(forkWarning(chain.forks.outlook()))
  } catch (error) {
    return refusal('forks', error, 'install that release and start; the folder stays as it is')
  }
}

/** What a start would say of signing, said by what says it there. */
const guardOf = async (dir: string, chain: Chain, config: Config, keys: readonly KnownKey[]): Promise<Check> => {
  const next =
    'do what the sentence says; the runbooks “lost disk” and “restored backup” in OPERATING.md have it step by step'
  const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  try {
    const signers: Signer[] = []
    for (const { publicKey } of keys) {
      const file = openRecordFile(recordPath(dir, publicKey))
      signers.push(await keepRecord({ ...file, replace: readOnly }, keyless(publicKey), domain))
    }
    const wal = await openWal(logOf(join(dir, 'wal', 'consensus.wal')))
    const { own } = readLog(wal.records, chain)
    const deps = { chain, signers, wal, log: silent, meter: noMeter, timers: systemTimers }
    const voices = new Voices({ ...deps, network: () => null, onAnswer() {}, fail() {} })
    const given = (height: number): number | null => (height < 0 ? null : height)
    try {
      const choice = {
        recordLostAt: given(config['validator.recordLostAt']),
        signFrom: given(config['validator.signFrom']),
      }
      await voices.open(own, choice)
      const due = chain.head().header.number + 1
      const silence = voices.silence(due)
      const record = await signers[0]?.record()
      const signed =
        record == null
          ? 'there is no signer record'
          : `the record ends at height ${record.height} round ${record.round}`
      if (silence === null && record != null && record.height > due)
        return ok('guard', `${signed} and the next block here is ${due}: it signs nothing until those below are back`)
      if (silence === null) return ok('guard', `${signed}, and nothing here shows a later signature: a start signs`)
      if (silence.includes('the signer record does not show it'))
        return { ...fail('guard', silence, next), isRefused: true }
      return ok('guard', `${signed}; at first it signs nothing: ${silence}`)
    } finally {
      await voices.close()
    }
  } catch (error) {
    return refusal('guard', error, next)
  }
}

const readOnly = async (): Promise<never> => {
  throw new NodeError(ReadErrors.WRITE, undefined)
}
const keyless = (publicKey: Uint8Array): Signer => ({
  publicKey,
  sign: readOnly,
  reveal: readOnly,
  announce: readOnly,
  attest: readOnly,
  record: async () => null,
})
/** A torn end, which a start would cut off, stays. */
const logOf = (path: string): LogFile => ({
  name: path,
  read: async () => (existsSync(path) ? new Uint8Array(readFileSync(path)) : new Uint8Array(0)),
  append: readOnly,
  sync: async () => {},
  truncate: async () => {},
  replace: readOnly,
  close: async () => {},
})
