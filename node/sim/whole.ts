// Networks of whole nodes in virtual time: the real engine, signer, log, chain, sync and gossip of each, over a simulated disk, network
// and clock. Owns the processes and the verdict: what no run may show, and what every run must reach after the calm.
import { asAddress, bytesToHex, type Hash, type Hex } from '../../chain/base/bytes.ts'
import { curves, installCurves, keccak, publicKeyToAddress } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log, Meter } from '../../chain/base/ports.ts'
import { encodeRlp, rlpInt } from '../../chain/base/rlp.ts'
import { createChainEngine } from '../../chain/calls.ts'
import { type Chain, openChain } from '../../chain/chain.ts'
import { openWal } from '../../chain/store/wal.ts'
import { type Genesis, parseGenesis } from '../../chain/types/genesis.ts'
import type { Signed } from '../../chain/types/message.ts'
import { possessionBytes } from '../../chain/types/vote.ts'
import { bundledGenesis } from '../commands/genesis.ts'
import { type Consensus, startConsensus } from '../consensus.ts'
import { Guard } from '../guard.ts'
import { openSigner, type Signer } from '../signer.ts'
import { inlineVerifier } from '../verifier.ts'
import { type CrashPoint, Disk, type Life } from './disk.ts'
import { fakeCurves, fakeSecret } from './fake-bls.ts'
import { Kernel } from './kernel.ts'
import { Links } from './links.ts'
import { createRandom, type Random } from './random.ts'
import { Signatures } from './signatures.ts'
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
/** Somebody without a key. */
const MALLORY = 'mallory'
const GENESIS = { epochBlocks: 5, blockTimeMs: 3_000, development: false }
/** Secrets of accounts with coins. */
const ACCOUNTS = Array.from({ length: 4 }, (_, i) => new Uint8Array(32).fill(i + 1))

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
  readonly genesis: Genesis
  readonly #random: Random
  readonly #processes: readonly Process[]
  readonly #signatures = new Signatures()
  readonly #decided = new Map<number, Hex>()
  readonly #counters = new Map<string, number>()
  readonly #rounds = new Map<number, number>()
  readonly #said: string[] | null
  #fault: string | null = null

  constructor(story: Story, said: string[] | null) {
    this.story = story
    this.#said = said
    this.#random = createRandom(story.seed, 'world')
    this.genesis = genesisOf(story.powers)
    this.links = new Links(this.kernel, createRandom(story.seed, 'links'), {
      weather: () =>
        this.isCalm
          ? { ...story.weather, loss: 0, duplicates: 0, meanMs: Math.min(20, story.weather.meanMs) }
          : story.weather,
      isCut: (from, to) => this.#isCut(from, to),
      onBlame: (by, of, offence) => this.#onBlame(by, of, offence),
    })
    const members = story.powers.map((_, i) => i)
    const ids = [
      ...members.map((key) => ({ id: String(key), node: key, key })),
      ...story.twins.map((key) => ({ id: `${key}'`, node: key, key })),
      ...Array.from({ length: story.followers }, (_, i) => ({ id: `f${i}`, node: members.length + i, key: null })),
    ]
    this.#processes = ids.map((at) => new Process(this, at, createRandom(story.seed, `process ${at.id}`)))
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
  onSign(key: number, message: Signed): void {
    const fault = this.isHonest(key) ? this.#signatures.add(key, message) : null
    if (fault !== null) this.fail(`validator ${fault}`)
  }
  onBlock(by: Process, height: number, hash: Hash, round: number): void {
    if (!this.isHonest(by.key)) return
    const hex = bytesToHex(hash)
    const before = this.#decided.get(height)
    if (before === undefined) {
      this.#decided.set(height, hex)
      if (this.isCalm) this.#rounds.set(round, (this.#rounds.get(round) ?? 0) + 1)
    } else if (before !== hex) this.fail(`disagreement at height ${height}: ${before}, and ${hex} of process ${by.id}`)
  }

  async run(): Promise<WholeOutcome> {
    const { story, kernel } = this
    for (const process of this.#processes) process.boot()
    for (const blow of story.blows) this.#order(blow)
    this.#makeNoise()
    for (let i = 0; i < story.txs; i++) kernel.after(this.#random.below(story.calmMs), () => void this.#pay(i))
    let goal = Number.POSITIVE_INFINITY
    kernel.after(story.calmMs, () => {
      for (const process of this.#processes) process.onCalm()
      goal = this.#decided.size + story.heights
    })
    const honest = this.#processes.filter(({ key }) => this.isHonest(key))
    const isDone = await kernel.run(
      story.calmMs + STALL_MS,
      () => this.#fault !== null || honest.every(({ height }) => height >= goal),
    )
    if (!isDone) this.fail(`stalled at heights ${honest.map((process) => process.place).join(', ')}`)
    for (const process of this.#processes) process.kill()
    return {
      ...{ fault: this.#fault, heights: this.#decided.size },
      ...{ events: kernel.events, trace: kernel.trace, rounds: this.#rounds, counters: this.#counters },
    }
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
    const keyOf = (id: string) => this.#processes.find((process) => process.id === id)?.key ?? null
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
    const sizeBytes = this.#random.pick([0, 0, 60_000]) // a block with the large one goes as hashes
    await process.submit(transferOf(index, sizeBytes, this.genesis.chainId))
  }
}

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
class Process {
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
  /** Operations left before the crash that was ordered. */
  #crash: { steps: number; readonly blow: Extract<Blow, { readonly kind: 'crash' }> } | null = null

  constructor(world: Whole, at: Pick<Process, 'id' | 'node' | 'key'>, random: Random) {
    this.#world = world
    this.id = at.id
    this.node = at.node
    this.key = at.key
    this.#random = random
    this.#skewMs = random.between(-200, 200)
    this.disk = new Disk(random)
  }

  get height(): number {
    return this.#chain?.head().header.number ?? 0
  }
  get place(): string {
    return `${this.id}: ${this.height}/${this.#consensus?.engine.status().round ?? 'down'}`
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
    const { genesis } = world
    const clock = { nowMs: () => START_MS + world.kernel.nowMs + this.#skewMs + this.#clockOffMs }
    const log = this.#logOf()
    const ports = { clock, log, meter: METER }
    const chain = await openChain(
      { kv: this.disk.store(life), engine: createChainEngine(genesis), pause: async () => {}, ...ports },
      genesis,
      { historyBlocks: 10, proofBlocks: 10, cacheBytes: 1_000_000, pool: {} },
    )
    chain.watch('head', ({ block: { header, hash } }) => {
      if (!life.isDead) world.onBlock(this, header.number, hash, chain.commitOf(header.number)?.round ?? 0)
    })
    this.#chain = chain
    const signer = this.key === null ? null : await this.#openSigner(life, this.key, chain)
    const wal = await openWal(this.disk.log(life))
    const consensus = await startConsensus(
      {
        ...{ chain, signer, wal, ...ports, timers: life, random: () => this.#random.next(), pause: async () => {} },
        verifier: inlineVerifier,
        join: async (handlers) => world.links.join(this.id, life, handlers),
        createGuard: (deps) => (world.isHonest(this.key) ? new Guard(deps) : new Blind(deps)),
      },
      { coinbase: asAddress(new Uint8Array(20)), sealing: 'interval', emptyBlocksMs: null },
    )
    this.#consensus = consensus
    await consensus.done
  }

  async #openSigner(life: Life, key: number, { genesis, genesisHash }: Chain): Promise<Signer> {
    const signer = await openSigner(this.disk.record(life), fakeSecret(key), { chainId: genesis.chainId, genesisHash })
    return {
      ...signer,
      sign: async (order) => {
        const answer = await signer.sign(order)
        if (answer.kind === 'signed') this.#world.onSign(key, answer.message)
        else this.#world.count('refused by the signer')
        return answer
      },
    }
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
          const accused = Number(`0x${String(fields.validator).slice(-2)}`) - 1 // as `genesisOf` makes addresses
          world.count(`reported: ${fields.offence}`)
          if (world.isHonest(accused)) world.fail(`process ${this.id} accuses honest ${accused} of ${fields.offence}`)
        } else if (this.disk.isFull) world.count('cries: disk full')
        else if (this.#isTampered) world.count('silent for want of a record')
        else if (world.isHonest(this.key)) world.fail(`process ${this.id} cries: ${message} ${JSON.stringify(fields)}`)
      },
    }
  }

  /** Ended by itself: for want of space, or as one of two with the same key. Anything else is a fault. */
  #exit(error: unknown): void {
    const isFull =
      error instanceof NodeError &&
      [error, error.cause].some((each) => each instanceof NodeError && each.code === 'DISK_FULL')
    if (isFull) this.#world.count('exit: disk full')
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
    if (crash.blow.record !== undefined) this.disk.tamper(crash.blow.record)
    this.#isTampered ||= crash.blow.record !== undefined
    kernel.after(crash.blow.downMs, () => this.boot())
  }

  strike(blow: Exclude<Blow, { readonly kind: 'cut' | 'slow disk' }>): void {
    switch (blow.kind) {
      case 'crash':
        this.#crash = { steps: blow.steps, blow }
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

  onCalm(): void {
    this.#crash = null
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

/** Real genesis rules, the simulator's keys. */
const genesisOf = (powers: readonly number[]): Genesis => {
  const json = JSON.parse(bundledGenesis())
  Object.assign(json.novachain, GENESIS)
  json.alloc = Object.fromEntries(
    ACCOUNTS.map((secret) => [
      bytesToHex(publicKeyToAddress(curves().publicKey(secret))),
      { balance: '0xde0b6b3a7640000' },
    ]),
  )
  json.novachain.validators = powers.map((power, id) => {
    const key = curves().blsPublicKey(fakeSecret(id))
    return {
      address: bytesToHex(Uint8Array.of(...new Uint8Array(19), id + 1)),
      blsKey: bytesToHex(key),
      proofOfPossession: bytesToHex(curves().blsSign(fakeSecret(id), possessionBytes(key))),
      power,
    }
  })
  return parseGenesis(JSON.stringify(json))
}
/** The genesis is older than every run. */
const START_MS = 1_767_225_600_000 + 60_000

/** A payment of one wei, as EIP-155 signs it. */
const transferOf = (account: number, dataBytes: number, chainId: bigint): Uint8Array => {
  const head = [0n, 5_000_000_000n, 21_000n + 40n * BigInt(dataBytes)].map(rlpInt)
  const body = [...head, new Uint8Array(20).fill(7), rlpInt(1n), new Uint8Array(dataBytes).fill(1)]
  const digest = keccak(encodeRlp([...body, rlpInt(chainId), rlpInt(0), rlpInt(0)]))
  const { signature, recovery } = curves().sign(digest, ACCOUNTS[account] as Uint8Array)
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map((part) => rlpInt(BigInt(bytesToHex(part))))
  return encodeRlp([...body, rlpInt(chainId * 2n + 35n + BigInt(recovery)), r as Uint8Array, s as Uint8Array])
}
