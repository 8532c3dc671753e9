/** How a device saves an armed timer: its deadline in guest ns, -1 while disarmed (Infinity does not survive JSON). */
import type { Timer } from '../../clock.js'
import type { StateValue } from '../../device.js'
import { checkFields, deadline } from '../../state/fields.js'

export function saveDeadline(timer: Timer): number {
  return timer.deadline === Number.POSITIVE_INFINITY ? -1 : timer.deadline
}

export function loadDeadline(timer: Timer, saved: StateValue): void {
  checkFields({ deadline }, { deadline: saved }, timer.name)
  if ((saved as number) < 0) timer.cancel()
  else timer.at(saved as number)
}

/** Arms the timer, or disarms it for Infinity; leaves it alone when it already stands so. */
export function setDeadline(timer: Timer, ns: number): void {
  if (ns === timer.deadline) return
  if (ns === Number.POSITIVE_INFINITY) timer.cancel()
  else timer.at(ns)
}
