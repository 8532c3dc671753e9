/**
 * The device contract: what every piece of hardware declares and what is handed to it.
 *
 * A device knows offsets, not addresses of the host: its clock, its interrupt lines, its DMA and its
 * backends come in through its constructor, so that it can be tested alone by a few reads and writes.
 */

import type { Display } from './devices/display/display.js'

/** Width of one bus access in bytes. */
export type AccessSize = 1 | 2 | 4 | 8

/** What a device saves: plain data, typed arrays allowed, so a snapshot can be written and compared. */
export type State = { [key: string]: StateValue }
export type StateValue = number | bigint | string | boolean | null | Uint8Array | StateValue[] | State

/** What a value in a state has to be like. */
export interface Check {
  /** For the sentence: `a number from 0 to 255`. */
  readonly wanted: string
  fits(value: StateValue | undefined): boolean
}

/** How one member of an object is saved, checked, loaded and reset; the kinds are in `state/fields.ts`. */
export interface Field extends Check {
  /** What only the machine that loads can tell: throws a SnapshotError. `now` is the state's guest time, if known. */
  check?(saved: StateValue, present: unknown, where: string, now: number | undefined): void
  save(present: unknown): StateValue
  /** What the member becomes: `present` itself where its contents were changed in place. The value has been checked. */
  load(saved: StateValue, present: unknown): unknown
  /** Its value after a reset, where that is always the same. */
  readonly initial?: StateValue
}

export type StateTable = { readonly [member: string]: Field }

/** A device, or a part of one: saved and loaded by `state/state-table.ts`. */
export interface Stateful {
  /** The members that are saved. A getter and a setter are a member as well. */
  readonly state: StateTable
  /** They have been loaded: brings what follows from them in line. Drives no line whose other end restores itself. */
  loaded?(): void
}

/** A level-triggered or edge-triggered wire: `true` is asserted. Calling it with the level it has is a no-op. */
export type IrqLine = (level: boolean) => void

/**
 * A range of I/O ports. `offset` counts from `base`. The bus splits an access that is wider than `width`, or that
 * runs over the end of the range, into naturally ordered (little-endian) accesses of `width` bytes; so a handler
 * sees only sizes up to `width`.
 */
export interface PortRange {
  /** For reports, e.g. `COM1`. */
  readonly name: string
  /** First port, 0 to 0xffff. */
  readonly base: number
  /** Number of ports. */
  readonly count: number
  /** Widest access that the handlers take as one; default 1. */
  readonly width?: 1 | 2 | 4
  /** Returns an unsigned value of `size` bytes. */
  read(offset: number, size: AccessSize): number
  write(offset: number, value: number, size: AccessSize): void
}

/** A range of memory-mapped registers; the same rules as for ports. 8-byte accesses arrive as two 4-byte ones, low first. */
export interface MmioRange {
  readonly name: string
  /** Guest-physical address. */
  readonly base: number
  /** Bytes. */
  readonly size: number
  /** Widest access that the handlers take as one; default 4. */
  readonly width?: 1 | 2 | 4
  read(offset: number, size: AccessSize): number
  write(offset: number, value: number, size: AccessSize): void
  /** For debuggers: what a read of the aligned 4 bytes gives, and nothing changes. Without it they cannot look at the range. */
  peek?(offset: number): number
}

/** AML, byte by byte (`firmware/tables/aml.ts`), and the scope that it stands in. */
export interface AcpiDevice {
  scope: 'isa' | 'pci'
  aml: readonly number[]
}

/** One piece of hardware in the machine's table. */
export interface Device extends Stateful {
  /** QEMU's device name where it has one (`isa-serial`), else the chip's name. Unique in a machine. */
  readonly name: string
  /** Fixed port ranges; those behind PCI BARs are declared by the PCI function. */
  readonly ports?: readonly PortRange[]
  /** Fixed memory-mapped ranges. */
  readonly mmio?: readonly MmioRange[]
  /** A display adapter's picture. */
  readonly display?: Display
  /** The state after a hardware reset (RESET# or power-on; a device that tells them apart documents it). */
  reset(): void
  /** What ACPI is to know of it: AML of the device in its scope, behind the ISA bridge or on the PCI bus itself. */
  acpi?(): readonly AcpiDevice[]
}

/** Guest-physical memory as a bus master sees it: RAM, ROM and MMIO behind one address. */
export interface PhysicalMemory {
  /** Fills `into` from `address` on. Unmapped bytes read 0xff. */
  read(address: number, into: Uint8Array): void
  /** Writes `from` to `address` on. Writes to ROM or nowhere are lost. */
  write(address: number, from: Uint8Array): void
  read8(address: number): number
  read16(address: number): number
  read32(address: number): number
  write8(address: number, value: number): void
  write16(address: number, value: number): void
  write32(address: number, value: number): void
}

/** Reports what a guest touched that this machine does not have; counted by the machine and shown on failure. */
export type Warn = (what: string, address?: number) => void
