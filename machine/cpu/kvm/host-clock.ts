/**
 * Guest time under KVM: the host's monotonic clock, while the machine runs.
 *
 * Inside `run()` guest time moves with the host. Outside it stands, so that timers which come due can be worked off
 * without new ones coming due meanwhile; at the next `run()` it catches up. Only a pause, a gap longer than LONGEST_GAP,
 * is left out, so that a machine that waited for its test does not see its timers jump.
 */

/** Host time between two runs that the guest sees; work of the machine's thread is shorter, in ns. */
const LONGEST_GAP = 20e6

export class HostClock {
  /** Guest time at host time 0. */
  private base: number
  private running = false
  /** Guest time while it stands. */
  private standing = 0
  /** Host time at which it began to stand. */
  private since: number

  /** @param host the host's clock in ns, for tests. */
  constructor(private readonly host: () => number = () => performance.now() * 1e6) {
    this.since = host()
    this.base = -this.since
  }

  now(): number {
    return this.running ? this.host() + this.base : this.standing
  }

  /** While it stands: guest time goes on from `ns`. */
  set(ns: number): void {
    this.since = this.host()
    this.base = ns - this.since
    this.standing = ns
  }

  /** Returns the length of a pause that the guest does not see, in ns; mostly 0. */
  start(): number {
    const gap = this.host() - this.since
    const pause = gap > LONGEST_GAP ? gap - LONGEST_GAP : 0
    this.base -= pause
    this.running = true
    return pause
  }

  stop(): void {
    this.running = false
    this.since = this.host()
    this.standing = this.since + this.base
  }
}
