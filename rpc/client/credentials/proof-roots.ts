// The roots that statements in zero knowledge are checked against, from a status list as the chain has it. Owns how a list is put together: what is
// set in state, and what its issuer published and anchored. Its issuer anchors the roots anew with each revocation; anybody can compute them.
import type { TransactionReceipt } from 'ethers'
import { concat } from '../../../chain/base/bytes.ts'
import { abi } from '../../../chain/native/did/abi.ts'
import { bindContract, type Runner } from '../contract.ts'
import { DID_MODULE } from '../did.ts'
import { anchoredBits, type ListFetch, noList } from './status.ts'
import { issuersTree, statusTree, type ZkKey, type ZkTree } from './zk-credential.ts'

export interface ProofList {
  readonly list: bigint
  /** Whose credentials count; of one issuer it names one, of more it hides which. In this order they have their index. */
  readonly issuers: readonly ZkKey[]
  /** For lists that are anchored on chain and published elsewhere. */
  readonly fetchList?: ListFetch
  readonly timeoutMs?: number
}
export interface ProofTrees {
  readonly issuers: ZkTree
  readonly statuses: ZkTree
}

/** What one answer of the module holds. */
const PAGE_WORDS = 512
const WORD_BITS = 256
const SEGMENT_BITS = 131_072
const TIMEOUT_MS = 5_000

/** Every bit of a list at the newest block. Throws CONTRACT_REVERTED (ListUnknown), CREDENTIAL_STATUS_MALFORMED and STATUS_UNAVAILABLE. */
export async function statusBitsOf(runner: Runner, { list, fetchList, timeoutMs }: Omit<ProofList, 'issuers'>) {
  const did = bindContract({ abi, at: DID_MODULE, runner })
  const [{ size }] = await did.read('statusList', list)
  const words: Uint8Array[] = []
  while (words.length * WORD_BITS < Number(size)) {
    const [page] = await did.read('statusWords', list, BigInt(words.length), BigInt(PAGE_WORDS))
    words.push(...page)
  }
  const bits = concat(...words).slice(0, Math.ceil(Number(size) / 8))
  for (let from = 0; from < Number(size); from += SEGMENT_BITS) {
    const [{ digest, count, uri }] = await did.read('anchorOf', list, BigInt(from))
    if (digest.every((byte) => byte === 0)) continue
    const by = { fetchList: fetchList ?? noList, timeoutMs: timeoutMs ?? TIMEOUT_MS }
    const published = await anchoredBits(by, String(list), { digest, count: Number(count), uri })
    for (const [i, byte] of published.entries()) bits[from / 8 + i] = (bits[from / 8 + i] ?? 0) | byte
  }
  return bits
}

/** The trees whose roots count, with which a holder also makes its statement. Throws as `statusBitsOf`, and ZK_INPUT. */
export async function proofTreesOf(runner: Runner, of: ProofList): Promise<ProofTrees> {
  return { issuers: issuersTree(of.issuers), statuses: statusTree(await statusBitsOf(runner, of)) }
}

/** Computes the roots and anchors them, as the controller of the list's issuer may. Throws as `proofTreesOf`, and CONTRACT_*. */
export async function anchorProofRoots(
  runner: Runner,
  of: ProofList,
): Promise<ProofTrees & { readonly receipt: TransactionReceipt }> {
  const trees = await proofTreesOf(runner, of)
  const did = bindContract({ abi, at: DID_MODULE, runner })
  const receipt = await did.send('anchorProofRoots', of.list, trees.issuers.root, trees.statuses.root)
  return { ...trees, receipt }
}
