/**
 * KVM's memory slots from the board's regions: what changed is taken out and put in, the rest stays.
 *
 * A20: KVM has no such gate. With A20 off, the second megabyte shows the first again (its regions a second time, one
 * megabyte up), which is what the wrap at FFFF:0010 and every A20 test look at. Odd megabytes above that stay as they
 * are.
 */
import type { MemoryRegion } from '../engine.js'
import type { KvmVm } from './vm.js'

const MIB = 1 << 20
const SECOND_MIB_END = 2 * MIB

/** The regions with the second megabyte cut out and the first one there again. */
export function wrapAtMegabyte(regions: readonly MemoryRegion[]): MemoryRegion[] {
  const result: MemoryRegion[] = []
  for (const region of regions) {
    const end = region.address + region.size
    if (region.address < MIB) {
      const size = Math.min(end, MIB) - region.address
      result.push({ ...region, size })
      result.push({ ...region, size, address: region.address + MIB })
    }
    if (end > SECOND_MIB_END) {
      const address = Math.max(region.address, SECOND_MIB_END)
      result.push({ ...region, address, size: end - address, offset: region.offset + (address - region.address) })
    }
  }
  return result
}

const key = (r: MemoryRegion): string => `${r.address} ${r.size} ${r.offset} ${r.kind}`

export class MemorySlots {
  private regions: readonly MemoryRegion[] = []
  private a20 = true
  /** Slot numbers by what they hold. */
  private readonly slots = new Map<string, { slot: number; region: MemoryRegion }>()
  private readonly free: number[] = []
  private next = 0

  /** @param arena host address of the arena. */
  constructor(
    private readonly vm: KvmVm,
    private readonly arena: number,
  ) {}

  get a20Enabled(): boolean {
    return this.a20
  }

  setA20(enabled: boolean): void {
    if (enabled === this.a20) return
    this.a20 = enabled
    this.apply()
  }

  set(regions: readonly MemoryRegion[]): void {
    this.regions = regions
    this.apply()
  }

  /** What the board handed in. */
  current(): readonly MemoryRegion[] {
    return this.regions
  }

  private apply(): void {
    const wanted = new Map<string, MemoryRegion>()
    for (const region of this.a20 ? this.regions : wrapAtMegabyte(this.regions)) wanted.set(key(region), region)
    for (const [name, { slot, region }] of this.slots) {
      if (wanted.has(name)) continue
      this.vm.setSlot(slot, region.address, 0, 0, false)
      this.slots.delete(name)
      this.free.push(slot)
    }
    for (const [name, region] of wanted) {
      if (this.slots.has(name)) continue
      const slot = this.free.pop() ?? this.next++
      this.vm.setSlot(slot, region.address, region.size, this.arena + region.offset, region.kind === 'rom')
      this.slots.set(name, { slot, region })
    }
  }
}
