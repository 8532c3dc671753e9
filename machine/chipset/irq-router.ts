/**
 * Global system interrupts: 0 to 15 are the ISA IRQs, which reach both the 8259A pair and the I/O APIC, and 16 to 23
 * the I/O APIC alone. IRQ 0 arrives at I/O APIC pin 2 (the interrupt source override in the MADT), where the 8259A has
 * its cascade. Several sources may share an interrupt: its level is the OR of theirs.
 */
import type { Device, IrqLine, State } from '../device.js'

export const ISA_IRQS = 16
export const GSIS = 24

export interface IrqRouterOptions {
  /** Input `irq` (0 to 15) of the 8259A pair. */
  pic?: (irq: number, level: boolean) => void
  /** Input `pin` (0 to 23) of the I/O APIC. */
  ioapic?: (pin: number, level: boolean) => void
}

/**
 * A snapshot restores the sources' levels without driving the outputs: the interrupt controllers restore their own
 * inputs. Load it after the devices and before the interrupt controllers.
 */
export class IrqRouter implements Device {
  readonly name = 'irq-router'
  pic: ((irq: number, level: boolean) => void) | undefined
  ioapic: ((pin: number, level: boolean) => void) | undefined
  /** Levels of the sources of each interrupt, in the order they were made. */
  private readonly levels: boolean[][] = Array.from({ length: GSIS }, () => [])
  private readonly asserted = new Uint16Array(GSIS)
  private readonly shared: (IrqLine | undefined)[] = new Array(GSIS).fill(undefined)

  constructor(options: IrqRouterOptions = {}) {
    this.pic = options.pic
    this.ioapic = options.ioapic
  }

  /** The line of ISA IRQ `n`, for the one device that owns it; the same line each time. */
  isa(n: number): IrqLine {
    if (n < 0 || n >= ISA_IRQS) throw new Error(`there is no ISA IRQ ${n}`)
    return this.gsi(n)
  }

  /** The line of global system interrupt `n` (0 to 23); the same line each time. */
  gsi(n: number): IrqLine {
    this.shared[n] ??= this.source(n)
    return this.shared[n]
  }

  /** A new source of global system interrupt `n`, OR-ed with the others. */
  source(n: number): IrqLine {
    if (!(n >= 0 && n < GSIS)) throw new Error(`there is no interrupt ${n}`)
    const levels = this.levels[n]
    const index = levels.length
    levels.push(false)
    return (level) => {
      if (levels[index] === level) return
      levels[index] = level
      if (level) {
        if (this.asserted[n]++ === 0) this.drive(n, true)
      } else if (--this.asserted[n] === 0) this.drive(n, false)
    }
  }

  /** The level of interrupt `n`. */
  level(n: number): boolean {
    return this.asserted[n] > 0
  }

  /** The sources keep their levels: each device lowers its own lines when it is reset. */
  reset(): void {}

  save(): State {
    return { levels: this.levels.map((sources) => [...sources]) }
  }

  load(state: State): void {
    const saved = state.levels as boolean[][]
    for (let n = 0; n < GSIS; n++) {
      const sources = this.levels[n]
      for (let i = 0; i < sources.length; i++) sources[i] = saved[n]?.[i] ?? false
      this.asserted[n] = sources.filter(Boolean).length
    }
  }

  private drive(n: number, level: boolean): void {
    if (n < ISA_IRQS) this.pic?.(n, level)
    if (n === 0) this.ioapic?.(2, level)
    else if (n !== 2) this.ioapic?.(n, level)
  }
}
