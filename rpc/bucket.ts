// A token bucket per remote address. Owns the memory of who asked how much, and its bound.
import { rpcLimits } from '../chain/base/limits.ts'
import type { Clock } from '../chain/base/ports.ts'

export interface Buckets {
  /** False where the address has spent what it may. */
  take(address: string, sizeBytes: number): boolean
}

const BYTES_PER_TOKEN = 256

export function createBuckets(clock: Clock): Buckets {
  const most = rpcLimits.bucketTokens.value
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  return {
    take(address, sizeBytes) {
      const nowMs = clock.nowMs()
      const bucket = buckets.get(address) ?? { tokens: most, atMs: nowMs }
      // Last asked goes last, so that the first is the one to forget.
      buckets.delete(address)
      buckets.set(address, bucket)
      for (const oldest of buckets.keys()) {
        if (buckets.size <= rpcLimits.bucketAddresses.value) break
        buckets.delete(oldest)
      }
      const passedMs = Math.max(0, nowMs - bucket.atMs)
      bucket.tokens = Math.min(most, bucket.tokens + (passedMs * rpcLimits.bucketPerSecond.value) / 1_000)
      bucket.atMs = nowMs
      const cost = Math.min(most, 1 + Math.floor(sizeBytes / BYTES_PER_TOKEN))
      if (bucket.tokens < cost) return false
      bucket.tokens -= cost
      return true
    },
  }
}
