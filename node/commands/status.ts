// status: height, consensus, signing, peers, pool and version of a running node; once, or followed.
import { setTimeout as delay } from 'node:timers/promises'
import { NodeError } from '../../chain/base/errors.ts'
import { request } from '../../rpc/client/http.ts'
import { type Command, type CommandContext, type ExitCode, exitCode } from '../args.ts'
import { createScreen, wrap } from '../screen.ts'

export const status: Command = {
  usage: 'status [--rpc <url>] [--watch]',
  summary:
    'Height, round, votes, signing, pool and peers of a running node; exit code 4 while it is behind or no block comes.',
  argsMax: 0,
  options: { rpc: 'URL of its JSON-RPC' },
  switches: { watch: 'follow it until Ctrl-C: redrawn on a terminal, else a line for each change' },
  async run(context) {
    const url = context.flags.rpc ?? context.env.NOVACHAIN_RPC ?? 'http://127.0.0.1:8545'
    const found = await ask(url)
    if (context.switches.has('watch')) return watch(context, url, found)
    context.out(found, page(found).join('\n'))
    return codeOf(found)
  },
}

/** What `nova_consensus` answers, in numbers. */
export async function consensusOf(url: string) {
  const status = (await request(url, 'nova_consensus')) as Consensus // our own method
  const { step, proposer, waitsFor, halt, behind, validator, silence, lastSigned } = status
  const total = BigInt(status.powerTotal)
  /** In percent, rounded down to a tenth: what is short of a quorum never reads like one. */
  const shareOf = (power: string): number => Number((BigInt(power) * 1_000n) / total) / 10
  const { prepare, commit, timeout } = status.power
  return {
    height: Number(status.height),
    round: Number(status.round),
    ...{ step, proposer, waitsFor, halt, behind },
    votes: { prepare: shareOf(prepare), commit: shareOf(commit), timeout: shareOf(timeout) },
    missing: status.missing.map(({ address, heardMs }) => ({
      address,
      heardSeconds: heardMs === null ? null : Math.round(Number(heardMs) / 1_000),
    })),
    missingCount: Number(status.missingCount),
    signing:
      validator === null && silence === null
        ? null
        : {
            validator,
            silence,
            last: lastSigned && {
              ...{ height: Number(lastSigned.height), round: Number(lastSigned.round), step: lastSigned.step },
            },
          },
  }
}

interface Consensus {
  readonly height: string
  readonly round: string
  readonly step: string
  readonly proposer: string
  readonly powerTotal: string
  readonly power: { readonly prepare: string; readonly commit: string; readonly timeout: string }
  readonly missing: readonly { readonly address: string; readonly heardMs: string | null }[]
  readonly missingCount: string
  readonly validator: string | null
  readonly silence: string | null
  readonly lastSigned: { readonly height: string; readonly round: string; readonly step: string } | null
  readonly waitsFor: string
  readonly halt: string | null
  readonly behind: boolean
}

type Found = Awaited<ReturnType<typeof ask>>
const codeOf = ({ synced }: Found): ExitCode => (synced ? exitCode.ok : exitCode.notSynced)

const ask = async (url: string) => {
  const call = async (method: string, params: readonly unknown[] = []): Promise<unknown> => request(url, method, params)
  const [chainId, peers, pool, version, genesisHash, block, upgrades, consensus, signer] = await Promise.all([
    call('eth_chainId'),
    call('net_peerCount'),
    call('txpool_status'),
    call('web3_clientVersion'),
    call('nova_genesisHash'),
    call('eth_getBlockByNumber', ['finalized', false]),
    call('nova_upgrades'),
    consensusOf(url),
    signerOf(url),
  ])
  const { pending, queued } = pool as { pending: string; queued: string } // our own method
  const { number, timestamp, hash } = block as { number: string; timestamp: string; hash: string } // and this
  return {
    height: Number(number),
    hash,
    ageSeconds: Math.max(0, Math.floor(Date.now() / 1_000) - Number(timestamp)),
    // Without blocks nobody here can tell whether the network goes on elsewhere.
    synced: !consensus.behind && consensus.halt === null,
    consensus,
    signer,
    chainId: Number(chainId),
    genesisHash: String(genesisHash),
    peers: Number(peers),
    mempool: { pending: Number(pending), queued: Number(queued) },
    version: String(version),
    /** Of a fork that ends this release, within a week. */
    warning: (upgrades as { warning: string | null }).warning, // our own method
  }
}

/** The signer elsewhere; null where the keys are with the node, and for who may not know. */
const signerOf = async (url: string) => {
  const info = await request(url, 'admin_nodeInfo').catch((error: unknown) => {
    if (error instanceof NodeError) return null // it is said on the node's own machine alone
    throw error
  })
  const signer = (info as { readonly signer?: RemoteSigner | null } | null)?.signer ?? null // our own method
  if (signer === null) return null
  const { answerMicroseconds: micros, ...rest } = signer
  return { ...rest, answerMs: micros === null ? null : Number(micros) / 1_000 }
}
interface RemoteSigner {
  readonly url: string
  readonly answers: boolean
  readonly fault: string | null
  readonly answerMicroseconds: string | null
}

const behind = ({ consensus }: Found): string => (consensus.behind ? ', behind the network' : '')
const page = (found: Found): string[] => {
  const { consensus, mempool, signer } = found
  const { votes, signing, missing, missingCount } = consensus
  const rows: [string, string][] = [
    ['height', `${found.height} (final, ${found.ageSeconds} s ago${behind(found)})  ${found.hash}`],
    [
      'round',
      `${consensus.round} of height ${consensus.height}, step ${consensus.step}, proposer ${consensus.proposer}`,
    ],
    ['votes', `PREPARE ${votes.prepare} %, COMMIT ${votes.commit} %, TIMEOUT ${votes.timeout} %`],
    ['missing', missing.length === 0 ? 'nobody' : listed(missing, missingCount)],
    [consensus.halt === null ? 'waits' : 'halted', consensus.halt ?? `for ${consensus.waitsFor}`],
    ['signing', signing === null ? 'no: this node has no validator key' : signingOf(signing)],
    ...(signer === null ? [] : [['signer', shownSigner(signer)] satisfies [string, string]]),
    ['network', `chain ${found.chainId}, genesis ${found.genesisHash}`],
    ['mempool', `${mempool.pending} pending, ${mempool.queued} queued`],
    ['peers', String(found.peers)],
    ['version', found.version],
    ...(found.warning === null ? [] : [['WARNING', found.warning] as [string, string]]),
  ]
  const columns = (process.stdout.isTTY && process.stdout.columns) || Number.POSITIVE_INFINITY
  return rows.flatMap(([name, text]) => wrap(`${name.padEnd(8)} ${text}`, columns, ' '.repeat(9)))
}
const shownSigner = ({ url, answers, fault, answerMs }: NonNullable<Found['signer']>): string => {
  if (!answers) return `${url} does not answer: ${fault}`
  return answerMs === null ? url : `${url}, answers in ${answerMs.toFixed(1)} ms`
}
const NAMED_MAX = 10
const listed = (missing: Found['consensus']['missing'], count: number): string => {
  const names = missing.slice(0, NAMED_MAX).map(({ address, heardSeconds }) => {
    return `${address} (${heardSeconds === null ? 'not heard since the start' : `last heard ${heardSeconds} s ago`})`
  })
  return count > names.length ? `${names.join(', ')} and ${count - names.length} more` : names.join(', ')
}
const signingOf = ({ validator, silence, last }: NonNullable<Found['consensus']['signing']>): string => {
  if (validator === null) return `no: ${silence}`
  return `validator ${validator}, last ${lastOf(last)}${silence === null ? '' : `, now nothing: ${silence}`}`
}
const lastOf = (last: { readonly height: number; readonly round: number; readonly step: string } | null): string =>
  last === null ? 'nothing' : `height ${last.height} round ${last.round} ${last.step}`

/** Without what changes by itself: how long ago. */
const line = (found: Found): string => {
  const { consensus, mempool } = found
  const head = `height ${found.height} final ${found.hash.slice(0, 10)}${behind(found)}`
  const at = consensus.round === 0 ? '' : `, round ${consensus.round}`
  const halted = consensus.halt === null ? '' : ', halted'
  return `${head}${at}${halted}, ${mempool.pending} pending, ${found.peers} peers`
}

const WATCH_MS = 1_000

/** Goes on while the node is away: whoever watches a restart wants to see it come back. */
const watch = async (context: CommandContext, url: string, first: Found): Promise<ExitCode> => {
  const shown = process.stdout.isTTY && !context.switches.has('json') ? onScreen() : asLines(context)
  let last = first
  try {
    shown.show(first, page(first))
    while (!context.signal.aborted) {
      await delay(WATCH_MS, undefined, { signal: context.signal }).catch(() => {}) // the loop's condition sees it
      if (context.signal.aborted) break
      try {
        last = await ask(url)
        shown.show(last, page(last))
      } catch (error) {
        if (!(error instanceof NodeError)) throw error
        shown.show(null, [error.message])
      }
    }
  } finally {
    shown.close()
  }
  return codeOf(last)
}

interface Shown {
  show(found: Found | null, text: readonly string[]): void
  close(): void
}

const onScreen = (): Shown => {
  const screen = createScreen(process.stdout)
  return { show: (_, text) => screen.draw(text), close: () => screen.close() }
}

const asLines = ({ out }: CommandContext): Shown => {
  let said = ''
  return {
    show(found, text) {
      const next = found === null ? `away: ${text.join(' ')}` : line(found)
      if (next === said) return
      said = next
      if (found === null) console.error(next)
      else out(found, next)
      if (found !== null && found.consensus.halt !== null) console.error(found.consensus.halt)
    },
    close() {},
  }
}
