import { expect, test } from 'vitest'
import { bytesToHex } from '../chain/base/bytes.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { headerTimeMs } from '../chain/types/block.ts'
import type { Genesis } from '../chain/types/genesis.ts'
import { openSealedChain, seal, sealedGenesis } from '../test/kit/sealed.ts'
import { checkpointOf, refuseStale } from './trust.ts'

const DAY_MS = 86_400_000
// Without what a development file gives to accounts whose keys anybody has.
const { development: _, modules, ...rest } = sealedGenesis()
const real: Genesis = { ...rest, development: false, modules: { params: modules.params } }

test('a new node and one that was away start within fourteen days, and later only with a checkpoint', async () => {
  const kv = createMemoryKv()
  const chain = await openSealedChain(real, kv)
  const genesisMs = headerTimeMs(chain.head().header)
  expect(() => refuseStale(chain, genesisMs + 14 * DAY_MS - 1)).not.toThrow()
  expect(() => refuseStale(chain, genesisMs + 14 * DAY_MS)).toThrow(
    /--trust-height <height> --trust-hash <hash>\. A network that begins/,
  )
  await seal(chain, 1)
  const { header, hash } = chain.head()
  const lateMs = headerTimeMs(header) + 15 * DAY_MS
  expect(() => refuseStale(chain, lateMs)).toThrow(`--trust-height 1 --trust-hash ${bytesToHex(hash)}`)
  const checkpoint = checkpointOf(1, bytesToHex(hash))
  if (checkpoint === null) throw new Error('a height and a hash are a checkpoint')
  const trusting = await openSealedChain(real, kv, { checkpoint })
  expect(() => refuseStale(trusting, lateMs)).not.toThrow()
})

test('a development network is never too old', async () => {
  const chain = await openSealedChain(sealedGenesis(), createMemoryKv())
  expect(() => refuseStale(chain, Number.MAX_SAFE_INTEGER)).not.toThrow()
})

test('half a checkpoint is refused', () => {
  expect(checkpointOf(0, '')).toBeNull()
  expect(() => checkpointOf(5, '')).toThrow(expect.objectContaining({ code: 'TRUST_HALF' }))
  expect(() => checkpointOf(0, `0x${'00'.repeat(32)}`)).toThrow(expect.objectContaining({ code: 'TRUST_HALF' }))
})
