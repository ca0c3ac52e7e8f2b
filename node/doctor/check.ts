// What a check of the doctor answers. Owns its form, and the order of how bad things are.
import { NodeError } from '../../chain/base/errors.ts'
import { exitCodeOf } from '../args.ts'

export interface Check {
  /** One word; stable, for scripts. */
  readonly id: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** What was found, with its value. */
  readonly found: string
  /** What to type or do next; null where nothing is to be done. */
  readonly next: string | null
  /** A start, or what the node is to do, would be refused as unsafe: exit code 3. */
  readonly isRefused?: true
}

export const ok = (id: string, found: string): Check => ({ id, state: 'ok', found, next: null })
export const warn = (id: string, found: string, next: string): Check => ({ id, state: 'warn', found, next })
export const fail = (id: string, found: string, next: string): Check => ({ id, state: 'fail', found, next })

/** One sentence for a number with two limits, either of which it may pass. */
export const graded = (
  id: string,
  found: string,
  { isBad, isPoor, next }: { readonly isBad: boolean; readonly isPoor: boolean; readonly next: string },
): Check => (isBad ? fail(id, found, next) : isPoor ? warn(id, found, next) : ok(id, found))

/** `warning`: what the chain has to say of the first scheduled fork that the node's release does not know; null where there is none. */
export const forkCheck = (warning: string | null): Check =>
  warning === null
    ? ok('forks', 'this release knows every fork that is scheduled for the next week')
    : warn('forks', warning, 'install that release and restart; `novachain upgrade status` shows the schedule')

/** What a start would throw, as a check. */
export const refusal = (id: string, error: unknown, next: string): Check => {
  if (!(error instanceof NodeError)) throw error
  const check = fail(id, error.message, next)
  return exitCodeOf(error.code) === 3 ? { ...check, isRefused: true } : check
}
