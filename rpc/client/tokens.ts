// What a back end does with the resource tokens: balances, transfers, minting, stakes. Owns the shapes in which its users see them: tokens by
// symbol, amounts in the smallest unit as ethers' parseUnits(text, 18) makes them, times in seconds. Runs in a browser.
import type { TransactionReceipt } from 'ethers'
import { bytesToHex, type Hex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { abi as registryAbi } from '../../chain/native/resources/abi.ts'
import { abi as tokenAbi } from '../../chain/native/token/abi.ts'
import { bindContract, type Runner, unlessRefused } from './contract.ts'
import { addressOf, countOf, SdkErrors, uintOf } from './values.ts'

/** Where they are, on every network. */
export const RESOURCES: Hex = '0x0000000000000000000000000000000000000820'
export const TOKENS = {
  CPU: '0x0000000000000000000000000000000000000821',
  MEM: '0x0000000000000000000000000000000000000822',
  STO: '0x0000000000000000000000000000000000000823',
  NET: '0x0000000000000000000000000000000000000824',
} as const satisfies Readonly<Record<string, Hex>>
export type TokenSymbol = keyof typeof TOKENS

export interface TokenTransfer {
  readonly token: TokenSymbol
  readonly to: string
  readonly amount: bigint
}
export interface TokenStake {
  readonly token: TokenSymbol
  readonly amount: bigint
  /** What it earns by `end`, less what was claimed; what of it is earned by the newest block. */
  readonly reward: bigint
  readonly earned: bigint
  readonly start: number
  readonly end: number
}
export interface TokenClient {
  balanceOf(token: TokenSymbol, account: string): Promise<bigint>
  transfer(transfer: TokenTransfer): Promise<TransactionReceipt>
  /** The signer is a minter of the token. */
  mint(transfer: TokenTransfer): Promise<TransactionReceipt>
  /** Locks the signer's tokens for so many seconds; the whole reward is set aside at once, or the stake is refused (PoolTooSmall). */
  stake(stake: { readonly token: TokenSymbol; readonly amount: bigint; readonly seconds: number }): Promise<{
    readonly id: number
    readonly reward: bigint
    readonly end: number
    readonly receipt: TransactionReceipt
  }>
  /** Null of a stake that never was, or was taken back. */
  getStake(owner: string, id: number): Promise<TokenStake | null>
  /** The reward, from `end` on; the stake stays. */
  claimReward(id: number): Promise<TransactionReceipt>
  /** Gives the tokens back; before `end` the reward is lost. */
  unstake(id: number): Promise<TransactionReceipt>
}

export function tokenClient(runner: Runner): TokenClient {
  const registry = bindContract({ abi: registryAbi, at: RESOURCES, runner })
  const bound = (token: TokenSymbol) => bindContract({ abi: tokenAbi, at: tokenAt(token), runner })
  return {
    async balanceOf(token, account) {
      const [balance] = await bound(token).read('balanceOf', addressOf('account', account))
      return balance
    },
    transfer: async ({ token, to, amount }) =>
      bound(token).send('transfer', addressOf('to', to), uintOf('amount', amount)),
    mint: async ({ token, to, amount }) => bound(token).send('mint', addressOf('to', to), uintOf('amount', amount)),
    async stake({ token, amount, seconds }) {
      const at = addressOf('token', tokenAt(token))
      const receipt = await registry.send('stake', at, uintOf('amount', amount), countOf('seconds', seconds, 64))
      const log = receipt.logs.find(({ topics }) => topics[0] === registryAbi.events.Staked.topic)
      const [id = 0n, , reward = 0n, end = 0n] = (log?.data.slice(2).match(/.{64}/g) ?? []).map((word) =>
        BigInt(`0x${word}`),
      )
      return { id: Number(id), reward, end: Number(end), receipt }
    },
    async getStake(owner, id) {
      const asked = registry.read('stakeOf', addressOf('owner', owner), countOf('id', id, 53))
      const [found] = (await unlessRefused('NoSuchStake', asked)) ?? []
      const token = found && symbolAt(bytesToHex(found.token))
      if (found === undefined || token === undefined) return null
      const { amount, reward, earned, start, end } = found
      return { token, amount, reward, earned, start: Number(start), end: Number(end) }
    },
    claimReward: async (id) => registry.send('claim', countOf('id', id, 53)),
    unstake: async (id) => registry.send('unstake', countOf('id', id, 53)),
  }
}

const SYMBOLS = Object.keys(TOKENS) as readonly TokenSymbol[] // TOKENS has no other keys
const symbolAt = (address: Hex): TokenSymbol | undefined => SYMBOLS.find((symbol) => TOKENS[symbol] === address)
/** Users of plain JavaScript write anything. */
const tokenAt = (token: TokenSymbol): Hex => {
  if (!SYMBOLS.includes(token))
    throw new NodeError(SdkErrors.BAD_VALUE, { name: 'token', expected: SYMBOLS.join(', '), given: String(token) })
  return TOKENS[token]
}
