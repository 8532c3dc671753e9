import { describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'

/** CR4: sets `bits`. */
const cr4 = (bits: number): string => `
      mov rax, cr4
      or rax, ${bits}
      mov cr4, rax`
const FSGSBASE = 0x10000
const PCIDE = 0x20000
const OSXSAVE = 0x40000
const SMEP = 0x100000
const SMAP = 0x200000
const UMIP = 0x800

/** Reports CR2 and the error code of a page fault and ends. */
const PAGE_FAULT = `
    fault:
      pop rbx
      emit64 rbx
      mov rax, cr2
      call emit_rax64`

describe.skipIf(!haveNasm)('later features of long mode', () => {
  test('SMAP keeps the supervisor off user pages unless AC is set, at once when it is cleared', () => {
    const { out } = runLong(`
      long_gate 14, 0, fault
      mov dword [0x22008], 0x200083   ; 2 MiB: not for users
      ; 1 MiB to 2 MiB are user pages, as is the first; make the first 2 MiB supervisor but for 3 MiB.
      mov dword [0x22000], 0x000083
      mov dword [0x22008], 0x200087
      mov rax, cr3
      mov cr3, rax
      ${cr4(SMAP)}
      mov rsi, 0x200000
      stac
      mov dword [rsi], 0x1234
      emit64 [rsi]
      clac
      mov rdx, [rsi]
      emit64 7
      jmp done64${PAGE_FAULT}`)
    expect(out).toEqual([0x1234, 1, 0x200000])
  })
  test('SMEP keeps the supervisor from executing user pages', () => {
    const { out } = runLong(`
      long_gate 14, 0, fault
      mov dword [0x22000], 0x000083
      mov rax, cr3
      mov cr3, rax
      mov byte [0x200000], 0xc3
      mov rax, 0x200000
      call rax
      emit64 5
      ${cr4(SMEP)}
      mov rax, 0x200000
      call rax
      jmp done64${PAGE_FAULT}`)
    expect(out).toEqual([5, 0x11, 0x200000])
  })
  test('UMIP is for programs only, PCID wants an even CR3, unknown CR4 bits are refused', () => {
    const { out } = runLong(`
      long_gate 13, 0, fault
      ${cr4(UMIP)}
      sgdt [0x600]
      smsw ax
      emit64 1
      ${cr4(PCIDE)}
      mov rax, cr3
      or rax, 5
      bts rax, 63
      mov cr3, rax
      mov rax, cr3
      call emit_rax64
      mov rax, cr4
      and rax, ~${PCIDE}
      mov cr4, rax
      ${cr4(PCIDE)}
      emit64 2
      jmp done64
    fault:
      emit64 13
      jmp done64`)
    expect(out).toEqual([1, 0x20005, 13])
    const old = `long_gate 13, 0, fault\n${cr4(UMIP)}\nemit64 1\njmp done64\nfault:\nemit64 13`
    expect(runLong(old, 'core2duo').out).toEqual([13])
    expect(runLong(old, 'max').out).toEqual([1])
  })
  test('RDFSBASE and its kin', () => {
    const { out } = runLong(`
      long_gate 6, 0, fault
      ${cr4(FSGSBASE)}
      mov rbx, 0x700
      wrfsbase rbx
      mov dword [0x704], 0xabc
      emit64 [fs:4]
      rdfsbase rax
      call emit_rax64
      mov rax, cr4
      and rax, ~${FSGSBASE}
      mov cr4, rax
      rdgsbase rax
      jmp done64
    fault:
      emit64 6`)
    expect(out).toEqual([0xabc, 0x700, 6])
  })
  test('XSAVE and XRSTOR carry x87 and SSE, in both forms; what the area lacks is initialised', () => {
    const area = (form: string): string => `
      ${cr4(0x600 | OSXSAVE)}
      xor ecx, ecx
      xgetbv
      call emit_rax64
      mov eax, 3
      xor edx, edx
      xsetbv
      mov rdi, 0x30000
      mov ecx, 256
      xor eax, eax
      rep stosd
      fninit
      fld1
      mov rax, 0x1122334455667788
      movq xmm7, rax
      mov eax, 3
      xor edx, edx
      ${form} [0x30000]
      emit64 [0x30000 + 512]
      emit64 [0x30000 + 524]
      fninit
      pxor xmm7, xmm7
      mov eax, 3
      xrstor [0x30000]
      movq rax, xmm7
      call emit_rax64
      fstp qword [0x600]
      emit64 [0x604]
      mov dword [0x30000 + 512], 0    ; nothing is in it
      fld1
      mov eax, 3
      xrstor [0x30000]
      movq rax, xmm7
      call emit_rax64
      fnstsw ax
      and eax, 0x3800
      call emit_rax64`
    const one = 0x3ff00000
    expect(runLong(area('xsave')).out).toEqual([1, 3, 0, 0x55667788, one, 0, 0])
    expect(runLong(area('xsavec')).out).toEqual([1, 3, 0x80000000, 0x55667788, one, 0, 0])
  })
  test('RDRAND gives the same numbers in every run, RDTSCP and RDPID the number of the CPU', () => {
    const program = `
      mov ecx, 0xc0000103
      mov eax, 77
      xor edx, edx
      wrmsr
      rdtscp
      emit64 rcx
      db 0xf3, 0x0f, 0xc7, 0xf8        ; rdpid rax
      call emit_rax64
      rdrand rbx
      setc al
      movzx eax, al
      call emit_rax64
      emit64 rbx
      rdseed rbx
      emit64 rbx`
    const first = runLong(program).out
    expect(first.slice(0, 3)).toEqual([77, 77, 1])
    expect(first[3]).not.toBe(first[4])
    expect(runLong(program).out).toEqual(first)
  })
  test('INVPCID checks its descriptor; a gigabyte page is one with the feature only', () => {
    const { out } = runLong(`
      long_gate 13, 0, fault
      mov qword [0x600], 0
      mov qword [0x608], 0
      mov eax, 2
      invpcid rax, [0x600]
      emit64 2
      mov eax, 4
      invpcid rax, [0x600]
      emit64 4
    fault:
      emit64 13`)
    expect(out).toEqual([2, 13])
    const page = `
      long_gate 14, 0, fault
      mov dword [0x21008], 0x87
      mov rax, cr3
      mov cr3, rax
      mov dword [0x600], 0x99
      mov rbx, 0x40000600
      emit64 [rbx]
      jmp done64${PAGE_FAULT}`
    expect(runLong(page, 'max').out).toEqual([0x99])
    expect(runLong(page, 'core2duo').out).toEqual([9, 0x40000600])
  })
})
