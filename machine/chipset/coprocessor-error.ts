/**
 * Numeric errors as on the AT, for CPUs whose CR0.NE is clear: the CPU's FERR# is IRQ 13, and a write to port F0h takes that
 * back and asserts IGNNE#, with which the CPU goes on over the pending error, until FERR# falls.
 *
 * Intel 82371SB (PIIX3) data sheet, coprocessor error register; Intel SDM vol. 1, appendix D.
 */
import type { Device, PortRange, StateTable } from '../device.js'
import { flag } from '../state/fields.js'

const STATE: StateTable = { ferr: flag, ignne: flag }

export class CoprocessorError implements Device {
  readonly name = 'coprocessor-error'
  readonly state = STATE
  readonly ports: readonly PortRange[] = [
    { name: 'coprocessor error', base: 0xf0, count: 1, read: () => 0xff, write: () => this.acknowledge() },
  ]
  private ferr = false
  private ignne = false

  constructor(
    private readonly irq13: (level: boolean) => void,
    private readonly setIgnne: (asserted: boolean) => void,
  ) {}

  /** FERR#. */
  readonly error = (level: boolean): void => {
    this.ferr = level
    if (!level) this.ignore(false)
    this.irq13(level)
  }

  private acknowledge(): void {
    this.irq13(false)
    if (this.ferr) this.ignore(true)
  }

  private ignore(asserted: boolean): void {
    this.ignne = asserted
    this.setIgnne(asserted)
  }

  reset(): void {
    this.error(false)
  }

  loaded(): void {
    this.setIgnne(this.ignne)
  }
}
