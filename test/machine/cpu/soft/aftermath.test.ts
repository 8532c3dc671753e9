/**
 * The common faults leave the core without an exception of JavaScript's, which takes microseconds, and leave of the instruction
 * what an unwound one leaves: nothing. (What the host's own CPU leaves is compared in test/conformance/native/faults.)
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'
import { runProtected } from './protected.js'

const { Instance } = WebAssembly
let unwound = 0

type Imports = { [module: string]: { [name: string]: unknown } }

beforeAll(() => {
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module, imports]: [WebAssembly.Module, Imports]) {
      const unwind = imports.host?.unwind as (() => void) | undefined
      if (!unwind) return new target(module, imports)
      const counted = {
        ...imports.host,
        unwind: () => {
          unwound++
          unwind()
        },
      }
      return new target(module, { ...imports, host: counted })
    },
  })
})
afterAll(() => {
  WebAssembly.Instance = Instance
})
beforeEach(() => {
  unwound = 0
})

interface Case {
  instruction: string
  setup?: string
  /** What the fault finds: error code, CR2, RIP where it is not the instruction's, RSP, and registers as in BEFORE. */
  code?: number
  cr2?: number
  rip?: number
  rsp?: number
  before?: number[]
}

/**
 * 2 to 4 MiB in 4 KiB pages by the table at 0x23000; the page at 0x201000 is `absent` until it faults. Reports where the
 * instruction is, what its fault finds, and what comes of it.
 */
const program = ({ instruction, setup = '' }: Case, absent: boolean) => `
   long_gate 14, 0, pf
   mov edi, 0x23000
   mov eax, 0x200007
   mov ecx, 512
  fill: mov [rdi], eax
   mov dword [rdi + 4], 0
   add eax, 0x1000
   add edi, 8
   loop fill
   mov dword [0x22008], 0x23007
   mov rax, cr4
   or eax, 0x600
   mov cr4, rax
   mov rax, cr3
   mov cr3, rax
   mov rax, 0xa1000000a0
   mov [0x200ff8], rax
   mov edi, 0x201000
   mov rax, 0xb8fec3       ; inc bl; ret
   mov ecx, 8
   rep stosq
   mov rax, target
   mov [0x201040], rax
   mov word [0x201080], 0xc3cf
   mov dword [0x200ffe], 0xc3c1ff48  ; inc rcx; ret
   ${absent ? 'and dword [0x23008], ~1' : ''}
   invlpg [0x201000]
   emit64 spot
   mov ecx, 4
   xor edx, edx
   mov ebx, 0x201000
   mov esi, 0x200ff8
   mov edi, 0x202000
   mov ebp, 0x7777
   movd xmm0, ebp
   mov eax, 0x3005
   ${setup}
   cmp eax, 6
  spot: ${instruction}
  target: pushf
   push rax
   call show
   mov rsi, 0x201000
  bytes: emit64 [rsi]
   emit64 [rsi + 0x1000]
   add rsi, 4
   cmp rsi, 0x201020
   jb bytes
   hlt
  show: emit64 [rsp + 16]
   emit64 [rsp + 8]
   emit64 rcx
   emit64 rdx
   emit64 rsi
   emit64 rdi
   emit64 rbp
   movd eax, xmm0
   call emit_rax64
   ret
  pf: xchg rax, [rsp]
   call emit_rax64
   emit64 cr2
   emit64 [rsp + 8]
   emit64 [rsp + 32]
   push qword [rsp + 24]
   push qword [rsp + 8]
   call show
   add rsp, 16
   or dword [0x23008], 1
   pop rax
   iretq`

/** EFLAGS of 3005h - 6 with RF, then EAX, ECX, EDX, ESI, EDI, EBP and XMM0 in front of the instruction. */
const BEFORE = [0x10016, 0x3005, 4, 0, 0x200ff8, 0x202000, 0x7777, 0x7777]
const PAGE = 0x201000
const STACK = 0x7000
const WRITE = 2
const FETCH = 16

const CASES: Case[] = [
  { instruction: 'mov eax, [rbx]' },
  { instruction: 'movzx edx, word [rbx]' },
  { instruction: 'mov eax, [rbx - 3]' },
  { instruction: 'add eax, [rbx]' },
  { instruction: 'push qword [rbx]' },
  { instruction: 'div dword [rbx]' },
  { instruction: 'imul ecx, [rbx], 7' },
  { instruction: 'movups xmm0, [rbx]' },
  { instruction: 'paddd xmm0, [rbx]' },
  { instruction: 'call [rbx + 0x40]', cr2: PAGE + 0x40 },
  { instruction: 'jmp [rbx + 0x40]', cr2: PAGE + 0x40 },
  { instruction: 'add [rbx], eax', code: WRITE },
  { instruction: 'mov [rbx], eax', code: WRITE },
  { instruction: 'mov [rbx - 2], eax', code: WRITE },
  { instruction: 'lock xadd [rbx], eax', code: WRITE },
  { instruction: 'shld [rbx], eax, 3', code: WRITE },
  { instruction: 'cmpxchg [rbx], ecx', code: WRITE },
  { instruction: 'pop qword [rbx + 8]', setup: 'push rsi', code: WRITE, cr2: PAGE + 8, rsp: STACK - 8 },
  { instruction: 'movups [rbx - 8], xmm0', code: WRITE },
  { instruction: 'movsd', setup: 'mov rsi, rbx', before: BEFORE.with(4, PAGE) },
  // Two iterations are done.
  { instruction: 'rep movsd', before: BEFORE.with(2, 2).with(4, PAGE).with(5, 0x202008) },
  {
    instruction: 'repe cmpsd',
    setup: 'mov [rdi], rax\nmov rax, [rsi]\nmov [rdi], rax\nmov eax, 0x3005',
    before: BEFORE.with(2, 2).with(4, PAGE).with(5, 0x202008),
  },
  // The fetch.
  {
    instruction: 'call rdx',
    setup: 'lea rdx, [rbx + 16]',
    code: FETCH,
    cr2: PAGE + 16,
    rip: PAGE + 16,
    rsp: STACK - 8,
    before: BEFORE.with(3, PAGE + 16),
  },
  {
    instruction: 'call rsi',
    code: FETCH,
    setup: 'add rsi, 6',
    rip: PAGE - 2,
    rsp: STACK - 8,
    before: BEFORE.with(4, PAGE - 2),
  },
]

describe.skipIf(!haveNasm)('a page fault is not unwound, and leaves nothing of its instruction', () => {
  test.each(CASES)('$instruction', (one) => {
    const { code = 0, cr2 = PAGE, rsp = STACK, before = BEFORE } = one
    const { out, reason } = runLong(program(one, true))
    expect(reason).toBe('halt')
    const [at] = out
    expect(out.slice(1, 5)).toEqual([code, cr2, one.rip ?? at, rsp])
    expect(out.slice(5, 13)).toEqual(before)
    expect(out.slice(13)).toEqual(runLong(program(one, false)).out.slice(1))
    expect(unwound).toBe(0)
  })
})

describe.skipIf(!haveNasm)('what is not allowed is not unwound', () => {
  test.each(['cli', 'sti', 'pushf', 'popf', 'int 0x21', 'iret', 'in al, 0x21', 'out 0x21, al', 'hlt'])(
    '%s in virtual-8086 mode',
    (instruction) => {
      const { out, cpu } = runProtected(`
      set_gate 13, 0x8e, monitor
      mov byte [tss1 + 104 + 32 + 4], 2
      push dword 0x4000
      push dword 0x3000
      push dword 0x1000
      push dword 0x2000
      push dword 0
      push dword 0x5000
      push dword 0x20002
      push dword 0
      push dword v86
      iret
    monitor:
      mov eax, DATA
      mov ds, eax
      emit spot
      %rep 6
        emit [esp]
        add esp, 4
      %endrep
      jmp done
      bits 16
    v86: mov dword [ss:0x4ffc], 0xdeadbeef
    spot: ${instruction}
      bits 32`)
      // Error code, EIP, CS, EFLAGS, ESP, SS.
      expect(out.slice(1)).toEqual([0, out[0], 0, 0x30002, 0x5000, 0])
      expect(cpu.portWrites.filter(([port]) => port === 0x21)).toEqual([])
      expect(new DataView(cpu.ram.buffer, cpu.ram.byteOffset).getUint32(0x4ffc, true)).toBe(0xdeadbeef)
      expect(unwound).toBe(0)
    },
  )

  test.each([
    ['ud2', 6],
    ['div ecx', 0],
    ['aam 0', 0],
  ])('%s', (instruction, vector) => {
    const { out } = runProtected(`
      mov ecx, 0
      expect_fault next
    spot: ${instruction}
    next: emit [saved_eip]
      emit spot`)
    expect(out[0]).toBe(vector)
    expect(out.at(-2)).toBe(out.at(-1))
    expect(unwound).toBe(0)
  })

  test('and what is unwound is counted here', () => {
    runProtected(`
      expect_fault next
      mov eax, 0x7fff
      mov ds, eax
    next:`)
    expect(unwound).toBe(1)
  })
})
