/** A driver of a virtio device on a bench, by either interface: features, queues of 8, buffers in RAM. */
import { LoopbackPort } from '../../../../machine/network/port.js'
import { PciCard } from '../net/pci-bench.js'

export const SIZE = 8
const COMMON = 0
const CONFIGURATION = 0x2000
const NOTIFICATIONS = 0x3000
const NEXT = 1
const WRITE = 2

/** Where queue `index` is, page-aligned as the legacy interface has it. */
const table = (index: number) => 0x1_0000 + 0x1_0000 * index
const BUFFERS = 0x5_0000

export interface Given {
  head: number
  written: number
}

/** Of the device, and what is connected to it. */
type Options = [
  given?: { readonly [option: string]: unknown },
  backend?: (kind: string, name?: string) => unknown,
  buses?: { readonly [kind: string]: unknown },
]

export class Driver {
  readonly card: PciCard
  private readonly sizes: number[] = []
  private next = BUFFERS
  private readonly seen: number[] = []
  private free: number[] = []
  private readonly chains = new Map<number, number[]>()
  /** Addresses of what was made available, by head. */
  readonly buffers = new Map<number, { address: number; length: number }[]>()

  constructor(
    type: string,
    private readonly isModern: boolean,
    readonly port = new LoopbackPort(() => undefined),
    ...more: Options
  ) {
    this.card = new PciCard(type, port, isModern ? 4 : undefined, ...more)
  }

  status(value?: number): number {
    if (value !== undefined) {
      if (this.isModern) this.card.writeMmio(0x14, value, 1)
      else this.card.out(0x12, value)
    }
    return this.isModern ? this.card.readMmio(0x14, 1) : this.card.in(0x12)
  }

  isr(): number {
    return this.isModern ? this.card.readMmio(0x1000, 1) : this.card.in(0x13)
  }

  configuration(offset: number): number {
    return this.isModern ? this.card.readMmio(CONFIGURATION + offset, 1) : this.card.in(0x14 + offset)
  }

  offered(word: number): number {
    if (!this.isModern) return word === 0 ? this.card.in(0, 4) : 0
    this.card.writeMmio(COMMON, word, 4)
    return this.card.readMmio(COMMON + 4, 4)
  }

  /** Up to DRIVER_OK with these features and VERSION_1 where there is one; queues of their own sizes in legacy devices. */
  start(features: number[], queues: number): this {
    const { card } = this
    this.status(0)
    this.status(3)
    const words = [0, 0]
    for (const feature of this.isModern ? [...features, 32] : features) words[feature >> 5] |= 1 << (feature & 31)
    if (this.isModern) {
      for (const [word, bits] of words.entries()) {
        card.writeMmio(8, word, 4)
        card.writeMmio(12, bits >>> 0, 4)
      }
      this.status(0xb)
    } else card.out(4, words[0] >>> 0, 4)
    for (let queue = 0; queue < queues; queue++) this.setUp(queue)
    this.status(this.isModern ? 0xf : 7)
    this.card.clock.advance(1e5)
    this.free = Array.from({ length: SIZE }, (_, i) => i)
    this.next = BUFFERS
    return this
  }

  private setUp(queue: number): void {
    const { card } = this
    this.seen[queue] = 0
    card.poke(table(queue), new Uint8Array(0x4000))
    if (this.isModern) {
      card.writeMmio(0x16, queue, 2)
      card.writeMmio(0x18, SIZE, 2)
      for (const [at, address] of [
        [0x20, table(queue)],
        [0x28, this.available(queue)],
        [0x30, this.used(queue)],
      ]) {
        card.writeMmio(at, address, 4)
        card.writeMmio(at + 4, 0, 4)
      }
      card.writeMmio(0x1c, 1, 2)
      this.sizes[queue] = SIZE
    } else {
      card.out(0x0e, queue, 2)
      this.sizes[queue] = card.in(0x0c, 2)
      card.out(0x08, table(queue) / 4096, 4)
    }
  }

  available(queue: number): number {
    return table(queue) + (this.isModern ? 0x1000 : 16 * this.sizes[queue])
  }

  used(queue: number): number {
    return this.isModern
      ? table(queue) + 0x2000
      : Math.ceil((this.available(queue) + 6 + 2 * this.sizes[queue]) / 4096) * 4096
  }

  descriptor(queue: number, index: number, address: number, length: number, flags: number, next = 0): void {
    this.card.poke32(table(queue) + 16 * index, address, 0, length, flags | (next << 16))
  }

  /** Buffers to read with these contents, and buffers to write of these lengths, as one chain. */
  add(queue: number, readable: ArrayLike<number>[], writable: number[] = []): number {
    const parts = [
      ...readable.map((bytes) => ({ length: bytes.length, bytes, flags: 0 })),
      ...writable.map((length) => ({ length, bytes: new Uint8Array(length), flags: WRITE })),
    ].map((part) => {
      const address = this.next
      this.next += (part.length + 15) & ~15
      this.card.poke(address, part.bytes)
      return { ...part, address }
    })
    const indices = parts.map(() => this.free.shift() as number)
    for (const [i, { address, length, flags }] of parts.entries()) {
      const isLast = i === parts.length - 1
      this.descriptor(queue, indices[i], address, length, flags | (isLast ? 0 : NEXT), isLast ? 0 : indices[i + 1])
    }
    this.buffers.set(indices[0], parts)
    this.chains.set(indices[0], indices)
    this.offer(queue, indices[0])
    return indices[0]
  }

  offer(queue: number, head: number): void {
    const at = this.available(queue)
    const index = this.card.peek32(at) >>> 16
    const entry = at + 4 + 2 * (index % this.sizes[queue])
    this.card.poke(entry, [head & 0xff, head >> 8])
    this.card.poke(at + 2, [(index + 1) & 0xff, ((index + 1) >> 8) & 0xff])
    this.notify(queue)
  }

  notify(queue: number): void {
    if (this.isModern) this.card.writeMmio(NOTIFICATIONS + 4 * queue, queue, 2)
    else this.card.out(0x10, queue, 2)
    this.card.clock.advance(1e5)
  }

  /** What came back since the last look. */
  given(queue: number): Given[] {
    const at = this.used(queue)
    const index = this.card.peek32(at) >>> 16
    const list: Given[] = []
    for (; this.seen[queue] !== index; this.seen[queue] = (this.seen[queue] + 1) & 0xffff) {
      const entry = at + 4 + 8 * (this.seen[queue] % this.sizes[queue])
      const head = this.card.peek32(entry)
      list.push({ head, written: this.card.peek32(entry + 4) })
      this.free.push(...(this.chains.get(head) ?? []))
      this.chains.delete(head)
    }
    return list
  }

  /** What a chain's buffers to write hold. */
  contents({ head, written }: Given): number[] {
    const parts = (this.buffers.get(head) ?? []) as { address: number; length: number; flags?: number }[]
    return parts
      .filter(({ flags }) => flags === WRITE)
      .flatMap(({ address, length }) => this.card.peek(address, length))
      .slice(0, written)
  }
}
