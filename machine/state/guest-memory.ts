/**
 * The guest's part of the arena, as snapshots see it: captured as the pages that changed, restored by mapping.
 *
 * On Linux the arena's pages are replaced in place: a memfd is mapped over them privately, so that a restored or
 * forked machine shares every page that it does not write, and the kernel's page map tells which ones it has written.
 * Elsewhere pages are compared and copied.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import {
  libc,
  MADV_DONTNEED,
  MAP_FAILED,
  MAP_FIXED_ANONYMOUS,
  MAP_PRIVATE_FIXED,
  PROT_READ_WRITE,
} from '../host/libc.js'
import {
  closeLayer,
  type MemoryImage,
  type MemoryLayer,
  makeLayer,
  PAGE,
  readPages,
  stretches,
} from './memory-image.js'

/** More runs in a layer, or layers in an image, are made fewer: each is a mapping, of which a process has some 65,000. */
const MOST_RUNS = 128
const MOST_LAYERS = 6

// Linux, Documentation/admin-guide/mm/pagemap.rst; the high halves of its 64-bit entries.
const PRESENT_OR_SWAPPED = 0xc0000000
const FILE_MAPPED = 0x20000000

const ZERO_PAGE = Buffer.alloc(PAGE)

export class GuestMemory {
  private readonly bytes: Uint8Array
  private readonly pages: number
  /** What the memory held when it was last captured or restored. */
  private base: MemoryImage | undefined
  /** All layers of the base are mapped, the lowest one whole: behind a page that is not there is what they hold, or zeros. */
  private showsBase = false
  /** A 1 for each page that a layer of the base has, once somebody asks. */
  private heldByBase: Uint8Array | undefined
  private readonly mapping: boolean

  /**
   * @param arena is not grown afterwards.
   * @param offset first byte of the guest's part, on a page's border; it reaches to the arena's end.
   * @param mapping false copies pages even where they could be mapped.
   */
  constructor(
    private readonly arena: WebAssembly.Memory,
    private readonly offset: number,
    mapping = true,
  ) {
    this.bytes = new Uint8Array(arena.buffer, offset)
    this.pages = this.bytes.length / PAGE
    this.mapping = mapping && canMap()
  }

  /** Bytes. */
  get size(): number {
    return this.bytes.length
  }

  /**
   * The memory as it is. Layers that the last image had are in this one too; a new one belongs to the caller. The
   * machine goes on over all of them: they are to be closed only after the next `restore`, or with the machine.
   */
  capture(): MemoryImage {
    const { base, bytes } = this
    let runs = this.mapping ? this.changedByPageMap() : this.changedByComparison()
    let layers = base?.layers ?? []
    if (runs.length > 0 || !base) {
      const flat = layers.length >= MOST_LAYERS
      if (flat) runs = union([...layers, { runs }], this.pages)
      const layer = makeLayer(fewerRuns(runs), bytes, this.mapping)
      layers = flat ? [layer] : [...layers, layer]
      if (this.mapping) this.map(layer, layers.length === 1)
      this.showsBase = this.mapping && (layers.length === 1 || this.showsBase)
    }
    return this.goOnFrom({ size: bytes.length, layers })
  }

  /**
   * Nobody runs on it any more: the host gets all pages of the arena back at once, whoever still holds the machine and
   * whenever garbage is collected. They read as zeros from then on.
   */
  release(): void {
    if (!this.mapping) return
    const { mmap, addressOf } = libc()
    const { buffer } = this.arena
    mmap(addressOf(buffer), buffer.byteLength, PROT_READ_WRITE, MAP_FIXED_ANONYMOUS, -1, 0)
    this.base = undefined
    this.heldByBase = undefined
  }

  private goOnFrom(image: MemoryImage): MemoryImage {
    this.base = image
    this.heldByBase = undefined
    return image
  }

  /**
   * These pages are all zeros, and the host may have their memory. Those that a layer has stay as they are: what is under a
   * page that is not there would be the layer's.
   */
  giveBack(offset: number, length: number): void {
    if (!this.mapping || offset % PAGE !== 0 || length % PAGE !== 0) return
    const { base } = this
    if (base && !this.showsBase) return
    this.heldByBase ??= marked(base?.layers ?? [], this.pages)
    const { madvise, addressOf } = libc()
    const start = addressOf(this.arena.buffer) + this.offset
    const end = (offset + length) / PAGE
    for (let page = offset / PAGE; page < end; page++)
      if (this.heldByBase[page] === 0) madvise(start + page * PAGE, PAGE, MADV_DONTNEED)
  }

  /** Pages with something in them, in ascending order. */
  forEachPage(visit: (page: number, bytes: Uint8Array) => void): void {
    const held = this.mapping ? this.mayHold() : undefined
    for (let page = 0; page < this.pages; page++)
      if (held?.[page] !== 0 && !this.isZero(page)) visit(page, this.bytes.subarray(page * PAGE, (page + 1) * PAGE))
  }

  /** Throws an Error when the image is of a memory of another size. */
  restore(image: MemoryImage): void {
    if (image.size !== this.bytes.length)
      throw new Error(`a memory image of ${image.size} bytes does not fit a memory of ${this.bytes.length}`)
    const mappable = this.mapping && image.layers.length > 0 && image.layers.every(({ fd }) => fd !== undefined)
    if (mappable) for (const [i, layer] of image.layers.entries()) this.map(layer, i === 0)
    else this.copyIn(image)
    this.showsBase = mappable
    this.goOnFrom(image)
  }

  private copyIn(image: MemoryImage): void {
    const { bytes } = this
    let end = 0
    for (const { page, count, layer } of stretches(image)) {
      this.clear(end, page)
      readPages(layer, page, bytes.subarray(page * PAGE, (page + count) * PAGE))
      end = page + count
    }
    this.clear(end, this.pages)
  }

  /** Writing zeros to pages that were never touched would have the host find memory for them. */
  private clear(from: number, to: number): void {
    for (let page = from; page < to; page++) {
      const bytes = this.bytes.subarray(page * PAGE, (page + 1) * PAGE)
      if (Buffer.compare(bytes, ZERO_PAGE) !== 0) bytes.fill(0)
    }
  }

  /** @param whole the lowest layer, whose holes show as zeros. */
  private map({ fd, runs }: MemoryLayer, whole: boolean): void {
    const ranges = whole ? [0, this.pages] : runs
    const { mmap, addressOf } = libc()
    const start = addressOf(this.arena.buffer) + this.offset
    for (let i = 0; i < ranges.length; i += 2) {
      const at = ranges[i] * PAGE
      const length = ranges[i + 1] * PAGE
      if (mmap(start + at, length, PROT_READ_WRITE, MAP_PRIVATE_FIXED, fd as number, at) !== MAP_FAILED) continue
      // Too many mappings in this process.
      readPages({ fd, runs }, ranges[i], this.bytes.subarray(at, at + length))
    }
  }

  /** Pages that the guest has written: its own, not the file's any more. */
  private changedByPageMap(): Uint32Array {
    const entries = new Uint32Array(2 * this.pages)
    readPageMap(libc().addressOf(this.arena.buffer) + this.offset, entries)
    const { base } = this
    return runsWhere(this.pages, (page) => {
      const flags = entries[2 * page + 1]
      if ((flags & PRESENT_OR_SWAPPED) === 0) return false
      return base ? (flags & FILE_MAPPED) === 0 : !this.isZero(page)
    })
  }

  /** A 1 for each page that a layer has or that was written since: others are holes, which looking at would fill. */
  private mayHold(): Uint8Array {
    return marked([...(this.base?.layers ?? []), { runs: this.changedByPageMap() }], this.pages)
  }

  private changedByComparison(): Uint32Array {
    const { base, bytes } = this
    if (!base) return runsWhere(this.pages, (page) => !this.isZero(page))
    const list = stretches(base)
    const then = new Uint8Array(PAGE)
    let next = 0
    return runsWhere(this.pages, (page) => {
      while (next < list.length && list[next].page + list[next].count <= page) next++
      if (next === list.length || page < list[next].page) return !this.isZero(page)
      readPages(list[next].layer, page, then)
      return Buffer.compare(bytes.subarray(page * PAGE, (page + 1) * PAGE), then) !== 0
    })
  }

  private isZero(page: number): boolean {
    return Buffer.compare(this.bytes.subarray(page * PAGE, (page + 1) * PAGE), ZERO_PAGE) === 0
  }
}

let mappable: boolean | undefined

/** Whether this host has memfds and says which pages were written. */
export function canMap(): boolean {
  mappable ??= process.platform === 'linux' && tryMap()
  return mappable
}

function tryMap(): boolean {
  try {
    const page = new Uint8Array(PAGE).fill(1)
    readPageMap(libc().addressOf(page.buffer), new Uint32Array(2))
    closeLayer(makeLayer(Uint32Array.of(0, 1), page, true))
    return true
  } catch {
    return false
  }
}

/** Fills `into` with the entries of the pages from host address `address` on. */
function readPageMap(address: number, into: Uint32Array): void {
  const bytes = new Uint8Array(into.buffer)
  const file = openSync('/proc/self/pagemap', 'r')
  try {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(file, bytes, done, bytes.length - done, Math.floor(address / PAGE) * 8 + done)
      if (count === 0) throw new Error('the page map ends too early')
      done += count
    }
  } finally {
    closeSync(file)
  }
}

function runsWhere(pages: number, test: (page: number) => boolean): Uint32Array {
  const runs: number[] = []
  for (let page = 0; page < pages; page++) {
    if (!test(page)) continue
    const last = runs.length - 2
    if (last >= 0 && runs[last] + runs[last + 1] === page) runs[last + 1]++
    else runs.push(page, 1)
  }
  return Uint32Array.from(runs)
}

/** Takes unchanged pages along where that joins runs, until there are few enough. */
function fewerRuns(runs: Uint32Array): Uint32Array {
  for (let gap = 1, joined = runs; ; gap *= 2) {
    if (joined.length / 2 <= MOST_RUNS) return joined
    const list: number[] = []
    for (let i = 0; i < runs.length; i += 2) {
      const last = list.length - 2
      if (last >= 0 && runs[i] - (list[last] + list[last + 1]) <= gap)
        list[last + 1] = runs[i] + runs[i + 1] - list[last]
      else list.push(runs[i], runs[i + 1])
    }
    joined = Uint32Array.from(list)
  }
}

function union(layers: readonly Pick<MemoryLayer, 'runs'>[], pages: number): Uint32Array {
  const held = marked(layers, pages)
  return runsWhere(pages, (page) => held[page] === 1)
}

function marked(layers: readonly Pick<MemoryLayer, 'runs'>[], pages: number): Uint8Array {
  const held = new Uint8Array(pages)
  for (const { runs } of layers) for (let i = 0; i < runs.length; i += 2) held.fill(1, runs[i], runs[i] + runs[i + 1])
  return held
}
