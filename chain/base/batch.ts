// Which of many things hold, where checking several at once costs little more than checking one. Owns the search for the bad ones.

/**
 * A verdict for each item, by halving what does not hold together: k bad ones among n cost O(k log n) checks. `holds` answers for
 * all of a part; where a whole does not hold and its first half does, the second half is not asked as a whole.
 */
export async function verdictsOf<T>(
  items: readonly T[],
  holds: (part: readonly T[]) => boolean | Promise<boolean>,
): Promise<boolean[]> {
  const verdicts = items.map(() => true)
  const search = async (from: number, to: number, isKnownBad: boolean): Promise<boolean> => {
    if (!isKnownBad && (await holds(items.slice(from, to)))) return true
    if (to - from === 1) {
      verdicts[from] = false
      return false
    }
    const middle = (from + to) >> 1
    const isFirstGood = await search(from, middle, false)
    await search(middle, to, isFirstGood)
    return false
  }
  if (items.length > 0) await search(0, items.length, false)
  return verdicts
}
