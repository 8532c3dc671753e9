/**
 * Where a debugger holds a machine, in the machine's thread: between two slices the gate keeps the thread until the
 * debugger lets go, and guest time stands still meanwhile. Steps are made here as well.
 */
import { GdbSession, type Resume } from '../../machine/debug/gdb/session.js'
import type { MachineDebugger } from '../../machine/debug/machine-debugger.js'
import { monitor } from '../../machine/debug/monitor.js'
import type { Machine, MachineExit } from '../../machine/machine.js'

/** Host ms between two looks for what the debugger says while the machine stands. */
const LOOK = 1
/** A CPU whose turn does not come, or that waits in HLT, is not stepped for longer than this of guest time. */
const LONGEST_STEP = 10e9

export class DebugGate {
  private session: GdbSession | undefined
  /** The machine is to stop at the next chance. */
  private wanted = false
  /** It is not to go on before a debugger has let it. */
  private waits = false
  private readonly sleeper = new Int32Array(new SharedArrayBuffer(4))

  /** @param tell Sends bytes to the debugger. */
  constructor(
    private readonly machine: Machine,
    private readonly tell: (bytes: Uint8Array) => void,
  ) {}

  /** The machine is not to begin before a debugger lets it: QEMU's `-S`. */
  wait(): void {
    this.wanted = true
    this.waits = true
  }

  /** A debugger has come: the machine stops for it. */
  open(): void {
    const { machine } = this
    const target = machine.debugTarget
    if (!target) return
    this.session?.close()
    this.session = new GdbSession(target, this.tell, (line, cpu) =>
      monitor(
        {
          target,
          report: () => machine.report(),
          now: () => machine.now(),
          instructions: () => machine.instructions(),
        },
        line,
        cpu,
      ),
    )
    this.wanted = true
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
    const found = target?.takeStop()
    if (!target || (!found && !this.wanted)) return undefined
    this.wanted = false
    this.session?.stopped(found ?? { why: 'interrupt', cpu: target.current })
    while (!poll()) {
      // It stands already, for whoever comes now.
      this.wanted = false
      const resume = this.session?.takeResume()
      if (resume?.kind === 'step') {
        const exit = this.step(target, resume)
        if (exit) return exit
      } else if (resume || (!this.session && !this.waits)) {
        this.waits = false
        return undefined
      } else Atomics.wait(this.sleeper, 0, 0, LOOK)
    }
    return undefined
  }

  /** One instruction of one CPU; the others have their turns as ever. */
  private step(target: MachineDebugger, { cpu }: Extract<Resume, { kind: 'step' }>): MachineExit | undefined {
    const { machine } = this
    const limit = machine.now() + LONGEST_STEP
    const place = () => target.state(cpu).rip
    const from = place()
    while (machine.now() < limit) {
      const before = machine.instructions()
      const exit = machine.run(machine.now() + 1)
      if (exit) return exit
      const found = target.takeStop()
      if (found) {
        this.session?.stopped(found)
        return undefined
      }
      const executed = machine.instructions() > before && target.current === cpu
      if (executed || place() !== from) break
    }
    this.session?.stopped({ why: 'step', cpu })
    return undefined
  }
}
