import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { itemsOf, readLog } from '../../../harness/config/log-file.js'
import { createMachine } from '../../../machine/create-machine.js'
import { logHelp, MachineLog, parseLogRanges } from '../../../machine/debug/machine-log.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { Overlay } from '../../../machine/media/overlay.js'
import { noFirmware } from '../../firmware-here.js'
import { assemble, BareCpu, haveNasm } from '../cpu/driver.js'

/** Into protected mode; an interrupt, an access to nothing, a page fault, and a triple fault. */
const PROGRAM = `
        bits 16
        org 7c00h
        cli
        xor ax, ax
        mov ds, ax
        in al, 80h
        mov dx, 0a10h
        in al, dx
        mov al, 11h
        out 20h, al
        mov al, 0d2h
        out 64h, al
        mov al, 1
        out 60h, al
        lgdt [gdt]
        lidt [idt]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:wide
        bits 32
wide:   mov ax, 16
        mov ds, ax
        mov ss, ax
        mov esp, 7000h
        mov dword [0fee000f0h], 1ffh
        int 3
        mov eax, 3
        mov [9000h+4], eax
        mov dword [8000h], 9003h
        mov edi, 9000h
fill:   mov ecx, eax
        and ecx, 0fffff003h
        mov [edi], eax
        add edi, 4
        add eax, 1000h
        cmp edi, 0a000h
        jb fill
        mov dword [9000h+4*50h], 0
        mov eax, 8000h
        mov cr3, eax
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        invlpg [1234h]
        mov ebx, 7
        mov [50123h], ebx
back:   iret
gdt:    dw 23
        dd gdt
        dw 0
        dd 0000ffffh, 0cf9a00h, 0000ffffh, 0cf9200h
idt:    dw 31
        dd gates
gates:  dd 0, 0, 0, 0, 0, 0
        dw back, 8, 8e00h, 0
        times 510-($-$$) db 0
        dw 0aa55h
`

function run(items: string, range?: string) {
  const { bios, vgaBios } = findFirmware()
  const floppy = new Uint8Array(737280)
  floppy.set(assemble(PROGRAM))
  let text = ''
  const log = new MachineLog((line) => {
    text += line
  })
  const machine = createMachine({
    engine: 'soft',
    memory: 4 << 20,
    floppies: [new Overlay(new MemoryMedium(floppy))],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    log,
  })
  let exit: ReturnType<typeof machine.run>
  // The firmware is of no interest here, and long.
  machine.debugTarget?.setBreakpoints([{ kind: 'execute', address: 0x7c00n, length: 1 }])
  while (!machine.debugTarget?.takeStop()) machine.run(machine.now() + 100e6)
  machine.debugTarget.setBreakpoints([])
  log.set(itemsOf(items), range === undefined ? [] : parseLogRanges(range))
  while (!exit && machine.now() < 20e9) exit = machine.run(machine.now() + 100e6)
  // The reset comes when it runs on.
  machine.run(machine.now() + 1)
  const hash = `${machine.instructions()} ${machine.fingerprint()}`
  machine.close()
  return { text, hash, reason: exit?.reason }
}

test.skipIf(!haveNasm || noFirmware)('interrupts, faults and resets have the lines of QEMU, with the registers', () => {
  const { text, hash, reason } = run('int,cpu_reset,mmu,unassigned')
  expect(reason).toBe('triple-fault')
  expect(text).toMatch(
    /CPU Reset \(CPU 0\)\nEAX=80000011 EBX=00000007.*\n.*\nEIP=00007c.. EFL=0{5}... \[.{7}\] CPL=0 II=0 A20=1 SMM=0 HLT=0\n/,
  )
  expect(text).toContain('unassigned port read addr 0xa10\n')
  expect(text).toMatch(
    /\n {5}\d: v=03 e=0000 i=1 cpl=0 IP=0008:0{12}7c[45]. pc=0{12}7c[45]. SP=0010:0{12}7000 EAX=0{14}10\nEAX=/,
  )
  expect(text).toContain('CS =0008 00000000 ffffffff 00cf9b00 DPL=0 CS32 [-RA]\n')
  expect(text).toMatch(/CR3 update: CR3=0{12}8000\nINVLPG: addr=0{12}1234\nMMU fault: addr=0{11}50123 w=1 u=0 eip=/)
  expect(text).toMatch(/v=0e e=0002 i=0 cpl=0 IP=.* CR2=0{11}50123\n/)
  expect(text.match(/v=0e[\s\S]*v=08[\s\S]*Triple fault\nCPU Reset/)).not.toBeNull()
  expect(run('none')).toEqual({ text: '', hash, reason })
})

test.skipIf(!haveNasm || noFirmware)('instructions, accesses and lines are told, of some addresses alone', () => {
  const { text, hash } = run('exec,cpu,in_asm', '0x7c00..0x7c04,0x7c2c+8')
  expect(text).toMatch(/^IN:\n0x00007c00: {2}fa\nTrace 0: \d+ \[00000000\/0{12}7c00\/0{5}\w{3}\]\nEAX=/)
  expect(text).toContain('IN:\n0x00007c01:  31 c0\n')
  expect(text).not.toContain('7c20')
  const io = run('io,irq')
  expect(io.text).toMatch(/cpu_out addr 0x20\(b\) value 17 '.*'\n/)
  expect(io.text).toMatch(/memory_region_ops_write cpu 0 addr 0xfee000f0 value 0x/)
  expect(io.text).toMatch(/irq 1 level 1 '.*'\n/)
  expect(io.hash).toBe(hash)
})

test('words that are none are refused in a sentence', () => {
  expect(() => readLog('int,exc')).toThrow("there is no log of 'exc'; did you mean 'exec'? there are int, exec,")
  expect(() => readLog('zzzzzz')).toThrow("there is no log of 'zzzzzz'; there are int,")
  expect(() => readLog({ items: 'int', range: '0x9..0x1' })).toThrow('ends before it begins')
  expect(() => readLog({ items: 'int', range: 'kmain' })).toThrow(
    "the log's range 'kmain' is none; give 0x8000..0x8fff",
  )
  expect(() => readLog({ items: 'int', flie: 'x' } as never)).toThrow("log has no 'flie'; it has items, file, range")
  expect(parseLogRanges('0x10..0x1f,0x80+0x10,0x90-0x10,5')).toEqual([
    [0x10n, 0x1fn],
    [0x80n, 0x8fn],
    [0x80n, 0x90n],
    [5n, 5n],
  ])
  expect([...itemsOf('all')]).toHaveLength(logHelp().split('\n').length - 2)
  expect([...itemsOf('int,reset,nochain')]).toEqual(['int', 'cpu_reset'])
})

test('an engine whose instructions are told one at a time looks at the host’s clock between them', () => {
  const cpu = new BareCpu(1 << 20)
  cpu.boot(Uint8Array.of(0xeb, 0xfe))
  let told = 0
  const slow = () => {
    const end = performance.now() + 0.5
    while (performance.now() < end);
    told++
  }
  cpu.engine.setEvents({ executed: slow })
  const began = performance.now()
  cpu.engine.run(cpu.engine.now() + 1e6, began + 50)
  expect(told).toBeGreaterThan(0)
  // A hundred thousand instructions would take 50 s.
  expect(told).toBeLessThan(1000)
})

test('a line of exec asks for no registers beyond those that it shows', () => {
  const lines: string[] = []
  const log = new MachineLog((text) => lines.push(text))
  log.attach({
    ...{ current: () => 0, instructions: () => 8, nameOf: () => ' <kmain>', read: () => new Uint8Array() },
    state: () => {
      throw new Error('all of the state')
    },
  })
  log.set(new Set(['exec']))
  const events = log.engineEvents()
  events?.before?.({ linear: 0x107c00n, base: 0x100000n, rip: 0x7c00n, rflags: 2 })
  events?.executed?.()
  expect(lines).toEqual(['Trace 0: 7 [00100000/0000000000007c00/00000002] <kmain>\n'])
})
