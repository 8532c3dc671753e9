/** Segment register moves, HLT, BOUND, and the fast system calls (Intel SDM vol. 2; vol. 3, 5.8.7 and 5.8.8). */
import { ring0 } from './control'
import { ALL_FLAGS, changeFlags } from './eflags'
import { raise, raiseAtEnd, raiseLast, raiseLastNoError, raiseNoError } from './fault'
import { CPU_COUNT, OTHERS_RUN } from './features'
import { getFlags, setFlags } from '../integer/flags'
import { addSp, nonCanonical, peek, read, write } from '../memory/memory'
import { privilegeChanged } from '../memory/tlb'
import { ea, OP_ADDRESS_SHIFT, OP_REG, OP_RM, opSeg } from '../execute/op'
import {
  MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_STAR, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
} from './msr'
import { operand16, storeWord } from '../execute/operand'
import { breakSoon, instructionCount, nextIp } from '../execute/progress'
import { code64, loadSegment, longMode, segmentAddress, setBase, setFlat, updateMode } from './segment'
import {
  CPL, CR0, CR0_PE, CR4, CR4_FSGSBASE, CS, EFER, EFER_SCE, EX_BR, EX_GP, EX_UD, EXIT_REASON, EXIT_YIELD, FLAG_AC, FLAG_IF, FLAG_RF, FLAG_VM, GPR, GS, HALTED, ICOUNT_END, RAX, RCX,
  RDX, RFLAGS, RIP, RSP, SEG_BASE, SEG_SELECTOR, SHADOW, SP_MASK, SS, STACK_SEG,
} from '../state'

// ---- segment registers ----

/** 06 0E 16 1E, 0F A0, 0F A8. 64 bits are zero-extended; of 32 bits only 16 are written (Intel SDM vol. 2, PUSH). */
export function push_seg<T>(op: usize, seg: usize): void {
  const mask = load<u64>(SP_MASK)
  const sp = (load<u64>(RSP) - sizeof<T>()) & mask
  const selector = load<u16>(seg, SEG_SELECTOR)
  if (sizeof<T>() == 8) write<u64>(<usize>load<u32>(STACK_SEG), sp, selector)
  else write<u16>(<usize>load<u32>(STACK_SEG), sp, selector)
  store<u64>(RSP, (load<u64>(RSP) & ~mask) | sp)
}

/** 07 1F, 0F A1, 0F A9. */
export function pop_seg<T>(op: usize, seg: usize): void {
  loadSegment(seg, <u32>peek<u16>(0))
  addSp(sizeof<T>())
}

/** 17. The new SS may have another width: SP moves by the old one's. */
export function pop_ss<T>(op: usize): void {
  const mask = load<u64>(SP_MASK)
  const sp = load<u64>(RSP)
  loadSegment(SS, <u32>peek<u16>(0))
  store<u64>(RSP, (sp & ~mask) | ((sp + sizeof<T>()) & mask))
  store<u32>(SHADOW, 2)
  store<u64>(RIP, nextIp(op))
}

/** OP_REG is the number of a segment register, for which REX.R does not count (Intel SDM vol. 2, 2.2.1.2). */
@inline function segmentNumber(op: usize): u32 {
  return <u32>load<u16>(op, OP_REG) & 7
}

/** 8C. */
export function mov_E_S<T>(op: usize, memory: bool): void {
  const n = segmentNumber(op)
  if (n > 5) raiseNoError(EX_UD)
  storeWord<T>(op, memory, load<u16>(segmentAddress(n), SEG_SELECTOR))
}

/** 8E to ES, DS, FS, GS. */
export function mov_S_E(op: usize, memory: bool): void {
  loadSegment(segmentAddress(segmentNumber(op)), operand16(op, memory))
}

/** 8E /2: nothing comes between it and the next instruction, which loads ESP. */
export function mov_SS_E(op: usize, memory: bool): void {
  loadSegment(SS, operand16(op, memory))
  store<u32>(SHADOW, 2)
  store<u64>(RIP, nextIp(op))
}

// ---- odds and ends ----

/** F4. */
export function hlt(op: usize): void {
  if (load<u32>(CPL)) return raiseLast(EX_GP, 0)
  store<u32>(HALTED, 1)
  store<u64>(RIP, nextIp(op))
}

/** F3 90. A CPU that spins waits for another one: where another one has something to do, its turn is now. */
export function pause(): void {
  if (!load<u32>(OTHERS_RUN)) return
  store<u32>(EXIT_REASON, EXIT_YIELD)
  // Without an end of the budget the run loop would go on with the next block.
  store<u64>(ICOUNT_END, instructionCount() + 1)
  breakSoon()
}

/** INVD and WBINVD: there are no caches. */
export function invd(op: usize): void {
  ring0()
}

/** What the opcode table does not have. */
export function invalidOpcode(): void {
  raiseLastNoError(EX_UD)
}

/** UD0, UD1, UD2. */
export function ud(op: usize): void {
  raiseAtEnd(EX_UD)
}

/** 62 outside 64-bit mode. */
export function bound<T>(op: usize): void {
  const seg = opSeg(op)
  const at = ea(op)
  let index: i32
  let lower: i32
  let upper: i32
  if (sizeof<T>() == 2) {
    index = load<i16>(<usize>load<u16>(op, OP_REG))
    lower = <i32>(<i16>read<u16>(seg, at))
    upper = <i32>(<i16>read<u16>(seg, at + 2))
  } else {
    index = load<i32>(<usize>load<u16>(op, OP_REG))
    lower = <i32>read<u32>(seg, at)
    upper = <i32>read<u32>(seg, at + 4)
  }
  if (index < lower || index > upper) raiseLastNoError(EX_BR)
}

// ---- fast system calls ----

// Access of the flat segments that they make.
const CODE_32: u32 = 0xc09b
const CODE_64: u32 = 0xa09b
const DATA: u32 = 0xc093
const RING_3: u32 = 0x60

function enterFlat(cs: u32, codeAccess: u32, ss: u32, cpl: u32, ip: u64): void {
  const ring = cpl == 3 ? RING_3 : 0
  setFlat(CS, cs, codeAccess | ring)
  setFlat(SS, ss, DATA | ring)
  store<u32>(CPL, cpl)
  store<u64>(RIP, ip)
  updateMode()
}

/** 0F 34. */
export function sysenter(op: usize): void {
  const cs = load<u32>(MSR_SYSENTER_CS)
  if (!(load<u32>(CR0) & CR0_PE) || !(cs & 0xfffc)) raise(EX_GP, 0)
  store<u32>(RFLAGS, load<u32>(RFLAGS) & ~(FLAG_VM | FLAG_IF | FLAG_RF))
  const long = longMode()
  const mask: u64 = long ? u64.MAX_VALUE : 0xffffffff
  store<u64>(RSP, load<u64>(MSR_SYSENTER_ESP) & mask)
  enterFlat(cs & 0xfffc, long ? CODE_64 : CODE_32, (cs & 0xfffc) + 8, 0, load<u64>(MSR_SYSENTER_EIP) & mask)
}

/** 0F 35. */
export function sysexit<T>(op: usize): void {
  const cs = load<u32>(MSR_SYSENTER_CS) & 0xfffc
  if (!(load<u32>(CR0) & CR0_PE) || load<u32>(CPL) || !cs) raise(EX_GP, 0)
  const long = sizeof<T>() == 8
  const ip = long ? load<u64>(RDX) : <u64>load<u32>(RDX)
  const sp = long ? load<u64>(RCX) : <u64>load<u32>(RCX)
  if (long && (nonCanonical(ip) || nonCanonical(sp))) raise(EX_GP, 0)
  store<u64>(RSP, sp)
  const base = cs + (long ? 32 : 16)
  enterFlat(base | 3, long ? CODE_64 : CODE_32, (base + 8) | 3, 3, ip)
}

/** 0F 05, 64-bit mode only. */
export function syscall(op: usize): void {
  if (!(load<u32>(EFER) & EFER_SCE) || !code64()) raiseNoError(EX_UD)
  const flags = getFlags()
  store<u64>(RCX, nextIp(op))
  store<u64>(GPR + 11 * 8, flags & ~FLAG_RF)
  setFlags(flags & ~(load<u32>(MSR_FMASK) | FLAG_RF))
  const cs = (load<u32>(MSR_STAR, 4) & 0xffff) & 0xfffc
  enterFlat(cs, CODE_64, cs + 8, 0, load<u64>(MSR_LSTAR))
}

/** 0F 07, 64-bit mode only. */
export function sysret<T>(op: usize): void {
  if (!(load<u32>(EFER) & EFER_SCE) || !code64()) raiseNoError(EX_UD)
  if (load<u32>(CPL)) raise(EX_GP, 0)
  const long = sizeof<T>() == 8
  const ip = long ? load<u64>(RCX) : <u64>load<u32>(RCX)
  if (long && nonCanonical(ip)) raise(EX_GP, 0)
  changeFlags(load<u32>(GPR + 11 * 8) & ~(FLAG_RF | FLAG_VM), ALL_FLAGS)
  const base = load<u32>(MSR_STAR, 4) >> 16
  enterFlat((base + (long ? 16 : 0)) | 3, long ? CODE_64 : CODE_32, (base + 8) | 3, 3, ip)
}

/** 0F 01 CA and CB. */
export function clac_stac(op: usize, on: bool): void {
  if (load<u32>(CPL)) raiseNoError(EX_UD)
  const flags = load<u32>(RFLAGS) & ~FLAG_AC
  store<u32>(RFLAGS, on ? flags | FLAG_AC : flags)
  privilegeChanged()
}

/** 0F 01 C8: only the address is looked at. */
export function monitor(op: usize): void {
  if (load<u32>(CPL)) raiseNoError(EX_UD)
  if (load<u32>(RCX)) raise(EX_GP, 0)
  const mask = u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT))
  read<u8>(opSeg(op), load<u64>(RAX) & mask)
}

/**
 * 0F 01 C9. With one CPU only an interrupt can end the wait, so it is HLT; where none can come it ends at once, as it may
 * for any reason.
 */
export function mwait(op: usize): void {
  if (load<u32>(CPL)) raiseNoError(EX_UD)
  if (load<u32>(RCX)) raise(EX_GP, 0)
  if (load<u32>(RFLAGS) & FLAG_IF && load<u32>(CPU_COUNT) <= 1) store<u32>(HALTED, 1)
  store<u64>(RIP, nextIp(op))
}

@inline function checkFsGsBase(): void {
  if (!(load<u32>(CR4) & CR4_FSGSBASE)) raiseNoError(EX_UD)
}

/** F3 0F AE /0 and /1. */
export function rd_base<T>(op: usize, seg: usize): void {
  checkFsGsBase()
  store<u64>(<usize>load<u16>(op, OP_RM), <u64>load<T>(seg, SEG_BASE))
}

/** F3 0F AE /2 and /3. */
export function wr_base<T>(op: usize, seg: usize): void {
  checkFsGsBase()
  const base = <u64>load<T>(<usize>load<u16>(op, OP_RM))
  if (nonCanonical(base)) raise(EX_GP, 0)
  setBase(seg, base)
}

/** 0F 01 F8, 64-bit mode only. */
export function swapgs(op: usize): void {
  ring0()
  const base = load<u64>(GS, SEG_BASE)
  setBase(GS, load<u64>(MSR_KERNEL_GS_BASE))
  store<u64>(MSR_KERNEL_GS_BASE, base)
}
