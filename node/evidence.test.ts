// What a node makes of double signing: found in live votes and in late ones, proven by old certificates, kept over a restart, heard by
// all, and not by anybody's say-so. The liar is a raw peer on the bus that has a validator's key.
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { asHash, bytesToHex, type Hash, hexToBytes } from '../chain/base/bytes.ts'
import { curves, installCurves } from '../chain/base/crypto.ts'
import type { Log, Meter, Timers } from '../chain/base/ports.ts'
import { openCalls } from '../chain/calls.ts'
import type { Chain } from '../chain/chain.ts'
import { headerHash, type Section, sectionHash } from '../chain/types/block.ts'
import {
  checkEvidence,
  decodeEvidence,
  type Evidence,
  encodeEvidence,
  evidenceId,
  evidenceOf,
  type Testimony,
  testimoniesOf,
} from '../chain/types/evidence.ts'
import { type Message, type Signed, signedPart, type Unsigned, withSignature } from '../chain/types/message.ts'
import {
  bitmapMembers,
  type Domain,
  formQc,
  formTc,
  type Qc,
  signBytes,
  type Timeout,
  type Vote,
} from '../chain/types/vote.ts'
import { createMemoryHub } from '../p2p/memory.ts'
import type { Handlers, Network } from '../p2p/network.ts'
import { decodeEnvelope, encodeEnvelope, encodeProof, encodeRun } from '../p2p/wire.ts'
import { methods } from '../rpc/table.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { developmentSecret } from './development.ts'
import { type EvidencePool, openEvidence } from './evidence.ts'

const OTHER = asHash(new Uint8Array(32).fill(0xee))
const domainOf = (chain: Chain): Domain => ({ chainId: chain.genesis.chainId, genesisHash: chain.genesisHash })
/** Who has the key of development validator `key`. */
const indexOf = (chain: Chain, key: number): number =>
  chain
    .validators()
    .members.findIndex((m) => bytesToHex(m.blsKey) === bytesToHex(curves().blsPublicKey(developmentSecret(key))))
const addressOf = (chain: Chain, key: number): string =>
  bytesToHex(chain.validators().members[indexOf(chain, key)]?.address ?? new Uint8Array(0))

const sign = (message: Unsigned, chain: Chain, key: number): Signed => {
  const { type, payload } = signedPart(message)
  return withSignature(message, curves().blsSign(developmentSecret(key), signBytes(domainOf(chain), type, payload)))
}
const voteOf = (chain: Chain, key: number, of: Pick<Vote, 'type' | 'height' | 'round' | 'blockHash'>): Vote => {
  const message = sign({ kind: 'vote', vote: { ...of, validator: indexOf(chain, key) } }, chain, key)
  return message.kind === 'vote' ? message.vote : expect.fail('a vote')
}
const timeoutOf = (chain: Chain, key: number, height: number, round: number): Timeout => {
  const place = { height, round, hqcRound: null, qc: null, validator: indexOf(chain, key) }
  const message = sign({ kind: 'timeout', timeout: place }, chain, key)
  return message.kind === 'timeout' ? message.timeout : expect.fail('a timeout')
}
const qcOf = (chain: Chain, keys: readonly number[], of: Pick<Qc, 'type' | 'height' | 'round' | 'blockHash'>): Qc => {
  const votes = keys.map((key) => voteOf(chain, key, of))
  return formQc(of, new Map(votes.map((vote) => [vote.validator, vote.signature])), chain.validators())
}
const bytesOf = (message: Message): Uint8Array => encodeEnvelope({ message, sketch: null }, 0)

/** What `nova_evidence` answers at this member. */
interface Row {
  readonly offence: string
  readonly height: string
  readonly validators: readonly string[]
  readonly raw: `0x${string}`
}
const rowsOf = async ({ id, chain, evidence }: Member, filter: object | null = null) => {
  const { ctx } = await openMemoryChain()
  const method = methods.get('nova_evidence')
  if (method === undefined) expect.fail('the method is there')
  const decoded = method.params[0]?.[1].decode(filter)
  if (decoded?.ok !== true) expect.fail('the filter is good')
  const { kv } = cluster.disk(Number(id)).open()
  const calls = openCalls(kv, chain.genesis, { genesisHash: chain.genesisHash, gasCap: ctx.limits.callGas })
  return (await method.run({ ...ctx, chain, evidence, calls }, [decoded.value])) as unknown as readonly Row[]
}
const said = (rows: readonly Row[]): string[] =>
  rows
    .flatMap(({ offence, height, validators }) => validators.map((who) => `${offence} ${Number(height)} ${who}`))
    .sort()

let cluster: Cluster
afterEach(() => cluster?.close())

const startAll = async (): Promise<Member[]> => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 200 })
  return Promise.all([0, 1, 2, 3].map((i) => cluster.start(i)))
}
/** A peer that has nothing and passes nothing on. */
const deaf: Handlers = {
  onPublished: () => 'ignore',
  onRequest: async (protocol) =>
    protocol === 'blocks' ? encodeRun({ blocks: [], commit: null, earliest: 0 }) : new Uint8Array(0),
  onPeer() {},
  onPeerGone() {},
}
/** As blocks come, until each member has so many. */
const shown = async (members: readonly Member[], count: number): Promise<void> => {
  for (const member of members)
    while (member.evidence.list().length < count) await reached(member, member.chain.head().header.number + 1)
}

describe('in a network of four', () => {
  test('who signs two blocks of one round is shown by all, with a proof that anybody can check', async () => {
    // The one whose key lies stops itself when it sees it.
    const members = (await startAll()).slice(0, 3)
    const [{ chain }] = members as [Member]
    const index = indexOf(chain, 3)
    let lies = 0
    const liar: Network = cluster.hub.join('liar', {
      ...deaf,
      onPublished(topic, bytes) {
        const { message } = topic === 'consensus' ? decodeEnvelope(bytes) : { message: null }
        if (lies > 0 || message?.kind !== 'vote' || message.vote.validator !== index) return 'accept'
        if (message.vote.height < 4) return 'accept' // all take part by then
        lies++
        const vote = voteOf(chain, 3, { ...message.vote, blockHash: OTHER })
        liar.publish('consensus', bytesOf({ kind: 'vote', vote }))
        return 'accept'
      },
    })
    await shown(members, 1)
    for (const member of members) {
      const [row, ...more] = await rowsOf(member)
      expect(more).toEqual([])
      expect(row?.validators).toEqual([addressOf(chain, 3)])
      expect(row?.offence).toMatch(/^E[12]$/)
      const verdict = checkEvidence(decodeEvidence(hexToBytes(row?.raw ?? '0x')), member.chain.evidenceContext())
      expect(verdict).toMatchObject({ kind: 'proven', offence: row?.offence })
      expect(await rowsOf(member, { validator: addressOf(chain, 0) })).toEqual([])
      expect(await rowsOf(member, { validator: addressOf(chain, 3), fromHeight: row?.height })).toHaveLength(1)
    }
    await Promise.all(members.map((member) => reached(member, member.chain.head().header.number + 2)))
    expect(cluster.hub.blamed).toEqual([])
  })

  test('late votes and old certificates convict too: of the heights before, of any height of the window', async () => {
    const members = await startAll()
    await Promise.all(members.map((member) => reached(member, 6)))
    const [{ chain }] = members as [Member]
    const liar = cluster.hub.join('liar', deaf)
    // A vote for the last decided height, which another vote of the same validator excludes.
    const late = chain.head().header.number
    const vote = voteOf(chain, 2, { type: 'prepare', height: late, round: 0, blockHash: OTHER })
    liar.publish('consensus', bytesOf({ kind: 'vote', vote }))
    await shown(members, 1)
    const old = [2, 3, 4].find((height) => chain.commitOf(height)?.round === 0) ?? 0
    // Two certificates of a height long past: another block prepared in the same round, and a round given up without its lock.
    const qc = qcOf(chain, [0, 1, 2], { type: 'prepare', height: old, round: 0, blockHash: OTHER })
    const keys = [0, 1, 2]
    const tc = formTc(
      0,
      keys.map((key) => timeoutOf(chain, key, old, 0)),
      chain.validators(),
    )
    liar.publish('consensus', bytesOf({ kind: 'qc', qc }))
    liar.publish('consensus', bytesOf({ kind: 'tc', tc }))
    const atOld = (member: Member): number => member.evidence.list().filter(({ height }) => height === old).length
    for (const member of members) while (atOld(member) < 2) await reached(member, member.chain.head().header.number + 1)
    for (const member of members) {
      const guilty = said(await rowsOf(member))
      expect(guilty).toContain(`E1 ${late} ${addressOf(chain, 2)}`)
      for (const offence of [`E1 ${old}`, `E4 ${old}`])
        expect(guilty.filter((each) => each.startsWith(offence)).length).toBeGreaterThan(1)
      expect(guilty.some((each) => each.includes(addressOf(chain, 3)))).toBe(false)
    }
    expect(cluster.hub.blamed).toEqual([])
  })

  test('a restart forgets neither the proof nor the votes of the last heights', async () => {
    const members = await startAll()
    await Promise.all(members.map((member) => reached(member, 4)))
    const [member, ...others] = members as [Member, ...Member[]]
    const { chain } = member
    const liar = cluster.hub.join('liar', deaf)
    const lie = (key: number, height: number): Uint8Array =>
      bytesOf({ kind: 'vote', vote: voteOf(chain, key, { type: 'commit', height, round: 0, blockHash: OTHER }) })
    liar.publish('consensus', lie(1, chain.head().header.number))
    await shown([member], 1)
    await member.stop()
    const before = said(await rowsOf(member))
    cluster.hub.cut(
      ['0'],
      others.map(({ id }) => id),
    )
    const back = await cluster.start(0)
    expect(said(await rowsOf(back))).toEqual(before)
    // Alone, with nothing in memory: what it knows of this height is in its store.
    const head = back.chain.head().header.number
    const signers = bitmapMembers(back.chain.commitOf(head)?.bitmap ?? new Uint8Array(0), 4) ?? []
    const key = [0, 2, 3].find((each) => signers.includes(indexOf(chain, each)))
    if (key === undefined) expect.fail('three of four signed')
    await liar.request('0', 'direct', lie(key, head))
    expect(said(await rowsOf(back))).toContain(`E2 ${head} ${addressOf(chain, key)}`)
  })
})

/** Timers that fire when the test says so. */
const createHand = () => {
  let waiting: { readonly ms: number; readonly run: () => void }[] = []
  const timers: Timers = {
    after(ms, run) {
      const entry = { ms, run }
      waiting.push(entry)
      return () => {
        waiting = waiting.filter((each) => each !== entry)
      }
    },
  }
  const fire = (): void => {
    const due = waiting
    waiting = []
    for (const { run } of due) run()
  }
  return { timers, fire }
}
const meterOf = (values: Map<string, number>): Meter => ({
  counter: (name) => ({ add: (count = 1) => void values.set(name, (values.get(name) ?? 0) + count) }),
  gauge: (name) => ({ set: (value) => void values.set(name, value) }),
  histogram: () => ({ observe() {} }),
})

/** Pools of nodes that have the same blocks of the same one validator, over the bus. */
const createPools = async (blocks: number) => {
  const hub = createMemoryHub()
  const hand = createHand()
  let nowMs = 1_800_000_000_000
  const values = new Map<string, number>()
  const lines: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: (_, text) => void lines.push(text),
    error: (_, text) => void lines.push(text),
  }
  const join = async (id: string, over?: Chain, signers: readonly { readonly publicKey: Uint8Array }[] = []) => {
    const memory = await openMemoryChain()
    for (let i = 0; i < blocks; i++) await memory.seal()
    const chain = over ?? memory.chain
    const late: { network: Network | null } = { network: null }
    const ports = { clock: { nowMs: () => nowMs }, timers: hand.timers, log, meter: meterOf(values) }
    const pool = await openEvidence({ chain, network: () => late.network, signers, ...ports })
    late.network = hub.join(id, {
      ...deaf,
      onPublished: (topic, bytes, from) => (topic === 'evidence' ? pool.onPublished(bytes, from) : 'ignore'),
      onPeer: () => pool.onPeer(),
    })
    return { pool, chain, seal: memory.seal, network: late.network }
  }
  const liar = hub.join('liar', deaf)
  const publish = async (bytes: Uint8Array): Promise<void> => {
    liar.publish('evidence', bytes)
    await turns()
  }
  const fire = async (): Promise<void> => {
    nowMs += 10_000
    hand.fire()
    await turns()
  }
  return { hub, join, publish, fire, values, lines }
}
/** What the bus carries arrives in later turns; so many are enough for a few nodes. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}
const testimonyOf = (chain: Chain, of: Pick<Vote, 'type' | 'height' | 'round' | 'blockHash'>): Testimony =>
  testimoniesOf({ kind: 'vote', vote: voteOf(chain, 0, of) }, 1)[0] as Testimony
const doubleSign = (chain: Chain, height: number, of: { type?: Vote['type']; round?: number } = {}): Evidence => {
  const place = { type: of.type ?? 'prepare', height, round: of.round ?? 0 }
  const [a, b] = [0xaa, 0xbb].map((byte) => asHash(new Uint8Array(32).fill(byte))) as [Hash, Hash]
  return evidenceOf(testimonyOf(chain, { ...place, blockHash: a }), testimonyOf(chain, { ...place, blockHash: b }))
}
const proofOf = (evidence: Evidence, salt = 0): Uint8Array => encodeProof(encodeEvidence(evidence), salt)
const kept = (pool: EvidencePool): string[] =>
  pool.list().map(({ offence, height, round }) => `${offence} ${height}/${round}`)

describe('proofs between nodes', () => {
  test('reach all, those that come later too, and are counted once', async () => {
    const { hub, join, publish, fire, values } = await createPools(3)
    const [a, b] = [await join('a'), await join('b')]
    await publish(proofOf(doubleSign(a.chain, 2)))
    await publish(proofOf(doubleSign(a.chain, 2), 7)) // the same again
    await publish(proofOf(doubleSign(a.chain, 2, { round: 1 }))) // another round of the height says nothing new
    expect(kept(a.pool)).toEqual(['E1 2/0'])
    expect(kept(b.pool)).toEqual(['E1 2/0'])
    const c = await join('c')
    await turns()
    expect(kept(c.pool)).toEqual([])
    await fire()
    expect(kept(c.pool)).toEqual(['E1 2/0'])
    expect(hub.blamed).toEqual([])
    expect(values.get('consensus_evidence_total')).toBe(3) // one at each of three nodes
    expect(values.get('consensus_byzantine_validators')).toBe(1)
    expect(values.get('consensus_byzantine_validators_power')).toBe(Number(a.chain.validators().powerTotal))
  })

  test('that are forged, malformed, oversized or no proof convict nobody, and who brings them is blamed', async () => {
    const { hub, join, publish } = await createPools(3)
    const { pool, chain } = await join('a')
    const good = doubleSign(chain, 2)
    if (good.kind !== 'conflict') expect.fail('a conflict')
    const { first, second } = good
    const bad: readonly (readonly [Uint8Array, string | null])[] = [
      [proofOf({ ...good, second: { ...second, signature: first.signature } }), 'forged'],
      [proofOf({ ...good, second: first }), 'malformed'],
      [proofOf({ kind: 'conflict', first: second, second: first }), 'malformed'],
      [
        proofOf(evidenceOf(first, testimonyOf(chain, { type: 'commit', height: 2, round: 0, blockHash: OTHER }))),
        'malformed',
      ],
      [
        proofOf(evidenceOf({ ...first, bitmap: Uint8Array.of(2) }, { ...second, bitmap: Uint8Array.of(2) })),
        'malformed',
      ],
      [new Uint8Array(9_000), 'malformed'],
      [Uint8Array.of(1, 2, 3), 'malformed'],
      [proofOf(doubleSign(chain, 9)), null], // of a height that may be final elsewhere
    ]
    for (const [bytes, offence] of bad) {
      const before = hub.blamed.length
      await publish(bytes)
      expect(hub.blamed.slice(before)).toEqual(offence === null ? [] : [{ peer: 'liar', offence }])
    }
    expect(kept(pool)).toEqual([])
  })

  test('cost signatures once: what is known, or judged at this head, is not verified again', async () => {
    const { join } = await createPools(3)
    const { pool, chain } = await join('a')
    const plain = curves()
    let verified = 0
    installCurves({
      ...plain,
      blsVerify(...args) {
        verified++
        return plain.blsVerify(...args)
      },
    })
    try {
      const cost = (bytes: Uint8Array): number => {
        const before = verified
        pool.onPublished(bytes, 'x')
        return verified - before
      }
      expect(cost(proofOf(doubleSign(chain, 2)))).toBe(2)
      expect(cost(proofOf(doubleSign(chain, 2), 1))).toBe(0)
      expect(cost(proofOf(doubleSign(chain, 2, { round: 5 })))).toBe(0)
      const { header, section } = chain.head()
      const other = { ...header, stateRoot: OTHER }
      const qc = qcOf(chain, [0], { type: 'commit', height: 3, round: 0, blockHash: headerHash(other) })
      const valid = { kind: 'header', header: other, section: section as Section, qc, parent: null } as const
      expect(cost(proofOf(valid))).toBeGreaterThan(0)
      expect(cost(proofOf(valid, 1))).toBe(0)
    } finally {
      installCurves(plain)
    }
  })

  test('bytes of any kind are judged and convict nobody', async () => {
    const { join } = await createPools(3)
    const { pool, chain } = await join('a')
    const good = proofOf(doubleSign(chain, 2))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (junk, at, by) => {
        const changed = good.slice()
        changed[at % good.length] = (changed[at % good.length] ?? 0) ^ by
        expect(['reject', 'ignore']).toContain(pool.onPublished(junk, 'x'))
        if (at % good.length > 3) expect(['reject', 'forged', 'ignore']).toContain(pool.onPublished(changed, 'x'))
      }),
      { numRuns: 500 },
    )
    expect(kept(pool)).toEqual([])
  })

  test('come from users too, a light client that was lied to; what proves nothing is told', async () => {
    const { join } = await createPools(3)
    const [a, b] = [await join('a'), await join('b')]
    const good = doubleSign(a.chain, 2)
    expect(a.pool.submit(encodeEvidence(good))).toEqual(evidenceId(good))
    await turns()
    expect(kept(b.pool)).toEqual(['E1 2/0'])
    const refused = (bytes: Uint8Array, code: string): void =>
      expect(() => a.pool.submit(bytes)).toThrowError(expect.objectContaining({ code }))
    refused(new Uint8Array(9_000), 'EVIDENCE_MALFORMED')
    refused(encodeEvidence(doubleSign(a.chain, 9)), 'EVIDENCE_REFUSED')
  })

  test('that lack the parent of a header are completed here, so that slashing can judge them', async () => {
    const { join } = await createPools(3)
    const { pool, chain } = await join('a')
    const { header, section } = chain.head()
    const forged = { ...header, prevRandao: OTHER }
    const qc = qcOf(chain, [0], { type: 'commit', height: 3, round: 0, blockHash: headerHash(forged) })
    const brought: Evidence = { kind: 'header', header: forged, section: section as Section, qc, parent: null }
    expect(checkEvidence(brought, chain.evidenceContext()).kind).toBe('unknown')
    const id = pool.submit(encodeEvidence(brought))
    expect(kept(pool)).toEqual(['E6 3/0'])
    const completed: Evidence = { ...brought, parent: chain.outline(2)?.header ?? null }
    expect(pool.list()[0]?.bytes).toEqual(encodeEvidence(completed))
    expect(id).toEqual(evidenceId(completed))
  })

  test('of one validator are kept up to a bound for each offence, however many he makes', async () => {
    const { join, publish } = await createPools(12)
    const { pool, chain } = await join('a')
    for (let height = 1; height <= 12; height++) await publish(proofOf(doubleSign(chain, height)))
    expect(pool.list()).toHaveLength(8)
    await publish(proofOf(doubleSign(chain, 12, { type: 'commit' })))
    expect(kept(pool)[0]).toMatch(/^E2 12/)
    expect(pool.list()).toHaveLength(9)
  })

  test('are forgotten when the window has passed them, on disk too', async () => {
    const { join, publish } = await createPools(3)
    const listeners: ((event: { block: { header: { number: number } } }) => void)[] = []
    const real = await openMemoryChain()
    for (let i = 0; i < 3; i++) await real.seal()
    const startS = real.chain.outline(1)?.header.time ?? 0
    let [head, nowS] = [3, startS]
    const chain = new Proxy(real.chain, {
      get(target, name) {
        if (name === 'evidenceContext') return () => ({ ...target.evidenceContext(), head, nowS })
        if (name === 'watch') return (_: string, listener: (typeof listeners)[number]) => listeners.push(listener)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { pool } = await join('a', chain)
    await publish(proofOf(doubleSign(chain, 2)))
    const { windowS, epochBlocks } = real.chain.evidenceContext()
    const pass = async (to: number, laterS: number): Promise<number> => {
      head = to
      nowS = startS + laterS
      for (const listener of listeners) listener({ block: { header: { number: head } } })
      await turns()
      return (await real.chain.evidence.evidence()).length
    }
    expect(await pass(epochBlocks + 1, windowS)).toBe(1)
    expect(kept(pool)).toEqual(['E1 2/0'])
    expect(real.chain.signedAt(2).certificates).not.toEqual([])
    expect(await pass(2 * epochBlocks + 1, windowS + 1)).toBe(0)
    expect(kept(pool)).toEqual([])
    await publish(proofOf(doubleSign(chain, 2), 1))
    expect(kept(pool)).toEqual([])
  })
})

describe('what a node finds itself', () => {
  test('is told to all others', async () => {
    const { join } = await createPools(3)
    const [a, b] = [await join('a'), await join('b')]
    for (const byte of [1, 2]) {
      const blockHash = asHash(new Uint8Array(32).fill(byte))
      a.pool.onChecked({ kind: 'vote', vote: voteOf(a.chain, 0, { type: 'prepare', height: 4, round: 0, blockHash }) })
    }
    await turns()
    expect(kept(b.pool)).toEqual(['E1 4/0'])
  })

  test('messages of old heights are looked up so many a second', async () => {
    const { join, fire } = await createPools(6)
    const { pool, chain } = await join('a')
    const lie = voteOf(chain, 0, { type: 'commit', height: 2, round: 0, blockHash: OTHER })
    for (let i = 0; i < 32; i++) pool.onDropped({ kind: 'vote', vote: { ...lie, type: 'prepare' } })
    pool.onDropped({ kind: 'vote', vote: lie })
    expect(kept(pool)).toEqual([])
    await fire()
    pool.onDropped({ kind: 'vote', vote: lie })
    expect(kept(pool)).toEqual(['E2 2/0'])
  })

  test('of epochs before the last two one is looked at in ten seconds, and none whose set is forgotten', async () => {
    const { join, fire } = await createPools(9)
    const real = await openMemoryChain()
    for (let i = 0; i < 9; i++) await real.seal()
    const chain = new Proxy(real.chain, {
      get(target, name) {
        if (name === 'genesis') return { ...target.genesis, epochBlocks: 2 }
        if (name === 'setOf') return (height: number) => (height < 3 ? null : target.setOf(height))
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { pool } = await join('a', chain)
    const look = (height: number) => {
      const lie = voteOf(chain, 0, { type: 'commit', height, round: 0, blockHash: OTHER })
      return pool.onDropped({ kind: 'vote', vote: { ...lie, signature: new Uint8Array(96) } })
    }
    expect([3, 4, 5, 3, 7].map(look)).toEqual(['forged', 'forged', 'ignore', 'forged', 'forged'])
    await fire()
    expect([5, 3].map(look)).toEqual(['forged', 'ignore'])
    await fire()
    expect(look(2)).toBe('ignore')
  })

  test('votes of a height to come convict when it is there', async () => {
    const { join } = await createPools(3)
    const { pool, chain, seal } = await join('a')
    for (const byte of [1, 2]) {
      const blockHash = asHash(new Uint8Array(32).fill(byte))
      pool.onChecked({ kind: 'vote', vote: voteOf(chain, 0, { type: 'prepare', height: 5, round: 0, blockHash }) })
    }
    expect(kept(pool)).toEqual([])
    await seal()
    expect(kept(pool)).toEqual(['E1 5/0'])
  })

  test('a certificate of a height that others decided convicts after a restart', async () => {
    const { join } = await createPools(3)
    const { pool, chain, seal } = await join('a')
    const qcAt4 = (blockHash: Hash): Qc => qcOf(chain, [0], { type: 'prepare', height: 4, round: 0, blockHash })
    pool.onLogged({ kind: 'qc', qc: qcAt4(OTHER) })
    await pool.archive()
    for (let i = 0; i < 4; i++) await seal()
    await pool.close()
    const again = await join('b', chain)
    again.pool.onDropped({ kind: 'qc', qc: qcAt4(asHash(new Uint8Array(32).fill(1))) })
    expect(kept(again.pool)).toEqual(['E1 4/0'])
  })

  test('a quorum behind a block that its parent forbids; not behind one that only runs otherwise here', async () => {
    const { join } = await createPools(3)
    const { pool, chain } = await join('a')
    const head = chain.head()
    const section = { ...(head.section as Section), epoch: 9 }
    const broken = { ...head.header, parentBeaconBlockRoot: sectionHash(section) }
    const other = { ...head.header, stateRoot: OTHER }
    for (const [header, of] of [
      [other, head.section],
      [broken, section],
    ] as const) {
      const hash = headerHash(header)
      const qc = qcOf(chain, [0], { type: 'commit', height: 3, round: 0, blockHash: hash })
      pool.onAlarm({ header, hash, txs: [], section: of }, qc)
    }
    expect(kept(pool)).toEqual(['E6 3/0'])
  })

  test('the log names who, what and what next, and says so where it is the own key', async () => {
    const { join, lines } = await createPools(3)
    const { pool, chain } = await join('a', undefined, [{ publicKey: curves().blsPublicKey(developmentSecret(0)) }])
    pool.onPublished(proofOf(doubleSign(chain, 2)), 'x')
    expect(lines[0]).toContain(`validator ${addressOf(chain, 0)} signed two PREPAREs of one round at height 2`)
    expect(lines[0]).toContain('nova_evidence')
    expect(lines[1]).toMatch(/^THIS IS THE OWN KEY/)
  })

  test('a forged share in a late vote is its sender’s fault, and no evidence', async () => {
    const { join } = await createPools(3)
    const { pool, chain } = await join('a')
    const vote = voteOf(chain, 0, { type: 'commit', height: 3, round: 0, blockHash: OTHER })
    expect(pool.onDropped({ kind: 'vote', vote: { ...vote, round: 1 } })).toBe('forged')
    expect(kept(pool)).toEqual([])
    expect(pool.onDropped({ kind: 'vote', vote })).toBe('ignore')
    expect(kept(pool)).toEqual(['E2 3/0'])
  })
})
