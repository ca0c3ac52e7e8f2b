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
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { UnixFS } from 'ipfs-unixfs'
import { createLibp2p, type Libp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { bytesToHex, concat } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import type { Clock, Log } from '../chain/base/ports.ts'
import { ask, serve } from '../p2p/reqresp.ts'
import { boundedCar } from './car.ts'
import { ContentErrors, type ContentRef, type Stored, seal, open as unseal } from './content.ts'

const SHA2_256 = 0x12
const RAW = 0x55
const DAG_PB = 0x70
/** Blocks asked for at a time: 16 MB under way. */
const PARALLEL = 16
/** For so long wants are gathered before they are sent: the library's ten would pass with every few blocks, and nothing under way. */
const WANTS_MS = 1
/** Bytes of a block: the importer makes 1 MiB; bitswap carries at most 4. */
const BLOCK_MAX = 2 * 1024 * 1024
/** Blocks of one content: its leaves and as many nodes above them as any honest importer makes. */
const LINKS_MAX = 4_096
const PIN_PROTOCOL = '/novachain/content/pin/1'
const PIN_TIMEOUT_MS = 120_000
/** Contents that are fetched at a time because peers ask for it. */
const ANSWERS_MAX = 8
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
/** Throws CONTENT_CID where it is none, or of another hash than a whole sha2-256. */
export const refOf = (text: string | CID): ContentRef => {
  const cid = typeof text === 'string' ? parseCid(text) : text
  // A digest may be cut short, and then other bytes have it too.
  if (cid.multihash.code !== SHA2_256 || cid.multihash.digest.length !== 32)
    throw new NodeError(ContentErrors.CID, { cid: cid.toString() })
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

interface Peer {
  readonly at: Multiaddr
  readonly id: string
}
interface Pin {
  readonly atMs: number
  /** Of what was put here: nodes that have it, this one included. */
  readonly copies?: number
}
const PINS = '/novachain/pins'
const pinKey = (cid: CID): Key => new Key(`${PINS}/${cid}`)
const pinOf = (bytes: Uint8Array): Pin => JSON.parse(new TextDecoder().decode(bytes))
const bytesOfPin = (pin: Pin): Uint8Array => new TextEncoder().encode(JSON.stringify(pin))
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

/** Throws CONTENT_PEER. */
const peerOf = (address: string): Peer => {
  const at = URL_OF_PEER.test(address) ? parsed(address) : null
  if (at === null) throw new NodeError(ContentErrors.PEER, { address: address.slice(0, 200) })
  return { at, id: address.split('/p2p/').at(-1) ?? '' }
}
const URL_OF_PEER = /^\/.+\/p2p\/[^/]+$/
const parsed = (address: string): Multiaddr | null => {
  try {
    return multiaddr(address)
  } catch {
    return null
  }
}

/** A peer names the hash of the block it sends: by one that copies, 32 bytes could pass for any block, and its wanter would look no further. */
const onlySha256 = async (code: number): Promise<typeof sha256> => {
  if (code !== SHA2_256) throw new NodeError(ContentErrors.CID, { cid: `a hash 0x${code.toString(16)}` })
  return sha256
}

const openStores = async (dir: string) => {
  const blocks = new LevelBlockstore(join(dir, 'blocks'))
  const data = new LevelDatastore(join(dir, 'data'))
  const refuse = (cause: unknown): never => {
    throw new NodeError(ContentErrors.STORE, { dir, reason: String(cause) }, { cause })
  }
  await blocks.open().catch(refuse)
  await data.open().catch(async (cause: unknown) => {
    await blocks.close()
    refuse(cause)
  })
  const close = async (): Promise<void> => {
    await blocks.close()
    await data.close()
  }
  return { blocks, data, close }
}

export async function openIpfs(deps: IpfsDeps, options: IpfsOptions): Promise<Ipfs> {
  const peers = options.peers.map(peerOf)
  const { blocks, data, close: closeStores } = await openStores(options.dir)
  const libp2p = await startHost(options).catch(async (error: unknown) => {
    await closeStores()
    throw error
  })
  const helia = new Helia({
    ...{ libp2p, blockstore: blocks, datastore: data },
    // One broker; who has what is asked of those connected, which are the swarm.
    blockBrokers: [
      (components) => {
        const limits = { messageReceiveTimeout: 30_000, messageSendTimeout: 30_000, sendWantlistDebounce: WANTS_MS }
        const bitswap = createBitswap({ ...components, getHasher: onlySha256 }, limits)
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
  await helia.start().catch(async (error: unknown) => {
    await helia.stop()
    await closeStores()
    throw error
  })
  shelf.redial(peers)
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
      await closeStores()
    },
  }
}

/** A node of a file in pieces: its own bytes, what it links to and how large it claims to be. Throws CONTENT_NO_FILE, CODEC and CID. */
const readNode = (cid: CID, bytes: Uint8Array) => {
  const { data, links } = decoded(cid, bytes)
  const children = links.map(({ Hash }) => {
    refOf(Hash)
    if (Hash.code !== RAW && Hash.code !== DAG_PB) throw new NodeError(ContentErrors.CODEC, { codec: Hash.code })
    return Hash
  })
  return { data: data.data ?? new Uint8Array(0), size: Number(data.fileSize()), children }
}
const decoded = (cid: CID, bytes: Uint8Array) => {
  const refuse = (cause?: unknown) => new NodeError(ContentErrors.NO_FILE, { cid: cid.toString() }, { cause })
  try {
    const { Data, Links } = decodeDagPb(bytes)
    const data = UnixFS.unmarshal(Data ?? new Uint8Array(0))
    if (data.type !== 'file' && data.type !== 'raw') throw refuse()
    return { data, links: Links }
  } catch (cause) {
    throw cause instanceof NodeError ? cause : refuse(cause)
  }
}

/** What bounds a walk over blocks that a stranger may have made. */
interface Walk {
  readonly offline: boolean
  readonly signal?: AbortSignal
  /** Names of the blocks it comes to, each there before the block is looked for. */
  readonly used?: Set<string>
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
  /** Writers of this machine in progress; garbage is collected while there are none, for what they wrote is pinned only at their end. */
  readonly #writers = new Set<Promise<unknown>>()
  #collecting: Promise<unknown> = Promise.resolve()
  /** Blocks of what is fetched from peers, who may take their time: no collection waits for these, and none drops them. */
  readonly #fetching = new Set<ReadonlySet<string>>()
  /** What the collection in progress keeps; null while there is none. */
  #marked: Set<string> | null = null
  /** Blocks that are being dropped, by name. */
  readonly #dropping = new Map<string, Promise<unknown>>()
  #answering = 0
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
  redial(peers: readonly Peer[]): void {
    const { libp2p } = this.#helia
    const connect = async (): Promise<void> => {
      const connected = new Set(libp2p.getPeers().map(String))
      const missing = peers.filter(({ id }) => !connected.has(id))
      await Promise.all(
        missing.map(({ at }) =>
          libp2p
            .dial(at, { signal: AbortSignal.any([this.#life.signal, AbortSignal.timeout(5_000)]) })
            .catch((error: unknown) =>
              this.#log.debug({ address: String(at), reason: String(error) }, 'content peer is not reached'),
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
      pins.push([CID.parse(key.baseNamespace()), pinOf(value)])
    return pins
  }

  async #pin(cid: CID): Promise<void> {
    await this.#helia.datastore.put(pinKey(cid), bytesOfPin({ atMs: this.#clock.nowMs() }))
  }

  /**
   * Marks what the wanted contents need, then drops the rest. Not by Helia's counts of pins: 2.5 loses count of blocks that contents share
   * when one of them is pinned, unpinned and pinned again, and would drop what the other needs.
   */
  async collect(keep: Keep): Promise<number> {
    const run = async (): Promise<number> => {
      await Promise.allSettled(this.#writers)
      const marked = new Set<string>()
      this.#marked = marked
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
      for await (const { cid } of blocks.getAll()) if (!this.#isUsed(nameOf(cid))) await this.#drop(cid)
      this.#cache.clear()
      this.#cached = 0
      return dropped
    }
    const result = this.#collecting.then(run).finally(() => {
      this.#marked = null
    })
    this.#collecting = result.catch(() => {})
    return result
  }

  #isUsed(name: string): boolean {
    return this.#marked?.has(name) === true || [...this.#fetching].some((used) => used.has(name))
  }
  async #drop(cid: CID): Promise<void> {
    const gone = Promise.resolve(this.#helia.blockstore.unwrap().delete(cid))
    this.#dropping.set(nameOf(cid), gone)
    await gone.finally(() => this.#dropping.delete(nameOf(cid)))
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
      const reader = await CarBlockIterator.fromIterable(boundedCar(car, BLOCK_MAX)).catch((error: unknown) => {
        throw error instanceof NodeError ? error : bad(String(error))
      })
      const blocks = reader[Symbol.asyncIterator]()
      const next = (): Promise<IteratorResult<{ readonly cid: CID; readonly bytes: Uint8Array }>> =>
        blocks.next().catch((error: unknown) => {
          throw error instanceof NodeError ? error : bad(String(error))
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
    if (this.#answering >= ANSWERS_MAX) return { refused: `${ANSWERS_MAX} contents are being fetched: ask again` }
    const codec = new DataView(question.buffer, question.byteOffset).getUint32(0)
    this.#answering++
    try {
      const cid = cidOf({ codec, digest: question.slice(4) })
      await this.#retrieve(cid, { finish: () => this.#pin(cid) })
      return { bytes: new Uint8Array(0) }
    } catch (error) {
      return { refused: error instanceof NodeError ? error.code : 'it failed' }
    } finally {
      this.#answering--
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
    await this.#note(cid, copies)
    return copies
  }
  /** Asking peers takes its time: what was dropped meanwhile stays so, and nothing is younger for having been asked about. */
  async #note(cid: CID, copies: number): Promise<void> {
    const { datastore } = this.#helia
    await this.#writing(async () => {
      if (!(await datastore.has(pinKey(cid)))) return
      const pin: Pin = { ...pinOf(await datastore.get(pinKey(cid))), copies }
      await datastore.put(pinKey(cid), bytesOfPin(pin))
    })
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
    const blocks = new Map<string, Uint8Array>()
    await this.#retrieve(cid, { onBlock: (each, bytes) => void blocks.set(each.toString(), bytes) })
    return this.#joined(cid, blocks)
  }

  /** The file whose blocks these are, which may stand in it more than once. Throws CONTENT_TOO_LARGE and CONTENT_NO_FILE. */
  #joined(root: CID, blocks: ReadonlyMap<string, Uint8Array>): Uint8Array {
    const parts: Uint8Array[] = []
    const waiting: CID[] = [root]
    let [bytesTotal, links] = [0, 0]
    for (let cid = waiting.pop(); cid !== undefined; cid = waiting.pop()) {
      const block = blocks.get(cid.toString())
      if (block === undefined) throw new NodeError(ContentErrors.MISSING, { cid: cid.toString(), waitedMs: 0 })
      const { data, children } = cid.code === RAW ? { data: block, children: [] } : readNode(cid, block)
      links += children.length
      bytesTotal += data.length
      this.#refuseLarge(bytesTotal)
      this.#refuseMany(links, bytesTotal)
      parts.push(data)
      waiting.push(...children.toReversed())
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : concat(...parts)
  }

  /**
   * Brings all blocks here, and does something before a collection may drop any. A provider that gives nothing for `stallMs` is an error; so is
   * content that nobody has.
   */
  async #retrieve(
    cid: CID,
    { onBlock, finish }: { readonly onBlock?: Walk['onBlock']; readonly finish?: () => Promise<void> },
  ): Promise<void> {
    const { stallMs } = this.#options
    const watch = new AbortController()
    const used = new Set<string>()
    let blocks = 0
    const alarm = (): NodeJS.Timeout => setTimeout(() => watch.abort(), stallMs)
    let timer = alarm()
    this.#fetching.add(used)
    try {
      await this.#walk(cid, {
        ...{ offline: false, used },
        signal: AbortSignal.any([watch.signal, this.#life.signal]),
        onBlock(each, bytes) {
          blocks++
          clearTimeout(timer)
          timer = alarm()
          return onBlock?.(each, bytes)
        },
      })
      clearTimeout(timer)
      await finish?.()
    } catch (error) {
      if (!watch.signal.aborted) throw error
      const data = { cid: cid.toString(), waitedMs: stallMs }
      throw blocks === 0
        ? new NodeError(ContentErrors.MISSING, data)
        : new NodeError(ContentErrors.STALLED, { ...data, blocks })
    } finally {
      clearTimeout(timer)
      // A collection that is under way read the pins before this one was there.
      for (const name of used) this.#marked?.add(name)
      this.#fetching.delete(used)
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
      walk.used?.add(nameOf(cid))
      await this.#dropping.get(nameOf(cid))
      const bytes = await this.#block(cid, walk.offline, signal)
      bytesTotal += bytes.length
      this.#refuseLarge(bytesTotal - links * 64)
      for (const link of cid.code === DAG_PB ? this.#linksOf(cid, bytes) : []) {
        links++
        this.#refuseMany(links, bytesTotal)
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
    const { size, children } = readNode(cid, bytes)
    this.#refuseLarge(size)
    return children
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

  #refuseMany(links: number, bytes: number): void {
    if (links > LINKS_MAX) throw new NodeError(ContentErrors.TOO_LARGE, { bytes, max: this.#options.contentBytesMax })
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
