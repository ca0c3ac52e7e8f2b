// The bridge to an L1 and back under light load: seconds from the block that a message is sent in until it is paid on the other side in a block that is
// final there, beside the L1's own finality. Validators, a relayer and the L1 (anvil, with Polygon's pace) are processes of their own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from '../rpc/client/http.ts'
import { ANVIL_CHAIN } from '../test/kit/anvil.ts'
import { accountAt, BRIDGE, COIN, FACES, startBridged, startRelay } from '../test/kit/bridged.ts'
import { createReport } from './report.ts'

const isSmoke = process.argv.includes('--smoke')
const MESSAGES = Number(process.env.MESSAGES ?? (isSmoke ? 1 : 10))
const L1_BLOCK_MS = isSmoke ? 500 : 2_000
const L1_FINAL_BLOCKS = 2
const GWEI = 10n ** 9n
/** What is told of as late ends the bench. */
const LATE_MS = 600_000
const USER = accountAt(7)

const world = await startBridged({
  ...{ validators: isSmoke ? 1 : 4, blockTimeMs: isSmoke ? 500 : 3_000, epochBlocks: 1_200, verifier: 'bls' },
  ...{ lifetimeS: 3_600, finalBlocks: L1_FINAL_BLOCKS },
  config: { rollup: 'maxAgeMs = 1000', bridge: 'pollMs = 1000' },
})
const dir = mkdtempSync(join(tmpdir(), 'bridge-bench-'))
const [rpc = ''] = world.net.rpc
const relay = startRelay(world, { rpc, account: 5, dir })

type Side = 'nova' | 'l1'
const SIDES = {
  nova: { url: rpc, contract: BRIDGE, chain: world.net.chainId },
  l1: { url: world.anvil.url, contract: world.at.vault, chain: Number(ANVIL_CHAIN) },
} as const
const other = (side: Side): Side => (side === 'nova' ? 'l1' : 'nova')

/** When each block of the L1 was made, and when it was first called final. */
const [madeMs, finalMs] = [new Map<number, number>(), new Map<number, number>()]
const stop = new AbortController()
const l1Number = async (tag: string): Promise<number> =>
  Number(((await request(world.anvil.url, 'eth_getBlockByNumber', [tag, false])) as { number: string }).number)
async function blocks(): Promise<void> {
  let [next, final] = [Date.now(), await l1Number('finalized')]
  while (!stop.signal.aborted) {
    next += L1_BLOCK_MS
    await delay(Math.max(0, next - Date.now()))
    await world.anvil.mine()
    madeMs.set(await l1Number('latest'), Date.now())
    for (const now = await l1Number('finalized'); final < now; ) finalMs.set(++final, Date.now())
  }
}
const mining = blocks()

const until = async <T>(what: string, ask: () => Promise<T | null>): Promise<T> => {
  for (const end = Date.now() + LATE_MS; Date.now() < end; await delay(50)) {
    const found = await ask()
    if (found !== null) return found
  }
  throw new Error(`${what} did not come: ${relay.said()}`)
}

/** Sends the coin to the other side; when the block was made that has it, and the message's id. */
async function sent(side: Side): Promise<{ readonly id: string; readonly atMs: number }> {
  const { url, contract, chain } = SIDES[side]
  const nonce = Number(await request(url, 'eth_getTransactionCount', [USER.address, 'latest']))
  const data = FACES[side].encodeFunctionData('send', [SIDES[other(side)].chain, USER.address, COIN, GWEI, '0x'])
  const fees = { maxFeePerGas: 3_000n * GWEI, maxPriorityFeePerGas: 30n * GWEI, gasLimit: 600_000 }
  const tx = { type: 2, chainId: chain, to: contract, nonce, value: GWEI, data, ...fees }
  const hash = await request(url, 'eth_sendRawTransaction', [await USER.signTransaction(tx)])
  const receipt = await until('a block with what was sent', async () => {
    return (await request(url, 'eth_getTransactionReceipt', [hash])) as { blockNumber: string; logs: Log[] } | null
  })
  const atMs = (side === 'l1' ? madeMs.get(Number(receipt.blockNumber)) : null) ?? Date.now()
  const id = receipt.logs.map((log) => FACES[side].parseLog(log)).find((log) => log?.name === 'MessageSent')?.args.id
  return { id: String(id), atMs }
}
interface Log {
  readonly topics: string[]
  readonly data: string
}

const DELIVERED = 3n
const isPaid = async (side: Side, id: string, tag: string): Promise<true | null> => {
  const { url, contract: to } = SIDES[side]
  const answer = await request(url, 'eth_call', [{ to, data: FACES[side].encodeFunctionData('transfer', [id]) }, tag])
  return BigInt(String(answer).slice(0, 66)) === DELIVERED ? true : null
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const report = createReport('bridge')
try {
  for (const side of ['l1', 'nova'] as const) {
    const seconds: number[] = []
    // The first finds doors closed that the others do not.
    for (let i = 0; i <= MESSAGES; i++) {
      // At any moment between two blocks of either chain.
      await delay((i * 1_370) % 4_000)
      const { id, atMs } = await sent(side)
      // A block of NovaChain is final when it is there.
      await until('a message', () => isPaid(other(side), id, side === 'l1' ? 'latest' : 'finalized'))
      if (i > 0) seconds.push((Date.now() - atMs) / 1_000)
    }
    const what = side === 'l1' ? 'from the L1 to NovaChain' : 'from NovaChain to the L1'
    report.add(`${what}, final, of ${MESSAGES} the median`, median(seconds), 's', 'less')
    report.add(`${what}, final, the slowest`, Math.max(...seconds), 's', 'less')
  }
  const finality = [...finalMs].flatMap(([number, ms]) => {
    const made = madeMs.get(number)
    return made === undefined ? [] : [(ms - made) / 1_000]
  })
  report.add('finality of this L1, the median', median(finality), 's', 'less')
  report.add('two of them and 10 s, which no message may exceed', 2 * median(finality) + 10, 's', 'less')
  await report.end()
} finally {
  stop.abort()
  relay.process.kill('SIGKILL')
  await mining
  await world.close()
  rmSync(dir, { recursive: true, force: true })
}
