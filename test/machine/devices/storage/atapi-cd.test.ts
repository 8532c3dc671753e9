import { beforeEach, describe, expect, test } from 'vitest'
import { AtapiCd } from '../../../../machine/devices/storage/atapi-cd.js'
import { MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { BSY, DRDY, DRQ, ERR, IDLE, IdeBench, identifyText, numberedSectors } from './ide-bench.js'

const SECTORS = 400
const BASE = 0x170

let bench: IdeBench
let drive: AtapiCd
let medium: MemoryMedium
beforeEach(() => {
  medium = new MemoryMedium(numberedSectors(SECTORS, 2048), { readOnly: true })
  drive = new AtapiCd({ medium })
  bench = new IdeBench([undefined, undefined, drive])
})

function sendPacket(bytes: number[], limit = 0xfffe, features = 0): void {
  bench.command(0xa0, { 1: features, 4: limit & 0xff, 5: limit >> 8, 6: 0xa0 }, BASE)
  expect(bench.untilIdle(0x376)).toBe(IDLE | DRQ)
  expect(bench.in(BASE + 2) & 3).toBe(1)
  bench.writeData(
    Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0),
    BASE,
  )
  expect(bench.in(0x376) & BSY).toBe(BSY)
}

/** A packet by PIO: its data, and the sense key of the error register; blocks as they came. */
function packet(bytes: number[], limit = 0xfffe): { data: Uint8Array; key: number; blocks: number[] } {
  sendPacket(bytes, limit)
  const blocks: number[] = []
  const data: number[] = []
  for (;;) {
    const status = bench.untilIrq(1)
    if (status & DRQ) {
      expect(bench.in(BASE + 2) & 3).toBe(2)
      const size = bench.in(BASE + 4) | (bench.in(BASE + 5) << 8)
      blocks.push(size)
      data.push(...bench.readData(size, BASE))
    } else {
      expect(bench.in(BASE + 2) & 3).toBe(3)
      expect(status).toBe(bench.in(BASE + 1) ? DRDY | ERR : IDLE)
      return { data: Uint8Array.from(data), key: bench.in(BASE + 1) >> 4, blocks }
    }
  }
}

/** [key, ASC, ASCQ]. */
function sense(): number[] {
  const { data } = packet([0x03, 0, 0, 0, 18])
  return [data[2], data[12], data[13]]
}

const read10 = (lba: number, count: number) => [0x28, 0, 0, 0, lba >> 8, lba & 0xff, 0, count >> 8, count & 0xff]
const TEST_UNIT_READY = [0x00]

describe('identification', () => {
  test('IDENTIFY DEVICE is aborted with the packet signature', () => {
    bench.command(0xec, { 6: 0xa0 }, BASE)
    expect(bench.untilIrq(1)).toBe(DRDY | ERR)
    expect([1, 2, 3, 4, 5].map((i) => bench.in(BASE + i))).toEqual([4, 1, 1, 0x14, 0xeb])
  })

  test('IDENTIFY PACKET DEVICE describes a CD drive', () => {
    bench.command(0xa1, { 6: 0xa0 }, BASE)
    expect(bench.untilIrq(1)).toBe(IDLE | DRQ)
    // Interrupt reason: data, to the host. TEAC_CDI.SYS takes no other.
    expect(bench.in(BASE + 2)).toBe(2)
    const data = bench.readData(512, BASE)
    expect(bench.in(0x376)).toBe(IDLE)
    expect([data[0], data[1]]).toEqual([0xc0, 0x85])
    expect(identifyText(data, 27, 40)).toBe('BOOTWRIGHT CD-ROM')
  })

  test('the signature and a status of 0 stand after SRST, DEVICE RESET and EXECUTE DEVICE DIAGNOSTIC', () => {
    const signature = () => [1, 2, 3, 4, 5].map((i) => bench.in(BASE + i))
    expect(bench.in(0x376)).toBe(0)
    bench.out(0x376, 4)
    bench.out(0x376, 0)
    expect(bench.untilIdle(0x376)).toBe(0)
    expect(signature()).toEqual([1, 1, 1, 0x14, 0xeb])
    sendPacket(read10(0, 1))
    bench.out(BASE + 7, 0x08)
    expect(bench.in(0x376)).toBe(0)
    expect(signature()).toEqual([1, 1, 1, 0x14, 0xeb])
    bench.clock.advance(1e7)
    expect(bench.irq[1]).toBe(false)
    bench.command(0x90, {}, BASE)
    expect(bench.untilIrq(1)).toBe(0)
  })

  test('INQUIRY and its vital product data', () => {
    const { data } = packet([0x12, 0, 0, 0, 96])
    expect([data.length, data[0], data[1]]).toEqual([36, 5, 0x80])
    expect(Buffer.from(data.subarray(8, 32)).toString()).toBe('BOOTWRT CD-ROM          ')
    expect(packet([0x12, 0, 0, 0, 5]).data.length).toBe(5)
    expect(packet([0x12, 1, 0x83, 0, 96]).data[1]).toBe(0x83)
    expect(packet([0x12, 1, 0x55, 0, 96]).key).toBe(5)
  })
})

describe('reading', () => {
  test('READ(10) comes in blocks of at most the byte count limit', () => {
    const { data, blocks } = packet(read10(258, 3), 4096)
    expect(blocks).toEqual([4096, 2048])
    expect([0, 1, 2].map((i) => [data[i * 2048], data[i * 2048 + 1], data[i * 2048 + 2047]])).toEqual([
      [1, 2, 2],
      [1, 3, 3],
      [1, 4, 4],
    ])
    // An odd limit is rounded down where it matters, and 0 means any.
    expect(packet(read10(0, 1), 1025).blocks).toEqual([1024, 1024])
    expect(packet(read10(0, 32), 0).blocks).toEqual([65534, 2])
  })

  test('READ(12), READ CAPACITY', () => {
    expect(packet([0xa8, 0, 0, 0, 0, 7, 0, 0, 0, 1]).data[9]).toBe(7)
    expect([...packet([0x25]).data]).toEqual([0, 0, (SECTORS - 1) >> 8, (SECTORS - 1) & 0xff, 0, 0, 8, 0])
  })

  test('READ CD gives the data, or whole raw sectors with their address', () => {
    expect(packet([0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0x10]).data.length).toBe(2048)
    const { data } = packet([0xbe, 0, 0, 0, 0, 75, 0, 0, 2, 0xf8])
    expect(data.length).toBe(2 * 2352)
    expect([...data.subarray(0, 18)]).toEqual([0, ...Array(10).fill(0xff), 0, 0, 0x03, 0x00, 1, 0, 75])
    expect([...data.subarray(2352 + 12, 2352 + 18)]).toEqual([0, 0x03, 0x01, 1, 0, 76])
    // By MSF, from 00:03:00 to 00:03:02.
    expect(packet([0xb9, 0, 0, 0, 3, 0, 0, 3, 2, 0x10]).data.length).toBe(4096)
    expect(packet([0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0x50]).key).toBe(5)
  })

  test('past the end fails with LBA OUT OF RANGE, of nothing succeeds', () => {
    expect(packet(read10(SECTORS - 1, 2)).key).toBe(5)
    expect(sense()).toEqual([5, 0x21, 0])
    expect(sense()).toEqual([0, 0, 0])
    expect(packet(read10(5, 0))).toMatchObject({ key: 0, blocks: [] })
  })

  test('a failing medium is a medium error', () => {
    medium.read = () => {
      throw new MediumError('scratch')
    }
    expect(packet(read10(1, 1)).key).toBe(3)
    expect(sense()).toEqual([3, 0x11, 0])
  })

  test('by DMA', () => {
    bench.prepareDma(
      [
        [0x20000, 0],
        [0x30000, 0x8000],
      ],
      1,
    )
    sendPacket(read10(2, 48), 0, 1)
    bench.ide.busMaster.write(8, 0x09, 1)
    expect(bench.untilIrq(1)).toBe(IDLE)
    expect(bench.in(BASE + 2) & 3).toBe(3)
    expect(Buffer.compare(bench.memory.bytes.subarray(0x20000, 0x38000), medium.data.subarray(4096, 50 * 2048))).toBe(0)
    expect(bench.ide.busMaster.read(10, 1) & 7).toBe(4)
    bench.ide.busMaster.write(8, 0, 1)
    bench.prepareDma([[0x20000, 36]], 1)
    sendPacket([0x12, 0, 0, 0, 36], 0, 1)
    bench.ide.busMaster.write(8, 0x09, 1)
    expect(bench.untilIrq(1)).toBe(IDLE)
    expect(bench.memory.bytes[0x20001]).toBe(0x80)
  })
})

describe('the table of contents', () => {
  test('format 0 by LBA and MSF, from a track on', () => {
    expect([...packet([0x43, 0, 0, 0, 0, 0, 0, 0, 100]).data]).toEqual([
      ...[0, 18, 1, 1],
      ...[0, 0x14, 1, 0, 0, 0, 0, 0],
      ...[0, 0x16, 0xaa, 0, 0, 0, SECTORS >> 8, SECTORS & 0xff],
    ])
    // 400 + 150 frames are 7 seconds and 25 frames.
    expect([...packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100]).data]).toEqual([
      ...[0, 10, 1, 1],
      ...[0, 0x16, 0xaa, 0, 0, 0, 7, 25],
    ])
    expect(packet([0x43, 0, 0, 0, 0, 0, 5, 0, 100]).key).toBe(5)
    expect(packet([0x43, 0, 0, 0, 0, 0, 0, 0, 4]).data.length).toBe(4)
  })

  test('formats 1 and 2, also where SFF-8020i has them', () => {
    expect([...packet([0x43, 0, 1, 0, 0, 0, 0, 0, 100]).data]).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0])
    const raw = packet([0x43, 2, 0, 0, 0, 0, 0, 0, 100, 0x80]).data
    expect([raw.length, raw[1], raw[7], raw[18], raw[29], raw[40]]).toEqual([48, 46, 0xa0, 0xa1, 0xa2, 1])
    expect([...raw.subarray(34, 37)]).toEqual([0, 7, 25])
    expect(packet([0x43, 0, 5, 0, 0, 0, 0, 0, 100]).key).toBe(5)
  })
})

describe('medium changes', () => {
  test('without a medium, commands that need one fail', () => {
    drive.eject()
    for (const command of [TEST_UNIT_READY, read10(0, 1), [0x25], [0x43, 0, 0, 0, 0, 0, 0, 0, 12], [0x2b]]) {
      expect(packet(command).key).toBe(2)
      expect(sense()).toEqual([2, 0x3a, 0])
    }
    expect(packet([0x12, 0, 0, 0, 36]).key).toBe(0)
  })

  test('a new one is first missed, then a unit attention, then there', () => {
    drive.insert(new MemoryMedium(numberedSectors(10, 2048)))
    expect(packet([0x12, 0, 0, 0, 36]).key).toBe(0)
    expect(packet(TEST_UNIT_READY).key).toBe(2)
    expect(packet(TEST_UNIT_READY).key).toBe(6)
    expect(sense()).toEqual([6, 0x28, 0])
    expect(packet(TEST_UNIT_READY).key).toBe(0)
    expect(packet([0x25]).data[3]).toBe(9)
  })

  test('GET EVENT STATUS NOTIFICATION tells of it once', () => {
    const event = () => [...packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data].slice(2, 6)
    expect(event()).toEqual([4, 0x10, 0, 2])
    drive.insert(medium)
    expect(event()).toEqual([4, 0x10, 2, 2])
    expect(event()).toEqual([4, 0x10, 0, 2])
    drive.eject()
    expect(event()).toEqual([4, 0x10, 0, 1])
    expect([...packet([0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8]).data]).toEqual([0, 2, 0x80, 0x10])
    expect(packet([0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8]).key).toBe(5)
  })

  test('START STOP UNIT opens and closes the tray, unless it is locked', () => {
    packet([0x1e, 0, 0, 0, 1])
    expect(packet([0x1b, 0, 0, 0, 2]).key).toBe(2)
    expect(sense()).toEqual([2, 0x53, 2])
    drive.pressEject()
    expect(drive.trayOpen).toBe(false)
    expect(packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data[4]).toBe(1)
    packet([0x1e, 0, 0, 0, 0])
    expect(packet([0x1b, 0, 0, 0, 2]).key).toBe(0)
    expect(drive.trayOpen).toBe(true)
    expect(packet(TEST_UNIT_READY).key).toBe(2)
    packet([0x1b, 0, 0, 0, 3])
    expect(packet(TEST_UNIT_READY).key).toBe(6)
    expect(packet(TEST_UNIT_READY).key).toBe(0)
  })
})

describe('the other commands', () => {
  test('MODE SENSE(6) and (10): pages 01, 0D, 0E, 2A, and all', () => {
    const ten = packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128]).data
    expect([ten.length, ten[1], ten[8], ten[9]]).toEqual([30, 28, 0x2a, 20])
    const six = packet([0x1a, 0, 0x01, 0, 128]).data
    expect([six.length, six[0], six[4]]).toEqual([12, 11, 1])
    expect(packet([0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0]).data.length).toBe(8 + 8 + 8 + 16 + 22)
    expect(packet([0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128]).key).toBe(5)
    expect(packet([0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128]).key).toBe(5)
    expect(sense()).toEqual([5, 0x39, 0])
  })

  test('GET CONFIGURATION shows the profile of the medium, and single features', () => {
    const all = packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]).data
    expect([all[3], all[7]]).toEqual([all.length - 4, 0x08])
    expect([...packet([0x46, 2, 0, 1, 0, 0, 0, 1, 0]).data.subarray(8)]).toEqual([
      0, 1, 0x0b, 8, 0, 0, 0, 2, 1, 0, 0, 0,
    ])
    drive.eject()
    expect(packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]).data[7]).toBe(0)
  })

  test('READ DISC INFORMATION, MECHANISM STATUS, READ SUBCHANNEL, SET CD SPEED, SEEK', () => {
    expect(packet([0x51, 0, 0, 0, 0, 0, 0, 0, 34]).data.length).toBe(34)
    expect(packet([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).data[5]).toBe(1)
    expect(packet([0x42, 2, 0x40, 1, 0, 0, 0, 0, 16]).data.length).toBe(16)
    expect(packet([0x42, 2, 0, 0, 0, 0, 0, 0, 16]).data.length).toBe(4)
    expect(packet([0xbb]).key).toBe(0)
    expect(packet([0x2b]).key).toBe(0)
  })

  test('an unknown packet command is an illegal request', () => {
    expect(packet([0xee]).key).toBe(5)
    expect(sense()).toEqual([5, 0x20, 0])
    expect(bench.warnings.length).toBe(1)
  })

  test('overlapped commands and ATA reads are aborted', () => {
    bench.command(0xa0, { 1: 2 }, BASE)
    expect(bench.untilIrq(1)).toBe(DRDY | ERR)
    bench.command(0x20, {}, BASE)
    expect(bench.untilIrq(1)).toBe(DRDY | ERR)
    expect(bench.in(BASE + 5)).toBe(0xeb)
  })
})

describe('save and load', () => {
  function copyOf(original: IdeBench): IdeBench {
    const copy = new IdeBench([undefined, undefined, new AtapiCd({ medium })])
    copy.clock.advance(original.clock.now())
    copy.memory.bytes.set(original.memory.bytes)
    loadState(copy.ide, structuredClone(saveState(original.ide)))
    return copy
  }

  test('in the middle of a packet, of a block, and of a reply', () => {
    bench.command(0xa0, { 4: 0x00, 5: 0x08, 6: 0xa0 }, BASE)
    bench.untilIdle(0x376)
    bench.writeData(Uint8Array.from([0x28, 0, 0, 0, 0, 9]), BASE)
    bench = copyOf(bench)
    bench.writeData(Uint8Array.from([0, 0, 2, 0, 0, 0]), BASE)
    bench = copyOf(bench)
    bench.untilIrq(1)
    expect(bench.readData(100, BASE)[1]).toBe(9)
    bench = copyOf(bench)
    expect(bench.readData(1948, BASE).every((byte) => byte === 9)).toBe(true)
    bench = copyOf(bench)
    bench.untilIrq(1)
    expect(bench.readData(2048, BASE)[1]).toBe(10)
    expect(bench.untilIrq(1)).toBe(IDLE)
    sendPacket([0x12, 0, 0, 0, 36], 20)
    bench.untilIrq(1)
    bench.readData(20, BASE)
    bench = copyOf(bench)
    bench.untilIrq(1)
    expect(Buffer.from(bench.readData(12, BASE)).toString()).toBe('OM          ')
  })

  test('while a DMA reply waits for the bus master', () => {
    sendPacket([0x12, 0, 0, 0, 36], 0, 1)
    bench.clock.advance(1e7)
    bench = copyOf(bench)
    bench.prepareDma([[0x20000, 36]], 1)
    bench.ide.busMaster.write(8, 0x09, 1)
    expect(bench.untilIrq(1)).toBe(IDLE)
    expect(Buffer.from(bench.memory.bytes.subarray(0x20010, 0x20020)).toString()).toBe('CD-ROM          ')
  })

  test('is refused without the medium', () => {
    const empty = new IdeBench([undefined, undefined, new AtapiCd()])
    expect(() => loadState(empty.ide, saveState(bench.ide))).toThrow(/insert the same/)
  })
})
