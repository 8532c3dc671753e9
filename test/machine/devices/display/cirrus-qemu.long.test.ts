/** QEMU's Cirrus and ours carry out the same boot sector, VGABIOS and all; every picture and every read must be equal. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { createMachine } from '../../../../machine/create-machine.js'
import type { Frame } from '../../../../machine/devices/display/display.js'
import { findFirmware, findOptionRom } from '../../../../machine/firmware/find-firmware.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { attribute, fill, int10, out, set } from './bench.js'
import { difference, haveQemu, type Op, operationsDisk, runInQemu, type Shot } from './qemu-oracle.js'

const sr = (index: number, value: number) => set(0x3c4, index, value)
const gr = (index: number, value: number) => set(0x3ce, index, value)
const write = (offset: number, value: number, size: 1 | 2 | 4 = 1): Op => ({ op: 'write', offset, value, size })
const read = (offset: number, size: 1 | 2 | 4 = 4): Op => ({ op: 'read', offset, size })
/** 64 KiB each through one bank of 4 KiB steps. */
const banks = (count: number): Op[] =>
  Array.from({ length: count }, (_, i) => [
    gr(9, i * 16),
    fill(0, 0x8000, 7 + 2 * i),
    fill(0x8000, 0x7fff, 3 + i),
  ]).flat()
const mode = (number: number, count = 4): Op[] => [int10(0x4f02, number), gr(0x0b, 0), ...banks(count), gr(9, 0)]

interface Blt {
  mode: number
  rop?: number
  extension?: number
  width: number
  height: number
  dst: number
  src?: number
  pitch?: number
  srcPitch?: number
  /** GR2F, GR34, GR35. */
  skip?: number
  key?: number
}

const colours: Op[] = [
  ...[0x5a, 0xc3, 0x17, 0x99].flatMap((value, i) => gr([0x01, 0x11, 0x13, 0x15][i], value)),
  ...[0x21, 0x84, 0xe8, 0x42].flatMap((value, i) => gr([0x00, 0x10, 0x12, 0x14][i], value)),
]

function blt({
  mode,
  rop = 0x0d,
  extension = 0,
  width,
  height,
  dst,
  src = 0,
  pitch = 640,
  skip = 0,
  key = 0,
  ...rest
}: Blt): Op[] {
  const { srcPitch = pitch } = rest
  const word = (index: number, value: number) => [gr(index, value & 0xff), gr(index + 1, value >> 8)]
  return [
    ...word(0x20, width - 1),
    ...word(0x22, height - 1),
    ...word(0x24, pitch),
    ...word(0x26, srcPitch),
    ...[gr(0x28, dst & 0xff), gr(0x29, (dst >> 8) & 0xff), gr(0x2a, dst >> 16)],
    ...[gr(0x2c, src & 0xff), gr(0x2d, (src >> 8) & 0xff), gr(0x2e, src >> 16)],
    ...[gr(0x2f, skip), gr(0x30, mode), gr(0x32, rop), gr(0x33, extension), gr(0x34, key & 0xff), gr(0x35, key >> 8)],
    gr(0x31, 0x02),
  ]
}
/** Leaves the graphics controller as mode sets expect it. */
const after: Op[] = [gr(0x31, 0x04), gr(0x31, 0), gr(0, 0), gr(1, 0)]
const sent = (count: number): Op[] =>
  Array.from({ length: count }, (_, i) => write(4 * (i & 7), (i * 0x9e3779b1) >>> 0, 4))

const ROPS = [0x00, 0x05, 0x06, 0x09, 0x0b, 0x0d, 0x0e, 0x50, 0x59, 0x6d, 0x90, 0x95, 0xad, 0xd0, 0xd6, 0xda]
const AT = 640 * 100
const area = { width: 200, height: 20 }
/** One below the other. */
const row = (i: number) => 640 * 22 * i

/** QEMU's cursor blinks, and it shows 16 backgrounds always. */
const steady = [...attribute(0x10, 4), set(0x3d4, 0x0a, 0x20)]
/** Not those of GR33's bit 0: QEMU takes too few bytes for its lines. */
const CPU_BLTS = [
  { name: 'plain', mode: 0x04, width: 30, height: 10, count: 80 },
  { name: 'plain, combined', mode: 0x04, rop: 0x59, width: 30, height: 10, count: 80 },
  { name: 'expanded', mode: 0x84, width: 64, height: 12, count: 24 },
  { name: 'expanded, transparent', mode: 0x8c, width: 64, height: 12, count: 24 },
  { name: 'an expanded pattern', mode: 0xc4, width: 100, height: 18, count: 2 },
  { name: 'a pattern', mode: 0x44, width: 100, height: 18, count: 16 },
]

const scenes: { name: string; ops: Op[] }[] = [
  { name: 'text', ops: [int10(3), ...steady, fill(0x18000, 0x1000, 0x4d)] },
  { name: 'VGA’s 256 colours', ops: [int10(0x13), fill(0, 0xfa00 >> 1, 7)] },
  ...[0x100, 0x101, 0x103, 0x105].map((n) => ({ name: `mode ${n.toString(16)}h, 8 bits`, ops: mode(n) })),
  ...[0x10d, 0x10e, 0x110, 0x111, 0x113].map((n) => ({ name: `mode ${n.toString(16)}h, 15 or 16 bits`, ops: mode(n) })),
  ...[0x10f, 0x112].map((n) => ({ name: `mode ${n.toString(16)}h, 24 bits`, ops: mode(n) })),
  {
    name: 'two banks, steps of 4 and of 16 KiB',
    ops: [
      ...mode(0x101),
      ...[gr(0x0b, 1), gr(9, 3), gr(0x0a, 0x11), fill(0, 0x4000, 1), fill(0x8000, 0x4000, 9), read(0x10), read(0x8010)],
      ...[
        gr(0x0b, 0x21),
        gr(9, 9),
        gr(0x0a, 0x0c),
        fill(0, 0x2000, 5),
        fill(0x8000, 0x2000, 11),
        read(4),
        read(0x8004),
      ],
      ...[gr(9, 0xff), gr(0x0a, 0xff), write(0, 0x12345678, 4), read(0), gr(0x0b, 0), gr(9, 0)],
    ],
  },
  {
    name: 'write modes 4 and 5, of 8 and 16 bits',
    ops: [
      ...mode(0x101),
      ...colours,
      ...[gr(0x0b, 6), gr(5, 0x44), fill(0, 0x300, 3), gr(5, 0x45), fill(0x800, 0x300, 5)],
      ...[gr(0x0b, 0x16), gr(5, 0x44), fill(0x800, 0x80, 3), gr(5, 0x45), fill(0x900, 0x80, 5)],
      ...[gr(0x0b, 0), gr(5, 0x40), ...after],
    ],
  },
  {
    name: 'copies through all raster operations',
    ops: [
      ...mode(0x101),
      ...ROPS.flatMap((rop, i) => blt({ ...area, mode: 0, rop, dst: row(i) + 300, src: AT })),
      ...after,
    ],
  },
  {
    name: 'copies backwards, overlapping, and with a key colour',
    ops: [
      ...mode(0x101),
      ...blt({ ...area, mode: 1, dst: row(3) + 250, src: row(3) + 240 - 640 * 2 }),
      ...blt({ ...area, mode: 0, dst: row(5), src: row(5) + 10 }),
      ...blt({ ...area, mode: 8, dst: row(7), src: AT, key: 0x18 }),
      ...blt({ ...area, mode: 0x18, dst: row(9), src: AT, key: 0x1f18 }),
      ...after,
    ],
  },
  {
    name: 'colour expansion, of all depths, skipping, transparent and inverted',
    ops: [
      ...mode(0x101),
      ...colours,
      ...[0, 1, 2, 3].flatMap((depth) => [
        ...blt({ ...area, width: 192, mode: 0x80 | (depth << 4), dst: row(depth) + 20, src: AT }),
        ...blt({
          ...area,
          width: 192,
          mode: 0x88 | (depth << 4),
          dst: row(depth + 5) + 20,
          src: AT,
          skip: depth === 2 ? 6 : 3,
        }),
        ...blt({ ...area, width: 192, mode: 0x88 | (depth << 4), extension: 2, dst: row(depth + 10) + 20, src: AT }),
      ]),
      ...after,
    ],
  },
  {
    name: 'patterns, colour expanded ones and solid fills',
    ops: [
      ...mode(0x101),
      ...colours,
      ...[0, 1, 2, 3].flatMap((depth) => [
        ...blt({ ...area, width: 192, mode: 0x40 | (depth << 4), dst: row(depth) + 20, src: 0x10000 }),
        ...blt({ ...area, width: 192, mode: 0xc0 | (depth << 4), dst: row(depth + 4) + 20, src: 0x10000, rop: 0x59 }),
        ...blt({ ...area, width: 192, mode: 0xc8 | (depth << 4), dst: row(depth + 8) + 20, src: 0x10040 }),
        ...blt({ ...area, width: 192, mode: 0xc0 | (depth << 4), extension: 4, dst: row(depth + 12) + 20 }),
      ]),
      ...after,
    ],
  },
  ...CPU_BLTS.map(({ name, count, ...one }) => ({
    name: `data from the CPU: ${name}`,
    ops: [
      ...mode(0x101),
      ...colours,
      ...blt({ ...one, dst: row(1) }),
      ...sent(count),
      write(0, 0x01020304, 4),
      read(0),
      ...after,
    ],
  })),
  {
    name: 'a small pointer and a large one',
    ops: [
      ...mode(0x101),
      ...[gr(0x0b, 0x20), gr(9, 0xff), fill(0, 0x400, 0x35), gr(9, 0), gr(0x0b, 0)],
      ...[
        sr(0x12, 2),
        out(0x3c8, 0),
        ...[9, 33, 60].map((v) => out(0x3c9, v)),
        out(0x3c8, 15),
        ...[63, 2, 40].map((v) => out(0x3c9, v)),
      ],
      ...[
        sr(0x13, 1),
        out(0x3c4, 0x10 | (5 << 5)),
        out(0x3c5, 40),
        out(0x3c4, 0x11 | (3 << 5)),
        out(0x3c5, 20),
        sr(0x12, 1),
      ],
    ],
  },
  { name: 'a large pointer', ops: [sr(0x13, 0), sr(0x12, 5)] },
  { name: 'text again', ops: [sr(0x12, 0), int10(3), ...steady, fill(0x18000, 0x1000, 0x31)] },
]

const registers: Op[] = [
  ...Array.from({ length: 0x20 }, (_, i) => [out(0x3c4, i), { op: 'in', port: 0x3c5, size: 1 } as Op]).flat(),
  ...Array.from({ length: 0x30 }, (_, i) => [out(0x3ce, i), { op: 'in', port: 0x3cf, size: 1 } as Op]).flat(),
  ...Array.from({ length: 0x28 }, (_, i) => [out(0x3d4, i), { op: 'in', port: 0x3d5, size: 1 } as Op]).flat(),
]
const ops: Op[] = scenes.flatMap((scene, i) => [
  ...scene.ops,
  // The disk has room for 8191 operations.
  ...(i < 16 ? registers : []),
  { op: 'shot' } as Op,
])

/** The same disk in a machine of ours. */
function runHere(): { frame: Frame; results: Uint32Array }[] {
  const { bios, vgaBios } = findFirmware()
  let shots = 0
  let log = ''
  const machine = createMachine({
    engine: 'soft',
    memory: 32 << 20,
    floppies: [],
    disks: [new MemoryMedium(operationsDisk(ops))],
    vga: 'cirrus-vga',
    firmware: {
      bios: readFileSync(bios.path),
      vgaBios: readFileSync(vgaBios.path),
      file: (name) => readFileSync(findOptionRom(name).path),
    },
    onDebug: (byte) => {
      // SeaBIOS writes its own log, too; the boot sector comes after this line of it.
      log += String.fromCharCode(byte)
      if (byte !== 0x50 || !log.includes('Booting from 0000:7c00')) return
      machine.requestStop()
      shots++
    },
  })
  try {
    const memory = (machine as unknown as { memory: { read(at: number, into: Uint8Array): void } }).memory
    return scenes.map((_, i) => {
      for (const end = machine.now() + 60e9; shots <= i; ) {
        const exit = machine.run(machine.now() + 1e9)
        if (exit || machine.now() > end) throw new Error(`no shot ${i}: ${exit?.reason}`)
      }
      const results = new Uint8Array(65536)
      memory.read(0x20000, results)
      const frame = machine.display.frame()
      machine.input({ kind: 'key', code: 'Enter', down: true })
      machine.run(machine.now() + 20e6)
      machine.input({ kind: 'key', code: 'Enter', down: false })
      return { frame, results: new Uint32Array(results.buffer) }
    })
  } finally {
    machine.close()
  }
}

describe.skipIf(!haveQemu)('as QEMU’s cirrus (needs qemu-system-i386 and nasm)', () => {
  let there: Shot[]
  let here: ReturnType<typeof runHere>

  beforeAll(async () => {
    there = await runInQemu(ops, 4 << 20, 'cirrus')
    here = runHere()
  }, 240_000)

  test.each(scenes.map(({ name }, i) => ({ name, i })))('$name', ({ i }) => {
    expect(difference(here[i].frame, there[i].picture)).toBe('none')
  })

  test('every register and every read', () => {
    const [ours, theirs] = [here, there].map((shots) => [...shots[shots.length - 1].results])
    expect(ours.map((value, i) => (value === theirs[i] ? '' : `${i}: ${value} ${theirs[i]}`)).filter(Boolean)).toEqual(
      [],
    )
  })
})
