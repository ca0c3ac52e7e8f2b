// Words of operators in a network of four: asked for by the word of who needs them, gathered everywhere, bounded whatever is said.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asHash, type Hash, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { checkpointDigest } from '../../chain/types/checkpoint.ts'
import { encodeOperatorWord } from '../../p2p/wire.ts'
import { type Cluster, createCluster, type Member } from '../../test/kit/cluster.ts'
import { developmentAccounts } from '../development.ts'
import { Kernel } from '../sim/kernel.ts'

installCurves(nativeCurves)

let kernel: Kernel
let cluster: Cluster
let heard: number
beforeEach(async () => {
  kernel = new Kernel()
  heard = 0
  const tap = (_from: string, _to: string, what: string): void => {
    if (what === 'operators') heard++
  }
  cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, kernel, tap })
})
afterEach(() => cluster.close())

const startMany = async (...indices: number[]): Promise<Member[]> => {
  const members: Member[] = []
  for (const index of indices) members.push(await cluster.start(index))
  return members
}
const until = async (isDone: () => boolean): Promise<void> => {
  expect(await kernel.run(kernel.nowMs + 600_000, isDone)).toBe(true)
}
const atHeight = (members: readonly Member[], height: number): Promise<void> =>
  until(() => members.every(({ chain }) => chain.head().header.number >= height))
const one = <T>(values: readonly T[]): T => values[0] ?? expect.fail('there is one')
/** Asks as a poster does, turn by turn. */
const certified = async ({ operators }: Member, height: number): Promise<Uint8Array> => {
  for (let turn = 0; turn < 100; turn++) {
    const found = await operators.certify(height)
    if (found !== null) return found
    await kernel.run(kernel.nowMs + 2_000, () => false)
  }
  return expect.fail('it is certified')
}
/** In the certificate: after count, aggregate key and members come the bitmap's byte and 64 bytes for each. */
const signersOf = (certificate: Uint8Array): number => (certificate.length - (1 + 48 + 76 * 4 + 1)) / 64

const word = (
  { chain }: Member,
  height: number,
  change: { readonly secret?: Uint8Array; readonly hash?: Hash; readonly salt?: number } = {},
): Uint8Array => {
  const blockHash = change.hash ?? chain.outline(height)?.hash ?? asHash(new Uint8Array(32))
  const digest = checkpointDigest(
    { chainId: chain.genesis.chainId, genesisHash: chain.genesisHash },
    { height, blockHash },
  )
  const signed = curves().sign(digest, change.secret ?? secretAt(1))
  return encodeOperatorWord({ height, blockHash, ...signed }, change.salt ?? 0)
}
const secretAt = (index: number): Uint8Array =>
  hexToBytes(developmentAccounts(index + 1)[index]?.privateKey ?? expect.fail('there are as many'))

test('who asks with his word has those of three, and nobody speaks unasked', async () => {
  const members = await startMany(0, 1, 2, 3)
  await atHeight(members, 3)
  expect(heard).toBe(0)
  const first = one(members)
  expect(await first.operators.certify(2)).toBeNull()
  expect(signersOf(await certified(first, 2))).toBe(3)
  expect(await first.operators.certify(1_000)).toBeNull()
})

test('words that were lost, and blocks that others do not have yet, are asked for again', async () => {
  const members = await startMany(0, 1, 2)
  await atHeight(members, 3)
  const first = one(members)
  expect(await first.operators.certify(3)).toBeNull()
  await members[1]?.stop()
  await members[2]?.stop()
  await kernel.run(kernel.nowMs + 20_000, () => false)
  const back = await startMany(1, 2)
  await atHeight(back, 3)
  expect(signersOf(await certified(first, 3))).toBe(3)
})

test('with a third of the stake silent there is no certificate, and one more makes it', async () => {
  const members = [await cluster.start(0), await cluster.start(1)]
  members.push(await cluster.start(2, { operatorSecret: null }))
  await atHeight(members, 2)
  const first = one(members)
  for (let turn = 0; turn < 20; turn++) {
    expect(await first.operators.certify(1)).toBeNull()
    await kernel.run(kernel.nowMs + 2_000, () => false)
  }
  const last = await cluster.start(3)
  await atHeight([last], 2)
  expect(signersOf(await certified(first, 1))).toBe(3)
})

test('what no operator of the set signed, of another block or none, is refused; what was known is passed on for a while', async () => {
  const members = await startMany(0, 1, 2)
  await atHeight(members, 3)
  const { operators } = one(members)
  const at = one(members)
  const said = (bytes: Uint8Array) => operators.onPublished(bytes)
  expect(said(word(at, 2, { secret: secretAt(7) }))).toBe('forged')
  expect(said(word(at, 2, { hash: asHash(new Uint8Array(32).fill(7)) }))).toBe('reject')
  expect(said(word(at, 1_000))).toBe('ignore')
  expect(said(Uint8Array.of(1, 2, 3))).toBe('reject')
  expect(said(word(at, 2).subarray(0, 90))).toBe('reject')
  const again = Array.from({ length: 20 }, (_, salt) => said(word(at, 2, { salt })))
  expect(again).toEqual([...Array(17).fill('accept'), ...Array(3).fill('ignore')])
})

test('one member who speaks of everything takes no place from what is wanted', async () => {
  const members = await startMany(0, 1, 2)
  await atHeight(members, 70)
  const first = one(members)
  expect(await first.operators.certify(1)).toBeNull()
  let taken = 0
  for (let height = 2; height <= 70; height++)
    if (first.operators.onPublished(word(first, height)) === 'accept') taken++
  expect(taken).toBe(64) // of one member between two blocks
  expect(signersOf(await certified(first, 1))).toBe(3)
})
