/**
 * A machine's past, for a debugger that goes back: states of the whole machine at some moments, and all that came to it
 * from outside since, so that any moment in between is reached again, to the instruction.
 *
 * At marks the CPUs forget their translations, as they do when a state is saved. So a state may be saved at any mark later
 * on, when the run passes there again: those before the place where the debugger is make short steps back quick.
 *
 * The file is longer than others, because each way through time is a few lines on the same list.
 */
import type { Breakpoint } from '../../../machine/cpu/engine.js'
import { NS_PER_INSTRUCTION } from '../../../machine/cpu/soft/soft-engine.js'
import type { DebugStop } from '../../../machine/debug/debug-target.js'
import type { MachineDebugger } from '../../../machine/debug/machine-debugger.js'
import type { Machine, MachineExit } from '../../../machine/machine.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer, PAGE, pagesOf } from '../../../machine/state/memory-image.js'

/** Instructions between two marks, at least. */
const MARK = 1_000_000
/** Instructions between two states that are saved as the machine runs for the first time. */
const STATE = 50_000_000
/** Saving takes at most this part of the host's time. */
const SAVING_SHARE = 0.05
/** Instructions before the place where the debugger is, within which states are saved when it is gone back to. */
const NEAR = 4_000_000
/** States that are kept; of more, those that lie close together in the far past go. */
const MOST_STATES = 48
/** Bytes of memory that they may hold, beside one state. */
const MOST_BYTES = 768 << 20
/** What came from outside; beyond, the oldest is forgotten. */
const MOST_ENTRIES = 500_000
/** One CPU of several is looked for among so many instructions. */
const MOST_SINGLE = 1 << 20
const MOST_FRUITLESS = 10
/** Host ms for which nobody is asked whether to go on. */
const PATIENCE = 50

/** A moment between two instructions. */
interface Moment {
  ns: number
  instructions: number
  /**
   * The linear address of the next instruction, where the machine stopped in front of it for a debugger: an interrupt may
   * have been delivered since the last one.
   */
  front?: bigint
}

interface Entry extends Moment {
  /** Does again what was done then. */
  again(): void
  /** It is a mark: nothing came from outside. */
  isMark?: boolean
  /** The machine behind that. */
  state?: MachineState
}

/** A moment, and how many entries are done there. */
interface Place extends Moment {
  done: number
}

export type Found = { why: 'breakpoint'; stop: DebugStop } | { why: 'there' | 'begin' | 'interrupted' }

/** The machine did not do again what it had done. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
}

export class History {
  private entries: Entry[] = []
  private done = 0
  /** Where the machine has been; undefined while it is there. */
  private ahead: (Place & { exit?: MachineExit }) | undefined
  private active = false
  private dropped = false
  /** In front of which instruction the last run stopped. */
  private front: bigint | undefined
  private lastExit: MachineExit | undefined
  private nextMark = 0
  private nextState = 0
  private nextSave = 0
  /** What the machine's memory is mapped from now. */
  private current: MachineState | undefined
  /** What is its own to close, and bytes of it. */
  private readonly layers = new Map<Pick<MemoryLayer, 'fd'>, number>()
  /** What others close. */
  private foreign = new WeakSet<Pick<MemoryLayer, 'fd'>>()
  /** While true, states are saved near this count. */
  private keeps = false
  private near = 0
  /** Runs in a row that came back at once. */
  private fruitless = 0
  private readonly target: MachineDebugger

  constructor(private readonly machine: Machine & { debugTarget?: MachineDebugger }) {
    if (!machine.debugTarget) throw new HistoryError('a machine without a debugger has no history')
    this.target = machine.debugTarget
  }

  /** From this moment on it can be gone back to. Throws a SnapshotError where the machine cannot be saved. */
  begin(): void {
    this.end()
    const entry: Entry = { ...this.moment(), again: () => this.target.forgetTranslations(), isMark: true }
    this.save(entry)
    this.entries = [entry]
    this.nextMark = this.machine.instructions() + MARK
    this.done = 1
    this.active = true
    // Marks are where the host's clock had a say.
    this.target.touched = true
    this.target.onChange = (again) => this.changed(again)
  }

  /** The past is forgotten, and where the machine is is its present. */
  end(): void {
    this.active = false
    this.ahead = undefined
    this.entries = []
    this.done = 0
    this.target.onChange = undefined
    this.sweep()
  }

  /** The machine's state was given to others, or was theirs: there is no way back past this moment. */
  passOn(state: MachineState): void {
    for (const layer of layersOf(state)) {
      this.layers.delete(layer)
      this.foreign.add(layer)
    }
    this.current = undefined
    const { isActive } = this
    this.end()
    if (isActive) this.begin()
  }

  get isActive(): boolean {
    return this.active
  }

  /** The machine is where it has been before. */
  get inPast(): boolean {
    return this.ahead !== undefined
  }

  /** For people: how far back it goes. */
  describe(): string {
    if (!this.active) return 'none'
    const [first] = this.entries
    const states = this.entries.filter(({ state }) => state).length
    const { ahead } = this
    const where = ahead ? `, now ${ahead.instructions - this.machine.instructions()} before its end` : ''
    const last = ahead?.instructions ?? this.machine.instructions()
    return `instructions ${first.instructions} to ${last}${where}; ${states} states, ${Math.ceil(this.bytes() / 2 ** 20)} MiB`
  }

  /** As the machine's `run`, in the present and in the past; it comes back where the present begins. */
  run(until: number, hostEnd?: number): MachineExit | undefined {
    if (!this.active) return this.machine.run(until, hostEnd)
    if (this.ahead) return this.runPast(until, hostEnd)
    this.lastExit = this.machine.run(until, hostEnd)
    this.noteFront()
    if (!this.lastExit && !this.target.stopped && this.machine.instructions() >= this.nextMark) this.mark()
    return this.lastExit
  }

  /** Something comes from outside, in the present: it is done, and again when the run passes here again. */
  outside(again: () => void): void {
    if (this.active) this.note(again)
    again()
  }

  /** Like `outside`, of what a debugger has done: what lay ahead is no more. */
  private changed(again: () => void): void {
    if (this.ahead) {
      this.dropFrom(this.done)
      this.ahead = undefined
      this.dropped = true
    }
    this.note(again)
  }

  /** Whether what lay ahead was dropped since this was asked last. */
  takeDropped(): boolean {
    const { dropped } = this
    this.dropped = false
    return dropped
  }

  private note(again: () => void, isMark = false): void {
    this.entries.push({ ...this.moment(), again, isMark })
    this.done = this.entries.length
    if (this.entries.length > MOST_ENTRIES) this.forgetOldest()
  }

  // Into the past -----------------------------------------------------------------------------------------------------

  /** To the last stop before this moment, in front of its instruction. @param asks True: give up. */
  backToStop(asks: () => boolean): Found {
    const here = this.leave()
    let end: Place = here
    const points = this.target.points
    for (let i = this.stateBefore(here); i >= 0; i = this.stateBefore(end)) {
      const last = this.lastStop(i, end, points, asks)
      if (last === 'interrupted') return { why: 'interrupted' }
      if (last) {
        const ended = this.goTo(last.place, asks)
        return ended ? { why: 'breakpoint', stop: last.stop } : { why: 'interrupted' }
      }
      const { ns, instructions, front } = this.entries[i]
      end = { ns, instructions, front, done: i }
      if (i === 0) break
    }
    this.load(0)
    return { why: 'begin' }
  }

  /** In front of the last instruction of one CPU. */
  backOne(cpu: number, asks: () => boolean): Found {
    const here = this.leave()
    const first = this.entries[0].instructions
    if (here.instructions <= first) {
      this.load(0)
      return { why: 'begin' }
    }
    let last: number | undefined = this.target.cpus === 1 ? here.instructions - 1 : undefined
    for (let window = 64; last === undefined && window <= MOST_SINGLE; window *= 16) {
      const from = Math.max(first, here.instructions - window)
      const found = this.lastOf(cpu, from, here, asks)
      if (found === 'interrupted') return { why: 'interrupted' }
      if (found === undefined && from === first) {
        this.load(0)
        return { why: 'begin' }
      }
      last = found
    }
    // It has waited for a long time: some other CPU's then.
    return { why: this.goToCount(last ?? here.instructions - 1, asks) ? 'there' : 'interrupted' }
  }

  /** To the first moment of the past at which so many instructions were retired. */
  backTo(instructions: number, asks: () => boolean): Found {
    this.leave()
    return { why: this.goToCount(instructions, asks) ? 'there' : 'interrupted' }
  }

  /** Remembers where the present is. */
  private leave(): Place {
    const here = this.place()
    this.ahead ??= { ...here, exit: this.lastExit }
    return here
  }

  private place(): Place {
    return { ...this.moment(), done: this.done }
  }

  private lastStop(
    from: number,
    end: Place,
    points: readonly Breakpoint[],
    asks: () => boolean,
  ): { place: Place | number; stop: DebugStop } | 'interrupted' | undefined {
    this.load(from)
    let last: { place: Place | number; stop: DebugStop } | undefined
    this.target.stopAt(points)
    try {
      while (!this.isAt(end)) {
        if (asks()) return 'interrupted'
        this.advance(end)
        const stop = this.target.takeStop()
        if (stop?.why !== 'breakpoint') continue
        const place = this.place()
        const { kind } = stop.hit
        // Behind its access there: in front of it is one instruction before.
        if (kind !== 'execute' && kind !== 'interrupt') last = { place: place.instructions - 1, stop }
        else if (place.instructions < end.instructions) last = { place, stop }
      }
    } finally {
      this.target.stopAt(undefined)
    }
    return last
  }

  /** The count in front of the last instruction of one CPU, between two moments. */
  private lastOf(cpu: number, from: number, end: Place, asks: () => boolean): number | 'interrupted' | undefined {
    if (!this.goToCount(from, asks)) return 'interrupted'
    let last: number | undefined
    const places = () => Array.from({ length: this.target.cpus }, (_, i) => this.target.state(i).rip)
    let before = places()
    let polled = 0
    while (this.machine.instructions() < end.instructions) {
      if (++polled % 4096 === 0 && asks()) return 'interrupted'
      const count = this.machine.instructions()
      this.toCount(count + 1, end.done, asks)
      const after = places()
      const moved = after.flatMap((rip, i) => (rip === before[i] ? [] : [i]))
      // A CPU that loops over one instruction moves nobody.
      if (moved.length > 0 ? moved.includes(cpu) : this.target.current === cpu) last = count
      before = after
    }
    return last
  }

  // Forward -------------------------------------------------------------------------------------------------------------

  private runPast(until: number, hostEnd = Number.POSITIVE_INFINITY): MachineExit | undefined {
    const { ahead, machine } = this
    while (ahead) {
      if (this.isAt(ahead) && this.isFront(ahead)) {
        this.ahead = undefined
        this.lastExit = ahead.exit
        return ahead.exit
      }
      if (machine.now() >= until) return undefined
      this.advance({ ns: until, instructions: 0, done: ahead.done }, hostEnd)
      if (this.target.stopped || performance.now() >= hostEnd) return undefined
    }
    return undefined
  }

  /** Whether it is there, with all entries before it done. */
  private isAt({ ns, instructions, done }: Place): boolean {
    return this.done >= done && this.machine.now() >= ns && this.machine.instructions() >= instructions
  }

  /** One piece of the way to a place: an entry, or a run, which may end at a breakpoint before. */
  private advance(to: Place, hostEnd = performance.now() + PATIENCE): void {
    const { machine } = this
    const limit = this.ahead
    const next = this.done < to.done ? this.entries[this.done] : undefined
    const goal: Moment = next && next.ns <= to.ns ? next : limit && limit.ns < to.ns ? limit : to
    if (machine.now() >= goal.ns && machine.instructions() >= goal.instructions && this.isFront(goal)) {
      if (next === goal) this.redo(next)
      return
    }
    if (goal.front === undefined || machine.now() < goal.ns - NS_PER_INSTRUCTION) {
      const end = goal.front === undefined ? goal.ns : goal.ns - NS_PER_INSTRUCTION
      const from = machine.now()
      this.lastExit = machine.run(end, hostEnd)
      this.noteFront()
      // What has ended for good comes back at once; what has reset once.
      this.fruitless = this.lastExit && machine.now() === from ? this.fruitless + 1 : 0
      if (this.fruitless > MOST_FRUITLESS) throw this.differs(`it ended (${this.lastExit?.reason})`)
    } else this.toFront(goal, goal.front)
    this.check(goal)
  }

  private isFront({ front }: Moment): boolean {
    return front === undefined || this.front === front
  }

  private redo(entry: Entry): void {
    this.done++
    entry.again()
    const isNear = entry.instructions <= this.near && this.near - entry.instructions < NEAR
    if (this.keeps && isNear && entry.isMark && !entry.state) this.save(entry)
  }

  /** To the stop in front of an instruction, of which the machine is at most one away, or to a breakpoint before. */
  private toFront({ ns, instructions }: Moment, front: bigint): void {
    const { machine, target } = this
    const points = target.stopping
    target.stopAt([...points, { kind: 'execute', address: front, length: 1 }])
    try {
      while (machine.now() <= ns) {
        this.lastExit = machine.run(ns + 1)
        const stop = target.stopped
        if (stop?.why !== 'breakpoint') continue
        this.noteFront()
        const isThere = machine.instructions() === instructions && this.front === front
        const { kind, address } = stop.hit
        const isOwn = points.some((one) => one.kind === kind && one.address === address)
        if (!isOwn) target.takeStop()
        if (isOwn || isThere) return
      }
    } finally {
      target.stopAt(points)
    }
    throw this.differs(`it did not come to 0x${front.toString(16)} at instruction ${instructions}`)
  }

  private check(goal: Moment): void {
    const { machine } = this
    if (goal.instructions === 0 || machine.now() < goal.ns || this.target.stopped) return
    if (machine.now() !== goal.ns || machine.instructions() !== goal.instructions)
      throw this.differs(`it is at instruction ${machine.instructions()} instead of ${goal.instructions}`)
  }

  private differs(how: string): HistoryError {
    return new HistoryError(`the machine did not do again what it had done: ${how}; please report this`)
  }

  // To one moment ---------------------------------------------------------------------------------------------------------

  /** A place, or the first moment at which so many instructions were retired. False: it was given up on the way. */
  private goTo(to: Place | number, asks: () => boolean): boolean {
    if (typeof to === 'number') return this.goToCount(to, asks)
    return this.nearing(to.instructions, () => {
      this.load(this.stateBefore(to))
      this.target.stopAt([])
      try {
        while (!this.isAt(to) || !this.isFront(to)) {
          if (asks()) return false
          this.advance(to)
        }
      } finally {
        this.target.stopAt(undefined)
      }
      return true
    })
  }

  private goToCount(count: number, asks: () => boolean): boolean {
    return this.nearing(count, () => {
      const { ahead } = this
      this.load(this.stateBefore({ ns: Number.POSITIVE_INFINITY, instructions: count, done: 0 }))
      this.target.stopAt([])
      try {
        return this.toCount(count, ahead?.done ?? this.entries.length, asks)
      } finally {
        this.target.stopAt(undefined)
      }
    })
  }

  private nearing(count: number, go: () => boolean): boolean {
    this.keeps = true
    this.near = count
    try {
      return go()
    } finally {
      this.keeps = false
      this.thin()
    }
  }

  private toCount(count: number, done: number, asks: () => boolean): boolean {
    const { machine } = this
    for (let turns = 1; machine.instructions() < count; turns++) {
      if (turns % 256 === 0 && asks()) return false
      const left = (count - machine.instructions()) * NS_PER_INSTRUCTION
      // A guest that waits retires nothing until its next timer.
      const ns = Math.max(machine.now() + left, machine.idleUntil?.() ?? 0)
      this.advance({ ns, instructions: 0, done })
      if (this.ahead && machine.now() >= this.ahead.ns && machine.instructions() < count) return true
    }
    return true
  }

  private load(index: number): void {
    const { state } = this.entries[index]
    if (!state) throw new HistoryError('there is no state to go back to')
    this.machine.load(state)
    this.current = state
    this.done = index + 1
    this.front = undefined
    this.lastExit = undefined
    this.target.takeStop()
  }

  /** The last entry with a state that lies before a place. */
  private stateBefore({ instructions, ns }: Place): number {
    let best = 0
    for (let i = this.entries.length - 1; i > 0; i--) {
      const entry = this.entries[i]
      if (!entry.state) continue
      if (entry.instructions < instructions && entry.ns <= ns) {
        best = i
        break
      }
    }
    return best
  }

  // States --------------------------------------------------------------------------------------------------------------

  private moment(): Moment {
    const { machine, front } = this
    return { ns: machine.now(), instructions: machine.instructions(), ...(front !== undefined && { front }) }
  }

  private noteFront(): void {
    const { target } = this
    if (!target.stopped) {
      this.front = undefined
      return
    }
    const { segments, rip } = target.state(target.current)
    this.front = BigInt.asUintN(64, segments[1].base + rip)
  }

  private mark(): void {
    const { machine, target } = this
    const again = () => target.forgetTranslations()
    this.note(again, true)
    again()
    this.nextMark = machine.instructions() + MARK
    if (machine.instructions() < this.nextState || performance.now() < this.nextSave) return
    this.save(this.entries[this.done - 1])
    this.thin()
  }

  private save(entry: Entry): void {
    const began = performance.now()
    const state = this.machine.save()
    entry.state = state
    this.current = state
    for (const layer of layersOf(state)) {
      if (!this.layers.has(layer) && !this.foreign.has(layer)) this.layers.set(layer, bytesOf(layer))
    }
    this.nextState = this.machine.instructions() + STATE
    this.nextSave = performance.now() + (performance.now() - began) / SAVING_SHARE
  }

  private bytes(): number {
    let sum = 0
    for (const bytes of this.layers.values()) sum += bytes
    return sum
  }

  /** Fewer states, the older the farther apart: the one goes that is missed least. */
  private thin(): void {
    while (true) {
      const held = this.entries.flatMap((entry, i) => (entry.state ? [i] : []))
      if (held.length <= 2 || (held.length <= MOST_STATES && this.bytes() <= MOST_BYTES)) break
      const count = (i: number) => this.entries[held[i]].instructions
      const newest = this.machine.instructions()
      let least = 1
      let smallest = Number.POSITIVE_INFINITY
      for (let i = 1; i < held.length - 1; i++) {
        const age = Math.abs(newest - count(i)) + STATE
        const missed = (count(i + 1) - count(i - 1)) / age
        if (missed < smallest) [least, smallest] = [i, missed]
      }
      this.entries[held[least]].state = undefined
      this.sweep()
    }
  }

  /** The history begins at its second state from now on. */
  private forgetOldest(): void {
    const second = this.entries.findIndex(({ state }, i) => i > 0 && state !== undefined)
    if (second < 0 || this.ahead) return
    this.entries = this.entries.slice(second)
    this.done -= second
    this.sweep()
  }

  private dropFrom(index: number): void {
    this.entries = this.entries.slice(0, index)
    this.done = index
    this.nextMark = this.nextState = 0
    this.sweep()
  }

  /** Closes layers that no state has any more, and that the machine is not mapped from. */
  private sweep(): void {
    const used = new Set<Pick<MemoryLayer, 'fd'>>(this.current ? layersOf(this.current) : [])
    for (const { state } of this.entries) if (state) for (const layer of layersOf(state)) used.add(layer)
    for (const layer of this.layers.keys()) {
      if (used.has(layer)) continue
      closeLayer(layer)
      this.layers.delete(layer)
    }
  }

  /** Once the machine is closed. */
  close(): void {
    this.end()
    this.current = undefined
    this.sweep()
  }
}

function layersOf(state: MachineState): Pick<MemoryLayer, 'fd'>[] {
  return [...state.memory.layers, ...Object.values(state.media).flatMap((image) => image?.layers ?? [])]
}

function bytesOf(layer: Pick<MemoryLayer, 'fd'>): number {
  return 'runs' in layer
    ? pagesOf(layer as MemoryLayer) * PAGE
    : 'data' in layer
      ? (layer.data as Uint8Array).length
      : 0
}
