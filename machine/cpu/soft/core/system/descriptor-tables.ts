/** GDTR, IDTR, LDTR, TR, and what looks descriptors up without loading them: LAR, LSL, VERR, VERW, ARPL. */
import { checkUmip, ring0 } from './control'
import { raise, raiseNoError } from './fault'
import { arithFlags, setArithFlags } from '../integer/flags'
import { nonCanonical, read, write } from '../memory/memory'
import { ea, OP_FLAGS, OP_REG, OP_RM, OPF_SIZE, opSeg } from '../execute/op'
import { operand16, setGpr, storeWord } from '../execute/operand'
import {
  code64, commit, descAddress, descDpl, descHigh, descIsConforming, descIsReadable, descIsSystem, descIsWritableData,
  descLimit, descPresent, descType, fetchDescriptor, fetchHighBase, longMode, NEW_SEG, prepare, protectedMode,
  setNull, tableWrite, tryFetch, TYPE_CALL_GATE16, TYPE_CALL_GATE32, TYPE_LDT, TYPE_TASK_GATE, TYPE_TSS16,
  TYPE_TSS16_BUSY, TYPE_TSS32, TYPE_TSS32_BUSY,
} from './segment'
import {
  CPL, EX_GP, EX_NP, EX_UD, FLAG_ZF, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, SEG_ACCESS, SEG_BASE,
  SEG_SELECTOR, TR,
} from '../state'

// ---- GDTR and IDTR ----

@inline function storeTable(op: usize, base: u64, limit: u32): void {
  const seg = opSeg(op)
  const at = ea(op)
  write<u16>(seg, at, <u16>limit)
  if (code64()) write<u64>(seg, at + 2, base)
  else write<u32>(seg, at + 2, <u32>base)
}

@inline function loadTable(op: usize, baseAt: usize, limitAt: usize): void {
  ring0()
  const seg = opSeg(op)
  const at = ea(op)
  const limit = <u32>read<u16>(seg, at)
  let base: u64
  if (code64()) {
    base = read<u64>(seg, at + 2)
    if (nonCanonical(base)) raise(EX_GP, 0)
  } else {
    base = <u64>read<u32>(seg, at + 2)
    if ((load<u8>(op, OP_FLAGS) & OPF_SIZE) == 1) base &= 0xffffff
  }
  store<u64>(baseAt, base)
  store<u32>(limitAt, limit)
}

/** 0F 01 /0. The base is stored whole with either operand size, as every CPU since the 386 does. */
export function sgdt(op: usize): void {
  checkUmip()
  storeTable(op, load<u64>(GDTR_BASE), load<u32>(GDTR_LIMIT))
}

/** 0F 01 /1. */
export function sidt(op: usize): void {
  checkUmip()
  storeTable(op, load<u64>(IDTR_BASE), load<u32>(IDTR_LIMIT))
}

/** 0F 01 /2. */
export function lgdt(op: usize): void {
  loadTable(op, GDTR_BASE, GDTR_LIMIT)
}

/** 0F 01 /3. */
export function lidt(op: usize): void {
  loadTable(op, IDTR_BASE, IDTR_LIMIT)
}

// ---- LDTR and TR ----

@inline function protectedOnly(): void {
  if (!protectedMode()) raiseNoError(EX_UD)
}

/** 0F 00 /0. */
export function sldt<T>(op: usize, memory: bool): void {
  protectedOnly()
  checkUmip()
  storeWord<T>(op, memory, load<u16>(LDTR, SEG_SELECTOR))
}

/** 0F 00 /1. */
export function str<T>(op: usize, memory: bool): void {
  protectedOnly()
  checkUmip()
  storeWord<T>(op, memory, load<u16>(TR, SEG_SELECTOR))
}

/** 0F 00 /2. */
export function lldt(op: usize, memory: bool): void {
  protectedOnly()
  ring0()
  const selector = operand16(op, memory)
  if (!(selector & 0xfffc)) {
    setNull(LDTR, selector)
    return
  }
  if (selector & 4) raise(EX_GP, selector & 0xfffc)
  fetchDescriptor(selector, EX_GP)
  if (!descIsSystem() || descType() != TYPE_LDT) raise(EX_GP, selector & 0xfffc)
  if (!descPresent()) raise(EX_NP, selector & 0xfffc)
  prepareSystem(selector)
  commit(LDTR, NEW_SEG)
}

/** 0F 00 /3. */
export function ltr(op: usize, memory: bool): void {
  protectedOnly()
  ring0()
  const selector = operand16(op, memory)
  if (!(selector & 0xfffc)) raise(EX_GP, 0)
  if (selector & 4) raise(EX_GP, selector & 0xfffc)
  fetchDescriptor(selector, EX_GP)
  const type = descType()
  if (!descIsSystem() || (type != TYPE_TSS32 && (type != TYPE_TSS16 || longMode()))) raise(EX_GP, selector & 0xfffc)
  if (!descPresent()) raise(EX_NP, selector & 0xfffc)
  prepareSystem(selector)
  const access = load<u32>(NEW_SEG, SEG_ACCESS) | 2
  tableWrite<u8>(descAddress + 5, <u8>access)
  store<u32>(NEW_SEG, access, SEG_ACCESS)
  commit(TR, NEW_SEG)
}

/** Lays an LDT or TSS descriptor down: 16 bytes long in IA-32e mode. */
function prepareSystem(selector: u32): void {
  prepare(NEW_SEG, selector)
  if (!longMode()) return
  const base = load<u64>(NEW_SEG, SEG_BASE) | fetchHighBase(selector, EX_GP)
  if (nonCanonical(base)) raise(EX_GP, selector & 0xfffc)
  store<u64>(NEW_SEG, base, SEG_BASE)
}

// ---- looking without loading ----

@inline function setZF(on: bool): void {
  const flags = arithFlags()
  setArithFlags(on ? flags | FLAG_ZF : flags & ~FLAG_ZF)
}

/** Fetches `selector`'s descriptor where this privilege may see it. */
function visible(selector: u32): bool {
  if (!(selector & 0xfffc) || !tryFetch(selector)) return false
  if (descIsConforming()) return true
  return descDpl() >= load<u32>(CPL) && descDpl() >= (selector & 3)
}

/** System types that LAR (`gates` too) and LSL accept. */
function validSystemType(gates: bool): bool {
  const type = descType()
  if (type == TYPE_LDT || type == TYPE_TSS32 || type == TYPE_TSS32_BUSY) return true
  if (gates && type == TYPE_CALL_GATE32) return true
  if (longMode()) return false
  if (type == TYPE_TSS16 || type == TYPE_TSS16_BUSY) return true
  return gates && (type == TYPE_CALL_GATE16 || type == TYPE_TASK_GATE)
}

/** 0F 02. */
export function lar<T>(op: usize, memory: bool): void {
  protectedOnly()
  const selector = operand16(op, memory)
  const found = visible(selector) && (!descIsSystem() || validSystemType(true))
  if (found) setGpr<T>(<usize>load<u16>(op, OP_REG), <T>(descHigh & 0x00ffff00))
  setZF(found)
}

/** 0F 03. */
export function lsl<T>(op: usize, memory: bool): void {
  protectedOnly()
  const selector = operand16(op, memory)
  const found = visible(selector) && (!descIsSystem() || validSystemType(false))
  if (found) setGpr<T>(<usize>load<u16>(op, OP_REG), <T>descLimit())
  setZF(found)
}

/** 0F 00 /4. */
export function verr(op: usize, memory: bool): void {
  protectedOnly()
  setZF(visible(operand16(op, memory)) && descIsReadable())
}

/** 0F 00 /5. */
export function verw(op: usize, memory: bool): void {
  protectedOnly()
  setZF(visible(operand16(op, memory)) && descIsWritableData())
}

/** 63 outside 64-bit mode: raises the RPL of a selector to that of another. */
export function arpl(op: usize, memory: bool): void {
  protectedOnly()
  const destination = operand16(op, memory)
  const rpl = <u32>load<u16>(<usize>load<u16>(op, OP_REG)) & 3
  if ((destination & 3) >= rpl) {
    setZF(false)
    return
  }
  const value = <u16>((destination & ~3) | rpl)
  if (memory) write<u16>(opSeg(op), ea(op), value)
  else store<u16>(<usize>load<u16>(op, OP_RM), value)
  setZF(true)
}
