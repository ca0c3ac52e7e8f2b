// A vault on an EVM chain of tests, and NovaChain's end of it: an outbox whose links are in a state that is posted to a settlement contract.
import { createMerkleProof, createMPT, type MerklePatriciaTrie } from '@ethereumjs/mpt'
import { AbiCoder, TypedDataEncoder } from 'ethers'
import { asHash, bytesToHex, concat, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { KECCAK_EMPTY, keccak } from '../../chain/base/crypto.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { NovaVault } from '../../contracts/bridge/NovaVault.artifact.ts'
import { WrappedTokenFactory } from '../../contracts/bridge/WrappedTokenFactory.artifact.ts'
import { account, type Contract, createEvm, type Evm, L1_CHAIN } from './evm.ts'
import { createLightChain } from './light-chain.ts'
import {
  checkpointOf,
  deployGoverned,
  deploySettlement,
  deployVerifier,
  OWNER,
  operatorCertificate,
  operatorsFrom,
} from './settlement.ts'

export const NOVA = 662_607n
export const GUARDIAN = account(8)
export const WINDOW = 3_600
export const LIFETIME = 86_400
const ZERO = `0x${'00'.repeat(32)}`

export interface Message {
  readonly sourceChain: bigint
  readonly targetChain: bigint
  readonly sequence: bigint
  readonly deadline: bigint
  readonly sender: string
  readonly recipient: string
  readonly token: string
  readonly amount: bigint
  readonly refundOf: string
  readonly data: string
}
const TYPES = {
  Message: [
    ...['sourceChain', 'targetChain', 'sequence', 'deadline'].map((name) => ({ name, type: 'uint64' })),
    ...[
      { name: 'sender', type: 'bytes32' },
      { name: 'recipient', type: 'bytes' },
      { name: 'token', type: 'bytes32' },
      { name: 'amount', type: 'uint256' },
      { name: 'refundOf', type: 'bytes32' },
      { name: 'data', type: 'bytes' },
    ],
  ],
}
/** By the library, not by us. */
export const idOf = (message: Message): string => TypedDataEncoder.hashStruct('Message', TYPES, message)
export const linkAfter = (previous: string, id: string): string =>
  bytesToHex(keccak(hexToBytes(`${previous}${id.slice(2)}`)))
/** In the order of the struct. */
export const tupleOf = (m: Message): readonly unknown[] => TYPES.Message.map(({ name }) => m[name as keyof Message])
export const wordOf = (address: string): string => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`

export type Proof = readonly [seq: number, previousLink: string, account: readonly string[], slot: readonly string[]]

const MODULE = hexToBytes('0x0000000000000000000000000000000000000830')
const coder = AbiCoder.defaultAbiCoder()
const hashHex = (hex: string): string => bytesToHex(keccak(hexToBytes(hex)))
/** Where `links` has one, by the rule of Solidity's mappings. */
const linkSlot = (chain: bigint, sequence: bigint): string =>
  hashHex(coder.encode(['uint64', 'bytes32'], [sequence, hashHex(coder.encode(['uint64', 'uint256'], [chain, 0]))]))

/** Neighbours that make every node on the way to a key a whole branch, so deep. */
async function surround(trie: MerklePatriciaTrie, key: Uint8Array, depth: number, value: Uint8Array): Promise<void> {
  for (let level = 0; level < depth; level++)
    for (let step = 1; step < 16; step++) {
      const other = key.slice()
      const [byte, shift] = [level >> 1, level % 2 === 0 ? 4 : 0]
      const nibble = ((key[byte] as number) >> shift) & 15
      other[byte] = ((key[byte] as number) & (0xf0 >> shift)) | (((nibble + step) % 16) << shift)
      await trie.put(concat(other.subarray(0, byte + 1), keccak(other).subarray(byte + 1)), value)
    }
}

type Post = (stateRoot: Hash) => Promise<number>
/** Branches above the leaf of each proof. */
interface Depth {
  readonly account: number
  readonly slot: number
}

/** NovaChain, as far as a vault sees it. */
export class Nova {
  readonly evm: Evm
  readonly vault: Contract
  readonly settlement: Contract
  readonly #post: Post
  readonly #links: string[] = [ZERO]
  readonly #depth: Depth

  constructor(parts: { evm: Evm; vault: Contract; settlement: Contract }, post: Post, depth: Depth) {
    this.evm = parts.evm
    this.vault = parts.vault
    this.settlement = parts.settlement
    this.#post = post
    this.#depth = depth
  }
  /** Appends it to the outbox for the vault's chain. */
  send(draft: Partial<Message> & Pick<Message, 'recipient'>): Message {
    const message: Message = {
      ...{
        sourceChain: NOVA,
        targetChain: L1_CHAIN,
        sequence: BigInt(this.#links.length),
        sender: wordOf(bytesToHex(account(7))),
      },
      ...{ deadline: BigInt(this.evm.now + LIFETIME), token: ZERO, amount: 0n, refundOf: ZERO, data: '0x' },
      ...draft,
    }
    this.#links.push(linkAfter(this.#links.at(-1) ?? ZERO, idOf(message)))
    return message
  }
  /** That a message from the vault was refused. */
  notice(refundOf: string): Message {
    return this.send({ recipient: '0x', sender: ZERO, deadline: 0n, refundOf })
  }
  /** Settles the state that it is in now, and proves the link of a message in it. */
  async prove({ sequence, targetChain }: Pick<Message, 'sequence' | 'targetChain'>): Promise<Proof> {
    const key = keccak(hexToBytes(linkSlot(targetChain, sequence)))
    const storage = await createMPT({})
    for (const [i, link] of this.#links.entries())
      if (i > 0) {
        const value = BigInt(link)
        await storage.put(keccak(hexToBytes(linkSlot(L1_CHAIN, BigInt(i)))), encodeRlp(rlpInt(value)))
      }
    await surround(storage, key, this.#depth.slot, encodeRlp(keccak(Uint8Array.of(1))))
    const accounts = await createMPT({})
    const leaf = encodeRlp([rlpInt(1), rlpInt(5), storage.root(), KECCAK_EMPTY])
    await surround(
      accounts,
      keccak(MODULE),
      this.#depth.account,
      encodeRlp([rlpInt(1), rlpInt(5), KECCAK_EMPTY, KECCAK_EMPTY]),
    )
    await accounts.put(keccak(MODULE), leaf)
    const seq = await this.#post(asHash(accounts.root()))
    const nodes = async (trie: MerklePatriciaTrie, at: Uint8Array) =>
      (await createMerkleProof(trie, at)).map(bytesToHex)
    const previous = this.#links[Number(sequence) - 1] ?? ZERO
    return [seq, previous, await nodes(accounts, keccak(MODULE)), await nodes(storage, key)]
  }
}

export async function openNova(depth: Depth = { account: 1, slot: 1 }): Promise<Nova> {
  const evm = createEvm()
  const network = { chainId: NOVA, genesisHash: asHash(keccak(Uint8Array.of(9))), epochBlocks: 1_000_000 }
  const roots = new Map<number, Hash>()
  const operators = operatorsFrom([1])
  const chain = createLightChain(
    network,
    () => operators,
    (height) => {
      const stateRoot = roots.get(height)
      return stateRoot === undefined ? {} : { header: { stateRoot } }
    },
  )
  const settlement = await deploySettlement(evm, await deployVerifier(evm, 'ecdsa', network), chain)
  const factory = await evm.deploy(WrappedTokenFactory)
  const vault = await deployGoverned(evm, NovaVault, [
    ...[bytesToHex(OWNER), bytesToHex(GUARDIAN), settlement.hex, factory.hex, [NOVA, WINDOW, LIFETIME]],
  ])
  let accumulator = ZERO
  let height = 0
  const post = async (stateRoot: Hash): Promise<number> => {
    height++
    roots.set(height, stateRoot)
    const block = chain.block(height)
    const blockHash = asHash(keccak(checkpointOf(block, network)[0]))
    const certificate = operatorCertificate(network, { height, blockHash }, operators)
    const done = await settlement.must('post', [height, accumulator, '0x01', checkpointOf(block, network), certificate])
    accumulator = String(done.logs[0]?.args.accumulator)
    return height
  }
  return new Nova({ evm, vault, settlement }, post, depth)
}
