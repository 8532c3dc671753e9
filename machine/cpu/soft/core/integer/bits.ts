/** Bit manipulation: POPCNT, LZCNT, BMI1, BMI2, ADX, MOVBE, CRC32, RDRAND (Intel SDM vol. 2). */
import { asksOutside } from '../memory/kept-memory'
import { raiseNoError } from '../system/fault'
import { arithFlags, getCF, getOF, setArithFlags, setCF, setLazy } from './flags'
import { has, RANDOM_STATE } from '../system/features'
import { F_BMI1, F_LZCNT } from '../generated/features'
import { bsf, bsr } from './bit-test'
import { readEa, writeEa } from '../memory/memory'
import { OP_IMM, OP_REG, OP_RM, OP_VVVV } from '../execute/op'
import { setGpr } from '../execute/operand'
import { protectedMode } from '../system/segment'
import { EX_UD, FLAG_CF, FLAG_OF, FLAG_ZF, RDX } from '../state'

@inline function readE<T>(op: usize, memory: bool): T {
  return memory ? readEa<T>(op) : load<T>(<usize>load<u16>(op, OP_RM))
}

@inline function setG<T>(op: usize, value: T): void {
  setGpr<T>(<usize>load<u16>(op, OP_REG), value)
}

@inline function readB<T>(op: usize): T {
  return load<T>(<usize>load<u16>(op, OP_VVVV))
}

@inline function setB<T>(op: usize, value: T): void {
  store<u64>(<usize>load<u16>(op, OP_VVVV), <u64>value)
}

@inline function signed<T>(value: T): i64 {
  return sizeof<T>() == 8 ? <i64>value : sizeof<T>() == 4 ? <i64>(<i32>value) : <i64>(<i16>value)
}

@inline function bitsOf<T>(): u32 {
  return <u32>sizeof<T>() * 8
}

// ---- counting ----

export function popcount<T>(op: usize, memory: bool): void {
  const value = <u64>readE<T>(op, memory)
  setG<T>(op, <T>popcnt<u64>(value))
  setArithFlags(value ? 0 : FLAG_ZF)
}

/** F3 0F BD: BSR where the model has no LZCNT. */
export function lzcnt<T>(op: usize, memory: bool): void {
  if (!has(F_LZCNT)) {
    bsr<T>(op, memory)
    return
  }
  const value = <u64>readE<T>(op, memory)
  const n = <u32>clz<u64>(value) - (64 - bitsOf<T>())
  setG<T>(op, <T>n)
  setArithFlags((n == 0 ? FLAG_ZF : 0) | (value ? 0 : FLAG_CF))
}

/** F3 0F BC: BSF where the model has no BMI1. */
export function tzcnt<T>(op: usize, memory: bool): void {
  if (!has(F_BMI1)) {
    bsf<T>(op, memory)
    return
  }
  const value = <u64>readE<T>(op, memory)
  const n = value ? <u32>ctz<u64>(value) : bitsOf<T>()
  setG<T>(op, <T>n)
  setArithFlags((n == 0 ? FLAG_ZF : 0) | (value ? 0 : FLAG_CF))
}

// ---- MOVBE ----

@inline function swapBytes<T>(value: T): T {
  if (sizeof<T>() == 2) return <T>bswap<u16>(<u16>value)
  if (sizeof<T>() == 4) return <T>bswap<u32>(<u32>value)
  return <T>bswap<u64>(<u64>value)
}

export function movbe_G_M<T>(op: usize): void {
  setG<T>(op, swapBytes<T>(readEa<T>(op)))
}

export function movbe_M_G<T>(op: usize): void {
  writeEa<T>(op, swapBytes<T>(load<T>(<usize>load<u16>(op, OP_REG))))
}

// ---- CRC32 ----

/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL: u32 = 0x82f63b78
const CRC_TABLE: usize = memory.data(1024, 16)
let crcTableMade: bool = false

function makeCrcTable(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let k = 0; k < 8; k++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    store<u32>(CRC_TABLE + (<usize>i << 2), crc)
  }
  crcTableMade = true
}

export function crc32<T>(op: usize, memory: bool): void {
  if (!crcTableMade) makeCrcTable()
  let value = <u64>readE<T>(op, memory)
  const g = <usize>load<u16>(op, OP_REG)
  let crc = load<u32>(g)
  for (let i: u32 = 0; i < <u32>sizeof<T>(); i++) {
    crc = load<u32>(CRC_TABLE + (<usize>((crc ^ <u32>value) & 0xff) << 2)) ^ (crc >> 8)
    value >>= 8
  }
  store<u64>(g, <u64>crc)
}

// ---- ADX ----

/** ADCX: CF in and out, nothing else. */
export function adcx<T>(op: usize, memory: bool): void {
  const carry = addWith<T>(op, memory, getCF())
  setCF(carry)
}

/** ADOX: the same with OF. */
export function adox<T>(op: usize, memory: bool): void {
  const carry = addWith<T>(op, memory, <u32>getOF())
  setArithFlags((arithFlags() & ~FLAG_OF) | (carry ? FLAG_OF : 0))
}

@inline function addWith<T>(op: usize, memory: bool, carry: u32): bool {
  const a = load<T>(<usize>load<u16>(op, OP_REG))
  const b = readE<T>(op, memory)
  const sum = <T>(a + b + <T>carry)
  setG<T>(op, sum)
  return carry ? sum <= a : sum < a
}

// ---- BMI1 and BMI2: in a VEX prefix, which real and virtual-8086 mode have not ----

@inline function checkVex(): void {
  if (!protectedMode()) raiseNoError(EX_UD)
}

export function andn<T>(op: usize, memory: bool): void {
  checkVex()
  const value = <T>(~readB<T>(op) & readE<T>(op, memory))
  setG<T>(op, value)
  setLazy(signed<T>(value), false, false, false)
}

export function bextr<T>(op: usize, memory: bool): void {
  checkVex()
  const value = <u64>readE<T>(op, memory)
  const control = <u32>readB<T>(op)
  const start = <u64>(control & 0xff)
  const length = <u64>((control >> 8) & 0xff)
  let field = start < 64 ? value >> start : 0
  if (length < 64) field &= ((<u64>1) << length) - 1
  setG<T>(op, <T>field)
  setLazy(field ? 1 : 0, false, false, false)
}

/** VEX 0F38 F3: /1 BLSR, /2 BLSMSK, /3 BLSI. The register in VEX.vvvv is the target. */
export function lowest_bit<T>(op: usize, memory: bool, kind: u32): void {
  checkVex()
  const value = readE<T>(op, memory)
  const less = <T>(value - 1)
  const r = kind == 1 ? <T>(value & less) : kind == 2 ? <T>(value ^ less) : <T>(value & <T>(0 - value))
  setB<T>(op, r)
  setLazy(signed<T>(r), kind == 3 ? value != 0 : value == 0, false, false)
}

export function bzhi<T>(op: usize, memory: bool): void {
  checkVex()
  const value = readE<T>(op, memory)
  const n = <u32>readB<T>(op) & 0xff
  const r = n < bitsOf<T>() ? <T>(value & <T>(((<u64>1) << <u64>n) - 1)) : value
  setG<T>(op, r)
  setLazy(signed<T>(r), n >= bitsOf<T>(), false, false)
}

/** The upper half first into VEX.vvvv: where both targets are one register, the high half stays. */
export function mulx<T>(op: usize, memory: bool): void {
  checkVex()
  const a = <u64>load<T>(RDX)
  const b = <u64>readE<T>(op, memory)
  let low: u64
  let high: u64
  if (sizeof<T>() == 4) {
    const product = a * b
    low = product & 0xffffffff
    high = product >> 32
  } else {
    const a0 = a & 0xffffffff
    const a1 = a >> 32
    const b0 = b & 0xffffffff
    const b1 = b >> 32
    const middle = a1 * b0 + ((a0 * b0) >> 32)
    const other = a0 * b1 + (middle & 0xffffffff)
    low = a * b
    high = a1 * b1 + (middle >> 32) + (other >> 32)
  }
  setB<T>(op, <T>low)
  setG<T>(op, <T>high)
}

export function pdep<T>(op: usize, memory: bool): void {
  checkVex()
  let mask = <u64>readE<T>(op, memory)
  let source = <u64>readB<T>(op)
  let r: u64 = 0
  while (mask) {
    const lowest = mask & (0 - mask)
    if (source & 1) r |= lowest
    source >>= 1
    mask ^= lowest
  }
  setG<T>(op, <T>r)
}

export function pext<T>(op: usize, memory: bool): void {
  checkVex()
  let mask = <u64>readE<T>(op, memory)
  const source = <u64>readB<T>(op)
  let r: u64 = 0
  let at: u64 = 0
  while (mask) {
    const lowest = mask & (0 - mask)
    if (source & lowest) r |= (<u64>1) << at
    at++
    mask ^= lowest
  }
  setG<T>(op, <T>r)
}

export function rorx<T>(op: usize, memory: bool): void {
  checkVex()
  setG<T>(op, rotr<T>(readE<T>(op, memory), <T>(load<u8>(op, OP_IMM) & <u8>(bitsOf<T>() - 1))))
}

/** SHLX, SHRX, SARX. */
export function shift_E_B<T>(op: usize, memory: bool, kind: u32): void {
  checkVex()
  const value = readE<T>(op, memory)
  const n = <T>(readB<T>(op) & <T>(bitsOf<T>() - 1))
  let r: T
  if (kind == 0) r = <T>(value << n)
  else if (kind == 1) r = <T>(value >> n)
  else r = <T>(signed<T>(value) >> <i64>n)
  setG<T>(op, r)
}

// ---- random numbers ----

/** RDRAND and RDSEED: splitmix64 from a seed that is the same after every reset. Never out of numbers. */
export function random<T>(op: usize): void {
  asksOutside()
  const state = load<u64>(RANDOM_STATE) + 0x9e3779b97f4a7c15
  store<u64>(RANDOM_STATE, state)
  let z = state
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb
  z ^= z >> 31
  setGpr<T>(<usize>load<u16>(op, OP_RM), <T>z)
  setArithFlags(FLAG_CF)
}
