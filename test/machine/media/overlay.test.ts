import { describe, expect, test } from 'vitest'
import { MediumError } from '../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { flattened, Overlay } from '../../../machine/media/overlay.js'

/** Bytes that differ from each other at every distance that matters. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13) & 0xff)
}

function bytes(medium: Overlay | MemoryMedium, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length)
  medium.read(offset, into)
  return into
}

describe('an overlay', () => {
  test('keeps writes from the base and reads the two as one', () => {
    const original = pattern(100_000)
    const base = new MemoryMedium(original.slice(), { readOnly: true })
    const overlay = new Overlay(base, { clusterSize: 4096 })
    const expected = original.slice()
    // Inside a cluster, over a border, a whole cluster, and in the last, partial one.
    const writes: [number, number][] = [
      [100, 10],
      [4090, 20],
      [8192, 4096],
      [99_990, 10],
      [16_000, 30_000],
    ]
    for (const [offset, length] of writes) {
      const data = new Uint8Array(length).fill(offset & 0xff)
      overlay.write(offset, data)
      expected.set(data, offset)
    }
    expect(Buffer.compare(bytes(overlay, 0, 100_000), expected)).toBe(0)
    expect(Buffer.compare(bytes(overlay, 4000, 5000), expected.subarray(4000, 9000))).toBe(0)
    expect(Buffer.compare(base.data, original)).toBe(0)
  })

  test('holds only the clusters that were written', () => {
    const overlay = new Overlay(new MemoryMedium(1 << 20), { clusterSize: 65536 })
    expect(overlay.changedBytes).toBe(0)
    overlay.write(65535, Uint8Array.of(1, 2))
    expect(overlay.changedBytes).toBe(2 * 65536)
  })

  test('restores its changes over the same base, and not what was written since', () => {
    const base = new MemoryMedium(pattern(50_000))
    const overlay = new Overlay(base)
    overlay.write(20_000, Uint8Array.of(1, 2, 3))
    const state = structuredClone(overlay.freeze())
    overlay.write(20_001, Uint8Array.of(9))
    overlay.write(0, Uint8Array.of(9))
    overlay.restore(state)
    expect([...bytes(overlay, 20_000, 3)]).toEqual([1, 2, 3])
    expect(bytes(overlay, 0, 1)).toEqual(base.data.subarray(0, 1))
    const other = new Overlay(new MemoryMedium(pattern(50_000)))
    other.restore(state)
    expect(Buffer.compare(bytes(other, 0, 50_000), bytes(overlay, 0, 50_000))).toBe(0)
    // The state is a copy: writing on does not change it.
    overlay.write(20_000, Uint8Array.of(7))
    expect(bytes(other, 20_000, 1)[0]).toBe(1)
  })

  test('shares what earlier snapshots hold, and keeps each of many apart', () => {
    const overlay = new Overlay(new MemoryMedium(1 << 20), { clusterSize: 4096 })
    const images = Array.from({ length: 40 }, (_, i) => {
      overlay.write(0, Uint8Array.of(i))
      overlay.write(i * 4096 + 1, Uint8Array.of(i))
      return overlay.freeze()
    })
    expect(images[3].layers.slice(0, 3)).toEqual(images[2].layers)
    expect(images[3].layers[0]).toBe(images[2].layers[0])
    expect(Math.max(...images.map((image) => image.layers.length))).toBeLessThan(20)
    for (const [i, image] of images.entries()) {
      const other = new Overlay(new MemoryMedium(1 << 20), { clusterSize: 4096 })
      other.restore(image)
      const single = new Overlay(new MemoryMedium(1 << 20), { clusterSize: 4096 })
      single.restore({ ...image, layers: [flattened(image)] })
      const expected = new Uint8Array(1 << 20)
      expected[0] = i
      for (let j = 0; j <= i; j++) expected[j * 4096 + 1] = j
      expect(Buffer.compare(bytes(other, 0, 1 << 20), expected)).toBe(0)
      expect(Buffer.compare(bytes(single, 0, 1 << 20), expected)).toBe(0)
      expect(other.changedBytes).toBe((i + 1) * 4096)
    }
  })

  test('refuses the changes of a medium of another size', () => {
    const state = new Overlay(new MemoryMedium(512)).freeze()
    expect(() => new Overlay(new MemoryMedium(1024)).restore(state)).toThrow(/512 bytes.*1024/)
  })

  test('refuses accesses past its end and silly cluster sizes', () => {
    const overlay = new Overlay(new MemoryMedium(1024))
    expect(() => overlay.write(1000, new Uint8Array(100))).toThrow(MediumError)
    expect(() => overlay.read(-1, new Uint8Array(1))).toThrow(MediumError)
    expect(() => new Overlay(new MemoryMedium(1024), { clusterSize: 5000 })).toThrow(RangeError)
  })
})
