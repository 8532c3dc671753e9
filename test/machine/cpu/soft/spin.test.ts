import { describe, expect, test } from 'vitest'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { startProgram } from './jit-program.js'

/** Waits for [9000h], with a call, a push and a store in each pass. */
const WAIT = `org 0x7c00
  bits 16
  mov word [0x20 * 4], handler
  mov word [0x20 * 4 + 2], 0
  sti
top:
  push ax
  call look
  pop ax
  jz top
  hlt
look:
  mov [0x9100], sp
  int 0x21
  cmp byte [0x9000], 0
  ret
handler:
  inc dx
  cmp dx, 3
  jne back
  mov byte [0x9000], 1
back:
  iret`

const started = (source: string): BareCpu => {
  const cpu = new BareCpu(1 << 20)
  const program = assemble(source)
  startProgram(cpu, program, '16-bit')
  cpu.ram.fill(0, 0x9000, 0x9400)
  // INT 21h: IRET
  cpu.ram.set([0x00, 0x92, 0, 0], 0x21 * 4)
  cpu.ram[0x9200] = 0xcf
  const state = cpu.state
  state.gpr[2] = 0n
  cpu.engine.setState(state)
  return cpu
}

const shown = (cpu: BareCpu) => {
  const { gpr, rip, rflags } = cpu.state
  return { gpr, rip, rflags, instructions: cpu.engine.instructions() }
}

describe.skipIf(!haveNasm)('a guest that waits in a loop', () => {
  test('is moved forward by whole passes, which nobody can tell', () => {
    // Short slices are executed, long ones are not.
    const cpus = [started(WAIT), started(WAIT)]
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++) cpus[0].run(10_007)
      cpus[1].run(1_000_700)
      expect(shown(cpus[1])).toEqual(shown(cpus[0]))
      for (const cpu of cpus) cpu.engine.setInterrupt(true)
    }
    for (const cpu of cpus) expect(cpu.run(1000).reason).toBe('halt')
    expect(Buffer.compare(cpus[0].ram, cpus[1].ram)).toBe(0)
  })

  test('costs little: these instructions would take minutes', () => {
    const cpu = started(WAIT)
    // Its first trials fail, as it has not come into its loop yet; so these are executed.
    for (let i = 0; i < 10; i++) cpu.run(100_000)
    for (let i = 0; i < 200; i++) cpu.run(100_000_000)
    expect(cpu.engine.instructions()).toBe(2e10 + 1e6)
  })

  test('with exceptions on its way, too, and the last of them are as they would be', () => {
    // #UD, whose handler takes some time and goes back to it; every third time around another one comes.
    const source = `org 0x7c00
      bits 16
      mov word [6 * 4], handler
      mov word [6 * 4 + 2], 0
      xor bx, bx
    top:
      nop
      ud2
      inc bx
      cmp bx, 3
      jne top
      xor bx, bx
      ud2
      jmp top
    handler:
      push bp
      mov bp, sp
      add word [bp + 2], 2
      pop bp
      iret`
    const cpus = [started(source), started(source)]
    for (let i = 1; i <= 50; i++) {
      for (let k = 1; k <= 400; k++) cpus[0].engine.run((i * 400 + k) * 5003)
      cpus[1].engine.run((i * 400 + 400) * 5003)
      expect(shown(cpus[1])).toEqual(shown(cpus[0]))
      expect(cpus[1].engine.lastFaults()).toEqual(cpus[0].engine.lastFaults())
    }
    // These take minutes if they are executed.
    cpus[1].engine.run(1e10)
    expect(cpus[1].engine.lastFaults()).toHaveLength(8)
  })

  test('says of a loop whether interrupts come in on its way', () => {
    const found = (body: string) => {
      const cpu = started(`org 0x7c00\nbits 16\ntop: ${body}\n jmp top`)
      cpu.run(1000)
      cpu.engine.askForLoop()
      cpu.run(100_000)
      return cpu.engine.foundLoop()
    }
    expect(found('cli')).toEqual({ takesInterrupts: false })
    expect(found('sti\n nop\n cli\n nop')).toEqual({ takesInterrupts: true })
    expect(found('inc eax')).toBeUndefined()
  })

  test.each([
    ['counts', 'inc dword [0x9000]'],
    ['asks a port', 'in al, 0x60'],
    ['asks the clock', 'rdtsc'],
  ])('is executed where it %s', (_, instruction) => {
    const source = `org 0x7c00\nbits 16\ntop: push ax\n${instruction}\n pop ax\n mov bx, 5\n jmp top`
    const cpus = [started(source), started(source)]
    for (const cpu of cpus) cpu.portReads = () => 7
    // To the same moments: a slice may end behind its own, where a port takes long.
    for (let i = 1; i <= 30; i++) cpus[0].engine.run(i * 100_000)
    cpus[1].engine.run(3_000_000)
    expect(shown(cpus[1])).toEqual(shown(cpus[0]))
    expect(Buffer.compare(cpus[0].ram, cpus[1].ram)).toBe(0)
  })
})
