/** What the core asks of TypeScript. All are synchronous; guest time is exact while they run. */

/** Throws a JavaScript exception that unwinds every frame of the core up to the engine's run loop. */
@external("host", "unwind") export declare function unwind(): void
@external("host", "portRead") export declare function portRead(port: u32, size: u32): u32
@external("host", "portWrite") export declare function portWrite(port: u32, value: u32, size: u32): void
@external("host", "mmioRead") export declare function mmioRead(address: u32, size: u32): u32
@external("host", "mmioWrite") export declare function mmioWrite(address: u32, value: u32, size: u32): void
/** INTA: the vector of the pending external interrupt. */
@external("host", "acknowledge") export declare function acknowledge(): u32
/** MSRs that live outside the CPU core (the local APIC's). False is #GP; what was read is then in `msrLow` and `msrHigh`. */
@external("host", "msrRead") export declare function msrRead(index: u32): bool
@external("host", "msrLow") export declare function msrLow(): u32
@external("host", "msrHigh") export declare function msrHigh(): u32
@external("host", "msrWrite") export declare function msrWrite(index: u32, low: u32, high: u32): bool
/** CR8 (the task priority) lives in the local APIC. */
@external("host", "tprRead") export declare function tprRead(): u32
@external("host", "tprWrite") export declare function tprWrite(value: u32): void
/** SMM was entered (1) or left (0): SMRAM appears or goes. */
@external("host", "smmChanged") export declare function smmChanged(inSmm: u32): void
/** Whether a debugger wants the machine to stop in front of the instruction at this linear address. */
@external("host", "stopsAt") export declare function stopsAt(linear: u64): bool
/** The same behind an access of the executing instruction, `kind` as in checkDataBreakpoint(). */
@external("host", "stopsBehind") export declare function stopsBehind(linear: u64, size: u32, kind: u32): bool
/** What the host asked to be told (`system/told.ts`). */
@external("host", "told") export declare function told(what: u32, value: u64, more: u32): void
/** The instructions in `bytes` bytes from this linear address on have been executed for the first time, or since code was decoded anew. */
@external("host", "executed") export declare function executed(linear: u64, bytes: u32): void
/** Enters the region that stands at `index` of the table of regions, with all registers; the rest is as in `runRegion()`. */
@external("host", "enterRegion") export declare function enterRegion(
  entry: u32, page: u64, left: i32, end: u64, index: u32, tlb: usize,
  r0: u32, r1: u32, r2: u32, r3: u32, r4: u32, r5: u32, r6: u32, r7: u32,
): usize
/** The same for 64-bit code. */
@external("host", "enterLongRegion") export declare function enterLongRegion(
  entry: u32, page: u64, left: i32, end: u64, index: u32, tlb: usize,
  r0: u64, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64, r6: u64, r7: u64,
  r8: u64, r9: u64, r10: u64, r11: u64, r12: u64, r13: u64, r14: u64, r15: u64,
): usize
/** Blocks wait in JIT_QUEUE to be compiled. */
@external("host", "compile") export declare function compile(): void
/** Many exceptions were taken, which may have taken the host long. */
@external("host", "lookAtClock") export declare function lookAtClock(): void
/** Something the core does not do, with where and what: counted and shown in the "why did it stop" report. */
@external("host", "warn") export declare function warn(kind: u32, value: u32): void

export const WARN_UNKNOWN_MSR: u32 = 1
export const WARN_UNKNOWN_OPCODE: u32 = 2
