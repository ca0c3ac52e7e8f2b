import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asHash } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import { decodeMessage, encodeMessage, type Message, signedPart } from './message.ts'
import type { Qc } from './vote.ts'

const height = fc.integer({ min: 0, max: 2 ** 40 })
const round = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 0xfffffffe }))
const sized = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const hash = sized(32).map(asHash)
const bitmap = fc.uint8Array({ maxLength: 160 })
const signer = { validator: fc.integer({ min: 0, max: 5_000 }), signature: sized(96) }
const qc = (types: readonly Qc['type'][]) =>
  fc.record({ type: fc.constantFrom(...types), height, round, blockHash: hash, bitmap, signature: sized(96) })
const optional = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: null })
const tc = fc.record({
  height,
  round,
  groups: fc.array(fc.record({ hqcRound: optional(round), bitmap, signature: sized(96) }), { maxLength: 4 }),
  qc: optional(qc(['prepare'])),
})
const arbMessage: fc.Arbitrary<Message> = fc.oneof(
  fc
    .record({ height, round, blockHash: hash, justify: optional(qc(['prepare'])), tc: optional(tc), ...signer })
    .map((proposal) => ({ kind: 'proposal' as const, proposal })),
  fc
    .record({ type: fc.constantFrom('prepare' as const, 'commit' as const), height, round, blockHash: hash, ...signer })
    .map((vote) => ({ kind: 'vote' as const, vote })),
  fc
    .record({ height, round, hqcRound: optional(round), qc: optional(qc(['prepare'])), ...signer })
    .map((timeout) => ({ kind: 'timeout' as const, timeout })),
  qc(['prepare', 'commit']).map((it) => ({ kind: 'qc' as const, qc: it })),
  tc.map((it) => ({ kind: 'tc' as const, tc: it })),
  height.map((it) => ({ kind: 'status' as const, height: it })),
)

/** What a peer's bytes may end in. */
const survives = (bytes: Uint8Array): void => {
  try {
    expect(encodeMessage(decodeMessage(bytes))).toEqual(bytes) // one encoding per message: a changed byte is another message
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    expect(error.code).toMatch(/^(MESSAGE_MALFORMED|VOTE_CERTIFICATE|RLP_MALFORMED)$/)
  }
}

describe('consensus messages', () => {
  test('decode to what was encoded', () => {
    fc.assert(
      fc.property(arbMessage, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message)
      }),
    )
  })
  test('garbage is refused by name', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), survives), { numRuns: 2_000 })
  })
  test('a message with a byte changed, cut or added is refused, or is another message', () => {
    fc.assert(
      fc.property(arbMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (message, at, by, cut) => {
        const bytes = encodeMessage(message)
        const changed = bytes.slice()
        changed[at % bytes.length] = (changed[at % bytes.length] as number) ^ by
        survives(changed)
        survives(bytes.slice(0, cut % bytes.length))
        survives(Uint8Array.of(...bytes, by))
      }),
      { numRuns: 2_000 },
    )
  })
  test('none and round 0 are signed as different bytes', () => {
    const timeout = { height: 1, round: 0, qc: null, validator: 0 }
    const [none, zero] = [null, 0].map((hqcRound) => signedPart({ kind: 'timeout', timeout: { ...timeout, hqcRound } }))
    expect(none?.payload).not.toEqual(zero?.payload)
  })
})
