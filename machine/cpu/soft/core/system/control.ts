/** Control and debug registers (Intel SDM vol. 3, 2.5 and 18.2). */
import { asksOutside } from '../memory/kept-memory'
import { watchInstructions } from './debug'
import { raise, raiseNoError } from './fault'
import { has } from './features'
import {
  F_DE, F_FSGSBASE, F_FXSR, F_MCE, F_PAE, F_PCID, F_PGE, F_PSE, F_SMAP, F_SMEP, F_SSE, F_TSC, F_UMIP, F_VME, F_XSAVE,
} from '../generated/features'
import { tprRead, tprWrite } from '../host'
import { read, nonCanonical, wrapLinear, write } from '../memory/memory'
import { physRead } from '../memory/physical'
import { flushLocal, flushPage, flushTlb, privilegeChanged } from '../memory/tlb'
import { ea, OP_REG, OP_RM, opSeg } from '../execute/op'
import { operand16, setGpr } from '../execute/operand'
import { nextIp, stall } from '../execute/progress'
import { tell, TOLD_CR3, TOLD_PAGE } from './told'
import { ACC_LONG, code64, longMode, setSegmentBounds, updateMode } from './segment'
import {
  A20_MASK, CPL, CR0, CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG,
  CR0_TS, CR0_WP, CR2, CR3, CR4, CR4_DE, CR4_FSGSBASE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE,
  CR4_PCE, CR4_PCIDE, CR4_PGE, CR4_PSE, CR4_PVI, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, CR4_VME, CS, DR, EFER, EFER_LMA, EFER_LME, EX_DB, EX_GP, EX_UD, RIP, SEG_ACCESS, SEG_BASE,
} from '../state'

@inline export function ring0(): void {
  if (load<u32>(CPL)) raise(EX_GP, 0)
}

// ---- CR0, CR3, CR4 ----

const CR0_BITS: u32 =
  CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG

/** The four page-directory-pointer entries of PAE paging: false when a present one has reserved bits set. */
export function checkPdpt(cr3: u64): bool {
  for (let i: u64 = 0; i < 4; i++) {
    const at = ((cr3 & 0xffffffe0) + i * 8) & ~(<u64>((load<u32>(A20_MASK) ^ 1) << 20))
    const entry = physRead(at, 8)
    // Reserved: bits 2:1, 8:5 and what lies above the physical address width of 40.
    if (entry & 1 && entry & 0xffffff00000001e6) return false
  }
  return true
}

@inline function paePaging(cr0: u32, cr4: u32): bool {
  return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !(load<u32>(EFER) & EFER_LME)
}

export function writeCr0(value: u64): void {
  if (value >> 32) raise(EX_GP, 0)
  const old = load<u32>(CR0)
  const cr0 = (<u32>value & CR0_BITS) | CR0_ET
  if ((cr0 & CR0_PG && !(cr0 & CR0_PE)) || (cr0 & CR0_NW && !(cr0 & CR0_CD))) raise(EX_GP, 0)
  const changed = old ^ cr0
  const efer = load<u32>(EFER)
  const cr4 = load<u32>(CR4)
  let newEfer = efer
  if (changed & CR0_PG && efer & EFER_LME) {
    if (cr0 & CR0_PG) {
      if (!(cr4 & CR4_PAE) || load<u32>(CS, SEG_ACCESS) & ACC_LONG) raise(EX_GP, 0)
      newEfer |= EFER_LMA
    } else {
      if (code64() || cr4 & CR4_PCIDE) raise(EX_GP, 0)
      newEfer &= ~EFER_LMA
    }
  }
  if (changed & CR0_PG && paePaging(cr0, cr4) && !checkPdpt(load<u64>(CR3))) raise(EX_GP, 0)
  store<u64>(CR0, cr0)
  store<u32>(EFER, newEfer)
  // Without paging a translation is the address itself, whatever the mode.
  if (changed & CR0_PG || (changed & CR0_WP && cr0 & CR0_PG)) flushTlb()
  if (changed & CR0_PE) {
    if (!(cr0 & CR0_PE)) {
      // Real mode knows no privilege, and its CS is a segment like the others.
      store<u32>(CPL, 0)
      store<u32>(CS, (load<u32>(CS, SEG_ACCESS) & 0xf000) | 0x93, SEG_ACCESS)
      setSegmentBounds(CS)
    }
  }
  updateMode()
}

export function writeCr3(value: u64): void {
  let cr3 = longMode() ? value : value & 0xffffffff
  // Bit 63 only says that the PCID's translations may stay; there is none that would have to.
  if (load<u32>(CR4) & CR4_PCIDE) cr3 &= 0x7fffffffffffffff
  if (longMode() && cr3 >> 40) raise(EX_GP, 0)
  if (paePaging(load<u32>(CR0), load<u32>(CR4)) && !checkPdpt(cr3)) raise(EX_GP, 0)
  store<u64>(CR3, cr3)
  flushLocal()
}

/** The bits of CR4 whose features CPUID shows. */
export function cr4Bits(): u32 {
  let bits: u32 = 0
  if (has(F_TSC)) bits |= CR4_TSD | CR4_PCE
  if (has(F_FXSR)) bits |= CR4_OSFXSR
  if (has(F_SSE)) bits |= CR4_OSXMMEXCPT
  if (has(F_VME)) bits |= CR4_VME | CR4_PVI
  if (has(F_DE)) bits |= CR4_DE
  if (has(F_PSE)) bits |= CR4_PSE
  if (has(F_PAE)) bits |= CR4_PAE
  if (has(F_MCE)) bits |= CR4_MCE
  if (has(F_PGE)) bits |= CR4_PGE
  if (has(F_UMIP)) bits |= CR4_UMIP
  if (has(F_FSGSBASE)) bits |= CR4_FSGSBASE
  if (has(F_PCID)) bits |= CR4_PCIDE
  if (has(F_XSAVE)) bits |= CR4_OSXSAVE
  if (has(F_SMEP)) bits |= CR4_SMEP
  if (has(F_SMAP)) bits |= CR4_SMAP
  return bits
}

export function writeCr4(value: u64): void {
  if (value & ~(<u64>cr4Bits())) raise(EX_GP, 0)
  const cr4 = <u32>value
  const changed = load<u32>(CR4) ^ cr4
  if (longMode() && !(cr4 & CR4_PAE)) raise(EX_GP, 0)
  if (changed & cr4 & CR4_PCIDE && (!longMode() || load<u32>(CR3) & 0xfff)) raise(EX_GP, 0)
  const paging = CR4_PSE | CR4_PAE | CR4_PGE
  if (changed & paging && paePaging(load<u32>(CR0), cr4) && !checkPdpt(load<u64>(CR3))) raise(EX_GP, 0)
  store<u64>(CR4, cr4)
  if (changed & (paging | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) flushTlb()
  privilegeChanged()
}

/** 0F 20: OP_REG is the number of the control register. */
export function mov_R_C<T>(op: usize): void {
  let value: u64 = 0
  const n = load<u16>(op, OP_REG)
  if (n != 0 && n != 2 && n != 3 && n != 4 && !(n == 8 && code64())) raiseNoError(EX_UD)
  ring0()
  if (n == 0) value = load<u64>(CR0)
  else if (n == 2) value = load<u64>(CR2)
  else if (n == 3) value = load<u64>(CR3)
  else if (n == 4) value = load<u64>(CR4)
  else {
    asksOutside()
    value = tprRead()
  }
  store<u64>(<usize>load<u16>(op, OP_RM), <u64>(<T>value))
}

/** What forgetting translations takes, in instructions of 10 ns: more than a hundred cycles on any CPU, and here a while. */
const FLUSH_STALL: u64 = 10

/** 0F 22. */
export function mov_C_R<T>(op: usize): void {
  const n = load<u16>(op, OP_REG)
  if (n != 0 && n != 2 && n != 3 && n != 4 && !(n == 8 && code64())) raiseNoError(EX_UD)
  ring0()
  const value = <u64>load<T>(<usize>load<u16>(op, OP_RM))
  if (n == 0) writeCr0(value)
  else if (n == 2) store<u64>(CR2, value)
  else if (n == 3) {
    writeCr3(value)
    tell(TOLD_CR3, value, 0)
    stall(FLUSH_STALL)
  } else if (n == 4) writeCr4(value)
  else {
    if (value & ~15) raise(EX_GP, 0)
    asksOutside()
    tprWrite(<u32>value)
  }
  store<u64>(RIP, nextIp(op))
}

/** User-mode instruction prevention: the addresses of the system's tables are not for programs. */
export function checkUmip(): void {
  if (load<u32>(CR4) & CR4_UMIP && load<u32>(CPL) == 3) raise(EX_GP, 0)
}

/** 0F 01 /6: loads PE, MP, EM, TS; cannot clear PE. */
export function lmsw(op: usize, memory: bool): void {
  ring0()
  const value = <u32>operand16(op, memory)
  const old = load<u32>(CR0)
  writeCr0(<u64>((old & ~(CR0_MP | CR0_EM | CR0_TS)) | (value & 15)))
  store<u64>(RIP, nextIp(op))
}

/** 0F 01 /4: CR0, 16 bits of it to memory. */
export function smsw<T>(op: usize, memory: bool): void {
  checkUmip()
  if (memory) write<u16>(opSeg(op), ea(op), load<u16>(CR0))
  else setGpr<T>(<usize>load<u16>(op, OP_RM), load<T>(CR0))
}

/** 0F 06. */
export function clts(op: usize): void {
  ring0()
  store<u32>(CR0, load<u32>(CR0) & ~CR0_TS)
  store<u64>(RIP, nextIp(op))
}

/** 0F 01 /7. */
export function invlpg(op: usize): void {
  ring0()
  const linear = ea(op) + load<u64>(opSeg(op), SEG_BASE)
  flushPage(wrapLinear(linear))
  tell(TOLD_PAGE, wrapLinear(linear), 0)
  stall(FLUSH_STALL)
  store<u64>(RIP, nextIp(op))
}

/**
 * 66 0F 38 82. Type 0 is one address of one PCID; every other type flushes all. There are never another PCID's translations
 * than the present one's, and what is forgotten too early is only walked to again.
 */
export function invpcid<T>(op: usize): void {
  ring0()
  const type = load<u64>(<usize>load<u16>(op, OP_REG)) & (sizeof<T>() == 8 ? u64.MAX_VALUE : 0xffffffff)
  const seg = opSeg(op)
  const at = ea(op)
  const pcid = read<u64>(seg, at)
  const linear = read<u64>(seg, at + 8)
  if (type > 3) raise(EX_GP, 0)
  if (type < 2) {
    if (pcid >> 12 || (pcid && !(load<u32>(CR4) & CR4_PCIDE))) raise(EX_GP, 0)
    if (type == 0 && nonCanonical(linear)) raise(EX_GP, 0)
  }
  if (type == 0) flushPage(linear)
  else flushTlb()
  stall(FLUSH_STALL)
  store<u64>(RIP, nextIp(op))
}

// ---- debug registers ----

const DR6_FIXED: u32 = 0xffff0ff0
const DR6_BITS: u32 = 0xe00f
/** Bits 12:11 and 15:14 are 0, bit 10 is 1. */
const DR7_BITS: u32 = 0xffff27ff
const DR7_GD: u32 = 0x2000

/** Checks that the access is allowed and gives the register that `n` means. */
function debugRegister(n: u32): u32 {
  let index = n
  if (index > 7) raiseNoError(EX_UD)
  if (index == 4 || index == 5) {
    if (load<u32>(CR4) & CR4_DE) raiseNoError(EX_UD)
    index += 2
  }
  ring0()
  if (load<u32>(DR + 56) & DR7_GD) {
    store<u32>(DR + 48, load<u32>(DR + 48) | 0x2000)
    raiseNoError(EX_DB)
  }
  return index
}

/** 0F 21. */
export function mov_R_D<T>(op: usize): void {
  const n = debugRegister(load<u16>(op, OP_REG))
  store<u64>(<usize>load<u16>(op, OP_RM), <u64>(<T>load<u64>(DR + <usize>n * 8)))
}

/** 0F 23. */
export function mov_D_R<T>(op: usize): void {
  const n = debugRegister(load<u16>(op, OP_REG))
  const value = <u64>load<T>(<usize>load<u16>(op, OP_RM))
  if (n >= 6) {
    if (value >> 32) raise(EX_GP, 0)
    store<u64>(DR + <usize>n * 8, n == 6 ? (<u32>value & DR6_BITS) | DR6_FIXED : (<u32>value & DR7_BITS) | 0x400)
  } else store<u64>(DR + <usize>n * 8, value)
  // Pages with data breakpoints stay out of the TLBs.
  if (load<u32>(DR + 56) & 0xff || n == 7) flushTlb()
  watchInstructions()
  store<u64>(RIP, nextIp(op))
}
