import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSymbols } from '../../../harness/config/symbol-files.js'
import type { Breakpoint } from '../../../machine/cpu/engine.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { debuggedKernel, resultOf } from './debugged-kernel.js'

/** The machine's hash at its end, and where the CPU was at each stop. */
function run(kernel: string, points: readonly Breakpoint[]) {
  const machine = debuggedKernel(kernel)
  const target = machine.debugTarget
  const { file } = openSymbols([], { path: kernel, image: readFileSync(kernel) })[0]
  const start = file.symbols.find(({ name }) => name === 'kmain')?.address as bigint
  // The firmware speaks with the same ports: it comes to its end first.
  target?.setBreakpoints([{ kind: 'execute', address: start, length: 1 }])
  while (!target?.takeStop()) machine.run(machine.now() + 1e9)
  target.setBreakpoints(points)
  const stops: { kind: string; code: string }[] = []
  let exit: ReturnType<typeof machine.run>
  while (!exit) {
    exit = machine.run(machine.now() + 1e9)
    const stop = target.takeStop()
    if (stop?.why !== 'breakpoint') continue
    const { rip } = target.state(0)
    const code = Buffer.from(target.read(0, rip - 2n, 4)).toString('hex')
    stops.push({ kind: stop.hit.kind, code })
  }
  return { result: resultOf(machine, exit), stops }
}

test.skipIf(!haveCompiler || noFirmware)(
  'stops behind each port access and MSR, and in front of the handler of each exception and INT n, unnoticed',
  () => {
    const kernel = compiledKernel('events', join(import.meta.dirname, 'events.c'), '-O1')
    const plain = run(kernel, [])
    expect(plain.result.reason).toBe('debug-exit')
    expect(plain.stops).toEqual([])
    const point = (kind: Breakpoint['kind'], address: bigint, length = 1) => ({ kind, address, length })
    // The bytes around the place: behind OUT imm8, IN imm8, RDMSR and WRMSR; INC m32 begins FF 05.
    const six = point('interrupt', 6n)
    for (const [points, times, code] of [
      [[point('out', 0x70n, 0x11)], 600, /^e6[78]0/],
      [[six, point('wrmsr', 0x174n), point('in', 0x71n)], 900, /ff05$|^0f30|^e471/],
      [[point('interrupt', 48n), point('rdmsr', 0x174n)], 900, /ff05$|^0f32/],
      [[point('interrupt', 14n), point('in', 0x70n), point('out', 0x71n), point('wrmsr', 0x175n)], 0, /./],
    ] as const) {
      const { result, stops } = run(kernel, points)
      expect(result).toEqual(plain.result)
      expect(stops).toHaveLength(times)
      for (const one of stops) expect(one.code).toMatch(code)
    }
  },
)
