// net_, web3_, txpool_, debug_ (raw data), nova_, evm_ and rpc_: the node itself, its pool, its validators.
import { bytesToHex, concat } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { NodeError } from '../../chain/base/errors.ts'
import {
  address,
  type BlockRef,
  blockRef,
  type Codec,
  count,
  data,
  either,
  hash,
  object,
  optional,
} from '../../chain/base/schema.ts'
import type { Chain } from '../../chain/chain.ts'
import { encodeEthereumBlock, encodeHeader, encodeSection } from '../../chain/types/block.ts'
import type { Json } from '../../chain/types/call.ts'
import { requireKept } from '../../chain/types/kept.ts'
import type { PoolQueue } from '../../chain/types/query.ts'
import { encodeReceipt } from '../../chain/types/receipt.ts'
import type { Tx } from '../../chain/types/tx.ts'
import { epochOf, validatorsHash } from '../../chain/types/validators.ts'
import { certificateToJson, consensusToJson, hexQuantity, txToJson, validatorToJson } from '../format.ts'
import { type Ctx, defineMethod, mustHeight, outlineAt, RpcErrors } from '../method.ts'

const mustBlock = ({ chain }: Ctx, ref: BlockRef) => {
  const height = mustHeight(chain, ref)
  requireKept(chain.kept(), 'bodies', height)
  const block = chain.block(height)
  if (block === null) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
  return block
}

const mustOutline = (chain: Chain, ref: BlockRef) => {
  const outline = outlineAt(chain, ref)
  if (outline === null) throw new NodeError(RpcErrors.UNKNOWN_BLOCK, undefined)
  return outline
}

const byNonce = (txs: readonly Tx[], show: (tx: Tx) => Json): Json =>
  Object.fromEntries(txs.map((tx) => [tx.nonce.toString(), show(tx)]))
const bySender = ({ chain }: Ctx, part: keyof PoolQueue, show: (tx: Tx) => Json): Json =>
  Object.fromEntries(
    chain.pool.senders().flatMap((sender) => {
      const txs = chain.pool.of(sender)[part]
      return txs.length === 0 ? [] : [[bytesToHex(sender), byNonce(txs, show)]]
    }),
  )
const whole = (tx: Tx): Json => txToJson(tx, null)
const inspect = (tx: Tx): Json =>
  `${tx.to === null ? 'contract creation' : bytesToHex(tx.to)}: ${tx.value} wei + ${tx.gasLimit} gas × ${tx.maxFeeWei} wei`

const noDev = () =>
  new NodeError(RpcErrors.UNSUPPORTED, {
    reason: 'evm_ methods answer in development networks of one validator only',
  })
const noUndo = () =>
  new NodeError(RpcErrors.UNSUPPORTED, {
    reason:
      'there is no snapshot to go back to: blocks are final and the validator never signs a height twice; start a fresh devnet (--reset) for each test',
  })

const pool = [
  defineMethod('txpool_status', {
    summary: 'Counts of pending and queued transactions.',
    params: [],
    run({ chain }) {
      const { pending, queued } = chain.pool.status()
      return { pending: hexQuantity(pending), queued: hexQuantity(queued) }
    },
  }),
  defineMethod('txpool_content', {
    summary: 'Every transaction in the pool.',
    params: [],
    run: (ctx) => ({ pending: bySender(ctx, 'pending', whole), queued: bySender(ctx, 'queued', whole) }),
  }),
  defineMethod('txpool_contentFrom', {
    summary: 'One account’s transactions in the pool.',
    params: [['address', address]],
    run({ chain }, [sender]) {
      const { pending, queued } = chain.pool.of(sender)
      return { pending: byNonce(pending, whole), queued: byNonce(queued, whole) }
    },
  }),
  defineMethod('txpool_inspect', {
    summary: 'Every transaction in the pool, a line each.',
    params: [],
    run: (ctx) => ({ pending: bySender(ctx, 'pending', inspect), queued: bySender(ctx, 'queued', inspect) }),
  }),
] as const

const debug = [
  defineMethod('debug_getRawHeader', {
    summary: 'RLP of a header.',
    params: [['block', blockRef]],
    access: 'local',
    run: ({ chain }, [ref]) => bytesToHex(encodeHeader(mustOutline(chain, ref).header)),
  }),
  defineMethod('debug_getRawBlock', {
    summary: 'RLP of a block, as Ethereum encodes it.',
    params: [['block', blockRef]],
    access: 'local',
    run: (ctx, [ref]) => bytesToHex(encodeEthereumBlock(mustBlock(ctx, ref))),
  }),
  defineMethod('debug_getRawReceipts', {
    summary: 'Encoded receipts of a block.',
    params: [['block', blockRef]],
    access: 'local',
    run({ chain }, [ref]) {
      const height = mustHeight(chain, ref)
      requireKept(chain.kept(), 'receipts', height)
      return (chain.receipts(height) ?? []).map((each) => bytesToHex(encodeReceipt(each)))
    },
  }),
  defineMethod('debug_getRawTransaction', {
    summary: 'The signed bytes of a transaction.',
    params: [['hash', hash]],
    access: 'local',
    run({ chain }, [txHash]) {
      const place = chain.place(txHash)
      const raw = place === null ? chain.pool.get(txHash)?.raw : chain.stored.tx(place.height, place.index)?.raw
      return raw === undefined ? '0x' : bytesToHex(raw)
    },
  }),
] as const

const signerToJson = (signer: ReturnType<Ctx['self']['signer']>) =>
  signer && {
    ...{ url: signer.url, answers: signer.answers, fault: signer.fault },
    answerMicroseconds: signer.answerMs === null ? null : hexQuantity(Math.round(signer.answerMs * 1_000)),
  }

const admin = [
  defineMethod('admin_nodeInfo', {
    summary:
      'This node: its peer id and addresses, the BLS keys it signs with, and the signer elsewhere that holds them.',
    params: [],
    access: 'local',
    run: ({ self, version, chain }) => ({
      id: self.peerId,
      name: version,
      genesisHash: bytesToHex(chain.genesisHash),
      addresses: self.addresses,
      validatorKeys: self.validatorKeys.map(bytesToHex),
      signer: signerToJson(self.signer()),
    }),
  }),
] as const

const epochRef: Codec<{ readonly epoch: number }> = { ...object({ epoch: count }), expected: 'an object with epoch' }
const signedHeight = (chain: Chain, ref: BlockRef | { readonly epoch: number } | null): number => {
  if (ref === null) return chain.head().header.number + 1
  return 'epoch' in ref ? ref.epoch * chain.genesis.epochBlocks + 1 : mustHeight(chain, ref)
}

const nova = [
  defineMethod('nova_validators', {
    summary:
      'The validators that sign a block, or the blocks of an epoch; those of the next block where none is named. In set order. Null for genesis, for an epoch that is not elected yet, and for one whose validators are forgotten.',
    params: [['block', optional(either(epochRef, blockRef))]],
    run({ chain }, [ref]) {
      const height = signedHeight(chain, ref)
      const set = chain.setOf(height)
      if (set === null) return null
      return {
        epoch: hexQuantity(epochOf(height, chain.genesis.epochBlocks)),
        validatorsHash: bytesToHex(validatorsHash(set)),
        powerTotal: hexQuantity(set.powerTotal),
        validators: set.members.map(validatorToJson),
      }
    },
  }),
  defineMethod('nova_epoch', {
    summary: 'Epoch of the next block and its bounds.',
    params: [],
    run({ chain }) {
      const { epochBlocks } = chain.genesis
      const epoch = epochOf(chain.head().header.number + 1, epochBlocks)
      const first = epoch * epochBlocks + 1
      return { epoch: hexQuantity(epoch), first: hexQuantity(first), last: hexQuantity(first + epochBlocks - 1) }
    },
  }),
  defineMethod('nova_getCommitCertificate', {
    summary: 'The certificate that made a block final; null for genesis.',
    params: [['block', blockRef]],
    run({ chain }, [ref]) {
      const height = mustHeight(chain, ref)
      requireKept(chain.kept(), 'headers', height)
      const qc = chain.commitOf(height)
      return qc === null ? null : certificateToJson(qc)
    },
  }),
  defineMethod('nova_getConsensusSection', {
    summary: 'RLP of what consensus adds to a block; its keccak is parentBeaconBlockRoot. Null for genesis.',
    params: [['block', blockRef]],
    run({ chain }, [ref]) {
      const { section } = mustOutline(chain, ref)
      return section === null ? null : bytesToHex(encodeSection(section))
    },
  }),
  defineMethod('nova_consensus', {
    summary: 'Height, round and step, the power of the votes seen, whom the step waits for, and why no block comes.',
    params: [],
    run: ({ consensus }) => ({ ...consensusToJson(consensus.status()), behind: consensus.isBehind() }),
  }),
  defineMethod('nova_genesisHash', {
    summary: 'The hash that names this network.',
    params: [],
    run: ({ chain }) => bytesToHex(chain.genesisHash),
  }),
] as const

const dev = [
  defineMethod('evm_mine', {
    summary: 'Seals blocks now; development networks of one validator only.',
    params: [['count', optional(count)]],
    async run(ctx, [blocks]) {
      if (ctx.dev === null) throw noDev()
      if ((blocks ?? 1) > 1_000) throw new NodeError(RpcErrors.PARAMS, { name: 'count', reason: 'at most 1000' })
      await ctx.dev.mine(blocks ?? 1)
      return '0x0'
    },
  }),
  defineMethod('evm_increaseTime', {
    summary: 'Moves the clock of a development network forward, in seconds.',
    params: [['seconds', count]],
    run(ctx, [seconds]) {
      if (ctx.dev === null) throw noDev()
      return hexQuantity(ctx.dev.increaseTime(seconds))
    },
  }),
  defineMethod('evm_snapshot', {
    summary: 'Refused: finality has no undo.',
    params: [],
    run: () => {
      throw noUndo()
    },
  }),
  defineMethod('evm_revert', {
    summary: 'Refused: finality has no undo.',
    params: [['id', optional(data)]],
    run: () => {
      throw noUndo()
    },
  }),
] as const

export const nodeMethods = [
  defineMethod('net_version', {
    summary: 'Network id: the chain id in decimal.',
    params: [],
    run: ({ chain }) => chain.genesis.chainId.toString(),
  }),
  defineMethod('net_listening', { summary: 'True.', params: [], run: () => true }),
  defineMethod('net_peerCount', {
    summary: 'Connected peers.',
    params: [],
    run: ({ net }) => hexQuantity(net.peers()),
  }),
  defineMethod('web3_clientVersion', {
    summary: 'Name and version of this node.',
    params: [],
    run: ({ version }) => version,
  }),
  defineMethod('web3_sha3', {
    summary: 'keccak-256 of the data.',
    params: [['data', data]],
    run: (_ctx, [bytes]) => bytesToHex(keccak(concat(bytes))),
  }),
  ...pool,
  ...debug,
  ...admin,
  ...nova,
  ...dev,
] as const
