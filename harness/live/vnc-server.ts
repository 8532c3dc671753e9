/** Plain VNC: RFB over TCP. */

import { createServer, type Server, type Socket } from 'node:net'
import { HostError } from '../../machine/errors.js'
import type { LiveMachine, LiveScreen } from './live-machine.js'
import { RfbSession } from './rfb-session.js'

/** Where viewers of VNC are let in. */
export interface VncAddress {
  host: string
  port: number
  /** undefined: none is asked for; on loopback alone. */
  password?: string
}

/** A live view cannot be opened. One sentence. */
export class ViewError extends HostError {
  override readonly name = 'ViewError'
}

/** Of a handshake as a whole, in which a person may have to type the password, ms. */
const HANDSHAKE = 60_000
/** How long the last words may take to go out, ms. */
const LAST_WORDS = 1000
/** A hundred viewers are none of a person's. */
const MAX_VIEWERS = 32
/** Connections that are not in yet. */
const MAX_HANDSHAKES = 32

export class VncServer {
  private readonly viewers = new Set<Socket>()
  /** The oldest first. */
  private readonly handshakes = new Map<Socket, NodeJS.Timeout>()

  /** Rejects with a ViewError. */
  static async open(address: VncAddress, machine: LiveMachine, screen: LiveScreen): Promise<VncServer> {
    const server = createServer()
    await listen(server, address.port, address.host, `--vnc: port ${address.port}`)
    return new VncServer(server, { machine, screen, password: address.password })
  }

  private constructor(
    private readonly server: Server,
    private readonly options: { machine: LiveMachine; screen: LiveScreen; password?: string },
  ) {
    server.on('connection', (socket) => this.serve(socket))
  }

  /** Ends all viewers. */
  async close(): Promise<void> {
    for (const socket of [...this.viewers, ...this.handshakes.keys()]) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private serve(socket: Socket): void {
    if (this.handshakes.size >= MAX_HANDSHAKES) this.makeRoom()
    this.handshakes.set(
      socket,
      setTimeout(() => socket.destroy(), HANDSHAKE),
    )
    socket.setNoDelay(true)
    const session = new RfbSession(
      { write: (bytes) => socket.write(bytes), backlog: () => socket.writableLength, close: () => leave(socket) },
      {
        ...this.options,
        onAgreed: () => {
          this.endHandshake(socket)
          if (this.viewers.size >= MAX_VIEWERS) socket.destroy()
          else this.viewers.add(socket)
        },
      },
    )
    socket.on('data', (bytes) => session.receive(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('drain', () => session.resume())
    socket.on('close', () => {
      this.endHandshake(socket)
      this.viewers.delete(socket)
      session.end()
    })
    session.run()
  }

  /**
   * Ends the oldest handshake of the address that has the most: whoever opens connections and says nothing is in its
   * own way, not in that of others.
   */
  private makeRoom(): void {
    const counts = new Map<string | undefined, number>()
    for (const { remoteAddress } of this.handshakes.keys())
      counts.set(remoteAddress, (counts.get(remoteAddress) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const socket of this.handshakes.keys()) {
      if (counts.get(socket.remoteAddress) !== most) continue
      this.endHandshake(socket)
      socket.destroy()
      return
    }
  }

  private endHandshake(socket: Socket): void {
    clearTimeout(this.handshakes.get(socket))
    this.handshakes.delete(socket)
  }
}

/** Says what was written last, and reads nothing any more. */
function leave(socket: Socket): void {
  const late = setTimeout(() => socket.destroy(), LAST_WORDS)
  socket.on('close', () => clearTimeout(late))
  socket.destroySoon()
}

/**
 * Rejects with a ViewError that begins with `what`.
 * @param what As in `--vnc: port 5901`.
 */
export async function listen(server: Server, port: number, host: string, what: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reasons: { readonly [code: string]: string } = {
        EADDRINUSE: 'is in use; name another, or end the program that has it',
        EACCES: 'may not be opened by this user; name another above 1023',
        EADDRNOTAVAIL: `cannot be opened: ${host} is no address of this host`,
        ENOTFOUND: `cannot be opened: there is no host '${host}'`,
      }
      reject(new ViewError(`${what} ${reasons[error.code ?? ''] ?? `cannot be opened (${error.message})`}`))
    })
    server.listen(port, host, resolve)
  })
  server.removeAllListeners('error')
}
