// eth_: accounts, storage, code, proofs, and calls that change nothing.
import { bytesToHex } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import {
  address,
  type BlockRef,
  blockRef,
  blockRefOrPending,
  type Codec,
  count,
  data,
  hash,
  list,
  object,
  optional,
  pairs,
  quantity,
  word,
} from '../../chain/base/schema.ts'
import type { AccountOverride, CallAnswer, CallRequest, Json } from '../../chain/types/call.ts'
import { hexQuantity, hexWord } from '../format.ts'
import { type Ctx, defineMethod, mustHeight, RpcErrors } from '../method.ts'

const readAt = ({ chain }: Ctx, ref: BlockRef) => chain.at(mustHeight(chain, ref))
const isPending = (ref: BlockRef): boolean => 'tag' in ref && ref.tag === 'pending'

const accessEntry = object({ address, storageKeys: list(hash, 10_000) })
const authorization = object({
  chainId: quantity,
  address,
  nonce: quantity,
  yParity: quantity,
  r: quantity,
  s: quantity,
})
const requestFields = object({
  from: optional(address),
  to: optional(address),
  gas: optional(quantity),
  gasPrice: optional(quantity),
  maxFeePerGas: optional(quantity),
  maxPriorityFeePerGas: optional(quantity),
  value: optional(quantity),
  input: optional(data),
  data: optional(data),
  nonce: optional(quantity),
  accessList: optional(list(accessEntry, 10_000)),
  authorizationList: optional(list(authorization, 1_000)),
})

/** A transaction as `eth_call` takes it. */
export const callRequest: Codec<CallRequest> = {
  expected: 'a transaction object',
  schema: requestFields.schema,
  decode(value) {
    const decoded = requestFields.decode(value)
    if (!decoded.ok) return decoded
    const f = decoded.value
    if (f.input !== null && f.data !== null && bytesToHex(f.input) !== bytesToHex(f.data))
      return { ok: false, why: 'both "data" and "input" are set and not equal; use "input"' }
    const request: CallRequest = {
      from: f.from,
      to: f.to,
      gas: f.gas,
      gasPriceWei: f.gasPrice,
      maxFeeWei: f.maxFeePerGas,
      maxTipWei: f.maxPriorityFeePerGas,
      value: f.value ?? 0n,
      input: f.input ?? f.data ?? new Uint8Array(0),
      nonce: f.nonce,
      accessList: f.accessList?.map((entry) => ({ address: entry.address, keys: entry.storageKeys })) ?? null,
      authorizations: f.authorizationList?.map((entry) => ({ ...entry, authority: null })) ?? null,
    }
    return { ok: true, value: request }
  },
}

const slots = pairs(word, word, 10_000)
const overrideFields = object({
  balance: optional(quantity),
  nonce: optional(quantity),
  code: optional(data),
  state: optional(slots),
  stateDiff: optional(slots),
  movePrecompileToAddress: optional(address),
})
const overrides = pairs(address, overrideFields, 1_000)
export const stateOverrides: Codec<readonly AccountOverride[]> = {
  expected: 'state overrides by address',
  schema: overrides.schema,
  decode(value) {
    if (value === undefined || value === null) return { ok: true, value: [] }
    const decoded = overrides.decode(value)
    if (!decoded.ok) return decoded
    const both = decoded.value.find(([, over]) => over.state !== null && over.stateDiff !== null)
    if (both !== undefined) return { ok: false, why: `account ${bytesToHex(both[0])} has both 'state' and 'stateDiff'` }
    return {
      ok: true,
      value: decoded.value.map(([at, { movePrecompileToAddress, ...over }]) => ({
        address: at,
        ...over,
        movePrecompileTo: movePrecompileToAddress,
      })),
    }
  },
}
const blockFields = object({
  number: optional(count),
  time: optional(count),
  gasLimit: optional(quantity),
  feeRecipient: optional(address),
  prevRandao: optional(hash),
  baseFeePerGas: optional(quantity),
})
export const blockOverrides = optional(blockFields)
export const overrideOf = (fields: { readonly [K in keyof BlockFields]: BlockFields[K] } | null) =>
  fields === null
    ? null
    : {
        number: fields.number,
        time: fields.time,
        gasLimit: fields.gasLimit,
        coinbase: fields.feeRecipient,
        prevRandao: fields.prevRandao,
        baseFeeWei: fields.baseFeePerGas,
      }
type BlockFields = typeof blockFields extends Codec<infer T> ? T : never

const expectKind = <K extends CallAnswer['kind']>(answer: CallAnswer, kind: K): Extract<CallAnswer, { kind: K }> => {
  if (answer.kind !== kind) throw new NodeError(RpcErrors.INTERNAL, undefined)
  return answer as Extract<CallAnswer, { kind: K }> // the kind was just compared
}

export const ethState = [
  defineMethod('eth_getBalance', {
    summary: 'Balance of an account after a block, in wei.',
    params: [
      ['address', address],
      ['block', blockRef],
    ],
    run: (ctx, [at, block]) => hexQuantity(readAt(ctx, block).account(at)?.balance ?? 0n),
  }),
  defineMethod('eth_getTransactionCount', {
    summary: 'Nonce of an account after a block; with `pending`, after its transactions in the pool.',
    params: [
      ['address', address],
      ['block', blockRef],
    ],
    run: (ctx, [at, block]) =>
      hexQuantity(isPending(block) ? ctx.chain.pool.nextNonce(at) : (readAt(ctx, block).account(at)?.nonce ?? 0n)),
  }),
  defineMethod('eth_getCode', {
    summary: 'Code of an account after a block.',
    params: [
      ['address', address],
      ['block', blockRef],
    ],
    run(ctx, [at, block]) {
      const reader = readAt(ctx, block)
      const account = reader.account(at)
      return account === undefined ? '0x' : bytesToHex(reader.code(account.codeHash).bytes)
    },
  }),
  defineMethod('eth_getStorageAt', {
    summary: 'One storage word of an account after a block.',
    params: [
      ['address', address],
      ['slot', word],
      ['block', blockRef],
    ],
    run: (ctx, [at, slot, block]) => hexWord(readAt(ctx, block).slot(at, slot)),
  }),
  defineMethod('eth_getProof', {
    summary: 'Merkle proof of an account and of storage slots after a block.',
    params: [
      ['address', address],
      ['slots', list(word, 1_024)],
      ['block', blockRef],
    ],
    async run({ chain }, [at, keys, block]) {
      const proof = await chain.proof(mustHeight(chain, block), at, keys)
      return {
        address: bytesToHex(at),
        accountProof: proof.accountProof.map(bytesToHex),
        balance: hexQuantity(proof.balance),
        codeHash: bytesToHex(proof.codeHash),
        nonce: hexQuantity(proof.nonce),
        storageHash: bytesToHex(proof.storageHash),
        storageProof: proof.slots.map((slot) => ({
          key: hexWord(slot.key),
          value: hexQuantity(slot.value),
          proof: slot.proof.map(bytesToHex),
        })),
      }
    },
  }),
  defineMethod('eth_call', {
    summary: 'Runs a call on the state after a block and changes nothing.',
    params: [
      ['transaction', callRequest],
      ['block', blockRef],
      ['stateOverrides', stateOverrides],
      ['blockOverrides', blockOverrides],
    ],
    async run(ctx, [request, block, state, over]) {
      const at = { height: mustHeight(ctx.chain, block), pending: isPending(block) }
      const answer = expectKind(
        await ctx.calls.run({ ...at, kind: 'call', request, state, block: overrideOf(over) }),
        'call',
      )
      return bytesToHex(answer.output)
    },
  }),
  defineMethod('eth_estimateGas', {
    summary:
      'The least gas limit with which a transaction succeeds, within 1.5 %. By default it runs in the block that comes next, whose time may cost more.',
    params: [
      ['transaction', callRequest],
      ['block', blockRefOrPending],
      ['stateOverrides', stateOverrides],
      ['blockOverrides', blockOverrides],
    ],
    async run(ctx, [request, block, state, over]) {
      const at = { height: mustHeight(ctx.chain, block), pending: isPending(block) }
      const job = { ...at, kind: 'estimate', request, state, block: overrideOf(over) } as const
      return hexQuantity(expectKind(await ctx.calls.run(job), 'estimate').gas)
    },
  }),
  defineMethod('eth_createAccessList', {
    summary: 'The access list with which a transaction would run, and its gas.',
    params: [
      ['transaction', callRequest],
      ['block', blockRef],
    ],
    async run(ctx, [request, block]) {
      const at = { height: mustHeight(ctx.chain, block), pending: isPending(block) }
      const answer = expectKind(await ctx.calls.run({ ...at, kind: 'accessList', request, state: [] }), 'accessList')
      const json: Record<string, Json> = {
        accessList: answer.accessList.map((entry) => ({
          address: bytesToHex(entry.address),
          storageKeys: entry.keys.map(bytesToHex),
        })),
        gasUsed: hexQuantity(answer.gasUsed),
      }
      return answer.error === null ? json : { ...json, error: answer.error }
    },
  }),
] as const
