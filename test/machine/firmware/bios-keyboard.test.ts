import { describe, expect, test } from 'vitest'
import { keyRoom } from '../../../machine/firmware/bios-keyboard.js'

const REAL = { cr0: 0x10n, rflags: 2n }
const PROTECTED = { cr0: 0x11n, rflags: 2n }
const V86 = { cr0: 0x80000011n, rflags: 0x20202n }

function area(head: number, tail: number, start = 0x1e, end = 0x3e) {
  const words = new Map([
    [0x41a, head],
    [0x41c, tail],
    [0x480, start],
    [0x482, end],
  ])
  return { mmioRead: (address: number) => words.get(address) as number }
}

describe('room for keys in the BIOS data area', () => {
  test('is 15 keys where none wait', () => {
    expect(keyRoom(REAL, area(0x1e, 0x1e))).toBe(15)
    expect(keyRoom(REAL, area(0x3c, 0x3c))).toBe(15)
  })

  test('goes down with each key, also around the end', () => {
    expect(keyRoom(REAL, area(0x1e, 0x24))).toBe(12)
    expect(keyRoom(REAL, area(0x3a, 0x1e))).toBe(13)
    expect(keyRoom(REAL, area(0x1e, 0x3c))).toBe(0)
    expect(keyRoom(REAL, area(0x30, 0x2e))).toBe(0)
  })

  test('counts in virtual-8086 mode, but not in protected mode', () => {
    expect(keyRoom(V86, area(0x1e, 0x20))).toBe(14)
    expect(keyRoom(PROTECTED, area(0x1e, 0x20))).toBeUndefined()
  })

  test('is unknown where the pointers are none', () => {
    expect(keyRoom(REAL, area(0x1f, 0x20))).toBeUndefined()
    expect(keyRoom(REAL, area(0x1e, 0x3e))).toBeUndefined()
    expect(keyRoom(REAL, area(0, 0))).toBeUndefined()
    expect(keyRoom(REAL, area(0, 0, 0, 0))).toBeUndefined()
    expect(keyRoom(REAL, area(0xfffe, 0xfffe, 0x1e, 0xffff))).toBeUndefined()
  })

  test('is that of a buffer which was moved', () => {
    expect(keyRoom(REAL, area(0x200, 0x202, 0x200, 0x280))).toBe(62)
  })
})
