import { describe, expect, test } from 'vitest'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'

const AT = 0x7c00

/** A CPU in flat 32-bit protected mode (no IDT: a fault is a shutdown) with `source`, assembled, at 0x7c00. */
function flat(source: string, board = {}): BareCpu {
  const cpu = new BareCpu(4 << 20, board)
  const program = assemble(`org ${AT}\nbits 32\n${source}`)
  cpu.boot(program, AT)
  const state = cpu.state
  state.cr0 |= 1n
  state.segments = state.segments.map((_, i) => ({
    selector: 8,
    base: 0n,
    limit: 0xffffffff,
    access: i === 1 ? 0xc09b : 0xc093,
  }))
  cpu.engine.setState(state)
  return cpu
}

const eax = (cpu: BareCpu): number => Number(cpu.state.gpr[0])
const dword = (cpu: BareCpu, address: number): number =>
  new DataView(cpu.ram.buffer, cpu.ram.byteOffset).getUint32(address, true)

describe.skipIf(!haveNasm)('decoded blocks', () => {
  test('a branch to an instruction that crosses a page never lands in another block', () => {
    // The branch is in the same page, so it would be linked; the crossing instruction's block is not kept, and each turn
    // decodes a new block in its room.
    const cpu = flat(`
      xor ebx, ebx
      mov ecx, 6
      jmp again
      times 0x8f00 - ${AT} - ($ - $$) nop
    again:
      jmp cross
      times 0x8ffd - ${AT} - ($ - $$) nop
    cross:
      add dword [0x5000], 1
      lea edx, [ecx * 8 + fresh]
      jmp edx
    back:
      dec ecx
      jnz near again
      mov eax, [0x5000]
      hlt
      align 8
    fresh:
      times 8 nop
    %rep 6
      inc ebx
      jmp near back
      align 8
    %endrep`)
    expect(cpu.run(1000).reason).toBe('halt')
    expect(eax(cpu)).toBe(6)
    expect(cpu.state.gpr[3]).toBe(6n)
  })

  test('an instruction that changes the next one is followed by the changed one', () => {
    const cpu = flat(`
      mov ecx, 2
    again:
      mov [patch + 1], cl
    patch:
      mov al, 0
      add ah, al
      loop again
      hlt`)
    expect(cpu.run(1000).reason).toBe('halt')
    expect((eax(cpu) >> 8) & 0xff).toBe(3)
  })

  test('data beside code is plain memory, and a write that reaches into the code changes it', () => {
    const cpu = flat(`
      mov ecx, 3
    again:
      add dword [f - 4], 0x01010101       ; up to the code, and no further
      inc dword [behind]
      call f
      shl ebx, 8
      add ebx, eax
      loop again
      mov dword [f - 2], 0x02b80000       ; its last two bytes are the code's first
      call f
      shl ebx, 8
      add ebx, eax
      mov edx, [f - 6]
      mov esi, [behind]
      hlt
      align 64
      dd 0, 0
    f: mov eax, 1
       ret
    behind: dd 7`)
    expect(cpu.run(1000).reason).toBe('halt')
    expect(Number(cpu.state.gpr[3])).toBe(0x01010102)
    expect(Number(cpu.state.gpr[2])).toBe(0x03030000 >>> 0)
    expect(Number(cpu.state.gpr[6])).toBe(10)
  })

  test('code that was run, linked and then overwritten by MOVS, STOS or the host is decoded anew', () => {
    const cpu = flat(`
      call f
      mov ebx, eax
      mov esi, g
      mov edi, f
      mov ecx, 6
      rep movsb
      call f
      shl ebx, 8
      add ebx, eax
      mov edi, f + 1
      mov al, 3
      mov ecx, 1
      rep stosb
      call f
      shl ebx, 8
      add ebx, eax
      hlt
      call f
      hlt
      align 64
    f: mov eax, 1
       ret
    g: mov eax, 2
       ret`)
    expect(cpu.run(1000).reason).toBe('halt')
    expect(Number(cpu.state.gpr[3])).toBe(0x010203)
    const f = cpu.ram.findIndex((_, i) => i > AT && cpu.ram[i] === 0xb8 && cpu.ram[i + 1] === 3)
    cpu.ram[f + 1] = 4
    cpu.engine.memoryChanged(ARENA_GUEST + f + 1, 1)
    const state = cpu.state
    state.halted = false
    cpu.engine.setState(state)
    expect(cpu.run(1000).reason).toBe('halt')
    expect(eax(cpu)).toBe(4)
  })

  test('a store into the second page of a crossing instruction is seen', () => {
    const cpu = flat(`
      mov ecx, 3
      jmp cross
      times 0x8ffe - ${AT} - ($ - $$) nop
    cross:
      mov eax, 0x11223344
      add ebx, eax
      mov [cross + 4], cl
      loop cross
      hlt`)
    expect(cpu.run(1000).reason).toBe('halt')
    expect(Number(cpu.state.gpr[3])).toBe(0x11223344 + 0x03223344 + 0x02223344)
  })

  const mixed = `
      mov edi, 0x20000
      mov ecx, 100
      xor edx, edx
    loop1:
      mov eax, ecx
      imul eax, eax, 0x1003
      xor edx, eax
      rol edx, 5
      stosd
      test eax, 4
      jz even
      inc dword [0x5000]
    even:
      loop loop1
      mov esi, 0x20000
      mov edi, 0x20ffa
      mov ecx, 300
      rep movsb
      mov edi, 0x20000
      mov eax, 0x1003 * 50
      mov ecx, 100
      repne scasd
      push ecx
      mov esi, 0x20000
      mov edi, 0x20ffa
      mov ecx, 400
      repe cmpsb
      pop eax
      add eax, ecx
      pushfd
      pop ebp
      hlt
      jmp $`

  /** Everything that a program can see, as text. */
  const snapshot = (cpu: BareCpu): string =>
    JSON.stringify(
      [cpu.state.gpr, cpu.state.rip, cpu.state.rflags, dword(cpu, 0x5000), cpu.engine.instructions()],
      (_, v) => (typeof v === 'bigint' ? v.toString(16) : v),
    )

  test('a program ends in the same state, after the same count, however its run is cut into pieces', () => {
    const whole = flat(mixed)
    expect(whole.run(100_000).reason).toBe('halt')
    for (const piece of [1, 2, 3, 7, 64, 101]) {
      const cut = flat(mixed)
      let exit = cut.run(piece)
      while (exit.reason === 'budget') {
        exit = cut.run(piece)
      }
      expect(exit.reason).toBe('halt')
      expect(snapshot(cut)).toBe(snapshot(whole))
      expect(Buffer.compare(cut.ram.subarray(0x20000, 0x22000), whole.ram.subarray(0x20000, 0x22000))).toBe(0)
    }
  })

  test('a budget of n instructions retires n', () => {
    const cpu = flat(mixed)
    let expected = cpu.engine.instructions()
    for (const n of [1, 5, 13, 200, 1, 333]) {
      expect(cpu.run(n).reason).toBe('budget')
      expected += n
      expect(cpu.engine.instructions()).toBe(expected)
    }
  })

  test('a device that shortens the run inside an access ends it after that instruction', () => {
    let cpu: BareCpu
    const board = {
      mmioWrite: () => cpu.engine.shorten(cpu.engine.now()),
    }
    cpu = flat(
      `
      mov edi, 0x800000
      mov [edi], eax
      inc ebx
      mov ecx, 5
      rep stosd
      inc ebx
      jmp $`,
      board,
    )
    expect(cpu.run(1000).reason).toBe('budget')
    expect(cpu.engine.instructions()).toBe(2)
    expect(cpu.state.gpr[3]).toBe(0n)
    expect(cpu.run(1000).reason).toBe('budget')
    expect(cpu.state.gpr[1]).toBe(4n)
    expect(cpu.engine.instructions()).toBe(5)
  })

  test('string instructions in page-sized runs do what one iteration after the other does', () => {
    // Overlapping and not, across pages, both directions, all sizes; the model moves unit by unit.
    const cpu = flat('rep movsb\nhlt\nrep movsw\nhlt\nrep movsd\nhlt\nrep stosb\nhlt\nrep stosw\nhlt\nrep stosd\nhlt')
    const starts = [0, 3, 7, 10, 13, 17].map((n) => AT + n)
    const model = new Uint8Array(cpu.ram.length)
    for (let n = 0; n < 300; n++) {
      const kind = n % 6
      const size = 1 << (kind % 3)
      const moves = kind < 3
      const down = n % 7 === 0
      const count = (n * 37) % 1500
      const from = 0x30000 + ((n * 7919) % 0x3000)
      const to = n % 3 ? 0x30000 + ((n * 104729) % 0x3000) : from + ((n * 31) % 64) - 32
      for (let i = 0; i < 0x8000; i++) cpu.ram[0x2e000 + i] = (i * 31 + n) ^ (i >> 8)
      model.set(cpu.ram)
      const step = down ? -size : size
      for (let i = 0; i < count; i++)
        for (let b = 0; b < size; b++)
          model[to + i * step + b] = moves ? model[from + i * step + b] : (0x44332211 >> (b * 8)) & 0xff
      const state = cpu.state
      state.gpr[0] = 0x44332211n
      state.gpr[1] = BigInt(count)
      state.gpr[6] = BigInt(from)
      state.gpr[7] = BigInt(to)
      state.rip = BigInt(starts[kind])
      state.rflags = down ? 0x402n : 2n
      state.halted = false
      cpu.engine.setState(state)
      expect(cpu.run(10_000).reason).toBe('halt')
      expect(Buffer.compare(cpu.ram, model)).toBe(0)
      expect(cpu.state.gpr[1]).toBe(0n)
      expect(cpu.state.gpr[7]).toBe(BigInt(to + count * step))
      if (moves) expect(cpu.state.gpr[6]).toBe(BigInt(from + count * step))
    }
  })

  test.each([
    ['call near', 'call 0x9000', 0x6000],
    ['call register', 'mov eax, 0x9000\ncall eax', 0x6000],
    ['ret', 'push dword 0x9000\nret', 0x5ffc],
    ['ret imm', 'push dword 0x9000\nret 8', 0x5ffc],
    ['loop', 'mov ecx, 2\nloop $+0x80', 0x6000],
  ])('%s beyond the limit of CS faults with its registers as they were', (_, source, sp) => {
    // No IDT: the fault ends in a shutdown, which leaves the faulting instruction's state.
    const cpu = flat(`mov esp, 0x6000\n${source}\nhlt`)
    const state = cpu.state
    state.segments[1] = { ...state.segments[1], limit: 0x7c7f, access: 0x409b }
    cpu.engine.setState(state)
    expect(cpu.run(100).reason).toBe('shutdown')
    expect(Number(cpu.state.gpr[4])).toBe(sp)
    if (source.includes('loop')) expect(cpu.state.gpr[1]).toBe(2n)
  })
})
