/**
 * A user-mode process without an operating system, on the soft engine's bare CPU: ring 3, 32- or 64-bit code, a sparse
 * address space whose pages come into being when they are touched.
 *
 * Long mode with two spaces in physical memory: what is below SYSTEM is the machine's own (tables, handlers, the stack of
 * ring 0), what is above are the program's pages. Every exception ends in HLT in ring 0; page faults inside the program's
 * regions are answered with a page, and the CPU goes on.
 */

import type { CpuState } from '../../../machine/cpu/engine.js'
import * as at from '../../../machine/cpu/soft/layout.js'
import { NS_PER_INSTRUCTION } from '../../../machine/cpu/soft/soft-engine.js'
import { BareCpu } from '../../machine/cpu/driver.js'

const RAM = 64 << 20
// Physical addresses of the machine's own.
const IDT = 0x1000
const GDT = 0x2000
const LDT = 0x2800
const TSS = 0x3000
const HANDLERS = 0x4000
const STACK_TOP = 0x8000
const PML4 = 0x8000
const FIRST_FREE = 0x9000
/** Where the machine's own pages are mapped: in the upper half, out of every program's way. */
const SYSTEM = 0xffff800000000000n

const PAGE = 4096n
const PAGE_FAULT = 14
const GENERAL_PROTECTION = 13
const HLT = 0xf4

export interface Ending {
  /** The HLT was reached, or why not. */
  reason: 'halt' | 'exception' | 'endless'
  vector?: number
  /** Where, and for page faults of what. */
  rip: bigint
  address?: bigint
}

export class UserMachine {
  private readonly cpu: BareCpu
  private readonly words: DataView
  private free = FIRST_FREE
  private regions: [bigint, bigint][] = []
  /** Page of the program to physical page. */
  private readonly pages = new Map<bigint, number>()

  constructor(model: string) {
    this.cpu = new BareCpu(RAM, {}, model)
    this.words = new DataView(this.cpu.memory.buffer, at.ARENA_GUEST, RAM)
  }

  /** An empty address space and a CPU as a new process finds it. */
  start(bits: 32 | 64, rip: bigint): void {
    const { cpu } = this
    cpu.ram.fill(0, 0, this.free)
    cpu.engine.setMemory([{ address: 0, size: RAM, offset: at.ARENA_GUEST, kind: 'ram' }])
    this.free = FIRST_FREE
    this.regions = []
    this.pages.clear()
    for (let page = 0; page < FIRST_FREE; page += 4096) this.mapPage(SYSTEM + BigInt(page), page, false)
    this.writeTables()
    cpu.engine.reset()
    cpu.engine.setState(this.initialState(cpu.engine.getState(), bits, rip))
  }

  private writeTables(): void {
    const { words, cpu } = this
    for (let vector = 0; vector < 256; vector++) {
      // HLT; on from there: the error code goes, and back.
      const handler = HANDLERS + vector * 16
      cpu.ram.set([HLT, 0x48, 0x83, 0xc4, 8, 0x48, 0xcf], handler)
      const offset = SYSTEM + BigInt(handler)
      words.setUint32(IDT + vector * 16, (8 << 16) | Number(offset & 0xffffn), true)
      words.setUint32(IDT + vector * 16 + 4, Number((offset >> 16n) & 0xffffn) * 0x10000 + 0xee00, true)
      words.setUint32(IDT + vector * 16 + 8, Number(offset >> 32n), true)
    }
    words.setBigUint64(TSS + 4, SYSTEM + BigInt(STACK_TOP), true)
    words.setBigUint64(GDT + 8, 0x00af9b000000ffffn, true)
    // Linux's places: 23h 32-bit code, 2Bh data, 33h 64-bit code.
    words.setBigUint64(GDT + 0x20, 0x00cffb000000ffffn, true)
    words.setBigUint64(GDT + 0x28, 0x00cff3000000ffffn, true)
    words.setBigUint64(GDT + 0x30, 0x00affb000000ffffn, true)
    // 17h, which FEX's 32-bit programs load, is entry 2 of the local table.
    words.setBigUint64(LDT + 0x10, 0x00cff3000000ffffn, true)
  }

  private initialState(state: CpuState, bits: 32 | 64, rip: bigint): CpuState {
    const data = { selector: 0x2b, base: 0n, limit: 0xffffffff, access: 0xc0f3 }
    const code = {
      selector: bits === 64 ? 0x33 : 0x23,
      base: 0n,
      limit: 0xffffffff,
      access: bits === 64 ? 0xa0fb : 0xc0fb,
    }
    const fxsave = new Uint8Array(512)
    const fx = new DataView(fxsave.buffer)
    fx.setUint16(0, 0x37f, true)
    fx.setUint32(24, 0x1f80, true)
    return {
      ...state,
      gpr: state.gpr.map(() => 0n),
      rip,
      rflags: 0x202n,
      segments: state.segments.map((_, i) => (i === 1 ? code : data)),
      ldtr: { selector: 0x38, base: SYSTEM + BigInt(LDT), limit: 0x7ff, access: 0x82 },
      tr: { selector: 0x40, base: SYSTEM + BigInt(TSS), limit: 0x67, access: 0x8b },
      gdtr: { base: SYSTEM + BigInt(GDT), limit: 0x37 },
      idtr: { base: SYSTEM + BigInt(IDT), limit: 4095 },
      // PE, MP, ET, NE, WP, AM, PG; PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE; x87, SSE, AVX; SCE, LME, LMA, NXE.
      cr0: 0x80050033n,
      cr3: BigInt(PML4),
      cr4: 0x50620n,
      xcr0: 7n,
      efer: 0xd01n,
      fxsave,
      ymmHigh: new Uint8Array(256),
    }
  }

  /** Gives the program the memory from `address` on; pages are made when they are used. */
  addRegion(address: bigint, size: bigint): void {
    this.regions.push([address & -PAGE, address + size])
  }

  /** Writes to the program's memory, whatever its regions are. */
  write(address: bigint, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) {
      const to = address + BigInt(i)
      this.cpu.ram[this.pageOf(to & -PAGE) + Number(to & (PAGE - 1n))] = byte
    }
  }

  private pageOf(page: bigint): number {
    let physical = this.pages.get(page)
    if (physical === undefined) {
      physical = this.allocate()
      this.mapPage(page, physical, true)
      this.pages.set(page, physical)
    }
    return physical
  }

  private allocate(): number {
    const page = this.free
    this.free += 4096
    if (this.free > RAM) throw new Error(`the program needs more than ${RAM >> 20} MiB`)
    return page
  }

  private mapPage(linear: bigint, physical: number, user: boolean): void {
    let table = PML4
    for (const shift of [39n, 30n, 21n]) {
      const entry = table + Number((linear >> shift) & 511n) * 8
      if (this.words.getUint32(entry, true) === 0) this.words.setUint32(entry, this.allocate() | 7, true)
      table = this.words.getUint32(entry, true) & ~0xfff
    }
    this.words.setUint32(table + Number((linear >> 12n) & 511n) * 8, physical | (user ? 7 : 3), true)
  }

  /** Runs to the HLT; gives up after `limit` instructions. */
  run(limit: number): Ending {
    const { engine } = this.cpu
    const end = engine.now() + limit * NS_PER_INSTRUCTION
    while (true) {
      const exit = engine.run(end)
      const state = engine.getState()
      if (exit.reason !== 'halt') return { reason: 'endless', rip: state.rip }
      const vector = Number(state.rip - SYSTEM - BigInt(HANDLERS)) >> 4
      const frame = STACK_TOP - 40
      if (vector === PAGE_FAULT && this.answer(state.cr2)) {
        engine.setState({ ...state, halted: false })
        continue
      }
      const rip = this.words.getBigUint64(frame, true)
      if (vector === GENERAL_PROTECTION && this.byteAt(rip) === HLT) return { reason: 'halt', rip }
      return { reason: 'exception', vector, rip, address: vector === PAGE_FAULT ? state.cr2 : undefined }
    }
  }

  /** Makes the page where it is the program's; false where it is not, or is there already. */
  private answer(address: bigint): boolean {
    const page = address & -PAGE
    if (this.pages.has(page) || !this.regions.some(([from, to]) => page >= from && page < to)) return false
    this.pageOf(page)
    return true
  }

  private byteAt(address: bigint): number | undefined {
    const page = this.pages.get(address & -PAGE)
    return page === undefined ? undefined : this.cpu.ram[page + Number(address & (PAGE - 1n))]
  }

  /** The program's state after `run()`: what the exception has put on ring 0's stack stands where it was. */
  state(): CpuState {
    const state = this.cpu.engine.getState()
    const frame = STACK_TOP - 40
    const [rip, , rflags, rsp] = [0, 8, 16, 24].map((n) => this.words.getBigUint64(frame + n, true))
    state.gpr[4] = rsp
    return { ...state, rip, rflags }
  }
}
