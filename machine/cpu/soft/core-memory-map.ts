/** The core's map of physical addresses below 4 GiB: a word a page, with its place in the arena and PAGE_ bits. */
import type { MemoryRegion } from '../engine.js'
import * as at from './layout.js'

const PAGE = 4096
const PAGES = 1 << 20

export class CoreMemoryMap {
  private regions: readonly MemoryRegion[] = []
  private readonly words: Uint32Array

  /** @param memory The core's, of which the arena is a part. */
  constructor(memory: WebAssembly.Memory) {
    this.words = new Uint32Array(memory.buffer, at.PHYS_MAP, PAGES)
  }

  /** What it shows from now on; `gone` is told what it no longer shows as it did, while it still does. */
  set(given: readonly MemoryRegion[], gone: (address: number, size: number) => void): void {
    const { words } = this
    const regions = given.map((region) => (showsTwice(region, given) ? { ...region, shared: true } : region))
    // Most of it, the RAM above 1 MiB, stays where it is.
    for (const { address, size } of minus(this.regions, regions)) {
      gone(address, size)
      words.fill(0, address / PAGE, (address + size) / PAGE)
    }
    for (const region of minus(regions, this.regions)) {
      const bits = (region.kind === 'ram' ? at.PAGE_RAM : at.PAGE_ROM) | (region.shared ? at.PAGE_SHARED : 0)
      const first = region.address / PAGE
      const pages = region.size / PAGE
      for (let i = 0; i < pages; i++) words[first + i] = (region.offset + i * PAGE) | bits
    }
    this.regions = regions
  }

  /** Tells `gone` of physical addresses at which these bytes of the arena are to be seen, where code was decoded from their pages. */
  written(offset: number, length: number, gone: (address: number, size: number) => void): void {
    for (const region of this.regions) {
      const from = Math.max(offset, region.offset)
      const to = Math.min(offset + length, region.offset + region.size)
      if (from >= to) continue
      const address = region.address + from - region.offset
      if (this.holdsCode(address, to - from)) gone(address, to - from)
    }
  }

  private holdsCode(address: number, size: number): boolean {
    const last = Math.floor((address + size - 1) / PAGE)
    for (let page = Math.floor(address / PAGE); page <= last; page++) if (this.words[page] & at.PAGE_CODE) return true
    return false
  }
}

/** The CPU can write bytes of `region` under another address: a write tells of the address that it was made at only. */
function showsTwice(region: MemoryRegion, regions: readonly MemoryRegion[]): boolean {
  const { offset, size, kind } = region
  return regions.some(
    (other) =>
      other !== region &&
      (kind === 'ram' || other.kind === 'ram') &&
      other.offset < offset + size &&
      offset < other.offset + other.size,
  )
}

/** What `regions` show and `others` do not show in the same place. */
function minus(regions: readonly MemoryRegion[], others: readonly MemoryRegion[]): MemoryRegion[] {
  let left = [...regions]
  for (const other of others) {
    const end = other.address + other.size
    left = left.flatMap((region) => {
      const regionEnd = region.address + region.size
      const same = region.kind === other.kind && (region.shared ?? false) === (other.shared ?? false)
      const alike = same && region.offset - region.address === other.offset - other.address
      if (!alike || end <= region.address || other.address >= regionEnd) return [region]
      const piece = (from: number, to: number): MemoryRegion[] =>
        from < to ? [{ ...region, address: from, size: to - from, offset: region.offset + from - region.address }] : []
      return [...piece(region.address, other.address), ...piece(end, regionEnd)]
    })
  }
  return left
}
