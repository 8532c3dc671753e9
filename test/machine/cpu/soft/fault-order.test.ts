/** Which fault comes first, and what an instruction that faults has written: as the host's CPU does it. */
import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'
import { runProtected } from './protected.js'

describe.skipIf(!haveNasm)('PUSHA', () => {
  /** ESP at `sp` with page 30000h absent: CR2 and ESP of the fault, and the dword at 31000h. */
  const pusha = (sp: number, absent: number) =>
    runProtected(`
      mov edi, 0x20000
      mov ecx, 1024
      xor eax, eax
      rep stosd
      mov dword [0x20000], 0x21007
      mov edi, 0x21000
      mov eax, 7
      mov ecx, 1024
    map: mov [edi], eax
      add eax, 0x1000
      add edi, 4
      loop map
      mov dword [0x31000], 0x55
      and dword [0x21000 + ${absent} * 4], ~1
      set_gate 14, 0x8e, pf
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      push dword UDATA
      push dword ${sp}
      push dword 0x3002
      push dword UCODE
      push dword u
      iret
    u: mov eax, 0x66
      mov ebx, 0x77
      pusha
      nop
    pf: mov ax, DATA
      mov ds, ax
      mov eax, cr2
      call emit_eax
      mov eax, [esp + 16]
      call emit_eax
      or dword [0x21000 + ${absent} * 4], 1
      mov eax, cr3
      mov cr3, eax
      emit dword [0x31000]
      jmp done`).out

  test('faults at the first push that fails, with ESP as it was; the pushes before it lie below', () => {
    expect(pusha(0x31010, 0x30)).toEqual([0x30ffc, 0x31010, 0x77])
    expect(pusha(0x31004, 0x30)).toEqual([0x30ffc, 0x31004, 0x66])
    expect(pusha(0x31ff0, 0x31)).toEqual([0x31fec, 0x31ff0, 0x55])
  })
})

/** 2 to 4 MiB in 4 KiB pages, page 201000h absent; vectors are reported, and what `after` says. */
const paged = (body: string, after = '') => `
   long_gate 13, 0, gp
   long_gate 14, 0, pf
   long_gate 17, 0, ac
   mov rax, 0x7f00
   mov [tss1 + 4], rax
   mov ax, TSS64
   ltr ax
   mov rax, cr4
   or eax, 0x40600
   mov cr4, rax
   xor ecx, ecx
   xor edx, edx
   mov eax, 7
   xsetbv
   mov edi, 0x23000
   mov eax, 0x200007
   mov ecx, 512
  fill: mov [rdi], eax
   mov dword [rdi + 4], 0
   add eax, 0x1000
   add edi, 8
   loop fill
   mov dword [0x22008], 0x23007
   and dword [0x23008], ~1
   mov rax, cr3
   mov cr3, rax
   ${body}
   emit64 0
   hlt
  gp: emit64 13
   jmp after
  ac: emit64 17
   jmp after
  pf: emit64 14
   mov rax, cr2
   call emit_rax64
  after: mov ax, UDATA
   ${after}
   hlt`

describe.skipIf(!haveNasm)('alignment comes before the page', () => {
  test.each([
    ['VMOVAPS YMM at 16 mod 32, first half absent', 'vmovaps ymm0, [0x201ff0]', [13]],
    ['VMOVAPS YMM at 16 mod 32, second half absent', 'vmovaps ymm0, [0x200ff0]', [13]],
    ['VMOVAPS YMM, aligned, absent', 'vmovaps ymm0, [0x201fe0]', [14, 0x201fe0]],
    ['VMOVAPS YMM, store', 'vmovaps [0x201ff0], ymm0', [13]],
    ['MOVAPS', 'movaps xmm0, [0x201ff8]', [13]],
    ['CMPXCHG16B', 'cmpxchg16b [0x201ff8]', [13]],
    [
      'CMPXCHG16B, whose FS base is misaligned',
      'mov ecx, 0xc0000100\nmov eax, 8\nxor edx, edx\nwrmsr\ncmpxchg16b [fs:0x5000]',
      [13],
    ],
  ])('%s', (_, instruction, out) => {
    expect(runLong(paged(instruction), 'max').out).toEqual(out)
  })

  const ring3 = (instruction: string) =>
    paged(`mov rax, cr0
   or eax, 0x40000
   mov cr0, rax
   mov edi, ud
   mov word [idt64 + 6 * 16], di
   long_gate 6, 0, ud
   push UDATA
   push 0x6000
   push 0x43002
   push FREE + 0x20 + 3
   mov rax, u
   push rax
   iretq
  u: ${instruction}
   ud2
  ud: emit64 6
   hlt`)

  test.each([
    ['a load', 'mov eax, [0x201001]'],
    ['a store', 'mov [0x201001], eax'],
    ['a read-modify-write', 'add [0x201001], eax'],
    ['XCHG', 'xchg [0x201002], eax'],
    ['CMPXCHG8B', 'cmpxchg8b [0x201004]'],
    ['a read-modify-write of a page that is there', 'add [0x202001], eax'],
  ])('#AC: %s', (_, instruction) => {
    expect(runLong(ring3(instruction), 'max').out).toEqual([17])
  })

  test('a gather has no alignment check', () => {
    const gather =
      'vpcmpeqd xmm1, xmm1, xmm1\nvpxor xmm3, xmm3, xmm3\nmov edi, 0x202002\nvpgatherdd xmm0, [rdi + xmm3 * 4], xmm1'
    expect(runLong(ring3(gather), 'max').out).toEqual([6])
  })
})

describe.skipIf(!haveNasm)('alignment checking is on at once', () => {
  /** Ring 3 reads [5001h] with AC = 0, which fills its TLB; the kernel does `kernel`; then ring 3 reads it again. */
  const program = (kernel: string) => `
   long_gate 17, 0, ac
   mov rax, 0x7f00
   mov [tss1 + 4], rax
   mov ax, TSS64
   ltr ax
   mov rax, cr0
   or eax, 0x40000
   mov cr0, rax
   mov ecx, 0xc0000081
   mov edx, ((FREE + 0x10) << 16) | FREE
   xor eax, eax
   wrmsr
   mov ecx, 0xc0000082
   mov eax, kern
   xor edx, edx
   wrmsr
   mov ecx, 0xc0000084
   mov eax, 0x200
   wrmsr
   push UDATA
   push 0x6000
   push 0x3002
   push FREE + 0x20 + 3
   mov rax, u
   push rax
   iretq
 u: mov eax, [0x5001]
   mov dword [0x5005], 1
   syscall
   mov eax, [0x5001]
   emit64 0x60
   hlt
 kern: mov rsp, 0x7e00
   ${kernel}
 ac: emit64 17
   hlt`
  const iretq = 'push UDATA\npush 0x6000\npush 0x43002\npush FREE + 0x20 + 3\npush rcx\niretq'

  test.each([
    ['SYSRET', 'or r11d, 0x40000\nmov rsp, 0x6000\no64 sysret'],
    ['IRETQ', iretq],
    ['IRETQ, where the kernel has set AC before', `stac\n${iretq}`],
    ['SYSRET, where the kernel has set AC before', 'stac\nor r11d, 0x40000\nmov rsp, 0x6000\no64 sysret'],
  ])('%s', (_, kernel) => {
    expect(runLong(program(kernel), 'max').out).toEqual([17])
  })

  test('and not where AC is clear', () => {
    expect(runLong(program('mov rsp, 0x6000\no64 sysret').replace('emit64 0x60', 'mov rax, 0x60\nud2')).out).toEqual([])
  })
})

describe.skipIf(!haveNasm)('masked stores', () => {
  test.each([
    ['MASKMOVDQU', 'pcmpeqd xmm1, xmm1\npcmpeqd xmm0, xmm0\nmov edi, 0x200ff8\nmaskmovdqu xmm0, xmm1'],
    ['MASKMOVQ', 'pcmpeqd mm1, mm1\npsrlq mm1, 8\npcmpeqd mm0, mm0\nmov edi, 0x200ffc\nmaskmovq mm0, mm1'],
  ])('%s over a page end writes nothing where it faults', (_, instruction) => {
    const { out } = runLong(paged(`mov dword [0x200ffc], 5\n${instruction}`, 'mov eax, [0x200ffc]\ncall emit_rax64'))
    expect(out).toEqual([14, 0x201000, 5])
  })

  test('MASKMOVDQU whose mask leaves the absent page out does not fault', () => {
    const mask = 'pcmpeqd xmm1, xmm1\npsrldq xmm1, 8\npcmpeqd xmm0, xmm0\nmov edi, 0x200ff8\nmaskmovdqu xmm0, xmm1'
    expect(runLong(paged(mask)).out).toEqual([0])
  })
})

describe.skipIf(!haveNasm)('REX.R', () => {
  test('does not count for a segment register', () => {
    const { out } = runLong(`
      long_gate 6, 0, ud
      mov ax, UDATA
      mov ds, ax
      db 0x44, 0x8c, 0xd8         ; MOV EAX,DS
      call emit_rax64
      xor eax, eax
      db 0x4c, 0x8c, 0xd8         ; MOV RAX,DS
      call emit_rax64
      mov ax, UDATA
      db 0x44, 0x8e, 0xe0         ; MOV FS,AX
      mov eax, fs
      call emit_rax64
      xor eax, eax
      db 0x44, 0x8e, 0xd8         ; MOV DS,AX
      mov eax, ds
      call emit_rax64
      emit64 [gs:0x5000]
      jmp done64
    ud: emit64 6
      hlt`)
    expect(out).toEqual([0x33, 0x33, 0x33, 0, 0])
  })
})
