// Another chain's EVM for tests of contracts: one state, transactions with the gas that they would pay, no blocks around them. Owns what
// a call comes to for whoever made it.
import { Interface, type InterfaceAbi } from 'ethers'
import { type Address, asAddress, asHash, bytesToHex, concat, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { assert } from '../../chain/base/errors.ts'
import { createFastEngine } from '../../chain/exec/interpreter.ts'
import { createState } from '../../chain/exec/state.ts'
import { runTx } from '../../chain/exec/tx.ts'
import type { BlockContext } from '../../chain/types/frame.ts'
import type { State } from '../../chain/types/state.ts'
import { checkTxGas, type Tx } from '../../chain/types/tx.ts'
import { createMemoryState } from './memory-state.ts'

export const L1_CHAIN = 80_002n

/** Signature of a contract as `npm run gen` writes it. */
export interface Artifact {
  readonly abi: readonly string[]
  readonly bytecode: string
}
export interface Sent {
  readonly gas: bigint
  /** null where it went well; else the name of the custom error and its arguments, or how it halted. */
  readonly error: string | null
  /** Decoded by the contract that was called; one value is itself. */
  readonly result: unknown
  readonly logs: readonly { readonly name: string; readonly args: Readonly<Record<string, unknown>> }[]
}
export interface Options {
  readonly from?: Address
  readonly value?: bigint
  readonly gas?: bigint
}
export interface Contract {
  readonly address: Address
  readonly hex: Hex
  readonly abi: Interface
  /** A transaction of its own. */
  send(name: string, args: readonly unknown[], options?: Options): Promise<Sent>
  /** The same, which must go well. */
  must(name: string, args: readonly unknown[], options?: Options): Promise<Sent>
  /** What a view answers. */
  read(name: string, ...args: unknown[]): Promise<unknown>
}
export interface Evm {
  readonly state: State
  now: number
  deploy(artifact: Artifact, args?: readonly unknown[], options?: Options): Promise<Contract>
  /** What is at an address, by this ABI. */
  at(address: Address | string, abi: InterfaceAbi): Contract
  balance(address: Address): bigint
  /** A transaction of bytes as they are. */
  call(to: Address, data: Uint8Array, options?: Options): Promise<Sent>
}

/** Calls the address in the first word of its input with the rest and the value, and ends as that does. */
const FORWARDER = '0x60218060095f395ff3602036038060205f375f5f915f345f355af13d5f5f3e3d5f91601e5790fd5b90f3'
/** For calls by a contract. */
export async function deployForwarder(evm: Evm): Promise<{
  readonly hex: Hex
  forward(to: Contract, name: string, args: readonly unknown[], options?: Options): Promise<Sent>
}> {
  const { address, hex } = await evm.deploy({ abi: [], bytecode: FORWARDER })
  return {
    hex,
    forward: (to, name, args, options) =>
      evm.call(
        address,
        concat(new Uint8Array(12), to.address, hexToBytes(to.abi.encodeFunctionData(name, args))),
        options,
      ),
  }
}

export const account = (n: number): Address => asAddress(hexToBytes(`0x${n.toString(16).padStart(40, 'a')}`))
/** Who sends where nothing else is said. */
export const SENDER = account(1)
const FEES = { burnBps: 10_000, recipientBps: 0, stakersBps: 0, treasuryBps: 0, treasury: account(0xfee) }
const GAS_PRICE = 1n
const hashOf = (n: number) => asHash(keccak(Uint8Array.of(n)))

/** Accounts 1 to 9 are rich. */
export function createEvm(): Evm {
  const state = createState(createMemoryState())
  const engine = createFastEngine({ chainId: L1_CHAIN })
  state.begin()
  for (let n = 1; n < 10; n++) state.setBalance(state.load(account(n)), 10n ** 30n)
  state.end()
  const known: Interface[] = []
  const evm: Evm = {
    state,
    now: 1_800_000_000,
    async deploy({ abi, bytecode }, args = [], options = {}) {
      const face = new Interface(abi)
      const data = concat(hexToBytes(bytecode), hexToBytes(face.encodeDeploy(args)))
      const { error, result } = await run(null, data, options)
      assert(error === null && result instanceof Uint8Array, `it deploys: ${error}`)
      return evm.at(asAddress(result), abi)
    },
    at(address, abi) {
      const hex = (typeof address === 'string' ? address.toLowerCase() : bytesToHex(address)) as Hex
      const face = new Interface(abi)
      known.push(face)
      const send: Contract['send'] = async (name, args, options = {}) => {
        const done = await run(hexToBytes(hex), hexToBytes(face.encodeFunctionData(name, args)), options)
        if (done.error !== null) return done
        const values = face.decodeFunctionResult(name, bytesToHex(done.result as Uint8Array))
        return { ...done, result: values.length === 1 ? values[0] : values }
      }
      const must: Contract['must'] = async (name, args, options) => {
        const done = await send(name, args, options)
        assert(done.error === null, `${name} goes well: ${done.error}`)
        return done
      }
      const contract = { address: asAddress(hexToBytes(hex)), hex, abi: face, send, must }
      return { ...contract, read: async (name, ...args) => (await must(name, args)).result }
    },
    balance: (address) => state.load(address).balance,
    call: (to, data, options = {}) => run(to, data, options),
  }
  const run = async (
    to: Uint8Array | null,
    data: Uint8Array,
    { from = SENDER, value = 0n, gas }: Options,
  ): Promise<Sent> => {
    const tx = {
      ...{ type: 2, chainId: L1_CHAIN, nonce: state.load(from).nonce, gasLimit: gas ?? 16_777_216n, value, data, from },
      ...{
        maxFeeWei: GAS_PRICE,
        maxTipWei: 0n,
        to: to === null ? null : asAddress(to),
        accessList: [],
        authorizations: [],
      },
      ...{ v: 0n, r: 0n, s: 0n, hash: hashOf(0), raw: data },
    } as Tx
    checkTxGas(tx)
    const block: BlockContext = {
      ...{ chainId: L1_CHAIN, number: 1_000, time: evm.now, coinbase: account(0xfee), gasLimit: 1_000_000_000n },
      ...{
        baseFeeWei: GAS_PRICE,
        prevRandao: hashOf(1),
        parentBeaconBlockRoot: hashOf(2),
        ethereum: 'osaka',
        lastCommit: null,
      },
      ...{ domain: { chainId: L1_CHAIN, genesisHash: hashOf(3) }, blockHash: hashOf },
    }
    const deps = { engine, natives: new Map(), fees: FEES, pause: async () => {} }
    const done = await runTx(deps, tx, state, block, block.gasLimit)
    return {
      gas: done.gasUsed,
      error: done.status === 1 ? null : (done.fault ?? errorOf(bytesToHex(done.output))),
      result: done.created ?? done.output,
      logs: done.logs.flatMap(({ topics, data: logged }) => {
        const log = { topics: topics.map(bytesToHex), data: bytesToHex(logged) }
        const found = known.map((face) => face.parseLog(log)).find((each) => each !== null)
        return found === undefined ? [] : [{ name: found.name, args: found.args.toObject() }]
      }),
    }
  }
  const errorOf = (data: Hex): string => {
    const found = data === '0x' ? undefined : known.map((face) => face.parseError(data)).find((each) => each !== null)
    return found === undefined ? `reverted with ${data}` : `${found.name}(${found.args.join(', ')})`
  }
  return evm
}
