/**
 * Marvell's 88E1000 and 88E1011 as an 8254x has them, by MDIC (Software Developer's Manual, 13.4.8, and IEEE 802.3
 * clause 22). It negotiates 1000 Mbit/s in full duplex with whoever is at the other end.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { flag, list, timer, u16 } from '../../../state/fields.js'

const CONTROL = 0
const STATUS = 1
const ID1 = 2
const ID2 = 3
const ADVERTISEMENT = 4
const PARTNER = 5
const EXPANSION = 6
const NEXT_PAGE = 7
const CONTROL_1000 = 9
const STATUS_1000 = 10
const EXTENDED_STATUS = 15
const SPECIFIC_CONTROL = 16
const SPECIFIC_STATUS = 17
const INTERRUPT_ENABLE = 18
const EXTENDED_CONTROL = 20
const PAGE = 29
const GENERAL = 30

const CONTROL_RESET = 0x8000
const CONTROL_LOOPBACK = 0x4000
const CONTROL_NEGOTIATE = 0x1000
const CONTROL_RESTART = 0x0200
const STATUS_NEGOTIATED = 0x0020
const STATUS_LINK = 0x0004
const SPECIFIC_LINK = 0x0400
/** 1000 Mbit/s, full duplex, resolved. */
const SPECIFIC_RESOLVED = 0xa800

/** Registers, 32 of 16 bits, as they are after a reset. */
const DEFAULTS: { readonly [register: number]: number } = {
  [CONTROL]: 0x1140,
  [STATUS]: 0x7949,
  [ID1]: 0x0141,
  [ADVERTISEMENT]: 0x0de1,
  [NEXT_PAGE]: 0x2001,
  [CONTROL_1000]: 0x0e00,
  [EXTENDED_STATUS]: 0x3000,
  [SPECIFIC_CONTROL]: 0x0360,
  [EXTENDED_CONTROL]: 0x0d60,
}
const WRITABLE = [
  ...[CONTROL, ADVERTISEMENT, NEXT_PAGE, CONTROL_1000, SPECIFIC_CONTROL],
  ...[INTERRUPT_ENABLE, EXTENDED_CONTROL, PAGE, GENERAL],
]
/** On a cable it takes seconds. Linux looks once as it opens the card, and again two seconds later. */
const NEGOTIATION_NS = 2e6

const STATE: StateTable = { registers: list(u16, 32), wasDown: flag, negotiation: timer }

export interface E1000PhyOptions {
  name: string
  clock: Clock
  /** The second word of its identification: model and revision. */
  id2: number
  /** There is somebody at the other end. */
  cable: () => boolean
  /** `up` may have changed. */
  changed: () => void
}

export class E1000Phy implements Stateful {
  readonly state = STATE
  private readonly registers = new Uint16Array(32)
  /** The link was lost since the status was read last: it is latched. */
  private wasDown = true
  private readonly negotiation: Timer

  constructor(private readonly options: E1000PhyOptions) {
    this.negotiation = options.clock.timer(`${options.name} auto-negotiation`, () => this.negotiated())
    this.reset()
  }

  reset(): void {
    this.registers.fill(0)
    for (const [register, value] of Object.entries(DEFAULTS)) this.registers[Number(register)] = value
    this.registers[ID2] = this.options.id2
    this.negotiate()
  }

  /** The link, as the controller sees it. */
  get up(): boolean {
    return (this.registers[STATUS] & STATUS_LINK) !== 0
  }

  get loopback(): boolean {
    return (this.registers[CONTROL] & CONTROL_LOOPBACK) !== 0
  }

  /** The cable was plugged in or pulled out. */
  cableChanged(): void {
    this.negotiate()
  }

  private negotiate(): void {
    this.registers[STATUS] &= ~(STATUS_LINK | STATUS_NEGOTIATED)
    this.registers[SPECIFIC_STATUS] = 0
    this.registers[PARTNER] = 0
    this.registers[EXPANSION] = 0
    this.registers[STATUS_1000] = 0
    this.wasDown = true
    if (this.options.cable()) this.negotiation.at(this.options.clock.now() + NEGOTIATION_NS)
    else this.negotiation.cancel()
    this.options.changed()
  }

  private negotiated(): void {
    if (!this.options.cable()) return
    this.registers[STATUS] |= STATUS_LINK
    this.registers[SPECIFIC_STATUS] = SPECIFIC_RESOLVED | SPECIFIC_LINK
    if (this.registers[CONTROL] & CONTROL_NEGOTIATE) {
      this.registers[STATUS] |= STATUS_NEGOTIATED
      this.registers[PARTNER] = 0x45e1
      this.registers[EXPANSION] = 0x0001
      this.registers[STATUS_1000] = 0x3c00
    }
    this.options.changed()
  }

  read(register: number): number {
    const value = this.registers[register]
    if (register !== STATUS) return value
    const latched = this.wasDown ? value & ~STATUS_LINK : value
    this.wasDown = !this.up
    return latched
  }

  write(register: number, value: number): void {
    if (!WRITABLE.includes(register)) return
    if (register !== CONTROL) {
      this.registers[register] = value
      return
    }
    if (value & CONTROL_RESET) {
      this.reset()
      return
    }
    this.registers[CONTROL] = value & ~CONTROL_RESTART
    if (value & CONTROL_RESTART && value & CONTROL_NEGOTIATE) this.negotiate()
  }
}
