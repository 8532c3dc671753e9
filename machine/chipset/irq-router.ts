/**
 * Global system interrupts: 0 to 15 are the ISA IRQs, which reach both the 8259A pair and the I/O APIC, and 16 to 23
 * the I/O APIC alone. IRQ 0 arrives at I/O APIC pin 2 (the interrupt source override in the MADT), where the 8259A has
 * its cascade. Several sources may share an interrupt: its level is the OR of theirs.
 */
import type { Device, IrqLine, StateTable } from '../device.js'
import { list, text } from '../state/fields.js'

export const ISA_IRQS = 16
export const GSIS = 24

export interface IrqRouterOptions {
  /** Input `irq` (0 to 15) of the 8259A pair. */
  pic?: (irq: number, level: boolean) => void
  /** Input `pin` (0 to 23) of the I/O APIC. */
  ioapic?: (pin: number, level: boolean) => void
}

const STATE: StateTable = { assertedSources: list(list(text(100), 0, 64), GSIS) }

/**
 * A snapshot restores the sources' levels without driving the outputs: the interrupt controllers restore their own
 * inputs. Load it after the devices and before the interrupt controllers.
 */
export class IrqRouter implements Device {
  readonly name = 'irq-router'
  readonly state = STATE
  pic: ((irq: number, level: boolean) => void) | undefined
  ioapic: ((pin: number, level: boolean) => void) | undefined
  /** Levels of the sources of each interrupt, by name. */
  private readonly levels: Map<string, boolean>[] = Array.from({ length: GSIS }, () => new Map())
  private readonly asserted = new Uint16Array(GSIS)

  /** Told of each change of a source's level. */
  onLine: ((n: number, source: string, level: boolean) => void) | undefined

  constructor(options: IrqRouterOptions = {}) {
    this.pic = options.pic
    this.ioapic = options.ioapic
  }

  /** A new source of global system interrupt `n` (0 to 23), OR-ed with the others; its name is unique among them. */
  source(n: number, name: string): IrqLine {
    if (!(n >= 0 && n < GSIS)) throw new Error(`${name}: there is no interrupt ${n}`)
    const levels = this.levels[n]
    if (levels.has(name)) throw new Error(`two sources of interrupt ${n} are named ${name}`)
    levels.set(name, false)
    return (level) => {
      if (levels.get(name) === level) return
      levels.set(name, level)
      this.onLine?.(n, name, level)
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

  /** By name, for each interrupt: one that is plugged in anew has its level low. */
  get assertedSources(): string[][] {
    return this.levels.map((sources) => [...sources].filter(([, level]) => level).map(([name]) => name))
  }

  set assertedSources(names: string[][]) {
    for (const [n, sources] of this.levels.entries()) {
      for (const name of sources.keys()) sources.set(name, names[n].includes(name))
      this.asserted[n] = [...sources.values()].filter(Boolean).length
    }
  }

  private drive(n: number, level: boolean): void {
    if (n < ISA_IRQS) this.pic?.(n, level)
    if (n === 0) this.ioapic?.(2, level)
    else if (n !== 2) this.ioapic?.(n, level)
  }
}
