/** How long a script may take, of the guest's time and of the host's. */
import type { Script } from '../protocol/script.js'
import { StepFailed } from './steps.js'

export class RunLimits {
  readonly started = performance.now()
  /** Guest time in ns at which it is over. */
  readonly guestEnd: number
  private readonly hostEnd: number

  constructor(
    private readonly script: Pick<Script, 'timeoutNs' | 'hostTimeoutMs'> = {},
    guestNow = 0,
  ) {
    this.guestEnd = guestNow + (script.timeoutNs ?? Number.POSITIVE_INFINITY)
    this.hostEnd = this.started + (script.hostTimeoutMs ?? Number.POSITIVE_INFINITY)
  }

  get hostMs(): number {
    return performance.now() - this.started
  }

  get isPast(): boolean {
    return performance.now() >= this.hostEnd
  }

  /** @param meanwhile What was done when the time-out came, in words. @throws StepFailed */
  check(guestNow: number, meanwhile: () => string): void {
    const { timeoutNs = 0, hostTimeoutMs = 0 } = this.script
    const isOver = guestNow >= this.guestEnd
    if (!isOver && !this.isPast) return
    const limit = isOver ? `${timeoutNs / 1e9} s of guest time` : `${Math.round(hostTimeoutMs) / 1000} s`
    throw new StepFailed('timeout', 'timeout', `the time-out of ${limit} came ${meanwhile()}`)
  }
}
