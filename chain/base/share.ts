// Which part of a piece of work one step takes, learnt from pieces that used the time they had. Owns what may be learnt: of a small piece
// nothing, for what a stalled disk or machine made long says nothing of large ones; and never more than bounds allow, for clocks are set.

/** A step that took less of its time was not what ended the piece. */
const TELLING = 0.5

export class Share {
  value: number
  readonly #least: number
  readonly #most: number
  constructor({ first, least, most }: { readonly first: number; readonly least: number; readonly most: number }) {
    this.value = first
    this.#least = least
    this.#most = most
  }

  /** The step took `stepMs` of `allMs`, and might have taken `limitMs`. */
  learn(stepMs: number, allMs: number, limitMs: number): void {
    if (stepMs < limitMs * TELLING || stepMs === 0) return
    this.value = (this.value + Math.min(Math.max(stepMs / allMs, this.#least), this.#most)) / 2
  }
}
