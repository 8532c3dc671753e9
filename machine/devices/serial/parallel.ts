/**
 * Parallel port in the standard (SPP, compatibility) mode, with a printer that is always ready.
 * Specification: IEEE 1284-1994, section 6 "Compatibility Mode"; IBM PS/2 Technical Reference, "Parallel Port".
 * A byte is printed when STROBE goes active; the printer acknowledges it once STROBE is gone and the guest looks at the
 * status (as QEMU's `isa-parallel`), so it needs no clock.
 */

import type { AcpiDevice, Device, IrqLine, PortRange, StateTable } from '../../device.js'
import { isaDevice } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { flag, starts, u8 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import { integerOption, portOption } from '../device-option.js'
import { type CharBackend, deviceType } from '../device-type.js'

// Registers.
const DATA = 0
const STATUS = 1
const CONTROL = 2

// Status; BUSY and ACK are active when they read 0.
const STS_NOT_BUSY = 0x80
const STS_NOT_ACK = 0x40
const STS_SELECTED = 0x10
const STS_NO_ERROR = 0x08
const STS_READY = STS_NOT_BUSY | STS_NOT_ACK | STS_SELECTED | STS_NO_ERROR

// Control.
const CTR_STROBE = 0x01
const CTR_INIT = 0x04
const CTR_SELECT = 0x08
const CTR_IRQ_ENABLE = 0x10
const CTR_INPUT = 0x20
const CTR_ONES = 0xc0
const CTR_RESET = CTR_ONES | CTR_SELECT | CTR_INIT

export interface ParallelPortOptions {
  /** `LPT1`; unique in a machine. */
  name?: string
  /** First of three ports; default 0x378. */
  base?: number
  irq: IrqLine
  /** Called with every byte that the guest prints. */
  output: (byte: number) => void
}

const STATE: StateTable = {
  data: starts(u8, 0xff),
  status: starts(u8, STS_READY),
  control: starts(u8, CTR_RESET),
  irqPending: starts(flag, false),
}

export class ParallelPort implements Device {
  readonly name: string
  readonly state = STATE
  readonly ports: readonly PortRange[]

  private data = 0xff
  private status = STS_READY
  private control = CTR_RESET
  private irqPending = false

  constructor(private readonly options: ParallelPortOptions) {
    this.name = options.name ?? 'LPT1'
    this.ports = [
      {
        name: this.name,
        base: options.base ?? 0x378,
        count: 3,
        width: 1,
        read: (offset) => this.read(offset),
        write: (offset, value) => this.write(offset, value & 0xff),
      },
    ]
  }

  private read(offset: number): number {
    switch (offset) {
      case DATA:
        // With the drivers off the pull-ups win.
        return this.control & CTR_INPUT ? 0xff : this.data
      case STATUS:
        return this.readStatus()
      case CONTROL:
        return this.control
      default:
        return 0xff
    }
  }

  private readStatus(): number {
    const status = this.status
    this.irqPending = false
    // First look after the strobe: busy; second: ACK pulses low; then ready again.
    if ((status & STS_NOT_BUSY) === 0 && (this.control & CTR_STROBE) === 0) {
      if (status & STS_NOT_ACK) this.status &= ~STS_NOT_ACK
      else this.status |= STS_NOT_ACK | STS_NOT_BUSY
    }
    this.updateIrq()
    return status
  }

  private write(offset: number, value: number): void {
    if (offset === DATA) {
      this.data = value
    } else if (offset === CONTROL) {
      const before = this.control
      this.control = value | CTR_ONES
      if ((value & CTR_INIT) === 0) {
        this.status = STS_READY
      } else if (value & CTR_SELECT) {
        if (value & CTR_STROBE) {
          this.status &= ~STS_NOT_BUSY
          if ((before & CTR_STROBE) === 0) this.options.output(this.data)
        } else if (value & CTR_IRQ_ENABLE && (this.status & STS_NOT_BUSY) === 0) {
          this.irqPending = true
        }
      }
      if ((value & CTR_IRQ_ENABLE) === 0) this.irqPending = false
      this.updateIrq()
    }
  }

  private updateIrq(): void {
    this.options.irq(this.irqPending)
  }

  reset(): void {
    resetState(this)
    this.updateIrq()
  }

  acpi(): readonly AcpiDevice[] {
    const { base } = this.ports[0]
    return base === 0x378 ? [isaDevice('LPT1', 'PNP0400', [aml.io(base, 8), aml.irqNoFlags(7)], 1)] : []
  }

  loaded(): void {
    this.updateIrq()
  }
}

export const isaParallel = deviceType({
  type: 'isa-parallel',
  title: 'parallel port with a printer that is always ready',
  category: 'Serial',
  bus: 'isa',
  options: () => ({
    iobase: portOption().default(0x378).describe('first port'),
    irq: integerOption(0, 15).default(7).describe('ISA interrupt'),
  }),
  legacyPorts: [{ name: 'LPT1', base: 0x378, count: 8 }],
  create(slot, { iobase, irq }) {
    const backend = slot.backend<CharBackend>('char')
    return new ParallelPort({
      name: slot.name,
      base: iobase,
      irq: slot.irq('irq', irq),
      output: (byte) => backend?.send(byte),
    })
  },
})
