/**
 * Raising exceptions. A fault leaves the core at once: the host throws through every frame, and run() delivers it on re-entry.
 * That is dear, so the common ones do not: what runs on behind them is without effect (`aftermath.ts`), and run() delivers
 * them when the handler has come to its end.
 */
import { faulted, runOn, runOut, stayAtEnd, stayBetween } from './aftermath'
import { dropHits } from './debug'
import { noteRefusal } from './fault-log'
import { dropGathered } from '../vector/float-sse'
import { unwind } from '../host'
import { blockStart, syncForFault } from '../execute/progress'
import { DELIVERING, EXIT_REASON, HALTED, PENDING_ERROR, PENDING_HAS_ERROR, PENDING_VECTOR } from '../state'

/** Does not return. What an instruction has begun and not ended must not count for the next one. */
function leaveInstruction(): void {
  dropHits()
  dropGathered()
  // Behind a fault of the same instruction all is as it is to be.
  if (!faulted) syncForFault()
  unwind()
  unreachable()
}

/** The executing instruction is not executed: the CPU waits in front of it for an interrupt. Does not return. */
@noInline export function waitBefore(): void {
  store<u32>(HALTED, 1)
  leaveInstruction()
}

/** The first exception of an instruction counts. */
@inline function pend(vector: u32, hasError: bool, errorCode: u32): void {
  if (faulted) return
  store<u32>(PENDING_VECTOR, vector)
  store<u32>(PENDING_ERROR, errorCode)
  store<u32>(PENDING_HAS_ERROR, hasError ? 1 : 0)
}

/** Raises an exception with an error code; does not return. */
@noInline export function raise(vector: u32, errorCode: u32): void {
  pend(vector, true, errorCode)
  leaveInstruction()
}

/** Raises an exception without an error code; does not return. */
@noInline export function raiseNoError(vector: u32): void {
  pend(vector, false, 0)
  leaveInstruction()
}

/** Raises what a segment's refusal of an access is: `why` is REFUSED_, `access` 0 read, 1 write, 2 execute. Does not return. */
@noInline export function refuse(vector: u32, errorCode: u32, why: u32, seg: usize, offset: u64, access: u32): void {
  if (!faulted) noteRefusal(why, seg, offset, access)
  raise(vector, errorCode)
}

function endOrUnwind(vector: u32, hasError: bool, errorCode: u32): void {
  if (faulted) return
  pend(vector, hasError, errorCode)
  dropHits()
  if (!runOut()) leaveInstruction()
}

/** For handlers that do no more behind it than to change registers and memory, which is without effect then. */
@noInline export function raiseLast(vector: u32, errorCode: u32): void {
  endOrUnwind(vector, true, errorCode)
}

@noInline export function raiseLastNoError(vector: u32): void {
  endOrUnwind(vector, false, 0)
}

/** As the last act of a handler, behind which nothing changes. */
@noInline export function raiseAtEnd(vector: u32): void {
  if (faulted) return
  if (!blockStart || load<u32>(DELIVERING)) return raiseNoError(vector)
  pend(vector, false, 0)
  dropHits()
  stayAtEnd()
}

function goOnOrUnwind(vector: u32, hasError: bool, errorCode: u32): void {
  if (faulted) return
  pend(vector, hasError, errorCode)
  dropHits()
  if (!runOn()) leaveInstruction()
}

/** In the midst of an instruction, as accesses to memory raise it: may return, and what follows is without effect. */
@noInline export function raiseInside(vector: u32, errorCode: u32): void {
  goOnOrUnwind(vector, true, errorCode)
}

@noInline export function raiseInsideNoError(vector: u32): void {
  goOnOrUnwind(vector, false, 0)
}

/** Where an instruction is fetched; returns, and there is nothing to execute. */
@noInline export function raiseInFetch(vector: u32, errorCode: u32): void {
  if (faulted) return
  pend(vector, true, errorCode)
  dropHits()
  stayBetween()
}

/** The same for accesses to memory: may return. */
@noInline export function refuseAccess(vector: u32, errorCode: u32, why: u32, seg: usize, offset: u64, access: u32): void {
  if (faulted) return
  noteRefusal(why, seg, offset, access)
  raiseInside(vector, errorCode)
}

/** Leaves the core in front of the executing instruction, with an EXIT_ reason; does not return. */
@noInline export function leaveCore(reason: u32): void {
  store<u32>(EXIT_REASON, reason)
  leaveInstruction()
}
