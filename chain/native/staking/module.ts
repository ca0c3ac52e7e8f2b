// The module `staking`: what its functions let whom do, what it does in blocks, and its first state.
import { z } from 'zod'
import { asHash } from '../../base/bytes.ts'
import { curves, keccak } from '../../base/crypto.ts'
import { assert, NodeError } from '../../base/errors.ts'
import { type Genesis, GenesisErrors } from '../../types/genesis.ts'
import { isEpochEnd } from '../../types/validators.ts'
import { readyPayload, SignType, signBytes } from '../../types/vote.ts'
import { defineModule, type Handlers } from '../kit/module.ts'
import { abi } from './abi.ts'
import { bond, checkBond, enqueue, redelegate, settle, unbond, withdraw } from './book.ts'
import { check, leave } from './carry.ts'
import { elect } from './election.ts'
import type { StakingCall, StakingCtx } from './layout.ts'
import { layout } from './layout.ts'
import { checkKey, checkMoniker, enrol, takeKey, takePeer } from './registry.ts'
import { collect, mintRewards, payOut } from './rewards.ts'
import { entryOf, epochNow, keyOf, writeSet } from './sets.ts'
import { find, mustFind, param, type Validator, weigh, weighByWill, worthOf } from './validators.ts'
import { views } from './views.ts'

/** Two pairings, a point hashed and two subgroup checks, at the prices of EIP-2537. */
const SIGNATURE_GAS = 160_000
/** Blocks of which the hash shows that a node is in step. */
const ATTESTED_BLOCKS = 100n

const mayAct = (call: StakingCall): Validator => {
  const validator = mustFind(call, call.caller)
  const { at, operator } = validator
  if (at.exited.get()) call.revert('Exited', { operator })
  if (at.tombstoned.get()) call.revert('Tombstoned', { operator })
  return validator
}

const checkAttestation = (
  call: StakingCall,
  key: Uint8Array,
  args: readonly [bigint, Uint8Array, Uint8Array],
): void => {
  const [height, blockHash, signature] = args
  const now = BigInt(call.block.number)
  const oldest = now > ATTESTED_BLOCKS ? now - ATTESTED_BLOCKS : 0n
  if (height < oldest) call.revert('AttestationTooOld', { height, oldest })
  if (height >= now || !equalHash(call.block.blockHash(Number(height)), blockHash))
    call.revert('AttestationWrongBlock', { height, given: blockHash })
  const payload = readyPayload(height, asHash(blockHash), call.caller)
  if (!curves().blsVerify([key], signBytes(call.block.domain, SignType.ready, payload), signature))
    call.revert('AttestationBadSignature', {})
}
const equalHash = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i])

const changeCommission = (call: StakingCall, validator: Validator, given: bigint): void => {
  const { at } = validator
  const present = at.commissionBps.get()
  if (given === present) return
  const [maximum, step] = [param(call, 'staking.maxCommission'), param(call, 'staking.commissionStep')]
  const epoch = BigInt(epochNow(call))
  if (given > maximum && given > present) call.revert('CommissionTooHigh', { given, maximum })
  if ((given > present ? given - present : present - given) > step)
    call.revert('CommissionStep', { given, present, step })
  if (at.commissionEpoch.get() === epoch + 1n) call.revert('CommissionChangedAlready', { epoch })
  collect(call, validator)
  at.commissionBps.set(given)
  at.commissionEpoch.set(epoch + 1n)
}

const handlers: Handlers<typeof abi, typeof layout> = {
  ...views,
  createValidator: {
    gas: SIGNATURE_GAS,
    run(call, [blsKey, proofOfPossession, peerIdDigest, commissionBps, moniker]) {
      const { store, caller: operator, value } = call
      if (store.placeOf.at(operator).get() > 0n) call.revert('AlreadyValidator', { operator })
      if (call.permits('validators')?.(operator) === false) call.revert('NotPermitted', { operator })
      const [minimum, maximum] = [param(call, 'staking.minSelfBond'), param(call, 'staking.maxCommission')]
      if (value < minimum) call.revert('BelowMinimum', { given: value, minimum })
      if (commissionBps > maximum) call.revert('CommissionTooHigh', { given: commissionBps, maximum })
      checkMoniker(call, moniker)
      checkKey(call, blsKey, proofOfPossession)
      takePeer(call, operator, peerIdDigest)
      const validator = enrol(store, { operator, blsKey, peerIdDigest, commissionBps, moniker })
      checkBond(call, validator, value)
      call.emit('ValidatorCreated', { operator, blsKey, peerIdDigest, commissionBps, moniker })
      const shares = bond(call, operator, validator, value)
      call.emit('Delegated', { delegator: operator, validator: operator, amount: value, shares })
    },
  },
  editValidator: {
    gas: 1_000,
    run(call, [commissionBps, peerIdDigest, moniker]) {
      const validator = mayAct(call)
      checkMoniker(call, moniker)
      changeCommission(call, validator, commissionBps)
      takePeer(call, call.caller, peerIdDigest)
      validator.at.peerIdDigest.set(peerIdDigest)
      validator.at.moniker.set(moniker)
      call.emit('ValidatorEdited', { operator: call.caller, peerIdDigest, commissionBps, moniker })
    },
  },
  attestReady: {
    gas: SIGNATURE_GAS,
    run(call, args) {
      const validator = mayAct(call)
      const { at, operator } = validator
      if (at.jailed.get()) call.revert('Jailed', { operator })
      const next = at.nextKey.get()
      if (next === 0n && at.ready.get()) call.revert('AlreadyReady', { operator })
      const keyId = next === 0n ? at.keyId.get() : next - 1n
      const blsKey = keyOf(call.store, Number(keyId))
      checkAttestation(call, blsKey, args)
      at.keyId.set(keyId)
      at.nextKey.set(0n)
      at.ready.set(true)
      weigh(call, validator)
      call.emit('ValidatorReady', { operator, blsKey })
    },
  },
  rotateBlsKey: {
    gas: SIGNATURE_GAS,
    run(call, [blsKey, proofOfPossession]) {
      const { at, index, operator } = mayAct(call)
      checkKey(call, blsKey, proofOfPossession)
      at.nextKey.set(BigInt(takeKey(call.store, index, operator, blsKey) + 1))
      call.emit('KeyRotationBegun', { operator, nextBlsKey: blsKey })
    },
  },
  exit: {
    gas: 2_000,
    unpausable: true,
    run(call) {
      const { store, caller: operator } = call
      const validator = mustFind(call, operator)
      if (validator.at.exited.get()) call.revert('Exited', { operator })
      settle(call, operator, validator)
      validator.at.exited.set(true)
      call.emit('ValidatorExited', { operator })
      const amount = worthOf(validator.at, store.delegations.at(operator).at(operator).shares.get())
      if (amount > 0n) {
        unbond(call, operator, validator, amount)
        const matures = enqueue(call, operator, validator, amount, 1)
        call.emit('Undelegated', { delegator: operator, validator: operator, amount, matures })
      }
      weighByWill(call, validator)
    },
  },
  delegate: {
    gas: 2_000,
    run(call, [operator]) {
      const { caller: delegator, value: amount } = call
      const validator = mustFind(call, operator)
      const minimum = param(call, 'staking.minDelegation')
      if (amount < minimum) call.revert('BelowMinimum', { given: amount, minimum })
      settle(call, delegator, validator)
      checkBond(call, validator, amount)
      const shares = bond(call, delegator, validator, amount)
      weigh(call, validator)
      call.emit('Delegated', { delegator, validator: operator, amount, shares })
    },
  },
  undelegate: {
    gas: 2_000,
    unpausable: true,
    run(call, [operator, amount]) {
      const { caller: delegator } = call
      const validator = mustFind(call, operator)
      settle(call, delegator, validator)
      unbond(call, delegator, validator, amount)
      const matures = enqueue(call, delegator, validator, amount)
      weighByWill(call, validator)
      call.emit('Undelegated', { delegator, validator: operator, amount, matures })
    },
  },
  redelegate: {
    gas: 3_000,
    run(call, [from, to, amount]) {
      const [left, reached] = [mustFind(call, from), mustFind(call, to)]
      if (left.index === reached.index) call.revert('SameValidator', { validator: from })
      const matures = redelegate(call, left, reached, amount)
      call.emit('Redelegated', { delegator: call.caller, from, to, amount, matures })
    },
  },
  withdrawUnbonded: { gas: 2_000, unpausable: true, run: withdraw },
  claimRewards: {
    gas: 2_000,
    unpausable: true,
    run(call, [operator]) {
      const { paid } = settle(call, call.caller, mustFind(call, operator))
      return paid === 0n ? call.revert('NothingToClaim', {}) : paid
    },
  },
  applyPenalty: {
    gas: 2_000,
    unpausable: true,
    run(call, [delegator, operator]) {
      const { penalty } = settle(call, delegator, mustFind(call, operator))
      return penalty ?? call.revert('NoPenalty', { delegator, validator: operator })
    },
  },
}

/** Epochs kept: whatever evidence may speak of, with blocks as fast as they can be, which is one a second. */
const ringOf = (unbondingS: bigint, epochBlocks: bigint): bigint => {
  const enough = (unbondingS + epochBlocks - 1n) / epochBlocks + 2n
  return enough < 8n ? 8n : enough
}

const seed = (ctx: StakingCtx, genesis: Genesis): void => {
  const { store } = ctx
  const refuse = (path: string, reason: string): never => {
    throw new NodeError(GenesisErrors.INVALID, { path: `novachain.validators${path}`, reason })
  }
  const [minimum, maximum] = [param(ctx, 'staking.minSelfBond'), param(ctx, 'staking.maxCommission')]
  const places = param(ctx, 'staking.maxValidators')
  if (genesis.founders.length > places) refuse('', `${genesis.founders.length}, and staking.maxValidators is ${places}`)
  const epochBlocks = BigInt(genesis.epochBlocks)
  store.clock.epochBlocks.set(epochBlocks)
  store.clock.ring.set(ringOf(param(ctx, 'staking.unbondingTime'), epochBlocks))
  store.minSelfBond.set(minimum)
  store.minting.until.set(BigInt(genesis.time))
  for (const [i, { stakeWei, commissionBps, operator, blsKey, moniker, peerId }] of genesis.founders.entries()) {
    if (stakeWei < minimum) refuse(`.${i}.stake`, `${stakeWei} wei, and staking.minSelfBond is ${minimum}`)
    if (commissionBps > maximum) refuse(`.${i}.commissionBps`, `above staking.maxCommission, ${maximum}`)
    if (store.placeOf.at(operator).get() > 0n) refuse(`.${i}.address`, 'it is there twice')
    const peerIdDigest = peerId === null ? new Uint8Array(32) : keccak(new TextEncoder().encode(peerId))
    if (peerId !== null) store.peerOwners.at(peerIdDigest).set(operator)
    const validator = enrol(store, { operator, blsKey, peerIdDigest, commissionBps: BigInt(commissionBps), moniker })
    ctx.mint(stakeWei)
    bond(ctx, operator, validator, stakeWei)
    validator.at.ready.set(true)
    weigh(ctx, validator)
    validator.at.setPower.set(store.powers.item(validator.index).get())
  }
  const members = genesis.validators.members.map(({ address, power }) => {
    const validator = find(store, address)
    assert(validator !== null, 'the validators of genesis are its founders')
    return { keyId: validator.at.keyId.get(), power }
  })
  writeSet(ctx, 0, { startTime: genesis.time, seed: genesis.mixHash }, members)
}

export const staking = defineModule({
  name: 'staking',
  abi,
  layout,
  handlers,
  hooks: {
    begin(ctx) {
      // A network may start long after its genesis says, and nothing could leave before: evidence counts from here.
      if (ctx.block.number === 1) entryOf(ctx.store, 0).startTime.set(BigInt(ctx.block.time))
    },
    end(ctx) {
      const epochBlocks = Number(ctx.store.clock.epochBlocks.get())
      mintRewards(ctx)
      if (isEpochEnd(ctx.block.number, epochBlocks)) payOut(ctx)
      else if (isEpochEnd(ctx.block.number + 1, epochBlocks)) elect(ctx)
    },
  },
  genesis: { schema: z.strictObject({}).default({}), seed: (ctx, _, genesis) => seed(ctx, genesis) },
  carry: { leave, check },
})
