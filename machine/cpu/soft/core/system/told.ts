/** What the host may want to be told as it happens, for its logs. Nothing of it is asked where instructions are quick. */
import { told } from '../host'

/** An interrupt or exception is about to be delivered: its vector; 1 by INT n and the like, 2 with an error code, which is in bits 31:16. */
export const TOLD_INTERRUPT: u32 = 1
/** It is delivered: CS and RIP are the handler's. */
export const TOLD_HANDLER: u32 = 2
/** CR3 was loaded. */
export const TOLD_CR3: u32 = 4
/** INVLPG and the like of a page. */
export const TOLD_PAGE: u32 = 8

/** RDMSR or WRMSR (1) was executed: which MSR. */
export const TOLD_MSR: u32 = 16

let wanted: u32 = 0

/** Host side: TOLD_ bits. */
export function tellHost(bits: u32): void {
  wanted = bits
}

export function wants(bits: u32): bool {
  return (wanted & bits) != 0
}

@inline export function tell(what: u32, value: u64, more: u32): void {
  if (wanted & what) told(what, value, more)
}
