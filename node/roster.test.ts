// Who among the peers is which validator, and that votes of a large set go to their collector and to nobody else.
import { afterEach, expect, test } from 'vitest'
import { concat, equalBytes, hexToBytes } from '../chain/base/bytes.ts'
import { curves, installCurves, keccak } from '../chain/base/crypto.ts'
import { nativeCurves } from '../chain/base/crypto-native.ts'
import { createRotation, type Validator, type ValidatorSet } from '../chain/types/validators.ts'
import { peerPayload, SignType, signBytes } from '../chain/types/vote.ts'
import { decodeEnvelope, decodeHello, encodeHello } from '../p2p/wire.ts'
import { type Cluster, createCluster } from '../test/kit/cluster.ts'
import { developmentSecret } from './development.ts'
import { Roster } from './roster.ts'

installCurves(nativeCurves)
const keyOf = (index: number): Uint8Array => curves().blsPublicKey(developmentSecret(index))
const domain = { chainId: 1n, genesisHash: keccak(new Uint8Array(1)) }
const announced = (index: number, peer: string, of = domain): Uint8Array =>
  concat(keyOf(index), curves().blsSign(developmentSecret(index), signBytes(of, SignType.peer, peerPayload(peer))))
const validator = (index: number): Validator => ({
  ...{ address: hexToBytes(`0x${'00'.repeat(20)}`) as Validator['address'], blsKey: keyOf(index), power: 1n },
})

test('a peer speaks for a validator that signed for it, on this network, until it is gone', () => {
  const roster = new Roster(domain)
  roster.add('a', announced(1, 'a'))
  roster.add('b', announced(2, 'a')) // heard of another
  roster.add('c', announced(3, 'c', { ...domain, chainId: 2n }))
  roster.add('d', announced(1, 'd'))
  roster.add('e', new Uint8Array(0))
  roster.add('f', concat(keyOf(4), new Uint8Array(96)))
  expect([1, 2, 3, 4].map((index) => roster.peersOf(validator(index)))).toEqual([['a', 'd'], [], [], []])
  roster.remove('a')
  expect(roster.peersOf(validator(1))).toEqual(['d'])
})

test('a peer that changes its key speaks for both, and for no more than two', () => {
  const roster = new Roster(domain)
  const both = concat(announced(1, 'a'), announced(2, 'a'))
  const greeting = { networkId: domain.genesisHash, version: 1, announcement: both, software: new Uint8Array(0) }
  expect(decodeHello(encodeHello(greeting))).toEqual(greeting)
  roster.add('a', both)
  roster.add('b', concat(announced(1, 'b'), announced(2, 'x'))) // the second is of another peer
  roster.add('c', concat(announced(1, 'c'), announced(2, 'c'), announced(3, 'c')))
  expect([1, 2, 3].map((index) => roster.peersOf(validator(index)))).toEqual([['a', 'b'], ['a'], []])
})

let cluster: Cluster | null = null
afterEach(async () => {
  await cluster?.close()
  cluster = null
})

/** Index of the development key of a place in the set. */
const keyAt = (set: ValidatorSet | undefined, place: number): number => {
  const key = set?.members[place]?.blsKey ?? new Uint8Array(0)
  return set?.members.findIndex((_, index) => equalBytes(keyOf(index), key)) ?? -1
}

test('above 64 validators votes go to who collects them alone, and to all where he is not connected', async () => {
  const votes: { readonly from: string; readonly to: string; readonly what: string }[] = []
  cluster = await createCluster({
    validators: 66,
    blockTimeMs: 200,
    tap(from, to, what, bytes) {
      if (what !== 'consensus' && what !== 'direct') return
      const { message } = decodeEnvelope(bytes)
      const isOwn =
        message.kind === 'vote' && String(keyAt(cluster?.genesis.validators, message.vote.validator)) === from
      if (isOwn) votes.push({ from, to, what }) // and not what it passes on
    },
  })
  const { hub, start } = cluster
  const set = cluster.genesis.validators
  const first = createRotation(set, cluster.genesis.mixHash).proposer(0)
  const [leader, a, b] = [first, (first + 1) % 66, (first + 2) % 66].map((place) => keyAt(set, place)) as [
    ...[number, number, number],
  ]
  const seen = async (from: number, to: number): Promise<void> => {
    while (!votes.some((vote) => vote.from === String(from) && vote.to === String(to)))
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
  hub.cut([String(b)], [String(leader)])
  await Promise.all([start(a), start(b)])
  await start(leader)
  await Promise.all([seen(a, leader), seen(b, a)]) // the other hears of the proposal through a, and cannot reach who made it
  const of = (from: number) => votes.filter((vote) => vote.from === String(from))
  expect(of(a).filter(({ to, what }) => to !== String(leader) || what !== 'direct')).toEqual([])
  expect(of(b).filter(({ what }) => what !== 'consensus')).toEqual([])
})
