// The module `bridge`: which function does what, and its first state. Messages are in `outbox.ts` and `inbox.ts`, money in `routes.ts`, what is proven how in
// `proof.ts`, what a message is in `message.ts`, what is connected in `governance.ts`.
import { z } from 'zod'
import { asAddress, hexToBytes } from '../../base/bytes.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { abi } from './abi.ts'
import { leave } from './carry.ts'
import { createWrapped, onlyGovernance, type Setting, setChain, setRoute } from './governance.ts'
import { deliver, isSettled, refund, refuse } from './inbox.ts'
import { type BridgeCtx, layout } from './layout.ts'
import { isNobody, messageId, padded } from './message.ts'
import { chargeId, send } from './outbox.ts'
import { routeOf } from './routes.ts'

const handlers: Handlers<typeof abi, typeof layout> = {
  send: {
    gas: 1_000,
    run: (call, [chain, recipient, token, amount, data]) => send(call, { chain, recipient, token, amount, data }),
  },
  deliver: { gas: 1_000, run: (call, [message, proof]) => deliver(call, message, proof) },
  refuse: { gas: 1_000, run: (call, [message, proof]) => refuse(call, message, proof) },
  refund: {
    gas: 1_000,
    unpausable: true,
    run: (call, [original, notice, proof]) => refund(call, original, notice, proof),
  },
  setChain: {
    gas: 500,
    run(call, [chain, vault]) {
      onlyGovernance(call)
      setChain(call, chain, vault)
    },
  },
  setRoute: {
    gas: 500,
    run(call, [chain, token, remote, cap, limit, open]) {
      onlyGovernance(call)
      setRoute(call, { chain, token, remote, cap, limit, open })
    },
  },
  createWrapped: {
    gas: 1_000,
    run(call, [chain, remote, name, symbol, decimals]) {
      onlyGovernance(call)
      return createWrapped(call, chain, remote, { name, symbol, decimals })
    },
  },
  transfer: {
    gas: 200,
    run({ store }, [id]) {
      const { status, chain, sequence, changedAt } = store.transfers.at(id)
      return { status: status.get(), chain: chain.get(), sequence: sequence.get(), changedAt: changedAt.get() }
    },
  },
  chainOf: {
    gas: 200,
    run({ store }, [chain]) {
      const { vault, sent, settled } = store.chains.at(chain)
      return { vault: vault.get(), sent: sent.get(), settled: settled.get() }
    },
  },
  routeOf: { gas: 500, run: (call, [chain, token]) => routeOf(call, chain, token) },
  tokenOf: {
    gas: 200,
    run({ store }, [chain, remote]) {
      const { token, known } = store.locals.at(chain).at(remote)
      return { token: token.get(), known: known.get() }
    },
  },
  link: { gas: 200, run: ({ store }, [chain, sequence]) => store.links.at(chain).at(sequence).get() },
  isSettled: { gas: 200, run: (call, [chain, sequence]) => isSettled(call, chain, sequence) },
  messageId: {
    gas: 200,
    run(call, [message]) {
      chargeId(call, message)
      return messageId(message)
    },
  },
  chains: {
    gas: 200,
    run: ({ store: { chainIds } }) => Array.from({ length: chainIds.length() }, (_, i) => chainIds.item(i).get()),
  },
}

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected 0x and 40 hex digits')
const numberBelow = (bits: bigint) =>
  z
    .string()
    .regex(/^(0x[0-9a-fA-F]{1,32}|[0-9]{1,39})$/, 'expected a 0x quantity or a decimal string')
    .transform(BigInt)
    .refine((value) => value < 2n ** bits, `above 2^${bits} - 1`)
const bounds = { cap: numberBelow(128n), limit: numberBelow(128n), open: z.boolean().default(false) }
const section = z.strictObject({
  chains: z
    .array(
      z.strictObject({
        chain: numberBelow(64n),
        vault: address,
        /** Of tokens of this chain; the zero address is its coin, on either side. */
        routes: z.array(z.strictObject({ token: address, remote: address, ...bounds })).default([]),
        wrapped: z
          .array(
            z.strictObject({
              ...{ remote: address, name: z.string(), symbol: z.string(), decimals: z.int().min(0).max(255) },
              ...bounds,
            }),
          )
          .default([]),
      }),
    )
    .default([]),
})

type Refuse = (path: string, reason: string) => never
type Connected = z.output<typeof section>['chains'][number]

const seedChain = (
  ctx: BridgeCtx,
  { chain, vault, routes, wrapped }: Connected,
  path: string,
  refuse: Refuse,
): void => {
  const inside = (where: string): Setting => ({ ...ctx, emit: () => {}, revert: (error) => refuse(where, error) })
  if (!isNobody(ctx.store.chains.at(chain).vault.get())) refuse(path, `chain ${chain} is there twice`)
  setChain(inside(path), chain, asAddress(hexToBytes(vault)))
  for (const [i, { token, remote, cap, limit, open }] of routes.entries())
    setRoute(inside(`${path}.routes.${i}`), {
      ...{ chain, token: asAddress(hexToBytes(token)), remote: padded(asAddress(hexToBytes(remote))) },
      ...{ cap, limit, open },
    })
  for (const [i, { remote, name, symbol, decimals, cap, limit, open }] of wrapped.entries()) {
    const call = inside(`${path}.wrapped.${i}`)
    const there = padded(asAddress(hexToBytes(remote)))
    const token = createWrapped(call, chain, there, { name, symbol, decimals: BigInt(decimals) })
    setRoute(call, { chain, token, remote: there, cap, limit, open })
  }
}

export const bridge = defineModule({
  ...{ name: 'bridge', abi, layout, handlers },
  genesis: {
    schema: section.prefault({}),
    seed(ctx, { chains }, _, refuse) {
      for (const [i, each] of chains.entries()) seedChain(ctx, each, `chains.${i}`, refuse)
    },
  },
  carry: { leave, check: () => {} },
})
