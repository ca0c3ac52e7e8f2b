// nova_getLightClientUpdate: what a light client needs of a block (`chain/light.ts` verifies it, `rpc/client/light.ts` asks).
import { bytesToHex, equalBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { type BlockRef, blockRef, type Codec, count, either, flag, object, optional } from '../../chain/base/schema.ts'
import type { Chain } from '../../chain/chain.ts'
import { encodeHeader, encodeSection } from '../../chain/types/block.ts'
import type { Json } from '../../chain/types/call.ts'
import { requireKept } from '../../chain/types/kept.ts'
import { encodeQc } from '../../chain/types/vote.ts'
import { validatorToJson } from '../format.ts'
import { defineMethod, mustHeight, RpcErrors } from '../method.ts'

const epochRef: Codec<{ readonly epoch: number }> = {
  ...object({ epoch: count }),
  expected: 'an object with epoch, for its last block',
}

const heightIn = (chain: Chain, ref: BlockRef | { readonly epoch: number }): number => {
  if (!('epoch' in ref)) return mustHeight(chain, ref)
  const last = (ref.epoch + 1) * chain.genesis.epochBlocks
  if (last > chain.head().header.number) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
  return last
}

const membersOf = (chain: Chain, height: number): Json => {
  const set = chain.setOf(height)
  return set === null ? null : set.members.map(validatorToJson)
}

export const lightMethods = [
  defineMethod('nova_getLightClientUpdate', {
    summary:
      'RLP of header, consensus section and certificate of a block: what a light client verifies. With the next validators where they change after it; with those of both epochs when asked. Null for genesis.',
    params: [
      ['block', either(epochRef, blockRef)],
      ['withValidators', optional(flag)],
    ],
    run({ chain }, [ref, withValidators]) {
      const height = heightIn(chain, ref)
      requireKept(chain.kept(), 'headers', height)
      const block = chain.outline(height)
      const certificate = chain.commitOf(height)
      if (block === null) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
      const { header, section } = block
      if (section === null || certificate === null) return null
      const { validatorsHash, nextValidatorsHash } = section
      const isLast = nextValidatorsHash !== null
      const changes = isLast && !equalBytes(nextValidatorsHash, validatorsHash)
      return {
        header: bytesToHex(encodeHeader(header)),
        section: bytesToHex(encodeSection(section)),
        certificate: bytesToHex(encodeQc(certificate)),
        validators: withValidators === true ? membersOf(chain, height) : null,
        nextValidators: changes || (isLast && withValidators === true) ? membersOf(chain, height + 1) : null,
      }
    },
  }),
] as const
