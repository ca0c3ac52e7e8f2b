// eth_: what this network is and what this node can answer: rules, kept heights, fees; and storage of several accounts at once.
import { bytesToHex, type Hash } from '../../chain/base/bytes.ts'
import { address, type BlockRef, blockRef, type Codec, list, pairs, word } from '../../chain/base/schema.ts'
import type { Json } from '../../chain/types/call.ts'
import { hexQuantity, hexWord } from '../format.ts'
import { type Ctx, defineMethod, mustHeight } from '../method.ts'

const PRECOMPILES: Readonly<Record<string, number>> = {
  ...{ ECREC: 1, SHA256: 2, RIPEMD160: 3, ID: 4, MODEXP: 5, BN254_ADD: 6, BN254_MUL: 7, BN254_PAIRING: 8, BLAKE2F: 9 },
  ...{ KZG_POINT_EVALUATION: 10, BLS12_G1ADD: 11, BLS12_G1MSM: 12, BLS12_G2ADD: 13, BLS12_G2MSM: 14 },
  ...{ BLS12_PAIRING_CHECK: 15, BLS12_MAP_FP_TO_G1: 16, BLS12_MAP_FP2_TO_G2: 17, P256VERIFY: 256 },
}

/** CRC32 (IEEE 802.3) of the genesis hash: the fork id of EIP-2124 where every fork is active from genesis. */
export function forkId(genesisHash: Hash): string {
  let crc = 0xffffffff
  for (const byte of genesisHash) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return `0x${((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0')}`
}

const config = ({ chain }: Ctx): Json => ({
  current: {
    activationTime: 0,
    blobSchedule: { baseFeeUpdateFraction: 5_007_716, max: 0, target: 0 },
    chainId: hexQuantity(chain.genesis.chainId),
    forkId: forkId(chain.genesisHash),
    precompiles: Object.fromEntries(
      Object.entries(PRECOMPILES)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, at]) => [name, `0x${at.toString(16).padStart(40, '0')}`]),
    ),
    systemContracts: {
      BEACON_ROOTS_ADDRESS: '0x000f3df6d732807ef1319fb7b8bb8522d0beac02',
      HISTORY_STORAGE_ADDRESS: '0x0000f90827f1c53a10cb7a02335b175320002935',
    },
  },
  next: null,
  last: null,
})

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
  defineMethod('eth_config', {
    summary: 'The rules of this network (EIP-7910): every fork to Osaka from genesis, and no blobs.',
    params: [],
    run: config,
  }),
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
