/** Several CPUs of a whole machine: a boot sector that wakes them, counts them and sends them interrupts. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine } from '../../machine/machine.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { assemble, haveNasm } from './cpu/driver.js'
import { COUNT_CPUS } from './smp-program.js'

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
