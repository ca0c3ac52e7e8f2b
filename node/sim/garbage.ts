// Messages that were never said: real ones with a field bent. Each must be refused by the check, or change nothing.
import { asHash } from '../../chain/base/bytes.ts'
import type { Message } from '../../chain/types/message.ts'
import type { Qc, Tc } from '../../chain/types/vote.ts'
import type { Random } from './random.ts'

export function garble(message: Message, random: Random): Message {
  switch (message.kind) {
    case 'proposal': {
      const p = message.proposal
      const odd = random.pick([
        { ...p, signature: noise(96, random) },
        { ...p, validator: p.validator + random.pick([1, 100]) },
        { ...p, round: p.round + 1 },
        { ...p, blockHash: asHash(noise(32, random)) },
        { ...p, justify: p.justify === null ? null : garbleQc(p.justify, random) },
        { ...p, tc: p.tc === null ? null : garbleTc(p.tc, random) },
        { ...p, tc: null },
        { ...p, justify: null },
      ])
      return { kind: 'proposal', proposal: odd }
    }
    case 'vote': {
      const v = message.vote
      const odd = random.pick([
        { ...v, signature: noise(96, random) },
        { ...v, validator: v.validator + random.pick([1, 100]) },
        { ...v, round: v.round + random.pick([1, 1_000_000]) },
        { ...v, type: v.type === 'prepare' ? ('commit' as const) : ('prepare' as const) },
        { ...v, height: v.height + 1 },
        { ...v, blockHash: asHash(noise(32, random)) },
      ])
      return { kind: 'vote', vote: odd }
    }
    case 'timeout': {
      const t = message.timeout
      const odd = random.pick([
        { ...t, signature: noise(96, random) },
        { ...t, round: t.round + 1 },
        { ...t, hqcRound: null, qc: null },
        { ...t, hqcRound: 0 },
        { ...t, qc: null },
        { ...t, qc: t.qc === null ? null : garbleQc(t.qc, random) },
        { ...t, validator: t.validator + 1 },
      ])
      return { kind: 'timeout', timeout: odd }
    }
    case 'qc':
      return { kind: 'qc', qc: garbleQc(message.qc, random) }
    case 'tc':
      return { kind: 'tc', tc: garbleTc(message.tc, random) }
    case 'status':
      return { kind: 'status', height: random.below(1_000) }
  }
}

const noise = (sizeBytes: number, random: Random): Uint8Array =>
  Uint8Array.from({ length: sizeBytes }, () => random.below(256))

const garbleQc = (qc: Qc, random: Random): Qc =>
  random.pick([
    { ...qc, round: qc.round + 1 },
    { ...qc, type: qc.type === 'prepare' ? ('commit' as const) : ('prepare' as const) },
    { ...qc, height: qc.height + random.pick([-1, 1]) },
    { ...qc, blockHash: asHash(noise(32, random)) },
    { ...qc, bitmap: Uint8Array.of(...qc.bitmap, 0) },
    { ...qc, bitmap: qc.bitmap.map(() => 255) },
    { ...qc, bitmap: qc.bitmap.map(() => 0) },
    { ...qc, bitmap: noise(qc.bitmap.length, random) },
    { ...qc, bitmap: qc.bitmap.map((byte) => byte | (byte + 1)) }, // one more than signed
    { ...qc, signature: noise(96, random) },
  ])

const garbleTc = (tc: Tc, random: Random): Tc =>
  random.pick([
    { ...tc, round: tc.round + 1 },
    { ...tc, groups: [] },
    { ...tc, groups: [...tc.groups, ...tc.groups] }, // overlapping
    { ...tc, groups: tc.groups.map((group) => ({ ...group, hqcRound: null })) },
    { ...tc, groups: tc.groups.map((group) => ({ ...group, hqcRound: (group.hqcRound ?? -1) + 1 })) },
    { ...tc, groups: [...tc.groups].reverse() },
    { ...tc, groups: tc.groups.slice(0, 1).map((group) => ({ ...group, hqcRound: null })), qc: null },
    { ...tc, groups: tc.groups.slice(1) },
    { ...tc, qc: null },
    { ...tc, qc: tc.qc === null ? null : garbleQc(tc.qc, random) },
  ])
