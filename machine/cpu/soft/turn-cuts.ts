/** The cut of a CPU's turn where a machine is explored (`machine/exploration.ts`); the plain run has none. */
import type { Exploration } from '../../exploration.js'

export class TurnCuts {
  private cut: { at: number; cpu: number } | undefined

  /** @param instruction What one takes, ns. */
  constructor(
    private readonly exploration: Exploration,
    private readonly cpus: number,
    private readonly instruction: number,
  ) {}

  /** A turn begins that is to end at `end`. Returns where it ends before that, if it does; times are guest time in ns. */
  begin(now: number, end: number): number | undefined {
    this.cut = this.exploration.cut(now, end, this.cpus, this.instruction)
    return this.cut?.at
  }

  /** The CPU that is to have the next turn, where the last one was cut and has come to that end. @param isOver It ended by itself. */
  next(now: number, isOver: boolean): number | undefined {
    const { cut } = this
    if (cut && now < cut.at && !isOver) return undefined
    this.cut = undefined
    if (!cut || isOver) return undefined
    this.exploration.note(cut)
    return cut.cpu
  }

  /** Time has gone back. */
  forget(): void {
    this.cut = undefined
  }
}
