/**
 * The x87 register stack, status word and exceptions (Intel SDM vol. 1, chapter 8): what all x87 instructions share.
 *
 * An instruction computes into float80.ts' result and flags, then commits: `commit()` merges the flags into the status
 * word and says whether the result may be written, which it may not when an unmasked exception came before it.
 */
import { raiseNoError, waitBefore } from '../system/fault'
import {
  C1, IE, INDEFINITE_SE, INDEFINITE_SIG, OE, PE, PRE_COMPUTATION, UE, clearFlags, flags, raiseFlags, result,
  useControlWord,
} from './float80'
import { ferr } from './host-fpu'
import { linearRead } from '../memory/memory'
import { OP_RM, architecturalSegment, ea, opSeg } from '../execute/op'
import { breakSoon, instructionPointer } from '../execute/progress'
import {
  CR0, CR0_EM, CR0_NE, CR0_TS, CS, EX_MF, EX_NM, FPR, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE,
  FPU_STATUS, FPU_TAGS, FPU_TOP, IGNNE, MODE, MODE_CODE64, SEG_BASE, SEG_SELECTOR,
} from '../state'

/** Stack fault; C1 tells overflow (1) from underflow (0). */
export const SW_SF: u32 = 0x40
/** Error summary: an unmasked exception is pending. */
export const SW_ES: u32 = 0x80
export const SW_C0: u32 = 0x100
export const SW_C2: u32 = 0x400
export const SW_C3: u32 = 0x4000
export const SW_BUSY: u32 = 0x8000
export const SW_CONDITION: u32 = 0x4700
export const SW_EXCEPTIONS: u32 = 0x3f

// ---- registers ----

/** Address of ST(i). */
@inline export function st(i: u32): usize {
  return FPR + (<usize>((load<u32>(FPU_TOP) + i) & 7) << 4)
}

@inline export function sigOf(register: usize): u64 {
  return load<u64>(register)
}

@inline export function seOf(register: usize): u32 {
  return load<u16>(register, 8)
}

/** Address of the tag of ST(i). */
@inline export function tagOf(i: u32): usize {
  return FPU_TAGS + <usize>((load<u32>(FPU_TOP) + i) & 7)
}

@inline export function isEmpty(i: u32): bool {
  return load<u8>(tagOf(i)) == 0
}

@inline export function setSt(i: u32, sig: u64, se: u32): void {
  const r = st(i)
  store<u64>(r, sig)
  store<u16>(r, <u16>se, 8)
  store<u8>(tagOf(i), 1)
}

@inline export function push(sig: u64, se: u32): void {
  store<u32>(FPU_TOP, (load<u32>(FPU_TOP) - 1) & 7)
  setSt(0, sig, se)
}

@inline export function pop(): void {
  store<u8>(tagOf(0), 0)
  store<u32>(FPU_TOP, (load<u32>(FPU_TOP) + 1) & 7)
}

// ---- before an instruction ----

/** What every x87 instruction that does not wait asks first. */
@inline export function checkAvailable(): void {
  if (load<u32>(CR0) & (CR0_EM | CR0_TS)) raiseNoError(EX_NM)
}

/** What a waiting instruction asks first: the device is there, and no unmasked exception is pending. */
@inline export function check(): void {
  checkAvailable()
  if (load<u16>(FPU_STATUS) & SW_ES) pendingException()
}

/**
 * #MF; or where CR0.NE is clear the FERR# pin, and the CPU freezes in front of this instruction until an interrupt comes,
 * unless the chipset asserts IGNNE# (Intel SDM vol. 1, 8.7.2 and appendix D).
 */
@noInline export function pendingException(): void {
  if (load<u32>(CR0) & CR0_NE) raiseNoError(EX_MF)
  if (load<u32>(IGNNE)) return
  ferr(1)
  waitBefore()
}

@inline export function notePlace(): void {
  store<u64>(FPU_IP, instructionPointer())
  store<u16>(FPU_CS, load<u16>(CS, SEG_SELECTOR))
}

/** Remembers the instruction as the last non-control one, and takes the control word for its arithmetic. */
@inline export function note(op: usize): void {
  notePlace()
  useControlWord(load<u16>(FPU_CONTROL))
}

/** As `note`, for an instruction with a memory operand (after it was read without a fault). */
@inline export function noteMemory(op: usize): void {
  note(op)
  store<u64>(FPU_DP, ea(op))
  store<u16>(FPU_DS, load<u16>(architecturalSegment(opSeg(op)), SEG_SELECTOR))
}

// ---- after it ----

/** Bits to set in the status word; C1 is cleared unless it is among them. Raises nothing: exceptions wait. */
@inline function mergeStatus(bits: u32): void {
  const status = (load<u16>(FPU_STATUS) & ~C1) | bits
  store<u16>(FPU_STATUS, <u16>status)
  if (status & ~load<u16>(FPU_CONTROL) & SW_EXCEPTIONS) exceptionPending()
}

/** Unmasked exceptions of `kinds` in `flags`. */
@inline export function blockedBy(kinds: u32): u32 {
  return flags & kinds & ~<u32>load<u16>(FPU_CONTROL)
}

/** Merges the flags; false when an unmasked exception forbids the result. */
@inline export function commit(): bool {
  if (blockedBy(PRE_COMPUTATION)) {
    mergeStatus(flags & (PRE_COMPUTATION | SW_SF))
    return false
  }
  mergeStatus(flags)
  return true
}

/**
 * Merges the flags of a store: its overflow and underflow too forbid the result when unmasked. They are
 * then found before anything was rounded.
 */
export function commitStore(): bool {
  const blocked = storeBlocked()
  if (blockedBy(OE | UE)) clearFlags(PE | C1)
  mergeStatus(flags)
  return !blocked
}

@inline export function storeBlocked(): bool {
  return blockedBy(0x1f) != 0
}

/** For instructions that raise nothing: C1 is 0 afterwards. */
@inline export function clearC1(): void {
  store<u16>(FPU_STATUS, <u16>(load<u16>(FPU_STATUS) & ~C1))
}

@inline export function setCondition(bits: u32): void {
  store<u16>(FPU_STATUS, <u16>((load<u16>(FPU_STATUS) & ~SW_CONDITION) | bits))
}

@noInline function exceptionPending(): void {
  const status = load<u16>(FPU_STATUS)
  if (status & SW_ES) return
  store<u16>(FPU_STATUS, <u16>(status | SW_ES | SW_BUSY))
  noteOpcode()
  if (load<u32>(CR0) & CR0_NE) return
  ferr(1)
  breakSoon()
}

/** Sets or clears ES and B after the status or control word was loaded. */
export function updateSummary(): void {
  const status = load<u16>(FPU_STATUS)
  const legacy = !(load<u32>(CR0) & CR0_NE)
  if (status & ~load<u16>(FPU_CONTROL) & SW_EXCEPTIONS) {
    store<u16>(FPU_STATUS, <u16>(status | SW_ES | SW_BUSY))
    if (legacy) ferr(1)
  } else {
    store<u16>(FPU_STATUS, <u16>(status & ~(SW_ES | SW_BUSY)))
    if (legacy && status & SW_ES) ferr(0)
  }
  if (legacy) breakSoon()
}

/** The last opcode is kept for unmasked exceptions only, as by CPUs since the Pentium 4. */
function noteOpcode(): void {
  let at = load<u64>(CS, SEG_BASE) + instructionPointer()
  const long = (load<u32>(MODE) & MODE_CODE64) != 0
  for (let i = 0; i < 15; i++) {
    const byte = <u32>linearRead<u8>(at)
    if ((byte & 0xf8) == 0xd8) {
      store<u16>(FPU_OPCODE, <u16>(((byte & 7) << 8) | linearRead<u8>(at + 1)))
      return
    }
    at++
    if (!long) at &= 0xffffffff
  }
}

// ---- stack faults ----

/** An operand register is empty: the result is the default NaN where that is masked. */
export function underflow(): bool {
  stackFault(0)
  return commit()
}

/** No room for a push. True, with the default NaN as result, where that is masked. */
export function overflow(): bool {
  stackFault(C1)
  if (blockedBy(IE)) {
    mergeStatus(flags)
    return false
  }
  return commit()
}

@inline function stackFault(condition: u32): void {
  raiseFlags(IE | SW_SF | condition)
  result(INDEFINITE_SIG, INDEFINITE_SE)
}

/** i of ST(i). */
@inline export function stNumber(op: usize): u32 {
  return load<u16>(op, OP_RM)
}
