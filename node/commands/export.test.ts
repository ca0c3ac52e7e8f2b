// Blocks as a file from one folder to another, and folders taken back: with cut, changed and foreign files, a full disk, and what must not be undone.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv } from '../../chain/base/ports.ts'
import { checkStore } from '../../chain/calls.ts'
import { createMemoryKv, openKv, openLogFile, StoreErrors } from '../../chain/store/kv.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { run } from '../../test/kit/commands.ts'
import { openSealedChain, seal, sealedGenesisText } from '../../test/kit/sealed.ts'
import { appendBlocks } from '../blockfile.ts'
import { openRecord } from '../rollup/record.ts'
import { intoFile } from '../source.ts'
import { silent } from '../telemetry.ts'
import { exportCommand, importCommand, writeGenesis } from './export.ts'
import { genesis as genesisCommand } from './genesis.ts'
import { init } from './init.ts'
import { rollback } from './rollback.ts'

const HEIGHT = 100
const text = sealedGenesisText({ epochBlocks: 30 })
const genesis = parseGenesis(text)
const root = mkdtempSync(join(tmpdir(), 'novachain-export-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folders = 0
const folder = (of = text): string => {
  const dir = join(root, `node-${folders++}`)
  mkdirSync(dir)
  writeFileSync(join(dir, 'genesis.json'), of)
  writeFileSync(join(dir, 'config.toml'), '[log]\nlevel = "error"\n')
  return dir
}
const headOf = async (dir: string): Promise<{ readonly height: number; readonly hash: string }> => {
  const kv = await openKv(join(dir, 'db'))
  const chain = await openSealedChain(genesis, kv)
  const { header, hash } = chain.head()
  await checkStore(kv, chain.genesisHash)
  await chain.close()
  return { height: header.number, hash: bytesToHex(hash) }
}

const source = folder()
const file = join(root, 'blocks')
let hash = ''
let bytes: Buffer
beforeAll(async () => {
  const chain = await openSealedChain(genesis, await openKv(join(source, 'db')))
  await seal(chain, HEIGHT)
  hash = bytesToHex(chain.head().hash)
  await chain.close()
  const said = await run(exportCommand, ['blocks', file, '--dir', source])
  expect(said.json).toEqual({ file, from: 1, to: HEIGHT })
  bytes = readFileSync(file)
})

test('blocks that are exported make the same chain elsewhere; done again the import does nothing', async () => {
  const dir = folder()
  expect((await run(importCommand, [file, '--dir', dir])).json).toMatchObject({
    height: HEIGHT,
    blocks: HEIGHT,
    done: true,
  })
  expect(await headOf(dir)).toEqual({ height: HEIGHT, hash })
  expect((await run(importCommand, [file, '--dir', dir])).json).toMatchObject({ blocks: 0, done: true })
  expect((await run(exportCommand, ['blocks', file, '--dir', dir])).refusal).toBe('EXPORT_EXISTS')
  const beyond = await run(exportCommand, ['blocks', join(root, 'beyond'), '--to', '101', '--dir', dir])
  expect(beyond).toMatchObject({ refusal: 'BLOCKFILE_RANGE', code: 1 })
})

/** Where the first run begins, and the second. */
const FIRST = 60
const RUN_HEAD = 28
const secondRun = (): number => FIRST + RUN_HEAD + bytes.readUInt32BE(FIRST)

test('a file that is cut, changed or over-long is refused by name; what came before stays, and the whole file goes on', async () => {
  const changed = (at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] as number) ^ 1
    return copy
  }
  const overLong = (): Buffer => {
    const copy = Buffer.from(bytes)
    copy.writeUInt32BE(0xffff_ffff, secondRun())
    copy.set(keccak(copy.subarray(secondRun(), secondRun() + 20)).slice(0, 8), secondRun() + 20)
    return copy
  }
  const bad: readonly (readonly [string, Buffer, string, number])[] = [
    ['nothing', Buffer.alloc(0), 'BLOCKFILE_OTHER', 0],
    ['no file of blocks', Buffer.from('{"genesis": 1}'.repeat(10)), 'BLOCKFILE_OTHER', 0],
    ['a bit in its head', changed(45), 'BLOCKFILE_DAMAGED', 0],
    ['another network', changed(20), 'BLOCKFILE_DAMAGED', 0],
    ['a bit in the first run', changed(FIRST + 500), 'BLOCKFILE_DAMAGED', 0],
    ['a bit in the head of the second run', changed(secondRun() + 5), 'BLOCKFILE_DAMAGED', 30],
    ['a bit in the second run', changed(secondRun() + 500), 'BLOCKFILE_DAMAGED', 30],
    ['a run of 4 GB', overLong(), 'BLOCKFILE_DAMAGED', 30],
    ['cut in a run', bytes.subarray(0, secondRun() + 500), 'BLOCKFILE_DAMAGED', 30],
    ['cut in the head of a run', bytes.subarray(0, secondRun() + 5), 'BLOCKFILE_DAMAGED', 30],
    ['cut between two runs', bytes.subarray(0, secondRun()), 'BLOCKFILE_DAMAGED', 30],
  ]
  const [untouched, begun] = [createMemoryKv(), createMemoryKv()]
  const name = join(root, 'bad')
  for (const [what, content, code, height] of bad) {
    writeFileSync(name, content)
    const kv = height === 0 ? untouched : begun
    expect([what, await taken(name, kv)]).toEqual([what, code])
    expect((await openSealedChain(genesis, kv)).head().header.number).toBe(height)
  }
  expect(await taken(file, begun)).toBe(hash)
  const stranger = folder(sealedGenesisText({ epochBlocks: 30, chainId: 7 }))
  expect((await run(importCommand, [file, '--dir', stranger])).refusal).toBe('BLOCKFILE_NETWORK')
  expect((await run(importCommand, [join(root, 'nowhere'), '--dir', stranger])).refusal).toBe('EXPORT_FILE')
})

/** Hash of the head that an import leads to, or why it ended. */
const taken = async (name: string, kv: Kv): Promise<string> => {
  const [chain, handle] = [await openSealedChain(genesis, kv), await open(name)]
  try {
    await appendBlocks(handle, name, chain, { onRun() {}, isWanted: () => true })
    return bytesToHex(chain.head().hash)
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    return error.code
  } finally {
    await handle.close()
  }
}

test('parts follow each other: a gap is refused, an overlap is passed over', async () => {
  const [late, early, dir] = [join(root, 'late'), join(root, 'early'), folder()]
  await run(exportCommand, ['blocks', early, '--to', '50', '--dir', source])
  await run(exportCommand, ['blocks', late, '--from', '45', '--dir', source])
  expect((await run(importCommand, [late, '--dir', dir])).text).toMatch(
    /goes on at block 45, and this folder ends at block 0/,
  )
  expect((await run(importCommand, [early, '--dir', dir])).json).toMatchObject({ height: 50 })
  expect((await run(importCommand, [late, '--dir', dir])).json).toMatchObject({ height: HEIGHT, blocks: HEIGHT - 50 })
  expect(await headOf(dir)).toEqual({ height: HEIGHT, hash })
})

test('a disk that is full, or a node switched off, at any write of an import leaves whole runs, and it goes on', async () => {
  const handle = await open(file)
  for (const writes of [1, 3, 6]) {
    const kv = createMemoryKv()
    let left = writes
    const full: Kv = {
      ...kv,
      async write(batch) {
        if (left-- <= 0) throw new NodeError(StoreErrors.WRITE, { dir: 'memory', reason: 'No space left on device' })
        await kv.write(batch)
      },
    }
    const options = { onRun() {}, isWanted: () => true }
    const chain = await openSealedChain(genesis, full)
    await expect(appendBlocks(handle, file, chain, options)).rejects.toMatchObject({ code: 'STORE_WRITE' })
    const again = await openSealedChain(genesis, kv)
    await appendBlocks(handle, file, again, options)
    expect(bytesToHex(again.head().hash)).toBe(hash)
  }
  await handle.close()
})

test('the state is exported account by account, as the chain has it', async () => {
  const name = join(root, 'state')
  const said = await run(exportCommand, ['state', name, '--dir', source])
  const [facts, ...accounts] = readFileSync(name, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(facts).toMatchObject({ height: HEIGHT, hash })
  expect(accounts.length).toBe(said.json.accounts)
  const chain = await openSealedChain(genesis, await openKv(join(source, 'db')))
  const reader = chain.at(HEIGHT)
  for (const { address, balance, nonce, storage } of accounts) {
    const at = asAddress(Buffer.from(address.slice(2), 'hex'))
    expect(reader.account(at)).toMatchObject({ balance: BigInt(balance), nonce: BigInt(nonce) })
    for (const [key, value] of Object.entries(storage ?? {}))
      expect(reader.slot(at, BigInt(key))).toBe(BigInt(value as string))
  }
  await chain.close()
})

test('a genesis for another network: whole, checked as a node reads it, and the same for everybody', async () => {
  const name = join(root, 'next.json')
  const to = (...more: string[]) => run(exportCommand, ['genesis', '--out', name, '--dir', source, ...more])
  const wish = ['--chain-id', '7007', '--genesis-time', '2040-01-31T12:00:00Z']
  const said = await to(...wish)
  expect(said.json).toMatchObject({ file: name, chainId: 7_007, height: HEIGHT, block: hash })
  const next = parseGenesis(readFileSync(name, 'utf8'))
  const supply = next.accounts.reduce((sum, { balance }) => sum + balance, 0n)
  expect([said.json.supply, said.json.accounts]).toEqual([`${supply}`, next.accounts.length + 2]) // two system contracts begin anew
  expect(next.carried).toMatchObject({ chainId: genesis.chainId, height: HEIGHT, supplyWei: supply })
  expect((await run(genesisCommand, ['validate', name])).json).toMatchObject({
    valid: true,
    hash: said.json.genesisHash,
  })
  const dir = join(root, 'moved')
  expect((await run(init, [dir, '--genesis', name, '--genesis-hash', said.json.genesisHash])).code).toBe(0)
  const chain = await openSealedChain(next, await openKv(join(dir, 'db')))
  await seal(chain, 31)
  expect(chain.head().header.number).toBe(31)
  await chain.close()
  expect((await to(...wish)).refusal).toBe('EXPORT_EXISTS')
  expect((await to(...wish, '--yes', '--height', '99')).json.genesisHash).not.toBe(said.json.genesisHash)
  expect((await run(genesisCommand, ['add-account', name, `0x${'12'.repeat(20)}`, '1nova'])).text).toMatch(
    /alloc: balances sum to/,
  )
})

test('a genesis that would be larger than a node reads is given up as it grows, and nothing is left of it', async () => {
  const [name, maxBytes] = [join(root, 'large.json'), 3 * 1_048_576]
  let given = 0
  const text = async function* () {
    for (;;) {
      given += 65_536
      yield 'x'.repeat(65_536)
    }
  }
  const before = readdirSync(root).sort()
  await expect(
    intoFile(name, (handle) => writeGenesis(handle, name, { text }, () => {}, maxBytes)),
  ).rejects.toMatchObject({ code: 'EXPORT_SIZE', message: expect.stringContaining(`more than ${maxBytes} bytes`) })
  expect(given).toBeLessThanOrEqual(maxBytes + 2 * 1_048_576)
  expect(readdirSync(root).sort()).toEqual(before)
})

test('a genesis for another network is refused: a folder in use, a height that is not there or not kept, the same chain id, no time', async () => {
  const name = join(root, 'refused.json')
  const wish = ['--chain-id', '7007', '--genesis-time', '2040-01-31T12:00:00Z']
  const to = (dir: string, ...more: string[]) => run(exportCommand, ['genesis', '--out', name, '--dir', dir, ...more])
  const running = await openKv(join(source, 'db'))
  expect((await to(source, ...wish)).refusal).toBe('STORE_LOCKED')
  await running.close()
  expect(await to(source, ...wish, '--height', '101')).toMatchObject({ refusal: 'EXPORT_HEIGHT', code: 1 })
  expect(await to(source, ...wish, '--height', 'x')).toMatchObject({ code: 2 })
  const own = ['--chain-id', `${genesis.chainId}`, '--genesis-time', '2040-01-31T12:00:00Z']
  expect((await to(source, ...own)).refusal).toBe('CARRY_CHAIN')
  expect((await to(source, '--chain-id', '7007', '--genesis-time', '1000')).refusal).toBe('CARRY_TIME')
  for (const less of [['--chain-id', '7007'], wish.slice(2), ['--chain-id', '0', ...wish.slice(2)]])
    expect(await to(source, ...less)).toMatchObject({ refusal: 'USAGE_ARGUMENT', code: 2 })
  expect(await run(exportCommand, ['genesis', name, ...wish])).toMatchObject({ refusal: 'USAGE_ARGUMENT' })
  const pruned = folder()
  writeFileSync(join(pruned, 'config.toml'), '[log]\nlevel = "error"\n[state]\nhistoryBlocks = 40\nproofBlocks = 40\n')
  expect(await run(importCommand, [file, '--dir', pruned])).toMatchObject({ code: 0, text: /height 100/ })
  expect(await to(pruned, ...wish, '--height', '30')).toMatchObject({ refusal: 'STATE_PRUNED' })
  expect((await to(pruned, ...wish, '--height', '95')).code).toBe(0)
})

test('a folder is taken back only when it is meant, stopped, and not below what the settlement chain holds as final', async () => {
  const dir = folder()
  await run(importCommand, [file, '--dir', dir])
  const record = join(dir, 'signer-00112233445566.json')
  writeFileSync(record, '{"height":100}')
  const back = (height: string, ...more: string[]) => run(rollback, ['--height', height, '--dir', dir, ...more])
  expect(await back('70')).toMatchObject({ refusal: 'ROLLBACK_UNCONFIRMED', code: 3 })
  const running = await openKv(join(dir, 'db'))
  expect((await back('70', '--yes')).refusal).toBe('STORE_LOCKED')
  await running.close()
  expect(await back('100', '--yes')).toMatchObject({ refusal: 'ROLLBACK_ABOVE' })
  await post(dir, 80)
  expect(await back('79', '--yes')).toMatchObject({ refusal: 'ROLLBACK_SETTLED', code: 3 })
  expect(await back('79', '--yes', '--settled', '5')).toMatchObject({ refusal: 'ROLLBACK_SETTLED' })
  expect((await headOf(dir)).height).toBe(HEIGHT)
  // Where the chain settles, the contract is asked; nobody is taken to have nothing there because it does not answer.
  const config = join(dir, 'config.toml')
  copyFileSync(config, `${config}.old`)
  const rollup = `[rollup]\nmode = "full"\nl1Url = "http://127.0.0.1:1"\nsettlement = "0x${'5e'.repeat(20)}"\n`
  writeFileSync(config, `${readFileSync(config, 'utf8')}${rollup}`)
  expect(await back('85', '--yes')).toMatchObject({ refusal: 'ROLLBACK_ASK', code: 3 })
  expect(await back('85', '--yes', '--settled', '86')).toMatchObject({ refusal: 'ROLLBACK_SETTLED' })
  expect((await back('85', '--yes', '--settled', '80')).json).toMatchObject({ from: HEIGHT, to: 85 })
  expect((await headOf(dir)).height).toBe(85)
  expect(readFileSync(record, 'utf8')).toBe('{"height":100}')
  expect((await run(importCommand, [file, '--dir', dir])).json).toMatchObject({ height: HEIGHT, blocks: 15 })
  expect(await headOf(dir)).toEqual({ height: HEIGHT, hash })
})

/** The poster's record says that it brought a batch up to this height through. */
const post = async (dir: string, lastHeight: number): Promise<void> => {
  const sender = {
    chainId: 1n,
    settlement: asAddress(new Uint8Array(20)),
    account: asAddress(new Uint8Array(20).fill(1)),
  }
  const recorder = await openRecord(await openLogFile(join(dir, 'rollup', 'poster.wal')), sender, silent)
  const zero = asHash(new Uint8Array(32))
  const facts = {
    firstHeight: 1,
    lastHeight,
    emptyBlocks: 0,
    transactions: 0,
    sizeBytes: 1,
    blockBytes: 1,
    oldestMs: 1,
  }
  await recorder.begin({
    ...{ seq: 1, previous: zero, accumulator: zero, nonce: 0n, gasLimit: 1n, payload: new Uint8Array(1), facts },
    ...{ others: [], builtOn: 0, isRepair: false },
  })
  await recorder.end({ seq: 1, facts, parts: 1, paid: [] })
  await recorder.close()
}
