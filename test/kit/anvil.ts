// A local EVM with Polygon's chain id and rules: a process of its own that mines when it is told, on a port that it finds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { JsonRpcProvider } from 'ethers'
import { assert } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { foundry } from './foundry.ts'

export interface Anvil {
  readonly url: string
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>
  mine(blocks?: number): Promise<void>
  /** Whoever asks for it ends it. */
  provider(): JsonRpcProvider
  close(): Promise<void>
}

export const ANVIL_CHAIN = 80_002n
const FLAGS = ['--chain-id', `${ANVIL_CHAIN}`, '--hardfork', 'osaka', '--no-mining', '--port', '0']

/** Finalised is what has so many blocks above it: an even number. */
export async function startAnvil(finalBlocks = 2): Promise<Anvil> {
  const flags = [...FLAGS, '--slots-in-an-epoch', `${finalBlocks / 2}`]
  const child = spawn(foundry('anvil'), flags, { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await listening(child.stdout)
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> => request(url, method, params)
  return {
    url,
    rpc,
    provider: () => new JsonRpcProvider(url, Number(ANVIL_CHAIN), { staticNetwork: true, cacheTimeout: -1 }),
    mine: async (blocks = 1) => void (await rpc('anvil_mine', [`0x${blocks.toString(16)}`])),
    async close() {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    },
  }
}

const listening = async (output: NodeJS.ReadableStream): Promise<string> => {
  for await (const line of createInterface(output)) {
    const at = /Listening on (\S+)/.exec(line)?.[1]
    if (at !== undefined) {
      output.resume()
      return `http://${at}`
    }
  }
  assert(false, 'anvil listens before it ends')
}

/** The first of its accounts, each of which has 10,000 coins. */
export const ANVIL_SECRETS = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
] as const
