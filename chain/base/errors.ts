// Errors of the whole system. Owns the catalogue's shape; each room defines its own entries beside the code that throws.

/** One catalogue entry: `rpc` is the JSON-RPC code a user sees, `text` says what is wrong, with which value, what to do. */
export interface ErrorDef<D> {
  readonly code: string
  readonly rpc: number
  readonly text: (data: D) => string
}

type Draft = { readonly rpc?: number; readonly text: (data: never) => string }
type Defined<T extends Record<string, Draft>> = {
  readonly [K in keyof T]: T[K]['text'] extends (data: infer D) => string ? ErrorDef<D> : never
}

/** Names each entry `AREA_WHAT`. Entries without `rpc` answer -32000, the code of "the chain refuses". */
export function defineErrors<T extends Record<string, Draft>>(area: string, drafts: T): Defined<T> {
  const out: Record<string, unknown> = {}
  for (const [what, draft] of Object.entries(drafts)) {
    out[what] = { code: `${area}_${what}`, rpc: draft.rpc ?? -32000, text: draft.text }
  }
  return out as Defined<T> // the mapped type above is what the loop builds
}

/** The only error class. `code` is stable and is what tests and callers compare; the message is for people. */
export class NodeError<D = unknown> extends Error {
  readonly code: string
  readonly rpc: number
  readonly data: D
  constructor(def: ErrorDef<D>, data: D, options?: { cause?: unknown }) {
    super(def.text(data), options)
    this.name = 'NodeError'
    this.code = def.code
    this.rpc = def.rpc
    this.data = data
  }
}

const BaseErrors = defineErrors('BASE', {
  INVARIANT: { text: (d: { what: string }) => `broken invariant: ${d.what}; the node must stop, please report this` },
})

/** A broken invariant is a bug or a damaged machine: it is never caught and never turned into a refusal. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new NodeError(BaseErrors.INVARIANT, { what })
}

/** Ends an exhaustive switch. */
export function unreachable(value: never): never {
  throw new NodeError(BaseErrors.INVARIANT, { what: `unreachable case ${String(value)}` })
}
