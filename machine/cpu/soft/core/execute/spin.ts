/**
 * Guests that wait in a loop. A pass that ends with the registers and the memory that it began with, and has asked nothing of
 * a device or a clock, will do the very same again, until an interrupt or an input comes; and those come at the end of
 * the budget at the earliest. So whole passes are counted without being executed, and nobody can tell. Exceptions may be part
 * of a pass, as of a handler that goes back to the fault.
 *
 * Now and then the run loop tries: it executes an instruction at a time, keeps what memory was where something is written, and
 * compares whenever the loop comes back to where the trial began.
 */
import { faultCount, repeatFaults } from '../system/fault-log'
import { OTHERS_RUN } from '../system/features'
import { TOLD_HANDLER, TOLD_INTERRUPT, wants } from '../system/told'
import { asked, memoryAsBefore, startKeeping, stopKeeping, trying } from '../memory/kept-memory'
import {
  ATTENTION, ATTN_INTR, ATTN_TRIAL, FLAG_IF, GPR, ICOUNT, ICOUNT_END, ICOUNT_LIMIT, REG_BLOCK_IP, REG_ZERO, RFLAGS, RIP, STALLED,
  STATE, STATE_SIZE,
} from '../state'
import { hideWriteTlb } from '../memory/tlb'

/** Instructions of the longest pass. */
const LONGEST: u64 = 4000
/** What the budget must have left for a trial to be worth it. */
const WORTH: u64 = 50_000
/** After a trial that failed so many instructions go by without one, twice as many each time. */
const FIRST_PAUSE: u64 = 100_000
const LONGEST_PAUSE: u64 = FIRST_PAUSE << 7

/** ICOUNT when the last trial began, and for how many instructions from there on no other one does. */
let began: u64 = 0
let pause: u64 = 0
/** Someone wants to know whether the guest is in such a loop now: the next trial is due, and tells. */
let asking: bool = false
let inLoop: u32 = 0
/** Of the pass that is tried: the faults and stalls before it, and whether interrupts were let in. */
let faultsBefore: u32 = 0
let stalledBefore: u64 = 0
let letsIn: bool = false

/** The CPU's state when the trial began. */
const BEFORE: usize = memory.data(0x1000)
/** Whether it is worth a trial to start one, where the guest goes on now. */
export function startTrial(): void {
  if (load<u64>(ICOUNT_END) - load<u64>(ICOUNT) < (asking ? LONGEST * 2 : WORTH) || load<u32>(OTHERS_RUN)) return
  // An interrupt that is not taken is no news.
  const ignored = ATTN_TRIAL | (load<u32>(RFLAGS) & FLAG_IF ? 0 : ATTN_INTR)
  if (load<u32>(ATTENTION) & ~ignored) return
  // Where the count was set back by a debugger this is due, too.
  if (load<u64>(ICOUNT) - began < pause && !asking) return
  memory.copy(BEFORE, STATE, STATE_SIZE)
  began = load<u64>(ICOUNT)
  faultsBefore = faultCount()
  stalledBefore = load<u64>(STALLED)
  letsIn = false
  startKeeping()
  hideWriteTlb(true)
}

export function endTrial(success: bool): void {
  if (!trying) return
  stopKeeping()
  hideWriteTlb(false)
  pause = success ? 0 : min<u64>(max<u64>(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
}

/** A trial is to be made as soon as the guest goes on, which tells `foundLoop()`. It is of the same kind as all others. */
export function askForLoop(): void {
  asking = true
  inLoop = 0
}

/** Whether the trial that was asked for found the guest in a loop: 1; 2 where it lets interrupts in on its way. */
export function foundLoop(): u32 {
  return inLoop
}

/** The CPU's state, but for what only means something inside a block. */
function stateAsBefore(): bool {
  store<u64>(BEFORE + (REG_BLOCK_IP - STATE), load<u64>(REG_BLOCK_IP))
  return !memory.compare(BEFORE, STATE, STATE_SIZE)
}

/** An exception is about to be delivered: whoever is told of each one is told of all. */
export function trialFaults(): void {
  if (trying && wants(TOLD_INTERRUPT | TOLD_HANDLER)) endTrial(false)
}

/** As many passes more as the budget has room for, of `count` instructions each. */
function repeatPasses(count: u64): void {
  const stalls = load<u64>(STALLED) - stalledBefore
  const left = load<u64>(ICOUNT_END) - load<u64>(ICOUNT)
  let passes = left / (count + stalls)
  // What stalls at the very end of the budget is not to be forestalled.
  if (stalls && passes) passes--
  store<u64>(ICOUNT, load<u64>(ICOUNT) + passes * count)
  repeatFaults(faultsBefore, passes, count)
  if (!stalls) return
  store<u64>(STALLED, load<u64>(STALLED) + passes * stalls)
  store<u64>(ICOUNT_END, load<u64>(ICOUNT_END) - passes * stalls)
  if (load<u64>(ICOUNT_LIMIT)) store<u64>(ICOUNT_LIMIT, load<u64>(ICOUNT_END))
}

/** After each instruction of a trial. */
export function trialStep(): void {
  const count = load<u64>(ICOUNT) - began
  if (asked || count > LONGEST) {
    asking = false
    endTrial(false)
    return
  }
  if (load<u32>(RFLAGS) & FLAG_IF) letsIn = true
  if (!count || load<u64>(RIP) != load<u64>(BEFORE + (RIP - STATE))) return
  // Most of what differs differs in a register.
  for (let r = GPR; r < REG_ZERO; r += 8) if (load<u64>(r) != load<u64>(BEFORE + (r - STATE))) return
  if (!stateAsBefore() || !memoryAsBefore()) return
  repeatPasses(count)
  if (asking) inLoop = letsIn ? 2 : 1
  asking = false
  endTrial(true)
}
