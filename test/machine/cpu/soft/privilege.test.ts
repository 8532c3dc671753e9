import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

const USER = 0x2b

describe.skipIf(!haveNasm)('call gates', () => {
  test('a 32-bit gate switches stacks, copies parameters and RETF n drops them', () => {
    const { out } = runProtected(
      `
      mov ebx, esp
      jmp go
    service:
      emit esp
      emit cs
      emit ss
      emit dword [esp]
      emit dword [esp + 4]     ; CS
      emit dword [esp + 8]     ; parameters
      emit dword [esp + 12]
      emit dword [esp + 16]    ; ESP
      emit dword [esp + 20]    ; SS
      retf 8
    go:
      set_gate 0x30, 0xee, back
      user
      push dword 0x11111111
      push dword 0x22222222
      call FREE:0
    returned:
      mov esi, esp
      mov ebp, ss
      mov edi, cs
      int 0x30
    back:
      mov eax, DATA
      mov ds, eax
      mov es, eax
      emit esi
      emit ebp
      emit edi
      emit returned`,
      'gate CODE, addr(service), 0xec, 2',
    )
    const returned = out.at(-1) as number
    expect(out).toEqual([
      ...[0x6800 - 24, 8, 0x10],
      ...[returned, USER, 0x22222222, 0x11111111, 0x6000 - 8, 0x33],
      ...[0x6000, 0x33, USER, returned],
    ])
  })

  test('a 16-bit gate pushes words', () => {
    const { out } = runProtected(
      `
      jmp go
    service:
      emit esp
      movzx eax, word [esp]
      call emit_eax
      movzx eax, word [esp + 2]
      call emit_eax
      movzx eax, word [esp + 4]
      call emit_eax
      movzx eax, word [esp + 6]
      call emit_eax
      movzx eax, word [esp + 8]
      call emit_eax
      emit returned
      jmp done
    go:
      user
      push word 0x1234
      call FREE:0
    returned:`,
      'gate CODE, addr(service), 0xe4, 1',
    )
    expect(out).toEqual([0x6800 - 10, out.at(-1), USER, 0x1234, 0x6000 - 2, 0x33, out.at(-1)])
  })

  test('gates and their targets are checked', () => {
    const { out } = runProtected(
      `
      %macro try 1
        expect_fault %%next
        user
        call %1:0
      %%next:
      %endmacro
      try FREE                ; DPL 0 gate
      try FREE + 8            ; not present
      try FREE + 16           ; target is data
      try FREE + 24           ; null target
      try FREE + 32           ; target not present
      try CODE                ; direct, inner
      try FREE + 48           ; conforming, inner: works
      expect_fault last
      user
      jmp FREE + 56:0         ; JMP cannot go inward through a gate
    last:`,
      `
      gate CODE, service, 0x8c, 0
      gate CODE, service, 0x6c, 0
      gate DATA, service, 0xec, 0
      gate 0, service, 0xec, 0
      gate FREE + 40, service, 0xec, 0
      desc 0, 0xfffff, 0x1b, 0xc
      desc 0, 0, 0x9f, 0xc
      gate CODE, service, 0xec, 0
      service equ 0x500`,
    )
    // The conforming segment is one page long: it starts and faults (there is no code at 0, and add [eax], al is fine).
    expect(out.filter((_, i) => i % 3 !== 2)).toEqual([
      ...[13, 0x48],
      ...[11, 0x50],
      ...[13, 0x10],
      ...[13, 0],
      ...[11, 0x70],
      ...[13, 0x08],
      ...out.slice(18, 20),
      ...[13, 0x08],
    ])
  })
})

describe.skipIf(!haveNasm)('returns to an outer ring', () => {
  test('IRET nulls segments that the outer ring may not have, and keeps others', () => {
    const { out } = runProtected(`
      set_gate 0x30, 0xee, back
      mov eax, UDATA
      mov fs, eax
      push dword UDATA
      push dword 0x6000
      push dword 0x0002
      push dword UCODE
      push dword ring3
      mov eax, DATA
      mov es, eax
      iret
    ring3:
      mov esi, es
      mov edi, fs
      mov ebp, ds
      pushf
      pop edx
      mov ecx, esp
      int 0x30
    back:
      mov eax, DATA
      mov ds, eax
      mov es, eax
      push ecx
      emit esi
      emit edi
      emit ebp
      emit edx
      pop ecx
      emit ecx`)
    expect(out).toEqual([0, 0x33, 0, 0x0002, 0x6000])
  })

  test('IRET and RETF check what they return to', () => {
    const { out } = runProtected(
      `
      %macro back 4          ; EIP, CS, ESP, SS
        expect_fault %%next
        push dword %4
        push dword %3
        push dword 2
        push dword %2
        push dword %1
        iret
      %%next:
      %endmacro
      back 0, 0, 0, 0
      back 0, UCODE, 0, 0
      back 0, UCODE, 0, DATA
      back 0, UCODE, 0, UCODE
      back 0, UCODE & ~3, 0, UDATA
      back 0, DATA, 0, UDATA
      back 0, FREE + 3, 0, UDATA
      back 0, UCODE, 0, FREE + 8 + 3
      back 0x1000, FREE + 16 + 3, 0, UDATA
      expect_fault last
      push dword UDATA
      push dword 0
      push dword 0x1000
      push dword 0
      retf
    last:`,
      'desc 0, 0xfff, 0x7b, 4\ndesc 0, 0xfff, 0x73, 4\ndesc 0, 0xfff, 0xfb, 4',
    )
    expect(out).toEqual(
      [
        [13, 0],
        [13, 0],
        [13, 0x10],
        [13, 0x28],
        [13, 0x28],
        [13, 0x10],
        [11, 0x48],
        [12, 0x50],
        [13, 0],
        [13, 0x1000],
      ].flatMap(([vector, error]) => [vector, error, 8]),
    )
  })

  test('POPF and IRET change IOPL only at ring 0 and IF only with IOPL', () => {
    const { out } = runProtected(`
      set_gate 0x30, 0xee, back
      push dword UDATA
      push dword 0x6000
      push dword 0x1002        ; IOPL 1
      push dword UCODE
      push dword ring3
      iret
    ring3:
      push dword 0x247ed7
      popf
      pushf
      pop ebx
      int 0x30
    back:
      mov eax, DATA
      mov ds, eax
      emit ebx
      push dword 0x3f7ed7      ; ring 0: everything but VM, VIF, VIP, RF
      popf
      pushf
      pop ebx
      push dword 2
      popf
      emit ebx`)
    expect(out.at(-1)).toBe(0x247ed7)
    expect(out.at(-2)).toBe(0x245cd7)
  })
})

describe.skipIf(!haveNasm)('privileged instructions in ring 3', () => {
  test('fault with #GP(0)', () => {
    const forms = [
      'hlt',
      'cli',
      'sti',
      'mov eax, cr0',
      'mov dr7, eax',
      'clts',
      'lmsw ax',
      'lgdt [gdtr]',
      'invlpg [0]',
      'wbinvd',
      'rdmsr',
      'wrmsr',
      'lldt ax',
      'ltr ax',
    ] // prettier-ignore
    const { out } = runProtected(
      forms
        .map(
          (form, i) => `
      expect_fault next${i}
      push dword UDATA
      push dword 0x6000
      push dword 0x0002
      push dword UCODE
      push dword at${i}
      iret
    at${i}: ${form}
    next${i}:`,
        )
        .join('\n'),
    )
    expect(out).toEqual(forms.flatMap(() => [13, 0, USER]))
  })

  test('the I/O permission bitmap is asked bit by bit, and past its end nothing is allowed', () => {
    const { out } = runProtected(
      `
      mov byte [tss1 + 136 + 0x60 / 8], 1 << 2     ; port 62
      %macro try 2
        expect_fault %%next
        push dword UDATA
        push dword 0x6000
        push dword 2
        push dword UCODE
        push dword %%there
        iret
      %%there:
        mov dx, %1
        in %2, dx
        ud2
      %%next:
      %endmacro
      try 0x60, al
      try 0x62, al
      try 0x60, ax
      try 0x61, ax
      try 0x60, eax
      try 0x63, eax
      try 0xffff, al
`,
    )
    expect(out.filter((_, i) => i % 3 === 0)).toEqual([6, 13, 6, 13, 13, 6, 13])
  })
})

describe.skipIf(!haveNasm)('looking up descriptors', () => {
  test('LAR, LSL, VERR, VERW', () => {
    const { out } = runProtected(
      `
      %macro look 1
        mov ecx, %1
        mov ebx, 0xdeadbeef
        lar ebx, ecx
        emit ebx
        mov ebx, 0xdeadbeef
        lsl ebx, ecx
        emit ebx
        xor eax, eax
        verr cx
        setz al
        verw cx
        setz ah
        call emit_eax
      %endmacro
      look CODE
      look DATA
      look UDATA
      look TSS1
      look FREE               ; execute-only code
      look FREE + 8           ; call gate
      look FREE + 16          ; interrupt gate
      look 0
      look 0xfff8
      look DATA + 3           ; RPL
      lar bx, [selector]
      jmp done
      selector: dw CODE`,
      'desc 0, 0xfff, 0x99, 4\ngate CODE, 0, 0x8c, 0\ngate CODE, 0, 0x8e, 0',
    )
    const none = 0xdeadbeef
    expect(out).toEqual([
      ...[0x00cf9b00, 0xffffffff, 1],
      ...[0x00cf9300, 0xffffffff, 0x101],
      ...[0x00cff300, 0xffffffff, 0x101],
      ...[0x00008b00, 0x2087, 0],
      ...[0x00409900, 0xfff, 0],
      ...[0x00008c00, none, 0],
      ...[none, none, 0],
      ...[none, none, 0],
      ...[none, none, 0],
      ...[none, none, 0],
    ])
  })

  test('ARPL raises RPL and says so; LLDT, SLDT, STR, SMSW', () => {
    const { out } = runProtected(
      `
      mov ecx, 0x10
      mov edx, 3
      arpl cx, dx
      setz al
      movzx eax, al
      call emit_eax
      emit ecx
      arpl cx, dx
      setz al
      movzx eax, al
      call emit_eax
      mov ax, FREE
      lldt ax
      sldt eax
      call emit_eax
      mov ax, 4               ; the LDT's first entry
      mov es, ax
      emit dword [es:0]
      str ebx
      emit ebx
      mov ebx, -1
      str bx
      emit ebx
      smsw ebx
      emit ebx
      expect_fault one
      mov ax, TSS1            ; busy
      ltr ax
    one:
      expect_fault two
      mov ax, CODE
      lldt ax
    two:
      jmp done
      align 8
    ldt:
      desc addr(ldt), 0xfff, 0x93, 4`,
      'desc addr(ldt), 0x7, 0x82, 0',
    )
    expect(out.slice(0, 4)).toEqual([1, 0x13, 0, 0x48])
    expect(out.slice(5, 8)).toEqual([0x38, 0xffff0038, 0x60000011])
    expect(out.slice(8)).toEqual([13, 0x38, 8, 13, 0x08, 8])
  })
})
