import { describe, expect, test } from 'vitest'
import { type ScsiBus, ScsiDisk } from '../../../../machine/devices/storage/scsi-disk.js'
import type { BlockDevice } from '../../../../machine/media/block-device.js'
import { MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { Driver } from './driver.js'

const [GOOD, CHECK] = [0, 2]
const SENSE = 96
/** Queues. */
const [CONTROL, REQUEST] = [0, 2]

function patterned(readOnly = false): MemoryMedium {
  const medium = new MemoryMedium(1 << 20, { readOnly })
  for (let i = 0; i < medium.size; i++) medium.data[i] = (i * 7 + (i >> 9)) & 0xff
  return medium
}

/** A command block: its opcode, and bytes by their places; longer numbers stand with their most significant byte first. */
function cdb(opcode: number, parts: { [at: number]: number | [number, 2 | 3 | 4 | 8] } = {}): Uint8Array {
  const bytes = new Uint8Array(32)
  bytes[0] = opcode
  for (const [at, part] of Object.entries(parts)) {
    const [value, size] = typeof part === 'number' ? [part, 1] : part
    for (let i = 0; i < size; i++) bytes[Number(at) + i] = Math.floor(value / 256 ** (size - 1 - i)) & 0xff
  }
  return bytes
}

const noData = () => new Uint8Array()

/** A disk that has told that it was reset. */
function readyDisk(medium: BlockDevice): ScsiDisk {
  const disk = new ScsiDisk(medium, 'A serial')
  expect(disk.execute(cdb(0x00), noData).sense.slice(2, 14)).toMatchObject({ 0: 6, 10: 0x29 })
  return disk
}

describe('a SCSI disk', () => {
  const medium = patterned()
  const disk = readyDisk(medium)
  const data = (command: Uint8Array) => {
    const reply = disk.execute(command, noData)
    expect(reply.status).toBe(GOOD)
    return [...reply.data]
  }

  test('says what it is', () => {
    expect(String.fromCharCode(...data(cdb(0x12, { 3: [255, 2] })).slice(8, 36))).toBe('BOOTWRGTBOOTWRIGHT DISK 1.0 ')
    expect(data(cdb(0x12, { 1: 1, 2: 0, 3: [255, 2] })).slice(4)).toEqual([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2])
    expect(String.fromCharCode(...data(cdb(0x12, { 1: 1, 2: 0x80, 3: [255, 2] })).slice(4))).toBe('A serial')
    expect(data(cdb(0x12, { 3: [5, 2] }))).toHaveLength(5)
    expect(data(cdb(0x25))).toEqual([0, 0, 7, 0xff, 0, 0, 2, 0])
    expect(data(cdb(0x9e, { 1: 0x10, 10: [32, 4] })).slice(0, 15)).toEqual([
      0, 0, 0, 0, 0, 0, 7, 0xff, 0, 0, 2, 0, 0, 0, 0x80,
    ])
    expect(data(cdb(0x1a, { 2: 0x08, 4: 255 })).slice(12, 15)).toEqual([8, 18, 4])
    expect(data(cdb(0x5a, { 1: 8, 2: 0x3f, 7: [255, 2] }))).toHaveLength(28)
  })

  test.each([
    ['READ (6)', cdb(0x08, { 1: [5, 3], 4: 2 })],
    ['READ (10)', cdb(0x28, { 2: [5, 4], 7: [2, 2] })],
    ['READ (12)', cdb(0xa8, { 2: [5, 4], 6: [2, 4] })],
    ['READ (16)', cdb(0x88, { 2: [5, 8], 10: [2, 4] })],
  ])('%s', (_, command) => {
    expect(data(command)).toEqual([...medium.data.subarray(5 * 512, 7 * 512)])
  })

  test.each([
    ['WRITE (6)', cdb(0x0a, { 1: [9, 3], 4: 1 })],
    ['WRITE (10)', cdb(0x2a, { 1: 8, 2: [9, 4], 7: [1, 2] })],
    ['WRITE (12)', cdb(0xaa, { 2: [9, 4], 6: [1, 4] })],
    ['WRITE (16)', cdb(0x8a, { 2: [9, 8], 10: [1, 4] })],
  ])('%s', (name, command) => {
    const block = new Uint8Array(512).fill(name.length)
    expect(disk.execute(command, () => block)).toMatchObject({ status: GOOD, moved: 512 })
    expect(medium.data.subarray(9 * 512, 10 * 512)).toEqual(block)
    expect(disk.execute(command, () => block.subarray(1)).status).toBe(CHECK)
  })

  test('WRITE SAME fills, UNMAP takes ranges, the cache is flushed', () => {
    const block = new Uint8Array(512).fill(0x5a)
    expect(disk.execute(cdb(0x93, { 2: [20, 8], 10: [3, 4] }), () => block).status).toBe(GOOD)
    expect(medium.data.subarray(20 * 512, 23 * 512).every((byte) => byte === 0x5a)).toBe(true)
    expect(disk.execute(cdb(0x93, { 1: 9, 2: [20, 8], 10: [2, 4] }), noData).status).toBe(GOOD)
    expect(medium.data.subarray(20 * 512, 22 * 512).every((byte) => byte === 0)).toBe(true)
    expect(medium.data[22 * 512]).toBe(0x5a)
    const list = new Uint8Array(24)
    list.set([0, 22, 0, 16])
    list.set([0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0, 1], 8)
    expect(disk.execute(cdb(0x42, { 7: [24, 2] }), () => list).status).toBe(GOOD)
    expect(disk.execute(cdb(0x35), noData).status).toBe(GOOD)
  })

  test.each([
    ['past the end', cdb(0x28, { 2: [2047, 4], 7: [2, 2] }), 5, 0x21],
    ['far past the end', cdb(0x88, { 2: [2 ** 63, 8], 10: [1, 4] }), 5, 0x21],
    ['more than the limit', cdb(0xa8, { 2: [0, 4], 6: [0xffff_ffff, 4] }), 5, 0x21],
    ['an opcode that is none', cdb(0xff), 5, 0x20],
    ['a page that is none', cdb(0x12, { 1: 1, 2: 0x99, 3: [255, 2] }), 5, 0x24],
    ['saved mode pages', cdb(0x1a, { 2: 0xc8, 4: 255 }), 5, 0x39],
  ])('%s is told', (_, command, key, code) => {
    const { status, sense } = disk.execute(command, noData)
    expect([status, sense[2], sense[12]]).toEqual([CHECK, key, code])
  })

  test('a medium that is read-only, or fails', () => {
    const protectedDisk = readyDisk(patterned(true))
    expect(protectedDisk.execute(cdb(0x2a, { 7: [1, 2] }), () => new Uint8Array(512)).sense[2]).toBe(7)
    expect(protectedDisk.execute(cdb(0x1a, { 2: 0x3f, 4: 255 }), noData).data[2] & 0x80).toBe(0x80)
    const failing = new Proxy(patterned(), {
      get(target, key) {
        if (key !== 'read') return Reflect.get(target, key, target)
        return () => {
          throw new MediumError('the host cannot read')
        }
      },
    })
    expect(readyDisk(failing).execute(cdb(0x28, { 7: [1, 2] }), noData).sense[2]).toBe(3)
  })
})

describe.each([
  ['legacy', false],
  ['modern', true],
] as const)('virtio-scsi by the %s interface', (_, isModern) => {
  const scsi: ScsiBus = {
    units: [
      { target: 0, lun: 0, disk: new ScsiDisk(patterned(), 'A') },
      { target: 7, lun: 3, disk: new ScsiDisk(patterned(), 'B') },
    ],
  }
  const driver = new Driver('virtio-scsi-pci', isModern, undefined, {}, undefined, { scsi }).start([], 3)

  const request = (target: number, lun: number, command: Uint8Array, out?: Uint8Array, room = 0) => {
    const header = new Uint8Array(19 + 32)
    header.set([1, target, 0x40 | (lun >> 8), lun & 0xff])
    header.set(command, 19)
    driver.add(REQUEST, out ? [header, out] : [header], room ? [12 + SENSE, room] : [12 + SENSE])
    driver.card.clock.advance(1e7)
    const [given] = driver.given(REQUEST)
    const bytes = Uint8Array.from(driver.contents({ ...given, written: 12 + SENSE + room }))
    const view = new DataView(bytes.buffer)
    return {
      ...{
        senseLength: view.getUint32(0, true),
        residual: view.getUint32(4, true),
        status: bytes[10],
        response: bytes[11],
      },
      ...{ sense: bytes.slice(12, 12 + SENSE), data: [...bytes.slice(12 + SENSE)], written: given.written },
    }
  }

  test('its disks are where they were told to be, and nothing is elsewhere', () => {
    for (const [target, lun] of [
      [0, 0],
      [7, 3],
    ]) {
      expect(request(target, lun, cdb(0x00))).toMatchObject({ response: 0, status: CHECK, senseLength: 18 })
      expect(request(target, lun, cdb(0x00))).toMatchObject({ response: 0, status: GOOD, senseLength: 0 })
    }
    expect(request(1, 0, cdb(0x00))).toMatchObject({ response: 3 })
    expect(request(7, 0, cdb(0x12, { 3: [36, 2] }), undefined, 36).data[0]).toBe(0x7f)
    expect(request(7, 0, cdb(0x00))).toMatchObject({ status: CHECK, sense: expect.objectContaining({ 12: 0x25 }) })
    expect(request(7, 0, cdb(0xa0, { 6: [64, 4] }), undefined, 64)).toMatchObject({
      residual: 40,
      written: 12 + SENSE + 24,
    })
  })

  test('reads and writes', () => {
    const block = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff)
    expect(request(0, 0, cdb(0x2a, { 2: [3, 4], 7: [1, 2] }), block)).toMatchObject({ response: 0, status: GOOD })
    expect(request(0, 0, cdb(0x28, { 2: [3, 4], 7: [1, 2] }), undefined, 512).data).toEqual([...block])
    // The room is less, or more, than was asked for.
    expect(request(0, 0, cdb(0x28, { 2: [3, 4], 7: [1, 2] }), undefined, 100).data).toEqual([...block.slice(0, 100)])
    expect(request(0, 0, cdb(0x28, { 2: [3, 4], 7: [1, 2] }), undefined, 600).residual).toBe(88)
  })

  test('a reset of a unit is told to who asks next; what is no request is given back', () => {
    const management = new Uint8Array(24)
    new DataView(management.buffer).setUint32(4, 5, true)
    management.set([1, 7, 0x40, 3], 8)
    driver.add(CONTROL, [management], [1])
    driver.card.clock.advance(1e7)
    expect(driver.contents(driver.given(CONTROL)[0])).toEqual([0])
    expect(request(7, 3, cdb(0x00)).sense[12]).toBe(0x29)
    expect(request(0, 0, cdb(0x00)).status).toBe(GOOD)
    driver.add(REQUEST, [new Uint8Array(5)], [1])
    driver.card.clock.advance(1e7)
    expect(driver.given(REQUEST)[0].written).toBe(0)
    expect(request(0, 0, cdb(0x00)).status).toBe(GOOD)
  })
})
