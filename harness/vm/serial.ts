/** `vm.serial`: what goes over one serial line, as a stream, as a terminal, as a shell, and as a recording. */

import { toPattern } from '../keys/patterns.js'
import { asciicast, type CastEvent } from '../picture/asciicast.js'
import type { TimeoutOptions, VmDriver } from './driver.js'
import { GuestExitError } from './errors.js'
import { Shell, type ShellOptions } from './serial-shell.js'
import { SerialTerminal } from './serial-terminal.js'

const COLUMNS = 80
const ROWS = 24

/** Bytes of a line that are kept: the oldest go when a guest sends more, lest one that floods it fills the memory. */
const KEPT = 32 << 20

/** What came and went over a line. */
export interface SerialRecord {
  bytes: readonly Uint8Array[]
  events: readonly CastEvent[]
}

export class SerialLine {
  private decoder = new TextDecoder()
  private bytes: Uint8Array[] = []
  private events: CastEvent[] = []
  private decoded = ''
  /** Of the kept chunks, in bytes; and how many chunks went before them. */
  private size = 0
  private gone = 0
  private rendered: SerialTerminal | undefined

  /** @param port 0 is COM1. */
  constructor(
    readonly driver: VmDriver,
    readonly port: number,
  ) {}

  /** What a terminal on the line shows. */
  get terminal(): SerialTerminal {
    if (!this.rendered) {
      this.rendered = new SerialTerminal(COLUMNS, ROWS)
      for (const chunk of this.bytes) this.rendered.write(chunk)
    }
    return this.rendered
  }

  /** All that the guest sent, byte for byte; of more than 32 MiB the last ones. */
  raw(): Uint8Array {
    return Buffer.concat(this.bytes)
  }

  /** All that the guest sent, as UTF-8, carriage returns and escape sequences included; of more than 32 MiB the end. */
  text(): string {
    return this.decoded
  }

  /** Sends text, as UTF-8, or bytes; the guest takes them when it runs on. A terminal's Enter is `\r`. */
  async write(data: string | Uint8Array): Promise<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array))
      throw new TypeError(`${String(data)} cannot be sent over a serial line; give text, or bytes as a Uint8Array`)
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
    const { guestTimeNs } = await this.driver.run([{ kind: 'serial-input', port: this.port, text: data }])
    this.events.push({ timeNs: guestTimeNs, kind: 'i', text })
  }

  /**
   * Waits until what came since the last match matches. Escape sequences and carriage returns do not count, unless the
   * pattern has them itself; `^` and `$` are the ends of lines. Resolves with the match and its groups.
   */
  async waitFor(expression: RegExp | string, options?: TimeoutOptions): Promise<string[]> {
    return this.wait(expression, undefined, options)
  }

  /** @internal `title` says in words what the expression stands for, where the user did not give it. */
  async wait(expression: RegExp | string, title: string | undefined, options?: TimeoutOptions): Promise<string[]> {
    const condition = { kind: 'serial', port: this.port, pattern: toPattern(expression) } as const
    const { matched } = await this.driver.until({ ...condition, ...(title !== undefined && { title }) }, options)
    return matched ?? []
  }

  /** The last lines that the guest sent, without escape sequences; an unfinished line is the last one. */
  async lastLines(): Promise<string[]> {
    const { serial } = await this.driver.ask((thread) => thread.look())
    return serial.find(({ port }) => port === this.port)?.lines ?? []
  }

  /** A shell, after a login where one is asked for. */
  shell(options?: ShellOptions): Promise<Shell> {
    return Shell.open(this, options)
  }

  /** The session as asciicast v2, times in guest time; the same run gives the same file. */
  asciicast(title?: string): string {
    return asciicast(this.events, COLUMNS, ROWS, title)
  }

  /** Chunks from the first one on; the machine runs while the next is awaited, and its end is the end of the stream. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let next = this.gone; ; next++) {
      if (next >= this.gone + this.bytes.length) {
        try {
          await this.driver.until({ kind: 'output', port: this.port })
        } catch (error) {
          const more = next < this.gone + this.bytes.length
          if (error instanceof GuestExitError && !more) return
          if (!more) throw error
        }
      }
      next = Math.max(next, this.gone)
      yield this.bytes[next - this.gone]
    }
  }

  /** What went over the line so far. */
  record(): SerialRecord {
    return { bytes: [...this.bytes], events: [...this.events] }
  }

  /** Goes on from what went over the line of another machine, or of this one at another time. */
  adopt({ bytes, events }: SerialRecord): void {
    this.bytes = [...bytes]
    this.size = bytes.reduce((sum, { length }) => sum + length, 0)
    this.gone = 0
    this.events = [...events]
    this.decoder = new TextDecoder()
    this.decoded = bytes.map((chunk) => this.decoder.decode(chunk, { stream: true })).join('')
    this.rendered = undefined
  }

  /** What `vm.ts` hands on from the machine's thread. */
  receive(bytes: Uint8Array, guestTimeNs: number): void {
    this.bytes.push(bytes)
    this.size += bytes.length
    const text = this.decoder.decode(bytes, { stream: true })
    this.decoded += text
    this.events.push({ timeNs: guestTimeNs, kind: 'o', text })
    this.rendered?.write(bytes)
    if (this.size > KEPT) this.forgetOldest()
  }

  /** Half of it, so that it is seldom. */
  private forgetOldest(): void {
    let chunks = 0
    for (; this.size > KEPT / 2; chunks++) this.size -= this.bytes[chunks].length
    this.bytes = this.bytes.slice(chunks)
    this.gone += chunks
    this.decoded = new TextDecoder().decode(this.raw())
    const outputs = this.events.filter(({ kind }) => kind === 'o').length
    let left = Math.max(0, outputs - this.bytes.length)
    this.events = this.events.filter(({ kind }) => kind !== 'o' || left-- <= 0)
  }
}

/** COM1, with COM1 to COM4 as `[0]` to `[3]`. */
export type SerialLines = SerialLine & { readonly [port: number]: SerialLine }

export function serialLines(driver: VmDriver, count: number): SerialLines {
  const lines = Array.from({ length: count }, (_, port) => new SerialLine(driver, port))
  return Object.assign(lines[0], { ...lines })
}
