/**
 * Several CPUs on one core: each has its turn in linear memory, the others' states wait here. The turns are counted in
 * guest time, so a run with several CPUs is as reproducible as one with a single CPU.
 *
 * A CPU gives its turn away when the quantum is over, in HLT, and at PAUSE, where it waits for another CPU; and where
 * it interrupts another one, because what it does next may be to wait for that one in a loop of its own. Then the turns
 * are short for a while, so that questions and answers follow each other soon. Out of reset all but the first wait for
 * a start-up IPI (Intel SDM vol. 3, 9.4 "Multiple-Processor (MP) Initialization").
 */
import type { State } from '../../device.js'
import * as at from './layout.js'

/** Guest time of a turn, in instructions' worth: the longest, and the one after an interrupt between CPUs. */
export const QUANTUM = 50_000
export const SHORT_QUANTUM = 500
/** So many turns in a row may go to CPUs that others interrupt: two that interrupt each other must not keep out a third. */
const MOST_SUMMONS = 16

const INTERRUPT_FLAG = 0x200

/** What the core offers for it. */
export interface ProcessorCore {
  resetCpu(init: number): void
  cpuSwitched(cpu: number): void
  setSegmentBounds(segment: number): void
  raiseAttention(bits: number): void
  lowerAttention(bits: number): void
}

interface Message {
  cpu: number
  /** A start-up IPI's vector; undefined is INIT. */
  vector?: number
}

const CS = at.ES + at.SEG_SIZE

export class Processors {
  /** Whose state is in linear memory. */
  current = 0
  /** Waits for a start-up IPI. */
  readonly waiting: boolean[]
  /** Instructions that each has retired. */
  readonly retired: number[]
  private readonly state: Uint8Array
  private readonly banks: Uint8Array[]
  private readonly bankViews: DataView[]
  private readonly stateView: DataView
  private messages: Message[] = []
  /** Of the next turn; it doubles from turn to turn. */
  private quantum = QUANTUM
  /** Was interrupted by another CPU: the next turn is its. */
  private summoned: number | undefined
  /** Turns in a row that were summoned. */
  private summons = 0

  constructor(
    memory: WebAssembly.Memory,
    private readonly core: ProcessorCore,
    readonly count: number,
  ) {
    this.state = new Uint8Array(memory.buffer, at.STATE, at.STATE_SIZE)
    this.banks = Array.from({ length: count }, () => new Uint8Array(at.STATE_SIZE))
    this.bankViews = this.banks.map((bank) => new DataView(bank.buffer))
    this.stateView = new DataView(memory.buffer, at.STATE, at.STATE_SIZE)
    this.waiting = this.banks.map((_, cpu) => cpu > 0)
    this.retired = this.banks.map(() => 0)
  }

  /** RESET# of all of them. */
  reset(): void {
    this.messages = []
    this.quantum = QUANTUM
    this.summoned = undefined
    this.summons = 0
    for (let cpu = this.count - 1; cpu >= 0; cpu--) {
      this.switchTo(cpu)
      this.write(cpu, at.CPU_APIC_ID, cpu)
      this.core.resetCpu(0)
      this.waiting[cpu] = cpu > 0
    }
  }

  switchTo(cpu: number): void {
    const { current, state, banks } = this
    if (cpu === current) return
    banks[current].set(state)
    state.set(banks[cpu])
    this.current = cpu
    this.core.cpuSwitched(cpu)
  }

  /** True where the present CPU's turn is to end, because another one has something to do at once. */
  raise(cpu: number, bits: number): boolean {
    if (cpu === this.current) {
      this.core.raiseAttention(bits)
      return false
    }
    this.write(cpu, at.ATTENTION, this.read(cpu, at.ATTENTION) | bits)
    if (!this.takes(cpu, bits)) return false
    this.summoned ??= cpu
    this.quantum = SHORT_QUANTUM
    return true
  }

  lower(cpu: number, bits: number): void {
    if (cpu === this.current) this.core.lowerAttention(bits)
    else this.write(cpu, at.ATTENTION, this.read(cpu, at.ATTENTION) & ~bits)
  }

  /** INIT, or a start-up IPI with its vector. They arrive between two turns, in order: `settle()`. */
  post(cpu: number, vector?: number): void {
    this.messages.push({ cpu, vector })
  }

  get posted(): boolean {
    return this.messages.length > 0
  }

  /** Carries out what was posted. */
  settle(): void {
    const { messages } = this
    this.messages = []
    for (const { cpu, vector } of messages) {
      if (vector === undefined) {
        this.switchTo(cpu)
        this.core.resetCpu(1)
        this.waiting[cpu] = cpu > 0
      } else if (this.waiting[cpu]) this.start(cpu, vector)
    }
  }

  /** From VV00:0000. */
  private start(cpu: number, vector: number): void {
    this.switchTo(cpu)
    const view = this.view(cpu)
    view.setUint16(CS - at.STATE, vector << 8, true)
    view.setBigUint64(CS + at.SEG_BASE - at.STATE, BigInt(vector << 12), true)
    this.core.setSegmentBounds(CS)
    view.setBigUint64(at.RIP - at.STATE, 0n, true)
    this.core.cpuSwitched(cpu)
    this.waiting[cpu] = false
  }

  /** Whose turn it is, and what is on its way; the CPUs' states are saved by themselves. */
  save(): State {
    const { current, waiting, messages, quantum, summoned, summons } = this
    return {
      current,
      quantum,
      summoned: summoned ?? null,
      summons,
      waiting: [...waiting],
      retired: [...this.retired],
      messages: messages.map(({ cpu, vector }) => ({ cpu, vector: vector ?? null })),
    }
  }

  load(state: State): void {
    this.switchTo(state.current as number)
    // Snapshots from before interrupts ended turns have neither.
    this.quantum = (state.quantum as number | undefined) ?? QUANTUM
    this.summoned = (state.summoned as number | null | undefined) ?? undefined
    this.summons = (state.summons as number | undefined) ?? 0
    for (const [cpu, waits] of (state.waiting as boolean[]).entries()) this.waiting[cpu] = waits
    // Snapshots from before they were counted have none.
    for (const cpu of this.retired.keys()) this.retired[cpu] = (state.retired as number[] | undefined)?.[cpu] ?? 0
    this.messages = (state.messages as { cpu: number; vector: number | null }[]).map(({ cpu, vector }) => ({
      cpu,
      vector: vector ?? undefined,
    }))
  }

  /** It is not in HLT, or something is there that ends HLT. */
  runnable(cpu: number): boolean {
    if (this.waiting[cpu]) return false
    return !this.read(cpu, at.HALTED) || this.takes(cpu, this.read(cpu, at.ATTENTION))
  }

  /** One of these ATTN_ bits interrupts it. */
  private takes(cpu: number, bits: number): boolean {
    if (this.waiting[cpu]) return false
    if (bits & at.ATTN_INTR && this.read(cpu, at.RFLAGS) & INTERRUPT_FLAG) return true
    if (bits & at.ATTN_NMI && !this.read(cpu, at.NMI_MASKED)) return true
    return (bits & at.ATTN_SMI) !== 0 && !this.read(cpu, at.IN_SMM)
  }

  /**
   * The next one's turn, round robin but for one that was interrupted by another, or that is preferred to that which is next;
   * false where none can run.
   */
  next(preferred?: number): boolean {
    const summoned = this.summons < MOST_SUMMONS ? this.summoned : undefined
    this.summons = summoned === undefined ? 0 : this.summons + 1
    this.summoned = undefined
    const first = summoned ?? preferred ?? this.current + 1
    for (let i = 0; i < this.count; i++) {
      const cpu = (first + i) % this.count
      if (!this.runnable(cpu)) continue
      this.switchTo(cpu)
      return true
    }
    return false
  }

  /** Another than the present one could have a turn. It holds until the present one's turn ends or it interrupts another. */
  othersRun(): boolean {
    for (let cpu = 0; cpu < this.count; cpu++) if (cpu !== this.current && this.runnable(cpu)) return true
    return false
  }

  /** How long the turn is that begins now. */
  takeQuantum(): number {
    const { quantum } = this
    this.quantum = Math.min(2 * quantum, QUANTUM)
    return quantum
  }

  /** What WRMSR added to its TSC. */
  tscOffset(cpu: number): bigint {
    return this.view(cpu).getBigInt64(at.TSC_OFFSET - at.STATE, true)
  }

  /** SMRAM is in the memory map of them all while one is in SMM: it keeps its turn. */
  keepsTurn(): boolean {
    return this.read(this.current, at.IN_SMM) !== 0 && this.runnable(this.current)
  }

  /** An interrupt could end the halt of one of them. */
  interruptsEnabled(): boolean {
    for (let cpu = 0; cpu < this.count; cpu++) {
      if (!this.waiting[cpu] && this.read(cpu, at.RFLAGS) & INTERRUPT_FLAG) return true
    }
    return false
  }

  private view(cpu: number): DataView {
    return cpu === this.current ? this.stateView : this.bankViews[cpu]
  }

  private read(cpu: number, address: number): number {
    return this.view(cpu).getUint32(address - at.STATE, true)
  }

  private write(cpu: number, address: number, value: number): void {
    this.view(cpu).setUint32(address - at.STATE, value, true)
  }
}
