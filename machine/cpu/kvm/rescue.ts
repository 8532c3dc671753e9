/**
 * What KVM cannot execute: the soft engine does it, on the same memory and the same board, and KVM goes on.
 *
 * It is for instructions that a kernel's emulator does not know (an `fwait` in protected mode on hosts without VT-x or
 * AMD-V), for system management mode, which not every KVM has, to find the moment at which an interrupt can be delivered
 * where KVM does not, and to bring an interrupt that KVM has taken but not delivered to the guest before the state is
 * read.
 */
import type { Breakpoint, CpuBoard, CpuState, Exit, MemoryRegion } from '../engine.js'
import { NS_PER_INSTRUCTION, SoftEngine } from '../soft/soft-engine.js'

const SMBASE_AT_RESET = 0x30000

export interface Rescued {
  state: CpuState
  exit: Exit
  /** The injected interrupt, when the guest could not take it yet. */
  undelivered: number | undefined
}

export interface Pins {
  memory: readonly MemoryRegion[]
  a20: boolean
  injected?: number
  smi?: boolean
  nmi?: boolean
  /** INTR is not looked at, but for `injected`. */
  holdInterrupt?: boolean
  /** Come back as soon as an interrupt was taken. */
  untilInterrupt?: boolean
  /** A debugger's. */
  points: readonly Breakpoint[]
}

export class Rescue {
  private soft: SoftEngine | undefined
  /** The soft engine calls the board only while it executes; making and loading it is not to be seen. */
  private executing = false
  private regions: readonly MemoryRegion[] | undefined
  /** The INTR pin. */
  private interrupt = false
  /** An interrupt that was acknowledged already. */
  private vector: number | undefined
  private untilInterrupt = false
  private held = false
  private hasPoints = false
  /** Where the state is saved in system management mode. */
  smbase: number | undefined = SMBASE_AT_RESET

  constructor(
    private readonly arena: WebAssembly.Memory,
    private readonly board: CpuBoard,
  ) {}

  /** Why it cannot take over; undefined where it can. */
  refusal(): string | undefined {
    try {
      this.soft ??= new SoftEngine(this.arena, this.gatedBoard())
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  close(): void {
    this.soft?.close()
  }

  /** The board's INTR pin; like the rest up to `stop`, called from inside `run` too. */
  setInterrupt(level: boolean): void {
    this.interrupt = level
    if (this.executing) this.soft?.setInterrupt((level && !this.held) || this.vector !== undefined)
  }

  setMemory(regions: readonly MemoryRegion[]): void {
    this.regions = undefined
    if (this.executing) this.load(regions)
  }

  setA20(enabled: boolean): void {
    if (this.executing) this.soft?.setA20(enabled)
  }

  stop(): void {
    if (this.executing) this.soft?.stop()
  }

  reset(): void {
    this.soft?.reset()
    this.smbase = SMBASE_AT_RESET
  }

  /** Executes at most `instructions`; first of all the interrupt `injected` and an SMI. Call `refusal` before. */
  run(state: CpuState, instructions: number, pins: Pins): Rescued {
    const soft = this.soft as SoftEngine
    if (this.regions !== pins.memory) this.load(pins.memory)
    soft.setA20(pins.a20)
    soft.setState({ ...state, smbase: this.smbase })
    if (pins.points.length > 0 || this.hasPoints) soft.setBreakpoints(pins.points)
    this.hasPoints = pins.points.length > 0
    this.vector = pins.injected
    this.untilInterrupt = pins.untilInterrupt === true
    this.held = pins.holdInterrupt === true
    soft.setInterrupt((this.interrupt && !this.held) || pins.injected !== undefined)
    if (pins.smi) soft.smi()
    if (pins.nmi) soft.nmi()
    this.executing = true
    try {
      const exit = soft.run(soft.now() + instructions * NS_PER_INSTRUCTION)
      const after = soft.getState()
      this.smbase = after.smbase
      return { state: this.merge(state, after), exit, undelivered: this.vector }
    } finally {
      this.executing = false
      this.vector = undefined
    }
  }

  private load(regions: readonly MemoryRegion[]): void {
    this.soft?.setMemory(regions)
    this.regions = regions
  }

  /** What the soft engine does not have stays as it was. */
  private merge(before: CpuState, after: CpuState): CpuState {
    return { ...after, cr8: before.cr8, msrs: { ...before.msrs, ...after.msrs } }
  }

  private gatedBoard(): CpuBoard {
    const { board } = this
    const live = (): boolean => this.executing
    return {
      portRead: (port, size) => (live() ? board.portRead(port, size) : 0),
      portWrite: (port, value, size) => live() && board.portWrite(port, value, size),
      mmioRead: (address, size) => (live() ? board.mmioRead(address, size) : 0),
      mmioWrite: (address, value, size) => live() && board.mmioWrite(address, value, size),
      acknowledgeInterrupt: () => this.acknowledge(),
      readMsr: (index) => board.readMsr(index),
      writeMsr: (index, value) => !live() || board.writeMsr(index, value),
      readTpr: () => board.readTpr(),
      writeTpr: (value) => live() && board.writeTpr(value),
      ferr: (level) => live() && board.ferr(level),
      smmChanged: (inSmm) => live() && board.smmChanged(inSmm),
      warnMsr: (index) => live() && board.warnMsr(index),
    }
  }

  private acknowledge(): number {
    if (this.untilInterrupt) this.soft?.stop()
    const injected = this.vector
    if (injected === undefined) return this.board.acknowledgeInterrupt()
    this.vector = undefined
    this.soft?.setInterrupt(this.interrupt && !this.held)
    return injected
  }
}
