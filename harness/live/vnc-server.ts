/** Plain VNC: RFB over TCP. */
import { createServer, type Server, type Socket } from 'node:net'
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
export class ViewError extends Error {
  override readonly name = 'ViewError'
}

/** Connections that have not come past the password yet, ms. */
const HANDSHAKE = 30_000
/** A hundred viewers are none of a person's. */
const MAX_VIEWERS = 32

export class VncServer {
  private readonly sockets = new Set<Socket>()

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
    server.maxConnections = MAX_VIEWERS
    server.on('connection', (socket) => this.serve(socket))
  }

  /** Ends all viewers. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket)
    socket.setNoDelay(true)
    const session = new RfbSession(
      { write: (bytes) => socket.write(bytes), backlog: () => socket.writableLength, close: () => socket.end() },
      this.options,
    )
    // A viewer that says nothing at first, and a way out for the last words of a refusal.
    socket.setTimeout(HANDSHAKE, () => {
      if (!session.isAgreed) socket.destroy()
    })
    socket.on('data', (bytes) => session.receive(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('drain', () => session.resume())
    socket.on('close', () => {
      this.sockets.delete(socket)
      session.end()
    })
    session.run()
  }
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
