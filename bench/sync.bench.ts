// Catching up from one peer over loopback: real libp2p hosts, stores on disk and engine, the serving node in a process of its own.
// Empty blocks a second, and megabytes a second of blocks filled with calldata. Wall time, with the CPU time of the node that
// catches up.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asAddress, bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { curves, keccak } from '../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import type { Chain } from '../chain/chain.ts'
import { openKv } from '../chain/store/kv.ts'
import { developmentAccounts } from '../node/development.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { atHeight, openPeer, startServer } from './peer.ts'
import { createReport, type Reporter } from './report.ts'

const isSmoke = process.argv.includes('--smoke')
const EMPTY_BLOCKS = Number(process.env.BLOCKS ?? (isSmoke ? 300 : 10_000))
const FULL_BLOCKS = Number(process.env.FULL_BLOCKS ?? (isSmoke ? 4 : 200))
const FULL_TXS = 12
const DATA_BYTES = 100_000
const CHOICE = {}
const genesis = sealedGenesis(CHOICE)

const [account] = developmentAccounts(1)
/** Transactions that are little but their calldata. */
const fill = async (chain: Chain): Promise<void> => {
  const secret = hexToBytes(account?.privateKey ?? '0x')
  const sender = asAddress(hexToBytes(account?.address.toLowerCase() ?? '0x'))
  const nonce = chain.at(chain.head().header.number).account(sender)?.nonce ?? 0n
  for (let i = 0; i < FULL_TXS; i++) {
    const data = new Uint8Array(DATA_BYTES).map((_, at) => (at % 7 === 0 ? i + 1 : 0))
    const head = [genesis.chainId, nonce + BigInt(i), 1_000_000_000n, 100_000_000_000n, 3_000_000n].map(rlpInt)
    const fields = [...head, new Uint8Array(20).fill(0xee), rlpInt(0), data, []]
    const digest = keccak(concat(Uint8Array.of(2), encodeRlp(fields)))
    const { signature, recovery } = curves().sign(digest, secret)
    const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) => rlpInt(BigInt(bytesToHex(half))))
    const signed = encodeRlp([...fields, rlpInt(recovery), r ?? new Uint8Array(0), s ?? new Uint8Array(0)])
    await chain.submit(concat(Uint8Array.of(2), signed), 'local')
  }
}

const measure = async (report: Reporter, root: string, kind: 'empty' | 'full', blocks: number): Promise<void> => {
  const isFull = kind === 'full'
  const from = join(root, `${kind}-from`)
  mkdirSync(from, { recursive: true })
  const source = await openSealedChain(genesis, await openKv(join(from, 'db')))
  await seal(source, blocks, isFull ? { fill } : {})
  let sizeBytes = 0
  for (let at = 1; at <= blocks; at++) sizeBytes += source.encoded(at)?.length ?? 0
  await source.close()
  const server = await startServer(CHOICE, from)
  const node = await openPeer(CHOICE, join(root, `${kind}-to`), 2, [server.address])
  const { chain } = node
  await atHeight(chain, 1) // greeting is not syncing
  const [wall, cpu] = [performance.now(), process.cpuUsage()]
  await atHeight(chain, blocks)
  const seconds = (performance.now() - wall) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const mb = sizeBytes / 1e6
  console.log(`${kind}: ${blocks} blocks, ${mb.toFixed(1)} MB in ${seconds.toFixed(2)} s`)
  report.add(`${kind} blocks`, blocks / seconds, 'a second', 'more')
  if (isFull) report.add('full blocks, bytes', mb / seconds, 'MB a second', 'more')
  const cpuMs = (user + system) / 1_000
  report.cpu(
    `${kind} blocks, the node that catches up, for each ${isFull ? 'MB' : 'block'}`,
    cpuMs / (isFull ? mb : blocks),
    'ms',
  )
  await node.close()
  await server.close()
}

const root = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
try {
  const report = createReport('sync')
  await measure(report, root, 'empty', EMPTY_BLOCKS)
  await measure(report, root, 'full', FULL_BLOCKS)
  await report.end()
} finally {
  rmSync(root, { recursive: true, force: true })
}
