import { readFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { expect, test } from 'vitest'
import { asAddress, bytesToHex, concat, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { headerTimeMs } from '../../chain/types/block.ts'
import { decodeFields, usualFields } from '../../chain/types/tx.ts'
import { readBatch } from '../../test/kit/batch-decoder.ts'
import { blocksOf, CHAIN_ID, type Drawn, drawTx } from '../../test/kit/batches.ts'
import { createDice, type Dice } from '../../test/kit/dice.ts'
import { BATCH_LIMITS, type BatchInput, decodeBatch, encodeBatch, partsOf, splitBatch } from './batch.ts'
import { Reader, Writer } from './columns.ts'

const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const ENCODINGS = ['full', 'attested'] as const
const decode = (bytes: Uint8Array) => decodeBatch(bytes, { chainId: CHAIN_ID })

const drawInput = (dice: Dice): BatchInput => {
  const people = Array.from({ length: 1 + dice.below(300) }, () => asAddress(dice.bytes(20)))
  const txs = Array.from({ length: 1 + dice.below(8) }, () =>
    Array.from({ length: dice.chance(0.4) ? 0 : dice.below(20) }, () => drawTx(dice, people)),
  )
  return blocksOf(dice, txs, { first: dice.pick([1, 2, 5_000_000]), validators: 1 + dice.below(30), system: 0.3 })
}

/** What a decoder must give back, from the blocks themselves. */
const wanted = ({ blocks, senders }: BatchInput, encoding: (typeof ENCODINGS)[number]) =>
  blocks.map(({ header, txs, section }, i) => {
    const sent = senders[i]?.length ?? 0
    const { prevRandao, parentBeaconBlockRoot, transactionsRoot } = header
    const hashes = [prevRandao, parentBeaconBlockRoot, ...(sent > 0 ? [transactionsRoot] : [])]
    return {
      ...{ height: header.number, timeMs: headerTimeMs(header), coinbase: bytesToHex(header.coinbase) },
      hasSystemTx: txs.length > sent,
      txs: encoding === 'full' ? txs.slice(0, sent).map(bytesToHex) : null,
      senders: encoding === 'full' ? [] : (senders[i] ?? []).map(bytesToHex),
      proof: encoding === 'full' ? [bytesToHex(section?.reveal ?? new Uint8Array(0))] : hashes.map(bytesToHex),
    }
  })

const shown = (bytes: Uint8Array) => {
  const { outlines, commit } = decode(bytes)
  const commits = [...outlines.flatMap(({ lastCommit }) => (lastCommit === null ? [] : [lastCommit])), commit]
  return {
    blocks: outlines.map(({ height, timeMs, round, coinbase, hasSystemTx, txs, senders, proof }) => ({
      ...{ height, timeMs, round, coinbase: bytesToHex(coinbase), hasSystemTx, txs: txs.map(bytesToHex) },
      senders: (senders ?? []).map(bytesToHex),
      proof:
        proof.kind === 'full'
          ? [bytesToHex(proof.reveal)]
          : [
              proof.prevRandao,
              proof.parentBeaconBlockRoot,
              ...(proof.transactionsRoot ? [proof.transactionsRoot] : []),
            ].map(bytesToHex),
    })),
    commits: commits.map(({ round, bitmap, signature }) => ({
      ...{ round, bitmap: bytesToHex(bitmap), signature: signature === null ? null : bytesToHex(signature) },
    })),
  }
}

test(`what goes into a batch comes out of it, and another decoder reads the same, SEED=${seed}`, () => {
  const dice = createDice(seed)
  for (let i = 0; i < 40; i++) {
    const input = drawInput(dice)
    for (const encoding of ENCODINGS) {
      const { bytes, blockBytes, txBytes, txs } = encodeBatch(input, encoding)
      const ours = shown(bytes)
      expect(ours.blocks).toMatchObject(
        wanted(input, encoding).map(({ txs: raws, ...rest }) => (raws === null ? rest : { ...rest, txs: raws })),
      )
      const { isFull, rest, ...theirs } = readBatch(bytes, CHAIN_ID)
      expect({ isFull, rest }).toEqual({ isFull: encoding === 'full', rest: 0 })
      expect(ours).toEqual(theirs)
      expect(blockBytes + txBytes).toBe(bytes.length)
      expect(txs).toBe(input.senders.flat().length)
    }
  }
})

test(`an attested transaction is the signed one but for its signature, SEED=${seed}`, () => {
  const dice = createDice(seed)
  const said = (raw: Uint8Array) => {
    const { v, r, s, yParity, authorizations, ...rest } = usualFields(raw) ?? decodeFields(raw)
    return { ...rest, authorizations: authorizations.map(({ authority, ...tuple }) => tuple) }
  }
  for (let i = 0; i < 10; i++) {
    const input = drawInput(dice)
    const { outlines } = decode(encodeBatch(input, 'attested').bytes)
    for (const [k, { txs }] of outlines.entries())
      expect(txs.map(said)).toEqual(input.blocks[k]?.txs.slice(0, txs.length).map(said))
  }
})

const small = (): BatchInput => {
  const dice = createDice(3)
  const people = Array.from({ length: 6 }, () => asAddress(dice.bytes(20)))
  const block = (count: number): Drawn[] => Array.from({ length: count }, () => drawTx(dice, people))
  return blocksOf(dice, [block(7), [], [], block(3)], { first: 41, system: 0.5 })
}
const VECTORS = new URL('../../test/fixtures/batches.json', import.meta.url)

test('the bytes of version 1 stay what they are', () => {
  const kept = JSON.parse(readFileSync(VECTORS, 'utf8')) as Record<
    string,
    { readonly bytes: string; readonly blocks: unknown }
  >
  for (const encoding of ENCODINGS) {
    const vector = kept[encoding]
    expect(shown(hexToBytes(vector?.bytes ?? '0x')).blocks).toEqual(vector?.blocks)
    const { bytes } = encodeBatch(small(), encoding)
    expect(shown(bytes)).toEqual(shown(hexToBytes(vector?.bytes ?? '0x'))) // brotli may compress otherwise in another Node
  }
})

/** The error, or null where it decodes. */
const refusal = (bytes: Uint8Array): NodeError<{ readonly at?: number; readonly part?: string }> | null => {
  try {
    decode(bytes)
    return null
  } catch (error) {
    if (error instanceof NodeError) return error as NodeError<{ readonly at?: number; readonly part?: string }>
    throw error
  }
}

test('a batch that ends early is an error with the byte where it does, wherever that is', () => {
  for (const encoding of ENCODINGS) {
    const { bytes } = encodeBatch(small(), encoding)
    for (let size = 0; size < bytes.length; size++) {
      const error = refusal(bytes.subarray(0, size))
      expect(error?.code).toBe('BATCH_MALFORMED')
      expect(error?.data.at).toBeLessThanOrEqual(size)
    }
  }
})

test('what follows a valid batch is refused, within each of its streams too', () => {
  const { bytes } = encodeBatch(small(), 'full')
  expect(refusal(concat(bytes, Uint8Array.of(0)))).toMatchObject({
    code: 'BATCH_MALFORMED',
    data: { part: 'the batch', at: bytes.length },
  })
  const longer = brotliCompressSync(Uint8Array.of(0, 0, 0, 0))
  const frame = frameOf({ blocks: 1, txs: 0, blockSize: 4, blockStream: concat(longer, Uint8Array.of(1, 2)) })
  expect(refusal(frame)?.message).toContain('were announced')
})

test('parts are a batch cut, and no first part is taken for a batch', () => {
  const { bytes } = encodeBatch(small(), 'full')
  expect(splitBatch(bytes, bytes.length)).toEqual([bytes])
  for (const maxBytes of [600, 1_000, bytes.length - 1]) {
    const [first, ...others] = splitBatch(bytes, maxBytes) as [Uint8Array, ...Uint8Array[]]
    const said = partsOf(first)
    expect(said?.others.map(bytesToHex)).toEqual(others.map((part) => bytesToHex(keccak(part))))
    expect(concat(said?.first ?? first, ...others)).toEqual(bytes)
    for (const part of [first, ...others]) expect(part.length).toBeLessThanOrEqual(maxBytes)
    expect(refusal(first)).toMatchObject({ code: 'BATCH_MALFORMED', data: { at: 1 } })
    expect(() => partsOf(first.subarray(0, 20))).toThrow('ends within hashes of parts')
  }
  expect(partsOf(bytes)).toBe(null)
  expect(partsOf(new Uint8Array(0))).toBe(null)
  expect(() => splitBatch(new Uint8Array(256 * 20_000), 20_000)).toThrow('at most 255 parts')
})

test('another version and an unknown encoding are named', () => {
  const { bytes } = encodeBatch(small(), 'full')
  const other = bytes.slice()
  other[0] = 2
  expect(refusal(other)?.code).toBe('BATCH_VERSION')
  expect(refusal(other)?.message).toBe('batch of version 2; this node reads version 1')
  other[0] = 1
  other[1] = 2
  expect(refusal(other)).toMatchObject({ code: 'BATCH_MALFORMED', data: { at: 1 } })
})

const frameOf = (of: {
  readonly blocks: number
  readonly txs: number
  readonly blockSize: number
  readonly blockStream: Uint8Array
}): Uint8Array => {
  const out = new Writer()
  out.varints([1, 0, 7, of.blocks, of.txs, of.blockSize, of.blockStream.length, 0, 0])
  out.put(of.blockStream)
  return out.bytes()
}

test('a bomb is refused before it has grown, and so is every count above its bound', () => {
  const zeros = brotliCompressSync(new Uint8Array(64 * 1024 * 1024), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 5 },
  })
  expect(zeros.length).toBeLessThan(1_000)
  const before = process.memoryUsage().arrayBuffers
  const announced = frameOf({ blocks: 1, txs: 0, blockSize: 64 * 1024 * 1024, blockStream: zeros })
  expect(refusal(announced)?.code).toBe('BATCH_LIMIT')
  const hidden = frameOf({ blocks: 1, txs: 0, blockSize: 100, blockStream: zeros })
  expect(refusal(hidden)?.code).toBe('BATCH_MALFORMED')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  expect(
    refusal(frameOf({ blocks: BATCH_LIMITS.blocks + 1, txs: 0, blockSize: 0, blockStream: new Uint8Array(0) }))?.code,
  ).toBe('BATCH_LIMIT')
  expect(
    refusal(frameOf({ blocks: 1, txs: BATCH_LIMITS.txs + 1, blockSize: 0, blockStream: new Uint8Array(0) }))?.code,
  ).toBe('BATCH_LIMIT')
})

test(`bytes turned at random never do more than be refused, SEED=${seed}`, () => {
  const dice = createDice(seed)
  const made = ENCODINGS.map((encoding) => encodeBatch(small(), encoding).bytes)
  for (let i = 0; i < 600; i++) {
    const bad = dice.pick(made).slice()
    for (let k = 0; k <= dice.below(3); k++)
      bad[dice.chance(0.5) ? dice.below(40) : dice.below(bad.length)] = dice.below(256)
    const code = refusal(bad)?.code ?? 'none'
    expect(['none', 'BATCH_MALFORMED', 'BATCH_LIMIT', 'BATCH_VERSION']).toContain(code)
  }
})

/** The same batch with one of its streams holding other columns. */
const recompressed = (
  bytes: Uint8Array,
  which: 'blocks' | 'txs',
  change: (columns: Uint8Array) => Uint8Array,
): Uint8Array => {
  const frame = new Reader(bytes, 'the batch')
  const head = frame.varints(5, 2 ** 48, 'head')
  const [blockSize, blockLength, txSize, txLength] = frame.varints(4, 2 ** 48, 'sizes') as [
    number,
    number,
    number,
    number,
  ]
  const [blocks, txs] = [frame.take(blockLength, 'blocks'), frame.take(txLength, 'transactions')]
  const changed = change(brotliDecompressSync(which === 'blocks' ? blocks : txs))
  const stream = brotliCompressSync(changed, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
  const out = new Writer()
  out.varints(head)
  if (which === 'blocks') out.varints([changed.length, stream.length, txSize, txLength])
  else out.varints([blockSize, blockLength, changed.length, stream.length])
  for (const part of which === 'blocks' ? [stream, txs] : [blocks, stream]) out.put(part)
  out.put(frame.take(frame.left, 'the rest'))
  return out.bytes()
}

test(`columns turned at random never do more than be refused, SEED=${seed}`, () => {
  const dice = createDice(seed)
  const made = ENCODINGS.map((encoding) => encodeBatch(small(), encoding).bytes)
  for (let i = 0; i < 1_000; i++) {
    const bad = recompressed(dice.pick(made), dice.pick(['blocks', 'txs'] as const), (columns) => {
      for (let k = 0; k <= dice.below(3); k++)
        columns[dice.below(columns.length)] = dice.pick([0, 1, 127, 128, 255, dice.below(256)])
      return dice.chance(0.2) ? columns.subarray(0, dice.below(columns.length)) : columns
    })
    const code = refusal(bad)?.code ?? 'none'
    expect(['none', 'BATCH_MALFORMED', 'BATCH_LIMIT']).toContain(code)
  }
})
