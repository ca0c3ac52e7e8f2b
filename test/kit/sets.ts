// Validator sets that change from epoch to epoch without a vote, of the development accounts and keys: for chains and nodes that need
// elections and no staking. And whose secret signs in whose place.
import { asAddress, asHash, bytesToHex, type Hex, hexToBytes } from '../../chain/base/bytes.ts'
import { curves, installCurves } from '../../chain/base/crypto.ts'
import { nativeCurves } from '../../chain/base/crypto-native.ts'
import type { Genesis } from '../../chain/types/genesis.ts'
import { createValidatorSet, type EpochSet, type Validator } from '../../chain/types/validators.ts'
import { developmentAccounts, developmentSecret } from '../../node/development.ts'

installCurves(nativeCurves)

/** An operator with his own key, or with another one; power 1,000,000 where it is not given. */
export type Seat = number | { readonly operator: number; readonly key?: number; readonly power?: bigint }

const accounts = developmentAccounts(32)

const memberOf = (seat: Seat): Validator => {
  const {
    operator,
    key,
    power = 1_000_000n,
  } = typeof seat === 'number' ? { operator: seat } : { key: seat.operator, ...seat }
  return {
    address: asAddress(hexToBytes(accounts[operator]?.address.toLowerCase() ?? '0x')),
    blsKey: curves().blsPublicKey(developmentSecret(key ?? operator)),
    power,
  }
}

/** Epoch e has the seats of `rolls[e]`, later ones the last. */
export function setsBy(genesis: Genesis, rolls: readonly (readonly Seat[])[]) {
  const { mixHash, time, epochBlocks, blockTimeMs } = genesis
  const made = rolls.map((seats) => createValidatorSet(seats.map(memberOf)))
  return (_: unknown, epoch: number): EpochSet | null => {
    const set = made[Math.min(epoch, made.length - 1)]
    if (set === undefined) return null
    const seed = epoch === 0 ? mixHash : asHash(new Uint8Array(32).fill(epoch))
    return { set, seed, startTime: time + Math.floor((epoch * epochBlocks * blockTimeMs) / 1_000) }
  }
}

const secrets = new Map<Hex, Uint8Array>()
/** Of a development key. */
export function secretOf({ blsKey }: Validator): Uint8Array {
  const key = bytesToHex(blsKey)
  for (let i = secrets.size; i < 2_048 && !secrets.has(key); i++) {
    const secret = developmentSecret(i)
    secrets.set(bytesToHex(curves().blsPublicKey(secret)), secret)
  }
  return secrets.get(key) ?? new Uint8Array(32)
}
