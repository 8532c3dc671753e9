/**
 * The arithmetic flags inside a block: not computed, but remembered as what made them, until somebody asks. From block to block
 * of a region they are parked in locals, or in memory where the next block begins by asking for them; wherever the interpreter
 * takes over, they are in memory as `core/integer/flags.ts` describes.
 */
import { type Flags, FlagValues, MEMORY } from './flag-values.js'
import { parkFlags, storeFlags } from './flags-out.js'
import type { Frame } from './frame.js'
import { I32, I64, type ValueType } from './wasm.js'

const PARKED = { kind: 'parked' } as const
/** Sets of locals; remembered flags refer to few of them at a time. */
const BANKS = 6

export class LazyFlags extends FlagValues {
  private readonly banks = new Map<string, number>()
  private readonly bankOf = new Map<number, number>()

  constructor(frame: Frame) {
    super(frame)
    frame.flagsOut = () => this.write()
    frame.park = () => this.park()
  }

  /** A block begins, or the interpreter has executed an op: they are `inMemory`, or parked. */
  reset(inMemory: boolean): void {
    this.now = inMemory ? MEMORY : PARKED
  }

  /** Into memory, and there they are. */
  flush(): void {
    this.write(this.now)
    this.now = MEMORY
  }

  /** A fresh set of locals for what comes next; what is remembered now keeps its own, or goes to memory where it is too involved. */
  next(): (name: string, size: number) => number {
    if (depth(this.now) >= BANKS - 2) this.flush()
    const busy = new Set(localsOf(this.now).map((local) => this.bankOf.get(local)))
    let bank = 0
    while (busy.has(bank)) bank++
    return (name, size) => this.local(name, size === 8 ? I64 : I32, bank)
  }

  private local(name: string, type: ValueType, bank: number): number {
    const key = `${name}${type}${bank}`
    let local = this.banks.get(key)
    if (local === undefined) {
      local = this.frame.code.local(type)
      this.banks.set(key, local)
      this.bankOf.set(local, bank)
    }
    return local
  }

  /** Writes `f` to memory; `now` stays what it is. */
  write(f: Flags = this.now): void {
    if (f.kind === 'memory') return
    if (f.kind === 'parked') this.frame.settleFlags()
    else {
      storeFlags(this, this.frame, f)
      this.frame.nothingParked()
    }
  }

  /** Leaves `f` in the frame's locals, or writes it where it is too involved; `now` stays what it is. */
  park(f: Flags = this.now): void {
    if (f.kind === 'memory' || f.kind === 'parked') return
    if (!parkFlags(this.frame, f)) this.write(f)
  }
}

function depth(f: Flags): number {
  return 'before' in f ? 1 + depth(f.before) : 0
}

function localsOf(f: Flags): number[] {
  const own = Object.entries(f).flatMap(([name, value]) =>
    typeof value === 'number' && name !== 'size' ? [value] : [],
  )
  return 'before' in f ? [...own, ...localsOf(f.before)] : own
}
