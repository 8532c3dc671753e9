/**
 * The soft engine: an x86 in WebAssembly. This file gives the core its pins and runs it; the CPU itself is in `core/`, and
 * its state goes in and out by `core-state.ts`.
 *
 * Guest time is counted in retired instructions, NS_PER_INSTRUCTION each, plus what port accesses take and what HLT
 * skipped. So it is a function of the guest's program alone.
 * The file is longer than others, because it is all that TypeScript asks of the core.
 */
import type { State } from '../../device.js'
import type { Exploration } from '../../exploration.js'
import type {
  Breakpoint,
  CodePlace,
  CpuBoard,
  CpuState,
  Engine,
  EngineEvents,
  EngineTime,
  EventKind,
  Exit,
  Fault,
  MemoryRegion,
} from '../engine.js'
import { ExecutedCode } from '../executed-code.js'
import { FEATURES } from '../features.js'
import { type CpuModel, DEFAULT_CPU, parseCpu } from '../models.js'
import { type BreakpointCore, Breakpoints } from './breakpoints.js'
import { CoreMemoryMap } from './core-memory-map.js'
import { coreModule } from './core-module.js'
import { CoreState, type StateCore } from './core-state.js'
import { type FaultLogCore, readFaults } from './fault-log.js'
import { Jit, type JitCore, jitThreshold } from './jit/jit.js'
import { RegionTable } from './jit/region-table.js'
import * as at from './layout.js'
import { type ProcessorCore, Processors } from './processors.js'
import { TurnCuts } from './turn-cuts.js'

/** Guest time of an instruction: 100 million a second, about what the interpreter reaches, so that a guest's delay loops take about as long as they say. */
export const NS_PER_INSTRUCTION = 10

/** The TSC's frequency, Hz. */
export const TSC_HZ = 1_000_000_000
const NS_PER_TICK = 1e9 / TSC_HZ

const CS = at.ES + at.SEG_SIZE
const EFER_LMA = 0x400n

const MONITOR = FEATURES.get('monitor') as number

/** What run() does without a deadline: it comes back after this many instructions all the same. */
const LONGEST_RUN = 100_000_000

/** Instructions within which an interrupt's handler has mostly come to its end. */
const HANDLER_LENGTH = 10_000

/** So many calls of the host and faults between two looks at the host's clock: most take less than a microsecond. */
const LOOK_INTERVAL = 64

/** Thrown through the core's frames by a fault; never seen outside. */
const UNWIND = Symbol('fault')

interface Core extends ProcessorCore, StateCore, JitCore, BreakpointCore, FaultLogCore {
  initialize(): void
  run(): number
  elapsed(): number
  setEnd(end: number): void
  shortenEnd(end: number): void
  stallFor(instructions: number): void
  dropRange(address: number, length: number): void
  tellHost(bits: number): void
  askForLoop(): void
  foundLoop(): number
  watchExecution(): void
  settle(): void
}

export class SoftEngine implements Engine {
  readonly kind = 'soft'
  private readonly core: Core
  private readonly view: DataView
  private readonly state: CoreState
  private readonly memoryMap: CoreMemoryMap
  /** Guest time at instruction 0: what HLT skipped. */
  private timeBase = 0
  private msr = 0n
  private events: EngineEvents | undefined
  private readonly processors: Processors
  private readonly jit: Jit
  private readonly breakpoints: Breakpoints
  /** undefined: nobody wants to know. */
  private code: ExecutedCode | undefined
  /** Guest time, in instructions' worth, at which the present CPU's turn ends, and at which run() comes back. */
  private turnEnd = 0
  private end = 0
  /** undefined: the plain run. */
  private cuts: TurnCuts | undefined
  /** The instruction count up to which each instruction is one CPU's. */
  private counted = 0
  private stopAsked = false
  private executing = false
  /** The host's time at which run() is to come back, and the calls until it is looked at. */
  private hostEnd = Number.POSITIVE_INFINITY
  private callsLeft = LOOK_INTERVAL

  /**
   * @param memory the machine's arena; the guest's memory lies from ARENA_GUEST (80 MiB) on.
   * @param cpu the CPU model as `--cpu` takes it; a CpuModelError where there is no such.
   * @param cpus how many of them.
   * @param jit after how many entries a block is compiled; 0 is never.
   */
  constructor(
    memory: WebAssembly.Memory,
    board: CpuBoard,
    cpu: string = DEFAULT_CPU,
    readonly cpus = 1,
    jit = jitThreshold(),
  ) {
    const model = parseCpu(cpu)
    const regions = new RegionTable()
    const host = {
      enterRegion: regions.enter,
      enterLongRegion: regions.enterLong,
      unwind: () => {
        throw UNWIND
      },
      portRead: (port: number, size: 1 | 2 | 4) => {
        this.count()
        this.event('in', port, size)
        return board.portRead(port, size)
      },
      portWrite: (port: number, value: number, size: 1 | 2 | 4) => {
        this.count()
        this.event('out', port, size)
        board.portWrite(port, value >>> 0, size)
      },
      mmioRead: (address: number, size: 1 | 2 | 4) => {
        this.count()
        return board.mmioRead(address >>> 0, size)
      },
      mmioWrite: (address: number, value: number, size: 1 | 2 | 4) => {
        this.count()
        board.mmioWrite(address >>> 0, value >>> 0, size)
      },
      acknowledge: () => board.acknowledgeInterrupt(),
      msrRead: (index: number) => {
        const value = board.readMsr(index >>> 0)
        this.msr = value ?? 0n
        return value !== undefined
      },
      msrLow: () => Number(this.msr & 0xffffffffn) | 0,
      msrHigh: () => Number(this.msr >> 32n) | 0,
      msrWrite: (index: number, low: number, high: number) =>
        board.writeMsr(index >>> 0, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)),
      tprRead: () => board.readTpr(),
      tprWrite: (value: number) => board.writeTpr(value),
      ferr: (level: number) => board.ferr(level !== 0),
      smmChanged: (inSmm: number) => board.smmChanged(inSmm !== 0),
      lookAtClock: () => this.lookAtClock(),
      compile: () => this.jit.compile(),
      told: (what: number, value: bigint, more: number) => this.told(what, value, more),
      executed: (linear: bigint, bytes: number) => this.code?.add(BigInt.asUintN(64, linear), bytes),
      stopsAt: (linear: bigint) => this.breakpoints.stopsAt(linear),
      stopsBehind: (linear: bigint, size: number, kind: number) => this.breakpoints.stopsBehind(linear, size, kind),
      warn: (kind: number, value: number) => {
        if (kind === at.WARN_UNKNOWN_MSR) board.warnMsr(value >>> 0)
      },
    }
    const instance = new WebAssembly.Instance(coreModule(), { env: { memory }, host })
    this.core = instance.exports as unknown as Core
    this.view = new DataView(memory.buffer)
    this.memoryMap = new CoreMemoryMap(memory)
    this.state = new CoreState(memory, this.core)
    this.breakpoints = new Breakpoints(this.core)
    this.core.initialize()
    this.jit = new Jit(memory, this.core, regions, jit)
    this.setModel(model)
    this.processors = new Processors(memory, this.core, cpus)
    this.processors.reset()
  }

  private setModel(model: CpuModel): void {
    const v = this.view
    v.setUint32(at.CPU_SIGNATURE, model.signature, true)
    v.setUint32(at.CPU_LEVEL, model.level, true)
    v.setUint32(at.CPU_EXTENDED_LEVEL, model.extendedLevel, true)
    v.setUint32(at.CPU_COUNT, this.cpus, true)
    for (const [i, word] of model.features.entries()) {
      // MWAIT waits for another CPU's write, which the turns of several do not watch for: HLT is what is left.
      const hidden = this.cpus > 1 && i === MONITOR >> 5 ? 1 << (MONITOR & 31) : 0
      v.setUint32(at.CPU_FEATURES + i * 4, word & ~hidden, true)
    }
  }

  run(deadline: number, hostEnd = Number.POSITIVE_INFINITY): Exit {
    this.hostEnd = hostEnd
    this.executing = true
    try {
      return this.takeTurns(deadline)
    } finally {
      this.executing = false
    }
  }

  private takeTurns(deadline: number): Exit {
    this.end = Math.min(this.countAt(deadline), this.core.elapsed() + LONGEST_RUN)
    let first = true
    while (true) {
      if (this.processors.posted) this.processors.settle()
      if (this.cpus > 1 && !this.takeTurn()) return { reason: 'halt' }
      this.core.setEnd(this.cpus > 1 ? Math.min(this.end, this.turnEnd) : this.firstEnd(first))
      first = false
      const reason = this.events?.executed ? this.runOne(this.events) : this.runCore()
      this.countTurn()
      const event = this.breakpoints.takeEvent()
      if (event && reason !== at.EXIT_SHUTDOWN) return { reason: 'breakpoint', hit: event }
      switch (reason) {
        case at.EXIT_HALT:
          if (this.cpus === 1) return { reason: 'halt' }
          this.turnEnd = 0
          break
        case at.EXIT_YIELD:
          this.turnEnd = 0
          break
        case at.EXIT_BREAKPOINT:
          return { reason: 'breakpoint', hit: this.breakpoints.hit }
        case at.EXIT_SHUTDOWN:
          return { reason: 'shutdown', detail: 'triple fault' }
        default:
          // Beside the deadline and stop() there are INIT and start-up IPIs, and the end of a turn.
          if (!this.stopAsked && this.core.elapsed() < this.end) break
          this.stopAsked = false
          return { reason: 'budget' }
      }
    }
  }

  /**
   * Where the core is to come back. Soon, where it begins with an interrupt: only behind its handler may a loop be found in
   * which the guest waits (`core/execute/spin.ts`), and it looks for one when it begins.
   */
  private firstEnd(first: boolean): number {
    if (!first || !this.view.getUint32(at.ATTENTION, true)) return this.end
    return Math.min(this.end, this.core.elapsed() + HANDLER_LENGTH)
  }

  /** One instruction, and an interrupt before it. */
  private runOne({ before, executed }: EngineEvents): number {
    const { core } = this
    const retired = core.retired()
    before?.(this.codePlace())
    core.shortenEnd(core.elapsed() + 1)
    const exit = this.runCore()
    if (core.retired() > retired) executed?.()
    // What is told takes longer than what is executed.
    this.count()
    return exit
  }

  private codePlace(): CodePlace {
    const { view } = this
    const base = view.getBigUint64(CS + at.SEG_BASE, true)
    const rip = view.getBigUint64(at.RIP, true)
    const linear =
      view.getBigUint64(at.EFER, true) & EFER_LMA ? BigInt.asUintN(64, base + rip) : (base + rip) & 0xffffffffn
    return { linear, base, rip, rflags: this.core.getFlags() >>> 0 }
  }

  private told(what: number, value: bigint, more: number): void {
    const { events } = this
    if (what === at.TOLD_MSR) this.event(more ? 'wrmsr' : 'rdmsr', Number(value))
    else if (what === at.TOLD_INTERRUPT) {
      this.event('interrupt', Number(value))
      const error = more & 2 ? more >>> 16 : undefined
      events?.interrupt?.(Number(value), (more & 1) !== 0, error)
    } else if (what === at.TOLD_HANDLER) events?.before?.(this.codePlace())
    else events?.translation?.(what === at.TOLD_CR3 ? 'cr3' : 'page', BigInt.asUintN(64, value))
  }

  /** Comes back to the run loop behind it, where a debugger wants to stop there. */
  private event(kind: EventKind, number: number, count?: number): void {
    if (this.breakpoints.stopsFor(kind, number, count)) this.core.raiseAttention(at.ATTN_STOP)
  }

  private runCore(): number {
    this.jit.rest()
    while (true) {
      try {
        return this.core.run()
      } catch (thrown) {
        // A fault left the core; it is pending and is delivered when the core runs again.
        if (thrown !== UNWIND) throw thrown
        this.count()
      }
    }
  }

  /** Something that may have taken the host long. */
  private count(): void {
    if (--this.callsLeft > 0) return
    this.callsLeft = LOOK_INTERVAL
    this.lookAtClock()
  }

  private lookAtClock(): void {
    if (performance.now() >= this.hostEnd) this.stop()
  }

  stall(ns: number): void {
    // Outside of an access nobody waits: a timer that fires, a state that is loaded.
    if (this.executing) this.core.stallFor(Math.ceil(ns / NS_PER_INSTRUCTION))
  }

  /** Whose turn it is now; false where every CPU waits. */
  private takeTurn(): boolean {
    const { processors } = this
    const now = this.core.elapsed()
    const preferred = this.cuts?.next(this.now(), this.turnEnd === 0)
    const goesOn = processors.keepsTurn() || (now < this.turnEnd && processors.runnable(processors.current))
    if (!goesOn && !processors.next(preferred)) return false
    const othersRun = processors.othersRun()
    if (now >= this.turnEnd) {
      this.turnEnd = now + processors.takeQuantum()
      const end = this.timeBase + this.turnEnd * NS_PER_INSTRUCTION
      const cut = othersRun ? this.cuts?.begin(this.now(), end) : undefined
      if (cut !== undefined) this.turnEnd = this.countAt(cut)
    }
    this.view.setUint32(at.OTHERS_RUN, othersRun ? 1 : 0, true)
    return true
  }

  explore(exploration: Exploration): void {
    this.cuts = new TurnCuts(exploration, this.cpus, NS_PER_INSTRUCTION)
  }

  /** The CPU that executes: whose accesses the board sees. */
  get current(): number {
    return this.processors.current
  }

  now(): number {
    return this.timeBase + this.core.elapsed() * NS_PER_INSTRUCTION
  }

  skipTo(ns: number): void {
    // Whole ns: else a rounding error could leave a deadline ahead for ever.
    const skipped = Math.ceil(ns) - this.now()
    if (skipped <= 0) return
    this.timeBase += skipped
    const view = this.view
    view.setBigUint64(at.TSC_SKIPPED, view.getBigUint64(at.TSC_SKIPPED, true) + BigInt(Math.round(skipped)), true)
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): void {
    this.breakpoints.set(breakpoints)
    this.askToBeTold()
  }

  setEvents(events: EngineEvents | undefined): void {
    this.events = events
    this.askToBeTold()
  }

  private askToBeTold(): void {
    const { events, breakpoints } = this
    this.core.tellHost(
      (events?.interrupt || breakpoints.wants('interrupt') ? at.TOLD_INTERRUPT : 0) |
        (events?.before ? at.TOLD_HANDLER : 0) |
        (events?.translation ? at.TOLD_CR3 | at.TOLD_PAGE : 0) |
        (breakpoints.wants('rdmsr') || breakpoints.wants('wrmsr') ? at.TOLD_MSR : 0),
    )
  }

  lastFaults(): Fault[] {
    return readFaults(this.core, this.view)
  }

  instructions(cpu?: number): number {
    if (cpu === undefined) return this.core.retired()
    this.countTurn()
    return this.processors.retired[cpu] ?? 0
  }

  /** What was retired since the last time belongs to the CPU whose turn it is. */
  private countTurn(): void {
    const now = this.core.retired()
    this.processors.retired[this.processors.current] += now - this.counted
    this.counted = now
  }

  stop(): void {
    this.stopAsked = true
    this.core.raiseAttention(at.ATTN_STOP)
  }

  shorten(deadline: number): void {
    const end = this.countAt(deadline)
    this.end = Math.min(this.end, end)
    this.core.shortenEnd(end)
  }

  /** A guest time in instructions' worth. */
  private countAt(ns: number): number {
    return Math.max(0, Math.ceil((ns - this.timeBase) / NS_PER_INSTRUCTION))
  }

  setInterrupt(level: boolean, cpu = 0): void {
    if (level) this.raise(cpu, at.ATTN_INTR)
    else this.processors.lower(cpu, at.ATTN_INTR)
  }

  private raise(cpu: number, bits: number): void {
    if (!this.processors.raise(cpu, bits) || this.processors.keepsTurn()) return
    this.turnEnd = 0
    this.core.shortenEnd(0)
  }

  watchExecution(): void {
    this.code ??= new ExecutedCode()
    this.core.watchExecution()
    // What was decoded before does not ask whether it is known.
    this.core.dropEverything()
  }

  executedCode(): ExecutedCode | undefined {
    if (this.code) this.core.settle()
    return this.code
  }

  askForLoop(): void {
    this.core.askForLoop()
  }

  foundLoop(): { takesInterrupts: boolean } | undefined {
    const found = this.core.foundLoop()
    return found ? { takesInterrupts: found === 2 } : undefined
  }

  interruptsEnabled(): boolean {
    return this.processors.interruptsEnabled()
  }

  nmi(cpu = 0): void {
    this.raise(cpu, at.ATTN_NMI)
  }

  smi(cpu = 0): void {
    this.raise(cpu, at.ATTN_SMI)
  }

  init(cpu = 0): void {
    this.processors.post(cpu)
    this.core.raiseAttention(at.ATTN_STOP)
  }

  startUp(cpu: number, vector: number): void {
    this.processors.post(cpu, vector)
    this.core.raiseAttention(at.ATTN_STOP)
  }

  tscToNs(tsc: bigint, cpu: number): number {
    const now = this.core.readTsc() - this.processors.tscOffset(this.current) + this.processors.tscOffset(cpu)
    return this.now() + Number(BigInt.asIntN(64, tsc - now)) * NS_PER_TICK
  }

  reset(): void {
    this.processors.reset()
  }

  setA20(enabled: boolean): void {
    if ((this.view.getUint32(at.A20_MASK, true) !== 0) === enabled) return
    this.view.setUint32(at.A20_MASK, enabled ? 1 : 0, true)
    // Blocks are kept by physical address, behind the gate: they stay.
    this.core.flushAllTlbs()
  }

  setIgnne(asserted: boolean): void {
    this.view.setUint32(at.IGNNE, asserted ? 1 : 0, true)
  }

  setMemory(regions: readonly MemoryRegion[]): void {
    // Code that is where it was stays decoded and compiled.
    this.memoryMap.set(regions, (address, size) => this.core.dropRange(address, size))
    this.core.flushAllTlbs()
  }

  memoryChanged(offset: number, length: number): void {
    this.memoryMap.written(offset, length, (address, size) => this.core.dropRange(address, size))
  }

  getState(cpu = this.current): CpuState {
    const { current } = this
    this.processors.switchTo(cpu)
    const state = this.state.read()
    this.processors.switchTo(current)
    return state
  }

  setState(state: CpuState, cpu = this.current): void {
    const { current } = this
    this.processors.switchTo(cpu)
    this.state.write(state)
    this.processors.switchTo(current)
  }

  dropTranslations(): void {
    this.core.flushAllTlbs()
  }

  saveTime(): EngineTime {
    const stalled = this.view.getBigUint64(at.STALLED, true)
    return {
      kind: this.kind,
      ns: this.now(),
      counts: {
        retired: this.core.retired(),
        stalled: Number(stalled),
        base: this.timeBase,
        skipped: this.view.getBigUint64(at.TSC_SKIPPED, true),
        turnEnd: this.turnEnd,
        processors: this.processors.save(),
      },
    }
  }

  loadTime({ kind, ns, counts }: EngineTime): void {
    this.breakpoints.forgetStop()
    if (kind !== this.kind) {
      this.timeBase += ns - this.now()
      return
    }
    this.view.setBigUint64(at.ICOUNT, BigInt(counts.retired as number), true)
    this.counted = counts.retired as number
    this.view.setBigUint64(at.STALLED, BigInt(counts.stalled as number), true)
    // Snapshots from before there were several CPUs have no turns, and the TSC's skipped ticks in its offset.
    this.view.setBigUint64(at.TSC_SKIPPED, (counts.skipped as bigint | undefined) ?? 0n, true)
    this.timeBase = counts.base as number
    this.cuts?.forget()
    this.turnEnd = (counts.turnEnd as number | undefined) ?? 0
    if (counts.processors) this.processors.load(counts.processors as State)
  }

  close(): void {
    this.jit.close()
  }
}
