/** HTTP on one connection: requests one after the other, answers in the same order, and what of an answer is still to go. */
import type { Clock } from '../../../clock.js'
import type { StateTable } from '../../../device.js'
import { bytes, count, flag, text } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import type { Content } from '../../contents.js'
import { addressText } from '../addresses.js'
import { SMALL_WINDOW, type TcpApplication, type TcpConnection } from '../tcp/tcp-connection.js'
import { BadRequest, type HttpRequest, RequestReader } from './http-request.js'
import { type HttpServer, headOf, LARGEST_BODY, LONGEST_PATH, plainAnswer, type Served } from './http-server.js'
import type { RequestLog } from './request-log.js'

const LONGEST_REST = LARGEST_BODY + 4096
/** Read of a file at a time. */
const PIECE = 64 << 10
/** Of bodies and answers, for all clients together: who asks for more is told to come again. */
const MOST_KEPT = 128 << 20
/** What is no more than this is not worth counting. */
const SMALL = 64 << 10
const TOO_MUCH = 'too much is being sent to others; ask again later'
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

export interface HttpHost {
  readonly clock: Clock
  readonly log: RequestLog
  readonly server: HttpServer
  /** Seconds since 1970. */
  now(): number
  /** What all sessions keep, bytes. */
  kept(): number
}

export class HttpSession implements TcpApplication {
  readonly state: StateTable = {
    ...{ reader: part(), rest: bytes(0, LONGEST_REST), path: text(LONGEST_PATH), offset: count, end: count },
    ...{
      request: count,
      status: count,
      sent: count,
      isLast: flag,
      isAnswering: flag,
      isAsked: flag,
      guestIsDone: flag,
    },
  }
  private readonly reader = new RequestReader()
  /** Of the head and of a body that is no file. */
  private rest: Uint8Array = new Uint8Array(0)
  /** The file that is sent, from `offset` to `end`. */
  private path = ''
  private offset = 0
  private end = 0
  /** Its number in the log. */
  private request = 0
  private status = 0
  /** Of the body. */
  private sent = 0
  /** The connection ends after this answer. */
  private isLast = false
  private isAnswering = false
  /** The client was told to go on. */
  private isAsked = false
  private guestIsDone = false
  private content: Content | undefined

  constructor(
    private readonly connection: TcpConnection,
    private readonly host: HttpHost,
  ) {}

  /** Requests behind the one that is answered: no more come than a window holds. */
  get held(): number {
    return this.reader.unread
  }

  /** Bytes of a request and of an answer that are kept. */
  get kept(): number {
    return this.reader.held + this.rest.length
  }

  received(data: Uint8Array): void {
    if (this.isLast) return
    try {
      const before = this.reader.held
      this.reader.add(data)
      this.proceed()
      const isLarger = Math.floor(this.reader.held / SMALL) > Math.floor(before / SMALL)
      if (isLarger && this.host.kept() > MOST_KEPT) throw new BadRequest(503, TOO_MUCH)
    } catch (error) {
      this.refuse(error)
    }
  }

  ended(): void {
    this.guestIsDone = true
    if (!this.isAnswering) this.connection.end()
  }

  writable(): void {
    if (!this.isAnswering) return
    try {
      this.pump()
      if (!this.isAnswering) this.proceed()
    } catch (error) {
      this.refuse(error)
    }
  }

  closed(why?: string): void {
    if (this.isAnswering)
      this.host.log.answered(this.request, `${this.status}, ${why ?? 'closed'} after ${this.sent} bytes`)
    this.isAnswering = false
    this.closeFile()
  }

  /** Answers what has come, as far as one answer is through. */
  private proceed(): void {
    const before = this.held
    this.answerAll()
    if (before > SMALL_WINDOW && this.held <= SMALL_WINDOW) this.connection.announceWindow()
  }

  private answerAll(): void {
    while (!this.isAnswering && !this.isLast) {
      const request = this.reader.next()
      if (request === 'continue' && !this.isAsked) {
        this.isAsked = true
        this.connection.write(CONTINUE)
      }
      if (!request || request === 'continue') break
      this.isAsked = false
      this.answer(request)
    }
    if (!this.isAnswering && this.guestIsDone) this.connection.end()
  }

  private answer(request: HttpRequest): void {
    const { host, connection } = this
    const { method, target, headers, minor } = request
    const from = addressText(connection.remoteAddress)
    this.request = host.log.add(host.clock.now(), 'http', from, `${method} ${target}`).number
    const connectionWords = (headers.get('connection') ?? '').toLowerCase()
    const isKept = minor === 1 ? !connectionWords.includes('close') : connectionWords.includes('keep-alive')
    const answer = host.server.answer(request, this.request)
    const { body } = answer
    const isTooMuch = body instanceof Uint8Array && body.length > SMALL && host.kept() + body.length > MOST_KEPT
    this.begin(isTooMuch ? plainAnswer(503, TOO_MUCH) : answer, method === 'HEAD', isKept, minor === 0)
  }

  private refuse(error: unknown): void {
    if (!(error instanceof BadRequest)) throw error
    if (this.isAnswering) {
      this.isLast = true
      return
    }
    const { host, connection } = this
    const from = addressText(connection.remoteAddress)
    this.request = host.log.add(host.clock.now(), 'http', from, `no request: ${error.message}`).number
    this.begin(plainAnswer(error.status, error.message), false, false, false)
  }

  private begin({ status, headers, body }: Served, isHead: boolean, isKept: boolean, isOld: boolean): void {
    const isFile = !(body instanceof Uint8Array)
    const length = isFile ? body.end - body.offset : body.length
    const date = new Date(Math.floor(this.host.now()) * 1000).toUTCString()
    const head = headOf({
      status,
      headers: [
        ['Date', date],
        ['Server', 'Bootwright'],
        ...headers,
        ...(status === 304 ? [] : ([['Content-Length', String(length)]] as [string, string][])),
        ...(!isKept ? ([['Connection', 'close']] as [string, string][]) : []),
        ...(isKept && isOld ? ([['Connection', 'keep-alive']] as [string, string][]) : []),
      ],
    })
    this.rest = isFile || isHead ? head : Buffer.concat([head, body])
    this.path = isFile && !isHead ? body.path : ''
    this.offset = isFile ? body.offset : 0
    this.end = isFile && !isHead ? body.end : this.offset
    this.status = status
    this.sent = -head.length
    this.isLast = !isKept
    this.isAnswering = true
    this.pump()
  }

  /** Writes as much as there is room for. */
  private pump(): void {
    const { connection } = this
    for (let { room } = connection; room > 0 && this.isAnswering; { room } = connection) {
      if (this.rest.length > 0) {
        const piece = this.rest.subarray(0, room)
        this.rest = withoutFirst(this.rest, piece.length)
        this.sent += piece.length
        connection.write(piece)
      } else if (this.offset < this.end) {
        const { offset } = this
        const length = Math.min(room, PIECE, this.end - offset)
        this.offset += length
        this.sent += length
        connection.writeBy(length, (into) => this.read(offset, into))
      } else {
        this.finish()
        return
      }
    }
    if (this.isAnswering && this.rest.length === 0 && this.offset >= this.end) this.finish()
  }

  private read(offset: number, into: Uint8Array): void {
    this.content ??= this.host.server.open(this.path)
    if (this.content) this.content.read(offset, into)
    else into.fill(0)
  }

  private finish(): void {
    this.isAnswering = false
    this.closeFile()
    this.host.log.answered(this.request, `${this.status}, ${Math.max(0, this.sent)} bytes`)
    if (this.isLast) this.connection.end()
  }

  private closeFile(): void {
    this.content?.close()
    this.content = undefined
  }
}

/** What is left of an answer, in no more than twice the memory. */
function withoutFirst(bytes: Uint8Array, count: number): Uint8Array {
  const rest = bytes.subarray(count)
  return rest.buffer.byteLength > 2 * Math.max(rest.length, SMALL) ? rest.slice() : rest
}
