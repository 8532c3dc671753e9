/**
 * Intel 82371AB (PIIX4), function 3: ACPI power management, APM ports and the SMBus host.
 * Datasheet: Intel 290562-001, chapter 7; ACPI 1.0b, 4.7 for the fixed hardware. The general purpose event block at
 * AFE0h and the values of SLP_TYP (S5 0, S3 1, S4 2) are QEMU's, whose ACPI tables name them.
 *
 * Not there: device monitors and traps, throttling, clock control. Their registers are storage.
 */

import { type PciBus, PciFunction } from '../bus/pci.js'
import type { PortBus, PortMapping, PortWindow } from '../bus/port-bus.js'
import type { Clock, Timer } from '../clock.js'
import type { AccessSize, AcpiDevice, Device, IrqLine, PortRange, StateTable, Warn } from '../device.js'
import { PRESENT_HIDDEN } from '../firmware/tables/acpi-device.js'
import * as aml from '../firmware/tables/aml.js'
import { bytes, count, starts, timer, u8, u16 } from '../state/fields.js'
import { part, resetState } from '../state/state-table.js'
import { SmbusHost } from './smbus-host.js'

// Configuration space
const PMBASE = 0x40
const DEVACTB = 0x58
/** DEVACTB bit 25, in its last byte: a write to APMC raises SMI#. */
const APMC_EN = 0x02
const PMREGMISC = 0x80
const SMBBASE = 0x90
const SMBHSTCFG = 0xd2
const SMB_HST_EN = 0x01
const SMB_INTRSEL = 0x0e
const SMB_INTRSEL_IRQ9 = 0x08

// I/O registers from PMBASE on
const PM_PORTS = 64
const PMSTS = 0x00
const PMEN = 0x02
const PMCNTRL = 0x04
const PMTMR = 0x08
const FIRST_STORED = 0x0c

// PMSTS and PMEN
export const TMR_STS = 0x0001
export const GBL_STS = 0x0020
export const PWRBTN_STS = 0x0100
export const RTC_STS = 0x0400
export const WAK_STS = 0x8000
const TMR_EN = TMR_STS
const SCI_EVENTS = TMR_STS | GBL_STS | PWRBTN_STS | RTC_STS

// PMCNTRL
export const SCI_EN = 0x0001
const SLP_TYP_SHIFT = 10
const SLP_EN = 0x2000
const SLP_S5 = 0
const SLP_S3 = 1
const SLP_S4 = 2

const GPE0_BASE = 0xafe0
/** Bytes of status, and as many of enables after them. */
const GPE0_HALF = 2
const APMC = 0xb2
const ACPI_ENABLE = 0xf1
const ACPI_DISABLE = 0xf0

export const PM_TIMER_HZ = 3_579_545
const TIMER_MASK = 0xff_ffff
/** TMR_STS is set whenever bit 23 of the timer changes. */
const HALF_PERIOD = 0x80_0000
const NS = 1e9

export interface Piix4PmOptions {
  pci: PciBus
  ports: PortBus
  clock: Clock
  /** IRQ 9, a shared source of it. */
  sci: IrqLine
  /** Raises SMI#. Without it there is no SMM, and firmware is told that it has been set up already. */
  smi?: () => void
  /** The guest turned the machine off (S5, or S4 after it has saved itself). Called from inside a port write. */
  powerOff: () => void
  /** The guest went to S3; the board resumes by a reset and `wake()`. Without it S3 is refused with a warning. */
  suspend?: () => void
  /** Legacy devices that firmware-less guests look up in the DEVRES registers. */
  present?: { parallel?: boolean; serial1?: boolean; serial2?: boolean }
  warn?: Warn
  /** PCI device number; default 1. */
  device?: number
}

/** Ticks of the power management timer, unmasked, after `ns` of guest time. */
function ticksAt(ns: number): number {
  return Math.floor((ns * PM_TIMER_HZ) / NS)
}

/** The first nanosecond at which the timer has counted `ticks`. */
function nsOf(ticks: number): number {
  let ns = Math.floor((ticks * NS) / PM_TIMER_HZ)
  while (ticksAt(ns) < ticks) ns++
  return ns
}

const STATE: StateTable = {
  ...{ status: starts(u16, 0), enable: starts(u16, 0), control: starts(u16, 0), overflow: count },
  ...{ apmc: starts(u8, 0), apms: starts(u8, 0), gpe: starts(bytes(2 * GPE0_HALF), 0) },
  stored: starts(bytes(PM_PORTS), 0),
  smbus: part(),
  timer,
}

export class Piix4Pm implements Device {
  readonly name = 'PIIX4_PM'
  readonly state = STATE
  readonly pci: PciFunction
  readonly ports: readonly PortRange[]
  private readonly options: Piix4PmOptions
  private readonly timer: Timer
  private readonly smbus = new SmbusHost(() => this.updateSci())
  private readonly window: PortWindow
  private pmMapping: PortMapping | undefined
  private smbusMapping: PortMapping | undefined

  private status = 0
  private enable = 0
  private control = 0
  /** Ticks at which TMR_STS sets next. */
  private overflow = HALF_PERIOD
  private readonly gpe = new Uint8Array(2 * GPE0_HALF)
  private apmc = 0
  private apms = 0
  private readonly stored = new Uint8Array(PM_PORTS)

  constructor(options: Piix4PmOptions) {
    this.options = options
    this.timer = options.clock.timer('acpi-pm', () => this.updateSci())
    const pci = new PciFunction({
      name: this.name,
      vendorId: 0x8086,
      deviceId: 0x7113,
      revision: 3,
      classCode: 0x068000,
      interruptPin: 1,
      changed: (offset, size) => this.changed(offset, size),
    })
    this.pci = pci
    const { parallel, serial1, serial2 } = options.present ?? {}
    pci.config[0x06] = 0x80 // fast back-to-back
    pci.config[0x07] = 0x02 // DEVSEL# medium
    pci.config[PMBASE] = 0x01 // I/O space
    pci.config[DEVACTB + 3] = options.smi ? 0 : APMC_EN
    pci.config[0x5f] = 0x10 | (parallel ? 0x80 : 0) // DEVRESA to DEVRESG: what is there to be decoded
    pci.config[0x63] = 0x60
    pci.config[0x67] = (serial1 ? 0x08 : 0) | (serial2 ? 0x90 : 0)
    pci.set32(SMBBASE, 0xb101)
    pci.config[SMBHSTCFG] = SMB_HST_EN | SMB_INTRSEL_IRQ9

    this.window = {
      name: 'ACPI power management',
      count: PM_PORTS,
      width: 4,
      read: (offset, size) => this.readPm(offset, size),
      write: (offset, value, size) => this.writePm(offset, value, size),
    }
    this.ports = [
      {
        name: 'ACPI GPE0',
        base: GPE0_BASE,
        count: 2 * GPE0_HALF,
        read: (offset) => this.gpe[offset],
        write: (offset, value) => this.writeGpe(offset, value),
      },
      {
        name: 'APM',
        base: APMC,
        count: 2,
        read: (offset) => (offset === 0 ? this.apmc : this.apms),
        write: (offset, value) => this.writeApm(offset, value),
      },
    ]
    options.pci.add(options.device ?? 1, 3, pci)
    this.changed(0, 256)
  }

  /** Somebody presses the power button for a moment. */
  powerButton(): void {
    this.status |= PWRBTN_STS
    this.updateSci()
  }

  /** The real-time clock's alarm goes off. */
  rtcAlarm(): void {
    this.status |= RTC_STS
    this.updateSci()
  }

  /** General purpose event `n` (0 to 15) happens. */
  raiseGpe(n: number): void {
    this.gpe[n >> 3] |= 1 << (n & 7)
    this.updateSci()
  }

  /** In S3 the real-time clock's alarm is to wake the machine. */
  get alarmWakes(): boolean {
    return (this.enable & RTC_STS) !== 0
  }

  /** The machine comes out of S3, because of `event`: RTC_STS or PWRBTN_STS. */
  wake(event: number): void {
    this.status |= WAK_STS | event
    this.updateSci()
  }

  /** The guest has switched from legacy (SMI) to ACPI mode. */
  get acpiMode(): boolean {
    return (this.control & SCI_EN) !== 0
  }

  reset(): void {
    resetState(this)
    this.smbus.reset()
    this.scheduleOverflow()
    this.pci.reset()
    this.updateSci()
  }

  /** I/O port of its registers; undefined where they are nowhere. */
  get base(): number | undefined {
    return this.pmMapping?.base
  }

  private changed(offset: number, size: number): void {
    const end = offset + size
    if ((offset < PMBASE + 4 && end > PMBASE) || (offset <= PMREGMISC && end > PMREGMISC)) {
      const base = this.pci.config[PMREGMISC] & 1 ? this.pci.get16(PMBASE) & 0xffc0 : 0
      this.pmMapping = this.move(this.pmMapping, base, this.window)
    }
    if ((offset < SMBBASE + 4 && end > SMBBASE) || (offset <= SMBHSTCFG && end > SMBHSTCFG)) {
      const base = this.pci.config[SMBHSTCFG] & SMB_HST_EN ? this.pci.get16(SMBBASE) & 0xfff0 : 0
      this.smbusMapping = this.move(this.smbusMapping, base, this.smbus)
    }
  }

  /** Base 0 is "nowhere". */
  private move(mapping: PortMapping | undefined, base: number, window: PortWindow): PortMapping | undefined {
    if ((mapping?.base ?? 0) === base) return mapping
    if (mapping) this.options.ports.unmap(mapping)
    return base === 0 ? undefined : this.options.ports.overlay(this.name, base, window)
  }

  private readPm(offset: number, size: AccessSize): number {
    if (offset === PMTMR && size === 4) return ticksAt(this.options.clock.now()) & TIMER_MASK
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.readPmByte(offset + i)
    return value
  }

  private readPmByte(offset: number): number {
    const shift = (offset & 1) * 8
    switch (offset & ~1) {
      case PMSTS:
        this.latchOverflow()
        return (this.status >> shift) & 0xff
      case PMEN:
        return (this.enable >> shift) & 0xff
      case PMCNTRL:
        return (this.control >> shift) & 0xff
      case PMTMR:
      case PMTMR + 2:
        return ((ticksAt(this.options.clock.now()) & TIMER_MASK) >>> ((offset & 3) * 8)) & 0xff
      default:
        return this.stored[offset]
    }
  }

  private writePm(offset: number, value: number, size: AccessSize): void {
    for (let i = 0; i < size; i++) this.writePmByte(offset + i, (value >>> (8 * i)) & 0xff)
    this.updateSci()
  }

  private writePmByte(offset: number, value: number): void {
    const shift = (offset & 1) * 8
    const kept = 0xff00 >> shift
    switch (offset & ~1) {
      case PMSTS:
        this.latchOverflow()
        if (this.status & (value << shift) & TMR_STS) this.scheduleOverflow()
        this.status &= ~(value << shift)
        break
      case PMEN:
        this.enable = (this.enable & kept) | (value << shift)
        break
      case PMCNTRL:
        this.control = ((this.control & kept) | (value << shift)) & ~SLP_EN
        // SLP_TYP and SLP_EN share the upper byte.
        if ((value << shift) & SLP_EN) this.sleep((this.control >> SLP_TYP_SHIFT) & 7)
        break
      default:
        if (offset >= FIRST_STORED) this.stored[offset] = value
    }
  }

  private sleep(type: number): void {
    const { warn, suspend, powerOff } = this.options
    // A guest in S4 has saved itself to a disk: to the hardware that is S5.
    if (type === SLP_S5 || type === SLP_S4) powerOff()
    else if (type === SLP_S3 && suspend) suspend()
    else warn?.(type === SLP_S3 ? 'ACPI S3 is not supported' : `ACPI sleep type ${type} is not supported`)
  }

  private writeGpe(offset: number, value: number): void {
    if (offset < GPE0_HALF) this.gpe[offset] &= ~value
    else this.gpe[offset] = value
    this.updateSci()
  }

  private writeApm(offset: number, value: number): void {
    if (offset === 1) {
      this.apms = value
      return
    }
    this.apmc = value
    // The board does the mode switch itself, where a PC's firmware would do it in its SMI handler.
    if (value === ACPI_ENABLE) this.control |= SCI_EN
    else if (value === ACPI_DISABLE) this.control &= ~SCI_EN
    else if (this.pci.config[DEVACTB + 3] & APMC_EN) this.options.smi?.()
  }

  private latchOverflow(): void {
    if ((this.status & TMR_STS) === 0 && ticksAt(this.options.clock.now()) >= this.overflow) this.status |= TMR_STS
  }

  private scheduleOverflow(): void {
    this.overflow = (Math.floor(ticksAt(this.options.clock.now()) / HALF_PERIOD) + 1) * HALF_PERIOD
  }

  /** Only a guest that wants the interrupt costs a timer. */
  private armTimer(): void {
    if (this.enable & TMR_EN && !(this.status & TMR_STS)) {
      const deadline = nsOf(this.overflow)
      if (this.timer.deadline !== deadline) this.timer.at(deadline)
    } else this.timer.cancel()
  }

  private updateSci(): void {
    this.latchOverflow()
    // As on QEMU, SCI_EN does not matter: hobby systems enable events without ever leaving legacy mode.
    const fixed = (this.status & this.enable & SCI_EVENTS) !== 0
    const general = (this.gpe[0] & this.gpe[GPE0_HALF]) !== 0 || (this.gpe[1] & this.gpe[GPE0_HALF + 1]) !== 0
    const routed = (this.pci.config[SMBHSTCFG] & SMB_INTRSEL) === SMB_INTRSEL_IRQ9
    this.options.sci(fixed || general || (routed && this.smbus.interrupt))
    this.armTimer()
  }

  acpi(): readonly AcpiDevice[] {
    return [
      {
        scope: 'pci',
        aml: aml.device(
          'GPE0',
          aml.named('_HID', aml.eisaId('PNP0C02')),
          aml.named('_UID', aml.string('GPE0 resources')),
          aml.named('_STA', aml.integer(PRESENT_HIDDEN)),
          aml.named('_CRS', aml.resources(aml.io(GPE0_BASE, 2 * GPE0_HALF))),
        ),
      },
    ]
  }
}
