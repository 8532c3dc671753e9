import { describe, expect, test } from 'vitest'
import * as aml from '../../../../machine/firmware/tables/aml.js'

describe('AML encoding', () => {
  test('names are padded and prefixed by their number of segments', () => {
    const text = (path: string): string => String.fromCharCode(...aml.name(path))
    expect(text('ISA')).toBe('ISA_')
    expect(text('\\_SB')).toBe('\\_SB_')
    expect(text('^LNKA')).toBe('^LNKA')
    expect(text('PCI0.ISA')).toBe('\x2ePCI0ISA_')
    expect(text('\\_SB.PCI0.ISA')).toBe('\\\x2f\x03_SB_PCI0ISA_')
    expect(() => aml.name('lower')).toThrow(RangeError)
    expect(() => aml.name('TOOLONG')).toThrow(RangeError)
  })

  test('integers take their shortest form', () => {
    expect(aml.integer(0)).toEqual([0x00])
    expect(aml.integer(1)).toEqual([0x01])
    expect(aml.integer(2)).toEqual([0x0a, 2])
    expect(aml.integer(0x100)).toEqual([0x0b, 0x00, 0x01])
    expect(aml.integer(0xfed00000)).toEqual([0x0c, 0x00, 0x00, 0xd0, 0xfe])
  })

  test('EISA identifiers are compressed as the specification shows', () => {
    expect(aml.eisaId('PNP0A03')).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03])
    expect(aml.eisaId('PNP0303')).toEqual([0x0c, 0x41, 0xd0, 0x03, 0x03])
  })

  test('package lengths count themselves, over every change of their own size', () => {
    // A buffer: 0x11, PkgLength, size integer, bytes.
    expect(aml.buffer(new Array(10).fill(7)).slice(0, 4)).toEqual([0x11, 13, 0x0a, 10])
    expect(aml.buffer(new Array(60).fill(7)).slice(0, 3)).toEqual([0x11, 0x3f, 0x0a])
    expect(aml.buffer(new Array(61).fill(7)).slice(0, 4)).toEqual([0x11, 0x41, 0x04, 0x0a])
    const large = aml.buffer(new Array(5000).fill(7))
    expect(large.slice(0, 4)).toEqual([0x11, 0x80 | ((5000 + 6) & 0x0f), ((5000 + 6) >> 4) & 0xff, (5000 + 6) >> 12])
    expect(large).toHaveLength(1 + 5000 + 6)
  })

  test('an interrupt descriptor has its number at byte 5', () => {
    expect(aml.interrupt(9)).toEqual([0x89, 6, 0, 0x09, 1, 9, 0, 0, 0])
  })
})
