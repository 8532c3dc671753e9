/** Operands of SSE instructions, and what each asks before it starts (Intel SDM vol. 3, 2.5 and 13.1). */
import { raise, raiseInsideNoError, raiseNoError } from '../system/fault'
import { gathering } from './float-sse'
import { linearOf, linearRead, linearWrite, probeWrite, readEa, wrapLinear } from '../memory/memory'
import { tlbEntry, tlbHits, tlbPlace, tlbRead, tlbWrite } from '../memory/tlb'
import { OP_REG, OP_RM, ea, opSeg } from '../execute/op'
import { CR0, CR0_EM, CR0_TS, CR4, CR4_OSFXSR, EX_GP, EX_NM, EX_UD } from '../state'

/** #UD where SSE is off (CR0.EM, CR4.OSFXSR), #NM where a task switch left the registers to another task. */
@inline export function checkSse(): void {
  if ((load<u32>(CR0) & (CR0_EM | CR0_TS)) | (~load<u32>(CR4) & CR4_OSFXSR)) refuseSse()
}

@noInline function refuseSse(): void {
  // VEX instructions ask for something else, and have done so.
  if (gathering) return
  if (load<u32>(CR0) & CR0_EM || !(load<u32>(CR4) & CR4_OSFXSR)) raiseNoError(EX_UD)
  raiseInsideNoError(EX_NM)
}

/** Address of the register in ModRM.reg. */
@inline export function regV(op: usize): usize {
  return load<u16>(op, OP_REG)
}

/** Address of the register in ModRM.rm. */
@inline export function regU(op: usize): usize {
  return load<u16>(op, OP_RM)
}

/** Reads 16 bytes; `aligned` forms fault where the address is not a multiple of 16. */
export function read128(seg: usize, offset: u64, aligned: bool): v128 {
  const linear = linearOf(seg, offset, 16, false)
  if (aligned && linear & 15) raise(EX_GP, 0)
  const e = tlbEntry(tlbRead, linear)
  if (tlbHits(e, linear, 16)) return v128.load(tlbPlace(e, linear))
  const low = linearRead<u64>(linear)
  const high = linearRead<u64>(wrapLinear(linear + 8))
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high)
}

export function write128(seg: usize, offset: u64, value: v128, aligned: bool): void {
  const linear = linearOf(seg, offset, 16, true)
  if (aligned && linear & 15) raise(EX_GP, 0)
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, 16)) {
    v128.store(tlbPlace(e, linear), value)
    return
  }
  // Across two pages both must take the write before either does.
  if ((linear & 0xfff) > 0xff0) probeWrite(seg, offset, 16)
  linearWrite<u64>(linear, <u64>i64x2.extract_lane(value, 0))
  linearWrite<u64>(wrapLinear(linear + 8), <u64>i64x2.extract_lane(value, 1))
}

/** The W operand of instructions that want it aligned. */
@inline export function sourceW(op: usize, mem: bool): v128 {
  return mem ? read128(opSeg(op), ea(op), true) : v128.load(regU(op))
}

@inline export function source64(op: usize, mem: bool): u64 {
  return mem ? readEa<u64>(op) : load<u64>(regU(op))
}

@inline export function source32(op: usize, mem: bool): u32 {
  return mem ? readEa<u32>(op) : load<u32>(regU(op))
}

/** 64 bits in the low half, zeros above. */
@inline export function store64Zero(register: usize, value: u64): void {
  store<u64>(register, value)
  store<u64>(register, 0, 8)
}
