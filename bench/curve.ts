// A picture of a run: charts one below the other over the same time, as SVG text. Owns the drawing, nothing of what is drawn.

export interface Chart {
  readonly title: string
  /** Points of one line each: seconds since the begin, value. */
  readonly lines: readonly {
    readonly name: string
    readonly points: readonly (readonly [number, number])[]
  }[]
}

const [WIDTH, HEIGHT, LEFT, TOP, GAP] = [900, 170, 60, 60, 60]
const COLOURS = ['#1f6feb', '#d29922', '#8250df']
const TICKS = 4

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (char) => (char === '&' ? '&amp;' : char === '<' ? '&lt;' : '&gt;'))
const text = (x: number, y: number, anchor: 'start' | 'end' | 'middle', words: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`
/** The next of 1, 2 and 5 times a power of ten, so that ticks are round. */
const roundUp = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)))
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power
}

/** `words`: lines above the charts; they should say what was run, and where. */
export function drawCurve(words: readonly string[], charts: readonly Chart[]): string {
  const span = Math.max(1, ...charts.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([at]) => at))))
  const x = (at: number): number => LEFT + (at / span) * WIDTH
  const parts = words.map((line, i) => text(LEFT, 18 + 16 * i, 'start', line))
  for (const [i, { title, lines }] of charts.entries()) {
    const top = TOP + i * (HEIGHT + GAP)
    const most = roundUp(Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(([, value]) => value))))
    const y = (value: number): number => top + HEIGHT - (value / most) * HEIGHT
    parts.push(text(LEFT, top - 8, 'start', title))
    for (let tick = 0; tick <= TICKS; tick++) {
      const value = (most * tick) / TICKS
      parts.push(`<path d="M${LEFT} ${y(value).toFixed(1)}h${WIDTH}" stroke="#d0d7de"/>`)
      parts.push(text(LEFT - 6, y(value) + 4, 'end', String(Number(value.toPrecision(4)))))
      const at = (span * tick) / TICKS
      parts.push(text(x(at), top + HEIGHT + 16, 'middle', `${at.toFixed(0)} s`))
    }
    for (const [n, { name, points }] of lines.entries()) {
      const path = points.map(([at, value], k) => `${k === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
      const colour = COLOURS[n % COLOURS.length] as string
      parts.push(`<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`)
      if (lines.length > 1)
        parts.push(`<g fill="${colour}">${text(LEFT + WIDTH - 120 * (lines.length - 1 - n), top - 8, 'end', name)}</g>`)
    }
  }
  const height = TOP + charts.length * (HEIGHT + GAP)
  const size = `width="${WIDTH + LEFT + 40}" height="${height}"`
  const style = 'font-family="sans-serif" font-size="12" fill="#1f2328"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n<rect width="100%" height="100%" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`
}
