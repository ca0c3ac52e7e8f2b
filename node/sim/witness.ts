// What an honest validator must have noticed of the liars it heard. Owns a second, simple look at votes: it keeps what each Byzantine
// validator said to each honest one and demands a report where two of these prove an offence.
import { equalBytes } from '../../chain/base/bytes.ts'
import type { Book } from '../../chain/consensus/book.ts'
import { BOUNDS } from '../../chain/consensus/bounds.ts'
import type { Evidence } from '../../chain/consensus/io.ts'
import { type Message, type Signed, signedPart } from '../../chain/types/message.ts'
import type { SimNode } from './node.ts'
import type { World } from './world.ts'

type Spoken = Extract<Message, Signed>

/** What one node heard at one height in one life. */
interface Memory {
  readonly life: object
  readonly height: number
  readonly first: Map<string, { readonly payload: Uint8Array; readonly round: number }>
  /** Offence and validator of what was reported. */
  readonly reported: Set<string>
}

export class Witness {
  readonly #world: World
  readonly #fail: (what: string) => never
  readonly #memories = new Map<number, Memory>()

  constructor(world: World, fail: (what: string) => never) {
    this.#world = world
    this.#fail = fail
  }

  /** `what`: offence and validator. */
  onReport(node: SimNode, what: string): void {
    const { state } = node
    if (state?.height) this.#memoryOf(node, state, state.height.start.height).reported.add(what)
  }

  onHeard(node: SimNode, message: Message): void {
    const { state } = node
    const h = state?.height
    if (!state || !h) return
    const memory = this.#memoryOf(node, state, h.start.height)
    if (message.kind === 'qc' || message.kind === 'tc' || message.kind === 'status') return
    const said = saidIn(message)
    if (said.height !== h.start.height || Math.abs(said.round - h.cur) > BOUNDS.rounds) return
    if (this.#world.isHonest(this.#world.nodeOf(said.height, said.validator))) return
    const key = `${said.slot} ${said.round} ${said.validator}`
    const { payload } = signedPart(message)
    const before = memory.first.get(key)
    // What fell out of the window of rounds meanwhile is forgotten there too; what was kept from before the height came first.
    if (before === undefined) {
      if (isFirst(h.book, message)) memory.first.set(key, { payload, round: said.round })
    } else if (!equalBytes(before.payload, payload) && said.offence !== null && h.book.rounds.has(said.round)) {
      if (!memory.reported.has(`${said.offence} ${said.validator}`))
        this.#fail(`node ${node.id} heard validator ${said.validator} commit ${said.offence} and reports nothing`)
    }
    this.#checkAmnesia(node, memory, said.validator)
  }

  #checkAmnesia(node: SimNode, memory: Memory, validator: number): void {
    const of = (slot: string) =>
      [...memory.first].flatMap(([key, { payload, round }]) =>
        key === `${slot} ${round} ${validator}` ? [{ payload, round }] : [],
      )
    const rounds = node.state?.height?.book.rounds
    for (const commit of of('commit'))
      for (const timeout of of('timeout')) {
        const named = new DataView(timeout.payload.buffer, timeout.payload.byteOffset).getUint32(12) - 1
        const isKept = rounds?.has(commit.round) === true && rounds.has(timeout.round)
        if (timeout.round < commit.round || named >= commit.round || !isKept) continue
        if (!memory.reported.has(`E4 ${validator}`))
          this.#fail(`node ${node.id} heard validator ${validator} forget COMMIT ${commit.round} and reports nothing`)
      }
  }

  #memoryOf(node: SimNode, life: object, height: number): Memory {
    const known = this.#memories.get(node.id)
    if (known?.life === life && known.height === height) return known
    const fresh: Memory = { life, height, first: new Map(), reported: new Set() }
    this.#memories.set(node.id, fresh)
    return fresh
  }
}

/** Whether the machine counts this one, and not another that was there before. */
const isFirst = (book: Book, message: Spoken): boolean => {
  if (message.kind === 'proposal') return true
  const said = message.kind === 'vote' ? message.vote : message.timeout
  const round = book.rounds.get(said.round)
  const first =
    message.kind === 'vote' ? round?.[message.vote.type].votes.get(said.validator) : round?.timeouts.get(said.validator)
  return first === said
}

const saidIn = (
  message: Spoken,
): { height: number; round: number; validator: number; slot: string; offence: Evidence['offence'] | null } => {
  switch (message.kind) {
    case 'proposal': {
      const { height, round, validator } = message.proposal
      return { height, round, validator, slot: 'proposal', offence: null }
    }
    case 'vote': {
      const { height, round, validator, type } = message.vote
      return { height, round, validator, slot: type, offence: type === 'prepare' ? 'E1' : 'E2' }
    }
    case 'timeout': {
      const { height, round, validator } = message.timeout
      return { height, round, validator, slot: 'timeout', offence: 'E5' }
    }
  }
}
