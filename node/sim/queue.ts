// What happens next in virtual time: ordered by time, then by order of scheduling, so that a seed is one run.

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Binary heap by time, then by order of scheduling. */
export class Queue {
  readonly #items: Event[] = []
  push(event: Event): void {
    const items = this.#items
    let at = items.push(event) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      if (isBefore(items[up] as Event, event)) break
      items[at] = items[up] as Event
      at = up
    }
    items[at] = event
  }
  pop(): Event | null {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (first === undefined || last === undefined) return null
    if (items.length === 0) return first
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= items.length) break
      if (down + 1 < items.length && isBefore(items[down + 1] as Event, items[down] as Event)) down++
      if (isBefore(last, items[down] as Event)) break
      items[at] = items[down] as Event
      at = down
    }
    items[at] = last
    return first
  }
}
const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
