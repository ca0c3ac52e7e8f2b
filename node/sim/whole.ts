// Networks of whole nodes in virtual time: the real engine, signer, log, chain, sync and gossip of each, over a simulated disk, network
// and clock. Owns the processes and the verdict: what no run may show, and what every run must reach after the calm.
import { asAddress, bytesToHex, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Kv, Log, Meter } from '../../chain/base/ports.ts'
import { checkStore, createChainEngine, openCalls } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { LightErrors } from '../../chain/light.ts'
import { createSnapshotSource, openRestore } from '../../chain/snapshot.ts'
import { openWal } from '../../chain/store/wal.ts'
import type { Block } from '../../chain/types/block.ts'
import type { Signed } from '../../chain/types/message.ts'
import type { KeptEvidence, StoredReceipt } from '../../chain/types/query.ts'
import type { Handlers } from '../../p2p/network.ts'
import { type FetchDeps, fetchState } from '../begin.ts'
import { type Consensus, startConsensus } from '../consensus.ts'
import { Guard } from '../guard.ts'
import { accountOf, Reporter } from '../reporter.ts'
import { openSigner, type Signer } from '../signer.ts'
import { inlineVerifier } from '../verifier.ts'
import { Audit } from './audit.ts'
import { watched } from './books.ts'
import { type CrashPoint, Disk, type Life } from './disk.ts'
import { fakeCurves } from './fake-bls.ts'
import { Kernel } from './kernel.ts'
import { Links } from './links.ts'
import { type Desk, People } from './people.ts'
import { createRandom, type Random } from './random.ts'
import { Signatures } from './signatures.ts'
import { type Account, START_MS, type Stage, stageOf } from './stage.ts'
import type { Blow, Story } from './story.ts'

export interface WholeOutcome {
  readonly fault: string | null
  readonly heights: number
  readonly events: number
  readonly trace: number
  /** Rounds of the heights decided after the calm, by how many were decided in it. */
  readonly rounds: ReadonlyMap<number, number>
  /** How often a process died at each point, and what else happened. */
  readonly counters: ReadonlyMap<string, number>
}

/** What is left after the calm for everything to be well; the longest round is 30 s. */
const STALL_MS = 600_000
/** A process that ended by itself is started again so much later. */
const RESTART_MS = 1_000
/** After the last height to be decided: reporters draw their moment within eight, and wait five for a transaction of another's. */
const REPORTED_BLOCKS = 16
const CALL_GAS = 100_000_000n
/** Of a state, small enough that there are some. */
const PIECES = { chunkBytes: 2_000, inlineBytes: 1_000 }
const MAX_FEE_WEI = 100_000_000_000n
/** Somebody without a key. */
const MALLORY = 'mallory'

/** `said` takes what the processes log, line by line, for who wants to know what happened. */
export async function runWhole(story: Story, said: string[] | null = null): Promise<WholeOutcome> {
  installCurves(story.seed % REAL_EVERY === 0 ? nativeCurves : curvesOf)
  const world = new Whole(story, said)
  return world.run()
}

/** One run in so many has real signatures throughout. */
const REAL_EVERY = 100
/** Signatures of validators are stand-ins; those of transactions are real. */
const curvesOf = {
  ...fakeCurves,
  ...{ recover: nativeCurves.recover, sign: nativeCurves.sign, publicKey: nativeCurves.publicKey },
}

class Whole {
  readonly story: Story
  readonly kernel = new Kernel()
  readonly links: Links
  readonly stage: Stage
  readonly #audit: Audit
  readonly #random: Random
  readonly #processes: readonly Process[]
  readonly #signatures = new Signatures()
  /** Keys that signed what nobody may. */
  readonly #offenders = new Set<number>()
  readonly #decided = new Map<number, Hex>()
  readonly #counters = new Map<string, number>()
  readonly #rounds = new Map<number, number>()
  readonly #said: string[] | null
  #fault: string | null = null
  #isMajor = false

  constructor(story: Story, said: string[] | null) {
    this.story = story
    this.#said = said
    this.#random = createRandom(story.seed, 'world')
    this.stage = stageOf(story)
    this.links = new Links(this.kernel, createRandom(story.seed, 'links'), {
      weather: () =>
        this.isCalm
          ? { ...story.weather, loss: 0, duplicates: 0, meanMs: Math.min(20, story.weather.meanMs) }
          : story.weather,
      isCut: (from, to) => this.#isCut(from, to),
      onBlame: (by, of, offence) => this.#onBlame(by, of, offence),
    })
    const keys = this.stage.operators.map(({ key }) => key)
    const ids = [
      ...keys.map((key) => ({ id: String(key), node: key, key })),
      ...story.twins.map((key) => ({ id: `${key}'`, node: key, key })),
      ...Array.from({ length: story.followers }, (_, i) => ({ id: `f${i}`, node: keys.length + i, key: null })),
    ]
    this.#processes = ids.map((at) => new Process(this, at, createRandom(story.seed, `process ${at.id}`)))
    this.#audit = new Audit({
      stage: this.stage,
      fail: (what) => this.fail(what),
      count: (what) => this.count(what),
      isHonest: (key) => this.isHonest(key),
      onMajor: () => {
        this.#isMajor = true
      },
      hasOffended: (key) => this.#offenders.has(key),
    })
  }

  get isCalm(): boolean {
    return this.kernel.nowMs >= this.story.calmMs
  }
  say(who: string, message: string, fields: object): void {
    this.#said?.push(`${this.kernel.nowMs} ms ${who}: ${message} ${JSON.stringify(fields)}`)
  }
  /** Ends the run with this verdict. */
  fail(what: string): void {
    this.#fault ??= `at ${this.kernel.nowMs} ms: ${what}`
  }
  count(what: string): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + 1)
  }
  isHonest(key: number | null): boolean {
    return key === null || !this.story.twins.includes(key)
  }
  keyOf(address: string): number {
    return this.stage.operators.findIndex(({ account }) => bytesToHex(account.address) === address)
  }
  onSign(key: number, message: Signed): void {
    const fault = this.#signatures.add(key, message)
    if (fault === null) return
    this.#offenders.add(key)
    if (this.isHonest(key)) this.fail(`validator ${fault}`)
  }
  onBlock(by: Process, chain: Chain, block: Block, receipts: readonly StoredReceipt[]): void {
    if (!this.isHonest(by.key)) return
    const height = block.header.number
    const hex = bytesToHex(block.hash)
    const before = this.#decided.get(height)
    this.#audit.onHead(by.id, chain)
    if (before === undefined) {
      this.#decided.set(height, hex)
      const round = chain.commitOf(height)?.round ?? 0
      if (this.isCalm) this.#rounds.set(round, (this.#rounds.get(round) ?? 0) + 1)
      this.#audit.onBlock(chain, block, receipts)
    } else if (before !== hex) this.fail(`disagreement at height ${height}: ${before}, and ${hex} of process ${by.id}`)
  }

  async run(): Promise<WholeOutcome> {
    const { story, kernel } = this
    const { powers, stakes } = story
    for (const process of this.#processes) {
      const plan = process.key === null ? undefined : stakes.joiners[process.key - powers.length]
      kernel.after(process.lateMs ?? plan?.atMs ?? 0, () => process.boot())
    }
    this.#people().start()
    for (const blow of story.blows) this.#order(blow)
    this.#makeNoise()
    for (let i = 0; i < story.txs; i++) kernel.after(this.#random.below(story.calmMs), () => void this.#pay(i))
    let goal = Number.POSITIVE_INFINITY
    kernel.after(story.calmMs, () => {
      for (const process of this.#processes) process.onCalm()
      goal = this.#decided.size + story.heights
    })
    const honest = this.#processes.filter(({ key }) => this.isHonest(key))
    const isReported = this.#createReported(honest, () => goal)
    const isDone = await kernel.run(
      story.calmMs + STALL_MS,
      () => this.#fault !== null || this.#isMajor || (honest.every(({ height }) => height >= goal) && isReported()),
    )
    if (this.#isMajor) this.count('liars got a third')
    else if (isDone && this.#fault === null) await this.#close(honest, goal - story.heights)
    if (!isDone) this.fail(`stalled at heights ${honest.map((process) => process.place).join(', ')}`)
    for (const process of this.#processes) process.kill()
    return {
      ...{ fault: this.#fault, heights: this.#decided.size },
      ...{ events: kernel.events, trace: kernel.trace, rounds: this.#rounds, counters: this.#counters },
    }
  }

  #people(): People {
    const { kernel, story, stage } = this
    const random = createRandom(story.seed, 'people')
    const desks = this.#processes.filter(({ key }) => this.isHonest(key))
    return new People({ kernel, random, story, stage, desks, count: (what) => this.count(what) })
  }

  /** Whether all that is held is punished, or as many blocks have passed since the goal as reporters may take. Looks once a block. */
  #createReported(honest: readonly Process[], goal: () => number): () => boolean {
    let seen = 0
    let isOwed = true
    return () => {
      const height = this.#decided.size
      if (height >= goal() + REPORTED_BLOCKS) return true
      if (height === seen) return !isOwed
      const chain = honest[0]?.chain() ?? null
      if (chain === null) return false
      seen = height
      const kept = honest.flatMap((each) => each.evidence())
      isOwed = this.#audit.owed(chain, kept, goal() - this.story.heights).length > 0
      return !isOwed
    }
  }

  /** The last look at everything, through the eyes of one who is up. */
  async #close(honest: readonly Process[], calmHeight: number): Promise<void> {
    const { genesisHash } = honest[0]?.chain() ?? {}
    for (const late of honest.filter(({ beginsWith }) => beginsWith === 'state'))
      await checkStore(late.reading(), genesisHash as Hash).catch((error: unknown) =>
        this.fail(`process ${late.id} began with a state, and its store has a fault: ${error}`),
      )
    const first = honest.find(({ beginsWith }) => beginsWith === 'blocks')
    const chain = first?.chain() ?? null
    if (first === undefined || chain === null) return
    await this.#audit.finish(
      chain,
      first.reading(),
      honest.flatMap((each) => each.evidence()),
      calmHeight,
    )
  }

  #order(blow: Blow): void {
    const { kernel } = this
    if (blow.kind === 'cut') {
      // Whoever can speak again greets.
      kernel.after(blow.atMs + blow.forMs, () => {
        for (const { id } of this.#processes) this.links.meet(id)
      })
      return
    }
    const struck = this.#processes.find(({ node }) => node === blow.node)
    if (struck === undefined) return
    if (blow.kind === 'slow disk') struck.disk.syncMs = blow.syncMs
    else
      kernel.after(blow.atMs, () => {
        if (!this.isCalm) struck.strike(blow)
      })
  }

  #isCut(from: string, to: string): boolean {
    const { nowMs } = this.kernel
    const nodeOf = (id: string): number => this.#processes.find((process) => process.id === id)?.node ?? -1
    return this.story.blows.some((blow) => {
      if (blow.kind !== 'cut' || this.isCalm || nowMs < blow.atMs || nowMs >= blow.atMs + blow.forMs) return false
      const [a, b] = [blow.group.includes(nodeOf(from)), blow.group.includes(nodeOf(to))]
      return blow.isOneWay ? a && !b : a !== b
    })
  }

  /** Who is honest passes on nothing but what he checked. */
  #onBlame(by: string, of: string, offence: string): void {
    this.count(`blamed: ${offence}`)
    const find = (id: string) => this.#processes.find((process) => process.id === id)
    const keyOf = (id: string) => find(id)?.key ?? null
    if (find(of)?.isFalsifier === true) return
    if (of === MALLORY || offence === 'timeout' || !this.isHonest(keyOf(of)) || !this.isHonest(keyOf(by))) return
    this.fail(`process ${by} blames ${of}, which is honest: ${offence}`)
  }

  /** Garbage, what was said before, and what was said before with a byte changed. */
  #makeNoise(): void {
    const { noiseMs } = this.story
    if (noiseMs === null) return
    const random = this.#random
    const said = random.pick([...this.links.overheard, null])
    const noise = Uint8Array.from({ length: random.between(1, 200) }, () => random.below(256))
    const bytes = said === null ? noise : said.bytes.slice()
    if (random.chance(0.7)) bytes[random.below(bytes.length)] = random.below(256)
    this.links.publish(MALLORY, said?.topic ?? random.pick(['consensus', 'txs']), bytes)
    this.kernel.after(random.between(1, 2 * noiseMs), () => this.#makeNoise())
  }

  async #pay(index: number): Promise<void> {
    const process = this.#random.pick(this.#processes)
    const input = new Uint8Array(this.#random.pick([0, 0, 60_000])).fill(1) // a block with the large one goes as hashes
    const to = asAddress(new Uint8Array(20).fill(7))
    const gas = 21_000n + 40n * BigInt(input.length)
    const payment = { nonce: 0n, to, wei: 1n, input, gas }
    await process.submit((this.stage.users[index] as Account).sign(payment, this.stage.genesis.chainId))
  }
}

type Crash = Extract<Blow, { readonly kind: 'crash' }>

/** Whoever runs a key twice looks away. */
class Blind extends Guard {
  override open(): void {}
  override heard(): void {}
  override offended(): void {}
  override at(): 'yes' {
    return 'yes'
  }
}

/** Runs one node, ends with it, and comes back. */
class Process implements Desk {
  readonly id: string
  readonly node: number
  readonly key: number | null
  readonly disk: Disk
  readonly #world: Whole
  readonly #random: Random
  #life: (Life & { isDead: boolean }) | null = null
  #chain: Chain | null = null
  #consensus: Consensus | null = null
  #clockOffMs = 0
  #isTampered = false
  readonly #skewMs: number
  readonly #natives: ReturnType<typeof watched>
  /** When it comes, where it begins with a state. */
  readonly lateMs: number | null
  #beginsWith: 'blocks' | 'state'
  readonly isFalsifier: boolean
  /** Operations left before the crash that was ordered. */
  #crash: { steps: number; readonly blow: Crash } | null = null
  /** Ordered for heights to come. */
  readonly #later: Crash[] = []

  constructor(world: Whole, at: Pick<Process, 'id' | 'node' | 'key'>, random: Random) {
    this.#world = world
    this.id = at.id
    this.node = at.node
    this.key = at.key
    this.#random = random
    this.#skewMs = random.between(-200, 200)
    this.lateMs = world.story.latecomers?.find(({ node }) => node === at.node)?.atMs ?? null
    this.#beginsWith = this.lateMs === null ? 'blocks' : 'state'
    this.isFalsifier = at.key === null && world.story.falsifiers?.includes(at.node) === true
    this.disk = new Disk(random)
    this.#natives = watched((error) => world.count(`refused: ${error}`))
  }

  get beginsWith(): 'blocks' | 'state' {
    return this.#beginsWith
  }
  get height(): number {
    return this.#chain?.head().header.number ?? 0
  }
  get place(): string {
    return `${this.id}: ${this.height}/${this.#consensus?.engine.status().round ?? 'down'}`
  }

  chain(): Chain | null {
    return this.#consensus === null ? null : this.#chain
  }
  evidence(): readonly KeptEvidence[] {
    return this.#consensus?.evidence.list() ?? []
  }
  /** What it has stored, for who takes no part. */
  reading(): Kv {
    return this.disk.store({ isDead: false, step() {}, after: () => () => {} })
  }

  boot(): void {
    if (this.#life !== null) return
    const { kernel } = this.#world
    const world = this.#world
    const life = {
      isDead: false,
      step: (point: CrashPoint): void => this.#step(point),
      after: (ms: number, run: () => void) => kernel.after(ms, () => void (life.isDead || run())),
    }
    this.#life = life
    this.#start(life).catch((error: unknown) => {
      if (!life.isDead) this.#exit(error)
    })
    world.count('boots')
  }

  async #start(life: Life): Promise<void> {
    const world = this.#world
    const { genesis } = world.stage
    const clock = { nowMs: () => START_MS + world.kernel.nowMs + this.#skewMs + this.#clockOffMs }
    const log = this.#logOf()
    const ports = { clock, log, meter: METER }
    const kv = this.disk.store(life)
    if (this.beginsWith === 'state') await this.#begin(life, kv, { ...ports, timers: life })
    const chain = await openChain(
      {
        ...{ kv, engine: createChainEngine(genesis), pause: async () => {}, ...ports },
        natives: this.#natives,
      },
      genesis,
      { historyBlocks: 10, proofBlocks: 10, cacheBytes: 1_000_000, pool: {} },
    )
    chain.watch('head', ({ block, receipts }) => {
      if (life.isDead) return
      world.onBlock(this, chain, block, receipts)
      this.#look(block.header.number)
    })
    this.#chain = chain
    const signers = await this.#openSigners(life, chain)
    const wal = await openWal(this.disk.log(life))
    const consensus = await startConsensus(
      {
        ...{
          chain,
          signers,
          wal,
          ...ports,
          timers: life,
          random: () => this.#random.next(),
          pause: async () => {},
        },
        verifier: inlineVerifier,
        snapshots: createSnapshotSource(kv, async () => {}, PIECES),
        join: async (handlers) => world.links.join(this.id, life, this.isFalsifier ? this.#spoilt(handlers) : handlers),
        createGuard: (deps) => (world.isHonest(this.key) ? new Guard(deps) : new Blind(deps)),
      },
      { coinbase: null, sealing: 'interval', emptyBlocksMs: null, aheadTxs: 1 },
    )
    this.#consensus = consensus
    if (this.key !== null && world.isHonest(this.key))
      this.#openReporter(life, chain, consensus, world.stage.reporters[this.key] as Account)
    await consensus.done
  }

  /** As a process does where `sync.mode` is state. */
  async #begin(life: Life, kv: Kv, ports: Pick<FetchDeps, 'clock' | 'timers' | 'log' | 'meter'>): Promise<void> {
    const { links, stage } = this.#world
    const restore = await openRestore(kv, stage.genesis)
    if (restore === null) return
    const join: FetchDeps['join'] = async (_, handlers) => links.join(this.id, life, handlers)
    const deps = { ...ports, join, checkpoint: null, onStatus() {} }
    await fetchState(deps, stage.genesis, restore, new AbortController().signal)
    this.#world.count('begun with a state')
  }

  /** What it gives of state and headers has a bit changed, is cut, or is not what was asked for. */
  #spoilt(handlers: Handlers): Handlers {
    const random = this.#random
    return {
      ...handlers,
      onRequest: async (protocol, bytes, from) => {
        const answer = await handlers.onRequest(protocol, bytes, from)
        if (!['state', 'light'].includes(protocol) || random.chance(0.4)) return answer
        const [at, other] = [random.below(answer.length + 1), this.#given]
        if (protocol === 'state') this.#given = answer
        this.#world.count(`given falsely: ${protocol}`)
        if (random.chance(0.3)) return answer.slice(0, at)
        if (random.chance(0.3) && other !== null) return other
        return answer.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte))
      },
    }
  }
  #given: Uint8Array | null = null

  #openReporter(life: Life, chain: Chain, { evidence }: Consensus, { secret }: Account): void {
    const calls = openCalls(this.disk.store(life), chain.genesis, { genesisHash: chain.genesisHash, gasCap: CALL_GAS })
    const account = accountOf(secret)
    const sign: typeof account.sign = async (fields) => (life.isDead ? new Promise(() => {}) : account.sign(fields))
    const ports = { timers: life, log: this.#logOf(), meter: METER }
    new Reporter({ ...ports, chain, calls, evidence, account: { ...account, sign } }, { maxFeeWei: MAX_FEE_WEI })
  }

  /** The key that signs, and the one that it may be rotated to. */
  async #openSigners(life: Life, { genesis, genesisHash }: Chain): Promise<Signer[]> {
    const secrets = this.key === null ? [] : (this.#world.stage.operators[this.key]?.secrets ?? [])
    const domain = { chainId: genesis.chainId, genesisHash }
    return Promise.all(
      secrets.map(async (secret, i): Promise<Signer> => {
        const signer = await openSigner(this.disk.record(life, i), secret, domain)
        return {
          ...signer,
          sign: async (order) => {
            const answer = await signer.sign(order)
            if (answer.kind === 'signed') this.#world.onSign(this.key as number, answer.message)
            if (answer.kind === 'signed' && this.beginsWith === 'state')
              this.#world.count('signed by who began with a state')
            else this.#world.count('refused by the signer')
            return answer
          },
        }
      }),
    )
  }

  #logOf(): Log {
    const world = this.#world
    return {
      debug() {},
      info: (fields, message) => world.say(this.id, message, fields),
      warn: (fields, message) => world.say(this.id, message, fields),
      error: (fields, message) => {
        world.say(this.id, message, fields)
        if ('offence' in fields && 'validator' in fields) {
          const accused = world.keyOf(String(fields.validator))
          world.count(`reported: ${fields.offence}`)
          if (world.isHonest(accused)) world.fail(`process ${this.id} accuses honest ${accused} of ${fields.offence}`)
        } else if (this.disk.isFull) world.count('cries: disk full')
        else if (this.#isTampered) world.count('silent for want of a record')
        else if (world.isHonest(this.key)) world.fail(`process ${this.id} cries: ${message} ${JSON.stringify(fields)}`)
      },
    }
  }

  /** Ended by itself: for want of space, by a clock that is behind, or as one of two with the same key. Anything else is a fault. */
  #exit(error: unknown): void {
    const isFull =
      error instanceof NodeError &&
      [error, error.cause].some((each) => each instanceof NodeError && each.code === 'DISK_FULL')
    // What it trusts is in its future: who begins with a state says so, and is started again.
    const isBehind = this.#clockOffMs < 0 && error instanceof NodeError && error.code === LightErrors.FUTURE.code
    if (isFull) this.#world.count('exit: disk full')
    else if (isBehind) this.#world.count('exit: clock')
    else if (this.#world.isHonest(this.key))
      this.#world.fail(`process ${this.id} ended: ${error instanceof Error ? error.stack : error}`)
    this.kill()
    this.#world.kernel.after(RESTART_MS, () => this.boot())
  }

  kill(): void {
    if (this.#life === null) return
    this.#life.isDead = true
    this.#life = null
    this.#crash = null
    this.#consensus = null
    this.#world.links.leave(this.id)
  }

  #step(point: CrashPoint): void {
    const crash = this.#crash
    if (crash === null || crash.steps-- > 0) return
    const { kernel } = this.#world
    this.#world.count(`crash at ${point}`)
    this.kill()
    this.disk.crash()
    if (crash.blow.log === 'lost') this.disk.loseLog()
    if (crash.blow.store === 'lost') {
      this.disk.loseStore()
      this.#beginsWith = 'state'
    }
    if (crash.blow.record !== undefined) this.disk.tamper(crash.blow.record)
    this.#isTampered ||= crash.blow.record !== undefined
    kernel.after(crash.blow.downMs, () => this.boot())
  }

  strike(blow: Exclude<Blow, { readonly kind: 'cut' | 'slow disk' }>): void {
    switch (blow.kind) {
      case 'crash':
        if (this.height >= (blow.fromHeight ?? 0)) this.#crash = { steps: blow.steps, blow }
        else this.#later.push(blow)
        return
      case 'clock':
        this.#clockOffMs = blow.byMs
        return
      case 'full':
        this.disk.isFull = true
        this.#world.kernel.after(blow.forMs, () => {
          this.disk.isFull = false
        })
    }
  }

  #look(height: number): void {
    for (const blow of this.#later.filter(({ fromHeight = 0 }) => fromHeight <= height)) {
      this.#later.splice(this.#later.indexOf(blow), 1)
      this.strike(blow)
    }
  }

  onCalm(): void {
    this.#crash = null
    this.#later.length = 0
    this.#clockOffMs = 0
    this.disk.isFull = false
    this.boot()
  }

  async submit(raw: Uint8Array): Promise<void> {
    if (this.#life === null) return
    await this.#chain?.submit(raw, 'local').catch((error: unknown) => {
      if (!(error instanceof NodeError)) throw error
    })
  }
}

const METER: Meter = { counter: () => ({ add() {} }), gauge: () => ({ set() {} }), histogram: () => ({ observe() {} }) }
