import { expect } from 'vitest'
import { Random } from '../../../random.js'
import { assemble, BareCpu } from '../driver.js'
import { startProgram } from './jit-program.js'
import { patchedProgram } from './patched-program.js'

const PASSES = 3000
const MOST = 4_000_000

/** What the CPU shows of itself after at most `n` instructions. */
function runOn(cpu: BareCpu, n: number) {
  const { reason } = cpu.run(n)
  const { gpr, rip, rflags } = cpu.state
  return { reason, gpr, rip, rflags, instructions: cpu.engine.instructions() }
}

/** A program of that seed on the interpreter and with a JIT that compiles after a number of entries that follows from it, too. */
export function expectSamePatched(seed: number): void {
  const random = new Random(seed * 7919)
  const bits = random.pick([32, 64] as const)
  const program = assemble(patchedProgram(random, bits, PASSES))
  const [plain, compiled] = [0, random.pick([1, 2, 7, 30, 100, 300])].map((n) => new BareCpu(1 << 20, {}, undefined, n))
  for (const cpu of [plain, compiled]) startProgram(cpu, program, `${bits}-bit`)
  const slices = random.pick([[1000], [1e6], [50, 3000]])
  let reason = 'budget'
  while (reason === 'budget' && plain.engine.instructions() < MOST) {
    const slice = random.pick(slices)
    const shown = runOn(plain, slice)
    expect({ seed, ...runOn(compiled, slice) }).toEqual({ seed, ...shown })
    reason = shown.reason
  }
  expect(reason).toBe('halt')
  expect(Buffer.compare(plain.ram, compiled.ram)).toBe(0)
}
