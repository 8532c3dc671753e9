/** Raising exceptions. A fault leaves the core at once: the host throws through every frame, and run() delivers it on re-entry. */
import { dropHits } from './debug'
import { noteRefusal } from './fault-log'
import { dropGathered } from '../vector/float-sse'
import { unwind } from '../host'
import { syncForFault } from '../execute/progress'
import { EXIT_REASON, HALTED, PENDING_ERROR, PENDING_HAS_ERROR, PENDING_VECTOR } from '../state'

/** What an instruction has begun and not ended must not count for the next one. */
@inline function leaveNothing(): void {
  dropHits()
  dropGathered()
  syncForFault()
}

/** The executing instruction is not executed: the CPU waits in front of it for an interrupt. Does not return. */
@noInline export function waitBefore(): void {
  store<u32>(HALTED, 1)
  leaveNothing()
  unwind()
  unreachable()
}

/** Raises an exception with an error code; does not return. */
@noInline export function raise(vector: u32, errorCode: u32): void {
  store<u32>(PENDING_VECTOR, vector)
  store<u32>(PENDING_ERROR, errorCode)
  store<u32>(PENDING_HAS_ERROR, 1)
  leaveNothing()
  unwind()
  unreachable()
}

/** Raises what a segment's refusal of an access is: `why` is REFUSED_, `access` 0 read, 1 write, 2 execute. */
@noInline export function refuse(vector: u32, errorCode: u32, why: u32, seg: usize, offset: u64, access: u32): void {
  noteRefusal(why, seg, offset, access)
  raise(vector, errorCode)
}

/** Leaves the core in front of the executing instruction, with an EXIT_ reason; does not return. */
@noInline export function leaveCore(reason: u32): void {
  store<u32>(EXIT_REASON, reason)
  leaveNothing()
  unwind()
  unreachable()
}

/** Raises an exception without an error code; does not return. */
@noInline export function raiseNoError(vector: u32): void {
  store<u32>(PENDING_VECTOR, vector)
  store<u32>(PENDING_HAS_ERROR, 0)
  leaveNothing()
  unwind()
  unreachable()
}
