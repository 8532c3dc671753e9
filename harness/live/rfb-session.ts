/**
 * One viewer of a machine's screen, by RFB 3.8 (RFC 6143; 3.7 and 3.3 as well), over any connection that carries bytes:
 * a TCP socket for plain VNC, a WebSocket for noVNC.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'
import type { LivePicture } from '../protocol/messages.js'
import { ByteReader, ConnectionEnded } from './byte-reader.js'
import { changedAreas } from './changed-areas.js'
import type { LiveMachine, LiveScreen } from './live-machine.js'
import { bands, chooseEncoding, ENCODINGS, type Encoding, RectangleEncoder } from './rfb-encodings.js'
import { codeOfScanCode, KeysymKeys } from './rfb-keys.js'
import { COLOUR_MAP, PixelWriter, readPixelFormat, SERVER_FORMAT, writePixelFormat } from './rfb-pixels.js'
import { CHALLENGE_LENGTH, isRightResponse } from './vnc-auth.js'

// Security types.
const NO_AUTHENTICATION = 1
const VNC_AUTHENTICATION = 2

// Messages of the viewer.
const SET_PIXEL_FORMAT = 0
const SET_ENCODINGS = 2
const UPDATE_REQUEST = 3
const KEY_EVENT = 4
const POINTER_EVENT = 5
const CUT_TEXT = 6
const QEMU_MESSAGE = 255
const QEMU_EXTENDED_KEY = 0

// Messages to it.
const FRAMEBUFFER_UPDATE = 0
const SET_COLOUR_MAP = 1

// Pseudo-encodings.
const DESKTOP_SIZE = -223
const QEMU_POINTER_MOTION = -257
const QEMU_KEYS = -258

/** Movement 0 of a viewer that sends movements. */
const CENTRE = 0x7fff
/** Bytes that may wait for a slow viewer before it gets no more pictures. */
const MAX_BACKLOG = 8 << 20
/** Bytes of a viewer that nobody has read yet; before it is in, a handshake and the messages that are sent with it. */
const MAX_UNREAD = 4 << 20
const MAX_HANDSHAKE = 4096

export interface Connection {
  write(bytes: Uint8Array): void
  /** Bytes that were written and have not gone out. */
  backlog(): number
  /** After what was written last; whatever comes from then on is lost. */
  close(): void
}

export interface SessionOptions {
  machine: LiveMachine
  screen: LiveScreen
  /** undefined: the viewer needs none. */
  password?: string
  /** The viewer is in. */
  onAgreed?: () => void
}

/** The viewer does not keep to the protocol, or does not know the password. One sentence. */
class Refused extends Error {}

export class RfbSession {
  private readonly reader = new ByteReader()
  private readonly encoder = new RectangleEncoder()
  private readonly keysyms = new KeysymKeys()
  private writer = new PixelWriter(SERVER_FORMAT)
  private encoding: Encoding = 'raw'
  private known = new Set<number>()
  private heldKeys = new Set<string>()
  private pointerMask = 0

  private picture: LivePicture | undefined
  /** What the viewer has; undefined: nothing that counts. */
  private shown: Frame | undefined
  private size = { width: 0, height: 0 }
  /** The viewer waits for an update; not incremental: for all of it. */
  private wanted: { incremental: boolean } | undefined
  private sending = false
  /** Pseudo-encodings that are told once, by an empty rectangle. */
  private announce: number[] = []
  private ended = false
  private agreed = false
  /** What ended the session, where it was not the viewer's going. */
  complaint: Error | undefined

  constructor(
    private readonly connection: Connection,
    private readonly options: SessionOptions,
  ) {}

  receive(bytes: Uint8Array): void {
    if (this.ended) return
    if (this.reader.waitingBytes + bytes.byteLength <= (this.agreed ? MAX_UNREAD : MAX_HANDSHAKE))
      this.reader.push(bytes)
    else this.end()
  }

  /** The connection takes more again. */
  resume(): void {
    this.update()
  }

  /** The connection has gone. */
  end(): void {
    this.ended = true
    this.reader.end()
  }

  /** Serves the viewer until it goes. Never rejects. */
  async run(): Promise<void> {
    let unwatch: (() => void) | undefined
    try {
      await this.agree()
      // ClientInit: whether others may look on. They always may.
      await this.reader.read(1)
      this.agreed = true
      this.options.onAgreed?.()
      const first = new Promise<void>((resolve) => {
        unwatch = this.options.screen.watch((picture) => {
          this.picture = picture
          resolve()
          this.update()
        })
      })
      await this.initialize(first)
      for (;;) await this.message()
    } catch (error) {
      if (!(error instanceof ConnectionEnded) && !(error instanceof Refused)) this.complaint = error as Error
    } finally {
      unwatch?.()
      this.ended = true
      this.letGo()
      this.encoder.close()
      this.connection.close()
    }
  }

  /** Version and security. */
  private async agree(): Promise<void> {
    const { password } = this.options
    this.write(Buffer.from('RFB 003.008\n', 'latin1'))
    const version = /^RFB 003\.(\d{3})\n$/.exec((await this.reader.read(12)).toString('latin1'))?.[1]
    if (version === undefined) throw new Refused('the viewer speaks no RFB 3')
    const minor = Number(version)
    const type = password === undefined ? NO_AUTHENTICATION : VNC_AUTHENTICATION
    if (minor < 7) this.write(u32(type))
    else {
      this.write(Buffer.from([1, type]))
      const [chosen] = await this.reader.read(1)
      if (chosen !== type) throw this.refuse(minor, `there is no security type ${chosen} here`)
    }
    if (password === undefined) {
      if (minor >= 8) this.write(u32(0))
      return
    }
    const challenge = randomBytes(CHALLENGE_LENGTH)
    this.write(challenge)
    if (!isRightResponse(password, challenge, await this.reader.read(CHALLENGE_LENGTH)))
      throw this.refuse(minor, 'the password is wrong')
    this.write(u32(0))
  }

  /** SecurityResult, with a reason where the version has one. */
  private refuse(minor: number, reason: string): Refused {
    const words = Buffer.from(reason)
    this.write(minor >= 8 ? Buffer.concat([u32(1), u32(words.length), words]) : u32(1))
    return new Refused(reason)
  }

  private async initialize(first: Promise<void>): Promise<void> {
    await first
    const { width, height } = (this.picture as LivePicture).frame
    this.size = { width, height }
    const title = Buffer.from(this.options.machine.title)
    this.write(Buffer.concat([u16(width), u16(height), writePixelFormat(SERVER_FORMAT), u32(title.length), title]))
  }

  private async message(): Promise<void> {
    const { reader } = this
    const [type] = await reader.read(1)
    switch (type) {
      case SET_PIXEL_FORMAT: {
        const bytes = await reader.read(19)
        this.writer = new PixelWriter(readPixelFormat(bytes.subarray(3)))
        if (!this.writer.format.trueColour) {
          if (this.connection.backlog() >= MAX_BACKLOG) throw new Refused('the viewer asks, and does not read')
          this.writeColourMap()
        }
        // What the viewer has is in the old format.
        this.shown = undefined
        break
      }
      case SET_ENCODINGS: {
        const count = (await reader.read(3)).readUInt16BE(1)
        const bytes = await reader.read(4 * count)
        const numbers = Array.from({ length: count }, (_, i) => bytes.readInt32BE(4 * i))
        this.encoding = chooseEncoding(numbers)
        this.announce = [QEMU_KEYS, QEMU_POINTER_MOTION].filter((it) => numbers.includes(it) && !this.known.has(it))
        this.known = new Set(numbers)
        break
      }
      case UPDATE_REQUEST: {
        const incremental = (await reader.read(9))[0] !== 0
        this.wanted = { incremental: incremental && (this.wanted?.incremental ?? true) }
        this.update()
        break
      }
      case KEY_EVENT: {
        const bytes = await reader.read(7)
        for (const { code, down } of this.keysyms.events(bytes.readUInt32BE(3), bytes[0] !== 0)) this.key(code, down)
        break
      }
      case POINTER_EVENT: {
        const bytes = await reader.read(5)
        this.pointer(bytes[0], bytes.readUInt16BE(1), bytes.readUInt16BE(3))
        break
      }
      case CUT_TEXT:
        // An extended message has its length as a negative number; no clipboard goes to the guest.
        await reader.skip(Math.abs((await reader.read(7)).readInt32BE(3)))
        break
      case QEMU_MESSAGE: {
        const [kind] = await reader.read(1)
        if (kind !== QEMU_EXTENDED_KEY) throw new Refused(`the viewer sends QEMU's message ${kind}, unasked`)
        const bytes = await reader.read(10)
        const code = codeOfScanCode(bytes.readUInt32BE(6))
        if (code !== undefined) this.key(code, bytes.readUInt16BE(0) !== 0)
        break
      }
      default:
        throw new Refused(`the viewer sends a message of the unknown type ${type}`)
    }
  }

  private key(code: string, down: boolean): void {
    if (down) this.heldKeys.add(code)
    else this.heldKeys.delete(code)
    this.options.machine.key({ code, down })
  }

  private pointer(mask: number, x: number, y: number): void {
    const { machine } = this.options
    const pressed = mask & ~this.pointerMask
    this.pointerMask = mask
    const buttons = (mask & 1) | ((mask & 4) >> 1) | ((mask & 2) << 1)
    const dz = pressed & 8 ? -1 : pressed & 16 ? 1 : 0
    if (this.known.has(QEMU_POINTER_MOTION)) {
      machine.mouse({ dx: x - CENTRE, dy: y - CENTRE, dz, buttons })
      return
    }
    machine.pointer({ x, y, buttons, dz })
  }

  /** A viewer that goes with a key held leaves it stuck otherwise. */
  private letGo(): void {
    for (const code of this.heldKeys) this.options.machine.key({ code, down: false })
    this.heldKeys.clear()
    if (this.pointerMask !== 0) this.options.machine.mouse({ dx: 0, dy: 0, dz: 0, buttons: 0 })
    this.pointerMask = 0
  }

  /** Sends what is new to a viewer that waits for it; what changes meanwhile goes after it. */
  private async update(): Promise<void> {
    if (this.sending) return
    this.sending = true
    try {
      while (!this.ended && this.wanted && this.picture && this.connection.backlog() < MAX_BACKLOG) {
        const message = await this.nextUpdate(this.wanted, this.picture.frame)
        if (!message) break
        if (!this.ended) for (const part of message) this.write(part)
      }
    } catch (error) {
      this.complaint ??= error as Error
      this.end()
    } finally {
      this.sending = false
    }
  }

  private async nextUpdate(wanted: { incremental: boolean }, frame: Frame): Promise<Buffer[] | undefined> {
    const { writer, encoding } = this
    const rectangles: Buffer[][] = this.announce.map((number) => [header({ x: 0, y: 0, width: 0, height: 0 }, number)])
    this.announce = []
    const { width, height } = frame
    const resized = width !== this.size.width || height !== this.size.height
    let areas: Area[] = []
    if (resized && this.known.has(DESKTOP_SIZE)) {
      this.size = { width, height }
      this.shown = undefined
      // By itself: the viewer asks for the new picture then.
      rectangles.push([header({ x: 0, y: 0, width, height }, DESKTOP_SIZE)])
    } else {
      areas = this.areasToSend(wanted, frame)
      this.shown = frame
    }
    if (rectangles.length + areas.length === 0) return undefined
    // What is asked for while this is encoded is the next one.
    this.wanted = undefined
    for (const area of areas.flatMap(bands)) {
      if (this.ended) break
      const pixels = await this.encoder.encode(encoding, frame, area, writer)
      rectangles.push([header(area, ENCODINGS[encoding]), ...pixels])
      await setImmediate()
    }
    return [Buffer.from([FRAMEBUFFER_UPDATE, 0]), u16(rectangles.length), ...rectangles.flat()]
  }

  private areasToSend({ incremental }: { incremental: boolean }, frame: Frame): Area[] {
    const { shown, size } = this
    if (incremental && shown === frame) return []
    const comparable = shown && shown.width === frame.width && shown.height === frame.height
    if (!incremental || !comparable) return [{ x: 0, y: 0, ...size }]
    // A viewer that cannot change its size sees as much as fits.
    return changedAreas(shown, frame).flatMap((area) => {
      const width = Math.min(area.width, size.width - area.x)
      const height = Math.min(area.height, size.height - area.y)
      return width > 0 && height > 0 ? [{ ...area, width, height }] : []
    })
  }

  private writeColourMap(): void {
    const colours = Buffer.concat(COLOUR_MAP.flat().map(u16))
    this.write(Buffer.concat([Buffer.from([SET_COLOUR_MAP, 0]), u16(0), u16(COLOUR_MAP.length), colours]))
  }

  private write(bytes: Uint8Array): void {
    this.connection.write(bytes)
  }
}

function header({ x, y, width, height }: Area, encoding: number): Buffer {
  const bytes = Buffer.alloc(12)
  ;[x, y, width, height].forEach((value, i) => {
    bytes.writeUInt16BE(value, 2 * i)
  })
  bytes.writeInt32BE(encoding, 8)
  return bytes
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
