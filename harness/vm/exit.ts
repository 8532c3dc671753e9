import type { ExitReason } from '../protocol/condition.js'

/** How the guest stopped. */
export interface VmExit {
  reason: ExitReason
  /** `debug-exit`: the value that the guest wrote. */
  code?: number
  /** `watchdog`: what becomes of the machine when it is run on. */
  action?: 'reset' | 'poweroff' | 'pause'
  detail?: string
}
