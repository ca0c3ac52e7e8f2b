// nova_putContent and nova_getContent: what the chain knows by its digest, from this node's store or its peers. On the local port alone:
// they take keys, and space on the disk.
import { bytesToHex, equalBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { rpcLimits } from '../../chain/base/limits.ts'
import { data, hash, optional, string } from '../../chain/base/schema.ts'
import { abi } from '../../chain/native/audit/abi.ts'
import { AUDIT } from '../../chain/native/index.ts'
import { decodeNamed, encodeCall } from '../../chain/native/kit/abi.ts'
import { hexQuantity } from '../format.ts'
import { type Content, type Ctx, defineMethod } from '../method.ts'

const ContentRpcErrors = defineErrors('CONTENT_RPC', {
  OFF: { rpc: -32000, text: () => 'this node holds no content: set content.enabled = "on" in its config.toml' },
  MISMATCH: {
    rpc: -32000,
    text: (d: { cid: string; vmId: string; chain: string }) =>
      `${d.cid} is not the newest state of ${d.vmId}: on the chain is ${d.chain}`,
  },
  NO_STATE: { rpc: -32000, text: (d: { vmId: string }) => `no state of ${d.vmId} is recorded` },
  ANSWER: {
    rpc: -32000,
    text: (d: { bytes: number; max: number }) => `content of ${d.bytes} bytes, and an answer holds ${d.max}`,
  },
})
/** Its hexadecimal text, with some room, is what an answer holds. */
const ANSWER_SHARE = 2.1

const contentOf = ({ content }: Ctx): Content => {
  if (content === null) throw new NodeError(ContentRpcErrors.OFF, undefined)
  return content
}

/** Throws where the chain has another newest state of the VM than this CID, or none. */
const mustBeNewest = async (ctx: Ctx, cid: string, vmId: Uint8Array): Promise<void> => {
  const { digest, codec } = contentOf(ctx).refOf(cid)
  const { stateOf } = abi.functions
  const at = { height: ctx.chain.head().header.number, pending: false }
  const request = { ...NOTHING, to: AUDIT, input: encodeCall(stateOf, [vmId]) }
  const noState = (): NodeError => new NodeError(ContentRpcErrors.NO_STATE, { vmId: bytesToHex(vmId) })
  const answer = await ctx.calls
    .run({ ...at, kind: 'call', request, state: [], block: null })
    .catch((error: unknown) => {
      throw error instanceof NodeError && error.code === 'CALL_REVERTED' ? noState() : error
    })
  if (answer.kind !== 'call' || answer.output.length === 0) throw noState()
  const { state } = decodeNamed(stateOf.outputs, answer.output)
  if (equalBytes(state.contentDigest, digest) && state.codec === BigInt(codec)) return
  const chain = `codec 0x${state.codec.toString(16)}, digest ${bytesToHex(state.contentDigest)}`
  throw new NodeError(ContentRpcErrors.MISMATCH, { cid, vmId: bytesToHex(vmId), chain })
}
const NOTHING = {
  ...{ from: null, gas: null, gasPriceWei: null, maxFeeWei: null, maxTipWei: null, value: 0n },
  ...{ nonce: null, accessList: null, authorizations: null },
}

export const contentMethods = [
  defineMethod('nova_putContent', {
    summary:
      'Stores content, pins it on as many nodes as the configuration says, and answers its CID with the digest and codec that the audit module records. With a key of 32 bytes it is sealed first (AES-256-GCM).',
    access: 'local',
    params: [
      ['content', data],
      ['key', optional(data)],
    ],
    async run(ctx, [content, key]) {
      const { cid, digest, codec, replicas } = await contentOf(ctx).put(content, key ?? undefined)
      return { cid, contentDigest: bytesToHex(digest), codec: hexQuantity(codec), replicas: hexQuantity(replicas) }
    },
  }),
  defineMethod('nova_getContent', {
    summary:
      'Content by its CID, from this node or its peers, every block checked. With a VM’s id it must be the newest state that the chain has of it; with a key it is opened.',
    access: 'local',
    params: [
      ['cid', string],
      ['vmId', optional(hash)],
      ['key', optional(data)],
    ],
    async run(ctx, [cid, vmId, key]) {
      if (vmId !== null) await mustBeNewest(ctx, cid, vmId)
      const found = await contentOf(ctx).get(cid, key ?? undefined)
      const max = Math.floor(rpcLimits.responseBytes.value / ANSWER_SHARE)
      if (found.length > max) throw new NodeError(ContentRpcErrors.ANSWER, { bytes: found.length, max })
      return bytesToHex(found)
    },
  }),
] as const
