// What the settlement contract takes as a call its reader must read: Solidity decides what a call is, run here in an EVM, and anybody may supply.
import { beforeAll, expect, test } from 'vitest'
import { asHash, bigintToFixed, bytesToHex, concat, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { encodeCall, encodeEvent } from '../../chain/native/kit/abi.ts'
import { abi } from '../../contracts/settlement/INovaSettlement.abi.ts'
import { type Contract, createEvm, type Evm } from '../../test/kit/evm.ts'
import { createLightChain } from '../../test/kit/light-chain.ts'
import {
  certificateOf,
  checkpointOf,
  deploySettlement,
  deployVerifier,
  operatorsFrom,
} from '../../test/kit/settlement.ts'
import type { L1Log } from './l1.ts'
import { createPostings } from './postings.ts'

installCurves(nativeCurves)

const network = { chainId: 662_607n, genesisHash: asHash(keccak(Uint8Array.of(9))), epochBlocks: 4 }
const chain = createLightChain(network, () => operatorsFrom([1, 2, 3, 4]))
const BATCH = new Uint8Array(333).fill(7)
const NO_HASH = asHash(new Uint8Array(32))
const word = (value: number): Uint8Array => bigintToFixed(BigInt(value), 32)

let evm: Evm
let contract: Contract
beforeAll(async () => {
  evm = createEvm()
  contract = await deploySettlement(evm, await deployVerifier(evm, 'ecdsa', network), chain)
})

/** The hash that the contract logs of a call, as it is. */
const loggedBy = async (data: Uint8Array): Promise<Hash> => {
  const { error, logs } = await evm.call(contract.address, data)
  expect(error).toBe(null)
  return asHash(hexToBytes(String(logs[0]?.args.dataHash) as `0x${string}`))
}
/** What the reader makes of two transactions and their logs. */
const readOf = async (post: Uint8Array, supply: Uint8Array | null) => {
  const posted = { seq: 1n, height: 1n, blockHash: NO_HASH, accumulator: NO_HASH, stateRoot: NO_HASH }
  const inputs = new Map([
    [bytesToHex(word(1)), post],
    [bytesToHex(word(2)), supply ?? post],
  ])
  const at = (n: number, event: ReturnType<typeof encodeEvent>): L1Log => ({ ...event, transaction: asHash(word(n)) })
  const logs = [at(1, encodeEvent(abi.events.BatchPosted, contract.address, { ...posted, dataHash: keccak(BATCH) }))]
  if (supply !== null) {
    const values = { seq: 1n, dataHash: await loggedBy(supply) }
    logs.push(at(2, encodeEvent(abi.events.BatchSupplied, contract.address, values)))
  }
  const l1 = {
    height: async () => 1,
    logs: async () => logs,
    transaction: async (tx: Hash) => ({ to: contract.address, input: inputs.get(bytesToHex(tx)) ?? post }),
  }
  const source = createPostings({ l1, pause: async () => {} }, { settlement: contract.address, fromBlock: 0 })
  for await (const found of source.postings()) return found
  return expect.fail('it is found')
}

test('whatever the contract takes as a batch is read, however its call is written', async () => {
  const block = chain.block(1)
  const certificate = certificateOf(block, chain.signers(0), network, 'ecdsa')
  const [header, section] = checkpointOf(block, network)
  const right = encodeCall(abi.functions.post, [1n, NO_HASH, BATCH, { header, section }, certificate])
  // The batch last, without what fills its word.
  const rest = right.subarray(4 + 5 * 32 + 32 + Math.ceil(BATCH.length / 32) * 32)
  const moved = (offset: number): Uint8Array => bigintToFixed(BigInt(offset), 32)
  const certificateWords = 32 + Math.ceil(certificate.length / 32) * 32
  const odd = concat(
    right.subarray(0, 4 + 2 * 32),
    ...[moved(5 * 32 + rest.length), moved(5 * 32), moved(5 * 32 + rest.length - certificateWords)],
    ...[rest, word(BATCH.length), BATCH],
  )
  expect(bytesToHex(await loggedBy(odd))).toBe(bytesToHex(keccak(BATCH)))
  const { load } = await readOf(odd, null)
  expect(await load()).toEqual({ bytes: BATCH, section: new Uint8Array(0) })

  const supplies: readonly (readonly Uint8Array[])[] = [
    [word(1), word(64), word(BATCH.length), BATCH], // not filled up
    [word(1), word(65), Uint8Array.of(0), word(BATCH.length), BATCH], // at no word's beginning
    [word(1), word(0), Uint8Array.of(9)], // over its own arguments: one byte, the first of the offset
    [word(1), word(96), word(99), word(3), Uint8Array.of(1, 2, 3), new Uint8Array(40)], // with something before and after
  ]
  for (const parts of supplies) {
    const call = concat(encodeCall(abi.functions.supply, [1n, BATCH]).subarray(0, 4), ...parts)
    const found = await readOf(right, call)
    const bytes = (await found.supplied[0]?.load()) ?? expect.fail('it is supplied')
    expect(bytesToHex(keccak(bytes))).toBe(bytesToHex(found.supplied[0]?.dataHash ?? NO_HASH))
  }
})
