// A chain with transactions of all types over some epochs, and its batches as a settlement layer would hold them, in memory.
import { Wallet } from 'ethers'
import { asHash, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, keccak } from '../../chain/base/crypto.ts'
import { assert } from '../../chain/base/errors.ts'
import type { Chain } from '../../chain/chain.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { type Block, encodeSection } from '../../chain/types/block.ts'
import { sentTxs } from '../../chain/types/system-tx.ts'
import { formQc, type Qc, SignType, signBytes, votePayload } from '../../chain/types/vote.ts'
import { developmentAccounts } from '../../node/development.ts'
import { encodeBatch } from '../../node/rollup/batch.ts'
import type { Posting, SettlementSource } from '../../node/rollup/derive.ts'
import { accumulatorOf, NO_ACCUMULATOR } from '../../node/rollup/settlement.ts'
import type { Encoding } from '../../node/rollup/tx-columns.ts'
import { buildNext, openSealedChain, sealedGenesis, sealedGenesisText } from './sealed.ts'
import { secretOf } from './sets.ts'

export const VALIDATORS = 4
export const EPOCH_BLOCKS = 6
const CHOICE = { validators: VALIDATORS, epochBlocks: EPOCH_BLOCKS }
export const settledGenesis = () => sealedGenesis(CHOICE)
export const settledGenesisText = () => sealedGenesisText(CHOICE)

const wallets = developmentAccounts(9).map(({ privateKey }) => new Wallet(privateKey))
const [payer, caller, deployer, delegate, old] = wallets.slice(4) as [Wallet, Wallet, Wallet, Wallet, Wallet]
/** Keeps PREVRANDAO, BLOCKHASH of the parent and its argument in slots 1, 2 and 0, and logs. */
const RUNTIME = '44600155436001900340600255600035600055' + '60006000a000'
const INITCODE = `0x78${RUNTIME}60005260196007f3`

/** A block of the chain from what is in the pool, with the certificate of all validators but `absent`. */
async function sealWith(chain: Chain, absent: readonly number[]): Promise<void> {
  const block = await buildNext(chain)
  const { header, hash } = block
  const set = chain.setOf(header.number)
  assert(set !== null, 'the set of the next height is known')
  const domain = { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash }
  const message = signBytes(domain, SignType.commit, votePayload(header.number, 0, hash))
  const shares = new Map(
    [...set.members.entries()]
      .filter(([i]) => !absent.includes(i))
      .map(([i, member]) => [i, curves().blsSign(secretOf(member), message)] as const),
  )
  await chain.commit(block, formQc({ type: 'commit', height: header.number, round: 0, blockHash: hash }, shares, set))
}

/** Twenty blocks: with everything a transaction may be, with transfers, and empty. Somebody is absent now and then. */
export async function mixedChain(blocks = 20): Promise<Chain> {
  const chain = await openSealedChain(settledGenesis(), createMemoryKv(), { pause: async () => {} })
  const { chainId } = chain.genesis
  const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n, chainId }
  const gasPrice = 10n ** 11n
  const submit = async (wallet: Wallet, tx: object): Promise<void> => {
    await chain.submit(hexToBytes(await wallet.signTransaction(tx)), 'local')
  }
  const nonces = new Map<Wallet, number>()
  const nonceOf = (wallet: Wallet, count = 1): number => {
    const nonce = nonces.get(wallet) ?? 0
    nonces.set(wallet, nonce + count)
    return nonce
  }
  let contract = ''
  for (let height = 1; height <= blocks; height++) {
    if (height === 2) {
      await submit(deployer, { type: 2, ...fees, nonce: nonceOf(deployer), gasLimit: 300_000, data: INITCODE })
      contract = (await import('ethers')).getCreateAddress({ from: deployer.address, nonce: 0 })
    }
    if (height > 2 && height % 3 === 0) {
      const to = contract
      const word = height.toString(16).padStart(64, '0')
      const accessList = [{ address: contract, storageKeys: [`0x${'00'.repeat(32)}`, `0x${word}`] }]
      await submit(payer, {
        type: 0,
        chainId,
        gasPrice,
        nonce: nonceOf(payer),
        gasLimit: 21_000,
        to: old.address,
        value: height,
      })
      await submit(caller, { type: 2, ...fees, nonce: nonceOf(caller), gasLimit: 200_000, to, data: `0x${word}` })
      const access = { type: 1, chainId, gasPrice, gasLimit: 200_000, to, data: `0xa9059cbb${word}${word}`, accessList }
      await submit(caller, { ...access, nonce: nonceOf(caller) })
      const nonce = nonceOf(delegate, 2) // the transaction's, then the authorization's
      const authorization = await delegate.authorize({ address: contract, nonce: nonce + 1, chainId })
      const set = { type: 4, ...fees, nonce, gasLimit: 200_000, to: delegate.address, value: 1, data: '0x' }
      await submit(delegate, { ...set, authorizationList: [authorization] })
    }
    if (height % 4 === 1)
      for (let i = 0; i < 5; i++)
        await submit(old, {
          type: 2,
          ...fees,
          nonce: nonceOf(old),
          gasLimit: 21_000,
          to: payer.address,
          value: 10n ** 18n,
        })
    await sealWith(chain, height % 5 === 0 ? [height % VALIDATORS] : [])
  }
  return chain
}

/** Where batches end: at these heights, at the end of each epoch, and at the head. */
export const cutsOf = (chain: Chain, every: number): number[] => {
  const head = chain.head().header.number
  return Array.from({ length: head }, (_, i) => i + 1).filter(
    (height) => height % every === 0 || height % EPOCH_BLOCKS === 0 || height === head,
  )
}

export const batchOf = (
  chain: Chain,
  from: number,
  to: number,
  encoding: Encoding,
  commit = chain.commitOf(to) as Qc,
): Uint8Array => {
  const heights = Array.from({ length: to - from + 1 }, (_, i) => from + i)
  const blocks = heights.map((height) => chain.block(height) as Block)
  const senders = heights.map((height) => sentTxs(chain.txs(height) ?? []).map(({ from: sender }) => sender))
  return encodeBatch({ blocks, senders, commit, chainId: chain.genesis.chainId }, encoding).bytes
}

export type Posted = Omit<Posting, 'load' | 'supplied'> & {
  readonly bytes: Uint8Array
  readonly section: Uint8Array
  readonly supplied: readonly { readonly l1Transaction: Hex; readonly bytes: Uint8Array }[]
}

/** Batches that end at the cuts; `encodingOf` by their number. */
export function postedOf(chain: Chain, cuts: readonly number[], encodingOf: (seq: number) => Encoding): Posted[] {
  let accumulator = NO_ACCUMULATOR
  return cuts.map((height, i): Posted => {
    const seq = i + 1
    const block = chain.block(height) as Block
    const bytes = batchOf(chain, (cuts[i - 1] ?? 0) + 1, height, encodingOf(seq))
    const of = { seq, dataHash: keccak(bytes), blockHash: block.hash }
    accumulator = accumulatorOf(accumulator, of)
    const section =
      height % EPOCH_BLOCKS === 0 && block.section !== null ? encodeSection(block.section) : new Uint8Array(0)
    const l1Transaction = bytesToHex(keccak(Uint8Array.of(seq)))
    return { ...of, height, accumulator, l1Transaction, bytes, section, supplied: [] }
  })
}

/** As if these bytes had been posted in place of those. */
export function repost(posted: readonly Posted[], seq: number, change: Partial<Posted>): Posted[] {
  let accumulator = NO_ACCUMULATOR
  return posted.map((batch): Posted => {
    const changed = batch.seq === seq ? { ...batch, ...change } : batch
    const dataHash = keccak(changed.bytes)
    accumulator = accumulatorOf(accumulator, { ...changed, dataHash })
    return { ...changed, dataHash, accumulator: asHash(accumulator) }
  })
}

export const sourceOf = (posted: readonly Posted[]): SettlementSource => ({
  async *postings() {
    for (const { bytes, section, supplied, ...logged } of posted)
      yield {
        ...logged,
        load: async () => ({ bytes, section }),
        supplied: supplied.map(({ l1Transaction, bytes: own }) => {
          return { l1Transaction, dataHash: keccak(own), load: async () => own }
        }),
      }
  },
})
