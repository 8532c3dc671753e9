/**
 * Guests that change their page tables and flush nothing: when the CPU walks must not depend on slices, on what is decoded
 * or on what is compiled, because a walk shows in rights, in accessed and in dirty bits.
 */
import { describe, expect, test } from 'vitest'
import { assemble, BareCpu, haveNasm } from '../driver.js'

const AT = 0x7c00
const DIRECTORY = 0x100000
const TABLE = 0x101000
/** Where each program has its code that changes and its data, and the entry of its page. */
const PAGE = 0x20000
const ENTRY = TABLE + (PAGE >> 12) * 4

interface Outcome {
  reason: string
  gpr: number[]
  cr2: number
  entry: number
  entryOfCode: number
  instructions: number
}

/** One for each threshold of compilation. */
const cpus = new Map<number, BareCpu>()

/** Runs `program` in flat 32-bit code with paging, 4 MiB one to one, until it halts or faults (no IDT: a shutdown). */
function outcome(program: Uint8Array, slice: number, jit: number): Outcome {
  const cpu = cpus.get(jit) ?? new BareCpu(4 << 20, {}, undefined, jit)
  cpus.set(jit, cpu)
  cpu.engine.reset()
  cpu.ram.fill(0)
  cpu.boot(program, AT)
  const view = new DataView(cpu.ram.buffer, cpu.ram.byteOffset)
  view.setUint32(DIRECTORY, TABLE | 7, true)
  for (let page = 0; page < 1024; page++) view.setUint32(TABLE + page * 4, (page << 12) | 7, true)
  const state = cpu.state
  state.gpr = state.gpr.map((_, i) => (i === 4 ? BigInt(AT) : 0n))
  state.cr0 = 0x80010031n
  state.cr3 = BigInt(DIRECTORY)
  state.segments = state.segments.map((_, i) => ({
    selector: 8,
    base: 0n,
    limit: 0xffffffff,
    access: i === 1 ? 0xc09b : 0xc093,
  }))
  cpu.engine.setState(state)
  const start = cpu.engine.instructions()
  for (let cuts = 0; cuts < 200_000 / slice; cuts++) {
    const { reason } = cpu.run(slice)
    if (reason === 'budget') continue
    return {
      reason,
      gpr: cpu.state.gpr.slice(0, 8).map(Number),
      cr2: Number(cpu.state.cr2),
      entry: view.getUint32(ENTRY, true) & 0xfff,
      entryOfCode: view.getUint32(TABLE + (AT >> 12) * 4, true) & 0xfff,
      instructions: cpu.engine.instructions() - start,
    }
  }
  throw new Error('it does not come to an end')
}

function always(source: string): Outcome {
  const program = assemble(`org ${AT}\nbits 32\n%define PAGE ${PAGE}\n%define ENTRY ${ENTRY}\n${source}`)
  const whole = outcome(program, 200_000, 0)
  for (const [slice, jit] of [
    [1, 0],
    [2, 0],
    [7, 0],
    [200_000, 1],
    [200_000, 40],
    [200_000, 500],
    [5, 1],
  ])
    expect(outcome(program, slice, jit), `slices of ${slice}, compiled after ${jit}`).toEqual(whole)
  return whole
}

describe.skipIf(!haveNasm)('a translation that the guest has not flushed', () => {
  test('lets writes pass still, whatever was decoded from the page since', () => {
    const { reason, gpr } = always(`
      mov edi, PAGE
      mov dword [edi], 0xc3909090         ; nop; nop; nop; ret
      call edi
      mov byte [edi], 0x40                ; inc eax: the block at its start is another one
      mov byte [edi + 0x800], 1
      and byte [ENTRY], ~2                ; read-only
      call edi
      mov byte [edi + 0x801], 1
      mov byte [edi + 1], 0x40            ; over decoded bytes
      call edi
      inc byte [edi + 2]
      lock dec byte [edi + 2]
      call edi
      hlt`)
    expect(reason).toBe('halt')
    expect(gpr[0]).toBe(1 + 2 + 2)
  })

  test('lets a guest that waits in a loop store still', () => {
    // Long enough for the engine to look whether the loop comes to anything.
    const { reason } = always(`
      mov edi, PAGE
      mov byte [edi], 1
      and byte [ENTRY], ~2
      mov ecx, 150000 / 3
    again:
      mov byte [edi], 1
      nop
      loop again
      hlt`)
    expect(reason).toBe('halt')
  })

  test('of code: its accessed bit is set by the next walk and by no execution', () => {
    const clear = `
      mov ecx, 3000
    again:
      and byte [ENTRY], ~0x20
      call PAGE
      mov edx, [ENTRY]
      and edx, 0x20
      add eax, edx
      FLUSH
      loop again
      hlt
      times PAGE - ${AT} - ($ - $$) db 0
      mov ebx, ecx
      jmp next
    next: ret`
    // Once, for the first call.
    expect(always(clear.replace('FLUSH', '')).gpr[0]).toBe(0x20)
    expect(always(clear.replace('FLUSH', 'invlpg [PAGE]')).gpr[0]).toBe(0x20 * 3000)
    expect(always(clear.replace('FLUSH', 'mov esi, cr3\nmov cr3, esi')).gpr[0]).toBe(0x20 * 3000)
  })

  test('of code that executes: the bit stays clear until it is walked to again', () => {
    const code = `
      mov ecx, 3000
    again:
      and byte [${TABLE + (AT >> 12) * 4}], ~0x20
      mov edx, [${TABLE + (AT >> 12) * 4}]
      and edx, 0x20
      add eax, edx
      jmp next
    next:
      loop again
      FLUSH
      jmp done
    done: hlt`
    expect(always(code.replace('FLUSH', '')).entryOfCode & 0x20).toBe(0)
    expect(always(code.replace('FLUSH', 'mov esi, cr3\nmov cr3, esi'))).toMatchObject({ entryOfCode: 0x27 })
  })
})
