import { describe, expect, test } from 'vitest'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { Random } from '../../../random.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { MODES, type Mode, randomProgram, startProgram } from './jit-program.js'

/** A CPU that compiles nothing, and one that compiles a block after so many entries: when it is entered the second time. */
const pair = (entries = 1): [BareCpu, BareCpu] => [
  new BareCpu(1 << 20, {}, undefined, 0),
  new BareCpu(1 << 20, {}, undefined, entries),
]

/** How many regions the CPU has compiled. */
const regions = (cpu: BareCpu): number => (cpu.engine as unknown as { jit: { regions: number } }).jit.regions

const shown = (cpu: BareCpu) => {
  const { gpr, rip, rflags, fxsave, ymmHigh } = cpu.state
  return { gpr, rip, rflags, fxsave, ymmHigh, instructions: cpu.engine.instructions() }
}

/** Runs both in the same slices and compares them after each; at the end their memory too. */
function compare([plain, compiled]: [BareCpu, BareCpu], slice: () => number, most = 40_000): void {
  for (let done = 0; done < most; ) {
    const n = slice()
    done += n
    const ends = [plain.run(n).reason, compiled.run(n).reason]
    expect(shown(compiled)).toEqual(shown(plain))
    expect(ends[1]).toBe(ends[0])
    if (ends[0] !== 'budget') break
  }
  expect(Buffer.compare(plain.ram, compiled.ram)).toBe(0)
}

describe.skipIf(!haveNasm)('compiled code does what the interpreter does', () => {
  for (const mode of MODES) {
    test.each([1, 2, 3, 4, 5, 6, 7, 8])(`random programs in ${mode} code, seed %i`, (seed) => {
      const random = new Random(seed * 77 + mode.length)
      const program = assemble(randomProgram(random, mode))
      const cpus = pair()
      for (const cpu of cpus) startProgram(cpu, program, mode)
      compare(cpus, () => random.pick([1, 7, 50, 300, 1000]))
      expect(regions(cpus[0])).toBe(0)
      expect(regions(cpus[1])).toBeGreaterThan(0)
    })
  }

  const both = (mode: Mode, source: string, entries?: number): [BareCpu, BareCpu] => {
    const program = assemble(`org 0x7c00\n${source}`)
    const cpus = pair(entries)
    for (const cpu of cpus) startProgram(cpu, program, mode)
    return cpus
  }

  test('code that writes into itself and into the next instruction', () => {
    const cpus = both(
      '32-bit',
      `bits 32
      mov ecx, 200
    top:
      inc byte [change + 1]
    change:
      mov al, 0
      add ebx, eax
      mov [behind + 1], cl
      jmp behind
      align 16
    behind:
      mov dl, 0
      add esi, edx
      dec ecx
      jnz top
      hlt`,
    )
    compare(cpus, () => 33)
    expect(cpus[1].state.gpr[3]).not.toBe(0n)
  })

  test('code that two functions share, which are compiled together, is written anew', () => {
    const cpus = both(
      '32-bit',
      `bits 32
      mov ecx, 300
    top:
      call first
      call second
      dec ecx
      jz done
      cmp ecx, 150
      jne top
      mov byte [shared + 2], 5
      jmp top
    done:
      hlt
      times 0x8000 - 0x7c00 - ($ - $$) nop
    first:
      add ebx, 1
      jmp shared
    second:
      add ebx, 3
      jmp shared
      align 16
    shared:
      add edx, 0
      ret`,
      30,
    )
    compare(cpus, () => 5000)
    expect(cpus[1].state.gpr[1]).toBe(0n)
    expect(regions(cpus[1])).toBeGreaterThan(1)
  })

  test('code that three functions share, too long to be compiled as one, is written anew', () => {
    const function_ = (name: string) => `${name}:\ntimes 500 inc ebx\njmp near shared`
    const cpus = both(
      '32-bit',
      `bits 32
      mov ecx, 300
    top:
      call first
      call second
      call third
      dec ecx
      jz done
      cmp ecx, 150
      jne top
      mov byte [shared + 2], 5
      jmp top
    done:
      hlt
      times 0x8000 - 0x7c00 - ($ - $$) nop
    ${['first', 'second', 'third'].map(function_).join('\n')}
      align 16
    shared:
      add edx, 0
      ret`,
      30,
    )
    compare(cpus, () => 100_000, 1_000_000)
    expect(cpus[1].state.gpr[1]).toBe(0n)
    expect(regions(cpus[1])).toBeGreaterThan(1)
  })

  test('a breakpoint in the midst of a loop that is compiled, armed and disarmed in each pass', () => {
    const cpus = both(
      '16-bit',
      `bits 16
      mov word [1 * 4], handler
      mov word [1 * 4 + 2], 0
      xor dx, dx
      mov cx, 300
    top:
      inc bx
      cmp cx, 100
      ja unarmed
      mov eax, place
      mov dr0, eax
      mov eax, 1
      mov dr7, eax
    unarmed:
      add si, bx
    place:
      add di, si
      dec cx
      jnz top
      hlt
    handler:
      xor eax, eax
      mov dr7, eax
      inc dx
      iret`,
    )
    compare(cpus, () => 33)
    expect(cpus[1].state.gpr[2] & 0xffffn).toBe(100n)
    expect(regions(cpus[1])).toBeGreaterThan(0)
  })

  test('code that is written anew in each pass: with what it was, and with fewer instructions or more', () => {
    const cpus = both(
      '32-bit',
      `bits 32
      xor eax, eax
      xor ebx, ebx
      xor edx, edx
      mov ecx, 100
    top:
      mov byte [same + 2], 5
      jmp same
      align 16
    same:
      add edx, 5
      mov dword [change], 0x40404040      ; four times inc eax
      test cl, 1
      jz go
      mov dword [change], 0x0004c381      ; add ebx, 4
    go:
      mov word [change + 4], 0
      test cl, 1
      jnz change
      mov word [change + 4], 0x9090
      jmp change
      align 16
    change:
      times 6 nop
      dec ecx
      jnz top
      hlt`,
    )
    compare(cpus, () => 41)
    expect(cpus[1].state.gpr.slice(0, 4)).toEqual([200n, 0n, 500n, 200n])
  })

  test('a function of another page, called directly and through a register, that is written anew now and then', () => {
    const cpus = both(
      '32-bit',
      `bits 32
      mov ecx, 400
      mov edx, function
    top:
      call function
      call edx
      test cl, 15
      jnz on
      mov [function + 1], ecx
    on:
      dec ecx
      jnz top
      hlt
      times 0x1000 - ($ - $$) db 0x90
    function:
      mov eax, 1
      add ebx, eax
      ret`,
    )
    compare(cpus, () => 33)
    expect(cpus[1].state.gpr[0]).toBe(16n)
    expect(cpus[1].state.gpr[3]).toBe(cpus[0].state.gpr[3])
  })

  test('code that the host changes', () => {
    const cpus = both('32-bit', 'bits 32\ntop: inc eax\n add ebx, 1\n jmp top')
    compare(cpus, () => 100, 1000)
    for (const cpu of cpus) {
      // inc eax becomes inc ecx
      cpu.ram[0x7c00] = 0x41
      cpu.engine.memoryChanged(ARENA_GUEST + 0x7c00, 1)
    }
    compare(cpus, () => 100, 1000)
    expect(cpus[1].state.gpr[1]).toBeGreaterThan(200n)
  })

  test('a page that is decoded, compiled and mapped at two addresses', () => {
    // 64-bit code calls the same function below and above 2 MiB, which the second large page maps to the first.
    const cpus = both(
      '64-bit',
      `bits 64
      mov rbp, 200
    top:
      call where
      mov rax, where + 0x200000
      call rax
      dec rbp
      jnz top
      hlt
    where:
      lea rcx, [rel where]
      add rbx, rcx
      rol rbx, 7
      test rbp, 1
      jz even
      inc rdx
    even:
      ret`,
    )
    compare(cpus, () => 57)
  })

  test('a stack and data in segments with a base and a limit, which some accesses miss', () => {
    const cpus = both(
      '16-bit',
      `bits 16
      mov ax, 0x1000
      mov ds, ax
      mov es, ax
      xor bx, bx
      mov cx, 300
    top:
      mov [bx], cx
      add ax, [bx]
      push ax
      pop dx
      add word [bx + 2], dx
      add bx, 731
      loop top
      mov word [0xffff], 1
      hlt`,
    )
    compare(cpus, () => 101)
  })

  test('what is looked up together lies in two pages, one behind the other in memory, apart, and at last in none', () => {
    const cpus = both(
      '32-bit',
      `bits 32
      mov edi, 0x21000
      mov eax, 3
    map:
      mov [edi], eax
      add edi, 4
      add eax, 0x1000
      cmp eax, 0x100003
      jb map
      mov dword [0x20000], 0x21003
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      mov esp, 0x43004
      mov ecx, 640
    top:
      mov esi, 0x40ff4
      mov eax, [esi]
      add eax, [esi + 8]
      sub eax, [esi + 16]
      mov [esi + 4], eax
      add [esi + 10], ecx
      mov edx, [esi + 14]
      add ebx, edx
      push ebx
      push edx
      push ecx
      pop ebp
      pop edi
      pop ebp
      test cl, 31
      jnz same
      xor dword [0x21000 + 0x41 * 4], 0x13000
      xor dword [0x21000 + 0x42 * 4], 0x15000
      invlpg [0x41000]
      invlpg [0x42000]
    same:
      dec ecx
      jnz top
      mov dword [0x21000 + 0x41 * 4], 0
      invlpg [0x41000]
      inc ecx
      jmp top`,
    )
    compare(cpus, () => 500)
    expect(regions(cpus[1])).toBeGreaterThan(0)
    expect(cpus[1].state.cr2).toBe(0x41004n)
  })

  test('faults are taken where they happen', () => {
    const cpus = both(
      '64-bit',
      `bits 64
      mov rcx, 100
      mov rsi, 0x9000
    top:
      mov rax, [rsi]
      add rbx, rax
      cmp rax, rbx
      lea rsi, [rsi + rcx * 8]
      dec rcx
      jnz top
      mov rsi, 0x7fffffff0000
      cmp rbx, 5
      mov rax, [rsi]
      hlt`,
    )
    compare(cpus, () => 64)
  })

  test('a fault among instructions of the x87 finds registers, flags and the count as they are there', () => {
    const cpus = both(
      '64-bit',
      `bits 64
      mov rcx, 100
      mov rsi, 0x9000
      fninit
      fld1
    top:
      fadd qword [rsi]
      add rbx, 3
      fstp qword [rsi]
      lea rdi, [rsi + rcx]
      fld qword [rsi]
      cmp rcx, 1
      mov rax, 0x700000000000
      cmove rsi, rax
      shl rsi, 1
      fmul st0, st0
      shr rsi, 1
      cmove rdx, rdi
      cmp rcx, 1
      jne on
      shl rsi, 2
    on:
      xor rbx, rcx
      fadd qword [rsi]
      dec rcx
      jnz top
      hlt`,
    )
    compare(cpus, () => 777)
    expect(regions(cpus[1])).toBeGreaterThan(0)
    expect(cpus[1].state.gpr[1]).toBe(1n)
  })

  test.each([
    ['32-bit', 'e'],
    ['64-bit', 'r'],
  ] as const)(
    'what lies around a register is looked up at once, %s: over the ends of pages, beside code and in it',
    (mode, r) => {
      const cpus = both(
        mode,
        `bits ${mode.slice(0, 2)}
      mov ecx, 300
    top:
      ; The stack goes over a page's end, by odd steps.
      mov ${r}bp, 0x9090
      lea ${r}sp, [${r}bp + ${r}cx * 2]
      push ${r}ax
      push ${r}bx
      push ${r}cx
      mov [${r}sp + 4], edx
      sub ${r}sp, 24
      mov eax, [${r}sp + 28]
      add [${r}sp + 8], eax
      mov [${r}sp], ecx
      movzx ebx, byte [${r}sp + 25]
      add ${r}sp, 24
      push ${r}sp
      pop ${r}bx
      pop ${r}dx
      pop ${r}bx
      pop ${r}sp
      ; So does a base, which is another one in the midst of it.
      lea ${r}di, [${r}cx + 0xaf00]
      mov eax, [${r}di]
      add eax, [${r}di + 8]
      mov [${r}di + 16], eax
      xor [${r}di + 40], ecx
      adc byte [${r}di + 59], 3
      mov edi, [${r}di + 12]
      and edi, 0xff
      add edi, 0xbf80
      inc dword [${r}di]
      mov [${r}di + 4], ecx
      lea ${r}si, [${r}di + 8]
      sub [${r}si - 8], eax
      mov [${r}si], edi
      add ${r}si, 3
      xor [${r}si], ebx
      ; Stores beside what is executed, and into it.
      mov ebx, change
      add [${r}bx - 24], ecx
      mov [${r}bx + 1], cl
      mov eax, [${r}bx - 8]
      jmp behind
      times 24 db 0
    behind:
    change:
      mov al, 0
      add edx, eax
      dec ecx
      jnz top
      hlt`,
      )
      compare(cpus, () => 1037)
      expect(cpus[1].state.gpr[1]).toBe(0n)
      expect(regions(cpus[1])).toBeGreaterThan(0)
    },
  )

  test('waits for ports shorten the budget', () => {
    const cpus = both(
      '32-bit',
      'bits 32\nmov dx, 0x80\ntop: inc eax\n out dx, al\n in al, 0x60\n add ebx, eax\n jmp top',
    )
    for (const cpu of cpus) cpu.portReads = () => cpu.portWrites.length & 0xff
    compare(cpus, () => 500, 20_000)
    expect(cpus[1].portWrites).toEqual(cpus[0].portWrites)
  })

  test('interrupts land on the same instruction', () => {
    const cpus = both(
      '16-bit',
      `bits 16
      mov word [0x20 * 4], handler
      mov word [0x20 * 4 + 2], 0
      sti
    top:
      add ax, 3
      adc bx, ax
      rol bx, 1
      xor cx, bx
      jmp top
    handler:
      push ax
      mov ax, bx
      mov [0x9000], ax
      pop ax
      inc dx
      iret`,
    )
    for (let i = 0; i < 60; i++) {
      compare(cpus, () => 97, 97)
      for (const cpu of cpus) cpu.engine.setInterrupt(true)
    }
    expect(cpus[1].state.gpr[2]).toBeGreaterThan(50n)
  })
})
