// The trie proofs of the vault against the library that makes tries and our own strict reader: they accept what is there, and never what is not.
import { readFileSync } from 'node:fs'
import { createMerkleProof, createMPT } from '@ethereumjs/mpt'
import { expect, test } from 'vitest'
import { asHash, bigintToFixed, bytesToHex, concat, type Hash, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { encodeRlp } from '../../chain/base/rlp.ts'
import { provenValue } from '../../chain/types/proof.ts'
import { createDice, type Dice } from '../../test/kit/dice.ts'
import { createEvm } from '../../test/kit/evm.ts'
import { compile } from '../build.ts'

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

const path = 'contracts/test/Proofs.sol'
const evm = createEvm()
const proofs = await evm.deploy({
  abi: ['valueAt', 'byOpenZeppelin'].map(
    (name) => `function ${name}(bytes32 root, bytes32 key, bytes[] nodes) view returns (bytes)`,
  ),
  bytecode: `0x${compile(path, readFileSync(path, 'utf8')).Proofs?.bytecode}`,
})
/** '0x' where it is not proven. */
const askedOf =
  (name: string) =>
  async (root: Hash, key: Hash, nodes: readonly Uint8Array[]): Promise<string> => {
    const done = await proofs.send(name, [root, key, nodes])
    return done.error === null ? String(done.result) : '0x'
  }
const found = askedOf('valueAt')
const foundByOpenZeppelin = askedOf('byOpenZeppelin')
const strictly = (root: Hash, key: Hash, nodes: readonly Uint8Array[]): string => {
  try {
    const value = provenValue(root, key, nodes)
    return value === null ? '0x' : bytesToHex(value)
  } catch (error) {
    if (error instanceof NodeError) return '0x'
    throw error
  }
}

/** Keys that share as many nibbles as the dice say, so that there are extensions, deep branches and leaves of every parity. */
async function makeTrie(dice: Dice, drawn = () => dice.bytes(32 + dice.below(70))) {
  const trie = await createMPT({})
  const keys: Hash[] = []
  for (let i = 0; i < 1 + dice.below(40); i++) {
    const key = keccak(dice.bytes(8)).slice()
    const shared = keys[dice.below(keys.length)]
    if (shared !== undefined) {
      const nibbles = dice.chance(0.1) ? 63 : dice.below(20)
      for (let n = 0; n < nibbles; n++) {
        const mask = n % 2 === 0 ? 0xf0 : 0x0f
        key[n >> 1] = ((key[n >> 1] as number) & ~mask) | ((shared[n >> 1] as number) & mask)
      }
    }
    keys.push(asHash(key))
    // A word, an account, and everything up to the longest that a state has.
    await trie.put(key, encodeRlp(drawn()))
  }
  return { trie, keys, root: asHash(trie.root()) }
}

test('every value is found, by its nodes alone', async () => {
  const dice = createDice(SEED)
  for (let round = 0; round < 12; round++) {
    const { trie, keys, root } = await makeTrie(dice)
    for (const key of keys.slice(0, 8)) {
      const nodes = await createMerkleProof(trie, key)
      const value = bytesToHex((await trie.get(key)) ?? new Uint8Array(0))
      const why = `SEED=${SEED}, round ${round}`
      expect(await found(root, key, nodes), why).toBe(value)
      expect(await found(root, key, nodes.slice(0, -1)), why).toBe('0x')
      expect(await found(root, key, [...nodes, nodes[0] ?? key]), why).toBe('0x')
      expect(await found(asHash(keccak(root)), key, nodes), why).toBe('0x')
      const absent = asHash(keccak(key))
      expect(await found(root, absent, await createMerkleProof(trie, absent)), why).toBe('0x')
      expect(await found(root, absent, nodes), why).toBe('0x')
    }
  }
})

test('whatever nodes are shown, a key has its own value or none', async () => {
  const dice = createDice(SEED)
  for (let round = 0; round < 25; round++) {
    const { trie, keys, root } = await makeTrie(dice)
    const shown = await Promise.all(keys.map((key) => createMerkleProof(trie, key)))
    const all = shown.flat()
    for (let i = 0; i < 12; i++) {
      const key = dice.chance(0.8) ? dice.pick(keys) : asHash(keccak(dice.bytes(8)))
      const nodes = dice.pick(shown).map((node) => (dice.chance(0.1) ? dice.pick(all) : node.slice()))
      const node = dice.pick(nodes)
      if (dice.chance(0.5)) node[dice.below(node.length)] = dice.below(256)
      const value = await found(root, key, dice.chance(0.2) ? nodes.slice(dice.below(nodes.length)) : nodes)
      const own = bytesToHex((await trie.get(key)) ?? new Uint8Array(0))
      expect(['0x', own], `SEED=${SEED}, round ${round}`).toContain(value)
      // And what our own reader takes, which is strict, this takes too.
      const strict = strictly(root, key, nodes)
      if (strict !== '0x') expect(await found(root, key, nodes), `SEED=${SEED}, round ${round}`).toBe(strict)
    }
  }
})

test('it takes what OpenZeppelin takes, but for values that lie inside their parents, and nothing else', async () => {
  const dice = createDice(SEED)
  let inside = 0
  for (let round = 0; round < 25; round++) {
    // Words of every length: those of a byte or two lie inside their parents where keys share enough.
    const { trie, keys, root } = await makeTrie(dice, () => dice.bytes(1 + dice.below(dice.chance(0.5) ? 3 : 32)))
    for (const key of [...keys.slice(0, 6), asHash(keccak(dice.bytes(8)))]) {
      const nodes = await createMerkleProof(trie, key)
      const why = `SEED=${SEED}, round ${round}`
      const [ours, theirs] = [await found(root, key, nodes), await foundByOpenZeppelin(root, key, nodes)]
      if (ours !== theirs) {
        expect(ours, why).toBe('0x')
        expect(theirs.length, why).toBeLessThan(2 + 2 * 31)
        inside++
      }
      const node = dice.pick(nodes).slice()
      node[dice.below(node.length)] = dice.below(256)
      const changed = nodes.map((each) => (dice.chance(0.5) ? each : node))
      expect(['0x', await foundByOpenZeppelin(root, key, changed)], why).toContain(await found(root, key, changed))
    }
  }
  expect(inside, `SEED=${SEED}`).toBeGreaterThan(0)
})

test('what stands before a node in the calldata is no part of it', async () => {
  // An extension that holds its branch itself, which only keys that share 54 nibbles come to: it looks like a branch whose first child is a path.
  const NIBBLE = 1
  const leaf = (nibble: number): readonly [Uint8Array, Uint8Array] => [Uint8Array.of(0x30 + nibble), Uint8Array.of(5)]
  const branch = Array.from({ length: 17 }, (_, i) => (i < 2 ? leaf(i) : new Uint8Array(0)))
  const node = encodeRlp([Uint8Array.of(0x10 + NIBBLE), branch])
  const root = asHash(keccak(node))
  const key = asHash(new Uint8Array(32).fill(0x11))
  // The leaf that a thief would like to be there, and its hash where that walk backwards ends.
  const value = encodeRlp(new Uint8Array(32).fill(0xee))
  const forged = encodeRlp([concat(Uint8Array.of(0x31), key.subarray(1)), value])
  const word = (n: number): Uint8Array => bigintToFixed(BigInt(n), 32)
  const fits = (bytes: Uint8Array): Uint8Array => concat(bytes, new Uint8Array((32 - (bytes.length % 32)) % 32))
  const back = 1 + 0x10 + NIBBLE - 0xbf // from the node on
  const junk = new Uint8Array(256)
  // [root, key, offset of nodes | count, offsets of both | junk | first | second]
  const [firstAt, secondAt] = [64 + junk.length, 64 + junk.length + 32 + fits(node).length]
  junk.set(concat(Uint8Array.of(0xa0), keccak(forged)), junk.length + 32 + back)
  const selector = hexToBytes(proofs.abi.getFunction('valueAt')?.selector as Hex)
  const data = concat(
    ...[selector, root, key, word(96), word(2), word(firstAt), word(secondAt), junk],
    ...[word(node.length), fits(node), word(forged.length), fits(forged)],
  )
  const done = await evm.call(proofs.address, data)
  expect(done.error).toBe(null)
  const [answer] = proofs.abi.decodeFunctionResult('valueAt', bytesToHex(done.result as Uint8Array))
  expect(answer).toBe('0x')
})
