/**
 * Virtio devices by drivers that lie: rings and chains that are nearly right, with buffers in the rings themselves, in the
 * device's own registers, behind all memory; rings that are moved, devices that are reset and bus masters that are switched
 * off in mid-transfer. At a random moment the device is saved and loaded into another, which must go on alike.
 */
import { ScsiDisk } from '../../machine/devices/storage/scsi-disk.js'
import { SerialPort } from '../../machine/devices/virtio/virtio-serial.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { openSharedFolder } from '../../machine/media/shared-folder.js'
import { LoopbackPort } from '../../machine/network/port.js'
import { MMIO } from '../machine/devices/net/pci-bench.js'
import { Driver, SIZE } from '../machine/devices/virtio/driver.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'

type Step =
  | {
      descriptor: [
        queue: number,
        index: number,
        address: number,
        high: number,
        length: number,
        flags: number,
        next: number,
      ]
    }
  | { fill: [address: number, ...bytes: number[]] }
  | { available: [queue: number, index: number, head: number] }
  | { notify: number }
  /** As a driver does with a device that says that it needs it, or with any. */
  | { restart: 'always' | 'needed' }
  | { mmio: [offset: number, value: number, size: 1 | 2 | 4] }
  | { port: [offset: number, value: number, size: 1 | 2 | 4] }
  | { config: [register: number, value: number] }
  | { arrive: number }
  | { run: number }

interface Kind {
  readonly type: string
  readonly queues: number
  /** What a request begins with. */
  head(random: Random): number[]
}

const RAM = 1 << 20
const TABLES = 0x1_0000
const BUFFERS = 0x5_0000
/** Host time in which a device is done with whatever a driver asks of it, ms; a busy host has some more. */
const PATIENCE = 20_000
const NEEDS_RESET = 0x40

const word = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
const bytes = (random: Random, count: number) =>
  Array.from({ length: count }, () => random.below(random.pick([2, 256])))

const KINDS: readonly Kind[] = [
  {
    ...{ type: 'virtio-blk-pci', queues: 1 },
    head: (random) => [
      ...word(random.pick([0, 1, 4, 8, 11, 13, random.u32()])),
      ...word(0),
      ...word(random.pick([0, 1, 2047, 2048, random.u32()])),
      ...word(random.pick([0, 0, 0, random.u32()])),
    ],
  },
  {
    ...{ type: 'virtio-scsi-pci', queues: 3 },
    head: (random) => [
      ...[1, random.below(2), 0x40, random.below(2), 0, 0, 0, 0],
      ...bytes(random, 11),
      ...[
        random.pick([0, 3, 0x12, 0x1a, 0x25, 0x28, 0x2a, 0x35, 0x42, 0x5a, 0x88, 0x8a, 0x9e, 0xa0, random.below(256)]),
      ],
      ...bytes(random, 31),
    ],
  },
  { ...{ type: 'virtio-rng-pci', queues: 1 }, head: () => [] },
  { ...{ type: 'virtio-balloon-pci', queues: 2 }, head: (random) => word(random.pick([0, 0x50, 0xff, random.u32()])) },
  { ...{ type: 'virtio-net-pci', queues: 3 }, head: (random) => bytes(random, random.pick([10, 12, 60])) },
  {
    ...{ type: 'virtio-serial-pci', queues: 4 },
    head: (random) => [...word(random.below(4)), random.below(10), 0, random.below(3), 0],
  },
  {
    ...{ type: 'virtio-9p-pci', queues: 1 },
    head: (random) => [
      ...word(random.pick([7, 11, 23, 40, 4096, random.u32()])),
      ...[random.pick([12, 14, 24, 40, 100, 104, 108, 110, 116, 118, 120, 122]), ...bytes(random, 2)],
      ...word(random.below(4)),
      ...bytes(random, 30),
    ],
  },
]

function drive({ type }: Kind, isModern: boolean): Driver {
  const medium = new MemoryMedium(RAM)
  const folder = openSharedFolder(import.meta.dirname)
  const options = {
    ...(type === 'virtio-blk-pci' ? { drive: 'disk0' } : {}),
    ...(type === 'virtio-9p-pci' ? { path: import.meta.dirname, mount_tag: 'host' } : {}),
  }
  const port = new LoopbackPort()
  const backends: { [kind: string]: unknown } = { net: port, block: medium, folder }
  const backend = (kind: string) => backends[kind]
  const line = { send: () => undefined }
  const buses = {
    machine: { giveBack: () => undefined },
    scsi: { units: [{ target: 0, lun: 0, disk: new ScsiDisk(medium, 'fuzz') }] },
    'virtio-serial': { ports: [new SerialPort('', true, line), new SerialPort('fuzz', false, line)] },
  }
  return new Driver(type, isModern, port, options, backend, buses)
}

/** A guest-physical address as a driver that lies gives it. */
function address(random: Random): [low: number, high: number] {
  switch (random.below(8)) {
    case 0:
      return [TABLES + random.below(0x4_0000), 0]
    case 1:
      return [MMIO + random.below(0x4000), 0]
    case 2:
      return [RAM - random.below(64), 0]
    case 3:
      return [random.u32(), random.pick([0, 0, 1, 0x1f_ffff, 0x20_0000, random.u32()])]
    default:
      return [BUFFERS + random.below(0x8_0000), 0]
  }
}

function make(random: Random, { head, queues }: Kind, isModern: boolean): Step[] {
  const queue = random.below(random.chance(20) ? 8 : queues)
  const length = () => random.pick([1, 1, 16, 16, 200, 512, 1536, 4096, 65536, random.below(3000), 0, random.u32()])
  switch (random.below(24)) {
    case 0:
      return [{ run: random.pick([0, 1000, 1e5, 1e7]) }]
    case 7:
      return [{ restart: 'always' }]
    case 1:
      return [{ notify: random.chance(10) ? random.below(65536) : queue }]
    case 2:
      return [{ arrive: random.pick([14, 60, 1514, random.below(9000)]) }]
    case 3: {
      // Status, features, a queue's size and places.
      const offset = isModern
        ? random.pick([0, 4, 8, 12, 0x10, 0x14, 0x16, 0x18, 0x1a, 0x1c, 0x20, 0x24, 0x28, 0x30])
        : 0
      const value = random.pick([0, 1, 3, 7, 0xb, 0xf, SIZE, TABLES, random.u32()])
      if (isModern) return [{ mmio: [offset, value, offset === 0x14 ? 1 : random.pick([2, 4])] }]
      return [
        { port: [random.pick([4, 8, 0xe, 0x10, 0x12]), random.pick([value, TABLES / 4096]), random.pick([1, 2, 4])] },
      ]
    }
    case 4: {
      const offset = random.below(0x4000)
      return [random.chance(2) ? { mmio: [offset, random.u32(), 4] } : { port: [random.below(0x40), random.u32(), 4] }]
    }
    case 5:
      // The bus master, off and on again; the registers elsewhere.
      return [
        {
          config: random.pick([
            [4, 3],
            [4, 7],
            [4, 0x407],
            [0x20, random.u32()],
            [0x20, MMIO],
            [0x40, random.u32()],
          ]),
        },
      ]
    case 6:
      return [{ available: [queue, random.below(65536), random.below(256)] }]
    default: {
      // A chain: a header, buffers to read, buffers to write.
      const steps: Step[] = [{ restart: 'needed' }]
      const place = BUFFERS + random.below(0x8_0000)
      const header = head(random)
      steps.push({ fill: [place, ...header] })
      const parts = 1 + random.below(5)
      const readable = 1 + random.below(parts)
      const first = random.below(SIZE)
      for (let i = 0; i < parts; i++) {
        const [low, high] = i === 0 && !random.chance(8) ? [place, 0] : address(random)
        const index = (first + i) % SIZE
        const isLast = i === parts - 1
        const flags = (isLast && !random.chance(60) ? 0 : 1) | (i >= readable ? 2 : 0) | (random.chance(60) ? 4 : 0)
        const size = i === 0 ? Math.max(1, header.length) : length()
        const next = random.chance(60) ? random.below(65536) : (index + 1) % SIZE
        steps.push({ descriptor: [queue, index, low, high, size, flags, next] })
      }
      return [...steps, { available: [queue, -1, first] }, { notify: queue }]
    }
  }
}

function perform(driver: Driver, step: Step, start: () => unknown): void {
  const { card } = driver
  if ('run' in step) card.clock.advance(step.run)
  else if ('notify' in step) driver.notify(step.notify)
  else if ('restart' in step) {
    if (step.restart === 'always' || driver.status() & NEEDS_RESET) start()
  } else if ('mmio' in step) card.writeMmio(...step.mmio)
  else if ('port' in step) card.out(...step.port)
  else if ('config' in step) card.config(...step.config)
  else if ('fill' in step) card.poke(step.fill[0], step.fill.slice(1))
  else if ('arrive' in step) card.arrive(new Uint8Array(step.arrive).fill(step.arrive & 0xff))
  else if ('descriptor' in step) {
    const [queue, index, low, high, length, flags, next] = step.descriptor
    card.poke32(TABLES + 0x1_0000 * queue + 16 * index, low, high, length, flags | (next << 16))
  } else {
    const [queue, index, head] = step.available
    const at = driver.available(queue % 4)
    const now = card.peek32(at) >>> 16
    const entry = index < 0 ? now : index
    card.poke(at + 4 + 2 * (entry % SIZE), [head, 0])
    const next = index < 0 ? now + 1 : index
    card.poke(at + 2, [next & 0xff, (next >> 8) & 0xff])
  }
}

/** What is wrong, in words; undefined where nothing is. */
function attempt(kind: Kind, isModern: boolean, features: number[], steps: readonly Step[], split: number) {
  let at = 0
  const started = performance.now()
  try {
    const go = (driver: Driver) => driver.start(features, kind.queues)
    const original = go(drive(kind, isModern))
    const step = (driver: Driver) => perform(driver, steps[at], () => go(driver))
    for (; at < split; at++) step(original)
    // What the others are connected to is not in their states.
    const copy = kind.type === 'virtio-rng-pci' ? go(drive(kind, isModern)) : undefined
    copy?.card.load(original.card.save(), original.card)
    for (; at < steps.length; at++) {
      step(original)
      if (copy) step(copy)
    }
    if (copy && JSON.stringify(copy.card.save()) !== JSON.stringify(original.card.save())) return 'the copy differs'
    const took = performance.now() - started
    return took > PATIENCE ? `it took ${Math.round(took)} ms` : undefined
  } catch (error) {
    return `step ${at}, ${JSON.stringify(steps[at])}: ${(error as Error).stack}`
  }
}

const fuzzer: Fuzzer = {
  name: 'virtio',
  title: 'virtio devices answer drivers that lie',
  unit: 'steps',
  dose: 30,
  async run(random, { size, count }) {
    const kind = random.pick(KINDS)
    const isModern = !random.chance(3)
    const features = Array.from({ length: 32 }, (_, i) => i).filter(() => !random.chance(4))
    const steps: Step[] = []
    while (steps.length < 200 * size) steps.push(...make(random, kind, isModern))
    const split = random.below(steps.length)
    const wrong = attempt(kind, isModern, features, steps, split)
    if (wrong === undefined) return count(steps.length)
    const small = await shrink(
      steps,
      (part) => attempt(kind, isModern, features, part, Math.min(split, part.length)) !== undefined,
    )
    throw new FuzzFailure(
      wrong,
      `${kind.type}, ${isModern ? 'modern' : 'legacy'}: ${JSON.stringify(small.slice(0, 40))}`,
    )
  },
}

export default fuzzer
