/**
 * Where two recordings part: both are replayed side by side, first in long strides, then between the last moment at which
 * their CPUs are alike and the first at which they are not in ever shorter ones, down to single instructions.
 *
 * Recordings of the same files are alike up to the first input that differs. Those of two kernels are compared from their
 * first instructions on: what comes before depends on the sizes of their files.
 */
import type { CpuState } from '../../../machine/cpu/engine.js'
import { placeOf } from '../../../machine/debug/backtrace.js'
import { codeBits, disassemble, LONGEST_INSTRUCTION } from '../../../machine/debug/disassembly.js'
import type { MachineDebugger } from '../../../machine/debug/machine-debugger.js'
import type { Place } from '../../../machine/report.js'
import { differences } from '../../../machine/state/compare.js'
import { kernelEntry } from '../../config/kernel-entry.js'
import { DEFAULT_MEMORY } from '../../config/machine-config.js'
import { differentFiles, differentMachines } from './recorded-machines.js'
import type { Recorded } from './recorder.js'
import { type RegisterDifference, registerDifferences } from './register-differences.js'
import { type Recording, Replay, readRecording } from './replay.js'

/** Guest time between two looks, ns: short where they set out and behind each input, and longer the farther they are from there. */
const FIRST_STRIDE = 10_000
const LONGEST_STRIDE = 1_000_000
const GROWTH = 1 / 1000
/** Into so many the stride is divided in which they part. */
const PIECES = 64
const INSTRUCTION_NS = 10
const CS = 1

/** One of the two at the instruction behind which they are not alike any more. */
export interface PartingSide {
  /** The instruction. */
  at: Place
  /** Its bytes, hexadecimal, and in words. */
  code: string
  instruction: string
  /** Where its CPU is afterwards. */
  next: Place
}

export interface Parted {
  outcome: 'parted'
  /** Executed alike, since power-on or since the kernels' first instructions. */
  instructions: number
  since: 'power-on' | 'the kernel'
  /** Of the first one, ns since power-on. */
  guestTimeNs: number
  cpu: number
  sides: [PartingSide, PartingSide]
  /** Afterwards. */
  registers: RegisterDifference[]
}

/** What the two runs are to each other. */
type Found =
  | { outcome: 'same'; instructions: number; guestTimeNs: number }
  /** One goes on where the other, 0 or 1, ends. */
  | { outcome: 'shorter'; which: 0 | 1; instructions: number; guestTimeNs: number }
  /** They executed the same, and ended with other contents of memory or devices. */
  | { outcome: 'state'; instructions: number; guestTimeNs: number; parts: string[] }
  | Parted

export type Parting = (Found | { outcome: 'machines'; why: string }) & {
  /** Files of theirs that differ, a sentence each. */
  files: string[]
  /** What came from outside first that differs. */
  inputs?: [Recorded | undefined, Recorded | undefined]
}

/** Throws a RecordingError, or a SnapshotError where a file that was recorded with is another one now. */
export async function findParting(paths: readonly [string, string]): Promise<Parting> {
  const recordings = paths.map((path) => readRecording(path)) as [Recording, Recording]
  const headers = recordings.map(({ header }) => header)
  const why = differentMachines(headers[0], headers[1])
  if (why !== undefined) return { outcome: 'machines', why, files: [] }
  const files = differentFiles(headers[0], headers[1])
  const inputs = firstDifference(recordings)
  const known = { files, ...(inputs && { inputs }) }
  const ends = recordings.map(({ events }) => events.at(-1))
  if (files.length === 0 && !inputs && sameHashes(recordings)) {
    const { at = 0, instructions = 0 } = ends[0] ?? {}
    return { outcome: 'same', instructions, guestTimeNs: at, files }
  }
  const replays: Replay[] = []
  try {
    for (const path of paths) replays.push(await Replay.open(path))
    const pair = new Pair(replays as [Replay, Replay])
    if (files.length > 0)
      pair.toKernels(
        headers.map(({ config }) => config.kernel && kernelEntry(config.kernel, config.memory ?? DEFAULT_MEMORY)),
      )
    // Before the first input that differs nothing can.
    else if (inputs) pair.skipTo(Math.min(...inputs.map((one) => one?.at ?? Number.POSITIVE_INFINITY)) - INSTRUCTION_NS)
    return { ...pair.part(ends), ...known }
  } finally {
    for (const replay of replays) replay.close()
  }
}

/** What comes from outside; the rest is what Bootwright itself did. */
function comesIn(events: readonly Recorded[]): Recorded[] {
  return events.filter(({ do: what }) => what === 'input' || what === 'insert' || what === 'answer')
}

function firstDifference(recordings: readonly Recording[]): Parting['inputs'] {
  const [a, b] = recordings.map(({ events }) => comesIn(events))
  const ends = recordings.map(({ events }) => events.at(-1)?.at ?? 0)
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (JSON.stringify(a[i]) === JSON.stringify(b[i])) continue
    // One that was recorded for longer has more of it.
    if ((a[i] === undefined && b[i].at >= ends[0]) || (b[i] === undefined && a[i].at >= ends[1])) return undefined
    return [a[i], b[i]]
  }
  return undefined
}

function sameHashes(recordings: readonly Recording[]): boolean {
  const [a, b] = recordings.map(({ events }) =>
    events.filter(({ do: what }) => what === 'end' || what === 'checkpoint'),
  )
  return a.length > 0 && JSON.stringify(a) === JSON.stringify(b)
}

class Pair {
  /** Guest time of each where they set out, and instructions. */
  private origins: { ns: number; instructions: number[] }[]
  private since: Parted['since'] = 'power-on'

  constructor(private readonly replays: readonly [Replay, Replay]) {
    this.origins = replays.map(() => ({ ns: 0, instructions: [] }))
  }

  private get targets(): MachineDebugger[] {
    return this.replays.map(({ machine }) => machine.debugTarget as MachineDebugger)
  }

  /** Each to the first instruction of its kernel. */
  toKernels(entries: readonly (string | undefined)[]): void {
    if (entries.some((entry) => entry === undefined)) return
    this.replays.forEach((replay, i) => {
      const target = this.targets[i]
      target.stopAt([{ kind: 'execute', address: BigInt(entries[i] as string), length: 1 }])
      replay.runTo(replay.end)
      target.stopAt(undefined)
      target.takeStop()
      const { machine } = replay
      const instructions = this.targets[i].counts().cpus
      this.origins[i] = { ns: machine.now(), instructions }
    })
    this.since = 'the kernel'
  }

  /** Both, that are alike up to there. */
  skipTo(ns: number): void {
    for (const replay of this.replays) replay.runTo(Math.max(0, ns))
  }

  part(ends: readonly (Recorded | undefined)[]): Found {
    const { replays } = this
    const last = Math.min(...replays.map(({ end }, i) => end - this.origins[i].ns))
    let from = Math.min(...replays.map(({ machine }, i) => machine.now() - this.origins[i].ns))
    if (!this.isAlike()) return this.describe(from, from)
    const parted = this.search(from, last, (since) => Math.min(LONGEST_STRIDE, Math.max(FIRST_STRIDE, since * GROWTH)))
    if (parted) return parted
    const end = this.alike(ends)
    if (end.outcome !== 'state' || this.since === 'the kernel') return end
    // What was done otherwise left nothing in a register: it is before the first word of memory that differs.
    let until = last
    while (until - from > 2 * FIRST_STRIDE) {
      const middle = from + Math.floor((until - from) / 2)
      this.goTo(middle)
      if (this.isMemoryAlike()) from = middle
      else until = middle
    }
    return this.search(Math.max(0, from - FIRST_STRIDE), until, () => INSTRUCTION_NS) ?? end
  }

  /** Between two moments, counted from where they set out. */
  private search(first: number, last: number, strideOf: (since: number) => number): Parted | undefined {
    let [from, until] = [first, last]
    for (let stride = strideOf; ; ) {
      const found = this.walk(from, until, stride)
      if (!found) return undefined
      if (stride(0) === INSTRUCTION_NS) return this.describe(found.from, found.to)
      from = found.from
      until = found.to
      this.goTo(from)
      for (const replay of this.replays) replay.keep()
      const piece = Math.max(INSTRUCTION_NS, Math.ceil((until - from) / PIECES / INSTRUCTION_NS) * INSTRUCTION_NS)
      stride = () => piece
    }
  }

  /** The last moment at which they are alike, and the first at which they are not. */
  private walk(
    from: number,
    until: number,
    strideOf: (since: number) => number,
  ): { from: number; to: number } | undefined {
    this.goTo(from)
    let begun = from
    const inputs = () => String(this.replays.map(({ nextAt }) => nextAt))
    let before = inputs()
    for (let at = from; at < until; ) {
      const next = Math.min(until, this.afterIdle(at + Math.ceil(strideOf(at - begun))))
      this.goTo(next)
      if (!this.isAlike()) return { from: at, to: next }
      if (inputs() !== before) {
        before = inputs()
        begun = next
      }
      at = next
    }
    return undefined
  }

  /** A guest that waits does nothing before its next timer, or what comes in. */
  private afterIdle(at: number): number {
    const awake = this.replays.map(
      ({ machine, nextAt }, i) => Math.min(machine.idleUntil?.() ?? 0, nextAt) - this.origins[i].ns,
    )
    return Math.max(at, Math.min(...awake))
  }

  private goTo(at: number): void {
    this.replays.forEach((replay, i) => {
      replay.runTo(this.origins[i].ns + at)
    })
  }

  /** As far as CPUs know of it. */
  private isAlike(): boolean {
    const [a, b] = this.targets
    const [since, other] = this.origins.map(({ ns }, i) => this.replays[i].machine.now() - ns)
    if (since !== other) return false
    const counts = this.counts()
    if (counts[0].some((count, cpu) => count !== counts[1][cpu])) return false
    return counts[0].every((_, cpu) => registerDifferences(a.state(cpu), b.state(cpu)).length === 0)
  }

  private isMemoryAlike(): boolean {
    const [a, b] = this.replays.map((replay) => replay.save())
    return !differences(a, b, Number.POSITIVE_INFINITY).some((part) => part.startsWith('memory'))
  }

  /** Instructions by CPU. */
  private counts(): number[][] {
    return this.targets.map((target, i) =>
      target.counts().cpus.map((count, cpu) => count - (this.origins[i].instructions[cpu] ?? 0)),
    )
  }

  private alike(ends: readonly (Recorded | undefined)[]): Found {
    const [a, b] = this.replays
    const guestTimeNs = a.machine.now()
    const instructions = this.total()
    const places = this.replays.map(({ end }, i) => end - this.origins[i].ns)
    if (places[0] !== places[1])
      return { outcome: 'shorter', which: places[0] < places[1] ? 0 : 1, instructions, guestTimeNs }
    const hashes = ends.map((end) => (end?.do === 'end' ? end.hash : undefined))
    if (hashes[0] !== undefined && hashes[0] === hashes[1]) return { outcome: 'same', instructions, guestTimeNs }
    const parts = differences(a.save(), b.save())
    if (parts.length === 0) return { outcome: 'same', instructions, guestTimeNs }
    return { outcome: 'state', instructions, guestTimeNs, parts }
  }

  private total(): number {
    return this.counts()[0].reduce((sum, count) => sum + count, 0)
  }

  private describe(from: number, to: number): Parted {
    this.goTo(from)
    const instructions = this.total()
    const guestTimeNs = this.replays[0].machine.now()
    const before = this.targets.map((target) => this.cpus(target))
    const counts = this.counts()
    if (to !== from) this.goTo(to)
    const after = this.targets.map((target) => this.cpus(target))
    const isOther = (cpu: number) => registerDifferences(after[0][cpu].state, after[1][cpu].state).length > 0
    const later = this.counts()
    const moved = (cpu: number) => later[0][cpu] - counts[0][cpu] !== later[1][cpu] - counts[1][cpu]
    const cpus = after[0].map((_, cpu) => cpu)
    const cpu = cpus.find(isOther) ?? cpus.find(moved) ?? 0
    const sides = this.targets.map((_, i): PartingSide => {
      const { place, code, instruction } = before[i][cpu]
      return { at: place, code, instruction, next: after[i][cpu].place }
    }) as [PartingSide, PartingSide]
    const registers = registerDifferences(after[0][cpu].state, after[1][cpu].state)
    return { outcome: 'parted', instructions, since: this.since, guestTimeNs, cpu, sides, registers }
  }

  private cpus(
    target: MachineDebugger,
  ): ({ state: CpuState; place: Place } & Pick<PartingSide, 'code' | 'instruction'>)[] {
    const { symbols } = target
    return Array.from({ length: target.cpus }, (_, cpu) => {
      const state = target.state(cpu)
      const linear = BigInt.asUintN(64, state.segments[CS].base + state.rip)
      const bytes = target.read(cpu, linear, LONGEST_INSTRUCTION)
      const [found] = disassemble(bytes, linear, codeBits(state), 1, (to) => target.nameOf(to))
      const code = Buffer.from(found?.bytes ?? []).toString('hex')
      return { state, place: placeOf(linear, symbols), code, instruction: found?.text ?? 'no memory is there' }
    })
  }
}
