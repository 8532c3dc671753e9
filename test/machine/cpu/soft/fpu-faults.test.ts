/** What x87, MMX and SSE instructions raise, and what they leave unchanged when they do (Intel SDM vol. 3, 2.5 and 6.15). */
import { beforeEach, describe, expect, test } from 'vitest'
import { type CpuSnapshot, newSnapshot } from '../../../conformance/native/native-cpu.js'
import { SoftCpu } from '../../../conformance/native/soft-cpu.js'
import { BareCpu } from '../driver.js'

const CR0_MP = 2n
const CR0_EM = 4n
const CR0_TS = 8n
const CR0_NE = 32n
const CR4_OSFXSR = 0x200n
const CR4_OSXMMEXCPT = 0x400n
const USUAL_CR4 = CR4_OSFXSR | CR4_OSXMMEXCPT

const UD = 6
const NM = 7
const GP = 13
const PF = 14
const MF = 16
const XM = 19

const FLD1 = [0xd9, 0xe8]
const FLDZ = [0xd9, 0xee]
const FWAIT = [0x9b]
const FNSTSW_AX = [0xdf, 0xe0]
const FNCLEX = [0xdb, 0xe2]
const FDIVP = [0xde, 0xf9]
const MOVQ_MM = [0x0f, 0x6f, 0xca]
const EMMS = [0x0f, 0x77]
const ADDPS = [0x0f, 0x58, 0xca]
const ADDPD = [0x66, 0x0f, 0x58, 0xca]
const MOVAPS_LOAD = [0x0f, 0x28, 0x0e]
const MOVAPS_STORE = [0x0f, 0x29, 0x0e]
const MOVUPS_LOAD = [0x0f, 0x10, 0x0e]
const MOVUPS_STORE = [0x0f, 0x11, 0x0e]

const ferr: boolean[] = []
let cpu: SoftCpu
let s: CpuSnapshot
let out: CpuSnapshot
let fx: DataView
let outFx: DataView

beforeEach(() => {
  ferr.length = 0
  cpu ??= new SoftCpu({ ferr: (level) => ferr.push(level) })
  cpu.setControl(CR0_MP | CR0_NE, USUAL_CR4)
  s = newSnapshot()
  out = newSnapshot()
  fx = new DataView(s.fxsave.buffer)
  outFx = new DataView(out.fxsave.buffer)
  fx.setUint16(0, 0x37f, true)
  fx.setUint32(24, 0x1f80, true)
  s.gpr[6] = cpu.dataAddress
})

function run(...code: number[]): number | undefined {
  cpu.run(Uint8Array.from(code), s, out)
  return out.exception
}

const status = (): number => outFx.getUint16(2, true)
const xmm = (n: number, half = 0): bigint => outFx.getBigUint64(160 + n * 16 + half * 8, true)
const setXmm = (n: number, low: bigint, high = 0n): void => {
  fx.setBigUint64(160 + n * 16, low, true)
  fx.setBigUint64(168 + n * 16, high, true)
}

describe('availability', () => {
  test('x87 raises #NM with EM or TS; WAIT only with TS and MP together', () => {
    cpu.setControl(CR0_EM | CR0_NE, USUAL_CR4)
    expect(run(...FLD1)).toBe(NM)
    expect(run(...FWAIT)).toBeUndefined()
    cpu.setControl(CR0_TS | CR0_NE, USUAL_CR4)
    expect(run(...FLD1)).toBe(NM)
    expect(run(...FNSTSW_AX)).toBe(NM)
    expect(run(...FWAIT)).toBeUndefined()
    cpu.setControl(CR0_TS | CR0_MP | CR0_NE, USUAL_CR4)
    expect(run(...FWAIT)).toBe(NM)
  })

  test('MMX and SSE raise #UD with EM, #NM with TS', () => {
    cpu.setControl(CR0_EM | CR0_TS | CR0_NE, USUAL_CR4)
    for (const code of [MOVQ_MM, EMMS, ADDPS]) expect(run(...code)).toBe(UD)
    cpu.setControl(CR0_TS | CR0_NE, USUAL_CR4)
    for (const code of [MOVQ_MM, EMMS, ADDPS]) expect(run(...code)).toBe(NM)
  })

  test('SSE raises #UD without CR4.OSFXSR, MMX and MOVNTI do not need it', () => {
    cpu.setControl(CR0_NE, CR4_OSXMMEXCPT)
    expect(run(...ADDPS)).toBe(UD)
    expect(run(...MOVAPS_LOAD)).toBe(UD)
    expect(run(0x0f, 0xae, 0x16)).toBe(UD)
    expect(run(...MOVQ_MM)).toBeUndefined()
    expect(run(0x0f, 0xc3, 0x06)).toBeUndefined()
  })
})

describe('x87 exceptions', () => {
  test('an unmasked one is raised by the next waiting instruction, not by those that do not wait', () => {
    fx.setUint16(0, 0x37b, true) // ZM clear
    expect(run(...FLD1, ...FLDZ, ...FDIVP)).toBeUndefined()
    expect(status() & 0x8084).toBe(0x8084)
    expect(run(...FLD1, ...FLDZ, ...FDIVP, ...FNSTSW_AX)).toBeUndefined()
    expect(Number(out.gpr[0] & 0xffffn) & 0x8084).toBe(0x8084)
    expect(run(...FLD1, ...FLDZ, ...FDIVP, ...FNCLEX, ...FLD1)).toBeUndefined()
    for (const next of [FWAIT, FLD1, MOVQ_MM, EMMS]) expect(run(...FLD1, ...FLDZ, ...FDIVP, ...next)).toBe(MF)
    // Neither operand changed, and nothing was popped.
    expect((status() >> 11) & 7).toBe(6)
    expect(outFx.getBigUint64(32, true)).toBe(0n)
    expect(ferr).toEqual([])
  })

  test('#MF points at the waiting instruction', () => {
    fx.setUint16(0, 0x37b, true)
    run(...FLD1, ...FLDZ, ...FDIVP, 0x90, ...FLD1)
    const { gpr } = cpu.engine.getState()
    const frame = new DataView(cpu.ram.buffer, cpu.ram.byteOffset)
    expect(frame.getUint32(Number(gpr[4]), true)).toBe(0x10007)
  })

  test('with NE clear the FERR# pin tells it, and falls when the exception is cleared', () => {
    cpu.setControl(CR0_MP, USUAL_CR4)
    fx.setUint16(0, 0x37b, true)
    expect(run(...FLD1, ...FLDZ, ...FDIVP)).toBeUndefined()
    expect(ferr).toEqual([true])
    expect(run(...FLD1, ...FLDZ, ...FDIVP, ...FNSTSW_AX, ...FNCLEX)).toBeUndefined()
    expect(ferr).toEqual([true, true, false])
  })

  test('a store that faults pops nothing and raises no flag', () => {
    s.gpr[6] = 0x40000000n
    fx.setUint8(4, 0x80)
    fx.setUint16(2, 7 << 11, true)
    fx.setBigUint64(32, 0xc90fdaa22168c235n, true)
    fx.setUint16(40, 0x4000, true)
    for (const store of [
      [0xd9, 0x1e],
      [0xdd, 0x1e],
      [0xdb, 0x3e],
      [0xdf, 0x3e],
      [0xdf, 0x36],
    ]) {
      expect(run(...store)).toBe(PF)
      expect(status()).toBe(7 << 11)
      expect(out.fxsave[4]).toBe(0x80)
    }
  })

  test('an unmasked exception leaves opcode and pointers of its instruction', () => {
    fx.setUint16(0, 0x37b, true)
    // fldz; fdivr dword [rsi+4] with 1.0 there
    s.data.set([0, 0, 0x80, 0x3f], 4)
    expect(run(...FLDZ, 0xd8, 0x7e, 0x04)).toBeUndefined()
    expect(outFx.getUint16(6, true)).toBe(0x07e)
    expect(outFx.getBigUint64(8, true)).toBe(0x10002n)
    expect(outFx.getBigUint64(16, true)).toBe(cpu.dataAddress + 4n)
  })
})

describe('environment in real mode', () => {
  test('FNSTENV writes linear pointers in the 16-bit and the 32-bit format', () => {
    const bare = new BareCpu()
    // fninit; fld dword [0x1234]; fnstenv [0x2000]; fnstenv [0x2040] (32-bit); hlt
    bare.boot(
      Uint8Array.from([0xdb, 0xe3, 0xd9, 0x06, 0x34, 0x12, 0xd9, 0x36, 0, 0x20, 0x66, 0xd9, 0x36, 0x40, 0x20, 0xf4]),
    )
    const state = bare.engine.getState()
    state.segments[3] = { ...state.segments[3], selector: 0x1000, base: 0x10000n }
    state.cr0 &= ~0xcn
    bare.engine.setState(state)
    expect(bare.run(100).reason).toBe('halt')
    const words = Array.from({ length: 7 }, (_, i) => bare.ram[0x12000 + i * 2] | (bare.ram[0x12001 + i * 2] << 8))
    // Linear instruction pointer 0x7c02, linear operand pointer 0x11234.
    expect(words).toEqual([0x37f, 0x3800, 0x7fff, 0x7c02, 0, 0x1234, 0x1000])
    const view = new DataView(bare.ram.buffer, bare.ram.byteOffset)
    expect(view.getUint32(0x1204c, true)).toBe(0xffff7c02)
    expect(view.getUint32(0x12054, true)).toBe(0xffff1234)
    expect(view.getUint32(0x12058, true)).toBe(0x1000)
  })
})

describe('SSE exceptions', () => {
  // [exception bit, xmm1, xmm2, opcode] for doubles: IE DE ZE OE UE PE.
  const cases: [string, number, bigint, bigint, number][] = [
    ['IE', 1, 0x7ff0000000000000n, 0xfff0000000000000n, 0x58],
    ['DE', 2, 1n, 0x3ff0000000000000n, 0x58],
    ['ZE', 4, 0x3ff0000000000000n, 0n, 0x5e],
    ['OE', 8, 0x7fefffffffffffffn, 0x7fefffffffffffffn, 0x58],
    ['UE', 16, 0x0010000000000001n, 0x3fe0000000000001n, 0x59],
    ['PE', 32, 0x3ff0000000000000n, 0x4008000000000000n, 0x5e],
  ]
  for (const [name, bit, a, b, opcode] of cases) {
    test(`unmasked ${name} raises #XM, sets its flag and writes nothing`, () => {
      setXmm(1, a, a)
      setXmm(2, b, b)
      fx.setUint32(24, 0x1f80 & ~(bit << 7), true)
      expect(run(0x66, 0x0f, opcode, 0xca)).toBe(XM)
      expect(outFx.getUint32(24, true) & bit).toBe(bit)
      expect([xmm(1), xmm(1, 1)]).toEqual([a, a])
      expect(run(0xf2, 0x0f, opcode, 0xca)).toBe(XM)
      fx.setUint32(24, 0x1f80, true)
      expect(run(0x66, 0x0f, opcode, 0xca)).toBeUndefined()
      expect(xmm(1)).not.toBe(a)
    })
  }

  test('without CR4.OSXMMEXCPT it is #UD', () => {
    cpu.setControl(CR0_NE, CR4_OSFXSR)
    setXmm(1, 0x7ff0000000000000n)
    setXmm(2, 0xfff0000000000000n)
    fx.setUint32(24, 0x1f00, true)
    expect(run(...ADDPD)).toBe(UD)
  })

  test('a flag that is set already raises nothing when it is unmasked', () => {
    fx.setUint32(24, 0x1f3f & ~0x80, true)
    expect(run(...ADDPD)).toBeUndefined()
  })

  test('one unmasked invalid lane hides what the other lane computes', () => {
    setXmm(1, 0x7ff0000000000000n, 0x3ff0000000000000n)
    setXmm(2, 0xfff0000000000000n, 0x3c00000000000000n)
    fx.setUint32(24, 0x1f00, true)
    expect(run(...ADDPD)).toBe(XM)
    expect(outFx.getUint32(24, true)).toBe(0x1f01)
  })
})

describe('operands in memory', () => {
  test('aligned forms raise #GP at an address that is no multiple of 16', () => {
    s.gpr[6] += 8n
    for (const code of [
      MOVAPS_LOAD,
      MOVAPS_STORE,
      [0x0f, 0x58, 0x0e],
      [0x66, 0x0f, 0xef, 0x0e],
      [0x66, 0x0f, 0xe7, 0x0e],
    ])
      expect(run(...code)).toBe(GP)
    for (const code of [MOVUPS_LOAD, MOVUPS_STORE, [0xf2, 0x0f, 0x58, 0x0e]]) expect(run(...code)).toBeUndefined()
  })

  test('FXSAVE and FXRSTOR want 16-byte alignment, LDMXCSR and FXRSTOR no reserved bits', () => {
    s.gpr[6] += 8n
    expect(run(0x0f, 0xae, 0x06)).toBe(GP)
    expect(run(0x0f, 0xae, 0x0e)).toBe(GP)
    s.gpr[6] -= 8n
    s.data.set([0x80, 0x1f, 1, 0], 0)
    s.data.set([0x80, 0x1f, 1, 0], 24)
    expect(run(0x0f, 0xae, 0x16)).toBe(GP)
    expect(outFx.getUint32(24, true)).toBe(0x1f80)
    expect(run(0x0f, 0xae, 0x0e)).toBe(GP)
    s.data.set([0xc0, 0xff, 0, 0], 0)
    expect(run(0x0f, 0xae, 0x16)).toBeUndefined()
    expect(outFx.getUint32(24, true)).toBe(0xffc0)
  })

  test('a store across the end of what is mapped writes nothing', () => {
    const end = (2 << 20) - 8
    s.gpr[6] = BigInt(end)
    setXmm(1, 0x1111111111111111n, 0x2222222222222222n)
    expect(run(...MOVUPS_STORE)).toBe(PF)
    expect(cpu.ram.subarray(end)).toEqual(new Uint8Array(8))
    expect(cpu.engine.getState().cr2 >> 12n).toBe(512n)
  })
})
