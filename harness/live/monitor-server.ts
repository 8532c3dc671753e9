/** Where monitors connect: a socket in the file system, or a port of this host; lines for people, JSON for programs. */
import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname, resolve } from 'node:path'
import { answerQmp, type MonitorConsole, QMP_GREETING } from './monitor-console.js'
import { listen, ViewError } from './vnc-server.js'

export type MonitorAddress = { path: string } | { host: string; port: number }

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
    address: MonitorAddress,
    option: string,
    console: MonitorConsole,
    json: boolean,
  ): Promise<MonitorServer> {
    // Scripts end their side as soon as they have asked all: 'echo info status | socat - UNIX:…'.
    const server = createServer({ allowHalfOpen: true })
    if ('path' in address) await listenAt(server, address.path, option)
    else await listen(server, address.port, address.host, `${option}: port ${address.port}`)
    return new MonitorServer(server, address, console, json)
  }

  private constructor(
    private readonly server: Server,
    private readonly at: MonitorAddress,
    private readonly console: MonitorConsole,
    private readonly json: boolean,
  ) {
    server.on('connection', (socket) => this.serve(socket))
  }

  /** For people. */
  get address(): string {
    if ('path' in this.at) return `unix:${this.at.path}`
    const { port } = this.server.address() as { port: number }
    return `${this.at.host.includes(':') ? `[${this.at.host}]` : this.at.host}:${port}`
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

/** Node says EACCES for all. */
function whyNot(path: string, { code }: NodeJS.ErrnoException): string {
  const folder = dirname(resolve(path))
  return existsSync(folder) ? String(code) : `there is no folder '${folder}'`
}

/** Nobody else of this host gets in. What a machine that was killed has left is replaced. */
async function listenAt(server: Server, path: string, option: string): Promise<void> {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path)
  } catch {
    // Listening tells why not.
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ViewError(`${option}: there can be no socket at '${path}' (${whyNot(path, error)}); name another path`),
      ),
    )
    server.listen(path, () => resolve())
  })
  chmodSync(path, 0o600)
}
