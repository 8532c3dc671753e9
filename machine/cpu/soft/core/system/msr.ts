/** Model-specific registers (Intel SDM vol. 4) and the time stamp counter. */
import { ring0 } from './control'
import { raise } from './fault'
import { has } from './features'
import { F_ARCH_CAPABILITIES, F_BHI_CTRL, F_LM, F_NX, F_RDTSCP, F_SPEC_CTRL, F_SYSCALL, F_TSC_ADJUST, F_TSC_DEADLINE, F_X2APIC } from '../generated/features'
import { msrHigh, msrLow, msrRead, msrWrite, warn, WARN_UNKNOWN_MSR } from '../host'
import { nonCanonical } from '../memory/memory'
import { flushTlb } from '../memory/tlb'
import { OP_RM } from '../execute/op'
import { asksOutside } from '../memory/kept-memory'
import { setGpr } from '../execute/operand'
import { instructionCount, nextIp, stall } from '../execute/progress'
import { setSegmentBounds } from './segment'
import { tell, TOLD_MSR } from './told'
import {
  CPL, CR0, CR0_PG, CR4, CR4_PCE, CR4_TSD, EFER, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, EX_GP, FS, GS,
  MSR_AREA, RAX, RCX, RDX, RIP, SEG_BASE, STALLED, TSC_OFFSET, TSC_SKIPPED,
} from '../state'

/** TSC ticks for each retired instruction: an instruction is 10 ns of guest time, the TSC runs at 1 GHz. */
export const TSC_PER_INSTRUCTION: u64 = 10

/** The Pentium's machine check registers: every CPU with MCE has them, and Plan 9 reads them. */
const IA32_P5_MC_ADDR: u32 = 0x0
const IA32_P5_MC_TYPE: u32 = 0x1
const IA32_TIME_STAMP_COUNTER: u32 = 0x10
const IA32_PLATFORM_ID: u32 = 0x17
const IA32_APIC_BASE: u32 = 0x1b
const IA32_TSC_ADJUST: u32 = 0x3b
const IA32_BIOS_UPDT_TRIG: u32 = 0x79
const IA32_BIOS_SIGN_ID: u32 = 0x8b
const IA32_MTRRCAP: u32 = 0xfe
const IA32_SYSENTER_CS: u32 = 0x174
const IA32_SYSENTER_ESP: u32 = 0x175
const IA32_SYSENTER_EIP: u32 = 0x176
const IA32_MCG_CAP: u32 = 0x179
const IA32_MCG_STATUS: u32 = 0x17a
const IA32_MISC_ENABLE: u32 = 0x1a0
const IA32_DEBUGCTL: u32 = 0x1d9
const LAST_BRANCH_FROM: u32 = 0x1db
const LAST_INT_TO: u32 = 0x1de
const IA32_MTRR_PHYSBASE0: u32 = 0x200
const IA32_MTRR_PHYSMASK7: u32 = 0x20f
const IA32_MTRR_FIX64K: u32 = 0x250
const IA32_MTRR_FIX16K_80000: u32 = 0x258
const IA32_MTRR_FIX16K_A0000: u32 = 0x259
const IA32_MTRR_FIX4K_C0000: u32 = 0x268
const IA32_MTRR_FIX4K_F8000: u32 = 0x26f
const IA32_PAT: u32 = 0x277
const IA32_MTRR_DEF_TYPE: u32 = 0x2ff
const IA32_TSC_DEADLINE: u32 = 0x6e0
const X2APIC_FIRST: u32 = 0x800
const X2APIC_LAST: u32 = 0x8ff
const IA32_EFER: u32 = 0xc0000080
const IA32_STAR: u32 = 0xc0000081
const IA32_LSTAR: u32 = 0xc0000082
const IA32_CSTAR: u32 = 0xc0000083
const IA32_FMASK: u32 = 0xc0000084
const IA32_FS_BASE: u32 = 0xc0000100
const IA32_GS_BASE: u32 = 0xc0000101
const IA32_KERNEL_GS_BASE: u32 = 0xc0000102
const IA32_TSC_AUX: u32 = 0xc0000103
const IA32_SPEC_CTRL: u32 = 0x48
const IA32_PRED_CMD: u32 = 0x49
const IA32_ARCH_CAPABILITIES: u32 = 0x10a

// Where they are kept.
export const MSR_SYSENTER_CS: usize = MSR_AREA
export const MSR_SYSENTER_ESP: usize = MSR_AREA + 8
export const MSR_SYSENTER_EIP: usize = MSR_AREA + 16
export const MSR_PAT: usize = MSR_AREA + 24
export const MSR_MTRR_DEF_TYPE: usize = MSR_AREA + 32
export const MSR_MISC_ENABLE: usize = MSR_AREA + 40
export const MSR_BIOS_SIGN_ID: usize = MSR_AREA + 48
export const MSR_STAR: usize = MSR_AREA + 56
export const MSR_LSTAR: usize = MSR_AREA + 64
export const MSR_CSTAR: usize = MSR_AREA + 72
export const MSR_FMASK: usize = MSR_AREA + 80
export const MSR_KERNEL_GS_BASE: usize = MSR_AREA + 88
export const MSR_DEBUGCTL: usize = MSR_AREA + 96
export const MSR_TSC_AUX: usize = MSR_AREA + 104
export const MSR_TSC_ADJUST: usize = MSR_AREA + 112
export const MSR_SPEC_CTRL: usize = MSR_AREA + 120
/** 250, 258, 259, 268 to 26f. */
export const MSR_MTRR_FIXED: usize = MSR_AREA + 128
/** 200 to 20f. */
export const MSR_MTRR_PHYS: usize = MSR_AREA + 256

const PAT_AT_RESET: u64 = 0x0007040600070406
/** Fast strings. */
const MISC_ENABLE_AT_RESET: u64 = 1
/** Eight variable ranges, fixed ranges, write-combining. */
const MTRRCAP: u64 = 0x508
/**
 * None of the faults in speculation: RDCL, L1TF (SKIP_L1DFL), SSB, MDS, page size change, TAA, MMIO stale data (three
 * bits), BHI, PBRSB, GDS, RFDS, ITS. Guests that are not told so jump to each place, and return, by way of a thunk.
 */
const ARCH_CAPABILITIES: u64 = 0x400000000d10e179
/** IBRS is set once and not at each entry of the kernel. */
const ARCH_CAPABILITIES_IBRS_ALL: u64 = 2
/** IBRS; STIBP is accepted with it (Intel, Speculative Execution Side Channel Mitigations, 336996, 2.4). */
const SPEC_CTRL_BITS: u64 = 3
/** BHI_DIS_S: instead of loops that fill the history of branches. */
const SPEC_CTRL_BHI_DIS_S: u64 = 0x400
const PRED_CMD_IBPB: u64 = 1
/** Bits above the physical address width of 40. */
const ABOVE_PHYSICAL: u64 = 0xffffff0000000000

/** Ticks since power-on: they run alike on all CPUs. */
function ticks(): u64 {
  return (instructionCount() + load<u64>(STALLED)) * TSC_PER_INSTRUCTION + load<u64>(TSC_SKIPPED)
}

export function readTsc(): u64 {
  asksOutside()
  return ticks() + load<u64>(TSC_OFFSET)
}

export function writeTsc(value: u64): void {
  store<u64>(TSC_OFFSET, value - ticks())
}

/** MSRs at power-on. INIT leaves them alone. */
export function resetMsrs(): void {
  memory.fill(MSR_AREA, 0, 0x400)
  store<u64>(MSR_PAT, PAT_AT_RESET)
  store<u64>(MSR_MISC_ENABLE, MISC_ENABLE_AT_RESET)
}

/** The bits of EFER that the model knows; 0 where it has no EFER. */
function eferBits(): u32 {
  let bits: u32 = 0
  if (has(F_SYSCALL)) bits |= EFER_SCE
  if (has(F_LM)) bits |= EFER_LME | EFER_LMA
  if (has(F_NX)) bits |= EFER_NXE
  return bits
}

/** Address of the storage of MSR `index` where it is plain storage, else 0. What engines save and restore. */
export function msrStorage(index: u32): usize {
  if (index >= IA32_MTRR_PHYSBASE0 && index <= IA32_MTRR_PHYSMASK7) {
    return MSR_MTRR_PHYS + ((index - IA32_MTRR_PHYSBASE0) << 3)
  }
  if (index == IA32_MTRR_FIX64K) return MSR_MTRR_FIXED
  if (index == IA32_MTRR_FIX16K_80000) return MSR_MTRR_FIXED + 8
  if (index == IA32_MTRR_FIX16K_A0000) return MSR_MTRR_FIXED + 16
  if (index >= IA32_MTRR_FIX4K_C0000 && index <= IA32_MTRR_FIX4K_F8000) {
    return MSR_MTRR_FIXED + 24 + ((index - IA32_MTRR_FIX4K_C0000) << 3)
  }
  switch (index) {
    case IA32_SYSENTER_CS:
      return MSR_SYSENTER_CS
    case IA32_SYSENTER_ESP:
      return MSR_SYSENTER_ESP
    case IA32_SYSENTER_EIP:
      return MSR_SYSENTER_EIP
    case IA32_PAT:
      return MSR_PAT
    case IA32_MTRR_DEF_TYPE:
      return MSR_MTRR_DEF_TYPE
    case IA32_MISC_ENABLE:
      return MSR_MISC_ENABLE
    case IA32_BIOS_SIGN_ID:
      return MSR_BIOS_SIGN_ID
    case IA32_DEBUGCTL:
      return MSR_DEBUGCTL
    case IA32_STAR:
      return has(F_SYSCALL) ? MSR_STAR : 0
    case IA32_LSTAR:
      return has(F_LM) ? MSR_LSTAR : 0
    case IA32_CSTAR:
      return has(F_LM) ? MSR_CSTAR : 0
    case IA32_FMASK:
      return has(F_SYSCALL) ? MSR_FMASK : 0
    case IA32_KERNEL_GS_BASE:
      return has(F_LM) ? MSR_KERNEL_GS_BASE : 0
    case IA32_FS_BASE:
      return has(F_LM) ? FS + SEG_BASE : 0
    case IA32_GS_BASE:
      return has(F_LM) ? GS + SEG_BASE : 0
    case IA32_TSC_AUX:
      return has(F_RDTSCP) ? MSR_TSC_AUX : 0
    case IA32_TSC_ADJUST:
      return has(F_TSC_ADJUST) ? MSR_TSC_ADJUST : 0
    case IA32_SPEC_CTRL:
      return has(F_SPEC_CTRL) ? MSR_SPEC_CTRL : 0
  }
  return 0
}

/** The registers of the x2APIC, and the deadline of the local APIC's timer. */
function ofApic(index: u32): bool {
  if (index == IA32_TSC_DEADLINE) return has(F_TSC_DEADLINE)
  return index >= X2APIC_FIRST && index <= X2APIC_LAST && has(F_X2APIC)
}

function apicMsr(index: u32): u64 {
  asksOutside()
  if (!msrRead(index)) raise(EX_GP, 0)
  return <u64>msrLow() | (<u64>msrHigh() << 32)
}

function readMsr(index: u32): u64 {
  switch (index) {
    case IA32_TIME_STAMP_COUNTER:
      return readTsc()
    case IA32_APIC_BASE:
      return apicMsr(index)
    case IA32_MTRRCAP:
      return MTRRCAP
    case IA32_PLATFORM_ID:
    case IA32_P5_MC_ADDR:
    case IA32_P5_MC_TYPE:
    case IA32_MCG_CAP:
    case IA32_MCG_STATUS:
      return 0
    case IA32_ARCH_CAPABILITIES:
      if (has(F_ARCH_CAPABILITIES)) return ARCH_CAPABILITIES | (has(F_SPEC_CTRL) ? ARCH_CAPABILITIES_IBRS_ALL : 0)
      break
    case IA32_EFER:
      if (eferBits()) return load<u64>(EFER)
      break
  }
  if (index >= LAST_BRANCH_FROM && index <= LAST_INT_TO) return 0
  if (ofApic(index)) return apicMsr(index)
  const at = msrStorage(index)
  if (at) return load<u64>(at)
  warn(WARN_UNKNOWN_MSR, index)
  raise(EX_GP, 0)
  return 0
}

/** UC, WC, WT, WP, WB; PAT also has UC-. */
function validType(type: u32, pat: bool): bool {
  return type == 0 || type == 1 || type == 4 || type == 5 || type == 6 || (pat && type == 7)
}

function validTypes(value: u64, pat: bool): bool {
  for (let i: u64 = 0; i < 64; i += 8) if (!validType(<u32>(value >> i) & 0xff, pat)) return false
  return true
}

/** False where WRMSR of this value to a storage MSR is #GP. */
function validMsr(index: u32, value: u64): bool {
  if (index >= IA32_MTRR_PHYSBASE0 && index <= IA32_MTRR_PHYSMASK7) {
    if (index & 1) return !(value & (ABOVE_PHYSICAL | 0x7ff))
    return !(value & (ABOVE_PHYSICAL | 0xf00)) && validType(<u32>value & 0xff, false)
  }
  if (index >= IA32_MTRR_FIX64K && index <= IA32_MTRR_FIX4K_F8000) return validTypes(value, false)
  switch (index) {
    case IA32_PAT:
      return validTypes(value, true)
    case IA32_MTRR_DEF_TYPE:
      return !(value & ~0xcff) && validType(<u32>value & 0xff, false)
    case IA32_LSTAR:
    case IA32_CSTAR:
    case IA32_FS_BASE:
    case IA32_GS_BASE:
    case IA32_KERNEL_GS_BASE:
    case IA32_SYSENTER_ESP:
    case IA32_SYSENTER_EIP:
      return !nonCanonical(value)
    case IA32_SYSENTER_CS:
    case IA32_FMASK:
    case IA32_TSC_AUX:
      return value >> 32 == 0
    case IA32_SPEC_CTRL:
      return !(value & ~(SPEC_CTRL_BITS | (has(F_BHI_CTRL) ? SPEC_CTRL_BHI_DIS_S : 0)))
  }
  return true
}

function writeEfer(value: u64): void {
  const old = load<u32>(EFER)
  const bits = eferBits()
  if (!bits || value & ~(<u64>bits)) raise(EX_GP, 0)
  const efer = (<u32>value & ~EFER_LMA) | (old & EFER_LMA)
  // LME may not change while paging is on.
  if ((efer ^ old) & EFER_LME && load<u32>(CR0) & CR0_PG) raise(EX_GP, 0)
  store<u64>(EFER, efer)
  if ((efer ^ old) & EFER_NXE) flushTlb()
}

/** WRMSR is serializing and takes some 200 cycles: who measures what moving the TSC costs is to see that. */
const MOVE_STALL: u64 = 20

/** Software moves the TSC: IA32_TSC_ADJUST is the sum of all such moves (Intel SDM vol. 3, 18.17.3). */
function moveTsc(by: u64): void {
  const value = readTsc() + by
  writeTsc(value)
  store<u64>(MSR_TSC_ADJUST, load<u64>(MSR_TSC_ADJUST) + by)
  // The local APIC's timer may wait for a value of it.
  asksOutside()
  if (has(F_TSC_DEADLINE)) msrWrite(IA32_TIME_STAMP_COUNTER, <u32>value, <u32>(value >> 32))
  stall(MOVE_STALL)
}

function writeMsr(index: u32, value: u64): void {
  switch (index) {
    case IA32_TIME_STAMP_COUNTER:
      moveTsc(value - readTsc())
      return
    case IA32_TSC_ADJUST:
      if (!has(F_TSC_ADJUST)) break
      moveTsc(value - load<u64>(MSR_TSC_ADJUST))
      return
    case IA32_APIC_BASE:
      // BSP (8), x2APIC (10), enable (11) and the base. What the local APIC makes of them is its affair.
      if (value & (ABOVE_PHYSICAL | 0x2ff) || (value & 0x400 && !has(F_X2APIC))) raise(EX_GP, 0)
      asksOutside()
      if (!msrWrite(index, <u32>value, <u32>(value >> 32))) raise(EX_GP, 0)
      return
    case IA32_EFER:
      writeEfer(value)
      return
    case IA32_P5_MC_ADDR:
    case IA32_P5_MC_TYPE:
    case IA32_BIOS_UPDT_TRIG:
    case IA32_MCG_STATUS:
      return
    case IA32_PRED_CMD:
      // It cannot be read, and there are no predictions to forget.
      if (!has(F_SPEC_CTRL)) break
      if (value & ~PRED_CMD_IBPB) raise(EX_GP, 0)
      return
    case IA32_BIOS_SIGN_ID:
      // Software clears it, CPUID would load the update's signature: there is none.
      store<u64>(MSR_BIOS_SIGN_ID, 0)
      return
  }
  if (ofApic(index)) {
    asksOutside()
    if (!msrWrite(index, <u32>value, <u32>(value >> 32))) raise(EX_GP, 0)
    return
  }
  const at = msrStorage(index)
  if (!at) {
    warn(WARN_UNKNOWN_MSR, index)
    raise(EX_GP, 0)
  }
  if (!validMsr(index, value)) raise(EX_GP, 0)
  store<u64>(at, value)
  if (index == IA32_FS_BASE) setSegmentBounds(FS)
  else if (index == IA32_GS_BASE) setSegmentBounds(GS)
}

/** 0F 32. */
export function rdmsr(op: usize): void {
  ring0()
  const value = readMsr(load<u32>(RCX))
  setGpr<u32>(RAX, <u32>value)
  setGpr<u32>(RDX, <u32>(value >> 32))
  tell(TOLD_MSR, load<u32>(RCX), 0)
}

/** 0F 30. */
export function wrmsr(op: usize): void {
  ring0()
  writeMsr(load<u32>(RCX), (<u64>load<u32>(RDX) << 32) | load<u32>(RAX))
  store<u64>(RIP, nextIp(op))
  tell(TOLD_MSR, load<u32>(RCX), 1)
}

/** 0F 31. */
export function rdtsc(op: usize): void {
  if (load<u32>(CR4) & CR4_TSD && load<u32>(CPL)) raise(EX_GP, 0)
  const tsc = readTsc()
  setGpr<u32>(RAX, <u32>tsc)
  setGpr<u32>(RDX, <u32>(tsc >> 32))
}

/** 0F 01 F9. */
export function rdtscp(op: usize): void {
  rdtsc(op)
  setGpr<u32>(RCX, load<u32>(MSR_TSC_AUX))
}

/** F3 0F C7 /7. */
export function rdpid(op: usize): void {
  store<u64>(<usize>load<u16>(op, OP_RM), <u64>load<u32>(MSR_TSC_AUX))
}

/** 0F 33: two counters that never count. */
export function rdpmc(op: usize): void {
  if (load<u32>(CPL) && !(load<u32>(CR4) & CR4_PCE)) raise(EX_GP, 0)
  if (load<u32>(RCX) > 1) raise(EX_GP, 0)
  setGpr<u32>(RAX, 0)
  setGpr<u32>(RDX, 0)
}
