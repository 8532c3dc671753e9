/**
 * The SMBus host controller of the PIIX4 with nothing on its bus: every transaction ends in a device error.
 * Datasheet: Intel 290562-001 (82371AB), section 7.2 (SMBus I/O registers).
 */

import type { PortWindow } from '../bus/port-bus.js'
import type { AccessSize, StateTable } from '../device.js'
import { bytes, flag, starts, u8 } from '../state/fields.js'
import { resetState } from '../state/state-table.js'

const SMBHSTSTS = 0x0
const SMBHSTCNT = 0x2
const SMBBLKDAT = 0x7

const STS_HOST_BUSY = 0x01
const STS_DEV_ERR = 0x04
const STS_FAILED = 0x10
/** INTER, DEV_ERR, BUS_ERR, FAILED: cleared by writing ones; each raises the interrupt. */
const STS_EVENTS = 0x1e

const CNT_INTEREN = 0x01
const CNT_KILL = 0x02
const CNT_START = 0x40

const STATE: StateTable = {
  status: starts(u8, 0),
  control: starts(u8, 0),
  pending: starts(flag, false),
  registers: starts(bytes(16), 0),
}

export class SmbusHost implements PortWindow {
  readonly name = 'SMBus host'
  readonly state = STATE
  readonly count = 16
  private status = 0
  private control = 0
  /** A transaction was started and ends when the status has been read as busy once. */
  private pending = false
  /** Command, address, data and the slave registers: storage. */
  private readonly registers = new Uint8Array(16)

  /** `onInterrupt` is called when `interrupt` may have changed. */
  constructor(private readonly onInterrupt: () => void) {}

  /** The level of its interrupt output. */
  get interrupt(): boolean {
    return (this.control & CNT_INTEREN) !== 0 && (this.status & STS_EVENTS) !== 0
  }

  read(offset: number, _size: AccessSize): number {
    if (offset === SMBHSTCNT) return this.control
    if (offset !== SMBHSTSTS) return this.registers[offset]
    const status = this.status
    if (this.pending) this.finish()
    return status
  }

  write(offset: number, value: number, _size: AccessSize): void {
    if (offset === SMBHSTSTS) {
      this.status &= ~(value & STS_EVENTS)
      this.onInterrupt()
    } else if (offset === SMBHSTCNT) this.writeControl(value)
    else if (offset !== SMBBLKDAT) this.registers[offset] = value
  }

  reset(): void {
    resetState(this)
  }

  private writeControl(value: number): void {
    this.control = value & ~CNT_START
    if (value & CNT_KILL) {
      this.pending = false
      this.status = (this.status & ~STS_HOST_BUSY) | STS_FAILED
    } else if (value & CNT_START) {
      // Firmware waits to see the busy bit before it waits for the end; who asked for an interrupt reads nothing first.
      this.status |= STS_HOST_BUSY
      if (value & CNT_INTEREN) this.finish()
      else this.pending = true
    }
    this.onInterrupt()
  }

  private finish(): void {
    this.pending = false
    this.status = (this.status & ~STS_HOST_BUSY) | STS_DEV_ERR
    this.onInterrupt()
  }
}
