/**
 * Coalesced MMIO: KVM collects writes to the VGA window in a ring instead of coming back for each, which is what makes
 * planar drawing bearable. They are handed on, in order, before any other exit is looked at and at the end of a run.
 */
import * as abi from './abi.js'
import type { KvmVcpu, KvmVm } from './vm.js'

const VGA_WINDOW = 0xa0000
const VGA_WINDOW_SIZE = 0x20000
const PAGE = 4096

export class CoalescedWrites {
  /** Offset of the ring in what is mapped of the vCPU; 0 where the kernel has none. */
  private readonly ring: number
  private readonly page: DataView
  private readonly entries = Math.floor((PAGE - abi.RING_ENTRIES) / abi.RING_ENTRY_SIZE)

  constructor(
    vm: KvmVm,
    vcpu: KvmVcpu,
    private readonly write: (address: number, value: number, size: 1 | 2 | 4) => void,
  ) {
    this.page = vcpu.page
    const page = vm.extension(abi.CAP_COALESCED_MMIO)
    this.ring = page > 0 && vm.coalesce(VGA_WINDOW, VGA_WINDOW_SIZE) ? page * PAGE : 0
  }

  drain(): void {
    const { page, ring } = this
    if (ring === 0) return
    let first = page.getUint32(ring + abi.RING_FIRST, true)
    while (first !== page.getUint32(ring + abi.RING_LAST, true)) {
      this.handOn(ring + abi.RING_ENTRIES + first * abi.RING_ENTRY_SIZE)
      first = (first + 1) % this.entries
      page.setUint32(ring + abi.RING_FIRST, first, true)
    }
  }

  private handOn(entry: number): void {
    const { page } = this
    // The window lies below 4 GiB.
    let address = page.getUint32(entry, true)
    const end = entry + 16 + page.getUint32(entry + 8, true)
    for (let at = entry + 16; at < end; ) {
      const left = end - at
      const size = left >= 4 ? 4 : left >= 2 ? 2 : 1
      const value = size === 4 ? page.getUint32(at, true) : size === 2 ? page.getUint16(at, true) : page.getUint8(at)
      this.write(address, value, size)
      at += size
      address += size
    }
  }
}
