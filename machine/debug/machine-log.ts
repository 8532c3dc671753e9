/**
 * What a machine tells of itself as it runs, in QEMU's words (`-d int,cpu_reset`): lines for people and their scripts. Nothing
 * of it costs anything while it is off: what is told is chosen when it is switched on.
 * Source of the lines: QEMU 7.2, target/i386/tcg/seg_helper.c, target/i386/cpu-dump.c, trace-events.
 */
import { cplOf, cpuDump } from '../cpu/cpu-dump.js'
import type { CodePlace, CpuState, EngineEvents } from '../cpu/engine.js'
import { UsageError } from '../errors.js'

/** Items with what they tell; the first name is ours, others are QEMU's or what hands are used to. */
export const LOG_ITEMS = [
  { names: ['int'], help: 'interrupts and exceptions in protected mode, with the registers' },
  { names: ['exec'], help: 'every instruction that is executed, with symbols (slow)' },
  { names: ['cpu'], help: 'the registers in front of each instruction (slow)' },
  { names: ['in_asm'], help: 'the bytes of each instruction when it is executed first (slow)' },
  { names: ['mmu'], help: 'page faults, loads of CR3, INVLPG' },
  { names: ['io'], help: 'accesses to ports and to memory of devices' },
  { names: ['irq'], help: "levels of the devices' interrupt lines, and message interrupts (MSI, MSI-X)" },
  { names: ['cpu_reset', 'reset'], help: 'resets of the machine, with the registers before' },
  { names: ['unassigned', 'unimp'], help: 'accesses to what the machine does not have' },
  { names: ['guest_errors'], help: 'what devices warn of' },
] as const

export type LogItem = (typeof LOG_ITEMS)[number]['names'][0]

/** QEMU's items for which there is nothing here to tell, and that change nothing. */
const IDLE = ['nochain', 'tid']

/** Words for a log that cannot be; one sentence. */
export class LogError extends UsageError {
  override readonly name = 'LogError'
}

/** As `-d help` lists them. */
export function logHelp(): string {
  const lines = LOG_ITEMS.map(({ names, help }) => `${names.join(', ').padEnd(20)}${help}\n`)
  return `Log items (comma separated):\n${lines.join('')}`
}

/** @param nearest What a mistyped word was meant to be. Throws a LogError. */
export function parseLogItems(
  words: string,
  nearest: (word: string, known: readonly string[]) => string | undefined,
): Set<LogItem> {
  const items = new Set<LogItem>()
  for (const word of words.split(',')) {
    const name = word.trim()
    if (name === '' || name === 'none' || IDLE.includes(name)) continue
    const found = LOG_ITEMS.filter(({ names }) => name === 'all' || (names as readonly string[]).includes(name))
    if (found.length === 0) {
      const known = LOG_ITEMS.flatMap(({ names }): readonly string[] => names)
      const near = nearest(name, known)
      throw new LogError(
        `there is no log of '${name}'; ${near ? `did you mean '${near}'? ` : ''}there are ${known.join(', ')}`,
      )
    }
    for (const { names } of found) items.add(names[0])
  }
  return items
}

/** Addresses from the first to the last. */
export type LogRange = readonly [first: bigint, last: bigint]

const MOST_RANGES = 64
const NUMBER = '(0x[\\da-f]{1,16}|\\d{1,20})'
const RANGE = new RegExp(`^${NUMBER}(?:(\\.\\.|\\+|-)${NUMBER})?$`, 'i')

/** `0x8000..0x8fff`, `0x80000+0x200`, `0x60000-0x1000`, with commas between: QEMU's `-dfilter`. Throws a LogError. */
export function parseLogRanges(words: string): LogRange[] {
  const ranges = words.split(',').map((word): LogRange => {
    const [, from, sign, to] = RANGE.exec(word.trim()) ?? []
    if (from === undefined)
      throw new LogError(`the log's range '${word}' is none; give 0x8000..0x8fff, 0x8000+0x1000 or 0x9000-0x1000`)
    const start = BigInt(from)
    if (sign === undefined) return [start, start]
    const other = BigInt(to)
    if (sign === '+') return [start, start + other - 1n]
    const range: LogRange = sign === '-' ? [start - other, start] : [start, other]
    if (range[0] < 0n || range[1] < range[0])
      throw new LogError(`the log's range '${word}' ends before it begins; give the lower address first`)
    return range
  })
  if (ranges.length > MOST_RANGES)
    throw new LogError(`the log has ${ranges.length} ranges; ${MOST_RANGES} are the most`)
  return ranges
}

/** What it asks of the machine while something is told. */
export interface LoggedMachine {
  /** Of the executing CPU. */
  state(): CpuState
  current(): number
  instructions(): number
  /** ` <name+0x12>`, or nothing. */
  nameOf(linear: bigint): string
  read(linear: bigint, length: number): Uint8Array
}

/** Instructions of which in_asm remembers that it has shown them. */
const MOST_SHOWN = 1 << 20
const LONGEST_INSTRUCTION = 15n
const PAGE_FAULT = 14
const CR0_PE = 1n

const hex = (value: bigint | number, digits = 1) => {
  const text = BigInt.asUintN(64, BigInt(value)).toString(16)
  return text.padStart(digits, '0')
}

export class MachineLog {
  private items: ReadonlySet<LogItem> = new Set()
  private ranges: readonly LogRange[] = []
  private machine: LoggedMachine | undefined
  private interrupts = 0
  private readonly shown = new Set<bigint>()
  /** The instruction that is about to be executed. */
  private next: { place: CodePlace; state: CpuState | undefined } | undefined
  /** Told when something was switched on or off. */
  onChange: (() => void) | undefined
  /** While it is true nothing is told: the machine does again what it has done. */
  isMuted = () => false

  /** @param write Takes lines with their ends. */
  constructor(public write: (text: string) => void) {}

  attach(machine: LoggedMachine): void {
    this.machine = machine
  }

  set(items: ReadonlySet<LogItem>, ranges: readonly LogRange[] = this.ranges): void {
    this.items = items
    this.ranges = ranges
    this.onChange?.()
  }

  has(item: LogItem): boolean {
    return this.items.has(item)
  }

  /** What the engine is to tell; undefined where that is nothing. */
  engineEvents(): EngineEvents | undefined {
    const [int, mmu] = [this.has('int'), this.has('mmu')]
    const steps = this.has('exec') || this.has('cpu') || this.has('in_asm')
    if (!int && !mmu && !steps) return undefined
    return {
      ...((int || mmu) && { interrupt: (vector, software, error) => this.interrupt(vector, software, error) }),
      ...(mmu && {
        translation: (what, value) =>
          this.line(what === 'cr3' ? `CR3 update: CR3=${hex(value, 16)}` : `INVLPG: addr=${hex(value, 16)}`),
      }),
      ...(steps && { before: (place) => this.before(place), executed: () => this.executed() }),
    }
  }

  private line(text: string): void {
    if (!this.isMuted()) this.write(`${text}\n`)
  }

  private within(linear: bigint): boolean {
    return this.ranges.length === 0 || this.ranges.some(([first, last]) => linear >= first && linear <= last)
  }

  private interrupt(vector: number, software: boolean, error: number | undefined): void {
    const { machine } = this
    if (!machine || this.isMuted()) return
    const state = machine.state()
    const linear = codeAddress(state)
    if (!this.within(linear)) return
    if (this.has('mmu') && vector === PAGE_FAULT && !software) {
      const bits = error ?? 0
      this.line(
        `MMU fault: addr=${hex(state.cr2, 16)} w=${(bits >> 1) & 1} u=${(bits >> 2) & 1} eip=${hex(state.rip, 16)}${machine.nameOf(linear)}`,
      )
    }
    // Real mode's are the firmware's calls, which QEMU leaves out as well.
    if (!this.has('int') || !(state.cr0 & CR0_PE)) return
    const [cs, ss] = [state.segments[1], state.segments[2]]
    const last = vector === PAGE_FAULT ? ` CR2=${hex(state.cr2, 16)}` : ` EAX=${hex(state.gpr[0], 16)}`
    const head = `${String(this.interrupts++).padStart(6)}: v=${hex(vector, 2)} e=${hex(error ?? 0, 4)} i=${software ? 1 : 0} cpl=${cplOf(state)}`
    const ip = `IP=${hex(cs.selector, 4)}:${hex(state.rip, 16)} pc=${hex(linear, 16)}`
    this.line(
      `${head} ${ip} SP=${hex(ss.selector, 4)}:${hex(state.gpr[4], 16)}${last}${machine.nameOf(linear)}\n${cpuDump(state).trimEnd()}`,
    )
  }

  private before(place: CodePlace): void {
    this.next = undefined
    const { machine } = this
    if (!machine || !this.within(place.linear) || this.isMuted()) return
    // All of the registers cost more than the instruction and its line.
    this.next = { place, state: this.has('cpu') ? machine.state() : undefined }
  }

  private executed(): void {
    const { next, machine } = this
    if (!next || !machine) return
    const { linear, base, rip, rflags } = next.place
    const name = machine.nameOf(linear)
    if (this.has('in_asm') && !this.shown.has(linear) && this.shown.size < MOST_SHOWN) {
      this.shown.add(linear)
      const length = codeAddress(machine.state()) - linear
      const bytes = length > 0n && length <= LONGEST_INSTRUCTION ? Number(length) : Number(LONGEST_INSTRUCTION)
      const shown = Buffer.from(machine.read(linear, bytes)).toString('hex').replace(/..\B/g, '$& ')
      this.line(`IN:${name}\n0x${hex(linear, 8)}:  ${shown}`)
    }
    if (this.has('exec'))
      this.line(
        `Trace ${machine.current()}: ${machine.instructions() - 1} [${hex(base, 8)}/${hex(rip, 16)}/${hex(rflags, 8)}]${name}`,
      )
    if (next.state) this.line(cpuDump(next.state).trimEnd())
  }

  // What the machine tells ------------------------------------------------------------------------------------------------

  port(write: boolean, port: number, value: number, size: number, name: string | undefined): void {
    const letter = { 1: 'b', 2: 'w', 4: 'l' }[size]
    this.line(`cpu_${write ? 'out' : 'in'} addr 0x${hex(port)}(${letter}) value ${value}${name ? ` '${name}'` : ''}`)
  }

  memory(write: boolean, address: number, value: number, size: number): void {
    const cpu = this.machine?.current() ?? 0
    const what = `memory_region_ops_${write ? 'write' : 'read'} cpu ${cpu}`
    this.line(`${what} addr 0x${hex(address)} value 0x${hex(value)} size ${size}`)
  }

  irq(n: number, source: string, level: boolean): void {
    this.line(`irq ${n} level ${level ? 1 : 0} '${source}'`)
  }

  message(source: string, address: number, data: number): void {
    this.line(`msi address 0x${hex(address)} data 0x${hex(data)} vector 0x${hex(data & 0xff)} '${source}'`)
  }

  unassigned(kind: 'port' | 'memory', write: boolean, address: number): void {
    this.line(`unassigned ${kind} ${write ? 'write' : 'read'} addr 0x${hex(address)}`)
  }

  warning(text: string, address: number | undefined): void {
    this.line(`${text}${address === undefined ? '' : ` (0x${hex(address)})`}`)
  }

  tripleFault(): void {
    if (this.has('int')) this.line('Triple fault')
  }

  /** Where it has `cpu_reset`. */
  reset(states: readonly CpuState[]): void {
    for (const [cpu, state] of states.entries()) this.line(`CPU Reset (CPU ${cpu})\n${cpuDump(state).trimEnd()}`)
  }
}

function codeAddress({ segments, rip, efer }: CpuState): bigint {
  const linear = segments[1].base + rip
  return efer & 0x400n ? BigInt.asUintN(64, linear) : linear & 0xffffffffn
}
