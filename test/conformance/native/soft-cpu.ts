/**
 * The soft engine behind the same face as the native oracle: 64-bit code at CPL 0 on flat identity-mapped memory. The
 * registers are poked straight into the core's memory, so a run costs microseconds.
 */
import type { CpuBoard } from '../../../machine/cpu/engine.js'
import type { CoreState } from '../../../machine/cpu/soft/core-state.js'
import * as at from '../../../machine/cpu/soft/layout.js'
import { NS_PER_INSTRUCTION, SoftEngine } from '../../../machine/cpu/soft/soft-engine.js'
import {
  BLOB,
  CODE_SIZE,
  type CpuSnapshot,
  type CpuTarget,
  DATA as DATA_IN_MAP,
  DATA_SIZE,
  MAP_SIZE,
} from './native-cpu.js'

// Guest-physical layout.
const PML4 = 0x1000
const PDPT = 0x2000
const PD = 0x3000
const IDT = 0x4000
const HANDLERS = 0x5000
const GDT = 0x6000
const TSS = 0x6800
const STACK_TOP = 0xa000
const DATA = 0xb000
const CODE = 0x10000
/** What is mapped where the native oracle has its code and data. */
const MIRROR = 0x20000
const MIRROR_PD = 0x7000
const MIRROR_PT = 0x8000
const RAM = 2 << 20

const CODE64 = 0xa09b
const DATA32 = 0xc093

/** What the engine keeps to itself, and what spares us its whole getState() and setState() at each run. */
interface Internals {
  core: { getFlags(): number; setFlags(flags: number): void }
  state: CoreState
}

export class SoftCpu implements CpuTarget {
  readonly name = 'soft'
  readonly dataAddress: bigint
  private readonly codeAddress: bigint
  /** Physical addresses. */
  private readonly data: number
  private readonly code: number
  readonly engine: SoftEngine
  /** Guest-physical memory. */
  readonly ram: Uint8Array
  private readonly internals: Internals
  private readonly words: BigUint64Array
  private readonly view: DataView
  private lastCode: Uint8Array | undefined

  /** @param mirror the native oracle's mapping, below 2 GiB: code and data then have the same addresses as there. */
  constructor(board: Partial<CpuBoard> = {}, mirror?: bigint, model?: string) {
    this.data = mirror === undefined ? DATA : MIRROR + DATA_IN_MAP
    this.code = mirror === undefined ? CODE : MIRROR + BLOB
    this.dataAddress = mirror === undefined ? BigInt(DATA) : mirror + BigInt(DATA_IN_MAP)
    this.codeAddress = mirror === undefined ? BigInt(CODE) : mirror + BigInt(BLOB)
    const memory = new WebAssembly.Memory({ initial: (at.ARENA_GUEST + RAM) / 65536, maximum: 65536 })
    this.ram = new Uint8Array(memory.buffer, at.ARENA_GUEST, RAM)
    this.words = new BigUint64Array(memory.buffer)
    this.view = new DataView(memory.buffer)
    this.engine = new SoftEngine(
      memory,
      {
        portRead: () => 0xffffffff,
        portWrite: () => {},
        mmioRead: () => 0xffffffff,
        mmioWrite: () => {},
        acknowledgeInterrupt: () => 0xff,
        readMsr: () => 0n,
        writeMsr: () => true,
        readTpr: () => 0,
        writeTpr: () => {},
        ferr: () => {},
        smmChanged: () => {},
        warnMsr: () => {},
        ...board,
      },
      model,
    )
    this.internals = this.engine as unknown as Internals
    this.engine.setMemory([{ address: 0, size: RAM, offset: at.ARENA_GUEST, kind: 'ram' }])
    this.setUpLongMode()
    if (mirror !== undefined) this.mapMirror(Number(mirror))
  }

  private mapMirror(address: number): void {
    const ram = new DataView(this.ram.buffer, this.ram.byteOffset, RAM)
    const pd = address >>> 30 ? MIRROR_PD : PD
    ram.setUint32(PDPT + (address >>> 30) * 8, pd | 3, true)
    ram.setUint32(pd + ((address >>> 21) & 511) * 8, MIRROR_PT | 3, true)
    for (let i = 0; i < MAP_SIZE / 4096; i++) {
      const page = (address >>> 12) + i
      // A mapping that crosses 2 MiB would need another table.
      if (page >>> 9 !== address >>> 21)
        throw new Error(`the native oracle's mapping at ${address.toString(16)} crosses 2 MiB`)
      ram.setUint32(MIRROR_PT + (page & 511) * 8, (MIRROR + i * 4096) | 3, true)
    }
  }

  private setUpLongMode(): void {
    const ram = new DataView(this.ram.buffer, this.ram.byteOffset, RAM)
    ram.setUint32(PML4, PDPT | 3, true)
    ram.setUint32(PDPT, PD | 3, true)
    ram.setUint32(PD, 0x83, true)
    ram.setBigUint64(GDT + 8, 0x00af9b000000ffffn, true)
    ram.setBigUint64(GDT + 16, 0x00cf93000000ffffn, true)
    // Where Linux has its user segments: 0x23 is 32-bit code, 0x2b data, 0x33 64-bit code. Conforming, so that CPL 0 may enter.
    ram.setBigUint64(GDT + 0x20, 0x00cf9f000000ffffn, true)
    ram.setBigUint64(GDT + 0x28, 0x00cff3000000ffffn, true)
    ram.setBigUint64(GDT + 0x30, 0x00af9f000000ffffn, true)
    for (let vector = 0; vector < 256; vector++) {
      const handler = HANDLERS + vector * 8
      this.ram[handler] = 0xf4
      ram.setUint32(IDT + vector * 16, (8 << 16) | (handler & 0xffff), true)
      // The first interrupt stack: RSP may be anything.
      ram.setUint32(IDT + vector * 16 + 4, 0x8e01, true)
    }
    ram.setUint32(TSS + 0x24, STACK_TOP, true)
    const state = this.engine.getState()
    state.tr = { selector: 24, base: BigInt(TSS), limit: 0x67, access: 0x8b }
    const segment = (selector: number, access: number) => ({ selector, base: 0n, limit: 0xffffffff, access })
    state.segments = state.segments.map((_, i) => (i === 1 ? segment(8, CODE64) : segment(16, DATA32)))
    state.gdtr = { base: BigInt(GDT), limit: 0x37 }
    state.idtr = { base: BigInt(IDT), limit: 4095 }
    // PE, MP, ET, NE, PG; PAE, OSFXSR, OSXMMEXCPT, OSXSAVE; x87, SSE, AVX; LME, LMA.
    state.cr0 = 0x80000033n
    state.cr3 = BigInt(PML4)
    state.cr4 = 0x40620n
    state.xcr0 = 7n
    state.efer = 0x500n
    this.engine.setState(state)
  }

  /** Sets CR0 and CR4 for the runs to come (long mode's bits stay). */
  setControl(cr0: bigint, cr4: bigint): void {
    const state = this.engine.getState()
    state.cr0 = cr0 | 0x80000001n
    state.cr4 = cr4 | 0x20n
    this.engine.setState(state)
  }

  run(code: Uint8Array, input: CpuSnapshot, output: CpuSnapshot): void {
    if (code !== this.lastCode) {
      if (code.length > CODE_SIZE) throw new Error(`${code.length} bytes of code, more than ${CODE_SIZE}`)
      this.ram.set(code, this.code)
      this.ram[this.code + code.length] = 0xf4
      this.engine.memoryChanged(at.ARENA_GUEST + this.code, code.length + 1)
      this.lastCode = code
    }
    const v = this.view
    this.words.set(input.gpr, at.GPR / 8)
    if (input.gpr[4] === 0n) this.words[at.GPR / 8 + 4] = BigInt(STACK_TOP)
    this.internals.core.setFlags((input.rflags & 0xcd5) | 0x202)
    v.setBigUint64(at.RIP, this.codeAddress, true)
    v.setUint32(at.HALTED, 0, true)
    this.internals.state.loadFx(input.fxsave)
    this.internals.state.loadYmmHigh(input.ymmHigh)
    this.ram.set(input.data, this.data)
    const exit = this.engine.run(this.engine.now() + 10_000 * NS_PER_INSTRUCTION)
    if (exit.reason !== 'halt') throw new Error(`the code did not come to its end: ${exit.reason}`)
    output.gpr.set(this.words.subarray(at.GPR / 8, at.GPR / 8 + 16))
    const rip = Number(v.getBigUint64(at.RIP, true))
    output.exception = rip >= HANDLERS && rip < HANDLERS + 0x1000 ? (rip - HANDLERS) >> 3 : undefined
    if (input.gpr[4] === 0n) output.gpr[4] -= BigInt(STACK_TOP)
    output.rflags = this.internals.core.getFlags() >>> 0
    output.fxsave.set(this.internals.state.saveFx())
    output.ymmHigh.set(this.internals.state.saveYmmHigh())
    output.data.set(this.ram.subarray(this.data, this.data + DATA_SIZE))
  }
}
