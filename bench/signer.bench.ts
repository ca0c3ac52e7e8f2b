// What a signer elsewhere adds to a signature: the same votes signed by a key here, with its record, and by one in another process over TLS on this
// machine, with both records. Wall time, because waiting for disk and line is what a round loses; say how busy the machine is.
import { fork } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asHash } from '../chain/base/bytes.ts'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Log, Meter } from '../chain/base/ports.ts'
import type { Domain } from '../chain/types/vote.ts'
import { developmentSecret } from '../node/development.ts'
import { holderOf } from '../node/holder.ts'
import { openRecordFile } from '../node/record.ts'
import { type Identity, makeIdentity } from '../node/remote/certificates.ts'
import { connectSigner } from '../node/remote/client.ts'
import { serveSigner } from '../node/remote/server.ts'
import { keepRecord, openSigner, type Signer } from '../node/signer.ts'
import { monotonicClock, systemTimers } from '../node/system.ts'

installCurves(nativeCurves)
const COUNT = process.env.SMOKE === undefined ? 500 : 20
const PAUSE_MS = 20
const log: Log = { debug() {}, info() {}, warn() {}, error: (_, text) => console.error(text) }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const domain: Domain = { chainId: 1n, genesisHash: asHash(new Uint8Array(32).fill(7)) }
const secret = developmentSecret(0)
const ports = { clock: monotonicClock, timers: systemTimers, log, meter }

interface Orders {
  readonly dir: string
  readonly signer: Identity
  readonly validator: Identity
}

const serve = async ({ dir, signer, validator }: Orders): Promise<void> => {
  const key = {
    ...(await openSigner(openRecordFile(join(dir, 'there.json')), secret, domain)),
    ...holderOf(secret, domain),
  }
  const { port } = await serveSigner(
    { keys: [key], domain, ...ports, fail: console.error },
    { host: '127.0.0.1', port: 0, identity: signer, clients: [new X509Certificate(validator.certificate)] },
  )
  process.send?.(port)
}

/** Milliseconds that each of so many votes took, sorted. */
const measure = async (signer: Signer): Promise<number[]> => {
  const times: number[] = []
  for (let height = 1; height <= COUNT + 20; height++) {
    await delay(PAUSE_MS) // votes do not follow each other without one
    const vote = { type: 'prepare' as const, height, round: 0, blockHash: domain.genesisHash, validator: 0 }
    const began = performance.now()
    await signer.sign({ message: { kind: 'vote', vote }, highQc: null, entry: null })
    if (height > 20) times.push(performance.now() - began)
  }
  return times.sort((a, b) => a - b)
}
const at = (times: readonly number[], share: number): number => times[Math.floor((times.length - 1) * share)] ?? 0
const show = (name: string, times: readonly number[]): void =>
  console.log(`  ${name.padEnd(44)} p50 ${at(times, 0.5).toFixed(2)} ms, p99 ${at(times, 0.99).toFixed(2)} ms`)

const compare = async (): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
  const [signer, validator] = [makeIdentity('signer'), makeIdentity('validator')]
  const child = fork(import.meta.filename, ['serve'])
  try {
    child.send({ dir, signer, validator } satisfies Orders)
    const [port] = (await once(child, 'message')) as [number]
    const here = await measure(await openSigner(openRecordFile(join(dir, 'here.json')), secret, domain))
    const remote = await connectSigner(
      {
        ...{ url: `tls://127.0.0.1:${port}`, host: '127.0.0.1', port, takesOver: false },
        ...{ identity: validator, signer: [new X509Certificate(signer.certificate)] },
      },
      { domain, ...ports },
    )
    const [key] = remote.signers as [Signer]
    const there = await measure(await keepRecord(openRecordFile(join(dir, 'copy.json')), key, domain, 'copy'))
    await remote.close()
    show('key and record here', here)
    show('key and record there, a copy here', there)
    const [p50, p99] = [0.5, 0.99].map((share) => at(there, share) - at(here, share)) as [number, number]
    console.log(
      `  added: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (under 5 is promised); load ${loadavg()[0]?.toFixed(1)}`,
    )
  } finally {
    child.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}

if (process.argv[2] === 'serve') process.once('message', (orders) => void serve(orders as Orders))
else await compare()
