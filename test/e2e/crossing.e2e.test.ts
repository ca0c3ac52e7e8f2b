// Messages between a chain of ours, whose blocks are made by hand with its validators' real signatures, and the contracts on anvil with Polygon's
// chain id: over by the CommitQC of a checkpoint and a proof of the outbox, back by what validators attest, and paid back where it came too late. By
// hand, by the relayer, and by the commands, which have the chain's own JSON-RPC.
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Contract,
  ContractFactory,
  getCreate2Address,
  getCreateAddress,
  Interface,
  JsonRpcProvider,
  keccak256,
  Wallet,
} from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, concat, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { assert } from '../../chain/base/errors.ts'
import { openCalls } from '../../chain/calls.ts'
import type { Chain } from '../../chain/chain.ts'
import { abi as bridgeAbi } from '../../chain/native/bridge/abi.ts'
import { PROOF } from '../../chain/native/bridge/certificate.ts'
import { encodeValues } from '../../chain/native/kit/abi.ts'
import { createMemoryKv } from '../../chain/store/kv.ts'
import { type Block, encodeHeader } from '../../chain/types/block.ts'
import { encodeBlsCertificate } from '../../chain/types/checkpoint.ts'
import { parseGenesis } from '../../chain/types/genesis.ts'
import { validatorsHash } from '../../chain/types/validators.ts'
import { attestPayload, bitmapOf, SignType, signBytes } from '../../chain/types/vote.ts'
import { NovaVault } from '../../contracts/bridge/NovaVault.artifact.ts'
import { WrappedToken } from '../../contracts/bridge/WrappedToken.artifact.ts'
import { WrappedTokenFactory } from '../../contracts/bridge/WrappedTokenFactory.artifact.ts'
import { NovaProxy } from '../../contracts/governed/NovaProxy.artifact.ts'
import { BlsCheckpointVerifier } from '../../contracts/settlement/BlsCheckpointVerifier.artifact.ts'
import { NovaSettlement } from '../../contracts/settlement/NovaSettlement.artifact.ts'
import { startRelaying } from '../../node/bridge/relaying.ts'
import { bridge as command } from '../../node/commands/bridge.ts'
import { developmentAccounts } from '../../node/development.ts'
import { accountOf } from '../../node/reporter.ts'
import { noMeter, silent } from '../../node/telemetry.ts'
import { bridgeClient } from '../../rpc/client/client.ts'
import { createFilters } from '../../rpc/filters.ts'
import { LIMITS } from '../../rpc/method.ts'
import { ANVIL_CHAIN, ANVIL_SECRETS, type Anvil, startAnvil } from '../kit/anvil.ts'
import { run } from '../kit/commands.ts'
import { beforeStart, evidenceOn, openDoor } from '../kit/memory-chain.ts'
import { buildNext, certify, openSealedChain, sealedGenesisText } from '../kit/sealed.ts'
import { secretOf } from '../kit/sets.ts'

installCurves(nativeCurves)

const ZERO = `0x${'00'.repeat(32)}`
const COIN = `0x${'00'.repeat(20)}`
const BRIDGE = asAddress(hexToBytes('0x0000000000000000000000000000000000000830'))
const bridge = new Interface(
  [bridgeAbi.functions, bridgeAbi.events, bridgeAbi.errors].flatMap((group) =>
    Object.values(group).map(({ source }) => source),
  ),
)
const vaultFace = new Interface(NovaVault.abi)
/** The first wrapped token of ours, in a word. */
const WRAPPED_POL = `0x${'831'.padStart(64, '0')}`
const WAD = 10n ** 18n

let anvil: Anvil
let provider: JsonRpcProvider
let poster: Wallet
let chain: Chain
let door: Awaited<ReturnType<typeof openDoor>>
const dir = mkdtempSync(join(tmpdir(), 'crossing-'))
let settlement: Contract
let vault: Contract
let wrapped: Contract
let accumulator = ZERO
let seq = 0
const [alice] = developmentAccounts(2)
  .slice(1)
  .map(({ privateKey }) => new Wallet(privateKey))

const mined = async (sent: Promise<{ hash: string }>) => {
  const { hash } = await sent
  await anvil.mine()
  const receipt = await provider.getTransactionReceipt(hash)
  return receipt
}
const call = (contract: Contract, name: string, ...args: unknown[]) => contract.getFunction(name)(...args)

beforeAll(async () => {
  anvil = await startAnvil()
  provider = new JsonRpcProvider(anvil.url, Number(ANVIL_CHAIN), { staticNetwork: true, cacheTimeout: -1 })
  poster = new Wallet(ANVIL_SECRETS[0], provider)
  // The genesis names the vault and its token, the vault's settlement names the genesis: addresses are known before.
  const addressOf = (nonce: number): string => getCreateAddress({ from: poster.address, nonce })
  const [factoryAt, vaultAt] = [addressOf(3), addressOf(5)]
  const face = new Interface(WrappedToken.abi)
  const initCode = `${WrappedToken.bytecode}${face.encodeDeploy([vaultAt, ZERO, 'Nova', 'NOVA', 18]).slice(2)}`
  const salt = bytesToHex(keccak(concat(new Uint8Array(12), hexToBytes(vaultAt), hexToBytes(ZERO))))
  const tokenAt = getCreate2Address(factoryAt, salt, keccak256(initCode))
  const json = JSON.parse(sealedGenesisText({ validators: 4, epochBlocks: 1_000 }))
  // Deadlines are read by both clocks.
  json.timestamp = `0x${((await provider.getBlock('latest'))?.timestamp ?? 0).toString(16)}`
  const bounds = { cap: `${10n ** 24n}`, limit: `${10n ** 24n}`, open: true }
  json.novachain.modules.bridge = {
    chains: [
      {
        ...{ chain: `${ANVIL_CHAIN}`, vault: vaultAt, routes: [{ token: COIN, remote: tokenAt, ...bounds }] },
        wrapped: [{ remote: COIN, name: 'Polygon', symbol: 'POL', decimals: 18, ...bounds }],
      },
    ],
  }
  const genesis = parseGenesis(JSON.stringify(json))
  const kv = createMemoryKv()
  chain = await openSealedChain(genesis, kv)
  const clock = { nowMs: () => Date.now() }
  door = await openDoor({
    ...{ chain, clock, limits: LIMITS, filters: createFilters(chain, clock, LIMITS), version: 'NovaChain/test' },
    calls: openCalls(kv, genesis, { genesisHash: chain.genesisHash, gasCap: LIMITS.callGas }),
    ...{
      net: { peers: () => 0 },
      self: { peerId: null, addresses: [], validatorKeys: [], signer: () => null },
      consensus: beforeStart(chain),
    },
    ...{ evidence: await evidenceOn(chain), content: null, rollup: null, dev: null },
    bridge: { certificate: (_, id) => ({ epoch: 0, signed: 4n, total: 4n, proof: proofBy(id) }) },
  })

  const deploy = async (artifact: { abi: readonly string[]; bytecode: string }, ...args: unknown[]) => {
    const made = await new ContractFactory(artifact.abi, artifact.bytecode, poster).getDeployTransaction(...args)
    const receipt = await mined(poster.sendTransaction(made))
    return new Contract(receipt?.contractAddress ?? '', artifact.abi, poster)
  }
  const proxied = async (code: Contract, artifact: { abi: readonly string[] }, args: unknown[]) =>
    new Contract(
      (await deploy(NovaProxy, code.target, code.interface.encodeFunctionData('initialize', args))).target,
      artifact.abi,
      poster,
    )
  const verifier = await deploy(BlsCheckpointVerifier, genesis.chainId, chain.genesisHash)
  const first = [chain.genesisHash, chain.head().header.stateRoot, validatorsHash(chain.validators()), 1_000]
  settlement = await proxied(await deploy(NovaSettlement), NovaSettlement, [
    poster.address,
    first,
    verifier.target,
    [poster.address],
  ])
  const factory = await deploy(WrappedTokenFactory)
  const terms = [genesis.chainId, 3_600, 86_400]
  vault = await proxied(await deploy(NovaVault), NovaVault, [
    poster.address,
    poster.address,
    settlement.target,
    factory.target,
    terms,
  ])
  expect([String(factory.target), String(vault.target)]).toEqual([factoryAt, vaultAt])
  await mined(call(vault, 'createWrapped', ZERO, 'Nova', 'NOVA', 18))
  wrapped = new Contract(tokenAt, WrappedToken.abi, poster)
  await mined(call(vault, 'setRoute', tokenAt, ZERO, 10n ** 24n, 10n ** 24n, true))
  await mined(call(vault, 'setRoute', COIN, WRAPPED_POL, 10n ** 24n, 10n ** 24n, true))
})
afterAll(async () => {
  await door?.close()
  rmSync(dir, { recursive: true })
  provider?.destroy()
  await anvil?.close()
  await chain?.close()
})

const seal = async (intervalMs = 1_000): Promise<Block> => {
  const block = await buildNext(chain, { intervalMs })
  await chain.commit(block, certify(chain, block))
  return block
}
/** A call of the module by alice, in a block of its own; the messages that it sent. */
async function onNova(name: string, args: readonly unknown[], value = 0n) {
  const tx = {
    ...{ type: 2, chainId: chain.genesis.chainId, to: bytesToHex(BRIDGE), value, gasLimit: 3_000_000 },
    ...{
      maxFeePerGas: 10n ** 11n,
      maxPriorityFeePerGas: 1n,
      nonce: chain.at(chain.head().header.number).account(asAddress(hexToBytes(alice?.address ?? '0x')))?.nonce ?? 0n,
    },
    data: bridge.encodeFunctionData(name, args),
  }
  await chain.submit(hexToBytes((await alice?.signTransaction({ ...tx, nonce: Number(tx.nonce) })) ?? '0x'), 'local')
  const block = await seal()
  expect(block.txs).toHaveLength(1)
  const { number: from } = block.header
  const logs = await chain.logs({ from, to: from, addresses: [BRIDGE], topics: [], resultsMax: 10 })
  return logs.flatMap(({ topics, data }) => {
    const found = bridge.parseLog({ topics: topics.map(bytesToHex), data: bytesToHex(data) })
    return found === null ? [] : [{ name: found.name, args: found.args }]
  })
}

type Parsed = Awaited<ReturnType<typeof onNova>>[number]
const named = (logs: readonly Parsed[], name: string): Parsed => {
  const found = logs.find((each) => each.name === name)
  assert(found !== undefined, `${name} is logged`)
  return found
}
/** As both ABIs take it, and as the module's own code does. */
const messageOf = (log: Parsed): readonly unknown[] => [...(log.args.message ?? [])]

/** A block, settled by its CommitQC; its height. */
async function settle(): Promise<number> {
  const block = await seal()
  const { number: height } = block.header
  const certificate = encodeBlsCertificate(certify(chain, block), chain.validators())
  const receipt = await mined(
    call(settlement, 'post', ++seq, accumulator, '0x01', [encodeHeader(block.header), '0x'], certificate),
  )
  expect(receipt?.status).toBe(1)
  ;({ accumulator } = await call(settlement, 'latest'))
  return height
}
/** A link of the outbox, in the state of a block that is settled. */
async function proven(sequence: number): Promise<readonly unknown[]> {
  const height = await settle()
  const slotOf = (n: number): bigint => {
    const inner = keccak(
      encodeValues(
        [
          ['', 'uint64'],
          ['', 'uint256'],
        ] as const,
        [ANVIL_CHAIN, 0n],
      ),
    )
    return BigInt(bytesToHex(keccak(concat(encodeValues([['', 'uint64']] as const, [BigInt(n)]), inner))))
  }
  const { accountProof, slots } = await chain.proof(height, BRIDGE, [slotOf(sequence), slotOf(sequence - 1)])
  const previous = `0x${(slots[1]?.value ?? 0n).toString(16).padStart(64, '0')}`
  return [seq, previous, accountProof.map(bytesToHex), (slots[0]?.proof ?? []).map(bytesToHex)]
}
/** What the vault sent in a transaction, and the validators' word for it. */
function attested(logs: readonly { topics: readonly string[]; data: string }[]) {
  const sent = logs.map((log) => vaultFace.parseLog(log)).find((log) => log?.name === 'MessageSent')
  const id = asHash(hexToBytes(String(sent?.args.id)))
  return { id, message: [...(sent?.args.message ?? [])], proof: proofBy(id) }
}
/** Every validator's word for a message of the vault. */
const proofBy = (id: Hash): Uint8Array => {
  const { members } = chain.validators()
  const digest = signBytes(
    { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash },
    SignType.attest,
    attestPayload(ANVIL_CHAIN, asAddress(hexToBytes(String(vault.target).toLowerCase())), id),
  )
  const signature = curves().blsAggregate(members.map((member) => curves().blsSign(secretOf(member), digest)))
  return encodeValues(PROOF, [0n, bitmapOf([...members.keys()], members.length), signature])
}
/** Why the vault would refuse a call. */
const refusal = (name: string, ...args: unknown[]): Promise<string | null> =>
  vault
    .getFunction(name)
    .staticCall(...args)
    .then(
      () => null,
      (error) => error.revert?.name,
    )
const hexAddress = (address: string | undefined): string => `0x${(address ?? '').slice(2).toLowerCase()}`
const bob = Wallet.createRandom()

test('the coin goes over by a CommitQC and a proof, once, and comes back by attestation', async () => {
  const out = named(await onNova('send', [ANVIL_CHAIN, poster.address, COIN, 5n * WAD, '0x'], 5n * WAD), 'MessageSent')
  const proof = await proven(1)
  expect((await mined(call(vault, 'deliver', messageOf(out), proof)))?.status).toBe(1)
  expect(await call(wrapped, 'balanceOf', poster.address)).toBe(5n * WAD)
  expect(await refusal('deliver', messageOf(out), proof)).toBe('AlreadySettled')

  const receipt = await mined(call(vault, 'send', chain.genesis.chainId, bob.address, wrapped.target, 2n * WAD, '0x'))
  const { message, proof: word } = attested(receipt?.logs ?? [])
  expect(named(await onNova('deliver', [message, word]), 'MessageDelivered').args.amount).toBe(2n * WAD)
  const height = chain.head().header.number
  expect(chain.at(height).account(asAddress(hexToBytes(hexAddress(bob.address))))?.balance).toBe(2n * WAD)
  expect(await call(wrapped, 'totalSupply')).toBe(3n * WAD)
})

test('the L1’s coin comes over and goes back', async () => {
  const receipt = await mined(
    call(vault, 'send', chain.genesis.chainId, alice?.address, COIN, 7n * WAD, '0x', { value: 7n * WAD }),
  )
  const { message, proof: word } = attested(receipt?.logs ?? [])
  const delivered = named(await onNova('deliver', [message, word]), 'MessageDelivered')
  const out = named(
    await onNova('send', [ANVIL_CHAIN, bob.address, delivered.args.token, 7n * WAD, '0x']),
    'MessageSent',
  )
  expect((await mined(call(vault, 'deliver', messageOf(out), await proven(2))))?.status).toBe(1)
  expect(await provider.getBalance(bob.address)).toBe(7n * WAD)
  expect(await provider.getBalance(String(vault.target))).toBe(0n)
})

/** Blocks on both chains, each of ours settled, while something works. */
async function meanwhile<T>(work: Promise<T>): Promise<T> {
  let isOver = false
  const done = work.finally(() => {
    isOver = true
  })
  done.catch(() => {})
  while (!isOver) {
    await settle()
    await anvil.mine(2)
  }
  return done
}
const novaUrl = (): string => `http://127.0.0.1:${door.port}`
const before = () => ['--rpc', novaUrl(), '--l1', anvil.url, '--l1-chain-id', `${ANVIL_CHAIN}`]

test('a relayer finds what was sent, brings what was not brought, and goes on from where it was', async () => {
  const timers = {
    after(_: number, work: () => void) {
      const timer = setTimeout(work, 10)
      return () => clearTimeout(timer)
    },
  }
  const faults: unknown[] = []
  const nova = new JsonRpcProvider(novaUrl(), undefined, { cacheTimeout: -1 })
  const novaToken = new Contract(`0x${WRAPPED_POL.slice(26)}`, WrappedToken.abi, nova)
  const deps = {
    account: accountOf(hexToBytes(ANVIL_SECRETS[1])),
    clock: { nowMs: () => Date.now() },
    timers,
    log: silent,
    meter: noMeter,
  }
  const start = () =>
    startRelaying({ ...deps, onFault: (error) => faults.push(error) }, dir, {
      nova: { chain: chain.genesis.chainId, url: novaUrl() },
      routes: [
        { chain: ANVIL_CHAIN, url: anvil.url, settlement: asAddress(hexToBytes(String(settlement.target))), from: 0 },
      ],
      fees: {},
    })
  for (const part of [1n, 2n]) {
    const [here, there] = [Wallet.createRandom(), Wallet.createRandom()]
    await onNova('send', [ANVIL_CHAIN, there.address, COIN, part * WAD, '0x'], part * WAD)
    await mined(call(vault, 'send', chain.genesis.chainId, here.address, COIN, part * WAD, '0x', { value: part * WAD }))
    const relaying = await start()
    const paid = async (): Promise<readonly unknown[]> => [
      await call(wrapped, 'balanceOf', there.address),
      await novaToken.getFunction('balanceOf')(here.address),
    ]
    const over = async (): Promise<void> => {
      while ((await paid()).some((amount) => amount === 0n) && faults.length === 0) {}
    }
    await meanwhile(over())
    await relaying.close()
    expect(faults).toEqual([])
    expect(await paid()).toEqual([part * WAD, part * WAD])
  }
  nova.destroy()
})

test('bridge send, status and claim bring one message by hand, each way', async () => {
  const { address } = Wallet.createRandom()
  const target = ['--settlement', String(settlement.target), '--dev-account', '1']
  for (const isOut of [true, false]) {
    const to = isOut ? `${ANVIL_CHAIN}` : `${chain.genesis.chainId}`
    const where = isOut ? ['--rpc', novaUrl()] : before()
    const sent = await meanwhile(run(command, ['send', to, address, '1', '--dev-account', '1', ...where]))
    expect([sent.text, sent.code]).toEqual([expect.stringMatching(/^id /), 0])
    const { id } = sent.json
    await meanwhile(Promise.resolve())
    await anvil.mine(3)
    const claimed = await meanwhile(run(command, ['claim', id, ...before(), ...target]))
    expect([claimed.text, claimed.json.deed]).toEqual([expect.stringMatching(/^id /), 'deliver'])
    const { json } = await run(command, ['status', id, ...before()])
    expect([json.novachain.status, json.other.status]).toEqual(isOut ? ['sent', 'delivered'] : ['delivered', 'sent'])
    const again = await run(command, ['claim', id, ...before(), ...target])
    expect(again.refusal).toBe('BRIDGECMD_SETTLED')
    const elsewhere = await run(command, ['claim', `0x${'77'.repeat(32)}`, ...before(), ...target])
    expect(elsewhere.refusal).toBe('BRIDGECMD_UNKNOWN')
  }
  const nowhere = await run(command, ['send', '5', address, '1', '--dev-account', '1', '--rpc', novaUrl()])
  expect([nowhere.refusal, /UnknownChain/.test(nowhere.text)]).toEqual(['BRIDGECALL_REFUSED', true])
})

test('the SDK sends both ways and says what each chain knows', async () => {
  const nova = new JsonRpcProvider(novaUrl(), undefined, { cacheTimeout: -1, pollingInterval: 20 })
  const here = bridgeClient(new Wallet(ANVIL_SECRETS[1], nova))
  const there = bridgeClient(new Wallet(ANVIL_SECRETS[1], provider), String(vault.target))
  const order = { to: bob.address, amount: 3n }
  const out = await meanwhile(here.initiateBridge({ ...order, chain: Number(ANVIL_CHAIN) }))
  const back = await meanwhile(there.initiateBridge({ ...order, chain: Number(chain.genesis.chainId) }))
  expect(await here.getTransfer(out.id)).toMatchObject({ status: 'sent', chain: 80_002, sequence: out.sequence })
  expect(await there.getTransfer(back.id)).toMatchObject({ status: 'sent', sequence: back.sequence })
  expect([await here.getTransfer(back.id), await there.getTransfer(out.id)]).toEqual([null, null])
  expect(back.deadline).toBe(((await provider.getBlock(back.receipt.blockNumber))?.timestamp ?? 0) + 86_400)
  nova.destroy()
})

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  server.close()
  await once(server, 'close')
  return port
}

test('bridge relay runs until it is told to stop, and says then how far it is', async () => {
  const stop = new AbortController()
  let said: { readonly chains?: readonly { readonly chain: string }[] } = {}
  const port = await freePort()
  const config = join(dir, 'relayer.toml')
  const route = [`[chains.${ANVIL_CHAIN}]`, `url = "${anvil.url}"`, `settlement = "${String(settlement.target)}"`]
  route.push('maxFee = "1wei"') // it brings nothing there
  const own = [`rpc = "${novaUrl()}"`, 'dir = "nowhere"', `metricsPort = ${port}`]
  writeFileSync(config, [...own, ...route, ''].join('\n'))
  const flags = { config, 'dev-account': '1', dir }
  const out = (object: object): void => {
    said = object
    stop.abort()
  }
  const context = { args: ['relay'], flags, switches: new Set<string>(), env: {}, signal: stop.signal, out }
  const running = command.run(context)
  const metrics = (): Promise<string> =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
  let shown = ''
  while (shown.split('novachain_relayer_balance_native{').length < 3) shown = await metrics()
  const lane = `{source="${ANVIL_CHAIN}",target="${chain.genesis.chainId}"}`
  for (const name of ['height', 'messages_pending', 'oldest_message_seconds', 'route_paused'])
    expect(shown).toContain(`novachain_relayer_${name}${lane}`)
  stop.abort()
  expect(await running).toBe(0)
  expect(existsSync(join(dir, 'nowhere'))).toBe(false)
  expect(said.chains?.map((each) => each.chain)).toEqual([`${ANVIL_CHAIN}`, `${chain.genesis.chainId}`])
  await seal() // what it sent to NovaChain by then
})

test('what comes too late is refused there and paid back here, both ways', async () => {
  const before = await call(wrapped, 'totalSupply')
  const out = named(await onNova('send', [ANVIL_CHAIN, bob.address, COIN, WAD, '0x'], WAD), 'MessageSent')
  const receipt = await mined(call(vault, 'send', chain.genesis.chainId, bob.address, wrapped.target, WAD, '0x'))
  const late = attested(receipt?.logs ?? [])

  await anvil.rpc('evm_increaseTime', [40 * 86_400])
  await anvil.mine()
  const proof = await proven(7)
  expect(await refusal('deliver', messageOf(out), proof)).toBe('PastDeadline')
  const refused = await mined(call(vault, 'refuse', messageOf(out), proof))
  const notice = attested(refused?.logs ?? [])
  const paid = named(await onNova('refund', [messageOf(out), notice.message, notice.proof]), 'MessageRefunded')
  expect(paid.args.amount).toBe(WAD)

  await seal(40 * 86_400_000)
  const back = named(await onNova('refuse', [late.message, late.proof]), 'MessageSent')
  expect((await mined(call(vault, 'refund', late.message, messageOf(back), await proven(8))))?.status).toBe(1)
  expect(await call(wrapped, 'totalSupply')).toBe(before)
})

test('bridge claim refuses what is late, and brings the notice on which it is paid back', async () => {
  const target = ['--settlement', String(settlement.target), '--dev-account', '1']
  const claim = async (id: string) => {
    await meanwhile(Promise.resolve())
    await anvil.mine(3)
    return meanwhile(run(command, ['claim', id, ...before(), ...target]))
  }
  const ids: string[] = []
  for (const [chainId, where] of [
    [ANVIL_CHAIN, ['--rpc', novaUrl()]],
    [chain.genesis.chainId, before()],
  ] as const)
    ids.push(
      (await meanwhile(run(command, ['send', `${chainId}`, bob.address, '1', '--dev-account', '1', ...where]))).json.id,
    )
  await anvil.rpc('evm_increaseTime', [40 * 86_400])
  await anvil.mine()
  await seal(40 * 86_400_000)
  for (const [i, id] of ids.entries()) {
    const late = await claim(id)
    expect([late.text, late.json.deed]).toEqual([expect.stringContaining('it came too late'), 'refuse'])
    const paid = await claim(late.json.notice)
    expect([paid.text, paid.json.deed]).toEqual([expect.stringMatching(/^id /), 'refund'])
    const { json } = await run(command, ['status', id, ...before()])
    const statuses = [json.novachain.status, json.other.status]
    expect(i === 0 ? statuses : statuses.reverse()).toEqual(['refunded', 'refused'])
  }
})
