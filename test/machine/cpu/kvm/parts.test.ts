/** What the KVM engine consists of and can be tested without /dev/kvm. */
import { describe, expect, test } from 'vitest'
import type { CpuBus, MemoryRegion } from '../../../../machine/cpu/engine.js'
import * as abi from '../../../../machine/cpu/kvm/abi.js'
import { BusExits } from '../../../../machine/cpu/kvm/bus-exits.js'
import {
  type CpuidEntry,
  cpuSignature,
  guestCpuid,
  missingFeatures,
  xsaveComponents,
} from '../../../../machine/cpu/kvm/cpuid.js'
import { HostClock } from '../../../../machine/cpu/kvm/host-clock.js'
import { MemorySlots, wrapAtMegabyte } from '../../../../machine/cpu/kvm/memory-slots.js'
import type { KvmVm } from '../../../../machine/cpu/kvm/vm.js'

const MIB = 1 << 20
const ram = (address: number, size: number, offset = address): MemoryRegion => ({ address, size, offset, kind: 'ram' })
const rom = (address: number, size: number, offset = address): MemoryRegion => ({ address, size, offset, kind: 'rom' })

describe('memory slots', () => {
  function slots(): { slots: MemorySlots; calls: string[] } {
    const calls: string[] = []
    const setSlot = (slot: number, address: number, size: number, host: number, readOnly: boolean): void => {
      const what = `${address.toString(16)}+${size.toString(16)}@${host.toString(16)}${readOnly ? ' ro' : ''}`
      calls.push(size === 0 ? `-${slot}` : `+${slot} ${what}`)
    }
    return { slots: new MemorySlots({ setSlot } as unknown as KvmVm, 0x7000000), calls }
  }

  test('only what changed is taken out and put in, the old before the new', () => {
    const { slots: memory, calls } = slots()
    memory.set([ram(0, 0xa0000), rom(0xf0000, 0x10000), ram(MIB, MIB)])
    expect(calls).toEqual(['+0 0+a0000@7000000', '+1 f0000+10000@70f0000 ro', '+2 100000+100000@7100000'])
    calls.length = 0
    memory.set([ram(0, 0xa0000), ram(0xf0000, 0x10000), ram(MIB, MIB)])
    expect(calls).toEqual(['-1', '+1 f0000+10000@70f0000'])
    calls.length = 0
    memory.set([ram(0, 0xa0000), ram(0xf0000, 0x10000), ram(MIB, MIB)])
    expect(calls).toEqual([])
  })

  test('with A20 off the second megabyte shows the first, holes and all, and the third is itself', () => {
    expect(wrapAtMegabyte([ram(0, 0xa0000), rom(0xf0000, 0x10000), ram(MIB, 3 * MIB)])).toEqual([
      ...[ram(0, 0xa0000), ram(MIB, 0xa0000, 0)],
      ...[rom(0xf0000, 0x10000), rom(MIB + 0xf0000, 0x10000, 0xf0000)],
      ram(2 * MIB, 2 * MIB),
    ])
  })

  test('A20 on again restores the map that was set meanwhile', () => {
    const { slots: memory, calls } = slots()
    memory.set([ram(0, 4 * MIB)])
    memory.setA20(false)
    memory.set([ram(0, 2 * MIB)])
    calls.length = 0
    memory.setA20(true)
    expect(calls.filter((call) => call.startsWith('+'))).toEqual([expect.stringContaining(' 0+200000@7000000')])
    expect(memory.current()).toEqual([ram(0, 2 * MIB)])
  })
})

describe('string I/O', () => {
  test.each([
    ['OUTS', abi.IO_OUT],
    ['INS', abi.IO_OUT ^ 1],
  ])(
    '%s in one exit stops between two elements where it is late, and goes on with the next one',
    (_name, direction) => {
      const page = new DataView(new ArrayBuffer(4096))
      page.setUint8(abi.IO_DIRECTION, direction)
      page.setUint8(abi.IO_SIZE, 2)
      page.setUint16(abi.IO_PORT, 0x1f0, true)
      page.setUint32(abi.IO_COUNT, 3, true)
      page.setUint32(abi.IO_DATA_OFFSET, 2048, true)
      const out = direction === abi.IO_OUT
      if (out) for (let i = 0; i < 3; i++) page.setUint16(2048 + i * 2, 0x11 * (i + 1), true)
      const written: number[] = []
      let next = 0
      const bus = new BusExits(page, {
        portRead: () => 0x11 * ++next,
        portWrite: (_port: number, value: number) => written.push(value),
      } as unknown as CpuBus)
      for (let exit = 0; exit < 2; exit++) {
        expect(bus.port(() => true)).toBe(false)
        expect(bus.port(() => true)).toBe(false)
        expect(bus.port(() => true)).toBe(true)
      }
      const moved = out ? written.slice(3) : [0, 2, 4].map((at) => page.getUint16(2048 + at, true))
      expect(moved).toEqual(out ? [0x11, 0x22, 0x33] : [0x44, 0x55, 0x66])
    },
  )
})

describe('host clock', () => {
  test('guest time moves in a run, stands outside it, and catches up short gaps', () => {
    let host = 1000
    const clock = new HostClock(() => host)
    expect(clock.now()).toBe(0)
    expect(clock.start()).toBe(0)
    host += 5e6
    expect(clock.now()).toBe(5e6)
    clock.stop()
    host += 3e6
    expect(clock.now()).toBe(5e6)
    expect(clock.start()).toBe(0)
    expect(clock.now()).toBe(8e6)
  })

  test('a pause is left out, and its length is told', () => {
    let host = 0
    const clock = new HostClock(() => host)
    clock.start()
    host = 10e6
    clock.stop()
    host += 5e9
    const pause = clock.start()
    expect(clock.now()).toBe(10e6 + 5e9 - pause)
    expect(clock.now()).toBeLessThan(40e6)
  })
})

describe('CPUID under KVM', () => {
  const all = 0xffffffff
  const leaf = (number: number, subleaf = 0): CpuidEntry => ({
    ...{ leaf: number, subleaf, flags: 1, eax: all, ebx: all, ecx: all, edx: all },
  })
  const bit = (value: number, n: number): number => (value >>> n) & 1
  const find = (entries: CpuidEntry[], number: number): CpuidEntry =>
    entries.find((entry) => entry.leaf === number) as CpuidEntry

  test('one processor without MCE, MONITOR, x2APIC, TSC deadline and VMX', () => {
    const { ebx, ecx, edx } = find(guestCpuid([leaf(1)]), 1)
    expect(ebx >>> 16).toBe(1)
    for (const n of [3, 5, 21, 24]) expect(bit(ecx, n)).toBe(0)
    for (const n of [7, 14, 28]) expect(bit(edx, n)).toBe(0)
    // SSE3, AVX, hypervisor; FPU, TSC, APIC, SSE2.
    for (const n of [0, 28, 31]) expect(bit(ecx, n)).toBe(1)
    for (const n of [0, 4, 9, 26]) expect(bit(edx, n)).toBe(1)
  })

  test('no state that CpuState has no place for', () => {
    const entries = guestCpuid([leaf(7), leaf(0xd, 0), leaf(0xd, 1), leaf(0xd, 2), leaf(0xd, 5)])
    const { ebx } = find(entries, 7)
    expect(bit(ebx, 16)).toBe(0) // AVX-512
    expect(bit(ebx, 5)).toBe(1) // AVX2
    expect(find(entries, 0xd)).toMatchObject({ eax: 7, ebx: 832, ecx: 832 })
    expect(entries.filter((entry) => entry.leaf === 0xd).map((entry) => entry.subleaf)).toEqual([0, 1, 2])
    expect(xsaveComponents(entries)).toBe(7)
  })

  test('no topology and no paravirtual leaves, and the highest leaf fits', () => {
    const entries = guestCpuid([0, 1, 0xb, 0x14, 0x1f, 0x40000000, 0x40000001, 0x80000000].map((n) => leaf(n)))
    expect(entries.map((entry) => entry.leaf)).toEqual([0, 1, 0x80000000, 0x40000000])
    expect(find(entries, 0).eax).toBe(0xd)
    expect(find(entries, 0x40000000).eax).toBe(0x40000000)
    expect(cpuSignature(entries)).toBe(all)
  })
})

test('what a guest has switched on and CPUID does not show is named as --cpu takes it', () => {
  const entry = (leaf: number, registers: Partial<CpuidEntry>): CpuidEntry => ({
    ...{ leaf, subleaf: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 },
    ...registers,
  })
  // PCIDE, OSXSAVE, SMEP; LMA, NXE; x87 and AVX.
  const state = { cr4: 0x160000n, efer: 0xd01n, xcr0: 5n }
  const some = [
    entry(1, { ecx: 1 << 26 }),
    entry(7, { ebx: 1 << 7 }),
    entry(0x80000001, { edx: (1 << 29) | (1 << 20) }),
  ]
  expect(missingFeatures(state, some)).toEqual(['pcid', 'avx'])
  expect(missingFeatures(state, [])).toEqual(['pcid', 'xsave', 'smep', 'lm', 'nx', 'avx'])
  expect(missingFeatures({ cr4: 0x6f0n, efer: 0n, xcr0: 1n }, [])).toEqual([])
})
