/**
 * Interrupts and exceptions: from a vector to the first instruction of its handler (Intel SDM vol. 3, chapter 6; 20.2
 * and 20.3 for virtual-8086 mode).
 *
 * While a delivery is under way DELIVERING is 1 (INT n, INT3, INTO) or 2 (everything else: error codes of faults on the
 * way carry the EXT bit) and DELIVERING_VECTOR is the exception's vector, or NO_VECTOR for interrupts, which are benign
 * in the double-fault table. A fault on the way unwinds like any other; deliverException() then finds DELIVERING set.
 * A delivery commits nothing before its last access to memory has succeeded.
 */
import { iopl, virtualFlags } from './eflags'
import { raise, raiseLast } from './fault'
import { noteFault } from './fault-log'
import { arithFlags, getFlags } from '../integer/flags'
import { unwind } from '../host'
import { tell, TOLD_HANDLER, TOLD_INTERRUPT } from './told'
import { linearRead } from '../memory/memory'
import { OP_IMM } from '../execute/op'
import { nextIp, syncForFault } from '../execute/progress'
import {
  checkCodeOffset, descDpl, descHigh, descIsCode, descIsConforming, descIsSystem, descPresent, descType,
  fetchDescriptor, longMode, NEW_CS, prepare, setAccessed, setNull, setReal, setVirtual8086, tableRead,
  TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS32, updateMode, virtual8086,
} from './segment'
import {
  frameBegin, frameBeginInner, frameBeginLong, frameCommit, framePrepareCommit, framePush, innerStack,
  interruptStackTable,
} from '../memory/stack-frame'
import {
  ATTENTION, ATTN_STEP, CPL, CR0, CR0_PE, CR4, CR4_VME, CS, DELIVERING, DELIVERING_VECTOR, DR, DS, ES, EXIT_REASON,
  EXIT_SHUTDOWN, EX_BP, EX_DB, EX_DF, EX_GP, EX_MC, EX_NMI, EX_NP, EX_OF, EX_PF, EX_TS, FLAG_AC, FLAG_IF, FLAG_NT,
  FLAG_OF, FLAG_RF, FLAG_TF, FLAG_VIF, FLAG_VM, FS, GS, HALTED, ICOUNT, IDTR_BASE, IDTR_LIMIT, NMI_MASKED, NO_VECTOR,
  PENDING_ERROR, PENDING_HAS_ERROR, PENDING_VECTOR, RFLAGS, RIP, RSP, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR,
  SHADOW, SS, TR,
} from '../state'
import { switchTask, TASK_CALL } from './task'
import { enterCode } from './transfer'

/** From the INTR or NMI pin. */
export const KIND_EXTERNAL: u32 = 0
/** INT n. */
export const KIND_SOFTWARE: u32 = 1
/** INT3 and INTO: the gate's DPL counts, IOPL does not. */
export const KIND_BREAKPOINT: u32 = 2
/** INT1 (ICEBP): no DPL check. */
export const KIND_ICEBP: u32 = 3
const KIND_EXCEPTION: u32 = 4

// ---- entries from the run loop and from handlers ----

/** Delivers the exception in PENDING_*: weighed against the one under delivery, if any. Shutdown sets EXIT_REASON. */
export function deliverException(): void {
  let vector = load<u32>(PENDING_VECTOR)
  let errorCode = load<u32>(PENDING_ERROR)
  let hasError = load<u32>(PENDING_HAS_ERROR) != 0
  store<u32>(PENDING_VECTOR, NO_VECTOR)
  noteFault(vector, hasError, errorCode)
  const delivering = load<u32>(DELIVERING)
  if (delivering) {
    const first = load<u32>(DELIVERING_VECTOR)
    if (isDoubleFault(first, vector)) {
      if (first == EX_DF) {
        store<u32>(DELIVERING, 0)
        store<u32>(EXIT_REASON, EXIT_SHUTDOWN)
        return
      }
      vector = EX_DF
      errorCode = 0
      hasError = true
      noteFault(vector, hasError, errorCode)
    } else if (delivering == 2 && vector >= EX_TS && vector <= EX_GP) errorCode |= 1
  }
  deliver(vector, KIND_EXCEPTION, hasError, errorCode)
}

export function deliverInterrupt(vector: u32, kind: u32): void {
  deliver(vector, kind, false, 0)
}

export function deliverNmi(): void {
  store<u32>(NMI_MASKED, 1)
  deliver(EX_NMI, KIND_EXTERNAL, false, 0)
}

/** #DB as a trap; DR6 says why already. */
export function deliverDebugTrap(): void {
  deliver(EX_DB, KIND_EXCEPTION, false, 0)
}

// ---- the double-fault table (6.15, table 6-5) ----

@inline function contributory(vector: u32): bool {
  return vector == 0 || (vector >= EX_TS && vector <= EX_GP)
}

function isDoubleFault(first: u32, second: u32): bool {
  if (first == EX_PF || first == EX_DF) return contributory(second) || second == EX_PF
  return contributory(first) && contributory(second)
}

// ---- delivery ----

/** Faults leave RF set in the flags that they push, so that the instruction can be resumed past a breakpoint. */
function pushesResumeFlag(vector: u32): bool {
  return vector != EX_DB && vector != EX_BP && vector != EX_OF && vector != EX_DF && vector != EX_MC
}

function deliver(vector: u32, kind: u32, hasError: bool, errorCode: u32): void {
  const software: u32 = kind == KIND_SOFTWARE || kind == KIND_BREAKPOINT ? 1 : 0
  tell(TOLD_INTERRUPT, vector, software | (hasError ? 2 | (errorCode << 16) : 0))
  store<u32>(DELIVERING, kind == KIND_SOFTWARE || kind == KIND_BREAKPOINT ? 1 : 2)
  store<u32>(DELIVERING_VECTOR, kind == KIND_EXCEPTION ? vector : NO_VECTOR)
  let flags = getFlags()
  if (kind == KIND_EXCEPTION && pushesResumeFlag(vector)) flags |= FLAG_RF
  if (!(load<u32>(CR0) & CR0_PE)) throughVectorTable(vector, flags, false)
  else if (kind == KIND_SOFTWARE && virtual8086() && redirected(vector)) throughVectorTable(vector, flags, true)
  else if (longMode()) throughLongGate(vector, kind, hasError, errorCode, flags)
  else throughGate(vector, kind, hasError, errorCode, flags)
  store<u32>(DELIVERING, 0)
  store<u32>(SHADOW, 0)
  store<u32>(HALTED, 0)
  if (vector == EX_DB && (kind == KIND_EXCEPTION || kind == KIND_ICEBP)) {
    // General detect is off in the debug handler.
    store<u32>(DR + 56, load<u32>(DR + 56) & ~0x2000)
  }
  tell(TOLD_HANDLER, vector, 0)
}

/** IVT: real mode, and INT n that VME redirects to the 8086 program's own handler. */
function throughVectorTable(vector: u32, flagsIn: u32, redirect: bool): void {
  let flags = flagsIn
  let table: u64 = 0
  if (!redirect) {
    table = load<u64>(IDTR_BASE)
    if (vector * 4 + 3 > load<u32>(IDTR_LIMIT)) raise(EX_GP, vector * 8 + 2)
  }
  // The 8086 program's own table is read with its own rights.
  const entry = redirect ? linearRead<u32>(vector * 4) : tableRead<u32>(table + vector * 4)
  const ip = entry & 0xffff
  const cs = entry >> 16
  let clear = FLAG_TF | FLAG_IF | FLAG_RF | FLAG_AC
  if (redirect) {
    clear = FLAG_TF | FLAG_RF | FLAG_NT
    if (iopl() < 3) {
      flags = (virtualFlags() & 0xffff) | (flags & FLAG_RF)
      clear |= FLAG_VIF
    } else clear |= FLAG_IF
  }
  frameBegin(2)
  framePush(flags)
  framePush(load<u16>(CS, SEG_SELECTOR))
  framePush(load<u64>(RIP))
  if (<u64>ip > <u64>load<u32>(CS, SEG_LIMIT)) raise(EX_GP, 0)
  frameCommit()
  store<u32>(RFLAGS, load<u32>(RFLAGS) & ~clear)
  if (redirect) setVirtual8086(CS, cs)
  else setReal(CS, cs)
  store<u64>(RIP, <u64>ip)
  updateMode()
}

/** VME: true where the TSS's redirection bitmap keeps INT `vector` inside the 8086 program. Raises #GP where IOPL says so. */
function redirected(vector: u32): bool {
  if (load<u32>(CR4) & CR4_VME && load<u32>(TR, SEG_ACCESS) & 8 && load<u32>(TR, SEG_LIMIT) >= 103) {
    const base = load<u64>(TR, SEG_BASE)
    // The map is the 32 bytes in front of the I/O permission bitmap.
    const at = <u32>tableRead<u16>(base + 102) - 32 + (vector >> 3)
    if (at > load<u32>(TR, SEG_LIMIT)) raise(EX_GP, 0)
    if (!((<u32>tableRead<u8>(base + at) >> (vector & 7)) & 1)) return true
  }
  if (iopl() < 3) raise(EX_GP, 0)
  return false
}

/** The code segment of a gate, checked into NEW_CS. Returns the level at which the handler runs. */
function gateCode(selector: u32): u32 {
  const cpl = load<u32>(CPL)
  if (!(selector & 0xfffc)) raise(EX_GP, 0)
  fetchDescriptor(selector, EX_GP)
  if (!descIsCode() || descDpl() > cpl) raise(EX_GP, selector & 0xfffc)
  if (longMode() && (descHigh & 0x600000) != 0x200000) raise(EX_GP, selector & 0xfffc)
  const level = descIsConforming() ? cpl : descDpl()
  if (virtual8086() && level != 0) raise(EX_GP, selector & 0xfffc)
  if (!descPresent()) raise(EX_NP, selector & 0xfffc)
  prepare(NEW_CS, selector)
  return level
}

@inline function checkSoftware(kind: u32, dpl: u32, errorCode: u32): void {
  if ((kind == KIND_SOFTWARE || kind == KIND_BREAKPOINT) && dpl < load<u32>(CPL)) raise(EX_GP, errorCode)
}

function throughGate(vector: u32, kind: u32, hasError: bool, errorCode: u32, flags: u32): void {
  const gateError = vector * 8 + 2
  if (vector * 8 + 7 > load<u32>(IDTR_LIMIT)) raise(EX_GP, gateError)
  const gate = tableRead<u64>(load<u64>(IDTR_BASE) + vector * 8)
  const low = <u32>gate
  const high = <u32>(gate >> 32)
  const type = (high >> 8) & 0x1f
  if (type != TYPE_TASK_GATE && (type & 0x16) != 6) raise(EX_GP, gateError)
  checkSoftware(kind, (high >> 13) & 3, gateError)
  if (!(high & 0x8000)) raise(EX_NP, gateError)
  const selector = low >> 16
  if (type == TYPE_TASK_GATE) {
    if (selector & 4 || !(selector & 0xfffc)) raise(EX_GP, selector & 0xfffc)
    fetchDescriptor(selector, EX_GP)
    if (!descIsSystem() || (descType() != TYPE_TSS16 && descType() != TYPE_TSS32)) raise(EX_GP, selector & 0xfffc)
    if (!descPresent()) raise(EX_NP, selector & 0xfffc)
    // RF and the like go to the old TSS as they would to a stack.
    store<u32>(RFLAGS, load<u32>(RFLAGS) | (flags & FLAG_RF))
    switchTask(selector, TASK_CALL, load<u64>(RIP), hasError, errorCode)
    return
  }
  const level = gateCode(selector)
  const wide = (type & 8) != 0
  const size: u32 = wide ? 4 : 2
  const offset = <u64>((low & 0xffff) | (wide ? high & 0xffff0000 : 0))
  const virtual = virtual8086()
  if (level < load<u32>(CPL)) {
    innerStack(level)
    frameBeginInner(size)
    if (virtual) {
      framePush(load<u16>(GS, SEG_SELECTOR))
      framePush(load<u16>(FS, SEG_SELECTOR))
      framePush(load<u16>(DS, SEG_SELECTOR))
      framePush(load<u16>(ES, SEG_SELECTOR))
    }
    framePush(load<u16>(SS, SEG_SELECTOR))
    framePush(load<u64>(RSP))
  } else frameBegin(size)
  framePush(flags)
  framePush(load<u16>(CS, SEG_SELECTOR))
  framePush(load<u64>(RIP))
  if (hasError) framePush(errorCode)
  checkCodeOffset(NEW_CS, offset)
  setAccessed(NEW_CS)
  framePrepareCommit()
  frameCommit()
  enterHandler(offset, level, type)
  if (virtual) {
    setNull(GS, 0)
    setNull(FS, 0)
    setNull(DS, 0)
    setNull(ES, 0)
  }
}

/** Odd gate types are trap gates: IF stays. */
function enterHandler(offset: u64, level: u32, type: u32): void {
  let clear = FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM
  if (!(type & 1)) clear |= FLAG_IF
  store<u32>(RFLAGS, load<u32>(RFLAGS) & ~clear)
  enterCode(offset, level)
}

/** IA-32e mode: 16-byte gates, interrupt stack table, frames of eight-byte words (6.14). */
function throughLongGate(vector: u32, kind: u32, hasError: bool, errorCode: u32, flags: u32): void {
  const gateError = vector * 8 + 2
  if (vector * 16 + 15 > load<u32>(IDTR_LIMIT)) raise(EX_GP, gateError)
  const at = load<u64>(IDTR_BASE) + vector * 16
  const gate = tableRead<u64>(at)
  const low = <u32>gate
  const high = <u32>(gate >> 32)
  const type = (high >> 8) & 0x1f
  if ((type & 0x1e) != 14) raise(EX_GP, gateError)
  checkSoftware(kind, (high >> 13) & 3, gateError)
  if (!(high & 0x8000)) raise(EX_NP, gateError)
  const offset = <u64>((low & 0xffff) | (high & 0xffff0000)) | (<u64>tableRead<u32>(at + 8) << 32)
  const level = gateCode(low >> 16)
  const inner = level < load<u32>(CPL)
  const ist = high & 7
  if (ist) interruptStackTable(ist, level)
  else if (inner) innerStack(level)
  frameBeginLong(ist != 0 || inner, inner)
  framePush(load<u16>(SS, SEG_SELECTOR))
  framePush(load<u64>(RSP))
  framePush(flags)
  framePush(load<u16>(CS, SEG_SELECTOR))
  framePush(load<u64>(RIP))
  if (hasError) framePush(errorCode)
  checkCodeOffset(NEW_CS, offset)
  setAccessed(NEW_CS)
  frameCommit()
  enterHandler(offset, level, type)
}

// ---- instructions ----

function interruptInstruction(op: usize, vector: u32, kind: u32): void {
  // What redirected() says of most programs in virtual-8086 mode.
  if (kind == KIND_SOFTWARE && virtual8086() && iopl() < 3 && !(load<u32>(CR4) & CR4_VME)) return raiseLast(EX_GP, 0)
  const trap = (load<u32>(RFLAGS) & FLAG_TF) != 0
  store<u64>(RIP, nextIp(op))
  deliver(vector, kind, false, 0)
  if (!trap || !(load<u32>(ATTENTION) & ATTN_STEP)) return
  // The delivery cleared TF in front of the single-step trap. So the instruction is counted here, and the step that it
  // was executed for is left, as by a fault, before it traps.
  const ip = load<u64>(RIP)
  syncForFault()
  store<u64>(RIP, ip)
  store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
  unwind()
}

/** CD ib. */
export function int_I(op: usize): void {
  interruptInstruction(op, load<u32>(op, OP_IMM) & 0xff, KIND_SOFTWARE)
}

/** CC. */
export function int3(op: usize): void {
  interruptInstruction(op, EX_BP, KIND_BREAKPOINT)
}

/** CE. */
export function into(op: usize): void {
  if (arithFlags() & FLAG_OF) interruptInstruction(op, EX_OF, KIND_BREAKPOINT)
  else store<u64>(RIP, nextIp(op))
}

/** F1: INT1, also called ICEBP. */
export function icebp(op: usize): void {
  interruptInstruction(op, EX_DB, KIND_ICEBP)
}
