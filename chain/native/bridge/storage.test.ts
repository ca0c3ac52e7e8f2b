// What a vault on another chain relies on: where solc would put each variable, how Solidity computes ids and links, and one proof of one slot.
import { readFileSync } from 'node:fs'
import { Interface, Wallet } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../../contracts/build.ts'
import { openMemoryChain } from '../../../test/kit/memory-chain.ts'
import { account, createWorld } from '../../../test/kit/native.ts'
import { asAddress, asHash, bytesToHex, type Hex, hexToBytes } from '../../base/bytes.ts'
import { provenAccount, provenSlot } from '../../types/proof.ts'
import { BRIDGE } from '../index.ts'
import { type AbiFunction, decodeEvent, encodeCall, type Positional } from '../kit/abi.ts'
import { freeWords } from '../kit/module.ts'
import { openStore } from '../kit/slots.ts'
import { labels, layout as tokenLayout } from '../token/layout.ts'
import { abi } from './abi.ts'
import { layout } from './layout.ts'
import { linkAfter, type Message, messageId, NO_WORD } from './message.ts'

const compiled = (name: string) => {
  const source = readFileSync(new URL(`../../../contracts/test/${name}.sol`, import.meta.url), 'utf8')
  return compile(`${name}.sol`, source)[name] ?? expect.fail('it has a contract')
}
const made = compiled('BridgeStorage')
const contract = new Interface(JSON.parse(JSON.stringify(made.abi)))

const deployed = async () => {
  const world = createWorld([], {})
  const { created } = await world.send(1, null, hexToBytes(`0x${made.bytecode}`))
  const at = bytesToHex(created ?? expect.fail('it deploys'))
  const ask = async (name: string, args: readonly unknown[]) => {
    const { output } = await world.send(1, at, hexToBytes(contract.encodeFunctionData(name, args) as Hex))
    return [...contract.decodeFunctionResult(name, output)].map((value) => String(value).toLowerCase())
  }
  return { world, at, ask, store: openStore(layout, freeWords(world.state, asAddress(hexToBytes(at)))) }
}
const filled = (byte: number) => new Uint8Array(32).fill(byte)

test('solc reads at the same place what the layout writes', async () => {
  expect(made.storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries(layout).map(([name, { slot }]) => [name, slot]),
  )
  const { world, store, ask } = await deployed()
  world.state.begin()
  store.links.at(1n).at(2n).set(filled(3))
  const transfer = store.transfers.at(filled(1))
  for (const [i, cell] of [transfer.status, transfer.chain, transfer.sequence, transfer.changedAt].entries())
    cell.set(BigInt(i + 1))
  store.chains.at(9n).vault.set(account(0xabc))
  store.chains.at(9n).sent.set(5n)
  store.chains.at(9n).settled.set(6n)
  store.chains.at(9n).era.set(4n)
  store.settled.at(9n).at(1n).set(7n)
  const route = store.routes.at(9n).at(account(1))
  route.remote.set(filled(8))
  for (const [i, cell] of [route.outstanding, route.cap, route.limit, route.level, route.levelAt].entries())
    cell.set(BigInt(i + 1))
  route.known.set(true)
  route.open.set(true)
  route.book.set(9n)
  store.locals.at(9n).at(filled(8)).token.set(account(0xdef))
  store.locals.at(9n).at(filled(8)).known.set(true)
  store.chainIds.push().set(9n)
  store.chainIds.push().set(10n)
  store.wrappedTaken.set(11n)
  world.state.end()
  expect(await ask('links', [1, 2])).toEqual([bytesToHex(filled(3))])
  expect(await ask('transfers', [filled(1)])).toEqual(['1', '2', '3', '4'])
  expect(await ask('chains', [9])).toEqual([bytesToHex(account(0xabc)), '5', '6', '4'])
  expect(await ask('settled', [9, 1])).toEqual(['7'])
  expect(await ask('routes', [9, bytesToHex(account(1))])).toEqual([
    ...[bytesToHex(filled(8)), '1', '2', '3', '4', '5', 'true', 'true', '9'],
  ])
  expect(await ask('locals', [9, filled(8)])).toEqual([bytesToHex(account(0xdef)), 'true'])
  expect([await ask('chainIds', [0]), await ask('chainIds', [1]), await ask('wrappedTaken', [])]).toEqual([
    ...[['9'], ['10'], ['11']],
  ])
})

test('a wrapped token lies where solc would put it', () => {
  expect(compiled('WrappedStorage').storage.map(({ label, slot }) => [label, Number(slot)])).toEqual(
    Object.entries({ ...tokenLayout, ...labels }).map(([name, { slot }]) => [name, slot]),
  )
})

const uint = (bits: number) => fc.bigInt(0n, 2n ** BigInt(bits) - 1n)
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const anyMessage: fc.Arbitrary<Message> = fc.record({
  ...{ sourceChain: uint(64), targetChain: uint(64), sequence: uint(64), deadline: uint(64), sender: bytes(32) },
  ...{ recipient: fc.uint8Array({ maxLength: 70 }), token: bytes(32), amount: uint(256), refundOf: bytes(32) },
  data: fc.uint8Array({ maxLength: 200 }),
})

test('Solidity computes the same ids, links and slots', async () => {
  const { ask } = await deployed()
  await fc.assert(
    fc.asyncProperty(anyMessage, async (message) => {
      const id = messageId(message)
      expect(await ask('messageId', [message])).toEqual([bytesToHex(id)])
      expect(await ask('linkAfter', [message.sender, id])).toEqual([bytesToHex(linkAfter(message.sender, id))])
    }),
    { numRuns: 20 },
  )
})

test('a proof of one slot convinces who has the block header alone', async () => {
  const { ask } = await deployed()
  const { chain, seal } = await openMemoryChain()
  const governance = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  let nonce = 0
  const run = async <K extends keyof (typeof abi)['functions'] & string>(
    name: K,
    ...args: Positional<(typeof abi)['functions'][K]['inputs']>
  ) => {
    const data = bytesToHex(encodeCall(abi.functions[name] as AbiFunction, args as never))
    const signed = await governance.signTransaction({
      ...{ chainId: 662607, nonce: nonce++, to: bytesToHex(BRIDGE), data, gasLimit: 1_000_000, type: 2 },
      ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 0n },
    })
    await chain.submit(hexToBytes(signed as Hex), 'local')
    return (await seal()).header
  }
  await run('setChain', 80_002n, account(0xbeef01))
  await run('send', 80_002n, account(0x7001), account(0), 0n, Uint8Array.of(1))
  const header = await run('send', 80_002n, account(0x7001), account(0), 0n, Uint8Array.of(2))
  const receipts = await chain.receipts(header.number)
  const log = receipts?.[0]?.logs[0] ?? expect.fail('it sent a message')
  const { message, id } = decodeEvent(abi.events.MessageSent, log)
  expect([message.data, id]).toEqual([Uint8Array.of(2), messageId(message)])
  // What the vault does: the slot by chain and sequence, the link before it from the relayer, the id from the message.
  const slot = BigInt((await ask('slotOfLink', [80_002, 2]))[0] ?? '')
  const before = BigInt((await ask('slotOfLink', [80_002, 1]))[0] ?? '')
  const proof = await chain.proof(header.number, BRIDGE, [slot, before])
  const proven = provenAccount(header.stateRoot, BRIDGE, proof.accountProof)
  const words = [slot, before].map((key, i) =>
    provenSlot(proven?.storageRoot ?? expect.fail(), key, proof.slots[i]?.proof ?? []),
  )
  const previous = hexToBytes(`0x${(words[1] ?? 0n).toString(16).padStart(64, '0')}`)
  expect(previous).not.toEqual(NO_WORD)
  expect(bytesToHex(linkAfter(previous, asHash(id)))).toBe(`0x${(words[0] ?? 0n).toString(16).padStart(64, '0')}`)
})
