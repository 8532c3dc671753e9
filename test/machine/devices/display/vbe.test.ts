import { describe, expect, test } from 'vitest'
import type { State } from '../../../../machine/device.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { Bench } from './bench.js'

const [ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY] = Array(11).keys()

function benchIn(width: number, height: number, bpp: number, enable = 0x41): Bench {
  const bench = new Bench()
  bench.dispi(XRES, width)
  bench.dispi(YRES, height)
  bench.dispi(BPP, bpp)
  bench.dispi(ENABLE, enable)
  bench.in(0x3ba)
  bench.out(0x3c0, 0x20)
  return bench
}

const pixel = (bench: Bench, x: number, y: number): number[] => {
  const frame = bench.vga.frame()
  const at = (y * frame.width + x) * 4
  return [...frame.data.subarray(at, at + 4)]
}

describe('DISPI registers', () => {
  test('identify, keep a version that exists, and tell the memory size', () => {
    const bench = new Bench()
    bench.dispi(ID, 0xb0c2)
    expect(bench.getDispi(ID)).toBe(0xb0c2)
    bench.dispi(ID, 0xb0c6)
    expect(bench.getDispi(ID)).toBe(0xb0c2)
    expect(bench.getDispi(MEMORY)).toBe(256)
    expect(bench.getDispi(11)).toBe(0)
    expect(bench.in(0x1ce, 2)).toBe(11)
    bench.out(0x1ce, 1, 2)
    bench.out(0x1d0, 800, 2)
    expect(bench.in(0x1d0, 2)).toBe(800)
  })

  test('tell the largest mode on request', () => {
    const bench = new Bench()
    bench.dispi(ENABLE, 2)
    expect([XRES, YRES, BPP].map((i) => bench.getDispi(i))).toEqual([16000, 12000, 32])
    bench.dispi(ENABLE, 0)
    expect(bench.getDispi(XRES)).toBe(0)
  })

  test('of a state that does not fit the memory are clipped, and others stay', () => {
    const { vga } = benchIn(640, 480, 32)
    const saved = saveState(vga)
    const hostile = structuredClone(saved)
    const vbe = hostile.extension as State
    ;(vbe.registers as number[]).splice(XRES, 2, 65535, 65535)
    loadState(vga, hostile, 'VGA')
    expect(vga.frame().width * vga.frame().height).toBeLessThanOrEqual(4 << 20)
    loadState(vga, saved, 'VGA')
    expect(saveState(vga)).toEqual(saved)
    expect([vga.frame().width, vga.frame().height]).toEqual([640, 480])
  })

  test('clip what does not fit the memory', () => {
    const bench = benchIn(1023, 60000, 32)
    expect(bench.getDispi(XRES)).toBe(1016)
    expect(bench.getDispi(YRES)).toBe(Math.floor((16 << 20) / (1016 * 4)))
    bench.dispi(BPP, 13)
    expect(bench.getDispi(BPP)).toBe(8)
    bench.dispi(YRES, 480)
    bench.dispi(VIRT_WIDTH, 2048)
    expect(bench.getDispi(VIRT_HEIGHT)).toBe(8192)
    bench.dispi(Y_OFFSET, 9000)
    expect(bench.getDispi(Y_OFFSET)).toBe(0)
    bench.dispi(BANK, 0x105)
    expect(bench.getDispi(BANK)).toBe(5)
  })

  test('bytes are not taken, and reported', () => {
    const bench = benchIn(640, 480, 8)
    bench.out(0x1cf, 1)
    expect(bench.in(0x1cf)).toBe(0xff)
    expect(bench.warnings).toHaveLength(2)
    expect(bench.getDispi(XRES)).toBe(640)
  })

  test('any values at all do no harm', () => {
    const bench = benchIn(640, 480, 8)
    for (const value of [0, 1, 0x7fff, 0x8000, 0xffff]) {
      for (let index = 0; index < 12; index++) {
        bench.dispi(ENABLE, 0x81)
        bench.dispi(index, value)
        const { width, height } = bench.vga.mode()
        expect(width * height).toBeLessThanOrEqual(16 << 21)
      }
    }
  })
})

describe('packed-pixel modes', () => {
  test('enabling clears the screen unless told otherwise', () => {
    const bench = new Bench()
    bench.vram.fill(0xee)
    for (const [i, v] of [
      [XRES, 640],
      [YRES, 480],
      [BPP, 8],
    ])
      bench.dispi(i, v)
    bench.dispi(ENABLE, 0xc1)
    expect(bench.vram[0]).toBe(0xee)
    bench.dispi(ENABLE, 0)
    bench.dispi(ENABLE, 0x41)
    expect([bench.vram[0], bench.vram[640 * 480 - 1], bench.vram[640 * 480]]).toEqual([0, 0, 0xee])
  })

  test.each([
    [15, [0x1f, 0x7c], [0xf8, 0, 0xf8]],
    [16, [0x1f, 0xf8], [0xff, 0, 0xff]],
    [24, [0x33, 0x22, 0x11], [0x11, 0x22, 0x33]],
    [32, [0x33, 0x22, 0x11, 0x99], [0x11, 0x22, 0x33]],
  ])('%i bits a pixel, written to the frame buffer', (bpp, bytes, rgb) => {
    const bench = benchIn(64, 48, bpp)
    bench.vram.set(bytes, 64 * bytes.length + bytes.length)
    expect(bench.vga.mode()).toEqual({ kind: 'graphics', width: 64, height: 48, columns: 0, rows: 0, depth: bpp })
    expect(pixel(bench, 1, 1)).toEqual([...rgb, 255])
    expect(pixel(bench, 2, 1)).toEqual([0, 0, 0, 255])
    bench.vga.mmioBar.write(0x604, 0xbebebebe, 4)
    bench.vram.set([...bytes].reverse(), 64 * bytes.length + bytes.length)
    expect(pixel(bench, 1, 1)).toEqual([...rgb, 255])
  })

  test('the bank moves the window', () => {
    const bench = benchIn(1024, 768, 8)
    bench.dispi(BANK, 5)
    bench.write(0x1234, 0xaabbccdd, 4)
    expect([...bench.vram.subarray(0x51234, 0x51238)]).toEqual([0xdd, 0xcc, 0xbb, 0xaa])
    expect(bench.read(0x1236, 2)).toBe(0xaabb)
    // The sequencer's map mask does not count in a packed mode.
    bench.set(0x3c4, 2, 1)
    bench.write(1, 0x77)
    expect(bench.vram[0x50001]).toBe(0x77)
    bench.dispi(ENABLE, 0)
    bench.dispi(ENABLE, 0xc1)
    bench.dispi(BANK, 255)
    bench.write(0xffff, 0x66)
    expect(bench.vram[0xffffff]).toBe(0x66)
  })

  test('offsets and the virtual width pan', () => {
    const bench = benchIn(64, 48, 32)
    bench.dispi(VIRT_WIDTH, 128)
    bench.dispi(X_OFFSET, 3)
    bench.dispi(Y_OFFSET, 2)
    bench.vram[(2 * 128 + 3) * 4] = 0x5a
    expect(pixel(bench, 0, 0)).toEqual([0, 0, 0x5a, 255])
  })

  test('the DAC is 6 or 8 bits wide', () => {
    const bench = benchIn(64, 48, 8, 0x61)
    const set = () => {
      bench.out(0x3c8, 0)
      for (const value of [0xff, 0x80, 0x15]) bench.out(0x3c9, value)
      bench.out(0x3c7, 0)
      return [0, 0, 0].map(() => bench.in(0x3c9))
    }
    expect(set()).toEqual([0xff, 0x80, 0x15])
    expect(pixel(bench, 0, 0)).toEqual([0xff, 0x80, 0x15, 255])
    bench.dispi(ENABLE, 0x41)
    expect(set()).toEqual([0x3f, 0, 0x15])
    expect(pixel(bench, 0, 0)).toEqual([0xff, 0, 0x57, 255])
  })

  test('4 bits a pixel are planar', () => {
    const bench = benchIn(800, 600, 4)
    bench.set(0x3c4, 2, 0x0f)
    bench.set(0x3ce, 8, 0xff)
    bench.write(100, 0x80)
    expect([...bench.vram.subarray(400, 404)]).toEqual([0x80, 0x80, 0x80, 0x80])
    bench.attribute(0x12, 0x0f)
    bench.attribute(15, 5)
    bench.out(0x3c8, 5)
    for (let i = 0; i < 3; i++) bench.out(0x3c9, 0x3f)
    expect(pixel(bench, 0, 1)).toEqual([255, 255, 255, 255])
    expect(pixel(bench, 1, 1)).toEqual([0, 0, 0, 255])
  })
})

describe('the MMIO BAR', () => {
  test('has the VGA ports from 400 on, words and bytes', () => {
    const bench = new Bench()
    const bar = bench.vga.mmioBar
    bar.write(0x402, 1, 1)
    bar.write(0x414, 0x5a0f, 2)
    expect(bench.in(0x3d4, 2)).toBe(0x5a0f)
    expect(bar.read(0x414, 2)).toBe(0x5a0f)
    expect(bar.read(0x40c, 1)).toBe(1)
  })

  test('has the DISPI registers at 500', () => {
    const bench = new Bench()
    const bar = bench.vga.mmioBar
    bar.write(0x502, 800, 2)
    bar.write(0x504, 0x0020_0258, 4)
    expect([XRES, YRES, BPP].map((i) => bench.getDispi(i))).toEqual([800, 600, 32])
    expect(bar.read(0x500, 4)).toBe(0x0320b0c5)
    expect(bar.read(0x514, 2)).toBe(256)
  })

  test('has the byte order register at 604', () => {
    const bar = new Bench().vga.mmioBar
    expect(bar.read(0x600, 4)).toBe(8)
    expect(bar.read(0x604, 4)).toBe(0x1e1e1e1e)
    bar.write(0x604, 0xbebebebe, 4)
    bar.write(0x604, 0x12345678, 4)
    expect(bar.read(0x604, 4)).toBe(0xbebebebe)
  })

  test('has a valid EDID whose preferred mode is 1280x800', () => {
    const bar = new Bench().vga.mmioBar
    const edid = Array.from({ length: 128 }, (_, i) => bar.read(i, 1))
    expect(edid.slice(0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0])
    expect(edid.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0)
    expect(edid[56] | ((edid[58] & 0xf0) << 4)).toBe(1280)
    expect(edid[59] | ((edid[61] & 0xf0) << 4)).toBe(800)
    expect(bar.read(0, 4)).toBe(0xffffff00)
    expect(bar.read(0x80, 4)).toBe(0)
  })

  test('reports what is not there', () => {
    const bench = new Bench()
    expect(bench.vga.mmioBar.read(0x800, 4)).toBe(0)
    bench.vga.mmioBar.write(0xffc, 1, 4)
    bench.vga.mmioBar.write(0, 1, 1)
    expect(bench.warnings).toHaveLength(3)
  })
})
