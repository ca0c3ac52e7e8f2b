// Reading what an endpoint of another chain answered: each field by its codec, or why not.
import type { Codec } from '../../chain/base/schema.ts'

/** Why a value is not what was asked for; whoever asked makes L1_ANSWER of it. */
export class Unreadable {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}
export const as =
  <T>(codec: Codec<T>) =>
  (value: unknown): T => {
    const decoded = codec.decode(value)
    if (!decoded.ok) throw new Unreadable(decoded.why)
    return decoded.value
  }
export const fieldOf = <T>(value: unknown, name: string, codec: Codec<T>): T => {
  if (typeof value !== 'object' || value === null) throw new Unreadable('expected an object')
  const decoded = codec.decode((value as Record<string, unknown>)[name]) // any object has any field, perhaps undefined
  if (!decoded.ok) throw new Unreadable(`${name}: ${decoded.why}`)
  return decoded.value
}
