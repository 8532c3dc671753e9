/** The whole machine at one moment, between two instructions: plain data that crosses threads and is written to files. */
import type { CpuState, EngineTime } from '../cpu/engine.js'
import type { Device, State } from '../device.js'
import type { OverlayImage } from '../media/overlay.js'
import type { MemoryImage } from './memory-image.js'
import { SnapshotError } from './snapshot-error.js'

export interface MachineState {
  /** Made by a machine of this process: unlike one that was read from outside, it need not be checked. */
  isOwn?: true
  shape: MachineShape
  time: EngineTime
  cpus: CpuState[]
  clock: State
  /** By name. */
  devices: { [name: string]: State }
  /** What the guest changed on each medium that is in a drive. */
  media: { [slot: string]: OverlayImage | null }
  /** Requests of devices that are not done yet, and counts for reports. */
  machine: State
  memory: MemoryImage
}

/** The files that a state stands on: memfds of its memory, and what was changed on its media and is not in memory. */
export function filesOf({ memory, media }: MachineState): readonly number[] {
  const changes = Object.values(media).flatMap((image) => image?.layers ?? [])
  return [...memory.layers, ...changes].flatMap(({ fd }) => (fd === undefined ? [] : [fd]))
}

/** What a machine has to be like for a state to be loaded into it. */
export interface MachineShape {
  engine: 'soft' | 'kvm'
  /** The soft engine's CPU model as it was asked for. */
  cpu: string
  cpus: number
  /** RAM, bytes. */
  ram: number
  /** Types of the devices by name, the board's own among them. */
  devices: { [name: string]: string }
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
  if (saved.cpus !== here.cpus) refuse(`it had ${saved.cpus} CPUs, this one has ${here.cpus}`)
  for (const [name, type] of Object.entries(saved.devices)) {
    const own = here.devices[name]
    if (own === undefined) refuse(`it had the device ${name}, which this one lacks`)
    if (own !== type) refuse(`its ${name} was of type ${type}, this one's is of type ${own}`)
  }
  for (const name of Object.keys(here.devices))
    if (saved.devices[name] === undefined) refuse(`it lacked the device ${name}, which this one has`)
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
