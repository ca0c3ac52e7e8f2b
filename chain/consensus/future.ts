// Messages of heights to come. Owns their bounds: checked ones take a slot by validator, type and round, so that only the validator
// himself can fill it; what cannot be checked yet is kept per peer.
import { heightOf, type Message } from '../types/message.ts'
import { BOUNDS } from './bounds.ts'
import type { MessageInput, Peer } from './io.ts'

export interface Future {
  /** By height, then by slot. */
  readonly checked: Map<number, Map<string, MessageInput>>
  readonly unchecked: Map<Peer, MessageInput[]>
}

export const createFuture = (): Future => ({ checked: new Map(), unchecked: new Map() })

export const isNear = (height: number, current: number): boolean =>
  height > current && height <= current + BOUNDS.futureHeights

/** Whether a checked message would be kept: its slot is free, or holds less. */
export function hasRoom(future: Future, message: Message): boolean {
  const slot = slotOf(message)
  if (slot === null) return false
  const kept = future.checked.get(heightOf(message))?.get(slot.key)
  return kept === undefined || slot.rank > (slotOf(kept.message)?.rank ?? 0)
}

export function keep(future: Future, input: MessageInput): boolean {
  const slot = slotOf(input.message)
  if (slot === null || !hasRoom(future, input.message)) return false
  const height = heightOf(input.message)
  const slots = future.checked.get(height) ?? new Map<string, MessageInput>()
  future.checked.set(height, slots.set(slot.key, input))
  return true
}

export function keepUnchecked(future: Future, input: MessageInput): boolean {
  const waiting = future.unchecked.get(input.from) ?? []
  if (waiting.length >= BOUNDS.uncheckedPerPeer) return false
  if (waiting.length === 0 && future.unchecked.size >= BOUNDS.uncheckedPeers) return false
  future.unchecked.set(input.from, [...waiting, input])
  return true
}

/** What was kept for this height; everything below it is forgotten. */
export function takeHeight(
  future: Future,
  height: number,
): { readonly checked: readonly MessageInput[]; readonly unchecked: readonly MessageInput[] } {
  const checked = [...(future.checked.get(height)?.values() ?? [])]
  for (const at of future.checked.keys()) if (at <= height) future.checked.delete(at)
  const unchecked: MessageInput[] = []
  for (const [peer, waiting] of future.unchecked) {
    unchecked.push(...waiting.filter(({ message }) => heightOf(message) === height))
    const later = waiting.filter(({ message }) => heightOf(message) > height)
    if (later.length === 0) future.unchecked.delete(peer)
    else future.unchecked.set(peer, later)
  }
  return { checked, unchecked }
}

/** Where a message is kept, and what replaces it: in one slot the higher rank stays. Null for what is not kept. */
const slotOf = (message: Message): { readonly key: string; readonly rank: number } | null => {
  switch (message.kind) {
    case 'proposal': {
      const { round, validator } = message.proposal
      return round > BOUNDS.rounds ? null : { key: `proposal:${validator}:${round}`, rank: 0 }
    }
    case 'vote': {
      const { type, round, validator } = message.vote
      return round > BOUNDS.rounds ? null : { key: `${type}:${validator}:${round}`, rank: 0 }
    }
    case 'timeout': {
      const { round, validator } = message.timeout
      // However far, a validator's highest TIMEOUT is kept, for the jump: the next only where it is about twice as far.
      return round > BOUNDS.rounds
        ? { key: `highest:${validator}`, rank: 32 - Math.clz32(round) }
        : { key: `timeout:${validator}:${round}`, rank: 0 }
    }
    case 'qc':
      return message.qc.type === 'commit' ? { key: 'commitQc', rank: 0 } : { key: 'prepareQc', rank: message.qc.round }
    case 'tc':
      return { key: 'tc', rank: message.tc.round }
    case 'status':
      return null
  }
}
