// Which rules hold, which will, and who is ready for them: eth_config as wallets ask it, nova_upgrades as operators do. Reads the schedule that the
// chain's state has, and what peers say they run.
import { bigintToFixed, type Hash } from '../../chain/base/bytes.ts'
import type { Chain } from '../../chain/chain.ts'
import type { Json } from '../../chain/types/call.ts'
import { type EthereumFork, forkWarning } from '../../chain/types/forks.ts'
import { epochOf } from '../../chain/types/validators.ts'
import { hexQuantity } from '../format.ts'
import { type Ctx, defineMethod } from '../method.ts'

const PRECOMPILES: Readonly<Record<string, number>> = {
  ...{ ECREC: 1, SHA256: 2, RIPEMD160: 3, ID: 4, MODEXP: 5, BN254_ADD: 6, BN254_MUL: 7, BN254_PAIRING: 8, BLAKE2F: 9 },
  ...{ KZG_POINT_EVALUATION: 10, BLS12_G1ADD: 11, BLS12_G1MSM: 12, BLS12_G2ADD: 13, BLS12_G2MSM: 14 },
  ...{ BLS12_PAIRING_CHECK: 15, BLS12_MAP_FP_TO_G1: 16, BLS12_MAP_FP2_TO_G2: 17 },
}
const precompilesOf = (ethereum: EthereumFork): Json =>
  Object.fromEntries(
    Object.entries(ethereum === 'prague' ? PRECOMPILES : { ...PRECOMPILES, P256VERIFY: 256 })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, at]) => [name, `0x${at.toString(16).padStart(40, '0')}`]),
  )

/**
 * CRC32 (IEEE 802.3) of the genesis hash and of the first heights of the forks since: the fork id of EIP-2124. What holds from genesis is no
 * part of it.
 */
export function forkId(genesisHash: Hash, heights: readonly number[] = []): string {
  let crc = 0xffffffff
  const parts = [genesisHash, ...heights.map((height) => bigintToFixed(BigInt(height), 8))]
  for (const byte of parts.flatMap((part) => [...part])) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return `0x${((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0')}`
}

/** Ethereum's rules one after the other, each with the first block under them. A fork without a meaning for Ethereum changes none. */
const ethereumRules = (chain: Chain) => {
  const rules: { ethereum: EthereumFork; height: number; isActive: boolean }[] = []
  for (const fork of chain.forks.outlook()) {
    const ethereum = chain.forks.known.find(({ name }) => name === fork.name)?.ethereum
    if (ethereum === undefined) continue
    if (rules.length === 0 && fork.epoch > 0) rules.push({ ethereum: 'prague', height: 0, isActive: true })
    rules.push({ ethereum, height: fork.epoch === 0 ? 0 : fork.height, isActive: fork.isActive })
  }
  return rules.length > 0 ? rules : [{ ethereum: 'prague' as const, height: 0, isActive: true }]
}

const config = ({ chain }: Ctx): Json => {
  const head = chain.head().header
  const rules = ethereumRules(chain)
  const heights = rules.map(({ height }) => height)
  const timeOf = (height: number): number => {
    if (height === 0) return 0
    if (height <= head.number) return chain.outline(height)?.header.time ?? 0
    return head.time + Math.ceil(((height - head.number) * chain.genesis.blockTimeMs) / 1_000)
  }
  const show = (at: number): Json => {
    const rule = rules[at]
    if (rule === undefined) return null
    return {
      activationTime: timeOf(rule.height),
      blobSchedule: { baseFeeUpdateFraction: 5_007_716, max: 0, target: 0 },
      chainId: hexQuantity(chain.genesis.chainId),
      forkId: forkId(
        chain.genesisHash,
        heights.slice(0, at + 1).filter((height) => height > 0),
      ),
      precompiles: precompilesOf(rule.ethereum),
      systemContracts: {
        BEACON_ROOTS_ADDRESS: '0x000f3df6d732807ef1319fb7b8bb8522d0beac02',
        HISTORY_STORAGE_ADDRESS: '0x0000f90827f1c53a10cb7a02335b175320002935',
      },
    }
  }
  const current = rules.findLastIndex(({ isActive }) => isActive)
  const isLast = current === rules.length - 1
  return {
    current: show(current),
    next: isLast ? null : show(current + 1),
    last: isLast ? null : show(rules.length - 1),
  }
}

const upgrades = ({ chain, net, version }: Ctx): Json => {
  const { number } = chain.head().header
  const { epochBlocks } = chain.genesis
  const forks = chain.forks.outlook()
  const coming = forks.filter(({ isActive }) => !isActive).map(({ name }) => name)
  return {
    version,
    height: hexQuantity(number),
    epoch: hexQuantity(epochOf(number + 1, epochBlocks)),
    warning: forkWarning(forks),
    forks: forks.map(({ name, epoch, height, version: since, isActive, isKnown, secondsLeft }) => ({
      ...{ name, epoch: hexQuantity(epoch), height: hexQuantity(epoch === 0 ? 0 : height), version: since },
      ...{ active: isActive, known: isKnown, secondsLeft: hexQuantity(secondsLeft) },
    })),
    known: chain.forks.known.map(({ name, since, meaning }) => ({ name, since, meaning })),
    peers: (net.software?.() ?? []).map(({ id, version: theirs, forks: names }) => ({
      ...{ id, version: theirs, forks: names },
      ready: names === null ? null : coming.every((name) => names.includes(name)),
    })),
  }
}

export const upgradeMethods = [
  defineMethod('eth_config', {
    summary:
      'The rules of this network (EIP-7910): Ethereum’s fork that holds, the next and the last that are scheduled; no blobs.',
    params: [],
    run: config,
  }),
  defineMethod('nova_upgrades', {
    summary:
      'Forks that hold and those that will, from which block and in how many seconds; which of them this node and its peers know.',
    params: [],
    run: upgrades,
  }),
] as const
