/**
 * The stopwatch: a kernel writes one byte (bit 7 set) at the end of each pass. What came before the first mark was
 * firmware; what came in the warm-up after it is left out, so that a JIT has compiled; then passes are counted until the
 * time is over.
 */

/** What a target found in one run. Plain data: it comes from another process. */
export interface Measurement {
  /** Passes between the first and last mark that count. */
  passes: number
  /** Host seconds between them. */
  seconds: number
  /** The first marks since power-on, which must be the same on every target. */
  firstMarks: number[]
  /** Instructions of one pass as the target counted them, where it can. */
  counted?: number
}

export interface MarkOptions {
  /** Host milliseconds after the first mark. */
  warmUp: number
  /** Host milliseconds after the warm-up. */
  measure: number
}

const FIRST_MARKS = 16

export class MarkWatch {
  readonly firstMarks: number[] = []
  private firstAt = Number.NaN
  private from = Number.NaN
  private passes = 0

  private clockFrom = 0
  private clockTo = 0

  /** @param clock What the result's seconds are taken from (ms); left out, the host time that `add` is given. */
  constructor(
    private readonly options: MarkOptions,
    private readonly clock?: () => number,
  ) {}

  /**
   * Bytes that were seen at host time `now` (ms). Other bytes than marks are firmware's messages and are passed over.
   * Several at once count as if they came at the last one's time: those with the first mark that counts do not.
   * Returns true when there is enough.
   */
  add(bytes: ArrayLike<number>, now: number): boolean {
    let marks = 0
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] < 0x80) continue
      marks++
      if (this.firstMarks.length < FIRST_MARKS) this.firstMarks.push(bytes[i])
    }
    if (marks === 0) return false
    if (Number.isNaN(this.firstAt)) this.firstAt = now
    if (Number.isNaN(this.from)) {
      if (now - this.firstAt >= this.options.warmUp) {
        this.from = now
        this.clockFrom = this.clock?.() ?? now
      }
      return false
    }
    this.passes += marks
    if (now - this.from < this.options.measure) return false
    this.clockTo = this.clock?.() ?? now
    return true
  }

  /** True from the first mark that counts on. */
  get measuring(): boolean {
    return !Number.isNaN(this.from)
  }

  /** To be asked for when `add` has returned true. */
  result(): Measurement {
    return { passes: this.passes, seconds: (this.clockTo - this.clockFrom) / 1000, firstMarks: this.firstMarks }
  }
}
