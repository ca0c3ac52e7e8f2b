// The state of one network as the genesis of the next: every account as it is, but where modules and system contracts know heights, epochs
// and networks that are no more. Owns what goes on and what ends, and the text of the file, which is the same wherever it is made.
import { bytesToHex, equalBytes, type Hash, type Hex, type Word } from './base/bytes.ts'
import { keccak } from './base/crypto.ts'
import { assert, defineErrors, NodeError } from './base/errors.ts'
import type { Kv } from './base/ports.ts'
import { SYSTEM_CONTRACTS } from './exec/genesis.ts'
import { createState } from './exec/state.ts'
import { type WalkedAccount, walkState } from './export.ts'
import { bridgeReadsOf, carriedMembers, freshNatives, leaveNatives } from './native/index.ts'
import { openReader } from './store/state.ts'
import { type Block, leastIntervalMs } from './types/block.ts'
import type { Rules } from './types/genesis.ts'
import type { Changes, Reader } from './types/state.ts'
import { epochOf } from './types/validators.ts'

export const CarryErrors = defineErrors('CARRY', {
  TIME: {
    text: (d: { time: number; head: number; height: number }) =>
      `the genesis time, ${d.time}, is not after block ${d.height}, which is of ${d.head}: what unbonds, is paused or expires is counted in seconds that must go on`,
  },
  CHAIN: {
    text: (d: { chainId: number }) =>
      `${d.chainId} is the chain id of this network: whatever was signed here would count in the new one, where nonces go on. Choose another, or ` +
      'say --same-chain-id if this network is gone for good',
  },
  BRIDGE: {
    text: (d: { chains: readonly bigint[] }) =>
      `the bridge is connected with chain ${d.chains.join(' and ')}: the contracts there know this network and no other, and what is under way is lost to the new one. ` +
      'Close the routes and wait for what is under way, then say --reset-bridge: positions begin anew, routes stay closed until governance names new vaults',
  },
})

export interface Wish {
  readonly chainId: number
  /** Seconds. */
  readonly time: number
  /** The chain id may be the same. */
  readonly isSameChain: boolean
  /** Positions of the bridge may begin anew. */
  readonly isBridgeReset: boolean
}

export interface Carried {
  /** What was done beside copying, in sentences. */
  readonly notes: readonly string[]
  readonly accounts: number
  /** Of all accounts. What is bonded is the account's of staking. */
  readonly supplyWei: bigint
  /** The file, piece by piece. */
  text(): AsyncIterable<string>
}

/** Looks at all balances once; nothing is held of them. Throws CARRY_*, STATE_PRUNED and STORE_CORRUPT. */
export async function carryState(
  from: { readonly kv: Kv; readonly block: Block; readonly rules: Rules; readonly genesisHash: Hash },
  wish: Wish,
): Promise<Carried> {
  const { kv, block, rules } = from
  const { number: height, time: head } = block.header
  if (wish.time <= head) throw new NodeError(CarryErrors.TIME, { time: wish.time, head, height })
  if (BigInt(wish.chainId) === rules.chainId && !wish.isSameChain)
    throw new NodeError(CarryErrors.CHAIN, { chainId: wish.chainId })
  const { changes, notes, state } = leaveState(from, wish)
  let [accounts, supplyWei] = [0, 0n]
  for await (const { balance } of walkState(kv, height)) {
    accounts++
    supplyWei += balance
  }
  const said = [
    ...notes,
    `blocks: ${height} blocks with their transactions and receipts, and the last block hashes in state, end with this network`,
  ]
  return { notes: said, accounts, supplyWei, text: () => textOf(from, wish, { changes, state, supplyWei }) }
}

interface Leaving {
  readonly changes: Changes
  readonly notes: readonly string[]
  /** As it is left. */
  readonly state: Reader
}
const leaveState = ({ kv, block, rules }: Parameters<typeof carryState>[0], wish: Wish): Leaving => {
  const { header, hash } = block
  const reader = openReader(kv, header.number)
  const chains = bridgeReadsOf(reader).chains()
  if (chains.length > 0 && !wish.isBridgeReset) throw new NodeError(CarryErrors.BRIDGE, { chains })
  const isFresh = (address: Uint8Array): boolean => freshNatives.some((each) => equalBytes(each, address))
  const state = createState({
    account: (address) => reader.account(address),
    code: (codeHash) => reader.code(codeHash),
    slot: (address, key) => (isFresh(address) ? 0n : reader.slot(address, key)),
  })
  state.begin()
  const { gasLimit, baseFeeWei, coinbase } = header
  const notes = leaveNatives(
    state,
    {
      ...{ chainId: BigInt(wish.chainId), time: wish.time, gasLimit, baseFeeWei, coinbase },
      ...{ mixHash: hash, rulesHash: hash },
    },
    {
      ...{ epoch: epochOf(header.number + 1, rules.epochBlocks), epochBlocks: rules.epochBlocks },
      ...{ intervalMs: leastIntervalMs(rules.blockTimeMs), startTime: wish.time, seed: hash },
      words: (address) => ({
        get: (key) => reader.slot(address, key),
        set: () => assert(false, 'the state that is left stays as it is'),
      }),
    },
  )
  state.end()
  const changes = state.changes()
  for (const { address, account } of changes.accounts)
    assert(account?.balance === reader.account(address)?.balance, 'no wei come or go between two networks')
  return { changes, notes, state }
}

const quoted = (value: bigint | string): string => `"${value}"`
const word = (value: Word): Hex => `0x${value.toString(16).padStart(64, '0')}`

/** The rules first, where somebody who opens the file looks. */
async function* textOf(
  { kv, block, rules, genesisHash }: Parameters<typeof carryState>[0],
  wish: Wish,
  { changes, state, supplyWei }: Pick<Leaving, 'changes' | 'state'> & { readonly supplyWei: bigint },
): AsyncIterable<string> {
  const { header, hash } = block
  const { treasury, ...fees } = rules.fees
  const head = {
    config: { chainId: wish.chainId },
    timestamp: wish.time,
    extraData: bytesToHex(rules.extraData),
    gasLimit: `${header.gasLimit}`,
    mixHash: bytesToHex(hash),
    coinbase: bytesToHex(rules.coinbase),
    baseFeePerGas: `${header.baseFeeWei}`,
    novachain: {
      blockTimeMs: rules.blockTimeMs,
      epochBlocks: rules.epochBlocks,
      fees: { ...fees, treasury: bytesToHex(treasury) },
      validators: validatorsOf(state, rules),
      modules: {},
      carried: {
        chainId: Number(rules.chainId),
        genesisHash: bytesToHex(genesisHash),
        height: header.number,
        blockHash: bytesToHex(hash),
        stateRoot: bytesToHex(header.stateRoot),
        supply: `${supplyWei}`,
      },
      development: rules.development,
    },
  }
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "alloc": {`
  let separator = '\n'
  for await (const account of walkState(kv, header.number)) {
    for await (const piece of entryOf(account, changes)) {
      yield separator + piece
      separator = ''
    }
    if (separator === '') separator = ',\n'
  }
  yield '\n  }\n}\n'
}

/** Peers' names are kept in state by their hash alone: those that the genesis before told are known. */
const validatorsOf = (state: Reader, rules: Rules): readonly object[] => {
  const peers = new Map(
    rules.founders.flatMap(({ peerId }) =>
      peerId === null ? [] : [[bytesToHex(keccak(new TextEncoder().encode(peerId))), peerId] as const],
    ),
  )
  return carriedMembers(state).map(({ operator, blsKey, stakeWei, commissionBps, moniker, peerIdDigest }) => {
    const peerId = peers.get(bytesToHex(peerIdDigest))
    const names = { address: bytesToHex(operator), blsKey: bytesToHex(blsKey), carried: true }
    return { ...names, stake: `${stakeWei}`, commissionBps, moniker, ...(peerId !== undefined && { peerId }) }
  })
}

/** Its storage in pieces; nothing for who has nothing that goes on. */
async function* entryOf(account: WalkedAccount, changes: Changes): AsyncIterable<string> {
  const { address, balance, nonce, code } = account
  const isSystem = SYSTEM_CONTRACTS.some((each) => each.address === bytesToHex(address))
  if (isSystem && balance === 0n) return
  let text = `    ${quoted(bytesToHex(address))}: {"balance":${quoted(balance)}`
  if (nonce > 0n) text += `,"nonce":${quoted(nonce)}`
  if (isSystem) {
    yield `${text}}`
    return
  }
  if (code !== null) text += `,"code":${quoted(bytesToHex(code))}`
  let separator = ',"storage":{'
  for await (const [key, value] of slotsOf(account, changes)) {
    text += `${separator}${quoted(key)}:${quoted(value)}`
    separator = ','
    if (text.length < PIECE_CHARS) continue
    yield text
    text = ''
  }
  yield `${text}${separator === ',' ? '}' : ''}}`
}
/** Of a storage that is longer. */
const PIECE_CHARS = 64 * 1024

async function* slotsOf(account: WalkedAccount, changes: Changes): AsyncIterable<readonly [Hex, Hex]> {
  const { address } = account
  const own = changes.accounts.find((each) => equalBytes(each.address, address))
  const changed = new Map((own?.slots ?? []).map(({ key, value }) => [word(key), value] as const))
  if (!freshNatives.some((each) => equalBytes(each, address)))
    for await (const [key, value] of account.slots()) if (!changed.has(key)) yield [key, value]
  const sorted = [...changed].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, value] of sorted) if (value !== 0n) yield [key, word(value)]
}
