/** SSE2 integer instructions on XMM registers. */
import { checkMmx, enterMmx, writeMmx } from './mmx'
import { lanes, shiftLanes } from './lanes'
import { readEa } from '../memory/memory'
import { OP_IMM } from '../execute/op'
import { checkSse, regU, regV, sourceW, store64Zero } from './xmm'

/** Two-operand lane operations (lanes.ts), logic on floats among them. */
export function packed_V_W(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  v128.store(d, lanes(kind, v128.load(d), b))
}

/** Shifts by the low 64 bits of the source. */
export function shift_V_W(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const count = <u64>i64x2.extract_lane(sourceW(op, mem), 0)
  const d = regV(op)
  v128.store(d, shiftLanes(kind, v128.load(d), count))
}

export function shift_U_I(op: usize, kind: u32): void {
  checkSse()
  const d = regU(op)
  v128.store(d, shiftLanes(kind, v128.load(d), load<u64>(op, OP_IMM)))
}

export function pslldq(op: usize): void {
  checkSse()
  const d = regU(op)
  const n = min<u64>(load<u64>(op, OP_IMM), 16) * 8
  const low = load<u64>(d)
  const high = load<u64>(d, 8)
  store<u64>(d, n > 63 ? 0 : low << n)
  store<u64>(d, n > 127 ? 0 : n > 63 ? low << (n - 64) : n ? (high << n) | (low >> (64 - n)) : high, 8)
}

export function psrldq(op: usize): void {
  checkSse()
  const d = regU(op)
  const n = min<u64>(load<u64>(op, OP_IMM), 16) * 8
  const low = load<u64>(d)
  const high = load<u64>(d, 8)
  store<u64>(d, n > 127 ? 0 : n > 63 ? high >> (n - 64) : n ? (low >> n) | (high << (64 - n)) : low)
  store<u64>(d, n > 63 ? 0 : high >> n, 8)
}

export function pinsrw_V_E(op: usize, mem: bool): void {
  checkSse()
  const value = mem ? readEa<u16>(op) : load<u16>(regU(op))
  store<u16>(regV(op) + ((<usize>load<u8>(op, OP_IMM) & 7) << 1), value)
}

export function pextrw_G_U(op: usize): void {
  checkSse()
  store<u64>(regV(op), <u64>load<u16>(regU(op) + ((<usize>load<u8>(op, OP_IMM) & 7) << 1)))
}

export function pmovmskb_G_U(op: usize): void {
  checkSse()
  store<u64>(regV(op), <u64>i8x16.bitmask(v128.load(regU(op))))
}

export function movdq2q(op: usize): void {
  checkSse()
  checkMmx()
  writeMmx(regV(op), load<u64>(regU(op)))
}

export function movq2dq(op: usize): void {
  checkSse()
  checkMmx()
  const value = load<u64>(regU(op))
  enterMmx()
  store64Zero(regV(op), value)
}
