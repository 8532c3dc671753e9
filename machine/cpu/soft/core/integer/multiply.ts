/** Multiplication, division and the widening of the accumulator (Intel SDM vol. 2). */
import { raiseLastNoError } from '../system/fault'
import { setLazy } from './flags'
import { extend, imm, readE, regOf, setReg } from '../execute/operand'
import { EX_DE, RAX, RDX } from '../state'

/** Upper half of an unsigned 64 × 64 product. */
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff
  const ah = a >> 32
  const bl = b & 0xffffffff
  const bh = b >> 32
  const low = al * bl
  const mid = ah * bl + (low >> 32)
  const mid2 = al * bh + (mid & 0xffffffff)
  return ah * bh + (mid >> 32) + (mid2 >> 32)
}

function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>mulHigh(<u64>a, <u64>b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)
}

export function mul_E<T>(op: usize, memory: bool): void {
  const b = <u64>readE<T>(op, memory)
  const a = <u64>load<T>(RAX)
  const low = a * b
  let high: u64
  if (sizeof<T>() == 8) high = mulHigh(a, b)
  else high = low >> (sizeof<T>() * 8)
  if (sizeof<T>() == 1) store<u16>(RAX, <u16>low)
  else {
    setReg<T>(RAX, <T>low)
    setReg<T>(RDX, <T>high)
  }
  const over = <T>high != 0
  setLazy(extend<T>(<T>low), over, over, false)
}

export function imul_E<T>(op: usize, memory: bool): void {
  const b = extend<T>(readE<T>(op, memory))
  const a = extend<T>(load<T>(RAX))
  const low = a * b
  let over: bool
  if (sizeof<T>() == 1) {
    store<u16>(RAX, <u16>low)
    over = low != extend<T>(<T>low)
  } else if (sizeof<T>() == 8) {
    const high = mulHighSigned(a, b)
    store<i64>(RAX, low)
    store<i64>(RDX, high)
    over = high != low >> 63
  } else {
    setReg<T>(RAX, <T>low)
    setReg<T>(RDX, <T>(low >> (sizeof<T>() * 8)))
    over = low != extend<T>(<T>low)
  }
  setLazy(extend<T>(<T>low), over, over, false)
}

@inline function imul2<T>(a: T, b: T): T {
  const x = extend<T>(a)
  const y = extend<T>(b)
  const low = x * y
  const over = sizeof<T>() == 8 ? mulHighSigned(x, y) != low >> 63 : low != extend<T>(<T>low)
  setLazy(extend<T>(<T>low), over, over, false)
  return <T>low
}

export function imul_G_E<T>(op: usize, memory: bool): void {
  const b = readE<T>(op, memory)
  setReg<T>(regOf(op), imul2<T>(load<T>(regOf(op)), b))
}

export function imul_G_E_I<T>(op: usize, memory: bool): void {
  setReg<T>(regOf(op), imul2<T>(readE<T>(op, memory), imm<T>(op)))
}

/** Remainder of the last divide128. */
let remainder128: u64 = 0

/** (high:low) / divisor where high < divisor. */
function divide128(high: u64, low: u64, divisor: u64): u64 {
  let rest = high
  let quotient: u64 = 0
  for (let i: i32 = 63; i >= 0; i--) {
    const carry = rest >> 63
    rest = (rest << 1) | ((low >> <u64>i) & 1)
    if (carry || rest >= divisor) {
      rest -= divisor
      quotient |= <u64>1 << <u64>i
    }
  }
  remainder128 = rest
  return quotient
}

export function div_E<T>(op: usize, memory: bool): void {
  const d = <u64>readE<T>(op, memory)
  if (d == 0) return raiseLastNoError(EX_DE)
  if (sizeof<T>() == 8) {
    const high = load<u64>(RDX)
    if (high >= d) return raiseLastNoError(EX_DE)
    const q = divide128(high, load<u64>(RAX), d)
    store<u64>(RAX, q)
    store<u64>(RDX, remainder128)
    return
  }
  const n = sizeof<T>() == 1 ? <u64>load<u16>(RAX) : (<u64>load<T>(RDX) << (sizeof<T>() * 8)) | <u64>load<T>(RAX)
  const q = n / d
  if (q >> (sizeof<T>() * 8)) return raiseLastNoError(EX_DE)
  const r = n % d
  if (sizeof<T>() == 1) store<u16>(RAX, <u16>(q | (r << 8)))
  else {
    setReg<T>(RAX, <T>q)
    setReg<T>(RDX, <T>r)
  }
}

export function idiv_E<T>(op: usize, memory: bool): void {
  const d = extend<T>(readE<T>(op, memory))
  if (d == 0) return raiseLastNoError(EX_DE)
  if (sizeof<T>() == 8) {
    let high = load<u64>(RDX)
    let low = load<u64>(RAX)
    const negative = <i64>high < 0
    if (negative) {
      low = 0 - low
      high = ~high + <u64>(low == 0)
    }
    const magnitude = d < 0 ? 0 - <u64>d : <u64>d
    if (high >= magnitude) return raiseLastNoError(EX_DE)
    const q = divide128(high, low, magnitude)
    const minus = negative != d < 0
    if (minus ? q > 0x8000000000000000 : q > 0x7fffffffffffffff) return raiseLastNoError(EX_DE)
    store<u64>(RAX, minus ? 0 - q : q)
    store<u64>(RDX, negative ? 0 - remainder128 : remainder128)
    return
  }
  const n = sizeof<T>() == 1
    ? <i64>(<i16>load<u16>(RAX))
    : sizeof<T>() == 2
      ? <i64>(<i32>((<u32>load<u16>(RDX) << 16) | load<u16>(RAX)))
      : <i64>((<u64>load<u32>(RDX) << 32) | load<u32>(RAX))
  // The one quotient that wasm itself would trap on.
  if (n == i64.MIN_VALUE && d == -1) return raiseLastNoError(EX_DE)
  const q = n / d
  if (q != extend<T>(<T>q)) return raiseLastNoError(EX_DE)
  const r = n % d
  if (sizeof<T>() == 1) store<u16>(RAX, (<u16>(<u8>q)) | ((<u16>(<u8>r)) << 8))
  else {
    setReg<T>(RAX, <T>q)
    setReg<T>(RDX, <T>r)
  }
}

/** CBW, CWDE, CDQE. */
export function cbw<T>(): void {
  if (sizeof<T>() == 2) store<u16>(RAX, <u16>(<i16>(<i8>load<u8>(RAX))))
  else if (sizeof<T>() == 4) store<u64>(RAX, <u64>(<u32>(<i32>(<i16>load<u16>(RAX)))))
  else store<i64>(RAX, <i64>(<i32>load<u32>(RAX)))
}

/** CWD, CDQ, CQO. */
export function cwd<T>(): void {
  setReg<T>(RDX, <T>(extend<T>(load<T>(RAX)) >> 63))
}
