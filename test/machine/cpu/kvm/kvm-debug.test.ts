import { afterEach, describe, expect, test } from 'vitest'
import type { Breakpoint, Exit } from '../../../../machine/cpu/engine.js'
import { closeAll, HANDLER, KvmCpu, longMode, PROGRAM, protectedMode, skipped, unusable } from './kvm-cpu.js'

const HLT = 0xf4
const NOP = 0x90
const INT3 = 0xcc

afterEach(closeAll)

const at = (address: number): Breakpoint => ({ kind: 'execute', address: BigInt(address), length: 1 })
const data = (kind: 'write' | 'access', address: number, length: number): Breakpoint => ({
  ...{ kind, address: BigInt(address), length },
})

/** Where it stopped, and for what. */
function told(machine: KvmCpu, exit: Exit): string {
  const what = exit.reason === 'breakpoint' ? `${exit.hit.kind} ${exit.hit.address.toString(16)}` : exit.reason
  return `${what} at ${machine.state.rip.toString(16)}`
}

function step(machine: KvmCpu): string {
  machine.engine.step(true)
  return told(machine, machine.run())
}

describe.skipIf(unusable)(`KVM: a debugger${skipped}`, () => {
  test('stops in front of an instruction, and goes on from there', () => {
    const machine = new KvmCpu()
    machine.boot([0xb8, 1, 0], [0x40], [0x40], [0xeb, 0xfc]) // mov ax, 1; 7c03: inc ax; inc ax; jmp 7c03
    machine.engine.setBreakpoints([at(PROGRAM + 4)])
    for (const ax of [2, 4, 6]) {
      expect(told(machine, machine.run())).toBe('execute 7c04 at 7c04')
      expect(machine.word(0)).toBe(ax)
    }
    machine.engine.setBreakpoints([])
    expect(machine.run(20).reason).toBe('budget')
  })

  test('stops at more instructions than there are registers, and leaves the memory as it was', () => {
    const machine = new KvmCpu()
    const program = [...Array(8).fill(0x40), 0xeb, 0xf6] // inc ax, eight times; jmp 7c00
    machine.boot(program)
    // The first four are in registers.
    machine.engine.setBreakpoints([0x7d00, 0x7d01, 0x7d02, 0x7d03, ...[1, 2, 5].map((i) => PROGRAM + i)].map(at))
    for (const [place, ax] of [
      ['7c01', 1],
      ['7c02', 2],
      ['7c05', 5],
      ['7c01', 9],
      ['7c02', 10],
    ] as const) {
      expect(told(machine, machine.run())).toBe(`execute ${place} at ${place}`)
      expect(machine.word(0)).toBe(ax)
      expect([...machine.ram.subarray(PROGRAM, PROGRAM + program.length)]).toEqual(program)
    }
    machine.engine.setBreakpoints([])
    expect(machine.run(20).reason).toBe('budget')
  })

  test('of two places that share a byte of RAM the one that the CPU is at is told', () => {
    const machine = new KvmCpu()
    machine.ram.set([NOP, NOP, HLT], 0x1000)
    const state = longMode(machine, 0x1000)
    // The second 2 MiB are the first ones again.
    machine.view.setBigUint64(0x5008, 0x83n, true)
    machine.engine.setState({ ...state, rip: 0x201000n })
    const far = [0x7d00, 0x7d01, 0x7d02, 0x7d03].map(at)
    machine.engine.setBreakpoints([...far, at(0x201001)])
    expect(told(machine, machine.run())).toBe('execute 201001 at 201001')
    expect(machine.run().reason).toBe('halt')
    machine.engine.setState({ ...state, rip: 0x1000n })
    machine.engine.setBreakpoints([...far, at(0x201001)])
    expect(told(machine, machine.run())).toBe('halt at 1003')
  })

  test('the guest gets its own INT3 and single steps', () => {
    const machine = new KvmCpu()
    machine.ram.set([0xb0, 0x77, 0xe6, 0x81, 0xcf], HANDLER) // mov al, 77h; out 81h, al; iret
    machine.boot(INT3, [0xe6, 0x80], HLT)
    machine.engine.setBreakpoints([0x7d00, 0x7d01, 0x7d02, 0x7d03, 0x7d04].map(at))
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['out 81 1 77', 'out 80 1 77'])
    machine.log.length = 0
    // pushf; pop ax; or ah, 1; push ax; popf; nop: a trap behind the nop. out 82h, al; hlt
    machine.boot([0x9c, 0x58, 0x80, 0xcc, 1, 0x50, 0x9d, NOP], [0x9c, 0x58, 0x80, 0xe4, 0xfe, 0x50, 0x9d], HLT)
    expect(machine.run().reason).toBe('halt')
    expect(machine.log.length).toBeGreaterThan(0)
    expect(machine.log.every((line) => line === 'out 81 1 77')).toBe(true)
  })

  test('stops behind a write and behind any access, also one of many bytes', () => {
    const machine = new KvmCpu()
    machine.boot(
      [0xa1, 0, 9], // mov ax, [900h]
      [0xc6, 6, 3, 9, 7], // 7c03: mov byte [903h], 7
      [0xa1, 2, 9], // 7c08: mov ax, [902h]
      [0xa3, 0xf, 9], // 7c0b: mov [90fh], ax
      HLT,
    )
    machine.engine.setBreakpoints([data('write', 0x901, 15)])
    expect(told(machine, machine.run())).toBe('write 901 at 7c08')
    expect(machine.ram[0x903]).toBe(7)
    machine.engine.setBreakpoints([data('access', 0x903, 1)])
    expect(told(machine, machine.run())).toBe('access 903 at 7c0b')
    machine.engine.setBreakpoints([data('write', 0x901, 15)])
    expect(told(machine, machine.run())).toBe('write 901 at 7c0e')
    expect(machine.run().reason).toBe('halt')
  })

  test('steps an instruction at a time: over ports, into calls, to a halt', () => {
    const machine = new KvmCpu()
    machine.boot([0xb0, 5], [0xe6, 0x80], [0xe8, 1, 0], HLT, [0xc3]) // mov al, 5; out 80h, al; call 7c08; hlt; ret
    const steps = Array.from({ length: 5 }, () => step(machine))
    expect(steps).toEqual([2, 4, 8, 7, 8].map((i) => `step at ${(PROGRAM + i).toString(16)}`))
    expect(machine.log).toEqual(['out 80 1 5'])
    expect(machine.run().reason).toBe('halt')
  })

  test('a step from a breakpoint is one instruction, and one to a breakpoint stops there again', () => {
    const machine = new KvmCpu()
    machine.boot([0x40, 0x40, 0x40, 0x40], HLT)
    machine.engine.setBreakpoints([at(PROGRAM + 1), at(PROGRAM + 2)])
    expect(told(machine, machine.run())).toBe('execute 7c01 at 7c01')
    expect(step(machine)).toBe('step at 7c02')
    expect(told(machine, machine.run())).toBe('execute 7c02 at 7c02')
    expect(machine.run().reason).toBe('halt')
    expect(machine.word(0)).toBe(4)
  })

  test('a step lets no interrupt in, but what wakes a halted CPU', () => {
    const machine = new KvmCpu()
    machine.boot([NOP, NOP, NOP], HLT, NOP)
    machine.engine.setState({ ...machine.state, rflags: 0x202n })
    machine.engine.setInterrupt(true)
    expect([step(machine), step(machine), step(machine)]).toEqual([1, 2, 3].map((i) => `step at 7c0${i}`))
    expect(machine.log).toEqual([])
    machine.engine.setInterrupt(false)
    expect(step(machine)).toBe('step at 7c04')
    machine.engine.setInterrupt(true)
    // In front of the handler's first instruction.
    expect(step(machine)).toBe('step at 600')
    expect(machine.log).toEqual(['inta'])
  })

  test('stops behind accesses to ports', () => {
    const machine = new KvmCpu()
    machine.boot([0xe4, 0x60], [0xe6, 0x80], [0xe7, 0x7f], HLT) // in al, 60h; out 80h, al; out 7fh, ax
    machine.engine.setBreakpoints([
      { kind: 'in', address: 0x60n, length: 1 },
      { kind: 'out', address: 0x80n, length: 1 },
    ])
    expect(told(machine, machine.run())).toBe('in 60 at 7c02')
    expect(told(machine, machine.run())).toBe('out 80 at 7c04')
    expect(told(machine, machine.run())).toBe('out 80 at 7c06')
    expect(machine.run().reason).toBe('halt')
  })

  test.each([
    ['32-bit', protectedMode],
    ['64-bit', longMode],
  ])('in %s mode too, with all three kinds', (_name, mode) => {
    const machine = new KvmCpu()
    machine.ram.set([0xff, 0xc0, 0xff, 0xc0, 0x89, 0x07, 0xff, 0xc0, 0xff, 0xc0, HLT], 0x1000) // inc eax x2; mov [edi], eax; inc eax x2
    const state = mode(machine, 0x1000)
    state.gpr[0] = 0n
    state.gpr[7] = 0x2000n
    machine.engine.setState(state)
    machine.engine.setBreakpoints([at(0x1002), data('write', 0x2000, 4), at(0x1008)])
    expect(told(machine, machine.run())).toBe('execute 1002 at 1002')
    expect(told(machine, machine.run())).toBe('write 2000 at 1006')
    expect(machine.view.getUint32(0x2000, true)).toBe(2)
    expect(told(machine, machine.run())).toBe('execute 1008 at 1008')
    expect(step(machine)).toBe('step at 100a')
    expect(machine.run().reason).toBe('halt')
  })

  test('a place in what only the soft engine may be able to do stops as well', () => {
    const machine = new KvmCpu()
    // fwait in protected mode is what some hosts cannot execute.
    machine.ram.set([0x9b, 0x9b, 0x9b, HLT], 0x1000)
    machine.engine.setState(protectedMode(machine, 0x1000))
    machine.engine.setBreakpoints([at(0x1001), at(0x1002)])
    expect(told(machine, machine.run())).toBe('execute 1001 at 1001')
    expect(told(machine, machine.run())).toBe('execute 1002 at 1002')
    expect(machine.run().reason).toBe('halt')
  })

  test('what no processor can watch is refused in a sentence', () => {
    const { engine } = new KvmCpu()
    expect(engine.refusal([at(1)])).toBeUndefined()
    expect(engine.refusal([{ kind: 'read', address: 1n, length: 1 }])).toMatch(/any access/)
  })
})
