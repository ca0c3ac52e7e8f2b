// Messages of one chain to another that are not done with, in a line for each token: those of one wait for each other, and never for those of another.
// Owns how many are held at once, and from where the rest of a line is read again once it has room. Pure: whoever reads brings what was read.
import { bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { maxBigint } from '../../chain/base/math.ts'
import { isNoWord, type Message } from '../../chain/native/bridge/message.ts'
import type { Place } from './place.ts'

export interface Held {
  readonly message: Message
  readonly id: Hash
  /** Everything before it was looked at up to here. */
  readonly before: Place
}
export interface BacklogOptions {
  /** Held in all, where one line alone would hold them. */
  readonly most: number
  /** Of a line, however many the others hold. */
  readonly leastOfLine: number
}

/** More tokens than an honest vault has routes for: beyond it they share a line. One that is made stays, so that each token keeps its own. */
const LINES_MAX = 64
const REST = 'rest'

interface Behind {
  readonly place: Place
  /** The first that was passed over. */
  readonly first: bigint
  /** Before what was read again since, of which messages may have been left out. */
  readonly origin: Place
}
interface Line<T> {
  readonly held: Map<bigint, T>
  /** Where to read on: before the first message that was passed over. null: none was. */
  behind: Behind | null
}

/** Read anew: `add` may have changed it. */
const behindOf = <T>({ behind }: Line<T>) => behind

/** What a message waits with: its token, or that it carries none. */
const tokenOf = ({ token, amount, refundOf }: Message): string => {
  if (!isNoWord(refundOf)) return 'notice'
  return amount === 0n && isNoWord(token) ? 'data' : bytesToHex(token)
}

export class Backlog<T extends Held> {
  readonly #options: BacklogOptions
  readonly #held = new Map<bigint, T>()
  readonly #lines = new Map<string, Line<T>>()

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#held.size
  }
  values(): IterableIterator<T> {
    return this.#held.values()
  }
  get(sequence: bigint): T | undefined {
    return this.#held.get(sequence)
  }
  lineOf(message: Message): string {
    const token = tokenOf(message)
    return this.#lines.has(token) || this.#lines.size < LINES_MAX ? token : REST
  }

  /** Whether it is held; else it is among what `due` reads again. */
  add(one: T): boolean {
    const { sequence } = one.message
    this.delete(sequence)
    const name = this.lineOf(one.message)
    const line = this.#lines.get(name) ?? { held: new Map<bigint, T>(), behind: null }
    this.#lines.set(name, line)
    if (line.behind !== null && sequence >= line.behind.first) return false
    if (this.#isFull(line)) {
      line.behind = { place: one.before, first: sequence, origin: one.before }
      return false
    }
    line.held.set(sequence, one)
    this.#held.set(sequence, one)
    return true
  }
  #isFull({ held }: Line<T>): boolean {
    const { most, leastOfLine } = this.#options
    return held.size >= leastOfLine && this.#held.size >= most
  }

  /** Nothing of it is left to do. */
  delete(sequence: bigint): void {
    const one = this.#held.get(sequence)
    if (one === undefined) return
    this.#held.delete(sequence)
    this.#lines.get(this.lineOf(one.message))?.held.delete(sequence)
  }

  /** The line that was passed over first and is half empty by now, and from where to read on. */
  get due(): { readonly name: string; readonly place: Place } | null {
    const { most, leastOfLine } = this.#options
    let found: { readonly name: string; readonly place: Place } | null = null
    for (const [name, { held, behind }] of this.#lines) {
      const isFree = held.size <= leastOfLine / 2 || this.#held.size <= most / 2
      if (behind === null || !isFree || (found !== null && found.place.height <= behind.place.height)) continue
      found = { name, place: behind.place }
    }
    return found
  }
  /**
   * What was read again, from the place that was due up to `to`; `isAll`: nothing of the chain was read beyond it. Answers what is held now and was
   * not before.
   */
  refill(name: string, read: readonly T[], to: Place, isAll: boolean): readonly T[] {
    const line = this.#lines.get(name)
    if (line === undefined || line.behind === null) return []
    const { first, place, origin } = line.behind
    line.behind = null
    const fresh: T[] = []
    const rest = read.filter(({ message }) => message.sequence >= first && this.lineOf(message) === name)
    for (const each of rest) {
      if (!this.#held.has(each.message.sequence) && this.add(each)) fresh.push(each)
      if (behindOf(line) !== null) break
    }
    const passedOver = behindOf(line)
    if (passedOver !== null) line.behind = { ...passedOver, place, origin: place }
    else if (!isAll) line.behind = { place: to, first: maxBigint(first, (to.sequence ?? 0n) + 1n), origin }
    return fresh
  }

  /** What was read again contradicts what was read first: it is read again from there. Whether that is another place than the last time. */
  doubt(name: string): boolean {
    const line = this.#lines.get(name)
    if (line === undefined || line.behind === null) return false
    const { place, origin } = line.behind
    line.behind = { ...line.behind, place: origin }
    return place !== origin
  }
  /** All of it is read again. */
  clear(): void {
    this.#held.clear()
    this.#lines.clear()
  }

  /** Where to begin after a restart: before all that is not done with. */
  lowest(last: Place): Place {
    let found = last
    const lower = (place: Place): void => {
      if (place.height < found.height) found = place
    }
    for (const { before } of this.#held.values()) lower(before)
    for (const { behind } of this.#lines.values()) if (behind !== null) lower(behind.place)
    return found
  }
}
