/** Where tests that pause ask to go on: vitest has no terminal under `bootwright test`, which reads Enter for them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadStream } from 'node:tty'
import { PAUSE_SOCKET_VARIABLE } from '../live/pause.js'

export class Pauses {
  /** The first to pause is the first to go on. */
  private readonly waiting: Socket[] = []

  static async open(stdin: ReadStream): Promise<Pauses> {
    // Others cannot come into the folder.
    const folder = mkdtempSync(join(tmpdir(), 'bootwright-pause-'))
    const path = process.platform === 'win32' ? join('\\\\.\\pipe', folder) : join(folder, 'socket')
    const server = createServer()
    const pauses = new Pauses(server, folder, path, stdin)
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    server.unref()
    return pauses
  }

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
    private readonly path: string,
    private readonly stdin: ReadStream,
  ) {
    server.on('connection', (socket) => this.wait(socket))
    stdin.on('data', this.onLine)
    stdin.pause()
  }

  get env(): NodeJS.ProcessEnv {
    return { [PAUSE_SOCKET_VARIABLE]: this.path }
  }

  close(): void {
    this.stdin.off('data', this.onLine)
    this.stdin.pause()
    for (const socket of this.waiting.splice(0)) socket.destroy()
    this.server.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private wait(socket: Socket): void {
    this.waiting.push(socket)
    this.stdin.resume()
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      const at = this.waiting.indexOf(socket)
      if (at >= 0) this.waiting.splice(at, 1)
      if (this.waiting.length === 0) this.stdin.pause()
    })
  }

  private readonly onLine = () => {
    this.waiting.shift()?.end('go on\n')
    if (this.waiting.length === 0) this.stdin.pause()
  }
}
