// The names of the rules (consensus, section 2), and where they leave their orders. A test demands that simulated runs took every one.
import type { Effect } from './io.ts'

export const RULES = [
  ...(['enterHeight', 'enterRound', 'onTC enters', 'onTC opens', 'onPrepareQC raises', 'onPrepareQC enters'] as const),
  ...(['onProposal keeps', 'onProposal drops', 'onProposal pulls due', 'onCommitQC', 'onVote drops'] as const),
  ...(['quorum PREPARE', 'quorum COMMIT', 'quorum TIMEOUT', 'onTimeout jumps', 'onTimer'] as const),
  ...(['body valid', 'body invalid', 'alarm', 'built late', 'lastCommit widened', 'DECIDE'] as const),
  ...(['PROPOSE in round 0', 'PROPOSE after TC', 'PROPOSE highQC', 'PROPOSE what the TC names'] as const),
  ...(['PREPARE', 'PREPARE refused: not safe', 'PREPARE refused: not timely', 'COMMIT', 'TIMEOUT'] as const),
  ...(['rebroadcast', 'rebroadcast wider', 'fetch', 'fetch again', 'forward', 'loadRecord'] as const),
  ...(['refused', 'behind', 'ahead', 'asks', 'lastCommit used', 'lastCommit collected'] as const),
  ...([
    'future kept',
    'future full',
    'future replayed',
    'unchecked kept',
    'unchecked full',
    'unchecked handed out',
  ] as const),
  ...(['E1', 'E2', 'E3', 'E4', 'E5'] as const),
] as const
export type Rule = (typeof RULES)[number]

export interface Out {
  readonly effects: Effect[]
  readonly taken: Map<Rule, number>
}
export const take = (out: Out, rule: Rule): void => {
  out.taken.set(rule, (out.taken.get(rule) ?? 0) + 1)
}
