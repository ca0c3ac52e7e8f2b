import { createMerkleProof, createMPT } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, concat, type Hash, hexToBytes } from '../base/bytes.ts'
import { EMPTY_ROOT, KECCAK_EMPTY, keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import { encodeRlp, type Rlp, rlpInt } from '../base/rlp.ts'
import { provenAccount, provenSlot, provenValue } from './proof.ts'

// Keys that share long prefixes, so that paths have extensions and nodes that stand inside their parents.
const arbKey = fc
  .tuple(fc.array(fc.constantFrom(0, 1, 0x10, 0x11, 0xff), { maxLength: 6 }), fc.constantFrom(0, 1, 2, 16, 17))
  .map(([head, tail]) => {
    const key = new Uint8Array(32)
    key.set(head)
    key[31] = tail
    return asHash(key)
  })
const arbEntry = fc.record({ key: arbKey, value: fc.uint8Array({ minLength: 1, maxLength: 80 }) })
const arbEntries = fc.uniqueArray(arbEntry, { selector: ({ key }) => bytesToHex(key), maxLength: 30 })

const libraryTrie = async (entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]) => {
  const trie = await createMPT()
  for (const { key, value } of entries) await trie.put(key, value)
  /** As geth shows it: without the short nodes that the library lists again beside their parent. */
  const prove = async (key: Uint8Array): Promise<Uint8Array[]> =>
    (await createMerkleProof(trie, key)).filter((node, i) => i === 0 || node.length >= 32)
  return { root: asHash(trie.root()), prove, get: (key: Uint8Array) => trie.get(key) }
}

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof NodeError) return error.code
    throw error
  }
  return 'accepted'
}

test('proofs of the library’s trie show what is there and what is not', async () => {
  await fc.assert(
    fc.asyncProperty(arbEntries, arbKey, async (entries, probe) => {
      const trie = await libraryTrie(entries)
      for (const key of [probe, ...entries.map((entry) => entry.key)])
        expect(provenValue(trie.root, key, await trie.prove(key))).toEqual(await trie.get(key))
    }),
    { numRuns: 200 },
  )
})

test('a proof that was damaged, cut, lengthened or reordered proves nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      arbEntries.filter((entries) => entries.length > 0),
      fc.record({ which: fc.nat(), node: fc.nat(), byte: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) }),
      async (entries, pick) => {
        const trie = await libraryTrie(entries)
        const key = entries[pick.which % entries.length]?.key as Hash
        const nodes = await trie.prove(key)
        const at = pick.node % nodes.length
        const flipped = (nodes[at] as Uint8Array).slice()
        const byte = pick.byte % flipped.length
        flipped[byte] = (flipped[byte] as number) ^ pick.flip
        const bad = [
          nodes.with(at, flipped),
          nodes.toSpliced(at, 1),
          nodes.toSpliced(at, 0, nodes[at] as Uint8Array),
          [...nodes, Uint8Array.of(0x80)],
          ...(nodes.length > 1 ? [nodes.toReversed()] : []),
        ]
        for (const each of bad) expect(codeOf(() => provenValue(trie.root, key, each))).toMatch(/^PROOF_/)
        const otherRoot = keccak(trie.root)
        expect(codeOf(() => provenValue(otherRoot, key, nodes))).toBe('PROOF_HASH')
      },
    ),
    { numRuns: 200 },
  )
})

test('an empty trie proves that anything is absent, by no node or by its one', () => {
  const key = asHash(new Uint8Array(32))
  expect(provenValue(EMPTY_ROOT, key, [])).toBeNull()
  expect(provenValue(EMPTY_ROOT, key, [Uint8Array.of(0x80)])).toBeNull()
  expect(codeOf(() => provenValue(keccak(key), key, []))).toBe('PROOF_LENGTH')
})

const KEY = asHash(new Uint8Array(32).fill(0x11))
const leafPath = (nibbles: number): Uint8Array =>
  nibbles % 2 === 0
    ? concat(Uint8Array.of(0x20), new Uint8Array(nibbles / 2).fill(0x11))
    : new Uint8Array((nibbles + 1) / 2).fill(0x11).fill(0x31, 0, 1)
const none = new Uint8Array(0)
const branchWith = (child: Rlp, value: Uint8Array = none): Rlp => [none, child, ...new Array<Rlp>(14).fill(none), value]
const big = new Uint8Array(40).fill(7)
const evenPath = (nibbles: number): Uint8Array => concat(Uint8Array.of(0), new Uint8Array(nibbles / 2).fill(0x11))
const nameOf = (node: Rlp): Hash => keccak(encodeRlp(node))
/** For the last nibble of KEY: 3 bytes, so that it must stand inside its parent. */
const LAST_LEAF: Rlp = [Uint8Array.of(0x31), Uint8Array.of(5)]
const overLast = branchWith(nameOf(LAST_LEAF))
const tooDeep: Rlp[] = [branchWith(keccak(big))]
while (tooDeep.length < 65) tooDeep.unshift(branchWith(nameOf(tooDeep[0] as Rlp)))

test.each<[string, Rlp[]]>([
  ['a list of three', [[leafPath(64), big, none]]],
  ['a string', [big]],
  ['a leaf that ends above the key', [[leafPath(62), big]]],
  ['a leaf without a value', [[leafPath(64), none]]],
  ['a leaf that holds a list', [[leafPath(64), [big]]]],
  ['a path with an unknown flag', [[concat(Uint8Array.of(0x40), KEY), big]]],
  ['a path whose spare nibble is not zero', [[concat(Uint8Array.of(0x21), KEY), big]]],
  ['an empty path', [[none, big]]],
  ['an extension of no length', [[Uint8Array.of(0), keccak(big)]]],
  ['an extension through the whole key', [[concat(Uint8Array.of(0), KEY), keccak(big)]]],
  ['an extension to nothing', [[Uint8Array.of(0x11), none]]],
  ['an extension to a leaf inside it', [[new Uint8Array(32).fill(0x11), LAST_LEAF]]],
  ['a branch with a value', [branchWith(keccak(big), big)]],
  ['a branch whose child is named by 31 bytes', [branchWith(new Uint8Array(31).fill(1))]],
  ['a branch around a node that is too long to stand there', [branchWith([leafPath(63), big])]],
  ['a short node by hash', [[evenPath(62), nameOf(overLast)], overLast, LAST_LEAF]],
  ['a branch below the last nibble', tooDeep],
  ['a node of 600 bytes', [[leafPath(64), new Uint8Array(600).fill(1)]]],
])('%s is malformed, even under its own hash', (_, items) => {
  const nodes = items.map(encodeRlp)
  expect(codeOf(() => provenValue(keccak(nodes[0] as Uint8Array), KEY, nodes))).toBe('PROOF_MALFORMED')
})

test('a node that is no RLP, and more nodes than a path has, are refused', () => {
  const open = hexToBytes('0xf851')
  expect(codeOf(() => provenValue(keccak(open), KEY, [open]))).toBe('PROOF_MALFORMED')
  const spare = new Array<Uint8Array>(66).fill(open)
  expect(codeOf(() => provenValue(keccak(open), KEY, spare))).toBe('PROOF_LENGTH')
})

const address = asAddress(new Uint8Array(20).fill(5))
const accountTrie = (leaf: Rlp) => libraryTrie([{ key: keccak(address), value: encodeRlp(leaf) }])

test('an account’s leaf is read to the letter', async () => {
  const root = keccak(KEY)
  const good = await accountTrie([rlpInt(7), rlpInt(9n), root, KECCAK_EMPTY])
  const nodes = await good.prove(keccak(address))
  expect(provenAccount(good.root, address, nodes)).toEqual({
    nonce: 7n,
    balance: 9n,
    storageRoot: root,
    codeHash: KECCAK_EMPTY,
  })
  const other = asAddress(new Uint8Array(20).fill(6))
  expect(provenAccount(good.root, other, await good.prove(keccak(other)))).toBeNull()
  const bad: Rlp[] = [
    [rlpInt(7), rlpInt(9n), root],
    [rlpInt(2n ** 64n), rlpInt(9n), root, KECCAK_EMPTY],
    [rlpInt(7), Uint8Array.of(0, 9), root, KECCAK_EMPTY],
    [rlpInt(7), rlpInt(9n), root.subarray(1), KECCAK_EMPTY],
    KEY,
  ]
  for (const leaf of bad) {
    const trie = await accountTrie(leaf)
    const proof = await trie.prove(keccak(address))
    expect(codeOf(() => provenAccount(trie.root, address, proof))).toBe('PROOF_MALFORMED')
  }
})

test('a slot is a word above zero, or absent', async () => {
  const slotKey = (slot: bigint): Hash => keccak(hexToBytes(`0x${slot.toString(16).padStart(64, '0')}`))
  const trie = await libraryTrie([
    { key: slotKey(1n), value: encodeRlp(rlpInt(2n ** 256n - 1n)) },
    { key: slotKey(2n), value: encodeRlp(rlpInt(0)) },
    { key: slotKey(3n), value: encodeRlp(Uint8Array.of(0, 1)) },
  ])
  const slot = async (at: bigint) => {
    const nodes = await trie.prove(slotKey(at))
    return () => provenSlot(trie.root, at, nodes)
  }
  expect((await slot(1n))()).toBe(2n ** 256n - 1n)
  expect((await slot(4n))()).toBe(0n)
  expect(codeOf(await slot(2n))).toBe('PROOF_MALFORMED')
  expect(codeOf(await slot(3n))).toBe('PROOF_MALFORMED')
})
