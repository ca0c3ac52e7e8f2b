// What this node gives to those who come without a history: blocks without transactions with the validators that sign after them, and
// pieces of the state after a block. Owns the bounds of an answer. Nothing here is made ahead, and no block waits for it.
import { equalBytes } from '../chain/base/bytes.ts'
import type { Chain } from '../chain/chain.ts'
import type { SnapshotSource } from '../chain/snapshot.ts'
import { decodeLightAsk, decodeStateAsk, encodeCodes, encodeLit, joinLit, type Lit } from '../p2p/wire.ts'

/** Blocks of one answer: in bytes, which the last one may exceed. */
const LIGHT_BYTES = 1024 * 1024
const BLOCKS_MAX = 512
/** Code of one answer, of which one is always given. */
const CODE_BYTES = 512 * 1024

/** Answers the protocol `light`: from the first block that is asked for, as many as there are and as have room. */
export function answerLight(chain: Chain, bytes: Uint8Array): Uint8Array {
  const ask = decodeLightAsk(bytes)
  const { epochBlocks } = chain.genesis
  const head = chain.head().header.number
  const range = ask.kind === 'head' ? { from: head, count: 1 } : ask
  const out: Uint8Array[] = []
  let sizeBytes = 0
  for (let i = 0; i < Math.min(range.count, BLOCKS_MAX) && sizeBytes < LIGHT_BYTES; i++) {
    const height = ask.kind === 'epochs' ? (range.from + i + 1) * epochBlocks : range.from + i
    const lit = height > head ? null : litAt(chain, height, ask.kind === 'checkpoint' ? 'with its validators' : 'alone')
    if (lit === null) break
    const encoded = encodeLit(lit)
    sizeBytes += encoded.length
    out.push(encoded)
  }
  return joinLit(out)
}

/** null for genesis, and where it is not here. */
export function litAt(chain: Chain, height: number, how: 'alone' | 'with its validators'): Lit | null {
  const [block, certificate] = [chain.outline(height), chain.commitOf(height)]
  if (block === null || certificate === null || block.section === null) return null
  const { header, section } = block
  const { validatorsHash, nextValidatorsHash } = section
  const changes = nextValidatorsHash !== null && !equalBytes(nextValidatorsHash, validatorsHash)
  const validators = how === 'alone' ? null : (chain.setOf(height)?.members ?? null)
  const nextValidators = changes ? (chain.setOf(height + 1)?.members ?? null) : null
  return { header, section, certificate, validators, nextValidators }
}

/** Answers the protocol `state`; with nothing where it is not here any more. */
export async function answerState(source: SnapshotSource, bytes: Uint8Array): Promise<Uint8Array> {
  const ask = decodeStateAsk(bytes)
  if (ask.kind === 'piece') return (await source.piece(ask.height, ask)) ?? new Uint8Array(0)
  const codes: Uint8Array[] = []
  let sizeBytes = 0
  for (const code of source.codes(ask.hashes)) {
    sizeBytes += code.length
    if (sizeBytes > CODE_BYTES && codes.length > 0) break
    codes.push(code)
  }
  return encodeCodes(codes)
}
