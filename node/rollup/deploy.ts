// The settlement contracts of a network on an L1, and the vault of its bridge. Owns their addresses, which follow from the compiled sources and the choices alone (CREATE2
// by the factory that every EVM chain has at one address), so deploying again changes nothing and a contract at its address is verified.
import { type Address, asAddress, asHash, bytesToHex, concat, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert, defineErrors, NodeError } from '../../chain/base/errors.ts'
import { mulDivUp } from '../../chain/base/math.ts'
import type { Clock } from '../../chain/base/ports.ts'
import { type AbiParam, encodeValues, type Positional } from '../../chain/native/kit/abi.ts'
import { NovaVault } from '../../contracts/bridge/NovaVault.artifact.ts'
import { WrappedTokenFactory } from '../../contracts/bridge/WrappedTokenFactory.artifact.ts'
import { NovaProxy } from '../../contracts/governed/NovaProxy.artifact.ts'
import { NovaTimelock } from '../../contracts/governed/NovaTimelock.artifact.ts'
import { BlsCheckpointVerifier } from '../../contracts/settlement/BlsCheckpointVerifier.artifact.ts'
import { EcdsaCheckpointVerifier } from '../../contracts/settlement/EcdsaCheckpointVerifier.artifact.ts'
import { NovaSettlement } from '../../contracts/settlement/NovaSettlement.artifact.ts'
import type { ReporterAccount } from '../reporter.ts'
import { type FeeCaps, firstBid, raisedBid } from './fees.ts'
import { LIMITS } from './fitting.ts'
import type { L1 } from './l1.ts'

export const DeployErrors = defineErrors('DEPLOY', {
  FACTORY: {
    text: (d: { factory: string }) =>
      `there is no contract factory at ${d.factory} on this L1: contracts could not get the same addresses everywhere; deploy the deterministic deployment proxy first`,
  },
  FEE: {
    text: (d: { baseFeeWei: bigint; mostWei: bigint }) =>
      `a unit of gas costs ${d.baseFeeWei} wei and --max-fee is ${d.mostWei}: wait, or give more`,
  },
  FUNDS: {
    text: (d: { account: string; haveWei: bigint; needWei: bigint }) =>
      `${d.account} has ${d.haveWei} wei on the L1, and deploying may need ${d.needWei}`,
  },
  NOTHING: {
    text: (d: { name: string; address: string; tx: string }) =>
      `${d.name} is not at ${d.address} after transaction ${d.tx}: see what the L1 says of it`,
  },
  TIMEOUT: {
    text: (d: { name: string; tx: string }) =>
      `${d.name} is in no block yet, its last transaction is ${d.tx}: the same command goes on later`,
  },
})

export interface DeployChoice {
  readonly chainId: bigint
  readonly genesisHash: Hash
  readonly genesisStateRoot: Hash
  readonly genesisValidatorsHash: Hash
  readonly epochBlocks: number
  /** ECDSA where the L1 has no EIP-2537. */
  readonly verifier: 'bls' | 'ecdsa'
  /** Schedules what the timelock does. */
  readonly owner: Address
  readonly delaySeconds: number
  readonly posters: readonly Address[]
  /** May pause the bridge's vault; null leaves the vault out. */
  readonly guardian: Address | null
}

export interface Step {
  readonly name: string
  readonly address: Address
  readonly initCode: Uint8Array
  /** Where it can be estimated only once another stands: about what it takes, from measurement. */
  readonly aboutGas: bigint | null
}

/** The deterministic deployment proxy: takes salt ‖ init code. */
export const FACTORY = asAddress(hexToBytes('0x4e59b44847b379578588920ca78fbf26c0b4956c'))
const SALT = keccak(new TextEncoder().encode('NovaChain settlement, version 1'))
/** Of the proxies with their initialisation; the settlement's writes 64 slots. */
const [PROXY_GAS, VAULT_PROXY_GAS] = [1_800_000n, 500_000n]
/** Over which a route's limit refills, and what a message from there has until it is paid back: what the module has for its own by default. */
const [WINDOW_SECONDS, LIFETIME_SECONDS] = [86_400n, 604_800n]

/** In the order in which they are deployed: `NovaProxy` is the settlement contract that others speak to, `VaultProxy` the vault. */
export function planDeployment(choice: DeployChoice): readonly Step[] {
  const { chainId, genesisHash, owner, delaySeconds, posters } = choice
  const artifact = choice.verifier === 'bls' ? BlsCheckpointVerifier : EcdsaCheckpointVerifier
  const verifier = step(
    choice.verifier === 'bls' ? 'BlsCheckpointVerifier' : 'EcdsaCheckpointVerifier',
    initCode(artifact, types('uint64', 'bytes32'), [chainId, genesisHash]),
  )
  const timelockArgs = [
    ['', 'uint256'],
    ['', { list: 'address' }],
  ] as const
  const timelock = step('NovaTimelock', initCode(NovaTimelock, timelockArgs, [BigInt(delaySeconds), [owner]]))
  const code = step('NovaSettlement', hexToBytes(NovaSettlement.bytecode))
  const genesis = {
    ...{ blockHash: genesisHash, stateRoot: choice.genesisStateRoot, validatorsHash: choice.genesisValidatorsHash },
    epochBlocks: BigInt(choice.epochBlocks),
  }
  const initialization = concat(
    keccak(new TextEncoder().encode(INITIALIZE)).subarray(0, 4),
    encodeValues(INITIALIZE_PARAMS, [timelock.address, genesis, verifier.address, posters]),
  )
  const proxy = step('NovaProxy', proxyCode(code.address, initialization))
  const settlement = [verifier, timelock, code, { ...proxy, aboutGas: PROXY_GAS }]
  if (choice.guardian === null) return settlement
  const owners = { owner: timelock.address, guardian: choice.guardian }
  return [...settlement, ...vaultSteps(chainId, proxy.address, owners)]
}
const vaultSteps = (
  chainId: bigint,
  settlement: Address,
  { owner, guardian }: { readonly owner: Address; readonly guardian: Address },
): readonly Step[] => {
  const factory = step('WrappedTokenFactory', hexToBytes(WrappedTokenFactory.bytecode))
  const code = vaultCode()
  const terms = { novaChainId: chainId, window: WINDOW_SECONDS, lifetime: LIFETIME_SECONDS }
  const initialization = concat(
    keccak(new TextEncoder().encode(INITIALIZE_VAULT)).subarray(0, 4),
    encodeValues(INITIALIZE_VAULT_PARAMS, [owner, guardian, settlement, factory.address, terms]),
  )
  const proxy = step('VaultProxy', proxyCode(code.address, initialization))
  return [factory, code, { ...proxy, aboutGas: VAULT_PROXY_GAS }]
}
/** The vault's code is the same for every network: its constructor takes nothing. */
export const vaultCode = (): Step => step('NovaVault', hexToBytes(NovaVault.bytecode))
const proxyCode = (code: Address, initialization: Uint8Array): Uint8Array =>
  initCode(NovaProxy, types('address', 'bytes'), [code, initialization])
const INITIALIZE_VAULT = 'initialize(address,address,address,address,(uint64,uint48,uint64))'
const TERMS_PARAMS = [
  ['novaChainId', 'uint64'],
  ['window', 'uint64'],
  ['lifetime', 'uint64'],
] as const
const INITIALIZE_VAULT_PARAMS = [
  ['owner_', 'address'],
  ['guardian_', 'address'],
  ['settlement_', 'address'],
  ['factory_', 'address'],
  ['terms', { tuple: TERMS_PARAMS }],
] as const
const INITIALIZE = 'initialize(address,(bytes32,bytes32,bytes32,uint64),address,address[])'
const GENESIS_PARAMS = [
  ['blockHash', 'bytes32'],
  ['stateRoot', 'bytes32'],
  ['validatorsHash', 'bytes32'],
  ['epochBlocks', 'uint64'],
] as const
const INITIALIZE_PARAMS = [
  ['owner_', 'address'],
  ['genesis', { tuple: GENESIS_PARAMS }],
  ['verifier_', 'address'],
  ['posters', { list: 'address' }],
] as const

const types = <A extends string, B extends string>(a: A, b: B) =>
  [
    ['', a],
    ['', b],
  ] as const
const initCode = <P extends readonly AbiParam[]>(
  { bytecode }: { readonly bytecode: string },
  of: P,
  args: Positional<P>,
) => concat(hexToBytes(bytecode), encodeValues(of, args))
const step = (name: string, code: Uint8Array): Step => {
  const digest = keccak(concat(Uint8Array.of(0xff), FACTORY, SALT, keccak(code)))
  return { name, address: asAddress(digest.subarray(12)), initCode: code, aboutGas: null }
}

export interface StepState extends Step {
  readonly isThere: boolean
  /** What it takes to put it there; 0 where it is. */
  readonly gas: bigint
}

/** What is there and what is not. Throws DEPLOY_FACTORY and L1_*. */
export async function survey(l1: L1, from: Address, plan: readonly Step[]): Promise<readonly StepState[]> {
  const { hash } = await l1.block('latest')
  if ((await l1.code(FACTORY, hash)).length === 0)
    throw new NodeError(DeployErrors.FACTORY, { factory: bytesToHex(FACTORY) })
  const states: StepState[] = []
  for (const each of plan) {
    const isThere = (await l1.code(each.address, hash)).length > 0
    const gas = isThere ? 0n : (each.aboutGas ?? (await l1.estimate({ from, to: FACTORY, data: callOf(each) })))
    states.push({ ...each, isThere, gas })
  }
  return states
}
const callOf = ({ initCode: code }: Step): Uint8Array => concat(SALT, code)

export interface DeployDeps {
  readonly l1: L1
  readonly account: ReporterAccount
  readonly clock: Clock
  readonly pause: (ms: number) => Promise<void>
  /** Hears of each contract that stands. */
  readonly done: (step: Step, tx: Hash) => void
}
export interface DeployFees {
  /** Of the L1. */
  readonly chainId: bigint
  readonly maxFeeWei: bigint
  readonly tipWei: bigint
}
const [POLL_MS, RAISE_MS, TIMEOUT_MS] = [1_000, 15_000, 600_000]
const GAS_SLACK = 20n

/** Puts there what is missing, one after another. Called again it goes on. Throws DEPLOY_* and L1_*. */
export async function deploy(deps: DeployDeps, plan: readonly Step[], fees: DeployFees): Promise<void> {
  const { l1, account } = deps
  for (const each of plan) {
    const { hash } = await l1.block('latest')
    if ((await l1.code(each.address, hash)).length > 0) continue
    const gas = await l1.estimate({ from: account.address, to: FACTORY, data: callOf(each) })
    const gasLimit = mulDivUp(gas, 100n + GAS_SLACK, 100n)
    assert(gasLimit <= LIMITS.transactionGas, `${each.name} fits a transaction`)
    deps.done(each, await put(deps, each, gasLimit, fees))
  }
}

const put = async (deps: DeployDeps, each: Step, gasLimit: bigint, fees: DeployFees): Promise<Hash> => {
  const { l1, account, clock, pause } = deps
  const { hash, baseFeeWei } = await l1.block('latest')
  const [nonce, haveWei] = await Promise.all([l1.nonce(account.address, hash), l1.balance(account.address, hash)])
  let bid = firstBid({ baseFeeWei, tipWei: fees.tipWei }, null, fees.maxFeeWei)
  if (bid === null) throw new NodeError(DeployErrors.FEE, { baseFeeWei, mostWei: fees.maxFeeWei })
  const needWei = gasLimit * bid.maxFeeWei
  if (haveWei < needWei)
    throw new NodeError(DeployErrors.FUNDS, { account: bytesToHex(account.address), haveWei, needWei })
  const sent: Hash[] = []
  const send = async (caps: FeeCaps): Promise<void> => {
    const fields = { chainId: fees.chainId, nonce, to: FACTORY, data: callOf(each), gasLimit, ...caps }
    const raw = await account.sign(fields)
    sent.push(keccak(raw))
    await l1.send(raw)
  }
  await send(bid)
  let sentMs = clock.nowMs()
  for (const until = sentMs + TIMEOUT_MS; clock.nowMs() < until; await pause(POLL_MS)) {
    const tx = await minedOf(l1, sent)
    if (tx !== null) return mustStand(l1, each, tx)
    if (clock.nowMs() < sentMs + RAISE_MS) continue
    bid = raisedBid(bid, (await l1.block('latest')).baseFeeWei, fees.maxFeeWei) ?? bid
    sentMs = clock.nowMs()
    await send(bid).catch(() => {}) // the one before may just have been mined; the next look says so
  }
  throw new NodeError(DeployErrors.TIMEOUT, {
    name: each.name,
    tx: bytesToHex(sent.at(-1) ?? asHash(new Uint8Array(32))),
  })
}
const minedOf = async (l1: L1, sent: readonly Hash[]): Promise<Hash | null> => {
  for (const tx of sent) if ((await l1.receipt(tx)) !== null) return tx
  return null
}
const mustStand = async (l1: L1, { name, address }: Step, tx: Hash): Promise<Hash> => {
  const { hash } = await l1.block('latest')
  if ((await l1.code(address, hash)).length > 0) return tx
  throw new NodeError(DeployErrors.NOTHING, { name, address: bytesToHex(address), tx: bytesToHex(tx) })
}

/** EIP-1967: where a proxy keeps the address of its code. */
const IMPLEMENTATION_SLOT = asHash(hexToBytes('0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'))

/** The code that a proxy calls now. */
export const implementationOf = async (l1: L1, proxy: Address, at: Hash): Promise<Address> =>
  asAddress((await l1.storage(proxy, IMPLEMENTATION_SLOT, at)).subarray(12))
