/** What a board is built into, and what the machine knows of it: the contract between `boards/` and `assembly.ts`. */
import type { MemoryMap } from '../bus/memory-map.js'
import type { PciBus } from '../bus/pci.js'
import type { PortBus } from '../bus/port-bus.js'
import type { IrqRouter } from '../chipset/irq-router.js'
import type { MachineClock } from '../clock.js'
import type { CpuBoard, Engine } from '../cpu/engine.js'
import type { Device, Warn } from '../device.js'
import type { MachineControl } from '../devices/device-type.js'
import type { Display } from '../devices/display/display.js'
import type { I8042 } from '../devices/input/i8042.js'
import type { Ps2Keyboard } from '../devices/input/ps2-keyboard.js'
import type { Ps2Mouse } from '../devices/input/ps2-mouse.js'
import type { MachineOptions } from '../machine.js'
import type { BlockDevice } from '../media/block-device.js'
import type { RemovableDrive } from '../media/drive-id.js'

/** The machine without its board: CPUs, memory, buses and time. */
export interface Chassis {
  readonly options: MachineOptions
  readonly engine: Engine
  readonly clock: MachineClock
  readonly ports: PortBus
  readonly memory: MemoryMap
  readonly arena: WebAssembly.Memory
  readonly warn: Warn
  readonly control: PowerControl
  /** What its network cards are plugged into, which is saved with the board's devices. */
  readonly network: Device | undefined
  /** What is connected to the device of this name, by kind: `char`, `block`. */
  backend(kind: string, device: string): unknown
}

/** What hardware does to the whole machine, from inside an access. */
export interface PowerControl extends MachineControl {
  /** RESET#. */
  reset(): void
  powerOff(): void
  /** ACPI S3. */
  suspend(): void
  /** While suspended: what wakes it, a bit of PMSTS. */
  wake(event: number): void
  readonly isSuspended: boolean
}

/** The pins of the CPUs that end in the board. */
export type CpuPins = Pick<
  CpuBoard,
  'acknowledgeInterrupt' | 'readMsr' | 'writeMsr' | 'readTpr' | 'writeTpr' | 'ferr' | 'smmChanged'
>

export interface Board {
  /** In the order in which they are reset. */
  readonly devices: readonly Device[]
  /** Types of what is plugged in, by name: drives, too, whose controllers reset and save them. */
  readonly types: { readonly [name: string]: string }
  readonly pins: CpuPins
  /** undefined: a machine without a display adapter. */
  readonly display: Display | undefined
  readonly keyboard: Ps2Keyboard
  readonly mouse: Ps2Mouse
  readonly i8042: I8042
  /** Changes a medium. Throws an Error where it does not fit, or there is no such drive. */
  insert(drive: RemovableDrive, medium: BlockDevice | undefined): void
  /** The tray of the CD drive, where there is one. */
  readonly tray: { readonly locked: boolean; readonly trayOpen: boolean } | undefined
  readonly power: BoardPower
  /** Why no device's interrupt can reach a CPU any more, in words; undefined where one can. */
  silence(): string | undefined
  readonly pci: PciBus
  /** The devices' interrupt lines. */
  readonly irqs: IrqRouter
}

export interface BoardPower {
  button(): void
  /** An edge at the pin for interrupts that cannot be masked, LINT1, of every CPU, as from the NMI button of a server. */
  nmi(): void
  /** PMSTS's bit of the button, for a machine that it wakes. */
  readonly buttonEvent: number
  /** Guest time, ns, at which an alarm ends ACPI S3; Infinity: none does. */
  alarm(): number
  /** ACPI S3 begins: leaves word for the firmware. */
  suspending(): void
  /** The firmware's word survives the reset that ends ACPI S3; `reset` does that reset. */
  resume(event: number, reset: () => void): void
}
