// The resource tokens CPU, MEM, STO and NET: one definition at four addresses. Owns which function does what, and a token's first state. Who mints and
// how much there may be is decided by `resources`, and kept here.
import { z } from 'zod'
import { type Address, asAddress, bytesToHex, hexToBytes } from '../../base/bytes.ts'
import { isDevelopmentAccount } from '../../types/genesis.ts'
import { describeDomain, domainSeparator } from '../kit/eip712.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { abi } from './abi.ts'
import { openDirect, TRANSFER_GAS } from './direct.ts'
import { layout, type TokenCall, type TokenCtx } from './layout.ts'
import { approve, burn, isNobody, mint, spendAllowance, transfer, WORD_MAX } from './ledger.ts'
import { PERMIT_GAS, permit, tokenDomain, VERSION } from './permit.ts'

/** What a token calls itself: the same for ever, or read from its words. */
export interface TokenLabel {
  name(call: TokenCall): string
  symbol(call: TokenCall): string
  decimals(call: TokenCall): bigint
}

export const handlersOf = (label: TokenLabel): Handlers<typeof abi, typeof layout> => ({
  name: { gas: 100, run: label.name },
  symbol: { gas: 100, run: label.symbol },
  decimals: { gas: 100, run: label.decimals },
  totalSupply: { gas: 100, run: ({ store }) => store.totalSupply.get() },
  balanceOf: { gas: 100, run: ({ store }, [account]) => store.balances.at(account).get() },
  allowance: { gas: 100, run: ({ store }, [owner, spender]) => store.allowances.at(owner).at(spender).get() },
  transfer: { gas: TRANSFER_GAS, run: (call, [to, value]) => transfer(call, call.caller, to, value) },
  transferFrom: {
    gas: TRANSFER_GAS,
    run(call, [from, to, value]) {
      spendAllowance(call, from, value)
      return transfer(call, from, to, value)
    },
  },
  approve: {
    gas: 200,
    run(call, [spender, value]) {
      approve(call, call.caller, spender, value)
      return true
    },
  },
  permit: { gas: PERMIT_GAS, run: (call, args) => permit(call, label.name(call), args) },
  nonces: { gas: 100, run: ({ store }, [owner]) => store.nonces.at(owner).get() },
  DOMAIN_SEPARATOR: { gas: 300, run: (call) => domainSeparator(tokenDomain(call, label.name(call))) },
  version: { gas: 100, run: () => VERSION },
  eip712Domain: { gas: 200, run: (call) => describeDomain(tokenDomain(call, label.name(call))) },
  cap: { gas: 100, run: ({ store }) => store.cap.get() },
  isMinter: { gas: 100, run: ({ store }, [account]) => store.minters.at(account).get() },
  mint: {
    gas: 200,
    run(call, [to, value]) {
      const { caller } = call
      if (!call.store.minters.at(caller).get()) call.revert('NotMinter', { caller })
      mint(call, to, value)
    },
  },
  burn: { gas: 200, run: (call, [value]) => burn(call, call.caller, value) },
  burnFrom: {
    gas: 200,
    run(call, [account, value]) {
      spendAllowance(call, account, value)
      burn(call, account, value)
    },
  },
})

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected 0x and 40 hex digits')
const quantity = z
  .string()
  .regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/, 'expected a 0x quantity or a decimal string')
  .transform(BigInt)
  .refine((value) => value <= WORD_MAX, 'above 2^256 - 1')

const section = z.strictObject({
  /** In the token's smallest unit, of which 10^18 are one; so are balances. */
  cap: quantity.default(10n ** 30n),
  minters: z.array(address).max(1_024).default([]),
  balances: z.record(address, quantity).default({}),
})

type Refuse = (path: string, reason: string) => never

/** Who is named in a section. */
const named = (path: string, hex: string, isDevelopment: boolean, refuse: Refuse): Address => {
  const account = asAddress(hexToBytes(hex))
  if (isNobody(account)) refuse(path, 'nobody holds the key of the zero address')
  if (!isDevelopment && isDevelopmentAccount(account))
    refuse(path, 'anybody holds the key of this development account; or say "development": true in novachain')
  return account
}

const seed = (
  { store }: TokenCtx,
  { cap, minters, balances }: z.output<typeof section>,
  isDevelopment: boolean,
  refuse: Refuse,
): void => {
  store.cap.set(cap)
  for (const [i, hex] of minters.entries()) {
    const minter = store.minters.at(named(`minters.${i}`, hex, isDevelopment, refuse))
    if (minter.get()) refuse(`minters.${i}`, `${hex} is there twice`)
    minter.set(true)
  }
  const seen = new Set<string>()
  let supply = 0n
  for (const [hex, value] of Object.entries(balances)) {
    const account = named(`balances.${hex}`, hex, isDevelopment, refuse)
    if (seen.has(bytesToHex(account))) refuse(`balances.${hex}`, 'the address appears twice')
    seen.add(bytesToHex(account))
    supply += value
    if (supply > cap) refuse(`balances.${hex}`, `with it there are ${supply}, above the cap of ${cap}`)
    store.balances.at(account).set(value)
  }
  store.totalSupply.set(supply)
}

const define = (key: string, name: string, symbol: string) =>
  defineModule({
    ...{
      name: key,
      scope: 'tokens',
      abi,
      layout,
      handlers: handlersOf({ name: () => name, symbol: () => symbol, decimals: () => 18n }),
      direct: openDirect,
    },
    genesis: {
      schema: section.prefault({}),
      seed: (ctx, given, { development }, refuse) => seed(ctx, given, development, refuse),
    },
  })

export const cpu = define('cpu', 'NovaChain CPU', 'CPU')
export const mem = define('mem', 'NovaChain Memory', 'MEM')
export const sto = define('sto', 'NovaChain Storage', 'STO')
export const net = define('net', 'NovaChain Network', 'NET')
