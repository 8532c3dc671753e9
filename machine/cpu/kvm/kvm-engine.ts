/**
 * The KVM engine: one vCPU, KVM_RUN called synchronously in the machine's thread.
 *
 * The interrupt controllers are the project's own: INTR reaches the guest by KVM_INTERRUPT at a moment when the CPU
 * takes it, HLT comes back as an exit. `loop()` is the engine; what each exit asks for is below it. What KVM cannot
 * execute goes to `rescue.ts`, what a debugger stops at is in `guest-debug.ts`, guest time in `host-clock.ts`, what ends KVM_RUN
 * at a deadline in `alarm.ts`.
 * The file is longer than others, because each exit of KVM_RUN is told in it.
 */

import { EINTR, libc, Struct } from '../../host/libc.js'
import { SnapshotError } from '../../state/snapshot-error.js'
import type { Breakpoint, CpuBoard, CpuState, Engine, EngineTime, Exit, Fault, MemoryRegion } from '../engine.js'
import * as abi from './abi.js'
import { KvmError } from './access.js'
import { Alarm } from './alarm.js'
import { BusExits } from './bus-exits.js'
import { CoalescedWrites } from './coalesced-writes.js'
import { cpuSignature, missingFeatures } from './cpuid.js'
import { probeDebug } from './debug-probe.js'
import { GuestDebug } from './guest-debug.js'
import { HostClock } from './host-clock.js'
import { MemorySlots } from './memory-slots.js'
import { probeKvm } from './probe.js'
import { type Pins, Rescue } from './rescue.js'
import { initState, resetState } from './reset-state.js'
import { TimeStampCounter } from './time-stamp-counter.js'
import { VcpuState } from './vcpu-state.js'
import { type KvmVcpu, KvmVm } from './vm.js'

const IA32_APIC_BASE = 0x1b
const APIC_BASE_AT_RESET = 0xfee00900n
const RFLAGS_IF = 0x200n
const EFER_LMA = 0x400n
const CS = 1
const ACCESS_L = 1 << 13

/** Longest stretch inside run() and skipTo() in ns. */
const LONGEST_RUN = 1e9
/** A run makes some progress even when its deadline has passed: else timers that are always late would starve the guest. */
const SHORTEST_RUN = 20e3

/** Instructions that a rescue executes: doubled while one emulation failure follows the other. */
const FIRST_RESCUE = 1
const LONGEST_RESCUE = 4096
/**
 * Where KVM does not come back when an interrupt can be delivered: instructions of the soft engine until it can, and
 * host ns between two looks.
 */
const WINDOW_SEARCH = 2000
const WINDOW_INTERVAL = 300e3

/** Instructions in system management mode between two looks at the clock. */
const SOFT_SLICE = 10_000

const BUDGET: Exit = { reason: 'budget' }
const HALT: Exit = { reason: 'halt' }
const STEP: Exit = { reason: 'step' }

export class KvmEngine implements Engine {
  readonly kind = 'kvm'
  readonly cpus = 1
  readonly current = 0
  /** Emulation failures that the soft engine helped over. */
  rescues = 0
  /** Interrupts for which the soft engine had to find the moment. */
  windowSearches = 0

  private readonly vm: KvmVm
  private readonly vcpu: KvmVcpu
  private readonly page: DataView
  private readonly state: VcpuState
  private readonly slots: MemorySlots
  private readonly alarm: Alarm
  private readonly clock = new HostClock()
  private readonly tsc: TimeStampCounter
  private readonly bus: BusExits
  private readonly coalesced: CoalescedWrites
  private readonly rescue: Rescue
  private readonly debug: GuestDebug
  private readonly vector = new Struct(4)
  private readonly signature: number
  /** KVM does not say when it could deliver an interrupt. */
  private readonly lookForWindow = !probeKvm().interruptWindow

  private deadline = 0
  private hostEnd = Number.POSITIVE_INFINITY
  private readonly late = (): boolean => performance.now() >= this.hostEnd
  /** A string's elements wait for the board: the host's time was up between two of them. */
  private inString = false
  private running = false
  private alarmSet = false
  private stopRequested = false
  private resetRequested: 'reset' | 'init' | undefined
  private interrupt = false
  private nmiPending = false
  private smiPending = false
  private halted = false
  private inSmm = false
  /** The last exit is complete only after KVM_RUN was entered again. */
  private unfinished = false
  /** KVM was given an interrupt and has not run since. */
  private injecting = false
  private rescueLength = FIRST_RESCUE
  /** The instruction in front of which it stopped last: it goes on from there. */
  private stoppedAt: bigint | undefined
  /** What a debugger waits for has come; told when the access that may be under way is complete. */
  private debugDue: Exit | undefined
  /** What the board was last told. */
  private cr8 = 0
  private apicBaseLow = 0
  /** The board may not be there yet while its engine is made. */
  private built = false
  private closed = false

  /**
   * Belongs to the thread that makes it. Throws a KvmError.
   * @param arena the machine's arena; it must not grow afterwards.
   */
  constructor(
    arena: WebAssembly.Memory,
    private readonly board: CpuBoard,
  ) {
    this.vm = new KvmVm()
    try {
      this.vcpu = this.vm.createVcpu()
    } catch (error) {
      this.vm.close()
      throw error
    }
    this.page = this.vcpu.page
    this.signature = cpuSignature(this.vm.cpuid)
    this.alarm = new Alarm()
    this.vcpu.call('KVM_SET_SIGNAL_MASK', abi.KVM_SET_SIGNAL_MASK, this.alarm.signalMask().address)
    this.slots = new MemorySlots(this.vm, libc().addressOf(arena.buffer))
    this.bus = new BusExits(this.page, board)
    this.coalesced = new CoalescedWrites(this.vm, this.vcpu, (address, value, size) => {
      this.board.mmioWrite(address, value, size)
    })
    this.state = new VcpuState(this.vcpu, this.vm)
    this.tsc = new TimeStampCounter(this.vcpu, this.state)
    this.rescue = new Rescue(arena, board)
    this.debug = new GuestDebug(
      this.vcpu,
      new Uint8Array(arena.buffer),
      () => this.slots.current(),
      this.vm.extension(abi.CAP_SET_GUEST_DEBUG) > 0,
      probeDebug,
    )
    this.write(resetState(this.signature, this.state.msrsAtReset()), false)
    this.built = true
  }

  // ---- running ----

  run(deadline: number, hostEnd = Number.POSITIVE_INFINITY): Exit {
    this.hostEnd = hostEnd
    const pause = this.clock.start()
    if (pause > 0) this.tsc.goBack(pause)
    const now = this.clock.now()
    this.deadline = Math.max(Math.min(deadline, now + LONGEST_RUN), now + SHORTEST_RUN)
    this.alarmSet = false
    this.running = true
    try {
      if (this.stoppedAt !== undefined) this.leaveBreakpoint(this.stoppedAt)
      return this.loop()
    } finally {
      this.debug.disarm()
      this.coalesced.drain()
      this.running = false
      this.clock.stop()
    }
  }

  private loop(): Exit {
    const { page, debug } = this
    while (true) {
      if (this.inString) {
        this.access('port')
        if (this.late()) return BUDGET
      }
      if (this.resetRequested) this.performReset()
      if (this.debugDue && !this.inString) return this.tellDebugger()
      if (this.stopRequested) {
        this.stopRequested = false
        return BUDGET
      }
      if (this.halted && !this.wakes()) return HALT
      const left = this.deadline - this.clock.now()
      if (left <= 0) return BUDGET
      if (this.smiPending || this.inSmm) {
        const exit = this.systemManagement()
        if (exit) return exit
        continue
      }
      if (debug.isSoft || (this.halted && debug.stepping)) {
        const exit = this.debugSoft()
        if (exit) return exit
        if (this.late()) return BUDGET
        continue
      }
      this.halted = false
      // An interrupt would take the step's trap flag with it.
      if (!debug.stepping) this.deliver()
      if (this.lookForWindow && this.interrupt && !this.injecting && !debug.stepping) {
        const exit = this.findWindow()
        if (exit) return exit
        if (this.interrupt) {
          this.alarm.set(Math.min(left, WINDOW_INTERVAL))
          this.alarmSet = true
        }
        if (this.halted) continue
      }
      if (!this.alarmSet) {
        this.alarm.set(left)
        this.alarmSet = true
      }
      debug.arm()
      const errno = this.enter()
      if (errno !== 0) {
        if (errno !== EINTR) return this.failure(`KVM_RUN failed, errno ${errno}`)
        this.alarm.drain()
        this.alarmSet = false
        this.rescueLength = FIRST_RESCUE
        continue
      }
      const reason = page.getUint32(abi.RUN_EXIT_REASON, true)
      if (reason !== abi.EXIT_INTERNAL_ERROR) this.rescueLength = FIRST_RESCUE
      switch (reason) {
        case abi.EXIT_IO:
          this.access('port')
          break
        case abi.EXIT_MMIO:
          this.access('mmio')
          break
        case abi.EXIT_HLT:
          this.halted = true
          // The instruction is done, and KVM says nothing of its step.
          this.stepDone()
          break
        case abi.EXIT_DEBUG:
          this.debugExit()
          break
        case abi.EXIT_IRQ_WINDOW_OPEN:
        case abi.EXIT_SET_TPR:
        case abi.EXIT_INTR:
          break
        case abi.EXIT_X86_RDMSR:
        case abi.EXIT_X86_WRMSR:
          this.unknownMsr()
          break
        case abi.EXIT_SHUTDOWN:
          return { reason: 'shutdown', detail: 'triple fault' }
        case abi.EXIT_INTERNAL_ERROR: {
          const exit = this.internalError()
          if (exit) return exit
          break
        }
        case abi.EXIT_FAIL_ENTRY:
          return this.failure(
            `the processor refused to enter the guest, reason 0x${page.getBigUint64(abi.FAIL_ENTRY_REASON, true).toString(16)}`,
          )
        default:
          return this.failure(`KVM came back with exit reason ${reason}`)
      }
      if (this.late()) return BUDGET
    }
  }

  /** KVM_RUN, and what it left behind that concerns the board whatever the exit was. */
  private enter(): number {
    const { page, board } = this
    page.setUint8(abi.RUN_CR8, board.readTpr())
    this.cr8 = page.getUint8(abi.RUN_CR8)
    this.unfinished = false
    this.injecting = false
    const errno = this.vcpu.run()
    this.coalesced.drain()
    const cr8 = page.getUint8(abi.RUN_CR8)
    if (cr8 !== this.cr8) board.writeTpr(cr8)
    // KVM keeps IA32_APIC_BASE itself; an access to the APIC where it then is comes here first.
    if (page.getUint32(abi.RUN_APIC_BASE, true) !== this.apicBaseLow) {
      this.apicBaseLow = page.getUint32(abi.RUN_APIC_BASE, true)
      board.writeMsr(IA32_APIC_BASE, page.getBigUint64(abi.RUN_APIC_BASE, true))
    }
    return errno
  }

  private wakes(): boolean {
    return this.nmiPending || this.smiPending || (this.interrupt && this.interruptsEnabled())
  }

  /** Hands NMI and INTR to KVM, or asks for an exit when the CPU can take INTR. */
  private deliver(): void {
    const { page, vcpu } = this
    if (this.nmiPending) {
      this.nmiPending = false
      vcpu.call('KVM_NMI', abi.KVM_NMI, 0)
    }
    if (this.interrupt && page.getUint8(abi.RUN_READY_FOR_INTERRUPT)) this.inject(this.board.acknowledgeInterrupt())
    page.setUint8(abi.RUN_REQUEST_INTERRUPT_WINDOW, this.interrupt ? 1 : 0)
  }

  private inject(vector: number): void {
    this.page.setUint8(abi.RUN_READY_FOR_INTERRUPT, 0)
    this.injecting = true
    this.vector.view.setUint32(0, vector, true)
    this.vcpu.call('KVM_INTERRUPT', abi.KVM_INTERRUPT, this.vector.address)
  }

  // ---- exits ----

  private access(what: 'port' | 'mmio'): void {
    this.unfinished = true
    if (what === 'port') {
      this.debugDue ??= this.debug.portHit()
      this.inString = !this.bus.port(this.running ? this.late : undefined)
    } else this.bus.mmio(this.slots.a20Enabled)
  }

  /** RDMSR and WRMSR of what KVM does not know: #GP, as on the soft engine. */
  private unknownMsr(): void {
    this.unfinished = true
    this.board.warnMsr(this.page.getUint32(abi.MSR_INDEX, true))
    this.page.setUint8(abi.MSR_ERROR, 1)
  }

  private internalError(): Exit | undefined {
    const { page } = this
    const suberror = page.getUint32(abi.INTERNAL_SUBERROR, true)
    const what = abi.INTERNAL_ERRORS[suberror] ?? `internal error ${suberror}`
    const { state: before, injected } = this.read()
    const where = `at ${before.segments[1].selector.toString(16)}:${before.rip.toString(16)}`
    if (suberror !== abi.INTERNAL_ERROR_EMULATION) return this.failure(`KVM: ${what} ${where}`)
    const refusal = this.rescue.refusal()
    if (refusal) return this.failure(`KVM: ${what} ${where}; ${refusal}`)
    this.rescues++
    if (this.debug.stepping) return this.stepSoft(before, injected)
    const exit = this.runSoft(before, injected, this.rescueLength)
    this.rescueLength = Math.min(this.rescueLength * 2, LONGEST_RESCUE)
    return exit
  }

  // ---- a debugger's places ----

  setBreakpoints(points: readonly Breakpoint[]): void {
    this.debug.set(points)
  }

  refusal(points: readonly Breakpoint[]): string | undefined {
    return this.debug.refusal(points)
  }

  step(wanted: boolean): void {
    this.debug.stepping = wanted ? 'asked' : undefined
  }

  /** It stands at a breakpoint, and goes on behind it, if nobody has moved it meanwhile. */
  private leaveBreakpoint(linear: bigint): void {
    const { debug } = this
    this.stoppedAt = undefined
    if (debug.stepping || !debug.all.some(({ kind, address }) => kind === 'execute' && address === linear)) return
    if (linearAddress(this.read().state) === linear) debug.stepping = 'over'
  }

  /** KVM_EXIT_DEBUG. */
  private debugExit(): void {
    const found = this.debug.take()
    if (found === 'guest') this.debug.giveBack()
    else this.debugDue ??= found
  }

  private stepDone(): void {
    if (this.debug.stepDone() === 'asked') this.debugDue ??= STEP
  }

  private tellDebugger(): Exit {
    this.finishAccess()
    const exit = this.debugDue as Exit
    this.debugDue = undefined
    if (exit.reason === 'breakpoint' && exit.hit.kind === 'execute') this.stoppedAt = exit.hit.address
    return exit
  }

  /**
   * What KVM here would run past. Where a CPU is stepped out of a halt, what wakes it comes to it; with KVM's trap flag it
   * would run on to the IRET. Else a step lets no interrupt in.
   */
  private debugSoft(): Exit | undefined {
    this.finishAccess()
    const { state, injected } = this.read()
    const refusal = this.rescue.refusal()
    if (refusal) return this.failure(`a debugger on this host's KVM: ${refusal}`)
    if (this.debug.stepping) return this.stepSoft(state, injected)
    const nmi = this.nmiPending
    this.nmiPending = false
    return this.runSoft(state, injected, SOFT_SLICE, { nmi })
  }

  private stepSoft(before: CpuState, injected: number | undefined): Exit | undefined {
    const exit = this.runSoft(before, injected, 1, { holdInterrupt: !this.halted })
    if (!exit) this.stepDone()
    return exit
  }

  private failure(detail: string): Exit {
    return { reason: 'failure', detail }
  }

  // ---- the soft engine's share ----

  /** Executes some instructions on the soft engine. Returns what ends the run, if anything does. */
  private runSoft(
    before: CpuState,
    injected: number | undefined,
    instructions: number,
    how: Omit<Pins, 'memory' | 'a20' | 'injected' | 'points'> = {},
  ): Exit | undefined {
    const { slots, debug } = this
    debug.disarm()
    const here = linearAddress(before)
    const points = debug.stepping
      ? debug.all.filter(({ kind, address }) => kind !== 'execute' || address !== here)
      : debug.all
    const pins = { ...how, memory: slots.current(), a20: slots.a20Enabled, injected, points }
    const { state, exit, undelivered } = this.rescue.run(before, instructions, pins)
    try {
      this.write(state, true)
    } catch (error) {
      if (!(error instanceof KvmError)) throw error
      const { cr0, cr4, efer } = state
      const registers = Object.entries({ CR0: cr0, CR4: cr4, EFER: efer }).map(
        ([name, x]) => `${name} ${x.toString(16)}`,
      )
      return this.failure(
        `KVM refuses what the guest has made of its CPU (${error.message}; ${registers.join(', ')}); take the soft engine`,
      )
    }
    if (undelivered !== undefined) this.inject(undelivered)
    if (exit.reason === 'breakpoint') {
      debug.stepping = undefined
      this.debugDue = exit
    }
    return exit.reason === 'shutdown' || exit.reason === 'failure' ? exit : undefined
  }

  /** An SMI and what follows up to RSM: not every KVM has the mode, and none knows which memory is SMRAM. */
  private systemManagement(): Exit | undefined {
    this.finishAccess()
    const { state, injected } = this.read()
    const refusal = this.rescue.refusal()
    if (refusal) return this.failure(`system management mode: ${refusal}`)
    const smi = this.smiPending
    this.smiPending = false
    return this.runSoft(state, injected, SOFT_SLICE, { smi })
  }

  /** INTR is high, and the guest could not take it when KVM came back last. */
  private findWindow(): Exit | undefined {
    this.finishAccess()
    const { state, injected } = this.read()
    if (this.rescue.refusal()) return undefined
    this.windowSearches++
    return this.runSoft(state, injected, WINDOW_SEARCH, { untilInterrupt: true })
  }

  // ---- time ----

  now(): number {
    return this.clock.now()
  }

  /** The host's time passes by itself. */
  stall(): void {}

  /** Guest time is the host's: sleeps. May wake early. */
  skipTo(ns: number): void {
    const pause = this.clock.start()
    if (pause > 0) this.tsc.goBack(pause)
    const left = Math.min(ns - this.clock.now(), LONGEST_RUN)
    if (left > 0) this.alarm.sleep(left)
    this.clock.stop()
  }

  /** KVM does not count. */
  /** The kernel delivers them. */
  lastFaults(): Fault[] {
    return []
  }

  instructions(): number {
    return 0
  }

  stop(): void {
    this.stopRequested = true
    this.rescue.stop()
  }

  shorten(deadline: number): void {
    if (!this.running || deadline >= this.deadline) return
    this.deadline = deadline
    this.alarmSet = false
  }

  // ---- pins ----

  interruptsEnabled(): boolean {
    return this.page.getUint8(abi.RUN_IF_FLAG) !== 0
  }

  setInterrupt(level: boolean): void {
    this.interrupt = level
    this.rescue.setInterrupt(level)
  }

  nmi(): void {
    this.nmiPending = true
  }

  smi(): void {
    this.smiPending = true
  }

  init(): void {
    // RESET# is the stronger one.
    this.resetRequested ??= 'init'
    if (!this.running) this.performReset()
  }

  /** The only CPU never waits for one. */
  startUp(): void {}

  reset(): void {
    this.resetRequested = 'reset'
    if (!this.running) this.performReset()
  }

  private performReset(): void {
    const kind = this.resetRequested
    this.resetRequested = undefined
    this.finishAccess()
    if (kind === 'init') {
      this.write(initState(this.signature, this.read().state), true)
      return
    }
    this.nmiPending = false
    this.smiPending = false
    this.rescue.reset()
    if (this.inSmm) this.board.smmChanged(false)
    this.write(resetState(this.signature, this.state.msrsAtReset()), false)
  }

  // ---- memory ----

  setA20(enabled: boolean): void {
    this.slots.setA20(enabled)
    this.rescue.setA20(enabled)
  }

  setMemory(regions: readonly MemoryRegion[]): void {
    this.slots.set(regions)
    this.rescue.setMemory(regions)
  }

  /** KVM sees memory as it is; the soft engine drops its decoded code at every rescue. */
  memoryChanged(offset: number, length: number): void {
    this.debug.memoryChanged(offset, length)
  }

  // ---- state ----

  /** From a callback inside `run`: the state before the instruction that accesses the board. */
  getState(): CpuState {
    if (this.running) return this.read().state
    this.finishAccess()
    const { state, injected } = this.read()
    // An interrupt was acknowledged and KVM did not come to deliver it: `CpuState` cannot say so.
    if (injected === undefined || this.rescue.refusal()) return this.withPins(state)
    this.runSoft(state, injected, 1)
    return this.withPins(this.read().state)
  }

  setState(state: CpuState): void {
    const missing = missingFeatures(state, this.vm.cpuid)
    if (missing.length > 0)
      throw new SnapshotError(
        `the guest uses ${missing.join(', ')}, which KVM on this host does not offer; take the soft engine, or make the ` +
          `snapshot with the CPU max,${missing.map((name) => `-${name}`).join(',')}`,
      )
    this.finishAccess()
    this.debugDue = undefined
    if (state.smbase !== undefined) this.rescue.smbase = state.smbase
    if (state.pending) {
      this.nmiPending = state.pending.nmi
      this.smiPending = state.pending.smi
    }
    try {
      this.write(state, false)
    } catch (error) {
      if (!(error instanceof KvmError)) throw error
      throw new SnapshotError(
        `KVM refuses the state of the CPU (${error.message}); load it on the soft engine, or make the snapshot again`,
      )
    }
  }

  private withPins(state: CpuState): CpuState {
    return { ...state, smbase: this.rescue.smbase, pending: { nmi: this.nmiPending, smi: this.smiPending } }
  }

  /** The processor's own TLB is flushed between the threads of the host all the time. */
  dropTranslations(): void {}

  saveTime(): EngineTime {
    return { kind: this.kind, ns: this.clock.now(), counts: {} }
  }

  loadTime({ ns }: EngineTime): void {
    this.clock.set(ns)
  }

  private read(): { state: CpuState; injected: number | undefined } {
    const { state, injected } = this.state.read()
    return { state: { ...state, halted: this.halted, inSmm: this.inSmm }, injected }
  }

  private write(state: CpuState, keepTsc: boolean): void {
    const { page } = this
    const apicBase = (this.built && this.board.readMsr(IA32_APIC_BASE)) || APIC_BASE_AT_RESET
    this.apicBaseLow = Number(apicBase & 0xffffffffn)
    page.setBigUint64(abi.RUN_APIC_BASE, apicBase, true)
    this.state.write(state, apicBase, keepTsc)
    this.halted = state.halted
    this.inSmm = state.inSmm
    const enabled = (state.rflags & RFLAGS_IF) !== 0n
    page.setUint8(abi.RUN_IF_FLAG, enabled ? 1 : 0)
    // What KVM would say after a run. A halted CPU must take it before it goes on.
    page.setUint8(abi.RUN_READY_FOR_INTERRUPT, enabled && state.interruptShadow === 'none' ? 1 : 0)
  }

  /** An access is complete only after KVM_RUN was entered again; immediate_exit lets it do that and nothing more. */
  private finishAccess(): void {
    const { page } = this
    while (this.inString) this.inString = !this.bus.port()
    while (this.unfinished) {
      page.setUint8(abi.RUN_IMMEDIATE_EXIT, 1)
      const errno = this.enter()
      page.setUint8(abi.RUN_IMMEDIATE_EXIT, 0)
      if (errno !== 0) break
      // An access that was split up: its next part.
      const reason = page.getUint32(abi.RUN_EXIT_REASON, true)
      if (reason === abi.EXIT_IO) this.access('port')
      else if (reason === abi.EXIT_MMIO) this.access('mmio')
      else if (reason === abi.EXIT_DEBUG) this.debugExit()
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.alarm.close()
    this.vcpu.close()
    this.vm.close()
    this.rescue.close()
  }
}

/** Of the instruction that is next. */
function linearAddress({ rip, efer, segments }: CpuState): bigint {
  const { base, access } = segments[CS]
  return efer & EFER_LMA && access & ACCESS_L ? rip : (base + rip) & 0xffffffffn
}
