import { describe, expect, test } from 'vitest'
import { ATTN_SMI } from '../../../../machine/cpu/soft/layout.js'
import { assemble, BareCpu, haveNasm } from '../driver.js'
import { dwords, runProtected, source } from './protected.js'

const bytes = (cpu: BareCpu): number[] => cpu.portWrites.map(([, value]) => value)

/** Runs 16-bit code at 7C00 until HLT. */
function runReal(body: string, cpu = new BareCpu(), instructions = 10_000): BareCpu {
  cpu.boot(assemble(`org 0x7c00\nbits 16\n${body}\nhlt`))
  cpu.run(instructions)
  return cpu
}

describe.skipIf(!haveNasm)('real mode', () => {
  test('limits are 64 KiB: faults go through the IVT without an error code', () => {
    const cpu = runReal(`
      mov word [13 * 4], handler
      mov word [12 * 4], handler12
      mov bx, 0xffff
      mov ax, [bx]
      out 0x10, al
      mov bp, 0xffff
      mov ax, [bp]
      hlt
    handler:
      mov bp, sp
      mov al, [bp + 4 - 4 + 6 - 6]    ; IP
      out 0x11, al
      add word [bp], 2
      iret
    handler12:
      mov al, 12
      out 0x12, al`)
    expect(cpu.portWrites.map(([port]) => port)).toEqual([0x11, 0x10, 0x12])
  })

  test('x87 computes without FNINIT of the guest, as a PC hands it over: all masked, all registers free', () => {
    const cpu = runReal(`
      fnstcw [0x500]
      fld1
      fldz
      fdivp st1, st0
      fistp dword [0x504]
      fwait
      mov ax, [0x500]
      out 0x10, ax
      mov eax, [0x504]
      out 0x11, eax`)
    expect(cpu.portWrites).toEqual([
      [0x10, 0x37f, 2],
      [0x11, 0x8000_0000, 4],
    ])
  })

  test('a limit loaded in protected mode stays ("unreal mode"), across loads of the register', () => {
    const cpu = runReal(`
      lgdt [gdtr]
      mov eax, cr0
      inc ax
      mov cr0, eax
      mov bx, 8
      mov es, bx
      dec ax
      mov cr0, eax
      xor bx, bx
      mov es, bx
      mov dword [es:dword 0x200000], 0x12345678
      mov bx, 0x100
      mov es, bx
      mov eax, [es:dword 0x1ff000]
      mov [0x600], eax
      hlt
      gdtr: dw 15
        dd gdt
      gdt: dq 0, 0x00cf92000000ffff`)
    expect(new DataView(cpu.ram.buffer, cpu.ram.byteOffset).getUint32(0x600, true)).toBe(0x12345678)
  })

  test('CS can be written in real mode, also after protected mode', () => {
    const cpu = runReal(`
      lgdt [gdtr]
      mov eax, cr0
      inc ax
      mov cr0, eax
      jmp 8:next
    next:
      dec ax
      mov cr0, eax
      mov byte [cs:0x600], 0x55
      jmp 0:last
    last:
      mov al, [0x600]
      out 0x10, al
      hlt
      gdtr: dw 15
        dd gdt
      gdt: dq 0, 0x00009a000000ffff`)
    expect(bytes(cpu)).toEqual([0x55])
  })
})

describe.skipIf(!haveNasm)('interrupts and their shadows', () => {
  test('STI lets one more instruction through; MOV SS holds an interrupt for one', () => {
    const cpu = new BareCpu()
    cpu.boot(
      assemble(`org 0x7c00
      bits 16
      mov word [0x20 * 4], handler
      sti
      inc bx
      inc bx
      mov ss, ax
      inc cx
      inc cx
      hlt
    handler:
      iret`),
    )
    const state = cpu.state
    cpu.engine.setState({ ...state, rflags: 2n })
    cpu.engine.setInterrupt(true)
    const seen: number[] = []
    for (let i = 0; i < 8; i++) {
      cpu.run(1)
      seen.push(Number(cpu.state.gpr[3]) * 16 + Number(cpu.state.gpr[1]))
    }
    // The interrupt comes between the two INC BX: the handler's IRET is there.
    const ip = cpu.state.rip
    expect(seen.slice(0, 3)).toEqual([0, 0, 0x10])
    expect(ip).toBeGreaterThan(0x7c00n)
    const word = new DataView(cpu.ram.buffer, cpu.ram.byteOffset).getUint16(0x7c00 - 6, true)
    expect(word).toBe(0x7c00 + 8)
  })

  test('NMI waits for the IRET of the one before', () => {
    const cpu = new BareCpu()
    cpu.boot(
      assemble(`org 0x7c00
      bits 16
      mov word [2 * 4], handler
    again:
      inc dx
      jmp again
    handler:
      inc bx
      inc cx
      cmp bx, 2
      je done
      iret
    done:
      hlt`),
    )
    cpu.run(3)
    cpu.engine.nmi()
    cpu.run(2)
    expect(cpu.state.nmiMasked).toBe(true)
    cpu.engine.nmi()
    cpu.run(2)
    expect(cpu.state.gpr[3]).toBe(1n)
    cpu.run(20)
    expect(cpu.state.gpr[3]).toBe(2n)
    expect(cpu.state.halted).toBe(true)
  })

  test('TF traps behind every instruction; INT n clears it without a trap', () => {
    const cpu = runReal(`
      mov word [1 * 4], trap
      mov word [0x21 * 4], call
      xor cx, cx
      pushf
      or word [esp], 0x100
      popf
      inc ax              ; trapped from here on
      int 0x21
      inc ax
      pushf
      and word [esp], ~0x100
      popf
      hlt
    call:
      inc bx
      iret
    trap:
      inc cx
      push eax
      mov eax, dr6
      out 0xe9, al
      shr eax, 8
      out 0xe9, al
      pop eax
      iret`)
    // INC, INC, PUSHF, AND and POPF trap, and IRET does not: TF was off when it began.
    expect(cpu.state.gpr[1]).toBe(5n)
    expect(bytes(cpu).slice(0, 2)).toEqual([0xf0, 0x4f])
  })

  test('instruction breakpoints fault in front and RF steps over; data breakpoints trap behind', () => {
    const { out } = runProtected(`
      mov eax, place
      mov dr0, eax
      mov eax, 0x600
      mov dr1, eax
      mov eax, 0x00d00005      ; 0: execute; 1: write, 4 bytes
      mov dr7, eax
      set_gate 1, 0x8e, handler
      mov ebx, 0
    place:
      inc ebx
      mov [0x602], al
    behind:
      mov ecx, [0x600]
      emit ebx
      jmp done
    handler:
      push eax
      mov eax, dr6
      call emit_eax
      mov eax, [esp + 4]
      sub eax, place
      call emit_eax
      emit ebx
      mov eax, 0xffff0ff0
      mov dr6, eax
      or dword [esp + 12], 0x10000
      pop eax
      iret`)
    expect(out).toEqual([0xffff0ff1, 0, 0, 0xffff0ff2, 6, 1, 1])
  })

  test('I/O breakpoints trap behind the access, with CR4.DE', () => {
    const { out } = runProtected(`
      mov eax, 0x3f8
      mov dr0, eax
      mov eax, 0x000e0001      ; I/O, 4 bytes
      mov dr7, eax
      mov dx, 0x3fb
      in al, dx                ; not yet
      mov eax, cr4
      or eax, 8
      mov cr4, eax
      expect_fault one
      mov dx, 0x3fc
      in al, dx
      mov dx, 0x3fb
      in al, dx
    behind:
      ud2
    one:
      mov eax, dr6
      call emit_eax
      mov eax, [saved_eip]
      sub eax, behind
      call emit_eax`)
    expect(out).toEqual([1, 0, 8, 0xffff0ff1, 0])
  })

  test('DR7.GD guards the debug registers; DR4 and DR5 are DR6 and DR7 until CR4.DE', () => {
    const { out } = runProtected(`
      mov eax, 0x2400
      mov dr7, eax
      expect_fault one
      mov eax, dr0
    one:
      mov eax, dr6
      call emit_eax
      mov eax, dr7
      call emit_eax
      db 0x0f, 0x21, 0xe0      ; mov eax, dr4
      call emit_eax
      mov eax, cr4
      or eax, 8
      mov cr4, eax
      expect_fault two
      db 0x0f, 0x21, 0xe0
    two:`)
    expect(out).toEqual([1, 0, 8, 0xffff2ff0, 0x400, 0xffff2ff0, 6, 0, 8])
  })
})

describe.skipIf(!haveNasm)('system registers', () => {
  test('control registers refuse what they must', () => {
    const { out } = runProtected(`
      %macro try 2
        expect_fault %%next
        mov eax, %2
        mov %1, eax
        ud2
      %%next:
      %endmacro
      try cr0, 0x80000010       ; PG without PE
      try cr0, 0x20000011       ; NW without CD
      try cr4, 0x80000000
      try cr4, 0x00002000       ; VMXE
      try cr0, 0x00000011       ; fine
      expect_fault last
      db 0x0f, 0x20, 0xc8       ; mov eax, cr1
    last:`)
    expect(out).toEqual([13, 0, 8, 13, 0, 8, 13, 0, 8, 13, 0, 8, 6, 0, 8, 6, 0, 8])
  })

  test('PAE: a page-directory-pointer entry with reserved bits is refused with CR3', () => {
    const { out } = runProtected(`
      mov edi, 0x20000
      mov ecx, 2048
      xor eax, eax
      rep stosd
      mov dword [0x20000], 0x21001
      mov dword [0x20008], 0x22003     ; bit 1 is reserved
      mov dword [0x21000], 0x000083    ; 2 MiB, identity
      mov eax, 0x20
      mov cr4, eax
      mov eax, 0x20000
      mov cr3, eax
      expect_fault one
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
    one:
      mov dword [0x20008], 0
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      expect_fault two
      mov eax, [0x300000]
    two:
      emit cr2`)
    expect(out).toEqual([13, 0, 8, 14, 0, 8, 0x300000])
  })

  test('CPUID names the CPU; unknown MSRs are #GP and reported', () => {
    const warnings: number[] = []
    const cpu = new BareCpu(undefined, { warnMsr: (index) => warnings.push(index) })
    const { out } = runProtected(
      `
      xor eax, eax
      cpuid
      push ecx
      push edx
      emit ebx
      pop eax
      call emit_eax
      pop eax
      call emit_eax
      mov eax, 1
      cpuid
      emit edx
      mov ecx, 0x277
      rdmsr
      push edx
      call emit_eax
      pop eax
      call emit_eax
      mov ecx, 0x174
      mov eax, 0x1234
      xor edx, edx
      wrmsr
      xor eax, eax
      rdmsr
      call emit_eax
      expect_fault one
      mov ecx, 0x277
      mov eax, 2                ; not a memory type
      wrmsr
    one:
      expect_fault two
      mov ecx, 0x12345
      rdmsr
    two:`,
      '',
      cpu,
    )
    expect(String.fromCharCode(...new Uint8Array(Uint32Array.from(out.slice(0, 3)).buffer))).toBe('GenuineIntel')
    // No local APIC on this board: its bit is off.
    expect(out[3]).toBe(0x078bf9ff)
    expect(out.slice(4)).toEqual([0x00070406, 0x00070406, 0x1234, 13, 0, 8, 13, 0, 8])
    expect(warnings).toEqual([0x12345])
  })

  test('the TSC counts ten ticks an instruction and CR4.TSD keeps it from ring 3', () => {
    const { out } = runProtected(`
      rdtsc
      mov ebx, eax
      nop
      nop
      rdtsc
      sub eax, ebx
      call emit_eax
      xor eax, eax
      mov edx, 1
      mov ecx, 0x10
      wrmsr
      rdtsc
      push eax
      emit edx
      pop eax
      call emit_eax
      mov eax, cr4
      or eax, 4
      mov cr4, eax
      expect_fault one
      user
      rdtsc
    one:`)
    // WRMSR to the TSC takes twenty instructions' time.
    expect(out).toEqual([40, 1, 210, 13, 0, 0x2b])
  })

  test('IA32_TSC_ADJUST is the sum of what the TSC was moved by, and moves it', () => {
    const { out } = runProtected(`
      mov ecx, 0x3b
      rdmsr
      call emit_eax
      xor eax, eax
      mov edx, 5
      wrmsr                     ; 5 << 32 ahead
      rdtsc
      emit edx
      mov ecx, 0x10
      mov edx, 7
      xor eax, eax
      wrmsr                     ; some 2 << 32 more
      mov ecx, 0x3b
      rdmsr
      emit edx
      mov edx, 0
      xor eax, eax
      wrmsr
      rdtsc
      emit edx`)
    // The TSC had a few ticks of its own when it became 7 << 32.
    expect(out).toEqual([0, 5, 6, 0])
  })

  test('IA32_SPEC_CTRL keeps IBRS, IA32_PRED_CMD is written alone, and there is nothing to speculate with', () => {
    const { out } = runProtected(`
      mov eax, 7
      xor ecx, ecx
      cpuid
      call emit_eax             ; the last sub-leaf
      and edx, 1 << 26
      emit edx
      mov eax, 7
      mov ecx, 2
      cpuid
      emit edx                  ; BHI_CTRL
      mov ecx, 0x10a
      rdmsr
      and eax, 3                ; RDCL_NO, IBRS_ALL
      call emit_eax
      emit edx                  ; ITS_NO
      mov ecx, 0x48
      rdmsr
      call emit_eax
      mov eax, 0x401
      xor edx, edx
      wrmsr
      rdmsr
      call emit_eax
      inc ecx
      mov eax, 1
      wrmsr
      expect_fault one
      rdmsr
    one:
      expect_fault two
      mov ecx, 0x49
      mov eax, 2
      wrmsr
    two:
      expect_fault three
      mov ecx, 0x48
      mov eax, 4
      wrmsr
    three:`)
    expect(out.slice(0, 7).map((one) => one >>> 0)).toEqual([2, 1 << 26, 16, 3, 0x40000000, 0, 0x401])
    expect(out.filter((one) => one === 13)).toHaveLength(3)
  })

  test('SYSENTER and SYSEXIT make flat segments from the MSR', () => {
    const { out } = runProtected(
      `
      mov ecx, 0x174
      mov eax, FREE
      xor edx, edx
      wrmsr
      inc ecx
      mov eax, 0x6800
      wrmsr
      inc ecx
      mov eax, entry
      wrmsr
      set_gate 0x30, 0xee, back
      user
      mov edx, behind
      mov ecx, esp
      sysenter
    behind:
      mov esi, cs
      mov edi, ss
      int 0x30
    entry:
      mov ebx, edx
      mov ebp, ecx
      mov eax, cs
      call emit_eax
      mov eax, ss
      call emit_eax
      emit esp
      pushf
      pop eax
      call emit_eax
      mov edx, ebx
      mov ecx, ebp
      sysexit
    back:
      mov eax, DATA
      mov ds, eax
      emit esi
      emit edi`,
      'dq 0, 0, 0, 0',
    )
    expect(out.slice(0, 3)).toEqual([0x48, 0x50, 0x6800])
    expect(out[3] & 0x200).toBe(0)
    expect(out.slice(4)).toEqual([0x5b, 0x63])
  })

  test('BOUND, INTO, UD2, and INT1', () => {
    const { out } = runProtected(`
      mov eax, 5
      bound eax, [limits]
      expect_fault one
      mov eax, -3
      bound eax, [limits]
    one:
      expect_fault two
      mov al, 0x7f
      inc al
      into
    two:
      expect_fault three
      ud2
    three:
      expect_fault four
      db 0xf1
    four:
      jmp done
      limits: dd -2, 5`)
    expect(out).toEqual([5, 0, 8, 4, 0, 8, 6, 0, 8, 1, 0, 8])
  })
})

describe.skipIf(!haveNasm)('system management mode', () => {
  test('an SMI saves the CPU, RSM brings it back where it was, SMBASE moves', () => {
    const notices: boolean[] = []
    const cpu = new BareCpu(undefined, { smmChanged: (inSmm) => notices.push(inSmm) })
    const handler = assemble(`bits 16
      mov ax, cs
      out 0x40, ax
      mov eax, [dword 0x3fff0]        ; saved EIP
      out 0x41, eax
      mov eax, [dword 0x3fefc]
      out 0x42, eax
      mov dword [dword 0x3fef8], 0x50000
      mov ebx, 0
      rsm`)
    cpu.ram.set(handler, 0x38000)
    cpu.boot(
      assemble(
        source(`
      mov ebx, 0x12345678
    spin:
      inc ecx
      jmp spin`),
      ),
    )
    cpu.run(1000)
    const before = cpu.state
    expect(before.gpr[3]).toBe(0x12345678n)
    cpu.engine.smi()
    cpu.run(2)
    expect(cpu.state.inSmm).toBe(true)
    cpu.run(500)
    const after = cpu.state
    expect(after.inSmm).toBe(false)
    expect(after.gpr[3]).toBe(0x12345678n)
    expect(after.segments).toEqual(before.segments)
    expect(after.tr).toEqual(before.tr)
    expect(cpu.portWrites.slice(0, 3)).toEqual([
      [0x40, 0x3000, 2],
      [0x41, Number(before.rip), 4],
      [0x42, 0x20000, 4],
    ])
    expect(notices).toEqual([true, false])
    cpu.ram.set(assemble('bits 16\nmov ax, cs\nout 0x40, ax\nrsm'), 0x58000)
    cpu.engine.smi()
    cpu.run(200)
    expect(cpu.portWrites.at(-1)).toEqual([0x40, 0x5000, 2])
    expect(ATTN_SMI).toBe(4)
    expect(dwords(cpu)).toEqual([])
  })

  test('RSM outside of SMM is #UD', () => {
    const { out } = runProtected(`
      expect_fault one
      rsm
    one:`)
    expect(out).toEqual([6, 0, 8])
  })
})
