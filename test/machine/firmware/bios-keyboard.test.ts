import { describe, expect, test } from 'vitest'
import { biosKeys } from '../../../machine/firmware/bios-keyboard.js'

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
    expect(biosKeys(REAL, area(0x1e, 0x1e))?.room).toBe(15)
    expect(biosKeys(REAL, area(0x3c, 0x3c))?.room).toBe(15)
  })

  test('is of another place with each key that is taken', () => {
    expect(biosKeys(REAL, area(0x3c, 0x20))).toEqual({ room: 13, waiting: 2, head: 0x3c })
    expect(biosKeys(REAL, area(0x1e, 0x20))).toEqual({ room: 14, waiting: 1, head: 0x1e })
  })

  test('goes down with each key, also around the end', () => {
    expect(biosKeys(REAL, area(0x1e, 0x24))?.room).toBe(12)
    expect(biosKeys(REAL, area(0x3a, 0x1e))?.room).toBe(13)
    expect(biosKeys(REAL, area(0x1e, 0x3c))?.room).toBe(0)
    expect(biosKeys(REAL, area(0x30, 0x2e))?.room).toBe(0)
  })

  test('counts in virtual-8086 mode, but not in protected mode', () => {
    expect(biosKeys(V86, area(0x1e, 0x20))?.room).toBe(14)
    expect(biosKeys(PROTECTED, area(0x1e, 0x20))).toBeUndefined()
  })

  test('is unknown where the pointers are none', () => {
    expect(biosKeys(REAL, area(0x1f, 0x20))).toBeUndefined()
    expect(biosKeys(REAL, area(0x1e, 0x3e))).toBeUndefined()
    expect(biosKeys(REAL, area(0, 0))).toBeUndefined()
    expect(biosKeys(REAL, area(0, 0, 0, 0))).toBeUndefined()
    expect(biosKeys(REAL, area(0xfffe, 0xfffe, 0x1e, 0xffff))).toBeUndefined()
  })

  test('is that of a buffer which was moved', () => {
    expect(biosKeys(REAL, area(0x200, 0x202, 0x200, 0x280))?.room).toBe(62)
  })
})
