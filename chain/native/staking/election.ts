// The election of an epoch's set: the candidates with most power, the lower address on a tie. Reads plain words, because ten thousand
// candidates are read in one block.
import { type Address, asAddress, bigintToFixed } from '../../base/bytes.ts'
import { readPacked } from '../kit/slots.ts'
import type { StakingCtx } from './layout.ts'
import { VALIDATOR_SLOTS } from './layout.ts'
import { entryOf, epochNow, writeSet } from './sets.ts'
import { isSilent, param, validatorAt, weigh } from './validators.ts'

interface Elected {
  readonly operator: bigint
  readonly keyId: bigint
  readonly power: bigint
}
const OPERATOR_BITS = 160
const KEY_BITS = 32
const addressOf = (operator: bigint): Address => asAddress(bigintToFixed(operator, 20))

/** The last block but one of an epoch: the set of the next. */
export function elect(ctx: StakingCtx): void {
  const { store, words, block } = ctx
  const epoch = epochNow(ctx)
  const before = readPacked(words, entryOf(store, epoch).keyIds, KEY_BITS)
  const elected = chosen(ctx)
  const made = { startTime: block.time, seed: block.prevRandao }
  if (elected.length === 0) keep(ctx, epoch, made)
  else {
    writeSet(ctx, epoch + 1, made, elected)
    announce(ctx, epoch + 1, before, elected)
  }
}

/** Who would be elected now, in set order. */
export function chosen(ctx: StakingCtx): readonly Elected[] {
  measureAgain(ctx)
  return candidates(ctx, Number(param(ctx, 'staking.maxValidators')))
}

/** In set order. */
function candidates(ctx: StakingCtx, maximum: number): readonly Elected[] {
  const { store, words } = ctx
  const powers = permitted(ctx, readPacked(words, store.powers, 64))
  const { start } = store.validators
  const read = (index: number): Elected => {
    const word = words.get(start + BigInt(index * VALIDATOR_SLOTS))
    const [operator, keyId] = [
      BigInt.asUintN(OPERATOR_BITS, word),
      BigInt.asUintN(KEY_BITS, word >> BigInt(OPERATOR_BITS)),
    ]
    return { operator, keyId, power: powers[index] as bigint }
  }
  const byOperator = (a: Elected, b: Elected): number => (a.operator < b.operator ? -1 : 1)
  const sorted = BigUint64Array.from(powers).sort()
  const last = sorted[Math.max(sorted.length - maximum, 0)] ?? 0n
  const [above, tied]: [Elected[], Elected[]] = [[], []]
  for (const [index, power] of powers.entries()) {
    if (power > last) above.push(read(index))
    else if (power === last && power > 0n) tied.push(read(index))
  }
  const places = tied.length > maximum - above.length ? tied.sort(byOperator).slice(0, maximum - above.length) : tied
  return [...above, ...places].sort(byOperator)
}

/** Who is not let in by governance's list counts as one without power. */
function permitted(ctx: StakingCtx, powers: readonly bigint[]): readonly bigint[] {
  const isPermitted = ctx.permits('validators')
  if (isPermitted === null) return powers
  const { store, words } = ctx
  return powers.map((power, index) => {
    const word = words.get(store.validators.start + BigInt(index * VALIDATOR_SLOTS))
    return power > 0n && isPermitted(addressOf(BigInt.asUintN(OPERATOR_BITS, word))) ? power : 0n
  })
}

/** Who joined and who left, by keys: only where a key is on one side alone is anybody looked up. */
function announce(ctx: StakingCtx, epoch: number, before: readonly bigint[], elected: readonly Elected[]): void {
  const { store, words } = ctx
  const power = elected.reduce((sum, member) => sum + member.power, 0n)
  ctx.emit('SetElected', { epoch: BigInt(epoch), validators: BigInt(elected.length), power })
  const [old, now] = [new Set(before), new Set(elected.map(({ keyId }) => keyId))]
  const gone = new Set<bigint>()
  for (const keyId of before) {
    if (now.has(keyId)) continue
    const index = Number(store.keys.item(Number(keyId)).validator.get())
    gone.add(BigInt.asUintN(OPERATOR_BITS, words.get(store.validators.start + BigInt(index * VALIDATOR_SLOTS))))
  }
  for (const { operator, keyId, power: own } of elected) {
    if (old.has(keyId) || gone.delete(operator)) continue // the same with another key
    ctx.emit('ValidatorJoined', { epoch: BigInt(epoch), operator: addressOf(operator), power: own })
  }
  for (const operator of gone) ctx.emit('ValidatorLeft', { epoch: BigInt(epoch), operator: addressOf(operator) })
}

/** Nobody can be elected: whoever signs goes on. */
function keep(ctx: StakingCtx, epoch: number, made: Parameters<typeof writeSet>[2]): void {
  const { store, words } = ctx
  const present = entryOf(store, epoch)
  const powers = readPacked(words, present.powers, 64)
  const members = readPacked(words, present.keyIds, KEY_BITS).map((keyId, i) => ({ keyId, power: powers[i] as bigint }))
  writeSet(ctx, epoch + 1, made, members)
  const next = entryOf(store, epoch + 1)
  next.gone.set(next.power.get())
  for (const { keyId, power } of members) {
    const { at } = validatorAt(store, Number(store.keys.item(Number(keyId)).validator.get()))
    if (isSilent(at)) next.silent.update((sum) => sum + power)
  }
  ctx.emit('SetElected', { epoch: BigInt(epoch + 1), validators: BigInt(members.length), power: next.power.get() })
}

/** Another minimum holds for all from the same election on. Rare, and the one thing here that looks at every validator. */
function measureAgain(ctx: StakingCtx): void {
  const { store } = ctx
  const minimum = param(ctx, 'staking.minSelfBond')
  if (minimum === store.minSelfBond.get()) return
  store.minSelfBond.set(minimum)
  for (let index = 0, count = store.validators.length(); index < count; index++) weigh(ctx, validatorAt(store, index))
}
