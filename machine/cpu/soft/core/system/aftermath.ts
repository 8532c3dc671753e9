/**
 * What comes behind a fault in the instruction that faults. To unwind the frames of its handler takes the host microseconds;
 * so most handlers run on to their end instead, to no effect: the CPU's state is laid aside as the fault left it, and comes
 * back when the handler has ended; and in between nothing is read from memory, written to it or translated, as the TLBs
 * are hidden and every slow path asks `faulted`. So what a fault leaves is the same as with an unwound one, whatever the
 * handler does with the zeros that it reads.
 *
 * It may be so in the handlers of tables with `goesOn` (`../../opcodes/row.ts`), where a handler does nothing more behind the
 * fault, and between instructions. All other faults are unwound.
 */
import { GOES_ON } from '../generated/tables'
import { OP_HANDLER } from '../execute/op'
import { blockStart, breakSoon, currentOp, instructionCount, instructionPointer } from '../execute/progress'
import { hideTlbs, privilegeChanged } from '../memory/tlb'
import { ATTENTION, ATTN_FAULT, DELIVERING, ES, ICOUNT, RIP, STATE, XMM, XMM_SIZE } from '../state'

/** The executing instruction has faulted, and its handler runs on. */
export let faulted: bool = false

/** The CPU's state and the instruction count as the fault left them. */
const LEFT: usize = memory.data(0xa00)
let countLeft: u64 = 0
/** How much of it that is; 0 where nothing changes behind the fault but RIP, ICOUNT and ATTENTION. */
let sizeLeft: usize = 0
let ipLeft: u64 = 0

/** Of GOES_ON: what handlers that run on may change. Either ends in front of the MSRs. */
const CHANGES_REGISTERS: u8 = 1
const REGISTERS_SIZE: usize = ES - STATE
const VECTORS_SIZE: usize = XMM + 16 * XMM_SIZE - STATE

/** In the midst of a handler; false where it has to be unwound. */
export function runOn(): bool {
  if (!blockStart || load<u32>(DELIVERING)) return false
  const changes = load<u8>(changetype<usize>(GOES_ON) + <usize>load<u16>(currentOp, OP_HANDLER))
  if (!changes) return false
  begin(changes == CHANGES_REGISTERS ? REGISTERS_SIZE : VECTORS_SIZE)
  return true
}

/** At the end of a handler, which changes no more than registers and memory; false where it has to be unwound. */
export function runOut(): bool {
  if (!blockStart || load<u32>(DELIVERING)) return false
  begin(REGISTERS_SIZE)
  return true
}

/** Where an instruction is fetched. */
export function stayBetween(): void {
  begin(REGISTERS_SIZE)
}

/** At the very end of a handler, which does nothing more. */
export function stayAtEnd(): void {
  countLeft = instructionCount()
  ipLeft = instructionPointer()
  sizeLeft = 0
  faulted = true
  leaveSoon()
}

/** A call to copy so little takes longer than the copying. */
@inline function copyState(to: usize, from: usize, size: usize): void {
  if (size == REGISTERS_SIZE) {
    for (let i: usize = 0; i < REGISTERS_SIZE; i += 64) {
      v128.store(to + i, v128.load(from + i))
      v128.store(to + i, v128.load(from + i, 16), 16)
      v128.store(to + i, v128.load(from + i, 32), 32)
      v128.store(to + i, v128.load(from + i, 48), 48)
    }
  } else memory.copy(to, from, size)
}

function begin(size: usize): void {
  countLeft = instructionCount()
  store<u64>(RIP, instructionPointer())
  sizeLeft = size
  copyState(LEFT, STATE, size)
  faulted = true
  hideTlbs()
  leaveSoon()
}

function leaveSoon(): void {
  // Whatever comes behind the handler leads to the run loop.
  store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_FAULT)
  breakSoon()
}

/** Between instructions again: the exception can be delivered. */
export function endAftermath(): void {
  faulted = false
  store<u64>(ICOUNT, countLeft)
  if (!sizeLeft) {
    store<u64>(RIP, ipLeft)
    store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_FAULT)
    return
  }
  copyState(STATE, LEFT, sizeLeft)
  privilegeChanged()
}
