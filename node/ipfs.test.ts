import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CarWriter } from '@ipld/car'
import { encode as encodeDagPb } from '@ipld/dag-pb'
import { LevelBlockstore } from 'blockstore-level'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { concat } from '../chain/base/bytes.ts'
import { contentOf, ipfsDeps, ipfsOptions, startIpfsProcess } from '../test/kit/content.ts'
import { cidOf, type Ipfs, type IpfsOptions, openIpfs, refOf } from './ipfs.ts'

const MB = 1024 * 1024
let dir: string
let closers: (() => Promise<void>)[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nova-ipfs-'))
  closers = []
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
  rmSync(dir, { recursive: true })
})
const open = async (name: string, seed: number, options: Partial<IpfsOptions> = {}): Promise<Ipfs> => {
  const ipfs = await openIpfs(ipfsDeps, { ...ipfsOptions(join(dir, name), seed), ...options })
  closers.push(() => ipfs.close())
  return ipfs
}
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: { readonly code?: string }) => error.code ?? error,
  )
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
}
const all = async (source: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return concat(...parts)
}
const one = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

test.each([0, 1, MB, MB + 1, 5 * MB + 7])('%i bytes come back as they were, and are kept once', async (sizeBytes) => {
  const ipfs = await open('a', 1)
  const content = contentOf(sizeBytes, 3)
  const stored = await ipfs.put(content)
  expect(stored).toMatchObject({ codec: sizeBytes > MB ? 0x70 : 0x55, replicas: 1 })
  expect(cidOf(refOf(stored.cid)).toString()).toBe(stored.cid)
  expect((await ipfs.put(content)).cid).toBe(stored.cid)
  expect(await ipfs.pinned()).toHaveLength(1)
  expect(Buffer.compare(await ipfs.get(stored), content)).toBe(0)
  expect(Buffer.compare(await ipfs.get(stored), content)).toBe(0) // out of the cache
})

test('sealed content opens with its key alone', async () => {
  const ipfs = await open('a', 1)
  const [key, content] = [contentOf(32, 1), contentOf(MB + 5, 2)]
  const stored = await ipfs.put(content, key)
  expect(Buffer.compare(await ipfs.get(stored, key), content)).toBe(0)
  expect(await codeOf(ipfs.get(stored, contentOf(32, 9)))).toBe('CONTENT_SEALED')
  expect(await codeOf(ipfs.get(await ipfs.put(content), key))).toBe('CONTENT_SEALED')
  expect(await codeOf(ipfs.put(content, contentOf(31, 1)))).toBe('CONTENT_KEY')
  expect(Buffer.compare(await ipfs.get(stored), content)).not.toBe(0)
})

test('what is put on one node is pinned on as many as are wanted, and read from any', async () => {
  const a = await open('a', 1, { replicas: 2 })
  const b = await open('b', 2, { peers: [...a.addresses()] })
  const c = await open('c', 3, { peers: [...a.addresses()] })
  await until(() => a.peers() === 2 && b.peers() > 0 && c.peers() > 0)
  const content = contentOf(3 * MB, 4)
  const stored = await a.put(content)
  expect(stored.replicas).toBe(2)
  expect((await b.pinned()).length + (await c.pinned()).length).toBe(1)
  for (const node of [b, c]) expect(Buffer.compare(await node.get(stored), content)).toBe(0)
  expect(await c.isWhole(stored)).toBe(true)
})

test('copies that could not be made are made later', async () => {
  const a = await open('a', 1, { replicas: 2 })
  const stored = await a.put(contentOf(10, 1))
  expect([stored.replicas, await a.repair()]).toEqual([1, 1])
  const b = await open('b', 2, { peers: [...a.addresses()] })
  await until(() => a.peers() === 1)
  expect(await a.repair()).toBe(0)
  expect(await b.isWhole(stored)).toBe(true)
})

test('who has another swarm key is no peer', async () => {
  const a = await open('a', 1)
  const stored = await a.put(contentOf(10, 1))
  const b = await open('b', 2, { peers: [...a.addresses()], swarmKey: new Uint8Array(32).fill(8), stallMs: 1_000 })
  expect(await codeOf(b.get(stored))).toBe('CONTENT_MISSING')
  expect(b.peers()).toBe(0)
})

test('what nobody has is missing, what is too large is refused, and so is what is no content', async () => {
  const a = await open('a', 1, { stallMs: 500, contentBytesMax: 2 * MB })
  expect(await codeOf(a.get({ digest: new Uint8Array(32).fill(9), codec: 0x55 }))).toBe('CONTENT_MISSING')
  expect(await codeOf(a.get({ digest: new Uint8Array(32).fill(9), codec: 0x71 }))).toBe('CONTENT_CODEC')
  expect(await codeOf(a.put(new Uint8Array(2 * MB + 1)))).toBe('CONTENT_TOO_LARGE')
  expect(() => refOf('bafyjunk')).toThrow(expect.objectContaining({ code: 'CONTENT_CID' }))
})

/** A CAR file of one root that says what it likes. */
const carOf = async (bytes: Uint8Array): Promise<{ readonly cid: CID; readonly car: Uint8Array }> => {
  const cid = CID.createV1(0x70, await sha256.digest(bytes))
  const { writer, out } = CarWriter.create([cid])
  const car = all(out)
  await writer.put({ cid, bytes })
  await writer.close()
  return { cid, car: await car }
}

test('a root that claims 5 GB is refused before a byte of it is asked for', async () => {
  const a = await open('a', 1)
  const { cid: leaf } = await carOf(new Uint8Array(3))
  const file = new UnixFS({ type: 'file', blockSizes: [5n * 2n ** 30n] })
  const { cid, car } = await carOf(
    encodeDagPb({ Data: file.marshal(), Links: [{ Hash: leaf, Tsize: 5 * 2 ** 30, Name: '' }] }),
  )
  expect(await codeOf(a.restore(one(car)))).toBe('CONTENT_TOO_LARGE')
  expect(await codeOf(a.get(refOf(cid)))).toBe('CONTENT_TOO_LARGE')
  expect(await a.pinned()).toEqual([])
})

/** A CAR file of some blocks, the last of which is its root. */
const carOfAll = async (blocks: readonly { readonly codec: number; readonly bytes: Uint8Array }[]) => {
  const made = await Promise.all(
    blocks.map(async ({ codec, bytes }) => ({ cid: CID.createV1(codec, await sha256.digest(bytes)), bytes })),
  )
  const root = made.at(-1)?.cid ?? expect.fail('a block')
  const { writer, out } = CarWriter.create([root])
  const car = all(out)
  for (const block of made) await writer.put(block)
  await writer.close()
  return { root, car: await car }
}

test('a few blocks that stand for a file of millions of pieces are refused, and do not hold the node up', async () => {
  const a = await open('a', 1)
  const blocks: { readonly codec: number; readonly bytes: Uint8Array }[] = [{ codec: 0x55, bytes: new Uint8Array(0) }]
  for (let depth = 0; depth < 40; depth++) {
    const { codec, bytes } = blocks[depth] ?? expect.fail()
    const Hash = CID.createV1(codec, await sha256.digest(bytes))
    const links = [1, 2].map(() => ({ Hash, Tsize: 0, Name: '' }))
    const node = new UnixFS({ type: 'file', blockSizes: [1n, 1n] })
    blocks.push({ codec: 0x70, bytes: encodeDagPb({ Data: node.marshal(), Links: links }) })
  }
  const { root, car } = await carOfAll(blocks)
  await a.restore(one(car))
  const started = process.cpuUsage()
  expect(await codeOf(a.get(refOf(root)))).toBe('CONTENT_TOO_LARGE')
  expect(process.cpuUsage(started).user).toBeLessThan(5_000_000)
})

test('a directory is no content, and neither is a CID whose digest is cut short', async () => {
  const a = await open('a', 1)
  const { root, car } = await carOfAll([
    { codec: 0x70, bytes: encodeDagPb({ Data: new UnixFS({ type: 'directory' }).marshal(), Links: [] }) },
  ])
  expect(await codeOf(a.restore(one(car)))).toBe('CONTENT_NO_FILE')
  expect(await codeOf(a.get(refOf(root)))).toBe('CONTENT_NO_FILE')
  const { code, digest } = root.multihash
  const cut = CID.createV1(0x55, Digest.create(code, digest.slice(0, 4)))
  expect(() => refOf(cut.toString())).toThrow(expect.objectContaining({ code: 'CONTENT_CID' }))
})

test('a file whose pieces repeat comes back whole', async () => {
  const a = await open('a', 1)
  const content = new Uint8Array(9 * MB + 3)
  expect(Buffer.compare(await a.get(await a.put(content)), content)).toBe(0)
})

test('bytes that changed on the disk are an error, never a value', async () => {
  const a = await open('a', 1)
  const stored = await a.put(contentOf(3 * MB, 1))
  await closers.pop()?.()
  const disk = new LevelBlockstore(join(dir, 'a', 'blocks'))
  await disk.open()
  for await (const { cid, bytes } of disk.getAll()) {
    const parts: Uint8Array[] = []
    for await (const part of bytes) parts.push(part)
    const block = concat(...parts)
    if (block.length < MB) continue
    block[77] = (block[77] ?? 0) ^ 1
    await disk.put(cid, block)
    break
  }
  await disk.close()
  const again = await open('a', 1)
  expect(await codeOf(again.get(stored))).toBe('CONTENT_CORRUPT')
  expect(await again.isWhole(stored)).toBe(false)
  expect(await codeOf(all(again.backup()))).toBe('CONTENT_CORRUPT')
})

test('what a peer sends in place of the content is never a value', async () => {
  const b = await open('b', 2)
  const [right, wrong] = [contentOf(1_000, 1), contentOf(1_000, 2)]
  const stored = await b.put(right)
  await closers.pop()?.()
  const disk = new LevelBlockstore(join(dir, 'b', 'blocks'))
  await disk.open()
  await disk.put(cidOf(stored), wrong)
  await disk.close()
  const liar = await open('b', 2)
  const a = await open('a', 1, { peers: [...liar.addresses()], stallMs: 1_000 })
  await until(() => a.peers() === 1)
  expect(await codeOf(a.get(stored))).toBe('CONTENT_MISSING')
  expect(await a.isWhole(stored)).toBe(false)
})

test('collecting drops what is not wanted, block by block, and nothing else', async () => {
  const a = await open('a', 1, { stallMs: 300 })
  const shared = contentOf(2 * MB, 1)
  const kept = await a.put(concat(shared, contentOf(MB, 2)))
  const gone = await a.put(concat(shared, contentOf(MB, 3)))
  expect(await a.collect((ref, atMs) => atMs === 1_000 && Buffer.compare(ref.digest, kept.digest) === 0)).toBe(1)
  expect(await a.isWhole(kept)).toBe(true)
  expect(await a.isWhole(gone)).toBe(false)
  expect(await codeOf(a.get(gone))).toBe('CONTENT_MISSING')
  // Pinned, dropped and pinned again: what both share is still needed by the one that stays.
  expect((await a.put(concat(shared, contentOf(MB, 3)))).cid).toBe(gone.cid)
  expect(await a.collect((ref) => Buffer.compare(ref.digest, gone.digest) === 0)).toBe(1)
  expect([await a.isWhole(kept), await a.isWhole(gone)]).toEqual([false, true])
  expect(await a.get(gone)).toHaveLength(3 * MB)
})

test('a provider that takes its time does not keep a collection waiting, and what came from it is not dropped', async () => {
  const far = await startIpfsProcess(join(dir, 'far'), 1)
  closers.push(() => far.end())
  const { cid } = await far.order({ put: { sizeBytes: 12 * MB, seed: 5 } })
  const halfway = Promise.withResolvers<readonly Socket[]>()
  const { address } = await relay(far.address, 4 * MB, (sockets) => {
    for (const socket of sockets) socket.pause()
    halfway.resolve(sockets)
  })
  const near = await open('near', 2, { peers: [address], stallMs: 20_000 })
  await until(() => near.peers() === 1)
  const reading = near.get(refOf(String(cid)))
  const sockets = await halfway.promise
  const gone = await near.put(contentOf(MB, 9))
  expect(await near.collect(() => false)).toBe(1)
  expect(await near.isWhole(gone)).toBe(false)
  for (const socket of sockets) socket.resume()
  expect(Buffer.compare(await reading, contentOf(12 * MB, 5))).toBe(0)
  expect(await near.isWhole(refOf(String(cid)))).toBe(true)
})

test('content that lacks copies grows old all the same', async () => {
  let now = 1_000
  const deps = { ...ipfsDeps, clock: { nowMs: () => now } }
  const a = await openIpfs(deps, { ...ipfsOptions(join(dir, 'a'), 1), replicas: 2 })
  closers.push(() => a.close())
  await a.put(contentOf(10, 1))
  now = 5_000
  expect(await a.repair()).toBe(1)
  expect(await a.collect((_, pinnedAtMs) => pinnedAtMs > 1_000)).toBe(1)
})

test('a host that cannot listen, or is told of a peer by no address, leaves nothing open', async () => {
  for (const peer of ['junk', '/ip4/1.2.3.4/tcp/1', '/ip4/300.1.1.1/tcp/1/p2p/12D3KooWA', '/p2p/x'])
    expect(await codeOf(openIpfs(ipfsDeps, { ...ipfsOptions(join(dir, 'a'), 1), peers: [peer] }))).toBe('CONTENT_PEER')
  const options = { ...ipfsOptions(join(dir, 'a'), 1), listen: ['/ip4/192.0.2.1/tcp/1'] }
  expect(await codeOf(openIpfs(ipfsDeps, options))).not.toBe('no error')
  await open('a', 1)
})

test('a node is rebuilt from another’s backup, and a backup that lacks or forges a block is refused', async () => {
  const a = await open('a', 1)
  const refs = [await a.put(contentOf(3 * MB, 1)), await a.put(contentOf(10, 2)), await a.put(contentOf(MB + 1, 3))]
  const car = await all(a.backup())
  const b = await open('b', 2)
  const { contents, blocks } = await b.restore(one(car))
  expect([contents, blocks]).toEqual([3, 8])
  for (const ref of refs) expect(await b.isWhole(ref)).toBe(true)
  const c = await open('c', 3)
  const forged = car.slice()
  forged[car.length - 100] = (forged[car.length - 100] ?? 0) ^ 1
  expect(await codeOf(c.restore(one(forged)))).toBe('CONTENT_BACKUP')
  expect(await codeOf(c.restore(one(car.slice(0, -1_000))))).toBe('CONTENT_BACKUP')
  expect(await codeOf(c.restore(one(contentOf(1_000, 1))))).toBe('CONTENT_BACKUP')
  expect(await c.pinned()).toEqual([])
})

test('a backup that claims a block without end is refused, and not held', async () => {
  const a = await open('a', 1)
  const { car } = await carOf(encodeDagPb({ Data: new UnixFS({ type: 'file' }).marshal(), Links: [] }))
  let taken = 0
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    yield car
    yield Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f)
    for (; taken < 100; taken++) yield new Uint8Array(MB)
  }
  expect(await codeOf(a.restore(endless()))).toBe('CONTENT_BACKUP')
  expect(taken).toBeLessThan(3)
  expect(await a.pinned()).toEqual([])
})

/** Between two processes: passes so many bytes of answers on, then does what a test wants done. `target` may be moved. */
const relay = async (address: string, bytesMax: number, then: (sockets: readonly Socket[]) => void) => {
  const portOf = (of: string): number => Number(of.split('/')[4])
  const sockets: Socket[] = []
  let [passed, target] = [0, address]
  const server: Server = createServer((near) => {
    const far = connect(portOf(target), '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    far.on('data', (bytes) => {
      if (passed < bytesMax && passed + bytes.length >= bytesMax) then(sockets)
      passed += bytes.length
      near.write(bytes)
    })
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const at = server.address()
  const port = typeof at === 'object' ? at?.port : 0
  const move = (to: string): void => {
    target = to
  }
  return { address: address.replace(`/tcp/${portOf(address)}/`, `/tcp/${port}/`), move }
}

test('a provider killed in mid-transfer is an error; once it is back, the rest comes', async () => {
  const far = await startIpfsProcess(join(dir, 'far'), 1)
  closers.push(() => far.end())
  const { cid } = await far.order({ put: { sizeBytes: 24 * MB, seed: 5 } })
  const ended = new Promise((resolve) => far.child.on('exit', (_, signal) => resolve(signal)))
  const { address, move } = await relay(far.address, 8 * MB, () => far.child.kill('SIGKILL'))
  const near = await open('near', 2, { peers: [address], stallMs: 6_000 })
  await until(() => near.peers() === 1)
  const ref = refOf(String(cid))
  expect(await codeOf(near.get(ref))).toBe('CONTENT_STALLED')
  expect(await ended).toBe('SIGKILL')
  expect(await near.isWhole(ref)).toBe(false)
  const back = await startIpfsProcess(join(dir, 'far'), 1)
  closers.push(() => back.end())
  move(back.address)
  await until(() => near.peers() === 1)
  expect(Buffer.compare(await near.get(ref), contentOf(24 * MB, 5))).toBe(0)
})

test('a provider that stalls is an error after a while', async () => {
  const far = await startIpfsProcess(join(dir, 'far'), 1)
  closers.push(() => far.end())
  const { cid } = await far.order({ put: { sizeBytes: 24 * MB, seed: 6 } })
  const { address } = await relay(far.address, 8 * MB, (sockets) => {
    for (const socket of sockets) socket.pause()
  })
  const near = await open('near', 2, { peers: [address], stallMs: 6_000 })
  await until(() => near.peers() === 1)
  expect(await codeOf(near.get(refOf(String(cid))))).toBe('CONTENT_STALLED')
})
