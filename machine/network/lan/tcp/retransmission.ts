/** How long to wait before something is sent again (RFC 6298): from round trips that were measured, in guest time. */
import type { Stateful, StateTable } from '../../../device.js'
import { flag, integer, time } from '../../../state/fields.js'

const FIRST_RTO = 1e9
/** RFC 6298 has a second; Linux, as here, less. */
const LEAST_RTO = 0.2e9
const MOST_RTO = 60e9
const MOST_BACKOFF = 20

export class RetransmissionTimeout implements Stateful {
  readonly state: StateTable = { smoothed: time, variation: time, isMeasured: flag, backoff: integer(0, MOST_BACKOFF) }
  private smoothed = 0
  private variation = 0
  private isMeasured = false
  /** How often it ran out since something was acknowledged. */
  backoff = 0

  get ns(): number {
    const base = this.isMeasured ? Math.max(LEAST_RTO, this.smoothed + 4 * this.variation) : FIRST_RTO
    return Math.min(MOST_RTO, Math.round(base) * 2 ** this.backoff)
  }

  /** Of a segment that was sent once (Karn). */
  measured(roundTrip: number): void {
    if (this.isMeasured) {
      this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - roundTrip)
      this.smoothed = 0.875 * this.smoothed + 0.125 * roundTrip
    } else {
      this.smoothed = roundTrip
      this.variation = roundTrip / 2
      this.isMeasured = true
    }
  }

  ranOut(): void {
    this.backoff = Math.min(MOST_BACKOFF, this.backoff + 1)
  }
}
