/** A snapshot of one engine on the other, in real mode, which every KVM runs. */
import { afterAll, describe, expect, test } from 'vitest'
import { kvmAccess } from '../../../machine/cpu/kvm/access.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../../machine/state/memory-image.js'
import { type BarePc, barePc } from './bare-pc.js'

const layers = new Set<MemoryLayer>()

function save({ pc }: BarePc): MachineState {
  const state = pc.save()
  for (const layer of state.memory.layers) layers.add(layer)
  return state
}

/** What both engines must agree on; time and what follows from it goes its own way. */
function registers(state: MachineState) {
  const { gpr, rip, rflags, segments, cr0, halted, msrs } = state.cpus[0]
  const shared = [0x174, 0x277, 0x2ff].map((index) => msrs[index])
  return { gpr, rip, rflags, selectors: segments.map(({ selector }) => selector), cr0, halted, shared }
}

describe.skipIf(kvmAccess() !== undefined)('a snapshot of one engine on the other', () => {
  afterAll(() => {
    for (const layer of layers) closeLayer(layer)
  })

  test('from soft to kvm and back: registers, memory, time and the timer that is armed', () => {
    const soft = barePc()
    soft.out(0x43, 0x34)
    soft.out(0x40, 0x00, 0x20)
    soft.run(50e6)
    const ticks = soft.memory.read16(0x502)
    expect(ticks).toBeGreaterThan(5)
    const first = save(soft)

    const kvm = barePc({ engine: 'kvm' })
    kvm.pc.load(first)
    expect(kvm.pc.now()).toBe(first.time.ns)
    const there = save(kvm)
    expect(registers(there)).toEqual(registers(first))
    expect(kvm.memory.read16(0x502)).toBe(ticks)
    kvm.run(200e6)
    const later = kvm.memory.read16(0x502)
    expect(later).toBeGreaterThan(ticks + 5)

    const second = save(kvm)
    const back = barePc()
    back.pc.load(second)
    expect(back.pc.now()).toBe(second.time.ns)
    expect(registers(save(back))).toEqual(registers(second))
    back.run(100e6)
    expect(back.memory.read16(0x502)).toBeGreaterThan(later + 5)
    for (const { pc } of [soft, kvm, back]) pc.close()
  })
})
