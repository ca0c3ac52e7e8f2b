import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMemoryState } from '../../test/kit/memory-state.ts'
import { asAddress, asHash, bytesToHex } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { NodeError } from '../base/errors.ts'
import type { BlockContext } from '../types/frame.ts'
import type { Changes } from '../types/state.ts'
import type { Tx } from '../types/tx.ts'
import { splitBaseFee } from './fees.ts'
import { createReferenceEngine } from './reference.ts'
import { createState } from './state.ts'
import { runTx, type TxDeps } from './tx.ts'

const address = (n: number) => asAddress(new Uint8Array(20).fill(n))
const block: BlockContext = {
  chainId: 1n,
  number: 1,
  time: 1,
  coinbase: address(0xcc),
  gasLimit: 100_000_000n,
  baseFeeWei: 7n,
  prevRandao: asHash(new Uint8Array(32)),
  parentBeaconBlockRoot: asHash(new Uint8Array(32)),
  blockHash: () => asHash(new Uint8Array(32)),
}
const arbSplit = fc
  .tuple(fc.nat(10_000), fc.nat(10_000))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  .map(([low, high]) => ({
    burnBps: low,
    recipientBps: high - low,
    treasuryBps: 10_000 - high,
    treasury: address(0xdd),
  }))
const arbTransfer: fc.Arbitrary<Tx> = fc
  .record({
    to: fc.constantFrom(address(1), address(2), address(0xcc), address(0xdd), address(9)),
    value: fc.bigInt(0n, 2n * 10n ** 18n),
    data: fc.uint8Array({ maxLength: 50 }),
    gasLimit: fc.bigInt(30_000n, 60_000n),
    maxFeeWei: fc.bigInt(5n, 30n),
    maxTipWei: fc.bigInt(0n, 5n),
  })
  .map((draft) => ({
    ...draft,
    type: 2,
    chainId: 1n,
    nonce: 0n,
    accessList: [],
    authorizations: [],
    v: 0n,
    r: 0n,
    s: 0n,
    from: address(1),
    hash: keccak(new Uint8Array(0)),
    raw: new Uint8Array(0),
  }))
const world = () => {
  const memory = createMemoryState()
  memory.put(bytesToHex(address(1)), { nonce: 0n, balance: 10n ** 18n, code: new Uint8Array(0), slots: [] })
  memory.put(bytesToHex(address(2)), { nonce: 3n, balance: 5n, code: new Uint8Array(0), slots: [] })
  return memory
}
const told = ({ accounts }: Changes) =>
  accounts.map(({ address: at, account }) => [bytesToHex(at), account?.nonce, account?.balance]).sort()
const attempt = async (deps: TxDeps, tx: Tx, tracer: object | undefined) => {
  const state = createState(world())
  try {
    const { gasUsed, status, gasPriceWei } = await runTx(deps, tx, state, block, block.gasLimit, tracer)
    return { gasUsed, status, gasPriceWei, changes: told(state.changes()), sum: state.changes() }
  } catch (error) {
    if (error instanceof NodeError) return { code: error.code }
    throw error
  }
}

test('a plain transfer without the engine is what it is with it, and no wei appears or vanishes but what burns', async () => {
  const engine = createReferenceEngine({ chainId: 1n })
  await fc.assert(
    fc.asyncProperty(arbTransfer, arbSplit, async (tx, fees) => {
      const deps = { engine, natives: new Map(), fees }
      const direct = await attempt(deps, tx, undefined)
      expect(await attempt(deps, tx, {})).toEqual(direct) // a tracer takes the engine's road
      if (direct.sum === undefined) return
      const total = direct.sum.accounts.reduce((sum, { account }) => sum + (account?.balance ?? 0n), 0n)
      const touched = new Set(direct.sum.accounts.map((change) => bytesToHex(change.address)))
      const before = 10n ** 18n + (touched.has(bytesToHex(address(2))) ? 5n : 0n)
      expect(total).toBe(before - splitBaseFee(direct.gasUsed * block.baseFeeWei, fees).burntWei)
    }),
    { numRuns: 300 },
  )
})
