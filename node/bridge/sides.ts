// The two kinds of ends of a bridge as a relayer sees them: the module of NovaChain and a vault of another chain. Owns what each is asked and
// called with, and where the proofs for it come from: a certificate of the validators inwards, a checkpoint and a proof of the outbox outwards.
import {
  type Address,
  bigintToFixed,
  bytesToHex,
  concat,
  equalBytes,
  type Hash,
  type Hex,
} from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { type Codec, data, list, optional, quantity, word } from '../../chain/base/schema.ts'
import { abi as moduleAbi } from '../../chain/native/bridge/abi.ts'
import { linkAfter, type Message, messageId } from '../../chain/native/bridge/message.ts'
import { BRIDGE } from '../../chain/native/index.ts'
import { type Abi, decodeNamed, encodeCall, selectorOf } from '../../chain/native/kit/abi.ts'
import { abi as vaultAbi } from '../../contracts/bridge/INovaVault.abi.ts'
import type { createAsker, L1, L1Block } from '../rollup/l1.ts'
import { fieldOf, Unreadable } from '../rollup/reading.ts'
import { createSettlement } from '../rollup/settlement.ts'

export const SideErrors = defineErrors('RELAY', {
  OTHER: {
    text: (d: { sequence: bigint }) =>
      `NovaChain’s outbox has another message under number ${d.sequence}: one of its endpoint’s answers was wrong`,
  },
})

/** What is to be done with a message at its target. */
export type Deed = { readonly kind: 'deliver' | 'refuse' } | { readonly kind: 'refund'; readonly original: Message }

/** A contract that sends and takes messages. */
export interface Side {
  readonly contract: Address
  /** Of `Status` in message.ts, after a block. Throws L1_*, ABI_*. */
  status(id: Hash, at: Hash): Promise<bigint>
  /** The call that does it; null while there is no proof of the message yet. Throws L1_*, ABI_*, RELAY_OTHER. */
  call(message: Message, deed: Deed, final: L1Block): Promise<Uint8Array | null>
  /** A revert by its name. */
  explain(output: Uint8Array): string
}

type Asker = ReturnType<typeof createAsker>

const statusAsked = async (l1: L1, contract: Address, id: Hash, at: Hash): Promise<bigint> => {
  const answer = await l1.call(contract, encodeCall(vaultAbi.functions.transfer, [id]), at)
  return decodeNamed(vaultAbi.functions.transfer.outputs, answer).found.status
}
const explained =
  (abi: Abi) =>
  (output: Uint8Array): string => {
    const selector = selectorOf(output)
    const [name] = Object.entries(abi.errors).find(([, each]) => each.selector === selector) ?? []
    return name ?? `an unknown error ${bytesToHex(output.subarray(0, 4))}`
  }

/** The module `bridge`, by JSON-RPC of any node of NovaChain. */
export function moduleSide(l1: L1, asker: Asker): Side {
  const certificate = async (message: Message): Promise<Uint8Array | null> => {
    const params = [`0x${message.sourceChain.toString(16)}`, bytesToHex(messageId(message))]
    await asker.known()
    return asker.ask('nova_bridgeCertificate', params, (value) =>
      value === null ? null : fieldOf(value, 'proof', optional(data)),
    )
  }
  return {
    contract: BRIDGE,
    status: (id, at) => statusAsked(l1, BRIDGE, id, at),
    async call(message, deed) {
      const proof = await certificate(message)
      if (proof === null) return null
      const { deliver, refuse, refund } = moduleAbi.functions
      if (deed.kind === 'refund') return encodeCall(refund, [deed.original, message, proof])
      return encodeCall(deed.kind === 'deliver' ? deliver : refuse, [message, proof])
    },
    explain: explained(moduleAbi),
  }
}

/**
 * A vault. `settlement` is the contract there whose final checkpoint its proofs are under: a node keeps the state of that one, and of no
 * other old one for sure.
 */
export function vaultSide(
  { l1, nova }: { readonly l1: L1; readonly nova: Asker },
  { vault, settlement: at }: { readonly vault: Address; readonly settlement: Address },
): Side {
  const settlement = createSettlement(at)
  return {
    contract: vault,
    status: (id, block) => statusAsked(l1, vault, id, block),
    async call(message, deed, final) {
      const { seq, height } = settlement.position(await l1.call(settlement.address, settlement.question, final.hash))
      const found = await proofOf(nova, message, height)
      if (found === null) return null
      const proof = { seq: BigInt(seq), ...found }
      const { deliver, refuse, refund } = vaultAbi.functions
      if (deed.kind === 'refund') return encodeCall(refund, [deed.original, message, proof])
      return encodeCall(deed.kind === 'deliver' ? deliver : refuse, [message, proof])
    },
    explain: explained(vaultAbi),
  }
}

const NODES_MAX = 64
const nodes = list(data, NODES_MAX)
interface OutboxProof {
  readonly previousLink: Uint8Array
  readonly account: readonly Uint8Array[]
  readonly slot: readonly Uint8Array[]
}
/** null where the outbox did not have the message at that height. Throws RELAY_OTHER of what it never had. */
const proofOf = async (nova: Asker, message: Message, height: number): Promise<OutboxProof | null> => {
  const { targetChain, sequence } = message
  const slots = [linkSlot(targetChain, sequence), linkSlot(targetChain, sequence - 1n)].map(bytesToHex)
  await nova.known()
  return nova.ask('eth_getProof', [bytesToHex(BRIDGE), slots, `0x${height.toString(16)}`], (value) => {
    const [own, before] = slots.map((slot) => slotIn(value, slot))
    if (own === undefined || before === undefined) throw new Unreadable('expected two slots')
    if (own.value === 0n) return null
    const previousLink = bigintToFixed(before.value, 32)
    if (!equalBytes(linkAfter(previousLink, messageId(message)), bigintToFixed(own.value, 32)))
      throw new NodeError(SideErrors.OTHER, { sequence })
    return { previousLink, account: fieldOf(value, 'accountProof', nodes), slot: own.proof }
  })
}
const slotIn = (value: unknown, slot: Hex): { readonly value: bigint; readonly proof: readonly Uint8Array[] } => {
  const all = fieldOf(value, 'storageProof', list(anything, 2))
  const found = all.find((each) => fieldOf(each, 'key', word) === BigInt(slot))
  if (found === undefined) throw new Unreadable('a slot that was asked for is missing')
  return { value: fieldOf(found, 'value', quantity), proof: fieldOf(found, 'proof', nodes) }
}
const anything: Codec<unknown> = { expected: 'anything', schema: {}, decode: (value) => ({ ok: true, value }) }

/** Where `IBridge` says that a link is. */
const linkSlot = (chain: bigint, sequence: bigint): Hash => {
  const inner = keccak(concat(bigintToFixed(chain, 32), new Uint8Array(32)))
  return keccak(concat(bigintToFixed(sequence, 32), inner))
}
