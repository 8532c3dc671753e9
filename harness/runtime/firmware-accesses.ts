/**
 * What the firmware touched that is not there, as it looks for devices, told from what the guest touched: SeaBIOS says
 * on its debug console (port 402h) when it hands over, whatever it boots.
 */
import type { State } from '../../machine/device.js'
import type { UnhandledAccess } from '../../machine/report.js'

const HAND_OVER = 'Booting from '

export class FirmwareAccesses {
  /** How much of the words has come. */
  private matched = 0
  /** All that was touched when the firmware began; undefined while the guest runs. */
  private before: UnhandledAccess[] | undefined = []
  private counts: UnhandledAccess[] = []

  /** @param all What was touched so far. */
  constructor(private readonly all: () => UnhandledAccess[]) {}

  /** A byte on the debug console. */
  byte(byte: number): void {
    if (!this.before) return
    const letter = String.fromCharCode(byte)
    this.matched = letter === HAND_OVER[this.matched] ? this.matched + 1 : letter === HAND_OVER[0] ? 1 : 0
    if (this.matched < HAND_OVER.length) return
    const during = without(this.all(), this.before)
    this.counts = [...without(this.counts, during, -1), ...during.filter((one) => !find(this.counts, one))]
    this.before = undefined
    this.matched = 0
  }

  /** The machine was reset: the firmware runs again. */
  began(): void {
    this.before ??= this.all()
  }

  own(): UnhandledAccess[] {
    return this.counts
  }

  /** What is left of `all` for the guest. */
  others(all: UnhandledAccess[]): UnhandledAccess[] {
    return without(all, this.counts)
  }

  save(): string {
    return JSON.stringify([this.before ?? null, this.counts])
  }

  /** @param state Of a snapshot that has none, undefined: then all is the guest's. */
  load(state: State[string] | undefined): void {
    const [before, counts] = typeof state === 'string' ? JSON.parse(state) : [null, []]
    this.before = before ?? undefined
    this.counts = counts
    this.matched = 0
  }
}

function find(list: readonly UnhandledAccess[], { kind, address }: UnhandledAccess): UnhandledAccess | undefined {
  return list.find((one) => one.kind === kind && one.address === address)
}

/** The counts less others, or with a `sign` of -1 and others; those with nothing left are left out. */
function without(all: readonly UnhandledAccess[], less: readonly UnhandledAccess[], sign = 1): UnhandledAccess[] {
  return all.flatMap((one) => {
    const other = find(less, one)
    const reads = one.reads - sign * (other?.reads ?? 0)
    const writes = one.writes - sign * (other?.writes ?? 0)
    return reads > 0 || writes > 0 ? [{ ...one, reads, writes }] : []
  })
}
