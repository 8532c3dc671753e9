/**
 * Whether a guest is stuck for good: in a loop that changes nothing, in HLT, or in a fault that its handler does not mend,
 * and no interrupt can come. Who asks says first that it suspects so, lets it run on, and asks for the answer then.
 */
import type { Engine, Fault } from './cpu/engine.js'

/** Exceptions in a row that are one and the same. */
const SAME_FAULTS = 8
const MOST_LOOKS = 1000

export class StuckGuest {
  /** Accesses to ports and devices' memory when it was suspected; and whether there were any before that. */
  private accesses = 0
  private hasWorked = false
  private instructions = 0
  /** Registers at looks at a CPU that takes one exception over and over. */
  private readonly looked = new Set<string>()
  private cameBack = false

  /** @param silence Why no device's interrupt can reach a CPU any more; undefined where one can. */
  constructor(
    private readonly cpu: Engine,
    private readonly silence: () => string | undefined,
  ) {}

  /** @param accesses Of the CPUs up to now. */
  suspect(accesses: number): void {
    this.hasWorked = accesses !== this.accesses
    this.accesses = accesses
    this.instructions = this.cpu.instructions()
    this.cpu.askForLoop?.()
  }

  /** What it is stuck in, in words. */
  why(accesses: number): string | undefined {
    const { cpu } = this
    // Who polls for frames goes round a loop, too, and asks its card for the next one when one has come.
    const isAtWork = this.hasWorked || accesses !== this.accesses
    if (isAtWork) return this.forget()
    const loop = cpu.foundLoop?.()
    const fault = this.sameFault(loop !== undefined)
    if (fault) return fault
    const waits = !loop && this.haltsAll()
    if (!loop && !waits) return undefined
    if (!loop?.takesInterrupts && !cpu.interruptsEnabled())
      return loop ? 'its CPU goes round a loop that nothing can end, with interrupts disabled' : undefined
    const silence = this.silence()
    if (!silence) return undefined
    return `its CPU ${waits ? 'waits in HLT' : 'goes round a loop'} for an interrupt that cannot come: ${silence}`
  }

  /** It went on, or the machine is at another moment. */
  forget(): undefined {
    this.looked.clear()
    this.cameBack = false
  }

  /**
   * One instruction has faulted in the same way every time since it was suspected, and the CPU came back to the very
   * registers that it had at an earlier look: who counts, or goes on to another instruction, has others.
   *
   * @param loops A pass from fault to fault leaves all memory as it was, too.
   */
  private sameFault(loops: boolean): string | undefined {
    const { cpu } = this
    const faults = cpu.lastFaults()
    const [first] = faults
    const isSame = ({ vector, errorCode, cs, ip, cr2, instructions }: Fault) =>
      instructions > this.instructions &&
      vector === first.vector &&
      errorCode === first.errorCode &&
      cs === first.cs &&
      ip === first.ip &&
      cr2 === first.cr2
    if (cpu.cpus > 1 || faults.length < SAME_FAULTS || !faults.every(isSame)) return this.forget()
    const { gpr, rip, rflags } = cpu.getState(0)
    const now = [...gpr, rip, rflags].join()
    this.cameBack ||= loops || this.looked.has(now)
    if (this.looked.size < MOST_LOOKS) this.looked.add(now)
    if (!this.cameBack) return undefined
    const where = `exception ${first.vector}${first.cr2 ? `, CR2 ${first.cr2},` : ''} at ${first.cs.toString(16)}:${first.ip}`
    return `its CPU takes the same exception over and over: ${where}, to which the handler goes back`
  }

  /** No CPU has executed anything since it was suspected. */
  private haltsAll(): boolean {
    const { cpu } = this
    if (cpu.kind !== 'soft' || cpu.instructions() !== this.instructions) return false
    return Array.from({ length: cpu.cpus }, (_, i) => cpu.getState(i).halted).every(Boolean)
  }
}
