// Votes for messages of another chain in a network of four: gossiped, bounded, gathered into the certificate that the bridge takes.
import { Wallet } from 'ethers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asAddress, asHash, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { abi } from '../../chain/native/bridge/abi.ts'
import { type Message, messageId } from '../../chain/native/bridge/message.ts'
import { BRIDGE, bridgeReadsOf } from '../../chain/native/index.ts'
import { encodeCall } from '../../chain/native/kit/abi.ts'
import { SignType, signBytes } from '../../chain/types/vote.ts'
import type { Judgement } from '../../p2p/network.ts'
import { type Attestations, encodeAttestations } from '../../p2p/wire.ts'
import { methods } from '../../rpc/table.ts'
import { OTHER, section, VAULT } from '../../test/kit/bridge.ts'
import { type Cluster, createCluster, type Member } from '../../test/kit/cluster.ts'
import { openMemoryChain } from '../../test/kit/memory-chain.ts'
import { messageFrom } from '../../test/kit/messages.ts'
import { developmentSecret } from '../development.ts'
import { attestDigest, SignerErrors } from '../signer.ts'
import { Kernel } from '../sim/kernel.ts'

installCurves(nativeCurves)

let kernel: Kernel
let cluster: Cluster
beforeEach(async () => {
  kernel = new Kernel()
  cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, kernel, modules: { bridge: section } })
})
afterEach(() => cluster.close())

const until = async (isDone: () => boolean): Promise<void> => {
  expect(await kernel.run(kernel.nowMs + 600_000, isDone)).toBe(true)
}
const startMany = async (...indices: number[]): Promise<Member[]> => {
  const members: Member[] = []
  for (const index of indices) members.push(await cluster.start(index))
  return members
}
const here = ({ chain }: Member): bigint => chain.genesis.chainId
const message = (member: Member, sequence: number, over: Partial<Message> = {}): Message =>
  messageFrom(sequence, { targetChain: here(member), ...over })
const of = (member: Member, said: Message) => member.votes.certificate(said.sourceChain, messageId(said))
const one = <T>(values: readonly T[]): T => values[0] ?? expect.fail('there is one')

test('what three of four have seen is a certificate everywhere, and the bridge pays on it', async () => {
  const members = await startMany(0, 1, 2, 3)
  const last = members[3] ?? expect.fail()
  const said = message(last, 1)
  for (const member of members.slice(0, 2)) member.votes.see(VAULT, [said])
  await until(() => of(last, said)?.signed === 2n * (last.chain.validators().members[0]?.power ?? 0n))
  expect(of(last, said)).toMatchObject({ proof: null, message: null })
  members[2]?.votes.see(VAULT, [said])
  await until(() => members.every((member) => of(member, said)?.proof != null))
  const { proof, signed, total } = of(last, said) ?? expect.fail()
  const { ctx } = await openMemoryChain()
  const asked = [said.sourceChain, messageId(said)]
  expect(await methods.get('nova_bridgeCertificate')?.run({ ...ctx, bridge: last.votes }, asked)).toEqual({
    ...{ epoch: '0x0', signed: `0x${signed.toString(16)}`, total: `0x${total.toString(16)}` },
    proof: bytesToHex(proof ?? expect.fail()),
  })
  const governance = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  const data = bytesToHex(encodeCall(abi.functions.deliver, [said, proof ?? expect.fail()]))
  const raw = await governance.signTransaction({
    ...{ chainId: here(last), nonce: 0, to: bytesToHex(BRIDGE), data, gasLimit: 1_000_000, type: 2 },
    ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n },
  })
  const hash = await last.chain.submit(hexToBytes(raw as Hex), 'local')
  await until(() => last.chain.place(hash) !== null)
  const { height, index } = last.chain.place(hash) ?? expect.fail()
  expect(last.chain.receipts(height)?.[index]?.status).toBe(1)
  expect(bridgeReadsOf(last.chain.at(height)).isSettled(messageId(said))).toBe(true)
  // It is of no more use, and no vote brings it back.
  await until(() => members.every((member) => of(member, said) === null))
  members[0]?.votes.see(VAULT, [said])
  await kernel.run(kernel.nowMs + 11_000, () => false)
  expect(of(last, said)).toBe(null)
})

test('who comes later hears the votes again', async () => {
  const members = await startMany(0, 1, 2)
  const said = message(one(members), 1)
  for (const member of members) member.votes.see(VAULT, [said])
  await until(() => members.every((member) => of(member, said)?.proof != null))
  const late = await cluster.start(3)
  await until(() => of(late, said)?.proof != null)
})

test('what a node saw while its signer was away it attests once that is back', async () => {
  let misses = 2
  const members = await startMany(0, 1)
  const last = await cluster.start(2, {
    signer: (own) => ({
      ...own,
      attest: (event) =>
        misses-- > 0
          ? Promise.reject(new NodeError(SignerErrors.UNREACHABLE, { reason: 'no route' }))
          : own.attest(event),
    }),
  })
  const said = [1, 2].map((sequence) => message(last, sequence))
  for (const member of [...members, last]) member.votes.see(VAULT, said)
  await until(() => said.every((each) => of(last, each)?.proof != null))
})

const VOTER = 1
const voteBy = (
  member: Member,
  key: number,
  said: Message,
  over: { readonly type?: SignType; readonly vault?: typeof VAULT } = {},
) => {
  const event = { chain: said.sourceChain, vault: over.vault ?? VAULT, id: messageId(said) }
  const domain = { chainId: here(member), genesisHash: member.chain.genesisHash }
  const digest = over.type === undefined ? attestDigest(domain, event) : signBytes(domain, over.type, event.id)
  return { chain: event.chain, id: event.id, signature: curves().blsSign(developmentSecret(key), digest) }
}
const from = (key: number, votes: Attestations['votes'], salt = 0): Uint8Array =>
  encodeAttestations({ key: curves().blsPublicKey(developmentSecret(key)), votes }, salt)

test('what peers say is judged before it costs anything', async () => {
  const [member] = await startMany(0)
  if (member === undefined) return expect.fail()
  const judge = (bytes: Uint8Array) => member.votes.onPublished(bytes)
  const vote = voteBy(member, VOTER, message(member, 1))
  expect(await judge(from(VOTER, [vote]))).toBe('accept')
  expect(await judge(from(VOTER, [vote], 1))).toBe('ignore') // said again
  expect(await judge(from(9, [voteBy(member, 9, message(member, 1))]))).toBe('ignore') // in no set
  const next = message(member, 2)
  const forged = [
    [{ ...voteBy(member, VOTER, next), signature: vote.signature }],
    [voteBy(member, 2, next)],
    [voteBy(member, VOTER, next, { type: SignType.commit })],
    [voteBy(member, VOTER, next, { vault: OTHER_VAULT })],
    [voteBy(member, VOTER, next), { ...voteBy(member, VOTER, message(member, 3)), signature: new Uint8Array(96) }],
    [{ ...voteBy(member, VOTER, next), chain: OTHER }],
  ]
  for (const votes of forged) expect(await judge(from(VOTER, votes))).toBe('forged')
  expect(of(member, next)).toBe(null)
  expect(await judge(from(VOTER, [{ ...vote, chain: 5n }]))).toBe('stale') // not connected
  expect(await judge(from(VOTER, [vote, vote]))).toBe('reject')
  expect(await judge(from(VOTER, []))).toBe('reject')
  const many = Array.from({ length: 65 }, (_, i) => ({ ...vote, id: asHash(new Uint8Array(32).fill(i)) }))
  expect(await judge(from(VOTER, many))).toBe('reject')
  expect(await judge(from(VOTER, [vote]).slice(1))).toBe('reject')
  expect(await judge(new Uint8Array(16 * 1024 + 1))).toBe('reject')
})
const OTHER_VAULT = VAULT.slice().fill(7) as typeof VAULT

test('one validator that votes for everything takes the place of its own votes alone, and is not verified without end', async () => {
  const [member] = await startMany(0)
  if (member === undefined) return expect.fail()
  const honest = message(member, 1)
  await member.votes.onPublished(from(2, [voteBy(member, 2, honest)]))
  let verified = 0
  for (let batch = 0; batch < 6; batch++) {
    const votes = Array.from({ length: 64 }, (_, i) => voteBy(member, VOTER, message(member, 10 + batch * 64 + i)))
    if ((await member.votes.onPublished(from(VOTER, votes))) === 'accept') verified += votes.length
  }
  expect(verified).toBe(256)
  expect(of(member, honest)?.signed).toBe(member.chain.validators().members[0]?.power)
})

test('what this node itself has seen keeps its votes, however much of it waits', async () => {
  const [member] = await startMany(0)
  if (member === undefined) return expect.fail()
  const own = member.chain.validators().members[0]?.power
  const said = Array.from({ length: 1_100 }, (_, i) => message(member, 1 + i))
  member.votes.see(VAULT, said)
  await until(() => of(member, said.at(-1) ?? expect.fail())?.signed === own)
  expect(of(member, one(said))?.signed).toBe(own)
})

test('a key that has as many votes as it may keeps the first of them, and gets room as they are certified', async () => {
  const [member] = await startMany(0, 1, 3)
  if (member === undefined) return expect.fail()
  const power = member.chain.validators().members[0]?.power ?? 0n
  const batch = (at: number): Message[] => Array.from({ length: 64 }, (_, i) => message(member, 1 + 64 * at + i))
  let calls = 0
  const say = async (key: number, said: readonly Message[]): Promise<Judgement> => {
    const height = member.chain.head().header.number
    // Of a key so many are verified between two blocks.
    if (calls++ % 4 === 0) await until(() => member.chain.head().header.number > height)
    return member.votes.onPublished(
      from(
        key,
        said.map((each) => voteBy(member, key, each)),
      ),
    )
  }
  for (let at = 0; at < 16; at++) expect(await say(2, batch(at))).toBe('accept')
  expect(await say(2, batch(16))).toBe('ignore')
  expect(of(member, one(batch(0)))?.signed).toBe(power)
  expect(of(member, one(batch(16)))).toBe(null)
  member.votes.see(VAULT, batch(0))
  expect(await say(1, batch(0))).toBe('accept')
  expect(of(member, one(batch(0)))?.proof).not.toBe(null)
  expect(await say(2, batch(16))).toBe('accept')
  expect(of(member, one(batch(16)))?.signed).toBe(power)
  expect(of(member, one(batch(0)))?.proof).not.toBe(null)
})

test('what is passed on is vouched for whole: a vote that is known, or of what is settled, with another signature is forged', async () => {
  const [member] = await startMany(0)
  if (member === undefined) return expect.fail()
  const judge = (votes: Attestations['votes']) => member.votes.onPublished(from(VOTER, votes))
  const [first, second] = [voteBy(member, VOTER, message(member, 1)), voteBy(member, VOTER, message(member, 2))]
  expect(await judge([first])).toBe('accept')
  expect(await judge([second, { ...first, signature: second.signature }])).toBe('forged')
  expect(of(member, message(member, 2))).toBe(null)
  expect(await judge([second, { ...first, chain: 5n }])).toBe('ignore') // of a chain that is not connected nobody can say
  expect(of(member, message(member, 2))?.signed).toBe(member.chain.validators().members[0]?.power)
})

test('who is in the set from the next epoch on votes then for what was seen before', async () => {
  await cluster.close()
  const epochs = {
    blocks: 4,
    rolls: [
      [0, 1, 2, 3],
      [0, 1, 4, 5],
    ],
  } as const
  cluster = await createCluster({ validators: 4, blockTimeMs: 1_000, kernel, modules: { bridge: section }, epochs })
  const members = await startMany(0, 1, 2, 3, 4, 5)
  const said = message(one(members), 1)
  for (const i of [0, 4, 5]) members[i]?.votes.see(VAULT, [said])
  await until(() => (of(one(members), said)?.signed ?? 0n) > 0n)
  expect(one(members).chain.head().header.number).toBeLessThan(4)
  expect(of(one(members), said)?.proof).toBe(null)
  await until(() => members.every((member) => of(member, said)?.proof != null))
})

test('what another vault than the connected one sent gets no vote', async () => {
  const [member] = await startMany(0)
  if (member === undefined) expect.fail()
  const [old, said] = [message(member, 1), message(member, 2)]
  member.votes.see(asAddress(new Uint8Array(20).fill(0x0d)), [old])
  member.votes.see(VAULT, [said])
  await until(() => of(member, said) !== null)
  expect(of(member, old)).toBe(null)
})

test('what a vault sent is forgotten where another is connected, and not said again', async () => {
  const members = await startMany(0, 1, 2)
  const member = one(members)
  const said = message(member, 1)
  for (const each of members) each.votes.see(VAULT, [said])
  await until(() => members.every((each) => of(each, said)?.proof != null))
  const governance = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  const connect = async (nonce: number, vault: Uint8Array): Promise<void> => {
    const raw = await governance.signTransaction({
      ...{ chainId: here(member), nonce, to: bytesToHex(BRIDGE), gasLimit: 1_000_000, type: 2 },
      data: bytesToHex(encodeCall(abi.functions.setChain, [said.sourceChain, asAddress(vault)])),
      ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n },
    })
    await member.chain.submit(hexToBytes(raw as Hex), 'local')
    const vaultIn = ({ chain }: Member) => bridgeReadsOf(chain.at(chain.head().header.number)).vaultOf(said.sourceChain)
    await until(() => members.every((each) => bytesToHex(vaultIn(each) ?? VAULT) === bytesToHex(vault)))
  }
  await connect(0, new Uint8Array(20).fill(0x0d))
  await connect(1, VAULT)
  await kernel.run(kernel.nowMs + 11_000, () => false)
  expect(members.map((each) => of(each, said))).toEqual([null, null, null])
})
