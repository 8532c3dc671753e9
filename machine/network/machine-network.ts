/**
 * What a machine's network cards are plugged into, and all that lies behind: a device like others to whoever saves and
 * loads the machine, which the machine's reset leaves alone.
 */
import type { Clock } from '../clock.js'
import type { Device, StateTable, Warn } from '../device.js'
import { part } from '../state/state-table.js'
import type { NetworkContents } from './contents.js'
import { Lan } from './lan/lan.js'
import type { LoggedRequest } from './lan/request-log.js'
import type { NetworkPort } from './port.js'
import { Switch, type SwitchPort } from './switch.js'

/** A card, and what it is plugged into. */
export interface NicSpec {
  /** The card's, of the catalogue. */
  type: string
  /** Unique in the machine. */
  id: string
  /** As in `52:54:00:12:34:56`. */
  mac: string
  /** `lan` is the machine's own, `none` leads nowhere. */
  net: 'lan' | 'none'
  /** false: the cable is out at power-on. */
  link?: false
  /** Of its type. */
  options?: { readonly [option: string]: string | number | boolean }
}

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
}

const STATE: StateTable = { switch: part(), lan: part('LANs') }

export class MachineNetwork implements Device {
  readonly name = 'network'
  readonly state = STATE
  private readonly switch: Switch
  /** undefined: no card is plugged into it. */
  private readonly lan: Lan | undefined
  private readonly cards = new Map<string, SwitchPort>()

  constructor({ nics, clock, warn, epoch, contents = { http: {} }, onFrame, onRequest }: MachineNetworkOptions) {
    this.switch = new Switch(clock)
    for (const { id, net, link = true } of nics) {
      const port = this.switch.port(id, net === 'none')
      port.link = link
      if (onFrame) port.tap = (frame, time, now) => onFrame(id, frame, time, now)
      this.cards.set(id, port)
    }
    if (!nics.some(({ net }) => net === 'lan')) return
    this.lan = new Lan({ clock, warn, port: this.switch.port(' services'), contents, epoch })
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

  /** What guests asked of the LAN, the last of it. */
  requests(): LoggedRequest[] {
    return this.lan?.log.list() ?? []
  }

  /** The machine's; nobody switches the network off by it. */
  reset(): void {}
}
