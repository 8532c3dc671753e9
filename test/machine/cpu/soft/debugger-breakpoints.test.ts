/** A debugger's breakpoints: they stop the engine at the instruction, and no guest's run is another for them. */
import { describe, expect, test } from 'vitest'
import type { Breakpoint } from '../../../../machine/cpu/engine.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'

const LOOP = haveNasm
  ? assemble(`
bits 16
org 0x7c00
  mov cx, 1000
again:
  inc ax
  mov [0x600], ax
  add bx, [0x600]
  dec cx
  jnz again
  hlt
`)
  : new Uint8Array()
const INC = 0x7c03n
const STORE = 0x7c04n

const at = (address: bigint, kind: Breakpoint['kind'] = 'execute', length = 1): Breakpoint => ({
  kind,
  address,
  length,
})

function cpuWith(breakpoints: Breakpoint[], jit: number): BareCpu {
  const cpu = new BareCpu(1 << 20, {}, undefined, jit)
  cpu.boot(LOOP)
  cpu.engine.setBreakpoints(breakpoints)
  return cpu
}

describe.skipIf(!haveNasm).each([
  ['the interpreter', 0],
  ['compiled code', 1],
])('with %s', (_name, jit) => {
  test('each pass stops in front of the instruction, and goes on from it', () => {
    const cpu = cpuWith([at(INC)], jit)
    for (let pass = 0; pass < 100; pass++) {
      expect(cpu.run(10_000)).toMatchObject({ reason: 'breakpoint', hit: { address: INC } })
      expect([cpu.state.rip, cpu.state.gpr[0] & 0xffffn]).toEqual([INC, BigInt(pass)])
    }
    cpu.engine.setBreakpoints([])
    expect(cpu.run(10_000)).toEqual({ reason: 'halt' })
    expect(cpu.state.gpr[0] & 0xffffn).toBe(1000n)
  })

  test('one that comes when the code is hot stops all the same', () => {
    const cpu = cpuWith([], jit)
    expect(cpu.run(2001)).toEqual({ reason: 'budget' })
    cpu.engine.setBreakpoints([at(STORE)])
    expect(cpu.run(10_000)).toMatchObject({ reason: 'breakpoint' })
    expect(cpu.state.rip).toBe(STORE)
  })

  test('a slice that ends in front of it is no stop, and the next one stops there', () => {
    const cpu = cpuWith([at(INC)], jit)
    expect(cpu.run(1)).toEqual({ reason: 'budget' })
    expect(cpu.run(1)).toMatchObject({ reason: 'breakpoint' })
    expect(cpu.run(1)).toEqual({ reason: 'budget' })
    expect(cpu.state.rip).toBe(STORE)
  })

  test.each([
    ['write', 1],
    ['read', 1],
    ['access', 2],
  ] as const)('a watchpoint of kind %s stops behind each access', (kind, times) => {
    const cpu = cpuWith([at(0x601n, kind)], jit)
    let stops = 0
    while (cpu.run(100_000).reason === 'breakpoint') stops++
    expect(stops).toBe(1000 * times)
  })

  test('counts, registers and memory are those of a run without', () => {
    const plain = cpuWith([], jit)
    expect(plain.run(100_000)).toEqual({ reason: 'halt' })
    const stopped = cpuWith([at(STORE), at(0x600n, 'write', 2)], jit)
    while (stopped.run(100_000).reason === 'breakpoint');
    expect(stopped.engine.instructions()).toBe(plain.engine.instructions())
    expect(stopped.state.gpr).toEqual(plain.state.gpr)
    // Byte by byte vitest would take seconds.
    expect(Buffer.compare(stopped.ram, plain.ram)).toBe(0)
  })
})
