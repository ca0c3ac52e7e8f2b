// Rules of consensus switched off one at a time, in the source: each must be caught by the simulator. Owns the list; an edit whose text is
// not found exactly once is an error, so that the list cannot outlive the code.

import type { Fault, Scenario, Wishes } from '../../node/sim/scenario.ts'
import kept from './kept.json' with { type: 'json' }

export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}
export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** The first seed that catches it; the search starts here. */
  readonly seed: number
  readonly wishes?: Wishes
  /** What is made of the scenario of each seed. */
  readonly focus?: (scenario: Scenario) => Scenario
  /** What must come of it: anything wrong; that the network, or somebody in it, stands still; or that rounds are lost in the calm. */
  readonly must?: 'stall' | 'slow'
  /** Control: an edit that is no fault, of which nothing may come. */
  readonly isControl?: true
}

const HEIGHT = 'chain/consensus/height.ts'
const CORE = 'chain/consensus/core.ts'
const BOOK = 'chain/consensus/book.ts'
const CHECK = 'chain/consensus/check.ts'
const BOUNDS = 'chain/consensus/bounds.ts'
const VOTE = 'chain/types/vote.ts'
const SETS = 'chain/types/validators.ts'
const EVIDENCE = 'chain/types/evidence.ts'
const NODE = 'node/sim/node.ts'

/** Collectors instead of all-to-all, as in a network of hundreds. */
const COLLECTED: readonly Edit[] = [
  { file: BOUNDS, from: 'allToAll: 64', to: 'allToAll: 3' },
  { file: BOUNDS, from: 'timeoutToAll: 128', to: 'timeoutToAll: 3' },
  { file: BOUNDS, from: 'timeoutLeaders: 4', to: 'timeoutLeaders: 1' },
]
const mutant = (name: string, seed: number, file: string, from: string, to: string): Mutant => ({
  name,
  seed,
  edits: [{ file, from, to }],
})
const leftOut = (name: string, seed: number, file: string, from: string, to: string): Mutant => ({
  ...mutant(`left out: ${name}`, seed, file, from, to),
  must: 'stall',
})
const slower = (name: string, file: string, from: string, to: string): Mutant => ({
  ...mutant(`slower without: ${name}`, 1, file, from, to),
  must: 'slow',
})
/** As `and` says, with one more edit. */
const also = (what: Mutant, ...more: readonly Edit[]): Mutant => ({ ...what, edits: [...what.edits, ...more] })

/** Scenarios in which a rule is all that helps: a few seeds of them do for hundreds of any. */
const amongSilent =
  (lossOf: Scenario['network']['lossOf'], faults: readonly Fault[] = []) =>
  (s: Scenario): Scenario => ({
    ...s,
    ...{ powers: [[1, 1, 1, 1]], byzantine: [3], byzantineRun: false, twins: false, tricks: [], faults },
    network: { ...s.network, loss: Math.min(s.network.loss, 0.2), lossOf },
  })
/** Two of three lose all but their record, at the last moment. */
const loseLogs = (s: Scenario): Scenario => {
  const crash = (node: number): Fault => ({
    ...{ kind: 'crash', node, atMs: s.calmMs - 200 * (node + 1), steps: node, downMs: 100 },
    ...{ log: 'lost', record: 'kept', store: 'kept' },
  })
  return amongSilent({ prepare: 0.3, commit: 0.7 }, [crash(0), crash(1)])(s)
}
/** What once stood still (`kept.json`), with other seeds. */
const setThatLeft = (s: Scenario): Scenario => ({ ...(kept[1]?.scenario as unknown as Scenario), seed: s.seed }) // as it was printed
/** As the signer would be that looks at its lock, and not for the certificate to go on with. */
const NO_PROOF: Edit = {
  file: NODE,
  from: 'if (last === null || (last.highQc?.round ?? -1) < this.#lockRound)',
  to: 'if (last === null)',
}
const all4 =
  (lossOf: Scenario['network']['lossOf']) =>
  (s: Scenario): Scenario => ({
    ...amongSilent(lossOf)(s),
    byzantine: [],
  })
const focused = (focus: (s: Scenario) => Scenario, what: Mutant): Mutant => ({ ...what, focus })
/** Locks that only the signer remembers: the process comes back without log and record. */
const unread = (s: Scenario): Scenario => {
  const crash = (i: number): Fault => ({
    ...{ kind: 'crash', node: i % 3, atMs: 3_400 + i * 1_300, steps: i % 5, downMs: 100 },
    ...{ log: 'lost', record: 'unread', store: 'kept' },
  })
  return amongSilent(
    { commit: 0.8 },
    Array.from({ length: 8 }, (_, i) => crash(i)),
  )(s)
}
/** One of four, who leads often and shows what he likes, while COMMITs are lost. */
const attack = (s: Scenario): Scenario => ({
  ...amongSilent({ commit: 0.6 })(s),
  ...{ adversaryMs: 50, tricks: ['propose stale', 'prepare both', 'commit anything', 'timeout low', 'forge QC'] },
})

const NO_LOCK: Edit = {
  file: NODE,
  from: "if (message.kind === 'timeout' && this.#lockRound !== null &&",
  to: "if (message.kind === 'timeout' && this.#lockRound === -9 &&",
}
const NO_ORDER: Edit = {
  file: NODE,
  from: 'if (last !== null && order <= 0) {',
  to: 'if (last !== null && order < -1e9) {',
}

/** Broken on purpose. */
export const BROKEN: readonly Mutant[] = [
  focused(
    attack,
    mutant(
      ...(['the maximum of the timeout certificate is ignored', 1, HEIGHT] as const),
      'return p.justify !== null && max <= p.justify.round && p.justify.round < p.round && isRepeated',
      'return isFresh || (p.justify !== null && p.justify.round < p.round && isRepeated)',
    ),
  ),
  mutant(
    ...(['no certificate and round 0 are signed as the same', 5, VOTE] as const),
    'u32(round === null ? 0 : round + 1)',
    'u32(round ?? 0)',
  ),
  also(
    mutant(
      ...(['COMMIT after TIMEOUT', 1, HEIGHT] as const),
      'qc.round !== h.cur || !isUnsigned(h, STEPS.commit)',
      'qc.round !== h.cur || (h.signed.round === h.cur && h.signed.step === STEPS.commit)',
    ),
    NO_ORDER,
  ),
  mutant(
    ...(['COMMIT after TIMEOUT, asked of a signer that refuses', 1, HEIGHT] as const),
    'qc.round !== h.cur || !isUnsigned(h, STEPS.commit)',
    'qc.round !== h.cur || (h.signed.round === h.cur && h.signed.step === STEPS.commit)',
  ),
  mutant('the record is lost with the process', 1, NODE, 'this.#guardRecord(record)\n', 'this.record = null\n'),
  mutant(
    'a record that the disk rolled back is believed',
    ...([47, NODE, "this.#mute('signer record rolled back')", "this.world.count('')"] as const),
  ),
  mutant(
    'a damaged record is begun anew',
    ...([
      265,
      NODE,
      "if (record === 'damaged') this.#mute('signer record damaged')",
      "if (record === 'damaged') this.record = null",
    ] as const),
  ),
  { name: 'the signer looks at no lock', seed: 1, edits: [NO_LOCK], focus: unread },
  { name: 'the signer looks at no order', seed: 1, edits: [NO_ORDER] },
  also(
    mutant(
      'an understated certificate',
      1,
      HEIGHT,
      'const qc = h.highQc\n  const timeout',
      'const qc = null as Qc | null\n  const timeout',
    ),
    NO_LOCK,
  ),
  mutant(
    'an understated certificate, asked of a signer that refuses',
    ...([1, HEIGHT, 'const qc = h.highQc\n  const timeout', 'const qc = null as Qc | null\n  const timeout'] as const),
  ),
  mutant(
    "the leader's originRound is not looked at",
    ...([1, HEIGHT, 'p.justify === null && seen.originRound === p.round', 'p.justify === null'] as const),
  ),
  mutant(
    'no block is untimely',
    ...([1, HEIGHT, 'p.justify !== null || seen.isTimely', 'p.justify !== null || seen !== null'] as const),
  ),
  mutant('two thirds are enough', 1, SETS, '3n * power > 2n * powerTotal', '3n * power >= 2n * powerTotal'),
  mutant('groups may overlap', 1, VOTE, "if (seen.has(i)) throw fault('the groups overlap')", ''),
  mutant(
    'a TIMEOUT with the certificate of another round',
    ...([1, CHECK, 'if (hqcRound !== (qc === null ? null : qc.round))', 'if (hqcRound === -2)'] as const),
  ),
  mutant(
    'a second vote counts too',
    ...([
      1,
      BOOK,
      'const first = ballot.votes.get(vote.validator)',
      'const first: Vote | undefined = undefined',
    ] as const),
  ),
  mutant('the jump needs no third', 1, BOOK, '3n * power > book.set.powerTotal', 'power > 0n'),
  mutant(
    'anybody may propose',
    ...([1, 'chain/types/validators.ts', 'proposerAt(turns, round) === validator', 'validator >= 0'] as const),
  ),
  mutant(
    'a block is prepared unseen',
    ...([1, HEIGHT, 'if (!isValid(h, proposal.blockHash)) return\n  if (!isSafe', 'if (!isSafe'] as const),
  ),
  mutant(
    'a PrepareQC enters no round',
    ...([1, HEIGHT, 'if (qc.round > h.cur) {', 'if (qc.round > h.cur && qc.round < 0) {'] as const),
  ),
  mutant(
    'votes are not checked',
    1,
    CHECK,
    '...(share === null ? [] : [shareClaim(share, set, domain)])',
    '...(share === null ? [] : [])',
  ),
  mutant(
    'certificates are not checked',
    ...([1, CHECK, ', ...certificateClaims(message, set, domain)]', ']'] as const),
  ),
  mutant('a bitmap of any length', 1, VOTE, 'if (bitmap.length !== Math.ceil(size / 8)) return null', ''),
  mutant('rounds without end are kept', 1, BOOK, 'Math.abs(round - current) <= BOUNDS.rounds', 'round >= 0'),
  mutant(
    'heights without end are kept',
    ...([
      1,
      'chain/consensus/future.ts',
      'height > current && height <= current + BOUNDS.futureHeights',
      'height > current',
    ] as const),
  ),
  mutant(
    'the log is not synced before a signature',
    1,
    NODE,
    "this.#synced = this.#log.length\n      if (this.#isCrashDue('log synced')) return\n",
    '',
  ),
  mutant('a body is not logged', 1, NODE, "if (held.verdict === 'valid') this.#log.push({ height, body })", ''),
  mutant(
    'E1 and E2 are not reported',
    1,
    BOOK,
    'evidence: report(round, offence, asSigned(first), asSigned(vote))',
    'evidence: []',
  ),
  mutant(
    'E5 is not reported',
    1,
    BOOK,
    "evidence: report(round, 'E5', asSigned(first), asSigned(timeout))",
    'evidence: []',
  ),
  mutant(
    'E4 is not reported',
    ...([
      1,
      BOOK,
      'timeout.round >= commit.round && (timeout.hqcRound ?? -1) < commit.round',
      'timeout.round < -1 && commit.round < 0',
    ] as const),
  ),
  mutant(
    'forged evidence convicts',
    ...([
      1,
      EVIDENCE,
      "if (!isSigned(testimony, roll, domain)) return no('forged', 'a signature does not verify')",
      '',
    ] as const),
  ),
  mutant(
    'evidence convicts who kept its lock',
    ...([1, EVIDENCE, '(timeout.hqcRound ?? -1) < committed', '(timeout.hqcRound ?? -1) <= committed'] as const),
  ),
]

/** Rules left out: the network must be seen to stand still. */
export const LEFT_OUT: readonly Mutant[] = [
  leftOut(
    ...(['onTC', 2, HEIGHT] as const),
    'if (tc.qc !== null) onPrepareQc(h, tc.qc, origin, out)\n  const entry',
    'if (tc.round >= 0) return\n  const entry',
  ),
  leftOut(
    ...(['loading the record after replay', 37, HEIGHT] as const),
    'if (record !== null && record.height === height) {',
    'if (record !== null && record.height < 0) {',
  ),
  focused(
    loseLogs,
    also(
      leftOut(
        'certificates in the record',
        52,
        NODE,
        'message: signed, highQc, entry }',
        'message: signed, highQc: null, entry: null }',
      ),
      NO_PROOF,
    ),
  ),
  focused(
    amongSilent({ commit: 0.6 }),
    leftOut(
      ...(['behind', 1, CORE] as const),
      "else if (height < h.start.height) s.effects.push({ kind: 'serve', height, to: peer })",
      'else if (height < h.start.height) return',
    ),
  ),
  focused(
    amongSilent({ timeout: 0.97 }),
    leftOut('rebroadcast', 1, HEIGHT, 'if (h.timeout === null || h.isDecided) return\n', 'if (h.ticks >= 0) return\n'),
  ),
  focused(
    all4({ proposal: 0.3, want: 0.97 }),
    leftOut('fetch again', 1, HEIGHT, 'wanted.requests++\n    fetch(h, wanted, out)', 'wanted.requests++'),
  ),
  focused(setThatLeft, leftOut('asking after silence', 1, HEIGHT, 'h.ticks % BOUNDS.silentTicks !== 0', 'h.ticks > 0')),
  focused(
    amongSilent({}),
    also(
      leftOut(
        ...(['TIMEOUTs that go wider, with collectors', 1, HEIGHT] as const),
        'BOUNDS.timeoutLeaders * 2 ** Math.min(h.repeats, 20)',
        'BOUNDS.timeoutLeaders',
      ),
      ...COLLECTED,
    ),
  ),
]

/** Rules left out that cost rounds, but do not stop the network. */
export const SLOWER: readonly Mutant[] = [
  slower(
    'looking again when a body comes',
    CORE,
    '\n  settle(h, s)',
    "\n  if (input.kind !== 'body' && input.kind !== 'tick') settle(h, s)",
  ),
]

export const CONTROLS: readonly Mutant[] = [
  { name: 'control: nothing is changed', seed: 1, edits: [], isControl: true },
  { name: 'control: collectors in small networks', seed: 1, edits: COLLECTED, isControl: true },
  {
    name: 'control: collectors, one of whom is silent',
    ...{ seed: 1, edits: COLLECTED, isControl: true, focus: amongSilent({}) },
  },
]
