// The signer elsewhere, as a start finds it: whether it is reached, whether each side has the other's certificate, which network and keys it
// signs for, and whether another process has its lease. Owns what is asked of it; nothing is signed, and a lease that was free is free again.
import { asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { request } from '../../rpc/client/http.ts'
import type { Config } from '../config.ts'
import { type RemoteStatus, trySigner } from '../remote/client.ts'
import { remoteOf } from '../remote/files.ts'
import { monotonicClock, systemTimers } from '../system.ts'
import { noMeter, silent } from '../telemetry.ts'
import { type Check, fail, ok, refusal } from './check.ts'
import type { KnownGenesis } from './folder.ts'

const NEXT = 'do what the sentence says, and look into the signer’s own log'

/** Nothing where the keys are here. `rpc`: of the node that runs, whose own line to the signer counts; null where none does. */
export async function checkSigner(
  dir: string,
  config: Config,
  { genesis, hash }: KnownGenesis,
  rpc: string | null,
): Promise<Check[]> {
  const url = config['validator.signerUrl']
  if (url === '') return []
  if (rpc !== null) {
    const { signer } = (await request(rpc, 'admin_nodeInfo')) as {
      signer?: Pick<RemoteStatus, 'answers' | 'fault'> | null
    } // our own method
    if (signer == null) return [fail('signer', `the node runs without the signer ${url}`, 'restart the node')]
    if (signer.answers) return [ok('signer', `${url} answers the node, which has its lease`)]
    return [fail('signer', `${url} does not serve the node: ${signer.fault}`, NEXT)]
  }
  try {
    const domain = { chainId: genesis.chainId, genesisHash: asHash(hexToBytes(hash)) }
    const deps = { domain, clock: monotonicClock, timers: systemTimers, log: silent, meter: noMeter }
    const keys = await trySigner(await remoteOf(dir, config, { takesOver: false }), deps)
    return [ok('signer', `${url} signs with ${keys.map((key) => bytesToHex(key)).join(' and ')}; nobody has its lease`)]
  } catch (error) {
    return [refusal('signer', error, NEXT)]
  }
}
