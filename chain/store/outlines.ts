// Headers of blocks whose bodies are not there: what is kept beside the state where a chain is made again from attested batches. Owns one
// table and the head; every value is sealed. No node runs on it: `blocks.ts` is what a node keeps.
import { asHash, bytesToHex, bytesToNumber, concat, equalBytes, type Hash } from '../base/bytes.ts'
import { NodeError } from '../base/errors.ts'
import type { Kv, KvWrite } from '../base/ports.ts'
import { decodeHeader, encodeHeader, type Header, headerHash } from '../types/block.ts'
import { BlockStoreErrors } from './blocks.ts'
import { corrupt, seal, unseal } from './seal.ts'

/** Beside the state's tables; `blocks.ts` has others. */
const TABLE = 0x44
const HEAD = Uint8Array.of(TABLE)
const keyOf = (height: number): Uint8Array => {
  const key = new Uint8Array(7)
  key[0] = TABLE
  for (let i = 6, rest = height; i > 0; i--, rest = Math.floor(rest / 256)) key[i] = rest & 255
  return key
}

interface Made {
  readonly header: Header
  readonly hash: Hash
}

export interface OutlineStore {
  /** null in an empty store. */
  head(): Made | null
  /** null above the head. Throws STORE_CORRUPT. */
  at(height: number): Made | null
  /** It is the head then. */
  writes(made: Made): Promise<Iterable<KvWrite>>
}

/** Throws STORE_NETWORK for one of another genesis. */
export function openOutlineStore(kv: Kv, genesisHash: Hash): OutlineStore {
  const at = (height: number): Made | null => {
    const key = keyOf(height)
    const sealed = kv.get(key)
    if (sealed === undefined) return null
    const header = decodeHeader(unseal('outlines', key, sealed))
    return { header, hash: headerHash(header) }
  }
  const head = (): Made | null => {
    const sealed = kv.get(HEAD)
    if (sealed === undefined) return null
    const content = unseal('outlines', HEAD, sealed)
    const have = asHash(content.subarray(6))
    if (!equalBytes(have, genesisHash))
      throw new NodeError(BlockStoreErrors.NETWORK, { have: bytesToHex(have), want: bytesToHex(genesisHash) })
    const height = bytesToNumber(content.subarray(0, 6))
    const made = at(height)
    if (made === null) throw corrupt('outlines', keyOf(height), 'it is missing')
    return made
  }
  return {
    head,
    at,
    async writes({ header }) {
      const key = keyOf(header.number)
      return [
        { key, value: seal(key, encodeHeader(header)) },
        { key: HEAD, value: seal(HEAD, concat(key.subarray(1), genesisHash)) },
      ]
    },
  }
}
