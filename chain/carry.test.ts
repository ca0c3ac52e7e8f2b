// A network that ends with all that can be in a state, and the one that goes on with it: the same balances, stakes and storage, to the wei and the
// word; its validators sign, its delegators leave, and who edits the file is told where.
import { getCreateAddress, Wallet } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { addFounders } from '../node/ceremony.ts'
import { developmentAccounts } from '../node/development.ts'
import { buildNext, certify, openSealedChain, sealedGenesisText } from '../test/kit/sealed.ts'
import { secretOf } from '../test/kit/sets.ts'
import { type Address, asAddress, asHash, bytesToHex, type Hex, hexToBytes } from './base/bytes.ts'
import { curves } from './base/crypto.ts'
import type { Kv } from './base/ports.ts'
import { carryState } from './carry.ts'
import type { Chain } from './chain.ts'
import { accountsOf, type ExportedAccount } from './export.ts'
import { abi as auditAbi } from './native/audit/abi.ts'
import { abi as bridgeAbi } from './native/bridge/abi.ts'
import { encodeProof } from './native/bridge/certificate.ts'
import { layout as bridgeLayout } from './native/bridge/layout.ts'
import { messageId } from './native/bridge/message.ts'
import { abi as didAbi } from './native/did/abi.ts'
import { AUDIT, BRIDGE, DID, PARAMS, SLASHING, STAKING } from './native/index.ts'
import { type Abi, encodeCall } from './native/kit/abi.ts'
import { committedWords } from './native/kit/module.ts'
import { openStore } from './native/kit/slots.ts'
import { abi as paramsAbi } from './native/params/abi.ts'
import { valueIn } from './native/params/module.ts'
import { abi as resourcesAbi } from './native/resources/abi.ts'
import { abi as slashingAbi } from './native/slashing/abi.ts'
import { layout as slashingLayout } from './native/slashing/layout.ts'
import { abi as stakingAbi } from './native/staking/abi.ts'
import { penaltyOf } from './native/staking/book.ts'
import { layout as stakingLayout } from './native/staking/layout.ts'
import { pendingOf } from './native/staking/rewards.ts'
import { find } from './native/staking/validators.ts'
import { abi as tokenAbi } from './native/token/abi.ts'
import { createMemoryKv } from './store/kv.ts'
import { digestOf, type Evidence, encodeEvidence, evidenceOf, type Statement } from './types/evidence.ts'
import { type Genesis, parseGenesis } from './types/genesis.ts'
import { epochOf } from './types/validators.ts'
import { attestPayload, bitmapOf, formQc, SignType, signBytes, votePayload } from './types/vote.ts'

const NOVA = 10n ** 18n
const E = 6
const VALIDATORS = 5
/** Blocks of the network that ends: in the middle of its fourth epoch. */
const LAST = 20
const people = developmentAccounts(10).map(({ privateKey }) => new Wallet(privateKey))
const at = (i: number): Address => asAddress(hexToBytes((people[i] as Wallet).address.toLowerCase() as Hex))
const [ALICE, BOB, CAROL, DAVE] = [6, 7, 8, 9]
const CPU = asAddress(hexToBytes('0x0000000000000000000000000000000000000821'))
const RESOURCES = asAddress(hexToBytes('0x0000000000000000000000000000000000000820'))
/** Two words of data are stored, one is read. */
const KEEPER: Hex = ('0x7b36604014601357600035546000526020' + '6000f35b60203560003555006000' + '52601c6004f3') as Hex
const word = (value: bigint): string => value.toString(16).padStart(64, '0')

// biome-ignore lint/suspicious/noExplicitAny: tests damage files
type Json = any
const oldText = (() => {
  const json: Json = JSON.parse(sealedGenesisText({ validators: VALIDATORS, epochBlocks: E }))
  json.novachain.modules.params.values = {
    ...json.novachain.modules.params.values,
    ...{ 'slashing.window': '10', 'slashing.minSigned': '9500', 'slashing.jailTime': '600' },
    ...{ 'staking.unbondingTime': '3600', 'staking.rewardRate': '5000' },
  }
  for (const validator of json.novachain.validators) validator.commissionBps = 1_000
  return JSON.stringify(json)
})()

class Net {
  readonly chain: Chain
  readonly kv: Kv
  readonly genesis: Genesis
  readonly nonces = new Map<number, number>()
  constructor(chain: Chain, kv: Kv, genesis: Genesis) {
    this.chain = chain
    this.kv = kv
    this.genesis = genesis
  }
  static async open(genesis: Genesis): Promise<Net> {
    const kv = createMemoryKv()
    return new Net(await openSealedChain(genesis, kv), kv, genesis)
  }
  async send(by: number, to: Address | null, data: Uint8Array, value = 0n): Promise<void> {
    const nonce = Number(this.chain.pool.nextNonce(at(by)))
    const fees = { maxFeePerGas: 2n * this.chain.nextBaseFee() + 1n, maxPriorityFeePerGas: 1n, gasLimit: 3_000_000n }
    const target = to === null ? {} : { to: bytesToHex(to) }
    const fields = { type: 2, chainId: this.genesis.chainId, nonce, ...target, data: bytesToHex(data), value, ...fees }
    await this.chain.submit(hexToBytes((await (people[by] as Wallet).signTransaction(fields)) as Hex), 'local')
  }
  call(by: number, to: Address, abi: Abi, name: string, args: readonly unknown[], value = 0n): Promise<void> {
    const fn = abi.functions[name]
    if (fn === undefined) throw new TypeError(name)
    return this.send(by, to, encodeCall(fn, args as never), value)
  }
  /** Answers the statuses of what the block held. `without`: the operators whose vote is missing. */
  async seal({ without = [], intervalMs = 1_000 }: { without?: readonly number[]; intervalMs?: number } = {}) {
    const { chain } = this
    const block = await buildNext(chain, { intervalMs })
    const { number: height } = block.header
    const set = chain.setOf(height)
    const away = without.map((i) => bytesToHex(at(i)))
    const domain = { chainId: this.genesis.chainId, genesisHash: chain.genesisHash }
    const digest = signBytes(domain, SignType.commit, votePayload(height, 0, block.hash))
    const shares = new Map(
      (set?.members ?? []).flatMap((member, i) =>
        away.includes(bytesToHex(member.address)) ? [] : [[i, curves().blsSign(secretOf(member), digest)] as const],
      ),
    )
    if (set === null) throw new TypeError('a set')
    const qc =
      away.length === 0
        ? certify(chain, block)
        : formQc({ type: 'commit', height, round: 0, blockHash: block.hash }, shares, set)
    await chain.commit(block, qc)
    return (chain.receipts(height) ?? []).map(({ status }) => status)
  }
  async until(height: number, options: Parameters<Net['seal']>[0] = {}): Promise<void> {
    while (this.chain.head().header.number < height) await this.seal(options)
  }
  get reader() {
    return this.chain.at(this.chain.head().header.number)
  }
  get staking() {
    return openStore(stakingLayout, committedWords(this.reader, STAKING))
  }
  validator(i: number) {
    return find(this.staking, at(i)) ?? expect.fail(`validator ${i}`)
  }
  doubleSign(height: number, operator: number): Evidence {
    const { chain } = this
    const members = chain.setOf(height)?.members ?? []
    const place = members.findIndex(({ address }) => bytesToHex(address) === bytesToHex(at(operator)))
    const domain = { chainId: this.genesis.chainId, genesisHash: chain.genesisHash }
    const [a, b] = [1, 2].map((byte) => {
      const blockHash = asHash(new Uint8Array(32).fill(byte))
      const statement: Statement = { kind: 'prepare', height, round: 0, blockHash }
      const signature = curves().blsSign(secretOf(members[place] as never), digestOf(statement, domain))
      return { statement, bitmap: bitmapOf([place], members.length), signature }
    })
    return evidenceOf(a as never, b as never)
  }
}

const stakesOf = (net: Net) => {
  const { staking } = net
  return {
    bonds: [staking.bonds.bonded.get(), staking.bonds.unbonding.get()],
    supply: [staking.supply.minted.get() + staking.minting.amount.get(), staking.supply.burnt.get()],
    validators: Array.from({ length: VALIDATORS }, (_, i) => {
      const { at: of } = net.validator(i)
      return {
        ...{ stake: of.stake.get(), shares: of.shares.get(), commissionBps: of.commissionBps.get() },
        ...{
          jailed: of.jailed.get(),
          tombstoned: of.tombstoned.get(),
          ready: of.ready.get(),
          moniker: of.moniker.get(),
        },
      }
    }),
    delegators: [0, 1, 2, 3, 4, ALICE, BOB, CAROL, DAVE].flatMap((who) =>
      Array.from({ length: VALIDATORS }, (_, i) => {
        const entries = staking.unbondings.at(at(who)).at(at(i))
        return [
          staking.delegations.at(at(who)).at(at(i)).shares.get(),
          pendingOf(staking, at(who), net.validator(i)),
          ...Array.from({ length: entries.length() }, (_, j) => {
            const entry = entries.item(j)
            return [entry.amount.get(), entry.matures.get(), penaltyOf(staking, at(i), entry)]
          }),
        ]
      }),
    ),
  }
}
const stateOf = async (kv: Kv): Promise<ReadonlyMap<string, ExportedAccount>> => {
  const out = new Map<string, ExportedAccount>()
  for await (const account of accountsOf(kv)) out.set(account.address, account)
  return out
}
const WISH = { chainId: 7_007, isSameChain: false, isBridgeReset: false }
const textOf = async (
  net: Net,
  wish: Partial<Parameters<typeof carryState>[1]> = {},
  height = LAST,
): Promise<string> => {
  const block = net.chain.block(height) ?? expect.fail('a block')
  const { genesis: rules, genesisHash } = net.chain
  const carried = await carryState(
    { kv: net.kv, block, rules, genesisHash },
    { ...WISH, time: block.header.time + 5, ...wish },
  )
  notes = carried.notes
  let text = ''
  for await (const piece of carried.text()) text += piece
  return text
}
let notes: readonly string[] = []

let old: Net
let before: ReturnType<typeof stakesOf>
let text = ''
let keeper: Address

beforeAll(async () => {
  old = await Net.open(parseGenesis(oldText))
  const delegate = (by: number, to: number, coins: bigint) =>
    old.call(by, STAKING, stakingAbi, 'delegate', [at(to)], coins * NOVA)
  const undelegate = (by: number, from: number, coins: bigint) =>
    old.call(by, STAKING, stakingAbi, 'undelegate', [at(from), coins * NOVA])
  await delegate(ALICE, 0, 1_000n)
  await delegate(ALICE, 1, 2_000n)
  await delegate(BOB, 2, 3_000n)
  await delegate(CAROL, 3, 700n)
  await old.send(DAVE, null, hexToBytes(KEEPER))
  await old.call(0, CPU, tokenAbi, 'transfer', [at(DAVE), 123_456n])
  await old.call(DAVE, DID, didAbi, 'setService', [at(DAVE), 'inbox', 'Mail', 'https://dave.example'])
  await old.call(DAVE, AUDIT, auditAbi, 'audit', [
    new Uint8Array(32).fill(1),
    new Uint8Array(32).fill(2),
    new Uint8Array(32).fill(3),
  ])
  await old.call(0, RESOURCES, resourcesAbi, 'fund', [CPU, 10n ** 20n])
  await old.call(0, PARAMS, paramsAbi, 'set', ['staking.minDelegation', 5n])
  const statuses = await old.seal()
  const made = getCreateAddress({ from: (people[DAVE] as Wallet).address, nonce: 0 })
  keeper = asAddress(hexToBytes(made.toLowerCase() as Hex))
  expect(statuses).toEqual(Array(10).fill(1))
  await old.call(BOB, RESOURCES, resourcesAbi, 'stake', [CPU, 10n ** 18n, 86_400n])
  for (let i = 1n; i <= 40n; i++) await old.send(DAVE, keeper, hexToBytes(`0x${word(i * i)}${word(i << 200n)}`))
  expect(await old.seal()).toEqual(Array(41).fill(1))
  await undelegate(ALICE, 1, 500n)
  await undelegate(CAROL, 3, 200n)
  await old.call(BOB, STAKING, stakingAbi, 'redelegate', [at(2), at(1), 1_000n * NOVA])
  expect(await old.seal()).toEqual([1, 1, 1])
  await old.call(ALICE, SLASHING, slashingAbi, 'submitEvidence', [encodeEvidence(old.doubleSign(2, 3))])
  expect(await old.seal()).toEqual([1])
  await old.until(12, { without: [4] })
  await old.until(18)
  await old.call(0, PARAMS, paramsAbi, 'set', ['staking.minDelegation', 6n])
  expect(await old.seal()).toEqual([1])
  await old.until(LAST)
  before = stakesOf(old)
  text = await textOf(old)
})

test('what the network has at its end: somebody jailed, somebody tombstoned, somebody who unbonds, and rewards', () => {
  expect(before.validators.map(({ jailed, tombstoned }) => [jailed, tombstoned])).toEqual([
    [false, false],
    [false, false],
    [false, false],
    [false, true],
    [true, false],
  ])
  expect(before.bonds[1]).toBe(700n * NOVA)
  expect(pendingOf(old.staking, at(ALICE), old.validator(0))).toBeGreaterThan(0n)
})

test('every account has what it had, and stakes, delegations, unbondings and rewards are the same to the wei', async () => {
  const next = await Net.open(parseGenesis(text))
  const [then, now] = [await stateOf(old.kv), await stateOf(next.kv)]
  const fresh = [STAKING, SLASHING, PARAMS].map(bytesToHex)
  const system = ['0x000f3df6d732807ef1319fb7b8bb8522d0beac02', '0x0000f90827f1c53a10cb7a02335b175320002935']
  expect([...now.keys()]).toEqual([...then.keys()])
  for (const [address, account] of then) {
    const { storage, ...rest } = account
    expect(now.get(address)).toMatchObject(rest)
    if (!fresh.includes(address as Hex) && !system.includes(address)) expect(now.get(address)).toEqual(account)
    if (system.includes(address)) expect(now.get(address)?.storage).toBeUndefined()
  }
  const sum = (state: typeof then): bigint =>
    [...state.values()].reduce((wei, { balance }) => wei + BigInt(balance), 0n)
  expect(sum(now)).toBe(sum(then))
  expect(stakesOf(next)).toEqual(before)
  expect(Object.keys(now.get(bytesToHex(keeper))?.storage ?? {})).toHaveLength(40)
  const jailedUntil = (net: Net) =>
    openStore(slashingLayout, committedWords(net.reader, SLASHING)).operators.at(at(4)).jailedUntil.get()
  expect(jailedUntil(next)).toBe(jailedUntil(old))
  expect(jailedUntil(next)).toBeGreaterThan(0n)
  // A number that was set in the epoch before the last block's holds; the one that waits for the next epoch waits for one.
  const minimum = (height: number) => valueIn(committedWords(next.reader, PARAMS), 'staking.minDelegation', height)
  expect([minimum(1), minimum(E), minimum(E + 1)]).toEqual([5n, 5n, 6n])
  expect(notes.join('\n')).toContain('staking: 3 validators')
  expect(notes.join('\n')).toContain('1 validators with')
})

test('the same state makes the same file, whatever came after it; another height makes another', async () => {
  const again = await Net.open(parseGenesis(oldText))
  for (let height = 1; height <= LAST; height++) {
    const block = old.chain.block(height) ?? expect.fail('a block')
    await again.chain.verify(block)
    await again.chain.commit(block, old.chain.commitOf(height) as never)
  }
  await again.send(ALICE, keeper, hexToBytes(`0x${word(1n)}${word(0n)}`))
  await again.send(ALICE, keeper, hexToBytes(`0x${word(77n)}${word(1n)}`))
  await again.until(LAST + 9)
  expect(await textOf(again)).toBe(text)
  expect(await textOf(again, {}, LAST + 9)).not.toBe(text)
  expect(await textOf(again, { time: 4_000_000_000 })).not.toBe(text)
})

test('the new network runs: epochs pass, rewards accrue, who delegated leaves, who was jailed comes back, who unbonds answers for the past alone', async () => {
  const next = await Net.open(parseGenesis(text))
  const { chain } = next
  expect(
    chain
      .validators()
      .members.map(({ address }) => bytesToHex(address))
      .sort(),
  ).toEqual([0, 1, 2].map((i) => bytesToHex(at(i))).sort())
  const earned = pendingOf(next.staking, at(ALICE), next.validator(0))
  await next.until(2 * E + 1)
  expect(pendingOf(next.staking, at(ALICE), next.validator(0))).toBeGreaterThan(earned)
  const { staking } = next
  const entry = (who: number, i: number) => staking.unbondings.at(at(who)).at(at(i)).item(0)
  const owed = penaltyOf(staking, at(3), entry(CAROL, 3))
  expect(owed).toBe(20n * NOVA)
  // Alice left validator 1 on the network before; what it does now is not her concern, but Bob's, who leaves after.
  const height = 2 * E + 1
  await next.call(BOB, STAKING, stakingAbi, 'undelegate', [at(1), 100n * NOVA])
  await next.call(ALICE, STAKING, stakingAbi, 'undelegate', [at(0), 1_000n * NOVA])
  expect(await next.seal()).toEqual([1, 1])
  await next.call(DAVE, SLASHING, slashingAbi, 'submitEvidence', [encodeEvidence(next.doubleSign(height, 1))])
  expect(await next.seal()).toEqual([1])
  const penalty = (who: number, i: number): bigint =>
    penaltyOf(next.staking, at(i), next.staking.unbondings.at(at(who)).at(at(i)).item(0))
  expect([penalty(ALICE, 1), penalty(BOB, 1), penalty(CAROL, 3)]).toEqual([0n, 10n * NOVA, owed])
  // Evidence of the network that ended is worth nothing here.
  await next.call(DAVE, SLASHING, slashingAbi, 'submitEvidence', [encodeEvidence(old.doubleSign(LAST - 1, 0))])
  expect(await next.seal()).toEqual([0])
  await next.seal({ intervalMs: 4_000_000 })
  for (const who of [ALICE, BOB, CAROL]) await next.call(who, STAKING, stakingAbi, 'withdrawUnbonded', [])
  await next.call(4, SLASHING, slashingAbi, 'unjail', [])
  await next.call(3, SLASHING, slashingAbi, 'unjail', [])
  // Beside what hooks logged.
  expect((await next.seal()).slice(0, 5).sort()).toEqual([0, 1, 1, 1, 1])
  expect(next.validator(4).at.jailed.get()).toBe(false)
  await next.until(5 * E)
  const { supply, minting } = next.staking
  const all = [...(await stateOf(next.kv)).values()].reduce((wei, { balance }) => wei + BigInt(balance), 0n)
  const [minted, burnt] = before.supply as [bigint, bigint]
  const had = next.genesis.carried?.supplyWei ?? 0n
  const gained = supply.minted.get() + minting.amount.get() - minted - (supply.burnt.get() - burnt)
  // Beside what staking mints and burns, base fees burn.
  expect(all).toBeLessThanOrEqual(had + gained)
  expect(all).toBeGreaterThan(had + gained - NOVA)
})

test('a second move counts on: old offences stay old', async () => {
  const next = await Net.open(parseGenesis(text))
  await next.until(E + 2)
  const third = await Net.open(parseGenesis(await textOf(next, { chainId: 8_008 }, E + 2)))
  expect(third.staking.clock.epochsBefore.get()).toBe(next.staking.clock.epochsBefore.get() + 2n)
  await third.until(3)
  const entry = third.staking.unbondings.at(at(CAROL)).at(at(3)).item(0)
  expect(penaltyOf(third.staking, at(3), entry)).toBe(20n * NOVA)
})

test('nobody founds it: it has its validators', () => {
  expect(() => addFounders(text, 'next.json', [])).toThrow(expect.objectContaining({ code: 'CEREMONY_CARRIED' }))
})

test('refused: the same chain id, a time that goes back', async () => {
  const { chainId, time } = { chainId: Number(old.genesis.chainId), time: old.chain.head().header.time }
  await expect(textOf(old, { chainId })).rejects.toMatchObject({ code: 'CARRY_CHAIN' })
  expect(parseGenesis(await textOf(old, { chainId, isSameChain: true })).chainId).toBe(old.genesis.chainId)
  await expect(textOf(old, { time })).rejects.toMatchObject({ code: 'CARRY_TIME' })
})

test('a bridge that is connected is named; reset, its positions begin anew and its routes are closed', async () => {
  const net = await Net.open(parseGenesis(oldText))
  const vault = asAddress(new Uint8Array(20).fill(0xaa))
  const coin = asAddress(new Uint8Array(20))
  const remote = new Uint8Array(32).fill(5)
  await net.call(0, BRIDGE, bridgeAbi, 'setChain', [1n, vault])
  await net.call(0, BRIDGE, bridgeAbi, 'setRoute', [1n, coin, remote, 10n ** 30n, 10n ** 30n, true])
  expect(await net.seal()).toEqual([1, 1])
  await expect(textOf(net, {}, 1)).rejects.toMatchObject({ code: 'CARRY_BRIDGE' })
  const carried = await Net.open(parseGenesis(await textOf(net, { isBridgeReset: true }, 1)))
  expect(notes.join('\n')).toContain('1 of 1 routes are closed')
  await carried.call(0, BRIDGE, bridgeAbi, 'setChain', [1n, asAddress(new Uint8Array(20).fill(0xbb))])
  expect(await carried.seal()).toEqual([1])
})

test('messages under way when a bridge is reset: both directions begin at 1 again, and what is outstanding is owed on', async () => {
  const net = await Net.open(parseGenesis(oldText))
  const vaults = [0xaa, 0xbb].map((byte) => asAddress(new Uint8Array(20).fill(byte))) as [Address, Address]
  const [there, coin, remote] = [1n, asAddress(new Uint8Array(20)), new Uint8Array(32).fill(5)]
  const connect = async (on: Net, vault: Address): Promise<void> => {
    await on.call(0, BRIDGE, bridgeAbi, 'setChain', [there, vault])
    await on.call(0, BRIDGE, bridgeAbi, 'setRoute', [there, coin, remote, 10n ** 30n, 10n ** 30n, true])
  }
  const send = (on: Net, coins: bigint) =>
    on.call(ALICE, BRIDGE, bridgeAbi, 'send', [there, at(BOB), coin, coins * NOVA, new Uint8Array(0)], coins * NOVA)
  const deliver = (on: Net, vault: Address, sequence: bigint) => {
    const { chain, genesis } = on
    const message = {
      ...{ sourceChain: there, targetChain: genesis.chainId, sequence, refundOf: new Uint8Array(32) },
      ...{ deadline: 10n ** 12n, sender: new Uint8Array(32).fill(7), recipient: at(DAVE) },
      ...{ token: remote, amount: NOVA, data: new Uint8Array(0) },
    }
    const set = chain.validators()
    const domain = { chainId: genesis.chainId, genesisHash: chain.genesisHash }
    const digest = signBytes(domain, SignType.attest, attestPayload(there, vault, messageId(message)))
    const signature = curves().blsAggregate(set.members.map((member) => curves().blsSign(secretOf(member), digest)))
    const everybody = bitmapOf([...set.members.keys()], set.members.length)
    const proof = encodeProof([BigInt(epochOf(chain.head().header.number + 1, E)), everybody, signature])
    return on.call(CAROL, BRIDGE, bridgeAbi, 'deliver', [message, proof])
  }
  const bridgeOf = (on: Net) => openStore(bridgeLayout, committedWords(on.reader, BRIDGE))
  const placeOf = (on: Net) => {
    const place = bridgeOf(on).chains.at(there)
    return { sent: place.sent.get(), settled: place.settled.get() }
  }
  const outstanding = (on: Net): bigint => bridgeOf(on).routes.at(there).at(coin).outstanding.get()

  await connect(net, vaults[0])
  for (let i = 0; i < 3; i++) await send(net, 10n)
  expect(await net.seal()).toEqual([1, 1, 1, 1, 1])
  // The first, and one far ahead of what is missing.
  for (const sequence of [1n, 700n]) await deliver(net, vaults[0], sequence)
  expect(await net.seal()).toEqual([1, 1])
  expect([placeOf(net), outstanding(net)]).toEqual([{ sent: 3n, settled: 2n }, 28n * NOVA])

  const next = await Net.open(parseGenesis(await textOf(net, { isBridgeReset: true }, 2)))
  expect(notes.join('\n')).toMatch(
    /3 messages sent and 2 settled are forgotten, 1 of 1 routes are closed, 28000000000000000000 of their tokens stay outstanding/,
  )
  expect([placeOf(next), outstanding(next)]).toEqual([{ sent: 0n, settled: 0n }, 28n * NOVA])
  for (let sequence = 1n; sequence <= 3n; sequence++)
    expect(bytesToHex(bridgeOf(next).links.at(there).at(sequence).get())).toBe(`0x${word(0n)}`)
  await send(next, 1n) // closed
  expect(await next.seal()).toEqual([0])
  await connect(next, vaults[1])
  await send(next, 1n)
  expect(await next.seal()).toEqual([1, 1, 1])
  for (const sequence of [1n, 700n]) await deliver(next, vaults[1], sequence)
  await deliver(next, vaults[0], 2n) // of the vault that knows the other network
  expect(await next.seal()).toEqual([1, 1, 0])
  expect([placeOf(next), outstanding(next)]).toEqual([{ sent: 1n, settled: 2n }, 27n * NOVA])
})

test.each<[string, (json: Json) => void, RegExp]>([
  ['a stake of nothing', (json) => (json.novachain.validators[0].stake = '0'), /validators\.0\.stake: from 1 NOVA/],
  [
    'another stake',
    (json) => (json.novachain.validators[0].stake = `${NOVA}`),
    /validators\.0\.stake: .* the state of staking has/,
  ],
  [
    'a key twice',
    (json) => (json.novachain.validators[1].blsKey = json.novachain.validators[0].blsKey),
    /validators\.1\.blsKey: the same as of validator 0/,
  ],
  [
    'another key',
    (json) => (json.novachain.validators[0].blsKey = bytesToHex(curves().blsPublicKey(new Uint8Array(32).fill(9)))),
    /validators\.0\.blsKey: the state of staking has/,
  ],
  [
    'no key',
    (json) => (json.novachain.validators[0].blsKey = `0x${'11'.repeat(48)}`),
    /validators\.0\.blsKey: it is no public key/,
  ],
  [
    'a key at infinity',
    (json) => (json.novachain.validators[0].blsKey = `0xc0${'00'.repeat(47)}`),
    /validators\.0\.blsKey: it is no public key/,
  ],
  [
    'neither proof nor word',
    (json) => delete json.novachain.validators[0].carried,
    /validators\.0\.proofOfPossession: it is missing/,
  ],
  [
    'a validator less',
    (json) => json.novachain.validators.pop(),
    /novachain\.validators: 2, and the first set in the state of staking has 3/,
  ],
  [
    'a wei more',
    (json) => (json.alloc[bytesToHex(at(DAVE))].balance = `${BigInt(json.alloc[bytesToHex(at(DAVE))].balance) + 1n}`),
    /alloc: balances sum to/,
  ],
  ['an account less', (json) => delete json.alloc[bytesToHex(at(DAVE))], /alloc: balances sum to/],
  ['nothing carried', (json) => delete json.novachain.carried, /validators\.0\.carried: nobody vouches/],
  [
    'a state without staking',
    (json) => {
      json.alloc[bytesToHex(at(0))].balance =
        `${BigInt(json.alloc[bytesToHex(at(0))].balance) + BigInt(json.alloc[bytesToHex(STAKING)].balance)}`
      delete json.alloc[bytesToHex(STAKING)]
    },
    /alloc\.0x0+801: the state of staking is missing/,
  ],
  [
    'stakes that do not sum',
    (json) => (json.alloc[bytesToHex(STAKING)].storage[`0x${word(1n)}`] = `0x${word(5n)}`),
    /alloc\.0x0+801: the stakes of its validators sum to/,
  ],
  [
    'wei that staking lacks',
    (json) => {
      const [rich, poor] = [json.alloc[bytesToHex(at(0))], json.alloc[bytesToHex(STAKING)]]
      rich.balance = `${BigInt(rich.balance) + BigInt(poor.balance)}`
      poor.balance = '0'
    },
    /alloc\.0x0+801\.balance|\.balance: 0 wei/,
  ],
  [
    'a module of another release',
    (json) =>
      (json.alloc['0x00000000000000000000000000000000000008ee'] = {
        balance: '0',
        code: '0x60006000fd',
        storage: { [`0x${word(1n)}`]: `0x${word(1n)}` },
      }),
    /08ee: the state of a module that this release does not have/,
  ],
  [
    'code where a module is',
    (json) => (json.alloc[bytesToHex(AUDIT)].code = '0x00'),
    /0840\.code: a module has the code/,
  ],
  ['a section of a module', (json) => (json.novachain.modules.audit = {}), /modules\.audit: it goes on with its state/],
  [
    'other epochs',
    (json) => (json.novachain.epochBlocks = 7),
    /novachain\.epochBlocks: 7, and the state of params was made for 6/,
  ],
  [
    'another block',
    (json) => (json.novachain.carried.blockHash = `0x${word(1n)}`),
    /novachain\.carried\.blockHash: mixHash is 0x\w+, and both are the last block/,
  ],
  ['another time', (json) => (json.timestamp += 1), /it has no set of validators that begins at/],
  ['an unknown word', (json) => (json.alloc[bytesToHex(at(0))].owner = 1), /unrecognized key: "owner"/],
])('a file that somebody edited is refused: %s', async (_, damage, says) => {
  const json: Json = JSON.parse(text)
  damage(json)
  const open = async () => {
    const genesis = parseGenesis(JSON.stringify(json))
    await openSealedChain(genesis, createMemoryKv())
  }
  await expect(open()).rejects.toMatchObject({ code: 'GENESIS_INVALID', message: expect.stringMatching(says) })
})

test.each<[string, unknown]>([
  ['chainId', 5],
  ['genesisHash', `0x${word(5n)}`],
  ['height', LAST + 1],
  ['stateRoot', `0x${word(5n)}`],
])(
  'what it says of the network before cannot be told from the accounts, but names it: another %s is another network',
  (field, value) => {
    const json: Json = JSON.parse(text)
    json.novachain.carried[field] = value
    expect(bytesToHex(parseGenesis(JSON.stringify(json)).rulesHash)).not.toBe(bytesToHex(parseGenesis(text).rulesHash))
  },
)
