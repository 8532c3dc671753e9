/** Where monitors connect: a socket in the file system, or a port of this host; lines for people, JSON for programs. */
import { createServer, type Server, type Socket } from 'node:net'
import { answerQmp, type MonitorConsole, QMP_GREETING } from './monitor-console.js'
import { listenAt, nameOf, type SocketAddress } from './socket-address.js'

/** As QEMU's, which scripts wait for. */
export const PROMPT = '(qemu) '
const GREETING = "Bootwright's monitor; 'help' lists what it does\n"
/** Characters of a line. */
const LONGEST_LINE = 64 << 10
const MOST_SESSIONS = 16

export class MonitorServer {
  private readonly sessions = new Set<Socket>()

  /** @param option For messages. Rejects with a ViewError. */
  static async open(
    address: SocketAddress,
    option: string,
    console: MonitorConsole,
    json: boolean,
  ): Promise<MonitorServer> {
    // Scripts end their side as soon as they have asked all: 'echo info status | socat - UNIX:…'.
    const server = createServer({ allowHalfOpen: true })
    await listenAt(server, address, option)
    return new MonitorServer(server, address, console, json)
  }

  private constructor(
    private readonly server: Server,
    private readonly at: SocketAddress,
    private readonly console: MonitorConsole,
    private readonly json: boolean,
  ) {
    server.on('connection', (socket) => this.serve(socket))
  }

  /** For people. */
  get address(): string {
    return nameOf(this.at, this.server)
  }

  async close(): Promise<void> {
    for (const socket of this.sessions) socket.end()
    const closed = new Promise((resolve) => this.server.close(resolve))
    for (const socket of this.sessions) socket.destroySoon()
    await closed
  }

  private serve(socket: Socket): void {
    if (this.sessions.size >= MOST_SESSIONS) {
      socket.destroy()
      return
    }
    this.sessions.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.sessions.delete(socket))
    socket.setEncoding('utf8')
    const { console, json } = this
    if (json) socket.write(`${JSON.stringify(QMP_GREETING)}\r\n`)
    else socket.write(GREETING + PROMPT)
    void converse(
      socket,
      async (line) => {
        const said = await replyTo(console, line, json)
        socket.write(json ? said && `${said}\r\n` : said + PROMPT)
      },
      () => socket.destroySoon(),
    )
  }
}

/** What a line is answered with, in JSON or a person's words; nothing where it is empty. */
export async function replyTo(console: MonitorConsole, line: string, json: boolean): Promise<string> {
  if (line.trim() === '') return ''
  return json ? JSON.stringify(await answerQmp(console, line)) : console.answer(line)
}

/** Answers line by line, one after the other. @param over The machine has ended, or a line is no person's. */
export async function converse(
  lines: AsyncIterable<string>,
  answer: (line: string) => Promise<void>,
  over: () => void,
): Promise<void> {
  let rest = ''
  try {
    for await (const piece of lines) {
      const parts = (rest + piece).split(/\r?\n/)
      rest = parts.pop() ?? ''
      if (rest.length > LONGEST_LINE) break
      for (const line of parts) await answer(line)
    }
  } catch {
    // It has gone.
  }
  over()
}
