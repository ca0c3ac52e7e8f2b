// What the engine writes to the log: records' types, and the machine's inputs as bytes. Owns nothing else.
import { asHash } from '../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { asBytes, asFlag, asList, asNumber, asText, decodeRlp, encodeRlp, type Rlp, rlpInt } from '../chain/base/rlp.ts'
import type { Logged, Seen } from '../chain/consensus/io.ts'
import { decodeMessage, encodeMessage } from '../chain/types/message.ts'
import { decodeQc, encodeQc } from '../chain/types/vote.ts'

export const LoggedErrors = defineErrors('LOGGED', {
  UNKNOWN: {
    text: (d: { kind: number }) =>
      `the write-ahead log holds an input of kind ${d.kind}: another version of the node wrote it. Start that version, or move the file ` +
      '(wal/consensus.wal) away: the signer record still guards against signing twice',
  },
})

/** Types of the log's records: a block that was judged valid, an input of the machine, an own signature. */
export const RECORDS = { body: 1, input: 2, own: 3 } as const

const KINDS = { message: 1, body: 2, timer: 3 } as const
const NONE = new Uint8Array(0)
const encoder = new TextEncoder()

export function encodeLogged(input: Logged): Uint8Array {
  const kind = rlpInt(KINDS[input.kind])
  switch (input.kind) {
    case 'message':
      return encodeRlp([kind, encodeMessage(input.message), encoder.encode(input.from), seenToRlp(input.seen)])
    case 'body':
      return encodeRlp([kind, rlpInt(input.height), input.blockHash, rlpInt(input.verdict === 'valid' ? 1 : 0)])
    case 'timer':
      return encodeRlp([kind, rlpInt(input.height), rlpInt(input.round)])
  }
}

export function decodeLogged(bytes: Uint8Array): Logged {
  const [first, ...rest] = asList(decodeRlp(bytes))
  const kind = asNumber(first)
  switch (kind) {
    case KINDS.message: {
      const [message, from, seen] = asList(rest, 3)
      return { kind: 'message', message: decodeMessage(asBytes(message)), from: asText(from), seen: seenFrom(seen) }
    }
    case KINDS.body: {
      const [height, hash, verdict] = asList(rest, 3)
      const blockHash = asHash(asBytes(hash, 32))
      return {
        kind: 'body',
        height: asNumber(height),
        blockHash,
        verdict: asFlag(verdict) ? 'valid' : 'invalid',
      }
    }
    case KINDS.timer: {
      const [height, round] = asList(rest, 2)
      return { kind: 'timer', height: asNumber(height), round: asNumber(round) }
    }
    default:
      throw new NodeError(LoggedErrors.UNKNOWN, { kind })
  }
}

const seenToRlp = (seen: Seen | null): Rlp =>
  seen === null
    ? NONE
    : [
        rlpInt(seen.originRound),
        rlpInt(seen.isTimely ? 1 : 0),
        seen.lastCommit === null ? NONE : encodeQc(seen.lastCommit),
      ]
const seenFrom = (item: Rlp | undefined): Seen | null => {
  if (item instanceof Uint8Array && item.length === 0) return null
  const [round, isTimely, qc] = asList(item, 3)
  const commit = asBytes(qc)
  return {
    originRound: asNumber(round),
    isTimely: asFlag(isTimely),
    lastCommit: commit.length === 0 ? null : decodeQc(commit),
  }
}
