/**
 * Programs for tests of the system half of the CPU: a nasm prelude that goes to 32-bit protected mode with a GDT, an
 * IDT and two TSSs, and reports what happens through port E9, a byte at a time (so that the same program can be run on
 * another emulator for comparison).
 *
 * `emit x` reports a dword. `expect_fault label` makes the next exception report its vector, error code and CS and go on
 * at `label` in ring 0 with a fresh stack.
 */
import { assemble, BareCpu } from '../driver.js'

const PRELUDE = `
%define CODE 0x08
%define DATA 0x10
%define CODE16 0x18
%define DATA16 0x20
%define UCODE (0x28|3)
%define UDATA (0x30|3)
%define TSS1 0x38
%define TSS2 0x40
%define FREE 0x48
STACK equ 0x7000
; A label as a number, which descriptors need.
%define addr(label) ((label) - $$ + 0x7c00)
; desc base, limit, access, flags (G D L AVL)
%macro desc 4
  dw (%2) & 0xffff, (%1) & 0xffff
  db ((%1) >> 16) & 0xff, %3, (((%2) >> 16) & 15) | ((%4) << 4), ((%1) >> 24) & 0xff
%endmacro
; gate selector, offset, access, count
%macro gate 4
  dw (%2) & 0xffff, %1, (%3) << 8 | (%4), ((%2) >> 16) & 0xffff
%endmacro
%macro emit 1
  mov eax, %1
  call emit_eax
%endmacro
%macro expect_fault 1
  mov dword [resume], %1
%endmacro
; set_gate vector, access, offset
%macro set_gate 3
  mov dword [idt + (%1) * 8], (CODE << 16) | addr(%3)
  mov dword [idt + (%1) * 8 + 4], (%2) << 8
%endmacro
; A flat image of 32 KiB: everything lies below 64 KiB.
org 0x7c00
bits 16
start:
  cli
  xor ax, ax
  mov ds, ax
  lgdt [gdtr]
  lidt [idtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword CODE:pm
align 8
gdt:
  dq 0
  desc 0, 0xfffff, 0x9b, 0xc
  desc 0, 0xfffff, 0x93, 0xc
  desc 0, 0xffff, 0x9b, 0
  desc 0, 0xffff, 0x93, 0
  desc 0, 0xfffff, 0xfb, 0xc
  desc 0, 0xfffff, 0xf3, 0xc
  desc tss1, 0x67 + 0x2000 + 32, 0x89, 0
  desc tss2, 0x67, 0x89, 0
EXTRA_GDT
gdt_end:
gdtr: dw gdt_end - gdt - 1
  dd gdt
idtr: dw 0x7ff
  dd idt
resume: dd 0
saved_eip: dd 0
saved_flags: dd 0
bits 32
emit_eax:
  push ecx
  mov ecx, 4
.next:
  out 0xe9, al
  ror eax, 8
  loop .next
  pop ecx
  ret
%assign i 0
stubs:
%rep 32
align 16
%if i != 8 && (i < 10 || i > 14) && i != 17
  push dword 0
%endif
  push dword i
  jmp report
%assign i i+1
%endrep
align 16
report:
  mov eax, DATA
  mov ds, eax
  mov es, eax
  pop eax
  call emit_eax
  pop eax
  call emit_eax
  mov eax, [esp + 4]
  call emit_eax
  mov eax, [esp + 8]
  mov [saved_flags], eax
  mov eax, [esp]
  mov [saved_eip], eax
  mov esp, STACK
  mov eax, DATA
  mov ss, eax
  cmp dword [resume], 0
  je done
  jmp [resume]
done:
  cli
  hlt
  jmp done
; user eip: to ring 3 with a stack at 0x6000
to_user:
  pop eax
  push dword UDATA
  push dword 0x6000
  push dword 0x3002
  push dword UCODE
  push eax
  mov eax, UDATA
  mov ds, eax
  mov es, eax
  iret
%macro user 0
  call to_user
%endmacro
pm:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov esp, STACK
  ; IDT: interrupt gates to the stubs.
  mov edi, idt
  mov ebx, stubs
  mov ecx, 32
.fill:
  mov eax, ebx
  and eax, 0xffff
  or eax, CODE << 16
  stosd
  mov eax, ebx
  and eax, 0xffff0000
  or eax, 0x8e00
  stosd
  add ebx, 16
  loop .fill
  mov dword [tss1 + 4], STACK - 0x800
  mov dword [tss1 + 8], DATA
  mov word [tss1 + 102], 104 + 32
  mov ax, TSS1
  ltr ax
test:
TEST_BODY
  jmp done
idt equ 0x10000
tss1 equ 0x11000
tss2 equ 0x14000
`

/** The nasm source of a test: `body` starts in ring 0 with flat segments; `gdt` adds descriptors from selector FREE on. */
export function source(body: string, gdt = ''): string {
  return PRELUDE.replace('EXTRA_GDT', () => gdt).replace('TEST_BODY', () => body)
}

export interface Outcome {
  cpu: BareCpu
  reason: string
  /** Reported dwords. */
  out: number[]
}

/** Assembles and runs until HLT, shutdown or `instructions`. */
export function runProtected(body: string, gdt = '', cpu = new BareCpu(), instructions = 100_000): Outcome {
  cpu.boot(assemble(source(body, gdt)))
  const exit = cpu.run(instructions)
  return { cpu, reason: exit.reason, out: dwords(cpu) }
}

/** The bytes of port E9 as little-endian dwords. */
export function dwords(cpu: BareCpu): number[] {
  const bytes = Uint8Array.from(cpu.portWrites.filter(([port]) => port === 0xe9).map(([, value]) => value))
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(i * 4, true))
}
