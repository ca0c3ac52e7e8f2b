// Who takes part in a simulated network of whole nodes: validators' keys, accounts and what they sign, and the genesis of it all.
import { type Address, bytesToHex } from '../../chain/base/bytes.ts'
import { curves, keccak, publicKeyToAddress } from '../../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import { possessionBytes } from '../../chain/types/vote.ts'
import { bundledGenesis } from '../commands/genesis.ts'
import { fakeSecret } from './fake-bls.ts'
import type { Story } from './story.ts'

export interface Payment {
  readonly nonce: bigint
  readonly to: Address
  readonly wei: bigint
  readonly input: Uint8Array
  readonly gas: bigint
}

/** Somebody with coins. The name makes the key. */
export class Account {
  readonly name: string
  readonly address: Address
  readonly secret: Uint8Array

  constructor(name: string) {
    this.name = name
    this.secret = keccak(new TextEncoder().encode(`novachain/sim/${name}`))
    this.address = publicKeyToAddress(curves().publicKey(this.secret))
  }

  /** As EIP-155 has it. */
  sign({ nonce, to, wei, input, gas }: Payment, chainId: bigint): Uint8Array {
    const body = [...[nonce, GAS_PRICE_WEI, gas].map(rlpInt), to, rlpInt(wei), input]
    const digest = keccak(encodeRlp([...body, rlpInt(chainId), rlpInt(0), rlpInt(0)]))
    const { signature, recovery } = curves().sign(digest, this.secret)
    const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((part) => rlpInt(BigInt(bytesToHex(part))))
    return encodeRlp([...body, rlpInt(chainId * 2n + 35n + BigInt(recovery)), r as Uint8Array, s as Uint8Array])
  }
}
const GAS_PRICE_WEI = 5_000_000_000n

/** A validator's operator, and the two keys that its node holds: one signs, the other waits to be rotated to. */
export interface Operator {
  readonly key: number
  readonly account: Account
  readonly secrets: readonly [Uint8Array, Uint8Array]
}
/** Of the keys that wait. */
const NEXT_KEYS = 1_000

export interface Stage {
  readonly genesis: Genesis
  /** By key: those of genesis first, then those who may join. */
  readonly operators: readonly Operator[]
  readonly users: readonly Account[]
  /** What each node reports offences from. */
  readonly reporters: readonly Account[]
  readonly governor: Account
  /** Sends what nobody should. */
  readonly vandal: Account
}

const NOVA = 10n ** 18n
/** Everybody has so much beside what is bonded. */
const PURSE_WEI = 1_000n * NOVA

/** Real genesis rules, the simulator's keys. */
export function stageOf(story: Story): Stage {
  const { powers, stakes } = story
  const many = (count: number, name: string) => Array.from({ length: count }, (_, i) => new Account(`${name} ${i}`))
  const operators = many(powers.length + stakes.joiners.length, 'operator').map((account, key): Operator => {
    return { key, account, secrets: [fakeSecret(key), fakeSecret(NEXT_KEYS + key)] }
  })
  const users = many(stakes.users, 'user')
  const reporters = many(operators.length, 'reporter')
  const [governor, vandal] = [new Account('governor'), new Account('vandal')]
  const json = JSON.parse(bundledGenesis())
  const { fees } = json.novachain
  Object.assign(json.novachain, { epochBlocks: stakes.epochBlocks, blockTimeMs: 3_000, development: false })
  Object.assign(fees, { burnBps: 4_000, recipientBps: 3_000, stakersBps: 2_000, treasuryBps: 1_000 })
  fees.treasury = bytesToHex(governor.address)
  const guardian = bytesToHex(governor.address)
  json.novachain.modules = { params: { governance: guardian, guardian, values: stakes.values } }
  const everybody = [...operators.map(({ account }) => account), ...users, ...reporters, governor, vandal]
  json.alloc = Object.fromEntries(
    everybody.map(({ address }) => [bytesToHex(address), { balance: `0x${PURSE_WEI.toString(16)}` }]),
  )
  json.novachain.validators = powers.map((power, i) => {
    const { account, secrets } = operators[i] as Operator // one for each power
    const key = curves().blsPublicKey(secrets[0])
    return {
      address: bytesToHex(account.address),
      blsKey: bytesToHex(key),
      proofOfPossession: bytesToHex(curves().blsSign(secrets[0], possessionBytes(key))),
      stake: String(BigInt(power) * NOVA),
      commissionBps: 500 * i,
    }
  })
  return { genesis: parseGenesis(JSON.stringify(json)), operators, users, reporters, governor, vandal }
}
/** The genesis is a little older than every run. */
export const START_MS = 1_767_225_600_000 + 2_000
