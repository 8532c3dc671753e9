/** The whole machine at one moment, between two instructions: plain data that crosses threads and is written to files. */
import type { CpuState, EngineTime } from '../cpu/engine.js'
import type { Device, State } from '../device.js'
import type { OverlayImage } from '../media/overlay.js'
import type { MemoryImage } from './memory-image.js'
import { SnapshotError } from './snapshot-error.js'

export interface MachineState {
  shape: MachineShape
  time: EngineTime
  cpus: CpuState[]
  clock: State
  /** By name; the version of each is in the shape. */
  devices: { [name: string]: State }
  /** What the guest changed on each medium that is in a drive. */
  media: { [slot: string]: OverlayImage | null }
  /** Requests of devices that are not done yet, and counts for reports. */
  machine: State
  memory: MemoryImage
}

/** What a machine has to be like for a state to be loaded into it. */
export interface MachineShape {
  engine: 'soft' | 'kvm'
  /** The soft engine's CPU model as it was asked for. */
  cpu: string
  /** RAM, bytes. */
  ram: number
  /** Versions of the devices' states, by name. */
  devices: { [name: string]: number }
  /** Pieces of the guest's memory in order: RAM, firmware, video memory. */
  memory: { name: string; offset: number; size: number }[]
  /** All of it in bytes, with what lies between the pieces. */
  memorySize: number
  /** Sizes of the media in bytes, by slot: floppy0, cdrom, disk0 and so on. */
  media: { [slot: string]: number }
}

/**
 * The devices in the order of loading: the interrupt controllers come last, because they restore the levels of their
 * inputs themselves, whatever the others drove on the way; the router goes before them.
 */
export function loadOrder(devices: readonly Device[]): Device[] {
  const last = ['irq-router', 'isa-i8259', 'ioapic']
  const place = ({ name }: Device) => (/^apic\d*$/.test(name) ? last.length + 1 : last.indexOf(name) + 1)
  return [...devices].sort((a, b) => place(a) - place(b))
}

/** Throws a SnapshotError that says in what the machine differs. */
export function checkShape(saved: MachineShape, here: MachineShape): void {
  const refuse = (difference: string): never => {
    throw new SnapshotError(`the snapshot was made on another machine: ${difference}; start one like it to load it`)
  }
  if (saved.ram !== here.ram) refuse(`it had ${saved.ram / 2 ** 20} MiB of RAM, this one has ${here.ram / 2 ** 20} MiB`)
  if (saved.engine === 'soft' && here.engine === 'soft' && saved.cpu !== here.cpu)
    refuse(`its CPU was ${saved.cpu}, this one's is ${here.cpu}`)
  // A device that is new since then stays as it is after power-on.
  for (const name of Object.keys(saved.devices))
    if (here.devices[name] === undefined) refuse(`it had the device ${name}, which this one lacks`)
  for (const { name, size } of saved.memory) {
    const piece = here.memory.find((other) => other.name === name)
    if (piece?.size !== size)
      refuse(
        `${name} had ${size} bytes, here it ${piece ? `has ${piece.size}` : 'is missing (is the firmware the same?)'}`,
      )
  }
  for (const slot of new Set([...Object.keys(saved.media), ...Object.keys(here.media)])) {
    if (saved.media[slot] === here.media[slot]) continue
    const what = (size: number | undefined) => (size === undefined ? 'nothing' : `a medium of ${size} bytes`)
    refuse(`its ${slot} held ${what(saved.media[slot])}, this one's holds ${what(here.media[slot])}`)
  }
}

/** The state in the version that the device takes. Throws a SnapshotError where that cannot be had. */
export function migrated(device: Device, state: State, from: number): State {
  const to = device.version ?? 1
  if (from === to) return state
  if (from > to)
    throw new SnapshotError(
      `the snapshot's ${device.name} is of version ${from}, this bootwright knows up to ${to}: it was made by a newer one; update`,
    )
  if (!device.migrate)
    throw new SnapshotError(
      `the snapshot's ${device.name} is of version ${from}, and there is no way from it to version ${to}; make the snapshot again`,
    )
  return device.migrate(state, from)
}
