/**
 * Repeated string instructions that change what they are while they repeat: each iteration is fetched anew then, as it is
 * where the budget cuts them, so that a run cut into slices and one in one go are the same run.
 */
import { describe, expect, test } from 'vitest'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'

const RAM = { address: 0, size: 4 << 20, offset: ARENA_GUEST, kind: 'ram' } as const
const CODE = 0x8000

interface Outcome {
  registers: Record<string, number>
  instructions: number
  memory: string
}

/** One for each threshold of compilation. */
const cpus = new Map<number, BareCpu>()
let written: ((cpu: BareCpu) => void) | undefined

function freshCpu(jit: number): BareCpu {
  const cpu: BareCpu = cpus.get(jit) ?? new BareCpu(RAM.size, { portWrite: () => written?.(cpu) }, undefined, jit)
  cpus.set(jit, cpu)
  cpu.portReads = () => 0x90
  cpu.ram.fill(0)
  cpu.engine.setMemory([RAM])
  cpu.engine.reset()
  return cpu
}

/** Runs `program` from 0:8000h, cut into slices of `slice` instructions. */
function outcome(program: Uint8Array, slice: number, jit = 0): Outcome {
  const cpu = freshCpu(jit)
  cpu.boot(program, CODE)
  const start = cpu.engine.instructions()
  for (let cuts = 0; cuts < 30_000 / slice; cuts++) {
    if (cpu.run(slice).reason !== 'halt') continue
    const { gpr, rip } = cpu.state
    const names = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
    const registers = Object.fromEntries(names.map((name, i) => [name, Number(gpr[i])]))
    const memory = Buffer.from(cpu.ram.subarray(0x7000, 0xc000)).toString('hex')
    return { registers: { ...registers, ip: Number(rip) }, instructions: cpu.engine.instructions() - start, memory }
  }
  throw new Error('it does not come to HLT')
}

/** What comes of it, however it is cut and compiled. `watch` makes what each port write does. */
function always(source: string, watch?: () => typeof written): Outcome['registers'] {
  const program = assemble(`org ${CODE}\n${source}`)
  written = watch?.()
  const whole = outcome(program, 30_000)
  for (const [slice, jit] of [[1], [2], [3], [7], [1000], [30_000, 1]]) {
    written = watch?.()
    expect(outcome(program, slice, jit), `slices of ${slice}, compiled after ${jit ?? 0}`).toEqual(whole)
  }
  return whole.registers
}

const upTo = (at: number) => `times ${at - CODE} - ($ - $$) nop`

describe.skipIf(!haveNasm)('a repeated string instruction', () => {
  test('STOSB that overwrites itself with NOPs stores no more', () => {
    // The first iteration makes F3h a NOP; the STOSB behind it is done once, and is a NOP then.
    expect(always('mov al, 0x90\nmov cx, 64\nmov di, it\nit: rep stosb\nhlt\nhlt').cx).toBe(63)
  })

  test('MOVSB that overwrites itself', () => {
    const source = 'mov cx, 64\nmov si, nops\nmov di, it\nit: rep movsb\ntimes 8 hlt\nnops: times 64 nop'
    expect(always(source).cx).toBe(63)
  })

  test('INSB that overwrites itself with what the port gives', () => {
    expect(always('mov cx, 64\nmov di, it\nit: rep insb\ntimes 8 hlt').cx).toBe(63)
  })

  test('STOSB across two pages, which overwrites its second byte from the page before', () => {
    // 7F00h to 8FFEh; then the F3h at 8FFFh.
    const source = `mov al, 0x90\nmov cx, 0x4000\nmov di, 0x9001\njmp it\n${upTo(0x8fff)}\nit: rep stosb\nhlt`
    const backwards = source.replace('mov di', 'std\nmov di')
    // 9001h and 9000h are written; from then on 8FFFh is F3 90, PAUSE, and what follows is NOPs up to the zeros.
    expect(always(`${backwards}\n`.replace('rep stosb\nhlt', 'rep stosb\nnop\nhlt')).cx).toBe(0x3ffe)
  })

  test('STOSB across two pages, many at once, up to itself', () => {
    const source = `cld\nmov al, 0x90\nmov cx, 0x4000\nmov di, 0x7100\njmp it\n${upTo(0x8fff)}\nit: rep stosb\nhlt`
    expect(always(source).cx).toBe(0x4000 - (0x9000 - 0x7100))
  })

  test('OUTSB to a port that puts other memory in its place', () => {
    // At the third write page 8000h becomes what lies at 200000h: HLTs.
    const swap = () => {
      let writes = 0
      return (cpu: BareCpu) => {
        if (++writes % 3) return
        cpu.ram.fill(0xf4, 0x200000, 0x201000)
        cpu.engine.setMemory([
          { ...RAM, size: 0x8000 },
          { address: 0x8000, size: 0x1000, offset: ARENA_GUEST + 0x200000, kind: 'ram' },
          { ...RAM, address: 0x9000, size: (4 << 20) - 0x9000, offset: ARENA_GUEST + 0x9000 },
        ])
      }
    }
    expect(always('mov cx, 64\nmov si, 0x7100\nmov dx, 0x80\nrep outsb\nhlt', swap).cx).toBe(61)
  })
})
