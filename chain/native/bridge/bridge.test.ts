import { AbiCoder, TypedDataEncoder } from 'ethers'
import { beforeEach, expect, test } from 'vitest'
import { endOf, GOVERNANCE, said } from '../../../test/kit/bonded.ts'
import {
  type Bridge,
  type Certifying,
  COIN,
  CPU,
  CPU_THERE,
  certify,
  createBridge,
  HERE,
  inbound,
  NOVA_THERE,
  notice,
  OTHER,
  OTHER_VAULT,
  POL,
  section,
  sentIn,
  THERE,
  USDC,
  USDC_THERE,
  VAULT,
} from '../../../test/kit/bridge.ts'
import { type Answer, account } from '../../../test/kit/native.ts'
import { asHash, bigintToFixed, bytesToHex } from '../../base/bytes.ts'
import { SignType } from '../../types/vote.ts'
import { decodeValues, encodeValues } from '../kit/abi.ts'
import { leave } from './carry.ts'
import { PROOF } from './certificate.ts'
import { linkAfter, type Message, messageId, NO_WORD, padded } from './message.ts'

const NOVA = 10n ** 18n
const NOTHING = new Uint8Array(0)
const ALICE = 1
const BOB = account(0x2001)
const [TO] = [account(0x7001)]
const text = (words: string): Uint8Array => new TextEncoder().encode(words)

let bridge: Bridge
beforeEach(() => {
  bridge = createBridge()
})
const deliver = (message: Message, choice: Certifying = {}) =>
  bridge.send(8, 'bridge', 'deliver', message, certify(bridge, message, choice))
const refuse = (message: Message) => bridge.send(8, 'bridge', 'refuse', message, certify(bridge, message))
const refund = (original: Message, said: Message) =>
  bridge.send(8, 'bridge', 'refund', original, said, certify(bridge, said))
const sendNova = (wei: bigint, data: Uint8Array = NOTHING) =>
  bridge.pay(wei, ALICE, 'bridge', 'send', THERE, TO, COIN, wei, data)
const outstanding = async (token: Uint8Array, chain = THERE): Promise<bigint> =>
  (await bridge.read('bridge', 'routeOf', chain, token as never))[0].outstanding
const balance = (of: Uint8Array): bigint => bridge.world.state.load(of as never).balance
const statusOf = async (id: Uint8Array) => Number((await bridge.read('bridge', 'transfer', id))[0].status)
const one = <T>(values: readonly T[]): T => values[0] ?? expect.fail('there is one')

const idIn = ({ status, output }: Answer) => {
  if (status !== 'success') throw new Error(`it ended in ${status}`)
  return asHash(decodeValues([['id', 'bytes32']] as const, output)[0])
}

const TYPES = {
  Message: [
    ...[
      { name: 'sourceChain', type: 'uint64' },
      { name: 'targetChain', type: 'uint64' },
    ],
    ...[
      { name: 'sequence', type: 'uint64' },
      { name: 'deadline', type: 'uint64' },
    ],
    ...[
      { name: 'sender', type: 'bytes32' },
      { name: 'recipient', type: 'bytes' },
    ],
    ...[
      { name: 'token', type: 'bytes32' },
      { name: 'amount', type: 'uint256' },
    ],
    ...[
      { name: 'refundOf', type: 'bytes32' },
      { name: 'data', type: 'bytes' },
    ],
  ],
}
const hexed = (message: Message) =>
  Object.fromEntries(
    Object.entries(message).map(([name, value]) => [name, value instanceof Uint8Array ? bytesToHex(value) : value]),
  )

test('what is sent is locked, counted, in the hash chain, and named by its EIP-712 struct hash', async () => {
  const before = balance(account(ALICE))
  const first = await sendNova(5n * NOVA, text('hello'))
  const second = await bridge.send(ALICE, 'bridge', 'send', THERE, TO, CPU, 400n, NOTHING)
  const [message] = [...sentIn(first), ...sentIn(second)]
  expect(message).toEqual({
    ...{ sourceChain: HERE, targetChain: THERE, sequence: 1n },
    deadline: BigInt(bridge.world.block.time + 7 * 86_400),
    ...{ sender: padded(account(ALICE)), recipient: TO, token: NO_WORD, amount: 5n * NOVA },
    ...{ refundOf: NO_WORD, data: text('hello') },
  })
  const ids = [idIn(first), idIn(second)]
  expect(bytesToHex(one(ids))).toBe(TypedDataEncoder.hashStruct('Message', TYPES, hexed(message ?? expect.fail())))
  expect(await bridge.read('bridge', 'messageId', message ?? expect.fail())).toEqual([one(ids)])
  const links = [linkAfter(NO_WORD, one(ids)), linkAfter(linkAfter(NO_WORD, one(ids)), ids[1] ?? expect.fail())]
  expect([await bridge.read('bridge', 'link', THERE, 1n), await bridge.read('bridge', 'link', THERE, 2n)]).toEqual([
    ...links.map((link) => [link]),
  ])
  expect(await bridge.read('bridge', 'link', THERE, 3n)).toEqual([NO_WORD])
  expect([await outstanding(COIN), await outstanding(CPU)]).toEqual([5n * NOVA, 400n])
  expect([before - balance(account(ALICE)), balance(account(0x830))]).toEqual([5n * NOVA, 5n * NOVA])
  expect(await bridge.read('cpu', 'balanceOf', account(0x830))).toEqual([400n])
  expect(await bridge.read('bridge', 'transfer', one(ids))).toEqual([
    { status: 1n, chain: THERE, sequence: 1n, changedAt: BigInt(bridge.world.block.time) },
  ])
  expect(await bridge.read('bridge', 'chainOf', THERE)).toEqual([{ vault: VAULT, sent: 2n, settled: 0n }])
})

test('what comes in is paid once: wrapped tokens are minted, what was locked is given back', async () => {
  await sendNova(5n * NOVA)
  await bridge.send(ALICE, 'bridge', 'send', THERE, TO, CPU, 400n, NOTHING)
  const messages = [
    inbound(bridge, 1, { token: USDC_THERE, amount: 700n, data: text('invoice 7') }),
    inbound(bridge, 2, { token: NOVA_THERE, amount: 2n * NOVA }),
    inbound(bridge, 3, { token: CPU_THERE, amount: 150n }),
    inbound(bridge, 4, { token: NO_WORD, amount: 9_999n }),
    inbound(bridge, 5, { token: NO_WORD, amount: 0n, data: text('no money') }),
  ]
  for (const message of messages) {
    const answer = await deliver(message)
    expect(endOf(answer)).toBe('success')
    expect(await statusOf(messageId(message))).toBe(3)
    expect(endOf(await deliver(message))).toBe(`AlreadySettled ${THERE} ${message.sequence}`)
  }
  expect(await bridge.read('wrapped', 'balanceOf', BOB)).toEqual([700n])
  expect(await bridge.read('wrapped', 'totalSupply')).toEqual([700n])
  expect(balance(BOB)).toBe(2n * NOVA)
  expect(await bridge.read('cpu', 'balanceOf', BOB)).toEqual([150n])
  const left = [await outstanding(COIN), await outstanding(CPU), await outstanding(USDC), await outstanding(POL)]
  expect(left).toEqual([3n * NOVA, 250n, 700n, 9_999n])
  expect(await bridge.read('bridge', 'chainOf', THERE)).toEqual([{ vault: VAULT, sent: 2n, settled: 5n }])
})

test('a wrapped token is an ERC-20 with the name that it was given, and burns when it leaves', async () => {
  await deliver(inbound(bridge, 1, { amount: 700n, recipient: account(2) }))
  expect(await bridge.read('wrapped', 'balanceOf', account(2))).toEqual([0n]) // a module's address gets nothing
  await deliver(inbound(bridge, 1, { amount: 700n }))
  const label = [await bridge.read('wrapped', 'name'), await bridge.read('wrapped', 'symbol')]
  expect([...label, await bridge.read('wrapped', 'decimals')]).toEqual([['USD Coin'], ['USDC'], [6n]])
  expect(one(await bridge.read('bridge', 'tokenOf', THERE, USDC_THERE))).toEqual(USDC)
  expect(endOf(await bridge.send(ALICE, 'wrapped', 'mint', BOB, 1n))).toBe('NotMinter 1')
  const home = createBridge()
  bridge = home
  await deliver(inbound(bridge, 1, { amount: 700n, recipient: account(0x2001) }))
  const from = 0x2001
  await bridge.send(from, 'wrapped', 'transfer', account(0x2002), 300n)
  expect(endOf(await bridge.send(from, 'bridge', 'send', THERE, TO, USDC, 401n, NOTHING))).toBe(
    `InsufficientBalance ${0x831} 400 401`,
  )
  const answer = await bridge.send(from, 'bridge', 'send', THERE, TO, USDC, 400n, NOTHING)
  expect(said(answer.logs, 'Transfer')).toEqual([`Transfer ${from} 0 400`])
  expect([await outstanding(USDC), ...(await bridge.read('wrapped', 'totalSupply'))]).toEqual([300n, 300n])
})

// In order of precedence.
const outbound: readonly (readonly [string, number, bigint, readonly unknown[], string])[] = [
  ['a chain that is not connected', 1, 0n, [5n, NOTHING, USDC, 0n, NOTHING], 'UnknownChain 5'],
  ['a recipient of 19 bytes', 1, 0n, [THERE, TO.slice(1), USDC, 0n, NOTHING], 'BadRecipient'],
  ['nobody', 1, 0n, [THERE, COIN, USDC, 0n, NOTHING], 'BadRecipient'],
  ['more data than there may be', 1, 0n, [THERE, TO, USDC, 0n, new Uint8Array(4_097)], 'TooLong data 4097 4096'],
  ['a token without a route', 1, 0n, [THERE, TO, account(0x822), 1n, NOTHING], 'UnknownRoute'],
  ['a route of another chain', 1, 0n, [OTHER, TO, USDC, 1n, NOTHING], 'UnknownRoute'],
  ['less coin than it says', 1, 4n, [THERE, TO, COIN, 5n, NOTHING], 'WrongValue 4 5'],
  ['coin with a token', 1, 4n, [THERE, TO, CPU, 4n, NOTHING], 'WrongValue 4 0'],
  ['coin with data alone', 1, 4n, [THERE, TO, COIN, 0n, text('x')], 'WrongValue 4 0'],
  ['nothing', 1, 0n, [THERE, TO, COIN, 0n, NOTHING], 'Empty'],
  ['nothing of a token', 1, 0n, [THERE, TO, CPU, 0n, text('x')], 'Empty'],
  ['more than is outstanding', 1, 0n, [THERE, TO, USDC, 1n, NOTHING], 'NotBacked 80002 2097 1 0'],
  ['above the cap', 1, 0n, [THERE, TO, CPU, 501n, NOTHING], 'CapExceeded 80002 2081 0 500'],
  ['more than any cap', 1, 0n, [THERE, TO, CPU, 2n ** 256n - 1n, NOTHING], 'CapExceeded 80002 2081 0 500'],
  ['more than one has', 7, 0n, [THERE, TO, CPU, 1n, NOTHING], 'InsufficientBalance 2081 0 1'],
]
test.each(outbound)('refused when it is sent: %s', async (_, from, value, args, end) => {
  expect(
    endOf(
      await bridge.pay(
        value,
        from,
        'bridge',
        'send',
        ...(args as [bigint, Uint8Array, typeof COIN, bigint, Uint8Array]),
      ),
    ),
  ).toMatch(new RegExp(`^${end}( |$)`))
  expect(balance(account(0x830))).toBe(0n)
})

// In order of precedence: each has every fault that is named below it.
const late = { deadline: 1n }
const faults: readonly (readonly [string, Partial<Message>, string])[] = [
  ['to another chain', { targetChain: 2n, sourceChain: 5n }, 'WrongTarget 2'],
  ['from a chain that is not connected', { sourceChain: 5n, sequence: 0n }, 'UnknownChain 5'],
  ['sequence 0', { sequence: 0n, refundOf: padded(BOB), ...late }, 'AlreadySettled 80002 0'],
  ['a notice', { refundOf: padded(BOB), ...late }, 'WrongKind'],
  ['after its deadline', { ...late, recipient: NOTHING }, 'Expired'],
  ['no recipient', { recipient: NOTHING, token: padded(BOB) }, 'BadRecipient'],
  ['a recipient of 32 bytes', { recipient: padded(BOB), token: padded(BOB) }, 'BadRecipient'],
  ['a module', { recipient: account(0x801), token: padded(BOB) }, 'BadRecipient'],
  ['a token without a route', { token: padded(BOB), amount: 2n ** 256n - 1n }, 'UnknownRoute'],
  ['above the cap', { amount: 10_001n }, 'CapExceeded 80002 2097 0 10000'],
  ['above any cap', { amount: 2n ** 256n - 1n }, 'CapExceeded 80002 2097 0 10000'],
  ['above the limit', { amount: 1_001n }, 'LimitExceeded 80002 2097 1001 1000'],
  ['more than was sent there', { token: NOVA_THERE, amount: 1n }, 'NotBacked 80002 0 1 0'],
]
test.each(faults)('refused when it comes in: %s', async (_, fields, end) => {
  const message = inbound(bridge, 1, { amount: 1n, ...fields })
  const proof = new Uint8Array(3)
  expect(endOf(await bridge.send(8, 'bridge', 'deliver', message, proof))).toMatch(new RegExp(`^${end}( |$)`))
})

const certificates: readonly (readonly [string, Certifying, string])[] = [
  ['an epoch to come', { epoch: 1 }, 'EpochOutside 1'],
  ['an epoch that never was', { epoch: 2 ** 40 }, `EpochOutside ${2 ** 40}`],
  ['two of four', { signers: [1, 2] }, 'NoQuorum 2000000 4000000'],
  ['nobody', { signers: [1], bitmap: Uint8Array.of(0) }, 'NoQuorum 0 4000000'],
  ['a bitmap longer than the set', { bitmap: Uint8Array.of(15, 0) }, 'ProofMalformed'],
  ['a bit beyond the set', { bitmap: Uint8Array.of(31) }, 'ProofMalformed'],
  ['no bitmap', { bitmap: NOTHING }, 'ProofMalformed'],
  ['one who is named and did not sign', { signers: [1, 2, 3], bitmap: Uint8Array.of(15) }, 'BadSignature'],
  ['one who signed and is not named', { signers: [1, 2, 3, 4], bitmap: Uint8Array.of(7) }, 'BadSignature'],
  ['one who signed twice', { signers: [1, 1, 2], bitmap: Uint8Array.of(7) }, 'BadSignature'],
  ['a signature of consensus', { type: SignType.commit }, 'BadSignature'],
  ['another network', { domain: { chainId: 2n, genesisHash: NO_WORD } }, 'BadSignature'],
  ['another vault', { vault: OTHER_VAULT }, 'BadSignature'],
  ['another chain', { chain: OTHER }, 'BadSignature'],
]
test.each(certificates)('a certificate of %s proves nothing', async (_, choice, end) => {
  const message = inbound(bridge, 1, { amount: 1n })
  expect(endOf(await deliver(message, choice))).toMatch(new RegExp(`^${end}( |$)`))
  expect(endOf(await deliver(message, { signers: [1, 2, 4] }))).toBe('success')
})

test('exactly two thirds are not enough', async () => {
  bridge = createBridge({ stakes: [1_000n, 1_000n, 1_000n] })
  const message = inbound(bridge, 1, { amount: 1n })
  expect(endOf(await deliver(message, { signers: [1, 2] }))).toBe('NoQuorum 2000 3000')
  expect(endOf(await deliver(message))).toBe('success')
})

const malformed: readonly (readonly [string, Uint8Array])[] = [
  ['nothing', NOTHING],
  ['a truncated proof', encodeValues(PROOF, [0n, Uint8Array.of(15), new Uint8Array(96)]).slice(0, -64)],
  ['a signature of 95 bytes', encodeValues(PROOF, [0n, Uint8Array.of(15), new Uint8Array(95)])],
  [
    'a length of 2^32 - 1',
    encodeValues([...PROOF.slice(0, 2), ['n', 'uint256']] as never, [0n, NOTHING, 2n ** 32n - 1n] as never),
  ],
]
test.each(malformed)('%s is no proof', async (_, proof) => {
  const end = endOf(await bridge.send(8, 'bridge', 'deliver', inbound(bridge, 1, { amount: 1n }), proof))
  expect(end).toMatch(/^ProofMalformed/)
})

test('a certificate of an epoch counts as long as its members can be slashed', async () => {
  bridge = createBridge({ epochBlocks: 3, values: { 'staking.unbondingTime': 60n } })
  while (bridge.epoch() < 2) bridge.seal()
  const message = inbound(bridge, 1, { amount: 1n, deadline: 2n ** 64n - 1n })
  const proof = certify(bridge, message, { epoch: 0 })
  const start = 1_000_000 // the first block
  bridge.world.go({ time: start + 61 })
  expect(endOf(await bridge.send(8, 'bridge', 'deliver', message, proof))).toBe('EpochOutside 0')
  bridge.world.go({ time: start + 60 })
  expect(endOf(await bridge.send(8, 'bridge', 'deliver', message, proof))).toBe('success')
  // The set that is running answers for itself, however long ago it was elected.
  bridge.world.go({ time: start + 10 ** 6 })
  expect(endOf(await deliver(inbound(bridge, 2, { amount: 1n })))).toBe('success')
})

test('they come in any order, however far apart, each once', async () => {
  const bring = async (sequence: bigint | number) =>
    endOf(await deliver(inbound(bridge, 1, { sequence: BigInt(sequence) })))
  const all = [2n ** 64n - 1n, 5_000_000, 3, 257, 256, 255, 1, 2n ** 63n]
  for (const sequence of all) expect(await bring(sequence)).toBe('success')
  for (const sequence of all) {
    expect(await bring(sequence)).toBe(`AlreadySettled 80002 ${sequence}`)
    expect(await bridge.read('bridge', 'isSettled', THERE, BigInt(sequence))).toEqual([true])
  }
  for (const sequence of [2, 254, 258, 4_999_999, 2 ** 40])
    expect(await bridge.read('bridge', 'isSettled', THERE, BigInt(sequence))).toEqual([false])
  expect((await bridge.read('bridge', 'chainOf', THERE))[0].settled).toBe(BigInt(all.length))
  // Of each chain its own.
  expect(endOf(await deliver(inbound(bridge, 1, { sourceChain: OTHER, token: NO_WORD, data: text('x') })))).toBe(
    'success',
  )
})

test('what cannot be settled of one token holds up no other, and makes none dearer', async () => {
  const used = async (sequence: number, token: Uint8Array) => {
    const answer = await deliver(inbound(bridge, sequence, { token, amount: 1n }))
    expect(endOf(answer)).toBe('success')
    return answer.gasUsed
  }
  const set = (open: boolean) =>
    bridge.send(GOVERNANCE, 'bridge', 'setRoute', THERE, USDC, USDC_THERE, 10_000n, 1_000n, open)
  await used(1, USDC_THERE)
  await used(2, NO_WORD)
  const usual = await used(3, NO_WORD)
  await set(false)
  // 4 to 4,003 are of the closed route: nobody can bring one.
  expect(endOf(await deliver(inbound(bridge, 4, { amount: 1n })))).toBe(`RouteClosed 80002 ${0x831}`)
  await used(4_004, NO_WORD)
  const [beyond, later] = [await used(4_005, NO_WORD), await used(4_006, NO_WORD)]
  expect([beyond, later]).toEqual([usual, usual])
  await set(true)
  // The last that was missing between others is as cheap as any.
  for (const sequence of [4, 6, 7, 8]) await used(sequence, USDC_THERE)
  expect(await used(5, NO_WORD)).toBe(usual)
})

test('in another network the numbers begin anew, and nothing of the last one is settled there', async () => {
  const bring = async (sequence: bigint) => endOf(await deliver(inbound(bridge, 1, { sequence, token: NO_WORD })))
  const numbers = [1n, 2n, 700n, 2n ** 64n - 1n]
  for (const sequence of numbers) expect(await bring(sequence)).toBe('success')
  bridge.world.state.begin()
  leave(bridge.bridge())
  bridge.world.state.end()
  expect(endOf(await bridge.send(GOVERNANCE, 'bridge', 'setChain', THERE, VAULT))).toBe('success')
  await bridge.send(GOVERNANCE, 'bridge', 'setRoute', THERE, POL, NO_WORD, 10_000n, 10_000n, true)
  for (const sequence of numbers) {
    expect(await bridge.read('bridge', 'isSettled', THERE, sequence)).toEqual([false])
    expect([await bring(sequence), await bring(sequence)]).toEqual(['success', `AlreadySettled 80002 ${sequence}`])
  }
})

test('two messages under one sequence: whatever the vault says, one of them is all there is', async () => {
  expect(endOf(await deliver(inbound(bridge, 1, { amount: 5n })))).toBe('success')
  expect(endOf(await deliver(inbound(bridge, 1, { amount: 6n })))).toBe('AlreadySettled 80002 1')
})

test('the limit is used up and comes back evenly over the window', async () => {
  const bring = async (sequence: number, amount: bigint) =>
    endOf(await deliver(inbound(bridge, sequence, { amount, deadline: 2n ** 63n })))
  const available = async () => (await bridge.read('bridge', 'routeOf', THERE, USDC))[0].available
  const later = (seconds: number) => bridge.world.go({ time: bridge.world.block.time + seconds })
  expect([await bring(1, 600n), await bring(2, 401n)]).toEqual(['success', 'LimitExceeded 80002 2097 401 400'])
  later(8_640) // a tenth of a day: a hundred
  expect(await available()).toBe(500n)
  expect([await bring(2, 500n), await bring(3, 1n)]).toEqual(['success', 'LimitExceeded 80002 2097 1 0'])
  later(86)
  expect(await available()).toBe(0n)
  later(1)
  expect(await available()).toBe(1n)
  later(10 ** 9)
  expect([await available(), await bring(3, 1_000n)]).toEqual([1_000n, 'success'])
  // A limit that is lowered does not forget what came in; none at all lets nothing in.
  const set = (limit: bigint) =>
    bridge.send(GOVERNANCE, 'bridge', 'setRoute', THERE, USDC, USDC_THERE, 10_000n, limit, true)
  await set(200n)
  expect(await available()).toBe(0n)
  await set(0n)
  expect(await bring(4, 1n)).toBe('LimitExceeded 80002 2097 1 0')
})

test('after its deadline a message is refused, once, and its notice goes back', async () => {
  const message = inbound(bridge, 1, { amount: 5n })
  const id = messageId(message)
  bridge.world.go({ time: Number(message.deadline) })
  expect(endOf(await refuse(message))).toBe(`NotExpired ${bytesToHex(id)} ${message.deadline}`)
  bridge.world.go({ time: Number(message.deadline) + 1 })
  expect(endOf(await deliver(message))).toBe(`Expired ${bytesToHex(id)} ${message.deadline}`)
  expect(endOf(await bridge.send(8, 'bridge', 'refuse', message, certify(bridge, message, { signers: [1] })))).toBe(
    'NoQuorum 1000000 4000000',
  )
  const answer = await refuse(message)
  const sent = one(sentIn(answer))
  expect(sent).toEqual({
    ...{ sourceChain: HERE, targetChain: THERE, sequence: 1n, deadline: 0n, sender: NO_WORD, recipient: NOTHING },
    ...{ token: NO_WORD, amount: 0n, refundOf: id, data: NOTHING },
  })
  expect([idIn(answer), await statusOf(id)]).toEqual([messageId(sent), 4])
  expect(await bridge.read('bridge', 'link', THERE, 1n)).toEqual([linkAfter(NO_WORD, messageId(sent))])
  for (const again of [await refuse(message), await deliver(message)])
    expect(endOf(again)).toBe('AlreadySettled 80002 1')
  expect(await bridge.read('wrapped', 'totalSupply')).toEqual([0n])
})

test('a notice from there pays back what was sent, once, to who sent it', async () => {
  const before = balance(account(ALICE))
  const sent = one(sentIn(await sendNova(5n * NOVA)))
  const id = messageId(sent)
  const other = one(sentIn(await sendNova(7n * NOVA)))
  expect(endOf(await refund(other, notice(bridge, 1, id)))).toBe(
    `WrongOriginal ${bytesToHex(messageId(other))} ${bytesToHex(id)}`,
  )
  expect(endOf(await refund(sent, notice(bridge, 1, id, { refundOf: NO_WORD })))).toMatch(/^WrongKind/)
  const unsigned = notice(bridge, 1, id)
  expect(
    endOf(await bridge.send(8, 'bridge', 'refund', sent, unsigned, certify(bridge, unsigned, { signers: [1] }))),
  ).toBe('NoQuorum 1000000 4000000')
  const answer = await refund(sent, notice(bridge, 1, id))
  expect(said(answer.logs)).toEqual([`MessageRefunded ${bytesToHex(id)} ${THERE} ${ALICE} 0 ${5n * NOVA}`])
  expect([before - balance(account(ALICE)), await outstanding(COIN), await statusOf(id)]).toEqual([
    7n * NOVA,
    7n * NOVA,
    2,
  ])
  expect(endOf(await refund(sent, notice(bridge, 1, id)))).toBe('AlreadySettled 80002 1')
  // A second notice of the same, one of nothing, and one from a chain it was not sent to: settled, so that they hold nothing up, and void.
  const voids = [notice(bridge, 2, id), notice(bridge, 3, padded(BOB))]
  const elsewhere = notice(bridge, 1, messageId(other), { sourceChain: OTHER })
  for (const each of [...voids, elsewhere])
    expect(said((await refund(sent, each)).logs)).toEqual([
      `NoticeVoid ${bytesToHex(messageId(each))} ${each.sourceChain} ${bytesToHex(each.refundOf)}`,
    ])
  expect(before - balance(account(ALICE))).toBe(7n * NOVA)
  expect((await bridge.read('bridge', 'chainOf', THERE))[0].settled).toBe(3n)
})

test('a burnt token is minted again; no cap, no limit, no closed route and no pause holds a refund up', async () => {
  bridge = createBridge()
  await deliver(inbound(bridge, 1, { amount: 900n }))
  const sent = one(sentIn(await bridge.send(0x2001, 'bridge', 'send', THERE, TO, USDC, 900n, NOTHING)))
  await bridge.send(GOVERNANCE, 'bridge', 'setRoute', THERE, USDC, USDC_THERE, 0n, 0n, false)
  await bridge.send(GOVERNANCE, 'params', 'pause', 'bridge', 3_600n, '')
  expect(endOf(await bridge.send(0x2001, 'bridge', 'send', THERE, TO, USDC, 1n, NOTHING))).toMatch(/^bridge is paused/)
  expect(endOf(await deliver(inbound(bridge, 2, { amount: 1n })))).toMatch(/^bridge is paused/)
  expect(endOf(await refuse(inbound(bridge, 2, { deadline: 0n })))).toMatch(/^bridge is paused/)
  expect(endOf(await refund(sent, notice(bridge, 2, messageId(sent))))).toBe('success')
  expect(await bridge.read('wrapped', 'balanceOf', BOB)).toEqual([900n])
  bridge.world.go({ time: bridge.world.block.time + 3_600 })
  expect(endOf(await deliver(inbound(bridge, 3, { amount: 1n })))).toBe(`RouteClosed 80002 ${0x831}`)
  expect(endOf(await bridge.send(0x2001, 'bridge', 'send', THERE, TO, USDC, 1n, NOTHING))).toBe(
    `RouteClosed 80002 ${0x831}`,
  )
})

test('a chain that takes back what it already delivered gets nothing more: it is refused, and nothing breaks', async () => {
  const sent = one(sentIn(await sendNova(5n * NOVA)))
  await deliver(inbound(bridge, 1, { token: NOVA_THERE, amount: 4n * NOVA }))
  expect(endOf(await refund(sent, notice(bridge, 2, messageId(sent))))).toBe(`NotBacked 80002 0 ${5n * NOVA} ${NOVA}`)
  // Nor does what is locked for another chain count.
  await bridge.pay(9n * NOVA, ALICE, 'bridge', 'send', OTHER, TO, COIN, 9n * NOVA, NOTHING)
  expect(endOf(await deliver(inbound(bridge, 2, { token: NOVA_THERE, amount: 2n * NOVA })))).toBe(
    `NotBacked 80002 0 ${2n * NOVA} ${NOVA}`,
  )
})

const governed: readonly (readonly [string, 'setChain' | 'setRoute' | 'createWrapped', readonly unknown[], string])[] =
  [
    ['no vault', 'setChain', [7n, COIN], 'UnknownChain 7'],
    ['chain 0', 'setChain', [0n, VAULT], 'UnknownChain 0'],
    ['this chain', 'setChain', [HERE, VAULT], 'UnknownChain 1'],
    ['a route to nowhere', 'setRoute', [7n, COIN, NO_WORD, 1n, 1n, true], 'UnknownChain 7'],
    ['some contract as a token', 'setRoute', [THERE, account(0x9999), NO_WORD, 1n, 1n, true], `BadToken ${0x9999}`],
    ['the wrapped token of another chain', 'setRoute', [OTHER, USDC, NO_WORD, 1n, 1n, true], `BadToken ${0x831}`],
    ['a wrapped token not taken yet', 'setRoute', [THERE, account(0x833), NO_WORD, 1n, 1n, true], `BadToken ${0x833}`],
    ['another remote of a wrapped token', 'setRoute', [THERE, USDC, padded(BOB), 1n, 1n, true], 'RemoteFixed'],
    ['the remote of another route', 'setRoute', [THERE, account(0x822), USDC_THERE, 1n, 1n, true], 'RemoteFixed'],
    ['a second wrapped form', 'createWrapped', [THERE, USDC_THERE, 'USDC', 'USDC', 6n], 'RemoteFixed'],
    ['a wrapped form of a token from here', 'createWrapped', [THERE, NOVA_THERE, 'NOVA', 'NOVA', 18n], 'RemoteFixed'],
    ['a token without a name', 'createWrapped', [THERE, padded(BOB), '', 'X', 6n], 'TooLong name 0 64'],
    ['a name of 65 bytes', 'createWrapped', [THERE, padded(BOB), 'x'.repeat(65), 'X', 6n], 'TooLong name 65 64'],
    ['a symbol of 17 bytes', 'createWrapped', [THERE, padded(BOB), 'X', 'x'.repeat(17), 6n], 'TooLong symbol 17 16'],
  ]
test.each(governed)('governance cannot set %s', async (_, name, args, end) => {
  expect(endOf(await bridge.send(GOVERNANCE, 'bridge', name, ...(args as never)))).toMatch(new RegExp(`^${end}( |$)`))
  expect(endOf(await bridge.send(ALICE, 'bridge', name, ...(args as never)))).toBe('NotGovernance 1')
})

test('what governance connects, it may correct until something depends on it', async () => {
  const govern = (name: 'setChain' | 'setRoute', ...args: readonly unknown[]) =>
    bridge.send(GOVERNANCE, 'bridge', name, ...(args as never)).then(endOf)
  expect(await govern('setChain', THERE, OTHER_VAULT)).toBe('success')
  expect(await govern('setChain', THERE, VAULT)).toBe('success')
  expect(await bridge.read('bridge', 'chains')).toEqual([[THERE, OTHER]])
  expect(await govern('setRoute', THERE, COIN, padded(BOB), NOVA, NOVA, true)).toBe('success')
  expect(await bridge.read('bridge', 'tokenOf', THERE, NOVA_THERE)).toEqual([COIN, false])
  await sendNova(1n)
  expect(await govern('setRoute', THERE, COIN, NOVA_THERE, NOVA, NOVA, true)).toMatch(/^RemoteFixed/)
  expect(await govern('setRoute', THERE, COIN, padded(BOB), 0n, NOVA, true)).toBe('success')
  expect(endOf(await sendNova(1n))).toBe('CapExceeded 80002 0 1 0')
  expect(await govern('setChain', THERE, OTHER_VAULT)).toMatch(/^VaultFixed/)
  // What came in counts as well, the first or not.
  await deliver(inbound(bridge, 1_000, { sourceChain: OTHER, token: NO_WORD, data: text('x') }))
  expect(await govern('setChain', OTHER, VAULT)).toMatch(/^VaultFixed/)
})

test('there are fifteen wrapped tokens', async () => {
  const create = (n: number) =>
    bridge.send(GOVERNANCE, 'bridge', 'createWrapped', OTHER, bigintToFixed(BigInt(n), 32), `T${n}`, `T${n}`, 0n)
  for (let n = 2; n < 15; n++) expect(endOf(await create(n))).toBe('success')
  expect(endOf(await create(15))).toBe('NoWrappedLeft 15')
  const [route] = await bridge.read('bridge', 'routeOf', OTHER, account(0x83f))
  expect(route).toEqual({
    ...{ remote: bigintToFixed(14n, 32), known: true, open: false, wrapped: true },
    ...{ cap: 0n, limit: 0n, available: 0n, outstanding: 0n },
  })
})

const chain = section.chains[0]
const bad: readonly (readonly [string, unknown, RegExp])[] = [
  [
    'a chain twice',
    { chains: [chain, { ...chain, routes: [], wrapped: [] }] },
    /chains\.1: chain 80002 is there twice/,
  ],
  ['a vault that is no address', { chains: [{ ...chain, vault: '0x01' }] }, /chains\.0\.vault/],
  [
    'a cap above 2^128 - 1',
    { chains: [{ ...chain, wrapped: [], routes: [{ ...chain.routes[0], cap: `${2n ** 128n}` }] }] },
    /chains\.0\.routes\.0\.cap/,
  ],
  [
    'a token of no book',
    { chains: [{ ...chain, routes: [{ ...chain.routes[0], token: `0x${'9'.repeat(40)}` }] }] },
    /chains\.0\.routes\.0: BadToken/,
  ],
  [
    'a remote twice',
    { chains: [{ ...chain, wrapped: [chain.wrapped[0], chain.wrapped[0]] }] },
    /chains\.0\.wrapped\.1: RemoteFixed/,
  ],
  ['an unknown word', { chain: [] }, /bridge/],
]
test.each(bad)('a genesis is refused with %s', (_, given, reason) => {
  expect(() => createBridge({ sections: { bridge: given } })).toThrow(reason)
})

test('a message costs what its slots cost', async () => {
  const used = async (answer: Promise<{ readonly gasUsed: bigint }>) => Number((await answer).gasUsed)
  await sendNova(1n)
  const sending = await used(sendNova(1n))
  await deliver(inbound(bridge, 1, { amount: 1n }))
  const delivering = await used(deliver(inbound(bridge, 2, { amount: 1n })))
  expect(sending).toBeGreaterThan(60_000)
  expect(sending).toBeLessThan(100_000)
  expect(delivering).toBeGreaterThan(120_000)
  expect(delivering).toBeLessThan(220_000)
})

test('an id is what abi.encode makes of the fields', () => {
  const message = inbound(bridge, 7, { amount: 5n, data: text('x') })
  const coder = AbiCoder.defaultAbiCoder()
  expect(TypedDataEncoder.hashStruct('Message', TYPES, hexed(message))).toBe(bytesToHex(messageId(message)))
  expect(coder.encode(['bytes32', 'bytes32'], [NO_WORD, messageId(message)])).toHaveLength(130)
})
