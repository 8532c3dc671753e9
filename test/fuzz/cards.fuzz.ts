/**
 * Disk controllers and network cards by drivers that lie: command lists, queues and rings that are nearly right, with data
 * in the rings themselves, in the card's own registers, behind all memory; cards that are reset, stopped and cut off from
 * memory in mid-transfer. At a random moment the card is saved and loaded into another, which must go on alike.
 */
import { AtaDisk } from '../../machine/devices/storage/ata-disk.js'
import { AtapiCd } from '../../machine/devices/storage/atapi-cd.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { LoopbackPort } from '../../machine/network/port.js'
import { MMIO, PciCard } from '../machine/devices/net/pci-bench.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'

type Size = 1 | 2 | 4
type Step =
  | { fill: [address: number, ...bytes: number[]] }
  | { words: [address: number, ...words: number[]] }
  | { mmio: [offset: number, value: number, size: Size] }
  | { port: [offset: number, value: number, size: Size] }
  | { read: [offset: number, size: Size] }
  | { config: [register: number, value: number] }
  | { arrive: number }
  | { run: number }

interface Kind {
  readonly type: string
  /** The base address register that leads to its registers. */
  readonly bar: number
  /** As a driver begins. */
  start(random: Random): Step[]
  /** What a driver asks of it, nearly right. */
  ask(random: Random): Step[]
}

const RAM = 1 << 20
const LISTS = 0x1_0000
const BUFFERS = 0x5_0000
const WINDOW = 0x2000
/** Of the host's processor, in which two cards are done with whatever a driver asks of them, ms. */
const PATIENCE = 10_000

const flag = (random: Random, one: number, of: number) => (random.chance(of) ? one : 0)
const some = (random: Random, count: number) => Array.from({ length: count }, () => random.below(256))
const mmio = (offset: number, value: number, size: Size = 4): Step => ({ mmio: [offset, value >>> 0, size] })
const port = (offset: number, value: number, size: Size = 2): Step => ({ port: [offset, value >>> 0, size] })

/** A guest-physical address as a driver that lies gives it. */
function place(random: Random): [low: number, high: number] {
  switch (random.below(12)) {
    case 0:
      return [LISTS + random.below(0x4_0000), 0]
    case 1:
      return [MMIO + random.below(WINDOW), 0]
    case 2:
      return [RAM - random.below(64), 0]
    case 3:
      return [random.u32(), random.pick([0, 0, 1, 0x1f_ffff, random.u32()])]
    case 4:
      return [0xffff_ffff - random.below(4096), random.pick([0, 0xffff_ffff])]
    default:
      return [BUFFERS + 4 * random.below(0x2_0000), 0]
  }
}

const length = (random: Random) =>
  random.pick([1, 14, 60, 512, 1514, 2048, 4096, random.below(3000), 0, 0xffff, random.below(0x1_0000)])

// AHCI: a port has a disk, a CD or nothing
const ATA = [0x25, 0x35, 0xc8, 0xca, 0x20, 0x30, 0xc4, 0xc5, 0xec, 0xe7, 0xea, 0x06, 0xef, 0x90, 0xa0, 0xa1, 0x08, 0x60]
const PACKETS = [0x00, 0x03, 0x12, 0x1b, 0x25, 0x28, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xad, 0xbe]
const ahciPort = (n: number) => 0x100 + 0x80 * n
const ahciList = (n: number) => LISTS + 0x400 * n

const ahci: Kind = {
  ...{ type: 'ahci', bar: 5 },
  start: () => [
    mmio(0x04, 0x8000_0002),
    ...[0, 1, 2].flatMap((n) => [
      mmio(ahciPort(n), ahciList(n)),
      mmio(ahciPort(n) + 8, LISTS + 0x4000 + 0x100 * n),
      mmio(ahciPort(n) + 0x14, 0xffff_ffff),
      mmio(ahciPort(n) + 0x18, 0x11),
    ]),
  ],
  ask(random) {
    const [n, slot] = [random.pick([0, 0, 1, 1, 2]), random.below(32)]
    const table = LISTS + 0x8000 + 0x400 * slot
    const regions = random.pick([0, 1, 1, 2, 4, 0xffff])
    const flags = 5 | (regions << 16) | flag(random, 0x20, 3) | flag(random, 0x40, 3) | flag(random, 0x700, 20)
    const steps: Step[] = [
      { words: [ahciList(n) + 32 * slot, flags, 0, ...(random.chance(20) ? place(random) : [table, 0])] },
      {
        fill: [
          table,
          ...[random.chance(30) ? random.below(256) : 0x27, random.chance(20) ? random.below(256) : 0x80],
          ...[n === 1 ? 0xa0 : random.pick(ATA), random.below(4), random.below(256), random.below(4), 0],
          ...[0xe0, 0, 0, 0, 0, random.pick([0, 1, 2, 8, 128, random.below(256)]), random.below(2), 0, random.below(8)],
        ],
      },
      {
        fill: [table + 0x40, random.pick(PACKETS), ...some(random, 3), 0, 0, 0, 0, random.below(8), ...some(random, 3)],
      },
    ]
    for (let i = 0; i < Math.min(4, regions); i++)
      steps.push({
        words: [table + 0x80 + 16 * i, ...place(random), 0, random.chance(8) ? random.u32() : length(random)],
      })
    return [...steps, mmio(ahciPort(n) + 0x38, random.chance(8) ? random.u32() : 1 << slot)]
  },
}

// NVMe: queue n has its submissions and its completions behind one another
const QUEUE = 0x4000
const doorbell = (n: number, value: number) => mmio(0x1000 + 4 * n, value)
function nvmeCommand(random: Random, queue: number, index: number, opcode: number, words: number[]): Step[] {
  const prp = place(random)
  if (!random.chance(3)) prp[0] &= ~0xfff
  const namespace = queue === 0 ? random.below(3) : random.pick([1, 1, 1, 0, 0xffff_ffff])
  const id = random.below(0x1_0000) << 16
  return [
    {
      words: [
        LISTS + QUEUE * queue + 64 * index,
        ...[opcode | id | flag(random, random.below(0x1_0000), 40), namespace, 0, 0, 0, 0],
        ...[...prp, ...place(random), ...words],
      ],
    },
    doorbell(2 * queue, random.chance(10) ? random.u32() : (index + 1) % 16),
  ]
}
const nvme: Kind = {
  ...{ type: 'nvme', bar: 0 },
  start: (random) => [
    mmio(0x14, 0),
    ...[mmio(0x24, 0x000f_000f), mmio(0x28, LISTS), mmio(0x2c, 0), mmio(0x30, LISTS + 0x2000), mmio(0x34, 0)],
    mmio(0x14, 0x0046_0001),
    { words: [LISTS, 0x1_0005, 0, 0, 0, 0, 0, LISTS + QUEUE + 0x2000, 0, 0, 0, 0x000f_0001, 3] },
    { words: [LISTS + 64, 0x2_0001, 0, 0, 0, 0, 0, LISTS + QUEUE, 0, 0, 0, 0x000f_0001, 0x1_0001] },
    doorbell(0, 2),
    { run: 1e6 },
    ...(random.chance(2) ? [mmio(0x0c, 1)] : []),
  ],
  ask(random) {
    const index = random.below(16)
    if (random.chance(4))
      return nvmeCommand(random, 0, index, random.pick([0, 1, 2, 4, 5, 6, 8, 9, 10, 12, random.below(256)]), [
        ...[random.pick([0, 1, 2, 3, 7, 0x000f_0001, 0x000f_0002, random.u32()]), random.pick([0, 1, 3, 0x1_0001])],
        ...[0, random.u32(), 0, 0],
      ])
    return [
      ...nvmeCommand(random, 1, index, random.pick([0, 1, 2, 1, 2, 8, 9, random.below(256)]), [
        random.pick([0, 1, 2040, 2048, random.u32()]),
        ...[flag(random, random.u32(), 20), random.pick([0, 1, 7, 8, 40, 1023, random.u32()]), random.below(8), 0, 0],
      ]),
      doorbell(3, random.below(16)),
    ]
  },
}

// e1000: 16 descriptors each way
const TX = LISTS
const RX = LISTS + 0x1000
const e1000: Kind = {
  ...{ type: 'e1000', bar: 0 },
  start: () => [
    ...[mmio(0x3800, TX), mmio(0x3804, 0), mmio(0x3808, 256), mmio(0x3810, 0), mmio(0x3818, 0)],
    ...[mmio(0x2800, RX), mmio(0x2804, 0), mmio(0x2808, 256), mmio(0x2810, 0), mmio(0x2818, 15)],
    ...[mmio(0x00d0, 0xffff_ffff), mmio(0x0400, 0x0103_f0fa), mmio(0x0100, 0x0000_801e), mmio(0x0000, 0x40)],
  ],
  ask(random) {
    const index = random.below(16)
    const next = random.chance(10) ? random.u32() : (index + 1) % 16
    if (random.chance(3)) return [{ words: [RX + 16 * index, ...place(random), 0, 0] }, mmio(0x2818, next)]
    const size = random.chance(3) ? random.below(0x10_0000) : length(random)
    const kind = random.pick([0, 0x2000_0000, 0x2010_0000])
    const command = random.below(256) << 24
    const layout = [random.u32(), random.u32(), size | kind | command, random.u32()]
    const data = [...place(random), size | kind | command, random.below(0x1_0000) << random.pick([0, 8, 16])]
    const isContext = kind === 0x2000_0000
    return [{ words: [TX + 16 * index, ...(isContext ? layout : data)] }, mmio(0x3818, next)]
  },
}

// RTL8139: four buffers, or the rings of C+ mode
const rtl8139: Kind = {
  ...{ type: 'rtl8139', bar: 1 },
  start: (random) => [
    ...[port(0x37, 0x10, 1), port(0xe0, random.pick([0, 3, 0x2b]), 2), port(0x30, LISTS + 0x2000, 4)],
    ...[port(0x20, TX, 4), port(0x24, 0, 4), port(0xe4, RX, 4), port(0xe8, 0, 4), port(0x37, 0x0c, 1)],
    ...[port(0x44, random.pick([0x0f, 0x1f, 0x9f, 0xf78f]), 4), port(0x40, random.pick([0, 0x6_0000]), 4)],
    port(0x3c, 0xffff, 2),
  ],
  ask(random) {
    const n = random.below(4)
    switch (random.below(4)) {
      case 0:
        return [port(0x20 + 4 * n, place(random)[0], 4), port(0x10 + 4 * n, length(random), 4)]
      case 1:
        return [port(0x38, random.u32(), 2), port(0x3e, 0xffff, 2)]
      case 2: {
        const owned = [0x8000_0000 | flag(random, 0x4000_0000, 4) | length(random), 0, ...place(random)]
        return [{ words: [RX + 16 * random.below(8), ...owned] }]
      }
      default: {
        const flags = 0x8000_0000 | (random.below(16) << 27) | (random.below(0x800) << 16) | length(random)
        return [{ words: [TX + 16 * n, flags, random.u32(), ...place(random)] }, port(0xd9, 0x40, 1)]
      }
    }
  },
}

// PCnet: an initialization block, and rings of up to 512 descriptors
const csr = (n: number, value: number) => [port(0x12, n), port(0x10, value & 0xffff)]
const pcnet: Kind = {
  ...{ type: 'pcnet', bar: 1 },
  start: (random) => [
    ...[{ read: [0x14, 2] } as Step, port(0x12, 20), port(0x16, random.pick([0, 2, 3]))],
    { fill: [LISTS + 0x4000, ...some(random, 2), random.pick([0x20, 0x90, 0xf0]), 0x20, 1, 2, 3, 4, 5, 6, 0, 0] },
    { words: [LISTS + 0x400c, random.u32(), random.u32(), RX, TX] },
    ...[...csr(1, (LISTS + 0x4000) & 0xffff), ...csr(2, (LISTS + 0x4000) >>> 16)],
    ...[...csr(4, random.pick([0x915, 0x1915, random.u32()])), ...csr(0, 0x41), { run: 1e5 }, ...csr(0, 0x42)],
  ],
  ask(random) {
    const [ring, n] = [random.pick([TX, TX, RX]), random.below(8)]
    const flags =
      (0x8000_0000 | flag(random, random.below(256) << 24, 4) | 0x0300_f000 | (-length(random) & 0xfff)) >>> 0
    const words = [place(random)[0], flags, 0, 0]
    return [
      { words: [ring + 16 * n, ...(random.chance(3) ? [words[2], flags, words[0], 0] : words)] },
      ...(random.chance(8) ? csr(random.below(128), random.u32()) : csr(0, 0x48)),
    ]
  },
}

const KINDS = [ahci, nvme, e1000, rtl8139, pcnet]

function make(random: Random, kind: Kind): Step[] {
  const size = random.pick<Size>([1, 2, 4, 4])
  switch (random.below(20)) {
    case 0:
      return [{ run: random.pick([0, 1000, 1e5, 1e7]) }]
    case 1:
      return [{ arrive: random.pick([1, 14, 60, 1514, random.below(16_000)]) }]
    case 2:
      return [{ mmio: [random.below(WINDOW), random.u32(), size] }]
    case 3:
      return [{ port: [random.below(0x100), random.u32(), size] }]
    case 4:
      return [{ read: [random.below(WINDOW), size] }]
    case 5: {
      const register = random.pick([4, 4, 4, 0x3c, 0x40 + 4 * random.below(48)])
      return [{ config: [register, register === 4 ? random.pick([3, 7, 7, 0x407]) : random.u32()] }]
    }
    case 6:
      return random.chance(3) ? kind.start(random) : []
    default:
      return [...kind.ask(random), ...(random.chance(3) ? [{ run: random.pick([1e4, 1e6]) }] : [])]
  }
}

interface Bench {
  card: PciCard
  medium: MemoryMedium
}

function bench({ type, bar }: Kind): Bench {
  const medium = new MemoryMedium(RAM)
  const net = new LoopbackPort()
  const drives = [new AtaDisk({ medium }), new AtapiCd({ medium: new MemoryMedium(RAM, { readOnly: true }) })]
  const backend = (name: string) => (name === 'net' ? net : name === 'block' ? medium : undefined)
  const options = type === 'nvme' ? { drive: 'disk0' } : {}
  return { card: new PciCard(type, net, bar, options, backend, { sata: { drives } }), medium }
}

function perform(card: PciCard, step: Step): unknown {
  if ('run' in step) card.clock.advance(step.run)
  else if ('mmio' in step) card.writeMmio(...step.mmio)
  else if ('port' in step) card.out(...step.port)
  else if ('read' in step) return card.readMmio(...step.read)
  else if ('config' in step) card.config(...step.config)
  else if ('arrive' in step) card.arrive(new Uint8Array(step.arrive).fill(step.arrive & 0xff))
  else if ('fill' in step) card.poke(step.fill[0], step.fill.slice(1))
  else card.poke32(...step.words)
  return undefined
}

/** Card, memory and disk. */
function isSame(one: Bench, other: Bench): boolean {
  if (JSON.stringify(one.card.save()) !== JSON.stringify(other.card.save())) return false
  const ram = ({ card }: Bench) => Buffer.from(card.bytes(0, RAM).buffer)
  return ram(one).equals(ram(other)) && Buffer.from(one.medium.data.buffer).equals(other.medium.data)
}

/** What is wrong, in words; undefined where nothing is. */
function attempt(kind: Kind, steps: readonly Step[], split: number): string | undefined {
  let at = 0
  const before = process.cpuUsage()
  try {
    const original = bench(kind)
    for (; at < split; at++) perform(original.card, steps[at])
    const copy = bench(kind)
    copy.card.clock.advance(original.card.clock.now())
    copy.card.load(original.card.save(), original.card)
    copy.medium.data.set(original.medium.data)
    for (; at < steps.length; at++)
      if (perform(original.card, steps[at]) !== perform(copy.card, steps[at]))
        return `the copy reads otherwise, step ${at}`
    if (!isSame(original, copy)) return 'the copy differs'
    const { user, system } = process.cpuUsage(before)
    const took = (user + system) / 1000
    return took > PATIENCE ? `it took ${Math.round(took)} ms` : undefined
  } catch (error) {
    return `step ${at}, ${JSON.stringify(steps[at])}: ${(error as Error).stack}`
  }
}

const fuzzer: Fuzzer = {
  name: 'cards',
  title: 'disk controllers and network cards answer drivers that lie',
  unit: 'steps',
  dose: 30,
  async run(random, { size, count }) {
    const kind = random.pick(KINDS)
    const steps = kind.start(random)
    while (steps.length < 400 * size) steps.push(...make(random, kind))
    const split = random.below(steps.length)
    const wrong = attempt(kind, steps, split)
    if (wrong === undefined) return count(steps.length)
    const small = await shrink(steps, (part) => attempt(kind, part, Math.min(split, part.length)) !== undefined)
    throw new FuzzFailure(wrong, `${kind.type}: ${JSON.stringify(small.slice(0, 40))}`)
  },
}

export default fuzzer
