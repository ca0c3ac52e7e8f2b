// Resource tokens in a world of one state: calls of tokens and registry by name, what they answer in words, and permits signed with keys that
// ethers knows nothing of our code for.
import { Interface, TypedDataEncoder } from 'ethers'
import { type Address, asAddress, bigintToFixed, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, keccak, publicKeyToAddress } from '../../chain/base/crypto.ts'
import { natives } from '../../chain/native/index.ts'
import { type Abi, type AbiFunction, decodeValues, encodeCall, type Positional } from '../../chain/native/kit/abi.ts'
import { abi as paramsAbi } from '../../chain/native/params/abi.ts'
import { abi as resourcesAbi } from '../../chain/native/resources/abi.ts'
import { abi } from '../../chain/native/token/abi.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import { type Answer, account, createWorld, type World } from './native.ts'

const at = (n: number): Hex => bytesToHex(account(0x820 + n))
export const [REGISTRY, CPU, MEM, STO, NET] = [0, 1, 2, 3, 4].map(at) as [Hex, Hex, Hex, Hex, Hex]
const PARAMS: Hex = '0x0000000000000000000000000000000000000803'
export const [GOVERNANCE, GUARDIAN, MINTER] = [7, 8, 9]

const rows = () => natives.filter(({ module }) => module.name !== 'staking' && module.name !== 'slashing')
/** Seeded from these sections; 7 governs, 8 guards, 9 mints CPU. */
export const createTokenWorld = (
  sections: Readonly<Record<string, unknown>> = {},
  values: object = {},
  genesis: Partial<Genesis> = {},
): World =>
  createWorld(
    rows(),
    {
      params: { governance: bytesToHex(account(GOVERNANCE)), guardian: bytesToHex(account(GUARDIAN)), values },
      cpu: { minters: [bytesToHex(account(MINTER))] },
      ...sections,
    },
    { development: true, ...genesis },
  )

const interfaceOf = (of: Abi): Interface =>
  new Interface(
    [of.functions, of.events, of.errors].flatMap((group) => Object.values(group).map(({ source }) => source)),
  )
const known = interfaceOf(abi)
const knownOfRegistry = interfaceOf(resourcesAbi)

/** Values as tests write them: addresses in hex, numbers as bigint. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return bytesToHex(value)
  return typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value) ? value.toLowerCase() : value
}
type Words = readonly [name: string, ...values: unknown[]]
/** The error of a revert with its values. */
export const refusalOf = ({ status, output }: Answer): Words | string => {
  if (status !== 'revert') return status
  const hex = bytesToHex(output)
  const found = known.parseError(hex) ?? knownOfRegistry.parseError(hex)
  return found === null ? hex : [found.name, ...found.args.map(plain)]
}
/** Each log as token or registry, event and values. */
export const eventsOf = ({ logs }: Pick<Answer, 'logs'>): readonly Words[] =>
  logs.map(({ address, topics, data }) => {
    const log = { topics: topics.map(bytesToHex), data: bytesToHex(data) }
    const found = (bytesToHex(address) === REGISTRY ? knownOfRegistry : known).parseLog(log)
    return [`${bytesToHex(address).slice(-3)} ${found?.name}`, ...(found?.args.map(plain) ?? [])]
  })

type Fns<A extends Abi> = A['functions']
type Call<A extends Abi> = <K extends keyof Fns<A> & string>(
  by: number,
  name: K,
  ...args: Positional<Fns<A>[K]['inputs']>
) => Promise<Answer>
type Read<A extends Abi> = <K extends keyof Fns<A> & string>(
  name: K,
  ...args: Positional<Fns<A>[K]['inputs']>
) => Promise<unknown>

const callerOf =
  <A extends Abi>(world: World, to: Hex, of: A): Call<A> =>
  (by, name, ...args) =>
    world.send(by, to, encodeCall(of.functions[name] as AbiFunction, args as never))
const readerOf =
  <A extends Abi>(world: World, to: Hex, of: A): Read<A> =>
  async (name, ...args) => {
    const fn = of.functions[name] as AbiFunction
    const { status, output } = await world.send(6, to, encodeCall(fn, args as never))
    if (status !== 'success') return bytesToHex(output)
    const values = decodeValues(fn.outputs, output)
    return values.length === 1 ? values[0] : values
  }
export const tokenOf = (world: World, to: Hex = CPU) => ({
  call: callerOf(world, to, abi),
  read: readerOf(world, to, abi),
})
export const registryOf = (world: World) => ({
  call: callerOf(world, REGISTRY, resourcesAbi),
  read: readerOf(world, REGISTRY, resourcesAbi),
})
export const paramsOf = (world: World) => ({ call: callerOf(world, PARAMS, paramsAbi) })

interface KeyHolder {
  readonly secret: Uint8Array
  readonly address: Address
}
export const keyHolder = (n: number): KeyHolder => {
  const secret = keccak(bigintToFixed(BigInt(n + 1), 32))
  return { secret, address: publicKeyToAddress(curves().publicKey(secret)) }
}

interface Terms {
  readonly owner: Address
  readonly spender: Address
  readonly value: bigint
  readonly nonce: bigint
  readonly deadline: bigint
}
const TYPES = {
  Permit: [
    ...[
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
    ],
    ...['value', 'nonce', 'deadline'].map((name) => ({ name, type: 'uint256' })),
  ],
}
export interface Signature {
  readonly v: bigint
  readonly r: Uint8Array
  readonly s: Uint8Array
}
/** Over what EIP-2612 says, by ethers. */
export const signPermit = (
  { secret }: KeyHolder,
  { owner, spender, value, nonce, deadline }: Terms,
  domain: { readonly name?: string; readonly chainId?: bigint; readonly token?: Hex } = {},
): Signature => {
  const { name = 'NovaChain CPU', chainId = 1n, token = CPU } = domain
  const terms = { owner: bytesToHex(owner), spender: bytesToHex(spender), value, nonce, deadline }
  const digest = TypedDataEncoder.hash({ name, version: '1', chainId, verifyingContract: token }, TYPES, terms)
  const { signature, recovery } = curves().sign(hexToBytes(digest), secret)
  return { v: BigInt(27 + recovery), r: signature.slice(0, 32), s: signature.slice(32) }
}
export const NOBODY = asAddress(new Uint8Array(20))
