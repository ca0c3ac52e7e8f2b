// rollup status, post, verify, deploy: the settlement contract and this node's poster at the command line. Owns what is said of them; dollars
// are worked out here, from inputs that are shown beside them.
import { setTimeout as delay } from 'node:timers/promises'
import { type Address, asAddress, asHash, bytesToHex, equalBytes, hexToBytes } from '../../chain/base/bytes.ts'
import { defineErrors, NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { parseAmount } from '../amounts.ts'
import { type Command, type CommandContext, type ExitCode, exitCode, UsageErrors } from '../args.ts'
import { RelayingErrors, vaultOf } from '../bridge/relaying.ts'
import { accountOf } from '../reporter.ts'
import { COIN_PRICE, costOf, dollarsOf, executionGasOf, type GasProfileName } from '../rollup/costs.ts'
import {
  type DeployChoice,
  deploy,
  implementationOf,
  planDeployment,
  type Step,
  type StepState,
  survey,
} from '../rollup/deploy.ts'
import { createL1, type L1, type Tag } from '../rollup/l1.ts'
import type { Waits } from '../rollup/poster.ts'
import { createSettlement, type Position } from '../rollup/settlement.ts'
import { systemClock } from '../system.ts'
import { checkedAddress, fieldOf, rows, senderOf, sending, urlOf } from './send.ts'

const usage = 'rollup status|post|verify|deploy [--rpc <url>] [--l1 <url> --settlement <address>]'

const RollupErrors = defineErrors('ROLLUPCMD', {
  OTHER: {
    text: (d: { what: string; contract: string; node: string }) =>
      `the contract and this node differ in ${d.what}: ${d.contract} there, ${d.node} here`,
  },
  FORGOTTEN: {
    text: () =>
      'this node has forgotten the first validators: give --rpc of one that keeps them (state.historyBlocks = -1)',
  },
})

const { rpc, from, 'password-file': passwordFile, 'max-fee': maxFee, tip } = sending.options
export const rollup: Command = {
  usage,
  summary:
    'What is posted to the settlement contract and what it costs; post now; compare with the chain; deploy the contracts.',
  verbs: [
    'rollup status',
    'rollup post',
    'rollup verify --l1 <url> --settlement <address>',
    'rollup deploy --l1 <url> --owner <address> --posters <addresses> [--guardian <address>] --from <keystore> [--dry-run]',
  ],
  argsMax: 1,
  options: {
    ...{ rpc, from, 'password-file': passwordFile },
    sender: 'deploy --dry-run: the paying address, so that no key is read',
    l1: 'JSON-RPC of the chain that the contracts are on',
    'l1-chain-id': 'its chain id; default 137, Polygon',
    settlement: 'verify: the contract’s address',
    owner: 'deploy: who proposes what the timelock does',
    posters: 'deploy: accounts that may post, comma between',
    guardian: 'deploy: the bridge’s vault too, which this account may pause',
    delay: 'deploy: seconds that the timelock waits; default 172800',
    verifier: 'deploy: bls, or ecdsa for chains without EIP-2537; default bls',
    'max-fee': `${maxFee}; default 500gwei`,
    tip: `${tip}; default 30gwei`,
    'coin-price': 'deploy: dollars for a coin of that chain, for the estimate',
  },
  switches: { 'dry-run': 'deploy: say what it would do and cost, and do nothing' },
  async run(context) {
    const verbs: Readonly<Record<string, (context: CommandContext) => Promise<ExitCode>>> = {
      status,
      post,
      verify,
      deploy: put,
    }
    const name = context.args[0] ?? ''
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
    if (verb === undefined)
      throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected status, post, verify or deploy', usage })
    return verb(context)
  },
}

// status and post: what the node says

interface Facts {
  readonly firstHeight: string
  readonly lastHeight: string
  readonly transactions: string
  readonly emptyBlocks: string
  readonly bytes: string
  readonly blockBytes: string
}
/** What `nova_rollup` answers: our own method. */
interface Shown {
  readonly account: string
  readonly settlement: string
  readonly chainId: string
  readonly stopped: string | null
  readonly waitsFor: Waits
  readonly latest: { readonly seq: string; readonly height: string } | null
  readonly finalized: { readonly seq: string; readonly height: string } | null
  readonly balance: string | null
  readonly lacking: string
  readonly baseFee: string | null
  readonly tip: string
  readonly coinDollars: string
  readonly gasProfile: GasProfileName
  readonly underway:
    | (Facts & {
        readonly seq: string
        readonly part: string
        readonly parts: string
        readonly state: string
        readonly attempts: readonly object[]
      })
    | null
  readonly posted:
    | (Facts & {
        readonly seq: string
        readonly parts: string
        readonly transactionHashes: readonly string[]
        readonly callBytes: string
        readonly gasUsed: string
        readonly gasPrice: string
        readonly paid: string
      })
    | null
}

const WAITS: Readonly<Record<Waits, string>> = {
  blocks: 'for blocks',
  signatures: 'for signatures of operators, which the contract asks for',
  age: 'until the batch is large or old enough',
  turn: 'for the validator whose turn it is',
  fee: 'for gas to become cheaper',
  balance: 'for funds on its account',
  inclusion: 'for its transaction to get into a block',
  finality: 'for the batch to be final there',
  refused: 'before it tries again: the contract refused the batch, see the log',
  l1: 'for an endpoint that answers as it should, see the log',
}

const status = async (context: CommandContext): Promise<ExitCode> => {
  const url = urlOf(context)
  const [shown, head] = await Promise.all([
    request(url, 'nova_rollup') as Promise<Shown>, // our own method
    request(url, 'eth_blockNumber'),
  ])
  const costs = costsOf(shown)
  const found = { ...shown, height: Number(head), costs: costs?.figures ?? null }
  context.out(plain(found), rows({ ...page(shown, Number(head)), ...costs?.rows }))
  return shown.stopped === null ? exitCode.ok : exitCode.failed
}

/** JSON has no bigint. */
const plain = (value: object): object =>
  JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each)))

const placeOf = (place: Shown['latest']): string =>
  place === null ? 'not known yet' : `batch ${Number(place.seq)}, height ${Number(place.height)}`
const factsOf = (facts: Facts): string =>
  `blocks ${Number(facts.firstHeight)} to ${Number(facts.lastHeight)} (${Number(facts.emptyBlocks)} empty), ${Number(facts.transactions)} transactions, ${Number(facts.bytes)} bytes`

const page = (shown: Shown, head: number) => {
  const { underway, posted, balance, baseFee, latest } = shown
  return {
    contract: `${shown.settlement} on chain ${Number(shown.chainId)}`,
    'posted, latest': placeOf(latest),
    'posted, final': placeOf(shown.finalized),
    'this chain': `height ${head}${latest === null ? '' : `, ${head - Number(latest.height)} blocks not posted`}`,
    waits: shown.stopped === null ? WAITS[shown.waitsFor] : `no more, it has stopped: ${shown.stopped}`,
    'under way':
      underway === null
        ? 'nothing'
        : `batch ${Number(underway.seq)}${partOf(underway)}, ${underway.state}, ${underway.attempts.length} transactions signed: ${factsOf(underway)}`,
    ...(Number(shown.lacking) > 0 && {
      'parts missing': `of ${Number(shown.lacking)} batches that are posted: they are supplied once nobody else is at it`,
    }),
    account: `${shown.account}${balance === null ? '' : `, has ${coins(BigInt(balance))}`}`,
    'base fee': baseFee === null ? 'not known yet' : gwei(BigInt(baseFee)),
    'last final':
      posted === null ? 'none of this poster' : `batch ${Number(posted.seq)}${partsOf(posted)}: ${factsOf(posted)}`,
  }
}
const partOf = ({ part, parts }: { readonly part: string; readonly parts: string }): string =>
  Number(parts) === 1 ? '' : `, part ${Number(part)} of ${Number(parts)}`
const partsOf = ({ parts }: { readonly parts: string }): string =>
  Number(parts) === 1 ? '' : ` in ${Number(parts)} parts`
const gwei = (wei: bigint): string => `${Number(wei) / 1e9} gwei`
/** Dollars at a price of one are coins. */
const coins = (wei: bigint): string => `${dollarsOf(wei, '1')} coins`

/** Of the last batch at the present price of gas; null where either is not known. */
const costsOf = ({ posted, baseFee, tip: tipOf, coinDollars, gasProfile: profile }: Shown) => {
  if (posted === null || baseFee === null) return null
  const [bytes, blockBytes, callBytes] = [posted.bytes, posted.blockBytes, posted.callBytes].map(Number) as [
    number,
    number,
    number,
  ] // three went in
  const [calls, gasUsed] = [posted.transactionHashes.length, BigInt(posted.gasUsed)]
  const sizes = {
    // Where others supplied some of it, this poster's calls had fewer bytes than the batch.
    ...{ blockBytes, txBytes: bytes - blockBytes, overheadBytes: Math.max(0, callBytes - bytes) },
    calls: Number(posted.parts),
    blocks: Number(posted.lastHeight) - Number(posted.firstHeight) + 1,
    ...{ emptyBlocks: Number(posted.emptyBlocks), transactions: Number(posted.transactions) },
    executionGas: executionGasOf({ gasUsed, callBytes, calls }, profile),
  }
  const gasPriceWei = BigInt(baseFee) + BigInt(tipOf)
  const report = costOf(sizes, { gasPriceWei, coinDollars, profile })
  const paidWei = BigInt(posted.paid)
  const least = report.unknown.length === 0 ? '' : 'at least '
  const dollars = (cost: { readonly dollars: string; readonly gas: bigint }): string =>
    `${least}$${cost.dollars} (${cost.gas} gas)`
  return {
    figures: {
      ...report,
      gasPriceWei,
      coinDollars,
      profile,
      paid: { wei: paidWei, dollars: dollarsOf(paidWei, coinDollars) },
    },
    rows: {
      'it paid': `${gasUsed} gas at ${gwei(BigInt(posted.gasPrice))}, ${coins(paidWei)}, $${dollarsOf(paidWei, coinDollars)}`,
      'costs now at': `${gwei(gasPriceWei)}, $${coinDollars} a coin, profile ${profile}`,
      'a batch like it': dollars(report.batch),
      transaction: report.perTransaction === null ? 'none in it' : dollars(report.perTransaction),
      'of that its bytes': report.ownOfTransaction === null ? 'none in it' : dollars(report.ownOfTransaction),
      block: dollars(report.perBlock),
      'its empty blocks': dollars(report.emptyBlocks),
      ...(least !== '' && { 'not known': report.unknown.join(', ') }),
    },
  }
}

const post = async (context: CommandContext): Promise<ExitCode> => {
  await request(urlOf(context), 'nova_postBatch')
  context.out({ asked: true }, 'the node posts what waits; `novachain rollup status` shows it')
  return exitCode.ok
}

// verify and deploy: the L1 itself

const l1Of = (context: CommandContext): { readonly l1: L1; readonly chainId: bigint } => {
  const { l1: url } = context.flags
  if (url === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: 'expected --l1 <url>', usage })
  const chainId = BigInt(fieldOf(context, 'l1-chain-id', /^\d{1,15}$/, 'a whole number') ?? 137)
  return { l1: createL1({ url, chainId }), chainId }
}
const addressOf = (text: string | undefined, flag: string): Address => {
  if (text === undefined) throw new NodeError(UsageErrors.ARGUMENT, { reason: `expected --${flag}`, usage })
  return asAddress(hexToBytes(checkedAddress(text, flag)))
}

interface Block {
  readonly hash: string
  readonly stateRoot: string
}
const blockAt = async (url: string, height: number): Promise<Block> =>
  (await request(url, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])) as Block // our own method

/** Compares what the contract holds with the chain that this node has, and its code with the compiled sources. */
const verify = async (context: CommandContext): Promise<ExitCode> => {
  const { l1 } = l1Of(context)
  const settlement = createSettlement(addressOf(context.flags.settlement, 'settlement'))
  const url = urlOf(context)
  const at = async (tag: Tag): Promise<Position> => {
    const { hash } = await l1.block(tag)
    return settlement.position(await l1.call(settlement.address, settlement.question, hash))
  }
  const [latest, final] = [await at('latest'), await at('finalized')]
  for (const position of [latest, final]) await compare(url, position)
  const { hash } = await l1.block('latest')
  const [code, own] = [await implementationOf(l1, settlement.address, hash), ownCode()]
  const isOwn = equalBytes(code, own)
  const result = { latest: shortOf(latest), finalized: shortOf(final), implementation: bytesToHex(code), isOwn }
  const said = isOwn ? 'as compiled from these sources' : `not ${bytesToHex(own)}, which these sources compile to`
  context.out(
    result,
    rows({
      latest: `batch ${latest.seq}, height ${latest.height}: hash and state root are this node’s`,
      finalized: `batch ${final.seq}, height ${final.height}: hash and state root are this node’s`,
      code: `${bytesToHex(code)}, ${said}`,
    }),
  )
  return isOwn ? exitCode.ok : exitCode.refused
}
const shortOf = ({ seq, height, blockHash, stateRoot }: Position) => ({
  ...{ seq, height, blockHash: bytesToHex(blockHash), stateRoot: bytesToHex(stateRoot) },
})
/** The same for every network: its constructor takes nothing. */
const ownCode = (): Address => {
  const zero = asHash(new Uint8Array(32))
  const nobody = asAddress(new Uint8Array(20))
  const choice = {
    genesisHash: zero,
    genesisStateRoot: zero,
    genesisValidatorsHash: zero,
    owner: nobody,
    guardian: null,
  }
  const plan = planDeployment({ ...choice, chainId: 1n, epochBlocks: 1, verifier: 'bls', delaySeconds: 0, posters: [] })
  return plan.find(({ name }) => name === 'NovaSettlement')?.address ?? nobody
}
/** Throws ROLLUPCMD_OTHER. */
const compare = async (url: string, { height, blockHash, stateRoot }: Position): Promise<void> => {
  const block = await blockAt(url, height)
  const pairs = [
    [`the hash of block ${height}`, bytesToHex(blockHash), block.hash],
    [`the state root of block ${height}`, bytesToHex(stateRoot), block.stateRoot],
  ] as const
  for (const [what, contract, node] of pairs)
    if (contract !== node) throw new NodeError(RollupErrors.OTHER, { what, contract, node })
}

const choiceOf = async (context: CommandContext): Promise<DeployChoice> => {
  const url = urlOf(context)
  const { flags } = context
  const [chainId, genesis, epoch, set] = await Promise.all([
    request(url, 'eth_chainId'),
    blockAt(url, 0),
    request(url, 'nova_epoch') as Promise<{ readonly first: string; readonly last: string }>, // our own methods
    request(url, 'nova_validators', [{ epoch: '0x0' }]) as Promise<{ readonly validatorsHash: string } | null>,
  ])
  if (set === null) throw new NodeError(RollupErrors.FORGOTTEN, undefined)
  return {
    chainId: BigInt(String(chainId)),
    genesisHash: asHash(hexToBytes(genesis.hash)),
    genesisStateRoot: asHash(hexToBytes(genesis.stateRoot)),
    genesisValidatorsHash: asHash(hexToBytes(set.validatorsHash)),
    epochBlocks: Number(epoch.last) - Number(epoch.first) + 1,
    verifier: fieldOf(context, 'verifier', /^(bls|ecdsa)$/, 'bls or ecdsa') === 'ecdsa' ? 'ecdsa' : 'bls',
    owner: addressOf(flags.owner, 'owner'),
    delaySeconds: Number(fieldOf(context, 'delay', /^\d{1,9}$/, 'seconds') ?? 172_800),
    posters: (flags.posters ?? '')
      .split(',')
      .filter(Boolean)
      .map((each) => addressOf(each, 'posters')),
    guardian: flags.guardian === undefined ? null : addressOf(flags.guardian, 'guardian'),
  }
}

/** The bridge's vault there, where it is another than this would make: other choices give another address. */
const otherVault = async (url: string, chain: bigint, plan: readonly Step[]): Promise<string | null> => {
  const made = plan.find(({ name }) => name === 'VaultProxy')
  if (made === undefined) return null
  const nova = createL1({ url, chainId: BigInt(String(await request(url, 'eth_chainId'))) })
  const found = await vaultOf(nova, chain).catch((error: unknown) => {
    if (error instanceof NodeError && error.code === RelayingErrors.UNCONNECTED.code) return null
    throw error
  })
  return found === null || equalBytes(found, made.address) ? null : bytesToHex(found)
}

const put = async (context: CommandContext): Promise<ExitCode> => {
  const { l1, chainId } = l1Of(context)
  const coinDollars = fieldOf(context, 'coin-price', COIN_PRICE, 'a decimal as 0.09')
  const plan = planDeployment(await choiceOf(context))
  const other = await otherVault(urlOf(context), chainId, plan)
  const note = other === null ? null : `NovaChain is connected to another vault there, ${other}`
  const isDry = context.switches.has('dry-run')
  const sender = await senderOf(context, usage, isDry ? 'address' : 'key')
  const states = await survey(l1, asAddress(hexToBytes(sender.address)), plan)
  const estimate = await estimateOf(context, l1, states, coinDollars)
  if (isDry || sender.wallet === null) {
    context.out(plain({ ...estimate.figures, deployed: false, note }), rows({ ...estimate.rows, note }))
    return exitCode.ok
  }
  const account = accountOf(hexToBytes(sender.wallet.privateKey))
  const sent: Record<string, string> = {}
  const done = ({ name }: { readonly name: string }, tx: Uint8Array): void => {
    sent[name] = bytesToHex(tx)
  }
  await deploy({ l1, account, clock: systemClock, pause: (ms) => delay(ms), done }, plan, {
    chainId,
    ...feesOf(context),
  })
  const stand = Object.fromEntries(states.map(({ name, address }) => [name, bytesToHex(address)]))
  context.out(
    { contracts: stand, transactions: sent, deployed: true, note },
    rows({
      ...stand,
      note,
      settlement: `${stand.NovaProxy}: set rollup.settlement to it`,
      vault: stand.VaultProxy === undefined ? null : `${stand.VaultProxy}: novachain bridge open takes it as --vault`,
    }),
  )
  return exitCode.ok
}
const feesOf = ({ flags }: CommandContext) => ({
  maxFeeWei: parseAmount(flags['max-fee'] ?? '500gwei'),
  tipWei: parseAmount(flags.tip ?? '30gwei'),
})
const estimateOf = async (
  context: CommandContext,
  l1: L1,
  states: readonly StepState[],
  coinDollars: string | null,
) => {
  const { baseFeeWei } = await l1.block('latest')
  const gasPriceWei = baseFeeWei + feesOf(context).tipWei
  const gas = states.reduce((sum, each) => sum + each.gas, 0n)
  const wei = gas * gasPriceWei
  const contracts = states.map(({ name, address, isThere, gas: needs }) => ({
    ...{ name, address: bytesToHex(address), isThere, gas: needs },
  }))
  const price = coinDollars === null ? '' : `, $${dollarsOf(wei, coinDollars)} at $${coinDollars} a coin`
  return {
    figures: { contracts, gas, gasPriceWei, wei, dollars: coinDollars === null ? null : dollarsOf(wei, coinDollars) },
    rows: {
      ...Object.fromEntries(
        contracts.map(({ name, address, isThere, gas: needs }) => [
          name,
          `${address} ${isThere ? 'is there' : `needs ${needs} gas`}`,
        ]),
      ),
      'all of it': `${gas} gas at ${gwei(gasPriceWei)}, ${coins(wei)}${price}`,
    },
  }
}
