/** A CPU after RESET# and INIT# (Intel SDM vol. 3, table 10-1), x87 as after the FNINIT of a PC's BIOS. */
import type { CpuState, SegmentState } from '../engine.js'

const CR0_ET = 0x10n
const CR0_NW_CD = 0x60000000n

function segment(selector: number, base: bigint, access: number): SegmentState {
  return { selector, base, limit: 0xffff, access }
}

function fxsaveAtReset(): Uint8Array {
  const image = new Uint8Array(512)
  const view = new DataView(image.buffer)
  view.setUint16(0, 0x37f, true) // control word
  view.setUint32(24, 0x1f80, true) // MXCSR
  return image
}

/** @param signature CPUID leaf 1's EAX, which RESET# leaves in EDX. */
export function resetState(signature: number, msrs: CpuState['msrs']): CpuState {
  const gpr = Array.from({ length: 16 }, () => 0n)
  gpr[2] = BigInt(signature >>> 0)
  const data = segment(0, 0n, 0x93)
  return {
    gpr,
    rip: 0xfff0n,
    rflags: 2n,
    segments: [data, segment(0xf000, 0xffff0000n, 0x9b), data, data, data, data],
    ldtr: segment(0, 0n, 0x82),
    tr: segment(0, 0n, 0x8b),
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    cr0: CR0_ET | CR0_NW_CD,
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    cr8: 0n,
    xcr0: 1n,
    dr: [0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n],
    efer: 0n,
    msrs,
    fxsave: fxsaveAtReset(),
    ymmHigh: new Uint8Array(256),
    halted: false,
    interruptShadow: 'none',
    nmiMasked: false,
    inSmm: false,
    tsc: 0n,
  }
}

/** INIT# leaves x87, SSE, MSRs, the cache bits of CR0, and the TSC. */
export function initState(signature: number, before: CpuState): CpuState {
  const { fxsave, ymmHigh, xcr0, msrs, tsc, nmiMasked } = before
  return {
    ...resetState(signature, msrs),
    ...{ fxsave, ymmHigh, xcr0, tsc, nmiMasked },
    cr0: CR0_ET | (before.cr0 & CR0_NW_CD),
  }
}
