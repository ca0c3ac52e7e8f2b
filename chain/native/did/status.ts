// Bitstring status lists of issuers: bits in state, and digests of segments that are kept elsewhere. Owns where a bit lies and what is final.
import { bigintToFixed } from '../../base/bytes.ts'
import type { Handlers } from '../kit/module.ts'
import type { abi } from './abi.ts'
import { isUri } from './checks.ts'
import type { DidCall, layout } from './layout.ts'
import { authorise } from './versions.ts'

type All = Handlers<typeof abi, typeof layout>
type Name =
  | ('createStatusList' | 'setStatus' | 'anchorStatusList')
  | ('statusOf' | 'statusWords' | 'statusList' | 'anchorOf' | 'statusListCount')

/** As in IDid.sol. */
export const StatusPurpose = { revocation: 1, suspension: 2 } as const
/** Indices of a segment: the least that a list of W3C's may have, 16 KiB of bits. */
export const SEGMENT = 131_072
const SIZE_MAX = 1_048_576n
const WORD_BITS = 256n
const WORDS_MAX = 512n

/** Ends the call where there is no such list. */
export const mustFind = (call: DidCall, listId: bigint) => {
  const { statusLists } = call.store
  if (listId === 0n || listId > BigInt(statusLists.length())) call.revert('ListUnknown', { listId })
  return statusLists.item(Number(listId) - 1)
}
const mustHave = (call: DidCall, listId: bigint, index: bigint): void => {
  const size = mustFind(call, listId).size.get()
  if (index >= size) call.revert('IndexOutside', { listId, index, size })
}
const wordAt = ({ store }: Pick<DidCall, 'store'>, listId: bigint, index: bigint) =>
  store.statusBits.at(listId).at(index / WORD_BITS)
/** The lowest index is the highest bit, so that the words one after another are the bytes of a W3C list. */
const maskOf = (index: bigint): bigint => 1n << (WORD_BITS - 1n - (index % WORD_BITS))

/** First index and number of indices of a segment; none where it lies beyond the list. */
const segmentOf = (size: bigint, segment: bigint): { readonly from: bigint; readonly count: bigint } => {
  const from = segment * BigInt(SEGMENT)
  const room = size > from ? size - from : 0n
  return { from, count: room < BigInt(SEGMENT) ? room : BigInt(SEGMENT) }
}

export const statuses: Pick<All, Name> = {
  createStatusList: {
    gas: 1_000,
    run(call, [issuer, purpose, size]) {
      authorise(call, issuer, call.caller)
      if (purpose === 0n || purpose > BigInt(StatusPurpose.suspension))
        call.revert('BadList', { reason: 'purpose: 1 or 2' })
      if (size < BigInt(SEGMENT) || size > SIZE_MAX || size % 8n !== 0n)
        call.revert('BadList', { reason: `size: a multiple of 8 from ${SEGMENT} to ${SIZE_MAX}` })
      const list = call.store.statusLists.push()
      list.issuer.set(issuer)
      list.purpose.set(purpose)
      list.size.set(size)
      const listId = BigInt(call.store.statusLists.length())
      call.emit('StatusListCreated', { listId, issuer, purpose, size })
      return listId
    },
  },
  setStatus: {
    gas: 1_000,
    unpausable: true,
    run(call, [listId, index, value]) {
      const list = mustFind(call, listId)
      authorise(call, list.issuer.get(), call.caller)
      mustHave(call, listId, index)
      const [word, mask] = [wordAt(call, listId, index), maskOf(index)]
      const present = word.get()
      if (((present & mask) !== 0n) === value) return
      if (!value && list.purpose.get() === BigInt(StatusPurpose.revocation))
        call.revert('RevocationIsFinal', { listId, index })
      word.set(present ^ mask)
      call.emit('StatusSet', { listId, index, value })
    },
  },
  anchorStatusList: {
    gas: 1_000,
    unpausable: true,
    run(call, [listId, segment, digest, uri]) {
      const list = mustFind(call, listId)
      authorise(call, list.issuer.get(), call.caller)
      const { from, count } = segmentOf(list.size.get(), segment)
      if (count === 0n) call.revert('IndexOutside', { listId, index: BigInt.asUintN(32, from), size: list.size.get() })
      if (digest.every((byte) => byte === 0)) call.revert('BadList', { reason: 'digest: zeros' })
      if (uri !== '' && !isUri(uri)) call.revert('BadList', { reason: 'uri: a URI of at most 256 bytes, or none' })
      const anchor = call.store.anchors.at(listId).at(segment)
      anchor.digest.set(digest)
      const version = anchor.version.update((n) => n + 1n)
      anchor.updated.set(BigInt(call.block.time))
      anchor.uri.set(uri)
      call.emit('StatusListAnchored', { listId, from, count, digest, version, uri })
    },
  },
  statusOf: {
    gas: 300,
    run(call, [listId, index]) {
      mustHave(call, listId, index)
      return (wordAt(call, listId, index).get() & maskOf(index)) !== 0n
    },
  },
  statusWords: {
    gas: 300,
    run(call, [listId, fromWord, count]) {
      const size = mustFind(call, listId).size.get()
      const all = (size + WORD_BITS - 1n) / WORD_BITS
      const room = fromWord < all ? all - fromWord : 0n
      const length = Number([count, room, WORDS_MAX].reduce((least, each) => (each < least ? each : least)))
      return Array.from({ length }, (_, i) => {
        return bigintToFixed(
          call.store.statusBits
            .at(listId)
            .at(fromWord + BigInt(i))
            .get(),
          32,
        )
      })
    },
  },
  statusList: {
    gas: 300,
    run(call, [listId]) {
      const { issuer, purpose, size } = mustFind(call, listId)
      return { issuer: issuer.get(), purpose: purpose.get(), size: size.get() }
    },
  },
  anchorOf: {
    gas: 300,
    run(call, [listId, index]) {
      mustHave(call, listId, index)
      const segment = index / BigInt(SEGMENT)
      const { digest, version, updated, uri } = call.store.anchors.at(listId).at(segment)
      const span = segmentOf(mustFind(call, listId).size.get(), segment)
      return { digest: digest.get(), ...span, version: version.get(), updated: updated.get(), uri: uri.get() }
    },
  },
  statusListCount: { gas: 200, run: ({ store }) => BigInt(store.statusLists.length()) },
}
