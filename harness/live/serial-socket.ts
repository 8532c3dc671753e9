/** COM1 on a socket: one peer at a time, who gets what the guest sends and whose bytes the guest gets, as a terminal or kgdb's. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { listenAt, nameOf, type SocketAddress } from './socket-address.js'
import { ViewError } from './vnc-server.js'

/** Bytes that a peer who does not read may leave with us. */
const MOST_UNREAD = 8 << 20

/** Gives bytes to the guest. False: there is no room for more before `resume`. */
export type Taker = (bytes: Uint8Array) => boolean

export class SerialSocket {
  private peer: Socket | undefined

  /** Rejects with a ViewError. */
  static async listen(address: SocketAddress, take: Taker): Promise<SerialSocket> {
    // Who has said all still listens: 'echo ls | socat - UNIX:…'.
    const server = createServer({ allowHalfOpen: true })
    await listenAt(server, address, '--serial')
    const line = new SerialSocket(nameOf(address, server), take, server)
    server.on('connection', (socket) => line.welcome(socket))
    return line
  }

  /** To somebody else who listens. Rejects with a ViewError. */
  static async connect(address: SocketAddress, take: Taker): Promise<SerialSocket> {
    const name = nameOf(address)
    const line = new SerialSocket(name, take)
    const socket = connect({ ...address, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', ({ code }: NodeJS.ErrnoException) =>
        reject(
          new ViewError(
            `--serial: nobody listens at ${name} (${code}); add ,server=on,wait=off to listen there itself`,
          ),
        ),
      )
    })
    line.attach(socket)
    return line
  }

  private constructor(
    /** For people. */
    readonly name: string,
    private readonly take: Taker,
    private readonly server?: Server,
  ) {}

  get isConnected(): boolean {
    return this.peer !== undefined
  }

  /** What the guest sends is lost where nobody is, as on a cable that is out. */
  send(bytes: Uint8Array): void {
    const { peer } = this
    if (!peer) return
    peer.write(bytes)
    if (peer.writableLength > MOST_UNREAD) peer.destroy()
  }

  /** The guest has room again. */
  resume(): void {
    this.peer?.resume()
  }

  async close(): Promise<void> {
    this.peer?.destroySoon()
    const { server } = this
    if (server) await new Promise((resolve) => server.close(resolve))
  }

  /** The second of two is not heard, as by QEMU; but the first may be gone and have said no more than that it says no more. */
  private welcome(socket: Socket): void {
    if (this.peer && !this.peer.readableEnded) socket.destroy()
    else {
      this.peer?.destroy()
      this.attach(socket)
    }
  }

  private attach(socket: Socket): void {
    this.peer = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      if (!this.take(bytes)) socket.pause()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.peer === socket) this.peer = undefined
    })
  }
}
