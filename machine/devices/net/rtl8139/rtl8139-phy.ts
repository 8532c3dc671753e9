/**
 * The RTL8139's transceiver as its own registers show it (RTL8139C(L)+ data sheet, 5.30 to 5.38): basic mode, abilities of
 * both ends, and the link. It has negotiated 100 Mbit/s, full duplex, with whatever is plugged in.
 */
import type { Stateful, StateTable } from '../../../device.js'
import type { NetworkPort } from '../../../network/port.js'
import { flag, u16 } from '../../../state/fields.js'

/** BMCR. */
const RESET = 0x8000
const SPEED_100 = 0x2000
const AUTONEGOTIATION = 0x1000
const RESTART = 0x0200
const DUPLEX = 0x0100
const BMCR_BITS = SPEED_100 | AUTONEGOTIATION | DUPLEX

/** BMSR: 10 and 100 Mbit/s, half and full duplex, negotiation, extended registers. */
const BMSR_ABILITIES = 0x7809
const BMSR_NEGOTIATED = 0x0020
const BMSR_LINK = 0x0004

/** All abilities, pause, IEEE 802.3. */
const ABILITIES = 0x05e1
const ANAR_BITS = 0x2de0
/** ANER: the partner can negotiate. */
const PARTNER_NEGOTIATES = 0x0001

/** CSCR: LD, heartbeat. */
const CSCR_FIXED = 0x0300
const CSCR_LINK_CHANGED = 0x0800
const CSCR_CONNECTED = 0x0408

/** MSR: auxiliary power there; LINKB is low where there is a link. */
const MSR_AUXILIARY = 0x10
const MSR_SPEED_10 = 0x08
const MSR_NO_LINK = 0x04
const MSR_FLOW_CONTROL = 0xc0

const STATE: StateTable = { bmcr: u16, anar: u16, changed: flag }

export class Rtl8139Phy implements Stateful {
  readonly state = STATE
  private bmcr = AUTONEGOTIATION | SPEED_100 | DUPLEX
  private anar = ABILITIES
  /** Since CSCR was read last. */
  private changed = false

  constructor(
    private readonly port: NetworkPort | undefined,
    /** The link went up or down. */
    linkChanged: () => void,
  ) {
    if (port)
      port.linkChanged = () => {
        this.changed = true
        linkChanged()
      }
  }

  reset(): void {
    this.bmcr = AUTONEGOTIATION | SPEED_100 | DUPLEX
    this.anar = ABILITIES
  }

  get link(): boolean {
    return this.port?.link === true
  }

  /** BMCR at 62h, BMSR, ANAR, ANLPAR, ANER; and CSCR at 74h. */
  read(register: number): number {
    switch (register) {
      case 0x62:
        return this.bmcr
      case 0x64:
        return BMSR_ABILITIES | (this.link ? BMSR_LINK | BMSR_NEGOTIATED : 0)
      case 0x66:
        return this.anar
      case 0x68:
        return this.link ? ABILITIES | 0x4000 : 0
      case 0x6a:
        return this.link ? PARTNER_NEGOTIATES : 0
      default:
        return this.readCscr()
    }
  }

  private readCscr(): number {
    const value = CSCR_FIXED | (this.link ? CSCR_CONNECTED : 0) | (this.changed ? CSCR_LINK_CHANGED : 0)
    this.changed = false
    return value
  }

  write(register: number, value: number): void {
    if (register === 0x62) {
      if (value & RESET) this.reset()
      else this.bmcr = value & BMCR_BITS & ~RESTART
    } else if (register === 0x66) this.anar = (value & ANAR_BITS) | 1
  }

  /** MSR. */
  get mediaStatus(): number {
    const slow = this.bmcr & AUTONEGOTIATION ? 0 : this.bmcr & SPEED_100 ? 0 : MSR_SPEED_10
    return MSR_AUXILIARY | MSR_FLOW_CONTROL | slow | (this.link ? 0 : MSR_NO_LINK)
  }
}
