/** What other emulators got wrong, by their public bug reports, with the values of real CPUs. */
import { beforeEach, describe, expect, test } from 'vitest'
import { type CpuSnapshot, newSnapshot } from '../../../conformance/native/native-cpu.js'
import { SoftCpu } from '../../../conformance/native/soft-cpu.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { runProtected } from './protected.js'

const CF = 1
const AF = 0x10
const ZF = 0x40

let cpu: SoftCpu
let s: CpuSnapshot
let out: CpuSnapshot
let fx: DataView

beforeEach(() => {
  cpu ??= new SoftCpu({}, undefined, 'max')
  s = newSnapshot()
  out = newSnapshot()
  fx = new DataView(s.fxsave.buffer)
  fx.setUint16(0, 0x37f, true)
  fx.setUint32(24, 0x1f80, true)
  s.gpr[6] = cpu.dataAddress
})

const run = (source: string): void => {
  cpu.run(assemble(`bits 64\n${source}`), s, out)
  expect(out.exception).toBeUndefined()
}
const data = (): DataView => new DataView(s.data.buffer)
const outData = (): DataView => new DataView(out.data.buffer)
const status = (): number => new DataView(out.fxsave.buffer).getUint16(2, true)

describe.skipIf(!haveNasm)('flags', () => {
  test('the carry of a memory shift by CL = FFh, used in the next block', () => {
    data().setUint32(0, 0x90fe4f80, true)
    run('mov cl, 0xff\nshr dword [rsi], cl\njmp next\nnext: mov eax, 0\nadc eax, 0')
    expect(out.gpr[0]).toBe(0n)
    data().setBigUint64(0, 0x3dn, true)
    run('mov cl, 0xff\nmov al, 0x32\nsar qword [rsi], cl\njmp next\nnext: adc al, cl')
    expect(out.gpr[0] & 0xffn).toBe(0x31n)
    // Bit 62 of what is shifted by 63 is the carry.
    data().setBigUint64(0, 0x4000000000000000n, true)
    run('mov cl, 0xff\nmov al, 0x32\nsar qword [rsi], cl\njmp next\nnext: adc al, cl')
    expect(out.gpr[0] & 0xffn).toBe(0x32n)
  })

  test('BT changes CF alone: ZF of a shift before stays', () => {
    s.gpr[0] = 1n
    run('mov bx, 0x8000\nsar ax, 1\nbt bx, 15')
    expect(out.rflags & (ZF | CF)).toBe(ZF | CF)
    run('mov bx, 0x8000\nsar ax, 1\nbt bx, 14')
    expect(out.rflags & (ZF | CF)).toBe(ZF)
  })

  test.each(['and', 'or', 'xor', 'test'])('AF is 0 after %s', (name) => {
    run(`mov eax, 0xf\nadd eax, 1\n${name} eax, eax`)
    expect(out.rflags & AF).toBe(0)
  })

  test('BLSI sets CF where the source is not 0, BLSR and BLSMSK where it is', () => {
    const carry = (source: string, value: bigint) => {
      s.gpr[3] = value
      run(source)
      return out.rflags & CF
    }
    expect([carry('blsi eax, ebx', 0n), carry('blsi eax, ebx', 8n)]).toEqual([0, 1])
    expect([carry('blsr eax, ebx', 0n), carry('blsr eax, ebx', 8n)]).toEqual([1, 0])
    expect([carry('blsmsk eax, ebx', 0n), carry('blsmsk eax, ebx', 8n)]).toEqual([1, 0])
  })

  test('BZHI out of range keeps the value and sets CF; BEXTR from bit 32 on is 0', () => {
    s.gpr[3] = 0x89abcdefn
    s.gpr[1] = 32n
    run('bzhi eax, ebx, ecx')
    expect([out.gpr[0], out.rflags & CF]).toEqual([0x89abcdefn, CF])
    s.gpr[1] = 31n
    run('bzhi eax, ebx, ecx')
    expect([out.gpr[0], out.rflags & CF]).toEqual([0x09abcdefn, 0])
    s.gpr[1] = 0x0820n
    run('bextr eax, ebx, ecx')
    expect([out.gpr[0], out.rflags & ZF]).toEqual([0n, ZF])
  })
})

describe.skipIf(!haveNasm)('encodings and operands', () => {
  test('a redundant REX changes nothing', () => {
    s.rflags = 0x2d5 | 0x202
    run('db 0x40, 0x9f') // LAHF
    expect((out.gpr[0] >> 8n) & 0xffn).toBe(0xd7n)
    fx.setBigUint64(160 + 15 * 16, 0x1122334455667788n, true)
    run('db 0x4d, 0x0f, 0x7e, 0xc0') // MOVQ R8,MM0
    expect(out.gpr[8]).toBe(0n)
  })

  test('CMPXCHG r32 that fails zero-extends RAX and keeps the upper half of its destination', () => {
    s.gpr[0] = 0xaaaaaaaa00000001n
    s.gpr[3] = 0xbbbbbbbb00000002n
    run('cmpxchg ebx, ecx')
    expect([out.gpr[0], out.gpr[3]]).toEqual([2n, 0xbbbbbbbb00000002n])
  })
})

describe.skipIf(!haveNasm)('x87', () => {
  test('FRNDINT of a pseudo-denormal is +0 with DE and PE, C1 clear', () => {
    data().setBigUint64(0, 0x8000000000000000n, true)
    run('fninit\nfld tword [rsi]\nfrndint\nfnstsw ax\nfstp tword [rsi + 16]')
    expect(out.gpr[0] & 0xffffn).toBe(0x3822n)
    expect([outData().getBigUint64(16, true), outData().getUint16(24, true)]).toEqual([0n, 0])
  })

  test('FLD m64 ignores precision control', () => {
    data().setFloat64(0, 1 / 3, true)
    data().setUint16(8, 0x007f, true)
    run('fninit\nfldcw [rsi + 8]\nfld qword [rsi]\nfstp qword [rsi + 16]')
    expect(outData().getFloat64(16, true)).toBe(1 / 3)
    expect(status() & 0x3f).toBe(0)
  })

  test('FPREM and FPREM1 of 11 by 7', () => {
    data().setInt16(0, 7, true)
    data().setInt16(2, 11, true)
    for (const [name, value, word] of [
      ['fprem', 4, 0x3200],
      ['fprem1', -3, 0x7000],
    ] as const) {
      run(`fninit\nfild word [rsi]\nfild word [rsi + 2]\n${name}\nfnstsw ax\nfistp word [rsi + 8]`)
      expect([Number(out.gpr[0] & 0xffffn), outData().getInt16(8, true)]).toEqual([word, value])
    }
  })

  test('with CR0.NE clear a waiting FSTP does not write before the interrupt of FERR# was taken', () => {
    const bare = new BareCpu(undefined, { ferr: (level) => bare.engine.setInterrupt(level) })
    bare.vector = 0x75
    bare.boot(
      assemble(`org 0x7c00
      mov word [0x75 * 4], irq13
      mov dword [0x5000], 0x1234
      fninit
      mov word [0x5010], 0x37b
      fldcw [0x5010]
      sti
      nop
      fld1
      fldz
      fdivp
      fstp dword [0x5000]
      hlt
    irq13: mov eax, [0x5000]
      fnclex
      iret`),
    )
    expect(bare.run(1000).reason).toBe('halt')
    expect(bare.state.gpr[0]).toBe(0x1234n)
    expect(new DataView(bare.ram.buffer, bare.ram.byteOffset).getUint32(0x5000, true)).not.toBe(0x1234)
  })
})

describe.skipIf(!haveNasm)('single steps', () => {
  test('POPF that sets TF, then a RETF that faults: #NP, then #DB behind the RETF that went through', () => {
    const { out } = runProtected(
      `
      set_gate 11, 0x8e, np
      set_gate 1, 0x8e, db
      push dword FREE
      push dword target
      pushf
      or dword [esp], 0x100
      popf
      retf
    behind:
      emit 0xbad
      jmp done
    target: inc ebx
      jmp done
    np: push eax
      emit 11
      or byte [gdt + FREE + 5], 0x80
      pop eax
      add esp, 4
      iret
    db: emit 1
      mov eax, [esp]
      sub eax, target
      call emit_eax
      jmp done`,
      'desc 0, 0xfffff, 0x1b, 0xc\n',
    )
    expect(out).toEqual([11, 1, 0])
  })
})
