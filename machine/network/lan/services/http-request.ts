/** Requests of HTTP/1.1 (RFC 9112) as they come in pieces: a head, and a body by its length or in chunks. */
import type { Stateful, StateTable } from '../../../device.js'
import { bytes, integer } from '../../../state/fields.js'

export const LONGEST_HEAD = 16 << 10
export const LONGEST_BODY = 1 << 20
const MOST_HEADERS = 100
/** With the lines around chunks. */
const LONGEST_INPUT = LONGEST_HEAD + 2 * LONGEST_BODY

export interface HttpRequest {
  method: string
  target: string
  /** 0 or 1, of 1.0 and 1.1. */
  minor: number
  /** By names in small letters; several of one name are joined. */
  headers: Map<string, string>
  body: Uint8Array
}

/** It is none, or too large: with the status that says so. */
export class BadRequest extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export class RequestReader implements Stateful {
  readonly state: StateTable = { input: bytes(0, LONGEST_INPUT), scanned: integer(0, LONGEST_INPUT) }
  private input: Uint8Array = new Uint8Array(0)
  /** Up to here there is no end of a head. */
  private scanned = 0

  add(data: Uint8Array): void {
    if (this.input.length + data.length > LONGEST_INPUT) throw new BadRequest(413, 'the request is too large')
    this.input = this.input.length === 0 ? data : Buffer.concat([this.input, data])
  }

  get isEmpty(): boolean {
    return this.input.length === 0
  }

  /** The next whole request, `continue` where its body is waited for and the client waits to be asked for it. */
  next(): HttpRequest | 'continue' | undefined {
    const end = this.headEnd()
    if (end === undefined) return undefined
    const head = readHead(Buffer.from(this.input.subarray(0, end)).toString('latin1'))
    const body = readBody(head.headers, this.input.subarray(end))
    if (!body) {
      const isAsking = head.minor > 0 && head.headers.get('expect')?.toLowerCase() === '100-continue'
      return isAsking && this.input.length === end ? 'continue' : undefined
    }
    this.input = this.input.slice(end + body.consumed)
    this.scanned = 0
    return { ...head, body: body.body }
  }

  /** Where the first empty line ends; blank lines in front are skipped. */
  private headEnd(): number | undefined {
    let skip = 0
    while (this.scanned === 0 && (this.input[skip] === 13 || this.input[skip] === 10)) skip++
    if (skip > 0) this.input = this.input.slice(skip)
    const text = Buffer.from(this.input.buffer, this.input.byteOffset, Math.min(this.input.length, LONGEST_HEAD + 4))
    const from = Math.max(0, this.scanned - 3)
    const [strict, loose] = [text.indexOf('\r\n\r\n', from), text.indexOf('\n\n', from)]
    const ends = [strict < 0 ? undefined : strict + 4, loose < 0 ? undefined : loose + 2].filter(
      (end) => end !== undefined,
    )
    if (ends.length > 0) return Math.min(...ends)
    if (text.length > LONGEST_HEAD) throw new BadRequest(431, 'the header is too long')
    this.scanned = text.length
    return undefined
  }
}

function readHead(text: string): Omit<HttpRequest, 'body'> {
  const [line, ...lines] = text.trimEnd().split(/\r?\n/)
  const [, method, target, minor] = /^([!#$%&'*+.^_`|~\w-]{1,32}) (\S{1,8000}) HTTP\/1\.([01])$/.exec(line) ?? []
  if (method === undefined) throw new BadRequest(400, 'this is no request of HTTP/1.1')
  if (lines.length > MOST_HEADERS) throw new BadRequest(431, 'there are too many headers')
  const headers = new Map<string, string>()
  for (const one of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(one) ?? []
    if (name === undefined) throw new BadRequest(400, 'a header is malformed')
    const lower = name.toLowerCase()
    const before = headers.get(lower)
    headers.set(lower, before === undefined ? value : `${before}, ${value}`)
  }
  return { method, target, minor: Number(minor), headers }
}

interface Body {
  body: Uint8Array
  consumed: number
}

/** undefined: it has not come yet. */
function readBody(headers: ReadonlyMap<string, string>, rest: Uint8Array): Body | undefined {
  const encoding = headers.get('transfer-encoding')
  const length = headers.get('content-length')
  if (encoding !== undefined) {
    // Both of them say two things of where a request ends (RFC 9112 6.1).
    if (encoding.toLowerCase() !== 'chunked' || length !== undefined)
      throw new BadRequest(400, 'the length of the body is unclear')
    return readChunks(rest)
  }
  if (length === undefined) return { body: new Uint8Array(), consumed: 0 }
  if (!/^\d{1,15}$/.test(length)) throw new BadRequest(400, 'the length of the body is no number')
  if (Number(length) > LONGEST_BODY) throw new BadRequest(413, 'the body is too large')
  return rest.length < Number(length) ? undefined : { body: rest.slice(0, Number(length)), consumed: Number(length) }
}

function readChunks(rest: Uint8Array): Body | undefined {
  const text = Buffer.from(rest.buffer, rest.byteOffset, rest.length)
  const chunks: Uint8Array[] = []
  let size = 0
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) {
      if (text.length - at > LONGEST_HEAD) throw new BadRequest(400, 'a chunk is malformed')
      return undefined
    }
    const [, digits] = /^([\da-f]{1,8})[ \t]*(?:;.*)?$/i.exec(text.toString('latin1', at, end)) ?? []
    if (digits === undefined) throw new BadRequest(400, 'a chunk is malformed')
    const length = Number.parseInt(digits, 16)
    size += length
    if (size > LONGEST_BODY) throw new BadRequest(413, 'the body is too large')
    at = end + 2
    if (length === 0) {
      // Trailers, up to an empty line.
      const last =
        text.indexOf('\r\n', at) === at ? at : text.indexOf('\r\n\r\n', at) < 0 ? -1 : text.indexOf('\r\n\r\n', at) + 2
      return last < 0 ? undefined : { body: Buffer.concat(chunks), consumed: last + 2 }
    }
    if (text.length < at + length + 2) return undefined
    chunks.push(text.subarray(at, at + length))
    at += length + 2
  }
}
