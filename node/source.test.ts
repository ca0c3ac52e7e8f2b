// Where a genesis comes from may be large, slow, elsewhere or a lie about its size: each is refused in words, and nothing is left behind.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FETCHED_MAX_BYTES, GENESIS_MAX_BYTES, readGenesis, writeWhole } from './source.ts'

const dir = mkdtempSync(join(tmpdir(), 'nova-source-'))
const MEGABYTE = 1024 * 1024
const endless = (response: ServerResponse): void => {
  const more = (): void => {
    while (response.write(Buffer.alloc(MEGABYTE, 32)));
    response.once('drain', more)
  }
  more()
}
/** Made before anybody waits for it. */
const bomb = gzipSync(Buffer.alloc(FETCHED_MAX_BYTES + 1))
const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/genesis.json': (response) => response.end('{"é":1}'),
  '/moved': (response) => response.writeHead(302, { location: '/again' }).end(),
  '/again': (response) => response.writeHead(308, { location: 'genesis.json' }).end(),
  '/round': (response) => response.writeHead(301, { location: '/round' }).end(),
  '/file': (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  '/gone': (response) => response.writeHead(404).end('{}'),
  '/endless': endless,
  '/bomb': (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
  '/binary': (response) => response.end(Buffer.from([0x7b, 0xff, 0x7d])),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{')
    response.socket?.destroySoon()
  },
  '/silent': () => {},
}
const server = createServer((request, response) => ANSWERS[request.url ?? '']?.(response))
let base = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('a URL is read, over a few redirects', async () => {
  expect(await readGenesis(`${base}/genesis.json`)).toBe('{"é":1}')
  expect(await readGenesis(`${base}/moved`)).toBe('{"é":1}')
})

test.each([
  ['/round', 'more than 5 redirects'],
  ['/file', 'redirects to file:'],
  ['/gone', 'HTTP 404'],
  ['/endless', `more than ${FETCHED_MAX_BYTES} bytes`],
  ['/bomb', `more than ${FETCHED_MAX_BYTES} bytes`],
  ['/binary', 'not valid'],
  ['/cut', 'other side closed'],
])('%s is refused: %s', async (path, reason) => {
  const expected = { code: 'SOURCE_FETCH', message: expect.stringContaining(reason) }
  await expect(readGenesis(base + path)).rejects.toMatchObject(expected)
})

test('who does not answer in time, and who is not there', async () => {
  const slow = { code: 'SOURCE_FETCH', message: expect.stringContaining('no whole answer within 0.05 s') }
  await expect(readGenesis(`${base}/silent`, 50)).rejects.toMatchObject(slow)
  await expect(readGenesis('http://127.0.0.1:1/genesis.json')).rejects.toMatchObject({ code: 'SOURCE_FETCH' })
  await expect(readGenesis('http://')).rejects.toMatchObject({ code: 'SOURCE_FETCH' })
})

test('a file: too large, a folder, not there, not text', async () => {
  const file = (name: string): string => join(dir, name)
  writeFileSync(file('large'), '{')
  truncateSync(file('large'), 300 * MEGABYTE)
  writeFileSync(file('binary'), Uint8Array.of(0x7b, 0xff))
  writeFileSync(file('marked'), '\ufeff{}')
  const refused = (source: string, reason: string): Promise<void> =>
    expect(readGenesis(source)).rejects.toMatchObject({ code: 'SOURCE_FILE', message: `${source}: ${reason}` })
  await refused(file('large'), `it has ${300 * MEGABYTE} bytes, at most ${GENESIS_MAX_BYTES}`)
  await refused(dir, 'it is no file')
  await refused(file('none'), 'there is no such file')
  await refused(file('binary'), 'not UTF-8')
  expect(await readGenesis(file('marked'))).toBe('{}')
})

test('a file is written whole, in place of another, or not at all', () => {
  const file = join(dir, 'written')
  writeWhole(file, 'one')
  writeWhole(file, 'two')
  expect(readFileSync(file, 'utf8')).toBe('two')
  const folder = join(dir, 'folder')
  mkdirSync(folder)
  expect(() => writeWhole(folder, 'three')).toThrow(/cannot be written/)
  expect(() => writeWhole(join(dir, 'nowhere', 'file'), 'four')).toThrow(/there is no such file/)
  expect(readdirSync(dir).filter((name) => name.endsWith('.new'))).toEqual([])
})
