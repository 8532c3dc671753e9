/**
 * The run loop. `run()` looks at what asks for attention (interrupts, traps, HLT, budget) at an instruction boundary and
 * then executes blocks until something asks again.
 * The instruction count is exact at every moment (`progress.ts`), so an interrupt or a timer lands on the same
 * instruction in every run.
 */
import { findBlock } from './blocks'
import { enterLimited } from './chain'
import { execute } from '../generated/dispatch'
import { takeHits } from '../system/debug'
import { acknowledge, lookAtClock } from '../host'
import { endAftermath, faulted } from '../system/aftermath'
import { deliverDebugTrap, deliverException, deliverInterrupt, deliverNmi } from '../system/interrupt'
import { endOps, wait } from './progress'
import { enterSmm } from '../system/smm'
import { asksOutside, trying } from '../memory/kept-memory'
import { endTrial, startTrial, trialFaults, trialStep } from './spin'
import {
  ATTENTION, ATTN_DEBUG, ATTN_INTR, ATTN_NMI, ATTN_SMI, ATTN_STEP, ATTN_STOP, ATTN_TRIAL, DR, EXIT_BUDGET, EXIT_HALT, EXIT_REASON,
  EXIT_STOP, FLAG_IF, FLAG_RF, FLAG_TF, HALTED, ICOUNT, ICOUNT_END, IN_SMM, NMI_MASKED, NO_VECTOR, PENDING_VECTOR, RFLAGS, RIP,
  SHADOW,
} from '../state'

/** What delivering an exception takes, in instructions of 10 ns: some hundred cycles on any CPU. */
const EXCEPTION_STALL: u64 = 20

/** So many exceptions between two looks at the host's clock. */
const LOOK_INTERVAL: u32 = 256
let looksIn: u32 = LOOK_INTERVAL

/** Delivers the pending exception. That costs an instruction, so that a guest that only faults still spends its budget. */
function takeException(): void {
  trialFaults()
  wait(EXCEPTION_STALL)
  deliverException()
  store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
  if (--looksIn) return
  looksIn = LOOK_INTERVAL
  lookAtClock()
}

/**
 * Runs until the budget (ICOUNT_END) is spent or something else comes up; returns EXIT_*. When the host catches an
 * unwound fault it calls run() again: the pending exception is delivered first.
 */
export function run(): u32 {
  endOps()
  if (faulted) endAftermath()
  endTrial(false)
  if (load<u32>(PENDING_VECTOR) != NO_VECTOR) takeException()
  else startTrial()
  while (true) {
    if (faulted) {
      endAftermath()
      takeException()
    }
    takeHits()
    if (trying) trialStep()
    if (load<u32>(EXIT_REASON)) {
      const reason = load<u32>(EXIT_REASON)
      store<u32>(EXIT_REASON, 0)
      return reason
    }
    if (load<u64>(ICOUNT) >= load<u64>(ICOUNT_END)) return EXIT_BUDGET
    let attention = load<u32>(ATTENTION) & ~(ATTN_STEP | ATTN_TRIAL)
    const shadow = load<u32>(SHADOW)
    if (attention & ATTN_STOP) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_STOP)
      return EXIT_STOP
    }
    if (attention & ATTN_DEBUG && shadow != 2) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_DEBUG)
      deliverDebugTrap()
      continue
    }
    if (attention & ATTN_SMI && !load<u32>(IN_SMM)) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_SMI)
      store<u32>(HALTED, 0)
      enterSmm()
      continue
    }
    if (attention & ATTN_NMI && !load<u32>(NMI_MASKED) && !shadow) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_NMI)
      store<u32>(HALTED, 0)
      deliverNmi()
      continue
    }
    if (attention & ATTN_INTR && !shadow && load<u32>(RFLAGS) & FLAG_IF) {
      store<u32>(HALTED, 0)
      asksOutside()
      deliverInterrupt(acknowledge(), 0)
      store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
      continue
    }
    if (load<u32>(HALTED)) return EXIT_HALT
    store<u32>(SHADOW, 0)
    const flags = load<u32>(RFLAGS)
    if (flags & (FLAG_TF | FLAG_RF) || shadow) {
      step((flags & FLAG_TF) != 0)
      continue
    }
    store<u32>(ATTENTION, attention)
    if (trying) {
      store<u32>(ATTENTION, attention | ATTN_TRIAL)
      execute(enterLimited(findBlock(), 1))
      endOps()
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_TRIAL)
      continue
    }
    const block = findBlock()
    execute(enterLimited(block, load<u64>(ICOUNT_END) - load<u64>(ICOUNT)))
    endOps()
  }
}

/** One instruction, with what TF, RF or a shadow ask. */
function step(trap: bool): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_STEP)
  const flags = load<u32>(RFLAGS)
  execute(enterLimited(findBlock(), 1))
  endOps()
  if (faulted) return
  // RF lasts for one instruction, unless that instruction (IRET, POPF) set it anew.
  if (flags & FLAG_RF && load<u32>(RFLAGS) & FLAG_RF) store<u32>(RFLAGS, load<u32>(RFLAGS) & ~FLAG_RF)
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_STEP)
  if (trap) {
    store<u32>(DR + 48, load<u32>(DR + 48) | 0x4000)
    store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_DEBUG)
  }
}
