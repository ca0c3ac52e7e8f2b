// What comes in: each message once, in any order, before its deadline; after it a notice goes back, and on a notice from there what was sent from here is
// paid back. The cheap refusals come before the signatures. Nothing that a chain says is taken for an invariant.
import { type Address, asAddress, asHash, bytesToBigint, equalBytes, type Hash } from '../../base/bytes.ts'
import type { BridgeCall } from './layout.ts'
import { addressIn, isNoWord, type Message, messageId, NO_WORD, NOBODY, Status } from './message.ts'
import { append, chargeId, record } from './outbox.ts'
import { mustBeAttested } from './proof.ts'
import { type Amount, bring, mustHaveRoom, mustKnow, payBack } from './routes.ts'

/** Addresses below it are of precompiles and modules, which nobody can spend from. */
const FIRST_PAYABLE = 0x1001n
const WORD_BITS = 256n
/** Sequences have 64 bits. */
const ERA_SHIFT = 64n

const idOf = (call: BridgeCall, message: Message): Hash => {
  chargeId(call, message)
  return messageId(message)
}

/** The word with the bit of a message; what came before the last era counts no more. */
const wordOf = ({ store }: Pick<BridgeCall, 'store'>, chain: bigint, sequence: bigint) =>
  store.settled.at(chain).at((store.chains.at(chain).era.get() << ERA_SHIFT) | (sequence / WORD_BITS))

/** Nothing is sent under 0. */
export const isSettled = (call: Pick<BridgeCall, 'store'>, chain: bigint, sequence: bigint): boolean =>
  sequence === 0n || ((wordOf(call, chain, sequence).get() >> (sequence % WORD_BITS)) & 1n) === 1n

/** One for this chain, from one that is connected, that was not settled before. Answers the vault that must have sent it. */
const mustBeNew = (call: BridgeCall, { sourceChain: chain, targetChain, sequence }: Message): Address => {
  if (targetChain !== call.block.chainId) call.revert('WrongTarget', { targetChain })
  const { vault } = mustKnow(call, chain)
  if (isSettled(call, chain, sequence)) call.revert('AlreadySettled', { chain, sequence })
  return vault
}

const mustBe = (call: BridgeCall, what: 'notice' | 'message', { refundOf }: Message, id: Hash): void => {
  if (isNoWord(refundOf) !== (what === 'message')) call.revert('WrongKind', { id })
}

/** Marks it: one word, whatever else is settled or is not. */
function settle(call: BridgeCall, { sourceChain: chain, sequence }: Message, id: Hash, status: bigint): void {
  wordOf(call, chain, sequence).update((bits) => bits | (1n << (sequence % WORD_BITS)))
  call.store.chains.at(chain).settled.update((count) => count + 1n)
  record(call, id, { status, chain, sequence })
}

const recipientOf = (call: BridgeCall, { recipient }: Message): Address =>
  recipient.length === 20 && bytesToBigint(recipient) >= FIRST_PAYABLE
    ? asAddress(recipient)
    : call.revert('BadRecipient', { recipient })

/** What it carries, in this chain's words; null where it is only data. */
const sumOf = (
  { store, revert }: BridgeCall,
  { sourceChain: chain, token: remote, amount }: Message,
): Amount | null => {
  if (amount === 0n && isNoWord(remote)) return null
  const local = store.locals.at(chain).at(remote)
  if (!local.known.get()) revert('UnknownRoute', { chain, token: remote })
  return { chain, token: local.token.get(), amount }
}

export function deliver(call: BridgeCall, message: Message, proof: Uint8Array): void {
  const { sourceChain: chain, sequence, deadline, amount, data } = message
  const vault = mustBeNew(call, message)
  const id = idOf(call, message)
  mustBe(call, 'message', message, id)
  if (BigInt(call.block.time) > deadline) call.revert('Expired', { id, deadline })
  const recipient = recipientOf(call, message)
  const sum = sumOf(call, message)
  if (sum !== null) mustHaveRoom(call, sum, message.token)
  mustBeAttested(call, { chain, vault, id }, proof)
  settle(call, message, id, Status.delivered)
  if (sum !== null) bring(call, recipient, sum)
  call.emit('MessageDelivered', { id, chain, recipient, sequence, token: sum?.token ?? NOBODY, amount, data })
}

export function refuse(call: BridgeCall, message: Message, proof: Uint8Array): Hash {
  const { sourceChain: chain, sequence, deadline } = message
  const vault = mustBeNew(call, message)
  const id = idOf(call, message)
  mustBe(call, 'message', message, id)
  if (BigInt(call.block.time) <= deadline) call.revert('NotExpired', { id, deadline })
  mustBeAttested(call, { chain, vault, id }, proof)
  settle(call, message, id, Status.refused)
  call.emit('MessageRefused', { id, chain, sequence })
  const nothing = new Uint8Array(0)
  return append(call, {
    ...{ targetChain: chain, deadline: 0n, sender: NO_WORD, recipient: nothing },
    ...{ token: NO_WORD, amount: 0n, refundOf: id, data: nothing },
  })
}

export function refund(call: BridgeCall, original: Message, notice: Message, proof: Uint8Array): void {
  const { sourceChain: chain, refundOf } = notice
  const vault = mustBeNew(call, notice)
  const noticeId = idOf(call, notice)
  mustBe(call, 'notice', notice, noticeId)
  const sent = call.store.transfers.at(refundOf)
  // A chain speaks of what was sent to it, and of nothing else.
  const isOwed = sent.status.get() === Status.sent && sent.chain.get() === chain
  if (isOwed) {
    const id = idOf(call, original)
    if (!equalBytes(id, refundOf)) call.revert('WrongOriginal', { id, refundOf })
  }
  mustBeAttested(call, { chain, vault, id: noticeId }, proof)
  settle(call, notice, noticeId, Status.noticed)
  if (!isOwed) {
    call.emit('NoticeVoid', { id: noticeId, chain, refundOf })
    return
  }
  sent.status.set(Status.refunded)
  sent.changedAt.set(BigInt(call.block.time))
  const [token, sender, { amount }] = [addressIn(original.token), addressIn(original.sender), original]
  if (amount > 0n) payBack(call, sender, { chain, token, amount })
  call.emit('MessageRefunded', { id: asHash(refundOf), chain, sender, token, amount })
}
