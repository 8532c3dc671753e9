import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

/** Fills TSS2 for a task at `eip` in ring 0. */
const setUp = (eip: string): string => `
      mov dword [tss2 + 0x20], ${eip}
      mov dword [tss2 + 0x24], 2
      mov dword [tss2 + 0x28 + 4], 0xcccccccc  ; ECX
      mov dword [tss2 + 0x38], STACK - 0x1000  ; ESP
      mov dword [tss2 + 0x48], DATA
      mov dword [tss2 + 0x4c], CODE
      mov dword [tss2 + 0x50], DATA
      mov dword [tss2 + 0x54], DATA
      mov dword [tss2 + 0x58], UDATA
      mov dword [tss2 + 0x5c], 0
      mov dword [tss2 + 0x60], 0`

describe.skipIf(!haveNasm)('task switches', () => {
  test('CALL nests, IRET goes back, and all registers travel through the TSSs', () => {
    const { out } = runProtected(`${setUp('task')}
      mov ebx, 0x12345678
      mov ecx, 0x9abcdef0
      mov ebp, esp
      clc
      call TSS2:0
    after:
      pushf
      pop edx
      push edx
      emit ebx
      emit ecx
      sub ebp, esp
      emit ebp
      pop edx
      emit edx
      str eax
      call emit_eax
      movzx eax, byte [gdt + TSS1 + 5]
      call emit_eax
      movzx eax, byte [gdt + TSS2 + 5]
      call emit_eax
      movzx eax, word [tss1]
      call emit_eax
      jmp done
    task:
      pushf
      pop edx
      push edx
      emit ecx
      pop eax
      call emit_eax
      emit esp
      mov eax, fs
      call emit_eax
      str eax
      call emit_eax
      smsw eax
      call emit_eax
      clts
      movzx eax, word [tss2]
      call emit_eax
      movzx eax, byte [gdt + TSS1 + 5]
      call emit_eax
      movzx eax, byte [gdt + TSS2 + 5]
      call emit_eax
      mov eax, [tss1 + 0x20]
      sub eax, after
      call emit_eax
      mov ebx, 0
      mov ecx, 0x77
      stc
      iret`)
    expect(out).toEqual([
      ...[0xcccccccc, 0x4002, 0x7000 - 0x1000, 0x33, 0x40, 0x60000019, 0x38, 0x8b, 0x8b, 0],
      ...[0x12345678, 0x9abcdef0, 4, 2, 0x38, 0x8b, 0x89, 0],
    ])
  })

  test('JMP leaves the old task idle; the new one goes on where it was', () => {
    const { out } = runProtected(`${setUp('task')}
      jmp TSS2:0
      emit 1
      movzx eax, byte [gdt + TSS2 + 5]
      call emit_eax
      jmp TSS2:0              ; goes on behind its own JMP
      emit 2
      jmp done
    task:
      emit 10
      movzx eax, byte [gdt + TSS1 + 5]
      call emit_eax
      pushf
      pop eax
      call emit_eax
      jmp TSS1:0
      emit 11
      jmp TSS1:0`)
    expect(out).toEqual([10, 0x89, 2, 1, 0x89, 11, 2])
  })

  test('an exception through a task gate pushes its error code on the new stack and nests', () => {
    const { out } = runProtected(`${setUp('task')}
      mov dword [idt + 13 * 8], TSS2 << 16
      mov dword [idt + 13 * 8 + 4], 0x8500
      mov ax, 0x1004
      mov ebx, 0
    faulting:
      mov es, ax
      emit 1
      jmp done
    task:
      pop eax
      call emit_eax
      emit esp
      mov eax, [tss1 + 0x20]
      sub eax, faulting
      call emit_eax
      mov eax, [tss1 + 0x24]
      and eax, 0x10000
      call emit_eax
      mov dword [tss1 + 0x28], DATA   ; EAX of the task that faulted
      iret`)
    expect(out).toEqual([0x1004, 0x6000, 0, 0x10000, 1])
  })

  test('INT n through a task gate goes on behind itself', () => {
    const { out } = runProtected(`${setUp('task')}
      mov dword [idt + 0x40 * 8], TSS2 << 16
      mov dword [idt + 0x40 * 8 + 4], 0x8500
      int 0x40
      emit 1
      int 0x40
      emit 2
      jmp done
    task:
      emit 10
      iret
      emit 11
      iret`)
    expect(out).toEqual([10, 1, 11, 2])
  })

  test('16-bit TSSs: 16-bit registers, no FS and GS', () => {
    const { out } = runProtected(
      `
      mov edi, tss2
      mov word [edi + 0x0e], task
      mov word [edi + 0x10], 2
      mov word [edi + 0x14], 0xcccc
      mov word [edi + 0x1a], 0x5000
      mov word [edi + 0x22], DATA
      mov word [edi + 0x24], CODE
      mov word [edi + 0x26], DATA
      mov word [edi + 0x28], DATA
      mov word [edi + 0x2a], 0
      call FREE:0
      emit 1
      jmp done
    task:
      movzx eax, cx
      call emit_eax
      movzx eax, sp
      call emit_eax
      mov eax, fs
      call emit_eax
      iret`,
      'desc tss2, 0x2b, 0x81, 0',
    )
    expect(out).toEqual([0xcccc, 0x5000, 0, 1])
  })

  test('what is wrong with a TSS or task is said', () => {
    const { out } = runProtected(
      `${setUp('task')}
      expect_fault one
      call TSS1:0             ; busy
    one:
      expect_fault two
      call FREE:0             ; too small
    two:
      expect_fault three
      call FREE + 8:0         ; not present
    three:
      expect_fault four
      pushf
      or dword [esp], 0x4000  ; NT, but the link is null
      popf
      iret
    four:
      pushf
      and dword [esp], ~0x4000
      popf
      mov dword [tss2 + 0x50], 0
      mov dword [tss2 + 4], STACK
      mov dword [tss2 + 8], DATA
      expect_fault five
      call TSS2:0
    five:
      ; The fault was the new task's.
      str eax
      call emit_eax
      jmp done
    task:
      emit 1`,
      'desc tss2, 0x66, 0x89, 0\ndesc tss2, 0x67, 0x09, 0',
    )
    expect(out).toEqual([...[13, 0x38, 8], ...[10, 0x48, 8], ...[11, 0x50, 8], ...[10, 0, 8], ...[10, 0, 8, 0x40]])
  })

  test('the T bit traps in front of the first instruction, with DR6.BT', () => {
    const { out } = runProtected(`${setUp('task')}
      mov word [tss2 + 0x64], 1
      expect_fault trap
      jmp TSS2:0
    trap:
      mov eax, dr6
      call emit_eax
      mov eax, [saved_eip]
      sub eax, task
      call emit_eax
      jmp done
    task:
      emit 1`)
    expect(out).toEqual([1, 0, 8, 0xffff8ff0, 0])
  })
})
