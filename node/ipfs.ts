// The content store: Helia (its own Bitswap, pins and UnixFS) with LevelDB under it, on a libp2p host of its own in a private swarm, whose
// key all nodes of a network share. Owns what is kept, fetched from peers and pinned on them, and that no byte leaves it whose hash is not
// the one asked for. Whether the chain still needs something it is told (`Keep`). Loaded only where a node is told to hold content.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { createBitswap } from '@helia/bitswap'
import { unixfs } from '@helia/unixfs'
import { Helia } from '@helia/utils'
import { CarBlockIterator, CarWriter } from '@ipld/car'
import { decode as decodeDagPb } from '@ipld/dag-pb'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { UnixFS } from 'ipfs-unixfs'
import { createLibp2p, type Libp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { bytesToHex, concat } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Clock, Log } from '../chain/base/ports.ts'
import { ask, serve } from '../p2p/reqresp.ts'
import { ContentErrors, type ContentRef, type Stored, seal, open as unseal } from './content.ts'

const SHA2_256 = 0x12
const RAW = 0x55
const DAG_PB = 0x70
/** Blocks asked for at a time: 16 MB under way. */
const PARALLEL = 16
/** Bytes of a block: the importer makes 1 MiB; bitswap carries at most 4. */
const BLOCK_MAX = 2 * 1024 * 1024
/** Blocks of one content: its leaves and as many nodes above them as any honest importer makes. */
const LINKS_MAX = 4_096
const PIN_PROTOCOL = '/novachain/content/pin/1'
const PIN_TIMEOUT_MS = 120_000
const REDIAL_MS = 2_000

export interface IpfsDeps {
  readonly clock: Clock
  readonly log: Log
}
export interface IpfsOptions {
  readonly dir: string
  /** 32 bytes that every node of the swarm has, and nobody else. */
  readonly swarmKey: Uint8Array
  /** 32 bytes, ed25519: this host's own identity, another than the node's. */
  readonly keySecret: Uint8Array
  readonly listen: readonly string[]
  /** Multiaddrs with peer ids of the other nodes' content hosts. */
  readonly peers: readonly string[]
  /** On how many nodes content is pinned, this one included. */
  readonly replicas: number
  /** The most that one content may have. */
  readonly contentBytesMax: number
  /** The most that read content may take in memory. */
  readonly cacheBytes: number
  /** So long without a new block, and a provider counts as stalled. */
  readonly stallMs: number
}

/** Whether content is still wanted; `pinnedAtMs` is when it was last put, or asked to be kept, here. */
export type Keep = (ref: ContentRef, pinnedAtMs: number) => Promise<boolean> | boolean
export interface Backup {
  readonly contents: number
  readonly blocks: number
  readonly bytes: number
}
export interface Ipfs {
  readonly peerId: string
  addresses(): readonly string[]
  peers(): number
  /** Throws CONTENT_TOO_LARGE. What is there already is written nowhere twice. */
  put(content: Uint8Array, key?: Uint8Array): Promise<Stored>
  /** From here or from peers, every block checked. Throws CONTENT_*. */
  get(ref: ContentRef, key?: Uint8Array): Promise<Uint8Array>
  /** All of it is here, hash by hash. */
  isWhole(ref: ContentRef): Promise<boolean>
  /** Asks peers again for content that was put here and has fewer copies than wanted. Answers how many still have. */
  repair(): Promise<number>
  /** What is pinned here. */
  pinned(): Promise<readonly ContentRef[]>
  /** Unpins what `keep` does not want, and drops every block that no pin needs. Answers how many contents went. */
  collect(keep: Keep): Promise<number>
  /** Everything pinned, as a CAR file. */
  backup(): AsyncIterable<Uint8Array>
  /** Takes in a CAR file and pins its roots. Throws CONTENT_BACKUP where a block is forged or one is missing; nothing is pinned then. */
  restore(car: AsyncIterable<Uint8Array>): Promise<Backup>
  close(): Promise<void>
}

export const cidOf = ({ digest, codec }: ContentRef): CID => {
  if (codec !== RAW && codec !== DAG_PB) throw new NodeError(ContentErrors.CODEC, { codec })
  return CID.createV1(codec, Digest.create(SHA2_256, digest))
}
/** Throws CONTENT_CID where it is none, or of another hash than sha2-256. */
export const refOf = (text: string | CID): ContentRef => {
  const cid = typeof text === 'string' ? parseCid(text) : text
  if (cid.multihash.code !== SHA2_256) throw new NodeError(ContentErrors.CID, { cid: cid.toString() })
  return { digest: cid.multihash.digest, codec: cid.code }
}
const parseCid = (text: string): CID => {
  try {
    return CID.parse(text)
  } catch {
    throw new NodeError(ContentErrors.CID, { cid: text.slice(0, 100) })
  }
}
const isRight = (cid: CID, bytes: Uint8Array): boolean =>
  createHash('sha256').update(bytes).digest().equals(cid.multihash.digest)

interface Pin {
  readonly atMs: number
  /** Of what was put here: nodes that have it, this one included. */
  readonly copies?: number
}
const PINS = '/novachain/pins'
const pinKey = (cid: CID): Key => new Key(`${PINS}/${cid}`)
/** Of a block, whatever codec it is called with. */
const nameOf = (cid: CID): string => bytesToHex(cid.multihash.digest)

const startHost = async (options: IpfsOptions): Promise<Libp2p> => {
  const psk = `/key/swarm/psk/1.0.0/\n/base16/\n${bytesToHex(options.swarmKey).slice(2)}`
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.keySecret),
    addresses: { listen: [...options.listen] },
    transports: [tcp()],
    connectionProtector: preSharedKey({ psk: new TextEncoder().encode(psk) }),
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 16 * 1024 * 1024 } })],
    connectionManager: { maxConnections: 100, dialTimeout: 5_000 },
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify() },
  })
}

export async function openIpfs(deps: IpfsDeps, options: IpfsOptions): Promise<Ipfs> {
  const blocks = new LevelBlockstore(join(options.dir, 'blocks'))
  const data = new LevelDatastore(join(options.dir, 'data'))
  await blocks.open()
  await data.open()
  const libp2p = await startHost(options)
  const helia = new Helia({
    ...{ libp2p, blockstore: blocks, datastore: data },
    // One broker; who has what is asked of those connected, which are the swarm.
    blockBrokers: [
      (components) => {
        const bitswap = createBitswap(components, { messageReceiveTimeout: 30_000, messageSendTimeout: 30_000 })
        return {
          name: 'bitswap',
          start: () => bitswap.start(),
          stop: () => bitswap.stop(),
          retrieve: (cid: CID, how: object) => bitswap.want(cid, how),
          announce: (cid: CID, how: object) => bitswap.notify(cid, how),
        }
      },
    ],
  })
  const shelf = new Shelf(helia, deps, options)
  await libp2p.handle(PIN_PROTOCOL, (stream) =>
    serve(stream, 36, AbortSignal.timeout(PIN_TIMEOUT_MS), (question) => shelf.answer(question)).then(
      () => {},
      () => {}, // the stream is gone, which its other end sees as well
    ),
  )
  await helia.start()
  shelf.redial()
  return {
    peerId: libp2p.peerId.toString(),
    addresses: () => libp2p.getMultiaddrs().map(String),
    peers: () => libp2p.getPeers().length,
    put: (content, key) => shelf.put(content, key),
    get: (ref, key) => shelf.get(ref, key),
    isWhole: (ref) => shelf.isWhole(cidOf(ref)),
    repair: () => shelf.repair(),
    pinned: () => shelf.pinned(),
    collect: (keep) => shelf.collect(keep),
    backup: () => shelf.backup(),
    restore: (car) => shelf.restore(car),
    async close() {
      shelf.close()
      await helia.stop()
      await blocks.close()
      await data.close()
    },
  }
}

/** What bounds a walk over blocks that a stranger may have made. */
interface Walk {
  readonly offline: boolean
  readonly signal?: AbortSignal
  readonly onBlock?: (cid: CID, bytes: Uint8Array) => Promise<void> | void
}

class Shelf {
  readonly #helia: Helia<Libp2p>
  readonly #clock: Clock
  readonly #log: Log
  readonly #options: IpfsOptions
  /** Content that was read, in the order of its last use. */
  readonly #cache = new Map<string, Uint8Array>()
  #cached = 0
  /** Writers in progress; garbage is collected while there are none, for what they wrote is pinned only at their end. */
  readonly #writers = new Set<Promise<unknown>>()
  #collecting: Promise<unknown> = Promise.resolve()
  readonly #life = new AbortController()

  constructor(helia: Helia<Libp2p>, { clock, log }: IpfsDeps, options: IpfsOptions) {
    this.#helia = helia
    this.#clock = clock
    this.#log = log
    this.#options = options
  }

  close(): void {
    this.#life.abort()
  }

  /** Dials who is not connected, for ever: nodes come back. */
  redial(): void {
    const { libp2p } = this.#helia
    const connect = async (): Promise<void> => {
      const connected = new Set(libp2p.getPeers().map(String))
      const missing = this.#options.peers.filter((address) => !connected.has(address.split('/p2p/').at(-1) ?? ''))
      await Promise.all(
        missing.map((address) =>
          libp2p
            .dial(multiaddr(address), { signal: AbortSignal.any([this.#life.signal, AbortSignal.timeout(5_000)]) })
            .catch((error: unknown) =>
              this.#log.debug({ address, reason: String(error) }, 'content peer is not reached'),
            ),
        ),
      )
      if (!this.#life.signal.aborted) timer = setTimeout(() => void connect(), REDIAL_MS)
    }
    let timer: NodeJS.Timeout | undefined
    this.#life.signal.addEventListener('abort', () => clearTimeout(timer))
    void connect()
  }

  async put(content: Uint8Array, key?: Uint8Array): Promise<Stored> {
    this.#refuseLarge(content.length)
    const bytes = key === undefined ? content : seal(content, key)
    const cid = await this.#writing(async () => {
      const root = await unixfs(this.#helia).addBytes(bytes)
      await this.#pin(root)
      return root
    })
    const replicas = await this.#replicate(cid)
    return { ...refOf(cid), cid: cid.toString(), replicas }
  }

  async get(ref: ContentRef, key?: Uint8Array): Promise<Uint8Array> {
    const cid = cidOf(ref)
    const found = this.#cache.get(cid.toString()) ?? (await this.#fetch(cid))
    this.#remember(cid.toString(), found)
    return key === undefined ? found : unseal(found, key)
  }

  async isWhole(cid: CID): Promise<boolean> {
    try {
      await this.#walk(cid, { offline: true })
      return true
    } catch (error) {
      if (
        error instanceof NodeError &&
        (error.code === ContentErrors.MISSING.code || error.code === ContentErrors.CORRUPT.code)
      )
        return false
      throw error
    }
  }

  pinned = async (): Promise<readonly ContentRef[]> => (await this.#pins()).map(([cid]) => refOf(cid))

  async #pins(): Promise<readonly (readonly [CID, Pin])[]> {
    const pins: (readonly [CID, Pin])[] = []
    for await (const { key, value } of this.#helia.datastore.query({ prefix: PINS }))
      pins.push([CID.parse(key.baseNamespace()), JSON.parse(new TextDecoder().decode(value))])
    return pins
  }

  async #pin(cid: CID, copies?: number): Promise<void> {
    const pin: Pin = { atMs: this.#clock.nowMs(), ...(copies !== undefined && { copies }) }
    await this.#helia.datastore.put(pinKey(cid), new TextEncoder().encode(JSON.stringify(pin)))
  }

  /**
   * Marks what the wanted contents need, then drops the rest. Not by Helia's counts of pins: 2.5 loses count of blocks that contents share
   * when one of them is pinned, unpinned and pinned again, and would drop what the other needs.
   */
  async collect(keep: Keep): Promise<number> {
    const run = async (): Promise<number> => {
      await Promise.allSettled(this.#writers)
      const marked = new Set<string>()
      let dropped = 0
      for (const [cid, { atMs }] of await this.#pins()) {
        if (await keep(refOf(cid), atMs))
          await this.#walk(cid, { offline: true, onBlock: (each) => void marked.add(nameOf(each)) }).catch(
            (error: unknown) =>
              this.#log.error({ cid: cid.toString(), reason: String(error) }, 'pinned content is not whole'),
          )
        else {
          await this.#helia.datastore.delete(pinKey(cid))
          dropped++
        }
      }
      const blocks = this.#helia.blockstore.unwrap()
      for await (const { cid } of blocks.getAll()) if (!marked.has(nameOf(cid))) await blocks.delete(cid)
      this.#cache.clear()
      this.#cached = 0
      return dropped
    }
    const result = this.#collecting.then(run)
    this.#collecting = result.catch(() => {})
    return result
  }

  async *backup(): AsyncIterable<Uint8Array> {
    const roots = (await this.pinned()).map(cidOf)
    const { writer, out } = CarWriter.create(roots)
    const written = new Set<string>()
    const fill = async (): Promise<void> => {
      for (const root of roots)
        await this.#walk(root, {
          offline: true,
          onBlock: async (cid, bytes) => {
            if (written.has(cid.toString())) return
            written.add(cid.toString())
            await writer.put({ cid, bytes })
          },
        })
    }
    const filled = fill().finally(() => writer.close())
    filled.catch(() => {}) // thrown below, once what was written before is out
    yield* out
    await filled
  }

  async restore(car: AsyncIterable<Uint8Array>): Promise<Backup> {
    const bad = (reason: string): NodeError => new NodeError(ContentErrors.BACKUP, { reason })
    return this.#writing(async () => {
      const reader = await CarBlockIterator.fromIterable(car).catch((error: unknown) => {
        throw bad(String(error))
      })
      const blocks = reader[Symbol.asyncIterator]()
      const next = (): Promise<IteratorResult<{ readonly cid: CID; readonly bytes: Uint8Array }>> =>
        blocks.next().catch((error: unknown) => {
          throw bad(String(error))
        })
      let [count, bytesTotal] = [0, 0]
      for (let read = await next(); read.done !== true; read = await next()) {
        const { cid, bytes } = read.value
        refOf(cid)
        if (bytes.length > BLOCK_MAX || !isRight(cid, bytes)) throw bad(`block ${cid} is not what its CID says`)
        await this.#helia.blockstore.put(cid, bytes)
        count++
        bytesTotal += bytes.length
      }
      const roots = await reader.getRoots()
      for (const root of roots) {
        refOf(root)
        if (!(await this.isWhole(root))) throw bad(`blocks of ${root} are missing`)
      }
      for (const root of roots) await this.#pin(root)
      return { contents: roots.length, blocks: count, bytes: bytesTotal }
    })
  }

  /** A peer asks that something be pinned here. */
  async answer(question: Uint8Array): Promise<{ readonly bytes: Uint8Array } | { readonly refused: string }> {
    if (question.length !== 36) return { refused: '36 bytes: codec and digest' }
    const codec = new DataView(question.buffer, question.byteOffset).getUint32(0)
    try {
      const cid = cidOf({ codec, digest: question.slice(4) })
      await this.#writing(async () => {
        await this.#retrieve(cid)
        await this.#pin(cid)
      })
      return { bytes: new Uint8Array(0) }
    } catch (error) {
      return { refused: error instanceof NodeError ? error.code : 'it failed' }
    }
  }

  async repair(): Promise<number> {
    const { replicas } = this.#options
    let lacking = 0
    for (const [cid, { copies = replicas }] of await this.#pins())
      if (copies < replicas && (await this.#replicate(cid)) < replicas) lacking++
    return lacking
  }

  /** Asks peers in turn until as many have pinned it as are wanted, and notes how many have, this node included. */
  async #replicate(cid: CID): Promise<number> {
    const { libp2p } = this.#helia
    const question = concat(new Uint8Array(4), cid.multihash.digest)
    new DataView(question.buffer).setUint32(0, cid.code)
    let copies = 1
    for (const peer of libp2p.getPeers()) {
      if (copies >= this.#options.replicas) break
      const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(PIN_TIMEOUT_MS)])
      try {
        await ask(await libp2p.dialProtocol(peer, PIN_PROTOCOL, { signal }), question, 0, signal)
        copies++
      } catch (error) {
        this.#log.warn(
          { peer: String(peer), cid: cid.toString(), reason: String(error) },
          'a peer does not pin content',
        )
      }
    }
    await this.#pin(cid, copies)
    return copies
  }

  async #writing<T>(write: () => Promise<T>): Promise<T> {
    await this.#collecting
    const running = write()
    this.#writers.add(running)
    try {
      return await running
    } finally {
      this.#writers.delete(running)
    }
  }

  async #fetch(cid: CID): Promise<Uint8Array> {
    return this.#writing(async () => {
      const leaves = new Map<string, Uint8Array>()
      await this.#retrieve(cid, (each, bytes) => {
        if (each.code === RAW) leaves.set(each.toString(), bytes)
      })
      if (cid.code === RAW) return leaves.get(cid.toString()) ?? new Uint8Array(0)
      const parts: Uint8Array[] = []
      let length = 0
      for await (const part of unixfs(this.#helia).cat(cid, { offline: true })) {
        length += part.length
        this.#refuseLarge(length)
        parts.push(part)
      }
      return concat(...parts)
    })
  }

  /** Brings all blocks here. A provider that gives nothing for `stallMs` is an error; so is content that nobody has. */
  async #retrieve(cid: CID, onBlock?: (cid: CID, bytes: Uint8Array) => void): Promise<void> {
    const { stallMs } = this.#options
    const watch = new AbortController()
    let blocks = 0
    const alarm = (): NodeJS.Timeout => setTimeout(() => watch.abort(), stallMs)
    let timer = alarm()
    try {
      await this.#walk(cid, {
        offline: false,
        signal: AbortSignal.any([watch.signal, this.#life.signal]),
        onBlock(each, bytes) {
          blocks++
          clearTimeout(timer)
          timer = alarm()
          onBlock?.(each, bytes)
        },
      })
    } catch (error) {
      if (!watch.signal.aborted) throw error
      const data = { cid: cid.toString(), waitedMs: stallMs }
      throw blocks === 0
        ? new NodeError(ContentErrors.MISSING, data)
        : new NodeError(ContentErrors.STALLED, { ...data, blocks })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Every block under a root, some at a time, each checked, within the bounds of one content. */
  async #walk(root: CID, walk: Walk): Promise<void> {
    let [bytesTotal, links] = [0, 0]
    const waiting: CID[] = [root]
    const seen = new Set<string>([root.toString()])
    const failed = new AbortController()
    const signal = walk.signal === undefined ? failed.signal : AbortSignal.any([walk.signal, failed.signal])
    const one = async (cid: CID): Promise<void> => {
      const bytes = await this.#block(cid, walk.offline, signal)
      bytesTotal += bytes.length
      this.#refuseLarge(bytesTotal - links * 64)
      for (const link of cid.code === DAG_PB ? this.#linksOf(cid, bytes) : []) {
        links++
        if (links > LINKS_MAX)
          throw new NodeError(ContentErrors.TOO_LARGE, { bytes: bytesTotal, max: this.#options.contentBytesMax })
        if (!seen.has(link.toString())) waiting.push(link)
        seen.add(link.toString())
      }
      await walk.onBlock?.(cid, bytes)
    }
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await one(next)
    }
    try {
      // A root first: it says how much there is. Then its children, until none is left at any depth.
      await one(waiting.shift() ?? root)
      while (waiting.length > 0) await Promise.all(Array.from({ length: PARALLEL }, lane))
    } finally {
      failed.abort() // what is still asked for after one has failed
    }
  }

  /** Throws CONTENT_TOO_LARGE by what a root claims, before any of it is asked for. */
  #linksOf(cid: CID, bytes: Uint8Array): readonly CID[] {
    try {
      const { Data, Links } = decodeDagPb(bytes)
      if (Data !== undefined) this.#refuseLarge(Number(UnixFS.unmarshal(Data).fileSize()))
      return Links.map(({ Hash }) => {
        refOf(Hash)
        if (Hash.code !== RAW && Hash.code !== DAG_PB) throw new NodeError(ContentErrors.CODEC, { codec: Hash.code })
        return Hash
      })
    } catch (error) {
      if (error instanceof NodeError) throw error
      throw new NodeError(ContentErrors.CORRUPT, { cid: cid.toString() })
    }
  }

  async #block(cid: CID, offline: boolean, signal: AbortSignal): Promise<Uint8Array> {
    const { blockstore } = this.#helia
    const isHere = await blockstore.has(cid)
    if (!isHere && offline) throw new NodeError(ContentErrors.MISSING, { cid: cid.toString(), waitedMs: 0 })
    const parts: Uint8Array[] = []
    for await (const part of blockstore.get(cid, { signal })) parts.push(part)
    const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : concat(...parts)
    // Helia has checked what comes from a peer. What was here already came through a disk, and disks lie.
    if (isHere && !isRight(cid, bytes)) throw new NodeError(ContentErrors.CORRUPT, { cid: cid.toString() })
    if (bytes.length > BLOCK_MAX) throw new NodeError(ContentErrors.TOO_LARGE, { bytes: bytes.length, max: BLOCK_MAX })
    return bytes
  }

  #refuseLarge(bytes: number): void {
    const { contentBytesMax: max } = this.#options
    if (bytes > max) throw new NodeError(ContentErrors.TOO_LARGE, { bytes, max })
  }

  #remember(name: string, content: Uint8Array): void {
    const { cacheBytes } = this.#options
    if (content.length > cacheBytes) return
    if (this.#cache.delete(name)) this.#cached -= content.length
    this.#cache.set(name, content)
    this.#cached += content.length
    for (const [oldest, { length }] of this.#cache) {
      if (this.#cached <= cacheBytes) break
      this.#cache.delete(oldest)
      this.#cached -= length
    }
  }
}
