// The two loops of the fast engine: code as bytes, instruction by instruction, and decoded code, block by block. Both give the same result,
// gas and fault, and both stop where the slice of gas is used up. Owns dispatch; what an instruction does is in `instructions.ts`.
import { bytesToHex } from '../base/bytes.ts'
import { keccak } from '../base/crypto.ts'
import { AS_BYTES, DECODED, type Frame, NEXT, OUT_OF_GAS, OVERFLOW, PAUSED, UNDERFLOW } from './frames.ts'
import { BINARY, HANDLERS, type Handler } from './instructions.ts'
import type { Machine } from './interpreter.ts'
import {
  BEGIN,
  CEILING,
  GAS,
  isJumpDest,
  JUMP_TO,
  JUMPI_TO,
  JUMPZ_TO,
  PEEKS,
  POPS,
  type Program,
  PUSH,
  PUSH_ADD,
  PUSH_AND,
  PUSH_EQ,
  PUSH_MLOAD,
  PUSH_MSTORE,
  PUSH_SHL,
  PUSH_SHR,
  SWAP1_POP,
} from './opcodes.ts'
import { loadWord, shl, shr, storeWord, WORD_MAX, WORD_SIZE, wordIn } from './words.ts'

/** As the reference engine words it. */
const badJump = (frame: Frame, place: number): number => {
  if (frame.depth > 0) return frame.halt('invalid JUMP') // only the outermost is ever read
  const hash = bytesToHex(keccak(frame.code.bytes))
  return frame.halt(`invalid JUMP at ${hash}/${frame.self.account.hex}:${place}`)
}

/** A store pays for its place before it misses the value. */
const tooFew = (frame: Frame, op: number, sp: number, gas: number): number => {
  frame.gas = gas
  const isStore = sp === 1 && (op === 0x52 || op === 0x53)
  const canPay = !isStore || frame.grow(frame.stack[0] as bigint, op === 0x52 ? 32n : 1n)
  return frame.halt(canPay ? UNDERFLOW : OUT_OF_GAS)
}

/** Instruction by instruction, until less than `floor` of the gas is left. */
export function runBytes(machine: Machine, frame: Frame, floor: number): number {
  const { stack, code, known } = frame
  const { bytes } = code
  let { pc, sp, gas } = frame
  for (;;) {
    const op = pc < bytes.length ? (bytes[pc] as number) : 0
    if (sp < (PEEKS[op] as number)) return frame.halt(UNDERFLOW)
    const before = gas
    gas -= GAS[op] as number
    if (gas < floor) {
      if (gas < 0) return frame.halt(OUT_OF_GAS)
      if (before <= floor) {
        frame.pc = pc
        frame.sp = sp
        frame.gas = before
        return PAUSED
      }
    }
    if (sp < (POPS[op] as number)) return tooFew(frame, op, sp, gas)
    if (sp > (CEILING[op] as number)) return frame.halt(OVERFLOW)
    pc++
    if (op >= 0x5f && op <= 0x9f) {
      if (op <= 0x7f) {
        const size = op - 0x5f
        stack[sp++] = size === 0 ? 0n : wordIn(bytes, pc, size)
        pc += size
      } else if (op <= 0x8f) {
        stack[sp] = stack[sp - (op - 0x7f)] as bigint
        sp++
      } else {
        const other = sp - 1 - (op - 0x8f)
        const top = stack[sp - 1] as bigint
        stack[sp - 1] = stack[other] as bigint
        stack[other] = top
      }
      continue
    }
    if (op === 0x56 || op === 0x57) {
      const to = stack[--sp] as bigint
      if (op === 0x57 && stack[--sp] === 0n) continue
      if (to >= BigInt(bytes.length) || !isJumpDest(code, Number(to))) return badJump(frame, pc - 1)
      pc = Number(to)
      if (++known.jumps < bytes.length) continue
      frame.pc = pc
      frame.sp = sp
      frame.gas = gas
      return DECODED
    }
    if (op === 0x5b) continue
    const binary = BINARY[op]
    if (binary !== undefined) {
      sp--
      stack[sp - 1] = binary(stack[sp] as bigint, stack[sp - 1] as bigint)
      continue
    }
    if (op === 0x58) {
      stack[sp++] = BigInt(pc - 1)
      continue
    }
    frame.pc = pc
    frame.sp = sp
    frame.gas = gas
    const signal = (HANDLERS[op] as Handler)(machine, frame)
    if (signal !== NEXT) return signal
    sp = frame.sp
    gas = frame.gas
  }
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a dispatch loop
export function runProgram(machine: Machine, frame: Frame, program: Program, floor: number): number {
  const { stack } = frame
  const { ops, data, words } = program
  let { pc, sp, gas } = frame
  for (;;) {
    const op = ops[pc] as number
    switch (op) {
      case BEGIN: {
        const left = gas - (data[pc] as number)
        if (left < floor || sp < (program.needs[pc] as number) || sp > (program.ceilings[pc] as number)) {
          // Where it faults, byte by byte shows where and why. It must not be taken for a pause: with no gas left and no slice to wait
          // for, one would come back here for ever. A block may be dearer than a slice: one is always begun.
          const isFault = left < 0 || sp < (program.needs[pc] as number) || sp > (program.ceilings[pc] as number)
          if (isFault || gas <= floor) {
            frame.pc = pc
            frame.sp = sp
            frame.gas = gas
            return isFault ? AS_BYTES : PAUSED
          }
        }
        gas = left
        break
      }
      case PUSH:
        stack[sp++] = words[pc] as bigint
        break
      case JUMPZ_TO:
        if (stack[--sp] === 0n) {
          const to = data[pc] as number
          if (to < 0) return badJump(frame, program.places[pc] as number)
          pc = to
          continue
        }
        break
      case JUMPI_TO:
      case JUMP_TO: {
        if (op === JUMPI_TO && stack[--sp] === 0n) break
        const to = data[pc] as number
        if (to < 0) return badJump(frame, program.places[pc] as number)
        pc = to
        continue
      }
      case 0x57:
      case 0x56: {
        const to = stack[--sp] as bigint
        if (op === 0x57 && stack[--sp] === 0n) break
        const entry = to < BigInt(program.entries.length) ? (program.entries[Number(to)] as number) : -1
        if (entry < 0) return badJump(frame, program.places[pc] as number)
        pc = entry
        continue
      }
      case 0x80:
      case 0x81:
      case 0x82:
      case 0x83:
      case 0x84:
      case 0x85:
      case 0x86:
      case 0x87:
      case 0x88:
      case 0x89:
      case 0x8a:
      case 0x8b:
      case 0x8c:
      case 0x8d:
      case 0x8e:
      case 0x8f:
        stack[sp] = stack[sp - (op - 0x7f)] as bigint
        sp++
        break
      case 0x90:
      case 0x91:
      case 0x92:
      case 0x93:
      case 0x94:
      case 0x95:
      case 0x96:
      case 0x97:
      case 0x98:
      case 0x99:
      case 0x9a:
      case 0x9b:
      case 0x9c:
      case 0x9d:
      case 0x9e:
      case 0x9f: {
        const other = sp - 1 - (op - 0x8f)
        const top = stack[sp - 1] as bigint
        stack[sp - 1] = stack[other] as bigint
        stack[other] = top
        break
      }
      case 0x50:
        sp--
        break
      case SWAP1_POP:
        sp--
        stack[sp - 1] = stack[sp] as bigint
        break
      case PUSH_ADD: {
        const sum = (words[pc] as bigint) + (stack[sp - 1] as bigint)
        stack[sp - 1] = sum > WORD_MAX ? sum - WORD_SIZE : sum
        break
      }
      case PUSH_AND:
        stack[sp - 1] = (words[pc] as bigint) & (stack[sp - 1] as bigint)
        break
      case PUSH_EQ:
        stack[sp - 1] = words[pc] === stack[sp - 1] ? 1n : 0n
        break
      case PUSH_SHL:
        stack[sp - 1] = shl(words[pc] as bigint, stack[sp - 1] as bigint)
        break
      case PUSH_SHR:
        stack[sp - 1] = shr(words[pc] as bigint, stack[sp - 1] as bigint)
        break
      case PUSH_MLOAD:
      case PUSH_MSTORE: {
        const from = data[pc] as number
        if (from + 32 > frame.sizeBytes) {
          frame.gas = gas
          if (!frame.growTo(from + 32)) return frame.halt(OUT_OF_GAS)
          gas = frame.gas
        }
        if (op === PUSH_MLOAD) stack[sp++] = loadWord(frame.view, from)
        else storeWord(frame.view, from, stack[--sp] as bigint)
        break
      }
      case 0x51: {
        const from = Number(stack[sp - 1] as bigint)
        if (from + 32 > frame.sizeBytes) {
          frame.gas = gas
          if (!frame.growTo(from + 32)) return frame.halt(OUT_OF_GAS)
          gas = frame.gas
        }
        stack[sp - 1] = loadWord(frame.view, from)
        break
      }
      case 0x52: {
        const from = Number(stack[--sp] as bigint)
        if (from + 32 > frame.sizeBytes) {
          frame.gas = gas
          if (!frame.growTo(from + 32)) return frame.halt(OUT_OF_GAS)
          gas = frame.gas
        }
        storeWord(frame.view, from, stack[--sp] as bigint)
        break
      }
      case 0x01: {
        sp--
        const sum = (stack[sp] as bigint) + (stack[sp - 1] as bigint)
        stack[sp - 1] = sum > WORD_MAX ? sum - WORD_SIZE : sum
        break
      }
      case 0x03: {
        sp--
        const rest = (stack[sp] as bigint) - (stack[sp - 1] as bigint)
        stack[sp - 1] = rest < 0n ? rest + WORD_SIZE : rest
        break
      }
      case 0x02: {
        sp--
        const product = (stack[sp] as bigint) * (stack[sp - 1] as bigint)
        stack[sp - 1] = product > WORD_MAX ? product & WORD_MAX : product
        break
      }
      case 0x10:
        sp--
        stack[sp - 1] = (stack[sp] as bigint) < (stack[sp - 1] as bigint) ? 1n : 0n
        break
      case 0x11:
        sp--
        stack[sp - 1] = (stack[sp] as bigint) > (stack[sp - 1] as bigint) ? 1n : 0n
        break
      case 0x14:
        sp--
        stack[sp - 1] = stack[sp] === stack[sp - 1] ? 1n : 0n
        break
      case 0x15:
        stack[sp - 1] = stack[sp - 1] === 0n ? 1n : 0n
        break
      case 0x16:
        sp--
        stack[sp - 1] = (stack[sp] as bigint) & (stack[sp - 1] as bigint)
        break
      case 0x17:
        sp--
        stack[sp - 1] = (stack[sp] as bigint) | (stack[sp - 1] as bigint)
        break
      case 0x18:
        sp--
        stack[sp - 1] = (stack[sp] as bigint) ^ (stack[sp - 1] as bigint)
        break
      case 0x1b:
        sp--
        stack[sp - 1] = shl(stack[sp] as bigint, stack[sp - 1] as bigint)
        break
      case 0x1c:
        sp--
        stack[sp - 1] = shr(stack[sp] as bigint, stack[sp - 1] as bigint)
        break
      default: {
        const binary = BINARY[op]
        if (binary !== undefined) {
          sp--
          stack[sp - 1] = binary(stack[sp] as bigint, stack[sp - 1] as bigint)
          break
        }
        frame.pc = pc + 1
        frame.sp = sp
        frame.gas = gas
        const signal = (HANDLERS[op] as Handler)(machine, frame)
        if (signal !== NEXT) return signal
        sp = frame.sp
        gas = frame.gas
        if (gas < floor) return PAUSED
      }
    }
    pc++
  }
}
