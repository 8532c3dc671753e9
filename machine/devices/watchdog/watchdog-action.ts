/** What happens when a watchdog was not fed in time, in QEMU's words (`-watchdog-action`). */
import { choiceOption } from '../device-option.js'
import type { MachineControl, Slot } from '../device-type.js'

/** `pause`: the run ends, and the machine goes on when it is run on. `none`: it is warned of, no more. */
export const WATCHDOG_ACTIONS = ['reset', 'poweroff', 'pause', 'none'] as const
export type WatchdogAction = (typeof WATCHDOG_ACTIONS)[number]

export const watchdogActionOption = () =>
  choiceOption(WATCHDOG_ACTIONS)
    .default('reset')
    .describe(`what it does when its time is over: ${WATCHDOG_ACTIONS.join(', ')}`)

/** Called when the time is over. */
export function watchdogExpiry(slot: Slot, action: WatchdogAction): () => void {
  return () => {
    if (action === 'none') slot.warn(`${slot.name}: the watchdog was not fed in time`)
    else slot.bus<MachineControl>('machine').watchdog(slot.name, action)
  }
}
