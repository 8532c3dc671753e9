/** The RTL8139C+'s tally counters, and the 64 bytes that DTCCR dumps (data sheet, 5.2). */
import type { Stateful, StateTable } from '../../../device.js'
import { count } from '../../../state/fields.js'

/** The counters in the dump's order: name, offset, bytes. Collisions and alignment errors do not happen here. */
const LAYOUT = [
  ['txOk', 0, 8],
  ['rxOk', 8, 8],
  ['txErr', 16, 8],
  ['rxErr', 24, 4],
  ['missed', 28, 2],
  ['rxOkPhysical', 40, 8],
  ['rxOkBroadcast', 48, 8],
  ['rxOkMulticast', 56, 4],
  ['txAborted', 60, 2],
  ['txUnderrun', 62, 2],
] as const

export const TALLY_BYTES = 64

const STATE: StateTable = Object.fromEntries(LAYOUT.map(([name]) => [name, count]))

export class TallyCounters implements Stateful {
  readonly state = STATE
  txOk = 0
  rxOk = 0
  txErr = 0
  rxErr = 0
  missed = 0
  rxOkPhysical = 0
  rxOkBroadcast = 0
  rxOkMulticast = 0
  txAborted = 0
  txUnderrun = 0

  reset(): void {
    for (const [name] of LAYOUT) this[name] = 0
  }

  dump(): Uint8Array {
    const bytes = new Uint8Array(TALLY_BYTES)
    for (const [name, offset, size] of LAYOUT) {
      let rest = this[name]
      for (let i = 0; i < size; i++, rest = Math.floor(rest / 256)) bytes[offset + i] = rest % 256
    }
    return bytes
  }
}
