// The account trie alone, in memory: a batch of changed accounts to a new root, by ours and by @ethereumjs/mpt in the same run. Both begin with
// the same accounts, take the same changes, and must come to the same root. CPU time of the process.
import { createMPT } from '@ethereumjs/mpt'
import { bigintToFixed, compareBytes, equalBytes } from '../chain/base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../chain/base/crypto.ts'
import { assert } from '../chain/base/errors.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { type LeafChange, leavesOf } from '../chain/store/leaves.ts'
import { type Child, rootOf, type TrieSource, updateTrie } from '../chain/store/trie.ts'
import { createReport } from './report.ts'
import { cpuUs } from './world.ts'

const isSmoke = process.argv.includes('--smoke')
const ACCOUNTS = isSmoke ? 1_000 : 100_000
const BATCHES = isSmoke ? [10, 100] : [10, 1_000, 10_000]
/** So many changes are timed, in however many batches. */
const CHANGES = isSmoke ? 200 : 20_000
const report = createReport('trie')

const keys = Array.from({ length: ACCOUNTS }, (_, n) => keccak(bigintToFixed(BigInt(n), 20)))
const leaf = (balanceWei: bigint): Uint8Array => encodeRlp([rlpInt(1), rlpInt(balanceWei), EMPTY_ROOT, KECCAK_EMPTY])
let step = 0
/** Each account once before any comes again: the number of accounts has no factor in common with the step. */
const batchOf = (size: number): LeafChange[] =>
  Array.from({ length: size }, () => {
    const n = step++
    return { key: keys[(n * 7_919) % ACCOUNTS] as Uint8Array, value: leaf(10n ** 18n + BigInt(n)) }
  })

/** Latin-1 of the bytes: the cheapest key of a map. */
const nameOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
const createOurs = () => {
  const branches = new Map<string, Uint8Array>()
  const leaves = new Map<string, Uint8Array>()
  const source: TrieSource = {
    branch: (path) => branches.get(nameOf(path)) as Uint8Array,
    leaf: (key) => leaves.get(nameOf(key)) as Uint8Array,
  }
  let root: Child = null
  return (changes: readonly LeafChange[]): Uint8Array => {
    for (const { key, value } of changes) if (value !== null) leaves.set(nameOf(key), value)
    const sorted = [...changes].sort((a, b) => compareBytes(a.key, b.key))
    const steps = updateTrie(root, leavesOf(sorted), source, (path, packed) => {
      if (packed === null) branches.delete(nameOf(path))
      else branches.set(nameOf(path), packed.slice())
    })
    for (let at = steps.next(); ; at = steps.next())
      if (at.done === true) {
        root = at.value
        return rootOf(root)
      }
  }
}
const ours = createOurs()
// The same keccak, and no old nodes to remove: as fast as it goes.
const theirs = await createMPT({ useKeyHashingFunction: keccak, useNodePruning: false })
const byTheirs = async (changes: readonly LeafChange[]): Promise<Uint8Array> => {
  for (const { key, value } of changes) await theirs.put(key, value)
  return theirs.root()
}

const first = keys.map((key) => ({ key, value: leaf(10n ** 18n) }))
assert(equalBytes(ours(first), await byTheirs(first)), 'both begin with the same root')
for (const size of BATCHES) {
  const batches = Array.from({ length: Math.max(1, Math.floor(CHANGES / size)) }, () => batchOf(size))
  let since = process.cpuUsage()
  const roots = batches.map(ours)
  const own = cpuUs(since) / batches.length / size
  since = process.cpuUsage()
  const same: boolean[] = []
  for (const [i, batch] of batches.entries()) same.push(equalBytes(await byTheirs(batch), roots[i] as Uint8Array))
  const library = cpuUs(since) / batches.length / size
  assert(same.every(Boolean), 'both come to the same roots')
  const name = `${size} changed of ${ACCOUNTS} accounts to a root`
  report.cpu(`${name}, for each`, own, 'us')
  report.add(`${name}, @ethereumjs/mpt / ours`, library / own, 'x', 'more')
}
await report.end()
