// A world with a bridge to one chain, whose vault the test plays: messages from there, and certificates of as many validators as it wants. The chain here is 1.
import { asAddress, bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { curves } from '../../chain/base/crypto.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { PROOF } from '../../chain/native/bridge/certificate.ts'
import { type Message, messageId, NO_WORD, padded } from '../../chain/native/bridge/message.ts'
import { decodeEvent, encodeValues } from '../../chain/native/kit/abi.ts'
import type { Log } from '../../chain/types/receipt.ts'
import { attestPayload, bitmapOf, type Domain, SignType, signBytes } from '../../chain/types/vote.ts'
import { createBonded, secretOf } from './bonded.ts'
import { account } from './native.ts'

export const [HERE, THERE, OTHER] = [1n, 80_002n, 43_113n]
export const [VAULT, OTHER_VAULT] = [account(0xbeef01), account(0xbeef02)]
/** The coin, CPU, the wrapped form of USDC and that of the coin there. */
export const [COIN, CPU, USDC, POL] = [account(0), account(0x821), account(0x831), account(0x832)]
export const [NOVA_THERE, CPU_THERE, USDC_THERE] = [
  ...[padded(account(0xaa01)), padded(account(0xaa02)), padded(account(0xaa03))],
] as [Uint8Array, Uint8Array, Uint8Array]
const NOVA = 10n ** 18n
const hexAt = (n: number): Hex => bytesToHex(account(n))

const bounds = (cap: bigint, limit: bigint) => ({ cap: `${cap}`, limit: `${limit}`, open: true })
export const section = {
  chains: [
    {
      ...{ chain: `${THERE}`, vault: bytesToHex(VAULT) },
      routes: [
        { token: hexAt(0), remote: hexAt(0xaa01), ...bounds(1_000n * NOVA, 100n * NOVA) },
        { token: hexAt(0x821), remote: hexAt(0xaa02), ...bounds(500n, 500n) },
      ],
      wrapped: [
        { remote: hexAt(0xaa03), name: 'USD Coin', symbol: 'USDC', decimals: 6, ...bounds(10_000n, 1_000n) },
        { remote: hexAt(0), name: 'Polygon', symbol: 'POL', decimals: 18, ...bounds(10_000n, 10_000n) },
      ],
    },
    {
      ...{ chain: `${OTHER}`, vault: bytesToHex(OTHER_VAULT) },
      routes: [{ token: hexAt(0), remote: hexAt(0xaa01), ...bounds(1_000n * NOVA, 100n * NOVA) }],
    },
  ],
} as const

/** Four validators of a million each; accounts 1 to 3 have a thousand CPU. */
export const createBridge = (choice: Parameters<typeof createBonded>[0] = {}) =>
  createBonded({
    ...choice,
    sections: {
      bridge: section,
      cpu: { balances: { [hexAt(1)]: '1000', [hexAt(2)]: '1000', [hexAt(3)]: '1000' } },
      ...choice.sections,
    },
  })
export type Bridge = ReturnType<typeof createBridge>

/** Of the vault there, to account 0x2001 here, with an hour to go. */
export const inbound = (bridge: Bridge, sequence: number, fields: Partial<Message> = {}): Message => ({
  ...{ sourceChain: THERE, targetChain: HERE, sequence: BigInt(sequence) },
  deadline: BigInt(bridge.world.block.time + 3_600),
  ...{ sender: padded(account(0x5e4d)), recipient: account(0x2001) },
  ...{ token: USDC_THERE, amount: 0n, refundOf: NO_WORD, data: new Uint8Array(0) },
  ...fields,
})
/** The vault says that it refused a message. */
export const notice = (
  bridge: Bridge,
  sequence: number,
  refundOf: Uint8Array,
  fields: Partial<Message> = {},
): Message =>
  inbound(bridge, sequence, {
    ...{ deadline: 0n, sender: NO_WORD, recipient: new Uint8Array(0), token: NO_WORD },
    ...{ refundOf, ...fields },
  })

export interface Certifying {
  /** Operators; all of the epoch where they are not given. */
  readonly signers?: readonly number[]
  readonly epoch?: number
  readonly type?: SignType
  readonly domain?: Domain
  readonly vault?: Uint8Array
  readonly chain?: bigint
  readonly bitmap?: Uint8Array
}
export const certify = (bridge: Bridge, message: Message, choice: Certifying = {}): Uint8Array => {
  const { block } = bridge.world
  const members = bridge.membersAt(block.number)
  const signers = choice.signers ?? members
  const vault = choice.vault ?? (message.sourceChain === OTHER ? OTHER_VAULT : VAULT)
  const said = attestPayload(choice.chain ?? message.sourceChain, asAddress(vault), messageId(message))
  const digest = signBytes(choice.domain ?? block.domain, choice.type ?? SignType.attest, said)
  const signature = curves().blsAggregate(signers.map((operator) => curves().blsSign(secretOf(operator), digest)))
  const bitmap = bitmapOf(
    signers.map((operator) => members.indexOf(operator)),
    members.length,
  )
  return encodeValues(PROOF, [BigInt(choice.epoch ?? bridge.epoch()), choice.bitmap ?? bitmap, signature])
}

/** What a call sent, by its events. */
export const sentIn = ({ logs }: { readonly logs: readonly Log[] }): Message[] =>
  logs
    .filter(({ topics }) => bytesToHex(topics[0] as Uint8Array) === abi.events.MessageSent.topic)
    .map((log) => decodeEvent(abi.events.MessageSent, log).message)
