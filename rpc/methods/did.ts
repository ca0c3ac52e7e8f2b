// nova_resolveDid: DID resolution out of state, of the present and of the past, without a call.

import { NodeError } from '../../chain/base/errors.ts'
import { type BlockRef, blockRef, type Codec, either, object, optional, string } from '../../chain/base/schema.ts'
import { resolveDid } from '../../chain/native/did/resolve.ts'
import { didReadsOf } from '../../chain/native/index.ts'
import type { Json } from '../../chain/types/call.ts'
import { defineMethod, mustHeight, RpcErrors } from '../method.ts'

interface Version {
  readonly versionId: string | null
  readonly versionTime: string | null
}
const versionFields = object({ versionId: optional(string), versionTime: optional(string) })
const version: Codec<Version> = {
  expected: 'an object with versionId or versionTime',
  schema: versionFields.schema,
  decode(value) {
    const decoded = versionFields.decode(value)
    if (!decoded.ok || decoded.value.versionId !== null || decoded.value.versionTime !== null) return decoded
    return { ok: false, why: `expected ${version.expected}` }
  },
}
const isVersion = (given: Version | BlockRef): given is Version => 'versionId' in given

export const didMethods = [
  defineMethod('nova_resolveDid', {
    summary:
      'Resolves a DID of this network as W3C’s DID Resolution has it: didDocument, didDocumentMetadata (versionId, created, updated, nextUpdate, deactivated) and didResolutionMetadata, which also says what is wrong with a DID. Older versions by versionId or versionTime, here or in the DID’s query; as the chain knew it after a block by the block.',
    params: [
      ['did', string],
      ['block', either(version, blockRef)],
    ],
    async run({ chain }, [did, given]) {
      const ref: BlockRef = isVersion(given) ? { tag: 'latest' } : given
      const height = mustHeight(chain, ref)
      const outline = chain.outline(height)
      if (outline === null) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
      const { chainId } = chain.genesis
      const reads = didReadsOf(chain.at(height), { chainId: BigInt(chainId), time: outline.header.time })
      const options = isVersion(given)
        ? { versionId: given.versionId ?? undefined, versionTime: given.versionTime ?? undefined }
        : {}
      return (await resolveDid(reads, did, options)) as unknown as Json // text, lists and objects of text
    },
  }),
] as const
