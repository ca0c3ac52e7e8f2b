import { expect, test } from 'vitest'
import { rpcLimits } from '../chain/base/limits.ts'
import { createBuckets } from './bucket.ts'

test('an address spends its tokens, waits, and does not spend another’s', () => {
  let nowMs = 0
  const buckets = createBuckets({ nowMs: () => nowMs })
  for (let i = 0; i < rpcLimits.bucketTokens.value; i++) expect(buckets.take('a', 10)).toBe(true)
  expect(buckets.take('a', 10)).toBe(false)
  expect(buckets.take('b', 10)).toBe(true)
  nowMs = 1
  expect(buckets.take('a', 10)).toBe(true)
  expect(buckets.take('a', 10)).toBe(false)
})

test('a full body passes a full bucket, and empties it', () => {
  const buckets = createBuckets({ nowMs: () => 0 })
  expect(buckets.take('a', rpcLimits.bodyBytes.value)).toBe(true)
  expect(buckets.take('a', 0)).toBe(false)
})
