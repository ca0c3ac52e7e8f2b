// When a command takes a folder's node to be in step: not while it is behind, but a moment's lag of a busy machine is waited for.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { run } from '../../test/kit/commands.ts'
import { openDoor, openMemoryChain } from '../../test/kit/memory-chain.ts'
import type { CommandContext } from '../args.ts'
import { createSteps } from '../steps.ts'
import { inStep, openFolder } from './folder.ts'
import { init } from './init.ts'

const closers: (() => unknown)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

/** Before a node that says so many times that it is behind. */
const before = async (behind: number) => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-folder-'))
  closers.push(() => rmSync(dir, { recursive: true, force: true }))
  const genesis = fileURLToPath(new URL('../../genesis.json', import.meta.url))
  expect(await run(init, [join(dir, 'node'), '--genesis', genesis])).toMatchObject({ code: 0 })
  const { ctx } = await openMemoryChain()
  let asked = 0
  const consensus = { status: () => ctx.consensus.status(), isBehind: () => ++asked <= behind }
  const door = await openDoor({ ...ctx, consensus })
  closers.push(() => door.close())
  const url = `http://127.0.0.1:${door.port}`
  const signal = new AbortController().signal
  const shared = { args: [], flags: { dir: join(dir, 'node') }, env: {}, signal, out() {} }
  const context: CommandContext = { ...shared, switches: new Set() }
  const folder = await openFolder(context)
  return { asked: () => asked, wait: () => inStep(folder, { url, own: url }, context, createSteps()) }
}

test('a node that is behind for a moment is waited for without --wait', async () => {
  const { asked, wait } = await before(2)
  await wait()
  expect(asked()).toBe(3)
})

test('one that stays behind is refused, with how far it has to go', async () => {
  const { asked, wait } = await before(Number.POSITIVE_INFINITY)
  await expect(wait()).rejects.toMatchObject({ code: 'FOLDER_BEHIND', message: expect.stringMatching(/blocks to go/) })
  expect(asked()).toBeGreaterThan(2)
})
