// eth_: what this node can answer: kept heights, fees; and storage of several accounts at once.
import { bytesToHex } from '../../chain/base/bytes.ts'
import { address, type BlockRef, blockRef, type Codec, list, pairs, word } from '../../chain/base/schema.ts'
import type { Json } from '../../chain/types/call.ts'
import { hexQuantity, hexWord } from '../format.ts'
import { type Ctx, defineMethod, mustHeight } from '../method.ts'

const capabilities = ({ chain }: Ctx): Json => {
  const { header, hash } = chain.head()
  const kept = chain.kept()
  const from = (height: number): Json => ({ disabled: false, oldestBlock: hexQuantity(height) })
  return {
    head: { number: hexQuantity(header.number), hash: bytesToHex(hash) },
    state: from(kept.state),
    tx: from(kept.bodies),
    logs: from(kept.logs),
    receipts: from(kept.receipts),
    blocks: from(kept.bodies),
    stateproofs: from(Math.max(kept.proofs, kept.state)),
  }
}

const VALUES_MAX = 1_024
const requests = pairs(address, list(word, VALUES_MAX), VALUES_MAX)
type Requests = typeof requests extends Codec<infer T> ? T : never
const someRequests: Codec<Requests> = {
  ...requests,
  expected: 'lists of storage keys by address',
  decode(value) {
    const decoded = requests.decode(value)
    if (!decoded.ok) return decoded
    const count = decoded.value.reduce((sum, [, keys]) => sum + keys.length, 0)
    if (count === 0) return { ok: false, why: 'empty request' }
    return count > VALUES_MAX ? { ok: false, why: `${count} keys, at most ${VALUES_MAX}` } : decoded
  },
}
const valuesAt = ({ chain }: Ctx, wanted: Requests, block: BlockRef): Json => {
  const reader = chain.at(mustHeight(chain, block))
  return Object.fromEntries(
    wanted.map(([at, keys]) => [bytesToHex(at), keys.map((key) => hexWord(reader.slot(at, key)))]),
  )
}

export const ethNetwork = [
  defineMethod('eth_capabilities', {
    summary: 'From which heights this node still answers, by kind.',
    params: [],
    run: capabilities,
  }),
  defineMethod('eth_baseFee', {
    summary: 'Base fee of the next block, in wei.',
    params: [],
    run: ({ chain }) => hexQuantity(chain.nextBaseFee()),
  }),
  defineMethod('eth_coinbase', {
    summary: 'Fee recipient of the newest block.',
    params: [],
    run: ({ chain }) => bytesToHex(chain.head().header.coinbase),
  }),
  defineMethod('eth_getStorageValues', {
    summary: 'Storage words of several accounts after a block.',
    params: [
      ['requests', someRequests],
      ['block', blockRef],
    ],
    run: (ctx, [wanted, block]) => valuesAt(ctx, wanted, block),
  }),
  defineMethod('debug_getBadBlocks', {
    summary: 'Always empty: a block that does not hold is never stored.',
    params: [],
    access: 'local',
    run: () => [],
  }),
] as const
