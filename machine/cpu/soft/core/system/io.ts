/** IN, OUT, INS, OUTS (Intel SDM vol. 1, chapter 19). */
import { noteHits } from './debug'
import { iopl } from './eflags'
import { raise, raiseLast } from './fault'
import { portRead, portWrite } from '../host'
import { asksOutside } from '../memory/kept-memory'
import { probeWrite, read, write } from '../memory/memory'
import { OPF_REP, OPF_REPNE, OP_ADDRESS_SHIFT, OP_FLAGS, OP_IMM, opSeg } from '../execute/op'
import { setGpr } from '../execute/operand'
import { pressing, refetched } from '../execute/chain'
import { instructionCount, instructionPointer, nextIp, stall } from '../execute/progress'
import { code64, tableRead, virtual8086 } from './segment'
import {
  CPL, CR0, CR0_PE, CR4, CR4_DE, DR, ES, EX_GP, FLAG_DF, FLAT, ICOUNT, ICOUNT_END, RAX, RCX,
  RDI, RDX, RFLAGS, RIP, RSI, SEG_ACCESS, SEG_BASE, SEG_LIMIT, TR,
} from '../state'

/** Whether IOPL or the TSS's permission bitmap lets `size` bytes of ports from `port` through. */
@inline function mayAccess(port: u32, size: u32): bool {
  return !(load<u32>(CR0) & CR0_PE && (load<u32>(CPL) > iopl() || virtual8086())) || inBitmap(port, size)
}

@inline function checkPort(port: u32, size: u32): void {
  if (!mayAccess(port, size)) raise(EX_GP, 0)
}

/** To be called behind the access: a breakpoint counts only where it was made. */
@inline function accessed(port: u32, size: u32): void {
  if (load<u32>(CR4) & CR4_DE && load<u32>(DR + 56) & 0xff) checkBreakpoint(port, size)
}

/** I/O breakpoints (R/W field 2). */
function checkBreakpoint(port: u32, size: u32): void {
  const dr7 = load<u32>(DR + 56)
  let hit: u32 = 0
  for (let i: u32 = 0; i < 4; i++) {
    if (!((dr7 >> (i * 2)) & 3) || ((dr7 >> (16 + i * 4)) & 3) != 2) continue
    const code = (dr7 >> (18 + i * 4)) & 3
    const length: u32 = code == 2 ? 8 : code + 1
    const start = load<u32>(DR + <usize>i * 8) & ~(length - 1)
    if (port < start + length && port + size > start) hit |= 1 << i
  }
  if (hit) noteHits(hit)
}

function inBitmap(port: u32, size: u32): bool {
  const limit = load<u32>(TR, SEG_LIMIT)
  if (!(load<u32>(TR, SEG_ACCESS) & 8) || limit < 103) return false
  const base = load<u64>(TR, SEG_BASE)
  const at = <u32>tableRead<u16>(base + 102) + (port >> 3)
  // Two bytes are always read, so that an access may span them.
  if (at + 1 > limit) return false
  const bits = <u32>tableRead<u16>(base + at) >> (port & 7)
  return !(bits & ((1 << size) - 1))
}

/** Bytes of an I/O operand of type T: never more than four. */
@inline function width<T>(): u32 {
  return sizeof<T>() == 8 ? 4 : <u32>sizeof<T>()
}

/**
 * What a single port access takes, in instructions of 10 ns: 0.5 µs, about an ISA cycle. Delay loops that poll a port so
 * end after about as many polls as on a PC, instead of a hundred times as many. String transfers are not slowed.
 */
const PORT_STALL: u64 = 50

@inline function inPort<T>(port: u32): void {
  const size = width<T>()
  if (!mayAccess(port, size)) return raiseLast(EX_GP, 0)
  stall(PORT_STALL)
  asksOutside()
  const value = portRead(port, size)
  if (size == 1) store<u8>(RAX, <u8>value)
  else if (size == 2) store<u16>(RAX, <u16>value)
  else setGpr<u32>(RAX, value)
  accessed(port, size)
}

@inline function outPort<T>(port: u32): void {
  const size = width<T>()
  if (!mayAccess(port, size)) return raiseLast(EX_GP, 0)
  stall(PORT_STALL)
  if (size == 1) portWrite(port, load<u8>(RAX), 1)
  else if (size == 2) portWrite(port, load<u16>(RAX), 2)
  else portWrite(port, load<u32>(RAX), 4)
  accessed(port, size)
}

/** E4, E5. */
export function in_I<T>(op: usize): void {
  inPort<T>(load<u8>(op, OP_IMM))
}

/** EC, ED. */
export function in_DX<T>(op: usize): void {
  inPort<T>(load<u16>(RDX))
}

/** E6, E7. */
export function out_I<T>(op: usize): void {
  outPort<T>(load<u8>(op, OP_IMM))
}

/** EE, EF. */
export function out_DX<T>(op: usize): void {
  outPort<T>(load<u16>(RDX))
}

@inline function setIndex(register: usize, mask: u64, value: u64): void {
  if (mask == 0xffff) store<u16>(register, <u16>value)
  else store<u64>(register, value & mask)
}

/** The write is known to succeed before the port is read: a port cannot be read twice. */
@inline function insOnce<T>(mask: u64): void {
  const size = width<T>()
  const port = <u32>load<u16>(RDX)
  checkPort(port, size)
  const seg = code64() ? FLAT : ES
  const di = load<u64>(RDI)
  probeWrite(seg, di & mask, size)
  asksOutside()
  const value = portRead(port, size)
  if (size == 1) write<u8>(seg, di & mask, <u8>value)
  else if (size == 2) write<u16>(seg, di & mask, <u16>value)
  else write<u32>(seg, di & mask, value)
  accessed(port, size)
  setIndex(RDI, mask, load<u32>(RFLAGS) & FLAG_DF ? di - size : di + size)
}

@inline function outsOnce<T>(op: usize, mask: u64): void {
  const size = width<T>()
  const port = <u32>load<u16>(RDX)
  checkPort(port, size)
  const si = load<u64>(RSI)
  let value: u32
  if (size == 1) value = read<u8>(opSeg(op), si & mask)
  else if (size == 2) value = read<u16>(opSeg(op), si & mask)
  else value = read<u32>(opSeg(op), si & mask)
  asksOutside()
  portWrite(port, value, size)
  accessed(port, size)
  setIndex(RSI, mask, load<u32>(RFLAGS) & FLAG_DF ? si - size : si + size)
}

/** As for the other strings: an iteration is an instruction, and the registers are right after each. */
@inline function repeat<T>(op: usize, input: bool): void {
  const mask = u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT))
  if (!(load<u8>(op, OP_FLAGS) & (OPF_REP | OPF_REPNE))) {
    if (input) insOnce<T>(mask)
    else outsOnce<T>(op, mask)
    store<u64>(RIP, nextIp(op))
    return
  }
  let left = load<u64>(RCX) & mask
  // The permission is asked for even where nothing is transferred.
  if (!left) checkPort(load<u16>(RDX), width<T>())
  while (left) {
    if (input) insOnce<T>(mask)
    else outsOnce<T>(op, mask)
    left--
    setIndex(RCX, mask, left)
    if (!left) break
    if (pressing() || refetched() || instructionCount() + 1 >= load<u64>(ICOUNT_END)) {
      // The rest comes later; this iteration is counted when the op leaves.
      store<u64>(RIP, instructionPointer())
      return
    }
    store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
  }
  store<u64>(RIP, nextIp(op))
}

/** 6C, 6D. */
export function ins<T>(op: usize): void {
  repeat<T>(op, true)
}

/** 6E, 6F. */
export function outs<T>(op: usize): void {
  repeat<T>(op, false)
}
