/**
 * The architectural state of the executing CPU, out of the core's memory and into it: `CpuState`, which the KVM engine
 * has as well (`../kvm/vcpu-state.ts`), and what of this core is under way between two instructions.
 */
import type { State } from '../../device.js'
import type { CpuState, SegmentState } from '../engine.js'
import * as at from './layout.js'

/** The core's exports that it takes. */
export interface StateCore {
  readTsc(): bigint
  writeTsc(value: bigint): void
  getFlags(): number
  setFlags(flags: number): void
  setSegmentBounds(address: number): void
  updateMode(): void
  flushAllTlbs(): void
  dropEverything(): void
  raiseAttention(bits: number): void
  lowerAttention(bits: number): void
  /** Where an MSR that is plain storage is kept; 0 where the model has no such MSR. */
  msrStorage(index: number): number
}

/** MSRs in `CpuState.msrs`: those of `core/system/msr.ts` that are storage, but for the segments' bases. */
const KEPT_MSRS = [
  ...[0x3b, 0x48], // TSC_ADJUST, SPEC_CTRL
  ...[0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x8b, 0x277, 0x2ff], // SYSENTER, MISC_ENABLE, DEBUGCTL, BIOS_SIGN_ID, PAT, MTRR
  ...Array.from({ length: 16 }, (_, i) => 0x200 + i), // MTRR_PHYSBASE, PHYSMASK
  ...[0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f], // MTRR_FIX
  ...[0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084], // STAR, LSTAR, CSTAR, FMASK
  ...[0xc0000102, 0xc0000103], // KERNEL_GS_BASE, TSC_AUX
]

/** The 32-bit fields of `CpuState.soft`. */
const SOFT_FIELDS = {
  pendingVector: at.PENDING_VECTOR,
  pendingError: at.PENDING_ERROR,
  pendingHasError: at.PENDING_HAS_ERROR,
  delivering: at.DELIVERING,
  deliveringVector: at.DELIVERING_VECTOR,
  exitReason: at.EXIT_REASON,
  fpuCs: at.FPU_CS,
  fpuDs: at.FPU_DS,
}

export class CoreState {
  private readonly view: DataView

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly core: StateCore,
  ) {
    this.view = new DataView(memory.buffer)
  }

  read(): CpuState {
    const v = this.view
    const u64 = (address: number) => v.getBigUint64(address, true)
    const u32 = (address: number) => v.getUint32(address, true)
    const list = (address: number, n: number, stride = 8) =>
      Array.from({ length: n }, (_, i) => u64(address + i * stride))
    const segment = (address: number): SegmentState => ({
      selector: v.getUint16(address, true),
      base: u64(address + at.SEG_BASE),
      limit: u32(address + at.SEG_LIMIT),
      access: u32(address + at.SEG_ACCESS),
    })
    const shadow = u32(at.SHADOW)
    const attention = u32(at.ATTENTION)
    return {
      gpr: list(at.GPR, 16),
      rip: u64(at.RIP),
      rflags: BigInt(this.core.getFlags() >>> 0),
      segments: Array.from({ length: 6 }, (_, i) => segment(at.ES + i * at.SEG_SIZE)),
      ldtr: segment(at.LDTR),
      tr: segment(at.TR),
      gdtr: { base: u64(at.GDTR_BASE), limit: v.getUint16(at.GDTR_LIMIT, true) },
      idtr: { base: u64(at.IDTR_BASE), limit: v.getUint16(at.IDTR_LIMIT, true) },
      cr0: u64(at.CR0),
      cr2: u64(at.CR2),
      cr3: u64(at.CR3),
      cr4: u64(at.CR4),
      cr8: 0n,
      xcr0: u64(at.XCR0),
      dr: [...list(at.DR, 4), u64(at.DR + 48), u64(at.DR + 56)],
      efer: u64(at.EFER),
      msrs: this.saveMsrs(),
      fxsave: this.saveFx(),
      ymmHigh: this.saveYmmHigh(),
      halted: u32(at.HALTED) !== 0,
      interruptShadow: shadow === 1 ? 'sti' : shadow === 2 ? 'mov-ss' : 'none',
      nmiMasked: u32(at.NMI_MASKED) !== 0,
      inSmm: u32(at.IN_SMM) !== 0,
      tsc: BigInt.asUintN(64, this.core.readTsc()),
      smbase: u32(at.SMBASE),
      pending: { nmi: (attention & at.ATTN_NMI) !== 0, smi: (attention & at.ATTN_SMI) !== 0 },
      soft: {
        ...Object.fromEntries(Object.entries(SOFT_FIELDS).map(([name, address]) => [name, u32(address)])),
        traps: attention & (at.ATTN_DEBUG | at.ATTN_STEP),
        random: u64(at.RANDOM_STATE),
      },
    }
  }

  write(state: CpuState): void {
    const v = this.view
    const u64 = (address: number, value: bigint) => v.setBigUint64(address, BigInt.asUintN(64, value), true)
    const u32 = (address: number, value: number) => v.setUint32(address, value, true)
    const segment = (address: number, s: SegmentState) => {
      v.setUint16(address, s.selector, true)
      u64(address + at.SEG_BASE, s.base)
      u32(address + at.SEG_LIMIT, s.limit)
      u32(address + at.SEG_ACCESS, s.access)
      this.core.setSegmentBounds(address)
    }
    for (const [i, value] of state.gpr.entries()) u64(at.GPR + i * 8, value)
    u64(at.RIP, state.rip)
    this.core.setFlags(Number(state.rflags & 0xffffffffn) | 0)
    u64(at.CR0, state.cr0)
    u64(at.CR2, state.cr2)
    u64(at.CR3, state.cr3)
    u64(at.CR4, state.cr4)
    u64(at.XCR0, state.xcr0)
    u64(at.EFER, state.efer)
    for (const [i, s] of state.segments.entries()) segment(at.ES + i * at.SEG_SIZE, s)
    segment(at.LDTR, state.ldtr)
    segment(at.TR, state.tr)
    u64(at.GDTR_BASE, state.gdtr.base)
    u32(at.GDTR_LIMIT, state.gdtr.limit)
    u64(at.IDTR_BASE, state.idtr.base)
    u32(at.IDTR_LIMIT, state.idtr.limit)
    for (let i = 0; i < 4; i++) u64(at.DR + i * 8, state.dr[i])
    u64(at.DR + 48, state.dr[4])
    u64(at.DR + 56, state.dr[5])
    this.loadFx(state.fxsave)
    this.loadYmmHigh(state.ymmHigh)
    for (const index of KEPT_MSRS) {
      const address = this.core.msrStorage(index)
      if (address && state.msrs[index] !== undefined) u64(address, state.msrs[index])
    }
    u32(at.HALTED, state.halted ? 1 : 0)
    u32(at.SHADOW, { none: 0, sti: 1, 'mov-ss': 2 }[state.interruptShadow])
    u32(at.NMI_MASKED, state.nmiMasked ? 1 : 0)
    u32(at.IN_SMM, state.inSmm ? 1 : 0)
    if (state.smbase !== undefined) u32(at.SMBASE, state.smbase)
    this.loadSoft(state.soft)
    if (state.pending) {
      const { nmi, smi } = state.pending
      this.core.lowerAttention(at.ATTN_NMI | at.ATTN_SMI)
      this.core.raiseAttention((nmi ? at.ATTN_NMI : 0) | (smi ? at.ATTN_SMI : 0))
    }
    this.core.writeTsc(BigInt.asIntN(64, state.tsc))
    // CPL is SS.DPL, or 3 in virtual-8086 mode, or 0 in real mode.
    const protectedMode = (state.cr0 & 1n) !== 0n
    u32(at.CPL, !protectedMode ? 0 : state.rflags & 0x20000n ? 3 : (state.segments[2].access >> 5) & 3)
    this.core.updateMode()
    this.core.flushAllTlbs()
    this.core.dropEverything()
  }

  private saveMsrs(): CpuState['msrs'] {
    const msrs: CpuState['msrs'] = {}
    for (const index of KEPT_MSRS) {
      const address = this.core.msrStorage(index)
      if (address) msrs[index] = this.view.getBigUint64(address, true)
    }
    return msrs
  }

  saveYmmHigh(): Uint8Array {
    const high = new Uint8Array(256)
    for (let i = 0; i < 16; i++) high.set(this.bytes(at.XMM + i * at.XMM_SIZE + 16, 16), i * 16)
    return high
  }

  loadYmmHigh(high: Uint8Array): void {
    for (let i = 0; i < 16; i++) this.bytes(at.XMM + i * at.XMM_SIZE + 16, 16).set(high.subarray(i * 16, i * 16 + 16))
  }

  /** A state of the other engine has none of it: then nothing is under way. */
  private loadSoft(soft: State | undefined): void {
    const v = this.view
    for (const [name, address] of Object.entries(SOFT_FIELDS)) v.setUint32(address, (soft?.[name] as number) ?? 0, true)
    if (!soft) {
      v.setUint32(at.PENDING_VECTOR, at.NO_VECTOR, true)
      return
    }
    this.core.lowerAttention(at.ATTN_DEBUG | at.ATTN_STEP)
    this.core.raiseAttention(soft.traps as number)
    v.setBigUint64(at.RANDOM_STATE, soft.random as bigint, true)
  }

  private bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length)
  }

  /** The FXSAVE64 image (Intel SDM vol. 1, table 10-2). */
  saveFx(): Uint8Array {
    const image = new Uint8Array(512)
    const out = new DataView(image.buffer)
    const v = this.view
    const top = v.getUint32(at.FPU_TOP, true) & 7
    out.setUint16(0, v.getUint16(at.FPU_CONTROL, true), true)
    out.setUint16(2, (v.getUint16(at.FPU_STATUS, true) & ~0x3800) | (top << 11), true)
    let tags = 0
    for (let i = 0; i < 8; i++) if (v.getUint8(at.FPU_TAGS + i)) tags |= 1 << i
    out.setUint8(4, tags)
    out.setUint16(6, v.getUint16(at.FPU_OPCODE, true), true)
    out.setBigUint64(8, v.getBigUint64(at.FPU_IP, true), true)
    out.setBigUint64(16, v.getBigUint64(at.FPU_DP, true), true)
    out.setUint32(24, v.getUint32(at.MXCSR, true), true)
    out.setUint32(28, 0xffff, true)
    const bytes = new Uint8Array(this.memory.buffer)
    for (let i = 0; i < 8; i++) {
      const from = at.FPR + ((top + i) & 7) * 16
      image.set(bytes.subarray(from, from + 10), 32 + i * 16)
    }
    for (let i = 0; i < 16; i++)
      image.set(bytes.subarray(at.XMM + i * at.XMM_SIZE, at.XMM + i * at.XMM_SIZE + 16), 160 + i * 16)
    return image
  }

  loadFx(image: Uint8Array): void {
    const from = new DataView(image.buffer, image.byteOffset, 512)
    const v = this.view
    const status = from.getUint16(2, true)
    const top = (status >> 11) & 7
    v.setUint16(at.FPU_CONTROL, from.getUint16(0, true), true)
    v.setUint16(at.FPU_STATUS, status & ~0x3800, true)
    v.setUint32(at.FPU_TOP, top, true)
    for (let i = 0; i < 8; i++) v.setUint8(at.FPU_TAGS + i, (from.getUint8(4) >> i) & 1)
    v.setUint16(at.FPU_OPCODE, from.getUint16(6, true), true)
    v.setBigUint64(at.FPU_IP, from.getBigUint64(8, true), true)
    v.setBigUint64(at.FPU_DP, from.getBigUint64(16, true), true)
    v.setUint32(at.MXCSR, from.getUint32(24, true), true)
    const bytes = new Uint8Array(this.memory.buffer)
    for (let i = 0; i < 8; i++) bytes.set(image.subarray(32 + i * 16, 42 + i * 16), at.FPR + ((top + i) & 7) * 16)
    for (let i = 0; i < 16; i++) bytes.set(image.subarray(160 + i * 16, 176 + i * 16), at.XMM + i * at.XMM_SIZE)
  }
}
