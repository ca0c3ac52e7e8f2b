// The fork schedule in state: how it is read by whoever runs a block, and how governance changes it. The names are only names here: a module
// that judged them by its release's own table would differ from one release to the next. Owns the words, and what may be scheduled when.
import { assert } from '../../base/errors.ts'
import { isForkName, isForkVersion, type ScheduledFork } from '../../types/forks.ts'
import { openStore, type Store, type Words } from '../kit/slots.ts'
import { layout } from './layout.ts'

type ForkStore = Pick<Store<typeof layout>, 'rules' | 'forks'>

/** Of a network's whole life. */
export const FORKS_MAX = 32
/** Epochs between the present one and a fork's, at least: the present one ends, and all of the next one is there to notice. */
export const FORK_NOTICE = 2

const textOf = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0)
  return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)))
}
const wordOf = (text: string): Uint8Array => {
  assert(text.length < 32, 'names and versions are shorter than a word')
  const word = new Uint8Array(32)
  word.set(new TextEncoder().encode(text))
  return word
}

/** Those that hold and those that will, the first to hold first; by name within one epoch. */
export function scheduleOf(store: ForkStore): ScheduledFork[] {
  const count = Number(store.rules.forkCount.get())
  const entries = Array.from({ length: count }, (_, i): ScheduledFork => {
    const { epoch, name, version } = store.forks.at(BigInt(i))
    return { name: textOf(name.get()), epoch: Number(epoch.get()), version: textOf(version.get()) }
  })
  if (!store.rules.isPrague.get()) entries.push({ name: 'osaka', epoch: 0, version: '' })
  return entries.sort((a, b) => a.epoch - b.epoch || (a.name < b.name ? -1 : 1))
}
export const scheduleIn = (words: Words): ScheduledFork[] => scheduleOf(openStore(layout, words))

/** Whether a fork holds in the block of a height. */
export function isForkActive(words: Words, name: string, epochOf: (epochBlocks: number) => number): boolean {
  const store = openStore(layout, words)
  if (Number(store.rules.forkCount.get()) === 0) return name === 'osaka' && !store.rules.isPrague.get()
  const fork = scheduleOf(store).find((each) => each.name === name)
  return fork !== undefined && fork.epoch <= epochOf(Number(store.epochBlocks.get()))
}

/** Writes one more. The name is new, and there is room. */
export function addFork(store: ForkStore, fork: ScheduledFork): void {
  const { name, epoch, version } = fork
  assert(isForkName(name) && (version === '' || isForkVersion(version)), 'texts of a fork are checked before')
  const at = store.rules.forkCount.get()
  assert(at < BigInt(FORKS_MAX), 'there is room for a fork')
  const entry = store.forks.at(at)
  entry.epoch.set(BigInt(epoch))
  entry.name.set(wordOf(name))
  entry.version.set(wordOf(version))
  store.rules.forkCount.set(at + 1n)
}

/** The schedule of a network on which a fork holds from this epoch on, whatever was planned. */
export function enactFork(words: Words, name: string, epoch: number): void {
  const store = openStore(layout, words)
  const found = scheduleOf(store).find((fork) => fork.name === name)
  if (found !== undefined && found.epoch <= epoch) return
  if (found !== undefined) removeFork(store, name)
  addFork(store, { name, epoch, version: '' })
}

/** Takes one out; the last one takes its place. */
export function removeFork(store: ForkStore, name: string): void {
  const last = store.rules.forkCount.get() - 1n
  for (let at = 0n; at <= last; at++) {
    const entry = store.forks.at(at)
    if (textOf(entry.name.get()) !== name) continue
    const moved = store.forks.at(last)
    entry.epoch.set(moved.epoch.get())
    entry.name.set(moved.name.get())
    entry.version.set(moved.version.get())
    moved.epoch.set(0n)
    moved.name.set(new Uint8Array(32))
    moved.version.set(new Uint8Array(32))
    store.rules.forkCount.set(last)
    return
  }
  assert(false, `the fork ${name} is in the schedule`)
}
