/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM vol. 2, 4.1). */
import { setArithFlags } from '../integer/flags'
import { maskOf } from './lanes-more'
import { OPF_SIZE, OP_FLAGS, OP_IMM, ea, opSeg } from '../execute/op'
import { setGpr } from '../execute/operand'
import { FLAG_CF, FLAG_OF, FLAG_SF, FLAG_ZF, RAX, RCX, RDX, XMM } from '../state'
import { checkSse, read128, regU, regV } from './xmm'

// The first operand (ModRM.reg) and the second.
const FIRST: usize = memory.data(16, 16)
const SECOND: usize = memory.data(16, 16)

// Immediate: words, signed, aggregation in 3:2, polarity in 5:4, which index or mask form in 6.
const WORDS: u32 = 1
const SIGNED: u32 = 2
const EQUAL_ANY: u32 = 0
const RANGES: u32 = 1
const EQUAL_EACH: u32 = 2

function element(string: usize, i: u32, imm: u32): i32 {
  if (imm & WORDS) {
    const at = string + (i << 1)
    return imm & SIGNED ? <i32>load<i16>(at) : <i32>load<u16>(at)
  }
  return imm & SIGNED ? <i32>load<i8>(string + i) : <i32>load<u8>(string + i)
}

/** Elements before the first zero. */
function implicitLength(string: usize, count: u32, imm: u32): u32 {
  for (let i: u32 = 0; i < count; i++) if (element(string, i, imm & WORDS) == 0) return i
  return count
}

/** A length in EAX or EDX: its absolute value, at most `count`. */
function explicitLength(op: usize, register: usize, count: u32): u32 {
  const wide = (load<u8>(op, OP_FLAGS) & OPF_SIZE) == 3
  const n = wide ? load<i64>(register) : <i64>load<i32>(register)
  if (n < -(<i64>count) || n > <i64>count) return count
  return <u32>(n < 0 ? -n : n)
}

/** Intermediate result 1: a bit for each element of the second string. */
function aggregate(imm: u32, count: u32, firstLength: u32, secondLength: u32): u32 {
  const kind = (imm >> 2) & 3
  let bits: u32 = 0
  for (let j: u32 = 0; j < count; j++) {
    let hit = false
    if (kind == EQUAL_ANY) {
      if (j < secondLength) {
        const e = element(SECOND, j, imm)
        for (let i: u32 = 0; i < firstLength; i++) if (element(FIRST, i, imm) == e) hit = true
      }
    } else if (kind == RANGES) {
      if (j < secondLength) {
        const e = element(SECOND, j, imm)
        for (let i: u32 = 0; i + 1 < firstLength; i += 2) {
          if (e >= element(FIRST, i, imm) && e <= element(FIRST, i + 1, imm)) hit = true
        }
      }
    } else if (kind == EQUAL_EACH) {
      // Behind both ends is equal, behind one is not.
      if (j < firstLength && j < secondLength) hit = element(FIRST, j, imm) == element(SECOND, j, imm)
      else hit = j >= firstLength && j >= secondLength
    } else {
      // Equal ordered: the first string begins at j, as far as the register shows.
      hit = true
      for (let i: u32 = 0; i < firstLength && i + j < count; i++) {
        if (i + j >= secondLength || element(FIRST, i, imm) != element(SECOND, i + j, imm)) hit = false
      }
    }
    if (hit) bits |= 1 << j
  }
  return bits
}

/** `explicitly`: lengths in EAX and EDX; `mask`: the result is a mask in XMM0, else an index in ECX. */
export function pcmpstr(op: usize, mem: bool, explicitly: bool, mask: bool): void {
  checkSse()
  v128.store(SECOND, mem ? read128(opSeg(op), ea(op), false) : v128.load(regU(op)))
  v128.store(FIRST, v128.load(regV(op)))
  const imm = <u32>load<u8>(op, OP_IMM)
  const count: u32 = imm & WORDS ? 8 : 16
  const firstLength = explicitly ? explicitLength(op, RAX, count) : implicitLength(FIRST, count, imm)
  const secondLength = explicitly ? explicitLength(op, RDX, count) : implicitLength(SECOND, count, imm)
  let bits = aggregate(imm, count, firstLength, secondLength)
  // Polarity: 1 negates all, 3 negates what is inside the second string.
  if (imm & 0x10) bits ^= imm & 0x20 ? (1 << secondLength) - 1 : (1 << count) - 1
  if (mask) {
    if (imm & 0x40) v128.store(XMM, maskOf(bits, 16 / count))
    else v128.store(XMM, i64x2.replace_lane(i64x2.splat(0), 0, <i64>bits))
  } else setGpr<u32>(RCX, bits ? (imm & 0x40 ? 31 - clz<u32>(bits) : ctz<u32>(bits)) : count)
  setArithFlags(
    (bits ? FLAG_CF : 0) |
      (secondLength < count ? FLAG_ZF : 0) |
      (firstLength < count ? FLAG_SF : 0) |
      (bits & 1 ? FLAG_OF : 0),
  )
}
