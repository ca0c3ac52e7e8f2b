// A block of plain transfers and one of ERC-20 transfers through the whole chain: build, verify, commit. CPU time of the process;
// the ERC-20 part also against the library's own runTx on the same transactions.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createBlock } from '@ethereumjs/block'
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { Caches, MerkleStateManager } from '@ethereumjs/statemanager'
import { createTx } from '@ethereumjs/tx'
import { createAccount, createAddressFromString } from '@ethereumjs/util'
import { createVM, runTx } from '@ethereumjs/vm'
import { AbiCoder, Interface } from 'ethers'
import { type Address, asAddress, bigintToFixed, bytesToHex, concat, hexToBytes } from '../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import type { Meter } from '../chain/base/ports.ts'
import { encodeRlp, rlpInt } from '../chain/base/rlp.ts'
import { createChainEngine } from '../chain/calls.ts'
import { type Chain, openChain } from '../chain/chain.ts'
import { openKv } from '../chain/store/kv.ts'
import { type Block, headerTimeMs } from '../chain/types/block.ts'
import { parseGenesis } from '../chain/types/genesis.ts'
import { bitmapOf, randaoPayload, SignType, signBytes, votePayload } from '../chain/types/vote.ts'
import { developmentSecret } from '../node/development.ts'

installCurves(nativeCurves)
const isSmoke = process.argv.includes('--smoke')
const ACCOUNTS = isSmoke ? 2_000 : Number(process.env.ACCOUNTS ?? 200_000)
const TRANSFERS = isSmoke ? 1_000 : 37_500
const TOKEN_TRANSFERS = isSmoke ? 100 : 2_000
const SIGNERS = isSmoke ? 500 : 5_000

const secretOf = (n: number): Uint8Array => keccak(bigintToFixed(BigInt(n + 1), 32))
const addressOf = (secret: Uint8Array): Address => asAddress(keccak(curves().publicKey(secret)).slice(12))
const signers = Array.from({ length: SIGNERS }, (_, n) => {
  const secret = secretOf(n)
  return { secret, address: addressOf(secret), nonce: 0 }
})
const fillers = Array.from({ length: ACCOUNTS - SIGNERS }, (_, n) =>
  asAddress(keccak(bigintToFixed(BigInt(n), 32)).slice(12)),
)

const alloc = Object.fromEntries(
  [...signers.map(({ address }) => address), ...fillers].map((address) => [
    bytesToHex(address),
    { balance: '1000000000000000000000' },
  ]),
)
const base = JSON.parse(readFileSync(new URL('../genesis.json', import.meta.url), 'utf8'))
const genesis = parseGenesis(JSON.stringify({ ...base, alloc }))
const secret = developmentSecret(0)

const loop = monitorEventLoopDelay({ resolution: 5 })
loop.enable()
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const meter: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
const dir = mkdtempSync(join(tmpdir(), 'novachain-bench-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const open = async (name: string): Promise<Chain> =>
  openChain(
    {
      kv: await openKv(join(dir, name), { pause }),
      engine: createChainEngine(genesis),
      clock: { nowMs: () => Date.now() },
      pause,
      log: silent,
      meter,
    },
    genesis,
    { historyBlocks: 100, proofBlocks: 100, cacheBytes: 512 * 1024 * 1024, pool: {} },
  )
const sign = (chain: Chain, type: SignType, payload: Uint8Array): Uint8Array =>
  curves().blsSign(secret, signBytes({ chainId: genesis.chainId, genesisHash: chain.genesisHash }, type, payload))

const rawTx = (signer: (typeof signers)[number], to: Uint8Array, data: Uint8Array, gas: number): Uint8Array => {
  const fields = [
    rlpInt(genesis.chainId),
    rlpInt(signer.nonce++),
    rlpInt(1_000_000_000),
    rlpInt(100_000_000_000),
    rlpInt(gas),
    to,
    rlpInt(to.length === 0 || data.length > 0 ? 0 : 1),
    data,
    [],
  ]
  const digest = keccak(concat(Uint8Array.of(2), encodeRlp(fields)))
  const { signature, recovery } = curves().sign(digest, signer.secret)
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((half) => rlpInt(BigInt(bytesToHex(half))))
  return concat(
    Uint8Array.of(2),
    encodeRlp([...fields, rlpInt(recovery), r ?? new Uint8Array(0), s ?? new Uint8Array(0)]),
  )
}

const cpu = async <T>(name: string, work: () => Promise<T>): Promise<{ value: T; ms: number }> => {
  await pause()
  loop.reset()
  const before = process.cpuUsage()
  const value = await work()
  const { user, system } = process.cpuUsage(before)
  const ms = (user + system) / 1_000
  const longestMs = loop.max / 1e6
  console.log(
    `  ${name.padEnd(10)} ${ms.toFixed(0).padStart(6)} ms CPU, event loop blocked at most ${longestMs.toFixed(0)} ms`,
  )
  return { value, ms }
}

const build = (chain: Chain): Promise<Block> => {
  const height = chain.head().header.number + 1
  return chain.build({
    height,
    timeMs: headerTimeMs(chain.head().header) + 3_000,
    round: 0,
    proposerIndex: 0,
    coinbase: asAddress(new Uint8Array(20).fill(0xcc)),
    lastCommit: chain.commitOf(height - 1),
    reveal: sign(chain, SignType.randao, randaoPayload(height)),
    budgetMs: 600_000,
  })
}
const commit = async (chain: Chain, block: Block): Promise<void> => {
  const height = block.header.number
  const signature = sign(chain, SignType.commit, votePayload(height, 0, block.hash))
  await chain.commit(block, {
    type: 'commit',
    height,
    round: 0,
    blockHash: block.hash,
    bitmap: bitmapOf([0], 1),
    signature,
  })
}
const step = async (chain: Chain, follower: Chain): Promise<{ block: Block; buildMs: number; verifyMs: number }> => {
  const built = await cpu('build', () => build(chain))
  for (const raw of built.value.txs) await follower.submit(raw, 'peer').catch(() => {}) // senders known, as a peer has them
  await cpu('whole', () => follower.isWhole(built.value)) // as a peer does with a body that comes
  const verified = await cpu('verify', () => follower.verify(built.value))
  await cpu('commit', () => commit(follower, built.value))
  await commit(chain, built.value)
  return { block: built.value, buildMs: built.ms, verifyMs: verified.ms }
}

const [chain, follower] = [await open('chain'), await open('follower')]
console.log(`${TRANSFERS} plain transfers, ${ACCOUNTS} accounts, ${SIGNERS} senders`)
const transfers = Array.from({ length: TRANSFERS }, (_, n) => {
  const to = fillers[(n * 7_919) % fillers.length] ?? new Uint8Array(20)
  return rawTx(signers[n % SIGNERS] as (typeof signers)[number], to, new Uint8Array(0), 21_000)
})
await cpu('admit', async () => {
  for (const raw of transfers) await chain.submit(raw, 'local')
})
const plain = await step(chain, follower)
console.log(`  ${plain.block.txs.length} in the block`)

console.log(`${TOKEN_TRANSFERS} ERC-20 transfers`)
const require = createRequire(import.meta.url)
const artifact = JSON.parse(
  readFileSync(require.resolve('@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json'), 'utf8'),
)
const owner = signers[0] as (typeof signers)[number]
const args = AbiCoder.defaultAbiCoder().encode(
  ['string', 'string', 'uint256', 'address'],
  ['T', 'T', 10n ** 24n, bytesToHex(owner.address)],
)
await chain.submit(rawTx(owner, new Uint8Array(0), hexToBytes(artifact.bytecode + args.slice(2)), 2_000_000), 'local')
const deployed = await step(chain, follower)
const token = chain.receipts(deployed.block.header.number)?.[0]?.created ?? new Uint8Array(20)
const erc20 = new Interface(artifact.abi)
const firstNonce = owner.nonce
const tokenTxs = Array.from({ length: TOKEN_TRANSFERS }, (_, n) =>
  rawTx(owner, token, hexToBytes(erc20.encodeFunctionData('transfer', [bytesToHex(fillers[n] ?? token), 1n])), 60_000),
)
for (const raw of tokenTxs) await chain.submit(raw, 'local')
const tokens = await step(chain, follower)
console.log(
  `  ${tokens.block.txs.length} in the block, ${((tokens.verifyMs * 1_000) / TOKEN_TRANSFERS).toFixed(0)} us each to verify`,
)

/** The same transfers by the library's own runTx, one outer checkpoint, the same wasm keccak. */
const libraryMs = async (): Promise<number> => {
  const common = createCustomCommon({ chainId: Number(genesis.chainId) }, Mainnet, {
    hardfork: Hardfork.Osaka,
    customCrypto: { keccak256: keccak },
  })
  const vm = await createVM({ common, stateManager: new MerkleStateManager({ common, caches: new Caches() }) })
  const at = createAddressFromString(bytesToHex(owner.address))
  await vm.stateManager.putAccount(at, createAccount({ balance: 10n ** 21n, nonce: BigInt(firstNonce - 1) }))
  const block = createBlock(
    { header: { gasLimit: genesis.gasLimit, number: 1, baseFeePerGas: 7n, timestamp: 1_800_000_000 } },
    { common },
  )
  const run = async (raw: Uint8Array): Promise<void> => {
    const fields = [...(await import('../chain/base/rlp.ts')).decodeRlp(raw.subarray(1))]
    const [chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data, , v, r, s] =
      fields as Uint8Array[]
    const tx = createTx(
      { type: 2, chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data, v, r, s } as never,
      { common, freeze: false },
    )
    tx.getSenderAddress = () => at // senders are known on both sides
    await runTx(vm, { tx, block, skipBlockGasLimitValidation: true })
  }
  owner.nonce = firstNonce - 1
  await run(rawTx(owner, new Uint8Array(0), hexToBytes(artifact.bytecode + args.slice(2)), 2_000_000))
  await vm.stateManager.checkpoint()
  return (
    await cpu('library', async () => {
      for (const raw of tokenTxs) await run(raw)
    })
  ).ms
}
const theirs = await libraryMs()
console.log(`  ours / library's runTx: ${(tokens.verifyMs / theirs).toFixed(2)}`)
