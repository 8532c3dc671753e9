import { closeSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MediumError } from '../../../machine/media/block-device.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { clustersOf, Overlay } from '../../../machine/media/overlay.js'

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
      const expected = new Uint8Array(1 << 20)
      expected[0] = i
      for (let j = 0; j <= i; j++) expected[j * 4096 + 1] = j
      expect(Buffer.compare(bytes(other, 0, 1 << 20), expected)).toBe(0)
      expect(other.changedBytes).toBe((i + 1) * 4096)
      expect(clustersOf(image).indexes).toHaveLength(i + 1)
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

describe('an overlay of which little is kept in memory', () => {
  const CLUSTER = 4096
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-overlay-'))
  const small = () =>
    new Overlay(new MemoryMedium(pattern(256 * CLUSTER)), { clusterSize: CLUSTER, inMemory: 2 * CLUSTER, folder })
  const all = (medium: Overlay) => bytes(medium, 0, 256 * CLUSTER)
  /** Whole clusters, parts of some, and over borders; the second time over what is there already. */
  function scribble(overlay: Overlay, expected: Uint8Array, seed: number): void {
    for (let i = 0; i < 60; i++) {
      const offset = (i * 7919 + seed * 104_729) % (250 * CLUSTER)
      const data = new Uint8Array(i % 3 === 0 ? CLUSTER : 1 + ((i * 977) % 9000)).fill(seed + i)
      overlay.write(offset, data)
      expected.set(data, offset)
    }
  }

  test('reads what it wrote, from a file that has no name', () => {
    const overlay = small()
    const expected = all(overlay)
    for (const seed of [1, 2, 3]) scribble(overlay, expected, seed)
    expect(overlay.changedBytes).toBeGreaterThan(50 * CLUSTER)
    expect(Buffer.compare(all(overlay), expected)).toBe(0)
    expect(readdirSync(folder)).toEqual([])
    overlay.close()
  })

  test('gives snapshots that outlive it, each as it was', () => {
    const overlay = small()
    const expected = all(overlay)
    const images = Array.from({ length: 20 }, (_, i) => {
      scribble(overlay, expected, i)
      return { image: structuredClone(overlay.freeze()), contents: expected.slice() }
    })
    expect(Buffer.compare(all(overlay), expected)).toBe(0)
    expect(images.some(({ image }) => image.layers.some(({ fd }) => fd !== undefined))).toBe(
      process.platform === 'linux',
    )
    overlay.close()
    for (const { image, contents } of images) {
      const other = small()
      other.restore(image)
      expect(Buffer.compare(all(other), contents)).toBe(0)
      // It goes on by itself and leaves the image alone.
      scribble(other, contents.slice(), 99)
      other.restore(image)
      expect(Buffer.compare(all(other), contents)).toBe(0)
      const { indexes, read } = clustersOf(image)
      for (const [n, index] of indexes.entries())
        expect(Buffer.compare(read(n), contents.subarray(index * CLUSTER, (index + 1) * CLUSTER))).toBe(0)
      other.close()
    }
    for (const fd of new Set(images.flatMap(({ image }) => image.layers.flatMap(({ fd }) => fd ?? [])))) closeSync(fd)
  })

  test('fails past its limit, and says so; what was written before stays', () => {
    const overlay = new Overlay(new MemoryMedium(256 * CLUSTER), { clusterSize: CLUSTER, limit: 3 * CLUSTER })
    overlay.write(0, new Uint8Array(3 * CLUSTER).fill(1))
    overlay.freeze()
    expect(overlay.failure).toBeUndefined()
    expect(() => overlay.write(10 * CLUSTER, Uint8Array.of(1))).toThrow(MediumError)
    expect(overlay.failure).toContain('--overlay-limit')
    overlay.write(0, Uint8Array.of(2))
    expect([...bytes(overlay, 0, 2)]).toEqual([2, 1])
  })

  test('fails where the folder cannot take a file', () => {
    const nowhere = join(folder, 'missing')
    const overlay = new Overlay(new MemoryMedium(1 << 20), { inMemory: 0, folder: nowhere })
    expect(() => overlay.write(0, Uint8Array.of(1))).toThrow(MediumError)
    expect(overlay.failure).toContain(nowhere)
    expect(bytes(overlay, 0, 1)[0]).toBe(0)
  })
})
