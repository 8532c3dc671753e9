/** What an instruction that faults leaves behind: nothing that counts for the next one. */
import { describe, expect, test } from 'vitest'
import { newSnapshot } from '../../../conformance/native/native-cpu.js'
import { SoftCpu } from '../../../conformance/native/soft-cpu.js'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'

/** 2 to 4 MiB in 4 KiB pages by the table at 0x23000, page 0x201000 absent; ring 3 has a stack to come back on. */
const pagedTwoMiB = `
   mov rax, 0x7f00
   mov [tss1 + 4], rax
   mov ax, TSS64
   ltr ax
   mov edi, 0x23000
   mov eax, 0x200007
   mov ecx, 512
  fill: mov [rdi], eax
   mov dword [rdi + 4], 0
   add eax, 0x1000
   add edi, 8
   loop fill
   mov dword [0x22008], 0x23007
   mov rax, cr3
   mov cr3, rax`

describe.skipIf(!haveNasm)('the decoder', () => {
  const split = (instruction: string, bytes: number, user: boolean) => `
   long_gate 14, 0, pf
   long_gate 3, 0, brk${pagedTwoMiB}
   mov rdi, 0x201000 - ${bytes}
   mov rsi, blob
   mov ecx, blobend - blob
   rep movsb
   mov dword [0x201100], 5
   and dword [0x23008], ~1
   mov rax, cr3
   mov cr3, rax
   mov rbx, 0x5000
   mov dword [rbx], 0x1111
   mov dword [rbx + 8], 0x2222
   mov rax, 0x201000 - ${bytes}
   ${user ? 'push UDATA\npush 0x6000\npush 0x3002\npush FREE + 0x20 + 3\npush rax\niretq' : 'jmp rax'}
  align 16
  blob: ${instruction}
   int3
  blobend:
  align 16
  pf: mov ecx, [rbx]
   mov edx, [rbx + 8]
   or dword [0x23008], 1
   invlpg [0x201000]
   emit64 rcx
   emit64 rdx
   add rsp, 8
   iretq
  brk: emit64 0x77
   hlt`

  test.each([
    ['mov ecx, [rel blob + 0x100]', 3],
    ['cmp byte [rel blob + 0x100], 5', 6],
    ['cmp byte [rel blob + 0x100], 5', 3],
    ['mov dword [rel blob + 0x200], 5', 7],
    ['lea rcx, [rel blob + 5]', 4],
  ])('decodes the handler rightly after a fetch of %s that faults behind %i bytes', (instruction, bytes) => {
    for (const user of [false, true])
      expect(runLong(split(instruction, bytes, user)).out).toEqual([0x1111, 0x2222, 0x77])
  })

  test('ring 3 cannot have the kernel misread an operand by an invalid RIP-relative instruction', () => {
    const { out } = runLong(`
   long_gate 6, 0, ud
   mov rax, 0x7f00
   mov [tss1 + 4], rax
   mov ax, TSS64
   ltr ax
   mov rbx, 0x5000
   mov dword [rbx], 0x11112222
   push UDATA
   push 0x6000
   push 0x3002
   push FREE + 0x20 + 3
   mov rax, u
   push rax
   iretq
 u: db 0xf0
   mov eax, [rel u]
 ud: mov ecx, [rbx]
   emit64 rcx
   hlt`)
    expect(out).toEqual([0x11112222])
  })
})

describe('an invalid instruction', () => {
  test.each([
    ['LOCK MOV EAX,[RIP]', [0xf0, 0x8b, 0x05, 0, 0, 0, 0]],
    ['LOCK NOP [RIP]', [0xf0, 0x0f, 0x1f, 0x05, 0, 0, 0, 0]],
    ['LOCK LEA EAX,[RIP]', [0xf0, 0x8d, 0x05, 0, 0, 0, 0]],
    ['a RIP-relative one of 16 bytes', [...Array(9).fill(0x66), 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 2, 3, 4]],
    ['VPGATHERDD without a vector index', [0xc4, 0xe2, 0x69, 0x90, 0x05, 0, 0, 0, 0]],
  ])('%s is followed by a rightly decoded one', (_, bytes) => {
    const cpu = new SoftCpu({}, undefined, 'max')
    const input = newSnapshot()
    input.gpr[3] = cpu.dataAddress
    for (let i = 0; i < input.data.length; i++) input.data[i] = i & 0xff
    const out = newSnapshot()
    // The exceptions' handlers are decoded before: the instruction behind is the first new one.
    for (const warm of [
      [0x0f, 0x0b],
      [...Array(15).fill(0x66), 0x90],
    ])
      cpu.run(Uint8Array.from(warm), input, out)
    cpu.run(Uint8Array.from(bytes), input, out)
    expect(out.exception).toBeDefined()
    cpu.run(Uint8Array.from([0x8b, 0x03]), input, out)
    expect(out.gpr[0]).toBe(0x03020100n)
  })
})

describe.skipIf(!haveNasm)('data breakpoints', () => {
  /** DR0 at `at`; reports the vector of each exception, for #DB its distance from behind the instruction, and DR6. */
  const watched = (instruction: string, rw: number, at = 0x201000, before = '') => `
   long_gate 14, 0, pfh
   long_gate 1, 0, dbh${pagedTwoMiB}
   and dword [0x23008], ~1
   mov rax, cr4
   or eax, 0x600
   mov cr4, rax
   fninit
   fld1
   mov rax, cr3
   mov cr3, rax
   mov rax, ${at}
   mov dr0, rax
   mov rax, 0xffff0ff0
   mov dr6, rax
   mov rax, 0x400 | 3 | (${rw} << 16) | (3 << 18)
   mov dr7, rax
   mov rdi, 0x201000
   mov rsi, 0x5000
   mov ebx, 0x77
   mov ecx, 1
   ${before}
  x: ${instruction}
  y: nop
   emit64 0x99
   jmp done64
  pfh: add rsp, 8
   push rax
   push rcx
   emit64 14
   mov rax, dr6
   and eax, 0xf
   emit64 rax
   or dword [0x23008], 1
   invlpg [0x201000]
   pop rcx
   pop rax
   iretq
  dbh: push rax
   push rcx
   emit64 1
   mov rax, [rsp + 16]
   sub rax, y
   emit64 rax
   mov rax, dr6
   and eax, 0xf
   emit64 rax
   mov rax, 0xffff0ff0
   mov dr6, rax
   pop rcx
   pop rax
   iretq`

  test.each([
    ['mov [rdi], ebx', 1],
    ['mov eax, [rdi]', 3],
    ['add [rdi], ebx', 1],
    ['stosb', 1],
    ['movsb', 1],
    ['movups [rdi], xmm0', 1],
    ['xchg [rdi], ebx', 1],
    ['cmpxchg [rdi], ebx', 1],
    ['fstp dword [rdi]', 1],
  ])('%s to an absent page is #PF with DR6 clear, then one #DB behind the instruction', (instruction, rw) => {
    expect(runLong(watched(instruction, rw)).out).toEqual([14, 0, 1, 0, 1, 0x99])
  })

  test.each([
    ['the half that is there, of a load whose other half faults', 'movups xmm0, [0x200ff8]', 3, 0x200ff8],
    ['the source of a move whose destination faults', 'movsb', 3, 0x5000],
  ])('%s is hit once, when the instruction is done', (_, instruction, rw, at) => {
    expect(runLong(watched(instruction, rw, at)).out).toEqual([14, 0, 1, 0, 1, 0x99])
  })

  test('INS to an absent page reads no port and hits no I/O breakpoint before it is done', () => {
    const program = watched('insb', 2, 0x80, 'mov rax, cr4\nor eax, 8\nmov cr4, rax\nmov edx, 0x80')
    const { out } = runLong(program.replace('(3 << 18)', '0'))
    expect(out).toEqual([14, 0, 1, 0, 1, 0x99])
  })

  test('OUTS from an absent page writes no port and hits no I/O breakpoint before it is done', () => {
    const before = 'mov rsi, 0x201000\nmov rax, cr4\nor eax, 8\nmov cr4, rax\nmov edx, 0x80'
    const { out } = runLong(watched('outsb', 2, 0x80, before).replace('(3 << 18)', '0'))
    expect(out).toEqual([14, 0, 1, 0, 1, 0x99])
  })
})
