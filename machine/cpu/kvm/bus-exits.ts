/** Exits for ports and memory-mapped registers: between the run page and the board's buses. */
import type { CpuBus } from '../engine.js'
import * as abi from './abi.js'

const A20_BIT = 1 << 20
const SECOND_MIB = 1

export class BusExits {
  /** Elements of a string that were transferred. */
  private done = 0

  constructor(
    private readonly page: DataView,
    private readonly bus: CpuBus,
  ) {}

  /**
   * IN, OUT, INS and OUTS; a string's elements come together, up to a page of them. Where `late` says so it stops after one;
   * then it returns false, and is to be called again for the others before KVM goes on.
   */
  port(late: () => boolean = () => false): boolean {
    const { page, bus } = this
    const size = page.getUint8(abi.IO_SIZE) as 1 | 2 | 4
    const port = page.getUint16(abi.IO_PORT, true)
    const count = page.getUint32(abi.IO_COUNT, true)
    const data = page.getUint32(abi.IO_DATA_OFFSET, true)
    const out = page.getUint8(abi.IO_DIRECTION) === abi.IO_OUT
    while (this.done < count) {
      const at = data + this.done++ * size
      if (out) bus.portWrite(port, this.load(at, size), size)
      else this.store(at, bus.portRead(port, size), size)
      if (this.done < count && late()) return false
    }
    this.done = 0
    return true
  }

  /** One access of 1 to 8 bytes. With A20 off the second megabyte is the first; see memory-slots.ts. */
  mmio(a20: boolean): void {
    const { page, bus } = this
    let address = page.getUint32(abi.MMIO_ADDRESS, true) + page.getUint32(abi.MMIO_ADDRESS + 4, true) * 2 ** 32
    if (!a20 && Math.floor(address / A20_BIT) === SECOND_MIB) address -= A20_BIT
    const end = abi.MMIO_DATA + page.getUint32(abi.MMIO_LENGTH, true)
    const write = page.getUint8(abi.MMIO_IS_WRITE) !== 0
    for (let at = abi.MMIO_DATA; at < end; ) {
      const size = end - at >= 4 ? 4 : end - at >= 2 ? 2 : 1
      if (write) bus.mmioWrite(address, this.load(at, size), size)
      else this.store(at, bus.mmioRead(address, size), size)
      at += size
      address += size
    }
  }

  private load(at: number, size: 1 | 2 | 4): number {
    const { page } = this
    return size === 1 ? page.getUint8(at) : size === 2 ? page.getUint16(at, true) : page.getUint32(at, true)
  }

  private store(at: number, value: number, size: 1 | 2 | 4): void {
    const { page } = this
    if (size === 1) page.setUint8(at, value)
    else if (size === 2) page.setUint16(at, value, true)
    else page.setUint32(at, value, true)
  }
}
