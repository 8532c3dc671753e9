/**
 * System management mode (Intel SDM vol. 3, chapter 32), as far as firmware needs it: the save state of 32-bit CPUs,
 * revision 00020000, with SMBASE relocation.
 */
import { smmChanged } from '../host'
import { raiseNoError } from './fault'
import { getFlags, setFlags } from '../integer/flags'
import { physRead, physWrite } from '../memory/physical'
import { flushTlb } from '../memory/tlb'
import { ACC_UNUSABLE, segmentAddress, setBase, setFlat, setNull, setSegmentBounds, updateMode } from './segment'
import {
  CPL, CR0, CR0_EM, CR0_PE, CR0_PG, CR0_TS, CR3, CR4, CS, DR, EX_UD, FLAG_VM, GDTR_BASE, GDTR_LIMIT, GPR, HALTED,
  IDTR_BASE, IDTR_LIMIT, IN_SMM, LDTR, NMI_MASKED, RIP, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SHADOW, SMBASE,
  SS, TR,
} from '../state'

// Offsets from SMBASE + 8000.
const SAVE_SMBASE: u32 = 0x7ef8
const SAVE_REVISION: u32 = 0x7efc
const SAVE_HALT: u32 = 0x7f02
const SAVE_CR4: u32 = 0x7f14
const SAVE_IDT: u32 = 0x7f54 // limit, base
const SAVE_TR: u32 = 0x7f5c // access, limit, base
const SAVE_GDT: u32 = 0x7f70 // limit, base
const SAVE_LDTR: u32 = 0x7f78 // access, limit, base
const SAVE_DS_FS_GS: u32 = 0x7f2c // access, limit, base of each
const SAVE_ES_CS_SS: u32 = 0x7f84
const SAVE_SELECTORS: u32 = 0x7fa8 // ES CS SS DS FS GS LDTR TR
const SAVE_DR7: u32 = 0x7fc8
const SAVE_DR6: u32 = 0x7fcc
const SAVE_EAX: u32 = 0x7fd0 // EAX ECX EDX EBX ESP EBP ESI EDI
const SAVE_EIP: u32 = 0x7ff0
const SAVE_EFLAGS: u32 = 0x7ff4
const SAVE_CR3: u32 = 0x7ff8
const SAVE_CR0: u32 = 0x7ffc

const REVISION: u32 = 0x00020000

let area: u64 = 0

function put(offset: u32, value: u32): void {
  physWrite(area + offset, value, 4)
}

function get(offset: u32): u32 {
  return <u32>physRead(area + offset, 4)
}

@inline function recordOffset(n: u32): u32 {
  return n < 3 ? SAVE_ES_CS_SS + n * 12 : SAVE_DS_FS_GS + (n - 3) * 12
}

function putRecord(offset: u32, seg: usize): void {
  // Access in the layout of a descriptor's second dword.
  const access = load<u32>(seg, SEG_ACCESS)
  put(offset, access & ACC_UNUSABLE ? 0 : (access & 0xf0ff) << 8)
  put(offset + 4, load<u32>(seg, SEG_LIMIT))
  put(offset + 8, load<u32>(seg, SEG_BASE))
}

function getRecord(offset: u32, seg: usize, selector: u32): void {
  const access = get(offset) >> 8
  if (access & 0x80) {
    store<u16>(seg, <u16>selector, SEG_SELECTOR)
    store<u32>(seg, access & 0xf0ff, SEG_ACCESS)
    store<u32>(seg, get(offset + 4), SEG_LIMIT)
    store<u64>(seg, get(offset + 8), SEG_BASE)
    setSegmentBounds(seg)
  } else setNull(seg, selector)
}

/** SMI#: saves the state below SMBASE + 10000 and starts at SMBASE + 8000 in a flat kind of real mode. */
export function enterSmm(): void {
  store<u32>(IN_SMM, 1)
  smmChanged(1)
  const base = load<u32>(SMBASE)
  area = <u64>base + 0x8000
  put(SAVE_SMBASE, base)
  put(SAVE_REVISION, REVISION)
  physWrite(area + SAVE_HALT, 0, 2)
  put(SAVE_CR4, load<u32>(CR4))
  put(SAVE_IDT, load<u32>(IDTR_LIMIT))
  put(SAVE_IDT + 4, load<u32>(IDTR_BASE))
  put(SAVE_GDT, load<u32>(GDTR_LIMIT))
  put(SAVE_GDT + 4, load<u32>(GDTR_BASE))
  putRecord(SAVE_TR, TR)
  putRecord(SAVE_LDTR, LDTR)
  for (let i: u32 = 0; i < 6; i++) {
    putRecord(recordOffset(i), segmentAddress(i))
    put(SAVE_SELECTORS + i * 4, load<u16>(segmentAddress(i), SEG_SELECTOR))
  }
  put(SAVE_SELECTORS + 24, load<u16>(LDTR, SEG_SELECTOR))
  put(SAVE_SELECTORS + 28, load<u16>(TR, SEG_SELECTOR))
  put(SAVE_DR7, load<u32>(DR + 56))
  put(SAVE_DR6, load<u32>(DR + 48))
  for (let i: u32 = 0; i < 8; i++) put(SAVE_EAX + i * 4, load<u32>(GPR + <usize>i * 8))
  put(SAVE_EIP, load<u32>(RIP))
  put(SAVE_EFLAGS, getFlags())
  put(SAVE_CR3, load<u32>(CR3))
  put(SAVE_CR0, load<u32>(CR0))

  setFlags(2)
  store<u64>(RIP, 0x8000)
  store<u32>(CR0, load<u32>(CR0) & ~(CR0_PE | CR0_EM | CR0_TS | CR0_PG))
  store<u64>(CR4, 0)
  store<u64>(DR + 56, 0x400)
  store<u32>(NMI_MASKED, 1)
  store<u32>(SHADOW, 0)
  store<u32>(CPL, 0)
  for (let i: u32 = 0; i < 6; i++) setFlat(segmentAddress(i), 0, 0x8093)
  store<u16>(CS, <u16>(base >> 4), SEG_SELECTOR)
  setBase(CS, base)
  updateMode()
  flushTlb()
}

/** 0F AA: RSM. The state is as it was at the SMI, but for what the handler changed in the save area. */
export function rsm(op: usize): void {
  if (!load<u32>(IN_SMM)) raiseNoError(EX_UD)
  area = <u64>load<u32>(SMBASE) + 0x8000
  store<u64>(CR0, get(SAVE_CR0))
  store<u64>(CR3, get(SAVE_CR3))
  store<u64>(CR4, get(SAVE_CR4))
  const flags = get(SAVE_EFLAGS)
  setFlags(flags)
  store<u64>(RIP, get(SAVE_EIP))
  for (let i: u32 = 0; i < 8; i++) store<u64>(GPR + <usize>i * 8, get(SAVE_EAX + i * 4))
  store<u64>(DR + 48, get(SAVE_DR6))
  store<u64>(DR + 56, get(SAVE_DR7))
  store<u32>(IDTR_LIMIT, get(SAVE_IDT))
  store<u64>(IDTR_BASE, get(SAVE_IDT + 4))
  store<u32>(GDTR_LIMIT, get(SAVE_GDT))
  store<u64>(GDTR_BASE, get(SAVE_GDT + 4))
  getRecord(SAVE_TR, TR, get(SAVE_SELECTORS + 28))
  getRecord(SAVE_LDTR, LDTR, get(SAVE_SELECTORS + 24))
  for (let i: u32 = 0; i < 6; i++) getRecord(recordOffset(i), segmentAddress(i), get(SAVE_SELECTORS + i * 4))
  if (!(load<u32>(CR0) & CR0_PE)) store<u32>(CPL, 0)
  else if (flags & FLAG_VM) store<u32>(CPL, 3)
  else store<u32>(CPL, (load<u32>(SS, SEG_ACCESS) >> 5) & 3)
  store<u32>(SMBASE, get(SAVE_SMBASE))
  if (physRead(area + SAVE_HALT, 2) & 1) store<u32>(HALTED, 1)
  store<u32>(NMI_MASKED, 0)
  store<u32>(IN_SMM, 0)
  smmChanged(0)
  updateMode()
  flushTlb()
}
