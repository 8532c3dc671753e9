/** Layers of guest-physical memory, and how a stack of them flattens into stretches and engine regions. */
import type { MemoryRegion } from '../cpu/engine.js'
import type { MmioRange } from '../device.js'

/** A range of registers that does not know its place. */
export type MmioWindow = Omit<MmioRange, 'base'>

/**
 * Who lies above whom. RAM hides what the PCI bus has at the same address, as the host bridge claims it first; BARs lie
 * above the firmware's ROM; PAM and SMRAM switch RAM over all of PCI; the local APIC answers inside the CPU.
 */
export const Priority = {
  rom: 0,
  bar: 10,
  device: 10,
  ram: 20,
  /** Chipset registers beside the PCI hole: IOAPIC, HPET. */
  chipset: 20,
  shadow: 30,
  smram: 40,
  localApic: 50,
} as const

export interface LayerOptions {
  /** Default by kind: `Priority.rom`, `.ram`, `.device`, `.bar`. Of two equal ones the later added lies above. */
  priority?: number
  /** Takes reads; default true. */
  reads?: boolean
  /** Takes writes; default true. */
  writes?: boolean
  /** RAM that a device writes without `MemoryMap.onWrite` hearing of it; default false. */
  shared?: boolean
}

/** A layer in the map; change it through `MemoryMap.update` only. */
export interface MemoryLayer {
  readonly kind: 'ram' | 'rom' | 'mmio'
  readonly name: string
  base: number
  readonly size: number
  /** Arena offset of `base`, for RAM and ROM. */
  offset: number
  readonly window: MmioWindow | undefined
  /** Widest access of `window`. */
  readonly width: number
  readonly priority: number
  reads: boolean
  writes: boolean
  readonly shared: boolean
}

/** From one boundary to the next nothing changes. */
export interface Stretch {
  readonly start: number
  /** First address past it. */
  readonly end: number
  readonly read: MemoryLayer | undefined
  readonly write: MemoryLayer | undefined
}

export interface Flattened {
  /** Start of each stretch, ascending from 0; the last stretch ends at infinity. */
  starts: Float64Array
  stretches: Stretch[]
  regions: MemoryRegion[]
}

const PAGE = 4096

export function flatten(layers: readonly MemoryLayer[]): Flattened {
  // Stable: among equal priorities the later layer comes later, and so wins below.
  const stack = layers.filter((l) => l.reads || l.writes).sort((a, b) => a.priority - b.priority)
  const edges = new Set<number>([0])
  for (const layer of stack) {
    edges.add(layer.base)
    edges.add(layer.base + layer.size)
  }
  const sorted = [...edges].sort((a, b) => a - b)
  const stretches: Stretch[] = []
  for (let i = 0; i < sorted.length; i++) {
    const start = sorted[i]
    const end = i + 1 < sorted.length ? sorted[i + 1] : Number.POSITIVE_INFINITY
    let read: MemoryLayer | undefined
    let write: MemoryLayer | undefined
    for (const layer of stack) {
      if (layer.base > start || layer.base + layer.size <= start) continue
      if (layer.reads) read = layer
      if (layer.writes) write = layer
    }
    const last = stretches.at(-1)
    if (last && last.read === read && last.write === write) stretches.pop()
    stretches.push({ start: last && last.read === read && last.write === write ? last.start : start, end, read, write })
  }
  return { starts: Float64Array.from(stretches, (s) => s.start), stretches, regions: regionsOf(stretches) }
}

/** Whole pages that read from the arena. Writes that do not go to the very same byte make a region `rom`. */
function regionsOf(stretches: readonly Stretch[]): MemoryRegion[] {
  const regions: { address: number; size: number; offset: number; kind: 'ram' | 'rom'; shared?: true }[] = []
  for (const { start, end, read, write } of stretches) {
    if (!read || read.kind === 'mmio') continue
    const address = Math.ceil(start / PAGE) * PAGE
    const size = Math.floor(end / PAGE) * PAGE - address
    const offset = read.offset + (address - read.base)
    if (size <= 0 || offset % PAGE !== 0) continue
    const same = write?.kind === 'ram' && write.offset - write.base === read.offset - read.base
    const kind = same ? 'ram' : 'rom'
    const last = regions.at(-1)
    const alike = last?.kind === kind && (last.shared ?? false) === read.shared
    if (last && alike && last.address + last.size === address && last.offset + last.size === offset) last.size += size
    else regions.push({ address, size, offset, kind, ...(read.shared && { shared: true }) })
  }
  return regions
}
