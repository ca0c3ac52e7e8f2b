// A journal in which some spans were taken back is a journal in which they never were: whatever can be asked of it, within the
// transaction and of the block.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMemoryState } from '../../test/kit/memory-state.ts'
import { type Address, asAddress, bytesToHex } from '../base/bytes.ts'
import type { Account, Slot, State } from '../types/state.ts'
import { createState } from './state.ts'

const at = (n: number): Address => asAddress(new Uint8Array(20).fill(n))
const ACCOUNTS = [1, 2, 3, 4, 5].map(at)
const KEYS = [0n, 1n, 1n << 64n, 2n ** 256n - 1n]
const CODES = [new Uint8Array(0), Uint8Array.of(0x5b), Uint8Array.of(0x60, 0x5b, 0x5b)]

/** 1 has everything, 2 a balance, 3 is stored though it is empty, 4 and 5 are not there. */
const openWorld = () => {
  const memory = createMemoryState()
  const put = (n: number, nonce: bigint, balance: bigint, code: Uint8Array, slots: [bigint, bigint][]): void =>
    memory.put(bytesToHex(at(n)), { nonce, balance, code, slots })
  put(1, 1n, 7n, Uint8Array.of(0x5b), [
    [0n, 3n],
    [1n << 64n, 4n],
  ])
  put(2, 0n, 9n, new Uint8Array(0), [])
  put(3, 0n, 0n, new Uint8Array(0), [])
  return memory
}

const change: Readonly<Record<string, (state: State, account: Account, slot: Slot, value: bigint) => void>> = {
  balance: (state, account, _, value) => state.setBalance(account, value),
  nonce: (state, account, _, value) => state.setNonce(account, account.nonce + value),
  code: (state, account, _, value) => state.setCode(account, CODES[Number(value)] ?? new Uint8Array(0)),
  // What has storage has a nonce, and a nonce never falls.
  slot: (state, account, slot, value) => (account.nonce > 0n ? state.setSlot(slot, value) : undefined),
  transient: (state, account, slot, value) => state.setTransient(account.address, slot.key, value),
  warmAccount: (state, account) => state.warmAccount(account),
  warmSlot: (state, _, slot) => state.warmSlot(slot),
  created: (state, account) => state.markCreated(account),
  log: (state, account, _, value) =>
    state.log({ address: account.address, topics: [], data: CODES[Number(value)] ?? new Uint8Array(0) }),
  refund: (state, _, __, value) => state.setRefund(value),
  // As engines do: only what this transaction made, which had no storage before.
  destroy: (state, account) => (state.wasCreated(account) ? state.destroy(account) : undefined),
}
interface Step {
  readonly kind: string
  readonly who: Address
  readonly key: bigint
  readonly value: bigint
}
type Span = { readonly steps: readonly Part[]; readonly isTakenBack: boolean }
type Part = Step | Span

const arbStep = fc.record({
  kind: fc.constantFrom(...Object.keys(change)),
  who: fc.constantFrom(...ACCOUNTS),
  key: fc.constantFrom(...KEYS),
  value: fc.bigInt(0n, 2n),
})
const { span: arbSpan } = fc.letrec<{ span: Span; part: Part }>((tie) => ({
  span: fc.record({ steps: fc.array(tie('part'), { maxLength: 8 }), isTakenBack: fc.boolean() }),
  part: fc.oneof({ depthSize: 'small', withCrossShrink: true }, arbStep, tie('span')),
}))

const play = (state: State, part: Part, how: 'revert' | 'leave out'): void => {
  if ('kind' in part) {
    const account = state.load(part.who)
    change[part.kind]?.(state, account, state.loadSlot(account, part.key), part.value)
    return
  }
  if (part.isTakenBack && how === 'leave out') return
  const mark = state.checkpoint()
  for (const each of part.steps) play(state, each, how)
  if (part.isTakenBack) state.revert(mark)
}

const seen = (state: State) => ({
  accounts: ACCOUNTS.map((address) => {
    const account = state.load(address)
    const { nonce, balance, codeHash, exists, hex } = account
    return {
      ...{ nonce, balance, exists, hex, codeHash: bytesToHex(codeHash), code: state.codeOf(account).bytes },
      ...{ isWarm: state.isWarmAccount(account), wasCreated: state.wasCreated(account) },
      slots: KEYS.map((key) => {
        const slot = state.loadSlot(account, key)
        const { value, original } = slot
        return { value, original, isWarm: state.isWarmSlot(slot), transient: state.transient(address, key) }
      }),
    }
  }),
  refund: state.refund(),
  logs: state.logCount(),
})
const changed = (state: State) => {
  const { accounts, codes } = state.changes()
  const byHex = accounts.map((each) => ({ hex: bytesToHex(each.address), ...each, slots: [...each.slots] }))
  for (const { slots } of byHex) slots.sort((a, b) => (a.key < b.key ? -1 : 1))
  return {
    accounts: byHex.sort((a, b) => (a.hex < b.hex ? -1 : 1)),
    codes: codes.map(({ hash }) => bytesToHex(hash)).sort(),
  }
}

test('what was taken back never was', () => {
  fc.assert(
    fc.property(fc.array(fc.array(arbSpan, { maxLength: 4 }), { minLength: 1, maxLength: 3 }), (txs) => {
      const [state, model] = [createState(openWorld()), createState(openWorld())]
      for (const spans of txs) {
        for (const each of [state, model]) each.begin()
        for (const span of spans) {
          play(state, span, 'revert')
          play(model, span, 'leave out')
          expect(seen(state)).toEqual(seen(model))
        }
        expect(state.end()).toEqual(model.end())
        expect(changed(state)).toEqual(changed(model))
      }
    }),
    { numRuns: 500 },
  )
})

test('the journal answers with handles and values of its own', () => {
  const scratch = at(1).slice() as Address
  const state = createState(openWorld())
  const account = state.load(scratch)
  scratch.fill(2)
  expect(account.address).toEqual(at(1))
  expect(state.load(at(1))).toBe(account)
  state.begin()
  state.setBalance(account, 1n)
  state.log({ address: at(1), topics: [], data: new Uint8Array(0) })
  const logs = state.end()
  state.begin()
  expect(logs.length).toBe(1)
  expect(state.logCount()).toBe(0)
})
