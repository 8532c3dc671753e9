/**
 * The EDID block of the monitor on this adapter (VESA E-EDID release A, block version 1.4), which guests read from the
 * first bytes of the MMIO BAR.
 */

/** Standard timings: width, height and the aspect code of the second byte (0 16:10, 1 4:3, 2 5:4, 3 16:9). */
const STANDARD_MODES: readonly [width: number, height: number, aspect: number][] = [
  [1920, 1080, 3],
  [1280, 720, 3],
  [1440, 900, 0],
  [1680, 1050, 0],
  [1280, 1024, 2],
  [1280, 960, 1],
  [1600, 1200, 1],
  [1920, 1200, 0],
]

/** A block of 128 bytes whose preferred mode is `width` × `height` at 60 Hz. */
export function edid(width: number, height: number): Uint8Array {
  const block = new Uint8Array(128)
  block.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00])
  block.set(manufacturer('BWT'), 8)
  block[10] = 0x01 // product code
  block[16] = 1 // week
  block[17] = 2024 - 1990
  block[18] = 1
  block[19] = 4
  block[20] = 0xa5 // digital, 8 bits a colour, DisplayPort
  block[21] = Math.round((width * 2.54) / 100) // cm at 100 dpi
  block[22] = Math.round((height * 2.54) / 100)
  block[23] = 120 // gamma 2.2
  block[24] = 0x06 // sRGB; the first detailed timing is the native mode
  block.set([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], 25) // sRGB primaries
  block[35] = 0x21 // 640x480, 800x600 at 60 Hz
  block[36] = 0x08 // 1024x768 at 60 Hz
  STANDARD_MODES.forEach(([x, , aspect], i) => {
    block[38 + i * 2] = x / 8 - 31
    block[39 + i * 2] = aspect << 6 // 60 Hz
  })
  detailedTiming(block, 54, width, height)
  descriptor(block, 72, 0xfd, [50, 125, 30, 160, 255, 0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20])
  descriptor(block, 90, 0xfc, text('Bootwright'))
  descriptor(block, 108, 0x10, [])
  block[127] = -block.reduce((sum, byte) => sum + byte, 0)
  return block
}

/** Three letters in five bits each. */
function manufacturer(letters: string): [number, number] {
  const [a, b, c] = [...letters].map((letter) => letter.charCodeAt(0) - 64)
  const code = (a << 10) | (b << 5) | c
  return [code >>> 8, code & 0xff]
}

const text = (line: string): number[] => [...`${line}\n`.padEnd(13)].map((c) => c.charCodeAt(0))

function descriptor(block: Uint8Array, at: number, tag: number, data: number[]): void {
  block[at + 3] = tag
  block.set(data, at + 5)
}

function detailedTiming(block: Uint8Array, at: number, width: number, height: number): void {
  const hBlank = Math.floor((width * 35) / 100)
  const hFront = Math.floor((width * 25) / 100)
  const hSync = Math.floor((width * 3) / 100)
  const vBlank = Math.floor((height * 35) / 1000)
  const vFront = Math.floor((height * 5) / 1000)
  const vSync = Math.floor((height * 5) / 1000)
  const clock = Math.round((60 * (width + hBlank) * (height + vBlank)) / 10_000) // 10 kHz
  const [mmWide, mmHigh] = [Math.round(width * 0.254), Math.round(height * 0.254)]
  block.set(
    [
      clock & 0xff,
      clock >>> 8,
      width & 0xff,
      hBlank & 0xff,
      ((width >>> 8) << 4) | (hBlank >>> 8),
      height & 0xff,
      vBlank & 0xff,
      ((height >>> 8) << 4) | (vBlank >>> 8),
      hFront & 0xff,
      hSync & 0xff,
      ((vFront & 0x0f) << 4) | (vSync & 0x0f),
      ((hFront >>> 8) << 6) | ((hSync >>> 8) << 4) | ((vFront >>> 4) << 2) | (vSync >>> 4),
      mmWide & 0xff,
      mmHigh & 0xff,
      ((mmWide >>> 8) << 4) | (mmHigh >>> 8),
      0,
      0,
      0x18, // digital, separate sync
    ],
    at,
  )
}
