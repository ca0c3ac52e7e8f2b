// What a node makes of double signing: found in live votes and in late ones, proven by old certificates, kept over a restart, heard by
// all, and not by anybody's say-so. The liar is a raw peer on the bus that has a validator's key.
import { afterEach, describe, expect, test } from 'vitest'
import { asHash, bytesToHex, hexToBytes } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import type { Chain } from '../chain/chain.ts'
import { checkEvidence, decodeEvidence } from '../chain/types/evidence.ts'
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
import type { Handlers, Network } from '../p2p/network.ts'
import { decodeEnvelope, encodeEnvelope, encodeRun } from '../p2p/wire.ts'
import { methods } from '../rpc/table.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { openMemoryChain } from '../test/kit/memory-chain.ts'
import { developmentSecret } from './development.ts'

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
const rowsOf = async ({ chain, evidence }: Pick<Member, 'chain' | 'evidence'>, filter: object | null = null) => {
  const { ctx } = await openMemoryChain()
  const method = methods.get('nova_evidence')
  if (method === undefined) expect.fail('the method is there')
  const decoded = method.params[0]?.[1].decode(filter)
  if (decoded?.ok !== true) expect.fail('the filter is good')
  return (await method.run({ ...ctx, chain, evidence }, [decoded.value])) as unknown as readonly Row[]
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
  onRequest: async (protocol) => (protocol === 'blocks' ? encodeRun({ blocks: [], commit: null }) : new Uint8Array(0)),
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
    const members = await startAll()
    const [{ chain }] = members as [Member]
    const index = indexOf(chain, 3)
    let lies = 0
    const liar: Network = cluster.hub.join('liar', {
      ...deaf,
      onPublished(topic, bytes) {
        const { message } = topic === 'consensus' ? decodeEnvelope(bytes) : { message: null }
        if (lies > 0 || message?.kind !== 'vote' || message.vote.validator !== index) return 'accept'
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
  }, 60_000)

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
    // Two certificates of a height long past: another block prepared in the same round, and a round given up without its lock.
    const qc = qcOf(chain, [0, 1, 2], { type: 'prepare', height: 2, round: 0, blockHash: OTHER })
    const keys = [0, 1, 2]
    const tc = formTc(
      0,
      keys.map((key) => timeoutOf(chain, key, 2, 0)),
      chain.validators(),
    )
    liar.publish('consensus', bytesOf({ kind: 'qc', qc }))
    liar.publish('consensus', bytesOf({ kind: 'tc', tc }))
    const at2 = (member: Member): number => member.evidence.list().filter(({ height }) => height === 2).length
    for (const member of members) while (at2(member) < 2) await reached(member, member.chain.head().header.number + 1)
    for (const member of members) {
      const guilty = said(await rowsOf(member))
      expect(guilty).toContain(`E1 ${late} ${addressOf(chain, 2)}`)
      const commit = chain.commitOf(2)
      expect(commit?.round).toBe(0)
      for (const offence of ['E1 2', 'E4 2'])
        expect(guilty.filter((each) => each.startsWith(offence)).length).toBeGreaterThan(1)
      expect(guilty.some((each) => each.includes(addressOf(chain, 3)))).toBe(false)
    }
    expect(cluster.hub.blamed).toEqual([])
  }, 60_000)

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
  }, 60_000)
})
