/**
 * String instructions. A repeated one counts each iteration as an instruction, can be interrupted between iterations
 * and goes on where it stopped. Runs inside plain RAM are done in one go; each ends its block.
 */
import { arithFlags, setArithFlags } from './flags'
import { cmpSub } from './arithmetic'
import { setReg } from '../execute/operand'
import { read, write } from '../memory/memory'
import { tlbEntry, tlbHits, tlbPlace, tlbRead, tlbWrite } from '../memory/tlb'
import { OPF_REP, OPF_REPNE, OP_ADDRESS_SHIFT, OP_FLAGS, OP_SEG } from '../execute/op'
import { mayRepeat, pressing, refetched } from '../execute/chain'
import { instructionCount, instructionPointer, nextIp } from '../execute/progress'
import {
  ES, FLAG_DF, FLAT, ICOUNT, ICOUNT_END, MODE, MODE_CODE64, RAX, RCX, RDI, RFLAGS, RIP, RSI, SEG_BASE,
  SEG_READ_BOUND, SEG_WRITE_BOUND, FLAG_ZF,
} from '../state'

/** Mask of the address size. */
@inline function addressMask(op: usize): u64 {
  return u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT))
}

/** Writes an index or count register by address size. */
@inline function setIndex(register: usize, mask: u64, value: u64): void {
  if (mask == 0xffff) store<u16>(register, <u16>value)
  else store<u64>(register, value & mask)
}

@inline function destination(): usize {
  return load<u32>(MODE) & MODE_CODE64 ? FLAT : ES
}

@inline function step<T>(): u64 {
  return load<u32>(RFLAGS) & FLAG_DF ? <u64>(-(<i64>sizeof<T>())) : sizeof<T>()
}

const MOVS: i32 = 0
const STOS: i32 = 1
const LODS: i32 = 2
const CMPS: i32 = 3
const SCAS: i32 = 4

/** One iteration; indexes move only after every access has succeeded. */
@inline function once<T>(op: usize, kind: i32, mask: u64): void {
  const by = step<T>()
  const si = load<u64>(RSI)
  const di = load<u64>(RDI)
  const source = <usize>load<u16>(op, OP_SEG)
  if (kind == MOVS) write<T>(destination(), di & mask, read<T>(source, si & mask))
  else if (kind == STOS) write<T>(destination(), di & mask, load<T>(RAX))
  else if (kind == LODS) setReg<T>(RAX, read<T>(source, si & mask))
  else if (kind == CMPS) {
    const a = read<T>(source, si & mask)
    cmpSub<T>(a, read<T>(destination(), di & mask))
  } else cmpSub<T>(load<T>(RAX), read<T>(destination(), di & mask))
  if (kind == MOVS || kind == LODS || kind == CMPS) setIndex(RSI, mask, si + by)
  if (kind != LODS) setIndex(RDI, mask, di + by)
}

/** Host address of [offset, offset + bytes) for reading when it is plain memory within one page, else 0. */
@inline function plain(seg: usize, offset: u64, bytes: u64, forWrite: bool): usize {
  if (offset + bytes > load<u64>(seg + (forWrite ? SEG_WRITE_BOUND : SEG_READ_BOUND))) return 0
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbEntry(forWrite ? tlbWrite : tlbRead, linear)
  if (!tlbHits(e, linear, bytes) || !tlbHits(e, linear, 1)) return 0
  return tlbPlace(e, linear)
}

/** As many iterations of MOVS or STOS as lie in one page of plain memory on both sides; 0 when none do. */
function bulk<T>(op: usize, kind: i32, mask: u64, most: u64): u64 {
  if (load<u32>(RFLAGS) & FLAG_DF) return 0
  const di = load<u64>(RDI) & mask
  const to = destination()
  let n = min<u64>(most, (0x1000 - ((di + load<u64>(to, SEG_BASE)) & 0xfff)) / sizeof<T>())
  const source = <usize>load<u16>(op, OP_SEG)
  const si = load<u64>(RSI) & mask
  if (kind == MOVS) n = min<u64>(n, (0x1000 - ((si + load<u64>(source, SEG_BASE)) & 0xfff)) / sizeof<T>())
  // Indexes must not wrap inside the run.
  n = min<u64>(n, (mask - di) / sizeof<T>())
  if (kind == MOVS) n = min<u64>(n, (mask - si) / sizeof<T>())
  if (n < 2) return 0
  const bytes = n * sizeof<T>()
  const d = plain(to, di, bytes, true)
  if (!d || !mayRepeat(d)) return 0
  if (kind == MOVS) {
    const s = plain(source, si, bytes, false)
    if (!s) return 0
    // A forward copy onto itself repeats a pattern: memory.copy would not.
    if (d > s && d < s + <usize>bytes) {
      for (let i: usize = 0; i < <usize>bytes; i += sizeof<T>()) store<T>(d + i, load<T>(s + i))
    } else memory.copy(d, s, <usize>bytes)
    setIndex(RSI, mask, si + bytes)
  } else if (sizeof<T>() == 1) memory.fill(d, load<u8>(RAX), <usize>bytes)
  else {
    const v = load<T>(RAX)
    // Mostly zeros, or another byte all over.
    if (rotr<T>(v, 8) == v) memory.fill(d, <u8>v, <usize>bytes)
    else for (let i: usize = 0; i < <usize>bytes; i += sizeof<T>()) store<T>(d + i, v)
  }
  setIndex(RDI, mask, di + bytes)
  return n
}

@inline function repeat<T>(op: usize, kind: i32): void {
  const flags = load<u8>(op, OP_FLAGS)
  const mask = addressMask(op)
  if (!(flags & (OPF_REP | OPF_REPNE))) {
    once<T>(op, kind, mask)
    store<u64>(RIP, nextIp(op))
    return
  }
  let left = load<u64>(RCX) & mask
  if (left == 0) {
    store<u64>(RIP, nextIp(op))
    return
  }
  const compares = kind == CMPS || kind == SCAS
  // Until it has come to its end, its flags are those from before: so a fault in it finds them (Intel SDM vol. 2, REP).
  const before: u32 = compares ? arithFlags() : 0
  let done = false
  while (true) {
    // Always one iteration: the loop is only entered with budget.
    const room = load<u64>(ICOUNT_END) - instructionCount()
    let n: u64 = 0
    if (kind == MOVS || kind == STOS) n = bulk<T>(op, kind, mask, min<u64>(left, room))
    if (n == 0) {
      once<T>(op, kind, mask)
      n = 1
    }
    left -= n
    setIndex(RCX, mask, left)
    if (compares) done = ((arithFlags() & FLAG_ZF) != 0) != ((flags & OPF_REP) != 0)
    if (left == 0 || done) {
      // The instruction itself is counted when it leaves the block.
      store<u64>(ICOUNT, load<u64>(ICOUNT) + n - 1)
      store<u64>(RIP, nextIp(op))
      return
    }
    if (compares) setArithFlags(before)
    // Looked at anew: a device that was written may have pulled the end in.
    if (<i64>(load<u64>(ICOUNT_END) - instructionCount() - n) <= 0 || pressing() || refetched()) {
      store<u64>(ICOUNT, load<u64>(ICOUNT) + n - 1)
      store<u64>(RIP, instructionPointer())
      return
    }
    store<u64>(ICOUNT, load<u64>(ICOUNT) + n)
  }
}

export function movs<T>(op: usize): void {
  repeat<T>(op, MOVS)
}

export function stos<T>(op: usize): void {
  repeat<T>(op, STOS)
}

export function lods<T>(op: usize): void {
  repeat<T>(op, LODS)
}

export function cmps<T>(op: usize): void {
  repeat<T>(op, CMPS)
}

export function scas<T>(op: usize): void {
  repeat<T>(op, SCAS)
}
