// nova_bridgeCertificate: what a relayer shows the bridge with a message of another chain.
import { bytesToHex } from '../../chain/base/bytes.ts'
import { hash, quantity } from '../../chain/base/schema.ts'
import { hexQuantity } from '../format.ts'
import { defineMethod } from '../method.ts'

export const bridgeMethods = [
  defineMethod('nova_bridgeCertificate', {
    summary:
      'How much power attests a message of another chain, by its id, and the proof that deliver, refuse and refund take; proof is null up to two thirds. null where nobody has said anything of it, or it is settled.',
    params: [
      ['chain', quantity],
      ['id', hash],
    ],
    run({ bridge }, [chain, id]) {
      const found = bridge.certificate(chain, id)
      if (found === null) return null
      const { epoch, signed, total, proof } = found
      return {
        ...{ epoch: hexQuantity(epoch), signed: hexQuantity(signed), total: hexQuantity(total) },
        proof: proof === null ? null : bytesToHex(proof),
      }
    },
  }),
] as const
