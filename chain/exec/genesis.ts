// The genesis block: what state the accounts, system contracts and native modules of genesis.json make, and the header over
// it. Owns the choice of predeployed contracts.
import { asAddress, asHash, type Hash, hexToBytes } from '../base/bytes.ts'
import { EMPTY_ROOT } from '../base/crypto.ts'
import { assert } from '../base/errors.ts'
import { seedNatives } from '../native/index.ts'
import { type Block, type Header, headerHash } from '../types/block.ts'
import type { Genesis, GenesisAccount } from '../types/genesis.ts'
import type { Changes, Reader } from '../types/state.ts'
import { createState } from './state.ts'

/** EIP-4788 (beacon roots) and EIP-2935 (block hashes). Those of 7002 and 7251 are left out: there are no requests here. */
export const SYSTEM_CONTRACTS: readonly { readonly address: string; readonly code: string }[] = [
  {
    address: '0x000f3df6d732807ef1319fb7b8bb8522d0beac02',
    code: '0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500',
  },
  {
    address: '0x0000f90827f1c53a10cb7a02335b175320002935',
    code: '0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500',
  },
]

const nothing: Reader = {
  account: () => undefined,
  slot: () => 0n,
  code(): never {
    return assert(false, 'an empty state has no code') as never // assert(false) throws
  },
}

/** Everything the genesis state holds. Throws GENESIS_INVALID where a native module refuses its section. */
export function genesisChanges(genesis: Genesis): Changes {
  const state = createState(nothing)
  state.begin()
  for (const { address, code } of SYSTEM_CONTRACTS)
    plant({ address: asAddress(hexToBytes(address)), nonce: 1n, balance: 0n, code: hexToBytes(code), storage: [] })
  for (const account of genesis.accounts) plant(account)
  seedNatives(state, genesis)
  state.end()
  return state.changes()

  function plant(entry: GenesisAccount): void {
    const account = state.load(entry.address)
    if (entry.balance > 0n) state.setBalance(account, account.balance + entry.balance)
    if (entry.nonce > 0n) state.setNonce(account, entry.nonce)
    if (entry.code.length > 0) state.setCode(account, entry.code)
    for (const [key, value] of entry.storage) state.setSlot(state.loadSlot(account, key), value)
  }
}

/** The genesis block over that state's root. `parentBeaconBlockRoot` commits to every rule of genesis.json, so the hash names the network. */
export function genesisBlock(genesis: Genesis, stateRoot: Hash): Block {
  const header: Header = {
    parentHash: asHash(new Uint8Array(32)),
    coinbase: genesis.coinbase,
    stateRoot,
    transactionsRoot: EMPTY_ROOT,
    receiptsRoot: EMPTY_ROOT,
    bloom: new Uint8Array(256),
    number: 0,
    gasLimit: genesis.gasLimit,
    gasUsed: 0n,
    time: genesis.time,
    extraData: genesis.extraData,
    prevRandao: genesis.mixHash,
    baseFeeWei: genesis.baseFeeWei,
    parentBeaconBlockRoot: genesis.rulesHash,
  }
  return { header, hash: headerHash(header), txs: [], section: null }
}
