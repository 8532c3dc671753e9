import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

const CODE = 8
const USER = 0x2b

describe.skipIf(!haveNasm)('segment faults', () => {
  test('a read past the limit of DS is #GP(0), of SS #SS(0)', () => {
    const { out, reason } = runProtected(
      `
      expect_fault one
      mov ax, FREE
      mov ds, ax
      mov eax, [0xffc]        ; the last dword
      mov eax, [0xffd]
    one:
      expect_fault two
      user
      mov ax, FREE + 8 + 3
      mov ss, ax
      mov ebp, 0xffd
      mov eax, [ebp]
    two:
      expect_fault three
      user
      mov ax, FREE + 8 + 3
      mov ss, ax
      mov esp, 2
      push eax
    three:`,
      'desc 0, 0xfff, 0x93, 4\ndesc 0, 0xfff, 0xf3, 4',
    )
    expect(reason).toBe('halt')
    expect(out).toEqual([13, 0, CODE, 12, 0, USER, 12, 0, USER])
  })

  test('expand-down segments reach from the limit to the top', () => {
    const { out } = runProtected(
      `
      mov ax, FREE
      mov es, ax
      mov eax, [es:0x1000]
      mov eax, [es:0xfffffffc]
      expect_fault one
      mov eax, [es:0xfff]
    one:
      mov ax, FREE + 8        ; 16-bit: top is ffff
      mov es, ax
      mov eax, [es:0xfffc]
      expect_fault two
      mov eax, [es:0xfffd]
    two:`,
      'desc 0, 0xfff, 0x97, 4\ndesc 0, 0xfff, 0x97, 0',
    )
    expect(out).toEqual([13, 0, CODE, 13, 0, CODE])
  })

  test('loads report the selector: not present #NP, beyond the table #GP, SS wants writable data of its level', () => {
    const { out } = runProtected(
      `
      %macro load 2
        expect_fault %%next
        mov eax, %2
        mov %1, ax
      %%next:
      %endmacro
      load ds, FREE           ; not present
      load ds, 0x1000         ; beyond the GDT
      load ds, FREE + 8       ; execute-only code
      load ds, TSS1
      load ss, 0
      load ss, FREE + 3       ; wrong RPL
      load ss, UDATA
      load ss, FREE + 16      ; not present
      load ss, CODE
      load ds, 0x0c           ; LDT: there is none
    `,
      'desc 0, 0xfff, 0x13, 4\ndesc 0, 0xfff, 0x99, 4\ndesc 0, 0xfff, 0x13, 4',
    )
    const expected = [
      [11, 0x48],
      [13, 0x1000],
      [13, 0x50],
      [13, 0x38],
      [13, 0],
      [13, 0x48],
      [13, 0x30],
      [12, 0x58],
      [13, 0x08],
      [13, 0x0c],
    ]
    expect(out).toEqual(expected.flatMap(([vector, error]) => [vector, error, CODE]))
  })

  test('a null selector loads and faults on use; code segments cannot be written', () => {
    const { out } = runProtected(`
      xor eax, eax
      mov es, ax
      expect_fault one
      mov eax, [es:0]
    one:
      expect_fault two
      mov [cs:0x500], eax
    two:
      expect_fault three
      mov ax, CODE
      mov ds, ax
      mov eax, [0x500]
      mov [0x500], eax
    three:`)
    expect(out).toEqual([13, 0, CODE, 13, 0, CODE, 13, 0, CODE])
  })

  test('the accessed bit is set in the table by a load', () => {
    const { out } = runProtected(
      `
      movzx ebx, byte [gdt + FREE + 5]
      mov ax, FREE
      mov es, ax
      emit ebx
      emit dword [gdt + FREE + 4]`,
      'desc 0, 0xfff, 0x92, 4',
    )
    expect(out).toEqual([0x92, 0x00409300])
  })

  test('branches beyond the limit of CS fault before they are taken', () => {
    const { out } = runProtected(
      `
      jmp FREE:here - 0x7c00
    here:
      expect_fault one
      mov eax, 0x2000
      jmp eax
    one:
      expect_fault two
      jmp FREE:0x2000
    two:`,
      'desc 0x7c00, 0xfff, 0x9b, 4',
    )
    expect(out).toEqual([13, 0, 0x48, 13, 0, CODE])
  })
})

describe.skipIf(!haveNasm)('faults on faults', () => {
  test('a contributory fault on the way to another is a double fault', () => {
    const { out } = runProtected(`
      mov dword [idt + 13 * 8 + 4], 0     ; #GP: not a gate
      expect_fault one
      mov ax, TSS2
      mov ds, ax
    one:`)
    expect(out).toEqual([8, 0, CODE])
  })

  test('#GP on the way of INT n or of a benign exception is itself, with IDT and EXT bits', () => {
    const { out } = runProtected(`
      mov dword [idt + 6 * 8 + 4], 0
      expect_fault one
      ud2
    one:
      expect_fault two
      int 0x30
    two:
      mov dword [idt + 3 * 8 + 4], 0x0e00 ; not present
      expect_fault three
      int3
    three:
      expect_fault four
      int 200
    four:
      lidt [small]
      expect_fault five
      int 0x30
    five:
      jmp done
    small: dw 0xff
      dd idt`)
    expect(out).toEqual([
      ...[13, 6 * 8 + 3, CODE],
      ...[13, 0x30 * 8 + 2, CODE],
      ...[11, 3 * 8 + 2, CODE],
      ...[13, 200 * 8 + 2, CODE],
      ...[13, 0x30 * 8 + 2, CODE],
    ])
  })

  test('a third fault shuts the CPU down', () => {
    const { reason, out } = runProtected(`
      lidt [none]
      ud2
    none: dw 0
      dd 0`)
    expect(reason).toBe('shutdown')
    expect(out).toEqual([])
  })

  test('faults push RF, traps do not, and the frame holds the faulting instruction', () => {
    const { out } = runProtected(`
      expect_fault one
    place:
      ud2
    one:
      emit dword [saved_flags]
      mov eax, [saved_eip]
      sub eax, place
      call emit_eax
      expect_fault two
    place2:
      int3
    two:
      emit dword [saved_flags]
      mov eax, [saved_eip]
      sub eax, place2
      call emit_eax`)
    expect(out.slice(0, 3)).toEqual([6, 0, CODE])
    expect(out[3] & 0x10000).toBe(0x10000)
    expect(out[4]).toBe(0)
    expect(out.slice(5, 8)).toEqual([3, 0, CODE])
    expect(out[8] & 0x10000).toBe(0)
    expect(out[9]).toBe(1)
  })
})

describe.skipIf(!haveNasm)('page faults', () => {
  // 4 MiB identity by 4 KiB pages: directory at 0x20000, table at 0x21000.
  const paging = `
      mov edi, 0x20000
      mov ecx, 1024
      xor eax, eax
      rep stosd
      mov dword [0x20000], 0x21007
      mov edi, 0x21000
      mov eax, 7
      mov ecx, 1024
    .map:
      stosd
      add eax, 0x1000
      loop .map
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80010000
      mov cr0, eax`

  test('error codes tell presence, write, user; CR2 the address', () => {
    const { out } = runProtected(`${paging}
      mov dword [0x21000 + 0x30 * 4], 0          ; 0x30000 absent
      mov dword [0x21000 + 0x31 * 4], 0x31005    ; read-only
      mov dword [0x21000 + 0x32 * 4], 0x32003    ; supervisor
      expect_fault one
      mov eax, [0x30123]
    one:
      emit cr2
      expect_fault two
      mov [0x30124], eax
    two:
      emit cr2
      expect_fault three
      mov [0x31000], eax       ; WP
    three:
      mov eax, cr0
      and eax, ~0x10000
      mov cr0, eax
      mov [0x31000], eax       ; no WP
      expect_fault four
      user
      mov eax, [0x31000]
      mov [0x31000], eax
    four:
      expect_fault five
      user
      mov eax, [0x32000]
    five:
      expect_fault six
      user
      mov [0x30000], eax
    six:
      expect_fault seven
      jmp 0x30000
    seven:
      mov eax, [0x33ffe]       ; accessed and dirty bits
      mov [0x35000], eax
      mov eax, [0x21000 + 0x33 * 4]
      call emit_eax
      mov eax, [0x21000 + 0x34 * 4]
      call emit_eax
      mov eax, [0x21000 + 0x35 * 4]
      call emit_eax
    `)
    expect(out).toEqual([
      ...[14, 0, CODE, 0x30123],
      ...[14, 2, CODE, 0x30124],
      ...[14, 3, CODE],
      ...[14, 7, USER],
      ...[14, 5, USER],
      ...[14, 6, USER],
      ...[14, 0, CODE],
      0x33027,
      0x34027,
      0x35067,
    ])
  })

  test('without its IDT in memory a page fault ends in shutdown', () => {
    const { out, reason } = runProtected(`${paging}
      mov dword [0x21000 + 0x10 * 4], 0          ; the page of the IDT
      mov dword [0x21000 + 0x30 * 4], 0
      lidt [gpidt]
      invlpg [0x10000]
      expect_fault one
      mov eax, [0x30000]
    one:
      jmp done
      gpidt: dw 0x7ff
        dd idt`)
    expect(reason).toBe('shutdown')
    expect(out).toEqual([])
  })

  test('a page fault on the way of a contributory one is a page fault', () => {
    const { out } = runProtected(
      `${paging}
      ; The handler of #GP is in a segment whose descriptor lies in an absent page.
      mov ax, FREE
      lldt ax
      mov word [idt + 13 * 8 + 2], 0x0c
      mov dword [0x21000 + 0x30 * 4], 0
      invlpg [0x30000]
      expect_fault one
      mov ax, 0x1000
      mov ds, ax
    one:
      emit cr2`,
      'desc 0x30000, 0xfff, 0x82, 0',
    )
    expect(out).toEqual([14, 0, CODE, 0x30008])
  })

  test('a fault in the middle of REP INS leaves the finished iterations finished and reads no port for nothing', () => {
    const outcome = runProtected(`${paging}
      mov dword [0x21000 + 0x31 * 4], 0x31005
      expect_fault one
      mov edi, 0x30ffd
      mov ecx, 6
      mov edx, 0x60
      cld
      rep insb
    one:
      emit edi
      emit ecx`)
    expect(outcome.out).toEqual([14, 3, CODE, 0x31000, 3])
  })
})
