// A node without a vote over loopback, for benches of catching up: real libp2p host, store on disk, engine and threads for senders. As a process of its own it serves a folder:
// it says its address, and ends with its input.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { asAddress, bytesToHex } from '../chain/base/bytes.ts'
import type { Chain } from '../chain/chain.ts'
import { openKv, openLogFile } from '../chain/store/kv.ts'
import { openWal } from '../chain/store/wal.ts'
import { startConsensus } from '../node/consensus.ts'
import { systemClock, systemRandom, systemTimers } from '../node/system.ts'
import { noMeter, silent } from '../node/telemetry.ts'
import { createVerifier } from '../node/verifier.ts'
import { createSenderPool } from '../node/workers/senders.ts'
import { createHost } from '../p2p/host.ts'
import { openSealedChain, sealedGenesis } from '../test/kit/sealed.ts'

/** What a genesis is made of: a process that serves is told so. */
export type Choice = NonNullable<Parameters<typeof sealedGenesis>[0]>

/** Chain and log in `dir`, peers on a free port. */
export const openPeer = async (choice: Choice, dir: string, seed: number, peers: readonly string[]) => {
  const genesis = sealedGenesis(choice)
  mkdirSync(dir, { recursive: true })
  const senders = createSenderPool(silent)
  const kv = await openKv(join(dir, 'db'), { pause: nextTurn })
  const chain = await openSealedChain(genesis, kv, { pause: nextTurn, identify: senders.identify })
  const wal = await openWal(await openLogFile(join(dir, 'consensus.wal')))
  const ports = { clock: systemClock, timers: systemTimers, random: systemRandom, log: silent, meter: noMeter }
  const consensus = await startConsensus(
    {
      ...{ ...ports, chain, signers: [], wal, pause: nextTurn, verifier: createVerifier(nextTurn) },
      join: (handlers, announcement) =>
        createHost(
          {
            ...{ ...ports, handlers, announcement, version: 1, networkId: bytesToHex(chain.genesisHash) },
            keySecret: new Uint8Array(32).fill(seed),
          },
          {
            ...{ listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], bootstrap: [], persistent: peers, allow: null },
            ...{ privatePeers: [], inboundMax: 10, outboundMax: 10, mdns: false },
          },
        ),
    },
    { coinbase: asAddress(new Uint8Array(20)), sealing: 'interval', emptyBlocksMs: null },
  )
  consensus.done.catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
  return {
    chain,
    network: consensus.network,
    async close() {
      await consensus.stop()
      await wal.close()
      await chain.close()
      await senders.close()
    },
  }
}

/** Serves a folder until it is told to end. */
export async function startServer(
  choice: Choice,
  dir: string,
): Promise<{ readonly address: string; close(): Promise<void> }> {
  const args = [fileURLToPath(import.meta.url), dir, JSON.stringify(choice)]
  const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const [address] = await once(createInterface({ input: server.stdout }), 'line')
  return {
    address: String(address),
    async close() {
      server.stdin.end()
      await once(server, 'exit')
    },
  }
}

/** Resolves when a block of that height is there. */
export const atHeight = (chain: Chain, height: number): Promise<void> =>
  new Promise((resolve) => {
    if (chain.head().header.number >= height) return resolve()
    chain.watch('head', ({ block }) => {
      if (block.header.number === height) resolve()
    })
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir = '', choice = '{}'] = process.argv.slice(2)
  const node = await openPeer(JSON.parse(choice) as Choice, dir, 1, []) // as `startServer` wrote it
  console.log(node.network?.addresses()[0])
  await once(process.stdin.resume(), 'close')
  await node.close()
}
