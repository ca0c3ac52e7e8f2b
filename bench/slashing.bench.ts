// What slashing costs a block among 1,247 validators: its hook at the beginning, on a state store as a node has it and a fresh journal
// for every block; and evidence of all of them at once. CPU time of this thread.
import { asHash, bytesToHex } from '../chain/base/bytes.ts'
import { curves } from '../chain/base/crypto.ts'
import { createState } from '../chain/exec/state.ts'
import { openNatives, seedNatives, natives as shipped } from '../chain/native/index.ts'
import { encodeCall } from '../chain/native/kit/abi.ts'
import { abi } from '../chain/native/slashing/abi.ts'
import { createMemoryKv } from '../chain/store/kv.ts'
import { createStateStore } from '../chain/store/state.ts'
import { digestOf, type Evidence, encodeEvidence, evidenceOf, type Statement } from '../chain/types/evidence.ts'
import type { BlockContext } from '../chain/types/frame.ts'
import type { Genesis } from '../chain/types/genesis.ts'
import { createValidatorSet, POWER_WEI } from '../chain/types/validators.ts'
import { bitmapOf } from '../chain/types/vote.ts'
import { createRandom } from '../node/sim/random.ts'
import { createBonded, secretOf } from '../test/kit/bonded.ts'
import { createMemoryState } from '../test/kit/memory-state.ts'
import { account } from '../test/kit/native.ts'

const isSmoke = process.env.SMOKE === '1'
const COUNT = isSmoke ? 120 : 1_247
const BLOCKS = isSmoke ? 40 : 300
const WINDOW = isSmoke ? 20 : 100
const EPOCH = 1_200

const openChain = async (window: number, epochBlocks: number) => {
  const kv = createMemoryKv()
  const states = createStateStore(
    { kv, pause: async () => {} },
    { historyBlocks: 10, proofBlocks: 10, cacheBytes: 64 * 1024 * 1024 },
  )
  const founders = Array.from({ length: COUNT }, (_, i) => ({
    ...{ operator: account(i + 1), blsKey: curves().blsPublicKey(secretOf(i + 1)), stakeWei: 10n ** 24n },
    ...{ commissionBps: 0, moniker: '', peerId: null },
  }))
  const members = founders.map(({ operator: address, blsKey }) => ({ address, blsKey, power: 10n ** 24n / POWER_WEI }))
  const who = bytesToHex(account(9))
  const values = { 'staking.maxValidators': '2048', 'slashing.window': `${window}`, 'slashing.minSigned': '100' }
  const genesis = {
    ...{ founders, validators: createValidatorSet(members), epochBlocks, blockTimeMs: 3_000, time: 1_000 },
    ...{ mixHash: asHash(new Uint8Array(32)), modules: { params: { governance: who, guardian: who, values } } },
  } as Partial<Genesis> as Genesis // seeding reads no more of it
  const natives = openNatives(shipped)
  const write = async (state: ReturnType<typeof createState>, height: number): Promise<void> => {
    const prepared = await states.prepare(height, state.changes())
    await kv.write(prepared.writes)
    await states.applied(prepared)
  }
  const first = createState(createMemoryState())
  first.begin()
  seedNatives(first, genesis, shipped)
  first.end()
  await write(first, 0)
  return { states, natives, write }
}

/** By wall clock: CPU clocks tick too slowly for one block. What the middle block takes is little disturbed by other work on the machine. */
const middle = (of: readonly number[]): string =>
  `${([...of].sort((a, b) => a - b)[of.length >> 1] ?? 0).toFixed(2)} ms`
const print = (name: string, ...times: readonly string[]): void => console.log(name.padEnd(72), times.join('; '))
const base: BlockContext = {
  ...{ chainId: 1n, number: 0, time: 1_000, coinbase: account(0xfee), gasLimit: 30_000_000n, baseFeeWei: 1n },
  ...{
    prevRandao: asHash(new Uint8Array(32)),
    parentBeaconBlockRoot: asHash(new Uint8Array(32)),
    ethereum: 'osaka',
    lastCommit: null,
  },
  domain: { chainId: 1n, genesisHash: asHash(new Uint8Array(32)) },
  blockHash: () => asHash(new Uint8Array(32)),
}

interface Choice {
  readonly epochBlocks?: number
  readonly window: number
  /** Blocks that are not measured, from the first on. */
  readonly before: number
}
/** Blocks of which `signs(height, place)` says who signed them; `BLOCKS` are measured. */
const run = async (
  name: string,
  { window, before, epochBlocks = EPOCH }: Choice,
  signs: (height: number, place: number) => boolean,
): Promise<void> => {
  const { states, natives, write } = await openChain(window, epochBlocks)
  const [hook, written, first]: number[][] = [[], [], []]
  for (let height = 1; height <= before + BLOCKS; height++) {
    const state = createState(states.at(height - 1))
    const signers = Array.from({ length: COUNT }, (_, i) => i).filter((place) => signs(height - 1, place))
    const lastCommit = height === 1 ? null : { height: height - 1, bitmap: bitmapOf(signers, COUNT) }
    const block = { ...base, number: height, time: 1_000 + 3 * height, lastCommit }
    state.begin()
    const startMs = performance.now()
    natives(height).begin(state, block)
    const endMs = performance.now()
    natives(height).end(state, block)
    state.end()
    const writeMs = performance.now()
    await write(state, height)
    if (height <= before) continue
    if ((height - 1) % epochBlocks === 0) first?.push(endMs - startMs)
    else hook?.push(endMs - startMs)
    written?.push(performance.now() - writeMs)
  }
  if (first?.length) print(`${name}: first block of an epoch`, middle(first))
  else print(name, middle(hook ?? []), `${middle(written ?? [])} for the tries`)
}

console.log(`${COUNT} validators, ${BLOCKS} blocks measured`)
const steady = { window: WINDOW, before: WINDOW }
const random = createRandom(1, 'who misses')
const isThird = (place: number): boolean => place % 3 === 0
await run('all sign', steady, () => true)
await run('one in a hundred misses, each block another', steady, () => random.below(100) > 0)
await run('a third has just fallen asleep', { window: 10_000, before: 2 }, (_, place) => !isThird(place))
await run(
  'a third sleeps, and the window has seen it',
  steady,
  (height, place) => !isThird(place) || height % WINDOW === 0,
)
await run('a third misses, each block another', steady, () => random.below(3) > 0)

await run('the set stays', { ...steady, epochBlocks: 10 }, () => true)

const bonded = createBonded({ validators: COUNT, epochBlocks: EPOCH, values: { 'staking.maxValidators': 2_048n } })
bonded.seal()
const everybody = Array.from({ length: COUNT }, (_, i) => i)
const testimony = (byte: number, places: readonly number[]) => {
  const blockHash = asHash(new Uint8Array(32).fill(byte))
  const statement: Statement = { kind: 'prepare', height: 1, round: 0, blockHash }
  const shares = places.map((i) => curves().blsSign(secretOf(i + 1), digestOf(statement, bonded.world.block.domain)))
  return { statement, bitmap: bitmapOf(places, COUNT), signature: curves().blsAggregate(shares) }
}
const bring = async (name: string, evidence: Evidence): Promise<void> => {
  const data = encodeCall(abi.functions.submitEvidence, [encodeEvidence(evidence)])
  const startMs = performance.now()
  const { gasUsed, status } = await bonded.world.send(8, bytesToHex(account(0x802)), data, { gas: 16_700_000n })
  print(`${name}: ${status}, ${gasUsed} gas`, `${(performance.now() - startMs).toFixed(1)} ms`)
}
await bring('two votes of one', evidenceOf(testimony(1, [7]), testimony(2, [7])))
const all = evidenceOf(testimony(1, everybody), testimony(2, everybody))
for (const which of ['first', 'second']) await bring(`two certificates of all, ${which} call`, all)
