/**
 * The machine as everything above it sees it: one virtual PC that can be run for a while, looked at and typed to. It
 * lives in one thread and knows nothing of tests. `create-machine.ts` makes one.
 */

import type { MachineDebugger } from './debug/machine-debugger.js'
import type { MachineLog } from './debug/machine-log.js'
import type { MachineParts } from './debug/machine-parts.js'
import type { PlacedFile } from './debug/symbols/symbols.js'
import type { AccessSize } from './device.js'
import type { DeviceSpec } from './devices/catalogue.js'
import type { Display } from './devices/display/display.js'
import type { Departure, ExplorationPlan } from './exploration.js'
import type { BiosKeys } from './firmware/bios-keyboard.js'
import type { InputEvent, InputQueue } from './input.js'
import type { BlockDevice } from './media/block-device.js'
import type { RemovableDrive } from './media/drive-id.js'
import type { NetworkContents } from './network/contents.js'
import type { LoggedRequest } from './network/lan/services/request-log.js'
import type { NicSpec } from './network/machine-network.js'
import type { OutsideEvent } from './network/outside.js'
import type { TrunkOptions } from './network/trunk.js'
import type { MachineReport } from './report.js'
import type { MachineShape, MachineState } from './state/machine-state.js'

/** APIC ids are 8 bits wide, and the last ones are the I/O APIC's and the broadcast's. */
export const MAX_CPUS = 32
/** 2026-01-01 00:00:00 UTC: a fixed date by default, so that two runs are the same. */
export const DEFAULT_EPOCH = 1767225600

export interface MachineOptions {
  engine: 'auto' | 'kvm' | 'soft'
  /** The soft engine's CPU: a model and changes to it, as in `pentium3,+sse2` (`cpu/models.ts`). Default: `max`. */
  cpu?: string
  /** The number of CPUs, 1 to MAX_CPUS; default 1. */
  cpus?: number
  /** RAM in bytes: a multiple of 1 MiB, 1 MiB to 3 GiB. */
  memory: number
  /** A: and B:. */
  floppies: (BlockDevice | undefined)[]
  cdrom?: BlockDevice
  /** IDE disks in order: primary master, primary slave, secondary slave; the CD is secondary master. */
  disks: BlockDevice[]
  /** QEMU's letters: a floppy, c disk, d CD, n network. Default: the kernel, else what is there in the order a, c, d. */
  bootOrder?: string
  /** SeaBIOS offers its boot menu (Escape) for `waitMs` of guest time, its own 2500 ms by default. */
  bootMenu?: { waitMs?: number }
  /** false: SeaBIOS does not look for the boot signature of a floppy (QEMU's `-no-fd-bootchk`). */
  floppyCheck?: boolean
  /** Direct boot of a Linux bzImage, which may have an initrd, or of a Multiboot image, which may have modules. */
  kernel?: { image: Uint8Array; name: string; initrd?: Uint8Array; modules?: readonly BootModule[]; append?: string }
  /** What is told as it runs. */
  log?: MachineLog
  /** Names and source lines of what the guest runs, for reports and debuggers; the guest does not see them. */
  symbols?: readonly PlacedFile[]
  /** Which code is executed is kept, for the files of `symbols` that are covered. On the soft engine. */
  coverage?: boolean
  /** SeaBIOS and its VGA BIOS; `file` gives further ROMs by name, such as `vgabios-cirrus`. */
  firmware: {
    bios: Uint8Array
    vgaBios: Uint8Array
    /** What a flash chip below `bios` holds at power-on: the variables of UEFI firmware. */
    variables?: Uint8Array
    file?: (name: string) => Uint8Array | undefined
  }
  /** The display adapter's type, of the catalogue, or `none`; default `VGA`. */
  vga?: string
  /** Further devices to plug in. */
  devices?: readonly DeviceSpec[]
  /** Network cards to plug in, and what each is plugged into. */
  nics?: readonly NicSpec[]
  /** What the LAN's servers give. */
  network?: NetworkContents
  /** The guest asked something of the LAN, or has got its answer. */
  onRequest?: (request: LoggedRequest) => void
  /** Every frame of theirs, to and fro: `time` is when it is on the cable, and not before `now`. The callee does not change it. */
  onFrame?: (nic: string, frame: Uint8Array, time: number, now: number) => void
  /** Something of the guest's leaves for the world outside. */
  onOutside?: (event: OutsideEvent) => void
  /** It shares a network with other machines, which is where the services are, too. */
  trunk?: TrunkOptions
  /** A frame leaves for another of these machines, or for all (`network/trunk.ts`). The callee does not change it. */
  onTrunk?: (to: number, frame: Uint8Array, time: number) => void
  /** What is connected to a device that was plugged in so, by kind (`net`, `audio` …) and the device's id. */
  backend?: (kind: string, device: string) => unknown
  /** Seconds since 1970 UTC at power-on, as the RTC shows it. Fixed by default, so that runs are the same. */
  epoch?: number
  /** Called for each byte that the guest sends; port 0 is COM1. */
  onSerial?: (port: number, byte: number) => void
  onParallel?: (byte: number) => void
  /** Port 0x402 (SeaBIOS's log) and 0xE9. */
  onDebug?: (byte: number) => void
}

export interface BootModule {
  data: Uint8Array
  /** Its file's name, and what it is given after that. */
  commandLine?: string
}

/** Why a machine stopped by itself. */
export interface MachineExit {
  reason: 'poweroff' | 'reset' | 'triple-fault' | 'debug-exit' | 'watchdog' | 'halted' | 'suspended' | 'failure'
  /** debug-exit: the value that the guest wrote; QEMU's exit status for it is (code << 1) | 1. */
  code?: number
  /** watchdog: what becomes of the machine; it is as it was until it is run on. */
  action?: 'reset' | 'poweroff' | 'pause'
  /** One line more: registers of a triple fault, what failed. */
  detail?: string
}

export interface Machine {
  readonly engine: 'soft' | 'kvm'
  /** Why this engine was taken, one sentence. */
  readonly engineReason: string
  readonly display: Display
  /** A debugger's hand in it, between runs. A run that came back for one says why there. */
  readonly debugTarget?: MachineDebugger
  /** What it tells as it runs. */
  readonly log?: MachineLog
  /** Guest time in ns. */
  now(): number
  /** Retired instructions, of all CPUs or of one; 0 under kvm. */
  instructions(cpu?: number): number
  /** Guest time before which it does nothing unless something comes in: that of its next timer while all CPUs wait. */
  idleUntil?(): number
  /**
   * Runs until guest time `until` (ns), until the machine stops by itself, or until `requestStop()`. Returns undefined for
   * the first and last. After `reset` (and `triple-fault`, which resets as on a PC) the screen and the registers are
   * as they were until the machine is run on, which resets it first; after `poweroff`, `halted` and `failure` running
   * returns the same at once, after `suspended` (ACPI S3 without an alarm) until the power button or a key wakes the
   * machine. With `hostEnd` it also returns undefined soon after the host's clock (`performance.now()`) shows that,
   * whatever the guest does; to run on is then as if it had not.
   */
  run(until: number, hostEnd?: number): MachineExit | undefined
  /** From a callback (serial byte, exit): makes `run` come back after the present instruction. */
  requestStop(): void
  /** Hands on what comes from outside. */
  input(event: InputEvent): void
  /** How much of it the guest has not taken: bytes of the keyboard, the mouse, or a serial line. */
  pending(queue: InputQueue): number
  /**
   * The buffer in which the BIOS keeps keys for a program in real or virtual-8086 mode; undefined where the guest runs in
   * another mode, or keeps something else there.
   */
  biosKeys(): BiosKeys | undefined
  /** Puts a medium into a drive, or takes out what is in it. */
  insert(drive: RemovableDrive, medium: BlockDevice | undefined): void
  /** Finds out as it runs on what `isStuck` tells then. */
  suspectStuck(): void
  /**
   * What the guest is stuck in, in words: since that was asked, the CPU went round a loop that changes nothing, or waited,
   * and no interrupt can come: only a device that writes to memory could end it. On the soft engine; the answer is a
   * function of the guest alone.
   */
  isStuck(): string | undefined
  /** Whose stack is where nothing is, in words: what is pushed there is gone. At this moment, which may pass. */
  lostStack?(): string | undefined
  /** From now on it departs from the plain run by this plan. On the soft engine. Throws a UsageError. */
  explore?(plan: ExplorationPlan): void
  /** The departures that came; undefined where it is not explored. */
  departures?(): readonly Departure[] | undefined
  /** What the guest asked of its LAN, the last of it. */
  requests(): LoggedRequest[]
  /** What a monitor shows of it. */
  parts?(): MachineParts | undefined
  /** A port as a CPU sees it; without a value it is read. */
  port?(address: number, size: AccessSize, value?: number): number
  /** All that it has to tell of its guest. */
  report(): MachineReport
  /**
   * Everything, as plain data. Only between runs. The layers of `memory` that are new belong to the caller, who keeps
   * all of them open until the machine is closed or has loaded another state (`state/memory-image.ts`). Throws a
   * SnapshotError where a medium is written in place.
   */
  save(): MachineState
  /** A hash of all that `save` gives. Like it, it has the CPU forget translations. */
  fingerprint(): string
  /** What a machine must be like to load this one's state. */
  shape(): MachineShape
  /** Goes on from there: on the soft engine to the very same instructions. Throws a SnapshotError where the state does not fit. */
  load(state: MachineState): void
  close(): void
}
