// A world with the module `did` in it: calls by name, what came of them in words, keys of every curve, signatures that others bring.
import assert from 'node:assert/strict'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { babyjubjub } from '@noble/curves/misc.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type TypedDataField, Wallet } from 'ethers'
import {
  type Address,
  asAddress,
  bigintToFixed,
  bytesToHex,
  concat,
  type Hex,
  hexToBytes,
} from '../../chain/base/bytes.ts'
import { abi } from '../../chain/native/did/abi.ts'
import { KeyType } from '../../chain/native/did/document.ts'
import { natives } from '../../chain/native/index.ts'
import {
  type AbiFunction,
  decodeEvent,
  decodeNamed,
  decodeValues,
  encodeCall,
  type Positional,
} from '../../chain/native/kit/abi.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import { type Answer, account, createWorld, type World } from './native.ts'
import { plain } from './staking.ts'

export const DID_AT: Hex = '0x0000000000000000000000000000000000000810'
export const GOVERNANCE = 8

type Functions = typeof abi.functions
export type DidName = keyof Functions & string
type Args<K extends DidName> = Positional<Functions[K]['inputs']>

interface Done {
  readonly status: Answer['status']
  /** A custom error's name with its values as text, or the reason of another revert. */
  readonly error: string | null
  /** Name and values of each log. */
  readonly events: readonly (readonly [string, Readonly<Record<string, unknown>>])[]
  readonly gasUsed: bigint
}
export interface DidWorld extends World {
  call<K extends DidName>(from: number, name: K, ...args: Args<K>): Promise<Done>
  /** The same, which must succeed. */
  must<K extends DidName>(from: number, name: K, ...args: Args<K>): Promise<Done>
  /** Values of a function that must succeed, bytes as hex. */
  read<K extends DidName>(name: K, ...args: Args<K>): Promise<readonly unknown[]>
}

const text = (value: unknown): string =>
  JSON.stringify(plain(value), (_, each) => (typeof each === 'bigint' ? `${each}` : each))

const doneOf = ({ status, output, logs, gasUsed }: Answer): Done => {
  const error = Object.entries(abi.errors).find(([, each]) => each.selector === bytesToHex(output.subarray(0, 4)))
  const reason = (): string => new TextDecoder().decode(output.subarray(68)).replace(/\0+$/, '')
  return {
    status,
    gasUsed,
    error:
      status === 'success'
        ? null
        : error === undefined
          ? reason()
          : `${error[0]}${text(Object.values(decodeNamed(error[1].inputs, output.subarray(4))))}`,
    events: logs.map((log) => {
      const found = Object.entries(abi.events).find(
        ([, { topic }]) => topic === bytesToHex(log.topics[0] as Uint8Array),
      )
      assert(found !== undefined, 'an event of the interface')
      return [found[0], plain(decodeEvent(found[1], log)) as Record<string, unknown>]
    }),
  }
}

/** `section` is the module's in the genesis. */
export function openDid(section?: object, genesis: Partial<Genesis> = {}): DidWorld {
  const who = bytesToHex(account(GOVERNANCE))
  const modules = { params: { governance: who, guardian: who }, ...(section !== undefined && { did: section }) }
  const world = createWorld(natives, modules, genesis)
  // The engine has one execution at a time.
  let last: Promise<unknown> = Promise.resolve()
  const send = <K extends DidName>(from: number, name: K, args: Args<K>): Promise<Answer> => {
    const input = encodeCall(abi.functions[name] as AbiFunction, args as never)
    const answer = last.then(() => world.send(from, DID_AT, input))
    last = answer
    return answer
  }
  return {
    ...world,
    get block() {
      return world.block
    },
    call: async (from, name, ...args) => doneOf(await send(from, name, args)),
    async must(from, name, ...args) {
      const done = doneOf(await send(from, name, args))
      assert.equal(done.error, null)
      return done
    },
    async read(name, ...args) {
      const answer = await send(9, name, args)
      assert.equal(doneOf(answer).error, null)
      return (
        decodeValues(abi.functions[name].outputs as AbiFunction['outputs'], answer.output) as readonly unknown[]
      ).map(plain)
    },
  }
}

const scalar = (seed: number): Uint8Array => bigintToFixed(2n ** 200n + BigInt(seed), 32)
/** A public key of a type, as the module takes it. */
export const publicKey = (keyType: number, seed = 1): Uint8Array => {
  const secret = scalar(seed)
  switch (keyType) {
    case KeyType.secp256k1:
      return secp256k1.getPublicKey(secret, true)
    case KeyType.ed25519:
      return ed25519.getPublicKey(secret)
    case KeyType.p256:
      return p256.getPublicKey(secret, true)
    case KeyType.bls12381G1:
      return bls12_381.G1.Point.BASE.multiply(BigInt(seed) + 1n).toBytes(true)
    case KeyType.bls12381G2:
      return bls12_381.G2.Point.BASE.multiply(BigInt(seed) + 1n).toBytes(true)
    default: {
      const { x, y } = babyjubjub.Point.BASE.multiply(BigInt(seed) + 1n).toAffine()
      return concat(bigintToFixed(x, 32), bigintToFixed(y, 32))
    }
  }
}

/** Accounts whose keys tests hold, to sign what others bring. */
export const signer = (n: number): Wallet => new Wallet(bytesToHex(scalar(n)))
export const addressOf = (wallet: Wallet): Address => asAddress(hexToBytes(wallet.address))

const domain = { name: 'NovaChain DID', version: '1', chainId: 1, verifyingContract: DID_AT }
/** An EIP-712 signature by ethers. `fields`: as in the interface, without nonce and deadline. */
export async function signTyped(
  by: Wallet,
  name: string,
  fields: Readonly<Record<string, string>>,
  values: Readonly<Record<string, unknown>>,
  changes: Partial<typeof domain> = {},
): Promise<Uint8Array> {
  const types: TypedDataField[] = Object.entries({ ...fields, nonce: 'uint32', deadline: 'uint64' }).map(
    ([field, type]) => ({ name: field, type }),
  )
  const plainly = Object.fromEntries(
    Object.entries(values).map(([field, value]) => [field, value instanceof Uint8Array ? bytesToHex(value) : value]),
  )
  return hexToBytes(await by.signTypedData({ ...domain, ...changes }, { [name]: types }, plainly))
}
