/**
 * A port of the host's whose datagrams are the guest's: who sends to it is a port of the gateway's to the guest, and what the
 * guest says to that goes back.
 */
import type { Socket } from 'node:dgram'
import type { OutsideInput } from '../../machine/network/outside.js'
import type { ForwardConfig } from '../config/way-out.js'
import type { UdpOut } from './host-datagrams.js'

/** Those who have sent something; who was not heard of for longest is forgotten. */
const MOST_PEERS = 256
/** Ports below are services', whose datagrams the LAN answers itself. */
const FIRST_PORT = 1024
const LAST_PORT = 65535

interface Peer {
  address: string
  port: number
}

export class ForwardedDatagrams {
  /** By the port that the guest knows them by, the one heard of last at the end. */
  private readonly peers = new Map<number, Peer>()
  private readonly guestPort: number

  constructor(
    private readonly socket: Socket,
    { guest, guestPort }: ForwardConfig,
    say: (event: OutsideInput) => void,
  ) {
    socket.on('message', (bytes, { address, port }) => {
      const farPort = this.portOf({ address, port })
      const to = { guestPort, ...(guest !== undefined && { guest }) }
      say({ kind: 'udp-forward', ...to, farPort, bytes: Uint8Array.from(bytes) })
    })
    socket.on('error', () => {})
    this.guestPort = guestPort
  }

  /** false: it is not for one of these. */
  answer({ guestPort, farPort, bytes }: UdpOut): boolean {
    const peer = guestPort === this.guestPort ? this.peers.get(farPort) : undefined
    if (!peer) return false
    this.socket.send(bytes, peer.port, peer.address, () => {})
    return true
  }

  close(): void {
    this.socket.close()
  }

  /** Its own, unless that is another's. */
  private portOf(peer: Peer): number {
    const isIt = (other: Peer | undefined) => other?.address === peer.address && other.port === peer.port
    let port = [...this.peers].find(([, other]) => isIt(other))?.[0] ?? peer.port
    while (port < FIRST_PORT || (this.peers.has(port) && !isIt(this.peers.get(port))))
      port = port >= LAST_PORT ? FIRST_PORT : Math.max(FIRST_PORT, port + 1)
    this.peers.delete(port)
    if (this.peers.size >= MOST_PEERS) this.peers.delete(this.peers.keys().next().value as number)
    this.peers.set(port, peer)
    return port
  }
}
