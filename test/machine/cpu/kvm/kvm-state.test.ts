import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { CpuState } from '../../../../machine/cpu/engine.js'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { SoftEngine } from '../../../../machine/cpu/soft/soft-engine.js'
import { closeAll, HANDLER, KvmCpu, longMode, PROGRAM, protectedMode, RAM, skipped, unusable } from './kvm-cpu.js'

const HLT = 0xf4
const NOP = 0x90
const noCore = !existsSync(new URL('../../../../dist/machine/cpu/soft/core.wasm', import.meta.url))

afterEach(closeAll)

/** What both engines have. */
function common({ tsc: _tsc, msrs: _msrs, ymmHigh: _ymm, cr8: _cr8, ...rest }: CpuState): Partial<CpuState> {
  const fxsave = rest.fxsave.slice()
  fxsave.fill(0, 28, 32) // MXCSR_MASK differs by processor
  return { ...rest, fxsave }
}

describe.skipIf(unusable)(`KVM: state${skipped}`, () => {
  test('every field comes back as it was set', () => {
    const machine = new KvmCpu()
    const state = machine.state
    state.gpr = state.gpr.map((_, i) => BigInt(0x1000 + i) << 16n)
    state.rip = 0x1234n
    state.rflags = 0x246n
    state.segments = state.segments.map((segment, i) =>
      i === 1 ? segment : { selector: 0x100 * i, base: BigInt(0x1000 * i), limit: 0xffff, access: 0x93 },
    )
    state.gdtr = { base: 0x12000n, limit: 0x7f }
    state.idtr = { base: 0x13000n, limit: 0x3ff }
    state.ldtr = { selector: 0x28, base: 0x14000n, limit: 0x27, access: 0x82 }
    state.cr2 = 0xdead000n
    state.cr3 = 0x5000n
    state.cr4 = 0x10n
    state.dr = [0x100n, 0x200n, 0x300n, 0x400n, 0xffff0ff1n, 0x401n]
    state.msrs[0x174] = 8n
    state.msrs[0x175] = 0x9000n
    state.msrs[0x200] = 0xe0000000n
    state.msrs[0x277] = 0x0007010600070106n
    state.nmiMasked = true
    state.fxsave = state.fxsave.slice()
    state.fxsave[0] = 0x7f
    state.fxsave[1] = 0x03
    state.fxsave.set([1, 2, 3, 4, 5, 6, 7, 0x80, 0xff, 0x3f], 32)
    state.fxsave.set(Array(16).fill(0xab), 160 + 7 * 16)
    machine.engine.setState(state)
    const after = machine.state
    expect(common(after)).toEqual(common(state))
    expect(after.msrs).toEqual(state.msrs)
  })

  test('a code segment whose L bit is set outside long mode is taken: there it means nothing', () => {
    const machine = new KvmCpu()
    machine.ram.set([0xb8, 0x44, 0x33, 0x22, 0x11, HLT], PROGRAM)
    const state = protectedMode(machine, PROGRAM)
    state.segments[1] = { ...state.segments[1], access: 0xe09b }
    machine.engine.setState(state)
    expect(machine.run().reason).toBe('halt')
    expect(machine.state.gpr[0]).toBe(0x11223344n)
  })

  test('a halted state stays halted and wakes by an interrupt', () => {
    const machine = new KvmCpu()
    machine.boot(HLT, [0xb8, 1, 0], HLT)
    const state = machine.state
    state.rip = BigInt(PROGRAM + 1)
    state.rflags = 0x202n
    state.halted = true
    machine.engine.setState(state)
    expect(machine.engine.run(machine.engine.now() + 1e6).reason).toBe('halt')
    expect(machine.state.halted).toBe(true)
    machine.engine.setInterrupt(true)
    expect(machine.run().reason).toBe('halt')
    expect(machine.word(0)).toBe(1)
  })

  test('a port read is complete when the state is read after it', () => {
    const machine = new KvmCpu()
    machine.portReads = () => {
      machine.engine.stop()
      return 0x77
    }
    machine.boot([0xe4, 0x60, 0xe6, 0x80], HLT) // in al, 60h; out 80h, al
    machine.engine.run(machine.engine.now() + 1e9)
    const state = machine.state
    expect(state.rip).toBe(BigInt(PROGRAM + 2))
    expect(state.gpr[0]).toBe(0x77n)
    machine.portReads = () => 0x77
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['in 60 1', 'out 80 1 77'])
  })

  test('a new state discards the access that was under way', () => {
    const machine = new KvmCpu()
    machine.portReads = () => {
      machine.engine.stop()
      return 0x77
    }
    machine.boot([0xe4, 0x60], HLT)
    machine.engine.run(machine.engine.now() + 1e9)
    machine.boot([0xb8, 0x34, 0x12], HLT) // mov ax, 1234h
    expect(machine.run().reason).toBe('halt')
    expect(machine.word(0)).toBe(0x1234)
  })

  test('INIT keeps x87, MSRs and the cache bits', () => {
    const machine = new KvmCpu()
    const state = machine.state
    state.msrs[0x174] = 0x18n
    state.cr0 = 0x11n
    state.fxsave[0] = 0x7f
    machine.engine.setState(state)
    machine.engine.init()
    const after = machine.state
    expect(after.msrs[0x174]).toBe(0x18n)
    expect(after.fxsave[0]).toBe(0x7f)
    expect(after.cr0).toBe(0x10n)
    expect(after.rip).toBe(0xfff0n)
  })
})

describe.skipIf(unusable || noCore)(`KVM and the soft engine on one memory${skipped}`, () => {
  function softBeside(machine: KvmCpu): SoftEngine {
    const soft = new SoftEngine(machine.memory, {
      portRead: () => 0xff,
      portWrite: (port, value, size) => {
        machine.log.push(`soft out ${port.toString(16)} ${size} ${value.toString(16)}`)
      },
      mmioRead: () => 0xff,
      mmioWrite: () => {},
      acknowledgeInterrupt: () => 0,
      readMsr: () => 0n,
      writeMsr: () => true,
      readTpr: () => 0,
      writeTpr: () => {},
      ferr: () => {},
      smmChanged: () => {},
      warnMsr: () => {},
    })
    soft.setMemory([{ address: 0, size: RAM, offset: ARENA_GUEST, kind: 'ram' }])
    return soft
  }

  test('a program moves to the soft engine and back between two instructions', () => {
    const machine = new KvmCpu()
    machine.boot(
      [0xb8, 0x34, 0x12, 0xe6, 0x80], // mov ax, 1234h; out 80h, al
      [0x40, 0xe6, 0x81], // inc ax; out 81h, al
      [0x40, 0xe6, 0x82, HLT], // inc ax; out 82h, al
    )
    machine.onWrite = () => machine.engine.stop()
    machine.engine.run(machine.engine.now() + 1e9)
    const soft = softBeside(machine)
    soft.setState(machine.state)
    soft.run(soft.now() + 20)
    const moved = soft.getState()
    expect(moved.rip).toBe(BigInt(PROGRAM + 8))
    machine.engine.setState(moved)
    machine.run()
    expect(machine.log).toEqual(['out 80 1 34', 'soft out 81 1 35', 'out 82 1 36'])
  })

  test('a state is the same after a round trip through the soft engine', () => {
    const machine = new KvmCpu()
    const state = protectedMode(machine, PROGRAM)
    state.gpr = state.gpr.map((_, i) => BigInt(i < 8 ? 0x01010101 * i : 0))
    state.fxsave = state.fxsave.slice()
    state.fxsave.set([0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0x40], 48)
    state.interruptShadow = 'sti'
    machine.engine.setState(state)
    const before = machine.state
    const soft = softBeside(machine)
    soft.setState(before)
    machine.engine.setState(soft.getState())
    expect(common(machine.state)).toEqual(common(before))
  })

  test('FWAIT in protected mode is executed, by the soft engine where KVM cannot', () => {
    const machine = new KvmCpu()
    const state = protectedMode(machine, PROGRAM)
    machine.ram.set(
      [
        [0xdb, 0xe3, 0xd9, 0xe8, 0x9b], // fninit; fld1; fwait
        [0xdd, 0x1d, 0x00, 0x20, 0x00, 0x00, 0x9b], // fstp qword [2000h]; fwait
        [0xb0, 0x33, 0xe6, 0x80, HLT], // mov al, 33h; out 80h, al; hlt
      ].flat(),
      PROGRAM,
    )
    machine.engine.setState(state)
    expect(machine.run()).toEqual({ reason: 'halt' })
    expect(machine.log).toEqual(['out 80 1 33'])
    expect(machine.view.getFloat64(0x2000, true)).toBe(1)
    // At most one for each of the five x87 instructions.
    expect(machine.engine.rescues).toBeLessThanOrEqual(5)
  })

  test('and so in 64-bit mode, with the upper halves of registers', () => {
    const machine = new KvmCpu()
    const state = longMode(machine, PROGRAM)
    machine.ram.set(
      [
        [0x49, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], // mov r8, 0807060504030201h
        [0x9b, 0x66, 0x49, 0x0f, 0x6e, 0xc0], // fwait; movq xmm0, r8
        [0x66, 0x0f, 0xd4, 0xc0, 0x9b], // paddq xmm0, xmm0; fwait
        [0x66, 0x48, 0x0f, 0x7e, 0xc1], // movq rcx, xmm0
        [0xb0, 0x33, 0xe6, 0x80, HLT], // mov al, 33h; out 80h, al; hlt
      ].flat(),
      PROGRAM,
    )
    state.cr4 |= 0x600n
    machine.engine.setState(state)
    expect(machine.run()).toEqual({ reason: 'halt' })
    expect(machine.log).toEqual(['out 80 1 33'])
    expect(machine.state.gpr[1].toString(16)).toBe('100e0c0a08060402')
    expect(machine.state.gpr[8].toString(16)).toBe('807060504030201')
  })

  test('a loop of FWAIT goes on for as long as it takes', () => {
    const machine = new KvmCpu()
    const state = protectedMode(machine, PROGRAM)
    // mov ecx, 5000; fwait; dec ecx; jnz; out 80h, al; hlt
    machine.ram.set([0xb9, 0x88, 0x13, 0, 0, 0x9b, 0x49, 0x75, 0xfc, 0xe6, 0x80, HLT], PROGRAM)
    machine.engine.setState(state)
    expect(machine.run(5000)).toEqual({ reason: 'halt' })
    expect(machine.log).toEqual(['out 80 1 0'])
  })

  test('an SMI is served by the soft engine, and RSM comes back to KVM', () => {
    const machine = new KvmCpu()
    // SMBASE is 30000h: its handler at 38000h.
    machine.ram.set([0xb0, 0x5a, 0xe6, 0xb3, 0x0f, 0xaa], 0x38000) // mov al, 5ah; out b3h, al; rsm
    machine.boot([0xb8, 0x11, 0x11, 0xe6, 0xb2], [NOP, 0xe6, 0x80, HLT]) // mov ax, 1111h; out b2h, al; nop; out 80h, al
    machine.onWrite = (port) => port === 0xb2 && machine.engine.smi()
    expect(machine.run()).toEqual({ reason: 'halt' })
    expect(machine.log).toEqual(['out b2 1 11', 'smm 1', 'out b3 1 5a', 'smm 0', 'out 80 1 11'])
    expect(machine.state.inSmm).toBe(false)
  })

  test('an interrupt that was acknowledged is not lost when the state is read', () => {
    const machine = new KvmCpu()
    machine.ram.set([0xb0, 0x77, 0xe6, 0x81, 0xcf], HANDLER) // mov al, 77h; out 81h, al; iret
    machine.boot([0xfb, 0xeb, 0xfe]) // sti; jmp $
    const { engine } = machine
    for (let i = 0; i < 20; i++) {
      engine.setInterrupt(true)
      engine.run(engine.now() + 2e5)
      engine.setState(engine.getState())
    }
    const count = (line: string): number => machine.log.filter((entry) => entry === line).length
    const patience = performance.now() + 2000
    while (count('out 81 1 77') < count('inta') && performance.now() < patience) engine.run(engine.now() + 5e6)
    expect(count('inta')).toBeGreaterThan(0)
    expect(count('out 81 1 77')).toBe(count('inta'))
  })
})
