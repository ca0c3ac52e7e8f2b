// Rules of consensus switched off one at a time, in the source: each must be caught by the simulator. Owns the list; an edit whose text is
// not found exactly once is an error, so that the list cannot outlive the code.

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
  /** What must come of it: anything wrong; or that the network stands still. */
  readonly must?: 'stall'
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
/** As `and` says, with one more edit. */
const also = (what: Mutant, ...more: readonly Edit[]): Mutant => ({ ...what, edits: [...what.edits, ...more] })

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
  mutant(
    ...(['the maximum of the timeout certificate is ignored', 1, HEIGHT] as const),
    'return p.justify !== null && max <= p.justify.round && p.justify.round < p.round && isRepeated',
    'return isFresh || (p.justify !== null && p.justify.round < p.round && isRepeated)',
  ),
  mutant(
    ...(['no certificate and round 0 are signed as the same', 1, VOTE] as const),
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
    ...([1, NODE, "this.#mute('signer record rolled back')", "this.world.count('')"] as const),
  ),
  mutant(
    'a damaged record is begun anew',
    ...([
      1,
      NODE,
      "if (record === 'damaged') this.#mute('signer record damaged')",
      "if (record === 'damaged') this.record = null",
    ] as const),
  ),
  { name: 'the signer looks at no lock', seed: 1, edits: [NO_LOCK] },
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
  mutant('two thirds are enough', 1, SETS, '3n * power > 2n * set.powerTotal', '3n * power >= 2n * set.powerTotal'),
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
  mutant('anybody may propose', 1, HEIGHT, 'proposal.validator !== proposerOf(h, round)', 'proposal.validator < 0'),
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
]

/** Rules left out: the network must be seen to stand still. */
export const LEFT_OUT: readonly Mutant[] = [
  leftOut(
    'onTC',
    1,
    HEIGHT,
    'if (tc.qc !== null) onPrepareQc(h, tc.qc, origin, out)\n  const entry',
    'if (tc.round >= 0) return\n  const entry',
  ),
  leftOut(
    'loading the record after replay',
    1,
    HEIGHT,
    'if (record !== null && record.height === height) {',
    'if (record !== null && record.height < 0) {',
  ),
  leftOut(
    'certificates in the record',
    1,
    NODE,
    'message: signed, highQc, entry }',
    'message: signed, highQc: null, entry: null }',
  ),
  leftOut(
    'looking again when a body comes',
    1,
    CORE,
    '\n  settle(h, s)',
    "\n  if (input.kind !== 'body') settle(h, s)",
  ),
  leftOut(
    'behind',
    1,
    CORE,
    "else if (height < h.start.height) s.effects.push({ kind: 'serve', height, to: peer })",
    'else if (height < h.start.height) return',
  ),
  leftOut(
    'ahead',
    1,
    CORE,
    "if (isAhead) s.effects.push({ kind: 'reply', message: { kind: 'status', height: h.start.height }, to: peer })",
    'if (isAhead) return',
  ),
  leftOut('forward', 1, HEIGHT, "if (origin === 'formed') return\n", 'if (origin) return\n'),
  leftOut('rebroadcast', 1, HEIGHT, 'if (h.timeout === null || h.isDecided) return\n', 'if (h.ticks >= 0) return\n'),
  leftOut('fetch again', 1, HEIGHT, 'wanted.requests++\n    fetch(h, wanted, out)', 'wanted.requests++'),
  leftOut('asking after silence', 1, HEIGHT, 'h.ticks % BOUNDS.silentTicks !== 0', 'h.ticks > 0'),
  also(
    leftOut(
      'TIMEOUTs that go wider, with collectors',
      1,
      HEIGHT,
      'BOUNDS.timeoutLeaders * 2 ** Math.min(h.repeats, 20)',
      'BOUNDS.timeoutLeaders',
    ),
    ...COLLECTED,
  ),
]

export const CONTROLS: readonly Mutant[] = [
  { name: 'control: nothing is changed', seed: 1, edits: [], isControl: true },
  { name: 'control: collectors in small networks', seed: 1, edits: COLLECTED, isControl: true },
]
