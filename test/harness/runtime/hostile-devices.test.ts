/** Cards that a guest tells to work as long as they can: the host's time is looked at between any two pieces of it. */
import { describe, expect, test } from 'vitest'
import { Attacked } from './hostile-devices.js'

const RING = 0x20_0000
const BYTES = 0x10_0000

const cards = (count: number, type: string) =>
  Array.from({ length: count }, (_, i) => ({ type, id: `net${i}`, mac: `52:54:00:12:34:5${i}`, net: 'lan' as const }))

/** An 82540EM whose ring of 4,096 descriptors is `words(i)`. */
function e1000(words: (index: number) => number[], setUp = (_: Attacked) => {}): Attacked {
  const attacked = new Attacked({ nics: cards(1, 'e1000') })
  attacked.plug(0x8086, 0x100e, 0)
  for (let i = 0; i < 4096; i++) attacked.poke(RING + 16 * i, ...words(i))
  attacked.bytes(BYTES, [...Array<number>(6).fill(0xff), 0x52, 0x54, 0, 0x12, 0x34, 0x50, 8, 0, 0x45])
  for (const [register, value] of [
    [0x0000, 0x40],
    [0x3800, RING],
    [0x3808, 65536],
    [0x0400, 0x0a],
  ])
    attacked.mmio(register, value)
  setUp(attacked)
  attacked.mmio(0x3818, 4095)
  return attacked
}

/** A context of segments, then data descriptors of a megabyte. */
const inSegments = (header: number, most: number) =>
  e1000((i) =>
    i === 0
      ? [0x0e00 | 14, 34 | (50 << 8), 0x270f_ffff, (most << 16) | (header << 8)]
      : [BYTES, 0, 0x251f_ffff, 0x0300],
  )

/** Modern virtio network cards, each with a queue that receives `receive` and one that sends ARP requests. */
function virtio(count: number, chains: number): Attacked {
  const attacked = new Attacked({ nics: cards(count, 'virtio-net-pci') })
  // A table that any chain may point to: 1,000 descriptors, of no bytes but the last.
  for (let i = 0; i < 1000; i++)
    attacked.poke(0x80_0000 + 16 * i, BYTES, 0, i === 999 ? 1 : 0, (i === 999 ? 2 : 3) | ((i + 1) << 16))
  const ask = [...Array<number>(18).fill(0xff), 0x52, 0x54, 0, 0x12, 0x34, 0x50, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]
  ask.fill(0, 0, 12)
  attacked.bytes(BYTES + 0x100, [...ask, 0x52, 0x54, 0, 0x12, 0x34, 0x50, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2])
  for (let card = 0; card < count; card++) {
    const window = attacked.plug(0x1af4, 0x1000, 4)
    for (const [register, value, size] of [
      ...[[0x14, 0, 1] as const, [0x14, 3, 1] as const, [0x08, 0, 4] as const, [0x0c, 0x1000_8000, 4] as const],
      ...[[0x08, 1, 4] as const, [0x0c, 1, 4] as const, [0x14, 0x0b, 1] as const],
    ])
      attacked.mmio(register, value, size, window)
    for (const queue of [0, 1]) {
      const at = RING + card * 0x8_0000 + queue * 0x4_0000
      for (let i = 0; i < 256; i++) {
        attacked.poke(at + 16 * i, ...(queue === 0 ? [0x80_0000, 0, 16_000, 4] : [BYTES + 0x100, 0, 72, 0]))
        attacked.memory.write16(at + 0x1_0004 + 2 * i, i)
      }
      attacked.memory.write16(at + 0x1_0002, queue === 0 ? chains : 256)
      attacked.mmio(0x16, queue, 2, window)
      for (const [i, offset] of [0, 0x1_0000, 0x2_0000].entries()) attacked.mmio(0x20 + 8 * i, at + offset, 4, window)
      attacked.mmio(0x1c, 1, 2, window)
    }
    attacked.mmio(0x14, 0x0f, 1, window)
    attacked.mmio(0x3004, 1, 2, window)
  }
  return attacked
}

describe('a time-out holds within a second of the host’s processor', () => {
  test.each<[string, () => Attacked]>([
    ['an e1000 that cuts megabytes into segments of a byte', () => inSegments(54, 1)],
    ['into segments that are too short to be sent', () => inSegments(1, 1)],
    [
      'that sends itself jumbo frames into buffers of 256 bytes',
      () =>
        e1000(
          () => [BYTES, 0, 16288 | (0x0b << 24), 0],
          (attacked) => {
            for (let i = 0; i < 4096; i++) attacked.poke(0x30_0000 + 16 * i, 0x40_0000, 0, 0, 0)
            for (const [register, value] of [
              [0x2800, 0x30_0000],
              [0x2808, 65536],
              [0x2818, 4095],
              [0x5000, 0x300],
              [0x0100, 0x3_80fa],
            ])
              attacked.mmio(register, value)
          },
        ),
    ],
    ['that reads its frames from registers', () => e1000(() => [0xfed0_0000, 0, 16288 | (0x0f << 24), 0x0e00])],
    ['virtio cards whose receive buffers are chains of a thousand descriptors for a byte', () => virtio(8, 255)],
  ])('%s', (_, attack) => {
    expect(attack().overrun(200)).toBeLessThan(1000)
  })
})
