import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../../../machine/media/block-device.js'
import { MediumError } from '../../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { Driver } from './driver.js'

const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13]
const [OK, IOERR, UNSUPP] = [0, 1, 2]

function header(type: number, sector = 0): Uint8Array {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, type, true)
  new DataView(bytes.buffer).setBigUint64(8, BigInt(sector), true)
  return bytes
}

function range(sector: number, count: number): Uint8Array {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(sector), true)
  new DataView(bytes.buffer).setUint32(8, count, true)
  return bytes
}

function bench(isModern: boolean, medium: BlockDevice = patterned()) {
  const options = { drive: 'disk0', serial: 'A serial number' }
  const backend = (kind: string, name?: string) => (kind === 'block' && name === 'disk0' ? medium : undefined)
  const driver = new Driver('virtio-blk-pci', isModern, undefined, options, backend).start([], 1)
  /** The data and the status. */
  const request = (readable: ArrayLike<number>[], writable: number[] = []) => {
    driver.add(0, readable, [...writable, 1])
    driver.card.clock.advance(1e7)
    const [given] = driver.given(0)
    const bytes = driver.contents({ ...given, written: writable.reduce((sum, one) => sum + one, 1) })
    return { data: bytes.slice(0, -1), status: bytes.at(-1), written: given.written }
  }
  return { driver, medium, request }
}

function patterned(readOnly = false): MemoryMedium {
  const medium = new MemoryMedium(1 << 20, { readOnly })
  for (let i = 0; i < medium.size; i++) medium.data[i] = (i * 7 + (i >> 9)) & 0xff
  return medium
}

describe.each([
  ['legacy', false],
  ['modern', true],
] as const)('the %s interface', (_, isModern) => {
  test('reads and writes, in segments of any length, and flushes', () => {
    const medium = patterned()
    const { request, driver } = bench(isModern, medium)
    expect(driver.configuration(0) | (driver.configuration(1) << 8)).toBe(2048)
    const { data, status, written } = request([header(IN, 3)], [100, 700, 224])
    expect([status, written]).toEqual([OK, 1025])
    expect(data).toEqual([...medium.data.subarray(3 * 512, 5 * 512)])
    const bytes = Uint8Array.from({ length: 1024 }, (_, i) => (i * 3) & 0xff)
    expect(request([header(OUT, 9), bytes.subarray(0, 10), bytes.subarray(10)])).toMatchObject({
      status: OK,
      written: 1,
    })
    expect([...medium.data.subarray(9 * 512, 11 * 512)]).toEqual([...bytes])
    expect(request([header(FLUSH)]).status).toBe(OK)
  })

  test('says its serial number, discards and writes zeros', () => {
    const medium = patterned()
    const { request } = bench(isModern, medium)
    const { data, status } = request([header(GET_ID)], [20])
    expect([Buffer.from(data).toString('latin1').replace(/\0+$/, ''), status]).toEqual(['A serial number', OK])
    expect(request([header(DISCARD), range(4, 4)]).status).toBe(OK)
    expect(request([header(WRITE_ZEROES), range(8, 2)]).status).toBe(OK)
    expect(medium.data.subarray(8 * 512, 10 * 512).every((byte) => byte === 0)).toBe(true)
    expect(medium.data[10 * 512 + 1]).not.toBe(0)
  })

  test('what lies past the end, is no whole sector or is not known fails, and the next request does not', () => {
    const { request, driver } = bench(isModern)
    expect(request([header(IN, 2047)], [1024]).status).toBe(IOERR)
    expect(request([header(IN, 2 ** 52)], [512]).status).toBe(IOERR)
    expect(request([header(IN, 0)], [511]).status).toBe(IOERR)
    expect(request([header(OUT, 2048), new Uint8Array(512)]).status).toBe(IOERR)
    expect(request([header(DISCARD), range(2047, 2)]).status).toBe(IOERR)
    expect(request([header(WRITE_ZEROES), range(0, 0xffff_ffff)]).status).toBe(IOERR)
    expect(request([header(DISCARD), new Uint8Array(7)]).status).toBe(IOERR)
    expect(request([header(99)]).status).toBe(UNSUPP)
    driver.add(0, [new Uint8Array(7)], [1]) // no header
    driver.add(0, [header(IN)]) // nowhere for the status
    driver.card.clock.advance(1e7)
    expect(driver.given(0).map(({ written }) => written)).toEqual([0, 0])
    // 4 GiB - 512 into one buffer: bounded, and refused.
    driver.descriptor(0, 0, 0x60000, 16, 1, 1)
    driver.card.poke(0x60000, header(IN))
    driver.descriptor(0, 1, 0x60000, 0xffff_fe01, 2)
    driver.offer(0, 0)
    driver.card.clock.advance(1e7)
    expect(driver.given(0)).toHaveLength(1)
    driver.start([], 1)
    expect(request([header(IN, 0)], [512]).status).toBe(OK)
  })
})

test('a medium that is read-only, and one that fails, are errors of the request', () => {
  const { request, driver } = bench(true, patterned(true))
  expect(driver.offered(0) & (1 << 5)).toBe(1 << 5)
  expect(request([header(OUT, 0), new Uint8Array(512)]).status).toBe(IOERR)
  const failing = new Proxy(patterned(), {
    get: (target, key) =>
      key === 'read'
        ? () => {
            throw new MediumError('the host cannot read')
          }
        : Reflect.get(target, key, target),
  })
  expect(bench(true, failing).request([header(IN, 0)], [512]).status).toBe(IOERR)
})

test('requests take guest time, and a copy that is saved meanwhile serves the ones that wait', () => {
  const { driver } = bench(true)
  driver.add(0, [header(IN, 0)], [512, 1])
  driver.add(0, [header(IN, 1)], [512, 1])
  driver.notify(0)
  const saved = driver.card.save()
  const copy = bench(true).driver
  copy.card.clock.advance(driver.card.clock.now() - copy.card.clock.now())
  copy.card.load(saved, driver.card)
  copy.card.clock.load(driver.card.clock.save())
  for (const { card } of [driver, copy]) card.clock.advance(1e7)
  expect(copy.card.save()).toEqual(driver.card.save())
  expect(copy.card.peek(0x5_0000, 2048)).toEqual(driver.card.peek(0x5_0000, 2048))
  expect(copy.card.peek32(driver.used(0)) >>> 16).toBe(2)
})
