import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { Vga } from '../../../../machine/devices/display/vga.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { Bench } from './bench.js'

/** IBM's parameter table of mode 3: 80 × 25 text in 9 × 16 cells. */
const MODE_3 = {
  misc: 0x67,
  cr: '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff',
  sr: '03 00 03 00 02',
  gr: '00 00 00 00 00 10 0e 0f ff',
  ar: '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f 0c 00 0f 08 00',
}
/** Mode 12h: 640 × 480 in 16 colours. */
const MODE_12 = {
  misc: 0xe3,
  cr: '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff',
  sr: '03 01 0f 00 06',
  gr: '00 00 00 00 00 00 05 0f ff',
  ar: '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f 01 00 0f 00 00',
}
/** Mode 13h: 320 × 200 in 256 colours. */
const MODE_13 = {
  misc: 0x63,
  cr: '5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff',
  sr: '03 01 0f 00 0e',
  gr: '00 00 00 00 00 40 05 0f ff',
  ar: '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00 00',
}

function setMode(bench: Bench, mode: typeof MODE_3): void {
  const bytes = (text: string) => text.split(' ').map((byte) => Number.parseInt(byte, 16))
  bench.out(0x3c2, mode.misc)
  bench.set(0x3d4, 0x11, 0)
  for (const [i, value] of bytes(mode.sr).entries()) bench.set(0x3c4, i, value)
  for (const [i, value] of bytes(mode.gr).entries()) bench.set(0x3ce, i, value)
  for (const [i, value] of bytes(mode.cr).entries()) bench.set(0x3d4, i, value)
  for (const [i, value] of bytes(mode.ar).entries()) bench.attribute(i, value)
  // Entry n has the colour (n, n, n) in six bits.
  bench.out(0x3c8, 0)
  for (let i = 0; i < 256; i++) for (let c = 0; c < 3; c++) bench.out(0x3c9, i & 0x3f)
}

function benchIn(mode: typeof MODE_3): Bench {
  const bench = new Bench()
  setMode(bench, mode)
  return bench
}

/** The red of a pixel, as six bits. */
const gray = (bench: Bench, x: number, y: number): number => {
  const frame = bench.vga.frame()
  return frame.data[(y * frame.width + x) * 4] >> 2
}

/** The dots of a text line as ones (foreground 7, entry 7) and zeros. */
const dots = (bench: Bench, y: number, from: number, count: number): string => {
  const frame = bench.vga.frame()
  let text = ''
  for (let x = from; x < from + count; x++) text += frame.data[(y * frame.width + x) * 4] ? '1' : '0'
  return text
}

/** Loads one line of a glyph of font 0 by way of plane 2, as software does. */
function loadGlyph(bench: Bench, code: number, line: number, bits: number): void {
  bench.set(0x3c4, 2, 4)
  bench.set(0x3c4, 4, 7)
  bench.set(0x3ce, 5, 0)
  bench.set(0x3ce, 6, 0)
  bench.write(code * 32 + line, bits)
  bench.set(0x3c4, 2, 3)
  bench.set(0x3c4, 4, 3)
  bench.set(0x3ce, 5, 0x10)
  bench.set(0x3ce, 6, 0x0e)
}

describe('registers', () => {
  test('power-on: off, ports answer zero, VBE tells its version', () => {
    const bench = new Bench()
    expect(bench.vga.mode()).toMatchObject({ kind: 'off', width: 640, height: 480 })
    expect(bench.vga.text()).toBeUndefined()
    expect([...new Set(bench.vga.frame().data)].sort((a, b) => a - b)).toEqual([0, 255])
    expect(bench.in(0x3c5)).toBe(0)
    expect(bench.getDispi(0)).toBe(0xb0c5)
  })

  test('write only their writable bits', () => {
    const bench = new Bench()
    const readable = (port: number, index: number) => {
      bench.set(port, index, 0xff)
      return bench.in(port + 1)
    }
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => readable(0x3c4, i))).toEqual([3, 0x3d, 15, 0x3f, 14, 0, 0, 255])
    expect([0, 3, 4, 5, 6, 8, 9].map((i) => readable(0x3ce, i))).toEqual([15, 0x1f, 3, 0x7b, 15, 255, 0])
  })

  test('a word to an index port writes index and data', () => {
    const bench = new Bench()
    bench.out(0x3ce, 0x5a08, 2)
    expect(bench.in(0x3ce, 2)).toBe(0x5a08)
  })

  test('the CRTC is at 3B4 or at 3D4, not at both', () => {
    const bench = new Bench()
    bench.set(0x3b4, 0x0f, 0x12)
    expect(bench.in(0x3b5)).toBe(0x12)
    expect(bench.in(0x3d5)).toBe(0xff)
    bench.out(0x3c2, 1)
    expect(bench.in(0x3d5)).toBe(0x12)
    bench.out(0x3d5, 0x34)
    bench.out(0x3b5, 0x56)
    expect(bench.in(0x3d5)).toBe(0x34)
    expect(bench.in(0x3b5)).toBe(0xff)
    expect(bench.in(0x3ba)).toBe(0xff)
  })

  test('CR11 protects CR00 to CR07, save the line compare bit', () => {
    const bench = benchIn(MODE_3)
    bench.set(0x3d4, 0x11, 0x8e)
    bench.set(0x3d4, 1, 0)
    expect(bench.in(0x3d5)).toBe(0x4f)
    bench.set(0x3d4, 7, 0)
    expect(bench.in(0x3d5)).toBe(0x0f)
    bench.set(0x3d4, 9, 0)
    expect(bench.in(0x3d5)).toBe(0)
  })

  test('the attribute controller takes index and data in turn until status is read', () => {
    const bench = new Bench()
    bench.in(0x3ba)
    bench.out(0x3c0, 0x11)
    bench.out(0x3c0, 0x2a)
    bench.out(0x3c0, 0x12)
    bench.in(0x3ba)
    bench.out(0x3c0, 0x11)
    expect(bench.in(0x3c1)).toBe(0x2a)
    expect(bench.in(0x3c0)).toBe(0)
    bench.in(0x3ba)
    expect(bench.in(0x3c0)).toBe(0x11)
    bench.out(0x3c0, 0x1f)
    bench.out(0x3c0, 0xff)
    expect(bench.in(0x3c1)).toBe(0)
  })

  test('the DAC counts on through colours, and takes a colour with its third part', () => {
    const bench = new Bench()
    bench.out(0x3c8, 0xff)
    expect(bench.in(0x3c7)).toBe(0)
    for (const value of [1, 2, 3, 4, 5]) bench.out(0x3c9, value)
    bench.out(0x3c7, 0xff)
    expect(bench.in(0x3c7)).toBe(3)
    expect([1, 2, 3, 4, 5, 6].map(() => bench.in(0x3c9))).toEqual([1, 2, 3, 0, 0, 0])
    expect(bench.in(0x3c8)).toBe(0)
  })

  test('the pel mask masks colours', () => {
    const bench = benchIn(MODE_13)
    bench.write(0, 0x0f)
    expect(gray(bench, 0, 0)).toBe(0x0f)
    bench.out(0x3c6, 0xf3)
    expect(bench.in(0x3c6)).toBe(0xf3)
    expect(gray(bench, 0, 0)).toBe(3)
  })
})

describe('status 1', () => {
  const MICROSECOND = 1000

  test.each([
    ['80x25 text', MODE_3, 70.1, 449],
    ['640x480', MODE_12, 59.9, 525],
  ] as const)('%s: retrace comes with the frame rate, display enable with the lines', (_, mode, hertz, lines) => {
    const bench = benchIn(mode)
    let retraces = 0
    let blanks = 0
    let last = 0
    let inRetrace = 0
    let impossible = 0
    const step = MICROSECOND
    for (let t = 0; t < 1e8; t += step) {
      const status = bench.in(0x3da)
      if (status & ~last & 8) retraces++
      if (status & ~last & 1) blanks++
      if (status & 8) inRetrace++
      if ((status & 9) === 8) impossible++
      last = status
      bench.clock.advance(step)
    }
    expect(impossible).toBe(0)
    expect(Math.abs(retraces - hertz / 10)).toBeLessThanOrEqual(1)
    // A blanking for each displayed line; the last one merges into the vertical blanking.
    expect(blanks / retraces).toBeGreaterThan(lines * 0.8)
    expect((inRetrace * step) / retraces).toBeCloseTo(2 * 31_778, -4)
  })

  test.each(['reset', 'VBE'])('%s: both edges come even without timings', (state) => {
    const bench = new Bench()
    if (state === 'VBE') {
      for (const [i, v] of [
        [1, 1024],
        [2, 768],
        [3, 32],
        [4, 0x41],
      ])
        bench.dispi(i, v)
    }
    const seen = new Set<number>()
    for (let i = 0; i < 4000; i++) {
      seen.add(bench.in(0x3ba) & 9)
      bench.clock.advance(10 * MICROSECOND)
    }
    expect([...seen].sort()).toEqual([0, 1, 9])
  })
})

describe('the memory window', () => {
  test('text: bytes, words and doublewords go to planes 0 and 1', () => {
    const bench = benchIn(MODE_3)
    bench.write(0x18000, 0x41)
    bench.write(0x18001, 0x1f)
    bench.write(0x18002, 0x2e42, 2)
    bench.write(0x18004, 0x4c443b43, 4)
    bench.write(0x18009, 0x4546, 2)
    expect(bench.read(0x18000, 4)).toBe(0x2e421f41)
    expect(bench.read(0x18004, 4)).toBe(0x4c443b43)
    expect(bench.read(0x18009, 2)).toBe(0x4546)
    expect([...bench.vram.subarray(0, 18)]).toEqual([
      ...[0x41, 0x1f, 0, 0, 0x42, 0x2e, 0, 0, 0x43, 0x3b, 0, 0],
      ...[0x44, 0x4c, 0, 0, 0, 0x46],
    ])
    expect(bench.read(0x10000)).toBe(0xff)
    bench.write(0x17ffe, 0x11223344, 4)
    expect(bench.read(0x18000, 2)).toBe(0x1122)
  })

  test('chain-4 is linear, and honours the map mask', () => {
    const bench = benchIn(MODE_13)
    bench.write(0, 0x44332211, 4)
    bench.write(5, 0x66778899, 4)
    expect([...bench.vram.subarray(0, 9)]).toEqual([0x11, 0x22, 0x33, 0x44, 0, 0x99, 0x88, 0x77, 0x66])
    expect(bench.read(5, 4)).toBe(0x66778899)
    bench.set(0x3c4, 2, 0x02)
    bench.write(0, 0xaabbccdd, 4)
    expect(bench.read(0, 4)).toBe(0x4433cc11)
    bench.write(0x10000, 1)
    expect(bench.read(0x10000)).toBe(0xff)
  })

  test('write mode 0: rotate, set/reset, functions and the bit mask with the latches', () => {
    const bench = benchIn(MODE_12)
    bench.set(0x3c4, 2, 0x05)
    bench.write(0, 0xf0)
    expect([...bench.vram.subarray(0, 4)]).toEqual([0xf0, 0, 0xf0, 0])
    bench.set(0x3c4, 2, 0x0f)
    expect(bench.read(0)).toBe(0xf0)
    bench.set(0x3ce, 0, 0x02)
    bench.set(0x3ce, 1, 0x03)
    bench.set(0x3ce, 3, 0x18 | 4)
    bench.set(0x3ce, 8, 0x3c)
    bench.write(1, 0x0f)
    // Plane 0 set/reset 0, plane 1 set/reset 1, planes 2 and 3 the rotated 0xf0; XOR; within 0x3c.
    expect([...bench.vram.subarray(4, 8)]).toEqual([0xf0, 0x3c, 0xc0, 0x30])
  })

  test('write mode 1 copies the latches', () => {
    const bench = benchIn(MODE_12)
    bench.vram.set([1, 2, 3, 4], 400)
    bench.set(0x3ce, 5, 1)
    bench.read(100)
    bench.write(200, 0xff)
    expect([...bench.vram.subarray(800, 804)]).toEqual([1, 2, 3, 4])
  })

  test('a debugger that looks leaves the latches as they are', () => {
    const bench = benchIn(MODE_12)
    bench.vram.set([1, 2, 3, 4, 5, 6, 7, 8], 400)
    bench.set(0x3ce, 5, 1)
    bench.read(100)
    expect(bench.peek(100)).toBe(0x0501)
    bench.write(200, 0xff)
    expect([...bench.vram.subarray(800, 804)]).toEqual([1, 2, 3, 4])
  })

  test('write modes 2 and 3 set a colour where the bit mask or the data say', () => {
    const bench = benchIn(MODE_12)
    bench.set(0x3ce, 5, 2)
    bench.set(0x3ce, 8, 0x81)
    bench.read(0)
    bench.write(0, 0x0a)
    expect([...bench.vram.subarray(0, 4)]).toEqual([0, 0x81, 0, 0x81])
    bench.set(0x3ce, 5, 3)
    bench.set(0x3ce, 8, 0xff)
    bench.set(0x3ce, 0, 0x05)
    bench.read(0)
    bench.write(0, 0x18)
    expect([...bench.vram.subarray(0, 4)]).toEqual([0x18, 0x81, 0x18, 0x81])
  })

  test('read mode 1 compares colours, read mode 0 reads a plane', () => {
    const bench = benchIn(MODE_12)
    bench.vram.set([0xff, 0x0f, 0x00, 0xf1], 0)
    bench.set(0x3ce, 4, 3)
    expect(bench.read(0)).toBe(0xf1)
    bench.set(0x3ce, 5, 8)
    bench.set(0x3ce, 2, 0x09)
    expect(bench.read(0)).toBe(0xf0)
    bench.set(0x3ce, 7, 0x01)
    expect(bench.read(0)).toBe(0xff)
  })
})

describe('text', () => {
  test('where characters blink, bit 7 of an attribute is no part of the background', () => {
    const bench = benchIn(MODE_3)
    bench.set(0x3d4, 0x0a, 0x20)
    bench.write(0x18000, 0xf020, 2)
    const grey = bench.vga.frame().data.slice(0, 3)
    bench.write(0x18000, 0x7020, 2)
    expect(bench.vga.frame().data.slice(0, 3)).toEqual(grey)
    bench.write(0x18000, 0xf020, 2)
    bench.attribute(0x10, 0x04)
    expect(bench.vga.frame().data.slice(0, 3)).not.toEqual(grey)
  })

  test('cells with attributes and the cursor', () => {
    const bench = benchIn(MODE_3)
    bench.write(0x18000, 0x9e41, 2)
    bench.write(0x18000 + 2 * (3 * 80 + 5), 0x1742, 2)
    bench.set(0x3d4, 0x0f, 3 * 80 + 5)
    const text = bench.vga.text()
    expect(text).toMatchObject({ columns: 80, rows: 25, cursor: { column: 5, row: 3 } })
    expect(text?.cells).toHaveLength(2000)
    expect(text?.cells[0]).toEqual({ code: 0x41, foreground: 14, background: 1, blink: true })
    expect(text?.cells[245]).toEqual({ code: 0x42, foreground: 7, background: 1, blink: false })
    bench.attribute(0x10, 0x04)
    expect(bench.vga.text()?.cells[0]).toEqual({ code: 0x41, foreground: 14, background: 9, blink: false })
    bench.set(0x3d4, 0x0a, 0x2d)
    expect(bench.vga.text()?.cursor).toBeUndefined()
    expect(bench.vga.mode()).toEqual({ kind: 'text', width: 720, height: 400, columns: 80, rows: 25, depth: 0 })
  })

  test('a start address scrolls, line compare splits the screen', () => {
    const bench = benchIn(MODE_3)
    for (let i = 0; i < 3000; i++) bench.write(0x18000 + 2 * i, 0x0700 | (i / 80), 2)
    bench.set(0x3d4, 0x0d, 160)
    const rows = () => Array.from({ length: 25 }, (_, row) => bench.vga.text()?.cells[row * 80].code)
    expect(rows().slice(0, 3)).toEqual([2, 3, 4])
    bench.set(0x3d4, 7, 0x0f)
    bench.set(0x3d4, 9, 0x0f)
    bench.set(0x3d4, 0x18, 16 * 10 - 1)
    expect(rows().slice(8, 13)).toEqual([10, 11, 0, 1, 2])
  })

  test('glyphs come from plane 2, line graphics into the ninth dot, and the cursor above them', () => {
    const bench = benchIn(MODE_3)
    loadGlyph(bench, 0x41, 3, 0x81)
    loadGlyph(bench, 0xc4, 3, 0x81)
    bench.write(0x18000, 0x07410741, 4)
    bench.write(0x18004, 0x07c4, 2)
    expect(dots(bench, 3, 0, 28)).toBe('1000000101000000101000000110')
    expect(dots(bench, 4, 0, 27)).toBe('0'.repeat(27))
    bench.set(0x3d4, 0x0f, 1)
    bench.write(0x18002, 0x0741, 2)
    expect(dots(bench, 13, 0, 27)).toBe('000000000111111111000000000')
    expect(dots(bench, 12, 0, 27)).toBe('0'.repeat(27))
    // Skew moves it on by a character, which has a colour of its own.
    bench.set(0x3d4, 0x0b, 0x2e)
    expect(dots(bench, 14, 0, 27)).toBe('000000000000000000111111111')
    bench.set(0x3d4, 0x0a, 0x0f)
    expect(dots(bench, 14, 0, 27)).toBe('0'.repeat(27))
  })

  test('panning shifts dots, preset row scan lines, and compatible panning stops at the split', () => {
    const bench = benchIn(MODE_3)
    bench.set(0x3d4, 0x0a, 0x20)
    loadGlyph(bench, 0x41, 3, 0x81)
    for (let i = 0; i < 2100; i++) bench.write(0x18000 + 2 * i, 0x0741, 2)
    bench.attribute(0x13, 1)
    expect(dots(bench, 3, 0, 12)).toBe('000001010000')
    expect(dots(bench, 3, 711, 9)).toBe('000001010')
    bench.set(0x3d4, 8, 2)
    expect(dots(bench, 1, 0, 12)).toBe('000001010000')
    expect(dots(bench, 17, 0, 12)).toBe('000001010000')
    bench.attribute(0x10, 0x2c)
    bench.set(0x3d4, 7, 0x0f)
    bench.set(0x3d4, 9, 0x0f)
    bench.set(0x3d4, 0x18, 99)
    expect(dots(bench, 103, 0, 12)).toBe('100000010100')
  })

  test('underlines in monochrome', () => {
    const bench = benchIn(MODE_3)
    bench.set(0x3d4, 0x0a, 0x20)
    bench.set(0x3d4, 0x14, 13)
    bench.write(0x18000, 0x01200720, 4)
    expect(dots(bench, 13, 0, 18)).toBe('0'.repeat(18))
    bench.attribute(0x10, 0x0e)
    expect(dots(bench, 13, 0, 18)).toBe('000000000111111111')
  })

  test('a half-programmed screen is off, not an error', () => {
    const bench = benchIn(MODE_3)
    bench.set(0x3d4, 9, 0)
    expect(bench.vga.mode().kind).toBe('off')
    expect(bench.vga.frame()).toMatchObject({ width: 640, height: 480 })
    expect(bench.vga.text()).toBeUndefined()
  })
})

describe('graphics', () => {
  test('mode 13h is 640x400 with doubled dots', () => {
    const bench = benchIn(MODE_13)
    bench.write(320 + 1, 0x2a)
    expect(bench.vga.mode()).toEqual({ kind: 'graphics', width: 640, height: 400, columns: 0, rows: 0, depth: 8 })
    expect([gray(bench, 1, 2), gray(bench, 2, 2), gray(bench, 3, 3), gray(bench, 4, 3)]).toEqual([0, 0x2a, 0x2a, 0])
    bench.attribute(0x13, 2)
    expect([gray(bench, 0, 2), gray(bench, 1, 2), gray(bench, 2, 2)]).toEqual([0x2a, 0x2a, 0])
  })

  test('planar dots go through the palette, pan by dots and bytes, and split', () => {
    const bench = benchIn(MODE_12)
    bench.set(0x3c4, 2, 0x0a)
    bench.write(80, 0x01)
    expect(gray(bench, 7, 1)).toBe(0x3a)
    bench.attribute(0x13, 3)
    expect(gray(bench, 4, 1)).toBe(0x3a)
    bench.attribute(0x13, 0)
    bench.set(0x3d4, 0x0d, 79)
    bench.set(0x3d4, 8, 0x20)
    expect(gray(bench, 7, 0)).toBe(0x3a)
    bench.set(0x3d4, 7, 0x2e)
    bench.set(0x3d4, 9, 0)
    bench.set(0x3d4, 0x18, 99)
    expect([gray(bench, 7, 0), gray(bench, 7, 100), gray(bench, 7, 101)]).toEqual([0x3a, 0, 0x3a])
    bench.attribute(0x12, 0x02)
    expect(gray(bench, 7, 101)).toBe(2)
  })
})

describe('generation', () => {
  test('grows with what can be seen, whichever way it was written', () => {
    const bench = benchIn(MODE_3)
    let last = bench.vga.generation()
    const grew = () => {
      const before = last
      last = bench.vga.generation()
      return last > before
    }
    expect(grew()).toBe(false)
    bench.write(0x18000, 0x41)
    expect(grew()).toBe(true)
    bench.write(0x18000, 0x41)
    expect(grew()).toBe(false)
    bench.write(0x18000 + 2 * 80 * 60, 0x41)
    expect(grew()).toBe(false)
    bench.set(0x3d4, 0x0f, 1)
    expect(grew()).toBe(true)
    bench.set(0x3d4, 0x0f, 1)
    bench.in(0x3da)
    expect(grew()).toBe(false)
    loadGlyph(bench, 1, 0, 1)
    expect(grew()).toBe(true)
  })

  test('sees guests write to the frame buffer without calls', () => {
    const bench = new Bench()
    for (const [i, v] of [
      [1, 640],
      [2, 480],
      [3, 32],
      [4, 0x41],
    ])
      bench.dispi(i, v)
    bench.in(0x3ba)
    bench.out(0x3c0, 0x20)
    const first = bench.vga.generation()
    bench.vram[640 * 479 * 4 + 1] = 0x99
    const second = bench.vga.generation()
    expect(second).toBeGreaterThan(first)
    // Two flips of the same high bit do not cancel.
    bench.vram[3] ^= 0x80
    bench.vram[19] ^= 0x80
    const third = bench.vga.generation()
    expect(third).toBeGreaterThan(second)
    bench.vram[640 * 480 * 4] = 1
    expect(bench.vga.generation()).toBe(third)
  })
})

describe('state', () => {
  test('a restore in mid-operation goes on identically', () => {
    const one = benchIn(MODE_12)
    one.vram[0x123456] = 7
    one.vram.set([9, 8, 7, 6], 40)
    one.read(10)
    one.set(0x3ce, 5, 1)
    one.dispi(5, 3)
    one.out(0x1ce, 6, 2)
    one.out(0x3c8, 20)
    one.out(0x3c9, 5)
    one.in(0x3da)
    one.out(0x3c0, 0x31)
    const state = structuredClone(saveState(one.vga))

    const two = new Bench()
    // Its owner restores the video memory.
    two.vram.set(one.vram)
    loadState(two.vga, state)
    expect(isDeepStrictEqual(saveState(two.vga), state)).toBe(true)
    expect(Buffer.compare(two.vram, one.vram)).toBe(0)
    for (const bench of [one, two]) {
      bench.out(0x3c0, 0x2c)
      bench.out(0x3c9, 6)
      bench.out(0x3c9, 7)
      bench.write(11, 0)
      bench.out(0x1cf, 777, 2)
    }
    expect(isDeepStrictEqual(saveState(two.vga), saveState(one.vga))).toBe(true)
    // Address 11 of bank 3, in planes.
    expect([...two.vram.subarray(0xc002c, 0xc0030)]).toEqual([9, 8, 7, 6])
    expect(Buffer.compare(two.vga.frame().data, one.vga.frame().data)).toBe(0)
  })

  test('reset clears the registers and keeps the memory', () => {
    const bench = benchIn(MODE_3)
    bench.write(0x18000, 0x41)
    bench.dispi(4, 1)
    bench.vram[9] = 1
    bench.vga.reset()
    expect(bench.vga.mode().kind).toBe('off')
    expect(bench.in(0x3cc)).toBe(0)
    expect(bench.getDispi(4)).toBe(0)
    expect(bench.vram[9]).toBe(1)
  })

  test('refuses video memory that it cannot address', () => {
    const clock = new ManualClock()
    const make = (vram: Uint8Array) => () => new Vga({ clock, warn: () => {}, vram })
    expect(make(new Uint8Array(300_000))).toThrow(RangeError)
    expect(make(new Uint8Array(32 << 20))).toThrow(RangeError)
    expect(make(new Uint8Array(new ArrayBuffer(0x40004), 2, 0x40000))).toThrow(RangeError)
  })
})
