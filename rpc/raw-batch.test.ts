// Batches of signed transactions, read from their bytes, against the ordinary way through the same server.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hexToBytes } from '../chain/base/bytes.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import { createDice, type Dice } from '../test/kit/dice.ts'
import { type RpcNode, startRpcNode } from '../test/kit/rpc-node.ts'
import { idAt, readRawBatch } from './raw-batch.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

const METHOD = 'eth_sendRawTransaction'
const space = (dice: Dice): string => (dice.chance(0.1) ? dice.pick([' ', '\n', '\t', '\r', '  ']) : '')
const spaced = (dice: Dice, parts: readonly string[]): string =>
  parts.map((part) => space(dice) + part + space(dice)).join('')
const member = (dice: Dice, key: string, value: string): string => spaced(dice, [`"${key}"`, ':', value])
const shuffled = <T>(dice: Dice, from: readonly T[]): T[] => {
  const out = [...from]
  for (let i = out.length - 1; i > 0; i--) {
    const j = dice.below(i + 1)
    ;[out[i], out[j]] = [out[j] as T, out[i] as T]
  }
  return out
}
const idOf = (dice: Dice): string =>
  dice.pick([
    () => String(dice.below(10 ** dice.below(9))),
    () => `"${'aZ 0~!{}[],:/<'.slice(dice.below(7), 7 + dice.below(8))}"`,
    () => '0',
    () => '999999999999999',
    () => '""',
  ])()
/** Forms that only the ordinary way takes, or that neither does. */
const ODD_IDS = [
  'null',
  '-1',
  '-0',
  '1.5',
  '1e3',
  '007',
  '1234567890123456',
  '"\\u0041"',
  '"ä"',
  '"a\\"b"',
  '{}',
  'true',
]
const requestOf = (dice: Dice, raw: string, oddness: number): string => {
  const odd = (usual: string, others: readonly string[]): string => (dice.chance(oddness) ? dice.pick(others) : usual)
  const members = shuffled(dice, [
    member(dice, odd('id', ['Id', 'jsonrpc', 'method']), odd(idOf(dice), ODD_IDS)),
    ...(dice.chance(0.9) ? [member(dice, 'jsonrpc', odd('"2.0"', ['"1.0"', '2', 'null']))] : []),
    member(
      dice,
      odd('method', ['id', 'params']),
      odd(`"${METHOD}"`, ['"eth_chainId"', '"eth_sendRawTransactioN"', '1']),
    ),
    member(
      dice,
      'params',
      odd(spaced(dice, ['[', `"${raw}"`, ']']), ['[]', '{}', `["${raw}",1]`, `"${raw}"`, '["0x1"]', '[1]']),
    ),
    ...(dice.chance(oddness) ? [member(dice, 'extra', '[1]')] : []),
  ])
  return `{${odd(members.join(','), [members.slice(1).join(','), `${members.join(',')},`])}}`
}
const batchOf = (dice: Dice, raws: readonly string[], oddness: number): string =>
  space(dice) + spaced(dice, ['[', raws.map((raw) => requestOf(dice, raw, oddness)).join(','), ']'])

/** What the ordinary way would read; null where something in it is not as it should be. */
const plainly = (body: Buffer): { ids: string[]; raws: Uint8Array[] } | null => {
  const json = JSON.parse(body.toString()) as { id: unknown; method: unknown; params: unknown[] }[]
  const isSent = json.every(
    ({ id, method, params }) =>
      (typeof id === 'string' || typeof id === 'number') && method === METHOD && params.length === 1,
  )
  if (!isSent || json.length === 0 || json.length > rpcLimits.batchRequests.value) return null
  return {
    ids: json.map(({ id }) => JSON.stringify(id)),
    raws: json.map(({ params }) => hexToBytes(params[0] as string)),
  }
}

test('what is read from bytes is what JSON says, however it is written, spoilt or cut', () => {
  const dice = createDice(seed)
  let known = 0
  for (let n = 0; n < 4_000; n++) {
    const raws = Array.from({ length: 1 + dice.below(4) }, () => {
      const hex = Buffer.from(dice.bytes(dice.below(40))).toString('hex')
      return `0x${dice.chance(0.5) ? hex : hex.toUpperCase()}`
    })
    let body = Buffer.from(batchOf(dice, raws, dice.pick([0, 0, 0.05])))
    if (dice.chance(0.5))
      for (let i = dice.below(3); i >= 0; i--)
        body[dice.below(body.length)] = dice.pick([...Buffer.from('"{}[],:0x1 \\'), dice.below(256)])
    if (dice.chance(0.1)) body = body.subarray(0, dice.below(body.length + 1))
    const read = readRawBatch(body)
    if (read === null) continue
    known++
    const have = {
      ids: read.raws.map((_, i) => Buffer.from(idAt(read, i)).toString()),
      raws: read.raws.map((raw) => raw.slice()),
    }
    expect(have, `SEED=${seed} ${body.toString()}`).toEqual(plainly(body))
  }
  expect(known).toBeGreaterThan(1_000)
})

test('what clients send is known, and a body that ends anywhere is not', () => {
  const usual = [
    ...[
      '{"jsonrpc":"2.0","id":1,"method":"M","params":["0xAb01"]}',
      '{"method":"M","params":["0x"],"id":"a","jsonrpc":"2.0"}',
    ],
    '{"params": ["0xff"], "id": 0, "method": "M"}',
  ].map((text) => text.replace('M', METHOD))
  const body = Buffer.from(`[${usual.join(', ')}]\n`)
  const read = readRawBatch(body)
  expect(read?.raws.map((raw) => Buffer.from(raw).toString('hex'))).toEqual(['ab01', '', 'ff'])
  expect(read?.raws.map((_, i) => Buffer.from(idAt(read, i)).toString())).toEqual(['1', '"a"', '0'])
  for (let end = 0; end < body.length - 2; end++) expect(readRawBatch(body.subarray(0, end))).toBeNull()
  for (const other of ['', '[]', '{}', 'null', '[1]', usual[0] ?? '', `[${usual[0]}]x`, `[${usual[0]},]`])
    expect(readRawBatch(Buffer.from(other)), other).toBeNull()
  const most = rpcLimits.batchRequests.value
  expect(readRawBatch(Buffer.from(`[${Array(most).fill(usual[0]).join(',')}]`))?.raws).toHaveLength(most)
  expect(
    readRawBatch(
      Buffer.from(
        `[${Array(most + 1)
          .fill(usual[0])
          .join(',')}]`,
      ),
    ),
  ).toBeNull()
})

let nodes: readonly [RpcNode, RpcNode]
beforeAll(async () => {
  nodes = [await startRpcNode(), await startRpcNode()]
})
afterAll(async () => {
  for (const node of nodes) await node.close()
})

const textOf = async (node: RpcNode, body: string): Promise<string> => {
  const reply = await fetch(node.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return reply.text()
}

test('answers are those of the ordinary way to the byte: hashes, refusals, whatever the order', async () => {
  const dice = createDice(seed)
  const good = await Promise.all(Array.from({ length: 60 }, (_, nonce) => nodes[0].signed('transfer', nonce)))
  for (let next = 0; next < good.length; ) {
    const fresh = good.slice(next, next + 1 + dice.below(6))
    next += fresh.length
    const bad = ['0x', '0x02c0', '0x03', `0x02${'ff'.repeat(100)}`, good[dice.below(next)] as string]
    const raws = shuffled(dice, [...fresh, ...bad.slice(dice.below(6))])
    const body = batchOf(dice, raws, 0)
    expect(readRawBatch(Buffer.from(body)), `SEED=${seed} ${body}`).not.toBeNull()
    const other = body.replace('{', '{"extra":0,')
    expect(readRawBatch(Buffer.from(other))).toBeNull()
    expect(await textOf(nodes[0], body), `SEED=${seed} ${body}`).toBe(await textOf(nodes[1], other))
  }
  expect(nodes[0].chain.pool.status()).toEqual({ pending: good.length, queued: 0 })
})
