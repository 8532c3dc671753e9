/**
 * The live view in a browser: a page, noVNC's modules, and two WebSockets, one with RFB and one with everything else.
 * On loopback alone, below a token that nobody guesses, and only for pages that come from here.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join, posix } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { keyCode } from '../keys/keys.js'
import type { LiveMachine, LiveScreen } from './live-machine.js'
import { RfbSession } from './rfb-session.js'
import { viewPage } from './view-page.js'
import { listen } from './vnc-server.js'

/** The page's own files, which the build copies beside the compiled code. */
const ownFile = (name: string) => readFile(new URL(`page/${name}`, import.meta.url), 'utf8')
const LOOPBACK = '127.0.0.1'
const MAX_MESSAGE = 1 << 20
/** Characters of a line for the monitor. */
const LONGEST_LINE = 1000
/** How long pages may take to go, ms. */
const GRACE = 500
/** Serial text that a page which is opened later still gets, characters. */
const SERIAL_KEPT = 64 << 10
/** Bytes that may wait for a page that does not read before it is told nothing more until it does. */
const MAX_BACKLOG = 2 << 20
const LEFT_OUT = '\r\n[this page did not read for a while: some output is left out here]\r\n'
const NOT_TAKEN = '\r\n[the guest does not read what is typed: some is left out here]\r\n'
/** Sockets of pages; a page has two. */
const MAX_SOCKETS = 32

/** What the page is told beside pictures. */
export type ViewMessage =
  | { kind: 'state'; text: string }
  | { kind: 'serial'; text: string }
  | { kind: 'ended'; text: string }
  /** Of codegen. */
  | { kind: 'lines'; lines: readonly string[] }
  | { kind: 'note'; text: string }
  /** What the monitor answers. */
  | { kind: 'monitor'; text: string }

/** What it says. */
export type PageMessage = { readonly kind: string; readonly [name: string]: unknown }

export interface ViewOptions {
  machine: LiveMachine
  screen: LiveScreen
  /** 0: any that is free. */
  port: number
  /** Bytes that a person types into COM1. False: the guest takes none at present, and they are left out. */
  onSerial?: (bytes: Uint8Array) => boolean
  /** The page has codegen's tools, and what they say comes here. */
  onTool?: (message: PageMessage) => void
}

export class ViewServer {
  private readonly token = randomBytes(18).toString('base64url')
  private readonly sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, autoPong: false })
  /** Those that are behind are brought up to date when they read again. */
  private readonly pages = new Map<WebSocket, { isBehind: boolean }>()
  private readonly lasting = new Map<string, ViewMessage>()
  private serial = ''
  /** Answers what the page's monitor is asked. */
  console: { answer(line: string): Promise<string> } | undefined
  private readonly novnc = dirname(dirname(createRequire(import.meta.url).resolve('@novnc/novnc')))

  /** Rejects with a ViewError. */
  static async open(options: ViewOptions): Promise<ViewServer> {
    const server = createServer()
    await listen(server, options.port, LOOPBACK, `--ui: port ${options.port}`)
    return new ViewServer(server, options)
  }

  private constructor(
    private readonly server: Server,
    private readonly options: ViewOptions,
  ) {
    server.on('request', (request, response) => this.answer(request, response))
    server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head))
  }

  /** Whoever has it can see and type. */
  get url(): string {
    return `http://${LOOPBACK}:${this.port}/${this.token}/`
  }

  /** To all pages; the last of each kind also to those that come later. */
  tell(message: ViewMessage): void {
    if (message.kind === 'serial') this.serial = (this.serial + message.text).slice(-SERIAL_KEPT)
    else this.lasting.set(message.kind, message)
    for (const page of this.pages.keys()) this.sendTo(page, message)
  }

  private sendTo(page: WebSocket, message: ViewMessage): void {
    const state = this.pages.get(page)
    if (!state || state.isBehind) return
    if (page.bufferedAmount > MAX_BACKLOG) state.isBehind = true
    else page.send(JSON.stringify(message), () => this.catchUp(page))
  }

  private catchUp(page: WebSocket): void {
    const state = this.pages.get(page)
    if (!state?.isBehind || page.bufferedAmount > 0) return
    state.isBehind = false
    this.tellAll(page, LEFT_OUT)
  }

  /** What a page has to know that has not heard it. */
  private tellAll(page: WebSocket, before = ''): void {
    if (this.serial !== '') this.sendTo(page, { kind: 'serial', text: before + this.serial })
    for (const message of this.lasting.values()) this.sendTo(page, message)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    this.server.closeIdleConnections()
    // With time for the last words.
    for (const socket of this.sockets.clients) socket.close(1001)
    await Promise.race([closed, sleep(GRACE, undefined, { ref: false })])
    for (const socket of this.sockets.clients) socket.terminate()
    this.server.closeAllConnections()
    this.sockets.close()
    await closed
  }

  private get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** What of the path is behind the token; undefined where the request is none of ours. */
  private pathOf({ headers, url = '' }: IncomingMessage): string | undefined {
    const hosts = [LOOPBACK, 'localhost', '[::1]'].map((host) => `${host}:${this.port}`)
    // A name that leads here by somebody's DNS shows in the host; another page shows in the origin.
    if (!hosts.includes(headers.host ?? '')) return undefined
    if (headers.origin !== undefined && !hosts.some((host) => headers.origin === `http://${host}`)) return undefined
    const [, token, path] = /^\/([^/?#]*)(\/[^?#]*)?/.exec(url) ?? []
    const [given, wanted] = [Buffer.from(token ?? ''), Buffer.from(this.token)]
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined
    return path ?? ''
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = this.pathOf(request)
    if (path === undefined) {
      send(response, 403, 'text/plain', 'This is not the address that the command has printed.\n')
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'text/plain', 'There is nothing here but to be read.\n')
    } else if (path === '') {
      response.writeHead(308, { location: this.url }).end()
    } else if (path === '/') {
      const { machine, onTool } = this.options
      send(response, 200, 'text/html', viewPage({ title: machine.title, tools: onTool !== undefined }))
    } else if (path === '/view.js') send(response, 200, 'text/javascript', await ownFile('view.js'))
    else if (path === '/view.css') send(response, 200, 'text/css', await ownFile('view.css'))
    else await this.sendModule(path, response)
  }

  private async sendModule(path: string, response: ServerResponse): Promise<void> {
    const module = /^\/novnc\/((?:core|vendor)\/[\w./-]+\.js)$/.exec(path)?.[1]
    const file = module === undefined || module !== posix.normalize(module) ? undefined : join(this.novnc, module)
    try {
      if (file === undefined) throw new Error('no module')
      send(response, 200, 'text/javascript', await readFile(file))
    } catch {
      send(response, 404, 'text/plain', 'There is no such file.\n')
    }
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = this.pathOf(request)
    socket.on('error', () => socket.destroy())
    const isKnown = path === '/rfb' || path === '/control'
    if (!isKnown || this.sockets.clients.size >= MAX_SOCKETS) {
      const status = isKnown ? '503 Service Unavailable' : path === undefined ? '403 Forbidden' : '404 Not Found'
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
      return
    }
    this.sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => client.terminate())
      // Answers to pings pile up like anything else that is not read.
      client.on('ping', (data) => {
        if (client.bufferedAmount < MAX_MESSAGE) client.pong(data)
      })
      if (path === '/rfb') this.serveScreen(client)
      else this.servePage(client)
    })
  }

  private serveScreen(client: WebSocket): void {
    const { machine, screen } = this.options
    const session = new RfbSession(
      {
        write: (bytes) => client.send(bytes, () => session.resume()),
        backlog: () => client.bufferedAmount,
        close: () => client.close(),
      },
      { machine, screen },
    )
    client.on('message', (data: Buffer) => session.receive(data))
    client.on('close', () => session.end())
    session.run()
  }

  private servePage(page: WebSocket): void {
    this.pages.set(page, { isBehind: false })
    page.on('close', () => this.pages.delete(page))
    page.on('message', (data: Buffer) => this.hear(data.toString('utf8'), page))
    this.tellAll(page)
  }

  /** The page is ours, but what comes over a socket is anyone's. */
  private hear(text: string, page: WebSocket): void {
    const { machine, onSerial, onTool } = this.options
    const message = messageOf(text)
    switch (message?.kind) {
      case 'press':
        this.press(message.keys)
        break
      case 'mouse': {
        const [dx, dy, dz, buttons] = [message.dx, message.dy, message.dz, message.buttons].map(whole)
        machine.mouse({ dx, dy, dz: Math.sign(dz), buttons: buttons & 7 })
        break
      }
      case 'serial':
        if (typeof message.text === 'string' && onSerial?.(new TextEncoder().encode(message.text)) === false)
          this.tell({ kind: 'serial', text: NOT_TAKEN })
        break
      case 'monitor':
        if (typeof message.line === 'string') this.ask(message.line.slice(0, LONGEST_LINE), page)
        break
      default:
        if (message) onTool?.(message)
    }
  }

  private ask(line: string, page: WebSocket): void {
    const tell = (text: string) => this.sendTo(page, { kind: 'monitor', text })
    if (this.console) this.console.answer(line).then(tell, () => tell('the machine has ended\n'))
    else tell('there is no monitor here\n')
  }

  /** Keys that a browser cannot give away. */
  private press(keys: unknown): void {
    if (!Array.isArray(keys) || keys.length > 4) return
    try {
      const codes = keys.map((key) => keyCode(String(key)))
      for (const code of codes) this.options.machine.key({ code, down: true })
      for (const code of codes.reverse()) this.options.machine.key({ code, down: false })
    } catch {
      // No key.
    }
  }
}

function messageOf(text: string): PageMessage | undefined {
  try {
    const message = JSON.parse(text)
    return typeof message?.kind === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

function whole(value: unknown): number {
  return typeof value === 'number' && Math.abs(value) < 1e5 ? Math.round(value) : 0
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  })
  response.end(body)
}
