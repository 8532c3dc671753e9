/**
 * iBASE IB700's watchdog, QEMU's `ib700`: two ports. A write to 443h starts it, or starts it anew, with a time from the lower
 * four bits; one to 441h stops it.
 */
import type { Clock, Timer } from '../../clock.js'
import type { Device, PortRange, StateTable } from '../../device.js'
import { timer } from '../../state/fields.js'
import { deviceType } from '../device-type.js'
import { watchdogActionOption, watchdogExpiry } from './watchdog-action.js'

const STOP = 0x441
const START = 0x443
/** 0 is the longest time, 30 s; each step takes 2 s off, and 15 is at once. */
const LONGEST_SECONDS = 30
const STEP_SECONDS = 2

export interface Ib700Options {
  name: string
  clock: Clock
  expired: () => void
}

const STATE: StateTable = { expiry: timer }

export class Ib700 implements Device {
  readonly state = STATE
  readonly name: string
  readonly ports: readonly PortRange[]
  private readonly expiry: Timer

  constructor({ name, clock, expired }: Ib700Options) {
    this.name = name
    this.expiry = clock.timer(`${name} expiry`, expired)
    const port = (what: string, base: number, write: (value: number) => void): PortRange => ({
      ...{ name: `${name} ${what}`, base, count: 1, read: () => 0xff },
      write: (_offset, value) => write(value),
    })
    this.ports = [
      port('stop', STOP, () => this.expiry.cancel()),
      port('start', START, (value) =>
        this.expiry.at(clock.now() + (LONGEST_SECONDS - STEP_SECONDS * (value & 0xf)) * 1e9),
      ),
    ]
  }

  reset(): void {
    this.expiry.cancel()
  }
}

export const ib700 = deviceType({
  type: 'ib700',
  title: 'iBASE 700 watchdog',
  category: 'Misc',
  bus: 'isa',
  options: () => ({ action: watchdogActionOption() }),
  create: (slot, { action }) =>
    new Ib700({ name: slot.name, clock: slot.clock, expired: watchdogExpiry(slot, action) }),
})
