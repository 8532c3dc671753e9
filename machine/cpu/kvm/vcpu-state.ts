/** The vCPU's architectural state, between KVM's structures and `CpuState`. */

import { Struct } from '../../host/libc.js'
import type { CpuState, SegmentState, TableState } from '../engine.js'
import * as abi from './abi.js'
import { xsaveComponents } from './cpuid.js'
import type { KvmVcpu, KvmVm } from './vm.js'

const IA32_TSC = 0x10
const IA32_MTRR_DEF_TYPE = 0x2ff

/** MSRs that are kept in `CpuState.msrs`, as far as the kernel has them. */
const KEPT_MSRS = [
  ...[0x174, 0x175, 0x176], // SYSENTER_CS, ESP, EIP
  0x1a0, // MISC_ENABLE
  0x1d9, // DEBUGCTL
  0x277, // PAT
  ...Array.from({ length: 16 }, (_, i) => 0x200 + i), // MTRR_PHYSBASE, PHYSMASK
  ...[0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f], // MTRR_FIX
  IA32_MTRR_DEF_TYPE,
  ...[0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084], // STAR, LSTAR, CSTAR, FMASK
  0xc0000102, // KERNEL_GS_BASE
  0xc0000103, // TSC_AUX
]

/** What they hold after RESET# where that is not 0. */
const MSRS_AT_RESET: { [index: number]: bigint } = { 416: 1n, 631: 0x0007040600070406n }

// The XSAVE area (Intel SDM vol. 1, section 13.4).
const XSAVE_BV = 512
const XSAVE_AVX = 576
const FXSAVE_SIZE = 512
const YMM_HIGH_SIZE = 256
const XSAVE_LEGACY = 3
const XCR0_AVX = 4

const MSR_ENTRY = 16

const EFER_LMA = 0x400n
/** In `SegmentState.access`. */
const ACCESS_L = 0x2000

function segmentAt(view: DataView, at: number): SegmentState {
  const u8 = (n: number): number => view.getUint8(at + n)
  const access =
    u8(14) | (u8(18) << 4) | (u8(16) << 5) | (u8(15) << 7) | (u8(21) << 12) | (u8(19) << 13) | (u8(17) << 14)
  return {
    base: view.getBigUint64(at, true),
    limit: view.getUint32(at + 8, true),
    selector: view.getUint16(at + 12, true),
    access: access | (u8(20) << 15) | (u8(22) << 16),
  }
}

function putSegment(view: DataView, at: number, { base, limit, selector, access }: SegmentState): void {
  view.setBigUint64(at, base, true)
  view.setUint32(at + 8, limit, true)
  view.setUint16(at + 12, selector, true)
  view.setUint8(at + 14, access & 15)
  view.setUint8(at + 15, (access >> 7) & 1)
  view.setUint8(at + 16, (access >> 5) & 3)
  view.setUint8(at + 17, (access >> 14) & 1)
  view.setUint8(at + 18, (access >> 4) & 1)
  view.setUint8(at + 19, (access >> 13) & 1)
  view.setUint8(at + 20, (access >> 15) & 1)
  view.setUint8(at + 21, (access >> 12) & 1)
  view.setUint8(at + 22, (access >> 16) & 1)
}

function tableAt(view: DataView, at: number): TableState {
  return { base: view.getBigUint64(at, true), limit: view.getUint16(at + 8, true) }
}

function putTable(view: DataView, at: number, table: TableState): void {
  view.setBigUint64(at, table.base, true)
  view.setUint16(at + 8, table.limit, true)
}

export class VcpuState {
  private readonly regs = new Struct(abi.REGS_SIZE)
  private readonly sregs = new Struct(abi.SREGS_SIZE)
  private readonly events = new Struct(abi.EVENTS_SIZE)
  private readonly debug = new Struct(128)
  private readonly xcrs = new Struct(392)
  private readonly xsave: Struct
  /** Without KVM_CAP_XSAVE: x87 and SSE only. */
  private readonly fpu = new Struct(416)
  private readonly hasXsave: boolean
  private readonly hasXcrs: boolean
  private readonly xcr0Bits: number
  private readonly msrIndexes: number[]
  private readonly msrs: Struct

  constructor(
    private readonly vcpu: KvmVcpu,
    vm: KvmVm,
  ) {
    this.hasXsave = vm.extension(abi.CAP_XSAVE) > 0
    this.xcr0Bits = xsaveComponents(vm.cpuid)
    this.hasXcrs = vm.extension(abi.CAP_XCRS) > 0 && this.xcr0Bits !== 0
    this.xsave = new Struct(Math.max(4096, vm.extension(abi.CAP_XSAVE2)))
    this.msrs = new Struct(8 + MSR_ENTRY * (KEPT_MSRS.length + 1))
    this.msrIndexes = KEPT_MSRS.filter((index) => this.readMsrs([index]) === 1)
  }

  /**
   * Everything but what the engine keeps itself: `halted`, `inSmm`. `injected` is the vector of an interrupt that KVM
   * was given and has not yet delivered.
   */
  read(): { state: CpuState; injected: number | undefined } {
    const { vcpu, regs, sregs, events, debug } = this
    vcpu.call('KVM_GET_REGS', abi.KVM_GET_REGS, regs.address)
    vcpu.call('KVM_GET_SREGS', abi.KVM_GET_SREGS, sregs.address)
    vcpu.call('KVM_GET_VCPU_EVENTS', abi.KVM_GET_VCPU_EVENTS, events.address)
    vcpu.call('KVM_GET_DEBUGREGS', abi.KVM_GET_DEBUGREGS, debug.address)
    const { fxsave, ymmHigh } = this.readFpu()
    const msrs: CpuState['msrs'] = {}
    this.checkCount('KVM_GET_MSRS', this.readMsrs([...this.msrIndexes, IA32_TSC]), this.msrIndexes.length + 1)
    this.msrIndexes.forEach((index, i) => {
      msrs[index] = this.msrs.view.getBigUint64(8 + i * MSR_ENTRY + 8, true)
    })
    const r = regs.view
    const s = sregs.view
    const shadow = events.view.getUint8(abi.EVENTS_INTERRUPT_SHADOW)
    const state: CpuState = {
      gpr: abi.REGS_GPR.map((at) => r.getBigUint64(at, true)),
      rip: r.getBigUint64(abi.REGS_RIP, true),
      rflags: r.getBigUint64(abi.REGS_RFLAGS, true),
      segments: abi.SREGS_SEGMENTS.map((at) => segmentAt(s, at)),
      ldtr: segmentAt(s, abi.SREGS_LDT),
      tr: segmentAt(s, abi.SREGS_TR),
      gdtr: tableAt(s, abi.SREGS_GDT),
      idtr: tableAt(s, abi.SREGS_IDT),
      cr0: s.getBigUint64(abi.SREGS_CR0, true),
      cr2: s.getBigUint64(abi.SREGS_CR2, true),
      cr3: s.getBigUint64(abi.SREGS_CR3, true),
      cr4: s.getBigUint64(abi.SREGS_CR4, true),
      cr8: s.getBigUint64(abi.SREGS_CR8, true),
      xcr0: this.readXcr0(),
      dr: Array.from({ length: 6 }, (_, i) => debug.view.getBigUint64(i * 8, true)),
      efer: s.getBigUint64(abi.SREGS_EFER, true),
      msrs,
      fxsave,
      ymmHigh,
      halted: false,
      interruptShadow: shadow & abi.SHADOW_MOV_SS ? 'mov-ss' : shadow & abi.SHADOW_STI ? 'sti' : 'none',
      nmiMasked: events.view.getUint8(abi.EVENTS_NMI_MASKED) !== 0,
      inSmm: false,
      tsc: this.msrs.view.getBigUint64(8 + this.msrIndexes.length * MSR_ENTRY + 8, true),
    }
    const hard = events.view.getUint8(abi.EVENTS_INTERRUPT_INJECTED) && !events.view.getUint8(abi.EVENTS_INTERRUPT_SOFT)
    return { state, injected: hard ? events.view.getUint8(abi.EVENTS_INTERRUPT_NR) : undefined }
  }

  /**
   * Exceptions and interrupts under way are dropped. `keepTsc`: the time stamp counter runs on as it is.
   * Throws a KvmError where KVM refuses a value.
   */
  write(state: CpuState, apicBase: bigint, keepTsc = false): void {
    const { vcpu, regs, sregs, events, debug } = this
    const r = regs.view
    const s = sregs.view
    abi.REGS_GPR.forEach((at, i) => {
      r.setBigUint64(at, state.gpr[i], true)
    })
    r.setBigUint64(abi.REGS_RIP, state.rip, true)
    r.setBigUint64(abi.REGS_RFLAGS, state.rflags | 2n, true)
    // Outside IA-32e mode CS.L means nothing (Intel SDM vol. 3, 3.4.5), and KVM refuses it.
    const long = (state.efer & EFER_LMA) !== 0n
    abi.SREGS_SEGMENTS.forEach((at, i) => {
      const segment = state.segments[i]
      putSegment(s, at, long ? segment : { ...segment, access: segment.access & ~ACCESS_L })
    })
    putSegment(s, abi.SREGS_LDT, state.ldtr)
    putSegment(s, abi.SREGS_TR, state.tr)
    putTable(s, abi.SREGS_GDT, state.gdtr)
    putTable(s, abi.SREGS_IDT, state.idtr)
    s.setBigUint64(abi.SREGS_CR0, state.cr0, true)
    s.setBigUint64(abi.SREGS_CR2, state.cr2, true)
    s.setBigUint64(abi.SREGS_CR3, state.cr3, true)
    s.setBigUint64(abi.SREGS_CR4, state.cr4, true)
    s.setBigUint64(abi.SREGS_CR8, state.cr8, true)
    s.setBigUint64(abi.SREGS_EFER, state.efer, true)
    s.setBigUint64(abi.SREGS_APIC_BASE, apicBase, true)
    for (let i = 0; i < 4; i++) s.setBigUint64(abi.SREGS_INTERRUPTS + i * 8, 0n, true)
    debug.bytes.fill(0)
    state.dr.forEach((value, i) => {
      debug.view.setBigUint64(i * 8, value, true)
    })
    events.bytes.fill(0)
    const shadow = { none: 0, sti: abi.SHADOW_STI, 'mov-ss': abi.SHADOW_MOV_SS }[state.interruptShadow]
    events.view.setUint8(abi.EVENTS_INTERRUPT_SHADOW, shadow)
    events.view.setUint8(abi.EVENTS_NMI_MASKED, state.nmiMasked ? 1 : 0)
    events.view.setUint32(abi.EVENTS_FLAGS, abi.EVENTS_VALID_NMI_PENDING | abi.EVENTS_VALID_SHADOW, true)

    vcpu.call('KVM_SET_SREGS', abi.KVM_SET_SREGS, sregs.address)
    vcpu.call('KVM_SET_REGS', abi.KVM_SET_REGS, regs.address)
    this.writeXcr0(state.xcr0)
    this.writeFpu(state)
    vcpu.call('KVM_SET_DEBUGREGS', abi.KVM_SET_DEBUGREGS, debug.address)
    this.writeMsrs(state.msrs, keepTsc ? undefined : state.tsc)
    vcpu.call('KVM_SET_VCPU_EVENTS', abi.KVM_SET_VCPU_EVENTS, events.address)
  }

  /** MSRs after RESET#. */
  msrsAtReset(): CpuState['msrs'] {
    return Object.fromEntries(this.msrIndexes.map((index) => [index, MSRS_AT_RESET[index] ?? 0n]))
  }

  readTsc(): bigint {
    this.checkCount('KVM_GET_MSRS', this.readMsrs([IA32_TSC]), 1)
    return this.msrs.view.getBigUint64(16, true)
  }

  writeTsc(value: bigint): void {
    this.writeMsrs({}, value)
  }

  private readFpu(): { fxsave: Uint8Array; ymmHigh: Uint8Array } {
    const { vcpu, xsave, fpu } = this
    const ymmHigh = new Uint8Array(YMM_HIGH_SIZE)
    if (this.hasXsave) {
      vcpu.call('KVM_GET_XSAVE', abi.KVM_GET_XSAVE, xsave.address)
      const fxsave = xsave.bytes.slice(0, FXSAVE_SIZE)
      fxsave.fill(0, 464)
      // A component in its initial state may be left out of the area.
      if (xsave.view.getUint32(XSAVE_BV, true) & this.xcr0Bits & XCR0_AVX)
        ymmHigh.set(xsave.bytes.subarray(XSAVE_AVX, XSAVE_AVX + YMM_HIGH_SIZE))
      return { fxsave, ymmHigh }
    }
    vcpu.call('KVM_GET_FPU', abi.KVM_GET_FPU, fpu.address)
    const fxsave = new Uint8Array(FXSAVE_SIZE)
    fxsave.set(fpu.bytes.subarray(128, 152)) // control to data pointer
    fxsave.set(fpu.bytes.subarray(408, 412), 24) // MXCSR
    fxsave.set(fpu.bytes.subarray(0, 128), 32)
    fxsave.set(fpu.bytes.subarray(152, 408), 160)
    return { fxsave, ymmHigh }
  }

  private writeFpu(state: CpuState): void {
    const { vcpu, xsave, fpu } = this
    if (this.hasXsave) {
      xsave.bytes.fill(0)
      xsave.bytes.set(state.fxsave.subarray(0, 464))
      const avx = this.xcr0Bits & XCR0_AVX
      if (avx) xsave.bytes.set(state.ymmHigh, XSAVE_AVX)
      xsave.view.setUint32(XSAVE_BV, XSAVE_LEGACY | avx, true)
      vcpu.call('KVM_SET_XSAVE', abi.KVM_SET_XSAVE, xsave.address)
      return
    }
    fpu.bytes.fill(0)
    fpu.bytes.set(state.fxsave.subarray(0, 24), 128)
    fpu.bytes.set(state.fxsave.subarray(24, 28), 408)
    fpu.bytes.set(state.fxsave.subarray(32, 160))
    fpu.bytes.set(state.fxsave.subarray(160, 416), 152)
    vcpu.call('KVM_SET_FPU', abi.KVM_SET_FPU, fpu.address)
  }

  private readXcr0(): bigint {
    if (!this.hasXcrs) return 1n
    this.vcpu.call('KVM_GET_XCRS', abi.KVM_GET_XCRS, this.xcrs.address)
    const { view } = this.xcrs
    for (let i = 0; i < view.getUint32(0, true); i++)
      if (view.getUint32(8 + i * 16, true) === 0) return view.getBigUint64(16 + i * 16, true)
    return 1n
  }

  private writeXcr0(value: bigint): void {
    if (!this.hasXcrs) return
    const { bytes, view, address } = this.xcrs
    bytes.fill(0)
    view.setUint32(0, 1, true)
    view.setBigUint64(16, (value & BigInt(this.xcr0Bits)) | 1n, true)
    this.vcpu.call('KVM_SET_XCRS', abi.KVM_SET_XCRS, address)
  }

  /** Fills `msrs`; the number that were read. */
  private readMsrs(indexes: readonly number[]): number {
    const { view, bytes, address } = this.msrs
    bytes.fill(0)
    view.setUint32(0, indexes.length, true)
    indexes.forEach((index, i) => {
      view.setUint32(8 + i * MSR_ENTRY, index, true)
    })
    return this.vcpu.call('KVM_GET_MSRS', abi.KVM_GET_MSRS, address)
  }

  private writeMsrs(values: CpuState['msrs'], tsc: bigint | undefined): void {
    const { view, bytes, address } = this.msrs
    bytes.fill(0)
    let n = 0
    const put = (index: number, value: bigint): void => {
      view.setUint32(8 + n * MSR_ENTRY, index, true)
      view.setBigUint64(8 + n * MSR_ENTRY + 8, value, true)
      n++
    }
    // What only the other engine has stays behind.
    for (const index of this.msrIndexes) if (values[index] !== undefined) put(index, values[index])
    if (tsc !== undefined) put(IA32_TSC, tsc)
    view.setUint32(0, n, true)
    if (n > 0) this.checkCount('KVM_SET_MSRS', this.vcpu.call('KVM_SET_MSRS', abi.KVM_SET_MSRS, address), n)
  }

  /** The calls say how many they did, and stop without an error at the first that they cannot. */
  private checkCount(call: string, done: number, wanted: number): void {
    if (done === wanted) return
    const index = this.msrs.view.getUint32(8 + done * MSR_ENTRY, true)
    throw new Error(`${call} refused MSR 0x${index.toString(16)}`)
  }
}
