// A signer on another machine, as the engine sees it: slow, silent, refusing, away. What it must never come to: a second signature, a
// validator that stands still when it is back, or one that goes on when the disk fails.
import { afterEach, expect, test } from 'vitest'
import { asHash, equalBytes } from '../chain/base/bytes.ts'
import { NodeError } from '../chain/base/errors.ts'
import { offencesBetween } from '../chain/types/evidence.ts'
import { heightOf, stepOf } from '../chain/types/message.ts'
import { type Cluster, createCluster, type Member, reached } from '../test/kit/cluster.ts'
import { memoryRecord } from '../test/kit/remote.ts'
import { developmentSecret } from './development.ts'
import { RecordErrors } from './record.ts'
import { keepRecord, openSigner, type Signer, SignerErrors, type SignOrder } from './signer.ts'

let cluster: Cluster
afterEach(() => cluster.close()) // the last test's own, or one closed before: closing again is nothing

const away = () => new NodeError(SignerErrors.UNREACHABLE, { reason: 'no route' })

/** Puts a member's key behind what a network does to questions and answers. */
const remote = (
  own: Signer,
  ask: (order: SignOrder, sign: () => ReturnType<Signer['sign']>) => ReturnType<Signer['sign']>,
): Signer => ({
  publicKey: own.publicKey,
  record: () => own.record(),
  reveal: (height) => own.reveal(height),
  announce: (peer) => own.announce(peer),
  attest: (event) => own.attest(event),
  sign: (order) => ask(order, () => own.sign(order)),
})
const others = async (): Promise<[Member, Member, Member]> =>
  (await Promise.all([0, 1, 2].map((index) => cluster.start(index)))) as [Member, Member, Member]
const offences = (): unknown[] =>
  [...Map.groupBy(cluster.said, heightOf).values()].flatMap((messages) =>
    offencesBetween(messages, 4).map(({ offence, height, members }) => ({ offence, height, members })),
  )
const create = async (): Promise<void> => {
  cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, speed: 5 })
}

test('a signer that cannot be reached for a while silences the validator and does not stop it', async () => {
  await create()
  const members = await others()
  let isAway = false
  let misses = 0
  const signer = (own: Signer) =>
    remote(own, async (_, sign) => {
      if (!isAway) return sign()
      misses++
      throw away()
    })
  const member = await cluster.start(3, { signer })
  await Promise.all([...members, member].map((each) => reached(each, 4)))
  isAway = true
  const height = members[0].chain.head().header.number
  await Promise.all([...members, member].map((each) => reached(each, height + 5)))
  expect(misses).toBeGreaterThan(0)
  isAway = false
  await members[2].stop() // so that no block comes without it
  await Promise.all([members[0], members[1], member].map((each) => reached(each, height + 8)))
  expect(offences()).toEqual([])
})

test('an answer that is lost is asked for again, and comes late beside the second, the same', async () => {
  await create()
  const members = await others()
  const asked = new Set<string>()
  const late: (() => void)[] = []
  const signer = (own: Signer) =>
    remote(own, async (order, sign) => {
      const answer = await sign()
      const key = JSON.stringify(order.message, (_, value) => (typeof value === 'bigint' ? String(value) : value))
      const isFirst = order.message.kind === 'vote' && !asked.has(key) && asked.size < 3
      asked.add(key)
      if (isFirst) await new Promise<void>((resolve) => late.push(resolve))
      return answer
    })
  const member = await cluster.start(3, { signer })
  await Promise.all([...members, member].map((each) => reached(each, 4)))
  for (const answer of late) answer()
  const height = members[0].chain.head().header.number
  await members[2].stop()
  await Promise.all([members[0], members[1], member].map((each) => reached(each, height + 3)))
  expect(late.length).toBeGreaterThan(0)
  expect(offences()).toEqual([])
})

test('a signer whose own record is ahead refuses, and the validator goes on above it', async () => {
  await create()
  const members = await others()
  const [first] = members
  const elsewhere = await openSigner(memoryRecord(), developmentSecret(3), {
    chainId: cluster.genesis.chainId,
    genesisHash: first.chain.genesisHash,
  })
  await reached(first, 3)
  const height = first.chain.head().header.number + 4
  const validator = first.chain.validators().members.findIndex(({ blsKey }) => equalBytes(blsKey, elsewhere.publicKey))
  await elsewhere.sign({
    message: { kind: 'timeout', timeout: { height, round: 0, hqcRound: null, qc: null, validator } },
    ...{ highQc: null, entry: null },
  })
  const before = cluster.said.length
  // It does not say so at the start: another asked it since.
  const member = await cluster.start(3, { signer: () => ({ ...elsewhere, record: async () => null }) })
  await Promise.all([...members, member].map((each) => reached(each, height + 3)))
  const own = cluster.said
    .slice(before)
    .flatMap((message) => (message.kind === 'vote' && message.vote.validator === validator ? [message.vote] : []))
  expect(own.filter((vote) => vote.height < height || (vote.height === height && vote.round === 0))).toEqual([])
  expect(own.some((vote) => vote.height > height)).toBe(true)
  expect(offences()).toEqual([])
})

test('a signer that fails for another reason than the way to it stops the validator', async () => {
  await create()
  const members = await others()
  const fault = new NodeError(RecordErrors.RECORD, { file: 'there', reason: 'cannot be written (no space)' })
  const signer = (own: Signer) =>
    remote(own, (order, sign) => (stepOf(order.message).height > 5 ? Promise.reject(fault) : sign()))
  const member = await cluster.start(3, { signer })
  await expect(member.done).rejects.toBe(fault)
  await reached(members[0], members[0].chain.head().header.number + 2)
})

test('of the record here and the record there the higher one counts', async () => {
  const domain = { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) }
  const prepare = (height: number): SignOrder => {
    const vote = {
      type: 'prepare' as const,
      height,
      round: 0,
      blockHash: asHash(new Uint8Array(32).fill(height)),
      validator: 0,
    }
    return { message: { kind: 'vote', vote }, highQc: null, entry: null }
  }
  const [there, here] = [memoryRecord(), memoryRecord()]
  const key = await openSigner(there, developmentSecret(0), domain)
  const both = await keepRecord(here, key, domain)
  await both.sign(prepare(7))
  expect(here.text).toBe(there.text)
  await key.sign(prepare(9))
  const above = await keepRecord(here, key, domain)
  expect(await above.record()).toEqual(await key.record())
  expect((await above.sign(prepare(8))).kind).toBe('refused')

  there.text = null // rolled back: what is here still forbids it
  const reset = await openSigner(there, developmentSecret(0), domain)
  const guarded = await keepRecord(here, reset, domain)
  expect((await guarded.sign(prepare(6))).kind).toBe('refused')
  expect(await reset.record()).toBe(null)
})
