import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { CODE64, runLong } from './long.js'

describe.skipIf(!haveNasm)('long mode', () => {
  test('is entered, and code runs 64 bits wide', () => {
    const { out, reason, cpu } = runLong(`
      mov rbx, 0x123456789abcdef0
      emit64 rbx
      shr rbx, 32
      emit64 rbx
      lea rdi, [rel long64]
      emit64 rdi
      mov ecx, 0xc0000080
      rdmsr
      call emit_rax64
      mov rax, cr8
      call emit_rax64`)
    expect(reason).toBe('halt')
    expect(out.slice(0, 2)).toEqual([0x9abcdef0, 0x12345678])
    expect(out.slice(3)).toEqual([0xd01, 0])
    expect(cpu.state.segments[1].selector).toBe(CODE64)
  })

  test('an exception pushes SS:RSP always, on an aligned stack, and IRETQ takes them back', () => {
    const { out } = runLong(`
      long_gate 13, 0, handler
      mov rsp, STACK - 4
      mov rbx, 0x8000000000000000
    place:
      mov rax, [rbx]
      emit64 1
      jmp done64
    handler:
      mov rbp, rsp
      emit64 rbp
      emit64 [rbp]              ; error
      mov rax, [rbp + 8]
      sub rax, place
      call emit_rax64
      emit64 [rbp + 16]
      emit64 [rbp + 32]
      emit64 [rbp + 40]
      mov rsp, rbp
      add rsp, 8
      add qword [rsp], 3
      iretq`)
    expect(out).toEqual([0x7000 - 16 - 48, 0, 0, CODE64, 0x7000 - 4, 0x10, 1])
  })

  test('the interrupt stack table is used without a change of ring, and a 16-byte TSS descriptor loads', () => {
    const { out } = runLong(`
      long_gate 6, 1, handler
      mov rax, 0x5000
      mov [tss1 + 36], rax
      mov ax, TSS64
      ltr ax
      ud2
    handler:
      mov rbp, rsp
      emit64 rbp
      emit64 [rbp + 24]
      mov eax, ss
      call emit_rax64
      jmp done64`)
    expect(out).toEqual([0x5000 - 40, 0x7000, 0x10])
  })

  test('SYSRET and SYSCALL change rings by STAR, LSTAR and FMASK; SWAPGS swaps', () => {
    const { out } = runLong(`
      mov ecx, 0xc0000081
      xor eax, eax
      mov edx, ${(0x58 << 16) | CODE64}
      wrmsr
      mov ecx, 0xc0000082
      mov eax, entry
      xor edx, edx
      wrmsr
      mov ecx, 0xc0000084
      mov eax, 0x400
      wrmsr
      mov ecx, 0xc0000102
      mov eax, 0x600
      wrmsr
      mov rcx, user64
      mov r11, 0x402
      mov rsp, 0x6000
      db 0x48
      sysret
    user64:
      mov ebx, cs
      mov ebp, ss
      syscall
    behind64:
      jmp behind64
    entry:
      mov rsi, rcx
      emit64 rbx
      emit64 rbp
      mov eax, cs
      call emit_rax64
      mov eax, ss
      call emit_rax64
      mov rax, rsi
      sub rax, behind64
      call emit_rax64
      emit64 r11
      pushf
      pop rax
      and eax, 0x400
      call emit_rax64
      mov dword [0x604], 0xcafe
      swapgs
      emit64 [gs:4]`)
    expect(out).toEqual([0x6b, 0x63, CODE64, 0x50, 0, 0x402, 0, 0xcafe])
  })

  test('compatibility mode runs 32-bit code; its interrupts come back to it', () => {
    const { out } = runLong(`
      long_gate 0x30, 0, handler
      mov rax, STACK - 0x800
      mov [tss1 + 4], rax
      mov ax, TSS64
      ltr ax
      push qword 0x63
      push qword 0x6000
      push qword 2
      push qword 0x5b
      mov rax, compatible
      push rax
      iretq
    bits 32
    compatible:
      mov eax, -1
      inc eax
      push eax
      mov ebx, esp
      int 0x30
      mov ecx, 0x77
      int 0x30
    bits 64
    handler:
      mov rbp, rsp
      emit64 rbp
      emit64 rbx
      emit64 [rbp + 8]
      mov eax, ss
      call emit_rax64
      mov rsp, rbp
      cmp ecx, 0x77
      je done64
      iretq`)
    const one = [0x7000 - 0x800 - 40, 0x6000 - 4, 0x5b, 0]
    expect(out).toEqual([...one, ...one])
  })

  test('task gates and 16-bit gates are gone, call gates have 16 bytes', () => {
    const { out } = runLong(`
      long_gate 13, 0, handler
      mov dword [idt64 + 6 * 16 + 4], 0x8500
      ud2
    handler:
      emit64 [rsp]
      jmp done64`)
    expect(out).toEqual([6 * 8 + 3])
  })
})
