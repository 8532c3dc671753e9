/**
 * 16550A UART, a PC's serial port (8 I/O ports).
 * Specification: National Semiconductor PC16550D data sheet, section 8 "Registers". What the data sheet leaves open
 * follows QEMU's `isa-serial`: the interrupt is not gated by OUT2, writing 1 to IER's THRE bit raises the interrupt
 * again, and the loopback shows modem control in MSR without deltas.
 *
 * Timing. A transmitted byte is handed out at the write. The transmitter reads empty again at the guest's next look
 * at LSR, as under QEMU, so a polling guest never spins; a guest that waits for the interrupt gets it `TRANSMIT_NS`
 * later, not within its write. A received byte takes a character time at the programmed rate, and the next waits
 * until FIFO or buffer has room: a guest that is slow loses nothing, and there are no overruns but in loopback.
 * The file is longer than others, because transmitter, receiver and interrupts share its few registers.
 */

import type { Clock, Timer } from '../../clock.js'
import type { AcpiDevice, Device, IrqLine, PortRange, StateTable, Warn } from '../../device.js'
import { isaDevice } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { bytes, flag, starts, timer, u8, u16 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import { integerOption, portOption } from '../device-option.js'
import { type CharBackend, deviceType } from '../device-type.js'

// Registers by offset; DLL and DLM stand in for 0 and 1 while LCR.DLAB is set.
const RBR_THR_DLL = 0
const IER_DLM = 1
const IIR_FCR = 2
const LCR = 3
const MCR = 4
const LSR = 5
const MSR = 6
const SCR = 7

const IER_ERBFI = 0x01
const IER_ETBEI = 0x02
const IER_ELSI = 0x04
const IER_EDSSI = 0x08

const IIR_NONE = 0x01
const IIR_MODEM_STATUS = 0x00
const IIR_THRE = 0x02
const IIR_DATA = 0x04
const IIR_LINE_STATUS = 0x06
const IIR_TIME_OUT = 0x0c
const IIR_FIFO = 0xc0

const FCR_ENABLE = 0x01
const FCR_CLEAR_RX = 0x02
const FCR_CLEAR_TX = 0x04
const FCR_STORED = 0xc9

const LCR_STOP = 0x04
const LCR_PARITY = 0x08
const LCR_DLAB = 0x80

const MCR_DTR = 0x01
const MCR_RTS = 0x02
const MCR_OUT2 = 0x08
const MCR_LOOP = 0x10
const MCR_MASK = 0x1f

const LSR_DR = 0x01
const LSR_OE = 0x02
const LSR_BI = 0x10
const LSR_ERRORS = 0x1e
const LSR_THRE = 0x20
const LSR_TEMT = 0x40

const MSR_DELTAS = 0x0f
const MSR_CTS = 0x10
const MSR_DSR = 0x20
const MSR_DCD = 0x80

const FIFO_SIZE = 16
const TRIGGER_LEVELS = [1, 4, 8, 14]
/** Crystal of 1.8432 MHz divided by 16. */
const BASE_BAUD = 115_200
/** 9600 baud. */
const DEFAULT_DIVISOR = 12
/** The receiver's time-out, in character times. */
const TIME_OUT_CHARACTERS = 4
/** From the write to the transmitter's interrupt. */
const TRANSMIT_NS = 2_000

export interface Uart16550Options {
  /** `COM1`; unique in a machine. */
  name: string
  /** First of eight ports, e.g. 0x3f8. */
  base: number
  irq: IrqLine
  clock: Clock
  /** Called with every byte that the guest sends, within its write. */
  output: (byte: number) => void
  warn?: Warn
}

/** Bytes that wait for the guest: as many as a file may bring along. */
const MOST_WAITING = 64 << 20
const STATE: StateTable = {
  divisor: starts(u16, DEFAULT_DIVISOR),
  ...{ ier: starts(u8, 0), fcr: starts(u8, 0), lcr: starts(u8, 0), mcr: starts(u8, MCR_OUT2) },
  ...{ lsr: starts(u8, LSR_THRE | LSR_TEMT), msr: starts(u8, MSR_DCD | MSR_DSR | MSR_CTS), scr: starts(u8, 0) },
  ...{ threPending: starts(flag, false), timeOutPending: starts(flag, false), rbr: starts(u8, 0) },
  ...{ received: bytes(0, FIFO_SIZE), underWay: bytes(0, MOST_WAITING) },
  ...{ transmitTimer: starts(timer, null), receiveTimer: starts(timer, null), timeOutTimer: starts(timer, null) },
}

export class Uart16550 implements Device {
  readonly name: string
  readonly state = STATE
  readonly ports: readonly PortRange[]

  private divisor = DEFAULT_DIVISOR
  private ier = 0
  private iir = IIR_NONE
  private fcr = 0
  private lcr = 0
  private mcr = MCR_OUT2
  private lsr = LSR_THRE | LSR_TEMT
  private msr = MSR_DCD | MSR_DSR | MSR_CTS
  private scr = 0
  /** The THRE interrupt is latched: reading IIR or writing THR takes it back. */
  private threPending = false
  private timeOutPending = false
  /** Receiver buffer register while the FIFO is off. */
  private rbr = 0
  private readonly fifo = new Uint8Array(FIFO_SIZE)
  private fifoHead = 0
  private fifoCount = 0
  /** Bytes on their way to the guest, from `waitingHead` on. */
  private waiting: Uint8Array = new Uint8Array(0)
  private waitingHead = 0
  private readonly transmitTimer: Timer
  private readonly receiveTimer: Timer
  private readonly timeOutTimer: Timer
  private readonly warn: Warn

  constructor(private readonly options: Uart16550Options) {
    this.name = options.name
    this.warn = options.warn ?? (() => {})
    this.transmitTimer = options.clock.timer(`${options.name} transmit`, () => this.transmitted())
    this.receiveTimer = options.clock.timer(`${options.name} receive`, () => this.receiveWaiting())
    this.timeOutTimer = options.clock.timer(`${options.name} time-out`, () => this.timeOut())
    this.ports = [
      {
        name: options.name,
        base: options.base,
        count: 8,
        width: 1,
        read: (offset) => this.read(offset),
        write: (offset, value) => this.write(offset, value & 0xff),
      },
    ]
  }

  /** Queues bytes for the guest. They reach it one by one as it has room for them; none is lost on the way. */
  input(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const left = this.waiting.length - this.waitingHead
    const joined = new Uint8Array(left + bytes.length)
    joined.set(this.waiting.subarray(this.waitingHead))
    joined.set(bytes, left)
    this.waiting = joined
    this.waitingHead = 0
    this.scheduleReceive()
  }

  /** Bytes of `input()` that the guest has not read. */
  pending(): number {
    return this.waiting.length - this.waitingHead + (this.fcr & FCR_ENABLE ? this.fifoCount : this.lsr & LSR_DR)
  }

  /** Bits a second as programmed. */
  get baud(): number {
    return BASE_BAUD / (this.divisor || 1)
  }

  private characterTime(): number {
    const bits = 1 + 5 + (this.lcr & 3) + (this.lcr & LCR_PARITY ? 1 : 0) + (this.lcr & LCR_STOP ? 2 : 1)
    return Math.round((bits * (this.divisor || 1) * 1e9) / BASE_BAUD)
  }

  private read(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL:
        return this.lcr & LCR_DLAB ? this.divisor & 0xff : this.readReceiver()
      case IER_DLM:
        return this.lcr & LCR_DLAB ? this.divisor >> 8 : this.ier
      case IIR_FCR: {
        const iir = this.iir
        if ((iir & 0x0f) === IIR_THRE) {
          this.threPending = false
          this.update()
        }
        return iir
      }
      case LCR:
        return this.lcr
      case MCR:
        return this.mcr
      case LSR: {
        // Who polls must not wait for a timer.
        if ((this.lsr & LSR_TEMT) === 0) this.transmitted()
        const lsr = this.lsr
        if (lsr & (LSR_OE | LSR_BI)) {
          this.lsr &= ~(LSR_OE | LSR_BI)
          this.update()
        }
        return lsr
      }
      case MSR: {
        if (this.mcr & MCR_LOOP) {
          // OUT2 to DCD, OUT1 to RI, RTS to CTS, DTR to DSR.
          return ((this.mcr & 0x0c) << 4) | ((this.mcr & MCR_RTS) << 3) | ((this.mcr & MCR_DTR) << 5)
        }
        const msr = this.msr
        if (msr & MSR_DELTAS) {
          this.msr &= ~MSR_DELTAS
          this.update()
        }
        return msr
      }
      case SCR:
        return this.scr
      default:
        return 0xff
    }
  }

  private readReceiver(): number {
    let byte = this.rbr
    if (this.fcr & FCR_ENABLE) {
      byte = 0
      this.timeOutPending = false
      if (this.fifoCount > 0) {
        byte = this.fifo[this.fifoHead]
        this.fifoHead = (this.fifoHead + 1) % FIFO_SIZE
        this.fifoCount--
      }
      if (this.fifoCount === 0) {
        this.lsr &= ~(LSR_DR | LSR_BI)
        this.timeOutTimer.cancel()
      } else {
        this.timeOutTimer.at(this.options.clock.now() + TIME_OUT_CHARACTERS * this.characterTime())
      }
    } else {
      this.lsr &= ~(LSR_DR | LSR_BI)
    }
    this.update()
    this.scheduleReceive()
    return byte
  }

  private write(offset: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0xff00) | value
        else this.transmit(value)
        break
      case IER_DLM:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0x00ff) | (value << 8)
        else this.writeIer(value & 0x0f)
        break
      case IIR_FCR:
        this.writeFcr(value)
        break
      case LCR:
        this.lcr = value
        break
      case MCR: {
        this.mcr = value & MCR_MASK
        this.scheduleReceive()
        break
      }
      case LSR:
      case MSR:
        this.warn(`${this.name}: write of ${value.toString(16)} to a read-only register`, this.options.base + offset)
        break
      case SCR:
        this.scr = value
        break
    }
  }

  private writeIer(value: number): void {
    const changed = this.ier ^ value
    this.ier = value
    // Only the edge counts. Windows clears all of IER and sets it again to have the interrupt back.
    if (changed & IER_ETBEI) this.threPending = (value & IER_ETBEI) !== 0 && (this.lsr & LSR_THRE) !== 0
    if (changed) this.update()
  }

  private writeFcr(value: number): void {
    // Switching the FIFOs on or off empties both.
    const clear = (value ^ this.fcr) & FCR_ENABLE ? FCR_CLEAR_RX | FCR_CLEAR_TX : value
    if (clear & FCR_CLEAR_RX) {
      this.lsr &= ~(LSR_DR | LSR_BI)
      this.fifoCount = 0
      this.timeOutPending = false
      this.timeOutTimer.cancel()
    }
    if (clear & FCR_CLEAR_TX) {
      this.transmitTimer.cancel()
      this.lsr |= LSR_THRE | LSR_TEMT
      this.threPending = true
    }
    this.fcr = value & FCR_ENABLE ? value & FCR_STORED : 0
    this.update()
    this.scheduleReceive()
  }

  private transmit(byte: number): void {
    this.threPending = false
    this.lsr &= ~(LSR_THRE | LSR_TEMT)
    this.transmitTimer.at(this.options.clock.now() + TRANSMIT_NS)
    this.update()
    if (this.mcr & MCR_LOOP) this.receive(byte)
    else this.options.output(byte)
  }

  /** The transmitter has run empty. */
  private transmitted(): void {
    this.transmitTimer.cancel()
    this.lsr |= LSR_THRE | LSR_TEMT
    this.threPending = true
    this.update()
  }

  private get hasRoom(): boolean {
    return this.fcr & FCR_ENABLE ? this.fifoCount < FIFO_SIZE : (this.lsr & LSR_DR) === 0
  }

  /** Starts the next character on the line; in loopback the line is cut off. */
  private scheduleReceive(): void {
    if (this.waitingHead === this.waiting.length || this.mcr & MCR_LOOP || !this.hasRoom) return
    if (this.receiveTimer.deadline === Number.POSITIVE_INFINITY) {
      this.receiveTimer.at(this.options.clock.now() + this.characterTime())
    }
  }

  private receiveWaiting(): void {
    if (this.waitingHead === this.waiting.length || this.mcr & MCR_LOOP || !this.hasRoom) return
    this.receive(this.waiting[this.waitingHead++])
    this.scheduleReceive()
  }

  private receive(byte: number): void {
    if (!this.hasRoom) {
      this.lsr |= LSR_OE
      // Without a FIFO the new byte takes the old one's place; a full FIFO keeps what it has.
      if ((this.fcr & FCR_ENABLE) === 0) this.rbr = byte
    } else if (this.fcr & FCR_ENABLE) {
      this.fifo[(this.fifoHead + this.fifoCount++) % FIFO_SIZE] = byte
      this.timeOutTimer.at(this.options.clock.now() + TIME_OUT_CHARACTERS * this.characterTime())
    } else {
      this.rbr = byte
    }
    this.lsr |= LSR_DR
    this.update()
  }

  private timeOut(): void {
    if (this.fifoCount === 0) return
    this.timeOutPending = true
    this.update()
  }

  /** Sets IIR and the line to the pending interrupt of the highest priority. */
  private update(): void {
    let id = IIR_NONE
    if (this.ier & IER_ELSI && this.lsr & LSR_ERRORS) {
      id = IIR_LINE_STATUS
    } else if (this.ier & IER_ERBFI && this.timeOutPending) {
      id = IIR_TIME_OUT
    } else if (this.ier & IER_ERBFI && this.dataReady()) {
      id = IIR_DATA
    } else if (this.ier & IER_ETBEI && this.threPending) {
      id = IIR_THRE
    } else if (this.ier & IER_EDSSI && this.msr & MSR_DELTAS) {
      id = IIR_MODEM_STATUS
    }
    this.iir = id | (this.fcr & FCR_ENABLE ? IIR_FIFO : 0)
    this.options.irq(id !== IIR_NONE)
  }

  private dataReady(): boolean {
    if ((this.lsr & LSR_DR) === 0) return false
    return (this.fcr & FCR_ENABLE) === 0 || this.fifoCount >= TRIGGER_LEVELS[this.fcr >> 6]
  }

  /** Power-on. Input that the guest has not got yet stays on its way. */
  reset(): void {
    resetState(this)
    this.fifoHead = 0
    this.fifoCount = 0
    this.update()
    this.scheduleReceive()
  }

  /** COM1 and COM2; guests look for the others where they always were. */
  acpi(): readonly AcpiDevice[] {
    const index = PORTS.slice(0, 2).indexOf(this.options.base)
    if (index < 0) return []
    const resources = [aml.io(this.options.base, 8), aml.irqNoFlags(IRQS[index])]
    return [isaDevice(`COM${index + 1}`, 'PNP0501', resources, index + 1)]
  }

  /** The receiver's FIFO, for the state. */
  get received(): Uint8Array {
    return Uint8Array.from({ length: this.fifoCount }, (_, i) => this.fifo[(this.fifoHead + i) % FIFO_SIZE])
  }

  set received(bytes: Uint8Array) {
    this.fifo.set(bytes)
    this.fifoHead = 0
    this.fifoCount = bytes.length
  }

  /** Bytes on their way to the guest, for the state. */
  get underWay(): Uint8Array {
    return this.waiting.subarray(this.waitingHead)
  }

  set underWay(bytes: Uint8Array) {
    this.waiting = bytes
    this.waitingHead = 0
  }

  loaded(): void {
    this.update()
  }
}

/** COM1 to COM4: COM1 and COM3 share IRQ 4, COM2 and COM4 IRQ 3. */
const PORTS = [0x3f8, 0x2f8, 0x3e8, 0x2e8]
const IRQS = [4, 3, 4, 3]

export const isaSerial = deviceType({
  type: 'isa-serial',
  title: 'serial port, a 16550A',
  category: 'Serial',
  bus: 'isa',
  options: () => ({
    index: integerOption(0, 3).default(0).describe('0 to 3 for COM1 to COM4: gives port and interrupt'),
    iobase: portOption().optional().describe('first port, in place of that of the index'),
    irq: integerOption(0, 15).optional().describe('ISA interrupt, in place of that of the index'),
  }),
  legacyPorts: PORTS.map((base, i) => ({ name: `COM${i + 1}`, base, count: 8 })),
  create(slot, { index, iobase = PORTS[index], irq = IRQS[index] }) {
    const backend = slot.backend<CharBackend>('char')
    const uart = new Uart16550({
      name: slot.name,
      base: iobase,
      irq: slot.irq('irq', irq),
      clock: slot.clock,
      output: (byte) => backend?.send(byte),
      warn: slot.warn,
    })
    if (backend)
      Object.assign(backend, { receive: (bytes: Uint8Array) => uart.input(bytes), pending: () => uart.pending() })
    return uart
  },
})
