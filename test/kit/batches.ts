// Blocks to be put into batches, made without a chain: random ones of all kinds of transactions, and ERC-20 transfers of many users.
// Nothing here is signed or would run; shapes and sizes are those of what is.
import { type Address, asAddress, asHash, bigintToFixed, bytesToBigint, concat } from '../../chain/base/bytes.ts'
import { EMPTY_ROOT, keccak } from '../../chain/base/crypto.ts'
import { encodeRlp, type Rlp, rlpInt } from '../../chain/base/rlp.ts'
import { type Block, encodeExtra, type Header, headerHash, type Section, sectionHash } from '../../chain/types/block.ts'
import { systemTx } from '../../chain/types/system-tx.ts'
import type { Qc } from '../../chain/types/vote.ts'
import type { BatchInput } from '../../node/rollup/batch.ts'
import type { Dice } from './dice.ts'

export const CHAIN_ID = 662_607n
const NOTHING = new Uint8Array(0)
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

const addressFrom = (dice: Dice): Address => asAddress(dice.bytes(20))
/** As signatures are: evenly spread, s in the lower half. */
const signatureFrom = (dice: Dice): { r: bigint; s: bigint } => ({
  r: bytesToBigint(dice.bytes(31)) + 1n,
  s: (bytesToBigint(dice.bytes(32)) % HALF_ORDER) + 1n,
})

export interface Drawn {
  readonly raw: Uint8Array
  readonly sender: Address
}

/** Anything that decodes, in proportions that no chain has. `people` are the addresses it may name. */
export function drawTx(dice: Dice, people: readonly Address[]): Drawn {
  const who = (): Address => (dice.chance(0.8) ? dice.pick(people) : addressFrom(dice))
  const kind = dice.pick(['bare', 'legacy', 1, 2, 2, 2, 4] as const)
  const to = kind !== 4 && dice.chance(0.1) ? NOTHING : who()
  const nonce = dice.chance(0.02) ? 2n ** 64n - 1n : BigInt(dice.below(300))
  const fee = rlpInt(numberFrom(dice))
  const prices = kind === 2 || kind === 4 ? [rlpInt(numberFrom(dice)), fee] : [fee]
  const gas = rlpInt(dice.pick([21_000n, 65_000n, BigInt(dice.below(2 ** 31)), 2n ** 64n - 1n]))
  const body: Rlp[] = [rlpInt(nonce), ...prices, gas, to, rlpInt(numberFrom(dice)), dataFrom(dice, who)]
  if (typeof kind === 'number') body.push(accessListFrom(dice, who))
  if (kind === 4) body.push(Array.from({ length: 1 + dice.below(3) }, () => authorizationFrom(dice, who)))
  const { r, s } = signatureFrom(dice)
  const parity = dice.below(2)
  const signature = [rlpInt(r), rlpInt(s)]
  const sender = dice.pick(people)
  if (kind === 'bare') return { sender, raw: encodeRlp([...body, rlpInt(27 + parity), ...signature]) }
  if (kind === 'legacy')
    return { sender, raw: encodeRlp([...body, rlpInt(2n * CHAIN_ID + 35n + BigInt(parity)), ...signature]) }
  const list = encodeRlp([rlpInt(CHAIN_ID), ...body, rlpInt(parity), ...signature])
  return { sender, raw: concat(Uint8Array.of(kind), list) }
}

const numberFrom = (dice: Dice): bigint =>
  dice.pick([
    () => 0n,
    () => BigInt(dice.below(1_000)) * 10n ** BigInt(dice.below(60)),
    () => bytesToBigint(dice.bytes(1 + dice.below(32))),
    () => 2n ** 256n - 1n,
    () => 10n ** 77n,
  ])()

const wordFrom = (dice: Dice, who: () => Address): Uint8Array =>
  dice.pick([
    () => new Uint8Array(32),
    () => concat(new Uint8Array(12), who()),
    () => bigintToFixed(numberFrom(dice), 32),
    () => new Uint8Array(32).fill(255),
    () => dice.bytes(32),
  ])()

const dataFrom = (dice: Dice, who: () => Address): Uint8Array =>
  dice.pick([
    () => NOTHING,
    () => dice.bytes(dice.below(200)),
    () => concat(dice.bytes(4), ...Array.from({ length: dice.below(6) }, () => wordFrom(dice, who))),
  ])()

const accessListFrom = (dice: Dice, who: () => Address): Rlp =>
  Array.from({ length: dice.chance(0.7) ? 0 : dice.below(4) }, (): Rlp => {
    const keys = Array.from({ length: dice.below(3) }, () => wordFrom(dice, who))
    return [who(), keys]
  })

const authorizationFrom = (dice: Dice, who: () => Address): Rlp => {
  const parity = dice.chance(0.1) ? dice.below(256) : dice.below(2)
  const chain = dice.pick([0n, CHAIN_ID, numberFrom(dice)])
  const [r, s] = [numberFrom(dice), bytesToBigint(dice.bytes(32))]
  return [rlpInt(chain), who(), rlpInt(dice.below(40)), rlpInt(parity), rlpInt(r), rlpInt(s)]
}

/** OpenZeppelin's `transfer` as wallets sign it: each user's nonces one after another, round amounts among odd ones. */
export function drawTransfers(dice: Dice, of: { readonly txs: number; readonly users: number }): Drawn[] {
  const users = Array.from({ length: of.users }, () => addressFrom(dice))
  const nonces = users.map(() => dice.below(2_000))
  const token = addressFrom(dice)
  const selector = Uint8Array.of(0xa9, 0x05, 0x9c, 0xbb)
  return Array.from({ length: of.txs }, (): Drawn => {
    const from = dice.below(users.length)
    const receiver = bigintToFixed(bytesToBigint(dice.pick(users)), 32)
    const amount = bigintToFixed(BigInt(1 + dice.below(100_000)) * 10n ** 16n, 32) // up to 1,000 tokens in cents
    const { r, s } = signatureFrom(dice)
    const nonce = nonces[from] as number // one for each
    nonces[from] = nonce + 1
    const body = [CHAIN_ID, nonce, 1_000_000_000n, 20_000_000_000n, 65_000n].map(rlpInt)
    const rest = [token, NOTHING, concat(selector, receiver, amount), [], rlpInt(dice.below(2)), rlpInt(r), rlpInt(s)]
    return { raw: concat(Uint8Array.of(2), encodeRlp([...body, ...rest])), sender: users[from] as Address }
  })
}

/** Consecutive blocks with these transactions, `validators` taking turns, all of whom sign in nearly all blocks. */
export function blocksOf(
  dice: Dice,
  txs: readonly (readonly Drawn[])[],
  of: { readonly first?: number; readonly validators?: number; readonly system?: number } = {},
): BatchInput {
  const { first = 100, validators = 4, system = 0 } = of
  const operators = Array.from({ length: validators }, () => addressFrom(dice))
  let timeMs = 1_800_000_000_000
  let parentHash = keccak(NOTHING)
  const blocks = txs.map((drawn, i): Block => {
    const height = first + i
    timeMs += 3_000 + (dice.chance(0.3) ? dice.below(40) : 0)
    const lastCommit = height === 1 ? null : commitOf(dice, height - 1, parentHash, validators)
    const section: Section = {
      ...{ version: 1, epoch: 0, proposerIndex: height % validators, validatorsHash: parentHash },
      ...{ nextValidatorsHash: null, reveal: dice.bytes(96), lastCommit },
    }
    const round = dice.chance(0.02) ? 1 : 0
    const raws = drawn.map(({ raw }) => raw)
    if (dice.chance(system)) raws.push(systemTx(CHAIN_ID, height).raw)
    const header: Header = {
      ...{ parentHash, coinbase: operators[(height + round) % validators] as Address, number: height },
      ...{ stateRoot: EMPTY_ROOT, receiptsRoot: EMPTY_ROOT, bloom: new Uint8Array(256), gasUsed: 0n },
      ...{ transactionsRoot: asHash(dice.bytes(32)), gasLimit: 1_600_000_000n, baseFeeWei: 7n },
      time: Math.floor(timeMs / 1_000),
      extraData: encodeExtra({ originRound: round, ms: timeMs % 1_000 }),
      prevRandao: asHash(dice.bytes(32)),
      parentBeaconBlockRoot: sectionHash(section),
    }
    parentHash = headerHash(header)
    return { header, hash: parentHash, txs: raws, section }
  })
  const senders = txs.map((drawn) => drawn.map(({ sender }) => sender))
  return { blocks, senders, commit: commitOf(dice, first + txs.length - 1, parentHash, validators), chainId: CHAIN_ID }
}

const commitOf = (dice: Dice, height: number, blockHash: Qc['blockHash'], validators: number): Qc => {
  const bitmap = new Uint8Array(Math.ceil(validators / 8))
  for (let i = 0; i < validators; i++)
    if (!dice.chance(0.02)) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7))
  return { type: 'commit', height, round: dice.chance(0.02) ? 1 : 0, blockHash, bitmap, signature: dice.bytes(96) }
}
