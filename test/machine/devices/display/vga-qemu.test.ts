import { beforeAll, describe, expect, test } from 'vitest'
import {
  AR10_INDEX,
  attribute,
  Bench,
  dispi,
  fill,
  int10,
  out,
  REGISTER_COUNT,
  readRegisters,
  set,
  writeRegisters,
} from './bench.js'
import { difference, haveQemu, type Op, runInQemu, type Shot } from './qemu-oracle.js'

const VRAM = 4 << 20

interface Scene {
  name: string
  ops: Op[]
  mono?: boolean
}

/** All 256 characters in all 256 attributes. */
const TEXT = 0x18000
const textPattern: Op[] = [fill(TEXT, 0x1000, 0x4d), fill(TEXT + 0x1000, 0x1000, 0x35)]
const planes = (count: number, size = 0x3000): Op[] =>
  Array.from({ length: count }, (_, i) => [set(0x3c4, 2, 1 << i), fill(0, size, 5 + 6 * i)]).flat()
const allPlanes = planes(4)
/** Packed pixels through the banked window. */
const banks = (count: number, size = 0x5000): Op[] =>
  Array.from({ length: count }, (_, i) => [...dispi(5, i), fill(0, size, 7 + 2 * i)]).flat()
const vbeMode = (mode: number, count: number, size?: number): Op[] => [int10(0x4f02, mode), ...banks(count, size)]

const scenes: Scene[] = [
  { name: 'text 80x25', ops: [int10(3), ...textPattern] },
  { name: 'text 40x25', ops: [int10(1), ...textPattern] },
  { name: 'text 80x50 with an 8x8 font', ops: [int10(3), int10(0x1112), ...textPattern] },
  { name: 'text 80x28 with an 8x14 font', ops: [int10(3), int10(0x1111), ...textPattern] },
  { name: 'text with 8 dots, blinking off', ops: [int10(3), set(0x3c4, 1, 1), ...attribute(0x10, 4), ...textPattern] },
  { name: 'text without line graphics', ops: [int10(3), ...attribute(0x10, 8), ...textPattern] },
  {
    name: 'text 132x25',
    ops: [int10(3), set(0x3d4, 0x11, 0), set(0x3d4, 0, 159), set(0x3d4, 1, 131), set(0x3d4, 0x13, 66), ...textPattern],
  },
  {
    name: 'text split at a row, started elsewhere',
    ops: [
      ...[int10(3), ...textPattern, set(0x3d4, 7, 0x0f), set(0x3d4, 0x11, 0), set(0x3d4, 7, 0x0f)],
      ...[set(0x3d4, 9, 0x0f), set(0x3d4, 0x18, 16 * 9 - 1), set(0x3d4, 0x0c, 1), set(0x3d4, 0x0d, 0x23)],
    ],
  },
  { name: 'text with two fonts', ops: [int10(3), int10(0x1102, 0x0004), set(0x3c4, 3, 0x05), ...textPattern] },
  {
    name: 'text with a block cursor in the middle',
    ops: [
      int10(3),
      ...textPattern,
      set(0x3d4, 0x0a, 2),
      set(0x3d4, 0x0b, 0x1f),
      set(0x3d4, 0x0e, 3),
      set(0x3d4, 0x0f, 0x45),
    ],
  },
  {
    name: 'text in the other palettes',
    ops: [int10(3), ...attribute(0x10, 0x8c), ...attribute(0x14, 3), ...textPattern],
  },
  { name: 'CGA 320x200 in 4 colours', ops: [int10(4), fill(TEXT, 0x4000)] },
  { name: 'CGA 640x200', ops: [int10(6), fill(TEXT, 0x4000)] },
  { name: 'CGA with a wrong row height', ops: [int10(6), fill(TEXT, 0x4000), set(0x3d4, 9, 0xc3)] },
  {
    name: 'four interleaved scans a row',
    ops: [int10(0x12), ...allPlanes, set(0x3d4, 9, 0x43), set(0x3d4, 0x17, 0xe0)],
  },
  {
    name: 'planar with two interleaved scans',
    ops: [int10(0x12), ...allPlanes, set(0x3d4, 9, 0x41), set(0x3d4, 0x17, 0xe2)],
  },
  { name: 'CGA with a row height of one', ops: [int10(4), fill(TEXT, 0x4000), set(0x3d4, 9, 0xc0)] },
  { name: 'EGA 320x200', ops: [int10(0x0d), ...allPlanes] },
  { name: 'EGA 640x200', ops: [int10(0x0e), ...allPlanes] },
  { name: 'EGA 640x350', ops: [int10(0x10), ...allPlanes] },
  { name: 'VGA 640x480', ops: [int10(0x12), ...planes(4, 0x4000)] },
  { name: 'VGA 640x480 in 2 colours', ops: [int10(0x11), ...allPlanes] },
  {
    name: 'planes disabled, colour select',
    ops: [int10(0x12), ...attribute(0x12, 0x0b), ...attribute(0x14, 8), ...allPlanes],
  },
  {
    name: 'a planar split screen',
    ops: [
      int10(0x12),
      ...allPlanes,
      set(0x3d4, 0x0c, 0x20),
      set(0x3d4, 7, 0x3e),
      set(0x3d4, 0x11, 0),
      set(0x3d4, 7, 0x2e),
      set(0x3d4, 9, 0),
      set(0x3d4, 0x18, 200),
    ],
  },
  { name: 'mode 13h', ops: [int10(0x13), fill(0, 0xfa00)] },
  {
    name: 'mode X, 320x240, scrolled',
    ops: [
      ...[
        int10(0x13),
        set(0x3c4, 4, 6),
        out(0x3c2, 0xe3),
        set(0x3d4, 0x11, 0),
        set(0x3d4, 6, 0x0d),
        set(0x3d4, 7, 0x3e),
      ],
      ...[set(0x3d4, 9, 0x41), set(0x3d4, 0x10, 0xea), set(0x3d4, 0x11, 0x2c), set(0x3d4, 0x12, 0xdf)],
      ...[set(0x3d4, 0x14, 0), set(0x3d4, 0x15, 0xe7), set(0x3d4, 0x16, 6), set(0x3d4, 0x17, 0xe3)],
      ...[...planes(4, 0x4000), set(0x3d4, 0x0c, 0x12), set(0x3d4, 0x0d, 0x34)],
    ],
  },
  { name: 'a blank screen', ops: [int10(0x12), ...allPlanes, { op: 'touch', port: 0x3da }, out(0x3c0, 0)] },
  { name: 'VBE 640x400x8', ops: vbeMode(0x100, 1) },
  { name: 'VBE 800x600x4', ops: vbeMode(0x102, 1) },
  { name: 'VBE 320x200x15', ops: vbeMode(0x10d, 1) },
  { name: 'VBE 640x480x16', ops: vbeMode(0x111, 2) },
  { name: 'VBE 640x480x24', ops: vbeMode(0x112, 2) },
  {
    name: 'VBE 800x600x32, panned',
    ops: [...vbeMode(0x143, 1, 0xffff), ...dispi(6, 900), ...dispi(8, 37), ...dispi(9, 11)],
  },
  {
    name: 'VBE 8 bits a colour',
    ops: [
      int10(0x4f02, 0x101),
      ...dispi(4, 0x61),
      out(0x3c8, 1),
      ...[1, 2, 255, 128, 77, 3].map((v) => out(0x3c9, v)),
      ...banks(1),
    ],
  },
  { name: 'a mono text mode', ops: [int10(3), int10(7), fill(0x10000, 0x1000, 0x4d)], mono: true },
]

describe.skipIf(!haveQemu)('the picture is that of QEMU (needs qemu-system-i386 and nasm)', () => {
  const shots = new Map<string, { shot: Shot; registers: Uint32Array }>()

  beforeAll(async () => {
    const perRun = 8
    for (let from = 0; from < scenes.length; from += perRun) {
      const group = scenes.slice(from, from + perRun)
      const got = await runInQemu(
        group.flatMap((scene) => {
          // Reading the registers turns the display on again.
          const off = scene.name === 'a blank screen' ? [{ op: 'touch', port: 0x3da } as Op, out(0x3c0, 0)] : []
          return [...scene.ops, ...readRegisters(!scene.mono), ...off, { op: 'shot' } as Op]
        }),
        VRAM,
      )
      group.forEach((scene, i) => {
        const registers = got[i].results.slice(i * REGISTER_COUNT, (i + 1) * REGISTER_COUNT)
        // The virtual height is left from the last VBE mode and cannot be written.
        if (!(registers[REGISTER_COUNT - 6] & 1)) registers[REGISTER_COUNT - 3] = 0
        shots.set(scene.name, { shot: got[i], registers })
      })
    }
  }, 120_000)

  test.each(scenes)('$name', ({ name, mono }) => {
    const { shot, registers } = shots.get(name) as { shot: Shot; registers: Uint32Array }
    const bench = new Bench()
    bench.run(writeRegisters(registers))
    expect(bench.run(readRegisters(!mono))).toEqual([...registers])
    bench.vram.set(shot.vram)
    if (name === 'a blank screen') bench.run([{ op: 'touch', port: 0x3da }, out(0x3c0, 0)])
    // QEMU shows 16 backgrounds, whatever AR10 says of blinking.
    if (bench.vga.mode().kind === 'text') bench.attribute(0x10, registers[AR10_INDEX] & ~8)
    const seen = [difference(bench.vga.frame(), shot.picture)]
    if (bench.vga.mode().kind === 'text') {
      // QEMU's cursor blinks.
      bench.set(mono ? 0x3b4 : 0x3d4, 0x0a, 0x20)
      seen.push(difference(bench.vga.frame(), shot.picture))
    }
    expect(seen.includes('none') ? 'none' : seen.join('; ')).toBe('none')
  })

  test('the cursor, in its visible phase', async () => {
    const cursor = [set(0x3d4, 0x0a, 5), set(0x3d4, 0x0b, 9), set(0x3d4, 0x0e, 3), set(0x3d4, 0x0f, 0x45)]
    const draw = [int10(3), ...textPattern, ...cursor, ...readRegisters(true)]
    const got = await runInQemu([...draw, { op: 'shot' }, { op: 'shot', after: 600 }], VRAM)
    const bench = new Bench()
    bench.run(writeRegisters(got[0].results))
    bench.vram.set(got[0].vram)
    bench.attribute(0x10, got[0].results[AR10_INDEX] & ~8)
    const on = got.map((shot) => difference(bench.vga.frame(), shot.picture))
    expect(on).toContain('none')
    // The other picture lacks 9 dots on 5 lines, save those of the glyph.
    expect(on.filter((text) => text !== 'none')).toHaveLength(1)
  }, 60_000)
})
