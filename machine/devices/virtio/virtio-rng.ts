/**
 * QEMU's `virtio-rng-pci`: the entropy device of Virtual I/O Device 1.2, 5.4. Its numbers follow from a seed, so that a
 * guest that reads them is the same every time; they are no secret.
 */
import type { StateTable } from '../../device.js'
import { RandomNumbers } from '../../random-numbers.js'
import { part } from '../../state/state-table.js'
import { integerOption } from '../device-option.js'
import { bytesOf, scatter } from '../segments.js'
import { serveQueue } from './serve-queue.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'
import type { Chain } from './virtqueue.js'

const QUEUE = 0
/** A request is answered with no more; drivers ask again. */
const MOST_BYTES = 4096
const REQUESTS_AT_ONCE = 16

const STATE: StateTable = { numbers: part() }

export class VirtioRng implements VirtioDevice {
  readonly state = STATE
  readonly features = []
  readonly configurationSize = 0
  private readonly numbers: RandomNumbers

  constructor(
    private readonly host: VirtioHost,
    seed: number,
  ) {
    this.numbers = new RandomNumbers(seed)
  }

  /** The numbers go on. */
  reset(): void {}

  readConfiguration(): number {
    return 0
  }

  serve(): boolean {
    return serveQueue(this.host, QUEUE, REQUESTS_AT_ONCE, (chain) => this.fill(chain))
  }

  private fill({ writable }: Chain): number {
    const bytes = new Uint8Array(Math.min(bytesOf(writable), MOST_BYTES))
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < bytes.length; at += 4) {
      const number = this.numbers.next()
      if (at + 4 <= bytes.length) view.setUint32(at, number, true)
      else for (let i = at; i < bytes.length; i++) bytes[i] = number >>> (8 * (i - at))
    }
    return scatter(this.host.memory, writable, bytes)
  }
}

export const virtioRng = virtioPciType({
  ...{ type: 'virtio-rng-pci', title: 'virtio source of random numbers, seeded', category: 'Misc' },
  ...{ id: 4, transitionalId: 0x1005, classCode: 0x00ff00, queues: [8] },
  options: () => ({ seed: integerOption(0, 0xffff_ffff).default(1).describe('where its numbers begin') }),
  create: (host, { seed }) => new VirtioRng(host, seed),
})
