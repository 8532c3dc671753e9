/** How a device goes through a queue: a bounded number of chains at a time, in order. */
import type { Timer } from '../../clock.js'
import type { VirtioHost } from './virtio-device.js'
import type { Chain } from './virtqueue.js'

const REQUESTS_AT_ONCE = 32
const BYTES_AT_ONCE = 1 << 20
/** Guest time of a request's bytes: 2 GB/s. */
const NS_PER_BYTE = 0.5

/** Gives up to `most` chains back, each with as many bytes as `answer` wrote into it. Whether there may be more. */
export function serveQueue(host: VirtioHost, number: number, most: number, answer: (chain: Chain) => number): boolean {
  const queue = host.queues[number]
  for (let n = 0; n < most; n++) {
    const chain = queue.take()
    if (!chain) {
      host.tell(number)
      return false
    }
    queue.give(chain, answer(chain))
  }
  host.tell(number)
  return true
}

/** Requests of a disk: what they cost of guest time passes before the next ones are looked at. */
export class DiskRequests {
  /** What it has done takes until then. To be saved by the device. */
  readonly busy: Timer

  /**
   * @param requestNs Guest time of a request beside its bytes.
   * @param carryOut Returns how many bytes it wrote into the chain, and moved to or from the medium.
   */
  constructor(
    private readonly host: VirtioHost,
    private readonly number: number,
    private readonly requestNs: number,
    private readonly carryOut: (chain: Chain) => { written: number; moved: number },
  ) {
    this.busy = host.clock.timer(`${host.name} requests`, () => host.wake(number))
  }

  serve(): void {
    const { host, number, busy } = this
    // The timer comes back to it.
    if (busy.deadline !== Number.POSITIVE_INFINITY) return
    const queue = host.queues[number]
    let [requests, bytes] = [0, 0]
    while (requests < REQUESTS_AT_ONCE && bytes < BYTES_AT_ONCE) {
      const chain = queue.take()
      if (!chain) break
      const { written, moved } = this.carryOut(chain)
      queue.give(chain, written)
      bytes += moved
      requests++
    }
    if (requests === 0) return
    host.tell(number)
    busy.at(host.clock.now() + this.requestNs + Math.ceil(bytes * NS_PER_BYTE))
  }
}
