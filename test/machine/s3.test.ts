/** ACPI S3 of a whole machine: a boot sector that suspends, and goes on where the firmware's waking vector says. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine } from '../../machine/machine.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { Overlay } from '../../machine/media/overlay.js'
import { assemble, haveNasm } from './cpu/driver.js'
import { UNREAL } from './unreal.js'

/**
 * Finds the FACS from the RSDP, enters its waking vector and suspends. Awake again it leaves through debug-exit with the
 * upper half of PM1_STS (WAK_STS 80h, RTC_STS 4, PWRBTN_STS 1), or with FFh where memory is not as it was.
 */
const SUSPEND = `
        bits 16
        org 7c00h
        cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 7c00h
        call unreal
        mov esi, 0e0000h
.rsdp:  add esi, 16
        cmp dword [esi], 'RSD '
        jne .rsdp
        cmp dword [esi+4], 'PTR '
        jne .rsdp
        mov ebx, [esi+16]               ; RSDT
        mov ebx, [ebx+36]               ; FADT, its first entry
        mov ebx, [ebx+36]               ; FACS
        mov dword [ebx+12], resume
        mov dword [500h], 12345678h
        mov dx, 602h                    ; PM1_EN
        mov ax, PM1_EN
        out dx, ax
        mov cx, 0c001h                  ; alarm every second
.alarm: mov al, cl
        out 70h, al
        mov al, ch
        out 71h, al
        add cl, 2
        cmp cl, 7
        jne .alarm
        mov al, 0bh
        out 70h, al
        mov al, 22h
        out 71h, al
        mov dx, 604h                    ; PM1_CNT: S3
        mov ax, 2400h
        out dx, ax
        mov dword [500h], 0
.stay:  hlt
        jmp .stay

resume: xor ax, ax
        mov ds, ax
        mov al, 0ffh
        cmp dword [500h], 12345678h
        jne .leave
        mov dx, 600h                    ; PM1_STS
        in ax, dx
        mov al, ah
.leave: out 0f4h, al
        hlt
${UNREAL}
        times 510-($-$$) db 0
        dw 0aa55h
`

const RTC_EN = '400h'

function machine(enabled: string): Machine {
  const { bios, vgaBios } = findFirmware()
  const floppy = new Uint8Array(737280)
  floppy.set(assemble(SUSPEND.replace('PM1_EN\n        out', `${enabled}\n        out`)))
  return createMachine({
    engine: 'soft',
    memory: 8 << 20,
    floppies: [new Overlay(new MemoryMedium(floppy))],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
  })
}

describe.skipIf(!haveNasm)('a machine in S3', () => {
  test('wakes at the alarm, with its memory', () => {
    const pc = machine(RTC_EN)
    expect(pc.run(20e9)).toMatchObject({ reason: 'debug-exit', code: 0x84 })
    pc.close()
  })

  test('says that no alarm will wake it, and the power button does', () => {
    const pc = machine('0')
    expect(pc.run(20e9)).toMatchObject({ reason: 'suspended' })
    const asleep = pc.now()
    expect(pc.run(20e9)).toMatchObject({ reason: 'suspended' })
    expect(pc.now()).toBe(asleep)
    pc.input({ kind: 'power-button' })
    expect(pc.run(20e9)).toMatchObject({ reason: 'debug-exit', code: 0x81 })
    pc.close()
  })

  test('wakes from a snapshot, too, and at a key', () => {
    const pc = machine('0')
    pc.run(20e9)
    const saved = pc.save()
    const copy = machine('0')
    copy.load(saved)
    expect(copy.run(20e9)).toMatchObject({ reason: 'suspended' })
    copy.input({ kind: 'key', code: 'Space', down: true })
    expect(copy.run(copy.now() + 20e9)).toMatchObject({ reason: 'debug-exit', code: 0x81 })
    pc.close()
    copy.close()
  })

  test('sleeps no longer than it is asked to run', () => {
    const pc = machine(RTC_EN)
    const start = 20e9
    let slices = 0
    while (pc.now() < start && pc.run(pc.now() + 10e6) === undefined) slices++
    expect(pc.now()).toBeLessThan(start)
    expect(slices).toBeGreaterThan(10)
    pc.close()
  })
})
