/** Every device of the machine's table, saved in the middle of something and gone on with in a machine just made. */
import { afterAll, describe, expect, test } from 'vitest'
import type { Board } from '../../../machine/boards/board.js'
import { differences, hashState } from '../../../machine/state/compare.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../../machine/state/memory-image.js'
import { type BarePc, barePc } from './bare-pc.js'

const MS = 1e6

interface Case {
  devices: string[]
  /** Begins something. */
  begin(machine: BarePc): void
  /** Goes on with it, where the guest has to; on both machines. */
  go?(machine: BarePc): void
  /** Guest ns between saving and comparing. */
  after?: number
}

const CASES: { [what: string]: Case } = {
  'PIT: periodic, one byte of a latched count read': {
    devices: ['isa-pit', 'isa-i8259'],
    begin(m) {
      m.out(0x43, 0x34)
      m.out(0x40, 0x00, 0x20)
      m.run(10.3 * MS)
      m.out(0x43, 0x00)
      m.in(0x40)
    },
    go: (m) => m.in(0x40),
  },
  'PIC: between ICW2 and ICW3': {
    devices: ['isa-i8259'],
    begin(m) {
      m.out(0x20, 0x11)
      m.out(0x21, 0x08)
    },
    go: (m) => m.out(0x21, 4, 1, 0xfb),
  },
  'RTC: periodic interrupt': {
    devices: ['mc146818rtc'],
    begin(m) {
      m.out(0x70, 0x0b)
      m.out(0x71, 0x42)
      m.run(0.4 * MS)
    },
  },
  'coprocessor error: pending and passed over': {
    devices: ['coprocessor-error'],
    begin(m) {
      const { board } = m.pc as unknown as { board: Board }
      board.pins.ferr(true)
      m.out(0xf0, 0)
    },
    go: (m) => m.out(0xf0, 0),
  },
  'HPET: periodic, in place of the PIT': {
    devices: ['hpet'],
    begin(m) {
      m.poke(0xfed00100, 0x4c)
      m.poke(0xfed00108, 123456)
      m.poke(0xfed00010, 3)
      m.run(1.7 * MS)
    },
  },
  'local APIC: periodic timer, an interrupt in service': {
    devices: ['apic0', 'apic'],
    begin(m) {
      m.poke(0xfee000f0, 0x1ff)
      m.poke(0xfee00350, 0x700)
      m.poke(0xfee003e0, 0x0b)
      m.poke(0xfee00320, 0x20040)
      m.poke(0xfee00380, 100_000)
      m.run(2 * MS)
    },
    go: (m) => m.poke(0xfee000b0, 0),
  },
  'I/O APIC: the PIT through pin 2, register select half done': {
    devices: ['ioapic', 'isa-pit'],
    begin(m) {
      m.poke(0xfee000f0, 0x1ff)
      m.poke(0xfec00000, 0x14)
      m.poke(0xfec00010, 0x50)
      m.out(0x21, 0xff)
      m.out(0x43, 0x34)
      m.out(0x40, 0x00, 0x10)
      m.run(5 * MS)
      m.poke(0xfec00000, 0x15)
    },
    go: (m) => m.poke(0xfec00010, 0x01000000),
  },
  'ACPI: timer overflow armed': {
    devices: ['PIIX4_PM'],
    begin(m) {
      m.pci(1, 3, 0x40, 0xb001)
      m.pci(1, 3, 0x80, 1)
      m.outw(0xb002, 1)
    },
    after: 3000 * MS,
  },
  'keyboard and mouse: bytes that nobody has fetched': {
    devices: ['i8042'],
    begin(m) {
      m.out(0x64, 0xa8)
      m.out(0x64, 0xd4)
      m.out(0x60, 0xf4)
      for (const code of ['KeyA', 'ShiftLeft', 'F5']) m.pc.input({ kind: 'key', code, down: true })
      m.pc.input({ kind: 'mouse', dx: 5, dy: -3, dz: 0, buttons: 1 })
      m.run(3 * MS)
      m.in(0x60)
    },
    go(m) {
      m.run(2 * MS)
      m.in(0x60)
      m.pc.input({ kind: 'mouse', dx: 1, dy: 1, dz: 0, buttons: 0 })
    },
  },
  'keyboard controller: between a command and its byte': {
    devices: ['i8042'],
    begin: (m) => m.out(0x64, 0xd1),
    go: (m) => m.out(0x60, 0xdd),
  },
  'port 92h and 61h': {
    devices: ['a20', 'system-control'],
    begin(m) {
      m.out(0x92, 0)
      m.out(0x61, 3)
    },
    go: (m) => m.out(0x92, 2),
  },
  'interrupt 13: an error of the FPU, which no machine made anew has had': {
    devices: ['irq-router'],
    begin(m) {
      // fninit; fldcw [700h], which unmasks #Z; fld1; fldz; fdivp; jmp $
      m.memory.write(
        0x600,
        Uint8Array.from([0xdb, 0xe3, 0xd9, 0x2e, 0, 7, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xeb, 0xfe]),
      )
      m.poke(0x700, 0x037b)
      m.poke(8 * 4, 0x600)
      m.out(0x43, 0x34)
      m.out(0x40, 0x00, 0x10)
      m.run(10 * MS)
      const { assertedSources } = save(m).devices['irq-router'] as { assertedSources: string[][] }
      expect(assertedSources[13]).toHaveLength(1)
    },
  },
  'DMA controller: one byte of an address': {
    devices: ['i8257'],
    begin(m) {
      m.out(0x0c, 0)
      m.out(0x04, 0x34)
    },
    go: (m) => m.out(0x04, 0x12),
  },
  'floppy: seeking': {
    devices: ['isa-fdc'],
    begin(m) {
      floppyReady(m)
      m.out(0x3f5, 0x0f, 0, 40)
      m.run(20 * MS)
    },
    after: 400 * MS,
  },
  'floppy: in a DMA transfer': {
    devices: ['isa-fdc', 'i8257'],
    begin(m) {
      floppyReady(m)
      m.out(0x3f5, 0x07, 0)
      m.run(50 * MS)
      m.out(0x3f5, 0x08)
      m.in(0x3f5, 2)
      m.out(0x0a, 6)
      m.out(0x0c, 0)
      m.out(0x0b, 0x46)
      m.out(0x04, 0x00, 0x80)
      m.out(0x81, 0)
      m.out(0x05, 0xff, 0x0f)
      m.out(0x0a, 2)
      m.out(0x3f5, 0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)
      m.run(120 * MS)
    },
    after: 500 * MS,
  },
  'disk: in a PIO read of several sectors': {
    devices: ['ide'],
    begin(m) {
      m.out(0x1f6, 0xe0)
      m.out(0x1f2, 4)
      m.out(0x1f3, 1)
      m.out(0x1f4, 0)
      m.out(0x1f5, 0)
      m.out(0x1f7, 0x20)
      m.run(1 * MS)
      m.inw(0x1f0, 300)
    },
    go(m) {
      m.inw(0x1f0, 300)
      m.run(1 * MS)
      m.inw(0x1f0, 300)
    },
  },
  'disk: in a PIO write': {
    devices: ['ide'],
    begin(m) {
      m.out(0x1f6, 0xe0)
      m.out(0x1f2, 2)
      m.out(0x1f3, 9)
      m.out(0x1f4, 0)
      m.out(0x1f5, 0)
      m.out(0x1f7, 0x30)
      m.run(1 * MS)
      m.outw(0x1f0, ...Array.from({ length: 100 }, (_, i) => i))
    },
    go(m) {
      m.outw(0x1f0, ...Array.from({ length: 156 }, (_, i) => ~i & 0xffff))
      m.run(5 * MS)
      m.outw(0x1f0, ...Array.from({ length: 256 }, (_, i) => i * 3))
    },
  },
  'disk: in a bus master DMA read': {
    devices: ['ide', 'pci.0'],
    begin(m) {
      m.pci(1, 1, 0x20, 0xc001)
      m.pci(1, 1, 0x04, 5)
      m.poke(0x9000, 0x40000)
      m.poke(0x9004, 0x80008000 | 0)
      m.outl(0xc004, 0x9000)
      m.out(0xc000, 8)
      m.out(0x1f6, 0xe0)
      m.out(0x1f2, 64)
      m.out(0x1f3, 0)
      m.out(0x1f4, 0)
      m.out(0x1f5, 0)
      m.out(0x1f7, 0xc8)
      m.out(0xc000, 9)
    },
    after: 100 * MS,
  },
  'CD: in a READ(10)': {
    devices: ['ide'],
    begin(m) {
      m.out(0x176, 0xa0)
      m.out(0x174, 0x00)
      m.out(0x175, 0x08)
      // The first command after power-on ends in a unit attention.
      for (const packet of [
        [0, 0, 0, 0, 0, 0],
        [0x0028, 0, 0, 0, 0x0002, 0],
      ]) {
        m.out(0x177, 0xa0)
        m.run(1 * MS)
        m.outw(0x170, ...packet)
        m.run(30 * MS)
      }
      expect(m.in(0x177)[0] & 0x09).toBe(0x08)
      m.inw(0x170, 500)
    },
    go(m) {
      m.inw(0x170, 524)
      m.run(30 * MS)
      m.inw(0x170, 100)
    },
  },
  'COM1: FIFO filling while bytes are sent': {
    devices: ['COM1', 'irq-router'],
    begin(m) {
      m.out(0x3fb, 0x83)
      m.out(0x3f8, 0x0c)
      m.out(0x3f9, 0)
      m.out(0x3fb, 0x03)
      m.out(0x3fa, 0xc7)
      m.out(0x3f9, 0x03)
      m.out(0x3fc, 0x0b)
      m.out(0x3f8, 0x41, 0x42, 0x43)
      m.pc.input({
        kind: 'serial',
        port: 0,
        bytes: new TextEncoder().encode('more than sixteen bytes of input'),
      })
      m.run(2.5 * MS)
    },
    go: (m) => m.in(0x3f8, 3),
  },
  ...Object.fromEntries(
    [0x2f8, 0x3e8, 0x2e8].map((base, i): [string, Case] => [
      `COM${i + 2}: a byte under way`,
      {
        devices: [`COM${i + 2}`],
        begin(m) {
          m.out(base + 3, 0x03)
          m.out(base, 0x55)
        },
      },
    ]),
  ),
  'parallel port: a strobe begun': {
    devices: ['LPT1'],
    begin(m) {
      m.out(0x378, 0x5a)
      m.out(0x37a, 0x1d)
    },
    go: (m) => m.out(0x37a, 0x1c),
  },
  'VGA: half a colour, half a picture, latches full': {
    devices: ['VGA'],
    begin(m) {
      m.outw(0x3c4, 0x0f02, 0x0604)
      m.outw(0x3ce, 0x0506, 0x0105)
      for (let i = 0; i < 1000; i++) m.memory.write8(0xa0000 + i, i * 3)
      m.memory.read8(0xa0123)
      m.out(0x3c8, 5)
      m.out(0x3c9, 1, 2)
      m.in(0x3da)
      m.out(0x3c0, 0x10)
    },
    go(m) {
      m.out(0x3c9, 3)
      m.out(0x3c0, 0x41)
      m.memory.write8(0xa4000, 0)
    },
  },
  'VBE: an index without its value': {
    devices: ['VGA'],
    begin(m) {
      m.outw(0x1ce, 1)
      m.outw(0x1d0, 800)
      m.outw(0x1ce, 2)
    },
    go: (m) => m.outw(0x1d0, 600),
  },
  'fw_cfg: in the middle of an item': {
    devices: ['fw_cfg'],
    begin(m) {
      m.outw(0x510, 0x19)
      m.in(0x511, 5)
    },
    go: (m) => m.in(0x511, 7),
  },
  'PCI: an address without its access; PAM and SMRAM': {
    devices: ['pci.0'],
    begin(m) {
      m.pci(0, 0, 0x58, 0x00331000)
      m.pci(0, 0, 0x70, 0x004a0000)
      m.outl(0xcf8, 0x80000804)
    },
    go: (m) => m.outl(0xcfc, 7),
  },
  'PIIX3: reset control half written': {
    devices: ['PIIX3'],
    begin: (m) => m.out(0xcf9, 2),
  },
}

/** The motor on, and out of reset. */
function floppyReady(m: BarePc): void {
  m.out(0x3f2, 0x00)
  m.out(0x3f2, 0x1c)
  m.run(2 * MS)
  for (let i = 0; i < 4; i++) {
    m.out(0x3f5, 0x08)
    m.in(0x3f5, 2)
  }
}

const layers = new Set<MemoryLayer>()

function save(machine: BarePc): MachineState {
  const state = machine.pc.save()
  for (const layer of state.memory.layers) layers.add(layer)
  return state
}

describe('a machine that is saved goes on in another as it would have itself', () => {
  afterAll(() => {
    for (const layer of layers) closeLayer(layer)
  })

  test.each(Object.entries(CASES))('%s', (_, { devices, begin, go, after = 30 * MS }) => {
    const machine = barePc()
    machine.run(2 * MS)
    begin(machine)
    const saved = save(machine)
    const copy = barePc()
    const mine = devices.filter((name) => saved.devices[name])
    expect(mine).not.toHaveLength(0)
    const different = differences(saved, save(copy), 1000).join('\n')
    for (const name of mine) expect(different).toContain(`devices.${name}.`)

    copy.pc.load(structuredClone(saved))
    expect(differences(saved, save(copy))).toEqual([])
    go?.(machine)
    go?.(copy)
    machine.run(after)
    copy.run(after)
    const [one, other] = [save(machine), save(copy)]
    expect(differences(one, other)).toEqual([])
    expect(hashState(other)).toBe(hashState(one))
    expect(Buffer.compare(copy.pc.display.frame().data, machine.pc.display.frame().data)).toBe(0)
    machine.pc.close()
    copy.pc.close()
  })

  test('nothing in place of a CPU, of its registers or of the clock is refused by name', () => {
    const machine = barePc()
    const saved = save(machine)
    const spoiled: [string, (state: MachineState) => void][] = [
      ['cpu0', (state) => Object.assign(state.cpus, { 0: null })],
      ['cpu0.gpr', ({ cpus }) => Object.assign(cpus[0], { gpr: null })],
      ['cpu0.gpr.3', ({ cpus }) => Object.assign(cpus[0].gpr, { 3: null })],
      ['cpu0.segments.1', ({ cpus }) => Object.assign(cpus[0].segments, { 1: null })],
      ['cpu0.fxsave', ({ cpus }) => Object.assign(cpus[0], { fxsave: null })],
      ['clock', (state) => Object.assign(state, { clock: null })],
    ]
    for (const [where, spoil] of spoiled) {
      const state: MachineState = { ...structuredClone(saved), isOwn: undefined }
      spoil(state)
      expect(() => machine.pc.load(state), where).toThrow(`the snapshot is damaged at ${where}: it should be`)
    }
    machine.pc.close()
  })

  test('no device of the table that has a state is left out', () => {
    const { pc } = barePc()
    const covered = Object.values(CASES).flatMap(({ devices }) => devices)
    const { devices, memory } = pc.save()
    for (const layer of memory.layers) layers.add(layer)
    // The host bridge has one flag of its own, which SMM sets: the guests' tests go through it.
    const left = Object.keys(devices).filter((name) => Object.keys(devices[name]).length > 0 && !covered.includes(name))
    expect(left).toEqual(['i440FX'])
    pc.close()
  })
})
