// Every decoder that peers' bytes reach, against garbage, valid bytes spoiled, lengths that lie and nesting without end: it gives what
// encodes to the same bytes, or refuses by name. fast-check prints the seed of a run that fails.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asAddress, asHash } from '../chain/base/bytes.ts'
import { keccak } from '../chain/base/crypto.ts'
import { NodeError } from '../chain/base/errors.ts'
import { asList, asNumber, decodeRlp, encodeRlp } from '../chain/base/rlp.ts'
import {
  type Block,
  decodeBlock,
  decodeHeader,
  decodeSection,
  encodeBlock,
  encodeExtra,
  encodeHeader,
  encodeSection,
  type Header,
  headerHash,
  type Section,
} from '../chain/types/block.ts'
import { decodeMessage, encodeMessage, type Message } from '../chain/types/message.ts'
import { decodeQc, decodeTc, encodeQc, encodeTc, type Qc, type Tc } from '../chain/types/vote.ts'
import { decodeLogged, encodeLogged } from '../node/logged.ts'
import {
  decodeAddresses,
  decodeAttestations,
  decodeBodyAnswer,
  decodeBodyRequest,
  decodeCodes,
  decodeEnvelope,
  decodeHello,
  decodeLightAsk,
  decodeLit,
  decodeOperatorWord,
  decodeRange,
  decodeRun,
  decodeStateAsk,
  decodeTxs,
  decodeTxsRequest,
  encodeAddresses,
  encodeAttestations,
  encodeBodyAnswer,
  encodeCodes,
  encodeEnvelope,
  encodeHello,
  encodeLightAsk,
  encodeLit,
  encodeOperatorWord,
  encodeRange,
  encodeRun,
  encodeStateAsk,
  encodeTxs,
  encodeTxsRequest,
  joinLit,
  sketchOf,
} from './wire.ts'

const hash = (seed: number) => asHash(keccak(Uint8Array.of(seed)))
const signature = (seed: number): Uint8Array => Uint8Array.from([1, 2, 3].flatMap((part) => [...hash(seed * 7 + part)]))
const qc = (type: Qc['type'], round = 0): Qc => ({
  ...{ type, height: 300, round, blockHash: hash(1), bitmap: Uint8Array.of(15), signature: signature(1) },
})
const tc: Tc = {
  height: 300,
  round: 2,
  groups: [null, 1].map((hqcRound) => ({ hqcRound, bitmap: Uint8Array.of(3), signature: signature(2) })),
  qc: qc('prepare', 1),
}
const header: Header = {
  ...{ parentHash: hash(1), coinbase: asAddress(new Uint8Array(20)), stateRoot: hash(2), transactionsRoot: hash(3) },
  ...{ receiptsRoot: hash(4), bloom: new Uint8Array(256), number: 300, gasLimit: 30_000_000n, gasUsed: 21_000n },
  ...{ time: 1_800_000_000, extraData: encodeExtra({ originRound: 0, ms: 12 }), prevRandao: hash(5) },
  ...{ baseFeeWei: 7n, parentBeaconBlockRoot: hash(6) },
}
const section: Section = {
  ...{ version: 1, epoch: 0, proposerIndex: 1, validatorsHash: hash(7), nextValidatorsHash: null },
  ...{ reveal: signature(3), lastCommit: qc('commit') },
}
const txs = [hash(8), Uint8Array.of(2, ...signature(4)), new Uint8Array(70_000).fill(9)]
const block: Block = { header, hash: headerHash(header), txs, section }
const light: Block = { ...block, txs: txs.slice(0, 2) }
const place = { height: 300, round: 2, blockHash: hash(1) }
const by = { validator: 2, signature: signature(5) }
const messages: readonly Message[] = [
  { kind: 'proposal', proposal: { ...place, justify: qc('prepare'), tc, ...by } },
  { kind: 'vote', vote: { type: 'commit', ...place, ...by } },
  { kind: 'timeout', timeout: { height: 300, round: 2, hqcRound: 1, qc: qc('prepare', 1), ...by } },
  { kind: 'qc', qc: qc('commit') },
  { kind: 'tc', tc },
  { kind: 'status', height: 300 },
]
const hello = { networkId: hash(9), version: 1, announcement: new Uint8Array(144), software: new Uint8Array(20) }
const saltOf = (bytes: Uint8Array): number => asNumber(asList(decodeRlp(bytes))[0])

interface Codec {
  /** Decodes and encodes again. */
  readonly pass: (bytes: Uint8Array) => Uint8Array
  readonly valid: readonly Uint8Array[]
}
const codec = <T>(
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  valid: readonly Uint8Array[],
): Codec => ({ pass: (bytes) => encode(decode(bytes)), valid })

const CODECS: Readonly<Record<string, Codec>> = {
  envelope: {
    pass: (bytes) => encodeEnvelope(decodeEnvelope(bytes), saltOf(bytes)),
    valid: messages.map((message) =>
      encodeEnvelope({ message, sketch: message.kind === 'proposal' ? sketchOf(block) : null }, 1_800_000_000),
    ),
  },
  message: codec(decodeMessage, encodeMessage, messages.map(encodeMessage)),
  'quorum certificate': codec(decodeQc, encodeQc, [encodeQc(qc('commit'))]),
  'timeout certificate': codec(decodeTc, encodeTc, [encodeTc(tc)]),
  header: codec(decodeHeader, encodeHeader, [encodeHeader(header)]),
  section: codec(decodeSection, encodeSection, [encodeSection(section)]),
  block: codec(decodeBlock, encodeBlock, [encodeBlock(light), encodeBlock(block)]),
  transactions: codec(decodeTxs, encodeTxs, [encodeTxs(txs), encodeTxs(light.txs), encodeTxs([])]),
  'request for a body': codec(decodeBodyRequest, (it) => it, [hash(1)]),
  'answer with a body': codec(decodeBodyAnswer, encodeBodyAnswer, [
    encodeBodyAnswer(light),
    encodeBodyAnswer(block),
    encodeBodyAnswer(null),
  ]),
  'request for transactions': codec(decodeTxsRequest, ({ blockHash, places }) => encodeTxsRequest(blockHash, places), [
    encodeTxsRequest(hash(1), [0, 3, 70_000]),
  ]),
  range: codec(decodeRange, encodeRange, [encodeRange({ from: 300, count: 64 })]),
  run: codec(decodeRun, encodeRun, [
    encodeRun({ blocks: [light, light], commit: qc('commit'), earliest: 0 }),
    encodeRun({ blocks: [block], commit: qc('commit'), earliest: 0 }),
    encodeRun({ blocks: [], commit: null, earliest: 0 }),
  ]),
  hello: codec(decodeHello, encodeHello, [encodeHello(hello)]),
  addresses: codec(decodeAddresses, encodeAddresses, [encodeAddresses(['/ip4/1.2.3.4/tcp/30333/p2p/x', '\ufeffé'])]),
  attestations: {
    pass: (bytes) => encodeAttestations(decodeAttestations(bytes), saltOf(bytes)),
    valid: [1, 3].map((count) =>
      encodeAttestations(
        {
          key: signature(6).slice(0, 48),
          votes: Array.from({ length: count }, (_, i) => ({
            ...{ chain: BigInt(80_002 * i), id: hash(i), signature: signature(i) },
          })),
        },
        1_800_000_000,
      ),
    ),
  },
  'operator’s word': {
    pass: (bytes) => encodeOperatorWord(decodeOperatorWord(bytes), saltOf(bytes)),
    valid: ([0, 1] as const).map((recovery) =>
      encodeOperatorWord(
        { height: 70_000, blockHash: hash(1), signature: signature(7).slice(0, 64), recovery },
        1_800_000_000_000,
      ),
    ),
  },
  'request of a light client': codec(decodeLightAsk, encodeLightAsk, [
    encodeLightAsk({ kind: 'head' }),
    encodeLightAsk({ kind: 'epochs', from: 300, count: 32 }),
  ]),
  'blocks for a light client': codec(decodeLit, (lit) => joinLit(lit.map(encodeLit)), [
    joinLit([]),
    joinLit(
      [null, [1, 2].map((n) => ({ address: header.coinbase, blsKey: signature(n).slice(0, 48), power: 10n }))].map(
        (validators) => encodeLit({ header, section, certificate: qc('commit'), validators, nextValidators: null }),
      ),
    ),
  ]),
  'request for state': codec(decodeStateAsk, encodeStateAsk, [
    encodeStateAsk({ kind: 'piece', height: 300, owner: null, path: Uint8Array.of(1, 15) }),
    encodeStateAsk({ kind: 'piece', height: 300, owner: header.coinbase, path: new Uint8Array(0) }),
    encodeStateAsk({ kind: 'codes', hashes: [hash(1), hash(2)] }),
  ]),
  codes: codec(decodeCodes, encodeCodes, [encodeCodes([new Uint8Array(300).fill(0x5b), Uint8Array.of(1)])]),
  'logged input': codec(decodeLogged, encodeLogged, [
    encodeLogged({
      ...{ kind: 'message', message: messages[0] as Message, from: 'peer' },
      seen: { originRound: 2, isTimely: true, lastCommit: qc('commit') },
    }),
    encodeLogged({ kind: 'body', height: 300, blockHash: hash(1), verdict: 'valid' }),
    encodeLogged({ kind: 'timer', height: 300, round: 2 }),
  ]),
}

/** Bytes that name themselves otherwise than they would be encoded are refused; so the same thing is the same bytes everywhere. */
const survives = (name: string, { pass }: Codec, bytes: Uint8Array): void => {
  let again: Uint8Array
  try {
    again = pass(bytes)
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    expect(error.code).toMatch(/^(WIRE|MESSAGE|BLOCK|VOTE|RLP|LOGGED)_/)
    return
  }
  if (name === 'hello') again = bytes // later versions may say more
  expect(Buffer.compare(again, bytes)).toBe(0)
}

type Spoil = { readonly how: 'flip' | 'cut' | 'add' | 'twice' | 'nest'; readonly at: number; readonly by: number }
const spoil: fc.Arbitrary<Spoil> = fc.record({
  how: fc.constantFrom('flip', 'flip', 'flip', 'cut', 'add', 'twice', 'nest'),
  at: fc.nat(),
  by: fc.integer({ min: 1, max: 255 }),
})
const spoiled = (bytes: Uint8Array, { how, at, by: value }: Spoil): Uint8Array => {
  const here = bytes.length === 0 ? 0 : at % bytes.length
  const [before, after] = [bytes.subarray(0, here), bytes.subarray(here)]
  switch (how) {
    case 'flip':
      return Uint8Array.from([...before, (after[0] ?? 0) ^ value, ...after.subarray(1)])
    case 'cut':
      return Uint8Array.from([...before, ...after.subarray(value)])
    case 'add':
      return Uint8Array.from([...before, value, ...after])
    case 'twice':
      return Uint8Array.from([...before, ...after.subarray(0, value), ...after])
    case 'nest':
      return encodeRlp([bytes])
  }
}

const BOMBS: readonly Uint8Array[] = [
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), // 2^64 bytes
  Uint8Array.of(0xfb, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xbb, 0x7f, 0xff, 0xff, 0xff, 0x00),
  new Uint8Array(100_000).fill(0xc1), // a list in a list in a list
  encodeRlp(
    Array.from({ length: 20 }).reduce<Uint8Array | readonly []>((inner) => [inner] as never, new Uint8Array(0)),
  ),
  encodeRlp([new Uint8Array(0), Array.from({ length: 300_000 }, () => Uint8Array.of(1)), new Uint8Array(0)]),
  encodeRlp(Array.from({ length: 300_000 }, () => [])),
]

describe.each(Object.entries(CODECS))('%s', (name, each) => {
  const short = each.valid.filter(({ length }) => length < 10_000)
  test('decodes to what was encoded', () => {
    for (const bytes of each.valid) expect(Buffer.compare(each.pass(bytes), bytes)).toBe(0)
  })
  test('garbage is refused by name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => survives(name, each, bytes)),
      { numRuns: 500 },
    )
  })
  test('what was valid and is spoiled is refused by name, or is another', () => {
    const of = fc.record({ bytes: fc.constantFrom(...short), spoils: fc.array(spoil, { minLength: 1, maxLength: 4 }) })
    fc.assert(
      fc.property(of, ({ bytes, spoils }) => survives(name, each, spoils.reduce(spoiled, bytes))),
      { numRuns: 500 },
    )
  })
  test('lengths that lie, nesting without end and items without number are refused by name', () => {
    for (const bomb of BOMBS) survives(name, each, bomb)
  })
})

test('megabytes of the smallest items are refused before they are held', () => {
  const bytes = encodeRlp(Array.from({ length: 3_000_000 }, () => Uint8Array.of(1)))
  for (const decode of [decodeTxs, decodeEnvelope, decodeBlock, decodeRun])
    expect(() => decode(bytes)).toThrow(/too many items/)
})

test('rounds that would sign like others are refused', () => {
  const timeout = messages[2]
  expect(timeout?.kind).toBe('timeout')
  if (timeout?.kind !== 'timeout') return
  const forged = { ...timeout.timeout, hqcRound: 1 + 2 ** 32 }
  expect(() => decodeMessage(encodeMessage({ kind: 'timeout', timeout: forged }))).toThrow(/round 4294967297/)
  const groups = tc.groups.map((group) => ({ ...group, hqcRound: 2 ** 32 }))
  expect(() => decodeTc(encodeTc({ ...tc, groups }))).toThrow(/round 4294967296/)
})
