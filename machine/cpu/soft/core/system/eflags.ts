/** EFLAGS as a whole: who may change which bit (Intel SDM vol. 1, 3.4.3; vol. 3, 20.3 for VME and PVI). */
import { raise, raiseLast } from './fault'
import { getFlags, setFlags } from '../integer/flags'
import { addSp, peek, push } from '../memory/memory'
import { privilegeChanged } from '../memory/tlb'
import { nextIp } from '../execute/progress'
import { virtual8086 } from './segment'
import {
  CPL, CR0, CR0_PE, CR4, CR4_PVI, CR4_VME, DR, EX_GP, FLAG_AC, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_RF, FLAG_TF,
  FLAG_VIF, FLAG_VIP, FLAG_VM, RFLAGS, RIP, SHADOW,
} from '../state'

/** CF PF AF ZF SF TF DF OF NT: anyone may change them. */
export const USER_FLAGS: u32 = 0x4dd5
/** Those that exist: the others read as they are fixed. */
export const ALL_FLAGS: u32 = 0x3f7fd5

@inline export function iopl(): u32 {
  return (load<u32>(RFLAGS) >> 12) & 3
}

/**
 * Takes the bits of `value` that are in `mask`. RF lasts one instruction and matters to instruction breakpoints only, so
 * it is not set where none is armed: nothing would clear it.
 */
export function changeFlags(value: u32, mask: u32): void {
  const old = getFlags()
  let flags = (old & ~mask) | (value & mask)
  if (!(load<u32>(DR + 56) & 0xff)) flags &= ~FLAG_RF
  setFlags(flags)
  if ((flags ^ old) & FLAG_AC) privilegeChanged()
}

/** The bits that POPF and IRET may change at this privilege, for operands of `size` bytes; IRET adds RF. */
export function changeableFlags(size: u32): u32 {
  let mask = USER_FLAGS
  if (size > 2) mask |= FLAG_AC | FLAG_ID
  const cpl = load<u32>(CPL)
  if (cpl == 0) mask |= FLAG_IOPL
  if (cpl <= iopl()) mask |= FLAG_IF
  return mask
}

/** True in virtual-8086 mode with IOPL below 3, where instructions that touch IF fault or, with VME, work on VIF. */
@inline export function sensitive(): bool {
  return virtual8086() && iopl() < 3
}

/** The image that VME shows: IOPL 3, VIF in IF's place. */
export function virtualFlags(): u32 {
  const flags = getFlags() & ~FLAG_IF
  return flags | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0)
}

/** POPF and IRET with 16 bits under VME: IF goes to VIF, IOPL stays. Raises #GP for what the monitor has to see. */
export function checkVirtualFlags(value: u32): void {
  if (value & FLAG_TF || (value & FLAG_IF && load<u32>(RFLAGS) & FLAG_VIP)) raise(EX_GP, 0)
}

export function setVirtualFlags(value: u32): void {
  changeFlags((value & ~FLAG_VIF) | (value & FLAG_IF ? FLAG_VIF : 0), USER_FLAGS | FLAG_VIF)
}

export function pushf<T>(op: usize): void {
  let flags = getFlags()
  if (sensitive()) {
    if (sizeof<T>() != 2 || !(load<u32>(CR4) & CR4_VME)) return raiseLast(EX_GP, 0)
    flags = virtualFlags()
  }
  push<T>(<T>(flags & ~(FLAG_VM | FLAG_RF)))
}

export function popf<T>(op: usize): void {
  if (sensitive()) {
    if (sizeof<T>() != 2 || !(load<u32>(CR4) & CR4_VME)) return raiseLast(EX_GP, 0)
    const value = <u32>peek<T>(0)
    checkVirtualFlags(value)
    addSp(sizeof<T>())
    setVirtualFlags(value)
  } else {
    const value = <u32>peek<T>(0)
    addSp(sizeof<T>())
    changeFlags(value & ~FLAG_RF, changeableFlags(sizeof<T>()) | FLAG_RF)
  }
  store<u64>(RIP, nextIp(op))
}

export function cli(op: usize): void {
  if (mayChangeIf()) store<u32>(RFLAGS, load<u32>(RFLAGS) & ~FLAG_IF)
  else store<u32>(RFLAGS, load<u32>(RFLAGS) & ~FLAG_VIF)
}

export function sti(op: usize): void {
  if (mayChangeIf()) {
    if (!(load<u32>(RFLAGS) & FLAG_IF)) {
      store<u32>(RFLAGS, load<u32>(RFLAGS) | FLAG_IF)
      store<u32>(SHADOW, 1)
    }
  } else {
    if (load<u32>(RFLAGS) & FLAG_VIP) return raiseLast(EX_GP, 0)
    store<u32>(RFLAGS, load<u32>(RFLAGS) | FLAG_VIF)
  }
  store<u64>(RIP, nextIp(op))
}

/** True when CLI and STI work on IF, false when on VIF; raises #GP where neither is allowed, as their last act but for flags. */
function mayChangeIf(): bool {
  if (!(load<u32>(CR0) & CR0_PE)) return true
  if (load<u32>(CPL) <= iopl()) return true
  const virtual = virtual8086() ? load<u32>(CR4) & CR4_VME : load<u32>(CPL) == 3 ? load<u32>(CR4) & CR4_PVI : 0
  if (!virtual) raiseLast(EX_GP, 0)
  return false
}
