/**
 * What Intel's and AMD's CPUs do differently, and which of them the soft engine follows. It says GenuineIntel in CPUID,
 * so it follows Intel where the Intel SDM defines a thing; where that leaves it open, either will do.
 *
 * A row turns the soft engine's outcome into that of the host's vendor, so that what belongs to one vendor is not taken
 * for right on the other's CPUs.
 */
import { readFileSync } from 'node:fs'
import { type Encoding, encoding, type Mode } from './encoding.js'

export type Vendor = 'Intel' | 'AMD'

/** What a piece of code starts from, or leaves. */
export interface VendorState {
  gpr: { [index: number]: bigint }
  /** FXSAVE64 image. */
  fxsave: Uint8Array
  ymmHigh: Uint8Array
}

interface Row {
  instruction: string
  intel: string
  amd: string
  ours: Vendor
  why: string
  applies(e: Encoding, mode: Mode, before: VendorState): boolean
  /** Makes of the soft engine's state what the other vendor's CPU leaves; `host` is that CPU's. */
  other(e: Encoding, before: VendorState, soft: VendorState, host: VendorState): void
}

const UE = 0x10
const ES_AND_B = 0x8080
const STRINGS = [0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]
const [RCX, RSI, RDI] = [1, 6, 7]

export const VENDOR_ROWS: readonly Row[] = [
  {
    instruction: 'REP string instructions with 67h in 64-bit code, ECX = 0',
    intel: 'zero-extends RCX, for MOVS RSI and RDI as well, and for STOS RDI',
    amd: 'changes nothing',
    ours: 'AMD',
    why: 'the SDM’s loop ends before it writes anything',
    applies: (e, mode, before) =>
      mode === 64 &&
      !e.vex &&
      e.map === 0 &&
      STRINGS.includes(e.opcode) &&
      e.repeat !== 0 &&
      e.addressSize &&
      (before.gpr[RCX] & 0xffffffffn) === 0n,
    other(e, _before, soft) {
      const [movs, stos] = [(e.opcode & 0xfe) === 0xa4, (e.opcode & 0xfe) === 0xaa]
      for (const i of [RCX, ...(movs ? [RSI, RDI] : stos ? [RDI] : [])]) soft.gpr[i] &= 0xffffffffn
    },
  },
  {
    instruction: 'F3 90 with REX.B',
    intel: 'is PAUSE, whatever REX.B says',
    amd: 'exchanges RAX with R8',
    ours: 'AMD',
    why: 'the SDM has F3 90 for PAUSE and REX.B 90 for XCHG, and says nothing of both',
    applies: (e, mode) =>
      mode === 64 && !e.vex && e.map === 0 && e.opcode === 0x90 && e.repeat === 0xf3 && (e.rex & 1) > 0,
    other(_e, before, soft) {
      soft.gpr[0] = before.gpr[0]
      soft.gpr[8] = before.gpr[8]
    },
  },
  {
    instruction: 'DPPS and DPPD with several NaNs among its products',
    intel: 'adds in another order in each element, so the elements get different NaNs',
    amd: 'adds in one order for all elements',
    ours: 'AMD',
    why: 'the SDM leaves the order open',
    applies: (e) => e.map === 3 && (e.opcode === 0x40 || e.opcode === 0x41) && e.operandSize,
    other(e, _before, soft, host) {
      const size = e.opcode === 0x40 ? 4 : 8
      for (let i = 160; i < 416; i += size) takeNan(soft.fxsave, host.fxsave, i, size)
      for (let i = 0; i < 256; i += size) takeNan(soft.ymmHigh, host.ymmHigh, i, size)
    },
  },
  {
    instruction: 'FSIN and FSINCOS of the smallest normal number',
    intel: 'gives the operand, without underflow',
    amd: 'finds the sine, which is smaller, tiny',
    ours: 'AMD',
    why: 'the sine is tiny before rounding; the SDM says nothing of this one operand',
    applies: (e, _mode, before) => {
      const fx = view(before.fxsave)
      const exponent = fx.getUint16(40, true) & 0x7fff
      return (
        e.map === 0 &&
        e.opcode === 0xd9 &&
        (e.modrm === 0xfe || e.modrm === 0xfb) &&
        exponent <= 1 &&
        fx.getBigUint64(32, true) === 0x8000000000000000n
      )
    },
    other(e, before, soft) {
      const fx = view(soft.fxsave)
      const status = fx.getUint16(2, true) & ~UE
      const unmasked = status & ~fx.getUint16(0, true) & 0x3f
      fx.setUint16(2, unmasked ? status : status & ~ES_AND_B, true)
      const sine = e.modrm === 0xfb ? 48 : 32
      if (fx.getUint16(40, true) === 0xffff) return
      fx.setBigUint64(sine, 0x8000000000000000n, true)
      fx.setUint16(sine + 8, (view(before.fxsave).getUint16(40, true) & 0x8000) | 1, true)
    },
  },
]

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Where both have a NaN of `size` bytes, the host's. */
function takeNan(soft: Uint8Array, host: Uint8Array, at: number, size: number): void {
  const nan = (bytes: Uint8Array): boolean =>
    Number.isNaN(size === 4 ? view(bytes).getFloat32(at, true) : view(bytes).getFloat64(at, true))
  if (nan(soft) && nan(host)) soft.set(host.subarray(at, at + size), at)
}

/** The host's; undefined for others than these two. */
export function hostVendor(): Vendor | undefined {
  cpuinfo ??= readFileSync('/proc/cpuinfo', 'utf8')
  if (cpuinfo.includes('GenuineIntel')) return 'Intel'
  return cpuinfo.includes('AuthenticAMD') ? 'AMD' : undefined
}

let cpuinfo: string | undefined

/** Changes `soft` to what the host's vendor has instead of ours. */
export function asHostVendor(
  code: Uint8Array,
  mode: Mode,
  before: VendorState,
  soft: VendorState,
  host: VendorState,
  vendor = hostVendor(),
): void {
  const e = encoding(code, mode)
  if (!e) return
  for (const row of VENDOR_ROWS)
    if (row.ours !== vendor && row.applies(e, mode, before)) row.other(e, before, soft, host)
}
