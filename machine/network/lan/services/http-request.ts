/** Requests of HTTP/1.1 (RFC 9112) as they come in pieces: a head, and a body by its length or in chunks. */
import type { Field, Stateful, StateTable } from '../../../device.js'
import { bytes, damaged, flag, integer } from '../../../state/fields.js'
import { ByteQueue, byteQueue } from '../tcp/byte-queue.js'

export const LONGEST_HEAD = 16 << 10
export const LONGEST_BODY = 1 << 20
/** With what clients put behind a chunk's length. */
const LONGEST_CHUNK_LINE = 1024
const MOST_HEADERS = 100
/** What has come and was not looked at: more than any head, and than a window. */
export const LONGEST_INPUT = 128 << 10

export interface HttpRequest {
  method: string
  target: string
  /** 0 or 1, of 1.0 and 1.1. */
  minor: number
  /** By names in small letters; several of one name are joined. */
  headers: Map<string, string>
  body: Uint8Array
}

type Head = Omit<HttpRequest, 'body'>

/** It is none, or too large: with the status that says so. */
export class BadRequest extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

const HEAD: Field = {
  ...bytes(0, LONGEST_HEAD + 4),
  check(saved, _present, where) {
    try {
      headOf(saved as Uint8Array)
    } catch {
      throw damaged(where, 'it is no head of a request')
    }
  },
}

/** Each byte that comes is looked at once, so that small pieces cost no more than large ones. */
export class RequestReader implements Stateful {
  readonly state: StateTable = {
    ...{
      input: byteQueue(LONGEST_INPUT),
      scanned: integer(0, LONGEST_INPUT),
      headBytes: HEAD,
      body: byteQueue(LONGEST_BODY),
    },
    ...{ chunk: integer(0, LONGEST_BODY), isBehindChunks: flag },
  }
  private input = new ByteQueue()
  /** Of the input: up to here there is no end of a head, or of a line. */
  private scanned = 0
  /** Of the request whose body is waited for; empty where its head is. */
  private headBytes: Uint8Array = new Uint8Array(0)
  private head: Head | undefined
  /** What of the body has come. */
  private body = new ByteQueue()
  /** Of the chunk that is read so much is to come, with the line's end behind it; 0: a line with a length is. */
  private chunk = 0
  /** The last chunk has come, and its trailers are read. */
  private isBehindChunks = false

  loaded(): void {
    this.head = headOf(this.headBytes)
  }

  add(data: Uint8Array): void {
    if (this.input.length + data.length > LONGEST_INPUT) throw new BadRequest(413, 'the request is too large')
    this.input.append(data)
  }

  /** Bytes that were not looked at, because those before are to be answered first. */
  get unread(): number {
    return this.input.length
  }

  /** Bytes of a body that is not whole. */
  get held(): number {
    return this.body.length
  }

  /** The next whole request, `continue` where its body is waited for and the client waits to be asked for it. */
  next(): HttpRequest | 'continue' | undefined {
    this.head ??= this.takeHead()
    const { head } = this
    if (!head) return undefined
    if (!this.takeBody(head)) {
      const isAsking = head.minor > 0 && head.headers.get('expect')?.toLowerCase() === '100-continue'
      return isAsking && this.input.length === 0 && this.body.length === 0 ? 'continue' : undefined
    }
    const body = this.body.view(0, this.body.length).slice()
    this.body.drop(this.body.length)
    this.headBytes = new Uint8Array(0)
    this.head = undefined
    this.isBehindChunks = false
    return { ...head, body }
  }

  /** Up to the first empty line; blank lines in front are skipped. */
  private takeHead(): Head | undefined {
    if (this.scanned === 0) {
      const text = this.text(LONGEST_INPUT)
      let blank = 0
      while (text[blank] === 13 || text[blank] === 10) blank++
      this.input.drop(blank)
    }
    const text = this.text(LONGEST_HEAD + 4)
    const from = Math.max(0, this.scanned - 3)
    const [strict, loose] = [text.indexOf('\r\n\r\n', from), text.indexOf('\n\n', from)]
    const ends = [strict < 0 ? undefined : strict + 4, loose < 0 ? undefined : loose + 2].filter(
      (end) => end !== undefined,
    )
    if (ends.length === 0) {
      if (text.length > LONGEST_HEAD) throw new BadRequest(431, 'the header is too long')
      this.scanned = text.length
      return undefined
    }
    this.headBytes = this.take(Math.min(...ends))
    return readHead(this.headBytes)
  }

  /** Whether it is whole. */
  private takeBody({ headers }: Head): boolean {
    const encoding = headers.get('transfer-encoding')
    const length = headers.get('content-length')
    if (encoding !== undefined) {
      // Both of them say two things of where a request ends (RFC 9112 6.1).
      if (encoding.toLowerCase() !== 'chunked' || length !== undefined)
        throw new BadRequest(400, 'the length of the body is unclear')
      return this.takeChunks()
    }
    if (length === undefined) return true
    if (!/^\d{1,15}$/.test(length)) throw new BadRequest(400, 'the length of the body is no number')
    if (Number(length) > LONGEST_BODY) throw new BadRequest(413, 'the body is too large')
    this.body.append(this.take(Math.min(this.input.length, Number(length) - this.body.length)))
    return this.body.length === Number(length)
  }

  private takeChunks(): boolean {
    while (!this.isBehindChunks) {
      if (this.chunk === 0) {
        const line = this.takeLine(LONGEST_CHUNK_LINE)
        if (line === undefined) return false
        const [, digits] = /^([\da-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line) ?? []
        if (digits === undefined) throw new BadRequest(400, 'a chunk is malformed')
        const length = Number.parseInt(digits, 16)
        if (this.body.length + length > LONGEST_BODY) throw new BadRequest(413, 'the body is too large')
        if (length === 0) this.isBehindChunks = true
        else this.chunk = length + 2
      }
      const data = Math.min(this.input.length, this.chunk - 2)
      if (data > 0) {
        this.body.append(this.take(data))
        this.chunk -= data
      }
      if (this.chunk > 2 || (this.chunk > 0 && this.input.length < 2)) return false
      if (this.chunk > 0 && Buffer.from(this.take(2)).toString('latin1') !== '\r\n')
        throw new BadRequest(400, 'a chunk is malformed')
      this.chunk = 0
    }
    // Trailers, up to an empty line: nobody asks for them.
    for (let line = this.takeLine(LONGEST_HEAD); line !== undefined; line = this.takeLine(LONGEST_HEAD))
      if (line === '') return true
    return false
  }

  /** Without its end; undefined: it has not come yet. */
  private takeLine(longest: number): string | undefined {
    const text = this.text(longest + 2)
    const end = text.indexOf('\r\n', Math.max(0, this.scanned - 1))
    if (end < 0) {
      if (text.length > longest) throw new BadRequest(400, 'a chunk is malformed')
      this.scanned = text.length
      return undefined
    }
    return Buffer.from(this.take(end + 2).subarray(0, end)).toString('latin1')
  }

  /** The input's first bytes. */
  private text(most: number): Buffer {
    const { buffer, byteOffset, length } = this.input.view(0, most)
    return Buffer.from(buffer, byteOffset, length)
  }

  private take(count: number): Uint8Array {
    const taken = this.input.view(0, count).slice()
    this.input.drop(count)
    this.scanned = 0
    return taken
  }
}

function headOf(bytes: Uint8Array): Head | undefined {
  return bytes.length === 0 ? undefined : readHead(bytes)
}

function readHead(bytes: Uint8Array): Head {
  const [line, ...lines] = Buffer.from(bytes).toString('latin1').trimEnd().split(/\r?\n/)
  const [, method, target, minor] = /^([!#$%&'*+.^_`|~\w-]{1,32}) (\S{1,8000}) HTTP\/1\.([01])$/.exec(line) ?? []
  if (method === undefined) throw new BadRequest(400, 'this is no request of HTTP/1.1')
  if (lines.length > MOST_HEADERS) throw new BadRequest(431, 'there are too many headers')
  const headers = new Map<string, string>()
  for (const one of lines) {
    const colon = one.indexOf(':')
    const value = trimmed(one.slice(colon + 1))
    // RFC 9110 5.5: a CR or NUL in a value is nothing that two programs read alike.
    if (colon < 1 || !/^[!#$%&'*+.^_`|~\w-]+$/.test(one.slice(0, colon)) || /[\r\0]/.test(value))
      throw new BadRequest(400, 'a header is malformed')
    const lower = one.slice(0, colon).toLowerCase()
    const before = headers.get(lower)
    headers.set(lower, before === undefined ? value : `${before}, ${value}`)
  }
  return { method, target, minor: Number(minor), headers }
}

/** Without blanks around it; by hand, because patterns that do so try each blank as the last. */
function trimmed(value: string): string {
  const isBlank = (at: number) => value[at] === ' ' || value[at] === '\t'
  let [start, end] = [0, value.length]
  while (start < end && isBlank(start)) start++
  while (end > start && isBlank(end - 1)) end--
  return value.slice(start, end)
}
