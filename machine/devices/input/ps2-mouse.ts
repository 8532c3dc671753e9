/**
 * PS/2 mouse: three buttons, and after the knock on its sample rate IntelliMouse (wheel) or IntelliMouse Explorer
 * (wheel and five buttons).
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft, "Intellimouse/PS2".
 *
 * It sits behind an 8042, which resets, saves and loads it; it has no ports and is no entry of the device table.
 *
 * Movement that is wider than a packet goes out in several, so the overflow bits are never set. What does not fit the
 * queue waits, and no change of a button is lost by merging. The sample rate is remembered but does not pace the
 * packets: the guest's reading does. A command's reply comes behind the packets that were sent before it, F5's too, as
 * QEMU's: a mouse may drop them, but then a driver finds half of one.
 */
import type { StateTable, Warn } from '../../device.js'
import { count, flag, integer, list, record, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import type { MouseEvent } from './events.js'
import { type Ps2Device, Ps2Queue } from './ps2-queue.js'

// Commands from the host.
const SET_SCALING_1_1 = 0xe6
const SET_SCALING_2_1 = 0xe7
const SET_RESOLUTION = 0xe8
const STATUS_REQUEST = 0xe9
const SET_STREAM_MODE = 0xea
const READ_DATA = 0xeb
const RESET_WRAP_MODE = 0xec
const SET_WRAP_MODE = 0xee
const SET_REMOTE_MODE = 0xf0
const READ_DEVICE_TYPE = 0xf2
const SET_SAMPLE_RATE = 0xf3
const ENABLE = 0xf4
const DISABLE = 0xf5
const SET_DEFAULT = 0xf6
const RESEND = 0xfe
const RESET = 0xff

// Replies.
const ACK = 0xfa
const NAK = 0xfe
const BAT_OK = 0xaa

// Device types.
const STANDARD = 0
const INTELLIMOUSE = 3
const EXPLORER = 4

// Status byte of E9, with the buttons left 2, middle 1, right 0.
const STATUS_REMOTE = 0x40
const STATUS_ENABLED = 0x20
const STATUS_SCALING_2_1 = 0x10

// First byte of a packet.
const PACKET_ALWAYS_1 = 0x08
const X_SIGN = 0x10
const Y_SIGN = 0x20

/** Largest count in a packet. Nine bits would hold 255, but drivers exist that take eight, and QEMU sends no more. */
const MAX_COUNT = 127
const MAX_WHEEL = 127
const MAX_WHEEL_EXPLORER = 7
/** Changes of the buttons that wait for room; beyond them a change is merged into the last. */
const MAX_BACKLOG = 64
/** Scaling 2:1 of small counts; larger ones are doubled. */
const SCALED = [0, 1, 1, 3, 6, 9]

/** Movement that no packet has carried, under one state of the buttons. */
interface Movement {
  dx: number
  dy: number
  dz: number
  buttons: number
}

export interface Ps2MouseOptions {
  warn?: Warn
}

const STATE: StateTable = {
  ...{ queue: part(), enabled: flag, remote: flag, wrap: flag, scaling21: flag, resolution: u8, sampleRate: u8 },
  ...{ type: integer(STANDARD, EXPLORER), knock: integer(0, 3), command: u8, buttons: u8, reportedButtons: u8 },
  backlog: list(record({ dx: count, dy: count, dz: count, buttons: u8 }), 0, MAX_BACKLOG),
}

export class Ps2Mouse implements Ps2Device {
  readonly name = 'ps2-mouse'
  readonly state = STATE
  onData: (() => void) | undefined

  private readonly queue = new Ps2Queue()
  private readonly warn: Warn
  private enabled = false
  private remote = false
  private wrap = false
  private scaling21 = false
  private resolution = 2
  private sampleRate = 100
  private type = STANDARD
  /** How much of a knock has been heard: 0 nothing, 1 200, 2 200 100, 3 200 200. */
  private knock = 0
  /** The command that waits for its argument; 0 for none. */
  private command = 0
  /** Buttons as they were pressed last, bits as in `MouseEvent`. */
  private buttons = 0
  /** Buttons as the last packet had them. */
  private reportedButtons = 0
  private backlog: Movement[] = []

  constructor(options: Ps2MouseOptions = {}) {
    this.warn = options.warn ?? (() => {})
  }

  /** True while movement counts: F4 and F5 govern the stream mode alone, and in remote mode EB asks for packets. */
  get reporting(): boolean {
    return this.enabled || this.remote
  }

  /** Bytes that the guest has not fetched, those of movement that waits for room included. */
  pending(): number {
    return this.queue.length + (this.streaming ? this.backlog.length * this.packetSize : 0)
  }

  read(): number {
    const byte = this.queue.take()
    this.flush()
    return byte
  }

  /** Takes a movement and the present buttons. Movement while the guest has the mouse off is lost. */
  move(event: MouseEvent): void {
    const buttons = event.buttons & 0x1f
    const changed = buttons !== this.buttons
    this.buttons = buttons
    if (!this.reporting) return
    const dx = Math.trunc(event.dx) || 0
    const dy = Math.trunc(event.dy) || 0
    const dz = this.type === STANDARD ? 0 : Math.trunc(event.dz) || 0
    if (!changed && dx === 0 && dy === 0 && dz === 0) return
    const last = this.backlog[this.backlog.length - 1]
    if (last && (last.buttons === this.buttons || this.backlog.length >= MAX_BACKLOG)) {
      last.dx += dx
      last.dy += dy
      last.dz += dz
      last.buttons = this.buttons
    } else {
      this.backlog.push({ dx, dy, dz, buttons: this.buttons })
    }
    if (this.flush()) this.onData?.()
  }

  private get streaming(): boolean {
    return this.enabled && !this.remote && !this.wrap
  }

  private get packetSize(): number {
    return this.type === STANDARD ? 3 : 4
  }

  /** Moves what fits from the backlog to the queue. True if there was something. */
  private flush(): boolean {
    if (!this.streaming) return false
    let sent = false
    while (this.backlog.length > 0 && this.queue.room >= this.packetSize) {
      this.packet(false)
      sent = true
    }
    return sent
  }

  /** One packet of the oldest movement; with none, one that tells the buttons. */
  private packet(asked: boolean): void {
    const movement = this.backlog[0]
    let dx = 0
    let dy = 0
    let dz = 0
    if (movement) {
      const maxWheel = this.type === EXPLORER ? MAX_WHEEL_EXPLORER : MAX_WHEEL
      dx = clamp(movement.dx, MAX_COUNT)
      dy = clamp(movement.dy, MAX_COUNT)
      dz = clamp(movement.dz, maxWheel)
      movement.dx -= dx
      movement.dy -= dy
      movement.dz -= dz
      this.reportedButtons = movement.buttons
      if (movement.dx === 0 && movement.dy === 0 && movement.dz === 0) this.backlog.shift()
    } else {
      this.reportedButtons = this.buttons
    }
    // The mouse counts upwards, the host's screens downwards.
    dy = -dy
    // A packet that was asked for is never scaled.
    if (this.scaling21 && !asked) {
      dx = scale21(dx)
      dy = scale21(dy)
    }
    const buttons = this.reportedButtons
    const first = PACKET_ALWAYS_1 | (buttons & 7) | (dx < 0 ? X_SIGN : 0) | (dy < 0 ? Y_SIGN : 0)
    this.queue.push(first)
    this.queue.push(dx & 0xff)
    this.queue.push(dy & 0xff)
    if (this.type === INTELLIMOUSE) this.queue.push(dz & 0xff)
    else if (this.type === EXPLORER) this.queue.push((dz & 0x0f) | ((buttons & 0x18) << 1))
  }

  write(byte: number): void {
    if (this.wrap && byte !== RESET_WRAP_MODE && byte !== RESET) {
      this.queue.push(byte)
    } else {
      const command = this.command
      this.command = 0
      // No argument is as high as the lowest command, so such a byte starts over.
      if (command !== 0 && byte < SET_SCALING_1_1) this.argument(command, byte)
      else this.execute(byte)
    }
    this.flush()
    this.onData?.()
  }

  private argument(command: number, byte: number): void {
    if (command === SET_SAMPLE_RATE) {
      this.sampleRate = byte
      this.hearKnock(byte)
    } else if (byte > 3) {
      this.queue.push(NAK)
      return
    } else {
      this.resolution = byte
    }
    this.queue.push(ACK)
  }

  /** Sample rates 200, 100, 80 ask for IntelliMouse, 200, 200, 80 for Explorer. */
  private hearKnock(rate: number): void {
    if (rate === 80 && this.knock === 2) this.type = INTELLIMOUSE
    else if (rate === 80 && this.knock === 3) this.type = EXPLORER
    if (this.knock === 1 && rate === 100) this.knock = 2
    else if (this.knock === 1 && rate === 200) this.knock = 3
    else this.knock = rate === 200 ? 1 : 0
  }

  private execute(byte: number): void {
    switch (byte) {
      case SET_SCALING_1_1:
      case SET_SCALING_2_1:
        this.scaling21 = byte === SET_SCALING_2_1
        this.queue.push(ACK)
        break
      case SET_RESOLUTION:
      case SET_SAMPLE_RATE:
        this.command = byte
        this.queue.push(ACK)
        break
      case STATUS_REQUEST:
        this.queue.push(ACK)
        this.queue.push(this.statusByte())
        this.queue.push(this.resolution)
        this.queue.push(this.sampleRate)
        break
      case SET_STREAM_MODE:
        this.remote = false
        if (!this.enabled) this.backlog.length = 0
        this.queue.push(ACK)
        break
      case SET_REMOTE_MODE:
        this.remote = true
        this.queue.push(ACK)
        break
      case READ_DATA:
        this.queue.push(ACK)
        this.packet(true)
        break
      case SET_WRAP_MODE:
      case RESET_WRAP_MODE:
        this.wrap = byte === SET_WRAP_MODE
        this.queue.push(ACK)
        break
      case READ_DEVICE_TYPE:
        this.queue.push(ACK)
        this.queue.push(this.type)
        break
      case ENABLE:
        this.enabled = true
        this.queue.push(ACK)
        break
      case DISABLE:
        this.enabled = false
        if (!this.remote) this.backlog.length = 0
        this.queue.push(ACK)
        break
      case SET_DEFAULT:
        this.setDefaults()
        this.queue.push(ACK)
        break
      case RESEND:
        this.queue.push(this.queue.lastByte)
        break
      case RESET:
        this.reset()
        this.queue.push(ACK)
        this.queue.push(BAT_OK)
        this.queue.push(STANDARD)
        break
      default:
        this.warn(`mouse command ${byte.toString(16)} is unknown`)
        this.queue.push(NAK)
    }
  }

  private statusByte(): number {
    let status = ((this.buttons & 1) << 2) | ((this.buttons & 4) >> 1) | ((this.buttons & 2) >> 1)
    if (this.remote) status |= STATUS_REMOTE
    if (this.enabled) status |= STATUS_ENABLED
    if (this.scaling21) status |= STATUS_SCALING_2_1
    return status
  }

  private setDefaults(): void {
    this.sampleRate = 100
    this.resolution = 2
    this.scaling21 = false
    this.remote = false
    this.enabled = false
    this.knock = 0
    this.backlog.length = 0
  }

  /** Power-on. As under QEMU no self-test bytes AA 00 wait for the guest. Buttons held at the host stay held. */
  reset(): void {
    this.queue.clear()
    this.setDefaults()
    this.type = STANDARD
    this.wrap = false
    this.command = 0
    this.reportedButtons = 0
  }
}

function clamp(value: number, max: number): number {
  return Math.max(-max, Math.min(max, value))
}

function scale21(count: number): number {
  const size = Math.abs(count)
  const scaled = size < SCALED.length ? SCALED[size] : size * 2
  return count < 0 ? -scaled : scaled
}
