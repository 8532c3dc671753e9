import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

/** Enters virtual-8086 mode at `label` with SS:SP 0:5000, DS 1000, ES 2000, FS 3000, GS 4000. */
const enter = (label: string, flags: string): string => `
      push dword 0x4000
      push dword 0x3000
      push dword 0x1000
      push dword 0x2000
      push dword 0
      push dword 0x5000
      push dword 0x20002 | ${flags}
      push dword 0
      push dword ${label}
      iret`

/** Reports the whole frame of a virtual-8086 program that faulted or called. */
const monitor = `
    monitor:
      mov ebp, esp
      mov eax, ds
      mov ebx, gs
      add ebx, eax
      mov eax, DATA
      mov ds, eax
      emit ebx
      mov ecx, FRAME
    .next:
      mov eax, [ebp]
      call emit_eax
      add ebp, 4
      loop .next
      jmp done`

describe.skipIf(!haveNasm)('virtual-8086 mode', () => {
  test('an interrupt leaves it for ring 0 with all segments on the stack and nulled', () => {
    const { out } = runProtected(`
      %define FRAME 9
      set_gate 0x21, 0xee, monitor
      ${enter('v86', '0x3000')}
      ${monitor}
      bits 16
    v86:
      mov ax, ds
      inc ax
      mov ds, ax
      push ax
      int 0x21
    behind:
      bits 32`)
    expect(out[0]).toBe(0)
    expect(out.slice(2)).toEqual([0, 0x23002, 0x4ffe, 0, 0x2000, 0x1001, 0x3000, 0x4000])
  })

  test('segments are 64 KiB and start at selector times 16', () => {
    const { out } = runProtected(`
      %define FRAME 3
      set_gate 13, 0x8e, monitor
      mov dword [0x10008], 0x8899aabb
      ${enter('v86', '0x3000')}
      ${monitor}
      bits 16
    v86:
      mov eax, [8]
      mov [cs:0x600], eax
      mov eax, [0x600]
    bad:
      mov ax, [0xffff]
      bits 32`)
    expect(out.slice(1)).toEqual([0, out[2], 0])
    const again = runProtected(`
      ${enter('v86', '0x3000')}
      bits 16
    v86:
      mov ax, 0x1234
      mov es, ax
      mov dword [es:4], 0xcafe
      mov dword [ss:0x600], 0x77
      int3
      bits 32`)
    expect(new DataView(again.cpu.ram.buffer, again.cpu.ram.byteOffset).getUint32(0x12344, true)).toBe(0xcafe)
    expect(new DataView(again.cpu.ram.buffer, again.cpu.ram.byteOffset).getUint32(0x600, true)).toBe(0x77)
  })

  test.each([
    ['cli', 13],
    ['sti', 13],
    ['pushf', 13],
    ['popf', 13],
    ['int 0x21', 13],
    ['iret', 13],
    ['hlt', 13],
    ['mov eax, cr0', 13],
    ['lgdt [0]', 13],
    ['lldt ax', 6],
    ['sldt ax', 6],
    ['lar ax, ax', 6],
    ['arpl ax, ax', 6],
    ['int3', 3],
    ['pushfd', 13],
  ])('%s with IOPL 0 is left to the monitor (%i)', (instruction, vector) => {
    const { out } = runProtected(`
      mov dword [idt + 3 * 8 + 4], 0xee00
      ${enter('v86', '0')}
      bits 16
    v86:
      ${instruction}
      ud2
      bits 32`)
    expect(out.slice(0, 2)).toEqual([vector, 0])
  })

  test('IN and OUT go by the bitmap whatever IOPL', () => {
    const { out } = runProtected(`
      mov byte [tss1 + 136 + 0x60 / 8], 1
      ${enter('v86', '0x3000')}
      bits 16
    v86:
      in al, 0x61
      in al, 0x60
      bits 32`)
    expect(out.slice(0, 2)).toEqual([13, 0])
  })

  test('VME: INT n by the redirection bitmap, CLI, STI, PUSHF and POPF on VIF', () => {
    const { out, cpu } = runProtected(`
      mov eax, cr4
      or eax, 1
      mov cr4, eax
      mov byte [tss1 + 104 + 0x22 / 8], 1 << 2     ; INT 22 goes to the monitor
      mov dword [0x21 * 4], handler
      ${enter('v86', '0')}
      bits 16
    v86:
      sti
      pushf
      pop word [ss:0x600]        ; IF and IOPL 3 as VIF says
      cli
      pushf
      pop word [ss:0x602]
      sti
      int 0x21
    after:
      pushf
      pop word [ss:0x604]
      push word 0x3002
      popf
      pushf
      pop word [ss:0x606]
      int 0x22
    handler:
      pushf
      pop word [ss:0x608]
      mov bp, sp
      mov ax, [bp + 4]
      mov [ss:0x60a], ax
      iret
      bits 32`)
    expect(out.slice(0, 2)).toEqual([13, 0])
    const words = new DataView(cpu.ram.buffer, cpu.ram.byteOffset + 0x600, 12)
    const flags = Array.from({ length: 6 }, (_, i) => words.getUint16(i * 2, true) & 0x7200)
    expect(flags).toEqual([0x3200, 0x3000, 0x3200, 0x3000, 0x3000, 0x3200])
  })

  test('VIP makes STI fault, so that the monitor can deliver', () => {
    const { out } = runProtected(`
      mov eax, cr4
      or eax, 1
      mov cr4, eax
      ${enter('v86', '0x100000')}
      bits 16
    v86:
      sti
      bits 32`)
    expect(out.slice(0, 2)).toEqual([13, 0])
  })

  test('the handler of an interrupt from virtual-8086 mode must be in ring 0', () => {
    const { out } = runProtected(
      `
      mov dword [idt + 0x21 * 8], (FREE << 16)
      mov dword [idt + 0x21 * 8 + 4], 0xee00
      ${enter('v86', '0x3000')}
      bits 16
    v86:
      int 0x21
      bits 32`,
      'desc 0, 0xfffff, 0xfb, 0xc',
    )
    expect(out.slice(0, 2)).toEqual([13, 0x48])
  })
})
