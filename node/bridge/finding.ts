// Where a chain sent a message, from what its contract remembers of it: the second of its block. Owns the search by halves, which asks for some
// thirty blocks of any chain; what an endpoint says there is held against the message's id by whoever asks.
import { defineErrors, NodeError } from '../../chain/base/errors.ts'

export const FindingErrors = defineErrors('FINDING', {
  NO_BLOCK: {
    text: (d: { second: number; chain: bigint }) =>
      `the endpoint of chain ${d.chain} has no block of second ${d.second} any more: ask one that keeps old ones`,
  },
})

/** Seconds of a block by its height; null: the endpoint has it no more, or not yet. */
export type SecondOf = (height: number) => Promise<number | null>

/**
 * The first and the last block of a second, from 0 to `head`: a chain may have several in one. Blocks below some height may be gone. Throws
 * FINDING_NO_BLOCK.
 */
export async function blocksOf(
  secondOf: SecondOf,
  of: { readonly chain: bigint; readonly second: number; readonly head: number },
): Promise<{ readonly from: number; readonly to: number }> {
  const { chain, second, head } = of
  const from = await firstFrom(secondOf, head, second)
  if (from > head || (await secondOf(from)) !== second) throw new NodeError(FindingErrors.NO_BLOCK, { second, chain })
  return { from, to: (await firstFrom(secondOf, head, second + 1)) - 1 }
}

/** The first block of a second or a later one; `head` + 1 where there is none. */
const firstFrom = async (secondOf: SecondOf, head: number, second: number): Promise<number> => {
  let [low, high] = [0, head + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await secondOf(middle)
    if (found === null || found < second)
      low = middle + 1 // what is gone is old
    else high = middle
  }
  return low
}
