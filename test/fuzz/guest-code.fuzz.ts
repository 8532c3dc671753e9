/**
 * Random programs on a whole machine, in 16-, 32- and 64-bit mode: with paging on and pages that are absent or read-only,
 * with interrupts, faults that handlers step over, and stores into themselves. Whatever a program does, the machine must
 * answer and come to the end of its budget; cut into slices, and from a snapshot half-way, it must come to the same hash.
 */
import type { CpuState } from '../../machine/cpu/engine.js'
import type { MachineState } from '../../machine/state/machine-state.js'
import { closeLayer } from '../../machine/state/memory-image.js'
import type { Mode } from '../conformance/native/encoding.js'
import { randomBytes } from '../conformance/native/faults/random-instructions.js'
import { type BarePc, barePc } from '../machine/state/bare-pc.js'
import { Random } from '../random.js'
import { randomSlices, runTo } from '../slices.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'

// The guest's memory: 2 MiB, mapped one to one.
const TABLES = 0x100000
const PAGE_TABLE = 0x103000
const GDT = 0x104000
const IDT = 0x105000
const HANDLERS = 0x106000
const TSS = 0x10f000
const HANDLER_16 = 0x600
const PROGRAM = 0x20000
const DATA = 0x30000
const STACK = 0x40000
/** Guest time of a program, ns: 20,000 instructions. */
const BUDGET = 200_000
const ERROR_CODES = [8, 10, 11, 12, 13, 14, 17]

interface Program {
  mode: Mode
  ring: 0 | 3
  instructions: readonly (readonly number[])[]
  /** Entries of the page table, by page. */
  pages: [number, number][]
  registers: bigint[]
  /** Draws the slices. */
  seed: number
}

function makeProgram(r: Random, size: number): Program {
  const mode = r.pick([64, 64, 32, 32, 16] as const)
  const near = (): bigint =>
    BigInt(r.pick([PROGRAM + r.below(0x800), DATA + r.below(0x4000), r.below(0x200), 0x1ff000 + r.below(0x1000)]))
  return {
    mode,
    ring: mode !== 16 && r.chance(3) ? 3 : 0,
    instructions: Array.from({ length: (20 + r.below(120)) * size }, () => instruction(r, mode)),
    pages: Array.from({ length: r.below(8) }, () => [
      r.pick([0x30, 0x31, 0x32, 0x33, 0x21, 0x1ff, r.below(512)]),
      // Absent, read-only, the supervisor's, or another page's frame.
      r.pick([0, 0x5, 0x3, 0x7 | (r.below(0x40) << 12)]),
    ]),
    registers: Array.from({ length: 16 }, (_, i) =>
      i === 4 ? BigInt(mode === 16 ? 0x7000 : STACK) : r.below(5) ? near() : r.u64(),
    ),
    seed: r.u32(),
  }
}

function instruction(r: Random, mode: Mode): number[] {
  switch (r.below(13)) {
    case 0: // A short branch back or forth.
      return [r.pick([0x70 + r.below(16), 0xe0 + r.below(4), 0xeb]), (r.below(48) - 24) & 0xff]
    case 1: // A store into the program: through RDI and RSI, which point there often.
      return [0x80 | r.pick([0, 1, 3]), 0x07 | (r.below(8) << 3), r.below(256), r.below(256), 0, 0]
    case 2:
      return [r.pick([0xa4, 0xaa, 0xa5, 0xab, 0x9c, 0x9d, 0x90, 0xfb, 0xf4, 0x50, 0x58])]
    case 3: // Control registers, INVLPG, CPUID, RDTSC, ports.
      return r.pick([
        [0x0f, 0x20, 0xc0 | r.below(8) | (r.pick([0, 2, 3, 4]) << 3)],
        [0x0f, 0x22, 0xd8 | r.below(8)],
        [0x0f, 0x01, 0x3f],
        [0x0f, 0xa2],
        [0x0f, 0x31],
        [0xe4 | r.pick([0, 1, 2, 3]), r.pick([0x20, 0x40, 0x43, 0x60, 0x64, 0x71, 0x80])],
        [0xcd, r.below(256)],
      ])
    case 4:
      return mode === 16 ? [0x90] : changePage(r, mode)
    default:
      return randomBytes(r, mode).slice(0, 2 + r.below(10))
  }
}

/** AND, OR or XOR of a byte of a page's entry: rights, accessed and dirty bits, the frame. Nothing is flushed. */
function changePage(r: Random, mode: Mode): number[] {
  const page = r.pick([PROGRAM >> 12, (PROGRAM >> 12) + 1, DATA >> 12, (DATA >> 12) + 1, (STACK >> 12) - 1])
  const high = r.chance(4)
  const entry = PAGE_TABLE + page * (mode === 64 ? 8 : 4) + (high ? 1 : 0)
  const address = [entry & 0xff, (entry >> 8) & 0xff, (entry >> 16) & 0xff, 0]
  const [operation, bits] = high
    ? [6, r.pick([0x10, 0x20, 0x30])]
    : r.pick([
        [4, r.pick([0xdf, 0xbf, 0x9f, 0xfd, 0xfe])],
        [1, r.pick([1, 2, 3, 0x40])],
      ])
  const modrm = mode === 64 ? [4 | (operation << 3), 0x25] : [5 | (operation << 3)]
  return [0x80, ...modrm, ...address, bits]
}

/** In real mode: push bp; mov bp, sp; inc word [bp+2]; pop bp; iret. */
const NEXT_BYTE = [0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf]
/** The timer's and the clock's vectors keep the firmware's handler. */
const FIRMWARE_VECTORS = [8, 0x70]

/** For each vector: EOI for interrupts; exceptions go on behind the byte that raised them. */
function handler(mode: Mode, vector: number): number[] {
  const iret = mode === 64 ? [0x48, 0xcf] : [0xcf]
  const eoi = [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58]
  if (vector >= 32) return [...eoi, ...iret]
  const wide = mode === 64 ? [0x48] : []
  // add sp, a word with the error code; inc [sp].
  const drop = ERROR_CODES.includes(vector) ? [...wide, 0x83, 0xc4, mode === 64 ? 8 : 4] : []
  // cmp word [sp+2], PROGRAM >> 16; je; mov [sp], PROGRAM: what has run away comes back.
  const back = [...wide, 0xc7, 0x04, 0x24, 0, 0, PROGRAM >> 16, 0]
  const within = [0x66, 0x83, 0x7c, 0x24, 0x02, PROGRAM >> 16, 0x74, back.length]
  return [...drop, ...wide, 0xff, 0x04, 0x24, ...within, ...back, ...iret]
}

function enter(m: BarePc, program: Program, instructions: readonly (readonly number[])[]): void {
  const { memory, pc } = m
  const { mode, ring } = program
  const bytes = (at: number, list: readonly number[]): void => {
    for (const [i, byte] of list.entries()) memory.write8(at + i, byte)
  }
  bytes(PROGRAM, [...instructions.flat(), 0xf4, 0xeb, 0xfd])
  const { cpu } = pc as unknown as { cpu: { getState(): CpuState; setState(state: CpuState): void } }
  const state = cpu.getState()
  state.gpr = [...program.registers]
  state.halted = false
  state.rflags = 0x202n
  state.cr4 = 0x600n
  const segment = (selector: number, access: number) => ({ selector, base: 0n, limit: 0xffffffff, access })
  if (mode === 16) {
    const real = (base: number, access: number) => ({ selector: base >> 4, base: BigInt(base), limit: 0xffff, access })
    state.segments = [DATA, PROGRAM, 0, DATA, DATA, DATA].map((base, i) => real(base, i === 1 ? 0x9b : 0x93))
    state.rip = 0n
    bytes(HANDLER_16, NEXT_BYTE)
    for (let vector = 0; vector < 256; vector++)
      if (!FIRMWARE_VECTORS.includes(vector)) memory.write32(vector * 4, HANDLER_16)
  } else {
    const user = ring === 3
    // Null; ring 0 code and data; ring 3 code and data; TSS.
    const long = mode === 64 ? 0x00af0000 : 0x00cf0000
    for (const [i, access] of [0, 0x9b, 0x93, 0xfb, 0xf3].entries()) {
      memory.write32(GDT + i * 8, i ? 0xffff : 0)
      memory.write32(GDT + i * 8 + 4, i ? (access & 8 ? long : 0x00cf0000) | (access << 8) : 0)
    }
    for (let vector = 0; vector < 256; vector++) {
      const at = HANDLERS + vector * 32
      bytes(at, handler(mode, vector))
      const gate = IDT + vector * (mode === 64 ? 16 : 8)
      memory.write32(gate, (8 << 16) | (at & 0xffff))
      // In long mode by the first interrupt stack: RSP may be anything.
      memory.write32(gate + 4, (at & 0xffff0000) | 0xee00 | (mode === 64 ? 1 : 0))
    }
    const entries = mode === 64 ? 8 : 4
    // Four levels, or two.
    memory.write32(TABLES, (mode === 64 ? TABLES + 0x1000 : PAGE_TABLE) | 7)
    memory.write32(TABLES + 0x1000, (TABLES + 0x2000) | 7)
    memory.write32(TABLES + 0x2000, PAGE_TABLE | 7)
    for (let page = 0; page < 512; page++) memory.write32(PAGE_TABLE + page * entries, (page << 12) | 7)
    for (const [page, entry] of program.pages)
      if (page < 0x100 || page > 0x10f) memory.write32(PAGE_TABLE + page * entries, entry)
    // The stack of ring 0.
    memory.write32(TSS + 4, STACK + 0x8000)
    memory.write32(TSS + 8, mode === 64 ? 0 : 16)
    memory.write32(TSS + 0x24, mode === 64 ? STACK + 0x8000 : 0)
    state.tr = { selector: 0x28, base: BigInt(TSS), limit: 0x67, access: 0x8b }
    state.gdtr = { base: BigInt(GDT), limit: 0x2f }
    state.idtr = { base: BigInt(IDT), limit: 4095 }
    const data = segment(user ? 0x23 : 0x10, user ? 0xc0f3 : 0xc093)
    const code = segment(user ? 0x1b : 0x08, (mode === 64 ? 0xa000 : 0xc000) | (user ? 0xfb : 0x9b))
    state.segments = [data, code, data, data, data, data]
    state.rip = BigInt(PROGRAM)
    state.cr3 = BigInt(TABLES)
    state.cr0 = 0x80010033n
    state.cr4 |= mode === 64 ? 0x20n : 0n
    state.efer = mode === 64 ? 0x500n : 0n
  }
  cpu.setState(state)
}

let shared: { m: BarePc; start: MachineState } | undefined

/** A PC whose timer ticks every 60 µs. */
function machine(): { m: BarePc; start: MachineState } {
  if (!shared) {
    const m = barePc()
    m.run(1e6)
    m.out(0x43, 0x34)
    m.out(0x40, 72, 0)
    shared = { m, start: m.pc.save() }
  }
  return shared
}

/** How the program's runs differ, or undefined. */
function tryProgram(
  program: Program,
  instructions: readonly (readonly number[])[],
  slices: () => Random,
): string | undefined {
  const { m, start } = machine()
  const { pc } = m
  const states: MachineState[] = []
  const kept = new Set(start.memory.layers)
  try {
    pc.load(start)
    enter(m, program, instructions)
    const begin = pc.save()
    states.push(begin)
    const end = pc.now() + BUDGET
    const half = pc.now() + BUDGET / 2
    const outcome = (exits: string[]): string => `${exits.join()} ${pc.now()} ${pc.instructions()} ${pc.fingerprint()}`
    const whole = outcome(runTo(pc, end))
    pc.load(begin)
    const cut = outcome(runTo(pc, end, randomSlices(slices())))
    if (cut !== whole) return `in slices: ${cut}, in one go: ${whole}`
    pc.load(begin)
    runTo(pc, half, randomSlices(slices()))
    const middle = pc.save()
    states.push(middle)
    const original = outcome(runTo(pc, end))
    pc.load(middle)
    const copy = outcome(runTo(pc, end, randomSlices(slices())))
    return copy === original ? undefined : `the copy: ${copy}, the original: ${original}`
  } finally {
    pc.load(start)
    const layers = new Set(states.flatMap(({ memory }) => memory.layers))
    for (const layer of layers) if (!kept.has(layer)) closeLayer(layer)
  }
}

export default {
  name: 'guest-code',
  title: 'random programs in 16-, 32- and 64-bit mode, in one go, in slices and from a snapshot',
  dose: 60,
  async run(random, { size }) {
    const program = makeProgram(random, size)
    const wrong = (part: readonly (readonly number[])[]): string | undefined => {
      try {
        return tryProgram(program, part, () => new Random(program.seed))
      } catch (error) {
        return (error as Error).stack ?? String(error)
      }
    }
    const found = wrong(program.instructions)
    if (found === undefined) return
    const least = await shrink(program.instructions, (part) => wrong(part) !== undefined)
    const code = least.map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')
    const pages = program.pages.map(([page, entry]) => `${page.toString(16)}:${entry.toString(16)}`).join(' ')
    throw new FuzzFailure(
      wrong(least) ?? found,
      `${program.mode}-bit, ring ${program.ring}, ${code} | pages ${pages} | registers ${program.registers.map((x) => x.toString(16)).join(' ')}`,
    )
  },
  close() {
    if (!shared) return
    shared.m.pc.close()
    for (const layer of shared.start.memory.layers) closeLayer(layer)
    shared = undefined
  },
} satisfies Fuzzer
