/**
 * PS/2 keyboard (enhanced MF2, 104/105 keys) with scan code sets 1, 2 and 3.
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-Key)".
 *
 * It sits behind an 8042, which resets, saves and loads it; it has no ports and is no entry of the device table.
 *
 * The typematic rate is taken and acknowledged, but the keyboard repeats nothing by itself: who holds a key sends
 * `down` again, so that nothing but the test decides how often a key repeats. Fake shifts (E0 12 around the grey keys
 * under NumLock or Shift) are sent only for PrintScreen, as QEMU does.
 */
import type { StateTable, Warn } from '../../device.js'
import { bytes, flag, integer, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import type { KeyEvent } from './events.js'
import { type Ps2Device, Ps2Queue } from './ps2-queue.js'
import { NO_CODE, PAUSE, PRINT_SCREEN, SCAN_CODES, SET2_TO_SET1 } from './scancodes.js'

// Commands from the host.
const SET_LEDS = 0xed
const ECHO = 0xee
const SCAN_CODE_SET = 0xf0
const READ_ID = 0xf2
const SET_TYPEMATIC_RATE = 0xf3
const ENABLE = 0xf4
const DEFAULT_DISABLE = 0xf5
const SET_DEFAULT = 0xf6
const ALL_TYPEMATIC = 0xf7
const ALL_MAKE_BREAK = 0xf8
const ALL_MAKE = 0xf9
const ALL_TYPEMATIC_MAKE_BREAK = 0xfa
const KEY_TYPEMATIC = 0xfb
const KEY_MAKE_BREAK = 0xfc
const KEY_MAKE = 0xfd
const RESEND = 0xfe
const RESET = 0xff

// Replies.
const ACK = 0xfa
const NAK = 0xfe
const BAT_OK = 0xaa
const ID_1 = 0xab
const ID_2 = 0x83
const OVERRUN_SET1 = 0xff
const OVERRUN = 0x00

const BREAK = 0xf0
/** What the reset leaves: 10.9 characters a second after 500 ms. */
const DEFAULT_RATE = 0x2b

// Modifiers, for the keys whose codes depend on them.
const SHIFT = 0x03
const CONTROL = 0x0c
const ALT = 0x30
const MODIFIERS: { readonly [code: string]: number } = {
  ShiftLeft: 0x01,
  ShiftRight: 0x02,
  ControlLeft: 0x04,
  ControlRight: 0x08,
  AltLeft: 0x10,
  AltRight: 0x20,
}

// Set 2 make and break sequences of the two odd keys.
const PRINT_DOWN = [0xe0, 0x12, 0xe0, 0x7c]
const PRINT_UP = [0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12]
const PRINT_MODIFIED_DOWN = [0xe0, 0x7c]
const PRINT_MODIFIED_UP = [0xe0, 0xf0, 0x7c]
const SYSRQ_DOWN = [0x84]
const SYSRQ_UP = [0xf0, 0x84]
const PAUSE_SEQUENCE = [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77]
const CTRL_BREAK_SEQUENCE = [0xe0, 0x7e, 0xe0, 0xf0, 0x7e]
const PRINT_SET3 = 0x57
const PAUSE_SET3 = 0x62

export interface Ps2KeyboardOptions {
  warn?: Warn
}

const STATE: StateTable = {
  ...{ queue: part(), leds: u8, typematicRate: u8, scanCodeSet: integer(1, 3), scanning: flag, command: u8 },
  ...{ modifiers: u8, printVariant: integer(0, 2), overrun: flag, breakless: bytes(256) },
}

export class Ps2Keyboard implements Ps2Device {
  readonly name = 'ps2-keyboard'
  readonly state = STATE
  onData: (() => void) | undefined

  /** Bit 0 ScrollLock, 1 NumLock, 2 CapsLock, as the guest set them with ED. */
  leds = 0
  /** The argument of F3: rate and delay, not acted upon. */
  typematicRate = DEFAULT_RATE
  private readonly queue = new Ps2Queue()
  private readonly warn: Warn
  private scanCodeSet = 2
  private scanning = true
  /** The command that waits for its argument; 0 for none. */
  private command = 0
  private modifiers = 0
  /** How PrintScreen went down, so that its release matches: 0 plain, 1 with Control or Shift, 2 with Alt. */
  private printVariant = 0
  /** Set 3 only: codes whose key sends no break, by F7, F9, FB and FD. */
  private readonly breakless = new Uint8Array(256)
  /** The last byte queued is the overrun marker. */
  private overrun = false
  /** The sequence being put together; kept here so that a key allocates nothing. */
  private readonly bytes: number[] = []

  constructor(options: Ps2KeyboardOptions = {}) {
    this.warn = options.warn ?? (() => {})
  }

  /** Bytes that the guest has not fetched: typing is paced by waiting for 0. */
  pending(): number {
    return this.queue.length
  }

  /** True while the guest lets the keyboard send: after power-on, and between F4 and F5. */
  get enabled(): boolean {
    return this.scanning
  }

  read(): number {
    return this.queue.take()
  }

  /**
   * Takes a key's change. A key that has no code in the guest's scan code set is warned of; keys pressed while the
   * guest has the keyboard off are lost, as is a key whose codes do not fit the queue (the guest then finds the
   * overrun marker).
   */
  key(event: KeyEvent): void {
    const modifier = MODIFIERS[event.code]
    if (modifier !== undefined) {
      if (event.down) this.modifiers |= modifier
      else this.modifiers &= ~modifier
    }
    if (!this.scanning) return
    this.bytes.length = 0
    if (event.code === PRINT_SCREEN) this.printScreen(event.down)
    else if (event.code === PAUSE) this.pause(event.down)
    else this.ordinaryKey(event.code, event.down)
    this.send()
  }

  private ordinaryKey(code: string, down: boolean): void {
    const scan = SCAN_CODES.get(code)
    const make = scan ? (this.scanCodeSet === 3 ? scan.set3 : scan.set2) : NO_CODE
    if (!scan || make === NO_CODE) {
      this.warn(`key ${code} has no code in scan code set ${this.scanCodeSet}`)
      return
    }
    if (!down && scan.makeOnly) return
    if (this.scanCodeSet === 3) {
      this.set3(make, down)
      return
    }
    if (make >= 0xe000) this.bytes.push(0xe0)
    if (!down) this.bytes.push(BREAK)
    this.bytes.push(make & 0xff)
  }

  private set3(make: number, down: boolean): void {
    if (!down) {
      if (this.breakless[make]) return
      this.bytes.push(BREAK)
    }
    this.bytes.push(make)
  }

  private printScreen(down: boolean): void {
    if (this.scanCodeSet === 3) {
      this.set3(PRINT_SET3, down)
      return
    }
    if (down) this.printVariant = this.modifiers & ALT ? 2 : this.modifiers & (SHIFT | CONTROL) ? 1 : 0
    if (this.printVariant === 2) this.bytes.push(...(down ? SYSRQ_DOWN : SYSRQ_UP))
    else if (this.printVariant === 1) this.bytes.push(...(down ? PRINT_MODIFIED_DOWN : PRINT_MODIFIED_UP))
    else this.bytes.push(...(down ? PRINT_DOWN : PRINT_UP))
  }

  private pause(down: boolean): void {
    if (this.scanCodeSet === 3) this.set3(PAUSE_SET3, down)
    // In sets 1 and 2 the key sends all it has on the press.
    else if (down) this.bytes.push(...(this.modifiers & CONTROL ? CTRL_BREAK_SEQUENCE : PAUSE_SEQUENCE))
  }

  /** Queues `bytes` as a whole or not at all: half a sequence would make another key of it. */
  private send(): void {
    if (this.bytes.length === 0) return
    if (this.scanCodeSet === 1) this.toSet1()
    if (this.bytes.length > this.queue.room) {
      if (this.overrun) return
      this.overrun = true
      this.queue.push(this.scanCodeSet === 1 ? OVERRUN_SET1 : OVERRUN)
    } else {
      this.overrun = false
      for (const byte of this.bytes) this.queue.push(byte)
    }
    this.onData?.()
  }

  /** Turns the set 2 bytes into set 1 in place: F0 becomes the high bit. */
  private toSet1(): void {
    let high = 0
    let out = 0
    for (const byte of this.bytes) {
      if (byte === BREAK) {
        high = 0x80
      } else {
        this.bytes[out++] = SET2_TO_SET1[byte] | high
        high = 0
      }
    }
    this.bytes.length = out
  }

  write(byte: number): void {
    const command = this.command
    this.queue.beginReply()
    this.command = 0
    if (command !== 0 && this.argument(command, byte)) {
      this.onData?.()
      return
    }
    switch (byte) {
      case SET_LEDS:
      case SCAN_CODE_SET:
      case SET_TYPEMATIC_RATE:
      case KEY_TYPEMATIC:
      case KEY_MAKE_BREAK:
      case KEY_MAKE:
        this.command = byte
        this.queue.reply(ACK)
        break
      case ECHO:
        this.queue.reply(ECHO)
        break
      case READ_ID:
        this.queue.reply(ACK)
        this.queue.reply(ID_1)
        this.queue.reply(ID_2)
        break
      case ENABLE:
        this.scanning = true
        this.queue.reply(ACK)
        break
      case DEFAULT_DISABLE:
      case SET_DEFAULT:
        this.setDefaults()
        this.scanning = byte === SET_DEFAULT
        this.queue.reply(ACK)
        break
      case ALL_TYPEMATIC:
      case ALL_MAKE:
        this.breakless.fill(1)
        this.queue.reply(ACK)
        break
      case ALL_MAKE_BREAK:
      case ALL_TYPEMATIC_MAKE_BREAK:
        this.breakless.fill(0)
        this.queue.reply(ACK)
        break
      case RESET:
        this.setDefaults()
        this.scanning = true
        this.queue.reply(ACK)
        this.queue.reply(BAT_OK)
        break
      case RESEND:
        this.queue.reply(this.queue.lastByte)
        break
      case 0x00:
        // Not a command of the specification; QEMU acknowledges it, and some firmware sends it.
        this.queue.reply(ACK)
        break
      default:
        this.warn(`keyboard command ${byte.toString(16)} is unknown`)
        this.queue.reply(NAK)
    }
    this.onData?.()
  }

  /** The byte after a command that takes one. False: it is no argument but the next command. */
  private argument(command: number, byte: number): boolean {
    if (byte >= SET_LEDS) return false
    switch (command) {
      case SET_LEDS:
        this.leds = byte & 7
        this.queue.reply(ACK)
        break
      case SET_TYPEMATIC_RATE:
        this.typematicRate = byte & 0x7f
        this.queue.reply(ACK)
        break
      case SCAN_CODE_SET:
        if (byte > 3) {
          this.queue.reply(NAK)
          break
        }
        this.queue.reply(ACK)
        if (byte === 0) this.queue.reply(this.scanCodeSet)
        else this.scanCodeSet = byte
        break
      default:
        // FB, FC and FD take a list of set 3 codes that ends with the next command.
        this.breakless[byte] = command === KEY_MAKE_BREAK ? 0 : 1
        this.command = command
        this.queue.reply(ACK)
    }
    return true
  }

  private setDefaults(): void {
    this.queue.clear()
    this.overrun = false
    this.scanCodeSet = 2
    this.leds = 0
    this.typematicRate = DEFAULT_RATE
    this.breakless.fill(0)
  }

  /** Power-on. As under QEMU no self-test byte AA waits for the guest. Keys held at the host stay held. */
  reset(): void {
    this.setDefaults()
    this.scanning = true
    this.command = 0
  }
}
