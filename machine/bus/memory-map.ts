/**
 * Guest-physical memory: RAM, ROM and memory-mapped registers in layers, as the chipset's decoders stack them.
 *
 * Where layers overlap, reads and writes each go to the topmost layer that takes them. So a PAM register that reads
 * from ROM and writes to RAM is a RAM layer that takes writes only. The result is flattened into stretches; those an
 * engine can address directly in the arena are handed to it as `MemoryRegion`s, everything else comes back through
 * `mmioRead` and `mmioWrite`. What no layer covers reads all ones and is counted by address.
 * The file is longer than others, because its layers, their flattening and the accesses by them are one thing.
 */
import type { MemoryRegion } from '../cpu/engine.js'
import type { AccessSize, MmioRange, PhysicalMemory } from '../device.js'
import {
  type Flattened,
  flatten,
  type LayerOptions,
  type MemoryLayer,
  type MmioWindow,
  Priority,
  type Stretch,
} from './memory-layers.js'
import { UnassignedAddresses, type UnhandledAddress } from './unassigned-addresses.js'

export type { UnhandledAddress }
export { type LayerOptions, type MemoryLayer, type MmioWindow, Priority }

/** What the map needs of a `WebAssembly.Memory`; an object around a plain ArrayBuffer does as well. */
export interface Arena {
  readonly buffer: ArrayBufferLike
}

export interface MemoryMapOptions {
  arena: Arena
  /** First byte of the arena that is the map's to give out; default 0. The engine's own state lies below it. */
  base?: number
  /** The flattened list for the engine; called with the whole list whenever it has changed. */
  onChange?: (regions: readonly MemoryRegion[]) => void
  /** A bus master (or a CPU write that had to take the slow path) changed `length` bytes of the arena. */
  onWrite?: (offset: number, length: number) => void
}

/** A piece of the arena, for snapshots. */
export interface Allocation {
  readonly name: string
  /** Byte offset in the arena. */
  readonly offset: number
  readonly size: number
  /** Constant contents (ROM): need not be in a snapshot. */
  readonly constant: boolean
}

const PAGE = 4096
const CACHE_ENTRIES = 256
const FOUR_GIB = 0x1_0000_0000

function ones(size: AccessSize): number {
  return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff
}

export class MemoryMap implements PhysicalMemory {
  private bytes: Uint8Array
  private view: DataView
  private next: number
  private readonly arena: Arena
  private readonly layers: MemoryLayer[] = []
  private flat: Flattened = { starts: new Float64Array([0]), stretches: [], regions: [] }
  private depth = 0
  private dirty = false
  /** The stretch that was found last. */
  private last!: Stretch
  /** Direct-mapped by page: pages that lie wholly in one stretch. */
  private readonly cachePages = new Int32Array(CACHE_ENTRIES).fill(-1)
  private readonly cacheStretches: Stretch[] = []
  /** Addresses that were touched without an owner. */
  readonly unassigned: UnassignedAddresses
  /** Told of each access to an address at which nothing is. */
  onUnassigned: ((address: number, write: boolean) => void) | undefined
  private readonly pieces: Allocation[] = []

  onChange: ((regions: readonly MemoryRegion[]) => void) | undefined
  onWrite: ((offset: number, length: number) => void) | undefined

  constructor(options: MemoryMapOptions) {
    this.arena = options.arena
    this.bytes = new Uint8Array(options.arena.buffer)
    this.view = new DataView(options.arena.buffer)
    this.next = Math.ceil((options.base ?? 0) / PAGE) * PAGE
    this.onChange = options.onChange
    this.onWrite = options.onWrite
    this.unassigned = new UnassignedAddresses()
    this.rebuild()
  }

  /**
   * Takes `size` bytes (rounded up to pages) of the arena and returns their offset. `constant` contents are left out
   * of snapshots. Throws an Error when the arena is too small: it is made for the machine, so this is a mistake in
   * its set-up.
   */
  allocate(name: string, size: number, constant = false): number {
    const offset = this.next
    const rounded = Math.ceil(size / PAGE) * PAGE
    if (offset + rounded > this.arena.buffer.byteLength) {
      throw new Error(
        `the arena is too small for ${name}: ${offset} + ${rounded} bytes do not fit in ${this.arena.buffer.byteLength}`,
      )
    }
    this.next = offset + rounded
    this.pieces.push({ name, offset, size, constant })
    return offset
  }

  /** Everything `allocate` gave out, in order. */
  allocations(): readonly Allocation[] {
    return this.pieces
  }

  /** The bytes of the arena from `offset` on. Stale after the arena's buffer was replaced. */
  arenaBytes(offset: number, size: number): Uint8Array {
    return this.bytes.subarray(offset, offset + size)
  }

  /** The `WebAssembly.Memory` was grown, so its old buffer is gone. */
  arenaMoved(): void {
    this.bytes = new Uint8Array(this.arena.buffer)
    this.view = new DataView(this.arena.buffer)
  }

  /** Adds a layer at guest-physical `base`, arena-backed by `offset`. */
  addRam(name: string, base: number, size: number, offset: number, options?: LayerOptions): MemoryLayer {
    return this.addLayer('ram', name, base, size, offset, undefined, Priority.ram, options)
  }

  /** Like RAM, but writes are lost or go to `window.write` (flash commands), offsets counting from the layer's base. */
  addRom(name: string, base: number, size: number, offset: number, options?: LayerOptions & { window?: MmioWindow }) {
    return this.addLayer('rom', name, base, size, offset, options?.window, Priority.rom, options)
  }

  /** A device's fixed registers. */
  addMmio(range: MmioRange, options?: LayerOptions): MemoryLayer {
    return this.addLayer('mmio', range.name, range.base, range.size, 0, range, Priority.device, options)
  }

  /** Registers whose place is not their own: what stands behind a PCI BAR. */
  addWindow(base: number, window: MmioWindow, options?: LayerOptions): MemoryLayer {
    return this.addLayer('mmio', window.name, base, window.size, 0, window, Priority.bar, options)
  }

  remove(layer: MemoryLayer): void {
    const index = this.layers.indexOf(layer)
    if (index < 0) throw new Error(`memory layer ${layer.name} is not in the map`)
    this.layers.splice(index, 1)
    this.changed()
  }

  /** Changes what a layer takes, or where it is; unchanged values cost nothing. */
  update(layer: MemoryLayer, change: { base?: number; offset?: number; reads?: boolean; writes?: boolean }): void {
    const { base = layer.base, offset = layer.offset, reads = layer.reads, writes = layer.writes } = change
    if (base === layer.base && offset === layer.offset && reads === layer.reads && writes === layer.writes) return
    layer.base = base
    layer.offset = offset
    layer.reads = reads
    layer.writes = writes
    this.changed()
  }

  /** Runs `changes`; the engine hears of them once, at the end of the outermost batch. */
  batch(changes: () => void): void {
    this.depth++
    try {
      changes()
    } finally {
      this.depth--
      if (this.depth === 0 && this.dirty) this.rebuild()
    }
  }

  /** What the engine addresses directly; the list `onChange` was last given. */
  regions(): readonly MemoryRegion[] {
    return this.flat.regions
  }

  /** Neither memory nor a device answers there. */
  isUnassigned(address: number): boolean {
    const { read, write } = this.find(address)
    return read === undefined && write === undefined
  }

  /** Layers as they stand, topmost first, for the machine's report. */
  describe(): { name: string; kind: string; base: number; size: number; reads: boolean; writes: boolean }[] {
    return [...this.layers]
      .sort((a, b) => b.priority - a.priority || a.base - b.base)
      .map(({ name, kind, base, size, reads, writes }) => ({ name, kind, base, size, reads, writes }))
  }

  /** An access of the CPU that no region took. 8 bytes return low + 2^32 × high, exact up to 2^53. */
  mmioRead(address: number, size: AccessSize): number {
    const stretch = this.find(address)
    const source = stretch.read
    if (size !== 8 && address + size <= stretch.end) {
      if (source === undefined) {
        this.unassigned.count(address, false)
        this.onUnassigned?.(address, false)
        return ones(size)
      }
      if (source.kind === 'mmio') {
        const window = source.window as MmioWindow
        if (size <= source.width) {
          const value = window.read(address - source.base, size)
          return size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff
        }
      } else {
        const at = source.offset + (address - source.base)
        if (size === 1) return this.bytes[at]
        return size === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true)
      }
    }
    const half = (size >> 1) as AccessSize
    const low = this.mmioRead(address, half)
    return low + this.mmioRead(address + half, half) * (size === 8 ? FOUR_GIB : size === 4 ? 0x10000 : 0x100)
  }

  /** The other half of `mmioRead`; an 8-byte `value` is a non-negative number or the two's complement of one. */
  mmioWrite(address: number, value: number, size: AccessSize): void {
    const stretch = this.find(address)
    const target = stretch.write
    if (size !== 8 && address + size <= stretch.end) {
      if (target === undefined) {
        this.unassigned.count(address, true)
        this.onUnassigned?.(address, true)
        return
      }
      const window = target.window
      if (target.kind === 'ram') {
        const at = target.offset + (address - target.base)
        if (size === 1) this.bytes[at] = value
        else if (size === 2) this.view.setUint16(at, value, true)
        else this.view.setUint32(at, value, true)
        this.onWrite?.(at, size)
        return
      }
      if (window === undefined) return // ROM
      if (size <= target.width) {
        window.write(address - target.base, size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff, size)
        return
      }
    }
    const half = (size >> 1) as AccessSize
    const unit = size === 8 ? FOUR_GIB : size === 4 ? 0x10000 : 0x100
    const high = Math.floor(value / unit)
    this.mmioWrite(address, size === 8 ? value >>> 0 : value & (unit - 1), half)
    this.mmioWrite(address + half, high, half)
  }

  read(address: number, into: Uint8Array): void {
    let done = 0
    while (done < into.length) {
      const stretch = this.find(address + done)
      const length = Math.min(into.length - done, stretch.end - (address + done))
      const source = stretch.read
      if (source === undefined) into.fill(0xff, done, done + length)
      else if (source.kind === 'mmio') this.readWindow(address + done, into, done, length)
      else {
        const at = source.offset + (address + done - source.base)
        into.set(this.bytes.subarray(at, at + length), done)
      }
      done += length
    }
  }

  /** Where in the arena these bytes of RAM are; undefined where they are not, or not together. */
  ramOffset(address: number, length: number): number | undefined {
    const { write: target, end } = this.find(address)
    if (target?.kind !== 'ram' || address + length > end) return undefined
    return target.offset + (address - target.base)
  }

  write(address: number, from: Uint8Array): void {
    let done = 0
    while (done < from.length) {
      const stretch = this.find(address + done)
      const length = Math.min(from.length - done, stretch.end - (address + done))
      const target = stretch.write
      if (target !== undefined && target.kind === 'ram') {
        const at = target.offset + (address + done - target.base)
        this.bytes.set(from.subarray(done, done + length), at)
        this.onWrite?.(at, length)
      } else if (target?.window !== undefined) this.writeWindow(address + done, from, done, length)
      done += length
    }
  }

  read8(address: number): number {
    const source = this.find(address).read
    if (source === undefined) return 0xff
    if (source.kind === 'mmio') return this.mmioRead(address, 1)
    return this.bytes[source.offset + (address - source.base)]
  }

  read16(address: number): number {
    const stretch = this.find(address)
    const source = stretch.read
    if (source !== undefined && source.kind !== 'mmio' && address + 2 <= stretch.end) {
      return this.view.getUint16(source.offset + (address - source.base), true)
    }
    if (source?.kind === 'mmio') return this.mmioRead(address, 2)
    return this.read8(address) | (this.read8(address + 1) << 8)
  }

  read32(address: number): number {
    const stretch = this.find(address)
    const source = stretch.read
    if (source !== undefined && source.kind !== 'mmio' && address + 4 <= stretch.end) {
      return this.view.getUint32(source.offset + (address - source.base), true)
    }
    if (source?.kind === 'mmio') return this.mmioRead(address, 4)
    return (this.read16(address) | (this.read16(address + 2) << 16)) >>> 0
  }

  write8(address: number, value: number): void {
    const target = this.find(address).write
    if (target !== undefined) this.mmioWrite(address, value & 0xff, 1)
  }

  write16(address: number, value: number): void {
    const stretch = this.find(address)
    if (stretch.write !== undefined && address + 2 <= stretch.end) this.mmioWrite(address, value & 0xffff, 2)
    else {
      this.write8(address, value)
      this.write8(address + 1, value >>> 8)
    }
  }

  write32(address: number, value: number): void {
    const stretch = this.find(address)
    if (stretch.write !== undefined && address + 4 <= stretch.end) this.mmioWrite(address, value >>> 0, 4)
    else {
      this.write16(address, value)
      this.write16(address + 2, value >>> 16)
    }
  }

  /** Where the byte at `address` is read from in the arena; -1 where that is not RAM or ROM. For debuggers, loaders. */
  arenaOffset(address: number): number {
    const source = this.find(address).read
    return source === undefined || source.kind === 'mmio' ? -1 : source.offset + (address - source.base)
  }

  /**
   * For debuggers: the bytes at `address` as a CPU reads them, as many as stand there without a break, `length` at most, and
   * nothing hears of it. Empty where neither memory is nor a device that can be looked at.
   */
  look(address: number, length: number): Uint8Array {
    const { read: source, end } = this.find(address)
    const fitting = Math.min(length, end - address)
    if (source && source.kind !== 'mmio') return this.arenaBytes(source.offset + (address - source.base), fitting)
    const window = source?.window
    if (!source || !window?.peek) return new Uint8Array()
    const found = new Uint8Array(fitting)
    for (let i = 0; i < fitting; i++) {
      const at = address + i - source.base
      found[i] = window.peek(at & ~3) >>> (8 * (at & 3))
    }
    return found
  }

  /** For debuggers: writes what lies in RAM or in a device that can be looked at. Returns how many bytes, from the first on. */
  patch(address: number, from: Uint8Array): number {
    const { read: source, write: target, end } = this.find(address)
    if (!target || target !== source || (target.kind !== 'ram' && !target.window?.peek)) return 0
    const fitting = from.subarray(0, end - address)
    this.write(address, fitting)
    return fitting.length
  }

  /** Addresses that the CPU touched without an owner, lowest first; `others` counts accesses past the bound. */
  unhandled(): { addresses: UnhandledAddress[]; others: number } {
    return this.unassigned.report()
  }

  clearUnhandled(): void {
    this.unassigned.clear()
  }

  private addLayer(
    kind: MemoryLayer['kind'],
    name: string,
    base: number,
    size: number,
    offset: number,
    window: MmioWindow | undefined,
    priority: number,
    options: LayerOptions = {},
  ): MemoryLayer {
    if (!(base >= 0 && size > 0)) throw new Error(`memory layer ${name}: bad range ${base}+${size}`)
    const layer: MemoryLayer = {
      kind,
      name,
      base,
      size,
      offset,
      window,
      width: window?.width ?? 4,
      priority: options.priority ?? priority,
      reads: options.reads ?? true,
      writes: options.writes ?? true,
      shared: options.shared ?? false,
    }
    this.layers.push(layer)
    this.changed()
    return layer
  }

  private changed(): void {
    this.dirty = true
    if (this.depth === 0) this.rebuild()
  }

  private rebuild(): void {
    this.dirty = false
    const before = this.flat.regions
    this.flat = flatten(this.layers)
    this.cachePages.fill(-1)
    this.last = this.flat.stretches[0]
    const after = this.flat.regions
    const same =
      before.length === after.length &&
      before.every((r, i) => {
        const s = after[i]
        const same = r.address === s.address && r.size === s.size && r.offset === s.offset
        return same && r.kind === s.kind && r.shared === s.shared
      })
    if (!same) this.onChange?.(after)
  }

  private find(address: number): Stretch {
    const last = this.last
    if (address >= last.start && address < last.end) return last
    if (address < FOUR_GIB) {
      const page = address >>> 12
      const entry = page & (CACHE_ENTRIES - 1)
      if (this.cachePages[entry] === page) {
        this.last = this.cacheStretches[entry]
        return this.last
      }
    }
    return this.search(address)
  }

  private search(address: number): Stretch {
    const { starts, stretches } = this.flat
    let low = 0
    let high = stretches.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (starts[middle] <= address) low = middle
      else high = middle
    }
    const found = stretches[low]
    this.last = found
    const page = Math.floor(address / PAGE)
    if (address < FOUR_GIB && starts[low] <= page * PAGE && found.end >= page * PAGE + PAGE) {
      const entry = page & (CACHE_ENTRIES - 1)
      this.cachePages[entry] = page
      this.cacheStretches[entry] = found
    }
    return found
  }

  private readWindow(address: number, into: Uint8Array, at: number, length: number): void {
    let i = 0
    while (i < length) {
      if (((address + i) & 3) === 0 && length - i >= 4) {
        const value = this.mmioRead(address + i, 4)
        into[at + i] = value
        into[at + i + 1] = value >>> 8
        into[at + i + 2] = value >>> 16
        into[at + i + 3] = value >>> 24
        i += 4
      } else {
        into[at + i] = this.mmioRead(address + i, 1)
        i++
      }
    }
  }

  private writeWindow(address: number, from: Uint8Array, at: number, length: number): void {
    let i = 0
    while (i < length) {
      const p = at + i
      if (((address + i) & 3) === 0 && length - i >= 4) {
        const value = from[p] | (from[p + 1] << 8) | (from[p + 2] << 16) | (from[p + 3] << 24)
        this.mmioWrite(address + i, value >>> 0, 4)
        i += 4
      } else {
        this.mmioWrite(address + i, from[p], 1)
        i++
      }
    }
  }
}
