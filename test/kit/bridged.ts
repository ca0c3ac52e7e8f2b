// A development network that settles on anvil and has a bridge to it: validators as processes of their own, each with a poster and a watcher, and
// the contracts, at addresses that the genesis names before they are there. Accounts are the well-known ones, which have coins on both chains.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Contract, ContractFactory, getCreate2Address, getCreateAddress, Interface, keccak256, Wallet } from 'ethers'
import { bytesToHex, concat, hexToBytes } from '../../chain/base/bytes.ts'
import { keccak } from '../../chain/base/crypto.ts'
import { abi as bridgeAbi } from '../../chain/native/bridge/abi.ts'
import { NovaVault } from '../../contracts/bridge/NovaVault.artifact.ts'
import { WrappedToken } from '../../contracts/bridge/WrappedToken.artifact.ts'
import { WrappedTokenFactory } from '../../contracts/bridge/WrappedTokenFactory.artifact.ts'
import { NovaProxy } from '../../contracts/governed/NovaProxy.artifact.ts'
import { BlsCheckpointVerifier } from '../../contracts/settlement/BlsCheckpointVerifier.artifact.ts'
import { EcdsaCheckpointVerifier } from '../../contracts/settlement/EcdsaCheckpointVerifier.artifact.ts'
import { NovaSettlement } from '../../contracts/settlement/NovaSettlement.artifact.ts'
import { bundledGenesis } from '../../node/commands/genesis.ts'
import { developmentAccounts } from '../../node/development.ts'
import { request } from '../../rpc/client/http.ts'
import { ANVIL_CHAIN, type Anvil, startAnvil } from './anvil.ts'
import { main } from './commands.ts'
import { type Devnet, startDevnet } from './devnet.ts'

/** Of a chain's own coin. */
export const COIN = `0x${'00'.repeat(20)}`
export const BRIDGE = '0x0000000000000000000000000000000000000830'
/** The L1's coin on NovaChain. */
export const WRAPPED_POL = '0x0000000000000000000000000000000000000831'
const ZERO = `0x${'00'.repeat(32)}`
const padded = (address: string): string => `0x${address.slice(2).padStart(64, '0')}`
const BOUND = 10n ** 24n

/** Each side's calls, events and errors. */
export const FACES = {
  nova: new Interface(
    [bridgeAbi.functions, bridgeAbi.events, bridgeAbi.errors].flatMap((group) =>
      Object.values(group).map(({ source }) => source),
    ),
  ),
  l1: new Interface(NovaVault.abi),
  token: new Interface(WrappedToken.abi),
} as const

export const accountAt = (index: number): Wallet => {
  const { privateKey } = developmentAccounts(index + 1)[index] as { privateKey: string } // as many as were asked for
  return new Wallet(privateKey)
}

/** Where contracts will be that an account deploys as its first ones on a chain. */
interface Places {
  readonly factory: string
  readonly settlement: string
  readonly vault: string
  /** NovaChain's coin there. */
  readonly wrapped: string
}
function placesFrom(deployer: string): Places {
  const at = (nonce: number): string => getCreateAddress({ from: deployer, nonce })
  const [settlement, factory, vault] = [at(2), at(3), at(5)]
  const initCode = `${WrappedToken.bytecode}${FACES.token.encodeDeploy([vault, ZERO, 'Nova', 'NOVA', 18]).slice(2)}`
  const salt = bytesToHex(keccak(concat(new Uint8Array(12), hexToBytes(vault), hexToBytes(ZERO))))
  return { factory, settlement, vault, wrapped: getCreate2Address(factory, salt, keccak256(initCode)) }
}
/** The genesis's section: both coins may go both ways. */
const bridgeSection = ({ vault, wrapped }: Places) => {
  const bounds = { cap: `${BOUND}`, limit: `${BOUND}`, open: true }
  return {
    chains: [
      {
        ...{ chain: `${ANVIL_CHAIN}`, vault, routes: [{ token: COIN, remote: wrapped, ...bounds }] },
        wrapped: [{ remote: COIN, name: 'Polygon', symbol: 'POL', decimals: 18, ...bounds }],
      },
    ],
  }
}

interface Settled {
  readonly chainId: bigint
  readonly genesisHash: string
  readonly stateRoot: string
  readonly validatorsHash: string
  readonly epochBlocks: number
}
interface Terms {
  readonly verifier: 'bls' | 'ecdsa'
  readonly posters: readonly string[]
  /** Seconds that a message of the vault may take. */
  readonly lifetimeS: number
}
/** Deploys all of it, as the first that the account does there; `mined` waits for what is sent, and answers where a contract is. */
async function deployBridged(
  {
    deployer,
    mined,
  }: { readonly deployer: Wallet; readonly mined: (sent: Promise<{ hash: string }>) => Promise<string | null> },
  { chainId, genesisHash, stateRoot, validatorsHash, epochBlocks }: Settled,
  { verifier, posters, lifetimeS }: Terms,
): Promise<{ readonly settlement: Contract; readonly vault: Contract; readonly wrapped: Contract }> {
  const deploy = async (artifact: { abi: readonly string[]; bytecode: string }, ...args: unknown[]) => {
    const made = await new ContractFactory(artifact.abi, artifact.bytecode, deployer).getDeployTransaction(...args)
    return new Contract((await mined(deployer.sendTransaction(made))) ?? '', artifact.abi, deployer)
  }
  const proxied = async (code: Contract, artifact: { abi: readonly string[] }, args: unknown[]) => {
    const init = code.interface.encodeFunctionData('initialize', args)
    return new Contract((await deploy(NovaProxy, code.target, init)).target, artifact.abi, deployer)
  }
  const call = (contract: Contract, name: string, ...args: unknown[]) => contract.getFunction(name)(...args)
  const checks = await deploy(
    verifier === 'bls' ? BlsCheckpointVerifier : EcdsaCheckpointVerifier,
    chainId,
    genesisHash,
  )
  const first = [genesisHash, stateRoot, validatorsHash, epochBlocks]
  const settlement = await proxied(await deploy(NovaSettlement), NovaSettlement, [
    ...[deployer.address, first, checks.target, posters],
  ])
  const factory = await deploy(WrappedTokenFactory)
  const vault = await proxied(await deploy(NovaVault), NovaVault, [
    ...[deployer.address, deployer.address, settlement.target, factory.target, [chainId, 3_600, lifetimeS]],
  ])
  await mined(call(vault, 'createWrapped', ZERO, 'Nova', 'NOVA', 18))
  const { wrapped } = placesFrom(deployer.address)
  await mined(call(vault, 'setRoute', wrapped, ZERO, BOUND, BOUND, true))
  await mined(call(vault, 'setRoute', COIN, padded(WRAPPED_POL), BOUND, BOUND, true))
  return { settlement, vault, wrapped: new Contract(wrapped, WrappedToken.abi, deployer) }
}

interface Choice {
  readonly validators: number
  readonly blockTimeMs: number
  readonly epochBlocks: number
  readonly verifier: Terms['verifier']
  readonly lifetimeS: number
  /** Blocks of the L1 above what is final there. */
  readonly finalBlocks: number
  /** Lines of each node's configuration, by section. */
  readonly config: { readonly rollup: string; readonly bridge: string }
}
export interface Bridged {
  readonly anvil: Anvil
  readonly net: Devnet
  readonly at: Places
  /** Ends all of it. */
  close(): Promise<void>
}

/** Accounts: 0 deploys, the next ones post, one for each validator. */
const posterAt = (validator: number): Wallet => accountAt(1 + validator)

export async function startBridged(choice: Choice): Promise<Bridged> {
  const { validators, blockTimeMs, epochBlocks } = choice
  const anvil = await startAnvil(choice.finalBlocks)
  const dir = mkdtempSync(join(tmpdir(), 'bridged-'))
  const at = placesFrom(accountAt(0).address)
  const genesis = JSON.parse(bundledGenesis())
  genesis.novachain.epochBlocks = epochBlocks
  genesis.novachain.modules.bridge = bridgeSection(at)
  genesis.timestamp = `0x${Math.floor(Date.now() / 1_000).toString(16)}`
  const file = join(dir, 'rules.json')
  writeFileSync(file, JSON.stringify(genesis))
  for (let i = 0; i < validators; i++) {
    const node = join(dir, `node-${i}`)
    mkdirSync(join(node, 'keys'), { recursive: true, mode: 0o700 })
    writeFileSync(join(node, 'keys', 'poster.hex'), `${posterAt(i).privateKey}\n`, { mode: 0o600 })
    const rollup = [
      ...['mode = "full"', `l1Url = "${anvil.url}"`, `l1ChainId = ${ANVIL_CHAIN}`, `settlement = "${at.settlement}"`],
      ...['posterKeyFile = "keys/poster.hex"', choice.config.rollup],
    ]
    const bridge = [`endpoints = ["${ANVIL_CHAIN}=${anvil.url}"]`, choice.config.bridge]
    writeFileSync(join(node, 'config.toml'), ['[rollup]', ...rollup, '', '[bridge]', ...bridge, ''].join('\n'))
  }
  const args = ['--validators', `${validators}`, '--block-time', `${blockTimeMs}`, '--genesis', file]
  const net = await startDevnet(args, { dir })
  const [rpc = ''] = net.rpc
  const { hash, stateRoot } = (await request(rpc, 'eth_getBlockByNumber', ['0x0', false])) as Record<string, string>
  const set = (await request(rpc, 'nova_validators', [{ epoch: '0x0' }])) as Record<string, string>
  const provider = anvil.provider()
  const mined = async (sent: Promise<{ hash: string }>): Promise<string | null> => {
    const { hash: tx } = await sent
    await anvil.mine()
    return (await provider.getTransactionReceipt(tx))?.contractAddress ?? null
  }
  const facts = { genesisHash: `${hash}`, stateRoot: `${stateRoot}`, validatorsHash: `${set.validatorsHash}` }
  const posters = Array.from({ length: validators }, (_, i) => posterAt(i).address)
  await deployBridged(
    { deployer: accountAt(0).connect(provider) as Wallet, mined },
    { chainId: BigInt(net.chainId), epochBlocks, ...facts },
    { ...choice, posters },
  )
  provider.destroy()
  await anvil.mine(choice.finalBlocks + 1)
  return {
    ...{ anvil, net, at },
    async close() {
      await net.stop()
      await anvil.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

export interface RelayProcess {
  readonly process: ChildProcess
  said(): string
  /** Of one that was not told to end. */
  readonly ended: Promise<unknown>
}
/** `bridge relay` as users start it, with a well-known account. */
export function startRelay(
  { anvil, at }: Bridged,
  { rpc, account, dir }: { readonly rpc: string; readonly account: number; readonly dir: string },
): RelayProcess {
  const routes = ['--chains', `${ANVIL_CHAIN}=${anvil.url}`, '--settlements', `${ANVIL_CHAIN}=${at.settlement}`]
  const child = spawn(
    process.execPath,
    [main, 'bridge', 'relay', '--rpc', rpc, '--dev-account', `${account}`, ...routes, '--dir', dir],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-10_000)
  })
  return { process: child, said: () => said, ended: once(child, 'exit') }
}
