/** Shifts and rotates, SHLD and SHRD (Intel SDM vol. 2). */
import { getCF, setLazy } from './flags'
import { rmwBegin, rmwEnd } from '../memory/memory'
import { OP_IMM, ea, opSeg } from '../execute/op'
import { extend, regOf, rmOf, setReg } from '../execute/operand'
import { LAZY_AUX, RCX } from '../state'

@inline function setRotateFlags(cf: u32, overflow: u32): void {
  store<u32>(LAZY_AUX, (load<u32>(LAZY_AUX) & 0x3fffffff) | (cf << 31) | ((cf ^ overflow) << 30))
}

@inline function topBit<T>(v: T): u32 {
  return <u32>(<u64>v >> (sizeof<T>() * 8 - 1)) & 1
}

/** The shift group: 0 ROL 1 ROR 2 RCL 3 RCR 4 SHL 5 SHR 6 SAL 7 SAR. A count of 0 changes no flag. */
@inline function shift<T>(k: i32, a: T, countIn: u32): T {
  const bits: u32 = sizeof<T>() * 8
  const count = countIn & (sizeof<T>() == 8 ? 63 : 31)
  if (count == 0) return a
  let r: T
  if (k == 0 || k == 1) {
    const n = count & (bits - 1)
    if (k == 0) {
      r = n ? <T>((<u64>a << <u64>n) | (<u64>a >> <u64>(bits - n))) : a
      const cf = <u32>r & 1
      setRotateFlags(cf, cf ^ topBit<T>(r))
    } else {
      r = n ? <T>((<u64>a >> <u64>n) | (<u64>a << <u64>(bits - n))) : a
      const cf = topBit<T>(r)
      setRotateFlags(cf, cf ^ topBit<T>(<T>(r << 1)))
    }
    return r
  }
  if (k == 2 || k == 3) {
    // Through the carry: bits + 1 positions.
    const n = sizeof<T>() == 8 || sizeof<T>() == 4 ? count : count % (bits + 1)
    let cf = getCF()
    if (n == 0) {
      // All the way round: OF is still taken from the result, on the 80286 as on today's CPUs.
      setRotateFlags(cf, k == 2 ? cf ^ topBit<T>(a) : topBit<T>(a) ^ topBit<T>(<T>(a << 1)))
      return a
    }
    if (k == 2) {
      r = n == 1 ? <T>((<u64>a << 1) | cf) : <T>((n < bits ? <u64>a << <u64>n : 0) | (<u64>cf << <u64>(n - 1)) | (<u64>a >> <u64>(bits + 1 - n)))
      cf = <u32>(<u64>a >> <u64>(bits - n)) & 1
      setRotateFlags(cf, cf ^ topBit<T>(r))
    } else {
      r = n == 1
        ? <T>((<u64>a >> 1) | (<u64>cf << <u64>(bits - 1)))
        : <T>((n < bits ? <u64>a >> <u64>n : 0) | (<u64>cf << <u64>(bits - n)) | (<u64>a << <u64>(bits + 1 - n)))
      cf = <u32>(<u64>a >> <u64>(n - 1)) & 1
      setRotateFlags(cf, topBit<T>(r) ^ topBit<T>(<T>(r << 1)))
    }
    return r
  }
  let cf: u32
  let overflow: u32
  if (k == 4 || k == 6) {
    r = count < bits ? <T>(<u64>a << <u64>count) : <T>0
    cf = count <= bits ? <u32>(<u64>a >> <u64>(bits - count)) & 1 : 0
    overflow = cf ^ topBit<T>(r)
  } else if (k == 5) {
    r = count < bits ? <T>(<u64>a >> <u64>count) : <T>0
    cf = count <= bits ? <u32>(<u64>a >> <u64>(count - 1)) & 1 : 0
    overflow = topBit<T>(r) ^ topBit<T>(<T>(r << 1))
  } else {
    const s = extend<T>(a)
    r = <T>(s >> <i64>min<u32>(count, 63))
    cf = <u32>(s >> <i64>(min<u32>(count, 64) - 1)) & 1
    overflow = 0
  }
  setLazy(extend<T>(r), cf != 0, overflow != 0, false)
  return r
}

export function shift_E<T>(op: usize, memory: bool, k: i32, count: u32): void {
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, shiftBy<T>(k, load<T>(p), count))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, shiftBy<T>(k, load<T>(d), count))
  }
}

function shiftBy<T>(k: i32, a: T, count: u32): T {
  switch (k) {
    case 0:
      return shift<T>(0, a, count)
    case 1:
      return shift<T>(1, a, count)
    case 2:
      return shift<T>(2, a, count)
    case 3:
      return shift<T>(3, a, count)
    case 4:
    case 6:
      return shift<T>(4, a, count)
    case 5:
      return shift<T>(5, a, count)
    default:
      return shift<T>(7, a, count)
  }
}

@inline export function shift_E_I<T>(op: usize, memory: bool, k: i32): void {
  if (memory) shift_E<T>(op, true, k, load<u8>(op, OP_IMM))
  else {
    const d = rmOf(op)
    setReg<T>(d, shift<T>(k, load<T>(d), load<u8>(op, OP_IMM)))
  }
}

@inline export function shift_E_1<T>(op: usize, memory: bool, k: i32): void {
  if (memory) shift_E<T>(op, true, k, 1)
  else {
    const d = rmOf(op)
    setReg<T>(d, shift<T>(k, load<T>(d), 1))
  }
}

@inline export function shift_E_CL<T>(op: usize, memory: bool, k: i32): void {
  shift_E<T>(op, memory, k, load<u8>(RCX))
}

/** SHLD and SHRD. A count above the operand size (16-bit only) rotates the pair, as Intel's CPUs do. */
function doubleShift<T>(a: T, b: T, countIn: u32, right: bool): T {
  const bits: u32 = sizeof<T>() * 8
  const count = countIn & (sizeof<T>() == 8 ? 63 : 31)
  if (!count) return a
  let r: T
  let cf: u32
  if (sizeof<T>() == 2) {
    // 16 bits of a, then b, then a again.
    const n = <u64>count
    if (right) {
      const wide = <u64>a | (<u64>b << 16) | (<u64>a << 32)
      r = <T>(wide >> n)
      cf = <u32>(wide >> (n - 1)) & 1
    } else {
      const wide = (<u64>a << 32) | (<u64>b << 16) | <u64>a
      r = <T>(wide >> (32 - n))
      cf = <u32>(wide >> (48 - n)) & 1
    }
  } else if (right) {
    r = <T>((<u64>a >> <u64>count) | (<u64>b << <u64>(bits - count)))
    cf = <u32>(<u64>a >> <u64>(count - 1)) & 1
  } else {
    r = <T>((<u64>a << <u64>count) | (<u64>b >> <u64>(bits - count)))
    cf = <u32>(<u64>a >> <u64>(bits - count)) & 1
  }
  const overflow = topBit<T>(r) ^ topBit<T>(a)
  setLazy(extend<T>(r), cf != 0, overflow != 0, false)
  return r
}

export function shld_shrd<T>(op: usize, memory: bool, right: bool, byCL: bool): void {
  const count: u32 = byCL ? load<u8>(RCX) : load<u8>(op, OP_IMM)
  const b = load<T>(regOf(op))
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, doubleShift<T>(load<T>(p), b, count, right))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, doubleShift<T>(load<T>(d), b, count, right))
  }
}
