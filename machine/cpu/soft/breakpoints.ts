/**
 * A debugger's breakpoints: the core asks here where it comes to an instruction that may have one, and behind accesses to
 * pages with watchpoints (`core/system/debug.ts`). All others run at their full speed, compiled.
 */
import { type Breakpoint, type EventKind, isEvent } from '../engine.js'

export interface BreakpointCore {
  watchOffset(offset: number): void
  watchPage(linear: bigint, first: boolean): void
  watchNoPage(): void
  tagWatched(): void
  retired(): number
}

const PAGE = 0x1000n
/** Of `core/system/debug.ts`. */
const MOST_WATCHED_PAGES = 64
/** As the core's checkDataBreakpoint() has it. */
const WRITE = 1

export class Breakpoints {
  private readonly instructions = new Map<bigint, Breakpoint>()
  private data: Breakpoint[] = []
  private events: Breakpoint[] = []
  private happened: Breakpoint | undefined
  /** The last stop in front of an instruction, and the count then: it goes on from there. */
  private stoppedAt: { linear: bigint; count: number } | undefined
  private last: Breakpoint | undefined

  constructor(private readonly core: BreakpointCore) {}

  /** Watchpoints of more pages than the core has room for are left out. */
  set(breakpoints: readonly Breakpoint[]): void {
    const before = this.data.length
    this.instructions.clear()
    for (const one of breakpoints) {
      if (one.kind !== 'execute') continue
      this.instructions.set(one.address, one)
      this.core.watchOffset(Number(one.address & (PAGE - 1n)))
    }
    this.events = breakpoints.filter(isEvent)
    this.data = breakpoints.filter((one) => one.kind !== 'execute' && !isEvent(one))
    const pages = new Set(this.data.flatMap(pagesOf))
    this.core.watchNoPage()
    for (const [i, page] of [...pages].slice(0, MOST_WATCHED_PAGES).entries()) this.core.watchPage(page, i === 0)
    if (before > 0 || this.data.length > 0) this.core.tagWatched()
  }

  /** What the core stopped for. */
  get hit(): Breakpoint {
    if (!this.last) throw new Error('the core stopped at no breakpoint')
    return this.last
  }

  stopsAt(linear: bigint): boolean {
    const found = this.instructions.get(BigInt.asUintN(64, linear))
    const count = this.core.retired()
    const isSame = this.stoppedAt?.count === count && this.stoppedAt.linear === linear
    if (!found || isSame) return false
    this.stoppedAt = { linear, count }
    this.last = found
    return true
  }

  /** Time has gone back: the machine stops there again. */
  forgetStop(): void {
    this.stoppedAt = undefined
    this.happened = undefined
  }

  /** Whether it stops for events of such a kind. */
  wants(kind: EventKind): boolean {
    return this.events.some((one) => one.kind === kind)
  }

  /** Whether the machine is to stop behind what happens now: of several events of one instruction for the first. */
  stopsFor(kind: EventKind, number: number, count = 1): boolean {
    if (this.events.length === 0 || this.happened) return false
    this.happened = this.events.find(
      (one) => one.kind === kind && number < Number(one.address) + one.length && Number(one.address) < number + count,
    )
    return this.happened !== undefined
  }

  /** What it is to stop for, once. */
  takeEvent(): Breakpoint | undefined {
    const { happened } = this
    this.happened = undefined
    return happened
  }

  stopsBehind(linear: bigint, size: number, kind: number): boolean {
    const from = BigInt.asUintN(64, linear)
    const found = this.data.find(
      (one) =>
        (one.kind === 'access' || (one.kind === 'write') === (kind === WRITE)) &&
        from < one.address + BigInt(one.length) &&
        one.address < from + BigInt(size),
    )
    if (found) this.last = found
    return found !== undefined
  }
}

function pagesOf({ address, length }: Breakpoint): bigint[] {
  const first = address & ~(PAGE - 1n)
  const last = (address + BigInt(length) - 1n) & ~(PAGE - 1n)
  return first === last ? [first] : [first, last]
}
