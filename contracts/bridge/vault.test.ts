// The vault in our own EVM, behind its proxy, with real settlement, tries and proofs. NovaChain's end is its outbox alone.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Address, bytesToHex } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { assert } from '../../chain/base/errors.ts'
import { createDice } from '../../test/kit/dice.ts'
import {
  type Artifact,
  account,
  type Contract,
  type Evm,
  L1_CHAIN,
  type Options,
  SENDER,
  type Sent,
} from '../../test/kit/evm.ts'
import { OWNER } from '../../test/kit/settlement.ts'
import {
  GUARDIAN,
  idOf,
  LIFETIME,
  linkAfter,
  type Message,
  NOVA,
  type Nova,
  openNova,
  type Proof,
  tupleOf,
  WINDOW,
  wordOf,
} from '../../test/kit/vault.ts'
import { compile } from '../build.ts'
import { WrappedToken } from './WrappedToken.artifact.ts'

installCurves(nativeCurves)

const COIN = `0x${'00'.repeat(20)}`
const ZERO = `0x${'00'.repeat(32)}`
const [ALICE, BOB] = [bytesToHex(SENDER), bytesToHex(account(2))]
const REMOTE = wordOf(bytesToHex(account(6)))
const nameOf = ({ error }: Sent): string | null => error?.replace(/\(.*/s, '') ?? null
const asOwner: Options = { from: OWNER }

const odd = ((): Readonly<Record<'token' | 'recipient', Artifact>> => {
  const path = 'contracts/test/Odd.sol'
  const made = compile(path, readFileSync(path, 'utf8'))
  const token = [
    ...['mint(address to, uint256 amount)', 'approve(address spender, uint256 amount)', 'setMode(uint8 next)'],
    ...['rebase(uint256 next)', 'setCall(address target, bytes call_)', 'transfer(address to, uint256 amount)'],
    ...['balanceOf(address account) view returns (uint256)', 'called() view returns (bool)'],
  ]
  const recipient = [
    ...['setRefuses(bool next)', 'setCall(address target, bytes call_)', 'act(address target, bytes call_) payable'],
    'called() view returns (bool)',
  ]
  const artifact = (name: string, lines: readonly string[]) => ({
    ...{ abi: lines.map((line) => `function ${line}`), bytecode: `0x${made[name]?.bytecode}` },
  })
  return { token: artifact('OddToken', token), recipient: artifact('OddRecipient', recipient) }
})()
const MODES = { usual: 0, fee: 1, surcharge: 2, silent: 3, false: 4, lazy: 5, reverting: 6, calling: 7 } as const

const setRoute = (
  vault: Contract,
  token: string,
  over: { remote?: string; cap?: bigint; limit?: bigint; open?: boolean } = {},
) => {
  const { remote = REMOTE, cap = 10n ** 24n, limit = 10n ** 24n, open = true } = over
  return vault.send('setRoute', [token, remote, cap, limit, open], asOwner)
}
const send = (
  vault: Contract,
  token: string,
  amount: bigint,
  options: Options & { recipient?: string; data?: string } = {},
) => {
  const { recipient = BOB, data = '0x', ...rest } = options
  return vault.send('send', [NOVA, recipient, token, amount, data], { value: token === COIN ? amount : 0n, ...rest })
}
const deliver = async (nova: Nova, message: Message, over: { proof?: Proof; gas?: bigint } = {}) =>
  nova.vault.send(
    'deliver',
    [tupleOf(message), over.proof ?? (await nova.prove(message))],
    over.gas ? { gas: over.gas } : {},
  )
const refuse = async (nova: Nova, message: Message) =>
  nova.vault.send('refuse', [tupleOf(message), await nova.prove(message)])
const refund = async (nova: Nova, original: Message, notice: Message) =>
  nova.vault.send('refund', [tupleOf(original), tupleOf(notice), await nova.prove(notice)])
const routeOf = async (vault: Contract, token: string) => {
  const [remote, known, open, wrapped, cap, limit, available, outstanding] = (await vault.read('routeOf', token)) as [
    ...[string, boolean, boolean, boolean, bigint, bigint, bigint, bigint],
  ]
  return { remote, known, open, wrapped, cap, limit, available, outstanding }
}
const statusOf = async (vault: Contract, id: string): Promise<bigint> =>
  ((await vault.read('transfer', id)) as readonly [bigint])[0]
/** The message that a send made, out of its log. */
const sentBy = (done: Sent): Message => {
  const log = done.logs.find(({ name }) => name === 'MessageSent')
  expect(done.error).toBe(null)
  const message = log?.args.message as { toObject(): Message } | undefined
  assert(message !== undefined, 'a message was sent')
  return message.toObject()
}
async function withToken(
  mode: keyof typeof MODES = 'usual',
): Promise<{ nova: Nova; token: Contract; vault: Contract; evm: Evm }> {
  const nova = await openNova()
  const token = await nova.evm.deploy(odd.token)
  await token.must('mint', [ALICE, 10n ** 20n])
  await token.must('approve', [nova.vault.hex, 10n ** 24n])
  await token.must('setMode', [MODES[mode]])
  expect((await setRoute(nova.vault, token.hex)).error).toBe(null)
  return { nova, token, vault: nova.vault, evm: nova.evm }
}
const balanceOf = async (token: Contract, of: string): Promise<bigint> => (await token.read('balanceOf', of)) as bigint

describe('sending', () => {
  test('a message has the id and the link that IBridge defines, and says so', async () => {
    const { vault, token, evm } = await withToken()
    const first = await send(vault, token.hex, 1_000n, { data: '0x1234' })
    const message = sentBy(first)
    expect(message).toEqual({
      ...{ sourceChain: L1_CHAIN, targetChain: NOVA, sequence: 1n, deadline: BigInt(evm.now + LIFETIME) },
      ...{
        sender: wordOf(ALICE),
        recipient: BOB,
        token: wordOf(token.hex),
        amount: 1_000n,
        refundOf: ZERO,
        data: '0x1234',
      },
    })
    expect(first.result).toBe(idOf(message))
    expect(await vault.read('messageId', tupleOf(message))).toBe(idOf(message))
    const second = sentBy(await send(vault, token.hex, 5n))
    const [one, two] = [linkAfter(ZERO, idOf(message)), linkAfter(linkAfter(ZERO, idOf(message)), idOf(second))]
    expect([await vault.read('link', NOVA, 1), await vault.read('link', NOVA, 2)]).toEqual([one, two])
    expect(await vault.read('sent')).toBe(2n)
    expect(await statusOf(vault, idOf(message))).toBe(1n)
    expect((await routeOf(vault, token.hex)).outstanding).toBe(1_005n)
    expect(await balanceOf(token, vault.hex)).toBe(1_005n)
  })
  test('the coin comes with the call, to the wei, and nothing else does', async () => {
    const { vault, evm, token } = await withToken()
    expect((await setRoute(vault, COIN, { remote: ZERO })).error).toBe(null)
    expect((await send(vault, COIN, 7n)).error).toBe(null)
    expect(evm.balance(vault.address)).toBe(7n)
    for (const value of [0n, 6n, 8n]) expect(nameOf(await send(vault, COIN, 7n, { value }))).toBe('WrongValue')
    expect(nameOf(await send(vault, token.hex, 7n, { value: 1n }))).toBe('WrongValue')
    expect(nameOf(await send(vault, COIN, 0n, { value: 1n, data: '0x01' }))).toBe('WrongValue')
    expect((await evm.call(vault.address, new Uint8Array(0), { value: 1n })).error).not.toBe(null)
  })
  test('what cannot be sent is refused', async () => {
    const { vault, token } = await withToken()
    const args = [BOB, token.hex, 1n, '0x'] as const
    expect(nameOf(await vault.send('send', [1n, ...args]))).toBe('WrongChain')
    for (const recipient of ['0x', BOB.slice(0, 40), `${BOB}00`, COIN, `0x${'00'.repeat(18)}0801`])
      expect(nameOf(await send(vault, token.hex, 1n, { recipient }))).toBe('BadRecipient')
    expect(nameOf(await send(vault, token.hex, 1n, { data: `0x${'11'.repeat(4_097)}` }))).toBe('TooLong')
    expect(nameOf(await send(vault, COIN, 0n))).toBe('NothingToSend')
    expect(nameOf(await send(vault, bytesToHex(account(5)), 1n))).toBe('UnknownRoute')
    expect((await send(vault, COIN, 0n, { data: `0x${'11'.repeat(4_096)}` })).error).toBe(null)
    await setRoute(vault, token.hex, { open: false })
    expect(nameOf(await send(vault, token.hex, 1n))).toBe('RouteClosed')
  })
  test('no more than the cap is ever outstanding', async () => {
    const { vault, token } = await withToken()
    await setRoute(vault, token.hex, { cap: 100n })
    expect(nameOf(await send(vault, token.hex, 101n))).toBe('CapExceeded')
    expect((await send(vault, token.hex, 60n)).error).toBe(null)
    expect(nameOf(await send(vault, token.hex, 41n))).toBe('CapExceeded')
    expect((await send(vault, token.hex, 40n)).error).toBe(null)
  })
})

describe('delivering', () => {
  test('a message is paid once, by proof, to its recipient', async () => {
    const { nova, vault, token } = await withToken()
    sentBy(await send(vault, token.hex, 1_000n))
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 400n, data: '0xaabb' })
    const proof = await nova.prove(message)
    const done = await deliver(nova, message, { proof })
    expect(done.error).toBe(null)
    expect(done.logs).toEqual([
      {
        name: 'MessageDelivered',
        args: {
          ...{ id: idOf(message), chain: NOVA, sequence: 1n, amount: 400n, data: '0xaabb' },
          ...{
            recipient: expect.stringMatching(new RegExp(BOB, 'i')),
            token: expect.stringMatching(new RegExp(token.hex, 'i')),
          },
        },
      },
    ])
    expect(await balanceOf(token, BOB)).toBe(400n)
    expect(await statusOf(vault, idOf(message))).toBe(3n)
    expect([await vault.read('isSettled', 1), await vault.read('isSettled', 2)]).toEqual([true, false])
    expect(nameOf(await deliver(nova, message, { proof }))).toBe('AlreadySettled')
    expect(nameOf(await deliver(nova, message))).toBe('AlreadySettled')
    expect(nameOf(await refuse(nova, message))).toBe('AlreadySettled')
    expect(await balanceOf(token, BOB)).toBe(400n)
    expect((await routeOf(vault, token.hex)).outstanding).toBe(600n)
  })
  test('in any order, with data alone too', async () => {
    const { nova, vault, token } = await withToken()
    sentBy(await send(vault, token.hex, 1_000n))
    const messages = [1n, 2n, 3n].map((amount) => nova.send({ recipient: BOB, token: REMOTE, amount }))
    const bare = nova.send({ recipient: BOB, data: '0x01' })
    for (const message of [bare, ...messages.reverse()]) expect((await deliver(nova, message)).error).toBe(null)
    expect(await balanceOf(token, BOB)).toBe(6n)
  })
  test('a proof of another root, slot, message or chain is none', async () => {
    const { nova, vault, token } = await withToken()
    sentBy(await send(vault, token.hex, 1_000n))
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 400n })
    const early = await nova.prove(message)
    const other = nova.send({ recipient: BOB, token: REMOTE, amount: 1n })
    const proof = await nova.prove(message)
    const [seq, previous, accountNodes, slotNodes] = proof
    const tried = async (of: Proof, what = message) => nameOf(await deliver(nova, what, { proof: of }))
    // An older root; its proof against a newer one; a checkpoint that is none.
    expect(await tried([early[0], previous, accountNodes, slotNodes])).toBe('NotProven')
    expect(await tried([seq, previous, early[2], early[3]])).toBe('NotProven')
    expect(await tried([0, previous, accountNodes, slotNodes])).toBe('NotProven')
    expect(await tried([seq + 1, previous, accountNodes, slotNodes])).toBe('NoSuchCheckpoint')
    // Another slot, another account's leaf, nothing, and one node less or more.
    const ofOther = await nova.prove(other)
    expect(await tried([ofOther[0], previous, ofOther[2], ofOther[3]])).toBe('NotProven')
    expect(await tried([seq, previous, [], []])).toBe('NotProven')
    expect(await tried([seq, previous, accountNodes.slice(0, -1), slotNodes])).toBe('NotProven')
    expect(await tried([seq, previous, accountNodes, slotNodes.slice(0, -1)])).toBe('NotProven')
    expect(await tried([seq, previous, accountNodes, [...slotNodes, slotNodes[0] ?? '0x']])).toBe('NotProven')
    // Another message under the same proof: every field counts.
    expect(await tried([seq, ZERO.replace('00', '01'), accountNodes, slotNodes])).toBe('NotProven')
    for (const over of [
      { amount: 401n },
      { recipient: ALICE },
      { sequence: 2n },
      { deadline: message.deadline + 1n },
      { sender: REMOTE },
      { data: '0x00' },
    ])
      expect(await tried(proof, { ...message, ...over }), JSON.stringify(Object.keys(over))).toBe('NotProven')
    expect(await tried(proof, { ...message, targetChain: 1n })).toBe('WrongChain')
    expect(await tried(proof, { ...message, sourceChain: 1n })).toBe('WrongChain')
    // To another chain, as NovaChain's outbox has it.
    const elsewhere = nova.send({ recipient: BOB, token: REMOTE, amount: 5n, targetChain: 43_114n })
    expect(nameOf(await deliver(nova, elsewhere))).toBe('WrongChain')
    expect(await tried(proof)).toBe(null)
  })
  test('after its deadline it is refused, and NovaChain told', async () => {
    const { nova, vault, token, evm } = await withToken()
    sentBy(await send(vault, token.hex, 1_000n))
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 400n })
    expect(nameOf(await refuse(nova, message))).toBe('BeforeDeadline')
    evm.now += LIFETIME
    expect(nameOf(await refuse(nova, message))).toBe('BeforeDeadline')
    evm.now += 1
    expect(nameOf(await deliver(nova, message))).toBe('PastDeadline')
    const done = await refuse(nova, message)
    const notice = sentBy(done)
    expect(notice).toEqual({
      ...{ sourceChain: L1_CHAIN, targetChain: NOVA, sequence: 2n, deadline: 0n, sender: ZERO, recipient: '0x' },
      ...{ token: ZERO, amount: 0n, refundOf: idOf(message), data: '0x' },
    })
    expect(done.result).toBe(idOf(notice))
    expect(await statusOf(vault, idOf(message))).toBe(4n)
    for (const again of [deliver, refuse]) expect(nameOf(await again(nova, message))).toBe('AlreadySettled')
    expect((await routeOf(vault, token.hex)).outstanding).toBe(1_000n)
  })
  test('recipients that nobody can be, and that are ours, are refused', async () => {
    const { nova, vault, token } = await withToken()
    sentBy(await send(vault, token.hex, 1_000n))
    for (const recipient of ['0x', COIN, `${BOB}00`, `0x${'00'.repeat(18)}0001`, vault.hex, token.hex]) {
      const message = nova.send({ recipient, token: REMOTE, amount: 1n })
      expect(nameOf(await deliver(nova, message)), recipient).toBe('BadRecipient')
    }
  })
  test('NovaChain gets back no more than went to it', async () => {
    const { nova, vault, token } = await withToken()
    sentBy(await send(vault, token.hex, 100n))
    await token.must('mint', [vault.hex, 10_000n])
    expect(nameOf(await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 101n })))).toBe('NotBacked')
    expect(nameOf(await deliver(nova, nova.send({ recipient: BOB, token: ZERO, amount: 1n })))).toBe('UnknownRoute')
    expect((await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 100n }))).error).toBe(null)
    expect(nameOf(await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 1n })))).toBe('NotBacked')
  })
  test('no more than the limit comes in at once, and it is free again over the window', async () => {
    const { nova, vault, token, evm } = await withToken()
    sentBy(await send(vault, token.hex, 1_000_000n))
    await setRoute(vault, token.hex, { limit: 3_600n })
    const coming = (amount: bigint) => deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount }))
    expect(nameOf(await coming(3_601n))).toBe('LimitExceeded')
    expect((await coming(3_600n)).error).toBe(null)
    expect(nameOf(await coming(1n))).toBe('LimitExceeded')
    evm.now += 100
    expect((await routeOf(vault, token.hex)).available).toBe(100n)
    expect(nameOf(await coming(101n))).toBe('LimitExceeded')
    expect((await coming(100n)).error).toBe(null)
    evm.now += WINDOW
    expect((await coming(3_600n)).error).toBe(null)
    // A lower limit does not forget what was used up.
    await setRoute(vault, token.hex, { limit: 1_000n })
    expect(nameOf(await coming(1n))).toBe('LimitExceeded')
  })
  test('a withdrawal costs less than 300,000 gas where proofs are as deep as those of big states', async () => {
    const nova = await openNova({ account: 6, slot: 4 })
    const { vault, evm } = nova
    const token = await evm.deploy(odd.token)
    await token.must('mint', [ALICE, 10n ** 20n])
    await token.must('approve', [vault.hex, 10n ** 24n])
    await setRoute(vault, token.hex)
    sentBy(await send(vault, token.hex, 1_000n))
    const first = await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 400n }))
    const next = await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 300n }))
    expect([first.error, next.error]).toEqual([null, null])
    // The first pays for a new word of the bitmap, and the recipient's first of the token.
    expect(Number(first.gas)).toBeLessThan(299_000)
    expect(Number(next.gas)).toBeLessThan(266_000)
  })
})

describe('refunds', () => {
  test('what NovaChain refused goes back to its sender, once', async () => {
    const { nova, vault, token } = await withToken()
    const [message, other] = [sentBy(await send(vault, token.hex, 1_000n)), sentBy(await send(vault, token.hex, 5n))]
    const before = await balanceOf(token, ALICE)
    const notice = nova.notice(idOf(message))
    expect(nameOf(await refund(nova, other, notice))).toBe('WrongOriginal')
    expect(nameOf(await refund(nova, { ...message, amount: 2_000n }, notice))).toBe('WrongOriginal')
    expect(nameOf(await deliver(nova, notice))).toBe('WrongKind')
    expect(nameOf(await refuse(nova, notice))).toBe('WrongKind')
    await setRoute(vault, token.hex, { open: false, cap: 0n, limit: 0n })
    expect((await refund(nova, message, notice)).error).toBe(null)
    expect(await balanceOf(token, ALICE)).toBe(before + 1_000n)
    expect(await statusOf(vault, idOf(message))).toBe(2n)
    expect(nameOf(await refund(nova, message, notice))).toBe('AlreadySettled')
    // NovaChain says it again, and of what was never sent.
    for (const id of [idOf(message), REMOTE]) {
      const again = await refund(nova, message, nova.notice(id))
      expect([again.error, again.logs[0]?.name]).toEqual([null, 'NoticeVoid'])
    }
    expect(await balanceOf(token, ALICE)).toBe(before + 1_000n)
    expect((await routeOf(vault, token.hex)).outstanding).toBe(5n)
    const plain = nova.send({ recipient: BOB, token: REMOTE, amount: 1n })
    expect(nameOf(await refund(nova, other, plain))).toBe('WrongKind')
  })
  test('the coin, to a sender who does not take it until he does', async () => {
    const { nova, vault, evm } = await withToken()
    await setRoute(vault, COIN, { remote: ZERO })
    const sender = await evm.deploy(odd.recipient)
    const data = vault.abi.encodeFunctionData('send', [NOVA, BOB, COIN, 50n, '0x'])
    const message = sentBy(await sender.send('act', [vault.hex, data], { value: 50n }))
    expect(message.sender).toBe(wordOf(sender.hex))
    const notice = nova.notice(idOf(message))
    await sender.must('setRefuses', [true])
    expect(nameOf(await refund(nova, message, notice))).toBe('TransferFailed')
    expect(await statusOf(vault, idOf(message))).toBe(1n)
    await sender.must('setRefuses', [false])
    expect((await refund(nova, message, notice)).error).toBe(null)
    expect([evm.balance(vault.address), evm.balance(sender.address)]).toEqual([0n, 50n])
  })
})

describe('wrapped tokens', () => {
  const open = async () => {
    const nova = await openNova()
    const { vault, evm } = nova
    expect(nameOf(await vault.send('createWrapped', [ZERO, 'Nova', 'NOVA', 18]))).toBe('NotOwner')
    const made = await vault.must('createWrapped', [ZERO, 'Nova', 'NOVA', 18], asOwner)
    const token = evm.at(String(made.result), WrappedToken.abi)
    return { nova, vault, token }
  }
  test('are minted when they come and burnt when they go, and their route begins closed', async () => {
    const { nova, vault, token } = await open()
    expect([await token.read('name'), await token.read('symbol'), await token.read('decimals')]).toEqual([
      'Nova',
      'NOVA',
      18n,
    ])
    expect(await vault.read('tokenOf', ZERO)).toEqual([expect.stringMatching(new RegExp(token.hex, 'i')), true])
    const message = nova.send({ recipient: ALICE, token: ZERO, amount: 70n })
    // Zero amount and token are a message of data alone; this one carries the coin.
    expect(nameOf(await deliver(nova, message))).toBe('RouteClosed')
    await setRoute(vault, token.hex, { remote: ZERO, cap: 100n })
    expect((await deliver(nova, message)).error).toBe(null)
    expect(nameOf(await deliver(nova, nova.send({ recipient: ALICE, token: ZERO, amount: 31n })))).toBe('CapExceeded')
    expect([await balanceOf(token, ALICE), await token.read('totalSupply')]).toEqual([70n, 70n])
    const back = sentBy(await send(vault, token.hex, 20n))
    expect([await token.read('totalSupply'), (await routeOf(vault, token.hex)).outstanding]).toEqual([50n, 50n])
    expect(nameOf(await send(vault, token.hex, 51n))).toBe('NotBacked')
    expect((await send(vault, token.hex, 10n, { from: account(2) })).error).not.toBe(null)
    expect((await refund(nova, back, nova.notice(idOf(back)))).error).toBe(null)
    expect(await token.read('totalSupply')).toBe(70n)
  })
  test('only the vault mints and burns, and there is one for each remote', async () => {
    const { vault, token } = await open()
    expect(nameOf(await token.send('mint', [ALICE, 1n]))).toBe('NotVault')
    expect(nameOf(await token.send('burn', [ALICE, 1n]))).toBe('NotVault')
    expect(nameOf(await vault.send('createWrapped', [ZERO, 'Again', 'N', 18], asOwner))).toBe('RemoteFixed')
    expect(nameOf(await setRoute(vault, token.hex, { remote: REMOTE }))).toBe('RemoteFixed')
  })
})

describe('routes and pauses', () => {
  test('routes are the owner’s; a remote is one token’s, and stays while something is outstanding', async () => {
    const { vault, token, evm } = await withToken()
    const other = await evm.deploy(odd.token)
    expect(nameOf(await vault.send('setRoute', [token.hex, REMOTE, 1, 1, true]))).toBe('NotOwner')
    expect(nameOf(await vault.send('setGuardian', [ALICE]))).toBe('NotOwner')
    expect(nameOf(await setRoute(vault, BOB))).toBe('BadToken')
    expect(nameOf(await setRoute(vault, other.hex))).toBe('RemoteFixed')
    const moved = wordOf(BOB)
    expect((await setRoute(vault, token.hex, { remote: moved })).error).toBe(null)
    expect((await setRoute(vault, other.hex)).error).toBe(null)
    expect((await send(vault, token.hex, 1n)).error).toBe(null)
    expect(nameOf(await setRoute(vault, token.hex, { remote: wordOf(ALICE) }))).toBe('RemoteFixed')
    expect((await setRoute(vault, token.hex, { remote: moved, cap: 5n })).error).toBe(null)
  })
  test('a pause stops what goes and comes, not refusals and refunds, and ends by itself', async () => {
    const { nova, vault, token, evm } = await withToken()
    const sent = sentBy(await send(vault, token.hex, 100n))
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 1n })
    const late = nova.send({ recipient: BOB, token: REMOTE, amount: 1n, deadline: BigInt(evm.now) })
    const pause = (seconds: number, from: Address = GUARDIAN) => vault.send('pause', [seconds, 'why'], { from })
    expect(nameOf(await pause(60, OWNER))).toBe('NotGuardian')
    for (const seconds of [0, 72 * 3_600 + 1]) expect(nameOf(await pause(seconds))).toBe('PauseRefused')
    expect((await pause(3_600)).error).toBe(null)
    evm.now += 3_599
    expect(await vault.read('pausedUntil')).toBe(BigInt(evm.now + 1))
    expect(nameOf(await send(vault, token.hex, 1n))).toBe('IsPaused')
    expect(nameOf(await deliver(nova, message))).toBe('IsPaused')
    expect((await refuse(nova, late)).error).toBe(null)
    expect((await refund(nova, sent, nova.notice(idOf(sent)))).error).toBe(null)
    evm.now += 1
    expect(await vault.read('pausedUntil')).toBe(0n)
    expect((await send(vault, token.hex, 50n)).error).toBe(null)
    expect((await deliver(nova, message)).error).toBe(null)
    // The next begins no sooner than a day after.
    expect(nameOf(await pause(60))).toBe('PauseRefused')
    evm.now += 86_400
    expect((await pause(60)).error).toBe(null)
    expect(nameOf(await vault.send('unpause', []))).toBe('NotGuardian')
    expect((await vault.send('unpause', [], asOwner)).error).toBe(null)
    expect((await send(vault, token.hex, 1n)).error).toBe(null)
    expect(nameOf(await pause(60))).toBe('PauseRefused')
  })
})

describe('odd tokens', () => {
  const sendAndDeliver = async (mode: keyof typeof MODES) => {
    const world = await withToken()
    const { nova, vault, token } = world
    expect((await send(vault, token.hex, 10_000n)).error).toBe(null)
    await token.must('setMode', [MODES[mode]])
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 1_000n })
    return { ...world, message, done: await deliver(nova, message) }
  }
  test('one that keeps a fee: what arrives is what is sent', async () => {
    const { vault, token } = await withToken('fee')
    expect(sentBy(await send(vault, token.hex, 1_000n)).amount).toBe(990n)
    expect((await routeOf(vault, token.hex)).outstanding).toBe(990n)
    expect(await balanceOf(token, vault.hex)).toBe(990n)
  })
  test('one that keeps a fee pays out of the recipient’s part', async () => {
    const { vault, token, done } = await sendAndDeliver('fee')
    expect(done.error).toBe(null)
    expect(await balanceOf(token, BOB)).toBe(990n)
    expect([await balanceOf(token, vault.hex), (await routeOf(vault, token.hex)).outstanding]).toEqual([9_000n, 9_000n])
  })
  test('one that answers nothing', async () => {
    const { vault, token, done } = await sendAndDeliver('silent')
    expect(done.error).toBe(null)
    expect((await send(vault, token.hex, 10n)).error).toBe(null)
  })
  test.each([
    ['surcharge', 'WrongPayout'],
    ['lazy', 'WrongPayout'],
    ['false', 'SafeERC20FailedOperation'],
    ['reverting', 'Error'],
  ] as const)('one that is %s: nothing is settled, and it goes on when the token does', async (mode, error) => {
    const { nova, vault, token, done, message } = await sendAndDeliver(mode)
    expect(nameOf(done)).toBe(error)
    expect(await vault.read('isSettled', message.sequence)).toBe(false)
    expect((await routeOf(vault, token.hex)).outstanding).toBe(10_000n)
    if (mode !== 'surcharge') expect((await send(vault, token.hex, 10n)).error).not.toBe(null)
    await token.must('setMode', [MODES.usual])
    expect((await deliver(nova, message)).error).toBe(null)
    expect(await balanceOf(token, BOB)).toBe(1_000n)
  })
  test('one whose balances shrink and grow: nobody is paid twice, and no other token pays for it', async () => {
    const { nova, vault, token, evm } = await withToken()
    const sound = await evm.deploy(odd.token)
    await sound.must('mint', [vault.hex, 10_000n])
    expect((await send(vault, token.hex, 1_000n)).error).toBe(null)
    await token.must('rebase', [500])
    const [half, rest] = [600n, 400n].map((amount) => nova.send({ recipient: BOB, token: REMOTE, amount })) as [
      Message,
      Message,
    ]
    expect((await deliver(nova, half)).error).not.toBe(null)
    expect((await deliver(nova, rest)).error).toBe(null)
    await token.must('rebase', [3_000])
    expect((await deliver(nova, half)).error).toBe(null)
    expect(nameOf(await deliver(nova, nova.send({ recipient: BOB, token: REMOTE, amount: 1n })))).toBe('NotBacked')
    expect(await balanceOf(sound, vault.hex)).toBe(10_000n)
  })
  test('one that calls back in the midst of its transfer gets nowhere', async () => {
    const { nova, vault, token } = await withToken()
    expect((await send(vault, token.hex, 10_000n)).error).toBe(null)
    const message = nova.send({ recipient: BOB, token: REMOTE, amount: 1_000n })
    const proof = await nova.prove(message)
    const calls = [
      vault.abi.encodeFunctionData('deliver', [tupleOf(message), proof]),
      vault.abi.encodeFunctionData('send', [NOVA, BOB, COIN, 0n, '0x01']),
    ]
    await token.must('setMode', [MODES.calling])
    for (const call of calls) {
      await token.must('setCall', [vault.hex, call])
      expect((await send(vault, token.hex, 1n)).error).toBe(null)
      expect(await token.read('called')).toBe(false)
    }
    expect((await deliver(nova, message, { proof })).error).toBe(null)
    expect([await token.read('called'), await balanceOf(token, BOB)]).toEqual([false, 1_000n])
  })
})

describe('recipients of the coin', () => {
  /** Runtime code, under three bytes of which the last is its length. */
  const contractOf = async (evm: Evm, code: string) =>
    evm.deploy({ abi: [], bytecode: `0x60${(code.length / 2).toString(16).padStart(2, '0')}8060095f395ff3${code}` })
  const open = async () => {
    const nova = await openNova()
    await setRoute(nova.vault, COIN, { remote: ZERO })
    expect((await send(nova.vault, COIN, 1_000n)).error).toBe(null)
    return nova
  }
  test('one that reverts keeps nothing up but its own message, which is refused in the end', async () => {
    const nova = await open()
    const refuser = await contractOf(nova.evm, '5f5ffd')
    const [bad, good] = [refuser.hex, BOB].map((recipient) => nova.send({ recipient, amount: 10n })) as [
      Message,
      Message,
    ]
    expect(nameOf(await deliver(nova, bad))).toBe('TransferFailed')
    expect((await deliver(nova, good)).error).toBe(null)
    nova.evm.now += LIFETIME + 1
    expect((await refuse(nova, bad)).error).toBe(null)
    expect((await routeOf(nova.vault, COIN)).outstanding).toBe(990n)
  })
  test('one that burns all gas burns a bounded part of it, and one that answers megabytes is not listened to', async () => {
    const nova = await open()
    const burner = await contractOf(nova.evm, '5b5f56')
    const message = nova.send({ recipient: burner.hex, amount: 10n })
    const done = await deliver(nova, message)
    expect(nameOf(done)).toBe('TransferFailed')
    expect(Number(done.gas)).toBeLessThan(400_000)
    const talker = await contractOf(nova.evm, '6170005ff3')
    const told = await deliver(nova, nova.send({ recipient: talker.hex, amount: 10n }))
    expect(told.error).toBe(null)
  })
  test('one that calls back gets nothing twice', async () => {
    const nova = await open()
    const recipient = await nova.evm.deploy(odd.recipient)
    const again = nova.vault.abi.encodeFunctionData('send', [NOVA, BOB, COIN, 0n, '0x01'])
    await recipient.must('setCall', [nova.vault.hex, again])
    // From within the vault it gets nowhere; by itself it would.
    expect((await deliver(nova, nova.send({ recipient: recipient.hex, amount: 10n }))).error).toBe(null)
    expect(await recipient.read('called')).toBe(false)
    await nova.evm.call(recipient.address, new Uint8Array(0))
    expect(await recipient.read('called')).toBe(true)
    expect(nova.evm.balance(recipient.address)).toBe(10n)
    expect(nova.evm.balance(nova.vault.address)).toBe(990n)
  })
})

test('whatever happens in whatever order, nothing is lost, doubled or stuck', async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const dice = createDice(seed)
  const { nova, vault, token, evm } = await withToken()
  await setRoute(vault, COIN, { remote: ZERO })
  const made = await vault.must('createWrapped', [wordOf(BOB), 'W', 'W', 18], asOwner)
  const wrapped = evm.at(String(made.result), WrappedToken.abi)
  const tokens = [
    { local: token.hex, remote: REMOTE },
    { local: COIN, remote: ZERO },
    { local: wrapped.hex, remote: wordOf(BOB) },
  ]
  for (const { local, remote } of tokens) await setRoute(vault, local, { remote, cap: 100_000n, limit: 20_000n })
  const [outgoing, incoming]: [Message[], Message[]] = [[], []]
  const noticed = new Set<string>()
  let mode: number = MODES.usual
  /** By local token: what went out, and came back or in. */
  const [out, back] = [new Map<string, bigint>(), new Map<string, bigint>()]
  const count = (in_: Map<string, bigint>, of: string, amount: bigint) => in_.set(of, (in_.get(of) ?? 0n) + amount)
  const localOf = (remote: string): string => tokens.find((each) => each.remote === remote)?.local ?? COIN
  const steps: Readonly<Record<string, () => Promise<void>>> = {
    send: async () => {
      const { local } = dice.pick(tokens)
      const done = await send(vault, local, BigInt(1 + dice.below(20_000)), { recipient: BOB })
      if (done.error !== null) return
      const message = sentBy(done)
      outgoing.push(message)
      count(out, local, message.amount)
    },
    come: async () => {
      incoming.push(
        nova.send({ recipient: ALICE, token: dice.pick(tokens).remote, amount: BigInt(1 + dice.below(9_000)) }),
      )
    },
    deliver: async () => {
      const message = incoming[dice.below(incoming.length)]
      if (message === undefined) return
      const done = await deliver(nova, message)
      if (done.error === null) count(back, localOf(message.token), message.amount)
    },
    refuse: async () => {
      const message = incoming[dice.below(incoming.length)]
      if (message !== undefined) await refuse(nova, message)
    },
    refund: async () => {
      const message = outgoing[dice.below(outgoing.length)]
      if (message === undefined) return
      const isFirst = !noticed.has(idOf(message))
      const done = await refund(nova, message, nova.notice(idOf(message)))
      noticed.add(idOf(message))
      // An amount that NovaChain got back meanwhile is not there to be given twice: it has to wait.
      if (done.logs.some(({ name }) => name === 'MessageRefunded'))
        count(back, addressOf(message.token), message.amount)
      else if (isFirst && mode === 0) expect(['NotBacked', null], `SEED=${seed}`).toContain(nameOf(done))
    },
    route: async () => {
      const { local, remote } = dice.pick(tokens)
      await setRoute(vault, local, {
        remote,
        cap: BigInt(dice.below(200_000)),
        limit: BigInt(dice.below(40_000)),
        open: !dice.chance(0.2),
      })
    },
    wait: async () => {
      evm.now += dice.below(dice.chance(0.1) ? 2 * LIFETIME : 3_600)
    },
    mode: async () => {
      mode = dice.pick([MODES.usual, MODES.usual, MODES.silent, MODES.false, MODES.reverting])
      await token.must('setMode', [mode])
    },
  }
  const addressOf = (word: string): string => `0x${word.slice(26)}`
  for (let step = 0; step < Number(process.env.STEPS ?? 60); step++) {
    const name = dice.pick([
      'send',
      'send',
      'send',
      'come',
      'come',
      'deliver',
      'deliver',
      'deliver',
      'refuse',
      'refund',
      'route',
      'wait',
      'mode',
    ])
    await steps[name]?.()
    const why = `SEED=${seed}, step ${step}: ${name}`
    for (const { local } of tokens) {
      const { outstanding } = await routeOf(vault, local)
      const net = (out.get(local) ?? 0n) - (back.get(local) ?? 0n)
      expect(outstanding, why).toBe(local === wrapped.hex ? -net : net)
      if (local === wrapped.hex) expect(await wrapped.read('totalSupply'), why).toBe(outstanding)
      else
        expect(local === COIN ? evm.balance(vault.address) : await balanceOf(token, vault.hex), why).toBe(outstanding)
    }
  }
  // Nothing is stuck: what is not settled can be, by somebody, some day.
  evm.now += 3 * LIFETIME
  await token.must('setMode', [0])
  for (const message of incoming) {
    const done = await refuse(nova, message)
    expect([null, 'AlreadySettled'], `SEED=${seed}`).toContain(nameOf(done))
  }
})
