/** The end of the code segment: who faults there, and with what behind it (Intel SDM vol. 2, Jcc; vol. 3, 5.3). */
import { describe, expect, test } from 'vitest'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

/** Real mode: `before`, then the bytes at 2000h:`at`. The handlers of #UD and #GP halt with vector, IP and CS in BX, DX, SI. */
function real(
  bytes: number[],
  before = '',
  at = 0xfffe,
): { vector: number; ip: number; cs: number; cx: number; cpu: BareCpu } {
  const cpu = new BareCpu()
  cpu.ram.set(bytes, 0x20000 + at)
  cpu.boot(
    assemble(`
      org 0x7c00
      mov word [6 * 4], ud
      mov word [13 * 4], gp
      ${before}
      jmp 0x2000:${at}
    ud: mov bx, 6
      jmp show
    gp: mov bx, 13
    show: pop dx
      pop si
      hlt`),
  )
  expect(cpu.run(10_000).reason).toBe('halt')
  const [, cx, dx, bx, , , si] = cpu.state.gpr.map((value) => Number(value & 0xffffn))
  return { vector: bx, ip: dx, cs: si, cx, cpu }
}

describe.skipIf(!haveNasm)('16-bit code at the end of its 64 KiB', () => {
  const behind = { vector: 13, ip: 0, cs: 0x2000 }

  test.each([
    ['NOP', [0x90, 0x90], ''],
    ['JZ not taken', [0x74, 0x20], 'or ax, 1'],
    ['LOOP not taken', [0xe2, 0x20], 'mov cx, 1'],
    ['LOOPNE not taken', [0xe0, 0x20], 'mov cx, 1'],
    ['JCXZ not taken', [0xe3, 0x20], 'mov cx, 1'],
  ])('%s is done, and the fetch behind it faults', (name, bytes, before) => {
    const { cx, ...fault } = real(bytes, before)
    expect(fault).toMatchObject(behind)
    expect(cx).toBe(name.startsWith('LOOP') ? 0 : name.startsWith('JCXZ') ? 1 : cx)
  })

  test('an instruction that reaches over the end faults itself', () => {
    expect(real([0xb8, 0x34], '')).toMatchObject({ vector: 13, ip: 0xfffe, cs: 0x2000 })
  })

  test('a short jump wraps', () => {
    // JMP +2 at FFFE lands on 0002, which is UD2.
    expect(real([0xeb, 0x02], 'mov ax, 0x2000\nmov es, ax\nmov word [es:2], 0x0b0f')).toMatchObject({
      vector: 6,
      ip: 2,
      cs: 0x2000,
    })
  })

  test('code beyond the end that another segment has run already is not run', () => {
    // 3000h:0 is run first: INC CX, RETF. Then 2000h:FFFF (NOP) would go on there.
    const before = 'xor cx, cx\nmov ax, 0x3000\nmov es, ax\nmov word [es:0], 0xcb41\ncall 0x3000:0'
    expect(real([0x90], before, 0xffff)).toMatchObject({ ...behind, cx: 1 })
  })

  test('a block that another segment has decoded past the end ends at the end', () => {
    // 2FFFh:000Eh is 2000h:FFFEh: INC CX, INC CX, INC CX, RETF.
    const before = 'xor cx, cx\nmov ax, 0x3000\nmov es, ax\nmov word [es:0], 0xcb41\ncall 0x2fff:0x000e'
    expect(real([0x41, 0x41], before)).toMatchObject({ ...behind, cx: 5 })
    // And it is whole again for the one that may have it.
    const { cpu } = real([0x41, 0x41], `${before}\nmov word [13 * 4], again`.replace('again', 'gp'))
    expect(cpu.state.gpr[1] & 0xffffn).toBe(5n)
  })
})

describe.skipIf(!haveNasm)('32-bit code with a limit', () => {
  const program = (code: string) => `
      mov edi, idt + 13 * 8
      mov eax, gp
      mov [edi], ax
      mov eax, idt + 14 * 8
      or eax, 1
      jmp FREE:last
      align 16
    pre: nop
    last: ${code}
    end:
      nop
      nop
    gp: add esp, 4
      mov ax, DATA
      mov ds, ax
      mov eax, [esp]
      sub eax, last
      call emit_eax
      emit ecx
      jmp done`

  test.each([
    ['JZ not taken', 'jz pre', 2],
    ['LOOP not taken', 'loop pre', 2],
    ['NOP', 'nop', 1],
  ])('%s, the last within it: #GP at the next', (_, code, at) => {
    const { out } = runProtected(`mov ecx, 1\n${program(code)}`, 'desc 0, addr(end)-1, 0x9b, 4\n')
    expect(out).toEqual([at, code.startsWith('loop') ? 0 : 1])
  })
})
