// Content from one node's disk to another's over the private swarm, both on this machine, each a process: bytes a second by clock, and
// processor time of both. Hashes are checked on the way, and both stores are LevelDB.
//
// Where the time goes (`--cpu-prof` of both ends): the sender is busy throughout, the receiver waits for it a third of the time. Of the sender
// a quarter to a third is garbage collection of whole messages of up to 4 MB; each block is encoded twice, once for its size, and copied some four
// times; then come the socket, two ciphers (noise and the swarm's own) and LevelDB. All of that is the library's. Ours were a second reading
// of every block, which is gone, and ten milliseconds before each round of wants, now one. Messages of one block, or 32 wants at a time, change nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openIpfs, refOf } from '../node/ipfs.ts'
import { ipfsDeps, ipfsOptions, startIpfsProcess } from '../test/kit/content.ts'
import { cpuSeconds } from './machine.ts'
import { createReport } from './report.ts'

const MB = process.env.SMOKE === '1' ? 8 : 64
const dir = mkdtempSync(join(tmpdir(), 'nova-ipfs-'))
const report = createReport('ipfs')
const far = await startIpfsProcess(join(dir, 'far'), 1)
const { cid } = await far.order({ put: { sizeBytes: MB * 1024 * 1024, seed: 1 } })
const near = await openIpfs(ipfsDeps, { ...ipfsOptions(join(dir, 'near'), 2), peers: [far.address], stallMs: 30_000 })
while (near.peers() === 0) await new Promise((resolve) => setTimeout(resolve, 50))
const before = cpuSeconds(far.child.pid ?? null) + cpuSeconds(process.pid)
const start = performance.now()
const got = await near.get(refOf(String(cid)))
const seconds = (performance.now() - start) / 1_000
const cpu = cpuSeconds(far.child.pid ?? null) + cpuSeconds(process.pid) - before
report.add('content from one node to another', got.length / 1_000_000 / seconds, 'MB/s', 'more')
report.cpu('processor time of both for a megabyte', (cpu * 1_000) / (got.length / 1_000_000), 'ms')
await report.end()
await near.close()
await far.end()
rmSync(dir, { recursive: true })
