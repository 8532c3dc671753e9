/** Which station an address of the LAN's machines is at: from what they said by ARP, neighbour discovery and DHCP. */
import type { Stateful, StateTable } from '../../device.js'
import { bytes, list, record, text } from '../../state/fields.js'

const MOST = 64

export class Neighbours implements Stateful {
  readonly state: StateTable = { known: list(record({ address: text(64), mac: bytes(6) }), 0, MOST) }
  /** The one heard of last at the end. */
  private known: { address: string; mac: Uint8Array }[] = []

  /** @param first The machine's first card, for whoever was not heard of. */
  constructor(private readonly first: Uint8Array | undefined) {}

  note(address: string, mac: Uint8Array): void {
    const last = this.known.at(-1)
    if (last?.address === address && last.mac.every((byte, i) => byte === mac[i])) return
    this.known = this.known.filter((one) => one.address !== address)
    if (this.known.length >= MOST) this.known.shift()
    this.known.push({ address, mac: mac.slice() })
  }

  station(address: string): Uint8Array | undefined {
    return this.known.find((one) => one.address === address)?.mac ?? this.first
  }

  /** Of IPv4, the last with which a station was heard of. */
  addressOf(mac: Uint8Array): string | undefined {
    const isIt = (one: { address: string; mac: Uint8Array }) =>
      !one.address.includes(':') && one.mac.every((byte, i) => byte === mac[i])
    return this.known.findLast(isIt)?.address
  }

  /** Of IPv4, the one that was heard of last. */
  get last(): string | undefined {
    return this.known.findLast(({ address }) => !address.includes(':'))?.address
  }
}
