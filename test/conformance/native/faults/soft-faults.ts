/** The soft engine as the counterpart of `HostFaults`: the same code in ring 3, the same addresses, Linux's selectors. */
import type { CpuState } from '../../../../machine/cpu/engine.js'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { NS_PER_INSTRUCTION } from '../../../../machine/cpu/soft/soft-engine.js'
import { SoftCpu } from '../soft-cpu.js'
import { BASE16, CODE, DATA, ENDLESS, type FaultCase, type Outcome, PAGE } from './host-faults.js'

// In SoftCpu's memory: its page tables, tables and handlers, and what is free.
const PML4 = 0x1000
const PDPT = 0x2000
const PD = 0x3000
const IDT = 0x4000
const HANDLERS = 0x5000
const GDT = 0x6000
const TSS = 0x6800
const PT_DATA = 0x1a0000
const PT_CODE = 0x1a1000
const DATA_PAGE = 0x1b0000
const CODE_PAGE = 0x1c0000
/** In the upper half of an entry. */
const NO_EXECUTE = 0x80000000
/** Exceptions with an error code. */
const ERROR_CODES = [8, 10, 11, 12, 13, 14, 17]
/** More than any case needs: a REP over a whole page takes 4,096. */
const LONGEST = 200_000

const FLAT_DATA = { selector: 0x2b, base: 0n, limit: 0xffffffff, access: 0xc0f3 }
const NULL = { selector: 0, base: 0n, limit: 0, access: 0x10000 }
const DATA16 = { selector: 15, base: BigInt(BASE16), limit: 0xffff, access: 0x40f3 }
const CODE_SEGMENTS = {
  64: { selector: 0x33, base: 0n, limit: 0xffffffff, access: 0xa0fb },
  32: { selector: 0x23, base: 0n, limit: 0xffffffff, access: 0xc0fb },
  16: { selector: 7, base: BigInt(CODE), limit: 0xffff, access: 0x00fb },
}

export class SoftFaults {
  private readonly cpu = new SoftCpu({}, undefined, 'max')
  private readonly ram: DataView
  private readonly template: CpuState

  constructor() {
    const ram = new DataView(this.cpu.ram.buffer, this.cpu.ram.byteOffset, this.cpu.ram.length)
    this.ram = ram
    // Ring 3 may go through the upper levels; SoftCpu's own pages stay the supervisor's.
    ram.setUint32(PML4, PDPT | 7, true)
    ram.setUint32(PDPT, PD | 7, true)
    ram.setUint32(PD + (DATA >>> 21) * 8, PT_DATA | 7, true)
    ram.setUint32(PD + (CODE >>> 21) * 8, PT_CODE | 7, true)
    ram.setUint32(PT_DATA + ((DATA >>> 12) & 511) * 8, DATA_PAGE | 7, true)
    ram.setUint32(PT_DATA + ((DATA >>> 12) & 511) * 8 + 4, NO_EXECUTE, true)
    ram.setUint32(PT_CODE + ((CODE >>> 12) & 511) * 8, CODE_PAGE | 7, true)
    // As Linux has it: INT3 and INTO may be called, and the I/O map lies beyond the TSS.
    for (const vector of [3, 4]) ram.setUint32(IDT + vector * 16 + 4, 0xee01, true)
    ram.setUint16(TSS + 102, 0x100, true)
    ram.setBigUint64(GDT + 0x20, 0x00cffb000000ffffn, true)
    ram.setBigUint64(GDT + 0x30, 0x00affb000000ffffn, true)
    this.template = {
      ...this.cpu.engine.getState(),
      // PE, MP, ET, NE, WP, AM, PG; PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE; x87, SSE, AVX; SCE, LME, LMA, NXE.
      cr0: 0x80050033n,
      cr4: 0x50620n,
      xcr0: 7n,
      efer: 0xd01n,
    }
  }

  run(c: FaultCase): Outcome {
    const { cpu, ram } = this
    cpu.ram.fill(0xcc, CODE_PAGE, CODE_PAGE + PAGE)
    cpu.ram.set(c.code, CODE_PAGE)
    cpu.ram.set(c.data, DATA_PAGE)
    cpu.engine.memoryChanged(ARENA_GUEST + CODE_PAGE, PAGE)
    const data = c.mode === 16 ? DATA16 : FLAT_DATA
    cpu.engine.setState({
      ...this.template,
      gpr: Array.from(c.gpr),
      rip: c.mode === 16 ? 0n : BigInt(CODE),
      rflags: BigInt(c.rflags),
      segments: [data, CODE_SEGMENTS[c.mode], FLAT_DATA, data, NULL, NULL],
      fxsave: c.fxsave.slice(),
      ymmHigh: c.ymmHigh.slice(),
    })
    const exit = cpu.engine.run(cpu.engine.now() + LONGEST * NS_PER_INSTRUCTION)
    const after = cpu.engine.getState()
    const outcome = {
      trap: ENDLESS,
      error: 0,
      cr2: after.cr2,
      gpr: after.gpr,
      rip: 0,
      rflags: 0,
      fxsave: after.fxsave,
      ymmHigh: after.ymmHigh,
      data: cpu.ram.slice(DATA_PAGE, DATA_PAGE + PAGE),
    }
    const handler = Number(after.rip) - HANDLERS
    if (exit.reason !== 'halt' || handler < 0 || handler >= 256 * 8) return outcome
    outcome.trap = handler >> 3
    let frame = Number(after.gpr[4])
    if (ERROR_CODES.includes(outcome.trap)) {
      outcome.error = ram.getUint32(frame, true)
      frame += 8
    }
    outcome.rip = Number(BigInt.asIntN(64, ram.getBigUint64(frame, true) - BigInt(c.mode === 16 ? 0 : CODE)))
    outcome.rflags = ram.getUint32(frame + 16, true)
    outcome.gpr[4] = ram.getBigUint64(frame + 24, true)
    return outcome
  }
}
