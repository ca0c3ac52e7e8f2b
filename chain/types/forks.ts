// Forks: rules of a running network that change at the first block of an epoch. Owns the table of those that this release knows and what each
// changes; which of them hold, and since when, the network's own state says (`native/params`), so that all nodes agree on it.
import { defineErrors, NodeError } from '../base/errors.ts'

/** Ethereum's rules for transactions and code. */
export type EthereumFork = 'prague' | 'osaka'

export interface Fork {
  readonly name: string
  /** The first release that knows it. */
  readonly since: string
  /** Raised when what stands behind the name changes before any network has come to it: nodes of two revisions part. */
  readonly revision: number
  readonly meaning: string
  /** Ethereum's rules from then on; left out where they stay. */
  readonly ethereum?: EthereumFork
}

/**
 * THE TABLE. A fork that a network has come to is never changed or removed: its blocks are run again for ever. What a fork brings to modules
 * stands with them: handlers and numbers that say `since`.
 */
export const FORKS: readonly Fork[] = [
  {
    name: 'osaka',
    since: '0.1.0',
    revision: 1,
    meaning:
      'Ethereum’s Osaka: CLZ (EIP-7939), P256VERIFY (EIP-7951), MODEXP’s price and bounds (EIP-7883, EIP-7823), 16,777,216 gas at most for a transaction (EIP-7825)',
    ethereum: 'osaka',
  },
  {
    name: 'params-2',
    since: '0.1.0',
    revision: 1,
    meaning:
      'params, version 2: setAll sets several numbers at once, and the number governance.notice says how many epochs ahead numbers are set',
  },
]

/** As the network's state has it; `version` is the first release that knows it, as governance said. */
export interface ScheduledFork {
  readonly name: string
  /** From whose first block on it holds. */
  readonly epoch: number
  readonly version: string
}

export const ForkErrors = defineErrors('FORK', {
  UNKNOWN: {
    text: (d: { name: string; epoch: number; height: number; version: string }) =>
      `from block ${d.height} on (epoch ${d.epoch}) this network runs under the fork ${d.name}, which this release does not know: ` +
      `install ${d.version === '' ? 'a newer release' : `version ${d.version} or newer`} and start again; nothing is lost`,
  },
})

/** 1 to 31 letters of lower case, digits, hyphens and points, the first one a letter. */
export const isForkName = (text: string): boolean => /^[a-z][a-z0-9.-]{0,30}$/.test(text)
/** 1 to 31 visible letters of ASCII without blanks. */
export const isForkVersion = (text: string): boolean => /^[!-~]{1,31}$/.test(text)

/** So that heights stay exact. */
export const FORK_EPOCHS_MAX = 2 ** 32 - 1
export const firstHeightOf = (epoch: number, epochBlocks: number): number => epoch * epochBlocks + 1

/**
 * Ethereum's rules in the block of a height in this epoch. Throws FORK_UNKNOWN where a fork holds that is not among `known`.
 */
export function ethereumIn(
  schedule: readonly ScheduledFork[],
  at: { readonly height: number; readonly epoch: number },
  known: readonly Fork[],
): EthereumFork {
  let ethereum: EthereumFork = 'prague'
  for (const { name, epoch, version } of schedule) {
    if (epoch > at.epoch) continue
    const fork = known.find((each) => each.name === name)
    if (fork === undefined) throw new NodeError(ForkErrors.UNKNOWN, { name, epoch, height: at.height, version })
    ethereum = fork.ethereum ?? ethereum
  }
  return ethereum
}

/** A fork as a node at this head sees it. */
export interface ForkOutlook extends ScheduledFork {
  /** The first block under its rules. */
  readonly height: number
  readonly isActive: boolean
  readonly isKnown: boolean
  /** By the network's block time, rounded down; 0 where it holds. */
  readonly secondsLeft: number
}
export function outlookOf(
  schedule: readonly ScheduledFork[],
  known: readonly Fork[],
  head: { readonly height: number; readonly epochBlocks: number; readonly blockTimeMs: number },
): readonly ForkOutlook[] {
  return schedule.map((fork) => {
    const height = firstHeightOf(fork.epoch, head.epochBlocks)
    const isActive = fork.epoch === 0 || height <= head.height
    const secondsLeft = isActive ? 0 : Math.floor(((height - 1 - head.height) * head.blockTimeMs) / 1_000)
    return { ...fork, height, isActive, isKnown: known.some(({ name }) => name === fork.name), secondsLeft }
  })
}

/** From when on a node warns of a fork that it does not know. */
const WARNED_SECONDS = 7 * 86_400
/** The first fork that ends this release, where that is within a week; null where there is none. */
export function forkWarning(outlook: readonly ForkOutlook[]): string | null {
  const fork = outlook.find(({ isKnown, secondsLeft }) => !isKnown && secondsLeft <= WARNED_SECONDS)
  if (fork === undefined) return null
  const { name, epoch, height, version, secondsLeft } = fork
  return (
    `this node stops before block ${height} (epoch ${epoch}, in about ${spanOf(secondsLeft)}): the fork ${name} begins there, which this release does not know; ` +
    `install ${version === '' ? 'a newer release' : `version ${version} or newer`} before`
  )
}
const spanOf = (seconds: number): string => {
  if (seconds >= 2 * 86_400) return `${Math.floor(seconds / 86_400)} days`
  if (seconds >= 2 * 3_600) return `${Math.floor(seconds / 3_600)} hours`
  return seconds >= 120 ? `${Math.floor(seconds / 60)} minutes` : `${seconds} seconds`
}
