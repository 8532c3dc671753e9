import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Breakpoint } from '../../../machine/cpu/engine.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { debuggedKernel, resultOf } from './debugged-kernel.js'

/** The machine's hash at the end, and how often it stopped on the way. */
function run(kernel: string, breakpoints: readonly Breakpoint[], forgets = false) {
  const machine = debuggedKernel(kernel)
  let stops = 0
  let exit: ReturnType<typeof machine.run>
  for (let turn = 0; !exit && machine.now() < 2e9; turn++) {
    // They come and go, as gdb's do at each stop.
    machine.debugTarget?.setBreakpoints(turn % 3 === 0 ? [] : breakpoints)
    if (forgets) machine.debugTarget?.forgetTranslations()
    exit = machine.run(machine.now() + (machine.now() < 60e6 ? 1e6 : 3000))
    if (machine.debugTarget?.takeStop()) stops++
  }
  return { result: resultOf(machine, exit), stops }
}

test.skipIf(!haveCompiler || noFirmware)(
  'a guest does not notice that its memory is watched, whatever it does to its page tables',
  () => {
    const kernel = compiledKernel('translations', join(import.meta.dirname, 'translations.c'), '-O1')
    const plain = run(kernel, [])
    expect(plain.result.reason).toBe('debug-exit')
    const watched = run(kernel, [
      { kind: 'write', address: 0x50000cn, length: 4 },
      { kind: 'access', address: 0x500800n, length: 64 },
      { kind: 'read', address: 0x500014n, length: 4 },
    ])
    expect(watched.stops).toBeGreaterThan(100)
    expect(watched.result).toEqual(plain.result)
    // Nor that its translations stay.
    expect(run(kernel, [], true).result.hash).not.toBe(plain.result.hash)
  },
)
