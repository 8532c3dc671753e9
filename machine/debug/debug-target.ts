/** What a debugger may do with a machine that stands still: the contract between the machine and whoever debugs it. */
import type { Breakpoint, CpuState } from '../cpu/engine.js'

/** Why a machine that is debugged stopped. */
export type DebugStop =
  | { why: 'breakpoint'; cpu: number; hit: Breakpoint }
  | { why: 'step'; cpu: number }
  | { why: 'interrupt'; cpu: number }
  /** The machine ended by itself. */
  | { why: 'exit'; cpu: number; reason: string }
  /** It was gone back as far as its history reaches. */
  | { why: 'begin'; cpu: number }

export interface DebugTarget {
  readonly cpus: number
  /** Whether its CPUs have long mode. */
  readonly long: boolean
  /** The CPU whose turn it is. */
  readonly current: number
  state(cpu: number): CpuState
  /** Throws a SnapshotError for what no CPU can be in. */
  setState(cpu: number, state: CpuState): void
  /** As many bytes as can be read from there, `length` at most, as the CPU's page tables have it. */
  read(cpu: number, linear: bigint, length: number): Uint8Array
  /** How many bytes were written. */
  write(cpu: number, linear: bigint, bytes: Uint8Array): number
  /** All of them, in place of those from before. */
  setBreakpoints(breakpoints: readonly Breakpoint[]): void
  /** Why it cannot stop at this one as well; one sentence. */
  refusal(more: Breakpoint): string | undefined
}
