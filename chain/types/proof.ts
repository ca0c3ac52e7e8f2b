// Merkle-Patricia proofs of the state: whether an account or a storage word is under a root, and what it is, from the nodes on
// its path alone (`eth_getProof`). Pure, and strict: nodes that are missing, spare or not in their one encoding are refused.
import { type Address, asHash, bigintToFixed, equalBytes, type Hash, type Word } from '../base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../base/crypto.ts'
import { defineErrors, NodeError } from '../base/errors.ts'
import { asBigint, asBytes, asList, decodeRlp, encodeRlp, type Rlp } from '../base/rlp.ts'

export const ProofErrors = defineErrors('PROOF', {
  LENGTH: { text: (d: { nodes: number; reason: string }) => `proof of ${d.nodes} nodes: ${d.reason}` },
  HASH: { text: (d: { at: number }) => `proof node ${d.at} is not the one that the root or its parent names` },
  MALFORMED: { text: (d: { at: number; reason: string }) => `proof node ${d.at}: ${d.reason}` },
})

/** What the account trie commits to (yellow paper, 4.1). */
export interface ProvenAccount {
  readonly nonce: bigint
  readonly balance: bigint
  readonly storageRoot: Hash
  readonly codeHash: Hash
}

/** A branch for each of 64 nibbles, and the leaf. */
const NODES_MAX = 65
/** A branch of 16 hashes has 532 bytes, a leaf of the state at most 150. */
const NODE_BYTES_MAX = 576

/** null where the proof shows that there is no such account. Throws PROOF_*. */
export function provenAccount(stateRoot: Hash, address: Address, nodes: readonly Uint8Array[]): ProvenAccount | null {
  const leaf = provenValue(stateRoot, keccak(address), nodes)
  if (leaf === null) return null
  return wellFormed(nodes.length - 1, () => {
    const f = asList(decodeRlp(leaf), 4)
    return {
      nonce: asBigint(f[0], 64),
      balance: asBigint(f[1]),
      storageRoot: asHash(asBytes(f[2], 32)),
      codeHash: asHash(asBytes(f[3], 32)),
    }
  })
}

/** The word in a slot; 0 where the proof shows that nothing is there. Throws PROOF_*. */
export function provenSlot(storageRoot: Hash, slot: Word, nodes: readonly Uint8Array[]): Word {
  const leaf = provenValue(storageRoot, keccak(bigintToFixed(slot, 32)), nodes)
  if (leaf === null) return 0n
  const value = wellFormed(nodes.length - 1, () => asBigint(decodeRlp(leaf)))
  if (value === 0n) throw malformed(nodes.length - 1, 'a slot holds zero')
  return value
}

/** The value under a 32-byte key; null where the proof shows that there is none. Throws PROOF_*. */
export function provenValue(root: Hash, key: Hash, nodes: readonly Uint8Array[]): Uint8Array | null {
  if (nodes.length > NODES_MAX)
    throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: `at most ${NODES_MAX} lie on a path` })
  if (nodes.length === 0 && equalBytes(root, EMPTY_ROOT)) return null
  const path = nibblesOf(key)
  let named: Child = root
  let depth = 0
  let used = 0
  for (;;) {
    const node: Rlp = named instanceof Uint8Array ? readNode(named, nodes, used++) : named
    const step = stepInto(node, path, depth, used - 1)
    if (step.kind === 'down') {
      named = step.child
      depth = step.depth
      continue
    }
    if (used < nodes.length)
      throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: `the path ends after ${used}` })
    return step.value
  }
}

/** How a node names what hangs below it: a hash, or a short node itself, as RLP; null: nothing. */
export type Ref = Uint8Array | null

export interface ProvenPlace {
  readonly ref: Ref
  /** Where a branch stands there, with the nibbles before it, and the proof shows it: what hangs on it. */
  readonly branch: { readonly extension: Uint8Array; readonly refs: readonly Ref[] } | null
}

/**
 * What hangs at a place of the trie: at the root, where `path` is empty, or at a nibble of a branch. Nodes are those on the way, and one
 * branch more where it is to be shown. Throws PROOF_*.
 */
export function provenPlace(root: Hash, path: Uint8Array, nodes: readonly Uint8Array[]): ProvenPlace {
  if (nodes.length > NODES_MAX)
    throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: `at most ${NODES_MAX} lie on a path` })
  let named: Child | null = root
  let depth = 0
  let used = 0
  const next = (child: Child): Rlp => (child instanceof Uint8Array ? readNode(child, nodes, used++) : child)
  while (depth < path.length) {
    if (named === null) throw malformed(used - 1, 'nothing hangs on the way')
    const node = next(named)
    if (!(node instanceof Uint8Array) && node.length === 2 && pathOf(node[0], used - 1).isLeaf)
      throw malformed(used - 1, 'a leaf on the way')
    const step = stepInto(node, path, depth, used - 1)
    named = step.kind === 'down' ? step.child : null
    depth = step.kind === 'down' ? step.depth : path.length
  }
  const ref = named === null ? null : encodeRlp(named)
  const at = (): number => used - 1
  if (used === nodes.length || named === null) {
    if (used < nodes.length)
      throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: 'nothing is there' })
    return { ref, branch: null }
  }
  let node = next(named)
  let extension = new Uint8Array(0)
  if (!(node instanceof Uint8Array) && node.length === 2) {
    const part = pathOf(node[0], at())
    const below = part.isLeaf ? null : childOf(node[1], at())
    if (below === null || part.nibbles.length === 0) throw malformed(at(), 'it is no branch')
    extension = part.nibbles.slice()
    node = next(below)
  }
  if (node instanceof Uint8Array || node.length !== 17) throw malformed(at(), 'it is no branch')
  if (used < nodes.length)
    throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: `the path ends after ${used}` })
  const refs = node.slice(0, 16).map((item): Ref => {
    const child = childOf(item, at())
    return child === null ? null : encodeRlp(child)
  })
  return { ref, branch: { extension, refs } }
}

/** A hash, or a node of less than 32 bytes that stands whole inside its parent. */
type Child = Hash | readonly Rlp[]

const readNode = (hash: Hash, nodes: readonly Uint8Array[], at: number): Rlp => {
  const bytes = nodes[at]
  if (bytes === undefined)
    throw new NodeError(ProofErrors.LENGTH, { nodes: nodes.length, reason: 'the path goes on after the last' })
  if (bytes.length > NODE_BYTES_MAX) throw malformed(at, `${bytes.length} bytes, at most ${NODE_BYTES_MAX}`)
  if (at > 0 && bytes.length < 32) throw malformed(at, 'under 32 bytes, so it stands inside its parent')
  if (!equalBytes(keccak(bytes), hash)) throw new NodeError(ProofErrors.HASH, { at })
  return wellFormed(at, () => decodeRlp(bytes))
}

type Step =
  | { readonly kind: 'down'; readonly child: Child; readonly depth: number }
  | { readonly kind: 'end'; readonly value: Uint8Array | null }
const ABSENT: Step = { kind: 'end', value: null }

const stepInto = (node: Rlp, path: Uint8Array, depth: number, at: number): Step => {
  if (node instanceof Uint8Array) {
    if (node.length === 0) return ABSENT // the one node of an empty trie
    throw malformed(at, 'neither branch, extension nor leaf')
  }
  if (node.length === 17) return intoBranch(node, path, depth, at)
  if (node.length !== 2) throw malformed(at, `${node.length} items; a node has 2 or 17`)
  const { isLeaf, nibbles } = pathOf(node[0], at)
  const end = depth + nibbles.length
  if (isLeaf) {
    if (end !== path.length) throw malformed(at, 'the leaf’s path does not end with its key')
    const value = wellFormed(at, () => asBytes(node[1]))
    if (value.length === 0) throw malformed(at, 'a leaf without a value')
    return equalBytes(nibbles, path.subarray(depth)) ? { kind: 'end', value } : ABSENT
  }
  if (nibbles.length === 0 || end >= path.length) throw malformed(at, 'an extension of no length, or beyond the key')
  const child = childOf(node[1], at)
  if (child === null || (!(child instanceof Uint8Array) && child.length !== 17))
    throw malformed(at, 'an extension leads to no branch')
  return equalBytes(nibbles, path.subarray(depth, end)) ? { kind: 'down', child, depth: end } : ABSENT
}

const intoBranch = (node: readonly Rlp[], path: Uint8Array, depth: number, at: number): Step => {
  const nibble = path[depth]
  if (nibble === undefined) throw malformed(at, 'a branch below the last nibble')
  if (wellFormed(at, () => asBytes(node[16])).length > 0) throw malformed(at, 'a value within a branch')
  const child = childOf(node[nibble], at)
  return child === null ? ABSENT : { kind: 'down', child, depth: depth + 1 }
}

const childOf = (item: Rlp | undefined, at: number): Child | null => {
  if (item === undefined) throw malformed(at, 'a child is missing')
  if (item instanceof Uint8Array) {
    if (item.length === 0) return null
    if (item.length !== 32) throw malformed(at, `a child’s name of ${item.length} bytes`)
    return asHash(item)
  }
  if (encodeRlp(item).length >= 32) throw malformed(at, 'a node of 32 bytes or more within its parent')
  return item
}

/** Hex-prefix decoding (yellow paper, appendix C). */
const pathOf = (item: Rlp | undefined, at: number): { readonly isLeaf: boolean; readonly nibbles: Uint8Array } => {
  const all = nibblesOf(wellFormed(at, () => asBytes(item)))
  const flag = all[0]
  if (flag === undefined || flag > 3 || (flag % 2 === 0 && all[1] !== 0))
    throw malformed(at, 'a path that is no hex-prefix encoding')
  return { isLeaf: flag >= 2, nibbles: all.subarray(flag % 2 === 0 ? 2 : 1) }
}

const nibblesOf = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(2 * bytes.length)
  for (const [i, byte] of bytes.entries()) {
    out[2 * i] = byte >> 4
    out[2 * i + 1] = byte & 15
  }
  return out
}

const malformed = (at: number, reason: string) => new NodeError(ProofErrors.MALFORMED, { at, reason })

const wellFormed = <T>(at: number, run: () => T): T => {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof NodeError)) throw cause
    throw new NodeError(ProofErrors.MALFORMED, { at, reason: cause.message }, { cause })
  }
}
