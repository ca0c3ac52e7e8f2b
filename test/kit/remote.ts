// A signer and validators' ends of the line to it, over real TLS on this machine; disks are in memory, and what waits for a time-out is
// told when it is over.
import { X509Certificate } from 'node:crypto'
import { asHash } from '../../chain/base/bytes.ts'
import type { Clock, Timers } from '../../chain/base/ports.ts'
import type { Unsigned } from '../../chain/types/message.ts'
import type { Domain } from '../../chain/types/vote.ts'
import { developmentSecret } from '../../node/development.ts'
import { holderOf } from '../../node/holder.ts'
import type { RecordFile } from '../../node/record.ts'
import { makeIdentity } from '../../node/remote/certificates.ts'
import type { RemoteDeps, RemoteOptions } from '../../node/remote/client.ts'
import { type SignerServer, serveSigner } from '../../node/remote/server.ts'
import { openSigner, type SignOrder } from '../../node/signer.ts'
import { systemClock, systemTimers } from '../../node/system.ts'
import { noMeter, silent } from '../../node/telemetry.ts'

export const block = (n: number) => asHash(new Uint8Array(32).fill(n))
export const domain: Domain = { chainId: 1n, genesisHash: block(7) }
const order = (message: Unsigned): SignOrder => ({ message, highQc: null, entry: null })
export const prepare = (height: number, of = 1, round = 0): SignOrder =>
  order({ kind: 'vote', vote: { type: 'prepare', height, round, blockHash: block(of), validator: 0 } })

export const identities = { signer: makeIdentity('signer'), validator: makeIdentity('validator') }
const certificate = ({ certificate }: { readonly certificate: string }) => new X509Certificate(certificate)

export const memoryRecord = (): RecordFile & { text: string | null } => ({
  name: 'record',
  text: null,
  async read() {
    return this.text
  },
  async replace(text) {
    this.text = text
  },
})

/** Nothing is over before it is told to be. */
export const handTimers = (): Timers & { fire(): void } => {
  const waiting = new Set<() => void>()
  return {
    after(_, run) {
      waiting.add(run)
      return () => waiting.delete(run)
    },
    fire() {
      const all = [...waiting]
      waiting.clear()
      for (const run of all) run()
    },
  }
}
export const handClock = (): Clock & { ms: number } => ({
  ms: 0,
  nowMs() {
    return this.ms
  },
})

interface ServeKnobs {
  readonly key?: number
  readonly port?: number
  readonly clock?: Clock
  readonly timers?: Timers
  /** The network it signs for. */
  readonly network?: Domain
}
export async function serve(file: RecordFile, knobs: ServeKnobs = {}): Promise<SignerServer> {
  const secret = developmentSecret(knobs.key ?? 0)
  const network = knobs.network ?? domain
  const key = { ...(await openSigner(file, secret, network)), ...holderOf(secret, network) }
  const deps = {
    keys: [key],
    domain: network,
    clock: knobs.clock ?? systemClock,
    timers: knobs.timers ?? systemTimers,
    log: silent,
    meter: noMeter,
  }
  const fail = (error: unknown): void => void Promise.reject(error)
  return serveSigner(
    { ...deps, fail },
    {
      host: '127.0.0.1',
      port: knobs.port ?? 0,
      identity: identities.signer,
      clients: [certificate(identities.validator)],
    },
  )
}

export const optionsFor = (port: number, others: Partial<RemoteOptions> = {}): RemoteOptions => ({
  ...{ url: `tls://127.0.0.1:${port}`, host: '127.0.0.1', port },
  ...{ identity: identities.validator, signer: [certificate(identities.signer)], takesOver: false },
  ...others,
})
export const clientDeps = (others: Partial<RemoteDeps> = {}): RemoteDeps => ({
  ...{ domain, clock: systemClock, timers: systemTimers, log: silent, meter: noMeter },
  ...others,
})
