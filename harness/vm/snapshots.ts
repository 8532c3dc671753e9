/** A `Vm` at one moment: the machine, and what its parts in this thread know of it. */
import type { State } from '../../machine/device.js'
import type { BitmapFont } from '../picture/bitmap-font.js'
import { partsOf, type Snapshot } from '../thread/snapshot.js'
import { writeSnapshot } from '../thread/snapshot-files.js'
import type { VmExit } from './exit.js'
import type { SerialRecord } from './serial.js'

export interface VmMemory {
  /** Of COM1 to COM4. */
  serial: readonly SerialRecord[]
  fonts: readonly BitmapFont[]
  exit: VmExit | undefined
  /** What was written to the debug console. */
  debugConsole?: string
}

/** Good in the process that made it, until it is released, whatever becomes of the machine it was made of. */
export class VmSnapshot {
  /** @internal `vm.snapshot` makes it. */
  constructor(
    readonly machine: Snapshot,
    readonly memory: VmMemory,
  ) {}

  get guestTimeNs(): number {
    return this.machine.guestTimeNs
  }

  /**
   * Writes it to a file, which `launch({ snapshot: file })` goes on from, in another process, on another host or on
   * another engine; there, the machine's media must have the same contents. Rejects with a SnapshotError, or the host's
   * error where the disk is full.
   */
  async save(file: string): Promise<void> {
    await writeSnapshot(partsOf(this.machine), file, memoryState(this.memory))
  }

  /** Lets go of its memory; using it afterwards is a SnapshotError. */
  release(): void {
    this.machine.release()
  }
}

/** For a snapshot file. */
export function memoryState({ serial, ...rest }: VmMemory): State {
  const lines = serial.map(({ bytes, events }) => ({ bytes: Buffer.concat(bytes), events: JSON.stringify(events) }))
  return { serial: lines, rest: JSON.stringify(rest) }
}

/** @param state Of a snapshot file; undefined in one that no Vm wrote. */
export function memoryOf(state: State | undefined): VmMemory | undefined {
  if (!state) return undefined
  const serial = (state.serial as { bytes: Uint8Array; events: string }[]).map(({ bytes, events }) => ({
    bytes: [bytes],
    events: JSON.parse(events),
  }))
  return { ...JSON.parse(state.rest as string), serial }
}
