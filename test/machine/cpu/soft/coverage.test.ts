/** Which code was executed: the same whatever is compiled, and the same as is seen one instruction at a time. */
import { describe, expect, test } from 'vitest'
import { Random } from '../../../random.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { MODES, type Mode, randomProgram, startProgram } from './jit-program.js'

const LENGTH = 20_000

function started(program: Uint8Array, mode: Mode, jit: number, watches = true): BareCpu {
  const cpu = new BareCpu(1 << 20, {}, undefined, jit)
  if (watches) cpu.engine.watchExecution()
  startProgram(cpu, program, mode)
  return cpu
}

const stretches = (cpu: BareCpu) =>
  [...(cpu.engine.executedCode()?.stretches() ?? [])].map(([low, high]) => `${low.toString(16)}-${high.toString(16)}`)

/** Where instructions began. */
function stepped(program: Uint8Array, mode: Mode): Set<bigint> {
  const cpu = started(program, mode, 0, false)
  const places = new Set<bigint>()
  for (let done = 0; done < LENGTH; done++) {
    const { segments, rip, halted } = cpu.state
    if (halted) break
    places.add(segments[1].base + rip)
    if (cpu.run(1).reason !== 'budget') break
  }
  return places
}

function whole(program: Uint8Array, mode: Mode, jit: number, slice: () => number): BareCpu {
  const cpu = started(program, mode, jit)
  for (let done = 0; done < LENGTH; ) {
    const n = Math.min(slice(), LENGTH - done)
    done += n
    if (cpu.run(n).reason !== 'budget') break
  }
  return cpu
}

/** Each instruction that began is in, and no stretch begins or goes on where none did (instructions are 15 bytes at most). */
function expectAsStepped(cpu: BareCpu, places: Set<bigint>): void {
  const bytes = new Set<bigint>()
  for (const [low, high] of cpu.engine.executedCode()?.stretches() ?? [])
    for (let at = low; at < high; at++) bytes.add(at)
  for (const place of places) expect(bytes.has(place), `${place.toString(16)} is missing`).toBe(true)
  for (const at of bytes) {
    const near = Array.from({ length: 15 }, (_, i) => at - BigInt(i))
    const begin = near.find((one) => !bytes.has(one - 1n) || places.has(one))
    expect(begin !== undefined && places.has(begin), `${at.toString(16)} is too much`).toBe(true)
  }
}

describe.skipIf(!haveNasm)('executed code', () => {
  for (const mode of MODES)
    test.each([1, 2, 3])(`of random programs in ${mode} code, seed %i`, (seed) => {
      const program = assemble(randomProgram(new Random(seed * 131 + mode.length), mode))
      const random = new Random(seed)
      const odd = () => random.pick([1, 7, 50, 300, 1000])
      const runs = [
        whole(program, mode, 0, () => LENGTH),
        whole(program, mode, 1, () => LENGTH),
        whole(program, mode, 40, odd),
        whole(program, mode, 0, odd),
      ]
      const [first, ...others] = runs.map(stretches)
      for (const other of others) expect(other).toEqual(first)
      const places = stepped(program, mode)
      for (const run of runs.slice(0, 3)) expectAsStepped(run, places)
    })

  const both = (mode: Mode, source: string) => {
    const program = assemble(`org 0x7c00\n${source}`)
    const places = stepped(program, mode)
    for (const jit of [0, 1]) {
      const cpu = whole(program, mode, jit, () => LENGTH)
      expectAsStepped(cpu, places)
    }
    return places
  }

  // Unwound, run on to the handler's end, and in a loop that was executed whole before.
  test.each([
    ['div cl', 0],
    ['mov dx, [0xffff]', 13],
    ['mov dx, [si]', 13],
  ])('behind a fault of %s nothing of the block was executed', (faults, vector) => {
    const places = both(
      '16-bit',
      `bits 16
      mov word [${vector} * 4], handler
      mov word [${vector} * 4 + 2], 0
      mov si, 0xfffd
      mov cx, 2
    again:
      mov ax, 1
      ${faults}
      mov bx, 1
      inc si
      loop again
      hlt
    handler:
      hlt`,
    )
    expect(places.size).toBeLessThan(12)
  })

  test('code that writes into itself, behind the present instruction', () => {
    both(
      '32-bit',
      `bits 32
      mov ecx, 200
    top:
      mov byte [change], 0xeb
      nop
    change:
      jmp short over
      nop
      nop
    over:
      mov byte [change + 1], 1
      dec ecx
      jnz top
      hlt`,
    )
  })

  // What is compiled early is compiled in pieces; what is never compiled ends each pass through a region.
  describe('is compiled as it is where nobody asks', () => {
    const THRESHOLD = 40
    const regions = (source: string): number[] =>
      [false, true].map((watches) => {
        const program = assemble(`org 0x7c00\nbits 32\n${source}`)
        const cpu = started(program, '32-bit', THRESHOLD, watches)
        // It is longer than others, whose data come after them.
        cpu.ram.set(program, 0x7c00)
        expect(cpu.run(100_000).reason).toBe('halt')
        return (cpu.engine as unknown as { jit: { regions: number } }).jit.regions
      })

    test('loops that come round a few times, not at all: the first alone', () => {
      const loop = (n: number): string => `mov ecx, 3\nloop${n}: dec ecx\njnz loop${n}`
      const loops = Array.from({ length: THRESHOLD + 10 }, (_, n) => loop(n))
      // The first instructions after a start are executed one at a time.
      const warm = 'mov ecx, 5000\nwarm: dec ecx\njnz warm'
      expect(regions(`${warm}\n${loops.join('\n')}\nhlt`)).toEqual([1, 1])
    })

    test('instructions that reach into the next page, too', () => {
      const across = (n: number): string =>
        `jmp near over${n}\ntimes ${0x3fe + n * 0x1000} - ($ - $$) nop\nover${n}: add eax, 0x12345678`
      const places = Array.from({ length: 8 }, (_, n) => across(n))
      const [plain, watched] = regions(
        `mov ecx, ${THRESHOLD * 10}\ntop:\n${places.join('\n')}\ndec ecx\njnz near top\nhlt`,
      )
      expect(plain).toBeGreaterThan(8)
      expect(watched).toBe(plain)
    })
  })

  test('nothing is kept where nobody asked', () => {
    const program = assemble('org 0x7c00\nbits 32\nhlt')
    const cpu = started(program, '32-bit', 0, false)
    cpu.run(10)
    expect(cpu.engine.executedCode()).toBeUndefined()
  })
})
