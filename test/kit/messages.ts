// A vault on another chain as nodes see it: its messages to the chain 1, or another.
import { type Message, NO_WORD, padded } from '../../chain/native/bridge/message.ts'
import { HERE, THERE, USDC_THERE } from './bridge.ts'
import { account } from './native.ts'

/** The next thing that it sends: its sequence in USDC, to account 0x2001. */
export const messageFrom = (sequence: number, over: Partial<Message> = {}): Message => ({
  ...{ sourceChain: THERE, targetChain: HERE, sequence: BigInt(sequence), deadline: 4_000_000_000n },
  ...{ sender: padded(account(0x5e4d)), recipient: account(0x2001), token: USDC_THERE, amount: BigInt(sequence) },
  ...{ refundOf: NO_WORD, data: new Uint8Array(0), ...over },
})
