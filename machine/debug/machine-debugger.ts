/** The debugger's hand in a machine: what `DebugTarget` promises, on an engine and its memory. */
import type { MemoryMap } from '../bus/memory-map.js'
import type { Breakpoint, CpuState, Engine, Fault } from '../cpu/engine.js'
import type { Backtrace, MachineReport } from '../report.js'
import { backtrace, placeOf } from './backtrace.js'
import type { DebugStop, DebugTarget } from './debug-target.js'
import { type PhysicalView, readLinear, translate, writeLinear } from './linear-memory.js'
import { findModules } from './linux-modules.js'
import { linuxOffset } from './linux-offset.js'
import { type ExecutedPart, type PlacedFile, Symbols } from './symbols/symbols.js'

/** Of guest time, between two looks for kernel modules. */
const BETWEEN_LOOKS_NS = 10e6

const CR0_PE = 1n
const EFER_LMA = 1n << 10n
const [CS, SS] = [1, 2]
const RSP = 4
/** Of a segment: L, and D or B. */
const ACCESS_L = 1 << 13
const ACCESS_DB = 1 << 14

export class MachineDebugger implements DebugTarget {
  /** Memory as the CPUs see it. */
  readonly physical: PhysicalView
  /** Why the last run came back, where it did for a debugger. */
  stopped: DebugStop | undefined
  private readonly files: Symbols
  /** Guest time of the last look for kernel modules. */
  private looked = Number.NEGATIVE_INFINITY
  /** The run is no longer the guest's own: registers or memory were written. */
  touched = false
  /** Told of each change that a debugger makes, and how to make it again. */
  onChange: ((again: () => void) => void) | undefined
  private own: readonly Breakpoint[] = []
  /** What a monitor wants to stop at, whoever else debugs. */
  private marked: readonly Breakpoint[] = []
  /** What the engine stops at now. */
  stopping: readonly Breakpoint[] = []

  constructor(
    private readonly engine: Engine,
    private readonly memory: MemoryMap,
    readonly long: boolean,
    symbols: readonly PlacedFile[] = [],
  ) {
    this.files = new Symbols(symbols)
    this.physical = {
      bytes: (address, length) => memory.look(address, length),
      store: (address, bytes) => memory.patch(address, bytes),
    }
  }

  get cpus(): number {
    return this.engine.cpus
  }

  get current(): number {
    return this.engine.current
  }

  /** What was executed of the files that are covered; nothing where that is not kept. */
  executed(): ExecutedPart[] {
    const code = this.engine.executedCode?.()
    this.looked = Number.NEGATIVE_INFINITY
    return code ? this.symbols.executedIn(code) : []
  }

  /** How far the machine is: guest time, and the instructions that were retired, by CPU as well. */
  counts(): { instructions: number; guestTimeNs: number; cpus: number[] } {
    const { engine } = this
    const cpus = Array.from({ length: engine.cpus }, (_, cpu) => engine.instructions(cpu))
    return { instructions: engine.instructions(), guestTimeNs: engine.now(), cpus }
  }

  state(cpu: number): CpuState {
    return this.engine.getState(cpu)
  }

  setState(cpu: number, state: CpuState): void {
    const wanted = structuredClone(state)
    this.engine.setState(wanted, cpu)
    this.changed(() => this.engine.setState(wanted, cpu))
  }

  /** Does something to the machine that a debugger wants done. */
  act(work: () => void): void {
    work()
    this.changed(work)
  }

  private changed(again: () => void): void {
    this.touched = true
    this.onChange?.(again)
  }

  read(cpu: number, linear: bigint, length: number): Uint8Array {
    return readLinear(linear, length, this.state(cpu), this.physical)
  }

  write(cpu: number, linear: bigint, bytes: Uint8Array): number {
    const own = bytes.slice()
    const write = () => writeLinear(linear, own, this.state(cpu), this.physical)
    const written = write()
    this.changed(write)
    return written
  }

  /** Names for the guest's addresses, where it has its kernel now. */
  get symbols(): Symbols {
    const { files } = this
    if (!files.isEmpty) {
      const state = this.state(0)
      const read = (linear: bigint, length: number) => readLinear(linear, length, state, this.physical)
      files.place((linked) => linuxOffset(state, read, linked))
      this.placeModules(state)
    }
    return files
  }

  /** Looking for what is not there takes its time, and who writes a log asks for each of its lines. */
  private placeModules(state: CpuState): void {
    const now = this.engine.now()
    const missing = now - this.looked < BETWEEN_LOOKS_NS ? [] : this.files.missingModules
    if (missing.length === 0) return
    this.looked = now
    this.files.placeModules(findModules(missing, state, this.physical))
  }

  /** Of each CPU that has begun. */
  backtraces(): Backtrace[] {
    const { symbols } = this
    return Array.from({ length: this.cpus }, (_, cpu) => {
      const state = this.state(cpu)
      const read = (linear: bigint, length: number) => readLinear(linear, length, state, this.physical)
      return { cpu, frames: backtrace(state, read, symbols) }
    })
  }

  /** ` <panic+0x12> (panic.c:7)`, or nothing where no symbol is. */
  nameOf(linear: bigint): string {
    const { symbols } = this
    if (symbols.isEmpty) return ''
    const { symbol, offset, file, line } = placeOf(linear, symbols)
    if (symbol === undefined) return ''
    return ` <${symbol}${offset ? `+0x${offset.toString(16)}` : ''}>${line === undefined ? '' : ` (${file}:${line})`}`
  }

  /** Exceptions with their places, where symbols know them. */
  named(faults: readonly Fault[]): MachineReport['faults'] {
    const { symbols } = this
    if (symbols.isEmpty) return [...faults]
    return faults.map((fault) => {
      const at = placeOf(BigInt(fault.ip), symbols)
      return at.symbol === undefined && at.line === undefined ? fault : { ...fault, at }
    })
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): void {
    this.own = breakpoints
    this.stopAt(undefined)
  }

  get marks(): readonly Breakpoint[] {
    return this.marked
  }

  set marks(breakpoints: readonly Breakpoint[]) {
    this.marked = breakpoints
    this.stopAt(undefined)
  }

  /** All that it is to stop at. */
  get points(): readonly Breakpoint[] {
    return [...this.own, ...this.marked]
  }

  /** For a while, at these and no others; undefined: at those that were set. */
  stopAt(breakpoints: readonly Breakpoint[] | undefined): void {
    this.stopping = breakpoints ?? this.points
    this.engine.setBreakpoints?.(this.stopping)
  }

  /** The CPUs walk to every page again. A guest that changed its page tables without telling would see it. */
  forgetTranslations(): void {
    this.engine.dropTranslations()
  }

  writePhysical(address: number, bytes: Uint8Array): number {
    const own = bytes.slice()
    const written = this.physical.store(address, own)
    this.changed(() => this.physical.store(address, own))
    return written
  }

  /** The stack pointer of a CPU in protected mode, in words, where the next push would go to neither memory nor a device. */
  lostStack(cpu: number): string | undefined {
    const state = this.state(cpu)
    if (!(state.cr0 & CR0_PE) || state.halted) return undefined
    const { base, access } = state.segments[SS]
    const is64 = (state.efer & EFER_LMA) !== 0n && (state.segments[CS].access & ACCESS_L) !== 0
    const pointer = is64 ? state.gpr[RSP] : BigInt.asUintN(access & ACCESS_DB ? 32 : 16, state.gpr[RSP])
    const top = is64 ? pointer - 8n : BigInt.asUintN(32, base + pointer - 4n)
    const place = translate(BigInt.asUintN(64, top), state, this.physical)
    if (place.absent || !this.memory.isUnassigned(place.physical)) return undefined
    return `there is no memory at ${is64 ? 'RSP' : 'ESP'}=${pointer.toString(16)}`
  }

  /** RAM, by physical address, upward; stretches that follow one another are one. */
  ram(): { address: number; size: number }[] {
    const found: { address: number; size: number }[] = []
    for (const { address, size, kind, shared } of [...this.memory.regions()].sort((a, b) => a.address - b.address)) {
      const last = found.at(-1)
      if (kind !== 'ram' || shared) continue
      if (last && last.address + last.size === address) last.size += size
      else found.push({ address, size })
    }
    return found
  }

  /** Why it cannot stop at this one beside those that it has; one sentence. */
  refusal(...more: readonly Breakpoint[]): string | undefined {
    const { engine } = this
    if (!engine.setBreakpoints) return 'this engine has no breakpoints; take the soft engine'
    return engine.refusal?.([...this.points, ...more])
  }

  /** The next run is one instruction long, or is not after all. False where a run of a nanosecond is. */
  step(wanted = true): boolean {
    this.engine.step?.(wanted)
    return this.engine.step !== undefined
  }

  /** The machine's run loop tells why the engine came back. */
  noteStop(stop: DebugStop): void {
    this.stopped = stop
  }

  /** Why the last run came back, where it did for a debugger; once. */
  takeStop(): DebugStop | undefined {
    const { stopped } = this
    this.stopped = undefined
    return stopped
  }
}
