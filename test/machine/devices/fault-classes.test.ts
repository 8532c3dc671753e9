/**
 * Classes of faults by which guests broke out of other machines' devices, each on the devices here, through the buses of
 * a whole machine as a guest goes.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { type BarePc, barePc } from '../state/bare-pc.js'

const MS = 1e6
const BUSY = 0x80
const DRQ = 0x08
const TABLE = 0x1000
/** The bus master's ports, primary channel. */
const BMI = 0xc000

const made: BarePc[] = []
function machine(...options: Parameters<typeof barePc>): BarePc {
  const pc = barePc(...options)
  made.push(pc)
  // I/O space and bus master.
  pc.pci(1, 1, 0x20, BMI)
  pc.pci(1, 1, 4, 5)
  return pc
}
afterEach(() => {
  for (const { pc } of made.splice(0)) pc.close()
})

/** What bare-pc.ts has at byte `at` of each medium. */
const contents = (at: number) => (at * 7 + (at >> 9)) & 0xff
const sectors = (first: number, count: number) =>
  Uint8Array.from({ length: count * 512 }, (_, i) => contents(first * 512 + i))

function memory({ memory }: BarePc, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  memory.read(address, bytes)
  return bytes
}

function ata(pc: BarePc, command: number, { lba = 0, count = 1, base = 0x1f0 } = {}): void {
  pc.out(base + 6, 0xe0)
  pc.out(base + 2, count)
  pc.out(base + 3, lba)
  pc.out(base + 4, 0)
  pc.out(base + 5, 0)
  pc.out(base + 7, command)
  pc.run(MS)
}

/** Sectors from `lba` on by DMA to the regions, counts as they stand in the table. */
function readDma(pc: BarePc, count: number, regions: [address: number, count: number][], table = TABLE): void {
  regions.forEach(([address, bytes], i) => {
    pc.poke(TABLE + 8 * i, address)
    pc.poke(TABLE + 8 * i + 4, (bytes | (i === regions.length - 1 ? 0x80000000 : 0)) >>> 0)
  })
  pc.out(BMI, 0)
  pc.out(BMI + 2, 6)
  pc.outl(BMI + 4, table)
  ata(pc, 0xc8, { count })
  pc.out(BMI, 9)
  pc.run(20 * MS)
}

/** The disk still does as it is told. */
function expectSound(pc: BarePc): void {
  pc.out(0x3f6, 4)
  pc.out(0x3f6, 0)
  pc.run(5 * MS)
  ata(pc, 0x20, { lba: 3 })
  expect(pc.in(0x3f6)[0] & (BUSY | DRQ)).toBe(DRQ)
  const words = pc.inw(0x1f0, 256)
  expect(Uint8Array.from(words.flatMap((word) => [word & 0xff, word >> 8]))).toEqual(sectors(3, 1))
}

function fdcResult(pc: BarePc): number[] {
  const bytes: number[] = []
  while (bytes.length < 20 && (pc.in(0x3f4)[0] & 0xd0) === 0xd0) bytes.push(pc.in(0x3f5)[0])
  return bytes
}

describe('the index of a FIFO that an odd command does not reset (CVE-2015-3456)', () => {
  test.each([0x8e, 0x4a, 0x1f, 0xff, 0x33, 0x66, 0xcd])(
    'floppy controller, command %i and bytes without end',
    (command) => {
      const pc = machine()
      pc.out(0x3f2, 0x1c)
      pc.run(5 * MS)
      for (let i = 0; i < 4; i++) {
        pc.out(0x3f5, 0x08)
        fdcResult(pc)
      }
      pc.out(0x3f5, command)
      // DRIVE SPECIFICATION COMMAND goes on until a byte has its bit 7 set; this one never has.
      for (let i = 0; i < 3000; i++) pc.out(0x3f5, i & 0x7f)
      pc.run(MS)
      pc.out(0x3f2, 0)
      pc.out(0x3f2, 0x1c)
      pc.run(5 * MS)
      for (let i = 0; i < 4; i++) {
        pc.out(0x3f5, 0x08)
        expect(fdcResult(pc)).toHaveLength(2)
      }
      pc.out(0x3f5, 0x10)
      expect(fdcResult(pc)).toEqual([0x90])
    },
  )
})

describe('a command that a drive has no medium for (CVE-2015-6855)', () => {
  test.each([0xf8, 0x27, 0x20, 0xc8, 0x25, 0x40])('command %i on a CD drive without a CD is aborted', (command) => {
    const pc = machine({ cdrom: undefined })
    ata(pc, command, { base: 0x170 })
    expect(pc.in(0x376)[0] & (BUSY | DRQ | 1)).toBe(1)
    expect(pc.in(0x171)[0] & 4).toBe(4)
    expectSound(pc)
  })
})

describe('what is left of half a transfer (CVE-2015-5154)', () => {
  const half: { [what: string]: (pc: BarePc) => void } = {
    'a read': (pc) => {
      ata(pc, 0x20, { count: 2 })
      pc.inw(0x1f0, 100)
    },
    'a write': (pc) => {
      ata(pc, 0x30, { count: 2 })
      for (let i = 0; i < 100; i++) pc.outw(0x1f0, i)
    },
    'a packet': (pc) => {
      ata(pc, 0xa0, { base: 0x170 })
      pc.outw(0x170, 0x28, 0)
    },
  }
  const ends: { [what: string]: (pc: BarePc) => void } = {
    SRST: (pc) => {
      pc.out(0x3f6, 4, 0)
      pc.out(0x376, 4, 0)
    },
    'DEVICE RESET': (pc) => {
      pc.out(0x177, 8)
      pc.out(0x1f7, 8)
    },
    'another command': (pc) => {
      pc.out(0x1f7, 0xec)
      pc.out(0x177, 0xa1)
    },
    nothing: () => {},
  }
  for (const [what, begin] of Object.entries(half)) {
    test.each(Object.entries(ends))(`${what} cut off by %s: the data register has an end`, (_, end) => {
      const pc = machine()
      begin(pc)
      end(pc)
      for (const base of [0x1f0, 0x170]) {
        for (let i = 0; i < 70_000; i++) pc.outw(base, 0xdead)
        pc.inw(base, 70_000)
      }
      pc.run(5 * MS)
      expectSound(pc)
    })
  }
})

describe('a length against a smaller buffer', () => {
  test('the disk has more than the table takes: nothing is written behind it', () => {
    const pc = machine()
    pc.memory.write(0x20000, new Uint8Array(4096).fill(0xee))
    readDma(pc, 4, [[0x20000, 512]])
    expect(memory(pc, 0x20000, 512)).toEqual(sectors(0, 1))
    expect(memory(pc, 0x20200, 3584).every((byte) => byte === 0xee)).toBe(true)
    expectSound(pc)
  })

  test('the table has more than the disk', () => {
    const pc = machine()
    pc.memory.write(0x20000, new Uint8Array(4096).fill(0xee))
    readDma(pc, 1, [[0x20000, 4096]])
    expect(memory(pc, 0x20000, 512)).toEqual(sectors(0, 1))
    expect(memory(pc, 0x20200, 3584).every((byte) => byte === 0xee)).toBe(true)
    expectSound(pc)
  })

  test('a table without an end, of regions of two bytes', () => {
    const pc = machine()
    for (let i = 0; i < 8192; i++) {
      pc.poke(0x30000 + 8 * i, 0x50000)
      pc.poke(0x30004 + 8 * i, 2)
    }
    readDma(pc, 0, [], 0x30000)
    expectSound(pc)
  })
})

describe('a device whose DMA goes to devices', () => {
  const places = { HPET: 0xfed00000, 'local APIC': 0xfee00000, 'I/O APIC': 0xfec00000, VGA: 0xa0000, ROM: 0xf0000 }
  test.each(Object.entries(places))('to the registers of the %s, and a table in them', (_, address) => {
    const pc = machine()
    readDma(pc, 16, [[address, 8192]])
    readDma(pc, 16, [[0x20000, 8192]], address)
    expectSound(pc)
  })

  test('over its own table', () => {
    const pc = machine()
    const regions = Array.from({ length: 16 }, (): [number, number] => [TABLE, 512])
    readDma(pc, 16, regions)
    expectSound(pc)
  })

  test('past the end of memory and of addresses', () => {
    const pc = machine()
    for (const address of [0x1fff00, 0x7fffff00, 0x80000000, 0xffffff00]) readDma(pc, 16, [[address, 8192]])
    for (const table of [0x1ffffc, 0x7ffffffc, 0x80000000, 0xfffffffc]) readDma(pc, 16, [], table)
    expectSound(pc)
  })
})

describe('arithmetic of banked windows (CVE-2016-3710)', () => {
  test('a bank past the video memory shows nothing of anything else', () => {
    const pc = machine()
    const vbe = (index: number, value: number) => {
      pc.outw(0x1ce, index)
      pc.outw(0x1cf, value)
    }
    for (const bpp of [8, 15, 24, 32]) {
      vbe(4, 0)
      for (const [index, value] of [
        [1, 640],
        [2, 480],
        [3, bpp],
      ] as const)
        vbe(index, value)
      vbe(4, 0x41)
      for (const bank of [0, 255, 256, 257, 0x7fff, 0x8000, 0xffff]) {
        vbe(5, bank)
        for (const at of [0, 0x8000, 0xfffc, 0xffff]) {
          pc.memory.mmioWrite(0xa0000 + at, 0xdeadbeef, at === 0xffff ? 1 : 4)
          pc.memory.mmioRead(0xa0000 + at, at === 0xffff ? 1 : 4)
        }
      }
      for (const [x, y, width] of [
        [0xffff, 0xffff, 0xffff],
        [0, 0xffff, 640],
        [0xffff, 0, 1],
      ]) {
        vbe(6, width)
        vbe(8, x)
        vbe(9, y)
        const { data, width: columns, height } = pc.pc.display.frame()
        expect(data.length).toBe(columns * height * 4)
      }
    }
    expectSound(pc)
  })
})

describe('a count of 0', () => {
  test('is 65,536 bytes of a region of the bus master, and 256 sectors', () => {
    const pc = machine()
    readDma(pc, 0, [
      [0x100000, 0],
      [0x110000, 0],
    ])
    expect(Buffer.compare(memory(pc, 0x100000, 0x20000), sectors(0, 256))).toBe(0)
  })

  test('is 65,536 sectors of a 48-bit command: past the end of a small disk, so none', () => {
    const pc = machine()
    ata(pc, 0x25, { count: 0 })
    expect(pc.in(0x3f6)[0] & (BUSY | DRQ | 1)).toBe(1)
    expect(pc.in(0x1f1)[0]).toBe(0x10)
    expectSound(pc)
  })
})

describe('a function that may not be master of the bus', () => {
  test('moves nothing, and goes on where it may', () => {
    const pc = machine()
    pc.pci(1, 1, 4, 1)
    readDma(pc, 2, [[0x20000, 1024]])
    expect(memory(pc, 0x20000, 1024).every((byte) => byte === 0)).toBe(true)
    expect(pc.in(BMI + 2)[0] & 5).toBe(1)
    pc.pci(1, 1, 4, 5)
    pc.run(5 * MS)
    expect(memory(pc, 0x20000, 1024)).toEqual(sectors(0, 2))
    expect(pc.in(BMI + 2)[0] & 5).toBe(4)
  })
})

test('an address that a disk refuses is none that its snapshot is refused for', () => {
  const pc = machine()
  pc.out(0x1f6, 0xa0)
  // Sectors count from 1.
  for (const register of [2, 3, 4, 5]) pc.out(0x1f0 + register, 0)
  pc.out(0x1f7, 0x20)
  pc.run(MS)
  expect(pc.in(0x1f1)[0]).toBe(0x10)
  const state = pc.pc.save()
  machine().pc.load(state)
})
