/** Programs in 64-bit code for tests of the system half of the CPU; see protected.ts. */
import { assemble, BareCpu } from '../driver.js'
import { dwords, source } from './protected.js'

/** Goes on from the 32-bit prelude to 64-bit code at `long`; 16 MiB identity-mapped. */
const LONG = `
      mov edi, 0x20000
      mov ecx, 0x3000
      xor eax, eax
      rep stosd
      mov dword [0x20000], 0x21007
      mov dword [0x21000], 0x22007
      mov dword [0x22000], 0x000087
      mov dword [0x22008], 0x200087
      mov eax, cr4
      or eax, 0x20
      mov cr4, eax
      mov eax, 0x20000
      mov cr3, eax
      mov ecx, 0xc0000080
      rdmsr
      or eax, 0x901
      wrmsr
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      jmp FREE:long64
      ; long_gate vector, ist, offset
      %macro long_gate 3
        mov dword [idt64 + (%1) * 16], (FREE << 16) | addr(%3)
        mov dword [idt64 + (%1) * 16 + 4], 0xee00 | (%2)
        mov dword [idt64 + (%1) * 16 + 8], 0
      %endmacro
      idt64 equ 0x15000
    idtr64: dw 0xfff
      dq idt64
      bits 64
    emit_rax64:
      push rcx
      mov ecx, 4
    .next64:
      out 0xe9, al
      ror eax, 8
      loop .next64
      pop rcx
      ret
    %macro emit64 1
      mov rax, %1
      call emit_rax64
    %endmacro
    done64:
      hlt
      jmp done64
    long64:
      mov rsp, STACK
      lidt [idtr64]`

const GDT = `
      desc 0, 0xfffff, 0x9b, 0xa
      desc 0, 0xfffff, 0x93, 0xc
      desc 0, 0xfffff, 0xfb, 0xc     ; SYSRET: 32-bit, data, 64-bit
      desc 0, 0xfffff, 0xf3, 0xc
      desc 0, 0xfffff, 0xfb, 0xa
      desc tss1, 0x67 + 0x2000, 0x89, 0
      dq 0`
export const CODE64 = 0x48
const TSS64 = 0x70

/** Runs `body` in 64-bit code at CPL 0 on the CPU model `model`. */
export function runLong(body: string, model?: string): { out: number[]; cpu: BareCpu; reason: string } {
  const cpu = new BareCpu(undefined, undefined, model)
  cpu.boot(assemble(source(`${LONG}\n%define TSS64 ${TSS64}\n${body}\njmp done64\nbits 32`, GDT)))
  const { reason } = cpu.run(100_000)
  return { out: dwords(cpu), cpu, reason }
}
