// What users do, each as a case of one transaction: on these, engines are compared at every gas limit, and in blocks. Owns the contracts they use.
import { createRequire } from 'node:module'
import { Interface } from 'ethers'
import { type Address, asAddress, bytesToHex, concat, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { assert } from '../../chain/base/errors.ts'
import type { Engine } from '../../chain/exec/engine.ts'
import { createReferenceEngine } from '../../chain/exec/reference.ts'
import { createState } from '../../chain/exec/state.ts'
import { runTx } from '../../chain/exec/tx.ts'
import { abi as paramsAbi } from '../../chain/native/params/abi.ts'
import { abi as stakingAbi } from '../../chain/native/staking/abi.ts'
import { type CaseAccount, type CaseTx, CHAIN_ID, type EngineCase, genesis, txOf } from './engine-cases.ts'
import { caseBlock, caseFees, runEngineCase, worldOf } from './engine-runs.ts'

const account = (first: number, n: number): Address => asAddress(Uint8Array.of(first, ...new Uint8Array(18), n))
export const USERS = [1, 2, 3].map((n) => account(0xf0, n))
const [USER, OTHER] = USERS as [Address, Address]
const hex = (address: Address): string => bytesToHex(address).slice(2)

const { abi, bytecode } = createRequire(import.meta.url)(
  '@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json',
) as { abi: readonly object[]; bytecode: Hex }
const erc20 = new Interface(abi as ConstructorParameters<typeof Interface>[0])
export const TOKEN = account(0x20, 1)
export const transferData = (to: Address, amount: bigint): Uint8Array =>
  hexToBytes(erc20.encodeFunctionData('transfer', [bytesToHex(to), amount]))

const [CHAIN, MIDDLE, WRITER, REVERTER, CREATOR] = [1, 2, 3, 4, 5].map((n) => account(0x21, n)) as Address[] as [
  ...[Address, Address, Address, Address, Address],
]
/** SSTORE(1, 42), and as code: SSTORE(2, CALLER). */
const INITCODE = '602a60015563336002555f526004601cf3'
const CODES: readonly (readonly [Address, readonly string[]])[] = [
  // Adds one to slot 1, logs and returns it.
  [WRITER, ['60015460010180600155', '5f52', '602a60205fa1', '60205ff3']],
  [REVERTER, ['60015f55', '60aa5f5260205ffd']],
  // The writer's code on its own slots, the size of the answer, what reverts, and what may not write.
  [
    MIDDLE,
    [
      ...[`5f5f5f5f73${hex(WRITER)}5af4600255`, '3d600355'],
      ...[`5f5f5f5f5f73${hex(REVERTER)}5af1600455`, `5f5f5f5f73${hex(WRITER)}610bb8fa600555`],
    ],
  ],
  [CHAIN, [`5f5f5f5f5f73${hex(MIDDLE)}5af1600155`, '3d5f5f3e3d5fa0', `5f5f5f5f600173${hex(USER)}5af1600255`]],
  // Makes a contract at the next nonce and one at a salt, and calls the first.
  [CREATOR, [`70${INITCODE}5f52`, '6011600f5ff0', '5f5f5f5f5f855af1600155', '5f6011600f5ff5600255']],
]

/** Initcode of the token: who holds all of it. */
export const tokenCode = (holder: Address): Uint8Array =>
  concat(hexToBytes(bytecode), hexToBytes(erc20.encodeDeploy(['Token', 'TKN', 10n ** 24n, bytesToHex(holder)])))

/** The OpenZeppelin token, deployed by its own constructor; the first user holds all of it. */
const deployToken = async (): Promise<CaseAccount> => {
  const tx: CaseTx = { ...CALL, to: null, data: tokenCode(USER), gas: 5_000_000n }
  const state = createState(worldOf({ accounts: users() }))
  const deps = { engine: createReferenceEngine({ chainId: CHAIN_ID }), natives: new Map(), fees: caseFees }
  const { created } = await runTx(deps, txOf(tx, 0n), state, caseBlock, caseBlock.gasLimit)
  const made = state
    .changes()
    .accounts.find(({ address }) => created !== null && bytesToHex(address) === bytesToHex(created))
  assert(created !== null && made !== undefined, 'the token deploys')
  const slots = made.slots.map(({ key, value }) => [key, value] as const)
  return { address: TOKEN, nonce: 1n, balance: 0n, code: state.codeOf(state.load(created)).bytes, slots }
}
const users = (): CaseAccount[] =>
  USERS.map((address) => ({ address, nonce: 0n, balance: 10n ** 24n, code: new Uint8Array(0), slots: [] }))

const CALL: CaseTx = {
  ...{ type: 2, from: USER, to: TOKEN, value: 0n, data: new Uint8Array(0), gas: 1_000_000n },
  ...{ accessList: [], authorizations: [], maxFeeWei: 20n, maxTipWei: 1n },
}
const native = (n: number): Address => asAddress(Uint8Array.of(...new Uint8Array(18), 8, n))
const encode = (functions: object, name: string, args: readonly unknown[]): Uint8Array =>
  hexToBytes(
    new Interface(Object.values(functions).map((each: { source: string }) => each.source)).encodeFunctionData(
      name,
      args,
    ),
  )
const founder = bytesToHex(genesis.accounts[0]?.address ?? USER)

/** Each with more gas than it needs. */
export async function openWorkloads(): Promise<{
  readonly accounts: readonly CaseAccount[]
  readonly txs: Readonly<Record<string, CaseTx>>
}> {
  const token = await deployToken()
  const contracts = CODES.map(([address, parts]) => ({
    ...{ address, nonce: 1n, balance: 10n, code: hexToBytes(`0x${parts.join('')}`), slots: [[1n, 5n]] as const },
  }))
  const delegated: CaseAccount = {
    ...{ address: account(0x22, 1), nonce: 1n, balance: 5n, slots: [] },
    code: concat(Uint8Array.of(0xef, 0x01, 0x00), WRITER),
  }
  return {
    accounts: [...users(), token, ...contracts, delegated],
    txs: {
      'a token transfer': { ...CALL, data: transferData(OTHER, 1_000n) },
      'a token transfer that is refused': { ...CALL, from: OTHER, data: transferData(USER, 1_000n) },
      'a chain of calls': { ...CALL, to: CHAIN },
      'a contract that makes two': { ...CALL, to: CREATOR, value: 3n },
      'a creation': { ...CALL, to: null, data: hexToBytes(`0x${INITCODE}`) },
      'a delegated account': { ...CALL, to: delegated.address },
      'a view of a native module': {
        ...CALL,
        to: native(3),
        data: encode(paramsAbi.functions, 'get', ['staking.unbondingTime']),
      },
      'a delegation of stake': {
        ...CALL,
        to: native(1),
        value: 10n ** 18n,
        data: encode(stakingAbi.functions, 'delegate', [founder]),
      },
    },
  }
}

/** What one of them uses beyond intrinsic gas and floor when it has more than enough. */
export async function usedBeyond(engine: Engine, of: EngineCase): Promise<bigint> {
  const [tx] = of.txs
  const [result] = (await runEngineCase(engine, of)).results
  assert(tx !== undefined && result !== undefined, 'it runs')
  return result.maxUsedGas - txOf(tx, 0n).gasLimit + tx.gas
}
