// A disk that takes no more: the validator says so and stops, and with room again it goes on from its last final block. The bound on a
// file's size (ulimit -f) stands for a full disk there; restores and prunings meet one of a few megabytes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { openKv } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { novachain } from '../kit/commands.ts'
import { freePort, startDevnet } from '../kit/devnet.ts'
import { canMount, mountSmall, type SmallDisk } from '../kit/mounts.ts'
import { openSealedChain, seal, sealedGenesisText } from '../kit/sealed.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const BLOCKS_OF_512_BYTES = 600

// skipped where there is no ulimit
test.skipIf(process.platform === 'win32')('a full disk', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-full-'))
  const ports = ['--rpc-port', `${await freePort()}`]
  const args = ['devnet', '--json', '--dir', dir, ...ports, '--validators', '1', '--block-time', '100']
  const limited = `ulimit -f ${BLOCKS_OF_512_BYTES}; exec "$0" "$@"`
  const child = spawn('sh', ['-c', limited, process.execPath, main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let height = 0
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith('{') && line.includes('block committed')) height = JSON.parse(line).height
    if (!line.includes('cannot write to the database')) continue
    expect(line).toMatch(/free space or fix permissions, then start again/)
    break
  }
  expect(height).toBeGreaterThan(3)
  child.kill('SIGTERM')
  await once(child, 'exit')
  const devnet = await startDevnet(['--block-time', '100', '--log-level', 'error'], { dir })
  const answer = await fetch(devnet.rpc[0] ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}',
  })
  const { result } = (await answer.json()) as { readonly result: string }
  expect(Number(result)).toBeGreaterThanOrEqual(height)
  await devnet.stop()
  rmSync(dir, { recursive: true, force: true })
})

const home = mkdtempSync(join(tmpdir(), 'novachain-small-'))
const disks: SmallDisk[] = []
afterAll(async () => {
  for (const disk of disks) await disk.close()
  rmSync(home, { recursive: true, force: true })
})
/** A folder of a network with so many accounts; with its chain, where it has one. */
const folderOf = (name: string, accounts: number): { readonly dir: string; readonly text: string } => {
  const json = JSON.parse(sealedGenesisText({ epochBlocks: 30 }))
  for (let i = 1; i <= accounts; i++) json.alloc[`0x${(i * 7_919).toString(16).padStart(40, '0')}`] = { balance: '0x1' }
  const [dir, text] = [join(home, name), JSON.stringify(json)]
  mkdirSync(dir)
  writeFileSync(join(dir, 'genesis.json'), text)
  writeFileSync(join(dir, 'config.toml'), '[log]\nlevel = "error"\n')
  return { dir, text }
}
const chainIn = async (dir: string, text: string, blocks: number): Promise<void> => {
  const chain = await openSealedChain(parseGenesis(text), await openKv(join(dir, 'db')))
  await seal(chain, blocks)
  await chain.close()
}

// skipped where users may not mount
test.skipIf(!canMount)(
  'a state that its disk has no room for, of a file or of peers: it says so, and goes on with room',
  async () => {
    const { dir, text } = folderOf('source', 2_000)
    await chainIn(dir, text, 3)
    const file = join(home, 'made.snapshot')
    const made = await novachain(['snapshot', 'create', file, '--dir', dir])
    expect(made.code).toBe(0)
    const [empty, at] = [folderOf('empty', 2_000).dir, join(home, 'restored')]
    mkdirSync(at)
    const disk = await mountSmall(at, 100, empty)
    disks.push(disk)
    const trust = ['--trust-height', String(made.json.height), '--trust-hash', made.json.hash]
    const restore = () => disk.novachain('snapshot', 'restore', file, '--dir', at, ...trust)
    const said = await restore()
    const wants = /9\d MB are free on the disk .* at least 256 MB .*give the same command again, which goes on/
    expect([said.code, said.text]).toEqual([1, expect.stringMatching(wants)])
    expect((await disk.shell(`ls '${at}'`)).trim().split('\n')).toEqual(['config.toml', 'db.part', 'genesis.json'])
    const begun = await disk.novachain(
      'start',
      '--dir',
      at,
      '--sync',
      'state',
      '--rpc-port',
      '0',
      '--metrics-port',
      '0',
    )
    expect([begun.code, begun.text]).toEqual([1, expect.stringMatching(/a node needs 256 MB: .*nothing is lost/)])
    await disk.shell(`mount -o remount,size=400m '${at}'`)
    expect(await restore()).toMatchObject({ code: 0, json: { height: made.json.height } })
    expect(await disk.novachain('db', 'check', '--dir', at)).toMatchObject({ code: 0, json: { height: 3 } })
    expect(await disk.shell(`ls '${at}'`)).not.toContain('db.part')
  },
)

// skipped where users may not mount
test.skipIf(!canMount)('a pruning whose disk is full: nothing is lost, and with room it goes on', async () => {
  const { dir, text } = folderOf('long', 10)
  await chainIn(dir, text, 300)
  const at = join(home, 'pruned')
  mkdirSync(at)
  const disk = await mountSmall(at, 30, dir)
  disks.push(disk)
  await disk.shell(`dd if=/dev/zero of='${at}/ballast' bs=64k || true`)
  const prune = () => disk.novachain('db', 'prune', '--dir', at, '--bodies', '20', '--receipts', '20', '--logs', '20')
  const said = await prune()
  expect([said.code, said.text]).toEqual([1, expect.stringMatching(/cannot write to the database.*free space/)])
  await disk.shell(`rm '${at}/ballast'`)
  expect(await disk.novachain('db', 'check', '--dir', at)).toMatchObject({ code: 0, json: { height: 300 } })
  expect(await prune()).toMatchObject({ code: 0 })
  expect(await disk.novachain('db', 'check', '--dir', at)).toMatchObject({ code: 0, json: { height: 300 } })
})
