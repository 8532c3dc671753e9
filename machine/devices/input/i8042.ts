/**
 * 8042 keyboard controller of the PS/2, ports 60 and 64, with its auxiliary port for the mouse.
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device Controller".
 * Details where chipsets differ follow QEMU's `i8042`: which source goes first, and when the interrupt lines change. The
 * output buffer holds its byte, as the chip's does and QEMU's does not: a command's reply comes behind a scan code that
 * is in it already, and before those that wait in the keyboard.
 *
 * The controller owns the two devices plugged into it: it resets, saves and loads them.
 */
import type { Clock, Timer } from '../../clock.js'
import type { AcpiDevice, Device, IrqLine, PortRange, StateTable, Warn } from '../../device.js'
import { isaDevice } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { bytes, flag, integer, starts, timer, u8 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import type { Ps2Keyboard } from './ps2-keyboard.js'
import type { Ps2Mouse } from './ps2-mouse.js'
import { SET2_TO_SET1 } from './scancodes.js'

// Status register (port 64, read).
const STAT_OBF = 0x01
const STAT_SYS = 0x04
const STAT_CMD = 0x08
const STAT_UNLOCKED = 0x10
const STAT_AUX_OBF = 0x20

// Command byte (RAM address 0).
const MODE_KBD_INT = 0x01
const MODE_AUX_INT = 0x02
const MODE_SYS = 0x04
const MODE_DISABLE_KBD = 0x10
const MODE_DISABLE_AUX = 0x20
const MODE_TRANSLATE = 0x40

// Output port P2.
const OUT_NOT_RESET = 0x01
const OUT_A20 = 0x02
const OUT_KBD_OBF = 0x10
const OUT_AUX_OBF = 0x20
/** Bits that read as 1: the clock and data lines as QEMU has them. */
const OUT_ONES = 0xcc

/** Input port P1: keyboard not locked. */
const INPUT_PORT = 0x80
/** Test inputs T0 and T1: the keyboard's clock and data lines, high while idle. */
const TEST_CLOCK = 0x01
const TEST_DATA = 0x02

// Commands (port 64, write).
const READ_RAM = 0x20
const WRITE_RAM = 0x60
const RAM_SIZE = 0x20
const TEST_PASSWORD = 0xa4
const DISABLE_AUX = 0xa7
const ENABLE_AUX = 0xa8
const TEST_AUX = 0xa9
const SELF_TEST = 0xaa
const TEST_KBD = 0xab
const DISABLE_KBD = 0xad
const ENABLE_KBD = 0xae
const READ_INPUT_PORT = 0xc0
const POLL_INPUT_LOW = 0xc1
const POLL_INPUT_HIGH = 0xc2
const READ_OUTPUT_PORT = 0xd0
const WRITE_OUTPUT_PORT = 0xd1
const WRITE_KBD_OBUF = 0xd2
const WRITE_AUX_OBUF = 0xd3
const WRITE_AUX = 0xd4
const DISABLE_A20 = 0xdd
const ENABLE_A20 = 0xdf
const READ_TEST_INPUTS = 0xe0
const PULSE_OUTPUT = 0xf0
const PULSE_RESET = 0x01

const SELF_TEST_OK = 0x55
const NO_PASSWORD = 0xf1
const BREAK = 0xf0

/** What fills the output buffer. */
const SOURCE_NONE = 0
const SOURCE_KBD = 1
const SOURCE_AUX = 2
const SOURCE_CONTROLLER_KBD = 3
const SOURCE_CONTROLLER_AUX = 4
const SOURCE = integer(SOURCE_NONE, SOURCE_CONTROLLER_AUX)

/**
 * A keyboard's line takes about a millisecond a byte. Programs that read port 60 and then chain to the BIOS's handler,
 * which reads it again, count on finding the same byte there.
 */
const BYTE_NS = 1_000_000

export interface I8042Options {
  keyboard: Ps2Keyboard
  mouse: Ps2Mouse
  irq1: IrqLine
  irq12: IrqLine
  setA20: (enabled: boolean) => void
  getA20: () => boolean
  /** The CPU's reset line was pulsed: INIT# to the CPUs. */
  reset: () => void
  warn: Warn
  /**
   * Paces the keyboard: its next byte comes 1 ms after the guest fetched the last (QEMU's `kbd-throttle`). Without a
   * clock it comes at once (QEMU's default).
   */
  clock?: Clock
}

const STATE: StateTable = {
  ram: starts(bytes(RAM_SIZE), 0),
  ...{ status: starts(u8, STAT_CMD | STAT_UNLOCKED), outputPort: starts(u8, OUT_NOT_RESET | OUT_ONES) },
  ...{ command: starts(u8, 0), source: starts(SOURCE, SOURCE_NONE), mouseIsNext: starts(flag, false) },
  ...{ data: starts(u8, 0), reply: starts(u8, 0), replySource: starts(SOURCE, SOURCE_NONE), polling: starts(u8, 0) },
  ...{ throttled: starts(flag, false), throttle: timer },
  ...{ keyboard: part(), mouse: part() },
}

export class I8042 implements Device {
  readonly name = 'i8042'
  readonly state = STATE
  readonly ports: readonly PortRange[]

  private readonly keyboard: Ps2Keyboard
  private readonly mouse: Ps2Mouse
  private readonly ram = new Uint8Array(RAM_SIZE)
  private status = STAT_CMD | STAT_UNLOCKED
  /** The output port but for the bits that are read elsewhere (A20, buffer full). */
  private outputPort = OUT_NOT_RESET | OUT_ONES
  /** The command that waits for its byte on port 60; 0: the byte goes to the keyboard. */
  private command = 0
  private source = SOURCE_NONE
  /** The last byte read was the keyboard's, so a waiting mouse comes before its next. */
  private mouseIsNext = false
  /** What port 60 reads: the output buffer's byte, which stays readable after it was read. */
  private data = 0
  /** The controller's own reply, while the output buffer holds something else. */
  private reply = 0
  private replySource = SOURCE_NONE
  /** C1 or C2 shows the input port in the status register until the next write; 0 for neither. */
  private polling = 0
  private readonly throttle: Timer | undefined
  private throttled = false

  constructor(private readonly options: I8042Options) {
    this.keyboard = options.keyboard
    this.mouse = options.mouse
    options.keyboard.onData = () => this.safeUpdate()
    options.mouse.onData = () => this.safeUpdate()
    this.throttle = options.clock?.timer('i8042 keyboard', () => {
      this.throttled = false
      this.safeUpdate()
    })
    this.ram[0] = MODE_KBD_INT | MODE_AUX_INT
    const range = (base: number, read: () => number, write: (value: number) => void): PortRange => ({
      name: `i8042 ${base.toString(16)}`,
      base,
      count: 1,
      width: 1,
      read,
      write: (_offset, value) => write(value & 0xff),
    })
    this.ports = [
      range(
        0x60,
        () => this.readData(),
        (value) => this.writeData(value),
      ),
      range(
        0x64,
        () => this.readStatus(),
        (value) => this.writeCommand(value),
      ),
    ]
  }

  /** The output buffer holds a byte of the keyboard's. */
  get holdsKey(): boolean {
    return this.source === SOURCE_KBD
  }

  get holdsMovement(): boolean {
    return this.source === SOURCE_AUX
  }

  private readStatus(): number {
    if (this.polling === POLL_INPUT_LOW) return (this.status & 0x0f) | ((INPUT_PORT << 4) & 0xf0)
    if (this.polling === POLL_INPUT_HIGH) return (this.status & 0x0f) | (INPUT_PORT & 0xf0)
    return this.status
  }

  private readData(): number {
    if ((this.status & STAT_OBF) === 0) return this.data
    const source = this.source
    // The lines go down before they may go up again, for the 8259's sake: it wants an edge a byte.
    this.status &= ~(STAT_OBF | STAT_AUX_OBF)
    this.source = SOURCE_NONE
    this.updateLines()
    this.mouseIsNext = source === SOURCE_KBD
    if (source === SOURCE_KBD && this.throttle && this.options.clock) {
      this.throttled = true
      this.throttle.at(this.options.clock.now() + BYTE_NS)
    }
    const { data } = this
    this.safeUpdate()
    return data
  }

  /** The keyboard's next byte as the guest sees it; with translation a break prefix becomes the high bit. */
  private fetchKeyboard(): number {
    const keyboard = this.keyboard
    const byte = keyboard.read()
    if ((this.ram[0] & MODE_TRANSLATE) === 0) return byte
    // The keyboard queues a key's codes as a whole, so the code is there when its prefix is.
    if (byte === BREAK && keyboard.pending() > 0) return SET2_TO_SET1[keyboard.read()] | 0x80
    return SET2_TO_SET1[byte]
  }

  /**
   * Fills the output buffer if it is empty and something may go in: the controller's reply first, else the keyboard's
   * byte, but keyboard and mouse take turns while both have something.
   */
  private safeUpdate(): void {
    if ((this.status & STAT_OBF) !== 0 || this.throttled) return
    const mode = this.ram[0]
    const kbd = (mode & MODE_DISABLE_KBD) === 0 && this.keyboard.pending() > 0
    const aux = (mode & MODE_DISABLE_AUX) === 0 && this.mouse.pending() > 0
    if (this.replySource !== SOURCE_NONE) {
      this.source = this.replySource
      this.data = this.reply
      this.replySource = SOURCE_NONE
    } else if (kbd && !(aux && this.mouseIsNext)) {
      this.source = SOURCE_KBD
      this.data = this.fetchKeyboard()
    } else if (aux) {
      this.source = SOURCE_AUX
      this.data = this.mouse.read()
    } else return
    this.status |= STAT_OBF
    if (this.source === SOURCE_AUX || this.source === SOURCE_CONTROLLER_AUX) this.status |= STAT_AUX_OBF
    this.updateLines()
  }

  /** The interrupt lines follow the output buffer where the command byte lets them. */
  private updateLines(): void {
    const mode = this.ram[0]
    const full = (this.status & STAT_OBF) !== 0
    const aux = (this.status & STAT_AUX_OBF) !== 0
    this.options.irq1(full && !aux && (mode & MODE_KBD_INT) !== 0 && (mode & MODE_DISABLE_KBD) === 0)
    this.options.irq12(full && aux && (mode & MODE_AUX_INT) !== 0)
  }

  private answer(byte: number, source = SOURCE_CONTROLLER_KBD): void {
    this.reply = byte
    this.replySource = source
    this.safeUpdate()
  }

  private writeCommand(value: number): void {
    this.status |= STAT_CMD
    this.polling = 0
    this.command = 0
    if (value >= PULSE_OUTPUT) {
      // A zero pulses its line low; only the CPU's reset, line 0, leads anywhere.
      if ((value & PULSE_RESET) === 0) this.options.reset()
      return
    }
    if (value >= READ_RAM && value < READ_RAM + RAM_SIZE) {
      this.answer(this.ram[value - READ_RAM])
      return
    }
    if (value >= WRITE_RAM && value < WRITE_RAM + RAM_SIZE) {
      this.command = value
      return
    }
    switch (value) {
      case TEST_PASSWORD:
        this.answer(NO_PASSWORD)
        break
      case DISABLE_AUX:
        this.ram[0] |= MODE_DISABLE_AUX
        break
      case ENABLE_AUX:
        this.ram[0] &= ~MODE_DISABLE_AUX
        this.safeUpdate()
        break
      case TEST_AUX:
      case TEST_KBD:
        this.answer(0)
        break
      case SELF_TEST:
        this.status |= STAT_SYS
        this.answer(SELF_TEST_OK)
        break
      case DISABLE_KBD:
        this.ram[0] |= MODE_DISABLE_KBD
        break
      case ENABLE_KBD:
        this.ram[0] &= ~MODE_DISABLE_KBD
        this.updateLines()
        this.safeUpdate()
        break
      case READ_INPUT_PORT:
        this.answer(INPUT_PORT)
        break
      case POLL_INPUT_LOW:
      case POLL_INPUT_HIGH:
        this.polling = value
        break
      case READ_OUTPUT_PORT:
        this.answer(this.readOutputPort())
        break
      case WRITE_OUTPUT_PORT:
      case WRITE_KBD_OBUF:
      case WRITE_AUX_OBUF:
      case WRITE_AUX:
        this.command = value
        break
      case DISABLE_A20:
        this.options.setA20(false)
        break
      case ENABLE_A20:
        this.options.setA20(true)
        break
      case READ_TEST_INPUTS:
        this.answer((this.ram[0] & MODE_DISABLE_KBD ? 0 : TEST_CLOCK) | TEST_DATA)
        break
      default:
        this.options.warn(`i8042 command ${value.toString(16)} is not implemented`, 0x64)
    }
  }

  private readOutputPort(): number {
    let value = this.outputPort & ~(OUT_A20 | OUT_KBD_OBF | OUT_AUX_OBF)
    if (this.options.getA20()) value |= OUT_A20
    if (this.status & STAT_OBF) value |= OUT_KBD_OBF
    if (this.status & STAT_AUX_OBF) value |= OUT_AUX_OBF
    return value
  }

  private writeData(value: number): void {
    const command = this.command
    this.status &= ~STAT_CMD
    this.polling = 0
    this.command = 0
    switch (command) {
      case 0:
        // A byte for the keyboard switches its line on again.
        this.ram[0] &= ~MODE_DISABLE_KBD
        this.keyboard.write(value)
        this.safeUpdate()
        break
      case WRITE_RAM:
        this.ram[0] = value
        this.status = (this.status & ~STAT_SYS) | (value & MODE_SYS ? STAT_SYS : 0)
        this.updateLines()
        this.safeUpdate()
        break
      case WRITE_OUTPUT_PORT:
        this.outputPort = value
        this.options.setA20((value & OUT_A20) !== 0)
        if ((value & OUT_NOT_RESET) === 0) this.options.reset()
        break
      case WRITE_KBD_OBUF:
        this.answer(value)
        break
      case WRITE_AUX_OBUF:
        this.answer(value, SOURCE_CONTROLLER_AUX)
        break
      case WRITE_AUX:
        this.ram[0] &= ~MODE_DISABLE_AUX
        this.mouse.write(value)
        this.safeUpdate()
        break
      default:
        this.ram[command - WRITE_RAM] = value
    }
  }

  /** Power-on: both interrupts on, no translation (the firmware switches it on), A20 open. */
  reset(): void {
    resetState(this)
    this.ram[0] = MODE_KBD_INT | MODE_AUX_INT
    this.throttle?.cancel()
    this.keyboard.reset()
    this.mouse.reset()
    this.options.setA20(true)
    this.updateLines()
  }

  acpi(): readonly AcpiDevice[] {
    return [
      isaDevice('KBD', 'PNP0303', [aml.io(0x60, 1), aml.io(0x64, 1), aml.irqNoFlags(1)]),
      isaDevice('MOU', 'PNP0F13', [aml.irqNoFlags(12)]),
    ]
  }

  loaded(): void {
    this.updateLines()
    this.safeUpdate()
  }
}
