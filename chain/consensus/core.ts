// The consensus machine: `handle` takes one input and answers what to do. Synchronous and total; the same inputs give the same
// effects. Owns which height an input belongs to, and the manners between heights; the rules of a height are in `height.ts`.
import { equalBytes } from '../base/bytes.ts'
import { unreachable } from '../base/errors.ts'
import { heightOf, type Message } from '../types/message.ts'
import { isTurnOf } from '../types/validators.ts'
import type { Vote } from '../types/vote.ts'
import { isCounted, isInWindow, sharesOf } from './book.ts'
import { BOUNDS } from './bounds.ts'
import { createFuture, type Future, hasRoom, isNear, keep, keepUnchecked, takeHeight } from './future.ts'
import {
  enterHeight,
  type Height,
  loadRecord,
  onBody,
  onBuilt,
  onCommitQc,
  onMessage,
  onSigned,
  onTimer,
  repeat,
  resume,
  settle,
} from './height.ts'
import type { Effect, Input, MessageInput, Peer, Start } from './io.ts'
import { type Out, take } from './rules.ts'

/** Plain data. Nobody but `handle` changes it. */
export interface State extends Out {
  height: Height | null
  readonly future: Future
  /** Peers answered since the last tick. */
  readonly answered: Set<string>
}

export const createState = (): State => ({
  height: null,
  future: createFuture(),
  answered: new Set(),
  effects: [],
  taken: new Map(),
})

export function handle(s: State, input: Input): Effect[] {
  const h = input.kind === 'start' ? startHeight(s, input) : s.height
  if (h === null) return []
  apply(s, h, input)
  settle(h, s)
  return s.effects.splice(0)
}

const apply = (s: State, h: Height, input: Input): void => {
  const { height } = h.start
  switch (input.kind) {
    case 'start': {
      const { checked, unchecked } = takeHeight(s.future, height)
      for (const kept of checked) {
        take(s, 'future replayed')
        onMessage(h, kept.message, kept.seen, kept.from, s)
      }
      for (const { message, from, seen } of unchecked) {
        take(s, 'unchecked handed out')
        s.effects.push({ kind: 'check', message, from, seen })
      }
      return
    }
    case 'resume':
      resume(h, input.record, s)
      return
    case 'refused':
      take(s, 'refused')
      loadRecord(h, input.record, s)
      return
    case 'due':
      if (input.height === height) h.isDue = true
      return
    case 'timer':
      if (input.height === height) onTimer(h, input.round, s)
      return
    case 'tick':
      s.answered.clear()
      repeat(h, s)
      return
    case 'message':
      onAnyMessage(s, h, input)
      return
    case 'unchecked':
      answer(s, h, heightOf(input.message), input.from)
      if (isNear(heightOf(input.message), height))
        take(s, keepUnchecked(s.future, { ...input, kind: 'message' }) ? 'unchecked kept' : 'unchecked full')
      return
    case 'heard':
      answer(s, h, input.height, input.from)
      return
    case 'body':
      if (input.height === height) onBody(h, input.blockHash, input.verdict, s)
      return
    case 'built':
      if (input.height === height) onBuilt(h, input.round, input.blockHash, s)
      return
    case 'signed':
      if (heightOf(input.message) === height) onSigned(h, input.message, s)
      return
    default:
      unreachable(input)
  }
}

const startHeight = (s: State, start: Start): Height => {
  const before = s.height
  const qc = start.parent?.qc
  const isMine = before !== null && qc !== undefined && before.start.height === qc.height
  s.height = enterHeight(start, isMine ? sharesOf(before.book, { ...qc, type: 'commit' }) : new Map(), s)
  return s.height
}

const onAnyMessage = (s: State, h: Height, input: MessageInput): void => {
  const { message, from, seen } = input
  const height = heightOf(message)
  if (message.kind === 'vote' || message.kind === 'timeout' || message.kind === 'status' || height > h.start.height)
    answer(s, h, height, from)
  if (height === h.start.height) {
    onMessage(h, message, seen, from, s)
    return
  }
  if (message.kind === 'vote' && isLateCommit(h, message.vote)) {
    take(s, 'lastCommit collected')
    h.late.set(message.vote.validator, message.vote.signature)
  }
  if (!isNear(height, h.start.height)) return
  if (message.kind === 'proposal' && height === h.start.height + 1 && seen !== null && seen.lastCommit !== null) {
    take(s, 'lastCommit used')
    onCommitQc(h, seen.lastCommit, 'received', s)
  }
  take(s, keep(s.future, input) ? 'future kept' : 'future full')
}

/** COMMITs of the parent are collected on, so that its certificate in the own proposal names as many as signed. */
const isLateCommit = (h: Height, { type, height, round, blockHash }: Vote): boolean => {
  const qc = h.start.parent?.qc
  return (
    qc !== undefined &&
    type === 'commit' &&
    height === qc.height &&
    round === qc.round &&
    equalBytes(blockHash, qc.blockHash)
  )
}

/** Who is behind gets the CommitQC he lacks; who is ahead is told where I am, for the same answer. Once per peer and repeat. */
const answer = (s: State, h: Height, height: number, peer: Peer): void => {
  const isAhead = height > h.start.height
  const isMissing = height === h.start.height && h.commitQc === null
  const key = `${isAhead ? 'ahead' : 'behind'} ${peer}`
  if (isMissing || s.answered.has(key) || s.answered.size >= BOUNDS.answered) return
  s.answered.add(key)
  take(s, isAhead ? 'ahead' : 'behind')
  if (isAhead) s.effects.push({ kind: 'reply', message: { kind: 'status', height: h.start.height }, to: peer })
  else if (height < h.start.height) s.effects.push({ kind: 'serve', height, to: peer })
  else if (h.commitQc !== null) s.effects.push({ kind: 'reply', message: { kind: 'qc', qc: h.commitQc }, to: peer })
}

/**
 * What a message is worth before its signatures are checked: `check` them and hand it in; only tell that it was `heard`; or `drop` it.
 * A message of a height whose set is unknown goes in `unchecked` instead of being checked.
 */
export function relevance(s: State, message: Message): 'check' | 'heard' | 'drop' {
  const h = s.height
  if (h === null) return 'drop'
  const height = heightOf(message)
  const current = h.start.height
  const isSpoken = message.kind === 'vote' || message.kind === 'timeout' || message.kind === 'status'
  const otherwise = isSpoken || height > current ? 'heard' : 'drop'
  if (message.kind === 'status') return 'heard'
  if (height > current) return isNear(height, current) && hasRoom(s.future, message) ? 'check' : 'heard'
  if (height === current) return isNews(h, message) ? 'check' : otherwise
  return message.kind === 'vote' && isLateCommit(h, message.vote) && !h.late.has(message.vote.validator)
    ? 'check'
    : otherwise
}

/** Whether a message of this height can change anything. */
const isNews = (h: Height, message: Exclude<Message, { readonly kind: 'status' }>): boolean => {
  const isMember = (validator: number): boolean => validator < h.start.set.members.length
  switch (message.kind) {
    case 'proposal': {
      const { round } = message.proposal
      const isPast = round < h.cur && !isInWindow(round, h.cur)
      return !isPast && isTurnOf(h.start, message.proposal) && !isCounted(h.book, message, h.cur)
    }
    case 'vote': {
      const { validator, round } = message.vote
      return isMember(validator) && isInWindow(round, h.cur) && !isCounted(h.book, message, h.cur)
    }
    case 'timeout':
      return isMember(message.timeout.validator) && !isCounted(h.book, message, h.cur)
    case 'qc':
      return message.qc.type === 'commit' ? h.commitQc === null : message.qc.round > (h.highQc?.round ?? -1)
    case 'tc': {
      const { round, qc } = message.tc
      const isRaising = (qc?.round ?? -1) > (h.highQc?.round ?? -1)
      return isRaising || round >= h.cur || (round === h.cur - 1 && h.entry === null)
    }
    default:
      return unreachable(message)
  }
}
