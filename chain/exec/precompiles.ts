// The built-in precompiles of the fast engine: the library's own functions where these are fast, and curves in wasm behind our own
// prices. Owns no state; an input decides all of it.
import { getActivePrecompiles, type PrecompileInput, paramsEVM } from '@ethereumjs/evm'
import { computeVersionedHash } from '@ethereumjs/util'
import { bytesToHex, type Hex, hexToBytes } from '../base/bytes.ts'
import {
  blsG1,
  blsG2,
  blsPairing,
  bnG1,
  bnMultiple,
  bnPairing,
  isKzgProof,
  isP256Signature,
  mapToG1,
  mapToG2,
  refusalOf,
  type Stretches,
} from '../base/curves.ts'
import { assert } from '../base/errors.ts'
import { blake2f } from './blake2f.ts'
import { commonFor, type ReferenceOptions } from './reference.ts'

export interface Precompiled {
  readonly gasUsed: number
  readonly output: Uint8Array
  /** Name of the exceptional halt; null is success. */
  readonly fault: string | null
}
/** One that takes longer: each `resume` is some tens of milliseconds of it at most, and null until it is done. */
export interface Pending {
  resume(): Precompiled | null
}
/** Reads `input`, which stays as it is until the answer is there, and keeps no part of it. */
export type Precompile = (input: Uint8Array, gas: number) => Precompiled | Pending

/** The answer, however long it takes. */
export function completed(answer: Precompiled | Pending): Precompiled {
  if (!('resume' in answer)) return answer
  for (;;) {
    const done = answer.resume()
    if (done !== null) return done
  }
}

const NOTHING = new Uint8Array(0)
const failed = (fault: string, gas: number): Precompiled => ({ gasUsed: gas, output: NOTHING, fault })
const OUT_OF_GAS = 'out of gas'

class Work implements Pending {
  readonly #stretches: Stretches<Uint8Array>
  readonly #gasUsed: number
  readonly #gas: number
  constructor(stretches: Stretches<Uint8Array>, gasUsed: number, gas: number) {
    this.#stretches = stretches
    this.#gasUsed = gasUsed
    this.#gas = gas
  }
  resume(): Precompiled | null {
    try {
      const { done, value } = this.#stretches.next()
      return done ? { gasUsed: this.#gasUsed, output: value, fault: null } : null
    } catch (error) {
      return refused(error, this.#gas)
    }
  }
}
const inStretches = (stretches: Stretches<Uint8Array>, gasUsed: number, gas: number): Precompiled | Pending => {
  const work = new Work(stretches, gasUsed, gas)
  return work.resume() ?? work
}
/** Errors of the machine are nobody's input, and must not pass for a refusal of one. */
const refused = (error: unknown, gas: number): Precompiled => {
  const reason = refusalOf(error)
  if (reason !== null) return failed(reason, gas)
  throw error
}
const attempt = (run: () => Uint8Array, gasUsed: number, gas: number): Precompiled => {
  try {
    return { gasUsed, output: run(), fault: null }
  } catch (error) {
    return refused(error, gas)
  }
}

const FIELD_BYTES = 64
/** EIP-2537: a field element is 48 bytes behind 16 zeros. Looks at the first `fields` of each item. */
const isPadded = (input: Uint8Array, itemBytes: number, fields: number): boolean => {
  for (let item = 0; item < input.length; item += itemBytes)
    for (let field = 0; field < fields; field++)
      for (let i = 0; i < 16; i++) if (input[item + field * FIELD_BYTES + i] !== 0) return false
  return true
}

const LENGTH = 'invalid input length'
const OFF_CURVE = 'point not on curve'

/** One price, one length, nothing but field elements. */
const fixed =
  (price: number, bytes: number, run: (input: Uint8Array) => Uint8Array): Precompile =>
  (input, gas) => {
    if (gas < price) return failed(OUT_OF_GAS, gas)
    if (input.length !== bytes) return failed(LENGTH, gas)
    if (!isPadded(input, bytes, bytes / FIELD_BYTES)) return failed(OFF_CURVE, gas)
    return attempt(() => run(input), price, gas)
  }

/** Sums of multiples: a point and a scalar each, cheaper by the dozen. */
const msm =
  (price: number, fields: number, discounts: readonly number[], group: typeof blsG1): Precompile =>
  (input, gas) => {
    const itemBytes = fields * FIELD_BYTES + 32
    if (input.length === 0) return failed('input is empty', gas)
    const items = Math.floor(input.length / itemBytes)
    const discount = items === 0 ? 0 : (discounts[Math.min(items, discounts.length) - 1] ?? 0)
    const cost = Math.floor((items * price * discount) / 1000)
    if (gas < cost) return failed(OUT_OF_GAS, gas)
    if (input.length % itemBytes !== 0) return failed(LENGTH, gas)
    if (!isPadded(input, itemBytes, fields)) return failed(OFF_CURVE, gas)
    return inStretches(group.sumOfMultiples(input), cost, gas)
  }

/** 0 or 1 as a word. */
const wordOf = (is: boolean): Uint8Array => {
  const word = new Uint8Array(32)
  word[31] = is ? 1 : 0
  return word
}
function* isOneAsWord(pairs: Stretches<boolean>): Stretches<Uint8Array> {
  return wordOf(yield* pairs)
}

const PAIR_BYTES = 384
const blsPairs: Precompile = (input, gas) => {
  if (input.length === 0) return failed('input is empty', gas)
  if (input.length % PAIR_BYTES !== 0) return failed(LENGTH, gas)
  const cost = 37_700 + 32_600 * (input.length / PAIR_BYTES)
  if (gas < cost) return failed(OUT_OF_GAS, gas)
  if (!isPadded(input, PAIR_BYTES, PAIR_BYTES / FIELD_BYTES)) return failed(OFF_CURVE, gas)
  return inStretches(isOneAsWord(blsPairing.isOne(input)), cost, gas)
}

/** Field elements in a blob, and the order of the scalar field: what EIP-4844 answers to a proof that holds. */
const POINT_EVALUATED = hexToBytes(
  '0x000000000000000000000000000000000000000000000000000000000000100073eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001',
)
const pointEvaluation: Precompile = (input, gas) => {
  if (gas < 50_000) return failed(OUT_OF_GAS, gas)
  if (input.length !== 192) return failed(LENGTH, gas)
  const commitment = input.slice(96, 144)
  if (computeVersionedHash(bytesToHex(commitment), 1) !== bytesToHex(input.subarray(0, 32)))
    return failed('kzg commitment does not match versioned hash', gas)
  const holds = isKzgProof(commitment, input.slice(32, 64), input.slice(64, 96), input.slice(144, 192))
  if (!holds) return failed('kzg proof invalid', gas)
  return { gasUsed: 50_000, output: POINT_EVALUATED.slice(), fault: null }
}

const identity: Precompile = (input, gas) => {
  const gasUsed = 15 + 3 * Math.ceil(input.length / 32)
  if (gas < gasUsed) return failed(OUT_OF_GAS, gas)
  return { gasUsed, output: input.slice(), fault: null }
}

/** As many bytes as there should be: zeros are added, what is more is not looked at. */
const fitted = (input: Uint8Array, sizeBytes: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  out.set(input.subarray(0, sizeBytes))
  return out
}
/** EIP-1108. */
const bnCall =
  (price: number, bytes: number, run: (input: Uint8Array) => Uint8Array): Precompile =>
  (input, gas) =>
    gas < price ? failed(OUT_OF_GAS, gas) : attempt(() => run(fitted(input, bytes)), price, gas)
const BN_PAIR_BYTES = 192
const bnPairs: Precompile = (input, gas) => {
  if (input.length % BN_PAIR_BYTES !== 0) return failed(LENGTH, gas)
  const cost = 45_000 + 34_000 * (input.length / BN_PAIR_BYTES)
  if (gas < cost) return failed(OUT_OF_GAS, gas)
  return inStretches(isOneAsWord(bnPairing.isOne(input)), cost, gas)
}

/** EIP-152. What has another shape fails before its price is known. */
const compression: Precompile = (input, gas) => {
  if (input.length !== 213 || (input[212] as number) > 1) return failed('value out of range', gas)
  const rounds = new DataView(input.buffer, input.byteOffset).getUint32(0)
  if (gas < rounds) return failed(OUT_OF_GAS, gas)
  return inStretches(blake2f(input), rounds, gas)
}

/** EIP-7951: what does not hold is no failure, and answers nothing. */
const p256Verify: Precompile = (input, gas) => {
  if (gas < 6_900) return failed(OUT_OF_GAS, gas)
  const holds = input.length === 160 && isP256Signature(input)
  return { gasUsed: 6_900, output: holds ? wordOf(true) : NOTHING, fault: null }
}

const addressOf = (number: number): Hex => `0x${number.toString(16).padStart(40, '0')}`

/** By lower-case hex address. */
export function createPrecompiles(options: ReferenceOptions): ReadonlyMap<Hex, Precompile> {
  const common = commonFor(options)
  common.updateParams(paramsEVM)
  const _EVM = {} as PrecompileInput['_EVM'] // what is borrowed reads nothing of the machine
  const known = getActivePrecompiles(common)
  const borrowed = (number: number): readonly [Hex, Precompile] | null => {
    const run = known.get(addressOf(number).slice(2))
    if (run === undefined) return null
    const call: Precompile = (data, gas) => {
      const result = run({ data, gasLimit: BigInt(gas), common, _EVM })
      assert(!(result instanceof Promise), 'this precompile answers at once')
      const fault = result.exceptionError?.error ?? null
      return { gasUsed: Number(result.executionGasUsed), output: result.returnValue, fault }
    }
    return [addressOf(number), call]
  }
  return new Map<Hex, Precompile>([
    ...[1, 2, 3, 5].map(borrowed).filter((each) => each !== null),
    [addressOf(0x04), identity],
    [addressOf(0x06), bnCall(150, 128, (input) => bnG1.sum(input))],
    [addressOf(0x07), bnCall(6_000, 96, bnMultiple)],
    [addressOf(0x08), bnPairs],
    [addressOf(0x09), compression],
    [addressOf(0x0a), pointEvaluation],
    [addressOf(0x0b), fixed(375, 256, (input) => blsG1.sum(input))],
    [addressOf(0x0c), msm(12_000, 2, G1_DISCOUNTS, blsG1)],
    [addressOf(0x0d), fixed(600, 512, (input) => blsG2.sum(input))],
    [addressOf(0x0e), msm(22_500, 4, G2_DISCOUNTS, blsG2)],
    [addressOf(0x0f), blsPairs],
    [addressOf(0x10), fixed(5_500, 64, mapToG1)],
    [addressOf(0x11), fixed(23_800, 128, mapToG2)],
    ...(known.has(addressOf(0x100).slice(2)) ? [[addressOf(0x100), p256Verify] as const] : []),
  ])
}

/** Per mille of the price of one, by number of items (EIP-2537). */
const G1_DISCOUNTS: readonly number[] = (
  '1000 949 848 797 764 750 738 728 719 712 705 698 692 687 682 677 673 669 665 661 658 654 651 648 645 642 640 637 635 632 630 627 ' +
  '625 623 621 619 617 615 613 611 609 608 606 604 603 601 599 598 596 595 593 592 591 589 588 586 585 584 582 581 580 579 577 576 ' +
  '575 574 573 572 570 569 568 567 566 565 564 563 562 561 560 559 558 557 556 555 554 553 552 551 550 549 548 547 547 546 545 544 ' +
  '543 542 541 540 540 539 538 537 536 536 535 534 533 532 532 531 530 529 528 528 527 526 525 525 524 523 522 522 521 520 520 519'
)
  .split(' ')
  .map(Number)
const G2_DISCOUNTS: readonly number[] = (
  '1000 1000 923 884 855 832 812 796 782 770 759 749 740 732 724 717 711 704 699 693 688 683 679 674 670 666 663 659 655 652 649 646 ' +
  '643 640 637 634 632 629 627 624 622 620 618 615 613 611 609 607 606 604 602 600 598 597 595 593 592 590 589 587 586 584 583 582 ' +
  '580 579 578 576 575 574 573 571 570 569 568 567 566 565 563 562 561 560 559 558 557 556 555 554 553 552 552 551 550 549 548 547 ' +
  '546 545 545 544 543 542 541 541 540 539 538 537 537 536 535 535 534 533 532 532 531 530 530 529 528 528 527 526 526 525 524 524'
)
  .split(' ')
  .map(Number)
