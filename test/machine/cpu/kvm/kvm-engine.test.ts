import { afterEach, describe, expect, test } from 'vitest'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { closeAll, HANDLER, KvmCpu, PROGRAM, protectedMode, RAM, skipped, unusable } from './kvm-cpu.js'

const HLT = 0xf4
const CLI = 0xfa
const STI = 0xfb
const NOP = 0x90
/** Jumps to itself. */
const SPIN = [0xeb, 0xfe]

afterEach(closeAll)

describe.skipIf(unusable)(`KVM: buses${skipped}`, () => {
  test('OUT and IN reach the ports with their sizes', () => {
    const machine = new KvmCpu()
    machine.portReads = (_, size) => (size === 1 ? 0x5a : size === 2 ? 0x1234 : 0xdeadbeef)
    machine.boot(
      [0xb0, 0x12, 0xe6, 0x80], // mov al, 12h; out 80h, al
      [0xb8, 0x55, 0xaa, 0xe7, 0x82], // mov ax, aa55h; out 82h, ax
      [0x66, 0xb8, 0x44, 0x33, 0x22, 0x91, 0x66, 0xe7, 0x84], // mov eax, 91223344h; out 84h, eax
      [0xe4, 0x60, 0x88, 0xc3], // in al, 60h; mov bl, al
      [0xe5, 0x62, 0x89, 0xc1], // in ax, 62h; mov cx, ax
      [0xba, 0xf8, 0x0c, 0x66, 0xed], // mov dx, cf8h; in eax, dx
      HLT,
    )
    expect(machine.run().reason).toBe('halt')
    const expected = ['out 80 1 12', 'out 82 2 aa55', 'out 84 4 91223344', 'in 60 1', 'in 62 2', 'in cf8 4']
    expect(machine.log).toEqual(expected)
    expect(machine.word(3) & 0xff).toBe(0x5a)
    expect(machine.word(1)).toBe(0x1234)
    expect(machine.state.gpr[0]).toBe(0xdeadbeefn)
  })

  test('string I/O moves each element in order', () => {
    const machine = new KvmCpu()
    let next = 0x41
    machine.portReads = () => next++
    machine.ram.set([1, 2, 3, 4, 5, 6], 0x1000)
    machine.boot(
      [0xbe, 0x00, 0x10, 0xba, 0x02, 0x04, 0xb9, 3, 0, 0xf3, 0x6f], // mov si, 1000h; dx, 402h; cx, 3; rep outsw
      [0xbf, 0x00, 0x20, 0xba, 0xf0, 0x01, 0xb9, 5, 0, 0xf3, 0x6c], // mov di, 2000h; dx, 1f0h; cx, 5; rep insb
      HLT,
    )
    expect(machine.run().reason).toBe('halt')
    expect(machine.log.slice(0, 3)).toEqual(['out 402 2 201', 'out 402 2 403', 'out 402 2 605'])
    expect(machine.log.slice(3)).toEqual(Array(5).fill('in 1f0 1'))
    expect([...machine.ram.subarray(0x2000, 0x2006)]).toEqual([0x41, 0x42, 0x43, 0x44, 0x45, 0])
    expect(machine.state.gpr[7]).toBe(0x2005n)
  })

  test('where the host’s time is up a string stops between two elements, and goes on with the next one', () => {
    const machine = new KvmCpu()
    machine.ram.set([1, 2, 3, 4, 5, 6, 7, 8], 0x1000)
    machine.boot(
      [0xbe, 0x00, 0x10, 0xba, 0x02, 0x04, 0xb9, 6, 0, 0xf3, 0x6e], // mov si, 1000h; dx, 402h; cx, 6; rep outsb
      HLT,
    )
    const { engine } = machine
    let runs = 0
    let lengths = ''
    while (engine.run(engine.now() + 1e9, 0).reason === 'budget' && runs++ < 100) lengths += machine.log.length
    expect(machine.log).toEqual([1, 2, 3, 4, 5, 6].map((value) => `out 402 1 ${value}`))
    expect(lengths).toMatch(/123456/)
  })

  test('the state in the middle of a string fits what has reached the bus', () => {
    const machine = new KvmCpu()
    machine.boot([0xbe, 0x00, 0x10, 0xba, 0x02, 0x04, 0xb9, 6, 0, 0xf3, 0x6e], HLT)
    const { engine } = machine
    while (machine.log.length === 0) engine.run(engine.now() + 1e9, 0)
    // A KVM gives the elements to the board one by one, another one all together.
    expect(6 - machine.word(1)).toBe(machine.log.length)
    expect(machine.run().reason).toBe('halt')
    expect(machine.log.length).toBe(6)
  })

  test('memory that no region covers is read and written on the bus, in order with the ports', () => {
    const machine = new KvmCpu()
    machine.mmioReads = (address) => address & 0xff
    machine.boot(
      [0xb8, 0x00, 0xb8, 0x8e, 0xd8], // mov ax, b800h; mov ds, ax
      [0xc6, 0x06, 0x10, 0x00, 0x41], // mov byte [10h], 41h
      [0xc7, 0x06, 0x12, 0x00, 0x34, 0x12], // mov word [12h], 1234h
      [0xe6, 0x80], // out 80h, al
      [0x66, 0xc7, 0x06, 0x14, 0x00, 0x78, 0x56, 0x34, 0x12], // mov dword [14h], 12345678h
      [0xa0, 0x23, 0x00], // mov al, [23h]
      HLT,
    )
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual([
      ...['write b8010 1 41', 'write b8012 2 1234', 'out 80 1 0', 'write b8014 4 12345678', 'read b8023 1'],
    ])
    expect(machine.word(0) & 0xff).toBe(0x23)
  })

  test('a write to ROM goes to the bus and leaves the ROM as it is', () => {
    const machine = new KvmCpu()
    machine.engine.setMemory([
      { address: 0, size: 0x80000, offset: ARENA_GUEST, kind: 'ram' },
      { address: 0xf0000, size: 0x1000, offset: ARENA_GUEST + 0x80000, kind: 'rom' },
    ])
    machine.ram[0x80010] = 0x77
    machine.boot(
      [0xb8, 0x00, 0xf0, 0x8e, 0xd8], // mov ax, f000h; mov ds, ax
      [0xc6, 0x06, 0x10, 0x00, 0x41], // mov byte [10h], 41h
      [0xa0, 0x10, 0x00], // mov al, [10h]
      HLT,
    )
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['write f0010 1 41'])
    expect(machine.word(0) & 0xff).toBe(0x77)
    expect(machine.ram[0x80010]).toBe(0x77)
  })

  test('a memory map that changes inside a port write is there at the next instruction', () => {
    const machine = new KvmCpu()
    machine.ram.set([0x99], 0x200000)
    machine.onWrite = () => {
      machine.engine.setMemory([
        { address: 0, size: 0xa0000, offset: ARENA_GUEST, kind: 'ram' },
        { address: 0xc0000, size: 0x1000, offset: ARENA_GUEST + 0x200000, kind: 'ram' },
      ])
    }
    machine.boot(
      [0xb8, 0x00, 0xc0, 0x8e, 0xd8], // mov ax, c000h; mov ds, ax
      [0xe6, 0x80, 0xa0, 0x00, 0x00], // out 80h, al; mov al, [0]
      HLT,
    )
    expect(machine.run().reason).toBe('halt')
    expect(machine.word(0) & 0xff).toBe(0x99)
  })

  test('with A20 off FFFF:0010 is address 0', () => {
    const machine = new KvmCpu()
    machine.ram[0x500] = 0x11
    machine.ram[0x100500] = 0x22
    const program = [
      [0xb8, 0xff, 0xff, 0x8e, 0xd8], // mov ax, ffffh; mov ds, ax
      [0xa0, 0x10, 0x05, HLT], // mov al, [0510h]; hlt
    ]
    for (const [enabled, value] of [
      [false, 0x11],
      [true, 0x22],
      [false, 0x11],
    ] as const) {
      machine.engine.setA20(enabled)
      machine.boot(...program)
      machine.run()
      expect(machine.word(0) & 0xff).toBe(value)
    }
  })

  test('with A20 off an access above the first megabyte reaches the bus at its wrapped address', () => {
    const machine = new KvmCpu()
    machine.engine.setA20(false)
    const state = protectedMode(machine, PROGRAM)
    machine.ram.set([0xa0, 0x00, 0x80, 0x1b, 0x00, HLT], PROGRAM) // mov al, [1b8000h]
    machine.engine.setState(state)
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['read b8000 1'])
  })

  test('an MSR that the CPU does not have is reported and faults', () => {
    const machine = new KvmCpu()
    machine.ram[HANDLER] = HLT
    machine.boot([0x66, 0xb9, 0x00, 0x00, 0x34, 0x12, 0x0f, 0x32, 0xe6, 0x80], SPIN) // mov ecx, 12340000h; rdmsr
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['msr 12340000'])
    expect(machine.state.rip).toBe(BigInt(HANDLER + 1))
  })
})

describe.skipIf(unusable)(`KVM: interrupts and halts${skipped}`, () => {
  /** Counts in BX. */
  const COUNTING_HANDLER = [0x43, 0xcf]

  test('an interrupt ends a halt, and IRET goes on after it', () => {
    const machine = new KvmCpu()
    machine.ram.set(COUNTING_HANDLER, HANDLER)
    machine.boot(STI, HLT, [0xb0, 7, 0xe6, 0x80], HLT) // mov al, 7; out 80h, al
    expect(machine.run().reason).toBe('halt')
    expect(machine.state.halted).toBe(true)
    expect(machine.log).toEqual([])
    expect(machine.engine.run(machine.engine.now() + 1e6).reason).toBe('halt')
    machine.engine.setInterrupt(true)
    expect(machine.run().reason).toBe('halt')
    expect(machine.log).toEqual(['inta', 'out 80 1 7'])
    expect(machine.word(3)).toBe(1)
  })

  test('an interrupt waits while IF is clear, and a halt then is for good', () => {
    const machine = new KvmCpu()
    machine.boot(CLI, HLT)
    machine.engine.setInterrupt(true)
    expect(machine.run().reason).toBe('halt')
    expect(machine.engine.interruptsEnabled()).toBe(false)
    expect(machine.log).toEqual([])
  })

  test('a running program is interrupted at the one instruction where it lets interrupts in', () => {
    const machine = new KvmCpu()
    machine.ram.set(COUNTING_HANDLER, HANDLER)
    machine.boot(
      [0xe6, 0x80, CLI, 0xb9, 0xe8, 0x03, 0xe2, 0xfe, STI, NOP, CLI], // out 80h, al; cli; mov cx, 1000; loop $; sti; nop; cli
      [0x83, 0xfb, 0x03, 0x75, 0xf2], // cmp bx, 3; jne cli
      HLT,
    )
    let left = 3
    machine.onWrite = () => machine.engine.setInterrupt(true)
    const engine = machine.engine
    const deadline = performance.now() + 3000
    let exit = engine.run(engine.now() + 5e6)
    while (exit.reason === 'budget' && performance.now() < deadline) {
      if (machine.log.filter((line) => line === 'inta').length === 4 - left && --left > 0) engine.setInterrupt(true)
      exit = engine.run(engine.now() + 5e6)
    }
    expect(exit.reason).toBe('halt')
    expect(machine.log.filter((line) => line === 'inta')).toHaveLength(3)
    expect(machine.word(3)).toBe(3)
  })

  test('an NMI ends a halt even when interrupts are off', () => {
    const machine = new KvmCpu()
    machine.ram.set(COUNTING_HANDLER, HANDLER)
    machine.boot(CLI, HLT, [0xb8, 1, 0], HLT)
    machine.run()
    machine.engine.nmi()
    expect(machine.run().reason).toBe('halt')
    expect(machine.word(3)).toBe(1)
    expect(machine.word(0)).toBe(1)
  })

  test('a triple fault is a shutdown, and reset starts again at the reset vector', () => {
    const machine = new KvmCpu()
    const state = protectedMode(machine, PROGRAM)
    state.idtr = { base: 0n, limit: 0 }
    machine.ram.set([0x0f, 0x0b], PROGRAM) // ud2
    machine.engine.setState(state)
    expect(machine.run().reason).toBe('shutdown')
    machine.engine.reset()
    const after = machine.state
    expect(after.rip).toBe(0xfff0n)
    expect(after.segments[1]).toMatchObject({ selector: 0xf000, base: 0xffff0000n })
    expect(after.cr0).toBe(0x60000010n)
    machine.boot(HLT)
    expect(machine.run().reason).toBe('halt')
  })
})

describe.skipIf(unusable)(`KVM: time${skipped}`, () => {
  test('run comes back at its deadline while the guest spins', () => {
    const machine = new KvmCpu()
    machine.boot(SPIN)
    const { engine } = machine
    for (const ms of [1, 5, 20]) {
      const begin = engine.now()
      expect(engine.run(begin + ms * 1e6).reason).toBe('budget')
      const took = (engine.now() - begin) / 1e6
      expect(took).toBeGreaterThanOrEqual(ms)
      // Generous: the host may be busy.
      expect(took).toBeLessThan(ms + 200)
    }
    expect(machine.state.rip).toBe(BigInt(PROGRAM))
  })

  test('stop from a callback comes back after the instruction', () => {
    const machine = new KvmCpu()
    machine.boot([0xe6, 0x80, 0x40], SPIN) // out 80h, al; inc ax
    machine.onWrite = () => machine.engine.stop()
    const begin = machine.engine.now()
    expect(machine.engine.run(begin + 5e9).reason).toBe('budget')
    expect(machine.engine.now() - begin).toBeLessThan(4e9)
    expect(machine.state.rip).toBe(BigInt(PROGRAM + 2))
  })

  test('shorten from a callback brings the deadline forward', () => {
    const machine = new KvmCpu()
    const { engine } = machine
    machine.boot([0xe6, 0x80], SPIN)
    machine.onWrite = () => engine.shorten(engine.now() + 2e6)
    const begin = engine.now()
    expect(engine.run(begin + 900e6).reason).toBe('budget')
    expect(engine.now() - begin).toBeLessThan(700e6)
  })

  test('guest time never runs backwards and leaves pauses out', async () => {
    const machine = new KvmCpu()
    machine.boot(SPIN)
    const { engine } = machine
    engine.run(engine.now() + 1e6)
    const before = engine.now()
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(engine.now()).toBe(before)
    engine.run(engine.now() + 1e6)
    expect(engine.now()).toBeGreaterThan(before)
    expect(engine.now() - before).toBeLessThan(130e6)
  })

  test('skipTo sleeps until the guest time asked for', () => {
    const machine = new KvmCpu()
    machine.boot(STI, HLT)
    machine.run()
    const { engine } = machine
    const target = engine.now() + 10e6
    while (engine.now() < target) engine.skipTo(target)
    expect(engine.now() - target).toBeLessThan(200e6)
  })
})

describe.skipIf(unusable)(`KVM: memory above all${skipped}`, () => {
  test('the guest writes to the same memory that the host sees', () => {
    const machine = new KvmCpu()
    const state = protectedMode(machine, PROGRAM)
    // mov dword [RAM - 4], 600df00dh
    machine.ram.set([0xc7, 0x05, 0xfc, 0xff, (RAM >> 16) - 1, 0x00, 0x0d, 0xf0, 0x0d, 0x60, HLT], PROGRAM)
    machine.engine.setState(state)
    expect(machine.run().reason).toBe('halt')
    expect(machine.view.getUint32(RAM - 4, true)).toBe(0x600df00d)
  })
})
