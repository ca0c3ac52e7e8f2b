// What a pruned node's disk takes: empty blocks on a real database, pruned and compacted as a running node does it. BLOCKS and KEEP in the environment.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { compactPruned, openPruner, tableSizes } from '../chain/prune.ts'
import { openKv } from '../chain/store/kv.ts'
import { installFastCurves } from '../node/curves.ts'
import { parseKeep, pruneTargets } from '../node/pruning.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'

const isSmoke = process.env.SMOKE === '1'
const BLOCKS = Number(process.env.BLOCKS ?? (isSmoke ? 600 : 100_000))
const KEEP = Number(process.env.KEEP ?? (isSmoke ? 300 : 10_000))
const LOOK_BLOCKS = Math.min(BLOCKS, 5_000)

await installFastCurves((text) => console.error(text))
const dir = mkdtempSync(join(tmpdir(), 'novachain-prune-'))
const kv = await openKv(dir, { pause: nextTurn })
try {
  const chain = await openSealedChain(sealedGenesis(), kv)
  const pruner = openPruner({ kv, genesisHash: chain.genesisHash, pause: nextTurn })
  const keep = parseKeep('KEEP', `${KEEP}`)
  const choice = { headers: 'all', bodies: keep, receipts: keep, logs: keep } as const
  const diskMb = (): string =>
    (readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0) / 1e6).toFixed(1)
  let [slices, sliceMs, longestMs] = [0, 0, 0]
  for (let height = LOOK_BLOCKS; height <= BLOCKS; height += LOOK_BLOCKS) {
    await seal(chain, LOOK_BLOCKS)
    const before = diskMb()
    for (;;) {
      const cpu = process.cpuUsage()
      const isMore = await pruner.slice(pruneTargets(chain, choice))
      const { user, system } = process.cpuUsage(cpu)
      if (!isMore) break
      slices++
      sliceMs += (user + system) / 1_000
      longestMs = Math.max(longestMs, (user + system) / 1_000)
    }
    const { bodies } = pruner.earliest()
    await compactPruned(kv, chain.kept(), () => true)
    console.log(
      `${height} blocks, bodies from ${bodies}, state from ${chain.kept().state}: ${before} MB, compacted ${diskMb()} MB`,
    )
  }
  if (slices > 0)
    console.log(
      `${slices} slices, ${(sliceMs / slices).toFixed(1)} ms CPU each, the longest ${longestMs.toFixed(1)} ms`,
    )
  for (const [table, bytes] of [...(await tableSizes(kv))].sort(([, a], [, b]) => b - a).slice(0, 12))
    console.log(`${table.padEnd(26)} ${(bytes / 1e6).toFixed(2)} MB`)
} finally {
  await kv.close()
  rmSync(dir, { recursive: true, force: true })
}
