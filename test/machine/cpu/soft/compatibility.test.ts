/** Compatibility mode: 32-bit code under a 64-bit kernel has 32-bit linear addresses (Intel SDM vol. 3, 3.3.4). */
import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'

/** `body` in 32-bit code at CPL 0; UDATA has base FFFFF000h and no limit. Exceptions report their vector, #PF CR2 too. */
const compat = (body: string, more = '') => `
      long_gate 12, 0, ss12
      long_gate 13, 0, gp
      long_gate 14, 0, pf
      mov rax, 0xffcff3fff000ffff
      mov rdi, gdt
      mov [rdi + UDATA - 3], rax
      mov rax, 0xffcf93fff000ffff
      mov [rdi + DATA16], rax
      mov rax, 0xffcf9bfff000ffff
      mov [rdi + CODE16], rax
      mov rax, cr4
      or eax, 0x600
      mov cr4, rax
      ${more}
      jmp far dword [rel target]
    target: dd addr(comp)
      dw CODE
    ss12: emit64 12
      hlt
    gp: emit64 13
      hlt
    pf: emit64 14
      mov rax, cr2
      shr rax, 32
      emit64 rax
      mov rax, cr2
      emit64 rax
      hlt
      bits 32
    comp:
      mov ax, UDATA
      mov gs, ax
      mov es, ax
      ${body}
      cli
      hlt`

describe.skipIf(!haveNasm)('base and offset beyond 4 GiB wrap', () => {
  test.each([
    ['a load', 'mov dword [0x3000], 0x1234\nmov eax, [gs:0x4000]', 0x1234],
    ['a store', 'mov dword [gs:0x4004], 0x77\nmov eax, [0x3004]', 0x77],
    ['read-modify-write', 'mov dword [0x3000], 4\nadd dword [gs:0x4000], 1\nmov eax, [0x3000]', 5],
    [
      'PUSH and POP of memory',
      'mov dword [0x3000], 9\npush dword [gs:0x4000]\npop dword [gs:0x4008]\nmov eax, [0x3008]',
      9,
    ],
    ['STOSD', 'mov edi, 0x4008\nmov eax, 0x55\nstosd\nmov eax, [0x3008]', 0x55],
    ['REP STOSD', 'mov edi, 0x4000\nmov ecx, 8\nmov eax, 0x56\nrep stosd\nmov eax, [0x301c]', 0x56],
    [
      'the last bytes below 4 GiB and the first above zero',
      'mov dword [0], 0x11223344\nmov ax, [gs:0x1000]\nmovzx eax, ax',
      0x3344,
    ],
    ['MOVUPS', 'mov dword [0x300c], 7\nmovups xmm0, [gs:0x4000]\nmovups [gs:0x4020], xmm0\nmov eax, [0x302c]', 7],
    ['FSTP m80', 'fninit\nfld1\nfstp tword [gs:0x4000]\nmovzx eax, word [0x3008]', 0x3fff],
    ['FXSAVE', 'fninit\nfxsave [gs:0x4000]\nmovzx eax, word [0x3000]', 0x37f],
    ['a far pointer', 'mov dword [0x3000], 0x1111\nmov word [0x3004], DATA\nles eax, [gs:0x4000]', 0x1111],
    ['CMPXCHG8B', 'mov dword [0x3000], 3\nxor eax, eax\ncmpxchg8b [gs:0x4000]', 3],
    [
      'the stack',
      'mov ax, DATA16\nmov ss, ax\nmov esp, 0x4010\npush dword 0x31\nmov eax, [0x300c]\nmov bx, DATA\nmov ss, bx\nmov esp, 0x6000',
      0x31,
    ],
  ])('%s', (_, body, value) => {
    expect(runLong(compat(`${body}\ncall emit_eax`)).out).toEqual([value])
  })

  test('an access that crosses 4 GiB goes on at 0', () => {
    // The page below 4 GiB is the one at 3000h.
    const map = `
      mov rax, 0x24007
      mov [0x21000 + 3 * 8], rax
      mov rax, 0x25007
      mov [0x24000 + 511 * 8], rax
      mov rax, 0x3007
      mov [0x25000 + 511 * 8], rax
      mov rax, 0x21007
      mov [0x20000], rax`
    const body = `
      mov dword [0x3ffc], 0xaabbccdd
      mov dword [0], 0x11223344
      mov eax, [gs:0xffe]
      call emit_eax
      mov dword [gs:0xffe], 0x55667788
      movzx eax, word [0x3ffe]
      call emit_eax
      movzx eax, word [0]
      call emit_eax
      movups xmm0, [gs:0xff8]
      movd eax, xmm0
      call emit_eax
      add dword [gs:0xffe], 0x10001
      movzx eax, word [0]
      call emit_eax`
    const clear = 'mov edi, 0x24000\nmov ecx, 0x800\nxor eax, eax\nrep stosd\n'
    const { out } = runLong(compat(`mov dword [0x3ff8], 0x99\n${body}`, clear + map))
    expect(out).toEqual([0x3344aabb, 0x7788, 0x5566, 0x99, 0x5567])
  })

  test('code at a base wraps: a branch and its fetch', () => {
    const { out } = runLong(
      compat(`
      mov dword [0x3000], 0x0b0f42b0       ; MOV AL,42h; UD2 is not reached
      mov dword [0x3000], 0xcb42b0         ; MOV AL,42h; RETF
      xor eax, eax
      call CODE16:0x4000
      movzx eax, al
      call emit_eax`),
    )
    expect(out).toEqual([0x42])
  })

  test('an address whose wrapped and unwrapped pages are both mapped is the wrapped one, though 64-bit code has the other in the TLB', () => {
    // 1_0000_3000h shows page 9000h.
    const map = `
      mov edi, 0x24000
      mov ecx, 0x800
      xor eax, eax
      rep stosd
      mov rax, 0x24007
      mov [0x21000 + 4 * 8], rax
      mov rax, 0x25007
      mov [0x24000], rax
      mov rax, 0x9007
      mov [0x25000 + 3 * 8], rax
      mov rbx, 0x100003000
      mov dword [rbx], 0x2222
      mov dword [0x3000], 0x1111`
    const { out } = runLong(
      compat('mov eax, [gs:0x4000]\ncall emit_eax\nmov dword [gs:0x4000], 5\nmov eax, [0x3000]\ncall emit_eax', map),
    )
    expect(out).toEqual([0x1111, 5])
  })

  test('FS and GS bases of 64 bits are cut, and whole again in 64-bit code', () => {
    const bases = `
      mov ecx, 0xc0000101
      mov eax, 0xfffff000
      mov edx, 0x1234
      wrmsr`
    const { out } = runLong(
      compat(
        `mov dword [0x3000], 0x33
      mov eax, [gs:0x4000]
      call emit_eax
      jmp FREE:back
      bits 64
    back:
      mov ecx, 0xc0000101
      rdmsr
      mov eax, edx
      call emit_rax64
      jmp done64
      bits 32`,
        bases,
      ).replace('mov gs, ax\n', ''),
    )
    expect(out).toEqual([0x33, 0x1234])
  })

  test('descriptor tables keep their 64 bits', () => {
    // The GDT's page is seen at 1_0000_7000h as well, and nothing at 7000h + 4 GiB below.
    const map = `
      mov edi, 0x24000
      mov ecx, 0x800
      xor eax, eax
      rep stosd
      mov rax, 0x24007
      mov [0x21000 + 4 * 8], rax
      mov rax, 0x25007
      mov [0x24000], rax
      mov rax, 0x7007
      mov [0x25000 + 7 * 8], rax
      mov rax, 0x100000000
      mov rbx, gdt
      add rax, rbx
      mov word [0x5000], gdt_end - gdt - 1
      mov [0x5002], rax
      lgdt [0x5000]`
    const { out } = runLong(compat('mov dword [0x3000], 0x44\nmov eax, [gs:0x4000]\ncall emit_eax', map))
    expect(out).toEqual([0x44])
  })
})
