// Random transaction sequences through our rules, journal and engine, and through the library's runTx with its own state manager: the
// same gas, status, logs and state root after every transaction.
import { createBlock } from '@ethereumjs/block'
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { MerkleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP } from '@ethereumjs/tx'
import { createAccount, createAddressFromString } from '@ethereumjs/util'
import { createVM, runTx as runLibraryTx } from '@ethereumjs/vm'
import { Wallet } from 'ethers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { createState } from '../../chain/exec/state.ts'
import { runTx } from '../../chain/exec/tx.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import { checkTxGas, decodeTx } from '../../chain/types/tx.ts'
import { createMemoryState } from '../kit/memory-state.ts'

installCurves(nativeCurves)
const CHAIN_ID = 662_607n
const GAS_LIMIT = 100_000_000n
const wallets = [1, 2, 3].map((n) => new Wallet(`0x${n.toString(16).padStart(64, '0')}`))
const RICH = 10n ** 20n
const coinbase = `0x${'cc'.repeat(20)}`

/** Contracts that store, clear, log, call on, revert, make another, and destroy themselves. */
const CONTRACTS: Readonly<Record<string, string>> = {
  [`0x${'a1'.repeat(20)}`]: '0x6000356000556020356001556000600155600054600755600060006000a0', // stores and clears
  [`0x${'a2'.repeat(20)}`]:
    '0x60003560005260206000600060003573a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a15af160005560206000a0', // calls on
  [`0x${'a3'.repeat(20)}`]: '0x600160005560006000fd', // stores and reverts
  [`0x${'a4'.repeat(20)}`]: '0x6460016000f3ff60d81b600052600560006000f0600055', // makes a contract
  [`0x${'a5'.repeat(20)}`]: '0x33ff', // destroys itself
  [`0x${'a6'.repeat(20)}`]: '0x5b600056', // burns its gas
  [`0x${'a7'.repeat(20)}`]: '0x60003560205260406000a060003554600055', // logs and reads
}
const targets = [
  ...Object.keys(CONTRACTS),
  coinbase,
  `0x${'00'.repeat(19)}04`,
  `0x${'de'.repeat(20)}`,
  ...wallets.map((w) => w.address),
]

const arbTx = fc.record({
  from: fc.nat(2),
  to: fc.option(fc.constantFrom(...targets), { freq: 8 }),
  value: fc.constantFrom(0n, 1n, 10n ** 15n, RICH),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 70 }),
    fc.constantFrom('0x33ff', '0x60016000556000600055', '0x6001600081a160016000f3').map(hexToBytes),
  ),
  gasLimit: fc.constantFrom(21_000, 25_000, 60_000, 200_000, 2_000_000),
  type: fc.constantFrom(0, 1, 2),
  tipWei: fc.constantFrom(0n, 1n, 5n),
  keys: fc.array(fc.constantFrom(0, 1, 7), { maxLength: 2 }),
})
type Draft = typeof arbTx extends fc.Arbitrary<infer T> ? T : never

const context: BlockContext = {
  chainId: CHAIN_ID,
  number: 1,
  time: 1_800_000_000,
  coinbase: asAddress(hexToBytes(coinbase)),
  gasLimit: GAS_LIMIT,
  baseFeeWei: 7n,
  prevRandao: asHash(new Uint8Array(32)),
  parentBeaconBlockRoot: asHash(new Uint8Array(32)),
  domain: { chainId: CHAIN_ID, genesisHash: asHash(new Uint8Array(32)) },
  ethereum: 'osaka',
  lastCommit: null,
  blockHash: () => asHash(new Uint8Array(32)),
}
const common = createCustomCommon({ chainId: Number(CHAIN_ID) }, Mainnet, {
  hardfork: Hardfork.Osaka,
  customCrypto: { keccak256: keccak },
})

const openLibrary = async () => {
  const stateManager = new MerkleStateManager({ common })
  const vm = await createVM({ common, stateManager })
  for (const { address } of wallets)
    await stateManager.putAccount(createAddressFromString(address), createAccount({ balance: RICH }))
  for (const [hex, code] of Object.entries(CONTRACTS)) {
    await stateManager.putAccount(createAddressFromString(hex), createAccount({ nonce: 1n, balance: 1_000n }))
    await stateManager.putCode(createAddressFromString(hex), hexToBytes(code))
  }
  const header = {
    number: 1,
    timestamp: context.time,
    gasLimit: GAS_LIMIT,
    baseFeePerGas: 7n,
    coinbase: createAddressFromString(coinbase),
  }
  return { vm, stateManager, block: createBlock({ header }, { common }) }
}
const openOurs = () => {
  const memory = createMemoryState()
  const none = { nonce: 0n, balance: RICH, code: new Uint8Array(0), slots: [] }
  for (const { address } of wallets) memory.put(address, none)
  for (const [hex, code] of Object.entries(CONTRACTS))
    memory.put(hex, { nonce: 1n, balance: 1_000n, code: hexToBytes(code), slots: [] })
  return memory
}

const signed = (draft: Draft, nonce: number): Promise<string> => {
  const { type, to, value, data, gasLimit, tipWei, keys } = draft
  const price = type === 2 ? { maxFeePerGas: 20n, maxPriorityFeePerGas: tipWei } : { gasPrice: 7n + tipWei }
  const list = {
    address: Object.keys(CONTRACTS)[0] ?? '',
    storageKeys: [...new Set(keys)].map((key) => `0x${key.toString(16).padStart(64, '0')}`),
  }
  const accessList = type === 0 ? {} : { accessList: [list] }
  const wallet = wallets[draft.from] as Wallet
  return wallet.signTransaction({
    type,
    chainId: CHAIN_ID,
    nonce,
    to,
    value,
    data: bytesToHex(data),
    gasLimit,
    ...price,
    ...accessList,
  })
}

test('random sequences: the same gas, status, logs and root as the library', async () => {
  const engine = createReferenceEngine({ chainId: CHAIN_ID })
  const deps = {
    engine,
    natives: new Map(),
    fees: { burnBps: 10_000, recipientBps: 0, stakersBps: 0, treasuryBps: 0, treasury: context.coinbase },
  }
  const outcomes = { success: 0, revert: 0, fault: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(arbTx, { minLength: 1, maxLength: 8 }), async (drafts) => {
      const [library, memory] = [await openLibrary(), openOurs()]
      const nonces = [0, 0, 0]
      for (const draft of drafts) {
        const raw = hexToBytes(await signed(draft, nonces[draft.from] ?? 0))
        const theirs = await runLibraryTx(library.vm, {
          tx: createTxFromRLP(raw, { common }),
          block: library.block,
          skipBlockGasLimitValidation: true,
        }).catch(() => null)
        const state = createState(memory)
        const tx = decodeTx(raw, CHAIN_ID)
        const ours = await (async () => checkTxGas(tx))()
          .then(() => runTx(deps, tx, state, context, GAS_LIMIT))
          .catch((error: unknown) => {
            if (error instanceof NodeError && error.code.startsWith('TX_')) return null
            throw error
          })
        expect(ours === null).toBe(theirs === null)
        outcomes[ours?.outcome ?? 'refused']++
        if (ours === null || theirs === null) continue
        nonces[draft.from] = (nonces[draft.from] ?? 0) + 1
        memory.apply(state.changes())
        expect(ours.gasUsed).toBe(theirs.totalGasSpent)
        expect(ours.status).toBe('status' in theirs.receipt ? theirs.receipt.status : -1)
        expect(ours.logs.map((log) => bytesToHex(log.data))).toEqual(
          theirs.receipt.logs.map(([, , data]) => bytesToHex(data)),
        )
        expect(bytesToHex(await memory.root())).toBe(bytesToHex(await library.stateManager.getStateRoot()))
      }
    }),
    { numRuns: 150 },
  )
  // The sequences are worth something only while each kind of ending is among them.
  expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(5)
})
