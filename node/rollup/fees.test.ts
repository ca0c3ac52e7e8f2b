// Bids for gas: never above what may be paid, never below what a pool takes as a replacement.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { minBigint } from '../../chain/base/math.ts'
import { firstBid, raisedBid } from './fees.ts'

const GWEI = 10n ** 9n
const wei = fc.bigInt({ min: 1n, max: 10_000n * GWEI })

test('a first bid is twice the base fee and the tip, where that may be paid', () => {
  const market = { baseFeeWei: 100n * GWEI, tipWei: 30n * GWEI }
  expect(firstBid(market, null, 500n * GWEI)).toEqual({ maxFeeWei: 230n * GWEI, maxTipWei: 30n * GWEI })
  expect(firstBid(market, null, 150n * GWEI)).toEqual({ maxFeeWei: 150n * GWEI, maxTipWei: 30n * GWEI })
  expect(firstBid(market, null, 129n * GWEI)).toBeNull()
})

test('whatever the market: within the cap, above the base fee, an eighth above what may still wait', () => {
  fc.assert(
    fc.property(wei, wei, wei, wei, wei, (baseFeeWei, tipWei, most, fee, tip) => {
      const over = { maxFeeWei: fee, maxTipWei: minBigint(tip, fee) }
      const first = firstBid({ baseFeeWei, tipWei }, over, most)
      const raised = raisedBid(over, baseFeeWei, most)
      for (const bid of [first, raised]) {
        if (bid === null) continue
        expect(bid.maxFeeWei <= most && bid.maxTipWei <= bid.maxFeeWei).toBe(true)
        expect(bid.maxFeeWei * 8n >= over.maxFeeWei * 9n && bid.maxTipWei * 8n >= over.maxTipWei * 9n).toBe(true)
      }
      if (first !== null) expect(first.maxFeeWei >= baseFeeWei + first.maxTipWei).toBe(true)
      expect(raised === null).toBe((9n * over.maxFeeWei + 7n) / 8n > most)
    }),
  )
})
