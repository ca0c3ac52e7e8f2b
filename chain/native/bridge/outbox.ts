// What leaves: messages to a chain, one after another, each in a hash chain whose links stay in storage.
import type { Address, Hash } from '../../base/bytes.ts'
import { params } from '../params/module.ts'
import type { BridgeCall } from './layout.ts'
import {
  DATA_MAX,
  isNobody,
  linkAfter,
  type Message,
  messageId,
  NO_WORD,
  padded,
  RECIPIENT_BYTES,
  Status,
} from './message.ts'
import { mustKnow, take } from './routes.ts'

const KECCAK_GAS = 30
const KECCAK_WORD_GAS = 6

/** Three hashes of a message, and what they go over. */
export const chargeId = (call: BridgeCall, { recipient, data }: Pick<Message, 'recipient' | 'data'>): void =>
  call.charge(3 * KECCAK_GAS + KECCAK_WORD_GAS * (11 + Math.ceil(recipient.length / 32) + Math.ceil(data.length / 32)))

/** Appends to what goes to the message's target, which is known. */
export function append(call: BridgeCall, draft: Omit<Message, 'sourceChain' | 'sequence'>): Hash {
  const { store } = call
  const { targetChain: chain } = draft
  const sequence = store.chains.at(chain).sent.update((sent) => sent + 1n)
  const message: Message = { ...draft, sourceChain: call.block.chainId, sequence }
  chargeId(call, message)
  call.charge(KECCAK_GAS + 2 * KECCAK_WORD_GAS)
  const id = messageId(message)
  const links = store.links.at(chain)
  links.at(sequence).set(linkAfter(links.at(sequence - 1n).get(), id))
  record(call, id, { status: Status.sent, chain, sequence })
  call.emit('MessageSent', { id, chain, sequence, message })
  return id
}

/** What became of a message. */
export function record(
  call: BridgeCall,
  id: Hash,
  { status, chain, sequence }: { readonly status: bigint; readonly chain: bigint; readonly sequence: bigint },
): void {
  const place = call.store.transfers.at(id)
  place.status.set(status)
  place.chain.set(chain)
  place.sequence.set(sequence)
  place.changedAt.set(BigInt(call.block.time))
}

export interface Sending {
  readonly chain: bigint
  readonly recipient: Uint8Array
  readonly token: Address
  readonly amount: bigint
  readonly data: Uint8Array
}
export function send(call: BridgeCall, { chain, recipient, token, amount, data }: Sending): Hash {
  mustKnow(call, chain)
  if (recipient.length !== RECIPIENT_BYTES || isNobody(recipient)) call.revert('BadRecipient', { recipient })
  if (data.length > DATA_MAX)
    call.revert('TooLong', { what: 'data', given: BigInt(data.length), maximum: BigInt(DATA_MAX) })
  if (amount > 0n) take(call, { chain, token, amount }, padded(token))
  else if (call.value > 0n) call.revert('WrongValue', { given: call.value, expected: 0n })
  else if (!isNobody(token) || data.length === 0) call.revert('Empty', {})
  const deadline = BigInt(call.block.time) + call.read(params, 'get', ['bridge.deadline'])
  return append(call, {
    ...{ targetChain: chain, deadline, sender: padded(call.caller), recipient },
    ...{ token: padded(token), amount, refundOf: NO_WORD, data },
  })
}
