/** A guest's UDP: a socket of the host's for each of its ports, which hears only those that were spoken to. */
import type { Socket } from 'node:dgram'
import { isIP } from 'node:net'
import type { OutsideEvent, OutsideInput } from '../../machine/network/outside.js'
import type { Dialer } from './dialer.js'

export type UdpOut = Extract<OutsideEvent, { kind: 'udp-out' }>

const MOST_SOCKETS = 64
const MOST_FAR = 1024
/** Of the host's: a socket on which nothing comes or goes, ms. */
const IDLE = 60_000

interface Flow {
  socket: Socket
  /** Those that it was spoken to, by what the guest calls them. */
  far: Map<string, UdpOut>
  timer: NodeJS.Timeout
}

export class HostDatagrams {
  /** By the guest's address and port, the one used last at the end. */
  private readonly flows = new Map<string, Flow>()

  constructor(
    private readonly dialer: Dialer,
    private readonly say: (event: OutsideInput) => void,
  ) {}

  /** @param address Where it really goes. */
  send(event: UdpOut, address: string): void {
    const family = isIP(address) === 6 ? 6 : 4
    const key = `${family} ${event.guest} ${event.guestPort}`
    const flow = this.flows.get(key) ?? this.open(key, family)
    this.flows.delete(key)
    this.flows.set(key, flow)
    flow.timer.refresh()
    if (flow.far.size >= MOST_FAR) flow.far.clear()
    flow.far.set(`${address} ${event.farPort}`, event)
    flow.socket.send(event.bytes, event.farPort, address, () => {})
  }

  close(): void {
    for (const key of [...this.flows.keys()]) this.drop(key)
  }

  private open(key: string, family: 4 | 6): Flow {
    if (this.flows.size >= MOST_SOCKETS) this.drop(this.flows.keys().next().value as string)
    const socket = this.dialer.datagrams(family)
    const flow: Flow = { socket, far: new Map(), timer: setTimeout(() => this.drop(key), IDLE) }
    flow.timer.unref()
    socket.unref()
    socket.on('error', () => this.drop(key))
    socket.on('message', (bytes, { address, port }) => {
      const asked = flow.far.get(`${address} ${port}`)
      if (!asked) return
      flow.timer.refresh()
      const { mac, guest, far, guestPort, farPort } = asked
      this.say({ kind: 'udp-in', mac, guest, far, guestPort, farPort, bytes: Uint8Array.from(bytes) })
    })
    return flow
  }

  private drop(key: string): void {
    const flow = this.flows.get(key)
    if (!flow) return
    this.flows.delete(key)
    clearTimeout(flow.timer)
    flow.socket.close()
  }
}
