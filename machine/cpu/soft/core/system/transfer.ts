/** Far JMP, CALL, RET and IRET, and far pointers into segment registers (Intel SDM vol. 3, 5.8; vol. 2). */
import { ALL_FLAGS, changeFlags, changeableFlags, checkVirtualFlags, iopl, setVirtualFlags } from './eflags'
import { raise, raiseLast } from './fault'
import { ea, OP_IMM, OP_REG, opSeg } from '../execute/op'
import { addSp, read } from '../memory/memory'
import { checkTarget } from '../execute/chain'
import { nextIp } from '../execute/progress'
import {
  ACC_BIG, ACC_LONG, checkCodeOffset, checkLongCode, code64, commit, descDpl, descHigh, descIsCode, descIsConforming,
  descIsSystem, descIsWritableData, descLow, descPresent, descType, dropInnerSegments, fetchDescriptor, fetchHighBase,
  loadSegment, longMode, NEW_CS, NEW_SS, prepare, protectedMode, sameSegment, setAccessed, setNullStack, setReal, setVirtual8086,
  tableRead, tryFetch, TYPE_CALL_GATE16, TYPE_CALL_GATE32, TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS32, updateMode,
  virtual8086,
} from './segment'
import {
  frameBegin, frameBeginInner, frameCommit, framePrepareCommit, framePush, innerStack, stackRead,
} from '../memory/stack-frame'
import {
  CPL, CR4, CR4_VME, CS, DS, ES, EX_GP, EX_NP, EX_SS, EX_TS, FLAG_NT, FLAG_RF, FLAG_VIF, FLAG_VIP, FLAG_VM, FS, GS,
  NMI_MASKED, RFLAGS, RIP, RSP, SEG_ACCESS, SEG_BASE, SEG_SELECTOR, SS, TR,
} from '../state'
import { switchTask, TASK_CALL, TASK_IRET, TASK_JUMP } from './task'

/**
 * Makes NEW_CS the code segment at `cpl` and continues at `ip`. Where it is the one that CS holds, as when a kernel is
 * interrupted, all that follows from it is as it was.
 */
export function enterCode(ip: u64, cpl: u32): void {
  const same = cpl == load<u32>(CPL) && sameSegment(CS, NEW_CS)
  if (!same) commit(CS, NEW_CS)
  store<u16>(CS, <u16>((load<u16>(NEW_CS, SEG_SELECTOR) & 0xfffc) | cpl), SEG_SELECTOR)
  store<u64>(RIP, ip)
  if (same) return
  store<u32>(CPL, cpl)
  updateMode()
}

function enterReal(selector: u32, ip: u64): void {
  if (virtual8086()) setVirtual8086(CS, selector)
  else setReal(CS, selector)
  store<u64>(RIP, ip)
  updateMode()
}

@inline function error(selector: u32): u32 {
  return selector & 0xfffc
}

// ---- gates ----

let gateSelector: u32 = 0
let gateOffset: u64 = 0
let gateWords: u32 = 0
let gateSize: u32 = 0

/** The fetched descriptor is a gate, TSS or gate to one: its privilege and presence. */
function checkGate(selector: u32): void {
  if (descDpl() < load<u32>(CPL) || descDpl() < (selector & 3)) raise(EX_GP, error(selector))
  if (!descPresent()) raise(EX_NP, error(selector))
}

/** Reads the call gate that was fetched, and the code segment behind it into NEW_CS. */
function openCallGate(selector: u32, jump: bool): void {
  const cpl = load<u32>(CPL)
  checkGate(selector)
  const wide = (descType() & 8) != 0
  gateSelector = descLow >> 16
  gateOffset = descLow & 0xffff
  if (wide) gateOffset |= descHigh & 0xffff0000
  gateWords = descHigh & 31
  gateSize = wide ? 4 : 2
  if (longMode()) {
    gateSize = 8
    gateWords = 0
    gateOffset |= fetchHighBase(selector, EX_GP)
  }
  if (!(gateSelector & 0xfffc)) raise(EX_GP, 0)
  fetchDescriptor(gateSelector, EX_GP)
  if (!descIsCode() || descDpl() > cpl) raise(EX_GP, error(gateSelector))
  if (longMode() && (descHigh & 0x600000) != 0x200000) raise(EX_GP, error(gateSelector))
  if (jump && !descIsConforming() && descDpl() != cpl) raise(EX_GP, error(gateSelector))
  if (!descPresent()) raise(EX_NP, error(gateSelector))
  prepare(NEW_CS, gateSelector)
}

/** The fetched descriptor is where a far JMP or CALL goes directly: code that this privilege may enter. */
function checkDirectCode(selector: u32): void {
  const cpl = load<u32>(CPL)
  if (!descIsCode()) raise(EX_GP, error(selector))
  checkLongCode(selector, EX_GP)
  if (descIsConforming()) {
    if (descDpl() > cpl) raise(EX_GP, error(selector))
  } else if ((selector & 3) > cpl || descDpl() != cpl) raise(EX_GP, error(selector))
  if (!descPresent()) raise(EX_NP, error(selector))
  prepare(NEW_CS, selector)
}

/** JMP or CALL to a TSS or task gate: the descriptor is fetched. Does not come back. */
function toTask(selector: u32, kind: u32, next: u64): void {
  checkGate(selector)
  let tss = selector
  if (descType() == TYPE_TASK_GATE) {
    tss = descLow >> 16
    if (tss & 4 || !(tss & 0xfffc)) raise(EX_GP, error(tss))
    fetchDescriptor(tss, EX_GP)
    if (!descIsSystem() || (descType() != TYPE_TSS16 && descType() != TYPE_TSS32)) raise(EX_GP, error(tss))
    if (!descPresent()) raise(EX_NP, error(tss))
  } else if (tss & 4) raise(EX_GP, error(tss))
  switchTask(tss, kind, next, false, 0)
}

function isTaskType(): bool {
  const type = descType()
  return !longMode() && (type == TYPE_TASK_GATE || type == TYPE_TSS16 || type == TYPE_TSS32)
}

function isCallGateType(): bool {
  const type = descType()
  return type == TYPE_CALL_GATE32 || (type == TYPE_CALL_GATE16 && !longMode())
}

// ---- JMP and CALL ----

function farJump(selector: u32, offset: u64, next: u64): void {
  if (!protectedMode()) {
    checkTarget(offset)
    enterReal(selector, offset)
    return
  }
  if (!(selector & 0xfffc)) raise(EX_GP, 0)
  fetchDescriptor(selector, EX_GP)
  let target = offset
  if (!descIsSystem()) checkDirectCode(selector)
  else if (isCallGateType()) {
    openCallGate(selector, true)
    target = gateOffset
  } else if (isTaskType()) toTask(selector, TASK_JUMP, next)
  else raise(EX_GP, error(selector))
  checkCodeOffset(NEW_CS, target)
  setAccessed(NEW_CS)
  enterCode(target, load<u32>(CPL))
}

function farCall(selector: u32, offset: u64, size: u32, next: u64): void {
  if (!protectedMode()) {
    checkTarget(offset)
    frameBegin(size)
    framePush(load<u16>(CS, SEG_SELECTOR))
    framePush(next)
    frameCommit()
    enterReal(selector, offset)
    return
  }
  if (!(selector & 0xfffc)) raise(EX_GP, 0)
  fetchDescriptor(selector, EX_GP)
  let target = offset
  let words = size
  if (!descIsSystem()) checkDirectCode(selector)
  else if (isCallGateType()) {
    openCallGate(selector, false)
    if (!descIsConforming() && descDpl() < load<u32>(CPL)) {
      callInner(next)
      return
    }
    target = gateOffset
    words = gateSize
  } else if (isTaskType()) toTask(selector, TASK_CALL, next)
  else raise(EX_GP, error(selector))
  frameBegin(words)
  framePush(load<u16>(CS, SEG_SELECTOR))
  framePush(next)
  checkCodeOffset(NEW_CS, target)
  setAccessed(NEW_CS)
  frameCommit()
  enterCode(target, load<u32>(CPL))
}

/** CALL through a gate to a more privileged level: NEW_CS and the gate's fields are set. */
function callInner(next: u64): void {
  const level = descDpl()
  innerStack(level)
  frameBeginInner(gateSize)
  framePush(load<u16>(SS, SEG_SELECTOR))
  framePush(load<u64>(RSP))
  for (let i = gateWords; i > 0; i--) framePush(stackRead((i - 1) * gateSize, gateSize))
  framePush(load<u16>(CS, SEG_SELECTOR))
  framePush(next)
  checkCodeOffset(NEW_CS, gateOffset)
  setAccessed(NEW_CS)
  framePrepareCommit()
  frameCommit()
  enterCode(gateOffset, level)
}

/** EA: JMP ptr16:16/32. */
export function jmp_far_A<T>(op: usize): void {
  const pointer = load<u64>(op, OP_IMM)
  farJump(<u32>(pointer >> 32), pointer & 0xffffffff, nextIp(op))
}

/** 9A: CALL ptr16:16/32. */
export function call_far_A<T>(op: usize): void {
  const pointer = load<u64>(op, OP_IMM)
  farCall(<u32>(pointer >> 32), pointer & 0xffffffff, sizeof<T>(), nextIp(op))
}

/** FF /5. */
export function jmp_far_M<T>(op: usize): void {
  const offset = <u64>read<T>(opSeg(op), ea(op))
  const selector = <u32>read<u16>(opSeg(op), ea(op) + sizeof<T>())
  farJump(selector, offset, nextIp(op))
}

/** FF /3. */
export function call_far_M<T>(op: usize): void {
  const offset = <u64>read<T>(opSeg(op), ea(op))
  const selector = <u32>read<u16>(opSeg(op), ea(op) + sizeof<T>())
  farCall(selector, offset, sizeof<T>(), nextIp(op))
}

/** LES, LDS, LSS, LFS, LGS: OP_REG is the general register. */
export function load_far<T>(op: usize, seg: usize): void {
  const offset = read<T>(opSeg(op), ea(op))
  const selector = <u32>read<u16>(opSeg(op), ea(op) + sizeof<T>())
  loadSegment(seg, selector)
  const register = <usize>load<u16>(op, OP_REG)
  if (sizeof<T>() == 2) store<u16>(register, <u16>offset)
  else store<u64>(register, <u64>offset)
}

/** LSS, which ends its block. */
export function lss<T>(op: usize): void {
  load_far<T>(op, SS)
  store<u64>(RIP, nextIp(op))
}

// ---- RET and IRET ----

/** The code segment that a RET or IRET pops, checked into NEW_CS. Returns its RPL, the new privilege level. */
function returnCode(selector: u32): u32 {
  if (!(selector & 0xfffc)) raise(EX_GP, 0)
  fetchDescriptor(selector, EX_GP)
  const rpl = selector & 3
  if (rpl < load<u32>(CPL) || !descIsCode()) raise(EX_GP, error(selector))
  checkLongCode(selector, EX_GP)
  if (descIsConforming() ? descDpl() > rpl : descDpl() != rpl) raise(EX_GP, error(selector))
  if (!descPresent()) raise(EX_NP, error(selector))
  prepare(NEW_CS, selector)
  return rpl
}

/** The stack segment of a return, checked into NEW_SS; false when it is a null one that 64-bit code may have. */
function returnStack(selector: u32, rpl: u32): bool {
  if (!(selector & 0xfffc)) {
    const long = longMode() && (load<u32>(NEW_CS, SEG_ACCESS) & ACC_LONG) != 0
    if (!long || rpl == 3 || (selector & 3) != rpl) raise(EX_GP, 0)
    store<u16>(NEW_SS, <u16>selector, SEG_SELECTOR)
    return false
  }
  fetchDescriptor(selector, EX_GP)
  if ((selector & 3) != rpl || !descIsWritableData() || descDpl() != rpl) raise(EX_GP, error(selector))
  if (!descPresent()) raise(EX_SS, error(selector))
  prepare(NEW_SS, selector)
  return true
}

/** Commits CS and SS of a return that pops both. */
function returnOuter(ip: u64, sp: u64, imm: u32, rpl: u32, stack: bool): void {
  checkCodeOffset(NEW_CS, ip)
  setAccessed(NEW_CS)
  if (stack) setAccessed(NEW_SS)
  const cpl = load<u32>(CPL)
  if (stack) commit(SS, NEW_SS)
  else setNullStack(load<u16>(NEW_SS, SEG_SELECTOR))
  enterCode(ip, rpl)
  if (code64()) store<u64>(RSP, sp + imm)
  else if (load<u32>(SS, SEG_ACCESS) & ACC_BIG) store<u64>(RSP, (sp + imm) & 0xffffffff)
  else store<u16>(RSP, <u16>(sp + imm))
  if (rpl > cpl) dropInnerSegments(rpl)
}

/** CA, CB. */
export function ret_far<T>(op: usize): void {
  const size = <u32>sizeof<T>()
  const imm = load<u32>(op, OP_IMM) & 0xffff
  const ip = stackRead(0, size)
  const selector = <u32>stackRead(size, size) & 0xffff
  if (!protectedMode()) {
    checkTarget(ip)
    addSp(2 * size + imm)
    enterReal(selector, ip)
    return
  }
  const rpl = returnCode(selector)
  if (rpl == load<u32>(CPL)) {
    checkCodeOffset(NEW_CS, ip)
    setAccessed(NEW_CS)
    addSp(2 * size + imm)
    enterCode(ip, rpl)
    return
  }
  const sp = stackRead(2 * size + imm, size)
  const ss = <u32>stackRead(3 * size + imm, size) & 0xffff
  const stack = returnStack(ss, rpl)
  returnOuter(ip, sp, imm, rpl, stack)
}

/** CF. */
export function iret<T>(op: usize): void {
  const size = <u32>sizeof<T>()
  // NMIs come through again whatever becomes of this IRET.
  store<u32>(NMI_MASKED, 0)
  if (!protectedMode()) {
    iretReal(size)
    return
  }
  if (load<u32>(RFLAGS) & FLAG_NT) {
    if (longMode()) raise(EX_GP, 0)
    returnToTask(nextIp(op))
  }
  const ip = stackRead(0, size)
  const selector = <u32>stackRead(size, size) & 0xffff
  const flags = <u32>stackRead(2 * size, size)
  if (flags & FLAG_VM && size == 4 && load<u32>(CPL) == 0 && !longMode()) {
    returnToVirtual8086(ip, selector, flags)
    return
  }
  const rpl = returnCode(selector)
  const cpl = load<u32>(CPL)
  let mask = changeableFlags(size)
  if (size > 2) {
    mask |= FLAG_RF
    if (cpl == 0) mask |= FLAG_VIF | FLAG_VIP
  }
  if (rpl == cpl && !code64()) {
    checkCodeOffset(NEW_CS, ip)
    setAccessed(NEW_CS)
    addSp(3 * size)
    changeFlags(flags, mask)
    enterCode(ip, rpl)
    return
  }
  const sp = stackRead(3 * size, size)
  const ss = <u32>stackRead(4 * size, size) & 0xffff
  const stack = returnStack(ss, rpl)
  checkCodeOffset(NEW_CS, ip)
  setAccessed(NEW_CS)
  if (stack) setAccessed(NEW_SS)
  changeFlags(flags, mask)
  returnOuter(ip, sp, 0, rpl, stack)
}

/** IRET in real and virtual-8086 mode. */
function iretReal(size: u32): void {
  const virtual = virtual8086() && iopl() < 3
  if (virtual && (size != 2 || !(load<u32>(CR4) & CR4_VME))) return raiseLast(EX_GP, 0)
  const ip = stackRead(0, size)
  const selector = <u32>stackRead(size, size) & 0xffff
  const flags = <u32>stackRead(2 * size, size)
  checkTarget(ip)
  if (virtual) checkVirtualFlags(flags)
  addSp(3 * size)
  if (virtual) setVirtualFlags(flags)
  else changeFlags(flags, changeableFlags(size) | (size > 2 ? FLAG_RF : 0))
  enterReal(selector, ip)
}

/** IRET at ring 0 with VM set in the popped EFLAGS. */
function returnToVirtual8086(ip: u64, selector: u32, flags: u32): void {
  const sp = stackRead(12, 4)
  const ss = <u32>stackRead(16, 4)
  const es = <u32>stackRead(20, 4)
  const ds = <u32>stackRead(24, 4)
  const fs = <u32>stackRead(28, 4)
  const gs = <u32>stackRead(32, 4)
  if (ip > 0xffff) raise(EX_GP, 0)
  changeFlags(flags, ALL_FLAGS)
  store<u32>(CPL, 3)
  setVirtual8086(CS, selector)
  setVirtual8086(SS, ss)
  setVirtual8086(ES, es)
  setVirtual8086(DS, ds)
  setVirtual8086(FS, fs)
  setVirtual8086(GS, gs)
  store<u64>(RSP, sp)
  store<u64>(RIP, ip)
  updateMode()
}

/** IRET with NT set: back along the link in the TSS. Does not come back. */
function returnToTask(next: u64): void {
  const selector = <u32>tableRead<u16>(load<u64>(TR, SEG_BASE))
  if (selector & 4 || !(selector & 0xfffc)) raise(EX_TS, error(selector))
  if (!tryFetch(selector)) raise(EX_TS, error(selector))
  // A busy TSS: types 3 and 11.
  if (!descIsSystem() || (descType() & 7) != 3) raise(EX_TS, error(selector))
  if (!descPresent()) raise(EX_NP, error(selector))
  switchTask(selector, TASK_IRET, next, false, 0)
}
