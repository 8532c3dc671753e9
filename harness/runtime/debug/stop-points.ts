/**
 * Places at which a test's wait stops the machine: an instruction, or memory that is read or written. They stand while the
 * wait does. A symbol's place is looked for again at every frame, since a kernel may move itself.
 */
import type { Breakpoint } from '../../../machine/cpu/engine.js'
import type { MachineDebugger } from '../../../machine/debug/machine-debugger.js'
import { UsageError } from '../../../machine/errors.js'
import type { ReachCondition } from '../../protocol/condition.js'
import { nearest } from '../../words/nearest.js'
import type { Watch } from '../watches/watch.js'

/** What is asked of a machine that cannot be; one sentence. */
export class DebugError extends UsageError {
  override readonly name = 'DebugError'
}

/** `0x100000`, `1048576`, `panic`, `table+0x10`. Throws a DebugError. */
export function addressOf(where: string, { symbols }: MachineDebugger): bigint {
  const [, name, offset = '0'] = /^(.*?)(?:\+(0x[\da-f]+|\d+))?$/is.exec(where) ?? [where, where]
  if (/^(0x[\da-f]{1,16}|\d{1,20})$/i.test(name)) return BigInt.asUintN(64, BigInt(name) + BigInt(offset))
  const address = symbols.addressOf(name)
  if (address !== undefined) return BigInt.asUintN(64, address + BigInt(offset))
  if (symbols.isEmpty)
    throw new DebugError(`nothing is known of '${name}': the machine has no symbols; give it some (symbols, --symbols)`)
  const near = nearest(name, [...symbols.names()])
  throw new DebugError(`there is no symbol '${name}'${near ? `; did you mean '${near}'?` : ''}`)
}

class ReachWatch implements Watch {
  private met = false

  constructor(
    readonly point: () => Breakpoint,
    private readonly place: () => void,
  ) {}

  /** The CPU stopped at this one. */
  hit({ kind, address }: Breakpoint): void {
    const own = this.point()
    this.met ||= own.kind === kind && own.address === address
  }

  atFrame(): boolean {
    this.place()
    return this.met
  }

  atByte(): boolean {
    return this.met
  }

  atExit(): boolean {
    return this.met
  }
}

export class StopPoints {
  private watches: ReachWatch[] = []
  private placed = ''

  constructor(private readonly target: MachineDebugger | undefined) {}

  /** Throws a DebugError. */
  watch({ where, access, length = 1 }: ReachCondition): Watch {
    const { target } = this
    if (!target) throw new DebugError('a wait for an instruction or for memory needs a machine of its own')
    const point = (): Breakpoint => ({ kind: access ?? 'execute', address: addressOf(where, target), length })
    const why = target.refusal(point())
    if (why) throw new DebugError(why)
    const watch = new ReachWatch(point, () => this.place())
    this.watches.push(watch)
    this.place()
    return watch
  }

  /** Whether the last run came back for one of them. */
  take(): boolean {
    if (this.watches.length === 0) return false
    const stop = this.target?.takeStop()
    if (stop?.why !== 'breakpoint') return false
    for (const watch of this.watches) watch.hit(stop.hit)
    return true
  }

  /** The wait is over. */
  clear(): void {
    if (this.watches.length === 0) return
    this.watches = []
    this.placed = ''
    this.target?.setBreakpoints([])
  }

  private place(): void {
    const points = this.watches.map(({ point }) => point())
    const places = points.map(({ kind, address, length }) => `${kind} ${address} ${length}`).join()
    if (places === this.placed) return
    this.placed = places
    this.target?.setBreakpoints(points)
  }
}
