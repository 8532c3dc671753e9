/** Code outside of plain RAM: whatever way its bytes are written, what is executed is what is there. */
import { afterAll, describe, expect, test } from 'vitest'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'
import { hashState } from '../../../../machine/state/compare.js'
import type { MachineState } from '../../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../../../machine/state/memory-image.js'
import { type BarePc, barePc, firmware } from '../../state/bare-pc.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'

const LFB = 0xe0000000
const MS = 1e6

/**
 * At each new number in [5F0h]: stores the byte [5FCh] at [5F8h] if that is not 0, then calls the frame buffer's offset 3
 * three times with EAX = 5000h, and leaves what it gave in EAX at 600h.
 */
const BIOS = `
bits 16
org 0
times 0xe000 - ($ - $$) db 0
start: cli
  lgdt [cs:gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:0xf0000 + pm
align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr: dw 23
  dd 0xf0000 + gdt
bits 32
pm: mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, 0x7000
again: mov eax, [0x5f0]
  cmp eax, [0x5f4]
  je again
  mov edi, [0x5f8]
  test edi, edi
  jz call_it
  mov al, [0x5fc]
  mov [edi], al
call_it: mov ecx, 3
more: mov eax, 0x5000
  mov edx, ${LFB} + 3
  call edx
  mov [0x600], eax
  loop more
  mov eax, [0x5f0]
  mov [0x5f4], eax
  jmp again
times 0xfff0 - ($ - $$) db 0
bits 16
  jmp 0xf000:start
times 0x10000 - ($ - $$) db 0`

const layers = new Set<MemoryLayer>()
afterAll(() => {
  for (const layer of layers) closeLayer(layer)
})

class Executed {
  private number = 0
  constructor(readonly m: BarePc) {}

  static start(): Executed {
    const vga = new Uint8Array(4096)
    const m = barePc({ firmware: { ...firmware(), bios: assemble(BIOS), vgaBios: vga } })
    m.pci(2, 0, 0x10, LFB)
    m.pci(2, 0, 4, 3)
    // MOV EAX,04030201h; RET; another RET for what a cleared MOV leaves.
    m.memory.write(LFB, Uint8Array.from([0x90, 0x90, 0x90, 0xb8, 1, 2, 3, 4, 0xc3, 0xc3]))
    return new Executed(m)
  }

  /** What the code gives, after the CPU has stored `byte` at `address`. */
  value(address = 0, byte = 0): number {
    const { memory } = this.m
    memory.write32(0x5f8, address)
    memory.write32(0x5fc, byte)
    memory.write32(0x5f0, ++this.number)
    this.m.run(0.02 * MS)
    expect(memory.read32(0x5f4)).toBe(this.number)
    return memory.read32(0x600)
  }

  /** The packed window at A0000h, as in mode 13h. */
  packed(): void {
    const { m } = this
    m.out(0x3c4, 4)
    m.out(0x3c5, 0x0e)
    m.out(0x3c4, 2)
    m.out(0x3c5, 0x0f)
    m.out(0x3ce, 5)
    m.out(0x3cf, 0x40)
    m.out(0x3ce, 6)
    m.out(0x3cf, 5)
  }

  /** Four planes, of which `mask` is written. */
  planar(mask: number): void {
    const { m } = this
    m.out(0x3c4, 4)
    m.out(0x3c5, 0x06)
    m.out(0x3c4, 2)
    m.out(0x3c5, mask)
    m.out(0x3ce, 5)
    m.out(0x3cf, 0)
    m.out(0x3ce, 8)
    m.out(0x3cf, 0xff)
    m.out(0x3ce, 6)
    m.out(0x3cf, 5)
  }

  vbe(index: number, value: number): void {
    this.m.outw(0x1ce, index)
    this.m.outw(0x1cf, value)
  }
}

describe.skipIf(!haveNasm)('code in the frame buffer', () => {
  test('is what the CPU wrote there, by the frame buffer and by the window, packed and planar', () => {
    const code = Executed.start()
    expect(code.value()).toBe(0x04030201)
    expect(code.value(LFB + 4, 0x11)).toBe(0x04030211)
    code.packed()
    expect(code.value(0xa0005, 0x22)).toBe(0x04032211)
    code.planar(1 << 2)
    expect(code.value(0xa0001, 0x33)).toBe(0x04332211)
  })

  test('is what a bus master wrote there, by either way', () => {
    const code = Executed.start()
    expect(code.value()).toBe(0x04030201)
    code.m.memory.write(LFB + 7, Uint8Array.from([0x44]))
    expect(code.value()).toBe(0x44030201)
    code.packed()
    code.m.memory.write(0xa0006, Uint8Array.from([0x33]))
    expect(code.value()).toBe(0x44330201)
  })

  test('is gone where VBE clears it', () => {
    const code = Executed.start()
    expect(code.value()).toBe(0x04030201)
    code.vbe(1, 8)
    code.vbe(2, 1)
    code.vbe(3, 8)
    code.vbe(4, 0x41)
    // Eight zeros: ADD [EAX],AL twice, ADD BL,AL with the RET, and the second RET.
    expect(code.value()).toBe(0x5000)
  })

  test('goes the same way in a copy of the machine', () => {
    const code = Executed.start()
    expect(code.value()).toBe(0x04030201)
    const saved: MachineState = code.m.pc.save()
    for (const layer of saved.memory.layers) layers.add(layer)
    const copy = barePc({ firmware: { ...firmware(), bios: assemble(BIOS), vgaBios: new Uint8Array(4096) } })
    copy.pc.load(saved)
    const other = new Executed(copy)
    ;(other as unknown as { number: number }).number = 1
    for (const one of [code, other]) {
      one.packed()
      expect(one.value(0xa0005, 0x22)).toBe(0x04032201)
    }
    const hashes = [code, other].map(({ m }) => {
      const state = m.pc.save()
      for (const layer of state.memory.layers) layers.add(layer)
      return hashState(state)
    })
    expect(hashes[1]).toBe(hashes[0])
  })
})

describe.skipIf(!haveNasm)('code in memory that is seen at two addresses', () => {
  test('changes with a store by either', () => {
    const cpu = new BareCpu()
    // 200000h shows what lies at 10000h.
    cpu.engine.setMemory([
      { address: 0, size: 0x200000, offset: ARENA_GUEST, kind: 'ram' },
      { address: 0x200000, size: 0x1000, offset: ARENA_GUEST + 0x10000, kind: 'ram' },
    ])
    cpu.ram.set([0xb8, 1, 0, 0xcb], 0x10000)
    cpu.boot(
      assemble(`org 0x7c00
      call 0x1000:0
      mov bx, ax
      mov ax, 0xffff
      mov ds, ax
      mov edi, 0x200001 - 0xffff0
      mov byte [edi], 2
      call 0x1000:0
      mov cx, ax
      hlt`),
    )
    const state = cpu.state
    state.segments[3] = { ...state.segments[3], limit: 0xffffffff }
    cpu.engine.setState(state)
    expect(cpu.run(100).reason).toBe('halt')
    expect([cpu.state.gpr[3], cpu.state.gpr[1]].map(Number)).toEqual([1, 2])
  })

  test('by A20: 100000h and 0', () => {
    const cpu = new BareCpu()
    cpu.engine.setA20(false)
    cpu.ram.set([0xb8, 1, 0, 0xcb], 0x5000)
    cpu.boot(
      assemble(`org 0x7c00
      call 0:0x5000
      mov bx, ax
      mov ax, 0xffff
      mov ds, ax
      mov byte [0x5011], 2      ; 105001h
      call 0:0x5000
      mov cx, ax
      hlt`),
    )
    expect(cpu.run(100).reason).toBe('halt')
    expect([cpu.state.gpr[3], cpu.state.gpr[1]].map(Number)).toEqual([1, 2])
  })

  test('an instruction in shared memory that writes the next one is followed by the new one', () => {
    const cpu = new BareCpu()
    cpu.engine.setMemory([{ address: 0, size: 0x200000, offset: ARENA_GUEST, kind: 'ram', shared: true }])
    cpu.boot(
      assemble(`org 0x7c00
      mov ax, 1
      mov byte [next + 1], 9
    next: mov bl, 1
      hlt`),
    )
    expect(cpu.run(100).reason).toBe('halt')
    expect(cpu.state.gpr[3]).toBe(9n)
  })
})
