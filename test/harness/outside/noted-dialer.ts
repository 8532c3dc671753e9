/** A guest's way out with nobody at its end. */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { UserNetConfig } from '../../../harness/config/way-out.js'
import type { Dialer } from '../../../harness/outside/dialer.js'
import { WayOut } from '../../../harness/outside/way-out.js'
import type { OutsideInput } from '../../../machine/network/outside.js'

/** A host that dials nobody, and writes down whom it was to dial. */
export class Noted implements Dialer {
  readonly dialled: string[] = []

  constructor(private readonly names: { readonly [name: string]: string[] } = {}) {}

  connect(address: string, port: number): Socket {
    this.dialled.push(`${address} ${port}`)
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    return Object.assign(socket, { setTimeout() {}, setNoDelay() {}, resetAndDestroy: () => socket.destroy() }) as never
  }

  run(command: string): Socket {
    this.dialled.push(command)
    return this.connect('', 0)
  }

  listen(): never {
    throw new Error('nothing is forwarded')
  }

  datagrams(_family?: 4 | 6): never {
    throw new Error('no datagram was to leave')
  }

  async addresses(name: string): Promise<string[]> {
    if (!Object.hasOwn(this.names, name)) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    return this.names[name]
  }

  async records(): Promise<unknown> {
    return [['v=spf1', '-all']]
  }

  async echo(address: string): Promise<string | undefined> {
    this.dialled.push(`echo ${address}`)
    return 'no answer came'
  }

  ownAddresses(): string[] {
    return []
  }
}

export function outside(dialer: Dialer, net: UserNetConfig = {}) {
  const said: OutsideInput[] = []
  const way = new WayOut([net], { say: (event) => said.push(event), datagramSeen() {} }, dialer)
  return { way, said }
}
