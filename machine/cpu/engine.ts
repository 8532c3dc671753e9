/**
 * The engine contract: what executes guest code (`soft` or `kvm`), what it asks of the board, and the architectural
 * state in the one layout that both engines share.
 */
import type { AccessSize, State } from '../device.js'
import type { Exploration } from '../exploration.js'
import type { ExecutedCode } from './executed-code.js'

/** What the CPU's pins reach. Called synchronously from inside `run()`, with guest time exact to the instruction. */
export interface CpuBus {
  portRead(port: number, size: AccessSize): number
  portWrite(port: number, value: number, size: AccessSize): void
  mmioRead(address: number, size: AccessSize): number
  mmioWrite(address: number, value: number, size: AccessSize): void
  /** The INTA cycle: the vector of the interrupt that INTR announces. */
  acknowledgeInterrupt(): number
}

/** What the board offers a CPU beside its buses. */
export interface CpuBoard extends CpuBus {
  /** MSRs of the local APIC; undefined is #GP. */
  readMsr(index: number): bigint | undefined
  /** False is #GP. */
  writeMsr(index: number, value: bigint): boolean
  /** CR8, the task priority. */
  readTpr(): number
  writeTpr(value: number): void
  /** The FERR# pin (IRQ 13). */
  ferr(level: boolean): void
  /** SMM was entered or left. */
  smmChanged(inSmm: boolean): void
  /** An MSR that the CPU does not have was touched. */
  warnMsr(index: number): void
}

/**
 * How guest-physical memory looks to an engine: regions of the one arena (a `WebAssembly.Memory`), which both engines
 * address directly. What no region covers is MMIO and goes to the bus. Regions do not overlap; the board hands in the
 * flattened list again whenever it changes (PAM, SMRAM, BARs, A20 is not in it).
 */
export interface MemoryRegion {
  /** Guest-physical address, a multiple of 4096. */
  readonly address: number
  /** Bytes, a multiple of 4096. */
  readonly size: number
  /** Byte offset in the arena. */
  readonly offset: number
  /** `rom`: reads from the arena, writes go to the bus. */
  readonly kind: 'ram' | 'rom'
  /** A device writes these bytes as well and tells nobody, as the VGA does with its frame buffer: no decoded code is kept. */
  readonly shared?: boolean
}

/** Why `run()` came back. */
export type Exit =
  /** The instruction budget is used up, or `stop()` was called. */
  | { reason: 'budget' }
  /** HLT (or MWAIT) with nothing to deliver: time may jump to the next timer. */
  | { reason: 'halt' }
  /** Triple fault; registers are as they were when the third fault hit. */
  | { reason: 'shutdown'; detail: string }
  /** A debugger's breakpoint, in front of its instruction or behind its access or event. */
  | { reason: 'breakpoint'; hit: Breakpoint }
  /** The instruction that `step()` asked for was executed. */
  | { reason: 'step' }
  /** The engine cannot go on (KVM: emulation failure, internal error); `detail` says what and where. */
  | { reason: 'failure'; detail: string }

/** An exception that was delivered, or could not be. */
export interface Fault {
  /** 13 is #GP; Intel SDM vol. 3, table 6-1. */
  vector: number
  errorCode?: number
  cs: number
  /** Offset in CS of the instruction, after a trap of the next one: hexadecimal, as in `0x7c26`. */
  ip: string
  /** Page faults: the linear address, hexadecimal. */
  cr2?: string
  /** #GP and #SS of an access that a segment refused. */
  refused?: Refusal
  /** Retired instructions at that time. */
  instructions: number
}

export interface Refusal {
  access: 'read' | 'write' | 'execute'
  /** ES to GS; undefined where 64-bit code has no segment for it. */
  segment?: string
  /** In the segment; where it is `not canonical` the linear address. Hexadecimal, as the limit. */
  offset: string
  limit: string
  why: 'past its limit' | 'below its limit' | 'null selector' | 'type' | 'not canonical'
}

/** Where a debugger wants a machine to stop. No guest sees it: it has nothing to do with DR0 to DR3. */
export interface Breakpoint {
  /**
   * `access` is a read or a write. `interrupt` is an exception, an interrupt or INT n: the machine stops in front of its
   * handler's first instruction. `in`, `out`, `rdmsr` and `wrmsr` stop behind the instruction.
   */
  kind: 'execute' | 'write' | 'read' | 'access' | EventKind
  /** Linear; the vector, port or MSR of the others. */
  address: bigint
  /** Bytes, or ports; 1 for `execute`, vectors and MSRs. */
  length: number
}

export const EVENT_KINDS = ['interrupt', 'in', 'out', 'rdmsr', 'wrmsr'] as const

export type EventKind = (typeof EVENT_KINDS)[number]

/** Whether it is about what a CPU does, and not about a place in memory. */
export function isEvent({ kind }: Breakpoint): boolean {
  return (EVENT_KINDS as readonly string[]).includes(kind)
}

/** Where the CPU is, without asking for all of its state. */
export interface CodePlace {
  linear: bigint
  /** Of CS. */
  base: bigint
  rip: bigint
  rflags: number
}

/** What an engine tells as it executes, between two instructions or inside one; whoever hears it may look at the CPU's state. */
export interface EngineEvents {
  /** An interrupt or an exception is about to be delivered: the CPU is still where it came. */
  interrupt?(vector: number, software: boolean, errorCode: number | undefined): void
  /** CR3 was loaded, or a page's translation was forgotten. */
  translation?(what: 'cr3' | 'page', value: bigint): void
  /** The CPU is in front of an instruction; the last word counts, as an interrupt may come between. One at a time then. */
  before?(place: CodePlace): void
  /** It was executed. */
  executed?(): void
}

export interface Engine {
  readonly kind: 'soft' | 'kvm'
  /**
   * Runs until `deadline` (guest ns), or until another reason to come back; with `budget` as well soon after the host's
   * clock (`performance.now()`) shows `hostEnd`, between any two instructions, which the guest does not notice.
   */
  run(deadline: number, hostEnd?: number): Exit
  /** From inside a bus call: the access takes so much guest time. Nothing where guest time is the host's. */
  stall(ns: number): void
  /** Guest time in ns. Exact inside bus calls. */
  now(): number
  /** HLT only: moves guest time forward to `ns` without executing. */
  skipTo(ns: number): void
  /** What it is to stop at from now on, in place of what was said before. Absent where it cannot. */
  setBreakpoints?(breakpoints: readonly Breakpoint[]): void
  /** Why it cannot stop at all of these, in one sentence; undefined where it can. Absent where it always can. */
  refusal?(breakpoints: readonly Breakpoint[]): string | undefined
  /**
   * The next `run()` executes one instruction and comes back with `step`; a halted CPU waits for what wakes it first.
   * Absent where a run of a nanosecond does that. False takes it back.
   */
  step?(wanted: boolean): void
  /** What it is to tell from now on. Absent where it cannot. */
  setEvents?(events: EngineEvents | undefined): void
  /** The last exceptions, the last one last; none where the engine does not see them (KVM). */
  lastFaults(): Fault[]
  /** Retired instructions since power-on, of all CPUs or of one; 0 where the engine cannot count. */
  instructions(cpu?: number): number
  /** The turns of its CPUs end early by it, from the next one on. Absent where it is not the engine that has them. */
  explore?(exploration: Exploration): void
  /** From now on keeps which code is executed. No guest sees it. Absent where it cannot. */
  watchExecution?(): void
  /** What was executed since that was asked; undefined where it was not. */
  executedCode?(): ExecutedCode | undefined
  /** Finds out as the guest goes on whether it is in a loop that only something from outside could end. Absent where it cannot. */
  askForLoop?(): void
  /** The loop in which it was found since that was asked, and whether that lets interrupts in on its way. */
  foundLoop?(): { takesInterrupts: boolean } | undefined
  /** Makes a running `run()` come back soon after the present instruction: a timer was armed, or someone wants in. */
  stop(): void
  /** A running `run(deadline)` is to come back at this earlier guest time. */
  shorten(deadline: number): void
  /** The number of CPUs; they are numbered from 0, the bootstrap processor. */
  readonly cpus: number
  /** The CPU that executes: whose accesses the board sees, and whose local APIC answers them. */
  readonly current: number
  /** EFLAGS.IF: whether INTR can end a halt of any CPU. */
  interruptsEnabled(): boolean
  /** The INTR pin (from the local APIC or the 8259A). */
  setInterrupt(level: boolean, cpu?: number): void
  /** One edge on the NMI pin. */
  nmi(cpu?: number): void
  /** One edge on the SMI# pin. */
  smi(cpu?: number): void
  /** INIT reached one CPU. All but the bootstrap processor then wait for a start-up IPI. */
  init(cpu?: number): void
  /** A start-up IPI: a CPU that waits for it begins at VV00:0000. */
  startUp(cpu: number, vector: number): void
  /** RESET# of all CPUs: architectural reset state (Intel SDM vol. 3, table 10-1). */
  reset(): void
  /**
   * The guest time in ns at which the time stamp counter of a CPU reaches `tsc`; may lie in the past. Absent where the
   * CPUs show no TSC-deadline timer.
   */
  tscToNs?(tsc: bigint, cpu: number): number
  /** The address line 20 gate. */
  setA20(enabled: boolean): void
  /** The IGNNE# pin: an x87 instruction goes on over a pending error. Absent where the CPUs have none. */
  setIgnne?(asserted: boolean): void
  setMemory(regions: readonly MemoryRegion[]): void
  /** Bytes of RAM were changed from outside (DMA, loader): decoded code in the arena range is dropped. */
  memoryChanged(offset: number, length: number): void
  /** Without `cpu`, of the one that executes. */
  getState(cpu?: number): CpuState
  setState(state: CpuState, cpu?: number): void
  /**
   * Forgets what the TLBs hold, as an engine does that is given a state: a guest that changed its page tables without
   * telling would see it. A machine that is saved does it, so that it and its copies go on alike.
   */
  dropTranslations(): void
  /** Guest time and what it is counted by, for snapshots. */
  saveTime(): EngineTime
  /** Before `setState`. Another kind of engine's counts are left out: guest time goes on from its `ns`. */
  loadTime(time: EngineTime): void
  close(): void
}

export interface EngineTime {
  kind: Engine['kind']
  /** Guest time. */
  ns: number
  /** The engine's own counts. */
  counts: State
}

/** A segment register with its hidden part. */
export interface SegmentState {
  selector: number
  base: bigint
  /** In bytes, after the granularity bit. */
  limit: number
  /** Descriptor bytes 5 and 6 as VMX has them: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; unusable 16. */
  access: number
}

export interface TableState {
  base: bigint
  limit: number
}

/** The whole architectural state of one CPU. */
export interface CpuState {
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. */
  gpr: bigint[]
  rip: bigint
  rflags: bigint
  /** ES CS SS DS FS GS. */
  segments: SegmentState[]
  ldtr: SegmentState
  tr: SegmentState
  gdtr: TableState
  idtr: TableState
  cr0: bigint
  cr2: bigint
  cr3: bigint
  cr4: bigint
  cr8: bigint
  xcr0: bigint
  /** DR0 to DR3, DR6, DR7. */
  dr: bigint[]
  efer: bigint
  /** Other MSRs by number. */
  msrs: { [index: number]: bigint }
  /** x87, MMX and SSE in the 512 bytes of FXSAVE64 (Intel SDM vol. 1, table 10-2). */
  fxsave: Uint8Array
  /** Upper halves of YMM0 to YMM15, 256 bytes. */
  ymmHigh: Uint8Array
  /** Waiting in HLT. */
  halted: boolean
  /** STI or MOV SS shadow on the next instruction. */
  interruptShadow: 'none' | 'sti' | 'mov-ss'
  nmiMasked: boolean
  inSmm: boolean
  /** Time stamp counter. */
  tsc: bigint
  /** Where SMM's state is saved; undefined leaves it as it is. */
  smbase?: number
  /** Edges on the pins that wait to be taken; undefined leaves them as they are. */
  pending?: { nmi: boolean; smi: boolean }
  /** What is not architectural, and what the soft engine needs beside to go on at the very same instruction. */
  soft?: State
}
