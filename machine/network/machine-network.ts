/**
 * What a machine's network cards are plugged into, and all that lies behind: a device like others to whoever saves and
 * loads the machine, which the machine's reset leaves alone.
 */
import type { Clock } from '../clock.js'
import type { Device, StateTable, Warn } from '../device.js'
import { part } from '../state/state-table.js'
import type { NetworkContents } from './contents.js'
import { macBytes } from './lan/addresses.js'
import { ARP, IPV4, IPV6 } from './lan/ethernet.js'
import { Lan } from './lan/lan.js'
import type { LoggedRequest } from './lan/services/request-log.js'
import { isOutsideInput, type OutsideEvent, type OutsideInput } from './outside.js'
import type { NetworkPort } from './port.js'
import { Switch, type SwitchPort } from './switch.js'
import { Trunk, type TrunkOptions } from './trunk.js'

/** A card, and what it is plugged into. */
export interface NicSpec {
  /** The card's, of the catalogue. */
  type: string
  /** Unique in the machine. */
  id: string
  /** As in `52:54:00:12:34:56`. */
  mac: string
  /** `lan` is the machine's own, or the one that it shares with others; `user` has a way out; `none` leads nowhere. */
  net: 'lan' | 'user' | 'none'
  /** false: the cable is out at power-on. */
  link?: false
  /** false: its cable carries no IPv4, nor ARP. */
  ipv4?: false
  /** false: its cable carries no IPv6. */
  ipv6?: false
  /** Of its type. */
  options?: { readonly [option: string]: string | number | boolean }
}

/** What comes to it from outside. */
export type NetworkInput =
  /** A card's cable is plugged in or pulled out. */
  | { kind: 'link'; nic: string; up: boolean }
  /** Another machine of its network has sent it, at guest time `time` of this one. */
  | { kind: 'frame'; from: number; bytes: Uint8Array; time: number }
  /** Nothing comes from these machines of its network from now on. */
  | { kind: 'cut'; members: readonly number[] }
  | OutsideInput

export interface MachineNetworkOptions {
  nics: readonly NicSpec[]
  clock: Clock
  warn: Warn
  /** Guest time 0, in seconds since 1970. */
  epoch: number
  contents?: NetworkContents
  /** Every frame of a card's, to and fro. */
  onFrame?: (nic: string, frame: Uint8Array, time: number, now: number) => void
  /** A guest asked something of the LAN, or has got its answer. */
  onRequest?: (request: LoggedRequest) => void
  /** Something leaves for the world outside. */
  onOutside?: (event: OutsideEvent) => void
  /** It shares a network with other machines. */
  trunk?: TrunkOptions
  /** A frame leaves for another of these machines, or all of them. */
  onTrunk?: (to: number, frame: Uint8Array, time: number) => void
  /** Whether the LAN's services are here; by default where there is a card for them and no trunk. */
  hasServices?: boolean
}

const STATE: StateTable = { switch: part(), lan: part('LANs'), trunk: part('networks') }

export class MachineNetwork implements Device {
  readonly name = 'network'
  readonly state = STATE
  private readonly switch: Switch
  /** undefined: no card is plugged into it, or it is elsewhere. */
  private readonly lan: Lan | undefined
  /** undefined: this machine has its network for itself. */
  private readonly trunk: Trunk | undefined
  private readonly cards = new Map<string, SwitchPort>()

  constructor(options: MachineNetworkOptions) {
    const { nics, clock, warn, epoch, contents = { http: {} }, onFrame, onRequest, onOutside, trunk, onTrunk } = options
    const { hasServices = !trunk && nics.some(({ net }) => net !== 'none') } = options
    this.switch = new Switch(clock)
    for (const { id, net, link = true, ipv4, ipv6 } of nics) {
      const port = this.switch.port(id, net === 'none')
      port.link = link
      port.blocked = [...(ipv4 === false ? [ARP, IPV4] : []), ...(ipv6 === false ? [IPV6] : [])]
      if (onFrame) port.tap = (frame, time, now) => onFrame(id, frame, time, now)
      this.cards.set(id, port)
    }
    if (trunk) this.trunk = new Trunk(trunk, clock, warn, this.switch.port(' trunk'), (...frame) => onTrunk?.(...frame))
    if (!hasServices) return
    const first = nics.find(({ net }) => net !== 'none')
    const firstCard = first && macBytes(first.mac)
    this.lan = new Lan({ clock, warn, port: this.switch.port(' services'), contents, epoch, firstCard, onOutside })
    this.lan.log.onRequest = onRequest
  }

  /** Where the card of this name is plugged in. */
  port(nic: string): NetworkPort | undefined {
    return this.cards.get(nic)
  }

  /** Plugs a card's cable in or pulls it out. Throws an Error where there is no such card. */
  setLink(nic: string, up: boolean): void {
    const port = this.cards.get(nic)
    if (!port) throw new Error(`there is no network card '${nic}'; there are ${[...this.cards.keys()].join(', ')}`)
    port.setLink(up)
  }

  /** What comes from the other machines of its network, or no longer comes. */
  input(event: NetworkInput): void {
    if (isOutsideInput(event)) this.lan?.input(event)
    else if (event.kind === 'frame') this.trunk?.receive(event.from, event.bytes, event.time)
    else if (event.kind === 'cut') {
      if (this.trunk) this.trunk.cut = [...event.members]
    } else this.setLink(event.nic, event.up)
  }

  /** What guests asked of the LAN, the last of it. */
  requests(): LoggedRequest[] {
    return this.lan?.log.list() ?? []
  }

  /** The machine's; nobody switches the network off by it. */
  reset(): void {}
}
