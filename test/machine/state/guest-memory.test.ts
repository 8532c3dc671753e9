import { afterAll, describe, expect, test } from 'vitest'
import { canMap, GuestMemory } from '../../../machine/state/guest-memory.js'
import {
  closeLayer,
  imageBytes,
  type MemoryImage,
  type MemoryLayer,
  PAGE,
} from '../../../machine/state/memory-image.js'

const OFFSET = 65536
const PAGES = 1008

function memory(mapping: boolean) {
  const arena = new WebAssembly.Memory({ initial: 64, maximum: 64 })
  const bytes = new Uint8Array(arena.buffer, OFFSET)
  return { bytes, guest: new GuestMemory(arena, OFFSET, mapping) }
}

const layers = new Set<MemoryLayer>()

function capture(guest: GuestMemory): MemoryImage {
  const image = guest.capture()
  for (const layer of image.layers) layers.add(layer)
  return image
}

function visited(guest: GuestMemory): number[] {
  const list: number[] = []
  guest.forEachPage((page) => list.push(page))
  return list
}

const ZERO_PAGE = new Uint8Array(PAGE)
const notZero = (bytes: Uint8Array): number[] =>
  Array.from({ length: PAGES }, (_, page) => page).filter(
    (page) => Buffer.compare(bytes.subarray(page * PAGE, (page + 1) * PAGE), ZERO_PAGE) !== 0,
  )

describe.each([
  ['mapped', true],
  ['copied', false],
])('guest memory, %s', (_, mapping) => {
  if (mapping && !canMap()) return
  afterAll(() => {
    for (const layer of layers) closeLayer(layer)
    layers.clear()
  })

  test('each of many captures can be gone back to, here and in another memory', () => {
    const { bytes, guest } = memory(mapping)
    const taken: { image: MemoryImage; bytes: Buffer }[] = []
    let seed = 1
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % below
    }
    for (let round = 0; round < 15; round++) {
      // Many runs, so that some have to be joined; and pages that become zeros again.
      for (let i = 0; i < 200; i++) bytes[random(PAGES) * PAGE + random(PAGE)] = random(256)
      for (let i = 0; i < 20; i++) {
        const page = random(PAGES)
        bytes.fill(0, page * PAGE, (page + 1) * PAGE)
      }
      const before = Buffer.from(bytes)
      const image = capture(guest)
      expect(Buffer.compare(bytes, before)).toBe(0)
      taken.push({ image, bytes: before })
      expect(visited(guest)).toEqual(notZero(bytes))
      bytes[random(PAGES) * PAGE] ^= 1
      expect(visited(guest)).toEqual(notZero(bytes))
    }
    expect(Math.max(...taken.map(({ image }) => image.layers.length))).toBeLessThanOrEqual(6)
    const other = memory(mapping)
    other.bytes.fill(7)
    for (const { image, bytes: then } of [...taken].reverse()) {
      other.guest.restore(structuredClone(image))
      expect(Buffer.compare(other.bytes, then)).toBe(0)
      guest.restore(image)
      expect(Buffer.compare(bytes, then)).toBe(0)
      // What one writes no other sees.
      bytes[123 * PAGE] ^= 0xff
      expect(Buffer.compare(other.bytes, then)).toBe(0)
    }
  })

  test('holds what was written, and adds what was written since', () => {
    const { bytes, guest } = memory(mapping)
    expect(imageBytes(capture(guest))).toBe(0)
    bytes[5 * PAGE] = 1
    bytes[6 * PAGE] = 1
    const first = capture(guest)
    expect(imageBytes(first)).toBe(2 * PAGE)
    expect(capture(guest).layers).toEqual(first.layers)
    bytes[900 * PAGE] = 1
    const second = capture(guest)
    expect(imageBytes(second)).toBe(3 * PAGE)
    expect(second.layers.slice(0, -1)).toEqual(first.layers)
  })

  test('pages that the guest has no use for are the host’s again, but those that an image has', () => {
    const { bytes, guest } = memory(mapping)
    const at = (page: number) => bytes.subarray(page * PAGE, (page + 1) * PAGE)
    const giveBack = (page: number) => {
      at(page).fill(0)
      guest.giveBack(page * PAGE, PAGE)
    }
    for (const page of [1, 2, 3]) at(page).fill(page)
    giveBack(1)
    expect(visited(guest)).toEqual([2, 3])
    const before = capture(guest)
    for (const page of [500, 501]) at(page).fill(5)
    giveBack(2)
    giveBack(500)
    expect(notZero(bytes)).toEqual([3, 501])
    const after = capture(guest)
    // Page 2 changed, and is in it as zeros; page 500 is as it was.
    if (mapping) expect(after.layers.at(-1)?.runs).toEqual(Uint32Array.of(2, 1, 501, 1))
    guest.restore(before)
    expect(notZero(bytes)).toEqual([2, 3])
    giveBack(3)
    guest.restore(after)
    expect(notZero(bytes)).toEqual([3, 501])
    const other = memory(mapping)
    other.guest.restore(after)
    expect(notZero(other.bytes)).toEqual([3, 501])
  })

  test('refuses an image of another size', () => {
    const { guest } = memory(mapping)
    expect(() => guest.restore({ size: PAGE, layers: [] })).toThrow(/does not fit/)
  })
})
