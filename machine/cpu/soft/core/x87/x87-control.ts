/**
 * x87 control: FINIT, control and status word, environment and whole state in its four formats (Intel SDM vol. 1, 8.1.10).
 */
import { linearOf, probeWrite, read, readEa, write, writeEa } from '../memory/memory'
import { OPF_SIZE, OP_FLAGS, ea, opSeg } from '../execute/op'
import { raiseNoError } from '../system/fault'
import {
  CR0, CR0_MP, CR0_PE, CR0_TS, EX_NM, FLAG_VM, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE, FPU_STATUS,
  FPU_TAGS, FPU_TOP, FPR, RAX, RFLAGS,
} from '../state'
import {
  SW_ES, SW_EXCEPTIONS, SW_SF, check, checkAvailable, pendingException, seOf, sigOf, st, updateSummary,
} from './x87-state'

/** Bits that a control word has; bit 6 always reads 1. */
const CONTROL_BITS: u32 = 0x1f3f
const CONTROL_ONE: u32 = 0x40

/** The status word with TOP in it. */
@inline export function statusWord(): u16 {
  return <u16>(load<u16>(FPU_STATUS) | (load<u32>(FPU_TOP) << 11))
}

export function setStatusWord(value: u32): void {
  store<u32>(FPU_TOP, (value >> 11) & 7)
  store<u16>(FPU_STATUS, <u16>(value & ~0x3800))
}

export function setControlWord(value: u32): void {
  store<u16>(FPU_CONTROL, <u16>((value & CONTROL_BITS) | CONTROL_ONE))
}

function initialise(): void {
  store<u16>(FPU_CONTROL, 0x37f)
  store<u16>(FPU_STATUS, load<u16>(FPU_STATUS) & <u16>SW_ES)
  updateSummary()
  store<u32>(FPU_TOP, 0)
  store<u64>(FPU_TAGS, 0)
  store<u16>(FPU_OPCODE, 0)
  store<u64>(FPU_IP, 0)
  store<u16>(FPU_CS, 0)
  store<u64>(FPU_DP, 0)
  store<u16>(FPU_DS, 0)
}

export function fninit(op: usize): void {
  checkAvailable()
  initialise()
}

export function fnclex(op: usize): void {
  checkAvailable()
  store<u16>(FPU_STATUS, load<u16>(FPU_STATUS) & <u16>~(SW_EXCEPTIONS | SW_SF))
  updateSummary()
}

/** FENI, FDISI, FSETPM: of the 8087 and 80287; nothing to do since. */
export function fnop_control(op: usize): void {
  checkAvailable()
}

export function fldcw(op: usize): void {
  check()
  setControlWord(readEa<u16>(op))
  updateSummary()
}

export function fnstcw(op: usize): void {
  checkAvailable()
  writeEa<u16>(op, load<u16>(FPU_CONTROL))
}

export function fnstsw_m16(op: usize): void {
  checkAvailable()
  writeEa<u16>(op, statusWord())
}

export function fnstsw_ax(op: usize): void {
  checkAvailable()
  store<u16>(RAX, statusWord())
}

/** WAIT: unlike the others it asks for TS only together with MP. */
export function fwait(op: usize): void {
  if ((load<u32>(CR0) & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) raiseNoError(EX_NM)
  if (load<u16>(FPU_STATUS) & SW_ES) pendingException()
}

// ---- tags ----

/** The full tag word: 0 valid, 1 zero, 2 special, 3 empty, for each physical register. */
export function tagWord(): u32 {
  let word: u32 = 0
  for (let i: u32 = 0; i < 8; i++) {
    let tag: u32 = 3
    if (load<u8>(FPU_TAGS + i)) {
      const r = FPR + (<usize>i << 4)
      const e = seOf(r) & 0x7fff
      const sig = sigOf(r)
      if (e == 0 && sig == 0) tag = 1
      else tag = e == 0 || e == 0x7fff || !(sig >> 63) ? 2 : 0
    }
    word |= tag << (i * 2)
  }
  return word
}

function setTagWord(word: u32): void {
  for (let i: u32 = 0; i < 8; i++) store<u8>(FPU_TAGS + i, ((word >> (i * 2)) & 3) == 3 ? 0 : 1)
}

// ---- environment ----

@inline function realFormat(): bool {
  return !(load<u32>(CR0) & CR0_PE) || (load<u32>(RFLAGS) & FLAG_VM) != 0
}

@inline function wideFormat(op: usize): bool {
  return (load<u8>(op, OP_FLAGS) & OPF_SIZE) >= 2
}

/** A pointer as real mode has it: the linear address. */
@inline function linearPointer(offset: usize, selector: usize): u32 {
  return <u32>load<u64>(offset) + ((<u32>load<u16>(selector)) << 4)
}

/** Writes the environment (the caller has probed the memory); returns its size. */
function writeEnvironment(op: usize, offset: u64): u32 {
  const seg = opSeg(op)
  const real = realFormat()
  const opcode = <u32>load<u16>(FPU_OPCODE) & 0x7ff
  let ip = <u32>load<u64>(FPU_IP)
  let dp = <u32>load<u64>(FPU_DP)
  let cs = <u32>load<u16>(FPU_CS)
  let ds = <u32>load<u16>(FPU_DS)
  if (real) {
    ip = linearPointer(FPU_IP, FPU_CS)
    dp = linearPointer(FPU_DP, FPU_DS)
  }
  if (wideFormat(op)) {
    write<u32>(seg, offset, 0xffff0000 | load<u16>(FPU_CONTROL))
    write<u32>(seg, offset + 4, 0xffff0000 | statusWord())
    write<u32>(seg, offset + 8, 0xffff0000 | tagWord())
    if (real) {
      write<u32>(seg, offset + 12, 0xffff0000 | (ip & 0xffff))
      write<u32>(seg, offset + 16, ((ip >> 16) << 12) | opcode)
      write<u32>(seg, offset + 20, 0xffff0000 | (dp & 0xffff))
      write<u32>(seg, offset + 24, (dp >> 16) << 12)
    } else {
      write<u32>(seg, offset + 12, ip)
      write<u32>(seg, offset + 16, cs | (opcode << 16))
      write<u32>(seg, offset + 20, dp)
      write<u32>(seg, offset + 24, 0xffff0000 | ds)
    }
    return 28
  }
  write<u16>(seg, offset, load<u16>(FPU_CONTROL))
  write<u16>(seg, offset + 2, statusWord())
  write<u16>(seg, offset + 4, <u16>tagWord())
  write<u16>(seg, offset + 6, <u16>ip)
  write<u16>(seg, offset + 8, <u16>(real ? ((ip >> 16) << 12) | opcode : cs))
  write<u16>(seg, offset + 10, <u16>dp)
  write<u16>(seg, offset + 12, <u16>(real ? (dp >> 16) << 12 : ds))
  return 14
}

/** Reads the environment; returns its size. Everything is read before anything is changed. */
function readEnvironment(op: usize, offset: u64): u32 {
  const seg = opSeg(op)
  const real = realFormat()
  let control: u32
  let status: u32
  let tags: u32
  let ip: u32
  let cs: u32 = 0
  let dp: u32
  let ds: u32 = 0
  let opcode: u32 = 0
  const wide = wideFormat(op)
  if (wide) {
    control = read<u16>(seg, offset)
    status = read<u16>(seg, offset + 4)
    tags = read<u16>(seg, offset + 8)
    ip = read<u32>(seg, offset + 12)
    cs = read<u32>(seg, offset + 16)
    dp = read<u32>(seg, offset + 20)
    ds = read<u32>(seg, offset + 24)
    opcode = real ? cs & 0x7ff : (cs >> 16) & 0x7ff
  } else {
    control = read<u16>(seg, offset)
    status = read<u16>(seg, offset + 2)
    tags = read<u16>(seg, offset + 4)
    ip = read<u16>(seg, offset + 6)
    cs = read<u16>(seg, offset + 8)
    dp = read<u16>(seg, offset + 10)
    ds = read<u16>(seg, offset + 12)
    if (real) opcode = cs & 0x7ff
  }
  if (real) {
    ip = (ip & 0xffff) | ((cs >> 12) << 16)
    dp = (dp & 0xffff) | ((ds >> 12) << 16)
    cs = ds = 0
  }
  pendingControl = control
  pendingStatus = status
  pendingTags = tags
  pendingIp = ip
  pendingCs = cs
  pendingDp = dp
  pendingDs = ds
  pendingOpcode = opcode
  return wide ? 28 : 14
}

let pendingControl: u32 = 0
let pendingStatus: u32 = 0
let pendingTags: u32 = 0
let pendingIp: u32 = 0
let pendingCs: u32 = 0
let pendingDp: u32 = 0
let pendingDs: u32 = 0
let pendingOpcode: u32 = 0

function commitEnvironment(): void {
  setControlWord(pendingControl)
  setStatusWord(pendingStatus)
  setTagWord(pendingTags)
  store<u64>(FPU_IP, <u64>pendingIp)
  store<u16>(FPU_CS, <u16>pendingCs)
  store<u64>(FPU_DP, <u64>pendingDp)
  store<u16>(FPU_DS, <u16>pendingDs)
  store<u16>(FPU_OPCODE, <u16>pendingOpcode)
  updateSummary()
}

export function fnstenv(op: usize): void {
  checkAvailable()
  const offset = ea(op)
  probeWrite(opSeg(op), offset, wideFormat(op) ? 28 : 14)
  writeEnvironment(op, offset)
  // All exceptions are masked afterwards.
  store<u16>(FPU_CONTROL, load<u16>(FPU_CONTROL) | <u16>SW_EXCEPTIONS)
  updateSummary()
}

export function fldenv(op: usize): void {
  check()
  readEnvironment(op, ea(op))
  commitEnvironment()
}

export function fnsave(op: usize): void {
  checkAvailable()
  const seg = opSeg(op)
  let offset = ea(op)
  probeWrite(seg, offset, wideFormat(op) ? 108 : 94)
  offset += writeEnvironment(op, offset)
  for (let i: u32 = 0; i < 8; i++) {
    const r = st(i)
    write<u64>(seg, offset, sigOf(r))
    write<u16>(seg, offset + 8, <u16>seOf(r))
    offset += 10
  }
  initialise()
}

export function frstor(op: usize): void {
  check()
  const seg = opSeg(op)
  let offset = ea(op)
  // The last byte's fault comes before the first register changes.
  linearOf(seg, offset, wideFormat(op) ? 108 : 94, false)
  read<u16>(seg, offset + (wideFormat(op) ? 106 : 92))
  offset += readEnvironment(op, offset)
  commitEnvironment()
  for (let i: u32 = 0; i < 8; i++) {
    const r = st(i)
    store<u64>(r, read<u64>(seg, offset))
    store<u16>(r, read<u16>(seg, offset + 8), 8)
    offset += 10
  }
}
