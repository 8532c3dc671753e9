/**
 * QEMU's `virtio-balloon-pci`: the traditional memory balloon of Virtual I/O Device 1.2, 5.5. Pages that the guest puts into
 * it read as zeros from then on, and the host has their memory back.
 */
import type { StateTable } from '../../device.js'
import { starts, u32 } from '../../state/fields.js'
import { integerOption } from '../device-option.js'
import type { MachineControl } from '../device-type.js'
import { bytesOf, gather } from '../segments.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'

/** The other one gives pages back to the guest, which needs nothing of the host. */
const INFLATE = 0

// Features
const MUST_TELL_HOST = 0
const DEFLATE_ON_OOM = 2

/** How many pages the device wants, and how many the driver has put in. */
const CONFIGURATION = 8
const PAGE = 4096
/** Page numbers of one buffer; Linux gives 256. */
const MOST_NUMBERS = 4096
const REQUESTS_AT_ONCE = 8

const STATE: StateTable = { actual: starts(u32, 0) }

export class VirtioBalloon implements VirtioDevice {
  readonly state = STATE
  readonly features = [MUST_TELL_HOST, DEFLATE_ON_OOM]
  readonly configurationSize = CONFIGURATION
  private actual = 0

  constructor(
    private readonly host: VirtioHost,
    private readonly wanted: number,
    private readonly giveBack: MachineControl['giveBack'],
  ) {}

  reset(): void {
    this.actual = 0
  }

  readConfiguration(offset: number): number {
    const value = offset < 4 ? this.wanted : this.actual
    return (value >>> (8 * (offset & 3))) & 0xff
  }

  writeConfiguration(offset: number, value: number): void {
    if (offset < 4) return
    const shift = 8 * (offset & 3)
    this.actual = ((this.actual & ~(0xff << shift)) | (value << shift)) >>> 0
  }

  serve(index: number): boolean {
    const { host } = this
    const queue = host.queues[index]
    for (let n = 0; n < REQUESTS_AT_ONCE; n++) {
      const chain = queue.take()
      if (!chain) {
        host.tell(index)
        return false
      }
      if (index === INFLATE)
        this.inflate(new Uint8Array(Math.min(bytesOf(chain.readable), MOST_NUMBERS * 4)), chain.readable)
      queue.give(chain, 0)
    }
    host.tell(index)
    return true
  }

  private inflate(numbers: Uint8Array, from: Parameters<typeof gather>[1]): void {
    gather(this.host.memory, from, numbers)
    const view = new DataView(numbers.buffer)
    for (let at = 0; at + 4 <= numbers.length; at += 4) this.giveBack(view.getUint32(at, true) * PAGE, PAGE)
  }
}

export const virtioBalloon = virtioPciType({
  ...{ type: 'virtio-balloon-pci', title: 'virtio balloon: the guest gives memory back', category: 'Misc' },
  ...{ id: 5, transitionalId: 0x1002, classCode: 0x00ff00, queues: [128, 128] },
  options: () => ({
    take: integerOption(0, 3072)
      .default(0)
      .describe('MiB that the guest is asked for; what a snapshot or fork has of it stays in memory'),
  }),
  create: (host, { take }, slot) => {
    const control = slot.bus<MachineControl>('machine')
    return new VirtioBalloon(host, (take << 20) / PAGE, (address, length) => control.giveBack(address, length))
  },
})
