/**
 * Every device of the PC and of the catalogue by random accesses: ports, MMIO, PCI configuration, DMA whose descriptors
 * and data are random bytes in RAM, and steps of the clock, as QEMU's fuzzer does it. At random moments the machine is
 * saved and loaded into another, which must answer the next accesses alike and end in the same state.
 */
import type { MemoryMap } from '../../machine/bus/memory-map.js'
import type { PortBus } from '../../machine/bus/port-bus.js'
import type { AccessSize } from '../../machine/device.js'
import { DEVICE_TYPES, DeviceError, type DeviceSpec } from '../../machine/devices/catalogue.js'
import type { NetworkPort } from '../../machine/network/port.js'
import { differences } from '../../machine/state/compare.js'
import type { MachineState } from '../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../machine/state/memory-image.js'
import { type BarePc, barePc, NEEDED_OPTIONS } from '../machine/state/bare-pc.js'
import type { Random } from '../random.js'
import { type Fuzzer, FuzzFailure, shrink } from './fuzzer.js'

type Access =
  | { in: number; size: AccessSize }
  | { out: number; size: AccessSize; value: number }
  | { read: number; size: AccessSize }
  | { write: number; size: AccessSize; value: number }
  /** Random bytes, from a seed, in a page of RAM: what a device is about to read by DMA. */
  | { fill: number; seed: number }
  | { run: number }

/** Of a case: few, so that each kind of access is the first one now and then, to many. */
const ACCESSES = [300, 1500, 4000, 10_000]
/** Accesses that a machine and its copy get side by side. */
const SIDE_BY_SIDE = 300
const RAM = 2 << 20
/** Of the clock, ns: a guest that has run wild executes all that time. */
const STEPS = [...Array<number>(16).fill(100_000), 5_000_000, 60_000_000]
const SIZES: readonly AccessSize[] = [1, 1, 2, 4]
/** IDE's and the CD drive's, by PIO and by DMA; others by chance. */
const ATA = [
  0x20, 0x24, 0x30, 0x39, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0x25, 0x35, 0xa0, 0xa1, 0xec, 0x90, 0x08, 0xe7, 0xf8, 0x27,
]
const FDC = [0x03, 0x04, 0x07, 0x08, 0x0a, 0x0f, 0x0d, 0x46, 0xc5, 0xe6, 0x4d, 0x13, 0x0e, 0x8e, 0x42, 0x51, 0x16, 0x18]
const PACKETS = [0x00, 0x03, 0x12, 0x1a, 0x1b, 0x25, 0x28, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xb9, 0xbd, 0xbe]
/** Index registers with the data register behind them: VGA's, the CMOS, Bochs VBE's. */
const INDEXED = [0x3c4, 0x3ce, 0x3d4, 0x70, 0x1ce]

interface Bench extends BarePc {
  ports: PortBus
}

/** Two machines with the same devices: what is done to one, and to a copy of it. */
interface Pair {
  readonly devices: readonly DeviceSpec[]
  readonly original: Bench
  readonly copy: Bench
  /** What each case begins with. */
  readonly start: MachineState
  readonly known: Known
}

interface Known {
  ports: number[]
  windows: { name: string; base: number; size: number }[]
}

/** Sends back what it is given. */
function loopback(): NetworkPort {
  const port: NetworkPort = { link: true, send: (frame, time) => port.receive?.(frame, time) }
  return port
}

function bench(devices: readonly DeviceSpec[]): Bench {
  const bare = barePc({ devices: [...devices], backend: (kind) => (kind === 'net' ? loopback() : undefined) })
  return { ...bare, ports: (bare.pc as unknown as { ports: PortBus }).ports }
}

/** The types of devices in a machine that these were added to; undefined where they do not go together. */
function typesWith(devices: readonly DeviceSpec[]): string[] | undefined {
  try {
    const { pc } = bench(devices)
    const types = Object.values(pc.shape().devices)
    pc.close()
    return types
  } catch (error) {
    if (error instanceof DeviceError) return undefined
    throw error
  }
}

/** Every type of the catalogue that a PC has not of itself, in as few machines as they go together in. */
export function machinesOfCatalogue(): DeviceSpec[][] {
  const machines: { added: DeviceSpec[]; types: string[] }[] = [{ added: [], types: typesWith([]) ?? [] }]
  for (const { type } of DEVICE_TYPES) {
    if (machines.some(({ types }) => types.includes(type))) continue
    const added = { type, options: NEEDED_OPTIONS[type] }
    // One that takes the place of another needs a machine of its own.
    const home = machines.find(({ added: others, types }) => {
      const now = typesWith([...others, added])
      return now && types.every((before) => now.includes(before))
    })
    if (home) {
      home.added.push(added)
      home.types.push(type)
    } else machines.push({ added: [added], types: typesWith([added]) ?? [] })
  }
  return machines.map(({ added }) => added)
}

function pairWith(devices: readonly DeviceSpec[]): Pair {
  const [original, copy] = [bench(devices), bench(devices)]
  assignBars(original)
  // The bus master is where the recipes want it.
  original.pci(1, 1, 0x20, 0xc000)
  original.pci(1, 1, 4, 5)
  const known = {
    ports: original.ports.ranges().flatMap(({ base, count }) => Array.from({ length: count }, (_, i) => base + i)),
    windows: original.memory.describe().filter(({ kind }) => kind === 'mmio'),
  }
  return { devices, original, copy, start: original.pc.save(), known }
}

/** Gives every function of the PCI bus its registers, as firmware does, and lets it read and write memory. */
function assignBars({ pci, ports }: Bench): void {
  let [port, address] = [0xd000, 0xe000_0000]
  const read = (device: number, fn: number, register: number) => {
    ports.write(0xcf8, 0x8000_0000 + device * 0x800 + fn * 0x100 + register, 4)
    return ports.read(0xcfc, 4)
  }
  for (let device = 2; device < 32; device++) {
    if (read(device, 0, 0) === 0xffff_ffff) continue
    const registers = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24]
    for (const register of registers) {
      pci(device, 0, register, 0xffff_ffff)
      const mask = read(device, 0, register)
      if (mask === 0) continue
      if (mask & 1) {
        pci(device, 0, register, port)
        port += 0x100
        continue
      }
      const size = -(mask & ~15) >>> 0
      address = Math.ceil(address / size) * size
      pci(device, 0, register, address)
      address += size
      // The next is the high half of a wide one.
      if ((mask & 6) === 4) pci(device, 0, registers.splice(registers.indexOf(register) + 1, 1)[0], 0)
    }
    pci(device, 0, 4, 7)
  }
}

/** Made once; each case starts both machines of one from the same state. */
let pairs: Pair[] | undefined
/** Of the last case's states; they may be closed when both machines have loaded another. */
let layers: readonly MemoryLayer[] = []

function setUp(): Pair[] {
  pairs ??= machinesOfCatalogue().map(pairWith)
  return pairs
}

function close(): void {
  for (const { original, copy, start } of pairs ?? []) {
    original.pc.close()
    copy.pc.close()
    start.memory.layers.forEach(closeLayer)
  }
  layers.forEach(closeLayer)
  layers = []
  pairs = undefined
}

function perform({ pc, ports, memory }: Bench, access: Access): number {
  if ('in' in access) return ports.read(access.in, access.size)
  if ('out' in access) ports.write(access.out, access.value, access.size)
  else if ('read' in access) return memory.mmioRead(access.read, access.size)
  else if ('write' in access) memory.mmioWrite(access.write, access.value, access.size)
  else if ('fill' in access) fill(memory, access.fill, access.seed)
  else pc.run(pc.now() + access.run)
  return 0
}

function fill(memory: MemoryMap, page: number, seed: number): void {
  const bytes = new Uint8Array(4096)
  for (let i = 0, x = seed; i < bytes.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    bytes[i] = x >>> 24
  }
  memory.write(page * 4096, bytes)
}

/** One access, or the few that it takes to get a device going. */
function make(random: Random, known: Known): Access[] {
  const size = random.pick(SIZES)
  const page = random.below(RAM / 4096)
  // Small ones, and pages of RAM, in which rings may be.
  const value = random.chance(3) ? random.below(16) : random.chance(4) ? random.pick([page, page * 4096]) : random.u32()
  const byte = (port: number, byteValue: number): Access => ({ out: port, size: 1, value: byteValue & 0xff })
  switch (random.below(19)) {
    case 0:
      return [{ run: random.below(random.pick(STEPS)) }]
    case 1:
      return [{ fill: random.below(RAM / 4096), seed: random.u32() }]
    case 2: {
      const slot = 0x80000000 + random.below(8) * 0x800 + random.below(4) * 0x100 + random.below(256)
      return [
        { out: 0xcf8, size: 4, value: (slot & ~3) >>> 0 },
        random.chance(2) ? { in: 0xcfc + (slot & 3), size } : { out: 0xcfc + (slot & 3), size, value },
      ]
    }
    case 3: {
      const base = random.pick([0x1f0, 0x170])
      const registers = [1, 2, 3, 4, 5].map((i) => byte(base + i, random.chance(2) ? 0 : random.below(256)))
      const command = random.chance(4) ? random.below(256) : random.pick(ATA)
      return [
        byte(base + 6, random.pick([0xa0, 0xb0, 0xe0, 0xf0])),
        ...registers,
        byte(base + 7, command),
        { run: 60_000 },
      ]
    }
    case 4: {
      const packet = Array.from(
        { length: 6 },
        (_, i): Access => ({
          out: 0x170,
          size: 2,
          value:
            i === 0 ? random.pick(PACKETS) | (random.u32() & 0xff00) : random.chance(2) ? 0 : random.u32() & 0xffff,
        }),
      )
      const features = byte(0x171, random.below(2))
      return [byte(0x176, 0xa0), features, byte(0x177, 0xa0), { run: 1000 }, ...packet, { run: 200_000 }]
    }
    case 5: {
      const parameters = Array.from({ length: 8 }, () => byte(0x3f5, random.below(random.pick([4, 20, 256]))))
      return [byte(0x3f5, random.pick(FDC)), ...parameters, { run: 300_000 }, { in: 0x3f5, size: 1 }]
    }
    case 6:
      return [
        { out: 0xc004, size: 4, value: random.chance(8) ? random.u32() : random.below(RAM) & ~3 },
        byte(0xc000, random.pick([0, 1, 8, 9])),
        byte(0xc008, random.pick([0, 1, 8, 9])),
      ]
    case 7:
      return [
        { out: 0x1ce, size: 2, value: random.below(12) },
        { out: 0x1cf, size: 2, value: random.pick([0, 1, 0x41, 8, 32, 640, random.below(65536)]) },
      ]
    case 8:
    case 9: {
      const window = random.pick(known.windows)
      const address = window.base + random.below(random.chance(2) ? Math.min(window.size, 1024) : window.size)
      return [random.chance(2) ? { read: address, size } : { write: address, size, value }]
    }
    case 10: {
      const base = random.pick(INDEXED)
      return [
        byte(base, random.below(random.pick([16, 64, 256]))),
        random.chance(4) ? { in: base + 1, size } : { out: base + 1, size, value },
      ]
    }
    case 12: {
      const nvme = known.windows.find(({ name }) => name === 'nvme registers')?.base
      if (nvme === undefined) return []
      const write = (offset: number, word: number): Access => ({ write: nvme + offset, size: 4, value: word })
      if (random.chance(3)) return [write(0x1000 + 4 * random.below(6), random.below(24)), { run: 20_000 }]
      const queues = [write(0x24, 0x0017_0017), write(0x28, page * 4096), write(0x30, 4096 * random.below(RAM / 4096))]
      return [write(0x14, 0), ...queues, write(0x14, 0x0046_0001), write(0x1000, random.below(24)), { run: 300_000 }]
    }
    case 11: {
      // A string instruction at one port: data ports want more than one.
      const port = random.pick(known.ports)
      const reads = random.chance(2)
      return Array.from(
        { length: random.below(80) },
        (): Access => (reads ? { in: port, size } : { out: port, size, value: random.u32() }),
      )
    }
    default: {
      const port = random.chance(12) ? random.below(65536) : random.pick(known.ports)
      return [random.chance(2) ? { in: port, size } : { out: port, size, value }]
    }
  }
}

/** What is wrong, in words; undefined where nothing is. */
function attempt(pair: number, accesses: readonly Access[], split: number): string | undefined {
  const { original, copy, start } = setUp()[pair]
  original.pc.load(start)
  copy.pc.load(start)
  layers.forEach(closeLayer)
  layers = []
  let at = 0
  try {
    for (; at < split; at++) perform(original, accesses[at])
    const saved = original.pc.save()
    copy.pc.load(saved)
    for (; at < accesses.length; at++) {
      const [one, other] = [perform(original, accesses[at]), perform(copy, accesses[at])]
      if (one !== other) return `the copy answered ${other} to access ${at}, the original ${one}`
    }
    const [one, other] = [original.pc.save(), copy.pc.save()]
    const different = differences(one, other)
    const kept = new Set(start.memory.layers)
    layers = [...new Set([saved, one, other].flatMap(({ memory }) => memory.layers))].filter(
      (layer) => !kept.has(layer),
    )
    copy.pc.load(one)
    return different.length > 0 ? `the copy differs in ${different.join(', ')}` : undefined
  } catch (error) {
    close()
    return `access ${at}, ${JSON.stringify(accesses[at])}: ${(error as Error).stack}`
  }
}

const fuzzer: Fuzzer = {
  name: 'devices',
  title: 'every device of the catalogue is driven at random; a copy goes on as its original does',
  unit: 'accesses',
  dose: 8,
  async run(random, { size, count }) {
    const pair = random.below(setUp().length)
    const { known, devices } = setUp()[pair]
    const accesses: Access[] = []
    const wanted = random.pick(ACCESSES) * size
    while (accesses.length < wanted) accesses.push(...make(random, known))
    const split = accesses.length - SIDE_BY_SIDE
    const wrong = attempt(pair, accesses, split)
    if (wrong === undefined) return count(accesses.length + SIDE_BY_SIDE)
    const small = await shrink(
      accesses,
      (part) => attempt(pair, part, Math.max(0, part.length - SIDE_BY_SIDE)) !== undefined,
    )
    const added = devices.map(({ type }) => type).join(', ')
    throw new FuzzFailure(wrong, `${added && `with ${added}: `}${JSON.stringify(small.slice(0, 60))}`)
  },
  close,
}

export default fuzzer
