/**
 * Where a debugger holds a machine, in the machine's thread: between two slices the gate keeps the thread until the
 * debugger lets go, and guest time stands still meanwhile. Steps are made here as well, and ways back; a machine that was
 * gone back is here until it is in its present again, so that whoever runs it never sees the past.
 */
import type { Breakpoint } from '../../../machine/cpu/engine.js'
import type { DebugStop } from '../../../machine/debug/debug-target.js'
import { GdbSession, type Resume } from '../../../machine/debug/gdb/session.js'
import type { MachineDebugger } from '../../../machine/debug/machine-debugger.js'
import type { Machine, MachineExit } from '../../../machine/machine.js'
import { SnapshotError } from '../../../machine/state/snapshot-error.js'
import { describeExit } from '../../words/exit-words.js'
import { type Found, type History, HistoryError } from './history.js'

/** Host ms between two looks for what the debugger says while the machine stands. */
const LOOK = 1
/** A CPU whose turn does not come, or that waits in HLT, is not stepped for longer than this of guest time. */
const LONGEST_STEP = 10e9
/** Guest ns between two looks while the past is run through. */
const SLICE = 50e6
/** Host ms of it. */
const HOST_SLICE = 50
/** Ends of a machine at which a debugger can still look at it. */
const STANDS: readonly MachineExit['reason'][] = ['triple-fault', 'halted', 'failure']

/** What became of a wish: the machine stands again, or it is to go on. */
type Done = { stop: DebugStop } | { goOn: true; exit?: MachineExit }

export class DebugGate {
  private session: GdbSession | undefined
  /** The machine is to stop at the next chance. */
  private wanted = false
  /** It is not to go on before a debugger has let it. */
  private waits = false
  private stands = false
  /** The monitor's breakpoint that it stands at. */
  private marked: Breakpoint | undefined
  /** Why there is no history. */
  private why: string | undefined
  private readonly sleeper = new Int32Array(new SharedArrayBuffer(4))

  /**
   * @param tell Sends bytes to the debugger.
   * @param history Of the machine, where it can be gone back.
   */
  constructor(
    private readonly machine: Machine,
    private readonly tell: (bytes: Uint8Array) => void,
    private readonly history?: History,
    /** What `monitor COMMAND` answers. */
    private readonly monitor: (line: string, cpu: number) => string = () => '',
  ) {}

  /** The machine is not to begin before a debugger lets it: QEMU's `-S`. */
  wait(): void {
    this.wanted = true
    this.waits = true
  }

  /** A debugger has come: the machine stops for it, and its history begins. */
  open(): void {
    const { machine } = this
    const target = machine.debugTarget
    if (!target) return
    this.session?.close()
    this.why = this.beginHistory()
    this.session = new GdbSession(target, this.tell, this.monitor, this.history?.isActive)
    this.wanted = true
  }

  /** For people: how far the machine can be gone back. */
  describeHistory(): string {
    return (
      this.why ?? this.history?.describe() ?? 'none: it needs the soft engine, a network of its own, and no recording'
    )
  }

  /** Stands still until `resume`. */
  pause(): void {
    this.wait()
  }

  /** False: a debugger holds the machine. */
  resume(): boolean {
    if (this.session && this.stands) return false
    this.waits = false
    return true
  }

  /** Also when it is about to stand: it executes nothing more. */
  get isPaused(): boolean {
    return this.stands || this.waits
  }

  /** Returns why there is none. */
  private beginHistory(): string | undefined {
    const { history } = this
    if (!history || history.isActive) return undefined
    try {
      history.begin()
      return undefined
    } catch (error) {
      if (error instanceof SnapshotError) return `none: ${error.message}`
      throw error
    }
  }

  receive(bytes: Uint8Array): void {
    if (this.session?.receive(bytes)) this.wanted = true
  }

  close(): void {
    this.session?.close()
    this.session = undefined
  }

  /**
   * Stands still for as long as the debugger wants. Returns how the machine ended while it was stepped.
   * @param poll Takes what has come in; true ends the wait, as the script ends.
   */
  hold(poll: () => boolean): MachineExit | undefined {
    const target = this.machine.debugTarget
    if (!target) return undefined
    const found = target.takeStop()
    if (!found && !this.wanted && !this.history?.inPast) return this.forget()
    this.wanted = false
    // A monitor's own: nobody else is told, and `cont` lets it go on.
    if (!this.session && found?.why === 'breakpoint' && target.marks.includes(found.hit)) {
      this.waits = true
      this.marked = found.hit
    }
    return this.stand(target, found ?? { why: 'interrupt', cpu: target.current }, poll)
  }

  /** The machine has ended: a debugger may look at it before whoever runs it does. Returns what is left of that end. */
  holdAtEnd(exit: MachineExit, poll: () => boolean): MachineExit | undefined {
    const target = this.machine.debugTarget
    if (!target || !this.session || !STANDS.includes(exit.reason)) return exit
    this.session.say(`${describeExit(exit).split('\n')[0]}; go back from here, or let it end`)
    return this.stand(target, { why: 'exit', cpu: target.current, reason: exit.reason }, poll, exit)
  }

  private stand(
    target: MachineDebugger,
    why: DebugStop,
    poll: () => boolean,
    end?: MachineExit,
  ): MachineExit | undefined {
    this.stands = true
    try {
      return this.standUntil(target, why, poll, end)
    } finally {
      this.stands = false
      this.marked = undefined
    }
  }

  get stoppedFor(): Breakpoint | undefined {
    return this.marked
  }

  private standUntil(
    target: MachineDebugger,
    why: DebugStop,
    poll: () => boolean,
    end?: MachineExit,
  ): MachineExit | undefined {
    let exit = end
    this.session?.stopped(why)
    while (!poll()) {
      if (this.history?.takeDropped()) {
        exit = undefined
        this.session?.say('the past was changed: what lay ahead is dropped, and the guest goes on from here')
      }
      // It stands already, for whoever comes now.
      this.wanted = false
      const resume =
        this.session?.takeResume() ?? (this.session || this.waits ? undefined : { kind: 'continue' as const })
      if (!resume) {
        Atomics.wait(this.sleeper, 0, 0, LOOK)
        continue
      }
      const done = this.guarded(() => this.follow(resume, target, poll, exit))
      if ('stop' in done) this.session?.stopped(done.stop)
      else {
        this.waits = false
        this.forget()
        return done.exit
      }
    }
    return exit
  }

  /** Nobody is there who could go back. */
  private forget(): undefined {
    const { history } = this
    if (history?.isActive && !this.session && !history.inPast) history.end()
  }

  /** A history that does not hold is given up, and the debugger is told. */
  private guarded(work: () => Done): Done {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error
      this.history?.end()
      this.session?.say(error.message)
      return { stop: { why: 'interrupt', cpu: this.machine.debugTarget?.current ?? 0 } }
    }
  }

  private follow(resume: Resume, target: MachineDebugger, poll: () => boolean, exit?: MachineExit): Done {
    const { history } = this
    const asks = () => poll() || this.wanted
    const wasPast = history?.inPast === true
    switch (resume.kind) {
      case 'back':
        return history ? this.found(history.backToStop(asks), target.current) : { goOn: true }
      case 'step-back':
        return history ? this.found(history.backOne(resume.cpu, asks), resume.cpu) : { goOn: true }
      case 'step':
        // Behind its end there is nothing to step into.
        return exit && !wasPast ? { goOn: true, exit } : this.step(target, resume.cpu, asks)
      case 'continue':
        return wasPast ? this.throughPast(target, asks) : { goOn: true, exit }
    }
  }

  private found({ why, ...rest }: Found, cpu: number): Done {
    if ('stop' in rest) return { stop: rest.stop as DebugStop }
    return { stop: { why: why === 'there' ? 'step' : why === 'begin' ? 'begin' : 'interrupt', cpu } }
  }

  /** Up to the present, where the machine goes on. */
  private throughPast(target: MachineDebugger, asks: () => boolean): Done {
    const { machine, history } = this
    while (history?.inPast) {
      const exit = machine.run(machine.now() + SLICE, performance.now() + HOST_SLICE)
      const stop = target.takeStop()
      if (stop) return { stop }
      if (!history.inPast && exit && STANDS.includes(exit.reason))
        return { stop: { why: 'exit', cpu: target.current, reason: exit.reason } }
      if (asks()) return { stop: { why: 'interrupt', cpu: target.current } }
    }
    return { goOn: true }
  }

  /** One instruction of one CPU; the others have their turns as ever. */
  private step(target: MachineDebugger, cpu: number, asks: () => boolean): Done {
    const { machine } = this
    const limit = machine.now() + LONGEST_STEP
    const place = () => target.state(cpu).rip
    const from = place()
    if (target.step()) return this.stepped(target, limit, asks)
    while (machine.now() < limit) {
      const before = machine.instructions()
      // A CPU that waits has nothing to step until its next timer.
      const exit = machine.run(Math.max(machine.now() + 1, machine.idleUntil?.() ?? 0))
      if (exit) return { goOn: true, exit }
      const stop = target.takeStop()
      if (stop) return { stop }
      const executed = machine.instructions() > before && target.current === cpu
      if (executed || place() !== from) break
    }
    return { stop: { why: 'step', cpu } }
  }

  /** Where the engine makes the step; a CPU in HLT waits for what wakes it. */
  private stepped(target: MachineDebugger, limit: number, asks: () => boolean): Done {
    const { machine } = this
    while (machine.now() < limit) {
      const exit = machine.run(machine.now() + SLICE, performance.now() + HOST_SLICE)
      if (exit) return { goOn: true, exit }
      const stop = target.takeStop()
      if (stop) return { stop }
      if (asks()) break
    }
    target.step(false)
    return { stop: { why: 'interrupt', cpu: target.current } }
  }
}
