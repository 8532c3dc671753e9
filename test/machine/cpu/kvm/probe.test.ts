import { describe, expect, test } from 'vitest'
import { createEngine } from '../../../../machine/cpu/create-engine.js'
import type { CpuBoard } from '../../../../machine/cpu/engine.js'
import { kvmAccess } from '../../../../machine/cpu/kvm/access.js'
import { ENOUGH_MIPS, probeKvm } from '../../../../machine/cpu/kvm/probe.js'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { skipped, unusable } from './kvm-cpu.js'

describe('access to KVM', () => {
  test.skipIf(process.platform !== 'linux')('a missing device says so and how to get it', () => {
    expect(kvmAccess('/dev/no-such-kvm')).toEqual({
      why: 'there is no /dev/kvm',
      mend: expect.stringMatching(/modprobe|firmware|nested|--device/),
    })
  })

  test.skipIf(process.platform !== 'linux')('a device that is not KVM is refused', () => {
    expect(kvmAccess('/dev/null')?.why).toMatch(/version/)
  })
})

describe.skipIf(unusable)(`KVM: probe${skipped}`, () => {
  test('three modes are measured, and the finding names them all', () => {
    const probe = probeKvm()
    expect(probe.modes.map((mode) => mode.name)).toEqual(['real mode', '32-bit paged mode', '64-bit kernel mode'])
    for (const { name, mips, failure } of probe.modes) {
      if (failure) expect(mips).toBe(0)
      else expect(mips).toBeGreaterThan(0)
      expect(probe.finding).toContain(name)
    }
    const fast = probe.modes.every((mode) => mode.mips >= ENOUGH_MIPS)
    expect(probe.adequate).toBe(fast && probe.interruptWindow)
  })

  test('a second probe costs nothing', () => {
    const first = probeKvm()
    expect(probeKvm()).toBe(first)
  })

  test('auto takes what the probe recommends and says why; kvm is taken all the same', () => {
    const board = { readMsr: () => undefined, ferr: () => {}, smmChanged: () => {} } as unknown as CpuBoard
    const arena = (): WebAssembly.Memory =>
      new WebAssembly.Memory({ initial: ARENA_GUEST / 65536 + 16, maximum: 65536 })
    const auto = createEngine('auto', arena(), board)
    expect(auto.engine.kind).toBe(probeKvm().adequate ? 'kvm' : 'soft')
    expect(auto.reason).toBe(probeKvm().finding)
    auto.engine.close()
    const kvm = createEngine('kvm', arena(), board)
    expect(kvm.engine.kind).toBe('kvm')
    expect(kvm.reason).toContain(probeKvm().finding)
    kvm.engine.close()
  })
})
