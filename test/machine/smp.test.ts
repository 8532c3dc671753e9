/** Several CPUs of a whole machine: a boot sector that wakes them, counts them and sends them interrupts. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine } from '../../machine/machine.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { assemble, haveNasm } from './cpu/driver.js'
import { UNREAL } from './unreal.js'

/**
 * Every woken CPU adds one to [600h], enables its local APIC and halts; an IPI of vector 40h makes it add one to [602h].
 * The bootstrap processor leaves with both numbers through debug-exit.
 */
const COUNT_CPUS = `
        bits 16
        org 7c00h
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 7c00h
        mov dword [600h], 0
        mov word [40h*4], handler
        mov word [40h*4+2], 0
        mov si, trampoline          ; to 8000h, where the start-up IPI sends them
        mov di, 8000h
        mov cx, trampoline_end - trampoline
        rep movsb
        call unreal
        mov esi, 0fee00000h
        mov dword [esi+0f0h], 1ffh
        mov dword [esi+300h], 0c4500h   ; INIT to all but self
        mov ecx, 1000
.init:  loop .init
        mov dword [esi+300h], 0c4608h   ; start-up at 0800:0000, twice
        mov dword [esi+300h], 0c4608h
        mov cx, [count]
.wait:  pause
        cmp [600h], cx
        jne .wait
        mov dword [esi+300h], 0c4040h   ; fixed, vector 40h
.ipis:  pause
        cmp [602h], cx
        jne .ipis
        mov al, [600h]
        shl al, 4
        or al, [602h]
        out 0f4h, al
        hlt

handler:
        lock inc word [602h]
        mov dword [esi+0b0h], 0
        iret

trampoline:
        jmp 0:ap
trampoline_end:

ap:     cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov ax, 1                       ; a stack of its own
        lock xadd [600h], ax
        mov sp, ax
        shl sp, 8
        add sp, 6000h
        call unreal
        mov esi, 0fee00000h
        mov dword [esi+0f0h], 1ffh
        sti
.rest:  hlt
        jmp .rest
${UNREAL}
count:  dw CPUS - 1
        times 510-($-$$) db 0
        dw 0aa55h
`

/** The bootstrap processor sends 1,000 NMIs to the second CPU and waits for each in a loop without PAUSE. */
const EXCHANGE = COUNT_CPUS.replace(
  /mov dword \[esi\+300h\], 0c4040h[\s\S]*?hlt\n/,
  `mov word [2*4], nmi
        mov word [2*4+2], 0
        mov dword [esi+310h], 1000000h
        mov cx, 1000
        rdtsc
        mov ebx, eax
.send:  mov dx, [602h]
        mov dword [esi+300h], 4400h     ; NMI
.answer: cmp [602h], dx
        je .answer
        loop .send
        rdtsc
        sub eax, ebx
        shr eax, 20
        out 0f4h, al
        hlt
nmi:    inc word [602h]
        iret
`,
).replace('.rest:  hlt', '.rest:')

function machine(cpus: number, program = COUNT_CPUS): Machine {
  const { bios, vgaBios } = findFirmware()
  const floppy = new Uint8Array(737280)
  floppy.set(assemble(program.replace('CPUS', String(cpus))))
  return createMachine({
    engine: 'soft',
    cpus,
    memory: 8 << 20,
    floppies: [new MemoryMedium(floppy)],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
  })
}

describe.skipIf(!haveNasm)('several CPUs', () => {
  test.each([2, 4, 16])('%i are woken, counted and interrupted', (cpus) => {
    const pc = machine(cpus)
    const exit = pc.run(20e9)
    expect(exit).toMatchObject({ reason: 'debug-exit', code: (cpus - 1) * 17 })
    expect(pc.report().registers).toContain(`CPU ${cpus - 1}:`)
    pc.close()
  })

  test('answer an interrupt soon, though the one that waits for it does not say so', () => {
    const pc = machine(3, EXCHANGE)
    // The code is in units of 1.05 ms: a thousand exchanges take 1,000 ns of waiting each way, not half a millisecond.
    const exit = pc.run(20e9)
    expect(exit?.reason).toBe('debug-exit')
    expect(exit?.code).toBeLessThan(60)
    pc.close()
  })

  test('take their turns in the same order in every run', () => {
    const runs = [machine(4), machine(4)].map((pc) => {
      pc.run(20e9)
      return { instructions: pc.instructions(), registers: pc.report().registers }
    })
    expect(runs[1]).toEqual(runs[0])
  })
})
