/**
 * Intel 82371SB (PIIX3), function 0: PCI-to-ISA bridge, PCI interrupt steering and the reset control register.
 * Datasheet: Intel 290550-002, section 2.2 (PCI to ISA bridge registers) and 2.5.6 (RC).
 *
 * Its ISA devices (8259A, 8237A, 8254, ELCR) are devices of their own. ISA bus timing, chip select and SMI registers
 * are storage only.
 */

import { type PciBus, PciFunction, type PciInterrupts } from '../bus/pci.js'
import type { PortBus } from '../bus/port-bus.js'
import type { Device, IrqLine, StateTable } from '../device.js'
import { list, starts, text, u8, u16 } from '../state/fields.js'
import { resetState } from '../state/state-table.js'
import type { IrqRouter } from './irq-router.js'
import { ISA_IRQS } from './irq-router.js'

/** PIRQ route control A to D: bit 7 disables, bits 3:0 the ISA IRQ. */
const PIRQRC = 0x60
const PIRQS = 4
/** Reset control port. */
const RC = 0xcf9
const RC_SRST = 0x02
const RC_RCPU = 0x04

export interface Piix3Options {
  pci: PciBus
  ports: PortBus
  interrupts: IrqRouter
  /** `hard` resets the whole machine, `soft` is INIT# to the CPU. Called from inside a port write. */
  reset: (kind: 'hard' | 'soft') => void
  /** PCI device number; default 1. */
  device?: number
}

const STATE: StateTable = { rc: starts(u8, 0), assertedPins: list(text(100), 0, 256), driven: u16 }

export class Piix3 implements Device, PciInterrupts {
  readonly name = 'PIIX3'
  readonly state = STATE
  readonly pci: PciFunction
  private readonly lines: IrqLine[] = []
  /** The INTx# pins by the names of their functions, and how many assert each PIRQ. */
  private readonly pins = new Map<string, { pirq: number; level: boolean }>()
  private readonly asserted = new Uint16Array(PIRQS)
  /** ISA IRQs that are driven now, a bit each. */
  private driven = 0
  private rc = 0

  constructor(private readonly options: Piix3Options) {
    const pci = new PciFunction({
      name: this.name,
      vendorId: 0x8086,
      deviceId: 0x7000,
      classCode: 0x060100,
      multiFunction: true,
      changed: (offset, size) => {
        // Reset and load, which touch everything, see to the lines themselves.
        if (size <= 4 && offset < PIRQRC + PIRQS && offset + size > PIRQRC) this.route()
      },
    })
    this.pci = pci
    pci.config[0x07] = 0x02 // DEVSEL# medium
    pci.config[0x4c] = 0x4d // IORT: ISA I/O recovery
    pci.config[0x4e] = 0x03 // XBCS: keyboard and RTC chip selects
    pci.config.fill(0x80, PIRQRC, PIRQRC + PIRQS)
    pci.config[0x69] = 0x02 // TOM: top of memory for ISA masters, 1 MiB
    pci.config[0x70] = 0x80 // MBIRQ0
    pci.config[0x76] = 0x0c // MBDMA0, MBDMA1
    pci.config[0x77] = 0x0c
    pci.config[0x78] = 0x02 // PCSC
    pci.config[0xa0] = 0x08 // SMICNTL
    pci.config[0xa8] = 0x0f // CTLTMR

    for (let irq = 0; irq < ISA_IRQS; irq++) this.lines.push(options.interrupts.source(irq, 'pirq'))
    options.pci.add(options.device ?? 1, 0, pci)
    options.pci.connectInterrupts(this)
    // RC lies inside CONFIG_ADDRESS: the host bridge takes doublewords only, bytes come through to ISA.
    options.ports.overlay(this.name, RC, {
      name: 'reset control',
      count: 1,
      read: () => this.rc,
      write: (_offset, value) => this.writeRc(value),
    })
  }

  /** A new source on INTA# to INTD# (`pin` 1 to 4) of PCI device `device`; sources are OR-ed, their names unique. */
  pirq(device: number, pin: number, name: string): IrqLine {
    // Pins are rotated from slot to slot so that devices with INTA# alone share evenly; slot 1 is straight.
    const source = { pirq: (pin - 1 + device - 1) & 3, level: false }
    if (this.pins.has(name)) throw new Error(`two PCI functions are named ${name}`)
    this.pins.set(name, source)
    return (level) => {
      if (source.level === level) return
      source.level = level
      if (level) this.asserted[source.pirq]++
      else this.asserted[source.pirq]--
      this.route()
    }
  }

  /** The ISA IRQ that PIRQA to PIRQD (0 to 3) is steered to; -1 when it is disabled. */
  routeOf(pirq: number): number {
    const route = this.pci.config[PIRQRC + pirq]
    return route < ISA_IRQS ? route : -1
  }

  reset(): void {
    resetState(this)
    this.pci.reset()
    this.route()
  }

  /** By name, for the state. Leaves the lines alone: the interrupt router restores its inputs itself. */
  get assertedPins(): string[] {
    return [...this.pins].filter(([, { level }]) => level).map(([name]) => name)
  }

  set assertedPins(names: string[]) {
    this.asserted.fill(0)
    for (const [name, source] of this.pins) {
      source.level = names.includes(name)
      if (source.level) this.asserted[source.pirq]++
    }
  }

  private route(): void {
    let wanted = 0
    for (let pirq = 0; pirq < PIRQS; pirq++) {
      const irq = this.pci.config[PIRQRC + pirq]
      if (this.asserted[pirq] > 0 && irq < ISA_IRQS) wanted |= 1 << irq
    }
    const changed = wanted ^ this.driven
    if (changed === 0) return
    this.driven = wanted
    for (let irq = 0; irq < ISA_IRQS; irq++) {
      if (changed & (1 << irq)) this.lines[irq]((wanted & (1 << irq)) !== 0)
    }
  }

  private writeRc(value: number): void {
    // On the chip the rising edge of RCPU resets; here, as on QEMU, the write does, since RCPU never reads back as set.
    this.rc = value & RC_SRST
    if (value & RC_RCPU) this.options.reset(value & RC_SRST ? 'hard' : 'soft')
  }
}
