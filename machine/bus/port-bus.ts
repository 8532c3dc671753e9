/**
 * The I/O port bus: 64 Ki ports, each with at most one owner that answers.
 *
 * Fixed ranges may not overlap: two devices at one port is a mistake in the machine's table and an Error that names
 * both. Overlays (what a guest places through a PCI BAR, and CF9h inside the PCI address register) lie above them.
 * An access belongs to the owner of its first port when that owner has the last port too and takes the width;
 * otherwise it is halved, low half first, until it fits. Ports that nobody owns read all ones and are counted.
 */
import type { AccessSize, PortRange } from '../device.js'

/** A range of ports that does not know its place: what stands behind a PCI BAR. */
export type PortWindow = Omit<PortRange, 'base'>

/** One port that was touched without an owner. */
export interface UnhandledPort {
  port: number
  reads: number
  writes: number
  /** Owner from the table of absent devices, where it stands in it. */
  name?: string
}

/** A range in its place. Opaque to callers; hand it to `unmap`. */
export interface PortMapping {
  readonly name: string
  readonly base: number
  readonly count: number
}

class Slot implements PortMapping {
  /** In the bus's list of who answers. */
  number = 0

  constructor(
    readonly name: string,
    readonly owner: string,
    readonly base: number,
    readonly count: number,
    readonly width: number,
    readonly window: PortWindow,
    readonly overlay: boolean,
  ) {}

  get end(): number {
    return this.base + this.count
  }
}

const PORTS = 0x10000

function hex(port: number): string {
  return `0x${port.toString(16).padStart(4, '0')}`
}

export class PortBus {
  /** The number of who answers at each port, 0 for nobody: what no device touches takes the host no memory. */
  private readonly table = new Uint16Array(PORTS)
  private readonly numbered: (Slot | undefined)[] = [undefined]
  /** Fixed ranges, then overlays, each in the order they came: a later one lies above an earlier one. */
  private slots: Slot[] = []
  private readonly unhandledReads = new Uint32Array(PORTS)
  private readonly unhandledWrites = new Uint32Array(PORTS)
  /** Told of each access to a port that nobody owns. */
  onUnassigned: ((port: number, write: boolean) => void) | undefined
  private readonly absent: { name: string; base: number; count: number }[] = []

  /**
   * Adds a fixed range of the device `owner`.
   * Throws an Error that names both owners when another fixed range has one of its ports.
   */
  add(owner: string, range: PortRange): PortMapping {
    const slot = new Slot(range.name, owner, range.base, range.count, range.width ?? 1, range, false)
    this.checkBounds(slot)
    for (const other of this.slots) {
      if (other.overlay || other.base >= slot.end || slot.base >= other.end) continue
      throw new Error(
        `ports ${hex(slot.base)}-${hex(slot.end - 1)} (${owner}: ${range.name}) overlap ` +
          `${hex(other.base)}-${hex(other.end - 1)} (${other.owner}: ${other.name})`,
      )
    }
    this.insert(slot)
    return slot
  }

  /** Removes a fixed range that `add` was given. */
  remove(range: PortRange): void {
    const slot = this.slots.find((s) => s.window === range && !s.overlay)
    if (!slot) throw new Error(`port range ${range.name} at ${hex(range.base)} is not on the bus`)
    this.unmap(slot)
  }

  /** Lays `window` over whatever has these ports; the latest overlay wins. Ports past 0xffff are cut off. */
  overlay(owner: string, base: number, window: PortWindow): PortMapping {
    const count = Math.max(0, Math.min(window.count, PORTS - base))
    const slot = new Slot(window.name, owner, base, count, window.width ?? 1, window, true)
    this.insert(slot)
    return slot
  }

  /** Takes away what `add` or `overlay` returned; what lies under it answers again. */
  unmap(mapping: PortMapping): void {
    this.slots = this.slots.filter((slot) => slot !== mapping)
    this.repaint(mapping.base, mapping.base + mapping.count)
    const { number } = mapping as Slot
    if (number > 0) this.numbered[number] = undefined
    ;(mapping as Slot).number = 0
  }

  /** Says that these ports belong to hardware that this machine knowingly lacks: accesses are reported by its name. */
  declareAbsent(name: string, base: number, count: number): void {
    this.absent.push({ name, base, count })
  }

  /** All ranges in their places, by first port. */
  ranges(): { owner: string; name: string; base: number; count: number; overlay: boolean }[] {
    return this.slots
      .map(({ owner, name, base, count, overlay }) => ({ owner, name, base, count, overlay }))
      .sort((a, b) => a.base - b.base)
  }

  /** Of the range that answers at a port, or of the absent device that it belongs to. */
  nameOf(port: number): string | undefined {
    return this.answering(port)?.name ?? this.absentName(port)
  }

  /** Returns an unsigned value of `size` bytes. Ports wrap at 64 Ki as the address lines do. */
  read(port: number, size: AccessSize): number {
    const slot = this.answering(port)
    if (slot !== undefined) {
      if (size === 1) return slot.window.read(port - slot.base, 1) & 0xff
      if (size <= slot.width && this.answering((port + size - 1) & 0xffff) === slot && port + size <= slot.end) {
        const value = slot.window.read(port - slot.base, size)
        return size === 4 ? value >>> 0 : value & 0xffff
      }
    } else if (this.isUnassigned(port, size)) {
      this.unhandledReads[port]++
      this.onUnassigned?.(port, false)
      return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff
    }
    const half = size === 4 ? 2 : 1
    const low = this.read(port, half)
    const high = this.read((port + half) & 0xffff, half)
    return half === 1 ? low | (high << 8) : (low | (high << 16)) >>> 0
  }

  write(port: number, value: number, size: AccessSize): void {
    const slot = this.answering(port)
    if (slot !== undefined) {
      if (size === 1) {
        slot.window.write(port - slot.base, value & 0xff, 1)
        return
      }
      if (size <= slot.width && this.answering((port + size - 1) & 0xffff) === slot && port + size <= slot.end) {
        slot.window.write(port - slot.base, size === 4 ? value >>> 0 : value & 0xffff, size)
        return
      }
    } else if (this.isUnassigned(port, size)) {
      this.unhandledWrites[port]++
      this.onUnassigned?.(port, true)
      return
    }
    const half = size === 4 ? 2 : 1
    this.write(port, half === 1 ? value & 0xff : value & 0xffff, half)
    this.write((port + half) & 0xffff, half === 1 ? (value >>> 8) & 0xff : value >>> 16, half)
  }

  /** Ports that were touched without an owner, by port. An access counts once, at its first port. */
  unhandled(): UnhandledPort[] {
    const list: UnhandledPort[] = []
    for (let port = 0; port < PORTS; port++) {
      const reads = this.unhandledReads[port]
      const writes = this.unhandledWrites[port]
      if (reads === 0 && writes === 0) continue
      const name = this.absentName(port)
      list.push(name === undefined ? { port, reads, writes } : { port, reads, writes, name })
    }
    return list
  }

  /** Port, reads and writes of `unhandled`, for the state. */
  get unhandledCounts(): [number, number, number][] {
    return this.unhandled().map(({ port, reads, writes }) => [port, reads, writes])
  }

  set unhandledCounts(counts: [number, number, number][]) {
    this.clearUnhandled()
    for (const [port, reads, writes] of counts) {
      this.unhandledReads[port] = reads
      this.unhandledWrites[port] = writes
    }
  }

  /** Forgets the counts: a machine starts anew. */
  clearUnhandled(): void {
    this.unhandledReads.fill(0)
    this.unhandledWrites.fill(0)
  }

  private isUnassigned(port: number, size: AccessSize): boolean {
    for (let i = 1; i < size; i++) if (this.table[(port + i) & 0xffff] !== 0) return false
    return true
  }

  private absentName(port: number): string | undefined {
    return this.absent.find((a) => port >= a.base && port < a.base + a.count)?.name
  }

  private checkBounds(slot: Slot): void {
    if (slot.base >= 0 && slot.count > 0 && slot.end <= PORTS) return
    throw new Error(`ports ${hex(slot.base)}+${slot.count} (${slot.owner}: ${slot.name}) are outside the 64 Ki`)
  }

  private answering(port: number): Slot | undefined {
    return this.numbered[this.table[port]]
  }

  private insert(slot: Slot): void {
    const free = this.numbered.indexOf(undefined, 1)
    slot.number = free < 0 ? this.numbered.length : free
    this.numbered[slot.number] = slot
    if (slot.overlay) this.slots.push(slot)
    else {
      const firstOverlay = this.slots.findIndex((s) => s.overlay)
      this.slots.splice(firstOverlay < 0 ? this.slots.length : firstOverlay, 0, slot)
    }
    this.repaint(slot.base, slot.end)
  }

  private repaint(from: number, to: number): void {
    this.table.fill(0, from, to)
    for (const slot of this.slots) {
      const start = Math.max(from, slot.base)
      const end = Math.min(to, slot.end)
      if (start < end) this.table.fill(slot.number, start, end)
    }
  }
}
