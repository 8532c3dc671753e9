/** Where gdb connects: one debugger at a time, whose bytes go to the machine's thread and back. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { VmThread } from '../thread/machine-thread.js'
import { listen } from './vnc-server.js'

export interface GdbAddress {
  host: string
  port: number
}

/** Bytes that a debugger which does not read may leave with us. */
const MOST_UNREAD = 8 << 20

export class GdbServer {
  private debugger: Socket | undefined

  /** Rejects with a ViewError. */
  static async open({ host, port }: GdbAddress, vm: VmThread): Promise<GdbServer> {
    const server = createServer()
    await listen(server, port, host, `--gdb: port ${port}`)
    return new GdbServer(server, vm, host)
  }

  private constructor(
    private readonly server: Server,
    private readonly vm: VmThread,
    readonly host: string,
  ) {
    server.on('connection', (socket) => this.serve(socket))
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** From the machine. */
  send(bytes: Uint8Array): void {
    const { debugger: socket } = this
    if (!socket) return
    socket.write(bytes)
    if (socket.writableLength > MOST_UNREAD) socket.destroy()
  }

  async close(): Promise<void> {
    this.debugger?.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private serve(socket: Socket): void {
    // The second of two is not heard, as by QEMU's stub.
    if (this.debugger) {
      socket.destroy()
      return
    }
    this.debugger = socket
    socket.setNoDelay(true)
    this.vm.debug({ kind: 'gdb-open' })
    socket.on('data', (bytes) => this.vm.debug({ kind: 'gdb', bytes }))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.debugger = undefined
      this.vm.debug({ kind: 'gdb-close' })
    })
  }
}
