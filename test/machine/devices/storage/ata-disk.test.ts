import { beforeEach, describe, expect, test } from 'vitest'
import { AtaDisk } from '../../../../machine/devices/storage/ata-disk.js'
import { guessGeometry } from '../../../../machine/devices/storage/ata-geometry.js'
import { AtapiCd } from '../../../../machine/devices/storage/atapi-cd.js'
import { type BlockDevice, MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { BSY, DRDY, DRQ, ERR, IDLE, IdeBench, identifyText, numberedSectors, words } from './ide-bench.js'

const SECTORS = 4096
/** Device register: LBA, drive 0. */
const LBA = 0xe0

let bench: IdeBench
let medium: MemoryMedium
beforeEach(() => {
  medium = new MemoryMedium(numberedSectors(SECTORS))
  bench = new IdeBench([new AtaDisk({ medium })])
})

/** Registers for an LBA28 command. */
function at(lba: number, count: number) {
  return { 2: count, 3: lba & 0xff, 4: (lba >> 8) & 0xff, 5: (lba >> 16) & 0xff, 6: LBA | (lba >> 24) }
}

/** Writes LBA48 registers: previous contents first. */
function at48(lba: number, count: number): void {
  bench.out(0x1f6, LBA)
  bench.out(0x1f2, count >> 8)
  bench.out(0x1f2, count & 0xff)
  for (const [i, shift] of [24, 32, 40].entries()) bench.out(0x1f3 + i, Math.floor(lba / 2 ** shift) & 0xff)
  for (const [i, shift] of [0, 8, 16].entries()) bench.out(0x1f3 + i, Math.floor(lba / 2 ** shift) & 0xff)
}

describe('IDENTIFY DEVICE', () => {
  test('tells size, modes and name after a busy time, with an interrupt', () => {
    bench.command(0xec, { 6: LBA })
    expect(bench.in(0x3f6) & BSY).toBe(BSY)
    expect(bench.irq[0]).toBe(false)
    expect(bench.untilIrq()).toBe(IDLE | DRQ)
    const data = bench.readData(512)
    expect(bench.in(0x1f7)).toBe(IDLE)
    expect(identifyText(data, 27, 40)).toBe('BOOTWRIGHT HARDDISK')
    const word = words(data)
    expect([word[1], word[3], word[6]]).toEqual([4, 16, 63])
    expect(word[60] | (word[61] << 16)).toBe(SECTORS)
    expect(word[100] | (word[101] << 16)).toBe(SECTORS)
    expect(word[49] & 0x0300).toBe(0x0300)
    expect(word[83] & 0xc400).toBe(0x4400)
    expect(word[47] & 0xff).toBe(16)
  })

  test('shows the mode that SET FEATURES chose, and not one that it refused', () => {
    bench.command(0xef, { 1: 3, 2: 0x42, 6: LBA })
    expect(bench.untilIrq()).toBe(IDLE)
    bench.command(0xef, { 1: 3, 2: 0x18 })
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    expect(bench.in(0x1f1)).toBe(4)
    bench.command(0xec)
    bench.untilIrq()
    const word = words(bench.readData(512))
    expect([word[62], word[63], word[88]]).toEqual([0x07, 0x07, 0x043f])
  })
})

describe('PIO', () => {
  test('reads sector by sector, with an interrupt for each and none at the end', () => {
    bench.command(0x20, at(258, 2))
    for (const lba of [258, 259]) {
      expect(bench.untilIrq()).toBe(IDLE | DRQ)
      const data = bench.readData(512)
      expect([data[0], data[1], data[511]]).toEqual([1, lba & 0xff, lba & 0xff])
    }
    expect(bench.in(0x3f6)).toBe(IDLE)
    bench.clock.advance(1e7)
    expect(bench.irq[0]).toBe(false)
    expect(bench.in(0x1f0, 2)).toBe(0)
  })

  test('32-bit accesses move two words, and the last may reach past the end', () => {
    bench.command(0x20, at(3, 1))
    bench.untilIrq()
    expect(bench.in(0x1f0, 4)).toBe(0x03030300)
    for (let i = 1; i < 127; i++) bench.in(0x1f0, 4)
    expect(bench.in(0x1f0, 2)).toBe(0x0303)
    bench.in(0x1f0, 4)
    expect(bench.in(0x3f6)).toBe(IDLE)
  })

  test('READ MULTIPLE moves blocks of the size that was set', () => {
    bench.command(0xc6, { 2: 4, 6: LBA })
    expect(bench.untilIrq()).toBe(IDLE)
    bench.command(0xc4, at(10, 6))
    expect(bench.untilIrq()).toBe(IDLE | DRQ)
    const first = bench.readData(4 * 512)
    expect([1, 513, 1025, 1537].map((i) => first[i])).toEqual([10, 11, 12, 13])
    expect(bench.untilIrq()).toBe(IDLE | DRQ)
    expect(bench.readData(2 * 512)[513]).toBe(15)
    expect(bench.in(0x3f6)).toBe(IDLE)
    for (const bad of [3, 32]) {
      bench.command(0xc6, { 2: bad })
      expect(bench.untilIrq()).toBe(DRDY | ERR)
    }
    bench.command(0xc6, { 2: 0 })
    bench.untilIrq()
    bench.command(0xc4, at(10, 1))
    expect(bench.untilIrq()).toBe(DRDY | ERR)
  })

  test('writes: the first block is asked for at once and without an interrupt, the others and the end with one', () => {
    bench.command(0x30, at(7, 2))
    // xv6 writes its data without a look at the status.
    expect(bench.in(0x3f6)).toBe(IDLE | DRQ)
    expect(bench.irq[0]).toBe(false)
    bench.writeData(new Uint8Array(512).fill(0x11))
    expect(bench.in(0x3f6) & BSY).toBe(BSY)
    expect(bench.untilIrq()).toBe(IDLE | DRQ)
    bench.writeData(new Uint8Array(512).fill(0x22))
    expect(bench.untilIrq()).toBe(IDLE)
    expect([6, 7, 8, 9].map((lba) => medium.data[lba * 512 + 5])).toEqual([6, 0x11, 0x22, 9])
  })

  test('a guest that writes its data without a look at the status loses none of it', () => {
    for (const [opcode, lba] of [
      [0x30, 20],
      [0xc5, 30],
    ]) {
      bench.command(opcode, at(lba, 1))
      expect([bench.in(0x3f6), bench.irq[0]]).toEqual([IDLE | DRQ, false])
      for (let i = 0; i < 128; i++) bench.out(0x1f0, 0x44332211, 4)
      expect(bench.in(0x3f6) & (BSY | DRQ)).toBe(BSY)
      expect(bench.untilIrq()).toBe(IDLE)
      expect([...medium.data.subarray(lba * 512 + 508, lba * 512 + 512)]).toEqual([0x11, 0x22, 0x33, 0x44])
    }
  })

  test('WRITE MULTIPLE EXT over 48-bit addresses', () => {
    at48(100, 20)
    bench.out(0x1f7, 0x39)
    bench.untilIdle()
    bench.writeData(new Uint8Array(16 * 512).fill(1))
    expect(bench.untilIrq()).toBe(IDLE | DRQ)
    bench.writeData(new Uint8Array(4 * 512).fill(2))
    expect(bench.untilIrq()).toBe(IDLE)
    expect([99, 100, 115, 116, 119, 120].map((lba) => medium.data[lba * 512 + 5])).toEqual([99, 1, 1, 2, 2, 120])
  })

  test('addresses by cylinder, head and sector, in the translation that was set', () => {
    bench.command(0x20, { 2: 1, 3: 2, 4: 1, 5: 0, 6: 0xa3 })
    bench.untilIrq()
    expect(bench.readData(512)[1]).toBe((16 * 63 + 3 * 63 + 1) & 0xff)
    bench.command(0x91, { 2: 17, 6: 0xa3 })
    expect(bench.untilIrq()).toBe(IDLE)
    bench.command(0x20, { 2: 1, 3: 2, 4: 1, 5: 0, 6: 0xa3 })
    bench.untilIrq()
    expect(bench.readData(512)[1]).toBe(4 * 17 + 3 * 17 + 1)
    bench.command(0xec)
    bench.untilIrq()
    expect([...words(bench.readData(512)).subarray(54, 57)]).toEqual([Math.floor(SECTORS / 68), 4, 17])
    bench.command(0x20, { 2: 1, 3: 0, 4: 1, 5: 0, 6: 0xa3 })
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    expect(bench.in(0x1f1)).toBe(0x10)
  })

  test('a count of 0 is 256 sectors, or 65536 in the extended commands', () => {
    bench.command(0x40, at(SECTORS - 256, 0))
    expect(bench.untilIrq()).toBe(IDLE)
    bench.command(0x40, at(SECTORS - 255, 0))
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    at48(0, 0)
    bench.out(0x1f7, 0x42)
    expect(bench.untilIrq()).toBe(DRDY | ERR)
  })

  test('an address past the end is not found, and the registers name it', () => {
    bench.command(0x20, at(SECTORS - 1, 3))
    bench.untilIrq()
    bench.readData(512)
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    expect(bench.in(0x1f1)).toBe(0x10)
    expect(bench.in(0x1f3) | (bench.in(0x1f4) << 8)).toBe(SECTORS)
    expect(bench.in(0x1f2)).toBe(2)
  })

  test('a failing medium is an uncorrectable error, or a device fault when writing', () => {
    const failing: BlockDevice = {
      ...medium,
      size: medium.size,
      readOnly: false,
      read: () => {
        throw new MediumError('bad')
      },
      write: () => {
        throw new MediumError('full')
      },
      flush: () => {
        throw new MediumError('gone')
      },
      discard: () => {},
      close: () => {},
    }
    bench = new IdeBench([new AtaDisk({ medium: failing })])
    bench.command(0x20, at(0, 1))
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    expect(bench.in(0x1f1)).toBe(0x40)
    bench.command(0x30, at(0, 1))
    bench.untilIdle()
    bench.writeData(new Uint8Array(512))
    expect(bench.untilIrq()).toBe(DRDY | ERR | 0x20)
    bench.command(0xe7)
    expect(bench.untilIrq()).toBe(DRDY | ERR | 0x20)
    expect(bench.warnings.length).toBe(3)
  })
})

describe('48-bit registers', () => {
  test('show what was written before when HOB is set, until a register is written', () => {
    at48(0x123456789abc, 0x0102)
    bench.out(0x3f6, 0x80)
    expect([2, 3, 4, 5].map((i) => bench.in(0x1f0 + i))).toEqual([0x01, 0x56, 0x34, 0x12])
    bench.out(0x1f6, LBA)
    expect([2, 3, 4, 5].map((i) => bench.in(0x1f0 + i))).toEqual([0x02, 0xbc, 0x9a, 0x78])
  })

  test('READ NATIVE MAX ADDRESS (EXT) leaves the last address in them', () => {
    bench.command(0xf8, { 6: LBA })
    expect(bench.untilIrq()).toBe(IDLE)
    expect([3, 4, 5, 6].map((i) => bench.in(0x1f0 + i))).toEqual([0xff, 0x0f, 0, LBA])
    at48(0xffff_ffff_ffff, 0)
    bench.out(0x1f7, 0x27)
    bench.untilIrq()
    expect([3, 4, 5].map((i) => bench.in(0x1f0 + i))).toEqual([0xff, 0x0f, 0])
    bench.out(0x3f6, 0x80)
    expect([3, 4, 5].map((i) => bench.in(0x1f0 + i))).toEqual([0, 0, 0])
  })
})

describe('DMA', () => {
  test('moves data over the descriptors, then interrupts', () => {
    bench.prepareDma([
      [0x4000, 512],
      [0x8000, 1024],
    ])
    bench.command(0xc8, at(5, 3))
    bench.ide.busMaster.write(0, 0x09, 1)
    expect(bench.ide.busMaster.read(2, 1) & 7).toBe(1)
    expect(bench.untilIrq()).toBe(IDLE)
    expect(bench.ide.busMaster.read(2, 1) & 7).toBe(4)
    expect([0x4001, 0x8001, 0x8201, 0x8401].map((i) => bench.memory.bytes[i])).toEqual([5, 6, 7, 0])
    bench.ide.busMaster.write(2, 0x04, 1)
    expect(bench.ide.busMaster.read(2, 1) & 7).toBe(0)
  })

  test('may be started before the command, and waits when it is not started', () => {
    bench.prepareDma([[0x4000, 512]])
    bench.ide.busMaster.write(0, 0x09, 1)
    bench.command(0xc8, at(9, 1))
    expect(bench.untilIrq()).toBe(IDLE)
    expect(bench.memory.bytes[0x4001]).toBe(9)
    bench.ide.busMaster.write(0, 0, 1)
    bench.command(0xc8, at(10, 1))
    bench.clock.advance(1e9)
    expect(bench.irq[0]).toBe(false)
    expect(bench.in(0x3f6)).toBe(IDLE | DRQ)
    // The data register has no part in it.
    expect(bench.in(0x1f0, 2)).toBe(0)
    bench.ide.busMaster.write(0, 0x09, 1)
    expect(bench.untilIrq()).toBe(IDLE)
    expect(bench.memory.bytes[0x4001]).toBe(10)
  })

  test('writes', () => {
    bench.prepareDma([[0x4000, 0x10000]])
    bench.memory.bytes.fill(0x77, 0x4000, 0x14000)
    at48(1000, 128)
    bench.out(0x1f7, 0x35)
    bench.ide.busMaster.write(0, 0x01, 1)
    expect(bench.untilIrq()).toBe(IDLE)
    expect(medium.data.subarray(1000 * 512, 1128 * 512).every((byte) => byte === 0x77)).toBe(true)
    expect(medium.data[1128 * 512 + 1]).toBe(1128 & 0xff)
  })

  test('stays active when the descriptors have more than the command', () => {
    bench.prepareDma([[0x4000, 2048]])
    bench.command(0xc8, at(5, 1))
    bench.ide.busMaster.write(0, 0x09, 1)
    bench.untilIrq()
    expect(bench.ide.busMaster.read(2, 1) & 7).toBe(5)
  })

  test('goes inactive without an interrupt when the descriptors have less', () => {
    bench.prepareDma([[0x4000, 512]])
    bench.command(0xc8, at(5, 2))
    bench.ide.busMaster.write(0, 0x09, 1)
    bench.clock.advance(1e9)
    expect(bench.irq[0]).toBe(false)
    expect(bench.ide.busMaster.read(2, 1) & 7).toBe(0)
    expect(bench.in(0x3f6)).toBe(IDLE)
  })

  test('a table at 2 GiB and above is where it says, not below zero', () => {
    const high = 0x80001000
    const { memory } = bench
    const low = (address: number) => {
      if (address < 0x80000000) throw new RangeError(`a read at ${address}`)
      return address - 0x80000000
    }
    memory.read32 = (
      (read32) => (address: number) =>
        read32(low(address))
    )(memory.read32)
    bench.prepareDma([[0x80010000, 512]])
    bench.ide.busMaster.write(4, high, 4)
    expect(bench.ide.busMaster.read(4, 4)).toBe(high)
    bench.command(0xc8, at(5, 1))
    bench.ide.busMaster.write(0, 9, 1)
    const written: number[] = []
    memory.write = (address) => written.push(address)
    expect(bench.untilIrq()).toBe(IDLE)
    expect(written).toEqual([0x80010000])
  })

  test('a table without an end does not hold the machine up', () => {
    for (let i = 0; i < 9000; i++) bench.memory.write32(0x1004 + 8 * i, 2)
    bench.ide.busMaster.write(4, 0x1000, 4)
    bench.command(0xc8, at(0, 0))
    bench.ide.busMaster.write(0, 0x09, 1)
    bench.clock.advance(1e9)
    expect(bench.ide.busMaster.read(2, 1) & 1).toBe(0)
  })

  test('registers: pointer by bytes, drive-capable bits kept, error and interrupt cleared by ones', () => {
    const { busMaster } = bench.ide
    for (const [i, byte] of [0x7f, 0x56, 0x34, 0x12].entries()) busMaster.write(8 + 4 + i, byte, 1)
    expect(busMaster.read(12, 4)).toBe(0x1234567c)
    busMaster.write(10, 0x60, 1)
    expect(busMaster.read(10, 1)).toBe(0x60)
    expect(busMaster.read(2, 1)).toBe(0)
    expect(busMaster.read(8, 4)).toBe(0x00600000)
  })
})

describe('interrupts', () => {
  test('are gated by nIEN, and come when it is cleared', () => {
    bench.out(0x3f6, 0x02)
    bench.command(0x20, at(0, 1))
    bench.clock.advance(1e7)
    expect(bench.irq[0]).toBe(false)
    bench.out(0x3f6, 0x00)
    expect(bench.irq[0]).toBe(true)
    expect(bench.in(0x3f6)).toBe(IDLE | DRQ)
    expect(bench.irq[0]).toBe(true)
    bench.in(0x1f7)
    expect(bench.irq[0]).toBe(false)
  })
})

describe('resets', () => {
  test('SRST makes the channel busy, then shows the signature', () => {
    bench.command(0x20, at(5, 1))
    bench.untilIrq()
    bench.out(0x3f6, 0x04)
    expect(bench.in(0x3f6)).toBe(BSY)
    bench.clock.advance(1e7)
    expect(bench.in(0x3f6)).toBe(BSY)
    bench.out(0x3f6, 0x00)
    expect(bench.in(0x3f6)).toBe(BSY)
    expect(bench.untilIdle()).toBe(IDLE)
    expect([1, 2, 3, 4, 5, 6].map((i) => bench.in(0x1f0 + i))).toEqual([1, 1, 1, 0, 0, 0xa0])
    expect(bench.irq[0]).toBe(false)
    expect(bench.in(0x1f0, 2)).toBe(0)
  })

  test('EXECUTE DEVICE DIAGNOSTIC interrupts', () => {
    bench.command(0x90)
    expect(bench.untilIrq()).toBe(IDLE)
    expect(bench.in(0x1f1)).toBe(1)
    bench.out(0x3f6, 4)
    bench.out(0x3f6, 0)
    bench.clock.advance(1e7)
    expect(bench.irq[0]).toBe(false)
  })
})

describe('the other commands', () => {
  test.each([
    ['RECALIBRATE', 0x10],
    ['SEEK', 0x70],
    ['FLUSH CACHE', 0xe7],
    ['FLUSH CACHE EXT', 0xea],
    ['STANDBY IMMEDIATE', 0xe0],
    ['SLEEP', 0xe6],
  ])('%s succeeds', (_, opcode) => {
    bench.command(opcode, at(5, 1))
    expect(bench.untilIrq()).toBe(IDLE)
  })

  test.each([0x00, 0x08, 0xa0, 0xa1, 0x50, 0xff])('command %i is aborted', (opcode) => {
    bench.command(opcode, at(5, 1))
    expect(bench.untilIrq()).toBe(DRDY | ERR)
    expect(bench.in(0x1f1)).toBe(4)
  })

  test('CHECK POWER MODE tells what mode the last command left', () => {
    const mode = () => {
      bench.command(0xe5, { 6: LBA })
      bench.untilIrq()
      return bench.in(0x1f2)
    }
    expect(mode()).toBe(0xff)
    bench.command(0xe0)
    bench.untilIrq()
    expect(mode()).toBe(0)
    bench.command(0x40, at(0, 1))
    bench.untilIrq()
    expect(mode()).toBe(0xff)
  })

  test('SMART wants its key, and answers healthy', () => {
    bench.command(0xb0, { 1: 0xda, 4: 0x4f, 5: 0xc2, 6: LBA })
    expect(bench.untilIrq()).toBe(IDLE)
    expect([bench.in(0x1f4), bench.in(0x1f5)]).toEqual([0x4f, 0xc2])
    bench.command(0xb0, { 1: 0xd0 })
    bench.untilIrq()
    expect(bench.readData(512).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0)
    bench.command(0xb0, { 1: 0xda, 4: 0, 5: 0 })
    expect(bench.untilIrq()).toBe(DRDY | ERR)
  })

  test('a command while busy, or registers while data is due, change nothing', () => {
    bench.command(0x20, at(5, 1))
    bench.out(0x1f7, 0x90)
    bench.out(0x1f3, 99)
    bench.untilIrq()
    bench.out(0x1f3, 99)
    bench.out(0x1f7, 0xec)
    expect(bench.readData(512)[1]).toBe(5)
    expect(bench.in(0x1f3)).toBe(6)
  })
})

describe('drives that are not there', () => {
  test('a missing slave has status 0 and ignores commands', () => {
    bench.out(0x1f6, 0xb0)
    expect(bench.in(0x1f7)).toBe(0)
    expect(bench.in(0x1f6)).toBe(0xb0)
    bench.out(0x1f2, 0x55)
    expect(bench.in(0x1f2)).toBe(0x55)
    bench.out(0x1f7, 0xec)
    bench.clock.advance(1e8)
    expect(bench.irq[0]).toBe(false)
    bench.out(0x1f6, 0xa0)
    expect(bench.in(0x1f7)).toBe(IDLE)
  })

  test('a missing slave beside a CD drive has no CD drive’s signature', () => {
    const bench = new IdeBench([undefined, undefined, new AtapiCd()])
    for (const reset of [
      () => {},
      () => {
        bench.out(0x376, 4)
        bench.out(0x376, 0)
      },
      () => bench.out(0x177, 0x90),
    ]) {
      reset()
      bench.untilIdle(0x376)
      bench.out(0x176, 0xb0)
      expect([1, 2, 3, 4, 5, 6, 7].map((i) => bench.in(0x170 + i))).toEqual([0, 1, 1, 0xff, 0xff, 0xb0, 0])
      bench.out(0x174, 0x12)
      expect(bench.in(0x174)).toBe(0x12)
      bench.out(0x176, 0xa0)
      expect([bench.in(0x175), bench.in(0x177)]).toEqual([0xeb, 0])
    }
  })

  test('an empty channel reads zeros', () => {
    bench.out(0x172, 0x55)
    for (let i = 0; i < 8; i++) expect(bench.in(0x170 + i)).toBe(0)
    expect(bench.in(0x376)).toBe(0)
    expect(bench.in(0x170, 4)).toBe(0)
    bench.out(0x177, 0xec)
  })

  test('two drives on a channel are told apart by the device register', () => {
    const slave = new MemoryMedium(numberedSectors(64).fill(0xee))
    bench = new IdeBench([new AtaDisk({ medium }), new AtaDisk({ medium: slave, serial: 'TWO' })])
    bench.command(0x20, { ...at(5, 1), 6: 0xf0 })
    bench.untilIrq()
    expect(bench.readData(512)[1]).toBe(0xee)
    bench.command(0xec, { 6: 0xb0 })
    bench.untilIrq()
    expect(identifyText(bench.readData(512), 10, 20)).toBe('TWO')
  })
})

describe('save and load', () => {
  function copyOf(original: IdeBench, disk: MemoryMedium): IdeBench {
    const copy = new IdeBench([new AtaDisk({ medium: disk })])
    copy.clock.advance(original.clock.now())
    copy.memory.bytes.set(original.memory.bytes)
    loadState(copy.ide, structuredClone(saveState(original.ide)))
    return copy
  }

  test('in the middle of a PIO read goes on with the very next word', () => {
    bench.command(0x20, at(20, 3))
    bench.untilIrq()
    bench.readData(100)
    const copy = copyOf(bench, medium)
    for (const each of [bench, copy]) {
      expect(each.readData(412).every((byte) => byte === 20)).toBe(true)
      expect(each.untilIrq()).toBe(IDLE | DRQ)
      expect(each.readData(512)[1]).toBe(21)
      each.untilIrq()
      each.readData(512)
      expect(each.in(0x3f6)).toBe(IDLE)
    }
    expect(copy.clock.now()).toBe(bench.clock.now())
  })

  test('what READ SECTORS left in the buffer before SRST is not in a later WRITE SECTORS’ window', () => {
    bench.command(0x20, at(9, 1))
    bench.untilIrq()
    bench.out(0x3f6, 4)
    bench.out(0x3f6, 0)
    bench.untilIdle()
    const copy = copyOf(bench, medium)
    for (const each of [bench, copy]) each.command(0x30, at(9, 1))
    expect(saveState(copy.ide)).toEqual(saveState(bench.ide))
  })

  test('in the middle of a PIO write, and while the block is being written', () => {
    bench.command(0x30, at(20, 2))
    bench.untilIdle()
    bench.writeData(new Uint8Array(200).fill(1))
    const other = new MemoryMedium(medium.data.slice())
    let copy = copyOf(bench, other)
    copy.writeData(new Uint8Array(312).fill(2))
    copy = copyOf(copy, other)
    expect(copy.untilIrq()).toBe(IDLE | DRQ)
    expect([199, 200, 511].map((i) => other.data[20 * 512 + i])).toEqual([1, 2, 2])
    expect(medium.data[20 * 512 + 5]).toBe(20)
  })

  test('in the middle of a DMA read', () => {
    bench.prepareDma([
      [0x10000, 0],
      [0x20000, 0],
      [0x30000, 0],
      [0x40000, 0],
    ])
    at48(0, 512)
    bench.out(0x1f7, 0x25)
    bench.ide.busMaster.write(0, 0x09, 1)
    while (bench.memory.bytes[0x10201] === 0) bench.clock.advance(10_000)
    // Half of it is there.
    expect(bench.memory.bytes[0x30201]).toBe(0)
    const copy = copyOf(bench, medium)
    expect(copy.untilIrq()).toBe(IDLE)
    bench.untilIrq()
    expect(copy.clock.now()).toBe(bench.clock.now())
    expect(Buffer.compare(copy.memory.bytes.subarray(0x10000, 0x50000), medium.data.subarray(0, 0x40000))).toBe(0)
    expect(copy.ide.busMaster.read(2, 1)).toBe(bench.ide.busMaster.read(2, 1))
  })

  test('with an interrupt pending, and not over another disk', () => {
    bench.command(0xec)
    bench.clock.advance(1e6)
    expect(bench.irq[0]).toBe(true)
    expect(copyOf(bench, medium).irq[0]).toBe(true)
    expect(() => copyOf(bench, new MemoryMedium(512))).toThrow(/4096 sectors, this one 1/)
    expect(() => loadState(new IdeBench([]).ide, saveState(bench.ide))).toThrow(/other IDE drives/)
  })
})

describe('the geometry guess', () => {
  const GIB = 2 ** 30
  function disk(size: number, end?: [head: number, sector: number]): BlockDevice {
    const boot = new Uint8Array(512)
    boot.set([0x55, 0xaa], 510)
    if (end) boot.set([0x80, 1, 1, 0, 6, end[0], end[1], 0, 63, 0, 0, 0, 100], 446)
    const base = new MemoryMedium(boot)
    return {
      ...base,
      size,
      readOnly: false,
      read: (_: number, into: Uint8Array) => into.set(boot.subarray(0, into.length)),
    } as unknown as BlockDevice
  }

  test.each([
    ['a small disk', disk(20 * 2 ** 20), [40, 16, 63, 'none']],
    ['a disk over 504 MiB', disk(GIB), [2080, 16, 63, 'lba']],
    ['a disk over 8 GiB', disk(20 * GIB), [16383, 16, 63, 'lba']],
    ['one partitioned with few heads', disk(20 * 2 ** 20, [3, 17]), [602, 4, 17, 'none']],
    ['one partitioned with 255 heads', disk(GIB, [254, 63]), [2080, 16, 63, 'large']],
    ['a big one partitioned with 255 heads', disk(20 * GIB, [254, 63]), [16383, 16, 63, 'lba']],
    ['one without a sound table', disk(20 * 2 ** 20, [0, 1]), [40, 16, 63, 'none']],
  ])('of %s', (_, medium, expected) => {
    const { cylinders, heads, sectors, translation } = guessGeometry(medium)
    expect([cylinders, heads, sectors, translation]).toEqual(expected)
  })

  test.each([
    ['255 heads', 255, 63, [1090, 16, 63, 'large']],
    ['16 heads', 16, 63, [1090, 16, 63, 'none']],
  ])('goes by a FAT volume of %s, wherever its partition ends', (_, heads, sectorsPerTrack, expected) => {
    const size = 536 * 2 ** 20 + 512 * 1008
    const volume = new Uint8Array(512)
    const view = new DataView(volume.buffer)
    volume.set([0, 2, 8, 1, 0, 2], 11)
    volume[21] = 0xf8
    view.setUint16(24, sectorsPerTrack, true)
    view.setUint16(26, heads, true)
    view.setUint32(28, 63, true)
    view.setUint32(32, 100_000, true)
    volume.set([0x55, 0xaa], 510)
    const partitioned = disk(size, [9, 17])
    const medium = {
      ...partitioned,
      read: (offset: number, into: Uint8Array) =>
        offset === 63 * 512 ? into.set(volume.subarray(0, into.length)) : partitioned.read(offset, into),
    }
    const { cylinders, heads: found, sectors, translation } = guessGeometry(medium)
    expect([cylinders, found, sectors, translation]).toEqual(expected)
    expect(guessGeometry(partitioned).heads).toBe(10)
  })
})
