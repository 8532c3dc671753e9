/**
 * Hardware task switches with 16- and 32-bit TSSs (Intel SDM vol. 3, 8.3).
 *
 * Everything that can fault in the old task's context is read or probed first. Then the switch is committed, and what
 * is wrong with the new task's segments is raised in the new task, with its registers loaded.
 */
import { checkPdpt } from './control'
import { ALL_FLAGS } from './eflags'
import { raise } from './fault'
import { getFlags, setFlags } from '../integer/flags'
import { unwind } from '../host'
import { ACCESS_IMPLICIT, ACCESS_WRITE, translate } from '../memory/page-walk'
import { flushTlb } from '../memory/tlb'
import { blockStart, syncForFault } from '../execute/progress'
import {
  checkCodeOffset, commit, descAddress, descBase, descDpl, descHigh, descIsCode, descIsConforming, descIsReadable,
  descIsSystem, descIsWritableData, descLimit, descPresent, descType, NEW_SEG, prepare, setAccessed, setNull,
  setVirtual8086, tableRead, tableWrite, tryFetch, TYPE_LDT, updateMode,
} from './segment'
import { frameBegin, frameCommit, framePush } from '../memory/stack-frame'
import {
  ATTENTION, ATTN_DEBUG, CPL, CR0, CR0_PG, CR0_TS, CR3, CR4, CR4_PAE, CS, DELIVERING, DR, DS, ES, EX_GP, EX_NP, EX_SS,
  EX_TS, FLAG_NT, FLAG_RF, FLAG_VM, FS, GDTR_BASE, GPR, GS, ICOUNT, LDTR, RIP, SEG_ACCESS, SEG_BASE, SEG_LIMIT,
  SEG_SELECTOR, SEG_SIZE, SHADOW, SS, TR,
} from '../state'

export const TASK_JUMP: u32 = 0
/** CALL, and interrupts through a task gate: the tasks are nested. */
export const TASK_CALL: u32 = 1
export const TASK_IRET: u32 = 2

/** What was read from the new TSS, 32 bits a field. Not registers yet. */
const IMAGE: usize = 0x21c0
const IMAGE_CR3: usize = 0
const IMAGE_EIP: usize = 4
const IMAGE_EFLAGS: usize = 8
const IMAGE_GPR: usize = 12
const IMAGE_SEG: usize = 44
const IMAGE_LDT: usize = 68
const IMAGE_TRAP: usize = 72

function probe(linear: u64, size: u32): void {
  translate(linear & 0xffffffff, ACCESS_WRITE | ACCESS_IMPLICIT)
  translate((linear + size - 1) & 0xffffffff, ACCESS_WRITE | ACCESS_IMPLICIT)
}

function readImage(base: u64, wide: bool): void {
  if (wide) {
    store<u32>(IMAGE, tableRead<u32>(base + 0x1c), IMAGE_CR3)
    store<u32>(IMAGE, tableRead<u32>(base + 0x20), IMAGE_EIP)
    store<u32>(IMAGE, tableRead<u32>(base + 0x24), IMAGE_EFLAGS)
    for (let i: usize = 0; i < 8; i++) store<u32>(IMAGE + IMAGE_GPR + i * 4, tableRead<u32>(base + 0x28 + i * 4))
    for (let i: usize = 0; i < 6; i++) store<u32>(IMAGE + IMAGE_SEG + i * 4, tableRead<u16>(base + 0x48 + i * 4))
    store<u32>(IMAGE, tableRead<u16>(base + 0x60), IMAGE_LDT)
    store<u32>(IMAGE, tableRead<u16>(base + 0x64) & 1, IMAGE_TRAP)
    return
  }
  store<u32>(IMAGE, tableRead<u16>(base + 0x0e), IMAGE_EIP)
  store<u32>(IMAGE, tableRead<u16>(base + 0x10), IMAGE_EFLAGS)
  for (let i: usize = 0; i < 8; i++) store<u32>(IMAGE + IMAGE_GPR + i * 4, tableRead<u16>(base + 0x12 + i * 2))
  for (let i: usize = 0; i < 4; i++) store<u32>(IMAGE + IMAGE_SEG + i * 4, tableRead<u16>(base + 0x22 + i * 2))
  store<u64>(IMAGE, 0, IMAGE_SEG + 16)
  store<u32>(IMAGE, tableRead<u16>(base + 0x2a), IMAGE_LDT)
  store<u32>(IMAGE, 0, IMAGE_TRAP)
}

function saveOld(base: u64, wide: bool, next: u64, flags: u32): void {
  if (wide) {
    tableWrite<u32>(base + 0x20, <u32>next)
    tableWrite<u32>(base + 0x24, flags)
    for (let i: usize = 0; i < 8; i++) tableWrite<u32>(base + 0x28 + i * 4, load<u32>(GPR + i * 8))
    for (let i: usize = 0; i < 6; i++) tableWrite<u16>(base + 0x48 + i * 4, load<u16>(ES + i * SEG_SIZE, SEG_SELECTOR))
    return
  }
  tableWrite<u16>(base + 0x0e, <u16>next)
  tableWrite<u16>(base + 0x10, <u16>flags)
  for (let i: usize = 0; i < 8; i++) tableWrite<u16>(base + 0x12 + i * 2, load<u16>(GPR + i * 8))
  for (let i: usize = 0; i < 4; i++) tableWrite<u16>(base + 0x22 + i * 2, load<u16>(ES + i * SEG_SIZE, SEG_SELECTOR))
}

/**
 * Switches to the task of TSS `selector`, whose descriptor was fetched and found good. `next` is where the old task goes
 * on. An exception's error code is pushed on the new task's stack.
 *
 * Inside an instruction this does not come back: the instruction is counted and the run loop starts afresh, because
 * faults from here on belong to the new task.
 */
export function switchTask(selector: u32, kind: u32, next: u64, hasError: bool, errorCode: u32): void {
  const wide = (descType() & 8) != 0
  const newDescriptor = descAddress
  const newBase = <u64>descBase()
  const newLimit = descLimit()
  const newAccess = (descHigh >> 8) & 0xf0ff
  if (newLimit < <u32>(wide ? 0x67 : 0x2b)) raise(EX_TS, selector & 0xfffc)
  const oldWide = (load<u32>(TR, SEG_ACCESS) & 8) != 0
  const oldBase = load<u64>(TR, SEG_BASE)
  const oldSelector = <u32>load<u16>(TR, SEG_SELECTOR)
  if (load<u32>(TR, SEG_LIMIT) < <u32>(oldWide ? 0x5f : 0x29)) raise(EX_TS, oldSelector & 0xfffc)
  const oldDescriptor = load<u64>(GDTR_BASE) + (oldSelector & 0xfff8)

  // Whatever may fault in the old task.
  probe(oldBase + (oldWide ? 0x20 : 0x0e), oldWide ? 0x40 : 0x1c)
  if (kind == TASK_CALL) probe(newBase, 2)
  if (kind != TASK_CALL) probe(oldDescriptor + 5, 1)
  if (kind != TASK_IRET) probe(newDescriptor + 5, 1)
  let flags = getFlags()
  if (kind == TASK_IRET) flags &= ~FLAG_NT
  // Reading after saving: a task may return to itself.
  readImage(newBase, wide)
  saveOld(oldBase, oldWide, next, flags)
  if (oldBase == newBase) readImage(newBase, wide)
  if (kind == TASK_CALL) tableWrite<u16>(newBase, <u16>oldSelector)
  else tableWrite<u8>(oldDescriptor + 5, tableRead<u8>(oldDescriptor + 5) & 0xfd)
  if (kind != TASK_IRET) tableWrite<u8>(newDescriptor + 5, tableRead<u8>(newDescriptor + 5) | 2)

  // From here on it is the new task.
  const inInstruction = blockStart != 0
  syncForFault()
  store<u16>(TR, <u16>selector, SEG_SELECTOR)
  store<u32>(TR, newAccess | 2, SEG_ACCESS)
  store<u64>(TR, newBase, SEG_BASE)
  store<u32>(TR, newLimit, SEG_LIMIT)
  store<u32>(CR0, load<u32>(CR0) | CR0_TS)
  store<u32>(DR + 56, load<u32>(DR + 56) & ~0x155)
  // For breakpoints that went, with or without paging.
  flushTlb()
  let newFlags = load<u32>(IMAGE, IMAGE_EFLAGS) & ALL_FLAGS
  if (!wide) newFlags &= 0xffff
  if (kind == TASK_CALL) newFlags |= FLAG_NT
  // As in changeFlags(): RF is of use only to instruction breakpoints.
  if (!(load<u32>(DR + 56) & 0xff)) newFlags &= ~FLAG_RF
  setFlags(newFlags)
  for (let i: usize = 0; i < 8; i++) store<u64>(GPR + i * 8, load<u32>(IMAGE + IMAGE_GPR + i * 4))
  store<u64>(RIP, load<u32>(IMAGE, IMAGE_EIP))
  store<u32>(SHADOW, 0)
  for (let i: usize = 0; i < 6; i++) setNull(ES + i * SEG_SIZE, load<u32>(IMAGE + IMAGE_SEG + i * 4))
  setNull(LDTR, load<u32>(IMAGE, IMAGE_LDT))
  // Until SS is good a fault handler must switch stacks.
  store<u32>(CPL, 3)
  updateMode()
  if (wide && load<u32>(CR0) & CR0_PG) {
    const cr3 = load<u32>(IMAGE, IMAGE_CR3)
    if (load<u32>(CR4) & CR4_PAE && !checkPdpt(cr3)) raise(EX_GP, 0)
    store<u64>(CR3, cr3)
    flushTlb()
  }
  loadLdt(load<u32>(IMAGE, IMAGE_LDT))
  if (newFlags & FLAG_VM) {
    for (let i: usize = 0; i < 6; i++) setVirtual8086(ES + i * SEG_SIZE, load<u32>(IMAGE + IMAGE_SEG + i * 4))
    updateMode()
  } else {
    loadCodeAndStack(load<u32>(IMAGE, IMAGE_SEG + 4), load<u32>(IMAGE, IMAGE_SEG + 8))
    loadData(ES, load<u32>(IMAGE, IMAGE_SEG))
    loadData(DS, load<u32>(IMAGE, IMAGE_SEG + 12))
    loadData(FS, load<u32>(IMAGE, IMAGE_SEG + 16))
    loadData(GS, load<u32>(IMAGE, IMAGE_SEG + 20))
  }
  if (load<u32>(IMAGE, IMAGE_TRAP)) {
    store<u32>(DR + 48, load<u32>(DR + 48) | 0x8000)
    store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_DEBUG)
  }
  if (hasError) {
    frameBegin(wide ? 4 : 2)
    framePush(errorCode)
    frameCommit()
  }
  checkCodeOffset(CS, load<u64>(RIP))
  store<u32>(DELIVERING, 0)
  if (!inInstruction) return
  store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
  unwind()
}

function loadLdt(selector: u32): void {
  if (!(selector & 0xfffc)) return
  if (selector & 4 || !tryFetch(selector)) raise(EX_TS, selector & 0xfffc)
  if (!descIsSystem() || descType() != TYPE_LDT || !descPresent()) raise(EX_TS, selector & 0xfffc)
  prepare(NEW_SEG, selector)
  commit(LDTR, NEW_SEG)
}

function loadCodeAndStack(cs: u32, ss: u32): void {
  const cpl = cs & 3
  if (!(cs & 0xfffc) || !tryFetch(cs)) raise(EX_TS, cs & 0xfffc)
  if (!descIsCode() || (descIsConforming() ? descDpl() > cpl : descDpl() != cpl)) raise(EX_TS, cs & 0xfffc)
  if (!descPresent()) raise(EX_NP, cs & 0xfffc)
  prepare(NEW_SEG, cs)
  setAccessed(NEW_SEG)
  commit(CS, NEW_SEG)
  updateMode()
  if (!(ss & 0xfffc) || !tryFetch(ss)) raise(EX_TS, ss & 0xfffc)
  if (!descIsWritableData() || descDpl() != cpl || (ss & 3) != cpl) raise(EX_TS, ss & 0xfffc)
  if (!descPresent()) raise(EX_SS, ss & 0xfffc)
  prepare(NEW_SEG, ss)
  setAccessed(NEW_SEG)
  commit(SS, NEW_SEG)
  store<u32>(CPL, cpl)
  updateMode()
}

function loadData(seg: usize, selector: u32): void {
  if (!(selector & 0xfffc)) return
  if (!tryFetch(selector) || !descIsReadable()) raise(EX_TS, selector & 0xfffc)
  if (!descIsConforming() && (descDpl() < load<u32>(CPL) || descDpl() < (selector & 3))) raise(EX_TS, selector & 0xfffc)
  if (!descPresent()) raise(EX_NP, selector & 0xfffc)
  prepare(NEW_SEG, selector)
  setAccessed(NEW_SEG)
  commit(seg, NEW_SEG)
}
