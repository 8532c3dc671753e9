/** A `Vm` at one moment: the machine, and what its parts in this thread know of it. */
import type { BitmapFont } from './bitmap-font.js'
import type { Snapshot } from './snapshot.js'
import type { VmExit } from './vm.js'
import type { SerialRecord } from './vm-serial.js'

export interface VmMemory {
  /** Of COM1 to COM4. */
  serial: readonly SerialRecord[]
  fonts: readonly BitmapFont[]
  exit: VmExit | undefined
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

  /** Lets go of its memory; using it afterwards is a SnapshotError. */
  release(): void {
    this.machine.release()
  }
}
