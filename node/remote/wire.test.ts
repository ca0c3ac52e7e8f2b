// Frames and what is in them: the same comes out that went in, however a stream is cut; and bytes of strangers are refused, never believed in part
// and never a crash.
import { expect, test } from 'vitest'
import { asAddress } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Signed } from '../../chain/types/message.ts'
import type { Qc, Tc } from '../../chain/types/vote.ts'
import { block, domain } from '../../test/kit/remote.ts'
import {
  type Answer,
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  Frames,
  type Question,
} from './wire.ts'

const bytes = (size: number, of: number): Uint8Array => new Uint8Array(size).fill(of)
const key = bytes(48, 9)
const operator = asAddress(bytes(20, 4))
const qc: Qc = {
  type: 'prepare',
  height: 5,
  round: 2,
  blockHash: block(1),
  bitmap: bytes(2, 1),
  signature: bytes(96, 3),
}
const groups = [{ hqcRound: 2, bitmap: bytes(2, 1), signature: bytes(96, 5) }]
const tc: Tc = { height: 5, round: 3, groups, qc }
const proposal = { height: 5, round: 4, blockHash: block(2), justify: qc, tc, validator: 1, signature: bytes(96, 0) }
const timeout = { height: 5, round: 4, hqcRound: 2, qc, validator: 1, signature: bytes(96, 0) }
const vote = {
  type: 'commit' as const,
  height: 5,
  round: 0,
  blockHash: block(2),
  validator: 1,
  signature: bytes(96, 0),
}
const message: Signed = { kind: 'proposal', proposal }

const questions: readonly Question[] = [
  { kind: 'hello', domain, instance: bytes(16, 7), claim: 'takeOver' },
  ...([
    { kind: 'ping' },
    { kind: 'release' },
    { kind: 'record', key },
    { kind: 'reveal', key, height: 2 ** 40 },
  ] as const),
  { kind: 'sign', key, order: { message, highQc: qc, entry: { kind: 'tc', tc } } },
  { kind: 'sign', key, order: { message: { kind: 'timeout', timeout }, highQc: qc, entry: { kind: 'qc', qc } } },
  { kind: 'sign', key, order: { message: { kind: 'vote', vote }, highQc: null, entry: null } },
  { kind: 'announce', key, peerId: '12D3KooW' },
  { kind: 'attest', key, event: { chain: 2n ** 63n, vault: operator, id: block(3) } },
  { kind: 'own', key, operator },
  { kind: 'ready', key, height: 5, blockHash: block(5), operator },
]
const answers: readonly Answer[] = [
  ...([{ kind: 'done' }, { kind: 'keys', keys: [key, bytes(48, 8)] }, { kind: 'record', record: null }] as const),
  { kind: 'signature', signature: bytes(96, 1) },
  { kind: 'record', record: { height: 5, round: 4, step: 1, message, highQc: qc, entry: { kind: 'tc', tc } } },
  { kind: 'refused', fault: 'lease', text: 'another’s' },
]

/** Numbers from 0 up to `below`, the same for the same seed. */
const diceOf = (seed: number) => {
  let drawn = seed
  return (below: number): number => {
    drawn = (Math.imul(drawn, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((drawn / 2 ** 32) * below)
  }
}

test('every question and every answer comes out as it went in, wherever the stream is cut', () => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  const dice = diceOf(seed)
  const sent = [
    ...questions.map((each, i) => encodeQuestion(i, each)),
    ...answers.map((each, i) => encodeAnswer(i, each)),
  ]
  const stream = Buffer.concat(sent)
  for (let run = 0; run < 50; run++) {
    const frames = new Frames()
    const bodies: Uint8Array[] = []
    for (let at = 0; at < stream.length; ) {
      const size = 1 + dice(run % 2 === 0 ? 7 : 3_000)
      bodies.push(...frames.add(stream.subarray(at, at + size)))
      at += size
    }
    expect([seed, bodies.length, frames.isEmpty]).toEqual([seed, sent.length, true])
    const ofQuestions = bodies.slice(0, questions.length)
    expect(ofQuestions.map(decodeQuestion)).toEqual(questions.map((question, id) => ({ id, question })))
    const ofAnswers = bodies.slice(questions.length)
    expect(ofAnswers.map(decodeAnswer)).toEqual(answers.map((answer, id) => ({ id, answer })))
  }
})

test('bytes of strangers are refused by name', () => {
  for (let round = 0; round < Number(process.env.RUNS ?? 20); round++) {
    const seed = Math.floor(Math.random() * 2 ** 32)
    const dice = diceOf(seed)
    let refused = 0
    for (let run = 0; run < 200; run++) {
      const isQuestion = dice(2) === 0
      const body = (
        isQuestion
          ? encodeQuestion(1, questions[dice(questions.length)] as Question)
          : encodeAnswer(1, answers[dice(answers.length)] as Answer)
      ).slice(4)
      const changed = dice(3) === 0 ? body.slice(0, dice(body.length)) : body
      for (let i = 0; i <= dice(4); i++) if (changed.length > 0) changed[dice(changed.length)] = dice(256)
      try {
        if (isQuestion) decodeQuestion(changed)
        else decodeAnswer(changed)
      } catch (error) {
        expect([seed, error]).toEqual([seed, expect.any(NodeError)])
        refused++
      }
    }
    expect([seed, refused > 20]).toEqual([seed, true])
  }
})
