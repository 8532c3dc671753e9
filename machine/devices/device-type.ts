/**
 * What a type of device says of itself, and what it is handed when one is plugged in. The catalogue (`catalogue.ts`) has a
 * row a type, named as QEMU names it; the command line, `launch()`, `bootwright devices` and the board read it.
 */
import type { PciFunction, PciFunctionOptions } from '../bus/pci-function.js'
import type { DmaChannel } from '../chipset/i8237.js'
import type { Clock } from '../clock.js'
import type { Device, IrqLine, PhysicalMemory, Warn } from '../device.js'
import { UsageError } from '../errors.js'
import type { Chosen, DeviceOptions } from './device-option.js'

export interface PortClaim {
  name: string
  base: number
  count: number
}

/** There is no such type or option, or a value does not fit; one sentence. */
export class DeviceError extends UsageError {
  override readonly name = 'DeviceError'
}

/** The groups of `bootwright devices`, in QEMU's words. */
export type DeviceCategory = 'Storage' | 'Network' | 'Display' | 'Input' | 'Sound' | 'Serial' | 'Misc'

export interface DeviceType<O extends DeviceOptions = DeviceOptions> {
  /** QEMU's name: `isa-debug-exit`, `VGA`, `ne2k_isa`. */
  readonly type: string
  /** What it is, a few words. */
  readonly title: string
  readonly category: DeviceCategory
  readonly bus: 'isa' | 'pci' | 'ide' | 'floppy' | 'scsi' | 'virtio-serial' | 'system'
  /** By QEMU's names. */
  readonly options: O
  /** An option that does not go with the others, and what it must be. */
  clash?(chosen: Chosen<O>): { option: string; must: string } | undefined
  /** Where guests look for one: named in reports where none is plugged in. */
  readonly legacyPorts?: readonly PortClaim[]
  /** The firmware's file behind its expansion ROM register, where its option `romfile` names no other. */
  readonly rom?: string
  /** Guest-visible memory that it has beside RAM, bytes; the machine's arena is made for it. */
  memory?(options: Chosen<O>): number
  /** Makes one. undefined: what it is plugged into resets and saves it, as a controller does its drives. */
  create(slot: Slot, options: Chosen<O>): Device | undefined
}

/** Memory of the guest's that is not RAM. */
export interface MemoryPiece {
  name: string
  /** In the arena. */
  offset: number
  size: number
  bytes: Uint8Array
}

/** Where a device is plugged in: everything that it may use, so that it knows neither board nor host. */
export interface Slot {
  /** Unique in the machine; names its interrupt sources and its saved state, too. */
  readonly name: string
  readonly clock: Clock
  readonly memory: PhysicalMemory
  readonly warn: Warn
  /** A source of its own of ISA interrupt `n` (or global system interrupt, to 23), by a name that is unique in the device. */
  irq(line: string, n: number): IrqLine
  /** DMA channel 0 to 7 of the 8237A pair. */
  dma(channel: number): DmaChannel
  /** A PCI function of its own; it goes on the bus when the device is made, with the base addresses that it has then. */
  pci(options: Omit<PciFunctionOptions, 'name'>, place?: { device?: number; function?: number }): PciFunction
  /** Memory for a frame buffer or a ROM. `constant` contents are no part of snapshots. */
  allocate(name: string, size: number, constant?: boolean): MemoryPiece
  /** A file of the firmware's, such as `vgabios` or `efi-e1000.rom`, or one that a user named; undefined where there is none. */
  firmware(file: string): Uint8Array | undefined
  /** What it is plugged into, as that bus's contract has it. Throws an Error where the board has none. */
  bus<T>(kind: string): T
  /** The other end of a serial line, a disk's medium, a network port, by the device's name or one that it was told: undefined where nothing is connected. */
  backend<T>(kind: string, name?: string): T | undefined
}

/** The other end of a line of characters: what the guest sends goes to `send`, the device sets `receive`. */
export interface CharBackend {
  send(byte: number): void
  receive?: (bytes: Uint8Array) => void
  /** Bytes that the guest has not taken yet. */
  pending?: () => number
}

/** The machine itself, as a device that ends it sees it: the bus `machine`. */
export interface MachineControl {
  /** The guest needs nothing of what is there: it reads as zeros, and the host has the memory. */
  giveBack(address: number, length: number): void
  /** A debug exit with the value that the guest wrote. */
  debugExit(code: number): void
  /** The watchdog of this name was not fed in time. */
  watchdog(name: string, action: 'reset' | 'poweroff' | 'pause'): void
}

/** A type's row: `export const isaDebugExit = deviceType({ … })`. Its options are made when somebody asks. */
export function deviceType<O extends DeviceOptions>(
  type: Omit<DeviceType<O>, 'options'> & { options: () => O },
): DeviceType {
  let options: O | undefined
  return Object.defineProperty({ ...type } as object, 'options', {
    get() {
      options ??= type.options()
      return options
    },
  }) as DeviceType
}
