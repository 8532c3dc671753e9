import { beforeEach, describe, expect, test } from 'vitest'
import type { DmaChannel } from '../../../../machine/chipset/i8237.js'
import { ManualClock } from '../../../../machine/clock.js'
import { Fdc82077 } from '../../../../machine/devices/storage/fdc82077.js'
import { FloppyDrive } from '../../../../machine/devices/storage/floppy-drive.js'
import { MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

const MS = 1_000_000
const RQM = 0x80
const SIZE_144 = 1_474_560

/** A DMA channel with a buffer that the test sees, programmed for `count` bytes. */
class FakeDma implements DmaChannel {
  memory = new Uint8Array(65536)
  position = 0
  count = 0
  masked = false

  program(count: number): void {
    this.position = 0
    this.count = count
    this.masked = false
  }

  write(data: Uint8Array) {
    const length = this.take(data.length)
    this.memory.set(data.subarray(0, length), this.position)
    return this.moved(length)
  }

  read(into: Uint8Array) {
    const length = this.take(into.length)
    into.set(this.memory.subarray(this.position, this.position + length))
    return this.moved(length)
  }

  private take(length: number): number {
    return this.masked ? 0 : Math.min(length, this.count - this.position)
  }

  private moved(length: number) {
    this.position += length
    const terminalCount = length > 0 && this.position === this.count
    if (terminalCount) this.masked = true
    return { transferred: length, terminalCount }
  }
}

/** Every sector starts with its LBA and is filled with it. */
function numbered(size: number): Uint8Array {
  const data = new Uint8Array(size)
  for (let lba = 0; lba < size / 512; lba++) {
    data.fill(lba & 0xff, lba * 512, lba * 512 + 512)
    data[lba * 512] = lba >> 8
  }
  return data
}

class Bench {
  clock = new ManualClock()
  dma = new FakeDma()
  irq = false
  edges = 0
  warnings: string[] = []
  fdc: Fdc82077

  constructor(drives: (FloppyDrive | undefined)[]) {
    this.fdc = new Fdc82077({
      clock: this.clock,
      irq: (level) => {
        if (level && !this.irq) this.edges++
        this.irq = level
      },
      dma: this.dma,
      warn: (what) => this.warnings.push(what),
      drives,
    })
  }

  in(port: number): number {
    const range = port === 0x3f7 ? this.fdc.ports[1] : this.fdc.ports[0]
    return range.read(port - range.base, 1)
  }

  out(port: number, value: number): void {
    const range = port === 0x3f7 ? this.fdc.ports[1] : this.fdc.ports[0]
    range.write(port - range.base, value, 1)
  }

  command(...bytes: number[]): void {
    for (const byte of bytes) {
      expect(this.in(0x3f4) & 0xc0).toBe(RQM)
      this.out(0x3f5, byte)
    }
  }

  result(): number[] {
    const bytes: number[] = []
    while ((this.in(0x3f4) & 0xd0) === 0xd0) bytes.push(this.in(0x3f5))
    return bytes
  }

  /** Lets guest time pass until the interrupt. */
  untilIrq(limit = 1000 * MS): void {
    while (!this.irq && this.clock.nextDeadline() <= limit) {
      this.clock.advance(this.clock.nextDeadline() - this.clock.now())
    }
    expect(this.irq).toBe(true)
  }

  seek(unit: number, track: number): number[] {
    this.command(0x0f, unit, track)
    this.untilIrq()
    this.command(0x08)
    return this.result()
  }

  /** READ DATA and the like by DMA: [ST0, ST1, ST2, C, H, R, N]. */
  transfer(op: number, c: number, h: number, r: number, eot: number, count: number, unit = 0, last = 0xff): number[] {
    this.dma.program(count)
    this.command(op, (h << 2) | unit, c, h, r, 2, eot, 0x1b, last)
    this.untilIrq()
    return this.result()
  }
}

let bench: Bench
let medium: MemoryMedium
beforeEach(() => {
  medium = new MemoryMedium(numbered(SIZE_144))
  bench = new Bench([new FloppyDrive({ medium })])
})

describe('reset', () => {
  test('by the DOR is announced after the write returned, and sensed once for each of four drives', () => {
    bench.out(0x3f2, 0x00)
    expect(bench.in(0x3f4)).toBe(0)
    bench.out(0x3f2, 0x0c)
    expect(bench.irq).toBe(false)
    bench.untilIrq(MS)
    for (let unit = 0; unit < 4; unit++) {
      bench.command(0x08)
      expect(bench.result()).toEqual([0xc0 | unit, 0])
    }
    expect(bench.irq).toBe(false)
    bench.command(0x08)
    expect(bench.result()).toEqual([0x80])
  })

  test('by the DSR clears itself and keeps the rate', () => {
    bench.out(0x3f4, 0x82)
    bench.untilIrq(MS)
    bench.command(0x08)
    expect(bench.result()).toEqual([0xc0, 0])
    expect(bench.transfer(0xe6, 0, 0, 1, 18, 512)[1]).toBe(0x01)
  })

  test('in mid-command ends it', () => {
    bench.dma.program(512)
    bench.command(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)
    expect(bench.in(0x3f4)).toBe(0x10)
    bench.out(0x3f2, 0x08)
    bench.clock.advance(100 * MS)
    expect(bench.irq).toBe(false)
    expect(bench.dma.position).toBe(0)
  })

  test('keeps what CONFIGURE set only when locked', () => {
    bench.command(0x13, 0, 0x57, 3)
    bench.command(0x94)
    expect(bench.result()).toEqual([0x10])
    bench.out(0x3f4, 0x80)
    bench.untilIrq()
    bench.command(0x0e)
    expect(bench.result().slice(7)).toEqual([0x80, 0x57, 3])
    bench.command(0x14)
    expect(bench.result()).toEqual([0])
    bench.out(0x3f4, 0x80)
    bench.untilIrq()
    bench.command(0x0e)
    // EIS and POLL are not the lock's.
    expect(bench.result().slice(7)).toEqual([0, 0x70, 0])
  })
})

describe('seeking', () => {
  test('shows the drive busy, then interrupts, and SENSE INTERRUPT tells the cylinder', () => {
    bench.command(0x0f, 0x00, 40)
    expect(bench.in(0x3f4)).toBe(RQM | 1)
    expect(bench.irq).toBe(false)
    bench.untilIrq(10 * MS)
    expect(bench.in(0x3f4)).toBe(RQM)
    bench.command(0x08)
    expect(bench.irq).toBe(false)
    expect(bench.result()).toEqual([0x20, 40])
  })

  test('relative moves from where the heads are, and stops at both ends', () => {
    bench.seek(0, 10)
    bench.command(0xcf, 0, 5)
    bench.untilIrq()
    bench.command(0x08)
    expect(bench.result()).toEqual([0x20, 15])
    bench.command(0x8f, 0, 200)
    bench.untilIrq()
    bench.command(0x08)
    expect(bench.result()).toEqual([0x20, 0])
  })

  test('to track 0 fails with an equipment check where no drive is', () => {
    bench.command(0x07, 1)
    bench.untilIrq()
    bench.command(0x08)
    expect(bench.result()[0]).toBe(0x71)
  })

  test('on two drives at once is sensed one by one, each with an edge of the interrupt', () => {
    bench = new Bench([new FloppyDrive({ medium }), new FloppyDrive()])
    bench.command(0x0f, 0, 40)
    bench.command(0x0f, 1, 10)
    expect(bench.in(0x3f4)).toBe(RQM | 3)
    bench.clock.advance(10 * MS)
    expect(bench.edges).toBe(1)
    bench.command(0x08)
    expect(bench.result()).toEqual([0x20, 40])
    expect(bench.edges).toBe(2)
    bench.command(0x08)
    expect(bench.result()).toEqual([0x21, 10])
    expect(bench.irq).toBe(false)
  })

  test('SENSE DRIVE STATUS shows track 0 and write protection', () => {
    bench.command(0x04, 0x04)
    expect(bench.result()).toEqual([0x3c])
    bench.seek(0, 3)
    bench.command(0x04, 0x00)
    expect(bench.result()).toEqual([0x28])
    bench.fdc.eject(0)
    bench.fdc.insert(0, new MemoryMedium(new Uint8Array(SIZE_144), { readOnly: true }))
    bench.command(0x04, 0x00)
    expect(bench.result()).toEqual([0x68])
  })
})

describe('READ DATA', () => {
  test('moves sectors by DMA until terminal count', () => {
    expect(bench.transfer(0xe6, 0, 0, 2, 18, 1024)).toEqual([0x00, 0, 0, 0, 0, 4, 2])
    expect([...bench.dma.memory.subarray(510, 514)]).toEqual([1, 1, 0, 2])
    expect(bench.dma.position).toBe(1024)
  })

  test('counts the ID on past the end of a track as the result-phase table has it', () => {
    // MT 0: C + 1; MT 1, head 0: the other head; MT 1, head 1: C + 1 and head 0.
    expect(bench.transfer(0x46, 0, 0, 18, 18, 512).slice(3)).toEqual([1, 0, 1, 2])
    expect(bench.transfer(0xc6, 0, 0, 18, 18, 512).slice(3)).toEqual([0, 1, 1, 2])
    expect(bench.transfer(0xc6, 0, 1, 18, 18, 512).slice(3)).toEqual([1, 0, 1, 2])
  })

  test('goes on with the other head when multi-track', () => {
    expect(bench.transfer(0xe6, 0, 0, 17, 18, 4 * 512)).toEqual([0x04, 0, 0, 0, 1, 3, 2])
    expect([0, 1, 2, 3].map((i) => bench.dma.memory[i * 512 + 1])).toEqual([16, 17, 18, 19])
  })

  test('goes on behind the last sector of a track and of a cylinder when EOT lies beyond, as SeaBIOS asks', () => {
    expect(bench.transfer(0xe6, 0, 0, 2, 65, 64 * 512)).toEqual([0x24, 0, 0, 1, 1, 12, 2])
    const first = Array.from({ length: 64 }, (_, i) => bench.dma.memory[i * 512 + 1])
    expect(first).toEqual(Array.from({ length: 64 }, (_, i) => i + 1))
    expect(bench.warnings.join()).toMatch(/goes on beyond its cylinder/)
    // Not where the last cylinder ends, and only with MT.
    expect(bench.transfer(0xe6, 79, 1, 18, 40, 1024).slice(0, 2)).toEqual([0x60, 0x01])
    expect(bench.transfer(0x46, 0, 0, 18, 40, 1024).slice(0, 2)).toEqual([0x40, 0x04])
  })

  test('writes as far', () => {
    bench.dma.memory.fill(0x77)
    expect(bench.transfer(0xc5, 3, 1, 18, 19, 1024)[1]).toBe(0)
    const at = (lba: number) => medium.data[lba * 512]
    expect([143, 144].map(at)).toEqual([0x77, 0x77])
    expect(at(145)).not.toBe(0x77)
  })

  test('ends with EN when the end of the track comes before terminal count', () => {
    expect(bench.transfer(0x46, 0, 0, 17, 18, 2048)).toEqual([0x40, 0x80, 0, 1, 0, 1, 2])
    expect(bench.dma.position).toBe(1024)
  })

  test('stops in mid-sector at terminal count', () => {
    expect(bench.transfer(0x46, 0, 0, 1, 18, 700)).toEqual([0, 0, 0, 0, 0, 3, 2])
    expect(bench.dma.position).toBe(700)
  })

  test('finds no sector beyond the track (ND), no such size (ND), no such cylinder or wrong rate (MA)', () => {
    expect(bench.transfer(0x46, 0, 0, 19, 36, 512).slice(0, 3)).toEqual([0x40, 0x04, 0])
    bench.dma.program(512)
    bench.command(0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff)
    bench.untilIrq()
    expect(bench.result().slice(0, 3)).toEqual([0x40, 0x04, 0])
    expect(bench.transfer(0x46, 80, 0, 1, 18, 512).slice(0, 3)).toEqual([0x40, 0x01, 0])
    bench.out(0x3f7, 2)
    expect(bench.transfer(0x46, 0, 0, 1, 18, 512).slice(0, 3)).toEqual([0x40, 0x01, 0])
    bench.out(0x3f7, 0)
    expect(bench.transfer(0x46, 0, 0, 1, 18, 512)[0]).toBe(0)
  })

  test('fails without a medium, and without a drive', () => {
    bench.fdc.eject(0)
    expect(bench.transfer(0x46, 0, 0, 1, 18, 512).slice(0, 3)).toEqual([0x40, 0x01, 0])
    expect(bench.transfer(0x46, 0, 0, 1, 18, 512, 1).slice(0, 3)).toEqual([0x41, 0x01, 0])
  })

  test('seeks by itself, with SE when implied seeks are configured, and warns when they are not', () => {
    expect(bench.transfer(0x46, 5, 0, 1, 18, 512)[0]).toBe(0)
    expect(bench.warnings.join()).toMatch(/without a seek/)
    bench.command(0x13, 0, 0x40, 0)
    expect(bench.transfer(0x46, 7, 0, 1, 18, 512)[0]).toBe(0x20)
    expect(bench.dma.memory[1]).toBe((7 * 36) & 0xff)
  })

  test('waits for a masked DMA channel, and is an overrun in the end', () => {
    bench.dma.program(512)
    bench.dma.masked = true
    bench.command(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)
    bench.clock.advance(20 * MS)
    expect(bench.irq).toBe(false)
    bench.dma.masked = false
    bench.untilIrq(30 * MS)
    expect(bench.result().slice(0, 3)).toEqual([0, 0, 0])
    bench.dma.masked = true
    bench.command(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)
    bench.untilIrq(2000 * MS)
    expect(bench.result().slice(0, 3)).toEqual([0x40, 0x10, 0])
  })

  test('reports a failing medium as a data error', () => {
    medium.read = () => {
      throw new MediumError('bad sector')
    }
    expect(bench.transfer(0x46, 0, 0, 1, 18, 512).slice(0, 3)).toEqual([0x40, 0x20, 0x20])
  })

  test('READ DELETED DATA meets normal marks: one sector with CM, none with SK', () => {
    expect(bench.transfer(0x4c, 0, 0, 1, 18, 1024).slice(0, 3)).toEqual([0, 0, 0x40])
    expect(bench.dma.position).toBe(512)
    expect(bench.transfer(0x6c, 0, 0, 1, 18, 1024).slice(0, 3)).toEqual([0x40, 0x80, 0x40])
    expect(bench.dma.position).toBe(0)
  })

  test('READ TRACK reads from the index on whatever R is', () => {
    expect(bench.transfer(0x42, 0, 0, 1, 3, 4096)).toEqual([0, 0, 0, 0, 0, 4, 2])
    expect(bench.dma.position).toBe(3 * 512)
    expect(bench.transfer(0x42, 0, 0, 5, 2, 4096)[1]).toBe(0x04)
    expect(bench.dma.memory[513]).toBe(1)
  })
})

describe('writing', () => {
  test('WRITE DATA by DMA, padded with zeros when terminal count comes in mid-sector', () => {
    bench.dma.memory.fill(0xaa)
    expect(bench.transfer(0x45, 0, 1, 3, 18, 700)).toEqual([0x04, 0, 0, 0, 1, 5, 2])
    const at = 20 * 512
    expect([medium.data[at - 1], medium.data[at], medium.data[at + 699], medium.data[at + 700]]).toEqual([
      19, 0xaa, 0xaa, 0,
    ])
    expect(medium.data[at + 1024]).toBe(0)
    expect(medium.data[at + 1025]).toBe(22)
  })

  test('a write-protected medium is not writable (NW)', () => {
    bench.fdc.eject(0)
    bench.fdc.insert(0, new MemoryMedium(new Uint8Array(SIZE_144), { readOnly: true }))
    expect(bench.transfer(0x45, 0, 0, 1, 18, 512).slice(0, 3)).toEqual([0x40, 0x02, 0])
  })

  test('FORMAT TRACK lays down the sectors it is told of', () => {
    bench.seek(0, 2)
    for (let i = 0; i < 18; i++) bench.dma.memory.set([2, 1, i + 1, 2], i * 4)
    bench.dma.program(72)
    bench.command(0x4d, 0x04, 2, 18, 0x54, 0xf6)
    bench.untilIrq()
    expect(bench.result().slice(0, 3)).toEqual([0x04, 0, 0])
    const track = (2 * 2 + 1) * 18 * 512
    expect(medium.data.subarray(track, track + 18 * 512).every((byte) => byte === 0xf6)).toBe(true)
    expect(medium.data[track - 1]).not.toBe(0xf6)
    expect(medium.data[track + 18 * 512 + 1]).not.toBe(0xf6)
  })

  test('VERIFY moves no data, counts sectors with EC, and fails past the track', () => {
    expect(bench.transfer(0x56, 0, 0, 1, 18, 512).slice(0, 3)).toEqual([0, 0, 0])
    expect(bench.dma.position).toBe(0)
    bench.command(0x56, 0x80, 0, 0, 1, 2, 18, 0x1b, 3)
    bench.untilIrq()
    expect(bench.result()).toEqual([0, 0, 0, 0, 0, 4, 2])
    expect(bench.transfer(0x56, 0, 0, 1, 36, 512).slice(0, 3)).toEqual([0x40, 0x04, 0])
  })

  test('SCAN tells equal (SH), satisfied and not satisfied (SN); FF matches anything', () => {
    const host = bench.dma.memory
    host.set(medium.data.subarray(512, 1536))
    expect(bench.transfer(0x51, 0, 0, 2, 18, 1024, 0, 1).slice(0, 3)).toEqual([0, 0, 0x08])
    expect(bench.dma.position).toBe(512)
    host[5] = 0xff
    expect(bench.transfer(0x51, 0, 0, 2, 18, 1024, 0, 1)[2]).toBe(0x08)
    host[5] = 200
    host[512 + 5] = 200
    expect(bench.transfer(0x51, 0, 0, 2, 18, 1024, 0, 1).slice(0, 3)).toEqual([0, 0, 0x04])
    expect(bench.transfer(0x59, 0, 0, 2, 18, 1024, 0, 1)[2]).toBe(0)
    expect(bench.transfer(0x5d, 0, 0, 2, 18, 1024, 0, 1)[2]).toBe(0x04)
  })
})

describe('non-DMA mode', () => {
  beforeEach(() => bench.command(0x03, 0xdf, 0x03))

  test('hands each byte over while RQM and NON DMA are set, with an interrupt a sector', () => {
    bench.command(0x46, 0, 0, 0, 2, 2, 3, 0x1b, 0xff)
    expect(bench.in(0x3f4)).toBe(0x70)
    for (const lba of [1, 2]) {
      bench.untilIrq()
      expect(bench.in(0x3f4)).toBe(0xf0)
      const sector = Array.from({ length: 512 }, () => bench.in(0x3f5))
      expect(sector.slice(0, 3)).toEqual([0, lba, lba])
      expect(bench.irq).toBe(false)
      expect(bench.in(0x3f4) & RQM).toBe(0)
      expect(bench.in(0x3f5)).toBe(0)
    }
    bench.untilIrq()
    expect(bench.result()).toEqual([0, 0, 0, 1, 0, 1, 2])
  })

  test('writes', () => {
    bench.command(0x45, 0, 0, 0, 18, 2, 18, 0x1b, 0xff)
    bench.untilIrq()
    expect(bench.in(0x3f4)).toBe(0xb0)
    for (let i = 0; i < 512; i++) bench.out(0x3f5, i & 0xff)
    bench.untilIrq()
    expect(bench.result().slice(0, 3)).toEqual([0, 0, 0])
    expect([...medium.data.subarray(17 * 512 + 254, 17 * 512 + 258)]).toEqual([254, 255, 0, 1])
    expect(medium.data[18 * 512 + 1]).toBe(18)
  })

  test('a restore in mid-sector goes on with the very next byte', () => {
    bench.command(0x46, 0, 0, 0, 1, 2, 2, 0x1b, 0xff)
    bench.untilIrq()
    for (let i = 0; i < 100; i++) bench.in(0x3f5)
    medium.data[100] = 77
    const state = structuredClone(saveState(bench.fdc))
    const copy = new Bench([new FloppyDrive({ medium })])
    copy.clock.advance(bench.clock.now())
    loadState(copy.fdc, state)
    expect(copy.irq).toBe(true)
    // The sector had been read before the medium changed.
    expect(copy.in(0x3f5)).toBe(0)
    for (let i = 101; i < 512; i++) copy.in(0x3f5)
    copy.untilIrq()
    expect(copy.in(0x3f5)).toBe(0)
    expect(copy.in(0x3f5)).toBe(1)
  })
})

describe('READ ID', () => {
  test('shows the sectors that pass, one after another', () => {
    bench.seek(0, 9)
    for (const sector of [1, 2, 3]) {
      bench.command(0x4a, 0x04)
      bench.untilIrq()
      expect(bench.result()).toEqual([0x04, 0, 0, 9, 1, sector, 2])
    }
    bench.out(0x3f7, 3)
    bench.command(0x4a, 0)
    bench.untilIrq()
    expect(bench.result().slice(0, 3)).toEqual([0x40, 1, 0])
  })
})

describe('the disk-change line', () => {
  test('is set until the heads step with a medium in the drive', () => {
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.seek(0, 0)
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.seek(0, 1)
    expect(bench.in(0x3f7)).toBe(0)
    bench.fdc.eject(0)
    bench.seek(0, 2)
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.fdc.insert(0, new MemoryMedium(737_280))
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.seek(0, 1)
    expect(bench.in(0x3f7)).toBe(0)
    bench.out(0x3f7, 2)
    expect(bench.transfer(0x46, 1, 0, 9, 9, 512)[0]).toBe(0)
  })

  test('of a floppy that was changed stays set over resets, until a system has looked', () => {
    bench.seek(0, 1)
    bench.fdc.eject(0)
    bench.fdc.insert(0, new MemoryMedium(SIZE_144))
    // By the DOR, and of the whole machine.
    bench.out(0x3f2, 0x18)
    bench.out(0x3f2, 0x1c)
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.fdc.reset()
    bench.out(0x3f2, 0x1c)
    expect(bench.in(0x3f7)).toBe(0x80)
    bench.seek(0, 2)
    expect(bench.in(0x3f7)).toBe(0)
  })

  test('a medium has to fit the drive', () => {
    expect(() => bench.fdc.insert(0, new MemoryMedium(2_949_120))).toThrow(/2\.88M floppy does not fit a 1\.44M drive/)
    expect(() => bench.fdc.insert(0, new MemoryMedium(5))).toThrow(/no floppy/)
    expect(() => bench.fdc.insert(3, medium)).toThrow(/no floppy drive 3/)
    expect(new FloppyDrive({ medium: new MemoryMedium(2_949_120) }).cmosType).toBe(5)
    expect(new FloppyDrive({ medium: new MemoryMedium(368_640) }).type).toBe('1.2M')
  })
})

describe('the rest', () => {
  test('VERSION, PART ID, DUMPREG, PERPENDICULAR', () => {
    bench.command(0x10)
    expect(bench.result()).toEqual([0x90])
    bench.command(0x18)
    expect(bench.result()).toEqual([0x41])
    bench.command(0x03, 0xaf, 0x1e)
    bench.command(0x12, 0x84)
    bench.seek(0, 6)
    bench.command(0x0e)
    expect(bench.result()).toEqual([6, 0, 0, 0, 0xaf, 0x1e, 0, 0x04, 0x20, 0])
  })

  test.each([0x00, 0x01, 0x0b, 0x1f, 0x4f, 0x48, 0x33, 0x8e, 0x85 | 0x20])('command 0x%s is invalid', (opcode) => {
    bench.command(opcode)
    expect(bench.result()).toEqual([0x80])
    expect(bench.irq).toBe(false)
    expect(bench.warnings.length).toBe(1)
  })

  test('bytes written or read out of turn change nothing', () => {
    expect(bench.in(0x3f5)).toBe(0)
    bench.command(0x10)
    bench.out(0x3f5, 0x07)
    expect(bench.result()).toEqual([0x90])
    bench.out(0x3f0, 5)
    expect(bench.in(0x3f4)).toBe(RQM)
  })

  test('a restore in mid-transfer ends with the same result at the same time', () => {
    const run = (target: Bench): [number, number[], number] => {
      target.untilIrq()
      return [target.clock.now(), target.result(), target.dma.position]
    }
    bench.dma.program(9 * 512)
    bench.command(0xe6, 0, 0, 0, 15, 2, 18, 0x1b, 0xff)
    while (bench.dma.position < 1024) bench.clock.advance(10_000)
    const state = structuredClone(saveState(bench.fdc))
    const copy = new Bench([new FloppyDrive({ medium })])
    copy.clock.advance(bench.clock.now())
    copy.dma.program(9 * 512)
    copy.dma.position = bench.dma.position
    loadState(copy.fdc, state)
    const expected = run(bench)
    expect(run(copy)).toEqual(expected)
    expect(expected[1]).toEqual([0x04, 0, 0, 0, 1, 6, 2])
  })

  test('a restore with a seek running ends it at the same time; one without the floppy is refused', () => {
    bench.command(0x0f, 0, 30)
    const state = saveState(bench.fdc)
    const copy = new Bench([new FloppyDrive({ medium })])
    loadState(copy.fdc, state)
    copy.untilIrq()
    bench.untilIrq()
    expect(copy.clock.now()).toBe(bench.clock.now())
    copy.command(0x08)
    expect(copy.result()).toEqual([0x20, 30])
    expect(() => loadState(new Bench([new FloppyDrive()]).fdc, state)).toThrow(/insert the same/)
    expect(() => loadState(new Bench([]).fdc, state)).toThrow(/other floppy drives/)
  })
})
