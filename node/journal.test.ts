import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { hexToBytes } from '../chain/base/bytes.ts'
import type { Meter } from '../chain/base/ports.ts'
import { createChainEngine } from '../chain/calls.ts'
import { openChain } from '../chain/chain.ts'
import { createMemoryKv, openLogFile } from '../chain/store/kv.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { bundledGenesis } from './commands/genesis.ts'
import { developmentAccounts } from './development.ts'
import { openJournal } from './journal.ts'

const genesis = parseGenesis(bundledGenesis())
const log = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const newChain = () =>
  openChain(
    {
      kv: createMemoryKv(),
      engine: createChainEngine(genesis),
      clock: { nowMs: () => 0 },
      pause: async () => {},
      log,
      meter,
    },
    genesis,
    { historyBlocks: null, proofBlocks: null, cacheBytes: 1_000_000, pool: {} },
  )
const signed = async (nonce: number): Promise<Uint8Array> => {
  const wallet = new Wallet(developmentAccounts(1)[0]?.privateKey ?? '')
  const fields = {
    chainId: genesis.chainId,
    nonce,
    to: wallet.address,
    gasLimit: 21_000,
    gasPrice: 3_000_000_000n,
    type: 0,
  }
  return hexToBytes(await wallet.signTransaction(fields))
}

test('what users sent waits across restarts; what peers sent does not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-journal-'))
  try {
    const open = async (chain: Awaited<ReturnType<typeof newChain>>) =>
      openJournal(await openLogFile(join(dir, 'pool.journal')), chain, log)
    const first = await newChain()
    const journal = await open(first)
    await first.submit(await signed(0), 'local')
    await first.submit(await signed(1), 'peer')
    await first.submit(await signed(2), 'local')
    await journal.close()
    for (const restart of [1, 2]) {
      const chain = await newChain()
      const again = await open(chain)
      expect(again.restored, `restart ${restart}`).toBe(2)
      expect(chain.pool.status()).toEqual({ pending: 1, queued: 1 })
      await again.close()
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})
