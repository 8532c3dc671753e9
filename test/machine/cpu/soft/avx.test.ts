/** What VEX instructions raise, and what they leave unchanged when they do (Intel SDM vol. 2, 2.4; vol. 1, chapters 13 and 14). */
import { beforeEach, describe, expect, test } from 'vitest'
import { type CpuSnapshot, newSnapshot } from '../../../conformance/native/native-cpu.js'
import { SoftCpu } from '../../../conformance/native/soft-cpu.js'
import { BareCpu } from '../driver.js'

const CR0_USUAL = 2n | 32n
const CR0_EM = 4n
const CR0_TS = 8n
const CR4_OSFXSR = 0x200n
const CR4_OSXMMEXCPT = 0x400n
const CR4_OSXSAVE = 0x40000n
const USUAL_CR4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE

const UD = 6
const NM = 7
const GP = 13
const PF = 14
const XM = 19

/** Destination ymm1, first source ymm3, second ymm2 or [rsi]. */
const VADDPS = [0xc5, 0xe4, 0x58, 0xca]
const VADDPS_128 = [0xc5, 0xe0, 0x58, 0xca]
const VADDPD = [0xc5, 0xe5, 0x58, 0xca]
const VMOVAPS_LOAD = [0xc5, 0xfc, 0x28, 0x0e]
const VMOVUPS_LOAD = [0xc5, 0xfc, 0x10, 0x0e]
const VMOVUPS_STORE = [0xc5, 0xfc, 0x11, 0x0e]
const VZEROALL = [0xc5, 0xfc, 0x77]
/** vpgatherdd ymm1, [rsi + ymm2 * 4], ymm3 */
const VPGATHERDD = [0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x96]
/** vmaskmovps ymm1, ymm3, [rsi] and vmaskmovps [rsi], ymm3, ymm1 */
const VMASKMOVPS_LOAD = [0xc4, 0xe2, 0x65, 0x2c, 0x0e]
const VMASKMOVPS_STORE = [0xc4, 0xe2, 0x65, 0x2e, 0x0e]

let cpu: SoftCpu
let s: CpuSnapshot
let out: CpuSnapshot

beforeEach(() => {
  cpu ??= new SoftCpu()
  cpu.setControl(CR0_USUAL, USUAL_CR4)
  s = newSnapshot()
  out = newSnapshot()
  const fx = new DataView(s.fxsave.buffer)
  fx.setUint16(0, 0x37f, true)
  fx.setUint32(24, 0x1f80, true)
  s.gpr[6] = cpu.dataAddress
})

function run(...code: number[]): number | undefined {
  cpu.run(Uint8Array.from(code), s, out)
  return out.exception
}

/** The eight doublewords of a register. */
function ymm(snapshot: CpuSnapshot, n: number): Uint32Array {
  const low = snapshot.fxsave.slice(160 + n * 16, 176 + n * 16)
  return new Uint32Array([
    ...new Uint32Array(low.buffer),
    ...new Uint32Array(snapshot.ymmHigh.slice(n * 16, n * 16 + 16).buffer),
  ])
}

function setYmm(n: number, lanes: number[]): void {
  const bytes = new Uint8Array(new Uint32Array(lanes).buffer)
  s.fxsave.set(bytes.subarray(0, 16), 160 + n * 16)
  s.ymmHigh.set(bytes.subarray(16), n * 16)
}

const mxcsr = (): number => new DataView(out.fxsave.buffer).getUint32(24, true)
const all = (value: number): number[] => new Array<number>(8).fill(value)
const ONE = 0x3f800000

describe('availability', () => {
  test('#UD without CR4.OSXSAVE or XCR0.AVX, #NM with CR0.TS; CR0.EM and CR4.OSFXSR do not matter', () => {
    expect(run(...VADDPS)).toBeUndefined()
    cpu.setControl(CR0_USUAL, USUAL_CR4 & ~CR4_OSXSAVE)
    expect(run(...VADDPS)).toBe(UD)
    cpu.setControl(CR0_USUAL | CR0_TS, USUAL_CR4)
    expect(run(...VADDPS)).toBe(NM)
    cpu.setControl(CR0_USUAL | CR0_EM, CR4_OSXSAVE)
    expect(run(...VADDPS)).toBeUndefined()
    cpu.setControl(CR0_USUAL, USUAL_CR4)
    // XSETBV to x87 and SSE alone, the instruction, and back.
    const xsetbv = (value: number) => [0x31, 0xc9, 0x31, 0xd2, 0xb8, value, 0, 0, 0, 0x0f, 0x01, 0xd1]
    expect(run(...xsetbv(3), ...VADDPS)).toBe(UD)
    expect(run(...xsetbv(7), ...VADDPS)).toBeUndefined()
  })
  test('#UD with LOCK, 66, F2, F3 or REX in front', () => {
    for (const prefix of [0xf0, 0x66, 0xf2, 0xf3, 0x40]) expect(run(prefix, ...VADDPS)).toBe(UD)
    expect(run(0x2e, ...VADDPS)).toBeUndefined()
  })
  test('#UD where VEX.L, VEX.W or VEX.vvvv has a value that the instruction does not have', () => {
    expect(run(0xc5, 0xfd, 0x6e, 0xca)).toBe(UD) // vmovd with L
    expect(run(0xc4, 0xe3, 0x79, 0x06, 0xca, 0)).toBe(UD) // vperm2f128 without L
    expect(run(0xc4, 0xe2, 0xfd, 0x18, 0x0e)).toBe(UD) // vbroadcastss with W
    expect(run(0xc5, 0xe4, 0x10, 0xca)).toBe(UD) // vmovups with vvvv
    expect(run(0xc5, 0xfc, 0x10, 0xca)).toBeUndefined()
  })
  test('a model without AVX2 has 256-bit floats and no 256-bit integers', () => {
    const without = new SoftCpu({}, undefined, 'max,-avx2')
    without.setControl(CR0_USUAL, USUAL_CR4)
    const exception = (...code: number[]): number | undefined => {
      without.run(Uint8Array.from(code), { ...s, gpr: s.gpr.slice() }, out)
      return out.exception
    }
    expect(exception(...VADDPS)).toBeUndefined()
    expect(exception(0xc5, 0xe1, 0xfe, 0xca)).toBeUndefined() // vpaddd xmm
    expect(exception(0xc5, 0xe5, 0xfe, 0xca)).toBe(UD) // vpaddd ymm
  })
  test('there is no VEX in real mode', () => {
    // vzeroupper, andn
    for (const code of [
      [0xc5, 0xf8, 0x77],
      [0xc4, 0xe2, 0x68, 0xf2, 0xc1],
    ]) {
      const bare = new BareCpu()
      // INT 6 goes to 0:0600, where HLT is.
      bare.ram.set([0x00, 0x06, 0, 0], 6 * 4)
      bare.ram[0x600] = 0xf4
      bare.boot(Uint8Array.from([...code, 0xf4]))
      bare.run(100)
      expect(bare.state.rip).toBe(0x601n)
    }
  })
})

describe('the upper halves', () => {
  test('128-bit VEX forms clear them, SSE forms leave them', () => {
    setYmm(1, all(7))
    run(0x0f, 0x58, 0xca) // addps xmm1, xmm2
    expect([...ymm(out, 1).subarray(4)]).toEqual([7, 7, 7, 7])
    run(...VADDPS_128)
    expect([...ymm(out, 1).subarray(4)]).toEqual([0, 0, 0, 0])
  })
  test('XSAVE stores and XRSTOR loads them', () => {
    setYmm(1, [1, 2, 3, 4, 5, 6, 7, 8])
    s.gpr[0] = 7n
    // xsave [rsi]; vzeroall; xrstor [rsi]
    const rsi = cpu.dataAddress & ~63n
    s.gpr[6] = rsi
    expect(run(0x0f, 0xae, 0x26, ...VZEROALL, 0x0f, 0xae, 0x2e)).toBeUndefined()
    expect([...ymm(out, 1)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    const saved = new DataView(out.data.buffer)
    expect([saved.getUint32(512, true), saved.getUint32(576 + 16, true)]).toEqual([7, 5])
  })
})

describe('faults', () => {
  test('only the aligned moves want alignment', () => {
    s.gpr[6] += 16n
    expect(run(...VMOVAPS_LOAD)).toBe(GP)
    expect(run(...VMOVUPS_LOAD)).toBeUndefined()
  })
  test('an unmasked exception of either half leaves the destination, and all lanes have set their flags', () => {
    const fx = new DataView(s.fxsave.buffer)
    fx.setUint32(24, 0x1f80 & ~0x80, true) // invalid operation unmasked
    setYmm(1, all(9))
    setYmm(3, all(ONE))
    setYmm(2, [ONE, ONE, ONE, ONE, ONE, ONE, ONE, 0x7f800001])
    expect(run(...VADDPS)).toBe(XM)
    expect([...ymm(out, 1)]).toEqual(all(9))
    expect(mxcsr() & 0x3f).toBe(1)
    // Masked: the denormal of the lower half and the signalling NaN of the upper one.
    fx.setUint32(24, 0x1f80, true)
    setYmm(2, [1, ONE, ONE, ONE, ONE, ONE, ONE, 0x7f800001])
    expect(run(...VADDPS)).toBeUndefined()
    expect(mxcsr() & 0x3f).toBe(0x23)
    expect(run(...VADDPD)).toBeUndefined()
  })
  test('a store of 32 bytes that faults in its second half writes nothing', () => {
    setYmm(1, all(0xffffffff))
    // The last mapped page ends at 2 MiB.
    s.gpr[6] = 0x200000n - 16n
    expect(run(...VMOVUPS_STORE)).toBe(PF)
    expect(cpu.ram[0x1ffff0]).toBe(0)
  })
  test('masked lanes do not fault', () => {
    s.gpr[6] = 0x200000n - 16n
    const top = 0x80000000
    setYmm(3, [top, top, top, top, 0, 0, 0, 0])
    setYmm(1, all(5))
    expect(run(...VMASKMOVPS_STORE)).toBeUndefined()
    expect(run(...VMASKMOVPS_LOAD)).toBeUndefined()
    expect([...ymm(out, 1)]).toEqual([5, 5, 5, 5, 0, 0, 0, 0])
    setYmm(3, [top, top, top, top, top, 0, 0, 0])
    expect(run(...VMASKMOVPS_LOAD)).toBe(PF)
  })
  test('a gather that faults has done the lanes before, and says so in its mask', () => {
    new DataView(s.data.buffer).setUint32(4, 0x1234, true)
    setYmm(1, all(9))
    setYmm(2, [1, 1, 0x7fffffff, 1, 1, 1, 1, 1])
    setYmm(3, all(0x80000000))
    expect(run(...VPGATHERDD)).toBe(PF)
    expect([...ymm(out, 1)]).toEqual([0x1234, 0x1234, 9, 9, 9, 9, 9, 9])
    expect([...ymm(out, 3)]).toEqual([0, 0, ...all(0xffffffff).slice(2)])
  })
  test('a gather whose destination, index and mask are not three registers is #UD', () => {
    expect(run(0xc4, 0xe2, 0x6d, 0x90, 0x0c, 0x96)).toBe(UD) // mask ymm2, index ymm2
    expect(run(0xc4, 0xe2, 0x65, 0x90, 0x0e)).toBe(UD) // no SIB byte
  })
})
