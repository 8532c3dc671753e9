/** Timers in a device's saved state. */
import type { Timer } from '../../clock.js'

/** The deadline in guest ns; -1 while disarmed, since Infinity has no JSON. */
export function savedDeadline(timer: Timer): number {
  return timer.deadline === Number.POSITIVE_INFINITY ? -1 : timer.deadline
}

export function rearm(timer: Timer, deadline: number): void {
  if (deadline < 0) timer.cancel()
  else timer.at(deadline)
}
