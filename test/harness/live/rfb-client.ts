/** A viewer for tests: speaks RFB as a real one does, and keeps what it sees. Written from RFC 6143 alone. */
import { connect, type Socket } from 'node:net'
import { constants, createInflate, type Inflate } from 'node:zlib'
import { ByteReader } from '../../../harness/live/byte-reader.js'
import { vncResponse } from '../../../harness/live/vnc-auth.js'

export interface ClientOptions {
  version?: string
  password?: string
  encodings?: readonly number[]
  /** Bits a pixel, and where red, green and blue are. */
  format?: { bits: 8 | 16 | 32; bigEndian?: boolean; max: number[]; shift: number[]; depth?: number }
}

interface Rectangle {
  encoding: number
  x: number
  y: number
  width: number
  height: number
}

const DEFAULT_FORMAT = { bits: 32, max: [255, 255, 255], shift: [0, 8, 16] } as const

export class RfbClient {
  readonly reader = new ByteReader()
  width = 0
  height = 0
  name = ''
  /** Pixels as numbers of the client's format. */
  pixels: number[] = []
  private format: NonNullable<ClientOptions['format']> = { ...DEFAULT_FORMAT, max: [], shift: [] }
  private readonly streams = new Map<number, Inflate>()

  constructor(readonly write: (bytes: Uint8Array) => void) {}

  static async tcp(port: number): Promise<{ client: RfbClient; socket: Socket }> {
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const client = new RfbClient((bytes) => socket.write(bytes))
    socket.on('data', (bytes) => client.reader.push(bytes))
    socket.on('close', () => client.reader.end())
    return { client, socket }
  }

  /** To the ServerInit; rejects with the server's reason where it refuses. */
  async open({ version = '003.008', password, encodings = [0], format }: ClientOptions = {}): Promise<void> {
    await this.reader.read(12)
    this.write(Buffer.from(`RFB ${version}\n`))
    const old = version < '003.007'
    const type = old ? (await this.reader.read(4)).readUInt32BE() : (await this.types())[0]
    if (!old) this.write(Uint8Array.of(type))
    if (type === 2) this.write(vncResponse(password ?? '', await this.reader.read(16)))
    if (type === 2 || version === '003.008') await this.securityResult(version === '003.008')
    this.write(Uint8Array.of(1))
    const init = await this.reader.read(24)
    ;[this.width, this.height] = [init.readUInt16BE(0), init.readUInt16BE(2)]
    this.name = (await this.reader.read(init.readUInt32BE(20))).toString()
    this.setFormat(format ?? { ...DEFAULT_FORMAT, max: [255, 255, 255], shift: [0, 8, 16] }, format !== undefined)
    this.setEncodings(encodings)
  }

  async types(): Promise<number[]> {
    const [count] = await this.reader.read(1)
    return [...(await this.reader.read(count))]
  }

  private async securityResult(hasReason: boolean): Promise<void> {
    if ((await this.reader.read(4)).readUInt32BE() === 0) return
    if (!hasReason) throw new Error('refused')
    throw new Error((await this.reader.read((await this.reader.read(4)).readUInt32BE())).toString())
  }

  setFormat(format: NonNullable<ClientOptions['format']>, tell = true): void {
    this.format = format
    const bytes = Buffer.alloc(20)
    bytes.set([0, 0, 0, 0, format.bits, format.depth ?? (format.bits === 32 ? 24 : format.bits)])
    bytes.set([format.bigEndian ? 1 : 0, 1], 6)
    for (const [i, max] of format.max.entries()) bytes.writeUInt16BE(max, 8 + 2 * i)
    bytes.set(format.shift, 14)
    if (tell) this.write(bytes)
  }

  setEncodings(encodings: readonly number[]): void {
    const bytes = Buffer.alloc(4 + 4 * encodings.length)
    bytes[0] = 2
    bytes.writeUInt16BE(encodings.length, 2)
    for (const [i, encoding] of encodings.entries()) bytes.writeInt32BE(encoding, 4 + 4 * i)
    this.write(bytes)
  }

  ask(incremental: boolean): void {
    const bytes = Buffer.alloc(10)
    bytes.set([3, Number(incremental)])
    bytes.writeUInt16BE(this.width, 6)
    bytes.writeUInt16BE(this.height, 8)
    this.write(bytes)
  }

  key(keysym: number, down: boolean): void {
    const bytes = Buffer.from([4, Number(down), 0, 0, 0, 0, 0, 0])
    bytes.writeUInt32BE(keysym, 4)
    this.write(bytes)
  }

  scanCode(code: number, down: boolean): void {
    this.write(Buffer.from([255, 0, 0, Number(down), 0, 0, 0, 0, 0, 0, 0, code]))
  }

  pointer(mask: number, x: number, y: number): void {
    const bytes = Buffer.from([5, mask, 0, 0, 0, 0])
    bytes.writeUInt16BE(x, 2)
    bytes.writeUInt16BE(y, 4)
    this.write(bytes)
  }

  /** Asks, and takes the next update in. */
  async update(incremental = false): Promise<Rectangle[]> {
    this.ask(incremental)
    return this.nextUpdate()
  }

  async nextUpdate(): Promise<Rectangle[]> {
    const [type, , high, low] = await this.reader.read(4)
    if (type !== 0) throw new Error(`a message of type ${type} in place of an update`)
    const rectangles: Rectangle[] = []
    for (let i = 0; i < high * 256 + low; i++) rectangles.push(await this.rectangle())
    return rectangles
  }

  private async rectangle(): Promise<Rectangle> {
    const head = await this.reader.read(12)
    const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at))
    const encoding = head.readInt32BE(8)
    const area = { encoding, x, y, width, height }
    const size = this.format.bits / 8
    if (encoding === 0) this.put(area, this.wide(await this.reader.read(width * height * size)))
    else if (encoding === 6) this.put(area, this.wide(await this.inflated(6)))
    else if (encoding === 16) this.putTiles(area, await this.inflated(16))
    else if (encoding === -223) [this.width, this.height, this.pixels] = [width, height, []]
    return area
  }

  private async inflated(encoding: number): Promise<Buffer> {
    const packed = await this.reader.read((await this.reader.read(4)).readUInt32BE())
    const stream = this.streams.get(encoding) ?? createInflate({ finishFlush: constants.Z_SYNC_FLUSH })
    this.streams.set(encoding, stream)
    const parts: Buffer[] = []
    const hear = (part: Buffer) => parts.push(part)
    stream.on('data', hear)
    await new Promise<void>((resolve, reject) => stream.write(packed, (error) => (error ? reject(error) : resolve())))
    stream.off('data', hear)
    return Buffer.concat(parts)
  }

  private number(bytes: Buffer, at: number): number {
    const { bits, bigEndian } = this.format
    if (bits === 8) return bytes[at]
    if (bits === 16) return bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at)
    return bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
  }

  private wide(bytes: Buffer): number[] {
    const size = this.format.bits / 8
    return Array.from({ length: bytes.length / size }, (_, i) => this.number(bytes, i * size))
  }

  private put({ x, y, width, height }: Omit<Rectangle, 'encoding'>, pixels: readonly number[]): void {
    if (pixels.length !== width * height) throw new Error(`${pixels.length} pixels for ${width}×${height}`)
    pixels.forEach((pixel, i) => {
      this.pixels[(y + Math.floor(i / width)) * this.width + x + (i % width)] = pixel
    })
  }

  private putTiles(area: Rectangle, bytes: Buffer): void {
    let at = 0
    const { bits, bigEndian = false, max, shift } = this.format
    const used = max.reduce((sum, most, i) => sum + most * 2 ** shift[i], 0)
    const compact = bits === 32 && used < 2 ** 24
    const pixel = () => {
      if (!compact) {
        at += bits / 8
        return this.number(bytes, at - bits / 8)
      }
      at += 3
      return bigEndian ? bytes.readUIntBE(at - 3, 3) : bytes.readUIntLE(at - 3, 3)
    }
    for (let y = area.y; y < area.y + area.height; y += 64) {
      for (let x = area.x; x < area.x + area.width; x += 64) {
        const width = Math.min(64, area.x + area.width - x)
        const height = Math.min(64, area.y + area.height - y)
        const kind = bytes[at++]
        if (kind > 16) throw new Error(`the server sends tiles of kind ${kind}`)
        const palette = kind === 0 ? [] : Array.from({ length: kind }, pixel)
        const depth = kind <= 2 ? 1 : kind <= 4 ? 2 : 4
        const pixels: number[] = []
        for (let row = 0; row < height; row++) {
          for (let i = 0; i < width; i++) {
            if (kind === 0) pixels.push(pixel())
            else if (kind === 1) pixels.push(palette[0])
            else {
              const bit = i * depth
              pixels.push(palette[(bytes[at + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)])
            }
          }
          if (kind > 1) at += Math.ceil((width * depth) / 8)
        }
        this.put({ x, y, width, height }, pixels)
      }
    }
    if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes are left of the tiles`)
  }
}
