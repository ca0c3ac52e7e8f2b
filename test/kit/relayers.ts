// Three chains in memory with a bridge between them, and relayers of which each is a process that dies after any write and any broadcast.
import { expect } from 'vitest'
import { NodeError } from '../../chain/base/errors.ts'
import type { Log } from '../../chain/base/ports.ts'
import { isNoWord, messageId, Status } from '../../chain/native/bridge/message.ts'
import { Carrier } from '../../node/bridge/carrier.ts'
import { Lane } from '../../node/bridge/lane.ts'
import { Relayer } from '../../node/bridge/relayer.ts'
import { moduleSide, vaultSide } from '../../node/bridge/sides.ts'
import { L1Errors } from '../../node/rollup/l1.ts'
import { NOVA, SimChain } from './bridges.ts'
import { Disk, death } from './disk.ts'
import { GWEI, SETTLEMENT, simAccount } from './l1.ts'

const START = 1_800_000_000_000
export const TICK_MS = 2_000
export const [POLYGON, AVALANCHE] = [80_002n, 43_113n]
export const BOB = new Uint8Array(20).fill(0xb0)
export const MALLORY = new Uint8Array(20).fill(0xba)
export const fault = (code: 'UNREACHABLE' | 'ANSWER') => (): never => {
  throw new NodeError(L1Errors[code], {
    host: 'sim',
    method: 'any',
    reason: code === 'ANSWER' ? '"<html>"' : 'it hangs',
  })
}

class Home {
  readonly disks = new Map<bigint, Disk>()
  readonly places = new Map<string, string>()
}

export class World {
  nowMs = START
  readonly nova = new SimChain(NOVA, START)
  readonly polygon = new SimChain(POLYGON, START)
  readonly avalanche = new SimChain(AVALANCHE, START)
  readonly chains = [this.nova, this.polygon, this.avalanche]
  readonly said: string[] = []
  readonly relayers: { relayer: Relayer; readonly home: Home; readonly id: number }[] = []
  /** The process dies right after so many more broadcasts, or writes. */
  sendsLeft = Number.POSITIVE_INFINITY
  writesLeft = Number.POSITIVE_INFINITY
  deaths = 0
  inFlightMax = 4
  /** Blocks at which lanes begin. */
  readonly from = new Map<bigint, number>()

  static async open(relayers = 1, inFlightMax = 4): Promise<World> {
    const world = new World()
    world.inFlightMax = inFlightMax
    for (const chain of world.chains) chain.connect(world.chains.filter((each) => each !== chain))
    for (let id = 1; id <= relayers; id++) {
      const home = new Home()
      world.relayers.push({ home, id, relayer: await world.#start(home, id) })
    }
    return world
  }

  #written(): void {
    if (--this.writesLeft <= 0) throw death
  }
  async #laneOf(home: Home, source: SimChain, target: bigint): Promise<Lane> {
    const key = `${source.chain} ${target}`
    const place = {
      read: async () => home.places.get(key) ?? null,
      replace: async (text: string) => {
        home.places.set(key, text)
        this.#written()
      },
    }
    const deps = { endpoint: source.endpointTo(target), contract: source.contract, place, log: this.#log }
    return Lane.open(deps, { source: source.chain, target, from: this.from.get(source.chain) ?? 1 })
  }
  readonly #log: Log = {
    ...{ debug() {}, info() {} },
    ...{ warn: (_: object, text: string) => void this.said.push(text), error() {} },
  }
  async #start(home: Home, id: number): Promise<Relayer> {
    const clock = { nowMs: () => this.nowMs }
    const shores = []
    for (const chain of this.chains) {
      const disk = home.disks.get(chain.chain) ?? new Disk()
      home.disks.set(chain.chain, disk)
      disk.crash()
      const { log: disked } = disk.open()
      const file = {
        ...disked,
        replace: async (bytes: Uint8Array) => {
          await disked.replace(bytes)
          this.#written()
        },
      }
      const plain = chain.l1()
      const l1 = {
        ...plain,
        send: async (raw: Uint8Array) => {
          await plain.send(raw)
          if (--this.sendsLeft <= 0) throw death
        },
      }
      const { contract } = chain
      const fees = { maxFeeWei: 100n * GWEI, tipWei: GWEI, lowBalanceWei: 10n ** 17n, inFlightMax: this.inFlightMax }
      const deps = { l1, account: simAccount(id), file, clock, log: this.#log }
      const carrier = await Carrier.open(deps, { chain: chain.chain, contract, ...fees })
      const nova = this.nova.asker()
      const side =
        chain === this.nova
          ? moduleSide(l1, nova)
          : vaultSide({ l1, nova }, { vault: contract, settlement: SETTLEMENT })
      const targets = chain === this.nova ? [POLYGON, AVALANCHE] : [NOVA]
      const lanes = []
      for (const target of targets) lanes.push(await this.#laneOf(home, chain, target))
      shores.push({ chain: chain.chain, side, carrier, lanes })
    }
    return new Relayer({ shores, clock, log: this.#log })
  }
  async restart(i = 0): Promise<void> {
    const own = this.relayers[i] ?? expect.fail('one that runs')
    ;[this.sendsLeft, this.writesLeft] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    own.relayer = await this.#start(own.home, own.id)
  }

  /** A block of each chain, then a turn for each. A process that dies is started again. */
  async tick(): Promise<void> {
    this.nowMs += TICK_MS
    for (const chain of this.chains) chain.mine(this.nowMs)
    for (const [i, own] of this.relayers.entries())
      for (const { chain } of this.chains)
        await own.relayer.turn(chain).catch(async (error: unknown) => {
          if (error !== death) throw error
          this.deaths++
          await this.restart(i)
        })
  }
  async run(ms: number): Promise<void> {
    for (const until = this.nowMs + ms; this.nowMs < until; ) await this.tick()
  }
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; !condition(); i++) {
      if (i > 4_000) expect.fail(`it never came to that: ${[...new Set(this.said)].join('; ')}`)
      await this.tick()
    }
  }

  #messages() {
    return this.chains.flatMap(({ head }) => head.state.outbox.map(({ sent }) => sent.message))
  }
  /** What became of each message that is no notice, by `Status` at its source and its target. */
  get ends(): readonly string[] {
    const nameOf = (status: bigint): string => Object.keys(Status)[Number(status)] ?? '?'
    return this.#messages().flatMap((message) => {
      if (!isNoWord(message.refundOf)) return []
      const id = messageId(message)
      const [source, target] = [message.sourceChain, message.targetChain].map((of) => this.chainOf(of).statusOf(id))
      return [`${nameOf(source ?? 0n)} ${nameOf(target ?? 0n)}`]
    })
  }
  chainOf(id: bigint): SimChain {
    return this.chains.find(({ chain }) => chain === id) ?? expect.fail('a chain of the test')
  }
  get isOver(): boolean {
    const { ends } = this
    return ends.length > 0 && ends.every((end) => isDelivered(end) || end === 'refunded refused') && this.waiting === 0
  }
  /** Messages that some relayer is not done with. */
  get waiting(): number {
    const lanes = this.relayers.flatMap(({ relayer }) => relayer.status).flatMap((each) => each.lanes)
    return lanes.reduce((sum, { messages }) => sum + messages, 0)
  }
  get status() {
    return (this.relayers[0] ?? expect.fail('one that runs')).relayer.status
  }
  statusOf(id: bigint) {
    return this.status.find(({ chain }) => chain === id) ?? expect.fail('a chain of the test')
  }
  /** Calls that an endpoint was given. */
  get given(): number {
    return this.chains.reduce((sum, { given }) => sum + given.length, 0)
  }
  sendAround(): void {
    this.nova.send(POLYGON, BOB)
    this.nova.send(AVALANCHE, BOB)
    this.polygon.send(NOVA, BOB)
    this.avalanche.send(NOVA, BOB)
  }
}
export const isDelivered = (end: string): boolean => end === 'sent delivered'
