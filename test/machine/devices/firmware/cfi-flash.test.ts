import { beforeEach, expect, test } from 'vitest'
import { CfiFlash, FLASH_BLOCK } from '../../../../machine/devices/firmware/cfi-flash.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

const warnings: string[] = []
let flash: CfiFlash
const made = () =>
  new CfiFlash({
    name: 'flash',
    base: 0xffc00000,
    contents: Uint8Array.from({ length: 4 * FLASH_BLOCK }, (_, i) => i & 0xff),
    warn: (text) => warnings.push(text),
  })
const read = (offset: number, size: 1 | 2 | 4 = 1, chip = flash) => chip.mmio[0].read(offset, size)
const write = (offset: number, ...values: number[]) => {
  for (const value of values) flash.mmio[0].write(offset, value, 1)
}

beforeEach(() => {
  warnings.length = 0
  flash = made()
  flash.reset()
})

test('is an array of bytes until it is given a command', () => {
  expect(read(0x1234, 4)).toBe(0x37363534)
  expect(flash.mmio[0]).toMatchObject({ base: 0xffc00000, size: 4 * FLASH_BLOCK })
})

test('is taken for flash by the firmware: a status of zero, which is neither RAM nor ROM', () => {
  write(0x11, 0x50)
  expect(read(0x11)).toBe(0x11)
  write(0x11, 0x70)
  expect(read(0x11)).toBe(0)
  write(0x11, 0xff)
  expect(read(0x11)).toBe(0x11)
})

test('a block is erased, a byte is programmed, and bits are never set but by erasing', () => {
  write(FLASH_BLOCK + 5, 0x20, 0xd0)
  expect(read(0) & 0x80).toBe(0x80)
  write(0, 0xff)
  expect([
    read(FLASH_BLOCK - 1),
    read(FLASH_BLOCK, 4),
    read(2 * FLASH_BLOCK - 4, 4),
    read(2 * FLASH_BLOCK + 1),
  ]).toEqual([...[0xff, 0xffffffff, 0xffffffff, 1]])
  write(FLASH_BLOCK, 0x10, 0x5a, 0x40, 0xf0, 0xff)
  expect(read(FLASH_BLOCK)).toBe(0x50)
})

test('a buffer is written behind its count, and wants to be confirmed', () => {
  write(FLASH_BLOCK, 0x20, 0xd0, 0xe8, 2)
  for (const i of [0, 1, 2]) write(FLASH_BLOCK + i, 0x30 + i)
  write(FLASH_BLOCK, 0xd0, 0xff)
  expect(read(FLASH_BLOCK, 4)).toBe(0xff323130)
})

test('an erase without its confirmation does nothing but say so, and a command that is none is one warning', () => {
  write(0, 0x20, 0x11)
  expect(read(0)).toBe(0xb0)
  write(0, 0x50, 0x99)
  expect(read(3)).toBe(3)
  expect(warnings).toEqual(['flash command 99 does not exist'])
})

test('tells what it is', () => {
  write(0, 0x98)
  expect([read(0x10), read(0x11), read(0x12)].map((byte) => String.fromCharCode(byte)).join('')).toBe('QRY')
  expect([read(0x27), read(0x2d), read(0x2e), read(0x2f), read(0x30)]).toEqual([14, 3, 0, 0x10, 0])
  write(0, 0xff, 0x90)
  expect(read(0, 2)).toBe(0)
})

test('is saved in the middle of a command, with its contents, which a reset leaves alone', () => {
  write(0, 0x20, 0xd0)
  write(7, 0x10)
  const copy = made()
  loadState(copy, saveState(flash))
  copy.mmio[0].write(7, 0x42, 1)
  copy.mmio[0].write(7, 0xff, 1)
  expect(read(6, 4, copy)).toBe(0xffff42ff)
  copy.reset()
  expect(read(7, 1, copy)).toBe(0x42)
})
