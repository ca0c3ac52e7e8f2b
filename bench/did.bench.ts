// DIDs as users ask for them: what resolving one costs the thread that serves, over HTTP on a store on disk, by what its document holds; and the
// same without the door. The client is a thread of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Interface, Wallet } from 'ethers'
import { installCurves } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { abi } from '../chain/native/did/abi.ts'
import { KeyType } from '../chain/native/did/document.ts'
import { resolveDid } from '../chain/native/did/resolve.ts'
import { didReadsOf } from '../chain/native/index.ts'
import { openKv } from '../chain/store/kv.ts'
import { DID_AT, publicKey } from '../test/kit/did.ts'
import { openDoor, openMemoryChain } from '../test/kit/memory-chain.ts'
import { createReport } from './report.ts'
import { CHAIN_ID } from './rig.ts'

const isSmoke = process.argv.includes('--smoke')
const COUNT = isSmoke ? 200 : 3_000
/** Of the ten accounts that the bundled genesis funds, the first. */
const WALLET = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
const IN_FLIGHT = 4

/** The client's thread. */
const send = async ({ url, bodies }: { url: string; bodies: readonly string[] }): Promise<void> => {
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      request(url, { method: 'POST', agent, headers }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end(body)
    })
  let at = 0
  const lane = async (): Promise<void> => {
    for (let body = bodies[at++]; body !== undefined; body = bodies[at++]) await post(body)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  agent.destroy()
}
/** Processor time of this thread and seconds of the clock, while the client asks. */
const serveAll = async (url: string, bodies: readonly string[]): Promise<{ cpuUs: number; wallS: number }> => {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { url, bodies } })
  await new Promise((resolve) => worker.once('message', resolve))
  const [before, began] = [process.threadCpuUsage(), performance.now()]
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  worker.postMessage('go')
  await ended
  const { user, system } = process.threadCpuUsage(before)
  return { cpuUs: user + system, wallS: (performance.now() - began) / 1_000 }
}

const measure = async (): Promise<void> => {
  installCurves(nativeCurves)
  const report = createReport('did')
  const dir = mkdtempSync(join(tmpdir(), 'novachain-did-'))
  const { chain, ctx, seal } = await openMemoryChain({ kv: await openKv(join(dir, 'db')) })
  const did = new Interface(Object.values(abi.functions).map(({ source }) => source))
  const owner = WALLET.address
  let nonce = 0
  const change = async (name: string, ...args: readonly unknown[]): Promise<void> => {
    const fees = { type: 2, maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, gasLimit: 1_000_000 }
    const data = did.encodeFunctionData(name, [owner, ...args])
    const raw = await WALLET.signTransaction({ ...fees, chainId: CHAIN_ID, nonce: nonce++, to: DID_AT, data })
    await chain.submit(Buffer.from(raw.slice(2), 'hex'), 'local')
    await seal()
  }
  const server = await openDoor(ctx)
  const url = `http://127.0.0.1:${server.port}`
  const name = `did:novacron:polygon:${owner.toLowerCase()}`
  const bodyOf = (text: string): string =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'nova_resolveDid', params: [text] })
  const figure = async (what: string, text: string): Promise<void> => {
    const bodies = Array.from({ length: COUNT }, () => bodyOf(text))
    await serveAll(url, bodies.slice(0, COUNT / 10))
    const { cpuUs, wallS } = await serveAll(url, bodies)
    report.cpu(`nova_resolveDid, one a request: ${what}`, cpuUs / COUNT, 'us a request')
    report.add(`the same, ${IN_FLIGHT} at a time, client on the same machine`, COUNT / wallS, 'a second', 'more')
  }
  await figure('never changed', name)
  await change('setKey', 'key-1', KeyType.ed25519, publicKey(KeyType.ed25519), 3, 0)
  await change('setKey', 'key-2', KeyType.p256, publicKey(KeyType.p256), 4, 0)
  await change('setService', 'files', 'LinkedDomains', 'https://example.com/')
  await figure('two keys and a service', name)
  for (let i = 3; i <= 16; i++) await change('setKey', `key-${i}`, KeyType.ed25519, publicKey(KeyType.ed25519, i), 3, 0)
  for (let i = 2; i <= 16; i++) await change('setService', `files-${i}`, 'LinkedDomains', `https://example.com/${i}`)
  await figure('sixteen keys and sixteen services', name)
  await figure('the same DID, its third version of 32', `${name}?versionId=3`)
  const before = process.threadCpuUsage()
  for (let i = 0; i < COUNT; i++) {
    const { number: height, time } = chain.head().header
    await resolveDid(didReadsOf(chain.at(height), { chainId: BigInt(CHAIN_ID), time }), `${name}?versionId=3`)
  }
  const { user, system } = process.threadCpuUsage(before)
  report.cpu('the last without the door', (user + system) / COUNT, 'us')
  await server.close()
  await chain.close()
  rmSync(dir, { recursive: true })
  await report.end()
}

if (isMainThread) await measure()
else {
  parentPort?.postMessage('ready')
  await new Promise((resolve) => parentPort?.once('message', resolve))
  await send(workerData)
  parentPort?.close()
}
