import { describe, expect, test } from 'vitest'
import { FEATURES } from '../../../machine/cpu/features.js'
import { type CpuModel, CpuModelError, cpuModelNames, parseCpu } from '../../../machine/cpu/models.js'
import { BareCpu } from './driver.js'

function shows(model: CpuModel, feature: string): boolean {
  const n = FEATURES.get(feature) as number
  return ((model.features[n >> 5] >>> (n & 31)) & 1) === 1
}

/** CPUID `leaf` as the core answers it: EAX, EBX, ECX, EDX. */
function cpuid(model: string | undefined, leaf: number, sub = 0): number[] {
  const cpu = new BareCpu(undefined, undefined, model)
  // 66 B8: mov eax, leaf; 66 B9: mov ecx, sub; cpuid; hlt.
  const dword = (n: number): number[] => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24]
  cpu.boot(Uint8Array.from([0x66, 0xb8, ...dword(leaf), 0x66, 0xb9, ...dword(sub), 0x0f, 0xa2, 0xf4]))
  cpu.run(100)
  const { gpr } = cpu.state
  return [gpr[0], gpr[3], gpr[1], gpr[2]].map(Number)
}

describe('CPU models', () => {
  test('each has what the one before it has', () => {
    const names = ['486', 'pentium', 'pentium3', 'x86-64', 'x86-64-v2', 'max']
    for (let i = 1; i < names.length; i++) {
      const [less, more] = [parseCpu(names[i - 1]), parseCpu(names[i])]
      expect([...less.features].filter((word, k) => word & ~more.features[k])).toEqual([])
    }
  })
  test('changes bring what a feature needs and take along what needs it', () => {
    const sse2 = parseCpu('pentium,+sse2')
    for (const feature of ['sse2', 'sse', 'fxsr']) expect(shows(sse2, feature)).toBe(true)
    const without = parseCpu('max,-ssse3')
    for (const feature of ['ssse3', 'sse4.1', 'sse4.2', 'sha']) expect(shows(without, feature)).toBe(false)
    expect(shows(without, 'sse3')).toBe(true)
    expect(shows(parseCpu('max,-pge,+pge'), 'pge')).toBe(true)
    expect(shows(parseCpu('core2duo,+SSE4_1'), 'sse4.1')).toBe(true)
  })
  test('names and changes that QEMU has stand for ours', () => {
    expect(parseCpu('host').features).toEqual(parseCpu('max').features)
    expect(parseCpu('Haswell,avx2=off,aes=on').features).toEqual(parseCpu('x86-64-v3,-avx2,+aes').features)
    expect(() => parseCpu('help')).toThrow(/^The models are 486, .*, max\.$/)
    expect(() => parseCpu('EPYC-Rome')).toThrow(/^There is no CPU model "EPYC-Rome"\. The models are 486/)
    expect(() => parseCpu('max,avx9=on')).toThrow('There is no CPU feature "avx9": did you mean "avx')
    expect(() => parseCpu('max,migratable')).toThrow('"migratable" is no change to a CPU model')
  })
  test('a wrong name is told in a sentence that names the nearest', () => {
    expect(() => parseCpu('pentum3')).toThrow(/no CPU model "pentum3": did you mean "pentium3"/)
    expect(() => parseCpu('max,+ssse4')).toThrow(/did you mean "ssse3"/)
    expect(() => parseCpu('max,sse2')).toThrow(/write \+NAME or -NAME/)
    expect(() => parseCpu('')).toThrow(CpuModelError)
  })
  test('CPUID shows the model', () => {
    expect(cpuid('486', 1)).toEqual([0x483, 0x10800, 0, 0xb])
    // Past the highest leaf: as for the last basic one.
    expect(cpuid('486', 0x80000000)).toEqual(cpuid('486', 1))
    expect(cpuid('pentium3', 1)[3] & (1 << 26)).toBe(0)
    expect(cpuid('pentium3,+sse2', 1)[3] & (1 << 26)).not.toBe(0)
    expect(cpuid('x86-64', 0x80000001)[3] & (1 << 29)).not.toBe(0)
    expect(cpuid('pentium,+smep', 0)[0]).toBe(7)
    expect(cpuid('max', 0xd)[0]).toBe(shows(parseCpu('max'), 'avx') ? 7 : 3)
    expect(cpuid('max', 4, 3)).toEqual([0, 0, 0, 0])
    expect(cpuid('max', 0xb, 1)).toEqual([0, 1, 0x201, 0])
  })
  test('a hypervisor is shown on request, by its bit and with a name', () => {
    const bit = (model: string): number => cpuid(model, 1)[2] >>> 31
    expect(['max', 'max,-hypervisor', 'max,+hypervisor', 'pentium3,+hypervisor'].map(bit)).toEqual([0, 0, 1, 1])
    const [eax, ...name] = cpuid('max,+hypervisor', 0x40000000)
    expect(eax).toBe(0x40000000)
    expect(Buffer.from(Uint32Array.from(name).buffer).toString()).toBe('Bootwright  ')
    expect(cpuid('max,+hypervisor', 0x40000001)).toEqual([0, 0, 0, 0])
    expect(cpuid('max', 0x40000000)).toEqual(cpuid('max', 0xd))
  })
  test('what a model does not show is an invalid opcode', () => {
    // UD goes to 0:0600 by the real-mode vector table.
    const outcome = (model: string, ...code: number[]): number => {
      const cpu = new BareCpu(undefined, undefined, model)
      cpu.ram.set([0x00, 0x06, 0, 0], 6 * 4)
      cpu.ram[0x600] = 0xf4
      cpu.boot(Uint8Array.from([...code, 0xf4]))
      cpu.run(100)
      return Number(cpu.state.rip)
    }
    const cmov = [0x0f, 0x44, 0xc1]
    const popcnt = [0xf3, 0x0f, 0xb8, 0xc1]
    const end = (code: number[]): number => 0x7c00 + code.length + 1
    for (const model of ['486', 'pentium']) expect(outcome(model, ...cmov)).toBe(0x601)
    expect(outcome('pentium3', ...cmov)).toBe(end(cmov))
    expect(outcome('core2duo', ...popcnt)).toBe(0x601)
    expect(outcome('x86-64-v2', ...popcnt)).toBe(end(popcnt))
    // RDTSC.
    expect(outcome('486', 0x0f, 0x31)).toBe(0x601)
    // BMI in real mode, where there is no VEX.
    expect(outcome('max', 0xc4, 0xe2, 0x60, 0xf2, 0xca)).toBe(0x601)
  })
  test('every model can be made', () => {
    for (const name of cpuModelNames()) expect(parseCpu(name).level).toBeGreaterThan(0)
  })
})
