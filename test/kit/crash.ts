// Kills a validator with SIGKILL while it makes blocks full of transfers, starts it again, and compares what it had served as
// final with what it serves now.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { JsonRpcProvider, Wallet } from 'ethers'
import { type Devnet, startDevnet } from './devnet.ts'

const main = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const run = promisify(execFile)

/** xorshift32: the moments of death follow from the seed. */
const randomFrom = (seed: number) => {
  let x = seed | 1
  return (below: number): number => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

export interface CrashReport {
  readonly kills: number
  /** Blocks that were seen final before a kill and are another or gone after it. */
  readonly lost: readonly string[]
  readonly heights: readonly number[]
}

export async function crashRepeatedly(kills: number, seed: number): Promise<CrashReport> {
  const random = randomFrom(seed)
  const devnet = await startDevnet(['--block-time', '100', '--log-level', 'error'])
  const provider = new JsonRpcProvider(devnet.rpc[0], devnet.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
    batchMaxCount: 1,
  })
  const wallet = new Wallet(devnet.accounts[0]?.privateKey ?? '')
  const final = new Map<number, string>()
  const lost: string[] = []
  const heights: number[] = []
  let pid = devnet.pids[0] ?? 0
  try {
    for (let kill = 0; kill < kills; kill++) {
      await load(provider, wallet, devnet)
      const deadline = random(300)
      const watching = watch(provider, final, deadline)
      await watching
      process.kill(pid, 'SIGKILL')
      const { stdout } = await run(process.execPath, [main, 'devnet', 'restart', '0', '--dir', devnet.dir, '--json'])
      pid = JSON.parse(stdout).pid
      heights.push(await provider.getBlockNumber())
      for (const [height, hash] of final) {
        const block = await provider.getBlock(height)
        if (block?.hash !== hash) lost.push(`kill ${kill}: block ${height} was ${hash}, is ${block?.hash ?? 'gone'}`)
      }
      for (const height of final.keys()) if (height < (heights.at(-1) ?? 0) - 20) final.delete(height)
    }
    return { kills, lost, heights }
  } catch (error) {
    console.error(`seed ${seed}, after ${heights.length} kills:\n${devnet.said()}`)
    throw error
  } finally {
    provider.destroy()
    await devnet.stop()
  }
}

/** A few transfers from the account's nonce on, so that blocks have something to lose. */
const load = async (provider: JsonRpcProvider, wallet: Wallet, devnet: Devnet): Promise<void> => {
  const nonce = await provider.getTransactionCount(wallet.address, 'pending')
  for (let i = 0; i < 5; i++) {
    const raw = await wallet.signTransaction({
      type: 2,
      chainId: devnet.chainId,
      nonce: nonce + i,
      to: wallet.address,
      gasLimit: 21_000,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1_000_000_000n,
    })
    await provider.send('eth_sendRawTransaction', [raw])
  }
}

/** Notes every head it sees until the time is up. */
const watch = async (provider: JsonRpcProvider, final: Map<number, string>, forMs: number): Promise<void> => {
  const end = performance.now() + forMs
  do {
    const block = await provider.getBlock('latest')
    if (block?.hash !== null && block !== null) final.set(block.number, block.hash)
  } while (performance.now() < end)
}
